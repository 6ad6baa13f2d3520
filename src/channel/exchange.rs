//! One request out, one reply back: what the vendors' callers share. Never repeats a request.

use super::http::{body_up_to, outcome_of, reasons};
use crate::core::{send::Outcome, time::Span};
use reqwest::{Request, Url, header::RETRY_AFTER};

/// No reply we read is longer, except a page of details.
const REPLY_LIMIT: usize = 256 * 1024;

/// What came back, whatever it says.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    /// From `Retry-After` in seconds.
    pub retry_after: Option<Span>,
    pub body: Vec<u8>,
}

/// Sends `request`. `Err` is the outcome of a request that brought no whole reply.
pub async fn exchange(client: &reqwest::Client, request: Request) -> Result<Reply, Outcome> {
    let response = client.execute(request).await.map_err(|e| outcome_of(&e))?;
    let status = response.status().as_u16();
    let retry_after = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.trim().parse::<u16>().ok())
        .map(|s| Span::secs(i64::from(s)));
    // The reply began, so the request was taken: a body that breaks off leaves its fate open.
    let body = body_up_to(response, REPLY_LIMIT)
        .await
        .map_err(|e| Outcome::Unknown { detail: format!("the reply (HTTP {status}) broke off: {}", reasons(&e)) })?;
    Ok(Reply { status, retry_after, body })
}

/// `host` or `host:port` as it stands in the `Host` header of requests to `url`.
pub fn host_of(url: &Url) -> String {
    match (url.host_str(), url.port()) {
        (Some(h), Some(p)) => format!("{h}:{p}"),
        (Some(h), None) => h.to_string(),
        (None, _) => String::new(),
    }
}

/// What an outcome says, for the record of a look-up that was not answered.
pub fn detail_of(outcome: Outcome) -> String {
    match outcome {
        Outcome::Accepted { provider_message_id } => provider_message_id,
        Outcome::Throttled { detail, .. }
        | Outcome::Retryable { detail }
        | Outcome::PermanentNumber { detail }
        | Outcome::PermanentContent { detail }
        | Outcome::Config { detail }
        | Outcome::Balance { detail }
        | Outcome::Unknown { detail } => detail,
    }
}

/// An endpoint as written in configuration: with or without scheme, no path, no query.
pub fn parse_endpoint(text: &str) -> Result<Url, String> {
    let text = text.trim();
    let full = if text.contains("://") { text.to_string() } else { format!("https://{text}") };
    let url = Url::parse(&full).map_err(|e| format!("endpoint: `{text}` is not a URL: {e}"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(format!("endpoint: `{text}` must begin with https:// (or http:// for a stand-in)"));
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
        return Err(format!("endpoint: `{text}` must be scheme, host and port only"));
    }
    Ok(url)
}
