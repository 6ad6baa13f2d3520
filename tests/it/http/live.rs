//! Live events, callbacks, and what those who run it read.

use super::kit::*;
use axum::body::Body;
use futures_util::StreamExt;
use jiaoying::{
    core::{send::Outcome, time::Span},
    engine::dispatcher::{Done, JobFor},
    store::{CalloutFilter, Key},
};
use serde_json::{Value, json};
use std::{sync::atomic::Ordering, time::Duration};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

struct Stream {
    body: axum::body::BodyDataStream,
    text: String,
}

impl Stream {
    async fn open(app: &App, path: &str, key: &str, last: Option<&str>) -> Stream {
        let mut builder = request("GET", path, key);
        if let Some(last) = last {
            builder = builder.header("last-event-id", last);
        }
        let response = app.router.clone().oneshot(builder.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status().as_u16(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Stream { body: response.into_body().into_data_stream(), text: String::new() }
    }

    /// The next event: its number and its data.
    async fn next(&mut self) -> Option<(u64, Value)> {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let event: String = self.text.drain(..end + 2).collect();
                let field = |name: &str| event.lines().find_map(|l| l.strip_prefix(name)).map(|v| v.trim().to_string());
                if let (Some(id), Some(data)) = (field("id:"), field("data:")) {
                    return Some((id.parse().unwrap(), serde_json::from_str(&data).unwrap()));
                }
                continue;
            }
            let chunk = self.body.next().await?.ok()?;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }
}

pub async fn live_events_resume_where_they_stopped_and_end_when_the_gateway_does(room: Room) {
    let app = App::start(room).await;
    let warning = app.red_rain("E1").await;
    let id = app.callouts(&warning, "&state=calling").await[0]["id"].as_str().unwrap().to_string();
    let mut all = Stream::open(&app, "/api/v1/events", VIEWER, Some("0")).await;
    let (first, event) = all.next().await.unwrap();
    assert_eq!((&event["kind"], &event["warning_id"]), (&json!("warning.accepted"), &json!(warning)));
    let (second, _) = all.next().await.unwrap();
    assert!(second > first);
    drop(all);
    let mut resumed = Stream::open(&app, "/api/v1/events", VIEWER, Some(&first.to_string())).await;
    assert_eq!(resumed.next().await.unwrap().0, second, "nothing twice, nothing lost");

    let mut live = Stream::open(&app, &format!("/api/v1/events?warning={warning}"), VIEWER, None).await;
    app.form(&app.link(&id, 0), "action=answer").await;
    loop {
        let (_, event) = live.next().await.unwrap();
        if event["kind"] == "callout.answered" {
            assert_eq!(event["callout_id"], id.as_str());
            break;
        }
    }
    app.stop.cancel();
    while live.next().await.is_some() {}
}

pub async fn a_bound_token_hears_of_its_own_division_only(room: Room) {
    let app = App::start(room).await;
    let warning = app.red_rain("E2").await;
    let village = app.callouts(&warning, "&state=calling&tier=village").await[0]["id"].as_str().unwrap().to_string();
    app.form(&app.link(&village, 0), "action=answer").await;
    app.stop.cancel();
    let count = async |key: &str| {
        let mut stream = Stream::open(&app, "/api/v1/events?last_event_id=0", key, None).await;
        let mut n = 0;
        while stream.next().await.is_some() {
            n += 1;
        }
        n
    };
    let (everything, own, elsewhere) = (count(VIEWER).await, count(COUNTY_TOKEN).await, count(ELSEWHERE).await);
    assert!(everything >= own && own > elsewhere, "{everything} {own} {elsewhere}");
}

pub async fn a_callback_with_the_right_secret_is_kept_and_answered_in_the_providers_way(room: Room) {
    let app = App::start(room).await;
    let body = json!([{"send_time": "2024-07-08 16:16:00", "out_id": "x"}]);
    let kept = app.post(&format!("/callbacks/carrier-sms/{CALLBACK}"), "", &body).await;
    assert_eq!((kept.status.as_u16(), kept.header("content-type")), (200, "application/json"));
    assert_eq!(kept.json()["code"], 0);
    assert!(app.engine.store().load(&[Key::Callback(1)]).await.unwrap()[0].is_some());
    for wrong in ["/callbacks/carrier-sms/wrong-secret-0123456789", "/callbacks/nobody/callback-secret-0123456789", "/callbacks/mail/x"] {
        let refused = app.post(wrong, "", &body).await;
        assert_eq!(refused.status.as_u16(), 404, "{wrong}");
        assert!(!refused.text().contains("secret"));
    }
    assert!(app.engine.store().load(&[Key::Callback(2)]).await.unwrap()[0].is_none(), "a refused one leaves nothing");
}

pub async fn those_who_run_it_read_health_metrics_and_the_api_document(room: Room) {
    let app = App::start(room).await;
    app.red_rain("R1").await;
    assert_eq!(app.get("/healthz", "").await.text(), "ok\n");
    let ready = app.get("/readyz", "").await.text();
    assert!(ready.starts_with("ready\ndurability: ") && ready.ends_with('\n'), "what is in force is said: {ready}");
    let metrics = app.get("/metrics", MONITORING).await.text();
    assert!(metrics.contains("jiaoying_callouts{state=\"calling\"}") && metrics.contains("jiaoying_warnings_total{"), "{metrics}");
    let document = app.get("/openapi.json", MONITORING).await.expect(200);
    assert_eq!(document["openapi"], "3.1.0");
    assert!(document["paths"]["/api/v1/warnings"]["post"].is_object());
    app.stop.cancel();
    assert_eq!(app.get("/readyz", "").await.status.as_u16(), 503, "no new work for one that stops");
    assert_eq!(app.get("/healthz", "").await.status.as_u16(), 200);
}

pub async fn the_status_page_shows_tallies_open_callouts_and_tasks_with_masked_numbers(room: Room) {
    let app = App::start(room).await;
    let warning = app.red_rain("P1").await;
    let page = app.get("/status", VIEWER).await.text();
    assert!(page.contains("沁水县发布暴雨红色预警") && page.contains("叫应中") && page.contains(&format!("{warning}-")), "{page}");
    assert!(page.contains("****"));
    let script = app.get("/static/status.js", "").await;
    assert!(script.header("content-type").starts_with("text/javascript") && script.text().contains("EventSource"));
    assert_eq!(app.get("/status", ELSEWHERE).await.text().matches("沁水县发布").count(), 0);
}

/// A warning whose first requests have left; what came of them stands nowhere yet.
async fn sent_and_not_recorded() -> (App, Vec<Done>) {
    let app = App::start(Room::memory()).await;
    app.post("/api/v1/warnings", ISSUER_KEY, &warning("R1")).await.expect(202);
    let mut done = Vec::new();
    while done.is_empty() {
        for job in app.engine.turn(200).await.unwrap().jobs {
            done.push(app.engine.send(job).await);
        }
    }
    (app, done)
}

/// The store is away for a moment while requests are under way: what came of them is recorded when it is back.
#[tokio::test]
async fn outcomes_are_kept_until_the_store_takes_them() {
    let (app, done) = sent_and_not_recorded().await;
    let many = done.len();
    app.disk_full.store(true, Ordering::SeqCst);
    let back = async {
        tokio::time::sleep(Duration::from_millis(400)).await;
        app.disk_full.store(false, Ordering::SeqCst);
    };
    tokio::join!(app.engine.record_surely(done, &app.stop), back);
    let id = app.engine.reports().warnings(None, 1).await.unwrap()[0].key.to_string();
    let mut accepted = 0;
    for callout in app.callouts(&id, "").await {
        let whole = app.get(&format!("/api/v1/callouts/{}", callout["id"].as_str().unwrap()), VIEWER).await.expect(200);
        let attempts = whole["attempts"].as_array().unwrap();
        accepted += attempts.iter().filter(|a| a["state"] == "accepted").count();
        assert!(attempts.iter().all(|a| a["state"] != "sending"), "{whole}");
    }
    assert_eq!(accepted, many);
}

/// One of several primaries is away: what needs it waits, the others' people are called and their outcomes recorded.
#[tokio::test]
async fn what_is_away_of_the_store_holds_up_its_own_alone() {
    let app = App::start(Room::memory()).await;
    *app.away.lock().unwrap() = |k| matches!(k, Key::Line(p) if p.reveal().ends_with(['0', '2', '4', '6', '8']));
    app.post("/api/v1/warnings", ISSUER_KEY, &warning("R1")).await.expect(202);
    let mut done = Vec::new();
    for _ in 0..20 {
        for job in app.engine.turn(200).await.unwrap().jobs {
            done.push(app.engine.send(job).await);
        }
    }
    done.retain(|d| matches!(d.whose, JobFor::Callout(..)));
    let left = done.len();
    let odd = done.iter().filter(|d| matches!(d.whose, JobFor::Callout(id, _) if id.ordinal % 2 == 1)).count();
    assert!(odd > 0 && odd < left, "{odd} of {left}");

    *app.away.lock().unwrap() = |k| matches!(k, Key::Callout(id) if id.ordinal % 2 == 1);
    let mut recording = app.engine.recording(done);
    for _ in 0..2 {
        assert!(app.engine.try_record(&mut recording).await.is_err(), "some are not recorded yet");
        assert_eq!(attempts(&app, "accepted").await, left - odd);
    }
    *app.away.lock().unwrap() = |_| false;
    app.engine.try_record(&mut recording).await.unwrap();
    assert_eq!(attempts(&app, "accepted").await, left);
    for _ in 0..20 {
        app.clock.advance(Span::ms(500));
        for job in app.engine.turn(200).await.unwrap().jobs {
            let done = app.engine.send(job).await;
            app.engine.record(vec![done]).await.unwrap();
        }
    }
    assert!(attempts(&app, "accepted").await > left, "those who were given back are called as well");
}

/// How many attempts of the only warning stand so, as they are stored.
async fn attempts(app: &App, state: &str) -> usize {
    let id = app.engine.reports().warnings(None, 1).await.unwrap()[0].key.clone();
    let Key::Warning(id) = id else { panic!("{id}") };
    let all = app.engine.reports().callouts(Some(id), &CalloutFilter::default(), None, 9999).await.unwrap();
    let bodies = all.iter().map(|(r, _)| serde_json::from_slice::<Value>(&r.body).unwrap());
    bodies.map(|c| c["attempts"].as_array().into_iter().flatten().filter(|a| a["state"] == state).count()).sum()
}

/// Nobody waits for ever where the gateway is to stop; and an outcome is not taken for that of a later request.
#[tokio::test]
async fn an_outcome_that_comes_late_is_not_taken_for_a_later_requests() {
    let (app, mut done) = sent_and_not_recorded().await;
    done.retain(|d| matches!(d.whose, JobFor::Callout(..)));
    done.truncate(1);
    let JobFor::Callout(id, n) = done[0].whose else { panic!("a callout's own message") };
    done[0].outcome = Outcome::Retryable { detail: "busy".into() };
    let same =
        |d: &Done| Done { whose: d.whose.clone(), account: d.account.clone(), outcome: d.outcome.clone(), seconds: 0.0, speaks: false };
    let (first, last) = (same(&done[0]), same(&done[0]));
    let mut recording = app.engine.recording(done);
    app.disk_full.store(true, Ordering::SeqCst);
    assert!(app.engine.try_record(&mut recording).await.is_err());
    let stopped = CancellationToken::new();
    stopped.cancel();
    tokio::time::timeout(Duration::from_secs(20), app.engine.record_surely(vec![last], &stopped)).await.expect("it gives up");
    app.disk_full.store(false, Ordering::SeqCst);
    // It stands after all (the answer was lost), and the attempt leaves again before this is tried again.
    app.engine.record(vec![first]).await.unwrap();
    let state = async || {
        let whole = app.get(&format!("/api/v1/callouts/{id}"), VIEWER).await.expect(200);
        whole["attempts"][usize::from(n) - 1]["state"].as_str().unwrap().to_string()
    };
    assert_eq!(state().await, "queued");
    for _ in 0..60 {
        app.clock.advance(Span::secs(1));
        drop(app.engine.turn(200).await.unwrap());
        if state().await == "sending" {
            break;
        }
    }
    assert_eq!(state().await, "sending");
    app.engine.try_record(&mut recording).await.unwrap();
    assert_eq!(state().await, "sending", "the newer request has no outcome yet");
}

#[tokio::test]
async fn a_gateway_whose_servers_do_not_keep_what_it_promises_is_not_ready() {
    use crate::conformance::servers::{self, Server, free_port};
    let server = Server::start("redis-server", free_port(), &[]);
    let settings =
        jiaoying::store::redis::Settings { prefix: servers::prefix(), ..jiaoying::store::redis::Settings::single(server.address()) };
    let app = App::start(Room::on_redis(settings).await).await;
    assert_eq!(app.get("/readyz", "").await.status.as_u16(), 200);
    assert_eq!(server.ask(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]).trim(), "OK");
    for _ in 0..100 {
        let ready = app.get("/readyz", "").await;
        if ready.status.as_u16() == 503 {
            let said = ready.text();
            assert!(
                said.starts_with("not ready\ndurability: ") && said.contains("NOT IN FORCE: maxmemory-policy is allkeys-lru"),
                "{said}"
            );
            return;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("it is still ready");
}

#[tokio::test]
async fn conservation_is_checked_on_every_running_warning_state_by_state() {
    use crate::conformance::{one_server, servers};
    use jiaoying::engine::audit::Audit;
    let settings = one_server(4);
    let app = App::start(Room::on_redis(settings.clone()).await).await;
    for n in 1..=3 {
        app.red_rain(&format!("R{n}")).await;
    }
    let mut audit = Audit::of(1);
    let mut look = async || app.engine.conservation_difference(&mut audit).await.unwrap();
    for _ in 0..4 {
        assert_eq!(look().await, 0);
    }
    // Two counts of the oldest one are wrong by as much.
    let states = servers::shared().ask(&["--scan", "--pattern", &format!("{}:*}}n1", settings.prefix)]);
    let name = states.lines().next().expect("the kept counts").to_string();
    let fields = servers::shared().ask(&["HKEYS", &name]);
    let first = fields.lines().find(|f| f.parse::<u8>().is_ok()).unwrap();
    servers::shared().ask(&["HINCRBY", &name, first, "-1"]);
    servers::shared().ask(&["HINCRBY", &name, if first == "2" { "3" } else { "2" }, "1"]);
    let mut found = Vec::new();
    for _ in 0..5 {
        found.push(look().await);
    }
    assert_eq!(found.last(), Some(&2), "{found:?}");
}

#[tokio::test]
async fn a_person_that_a_newer_gateway_wrote_is_not_written_over() {
    use jiaoying::store::{Doc, StoreError};
    let app = App::start(Room::memory()).await;
    let (version, docs) = app.engine.store().docs("directory").await.unwrap();
    let person = docs.iter().find(|d| d.id.starts_with("recipient/p")).unwrap();
    let mut body: Value = serde_json::from_slice(&person.body).unwrap();
    body["recipient"]["speaks"] = json!("晋语");
    let newer = Doc { id: person.id.clone(), body: serde_json::to_vec(&body).unwrap() };
    app.engine.store().docs_apply("directory", version, vec![newer.clone()], Vec::new()).await.unwrap().unwrap();
    app.engine.follow_directory().await.unwrap();
    let now = app.engine.directory();
    let rename = |id: &str| {
        let mut changed = (*now).clone();
        let one = changed.recipients.values_mut().find(|r| (format!("recipient/{}", r.id) == newer.id) == (id == newer.id)).unwrap();
        one.name = "改名".into();
        changed
    };
    let refused = app.engine.replace_directory(now.version, rename(&newer.id)).await;
    assert!(
        matches!(&refused, Err(StoreError::Newer(why)) if why.contains(&newer.id) && why.contains("`recipient.speaks`")),
        "{refused:?}"
    );
    let (_, docs) = app.engine.store().docs("directory").await.unwrap();
    assert!(docs.contains(&newer), "it stands as it was");
    assert!(app.engine.replace_directory(now.version, rename("another")).await.unwrap(), "others may be changed");
}
