//! Charsets, hashes and signatures that carriers ask for. Pure: times and nonces come in as values.

use super::fill::{Template, Values};
use crate::channel::sign::hex;
use base64::Engine as _;
use hmac::Hmac;
use md5::Md5;
use serde::Deserialize;
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// What bytes a text becomes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) enum Charset {
    #[default]
    #[serde(rename = "utf-8")]
    Utf8,
    #[serde(rename = "gbk")]
    Gbk,
}
impl Charset {
    /// `Err` names the first character that GBK does not have: better said than sent as a question mark.
    pub fn encode(self, text: &str) -> Result<Vec<u8>, String> {
        match self {
            Charset::Utf8 => Ok(text.as_bytes().to_vec()),
            Charset::Gbk => match encoding_rs::GBK.encode(text) {
                (bytes, _, false) => Ok(bytes.into_owned()),
                _ => {
                    let strange = text.chars().find(|c| encoding_rs::GBK.encode(c.encode_utf8(&mut [0; 4])).2).unwrap_or('?');
                    Err(format!("`{strange}` (U+{:04X}) cannot be written in GBK", u32::from(strange)))
                }
            },
        }
    }
    /// Bytes to text: what is no such charset is read as the other one, then by replacement.
    pub fn decode(self, bytes: &[u8]) -> String {
        if let Ok(text) = std::str::from_utf8(bytes) {
            return text.trim_start_matches('\u{FEFF}').to_string();
        }
        encoding_rs::GB18030.decode_without_bom_handling(bytes).0.into_owned()
    }
    /// RFC 3986 over the charset's bytes.
    pub fn percent(self, text: &str) -> Result<String, String> {
        let mut out = String::new();
        for b in self.encode(text)? {
            if b.is_ascii_alphanumeric() || b"-_.~".contains(&b) {
                out.push(char::from(b));
            } else {
                out.push('%');
                out.push_str(&hex(&[b]).to_ascii_uppercase());
            }
        }
        Ok(out)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Hash {
    Md5,
    Sha1,
    Sha256,
    HmacSha1,
    HmacSha256,
}
impl Hash {
    pub fn keyed(self) -> bool {
        matches!(self, Hash::HmacSha1 | Hash::HmacSha256)
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Encode {
    #[default]
    Hex,
    HexUpper,
    Base64,
}

pub(super) fn base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
pub(super) fn hex_of(hash: Hash, bytes: &[u8]) -> String {
    hex(&digest(hash, b"", bytes))
}

/// The raw digest; `key` only where the hash has one.
pub(super) fn digest(hash: Hash, key: &[u8], bytes: &[u8]) -> Vec<u8> {
    use crate::channel::sign::mac;
    match hash {
        Hash::Md5 => Md5::digest(bytes).to_vec(),
        Hash::Sha1 => Sha1::digest(bytes).to_vec(),
        Hash::Sha256 => Sha256::digest(bytes).to_vec(),
        Hash::HmacSha1 => mac::<Hmac<Sha1>>(key, bytes),
        Hash::HmacSha256 => mac::<Hmac<Sha256>>(key, bytes),
    }
}

/// What is hashed.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Signed {
    /// One text, put together in the file.
    Text(Template),
    /// All parameters by name (those that hold the signature left out), between `before` and `after`.
    Sorted(Sorted),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sorted {
    pub before: Template,
    pub after: Template,
    /// Between two parameters, and between name and value.
    pub join: String,
    pub pair: String,
    /// Values alone, without their names.
    pub values_only: bool,
    pub skip: Vec<String>,
    pub skip_empty: bool,
    /// Values percent-encoded before they are hashed.
    pub encoded: bool,
}

/// How a request (or a callback) is signed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Scheme {
    pub signed: Signed,
    pub hash: Hash,
    pub key: Option<Template>,
    pub encode: Encode,
}

impl Scheme {
    /// `parameters` in any order, as plain text.
    pub fn sign(&self, values: &dyn Values, parameters: &[(String, String)], charset: Charset) -> Result<String, String> {
        let text = match &self.signed {
            Signed::Text(t) => t.plain(values, charset)?,
            Signed::Sorted(s) => {
                let left_out = |k: &String, v: &str| s.skip.contains(k) || (s.skip_empty && v.is_empty());
                let mut all: Vec<&(String, String)> = parameters.iter().filter(|(k, v)| !left_out(k, v)).collect();
                all.sort();
                let mut middle = Vec::with_capacity(all.len());
                for (name, value) in all {
                    let value = if s.encoded { charset.percent(value)? } else { value.clone() };
                    middle.push(if s.values_only { value } else { format!("{name}{}{value}", s.pair) });
                }
                format!("{}{}{}", s.before.plain(values, charset)?, middle.join(&s.join), s.after.plain(values, charset)?)
            }
        };
        let key = self.key.as_ref().map(|k| k.plain(values, charset)).transpose()?.unwrap_or_default();
        let raw = digest(self.hash, key.as_bytes(), &charset.encode(&text)?);
        Ok(match self.encode {
            Encode::Hex => hex(&raw),
            Encode::HexUpper => hex(&raw).to_ascii_uppercase(),
            Encode::Base64 => base64(&raw),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nothing;
    impl Values for Nothing {
        fn value(&self, name: &str) -> Option<String> {
            (name == "secret.key").then(|| "192006250b4c09247ec02edce69f6a2d".to_string())
        }
    }

    #[test]
    fn hashes_are_those_of_their_standards() {
        assert_eq!(hex_of(Hash::Md5, b""), "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(hex_of(Hash::Sha1, b"abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
        // RFC 2202 and RFC 4231, case 2.
        assert_eq!(hex(&digest(Hash::HmacSha1, b"Jefe", b"what do ya want for nothing?")), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
        assert_eq!(
            hex(&digest(Hash::HmacSha256, b"Jefe", b"what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    /// The worked example that WeChat Pay's public documentation gives for sorted parameters with a key.
    #[test]
    fn sorted_parameters_give_the_documented_signature() {
        let none = Template::parse("").unwrap();
        let sorted = Sorted {
            before: none.clone(),
            after: Template::parse("&key={{secret.key}}").unwrap(),
            join: "&".into(),
            pair: "=".into(),
            values_only: false,
            skip: vec!["sign".into()],
            skip_empty: true,
            encoded: false,
        };
        let scheme = Scheme { signed: Signed::Sorted(sorted), hash: Hash::Md5, key: None, encode: Encode::HexUpper };
        let parameters: Vec<(String, String)> = [
            ("nonce_str", "ibuaiVcKdpRxkhJA"),
            ("appid", "wxd930ea5d5a258f4f"),
            ("mch_id", "10000100"),
            ("device_info", "1000"),
            ("body", "test"),
            ("sign", "x"),
            ("empty", ""),
        ]
        .map(|(a, b)| (a.to_string(), b.to_string()))
        .to_vec();
        assert_eq!(scheme.sign(&Nothing, &parameters, Charset::Utf8).unwrap(), "9A0A8659F005D6984697E2CA0A9CF3B7");
    }

    #[test]
    fn gbk_is_written_byte_for_byte_and_what_it_lacks_is_named() {
        assert_eq!(Charset::Gbk.encode("暴雨").unwrap(), [0xB1, 0xA9, 0xD3, 0xEA]);
        assert_eq!(Charset::Gbk.decode(&[0xB1, 0xA9, 0xD3, 0xEA]), "暴雨");
        assert!(Charset::Gbk.encode("雨😀").unwrap_err().contains("1F600"));
        assert_eq!(Charset::Gbk.percent("雨~ ").unwrap(), "%D3%EA~%20");
    }
}
