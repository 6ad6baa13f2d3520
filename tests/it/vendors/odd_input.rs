//! Whatever a stranger sends to a callback address or to the sink, nothing panics; and the encoding
//! that signatures stand on is its own inverse.

use super::kit::{provider, sms, voice};
use jiaoying::{
    channel::{CallbackItem, Provider, sign::aliyun_acs3 as acs3},
    standin::mail,
};
use proptest::prelude::*;
use serde_json::{Map, Value};
use std::sync::{Arc, LazyLock};

/// Made once: a client of its own for each case would be most of the work.
static PROVIDERS: LazyLock<[Arc<dyn Provider>; 2]> = LazyLock::new(|| [sms("http://127.0.0.1:1"), voice("http://127.0.0.1:1")]);

/// Field names that callbacks know, with values of every JSON type.
fn element() -> impl Strategy<Value = Value> {
    let key = prop::sample::select(vec![
        "phone_number",
        "content",
        "send_time",
        "report_time",
        "success",
        "err_code",
        "err_msg",
        "biz_id",
        "out_id",
        "sequence_id",
        "dest_code",
        "status_code",
        "dtmf",
        "call_id",
        "duration",
        "end_time",
        "status_time",
        "originate_time",
    ]);
    let value = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        prop::sample::select(vec!["300000", "200000", "DELIVERED", "true", "2017-01-01 00:00:00", "9999-99-99 99:99:99"])
            .prop_map(Value::from),
        Just(Value::Array(vec![Value::Null])),
    ];
    prop::collection::vec((key, value), 0..8).prop_map(|fields| {
        let fields: Map<String, Value> = fields.into_iter().map(|(k, v)| (k.to_string(), v)).collect();
        Value::Object(fields)
    })
}

proptest! {
    #[test]
    fn any_callback_body_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), list in prop::collection::vec(element(), 0..5)) {
        let structured = Value::Array(list.clone()).to_string();
        for p in PROVIDERS.iter() {
            let _ = p.read_callback(None, &bytes);
            for item in p.read_callback(None, structured.as_bytes()).unwrap_or_default() {
                if let CallbackItem::Receipt { reference, provider_message_id, .. } = item {
                    prop_assert!(reference.is_some() || provider_message_id.is_some() || p.account() == "aliyun-voice");
                }
            }
        }
    }

    #[test]
    fn any_mail_is_read(raw in prop::collection::vec(any::<u8>(), 0..400)) {
        mail::read(String::new(), Vec::new(), &raw);
    }

    #[test]
    fn encoding_is_undone_by_decoding_and_a_canonical_query_stays_as_it_is(text in ".{0,60}", raw in "[ -~]{0,80}") {
        let mut encoded = String::new();
        acs3::encode_into(&text, &mut encoded);
        prop_assert_eq!(acs3::decode(&encoded), text);
        let canonical = acs3::canonical_query(&raw).into_owned();
        prop_assert_eq!(acs3::canonical_query(&canonical).into_owned(), canonical);
    }
}

#[test]
fn a_provider_table_never_shows_its_secrets() {
    let p = provider(
        "mail",
        "kind = 'email'\nendpoint = 'mail.example.org'\ntls = 'none'\nfrom = 'a@example.org'\nusername = 'u'\npassword = 'p'",
    );
    assert_eq!(p.account(), "mail");
    let faulty = "kind = 'email'\nendpoint = 'mail.example.org'\nfrom = 'a@example.org'\nusername = 'u'\npassword = 7";
    let fault = jiaoying::channel::settings::ProviderSettings::from_table("mail", faulty.parse().unwrap()).unwrap_err().join("\n");
    assert!(fault.contains("secret as text"), "{fault}");
}
