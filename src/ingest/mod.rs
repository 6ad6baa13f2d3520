//! Bytes from outside become core types here: warnings as native JSON, CAP or the national 国突 format.
//!
//! Who lives here: one reader per source format, mappings for all others (`adapt`), and what they share (charset, text, shapes, words).
//! What they may touch: the bytes and `core`. What they never do: IO, read a clock, guess silently.
//! The law of the room: what is merely odd becomes a [`Finding`](crate::core::warning::Finding) that a
//! person sees and the rest is read; what cannot be a warning is refused whole, with every reason.
//! Findings are for the duty room and in Chinese; refusals are for the sending program and in English.

pub mod adapt;
pub mod cap;
mod charset;
mod check;
pub mod json;
mod merge;
pub mod national;
mod notes;
mod shape;
pub mod sheet;
mod text;
mod words;
pub mod xml;
pub mod xmldsig;

use crate::core::warning::{Content, FieldError, Parsed, Refusal};
use notes::Notes;
use sha2::{Digest, Sha256};

pub use cap::write_cap;
pub use xmldsig::Pinned;

/// The largest body that is read, in bytes: 4 MiB. Real warnings with embedded polygons reach some hundred kB.
pub const MAX_BODY: usize = 4 * 1024 * 1024;

/// The shape of a posted body, by its Content-Type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceFormat {
    /// The native JSON warning of the contract.
    Json,
    /// CAP 1.0, 1.1, 1.2 or the national format: told apart by the document itself.
    Xml,
}

impl SourceFormat {
    /// Reads a Content-Type header: the format and its `charset` parameter, if it has one.
    /// `None` means the type is not one that warnings come in (415).
    pub fn from_content_type(value: &str) -> Option<(SourceFormat, Option<&str>)> {
        let mut parts = value.split(';');
        let essence = parts.next()?.trim();
        let is = |name: &str| essence.eq_ignore_ascii_case(name);
        let format = if is("application/json") {
            SourceFormat::Json
        } else if is("application/cap+xml") || is("application/xml") || is("text/xml") {
            SourceFormat::Xml
        } else {
            return None;
        };
        let charset = parts.find_map(|p| {
            let (name, value) = p.split_once('=')?;
            name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches(['"', '\'']))
        });
        Some((format, charset.filter(|c| !c.is_empty())))
    }
}

/// Reads a posted body of an issuer with no pinned keys; see [`read_proved`].
///
/// # Errors
/// [`Refusal::Malformed`] (400) when the bytes are not a document of that format or break one of its
/// limits; [`Refusal::Invalid`] (422) when they are, but no warning can be made of them.
pub fn read(format: SourceFormat, charset: Option<&str>, body: &[u8], sender_default: &str) -> Result<Parsed, Refusal> {
    read_proved(format, charset, body, sender_default, None)
}

/// Reads a posted body. `charset` is what the Content-Type said; `sender_default` is the issuer's id:
/// the sender of native JSON, and of XML that names none. With `pinned` keys a signed XML message is read out of
/// what the signature covers; without them that it was not checked is a finding.
///
/// # Errors
/// As [`read`]'s, and [`Refusal::Unproven`] (403) when a signature fits no pinned key, or is required and missing.
pub fn read_proved(
    format: SourceFormat,
    charset: Option<&str>,
    body: &[u8],
    sender_default: &str,
    pinned: Option<&Pinned>,
) -> Result<Parsed, Refusal> {
    if body.len() > MAX_BODY {
        return Err(Refusal::Malformed(format!("the body has {} bytes; at most {MAX_BODY} are read", body.len())));
    }
    let mut notes = Notes::default();
    match format {
        SourceFormat::Json => {
            if pinned.is_some_and(|p| p.required) {
                return Err(unsigned("JSON"));
            }
            let text = charset::decode_json(charset, body, &mut notes)?;
            json::read(&text, sender_default, notes)
        }
        SourceFormat::Xml => {
            let text = charset::decode_xml(charset, body, &mut notes)?;
            let root = xml::read(&text)?;
            if root.name != "alert" {
                return Err(not_an_alert(&root.name));
            }
            let root = proved(&text, root, pinned, &mut notes)?;
            if national::is_national(&root) {
                national::read(&root, sender_default, notes)
            } else {
                cap::read(&root, sender_default, notes)
            }
        }
    }
}

