//! Readiness: what is missing in the directory, who would be called, rehearsals. Reads only, except the yearly
//! confirmation. What takes a while is worked out beside the threads that answer people.

use super::{
    super::{
        auth::Caller,
        error::Problem,
        extract::{Json as Body, Query, Raw, fault},
        state::App,
    },
    limit, parsed,
};
use crate::{
    core::{
        coverage::{Coverage, Gap, GapKind},
        division::Division,
        hazard::{HazardCode, Level},
        phone::Phone,
        plan::PlanChunk,
        rehearsal::season::notes_alone,
        time::Time,
        warning::MessageType,
    },
    engine::readiness::Readiness,
    ingest::{self, SourceFormat},
    report::{self, coverage::KindCount, table},
};
use axum::{
    Json,
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoverageQuery {
    division: Option<String>,
    hazard: Option<String>,
    level: Option<String>,
    kind: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
}

impl CoverageQuery {
    /// A form sends what was left empty.
    pub(in crate::http) fn without_blanks(mut self) -> CoverageQuery {
        for field in [&mut self.division, &mut self.hazard, &mut self.level, &mut self.kind] {
            *field = field.take().map(|v| v.trim().to_string()).filter(|v| !v.is_empty());
        }
        self
    }
    /// Division, hazard, level, kind as they were asked for.
    pub(in crate::http) fn filters(&self) -> [String; 4] {
        [&self.division, &self.hazard, &self.level, &self.kind].map(|f| f.clone().unwrap_or_default())
    }
}

/// A colour, or `unknown`.
pub(super) fn level(text: Option<&str>) -> Result<Option<Level>, Problem> {
    const ALL: [Level; 5] = [Level::Red, Level::Orange, Level::Yellow, Level::Blue, Level::Unknown];
    let Some(text) = text else { return Ok(None) };
    let found = ALL.into_iter().find(|l| l.as_str() == text);
    found.map(Some).ok_or_else(|| Problem::malformed(format!("level: `{text}` is none of red, orange, yellow, blue, unknown")))
}

/// Works something out beside the threads that answer people.
pub(in crate::http) async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(%error, "readiness could not be worked out");
        Problem::internal()
    })
}

/// The coverage a query asks for, as this caller may see it.
pub(in crate::http) async fn coverage_of(app: &App, caller: &Caller, q: &CoverageQuery) -> Result<Coverage, Problem> {
    let within = caller.narrow(parsed("division", q.division.as_deref())?)?;
    let hazard = q.hazard.as_deref().map(|h| HazardCode(h.to_string()));
    let level = level(q.level.as_deref())?;
    let kind = parsed::<GapKind>("kind", q.kind.as_deref())?;
    let readiness = app.engine.readiness().await?;
    let mut coverage = aside(move || readiness.coverage(within, hazard.as_ref(), level)).await?;
    coverage.gaps.retain(|g| kind.is_none_or(|k| g.kind == k));
    Ok(coverage)
}

#[derive(Serialize)]
pub struct CoveragePage {
    pub items: Vec<Gap>,
    pub next_cursor: Option<String>,
    pub summary: Vec<KindCount>,
    /// Places looked at, and people whom at least one row would call.
    pub places: usize,
    pub people: usize,
    /// What the numbers in `rows` of the items stand for.
    pub rows: Vec<RowView>,
}

#[derive(Serialize)]
pub struct RowView {
    pub rule: String,
    pub hazards: Vec<String>,
    pub levels: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
}

/// `GET /api/v1/directory/coverage`. The cursor is a number of gaps passed over.
pub async fn coverage(State(app): State<App>, caller: Caller, Query(q): Query<CoverageQuery>) -> Result<Json<CoveragePage>, Problem> {
    let limit = limit(q.limit)?;
    let skip = parsed::<usize>("cursor", q.cursor.as_deref())?.unwrap_or(0);
    let coverage = coverage_of(&app, &caller, &q).await?;
    let summary = report::coverage::summary(&coverage);
    let more = coverage.gaps.len() > skip + limit;
    let rows = coverage.rows.iter().map(|r| RowView {
        rule: r.name.clone(),
        hazards: r.hazards.iter().map(|h| h.0.clone()).collect(),
        levels: r.levels.iter().map(|l| l.as_str()).collect(),
        stage: r.stage.clone(),
    });
    Ok(Json(CoveragePage {
        summary,
        places: coverage.places,
        people: coverage.people,
        rows: rows.collect(),
        items: coverage.gaps.into_iter().skip(skip).take(limit).collect(),
        next_cursor: more.then(|| (skip + limit).to_string()),
    }))
}

