//! Signed requests as the Standard Webhooks specification has them: `webhook-id`,
//! `webhook-timestamp` (seconds), `webhook-signature: v1,<base64 HMAC-SHA256(id.timestamp.body)>`,
//! several signatures divided by spaces while a secret is being changed.

use crate::core::time::{Span, Time};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, VecDeque};
use subtle::ConstantTimeEq;

/// How far the timestamp may lie from now, either way.
pub const WINDOW: Span = Span::mins(5);

/// How many ids are remembered at most; older ones are let go first.
const REMEMBERED: usize = 100_000;

/// Why a signed request is not accepted. Says what to do, never which secret was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    #[error("webhook-id, webhook-timestamp and webhook-signature must all be given, once each")]
    Headers,
    #[error("webhook-timestamp is not a number of seconds since 1970")]
    Timestamp,
    #[error("webhook-timestamp is more than five minutes away from the gateway's clock: check the clock, sign anew")]
    Window,
    #[error("webhook-signature fits no issuer's secret; sign `id.timestamp.body` byte for byte as sent")]
    Signature,
}

/// An issuer's signing key.
#[derive(Clone)]
pub struct Key(Vec<u8>);

impl Key {
    /// From `whsec_<base64>`. `None` when it is not one.
    pub fn parse(secret: &str) -> Option<Key> {
        let bytes = STANDARD.decode(secret.strip_prefix("whsec_")?).ok()?;
        (bytes.len() >= 16).then_some(Key(bytes))
    }

    /// `v1,…` over these bytes: also what outbound events are signed by.
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        format!("v1,{}", STANDARD.encode(self.mac(id, &timestamp.to_string(), body)))
    }

    fn mac(&self, id: &str, timestamp: &str, body: &[u8]) -> Vec<u8> {
        // HMAC takes keys of any length, so this cannot fail; an empty MAC fits no signature.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return Vec::new() };
        for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
            mac.update(part);
        }
        mac.finalize().into_bytes().to_vec()
    }
}

/// The three headers of a signed request.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    pub id: &'a str,
    pub timestamp: &'a str,
    pub signature: &'a str,
}

impl<'a> Signed<'a> {
    /// `None` where the request is not signed at all; `Headers` where it is so by halves.
    pub fn from_headers(headers: &'a axum::http::HeaderMap) -> Option<Result<Signed<'a>, Rejected>> {
        let all = ["webhook-id", "webhook-timestamp", "webhook-signature"];
        if !all.iter().any(|name| headers.contains_key(*name)) {
            return None;
        }
        let one = |name: &str| {
            let mut values = headers.get_all(name).iter();
            let value = values.next()?.to_str().ok()?.trim();
            (values.next().is_none() && !value.is_empty() && value.len() <= 4096).then_some(value)
        };
        let [id, timestamp, signature] = all.map(one);
        Some(match (id, timestamp, signature) {
            (Some(id), Some(timestamp), Some(signature)) => Ok(Signed { id, timestamp, signature }),
            _ => Err(Rejected::Headers),
        })
    }

    /// Whether the time fits; to be asked before any secret is tried.
    pub fn in_window(&self, now: Time) -> Result<(), Rejected> {
        let seconds: i64 = self.timestamp.parse().map_err(|_| Rejected::Timestamp)?;
        let at = Time(seconds.checked_mul(1000).ok_or(Rejected::Timestamp)?);
        if (now - at).0.saturating_abs() > WINDOW.0 { Err(Rejected::Window) } else { Ok(()) }
    }

    /// Whether one of the signatures is this key's. Compared in constant time.
    pub fn fits(&self, key: &Key, body: &[u8]) -> bool {
        let wanted = key.mac(self.id, self.timestamp, body);
        let mut fits = false;
        for given in self.signature.split(' ').filter_map(|s| s.strip_prefix("v1,")) {
            if let Ok(given) = STANDARD.decode(given) {
                fits |= bool::from(given.as_slice().ct_eq(&wanted));
            }
        }
        fits && !wanted.is_empty()
    }
}

/// What an id was used for before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    First,
    /// The very same message: handled again, which changes nothing (intake knows it by its identity).
    Again,
    /// Another message under a used id: refused.
    Other,
}

