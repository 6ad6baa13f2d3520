//! HTTP in: signature first, then the product's own handler; and the stand-in's own window
//! (`/_standin/…`) for those who count.

use super::{
    Shared, carrier, huawei,
    listener::{Cut, CuttableListener},
    robots, sms, tencent, twilio, voice,
};
use crate::channel::sign::aliyun_acs3::{self as acs3, Received};
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{ConnectInfo, Query, Request, State},
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    borrow::Cow,
    fmt::Write,
    sync::{Arc, atomic::Ordering},
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

const BODY_LIMIT: usize = 2 * 1024 * 1024;

/// What a handler decided.
pub(super) enum Answer {
    /// HTTP status, whole JSON body.
    Json(u16, String),
    /// HTTP status, type, whole body.
    Bytes(u16, &'static str, Vec<u8>),
    /// The connection closes without a reply.
    Cut,
}

/// A request's parameters, undecoded, from query and form body.
pub(super) struct Params<'a>(Vec<(&'a str, &'a str)>);
impl<'a> Params<'a> {
    fn new(query: &'a str, form: &'a str) -> Params<'a> {
        let mut all = Vec::with_capacity(12);
        all.extend(acs3::pairs(query));
        all.extend(acs3::pairs(form));
        Params(all)
    }
    /// The decoded value; empty counts as absent.
    pub fn get(&self, key: &str) -> Option<Cow<'a, str>> {
        self.0.iter().find(|(k, v)| *k == key && !v.is_empty()).map(|(_, v)| acs3::decode(v))
    }
}

pub(super) async fn run(shared: Arc<Shared>, listener: TcpListener, cancel: CancellationToken) {
    let app = Router::new()
        .route("/_standin/counts", get(|State(s): State<Arc<Shared>>| async move { axum::Json(counts(&s)) }))
        .route("/_standin/sent", get(sent))
        .route(
            "/_standin/told",
            get(|State(s): State<Arc<Shared>>| async move { axum::Json([s.pusher.told(), s.courier.told()].concat()) }),
        )
        .route("/_standin/groups", get(|State(s): State<Arc<Shared>>| async move { axum::Json(s.groups.told()) }))
        .route("/_standin/log", get(log))
        .fallback(handle)
        .with_state(shared);
    let service = app.into_make_service_with_connect_info::<Cut>();
    let serving = axum::serve(CuttableListener(listener), service).with_graceful_shutdown(cancel.clone().cancelled_owned());
    let hard_stop = async {
        cancel.cancelled().await;
        // A request under way may still be answered; a slow one is not waited for.
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    };
    tokio::select! {
        biased;
        result = serving => {
            if let Err(e) = result {
                tracing::error!("the stand-in stopped serving: {e}");
            }
        }
        () = hard_stop => {}
    }
}

