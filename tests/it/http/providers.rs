//! Provider accounts as operators see and order them: who may, what holds, what it is answered when it cannot be, and that
//! every order is on record.

use super::kit::*;
use jiaoying::core::{send::Channel, time::Span};
use serde_json::{Value, json};

async fn with_a_spare(room: Room) -> App {
    let (store, reports) = (room.store.clone(), room.store.clone());
    App::start_with(room, store, reports, vec![carrier("spare-sms", Channel::Sms)]).await
}

async fn account(app: &App, name: &str) -> Value {
    let page = app.get("/api/v1/providers", VIEWER).await.expect(200);
    page["items"].as_array().unwrap().iter().find(|a| a["account"] == name).unwrap_or_else(|| panic!("{page}")).clone()
}

fn post(account: &str, act: &str) -> String {
    format!("/api/v1/providers/{account}/{act}")
}

/// By which accounts the messages of a warning's callouts went.
async fn carried_by(app: &App, warning: &str) -> Vec<String> {
    let mut all = Vec::new();
    for c in app.callouts(warning, "").await {
        let whole = app.get(&format!("/api/v1/callouts/{}", c["id"].as_str().unwrap()), VIEWER).await.expect(200);
        let sms = whole["attempts"].as_array().unwrap().iter().filter(|a| a["channel"] == "sms").cloned().collect::<Vec<_>>();
        all.extend(sms.iter().filter_map(|a| a["provider"].as_str().map(String::from)));
    }
    all.sort();
    all.dedup();
    all
}

pub async fn an_operators_pin_wins_until_it_ends_and_says_who_gave_it(room: Room) {
    let app = with_a_spare(room).await;
    let stands = account(&app, "spare-sms").await;
    assert_eq!(
        (&stands["channel"], &stands["state"], &stands["up"], &stands["pinned"]),
        (&json!("sms"), &json!("closed"), &json!(true), &Value::Null)
    );
    let until = (app.engine.now() + Span::hours(2)).rfc3339();
    let pinned = app.post(&post("spare-sms", "pin"), OPERATOR, &json!({"until": until})).await.expect(200);
    assert_eq!((&pinned["pinned"]["by"], &pinned["pinned"]["until"]), (&json!("值班员"), &json!(until)));
    let warning = app.red_rain("P1").await;
    assert_eq!(carried_by(&app, &warning).await, ["spare-sms"]);
    // Another pin of the channel takes its place: one a channel.
    app.post(&post("carrier-sms", "pin"), OPERATOR, &json!({})).await.expect(200);
    assert_eq!(account(&app, "spare-sms").await["pinned"], Value::Null);
    let free = app.post(&post("carrier-sms", "unpin"), OPERATOR, &json!({})).await.expect(200);
    assert_eq!(free["pinned"], Value::Null);
    let over = (app.engine.now() + Span::secs(-1)).rfc3339();
    let late = app.post(&post("spare-sms", "pin"), OPERATOR, &json!({"until": over})).await.expect(422);
    assert_eq!(late["errors"][0]["pointer"], "/until");
    let odd = app.post(&post("spare-sms", "pin"), OPERATOR, &json!({"for": "2h"})).await.expect(422);
    assert_eq!(odd["errors"][0]["pointer"], "/for");
    app.post(&post("nobody", "pin"), OPERATOR, &json!({})).await.expect(404);
}

pub async fn an_account_is_taken_out_and_put_back_but_not_the_last_of_its_channel(room: Room) {
    let app = with_a_spare(room).await;
    let out = app.post(&post("carrier-sms", "disable"), OPERATOR, &json!({})).await.expect(200);
    assert_eq!((&out["state"], &out["disabled"]["by"]), (&json!("disabled"), &json!("值班员")));
    let warning = app.red_rain("P2").await;
    assert_eq!(carried_by(&app, &warning).await, ["spare-sms"]);
    let last = app.post(&post("spare-sms", "disable"), OPERATOR, &json!({})).await.expect(409);
    assert!(last["detail"].as_str().unwrap().contains("last account of sms"), "{last}");
    app.post(&post("carrier-voice", "disable"), OPERATOR, &json!({})).await.expect(409);
    let back = app.post(&post("carrier-sms", "enable"), OPERATOR, &json!({})).await.expect(200);
    assert_eq!((&back["state"], &back["disabled"]), (&json!("closed"), &Value::Null));
}

pub async fn accounts_serve_everybody_so_a_bound_token_orders_nothing(room: Room) {
    let app = with_a_spare(room).await;
    for act in ["pin", "unpin", "disable", "enable"] {
        app.post(&post("spare-sms", act), COUNTY_TOKEN, &json!({})).await.expect(403);
        app.post(&post("spare-sms", act), VIEWER, &json!({})).await.expect(403);
    }
    assert_eq!(account(&app, "spare-sms").await["state"], "closed");
}
