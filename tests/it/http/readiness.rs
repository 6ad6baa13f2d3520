//! Readiness over HTTP: coverage as JSON, workbook and page; who is called; rehearsals; drills and their reports.

use super::kit::*;
use jiaoying::core::time::Span;
use serde_json::{Value, json};

pub async fn coverage_is_paged_filtered_and_bound_to_a_division(room: Room) {
    let app = App::start(room).await;
    let page = app.get("/api/v1/directory/coverage?limit=10", VIEWER).await.expect(200);
    let items = page["items"].as_array().unwrap();
    assert_eq!(items.len(), 10);
    assert!(page["places"].as_u64().unwrap() > 1_000 && page["people"].as_u64().unwrap() > 100);
    let counted: u64 = page["summary"].as_array().unwrap().iter().map(|k| k["count"].as_u64().unwrap()).sum();
    let next = page["next_cursor"].as_str().unwrap();
    let second = app.get(&format!("/api/v1/directory/coverage?limit=10&cursor={next}"), VIEWER).await.expect(200);
    assert_ne!(items[0], second["items"][0]);
    let nobody =
        app.get("/api/v1/directory/coverage?kind=nobody&hazard=11B03&level=red&division=140521&limit=500", VIEWER).await.expect(200);
    let there = nobody["items"].as_array().unwrap();
    assert!(!there.is_empty() && there.iter().all(|g| g["kind"] == "nobody" && g["division"].as_str().unwrap().starts_with("140521")));
    assert!((there.len() as u64) < counted);
    let bound = app.get("/api/v1/directory/coverage?limit=500", COUNTY_TOKEN).await.expect(200);
    assert!(bound["items"].as_array().unwrap().iter().all(|g| g["division"].as_str().unwrap().starts_with("140521")));
    app.get("/api/v1/directory/coverage?division=140581", COUNTY_TOKEN).await.expect(403);
    app.get("/api/v1/directory/coverage?kind=odd", VIEWER).await.expect(400);
    app.get("/api/v1/directory/coverage?level=purple", VIEWER).await.expect(400);
    let sheet = app.get("/api/v1/directory/coverage.xlsx?division=140521", VIEWER).await;
    assert_eq!(sheet.status.as_u16(), 200);
    assert!(sheet.body.starts_with(b"PK") && sheet.header("content-disposition").contains("coverage.xlsx"));
}

pub async fn the_coverage_page_works_without_script_and_is_linked_from_the_status_page(room: Room) {
    let app = App::start(room).await;
    assert!(app.get("/status", VIEWER).await.text().contains("href=\"/coverage\""));
    let page = app.get("/coverage?division=140521&hazard=&level=&kind=nobody", VIEWER).await;
    assert_eq!(page.status.as_u16(), 200, "{}", page.text());
    let html = page.text();
    assert!(html.contains("责任人覆盖检查") && html.contains("无人可叫") && !html.contains("<script"), "{html}");
    assert!(html.contains("/api/v1/directory/coverage.xlsx?division=140521&amp;kind=nobody"), "{html}");
    let directory = app.engine.directory();
    let plain = directory.recipients.values().flat_map(|r| &r.phones).find(|p| html.contains(p.reveal()));
    assert!(plain.is_none(), "numbers are masked");
}

pub async fn the_directory_is_confirmed_for_the_year(room: Room) {
    let app = App::start(room).await;
    let path = "/api/v1/directory/confirmations";
    app.post(path, VIEWER, &json!({"divisions": ["140521"]})).await.expect(403);
    app.post(path, ADMIN, &json!({"divisions": []})).await.expect(422);
    let odd = app.post(path, ADMIN, &json!({"divisions": ["140521", "999999"]})).await.expect(422);
    assert_eq!(odd["errors"][0]["pointer"], "/divisions/1");
    app.post(path, COUNTY_TOKEN, &json!({"divisions": ["140581"]})).await.expect(403);
    let done = app.post(path, COUNTY_TOKEN, &json!({"divisions": ["140521"]})).await.expect(200);
    assert_eq!(done["by"], "沁水县");
}

pub async fn whom_a_hazard_calls_now_and_through_which_doors(room: Room) {
    let app = App::start(room).await;
    let page = app.get("/api/v1/directory/called?hazard=11B03&level=red&division=140521&limit=500", VIEWER).await.expect(200);
    let items = page["items"].as_array().unwrap();
    assert_eq!(page["rules"], json!(["暴雨红色"]));
    assert!(page["expected"].as_u64().unwrap() >= items.len() as u64 - page["told"].as_u64().unwrap());
    let chief = items.iter().find(|p| p["doors"].as_array().is_some_and(|d| !d.is_empty())).unwrap();
    assert!(chief["doors"][0]["phone"].as_str().unwrap().contains("****"), "{chief}");
    assert_eq!(chief["doors"][0]["channels"], json!(["sms", "voice"]));
    app.get("/api/v1/directory/called?hazard=11B03", VIEWER).await.expect(400);
}

