//! One signed request to a Tencent endpoint.

use crate::channel::{
    Secret, WallClock,
    exchange::{exchange, host_of, parse_endpoint},
    refusal::{Refusal, without_code},
    sign::tencent_tc3::{self as tc3, Parts},
};
use crate::core::{send::Outcome, time::Span};
use reqwest::{
    Body, Method, Request, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName, HeaderValue},
};
use serde_json::Value;
use std::time::Duration;

const JSON: &str = "application/json";

/// Where and as whom to call.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Such as `https://sms.tencentcloudapi.com`.
    pub url: String,
    /// `sms` or `vms`: part of the signature's scope.
    pub service: &'static str,
    /// `X-TC-Version`.
    pub version: &'static str,
    pub region: String,
    pub secret_id: String,
    pub secret_key: Secret,
    /// With temporary credentials.
    pub token: Option<Secret>,
    pub request_timeout: Span,
}

/// A ready caller of one endpoint with one key.
pub struct Rpc {
    client: reqwest::Client,
    url: Url,
    host: String,
    endpoint: Endpoint,
    timeout: Duration,
    clock: WallClock,
}

/// What came back: the `Response` object, or its error.
#[derive(Debug)]
pub enum RpcReply {
    Data(Value),
    Error { status: u16, code: String, message: String },
}

impl Rpc {
    /// `Err` says what is wrong with the endpoint or the key.
    pub fn new(client: reqwest::Client, endpoint: Endpoint, clock: WallClock) -> Result<Rpc, String> {
        let url = parse_endpoint(&endpoint.url)?;
        let host = host_of(&url);
        for (key, text) in [("secret_id", endpoint.secret_id.as_str()), ("region", &endpoint.region), ("endpoint", &host)] {
            HeaderValue::from_str(text).map_err(|_| format!("{key}: cannot be sent in a header; check it for line breaks"))?;
        }
        Ok(Rpc { client, url, host, timeout: endpoint.request_timeout.to_std(), endpoint, clock })
    }

    /// Sends `action` with `body`. `Err` is the outcome of a request that brought no readable reply.
    pub async fn call(&self, action: &'static str, body: &Value) -> Result<RpcReply, Outcome> {
        let request = self.request(action, body.to_string())?;
        let reply = exchange(&self.client, request).await?;
        let mut whole: Value = serde_json::from_slice(&reply.body).unwrap_or(Value::Null);
        let response = match whole.get_mut("Response") {
            Some(r @ Value::Object(_)) => r.take(),
            _ => return Err(without_code(reply.status, reply.retry_after)),
        };
        let text = |key: &str| response["Error"][key].as_str().unwrap_or_default().to_string();
        match response.get("Error") {
            Some(_) => Ok(RpcReply::Error { status: reply.status, code: text("Code"), message: text("Message") }),
            None if reply.status == 200 => Ok(RpcReply::Data(response)),
            None => Err(without_code(reply.status, reply.retry_after)),
        }
    }

    fn request(&self, action: &'static str, body: String) -> Result<Request, Outcome> {
        let e = &self.endpoint;
        let timestamp = (self.clock)().div_euclid(1000);
        let parts = Parts { service: e.service, host: &self.host, content_type: JSON, timestamp, body: body.as_bytes() };
        let authorization = tc3::sign(&e.secret_id, e.secret_key.reveal(), &parts);
        let mut request = Request::new(Method::POST, self.url.clone());
        *request.timeout_mut() = Some(self.timeout);
        let value = |text: &str, sensitive: bool| {
            let unfit = |_| Outcome::Config { detail: "a setting cannot be sent in a header; check it for line breaks".into() };
            HeaderValue::from_str(text).map_err(unfit).map(|mut v| {
                v.set_sensitive(sensitive);
                v
            })
        };
        let headers = request.headers_mut();
        headers.insert(HOST, value(&self.host, false)?);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
        headers.insert(HeaderName::from_static("x-tc-action"), HeaderValue::from_static(action));
        headers.insert(HeaderName::from_static("x-tc-version"), HeaderValue::from_static(e.version));
        headers.insert(HeaderName::from_static("x-tc-timestamp"), HeaderValue::from(timestamp));
        headers.insert(HeaderName::from_static("x-tc-region"), value(&e.region, false)?);
        if let Some(token) = &e.token {
            headers.insert(HeaderName::from_static("x-tc-token"), value(token.reveal(), true)?);
        }
        headers.insert(AUTHORIZATION, value(&authorization, true)?);
        *request.body_mut() = Some(Body::from(body));
        Ok(request)
    }
}

/// The outcome of a code: the product's table first, then the gateway's.
pub fn outcome_of(status: u16, code: &str, message: &str, class_of: impl FnOnce(&Refusal<'_>) -> Option<Outcome>) -> Outcome {
    let refusal = Refusal { status, code, message, retry_after: None };
    class_of(&refusal).unwrap_or_else(|| super::errors::common(&refusal))
}
