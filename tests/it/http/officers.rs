//! What officers do: answers by hand, tasks, extending, adding a place, finding who rings back.

use super::kit::*;
use jiaoying::core::time::Span;
use serde_json::{Value, json};

async fn first(app: &App, warning: &str, query: &str) -> Value {
    app.callouts(warning, query).await.into_iter().next().unwrap_or_else(|| panic!("no callout for {query}"))
}

pub async fn an_officers_entry_is_an_answer_and_says_who_entered_it(room: Room) {
    let app = App::start(room).await;
    let warning = app.red_rain("O1").await;
    let id = first(&app, &warning, "&state=calling").await["id"].as_str().unwrap().to_string();
    let path = format!("/api/v1/callouts/{id}/acknowledge");
    app.post(&path, OPERATOR, &json!({"method": ""})).await.expect(422);
    let odd = app.post(&path, OPERATOR, &json!({"method": "phone", "who": "x"})).await.expect(422);
    assert_eq!(odd["errors"][0]["pointer"], "/who");
    let shown = app.post(&path, OPERATOR, &json!({"method": "phone", "note": "对方已复述"})).await.expect(200);
    assert_eq!((&shown["state"], &shown["acknowledgement"]["via"]), (&json!("answered"), &json!("api")), "a token is a program's");
    assert!(shown["timeline"].as_array().unwrap().iter().any(|l| l["what"].as_str().unwrap().contains("由值班员录入")), "{shown:#}");
    let place = shown["posts"][0]["place"].clone();
    let elsewhere = app.post(&format!("/api/v1/callouts/{id}/feedback"), OPERATOR, &json!({"place": "999"})).await.expect(422);
    assert_eq!(elsewhere["errors"][0]["pointer"], "/place");
    let reported =
        app.post(&format!("/api/v1/callouts/{id}/feedback"), OPERATOR, &json!({"place": place, "on_post": true})).await.expect(200);
    assert_eq!((&reported["state"], &reported["feedback"]["on_post"]), (&json!("reported"), &json!(true)));
    app.post("/api/v1/callouts/w1-99999/acknowledge", OPERATOR, &json!({"method": "phone"})).await.expect(404);
}

pub async fn silence_becomes_a_task_that_is_claimed_and_signed_off(room: Room) {
    let app = App::start(room).await;
    let warning = app.red_rain("O2").await;
    let mut open = Vec::new();
    for _ in 0..30 {
        app.pass(Span::mins(1)).await;
        let page = app.get("/api/v1/tasks?limit=5", OPERATOR).await.expect(200);
        open = page["items"].as_array().unwrap().iter().filter(|t| t["callout_id"].is_string()).cloned().collect();
        if !open.is_empty() {
            break;
        }
    }
    let task = open.first().expect("half an hour of silence opens a task");
    assert_eq!((&task["kind"], &task["warning_id"], &task["claimed_by"]), (&json!("call"), &json!(warning), &Value::Null));
    let path = format!("/api/v1/tasks/{}", task["id"].as_str().unwrap());
    let claimed = app.post(&format!("{path}/claim"), OPERATOR, &json!({})).await.expect(200);
    assert_eq!(claimed["claimed_by"], "值班员");
    app.post(&format!("{path}/claim"), COUNTY_TOKEN, &json!({})).await.expect(409);
    app.post(&format!("{path}/claim"), ELSEWHERE, &json!({})).await.expect(404);
    let done = app
        .post(&format!("{path}/complete"), OPERATOR, &json!({"outcome": "reached", "reached": "holder", "note": "电话接通"}))
        .await
        .expect(200);
    assert!(done["outcome"].is_string(), "{done}");
    app.post(&format!("{path}/complete"), OPERATOR, &json!({"outcome": "reached"})).await.expect(409);
    let callout = app.get(&format!("/api/v1/callouts/{}", task["callout_id"].as_str().unwrap()), VIEWER).await.expect(200);
    assert_eq!((&callout["state"], &callout["acknowledgement"]["late"]), (&json!("answered"), &json!(true)), "{callout:#}");
    let tally = app.get(&format!("/api/v1/warnings/{warning}/tally"), VIEWER).await.expect(200);
    assert!(tally["overdue"].as_u64().unwrap() + tally["handed_over"].as_u64().unwrap() > 0);
    let page = app.get("/api/v1/tasks?limit=1", OPERATOR).await.expect(200);
    if let Some(cursor) = page["next_cursor"].as_str() {
        let next = app.get(&format!("/api/v1/tasks?limit=1&cursor={cursor}"), OPERATOR).await.expect(200);
        assert_ne!(next["items"][0]["id"], page["items"][0]["id"]);
    }
}

