//! Provider accounts: how each stands, and what operators order about it.

use super::super::{
    auth::Caller,
    error::Problem,
    extract::{Json as Body, Path},
    state::App,
    view::{Page, at},
};
use crate::{
    core::{
        route::standing::{Breaker, Order},
        time::Time,
    },
    engine::board::{AccountView, Wanted},
};
use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};

#[derive(Serialize)]
pub struct ProviderView {
    account: String,
    channel: &'static str,
    up: bool,
    state: &'static str,
    weight: u32,
    health: u32,
    slowed: bool,
    since: Option<String>,
    why: Option<String>,
    next: Option<String>,
    pinned: Option<OrderView>,
    disabled: Option<OrderView>,
    canary: Option<CanaryView>,
}

#[derive(Serialize)]
struct OrderView {
    by: String,
    at: String,
    until: Option<String>,
}

#[derive(Serialize)]
struct CanaryView {
    at: Option<String>,
    ok: Option<bool>,
    outcome: Option<String>,
    failures: u8,
    next: String,
}

fn order(o: &Order) -> OrderView {
    OrderView { by: o.by.clone(), at: at(o.at), until: o.until.map(at) }
}

fn view(a: &AccountView) -> ProviderView {
    let s = &a.standing;
    let state = match (&s.disabled, &s.breaker) {
        (Some(_), _) => "disabled",
        (None, Breaker::Closed) => "closed",
        (None, Breaker::Open { .. }) => "open",
        (None, Breaker::HalfOpen { .. }) => "half_open",
    };
    ProviderView {
        account: a.name.clone(),
        channel: a.channel,
        up: a.up,
        state,
        weight: a.weight,
        health: a.health,
        slowed: a.slowed,
        since: (s.since != Time(0)).then(|| at(s.since)),
        why: (!a.why.is_empty()).then(|| a.why.clone()),
        next: s.due().map(at),
        pinned: s.pinned.as_ref().map(order),
        disabled: s.disabled.as_ref().map(order),
        canary: a.canary.as_ref().map(|c| CanaryView {
            at: c.last.as_ref().map(|l| at(l.at)),
            ok: c.ok(),
            outcome: c.last.as_ref().map(|_| c.outcome().to_string()),
            failures: c.failures,
            next: at(c.next),
        }),
    }
}

/// `GET /api/v1/providers`
pub async fn list(State(app): State<App>) -> Json<Page<ProviderView>> {
    Json(Page { items: app.engine.account_views().iter().map(view).collect(), next_cursor: None })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    #[serde(default, with = "crate::core::time::rfc3339::option")]
    until: Option<Time>,
}

/// `POST /api/v1/providers/{account}/pin`
pub async fn pin(
    State(app): State<App>,
    caller: Caller,
    Path(account): Path<String>,
    Body(body): Body<Pin>,
) -> Result<Json<ProviderView>, Problem> {
    ordered(&app, &caller, &account, Wanted::Pin { until: body.until }).await
}

/// `POST /api/v1/providers/{account}/unpin`
pub async fn unpin(State(app): State<App>, caller: Caller, Path(account): Path<String>) -> Result<Json<ProviderView>, Problem> {
    ordered(&app, &caller, &account, Wanted::Unpin).await
}

/// `POST /api/v1/providers/{account}/disable`
pub async fn disable(State(app): State<App>, caller: Caller, Path(account): Path<String>) -> Result<Json<ProviderView>, Problem> {
    ordered(&app, &caller, &account, Wanted::Disable).await
}

/// `POST /api/v1/providers/{account}/enable`
pub async fn enable(State(app): State<App>, caller: Caller, Path(account): Path<String>) -> Result<Json<ProviderView>, Problem> {
    ordered(&app, &caller, &account, Wanted::Enable).await
}

async fn ordered(app: &App, caller: &Caller, account: &str, wanted: Wanted) -> Result<Json<ProviderView>, Problem> {
    if caller.bound_to().is_some() {
        return Err(Problem::forbidden("accounts serve everybody; this token is bound to a division"));
    }
    Ok(Json(view(&app.engine.order_account(account, caller.name(), wanted).await?)))
}
