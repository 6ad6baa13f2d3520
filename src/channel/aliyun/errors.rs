//! Codes that Aliyun's gateway and both products share → outcome classes.
//!
//! A code nobody has described must be safe: a refusal is certain not to have been sent, so it may
//! be tried again (bounded by the ladder) or be given up for this message, but it never stops a
//! whole provider and is never taken for success.

pub use crate::channel::refusal::{Refusal, without_code};

use crate::channel::refusal::in_between;
use crate::core::{send::Outcome, time::Span};

/// `isv.BUSINESS_LIMIT_CONTROL`: this number's limit; the message tells which window is full.
/// An unreadable level waits a minute, the shortest window: a refusal costs nothing.
fn business_limit(r: &Refusal<'_>) -> Outcome {
    let m = r.message;
    let after = if m.contains("天级") {
        Span::hours(24)
    } else if m.contains("小时级") {
        Span::hours(1)
    } else {
        Span::mins(1)
    };
    r.throttled(Some(after), false)
}

/// What both products and the API gateway in front of them say.
pub fn common(r: &Refusal<'_>) -> Outcome {
    match r.code {
        // Behind the gateway, after a 5xx, nobody documents that nothing was sent.
        "isp.SYSTEM_ERROR" | "isp.GATEWAY_ERROR" if r.status >= 500 => r.unknown(),
        "isp.SYSTEM_ERROR" | "isp.GATEWAY_ERROR" | "ServiceUnavailable" | "InternalError" => r.retryable(),
        "isv.BUSINESS_LIMIT_CONTROL" => business_limit(r),
        "isv.MOBILE_NUMBER_ILLEGAL" => r.number(),
        "isv.TEMPLATE_MISSING_PARAMETERS"
        | "isv.TEMPLATE_PARAMS_ILLEGAL"
        | "isv.INVALID_JSON_PARAM"
        | "isv.PARAM_LENGTH_LIMIT"
        | "isv.PARAM_NOT_SUPPORT_URL"
        | "isv.INVALID_PARAMETERS" => r.content(),
        "isp.RAM_PERMISSION_DENY"
        | "isv.PRODUCT_UN_SUBSCRIPT"
        | "isv.PRODUCT_UNSUBSCRIBE"
        | "isv.PRODUCT_UN_SUBSCRIBE"
        | "isv.PRODUCT_UNSUBSCRIPT"
        | "isv.ACCOUNT_NOT_EXISTS"
        | "isv.ACCOUNT_ABNORMAL"
        | "isv.SECURITY_FROZEN_ACCOUNT"
        | "isv.DENY_IP_RANGE"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "InvalidVersion"
        | "InvalidTimeStamp.Expired" => r.config(),
        // We never reuse a nonce: if the gateway saw it, a first copy of this request got there.
        "SignatureNonceUsed" => r.unknown(),
        // One page of the documents misspells it.
        "isv.AMOUNT_NOT_ENOUGH" | "isv.AMOUNT_NOT_ENOUG" | "isv.OUT_OF_SERVICE" => r.balance(),
        code if code == "Throttling" || code.starts_with("Throttling.") => r.throttled(Some(Span::secs(1)), true),
        code if starts_with_any(code, &["InvalidAccessKeyId", "InvalidAction", "InvalidSecurityToken", "Forbidden"]) => r.config(),
        _ => unlisted(r),
    }
}

fn starts_with_any(code: &str, prefixes: &[&str]) -> bool {
    prefixes.iter().any(|p| code.strip_prefix(p).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
}

fn unlisted(r: &Refusal<'_>) -> Outcome {
    match r.status {
        429 => r.throttled(Some(Span::secs(1)), true),
        401 | 403 => r.config(),
        // The gateway did not understand this very request: the same again would fare the same.
        400..=499 => r.content(),
        500..=599 => in_between(r.status, r.detail()),
        // HTTP 200 and an unknown code: refused for certain, reason unknown.
        _ => r.retryable(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(status: u16, code: &str) -> &'static str {
        common(&Refusal { status, code, message: "", retry_after: None }).class()
    }

    #[test]
    fn an_unknown_code_neither_stops_the_provider_nor_counts_as_sent() {
        assert_eq!(class(200, "isv.SOMETHING_NEW"), "retryable");
        assert_eq!(class(400, "MissingSomething"), "permanent_content");
        assert_eq!(class(403, "Nope"), "config");
        assert_eq!(class(500, "Odd"), "retryable");
        assert_eq!(class(504, "Odd"), "unknown");
        assert_eq!(class(429, "Odd"), "throttled");
    }

    #[test]
    fn a_gateway_error_after_the_request_went_through_is_unknown() {
        assert_eq!(class(500, "isp.SYSTEM_ERROR"), "unknown");
        assert_eq!(class(200, "isp.SYSTEM_ERROR"), "retryable");
    }

    #[test]
    fn the_providers_own_waiting_time_is_taken_over_ours() {
        let r = Refusal { status: 503, code: "Throttling.User", message: "", retry_after: Some(Span::ms(700)) };
        assert!(matches!(common(&r), Outcome::Throttled { after: Some(Span(700)), whole_account: true, .. }));
    }
}
