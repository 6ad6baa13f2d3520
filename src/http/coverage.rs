//! The coverage page (覆盖检查): what is missing in the directory, for people; works without script.

use super::{
    api::readiness::{CoverageQuery, coverage_of},
    auth::Caller,
    error::Problem,
    extract::Query,
    state::App,
    view::zh,
};
use crate::{
    core::{coverage::GapKind, phone::Phone},
    report::coverage::{KindCount, rows_zh, summary},
};
use axum::{extract::State, http::StatusCode, response::Response};
use serde::Serialize;

/// Gaps shown on the page; all of them are in the sheet.
const SHOWN: usize = 300;

#[derive(Serialize)]
struct Line {
    kind: &'static str,
    grave: bool,
    place: String,
    name: String,
    path: String,
    person: String,
    rows: String,
    detail: String,
}

#[derive(Serialize)]
struct Part {
    now: String,
    places: usize,
    people: usize,
    summary: Vec<KindCount>,
    lines: Vec<Line>,
    total: usize,
    kinds: Vec<(&'static str, &'static str)>,
    /// Of the form as it was sent.
    division: String,
    hazard: String,
    level: String,
    kind: String,
    sheet: String,
}

/// `GET /coverage`
pub async fn page(State(app): State<App>, caller: Caller, Query(q): Query<CoverageQuery>) -> Result<Response, Problem> {
    let q = q.without_blanks();
    let coverage = coverage_of(&app, &caller, &q).await?;
    let [division, hazard, level, kind] = q.filters();
    let query: Vec<String> = [("division", &division), ("hazard", &hazard), ("level", &level), ("kind", &kind)]
        .into_iter()
        .filter(|(_, v)| !v.is_empty())
        .map(|(k, v)| format!("{k}={}", url::form_urlencoded::byte_serialize(v.as_bytes()).collect::<String>()))
        .collect();
    let line = |g: &crate::core::coverage::Gap| Line {
        kind: g.kind.name_zh(),
        grave: g.kind.is_grave(),
        place: g.place.id(),
        name: g.place_name.clone(),
        path: g.path.clone(),
        person: format!("{} {}", g.name.as_deref().unwrap_or_default(), g.phone.as_ref().map(Phone::masked).unwrap_or_default()),
        rows: rows_zh(&coverage, g),
        detail: g.detail.clone(),
    };
    let part = Part {
        now: zh(app.engine.now()),
        places: coverage.places,
        people: coverage.people,
        summary: summary(&coverage),
        lines: coverage.gaps.iter().take(SHOWN).map(line).collect(),
        total: coverage.gaps.len(),
        kinds: GapKind::ALL.map(|k| (k.as_str(), k.name_zh())).to_vec(),
        sheet: if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) },
        division,
        hazard,
        level,
        kind,
    };
    Ok(app.pages.page(StatusCode::OK, "coverage.html", part))
}
