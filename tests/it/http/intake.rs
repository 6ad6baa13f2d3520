//! Warnings in: what is accepted, what is refused and how, and that a refusal leaves nothing behind.

use super::kit::*;
use async_trait::async_trait;
use axum::body::Body;
use jiaoying::{
    core::time::{Span, Time},
    http::webhook::Key as Signer,
    ingest,
    store::*,
};
use serde_json::{Value, json};
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

/// A store on a disk that can be full, or of which a part can be away.
pub struct Disk {
    pub inner: Arc<dyn Store>,
    pub full: Arc<AtomicBool>,
    pub away: Away,
}

/// Which records cannot be had.
pub type Away = Arc<Mutex<fn(&Key) -> bool>>;

fn away() -> StoreError {
    StoreError::Unavailable("its primary does not answer".into())
}
impl Disk {
    fn is_away(&self, key: &Key) -> bool {
        self.away.lock().unwrap()(key)
    }
}

#[async_trait]
impl Store for Disk {
    fn now(&self) -> Time {
        self.inner.now()
    }
    async fn next_number(&self, sequence: &str) -> Result<u64, StoreError> {
        self.inner.next_number(sequence).await
    }
    async fn commit(&self, lane: WriteLane, batch: Vec<Commit>) -> Result<Vec<Committed>, StoreError> {
        if self.full.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("no space left".into()));
        }
        let mut out = Vec::with_capacity(batch.len());
        for c in batch {
            if self.is_away(&c.key) {
                out.push(Committed::Unknown(away().to_string()));
            } else {
                out.extend(self.inner.commit(lane, vec![c]).await?);
            }
        }
        let known = out.is_empty() || out.iter().any(|c| !matches!(c, Committed::Unknown(_)));
        if known { Ok(out) } else { Err(away()) }
    }
    async fn load(&self, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        self.load_each(keys).await.into_iter().collect()
    }
    async fn load_each(&self, keys: &[Key]) -> Vec<Result<Option<Record>, StoreError>> {
        let found = self.inner.load_each(keys).await;
        keys.iter().zip(found).map(|(k, found)| if self.is_away(k) { Err(away()) } else { found }).collect()
    }
    async fn claim(&self, limit: usize, lease: Span) -> Result<Vec<Claim>, StoreError> {
        let mut all = self.inner.claim(limit, lease).await?;
        all.retain(|c| !self.is_away(&c.key));
        Ok(all)
    }
    async fn release(&self, claims: &[(Key, u64)], until: Time) -> Result<(), StoreError> {
        self.inner.release(claims, until).await
    }
    async fn next_due(&self) -> Result<Option<Time>, StoreError> {
        self.inner.next_due().await
    }
    async fn changed(&self) {
        self.inner.changed().await;
    }
    async fn blob(&self, key: &Key, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.blob(key, name).await
    }
    async fn identities(&self, identifier: &str) -> Result<Vec<Identity>, StoreError> {
        self.inner.identities(identifier).await
    }
    async fn docs(&self, kind: &str) -> Result<(u64, Vec<Doc>), StoreError> {
        self.inner.docs(kind).await
    }
    async fn docs_version(&self, kind: &str) -> Result<u64, StoreError> {
        self.inner.docs_version(kind).await
    }
    async fn docs_apply(&self, kind: &str, expect: u64, upsert: Vec<Doc>, delete: Vec<String>) -> Result<Option<u64>, StoreError> {
        self.inner.docs_apply(kind, expect, upsert, delete).await
    }
}

const POST: &str = "/api/v1/warnings";

pub async fn stored(app: &App) -> usize {
    app.engine.reports().warnings(None, 100).await.unwrap().len()
}

/// What the duty room was told of refusals.
pub async fn refusals(app: &App) -> Vec<Value> {
    let feed = app.engine.reports().feed_after(0, 1000).await.unwrap();
    feed.into_iter().filter(|(_, i)| i.kind == "warning.refused").map(|(_, i)| i.data).collect()
}

