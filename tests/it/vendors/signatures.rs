//! Our verifier over requests that others signed: an implementation in another language, and the
//! official SDK itself.

use super::kit::NOW;
use jiaoying::channel::sign::aliyun_acs3::{self as acs3, Key, Parts, Received};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use std::path::{Path, PathBuf};

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
    method: String,
    url: url::Url,
    headers: HeaderMap,
    body: String,
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
    Captured {
        method: value["method"].as_str().unwrap().into(),
        url: value["url"].as_str().unwrap().parse().unwrap(),
        headers,
        body: value["body"].as_str().unwrap_or_default().into(),
    }
}

fn verify(c: &Captured) -> Result<String, &'static str> {
    let key = Key::new("testsecret");
    let received = Received {
        method: &c.method,
        path: c.url.path(),
        query: c.url.query().unwrap_or_default(),
        headers: &c.headers,
        body: c.body.as_bytes(),
    };
    // The SDK's captures have dates of their own.
    let now = c.headers.get("x-acs-date").and_then(|d| acs3::parse_date(d.to_str().unwrap())).unwrap_or(NOW.0);
    acs3::verify(&received, |id| (id == "testid").then_some(&key), now).map(str::to_string).map_err(|r| r.reply().1)
}

#[test]
fn requests_signed_by_others_verify_and_a_tampered_one_does_not() {
    let Some(dir) = samples() else { return };
    let mut files: Vec<PathBuf> = std::fs::read_dir(&dir).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    let (mut good, mut tampered) = (0, 0);
    for path in files {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !(name.starts_with("aliyun_acs3") || name.starts_with("sdk_aliyun")) {
            continue;
        }
        let verdict = verify(&read(&path));
        if name.contains("TAMPERED") {
            assert_eq!(verdict.unwrap_err(), "SignatureDoesNotMatch", "{name}");
            tampered += 1;
        } else {
            assert!(verdict.is_ok(), "{name}: {verdict:?}");
            good += 1;
        }
    }
    assert!(good >= 7 && tampered >= 1, "{good} good, {tampered} tampered samples were found");
}

#[test]
fn we_sign_the_captured_requests_to_the_same_letter() {
    let Some(dir) = samples() else { return };
    for name in ["aliyun_acs3_query", "aliyun_acs3_body", "aliyun_acs3_ivr"] {
        let c = read(&dir.join(format!("{name}.json")));
        let header = |n: &str| c.headers.get(n).map(|v| v.to_str().unwrap());
        let query = acs3::canonical_query(c.url.query().unwrap_or_default()).into_owned();
        let signed = acs3::sign(
            &Key::new("testsecret"),
            "testid",
            &Parts {
                host: header("host").unwrap(),
                action: header("x-acs-action").unwrap(),
                version: header("x-acs-version").unwrap(),
                date: header("x-acs-date").unwrap(),
                nonce: header("x-acs-signature-nonce").unwrap(),
                query: &query,
                body: c.body.as_bytes(),
                content_type: header("content-type"),
                security_token: None,
            },
        );
        assert_eq!(Some(signed.authorization.as_str()), header("authorization"), "{name}");
        assert_eq!(Some(&*signed.content_sha256), header("x-acs-content-sha256"), "{name}");
    }
}
