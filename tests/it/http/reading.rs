//! What viewers and administrators read: the contract's JSON, page by page, numbers masked, divisions kept apart.

use super::kit::*;
use axum::body::Body;
use jiaoying::{
    core::time::{Span, Time},
    ingest::sheet::sheet_csv,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn words(text: &str) -> BTreeSet<&str> {
    text.split_whitespace().collect()
}

const TALLY: &str = "expected queued calling answered reported overdue handed_over closed unreachable closed_by by_via by_relation told \
                     answered_on_time answer_rate on_time_rate feedback_rate median_answer_s p90_answer_s places places_covered places_silent";
const CALLOUT: &str =
    "id warning_id recipient posts division tier state closed_reason carried_from due_at acknowledgement feedback rung next contacts";

fn sum(tally: &Value) -> u64 {
    ["queued", "calling", "overdue", "handed_over", "answered", "closed", "unreachable"].iter().map(|k| tally[*k].as_u64().unwrap()).sum()
}

pub async fn a_tally_has_the_contracts_fields_and_its_sum_is_expected(room: Room) {
    let app = App::start(room).await;
    let id = app.red_rain("T1").await;
    let tally = app.get(&format!("/api/v1/warnings/{id}/tally"), VIEWER).await.expect(200);
    assert_eq!(keys(&tally), words(TALLY));
    assert!(tally["expected"].as_u64().unwrap() > 20, "{tally}");
    assert_eq!(sum(&tally), tally["expected"].as_u64().unwrap());
    for by in ["county", "township", "village", "tier", "hazard", "role"] {
        let groups = app.get(&format!("/api/v1/warnings/{id}/tally?by={by}"), VIEWER).await.expect(200);
        let items = groups["items"].as_array().unwrap();
        let total: u64 = items.iter().map(|g| g["tally"]["expected"].as_u64().unwrap()).sum();
        assert_eq!(total, tally["expected"].as_u64().unwrap(), "by {by}: {groups}");
    }
    app.get(&format!("/api/v1/warnings/{id}/tally?by=colour"), VIEWER).await.expect(400);
}

pub async fn warnings_are_listed_newest_first_filtered_and_paged(room: Room) {
    let app = App::start(room).await;
    for n in 0..3 {
        let mut w = warning(&format!("L{n}"));
        w["level"] = json!(["red", "orange", "red"][n]);
        app.post("/api/v1/warnings", ISSUER_KEY, &w).await.expect(202);
    }
    let ids = |page: &Value| page["items"].as_array().unwrap().iter().map(|w| w["id"].as_str().unwrap().to_string()).collect::<Vec<_>>();
    let all = app.get("/api/v1/warnings", VIEWER).await.expect(200);
    assert_eq!(ids(&all), ["w3", "w2", "w1"]);
    assert_eq!(keys(&all["items"][0]["tally"]), words(TALLY));
    let red = app.get("/api/v1/warnings?level=red&hazard=11B&drill=false&state=accepted", VIEWER).await.expect(200);
    assert_eq!(ids(&red), ["w3", "w1"]);
    let first = app.get("/api/v1/warnings?limit=2", VIEWER).await.expect(200);
    assert_eq!((ids(&first), first["next_cursor"].as_str()), (vec!["w3".into(), "w2".into()], Some("w2")));
    let second = app.get("/api/v1/warnings?limit=2&cursor=w2", VIEWER).await.expect(200);
    assert_eq!((ids(&second), &second["next_cursor"]), (vec!["w1".to_string()], &Value::Null));
    for odd in ["?limit=0", "?limit=9999", "?cursor=x", "?level=purple", "?colour=red", "?division=1"] {
        app.get(&format!("/api/v1/warnings{odd}"), VIEWER).await.expect(400);
    }
    app.get("/api/v1/warnings/w99", VIEWER).await.expect(404);
    app.get("/api/v1/warnings/nonsense", VIEWER).await.expect(404);
}

pub async fn one_warning_shows_its_content_in_the_native_json_and_its_policy(room: Room) {
    let app = App::start(room).await;
    let id = app.red_rain("N1").await;
    let shown = app.get(&format!("/api/v1/warnings/{id}"), VIEWER).await.expect(200);
    let posted = warning("N1");
    for (key, value) in posted.as_object().unwrap() {
        assert_eq!(&shown["content"][key], value, "{key}");
    }
    assert!(!shown["policy"]["stages"].as_array().unwrap().is_empty(), "{shown}");
    assert_eq!((&shown["state"], &shown["drill"]), (&json!("active"), &json!(false)));
}

pub async fn the_forecast_says_when_it_will_be_done_and_whom_no_call_reaches_in_time(room: Room) {
    let app = App::start(room).await;
    let id = app.red_rain("F1").await;
    let path = format!("/api/v1/warnings/{id}/forecast");
    let f = app.get(&path, VIEWER).await.expect(200);
    let tally = app.get(&format!("/api/v1/warnings/{id}/tally"), VIEWER).await.expect(200);
    let silent = tally["expected"].as_u64().unwrap() - tally["answered"].as_u64().unwrap();
    assert!(f["open"].as_u64().unwrap() >= silent, "{f}");
    // The SMS have left; a thousand lines ring everybody half a minute later.
    assert_eq!((&f["sms_done_at"], &f["lines"], &f["overruns"], &f["late"]), (&Value::Null, &json!(1000), &json!(false), &json!(0)));
    let done = Time::parse_rfc3339(f["voice_done_at"].as_str().unwrap()).unwrap();
    assert!(done > app.engine.now() + Span::mins(1) && done < app.engine.now() + Span::mins(30), "{f}");
    assert!(f["calls"].as_f64().unwrap() > 10.0 && f["voice_minutes"].as_f64() >= f["calls"].as_f64(), "{f}");
    assert_eq!(f["deadlines"].as_array().unwrap().iter().map(|d| d["persons"].as_u64().unwrap()).sum::<u64>(), silent);
    assert!(f["rungs"].as_array().unwrap().iter().all(|r| r["rung"].as_u64().unwrap() > 0), "rung 0 was taken: {f}");
    assert!(f["text"].as_str().unwrap().contains("电话按 1000 路"), "{f}");
    assert!(app.get("/status", VIEWER).await.text().contains("预计电话按 1000 路"));
    // Those who have answered are not reckoned with any more.
    let first = app.callouts(&id, "").await[0]["id"].as_str().unwrap().to_string();
    app.form(&app.link(&first, 0), "action=answer").await;
    app.pass(Span::secs(10)).await;
    let after = app.get(&path, VIEWER).await.expect(200);
    assert_eq!(after["open"].as_u64().unwrap() + 1, f["open"].as_u64().unwrap());
    // A bound token's forecast is of its own division; elsewhere there is no such warning.
    assert_eq!(app.get(&path, COUNTY_TOKEN).await.expect(200)["lines"], json!(1000));
    app.get(&path, ELSEWHERE).await.expect(404);
    app.get("/api/v1/warnings/w99/forecast", VIEWER).await.expect(404);
    app.get(&path, ISSUER_KEY).await.expect(403);
}

pub async fn callouts_have_the_contracts_fields_and_every_open_one_says_what_comes_next(room: Room) {
    let app = App::start(room).await;
    let id = app.red_rain("K1").await;
    let all = app.callouts(&id, "").await;
    let tally = app.get(&format!("/api/v1/warnings/{id}/tally"), VIEWER).await.expect(200);
    assert_eq!(all.len() as u64, tally["expected"].as_u64().unwrap());
    for c in &all {
        assert_eq!(keys(c), words(CALLOUT));
        assert!(c["next"]["at"].as_str().is_some_and(|t| t.ends_with("+08:00")), "{c}");
        assert!(c["next"]["what"].as_str().is_some_and(|t| !t.is_empty()), "{c}");
    }
    let distinct: BTreeSet<_> = all.iter().map(|c| c["id"].as_str().unwrap()).collect();
    assert_eq!(distinct.len(), all.len(), "no page repeats another");
    let calling = app.callouts(&id, "&state=calling").await;
    assert_eq!(calling.len() as u64, tally["calling"].as_u64().unwrap());
    let village = app.callouts(&id, "&tier=village").await;
    assert!(village.iter().all(|c| c["tier"] == "village") && !village.is_empty());
    let one = calling[0]["id"].as_str().unwrap();
    let whole = app.get(&format!("/api/v1/callouts/{one}"), VIEWER).await.expect(200);
    assert_eq!(keys(&whole), words(&format!("{CALLOUT} feedback_due attempts timeline")));
    let attempt = &whole["attempts"][0];
    assert_eq!(
        keys(attempt),
        words("id contact channel provider state queued_at accepted_at finished_at outcome provider_message_id repeats hedges")
    );
    assert_eq!((&attempt["state"], &attempt["channel"]), (&json!("accepted"), &json!("sms")), "{whole}");
    let timeline = whole["timeline"].as_array().unwrap();
    assert!(timeline.len() >= 3 && timeline[0]["what"] == "列入叫应", "{timeline:#?}");
    assert!(timeline.iter().all(|l| keys(l) == words("at what by") && !l["what"].as_str().unwrap().contains("无法识别")));
}

pub async fn numbers_are_masked_unless_an_operator_asks(room: Room) {
    let app = App::start(room).await;
    let id = app.red_rain("M1").await;
    let calling = app.callouts(&id, "&state=calling").await;
    let callout = calling.iter().find(|c| c["recipient"]["phone"].is_string()).unwrap();
    let masked = callout["recipient"]["phone"].as_str().unwrap();
    assert!(masked.contains("****"), "{masked}");
    let path = format!("/api/v1/callouts/{}?reveal=true", callout["id"].as_str().unwrap());
    app.get(&path, VIEWER).await.expect(403);
    let bound = app.get(&path, COUNTY_TOKEN).await.expect(200);
    let full = bound["recipient"]["phone"].as_str().unwrap();
    assert!(!full.contains('*') && full.ends_with(&masked[masked.len() - 4..]));
    assert!(app.engine.directory().recipients.values().any(|p| p.phones.iter().any(|n| n.reveal() == full)));
}

pub async fn a_token_bound_to_a_division_sees_that_division_only(room: Room) {
    let app = App::start(room).await;
    let id = app.red_rain("Z1").await;
    let whole = app.get(&format!("/api/v1/warnings/{id}/tally"), VIEWER).await.expect(200);
    let own = app.get(&format!("/api/v1/warnings/{id}/tally"), COUNTY_TOKEN).await.expect(200);
    let (whole, own) = (whole["expected"].as_u64().unwrap(), own["expected"].as_u64().unwrap());
    assert!(own > 0 && own <= whole);
    app.get(&format!("/api/v1/warnings/{id}"), ELSEWHERE).await.expect(404);
    app.get(&format!("/api/v1/warnings/{id}/callouts"), ELSEWHERE).await.expect(404);
    assert_eq!(app.get("/api/v1/warnings", ELSEWHERE).await.expect(200)["items"], json!([]));
    app.get("/api/v1/warnings?division=140581", COUNTY_TOKEN).await.expect(403);
    let village = app.callouts(&id, "&tier=village").await[0]["id"].as_str().unwrap().to_string();
    app.get(&format!("/api/v1/callouts/{village}"), ELSEWHERE).await.expect(404);
    app.post(&format!("/api/v1/callouts/{village}/acknowledge"), ELSEWHERE, &json!({"method": "phone"})).await.expect(404);
    app.post(&format!("/api/v1/warnings/{id}/cancel"), ELSEWHERE, &json!({"reason": "x"})).await.expect(404);
    app.post(&format!("/api/v1/warnings/{id}/places"), COUNTY_TOKEN, &json!({"place": "140581000000"})).await.expect(403);
}

pub async fn the_directory_is_read_page_by_page_and_taken_in_from_a_sheet(room: Room) {
    let app = App::start(room).await;
    let directory = app.engine.directory();
    let page = app.get("/api/v1/recipients?limit=10", ADMIN).await.expect(200);
    assert_eq!(page["items"].as_array().unwrap().len(), 10);
    assert!(
        page["items"].as_array().unwrap().iter().all(|p| p["phones"].as_array().unwrap().iter().all(|n| n.as_str().unwrap().contains('*')))
    );
    let next = page["next_cursor"].as_str().unwrap();
    let more = app.get(&format!("/api/v1/recipients?limit=10&cursor={next}"), ADMIN).await.expect(200);
    assert_ne!(page["items"][9]["id"], more["items"][0]["id"]);
    let id = page["items"][0]["id"].as_str().unwrap();
    assert!(app.get(&format!("/api/v1/recipients/{id}"), ADMIN).await.expect(200)["posts"].is_array());
    let posts = app.get("/api/v1/posts?division=140521&limit=5", ADMIN).await.expect(200);
    assert!(posts["items"].as_array().unwrap().iter().all(|p| p["division"].as_str().unwrap().starts_with("140521")));

    let send = async |query: &str, body: Vec<u8>, media: &str| {
        let request = request("POST", &format!("/api/v1/directory/import{query}"), ADMIN).header("content-type", media);
        app.send(request.body(Body::from(body)).unwrap()).await
    };
    let sheet = sheet_csv(&directory);
    let same = send("?dry_run=true", sheet.clone().into_bytes(), "text/csv").await.expect(200);
    assert_eq!(
        (&same["dry_run"], &same["applied"], &same["diff"]["added"]),
        (&json!(true), &json!(false), &json!([])),
        "{}",
        same["summary"]
    );
    let broken = send("", "序号,姓名\n1,张三\n".into(), "text/csv").await.expect(422);
    assert!(!broken["errors"].as_array().unwrap().is_empty());
    send("", b"x".to_vec(), "text/plain").await.expect(415);
    assert_eq!(app.engine.directory().version, directory.version, "nothing was applied");

    let person = directory.recipients.values().find(|p| p.phones.len() == 1 && sheet.matches(p.phones[0].reveal()).count() == 1).unwrap();
    let moved = sheet.replace(person.phones[0].reveal(), "15499998888");
    let done = send("", moved.clone().into_bytes(), "text/csv").await.expect(200);
    assert_eq!((&done["applied"], &done["diff"]["changed"][0]["id"]), (&json!(true), &json!(person.id.to_string())), "{}", done["summary"]);
    let now = app.engine.directory();
    assert_eq!(now.recipients[&person.id].phones[0].reveal(), "15499998888");
    assert_eq!(done["version"], now.version);
    assert!(!done.to_string().contains("15499998888"), "a report of changes shows no numbers");
    let bound = request("POST", "/api/v1/directory/import", ELSEWHERE).header("content-type", "text/csv");
    let outside = app.send(bound.body(Body::from(sheet)).unwrap()).await.expect(422);
    assert!(outside["errors"].as_array().unwrap().len() > 1, "rows outside the token's division");
}
