//! The body of a message, and what it may hold.

use crate::channel::{Message, im::markdown::plain};
use serde_json::json;

/// Bytes of markdown, and of text.
pub(super) const LONGEST: usize = 4096;
pub(super) const LONGEST_TEXT: usize = 2048;

/// Markdown; where everybody is called up, text, which alone can do that.
pub(super) fn body(m: &Message, at_all: bool) -> Result<String, String> {
    let (text, longest) = if at_all { (plain(&m.text), LONGEST_TEXT) } else { (m.text.clone(), LONGEST) };
    if text.is_empty() {
        return Err("a message has a text".into());
    }
    if text.len() > longest {
        return Err(format!("the text has {} bytes, allowed are {longest}", text.len()));
    }
    Ok(match at_all {
        true => json!({"msgtype": "text", "text": {"content": text, "mentioned_list": ["@all"]}}),
        false => json!({"msgtype": "markdown", "markdown": {"content": text}}),
    }
    .to_string())
}
