//! Drills: started, listed, looked back upon; the quarter's roll call.

use super::{
    super::{
        auth::Caller,
        error::Problem,
        extract::{Path, Query, Raw},
        state::{App, inside, warning_of},
        view,
    },
    id, limit, parsed,
    readiness::{download, workbook},
};
use crate::{
    core::{
        directory::Tier,
        division::Division,
        drill::DrillScope,
        ids::WarningId,
        send::Channel,
        time::Time,
        warning::{Finding, Shape},
    },
    engine::{
        PostReply,
        drills::{RollCall, Share},
    },
    ingest::{self, SourceFormat},
    report::{drill, table},
};
use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DrillQuery {
    tier: Option<String>,
    channel: Option<String>,
    at_night: Option<bool>,
    beside_real: Option<bool>,
}

fn list<T>(name: &str, text: Option<&str>, all: &[(&'static str, T)]) -> Result<Vec<T>, Problem>
where
    T: Copy,
{
    let words: Vec<&str> = text.into_iter().flat_map(|t| t.split(',')).map(str::trim).filter(|w| !w.is_empty()).collect();
    let find = |w: &str| {
        all.iter().find(|(known, _)| *known == w).map(|(_, v)| *v).ok_or_else(|| {
            let known: Vec<&str> = all.iter().map(|(k, _)| *k).collect();
            Problem::malformed(format!("{name}: `{w}` is none of {}", known.join(", ")))
        })
    };
    words.into_iter().map(find).collect()
}

fn tiers(text: Option<&str>) -> Result<Vec<Tier>, Problem> {
    list("tier", text, &Tier::ALL.map(|t| (t.as_str(), t)))
}
fn channels(text: Option<&str>) -> Result<Vec<Channel>, Problem> {
    list("channel", text, &[Channel::Sms, Channel::Voice, Channel::Email].map(|c| (c.as_str(), c)))
}

fn reply(posted: PostReply) -> Response {
    let status = if posted.duplicate { StatusCode::OK } else { StatusCode::ACCEPTED };
    let location = format!("/api/v1/warnings/{}", posted.id);
    let findings: Vec<Finding> = posted.findings;
    let body = json!({
        "id": posted.id.to_string(), "identifier": posted.identifier, "state": posted.state, "duplicate": posted.duplicate,
        "findings": findings,
    });
    (status, [(header::LOCATION, location)], Json(body)).into_response()
}

/// `POST /api/v1/drills`: the native JSON warning; whatever its `status`, it is a drill.
pub async fn start(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Query(q): Query<DrillQuery>,
    Raw(body): Raw,
) -> Result<Response, Problem> {
    let media = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
    let format = media.and_then(SourceFormat::from_content_type).filter(|(f, _)| *f == SourceFormat::Json);
    let (format, charset) = format.ok_or_else(|| Problem::unsupported_media("application/json", media))?;
    let read = ingest::read(format, charset, &body, caller.name())?;
    if let Some(own) = caller.bound_to() {
        let within = |shape: &Shape| matches!(shape, Shape::Division(d) if own.contains(*d));
        if !read.content.areas.iter().all(|a| within(&a.shape)) {
            return Err(Problem::forbidden(format!(
                "this token is bound to division {own}: name divisions inside it as the drill's areas"
            )));
        }
    }
    let scope = DrillScope {
        tiers: tiers(q.tier.as_deref())?,
        channels: channels(q.channel.as_deref())?,
        at_night: q.at_night == Some(true),
        ..DrillScope::default()
    };
    Ok(reply(app.engine.start_drill_of(caller.name(), read.content, scope, q.beside_real == Some(true)).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RollCallBody {
    /// The same again is the same drill.
    identifier: String,
    /// One in so many numbers; without it as many as the quarter asks for this week.
    #[serde(default)]
    share: Option<u16>,
    #[serde(default)]
    divisions: Vec<String>,
    #[serde(default)]
    tiers: Vec<String>,
    #[serde(default)]
    channels: Vec<String>,
    #[serde(default)]
    beside_real: bool,
}

/// `POST /api/v1/drills/roll-call`: the numbers whose turn it is are called. 200 with `nothing_due` where none is.
pub async fn call_roll(
    State(app): State<App>,
    caller: Caller,
    super::super::extract::Json(body): super::super::extract::Json<RollCallBody>,
) -> Result<Response, Problem> {
    let mut within: Vec<Division> = Vec::new();
    for text in &body.divisions {
        within.extend(caller.narrow(parsed("divisions", Some(text))?)?);
    }
    if within.is_empty() {
        within.extend(caller.bound_to());
    }
    if body.identifier.trim().is_empty() || body.identifier.chars().count() > 200 {
        return Err(Problem::field("/identifier", "must be 1 to 200 characters".to_string()));
    }
    let scope = DrillScope {
        tiers: tiers(Some(&body.tiers.join(",")))?,
        channels: channels(Some(&body.channels.join(",")))?,
        ..DrillScope::default()
    };
    let share = match body.share {
        None | Some(0) => Share::Quarter,
        Some(n) => Share::OneIn(n),
    };
    let order = RollCall { identifier: body.identifier, share, within, scope, beside_real: body.beside_real };
    match app.engine.start_roll_call(caller.name(), order).await? {
        Some(posted) => Ok(reply(posted)),
        None => Ok(Json(json!({"nothing_due": true})).into_response()),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RollQuery {
    division: Option<String>,
    limit: Option<usize>,
}

/// `GET /api/v1/drills/roll-call`: how many numbers are proved this quarter, and who is not; the schedules.
pub async fn roll(State(app): State<App>, caller: Caller, Query(q): Query<RollQuery>) -> Result<Json<Value>, Problem> {
    let limit = limit(q.limit)?;
    let within = caller.narrow(parsed("division", q.division.as_deref())?)?;
    let now = app.engine.now();
    let roll = app.engine.roll(within, now).await?;
    let proofs = app.engine.proofs().await?;
    let directory = app.engine.directory();
    let name = |d: &crate::core::drill::roll::Due| directory.recipients.get(&d.recipient).map(|r| r.name.clone()).unwrap_or_default();
    let view = drill::roll(&roll, name, |p| proofs.get(p).map(|p| p.outcome.clone()), now, limit);
    let schedules: Vec<Value> = app
        .engine
        .schedules()
        .await?
        .into_iter()
        .map(|s| {
            let last = s.last.map(|l| json!({"at": l.at.rfc3339(), "warning_id": l.warning.map(|w| w.to_string()), "skipped": l.skipped}));
            json!({"name": s.schedule.name, "at": s.schedule.at.to_string(), "roll_call": s.schedule.roll_call, "next": s.next.map(Time::rfc3339), "last": last})
        })
        .collect();
    let mut out = serde_json::to_value(view).unwrap_or_default();
    out["schedules"] = Value::Array(schedules);
    Ok(Json(out))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    limit: Option<usize>,
    cursor: Option<String>,
}

/// How many warnings are looked through for one page of drills.
const LOOKED_THROUGH: usize = 2_000;

/// `GET /api/v1/drills`: drills only, newest first, each with figures of its own.
pub async fn list_drills(State(app): State<App>, caller: Caller, Query(q): Query<ListQuery>) -> Result<Json<view::Page<Value>>, Problem> {
    let limit = limit(q.limit)?;
    let mut cursor = parsed::<WarningId>("cursor", q.cursor.as_deref())?;
    let mut items = Vec::new();
    let mut looked = 0;
    while items.len() < limit && looked < LOOKED_THROUGH {
        let batch = app.engine.reports().warnings(cursor, 200).await?;
        looked += batch.len();
        let end = batch.len() < 200;
        for record in batch {
            let w = warning_of(&record)?;
            if items.len() == limit {
                break;
            }
            cursor = Some(w.id);
            if !w.drill {
                continue;
            }
            if let Some(own) = caller.bound_to()
                && inside(&app.faces(w.id).await?, own).next().is_none()
            {
                continue;
            }
            let tally = app.tally(&caller, &w).await?;
            let scope = w.drill_scope.as_deref();
            items.push(json!({
                "id": w.id.to_string(), "identifier": w.content.identifier, "headline": w.content.headline, "drill": true,
                "started_at": w.accepted_at.rfc3339(), "by": w.issuer.0.trim_start_matches("drill:"), "state": w.phase,
                "closed_reason": w.closed_reason.map(|r| r.as_str()), "roll_call": scope.is_some_and(|s| s.roll_call),
                "schedule": scope.and_then(|s| s.schedule.clone()),
                "tiers": scope.map(|s| s.tiers.iter().map(|t| t.as_str()).collect::<Vec<_>>()),
                "channels": scope.map(|s| s.channels.clone()), "tally": tally,
            }));
        }
        if end {
            return Ok(Json(view::Page { items, next_cursor: None }));
        }
    }
    Ok(Json(view::Page { items, next_cursor: cursor.map(|c| c.to_string()) }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportQuery {
    format: Option<String>,
}

/// `GET /api/v1/drills/{id}/report`: one row a person and channel; JSON, CSV or XLSX.
pub async fn report(
    State(app): State<App>,
    caller: Caller,
    Path(text): Path<String>,
    Query(q): Query<ReportQuery>,
) -> Result<Response, Problem> {
    let id: WarningId = id(&text)?;
    let w = app.warning(&caller, id).await?;
    if !w.drill {
        return Err(Problem::not_found(format!("{id} is no drill")));
    }
    let mut rows = app.engine.drill_rows(id).await?;
    rows.retain(|r| caller.sees(r.division));
    match q.format.as_deref() {
        None | Some("json") => {
            let figures = drill::figures(&rows);
            let items: Vec<Value> = rows.iter().map(drill::json).collect();
            Ok(Json(json!({"id": id.to_string(), "drill": true, "figures": figures, "items": items})).into_response())
        }
        Some("csv") => {
            let csv = table::csv(&drill::sheet(&rows));
            Ok(download(&format!("drill-{id}.csv"), "text/csv; charset=utf-8", csv.into_bytes()))
        }
        Some("xlsx") => workbook(&format!("drill-{id}.xlsx"), &[drill::sheet(&rows)]),
        Some(other) => Err(Problem::malformed(format!("format: `{other}` is none of json, csv, xlsx"))),
    }
}
