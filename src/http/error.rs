//! What went wrong, told as RFC 9457 problem details. The one place where statuses are chosen.

use crate::{
    core::{
        time::Span,
        warning::{FieldError, Refusal},
    },
    store::StoreError,
};
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

/// A refusal or failure on its way out. `kind` is a stable word for programs.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    pub status: StatusCode,
    /// The last part of `type`: `urn:jiaoying:problem:<kind>`.
    pub kind: &'static str,
    pub title: &'static str,
    pub detail: String,
    pub errors: Vec<FieldError>,
    /// Sent as `Retry-After`, whole seconds, at least 1.
    pub retry_after: Option<Span>,
    /// Sent as `WWW-Authenticate`: how to sign in.
    pub challenge: Option<&'static str>,
}

/// For programs.
pub const BEARER: &str = "Bearer realm=\"jiaoying\"";
/// For browsers on pages: user is the token's name, the password its secret.
pub const BASIC: &str = "Basic realm=\"jiaoying\", charset=\"UTF-8\"";

impl Problem {
    fn new(status: StatusCode, kind: &'static str, title: &'static str, detail: impl Into<String>) -> Problem {
        Problem { status, kind, title, detail: detail.into(), errors: Vec::new(), retry_after: None, challenge: None }
    }
    /// 400: the request itself cannot be read.
    pub fn malformed(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, "malformed", "The request cannot be read", detail)
    }
    /// 401
    pub fn unauthorized(detail: impl Into<String>) -> Problem {
        let mut p = Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", "Sign in first", detail);
        p.challenge = Some(BEARER);
        p
    }
    /// 403
    pub fn forbidden(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::FORBIDDEN, "forbidden", "Not yours to do", detail)
    }
    /// 404
    pub fn not_found(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, "not-found", "There is no such thing", detail)
    }
    /// 405
    pub fn method_not_allowed() -> Problem {
        Problem::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method-not-allowed",
            "This path has no such method",
            "see /openapi.json for the methods of each path",
        )
    }
    /// 409
    pub fn conflict(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::CONFLICT, "conflict", "It stands otherwise already", detail)
    }
    /// 412: what the caller saw is not what stands there now.
    pub fn changed(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::PRECONDITION_FAILED, "changed-meanwhile", "It was changed meanwhile", detail)
    }
    /// 413
    pub fn too_large(limit: usize) -> Problem {
        let detail = format!("the body may hold at most {limit} bytes");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The body is too large", detail)
    }
    /// 415
    pub fn unsupported_media(wanted: &str, got: Option<&str>) -> Problem {
        let got = got.map(|g| format!("`{}`", g.chars().take(80).collect::<String>())).unwrap_or_else(|| "none".into());
        Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported-media-type",
            "This Content-Type is not read here",
            format!("send {wanted}; the Content-Type was {got}"),
        )
    }
    /// 422: read, but these fields are missing, misspelt or impossible.
    pub fn invalid(errors: Vec<FieldError>) -> Problem {
        let detail = match errors.as_slice() {
            [one] => format!("{}: {}", one.pointer, one.detail),
            many => format!("{} fields are at fault", many.len()),
        };
        Problem { errors, ..Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", "Some fields are at fault", detail) }
    }
    /// 422 for one field.
    pub fn field(pointer: &str, detail: impl Into<String>) -> Problem {
        Problem::invalid(vec![FieldError { pointer: pointer.to_string(), detail: detail.into() }])
    }
    /// 429
    pub fn too_many(after: Span) -> Problem {
        let mut p = Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too-many-requests",
            "Too many requests",
            format!("this issuer's rate is used up; come back after {after}"),
        );
        p.retry_after = Some(after);
        p
    }
    /// 503: nothing was kept; the same request may be sent again.
    pub fn unavailable(detail: impl Into<String>) -> Problem {
        let mut p = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Cannot be made durable now", detail);
        p.retry_after = Some(Span::secs(2));
        p
    }
    /// 500
    pub fn internal() -> Problem {
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "The gateway failed",
            "the fault is in the gateway's log; sending again may help",
        )
    }

    fn body(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Body<'a> {
            r#type: String,
            title: &'a str,
            status: u16,
            detail: &'a str,
            #[serde(skip_serializing_if = "<[_]>::is_empty")]
            errors: &'a [FieldError],
        }
        let body = Body {
            r#type: format!("urn:jiaoying:problem:{}", self.kind),
            title: self.title,
            status: self.status.as_u16(),
            detail: &self.detail,
            errors: &self.errors,
        };
        serde_json::to_vec(&body).unwrap_or_default()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.body()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(after) = self.retry_after {
            let seconds = (after.0.max(0) as u64).div_ceil(1000).max(1);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(challenge) = self.challenge {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        // For the layers outside: what is refused is recorded, pages show it in Chinese.
        response.extensions_mut().insert(self);
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Problem {
        match &error {
            StoreError::Unavailable(_) | StoreError::InUse(_) | StoreError::Newer(_) => {
                tracing::warn!(%error, "the store is not available");
                Problem::unavailable("the store cannot make this durable now; nothing was kept")
            }
            StoreError::Corrupt(_) => {
                tracing::error!(%error, "the store holds what cannot be read");
                Problem::internal()
            }
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Problem {
        match refusal {
            Refusal::Malformed(detail) => Problem::malformed(detail),
            Refusal::Unproven(detail) => Problem::forbidden(detail),
            Refusal::Invalid(errors) => Problem::invalid(errors),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_says_type_title_status_detail_and_the_fields_at_fault() {
        let p = Problem::field("/areas/0/division", "`x` is not a division code");
        let json: serde_json::Value = serde_json::from_slice(&p.body()).unwrap();
        assert_eq!(json["type"], "urn:jiaoying:problem:invalid");
        assert_eq!(json["status"], 422);
        assert_eq!(json["errors"][0]["pointer"], "/areas/0/division");
        assert_eq!(json["detail"], "/areas/0/division: `x` is not a division code");
        let response = p.into_response();
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
    }

    #[test]
    fn come_back_later_says_when() {
        assert_eq!(Problem::too_many(Span::ms(1200)).into_response().headers()[header::RETRY_AFTER], "2");
        assert_eq!(Problem::from(StoreError::Unavailable("disk full".into())).into_response().headers()[header::RETRY_AFTER], "2");
    }
}
