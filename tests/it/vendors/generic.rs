//! The shipped provider files against carriers that check their signatures by code of their own.

use super::{
    kit::{NOW, ask, clock, closed_port, loopback, phone, soon, standin},
    others_kit::{Came, SECRET},
    others_next::Gateway,
};
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Uri},
    routing::any,
};
use jiaoying::{
    channel::{
        CallbackItem, Lookup, Provider, ReceiptResult,
        http::{self, ClientSettings},
        settings::ProviderSettings,
    },
    config::{Config, Environment},
    core::{
        callout::state::Callout,
        send::Outcome,
        time::{Span, Time},
    },
    engine::limits::Accounts,
    standin::{Behaviour, Carrier, People, StandinSettings},
    store::{CalloutFilter, Reports},
};
use std::{collections::BTreeMap, sync::Arc};
use tokio::sync::mpsc;

const KINDS: [&str; 3] = ["carrier-json", "carrier-xml", "carrier-voice"];

/// Through the configuration, as `serve` and `check` read it.
fn config(name: &str, endpoint: &str, key: &str, public_url: &str, more: &str) -> Result<Config, String> {
    let kind = if name == "carrier-voice" { "generic_voice" } else { "generic_sms" };
    let sign = if kind == "generic_sms" { "sign_name = '某某应急'" } else { "" };
    let file = format!("{}/config/providers/{name}.toml", env!("CARGO_MANIFEST_DIR"));
    let text = format!(
        "[server]\npublic_url = '{public_url}'\n[provider.{name}]\nkind = '{kind}'\nfile = '{file}'\ncallback_secret = '{SECRET}'\n\
         variables = {{ endpoint = '{endpoint}', app_id = 'testid', user = 'testid', caller = '03562000001' }}\n\
         secrets = {{ key = {{ env = 'KEY' }}, password = {{ env = 'KEY' }} }}\n\
         {sign}\n{more}\n\
         [provider.{name}.templates.callout]\ncode = 'T1'\nvariables = {{ level = {{ max = 10 }}, digit = {{ kind = 'number', max = 1 }} }}\n"
    );
    let env = Environment::new([("KEY".to_string(), key.to_string())]);
    Config::from_text("jiaoying.toml", &text, &env).map_err(|e| e.to_string())
}

fn account_with(name: &str, endpoint: &str, key: &str, public_url: &str) -> Arc<dyn Provider> {
    made(name, &config(name, endpoint, key, public_url, "").unwrap(), public_url)
}
fn made(name: &str, config: &Config, public_url: &str) -> Arc<dyn Provider> {
    let client = http::client(&ClientSettings::default()).unwrap();
    let settings = ProviderSettings::from_table(name, config.providers[name].0.clone()).unwrap_or_else(|e| panic!("{name}: {e:#?}"));
    settings.reached_by(public_url).provider(client, clock()).unwrap()
}
/// One that sends free text.
pub(super) fn free(more: &str) -> Arc<dyn Provider> {
    made("carrier-json", &config("carrier-json", "http://127.0.0.1:1", "testsecret", "https://warning.example.org", more).unwrap(), "")
}
fn account(name: &str, endpoint: &str) -> Arc<dyn Provider> {
    account_with(name, endpoint, "testsecret", "https://warning.example.org")
}

/// A gateway that answers each callback as the account it is for would.
async fn receiver(accounts: Vec<Arc<dyn Provider>>) -> (String, mpsc::UnboundedReceiver<(String, Came)>) {
    let (tx, rx) = mpsc::unbounded_channel();
    type Taken = (Vec<Arc<dyn Provider>>, mpsc::UnboundedSender<(String, Came)>);
    let take = async |State((accounts, tx)): State<Taken>, uri: Uri, headers: HeaderMap, body: Bytes| {
        let name = uri.path().split('/').nth(2).unwrap().to_string();
        let p = accounts.iter().find(|a| a.account() == name).unwrap().clone();
        let headers = headers.iter().map(|(k, v)| (k.to_string(), v.to_str().unwrap().to_string())).collect();
        let came = Came { path_and_query: uri.path_and_query().unwrap().to_string(), headers, body };
        let reply = came.with(|c| p.answer_callback(true, c));
        tx.send((name, came)).unwrap();
        reply.body
    };
    let app = Router::new().fallback(any(take)).with_state((accounts, tx));
    let listener = loopback().await;
    let base = format!("http://{}", listener.local_addr().unwrap());
    #[expect(clippy::disallowed_methods, reason = "ends with the test")]
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (base, rx)
}

