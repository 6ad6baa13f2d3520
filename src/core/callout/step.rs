//! (state, event, now) → what happened and what must be done. The engine commits the first and then
//! carries out the second; nothing here can fail.

use super::{
    entry::Entry,
    event::{Event, Refused},
    fold,
    state::*,
};
use crate::core::{
    directory::Place,
    hazard::Level,
    ids::{AttemptId, CalloutId, WarningId},
    line::LineLetter,
    phone::Phone,
    plan::{PlanEntry, PlanPerson, PlanRota},
    policy::{AnswerRule, Clocks, Ladder, Night, Schedule},
    route::Routes,
    send::Channel,
    time::{Span, Time},
};

/// Attempts of one callout; what a provider's field for our reference can tell apart is 4095.
const MAX_ATTEMPTS: usize = 4000;

/// Which channels this gateway has an account for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Channels {
    pub sms: bool,
    pub voice: bool,
    pub email: bool,
}
impl Channels {
    /// Whether some channel can ring or write to this number: a landline receives no SMS.
    pub fn reaches(self, phone: &Phone) -> bool {
        self.voice || (self.sms && phone.is_mobile())
    }
}

/// Everything a callout's decisions may look at; all of it frozen when the plan was made.
#[derive(Clone, Copy, Debug)]
pub struct Ctx<'a> {
    pub warning: WarningId,
    pub drill: bool,
    pub entry: &'a PlanEntry,
    /// The people of the entry's plan chunk.
    pub people: &'a [PlanPerson],
    /// The rotas of that chunk.
    pub rotas: &'a [PlanRota],
    pub ladder: &'a Ladder,
    pub feedback: Option<&'a Schedule>,
    pub clocks: &'a Clocks,
    pub night: Night,
    pub channels: Channels,
    /// The accounts and which of them work, as the gateway that decides sees them.
    pub routes: Routes<'a>,
    /// A request without an outcome after this long is of unknown fate (a crash, a lost reply).
    pub sending_timeout: Span,
}

impl Ctx<'_> {
    pub(super) fn level(&self) -> Level {
        self.entry.level
    }
    /// Red and orange go again after an unknown fate; others await the receipt (design, outcomes).
    pub(super) fn resends_unknown(&self) -> bool {
        self.level().rank() >= Level::Orange.rank()
    }
    pub(super) fn person(&self, index: u16) -> Option<&PlanPerson> {
        self.people.get(usize::from(index))
    }
    pub(super) fn name(&self, index: u16) -> String {
        self.person(index).map(|p| p.name.clone()).unwrap_or_default()
    }
}

/// An answer or report that belongs to the callout which continues this one.
#[derive(Clone, Debug, PartialEq)]
pub struct ForwardTo {
    pub callout: CalloutId,
    pub event: Event,
}

/// What must be done once the entries are durable (letters travel in the same commit).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effects {
    pub line: Vec<(Phone, LineLetter)>,
    /// This place has one more answer (only where the rule is not `each`).
    pub place_answered: Vec<(Place, AnswerRule)>,
    /// This callout counts on this place's record.
    pub place_joined: Vec<(Place, AnswerRule)>,
    /// Relay records (逐级转发) that this callout waits on.
    pub relay_joined: Vec<String>,
    /// Relay records whose callouts may be called now, because somebody here answered.
    pub relay_answered: Vec<String>,
    /// Tasks whose row changed, by number.
    pub tasks: Vec<u16>,
    /// Public events: `callout.answered`, `callout.overdue`, `callout.handed_over`, `callout.feedback`.
    pub announce: Vec<&'static str>,
    pub forward: Option<ForwardTo>,
    pub refused: Option<Refused>,
}

/// The result of a step.
#[derive(Clone, Debug, PartialEq)]
pub struct Stepped {
    pub state: Callout,
    /// Empty when nothing changed: then there is nothing to commit.
    pub entries: Vec<Entry>,
    pub effects: Effects,
}

/// The working copy: every change goes through [`Work::did`], so the journal is complete.
pub(super) struct Work<'a> {
    pub ctx: Ctx<'a>,
    pub now: Time,
    pub state: Callout,
    pub entries: Vec<Entry>,
    pub effects: Effects,
}

