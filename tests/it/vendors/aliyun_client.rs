//! Our clients against the stand-in: each way a request can fare, and the outcome it must have.

use super::kit::{NOW, ask, closed_port, phone, provider, served, sms, sms_table, soon, standin, voice};
use jiaoying::{
    channel::{Address, CallbackItem, Lookup, MessageKind, ReceiptResult},
    core::{
        phone::Phone,
        send::Outcome,
        time::{Span, Time},
    },
    standin::{Behaviour, Receipts, StandinSettings},
};

fn behaving(behaviour: Behaviour) -> StandinSettings {
    StandinSettings { behaviour, ..StandinSettings::default() }
}
fn quiet() -> Receipts {
    Receipts { send: false, ..Receipts::default() }
}

#[tokio::test]
async fn an_accepted_message_reaches_the_phone_with_its_variables_and_reference() {
    let s = standin(StandinSettings::default()).await;
    let mut sent = s.subscribe();
    match sms(&s.url()).send(&ask(phone(1), "a1B2c3D4e5F6g7H")).await {
        Outcome::Accepted { provider_message_id } => {
            let m = soon(sent.recv()).await.unwrap();
            assert_eq!(m.provider_message_id, provider_message_id);
            assert_eq!((m.phone.as_str(), m.out_id.as_str(), m.template.as_str()), ("15400000001", "a1B2c3D4e5F6g7H", "SMS_1"));
            assert_eq!(m.variables["level"], "红色 *~'!");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(s.counts()["sms"], 1);
}

/// The same account as a notice without keys.
fn notice(endpoint: &str) -> std::sync::Arc<dyn jiaoying::channel::Provider> {
    let table = format!(
        "kind = 'aliyun_voice'\nendpoint = '{endpoint}'\naccess_key_id = 'testid'\naccess_key_secret = 'testsecret'\n\
         operation = 'single_call_by_tts'\ncallback_secret = '00112233445566778899aabbccddeeff'\nrequest_timeout = '1s'\n\
         [templates.callout]\ncode = 'TTS_1'\nvariables = {{ level = {{ max = 10 }}, digit = {{ kind = 'number', max = 1 }} }}"
    );
    provider("aliyun-notice", &table)
}

#[tokio::test]
async fn a_notice_reaches_the_phone_and_nothing_about_it_is_an_answer_by_key() {
    let s = standin(StandinSettings::default()).await;
    let mut sent = s.subscribe();
    let p = notice(&s.url());
    let outcome = p.send(&ask(phone(2), "ref000000000001")).await;
    let call = soon(sent.recv()).await.unwrap();
    assert_eq!(outcome, Outcome::Accepted { provider_message_id: call.provider_message_id.clone() });
    assert_eq!((call.phone.as_str(), call.template.as_str(), call.variables["digit"].as_str()), ("15400000002", "TTS_1", "1"));
    let ended = br#"[{"status_code":"200000","out_id":"r","call_id":"c","end_time":"2021-04-28 10:03:40","duration":"10","dtmf":"1"},
        {"call_id":"c","status_code":"300000","dtmf":"1","status_time":"2021-04-28 10:02:44","out_id":"r"}]"#;
    let items = p.read_callback(None, ended).unwrap();
    assert!(
        matches!(items.as_slice(), [CallbackItem::Receipt { result: ReceiptResult::CallEnded { heard: true, .. }, keys: None, .. }]),
        "{items:?}"
    );
    let dead = br#"[{"status_code":"200004","out_id":"r","call_id":"c","end_time":"2021-04-28 10:03:40"}]"#;
    assert!(matches!(
        &p.read_callback(None, dead).unwrap()[0],
        CallbackItem::Receipt { result: ReceiptResult::CallEnded { heard: false, number_dead: true, .. }, .. }
    ));
}

#[tokio::test]
async fn a_call_reaches_the_phone() {
    let s = standin(StandinSettings::default()).await;
    let mut sent = s.subscribe();
    let outcome = voice(&s.url()).send(&ask(phone(2), "ref000000000001")).await;
    let call = soon(sent.recv()).await.unwrap();
    assert_eq!(outcome, Outcome::Accepted { provider_message_id: call.provider_message_id.clone() });
    assert_eq!((call.phone.as_str(), call.out_id.as_str()), ("15400000002", "ref000000000001"));
    let too_long = voice(&s.url()).send(&ask(phone(2), "ref0000000000012")).await;
    assert_eq!(too_long.class(), "permanent_content");
    assert_eq!(s.counts()["voice"], 1);
}

#[tokio::test]
async fn a_wrong_secret_is_a_fault_of_configuration() {
    let s = standin(StandinSettings::default()).await;
    let p = provider("a", &sms_table(&s.url()).replace("testsecret", "wrong"));
    match p.send(&ask(phone(1), "r")).await {
        Outcome::Config { detail } => assert!(detail.contains("SignatureDoesNotMatch"), "{detail}"),
        other => panic!("{other:?}"),
    }
    let p = provider("a", &sms_table(&s.url()).replace("testid", "nobody"));
    match p.send(&ask(phone(1), "r")).await {
        Outcome::Config { detail } => assert!(detail.contains("InvalidAccessKeyId.NotFound"), "{detail}"),
        other => panic!("{other:?}"),
    }
    let counts = s.counts();
    assert_eq!((&counts["bad_signature"], &counts["sms"]), (&2.into(), &0.into()));
}

#[tokio::test]
async fn a_refused_connection_sent_nothing_and_may_be_tried_again() {
    let endpoint = closed_port().await;
    for outcome in [sms(&endpoint).send(&ask(phone(1), "r")).await, voice(&endpoint).send(&ask(phone(1), "r")).await] {
        match outcome {
            Outcome::Retryable { detail } => assert!(!detail.contains("15400000001"), "{detail}"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_reply_that_never_comes_is_unknown_and_the_look_up_tells_what_was_taken() {
    for (taken, expected) in [(1.0, true), (0.0, false)] {
        let s = standin(behaving(Behaviour { lost_share: 1.0, lost_taken_share: taken, ..Behaviour::default() })).await;
        let p = sms(&s.url());
        match p.send(&ask(phone(3), "lostref")).await {
            Outcome::Unknown { detail } => assert!(!detail.contains("15400000003"), "{detail}"),
            other => panic!("{other:?}"),
        }
        match p.lookup("lostref", &phone(3), NOW).await {
            Lookup::Found { result, .. } => {
                assert!(expected);
                assert_eq!(result, ReceiptResult::Waiting);
            }
            Lookup::NotFound => assert!(!expected),
            Lookup::Unanswered(why) => panic!("{why}"),
        }
    }
}

#[tokio::test]
async fn a_slow_reply_is_unknown_though_the_message_was_taken() {
    let slow = Behaviour { slow_share: 1.0, slow_latency: Span::mins(10), ..Behaviour::default() };
    let s = standin(behaving(slow)).await;
    let p = sms(&s.url());
    assert_eq!(p.send(&ask(phone(3), "slowref")).await.class(), "unknown");
    assert!(matches!(p.lookup("slowref", &phone(3), NOW).await, Lookup::Found { .. }));
}

#[tokio::test]
async fn business_errors_come_with_http_200_and_keep_their_class() {
    let s = standin(behaving(Behaviour { limit_share: 1.0, ..Behaviour::default() })).await;
    match sms(&s.url()).send(&ask(phone(1), "r")).await {
        Outcome::Throttled { after, whole_account: false, .. } => assert_eq!(after, Some(Span::mins(1))),
        other => panic!("{other:?}"),
    }
    for (behaviour, class) in [
        (Behaviour { refused_share: 1.0, ..Behaviour::default() }, "retryable"),
        (Behaviour { error_share: 1.0, ..Behaviour::default() }, "retryable"),
    ] {
        let s = standin(behaving(behaviour)).await;
        assert_eq!(sms(&s.url()).send(&ask(phone(1), "r")).await.class(), class);
        assert_eq!(s.counts()["sms"], 0, "nothing was taken");
    }
}

#[tokio::test]
async fn the_walls_of_one_number_stand_at_the_provider_too() {
    let s = standin(behaving(Behaviour { callee_limits: true, receipts: quiet(), ..Behaviour::default() })).await;
    let v = voice(&s.url());
    assert_eq!(v.send(&ask(phone(1), "r1")).await.class(), "accepted");
    match v.send(&ask(phone(1), "r2")).await {
        Outcome::Throttled { after, whole_account: false, .. } => assert_eq!(after, Some(Span::mins(1))),
        other => panic!("{other:?}"),
    }
    let p = sms(&s.url());
    for i in 0..50 {
        assert_eq!(p.send(&ask(phone(1), &format!("s{i}"))).await.class(), "accepted");
    }
    match p.send(&ask(phone(1), "s51")).await {
        Outcome::Throttled { after, .. } => assert_eq!(after, Some(Span::hours(24))),
        other => panic!("{other:?}"),
    }
    // Fifty messages fill one page of the query exactly: the look-up must read on and come to an end.
    assert!(matches!(p.lookup("s0", &phone(1), NOW).await, Lookup::Found { .. }));
    assert_eq!(p.lookup("s51", &phone(1), NOW).await, Lookup::NotFound);
}

#[tokio::test]
async fn a_look_up_tells_delivered_and_failed_and_says_when_it_cannot_ask() {
    let at_once = Receipts { send: false, delay: Span::ZERO, spread: Span::ZERO, ..Receipts::default() };
    let s = standin(behaving(Behaviour { receipts: at_once.clone(), ..Behaviour::default() })).await;
    let p = sms(&s.url());
    p.send(&ask(phone(5), "ok")).await;
    assert_eq!(p.lookup("ok", &phone(5), NOW).await, Lookup::Found { provider_message_id: None, result: ReceiptResult::Delivered });
    assert_eq!(p.lookup("ok", &phone(5), Time(NOW.0 - Span::hours(48).0)).await, Lookup::NotFound, "another day");
    // A request that left just before Beijing midnight stands under the next day.
    let midnight = Time::parse_rfc3339("2026-07-21T00:00:00+08:00").unwrap();
    assert!(matches!(p.lookup("ok", &phone(5), Time(midnight.0 - 1000)).await, Lookup::Found { .. }));

    let s = standin(behaving(Behaviour { dead_share: 1.0, receipts: at_once, ..Behaviour::default() })).await;
    let p = sms(&s.url());
    p.send(&ask(phone(5), "dead")).await;
    assert!(matches!(p.lookup("dead", &phone(5), NOW).await, Lookup::Found { result: ReceiptResult::Failed { .. }, .. }));

    assert!(matches!(sms(&closed_port().await).lookup("x", &phone(5), NOW).await, Lookup::Unanswered(_)));
    assert!(matches!(voice(&s.url()).lookup("x", &phone(5), NOW).await, Lookup::Unanswered(_)));
}

#[tokio::test]
async fn what_cannot_be_sent_is_told_before_anything_leaves() {
    let s = standin(StandinSettings::default()).await;
    let p = sms(&s.url());
    let landline = Address::Phone(Phone::parse("0356-2111111").unwrap());
    assert_eq!(p.send(&ask(landline, "r")).await.class(), "permanent_number");
    let abroad = Address::Phone(Phone::parse("+14158675309").unwrap());
    assert_eq!(p.send(&ask(abroad.clone(), "r")).await.class(), "permanent_number");
    assert_eq!(voice(&s.url()).send(&ask(abroad, "r")).await.class(), "permanent_number");
    let mut info = ask(phone(1), "r");
    info.message.kind = MessageKind::Info;
    assert_eq!(p.send(&info).await.class(), "permanent_content");
    let mut long = ask(phone(1), "r");
    long.message.variables[0].1 = "红色".repeat(6);
    assert!(p.check_message(&long.message).unwrap_err().contains("12 characters, at most 10"));
    assert_eq!(s.counts()["requests"], 0);
}

#[tokio::test]
async fn a_template_the_provider_does_not_know_stops_the_provider() {
    let known = StandinSettings { templates: [("SMS_9".to_string(), "x".to_string())].into(), ..StandinSettings::default() };
    let s = standin(known).await;
    assert_eq!(sms(&s.url()).send(&ask(phone(1), "r")).await.class(), "config");
}

#[tokio::test]
async fn the_same_reference_sent_twice_shows_in_the_stand_ins_own_count() {
    let s = standin(StandinSettings::default()).await;
    let p = sms(&s.url());
    for reference in ["once", "twice", "twice"] {
        p.send(&ask(phone(1), reference)).await;
    }
    let counts = s.counts();
    assert_eq!(counts["by_out_id"]["distinct"], 2);
    assert_eq!(counts["by_out_id"]["duplicates"], serde_json::json!({"twice": 2}));
    let counted = served(&s, "/_standin/counts").await;
    assert_eq!(counted["accepted"], 3);
    let list = served(&s, "/_standin/sent?out_id=twice").await;
    assert_eq!(list.as_array().unwrap().len(), 2);
}

/// With `JIAOYING_CAPTURE` set to a directory the requests stay there for `tests/vendors/run`, which
/// gives them to an independent judge.
#[tokio::test]
async fn requests_of_every_kind_are_captured_for_the_judges() {
    let dir = tempfile::tempdir().unwrap();
    let capture = std::env::var_os("JIAOYING_CAPTURE").map_or(dir.path().to_path_buf(), Into::into);
    let s = standin(StandinSettings { capture: Some(capture.clone()), ..StandinSettings::default() }).await;
    let (p, v) = (sms(&s.url()), voice(&s.url()));
    assert_eq!(p.send(&ask(phone(1), "captured1")).await.class(), "accepted");
    let mut hard = ask(phone(2), "captured2");
    hard.message.variables[0].1 = "\"红\\色\" +%&=".into();
    assert_eq!(p.send(&hard).await.class(), "accepted");
    assert!(matches!(p.lookup("captured1", &phone(1), NOW).await, Lookup::Found { .. }));
    assert_eq!(v.send(&ask(phone(1), "captured3")).await.class(), "accepted");
    let with_token = provider("a", &sms_table(&s.url()).replace("sign_name", "security_token = \"sts-token\"\nsign_name"));
    assert_eq!(with_token.send(&ask(phone(3), "captured4")).await.class(), "accepted");
    let batch = provider("a", &sms_table(&s.url()).replace("sign_name", "batch = 100\nsign_name"));
    let all = [ask(phone(4), "captured5"), ask(phone(5), "captured6")];
    assert!(batch.send_batch(&all).await.iter().all(|o| o.class() == "accepted"));
    assert_eq!(notice(&s.url()).send(&ask(phone(6), "captured7")).await.class(), "accepted");

    let mut names: Vec<String> =
        std::fs::read_dir(&capture).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    let expected = ["SendSms", "SendSms", "QuerySendDetails", "IvrCall", "SendSms", "SendBatchSms", "SingleCallByTts"];
    let expected: Vec<String> = (0..).zip(expected).map(|(n, name)| format!("{n:06}_{name}.json")).collect();
    assert_eq!(names, expected);
    let text = std::fs::read_to_string(capture.join(&names[0])).unwrap();
    let captured: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(captured["url"].as_str().unwrap().contains("/?OutId=captured1&PhoneNumbers=15400000001"));
    let log = served(&s, "/_standin/log?action=IvrCall").await;
    assert_eq!(log.as_array().unwrap().len(), 1);
}