pub async fn a_warning_is_accepted_once_and_known_again(room: Room) {
    let app = App::start(room).await;
    let first = app.post(POST, ISSUER_KEY, &warning("W1")).await;
    assert_eq!(first.header("location"), "/api/v1/warnings/w1");
    let body = first.expect(202);
    assert_eq!(
        (&body["id"], &body["identifier"], &body["state"], &body["duplicate"]),
        (&json!("w1"), &json!("W1"), &json!("accepted"), &json!(false))
    );
    assert!(body["findings"].is_array());
    // The same content in other bytes is the same message.
    let spaced = serde_json::to_string_pretty(&warning("W1")).unwrap();
    let again = app
        .send(request("POST", POST, ISSUER_KEY).header("content-type", "application/json; charset=utf-8").body(Body::from(spaced)).unwrap())
        .await;
    let again = again.expect(200);
    assert_eq!((&again["id"], &again["duplicate"]), (&json!("w1"), &json!(true)));
    let mut other = warning("W1");
    other["headline"] = json!("别的内容");
    assert_eq!(app.post(POST, ISSUER_KEY, &other).await.expect(409)["status"], 409);
    assert_eq!(stored(&app).await, 1);
}

pub async fn cap_is_accepted_under_each_of_its_content_types(room: Room) {
    let app = App::start(room).await;
    for (n, media) in ["application/cap+xml", "application/xml", "text/xml"].iter().enumerate() {
        let mut content = ingest::read(ingest::SourceFormat::Json, None, warning("x").to_string().as_bytes(), "qixiang").unwrap().content;
        content.identifier = format!("CAP-{n}");
        let xml = ingest::write_cap(&content);
        let reply = app.send(request("POST", POST, ISSUER_KEY).header("content-type", *media).body(Body::from(xml)).unwrap()).await;
        assert_eq!(reply.expect(202)["identifier"], format!("CAP-{n}"), "{media}");
    }
}

pub async fn bad_input_gets_the_contracts_answer_and_leaves_nothing_but_a_record(room: Room) {
    let app = App::start(room).await;
    let with = |key: &str, value: Value| {
        let mut w = warning("BAD");
        w[key] = value;
        w.to_string()
    };
    let json_type = "application/json";
    let cases: Vec<(u16, &str, String, &str)> = vec![
        (400, json_type, "{\"identifier\":".into(), ""),
        (400, "application/xml", "<alert".into(), ""),
        (415, "text/plain", "hello".into(), ""),
        (422, json_type, with("headlin", json!("x")), "/headlin"),
        (422, json_type, with("sent", json!("2024-02-31T16:15:00+08:00")), "/sent"),
        (422, json_type, with("level", json!("purple")), "/level"),
        (422, json_type, with("areas", json!([])), "/areas"),
        (403, json_type, with("hazard", json!("11G01")), ""),
        (403, json_type, with("areas", json!([{"division": "150102000000"}])), ""),
        (413, json_type, "x".repeat(4 * 1024 * 1024 + 1), ""),
    ];
    let wanted = cases.len();
    for (status, media, body, pointer) in cases {
        let reply = app.send(request("POST", POST, ISSUER_KEY).header("content-type", media).body(Body::from(body)).unwrap()).await;
        assert_eq!(reply.header("content-type"), "application/problem+json");
        let problem = reply.expect(status);
        assert_eq!(problem["status"], status);
        if !pointer.is_empty() {
            assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
        }
    }
    app.run().await;
    assert_eq!(stored(&app).await, 0);
    let told = refusals(&app).await;
    assert_eq!(told.len(), wanted, "{told:#?}");
    let page = app.get("/status", VIEWER).await;
    assert!(page.text().contains("被拒收的预警报文") && page.text().contains("headlin"), "{}", page.text());
    assert!(told.iter().all(|r| r["issuer"] == "qixiang"));
}