#[tokio::test]
async fn each_file_is_understood_by_its_carrier_and_the_text_arrives_byte_for_byte() {
    let s = standin(StandinSettings::default()).await;
    let mut sent = s.subscribe();
    for (n, name) in (1..).zip(KINDS) {
        let p = account(name, &s.url());
        let outcome = p.send(&ask(phone(n), &format!("ref{n}"))).await;
        assert_eq!(outcome.class(), "accepted", "{name}: {outcome:?}");
        let got = soon(sent.recv()).await.unwrap();
        assert_eq!((got.phone.as_str(), got.out_id.as_str()), (format!("154{n:08}").as_str(), format!("ref{n}").as_str()), "{name}");
        if name == "carrier-voice" {
            assert_eq!((got.template.as_str(), got.variables["level"].as_str()), ("T1", "红色 *~'!"));
        } else {
            assert_eq!(got.text.as_deref(), Some("【某某应急】沁水县发布暴雨红色预警，收到请回1"), "{name}");
        }
    }
    assert_eq!(s.counts()["bad_signature"], 0);
}

#[tokio::test]
async fn a_wrong_key_is_a_fault_of_the_account_and_nothing_is_taken() {
    let s = standin(StandinSettings::default()).await;
    for name in KINDS {
        let p = account_with(name, &s.url(), "another-key", "https://warning.example.org");
        assert_eq!(p.send(&ask(phone(1), "r")).await.class(), "config", "{name}");
    }
    assert_eq!((s.counts()["bad_signature"].as_u64(), s.counts()["accepted"].as_u64()), (Some(3), Some(0)));
}

#[tokio::test]
async fn text_that_would_break_its_place_arrives_as_it_was_written() {
    let s = standin(StandinSettings::default()).await;
    let mut sent = s.subscribe();
    for name in ["carrier-json", "carrier-xml"] {
        let mut r = ask(phone(7), "r");
        // GBK has the rare characters of its own table only.
        let rare = if name == "carrier-json" { "𠮷㙍龑〇😀" } else { "镕堃〇" };
        r.message.text = format!("红色{rare}</content>&amp;\"{{{{secret.key}}}}\"\\n'<a>％+ =1");
        assert_eq!(account(name, &s.url()).send(&r).await.class(), "accepted", "{name}");
        assert_eq!(soon(sent.recv()).await.unwrap().text, Some(format!("【某某应急】{}", r.message.text)), "{name}");
    }
    let mut r = ask(phone(8), "r");
    r.message.text = "暴雨😀".into();
    let refused = account("carrier-xml", &s.url()).send(&r).await;
    assert!(matches!(&refused, Outcome::PermanentContent { detail } if detail.contains("1F600")), "{refused:?}");
}

#[tokio::test]
async fn the_seventy_first_character_is_refused_or_counted_as_a_second_sms_as_configured() {
    let s = standin(StandinSettings::default()).await;
    let mut sent = s.subscribe();
    for name in ["carrier-json", "carrier-xml"] {
        let with = |more: &str| {
            made(name, &config(name, &s.url(), "testsecret", "https://warning.example.org", more).unwrap(), "https://warning.example.org")
        };
        let (split, refuse) = (with(""), with("long_sms = 'refuse'"));
        assert!(refuse.refuses_long_sms() && !split.refuses_long_sms(), "{name}");
        // 【某某应急】 has six.
        for (n, parts) in [(70, 1), (71, 2), (134, 2), (135, 3)] {
            let mut r = ask(phone(9), &format!("ref{n}"));
            r.message.text = "雨".repeat(n - 6);
            assert_eq!((split.sms_count(&r.message), split.check_message(&r.message)), (parts, Ok(())), "{name} {n}");
            let refused = refuse.check_message(&r.message);
            assert_eq!(refused.is_err(), parts > 1, "{name} {n}");
            if n == 71 {
                assert!(refused.unwrap_err().contains("71 characters"), "{name}");
                assert_eq!(split.send(&r).await.class(), "accepted", "{name}");
                assert_eq!(soon(sent.recv()).await.unwrap().text, Some(format!("【某某应急】{}", r.message.text)), "{name}");
            }
        }
    }
}

