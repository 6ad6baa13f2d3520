//! Conservation: the plan, the rows' own states, their countable faces, the kept counts and the recount
//! say the same, and what the gateway exports about it is 0.

use super::{Law, Laws};
use crate::simulate::{poll::now, world::World};
use jiaoying::{
    core::{
        ids::WarningId,
        plan::CHUNK,
        warning_life::{WarningPhase, WarningState},
    },
    report::tally::Tally,
    store::{Face, FaceCounts, Key},
};
use std::collections::BTreeSet;

impl Laws {
    pub(super) fn check_sums(&mut self, w: &World, touched: &[Key]) {
        let ids: BTreeSet<WarningId> = touched
            .iter()
            .filter_map(|k| match k {
                Key::Warning(id) => Some(*id),
                Key::Callout(c) => Some(c.warning),
                _ => None,
            })
            .collect();
        if ids.is_empty() {
            return;
        }
        for warning in w.warnings().iter().filter(|x| ids.contains(&x.id)) {
            self.check_sum(w, warning);
        }
    }

    fn check_sum(&mut self, w: &World, warning: &WarningState) {
        let id = warning.id;
        if warning.phase == WarningPhase::Accepted {
            return;
        }
        let rows = now(w.store.inner.faces(id)).unwrap_or_default();
        let planned = u64::from(warning.plan.expected) + u64::from(warning.plan.told);
        let ordinals: BTreeSet<u32> = rows.iter().map(|(c, _)| c.ordinal).collect();
        // Before the cursor everybody of the plan is a row; behind it each is one or will be.
        let missing = (0..warning.plan.cursor.min(CHUNK as u32)).filter(|n| *n < warning.plan.entries && !ordinals.contains(n)).count();
        self.demand(Law::Sum, missing == 0, || format!("{id}: {missing} persons of the plan are no rows"));
        if warning.plan.cursor >= warning.plan.entries {
            self.demand(Law::Sum, rows.len() as u64 == planned, || format!("{id}: planned {planned}, rows {}", rows.len()));
        }
        let mut own = FaceCounts::default();
        let mut people = BTreeSet::new();
        for (callout, face) in &rows {
            // The state as the journal tells it.
            let Some(c) = self.shadow(*callout).cloned() else { continue };
            self.demand(Law::Sum, c.state == face.state && c.told_only == face.told_only, || {
                format!("{}: the face says {:?}, the state {:?}", c.id, face.state, c.state)
            });
            own.count(&Face { state: c.state, told_only: c.told_only, feedback_owed: c.feedback_owed(), ..face.clone() }, true);
            self.demand(Law::Sum, people.insert(face.recipient), || format!("{id}: p{} has two callouts", face.recipient));
        }
        let kept = now(w.engine.reports().counts(id)).unwrap_or_default();
        let again = now(w.engine.reports().recount(id)).unwrap_or_default();
        self.demand(Law::Sum, kept == again && kept == own, || format!("{id}: kept {kept:?}, recounted {again:?}, states {own:?}"));
        let faces: Vec<&Face> = rows.iter().map(|(_, f)| f).collect();
        let tally = Tally::whole(&warning.plan, faces);
        let whole = tally.expected == u64::from(warning.plan.expected) && tally.sum() == tally.expected;
        self.demand(Law::Sum, whole, || format!("{id}: {tally:?} of {:?}", warning.plan));
    }

    pub(super) fn check_exported_difference(&mut self, w: &World) {
        // As if it had been seen before: no step is under way now.
        let difference = now(w.engine.conservation_difference(&mut jiaoying::engine::audit::Audit::at_once()));
        self.demand(Law::Sum, matches!(difference, Ok(0)), || format!("jiaoying_conservation_difference is {difference:?}"));
    }
}
