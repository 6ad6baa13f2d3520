//! SendTtsVoice: building its body and reading what comes back.

use super::{errors, settings::Settings};
use crate::channel::{
    ProviderTemplate, SendRequest,
    tencent::{RpcReply, rpc::outcome_of},
};
use crate::core::send::Outcome;
use serde_json::{Value, json};

pub(super) fn send_tts_voice(r: &SendRequest, phone: &str, s: &Settings, template: &ProviderTemplate) -> Value {
    let values: Vec<&str> = r.message.variables.iter().map(|(_, v)| v.as_str()).collect();
    json!({
        "TemplateId": template.code, "CalledNumber": phone, "VoiceSdkAppid": s.sdk_app_id, "TemplateParamSet": values,
        "PlayTimes": s.play_times, "SessionContext": r.reference,
    })
}

pub(super) fn outcome(reply: RpcReply) -> Outcome {
    match reply {
        RpcReply::Error { status, code, message } => outcome_of(status, &code, &message, errors::classify),
        RpcReply::Data(data) => match data["SendStatus"]["CallId"].as_str() {
            Some(id) if !id.is_empty() => Outcome::Accepted { provider_message_id: id.to_string() },
            _ => {
                let id = data["RequestId"].as_str().unwrap_or("none");
                Outcome::Unknown { detail: format!("accepted without an id of the call (RequestId {id})") }
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_accepted_with_its_id_only() {
        let of = |v: Value| outcome(RpcReply::Data(v));
        let accepted = Outcome::Accepted { provider_message_id: "c1".into() };
        assert_eq!(of(json!({"SendStatus": {"CallId": "c1", "SessionContext": "r"}, "RequestId": "x"})), accepted);
        assert_eq!(of(json!({"SendStatus": {"CallId": ""}})).class(), "unknown");
        let error = RpcReply::Error { status: 200, code: "InvalidParameterValue.CalledNumberVerifyFail".into(), message: "m".into() };
        assert_eq!(outcome(error).class(), "permanent_number");
    }
}
