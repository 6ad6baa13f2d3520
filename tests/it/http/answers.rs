//! The answer page: what a person called sees and does, without script and without login.

use super::kit::*;
use axum::body::Body;
use jiaoying::core::time::Span;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

async fn callout(app: &App, id: &str) -> Value {
    app.get(&format!("/api/v1/callouts/{id}"), VIEWER).await.expect(200)
}

/// A village callout that is being called.
async fn village(app: &App, warning: &str) -> String {
    let all = app.callouts(warning, "&state=calling&tier=village").await;
    all[0]["id"].as_str().unwrap().to_string()
}

pub async fn looking_changes_nothing_and_the_button_answers(room: Room) {
    let app = App::start(room).await;
    let warning = app.red_rain("A1").await;
    let id = village(&app, &warning).await;
    let link = app.link(&id, 0);
    let before = callout(&app, &id).await;
    for _ in 0..3 {
        let page = app.get(&link, "").await;
        assert_eq!((page.status.as_u16(), page.header("content-type")), (200, "text/html; charset=utf-8"));
        let page = page.text();
        let name = before["recipient"]["name"].as_str().unwrap();
        for wanted in ["沁水县发布暴雨红色预警", "立即转移危险区群众", "我已收到并到岗", "不是我本人", name]
        {
            assert!(page.contains(wanted), "{wanted} is missing");
        }
        assert!(!page.contains("演练") && !page.contains("<script"));
    }
    assert_eq!(callout(&app, &id).await, before, "GET never answers");

    app.clock.advance(Span::secs(40));
    let done = app.form(&link, "action=answer").await;
    assert_eq!(done.status.as_u16(), 200);
    assert!(done.text().contains("已收到您的应答") && done.text().contains("情况反馈"));
    let after = callout(&app, &id).await;
    assert_eq!(
        (&after["state"], &after["acknowledgement"]["via"], &after["acknowledgement"]["late"]),
        (&json!("answered"), &json!("link"), &json!(false))
    );
    assert_eq!(after["acknowledgement"]["by"]["relation"], "holder");
    assert_eq!(after["next"], Value::Null);
    let page = app.get(&link, "").await.text();
    assert!(page.contains("已应答") && !page.contains("value=\"answer\""));
    assert_eq!(app.form(&link, "action=answer").await.status.as_u16(), 200, "twice is no error");
    let tally = app.get(&format!("/api/v1/warnings/{warning}/tally"), VIEWER).await.expect(200);
    assert_eq!((&tally["answered"], &tally["by_via"]["link"], &tally["median_answer_s"]), (&json!(1), &json!(1), &json!(40.0)));
}

pub async fn an_unknown_token_is_told_so_in_chinese_and_an_unknown_button_too(room: Room) {
    let app = App::start(room).await;
    let page = app.get("/a/0123456789012345678901", "").await;
    assert_eq!(page.status.as_u16(), 404);
    assert!(page.text().contains("链接无效") && page.header("content-type").starts_with("text/html"));
    assert_eq!(app.form("/a/0123456789012345678901", "action=answer").await.status.as_u16(), 404);
    let warning = app.red_rain("A2").await;
    let link = app.link(&village(&app, &warning).await, 0);
    assert_eq!(app.form(&link, "action=explode").await.status.as_u16(), 400);
}

