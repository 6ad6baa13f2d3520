//! One night, by its seed: whatever is due at an instant happens together, in any order, and every law is
//! looked at afterwards. Rooms: `fates` (what becomes of requests), `people` (what those called do),
//! `scenes` (what bureaus, officers and accidents do).

use super::{
    bugs::Bug,
    laws::{Broken, Law, Laws},
    people::Temper,
    poll::{Task, begin, now, together},
    rng::Rng,
    town::{self, Town},
    world::{Make, World, shipped_policy},
};
use jiaoying::{
    channel::CallbackItem,
    core::{
        callout::state::{Relation, Report},
        ids::{CalloutId, RecipientId, WarningId},
        policy::AnswerRule,
        time::{Span, Time},
        warning::{Content, Parsed},
    },
    engine::{
        ActError, Officer, PostError, PostReply, TokenAction, Turn,
        dispatcher::{Done, LookupJob},
        limits::InFlight,
    },
    store::{Key, Reports, Store, StoreError},
};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Something that happens at a moment.
pub enum Act {
    Outcome {
        epoch: u32,
        reference: String,
        done: Done,
        slot: InFlight,
    },
    Callback {
        account: String,
        items: Vec<CallbackItem>,
    },
    Lookup {
        epoch: u32,
        job: LookupJob,
    },
    Link {
        id: CalloutId,
        contact: u8,
        action: TokenAction,
    },
    Report {
        id: CalloutId,
        contact: u8,
    },
    Post {
        issuer: &'static str,
        content: Box<Content>,
    },
    Drill {
        content: Box<Content>,
    },
    Cancel {
        id: WarningId,
    },
    Extend {
        id: WarningId,
    },
    Claim {
        task: String,
        officer: &'static str,
    },
    Complete {
        task: String,
        officer: &'static str,
        outcome: &'static str,
        reached: Option<String>,
    },
    Manual {
        id: CalloutId,
    },
    /// Officers look at their list.
    Officers,
    Crash,
    /// The chaos is over: everybody answers, reports, does his work.
    Calm,
    /// Whoever has not answered, reported or worked does so now.
    Tidy,
}

/// What an act came to.
pub enum Came {
    Turn(Result<Turn, StoreError>),
    Done(Result<(), StoreError>),
    Act(Act, Result<(), ActError>),
    Post(Act, Result<PostReply, PostError>),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub steps: u64,
    pub requests: u64,
    pub answered: u64,
    pub crashes: u64,
    pub conflicts: u64,
}

pub struct Play {
    pub w: World,
    pub rng: Rng,
    pub laws: Laws,
    pub town: Town,
    pub bug: Option<Bug>,
    pub calm: bool,
    pub queue: BTreeMap<(Time, u64), Act>,
    pub tempers: BTreeMap<RecipientId, Temper>,
    pub dead_numbers: Vec<String>,
    /// Accepted messages, for updates, cancels and doubles.
    pub posted: Vec<(Content, Option<WarningId>)>,
    pub counts: Counts,
    /// How much goes wrong, percent of the usual.
    pub storm: u64,
    pub officers_work: u64,
    /// Answered by their holders, and by when that must be seen: a killed gateway's work is leased for a while.
    pub owed: Vec<(CalloutId, Time)>,
    seq: u64,
    /// Turns that stand still until then.
    stalled: BTreeMap<(Time, u64), Task<Came>>,
    trace: Sha256,
    /// Tells every step, for one night alone.
    aloud: bool,
    /// What the last step changed.
    last: Vec<Key>,
    at_instant: (Time, u32),
}

/// What one night came to.
pub struct Night {
    pub broken: Option<Broken>,
    pub trace: String,
    pub counts: Counts,
}

/// No night needs more.
const STEPS: u64 = 60_000;
const CALM_LASTS: Span = Span::hours(8);