pub async fn somebody_who_rings_back_is_found_by_number_and_by_name(room: Room) {
    let app = App::start(room).await;
    let warning = app.red_rain("O3").await;
    let id = first(&app, &warning, "&state=calling").await["id"].as_str().unwrap().to_string();
    let full = app.get(&format!("/api/v1/callouts/{id}?reveal=true"), COUNTY_TOKEN).await.expect(200);
    let (phone, name) = (full["recipient"]["phone"].as_str().unwrap(), full["recipient"]["name"].as_str().unwrap());
    let by_phone = app.get(&format!("/api/v1/callouts?phone={phone}&open=true"), OPERATOR).await.expect(200);
    assert!(by_phone["items"].as_array().unwrap().iter().any(|c| c["id"] == id.as_str()), "{by_phone}");
    assert!(!by_phone.to_string().contains(phone), "still masked");
    let encoded: String = name.bytes().map(|b| format!("%{b:02X}")).collect();
    let by_name = app.get(&format!("/api/v1/callouts?name={encoded}"), OPERATOR).await.expect(200);
    assert!(by_name["items"].as_array().unwrap().iter().any(|c| c["id"] == id.as_str()));
    assert_eq!(app.get("/api/v1/callouts?phone=15499999999", OPERATOR).await.expect(200)["items"], json!([]));
    app.get("/api/v1/callouts", OPERATOR).await.expect(400);
    app.get("/api/v1/callouts?phone=abc", OPERATOR).await.expect(400);
}

pub async fn a_warning_is_extended_and_widened(room: Room) {
    let app = App::start(room).await;
    let warning = app.red_rain("O4").await;
    let path = format!("/api/v1/warnings/{warning}");
    let later = app.post(&format!("{path}/extend"), OPERATOR, &json!({"expires": "2024-07-09T06:00:00+08:00"})).await;
    assert_eq!(later.expect(200)["expires_at"], "2024-07-09T06:00:00+08:00");
    app.post(&format!("{path}/extend"), OPERATOR, &json!({"expires": "2020-01-01T00:00:00+08:00"})).await.expect(422);
    app.post(&format!("{path}/extend"), OPERATOR, &json!({"expires": "tomorrow"})).await.expect(422);
    let before = app.get(&format!("{path}/tally"), VIEWER).await.expect(200)["expected"].as_u64().unwrap();
    app.post(&format!("{path}/places"), OPERATOR, &json!({"place": "nowhere"})).await.expect(422);
    let widened = app.post(&format!("{path}/places"), OPERATOR, &json!({"place": "140581000000"})).await.expect(202);
    assert_eq!(widened["added_places"], json!(["140581000000"]));
    app.run().await;
    let after = app.get(&format!("{path}/tally"), VIEWER).await.expect(200)["expected"].as_u64().unwrap();
    assert!(after > before, "{before} → {after}");
}

pub async fn the_leader_is_rung_about_a_task_nobody_claims_and_the_warning_shows_the_calls(room: Room) {
    let app = App::start(room).await;
    let warning = app.red_rain("O5").await;
    let path = format!("/api/v1/warnings/{warning}");
    let soon = (app.engine.now() + Span::mins(1)).rfc3339();
    app.post(&format!("{path}/extend"), OPERATOR, &json!({ "expires": soon })).await.expect(200);
    let mut calls = Vec::new();
    for _ in 0..20 {
        app.pass(Span::mins(1)).await;
        calls = app.get(&path, VIEWER).await.expect(200)["duty_calls"].as_array().unwrap().clone();
        if !calls.is_empty() {
            break;
        }
    }
    let call = calls.first().expect("nobody says whether it is to end or be extended: the leader is rung");
    assert!(call["id"].as_str().unwrap().starts_with(&format!("{warning}-")), "{call}");
    assert_eq!((&call["channel"], &call["keys"]), (&json!("voice"), &Value::Null));
    assert!(call["phone"].as_str().unwrap().contains("****") && call["task"].is_string() && call["name"].is_string(), "{call}");
}