pub async fn a_report_of_nothing_is_a_report_and_a_full_one_is_shown_in_the_contracts_shape(room: Room) {
    let app = App::start(room).await;
    let warning = app.red_rain("A3").await;
    let id = village(&app, &warning).await;
    let link = app.link(&id, 0);
    app.form(&link, "action=answer").await;
    let place = callout(&app, &id).await["posts"][0]["place"].as_str().unwrap().to_string();
    let done = app.form(&format!("{link}/feedback"), &format!("nothing=1&place={place}")).await;
    assert_eq!(done.status.as_u16(), 200, "{}", done.text());
    assert!(done.text().contains("反馈已收到"));
    let shown = callout(&app, &id).await;
    assert_eq!(
        (&shown["state"], &shown["feedback"]["place"], &shown["feedback"]["on_post"]),
        (&json!("reported"), &json!(place), &json!(true))
    );

    app.clock.advance(Span::mins(1));
    let full = format!(
        "place={place}&on_post=1&to_move=12&moved=10&danger=yes&danger_kind=x&danger_where=y&closure_what=k&closure_due=2&closure_done=1&next_report_at=2024-07-08T17%3A00"
    );
    assert_eq!(app.form(&format!("{link}/feedback"), &full).await.status.as_u16(), 200);
    let report = &callout(&app, &id).await["feedback"];
    assert_eq!(
        report,
        &json!({"place": place, "on_post": true, "to_move": 12, "moved": 10, "refused": 0,
            "closures": [{"what": "k", "due": 2, "done": 1}], "danger": {"present": true, "kind": "x", "where": "y"},
            "outage": [], "note": "", "next_report_at": "2024-07-08T17:00:00+08:00"})
    );
    app.clock.advance(Span::mins(1));
    assert_eq!(app.form(&format!("{link}/feedback"), &format!("nothing=1&place={place}")).await.status.as_u16(), 200);
    let report = &callout(&app, &id).await["feedback"];
    assert_eq!((&report["danger"]["present"], &report["moved"]), (&json!(true), &json!(10)), "no change: the danger is still there");
    let wrong = app.form(&format!("{link}/feedback"), &format!("place={place}&to_move=many&note=kept")).await;
    assert_eq!(wrong.status.as_u16(), 422);
    assert!(wrong.text().contains("需转移人数应为") && wrong.text().contains("kept"), "nothing that was typed is lost");
    let elsewhere = app.form(&format!("{link}/feedback"), "nothing=1&place=140581000000").await;
    assert_eq!(elsewhere.status.as_u16(), 422);
    let report = request("POST", &format!("{link}/feedback"), "").header("content-type", "application/json");
    let sent = report.body(Body::from(json!({"place": place, "moved": 12}).to_string())).unwrap();
    assert_eq!(app.send(sent).await.status.as_u16(), 200, "a program may send JSON");
    assert_eq!(callout(&app, &id).await["feedback"]["moved"], 12);
}

pub async fn who_answers_for_several_places_reports_for_each_or_says_that_all_is_well_at_all_of_them(room: Room) {
    let app = App::start(room).await;
    let warning = app.red_rain("A7").await;
    let places_of = |c: &Value| {
        let mut ids: Vec<String> = c["posts"].as_array().unwrap().iter().map(|p| p["place"].as_str().unwrap().to_string()).collect();
        ids.dedup();
        ids
    };
    let all = app.callouts(&warning, "&state=calling").await;
    let mut several = all.iter().filter(|c| places_of(c).len() > 1);
    let (first, second) = (several.next().unwrap(), several.next().unwrap());

    let (id, places) = (first["id"].as_str().unwrap(), places_of(first));
    let link = app.link(id, 0);
    let page = app.form(&link, "action=answer").await.text();
    assert!(page.contains(&format!("全部 {} 处", places.len())) && !page.contains("还有地点未反馈"), "{page}");
    assert_eq!(app.form(&format!("{link}/feedback"), "nothing=1&place=").await.status.as_u16(), 422, "one is chosen, not assumed");
    let page = app.form(&format!("{link}/feedback"), &format!("place={}&on_post=1&moved=3", places[0])).await.text();
    assert!(page.contains("还有地点未反馈"), "{page}");
    let shown = callout(&app, id).await;
    assert_eq!((&shown["state"], &shown["feedback_due"][0]["places"]), (&json!("answered"), &json!(places[1..])));
    for place in &places[1..] {
        assert_eq!(callout(&app, id).await["state"], "answered");
        app.form(&format!("{link}/feedback"), &format!("place={place}&moved=1")).await;
    }
    assert_eq!(callout(&app, id).await["state"], "reported");

    let (id, link) = (second["id"].as_str().unwrap(), app.link(second["id"].as_str().unwrap(), 0));
    app.form(&link, "action=answer").await;
    let page = app.form(&format!("{link}/feedback"), "nothing=1&place=all").await.text();
    assert!(page.contains("反馈已收到") && !page.contains("还有地点未反馈"));
    assert_eq!(callout(&app, id).await["state"], "reported");
}

