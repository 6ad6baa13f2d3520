//! Alibaba Cloud's ACS3-HMAC-SHA256 (signature version 3): signing for our clients, verifying for
//! the stand-in that plays the provider.
//!
//! The hot path signs and verifies tens of thousands of requests a second, so the canonical request
//! is fed to the hash piece by piece and never built, the HMAC key is prepared once, and a query is
//! encoded once in the form that is both signed and sent.

use hmac::{Hmac, KeyInit, Mac};
use reqwest::header::HeaderMap;
use sha2::{Digest, Sha256};
use std::borrow::Cow;

pub const ALGORITHM: &str = "ACS3-HMAC-SHA256";
/// hex(sha256("")), the payload hash of every request that carries its parameters in the query.
pub const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
/// How far `x-acs-date` may be from the provider's clock, milliseconds.
pub const DATE_WINDOW_MS: i64 = 15 * 60_000;

/// An access key secret, prepared: cloning it costs a copy, not a key schedule.
#[derive(Clone)]
pub struct Key(Hmac<Sha256>);

impl Key {
    pub fn new(secret: &str) -> Key {
        Key(Hmac::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length"))
    }
    fn mac(&self, canonical_request_sha256: &[u8; 64]) -> [u8; 32] {
        let mut mac = self.0.clone();
        mac.update(b"ACS3-HMAC-SHA256\n");
        mac.update(canonical_request_sha256);
        mac.finalize().into_bytes().into()
    }
}

/// What is signed. Header values must be sent exactly as given here.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// As in the `host` header, with the port unless it is the scheme's own.
    pub host: &'a str,
    /// `x-acs-action`, such as `SendSms`.
    pub action: &'a str,
    /// `x-acs-version`, such as `2017-05-25`.
    pub version: &'a str,
    /// `x-acs-date`: UTC, `yyyy-MM-ddTHH:mm:ssZ`; see [`date`].
    pub date: &'a str,
    /// `x-acs-signature-nonce`: never the same twice.
    pub nonce: &'a str,
    /// Already canonical: sorted by key, encoded by [`encode_into`], without `?`.
    pub query: &'a str,
    pub body: &'a [u8],
    /// Signed when there is a body.
    pub content_type: Option<&'a str>,
    /// `x-acs-security-token`, with temporary credentials.
    pub security_token: Option<&'a str>,
}

/// The two header values that signing makes.
#[derive(Clone, Debug)]
pub struct Signed {
    pub authorization: String,
    /// `x-acs-content-sha256`.
    pub content_sha256: Cow<'static, str>,
}

/// Signs a POST to `/`.
pub fn sign(key: &Key, access_key_id: &str, parts: &Parts<'_>) -> Signed {
    let content_sha256: Cow<'static, str> = if parts.body.is_empty() {
        Cow::Borrowed(EMPTY_SHA256)
    } else {
        Cow::Owned(String::from_utf8_lossy(&hex(&Sha256::digest(parts.body).into())).into_owned())
    };
    let (names, headers) = header_list(parts, &content_sha256);
    let mut hash = Sha256::new();
    hash.update(b"POST\n/\n");
    hash.update(parts.query.as_bytes());
    hash.update(b"\n");
    for (name, value) in headers.iter().flatten() {
        header_line(&mut hash, name, value.as_bytes());
    }
    hash.update(b"\n");
    hash.update(names.as_bytes());
    hash.update(b"\n");
    hash.update(content_sha256.as_bytes());
    let signature = hex(&key.mac(&hex(&hash.finalize().into())));
    let mut authorization = String::with_capacity(ALGORITHM.len() + access_key_id.len() + names.len() + 110);
    for piece in [ALGORITHM, " Credential=", access_key_id, ",SignedHeaders=", names, ",Signature="] {
        authorization.push_str(piece);
    }
    authorization.extend(signature.iter().map(|b| char::from(*b)));
    Signed { authorization, content_sha256 }
}

type HeaderList<'a> = [Option<(&'static str, &'a str)>; 8];

