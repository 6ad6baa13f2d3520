//! For those who run it: health, readiness, metrics, the API document.

use super::{
    error::Problem,
    openapi,
    state::{App, warning_of},
};
use crate::{
    core::{ids::WarningId, warning_life::WarningPhase},
    report::Tally,
    store::{CalloutState, StoreError},
    telemetry,
};
use axum::{
    Json,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use serde_json::Value;
use std::collections::BTreeMap;

/// The process runs.
pub async fn health() -> &'static str {
    "ok\n"
}

/// The store answers, and nobody has asked us to stop.
pub async fn ready(State(app): State<App>) -> Result<&'static str, Problem> {
    if app.stop.is_cancelled() {
        return Err(Problem::unavailable("the gateway is stopping"));
    }
    app.engine.reports().feed_tip().await?;
    Ok("ready\n")
}

pub async fn openapi() -> Json<Value> {
    Json(openapi::document())
}

pub async fn metrics(State(app): State<App>) -> Result<Response, Problem> {
    measure(&app).await?;
    let text = app.metrics.render();
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}

/// Newest warnings that are looked through for open ones.
const LOOKED_THROUGH: usize = 2000;
const BATCH: usize = 200;

/// Gauges that are true at the moment they are asked for: callouts by state, and conservation by two
/// independent ways of counting, over the warnings that are not closed.
async fn measure(app: &App) -> Result<(), StoreError> {
    let reports = app.engine.reports();
    let mut by_state: BTreeMap<CalloutState, u64> = BTreeMap::new();
    let mut lost = 0;
    let mut cursor = None;
    for _ in 0..LOOKED_THROUGH / BATCH {
        let batch = reports.warnings(cursor, BATCH).await?;
        for record in &batch {
            let warning = warning_of(record)?;
            cursor = Some(warning.id);
            if warning.phase != WarningPhase::Closed {
                let kept = reports.counts(warning.id).await?;
                kept.by_state.iter().for_each(|(state, n)| *by_state.entry(*state).or_default() += n);
                lost += difference(app, warning.id).await?;
            }
        }
        if batch.len() < BATCH {
            break;
        }
    }
    for state in CalloutState::ALL {
        telemetry::metrics::callouts(state, by_state.get(&state).copied().unwrap_or(0));
    }
    telemetry::metrics::conservation_difference(lost);
    Ok(())
}

/// What the kept counts, the rows themselves and the plan disagree by; must be 0. A warning that moved
/// while it was counted is left for the next time.
async fn difference(app: &App, id: WarningId) -> Result<u64, StoreError> {
    let reports = app.engine.reports();
    let before = reports.counts(id).await?;
    let Some(warning) = app.engine.warning(id).await? else { return Ok(0) };
    let faces = app.faces(id).await?;
    let plan_after = app.engine.warning(id).await?.map(|w| w.plan.clone());
    if plan_after.as_ref() != Some(&warning.plan) || reports.counts(id).await? != before {
        return Ok(0);
    }
    let tally = Tally::whole(&warning.plan, &faces);
    let kept: u64 = before.by_state.values().sum();
    let rows = Tally::of(&faces).sum();
    Ok(kept.abs_diff(rows).max(tally.expected.abs_diff(tally.sum())))
}
