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
        directory::{Directory, Recipient},
        directory_diff::DirectoryDiff,
        division::Division,
        ids::RecipientId,
    },
    engine::directory::Author,
    ingest::sheet::{self, ImportMode, ImportOptions, SheetFault},
};
use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, header},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
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
pub async fn recipients(
    State(app): State<App>,
    caller: Caller,
    Query(q): Query<PeopleQuery>,
) -> Result<Json<Page<RecipientView>>, Problem> {
    let limit = limit(q.limit)?;
    let phones = app.phones(&caller, q.reveal, "the directory").await?;
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
    pub(super) reveal: Option<bool>,
}

/// A view with the tag of what it shows, for `If-Match`.
pub(super) type Tagged<T> = ([(HeaderName, HeaderValue); 1], Json<T>);

/// The tag of a stored thing: changes when the thing does.
pub(super) fn tag<T: Serialize>(thing: &T) -> String {
    let digest = Sha256::digest(serde_json::to_vec(thing).unwrap_or_default());
    let hex: String = digest.iter().take(8).map(|b| format!("{b:02x}")).collect();
    format!("\"{hex}\"")
}

pub(super) fn tagged<T: Serialize, V>(thing: &T, view: V) -> Tagged<V> {
    // Hex in quotes is always a header's value.
    let value = HeaderValue::from_str(&tag(thing)).unwrap_or(HeaderValue::from_static("\"\""));
    ([(header::ETAG, value)], Json(view))
}

/// The person, if this caller may see him: somebody bound to a division sees who holds a post or stands in a rota there.
pub(super) fn seen<'a>(caller: &Caller, directory: &'a Directory, id: RecipientId) -> Result<&'a Recipient, Problem> {
    let there = || {
        let posts = directory.posts.iter().filter(|p| p.recipient == id).map(|p| p.place.division);
        let shifts = directory.rotas.iter().filter(|(_, all)| all.iter().any(|s| s.recipient == id)).map(|(seat, _)| seat.division);
        posts.chain(shifts).any(|d| caller.sees(d))
    };
    let seen = caller.bound_to().is_none() || there();
    directory.recipients.get(&id).filter(|_| seen).ok_or_else(|| Problem::not_found(format!("recipient {id} is not known")))
}

/// `GET /api/v1/recipients/{id}`
pub async fn recipient(
    State(app): State<App>,
    caller: Caller,
    Path(text): Path<String>,
    Query(q): Query<OneQuery>,
) -> Result<Tagged<RecipientView>, Problem> {
    let id: RecipientId = id(&text)?;
    let directory = app.engine.directory();
    let person = seen(&caller, &directory, id)?;
    let phones = app.phones(&caller, q.reveal, &format!("recipient {id}")).await?;
    Ok(tagged(person, view::directory::person(&directory, person, phones)))
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

pub(super) fn read_cursor(text: &str, version: u64) -> Result<usize, Problem> {
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
    allow_shrink: Option<bool>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    #[serde(alias = "merge")]
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
    app.engine.follow_directory().await?;
    let options = ImportOptions {
        mode: match q.mode {
            Some(Mode::Replace) => ImportMode::Replace,
            _ => ImportMode::Upsert,
        },
        within: caller.bound_to(),
        allow_uncovered: q.allow_uncovered == Some(true),
        allow_shrink: q.allow_shrink == Some(true),
        roles: app.engine.policy().role_words(),
        calling: app.engine.calling(),
    };
    let current = app.engine.directory();
    let version = current.version;
    // A large sheet takes a while: not on the threads that answer people.
    let work = move || sheet::import(name, &body, &current, &current.divisions, &options);
    let result = tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(%error, "an import failed");
        Problem::internal()
    })?;
    let mut report =
        ImportReport { dry_run, applied: false, version, summary: result.diff.summary_zh(), diff: result.diff, faults: result.faults };
    if dry_run {
        return Ok(Json(report));
    }
    let Some(directory) = result.directory else { return Err(refused(&report)) };
    let raised = directory.version;
    if !report.diff.is_empty() {
        let author = Author { by: caller.name(), how: "import" };
        if !app.engine.change_directory(version, directory, author, &format!("导入：{}", report.summary)).await? {
            return Err(Problem::conflict("the directory was changed meanwhile; look at the changes anew with dry_run=true"));
        }
    }
    tracing::info!(target: "jiaoying::audit", by = caller.name(), summary = report.summary, "directory imported");
    report.applied = true;
    report.version = raised;
    Ok(Json(report))
}

/// How many faults are told at once.
const TOLD: usize = 200;

fn refused(report: &ImportReport) -> Problem {
    let fatal = || report.faults.iter().filter(|f| f.fatal);
    let told = fatal().take(TOLD).map(|f| fault(&format!("{}!{}", f.sheet, f.cell), format!("{}：{}", f.column, f.message))).collect();
    if report.diff.is_empty() {
        return Problem::invalid(told);
    }
    // Every cell can be read; what it would take away, only a word can allow.
    let first = fatal().next().map(|f| f.message.clone()).unwrap_or_default();
    Problem { errors: told, ..Problem::conflict(format!("{first}; see the changes with dry_run=true")) }
}
