//! Who waits for a slot of an account, so that nobody takes one before somebody more urgent who waits for it.
//!
//! Advisory and in memory: nothing is kept here that is not due again in the store. What was withdrawn here is struck
//! out; what another gateway took or withdrew is forgotten when it does not come back as it was told to.

use crate::core::{
    ids::{AttemptId, CalloutId, WarningId},
    priority::Priority,
    time::{Span, Time},
};
use std::collections::{BTreeMap, HashMap};

/// Somebody who is this late is not waited for any more.
pub const GRACE: Span = Span::secs(1);
/// The same for messages where gateways share the work: who does not come back at once is most likely another's, and a
/// crowd of such would keep slots empty for all of [`GRACE`].
pub const SHARED_GRACE: Span = Span::ms(10);
/// Neighbours in the order counted together, for ranks.
const BUCKET: u32 = 64;

/// Those who found no slot, most urgent first.
#[derive(Default)]
pub struct Waiting {
    /// By priority; until when each was told to wait.
    all: BTreeMap<(Priority, AttemptId), Time>,
    /// Only asked, never walked.
    known: HashMap<AttemptId, Priority>,
    /// How many of a stretch of the order.
    buckets: BTreeMap<Priority, u32>,
}

impl Waiting {
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
    pub fn knows(&self, attempt: AttemptId) -> bool {
        self.known.contains_key(&attempt)
    }

    /// It waits, and comes again at `until`.
    pub fn put(&mut self, attempt: AttemptId, priority: Priority, until: Time) {
        if self.known.get(&attempt) != Some(&priority) {
            self.forget(attempt);
            self.known.insert(attempt, priority);
            *self.buckets.entry(priority.stretch(BUCKET)).or_default() += 1;
        }
        self.all.insert((priority, attempt), until);
    }

    /// It got its slot, or needs none any more.
    pub fn forget(&mut self, attempt: AttemptId) {
        let Some(priority) = self.known.remove(&attempt) else { return };
        self.all.remove(&(priority, attempt));
        let bucket = priority.stretch(BUCKET);
        if let Some(n) = self.buckets.get_mut(&bucket) {
            *n -= 1;
            if *n == 0 {
                self.buckets.remove(&bucket);
            }
        }
    }

    /// Whether at least `slots` others wait who come before this one. Those who are later than `grace` are forgotten.
    pub fn before(&mut self, attempt: AttemptId, priority: Priority, slots: usize, grace: Span, now: Time) -> bool {
        let (mut late, mut ahead) = (Vec::new(), 0);
        for ((_, other), until) in self.all.range(..(priority, attempt)) {
            if ahead >= slots {
                break;
            }
            match *until + grace < now {
                true => late.push(*other),
                false => ahead += 1,
            }
        }
        late.into_iter().for_each(|a| self.forget(a));
        ahead >= slots
    }

    /// How many come before it.
    pub fn rank(&self, attempt: AttemptId, priority: Priority) -> u32 {
        let mine = priority.stretch(BUCKET);
        let first = (mine, AttemptId { callout: CalloutId::new(WarningId(0), 0), n: 0 });
        let neighbours = self.all.range(first.min((priority, attempt))..(priority, attempt)).count() as u32;
        self.buckets.range(..mine).map(|(_, n)| *n).sum::<u32>() + neighbours
    }

    /// How many wait.
    pub fn depth(&mut self, now: Time) -> usize {
        let late: Vec<AttemptId> = self.all.iter().filter(|(_, until)| **until + GRACE < now).map(|((_, a), _)| *a).collect();
        late.into_iter().for_each(|a| self.forget(a));
        self.all.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{directory::Tier, hazard::Level};

    fn attempt(ordinal: u32) -> AttemptId {
        AttemptId { callout: CalloutId::new(WarningId(1), ordinal), n: 1 }
    }
    fn red(order: u32) -> Priority {
        Priority::of(Level::Red, false, Some(Tier::Village), order, None)
    }
    const NOW: Time = Time(1_000_000);

    #[test]
    fn who_comes_before_is_counted_and_who_does_not_come_back_is_forgotten() {
        let mut w = Waiting::default();
        for order in 0..200 {
            w.put(attempt(order), red(order), NOW + Span::ms(500));
        }
        assert!(
            !w.before(attempt(3), red(3), 4, GRACE, NOW) && w.before(attempt(4), red(4), 4, GRACE, NOW),
            "four slots are for the first four"
        );
        assert_eq!((w.rank(attempt(0), red(0)), w.rank(attempt(130), red(130)), w.depth(NOW)), (0, 130, 200));
        w.forget(attempt(0));
        assert!(!w.before(attempt(4), red(4), 4, GRACE, NOW), "the first was withdrawn");
        let blue = Priority::of(Level::Blue, false, Some(Tier::Village), 0, None);
        w.put(attempt(500), blue, NOW + Span::secs(30));
        assert!(w.before(attempt(500), blue, 199, GRACE, NOW) && !w.before(attempt(500), blue, 200, GRACE, NOW));
        let later = NOW + Span::ms(1_501);
        assert!(!w.before(attempt(500), blue, 1, GRACE, later), "none of them came back");
        assert_eq!(w.depth(later), 1);
        assert_eq!(w.depth(NOW + Span::secs(32)), 0);
        assert!(w.is_empty() && w.buckets.is_empty() && w.known.is_empty());
    }

    #[test]
    fn who_waits_with_another_priority_than_before_waits_once() {
        let mut w = Waiting::default();
        w.put(attempt(1), red(1), NOW);
        w.put(attempt(1), red(90), NOW);
        assert!(w.knows(attempt(1)));
        assert_eq!((w.depth(NOW), w.rank(attempt(2), red(128))), (1, 1));
        w.forget(attempt(1));
        w.forget(attempt(1));
        assert!(w.is_empty() && w.buckets.is_empty());
    }
}
