//! How often somebody may come: a bucket each, refilled evenly over a minute. In memory: a restart
//! forgives, which harms nobody.

use crate::core::time::{Span, Time};
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

const MINUTE: Span = Span::mins(1);

/// Buckets by name.
#[derive(Default)]
pub struct Rates {
    /// When the bucket will be empty again.
    empty_at: Mutex<BTreeMap<String, Time>>,
}

impl Rates {
    /// Takes one of `per_minute` (at least 1); where none is left, says after how long one will be.
    pub fn take(&self, name: &str, per_minute: u32, now: Time) -> Result<(), Span> {
        let each = Span((MINUTE.0 / i64::from(per_minute.max(1))).max(1));
        let mut buckets = self.empty_at.lock().unwrap_or_else(PoisonError::into_inner);
        let filled = buckets.get(name).copied().unwrap_or(now).max(now) + each;
        let over = Span((filled - now).0 - MINUTE.0);
        if over.0 > 0 {
            return Err(over);
        }
        buckets.insert(name.to_string(), filled);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minutes_worth_may_come_at_once_and_then_evenly() {
        let rates = Rates::default();
        for _ in 0..6 {
            assert_eq!(rates.take("a", 6, Time(0)), Ok(()));
        }
        assert_eq!(rates.take("a", 6, Time(0)), Err(Span::secs(10)));
        assert_eq!(rates.take("b", 6, Time(0)), Ok(()), "each has a bucket of its own");
        assert_eq!(rates.take("a", 6, Time(10_000)), Ok(()));
        assert!(rates.take("a", 6, Time(10_000)).is_err());
    }
}
