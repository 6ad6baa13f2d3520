//! One signed RPC request to an Aliyun endpoint.

pub use crate::channel::exchange::parse_endpoint;

use super::errors;
use crate::channel::{
    Secret, WallClock,
    http::{self, body_up_to},
    sign::aliyun_acs3::{self as acs3, Key, Parts},
};
use crate::core::{send::Outcome, time::Span};
use reqwest::{
    Body, Method, Request, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName, HeaderValue},
};
use serde::Deserialize;
use std::{
    borrow::Cow,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// The only type a form is sent with.
const FORM: &str = "application/x-www-form-urlencoded";
/// Both products, SMS and voice, have this API version.
pub const VERSION: &str = "2017-05-25";
/// No reply we read is longer, except a page of send details (50 rows of at most 2 KiB).
const REPLY_LIMIT: usize = 256 * 1024;

/// Where and as whom to call.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Such as `https://dysmsapi.aliyuncs.com/`.
    pub url: String,
    pub access_key_id: String,
    pub access_key_secret: Secret,
    /// With temporary (STS) credentials.
    pub security_token: Option<Secret>,
    pub request_timeout: Span,
}

/// A ready caller of one endpoint with one key.
pub struct Rpc {
    client: reqwest::Client,
    url: Url,
    host: String,
    host_header: HeaderValue,
    access_key_id: String,
    key: Key,
    security_token: Option<(String, HeaderValue)>,
    timeout: Duration,
    clock: WallClock,
    /// The last `x-acs-date` made: it changes once a second, the requests do not.
    date: Mutex<(i64, Arc<str>, HeaderValue)>,
    nonce_seed: u64,
    nonce_counter: AtomicU64,
}

/// What came back, whatever it says.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    /// From `x-acs-retry-after`.
    pub retry_after: Option<Span>,
    pub body: Vec<u8>,
}

/// The fields every reply may have.
#[derive(Debug, Default, Deserialize)]
pub struct Envelope<'a> {
    #[serde(rename = "Code", borrow, default)]
    pub code: Cow<'a, str>,
    #[serde(rename = "Message", borrow, default)]
    pub message: Cow<'a, str>,
    #[serde(rename = "RequestId", borrow, default)]
    pub request_id: Cow<'a, str>,
    #[serde(rename = "BizId", borrow, default)]
    pub biz_id: Option<Cow<'a, str>>,
    #[serde(rename = "CallId", borrow, default)]
    pub call_id: Option<Cow<'a, str>>,
}

impl Rpc {
    /// `Err` says what is wrong with the endpoint or the key.
    pub fn new(client: reqwest::Client, endpoint: &Endpoint, clock: WallClock) -> Result<Rpc, String> {
        let url = parse_endpoint(&endpoint.url)?;
        let host = match (url.host_str(), url.port()) {
            (Some(h), Some(p)) => format!("{h}:{p}"),
            (Some(h), None) => h.to_string(),
            (None, _) => return Err(format!("endpoint: `{}` has no host", endpoint.url)),
        };
        let header = |text: &str, what: &str| {
            HeaderValue::from_str(text).map_err(|_| format!("{what}: cannot be sent in a header; check it for line breaks"))
        };
        let security_token = match &endpoint.security_token {
            None => None,
            Some(t) => {
                let mut value = header(t.reveal(), "security_token")?;
                value.set_sensitive(true);
                Some((t.reveal().to_string(), value))
            }
        };
        header(&endpoint.access_key_id, "access_key_id")?;
        let mut seed = [0; 8];
        #[expect(clippy::disallowed_methods, reason = "where the nonces of this account begin; a provider refuses a nonce it has seen")]
        getrandom::fill(&mut seed).map_err(|e| format!("the system gives no random numbers for nonces: {e}"))?;
        Ok(Rpc {
            client,
            host_header: header(&host, "endpoint")?,
            url,
            host,
            access_key_id: endpoint.access_key_id.clone(),
            key: Key::new(endpoint.access_key_secret.reveal()),
            security_token,
            timeout: endpoint.request_timeout.to_std(),
            clock,
            date: Mutex::new((i64::MIN, Arc::from(""), HeaderValue::from_static(""))),
            nonce_seed: u64::from_le_bytes(seed),
            nonce_counter: AtomicU64::new(0),
        })
    }

    /// Sends `action` with parameters in `query` (canonical: sorted, encoded), as the official SDK
    /// does. `Err` is the outcome of a request that brought no readable reply.
    pub async fn call(&self, action: &'static str, query: &str) -> Result<Reply, Outcome> {
        self.call_with(action, query, None).await
    }

    /// The same with parameters in a form as well, which is signed with its hash.
    pub async fn call_with(&self, action: &'static str, query: &str, form: Option<String>) -> Result<Reply, Outcome> {
        let request = self.request(action, query, form)?;
        let response = self.client.execute(request).await.map_err(|e| http::outcome_of(&e))?;
        let status = response.status().as_u16();
        let retry_after = response
            .headers()
            .get("x-acs-retry-after")
            .and_then(|v| v.to_str().ok())
            .and_then(|v| v.trim().parse::<u32>().ok())
            .map(|ms| Span::ms(i64::from(ms)));
        // The reply began, so the request was taken: a body that breaks off leaves its fate open.
        let body = body_up_to(response, REPLY_LIMIT)
            .await
            .map_err(|e| Outcome::Unknown { detail: format!("the reply (HTTP {status}) broke off: {}", http::reasons(&e)) })?;
        Ok(Reply { status, retry_after, body })
    }

