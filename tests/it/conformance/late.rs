//! A gateway that comes back after a failover was over, and others have gone on: what it told and carried is there
//! once more, or somebody is told that it is not.

use super::{
    failover::{House, chain, claimed, done},
    *,
};
use jiaoying::{
    core::warning_orphan::LostAct,
    store::{Doc, FeedItem, Reports, TaskRow, transfer::Export},
};
use std::time::Duration;

/// What waits for a record, in the order it came.
async fn letters_to(store: &RedisStore, clock: &ManualClock, key: &Key) -> Vec<String> {
    let all = claimed(store, clock).await.into_iter().filter(|c| c.key == *key).flat_map(|c| c.inbox);
    all.map(|l| String::from_utf8_lossy(&l.body).into_owned()).collect()
}

/// One letter carried, its gateway gone, a failover, and another letter carried past it. `lost`: the new primary had not
/// received the first.
async fn carried_and_gone_past(lost: bool) -> (House, RedisStore, Key) {
    let mut house = House::build(true).await;
    let a = house.gateway("a").await;
    let (man, phone) = (callout(1, 0), line(5));
    let head = done(&a, Commit { send: vec![letter(&phone, 1, Time(0), "ask")], ..change(&man, Head::NONE, "calls") }).await;
    // The next call takes out of the outbox what has arrived.
    a.next_due().await.unwrap();
    drop(a);
    if lost {
        // As where the line's partition has a primary of its own, whose replica was behind.
        let inbox = house.primary.ask(&["KEYS", "jiaoying:*}i*"]);
        let inbox = inbox.trim();
        let base = inbox.split_once('}').map(|(base, _)| format!("{base}}}")).unwrap();
        for key in [inbox, &format!("{base}oi"), &format!("{base}d")] {
            assert_eq!(house.primary.ask(&["DEL", key]).trim(), "1", "{key}");
        }
    }
    house.cut();
    house.fail_over();
    let b = house.open(Settings { recovery_hold: Duration::ZERO, ..house.settings("b") }).await;
    done(&b, Commit { send: vec![letter(&phone, 1, Time(0), "go on")], ..change(&man, head, "goes on") }).await;
    (house, b, phone)
}

/// How many letters wait for the one record that has any, without taking them.
fn waiting(house: &House) -> String {
    let inbox = house.replica.ask(&["KEYS", "jiaoying:*}i*"]);
    house.replica.ask(&["ZCARD", inbox.trim()]).trim().to_string()
}

#[tokio::test]
async fn letters_of_a_gateway_that_comes_back_late_are_handed_over_although_others_have_gone_past_them() {
    let (house, b, phone) = carried_and_gone_past(true).await;
    assert_eq!(waiting(&house), "1");
    drop(house.gateway("a").await);
    assert_eq!(waiting(&house), "2");
    drop(house.gateway("a").await);
    assert_eq!(letters_to(&b, &house.clock, &phone).await, ["\"go on\"", "\"ask\""], "once");
}

#[tokio::test]
async fn letters_that_the_new_primary_had_are_not_handed_over_again() {
    let (house, b, phone) = carried_and_gone_past(false).await;
    drop(house.gateway("a").await);
    assert_eq!(letters_to(&b, &house.clock, &phone).await, ["\"ask\"", "\"go on\""]);
}

/// The gateway that did something and ended, and the one that went on without it, on a primary that has none of it.
async fn gone_on(then: impl AsyncFnOnce(&RedisStore), meanwhile: impl AsyncFnOnce(&RedisStore)) -> (House, RedisStore) {
    let mut house = House::build(false).await;
    let a = house.gateway("a").await;
    done(&a, Commit { due: None, ..change(&warning(1), Head::NONE, "accepted") }).await;
    house.cut();
    then(&a).await;
    drop(a);
    house.fail_over();
    let b = house.open(Settings { recovery_hold: Duration::ZERO, ..house.settings("b") }).await;
    meanwhile(&b).await;
    (house, b)
}

/// A change of the warning as the engine writes it, that is told as done.
async fn acts(store: &RedisStore, head: Head, entry: serde_json::Value, state: serde_json::Value) -> Head {
    let (body, journal) = (serde_json::to_vec(&state).unwrap(), serde_json::to_vec(&[entry]).unwrap());
    done(store, Commit::new(warning(1), head, body, journal, None, Lane(1), START)).await
}

async fn head_of(store: &RedisStore) -> Head {
    store.load(&[warning(1)]).await.unwrap()[0].as_ref().unwrap().head
}