async fn handle(State(s): State<Arc<Shared>>, ConnectInfo(cut): ConnectInfo<Cut>, request: Request) -> Response {
    Shared::count(&s.tallies.requests);
    let (parts, body) = request.into_parts();
    let empty =
        parts.headers.get(header::CONTENT_LENGTH).is_none_or(|v| v == "0") && !parts.headers.contains_key(header::TRANSFER_ENCODING);
    let body = if empty {
        Default::default()
    } else {
        match to_bytes(body, BODY_LIMIT).await {
            Ok(b) => b,
            Err(_) => return json_response(413, error_body(&s, "RequestTooLarge", "The request is too large.")),
        }
    };
    if let Some(capture) = &s.capture {
        capture.write(&parts, &body).await;
    }
    let aliyuns =
        !(robots::is_for(&parts) || carrier::is_for(&parts) || twilio::is_for(&parts) || huawei::is_for(&parts) || tencent::is_for(&parts));
    let answer = if robots::is_for(&parts) {
        robots::handle(&s, &parts, &body).await
    } else if twilio::is_for(&parts) {
        twilio::handle(&s, &parts, &body).await
    } else if carrier::is_for(&parts) {
        carrier::handle(&s, &parts, &body).await
    } else if huawei::is_for(&parts) {
        huawei::handle(&s, &parts, &body).await
    } else if tencent::is_for(&parts) {
        tencent::handle(&s, &parts, &body).await
    } else {
        aliyun(&s, &parts, &body).await
    };
    match answer {
        Answer::Json(status, body) if aliyuns => json_response(status, body),
        Answer::Json(status, body) => {
            let mut response = json_response(status, body);
            // Without a charset: Tencent's SDK looks for errors in replies of just this type.
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        }
        Answer::Bytes(status, kind, body) => {
            let mut response = Response::new(Body::from(body));
            *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
            response
        }
        Answer::Cut => {
            cut.cut();
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn aliyun(s: &Shared, parts: &Parts, body: &[u8]) -> Answer {
    let query = parts.uri.query().unwrap_or_default();
    let received = Received { method: parts.method.as_str(), path: parts.uri.path(), query, headers: &parts.headers, body };
    let key_of = |id: &str| (id == s.settings.access_key_id).then_some(&s.key);
    let refusal = match acs3::verify(&received, key_of, (s.now)()) {
        Err(refusal) => Some(refusal.reply()),
        Ok(nonce) if !s.nonces.is_new(nonce) => Some((400, "SignatureNonceUsed", "Specified signature nonce was used already.")),
        Ok(_) => None,
    };
    if let Some((status, code, message)) = refusal {
        Shared::count(&s.tallies.bad_signature);
        return Answer::Json(status, error_body(s, code, message));
    }
    let form = match parts.headers.get(header::CONTENT_TYPE).map(|v| v.as_bytes()) {
        Some(t) if t.starts_with(b"application/x-www-form-urlencoded") => std::str::from_utf8(body).unwrap_or_default(),
        _ => "",
    };
    let params = Params::new(query, form);
    let action = parts.headers.get("x-acs-action").and_then(|v| v.to_str().ok()).unwrap_or_default();
    match action {
        _ if parts.headers.get("x-acs-version").is_none_or(|v| v != "2017-05-25") => {
            Answer::Json(400, error_body(s, "InvalidVersion", "Specified parameter Version is not valid."))
        }
        "SendSms" => sms::send(s, &params).await,
        "SendBatchSms" => sms::send_batch(s, &params).await,
        "QuerySendDetails" => sms::query(s, &params),
        "IvrCall" => voice::ivr_call(s, &params).await,
        "SingleCallByTts" => voice::single_call(s, &params).await,
        "QueryCallDetailByCallId" => voice::query(s, &params),
        _ => Answer::Json(404, error_body(s, "InvalidAction.NotFound", "Specified api is not found, please check your url and method.")),
    }
}

fn json_response(status: u16, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json;charset=utf-8"));
    response
}

/// `{"RequestId", "Code": "OK", "Message": "OK", KEY: VALUE}`; the value is ours and needs no escaping.
pub(super) fn ok_body(s: &Shared, key: &str, value: &str) -> String {
    let mut out = String::with_capacity(160);
    request_id(s, &mut out);
    let _ = write!(out, r#","Code":"OK","Message":"OK","{key}":"{value}"}}"#);
    out
}
/// A refusal; `code` and `message` are ours and need no escaping.
pub(super) fn error_body(s: &Shared, code: &str, message: &str) -> String {
    let mut out = String::with_capacity(200);
    request_id(s, &mut out);
    let _ = write!(out, r#","HostId":"standin","Code":"{code}","Message":"{message}"}}"#);
    out
}
/// Business errors come with HTTP 200.
pub(super) fn business(s: &Shared, code: &str, message: &str) -> Answer {
    Shared::count(&s.tallies.rejected);
    Answer::Json(200, error_body(s, code, message))
}
/// Opens the object with a RequestId in Aliyun's form.
fn request_id(s: &Shared, out: &mut String) {
    let n = s.tallies.requests.load(Ordering::Relaxed);
    let m = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let _ = write!(
        out,
        r#"{{"RequestId":"{:08X}-{:04X}-{:04X}-{:04X}-{:012X}""#,
        m >> 32,
        (m >> 16) & 0xffff,
        m & 0xffff,
        (n >> 48) & 0xffff,
        n & 0xffff_ffff_ffff
    );
}

pub(super) fn counts(s: &Shared) -> Value {
    let t = &s.tallies;
    let read = |c: &std::sync::atomic::AtomicU64| c.load(Ordering::Relaxed);
    let summary = s.ledger.summary();
    let (pushed, failed, given_up) = s.pusher.tallies();
    let (p, f, g) = s.courier.tallies();
    let (pushed, failed, given_up) = (pushed + p, failed + f, given_up + g);
    json!({
        "requests": read(&t.requests),
        "bad_signature": read(&t.bad_signature),
        "rejected": read(&t.rejected),
        "accepted": summary.sms + summary.voice,
        "sms": summary.sms,
        "voice": summary.voice,
        "by_out_id": summary.by_out_id,
        "by_phone": summary.by_phone,
        "faults": {"refused": read(&t.refused), "errors": read(&t.errors), "limited": read(&t.limited),
                   "lost_taken": read(&t.lost_taken), "lost_dropped": read(&t.lost_dropped)},
        "groups": s.groups.counts(),
        "people": {"replies": read(&t.replies), "keys": read(&t.keys)},
        "pushes": {"items": pushed, "failed": failed, "given_up": given_up},
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SentFilter {
    phone: Option<String>,
    out_id: Option<String>,
    channel: Option<String>,
}
/// `GET /_standin/sent?phone=&out_id=&channel=`: everything accepted that fits.
async fn sent(State(s): State<Arc<Shared>>, Query(f): Query<SentFilter>) -> Response {
    let all = match &f.phone {
        Some(phone) => s.ledger.of_phone(phone),
        None => s.ledger.sent(),
    };
    let fits = |x: &super::ledger::Sent| {
        f.out_id.as_deref().is_none_or(|o| o == &*x.out_id) && f.channel.as_deref().is_none_or(|c| c == x.channel.as_str())
    };
    axum::Json(all.into_iter().filter(fits).collect::<Vec<_>>()).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LogFilter {
    action: Option<String>,
    limit: Option<usize>,
}
/// `GET /_standin/log?action=&limit=`: the newest captured requests.
async fn log(State(s): State<Arc<Shared>>, Query(f): Query<LogFilter>) -> Response {
    match &s.capture {
        Some(c) => axum::Json(c.last(f.action.as_deref(), f.limit.unwrap_or(100))).into_response(),
        None => (StatusCode::NOT_FOUND, "nothing is captured: start the stand-in with a capture directory\n").into_response(),
    }
}
