//! The document's own vector, captured requests signed by an independent implementation, and what
//! the verifier must refuse.

use super::*;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

fn official() -> Parts<'static> {
    Parts {
        host: "ecs.cn-shanghai.aliyuncs.com",
        action: "RunInstances",
        version: "2014-05-26",
        date: "2023-10-26T10:22:32Z",
        nonce: "3156853299f313e23d1673dc12e1703d",
        query: "ImageId=win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd&RegionId=cn-shanghai",
        body: b"",
        content_type: None,
        security_token: None,
    }
}

fn headers_of(parts: &Parts<'_>, signed: &Signed) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut put = |name: &'static str, value: &str| {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    };
    put("host", parts.host);
    put("x-acs-action", parts.action);
    put("x-acs-version", parts.version);
    put("x-acs-date", parts.date);
    put("x-acs-signature-nonce", parts.nonce);
    put("x-acs-content-sha256", &signed.content_sha256);
    put("authorization", &signed.authorization);
    if let Some(t) = parts.content_type {
        put("content-type", t);
    }
    if let Some(t) = parts.security_token {
        put("x-acs-security-token", t);
    }
    headers
}

fn check<'a>(parts: &Parts<'a>, headers: &'a HeaderMap, key: &'a Key) -> Result<&'a str, Refusal> {
    let received = Received { method: "POST", path: "/", query: parts.query, headers, body: parts.body };
    verify(&received, |id| (id == "ak").then_some(key), parse_date("2023-10-26T10:25:00Z").unwrap())
}

#[test]
fn the_documents_own_vector_is_signed_alike() {
    let signed = sign(&Key::new("YourAccessKeySecret"), "YourAccessKeyId", &official());
    assert_eq!(
        signed.authorization,
        "ACS3-HMAC-SHA256 Credential=YourAccessKeyId,SignedHeaders=host;x-acs-action;x-acs-content-sha256;x-acs-date;\
         x-acs-signature-nonce;x-acs-version,Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
    );
    assert_eq!(signed.content_sha256, EMPTY_SHA256);
}

#[test]
fn what_is_signed_verifies_with_and_without_body_and_token() {
    let key = Key::new("sk");
    for (body, content_type) in [(&b""[..], None), (&b"OutId=1"[..], Some("application/x-www-form-urlencoded"))] {
        for security_token in [None, Some("token")] {
            let parts = Parts { body, content_type, security_token, ..official() };
            let headers = headers_of(&parts, &sign(&key, "ak", &parts));
            assert_eq!(check(&parts, &headers, &key), Ok(parts.nonce));
        }
    }
}

#[test]
fn every_change_after_signing_is_refused_with_aliyuns_code() {
    let key = Key::new("sk");
    let parts = official();
    let signed = sign(&key, "ak", &parts);
    let good = headers_of(&parts, &signed);
    assert!(check(&parts, &good, &key).is_ok());
    let code = |r: Result<&str, Refusal>| r.unwrap_err().reply().1;

    for name in ["host", "x-acs-action", "x-acs-version", "x-acs-signature-nonce"] {
        let mut headers = good.clone();
        headers.insert(name, HeaderValue::from_static("other"));
        assert_eq!(code(check(&parts, &headers, &key)), "SignatureDoesNotMatch", "{name} changed");
        headers.remove(name);
        assert_eq!(code(check(&parts, &headers, &key)), "SignatureDoesNotMatch", "{name} removed");
    }
    let mut headers = good.clone();
    headers.insert("x-acs-extra", HeaderValue::from_static("unsigned"));
    assert_eq!(code(check(&parts, &headers, &key)), "SignatureDoesNotMatch");
    let changed = Parts { query: "ImageId=other&RegionId=cn-shanghai", ..parts };
    assert_eq!(code(check(&changed, &good, &key)), "SignatureDoesNotMatch");
    let changed = Parts { body: b"x", ..parts };
    assert_eq!(code(check(&changed, &good, &key)), "SignatureDoesNotMatch");
    let mut headers = good.clone();
    headers.insert("x-acs-date", HeaderValue::from_static("2023-10-26T09:22:32Z"));
    assert_eq!(code(check(&parts, &headers, &key)), "InvalidTimeStamp.Expired");
    let mut headers = good.clone();
    headers.remove("authorization");
    assert_eq!(code(check(&parts, &headers, &key)), "IncompleteSignature");
    let headers = headers_of(&parts, &sign(&key, "other", &parts));
    assert_eq!(code(check(&parts, &headers, &key)), "InvalidAccessKeyId.NotFound");
    let headers = headers_of(&parts, &sign(&Key::new("wrong"), "ak", &parts));
    assert_eq!(code(check(&parts, &headers, &key)), "SignatureDoesNotMatch");
}

#[test]
fn a_query_is_made_canonical_as_the_sdk_signs_it() {
    let canonical = "A=%E7%BA%A2%20%2A~%22%27%28%29&B.1=x";
    assert!(matches!(canonical_query(canonical), Cow::Borrowed(_)));
    for raw in ["B.1=x&A=%E7%BA%A2+*~%22'()", "A=%e7%ba%a2%20%2a%7E%22%27%28%29&B.1=x"] {
        assert_eq!(canonical_query(raw), canonical, "{raw}");
    }
    assert_eq!(canonical_query(""), "");
    assert_eq!(canonical_query("b&a="), "a=&b=");
    assert_eq!(decode("%zz%4"), "%zz%4");
    assert_eq!(decode("%ff"), "\u{fffd}");
    let mut out = String::new();
    encode_into("红 色*~a", &mut out);
    assert_eq!(out, "%E7%BA%A2%20%E8%89%B2%2A~a");
    assert_eq!(decode(&out), "红 色*~a");
}

#[test]
fn dates_are_written_and_read_to_the_second() {
    let ms = parse_date("2023-10-26T10:22:32Z").unwrap();
    assert_eq!(date(ms), "2023-10-26T10:22:32Z");
    for bad in ["", "2023-10-26 10:22:32", "2023-10-26T10:22:32+08:00", "2023-13-26T10:22:32Z", "２０２３-10-26T10:22:32Z"] {
        assert!(parse_date(bad).is_none(), "{bad}");
    }
}
