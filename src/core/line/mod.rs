//! The line (号码): what is true of one telephone number over all warnings.
//!
//! * One call in flight, whoever asks for it; what rises to one contact is gathered into one call or
//!   message that speaks the count; later rises wait.
//! * Each open ask sent by SMS carries its own digit, not used again for 24 h.
//! * The provider's limits per callee, which a restart must not forget.
//!
//! Pure, like the callout: entries in, state by [`Line::apply`], effects out. Callouts send it
//! [`LineLetter`]s and hear [`LineNews`] back.

mod call;
mod digits;
mod heard;
mod lookup;
mod quota;
mod reply;
#[cfg(test)]
mod tests;

pub use call::{Departure, Group};
pub use digits::{DIGIT_REST, DigitAsk};
pub use heard::Heard;
pub use quota::{CalleeRule, Hours, Saying};
pub use reply::{AskFacts, ReplyMeaning, names_digit, reply_meaning};

use super::{
    callout::{
        event::LineNews,
        fold::note_failure,
        state::{AskKind, Relation, is_zero},
    },
    directory::Tier,
    hazard::Level,
    ids::{AttemptId, CalloutId, RecipientId},
    phone::Phone,
    send::{Channel, Outcome},
    time::{Span, Time},
};
use serde::{Deserialize, Serialize};

/// A callout asks this number to be called or written to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LineAsk {
    pub attempt: AttemptId,
    /// The contact's index within the callout.
    pub contact: u8,
    pub recipient: RecipientId,
    pub relation: Relation,
    pub channel: Channel,
    pub kind: AskKind,
    pub level: Level,
    pub drill: bool,
    /// A call is over after this long even if nobody says so.
    pub call_timeout: Span,
    /// Later rises wait this long.
    pub gather: Span,
    /// A call of unknown fate is awaited this long.
    pub voice_unknown: Span,
    /// A message of unknown fate is looked up so long after it left.
    pub lookups: [Span; 3],
    /// A request without an outcome after this long is of unknown fate (a crash, a lost reply).
    pub sending_timeout: Span,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Time>,
    /// How long it may wait for the number's limits before another account takes it; see
    /// [`crate::core::callout::state::Callout::patience`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patience: Option<Time>,
    /// It repeats what these accounts lost, or a call of which nobody knows whether it rang: it goes by another first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed_by: Vec<String>,
    /// It goes beside a message of this account, so it goes by another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub never: Option<String>,
    /// The callout's tier and `due_at`: whose turn it is. Older gateways did not say them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<Tier>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Time>,
}
/// Letters to a line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "letter", rename_all = "snake_case")]
pub enum LineLetter {
    Ask(LineAsk),
    Withdraw {
        attempt: AttemptId,
    },
    /// A call or message that left on a chain which a failover took away: it is under way all the same.
    Flew {
        flight: Flight,
        digit: Option<u8>,
    },
    /// The same for a direct SMS.
    Wrote {
        member: Member,
        digit: Option<u8>,
        provider: String,
    },
}

/// What can happen to a line besides letters.
#[derive(Clone, Debug, PartialEq)]
pub enum LineEvent {
    Tick,
    Letter(LineLetter),
    /// The shell has an account and a slot for the departure it was offered.
    Depart {
        lead: AttemptId,
        provider: String,
    },
    /// The number's limits keep it back until `until`.
    Hold {
        lead: AttemptId,
        until: Time,
        why: String,
    },
    /// No account can carry it.
    Undeliverable {
        lead: AttemptId,
        why: String,
    },
    Outcome {
        lead: AttemptId,
        outcome: Outcome,
        /// Other accounts of the channel that work.
        others: Vec<String>,
    },
    /// The provider's receipt: over. `ok`: delivered, or the receiver was lifted.
    Finished {
        lead: AttemptId,
        ok: bool,
        outcome: String,
        number_dead: bool,
        /// Its account failed it after taking it.
        lost: bool,
    },
    Keys {
        lead: AttemptId,
        keys: String,
        at: Time,
    },
    /// A look-up of a message of unknown fate: `found` is the provider's id of it.
    LookedUp {
        lead: AttemptId,
        found: Option<String>,
    },
    /// A direct SMS of a callout leaves: it takes a digit and counts against the limits. One that its provider then refuses
    /// counts with this provider all the same: the number goes by another account rather than too often by this one.
    DirectSms {
        member: Member,
        /// The callout this one continues: its ask is the same ask.
        carried: Option<CalloutId>,
        provider: String,
    },
    /// One message asked which of several asks a bare reply meant.
    WhichSent {
        digits: Vec<u8>,
    },
    /// A reply was worked through.
    Heard {
        key: String,
    },
}

