//! One gateway in a box: `App::start`, then requests, then `run` until nothing is due.

pub use crate::conformance::Room;
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Request, StatusCode},
};
use jiaoying::{
    channel::*,
    config::{Config, Environment},
    core::{
        ids::CalloutId,
        policy::parse_policy,
        send::{Channel, Outcome},
        time::{Span, Time},
    },
    engine::{Engine, Parts, Settings},
    render::{RenderOptions, Renderer},
    sample,
    store::{Reports, Store, clock::ManualClock},
    telemetry::metrics::Metrics,
};
use serde_json::{Value, json};
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicU32, Ordering},
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

pub const ISSUER_KEY: &str = "issuer-key-0123456789-abcdef";
pub const OTHER_KEY: &str = "other-issuer-0123456789-abcdef";
pub const WHSEC: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
pub const CALLBACK: &str = "callback-secret-0123456789";
pub const COUNTY: &str = "140521000000";

/// Posts by the shipped mapping of flash-flood platforms.
pub const PLATFORM_KEY: &str = "platform-key-0123456789-abcdef";
/// Posts by a mapping that looks for several warnings in one body.
pub const LIST_KEY: &str = "list-key-0123456789-abcdefghij";

/// Its CAP must bear the signature of a pinned key.
pub const SIGNING_KEY: &str = "signing-key-0123456789-abcdefg";
/// May warn in yellow and blue only.
pub const LOW_KEY: &str = "low-levels-key-0123456789-abcd";

pub const CONFIG: &str = r#"
[[issuer]]
id = "signing"
name = "签名的气象台"
key = "signing-key-0123456789-abcdefg"
divisions = ["1405"]
xmldsig = { keys = ["tests/it/ingest/signed/rsa.pem"], required = true }
[[issuer]]
id = "low"
name = "只发黄蓝的单位"
key = "low-levels-key-0123456789-abcd"
divisions = ["1405"]
levels = ["yellow", "blue"]
[[issuer]]
id = "platform"
name = "山洪灾害监测预警平台"
key = "platform-key-0123456789-abcdef"
mapping = "flash-flood"
divisions = ["1405"]
[[issuer]]
id = "list"
name = "消防物联网监控中心"
key = "list-key-0123456789-abcdefghij"
mapping = "fire-iot"
divisions = ["1405"]
[[issuer]]
id = "qixiang"
name = "晋城市气象台"
key = "issuer-key-0123456789-abcdef"
webhook_secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
hazards = ["meteorological", "flood"]
divisions = ["1405"]
rate = 60
[[issuer]]
id = "other"
name = "邻市气象台"
key = "other-issuer-0123456789-abcdef"
divisions = ["1404"]
[[token]]
name = "屏幕"
secret = "token-viewer-0123456789"
roles = ["viewer"]
[[token]]
name = "值班员"
secret = "token-operator-0123456789"
roles = ["operator"]
[[token]]
name = "管理员"
secret = "token-admin-0123456789"
roles = ["admin"]
[[token]]
name = "审计员"
secret = "token-auditor-0123456789"
roles = ["auditor"]
[[token]]
name = "监控"
secret = "token-monitoring-0123456789"
roles = ["monitoring"]
[[token]]
name = "沁水县"
secret = "token-county-0123456789"
roles = ["viewer", "operator", "admin"]
division = "140521"
[[token]]
name = "高平市"
secret = "token-elsewhere-0123456789"
roles = ["viewer", "operator", "admin"]
division = "140581"
[provider.carrier-sms]
kind = "aliyun_sms"
callback_secret = "callback-secret-0123456789"
"#;

/// A provider that takes everything.
pub struct Carrier {
    account: &'static str,
    channel: Channel,
    limits: AccountLimits,
    sent: AtomicU32,
}

