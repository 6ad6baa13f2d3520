//! Whatever a stranger sends to a callback address of Tencent, Huawei or Twilio, nothing panics; and requests
//! that others signed verify by our own verifiers.

use super::others_kit::{KINDS, account};
use jiaoying::channel::{
    CallbackRequest, Provider,
    sign::{
        huawei_wsse as wsse,
        tencent_tc3::{self as tc3, Received},
        twilio::{Hash, verify},
    },
};
use proptest::prelude::*;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, LazyLock},
};

static PROVIDERS: LazyLock<Vec<Arc<dyn Provider>>> =
    LazyLock::new(|| KINDS.iter().map(|kind| account(kind, "http://127.0.0.1:1", "https://warning.example.org")).collect());

/// Field names that the callbacks know.
const FIELDS: [&str; 26] = [
    "report_status",
    "sid",
    "ext",
    "errmsg",
    "description",
    "user_receive_time",
    "mobile",
    "nationcode",
    "text",
    "time",
    "callid",
    "keypress",
    "result",
    "failure_code",
    "status",
    "smsMsgId",
    "extend",
    "updateTime",
    "body",
    "from",
    "MessageSid",
    "MessageStatus",
    "ErrorCode",
    "CallSid",
    "CallStatus",
    "Digits",
];

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        prop::sample::select(vec!["SUCCESS", "FAIL", "DELIVRD", "completed", "delivered", "9999-99-99 99:99:99", "99999999999999999999"])
            .prop_map(Value::from),
    ]
}
fn fields() -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::vec((prop::sample::select(FIELDS.to_vec()), value()), 0..8)
        .prop_map(|fields| fields.into_iter().map(|(k, v)| (k.to_string(), v)).collect())
}

proptest! {
    #[test]
    fn any_callback_body_is_read_or_refused(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        list in prop::collection::vec(fields(), 0..4),
        wrapper in prop::sample::select(vec!["voicekey_callback", "voiceprompt_callback", "voice_failure_callback", "voicecode_callback", "statusReportList"]),
        query in ".{0,40}",
    ) {
        let array = Value::from(list.iter().cloned().map(Value::Object).collect::<Vec<_>>());
        let wrapped = Value::Object([(wrapper.to_string(), array.clone())].into_iter().collect());
        let mut bodies = vec![bytes, array.to_string().into_bytes(), wrapped.to_string().into_bytes()];
        for one in &list {
            let inside = Value::Object([(wrapper.to_string(), Value::Object(one.clone()))].into_iter().collect());
            let form = one.iter().map(|(k, v)| (k.as_str(), v.as_str().map_or_else(|| v.to_string(), str::to_string)));
            bodies.push(inside.to_string().into_bytes());
            bodies.push(url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish().into_bytes());
        }
        for p in PROVIDERS.iter() {
            for body in &bodies {
                for media in [None, Some("application/json"), Some("application/x-www-form-urlencoded"), Some("x")] {
                    let _ = p.read_callback(media, body);
                    let _ = p.read_callback_at(Some(&query), media, body);
                    let headers = [("content-type", media.unwrap_or("")), ("x-twilio-signature", query.as_str())];
                    let request = CallbackRequest { path_and_query: &query, headers: &headers, body };
                    prop_assert!(p.check_callback(&request).is_ok() != p.account().starts_with("twilio"), "no stranger signs for Twilio");
                    let _ = p.answer_callback(true, &request);
                }
            }
        }
    }
}

#[test]
fn an_unreadable_element_does_not_spoil_the_others() {
    let provider = |kind: &str| PROVIDERS.iter().find(|p| p.account() == kind).unwrap();
    let tencent = br#"[null, {"sid": {}}, {"report_status":"SUCCESS","sid":"5000:1"}, "x", {"report_status":"FAIL","sid":"5000:2"}]"#;
    assert_eq!(provider("tencent_sms").read_callback(None, tencent).unwrap().len(), 2);
    let huawei = br#"{"statusReportList":[[],{"status":"DELIVRD","extend":"r"},{"status":7}]}"#;
    assert_eq!(provider("huawei_sms").read_callback(Some("application/json"), huawei).unwrap().len(), 1);
}

fn samples() -> Option<PathBuf> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let candidates = match std::env::var_os("JIAOYING_SHARED") {
        Some(dir) => vec![PathBuf::from(dir)],
        None => vec![manifest.join("../shared"), manifest.join("../../shared")],
    };
    let found = candidates.into_iter().map(|d| d.join("oracles/samples")).find(|d| d.is_dir());
    if found.is_none() {
        println!("skipped: the captured samples are not beside this checkout");
    }
    found
}

struct Captured {
    url: url::Url,
    headers: HeaderMap,
    body: String,
}
impl Captured {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|v| v.to_str().unwrap())
    }
}
fn read(path: &Path) -> Captured {
    let value: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let pairs: Vec<(String, String)> = match &value["headers"] {
        Value::Object(map) => map.iter().map(|(k, v)| (k.clone(), v.as_str().unwrap().into())).collect(),
        Value::Array(list) => list.iter().map(|h| (h[0].as_str().unwrap().into(), h[1].as_str().unwrap().into())).collect(),
        other => panic!("{other}"),
    };
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.insert(HeaderName::from_bytes(name.to_lowercase().as_bytes()).unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    Captured { url: value["url"].as_str().unwrap().parse().unwrap(), headers, body: value["body"].as_str().unwrap_or_default().into() }
}

fn tencent(c: &Captured) -> bool {
    let service = c.header("authorization").unwrap().split('/').nth(2).unwrap().to_string();
    let now = c.header("x-tc-timestamp").unwrap().parse().unwrap();
    let received = Received {
        method: "POST",
        path: c.url.path(),
        query: c.url.query().unwrap_or_default(),
        headers: &c.headers,
        body: c.body.as_bytes(),
    };
    tc3::verify(&received, &service, |_| Some("testsecretkey".into()), now).is_ok()
}
fn twilio(c: &Captured) -> bool {
    verify("12345", c.url.as_str(), c.header("content-type"), c.body.as_bytes(), c.header("x-twilio-signature").unwrap(), Hash::Sha1)
}

#[test]
fn requests_signed_by_others_verify_and_tampered_ones_do_not() {
    let Some(dir) = samples() else { return };
    let mut judged = [0, 0];
    for entry in std::fs::read_dir(&dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let verdict = match name.as_str() {
            n if n.starts_with("tencent_tc3") || n.starts_with("sdk_tencent") => tencent(&read(&path)),
            n if n.starts_with("twilio_") => twilio(&read(&path)),
            "huawei_wsse.json" => {
                let c = read(&path);
                wsse::verify(c.header("authorization"), c.header("x-wsse"), "hwkey", "hwsecret", 1_784_595_723_000).is_ok()
            }
            _ => continue,
        };
        let tampered = name.contains("TAMPERED");
        assert_eq!(verdict, !tampered, "{name}");
        judged[usize::from(tampered)] += 1;
    }
    assert!(judged[0] >= 8 && judged[1] >= 2, "{judged:?} samples were found");
}