/// One callout's share in an ask.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Member {
    pub attempt: AttemptId,
    pub contact: u8,
    pub recipient: RecipientId,
    pub relation: Relation,
    pub kind: AskKind,
    pub level: Level,
    pub drill: bool,
}

/// A call or gathered message under way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Flight {
    /// Its first member's attempt: the reference the provider echoes.
    pub lead: AttemptId,
    pub channel: Channel,
    pub members: Vec<Member>,
    pub provider: String,
    pub at: Time,
    pub accepted: bool,
    pub unknown: bool,
    /// Without an outcome by then its fate is unknown.
    pub heard_by: Time,
    /// Over by then, whatever is heard.
    pub over_by: Time,
    /// How often it was looked up in vain.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub looked_up: u8,
}
impl Flight {
    /// When something must be decided about it.
    fn due(&self, next_lookup: Option<Time>) -> Time {
        let by = if self.accepted || self.unknown { self.over_by } else { self.over_by.min(self.heard_by) };
        next_lookup.map_or(by, |t| t.min(by))
    }
}

/// A flight that is over, for keys and receipts that come late.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Past {
    pub lead: AttemptId,
    pub members: Vec<Member>,
}
/// How many of them are kept.
const PAST_KEPT: usize = 12;

/// Waiting for a call or message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Waiting {
    pub ask: LineAsk,
    pub since: Time,
    #[serde(default)]
    pub not_before: Option<Time>,
    #[serde(default)]
    pub tries: u8,
    /// Accounts that failed it since it last waited: it goes by another first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed_by: Vec<String>,
    /// Taken back while under way.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unwanted: bool,
}

/// One send, for the limits per callee.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sent {
    #[serde(rename = "t")]
    pub at: Time,
    #[serde(rename = "p")]
    pub provider: String,
    #[serde(rename = "d", default, skip_serializing_if = "std::ops::Not::not")]
    pub drill: bool,
    /// Older gateways did not say it.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub says: Option<Saying>,
}

/// The state of a line.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Line {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asks: Vec<DigitAsk>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<Waiting>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flights: Vec<Flight>,
    /// The last few flights that are over: a key may still come.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub past: Vec<Past>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<Sent>,
    /// When each group (by recipient) last got a gathered call or message.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gathered: Vec<(RecipientId, Channel, Time)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub which_sent: Option<Time>,
    /// The digits it offered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub which: Vec<u8>,
    /// Replies that were worked through, so that none counts twice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub heard: Vec<Heard>,
}

