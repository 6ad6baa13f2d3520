//! Ids that leave the house and cannot be guessed: an attempt's reference (15 base62 characters, what
//! the shortest provider field holds) and a contact's link token (22). Both carry the id itself and a
//! MAC of it, so that they are found without an index and cannot be made up.

use crate::core::ids::{AttemptId, CalloutId, WarningId};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const WARNING_BITS: u32 = 18;
const ORDINAL_BITS: u32 = 21;
const ATTEMPT_BITS: u32 = 12;
const ATTEMPT_MAC_BITS: u32 = 38;
const CONTACT_BITS: u32 = 8;
const TOKEN_MAC_BITS: u32 = 80;

/// Attempts of one callout that can be named to a provider.
pub const MAX_ATTEMPTS: u16 = (1 << ATTEMPT_BITS) - 1;

/// Makes and checks references with one secret key.
#[derive(Clone)]
pub struct References {
    mac: Hmac<Sha256>,
}

impl References {
    pub fn new(key: &[u8; 32]) -> References {
        // A 32-byte key is always of a valid length.
        References { mac: Hmac::<Sha256>::new_from_slice(key).unwrap_or_else(|_| unreachable!("HMAC takes keys of any length")) }
    }

    fn tag(&self, purpose: u8, id: u128, bits: u32) -> u128 {
        let mut mac = self.mac.clone();
        mac.update(&[purpose]);
        mac.update(&id.to_be_bytes());
        let out = mac.finalize().into_bytes();
        let mut first = [0u8; 16];
        first.copy_from_slice(&out[..16]);
        u128::from_be_bytes(first) >> (128 - bits)
    }

    /// The reference a provider echoes back for this attempt.
    pub fn attempt(&self, a: AttemptId) -> String {
        let id = (u128::from(a.callout.warning.0) << (ORDINAL_BITS + ATTEMPT_BITS))
            | (u128::from(a.callout.ordinal) << ATTEMPT_BITS)
            | u128::from(a.n.min(MAX_ATTEMPTS));
        base62((id << ATTEMPT_MAC_BITS) | self.tag(b'a', id, ATTEMPT_MAC_BITS), 15)
    }

    /// The attempt a reference names; `None` for anything we did not make.
    pub fn read_attempt(&self, text: &str) -> Option<AttemptId> {
        let all = unbase62(text, 15)?;
        let id = all >> ATTEMPT_MAC_BITS;
        if id >> (WARNING_BITS + ORDINAL_BITS + ATTEMPT_BITS) != 0 || self.tag(b'a', id, ATTEMPT_MAC_BITS) != all & mask(ATTEMPT_MAC_BITS) {
            return None;
        }
        let n = (id & mask(ATTEMPT_BITS)) as u16;
        let ordinal = ((id >> ATTEMPT_BITS) & mask(ORDINAL_BITS)) as u32;
        let warning = (id >> (ATTEMPT_BITS + ORDINAL_BITS)) as u32;
        Some(AttemptId { callout: CalloutId::new(WarningId(warning), ordinal), n })
    }

    /// The token of a contact's link.
    pub fn token(&self, callout: CalloutId, contact: u8) -> String {
        let id = (u128::from(callout.warning.0) << (ORDINAL_BITS + CONTACT_BITS))
            | (u128::from(callout.ordinal) << CONTACT_BITS)
            | u128::from(contact);
        base62((id << TOKEN_MAC_BITS) | self.tag(b't', id, TOKEN_MAC_BITS), 22)
    }

    /// The callout and contact a token opens.
    pub fn read_token(&self, text: &str) -> Option<(CalloutId, u8)> {
        let all = unbase62(text, 22)?;
        let id = all >> TOKEN_MAC_BITS;
        if id >> (WARNING_BITS + ORDINAL_BITS + CONTACT_BITS) != 0 || self.tag(b't', id, TOKEN_MAC_BITS) != all & mask(TOKEN_MAC_BITS) {
            return None;
        }
        let contact = (id & mask(CONTACT_BITS)) as u8;
        let ordinal = ((id >> CONTACT_BITS) & mask(ORDINAL_BITS)) as u32;
        let warning = (id >> (CONTACT_BITS + ORDINAL_BITS)) as u32;
        Some((CalloutId::new(WarningId(warning), ordinal), contact))
    }
}

fn mask(bits: u32) -> u128 {
    (1u128 << bits) - 1
}

fn base62(mut n: u128, width: usize) -> String {
    let mut out = vec![b'0'; width];
    for slot in out.iter_mut().rev() {
        *slot = DIGITS[(n % 62) as usize];
        n /= 62;
    }
    out.into_iter().map(char::from).collect()
}

fn unbase62(text: &str, width: usize) -> Option<u128> {
    if text.len() != width {
        return None;
    }
    text.bytes().try_fold(0u128, |n, b| {
        let digit = match b {
            b'0'..=b'9' => b - b'0',
            b'A'..=b'Z' => b - b'A' + 10,
            b'a'..=b'z' => b - b'a' + 36,
            _ => return None,
        };
        n.checked_mul(62)?.checked_add(u128::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::ids::{MAX_ORDINAL, MAX_WARNING};

    #[test]
    fn references_fit_fifteen_characters_and_read_back() {
        let r = References::new(&[7; 32]);
        for (w, o, n) in [(1, 0, 1), (12, 345, 3), (MAX_WARNING, MAX_ORDINAL, MAX_ATTEMPTS)] {
            let a = AttemptId { callout: CalloutId::new(WarningId(w), o), n };
            let text = r.attempt(a);
            assert_eq!(text.len(), 15);
            assert_eq!(r.read_attempt(&text), Some(a));
            let t = r.token(a.callout, 5);
            assert_eq!((t.len(), r.read_token(&t)), (22, Some((a.callout, 5))));
        }
    }

    #[test]
    fn a_changed_or_foreign_reference_names_nothing() {
        let r = References::new(&[7; 32]);
        let text = r.attempt(AttemptId { callout: CalloutId::new(WarningId(1), 1), n: 1 });
        for i in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[i] = if bytes[i] == b'0' { b'1' } else { b'0' };
            assert_eq!(r.read_attempt(std::str::from_utf8(&bytes).unwrap()), None);
        }
        assert_eq!(References::new(&[8; 32]).read_attempt(&text), None);
        assert_eq!(r.read_attempt("zzzzzzzzzzzzzzz"), None);
        assert_eq!(r.read_token(""), None);
        assert_eq!(r.read_token("中文中文中文中文中文中文中文"), None);
    }
}
