//! Tasks: seen, claimed, signed off.

use super::{
    super::{
        auth::Caller,
        error::Problem,
        extract::{Json as Body, Path, Query},
        state::App,
        view::{
            Page,
            task::{TaskView, task},
        },
    },
    callouts::check_note,
    limit, parsed,
};
use crate::{core::ids::WarningId, store::TaskRow};
use axum::{Json, extract::State};
use serde::Deserialize;

/// Tasks looked through for one page; a duty room with more open ones has other worries.
const MOST: usize = 10_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    warning: Option<String>,
    open: Option<bool>,
    limit: Option<usize>,
    cursor: Option<String>,
}

/// Whether this caller's duty room is meant.
fn sees(caller: &Caller, row: &TaskRow) -> bool {
    caller.bound_to().is_none_or(|own| row.division.is_some_and(|d| own.contains(d)))
}

/// Where a row stands in the list: open before closed, then by time, then by id.
fn place(row: &TaskRow) -> (bool, i64, &str) {
    (row.closed.is_some(), row.due_at.0, &row.id)
}

fn cursor_of(row: &TaskRow) -> String {
    let (closed, due, id) = place(row);
    format!("{}.{due}.{id}", u8::from(closed))
}

fn read_cursor(text: &str) -> Option<(bool, i64, String)> {
    let mut parts = text.splitn(3, '.');
    let closed = match parts.next()? {
        "0" => false,
        "1" => true,
        _ => return None,
    };
    Some((closed, parts.next()?.parse().ok()?, parts.next()?.to_string()))
}

/// `GET /api/v1/tasks`
pub async fn list(State(app): State<App>, caller: Caller, Query(q): Query<ListQuery>) -> Result<Json<Page<TaskView>>, Problem> {
    let limit = limit(q.limit)?;
    let warning = parsed::<WarningId>("warning", q.warning.as_deref())?;
    let after = match q.cursor.as_deref() {
        Some(text) => Some(read_cursor(text).ok_or_else(|| Problem::malformed("cursor: not one of ours"))?),
        None => None,
    };
    let rows = app.engine.reports().tasks(warning, q.open != Some(false), MOST).await?;
    let beyond = |row: &&TaskRow| after.as_ref().is_none_or(|(closed, due, id)| place(row) > (*closed, *due, id.as_str()));
    let mut wanted = rows.iter().filter(|r| sees(&caller, r)).filter(beyond);
    let page: Vec<&TaskRow> = wanted.by_ref().take(limit).collect();
    let next_cursor = wanted.next().and(page.last()).map(|row| cursor_of(row));
    Ok(Json(Page { items: page.into_iter().map(task).collect(), next_cursor }))
}

async fn row(app: &App, caller: &Caller, id: &str) -> Result<TaskRow, Problem> {
    let found = app.engine.reports().task(id).await?.filter(|r| sees(caller, r));
    found.ok_or_else(|| Problem::not_found(format!("task `{}` is not known", id.chars().take(60).collect::<String>())))
}

/// `POST /api/v1/tasks/{id}/claim`
pub async fn claim(State(app): State<App>, caller: Caller, Path(id): Path<String>) -> Result<Json<TaskView>, Problem> {
    row(&app, &caller, &id).await?;
    app.engine.claim_task(&id, caller.name()).await?;
    Ok(Json(task(&row(&app, &caller, &id).await?)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Complete {
    outcome: String,
    #[serde(default)]
    reached: Option<String>,
    #[serde(default)]
    note: Option<String>,
}

/// `POST /api/v1/tasks/{id}/complete`
pub async fn complete(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Body(body): Body<Complete>,
) -> Result<Json<TaskView>, Problem> {
    row(&app, &caller, &id).await?;
    let outcome = body.outcome.trim();
    if outcome.is_empty() || outcome.chars().count() > 100 {
        return Err(Problem::field("/outcome", "1 to 100 characters: what came of it"));
    }
    check_note(body.note.as_deref())?;
    app.engine.complete_task(&id, caller.officer(), outcome, body.reached.as_deref(), body.note).await?;
    Ok(Json(task(&row(&app, &caller, &id).await?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_read_back_what_they_write() {
        assert_eq!(read_cursor("0.1720426500000.t-w12-345-1"), Some((false, 1_720_426_500_000, "t-w12-345-1".into())));
        for odd in ["", "2.1.x", "0.x.y", "0.1"] {
            assert_eq!(read_cursor(odd), None, "{odd}");
        }
    }
}
