//! The tally of a warning, exactly as the contract has it: counts, rates, times, places.
//!
//! Pure: made from the faces of callouts. What is not yet a row of its plan counts as queued.

use crate::{
    core::{
        callout::state::CalloutState,
        directory::Tier,
        division::{Division, DivisionLevel},
        warning_life::PlanHead,
    },
    store::Face,
};
use serde::Serialize;
use std::collections::BTreeMap;

/// Rates are between 0 and 1; `None` where there is nobody to count.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Tally {
    /// Callouts, frozen when planning ends.
    pub expected: u64,
    pub queued: u64,
    pub calling: u64,
    /// Reported ones too.
    pub answered: u64,
    pub reported: u64,
    pub overdue: u64,
    pub handed_over: u64,
    pub closed: u64,
    pub unreachable: u64,
    pub closed_by: BTreeMap<String, u64>,
    pub by_via: BTreeMap<String, u64>,
    pub by_relation: BTreeMap<String, u64>,
    /// Persons only informed; outside `expected`.
    pub told: u64,
    pub answered_on_time: u64,
    /// Of `expected` less those closed as covered; the other rates too.
    pub answer_rate: Option<f64>,
    pub on_time_rate: Option<f64>,
    pub feedback_rate: Option<f64>,
    /// Seconds from the acceptance of the warning to the answer.
    pub median_answer_s: Option<f64>,
    pub p90_answer_s: Option<f64>,
    pub places: u64,
    pub places_covered: u64,
    /// Nobody there has answered.
    pub places_silent: u64,
}

impl Tally {
    /// The whole warning. Entries of the plan that are not rows yet are queued.
    pub fn whole<'a>(plan: &PlanHead, faces: impl IntoIterator<Item = &'a Face>) -> Tally {
        let mut t = Tally::of(faces);
        if plan.cursor < plan.entries {
            let rows = t.sum();
            t.queued += u64::from(plan.expected).saturating_sub(rows);
            t.told = t.told.max(u64::from(plan.told));
        }
        t.expected = u64::from(plan.expected).max(if plan.cursor < plan.entries { t.sum() } else { 0 });
        t.rates();
        t
    }

    /// Some of the rows: a group, a division.
    pub fn of<'a>(faces: impl IntoIterator<Item = &'a Face>) -> Tally {
        let mut t = Tally::default();
        let mut times: Vec<i64> = Vec::new();
        let mut places: BTreeMap<&str, Place> = BTreeMap::new();
        for face in faces {
            if face.told_only {
                t.told += 1;
                continue;
            }
            t.count(face);
            let answered = matches!(face.state, CalloutState::Answered | CalloutState::Reported);
            if answered && let Some(ms) = face.answer_ms {
                times.push(ms.max(0));
            }
            for place in &face.places {
                let p = places.entry(place).or_default();
                p.answered |= answered;
                p.missing |= !answered;
                p.covered |= face.closed_reason.as_deref() == Some("covered");
            }
        }
        t.expected = t.sum();
        times.sort_unstable();
        t.median_answer_s = percentile(&times, 50);
        t.p90_answer_s = percentile(&times, 90);
        t.places = places.len() as u64;
        t.places_covered = places.values().filter(|p| p.covered || (p.answered && !p.missing)).count() as u64;
        t.places_silent = places.values().filter(|p| !p.answered).count() as u64;
        t.rates();
        t
    }

    /// The sum that must be `expected` (conservation).
    pub fn sum(&self) -> u64 {
        self.queued + self.calling + self.overdue + self.handed_over + self.answered + self.closed + self.unreachable
    }

    fn count(&mut self, face: &Face) {
        match face.state {
            CalloutState::Queued => self.queued += 1,
            CalloutState::Calling => self.calling += 1,
            CalloutState::Overdue => self.overdue += 1,
            CalloutState::HandedOver => self.handed_over += 1,
            CalloutState::Unreachable => self.unreachable += 1,
            CalloutState::Closed => {
                self.closed += 1;
                add(&mut self.closed_by, face.closed_reason.as_deref());
            }
            CalloutState::Answered | CalloutState::Reported => {
                self.answered += 1;
                self.reported += u64::from(face.state == CalloutState::Reported);
                self.answered_on_time += u64::from(face.on_time);
                add(&mut self.by_via, face.via.as_deref());
                add(&mut self.by_relation, face.relation.as_deref());
            }
        }
    }

    fn rates(&mut self) {
        let covered = self.closed_by.get("covered").copied().unwrap_or(0);
        let of = self.expected.saturating_sub(covered);
        let rate = |n: u64| (of > 0).then(|| round(n as f64 / of as f64));
        self.answer_rate = rate(self.answered);
        self.on_time_rate = rate(self.answered_on_time);
        self.feedback_rate = rate(self.reported);
    }
}

#[derive(Default)]
struct Place {
    answered: bool,
    missing: bool,
    covered: bool,
}

fn add(map: &mut BTreeMap<String, u64>, key: Option<&str>) {
    if let Some(key) = key {
        *map.entry(key.to_string()).or_default() += 1;
    }
}

fn round(x: f64) -> f64 {
    (x * 10_000.0).round() / 10_000.0
}

