//! Engine time of several gateways: each follows the control primary's clock by its own monotonic
//! clock. It never goes back and never stands still: where the server's clock was set back (or
//! another server took over that is behind), engine time runs a tenth slower until they meet.

use crate::{
    core::time::{Span, Time},
    store::clock::Clock,
};
use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicI64, Ordering},
};

/// Where a store's time comes from.
#[derive(Clone)]
pub enum Timing {
    /// The servers' clock, carried on between two looks at it by this one.
    Server(Arc<dyn Clock>),
    /// This one alone: tests.
    Given(Arc<dyn Clock>),
}

/// Disagreements below this are the network's.
const NOISE_MS: i64 = 5;
/// From here on an operator should know.
pub(super) const ALARMING_MS: i64 = 2_000;

#[derive(Clone, Copy)]
struct Offset {
    /// At local time `at`; from there it falls to `target`, or is there at once if that is higher.
    from: i64,
    at: i64,
    target: i64,
}
impl Offset {
    fn at(self, local: i64) -> i64 {
        if self.target >= self.from { self.target } else { self.target.max(self.from - (local - self.at) / 10) }
    }
}

pub(super) struct EngineClock {
    base: Arc<dyn Clock>,
    follows: bool,
    offset: Mutex<Offset>,
    highest: AtomicI64,
}

impl EngineClock {
    pub fn new(timing: Timing) -> EngineClock {
        let (base, follows) = match timing {
            Timing::Server(c) => (c, true),
            Timing::Given(c) => (c, false),
        };
        let at = base.now().0;
        EngineClock { base, follows, offset: Mutex::new(Offset { from: 0, at, target: 0 }), highest: AtomicI64::new(i64::MIN) }
    }

    pub fn now(&self) -> Time {
        let local = self.base.now().0;
        let offset = *self.offset.lock().unwrap_or_else(PoisonError::into_inner);
        let now = local.saturating_add(offset.at(local));
        Time(self.highest.fetch_max(now, Ordering::SeqCst).max(now))
    }

    /// The clock between two looks at the server.
    pub fn local(&self) -> i64 {
        self.base.now().0
    }

    /// Starts at `floor` at the earliest: the highest time any gateway has seen.
    pub fn start(&self, floor: Option<i64>) {
        let local = self.base.now().0;
        let mut offset = self.offset.lock().unwrap_or_else(PoisonError::into_inner);
        let least = floor.map_or(i64::MIN, |f| f - local);
        // A given clock keeps what it starts with; one that follows falls back to the server's time.
        offset.from = offset.at(local).max(least);
        offset.at = local;
        if !self.follows {
            offset.target = offset.from;
        }
    }

    /// The server said `server` between local times `before` and `after`.
    pub fn measured(&self, before: i64, after: i64, server: i64) {
        if !self.follows {
            return;
        }
        let sample = server - (before + (after - before) / 2);
        let mut offset = self.offset.lock().unwrap_or_else(PoisonError::into_inner);
        let was = offset.target;
        if (sample - was).abs() <= NOISE_MS.max((after - before) / 2) {
            return;
        }
        *offset = Offset { from: offset.at(after), at: after, target: sample };
        drop(offset);
        if sample.abs() > ALARMING_MS && (was.abs() <= ALARMING_MS || (sample - was).abs() > ALARMING_MS) {
            tracing::warn!(skew_ms = sample, "this machine's clock and the Redis server's differ; the server's is in force: check both");
        }
    }

    /// How far the server's clock is ahead of this machine's.
    pub fn skew(&self) -> Span {
        Span(if self.follows { self.offset.lock().unwrap_or_else(PoisonError::into_inner).target } else { 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::clock::ManualClock;

    #[test]
    fn engine_time_follows_the_server_and_never_goes_back_nor_stands_still() {
        let local = Arc::new(ManualClock::new(Time(1_000_000)));
        let clock = EngineClock::new(Timing::Server(local.clone()));
        clock.measured(1_000_000, 1_000_000, 1_060_000);
        assert_eq!((clock.now(), clock.skew()), (Time(1_060_000), Span::secs(60)));
        clock.measured(1_000_000, 1_000_000, 1_060_003);
        assert_eq!(clock.now(), Time(1_060_000), "the network's noise");
        // Another server took over that is ten seconds behind.
        clock.measured(1_000_000, 1_000_000, 1_050_000);
        local.advance(Span::secs(10));
        assert_eq!(clock.now(), Time(1_060_000 + 9_000), "a tenth slower");
        local.advance(Span::secs(90));
        assert_eq!(clock.now(), Time(1_150_000));
        local.advance(Span::secs(90));
        assert_eq!(clock.now(), Time(1_240_000), "they have met");
    }

    #[test]
    fn engine_time_starts_at_the_highest_any_gateway_saw() {
        let local = Arc::new(ManualClock::new(Time(0)));
        let clock = EngineClock::new(Timing::Server(local.clone()));
        clock.measured(0, 0, 5_000);
        clock.start(Some(6_000));
        assert_eq!(clock.now(), Time(6_000));
        local.advance(Span(1_000));
        assert_eq!(clock.now(), Time(6_900));
        local.advance(Span(99_000));
        assert_eq!(clock.now(), Time(105_000));
        let given = EngineClock::new(Timing::Given(local.clone()));
        given.start(Some(200_000));
        local.advance(Span(1_000));
        assert_eq!(given.now(), Time(201_000));
    }
}
