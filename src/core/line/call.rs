//! Departures: what leaves next for this number, gathered, and what came of it.

use super::{Flight, Line, LineAsk, LineEntry, Member, Work};
use crate::core::{
    callout::{
        event::LineNews,
        state::{AskKind, Relation},
    },
    duty_call::DutyCall,
    ids::{AttemptId, RecipientId},
    priority::Priority,
    send::{Channel, Outcome},
    time::{Span, Time},
};

/// Rises of the same second belong together: the first of them waits this long for the others.
const SETTLE: Span = Span::secs(2);
/// A gathered message without a receipt is taken as sent after this long; it has no use for more.
const MESSAGE_OVER: Span = Span::mins(10);
const MAX_TRIES: u8 = 8;

/// Asks that may share one call or message: the same person, the same way of asking. Own asks,
/// asks as somebody's deputy, and requests to take over are never mixed, because one key must mean
/// one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    pub recipient: RecipientId,
    pub channel: Channel,
    pub kind: AskKind,
    pub drill: bool,
    /// It goes beside a message of which nothing is heard: by itself, and without waiting for later rises.
    pub hedge: bool,
}

/// What could leave now, if there is an account and a slot for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Departure {
    pub lead: AttemptId,
    pub group: Group,
    pub members: Vec<Member>,
    /// SMS asks carry a digit; calls are answered by key.
    pub digit: Option<u8>,
    /// Accounts that failed one of them since it last waited.
    pub failed_by: Vec<String>,
    /// How long the most impatient of them may wait for the number's limits.
    pub patience: Option<Time>,
    /// The account beside whose message one of them goes.
    pub never: Option<String>,
    /// The highest of its members'.
    pub priority: Priority,
}

impl LineAsk {
    pub fn priority(&self) -> Priority {
        if DutyCall::is_one(self.attempt) {
            return Priority::first_of(self.level, self.drill);
        }
        Priority::of(self.level, self.drill, self.tier, self.attempt.callout.ordinal, self.due)
    }
}

fn group_of(ask: &LineAsk) -> Group {
    let kind = match (ask.channel, ask.kind) {
        // A call speaks of open asks; whether it is the first or a chase makes no difference to it.
        (Channel::Voice, AskKind::Chase | AskKind::Renewed) => AskKind::Callout,
        (_, k) => k,
    };
    Group { recipient: ask.recipient, channel: ask.channel, kind, drill: ask.drill, hedge: ask.never.is_some() }
}

fn member(ask: &LineAsk) -> Member {
    Member {
        attempt: ask.attempt,
        contact: ask.contact,
        recipient: ask.recipient,
        relation: ask.relation,
        kind: ask.kind,
        level: ask.level,
        drill: ask.drill,
    }
}

impl Line {
    /// What could leave now: at most one call, and any gathered messages. Reds first, drills last.
    pub fn departures(&self, now: Time) -> Vec<Departure> {
        let mut out: Vec<Departure> = Vec::new();
        let mut ready: Vec<&super::Waiting> =
            self.waiting.iter().filter(|w| !self.is_flying(w.ask.attempt) && self.ready_at(w) <= now).collect();
        ready.sort_by_key(|w| (w.ask.drill, std::cmp::Reverse(w.ask.level.rank()), w.since, w.ask.attempt));
        let mut call_taken = self.flights.iter().any(|f| f.channel == Channel::Voice);
        for w in &ready {
            let group = group_of(&w.ask);
            if out.iter().any(|d| d.group == group) || (group.channel == Channel::Voice && call_taken) {
                continue;
            }
            // One gathered message to a contact at a time: another kind of ask is a later rise.
            let gathers = w.ask.relation != Relation::Holder && !group.hedge;
            if gathers && out.iter().any(|d| d.group.recipient == group.recipient && d.group.channel == group.channel) {
                continue;
            }
            call_taken |= group.channel == Channel::Voice;
            let going =
                |x: &&super::Waiting| group_of(&x.ask) == group && !self.is_flying(x.ask.attempt) && x.not_before.is_none_or(|t| t <= now);
            let together: Vec<&super::Waiting> = self.waiting.iter().filter(going).collect();
            let priority = together.iter().map(|x| x.ask.priority()).min().unwrap_or(w.ask.priority());
            let failed_by = together.iter().flat_map(|x| x.failed_by.iter().cloned()).collect();
            let patience = together.iter().filter_map(|x| x.ask.patience).min();
            let never = together.iter().find_map(|x| x.ask.never.clone());
            let members: Vec<Member> = together.into_iter().map(|x| member(&x.ask)).collect();
            let Some(lead) = members.first().map(|m| m.attempt) else { continue };
            let asks = group.channel == Channel::Sms && group.kind.asks();
            let digit = asks.then(|| self.digit_for_all(&members, now));
            out.push(Departure { lead, group, members, digit, priority, failed_by, patience, never });
        }
        out
    }