#[tokio::test]
async fn what_officers_did_to_a_warning_is_handed_to_it_where_somebody_has_decided_anew() {
    use serde_json::json;
    let (house, b) = gone_on(
        async |a| {
            let head = acts(a, head_of(a).await, json!({"e": "extended", "expires": 9, "who": "王"}), json!({})).await;
            let head = acts(a, head, json!({"e": "place_added", "place": "140521", "who": "王"}), json!({})).await;
            let task = json!({"n": 1, "kind": "decide", "title": "到期", "opened": 1, "due": 2, "closed": "end"});
            let head = acts(a, head, json!({"e": "task", "task": task}), json!({"end": {"reason": "expired"}})).await;
            let state = json!({"tasks": [{"title": "阅读来信"}]});
            let head = acts(a, head, json!({"e": "reply_unmatched", "task": 1}), state).await;
            let back = json!({"e": "return_permitted", "places": ["p"], "who": "王", "note": ""});
            acts(a, head, back, json!({})).await;
        },
        async |b| {
            acts(b, head_of(b).await, json!({"e": "rows", "to": 9}), json!({})).await;
        },
    )
    .await;
    drop(house.gateway("a").await);
    let all: Vec<serde_json::Value> =
        letters_to(&b, &house.clock, &warning(1)).await.iter().map(|l| serde_json::from_str(l).unwrap()).collect();
    let named: Vec<&str> = all.iter().map(|l| l["act"]["act"].as_str().or(l["letter"].as_str()).unwrap()).collect();
    assert_eq!(named, ["extended", "place_added", "task", "end", "read", "return_permitted"]);
    assert_eq!(all[3]["order"], json!({"reason": "expired"}));
    let extended: LostAct = serde_json::from_value(all[0]["act"].clone()).unwrap();
    assert_eq!(extended, LostAct::Extended { who: "王".into(), expires: Time(9) });
    assert_eq!(all[0]["at"], START.0);
    assert_eq!(chain(&b, &warning(1)).await.len(), 2, "what stands is left alone");
}

#[tokio::test]
async fn what_was_announced_stands_behind_what_others_announced_meanwhile() {
    let audit = Key::Named("audit".into());
    let item = |what: &str, at| FeedItem { kind: "audit.look".into(), warning: None, callout: None, at, data: what.into() };
    let announced = |what: &str, at| {
        let body = serde_json::to_vec(&[item(what, at)]).unwrap();
        Commit { feed: vec![item(what, at)], ..Commit::new(audit.clone(), Head::NONE, body.clone(), body, None, Lane(1), at) }
    };
    let (house, b) = gone_on(
        async |a| drop(a.commit(WriteLane::Urgent, vec![announced("a's", START)]).await.unwrap()),
        async |b| drop(b.commit(WriteLane::Urgent, vec![announced("b's", START + jiaoying::core::time::Span::secs(1))]).await.unwrap()),
    )
    .await;
    for _ in 0..2 {
        drop(house.gateway("a").await);
    }
    let read = |bytes: &[u8]| serde_json::from_slice::<Vec<FeedItem>>(bytes).unwrap().remove(0).data;
    let journal: Vec<_> = b.journal(&audit).await.unwrap().iter().map(|row| read(&row.entries)).collect();
    assert_eq!(journal, ["b's", "a's"]);
    assert_eq!(read(&b.load(std::slice::from_ref(&audit)).await.unwrap()[0].as_ref().unwrap().body), "b's", "the newest");
    let fed = b.feed_after(0, 99).await.unwrap();
    assert!(["a's", "b's"].iter().all(|what| fed.iter().filter(|(_, i)| i.data == **what).count() == 1), "{fed:?}");
}

async fn put(store: &RedisStore, expect: u64, id: &str, body: &str) {
    let doc = Doc { id: id.into(), body: body.as_bytes().to_vec() };
    assert_eq!(store.docs_apply("directory", expect, vec![doc], Vec::new()).await.unwrap(), Some(expect + 1));
}

#[tokio::test]
async fn a_change_of_the_directory_that_another_took_the_place_of_is_shown_to_the_duty_room_once() {
    let (house, b) = gone_on(
        async |a| {
            put(a, 0, "person/1", "a's").await;
            put(a, 1, "person/2", "the same").await;
            put(a, 2, "person/3", "a's").await;
        },
        async |b| {
            put(b, 0, "person/1", "b's").await;
            put(b, 1, "person/2", "the same").await;
        },
    )
    .await;
    // The first lost its place, the second is as it was told; the third would stand on what is another's by now.
    drop(house.gateway("a").await);
    drop(house.gateway("a").await);
    let (version, docs) = b.docs("directory").await.unwrap();
    let bodies: Vec<&[u8]> = docs.iter().map(|d| d.body.as_slice()).collect();
    assert_eq!((version, bodies), (2, vec![&b"b's"[..], b"the same"]));
    let shown = letters_to(&b, &house.clock, &warning(1)).await;
    assert!(shown.len() == 2 && shown[1].contains("名册第 3 版的修改（person/3 等共 1 项）它所依据的修改已被另一修改取代"), "{shown:?}");
    assert!(shown[0].contains("名册第 1 版的修改（person/1 等共 1 项）同一版本号下已有另一修改"), "{shown:?}");
}