/// Nearest rank, in seconds.
fn percentile(sorted_ms: &[i64], percent: usize) -> Option<f64> {
    let rank = (sorted_ms.len() * percent).div_ceil(100).max(1);
    sorted_ms.get(rank - 1).map(|ms| *ms as f64 / 1000.0)
}

/// By what a tally is split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupBy {
    County,
    Township,
    Village,
    Tier,
    Hazard,
    Role,
    /// The lines that a policy calls side by side (双叫应). Not told by a face: see [`GroupBy::key`].
    Line,
}

impl GroupBy {
    /// The group a face is counted in; `None` for one that lies above the asked level (a county's
    /// leader has no village). `hazard` is the warning's own.
    pub fn key(self, face: &Face, hazard: &str) -> Option<String> {
        let at = |level| face.division.at(level).map(|d: Division| d.to_string());
        match self {
            GroupBy::County => at(DivisionLevel::County),
            GroupBy::Township => at(DivisionLevel::Township),
            GroupBy::Village => at(DivisionLevel::Village),
            GroupBy::Tier => Some(face.tier.as_str().to_string()),
            GroupBy::Hazard => Some(hazard.to_string()),
            GroupBy::Role => Some(face.role.clone()),
            // The plan knows it, not the row.
            GroupBy::Line => None,
        }
    }

    /// One tally a group, in order of the groups.
    pub fn split<'a>(self, faces: impl IntoIterator<Item = &'a Face>, hazard: &str) -> BTreeMap<Option<String>, Tally> {
        let mut groups: BTreeMap<Option<String>, Vec<&Face>> = BTreeMap::new();
        for face in faces {
            groups.entry(self.key(face, hazard)).or_default().push(face);
        }
        groups.into_iter().map(|(key, faces)| (key, Tally::of(faces))).collect()
    }
}

/// The Chinese name of a tier's key, for groups.
pub fn tier_name(key: &str) -> Option<&'static str> {
    Tier::ALL.iter().find(|t| t.as_str() == key).map(|t| t.name_zh())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn face(state: CalloutState, place: &str) -> Face {
        let answered = matches!(state, CalloutState::Answered | CalloutState::Reported);
        Face {
            state,
            told_only: false,
            closed_reason: (state == CalloutState::Closed).then(|| "covered".to_string()),
            division: "140521101201".parse().unwrap(),
            place: place.into(),
            tier: Tier::Village,
            role: "flood_control".into(),
            recipient: 1,
            answer_ms: answered.then_some(60_000),
            on_time: answered,
            via: answered.then(|| "link".to_string()),
            relation: answered.then(|| "holder".to_string()),
            feedback_owed: false,
            places: vec![place.into()],
        }
    }

    #[test]
    fn every_state_is_counted_once_and_the_sum_is_expected() {
        let faces: Vec<Face> = CalloutState::ALL.iter().map(|s| face(*s, s.as_str())).collect();
        let plan = PlanHead { entries: 8, expected: 8, cursor: 8, ..PlanHead::default() };
        let t = Tally::whole(&plan, &faces);
        assert_eq!((t.expected, t.sum(), t.answered, t.reported), (8, 8, 2, 1));
        assert_eq!(t.closed_by["covered"], 1);
        assert_eq!(t.answer_rate, Some(0.2857), "two of seven: the covered one is not asked for");
        assert_eq!((t.places, t.places_covered, t.places_silent), (8, 3, 6));
        assert_eq!((t.median_answer_s, t.p90_answer_s), (Some(60.0), Some(60.0)));
    }

    #[test]
    fn what_is_not_yet_a_row_is_queued_and_a_lost_row_shows() {
        let faces = [face(CalloutState::Calling, "a")];
        let planning = PlanHead { entries: 12, expected: 10, told: 2, cursor: 1, ..PlanHead::default() };
        let t = Tally::whole(&planning, &faces);
        assert_eq!((t.expected, t.queued, t.sum(), t.told), (10, 9, 10, 2));
        let planned = PlanHead { cursor: 12, ..planning };
        let t = Tally::whole(&planned, &faces);
        assert_eq!((t.expected, t.sum()), (10, 1), "a missing row is not papered over");
    }

    #[test]
    fn persons_only_told_are_outside_expected() {
        let mut told = face(CalloutState::Queued, "a");
        told.told_only = true;
        let t = Tally::of([&told]);
        assert_eq!((t.expected, t.told, t.answer_rate), (0, 1, None));
    }

    #[test]
    fn groups_add_up_to_the_whole() {
        let mut county = face(CalloutState::Overdue, "x");
        county.division = "140521".parse().unwrap();
        county.tier = Tier::County;
        let faces = [face(CalloutState::Answered, "a"), face(CalloutState::Calling, "b"), county];
        for by in [GroupBy::County, GroupBy::Township, GroupBy::Village, GroupBy::Tier, GroupBy::Hazard, GroupBy::Role] {
            let groups = by.split(&faces, "11B03");
            assert_eq!(groups.values().map(|t| t.expected).sum::<u64>(), 3, "{by:?}");
        }
        assert!(GroupBy::Village.split(&faces, "11B03").contains_key(&None));
    }

    #[test]
    fn percentiles_take_the_nearest_rank() {
        let ms: Vec<i64> = (1..=10).map(|s| s * 1000).collect();
        assert_eq!((percentile(&ms, 50), percentile(&ms, 90), percentile(&[], 50)), (Some(5.0), Some(9.0), None));
    }
}
