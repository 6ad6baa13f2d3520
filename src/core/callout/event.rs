//! What can happen to a callout from outside. Late, doubled and out-of-order ones are absorbed.

use super::state::{AnsweredBy, Attempt, ClosedReason, Report, Successor, Via};
use crate::core::{ids::RecipientId, send::Outcome, time::Time};
use serde::{Deserialize, Serialize};

/// What a number's line tells a callout about one of its attempts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "news", rename_all = "snake_case")]
pub enum LineNews {
    /// The call or gathered message leaves now.
    Sending {
        provider: String,
        digit: Option<u8>,
        /// When it left: the letter may take its time, and a reply may come before it. Older gateways
        /// did not say it; then it counts from when the letter is read.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<Time>,
    },
    Outcome {
        outcome: Outcome,
    },
    /// Not now: the callee's quota, or a call in flight.
    Deferred {
        until: Time,
        why: String,
        /// It is the callee's quota that keeps it back.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        quota: bool,
    },
    /// A gathered message or call is over.
    Finished {
        ok: bool,
        outcome: String,
        number_dead: bool,
        /// No account would send to the number; see [`super::entry::Entry::NumberDead`].
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        refused: bool,
        /// Its account failed it after taking it; another may bring it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        lost: bool,
    },
    /// Nothing more will be heard of it: it stays of unknown fate.
    GivenUp {
        why: String,
    },
    /// Taken back: it will not leave.
    Withdrawn,
    /// The receiver pressed these keys.
    Keys {
        keys: String,
        at: Time,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A timer of the callout fired, or nothing did: look at the clock.
    Tick,
    /// The shell has a provider and a slot for attempt `n`: it leaves as soon as this is durable.
    Submit {
        n: u16,
        provider: String,
        digit: Option<u8>,
    },
    /// Attempt `n` left on a chain that a failover took away, `attempt` as it was there: it is not sent again but by the rule
    /// of `unknown`.
    Left {
        n: u16,
        attempt: Box<Attempt>,
        at: Time,
        provider: String,
        digit: Option<u8>,
    },
    /// No slot for attempt `n` before `until`.
    Defer {
        n: u16,
        until: Time,
        why: String,
    },
    /// The number's own limits keep attempt `n` back until `until`, past the next rung, at every account.
    Outlasted {
        n: u16,
        until: Time,
        why: String,
    },
    /// No provider can carry attempt `n`, or its text does not fit: it will not be sent.
    Unsendable {
        n: u16,
        why: String,
    },
    Outcome {
        n: u16,
        outcome: Outcome,
    },
    /// The provider's receipt for an SMS or mail.
    Receipt {
        n: u16,
        delivered: bool,
        outcome: String,
        number_dead: bool,
        /// Its account is at fault (signature, port, template): another may bring it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        lost: bool,
    },
    /// A look-up of an attempt of unknown fate: found (accepted) or not there (yet).
    LookedUp {
        n: u16,
        found: bool,
        provider_id: Option<String>,
    },
    Line {
        n: u16,
        news: LineNews,
    },
    /// A contact answered: by link, reply or API token.
    Answer {
        contact: u8,
        via: Via,
        at: Time,
    },
    /// "Hand to deputy" or "not me".
    Decline {
        contact: u8,
        not_me: bool,
        via: Via,
    },
    /// A reply that is no answer: an officer reads it.
    Unreadable {
        contact: u8,
        text: String,
    },
    /// An officer's entry.
    Manual {
        officer: String,
        /// On the screen `manual`, by a program's token `api`.
        via: Via,
        method: String,
        note: Option<String>,
        by: ManualBy,
    },
    /// A bare reply could mean several asks: one message asks this contact which.
    AskWhich {
        contact: u8,
    },
    ClaimTask {
        n: u16,
        officer: String,
    },
    CompleteTask {
        n: u16,
        officer: String,
        /// As in [`Event::Manual`].
        #[serde(default = "manual")]
        via: Via,
        outcome: String,
        reached: Option<ManualBy>,
        note: Option<String>,
    },
    /// A report by a contact (with the evidence it came by) or by an officer on a person's behalf.
    Feedback {
        from: FeedbackFrom,
        report: Report,
    },
    /// Others met the answer rule of this place.
    Covered {
        place: String,
    },
    /// Somebody above answered: it is this one's turn (逐级转发).
    Forwarded,
    /// People may go back to these places.
    ReturnPermitted {
        places: Vec<String>,
        by: String,
        note: String,
    },
    /// The warning ended, or no longer concerns this person.
    End {
        reason: ClosedReason,
    },
    /// A newer warning continues this callout.
    Supersede {
        successor: Successor,
    },
}

fn manual() -> Via {
    Via::Manual
}

/// Whom an officer says he reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ManualBy {
    Holder,
    /// Somebody of the plan (a deputy, a superior) by id.
    Person(RecipientId),
    /// Somebody else by name: verified by the officer, who signs for it.
    Named(String),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeedbackFrom {
    Contact {
        contact: u8,
        via: Via,
    },
    Officer {
        officer: String,
        /// As in [`Event::Manual`].
        #[serde(default = "manual")]
        via: Via,
        by: ManualBy,
    },
}

/// Why an event from a person or officer had no effect; told to them, never an error of the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// No such attempt, contact or task.
    Unknown(&'static str),
    /// The task is claimed by somebody else, until then.
    ClaimedBy { officer: String, until: Time },
    /// The task is closed.
    TaskClosed,
    /// Whom the officer names cannot answer for this callout.
    NotEntitled(AnsweredBy),
}
