//! The durable state of one group's digest, and its decisions.

use super::{Figures, Group, Moment, Pace, Why};
use crate::core::{
    ids::WarningId,
    send::Outcome,
    time::{Span, Time},
    warning_life::WarningEnd,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Waits after failures in a row: doubled from the first, up to the second.
const RETRY: Span = Span::secs(2);
const LONGEST_RETRY: Span = Span::mins(5);
/// A robot that is set up wrongly is tried again after these.
const STOPPED: Span = Span::secs(30);
const LONGEST_STOPPED: Span = Span::mins(10);

/// What a group last read of a warning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Said {
    pub at: Time,
    pub why: Why,
    pub figures: Figures,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<WarningEnd>,
}

/// One warning that a group is told of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Told {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<Said>,
    /// When to look at it again; `None`: a letter says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Time>,
}

/// What a message on its way says of one warning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct About {
    pub warning: WarningId,
    pub said: Said,
    /// Nothing more will be said of it.
    #[serde(default)]
    pub last: bool,
}

/// A message that has left, or is about to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Flight {
    pub n: u32,
    pub at: Time,
    /// Without an outcome by then its fate is unknown.
    pub until: Time,
    pub about: Vec<About>,
}

/// The digest of one group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Digest {
    #[serde(default)]
    pub warnings: BTreeMap<WarningId, Told>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flight: Option<Flight>,
    /// By when each of the last messages had surely arrived.
    #[serde(default)]
    pub arrived: Vec<Time>,
    /// Nothing leaves before: the robot said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Time>,
    /// Messages made.
    #[serde(default)]
    pub made: u32,
    /// Failed in a row.
    #[serde(default)]
    pub failed: u8,
}

/// A warning as it stands, for this group.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    pub figures: Figures,
    pub moments: Vec<Moment>,
    pub ended: Option<WarningEnd>,
    /// Nothing more will happen to it.
    pub over: bool,
}

impl Told {
    /// What is to be said of it now, if anything, and when to look again where nothing is.
    pub fn assess(&self, look: &Look, group: &Group, now: Time) -> (Option<Why>, Option<Time>) {
        let f = &look.figures;
        let Some(said) = &self.said else {
            let worth = f.expected > 0 || f.told > 0 || f.unclaimed > 0;
            let why = match look.ended {
                _ if !worth => None,
                Some(_) => Some(Why::Closed),
                None if f.expected == 0 && f.told == 0 => Some(Why::Unclaimed),
                None => Some(Why::Start),
            };
            return (why, self.wait(look, group, now));
        };
        let changed = f.sums() != said.figures.sums();
        let passed = |m: &&Moment| m.at > said.at && m.at <= now;
        let why = match look.ended {
            Some(_) => (look.ended != said.ended).then_some(Why::Closed),
            None if changed && f.late() > 0 && look.moments.iter().filter(passed).any(|m| m.deadline) => Some(Why::Overdue),
            None if f.unclaimed > said.figures.unclaimed => Some(Why::Unclaimed),
            None if changed && look.moments.iter().any(|m| passed(&m)) => Some(Why::Progress),
            None if changed && now >= said.at + group.every => Some(Why::Progress),
            None => None,
        };
        (why, self.wait(look, group, now))
    }

    fn wait(&self, look: &Look, group: &Group, now: Time) -> Option<Time> {
        if look.ended.is_some() {
            return None;
        }
        let regular = self.said.as_ref().map_or(now, |s| s.at) + group.every;
        let regular = if regular > now { regular } else { now + group.every };
        look.moments.iter().map(|m| m.at).find(|at| *at > now).into_iter().chain([regular]).min()
    }
}

impl Digest {
    /// Something happened to a warning: it is looked at as soon as may be.
    pub fn note(&mut self, warning: WarningId, now: Time) {
        self.warnings.entry(warning).or_default().next = Some(now);
    }

    /// When the next message may leave, at the earliest.
    pub fn free_at(&self, pace: &Pace, now: Time) -> Time {
        let at = self.not_before.map_or(now, |t| t.max(now));
        pace.free_at(&self.arrived, at)
    }

    /// Warnings that are to be looked at now.
    pub fn due_now(&self, now: Time) -> Vec<WarningId> {
        self.warnings.iter().filter(|(_, t)| t.next.is_some_and(|n| n <= now)).map(|(w, _)| *w).collect()
    }

    /// When the record must next be worked at; `None` when nothing waits.
    pub fn due(&self, pace: &Pace, now: Time) -> Option<Time> {
        if let Some(flight) = &self.flight {
            return Some(flight.until);
        }
        let next = self.warnings.values().filter_map(|t| t.next).min()?;
        // Nothing can be said before the robot is free, so nothing needs to be looked at before.
        Some(next.max(self.free_at(pace, now)))
    }

    /// A message is about to leave.
    pub fn leave(&mut self, about: Vec<About>, pace: &Pace, now: Time) -> u32 {
        self.made += 1;
        self.flight = Some(Flight { n: self.made, at: now, until: now + pace.patience, about });
        self.made
    }

    /// The request's time is over and nobody said what came of it: a crash in between.
    pub fn lost(&mut self, pace: &Pace, now: Time) -> Option<u32> {
        let n = self.flight.as_ref().filter(|f| f.until <= now)?.n;
        self.heard(n, &Outcome::Unknown { detail: "no outcome was recorded".into() }, pace, now);
        Some(n)
    }

    /// What came of a message. Answers whether that was news.
    pub fn heard(&mut self, n: u32, outcome: &Outcome, pace: &Pace, now: Time) -> bool {
        let Some(flight) = self.flight.take_if(|f| f.n == n) else { return false };
        self.arrived.push(now);
        let many = self.arrived.len().saturating_sub(pace.kept());
        self.arrived.drain(..many);
        self.not_before = None;
        let double = |first: Span, longest: Span, failed: u8| Span((first.0 << failed.min(10)).min(longest.0));
        let wait = match outcome {
            Outcome::Accepted { .. } | Outcome::Unknown { .. } | Outcome::PermanentContent { .. } | Outcome::PermanentNumber { .. } => None,
            Outcome::Throttled { after, .. } => Some(after.unwrap_or(Span::mins(1)).max(Span::secs(1))),
            Outcome::Retryable { .. } => Some(double(RETRY, LONGEST_RETRY, self.failed)),
            Outcome::Config { .. } | Outcome::Balance { .. } => Some(double(STOPPED, LONGEST_STOPPED, self.failed)),
        };
        match wait {
            // Surely not sent: said anew, with the newest figures, when the robot may be asked again.
            Some(wait) => {
                self.not_before = Some(now + wait);
                self.failed = self.failed.saturating_add(1);
                for about in flight.about {
                    self.warnings.entry(about.warning).or_default().next = Some(now);
                }
            }
            // Taken, or maybe taken, or never to be taken in these words: the next one has other figures.
            None => {
                self.failed = 0;
                for about in flight.about {
                    if about.last {
                        self.warnings.remove(&about.warning);
                    } else if let Some(told) = self.warnings.get_mut(&about.warning) {
                        *told = Told { said: Some(about.said), next: Some(now) };
                    }
                }
            }
        }
        true
    }
}
