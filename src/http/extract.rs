//! Reading requests: bodies, queries and path parameters, each refusal a [`Problem`].

use super::{auth::read_body, error::Problem};
use crate::core::warning::FieldError;
use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderMap, header, request::Parts},
};
use serde::de::DeserializeOwned;

/// The media type of a body, without its parameters, in lower case.
pub fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

/// How long a body may be on this route; put there by the router from the operations table.
#[derive(Clone, Copy)]
pub struct Limit(pub usize);

/// The bytes of a body, within the route's limit.
pub struct Raw(pub Bytes);
impl<S: Send + Sync> FromRequest<S> for Raw {
    type Rejection = Problem;
    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let limit = request.extensions().get::<Limit>().map_or(super::operations::BODY_LIMIT, |l| l.0);
        read_body(request.into_body(), limit).await.map(Raw)
    }
}

/// A JSON body. 415 by its type, 400 where it is not JSON, 422 with a pointer where a field is
/// missing, misspelt or of the wrong kind.
pub struct Json<T>(pub T);
impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;
    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let media = media_type(request.headers());
        if media.as_deref() != Some("application/json") {
            return Err(Problem::unsupported_media("application/json", media.as_deref()));
        }
        let Raw(body) = Raw::from_request(request, state).await?;
        parse_json(&body).map(Json)
    }
}

/// See [`Json`].
pub fn parse_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let mut de = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut de).map_err(|e| {
        let inner = e.inner();
        if !inner.is_data() {
            return Problem::malformed(format!("not JSON: {inner}"));
        }
        // serde_json adds its line and column; the pointer says it better.
        let text = inner.to_string();
        let detail = text.split(" at line ").next().unwrap_or(&text).to_string();
        Problem::field(&pointer(e.path(), &detail), detail)
    })?;
    de.end().map_err(|e| Problem::malformed(format!("not JSON: {e}")))?;
    Ok(value)
}

/// A JSON pointer to the field at fault. For a missing or unknown field serde's path ends at the
/// object around it, or names the unknown key; the message has the name in any case.
fn pointer(path: &serde_path_to_error::Path, detail: &str) -> String {
    use serde_path_to_error::Segment;
    let mut out = String::new();
    let mut last = None;
    for segment in path.iter() {
        let name = match segment {
            Segment::Seq { index } => index.to_string(),
            Segment::Map { key } => key.replace('~', "~0").replace('/', "~1"),
            Segment::Enum { variant } => variant.clone(),
            Segment::Unknown => continue,
        };
        out.push('/');
        out.push_str(&name);
        last = Some(name);
    }
    let named = ["missing field `", "unknown field `"].iter().find_map(|p| detail.strip_prefix(p)).and_then(|r| r.split('`').next());
    if let Some(name) = named.filter(|n| last.as_deref() != Some(n)) {
        out.push('/');
        out.push_str(name);
    }
    out
}

/// Query parameters; an unknown or unreadable one is refused by name.
pub struct Query<T>(pub T);
impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        axum::extract::Query::<T>::from_request_parts(parts, state)
            .await
            .map(|q| Query(q.0))
            .map_err(|e| Problem::malformed(format!("in the query: {}", e.body_text())))
    }
}

/// Path parameters; one that cannot be an id is simply not there (404).
pub struct Path<T>(pub T);
impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        axum::extract::Path::<T>::from_request_parts(parts, state)
            .await
            .map(|p| Path(p.0))
            .map_err(|_| Problem::not_found("the path names nothing that exists"))
    }
}

/// One fault in a form or body, for handlers that check by hand.
pub fn fault(pointer: &str, detail: impl Into<String>) -> FieldError {
    FieldError { pointer: pointer.to_string(), detail: detail.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        #[allow(dead_code)]
        reason: String,
        #[serde(default)]
        #[allow(dead_code)]
        rows: Vec<Row>,
    }
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Row {
        #[allow(dead_code)]
        what: u8,
    }

    fn fault_of(body: &str) -> (u16, String) {
        let p = parse_json::<Outer>(body.as_bytes()).unwrap_err();
        (p.status.as_u16(), p.errors.first().map(|e| e.pointer.clone()).unwrap_or_default())
    }

    #[test]
    fn the_field_at_fault_is_pointed_to() {
        assert_eq!(fault_of(r#"{"reson":"x"}"#), (422, "/reson".into()));
        assert_eq!(fault_of(r#"{}"#), (422, "/reason".into()));
        assert_eq!(fault_of(r#"{"reason":1}"#), (422, "/reason".into()));
        assert_eq!(fault_of(r#"{"reason":"x","rows":[{"what":1},{"what":"y"}]}"#), (422, "/rows/1/what".into()));
        assert_eq!(fault_of(r#"{"reason":"x","rows":[{"whit":1}]}"#), (422, "/rows/0/whit".into()));
        assert_eq!(fault_of(r#"{"reason":"#), (400, String::new()));
        assert_eq!(fault_of(r#"{"reason":"x"} trailing"#), (400, String::new()));
    }
}