#[tokio::test]
async fn receipts_replies_and_keys_come_back_signed_and_are_answered_as_each_wants() {
    let people = People { reply_share: 1.0, keypress_share: 1.0, ..People::lively() };
    let people = People {
        never_share: 0.0,
        other_words_share: 0.0,
        wrong_key_share: 0.0,
        hang_up_share: 0.0,
        listen_share: 0.0,
        busy_share: 0.0,
        ..people
    };
    let readers: Vec<_> = KINDS.iter().map(|n| account(n, "http://127.0.0.1:9")).collect();
    let (base, mut came) = receiver(readers.clone()).await;
    let to = |name: &str| Some(format!("{base}/callbacks/{name}/{SECRET}"));
    let carrier = Carrier { xml_callback: to("carrier-xml"), voice_callback: to("carrier-voice"), ..Carrier::default() };
    let s = standin(StandinSettings { speed: 100_000.0, people, carrier, ..StandinSettings::default() }).await;
    for (n, name) in (1..).zip(KINDS) {
        let p = account_with(name, &s.url(), "testsecret", &base);
        assert_eq!(p.send(&ask(phone(n), &format!("ref{n}"))).await.class(), "accepted");
    }
    let mut seen: BTreeMap<String, Vec<CallbackItem>> = BTreeMap::new();
    while seen.values().map(Vec::len).sum::<usize>() < 6 {
        let (name, c) = soon(came.recv()).await.unwrap();
        let p = readers.iter().find(|p| p.account() == name).unwrap();
        seen.entry(name).or_default().extend(c.items(p));
    }
    for (n, name) in [(1, "carrier-json"), (2, "carrier-xml")] {
        let receipt = |i: &CallbackItem| matches!(i, CallbackItem::Receipt { reference: Some(r), result: ReceiptResult::Delivered, at: Some(_), .. } if *r == format!("ref{n}"));
        let reply = |i: &CallbackItem| matches!(i, CallbackItem::Reply { phone, text, .. } if phone.ends_with(&n.to_string()) && text.contains('1'));
        let items = &seen[name];
        assert!(items.iter().any(receipt) && items.iter().any(reply), "{name}: {items:?}");
    }
    let voice = &seen["carrier-voice"];
    assert!(
        voice.iter().any(|i| matches!(i, CallbackItem::Key { reference: Some(r), keys, .. } if r == "ref3" && keys == "1")),
        "{voice:?}"
    );
    let ended = |i: &CallbackItem| matches!(i, CallbackItem::Receipt { result: ReceiptResult::CallEnded { heard: true, .. }, .. });
    assert!(voice.iter().any(ended), "{voice:?}");
    while s.counts()["pushes"]["items"].as_u64() < Some(6) {
        tokio::task::yield_now().await;
    }
    assert_eq!(s.counts()["pushes"]["failed"], 0, "every answer was the one its carrier waits for");
}

/// Every code a shipped file names → its class → whether the account stops and the next one takes over; and what
/// no file names is never sent again blindly.
#[tokio::test]
async fn every_code_of_the_files_has_its_class_and_stops_the_account_or_not() {
    let table: &[(&str, &str, &str)] = &[
        ("carrier-json", "1001", "config"),
        ("carrier-json", "1002", "config"),
        ("carrier-json", "1099", "config"),
        ("carrier-json", "2001", "permanent_number"),
        ("carrier-json", "2002", "permanent_number"),
        ("carrier-json", "2101", "throttled"),
        ("carrier-json", "2102", "throttled"),
        ("carrier-json", "3001", "permanent_content"),
        ("carrier-json", "3002", "config"),
        ("carrier-json", "4001", "throttled"),
        ("carrier-json", "5001", "balance"),
        ("carrier-json", "9001", "retryable"),
        ("carrier-json", "9002", "unknown"),
        ("carrier-json", "7777", "unknown"),
        ("carrier-xml", "-1", "config"),
        ("carrier-xml", "-2", "balance"),
        ("carrier-xml", "-3", "permanent_content"),
        ("carrier-xml", "-4", "permanent_number"),
        ("carrier-xml", "-5", "throttled"),
        ("carrier-xml", "-6", "throttled"),
        ("carrier-xml", "-9", "retryable"),
        ("carrier-xml", "-77", "unknown"),
        ("carrier-voice", "-1", "config"),
        ("carrier-voice", "-2", "balance"),
        ("carrier-voice", "-3", "throttled"),
        ("carrier-voice", "-4", "throttled"),
        ("carrier-voice", "-5", "permanent_number"),
        ("carrier-voice", "-6", "permanent_content"),
        ("carrier-voice", "-9", "retryable"),
        ("carrier-voice", "-77", "unknown"),
    ];
    let now = NOW;
    for (name, code, class) in table {
        let codes = [("15400000001".to_string(), code.to_string())].into();
        let s = standin(StandinSettings { behaviour: Behaviour { codes, ..Behaviour::default() }, ..StandinSettings::default() }).await;
        let p = account(name, &s.url());
        let outcome = p.send(&ask(phone(1), "r")).await;
        assert_eq!(outcome.class(), *class, "{name} {code}");
        let accounts = Accounts::new(vec![p.clone()], Arc::new(move || now));
        let stops = matches!(*class, "config" | "balance");
        assert_eq!(accounts.named(name).unwrap().learn(&outcome, 0.0, now).is_some(), stops, "{name} {code}");
        assert_eq!(accounts.named(name).unwrap().stopped().is_some(), stops, "{name} {code}: the next account takes over");
        if let Outcome::Throttled { whole_account, after, .. } = outcome {
            assert!(after.is_some(), "{name} {code}");
            assert_eq!(whole_account, matches!(*code, "4001" | "-6") || (*name, *code) == ("carrier-voice", "-3"), "{name} {code}");
        }
    }
}

