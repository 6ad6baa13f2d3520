//! A gateway that comes back after a failover was over, and others have gone on: what it told and carried is there
//! once more, or somebody is told that it is not.

use super::{
    failover::{House, chain, claimed, done},
    *,
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
