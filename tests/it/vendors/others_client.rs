//! Our clients of Tencent, Huawei and Twilio against the stand-in: each way a request can fare, and the
//! outcome it must have.

use super::{
    kit::{ask, closed_port, phone, soon, standin},
    others_kit::{KINDS, account, account_of, sent_at, table},
};
use jiaoying::{
    channel::{Address, Lookup, ReceiptResult},
    core::{phone::Phone, send::Outcome},
    standin::{Behaviour, Receipts, StandinSettings, Tencent},
};

const PUBLIC: &str = "https://warning.example.org";

fn behaving(behaviour: Behaviour) -> StandinSettings {
    StandinSettings { behaviour, ..StandinSettings::default() }
}
fn quiet() -> Receipts {
    Receipts { send: false, ..Receipts::default() }
}

#[tokio::test]
async fn what_each_vendor_accepts_reaches_the_phone_byte_for_byte() {
    let s = standin(StandinSettings::default()).await;
    let mut sent = s.subscribe();
    for (n, kind) in KINDS.iter().enumerate() {
        let n = n as u32;
        let reference = format!("ref00000000000{n}");
        let outcome = account(kind, &s.url(), PUBLIC).send(&ask(phone(n), &reference)).await;
        let m = soon(sent.recv()).await.unwrap();
        assert_eq!(outcome, Outcome::Accepted { provider_message_id: m.provider_message_id.clone() }, "{kind}");
        assert_eq!((m.phone.as_str(), m.out_id.as_str()), (format!("154{n:08}").as_str(), reference.as_str()), "{kind}");
        match *kind {
            // The spoken text is followed by the words of good-bye.
            "twilio_voice" => assert!(m.text.unwrap().starts_with("沁水县发布暴雨红色预警，收到请回1"), "{kind}"),
            "twilio_sms" => assert_eq!(m.text.unwrap(), "沁水县发布暴雨红色预警，收到请回1"),
            // A quotation mark is one of the marks that Huawei refuses.
            "huawei_sms" => assert_eq!((m.template.as_str(), m.variables["1"].as_str()), ("T1", "红色 *~’!")),
            _ => assert_eq!((m.template.as_str(), m.variables["1"].as_str()), ("T1", "红色 *~'!"), "{kind}"),
        }
    }
    assert_eq!((&s.counts()["sms"], &s.counts()["voice"]), (&3.into(), &2.into()));
}

#[tokio::test]
async fn a_wrong_secret_or_key_is_a_fault_of_configuration() {
    let s = standin(StandinSettings::default()).await;
    for kind in KINDS {
        for (right, wrong) in [("'testsecret'", "'wrong'"), ("'testid'", "'nobody'"), ("'ACtest'", "'ACother'")] {
            let table = table(kind, &s.url());
            if !table.contains(right) {
                continue;
            }
            let p = account_of(&table.replace(right, wrong), kind, PUBLIC);
            assert_eq!(p.send(&ask(phone(1), "r")).await.class(), "config", "{kind} {wrong}");
        }
    }
    let counts = s.counts();
    assert_eq!((&counts["bad_signature"], &counts["accepted"]), (&10.into(), &0.into()));
}

