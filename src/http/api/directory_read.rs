//! The rest of the directory read: points, rotas, its history, and all of it as the sheets that the import reads.

use super::{
    super::{
        auth::Caller,
        error::Problem,
        extract::{Path, Query},
        state::App,
        view::{
            self, Page, Phones,
            directory::{ChangeView, HistoryView, PointView, ShiftView},
        },
    },
    directory::{OneQuery, read_cursor, seen},
    id, limit, parsed,
};
use crate::{
    core::{directory::Directory, ids::RecipientId, time::Time},
    ingest::sheet::{self, Form},
};
use axum::{
    Json,
    extract::State,
    http::{HeaderName, HeaderValue, header},
};
use serde::Deserialize;
use std::collections::BTreeSet;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PointsQuery {
    division: Option<String>,
    kind: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
}

/// `GET /api/v1/points`
pub async fn points(State(app): State<App>, caller: Caller, Query(q): Query<PointsQuery>) -> Result<Json<Page<PointView>>, Problem> {
    let limit = limit(q.limit)?;
    let directory = app.engine.directory();
    let division = caller.narrow(parsed("division", q.division.as_deref())?)?;
    let mut wanted = directory.points.values().filter(|p| {
        division.is_none_or(|d| d.contains(p.division))
            && q.kind.as_deref().is_none_or(|k| p.kind == k)
            && q.cursor.as_deref().is_none_or(|after| p.code.as_str() > after)
    });
    let page: Vec<_> = wanted.by_ref().take(limit).collect();
    let next_cursor = wanted.next().and(page.last()).map(|p| p.code.clone());
    Ok(Json(Page { items: page.into_iter().map(|p| view::directory::point(&directory, p)).collect(), next_cursor }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RotasQuery {
    division: Option<String>,
    role: Option<String>,
    from: Option<String>,
    to: Option<String>,
    at: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
    reveal: Option<bool>,
}

fn time(name: &str, text: Option<&str>) -> Result<Option<Time>, Problem> {
    text.map(|t| Time::parse_rfc3339(t).map_err(|e| Problem::malformed(format!("{name}: {e}")))).transpose()
}

/// `GET /api/v1/rotas`: shifts, by seat and time.
pub async fn rotas(State(app): State<App>, caller: Caller, Query(q): Query<RotasQuery>) -> Result<Json<Page<ShiftView>>, Problem> {
    let limit = limit(q.limit)?;
    let directory = app.engine.directory();
    let division = caller.narrow(parsed("division", q.division.as_deref())?)?;
    let (from, to, at) = (time("from", q.from.as_deref())?, time("to", q.to.as_deref())?, time("at", q.at.as_deref())?);
    let skip = match q.cursor.as_deref() {
        None => 0,
        Some(text) => read_cursor(text, directory.version)?,
    };
    let phones = app.phones(&caller, q.reveal, "the duty rotas").await?;
    let shifts = directory.rotas.iter().flat_map(|(seat, all)| all.iter().map(move |s| (seat, s)));
    let mut wanted = shifts.enumerate().skip(skip).filter(|(_, (seat, s))| {
        division.is_none_or(|d| d.contains(seat.division))
            && q.role.as_deref().is_none_or(|r| seat.role.0 == r)
            && from.is_none_or(|t| s.to > t)
            && to.is_none_or(|t| s.from < t)
            && at.is_none_or(|t| s.holds(t))
    });
    let page: Vec<_> = wanted.by_ref().take(limit).collect();
    let next_cursor = wanted.next().map(|(n, _)| format!("{}.{n}", directory.version));
    let items = page.into_iter().map(|(_, (seat, s))| view::directory::shift(&directory, seat, s, phones)).collect();
    Ok(Json(Page { items, next_cursor }))
}

/// `GET /api/v1/recipients/{id}/history`
pub async fn person_history(
    State(app): State<App>,
    caller: Caller,
    Path(text): Path<String>,
    Query(q): Query<OneQuery>,
) -> Result<Json<HistoryView>, Problem> {
    let id: RecipientId = id(&text)?;
    let directory = app.engine.directory();
    // Somebody who left is seen only by those who see everything.
    if directory.recipients.contains_key(&id) || caller.bound_to().is_some() {
        seen(&caller, &directory, id)?;
    }
    let phones = app.phones(&caller, q.reveal, &format!("the history of recipient {id}")).await?;
    let history = app.engine.directory_history().await?;
    let now = directory.recipients.get(&id);
    let posts = directory.posts.iter().filter(|p| p.recipient == id).collect();
    let past = history.person(id, now.map(|r| (r, posts)));
    if past.is_empty() && now.is_none() {
        return Err(Problem::not_found(format!("recipient {id} is not known")));
    }
    Ok(Json(view::directory::history(&directory, &past, &history.numbers(id, now), phones)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HistoryQuery {
    limit: Option<usize>,
    cursor: Option<u64>,
}

/// `GET /api/v1/directory/history`: who changed what when, newest first.
pub async fn history(State(app): State<App>, caller: Caller, Query(q): Query<HistoryQuery>) -> Result<Json<Page<ChangeView>>, Problem> {
    let limit = limit(q.limit)?;
    if let Some(own) = caller.bound_to() {
        return Err(Problem::forbidden(format!("the history is of the whole directory; this token is bound to division {own}")));
    }
    let history = app.engine.directory_history().await?;
    let mut wanted = history.changes.iter().filter(|c| q.cursor.is_none_or(|before| c.change < before));
    let page: Vec<_> = wanted.by_ref().take(limit).collect();
    let next_cursor = wanted.next().and(page.last()).map(|c| c.change.to_string());
    Ok(Json(Page { items: page.into_iter().map(view::directory::change).collect(), next_cursor }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportQuery {
    format: Option<FileFormat>,
    what: Option<What>,
    reveal: Option<bool>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum FileFormat {
    Xlsx,
    Csv,
}
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum What {
    People,
    Points,
    Rotas,
}

/// What a bound caller may see: posts, points and rotas inside the division and the people whom these name.
fn inside(whole: &Directory, caller: &Caller) -> Directory {
    if caller.bound_to().is_none() {
        return whole.clone();
    }
    let mut d = whole.clone();
    d.posts.retain(|p| caller.sees(p.place.division));
    d.points.retain(|_, p| caller.sees(p.division));
    let seats: Vec<_> = d.rotas.iter().map(|(seat, _)| seat.clone()).filter(|s| !caller.sees(s.division)).collect();
    for seat in seats {
        d.rotas.remove(&seat, |_| true);
    }
    let mut named: BTreeSet<RecipientId> = d.rotas.people().collect();
    named.extend(d.posts.iter().flat_map(|p| [Some(p.recipient), p.deputy, p.superior]).flatten());
    d.recipients.retain(|id, _| named.contains(id));
    d
}

/// `GET /api/v1/directory/export`
pub async fn export(
    State(app): State<App>,
    caller: Caller,
    Query(q): Query<ExportQuery>,
) -> Result<([(HeaderName, HeaderValue); 2], Vec<u8>), Problem> {
    let reveal = app.phones(&caller, q.reveal, "the directory, exported").await? == Phones::Revealed;
    let (directory, words) = (app.engine.directory(), app.engine.policy().role_words());
    let (form, one) = match q.what {
        Some(What::Points) => (Form::Points, true),
        Some(What::Rotas) => (Form::Rotas, true),
        Some(What::People) => (Form::People, true),
        None => (Form::People, false),
    };
    let (media, name, csv) = match q.format {
        Some(FileFormat::Csv) => ("text/csv; charset=utf-8", format!("attachment; filename=\"{}.csv\"", form.as_str()), true),
        _ => {
            let media = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
            (media, "attachment; filename=\"directory.xlsx\"".to_string(), false)
        }
    };
    // A large sheet takes a while: not on the threads that answer people.
    let work = move || {
        let seen = inside(&directory, &caller);
        if csv {
            return Ok(sheet::form_csv(&seen, form, &words, reveal).into_bytes());
        }
        let forms = if one { vec![form] } else { Form::ALL.to_vec() };
        sheet::workbook(&seen, &forms, &words, reveal)
    };
    let bytes = tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(%error, "an export failed");
        Problem::internal()
    })?;
    let bytes = bytes.map_err(|error| {
        tracing::error!(%error, "a workbook could not be written");
        Problem::internal()
    })?;
    let name = HeaderValue::from_str(&name).map_err(|_| Problem::internal())?;
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static(media)), (header::CONTENT_DISPOSITION, name)], bytes))
}
