//! Tencent Cloud's TC3-HMAC-SHA256: signing for our clients, verifying for the stand-in.
//!
//! The credential's date is the **UTC** date of the timestamp: between 00:00 and 08:00 in Beijing it is
//! yesterday's. Like the official SDK we sign `content-type;host`; a request that signs more verifies too.

use super::{hex, hmac_sha256};
use reqwest::header::HeaderMap;
use sha2::{Digest, Sha256};

pub const ALGORITHM: &str = "TC3-HMAC-SHA256";
/// How far `X-TC-Timestamp` may be from the provider's clock, seconds.
pub const WINDOW_S: i64 = 300;

/// What is signed. Header values must be sent exactly as given here.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// `sms`, `vms`.
    pub service: &'a str,
    pub host: &'a str,
    pub content_type: &'a str,
    /// Seconds since 1970, `X-TC-Timestamp`.
    pub timestamp: i64,
    pub body: &'a [u8],
}

/// The `Authorization` header of a POST to `/`.
pub fn sign(secret_id: &str, secret_key: &str, p: &Parts<'_>) -> String {
    let headers = format!("content-type:{}\nhost:{}\n", p.content_type.trim(), p.host.trim());
    let canonical = canonical("POST", "/", "", &headers, "content-type;host", p.body);
    let date = utc_date(p.timestamp);
    let signature = signature(secret_key, &date, p.service, p.timestamp, &canonical);
    format!("{ALGORITHM} Credential={secret_id}/{date}/{}/tc3_request, SignedHeaders=content-type;host, Signature={signature}", p.service)
}

fn canonical(method: &str, path: &str, query: &str, headers: &str, names: &str, body: &[u8]) -> String {
    format!("{method}\n{path}\n{query}\n{headers}\n{names}\n{}", hex(&Sha256::digest(body)))
}

fn signature(secret_key: &str, date: &str, service: &str, timestamp: i64, canonical: &str) -> String {
    let text = format!("{ALGORITHM}\n{timestamp}\n{date}/{service}/tc3_request\n{}", hex(&Sha256::digest(canonical.as_bytes())));
    let key = hmac_sha256(format!("TC3{secret_key}").as_bytes(), date.as_bytes());
    let key = hmac_sha256(&key, service.as_bytes());
    let key = hmac_sha256(&key, b"tc3_request");
    hex(&hmac_sha256(&key, text.as_bytes()))
}

/// The UTC date of a moment (seconds since 1970), `yyyy-MM-dd`.
pub fn utc_date(timestamp: i64) -> String {
    jiff::Timestamp::from_second(timestamp).map(|t| t.strftime("%Y-%m-%d").to_string()).unwrap_or_else(|_| "1970-01-01".into())
}

/// Why a request is refused, in Tencent's own codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub code: &'static str,
    pub message: &'static str,
}
const fn refusal<T>(code: &'static str, message: &'static str) -> Result<T, Refusal> {
    Err(Refusal { code, message })
}

/// A request as the provider's side sees it.
pub struct Received<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub query: &'a str,
    pub headers: &'a HeaderMap,
    pub body: &'a [u8],
}

/// Verifies a received request: shape, clock, date, service, the two headers that must be signed,
/// signature (in constant time). `key_of` finds the secret of a SecretId; `now_s` is the provider's clock.
pub fn verify(r: &Received<'_>, service: &str, key_of: impl FnOnce(&str) -> Option<String>, now_s: i64) -> Result<(), Refusal> {
    let header = |name: &str| r.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let Some(auth) = Authorization::read(header("authorization")) else {
        return refusal("AuthFailure.InvalidAuthorization", "The Authorization header is missing or not of TC3-HMAC-SHA256's form.");
    };
    let Ok(timestamp) = header("x-tc-timestamp").parse::<i64>() else {
        return refusal("MissingParameter", "The request misses the parameter `Timestamp`.");
    };
    if now_s.saturating_sub(timestamp).saturating_abs() > WINDOW_S {
        return refusal("AuthFailure.SignatureExpire", "The signature has expired: the time stamp is too far from the server's.");
    }
    if auth.date != utc_date(timestamp) || auth.service != service {
        return refusal("AuthFailure.SignatureFailure", "The credential's scope is not the UTC date and service of this request.");
    }
    let Some(secret) = key_of(auth.secret_id) else {
        return refusal("AuthFailure.SecretIdNotFound", "The SecretId is not found.");
    };
    let signs = |name: &str| auth.signed_headers.split(';').any(|n| n == name);
    if !signs("content-type") || !signs("host") {
        return refusal("AuthFailure.SignatureFailure", "content-type and host must be signed.");
    }
    let mut headers = String::new();
    for name in auth.signed_headers.split(';') {
        let value = header(name).trim();
        // The document lower-cases values; the SDK signs these two as they stand.
        let value = if matches!(name, "content-type" | "host") { value.to_string() } else { value.to_lowercase() };
        headers.push_str(&format!("{name}:{value}\n"));
    }
    let canonical = canonical(r.method, r.path, r.query, &headers, auth.signed_headers, r.body);
    let expected = signature(&secret, auth.date, service, timestamp, &canonical);
    let same: bool = subtle::ConstantTimeEq::ct_eq(auth.signature.as_bytes(), expected.as_bytes()).into();
    if same { Ok(()) } else { refusal("AuthFailure.SignatureFailure", "The provided credentials could not be validated.") }
}

