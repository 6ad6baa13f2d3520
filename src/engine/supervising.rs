//! Looks whether the counties of a warning answer and start their response; where one does not, the city's duty
//! desk gets a task and is rung (督办).

use super::{
    Engine,
    apply::{WarningChange, from_json},
    duty::unclaimed,
};
use crate::{
    core::{
        callout::state::{CalloutState, TaskKind},
        directory::Tier,
        division::{Division, DivisionLevel},
        ids::{RecipientId, WarningId},
        plan::PlanPerson,
        supervise::{Watch, WatchFor, is_response},
        time::{Span, Time},
        warning::{Content, Shape},
        warning_life::{WarningEnd, WarningState},
    },
    store::{Face, StoreError},
};

/// A response started this long before the warning is the response to it, too.
const BEFORE: Span = Span::hours(24);

impl Engine {
    /// Looks at the watches that are due. Answers whether anything of the warning changed.
    pub(super) async fn supervise(&self, w: &mut WarningState, change: &mut WarningChange, now: Time) -> Result<bool, StoreError> {
        let due: Vec<usize> =
            (0..w.watches.len()).filter(|i| w.watches.get(*i).is_some_and(|x| x.settled.is_none() && x.look <= now)).collect();
        if due.is_empty() {
            return Ok(false);
        }
        let faces: Vec<Face> = self.reports.faces(w.id).await?.into_iter().map(|(_, f)| f).collect();
        for i in due {
            let Some(mut watch) = w.watches.get(i).cloned() else { continue };
            let found = match watch.what {
                WatchFor::Answer => faces.iter().any(|f| is_of_county(f, watch.county) && answered(f)).then_some("answered"),
                WatchFor::Response => {
                    watch.response = self.response_of(w, &watch).await?;
                    watch.response.map(|_| "response_started")
                }
            };
            self.press(w, &mut watch, found, change, now);
            if let Some(place) = w.watches.get_mut(i) {
                *place = watch;
            }
        }
        Ok(true)
    }

    fn press(&self, w: &mut WarningState, watch: &mut Watch, found: Option<&str>, change: &mut WarningChange, now: Time) {
        let open = watch.task.and_then(|n| w.tasks.iter().position(|t| t.n == n && t.is_open()));
        if let Some(how) = found {
            watch.settled = Some(how.into());
            if let Some(t) = open.and_then(|i| w.tasks.get_mut(i)) {
                t.closed = Some(how.into());
                change.tasks.push(t.n);
            }
            return;
        }
        match (watch.task, open) {
            (None, _) => {
                let hazard = w.content.hazard.name().unwrap_or("灾害");
                let title = watch.title(hazard, w.content.level, w.accepted_at);
                let n = w.push_task(TaskKind::Call, &title, now, now + unclaimed(w.policy.clocks.claim_lapses));
                if let Some(t) = w.tasks.last_mut() {
                    t.division = watch.county.at(DivisionLevel::City);
                }
                watch.task = Some(n);
                change.tasks.push(n);
                change.announce.push("warning.supervised");
                match self.city_desk(watch.county, now) {
                    Some(desk) => self.ring_person(w, n, &desk, change, now),
                    None => self.ring_duty(w, n, change, now),
                }
            }
            // An officer has signed for it.
            (Some(_), None) => watch.settled = Some("handled".into()),
            (Some(_), Some(_)) => {}
        }
        watch.look = now + w.policy.clocks.claim_lapses.max(Span::ms(10));
    }

    fn city_desk(&self, county: Division, now: Time) -> Option<PlanPerson> {
        let (directory, lookup) = self.people();
        let id = lookup.desk(&directory, county, DivisionLevel::City, RecipientId(u32::MAX), now)?;
        let r = directory.recipients.get(&id)?;
        Some(PlanPerson { id, name: r.name.clone(), phones: r.phones.clone(), email: r.email.clone() })
    }

    /// A warning that says the watched county has started its response.
    async fn response_of(&self, w: &WarningState, watch: &Watch) -> Result<Option<WarningId>, StoreError> {
        let county = watch.county;
        let response = w.policy.supervise_at(watch.level).and_then(|s| s.response.as_ref());
        let stages = response.map(|r| r.stages.as_slice()).unwrap_or_default();
        let mut before = None;
        loop {
            let batch = self.reports.warnings(before, 200).await?;
            for record in &batch {
                let other: WarningState = from_json(&record.key, &record.body)?;
                before = Some(other.id);
                if other.accepted_at + BEFORE < w.accepted_at {
                    return Ok(None);
                }
                let cancelled = other.closed_reason == Some(WarningEnd::Cancelled);
                let response = is_response(stages, other.content.stage.as_deref(), &w.content.hazard, &other.content.hazard);
                if other.id == w.id || other.drill != w.drill || cancelled || !response {
                    continue;
                }
                if is_response_of(&other.content, county) || self.is_all_within(&other, county).await? {
                    return Ok(Some(other.id));
                }
            }
            if batch.len() < 200 {
                return Ok(None);
            }
        }
    }

    /// Drawn as an outline, it calls people of this county and of no other.
    async fn is_all_within(&self, other: &WarningState, county: Division) -> Result<bool, StoreError> {
        if other.content.areas.iter().any(|a| matches!(a.shape, Shape::Division(_))) {
            return Ok(false);
        }
        let faces = self.reports.faces(other.id).await?;
        Ok(!faces.is_empty() && faces.iter().all(|(_, f)| county.contains(f.division) || f.division.contains(county)))
    }
}

/// It names the county itself: neither the city's response, which asks the county for its own, nor one township's.
fn is_response_of(content: &Content, county: Division) -> bool {
    content.areas.iter().any(|a| matches!(a.shape, Shape::Division(d) if d == county))
}

/// Leaders, departments and the desk of the county itself.
fn is_of_county(f: &Face, county: Division) -> bool {
    let desk = f.tier == Tier::DutyDesk && f.division.level() == DivisionLevel::County;
    !f.told_only && county.contains(f.division) && (f.tier == Tier::County || desk)
}

fn answered(f: &Face) -> bool {
    matches!(f.state, CalloutState::Answered | CalloutState::Reported)
}
