//! A secret in configuration: readable on purpose only, never printed.
//!
//! The configuration loader turns `{ file = "…" }` and `{ env = "…" }` into plain text before it
//! gets here, so this type only has to hold the text and to keep it out of logs and dumps.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

/// Text that neither `Debug`, `Display` nor serialisation shows; [`Secret::reveal`] is the only way to it.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }
    /// The text itself. Only for signing, for signing in, and for comparing in constant time.
    pub fn reveal(&self) -> &str {
        &self.0
    }
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// Why this cannot stand in a callback path, or `None` when it can: at least 22 characters of
    /// `A-Z a-z 0-9 - _` (128 bits in base64url; 32 in hexadecimal).
    pub fn fault_as_path_secret(&self) -> Option<&'static str> {
        if self.0.len() < 22 {
            return Some("must be at least 22 characters (128 random bits in base64url; `openssl rand -hex 16` makes one)");
        }
        if !self.0.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
            return Some("may hold only letters, digits, `-` and `_`, because it stands in a URL path");
        }
        let mut seen = [false; 128];
        for b in self.0.bytes() {
            if let Some(slot) = seen.get_mut(usize::from(b)) {
                *slot = true;
            }
        }
        (seen.iter().filter(|s| **s).count() < 8).then_some("repeats a few characters only: take a random one (`openssl rand -hex 16`)")
    }
}
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "(empty)" } else { "(secret)" })
    }
}
impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Text;
        impl de::Visitor<'_> for Text {
            type Value = Secret;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a secret as text (or { file = \"…\" } / { env = \"…\" } in the configuration)")
            }
            // The default error would quote the value; this visitor takes any text, so none is ever quoted.
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Secret, E> {
                Ok(Secret(text.to_string()))
            }
        }
        d.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_printed_nor_serialised() {
        let s = Secret::new("hunter2");
        assert_eq!(format!("{s} {s:?}"), "(secret) (secret)");
        assert_eq!(serde_json::to_string(&s).unwrap(), "\"(secret)\"");
        assert_eq!(serde_json::from_str::<Secret>("\"hunter2\"").unwrap().reveal(), "hunter2");
    }

    #[test]
    fn a_path_secret_must_have_128_bits_and_fit_a_path() {
        assert_eq!(Secret::new("00112233445566778899aabbccddeeff").fault_as_path_secret(), None);
        for weak in ["short", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "00112233445566778899aabb/cddeeff"] {
            assert!(Secret::new(weak).fault_as_path_secret().is_some(), "{weak}");
        }
    }
}
