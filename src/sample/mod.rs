//! The sample directory of 晋城市: the real divisions, invented people on numbers nobody has, and
//! the gaps of life planted and known. For the demo, for tests, for trying a policy.
//!
//! `build` puts people and posts together, `offices` fills city, counties and townships, `villages`
//! the villages with their hazard points, valleys and reservoirs.

mod build;
mod names;
mod offices;
mod rng;
mod villages;

use crate::core::{
    directory::{Directory, DivisionName},
    directory_gaps::Gaps,
    division::Division,
    division_list::parse_division_list,
};
use std::collections::BTreeMap;

/// How many persons [`directory`] has by default.
pub const PERSONS: usize = 10_000;
/// Fewer cannot hold every county, every township's desk and a whole ladder.
pub const MIN_PERSONS: usize = 200;

const DIVISIONS: &str = include_str!("../../config/jincheng/divisions.csv");

/// A sample and what was left out of it on purpose.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    pub directory: Directory,
    /// Noted while building, not found afterwards: whoever looks for gaps must find just these.
    pub gaps: PlantedGaps,
}

/// The gaps planted into a sample.
pub type PlantedGaps = Gaps;

/// The divisions of 晋城市; see `config/jincheng/SOURCE.md`.
pub fn divisions() -> BTreeMap<Division, DivisionName> {
    // Part of the program, and read whole by a test.
    parse_division_list(DIVISIONS).unwrap_or_default()
}

/// A directory of `persons` people (at least [`MIN_PERSONS`]), the same for the same arguments.
/// From 2,500 on offices are fully staffed; with fewer, fewer villages have people; with many more,
/// villages have more people who look after a few households each.
pub fn directory(persons: usize, seed: u64) -> Directory {
    sample(persons, seed).directory
}

/// [`directory`] with its planted gaps.
pub fn sample(persons: usize, seed: u64) -> Sample {
    let persons = persons.max(MIN_PERSONS);
    let mut b = build::Builder::new(divisions(), seed);
    let offices = offices::fill(&mut b, persons >= 2_500);
    villages::fill(&mut b, &offices, persons);
    b.finish()
}