    /// When a waiting ask may leave by the gathering rules (not the provider's limits).
    pub(super) fn ready_at(&self, w: &super::Waiting) -> Time {
        let mut at = w.not_before.unwrap_or(w.since);
        if w.ask.relation != Relation::Holder && w.ask.never.is_none() {
            at = at.max(w.since + SETTLE.min(w.ask.gather));
            let last = self.gathered.iter().filter(|(r, c, _)| *r == w.ask.recipient && *c == w.ask.channel).map(|g| g.2).max();
            if let Some(last) = last {
                at = at.max(last + w.ask.gather);
            }
        }
        at
    }

    fn departure(&self, lead: AttemptId, now: Time) -> Option<Departure> {
        self.departures(now).into_iter().find(|d| d.lead == lead)
    }
}

impl Work {
    pub(super) fn waits(&mut self, ask: &LineAsk) {
        let known = self.state.waiting.iter().any(|w| w.ask.attempt == ask.attempt) || self.state.is_flying(ask.attempt);
        if known {
            return;
        }
        self.did(LineEntry::Waits { ask: ask.clone() });
        if let Some(w) = self.state.waiting.last() {
            let at = self.state.ready_at(w);
            if at > self.now {
                self.did(LineEntry::Held { attempts: vec![ask.attempt], until: at, why: "gathering".into() });
            }
        }
    }

    /// Takes an ask back, and says so: until then its callout cannot know that it has not left. What is under way is taken
    /// back only if it turns out not to have left; else what comes of it is told as ever.
    pub(super) fn withdraw(&mut self, attempt: AttemptId) {
        if self.state.is_flying(attempt) {
            if self.state.waiting.iter().any(|w| w.ask.attempt == attempt && !w.unwanted) {
                self.did(LineEntry::Unwanted { attempt });
            }
            return;
        }
        if self.state.waiting.iter().any(|x| x.ask.attempt == attempt) {
            self.did(LineEntry::Withdrawn { attempt });
        }
        self.news.push((attempt, LineNews::Withdrawn));
    }

    pub(super) fn depart(&mut self, lead: AttemptId, provider: &str) {
        let Some(d) = self.state.departure(lead, self.now) else { return };
        let asks: Vec<LineAsk> = self.state.waiting.iter().map(|w| w.ask.clone()).filter(|a| a.attempt == lead).collect();
        let timeout = match d.group.channel {
            Channel::Voice => asks.first().map_or(Span::mins(2), |a| a.call_timeout),
            _ => MESSAGE_OVER,
        };
        let flight = Flight {
            lead,
            channel: d.group.channel,
            members: d.members.clone(),
            provider: provider.to_string(),
            at: self.now,
            accepted: false,
            unknown: false,
            heard_by: self.now + asks.first().map_or(Span::secs(15), |a| a.sending_timeout),
            over_by: self.now + timeout,
            looked_up: 0,
        };
        self.did(LineEntry::Left { flight, digit: d.digit });
        self.tell(&d.members, &LineNews::Sending { provider: provider.to_string(), digit: d.digit, at: Some(self.now) });
        self.digit = d.digit;
    }

