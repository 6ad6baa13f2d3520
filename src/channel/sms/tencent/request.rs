//! SendSms and PullSmsSendStatusByPhoneNumber: building their bodies and reading what comes back.

use super::{errors, settings::Settings};
use crate::channel::{
    Lookup, ProviderTemplate, ReceiptResult, SendRequest,
    exchange::detail_of,
    tencent::{Rpc, RpcReply, rpc::outcome_of},
};
use crate::core::{
    send::Outcome,
    time::{Span, Time},
};
use serde_json::{Value, json};

/// Rows of one page; the most there can be.
const PAGE: usize = 100;
const PAGES: usize = 4;
/// How far the provider's clock may be from ours.
const CLOCKS: Span = Span::secs(5);
/// Received this much after it left, a message may be the one; later it is rather another. Missing our own
/// costs a second message, taking another for it would cost the only one.
const ON_THE_WAY: Span = Span::secs(30);

pub(super) fn send_sms(r: &SendRequest, phone: &str, s: &Settings, template: &ProviderTemplate) -> Value {
    let values: Vec<&str> = r.message.variables.iter().map(|(_, v)| v.as_str()).collect();
    let mut body = json!({
        "PhoneNumberSet": [phone], "SmsSdkAppId": s.sdk_app_id, "TemplateId": template.code, "SignName": s.sign_name,
        "TemplateParamSet": values, "SessionContext": r.reference,
    });
    if let Some(code) = &s.extend_code {
        body["ExtendCode"] = json!(code);
    }
    body
}

/// What became of the one number of a SendSms.
pub(super) fn outcome(reply: RpcReply) -> Outcome {
    let response = match reply {
        RpcReply::Error { status, code, message } => return outcome_of(status, &code, &message, errors::classify),
        RpcReply::Data(data) => data,
    };
    let status = &response["SendStatusSet"][0];
    let text = |key: &str| status[key].as_str().unwrap_or_default();
    match (text("Code"), text("SerialNo")) {
        // `Ok`, not `OK`.
        (code, serial) if code.eq_ignore_ascii_case("ok") && !serial.is_empty() => {
            Outcome::Accepted { provider_message_id: serial.to_string() }
        }
        (code, _) if code.is_empty() || code.eq_ignore_ascii_case("ok") => {
            let id = response["RequestId"].as_str().unwrap_or("none");
            Outcome::Unknown { detail: format!("a reply without a status of the number (RequestId {id})") }
        }
        (code, _) => outcome_of(200, code, text("Message"), errors::classify),
    }
}

/// Looks among what the provider sent to the number around `sent`. With SessionContext switched on ours is
/// known by it; without, one single message of that moment is ours, and two cannot be told apart.
pub(super) async fn find(rpc: &Rpc, s: &Settings, reference: &str, phone: &str, sent: Time) -> Lookup {
    let from = sent + Span(-CLOCKS.0);
    let until = sent + s.request_timeout + ON_THE_WAY;
    let mut near: Vec<Value> = Vec::new();
    for page in 0..PAGES {
        let body = json!({
            "SmsSdkAppId": s.sdk_app_id, "PhoneNumber": phone, "BeginTime": from.0.div_euclid(1000),
            "EndTime": (until + Span::hours(1)).0.div_euclid(1000), "Offset": page * PAGE, "Limit": PAGE,
        });
        let rows = match rpc.call("PullSmsSendStatusByPhoneNumber", &body).await {
            Ok(RpcReply::Data(mut data)) => match data["PullSmsSendStatusSet"].take() {
                Value::Array(rows) => rows,
                _ => Vec::new(),
            },
            Ok(RpcReply::Error { status, code, message }) => {
                return Lookup::Unanswered(detail_of(outcome_of(status, &code, &message, errors::classify)));
            }
            Err(outcome) => return Lookup::Unanswered(detail_of(outcome)),
        };
        let count = rows.len();
        if let Some(row) = rows.iter().find(|r| r["SessionContext"].as_str() == Some(reference)) {
            return found(row);
        }
        near.extend(rows.into_iter().filter(|r| {
            let nobodys = r["SessionContext"].as_str().unwrap_or_default().is_empty();
            // The time it was received is the only one there is, and it lies after the sending.
            nobodys && r["UserReceiveTime"].as_i64().is_none_or(|t| t == 0 || (from.0..=until.0).contains(&t.saturating_mul(1000)))
        }));
        if count < PAGE {
            break;
        }
    }
    match near.as_slice() {
        _ if s.session_context_enabled => Lookup::NotFound,
        [] => Lookup::NotFound,
        [row] => found(row),
        rows => Lookup::Unanswered(format!("{} messages went to this number at that moment, and none carries our reference", rows.len())),
    }
}

fn found(row: &Value) -> Lookup {
    let text = |key: &str| row[key].as_str().unwrap_or_default();
    let result = match text("ReportStatus").to_ascii_uppercase().as_str() {
        "SUCCESS" => ReceiptResult::Delivered,
        "FAIL" => errors::failed(text("Description"), text("Description")),
        _ => ReceiptResult::Waiting,
    };
    let serial = text("SerialNo");
    Lookup::Found { provider_message_id: (!serial.is_empty()).then(|| serial.to_string()), result }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(code: &str, serial: &str) -> Outcome {
        outcome(RpcReply::Data(json!({"SendStatusSet": [{"SerialNo": serial, "Code": code, "Message": "m"}], "RequestId": "r"})))
    }

    #[test]
    fn the_status_of_the_number_decides_not_that_of_the_request() {
        assert_eq!(of("Ok", "5000:1"), Outcome::Accepted { provider_message_id: "5000:1".into() });
        assert_eq!(of("Ok", "").class(), "unknown");
        assert_eq!(of("LimitExceeded.PhoneNumberDailyLimit", "").class(), "throttled");
        assert_eq!(of("InvalidParameterValue.IncorrectPhoneNumber", "").class(), "permanent_number");
        assert_eq!(outcome(RpcReply::Data(json!({"SendStatusSet": []}))).class(), "unknown");
        let error = RpcReply::Error { status: 200, code: "AuthFailure.SignatureFailure".into(), message: String::new() };
        assert_eq!(outcome(error).class(), "config");
    }
}
