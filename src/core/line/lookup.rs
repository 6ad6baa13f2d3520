//! Look-ups of gathered messages whose fate is unknown: after so many seconds the provider is asked what
//! became of them, and only what it never had goes again (design, provider outcomes).

use super::{Flight, Line, LineEntry, LineNews, Work};
use crate::core::{
    ids::AttemptId,
    send::{Channel, Outcome},
    time::Time,
};

impl Line {
    /// When the provider is next asked about a flight. A call is asked about while it is awaited, no longer.
    pub(super) fn next_lookup(&self, f: &Flight) -> Option<Time> {
        if !f.unknown {
            return None;
        }
        let ask = &self.waiting.iter().find(|w| w.ask.attempt == f.lead)?.ask;
        let next = ask.lookups.get(usize::from(f.looked_up)).map(|after| f.at + *after);
        next.filter(|t| f.channel == Channel::Sms || *t < f.over_by)
    }

    /// Flights to be asked about now.
    pub fn lookups_due(&self, now: Time) -> impl Iterator<Item = &Flight> {
        self.flights.iter().filter(move |f| self.next_lookup(f).is_some_and(|t| t <= now))
    }
}

impl Work {
    pub(super) fn looked_up(&mut self, lead: AttemptId, found: Option<&str>) {
        let Some(f) = self.state.flights.iter().find(|f| f.lead == lead && f.unknown).cloned() else { return };
        if let Some(id) = found {
            // A call that was taken may ring as long as any.
            let ask = self.state.waiting.iter().find(|w| w.ask.attempt == lead).map(|w| &w.ask);
            let rings = ask.filter(|_| f.channel == Channel::Voice).map_or(f.over_by, |a| f.at + a.call_timeout);
            self.did(LineEntry::FlightIs { lead, accepted: true, unknown: false, over_by: rings.max(f.over_by).max(self.now) });
            self.tell(&f.members, &LineNews::Outcome { outcome: Outcome::Accepted { provider_message_id: id.to_string() } });
            return;
        }
        // Asked before its time (twice at once, say): a look-up that found nothing then says nothing.
        if self.state.next_lookup(&f).is_none_or(|t| t > self.now) {
            return;
        }
        self.did(LineEntry::LookedUp { lead });
        let last = self.state.flights.iter().find(|f| f.lead == lead).is_some_and(|f| self.state.next_lookup(f).is_none());
        if last && f.channel == Channel::Sms {
            let why = "not found by look-up";
            self.did(LineEntry::Over { lead, outcome: why.to_string(), lost: false, silent: true });
            self.tell(&f.members, &LineNews::GivenUp { why: why.to_string() });
        }
    }
}
