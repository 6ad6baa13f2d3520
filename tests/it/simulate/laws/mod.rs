//! The laws of the design, checked from outside after every step: against the journal, the rows, what the
//! carriers took and what people really did. Each check knows nothing of how the engine decides.
//!
//! Rooms: `trail` (journals, heads, states that never go back, clocks), `sums` (conservation), `sends`
//! (what leaves: intents, order, one call a number), `answers` (evidence), `drills` (rehearsals and tests).

mod answers;
mod drills;
mod sends;
mod sums;
mod trail;

pub use answers::Ledger;
pub use sends::{Fate, asks};

use super::world::World;
use jiaoying::{
    core::{
        callout::state::Callout,
        ids::{AttemptId, CalloutId, RecipientId},
        line::Line,
        phone::Phone,
        plan::{PlanChunk, PlanEntry},
        time::Time,
    },
    store::{Head, Key},
};
use std::{collections::BTreeMap, sync::Arc};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Law {
    /// 1: nothing durable is forgotten, nothing open waits without a clock.
    Clock,
    /// 2: conservation, by independent ways of counting.
    Sum,
    /// 3: durable intents, nothing sent twice, unknown stays unknown.
    Intent,
    /// 4: only evidence of a human is an answer.
    Evidence,
    /// 5: ends overtake nothing and reach everybody who was told, once.
    Order,
    /// 6: drills are marked and counted apart, ring only where an officer started them, and stop for a real warning.
    Drill,
    /// The journal is the truth: it folds to the row, its heads chain, answers and deadlines stand.
    Trail,
    /// One call in flight per number.
    OneCall,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    pub law: Law,
    pub what: String,
}

/// A record as its journal tells it.
struct Shadow<T> {
    state: T,
    head: Head,
    rows: usize,
}

#[derive(Default)]
pub struct Laws {
    /// Looks at this law alone: for planted bugs, so that the checker meant for it must catch it.
    only: Option<Law>,
    pub broken: Option<Broken>,
    callouts: BTreeMap<CalloutId, Shadow<Callout>>,
    lines: BTreeMap<Phone, Shadow<Line>>,
    /// The older callout of each that continues one, and whether it inherits.
    before: BTreeMap<CalloutId, (CalloutId, bool)>,
    plans: BTreeMap<CalloutId, Plan>,
    /// When the line last let each attempt go: its callout hears of it later, after a slow disk much later.
    departed: BTreeMap<AttemptId, Time>,
    idles: u64,
    looks: u64,
    /// Something changed since everything was last looked at.
    changed: bool,
    pub sends: sends::Sends,
    pub ledger: Ledger,
}

/// A callout's entry of the plan.
#[derive(Clone)]
pub struct Plan {
    pub chunk: Arc<PlanChunk>,
    pub index: usize,
}
impl Plan {
    pub fn entry(&self) -> &PlanEntry {
        &self.chunk.entries[self.index]
    }
    pub fn phones(&self, id: RecipientId) -> &[Phone] {
        self.chunk.people.iter().find(|p| p.id == id).map_or(&[], |p| p.phones.as_slice())
    }
    pub fn id_of(&self, person: u16) -> Option<RecipientId> {
        self.chunk.people.get(usize::from(person)).map(|p| p.id)
    }
}

/// A callout in a few lines, for people who look for what went wrong.
pub fn brief(c: &Callout) -> String {
    let mut out = format!(
        "{} {:?} {:?} rung {:?} next {:?} ending {:?} successor {:?}",
        c.id, c.state, c.closed_reason, c.rung, c.next_rung, c.ending, c.successor
    );
    for (i, k) in c.contacts.iter().enumerate() {
        out += &format!("\n  contact {i}: {:?} {} since {} dead {} handed {} {:?}", k.relation, k.id, k.since, k.dead, k.handed, k.calls);
    }
    for (i, a) in c.attempts.iter().enumerate() {
        out += &format!(
            "\n  {}: to {} {:?} {:?} {:?} line {} queued {} sent {:?} over {:?} {} {:?} repeats {:?}",
            i + 1,
            a.contact,
            a.channel,
            a.kind,
            a.state,
            a.by_line,
            a.queued,
            a.sent.map(|t| t.rfc3339()),
            a.finished.map(|t| t.rfc3339()),
            a.outcome.as_deref().unwrap_or(""),
            a.digit,
            a.repeats
        );
    }
    for t in &c.tasks {
        out += &format!("\n  {t:?}");
    }
    out
}

impl Laws {
    pub fn only(only: Option<Law>) -> Laws {
        Laws { only, ..Laws::default() }
    }

    pub fn demand(&mut self, law: Law, holds: bool, what: impl FnOnce() -> String) {
        if !holds && self.broken.is_none() && self.only.is_none_or(|o| o == law) {
            self.broken = Some(Broken { law, what: what() });
        }
    }

    /// The plan's entry, read once: plans never change.
    pub fn plan(&mut self, w: &World, id: CalloutId) -> Option<Plan> {
        if let std::collections::btree_map::Entry::Vacant(free) = self.plans.entry(id) {
            let parts = super::poll::now(w.engine.callout_parts(id)).ok()??;
            free.insert(Plan { chunk: parts.chunk, index: parts.index });
        }
        self.plans.get(&id).cloned()
    }

    pub fn shadow(&self, id: CalloutId) -> Option<&Callout> {
        self.callouts.get(&id).map(|s| &s.state)
    }
    pub fn all_callouts(&self) -> impl Iterator<Item = &Callout> {
        self.callouts.values().map(|s| &s.state)
    }
    pub fn all_lines(&self) -> impl Iterator<Item = (&Phone, &Line)> {
        self.lines.iter().map(|(p, s)| (p, &s.state))
    }

    /// The callout and those it continues by inheritance, newest first.
    pub fn lineage(&self, id: CalloutId) -> Vec<CalloutId> {
        let mut all = vec![id];
        while let Some((older, true)) = all.last().and_then(|c| self.before.get(c)) {
            all.push(*older);
        }
        all
    }

    /// After a step: whatever it changed.
    pub fn check_step(&mut self, w: &World, touched: &[Key]) {
        for key in touched {
            match key {
                Key::Callout(id) => self.check_callout(w, *id),
                Key::Line(phone) => self.check_line(w, phone),
                _ => {}
            }
        }
        self.changed |= !touched.is_empty();
        self.check_sums(w, touched);
        self.check_drills_touched(w, touched);
    }

    /// When nothing is due and no letter waits.
    pub fn check_idle(&mut self, w: &World) {
        // These look at the rows alone: rows that did not change are as good as they were. Seen in full
        // every so often all the same, should anything change without being noticed.
        self.idles += 1;
        if !std::mem::take(&mut self.changed) && !self.idles.is_multiple_of(64) {
            return;
        }
        self.check_without_clock(w);
        self.check_lines_agree(w);
        self.check_drills_stop(w);
        // Dear: it reads every warning. A gateway that was just killed shows and exports nothing.
        self.looks += 1;
        if self.looks.is_multiple_of(16) && !w.store.is_dead() {
            self.check_exported_difference(w);
            self.check_drill_sums(w);
        }
    }

    /// When all is over.
    pub fn check_rest(&mut self, w: &World) {
        self.check_without_clock(w);
        self.check_lines_agree(w);
        self.check_drills_stop(w);
        self.check_exported_difference(w);
        self.check_drill_sums(w);
        self.check_nothing_left(w);
        self.check_ends_told(w);
    }
}