/// The signed headers in order, and their names as one text. The names are one of four constants.
fn header_list<'a>(p: &Parts<'a>, content_sha256: &'a str) -> (&'static str, HeaderList<'a>) {
    let names = match (p.content_type.is_some(), p.security_token.is_some()) {
        (false, false) => "host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version",
        (true, false) => "content-type;host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version",
        (false, true) => "host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-security-token;x-acs-signature-nonce;x-acs-version",
        (true, true) => {
            "content-type;host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-security-token;x-acs-signature-nonce;x-acs-version"
        }
    };
    let headers = [
        p.content_type.map(|v| ("content-type", v)),
        Some(("host", p.host)),
        Some(("x-acs-action", p.action)),
        Some(("x-acs-content-sha256", content_sha256)),
        Some(("x-acs-date", p.date)),
        p.security_token.map(|v| ("x-acs-security-token", v)),
        Some(("x-acs-signature-nonce", p.nonce)),
        Some(("x-acs-version", p.version)),
    ];
    (names, headers)
}

fn header_line(hash: &mut Sha256, name: &str, value: &[u8]) {
    hash.update(name.as_bytes());
    hash.update(b":");
    hash.update(value.trim_ascii());
    hash.update(b"\n");
}

/// Why a request is refused, in Aliyun's own codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No `Authorization`, or not of the ACS3 shape.
    IncompleteSignature(&'static str),
    /// The access key is not known here.
    UnknownKey,
    /// The date is missing, not a date, or too far from our clock.
    Expired,
    /// A needed header is missing or not signed, the payload hash is wrong, or the signature is.
    Mismatch(&'static str),
}
impl Refusal {
    /// HTTP status, Aliyun's `Code`, and `Message`.
    pub fn reply(&self) -> (u16, &'static str, &'static str) {
        match self {
            Refusal::IncompleteSignature(why) => (400, "IncompleteSignature", why),
            Refusal::UnknownKey => (404, "InvalidAccessKeyId.NotFound", "Specified access key is not found."),
            Refusal::Expired => (400, "InvalidTimeStamp.Expired", "Specified time stamp or date value is expired."),
            Refusal::Mismatch(why) => (400, "SignatureDoesNotMatch", why),
        }
    }
}

/// A request as the provider's side sees it.
pub struct Received<'a> {
    pub method: &'a str,
    pub path: &'a str,
    /// The raw query, without `?`.
    pub query: &'a str,
    pub headers: &'a HeaderMap,
    pub body: &'a [u8],
}

/// The access key id of a request, before anything is verified.
pub fn access_key_id(headers: &HeaderMap) -> Option<&str> {
    Authorization::read(headers).ok().map(|a| a.access_key_id)
}

/// Verifies a received request by all of the rules: shape, clock, every `x-acs-*` header and host
/// and content-type signed, names sorted, payload hash, signature (in constant time).
/// `key_of` finds the key for an access key id; `now_ms` is the provider's clock.
/// Returns the nonce: the caller refuses one that was seen before.
pub fn verify<'a>(r: &Received<'a>, key_of: impl FnOnce(&str) -> Option<&'a Key>, now_ms: i64) -> Result<&'a str, Refusal> {
    let auth = Authorization::read(r.headers)?;
    let header = |name: &'static str| r.headers.get(name).and_then(|v| v.to_str().ok());
    let date = header("x-acs-date").and_then(parse_date).ok_or(Refusal::Expired)?;
    if now_ms.saturating_sub(date).saturating_abs() > DATE_WINDOW_MS {
        return Err(Refusal::Expired);
    }
    let key = key_of(auth.access_key_id).ok_or(Refusal::UnknownKey)?;
    for needed in ["host", "x-acs-action", "x-acs-content-sha256", "x-acs-date", "x-acs-signature-nonce", "x-acs-version"] {
        if !auth.signs(needed) {
            return Err(Refusal::Mismatch("A required header is not signed."));
        }
    }
    for name in r.headers.keys() {
        let name = name.as_str();
        if (name.starts_with("x-acs-") || name == "content-type") && !auth.signs(name) {
            return Err(Refusal::Mismatch("A header that was sent must be signed and is not."));
        }
    }
    let content = header("x-acs-content-sha256").unwrap_or_default();
    let body_is_right = match r.body {
        [] => content == EMPTY_SHA256,
        body => content.as_bytes() == hex(&Sha256::digest(body).into()),
    };
    if !body_is_right {
        return Err(Refusal::Mismatch("x-acs-content-sha256 is not the hash of the body."));
    }
    let mut hash = Sha256::new();
    hash.update(r.method.as_bytes());
    hash.update(b"\n");
    hash.update(r.path.as_bytes());
    hash.update(b"\n");
    hash.update(canonical_query(r.query).as_bytes());
    hash.update(b"\n");
    let mut before = "";
    for name in auth.signed_headers.split(';') {
        if name <= before {
            return Err(Refusal::Mismatch("SignedHeaders is not sorted."));
        }
        before = name;
        let value = r.headers.get(name).ok_or(Refusal::Mismatch("A signed header was not sent."))?;
        header_line(&mut hash, name, value.as_bytes());
    }
    hash.update(b"\n");
    hash.update(auth.signed_headers.as_bytes());
    hash.update(b"\n");
    hash.update(content.as_bytes());
    let expected = hex(&key.mac(&hex(&hash.finalize().into())));
    let same: bool = subtle::ConstantTimeEq::ct_eq(auth.signature.as_bytes(), expected.as_slice()).into();
    if !same {
        return Err(Refusal::Mismatch("Specified signature is not matched with our calculation."));
    }
    header("x-acs-signature-nonce").filter(|n| !n.is_empty()).ok_or(Refusal::Mismatch("The nonce is empty."))
}

