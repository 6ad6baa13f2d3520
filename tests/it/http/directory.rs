//! The directory edited by the API: every kind of thing added, changed and removed, under the same rules as a sheet.

use super::kit::*;
use axum::body::Body;
use jiaoying::{
    core::division::{Division, DivisionLevel},
    ingest::sheet::{Form, ImportMode, ImportOptions, import},
};
use serde_json::{Value, json};

async fn call(app: &App, method: &str, path: &str, key: &str, tag: Option<&str>, body: Option<&Value>) -> Reply {
    let mut request = request(method, path, key).header("content-type", "application/json");
    if let Some(tag) = tag {
        request = request.header("if-match", tag);
    }
    app.send(request.body(body.map_or_else(Body::empty, |b| Body::from(b.to_string()))).unwrap()).await
}

/// A person who is the only one of a village of the county: the person's id, the post's and the village's.
async fn lonely(app: &App) -> (String, String, String) {
    let d = app.engine.directory();
    let village = |code: &Division| code.level() == DivisionLevel::Village && code.to_string().starts_with("140521");
    let empty = d.divisions.keys().copied().filter(village).find(|v| d.posts_in(*v).is_empty()).expect("the sample leaves villages out");
    let person = json!({"name": "独一人", "phones": ["15490000009"], "posts": [{"role": "grid", "place": empty.to_string()}]});
    let added = call(app, "POST", "/api/v1/recipients", ADMIN, None, Some(&person)).await.expect(201);
    let id = |v: &Value| v["id"].as_str().unwrap().to_string();
    (id(&added), id(&added["posts"][0]), empty.to_string())
}

pub async fn a_person_is_added_changed_and_removed_and_the_history_keeps_the_old_number(room: Room) {
    let app = App::start(room).await;
    let village = app.engine.directory().posts.iter().map(|p| p.place.id()).find(|p| p.starts_with("140521") && p.len() == 12).unwrap();
    let person = json!({"name": "新来的", "phones": ["154 9000 0001"], "posts": [{"role": "防汛", "place": village, "title": "主任"}]});
    let reply = call(&app, "POST", "/api/v1/recipients", ADMIN, None, Some(&person)).await;
    let tag = reply.header("etag").to_string();
    let added = reply.expect(201);
    assert_eq!((&added["name"], &added["phones"]), (&json!("新来的"), &json!(["154****0001"])));
    assert_eq!(added["posts"][0]["role"], "flood_control");
    let path = format!("/api/v1/recipients/{}", added["id"].as_str().unwrap());

    let reply = call(&app, "PATCH", &path, ADMIN, Some(&tag), Some(&json!({"phones": ["15490000002"], "email": "a@example.cn"}))).await;
    assert_ne!(reply.header("etag"), tag);
    reply.expect(200);
    let late = call(&app, "PATCH", &path, ADMIN, Some(&tag), Some(&json!({"name": "别人"}))).await;
    assert_eq!(late.json()["type"], "urn:jiaoying:problem:changed-meanwhile");
    late.expect(412);
    let cleared = call(&app, "PATCH", &path, ADMIN, None, Some(&json!({"email": null}))).await.expect(200);
    assert_eq!((&cleared["email"], &cleared["name"]), (&Value::Null, &json!("新来的")));

    let wrong = call(&app, "PATCH", &path, ADMIN, None, Some(&json!({"phones": ["15490000002", "123"]}))).await.expect(422);
    assert_eq!(wrong["errors"][0]["pointer"], "/phones/1");
    let wrong = json!({"name": "", "posts": [{"role": "舆情", "place": "nowhere"}]});
    call(&app, "POST", "/api/v1/recipients", ADMIN, None, Some(&wrong)).await.expect(422);
    let wrong = json!({"recipient": added["id"], "role": "舆情", "place": "nowhere"});
    let wrong = call(&app, "POST", "/api/v1/posts", ADMIN, None, Some(&wrong)).await.expect(422);
    assert_eq!(wrong["errors"].as_array().unwrap().iter().map(|e| e["pointer"].as_str().unwrap()).collect::<Vec<_>>(), ["/role", "/place"]);

    let past = app.get(&format!("{path}/history?reveal=true"), ADMIN).await.expect(200);
    let what: Vec<&str> =
        past["items"].as_array().unwrap().iter().flat_map(|i| i["what"].as_array().unwrap()).map(|w| w.as_str().unwrap()).collect();
    assert_eq!(what, ["邮箱", "手机", "邮箱", "新增"]);
    assert_eq!(past["items"][0]["by"], "管理员");
    let old = past["phones"].as_array().unwrap().iter().find(|p| p["phone"] == "15490000001").unwrap();
    assert!(old["from"].is_string() && old["until"].is_string(), "{old}");
    let current = past["phones"].as_array().unwrap().iter().find(|p| p["phone"] == "15490000002").unwrap();
    assert!(current["from"].is_string() && current["until"].is_null());

    assert_eq!(call(&app, "DELETE", &path, ADMIN, None, None).await.status, 204);
    app.get(&path, ADMIN).await.expect(404);
    let gone = app.get(&format!("{path}/history"), ADMIN).await.expect(200);
    assert_eq!(gone["items"][0]["what"], json!(["移除"]));
    assert!(gone["items"][0]["before"]["phones"][0].as_str().unwrap().contains('*'));
    let all = app.get("/api/v1/directory/history?limit=2", ADMIN).await.expect(200);
    assert_eq!(all["items"].as_array().unwrap().len(), 2);
    assert!(all["next_cursor"].is_string());
    let more = app.get(&format!("/api/v1/directory/history?cursor={}", all["next_cursor"].as_str().unwrap()), ADMIN).await.expect(200);
    assert_eq!(more["items"].as_array().unwrap().len(), 2);
}