    /// It left before a failover took that away. Those that were asked again meanwhile have gone twice; nobody else does.
    pub(super) fn flew(&mut self, flight: &Flight, digit: Option<u8>) {
        let known = self.state.flights.iter().any(|f| f.lead == flight.lead) || self.state.past.iter().any(|p| p.lead == flight.lead);
        if known {
            return;
        }
        self.did(LineEntry::Left { flight: flight.clone(), digit });
        self.tell(&flight.members, &LineNews::Sending { provider: flight.provider.clone(), digit, at: Some(flight.at) });
    }

    pub(super) fn hold(&mut self, lead: AttemptId, until: Time, why: &str) {
        let Some(d) = self.state.departure(lead, self.now) else { return };
        let until = until.max(self.now + Span::ms(1));
        self.did(LineEntry::Held { attempts: d.members.iter().map(|m| m.attempt).collect(), until, why: why.to_string() });
        self.tell(&d.members, &LineNews::Deferred { until, why: why.to_string(), quota: true });
    }

    pub(super) fn undeliverable(&mut self, lead: AttemptId, why: &str) {
        let Some(d) = self.state.departure(lead, self.now) else { return };
        self.did(LineEntry::Dropped { attempts: d.members.iter().map(|m| m.attempt).collect(), why: why.to_string() });
        self.tell(&d.members, &LineNews::Outcome { outcome: Outcome::PermanentContent { detail: why.to_string() } });
    }

    /// When what surely was not sent goes again: at once where another account works that has not failed it yet.
    fn again_at(&self, f: &Flight, others: &[String], wait: Span) -> Time {
        if self.another(f, others) { self.now } else { self.now + wait }
    }

    /// Whether an account works that has not failed it yet.
    fn another(&self, f: &Flight, others: &[String]) -> bool {
        let failed = self.state.waiting.iter().find(|w| w.ask.attempt == f.lead).map(|w| w.failed_by.as_slice()).unwrap_or_default();
        others.iter().any(|o| *o != f.provider && !failed.contains(o))
    }

    pub(super) fn outcome(&mut self, lead: AttemptId, outcome: &Outcome, others: &[String]) {
        let Some(f) = self.state.flights.iter().find(|f| f.lead == lead).cloned() else { return };
        let tries = self.state.waiting.iter().find(|w| w.ask.attempt == lead).map_or(MAX_TRIES, |w| w.tries);
        match outcome {
            Outcome::Accepted { .. } => {
                self.did(LineEntry::FlightIs { lead, accepted: true, unknown: false, over_by: f.over_by });
                self.tell(&f.members, &LineNews::Outcome { outcome: outcome.clone() });
            }
            Outcome::Unknown { .. } => self.unknown(&f, outcome),
            Outcome::Throttled { after, detail, whole_account } if *whole_account || tries < MAX_TRIES => {
                let until = self.again_at(&f, others, after.unwrap_or(Span::secs(30)));
                self.back(&f, until, &format!("throttled: {detail}"), true);
            }
            // An account that was stopped sends nothing: the next one takes it at once, or this one when it is mended.
            Outcome::Retryable { detail } | Outcome::Config { detail } | Outcome::Balance { detail } if tries < MAX_TRIES => {
                let until = self.again_at(&f, others, Span((2_000i64 << u32::from(tries.min(5))).min(60_000)));
                self.back(&f, until, &format!("{}: {detail}", outcome.class()), false);
            }
            // A blocklist of one provider is none of another's, nor are its filed words and its filter.
            Outcome::PermanentNumber { detail } | Outcome::PermanentContent { detail } if tries < MAX_TRIES && self.another(&f, others) => {
                self.back(&f, self.now, &format!("{}: {detail}", outcome.class()), false);
            }
            _ => {
                self.did(LineEntry::Over { lead, outcome: outcome.class().to_string(), lost: false, silent: false });
                let finished = LineNews::Finished {
                    ok: false,
                    outcome: outcome.class().to_string(),
                    number_dead: false,
                    refused: matches!(outcome, Outcome::PermanentNumber { .. }),
                    lost: false,
                };
                self.tell(&f.members, &finished);
            }
        }
    }