impl<'a> Work<'a> {
    fn new(ctx: Ctx<'a>, state: Callout, now: Time) -> Self {
        Work { ctx, now, state, entries: Vec::new(), effects: Effects::default() }
    }
    pub fn did(&mut self, entry: Entry) {
        // What cannot be named to a provider would be taken for another attempt.
        if matches!(entry, Entry::Queued { .. }) && self.is_full() {
            return;
        }
        fold::apply(&mut self.state, &entry, self.now);
        self.entries.push(entry);
    }
    /// As many attempts were made as can be told apart: days of calls. The tasks go on.
    pub fn is_full(&self) -> bool {
        self.state.attempts.len() >= MAX_ATTEMPTS
    }
    pub fn attempt_id(&self, n: u16) -> AttemptId {
        AttemptId { callout: self.state.id, n }
    }
    pub fn task_changed(&mut self, n: u16) {
        if !self.effects.tasks.contains(&n) {
            self.effects.tasks.push(n);
        }
    }
    fn done(self) -> Stepped {
        Stepped { state: self.state, entries: self.entries, effects: self.effects }
    }
}

/// Makes the callout of a plan entry. `start` is the acceptance of the warning. Where the warning
/// has ended meanwhile, step an `End` right after.
pub fn open(ctx: Ctx<'_>, id: CalloutId, start: Time, now: Time) -> Stepped {
    let mut w = Work::new(ctx, fold::blank(), now);
    w.open(id, start);
    w.join_places();
    w.done()
}

/// Makes the callout of an entry whose person has one for the older message at the same or a higher
/// level: it inherits rung, deadline, contacts and answer; no clock restarts. `old` must be
/// expressed in the new plan's people and posts (see [`ending::translate`]).
pub fn open_carried(ctx: Ctx<'_>, id: CalloutId, old: &Callout, old_entry: &PlanEntry, start: Time, now: Time) -> Stepped {
    let mut w = Work::new(ctx, fold::blank(), now);
    w.open(id, start);
    w.carry(old, old_entry);
    w.join_places();
    w.done()
}

/// THE function. Never fails; what cannot be is absorbed or named in `effects.refused`.
pub fn step(ctx: Ctx<'_>, state: &Callout, event: &Event, now: Time) -> Stepped {
    step_from(ctx, state.clone(), event, now)
}

/// The same from a state that nobody else needs.
pub fn step_from(ctx: Ctx<'_>, state: Callout, event: &Event, now: Time) -> Stepped {
    let mut w = Work::new(ctx, state, now);
    match event {
        Event::Tick => {}
        Event::Submit { n, provider, digit } => w.submit(*n, provider, *digit),
        Event::Left { n, attempt, at, provider, digit } => w.left(*n, attempt, *at, provider, *digit),
        Event::Defer { n, until, why } => w.defer(*n, *until, why),
        Event::Outlasted { n, until, why } => w.outlasted(*n, *until, why),
        Event::Unsendable { n, why } => w.unsendable(*n, why),
        Event::Outcome { n, outcome } => w.outcome(*n, outcome),
        Event::Receipt { n, delivered, outcome, number_dead, lost } => w.receipt(*n, *delivered, outcome, *number_dead, *lost),
        Event::LookedUp { n, found, provider_id } => w.looked_up(*n, *found, provider_id.clone()),
        Event::Line { n, news } => w.line_news(*n, news),
        Event::Answer { contact, via, at } => w.answer(*contact, *via, *at, event),
        Event::Decline { contact, not_me, via } => w.decline(*contact, *not_me, *via, event),
        Event::Unreadable { contact, text } => w.unreadable(*contact, text),
        Event::AskWhich { contact } => w.queue_sms(*contact, AskKind::Which),
        Event::Manual { officer, via, method, note, by } => w.manual(officer, *via, method, note.clone(), by, event),
        Event::ClaimTask { n, officer } => w.claim_task(*n, officer),
        Event::CompleteTask { n, officer, via, outcome, reached, note } => {
            w.complete_task(*n, officer, *via, outcome, reached.as_ref(), note.clone());
        }
        Event::Feedback { from, report } => w.feedback(from, report, event),
        Event::Covered { place } => w.covered(place),
        Event::Forwarded => w.forwarded(),
        Event::ReturnPermitted { places, by, note } => w.return_permitted(places, by, note),
        Event::End { reason } => w.end(*reason),
        Event::Supersede { successor } => w.supersede(*successor),
    }
    w.clockwork();
    w.done()
}