/// What may be read of a document: with pinned keys, what its signature covers.
fn proved(text: &str, root: xml::Node, pinned: Option<&Pinned>, notes: &mut Notes) -> Result<xml::Node, Refusal> {
    match (xmldsig::is_signed(&root), pinned) {
        (false, Some(p)) if p.required => Err(unsigned("a message without an XML signature")),
        (false, Some(_)) => {
            notes.add("unsigned", "该发布单位配置了签名公钥，本报文没有签名");
            Ok(root)
        }
        (false, None) => Ok(root),
        (true, None) => {
            notes.add("signature_unchecked", "报文带有 XML 签名，但没有为该发布单位配置公钥，签名未核验");
            Ok(root)
        }
        (true, Some(p)) => {
            let canonical = xmldsig::verified(text, &root, p)
                .map_err(|why| Refusal::Unproven(format!("the XML signature does not prove this message: {why}")))?;
            let signed = xml::read(&canonical)?;
            // The canonical form of an `alert` is an `alert`; checked because everything after builds on it.
            if signed.name == "alert" { Ok(signed) } else { Err(not_an_alert(&signed.name)) }
        }
    }
}

fn unsigned(what: &str) -> Refusal {
    Refusal::Unproven(format!("{what} does not come in: this issuer's messages must bear an XML signature of a pinned key"))
}

/// SHA-256 (hex) of the parsed content: two messages with the same identity and digest are the same
/// message, whatever bytes they came as.
pub fn digest(content: &Content) -> String {
    // Field order is the struct's and maps are sorted, so the text is canonical. It cannot fail: all map
    // keys are strings; the fallback only keeps this total.
    let canonical = serde_json::to_vec(content).unwrap_or_else(|_| format!("{content:?}").into_bytes());
    Sha256::digest(&canonical).iter().map(|b| format!("{b:02x}")).collect()
}

fn not_an_alert(root: &str) -> Refusal {
    let what = match root {
        "feed" | "rss" => "a feed; post each alert of it as a body of its own",
        "EDXLDistribution" => "an EDXL-DE envelope; post the alert inside it as a body of its own",
        "alerts" => "a list of alerts; post each as a body of its own",
        _ => "no warning; the root element must be `alert`",
    };
    refuse(&format!("/{}", text::quote(root)), format!("this is {what}"))
}

/// A refusal with one reason.
fn refuse(pointer: &str, detail: impl Into<String>) -> Refusal {
    Refusal::Invalid(vec![FieldError { pointer: pointer.to_string(), detail: detail.into() }])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_type_decides_the_format_and_may_name_a_charset() {
        let of = SourceFormat::from_content_type;
        assert_eq!(of("application/json"), Some((SourceFormat::Json, None)));
        assert_eq!(of("Application/JSON; Charset=\"utf-8\""), Some((SourceFormat::Json, Some("utf-8"))));
        assert_eq!(of("application/cap+xml"), Some((SourceFormat::Xml, None)));
        assert_eq!(of("text/xml;q=1; charset=GBK"), Some((SourceFormat::Xml, Some("GBK"))));
        assert_eq!(of("application/xml;charset="), Some((SourceFormat::Xml, None)));
        for other in ["text/plain", "application/jsonx", "", "multipart/form-data; boundary=x"] {
            assert_eq!(of(other), None, "{other}");
        }
    }

    #[test]
    fn a_body_over_the_limit_is_refused_before_it_is_parsed() {
        let body = vec![b' '; MAX_BODY + 1];
        assert!(matches!(read(SourceFormat::Json, None, &body, "x"), Err(Refusal::Malformed(_))));
    }
}
