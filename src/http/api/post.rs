//! Warnings in: an issuer's post.

use super::super::{auth::Caller, error::Problem, extract::Raw, state::App};
use crate::{
    config,
    core::{
        hazard::Level,
        warning::{FieldError, Finding, MessageType, Parsed},
    },
    engine::PostReply,
    ingest::adapt,
    source::{Reading, Unread, desk::Handed},
};
use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

#[derive(Serialize)]
struct Receipt {
    id: String,
    identifier: String,
    state: &'static str,
    duplicate: bool,
    findings: Vec<Finding>,
}

fn reply(posted: PostReply) -> Response {
    let status = if posted.duplicate { StatusCode::OK } else { StatusCode::ACCEPTED };
    let location = format!("/api/v1/warnings/{}", posted.id);
    (status, [(header::LOCATION, location)], Json(receipt(posted))).into_response()
}

fn receipt(posted: PostReply) -> Receipt {
    Receipt {
        id: posted.id.to_string(),
        identifier: posted.identifier,
        state: posted.state,
        duplicate: posted.duplicate,
        findings: posted.findings,
    }
}

const WANTED: &str = "application/json, application/cap+xml, application/xml or text/xml";

/// What came of one warning of a body that a mapping reads.
#[derive(Serialize)]
struct Came {
    /// Its place in the body, a JSON pointer.
    pointer: String,
    /// As its own answer would have: 202, 200, 403, 409, 422; a skipped one 204.
    status: u16,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    receipt: Option<Receipt>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
}

#[derive(Serialize)]
struct Batch {
    items: Vec<Came>,
}

/// `POST /api/v1/warnings`
pub async fn post_warning(State(app): State<App>, caller: Caller, headers: HeaderMap, Raw(body): Raw) -> Result<Response, Problem> {
    let Caller::Issuer(issuer) = caller else { return Err(Problem::forbidden("only issuers post warnings")) };
    let media = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
    let reading = app.desk.read(&issuer, media, &body).map_err(|e| match e {
        Unread::Media => Problem::unsupported_media(WANTED, media),
        Unread::Refused(refusal) => refusal.into(),
    })?;
    // Red never waits, and neither does the end of a warning. A body counts once, however many it brings.
    let urgent = |p: &Parsed| p.content.level == Level::Red || p.content.message_type == MessageType::Cancel;
    let waits = match &reading {
        Reading::One(parsed) => !urgent(parsed),
        Reading::Adapted { adapted, .. } => !adapted.items.iter().any(|i| matches!(&i.came, adapt::Came::Taken(p) if urgent(p))),
    };
    if waits {
        app.rates.take(&issuer.id.0, issuer.rate, app.engine.now()).map_err(Problem::too_many)?;
    }
    match reading {
        Reading::One(parsed) => Ok(reply(app.desk.post(&issuer, *parsed, &body).await?)),
        Reading::Adapted { list, .. } => adapted(&app, &issuer, app.desk.hand_in(&issuer, reading, &body).await?, list).await,
    }
}

/// The answer to a body that a mapping read: one warning answers as any other does, a list item by item. It is
/// refused as a whole only where nothing of it came in.
async fn adapted(app: &App, issuer: &config::Issuer, mut handed: Vec<(String, Handed)>, list: bool) -> Result<Response, Problem> {
    if !list && let Some((pointer, one)) = handed.pop() {
        return match one {
            Handed::Accepted(posted) => Ok(reply(posted)),
            Handed::Unreadable(refusal) => Err(refusal.into()),
            Handed::Rejected(error) => Err(error.into()),
            Handed::Skipped(why) => Ok(batch(vec![skipped(pointer, why)])),
        };
    }
    let mut items = Vec::with_capacity(handed.len());
    let mut problems: Vec<Problem> = Vec::new();
    for (pointer, what) in handed {
        let problem: Problem = match what {
            Handed::Accepted(posted) => {
                let status = if posted.duplicate { 200 } else { 202 };
                items.push(Came { pointer, status, receipt: Some(receipt(posted)), detail: None, errors: Vec::new() });
                continue;
            }
            Handed::Skipped(why) => {
                items.push(skipped(pointer, why));
                continue;
            }
            Handed::Unreadable(refusal) => refusal.into(),
            Handed::Rejected(error) => error.into(),
        };
        let errors = problem.errors.clone();
        let detail = Some(problem.detail.clone());
        items.push(Came { pointer, status: problem.status.as_u16(), receipt: None, detail, errors });
        problems.push(problem);
    }
    if items.len() == problems.len()
        && let Some(first) = problems.first()
    {
        let same = problems.iter().all(|p| p.status == first.status);
        let errors: Vec<FieldError> = items
            .into_iter()
            .flat_map(|i| {
                let whole = FieldError { pointer: i.pointer, detail: i.detail.unwrap_or_default() };
                if i.errors.is_empty() { vec![whole] } else { i.errors }
            })
            .collect();
        let invalid = Problem::invalid(errors);
        return Err(if same { Problem { errors: invalid.errors, ..first.clone() } } else { invalid });
    }
    // A refused line among good ones shows in the duty room as a refused post does.
    for p in &problems {
        app.engine.record_refusal(Some(&issuer.id.0), p.status.as_u16(), &p.detail).await;
    }
    Ok(batch(items))
}

fn skipped(pointer: String, why: String) -> Came {
    Came { pointer, status: 204, receipt: None, detail: Some(why), errors: Vec::new() }
}

fn batch(items: Vec<Came>) -> Response {
    let accepted = items.iter().any(|i| i.status == 202);
    let status = if accepted { StatusCode::ACCEPTED } else { StatusCode::OK };
    (status, Json(Batch { items })).into_response()
}
