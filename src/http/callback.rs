//! What providers tell us: kept raw and durable first, answered at once in the provider's own way,
//! worked through by the engine afterwards. The secret in the path is checked here and logged nowhere.

use super::{
    error::Problem,
    extract::{Path, Raw},
    state::App,
};
use crate::engine::CallbackRequest;
use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};

/// `POST /callbacks/{account}/{secret}`
pub async fn receive(
    State(app): State<App>,
    Path((account, secret)): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
    Raw(body): Raw,
) -> Result<Response, Problem> {
    if !app.is_callback(&account, &secret) {
        // Which half is wrong stays ours; the account is told in the log only if it is one.
        tracing::warn!("a callback with a wrong account or secret was refused");
        return Err(Problem::not_found("no such path; see /openapi.json"));
    }
    let headers: Vec<(&str, &str)> = headers.iter().filter_map(|(k, v)| Some((k.as_str(), v.to_str().ok()?))).collect();
    let path_and_query = uri.path_and_query().map_or(uri.path(), |p| p.as_str());
    let request = CallbackRequest { path_and_query, headers: &headers, body: &body };
    let reply = match app.engine.take_callback(&account, &request).await {
        // As little is told of it as of a wrong secret.
        Err(crate::engine::ActError::NotFound(_)) => return Err(Problem::not_found("no such path; see /openapi.json")),
        reply => reply?,
    };
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::OK);
    let mut response = (status, reply.body).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(reply.content_type));
    Ok(response)
}
