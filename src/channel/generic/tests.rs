//! The shipped files are whole, every fault is told with its line, and what one file's keys do is shown on small ones.

use super::{Generic, Settings, parse};
use crate::{
    channel::{
        Address, CallbackItem, CallbackRequest, Message, MessageKind, Provider, ReceiptResult, exchange::Reply, long_sms::LongSms,
        settings::ProviderSettings,
    },
    core::send::{Channel, Outcome},
};
use std::{collections::BTreeMap, sync::Arc};

const SHIPPED: [(&str, &str); 3] = [
    ("carrier-json.toml", include_str!("../../../config/providers/carrier-json.toml")),
    ("carrier-xml.toml", include_str!("../../../config/providers/carrier-xml.toml")),
    ("carrier-voice.toml", include_str!("../../../config/providers/carrier-voice.toml")),
];

#[test]
fn the_shipped_files_have_no_fault() {
    for (name, text) in SHIPPED {
        parse::parse(name, text).unwrap_or_else(|e| panic!("{e:#?}"));
    }
}

#[test]
fn the_readme_names_every_key() {
    let readme = include_str!("../../../config/providers/README.md");
    // serde lists the keys a table has when it meets one it has not.
    let json = SHIPPED[0].1;
    for (at, table) in [
        ("about =", ""),
        ("[request]\n", "[request]"),
        ("[sign]\n", "[sign]"),
        ("[answer]\n", "[answer]"),
        ("told = \"reply\"", ""),
        ("[callback.take]\n", ""),
        ("[check]\n", ""),
        ("[lookup]\n", ""),
    ] {
        let odd = json.replacen(at, &if at.starts_with('[') { format!("{at}bogus = 1\n") } else { format!("bogus = 1\n{at}") }, 1);
        let fault = parse::parse("f", &odd).unwrap_err().join(" ");
        assert!(fault.contains("bogus"), "{table}{fault}");
        for key in fault.split("expected").nth(1).unwrap().split('`').skip(1).step_by(2) {
            assert!(readme.contains(&format!("`{key}`")), "{key} is missing in config/providers/README.md");
        }
    }
}

#[test]
fn every_fault_of_a_file_is_told_with_its_line() {
    let json = SHIPPED[0].1;
    let cases: &[(&str, &str, &str)] = &[
        ("text_max = 500", "text_mx = 500", "text_mx"),
        ("mobile = \"{{phone}}\"", "mobile = \"{{fone}}\"", "fone"),
        ("extend = \"{{reference}}\"\nnotify", "extend = \"{{reference\"\nnotify", "without its"),
        ("id = \"/data/msgId\"", "id = \"data/msgId\"", "not a path"),
        ("hash = \"hmac-sha256\"\nkey = \"{{secret.key}}\"\ntext = \"{{now.ms}}", "hash = \"hmac-sha256\"\ntext = \"{{now.ms}}", "key"),
        ("delivered = [\"DELIVRD\"]\nwaiting", "waiting", "take.delivered"),
        ("ok = [\"0000\"]\nmessage", "ok = []\nmessage", "answer.ok"),
        ("content_type = \"application/json\", body = '{\"code\":\"0000\"}'", "content_type = \"image/png\"", "content_type"),
        (
            "X-Nonce = \"{{nonce}}\"\nX-Signature = \"{{sign}}\"\n[request.fields]",
            "X-Nonce = \"{{nonce}}\"\n[request.fields]",
            "stands nowhere",
        ),
        ("mobile = \"{{phone}}\"", "mobile = \"{{phone}}\"\nsign = \"{{sign}}\"", "cannot stand in the body"),
        ("url = \"{{var.endpoint}}/carrier/v1/messages\"\n", "url = \"ftp://x\"\n", "url"),
        ("hash = \"hmac-sha256\"\nkey = \"{{secret.key}}\"\n\n[reply]", "hash = \"sha256\"\n\n[reply]", "anybody"),
        ("per_second = 200", "per_secnd = 200", "per_secnd"),
        ("channel = \"sms\"", "channel = \"voice\"", "of sms"),
    ];
    for (from, to, expected) in cases {
        let odd = json.replacen(from, to, 1);
        assert_ne!(&odd, json, "{from}");
        let all = parse::parse("ours.toml", &odd).unwrap_err();
        let told = all.iter().find(|f| f.contains(expected)).unwrap_or_else(|| panic!("{expected}: {all:#?}"));
        let line: usize = told.strip_prefix("ours.toml:").unwrap().split(':').next().unwrap().parse().unwrap();
        assert!(line >= 1 && line <= odd.lines().count(), "{told}");
    }
    let two = json.replace("{{phone}}\"", "{{fone}}\"").replace("id = \"/upId\"", "id = \"upId\"");
    assert!(parse::parse("ours.toml", &two).unwrap_err().len() >= 2, "all in one run");
    let broken = parse::parse("ours.toml", "about = \"x\"\nchannel = ").unwrap_err();
    assert!(broken[0].starts_with("ours.toml:2:"), "{broken:?}");
}

