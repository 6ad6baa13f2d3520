//! Law 6 against what was really started: the simulation writes down which drills an officer ordered and which
//! messages were posted as mere tests. Only those drills ring beside real warnings, marked; nothing of them is
//! counted or carried into a real one; a real warning that comes later ends them.

use super::{Law, Laws};
use crate::simulate::{poll::now, scenes::REHEARSAL, world::World};
use jiaoying::{
    core::{
        ids::CalloutId,
        warning_life::{WarningPhase, WarningState},
    },
    engine::dispatcher::Job,
    store::{FaceCounts, Key},
};
use std::collections::BTreeMap;

impl Laws {
    fn started_as_drill(&self, w: &WarningState) -> bool {
        w.content.parameters.get(REHEARSAL).is_some_and(|n| self.ledger.drills.contains(n))
    }

    /// What leaves is marked if it is a drill's, and only then; nothing leaves for a message that was a mere test.
    pub(super) fn marked(&mut self, w: &World, job: &Job, members: &[(CalloutId, u8)]) {
        let warnings = w.warnings();
        for (id, _) in members {
            let Some(warning) = warnings.iter().find(|x| x.id == id.warning) else { continue };
            let drill = self.started_as_drill(warning);
            let m = &job.request.message;
            let marked = m.text.contains("演练") || m.subject.as_deref().is_some_and(|s| s.contains("演练"));
            self.demand(Law::Drill, m.drill == drill && marked == drill, || {
                format!("{id} is a drill: {drill}, its message says {}: {}", m.drill, m.text)
            });
            let quiet = self.ledger.quiet.contains(&warning.content.identifier);
            self.demand(Law::Drill, !quiet, || format!("{id} is called although {} is not actual", warning.content.identifier));
        }
    }

    /// The flag is an officer's doing, and no callout goes on in one of the other kind.
    pub(super) fn check_drills_touched(&mut self, w: &World, touched: &[Key]) {
        let ids = touched.iter().filter_map(|k| match k {
            Key::Warning(id) => Some((*id, None)),
            Key::Callout(c) => Some((c.warning, Some(*c))),
            _ => None,
        });
        let ids: Vec<_> = ids.collect();
        if ids.is_empty() {
            return;
        }
        let drills: BTreeMap<_, _> = w.warnings().iter().map(|x| (x.id, (x.drill, self.started_as_drill(x)))).collect();
        for (id, callout) in ids {
            let Some((said, started)) = drills.get(&id).copied() else { continue };
            self.demand(Law::Drill, said == started, || format!("{id} says it is a drill: {said}; started as one: {started}"));
            let Some(c) = callout.and_then(|c| self.shadow(c)) else { continue };
            let (newer, older) = (c.successor.map(|s| s.id), c.carried_from);
            for other in newer.into_iter().chain(older) {
                let same = drills.get(&other.warning).is_none_or(|(_, d)| *d == started);
                self.demand(Law::Drill, same, || format!("{id} is a drill: {started}, and goes on in or from {other}, which is none"));
            }
        }
    }

    /// All sums of drills and all of real warnings, as kept and as the journals tell it: nothing crosses over.
    pub(super) fn check_drill_sums(&mut self, w: &World) {
        type Sums = BTreeMap<(bool, String), u64>;
        fn add(to: &mut Sums, drill: bool, counts: &FaceCounts) {
            for (state, n) in &counts.by_state {
                *to.entry((drill, format!("{state:?}"))).or_default() += n;
            }
            if counts.told > 0 {
                *to.entry((drill, "told".into())).or_default() += counts.told;
            }
        }
        let (mut kept, mut told) = (Sums::new(), Sums::new());
        for warning in w.warnings() {
            add(&mut kept, warning.drill, &now(w.engine.reports().counts(warning.id)).unwrap_or_default());
            let drill = self.started_as_drill(&warning);
            for c in self.all_callouts().filter(|c| c.id.warning == warning.id) {
                let name = if c.told_only { "told".into() } else { format!("{:?}", c.state) };
                *told.entry((drill, name)).or_default() += 1;
            }
        }
        self.demand(Law::Drill, kept == told, || format!("sums by drill and state: kept {kept:?}, the journals say {told:?}"));
    }

    /// A real warning that rings ends every drill that was there before it.
    pub(super) fn check_drills_stop(&mut self, w: &World) {
        let warnings = w.warnings();
        let rings = |x: &&std::sync::Arc<WarningState>| !x.drill && x.plan.entries > 0 && x.phase != WarningPhase::Accepted;
        let Some(real) = warnings.iter().filter(rings).max_by_key(|x| x.accepted_at) else { return };
        let goes_on = |x: &&std::sync::Arc<WarningState>| {
            self.started_as_drill(x) && x.phase != WarningPhase::Closed && x.end.is_none() && x.accepted_at < real.accepted_at
        };
        let on = warnings.iter().find(goes_on).map(|x| x.id);
        self.demand(Law::Drill, on.is_none(), || format!("the drill {on:?} goes on although {} is real and came after it", real.id));
    }
}
