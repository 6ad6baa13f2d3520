//! DingTalk's custom robots: `sign` = Base64(HMAC-SHA256(key = secret, text = `<ms>\n<secret>`)), in the query beside the
//! time in milliseconds. It does not cover the body, so only TLS keeps that.

use super::hmac_sha256;
use base64::{Engine as _, engine::general_purpose::STANDARD};

/// How far the time may be from the provider's clock, milliseconds.
pub const WINDOW_MS: i64 = 3_600_000;

/// The signature, not yet percent-encoded.
pub fn sign(secret: &str, timestamp_ms: i64) -> String {
    STANDARD.encode(hmac_sha256(secret.as_bytes(), format!("{timestamp_ms}\n{secret}").as_bytes()))
}

/// Verifies what stands decoded in the query. `now_ms` is the provider's clock.
///
/// # Errors
/// Why it does not hold, in DingTalk's words.
pub fn verify(secret: &str, timestamp: Option<&str>, given: Option<&str>, now_ms: i64) -> Result<(), &'static str> {
    let shaped = timestamp.filter(|t| t.len() == 13 && t.bytes().all(|b| b.is_ascii_digit()));
    let at: i64 = shaped.and_then(|t| t.parse().ok()).ok_or("invalid timestamp")?;
    if now_ms.saturating_sub(at).saturating_abs() > WINDOW_MS {
        return Err("invalid timestamp");
    }
    let same = subtle::ConstantTimeEq::ct_eq(sign(secret, at).as_bytes(), given.unwrap_or_default().as_bytes());
    if bool::from(same) { Ok(()) } else { Err("sign not match") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_784_595_723_000;
    const SECRET: &str = "SECtest0123456789";

    #[test]
    fn the_vector_of_the_reference_is_met() {
        assert_eq!(sign(SECRET, MS), "8gyqMZRaoEqeYDEBlsTjOPSfTWppGtiaqnT5OI/PL3s=");
    }

    #[test]
    fn anything_changed_is_refused() {
        let (time, good) = (MS.to_string(), sign(SECRET, MS));
        let check = |time: &str, sign: &str, now| verify(SECRET, Some(time), Some(sign), now);
        assert_eq!(check(&time, &good, MS + WINDOW_MS), Ok(()));
        assert!(check(&time, &good, MS + WINDOW_MS + 1).is_err());
        assert!(check("1784595723001", &good, MS).is_err());
        assert!(check("1784595723", &good, MS).is_err(), "seconds are another robot's");
        assert!(check(&time, &good.replace('/', "+"), MS).is_err());
        assert!(verify(SECRET, Some(&time), None, MS).is_err());
        assert!(verify("SECother", Some(&time), Some(&good), MS).is_err());
    }
}
