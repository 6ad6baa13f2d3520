//! Reading a mail as far as the demo and tests need it: subject, text, HTML, Message-ID. Lenient:
//! what cannot be decoded is kept as it came.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Serialize;

/// A mail the sink took.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct MailMessage {
    /// Of the envelope.
    pub from: String,
    pub to: Vec<String>,
    pub subject: String,
    pub message_id: String,
    /// The `From` header, decoded.
    pub sender: String,
    pub text: String,
    pub html: String,
    pub raw: String,
}

/// Reads headers and parts of a mail with CRLF line ends.
pub fn read(from: String, to: Vec<String>, raw: &[u8]) -> MailMessage {
    let raw = String::from_utf8_lossy(raw).into_owned();
    let mut message = MailMessage { from, to, raw, ..MailMessage::default() };
    let raw = message.raw.clone();
    let (headers, body) = split(&raw);
    message.subject = decode_words(&field(&headers, "subject"));
    message.sender = decode_words(&field(&headers, "from"));
    message.message_id = field(&headers, "message-id");
    parts(&headers, body, &mut message, 0);
    message
}

type Headers = Vec<(String, String)>;

/// Unfolded headers with lower-case names, and the body.
fn split(text: &str) -> (Headers, &str) {
    let (head, body) = match text.strip_prefix("\r\n") {
        Some(body) => ("", body),
        None => text.split_once("\r\n\r\n").unwrap_or((text, "")),
    };
    let mut headers: Headers = Vec::new();
    for line in head.split("\r\n") {
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = headers.last_mut() {
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            headers.push((name.trim().to_ascii_lowercase(), value.trim().to_string()));
        }
    }
    (headers, body)
}

fn field(headers: &Headers, name: &str) -> String {
    headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone()).unwrap_or_default()
}

fn parts(headers: &Headers, body: &str, message: &mut MailMessage, depth: usize) {
    let content_type = field(headers, "content-type");
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if kind.starts_with("multipart/") {
        let Some(boundary) = parameter(&content_type, "boundary").filter(|_| depth < 5) else { return };
        let marker = format!("--{boundary}");
        let body = format!("\r\n{body}");
        for part in body.split(&format!("\r\n{marker}")).skip(1) {
            if part.starts_with("--") {
                break;
            }
            let (headers, body) = split(part.strip_prefix("\r\n").unwrap_or(part));
            parts(&headers, body, message, depth + 1);
        }
        return;
    }
    let decoded = match field(headers, "content-transfer-encoding").to_ascii_lowercase().as_str() {
        "base64" => String::from_utf8_lossy(&base64(body.as_bytes())).into_owned(),
        "quoted-printable" => String::from_utf8_lossy(&quoted_printable(body, false)).into_owned(),
        _ => body.to_string(),
    };
    let decoded = decoded.replace("\r\n", "\n").trim_end_matches('\n').to_string();
    match kind.as_str() {
        "text/html" => message.html = decoded,
        "" | "text/plain" => message.text = decoded,
        _ => {}
    }
}

fn parameter(content_type: &str, name: &str) -> Option<String> {
    content_type.split(';').skip(1).find_map(|p| {
        let (key, value) = p.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"').to_string())
    })
}

/// RFC 2047 encoded words; white space between two of them falls away.
fn decode_words(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    let mut after_word = false;
    while let Some((before, tail)) = rest.split_once("=?") {
        let mut fields = tail.splitn(3, '?');
        let word = (fields.next(), fields.next(), fields.next());
        let decoded = match word {
            (Some(_charset), Some(encoding), Some(tail)) => tail.split_once("?=").and_then(|(data, tail)| {
                let bytes = match encoding {
                    "B" | "b" => base64(data.as_bytes()),
                    "Q" | "q" => quoted_printable(data, true),
                    _ => return None,
                };
                Some((String::from_utf8_lossy(&bytes).into_owned(), tail))
            }),
            _ => None,
        };
        if !(after_word && before.trim().is_empty()) {
            out.push_str(before);
        }
        match decoded {
            Some((text, tail)) => {
                out.push_str(&text);
                (rest, after_word) = (tail, true);
            }
            None => {
                out.push_str("=?");
                (rest, after_word) = (tail, false);
            }
        }
    }
    out.push_str(rest);
    out
}

/// Base64 with line ends inside; empty when it is none.
pub(super) fn base64(text: &[u8]) -> Vec<u8> {
    let clean: Vec<u8> = text.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
    STANDARD.decode(clean).unwrap_or_default()
}

fn quoted_printable(text: &str, in_header: bool) -> Vec<u8> {
    let hex = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    loop {
        rest = match rest {
            [] => return out,
            [b'=', b'\r', b'\n', tail @ ..] => tail,
            [b'=', h, l, tail @ ..] if hex(*h).is_some() && hex(*l).is_some() => {
                out.push(hex(*h).unwrap_or_default() << 4 | hex(*l).unwrap_or_default());
                tail
            }
            [b'_', tail @ ..] if in_header => {
                out.push(b' ');
                tail
            }
            [b, tail @ ..] => {
                out.push(*b);
                tail
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_of_two_parts_is_read() {
        let raw = "Subject: =?utf-8?b?57qi6Imy?=\r\n =?utf-8?b?6aKE6K2m?= x\r\nFrom: =?utf-8?q?=E5=8F=AB=E5=BA=94_a?= <a@example.org>\r\n\
            Message-ID: <r@example.org>\r\nContent-Type: multipart/alternative; boundary=\"b\"\r\n\r\n--b\r\n\
            Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=E6=94=B6=\r\n=E5=88=B0\r\n--b\r\n\
            Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\nPGI+aGk8\r\nL2I+\r\n--b--\r\n";
        let m = read("a@example.org".into(), vec!["b@example.org".into()], raw.as_bytes());
        assert_eq!(m.subject, "红色预警 x");
        assert_eq!(m.sender, "叫应 a <a@example.org>");
        assert_eq!((m.text.as_str(), m.html.as_str(), m.message_id.as_str()), ("收到", "<b>hi</b>", "<r@example.org>"));
    }

    #[test]
    fn odd_mail_is_kept_as_it_came() {
        for raw in [
            "",
            "\r\n",
            "no headers at all",
            "Subject: =?x\r\n\r\n",
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b",
            "A:\r\n B\r\n\r\n=ZZ=",
        ] {
            let m = read(String::new(), Vec::new(), raw.as_bytes());
            assert_eq!(m.raw, raw);
        }
        assert_eq!(read(String::new(), Vec::new(), b"Subject: a\r\n\r\nplain\r\ntext\r\n").text, "plain\ntext");
    }
}
