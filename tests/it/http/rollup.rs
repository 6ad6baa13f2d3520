//! Feedback summed up as outside programs see it; the permission to return; the policy explained and its versions.

use super::kit::*;
use jiaoying::core::time::Span;
use serde_json::{Value, json};

/// Two callouts in villages, answered and reported for: their ids and places.
async fn reported(app: &App, warning: &str) -> Vec<(String, String)> {
    let mut out = Vec::new();
    for c in app.callouts(warning, "&tier=village").await.into_iter().take(2) {
        let (id, place) = (c["id"].as_str().unwrap().to_string(), c["posts"][0]["place"].as_str().unwrap().to_string());
        let n = 10 * (out.len() as u64 + 1);
        let body = json!({"place": place, "on_post": true, "to_move": n, "moved": n - 3, "refused": 3,
            "closures": [{"what": "景区", "due": 1, "done": 1}], "outage": ["断路"]});
        app.post(&format!("/api/v1/callouts/{id}/feedback"), OPERATOR, &body).await.expect(200);
        out.push((id, place));
    }
    out
}

pub async fn feedback_is_summed_up_live_and_traced_to_the_reports_that_count(room: Room) {
    let app = App::start(room).await;
    let warning = app.red_rain("F1").await;
    let path = format!("/api/v1/warnings/{warning}/feedback");
    let empty = app.get(&path, VIEWER).await.expect(200);
    assert_eq!((&empty["total"]["moved"], &empty["items"]), (&json!(0), &json!([])));
    let given = reported(&app, &warning).await;
    let by = app.get(&format!("{path}?by=village"), VIEWER).await.expect(200);
    let same = given[0].1 == given[1].1;
    // Two who answer for one village are one place: the newer report counts.
    assert_eq!(by["total"]["moved"], json!(if same { 17 } else { 24 }), "{by:#}");
    assert_eq!(by["total"]["on_post"], json!(2));
    let counted: Vec<&Value> = by["items"].as_array().unwrap().iter().flat_map(|g| g["places"].as_array().unwrap()).collect();
    assert!(counted.iter().any(|p| p["callout_id"] == given[1].0.as_str() && p["report"]["moved"] == 17), "{by:#}");
    for level in ["township", "county"] {
        let page = app.get(&format!("{path}?by={level}"), VIEWER).await.expect(200);
        let sum: u64 = page["items"].as_array().unwrap().iter().map(|g| g["moved"].as_u64().unwrap()).sum();
        assert_eq!(json!(sum), page["total"]["moved"], "{level}");
    }
    // The same place again, by the same or by another: running totals, not sums.
    let body = json!({"place": given[1].1, "on_post": true, "to_move": 20, "moved": 20, "refused": 0});
    app.post(&format!("/api/v1/callouts/{}/feedback", given[1].0), OPERATOR, &body).await.expect(200);
    let total = app.get(&path, VIEWER).await.expect(200)["total"].clone();
    assert_eq!(total["moved"], json!(if same { 20 } else { 27 }), "it moves with the newest report: {total}");
    app.get(&format!("{path}?by=continent"), VIEWER).await.expect(400);
    assert_eq!(app.get(&path, COUNTY_TOKEN).await.expect(200)["total"]["on_post"], json!(2));
    app.get(&path, ELSEWHERE).await.expect(404);
    app.pass(Span::hours(1)).await;
    let late = app.get(&path, VIEWER).await.expect(200);
    assert!(late["overdue_count"].as_u64().unwrap() > 0 && late["overdue"][0]["overdue_since"].is_string(), "{late:#}");
}

