//! Aliyun voice codes → what they mean here; status codes of calls → how the call ended.

use crate::channel::{Rang, ReceiptResult, aliyun::errors::Refusal};
use crate::core::{send::Outcome, time::Span};

/// The codes of this product alone; `None` leaves the rest to the gateway's table.
pub fn classify(r: &Refusal<'_>) -> Option<Outcome> {
    Some(match r.code {
        "isv.VOICE_CALL_FAIL" => r.retryable(),
        // Outside the hours the account may call in: every call of the account, not this number.
        "isv.VOICE_ROBOT_NOT_PERIOD" | "isv.VOICE_CALL_PERIOD_ERROR" => r.throttled(Some(Span::mins(30)), true),
        "isv.COMPLAINT_REJECT" | "ComplaintReject" => r.number(),
        "isv.BLACK_KEY_CONTROL_LIMIT" => r.content(),
        "isv.TTS_TEMPLATE_ILLEGAL"
        | "isv.TEMPLATE_ILLEGAL"
        | "isv.VOICE_FILE_ILLEGAL"
        | "isv.DISPLAY_NUMBER_ILLEGAL"
        | "isv.BILLID_NOT_EXIST" => r.config(),
        _ => return None,
    })
}

/// How a call with this `status_code` ended. `duration_s` decides `heard` for codes nobody has
/// described: somebody who talked for a while did lift the receiver.
pub fn call_ended(code: &str, detail: &str, duration_s: Option<f64>) -> ReceiptResult {
    let heard = match code {
        // Heard to the end, hung up early, key time-out.
        "200000" | "200001" | "200008" => true,
        c if described(c) => false,
        _ => duration_s.is_some_and(|s| s > 0.0),
    };
    ReceiptResult::CallEnded {
        code: code.into(),
        detail: detail.chars().take(160).collect(),
        heard,
        // Invalid or empty, and suspended. Off, busy, restricted and out of area pass.
        number_dead: matches!(code, "200004" | "200116" | "482" | "200011"),
        // Sound format, caller or callee restricted for us, caller id illegal, our number recalled.
        config: matches!(code, "200006" | "200104" | "200105" | "200117" | "476"),
        rang: match code {
            // The carrier's hours, its frequency, our own concurrency; network, carrier and system.
            "200118" | "200119" | "200121" | "400" | "500" | "999999" => Rang::No,
            // Not to be connected: the carrier's doing, a caller number that is tagged, or the callee's refusal.
            "200005" => Rang::Unsure,
            _ => Rang::Yes,
        },
    }
}

fn described(code: &str) -> bool {
    matches!(
        code,
        "200002"
            | "200003"
            | "200004"
            | "200005"
            | "200006"
            | "200007"
            | "200010"
            | "200011"
            | "200012"
            | "200104"
            | "200105"
            | "200116"
            | "200117"
            | "200118"
            | "200119"
            | "200121"
            | "476"
            | "482"
            | "400"
            | "500"
            | "999999"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::aliyun::errors::common;

    fn outcome(code: &str) -> Outcome {
        let r = Refusal { status: 200, code, message: "", retry_after: None };
        classify(&r).unwrap_or_else(|| common(&r))
    }

    /// The whole list of the provider's documentation, by class.
    const TABLE: &[(&str, &[&str])] = &[
        ("retryable", &["isp.SYSTEM_ERROR", "isp.GATEWAY_ERROR", "InternalError", "isv.VOICE_CALL_FAIL"]),
        ("throttled", &["isv.BUSINESS_LIMIT_CONTROL", "isv.VOICE_ROBOT_NOT_PERIOD", "isv.VOICE_CALL_PERIOD_ERROR"]),
        ("permanent_number", &["isv.MOBILE_NUMBER_ILLEGAL", "isv.COMPLAINT_REJECT", "ComplaintReject"]),
        (
            "permanent_content",
            &[
                "isv.TEMPLATE_MISSING_PARAMETERS",
                "isv.TEMPLATE_PARAMS_ILLEGAL",
                "isv.PARAM_LENGTH_LIMIT",
                "isv.PARAM_NOT_SUPPORT_URL",
                "isv.BLACK_KEY_CONTROL_LIMIT",
                "isv.INVALID_PARAMETERS",
            ],
        ),
        (
            "config",
            &[
                "isv.TTS_TEMPLATE_ILLEGAL",
                "isv.TEMPLATE_ILLEGAL",
                "isv.VOICE_FILE_ILLEGAL",
                "isv.DISPLAY_NUMBER_ILLEGAL",
                "isv.BILLID_NOT_EXIST",
                "isv.PRODUCT_UN_SUBSCRIPT",
                "isv.PRODUCT_UNSUBSCRIBE",
                "isv.PRODUCT_UN_SUBSCRIBE",
                "isv.PRODUCT_UNSUBSCRIPT",
                "isp.RAM_PERMISSION_DENY",
            ],
        ),
        ("balance", &["isv.AMOUNT_NOT_ENOUGH", "isv.AMOUNT_NOT_ENOUG", "isv.OUT_OF_SERVICE"]),
    ];

    #[test]
    fn every_documented_code_has_its_class() {
        for (class, codes) in TABLE {
            for code in *codes {
                assert_eq!(outcome(code).class(), *class, "{code}");
            }
        }
    }

    #[test]
    fn every_documented_call_status_says_heard_dead_or_our_fault() {
        for (code, expected) in [
            ("200000", "heard"),
            ("200001", "heard"),
            ("200008", "heard"),
            ("200002", ""),
            ("200003", ""),
            ("200005", "unsure"),
            ("200007", ""),
            ("200010", ""),
            ("200012", ""),
            ("200011", "dead"),
            ("200004", "dead"),
            ("200116", "dead"),
            ("482", "dead"),
            ("200118", "failed"),
            ("200119", "failed"),
            ("200121", "failed"),
            ("200006", "config"),
            ("200104", "config"),
            ("200105", "config"),
            ("200117", "config"),
            ("476", "config"),
            ("400", "failed"),
            ("500", "failed"),
            ("999999", "failed"),
            ("123456", "heard"),
        ] {
            let ReceiptResult::CallEnded { heard, number_dead, config, rang, .. } = call_ended(code, "", Some(3.0)) else {
                panic!("{code}")
            };
            let flags = (heard, number_dead, config, rang == Rang::No, rang == Rang::Unsure);
            assert_eq!(
                flags,
                (expected == "heard", expected == "dead", expected == "config", expected == "failed", expected == "unsure"),
                "{code}"
            );
        }
    }
}