struct Authorization<'a> {
    access_key_id: &'a str,
    signed_headers: &'a str,
    signature: &'a str,
}
impl<'a> Authorization<'a> {
    fn read(headers: &'a HeaderMap) -> Result<Authorization<'a>, Refusal> {
        let bad = Refusal::IncompleteSignature("The Authorization header is missing or not of ACS3-HMAC-SHA256's form.");
        let text = headers.get("authorization").and_then(|v| v.to_str().ok()).ok_or(bad)?;
        let rest = text.strip_prefix(ALGORITHM).and_then(|r| r.strip_prefix(' ')).ok_or(bad)?;
        let (mut id, mut names, mut signature) = (None, None, None);
        for field in rest.split(',') {
            match field.trim_start().split_once('=') {
                Some(("Credential", v)) => id = Some(v),
                Some(("SignedHeaders", v)) => names = Some(v),
                Some(("Signature", v)) => signature = Some(v),
                _ => return Err(bad),
            }
        }
        match (id, names, signature) {
            (Some(access_key_id), Some(signed_headers), Some(signature)) => Ok(Authorization { access_key_id, signed_headers, signature }),
            _ => Err(bad),
        }
    }
    fn signs(&self, name: &str) -> bool {
        self.signed_headers.split(';').any(|n| n == name)
    }
}

/// The query in canonical form. What a careful client sends is canonical already and is borrowed;
/// otherwise (`+` for space, unsorted keys, lower-case hex) it is decoded, sorted and encoded anew.
pub fn canonical_query(raw: &str) -> Cow<'_, str> {
    if is_canonical(raw) {
        return Cow::Borrowed(raw);
    }
    let mut pairs: Vec<(Cow<'_, str>, Cow<'_, str>)> = pairs(raw).map(|(k, v)| (decode(k), decode(v))).collect();
    pairs.sort();
    let mut out = String::with_capacity(raw.len() + 16);
    for (i, (k, v)) in pairs.iter().enumerate() {
        if i > 0 {
            out.push('&');
        }
        encode_into(k, &mut out);
        out.push('=');
        encode_into(v, &mut out);
    }
    Cow::Owned(out)
}

fn is_canonical(raw: &str) -> bool {
    let mut last = "";
    let mut first = true;
    for part in raw.split('&') {
        let Some((key, value)) = part.split_once('=') else { return raw.is_empty() };
        // Encoded keys sort as decoded ones do while they are plain, and Aliyun's are.
        if (!first && key <= last) || !key.bytes().all(is_unreserved) || !is_encoded(value) {
            return false;
        }
        (last, first) = (key, false);
    }
    true
}

