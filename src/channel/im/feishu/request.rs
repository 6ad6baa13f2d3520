//! The body of a message, and what it may hold.

use crate::channel::{Message, sign::feishu::sign};
use serde_json::{Value, json};

/// Bytes of a whole body.
pub(super) const LONGEST: usize = 20 * 1024;
/// Bytes of its text: what a card, the signature and escapes take is kept free.
pub(super) const LONGEST_TEXT: usize = 18 * 1024;

/// A card with a title and markdown. `signed` is the secret and the time in seconds.
pub(super) fn body(m: &Message, at_all: bool, signed: Option<(&str, i64)>, keyword: Option<&str>) -> Result<String, String> {
    let title = m.subject.as_deref().unwrap_or_default();
    if title.is_empty() || m.text.is_empty() {
        return Err("a message has a title and a text".into());
    }
    if let Some(k) = keyword.filter(|k| !m.text.contains(k)) {
        return Err(format!("the robot's keyword `{k}` is not in the text: choose one that the templates in templates/message/im say"));
    }
    let content = if at_all { format!("{}\n<at id=all></at>", m.text) } else { m.text.clone() };
    let mut body = json!({
        "msg_type": "interactive",
        "card": {
            "config": {"wide_screen_mode": true},
            "header": {"title": {"tag": "plain_text", "content": title}, "template": if m.drill { "grey" } else { "red" }},
            "elements": [{"tag": "markdown", "content": content}],
        },
    });
    if let (Some((secret, at)), Value::Object(fields)) = (signed, &mut body) {
        fields.insert("timestamp".into(), at.to_string().into());
        fields.insert("sign".into(), sign(secret, at).into());
    }
    let body = body.to_string();
    match body.len() {
        n if n > LONGEST => Err(format!("the message has {n} bytes, allowed are {LONGEST}")),
        _ => Ok(body),
    }
}
