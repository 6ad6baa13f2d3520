//! What a robot may: its limits counted by the times at which messages had surely arrived, so that none is counted
//! out of a window in which the robot still counts it.

use crate::core::time::{Span, Time};

/// What is passed over around the full and the half hour.
const CROWDED: Span = Span::secs(20);
const HALF_HOUR_MS: i64 = 30 * 60_000;

#[derive(Clone, Debug, PartialEq)]
pub struct Pace {
    /// At most `count` in any `window`.
    pub limits: Vec<(u16, Span)>,
    pub gap: Span,
    pub avoids_half_hours: bool,
    /// How long a request may be under way: without an outcome by then its fate is unknown.
    pub patience: Span,
}

impl Pace {
    /// When the next message may leave, at the earliest. `arrived` is in order of time.
    pub fn free_at(&self, arrived: &[Time], now: Time) -> Time {
        let mut at = now;
        if let Some(last) = arrived.last() {
            at = at.max(*last + self.gap);
        }
        for (count, window) in &self.limits {
            if let Some(n) = arrived.len().checked_sub(usize::from(*count).max(1)) {
                // One millisecond more: a window's end belongs to it.
                at = at.max(arrived[n] + *window + Span::ms(1));
            }
        }
        if self.avoids_half_hours {
            // Beijing's full and half hours are UTC's.
            let past = at.0.rem_euclid(HALF_HOUR_MS);
            if past < CROWDED.0 {
                at = at + Span(CROWDED.0 - past);
            }
        }
        at
    }

    /// How many of the last arrivals it has to know.
    pub fn kept(&self) -> usize {
        self.limits.iter().map(|(count, _)| usize::from(*count)).max().unwrap_or(1).max(1)
    }
}
