//! batchSendSms: building the form and reading what comes back.

use super::{errors, settings::Settings};
use crate::channel::{
    ProviderTemplate, SendRequest,
    exchange::Reply,
    refusal::{Refusal, without_code},
};
use crate::core::send::Outcome;
use serde::Deserialize;

/// The form of batchSendSms with one number. `extend` is echoed in the receipt, and only with it is the
/// number told there.
pub(super) fn form(r: &SendRequest, phone: &str, s: &Settings, template: &ProviderTemplate, callback: &str) -> String {
    let values: Vec<String> = r.message.variables.iter().map(|(_, v)| v.chars().map(allowed).collect()).collect();
    let values = serde_json::Value::from(values).to_string();
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("from", &s.channel_number)
        .append_pair("to", phone)
        .append_pair("templateId", &template.code)
        .append_pair("templateParas", &values)
        .append_pair("statusCallback", callback)
        .append_pair("extend", &r.reference);
    if let Some(signature) = &s.sign_name {
        form.append_pair("signature", signature);
    }
    form.finish()
}

/// A TEXT variable must not hold `. 。 ' < > { }`: each is replaced by one character that reads the same.
fn allowed(c: char) -> char {
    match c {
        '.' => '．',
        '。' => '；',
        '\'' => '’',
        '<' => '＜',
        '>' => '＞',
        '{' => '（',
        '}' => '）',
        c => c,
    }
}

#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    code: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    result: Option<Vec<OfNumber>>,
}
#[derive(Deserialize)]
struct OfNumber {
    #[serde(rename = "smsMsgId", default)]
    id: Option<String>,
    #[serde(default)]
    status: Option<String>,
}

/// The status of the one number decides; without one, the code of the request.
pub(super) fn outcome(reply: &Reply) -> Outcome {
    let Ok(body) = serde_json::from_slice::<Body>(&reply.body) else { return without_code(reply.status, reply.retry_after) };
    let number = body.result.unwrap_or_default().into_iter().next();
    let id = number.as_ref().and_then(|n| n.id.clone()).filter(|id| !id.is_empty());
    let status = number.and_then(|n| n.status).unwrap_or_default();
    let code = if status.is_empty() || (status == "000000" && body.code != "000000") { body.code } else { status };
    match (code.as_str(), id) {
        ("000000", Some(provider_message_id)) => Outcome::Accepted { provider_message_id },
        ("000000", None) => Outcome::Unknown { detail: "accepted without an id of the message".into() },
        ("", _) => without_code(reply.status, reply.retry_after),
        (code, _) => errors::classify(&Refusal { status: reply.status, code, message: &body.description, retry_after: reply.retry_after }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, body: &str) -> Outcome {
        outcome(&Reply { status, retry_after: None, body: body.into() })
    }

    #[test]
    fn marks_that_huawei_refuses_are_written_as_their_likes() {
        assert_eq!("3.5<米>。".chars().map(allowed).collect::<String>(), "3．5＜米＞；");
    }

    #[test]
    fn the_status_of_the_number_decides() {
        let ok = r#"{"result":[{"originTo":"+8615400000001","createTime":"2018-05-25T16:34:34Z","from":"1069","smsMsgId":"d6_1","status":"000000"}],"code":"000000","description":"Success"}"#;
        assert_eq!(of(200, ok), Outcome::Accepted { provider_message_id: "d6_1".into() });
        let half = ok.replace(r#""status":"000000""#, r#""status":"E200028""#).replace(r#""code":"000000""#, r#""code":"E000510""#);
        assert_eq!(of(200, &half).class(), "permanent_content");
        assert_eq!(of(403, r#"{"code":"E000620","description":"not in ip white list"}"#).class(), "config");
        assert_eq!(of(400, r#"{"code":"E000000","description":"System error."}"#).class(), "retryable");
        assert_eq!(of(200, r#"{"code":"000000","result":[]}"#).class(), "unknown");
        assert_eq!(of(404, "<html>").class(), "config");
        assert_eq!(of(504, "").class(), "unknown");
    }
}
