//! What the stand-in pushes back, read by our own providers: receipts, replies, keypresses, and
//! pushing again when nobody took them.

use super::kit::{ask, loopback, phone, sms, soon, standin, voice};
use axum::{Router, body::Bytes, extract::Path, http::StatusCode, routing::post};
use jiaoying::{
    channel::{CallbackItem, Provider, ReceiptResult},
    core::time::Span,
    standin::{Behaviour, People, Receipts, StandinHandle, StandinSettings},
};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use tokio::sync::mpsc;

/// A gateway's callback address that hands every body on, and refuses the first `refusals` of them.
async fn receiver(refusals: usize) -> (String, mpsc::UnboundedReceiver<(String, Bytes)>) {
    let (tx, rx) = mpsc::unbounded_channel();
    let refused = Arc::new(AtomicUsize::new(0));
    let take = move |Path((account, _secret)): Path<(String, String)>, body: Bytes| {
        let (tx, refused) = (tx.clone(), refused.clone());
        async move {
            tx.send((account, body)).unwrap();
            if refused.fetch_add(1, Ordering::SeqCst) < refusals {
                return (StatusCode::INTERNAL_SERVER_ERROR, String::new());
            }
            (StatusCode::OK, r#"{"code":0,"msg":"接收成功"}"#.to_string())
        }
    };
    let app = Router::new().route("/callbacks/{account}/{secret}", post(take));
    let listener = loopback().await;
    let base = format!("http://{}/callbacks", listener.local_addr().unwrap());
    #[expect(clippy::disallowed_methods, reason = "ends with the test")]
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (base, rx)
}

async fn start(behaviour: Behaviour, people: People, refusals: usize) -> (StandinHandle, mpsc::UnboundedReceiver<(String, Bytes)>) {
    let (base, rx) = receiver(refusals).await;
    let settings = StandinSettings {
        sms_callback: Some(format!("{base}/aliyun-sms/secret")),
        voice_callback: Some(format!("{base}/aliyun-voice/secret")),
        speed: 1000.0,
        behaviour,
        people,
        ..StandinSettings::default()
    };
    (standin(settings).await, rx)
}

async fn items(p: &Arc<dyn Provider>, rx: &mut mpsc::UnboundedReceiver<(String, Bytes)>) -> Vec<CallbackItem> {
    let (account, body) = soon(rx.recv()).await.unwrap();
    assert_eq!(account, p.account());
    p.read_callback(Some("application/json"), &body).unwrap()
}

/// The next two items, whether they come together or apart: the receipt of a message before its
/// reply, the key in mid-call before the report (pushes of two kinds may overtake each other).
async fn two(p: &Arc<dyn Provider>, rx: &mut mpsc::UnboundedReceiver<(String, Bytes)>) -> Vec<CallbackItem> {
    let mut all = items(p, rx).await;
    while all.len() < 2 {
        all.extend(items(p, rx).await);
    }
    all.sort_by_key(|i| match i {
        CallbackItem::Receipt { result: ReceiptResult::CallEnded { .. }, .. } => 1,
        CallbackItem::Receipt { .. } | CallbackItem::Key { .. } => 0,
        CallbackItem::Reply { .. } => 2,
    });
    all
}

#[tokio::test]
async fn a_message_is_delivered_and_then_answered_with_the_digit_it_asked_for() {
    let (s, mut rx) = start(Behaviour::default(), People { reply_share: 1.0, ..People::default() }, 0).await;
    let p = sms(&s.url());
    p.send(&ask(phone(1), "ref1")).await;
    let all = two(&p, &mut rx).await;
    assert!(matches!(&all[0], CallbackItem::Receipt { reference: Some(r), result: ReceiptResult::Delivered, .. } if r == "ref1"));
    match &all[1] {
        CallbackItem::Reply { phone, text, dedupe, .. } => {
            assert_eq!(phone, "15400000001");
            assert!(text.contains('1') || text.contains('１'), "{text}");
            assert!(dedupe.starts_with("id:"));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_key_is_told_in_mid_call_and_again_in_the_report() {
    let (s, mut rx) = start(Behaviour::default(), People { keypress_share: 1.0, ..People::default() }, 0).await;
    let p = voice(&s.url());
    p.send(&ask(phone(1), "ref1")).await;
    let all = two(&p, &mut rx).await;
    assert!(matches!(&all[0], CallbackItem::Key { reference: Some(r), keys, .. } if r == "ref1" && keys == "1"));
    match &all[1] {
        CallbackItem::Receipt { reference, result: ReceiptResult::CallEnded { heard, code, .. }, keys, .. } => {
            assert_eq!((reference.as_deref(), *heard, code.as_str(), keys.as_deref()), (Some("ref1"), true, "200000", Some("1")));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_silent_person_a_busy_line_and_an_empty_number_are_reported_as_such() {
    for (behaviour, people, code, dead) in [
        (Behaviour::default(), People::default(), "200003", false),
        (Behaviour::default(), People { busy_share: 1.0, ..People::default() }, "200002", false),
        (Behaviour { dead_share: 1.0, ..Behaviour::default() }, People::default(), "200004", true),
    ] {
        let (s, mut rx) = start(behaviour, people, 0).await;
        let p = voice(&s.url());
        p.send(&ask(phone(1), "ref1")).await;
        match items(&p, &mut rx).await.remove(0) {
            CallbackItem::Receipt { result: ReceiptResult::CallEnded { code: c, number_dead, heard, .. }, .. } => {
                assert_eq!((c.as_str(), number_dead, heard), (code, dead, false));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_push_nobody_took_comes_again_and_after_the_third_time_never() {
    let quiet = Behaviour { receipts: Receipts { send: false, ..Receipts::default() }, ..Behaviour::default() };
    let (s, mut rx) = start(quiet, People::default(), 4).await;
    s.push_reply("15400000001", "收到");
    let (_, first) = soon(rx.recv()).await.unwrap();
    for _ in 0..3 {
        let (_, again) = soon(rx.recv()).await.unwrap();
        assert_eq!(again, first, "the same again");
    }
    soon(async {
        while s.counts()["pushes"]["given_up"] != 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(s.counts()["pushes"]["failed"], 4);
    s.push_reply("15400000001", "收到2");
    let (_, next) = soon(rx.recv()).await.unwrap();
    assert_ne!(next, first, "the first is gone for good");
}

#[tokio::test]
async fn receipts_may_be_lost_or_come_twice() {
    let receipts = |r: Receipts| Behaviour { receipts: Receipts { delay: Span::ZERO, spread: Span::ZERO, ..r }, ..Behaviour::default() };
    let (s, mut rx) = start(receipts(Receipts { duplicate_share: 1.0, ..Receipts::default() }), People::default(), 0).await;
    let p = sms(&s.url());
    p.send(&ask(phone(1), "twice")).await;
    let all = two(&p, &mut rx).await;
    assert_eq!(all[0], all[1]);

    let (s, mut rx) = start(receipts(Receipts { lost_share: 1.0, ..Receipts::default() }), People::default(), 0).await;
    let p = sms(&s.url());
    p.send(&ask(phone(1), "lost")).await;
    // What is pushed next is the scripted reply: the receipt never was.
    s.push_reply("15400000001", "在吗");
    assert!(matches!(items(&p, &mut rx).await.as_slice(), [CallbackItem::Reply { .. }]));
}

#[tokio::test]
async fn a_script_can_play_the_provider_and_the_person_by_hand() {
    let quiet = Behaviour { receipts: Receipts { send: false, ..Receipts::default() }, ..Behaviour::default() };
    let (s, mut rx) = start(quiet, People::default(), 0).await;
    let mut sent = s.subscribe();
    let (text, call) = (sms(&s.url()), voice(&s.url()));
    text.send(&ask(phone(1), "m1")).await;
    s.push_receipt(&soon(sent.recv()).await.unwrap(), "INVALID_NUMBER");
    assert!(matches!(
        items(&text, &mut rx).await.as_slice(),
        [CallbackItem::Receipt { result: ReceiptResult::Failed { number_dead: true, .. }, .. }]
    ));
    call.send(&ask(phone(1), "c1")).await;
    let ringing = soon(sent.recv()).await.unwrap();
    s.push_key(&ringing, "4");
    assert!(matches!(items(&call, &mut rx).await.as_slice(), [CallbackItem::Key { keys, .. }] if keys == "4"));
    s.push_call_ended(&ringing, "200000", "4");
    assert!(matches!(items(&call, &mut rx).await.as_slice(), [CallbackItem::Receipt { keys: Some(k), .. }] if k == "4"));
    s.stop().await;
}