    fn request(&self, action: &'static str, query: &str, form: Option<String>) -> Result<Request, Outcome> {
        let (date, date_header) = self.date();
        let nonce = self.nonce();
        let signed = acs3::sign(
            &self.key,
            &self.access_key_id,
            &Parts {
                host: &self.host,
                action,
                version: VERSION,
                date: &date,
                nonce: &nonce,
                query,
                body: form.as_deref().unwrap_or_default().as_bytes(),
                content_type: form.as_ref().map(|_| FORM),
                security_token: self.security_token.as_ref().map(|(t, _)| t.as_str()),
            },
        );
        let unfit = |what: &str| Outcome::Config { detail: format!("{what} cannot be sent in a header") };
        let mut authorization = HeaderValue::try_from(signed.authorization).map_err(|_| unfit("access_key_id"))?;
        authorization.set_sensitive(true);
        let mut url = self.url.clone();
        url.set_query(Some(query));
        let mut request = Request::new(Method::POST, url);
        *request.timeout_mut() = Some(self.timeout);
        let headers = request.headers_mut();
        headers.reserve(10);
        let hash = HeaderValue::from_str(&signed.content_sha256).map_err(|_| unfit("the hash of the body"))?;
        headers.insert(HOST, self.host_header.clone());
        headers.insert(HeaderName::from_static("x-acs-action"), HeaderValue::from_static(action));
        headers.insert(HeaderName::from_static("x-acs-version"), HeaderValue::from_static(VERSION));
        headers.insert(HeaderName::from_static("x-acs-date"), date_header);
        headers.insert(HeaderName::from_static("x-acs-signature-nonce"), HeaderValue::try_from(nonce).map_err(|_| unfit("the nonce"))?);
        headers.insert(HeaderName::from_static("x-acs-content-sha256"), hash);
        if let Some(form) = form {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(FORM));
            *request.body_mut() = Some(Body::from(form));
        }
        let headers = request.headers_mut();
        if let Some((_, token)) = &self.security_token {
            headers.insert(HeaderName::from_static("x-acs-security-token"), token.clone());
        }
        headers.insert(AUTHORIZATION, authorization);
        Ok(request)
    }

    /// The date text and header of this second.
    fn date(&self) -> (Arc<str>, HeaderValue) {
        let ms = (self.clock)();
        let second = ms.div_euclid(1000);
        let mut kept = self.date.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.0 != second {
            let text = acs3::date(ms);
            let header = HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("1970-01-01T00:00:00Z"));
            *kept = (second, Arc::from(text), header);
        }
        (kept.1.clone(), kept.2.clone())
    }

    /// Never the same twice: a random number of this process beside a counter.
    fn nonce(&self) -> String {
        format!("{:016x}{:016x}", self.nonce_seed, self.nonce_counter.fetch_add(1, Ordering::Relaxed))
    }
}

impl Reply {
    /// The envelope; `None` when the body is not Aliyun's JSON.
    pub fn envelope(&self) -> Option<Envelope<'_>> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The outcome of a send: accepted with the id that `id_of` finds, or classed by `class_of`
    /// (the product's table) and then by the gateway's own.
    pub fn outcome(
        &self,
        id_of: impl FnOnce(&Envelope<'_>) -> Option<String>,
        class_of: impl FnOnce(&errors::Refusal<'_>) -> Option<Outcome>,
    ) -> Outcome {
        let Some(e) = self.envelope().filter(|e| !e.code.is_empty()) else {
            return errors::without_code(self.status, self.retry_after);
        };
        if self.status == 200 && e.code == "OK" {
            return match id_of(&e) {
                Some(provider_message_id) => Outcome::Accepted { provider_message_id },
                None => Outcome::Unknown { detail: format!("accepted without an id (RequestId {})", e.request_id) },
            };
        }
        let refusal = errors::Refusal { status: self.status, code: &e.code, message: &e.message, retry_after: self.retry_after };
        class_of(&refusal).unwrap_or_else(|| errors::common(&refusal))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_read_as_operators_write_them() {
        assert_eq!(parse_endpoint("dysmsapi.aliyuncs.com").unwrap().as_str(), "https://dysmsapi.aliyuncs.com/");
        assert_eq!(parse_endpoint("http://127.0.0.1:8100").unwrap().as_str(), "http://127.0.0.1:8100/");
        for bad in ["", "ftp://a", "https://a.example/path", "https://a.example/?x=1", "https://u@a.example"] {
            assert!(parse_endpoint(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn no_two_requests_share_a_nonce_and_the_date_follows_the_clock() {
        let endpoint = Endpoint {
            url: "http://127.0.0.1:1".into(),
            access_key_id: "ak".into(),
            access_key_secret: Secret::new("sk"),
            security_token: None,
            request_timeout: Span::secs(1),
        };
        let client = http::client(&Default::default()).unwrap();
        let ms = Arc::new(std::sync::atomic::AtomicI64::new(0));
        let clock = ms.clone();
        let rpc = Rpc::new(client, &endpoint, Arc::new(move || clock.load(Ordering::Relaxed))).unwrap();
        let nonces: std::collections::BTreeSet<String> = (0..1000).map(|_| rpc.nonce()).collect();
        assert_eq!(nonces.len(), 1000);
        assert_eq!(&*rpc.date().0, "1970-01-01T00:00:00Z");
        ms.store(1_698_315_752_000, Ordering::Relaxed);
        assert_eq!(&*rpc.date().0, "2023-10-26T10:22:32Z");
        let request = rpc.request("SendSms", "A=%20%2A~", None).unwrap();
        assert_eq!(request.url().query(), Some("A=%20%2A~"));
        assert_eq!(request.headers()["host"], "127.0.0.1:1");
    }
}