/// Ids seen within the window. A replay outside it fails by its timestamp.
#[derive(Default)]
pub struct Seen {
    by_id: BTreeMap<(String, String), [u8; 32]>,
    order: VecDeque<(Time, (String, String))>,
}

impl Seen {
    /// Notes that `issuer` used this id for this body.
    pub fn note(&mut self, issuer: &str, id: &str, body: &[u8], now: Time) -> Use {
        // Twice the window: an id signed five minutes ahead stays usable for ten.
        while let Some((at, _)) = self.order.front()
            && ((now - *at).0 > 2 * WINDOW.0 || self.order.len() > REMEMBERED)
        {
            if let Some((_, key)) = self.order.pop_front() {
                self.by_id.remove(&key);
            }
        }
        let digest: [u8; 32] = Sha256::digest(body).into();
        let key = (issuer.to_string(), id.to_string());
        match self.by_id.get(&key) {
            Some(old) if *old == digest => Use::Again,
            Some(_) => Use::Other,
            None => {
                self.by_id.insert(key.clone(), digest);
                self.order.push_back((now, key));
                Use::First
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's reference libraries.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn signed(signature: &str) -> Signed<'_> {
        Signed { id: ID, timestamp: "1614265330", signature }
    }

    #[test]
    fn the_specifications_own_example_fits() {
        let key = Key::parse(SECRET).unwrap();
        assert!(signed(SIGNATURE).fits(&key, BODY));
        assert_eq!(key.sign(ID, 1_614_265_330, BODY), SIGNATURE);
    }

    #[test]
    fn one_of_several_signatures_is_enough_and_a_changed_byte_fits_none() {
        let key = Key::parse(SECRET).unwrap();
        let both = format!("v1,AAAA v2,xyz {SIGNATURE}");
        assert!(signed(&both).fits(&key, BODY));
        assert!(!signed(SIGNATURE).fits(&key, b"{\"test\": 2432232315}"));
        assert!(!signed("v1,").fits(&key, BODY));
        assert!(!signed("").fits(&key, BODY));
        let other = Key::parse("whsec_QUJDREVGR0hJSktMTU5PUFFSU1RVVldY").unwrap();
        assert!(!signed(SIGNATURE).fits(&other, BODY));
    }

    #[test]
    fn the_window_is_five_minutes_either_way() {
        let at = |s: i64| Time(s * 1000);
        let s = signed(SIGNATURE);
        assert_eq!(s.in_window(at(1_614_265_330 + 300)), Ok(()));
        assert_eq!(s.in_window(at(1_614_265_330 - 300)), Ok(()));
        assert_eq!(s.in_window(at(1_614_265_330 + 301)), Err(Rejected::Window));
        assert_eq!(s.in_window(at(1_614_265_330 - 301)), Err(Rejected::Window));
        for odd in ["", "x", "99999999999999999999", "9223372036854775807"] {
            assert_eq!(Signed { timestamp: odd, ..s }.in_window(at(0)), Err(Rejected::Timestamp), "{odd}");
        }
    }

    #[test]
    fn an_id_used_again_for_the_same_message_is_known_and_for_another_is_told() {
        let mut seen = Seen::default();
        assert_eq!(seen.note("a", "1", b"x", Time(0)), Use::First);
        assert_eq!(seen.note("a", "1", b"x", Time(1)), Use::Again);
        assert_eq!(seen.note("a", "1", b"y", Time(2)), Use::Other);
        assert_eq!(seen.note("b", "1", b"y", Time(2)), Use::First);
        assert_eq!(seen.note("a", "1", b"y", Time(2 * WINDOW.0 + 3)), Use::First);
    }

    #[test]
    fn half_signed_is_not_signed() {
        let mut headers = axum::http::HeaderMap::new();
        assert!(Signed::from_headers(&headers).is_none());
        headers.insert("webhook-id", "1".parse().unwrap());
        assert_eq!(Signed::from_headers(&headers).unwrap().unwrap_err(), Rejected::Headers);
    }
}
