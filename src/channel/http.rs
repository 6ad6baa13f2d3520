//! The one HTTP client all providers share, and what a transport error means for the message.
//!
//! The line that matters: did anything leave? A connection that could not be made sent nothing and
//! may be tried again; once a request went out, silence means `Unknown`, never `failed`. So nothing
//! below the engine may repeat a request by itself: redirects and retries are off.

use crate::core::{send::Outcome, time::Span};
use serde::{Deserialize, Serialize};
use std::error::Error as _;

/// `[http]`-like settings of the shared client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClientSettings {
    /// How long making a connection (DNS, TCP, TLS) may take.
    pub connect_timeout: Span,
    /// The longest a whole request may take, unless the provider's own `request_timeout` is shorter.
    pub request_timeout: Span,
    /// Idle connections kept for one host.
    pub pool_idle_per_host: usize,
    /// An idle connection is closed by us after this, before the provider closes it under a request.
    pub pool_idle_timeout: Span,
}
impl Default for ClientSettings {
    fn default() -> Self {
        ClientSettings {
            connect_timeout: Span::secs(3),
            request_timeout: Span::secs(10),
            pool_idle_per_host: 256,
            pool_idle_timeout: Span::secs(15),
        }
    }
}

/// Builds the shared client: HTTP/1.1 with keep-alive, no redirects, no retries, no proxy from the
/// environment (a proxy would blur whether a request left).
#[expect(clippy::disallowed_methods, reason = "the one place where HTTP clients are made")]
pub fn client(settings: &ClientSettings) -> Result<reqwest::Client, String> {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .http1_only()
        .connect_timeout(settings.connect_timeout.to_std())
        .timeout(settings.request_timeout.to_std())
        .pool_max_idle_per_host(settings.pool_idle_per_host)
        .pool_idle_timeout(settings.pool_idle_timeout.to_std())
        .tcp_nodelay(true)
        .user_agent(concat!("jiaoying/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|e| format!("the HTTP client cannot be built: {}", reasons(&e)))
}

/// What a transport error makes of the message.
pub fn outcome_of(error: &reqwest::Error) -> Outcome {
    if error.is_connect() {
        return Outcome::Retryable { detail: format!("no connection was made, nothing was sent: {}", reasons(error)) };
    }
    if error.is_builder() {
        return Outcome::PermanentContent { detail: format!("the request could not be built: {}", reasons(error)) };
    }
    let what = if error.is_timeout() { "no reply in time" } else { "the connection was cut before a reply" };
    Outcome::Unknown { detail: format!("{what}, the request may have been taken: {}", reasons(error)) }
}

/// The chain of causes in one line. URLs are left out: they carry numbers.
pub fn reasons(error: &reqwest::Error) -> String {
    let mut text = match error.source() {
        Some(source) => source.to_string(),
        None if error.is_timeout() => "timed out".to_string(),
        None if error.is_connect() => "connection failed".to_string(),
        None => "transport error".to_string(),
    };
    let mut next = error.source().and_then(|s| s.source());
    while let Some(cause) = next {
        let line = cause.to_string();
        if !text.contains(&line) {
            text.push_str(": ");
            text.push_str(&line);
        }
        next = cause.source();
    }
    text
}

/// Reads a reply's body up to `limit` bytes; what is longer is cut, since no reply we read is long.
pub async fn body_up_to(mut response: reqwest::Response, limit: usize) -> Result<Vec<u8>, reqwest::Error> {
    let mut body = Vec::with_capacity(response.content_length().unwrap_or(256).min(limit as u64) as usize);
    while let Some(chunk) = response.chunk().await? {
        let room = limit.saturating_sub(body.len());
        body.extend(chunk.iter().take(room));
        if chunk.len() >= room {
            break;
        }
    }
    Ok(body)
}
