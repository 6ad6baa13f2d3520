//! Feishu's (Lark's) custom robots: `sign` = Base64(HMAC-SHA256(key = `<s>\n<secret>`, text = nothing)), in the body beside
//! the time in seconds: the reverse of DingTalk's. It does not cover the message, so only TLS keeps that.

use super::hmac_sha256;
use base64::{Engine as _, engine::general_purpose::STANDARD};

/// How far the time may be from the provider's clock, seconds.
pub const WINDOW_S: i64 = 3_600;

pub fn sign(secret: &str, timestamp_s: i64) -> String {
    STANDARD.encode(hmac_sha256(format!("{timestamp_s}\n{secret}").as_bytes(), b""))
}

/// Verifies what stands in the body. `now_ms` is the provider's clock.
///
/// # Errors
/// Why it does not hold, in Feishu's words.
pub fn verify(secret: &str, timestamp: Option<&str>, given: Option<&str>, now_ms: i64) -> Result<(), &'static str> {
    const WORDS: &str = "sign match fail or timestamp is not within one hour from current time";
    let shaped = timestamp.filter(|t| t.len() == 10 && t.bytes().all(|b| b.is_ascii_digit()));
    let at: i64 = shaped.and_then(|t| t.parse().ok()).ok_or(WORDS)?;
    let fresh = (now_ms / 1000).saturating_sub(at).saturating_abs() <= WINDOW_S;
    let same = subtle::ConstantTimeEq::ct_eq(sign(secret, at).as_bytes(), given.unwrap_or_default().as_bytes());
    if fresh && bool::from(same) { Ok(()) } else { Err(WORDS) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_784_595_723;

    #[test]
    fn the_vector_of_the_reference_is_met() {
        assert_eq!(sign("feishusecret", S), "64TkmlXuAsCaVwHqloQYmPSASxZzSObrezq5Oecg5+I=");
    }

    #[test]
    fn anything_changed_is_refused() {
        let (time, good) = (S.to_string(), sign("feishusecret", S));
        let check = |time: &str, sign: &str, now: i64| verify("feishusecret", Some(time), Some(sign), now * 1000);
        assert_eq!(check(&time, &good, S + WINDOW_S), Ok(()));
        assert!(check(&time, &good, S + WINDOW_S + 1).is_err());
        assert!(check("1784595724", &good, S).is_err());
        assert!(check("1784595723000", &good, S).is_err(), "milliseconds are another robot's");
        assert!(check(&time, &good.to_lowercase(), S).is_err());
        let dingtalks = super::super::dingtalk::sign("feishusecret", S);
        assert!(check(&time, &dingtalks, S).is_err(), "the other way round");
        assert!(verify("feishusecret", None, Some(&good), S * 1000).is_err());
    }
}
