//! What is known of one callout. Only [`super::fold::apply`] changes it, one [`super::entry::Entry`]
//! at a time, so that folding the journal always gives the row.

use crate::core::{
    ids::{CalloutId, RecipientId},
    send::Channel,
    time::{Span, Time},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The states of a callout as counted (contract, States). In a tally `answered` counts the reported
/// ones too; here they are apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CalloutState {
    Queued,
    Calling,
    Overdue,
    HandedOver,
    Unreachable,
    Answered,
    Reported,
    Closed,
}
impl CalloutState {
    pub const ALL: [CalloutState; 8] = [
        CalloutState::Queued,
        CalloutState::Calling,
        CalloutState::Overdue,
        CalloutState::HandedOver,
        CalloutState::Unreachable,
        CalloutState::Answered,
        CalloutState::Reported,
        CalloutState::Closed,
    ];
    pub fn as_str(self) -> &'static str {
        match self {
            CalloutState::Queued => "queued",
            CalloutState::Calling => "calling",
            CalloutState::Overdue => "overdue",
            CalloutState::HandedOver => "handed_over",
            CalloutState::Unreachable => "unreachable",
            CalloutState::Answered => "answered",
            CalloutState::Reported => "reported",
            CalloutState::Closed => "closed",
        }
    }
    pub fn name_zh(self) -> &'static str {
        match self {
            CalloutState::Queued => "待叫应",
            CalloutState::Calling => "叫应中",
            CalloutState::Overdue => "超时未叫应",
            CalloutState::HandedOver => "转人工",
            CalloutState::Unreachable => "无有效联系方式",
            CalloutState::Answered => "已叫应",
            CalloutState::Reported => "已反馈",
            CalloutState::Closed => "已终止",
        }
    }
    pub fn is_open(self) -> bool {
        !matches!(self, CalloutState::Answered | CalloutState::Reported | CalloutState::Closed)
    }
}

/// Why a callout ended without an answer (contract, States).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClosedReason {
    Cancelled,
    Superseded,
    Expired,
    Covered,
    Released,
}
impl ClosedReason {
    pub fn as_str(self) -> &'static str {
        match self {
            ClosedReason::Cancelled => "cancelled",
            ClosedReason::Superseded => "superseded",
            ClosedReason::Expired => "expired",
            ClosedReason::Covered => "covered",
            ClosedReason::Released => "released",
        }
    }
    pub fn name_zh(self) -> &'static str {
        match self {
            ClosedReason::Cancelled => "预警已解除",
            ClosedReason::Superseded => "预警已更新",
            ClosedReason::Expired => "预警已到期",
            ClosedReason::Covered => "本地点已有人应答",
            ClosedReason::Released => "不再受影响",
        }
    }
}

/// How somebody stands to the callout's holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    Holder,
    Deputy,
    Superior,
    DutyDesk,
}
impl Relation {
    pub fn as_str(self) -> &'static str {
        match self {
            Relation::Holder => "holder",
            Relation::Deputy => "deputy",
            Relation::Superior => "superior",
            Relation::DutyDesk => "duty_desk",
        }
    }
    /// A superior or a desk takes over (接办); it cannot answer in the holder's place.
    pub fn takes_over(self) -> bool {
        matches!(self, Relation::Superior | Relation::DutyDesk)
    }
}

/// By which evidence of a human acting (contract, Words).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    Link,
    Reply,
    Keypress,
    Manual,
    Api,
}
impl Via {
    pub fn as_str(self) -> &'static str {
        match self {
            Via::Link => "link",
            Via::Reply => "reply",
            Via::Keypress => "keypress",
            Via::Manual => "manual",
            Via::Api => "api",
        }
    }
    pub fn name_zh(self) -> &'static str {
        match self {
            Via::Link => "链接",
            Via::Reply => "短信回复",
            Via::Keypress => "电话按键",
            Via::Manual => "人工录入",
            Via::Api => "接口",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptState {
    Queued,
    Sending,
    Accepted,
    Delivered,
    Failed,
    Unknown,
    Withdrawn,
}
impl AttemptState {
    pub fn as_str(self) -> &'static str {
        match self {
            AttemptState::Queued => "queued",
            AttemptState::Sending => "sending",
            AttemptState::Accepted => "accepted",
            AttemptState::Delivered => "delivered",
            AttemptState::Failed => "failed",
            AttemptState::Unknown => "unknown",
            AttemptState::Withdrawn => "withdrawn",
        }
    }
    /// The person may have heard: it counts as told, and its reply counts.
    pub fn reached_out(self) -> bool {
        matches!(self, AttemptState::Accepted | AttemptState::Delivered | AttemptState::Unknown)
    }
}

/// A series of calls to one contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calls {
    pub next: Time,
    pub every: Span,
    pub left: u8,
    pub made: u8,
    pub second_from: u8,
}

