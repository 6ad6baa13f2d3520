//! Feishu's robot: what its messages look like and what its codes mean.

use super::{errors::classify, request};
use crate::channel::{Message, MessageKind, exchange::Reply, im::reply, sign::feishu::sign};
use crate::core::{send::Outcome, time::Span};
use serde_json::Value;

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
fn the_signature_stands_in_the_body_and_everybody_is_called_up_only_when_told() {
    let read = |at_all| -> Value {
        serde_json::from_str(&request::body(&message("**甲**"), at_all, Some(("feishusecret", 1_784_595_723)), None).unwrap()).unwrap()
    };
    let body = read(false);
    assert_eq!((&body["timestamp"], &body["sign"]), (&"1784595723".into(), &sign("feishusecret", 1_784_595_723).into()));
    assert_eq!(body["card"]["elements"][0]["content"], "**甲**");
    assert_eq!(read(true)["card"]["elements"][0]["content"], "**甲**\n<at id=all></at>");
    let unsigned = request::body(&message("甲"), false, None, None).unwrap();
    assert!(!unsigned.contains("sign\""), "{unsigned}");
}

#[test]
fn a_body_over_20_kb_and_a_missing_keyword_are_told_before_it_leaves() {
    let signed = Some(("feishusecret", 1_784_595_723));
    let longest = "雨".repeat(request::LONGEST_TEXT / 3);
    assert!(request::body(&message(&longest), true, signed, None).unwrap().len() <= 20 * 1024);
    assert!(request::body(&message(&"雨".repeat(6827)), false, signed, None).unwrap_err().contains("20480"));
    assert!(request::body(&message("开始"), false, signed, Some("叫应")).unwrap_err().contains("`叫应`"));
}

#[test]
fn code_0_is_yes_under_either_name() {
    assert_eq!(of(200, r#"{"code":0,"msg":"success","data":{},"StatusCode":0}"#).class(), "accepted");
    let full = of(200, r#"{"code":11232,"msg":"frequency limited psm"}"#);
    assert!(matches!(full, Outcome::Throttled { after: Some(a), .. } if a == Span::secs(30)));
    assert_eq!(of(200, r#"{"code":19021,"msg":"sign match fail"}"#).class(), "config");
    assert_eq!(of(400, r#"{"code":9499,"msg":"Bad Request"}"#).class(), "permanent_content");
}
