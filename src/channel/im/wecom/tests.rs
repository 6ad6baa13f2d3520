//! WeCom's robot: what its messages look like and what its codes mean.

use super::{errors::classify, request};
use crate::channel::{Message, MessageKind, exchange::Reply, im::reply};
use crate::core::{send::Outcome, time::Span};

fn message(text: &str) -> Message {
    let subject = Some("叫应".into());
    Message {
        kind: MessageKind::Digest,
        variant: String::new(),
        drill: false,
        variables: Vec::new(),
        text: text.into(),
        subject,
        html: None,
    }
}
fn of(status: u16, body: &str) -> Outcome {
    reply::outcome(&Reply { status, retry_after: None, body: body.into() }, "ref1", classify)
}

#[test]
fn markdown_and_text_are_held_to_their_bytes() {
    // Three bytes a character.
    assert!(request::body(&message(&"雨".repeat(1365)), false).is_ok());
    assert!(request::body(&message(&"雨".repeat(1366)), false).unwrap_err().contains("4098 bytes"));
    assert!(request::body(&message(&"雨".repeat(682)), true).is_ok());
    assert!(request::body(&message(&"雨".repeat(683)), true).unwrap_err().contains("2048"));
}

#[test]
fn everybody_is_called_up_by_text_alone() {
    let body: serde_json::Value = serde_json::from_str(&request::body(&message("**甲**\n乙"), true).unwrap()).unwrap();
    assert_eq!((&body["msgtype"], &body["text"]["content"]), (&"text".into(), &"甲\n乙".into()));
    assert_eq!(body["text"]["mentioned_list"][0], "@all");
    let body = request::body(&message("**甲**"), false).unwrap();
    assert!(body.contains("markdown") && !body.contains("@all"), "{body}");
}

#[test]
fn a_full_minute_waits_a_minute() {
    assert_eq!(of(200, r#"{"errcode":0,"errmsg":"ok"}"#).class(), "accepted");
    let full = of(200, r#"{"errcode":45009,"errmsg":"api freq out of limit, hint: [1]"}"#);
    assert!(matches!(full, Outcome::Throttled { after: Some(a), .. } if a == Span::mins(1)));
    assert_eq!(of(200, r#"{"errcode":93000,"errmsg":"invalid webhook url"}"#).class(), "config");
    assert_eq!(of(200, r#"{"errmsg":"ok"}"#).class(), "unknown");
}
