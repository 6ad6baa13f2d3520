//! Policies (叫应规则): which hazard × level calls whom, by which channels, how long, and what
//! happens when nobody answers. Read from TOML, checked as a whole, copied into each warning.
//!
//! This file holds the words that a running warning keeps. [`rule`] holds the policy itself (roles,
//! groups, rules and how one is chosen), [`file`] reads it from TOML (`mend` gets it past a
//! fault), [`check`] finds what cannot work.

pub mod check;
pub mod diff;
pub mod explain;
pub mod feedback;
pub mod file;
mod mend;
mod notes;
pub mod rule;

pub use explain::{Explanation, Question};
pub use feedback::{FeedbackRule, Schedule, Topic};
pub use file::{PolicyFault, parse_policy, parse_policy_noted};
pub use rule::{Call, DrillRule, Group, NightRule, Origin, Policy, RoleRule, Rule, Selector};

use super::{
    directory::Tier,
    hazard::Level,
    send::Channel,
    time::{Span, Time},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The policy that is shipped (`config/policy.toml`), used where the configuration names no other.
pub const SHIPPED: &str = include_str!("../../config/policy.toml");

/// When a rung is climbed, measured from the acceptance of the warning or from the deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    Start(Span),
    Deadline(Span),
}

impl At {
    /// When that is for a callout that began at `start` and is to be answered by `due_at`.
    pub fn time(self, start: Time, due_at: Time) -> Time {
        match self {
            At::Start(s) => start + s,
            At::Deadline(s) => due_at + s,
        }
    }
}

/// Whom a rung calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Who {
    Holder,
    Deputy,
    Superior,
    TownshipDesk,
    CountyDesk,
    CityDesk,
    ShiftLeader,
    /// Whoever else holds a post at the same village or point and is called by no callout of his own.
    Others,
}
impl Who {
    pub fn name_zh(self) -> &'static str {
        match self {
            Who::Holder => "本人",
            Who::Deputy => "代理人（B角）",
            Who::Superior => "上级责任人",
            Who::TownshipDesk => "乡镇值班室",
            Who::CountyDesk => "县值班室",
            Who::CityDesk => "市值班室",
            Who::ShiftLeader => "带班领导",
            Who::Others => "同一对象的其他岗位",
        }
    }
}

/// A ladder: what is done for one person, step by step, until somebody answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ladder {
    /// False: people are only told (L4); no answer is asked, no callout is counted.
    #[serde(default = "yes")]
    pub answer: bool,
    /// The answer deadline of each tier, from the acceptance of the warning.
    #[serde(default)]
    pub deadline: BTreeMap<Tier, Span>,
    /// In order of time; rung 0 calls the holder.
    #[serde(rename = "rung")]
    pub rungs: Vec<Rung>,
    /// The last rung is taken again after this long, for as long as nobody answers.
    #[serde(default = "five_minutes")]
    pub repeat: Span,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rung {
    pub at: At,
    pub call: Vec<Who>,
    /// Sent at once when the rung is taken: `sms`, `email`. `im` writes to nobody alone: the groups' digests are told anew
    /// at the rung's time (`core::digest`).
    #[serde(default)]
    pub send: Vec<Channel>,
    #[serde(default)]
    pub voice: Option<Voice>,
    #[serde(default)]
    pub task: Option<TaskRule>,
}

/// Calls with a keypress, for everybody the rung names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Voice {
    /// First call this long after the rung is taken.
    pub after: Span,
    /// Between two calls of the same person.
    pub every: Span,
    pub times: u8,
    /// From this call on (1 is the first) the second number is rung, where there is one, by turns.
    #[serde(default = "two")]
    pub second_number_from: u8,
    /// False: between night hours the call waits for the morning.
    #[serde(default = "yes")]
    pub night: bool,
}

/// Work for an officer, opened by a rung.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskRule {
    /// What the officer is to do, in Chinese, such as `人工电话叫应` or `派人上门`.
    pub title: String,
    /// Whose desk it is.
    pub desk: Who,
    /// Unclaimed after this long, the shift leader is rung.
    #[serde(default = "three_minutes")]
    pub unclaimed: Span,
}

/// When the upper level presses (督办): a task at the city's duty desk, which is rung.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Supervise {
    /// Nobody at the county itself (its leaders, departments or desk) has answered this long after acceptance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unanswered: Option<Span>,
    /// The county has not started its emergency response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<ResponseWatch>,
}

/// The second half of a double call (双叫应): after the warning signal the start of the emergency response is
/// awaited, which comes as a warning of its own with one of these stages and is counted as such.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResponseWatch {
    pub within: Span,
    pub stages: Vec<String>,
}

/// How many people of a place must answer before it is covered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerRule {
    /// Everybody for himself; nobody is let off by another's answer.
    #[default]
    Each,
    Any,
    N(u16),
}

