//! Two versions side by side: what a newer gateway wrote and this one does not know stays whole.

use super::kit::*;
use jiaoying::{
    core::{ids::CalloutId, phone::Phone, time::Span},
    store::{Commit, Committed, Envelope, Head, Key, Lane, Record, WriteLane},
};
use serde_json::{Value, json};

async fn record(app: &App, key: &Key) -> Record {
    app.engine.store().load(std::slice::from_ref(key)).await.unwrap().remove(0).expect("it is there")
}

async fn body(app: &App, key: &Key) -> Value {
    serde_json::from_slice(&record(app, key).await.body).unwrap()
}

/// What another gateway commits.
async fn write(app: &App, key: &Key, change: impl FnOnce(&mut Value), send: Vec<Envelope>) -> Head {
    let record = record(app, key).await;
    let mut body: Value = serde_json::from_slice(&record.body).unwrap();
    change(&mut body);
    let journal = format!("[{{\"e\":\"newer\",\"of\":\"{key}\"}}]").into_bytes();
    let mut c = Commit::new(key.clone(), record.head, body.to_string().into_bytes(), journal, record.due, record.lane, app.engine.now());
    c.send = send;
    let head = c.head;
    assert_eq!(app.engine.store().commit(WriteLane::Rest, vec![c]).await.unwrap(), [Committed::Done]);
    head
}

fn told(body: &mut Value) {
    body["told_by_drone"] = json!({"at": 7});
}
fn untold(body: &mut Value) {
    body.as_object_mut().unwrap().remove("told_by_drone");
}

/// A village callout that is being called.
async fn village(app: &App, warning: &str) -> (String, Key) {
    let all = app.callouts(warning, "&state=calling&tier=village").await;
    let id = all[0]["id"].as_str().unwrap().to_string();
    let key = Key::Callout(id.parse::<CalloutId>().unwrap());
    (id, key)
}

pub async fn a_callout_with_a_field_of_a_newer_version_is_left_to_that_and_shown_all_the_same(room: Room) {
    let app = App::start(room).await;
    let warning = app.red_rain("R1").await;
    let (id, key) = village(&app, &warning).await;
    let head = write(&app, &key, told, Vec::new()).await;
    app.pass(Span::mins(10)).await;
    assert_eq!(record(&app, &key).await.head, head, "ten minutes of this gateway have not touched it");
    let others = app.callouts(&warning, "&state=calling&tier=village").await;
    assert!(others.iter().all(|c| c["id"] == id.as_str()), "everybody else's clock ran on");
    let shown = app.get(&format!("/api/v1/callouts/{id}"), VIEWER).await.expect(200);
    assert_eq!(shown["state"], "calling");

    let answer = json!({"method": "phone", "note": "", "answered_by": "holder"});
    let refused = app.post(&format!("/api/v1/callouts/{id}/acknowledge"), OPERATOR, &answer).await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after").is_empty()), (503, false), "another gateway can");
    assert_eq!(app.form(&app.link(&id, 0), "action=answer").await.status.as_u16(), 503);
    assert_eq!(body(&app, &key).await["told_by_drone"]["at"], 7);

    // The newer version is done with it: this one goes on where it stood.
    write(&app, &key, untold, Vec::new()).await;
    app.pass(Span::secs(5)).await;
    let shown = app.get(&format!("/api/v1/callouts/{id}"), VIEWER).await.expect(200);
    assert_ne!(shown["state"], "calling", "its deadline has long passed");
    app.post(&format!("/api/v1/callouts/{id}/acknowledge"), OPERATOR, &answer).await.expect(200);
}

pub async fn a_warning_with_a_field_of_a_newer_version_is_not_changed_and_its_people_are_called(room: Room) {
    let app = App::start(room).await;
    let warning = app.red_rain("R1").await;
    let key = Key::Warning(warning.parse().unwrap());
    let (id, _) = village(&app, &warning).await;
    let head = write(&app, &key, told, Vec::new()).await;
    let cancel = app.post(&format!("/api/v1/warnings/{warning}/cancel"), OPERATOR, &json!({"reason": "雨停了"})).await;
    assert_eq!(cancel.status.as_u16(), 503);
    app.pass(Span::mins(2)).await;
    assert_eq!(record(&app, &key).await.head, head);
    assert_eq!(app.form(&app.link(&id, 0), "action=answer").await.status.as_u16(), 200);
    write(&app, &key, untold, Vec::new()).await;
    app.pass(Span::secs(10)).await;
    app.post(&format!("/api/v1/warnings/{warning}/cancel"), OPERATOR, &json!({"reason": "雨停了"})).await.expect(200);
}

pub async fn a_letter_of_a_newer_version_is_kept_until_that_reads_it(room: Room) {
    let app = App::start(room).await;
    let warning = app.red_rain("R1").await;
    let (_, callout) = village(&app, &warning).await;
    let key = Key::Warning(warning.parse().unwrap());
    let letter = |to: &Key, body: Value| Envelope {
        to: to.clone(),
        lane: Lane::URGENT,
        not_before: jiaoying::core::time::Time(0),
        body: body.to_string().into_bytes(),
    };
    let letters = [
        letter(&callout, json!({"event": "beamed_up", "by": 3})),
        letter(&key, json!({"letter": "merge", "with": "w9"})),
        letter(&Key::Place(warning.parse().unwrap(), "140521101201".into()), json!({"letter": "flooded", "depth": 2})),
    ];
    write(&app, &key, |_| {}, letters.to_vec()).await;
    app.pass(Span::mins(8)).await;
    app.clock.advance(Span::secs(3));
    let mut kept = Vec::new();
    for claim in app.engine.store().claim(10_000, Span::secs(30)).await.unwrap() {
        kept.extend(claim.inbox.into_iter().map(|l| String::from_utf8_lossy(&l.body).into_owned()));
    }
    for letter in letters {
        let text = String::from_utf8_lossy(&letter.body).into_owned();
        assert!(kept.contains(&text), "{text} is lost; {kept:?}");
    }
}

pub async fn a_line_of_a_newer_version_holds_its_own_messages_and_nobody_elses(room: Room) {
    let app = App::start(room).await;
    let warning = app.red_rain("R1").await;
    let (id, callout) = village(&app, &warning).await;
    let recipient = app.get(&format!("/api/v1/callouts/{id}"), VIEWER).await.expect(200)["recipient"]["id"].clone();
    let person = app.engine.directory().recipients.values().find(|r| recipient == r.id.to_string().as_str()).cloned().unwrap();
    let phone: Phone = person.phones[0].clone();
    let line = Key::Line(phone);
    let head = write(&app, &line, told, Vec::new()).await;
    app.pass(Span::mins(6)).await;
    assert_eq!(record(&app, &line).await.head, head, "nothing was written to it");
    let moved = app.callouts(&warning, "&tier=village").await;
    assert!(moved.iter().filter(|c| c["id"] != id.as_str()).all(|c| c["state"] != "calling"));
    assert!(record(&app, &callout).await.due.is_some(), "it keeps its clock");
}
