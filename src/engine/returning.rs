//! Permission to return (准许返回): an act of its own after a warning has ended, by an officer who had the places
//! looked at. It is walked over the callouts of these places as an end is; `closed` stays closed.

use super::{ActError, Engine, apply::WarningChange};
use crate::{
    core::{
        callout::event::Event,
        ids::{CalloutId, WarningId},
        time::Time,
        warning::FieldError,
        warning_life::{ReturnOrder, WarningEnd, WarningState},
    },
    store::{Record, StoreError, WriteLane},
};
use std::collections::BTreeSet;

/// Callouts told at once.
const AT_ONCE: u32 = 500;

impl Engine {
    /// Permits the return to these places (ids of places of the warning). Places permitted before are absorbed.
    pub async fn permit_return(&self, id: WarningId, who: &str, places: &[String], note: &str) -> Result<(), ActError> {
        let known = self.places_of(id).await?;
        if let Some((i, place)) = places.iter().enumerate().find(|(_, p)| !known.contains(*p)) {
            let detail = format!("`{place}` is no place of {id}");
            return Err(ActError::Invalid(FieldError { pointer: format!("/places/{i}"), detail }));
        }
        let mut refused = None;
        let found = self
            .apply_warning(id, WriteLane::Urgent, |w, now| {
                if let Some(why) = not_yet(w) {
                    refused = Some(ActError::Conflict(why));
                    return None;
                }
                let permitted = |p: &String| w.returns.iter().any(|r| r.places.contains(p));
                let mut places: Vec<String> = places.iter().filter(|p| !permitted(p)).cloned().collect();
                places.sort_unstable();
                places.dedup();
                if places.is_empty() {
                    return None;
                }
                let entry = serde_json::json!({"e": "return_permitted", "places": places, "who": who, "note": note});
                w.returns.push(ReturnOrder { at: now, who: who.into(), places, note: note.into(), cursor: 0 });
                Some(WarningChange { entry, announce: vec!["warning.return_permitted"], due: Some(now), ..WarningChange::default() })
            })
            .await?;
        match (refused, found) {
            (Some(e), _) => Err(e),
            (None, None) => Err(ActError::NotFound(format!("warning {id}"))),
            _ => Ok(()),
        }
    }

    /// Every place that the warning's callouts are for.
    async fn places_of(&self, id: WarningId) -> Result<BTreeSet<String>, StoreError> {
        let chunks = self.load_warning(id).await?.map_or(0, |(w, _)| w.plan.chunks);
        let mut out = BTreeSet::new();
        for n in 0..chunks {
            let Some(chunk) = self.chunk(id, n).await? else { continue };
            out.extend(chunk.entries.iter().flat_map(|e| e.posts.iter().map(|p| p.place.id())));
        }
        Ok(out)
    }

    /// Tells some more of those concerned.
    pub(super) async fn walk_return(&self, mut w: WarningState, record: Record, now: Time) -> Result<(), StoreError> {
        let entries = w.plan.entries;
        let id = w.id;
        let Some(order) = w.returns.iter_mut().find(|r| r.cursor < entries) else { return Ok(()) };
        let to = (order.cursor + AT_ONCE).min(entries);
        let event = Event::ReturnPermitted { places: order.places.clone(), by: order.who.clone(), note: order.note.clone() };
        let mut events = Vec::new();
        for ordinal in order.cursor..to {
            let callout = CalloutId::new(id, ordinal);
            let Some(around) = self.around(callout).await? else { continue };
            if around.entry().posts.iter().any(|p| order.places.contains(&p.place.id())) {
                events.push((callout, event.clone()));
            }
        }
        order.cursor = to;
        self.apply_many(events).await?;
        let change = WarningChange { entry: serde_json::json!({"e": "return_told", "to": to}), ..WarningChange::default() };
        self.finish(&w, &record, change, now, Vec::new()).await
    }
}

/// Why people cannot be told to go back.
fn not_yet(w: &WarningState) -> Option<String> {
    let over = w.end.as_ref().filter(|e| e.cursor >= w.plan.entries).map(|e| e.reason).or(w.closed_reason);
    match over {
        Some(WarningEnd::Cancelled | WarningEnd::Expired) if w.is_over() => None,
        Some(WarningEnd::Superseded) => Some(format!("{} was superseded: permit the return under the warning that continues it", w.id)),
        _ => Some(format!("{} is still in force: it must be ended before people may go back", w.id)),
    }
}
