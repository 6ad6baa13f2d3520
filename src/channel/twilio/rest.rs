//! Requests to Twilio's REST interface: a form out, a resource or an error back.

use super::{Credentials, callback::rfc2822, errors};
use crate::channel::{
    exchange::{Reply, detail_of, exchange, parse_endpoint},
    refusal::{Refusal, without_code},
};
use crate::core::{
    send::Outcome,
    time::{Span, Time},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::{
    Body, Method, Request, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue},
};
use serde_json::Value;
use std::time::Duration;

/// Rows of a list; more do not go to one number within the minutes that matter.
const PAGE: usize = 50;
/// How far Twilio's clock may be from ours.
const CLOCKS: Span = Span::secs(5);

/// A ready caller of one account.
pub struct Rest {
    client: reqwest::Client,
    url: Url,
    account_sid: String,
    authorization: HeaderValue,
    timeout: Span,
}

impl Rest {
    /// `Err` says what is wrong with the endpoint or the credentials.
    pub fn new(client: reqwest::Client, endpoint: &str, c: &Credentials, timeout: Span) -> Result<Rest, String> {
        let url = parse_endpoint(endpoint)?;
        let (user, password) = match &c.api_key {
            Some((sid, secret)) => (sid.as_str(), secret.reveal()),
            None => (c.account_sid.as_str(), c.auth_token.reveal()),
        };
        let basic = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
        let mut authorization = HeaderValue::try_from(basic).map_err(|_| "auth_token: cannot be sent in a header".to_string())?;
        authorization.set_sensitive(true);
        Ok(Rest { client, url, account_sid: c.account_sid.clone(), authorization, timeout })
    }

    fn request(&self, method: Method, resource: &str) -> Request {
        let mut url = self.url.clone();
        url.set_path(&format!("/2010-04-01/Accounts/{}/{resource}.json", self.account_sid));
        let mut request = Request::new(method, url);
        let timeout: Duration = self.timeout.to_std();
        *request.timeout_mut() = Some(timeout);
        request.headers_mut().insert(AUTHORIZATION, self.authorization.clone());
        request
    }

    /// Makes a resource (`Messages`, `Calls`) of these fields.
    pub async fn create(&self, resource: &str, fields: &[(&str, &str)]) -> Outcome {
        let mut request = self.request(Method::POST, resource);
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        *request.body_mut() = Some(Body::from(form));
        match exchange(&self.client, request).await {
            Ok(reply) => created(&reply),
            Err(outcome) => outcome,
        }
    }

    /// The one resource made for `to` when a request left at `sent`: newest first, by the time of its making.
    pub async fn made(&self, resource: &str, to: &str, sent: Time) -> Result<Option<Value>, String> {
        let mut request = self.request(Method::GET, resource);
        request.url_mut().query_pairs_mut().append_pair("To", to).append_pair("PageSize", &PAGE.to_string());
        let reply = exchange(&self.client, request).await.map_err(detail_of)?;
        let Ok(mut body) = serde_json::from_slice::<Value>(&reply.body) else {
            return Err(detail_of(without_code(reply.status, reply.retry_after)));
        };
        if reply.status != 200 {
            return Err(detail_of(refused(&reply, &body)));
        }
        let rows = match body[resource.to_ascii_lowercase()].take() {
            Value::Array(rows) => rows,
            _ => return Err(format!("a reply without a list of {resource}")),
        };
        let within = (sent.0 - CLOCKS.0)..=(sent + self.timeout + CLOCKS).0;
        let mut near = rows.into_iter().filter(|r| {
            let ours = r["direction"].as_str().is_none_or(|d| d.starts_with("outbound"));
            ours && r["date_created"].as_str().and_then(rfc2822).is_some_and(|t| within.contains(&t.0))
        });
        match (near.next(), near.count()) {
            (found, 0) => Ok(found),
            (_, more) => Err(format!("{} were made for this number at that moment, and none carries our reference", more + 1)),
        }
    }
}

fn created(reply: &Reply) -> Outcome {
    let Ok(body) = serde_json::from_slice::<Value>(&reply.body) else { return without_code(reply.status, reply.retry_after) };
    if !(200..300).contains(&reply.status) {
        return refused(reply, &body);
    }
    let failed = matches!(body["status"].as_str(), Some("failed" | "undelivered"));
    match body["sid"].as_str() {
        Some(_) if failed => errors::classify(&Refusal {
            status: reply.status,
            code: &number_or_text(&body["error_code"]),
            message: body["error_message"].as_str().unwrap_or_default(),
            retry_after: None,
        }),
        Some(sid) if !sid.is_empty() => Outcome::Accepted { provider_message_id: sid.to_string() },
        _ => Outcome::Unknown { detail: format!("HTTP {} without a sid", reply.status) },
    }
}

fn refused(reply: &Reply, body: &Value) -> Outcome {
    let code = number_or_text(&body["code"]);
    if code.is_empty() {
        return without_code(reply.status, reply.retry_after);
    }
    let message = body["message"].as_str().unwrap_or_default();
    errors::classify(&Refusal { status: reply.status, code: &code, message, retry_after: reply.retry_after })
}

/// A code, which some pages show as a number and some as text.
pub fn number_or_text(value: &Value) -> String {
    match value {
        Value::Number(n) => n.to_string(),
        Value::String(s) => s.clone(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, body: &str) -> Outcome {
        created(&Reply { status, retry_after: None, body: body.into() })
    }

    #[test]
    fn what_was_made_is_accepted_and_what_was_refused_is_classed() {
        assert_eq!(
            of(201, r#"{"sid":"SM1","status":"queued","error_code":null}"#),
            Outcome::Accepted { provider_message_id: "SM1".into() }
        );
        assert_eq!(of(201, r#"{"sid":"SM1","status":"failed","error_code":30005}"#).class(), "permanent_number");
        assert_eq!(of(400, r#"{"code":21211,"message":"invalid","status":400}"#).class(), "permanent_number");
        assert_eq!(of(401, r#"{"code":20003,"message":"Authenticate","status":401}"#).class(), "config");
        assert_eq!(of(201, "{}").class(), "unknown");
        assert_eq!(of(502, "<html>").class(), "unknown");
        assert_eq!(of(503, "{}").class(), "retryable");
    }
}