#[tokio::test]
async fn faults_of_the_wire_are_what_they_prove_and_a_look_up_tells_what_became_of_it() {
    let lost = |taken: f64| Behaviour { lost_share: 1.0, lost_taken_share: taken, ..Behaviour::default() };
    for (behaviour, class) in [
        (lost(0.0), "unknown"),
        (lost(1.0), "unknown"),
        (Behaviour { refused_share: 1.0, ..Behaviour::default() }, "retryable"),
        (Behaviour { error_share: 1.0, ..Behaviour::default() }, "retryable"),
    ] {
        for name in KINDS {
            let s = standin(StandinSettings { behaviour: behaviour.clone(), ..StandinSettings::default() }).await;
            let p = account(name, &s.url());
            assert_eq!(p.send(&ask(phone(1), "r1")).await.class(), class, "{name}");
            let found = p.lookup("r1", &phone(1), Time(NOW.0)).await;
            match (name, behaviour.lost_share > 0.0, behaviour.lost_taken_share > 0.0) {
                ("carrier-json", true, true) => assert!(matches!(found, Lookup::Found { provider_message_id: Some(_), .. }), "{found:?}"),
                ("carrier-json", ..) => assert_eq!(found, Lookup::NotFound),
                _ => assert!(matches!(found, Lookup::Unanswered(_)), "{name}: {found:?}"),
            }
        }
    }
    for name in KINDS {
        let p = account(name, &closed_port().await);
        assert_eq!(p.send(&ask(phone(1), "r")).await.class(), "retryable", "{name}: nothing left");
        assert!(matches!(p.lookup("r", &phone(1), NOW).await, Lookup::Unanswered(_)));
    }
}

#[tokio::test]
async fn what_a_person_wrote_in_gbk_reaches_the_engine_and_answers() {
    let mut g = Gateway::of(Behaviour::default(), |url| {
        let c = config("carrier-xml", url, "testsecret", "https://warning.example.org", "").unwrap();
        let mut table = c.providers["carrier-xml"].0.clone();
        table.remove("templates");
        vec![("carrier-xml".into(), table.to_string())]
    })
    .await;
    let warning = g.warn().await;
    g.run(false).await;
    let sent = g._standin.sent();
    assert!(!sent.is_empty() && g._standin.counts()["bad_signature"] == 0);
    let text = format!("<replies><reply><mobile>{}</mobile><content>收到，１</content></reply></replies>", sent[0].phone);
    let (body, _, _) = encoding_rs::GBK.encode(&text);
    g.engine.park_callback("carrier-xml", None, &body).await.unwrap();
    g.pass(Span::secs(5), false).await;
    let rows = g.memory.callouts(Some(warning), &CalloutFilter::default(), None, 1000).await.unwrap();
    let answered =
        rows.iter().map(|r| serde_json::from_slice::<Callout>(&r.0.body).unwrap()).filter(|c| c.acknowledgement.is_some()).count();
    assert!(answered > 0, "the reply was understood");
}

#[test]
fn a_file_that_is_not_there_is_told_by_its_key() {
    let fault = config("no-such", "http://127.0.0.1:9", "k", "https://warning.example.org", "").unwrap_err();
    assert!(fault.contains("provider.no-such.file") && fault.contains("jiaoying.toml:"), "{fault}");
}