#[tokio::test]
async fn a_refused_connection_sent_nothing_and_tells_no_number() {
    let endpoint = closed_port().await;
    for kind in KINDS {
        match account(kind, &endpoint, PUBLIC).send(&ask(phone(1), "r")).await {
            Outcome::Retryable { detail } => assert!(!detail.contains("15400000001"), "{detail}"),
            other => panic!("{kind}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_lost_reply_is_unknown_and_the_look_up_tells_what_was_taken_where_there_is_one() {
    for taken in [1.0, 0.0] {
        let behaviour = Behaviour { lost_share: 1.0, lost_taken_share: taken, receipts: quiet(), ..Behaviour::default() };
        let s = standin(behaving(behaviour)).await;
        for kind in KINDS {
            let p = account(kind, &s.url(), PUBLIC);
            let to = phone(1);
            assert_eq!(p.send(&ask(to.clone(), "ref000000000001")).await.class(), "unknown", "{kind}");
            let found = p.lookup("ref000000000001", &to, sent_at()).await;
            match (kind, taken > 0.0) {
                ("huawei_sms" | "tencent_voice", _) => assert!(matches!(found, Lookup::Unanswered(_)), "{kind}: {found:?}"),
                (_, true) => assert!(matches!(found, Lookup::Found { provider_message_id: Some(_), .. }), "{kind}: {found:?}"),
                (_, false) => assert_eq!(found, Lookup::NotFound, "{kind}"),
            }
        }
    }
}

#[tokio::test]
async fn two_messages_of_one_moment_are_told_apart_by_session_context_alone() {
    for enabled in [false, true] {
        let behaviour = Behaviour { receipts: quiet(), ..Behaviour::default() };
        let tencent = Tencent { session_context: enabled, ..Tencent::default() };
        let s = standin(StandinSettings { behaviour, tencent, ..StandinSettings::default() }).await;
        let table = format!("session_context_enabled = {enabled}\n{}", table("tencent_sms", &s.url()));
        let p = account_of(&table, "tencent_sms", PUBLIC);
        assert_eq!(p.echoes_reference(), enabled);
        for reference in ["ref000000000001", "ref000000000002"] {
            assert_eq!(p.send(&ask(phone(1), reference)).await.class(), "accepted");
        }
        let found = p.lookup("ref000000000002", &phone(1), sent_at()).await;
        match enabled {
            true => assert!(matches!(found, Lookup::Found { result: ReceiptResult::Delivered, .. }), "{found:?}"),
            false => assert!(matches!(found, Lookup::Unanswered(_)), "{found:?}"),
        }
        if enabled {
            assert_eq!(p.lookup("ref000000000009", &phone(1), sent_at()).await, Lookup::NotFound);
        }
    }
}

#[tokio::test]
async fn faults_of_the_provider_have_their_classes() {
    let cases = [
        (Behaviour { refused_share: 1.0, ..Behaviour::default() }, "retryable"),
        (Behaviour { error_share: 1.0, ..Behaviour::default() }, "retryable"),
        (Behaviour { limit_share: 1.0, ..Behaviour::default() }, "throttled"),
    ];
    for (behaviour, expected) in cases {
        let s = standin(behaving(behaviour)).await;
        for kind in KINDS {
            assert_eq!(account(kind, &s.url(), PUBLIC).send(&ask(phone(1), "r")).await.class(), expected, "{kind}");
        }
        assert_eq!(s.counts()["accepted"], 0);
    }
}

/// Number → the code on demand, and the class it must have over the wire.
#[tokio::test]
async fn codes_on_demand_come_in_each_vendors_own_place() {
    let cases: &[(&str, &[(&str, &str)])] = &[
        (
            "tencent_sms",
            &[
                ("FailedOperation.PhoneNumberInBlacklist", "permanent_number"),
                ("FailedOperation.ContainSensitiveWord", "permanent_content"),
                ("UnauthorizedOperation.ServiceSuspendDueToArrears", "balance"),
                ("LimitExceeded.PhoneNumberDailyLimit", "throttled"),
                ("InternalError.Timeout", "unknown"),
                ("RequestLimitExceeded", "throttled"),
            ],
        ),
        (
            "tencent_voice",
            &[
                ("InvalidParameterValue.CalledNumberVerifyFail", "permanent_number"),
                ("FailedOperation.InsufficientBalanceInVoicePackage", "balance"),
                ("InternalError.UpstreamError", "unknown"),
            ],
        ),
        ("huawei_sms", &[("E000623", "throttled"), ("E000620", "config"), ("E200028", "permanent_content"), ("E000112", "balance")]),
        ("twilio_sms", &[("21610", "permanent_number"), ("20003", "config"), ("20429", "throttled"), ("21617", "permanent_content")]),
        ("twilio_voice", &[("21211", "permanent_number"), ("21215", "config")]),
    ];
    for (kind, codes) in cases {
        let behaviour = Behaviour {
            codes: codes.iter().enumerate().map(|(n, (code, _))| (format!("154{n:08}"), code.to_string())).collect(),
            ..Behaviour::default()
        };
        let s = standin(behaving(behaviour)).await;
        let p = account(kind, &s.url(), PUBLIC);
        for (n, (code, class)) in codes.iter().enumerate() {
            assert_eq!(p.send(&ask(phone(n as u32), "r")).await.class(), *class, "{kind} {code}");
        }
        assert_eq!(p.send(&ask(phone(99), "r")).await.class(), "accepted", "{kind}: any other number");
    }
}

#[tokio::test]
async fn the_limits_of_one_number_stand_where_they_are_documented() {
    let behaviour = || Behaviour { callee_limits: true, receipts: quiet(), ..Behaviour::default() };
    for (kind, wall) in [("tencent_sms", 1), ("tencent_voice", 1), ("huawei_sms", 15)] {
        let s = standin(behaving(behaviour())).await;
        let p = account(kind, &s.url(), PUBLIC);
        // Of the same content fewer go.
        let another = |n: usize, reference: &str| {
            let mut ask = ask(phone(1), reference);
            ask.message.text.push_str(&n.to_string());
            ask.message.variables.iter_mut().for_each(|(_, v)| *v = n.to_string());
            ask
        };
        for n in 0..wall {
            assert_eq!(p.send(&another(n, &format!("r{n}"))).await.class(), "accepted", "{kind} {n}");
        }
        let alike = if kind == "tencent_sms" { 0 } else { wall };
        let past = p.send(&another(alike, "past")).await;
        assert!(matches!(past, Outcome::Throttled { whole_account: false, .. }), "{kind}: {past:?}");
        assert_eq!(p.send(&ask(phone(2), "other")).await.class(), "accepted", "{kind}: another number");
    }
}

#[tokio::test]
async fn numbers_a_vendor_cannot_reach_are_not_tried() {
    let s = standin(StandinSettings::default()).await;
    let to = |text: &str| Address::Phone(Phone::parse(text).unwrap());
    for kind in KINDS {
        let p = account(kind, &s.url(), PUBLIC);
        let landline = p.send(&ask(to("03562111111"), "r")).await.class();
        let foreign = p.send(&ask(to("+15005550009"), "r")).await.class();
        let mail = Address::Email { name: "甲".into(), address: "a@example.org".into() };
        let expected = match kind {
            "tencent_voice" => ("accepted", "permanent_number"),
            "twilio_voice" => ("accepted", "accepted"),
            "twilio_sms" => ("permanent_number", "accepted"),
            _ => ("permanent_number", "permanent_number"),
        };
        assert_eq!((landline, foreign), expected, "{kind}");
        assert_eq!(p.send(&ask(mail, "r")).await.class(), "permanent_number", "{kind}");
    }
}

#[tokio::test]
async fn a_message_that_does_not_fit_is_found_before_it_is_sent() {
    for kind in KINDS {
        let p = account(kind, "http://127.0.0.1:1", PUBLIC);
        let mut message = ask(phone(1), "r").message;
        p.check_message(&message).unwrap_or_else(|e| panic!("{kind}: {e}"));
        message.drill = true;
        assert!(p.check_message(&message).unwrap_err().contains("drill"), "{kind}: a drill without its mark or template");
        message.drill = false;
        match kind {
            "twilio_sms" | "twilio_voice" => message.text = "字".repeat(2000),
            _ => message.variables[0].1 = "字".repeat(11),
        }
        let fault = p.check_message(&message).unwrap_err();
        assert!(fault.contains("at most"), "{kind}: {fault}");
    }
}

/// What `tests/vendors/run` judges: every kind of request of each client, captured where it says.
#[tokio::test]
async fn requests_of_other_vendors_are_captured_for_their_judges() {
    let kept = tempfile::tempdir().unwrap();
    let dir = std::env::var_os("JIAOYING_CAPTURE_OTHERS").map_or_else(|| kept.path().to_path_buf(), Into::into);
    let s = standin(StandinSettings { capture: Some(dir.clone()), ..StandinSettings::default() }).await;
    for (n, kind) in KINDS.iter().enumerate() {
        let p = account(kind, &s.url(), PUBLIC);
        let to = phone(n as u32);
        assert_eq!(p.send(&ask(to.clone(), "ref000000000001")).await.class(), "accepted", "{kind}");
        let _ = p.lookup("ref000000000001", &to, sent_at()).await;
    }
    let names: Vec<String> = std::fs::read_dir(&dir).unwrap().map(|f| f.unwrap().file_name().to_string_lossy().into_owned()).collect();
    for action in ["SendSms", "PullSmsSendStatusByPhoneNumber", "SendTtsVoice", "batchSendSms", "Messages", "Calls"] {
        assert!(names.iter().any(|n| n.contains(action)), "{action} in {names:?}");
    }
}