pub fn play(seed: u64, bug: Option<(Bug, Law)>) -> Night {
    let mut rng = Rng::new(seed);
    let town = town::random(&mut rng);
    let day = Time::parse_rfc3339("2026-07-08T00:00:00+08:00").unwrap();
    let mut policy = shipped_policy();
    if rng.chance(30) {
        let rule = *rng.pick(&[AnswerRule::Any, AnswerRule::N(2)]);
        policy.rules.iter_mut().flat_map(|r| &mut r.calls).for_each(|c| c.answer = rule);
    }
    let make = Make {
        start: day + Span::mins(rng.between(0, 24 * 60)),
        directory: town.directory.clone(),
        policy,
        email: rng.chance(50),
        callee_limits: rng.chance(50),
        interleave: rng.chance(60),
        bug: bug.map(|b| b.0),
    };
    let w = World::new(make, &mut rng);
    let tempers = town.directory.recipients.keys().map(|id| (*id, Temper::random(&mut rng))).collect();
    let phones = town.directory.recipients.values().flat_map(|r| r.phones.iter().map(|p| p.reveal().to_string()));
    let mut dead_numbers: Vec<String> = phones.collect();
    dead_numbers.retain(|_| rng.chance(6));
    let at = w.now();
    let mut p = Play {
        w,
        laws: Laws::only(bug.map(|b| b.1)),
        town,
        bug: bug.map(|b| b.0),
        calm: false,
        queue: BTreeMap::new(),
        tempers,
        dead_numbers,
        posted: Vec::new(),
        counts: Counts::default(),
        storm: *rng.pick(&[0, 50, 100, 100, 250]),
        officers_work: *rng.pick(&[0, 40, 80]),
        owed: Vec::new(),
        seq: 0,
        stalled: BTreeMap::new(),
        trace: Sha256::new(),
        aloud: std::env::var_os("JIAOYING_ALOUD").is_some(),
        last: Vec::new(),
        at_instant: (at, 0),
        rng,
    };
    p.stage();
    p.run();
    p.counts.conflicts = p.w.store.conflicts();
    let trace = p.trace.finalize().iter().map(|b| format!("{b:02x}")).collect();
    Night { broken: p.laws.broken, trace, counts: p.counts }
}

impl Play {
    pub fn at(&mut self, time: Time, act: Act) {
        self.seq += 1;
        self.queue.insert((time, self.seq), act);
    }
    pub fn after(&mut self, span: Span, act: Act) {
        let time = self.w.now() + span;
        self.at(time, act);
    }

    fn run(&mut self) {
        let mut calm_since = None;
        while self.laws.broken.is_none() {
            if self.counts.steps > STEPS {
                return self.laws.demand(Law::Clock, false, || "the night does not end".into());
            }
            if self.calm {
                let since = *calm_since.get_or_insert(self.w.now());
                if self.at_rest() {
                    self.laws.check_idle(&self.w);
                    return self.laws.check_rest(&self.w);
                }
                if self.w.now() > since + CALM_LASTS {
                    self.laws.check_rest(&self.w);
                    return self.laws.demand(Law::Clock, false, || "it never comes to rest".into());
                }
            }
            if !self.step() {
                return self.laws.demand(Law::Clock, self.calm, || "nothing is due, yet it is not over".into());
            }
        }
    }

    /// Everything closed, nothing queued, nothing on its way.
    fn at_rest(&self) -> bool {
        let only_tidy = self.stalled.is_empty() && self.queue.values().all(|a| matches!(a, Act::Tidy | Act::Officers));
        only_tidy
            && self.w.warnings().iter().all(|x| x.due(self.w.now()).is_none())
            && now(self.w.store.inner.queue_depth()).is_ok_and(|d| d.is_empty())
            && self.laws.all_callouts().all(|c| {
                (!c.state.is_open() || c.told_only)
                    && !c.tasks.iter().any(|t| t.is_open())
                    && !c.attempts.iter().any(|a| {
                        use jiaoying::core::callout::state::AttemptState::{Queued, Sending};
                        matches!(a.state, Queued | Sending)
                    })
            })
            && self
                .laws
                .all_lines()
                .all(|(_, l)| l.waiting.iter().all(|x| l.flight_of(x.ask.attempt).is_some()) && l.flights.iter().all(|f| f.accepted))
            && self.w.none_due()
    }

