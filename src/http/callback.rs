//! What providers tell us: kept raw and durable first, answered at once in the provider's own way,
//! worked through by the engine afterwards. The secret in the path is checked here and logged nowhere.

use super::{
    error::Problem,
    extract::{Path, Raw},
    state::App,
};
use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

/// `POST /callbacks/{account}/{secret}`
pub async fn receive(
    State(app): State<App>,
    Path((account, secret)): Path<(String, String)>,
    headers: HeaderMap,
    Raw(body): Raw,
) -> Result<Response, Problem> {
    if !app.is_callback(&account, &secret) {
        // Which half is wrong stays ours; the account is told in the log only if it is one.
        tracing::warn!("a callback with a wrong account or secret was refused");
        return Err(Problem::not_found("no such path; see /openapi.json"));
    }
    let media = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
    let reply = app.engine.park_callback(&account, media, &body).await?;
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::OK);
    let mut response = (status, reply.body).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(reply.content_type));
    Ok(response)
}