pub async fn unknown_divisions_beside_a_known_one_are_a_finding(room: Room) {
    let app = App::start(room).await;
    let mut w = warning("ODD");
    w["areas"] = json!([{"division": COUNTY}, {"division": "140599000000"}, {"division": "14052x"}]);
    let body = app.post(POST, ISSUER_KEY, &w).await.expect(202);
    let findings = body["findings"].as_array().unwrap();
    assert!(["140599", "14052x"].iter().all(|c| findings.iter().any(|f| f["detail"].as_str().unwrap().contains(c))), "{body}");
    app.run().await;
    assert!(app.get("/api/v1/warnings/w1/tally", VIEWER).await.expect(200)["expected"].as_u64().unwrap() > 0);
}

async fn signed(app: &App, id: &str, at: Time, secret: &str, body: &str) -> Reply {
    let seconds = at.0 / 1000;
    let signature = Signer::parse(secret).unwrap().sign(id, seconds, body.as_bytes());
    let request = request("POST", POST, "")
        .header("content-type", "application/json")
        .header("webhook-id", id)
        .header("webhook-timestamp", seconds.to_string())
        .header("webhook-signature", format!("v1,AAAA {signature}"));
    app.send(request.body(Body::from(body.to_string())).unwrap()).await
}

pub async fn a_signed_webhook_is_accepted_within_its_window_and_its_replay_changes_nothing(room: Room) {
    let app = App::start(room).await;
    let now = app.engine.now();
    let body = warning("S1").to_string();
    assert_eq!(signed(&app, "m1", now, WHSEC, &body).await.expect(202)["id"], "w1");
    assert_eq!(signed(&app, "m1", now, WHSEC, &body).await.expect(200)["duplicate"], true);
    let other = warning("S2").to_string();
    signed(&app, "m1", now, WHSEC, &other).await.expect(409);
    signed(&app, "m2", now - Span::mins(6), WHSEC, &other).await.expect(401);
    signed(&app, "m3", now + Span::mins(6), WHSEC, &other).await.expect(401);
    let wrong = signed(&app, "m4", now, "whsec_QUJDREVGR0hJSktMTU5PUFFSU1RVVldY", &other).await.expect(401);
    assert!(wrong["detail"].as_str().unwrap().contains("webhook-signature"));
    assert_eq!(stored(&app).await, 1);
    let told = refusals(&app).await;
    assert_eq!(told.len(), 4, "a wrong signature is recorded, though nobody knows whose it is: {told:#?}");
}

pub async fn a_flood_from_nobody_does_not_fill_the_duty_rooms_screen(room: Room) {
    let app = App::start(room).await;
    for n in 0..50 {
        app.post(POST, "an-unknown-key-0123456789", &warning(&format!("F{n}"))).await.expect(401);
    }
    assert!(refusals(&app).await.len() <= 6);
}

pub async fn past_its_rate_an_issuer_waits_but_red_never_does(room: Room) {
    let app = App::start(room).await;
    let blue = |n: u32| {
        let mut w = warning(&format!("B{n}"));
        w["level"] = json!("blue");
        w
    };
    for n in 0..60 {
        app.post(POST, ISSUER_KEY, &blue(n)).await.expect(202);
    }
    let limited = app.post(POST, ISSUER_KEY, &blue(60)).await;
    assert_eq!((limited.status.as_u16(), limited.header("retry-after")), (429, "1"));
    app.post(POST, ISSUER_KEY, &warning("RED")).await.expect(202);
    // That a CAP message is red is known once it is read; that it ends a warning, too.
    let cap = |n: &str, severity: &str, head: &str| {
        format!(
            "<alert xmlns='urn:oasis:names:tc:emergency:cap:1.2'><identifier>{n}</identifier><sender>s</sender><sent>2024-07-08T16:15:00+08:00</sent>\
             <status>Actual</status>{head}<scope>Public</scope><info><event>暴雨</event><severity>{severity}</severity><headline>暴雨预警</headline>\
             <area><areaDesc>沁水县</areaDesc><geocode><valueName>x</valueName><value>140521</value></geocode></area></info></alert>"
        )
    };
    let post = async |body: String| {
        let request = request("POST", POST, ISSUER_KEY).header("content-type", "application/cap+xml");
        app.send(request.body(Body::from(body)).unwrap()).await
    };
    let alert = "<msgType>Alert</msgType>";
    post(cap("C-ORANGE", "Severe", alert)).await.expect(429);
    post(cap("C-RED", "Extreme", alert)).await.expect(202);
    post(cap("C-END", "Minor", "<msgType>Cancel</msgType><references>s,B1,t</references>")).await.expect(202);
    app.clock.advance(Span::secs(1));
    app.post(POST, ISSUER_KEY, &blue(60)).await.expect(202);
}

