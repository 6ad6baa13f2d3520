//! SendBatchSms: many messages in one request, each keeping its own outcome, its own receipt, its own fate.

use super::{
    kit::{NOW, ask, phone, provider, sms_table, standin},
    others_next::Gateway,
};
use jiaoying::{
    channel::{CallbackItem, Lookup, Provider, ReceiptResult, SendRequest},
    core::callout::state::{AttemptState, Callout},
    engine::dispatcher::gather,
    standin::{Behaviour, Receipts, StandinSettings},
    store::{CalloutFilter, Reports},
};
use serde_json::json;
use std::sync::Arc;

fn account(endpoint: &str) -> Arc<dyn Provider> {
    provider("aliyun-sms", &sms_table(endpoint).replace("sign_name", "batch = 100\nsign_name"))
}
fn quiet(behaviour: Behaviour) -> StandinSettings {
    StandinSettings {
        behaviour: Behaviour { receipts: Receipts { send: false, ..Receipts::default() }, ..behaviour },
        ..StandinSettings::default()
    }
}
fn asks(n: u32) -> Vec<SendRequest> {
    (1..=n).map(|i| ask(phone(i), &format!("ref{i:012}"))).collect()
}

#[tokio::test]
async fn a_hundred_messages_are_one_request_and_each_receipt_finds_its_own() {
    let s = standin(quiet(Behaviour::default())).await;
    let p = account(&s.url());
    let outcomes = p.send_batch(&asks(100)).await;
    assert_eq!(outcomes.len(), 100);
    let mut ids: Vec<String> = outcomes
        .iter()
        .map(|o| match o {
            jiaoying::core::send::Outcome::Accepted { provider_message_id } => provider_message_id.clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    let counts = s.counts();
    assert_eq!((counts["requests"].as_u64(), counts["sms"].as_u64()), (Some(1), Some(100)));
    let out_id = s.sent()[0].out_id.to_string();
    let receipts: Vec<_> = (1..=100)
        .map(|i| json!({"phone_number": format!("154{i:08}"), "success": true, "err_code": "DELIVERED", "biz_id": "b", "out_id": out_id}))
        .collect();
    let items = p.read_callback(None, json!(receipts).to_string().as_bytes()).unwrap();
    let told: Vec<String> = items
        .iter()
        .map(|i| match i {
            CallbackItem::Receipt { reference: None, provider_message_id: Some(id), result: ReceiptResult::Delivered, .. } => id.clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(told, ids);
    ids.dedup();
    assert_eq!(ids.len(), 100, "no two share an id");
    assert!(!p.echoes_reference(), "the engine matches by id");
}

#[tokio::test]
async fn a_batch_whose_reply_is_lost_is_looked_up_message_by_message() {
    for (taken, found) in [(1.0, true), (0.0, false)] {
        let s = standin(quiet(Behaviour { lost_share: 1.0, lost_taken_share: taken, ..Behaviour::default() })).await;
        let p = account(&s.url());
        let all = asks(5);
        assert!(p.send_batch(&all).await.iter().all(|o| o.class() == "unknown"));
        for r in &all {
            match p.lookup(&r.reference, &r.to, NOW).await {
                Lookup::Found { provider_message_id: Some(id), .. } if found => assert!(id.starts_with("ref000000000001/154")),
                Lookup::NotFound if !found => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(p.lookup("another00000001", &phone(1), NOW).await, Lookup::NotFound);
    }
}

#[tokio::test]
async fn one_bad_number_does_not_spoil_the_others_and_nobody_gets_two() {
    let codes = [("15400000003".to_string(), "isv.MOBILE_NUMBER_ILLEGAL".to_string())].into();
    let s = standin(quiet(Behaviour { codes, ..Behaviour::default() })).await;
    let p = account(&s.url());
    let mut all = asks(5);
    // The provider tells of the first; it refuses the whole.
    all.swap(0, 2);
    let classes: Vec<&str> = p.send_batch(&all).await.iter().map(|o| o.class()).collect();
    assert_eq!(classes, ["permanent_number", "accepted", "accepted", "accepted", "accepted"]);
    assert_eq!(s.counts()["sms"], 4);
    let phones: std::collections::BTreeSet<_> = s.sent().iter().map(|m| m.phone.to_string()).collect();
    assert_eq!(phones.len(), 4, "four numbers, four messages");
    let landline = ask(jiaoying::channel::Address::Phone(jiaoying::core::phone::Phone::parse("03562111111").unwrap()), "r");
    assert_eq!(p.batch_key(&landline), None, "what surely does not fit never joins a batch");
}

/// Codes of a whole batch → the class of each message in it.
#[tokio::test]
async fn what_is_said_of_the_whole_batch_is_each_messages_class() {
    for (code, class) in [
        ("isv.AMOUNT_NOT_ENOUGH", "balance"),
        ("isv.SMS_SIGNATURE_ILLEGAL", "config"),
        ("Throttling.User", "throttled"),
        ("isv.BUSINESS_LIMIT_CONTROL", "unknown"),
        ("isp.SYSTEM_ERROR", "retryable"),
        ("isv.SMS_CONTENT_ILLEGAL", "permanent_content"),
    ] {
        let codes = (1..=3).map(|i| (format!("154{i:08}"), code.to_string())).collect();
        let s = standin(quiet(Behaviour { codes, ..Behaviour::default() })).await;
        let outcomes = account(&s.url()).send_batch(&asks(3)).await;
        assert!(outcomes.iter().all(|o| o.class() == class), "{code}: {outcomes:?}");
    }
}

#[tokio::test]
async fn the_engine_gathers_what_is_of_one_account_and_template_and_every_receipt_finds_its_callout() {
    let mut g =
        Gateway::of(Behaviour::default(), |url| vec![("aliyun_sms".into(), sms_table(url).replace("sign_name", "batch = 100\nsign_name"))])
            .await;
    let warning = g.warn().await;
    let (mut messages, mut requests) = (0, 0);
    for _ in 0..200 {
        let turn = g.engine.turn(200).await.unwrap();
        let idle = turn.claimed == 0;
        for group in gather(turn.jobs, 128) {
            assert!(group.len() <= 100);
            messages += group.len();
            requests += 1;
            let done = g.engine.send_together(group).await;
            g.engine.record(done).await.unwrap();
        }
        if idle {
            break;
        }
    }
    println!("{messages} messages left in {requests} requests");
    let counts = g._standin.counts();
    assert_eq!((counts["requests"].as_u64(), counts["sms"].as_u64()), (Some(requests), Some(messages as u64)));
    assert!(messages >= 20 && requests as usize * 5 <= messages, "{messages} messages in {requests} requests");
    let sent = g._standin.sent();
    let batched = sent.iter().find(|s| s.out_id.starts_with("B-")).expect("a batch left");
    let delivered = async |g: &Gateway| {
        let rows = g.memory.callouts(Some(warning), &CalloutFilter::default(), None, 1000).await.unwrap();
        let callouts = rows.iter().map(|r| serde_json::from_slice::<Callout>(&r.0.body).unwrap());
        callouts.filter(|c| c.attempts.iter().any(|a| a.state == AttemptState::Delivered)).count()
    };
    assert_eq!(delivered(&g).await, 0);
    let body =
        json!([{"phone_number": &*batched.phone, "success": true, "err_code": "DELIVERED", "biz_id": "b", "out_id": &*batched.out_id}]);
    g.callback("aliyun_sms", body.to_string()).await;
    assert_eq!(delivered(&g).await, 1, "the receipt found its own callout and no other");
}