pub async fn a_rehearsal_tells_everything_and_does_nothing(room: Room) {
    let app = App::start(room).await;
    let mut body = warning("R1");
    let told = app.post("/api/v1/rehearsals?persons=3", VIEWER, &body).await.expect(200);
    assert_eq!(told["persons"].as_array().unwrap().len(), 3);
    assert_eq!(told["more_persons"], true);
    let first = &told["persons"][0];
    assert!(first["phone"].as_str().is_none_or(|p| p.contains("****")));
    assert_eq!(first["rungs"][0]["rung"], 0);
    assert_eq!(told["rules"], json!(["暴雨红色"]));
    let expected = told["expected"].as_u64().unwrap();
    assert!(expected > 10 && told["rungs"]["0"]["sms"].as_u64().unwrap() > 10);
    assert!(told["cost_at_most"]["yuan"].as_f64().unwrap() > told["cost_expected"]["yuan"].as_f64().unwrap());
    assert!(told["sms_done_at"].is_string() && told["voice_done_at"].is_string());
    assert_eq!(app.get("/api/v1/warnings", VIEWER).await.expect(200)["items"], json!([]), "nothing is kept");
    app.run().await;
    let real = app.red_rain("R1").await;
    let tally = app.get(&format!("/api/v1/warnings/{real}/tally"), VIEWER).await.expect(200);
    assert_eq!(tally["expected"].as_u64(), Some(expected), "and then it is so");
    let own = app.post("/api/v1/rehearsals", COUNTY_TOKEN, &warning("R2")).await.expect(200);
    assert!(own["expected"].as_u64().unwrap() <= expected);
    app.post("/api/v1/rehearsals", ELSEWHERE, &warning("R3")).await.expect(403);
    // A message by itself that the run would treat otherwise is rehearsed, and says so.
    let mut odd = warning("R6");
    (odd["status"], odd["message_type"]) = (json!("exercise"), json!("update"));
    let told = app.post("/api/v1/rehearsals", VIEWER, &odd).await.expect(200);
    let codes: Vec<&str> = told["findings"].as_array().unwrap().iter().filter_map(|f| f["code"].as_str()).collect();
    assert!(codes.contains(&"not_actual") && codes.contains(&"update_alone"), "{codes:?}");
    body["levl"] = json!("red");
    app.post("/api/v1/rehearsals", VIEWER, &body).await.expect(422);
    app.post("/api/v1/rehearsals?at=yesterday", VIEWER, &warning("R4")).await.expect(400);
    let night = app.post("/api/v1/rehearsals?at=2024-07-08T02:00:00%2B08:00", VIEWER, &warning("R5")).await.expect(200);
    assert_eq!(night["at"], "2024-07-08T02:00:00+08:00");
}

pub async fn a_drill_has_a_list_and_a_report_of_its_own(room: Room) {
    let app = App::start(room).await;
    let drill = app.post("/api/v1/drills?tier=village&channel=sms", OPERATOR, &warning("D1")).await.expect(202);
    app.run().await;
    app.pass(Span::secs(40)).await;
    let id = drill["id"].as_str().unwrap();
    let list = app.get("/api/v1/drills", VIEWER).await.expect(200);
    assert_eq!((&list["items"][0]["id"], &list["items"][0]["tiers"]), (&json!(id), &json!(["village"])));
    let report = app.get(&format!("/api/v1/drills/{id}/report"), VIEWER).await.expect(200);
    let items = report["items"].as_array().unwrap();
    assert!(!items.is_empty() && items.iter().all(|r| r["drill"] == true && r["channel"] == "sms" && r["tier"] == "village"), "{report}");
    assert_eq!(report["figures"]["channels"][0]["channel"], "sms");
    let csv = app.get(&format!("/api/v1/drills/{id}/report?format=csv"), VIEWER).await;
    assert!(csv.text().contains("演练") && csv.header("content-type").starts_with("text/csv"));
    let sheet = app.get(&format!("/api/v1/drills/{id}/report?format=xlsx"), VIEWER).await;
    assert!(sheet.body.starts_with(b"PK"));
    app.get(&format!("/api/v1/drills/{id}/report?format=doc"), VIEWER).await.expect(400);
    app.post("/api/v1/drills?tier=county,odd", OPERATOR, &warning("D2")).await.expect(400);
    let real = app.red_rain("D3").await;
    app.get(&format!("/api/v1/drills/{real}/report"), VIEWER).await.expect(404);
    app.post("/api/v1/drills", OPERATOR, &warning("D4")).await.expect(409);
    app.post("/api/v1/drills?beside_real=true", OPERATOR, &warning("D4")).await.expect(202);
}

pub async fn the_roll_is_called_and_looked_over(room: Room) {
    let app = App::start(room).await;
    let roll = app.get("/api/v1/drills/roll-call", VIEWER).await.expect(200);
    let numbers = roll["numbers"].as_u64().unwrap();
    assert!(numbers > 300 && roll["untried"].as_u64() == Some(numbers), "{}", roll["numbers"]);
    assert!(roll["open"][0]["phone"].as_str().unwrap().contains("****"));
    let started = app.post("/api/v1/drills/roll-call", OPERATOR, &json!({"identifier": "q3-1", "share": 20})).await.expect(202);
    let again = app.post("/api/v1/drills/roll-call", OPERATOR, &json!({"identifier": "q3-1", "share": 20})).await.expect(200);
    assert_eq!(started["id"], again["id"]);
    app.run().await;
    let id = started["id"].as_str().unwrap();
    let tally = app.get(&format!("/api/v1/warnings/{id}/tally"), VIEWER).await.expect(200);
    assert_eq!(tally["expected"].as_u64(), Some(numbers.div_ceil(20)));
    app.post("/api/v1/drills/roll-call", OPERATOR, &json!({"identifier": ""})).await.expect(422);
    let here: Value = app.get("/api/v1/drills/roll-call", COUNTY_TOKEN).await.expect(200);
    assert!(here["numbers"].as_u64().unwrap() < numbers);
}
