//! What the stand-in pushes back for Tencent, Huawei and Twilio, checked and read by our own providers.

use super::{
    kit::{ask, phone, soon, standin},
    others_kit::{Came, KINDS, account, account_of, pushing, receiver, table},
};
use jiaoying::{
    channel::{CallbackItem, Provider, ReceiptResult},
    standin::{Behaviour, People, Receipts},
};
use std::sync::Arc;
use tokio::sync::mpsc;

type Inbox = mpsc::UnboundedReceiver<Came>;

/// Items until `enough` says so; those that tell nothing yet are left out.
async fn until(p: &Arc<dyn Provider>, rx: &mut Inbox, enough: impl Fn(&[CallbackItem]) -> bool) -> Vec<CallbackItem> {
    let mut all = Vec::new();
    while !enough(&all) {
        let came = soon(rx.recv()).await.unwrap();
        assert!(came.path_and_query.starts_with(&format!("/callbacks/{}/", p.account())), "{}", came.path_and_query);
        let news = came.items(p).into_iter();
        all.extend(news.filter(|i| !matches!(i, CallbackItem::Receipt { result: ReceiptResult::Waiting, .. })));
    }
    all
}
fn receipt(i: &CallbackItem) -> Option<(&Option<String>, &Option<String>, &ReceiptResult)> {
    match i {
        CallbackItem::Receipt { reference, provider_message_id, result, .. } => Some((reference, provider_message_id, result)),
        _ => None,
    }
}
fn is_reply(i: &CallbackItem) -> bool {
    matches!(i, CallbackItem::Reply { .. })
}
fn is_key(i: &CallbackItem) -> bool {
    matches!(i, CallbackItem::Key { .. })
}