/// Clocks of the duty room that do not depend on the hazard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Clocks {
    /// A claimed task lapses after this long (contract: 5 minutes).
    pub claim_lapses: Span,
    /// Later rises to the same contact wait this long (contract: 3 minutes).
    pub gather: Span,
    /// A call without a final report counts as over after this long.
    pub call_timeout: Span,
    /// An SMS of unknown fate is looked up after these.
    pub lookup: [Span; 3],
    /// A voice call of unknown fate is awaited this long.
    pub voice_unknown: Span,
    /// How often an active warning checks whether it is done.
    pub sweep: Span,
    /// Retry of a `retryable` send: first wait; doubled each time.
    pub retry: Span,
    /// A red ask that its provider took and says nothing more of goes once more by another after this long; without it, never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hedge: Option<Span>,
}
impl Default for Clocks {
    fn default() -> Self {
        Clocks {
            claim_lapses: Span::mins(5),
            gather: Span::mins(3),
            call_timeout: Span::mins(2),
            lookup: [Span::secs(5), Span::secs(30), Span::secs(120)],
            voice_unknown: Span::secs(60),
            sweep: Span::secs(2),
            retry: Span::secs(2),
            hedge: None,
        }
    }
}

/// Night by Beijing time, as minutes of the day; written as `"22:00"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Night {
    #[serde(with = "clock_minute")]
    pub from: u16,
    #[serde(with = "clock_minute")]
    pub to: u16,
    /// Held messages and calls go out at this minute.
    #[serde(with = "clock_minute")]
    pub morning: u16,
}
impl Default for Night {
    fn default() -> Self {
        Night { from: 22 * 60, to: 6 * 60, morning: 6 * 60 + 30 }
    }
}
impl Night {
    pub fn contains(self, minute: u16) -> bool {
        if self.from <= self.to { (self.from..self.to).contains(&minute) } else { minute >= self.from || minute < self.to }
    }
}

/// What of a policy a running warning keeps: editing the policy never disturbs it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunningPolicy {
    /// Name and version of the policy it was copied from.
    pub source: String,
    /// Entries of the plan name a ladder by its index here.
    pub ladders: Vec<NamedLadder>,
    /// Schedules of reports; entries of the plan name one by its index here.
    pub feedback: Vec<Schedule>,
    pub clocks: Clocks,
    pub night: Night,
    /// Of the policy's text; see [`Policy::origin`]. Empty where the policy was not read from a text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hash: String,
    /// Levels are called one after the other (逐级转发).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub relay: bool,
    /// Names of the lines that are called side by side (双叫应), such as 部门线 and 政府线.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<String>,
    /// 督办 of a warning that was planned when it kept one rule for all its levels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supervise: Option<Supervise>,
    /// 督办, for each level of the warning whose row has it. A name of its own: a gateway of the version before reads the
    /// record, and one of this version writes those of before as it found them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub supervise_by: Vec<SuperviseAt>,
}
impl RunningPolicy {
    /// What is pressed for at a level; `None` asks for the rule of warnings that kept one for all levels.
    pub fn supervise_at(&self, level: Option<Level>) -> Option<&Supervise> {
        match level {
            Some(level) => self.supervise_by.iter().find(|s| s.level == level).map(|s| &s.rule),
            None => self.supervise.as_ref(),
        }
    }
}

/// When the upper level presses the counties of one level.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuperviseAt {
    pub level: Level,
    pub rule: Supervise,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NamedLadder {
    pub name: String,
    pub level: Level,
    pub ladder: Ladder,
}

/// Minutes of the day as the clock on the wall shows them, `"06:30"`.
mod clock_minute {
    use serde::{Deserialize, Deserializer, Serializer, de};
    pub fn serialize<S: Serializer>(minute: &u16, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&format_args!("{:02}:{:02}", minute / 60, minute % 60))
    }
    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<u16, D::Error> {
        let text = String::deserialize(d)?;
        let part = |t: &str, below: u16| t.parse::<u16>().ok().filter(|n| t.len() == 2 && *n < below);
        text.split_once(':')
            .and_then(|(h, m)| Some(part(h, 24)? * 60 + part(m, 60)?))
            .ok_or_else(|| de::Error::custom(format!("`{text}` is not a time of day; write for example \"22:00\"")))
    }
}

fn yes() -> bool {
    true
}
fn two() -> u8 {
    2
}
fn three_minutes() -> Span {
    Span::mins(3)
}
fn five_minutes() -> Span {
    Span::mins(5)
}
impl std::str::FromStr for At {
    type Err = String;
    fn from_str(s: &str) -> Result<At, String> {
        let bad = || format!("`{s}` is not a moment; write \"start\", \"start+30s\", \"deadline\" or \"deadline+3m\"");
        let (word, span) = match s.split_once('+') {
            Some((w, d)) => (w.trim(), d.trim().parse::<Span>().map_err(|_| bad())?),
            None => (s.trim(), Span::ZERO),
        };
        match word {
            "start" => Ok(At::Start(span)),
            "deadline" => Ok(At::Deadline(span)),
            _ => Err(bad()),
        }
    }
}
impl std::fmt::Display for At {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            At::Start(s) => write!(f, "start+{s}"),
            At::Deadline(s) => write!(f, "deadline+{s}"),
        }
    }
}
impl Serialize for At {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for At {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}