#[async_trait::async_trait]
impl Provider for Carrier {
    fn account(&self) -> &str {
        self.account
    }
    fn channel(&self) -> Channel {
        self.channel
    }
    fn limits(&self) -> &AccountLimits {
        &self.limits
    }
    async fn send(&self, request: &SendRequest) -> Outcome {
        self.sent.fetch_add(1, Ordering::SeqCst);
        Outcome::Accepted { provider_message_id: format!("m-{}", request.reference) }
    }
    async fn lookup(&self, _: &str, _: &Address, _: Time) -> Lookup {
        Lookup::NotFound
    }
    fn read_callback(&self, _: Option<&str>, _: &[u8]) -> Result<Vec<CallbackItem>, String> {
        Ok(Vec::new())
    }
    fn callback_reply(&self, ok: bool) -> CallbackReply {
        CallbackReply {
            status: if ok { 200 } else { 500 },
            content_type: "application/json",
            body: r#"{"code":0,"msg":"接收成功"}"#.into(),
        }
    }
    fn check_message(&self, _: &Message) -> Result<(), String> {
        Ok(())
    }
}

pub fn carrier(account: &'static str, channel: Channel) -> Arc<Carrier> {
    let limits = AccountLimits { per_second: 10_000, in_flight: 1000, concurrent_calls: 1000, per_callee: Vec::new() };
    Arc::new(Carrier { account, channel, limits, sent: AtomicU32::new(0) })
}

/// An answer.
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}
impl Reply {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or("")
    }
    /// The JSON of an answer that must have this status.
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        self.json()
    }
}

pub struct App {
    pub router: Router,
    pub engine: Arc<Engine>,
    pub clock: Arc<ManualClock>,
    pub stop: CancellationToken,
    /// Commits fail while this is set.
    pub disk_full: Arc<AtomicBool>,
    pub away: super::intake::Away,
    /// Holds the store's directory.
    _room: Room,
}

impl App {
    pub async fn start(room: Room) -> App {
        let (store, reports) = (room.store.clone(), room.store.clone());
        App::start_over(room, store, reports).await
    }

    /// The same with something between the engine and the room's store.
    pub async fn start_over(room: Room, store: Arc<dyn Store>, reports: Arc<dyn Reports>) -> App {
        App::start_with(room, store, reports, Vec::new()).await
    }

    /// With accounts beside the usual ones.
    pub async fn start_with(room: Room, store: Arc<dyn Store>, reports: Arc<dyn Reports>, more: Vec<Arc<Carrier>>) -> App {
        room.clock.advance_to(Time::parse_rfc3339("2024-07-08T16:15:30+08:00").unwrap());
        let clock = room.clock.clone();
        let disk_full = Arc::new(AtomicBool::new(false));
        let away: super::intake::Away = Arc::new(Mutex::new(|_| false));
        let store = Arc::new(super::intake::Disk { inner: store, full: disk_full.clone(), away: away.clone() });
        let parts = Parts {
            store,
            reports,
            providers: [("carrier-sms", Channel::Sms), ("carrier-voice", Channel::Voice), ("mail", Channel::Email)]
                .map(|(account, channel)| carrier(account, channel))
                .into_iter()
                .chain(more)
                .map(|c| c as Arc<dyn Provider>)
                .collect(),
            renderer: Renderer::new(RenderOptions::default()).unwrap(),
            policy: parse_policy(include_str!("../../../config/policy.toml")).unwrap(),
            issuers: Vec::new(),
            settings: Settings { key: [7; 32], ..Settings::default() },
        };
        let engine = Arc::new(Engine::new(parts).await.unwrap());
        assert!(engine.replace_directory(0, sample::directory(400, 1)).await.unwrap());
        let config = Config::from_text("test.toml", CONFIG, &Environment::default()).unwrap_or_else(|e| panic!("{e}"));
        let stop = CancellationToken::new();
        let router = jiaoying::http::router(engine.clone(), &config, Metrics::install().unwrap(), stop.clone()).unwrap();
        App { router, engine, clock, stop, disk_full, away, _room: room }
    }