pub async fn people_are_told_to_return_by_an_act_of_its_own_after_the_end(room: Room) {
    let app = App::start(room).await;
    let warning = app.red_rain("F2").await;
    let given = reported(&app, &warning).await;
    let path = format!("/api/v1/warnings/{warning}/return");
    app.post(&path, OPERATOR, &json!({"all": true, "note": "已复核"})).await.expect(409);
    app.post(&format!("/api/v1/warnings/{warning}/cancel"), OPERATOR, &json!({"reason": "雨停了"})).await.expect(200);
    app.run().await;
    app.post(&path, OPERATOR, &json!({"all": true, "note": ""})).await.expect(422);
    app.post(&path, OPERATOR, &json!({"places": ["nowhere"], "note": "已复核"})).await.expect(422);
    app.post(&path, VIEWER, &json!({"all": true, "note": "已复核"})).await.expect(403);
    let shown = app.post(&path, OPERATOR, &json!({"all": true, "note": "地质队已复核"})).await.expect(202);
    assert_eq!((&shown["state"], &shown["closed_reason"]), (&json!("closed"), &json!("cancelled")));
    assert_eq!(shown["returns"][0]["by"], "值班员");
    let places = shown["returns"][0]["places"].to_string();
    assert!(given.iter().all(|(_, p)| places.contains(p.as_str())), "{places}");
    app.run().await;
    let callout = app.get(&format!("/api/v1/callouts/{}", given[0].0), VIEWER).await.expect(200);
    assert!(callout["timeline"].to_string().contains("准许返回"), "{callout:#}");
}

pub async fn the_policy_is_explained_in_chinese_and_its_versions_are_kept(room: Room) {
    let app = App::start(room).await;
    let told = app.get("/api/v1/policy/explain?hazard=11B03&level=red&hour=23&tier=village", VIEWER).await.expect(200);
    assert_eq!((&told["rule"], &told["night"]), (&json!("暴雨红色"), &json!(true)), "{told:#}");
    assert!(told["text"].as_str().unwrap().contains("暴雨（11B03）红色，23:00 受理"));
    for bad in ["hazard=11B03", "hazard=11B03&level=pink", "hazard=11B03&level=red&hour=25"] {
        app.get(&format!("/api/v1/policy/explain?{bad}"), VIEWER).await.expect(400);
    }
    let hash = told["hash"].as_str().unwrap().to_string();
    let warning = app.red_rain("F3").await;
    let shown = app.get(&format!("/api/v1/warnings/{warning}"), VIEWER).await.expect(200);
    assert_eq!((&shown["policy"]["hash"], &shown["policy"]["calling"]), (&json!(hash), &json!("flat")), "a warning names its version");
    app.engine.record_policy("policy.toml").await.unwrap();
    app.engine.record_policy("policy.toml").await.unwrap();
    let text = app.engine.policy().origin.text.replace("5m", "6m");
    app.engine.give_policy(jiaoying::core::policy::parse_policy(&text).unwrap(), "newer.toml").await.unwrap();
    let list = app.get("/api/v1/policy/versions", VIEWER).await.expect(200);
    let items = list["items"].as_array().unwrap();
    assert_eq!(items.len(), 2, "the same again is no new version: {list:#}");
    let (newer, older) =
        (items.iter().find(|v| v["in_force_here"] == true).unwrap(), items.iter().find(|v| v["hash"] == hash.as_str()).unwrap());
    assert!(newer["in_force"][0]["by"].as_str().unwrap().contains("newer.toml") && older["in_force"].as_array().unwrap().len() == 1);
    let newer_hash = newer["hash"].as_str().unwrap();
    let one = app.get(&format!("/api/v1/policy/versions/{newer_hash}?against={hash}"), VIEWER).await.expect(200);
    assert_eq!(one["text"], json!(text));
    assert!(one["diff"].as_str().unwrap().lines().any(|l| l.starts_with('+') && l.contains("6m")), "{}", one["diff"]);
    app.get("/api/v1/policy/versions/0000", VIEWER).await.expect(404);
    // The running warning keeps its own.
    let shown = app.get(&format!("/api/v1/warnings/{warning}"), VIEWER).await.expect(200);
    assert_eq!(shown["policy"]["hash"], json!(hash));
}
