//! Codes of Tencent's API gateway, and of families that both products have → outcome classes.
//!
//! A code nobody has described is classed by its family. What was refused for certain may go again or is
//! given up for this message; an `InternalError` of an unknown kind says nothing of what had been done
//! before it, so its fate is unknown. None of them is taken for success.

use crate::channel::refusal::Refusal;
use crate::core::{send::Outcome, time::Span};

/// What both products and the API gateway in front of them say.
pub fn common(r: &Refusal<'_>) -> Outcome {
    let family = r.code.split('.').next().unwrap_or_default();
    match (r.code, family) {
        // The gateway's own, before any product was asked.
        ("InternalError" | "ServiceUnavailable" | "ResourceUnavailable", _) => r.retryable(),
        // Our clock is more than ten minutes wrong.
        ("InternalError.RequestTimeException", _) => r.config(),
        ("InternalError.JsonParseFail" | "InternalError.ParseBackendResponseFail", _) => r.retryable(),
        ("InternalError.OtherError" | "InternalError.UnknownError", _) => r.retryable(),
        ("UnauthorizedOperation.ServiceSuspendDueToArrears", _) => r.balance(),
        (code, _) if code.starts_with("FailedOperation.InsufficientBalance") => r.balance(),
        (_, "RequestLimitExceeded") => r.throttled(Some(Span::secs(1)), true),
        (_, "LimitExceeded") => r.throttled(Some(Span::mins(10)), false),
        (_, "AuthFailure" | "UnauthorizedOperation" | "UnsupportedRegion" | "NoSuchVersion" | "InvalidAction" | "NoSuchProduct") => {
            r.config()
        }
        ("InvalidParameterValue.SdkAppIdNotExist" | "InvalidParameterValue.SdkAppidNotExist", _) => r.config(),
        (_, "InvalidParameter" | "InvalidParameterValue" | "MissingParameter" | "UnknownParameter" | "UnsupportedOperation") => r.content(),
        (_, "UnsupportedProtocol" | "RequestSizeLimitExceeded") => r.content(),
        (_, "InternalError") => r.unknown(),
        // FailedOperation.* and the rest: refused for certain, reason unknown.
        _ => r.retryable(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_nobody_described_is_classed_by_its_family() {
        for (code, class) in [
            ("FailedOperation.SomethingNew", "retryable"),
            ("InternalError.SomethingNew", "unknown"),
            ("LimitExceeded.SomethingNew", "throttled"),
            ("UnauthorizedOperation.SomethingNew", "config"),
            ("AuthFailure.TokenFailure", "config"),
            ("InvalidParameterValue.SomethingNew", "permanent_content"),
            ("MissingParameter", "permanent_content"),
            ("Whatever", "retryable"),
        ] {
            assert_eq!(common(&Refusal { status: 200, code, message: "", retry_after: None }).class(), class, "{code}");
        }
    }
}
