//! Whose turn it is when slots are scarce (design, deadline schedule): real before drill, level, tier, distance to
//! the hazard, then slack to the deadline. The plan's order says distance: [`super::planner`] writes nearest first.

use super::{directory::Tier, hazard::Level, time::Time};
use std::cmp::Reverse;

/// A place in the queue for a provider's slots; smaller goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Priority {
    drill: bool,
    level: Reverse<u8>,
    tier: u8,
    /// The person's ordinal in the plan.
    order: u32,
    due: Time,
}

impl Priority {
    /// `tier` and `due` are unknown for what older gateways asked: it goes last among its level.
    pub fn of(level: Level, drill: bool, tier: Option<Tier>, order: u32, due: Option<Time>) -> Priority {
        let tier = tier.map_or(u8::MAX, calling_rank);
        Priority { drill, level: Reverse(level.called_as().rank()), tier, order, due: due.unwrap_or(Time(i64::MAX)) }
    }
    /// Before everybody of the level: a shift leader rung for a task must not wait behind thousands.
    pub fn first_of(level: Level, drill: bool) -> Priority {
        Priority { drill, level: Reverse(level.called_as().rank()), tier: 0, order: 0, due: Time(i64::MIN) }
    }
    /// The stretch of the order it lies in, so many persons wide: the same for neighbours.
    pub fn stretch(&self, wide: u32) -> Priority {
        Priority { order: self.order / wide.max(1) * wide, due: Time(i64::MIN), ..*self }
    }
    pub fn is_red(&self) -> bool {
        !self.drill && self.level.0 == Level::Red.rank()
    }
    pub fn is_drill(&self) -> bool {
        self.drill
    }
}

/// From the point upwards: who stands nearest to the people in danger is called first.
pub fn calling_rank(tier: Tier) -> u8 {
    match tier {
        Tier::Village | Tier::Point => 0,
        Tier::Township => 1,
        Tier::DutyDesk => 2,
        Tier::County => 3,
        Tier::City => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn level_comes_before_tier_before_the_plans_order_before_slack_and_drills_come_last() {
        let p = |level, drill, tier, order, due| Priority::of(level, drill, Some(tier), order, Some(Time(due)));
        let mut all = [
            p(Level::Red, true, Tier::Village, 0, 0),
            p(Level::Orange, false, Tier::Point, 0, 0),
            p(Level::Red, false, Tier::Village, 7, 2),
            p(Level::Red, false, Tier::Point, 7, 1),
            p(Level::Red, false, Tier::Township, 0, 0),
            p(Level::Red, false, Tier::Village, 6, 9),
            Priority::of(Level::Red, false, None, 0, None),
        ];
        let sorted = [all[5], all[3], all[2], all[4], all[6], all[1], all[0]];
        all.sort();
        assert_eq!(all, sorted);
    }
}
