//! A table per provider: every code it is known to say → what that is here → what the engine does next.
//! The code comes over the wire in the provider's own shape, through the provider's own adapter; what follows is
//! what a whole gateway then does ([`super::follows`]).

use super::{
    code_lists::{ALL, Codes},
    follows::{Said, follows},
    kit::{ask, loopback, phone, sms, voice},
    others_kit::account,
};
use axum::{
    Router,
    http::{StatusCode, header},
    routing::any,
};
use jiaoying::{
    channel::{CallbackItem, Provider, Rang, ReceiptResult, email::errors as mail},
    core::{
        send::{Channel, Outcome},
        time::Span,
    },
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::{Arc, Mutex},
};
use tokio::sync::OnceCell;

pub(super) type Reply = Arc<Mutex<(u16, String)>>;

/// A provider that says what it is told to say.
pub(super) async fn responder() -> (String, Reply) {
    let said: Reply = Arc::default();
    let saying = said.clone();
    let app = Router::new().fallback(any(move || {
        let (status, body) = saying.lock().unwrap().clone();
        async move { (StatusCode::from_u16(status).unwrap(), [(header::CONTENT_TYPE, "application/json")], body) }
    }));
    let listener = loopback().await;
    let base = format!("http://{}", listener.local_addr().unwrap());
    #[expect(clippy::disallowed_methods, reason = "ends with the test")]
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (base, said)
}

fn provider_of(kind: &str, endpoint: &str) -> Arc<dyn Provider> {
    match kind {
        "aliyun_sms" => sms(endpoint),
        "aliyun_voice" => voice(endpoint),
        other => account(other, endpoint, "https://warning.example.org"),
    }
}

/// A refusal in the provider's own shapes: of the request, and of the one number where that is said apart.
fn refusals(kind: &str, status: u16, code: &str, message: &str) -> Vec<(u16, Value)> {
    match kind {
        "aliyun_sms" | "aliyun_voice" => vec![(status, json!({"Code": code, "Message": message, "RequestId": "R"}))],
        "tencent_voice" => vec![(status, json!({"Response": {"Error": {"Code": code, "Message": message}, "RequestId": "R"}}))],
        "tencent_sms" => vec![
            (status, json!({"Response": {"Error": {"Code": code, "Message": message}, "RequestId": "R"}})),
            (
                status,
                json!({"Response": {"SendStatusSet": [{"SerialNo": "", "PhoneNumber": "+8615400000001", "Fee": 0, "SessionContext": "",
                    "Code": code, "Message": message, "IsoCode": "CN"}], "RequestId": "R"}}),
            ),
        ],
        "huawei_sms" => vec![
            (status, json!({"code": code, "description": message})),
            (
                200,
                json!({"code": "E000510", "description": message, "result": [{"originTo": "+8615400000001", "smsMsgId": "1", "status": code}]}),
            ),
        ],
        _ => vec![(status, json!({"code": code.parse::<u32>().unwrap(), "message": message, "status": status}))],
    }
}

/// A receipt or a call's end in the provider's own shape.
fn receipt(kind: &str, code: &str) -> (Option<&'static str>, String) {
    let (first, second) = code.split_once(' ').unwrap_or((code, ""));
    const JSON: Option<&str> = Some("application/json");
    const FORM: Option<&str> = Some("application/x-www-form-urlencoded");
    match kind {
        "aliyun_sms" => (
            JSON,
            json!([{"phone_number": "15400000001", "success": matches!(code, "DELIVERED" | "REQUEST_SUCCESS"), "err_code": code, "out_id": "r"}])
                .to_string(),
        ),
        "aliyun_voice" => (JSON, json!([{"status_code": code, "duration": "3", "call_id": "1^1", "out_id": "r"}]).to_string()),
        "tencent_sms" => {
            let status = if code == "DELIVRD" { "SUCCESS" } else { "FAIL" };
            (JSON, json!([{"report_status": status, "errmsg": first, "description": code, "sid": "5000:1"}]).to_string())
        }
        "tencent_voice" if first == "result" => (JSON, json!({"voiceprompt_callback": {"result": second, "callid": "c"}}).to_string()),
        "tencent_voice" => (JSON, json!({"voice_failure_callback": {"callid": "c", "failure_code": code.parse::<u32>().unwrap()}}).to_string()),
        "huawei_sms" => (FORM, format!("smsMsgId=1&status={code}&extend=r&to=%2B8615400000001")),
        "twilio_sms" => (FORM, format!("MessageSid=SM1&MessageStatus={first}&ErrorCode={second}")),
        _ if second.len() == 3 => (FORM, format!("CallSid=CA1&CallStatus={first}&SipResponseCode={second}")),
        _ => (FORM, format!("CallSid=CA1&CallStatus={first}&CallDuration=12&ErrorCode={second}")),
    }
}