pub async fn a_place_does_not_lose_its_last_person_unless_told(room: Room) {
    let app = App::start(room).await;
    let (person, post, place) = lonely(&app).await;
    let before = app.engine.directory();
    for path in [format!("/api/v1/recipients/{person}"), format!("/api/v1/posts/{post}")] {
        let refused = call(&app, "DELETE", &path, ADMIN, None, None).await.expect(409);
        assert!(refused["detail"].as_str().unwrap().contains(&place), "{refused}");
    }
    assert_eq!(*app.engine.directory(), *before);
    assert_eq!(call(&app, "DELETE", &format!("/api/v1/posts/{post}?force=true"), ADMIN, None, None).await.status, 204);
    assert!(app.engine.directory().posts.iter().all(|p| p.place.id() != place));
}

pub async fn a_token_bound_to_a_division_edits_that_division_only(room: Room) {
    let app = App::start(room).await;
    let (person, post, place) = lonely(&app).await;
    let change = json!({"title": "改"});
    call(&app, "PATCH", &format!("/api/v1/posts/{post}"), ELSEWHERE, None, Some(&change)).await.expect(404);
    call(&app, "PATCH", &format!("/api/v1/recipients/{person}"), ELSEWHERE, None, Some(&json!({"name": "x"}))).await.expect(404);
    let post_there = json!({"name": "某人", "phones": ["15490000003"], "posts": [{"role": "grid", "place": place}]});
    call(&app, "POST", "/api/v1/recipients", ELSEWHERE, None, Some(&post_there)).await.expect(403);
    call(&app, "POST", "/api/v1/recipients", COUNTY_TOKEN, None, Some(&json!({"name": "某人"}))).await.expect(422);
    call(&app, "POST", "/api/v1/recipients", COUNTY_TOKEN, None, Some(&post_there)).await.expect(201);
    call(&app, "PATCH", &format!("/api/v1/posts/{post}"), COUNTY_TOKEN, None, Some(&change)).await.expect(200);
    let point = json!({"code": "XP-1", "name": "新点", "kind": "地灾", "division": "140581"});
    call(&app, "POST", "/api/v1/points", COUNTY_TOKEN, None, Some(&point)).await.expect(403);
    app.get("/api/v1/directory/history", COUNTY_TOKEN).await.expect(403);
    let own = app.get("/api/v1/directory/export?format=csv", COUNTY_TOKEN).await;
    let text = own.text();
    assert!(text.lines().count() > 10 && text.lines().skip(1).all(|l| l.contains(",140521")), "{}", text.lines().nth(1).unwrap());
    assert!(!text.contains("15490000003") && text.contains("154****0003"));
}