    /// One instant. False when nothing will ever happen.
    fn step(&mut self) -> bool {
        let due = now(self.w.store.next_due()).ok().flatten();
        let act = self.queue.first_key_value().map(|((t, _), _)| *t);
        let stalled = self.stalled.first_key_value().map(|((t, _), _)| *t);
        let Some(next) = due.into_iter().chain(act).chain(stalled).min() else { return false };
        self.w.clock.advance_to(next);
        let time = self.w.now();
        self.counts.steps += 1;
        if self.at_instant.0 == time {
            self.at_instant.1 += 1;
            let spins = self.at_instant.1;
            if spins >= 2_000 {
                let touched = self.w.store.take_touched();
                let tail = |key| {
                    now(self.w.store.inner.journal(key))
                        .unwrap_or_default()
                        .into_iter()
                        .rev()
                        .take(3)
                        .map(|r| String::from_utf8_lossy(&r.entries).into_owned())
                        .collect::<Vec<_>>()
                };
                let what: Vec<_> = self.last.iter().chain(&touched).map(|k| (k.clone(), tail(k))).collect();
                self.laws.demand(Law::Clock, false, || format!("it spins at {time}: {what:?}"));
            }
        } else {
            self.at_instant = (time, 0);
        }
        let mut tasks: Vec<Task<Came>> = Vec::new();
        for _ in 0..5 {
            let Some(entry) = self.queue.first_entry().filter(|e| e.key().0 <= time) else { break };
            let act = entry.remove();
            self.begin(act, &mut tasks);
        }
        let mut done_early = Vec::new();
        let turns = if due.is_some_and(|d| d <= time) { self.rng.between(1, 2) } else { 0 };
        for _ in 0..turns {
            let (engine, limit) = (self.w.engine.clone(), self.rng.between(1, 40) as usize);
            let mut turn: Task<Came> = Box::pin(async move { Came::Turn(engine.turn(limit).await) });
            if self.rng.chance(2) {
                // A slow disk: the turn stands still, its leases lapse, others do its work meanwhile.
                let polls = self.rng.between(1, 12) as u64;
                match begin(&mut turn, polls) {
                    Some(out) => done_early.push(out),
                    None => {
                        let until = time + Span::secs(self.rng.between(1, 40));
                        self.seq += 1;
                        self.stalled.insert((until, self.seq), turn);
                    }
                }
            } else {
                tasks.push(turn);
            }
        }
        while let Some(e) = self.stalled.first_entry().filter(|e| e.key().0 <= time) {
            tasks.push(e.remove());
        }
        let mut came = together(tasks, &mut self.rng);
        came.extend(done_early);
        let killed = self.w.store.is_dead();
        for c in came {
            self.ended(c, killed);
        }
        for job in self.w.engine.take_lookups() {
            let (wait, epoch) = (self.rng.between(50, 3_000), self.w.epoch);
            if !killed {
                self.after(Span(wait), Act::Lookup { epoch, job });
            }
        }
        let touched = self.w.store.take_touched();
        if killed {
            self.counts.crashes += 1;
            self.stalled.clear();
            self.w.restart();
            self.forget_going();
        }
        self.laws.check_step(&self.w, &touched);
        self.last.clone_from(&touched);
        let line = format!("{} {touched:?} {}", time.rfc3339(), self.counts.requests);
        if self.aloud {
            println!("{line}");
        }
        self.trace.update(line);
        self.look_when_idle();
        true
    }

