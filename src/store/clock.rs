//! Clocks: the one place that may read the machine's time.
//!
//! A [`Clock`] never goes back. Stores take one and give the engine [`super::Store::now`]; a store
//! that outlives its process adds what it needs so that engine time does not go back over a
//! restart either ([`Monotonic`]).

use crate::core::time::{Span, Time};
use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

/// Where a store takes its time from.
pub trait Clock: Send + Sync {
    /// Never earlier than any time it gave before.
    fn now(&self) -> Time;
}

/// The wall clock as it stood at the start, moved on by the boot clock: setting the machine's clock while the gateway
/// runs moves no deadline, and a machine that was suspended wakes to the time it is.
pub struct SystemClock {
    started_at: Time,
    /// The boot clock then, in milliseconds.
    started: i64,
}
impl SystemClock {
    pub fn new() -> SystemClock {
        // A clock before 1970 is read as 1970; the store's own floor corrects it.
        SystemClock { started_at: Time(wall()), started: since_boot() }
    }
}
impl Default for SystemClock {
    fn default() -> Self {
        SystemClock::new()
    }
}
impl Clock for SystemClock {
    fn now(&self) -> Time {
        self.started_at + Span(since_boot() - self.started)
    }
}

/// Milliseconds of a clock that never goes back and, where the system has one, goes on while the machine is suspended.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn since_boot() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    now.tv_sec.saturating_mul(1000).saturating_add(now.tv_nsec / 1_000_000)
}
#[cfg(not(any(target_os = "linux", target_os = "android")))]
#[allow(clippy::disallowed_methods, reason = "the one reader of the machine's clock; everybody else asks the store")]
fn since_boot() -> i64 {
    static FIRST: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    i64::try_from(FIRST.get_or_init(std::time::Instant::now).elapsed().as_millis()).unwrap_or(i64::MAX)
}

/// The machine's wall clock as it stands now, in milliseconds since 1970: for what others check against theirs (signatures,
/// dates of mails). It may go back; nothing here is decided by it.
#[allow(clippy::disallowed_methods, reason = "the one reader of the machine's clock")]
pub fn wall() -> i64 {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(wall.as_millis()).unwrap_or(i64::MAX)
}

/// A clock that stands still until it is moved: tests and simulations.
pub struct ManualClock(AtomicI64);
impl ManualClock {
    pub fn new(at: Time) -> ManualClock {
        ManualClock(AtomicI64::new(at.0))
    }
    /// Moves the clock forward; a negative span moves nothing.
    pub fn advance(&self, by: Span) -> Time {
        let by = by.0.max(0);
        Time(self.0.fetch_add(by, Ordering::SeqCst).saturating_add(by))
    }
    /// Moves the clock to `at`, unless it is there or past it already.
    pub fn advance_to(&self, at: Time) {
        self.0.fetch_max(at.0, Ordering::SeqCst);
    }
}
impl Clock for ManualClock {
    fn now(&self) -> Time {
        Time(self.0.load(Ordering::SeqCst))
    }
}

/// A clock moved forward by what it lacks to a floor, and held there should it ever step back.
pub struct Monotonic {
    clock: Arc<dyn Clock>,
    offset: Span,
    highest: AtomicI64,
}
impl Monotonic {
    /// Starts at `floor` or at the clock's own time, whichever is later, and moves with the clock.
    pub fn from_floor(clock: Arc<dyn Clock>, floor: Time) -> Monotonic {
        let now = clock.now();
        let offset = Span((floor - now).0.max(0));
        Monotonic { clock, offset, highest: AtomicI64::new(now.0.max(floor.0)) }
    }
    pub fn now(&self) -> Time {
        let now = (self.clock.now() + self.offset).0;
        Time(self.highest.fetch_max(now, Ordering::SeqCst).max(now))
    }
    /// How far engine time runs ahead of the clock it was given: more than a moment means that the
    /// machine's clock was set back since the last run.
    pub fn offset(&self) -> Span {
        self.offset
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engine_time_starts_at_the_floor_and_never_stands_still() {
        let clock = Arc::new(ManualClock::new(Time(1_000)));
        let engine = Monotonic::from_floor(clock.clone(), Time(5_000));
        assert_eq!((engine.now(), engine.offset()), (Time(5_000), Span(4_000)));
        clock.advance(Span(10));
        assert_eq!(engine.now(), Time(5_010));
    }

    #[test]
    fn a_clock_ahead_of_the_floor_is_taken_as_it_is() {
        let engine = Monotonic::from_floor(Arc::new(ManualClock::new(Time(9_000))), Time(5_000));
        assert_eq!((engine.now(), engine.offset()), (Time(9_000), Span::ZERO));
    }

    /// What the kernel itself counts as the time since the start, suspended or not.
    #[cfg(target_os = "linux")]
    #[test]
    fn the_clock_goes_on_while_the_machine_is_suspended() {
        let up = || {
            let said = std::fs::read_to_string("/proc/uptime").unwrap();
            (said.split(' ').next().unwrap().parse::<f64>().unwrap() * 1000.0) as i64
        };
        let (before, is, after) = (up(), since_boot(), up());
        assert!(before - 20 <= is && is <= after + 20, "{before} {is} {after}");
    }

    #[test]
    fn the_system_clock_does_not_go_back() {
        let clock = SystemClock::new();
        let first = clock.now();
        assert!(clock.now() >= first && first > Time(0));
    }
}
