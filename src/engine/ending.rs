//! How a warning ends: its end is walked over the callouts, and over what of the plan is not yet a row.

use super::{
    Engine,
    apply::{WarningChange, from_json, to_json},
    intake::EXPIRY_TASK,
    warning::WarningLetter,
};
use crate::{
    core::{
        callout::{
            event::Event,
            state::{Callout, ClosedReason, TaskKind},
        },
        division::Division,
        hazard::Level,
        ids::{CalloutId, WarningId},
        time::{Span, Time},
        warning_life::{EndOrder, Standing, WarningEnd, WarningPhase, WarningState},
    },
    store::{Envelope, Key, Lane, Record, StoreError},
};

impl Engine {
    /// Walks the end over the callouts, and over what of the plan is not yet a row.
    pub(super) async fn walk(&self, mut w: WarningState, record: Record, nonce: u64, now: Time) -> Result<(), StoreError> {
        let Some(end) = w.end.clone() else { return Ok(()) };
        if end.reason == WarningEnd::Superseded && !self.has_taken_over(end.by).await? {
            // The newer message takes its people over first; until then their ladders run on.
            return self.store.release(&[(Key::Warning(w.id), nonce)], now + Span::ms(100)).await;
        }
        if w.phase == WarningPhase::Active && w.plan.cursor < w.plan.entries {
            return self.make_rows(w, record, now).await;
        }
        let to = (end.cursor + 500).min(w.plan.entries);
        let reason = match end.reason {
            WarningEnd::Cancelled => ClosedReason::Cancelled,
            WarningEnd::Expired => ClosedReason::Expired,
            WarningEnd::Superseded | WarningEnd::Answered => ClosedReason::Released,
        };
        let mut events = Vec::new();
        for ordinal in end.cursor..to {
            let id = CalloutId::new(w.id, ordinal);
            if end.spare_serious && self.is_open_and_serious(id).await? {
                continue;
            }
            if !end.within.is_empty() && !self.lies_within(id, &end.within).await? {
                continue;
            }
            events.push((id, Event::End { reason }));
        }
        self.apply_many(events).await?;
        let over = to >= w.plan.entries;
        let mut change = WarningChange { entry: serde_json::json!({"e": "walked", "to": to}), ..WarningChange::default() };
        if !over {
            w.end = Some(EndOrder { cursor: to, ..end });
        } else if !end.within.is_empty() && w.phase == WarningPhase::Active && self.standing(w.id).await?.open > 0 {
            // Outside the sender's rights it stays in force.
            w.end = None;
            change.entry = serde_json::json!({"e": "ended_in_part", "within": end.within, "by": end.by});
        } else if end.spare_serious && w.phase == WarningPhase::Active && self.standing(w.id).await?.open > 0 {
            w.end = None;
            change.tasks.extend(Engine::warning_decides(&mut w, EXPIRY_TASK, now));
        } else {
            w.end = Some(EndOrder { cursor: to, ..end.clone() });
            // A warning whose answers were all in stays `answered`; only its reports end here.
            let was_closed = w.phase == WarningPhase::Closed;
            if !was_closed {
                self.close(&mut w, end.reason, now);
            }
            // A reply nobody has read stays.
            for t in w.tasks.iter_mut().filter(|t| t.is_open() && t.kind != TaskKind::Read) {
                t.closed = Some("ended".into());
                change.tasks.push(t.n);
            }
            if !was_closed {
                change.announce.push("warning.closed");
            }
            self.cache.forget(w.id);
        }
        self.finish(&w, &record, change, now, Vec::new()).await
    }

    async fn is_open_and_serious(&self, id: CalloutId) -> Result<bool, StoreError> {
        let Some(around) = self.around(id).await? else { return Ok(false) };
        if around.entry().level.rank() < Level::Orange.rank() {
            return Ok(false);
        }
        let key = Key::Callout(id);
        let record = self.store.load(std::slice::from_ref(&key)).await?.into_iter().next().flatten();
        let state: Option<Callout> = record.map(|r| from_json(&key, &r.body)).transpose()?;
        Ok(state.is_some_and(|c| c.state.is_open() && !c.told_only))
    }

    /// Every place of this callout lies in one of these divisions.
    async fn lies_within(&self, id: CalloutId, within: &[Division]) -> Result<bool, StoreError> {
        let Some(around) = self.around(id).await? else { return Ok(false) };
        Ok(around.entry().posts.iter().all(|p| within.iter().any(|d| d.contains(p.place.division))))
    }

    async fn has_taken_over(&self, by: Option<WarningId>) -> Result<bool, StoreError> {
        let Some(by) = by else { return Ok(true) };
        let Some((newer, _)) = self.load_warning(by).await? else { return Ok(true) };
        Ok(newer.phase == WarningPhase::Closed || newer.phase == WarningPhase::Active && newer.plan.cursor >= newer.plan.entries)
    }

    pub(super) async fn standing(&self, id: WarningId) -> Result<Standing, StoreError> {
        let counts = self.reports.counts(id).await?;
        let open = counts.by_state.iter().filter(|(s, _)| s.is_open()).map(|(_, n)| *n).sum();
        Ok(Standing { rows: counts.by_state.values().sum(), open, feedback_owed: counts.feedback_owed })
    }
}

pub(super) fn end_letter(to: WarningId, order: EndOrder) -> Envelope {
    Envelope { to: Key::Warning(to), lane: Lane::URGENT, not_before: Time(0), body: to_json(&WarningLetter::End { order }) }
}
