//! For those who run it: health, readiness, metrics, the API document.

use super::{
    error::Problem,
    openapi,
    state::{App, warning_of},
};
use crate::{
    core::warning_life::WarningPhase,
    store::{CalloutState, StoreError},
    telemetry,
};
use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::Value;
use std::collections::BTreeMap;

/// The process runs.
pub async fn health() -> &'static str {
    "ok\n"
}

/// The store answers, what it promises is in force, and nobody has asked us to stop.
pub async fn ready(State(app): State<App>) -> Result<Response, Problem> {
    if app.stop.is_cancelled() {
        return Err(Problem::unavailable("the gateway is stopping"));
    }
    let reports = app.engine.reports();
    reports.feed_tip().await?;
    let durability = reports.durability();
    let (status, word) = if durability.lacking { (StatusCode::SERVICE_UNAVAILABLE, "not ready") } else { (StatusCode::OK, "ready") };
    Ok((status, format!("{word}\ndurability: {}\n", durability.said)).into_response())
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

/// Callouts by state, over the warnings that are not closed: true at the moment it is asked for. All
/// else is measured where it happens; conservation by the engine, all the time.
async fn measure(app: &App) -> Result<(), StoreError> {
    app.engine.measure_accounts();
    let reports = app.engine.reports();
    let mut by_state: BTreeMap<CalloutState, u64> = BTreeMap::new();
    let mut cursor = None;
    for _ in 0..LOOKED_THROUGH / BATCH {
        let batch = reports.warnings(cursor, BATCH).await?;
        for record in &batch {
            let warning = warning_of(record)?;
            cursor = Some(warning.id);
            if warning.phase != WarningPhase::Closed && !warning.drill {
                let counts = reports.counts(warning.id).await?.by_state;
                let rows: u64 = counts.values().sum();
                counts.into_iter().for_each(|(state, n)| *by_state.entry(state).or_default() += n);
                if warning.plan.cursor < warning.plan.entries {
                    *by_state.entry(CalloutState::Queued).or_default() += u64::from(warning.plan.expected).saturating_sub(rows);
                }
            }
        }
        if batch.len() < BATCH {
            break;
        }
    }
    for state in CalloutState::ALL {
        telemetry::metrics::callouts(state, by_state.get(&state).copied().unwrap_or(0));
    }
    Ok(())
}
