//! The engines against each other: the same drawn operations must get the same answers.
//!
//! Records that tie (same lane, same time) may be handed out in any order, so claims take all that
//! is due and are compared by key; their order by lane and time is checked where it is claimed.

use super::*;
use jiaoying::{
    core::time::Span,
    store::{Claim, Identity, TaskRow},
};
use proptest::{
    prelude::*,
    test_runner::{RngAlgorithm, TestRng, TestRunner},
};
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Step {
    /// Commits on the record's head as last seen by the test (`stale`: on the one before).
    Commit {
        on: usize,
        stale: bool,
        due: Option<i64>,
        lane: u8,
        face: Option<(usize, bool, bool)>,
        letters: Vec<(usize, u8, i64)>,
        identity: Option<u8>,
    },
    Claim,
    /// Works the claims held: commits each, consuming its letters (`all`) or the first only.
    Work {
        all: bool,
        due: Option<i64>,
    },
    Release {
        wait: i64,
    },
    Advance {
        seconds: i64,
    },
    /// The last commit once more.
    Again,
}

const KEYS: usize = 12;
const WARNING: usize = 7;
fn key(n: usize) -> Key {
    match n {
        0..=4 => callout(1, n as u32),
        5 | 6 => callout(2, n as u32),
        WARNING => warning(1),
        8 | 9 => line(n as u32),
        10 => Key::Place(WarningId(1), "140521101201".to_string()),
        _ => Key::Callback(4),
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let face = prop::option::of((0..8usize, any::<bool>(), any::<bool>()));
    let letters = prop::collection::vec((0..KEYS, 0..4u8, -5..40i64), 0..3);
    let due = prop::option::weighted(0.8, -10..60i64);
    let commit = (0..KEYS, prop::bool::weighted(0.1), due.clone(), 0..4u8, face, letters, prop::option::weighted(0.1, 0..4u8))
        .prop_map(|(on, stale, due, lane, face, letters, identity)| Step::Commit { on, stale, due, lane, face, letters, identity });
    let step = prop_oneof![
        6 => commit,
        3 => Just(Step::Claim),
        3 => (any::<bool>(), due).prop_map(|(all, due)| Step::Work { all, due }),
        1 => (0..40i64).prop_map(|wait| Step::Release { wait }),
        3 => (0..40i64).prop_map(|seconds| Step::Advance { seconds }),
        1 => Just(Step::Again),
    ];
    prop::collection::vec(step, 1..80)
}

/// One engine with what the test knows of it.
struct Side {
    room: Room,
    heads: BTreeMap<Key, (Head, Head)>,
    held: Vec<Claim>,
    last: Option<Commit>,
    turn: i64,
}
impl Side {
    fn new(room: Room) -> Side {
        Side { room, heads: BTreeMap::new(), held: Vec::new(), last: None, turn: 0 }
    }

    async fn commit(&mut self, c: Commit) -> String {
        let answer = self.room.commit(c.clone()).await;
        if answer == Committed::Done {
            let before = self.heads.get(&c.key).map_or(Head::NONE, |h| h.0);
            if before != c.head {
                self.heads.insert(c.key.clone(), (c.head, before));
            }
        }
        self.last = Some(c);
        format!("{answer:?}")
    }

    fn base(&self, key: &Key, stale: bool, due: Option<i64>, lane: u8) -> Commit {
        let (head, before) = self.heads.get(key).copied().unwrap_or((Head::NONE, Head::NONE));
        let mut c = change(key, if stale { before } else { head }, &format!("turn {}", self.turn));
        c.at = self.room.clock.advance(Span::ZERO);
        c.due = due.map(|d| START + Span::secs(d));
        c.lane = Lane(lane);
        c
    }

    /// Does a step and says all that can be seen of it.
    async fn step(&mut self, step: &Step) -> Vec<String> {
        self.turn += 1;
        let mut seen = Vec::new();
        match step {
            Step::Commit { on, stale, due, lane, face: f, letters, identity } => {
                // An identity is kept with its warning.
                let on = if identity.is_some() { WARNING } else { *on };
                let mut c = self.base(&key(on), *stale, *due, *lane);
                c.face = f.filter(|_| matches!(c.key, Key::Callout(_))).map(|(state, told_only, feedback_owed)| Face {
                    told_only,
                    feedback_owed,
                    ..face(CalloutState::ALL[state], on as u32)
                });
                c.send = letters
                    .iter()
                    .map(|(to, lane, at)| letter(&key(*to), *lane, START + Span::secs(*at), &format!("{}", self.turn)))
                    .collect();
                c.identity = identity.map(|n| Identity {
                    issuer: "i".into(),
                    sender: "s".into(),
                    identifier: n.to_string(),
                    digest: self.turn.to_string(),
                    warning: WarningId(1),
                });
                c.tasks = identity.iter().map(|n| task(*n, self.turn)).collect();
                seen.push(self.commit(c).await);
            }
            Step::Claim => {
                let mut claims = self.room.store.claim(100, Span::secs(20)).await.unwrap();
                let lanes: Vec<u8> = claims.iter().filter(|c| c.inbox.is_empty()).filter_map(|c| Some(c.record.as_ref()?.lane.0)).collect();
                assert!(lanes.is_sorted(), "claims by lane: {lanes:?}");
                claims.sort_by(|a, b| a.key.cmp(&b.key));
                // Letters are numbered as an engine likes; their order is the same.
                let letters = |c: &Claim| c.inbox.iter().map(|l| String::from_utf8_lossy(&l.body).into_owned()).collect::<Vec<_>>();
                seen.extend(claims.iter().map(|c| format!("{:?} {:?} {:?}", c.key, c.record, letters(c))));
                self.held.extend(claims);
            }
            Step::Work { all, due } => {
                for claim in std::mem::take(&mut self.held) {
                    let mut c = self.base(&claim.key, false, *due, 1);
                    c.expect = claim.record.as_ref().map_or(Head::NONE, |r| r.head);
                    c.head = c.expect.after(&c.journal);
                    c.consumed = claim.inbox.iter().map(|l| l.seq).take(if *all { usize::MAX } else { 1 }).collect();
                    seen.push(self.commit(c).await);
                }
            }
            Step::Release { wait } => {
                let claims: Vec<_> = self.held.drain(..).map(|c| (c.key, c.nonce)).collect();
                let until = self.room.store.now() + Span::secs(*wait);
                self.room.store.release(&claims, until).await.unwrap();
            }
            Step::Advance { seconds } => drop(self.room.clock.advance(Span::secs(*seconds))),
            Step::Again => {
                if let Some(c) = self.last.clone() {
                    seen.push(self.commit(c).await);
                }
            }
        }
        seen.push(format!("next {:?} depth {:?}", self.room.store.next_due().await, self.room.store.queue_depth().await));
        seen
    }

    /// Everything that can be read.
    async fn state(&self) -> Vec<String> {
        let s = &self.room.store;
        let mut seen = Vec::new();
        for n in 0..KEYS {
            seen.push(format!("{:?} {:?}", self.room.load(&key(n)).await, s.journal(&key(n)).await));
        }
        for w in [WarningId(1), WarningId(2)] {
            let counts = s.counts(w).await.unwrap();
            assert_eq!(counts, s.recount(w).await.unwrap());
            seen.push(format!("{counts:?} {:?} {:?}", s.faces(w).await, s.callouts(Some(w), &Default::default(), None, 99).await));
        }
        seen.push(format!("{:?} {:?} {:?}", s.without_clock().await, s.tasks(None, false, 99).await, s.warnings(None, 9).await));
        for n in 0..4 {
            seen.push(format!("{:?}", s.identities(&n.to_string()).await));
        }
        seen
    }
}

fn task(n: u8, turn: i64) -> TaskRow {
    TaskRow {
        id: format!("t-{n}"),
        kind: "read".into(),
        title: turn.to_string(),
        warning: Some(WarningId(1)),
        callout: None,
        division: None,
        opened_at: START,
        due_at: Time(turn),
        claimed_by: None,
        claimed_at: None,
        closed: (turn % 3 == 0).then(|| "done".into()),
        note: None,
    }
}

/// The same steps on memory and on another engine; restarts in between where `reopen`.
async fn same(steps: &[Step], other: Room, reopen: bool) {
    let (mut model, mut other) = (Side::new(Room::memory()), Side::new(other));
    for (n, step) in steps.iter().enumerate() {
        assert_eq!(model.step(step).await, other.step(step).await, "step {n}: {step:?}");
        if reopen && n % 20 == 19 {
            for side in [&mut model, &mut other] {
                side.held.clear();
            }
            (model.room, other.room) = (model.room.reopen(), other.room.reopen());
        }
    }
    assert_eq!(model.state().await, other.state().await);
}

fn check<F: Future<Output = Room>>(cases: u32, other: impl Fn() -> F, reopen: bool) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    runner
        .run(&steps(), |steps| {
            runtime.block_on(async { same(&steps, other().await, reopen).await });
            Ok(())
        })
        .unwrap();
}

#[test]
fn memory_and_sqlite_answer_alike_whatever_is_asked() {
    check(40, fresh::sqlite_file, false);
}

#[test]
fn restarts_in_between_make_no_difference() {
    check(40, fresh::sqlite_file, true);
}

#[test]
fn memory_and_redis_answer_alike_whatever_is_asked() {
    check(40, fresh::redis_on_one_server, false);
}

#[test]
fn memory_and_redis_of_one_partition_answer_alike() {
    check(20, fresh::redis_of_one_partition, false);
}

#[test]
fn memory_and_redis_by_outbox_answer_alike() {
    check(40, fresh::redis_by_outbox, false);
}

#[test]
fn memory_and_a_redis_cluster_answer_alike() {
    check(20, fresh::redis_cluster, false);
}