fn settings(name: &str) -> Settings {
    let text = SHIPPED.iter().find(|(n, _)| *n == name).unwrap().1;
    let variables = ["endpoint", "app_id", "user", "caller"]
        .map(|k| (k.to_string(), if k == "endpoint" { "http://127.0.0.1:9".to_string() } else { format!("the-{k}") }));
    Settings {
        account: "ours".into(),
        file: name.into(),
        file_text: text.into(),
        variables: variables.into(),
        secrets: BTreeMap::from([
            ("key".to_string(), crate::channel::Secret::new("k")),
            ("password".to_string(), crate::channel::Secret::new("p")),
        ]),
        sign_name: text.contains("{{sign_name}}").then(|| "某某应急".to_string()),
        sign_filing: Default::default(),
        sign_valid_until: None,
        link_filing: Default::default(),
        link_valid_until: None,
        long_sms: LongSms::Split,
        templates: None,
        drill_templates: None,
        public_url: "https://warning.example.org".into(),
        callback_secret: crate::channel::Secret::new("00112233445566778899aabbccddeeff"),
        limits: toml::Table::new(),
    }
}
fn made(s: Settings, channel: Channel) -> Result<Generic, String> {
    let client = crate::channel::http::client(&Default::default()).unwrap();
    Generic::new(s, channel, client, Arc::new(|| 1_784_595_723_000))
}

#[test]
fn an_account_lacking_what_its_file_asks_for_is_told_by_key() {
    let mut s = settings("carrier-json.toml");
    s.secrets.clear();
    s.variables.remove("app_id");
    let faults = s.faults(Channel::Voice).join("\n");
    for expected in ["secrets.key", "variables.app_id", "is for sms", "sign_name: is for SMS"] {
        assert!(faults.contains(expected), "{faults}");
    }
    for (sign, expected) in [(None, "wants {{sign_name}}"), (Some("【某某应急】"), "without 【】")] {
        let unsigned = Settings { sign_name: sign.map(str::to_string), ..settings("carrier-json.toml") };
        assert!(unsigned.faults(Channel::Sms).join("\n").contains(expected), "{expected}");
    }
    assert!(settings("carrier-voice.toml").faults(Channel::Voice).join(" ").contains("templates"));
    let shown = format!("{:?}", settings("carrier-xml.toml"));
    assert!(!shown.contains("Secret(\""), "{shown}");
    let table = "kind = 'generic_sms'\nfile = 'x.toml'\ncallback_secret = '00112233445566778899aabbccddeeff'";
    let unread = ProviderSettings::from_table("ours", table.parse().unwrap()).unwrap_err().join(" ");
    assert!(unread.contains("was not read"), "{unread}");
}

#[test]
fn the_accounts_limits_stand_above_those_of_the_file() {
    let mut s = settings("carrier-json.toml");
    s.limits.insert("per_second".into(), 7.into());
    let p = made(s, Channel::Sms).unwrap();
    assert_eq!((p.limits().per_second, p.limits().in_flight, p.limits().per_callee.len()), (7, 64, 2));
    assert!(p.echoes_reference());
}

