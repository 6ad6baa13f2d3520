//! One warning from the post to the archive and back, as outside programs and people see it.

use super::*;
use crate::http::kit::{App, ISSUER_KEY, OPERATOR, VIEWER, warning};
use serde_json::{Value, json};

/// Everything that can be asked about a warning, over the API and on its people's pages.
async fn seen(app: &App, w: &str) -> Vec<(String, Value)> {
    let callouts = app.callouts(w, "").await;
    assert!(callouts.len() > 20);
    let mut paths = vec![
        "/api/v1/warnings".to_string(),
        "/api/v1/warnings?state=closed&limit=1".to_string(),
        format!("/api/v1/warnings/{w}"),
        format!("/api/v1/warnings/{w}/tally"),
        format!("/api/v1/warnings/{w}/tally?by=township"),
        format!("/api/v1/warnings/{w}/callouts?state=closed&limit=7"),
        format!("/api/v1/warnings/{w}/callouts?tier=village"),
        "/api/v1/tasks?open=false".to_string(),
    ];
    paths.extend(callouts.iter().step_by(9).map(|c| format!("/api/v1/callouts/{}", c["id"].as_str().unwrap())));
    let mut all = vec![("callouts".to_string(), Value::Array(callouts.clone()))];
    for path in paths {
        let key = if path.contains("/tasks") { OPERATOR } else { VIEWER };
        let reply = app.get(&path, key).await.expect(200);
        all.push((path, reply));
    }
    let page = app.send(
        crate::http::kit::request("GET", &app.link(callouts[0]["id"].as_str().unwrap(), 0), "").body(axum::body::Body::empty()).unwrap(),
    );
    let page = page.await;
    assert_eq!(page.status, 200);
    all.push(("page".to_string(), json!(page.text())));
    all
}

pub async fn reports_are_the_same_before_and_after_and_a_late_answer_brings_the_warning_back(room: Room) {
    let live = room.store.clone();
    let shelf = Room::sqlite_file();
    let archive = Arc::new(gateway(&live, &shelf).await);
    let app = App::start_over(room, archive.clone(), archive.clone()).await;
    let id = app.red_rain("a-1").await;
    let w: u32 = id[1..].parse().unwrap();
    let first = app.callouts(&id, "").await[0]["id"].as_str().unwrap().to_string();
    app.form(&app.link(&first, 0), "action=answer").await;
    app.run().await;
    app.post(&format!("/api/v1/warnings/{id}/cancel"), ISSUER_KEY, &json!({"reason": "雨停"})).await.expect(200);
    app.pass(Span::mins(20)).await;
    assert_eq!(archive.turn("g", &[]).await.unwrap().archived, [], "it is closed, but not long enough");
    for _ in 0..10 {
        app.clock.advance(Span::hours(24));
        app.run().await;
    }
    let before = seen(&app, &id).await;
    let stood = census(&live, w).await;

    assert_eq!(archive.turn("g", &[]).await.unwrap().archived, [WarningId(w)]);
    assert!(!is_live(&*live, w).await);
    assert_eq!(census(&live, w).await.rows(), 0, "nothing of it is left in the store");
    assert_eq!(census(&shelf.store, w).await, stood);
    for ((what, was), (_, is)) in before.iter().zip(&seen(&app, &id).await) {
        assert_eq!(was, is, "{what}");
    }
    assert!(!is_live(&*live, w).await, "whoever looks changes nothing");

    // Posted again it is known; with other words it is refused.
    let again = app.post("/api/v1/warnings", ISSUER_KEY, &warning("a-1")).await.expect(200);
    assert_eq!((again["duplicate"].as_bool(), again["id"].as_str()), (Some(true), Some(id.as_str())));
    let mut other = warning("a-1");
    other["headline"] = json!("别的内容");
    app.post("/api/v1/warnings", ISSUER_KEY, &other).await.expect(409);

    // A link opened weeks later: kept as evidence, and the person is told how it ended.
    let late = app.callouts(&id, "&state=closed").await[0]["id"].as_str().unwrap().to_string();
    let lines = |c: Value| c["timeline"].as_array().unwrap().len();
    let had = lines(app.get(&format!("/api/v1/callouts/{late}"), VIEWER).await.expect(200));
    let page = app.form(&app.link(&late, 0), "action=answer").await;
    assert!(page.status.is_success() || page.status.is_redirection(), "{}", page.text());
    app.run().await;
    assert!(is_live(&*live, w).await, "it came back whole");
    assert_eq!(live.faces(WarningId(w)).await.unwrap().len(), app.callouts(&id, "").await.len());
    let has = lines(app.get(&format!("/api/v1/callouts/{late}"), VIEWER).await.expect(200));
    assert!(has > had, "the late answer is on record");
    assert_eq!(archive.turn("g", &[]).await.unwrap().archived, [], "it changed lately");
    for _ in 0..8 {
        app.clock.advance(Span::hours(24));
        app.run().await;
    }
    let before = seen(&app, &id).await;
    assert_eq!(archive.turn("g", &[]).await.unwrap().archived, [WarningId(w)], "and leaves again");
    for ((what, was), (_, is)) in before.iter().zip(&seen(&app, &id).await) {
        assert_eq!(was, is, "{what}");
    }
    assert_eq!(lines(app.get(&format!("/api/v1/callouts/{late}"), VIEWER).await.expect(200)), has);
}

/// What memory is for: on Redis not a key is left that is of the warning.
#[tokio::test]
async fn redis_holds_no_key_of_an_archived_warning_but_its_identity() {
    use crate::conformance::{one_server, servers};
    let settings = one_server(4);
    let keys = || {
        let all = servers::shared().ask(&["--raw", "KEYS", &format!("{}:*", settings.prefix)]);
        let mut all: Vec<String> = all.lines().map(|l| l.rsplit('}').next().unwrap_or_default().to_string()).collect();
        all.sort();
        all
    };
    let room = Room::on_redis(settings.clone()).await;
    let empty = keys();
    eight_days_later(&room, [7]).await;
    assert!(keys().len() > empty.len() + 2 * made::CALLOUTS as usize);
    let shelf = Room::memory();
    let archive = gateway(&room.store, &shelf).await;
    assert_eq!(archive.turn("g", &[]).await.unwrap().archived, [WarningId(7)]);
    let left: Vec<String> = keys().into_iter().filter(|k| !empty.contains(k)).collect();
    // Its identity; the register (what is under way is none), the versions of both, and the names of their last changes.
    assert_eq!(left, ["Darchived", "Iid-7", "V", "varchived", "varchiving"], "{left:?}");
}
