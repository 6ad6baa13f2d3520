//! The policy: explained in plain Chinese, and its versions.

use super::{
    super::{
        auth::Caller,
        error::Problem,
        extract::{Path, Query},
        state::App,
        view::{Page, at},
    },
    parsed,
};
use crate::core::{
    directory::Tier,
    hazard::{HazardCode, Level},
    policy::{Explanation, Question, diff::diff},
};
use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExplainQuery {
    hazard: String,
    level: Level,
    stage: Option<String>,
    hour: Option<String>,
    tier: Option<Tier>,
}

#[derive(Serialize)]
pub struct Explained {
    /// The whole of it as a page.
    text: String,
    policy: String,
    hash: String,
    #[serde(flatten)]
    explanation: Explanation,
}

/// `GET /api/v1/policy/explain`
pub async fn explain(State(app): State<App>, _caller: Caller, Query(q): Query<ExplainQuery>) -> Result<Json<Explained>, Problem> {
    let minute = match parsed::<Minute>("hour", q.hour.as_deref())? {
        Some(m) => m.0,
        None => app.engine.now().beijing_minute(),
    };
    let policy = app.engine.policy();
    let hazard = HazardCode(q.hazard);
    let explanation = policy.explain(&Question { hazard: &hazard, level: q.level, stage: q.stage.as_deref(), minute, tier: q.tier });
    Ok(Json(Explained { text: explanation.text(), policy: policy.source(), hash: policy.origin.hash.clone(), explanation }))
}

/// An hour of the day: `23`, `23:30`.
pub struct Minute(pub u16);
impl std::str::FromStr for Minute {
    type Err = String;
    fn from_str(text: &str) -> Result<Minute, String> {
        let bad = || format!("`{text}` is no hour of the day; write 23 or 23:30");
        let (h, m) = text.split_once(':').unwrap_or((text, "0"));
        let part = |t: &str, below: u16| t.parse::<u16>().ok().filter(|n| *n < below).ok_or_else(bad);
        Ok(Minute(part(h, 24)? * 60 + part(m, 60)?))
    }
}

#[derive(Serialize)]
pub struct VersionView {
    hash: String,
    name: String,
    version: String,
    first_seen: String,
    /// Of the gateway that answers.
    in_force_here: bool,
    /// When it came into force, each time, newest first, and who gave it.
    in_force: Vec<Since>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    diff: Option<String>,
}

#[derive(Serialize)]
struct Since {
    since: String,
    by: String,
}

/// `GET /api/v1/policy/versions`
pub async fn versions(State(app): State<App>, _caller: Caller) -> Result<Json<Page<VersionView>>, Problem> {
    let history = app.engine.policies().await?;
    let items = history.versions.iter().rev().map(|v| view(&app, &history, v)).collect();
    Ok(Json(Page { items, next_cursor: None }))
}

fn view(app: &App, history: &crate::engine::policies::PolicyHistory, v: &crate::engine::policies::PolicyVersion) -> VersionView {
    let since = history.changes.iter().filter(|c| c.hash == v.hash).map(|c| Since { since: at(c.since), by: c.by.clone() });
    VersionView {
        hash: v.hash.clone(),
        name: v.name.clone(),
        version: v.version.clone(),
        first_seen: at(v.first_seen),
        in_force_here: app.engine.policy().origin.hash == v.hash,
        in_force: since.collect(),
        text: None,
        diff: None,
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VersionQuery {
    against: Option<String>,
}

/// `GET /api/v1/policy/versions/{hash}`: its text; with `against`, what it changes of that one.
pub async fn version(
    State(app): State<App>,
    _caller: Caller,
    Path(hash): Path<String>,
    Query(q): Query<VersionQuery>,
) -> Result<Json<VersionView>, Problem> {
    let history = app.engine.policies().await?;
    let find = |hash: &str| {
        let known = history.versions.iter().find(|v| v.hash == hash);
        known.ok_or_else(|| Problem::not_found(format!("policy version `{}` is not known", hash.chars().take(40).collect::<String>())))
    };
    let wanted = find(&hash)?;
    let changes = q.against.as_deref().map(find).transpose()?.map(|older| diff(&older.text, &wanted.text));
    Ok(Json(VersionView { text: Some(wanted.text.clone()), diff: changes, ..view(&app, &history, wanted) }))
}