struct Authorization<'a> {
    secret_id: &'a str,
    date: &'a str,
    service: &'a str,
    signed_headers: &'a str,
    signature: &'a str,
}
impl<'a> Authorization<'a> {
    fn read(text: &'a str) -> Option<Authorization<'a>> {
        let mut fields = text.strip_prefix(ALGORITHM)?.split(',').map(str::trim);
        let mut scope = fields.next()?.strip_prefix("Credential=")?.split('/');
        let (secret_id, date, service) = (scope.next()?, scope.next()?, scope.next()?);
        let rest = (scope.next()?, scope.next());
        let signed_headers = fields.next()?.strip_prefix("SignedHeaders=")?;
        let signature = fields.next()?.strip_prefix("Signature=")?;
        (rest == ("tc3_request", None)).then_some(Authorization { secret_id, date, service, signed_headers, signature })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The documents' own example.
    #[test]
    fn the_official_vector_is_met() {
        let body = br#"{"Limit": 1, "Filters": [{"Values": ["\u672a\u547d\u540d"], "Name": "instance-name"}]}"#;
        let parts = Parts {
            service: "cvm",
            host: "cvm.tencentcloudapi.com",
            content_type: "application/json; charset=utf-8",
            timestamp: 1_551_113_065,
            body,
        };
        let signed = sign("AKIDz8krbsJ5yKBZQpn74WFkmLPx3*******", "Gu5t9xGARNpq86cd98joQYCN3*******", &parts);
        assert!(signed.ends_with("Signature=2230eefd229f582d8b1b891af7107b91597240707d778ab3738f756258d7652c"), "{signed}");
        assert!(signed.contains("/2019-02-25/cvm/tc3_request,"), "{signed}");
    }

    fn verdict(body: &[u8], key: &str, now: i64, tamper: impl FnOnce(&mut HeaderMap)) -> Result<(), &'static str> {
        let parts = Parts { service: "sms", host: "h", content_type: "application/json", timestamp: 1_784_595_723, body: b"{}" };
        let mut headers = HeaderMap::new();
        headers.insert("host", "h".parse().unwrap());
        headers.insert("content-type", "application/json".parse().unwrap());
        headers.insert("x-tc-timestamp", "1784595723".parse().unwrap());
        headers.insert("authorization", sign("id", "key", &parts).parse().unwrap());
        tamper(&mut headers);
        let received = Received { method: "POST", path: "/", query: "", headers: &headers, body };
        verify(&received, "sms", |id| (id == "id").then(|| key.to_string()), now).map_err(|r| r.code)
    }

    #[test]
    fn what_we_sign_verifies_and_whatever_is_changed_does_not() {
        let now = 1_784_595_723;
        assert_eq!(verdict(b"{}", "key", now, |_| ()), Ok(()));
        assert_eq!(verdict(b"{ }", "key", now, |_| ()), Err("AuthFailure.SignatureFailure"));
        assert_eq!(verdict(b"{}", "other", now, |_| ()), Err("AuthFailure.SignatureFailure"));
        assert_eq!(verdict(b"{}", "key", now + 301, |_| ()), Err("AuthFailure.SignatureExpire"));
        let set = |name: &'static str, value: &'static str| {
            move |h: &mut HeaderMap| {
                h.insert(name, value.parse().unwrap());
            }
        };
        assert_eq!(verdict(b"{}", "key", now, set("host", "x")), Err("AuthFailure.SignatureFailure"));
        assert_eq!(verdict(b"{}", "key", now, set("x-tc-timestamp", "1784595724")), Err("AuthFailure.SignatureFailure"));
        assert_eq!(verdict(b"{}", "key", now, set("authorization", "Basic x")), Err("AuthFailure.InvalidAuthorization"));
    }
}
