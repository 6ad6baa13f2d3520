//! Look-ups of gathered messages whose fate is unknown: after so many seconds the provider is asked what
//! became of them, and only what it never had goes again (design, provider outcomes).

use super::{Flight, Line, LineEntry, LineNews, Work};
use crate::core::{
    ids::AttemptId,
    send::{Channel, Outcome},
    time::Time,
};

impl Line {
    /// When the provider is next asked about a flight. A call cannot be looked up: it is awaited.
    pub(super) fn next_lookup(&self, f: &Flight) -> Option<Time> {
        if !f.unknown || f.channel != Channel::Sms {
            return None;
        }
        let ask = &self.waiting.iter().find(|w| w.ask.attempt == f.lead)?.ask;
        ask.lookups.get(usize::from(f.looked_up)).map(|after| f.at + *after)
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
            self.did(LineEntry::FlightIs { lead, accepted: true, unknown: false, over_by: f.over_by.max(self.now) });
            self.tell(&f.members, &LineNews::Outcome { outcome: Outcome::Accepted { provider_message_id: id.to_string() } });
            return;
        }
        // Asked before its time (twice at once, say): a look-up that found nothing then says nothing.
        if self.state.next_lookup(&f).is_none_or(|t| t > self.now) {
            return;
        }
        self.did(LineEntry::LookedUp { lead });
        let last = self.state.flights.iter().find(|f| f.lead == lead).is_some_and(|f| self.state.next_lookup(f).is_none());
        if last {
            let why = "not found by look-up";
            self.did(LineEntry::Over { lead, outcome: why.to_string() });
            self.tell(&f.members, &LineNews::GivenUp { why: why.to_string() });
        }
    }
}