#[tokio::test]
async fn a_message_is_delivered_and_then_answered_with_the_digit_it_asked_for() {
    for kind in ["tencent_sms", "huawei_sms", "twilio_sms"] {
        let (base, mut rx) = receiver().await;
        let s = standin(pushing(&base, Behaviour::default(), People { reply_share: 1.0, ..People::default() })).await;
        let p = account(kind, &s.url(), &base);
        let jiaoying::core::send::Outcome::Accepted { provider_message_id } = p.send(&ask(phone(1), "ref000000000001")).await else {
            panic!("{kind}")
        };
        let all = until(&p, &mut rx, |all| all.iter().any(is_reply) && all.iter().any(|i| receipt(i).is_some())).await;
        let (reference, id, result) = all.iter().find_map(receipt).unwrap();
        assert_eq!(result, &ReceiptResult::Delivered, "{kind}");
        assert_eq!(id.as_deref(), Some(provider_message_id.as_str()), "{kind}");
        assert_eq!(reference.is_some(), p.echoes_reference(), "{kind}");
        match all.iter().find(|i| is_reply(i)).unwrap() {
            CallbackItem::Reply { phone, text, .. } => {
                assert_eq!(jiaoying::core::phone::Phone::parse(phone).unwrap().reveal(), "15400000001", "{kind}");
                assert!(text.contains('1') || text.contains('１'), "{kind}: {text}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_call_is_taken_its_key_told_and_then_its_end() {
    for kind in ["tencent_voice", "twilio_voice"] {
        let (base, mut rx) = receiver().await;
        let s = standin(pushing(&base, Behaviour::default(), People { keypress_share: 1.0, ..People::default() })).await;
        let p = account(kind, &s.url(), &base);
        p.send(&ask(phone(1), "ref000000000001")).await;
        let all = until(&p, &mut rx, |all| all.iter().any(is_key) && all.iter().any(|i| receipt(i).is_some())).await;
        let (_, id, result) = all.iter().find_map(receipt).unwrap();
        assert!(matches!(result, ReceiptResult::CallEnded { heard: true, .. }), "{kind}: {result:?}");
        match all.iter().find(|i| is_key(i)).unwrap() {
            CallbackItem::Key { keys, provider_message_id, reference, .. } => {
                assert_eq!((keys.as_str(), provider_message_id), ("1", id), "{kind}");
                assert_eq!(reference.is_some(), p.echoes_reference(), "{kind}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn calls_that_nobody_takes_end_in_each_vendors_words() {
    let cases = [
        (People::default(), Behaviour::default(), false),
        (People { busy_share: 1.0, ..People::default() }, Behaviour::default(), false),
        (People::default(), Behaviour { dead_share: 1.0, ..Behaviour::default() }, true),
    ];
    for kind in ["tencent_voice", "twilio_voice"] {
        for (people, behaviour, dead) in cases.clone() {
            let (base, mut rx) = receiver().await;
            let s = standin(pushing(&base, behaviour, people)).await;
            let p = account(kind, &s.url(), &base);
            p.send(&ask(phone(1), "ref000000000001")).await;
            let all = until(&p, &mut rx, |all| !all.is_empty()).await;
            let (_, _, result) = receipt(&all[0]).unwrap();
            assert!(
                matches!(result, ReceiptResult::CallEnded { heard: false, number_dead, .. } if *number_dead == dead),
                "{kind}: {result:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_message_to_nobody_fails_and_may_be_told_twice() {
    for kind in ["tencent_sms", "huawei_sms", "twilio_sms"] {
        let receipts = Receipts { duplicate_share: 1.0, ..Receipts::default() };
        let (base, mut rx) = receiver().await;
        let s = standin(pushing(&base, Behaviour { dead_share: 1.0, receipts, ..Behaviour::default() }, People::default())).await;
        let p = account(kind, &s.url(), &base);
        p.send(&ask(phone(1), "ref000000000001")).await;
        let all = until(&p, &mut rx, |all| all.len() >= 2).await;
        assert!(all.iter().all(|i| matches!(receipt(i), Some((_, _, ReceiptResult::Failed { .. })))), "{kind}: {all:?}");
    }
}

#[tokio::test]
async fn what_twilio_did_not_sign_is_refused() {
    let (base, mut rx) = receiver().await;
    let s = standin(pushing(&base, Behaviour::default(), People { keypress_share: 1.0, ..People::default() })).await;
    let p = account("twilio_voice", &s.url(), &base);
    p.send(&ask(phone(1), "ref000000000001")).await;
    let came = soon(rx.recv()).await.unwrap();
    assert!(came.with(|c| p.check_callback(c)).is_ok());
    // Each byte of body and query, each in turn.
    for at in 0..came.body.len() {
        let mut body = came.body.to_vec();
        body[at] ^= 1;
        let tampered = Came { path_and_query: came.path_and_query.clone(), headers: came.headers.clone(), body: body.into() };
        let same = url::form_urlencoded::parse(&tampered.body).eq(url::form_urlencoded::parse(&came.body));
        assert!(same || tampered.with(|c| p.check_callback(c)).is_err(), "byte {at}");
    }
    let elsewhere = Came {
        path_and_query: came.path_and_query.replace("ref000000000001", "ref000000000002"),
        headers: came.headers.clone(),
        body: came.body.clone(),
    };
    assert!(elsewhere.with(|c| p.check_callback(c)).is_err());
    let unsigned = Came {
        headers: came.headers.iter().filter(|(k, _)| k != "x-twilio-signature").cloned().collect(),
        path_and_query: came.path_and_query.clone(),
        body: came.body.clone(),
    };
    assert!(unsigned.with(|c| p.check_callback(c)).is_err());
    let answer = came.with(|c| p.answer_callback(true, c));
    assert!(answer.content_type.starts_with("text/xml") && answer.body.contains("已记录您的确认"), "{}", answer.body);
}

#[test]
fn every_vendor_answers_what_it_wants_to_hear() {
    for kind in KINDS {
        let p = account(kind, "http://127.0.0.1:1", "https://warning.example.org");
        let (good, bad) = (p.callback_reply(true), p.callback_reply(false));
        assert_eq!(good.status, 200, "{kind}");
        assert!(bad.status >= 500, "{kind}: pushed again when it was not kept");
        match kind {
            "tencent_sms" | "tencent_voice" => assert_eq!(good.body, r#"{"result":0,"errmsg":"OK"}"#),
            "twilio_sms" | "twilio_voice" => assert!(good.body.ends_with("<Response></Response>")),
            _ => {}
        }
    }
}

#[tokio::test]
async fn what_huawei_signed_is_taken_and_nothing_else_where_it_was_asked_to_sign() {
    let (base, mut rx) = receiver().await;
    let mut settings = pushing(&base, Behaviour::default(), People { reply_share: 1.0, ..People::default() });
    settings.huawei.sign_pushes = true;
    let s = standin(settings).await;
    let p = account_of(&format!("signed_callbacks = true\n{}", table("huawei_sms", &s.url())), "huawei_sms", &base);
    assert_eq!(p.send(&ask(phone(1), "ref000000000001")).await.class(), "accepted");
    for _ in 0..2 {
        let mut came = soon(rx.recv()).await.unwrap();
        assert_eq!(came.items(&p).len(), 1, "a receipt, then the reply");
        let mut body = came.body.to_vec();
        body[0] ^= 1;
        came.body = body.into();
        assert!(came.with(|c| p.check_callback(c)).is_err(), "a changed byte");
        without_signature(&mut came);
        assert!(came.with(|c| p.check_callback(c)).is_err(), "no signature");
    }
    let plain = account_of(&table("huawei_sms", &s.url()), "huawei_sms", &base);
    assert_eq!(plain.send(&ask(phone(2), "ref000000000002")).await.class(), "accepted");
    assert!(soon(rx.recv()).await.unwrap().with(|c| plain.check_callback(c)).is_ok(), "who did not ask takes what comes");
}

fn without_signature(came: &mut Came) {
    came.headers.retain(|(name, _)| name != "authorization");
}
