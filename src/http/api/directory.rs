//! The directory of responsible persons: read, and replaced from a sheet.

use super::{
    super::{
        auth::Caller,
        error::Problem,
        extract::{Path, Query, Raw, fault, media_type},
        state::App,
        view::{
            self, Page,
            directory::{PostView, RecipientView},
        },
    },
    id, limit, parsed,
};
use crate::{
    core::{
        directory::{Directory, Post},
        directory_diff::DirectoryDiff,
        division::Division,
        ids::RecipientId,
    },
    ingest::sheet::{self, ImportMode, ImportOptions, SheetFault},
};
use axum::{Json, extract::State, http::HeaderMap};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeopleQuery {
    name: Option<String>,
    division: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
    reveal: Option<bool>,
}

/// Who holds a post inside a division.
fn people_inside(directory: &Directory, division: Division) -> BTreeSet<RecipientId> {
    directory.posts.iter().filter(|p| division.contains(p.place.division)).map(|p| p.recipient).collect()
}

/// `GET /api/v1/recipients`
pub async fn recipients(State(app): State<App>, caller: Caller, Query(q): Query<PeopleQuery>) -> Result<Json<Page<RecipientView>>, Problem> {
    let limit = limit(q.limit)?;
    let phones = app.phones(&caller, q.reveal, "the directory")?;
    let directory = app.engine.directory();
    let inside = caller.narrow(parsed("division", q.division.as_deref())?)?.map(|d| people_inside(&directory, d));
    let after = parsed::<RecipientId>("cursor", q.cursor.as_deref())?;
    let mut wanted = directory.recipients.values().filter(|p| {
        after.is_none_or(|a| p.id > a)
            && inside.as_ref().is_none_or(|set| set.contains(&p.id))
            && q.name.as_deref().is_none_or(|n| p.name.contains(n.trim()))
    });
    let page: Vec<_> = wanted.by_ref().take(limit).collect();
    let next_cursor = wanted.next().and(page.last()).map(|p| p.id.to_string());
    Ok(Json(Page { items: page.into_iter().map(|p| view::directory::recipient(p, phones)).collect(), next_cursor }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OneQuery {
    reveal: Option<bool>,
}

/// `GET /api/v1/recipients/{id}`
pub async fn recipient(
    State(app): State<App>,
    caller: Caller,
    Path(text): Path<String>,
    Query(q): Query<OneQuery>,
) -> Result<Json<RecipientView>, Problem> {
    let id: RecipientId = id(&text)?;
    let directory = app.engine.directory();
    let posts: Vec<&Post> = directory.posts.iter().filter(|p| p.recipient == id).collect();
    let seen = caller.bound_to().is_none() || posts.iter().any(|p| caller.sees(p.place.division));
    let person = directory.recipients.get(&id).filter(|_| seen).ok_or_else(|| Problem::not_found(format!("recipient {id} is not known")))?;
    let phones = app.phones(&caller, q.reveal, &format!("recipient {id}"))?;
    let mut shown = view::directory::recipient(person, phones);
    shown.posts = Some(posts.into_iter().map(|p| view::directory::post(&directory, p)).collect());
    Ok(Json(shown))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PostsQuery {
    division: Option<String>,
    role: Option<String>,
    recipient: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
}

/// `GET /api/v1/posts`. The cursor holds for one version of the directory: after a change the list
/// starts anew.
pub async fn posts(State(app): State<App>, caller: Caller, Query(q): Query<PostsQuery>) -> Result<Json<Page<PostView>>, Problem> {
    let limit = limit(q.limit)?;
    let directory = app.engine.directory();
    let division = caller.narrow(parsed("division", q.division.as_deref())?)?;
    let recipient = parsed::<RecipientId>("recipient", q.recipient.as_deref())?;
    let skip = match q.cursor.as_deref() {
        None => 0,
        Some(text) => read_cursor(text, directory.version)?,
    };
    let mut wanted = directory.posts.iter().enumerate().skip(skip).filter(|(_, p)| {
        division.is_none_or(|d| d.contains(p.place.division))
            && q.role.as_deref().is_none_or(|r| p.role.0 == r)
            && recipient.is_none_or(|r| p.recipient == r)
    });
    let page: Vec<_> = wanted.by_ref().take(limit).collect();
    let next_cursor = wanted.next().map(|(n, _)| format!("{}.{n}", directory.version));
    Ok(Json(Page { items: page.into_iter().map(|(_, p)| view::directory::post(&directory, p)).collect(), next_cursor }))
}

fn read_cursor(text: &str, version: u64) -> Result<usize, Problem> {
    let bad = || Problem::malformed("cursor: not one of ours");
    let (of, n) = text.split_once('.').ok_or_else(bad)?;
    let (of, n): (u64, usize) = (of.parse().map_err(|_| bad())?, n.parse().map_err(|_| bad())?);
    if of == version { Ok(n) } else { Err(Problem::conflict("the directory was changed meanwhile; begin the list anew without a cursor")) }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportQuery {
    dry_run: Option<bool>,
    mode: Option<Mode>,
    allow_uncovered: Option<bool>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    Upsert,
    Replace,
}

#[derive(Serialize)]
pub struct ImportReport {
    dry_run: bool,
    applied: bool,
    /// The directory's version now.
    version: u64,
    /// One line in Chinese.
    summary: String,
    diff: DirectoryDiff,
    faults: Vec<SheetFault>,
}

const SHEETS: &str = "text/csv, application/vnd.openxmlformats-officedocument.spreadsheetml.sheet or application/octet-stream";

/// `POST /api/v1/directory/import`: the sheet's bytes are the body. Whole or not at all.
pub async fn import(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Query(q): Query<ImportQuery>,
    Raw(body): Raw,
) -> Result<Json<ImportReport>, Problem> {
    let media = media_type(&headers);
    let name = match media.as_deref() {
        Some("text/csv") => "import.csv",
        Some("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet") => "import.xlsx",
        // The format is told by the content.
        Some("application/octet-stream") => "import",
        other => return Err(Problem::unsupported_media(SHEETS, other)),
    };
    let dry_run = q.dry_run == Some(true);
    let options = ImportOptions {
        mode: match q.mode {
            Some(Mode::Replace) => ImportMode::Replace,
            _ => ImportMode::Upsert,
        },
        within: caller.bound_to(),
        allow_uncovered: q.allow_uncovered == Some(true),
    };
    let current = app.engine.directory();
    let version = current.version;
    // A large sheet takes a while: not on the threads that answer people.
    let work = move || sheet::import(name, &body, &current, &current.divisions, &options);
    let result = tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(%error, "an import failed");
        Problem::internal()
    })?;
    let mut report = ImportReport { dry_run, applied: false, version, summary: result.diff.summary_zh(), diff: result.diff, faults: result.faults };
    if dry_run {
        return Ok(Json(report));
    }
    let Some(directory) = result.directory else { return Err(refused(&report.faults)) };
    let raised = directory.version;
    if !report.diff.is_empty() && !app.engine.replace_directory(version, directory).await? {
        return Err(Problem::conflict("the directory was changed meanwhile; look at the changes anew with dry_run=true"));
    }
    tracing::info!(target: "jiaoying::audit", by = caller.name(), summary = report.summary, "directory imported");
    report.applied = true;
    report.version = raised;
    Ok(Json(report))
}

/// How many faults are told at once.
const TOLD: usize = 200;

fn refused(faults: &[SheetFault]) -> Problem {
    let fatal = faults.iter().filter(|f| f.fatal);
    let told: Vec<_> = fatal.take(TOLD).map(|f| fault(&format!("{}!{}", f.sheet, f.cell), format!("{}：{}", f.column, f.message))).collect();
    if told.is_empty() {
        return Problem::conflict("places would be left without anybody to call; see them with dry_run=true, then confirm with allow_uncovered=true");
    }
    Problem::invalid(told)
}
