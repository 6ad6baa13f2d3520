//! Feedback rolled up, and the permission to return.

use super::{
    super::{
        auth::Caller,
        error::Problem,
        extract::{Json as Body, Path, Query},
        state::App,
        view::{self, warning::WarningView},
    },
    callouts::check_note,
    id, warnings,
};
use crate::core::{
    callout::state::Report,
    division::{Division, DivisionLevel},
    ids::{CalloutId, WarningId},
    time::Time,
};
use crate::report::board::{Board, Sums};
use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};

/// Overdue reports shown at most; the sums count them all.
const SHOWN: usize = 500;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    County,
    Township,
    Village,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedbackQuery {
    by: Option<By>,
}

/// What is reported, summed up.
#[derive(Serialize)]
pub struct Rollup {
    warning_id: WarningId,
    total: Sums,
    by: Option<By>,
    items: Vec<Group>,
    /// The next report that is owed and not yet overdue.
    next_due: Option<OwedView>,
    overdue_count: usize,
    /// Longest overdue first.
    overdue: Vec<OwedView>,
    next_cursor: Option<String>,
}

#[derive(Serialize)]
struct Group {
    group: Division,
    name: Option<String>,
    #[serde(flatten)]
    sums: Sums,
    /// The reports that these sums are made of; by village only.
    #[serde(skip_serializing_if = "Option::is_none")]
    places: Option<Vec<PlaceView>>,
}

/// The report that counts at a place, and whose it is.
#[derive(Serialize)]
struct PlaceView {
    callout_id: CalloutId,
    at: String,
    by: ReportedBy,
    report: Report,
}
#[derive(Serialize)]
struct ReportedBy {
    name: String,
    relation: String,
}

#[derive(Serialize)]
struct OwedView {
    callout_id: CalloutId,
    name: String,
    place: String,
    division: Division,
    ask: Vec<String>,
    due_at: String,
    overdue_since: Option<String>,
}

/// `GET /api/v1/warnings/{id}/feedback`
pub async fn rollup(
    State(app): State<App>,
    caller: Caller,
    Path(text): Path<String>,
    Query(q): Query<FeedbackQuery>,
) -> Result<Json<Rollup>, Problem> {
    let warning = app.warning(&caller, id(&text)?).await?;
    let board = app.board(warning.id).await?;
    let own = caller.bound_to();
    let now = app.engine.now();
    let owed: Vec<_> = board.owed().into_iter().filter(|o| own.is_none_or(|d| d.contains(o.division))).collect();
    let is_overdue = |o: &&&crate::report::board::Owed| o.since.is_some() || o.due <= now;
    let overdue: Vec<_> = owed.iter().filter(is_overdue).collect();
    let show = |o: &&crate::report::board::Owed| OwedView {
        callout_id: o.callout,
        name: o.name.clone(),
        place: o.place.clone(),
        division: o.division,
        ask: o.ask.clone(),
        due_at: view::at(o.due),
        overdue_since: o.since.or((o.due <= now).then_some(o.due)).map(view::at),
    };
    Ok(Json(Rollup {
        warning_id: warning.id,
        total: own.map_or_else(|| board.total(), |d| board.inside(d)),
        by: q.by,
        items: q.by.map(|by| groups(&app, &board, by, own)).unwrap_or_default(),
        next_due: owed.iter().filter(|o| !is_overdue(o)).min_by_key(|o| o.due).map(show),
        overdue_count: overdue.len(),
        overdue: overdue.into_iter().take(SHOWN).map(show).collect(),
        next_cursor: None,
    }))
}

fn groups(app: &App, board: &Board, by: By, own: Option<Division>) -> Vec<Group> {
    let level = match by {
        By::County => DivisionLevel::County,
        By::Township => DivisionLevel::Township,
        By::Village => DivisionLevel::Village,
    };
    let directory = app.engine.directory();
    let seen = board.by(level).into_iter().filter(|(d, _)| own.is_none_or(|o| o.contains(*d)));
    let group = |(group, sums): (Division, Sums)| Group {
        group,
        name: directory.division_name(group).map(str::to_string),
        sums,
        places: (by == By::Village).then(|| board.newest(group).map(|(_, _, n)| place(n)).collect()),
    };
    seen.map(group).collect()
}