impl Work<'_> {
    /// Whatever the clock says is to be done, after every event.
    fn clockwork(&mut self) {
        self.expire_sending();
        self.tell_end();
        self.task_clock();
        if self.state.ending.is_some() {
            return;
        }
        if self.state.state.is_open() {
            self.deadline();
            self.climb_due();
            self.call_due();
            self.hedge_due();
        } else {
            self.feedback_clocks();
        }
        self.send_again();
    }
}

impl Callout {
    /// When the callout must next be looked at. For an open one never `None` (law 1).
    pub fn due(&self, ctx: &Ctx<'_>) -> Option<Time> {
        let mut due: Option<Time> = None;
        let mut at = |t: Time| due = Some(due.map_or(t, |d| d.min(t)));
        for a in &self.attempts {
            match a.state {
                AttemptState::Queued if !a.by_line => at(a.not_before.unwrap_or(a.queued)),
                AttemptState::Sending if !a.by_line => at(a.sent.unwrap_or(a.queued) + ctx.sending_timeout),
                AttemptState::Accepted => {
                    if let Some(t) = self.hedge_at(a, ctx) {
                        at(t);
                    }
                }
                AttemptState::Unknown if self.can_be_looked_up(a) => {
                    if let (Some(sent), Some(after)) = (a.sent, ctx.clocks.lookup.get(usize::from(a.lookups))) {
                        at(sent + *after);
                    }
                }
                _ => {}
            }
        }
        for t in self.tasks.iter().filter(|t| t.is_open()) {
            at(t.due);
        }
        if self.ending.is_some() {
            return due;
        }
        if self.state.is_open() {
            if !self.claimed() {
                if let Some(t) = self.next_rung {
                    at(t);
                }
                for calls in self.contacts.iter().filter_map(|k| k.calls) {
                    at(calls.next);
                }
            }
            if !self.told_only && matches!(self.state, CalloutState::Queued | CalloutState::Calling) {
                at(self.due_at);
            }
        } else if let Some(schedule) = ctx.feedback {
            for clock in &self.feedback_clocks {
                if let Some(rule) = schedule.get(clock.ask) {
                    at(if clock.reminded { clock.due + rule.task_after } else { clock.due });
                }
            }
        }
        due
    }

    /// Attempts that this gateway should send itself, now.
    pub fn sendable(&self, now: Time) -> impl Iterator<Item = (u16, &Attempt)> {
        self.attempts
            .iter()
            .enumerate()
            .filter(move |(_, a)| {
                a.state == AttemptState::Queued && !a.by_line && a.not_before.unwrap_or(a.queued) <= now && a.channel != Channel::Voice
            })
            .map(|(i, a)| (i as u16 + 1, a))
    }

    /// How long an ask may wait for its number's limits: until the next rung is taken or the deadline passes. `None` where
    /// nothing comes after it.
    pub fn patience(&self, kind: AskKind, now: Time) -> Option<Time> {
        if !kind.asks() || !self.state.is_open() || self.told_only {
            return None;
        }
        let deadline = Some(self.due_at).filter(|t| *t > now);
        self.next_rung.into_iter().chain(deadline).min()
    }

    /// Whether a provider can be asked what became of it, and its answer still matters. Mail has no look-up.
    fn can_be_looked_up(&self, a: &Attempt) -> bool {
        a.channel == Channel::Sms && !a.by_line && (self.ending.is_none() || a.kind.tells_end())
    }

    /// SMS of unknown fate whose next look-up is due.
    pub fn lookups_due(&self, ctx: &Ctx<'_>, now: Time) -> Vec<u16> {
        let due = |a: &Attempt| match (a.sent, ctx.clocks.lookup.get(usize::from(a.lookups))) {
            (Some(sent), Some(after)) => sent + *after <= now,
            _ => false,
        };
        self.attempts
            .iter()
            .enumerate()
            .filter(|(_, a)| a.state == AttemptState::Unknown && self.can_be_looked_up(a) && due(a))
            .map(|(i, _)| i as u16 + 1)
            .collect()
    }
}