#[test]
fn a_reply_is_classed_by_the_files_table_and_what_it_does_not_name_is_unknown() {
    let plan = parse::parse("f", SHIPPED[0].1).unwrap();
    let of = |status, body: &str| super::answer::outcome(&plan.answer, &Reply { status, retry_after: None, body: body.into() }, "ref");
    assert_eq!(of(200, r#"{"code":"0000","data":{"msgId":"m1"}}"#), Outcome::Accepted { provider_message_id: "m1".into() });
    for (status, body, class) in [
        (200, r#"{"code":"0000"}"#, "unknown"),
        (502, r#"{"code":"0000","data":{"msgId":"m1"}}"#, "unknown"),
        (200, r#"{"code":"7777","message":"?"}"#, "unknown"),
        (400, r#"{"code":"1055"}"#, "config"),
        (200, r#"{"code":5001}"#, "balance"),
        (503, "<html>", "retryable"),
        (504, "<html>", "unknown"),
        (200, "", "unknown"),
        (404, "{}", "config"),
        (429, "{}", "throttled"),
    ] {
        assert_eq!(of(status, body).class(), class, "{status} {body}");
    }
}

#[test]
fn odd_callbacks_are_told_and_one_odd_element_spoils_no_other() {
    let p = made(settings("carrier-json.toml"), Channel::Sms).unwrap();
    let read = |b: &str| p.read_callback(None, b.as_bytes());
    let items = read(r#"{"items":[7,{"msgId":"a"},{"msgId":"a","stat":"MK:0001","extend":"r1"},{"stat":"DELIVRD"}]}"#).unwrap();
    assert_eq!(items.len(), 1);
    assert!(
        matches!(&items[0], CallbackItem::Receipt { result: ReceiptResult::Failed { number_dead: true, .. }, reference: Some(r), .. } if r == "r1")
    );
    assert!(read(r#"{"items":[]}"#).unwrap().is_empty());
    for bad in ["", "{", "{}", "[]x", "\u{0}", r#"{"items":[{"a":1}]}"#] {
        assert!(read(bad).is_err(), "{bad:?}");
    }
    let xml = made(settings("carrier-xml.toml"), Channel::Sms).unwrap();
    let replies = "<replies><reply><mobile>15400000001</mobile><content>收到1</content></reply><reply><mobile>15400000002</mobile><content/></reply></replies>";
    let (gbk, _, _) = encoding_rs::GBK.encode(replies);
    let items = xml.read_callback(None, &gbk).unwrap();
    assert!(matches!(&items[0], CallbackItem::Reply { text, .. } if text == "收到1") && items.len() == 2, "{items:?}");
    assert_eq!(xml.callback_reply(true).content_type, "text/xml; charset=utf-8");
}

#[test]
fn where_one_kind_of_callback_has_the_providers_id_alone_ids_are_kept() {
    let whole = SHIPPED[2].1;
    let echoes = |text: &str| parse::parse("ours.toml", text).unwrap_or_else(|e| panic!("{e:#?}")).echoes_reference;
    assert!(echoes(whole));
    let last = whole.lines().rfind(|l| l.contains("reference = ")).unwrap();
    let at = whole.rfind(last).unwrap();
    let without = whole[at..].lines().skip(1).collect::<Vec<_>>().join("\n");
    assert!(!echoes(&format!("{}{without}", &whole[..at])), "{last}");
}

#[test]
fn a_callback_is_genuine_only_with_its_signature() {
    let p = made(settings("carrier-json.toml"), Channel::Sms).unwrap();
    let body = r#"{"items":[]}"#;
    let signature = crate::channel::sign::hex(&super::sign::digest(super::sign::Hash::HmacSha256, b"k", format!("17\n{body}").as_bytes()));
    let ask = |headers: &[(&str, &str)], body: &str| {
        p.check_callback(&CallbackRequest { path_and_query: "/callbacks/ours/x", headers, body: body.as_bytes() })
    };
    ask(&[("x-timestamp", "17"), ("x-signature", &signature)], body).unwrap();
    assert!(ask(&[("x-timestamp", "18"), ("x-signature", &signature)], body).is_err());
    assert!(ask(&[("x-timestamp", "17"), ("x-signature", &signature)], "{\"items\":[ ]}").unwrap_err().contains("does not fit"));
    assert!(ask(&[("x-timestamp", "17")], body).unwrap_err().contains("not signed"));
}

#[test]
fn free_text_is_bounded_and_a_drill_bears_its_mark() {
    let p = made(settings("carrier-xml.toml"), Channel::Sms).unwrap();
    let message = |text: String, drill| Message {
        kind: MessageKind::Callout,
        drill,
        variant: String::new(),
        variables: Vec::new(),
        text,
        subject: None,
        html: None,
    };
    p.check_message(&message("暴雨".into(), false)).unwrap();
    // 【某某应急】 has six.
    assert!(p.check_message(&message("雨".repeat(344), false)).is_ok());
    assert!(p.check_message(&message("雨".repeat(345), false)).unwrap_err().contains("351"));
    assert!(p.check_message(&message("暴雨".into(), true)).unwrap_err().contains("演练"));
    assert!(p.check_message(&message(" ".into(), false)).is_err());
    assert_eq!(
        p.phone_for_test(&Address::Email { name: String::new(), address: "a@example.org".into() }).unwrap_err().class(),
        "permanent_number"
    );
}

impl Generic {
    fn phone_for_test(&self, to: &Address) -> Result<(), Outcome> {
        self.phone(to).map(drop)
    }
}