/// Somebody called within the callout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Contact {
    pub relation: Relation,
    /// Index into the plan chunk's people.
    pub person: u16,
    pub id: RecipientId,
    pub since: Time,
    /// Bit k: number k was found dead, or disowned ("not me").
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dead: u8,
    /// The same for SMS or calls alone: no account of that channel sends there.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub no_sms: u8,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub no_voice: u8,
    /// Said that the deputy should answer.
    #[serde(default, skip_serializing_if = "is_false")]
    pub handed: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls: Option<Calls>,
}

/// One message or call, numbered by its place in [`Callout::attempts`] from 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// Index into [`Callout::contacts`].
    pub contact: u8,
    pub channel: Channel,
    pub kind: AskKind,
    pub state: AttemptState,
    /// Which of the contact's numbers.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub number: u8,
    /// Done through the number's line (calls, and everything that is gathered), not directly.
    #[serde(default, skip_serializing_if = "is_false")]
    pub by_line: bool,
    pub queued: Time,
    /// Queued, but not before this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_id: Option<String>,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tries: u8,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lookups: u8,
    /// The digit this ask carries (回1, 回2 …).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digit: Option<u8>,
    /// Withdrawn, but the line has not yet said that it did not leave.
    #[serde(default, skip_serializing_if = "is_false")]
    pub recalling: bool,
    /// It repeats this attempt, whose fate stayed unknown, or which its account took and lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeats: Option<u16>,
    /// It goes beside this attempt, of which its provider said nothing more (counted apart from what repeats one of unknown fate).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hedges: Option<u16>,
    /// It was looked at whether something should go beside it; once.
    #[serde(default, skip_serializing_if = "is_false")]
    pub hedged: bool,
    /// Accounts that failed it since it last waited: it goes by another first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed_by: Vec<String>,
}

/// Which message an attempt carries; see [`crate::core::callout`] for when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AskKind {
    Callout,
    Chase,
    Deputy,
    Takeover,
    Renewed,
    Feedback,
    End,
    Info,
    /// A bare 收到 with several asks open: which one is meant?
    Which,
    Ended,
    /// A task of the warning's own that nobody claims; see [`crate::core::duty_call`].
    Decide,
    /// People may go back; how many have returned is asked.
    Return,
}
impl AskKind {
    /// Sent because the warning ended, or after it, so its end does not stop it.
    pub fn tells_end(self) -> bool {
        matches!(self, AskKind::End | AskKind::Ended | AskKind::Return)
    }
    /// Whether an answer to it is an answer of the callout.
    pub fn asks(self) -> bool {
        matches!(self, AskKind::Callout | AskKind::Chase | AskKind::Deputy | AskKind::Takeover | AskKind::Renewed)
    }
}

/// Who answered, as recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnsweredBy {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<RecipientId>,
    pub name: String,
    /// `holder | deputy | superior | duty_desk`, or `other` for somebody an officer names.
    pub relation: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    pub at: Time,
    pub via: Via,
    pub by: AnsweredBy,
    pub late: bool,
    /// The officer who entered it, and his note.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entered_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What kind of work an officer is asked for (contract, tasks).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskKind {
    Call,
    Read,
    Decide,
}
impl TaskKind {
    pub fn as_str(self) -> &'static str {
        match self {
            TaskKind::Call => "call",
            TaskKind::Read => "read",
            TaskKind::Decide => "decide",
        }
    }
}

/// Work an officer must do and sign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Counted from 1 within the callout or warning.
    pub n: u16,
    pub kind: TaskKind,
    pub title: String,
    pub opened: Time,
    /// Unclaimed by then: the shift leader is rung. Claimed: when the claim lapses.
    pub due: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed_at: Option<Time>,
    /// Who has it after a superior's or desk's key (接办): index into contacts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_by: Option<u8>,
    /// Whose duty room it is, where that is not where the matter lies (督办).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub division: Option<crate::core::division::Division>,
    /// Set when done: `answered`, `not_reached`, `escalated` …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}
impl Task {
    pub fn is_open(&self) -> bool {
        self.closed.is_none()
    }
}

/// 关停: something that had to be shut, and how much of it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Closure {
    pub what: String,
    #[serde(default)]
    pub due: u32,
    #[serde(default)]
    pub done: u32,
}

/// 险情.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Danger {
    pub present: bool,
    pub kind: String,
    #[serde(rename = "where")]
    pub location: String,
}

/// A report (反馈) of one place. Figures are running totals. A report of nothing is a report.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Report {
    /// Place id: a point's code or 12 digits.
    pub place: String,
    pub on_post: bool,
    pub to_move: u32,
    pub moved: u32,
    pub refused: u32,
    /// Of those moved, who has gone back after it was permitted.
    #[serde(skip_serializing_if = "is_none_of")]
    pub returned: u32,
    pub closures: Vec<Closure>,
    pub danger: Danger,
    pub outage: Vec<String>,
    pub note: String,
    #[serde(with = "crate::core::time::rfc3339::option")]
    pub next_report_at: Option<Time>,
}

/// A report as received.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reported {
    pub at: Time,
    pub by: AnsweredBy,
    pub report: Report,
}