    fn look_when_idle(&mut self) {
        let time = self.w.now();
        let busy = now(self.w.store.next_due()).ok().flatten().is_some_and(|d| d <= time);
        let letters = now(self.w.store.inner.queue_depth()).is_ok_and(|d| !d.is_empty());
        if busy || letters {
            return;
        }
        self.laws.check_idle(&self.w);
        // An answer that was taken counts, wherever the callout went on meanwhile.
        let (due, later) = std::mem::take(&mut self.owed).into_iter().partition(|(_, by): &(CalloutId, Time)| *by <= time);
        self.owed = later;
        for (id, _) in due {
            let mut tip = id;
            while let Some(s) = self.laws.shadow(tip).and_then(|c| c.successor).filter(|s| s.inherits) {
                tip = s.id;
            }
            let open = self.laws.shadow(tip).filter(|c| c.state.is_open() && !c.told_only).map(super::laws::brief);
            self.laws.demand(Law::Clock, open.is_none(), || format!("the answer to {id} is forgotten: {}", open.unwrap_or_default()));
        }
        let known = self.w.warnings();
        for (content, id) in &self.posted {
            let kept = id.is_none_or(|id| known.iter().any(|x| x.id == id && x.content == *content));
            self.laws.demand(Law::Clock, kept, || format!("{} was accepted and is gone", content.identifier));
        }
    }

    /// Starts an act; what people do is written down as they do it.
    fn begin(&mut self, act: Act, tasks: &mut Vec<Task<Came>>) {
        let e = self.w.engine.clone();
        match act {
            Act::Outcome { epoch, reference, done, slot } => {
                drop(slot);
                if epoch == self.w.epoch {
                    self.outcome_known(&reference, &done);
                    tasks.push(Box::pin(async move { Came::Done(e.record(vec![done]).await) }));
                }
            }
            Act::Callback { account, items } => {
                self.witness(&items);
                tasks.push(Box::pin(async move {
                    let body = serde_json::to_vec(&items).unwrap_or_default();
                    let kept = e.park_callback(&account, Some("application/json"), &body).await.map(|_| ());
                    Came::Act(Act::Callback { account, items }, kept)
                }));
            }
            Act::Lookup { epoch, job } => {
                if epoch == self.w.epoch {
                    tasks.push(Box::pin(async move { Came::Done(e.look_up(job).await) }));
                }
            }
            Act::Link { id, contact, action } => {
                let whose = self.w.callout(id).and_then(|c| c.contacts.get(usize::from(contact)).map(|k| k.id));
                if let (Some(person), TokenAction::Answer) = (whose, action) {
                    self.laws.ledger.links.push((id, person));
                }
                let token = self.w.token(id, contact);
                tasks.push(Box::pin(async move {
                    let r = e.token_act(&token, action).await.map(|_| ());
                    Came::Act(Act::Link { id, contact, action }, r)
                }));
            }
            Act::Report { id, contact } => {
                let whose = self.w.callout(id).and_then(|c| c.contacts.get(usize::from(contact)).map(|k| k.id));
                if let Some(person) = whose {
                    self.laws.ledger.links.push((id, person));
                }
                let token = self.w.token(id, contact);
                tasks.push(Box::pin(async move {
                    let r = e.token_feedback(&token, Report { on_post: true, ..Report::default() }).await.map(|_| ());
                    Came::Act(Act::Report { id, contact }, r)
                }));
            }
            Act::Post { issuer, content } => tasks.push(Box::pin(async move {
                let from = super::world::issuer(issuer);
                let parsed = Parsed { content: (*content).clone(), findings: vec![] };
                let r = e.post_warning(&from, parsed, b"{}").await;
                Came::Post(Act::Post { issuer, content }, r)
            })),
            Act::Drill { content } => tasks.push(Box::pin(async move {
                let r = e.start_drill("值班员", (*content).clone()).await;
                Came::Post(Act::Drill { content }, r)
            })),
            Act::Cancel { id } => tasks.push(Box::pin(async move {
                let r = e.cancel_warning(id, "值班员", "雨停了").await;
                Came::Act(Act::Cancel { id }, r)
            })),
            Act::Extend { id } => {
                let until = self.w.now() + Span::mins(20);
                tasks.push(Box::pin(async move {
                    let r = e.extend_warning(id, "值班员", until).await;
                    Came::Act(Act::Extend { id }, r)
                }));
            }
            Act::Claim { task, officer } => tasks.push(Box::pin(async move {
                let r = e.claim_task(&task, officer).await;
                Came::Act(Act::Claim { task, officer }, r)
            })),
            Act::Complete { task, officer, outcome, reached } => {
                self.officer_speaks(&task, reached.is_some());
                tasks.push(Box::pin(async move {
                    let r = e.complete_task(&task, Officer::at_screen(officer), outcome, reached.as_deref(), None).await;
                    Came::Act(Act::Complete { task, officer, outcome, reached }, r)
                }));
            }
            Act::Manual { id } => {
                self.laws.ledger.officers.push(id);
                tasks.push(Box::pin(async move {
                    let r = e.acknowledge(id, Officer::at_screen("值班员"), "电台", None, None).await.map(|_| ());
                    Came::Act(Act::Manual { id }, r)
                }));
            }
            Act::Officers => self.officers_look(),
            Act::Crash => {
                let (batches, applied) = (self.rng.below(12), self.rng.chance(50));
                self.w.store.light_fuse(batches, applied);
            }
            Act::Calm => self.calm_down(),
            Act::Tidy => self.tidy(),
        }
    }

