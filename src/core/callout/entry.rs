//! What happened to a callout, one fact each: the journal is a list of these, the state their fold.

use super::state::{AnsweredBy, AskKind, AttemptState, Calls, ClosedReason, Relation, Report, Successor, TaskKind, Via};
use crate::core::{
    ids::{CalloutId, RecipientId},
    send::Channel,
    time::Time,
};
use serde::{Deserialize, Serialize};

/// How a red ask goes beside one whose provider is silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HedgeWay {
    /// By another account of the channel.
    Provider,
    /// By a call, now rather than later.
    Voice,
    /// There is no other way.
    None,
}
impl HedgeWay {
    pub fn as_str(self) -> &'static str {
        match self {
            HedgeWay::Provider => "provider",
            HedgeWay::Voice => "voice",
            HedgeWay::None => "none",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "e", rename_all = "snake_case")]
pub enum Entry {
    Opened {
        id: CalloutId,
        start: Time,
        due_at: Time,
        told_only: bool,
        unreachable: bool,
        /// The plan's holder: contact 0.
        person: u16,
        holder: RecipientId,
        next_rung: Option<Time>,
    },
    /// Inherits rung, deadline, contacts, answer of an older callout at the same or a lower level.
    Carried {
        from: CalloutId,
        /// The older callout's state at that moment, whole.
        snapshot: Box<super::state::Callout>,
    },
    Climbed {
        rung: u8,
        next_rung: Option<Time>,
    },
    /// The next rung's time was moved (a decline, a dead number, a claim that ended).
    Hastened {
        next_rung: Time,
        why: String,
    },
    ContactAdded {
        relation: Relation,
        person: u16,
        id: RecipientId,
    },
    CallsSet {
        contact: u8,
        calls: Option<Calls>,
    },
    Queued {
        contact: u8,
        channel: Channel,
        kind: AskKind,
        #[serde(default, skip_serializing_if = "super::state::is_zero")]
        number: u8,
        #[serde(default, skip_serializing_if = "super::state::is_false")]
        by_line: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        not_before: Option<Time>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        repeats: Option<u16>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hedges: Option<u16>,
        /// The accounts that it goes round.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        failed_by: Vec<String>,
    },
    /// A red ask was taken by its provider, which says nothing more of it.
    Hedged {
        n: u16,
        way: HedgeWay,
    },
    /// The intent: durable before the request leaves. It names its moment, so that of two gateways that
    /// decide the same from the same state (a lease that lapsed) only one finds it recorded as its own.
    Sending {
        n: u16,
        at: Time,
        provider: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        digit: Option<u8>,
    },
    /// The request did not leave after all, or the provider asked to wait: queued again.
    Deferred {
        n: u16,
        until: Time,
        why: String,
    },
    AttemptIs {
        n: u16,
        state: AttemptState,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        outcome: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        provider_id: Option<String>,
    },
    LookedUp {
        n: u16,
    },
    /// Nothing more will be heard of it: it stays of unknown fate.
    GivenUp {
        n: u16,
        why: String,
    },
    /// The line confirmed that a withdrawn attempt did not leave.
    Recalled {
        n: u16,
    },
    /// The number proved dead, or (`only`) a provider refuses to send there on this channel: a blocklist, a number it cannot
    /// reach. That is no proof, and the other channel goes on.
    NumberDead {
        contact: u8,
        number: u8,
        why: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        only: Option<Channel>,
    },
    /// "Hand to deputy" or "not me".
    Declined {
        contact: u8,
        not_me: bool,
        via: Via,
    },
    WrongKey {
        n: u16,
        keys: String,
    },
    /// An answer that covers some of the posts.
    PostsAnswered {
        posts: Vec<u16>,
        by: AnsweredBy,
        via: Via,
    },
    /// Every post is answered for.
    Answered {
        via: Via,
        by: AnsweredBy,
        at: Time,
        late: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        entered_by: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    },
    /// An answer after the answer, or after the end: kept as evidence.
    Evidence {
        by: AnsweredBy,
        via: Via,
        at: Time,
    },
    PostsStruck {
        posts: Vec<u16>,
    },
    /// No place of its own is left: closed as covered.
    CoveredByOthers,
    Overdue,
    Unreachable {
        why: String,
    },
    TaskOpened {
        kind: TaskKind,
        title: String,
        due: Time,
    },
    TaskClaimed {
        n: u16,
        by: String,
        due: Time,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        taken_by: Option<u8>,
    },
    TaskLapsed {
        n: u16,
        due: Time,
    },
    /// Unclaimed: the shift leader is rung, the task stays.
    TaskReminded {
        n: u16,
        due: Time,
    },
    TaskClosed {
        n: u16,
        outcome: String,
        by: Option<String>,
        note: Option<String>,
    },
    Report {
        by: AnsweredBy,
        report: Report,
        /// The asks that it answers. Left out where there was only one: then every report answered it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        answers: Option<Vec<u8>>,
        /// Another of its places was never reported for.
        #[serde(default, skip_serializing_if = "super::state::is_false")]
        in_part: bool,
    },
    /// When the next report to this ask is due; `None`: no more is owed.
    FeedbackDue {
        due: Option<Time>,
        #[serde(default, skip_serializing_if = "super::state::is_zero")]
        ask: u8,
    },
    /// Somebody above has answered, so it is this one's turn (逐级转发).
    Forwarded {
        next_rung: Time,
    },
    ReturnPermitted {
        places: Vec<String>,
        by: String,
        note: String,
    },
    FeedbackReminded {
        #[serde(default, skip_serializing_if = "super::state::is_zero")]
        ask: u8,
        /// When it was due.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since: Option<Time>,
    },
    /// The warning ended for this callout. Open ones close; answered ones stay answered.
    Ended {
        reason: ClosedReason,
        to_tell: Vec<u8>,
    },
    EndTold {
        contact: u8,
    },
    Succeeded {
        successor: Successor,
    },
    /// Nothing changed here: letters were read, something was passed on. Named, so that no two such
    /// commits look like one.
    Passed {
        letters: Vec<u64>,
        sends: Vec<String>,
    },
}
