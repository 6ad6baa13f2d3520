//! Huawei's X-WSSE: a digest of nonce, time and secret. It does not cover the body, so only TLS keeps that.
//!
//! The digest is Base64 of the lower-case **hexadecimal text** of SHA-256, as the official samples have it;
//! clients that encode the raw bytes are seen as well, so the verifier takes both.

use super::hex;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};

/// The `Authorization` header of every request.
pub const AUTHORIZATION: &str = r#"WSSE realm="SDP",profile="UsernameToken",type="Appkey""#;
/// How far `Created` may be from the provider's clock, milliseconds.
pub const WINDOW_MS: i64 = 24 * 3_600_000;

/// The `X-WSSE` header. `created` is UTC, `yyyy-MM-ddTHH:mm:ssZ`; `nonce` 1 to 128 letters and digits.
pub fn header(app_key: &str, app_secret: &str, nonce: &str, created: &str) -> String {
    let digest = STANDARD.encode(hex(&hash(nonce, created, app_secret)));
    format!(r#"UsernameToken Username="{app_key}",PasswordDigest="{digest}",Nonce="{nonce}",Created="{created}""#)
}

fn hash(nonce: &str, created: &str, secret: &str) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in [nonce, created, secret] {
        hash.update(part.as_bytes());
    }
    hash.finalize().into()
}

/// Verifies both headers; `Err` is Huawei's result code. `now_ms` is the provider's clock.
pub fn verify(authorization: Option<&str>, x_wsse: Option<&str>, app_key: &str, app_secret: &str, now_ms: i64) -> Result<(), &'static str> {
    let authorization = authorization.ok_or("E000001")?.replace(' ', "");
    if authorization != AUTHORIZATION.replace(' ', "") {
        return Err("E000008");
    }
    let fields = x_wsse.ok_or("E000020")?.strip_prefix("UsernameToken ").ok_or("E000026")?;
    let field = |name: &str| {
        let mut parts = fields.split(',').map(str::trim);
        parts.find_map(|p| p.strip_prefix(name)?.strip_prefix("=\"")?.strip_suffix('"'))
    };
    let user = field("Username").ok_or("E000021")?;
    let nonce = field("Nonce").filter(|n| (1..=128).contains(&n.len())).ok_or("E000022")?;
    let created = field("Created").ok_or("E000023")?;
    let digest = field("PasswordDigest").ok_or("E000024")?;
    let shaped = created.len() == 20 && created.ends_with('Z');
    let at = created.parse::<jiff::Timestamp>().ok().filter(|_| shaped).ok_or("E000025")?.as_millisecond();
    if now_ms.saturating_sub(at).saturating_abs() > WINDOW_MS {
        return Err("E000110");
    }
    if user != app_key {
        return Err("E000102");
    }
    let raw = hash(nonce, created, app_secret);
    let same = |expected: String| bool::from(subtle::ConstantTimeEq::ct_eq(digest.as_bytes(), expected.as_bytes()));
    if same(STANDARD.encode(hex(&raw))) || same(STANDARD.encode(raw)) { Ok(()) } else { Err("E000105") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREATED: &str = "2026-07-21T01:02:03Z";
    const NOW: i64 = 1_784_595_723_000;

    #[test]
    fn the_vector_of_the_reference_is_met() {
        let made = header("hwkey", "hwsecret", "66C92B11FF8A425FB8D4CCFE0ED9ED1F", CREATED);
        let digest = "Y2M0MjEyOGRkMTBiNDlhZDIxMDQ4MGNjMTZiYTRhOGZkODhkMGFlZjVlZWE5NWZhNDJjODk2MjU4Y2Q1N2I4Yg==";
        assert!(made.contains(&format!("PasswordDigest=\"{digest}\"")), "{made}");
        assert_eq!(verify(Some(AUTHORIZATION), Some(&made), "hwkey", "hwsecret", NOW), Ok(()));
    }

    #[test]
    fn both_readings_of_the_digest_are_taken_and_anything_changed_is_not() {
        let made = header("k", "s", "n1", CREATED);
        let raw = format!(
            r#"UsernameToken Username="k", PasswordDigest="{}", Nonce="n1", Created="{CREATED}""#,
            STANDARD.encode(hash("n1", CREATED, "s"))
        );
        let check = |x: &str, now| verify(Some(AUTHORIZATION), Some(x), "k", "s", now);
        assert_eq!((check(&made, NOW), check(&raw, NOW)), (Ok(()), Ok(())));
        assert_eq!(check(&made.replace("n1", "n2"), NOW), Err("E000105"));
        assert_eq!(check(&made.replace("\"k\"", "\"j\""), NOW), Err("E000102"));
        assert_eq!(check(&made, NOW + WINDOW_MS + 1), Err("E000110"));
        assert_eq!(check("UsernameToken Username=\"k\"", NOW), Err("E000022"));
        assert_eq!(verify(None, Some(&made), "k", "s", NOW), Err("E000001"));
        assert_eq!(verify(Some("Basic x"), Some(&made), "k", "s", NOW), Err("E000008"));
    }
}
