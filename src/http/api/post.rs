//! Warnings in: an issuer's post, an operator's drill.

use super::super::{
    auth::Caller,
    error::Problem,
    extract::Raw,
    state::App,
};
use crate::{
    config,
    core::{
        hazard::Level,
        warning::{Content, Finding, MessageType, Parsed, Shape},
    },
    engine::{self, PostReply},
    ingest::{self, SourceFormat},
    telemetry::metrics::warning_posted,
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
    let body = Receipt {
        id: posted.id.to_string(),
        identifier: posted.identifier,
        state: posted.state,
        duplicate: posted.duplicate,
        findings: posted.findings,
    };
    (status, [(header::LOCATION, location)], Json(body)).into_response()
}

const WANTED: &str = "application/json, application/cap+xml, application/xml or text/xml";

/// `POST /api/v1/warnings`
pub async fn post_warning(State(app): State<App>, caller: Caller, headers: HeaderMap, Raw(body): Raw) -> Result<Response, Problem> {
    let Caller::Issuer(issuer) = caller else { return Err(Problem::forbidden("only issuers post warnings")) };
    let media = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
    let (format, charset) = media.and_then(SourceFormat::from_content_type).ok_or_else(|| Problem::unsupported_media(WANTED, media))?;
    let parsed = ingest::read(format, charset, &body, &issuer.id.0)?;
    let (hazard, level) = (parsed.content.hazard.0.clone(), parsed.content.level);
    let posted = accept(&app, &issuer, parsed, &body).await?;
    // The engine counts what it accepts, and what is refused as it is recorded.
    if posted.duplicate {
        warning_posted(&issuer.id.0, &hazard, level, "duplicate");
    }
    Ok(reply(posted))
}

async fn accept(app: &App, issuer: &config::Issuer, parsed: Parsed, body: &[u8]) -> Result<PostReply, Problem> {
    // Red never waits, and neither does the end of a warning.
    let urgent = parsed.content.level == Level::Red || parsed.content.message_type == MessageType::Cancel;
    if !urgent {
        app.rates.take(&issuer.id.0, issuer.rate, app.engine.now()).map_err(Problem::too_many)?;
    }
    if !may(issuer, &parsed.content) {
        let c = &parsed.content;
        return Err(Problem::forbidden(format!("{} may not warn of {} at level {}", issuer.id, c.hazard, c.level.as_str())));
    }
    let rights = engine::Issuer {
        id: issuer.id.clone(),
        name: issuer.name.clone(),
        // Checked above: a right to a hazard may be a class or a code's beginning.
        hazards: Vec::new(),
        divisions: issuer.divisions.clone(),
        levels: issuer.levels.clone(),
    };
    Ok(app.engine.post_warning(&rights, parsed, body).await?)
}

/// A cancel binds by what it refers to; it may not even name its hazard.
fn may(issuer: &config::Issuer, content: &Content) -> bool {
    content.message_type == MessageType::Cancel || issuer.may(&content.hazard, content.level)
}

/// `POST /api/v1/drills`: the native JSON warning; whatever its `status`, it is a drill.
pub async fn start_drill(State(app): State<App>, caller: Caller, headers: HeaderMap, Raw(body): Raw) -> Result<Response, Problem> {
    let media = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
    let format = media.and_then(SourceFormat::from_content_type).filter(|(f, _)| *f == SourceFormat::Json);
    let (format, charset) = format.ok_or_else(|| Problem::unsupported_media("application/json", media))?;
    let parsed = ingest::read(format, charset, &body, caller.name())?;
    if let Some(own) = caller.bound_to() {
        let within = |shape: &Shape| matches!(shape, Shape::Division(d) if own.contains(*d));
        if !parsed.content.areas.iter().all(|a| within(&a.shape)) {
            return Err(Problem::forbidden(format!("this token is bound to division {own}: name divisions inside it as the drill's areas")));
        }
    }
    Ok(reply(app.engine.start_drill(caller.name(), parsed.content).await?))
}
