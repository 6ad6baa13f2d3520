//! Whom a row of the policy would call if all of the territory were warned at once, post by post: what
//! coverage is computed from. The same rows and the same questions to every post as in a plan.

pub use super::rows::Stop;
use super::rows::{Chooser, LAST_RESORT, Row};
use crate::core::{
    directory::{Directory, Post},
    hazard::{HAZARD_NAMES, HazardCode, Level},
    policy::{Policy, Selector},
    time::Time,
};
use std::collections::{BTreeMap, BTreeSet};

use super::lookup::Lookup;

/// Hazards and levels that the policy treats alike: the same rule, and the same roles answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SurveyRow {
    /// Index into the policy's rules; `None`: the built-in last resort.
    pub rule: Option<usize>,
    /// The rule's name, for people.
    pub name: String,
    pub hazards: Vec<HazardCode>,
    /// Strongest first.
    pub levels: Vec<Level>,
    /// A stage that leads to the rule, where it is no colour.
    pub stage: Option<String>,
}

const LEVELS: [Level; 4] = [Level::Red, Level::Orange, Level::Yellow, Level::Blue];

/// The rows that are asked for: every hazard the system or the policy knows × the four colours, and every stage,
/// or only those of one hazard or level. Rules that call nobody by decision (`nobody`) are left out.
pub fn rows(policy: &Policy, hazard: Option<&HazardCode>, level: Option<Level>) -> Vec<SurveyRow> {
    let hazards: BTreeSet<HazardCode> = match hazard {
        Some(h) => BTreeSet::from([h.clone()]),
        None => HAZARD_NAMES
            .iter()
            .map(|(code, _)| HazardCode((*code).to_string()))
            .chain(policy.rules.iter().flat_map(|r| r.hazards.iter().cloned()))
            .chain(policy.roles.values().flat_map(|r| r.hazards.iter().cloned()))
            .collect(),
    };
    let levels: Vec<Level> = LEVELS.into_iter().filter(|l| level.is_none_or(|only| only.called_as() == *l)).collect();
    let mut stages: Vec<Option<&str>> = vec![None];
    stages.extend(policy.rules.iter().filter_map(|r| r.stages.first().map(|s| Some(s.as_str()))));
    type Key = (Option<usize>, Vec<bool>);
    let mut order: Vec<Key> = Vec::new();
    let mut found: BTreeMap<Key, SurveyRow> = BTreeMap::new();
    for stage in stages {
        for hazard in &hazards {
            let answers: Vec<bool> = policy.roles.values().map(|r| r.answers_for(hazard)).collect();
            for level in &levels {
                let rule = policy.rule_for(hazard, *level, stage);
                if stage.is_some() && rule.is_none_or(|r| r.stages.is_empty()) || rule.is_some_and(|r| r.nobody.is_some()) {
                    continue;
                }
                let index = rule.and_then(|r| policy.rules.iter().position(|known| std::ptr::eq(known, r)));
                let key = (index, answers.clone());
                let row = found.entry(key.clone()).or_insert_with(|| {
                    order.push(key);
                    SurveyRow {
                        rule: index,
                        name: rule.map_or_else(|| "内置最后手段".to_string(), |r| r.name.clone()),
                        hazards: Vec::new(),
                        levels: Vec::new(),
                        stage: stage.map(str::to_string),
                    }
                });
                if !row.hazards.contains(hazard) {
                    row.hazards.push(hazard.clone());
                }
                if !row.levels.contains(level) {
                    row.levels.push(*level);
                }
            }
        }
    }
    order.iter().filter_map(|k| found.remove(k)).collect()
}

/// What a row makes of a post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Not called by this row.
    No,
    /// Only told.
    Told,
    /// Called until he answers.
    Answer,
}

/// Asks posts for one row.
pub struct Surveyor<'a> {
    chooser: Chooser<'a>,
    row: Row<'a>,
    policy: &'a Policy,
}
impl<'a> Surveyor<'a> {
    /// `everybody` is the selector without conditions, for the built-in last resort.
    pub fn new(
        policy: &'a Policy,
        directory: &'a Directory,
        lookup: &'a Lookup,
        row: &'a SurveyRow,
        everybody: &'a Selector,
        now: Time,
    ) -> Option<Surveyor<'a>> {
        let hazard = row.hazards.first()?;
        let chooser = Chooser::new(policy, directory, lookup, hazard, now);
        let row = match row.rule.and_then(|i| policy.rules.get(i)) {
            Some(rule) => Row::of(policy, rule),
            None => Row::last_resort(everybody),
        };
        Some(Surveyor { chooser, row, policy })
    }

    /// Why the row does not call this post.
    pub fn stops_at(&mut self, post: &Post) -> Stop {
        self.chooser.stops_at(&self.row, post)
    }

    /// Whether the row calls this post, whoever holds it and since when.
    pub fn ask(&mut self, post: &'a Post) -> Asked {
        let Some((line, _)) = self.chooser.choose(&self.row, post) else { return Asked::No };
        let name = self.row.lines.get(line).map_or(LAST_RESORT, |l| l.ladder);
        match self.policy.ladders.get(name).is_none_or(|l| l.answer) {
            true => Asked::Answer,
            false => Asked::Told,
        }
    }
}