fn is_encoded(value: &str) -> bool {
    let mut bytes = value.bytes();
    while let Some(b) = bytes.next() {
        if b == b'%' {
            let high = bytes.next().and_then(upper_hex);
            let low = bytes.next().and_then(upper_hex);
            match (high, low) {
                (Some(h), Some(l)) if !is_unreserved(h << 4 | l) => {}
                _ => return false,
            }
        } else if !is_unreserved(b) {
            return false;
        }
    }
    true
}

/// The raw `key=value` pairs of a query or form.
pub fn pairs(raw: &str) -> impl Iterator<Item = (&str, &str)> {
    raw.split('&').filter(|p| !p.is_empty()).map(|p| p.split_once('=').unwrap_or((p, "")))
}

/// Percent-decoding as HTML forms have it (`+` is a space). What is no UTF-8 becomes U+FFFD.
pub fn decode(raw: &str) -> Cow<'_, str> {
    if !raw.bytes().any(|b| b == b'%' || b == b'+') {
        return Cow::Borrowed(raw);
    }
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    loop {
        rest = match rest {
            [] => break,
            [b'+', tail @ ..] => {
                out.push(b' ');
                tail
            }
            [b'%', h, l, tail @ ..] => match (any_hex(*h), any_hex(*l)) {
                (Some(h), Some(l)) => {
                    out.push(h << 4 | l);
                    tail
                }
                _ => {
                    out.push(b'%');
                    rest.get(1..).unwrap_or_default()
                }
            },
            [b, tail @ ..] => {
                out.push(*b);
                tail
            }
        };
    }
    Cow::Owned(match String::from_utf8(out) {
        Ok(text) => text,
        Err(e) => String::from_utf8_lossy(e.as_bytes()).into_owned(),
    })
}

/// RFC 3986 percent-encoding as Aliyun wants it: only `A-Z a-z 0-9 - _ . ~` stay, upper-case hex.
pub fn encode_into(text: &str, out: &mut String) {
    let mut plain = 0;
    for (i, b) in text.bytes().enumerate() {
        if !is_unreserved(b) {
            // `plain..i` holds ASCII only, so both ends are character boundaries.
            out.push_str(text.get(plain..i).unwrap_or_default());
            out.push('%');
            out.push(char::from(HEX_UPPER[usize::from(b >> 4)]));
            out.push(char::from(HEX_UPPER[usize::from(b & 15)]));
            plain = i + 1;
        }
    }
    out.push_str(text.get(plain..).unwrap_or_default());
}

const HEX_UPPER: &[u8; 16] = b"0123456789ABCDEF";
const HEX_LOWER: &[u8; 16] = b"0123456789abcdef";

fn is_unreserved(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~')
}
fn upper_hex(b: u8) -> Option<u8> {
    match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'A'..=b'F' => Some(b - b'A' + 10),
        _ => None,
    }
}
fn any_hex(b: u8) -> Option<u8> {
    upper_hex(b.to_ascii_uppercase())
}
fn hex(bytes: &[u8; 32]) -> [u8; 64] {
    let mut out = [0; 64];
    for (pair, b) in out.chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&[HEX_LOWER[usize::from(b >> 4)], HEX_LOWER[usize::from(b & 15)]]);
    }
    out
}

/// `x-acs-date` of a moment (milliseconds since 1970), such as `2023-10-26T10:22:32Z`.
pub fn date(ms: i64) -> String {
    match jiff::Timestamp::from_millisecond(ms) {
        Ok(t) => t.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        Err(_) => "1970-01-01T00:00:00Z".to_string(),
    }
}

/// The moment of an `x-acs-date`; `None` when it is not of that form.
pub fn parse_date(text: &str) -> Option<i64> {
    let b = text.as_bytes();
    let shape = b.len() == 20 && b.iter().zip(b"0000-00-00T00:00:00Z").all(|(c, p)| if *p == b'0' { c.is_ascii_digit() } else { c == p });
    if !shape {
        return None;
    }
    text.parse::<jiff::Timestamp>().ok().map(|t| t.as_millisecond())
}

#[cfg(test)]
#[path = "aliyun_acs3_tests.rs"]
mod tests;
