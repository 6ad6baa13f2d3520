//! Live events, callbacks, and what those who run it read.

use super::kit::*;
use axum::body::Body;
use futures_util::StreamExt;
use jiaoying::store::Key;
use serde_json::{Value, json};
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
