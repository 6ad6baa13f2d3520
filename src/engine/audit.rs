//! Checks of the laws on the running store, all the time and in small pieces: one gateway at a time, some running
//! warnings a round, so that what it costs does not grow with gateways nor with what is open.

use super::{Engine, apply::from_json};
use crate::{
    core::{
        ids::WarningId,
        warning_life::{WarningPhase, WarningState},
    },
    store::{FaceCounts, StoreError},
};
use std::collections::{BTreeMap, BTreeSet};

/// Running warnings counted anew in one round.
const A_ROUND: usize = 50;
/// Warnings read at once, most of which may be closed.
const PAGE: usize = 200;
/// Pages looked through in one round.
const PAGES: usize = 10;

/// How far the check has come, and what it has found.
pub struct Audit {
    a_round: usize,
    /// Counts at first sight: where nothing else writes.
    at_once: bool,
    /// The last warning looked at; the newest come first.
    cursor: Option<WarningId>,
    /// What differed when last looked at, and whether it did the time before.
    found: BTreeMap<WarningId, (u64, bool)>,
}
impl Default for Audit {
    fn default() -> Audit {
        Audit { a_round: A_ROUND, at_once: false, cursor: None, found: BTreeMap::new() }
    }
}
impl Audit {
    /// Looks at so many running warnings a round.
    pub fn of(a_round: usize) -> Audit {
        Audit { a_round, ..Audit::default() }
    }
    /// For a store that stands still.
    pub fn at_once() -> Audit {
        Audit { at_once: true, ..Audit::default() }
    }

    fn note(&mut self, warning: WarningId, difference: u64) {
        if difference == 0 {
            self.found.remove(&warning);
            return;
        }
        let before = self.found.get(&warning).is_some_and(|(before, _)| *before > 0);
        self.found.insert(warning, (difference, before || self.at_once));
    }

    fn sum(&self) -> u64 {
        self.found.values().filter(|(_, twice)| *twice).map(|(difference, _)| difference).sum()
    }
}

/// By how much two ways of counting differ: state by state, or two mistakes would hide each other.
fn difference(kept: &FaceCounts, again: &FaceCounts) -> u64 {
    let states: BTreeSet<_> = kept.by_state.keys().chain(again.by_state.keys()).collect();
    let of = |c: &FaceCounts, state| c.by_state.get(state).copied().unwrap_or(0);
    states.into_iter().map(|s| of(kept, s).abs_diff(of(again, s))).sum::<u64>()
        + kept.told.abs_diff(again.told)
        + kept.feedback_owed.abs_diff(again.feedback_owed)
}

impl Engine {
    /// The sum over running warnings of |expected − what is counted|, by both ways of counting; 0 when
    /// nothing is lost. Each call looks at some more of them. A difference counts when seen twice, since a commit
    /// may land between the two reads. Of several gateways the first one looks; the others find nothing.
    pub async fn conservation_difference(&self, audit: &mut Audit) -> Result<u64, StoreError> {
        if self.store.shared() && self.gateways().live().await?.first().is_some_and(|first| first != self.gateways().me()) {
            *audit = Audit { a_round: audit.a_round, at_once: audit.at_once, ..Audit::default() };
            return Ok(0);
        }
        // What differed is looked at again in the very next round.
        let suspects: Vec<WarningId> = audit.found.keys().copied().collect();
        for id in &suspects {
            let found = match self.load_warning(*id).await? {
                Some((w, _)) => self.difference_of(&w).await?,
                None => 0,
            };
            audit.note(*id, found);
        }
        let mut left = audit.a_round;
        for _ in 0..PAGES {
            let page = self.reports.warnings(audit.cursor, PAGE).await?;
            let end = page.len() < PAGE;
            for record in page {
                let w: WarningState = from_json(&record.key, &record.body)?;
                audit.cursor = Some(w.id);
                if matches!(w.phase, WarningPhase::Accepted | WarningPhase::Closed) {
                    continue;
                }
                if !suspects.contains(&w.id) {
                    let found = self.difference_of(&w).await?;
                    audit.note(w.id, found);
                }
                left = left.saturating_sub(1);
                if left == 0 {
                    return Ok(audit.sum());
                }
            }
            if end {
                audit.cursor = None;
                break;
            }
        }
        Ok(audit.sum())
    }

    async fn difference_of(&self, w: &WarningState) -> Result<u64, StoreError> {
        if w.phase == WarningPhase::Accepted {
            return Ok(0);
        }
        let kept = self.reports.counts(w.id).await?;
        let again = self.reports.recount(w.id).await?;
        let counted = kept.by_state.values().sum::<u64>() + kept.told;
        let not_rows = self.planned_callouts(w).await?.len() as u64;
        let planned = u64::from(w.plan.expected) + u64::from(w.plan.told);
        Ok(planned.abs_diff(counted + not_rows) + difference(&kept, &again))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::CalloutState;

    #[test]
    fn two_mistakes_do_not_hide_each_other() {
        let counts = |calling, answered| FaceCounts {
            by_state: BTreeMap::from([(CalloutState::Calling, calling), (CalloutState::Answered, answered)]),
            told: 1,
            feedback_owed: 0,
        };
        assert_eq!(difference(&counts(5, 3), &counts(5, 3)), 0);
        assert_eq!(difference(&counts(5, 3), &counts(4, 4)), 2);
        assert_eq!(difference(&counts(5, 3), &FaceCounts { told: 1, ..FaceCounts::default() }), 8);
    }

    #[test]
    fn what_is_seen_once_may_be_a_commit_between_two_reads() {
        let mut audit = Audit::default();
        audit.note(WarningId(1), 3);
        assert_eq!(audit.sum(), 0);
        audit.note(WarningId(1), 2);
        assert_eq!(audit.sum(), 2);
        audit.note(WarningId(1), 0);
        assert_eq!(audit.sum(), 0);
        let mut at_once = Audit::at_once();
        at_once.note(WarningId(1), 3);
        assert_eq!(at_once.sum(), 3);
    }
}
