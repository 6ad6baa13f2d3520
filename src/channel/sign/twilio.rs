//! Twilio's `X-Twilio-Signature`: HMAC-SHA1 over the public URL and the sorted form fields.
//!
//! Twilio signs the URL it was given, so behind a proxy the *public* one counts, not what reached us. With
//! or without the scheme's own port: Twilio does both, and so both are taken. A JSON body is covered by its
//! hash in the query (`bodySHA256`) instead of its fields. With a shared key (not the auth token) Twilio
//! names HMAC-SHA256 in a header of its own; the account's configuration says which secret holds.

use super::{hex, mac};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::Hmac;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

pub const SIGNATURE: &str = "x-twilio-signature";
pub const SETTINGS: &str = "x-twilio-webhooks-signature-settings";

/// Which hash a request is signed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    Sha1,
    Sha256,
}
impl Hash {
    /// From `X-Twilio-Webhooks-Signature-Settings: key=…,algorithm=HMAC_SHA256`; without it SHA-1.
    pub fn named(settings: Option<&str>) -> Option<Hash> {
        let mut parts = settings.unwrap_or_default().split(',').filter_map(|p| p.split_once('='));
        let name = parts.find(|(k, v)| k.trim() == "algorithm" && !v.trim().is_empty()).map_or("HMAC_SHA1", |(_, v)| v.trim());
        match name.to_ascii_uppercase().as_str() {
            "HMAC_SHA1" => Some(Hash::Sha1),
            "HMAC_SHA256" => Some(Hash::Sha256),
            _ => None,
        }
    }
}

/// The signature of a request to `url` with these form fields.
pub fn sign(secret: &str, url: &str, fields: &[(String, String)], hash: Hash) -> String {
    // Of a name given more than once each distinct value counts once, in order.
    let sorted: BTreeSet<(&str, &str)> = fields.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    let mut text = url.to_string();
    for (name, value) in sorted {
        text.push_str(name);
        text.push_str(value);
    }
    match hash {
        Hash::Sha1 => STANDARD.encode(mac::<Hmac<Sha1>>(secret.as_bytes(), text.as_bytes())),
        Hash::Sha256 => STANDARD.encode(mac::<Hmac<Sha256>>(secret.as_bytes(), text.as_bytes())),
    }
}

/// Whether `signature` is Twilio's for this request.
pub fn verify(secret: &str, url: &str, content_type: Option<&str>, body: &[u8], signature: &str, hash: Hash) -> bool {
    let Ok(parsed) = url::Url::parse(url) else { return false };
    let body_hash = parsed.query_pairs().find(|(k, _)| k == "bodySHA256").map(|(_, v)| v.into_owned());
    let form = content_type.unwrap_or_default().to_ascii_lowercase().starts_with("application/x-www-form-urlencoded");
    let fields: Vec<(String, String)> = if form { url::form_urlencoded::parse(body).into_owned().collect() } else { Vec::new() };
    let body_is_right = match body_hash {
        Some(named) if !form => constant_time_eq(named.to_ascii_lowercase().as_bytes(), hex(&Sha256::digest(body)).as_bytes()),
        // A body that no signature covers proves nothing.
        None if !form => body.is_empty(),
        _ => true,
    };
    let matches =
        both_ports(url, &parsed).iter().any(|u| constant_time_eq(sign(secret, u, &fields, hash).as_bytes(), signature.trim().as_bytes()));
    body_is_right && matches
}

/// The URL as text without and with its port; everything else stays as it was written.
fn both_ports(url: &str, parsed: &url::Url) -> [String; 2] {
    let Some((scheme, rest)) = url.split_once("://") else { return [url.to_string(), url.to_string()] };
    let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => authority,
    };
    let port = parsed.port_or_known_default().unwrap_or(443);
    [format!("{scheme}://{host}{tail}"), format!("{scheme}://{host}:{port}{tail}")]
}

fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    subtle::ConstantTimeEq::ct_eq(a, b).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://mycompany.com/myapp.php?foo=1&bar=2";
    fn form(caller: &str) -> Vec<(String, String)> {
        let fields = [("CallSid", "CA1234567890ABCDE"), ("Digits", "1234"), ("To", "+18005551212"), ("Caller", caller), ("From", caller)];
        fields.map(|(k, v)| (k.to_string(), v.to_string())).to_vec()
    }
    fn encoded(fields: &[(String, String)]) -> String {
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
    }

    #[test]
    fn the_official_vectors_are_met() {
        assert_eq!(sign("12345", URL, &form("+14158675309"), Hash::Sha1), "RSOYDt4T1cUTdK1PDd93/VVr8B8=");
        assert_eq!(sign("12345", URL, &form("+12349013030"), Hash::Sha1), "0/KCTR6DLpKmkAf8muzZqo1nDgQ=");
    }

    #[test]
    fn a_changed_url_field_or_secret_does_not_verify() {
        let fields = form("+14158675309");
        let media = Some("application/x-www-form-urlencoded; charset=utf-8");
        let ok = |secret: &str, url: &str, body: &str, s: &str| verify(secret, url, media, body.as_bytes(), s, Hash::Sha1);
        let (body, s) = (encoded(&fields), "RSOYDt4T1cUTdK1PDd93/VVr8B8=");
        assert!(ok("12345", URL, &body, s));
        assert!(ok("12345", "https://mycompany.com:443/myapp.php?foo=1&bar=2", &body, s), "with the scheme's own port");
        let with_port = sign("12345", "https://mycompany.com:443/myapp.php?foo=1&bar=2", &fields, Hash::Sha1);
        assert!(ok("12345", URL, &body, &with_port));
        assert!(!ok("12346", URL, &body, s) && !ok("12345", &URL.replace("bar=2", "bar=3"), &body, s));
        assert!(!ok("12345", URL, &body.replace("1234", "1235"), s) && !ok("12345", URL, &body, "") && !ok("12345", "x", &body, s));
        let twice = sign("k", URL, &[("a".into(), "2".into()), ("a".into(), "1".into()), ("a".into(), "2".into())], Hash::Sha256);
        assert!(verify("k", URL, media, b"a=1&a=2", &twice, Hash::Sha256));
    }

    #[test]
    fn a_json_body_is_covered_by_its_hash_or_not_at_all() {
        let body = br#"{"a":1}"#;
        let url = format!("{URL}&bodySHA256={}", hex(&Sha256::digest(body)));
        let s = sign("t", &url, &[], Hash::Sha1);
        let ok = |url: &str, body: &[u8], s: &str| verify("t", url, Some("application/json"), body, s, Hash::Sha1);
        assert!(ok(&url, body, &s) && !ok(&url, br#"{"a":2}"#, &s));
        assert!(!ok(URL, body, &sign("t", URL, &[], Hash::Sha1)), "an uncovered body");
    }

    #[test]
    fn the_hash_is_the_one_the_header_names() {
        assert_eq!(Hash::named(None), Some(Hash::Sha1));
        assert_eq!(Hash::named(Some("key=k1,algorithm=HMAC_SHA256")), Some(Hash::Sha256));
        assert_eq!(Hash::named(Some("algorithm=HMAC_MD5")), None);
    }
}
