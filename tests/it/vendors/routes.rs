//! A Chinese message over every route arrives byte for byte; and what becomes of one that is a character too long.

use super::{
    kit::{ask, loopback, phone, provider, soon, standin},
    others_kit::{account_of, table},
};
use jiaoying::{
    channel::{Address, Message, Provider},
    core::send::Outcome,
    standin::{StandinHandle, StandinSettings, smtp},
};
use std::{collections::BTreeMap, sync::Arc};

const PUBLIC: &str = "https://warning.example.org";

/// Names with characters beyond the first plane (𠮷, 𬒔, 𪨰), rare ones of the first (㙍, 龑), an ideographic zero, full-width
/// and quoted marks, full-width digits and letters, a no-break space, and the signs that URLs, JSON and TwiML escape.
const PLACES: &str = "𠮷家岭、㙍底村（龑塬）、𬒔沟“二〇三”点、𪨰梁！？；：—…％＋　Ａ１２&=+#\"";
/// Huawei keeps the full stop, quote and angle brackets out of variables; they are in the others' message.
const MORE: &str = "。.'<a>/\\~*";

fn words(kind: &str) -> String {
    if kind == "huawei_sms" { PLACES.to_string() } else { format!("{PLACES}{MORE}") }
}

const SMS: [&str; 4] = ["aliyun_sms", "tencent_sms", "huawei_sms", "twilio_sms"];
const VOICE: [&str; 3] = ["aliyun_voice", "tencent_voice", "twilio_voice"];

fn route(kind: &str, s: &StandinHandle, more: &str) -> Arc<dyn Provider> {
    let own = "[templates.callout]";
    let text = table(kind, &s.url()).replace("max = 10", "max = 100").replace("T1", "SMS_1");
    let text = match text.contains(own) {
        true => text.replace(own, &format!("{more}\n{own}")),
        false => format!("{text}\n{more}"),
    };
    account_of(&text, kind, PUBLIC)
}

async fn knowing(template: &str) -> StandinHandle {
    let templates = BTreeMap::from([("SMS_1".to_string(), template.to_string())]);
    standin(StandinSettings { templates, ..StandinSettings::default() }).await
}

fn message(kind: &str) -> Message {
    let mut m = ask(phone(1), "r").message;
    m.variables = vec![("level".into(), words(kind)), ("digit".into(), "1".into())];
    m.text = format!("{}，收到请回1", words(kind));
    m
}

#[tokio::test]
async fn a_chinese_message_arrives_byte_for_byte_over_every_route() {
    let s = knowing("${level}，收到请回${digit}").await;
    for kind in SMS.iter().chain(&VOICE) {
        let mut seen = s.subscribe();
        let p = route(kind, &s, "");
        let m = message(kind);
        let mut request = ask(phone(1), "ref000000000001");
        request.message = m.clone();
        let outcome = p.send(&request).await;
        assert!(matches!(outcome, Outcome::Accepted { .. }), "{kind}: {outcome:?}");
        let got = soon(seen.recv()).await.unwrap();
        let text = got.text.unwrap_or_else(|| panic!("{kind}: the stand-in knows the words"));
        // A call is said over again and ends with a word of thanks; what was to be said stands at its beginning.
        let said = if *kind == "twilio_voice" { text.get(..m.text.len()).unwrap_or_default() } else { &text };
        assert_eq!(said.as_bytes(), m.text.as_bytes(), "{kind}: {text}");
        assert_eq!(got.phone, "15400000001", "{kind}");
    }
}

#[tokio::test]
async fn a_chinese_mail_arrives_byte_for_byte() {
    let s = smtp::serve(smtp::SmtpSettings::default(), loopback().await).await.unwrap();
    let mut mails = s.subscribe();
    let table = format!("kind = 'email'\nendpoint = '{}'\ntls = 'none'\nfrom = '叫应平台 <warning@example.org>'", s.addr());
    let p = provider("mail", &table);
    let mut request = ask(Address::Email { name: "𠮷 书记".into(), address: "wang@example.org".into() }, "ref000000000001");
    request.message = message("email");
    request.message.subject = Some(format!("请应答：{PLACES}"));
    request.message.html = Some(format!("<p>{PLACES}</p>"));
    assert_eq!(p.send(&request).await.class(), "accepted");
    let mail = soon(mails.recv()).await.unwrap();
    assert_eq!(mail.text.as_bytes(), request.message.text.as_bytes());
    assert_eq!(mail.subject, request.message.subject.unwrap());
    assert_eq!(mail.html, request.message.html.unwrap());
}

/// 某某应急 with its brackets has six.
fn of_length(n: usize) -> Message {
    let mut m = message("");
    let rest = n - 6 - "，收到请回1".chars().count();
    m.variables[0].1 = "雨".repeat(rest);
    m.text = format!("{}，收到请回1", "雨".repeat(rest));
    m
}

#[tokio::test]
async fn the_seventy_first_character_is_refused_or_counted_as_a_second_sms_as_configured() {
    let s = knowing("${level}，收到请回${digit}").await;
    for kind in SMS {
        let sign = if matches!(kind, "huawei_sms" | "twilio_sms") { "sign_name = '某某应急'" } else { "" };
        let sign = if kind == "huawei_sms" { "" } else { sign };
        let split = route(kind, &s, sign);
        let refuse = route(kind, &s, &format!("{sign}\nlong_sms = 'refuse'"));
        for (n, parts) in [(70, 1), (71, 2), (134, 2), (135, 3)] {
            let m = of_length(n);
            if n < 100 {
                assert_eq!(split.check_message(&m), Ok(()), "{kind} {n}");
            }
            assert_eq!((split.sms_count(&m), refuse.sms_count(&m)), (parts, parts), "{kind} {n}");
            match refuse.check_message(&m) {
                Ok(()) => assert_eq!(parts, 1, "{kind} {n}"),
                Err(why) if n == 71 => assert!(why.contains("71 characters") && why.contains("2 SMS"), "{kind}: {why}"),
                Err(_) => assert!(parts > 1, "{kind} {n}"),
            }
        }
        // One of 71 that may go is taken whole.
        let mut seen = s.subscribe();
        let mut request = ask(phone(2), "ref000000000002");
        request.message = of_length(71);
        assert_eq!(split.send(&request).await.class(), "accepted", "{kind}");
        let got = soon(seen.recv()).await.unwrap().text.unwrap();
        assert!(got.ends_with(&request.message.text), "{kind}: {got}");
    }
}

#[test]
fn a_long_text_of_a_kind_nobody_knows_is_a_fault_of_configuration() {
    let text = format!("{}\nlong_sms = 'cut'", table("twilio_sms", "http://127.0.0.1:1"));
    let fault = jiaoying::channel::settings::ProviderSettings::from_table("a", text.parse().unwrap()).unwrap_err().join("\n");
    assert!(fault.contains("cut") && fault.contains("refuse"), "{fault}");
}
