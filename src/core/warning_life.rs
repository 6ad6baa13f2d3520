//! The life of a warning: accepted → active → closed, its plan, its end, its tasks. Pure; the engine
//! plans and walks, this says what holds.

use super::{
    callout::state::{Task, TaskKind},
    drill::DrillScope,
    duty_call::DutyCall,
    hazard::Level,
    ids::{IssuerId, WarningId},
    policy::RunningPolicy,
    supervise::Watch,
    time::{Span, Time},
    warning::{Content, Finding, MessageType},
};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WarningPhase {
    Accepted,
    Active,
    Closed,
}

/// `closed_reason` of a warning (contract, States).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WarningEnd {
    Answered,
    Cancelled,
    Superseded,
    Expired,
}
impl WarningEnd {
    pub fn as_str(self) -> &'static str {
        match self {
            WarningEnd::Answered => "answered",
            WarningEnd::Cancelled => "cancelled",
            WarningEnd::Superseded => "superseded",
            WarningEnd::Expired => "expired",
        }
    }
}

/// The warning was told to end; its callouts are being walked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EndOrder {
    pub reason: WarningEnd,
    pub at: Time,
    /// The warning that cancels or supersedes it.
    pub by: Option<WarningId>,
    /// The officer or issuer, for the record.
    pub who: String,
    pub note: String,
    /// Callouts below this ordinal have been told.
    pub cursor: u32,
    /// Only at expiry: red and orange stay open and become one task.
    #[serde(default)]
    pub spare_serious: bool,
    /// Only callouts wholly inside these: the sender's rights. Empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub within: Vec<super::division::Division>,
}

/// People may go back to these places; those concerned are being told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReturnOrder {
    pub at: Time,
    pub who: String,
    /// Ids of places.
    pub places: Vec<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// Callouts below this ordinal have been told.
    pub cursor: u32,
}

/// How the plan came out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PlanHead {
    /// All entries, told ones included.
    pub entries: u32,
    pub expected: u32,
    pub told: u32,
    pub chunks: u32,
    /// Entries below this ordinal are rows.
    pub cursor: u32,
    pub at: Time,
}

/// What a warning is a part of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Relations {
    /// This updates or joins that one: its callouts are inherited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continues: Option<WarningId>,
    /// Joined by identifier from another issuer: who is already called there is not called here.
    #[serde(default)]
    pub joined: bool,
    /// References that named nothing known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unresolved: Vec<String>,
    /// Older stages of the same event that this narrower one takes the place of only in [`Relations::within`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<WarningId>,
    /// What this message's own areas were read as, where `parts` is not empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub within: Vec<super::division::Division>,
}

impl Relations {
    /// Where this message may take the older one's place: empty for all of it.
    pub fn limits(&self, older: WarningId) -> &[super::division::Division] {
        if self.parts.contains(&older) { &self.within } else { &[] }
    }
}

/// The state of a warning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WarningState {
    pub id: WarningId,
    pub issuer: IssuerId,
    pub content: Content,
    pub findings: Vec<Finding>,
    pub accepted_at: Time,
    pub phase: WarningPhase,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_reason: Option<WarningEnd>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<Time>,
    /// Started by an operator as a drill: rings, marked everywhere.
    pub drill: bool,
    /// What a drill is narrowed to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drill_scope: Option<Box<DrillScope>>,
    pub expires_at: Time,
    pub policy: RunningPolicy,
    pub plan: PlanHead,
    pub relations: Relations,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<EndOrder>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<Task>,
    /// Calls to the shift leader about tasks that nobody claimed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub duty_calls: Vec<DutyCall>,
    /// The expiry task was opened for this `expires_at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiry_asked: Option<Time>,
    /// Counties that the city watches (督办).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub watches: Vec<Watch>,
    /// Permissions to return, given after the end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub returns: Vec<ReturnOrder>,
    /// Places added by operators, for the record.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub added_places: Vec<String>,
}

/// What the store counts of a warning, as its life needs it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    pub rows: u64,
    pub open: u64,
    pub feedback_owed: u64,
}

impl WarningState {
    /// Whether anybody is called because of it: `actual`, or a drill that an operator started.
    pub fn rings(&self) -> bool {
        let alert = self.content.message_type != MessageType::Cancel;
        alert && (self.drill || self.content.status == super::warning::Status::Actual)
    }

    pub fn level(&self) -> Level {
        self.content.level
    }

    /// All of the plan are rows and nobody's answer or first report is owed.
    pub fn is_done(&self, s: Standing) -> bool {
        self.phase == WarningPhase::Active && self.plan.cursor >= self.plan.entries && s.open == 0 && s.feedback_owed == 0
    }

    pub fn open_task(&self, kind: TaskKind) -> Option<&Task> {
        self.tasks.iter().find(|t| t.kind == kind && t.is_open())
    }

    pub fn push_task(&mut self, kind: TaskKind, title: &str, now: Time, due: Time) -> u16 {
        let n = self.tasks.len() as u16 + 1;
        self.tasks.push(Task {
            n,
            kind,
            title: title.to_string(),
            opened: now,
            due,
            claimed_by: None,
            claimed_at: None,
            taken_by: None,
            division: None,
            closed: None,
            note: None,
        });
        n
    }

    /// Closed, and its end, where it was given one, told to everybody.
    pub fn is_over(&self) -> bool {
        self.phase == WarningPhase::Closed && self.end.as_ref().is_none_or(|e| e.cursor >= self.plan.entries)
    }

    /// A permission to return is still being told.
    pub fn is_returning(&self) -> bool {
        self.is_over() && self.returns.iter().any(|r| r.cursor < self.plan.entries)
    }

    /// When it must next be looked at. A warning that is not closed always has one (law 1).
    pub fn due(&self, now: Time) -> Option<Time> {
        let sweep = Span(self.policy.clocks.sweep.0.max(10));
        let walking = self.end.as_ref().is_some_and(|e| e.cursor < self.plan.entries || self.phase != WarningPhase::Closed);
        match self.phase {
            WarningPhase::Accepted => Some(now),
            _ if walking || self.is_returning() => Some(now),
            WarningPhase::Active => Some(if self.plan.cursor < self.plan.entries { now } else { now + sweep }),
            WarningPhase::Closed => {
                let tasks = self.tasks.iter().filter(|t| t.is_open()).map(|t| t.due.max(now + sweep));
                // Answered for, yet in force: reports go on until it ends, and the end is told.
                let ends = self.closed_reason == Some(WarningEnd::Answered) && self.end.is_none() && self.plan.entries > 0;
                let watches = self.watches.iter().filter(|x| ends && x.settled.is_none()).map(|x| x.look.max(now + sweep));
                tasks.chain(watches).chain(ends.then(|| self.expires_at.max(now + sweep))).min()
            }
        }
    }
}