    fn unknown(&mut self, f: &Flight, outcome: &Outcome) {
        let ask = self.state.waiting.iter().find(|w| w.ask.attempt == f.lead).map(|w| &w.ask);
        let over_by = match f.channel {
            Channel::Voice => self.now + ask.map_or(Span::secs(60), |a| a.voice_unknown),
            // Until the last look-up is answered.
            _ => (f.at + ask.map_or(Span::secs(120), |a| a.lookups[2] + a.sending_timeout)).max(self.now + Span::ms(1)),
        };
        self.did(LineEntry::FlightIs { lead: f.lead, accepted: false, unknown: true, over_by });
        self.tell(&f.members, &LineNews::Outcome { outcome: outcome.clone() });
    }

    /// Known not to have been sent: its members wait again, and callouts see it queued again. `quota`: a limit keeps it, so
    /// that who cannot wait for its end goes on without it.
    fn back(&mut self, f: &Flight, until: Time, why: &str, quota: bool) {
        let waiting = &self.state.waiting;
        let unwanted = |m: &&Member| waiting.iter().any(|w| w.ask.attempt == m.attempt && w.unwanted);
        let (gone, again): (Vec<Member>, Vec<Member>) = f.members.iter().cloned().partition(|m| unwanted(&m));
        self.did(LineEntry::Back { lead: f.lead, until, why: why.to_string() });
        self.tell(&again, &LineNews::Deferred { until, why: why.to_string(), quota });
        self.tell(&gone, &LineNews::Withdrawn);
    }

    pub(super) fn finished(&mut self, lead: AttemptId, ok: bool, outcome: &str, number_dead: bool, lost: bool) {
        let news = LineNews::Finished { ok, outcome: outcome.to_string(), number_dead, refused: false, lost };
        match self.state.flights.iter().find(|f| f.lead == lead).map(|f| f.members.clone()) {
            Some(members) => {
                self.did(LineEntry::Over { lead, outcome: outcome.to_string(), lost, silent: false });
                self.tell(&members, &news);
            }
            // Given up, and told after all: whom it spoke of hears how it ended.
            None => {
                let members = self.state.past.iter().find(|p| p.lead == lead).map(|p| p.members.clone()).unwrap_or_default();
                self.tell(&members, &news);
            }
        }
    }

    /// Keys reach every callout the call spoke of, even when they come after the call was given up.
    pub(super) fn keys(&mut self, lead: AttemptId, keys: &str, at: Time) {
        let news = LineNews::Keys { keys: keys.to_string(), at };
        let members = match self.state.flights.iter().find(|f| f.lead == lead) {
            Some(f) => f.members.clone(),
            None => self.state.past.iter().find(|p| p.lead == lead).map(|p| p.members.clone()).unwrap_or_default(),
        };
        self.tell(&members, &news);
    }

    /// Flights whose time is over.
    pub(super) fn clockwork(&mut self) {
        let silent: Vec<Flight> =
            self.state.flights.iter().filter(|f| !f.accepted && !f.unknown && f.heard_by <= self.now).cloned().collect();
        for f in silent {
            self.unknown(&f, &Outcome::Unknown { detail: "no outcome was recorded".into() });
        }
        let over: Vec<Flight> = self.state.flights.iter().filter(|f| f.over_by <= self.now).cloned().collect();
        for f in over {
            let why = match (f.channel, f.accepted) {
                (Channel::Voice, true) => "no report of the call's end",
                (_, false) => "unknown fate, awaited in vain",
                _ => "no receipt",
            };
            self.did(LineEntry::Over { lead: f.lead, outcome: why.to_string(), lost: false, silent: true });
            // It may have been heard: nobody knows, so it does not count as failed. A message that was
            // accepted has no use for more news.
            if f.channel == Channel::Voice || !f.accepted {
                self.tell(&f.members, &LineNews::GivenUp { why: why.to_string() });
            }
        }
    }
}
