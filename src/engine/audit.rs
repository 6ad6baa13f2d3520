//! Checks of the laws on the running store.

use super::Engine;
use crate::{core::warning_life::WarningPhase, core::warning_life::WarningState, store::StoreError};

impl Engine {
    /// The sum over running warnings of |expected − what is counted|, by both ways of counting; 0 when
    /// nothing is lost. `stable` remembers the last result: a difference counts when seen twice, since
    /// a commit may land between the two reads.
    pub async fn conservation_difference(&self, stable: &mut Option<u64>) -> Result<u64, StoreError> {
        let mut difference = 0;
        for record in self.reports.warnings(None, 50).await? {
            let w: WarningState = super::apply::from_json(&record.key, &record.body)?;
            if w.phase == WarningPhase::Accepted {
                continue;
            }
            let kept = self.reports.counts(w.id).await?;
            let again = self.reports.recount(w.id).await?;
            let sum = |c: &crate::store::FaceCounts| c.by_state.values().sum::<u64>() + c.told;
            let not_rows = self.planned_callouts(&w).await?.len() as u64;
            let planned = u64::from(w.plan.expected) + u64::from(w.plan.told);
            difference += planned.abs_diff(sum(&kept) + not_rows) + sum(&kept).abs_diff(sum(&again));
        }
        let before = stable.replace(difference);
        Ok(if before.is_some_and(|b| b > 0) { difference } else { 0 })
    }
}