pub async fn points_and_rotas_are_edited_and_read(room: Room) {
    let app = App::start(room).await;
    let village = app
        .engine
        .directory()
        .divisions
        .keys()
        .find(|d| d.to_string().starts_with("14052110") && !d.to_string().ends_with("000"))
        .unwrap()
        .to_string();
    let point = json!({"code": "XP-1", "name": "新点", "kind": "地灾", "category": "滑坡", "division": village, "position": [112.2, 35.6]});
    let added = call(&app, "POST", "/api/v1/points", ADMIN, None, Some(&point)).await.expect(201);
    assert_eq!(added["kind"], "geological");
    call(&app, "POST", "/api/v1/points", ADMIN, None, Some(&point)).await.expect(409);
    let below = call(&app, "PATCH", "/api/v1/points/XP-1", ADMIN, None, Some(&json!({"downstream": [village]}))).await.expect(200);
    assert_eq!(below["downstream"][0]["place"], json!(village));
    let wrong = call(&app, "PATCH", "/api/v1/points/XP-1", ADMIN, None, Some(&json!({"downstream": ["XP-1"], "position": [200, 0]})))
        .await
        .expect(422);
    assert_eq!(wrong["errors"].as_array().unwrap().len(), 2);
    assert_eq!(
        app.get("/api/v1/points?kind=geological&limit=500", ADMIN).await.expect(200)["items"].as_array().unwrap().last().unwrap()["code"],
        "XP-1"
    );

    let who = app.engine.directory().recipients.keys().next().unwrap().to_string();
    let shift = json!({"division": "140521", "role": "shift_leader", "from": "2024-07-08T08:00:00+08:00", "to": "2024-07-09T08:00:00+08:00", "recipient": who});
    let added = call(&app, "POST", "/api/v1/rotas", ADMIN, None, Some(&shift)).await.expect(201);
    assert_eq!(added["id"], format!("140521000000.shift_leader.202407080800.{who}"));
    call(&app, "POST", "/api/v1/rotas", ADMIN, None, Some(&shift)).await.expect(409);
    let now = app.get("/api/v1/rotas?at=2024-07-08T20:00:00%2B08:00", ADMIN).await.expect(200);
    assert_eq!((now["items"].as_array().unwrap().len(), &now["items"][0]["recipient"]["id"]), (1, &json!(who)));
    assert_eq!(app.get("/api/v1/rotas?at=2024-07-09T20:00:00%2B08:00", ADMIN).await.expect(200)["items"], json!([]));
    let path = format!("/api/v1/rotas/{}", added["id"].as_str().unwrap());
    let mut longer = shift.clone();
    longer["to"] = json!("2024-07-10T08:00:00+08:00");
    let changed = call(&app, "PATCH", &path, ADMIN, None, Some(&longer)).await.expect(200);
    assert_eq!(changed["to"], "2024-07-10T08:00:00+08:00");
    let backwards = json!({"division": "140521", "role": "grid", "from": "2024-07-10T08:00:00+08:00", "to": "2024-07-09T08:00:00+08:00", "recipient": "p999999"});
    assert_eq!(call(&app, "POST", "/api/v1/rotas", ADMIN, None, Some(&backwards)).await.expect(422)["errors"].as_array().unwrap().len(), 3);

    // Everything goes out in one workbook, and that workbook is no change.
    let file = app.get("/api/v1/directory/export?reveal=true", ADMIN).await;
    assert_eq!(file.status, 200);
    let d = app.engine.directory();
    for mode in [ImportMode::Upsert, ImportMode::Replace] {
        let again = import("x.xlsx", &file.body, &d, &d.divisions, &ImportOptions { mode, ..ImportOptions::default() });
        assert!(again.diff.is_empty() && again.directory.is_some(), "{:?} {:?}", again.diff, again.faults);
    }
    assert_eq!(Form::ALL.len(), 3);
    assert_eq!(call(&app, "DELETE", &path, ADMIN, None, None).await.status, 204);
    assert_eq!(call(&app, "DELETE", "/api/v1/points/XP-1", ADMIN, None, None).await.status, 204);
    app.get("/api/v1/points/XP-1", ADMIN).await.expect(404);
}
