//! What a group wants to hear: `[provider.NAME.group]`.

use crate::core::{
    division::Division,
    hazard::{HazardCode, HazardRight, Level},
    time::Span,
};
use serde::Deserialize;

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Group {
    /// Only callouts inside these divisions are counted and spoken of; empty: all.
    pub divisions: Vec<Division>,
    /// Codes (`11B03`), their beginnings (`11B`) or classes (`flood`); empty: all.
    pub hazards: Vec<HazardRight>,
    /// Empty: all.
    pub levels: Vec<Level>,
    /// Whether drills are told as well (marked 【演练】).
    pub drills: bool,
    /// Levels whose beginning and whose passed deadline call up everybody in the group (@所有人); a drill never does.
    pub at_all: Vec<Level>,
    /// Without anything else to say, changed figures are told this often.
    pub every: Span,
    /// At least this long between two messages, so that what happens together is told together.
    pub gap: Span,
}
impl Default for Group {
    fn default() -> Self {
        Group {
            divisions: Vec::new(),
            hazards: Vec::new(),
            levels: Vec::new(),
            drills: true,
            at_all: Vec::new(),
            every: Span::mins(10),
            gap: Span::secs(5),
        }
    }
}

impl Group {
    /// Everything wrong with it, as `key: reason`.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.every < Span::secs(1) {
            faults.push("every: at least 1s".into());
        }
        if self.gap < Span::ms(100) || self.gap > Span::mins(10) {
            faults.push("gap: from 100ms to 10m".into());
        }
        faults
    }

    /// Whether warnings of this kind are told to it at all.
    pub fn wants(&self, hazard: &HazardCode, level: Level, drill: bool) -> bool {
        (self.drills || !drill)
            && (self.hazards.is_empty() || self.hazards.iter().any(|h| h.covers(hazard)))
            && (self.levels.is_empty() || self.levels.contains(&level))
    }

    /// Whether what happens there concerns it.
    pub fn covers(&self, division: Division) -> bool {
        self.divisions.is_empty() || self.divisions.iter().any(|d| d.contains(division))
    }
}