/// A class with what makes a difference to the engine.
pub(super) fn named(o: &Outcome) -> String {
    match o {
        Outcome::Throttled { after, whole_account, .. } => {
            let whose = if *whole_account { "the account" } else { "the number" };
            format!("throttled ({whose}, {})", after.map_or("no time said".to_string(), |a| a.to_string()))
        }
        other => other.class().to_string(),
    }
}
pub(super) fn named_receipt(r: &ReceiptResult) -> String {
    let flags = |dead: bool, config: bool| match (dead, config) {
        (true, _) => ", number dead",
        (_, true) => ", set up wrongly",
        _ => "",
    };
    match r {
        ReceiptResult::Delivered => "delivered".into(),
        ReceiptResult::Waiting => "under way".into(),
        ReceiptResult::Failed { elsewhere: true, .. } => "kept back by this provider".into(),
        ReceiptResult::Failed { number_dead, config, .. } => format!("failed{}", flags(*number_dead, *config)),
        ReceiptResult::CallEnded { rang: Rang::No, .. } => "call ended, nothing rang".into(),
        ReceiptResult::CallEnded { rang: Rang::Unsure, heard: false, .. } => "call ended, perhaps nothing rang".into(),
        ReceiptResult::CallEnded { heard, number_dead, config, .. } => {
            format!("call ended, {}{}", if *heard { "heard" } else { "not heard" }, flags(*number_dead, *config))
        }
    }
}

/// The same said in other words makes no difference: what follows is found out once for each meaning.
pub(super) async fn following(channel: Channel, name: &str, said: Said) -> String {
    type Once = Arc<OnceCell<String>>;
    static KNOWN: Mutex<BTreeMap<String, Once>> = Mutex::new(BTreeMap::new());
    let cell = KNOWN.lock().unwrap().entry(format!("{channel} {name}")).or_default().clone();
    cell.get_or_init(|| follows(channel, &said)).await.clone()
}

async fn draw_up(codes: &Codes) -> String {
    let (base, said) = responder().await;
    let p = provider_of(codes.kind, &base);
    let mut page = format!("{}: what it says → what that is → what the engine does next\n\n", codes.kind);
    for (status, words) in codes.replies {
        let (code, message) = words.split_once(' ').unwrap_or((words, ""));
        let mut names = Vec::new();
        for (status, body) in refusals(codes.kind, *status, code, message) {
            *said.lock().unwrap() = (status, body.to_string());
            let outcome = p.send(&ask(phone(1), "ref000000000001")).await;
            assert_ne!(outcome.class(), "accepted", "{words}");
            names.push((named(&outcome), outcome));
        }
        assert!(
            names.iter().all(|n| n.0 == names[0].0),
            "{}: {words} is one thing of the request and another of the number: {names:?}",
            codes.kind
        );
        let (name, outcome) = names.swap_remove(0);
        let next = following(p.channel(), &name, Said::Reply(outcome)).await;
        writeln!(page, "{status} {words} → {name} → {next}").unwrap();
    }
    page.push('\n');
    for code in codes.receipts {
        let (media, body) = receipt(codes.kind, code);
        let items = p.read_callback_at(Some("r=ref1"), media, body.as_bytes()).unwrap();
        let result = match items.first() {
            Some(CallbackItem::Receipt { result, .. }) => result.clone(),
            // A call that is under way says nothing yet.
            None => ReceiptResult::Waiting,
            other => panic!("{code}: {other:?}"),
        };
        let name = named_receipt(&result);
        let next = following(p.channel(), &name, Said::Receipt(result)).await;
        writeln!(page, "receipt {code} → {name} → {next}").unwrap();
    }
    page
}

pub(super) fn agreed(name: &str, page: &str) {
    insta::with_settings!({snapshot_path => "../snapshots", prepend_module_to_snapshot => false, omit_expression => true}, {
        insta::assert_snapshot!(format!("codes_{name}"), page);
    });
}

#[tokio::test]
async fn every_code_of_every_provider_has_its_class_and_what_follows() {
    for codes in ALL {
        agreed(codes.kind, &draw_up(codes).await);
    }
}

/// The class of one code of the table, over the wire.
pub async fn class_of(codes: &Codes, code: &str) -> &'static str {
    let (base, said) = responder().await;
    let p = provider_of(codes.kind, &base);
    let row = codes.replies.iter().find(|(_, words)| words.split(' ').next() == Some(code));
    let (status, _) = row.unwrap_or_else(|| panic!("{}: {code} is not in the table", codes.kind));
    let (status, body) = refusals(codes.kind, *status, code, "").swap_remove(0);
    *said.lock().unwrap() = (status, body.to_string());
    p.send(&ask(phone(1), "ref000000000001")).await.class()
}