    pub async fn send(&self, request: Request<Body>) -> Reply {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let body = to_bytes(response.into_body(), 64 << 20).await.unwrap().to_vec();
        Reply { status, headers, body }
    }

    pub async fn get(&self, path: &str, key: &str) -> Reply {
        self.send(request("GET", path, key).body(Body::empty()).unwrap()).await
    }

    pub async fn post(&self, path: &str, key: &str, body: &Value) -> Reply {
        let request = request("POST", path, key).header("content-type", "application/json");
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    pub async fn form(&self, path: &str, body: &str) -> Reply {
        let request = request("POST", path, "").header("content-type", "application/x-www-form-urlencoded");
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    /// Turns until nothing is due now; what is to be sent is sent.
    pub async fn run(&self) {
        for _ in 0..500 {
            let turn = self.engine.turn(200).await.unwrap();
            let mut done = Vec::new();
            let idle = turn.claimed == 0;
            for job in turn.jobs {
                done.push(self.engine.send(job).await);
            }
            self.engine.record(done).await.unwrap();
            if idle {
                return;
            }
        }
        panic!("the engine never came to rest");
    }

    /// Moves the clock step by step, working through what comes due.
    pub async fn pass(&self, time: Span) {
        let until = self.engine.now() + time;
        while self.engine.now() < until {
            self.clock.advance(Span(5_000.min((until - self.engine.now()).0)));
            self.run().await;
        }
    }

    /// A red rainstorm for a county, planned and under way; its id.
    pub async fn red_rain(&self, identifier: &str) -> String {
        let reply = self.post("/api/v1/warnings", ISSUER_KEY, &warning(identifier)).await.expect(202);
        self.run().await;
        reply["id"].as_str().unwrap().to_string()
    }

    /// The callouts of a warning as a viewer lists them, all pages.
    pub async fn callouts(&self, warning: &str, query: &str) -> Vec<Value> {
        let mut all = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self.get(&format!("/api/v1/warnings/{warning}/callouts?limit=50{query}{cursor}"), VIEWER).await.expect(200);
            all.extend(page["items"].as_array().unwrap().clone());
            match page["next_cursor"].as_str() {
                Some(c) => cursor = format!("&cursor={c}"),
                None => return all,
            }
        }
    }

    /// The path of a contact's answer page.
    pub fn link(&self, callout: &str, contact: u8) -> String {
        let id: CalloutId = callout.parse().unwrap();
        let link = self.engine.link(id, contact);
        link[link.find("/a/").unwrap()..].to_string()
    }
}

pub const VIEWER: &str = "token-viewer-0123456789";
pub const OPERATOR: &str = "token-operator-0123456789";
pub const ADMIN: &str = "token-admin-0123456789";
pub const AUDITOR: &str = "token-auditor-0123456789";
pub const MONITORING: &str = "token-monitoring-0123456789";
/// Bound to the county of the warning.
pub const COUNTY_TOKEN: &str = "token-county-0123456789";
/// Bound to another county.
pub const ELSEWHERE: &str = "token-elsewhere-0123456789";

pub fn request(method: &str, path: &str, key: &str) -> axum::http::request::Builder {
    let builder = Request::builder().method(method).uri(path);
    if key.is_empty() { builder } else { builder.header("authorization", format!("Bearer {key}")) }
}

/// A red rainstorm for 沁水县 in the contract's native JSON.
pub fn warning(identifier: &str) -> Value {
    json!({
        "identifier": identifier, "sent": "2024-07-08T16:15:00+08:00", "status": "actual", "message_type": "alert",
        "hazard": "11B03", "level": "red", "headline": "沁水县发布暴雨红色预警", "description": "未来3小时雨量将超100毫米",
        "instruction": "立即转移危险区群众", "expires": "2024-07-08T22:15:00+08:00",
        "areas": [{"name": "沁水县", "division": COUNTY}]
    })
}