/// What happened to a line, one fact each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "e", rename_all = "snake_case")]
pub enum LineEntry {
    Waits {
        ask: LineAsk,
    },
    Withdrawn {
        attempt: AttemptId,
    },
    /// Taken back while under way: if it did not leave after all, it does not wait again.
    Unwanted {
        attempt: AttemptId,
    },
    Held {
        attempts: Vec<AttemptId>,
        until: Time,
        why: String,
    },
    Left {
        flight: Flight,
        digit: Option<u8>,
    },
    Direct {
        member: Member,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        digit: Option<u8>,
        provider: String,
    },
    FlightIs {
        lead: AttemptId,
        accepted: bool,
        unknown: bool,
        over_by: Time,
    },
    Over {
        lead: AttemptId,
        outcome: String,
        /// Its account lost it: who was to be told in it has heard nothing, so that the next need not wait.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        lost: bool,
        /// Nobody said how it ended: a receipt may still come.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        silent: bool,
    },
    /// The provider was asked, and knows nothing of it (yet).
    LookedUp {
        lead: AttemptId,
    },
    /// Not sent after all; its members wait again.
    Back {
        lead: AttemptId,
        until: Time,
        why: String,
    },
    Dropped {
        attempts: Vec<AttemptId>,
        why: String,
    },
    Which {
        digits: Vec<u8>,
    },
    Heard {
        key: String,
    },
    /// Records past their use were let go.
    Swept,
    /// Nothing changed here: letters were read, news was passed on.
    Passed {
        letters: Vec<u64>,
        sends: Vec<String>,
    },
}

/// What a step of a line came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LineStepped {
    pub state: Line,
    pub entries: Vec<LineEntry>,
    /// To callouts, about their attempts.
    pub news: Vec<(AttemptId, LineNews)>,
    /// The digit given to a direct SMS.
    pub digit: Option<u8>,
}

struct Work {
    now: Time,
    state: Line,
    entries: Vec<LineEntry>,
    news: Vec<(AttemptId, LineNews)>,
    digit: Option<u8>,
}

impl Work {
    fn did(&mut self, entry: LineEntry) {
        self.state.apply(&entry, self.now);
        self.entries.push(entry);
    }
    fn tell(&mut self, members: &[Member], news: &LineNews) {
        self.news.extend(members.iter().map(|m| (m.attempt, news.clone())));
    }
}

/// (state, event, now) → entries, state and news.
pub fn step(state: &Line, event: &LineEvent, now: Time) -> LineStepped {
    step_from(state.clone(), event, now)
}

/// The same from a state that nobody else needs: of a desk for which thousands ask a copy is dear.
pub fn step_from(state: Line, event: &LineEvent, now: Time) -> LineStepped {
    let mut w = Work { now, state, entries: Vec::new(), news: Vec::new(), digit: None };
    match event {
        LineEvent::Tick => {}
        LineEvent::Letter(LineLetter::Ask(ask)) => w.waits(ask),
        LineEvent::Letter(LineLetter::Withdraw { attempt }) => {
            w.withdraw(*attempt);
        }
        LineEvent::Letter(LineLetter::Flew { flight, digit }) => w.flew(flight, *digit),
        LineEvent::Letter(LineLetter::Wrote { member, digit, provider }) => {
            if !w.state.asks.iter().any(|a| a.members.iter().any(|m| m.attempt == member.attempt)) {
                w.did(LineEntry::Direct { member: member.clone(), digit: *digit, provider: provider.clone() });
            }
        }
        LineEvent::Depart { lead, provider } => w.depart(*lead, provider),
        LineEvent::Hold { lead, until, why } => w.hold(*lead, *until, why),
        LineEvent::Undeliverable { lead, why } => w.undeliverable(*lead, why),
        LineEvent::Outcome { lead, outcome, others } => w.outcome(*lead, outcome, others),
        LineEvent::Finished { lead, ok, outcome, number_dead, lost } => w.finished(*lead, *ok, outcome, *number_dead, *lost),
        LineEvent::Keys { lead, keys, at } => w.keys(*lead, keys, *at),
        LineEvent::LookedUp { lead, found } => w.looked_up(*lead, found.as_deref()),
        LineEvent::DirectSms { member, carried, provider } => {
            // Only an ask carries a digit: an end or a notice must not use one up.
            let digit = member.kind.asks().then(|| w.state.digit_for(&member.attempt.callout, *carried, member.contact, now));
            w.did(LineEntry::Direct { member: member.clone(), digit, provider: provider.clone() });
            w.digit = digit;
        }
        LineEvent::WhichSent { digits } => w.did(LineEntry::Which { digits: digits.clone() }),
        LineEvent::Heard { key } => w.did(LineEntry::Heard { key: key.clone() }),
    }
    w.clockwork();
    if w.state.has_stale(now) {
        w.did(LineEntry::Swept);
    }
    LineStepped { state: w.state, entries: w.entries, news: w.news, digit: w.digit }
}