#[tokio::test]
async fn changes_of_documents_that_others_were_made_on_are_nobodys_task() {
    let mut house = House::build(false).await;
    let a = house.gateway("a").await;
    done(&a, Commit { due: None, ..change(&warning(1), Head::NONE, "accepted") }).await;
    put(&a, 0, "person/1", "first").await;
    put(&a, 1, "person/1", "second").await;
    drop(a);
    house.cut();
    house.fail_over();
    let b = house.open(Settings { recovery_hold: Duration::ZERO, ..house.settings("b") }).await;
    put(&b, 2, "person/1", "third").await;
    let a = house.gateway("a").await;
    assert_eq!(letters_to(&b, &house.clock, &warning(1)).await, [] as [&str; 0]);
    assert!(!Reports::durability(&a).said.contains("LOST"));
}

#[tokio::test]
async fn where_there_is_no_warning_to_show_it_at_it_is_said_in_what_is_in_force() {
    let mut house = House::build(false).await;
    let a = house.gateway("a").await;
    a.next_number("probe").await.unwrap();
    house.cut();
    put(&a, 0, "person/1", "a's").await;
    drop(a);
    house.fail_over();
    let b = house.open(Settings { recovery_hold: Duration::ZERO, ..house.settings("b") }).await;
    put(&b, 0, "person/1", "b's").await;
    let a = house.gateway("a").await;
    let is = Reports::durability(&a);
    assert!(is.said.contains("LOST in a failover") && is.said_zh.contains("名册第 1 版的修改") && !is.lacking, "{}", is.said);
}

#[tokio::test]
async fn a_store_is_moved_only_after_what_a_failover_lost_was_put_back() {
    let mut house = House::build(false).await;
    let a = house.gateway("a").await;
    let kept = done(&a, change(&callout(1, 0), Head::NONE, "kept")).await;
    house.cut();
    let lost = done(&a, change(&callout(1, 0), kept, "lost")).await;
    drop(a);
    house.fail_over();
    let timing = || Timing::Given(house.clock.clone());
    for opened in
        [RedisStore::open_to_move(house.settings("a"), timing()).await, RedisStore::open_to_look(house.settings("a"), timing()).await]
    {
        let why = opened.err().expect("nobody has looked at this life").to_string();
        assert!(why.contains("start every gateway") && why.contains("/readyz"), "{why}");
    }
    // Another gateway has looked at it and had nothing to put back; the one that had is not started again.
    drop(house.open(Settings { recovery_hold: Duration::ZERO, ..house.settings("b") }).await);
    let looked = RedisStore::open_to_look(house.settings("a"), timing()).await.unwrap();
    assert_eq!(chain(&looked, &callout(1, 0)).await, [kept]);
    drop(looked);
    let elsewhere = RedisStore::open_to_move(house.settings("nowhere"), timing()).await.unwrap();
    assert_eq!(chain(&elsewhere, &callout(1, 0)).await, [kept]);
    assert!(!house.settings("nowhere").journal.unwrap().0.exists(), "a move makes no journal");
    let moved = RedisStore::open_to_move(house.settings("a"), timing()).await.unwrap();
    assert_eq!(chain(&moved, &callout(1, 0)).await, [kept, lost]);
    assert_eq!(moved.gateways().await.unwrap(), 0);
}

#[tokio::test]
async fn where_it_is_not_known_what_the_new_primary_had_letters_come_twice_rather_than_never() {
    let (house, b, phone) = carried_and_gone_past(false).await;
    // As a gateway of the version before notes a life.
    for key in house.replica.ask(&["KEYS", "jiaoying:*}ol"]).lines() {
        house.replica.ask(&["DEL", key]);
    }
    drop(house.gateway("a").await);
    assert_eq!(letters_to(&b, &house.clock, &phone).await, ["\"ask\"", "\"go on\"", "\"ask\""]);
}

#[tokio::test]
async fn a_task_that_others_have_closed_is_not_opened_by_what_comes_late() {
    let mut house = House::build(true).await;
    let a = house.gateway("a").await;
    let man = callout(1, 0);
    let row = |closed: Option<&str>| TaskRow {
        id: "t-w1-0-1".into(),
        kind: "call".into(),
        title: "人工联系".into(),
        warning: Some(WarningId(1)),
        callout: Some(CalloutId::new(WarningId(1), 0)),
        division: None,
        opened_at: START,
        due_at: START,
        claimed_by: None,
        claimed_at: None,
        closed: closed.map(str::to_string),
        note: None,
    };
    let head = done(&a, Commit { tasks: vec![row(None)], ..change(&man, Head::NONE, "calls") }).await;
    a.next_due().await.unwrap();
    drop(a);
    // The control partition's new primary had received the task, but its old one had said so to nobody.
    assert_eq!(house.primary.ask(&["DEL", "jiaoying:{p:c}oi"]).trim(), "1");
    house.cut();
    house.fail_over();
    let b = house.open(Settings { recovery_hold: Duration::ZERO, ..house.settings("b") }).await;
    done(&b, Commit { tasks: vec![row(Some("reached"))], ..change(&man, head, "reached") }).await;
    drop(house.gateway("a").await);
    assert_eq!(b.tasks(Some(WarningId(1)), true, 9).await.unwrap(), []);
    assert_eq!(b.task("t-w1-0-1").await.unwrap().and_then(|t| t.closed).as_deref(), Some("reached"));
}
