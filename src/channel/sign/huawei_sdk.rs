//! Huawei's SDK-HMAC-SHA256: what its pushes are signed with where the customer has asked for it. Over method, path, query,
//! named headers and body.

use super::{aliyun_acs3::pairs, hex, hmac_sha256};
use sha2::{Digest, Sha256};

const SCHEME: &str = "SDK-HMAC-SHA256";
/// How far `X-Sdk-Date` may be from our clock, milliseconds.
pub const WINDOW_MS: i64 = 15 * 60_000;

/// A request as it is signed: names of headers in lower case.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    pub method: &'a str,
    pub path_and_query: &'a str,
    pub headers: &'a [(&'a str, &'a str)],
    pub body: &'a [u8],
}
impl Signed<'_> {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| *n == name).map(|(_, v)| *v)
    }

    /// The signature over these headers, in this order.
    pub fn signature(&self, secret: &str, names: &[&str]) -> Option<String> {
        let (path, query) = self.path_and_query.split_once('?').unwrap_or((self.path_and_query, ""));
        let path = if path.ends_with('/') { path.to_string() } else { format!("{path}/") };
        let mut query: Vec<(&str, &str)> = pairs(query).collect();
        query.sort_unstable();
        let query: Vec<String> = query.into_iter().map(|(k, v)| format!("{k}={v}")).collect();
        let mut headers = String::new();
        for name in names {
            headers.push_str(&format!("{name}:{}\n", self.header(name)?.trim()));
        }
        let payload = self.header("x-sdk-content-sha256").map_or_else(|| hex(&Sha256::digest(self.body)), str::to_string);
        let canonical = format!("{}\n{path}\n{}\n{headers}\n{}\n{payload}", self.method, query.join("&"), names.join(";"));
        let text = format!("{SCHEME}\n{}\n{}", self.header("x-sdk-date")?, hex(&Sha256::digest(canonical.as_bytes())));
        Some(hex(&hmac_sha256(secret.as_bytes(), text.as_bytes())))
    }

    /// Checks `Authorization` and `X-Sdk-Date`. `now_ms` is our clock.
    ///
    /// # Errors
    /// What does not hold.
    pub fn verify(&self, key: &str, secret: &str, now_ms: i64) -> Result<(), &'static str> {
        let fields = self.header("authorization").and_then(|a| a.trim().strip_prefix(SCHEME)).ok_or("it is not signed")?;
        let field = |name: &str| fields.split(',').find_map(|p| p.trim().strip_prefix(name)?.strip_prefix('='));
        let (access, names, given) = match (field("Access"), field("SignedHeaders"), field("Signature")) {
            (Some(a), Some(n), Some(s)) => (a, n, s),
            _ => return Err("its Authorization cannot be read"),
        };
        let names: Vec<&str> = names.split(';').collect();
        if !names.contains(&"x-sdk-date") || self.header("x-sdk-content-sha256").is_some_and(|h| h == "UNSIGNED-PAYLOAD") {
            return Err("the signature does not cover the time and the body");
        }
        if self.header("x-sdk-content-sha256").is_some_and(|h| h != hex(&Sha256::digest(self.body))) {
            return Err("the body is not the one that was signed");
        }
        let date = self.header("x-sdk-date").and_then(|d| jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", d).ok());
        let at = date.and_then(|d| jiff::tz::offset(0).to_timestamp(d).ok()).ok_or("its time cannot be read")?.as_millisecond();
        if now_ms.saturating_sub(at).saturating_abs() > WINDOW_MS {
            return Err("its time is more than 15 minutes off");
        }
        let expected = self.signature(secret, &names).ok_or("a header that was signed is missing")?;
        let same = subtle::ConstantTimeEq::ct_eq(expected.as_bytes(), given.trim().as_bytes());
        if access == key && bool::from(same) { Ok(()) } else { Err("the signature does not fit") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_784_595_723_000;
    const BODY: &[u8] = b"extend=01J8ZQ&from=8820000000000&statusCallback=https%3A%2F%2Fgw.example.org%2Fcb%2Fhw%3Fk%3D1&templateId=t1&templateParas=%5B%22%E7%BA%A2%E8%89%B2%22%2C%2209%3A00%22%5D&to=%2B8613900001111";
    const AUTHORIZATION: &str = "SDK-HMAC-SHA256 Access=hwkey, SignedHeaders=content-type;host;x-sdk-date, Signature=f73892db187bc5919f797e31e37481ab72dc63dadd4ebf7037b3f0ba157c07f0";

    fn check(path: &str, authorization: &str, date: &str, body: &[u8], now: i64) -> Result<(), &'static str> {
        let headers = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("host", "smsapi.cn-north-4.myhuaweicloud.com"),
            ("x-sdk-date", date),
            ("authorization", authorization),
        ];
        Signed { method: "POST", path_and_query: path, headers: &headers, body }.verify("hwkey", "hwsecret", now)
    }

    #[test]
    fn what_the_official_signer_signed_is_taken_and_anything_changed_is_not() {
        let (path, date) = ("/sms/batchSendSms/v1", "20260721T010203Z");
        assert_eq!(check(path, AUTHORIZATION, date, BODY, NOW), Ok(()));
        assert_eq!(check(path, AUTHORIZATION, date, BODY, NOW + WINDOW_MS), Ok(()));
        assert!(check(path, AUTHORIZATION, date, BODY, NOW + WINDOW_MS + 1).is_err());
        let mut changed = BODY.to_vec();
        changed[10] ^= 1;
        for refused in [
            check("/sms/batchSendSms/v2", AUTHORIZATION, date, BODY, NOW),
            check("/sms/batchSendSms/v1?a=1", AUTHORIZATION, date, BODY, NOW),
            check(path, AUTHORIZATION, "20260721T010204Z", BODY, NOW),
            check(path, AUTHORIZATION, date, &changed, NOW),
            check(path, &AUTHORIZATION.replace("hwkey", "other"), date, BODY, NOW),
            check(path, &AUTHORIZATION.replace(";x-sdk-date", ""), date, BODY, NOW),
            check(path, "", date, BODY, NOW),
        ] {
            assert!(refused.is_err());
        }
    }
}
