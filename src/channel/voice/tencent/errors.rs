//! Tencent voice codes → what they mean here; results and failure codes of calls → how the call ended.

use crate::channel::{Rang, ReceiptResult, refusal::Refusal};
use crate::core::{send::Outcome, time::Span};

/// The codes of this product alone; `None` leaves the rest to the gateway's table.
pub fn classify(r: &Refusal<'_>) -> Option<Outcome> {
    let (family, name) = r.code.split_once('.')?;
    Some(match (family, name) {
        // Something behind the gateway did not answer in time: it may be dialling.
        ("FailedOperation" | "InternalError", "AccessUpstreamTimeout") => r.unknown(),
        ("InternalError", "SsoSendRecvFail" | "UpstreamError") => r.unknown(),
        // Shorter windows are mirrored, so what is full is the day's or the night's.
        ("LimitExceeded", "DeliveryFrequencyLimit") => r.throttled(Some(Span::mins(10)), false),
        ("InvalidParameterValue", "CalledNumberVerifyFail") => r.number(),
        ("FailedOperation", "ContainSensitiveWord") | ("InvalidParameterValue", "ContentLengthLimit") => r.content(),
        ("FailedOperation", "TemplateIncorrectOrUnapproved" | "PhonenumberUnappliedOrExpired" | "InvalidParameters") => r.config(),
        _ => return None,
    })
}

/// How a call with this `failure_code` ended.
pub fn failed(code: &str, reason: &str) -> ReceiptResult {
    ReceiptResult::CallEnded {
        code: code.into(),
        detail: reason.chars().take(160).collect(),
        heard: false,
        // Suspended, empty, service paused, does not exist, expired, no voice service.
        number_dead: matches!(code, "7" | "8" | "13" | "15" | "17" | "19"),
        config: false,
        // Circuit busy, network busy.
        rang: Rang::unless(matches!(code, "9" | "18")),
    }
}

/// How a call with this `result` of a voiceprompt_callback ended: 0 answered, 1 not, 2 abnormal.
pub fn ended(result: &str) -> ReceiptResult {
    let (heard, detail) = match result {
        "0" => (true, "answered"),
        "1" => (false, "not answered"),
        "2" => (false, "abnormal"),
        _ => (false, "of unknown result"),
    };
    let rang = Rang::unless(result == "2");
    ReceiptResult::CallEnded { code: format!("result {result}"), detail: detail.into(), heard, number_dead: false, config: false, rang }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::tencent::rpc::outcome_of;

    /// The whole list of the reference, by class.
    const TABLE: &[(&str, &[&str])] = &[
        (
            "unknown",
            &[
                "FailedOperation.AccessUpstreamTimeout",
                "InternalError.AccessUpstreamTimeout",
                "InternalError.SsoSendRecvFail",
                "InternalError.UpstreamError",
            ],
        ),
        ("throttled", &["LimitExceeded.DeliveryFrequencyLimit", "RequestLimitExceeded"]),
        ("permanent_number", &["InvalidParameterValue.CalledNumberVerifyFail"]),
        ("permanent_content", &["FailedOperation.ContainSensitiveWord", "InvalidParameterValue.ContentLengthLimit"]),
        (
            "config",
            &[
                "FailedOperation.TemplateIncorrectOrUnapproved",
                "FailedOperation.PhonenumberUnappliedOrExpired",
                "FailedOperation.InvalidParameters",
                "UnauthorizedOperation.SdkAppidIsDisabled",
                "UnauthorizedOperation.VoiceSdkAppidVerifyFail",
                "InvalidParameterValue.SdkAppidNotExist",
                "AuthFailure.SignatureFailure",
            ],
        ),
        ("balance", &["FailedOperation.InsufficientBalanceInVoicePackage", "UnauthorizedOperation.ServiceSuspendDueToArrears"]),
        ("retryable", &["InternalError", "FailedOperation.SomethingNew"]),
    ];

    #[test]
    fn every_documented_code_has_its_class() {
        for (class, codes) in TABLE {
            for code in *codes {
                assert_eq!(outcome_of(200, code, "", classify).class(), *class, "{code}");
            }
        }
    }

    #[test]
    fn every_documented_failure_says_whether_the_number_is_dead() {
        for code in 1..=20 {
            let dead = [7, 8, 13, 15, 17, 19].contains(&code);
            let busy = [9, 18].contains(&code);
            let ReceiptResult::CallEnded { heard, number_dead, config, rang, .. } = failed(&code.to_string(), "") else { panic!("{code}") };
            assert_eq!((heard, number_dead, config, rang == Rang::No), (false, dead, false, busy), "{code}");
        }
        let heard = |r: &str| matches!(ended(r), ReceiptResult::CallEnded { heard: true, .. });
        assert!(heard("0") && !heard("1") && !heard("2") && !heard("9"));
    }
}
