//! A gateway's part of what providers grant an account to all gateways together.

use crate::core::time::{Span, Time};

/// So much of a slot, in thousandths, is its beginning.
const BEGINNING: i64 = 250;

/// Taken anew at every heartbeat (`gateways`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// How many gateways share it; at least 1.
    pub gateways: u32,
    /// Which of them this one is, from 0: where something cannot be divided, the first have one more.
    pub rank: u32,
    /// Not taken before this: the others must have heard of this one first.
    pub from: Time,
    /// Holds no longer than this: who has not heard of the others for so long (it was stopped, or cut off) takes
    /// nothing, because they have shared its part out among themselves.
    pub until: Time,
}
impl Part {
    /// All of it, for a gateway that is alone with its store.
    pub const WHOLE: Part = Part { gateways: 1, rank: 0, from: Time(i64::MIN), until: Time(i64::MAX) };

    /// This gateway's part of what there is for all: together exactly so much, so one's part may be nothing.
    pub fn of(self, all: u32) -> u32 {
        let n = self.gateways.max(1);
        all / n + u32::from(self.rank < all % n)
    }

    /// Whether it may be taken now.
    pub fn holds(self, now: Time) -> bool {
        self.from <= now && now < self.until
    }

    /// Where there are more gateways than requests a second they take turns: a slot each, by the engine's clock, which is one
    /// for all. Whether this is the beginning of one's own, so that two requests of two gateways keep most of a slot between
    /// them; else how long until the next one begins.
    ///
    /// # Errors
    /// The time until then.
    pub fn turn(self, per_second: u32, now: Time) -> Result<(), Span> {
        let (all, rate) = (i64::from(self.gateways.max(1)), i64::from(per_second.max(1)));
        if rate >= all {
            return Ok(());
        }
        let (rank, passed) = (i64::from(self.rank), now.0.saturating_mul(rate));
        let (slot, within) = (passed.div_euclid(1000), passed.rem_euclid(1000));
        let ahead = (rank - slot).rem_euclid(all);
        if ahead == 0 && within < BEGINNING {
            return Ok(());
        }
        let next = slot + if ahead == 0 { all } else { ahead };
        Err(Span((next * 1000 + rate - 1).div_euclid(rate) - now.0))
    }

    /// Whether both share alike, however long they hold.
    pub fn is_like(self, other: Part) -> bool {
        (self.gateways, self.rank) == (other.gateways, other.rank)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_few_requests_a_second_many_gateways_each_have_their_turn_and_no_two_come_close() {
        for (rate, gateways) in [(1, 2), (1, 3), (1, 10), (2, 3), (3, 10), (9, 10)] {
            let turns = |rank: u32| {
                let part = Part { gateways, rank, ..Part::WHOLE };
                (0..20_000).filter(move |ms| part.turn(rate, Time(1_783_000_000_000 + ms)).is_ok()).collect::<Vec<i64>>()
            };
            let mut all: Vec<(i64, u32)> = (0..gateways).flat_map(|r| turns(r).into_iter().map(move |ms| (ms, r))).collect();
            all.sort_unstable();
            for pair in all.windows(2).filter(|w| w[0].1 != w[1].1) {
                assert!(pair[1].0 - pair[0].0 >= 700 / i64::from(rate), "{rate}/s of {gateways}: {pair:?}");
            }
            for rank in 0..gateways {
                assert!(all.iter().any(|(_, r)| *r == rank), "{rate}/s of {gateways}: {rank} has no turn");
                let part = Part { gateways, rank, ..Part::WHOLE };
                let wait = part.turn(rate, Time(1_783_000_000_500)).err();
                assert!(wait.is_none_or(|w| w > Span::ZERO && part.turn(rate, Time(1_783_000_000_500) + w).is_ok()), "{wait:?}");
            }
        }
        assert_eq!(Part { gateways: 3, rank: 1, ..Part::WHOLE }.turn(3, Time(0)), Ok(()), "enough for all");
    }

    #[test]
    fn all_parts_together_are_the_whole_and_never_more() {
        for all in [0, 1, 2, 7, 100, 256, u32::MAX] {
            for gateways in 1..=8 {
                let sum: u64 = (0..gateways).map(|rank| u64::from(Part { gateways, rank, ..Part::WHOLE }.of(all))).sum();
                assert_eq!(sum, u64::from(all), "{all} among {gateways}");
            }
        }
    }
}