pub async fn what_cannot_be_made_durable_is_not_accepted(room: Room) {
    let app = App::start(room).await;
    app.disk_full.store(true, Ordering::SeqCst);
    let reply = app.post(POST, ISSUER_KEY, &warning("D1")).await;
    assert_eq!((reply.status.as_u16(), reply.header("retry-after")), (503, "2"));
    assert!(!reply.text().contains("no space"), "the inside stays inside");
    app.disk_full.store(false, Ordering::SeqCst);
    app.post(POST, ISSUER_KEY, &warning("D1")).await.expect(202);
}

pub async fn a_repeat_is_answered_on_the_strength_of_what_is_durable_alone(room: Room) {
    let app = App::start(room).await;
    let id = app.red_rain("R1").await;
    app.post(POST, ISSUER_KEY, &warning("R2")).await.expect(202);
    app.disk_full.store(true, Ordering::SeqCst);
    // Accepted and not looked at yet, and one that has gone on long since.
    for again in ["R2", "R1"] {
        let reply = app.post(POST, ISSUER_KEY, &warning(again)).await;
        assert_eq!((reply.status.as_u16(), reply.header("retry-after")), (503, "2"), "{again}");
    }
    app.disk_full.store(false, Ordering::SeqCst);
    let before = app.engine.reports().journal(&Key::Warning(id.parse().unwrap())).await.unwrap();
    assert_eq!(app.post(POST, ISSUER_KEY, &warning("R1")).await.expect(200)["duplicate"], true);
    assert_eq!(app.post(POST, ISSUER_KEY, &warning("R2")).await.expect(200)["duplicate"], true);
    assert_eq!(app.engine.reports().journal(&Key::Warning(id.parse().unwrap())).await.unwrap(), before, "and changes nothing");
}

pub async fn an_issuer_sees_and_cancels_its_own_warnings_only(room: Room) {
    let app = App::start(room).await;
    let id = app.red_rain("C1").await;
    let path = format!("/api/v1/warnings/{id}");
    assert_eq!(app.get(&path, ISSUER_KEY).await.expect(200)["identifier"], "C1");
    app.get(&path, OTHER_KEY).await.expect(403);
    app.get(&format!("{path}/callouts"), ISSUER_KEY).await.expect(403);
    app.post(&format!("{path}/cancel"), OTHER_KEY, &json!({"reason": "x"})).await.expect(403);
    app.post(&format!("{path}/cancel"), ISSUER_KEY, &json!({"reason": " "})).await.expect(422);
    app.post(&format!("{path}/cancel"), ISSUER_KEY, &json!({"reason": "降雨结束"})).await.expect(200);
    app.run().await;
    app.pass(Span::secs(30)).await;
    let ended = app.get(&path, ISSUER_KEY).await.expect(200);
    assert_eq!((&ended["state"], &ended["closed_reason"]), (&json!("closed"), &json!("cancelled")), "{ended}");
    app.post(&format!("{path}/cancel"), ISSUER_KEY, &json!({"reason": "again"})).await.expect(409);
}