impl Line {
    /// The only place where a line's state changes.
    pub fn apply(&mut self, entry: &LineEntry, at: Time) {
        match entry {
            LineEntry::Waits { ask } => {
                let failed_by = ask.failed_by.clone();
                self.waiting.push(Waiting {
                    ask: ask.clone(),
                    since: at,
                    not_before: ask.not_before,
                    tries: 0,
                    failed_by,
                    unwanted: false,
                });
            }
            LineEntry::Withdrawn { attempt } => self.waiting.retain(|w| w.ask.attempt != *attempt),
            LineEntry::Unwanted { attempt } => {
                self.waiting.iter_mut().filter(|w| w.ask.attempt == *attempt).for_each(|w| w.unwanted = true);
            }
            LineEntry::Dropped { attempts, .. } => self.waiting.retain(|w| !attempts.contains(&w.ask.attempt)),
            LineEntry::Held { attempts, until, .. } => {
                for w in self.waiting.iter_mut().filter(|w| attempts.contains(&w.ask.attempt)) {
                    w.not_before = Some(*until);
                }
            }
            LineEntry::Left { flight, digit } => {
                let members = &flight.members;
                for w in &mut self.waiting {
                    if members.iter().any(|m| m.attempt == w.ask.attempt) {
                        // Kept while under way: a request that did not leave brings it back.
                        w.tries = w.tries.saturating_add(1);
                        w.not_before = Some(flight.over_by);
                    }
                }
                let (drill, says) = (members.iter().all(|m| m.drill), Some(Saying::of(members)));
                self.log.push(Sent { at, provider: flight.provider.clone(), drill, says });
                if let Some(m) = members.first() {
                    self.gathered.retain(|(r, c, _)| !(*r == m.recipient && *c == flight.channel));
                    if m.relation != Relation::Holder {
                        self.gathered.push((m.recipient, flight.channel, at));
                    }
                }
                if let Some(digit) = digit {
                    self.asks.retain(|a| a.at + DIGIT_REST > at);
                    match self.asks.iter_mut().find(|a| a.digit == *digit) {
                        Some(a) => {
                            a.at = at;
                            a.members.extend(members.iter().cloned());
                        }
                        None => self.asks.push(DigitAsk { digit: *digit, at, members: members.clone() }),
                    }
                }
                self.flights.push(flight.clone());
            }
            LineEntry::Direct { member, digit, provider } => {
                self.log.push(Sent { at, provider: provider.clone(), drill: member.drill, says: Some(Saying::of([member])) });
                let Some(digit) = digit else { return };
                self.asks.retain(|a| a.at + DIGIT_REST > at);
                match self.asks.iter_mut().find(|a| a.digit == *digit) {
                    // A chase of the same ask: the newest attempt stands beside the older ones.
                    Some(a) => {
                        a.at = at;
                        a.members.push(member.clone());
                    }
                    None => self.asks.push(DigitAsk { digit: *digit, at, members: vec![member.clone()] }),
                }
            }
            LineEntry::FlightIs { lead, accepted, unknown, over_by } => {
                if let Some(f) = self.flights.iter_mut().find(|f| f.lead == *lead) {
                    f.accepted = *accepted;
                    f.unknown = *unknown;
                    f.over_by = *over_by;
                }
            }
            LineEntry::LookedUp { lead } => {
                for f in self.flights.iter_mut().filter(|f| f.lead == *lead) {
                    f.looked_up = f.looked_up.saturating_add(1);
                }
            }
            LineEntry::Over { lead, lost, silent, .. } => {
                let Some(i) = self.flights.iter().position(|f| f.lead == *lead) else { return };
                let flight = self.flights.remove(i);
                if *lost {
                    self.gathered.retain(|(_, c, t)| !(*c == flight.channel && *t == flight.at));
                }
                self.waiting.retain(|w| !flight.members.iter().any(|m| m.attempt == w.ask.attempt));
                // Keys of a call and receipts of either may come later.
                if flight.channel == Channel::Voice || *silent {
                    if self.past.len() >= PAST_KEPT {
                        self.past.remove(0);
                    }
                    self.past.push(Past { lead: flight.lead, members: flight.members });
                }
            }
            LineEntry::Back { lead, until, .. } => {
                let Some(i) = self.flights.iter().position(|f| f.lead == *lead) else { return };
                let flight = self.flights.remove(i);
                // It never left: the number's limits and the pause after a gathered call are of those that did.
                if let Some(i) = self.log.iter().rposition(|s| s.at == flight.at && s.provider == flight.provider) {
                    self.log.remove(i);
                }
                self.gathered.retain(|(_, c, t)| !(*c == flight.channel && *t == flight.at));
                let aboard = |w: &Waiting| flight.members.iter().any(|m| m.attempt == w.ask.attempt);
                self.waiting.retain(|w| !(w.unwanted && aboard(w)));
                for w in self.waiting.iter_mut().filter(|w| aboard(w)) {
                    w.not_before = Some(*until);
                    note_failure(&mut w.failed_by, Some(&flight.provider));
                }
            }
            LineEntry::Which { digits } => {
                self.which_sent = Some(at);
                self.which = digits.clone();
            }
            LineEntry::Heard { key } => self.hear(key, at),
            LineEntry::Passed { .. } => {}
            LineEntry::Swept => {
                let fresh = |t: Time| t + DIGIT_REST > at;
                self.asks.retain(|a| fresh(a.at));
                self.log.retain(|s| fresh(s.at));
                self.gathered.retain(|(_, _, t)| fresh(*t));
                self.heard.retain(|h| fresh(h.at));
                self.which_sent = self.which_sent.filter(|t| fresh(*t));
            }
        }
    }