/// A file to be kept.
pub(in crate::http) fn download(name: &str, media: &'static str, bytes: Vec<u8>) -> Response {
    let disposition = format!("attachment; filename=\"{name}\"");
    ([(header::CONTENT_TYPE, media.to_string()), (header::CONTENT_DISPOSITION, disposition)], bytes).into_response()
}

/// A workbook to be kept.
pub(in crate::http) fn workbook(name: &str, tables: &[table::Table]) -> Result<Response, Problem> {
    let bytes = table::xlsx(tables).map_err(|error| {
        tracing::error!(%error, "a workbook could not be written");
        Problem::internal()
    })?;
    Ok(download(name, XLSX, bytes))
}

/// `GET /api/v1/directory/coverage.xlsx`
pub async fn coverage_sheet(State(app): State<App>, caller: Caller, Query(q): Query<CoverageQuery>) -> Result<Response, Problem> {
    let coverage = coverage_of(&app, &caller, &q).await?;
    let tables = [report::coverage::overview(&coverage), report::coverage::gaps(&coverage), report::coverage::rules(&coverage)];
    workbook("coverage.xlsx", &tables)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalledQuery {
    division: Option<String>,
    hazard: String,
    level: String,
    stage: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
}

/// `GET /api/v1/directory/called`: whom this hazard and level would call now, in the order of calling, and through
/// which doors.
pub async fn called(State(app): State<App>, caller: Caller, Query(q): Query<CalledQuery>) -> Result<Json<Value>, Problem> {
    let limit = limit(q.limit)?;
    let skip = parsed::<usize>("cursor", q.cursor.as_deref())?.unwrap_or(0);
    let within = caller.narrow(parsed("division", q.division.as_deref())?)?;
    let level = level(Some(&q.level))?.unwrap_or(Level::Unknown);
    let hazard = HazardCode(q.hazard.clone());
    let readiness = app.engine.readiness().await?;
    let doors = readiness.clone();
    let plan = aside(move || readiness.called(&hazard, level, q.stage, within)).await?;
    let all = plan.chunks.iter().flat_map(|c| c.entries.iter().map(move |e| (c, e)));
    // Those above a division are called with it; who is bound to it sees its own.
    let mine = all.filter(|(_, e)| e.posts.iter().any(|p| caller.sees(p.place.division)));
    let mut items: Vec<Value> = mine.skip(skip).take(limit + 1).map(|(c, e)| called_view(&doors, &plan.running, c, e)).collect();
    let next_cursor = (items.len() > limit).then(|| (skip + limit).to_string());
    items.truncate(limit);
    Ok(Json(json!({
        "items": items, "next_cursor": next_cursor, "rules": plan.rules, "expected": plan.expected, "told": plan.told,
        "findings": plan.findings,
    })))
}

fn called_view(r: &Readiness, running: &crate::core::policy::RunningPolicy, chunk: &PlanChunk, e: &crate::core::plan::PlanEntry) -> Value {
    let person = chunk.people.get(usize::from(e.person));
    let door = |phone: &Phone| {
        let mut channels = Vec::new();
        if r.channels.sms && phone.is_mobile() {
            channels.push("sms");
        }
        if r.channels.voice {
            channels.push("voice");
        }
        json!({"phone": phone.masked(), "channels": channels, "dead": r.lookup.dead().is_dead(phone)})
    };
    let deputies: Vec<&str> = e
        .people_of(crate::core::policy::Who::Deputy)
        .iter()
        .filter_map(|d| chunk.people.get(usize::from(*d)))
        .map(|p| p.name.as_str())
        .collect();
    let ladder = running.ladders.get(usize::from(e.ladder));
    json!({
        "recipient_id": person.map(|p| p.id.to_string()), "name": person.map(|p| p.name.as_str()),
        "posts": e.posts.iter().map(|p| json!({"role": p.role, "title": p.title, "place": p.place.id(), "place_name": p.place_name, "tier": p.tier.as_str()})).collect::<Vec<_>>(),
        "doors": person.map(|p| p.phones.iter().map(door).collect::<Vec<_>>()),
        "email": r.channels.email && person.is_some_and(|p| p.email.is_some()),
        "ladder": ladder.map(|l| l.name.as_str()), "answer": ladder.is_none_or(|l| l.ladder.answer),
        "deadline_s": e.deadline.0 / 1000, "deputies": deputies,
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confirmation {
    divisions: Vec<String>,
}

/// `POST /api/v1/directory/confirmations`: the yearly filing (备案) of these divisions is done.
pub async fn confirm(State(app): State<App>, caller: Caller, Body(body): Body<Confirmation>) -> Result<Json<Value>, Problem> {
    let directory = app.engine.directory();
    let mut divisions: Vec<Division> = Vec::new();
    for (n, text) in body.divisions.iter().enumerate() {
        let at = format!("/divisions/{n}");
        let division: Division = text.parse().map_err(|e: String| Problem::invalid(vec![fault(&at, e)]))?;
        if !directory.divisions.contains_key(&division) {
            return Err(Problem::invalid(vec![fault(&at, format!("{division} is not in the directory"))]));
        }
        if !caller.sees(division) {
            return Err(Problem::forbidden(format!("division {division} lies outside what this token is bound to")));
        }
        divisions.push(division);
    }
    if divisions.is_empty() {
        return Err(Problem::invalid(vec![fault("/divisions", "name at least one division")]));
    }
    app.engine.confirm_filing(&divisions, caller.name()).await?;
    tracing::info!(target: "jiaoying::audit", by = caller.name(), ?divisions, "the directory was confirmed");
    Ok(Json(json!({"divisions": divisions, "at": app.engine.now().rfc3339(), "by": caller.name()})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RehearsalQuery {
    /// RFC 3339, or `sent`: today at the hour the warning was sent.
    at: Option<String>,
    /// How many persons are listed with their rungs.
    persons: Option<usize>,
}

/// Persons listed at most.
const PERSONS: usize = 20_000;

/// `POST /api/v1/rehearsals`: nothing is sent, nothing kept.
pub async fn rehearse(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Query(q): Query<RehearsalQuery>,
    Raw(body): Raw,
) -> Result<Json<Value>, Problem> {
    let media = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
    let (format, charset) = media
        .and_then(SourceFormat::from_content_type)
        .ok_or_else(|| Problem::unsupported_media("application/json, application/cap+xml, application/xml or text/xml", media))?;
    let read = ingest::read(format, charset, &body, caller.name())?;
    if read.content.message_type == MessageType::Cancel {
        return Err(Problem::invalid(vec![fault("/message_type", "a cancel calls nobody; rehearse an alert or an update")]));
    }
    let persons = q.persons.unwrap_or(100);
    if persons > PERSONS {
        return Err(Problem::malformed(format!("persons={persons} is more than {PERSONS}")));
    }
    let readiness = app.engine.readiness().await?;
    let at = match q.at.as_deref() {
        None => readiness.now,
        Some("sent") => readiness.at_the_hour_of(read.content.sent),
        Some(text) => Time::parse_rfc3339(text).map_err(|e| Problem::malformed(format!("at: {e}")))?,
    };
    let rights: Vec<Division> = caller.bound_to().into_iter().collect();
    let out = aside(move || {
        let (plan, rehearsal) = readiness.rehearse(&read.content, at, &rights);
        let mut findings = read.findings;
        findings.extend(notes_alone(&read.content));
        findings.extend(plan.findings.iter().cloned());
        let mut summary = report::rehearsal::summary(&read.content, &readiness.policy.source(), &plan, &rehearsal);
        summary.findings = findings;
        if plan.outside_rights {
            return None;
        }
        let listed: Vec<Value> = rehearsal.persons.iter().take(persons).map(|p| report::rehearsal::person(p, rehearsal.start)).collect();
        let more = rehearsal.persons.len() > listed.len();
        let mut out = serde_json::to_value(summary).unwrap_or_default();
        out["persons"] = Value::Array(listed);
        out["more_persons"] = Value::Bool(more);
        Some(out)
    })
    .await?;
    out.map(Json).ok_or_else(|| Problem::forbidden("the area lies wholly outside what this token is bound to"))
}