    fn ended(&mut self, came: Came, killed: bool) {
        match came {
            Came::Turn(Ok(turn)) => {
                for job in turn.jobs {
                    self.carry(job, killed);
                }
            }
            // The turn of a killed gateway: what it had claimed is leased and comes back.
            Came::Turn(Err(e)) | Came::Done(Err(e)) => {
                self.laws.demand(Law::Clock, killed, || format!("the engine fails: {e}"));
            }
            Came::Done(Ok(())) => {}
            Came::Act(act, Err(ActError::Store(e))) => {
                self.laws.demand(Law::Clock, killed, || format!("the engine fails: {e}"));
                // Nobody was told that it was kept: providers, people and officers try again.
                self.after(Span::secs(2), act);
            }
            Came::Act(Act::Link { id, contact, action: TokenAction::Answer }, result) => self.answered(id, contact, result),
            Came::Act(_, _) => {}
            Came::Post(act, Err(PostError::Store(e))) => {
                self.laws.demand(Law::Clock, killed, || format!("the engine fails: {e}"));
                self.after(Span::secs(2), act);
            }
            Came::Post(Act::Post { content, .. } | Act::Drill { content }, result) => match result {
                Ok(reply) => {
                    if let Some(p) = self.posted.iter_mut().find(|p| p.0 == *content) {
                        p.1 = Some(reply.id);
                    }
                }
                Err(e) => self.laws.demand(Law::Clock, false, || format!("{} is refused: {e}", content.identifier)),
            },
            Came::Post(_, Ok(_)) => {}
            Came::Post(_, Err(e)) => self.laws.demand(Law::Clock, false, || format!("refused: {e}")),
        }
    }

    /// These were answered: it must show.
    pub fn owe(&mut self, ids: impl IntoIterator<Item = CalloutId>) {
        let by = self.w.now() + Span::secs(60);
        self.owed.extend(ids.into_iter().map(|id| (id, by)));
    }

    fn answered(&mut self, id: CalloutId, contact: u8, result: Result<(), ActError>) {
        let relation = self.w.callout(id).and_then(|c| c.contacts.get(usize::from(contact)).map(|k| k.relation));
        match result {
            Ok(()) if relation == Some(Relation::Holder) => {
                self.counts.answered += 1;
                self.owe([id]);
            }
            Ok(()) => {}
            Err(e) => self.laws.demand(Law::Clock, false, || format!("the button of {id} is refused: {e}")),
        }
    }
}
