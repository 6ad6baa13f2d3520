//! One night, by its seed: whatever is due at an instant happens together, in any order, and every law is
//! looked at afterwards. Rooms: `acts` (what happens at a moment), `fates`
//! (what becomes of requests), `people` (what those called do),
//! `scenes` (what bureaus, officers and accidents do).

use super::{
    acts::{Act, Came},
    bugs::Bug,
    laws::{Broken, Law, Laws},
    people::Temper,
    poll::{Task, begin, now, together},
    rng::Rng,
    town::{self, Town},
    world::{Make, World, shipped_policy},
};
use jiaoying::{
    core::{
        ids::{CalloutId, RecipientId, WarningId},
        policy::AnswerRule,
        time::{Span, Time},
        warning::Content,
    },
    store::{Key, Store},
};
use std::collections::BTreeMap;

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
    /// Every step: when, what it changed into what, what left.
    trace: String,
    /// A warning's row changed, or one was posted, since all of them were last looked at.
    pub warnings_changed: bool,
    /// What left in this step.
    pub left: Vec<String>,
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
const CALM_LASTS: Span = Span::hours(10);

pub fn play(seed: u64, bug: Option<(Bug, Law)>) -> Night {
    let mut rng = Rng::new(seed);
    let town = town::random(&mut rng);
    let day = Time::parse_rfc3339("2026-07-08T00:00:00+08:00").unwrap();
    let mut policy = shipped_policy();
    if rng.chance(30) {
        let rule = *rng.pick(&[AnswerRule::Any, AnswerRule::N(2)]);
        policy.rules.iter_mut().flat_map(|r| &mut r.calls).for_each(|c| c.answer = rule);
    }
    if rng.chance(25) {
        policy.rules.iter_mut().for_each(|r| r.relay = true);
    }
    if seed.is_multiple_of(2) {
        policy.clocks.hedge = Some(Span::secs(20));
    }
    let make = Make {
        start: day + Span::mins(rng.between(0, 24 * 60)),
        directory: town.directory.clone(),
        policy,
        email: rng.chance(50),
        callee_limits: rng.chance(50),
        lines: 20,
        interleave: rng.chance(60),
        bug: bug.map(|b| b.0),
        roomy: false,
        drills: vec![],
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
        trace: String::new(),
        left: Vec::new(),
        warnings_changed: true,
        aloud: std::env::var_os("JIAOYING_ALOUD").is_some(),
        last: Vec::new(),
        at_instant: (at, 0),
        rng,
    };
    p.stage();
    p.run();
    p.counts.conflicts = p.w.store.conflicts();
    Night { broken: p.laws.broken, trace: p.trace, counts: p.counts }
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
            && self.w.warnings().iter().all(|x| x.due(self.w.now()).is_none())
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
        for probe in self.w.engine.take_probes() {
            if !killed {
                let asked = now(self.w.engine.probe(probe));
                self.laws.demand(Law::Clock, asked.is_ok() || self.w.store.is_dead(), || format!("{asked:?}"));
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
        self.warnings_changed |= touched.iter().any(|k| matches!(k, Key::Warning(_))) || self.counts.steps.is_multiple_of(64);
        self.write_down(time, &touched);
        self.look_when_idle();
        true
    }

    /// The heads stand for whole journals, and by the law of the trail for the rows.
    fn write_down(&mut self, time: Time, touched: &[Key]) {
        let records = now(self.w.store.inner.load(touched)).unwrap_or_default();
        let changed: Vec<String> =
            touched.iter().zip(&records).map(|(k, r)| format!("{k}={:?}", r.as_ref().map(|r| (r.head, r.due)))).collect();
        let left = std::mem::take(&mut self.left);
        let line = format!("{} {} {}", time.rfc3339(), changed.join(" "), left.join(" "));
        if self.aloud {
            println!("{line}");
        }
        self.trace.push_str(&line);
        self.trace.push('\n');
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
        // What was accepted is a row of its own; no other row's change takes it away.
        if !std::mem::take(&mut self.warnings_changed) {
            return;
        }
        let known = self.w.warnings();
        for (content, id) in &self.posted {
            let kept = id.is_none_or(|id| known.iter().any(|x| x.id == id && x.content == *content));
            self.laws.demand(Law::Clock, kept, || format!("{} was accepted and is gone", content.identifier));
        }
    }
}
