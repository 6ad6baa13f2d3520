//! The body of a message, and what it may hold.

use crate::channel::{Message, im::markdown::hard_breaks};
use serde_json::json;

/// Bytes of a message's text.
pub(super) const LONGEST: usize = 20_000;

/// Markdown with its title, which lists of conversations show.
pub(super) fn body(m: &Message, at_all: bool) -> String {
    let title = m.subject.as_deref().unwrap_or_default();
    json!({"msgtype": "markdown", "markdown": {"title": title, "text": hard_breaks(&m.text)}, "at": {"isAtAll": at_all}}).to_string()
}

pub(super) fn check(m: &Message, keyword: Option<&str>) -> Result<(), String> {
    let text = hard_breaks(&m.text);
    if m.subject.as_ref().is_none_or(|s| s.is_empty()) || text.is_empty() {
        return Err("a message has a title and a text".into());
    }
    if text.len() > LONGEST {
        return Err(format!("the text has {} bytes, allowed are {LONGEST}", text.len()));
    }
    match keyword.filter(|k| !text.contains(k)) {
        Some(k) => Err(format!("the robot's keyword `{k}` is not in the text: choose one that the templates in templates/message/im say")),
        None => Ok(()),
    }
}
