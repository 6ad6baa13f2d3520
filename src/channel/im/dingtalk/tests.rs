//! DingTalk's robot: what its messages look like and what its codes mean.

use super::{errors::classify, request};
use crate::channel::{Message, MessageKind, exchange::Reply, im::reply, refusal::Refusal};
use crate::core::{send::Outcome, time::Span};

fn message(text: &str) -> Message {
    let subject = Some("暴雨红色预警叫应".into());
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
fn the_body_is_markdown_with_a_title_and_calls_up_everybody_only_when_told() {
    let body: serde_json::Value = serde_json::from_str(&request::body(&message("**甲**\n- 乙"), false)).unwrap();
    assert_eq!(body["markdown"]["title"], "暴雨红色预警叫应");
    assert_eq!(body["markdown"]["text"], "**甲**  \n- 乙  ");
    assert_eq!(body["at"]["isAtAll"], false);
    assert!(request::body(&message("甲"), true).contains(r#""isAtAll":true"#));
}

#[test]
fn a_message_without_the_keyword_or_too_long_is_told_before_it_leaves() {
    assert_eq!(request::check(&message("叫应开始"), Some("叫应")), Ok(()));
    assert!(request::check(&message("开始"), Some("叫应")).unwrap_err().contains("`叫应`"));
    assert!(request::check(&message(&"雨".repeat(6_667)), None).unwrap_err().contains("20000"));
}

#[test]
fn code_0_is_yes_and_a_ban_lasts_ten_minutes() {
    assert_eq!(of(200, r#"{"errcode":0,"errmsg":"ok"}"#), Outcome::Accepted { provider_message_id: "ref1".into() });
    let banned = r#"{"status":1111,"wait":5,"source":"x5","punish":"deny","uuid":"u","errcode":130101,"errmsg":"send too fast, exceed 20 times per minute"}"#;
    assert!(matches!(of(200, banned), Outcome::Throttled { after: Some(a), whole_account: true, .. } if a == Span::mins(10)));
    assert_eq!(of(200, r#"{"errcode":310000,"errmsg":"keywords not in content, more: [x]"}"#).class(), "config");
    assert_eq!(of(200, "<html>").class(), "unknown");
    assert_eq!(of(502, "").class(), "unknown");
    let new = Refusal { status: 200, code: "999999", message: "", retry_after: None };
    assert_eq!(classify(&new).class(), "retryable");
}
