//! Aliyun SMS codes → what they mean here; receipt codes → receipts.

use crate::channel::{ReceiptResult, aliyun::errors::Refusal};
use crate::core::send::Outcome;

/// The codes of this product alone; `None` leaves the rest to the gateway's table.
pub fn classify(r: &Refusal<'_>) -> Option<Outcome> {
    Some(match r.code {
        "isv.DOMESTIC_NUMBER_NOT_SUPPORTED" | "isv.BLACK_KEY_CONTROL_LIMIT" | "isv.CUSTOMER_REFUSED" | "isv.SMS_TEST_NUMBER_LIMIT" => {
            r.number()
        }
        "isv.SMS_CONTENT_ILLEGAL" | "isv.UNSUPPORTED_CONTENT" | "isv.MOBILE_COUNT_OVER_LIMIT" => r.content(),
        "isv.SMS_SIGNATURE_ILLEGAL"
        | "isv.SMS_SIGN_ILLEGAL"
        | "isv.SIGN_STATE_ILLEGAL"
        | "isv.SMS_SIGNATURE_SCENE_ILLEGAL"
        | "isv.SMS_TEMPLATE_ILLEGAL"
        | "isv.EXTEND_CODE_ERROR"
        | "isv.ONE_CODE_MULTIPLE_SIGN" => r.config(),
        // A cap the customer set in the console: waiting does not help, an operator must raise it.
        "isv.DAY_LIMIT_CONTROL" | "isv.MONTH_LIMIT_CONTROL" => r.config(),
        _ => return None,
    })
}

/// A receipt that says the message failed. A number that is merely off is not dead:
/// `MOBILE_NOT_ON_SERVICE` says off, empty or out of service in one word, so it proves nothing.
pub fn failed(code: &str, message: &str) -> ReceiptResult {
    let number_dead = matches!(code, "INVALID_NUMBER" | "MOBILE_ACCOUNT_ABNORMAL");
    // The signature is not filed or is blocked: every message to that carrier is lost until it is.
    let config = matches!(code, "PORT_NOT_REGISTERED" | "SIGNATURE_BLACKLIST");
    let elsewhere = matches!(
        code,
        "MOBILE_SEND_LIMIT" | "MOBILE_IN_BLACK" | "CONTENT_KEYWORD" | "NO_ROUTE" | "SP_UNKNOWN_ERROR" | "REJECTD" | "REJECT"
    );
    ReceiptResult::Failed { code: code.into(), detail: message.chars().take(160).collect(), number_dead, config, elsewhere }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::aliyun::errors::common;
    use crate::core::time::Span;

    fn outcome(code: &str, message: &str, status: u16) -> Outcome {
        let r = Refusal { status, code, message, retry_after: None };
        classify(&r).unwrap_or_else(|| common(&r))
    }

    /// The whole list of the provider's documentation, by class.
    const TABLE: &[(&str, &[&str])] = &[
        ("retryable", &["isp.SYSTEM_ERROR", "isp.GATEWAY_ERROR", "ServiceUnavailable", "InternalError"]),
        ("throttled", &["isv.BUSINESS_LIMIT_CONTROL", "Throttling.User", "Throttling.Api", "Throttling"]),
        (
            "permanent_number",
            &[
                "isv.MOBILE_NUMBER_ILLEGAL",
                "isv.DOMESTIC_NUMBER_NOT_SUPPORTED",
                "isv.BLACK_KEY_CONTROL_LIMIT",
                "isv.CUSTOMER_REFUSED",
                "isv.SMS_TEST_NUMBER_LIMIT",
            ],
        ),
        (
            "permanent_content",
            &[
                "isv.TEMPLATE_MISSING_PARAMETERS",
                "isv.TEMPLATE_PARAMS_ILLEGAL",
                "isv.INVALID_JSON_PARAM",
                "isv.PARAM_LENGTH_LIMIT",
                "isv.PARAM_NOT_SUPPORT_URL",
                "isv.SMS_CONTENT_ILLEGAL",
                "isv.UNSUPPORTED_CONTENT",
                "isv.MOBILE_COUNT_OVER_LIMIT",
                "isv.INVALID_PARAMETERS",
            ],
        ),
        (
            "config",
            &[
                "isv.SMS_SIGNATURE_ILLEGAL",
                "isv.SMS_SIGN_ILLEGAL",
                "isv.SIGN_STATE_ILLEGAL",
                "isv.SMS_SIGNATURE_SCENE_ILLEGAL",
                "isv.SMS_TEMPLATE_ILLEGAL",
                "isv.EXTEND_CODE_ERROR",
                "isv.ONE_CODE_MULTIPLE_SIGN",
                "isp.RAM_PERMISSION_DENY",
                "isv.PRODUCT_UN_SUBSCRIPT",
                "isv.PRODUCT_UNSUBSCRIBE",
                "isv.ACCOUNT_NOT_EXISTS",
                "isv.ACCOUNT_ABNORMAL",
                "isv.SECURITY_FROZEN_ACCOUNT",
                "isv.DENY_IP_RANGE",
                "InvalidAccessKeyId.NotFound",
                "SignatureDoesNotMatch",
                "Forbidden.RAM",
                "InvalidVersion",
                "InvalidAction.NotFound",
                "InvalidTimeStamp.Expired",
                "isv.DAY_LIMIT_CONTROL",
                "isv.MONTH_LIMIT_CONTROL",
            ],
        ),
        ("balance", &["isv.AMOUNT_NOT_ENOUGH", "isv.OUT_OF_SERVICE"]),
        ("unknown", &["SignatureNonceUsed"]),
    ];

    #[test]
    fn every_documented_code_has_its_class() {
        for (class, codes) in TABLE {
            for code in *codes {
                assert_eq!(outcome(code, "", 200).class(), *class, "{code}");
            }
        }
    }

    #[test]
    fn a_numbers_own_limit_waits_for_the_window_that_is_full() {
        for (message, after) in [
            ("触发分钟级流控Permits:1", Span::mins(1)),
            ("触发小时级流控Permits:5", Span::hours(1)),
            ("触发天级流控Permits:10", Span::hours(24)),
            ("something else", Span::mins(1)),
        ] {
            match outcome("isv.BUSINESS_LIMIT_CONTROL", message, 200) {
                Outcome::Throttled { after: Some(a), whole_account: false, .. } => assert_eq!(a, after, "{message}"),
                other => panic!("{message}: {other:?}"),
            }
        }
        assert!(matches!(outcome("Throttling.User", "", 400), Outcome::Throttled { whole_account: true, .. }));
    }

    #[test]
    fn receipts_tell_dead_numbers_and_faults_of_ours_from_the_rest() {
        let dead = |code: &str| matches!(failed(code, ""), ReceiptResult::Failed { number_dead: true, .. });
        let config = |code: &str| matches!(failed(code, ""), ReceiptResult::Failed { config: true, .. });
        assert!(dead("INVALID_NUMBER") && dead("MOBILE_ACCOUNT_ABNORMAL"));
        assert!(config("PORT_NOT_REGISTERED") && config("SIGNATURE_BLACKLIST"));
        for code in ["MOBILE_NOT_ON_SERVICE", "MOBILE_SEND_LIMIT", "NO_ROUTE", "MK:0001", "USER_REJECT", "MOBLLE_TERMINAL_ERROR"] {
            assert!(!dead(code) && !config(code), "{code}");
        }
    }
}
