//! The pace of an account whose provider says that it is sent to too fast: halved each time it says so, and raised
//! again bit by bit. It is no sign of bad health: the share of the traffic stays as it is.

use crate::core::time::{Span, Time};

/// Eighths of the account's rate.
const FULL: u32 = 8;
/// Complaints of the same moment are one.
const SAME: Span = Span::secs(1);
/// An eighth more after so long without a complaint.
const RISES: Span = Span::secs(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    eighths: u32,
    changed: Time,
}
impl Default for Pace {
    fn default() -> Self {
        Pace { eighths: FULL, changed: Time(0) }
    }
}

impl Pace {
    /// What is left of a rate; never 0.
    pub fn of(self, per_second: u32) -> u32 {
        (u64::from(per_second) * u64::from(self.eighths) / u64::from(FULL)).max(1) as u32
    }
    /// The provider says: too fast. Answers whether the pace has changed.
    pub fn too_fast(&mut self, now: Time) -> bool {
        if self.eighths < FULL && now < self.changed + SAME {
            return false;
        }
        (self.eighths, self.changed) = ((self.eighths / 2).max(1), now);
        true
    }
    /// Time passes. Answers whether the pace has changed.
    pub fn rises(&mut self, now: Time) -> bool {
        let steps = (now - self.changed).0 / RISES.0;
        if self.eighths >= FULL || steps < 1 {
            return false;
        }
        self.eighths = FULL.min(self.eighths + u32::try_from(steps).unwrap_or(FULL));
        self.changed = now;
        true
    }
    pub fn is_full(self) -> bool {
        self.eighths >= FULL
    }
}
