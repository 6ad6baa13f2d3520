//! A gateway's part of what providers grant an account to all gateways together.

use crate::core::time::Time;

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

    /// Whether both share alike, however long they hold.
    pub fn is_like(self, other: Part) -> bool {
        (self.gateways, self.rank) == (other.gateways, other.rank)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