/// The clock of one report that is owed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedbackClock {
    /// Which of the schedule's asks.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub ask: u8,
    pub due: Time,
    /// A reminder went out for this due time.
    pub reminded: bool,
    pub first_in: bool,
    /// Overdue since then, however often it was asked for meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overdue_since: Option<Time>,
    /// Reports after that count for it. Older gateways did not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
}

/// One clock of the first ask stands for itself; whatever is more is a list.
mod clocks {
    use super::FeedbackClock;
    use crate::core::serde_one_or_many;
    use serde::{Deserializer, Serializer};
    pub fn serialize<S: Serializer>(all: &[FeedbackClock], s: S) -> Result<S::Ok, S::Error> {
        serde_one_or_many::serialize(all, |one| one.ask == 0, s)
    }
    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<FeedbackClock>, D::Error> {
        serde_one_or_many::deserialize(d)
    }
}

/// The warning's end as far as this callout knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    pub at: Time,
    pub reason: ClosedReason,
    /// Contacts still to be told, when what is on its way to them has arrived.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to_tell: Vec<u8>,
}

/// The callout that continues this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Successor {
    pub id: CalloutId,
    /// Same or lower level: answers to this one answer the successor. Raised: they never do.
    pub inherits: bool,
}

/// The state of one callout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Callout {
    pub id: CalloutId,
    pub state: CalloutState,
    #[serde(default, skip_serializing_if = "is_false")]
    pub told_only: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_reason: Option<ClosedReason>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carried_from: Option<CalloutId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub successor: Option<Successor>,
    /// Acceptance of the warning (carried: of the original): what all ladder times count from.
    pub start: Time,
    /// `due_at` of the contract.
    pub due_at: Time,
    /// The last rung taken; `None` before rung 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rung: Option<u8>,
    /// When the next rung is taken unless somebody answers; `None` once none is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_rung: Option<Time>,
    /// Began, or became, without a valid door to the holder.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unreachable: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contacts: Vec<Contact>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<Attempt>,
    /// Indices of posts answered for, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answered: Vec<u16>,
    /// Indices of posts whose place others covered, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub struck: Vec<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledgement: Option<Acknowledgement>,
    /// The newest answer that covered only some of the posts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partial: Option<Acknowledgement>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<Task>,
    /// In the order of the schedule's asks. Stored as it was when there could be one at most.
    #[serde(default, rename = "feedback_clock", skip_serializing_if = "Vec::is_empty", with = "clocks")]
    pub feedback_clocks: Vec<FeedbackClock>,
    /// The newest report of each place.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub reports: BTreeMap<String, Reported>,
    /// It has reported for some of its places, and for others never.
    #[serde(default, skip_serializing_if = "is_false")]
    pub reported_in_part: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ending: Option<Ending>,
    /// 逐级转发: when somebody above had answered, so that this one was called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forwarded: Option<Time>,
    /// Permissions to return, as far as they concern its places.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub return_permitted: Vec<ReturnPermitted>,
}

/// People may go back to these places. An act of its own: the end of the warning is none (不安全、不返回).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReturnPermitted {
    pub at: Time,
    pub places: Vec<String>,
    pub by: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

impl Attempt {
    /// It may be leaving, or be on its way, at this very moment.
    pub fn on_its_way(&self) -> bool {
        self.state == AttemptState::Sending || self.recalling
    }
    /// A call that is not over.
    pub fn rings(&self) -> bool {
        use AttemptState::{Accepted, Queued, Sending, Unknown};
        self.channel == Channel::Voice && self.finished.is_none() && matches!(self.state, Queued | Sending | Accepted | Unknown)
    }
}

impl Callout {
    /// The attempt numbered `n` (from 1).
    pub fn attempt(&self, n: u16) -> Option<&Attempt> {
        self.attempts.get(usize::from(n).checked_sub(1)?)
    }
    pub fn open_task(&self, kind: TaskKind) -> Option<&Task> {
        self.tasks.iter().find(|t| t.kind == kind && t.is_open())
    }
    /// A human is on it: automatic calls and the ladder pause until the claim lapses.
    pub fn claimed(&self) -> bool {
        self.tasks.iter().any(|t| t.is_open() && t.kind == TaskKind::Call && t.claimed_at.is_some())
    }
    /// What the ladder's times count from, and its deadline. For one who is called only when somebody above has
    /// answered (or had time to) they count from there; the deadline of the contract stays where it was.
    pub fn ladder_times(&self, entry: &crate::core::plan::PlanEntry) -> (Time, Time) {
        match &entry.relay {
            None => (self.start, self.due_at),
            Some(r) => {
                let called = self.forwarded.unwrap_or(self.start + r.wait);
                (called, (called + r.own).min(self.due_at))
            }
        }
    }
}

fn is_none_of(n: &u32) -> bool {
    *n == 0
}
pub(super) fn is_false(b: &bool) -> bool {
    !*b
}
pub(in crate::core) fn is_zero(n: &u8) -> bool {
    *n == 0
}