/// Which step of the conversation, what the server said there.
const MAIL: &[(mail::Step, u16, &str)] = &[
    (mail::Step::Connect, 421, "too many connections"),
    (mail::Step::Connect, 554, "no service"),
    (mail::Step::StartTls, 454, "TLS not available"),
    (mail::Step::Auth, 454, "4.7.0 temporary"),
    (mail::Step::Auth, 535, "5.7.8 bad credentials"),
    (mail::Step::MailFrom, 550, "sender not allowed"),
    (mail::Step::MailFrom, 552, "too big"),
    (mail::Step::RcptTo, 450, "mailbox busy"),
    (mail::Step::RcptTo, 451, "4.3.0 try later"),
    (mail::Step::RcptTo, 452, "too many"),
    (mail::Step::RcptTo, 530, "log in first"),
    (mail::Step::RcptTo, 550, "5.1.1 no such user"),
    (mail::Step::RcptTo, 550, "5.7.1 relaying denied"),
    (mail::Step::Data, 554, "no valid recipients"),
    (mail::Step::Body, 451, "4.3.0 local error"),
    (mail::Step::Body, 550, "5.7.1 looks like spam"),
    (mail::Step::Body, 599, "nobody has described it"),
];

#[tokio::test]
async fn every_reply_of_a_mail_server_has_its_class_and_what_follows() {
    let mut page = String::from("email: at which step, what the server says → what that is → what the engine does next\n\n");
    for (step, code, text) in MAIL {
        let outcome = mail::refused(*step, *code, text);
        let name = named(&outcome);
        let next = following(Channel::Email, &name, Said::Reply(outcome)).await;
        writeln!(page, "{step:?} {code} {text} → {name} → {next}").unwrap();
    }
    for step in [mail::Step::Connect, mail::Step::StartTls, mail::Step::RcptTo, mail::Step::Body] {
        let outcome = mail::silent(step, "cut");
        let name = named(&outcome);
        let next = following(Channel::Email, &name, Said::Reply(outcome)).await;
        writeln!(page, "{step:?} silence → {name} → {next}").unwrap();
    }
    agreed("email", &page);
}

/// A code nobody has described never stops an account, never proves a number dead, and is never taken for success.
#[tokio::test]
async fn an_unknown_code_is_safe_whatever_it_looks_like() {
    let (base, said) = responder().await;
    for codes in ALL {
        let p = provider_of(codes.kind, &base);
        let twilio = codes.kind.starts_with("twilio");
        for code in ["NEW.CODE", "isv.NEW", "", "E999999", "OK2", "Ok", "ok", "成功", "0"] {
            let code = if twilio { "98765" } else { code };
            // Tencent's own word for success, of a number, is none of the request; anything else it is not.
            let bodies = refusals(codes.kind, 200, code, "").into_iter();
            for (status, body) in bodies.filter(|_| !(codes.kind == "tencent_sms" && code == "Ok")) {
                *said.lock().unwrap() = (status, body.to_string());
                let class = p.send(&ask(phone(1), "ref000000000001")).await.class();
                assert!(["retryable", "unknown", "permanent_content"].contains(&class), "{} {code}: {class}", codes.kind);
            }
        }
        let new = if codes.kind == "tencent_voice" { "98765" } else { "failed 98765" };
        let new = if codes.kind.starts_with("twilio") || codes.kind == "tencent_voice" { new } else { "NEW_CODE" };
        let (media, body) = receipt(codes.kind, new);
        match p.read_callback_at(Some("r=ref1"), media, body.as_bytes()).unwrap().first() {
            Some(CallbackItem::Receipt { result: ReceiptResult::Failed { number_dead, config, .. }, .. })
            | Some(CallbackItem::Receipt { result: ReceiptResult::CallEnded { number_dead, config, .. }, .. }) => {
                assert!(!number_dead && !config, "{}", codes.kind);
            }
            other => panic!("{}: {other:?}", codes.kind),
        }
    }
}

#[test]
fn a_refused_number_waits_for_its_own_window_and_no_longer() {
    let limit = |message: &str| {
        let r = jiaoying::channel::refusal::Refusal { status: 200, code: "isv.BUSINESS_LIMIT_CONTROL", message, retry_after: None };
        match jiaoying::channel::aliyun::errors::common(&r) {
            Outcome::Throttled { after, whole_account, .. } => (after, whole_account),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(limit("触发分钟级流控Permits:1"), (Some(Span::mins(1)), false));
    assert_eq!(limit("触发天级流控Permits:10"), (Some(Span::hours(24)), false));
    assert_eq!(limit("in words that nobody expected"), (Some(Span::mins(1)), false));
}