pub async fn a_message_from_the_future_is_taken_in_and_the_clock_is_asked_about(room: Room) {
    let app = App::start(room).await;
    let at = |id: &str, sent: &str| {
        let mut w = warning(id);
        w["sent"] = json!(sent);
        w
    };
    let has = |reply: &Value| reply["findings"].as_array().unwrap().iter().any(|f| f["code"] == "future_sent");
    assert!(!has(&app.post(POST, ISSUER_KEY, &at("F1", "2024-07-08T16:20:00+08:00")).await.expect(202)), "a clock may be minutes ahead");
    assert!(has(&app.post(POST, ISSUER_KEY, &at("F2", "2024-07-08T17:20:00+08:00")).await.expect(202)));
}

pub async fn an_issuer_warns_only_in_its_levels(room: Room) {
    let app = App::start(room).await;
    let at = |id: &str, level: &str| {
        let mut w = warning(id);
        w["level"] = json!(level);
        w
    };
    for level in ["red", "orange"] {
        let refused = app.post(POST, LOW_KEY, &at(level, level)).await.expect(403);
        assert!(refused["detail"].as_str().unwrap().contains("may not issue the level"), "{refused}");
    }
    // A part of it in a higher level makes the whole of it one.
    let mut part = at("part", "yellow");
    part["areas"] = json!([{"division": COUNTY}, {"division": "140522000000", "level": "red"}]);
    app.post(POST, LOW_KEY, &part).await.expect(403);
    app.post(POST, LOW_KEY, &at("yellow", "yellow")).await.expect(202);
    // Nobody knows how bad it is: called as orange rather than lost.
    app.post(POST, LOW_KEY, &at("unknown", "unknown")).await.expect(202);
    assert_eq!((stored(&app).await, refusals(&app).await.len()), (2, 3));
}

pub async fn cap_of_an_issuer_with_pinned_keys_must_be_signed_by_one_of_them(room: Room) {
    let app = App::start(room).await;
    let file = |name: &str| std::fs::read_to_string(format!("tests/it/ingest/signed/{name}.xml")).unwrap();
    let post = async |key: &str, body: String| {
        let request = request("POST", POST, key).header("content-type", "application/cap+xml");
        app.send(request.body(Body::from(body)).unwrap()).await
    };
    let signed = file("inclusive");
    let wrong = post(SIGNING_KEY, signed.replace("140521", "140522")).await.expect(403);
    assert!(wrong["detail"].as_str().unwrap().contains("not the one that was signed"), "{wrong}");
    post(SIGNING_KEY, file("stranger")).await.expect(403);
    let bare = app.post(POST, SIGNING_KEY, &warning("BARE")).await.expect(403);
    assert!(bare["detail"].as_str().unwrap().contains("must bear an XML signature"), "{bare}");
    assert_eq!(stored(&app).await, 0);
    let page = app.get("/status", VIEWER).await.text();
    assert!(page.contains("not the one that was signed") && page.contains("signing"), "{page}");
    let taken = post(SIGNING_KEY, signed.clone()).await.expect(202);
    let codes =
        |reply: &Value| reply["findings"].as_array().unwrap().iter().map(|f| f["code"].as_str().unwrap().to_string()).collect::<Vec<_>>();
    assert!(!codes(&taken).iter().any(|c| c.starts_with("signature")), "{taken}");
    let raw = app.engine.store().blob(&jiaoying::store::Key::Warning("w1".parse().unwrap()), "raw").await.unwrap().unwrap();
    assert_eq!(String::from_utf8(raw).unwrap(), signed, "kept as it was sent, signature and all");
    // Who has pinned nothing has checked nothing, and is told.
    let unchecked = post(ISSUER_KEY, file("stranger")).await.expect(202);
    assert!(codes(&unchecked).contains(&"signature_unchecked".to_string()), "{unchecked}");
}