    fn has_stale(&self, now: Time) -> bool {
        let stale = |t: Time| t + DIGIT_REST <= now;
        let any_log = self.log.iter().any(|s| stale(s.at)) || self.heard.iter().any(|h| stale(h.at));
        any_log || self.asks.iter().any(|a| stale(a.at)) || self.gathered.iter().any(|g| stale(g.2))
    }

    /// When the line must next be looked at; `None` when nothing waits and nothing is under way.
    pub fn due(&self) -> Option<Time> {
        // A call that waits for the one in flight has no clock of its own: the flight's end wakes it.
        let ringing = self.flights.iter().any(|f| f.channel == Channel::Voice);
        let blocked = |w: &&Waiting| self.is_flying(w.ask.attempt) || (ringing && w.ask.channel == Channel::Voice);
        let waiting = self.waiting.iter().filter(|w| !blocked(w)).map(|w| self.ready_at(w));
        waiting.chain(self.flights.iter().map(|f| f.due(self.next_lookup(f)))).min()
    }

    fn is_flying(&self, attempt: AttemptId) -> bool {
        self.flights.iter().any(|f| f.members.iter().any(|m| m.attempt == attempt))
    }

    /// The flight in which an attempt takes part.
    pub fn flight_of(&self, attempt: AttemptId) -> Option<&Flight> {
        self.flights.iter().find(|f| f.members.iter().any(|m| m.attempt == attempt))
    }
}

/// Replays a line's journal.
pub fn fold<'a>(journal: impl IntoIterator<Item = (Time, &'a [LineEntry])>) -> Line {
    let mut line = Line::default();
    for (at, entries) in journal {
        for e in entries {
            line.apply(e, at);
        }
    }
    line
}

/// A line is known by its number.
pub type LineKey = Phone;