pub async fn not_me_is_no_answer_and_the_ladder_runs_on(room: Room) {
    let app = App::start(room).await;
    let warning = app.red_rain("A4").await;
    let id = village(&app, &warning).await;
    let done = app.form(&app.link(&id, 0), "action=not_me").await;
    assert!(done.status.as_u16() == 200 && done.text().contains("已记录"), "{}", done.text());
    let shown = callout(&app, &id).await;
    assert_eq!(shown["acknowledgement"], Value::Null);
    assert!(shown["next"].is_object(), "{shown}");
}

pub async fn what_is_said_twice_is_answered_on_the_strength_of_what_is_durable_alone(room: Room) {
    let app = App::start(room).await;
    let warning = app.red_rain("A7").await;
    let id = village(&app, &warning).await;
    for action in ["action=deputy", "action=not_me"] {
        let link = app.link(&id, 0);
        assert_eq!(app.form(&link, action).await.status.as_u16(), 200);
        let before = callout(&app, &id).await;
        // As when the first one was refused because no replica had it.
        app.disk_full.store(true, Ordering::SeqCst);
        assert_eq!(app.form(&link, action).await.status.as_u16(), 503, "{action}");
        app.disk_full.store(false, Ordering::SeqCst);
        assert_eq!(app.form(&link, action).await.status.as_u16(), 200);
        let after = callout(&app, &id).await;
        assert_eq!((&after["state"], &after["rung"], &after["attempts"]), (&before["state"], &before["rung"], &before["attempts"]));
    }
}

pub async fn after_the_end_the_page_tells_how_it_ended_and_the_answer_is_kept(room: Room) {
    let app = App::start(room).await;
    let warning = app.red_rain("A5").await;
    let id = village(&app, &warning).await;
    let link = app.link(&id, 0);
    app.post(&format!("/api/v1/warnings/{warning}/cancel"), OPERATOR, &json!({"reason": "降雨结束"})).await.expect(200);
    app.pass(Span::secs(30)).await;
    let page = app.get(&link, "").await.text();
    assert!(page.contains("本次叫应已结束：预警已解除") && !page.contains("value=\"answer\""), "{page}");
    let late = app.form(&link, "action=answer").await.text();
    assert!(late.contains("本次叫应已结束") && late.contains("已留存"), "{late}");
    assert_eq!(callout(&app, &id).await["state"], "closed");
}

pub async fn a_drill_is_marked_on_its_page_and_counted_apart(room: Room) {
    let app = App::start(room).await;
    let drill = app.post("/api/v1/drills", OPERATOR, &warning("DRILL")).await.expect(202);
    app.run().await;
    let id = drill["id"].as_str().unwrap();
    assert_eq!(app.get(&format!("/api/v1/warnings/{id}"), VIEWER).await.expect(200)["drill"], true);
    let callout = village(&app, id).await;
    let page = app.get(&app.link(&callout, 0), "").await.text();
    assert!(page.contains("<title>【演练】") && page.contains("这不是真实预警"));
    assert_eq!(app.get("/api/v1/warnings?drill=false", VIEWER).await.expect(200)["items"], json!([]));
    app.post("/api/v1/drills", COUNTY_TOKEN, &{
        let mut w = warning("DRILL2");
        w["areas"] = json!([{"division": "140581000000"}]);
        w
    })
    .await
    .expect(403);
}