fn place(n: &crate::report::board::Newest) -> PlaceView {
    PlaceView {
        callout_id: n.callout,
        at: view::at(n.at),
        by: ReportedBy { name: n.by.clone(), relation: n.relation.clone() },
        report: n.report.clone(),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PermitReturn {
    /// Ids of places; or `all`.
    #[serde(default)]
    places: Vec<String>,
    /// Every place that reported people moved.
    #[serde(default)]
    all: bool,
    /// Who looked at the places, and what was found: whoever is told may ask.
    note: String,
}

/// `POST /api/v1/warnings/{id}/return`
pub async fn permit_return(
    State(app): State<App>,
    caller: Caller,
    Path(text): Path<String>,
    Body(body): Body<PermitReturn>,
) -> Result<Response, Problem> {
    let id: WarningId = id(&text)?;
    let warning = app.warning(&caller, id).await?;
    if body.note.trim().is_empty() {
        return Err(Problem::field("/note", "say who looked at the places: nobody returns unexamined (不安全、不返回)"));
    }
    check_note(Some(&body.note))?;
    let board = app.board(id).await?;
    let within = caller.bound_to();
    let moved: Vec<(String, Division)> = match within {
        Some(own) => board.newest(own).filter(|(_, _, n)| n.report.moved > 0).map(|(p, d, _)| (p.to_string(), d)).collect(),
        None => board.everywhere().filter(|(_, _, n)| n.report.moved > 0).map(|(p, d, _)| (p.to_string(), d)).collect(),
    };
    let places = match (body.all, body.places.is_empty()) {
        (true, true) if moved.is_empty() => {
            return Err(Problem::conflict(format!("nobody was reported moved under {id}; name the places")));
        }
        (true, true) => moved.into_iter().map(|(p, _)| p).collect(),
        (false, false) => body.places,
        _ => return Err(Problem::field("/places", "name the places, or say all = true; one of the two")),
    };
    if let Some(own) = within {
        let directory = app.engine.directory();
        let division = |p: &String| directory.points.get(p).map(|p| p.division).or_else(|| p.parse().ok());
        if let Some(p) = places.iter().find(|p| division(p).is_none_or(|d| !own.contains(d))) {
            return Err(Problem::forbidden(format!("{p} lies outside division {own}, to which this token is bound")));
        }
    }
    app.engine.permit_return(warning.id, caller.name(), &places, body.note.trim()).await?;
    let shown: WarningView = warnings::show(&app, &caller, id).await?;
    Ok((StatusCode::ACCEPTED, Json(shown)).into_response())
}

/// What the status page shows of the sums: `转移 120/150，拒 3，险情 1`; empty where nothing was reported.
pub fn in_words(s: &Sums, overdue: usize) -> String {
    let mut parts = Vec::new();
    if s.to_move + s.moved > 0 {
        parts.push(format!("转移 {}/{}", s.moved, s.to_move));
    }
    for (n, what) in [(s.refused, "拒转"), (s.danger, "险情"), (s.returned, "返回")] {
        if n > 0 {
            parts.push(format!("{what} {n}"));
        }
    }
    let (due, done) = s.closures.values().fold((0, 0), |(a, b), c| (a + c.due, b + c.done));
    if due + done > 0 {
        parts.push(format!("关停 {done}/{due}"));
    }
    if s.persons_owing > 0 {
        parts.push(format!("到岗 {}/{}", s.on_post, s.persons_owing));
    }
    if overdue > 0 {
        parts.push(format!("逾期未报 {overdue}"));
    }
    parts.join("，")
}

/// How many reports are overdue.
pub fn overdue(board: &Board, own: Option<Division>, now: Time) -> usize {
    board.owed().into_iter().filter(|o| own.is_none_or(|d| d.contains(o.division)) && (o.since.is_some() || o.due <= now)).count()
}
