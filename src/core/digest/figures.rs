//! How a warning's callouts stand, as a group is told.

use crate::core::{
    callout::state::CalloutState,
    division::{Division, DivisionLevel},
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Townships that are named; of the rest only how many they are is kept.
const NAMED: usize = 40;

/// One callout, as it is counted.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    pub state: CalloutState,
    /// A person only told: outside every sum but `told`.
    pub told_only: bool,
    pub on_time: bool,
    pub division: Division,
    pub places: &'a [String],
}

/// A township (or what lies above one) with people who have not answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Town {
    pub division: Division,
    pub silent: u32,
    pub expected: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    pub expected: u32,
    pub answered: u32,
    pub on_time: u32,
    pub reported: u32,
    /// Open and not answered.
    pub silent: u32,
    /// Of those: the deadline is past.
    pub overdue: u32,
    /// Of those: with an officer.
    pub handed_over: u32,
    /// Of those: nothing to reach them by.
    pub unreachable: u32,
    /// Over without an answer of theirs.
    pub closed: u32,
    /// Persons only informed; outside `expected`.
    pub told: u32,
    pub places: u32,
    /// Nobody there has answered.
    pub places_silent: u32,
    /// Open tasks that nobody has claimed in time.
    pub unclaimed: u32,
    /// Where the silent ones are, most first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub towns: Vec<Town>,
    /// Townships beyond those named.
    #[serde(default)]
    pub more_towns: u32,
}

impl Figures {
    pub fn of<'a>(seen: impl IntoIterator<Item = Seen<'a>>) -> Figures {
        let mut f = Figures::default();
        let mut towns: BTreeMap<Division, (u32, u32)> = BTreeMap::new();
        let mut places: BTreeSet<&str> = BTreeSet::new();
        let mut heard: BTreeSet<&str> = BTreeSet::new();
        for s in seen {
            if s.told_only {
                f.told += 1;
                continue;
            }
            f.expected += 1;
            let answered = matches!(s.state, CalloutState::Answered | CalloutState::Reported);
            match s.state {
                CalloutState::Answered | CalloutState::Reported => {
                    f.answered += 1;
                    f.on_time += u32::from(s.on_time);
                    f.reported += u32::from(s.state == CalloutState::Reported);
                }
                CalloutState::Closed => f.closed += 1,
                CalloutState::Overdue => f.overdue += 1,
                CalloutState::HandedOver => f.handed_over += 1,
                CalloutState::Unreachable => f.unreachable += 1,
                CalloutState::Queued | CalloutState::Calling => {}
            }
            let silent = s.state.is_open() && !answered;
            f.silent += u32::from(silent);
            let town = towns.entry(s.division.at(DivisionLevel::Township).unwrap_or(s.division)).or_default();
            *town = (town.0 + u32::from(silent), town.1 + 1);
            for place in s.places {
                places.insert(place);
                if answered {
                    heard.insert(place);
                }
            }
        }
        f.places = places.len() as u32;
        f.places_silent = (places.len() - heard.len()) as u32;
        let silent = towns.into_iter().filter(|(_, (silent, _))| *silent > 0);
        f.towns = silent.map(|(division, (silent, expected))| Town { division, silent, expected }).collect();
        f.towns.sort_by_key(|t| (std::cmp::Reverse(t.silent), t.division));
        f.more_towns = f.towns.len().saturating_sub(NAMED) as u32;
        f.towns.truncate(NAMED);
        f
    }

    /// Silent although the deadline is past, or out of reach.
    pub fn late(&self) -> u32 {
        self.overdue.saturating_add(self.handed_over).saturating_add(self.unreachable)
    }

    /// The same without its list: what is kept to see whether anything has changed.
    pub fn sums(&self) -> Figures {
        Figures { towns: Vec::new(), more_towns: 0, ..self.clone() }
    }
}
