//! Which characters the bytes mean. Chinese offices still write GBK, some say so wrongly, some add a
//! byte order mark. Order of trust: the mark, then being valid UTF-8, then what HTTP and the document
//! declare, then GB18030 if every byte fits. Whatever contradicts a declaration is a finding.

use super::{notes::Notes, text::quote};
use crate::core::warning::Refusal;
use encoding_rs::{Encoding, GB18030, UTF_8, UTF_16BE, UTF_16LE};
use std::borrow::Cow;

/// JSON is UTF-8 by its standard; GBK is read when it is declared or is all that fits.
pub(super) fn decode_json<'a>(http: Option<&str>, body: &'a [u8], notes: &mut Notes) -> Result<Cow<'a, str>, Refusal> {
    decode(http, None, body, false, notes)
}

/// XML declares its encoding in its first line; HTTP's word stands above that.
pub(super) fn decode_xml<'a>(http: Option<&str>, body: &'a [u8], notes: &mut Notes) -> Result<Cow<'a, str>, Refusal> {
    decode(http, declared(body), body, true, notes)
}

fn decode<'a>(http: Option<&str>, declared: Option<&str>, body: &'a [u8], mend: bool, notes: &mut Notes) -> Result<Cow<'a, str>, Refusal> {
    if let Some((encoding, mark)) = Encoding::for_bom(body) {
        let rest = body.get(mark..).unwrap_or_default();
        return encoding.decode_without_bom_handling_and_without_replacement(rest).ok_or_else(|| {
            Refusal::Malformed(format!("the body begins with the byte order mark of {} but is not {}", encoding.name(), encoding.name()))
        });
    }
    let named: Vec<&'static Encoding> = [http, declared].into_iter().flatten().filter_map(|n| known(n, notes)).collect();
    if let Ok(text) = std::str::from_utf8(body) {
        // Latin text in UTF-16 is valid UTF-8 with zeros in it.
        let wide = named.iter().find(|e| **e == UTF_16LE || **e == UTF_16BE);
        if let (Some(wide), true) = (wide, body.contains(&0))
            && let Some(text) = wide.decode_without_bom_handling_and_without_replacement(body)
        {
            return Ok(text);
        }
        if let Some(other) = named.iter().find(|e| **e != UTF_8 && !text.is_ascii()) {
            notes.add("charset", format!("报文声明编码为 {}，实际内容是 UTF-8，已按 UTF-8 读取", other.name()));
        }
        return Ok(Cow::Borrowed(text));
    }
    // One-byte encodings fit any bytes (and servers name ISO-8859-1 by habit), so they come last.
    let (narrow, wide): (Vec<&Encoding>, Vec<&Encoding>) = named.iter().copied().filter(|e| *e != UTF_8).partition(|e| e.is_single_byte());
    for encoding in wide.into_iter().chain(narrow) {
        if let Some(text) = encoding.decode_without_bom_handling_and_without_replacement(body) {
            return Ok(text);
        }
    }
    if let Some(text) = GB18030.decode_without_bom_handling_and_without_replacement(body) {
        notes.add("charset", "报文不是有效的 UTF-8，已按 GB18030（GBK）读取");
        return Ok(text);
    }
    // A few broken bytes must not stop a warning whose encoding is known.
    match named.first() {
        Some(encoding) if mend => {
            let (text, _) = encoding.decode_without_bom_handling(body);
            notes.add("charset", format!("报文中有 {} 编码无法识别的字节，已用 \u{FFFD} 代替", encoding.name()));
            Ok(text)
        }
        _ => Err(Refusal::Malformed("the body is neither UTF-8 nor GB18030; send UTF-8, or name the charset in Content-Type".into())),
    }
}

/// The encoding of a declared name; a name nobody knows is a finding and no reason to stop.
fn known(name: &str, notes: &mut Notes) -> Option<&'static Encoding> {
    let found = Encoding::for_label_no_replacement(name.as_bytes());
    // GBK and GB2312 are parts of GB18030, and senders use characters beyond what they declare.
    let found = found.map(|e| if e == encoding_rs::GBK { GB18030 } else { e });
    if found.is_none() {
        notes.add("charset", format!("报文声明了不认识的编码“{}”，已忽略该声明", quote(name)));
    }
    found
}

/// The `encoding` of the XML declaration, if the body begins with one in an ASCII-like encoding.
fn declared(body: &[u8]) -> Option<&str> {
    let head = body.get(..body.len().min(400))?;
    let start = head.iter().position(|b| !b.is_ascii_whitespace())?;
    let head = head.get(start..)?;
    if !head.starts_with(b"<?xml") {
        return None;
    }
    let end = head.windows(2).position(|w| w == b"?>")?;
    let decl = std::str::from_utf8(head.get(..end)?).ok()?;
    let (_, after) = decl.split_once("encoding")?;
    let after = after.trim_start().strip_prefix('=')?.trim_start();
    let mark = after.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    after.get(1..)?.split(mark).next().map(str::trim).filter(|n| !n.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn xml(http: Option<&str>, body: &[u8]) -> (String, usize) {
        let mut notes = Notes::default();
        let text = decode_xml(http, body, &mut notes).unwrap().into_owned();
        (text, notes.finish().len())
    }

    #[test]
    fn gbk_is_read_when_declared_when_http_says_so_and_when_nobody_says_so() {
        let text = "<?xml version=\"1.0\" encoding='gb2312'?><a>暴雨红色预警</a>";
        let gbk = encoding_rs::GBK.encode(text).0;
        assert_eq!(xml(None, &gbk), (text.to_string(), 0));
        let bare = encoding_rs::GBK.encode("<a>暴雨红色预警</a>").0;
        assert_eq!(xml(Some("GBK"), &bare), ("<a>暴雨红色预警</a>".to_string(), 0));
        assert_eq!(xml(None, &bare), ("<a>暴雨红色预警</a>".to_string(), 1));
    }

    #[test]
    fn a_wrong_declaration_does_not_garble_utf8() {
        let text = "<?xml version=\"1.0\" encoding=\"GBK\"?><a>暴雨</a>";
        assert_eq!(xml(None, text.as_bytes()), (text.to_string(), 1));
        assert_eq!(xml(Some("martian"), "<a>é</a>".as_bytes()), ("<a>é</a>".to_string(), 1));
    }

    #[test]
    fn byte_order_marks_are_obeyed_and_removed() {
        assert_eq!(xml(None, b"\xEF\xBB\xBF<a/>").0, "<a/>");
        assert_eq!(xml(None, b"\xFF\xFE<\0a\0/\0>\0").0, "<a/>");
        assert_eq!(xml(Some("utf-16le"), b"<\0a\0/\0>\0").0, "<a/>");
        assert_eq!(xml(None, b"<?xml version='1.0' encoding='ISO-8859-1'?><a>\xE9</a>").0.chars().rev().nth(4), Some('é'));
    }

    #[test]
    fn json_that_is_no_text_is_refused() {
        let mut notes = Notes::default();
        assert!(decode_json(None, b"{\"a\":\"\xFF\xFF\"}", &mut notes).is_err());
    }
}
