//! Tencent SMS codes → what they mean here; receipts → receipts.

use crate::channel::{ReceiptResult, refusal::Refusal};
use crate::core::{send::Outcome, time::Span};

/// The codes of this product alone; `None` leaves the rest to the gateway's table.
pub fn classify(r: &Refusal<'_>) -> Option<Outcome> {
    let (family, name) = r.code.split_once('.')?;
    Some(match (family, name) {
        // A time-out inside the provider: the message may have left.
        ("InternalError", "Timeout" | "SendAndRecvFail") => r.unknown(),
        ("LimitExceeded", "PhoneNumberThirtySecondLimit") => r.throttled(Some(Span::secs(30)), false),
        ("LimitExceeded", "PhoneNumberOneHourLimit") => r.throttled(Some(Span::hours(1)), false),
        ("LimitExceeded", "PhoneNumberDailyLimit" | "PhoneNumberSameContentDailyLimit") => r.throttled(Some(Span::hours(24)), false),
        ("LimitExceeded", "DeliveryFrequencyLimit") => r.throttled(Some(Span::mins(1)), false),
        // A cap of the whole account, kept in the console and emptied at midnight.
        ("LimitExceeded", "AppDailyLimit" | "DailyLimit" | "AppMainlandChinaDailyLimit") => r.throttled(Some(Span::mins(30)), true),
        ("InvalidParameterValue", "IncorrectPhoneNumber") => r.number(),
        ("FailedOperation", "PhoneNumberInBlacklist" | "PhoneNumberParseFail") => r.number(),
        (
            "UnsupportedOperation",
            "ContainDomesticAndInternationalPhoneNumber" | "ChineseMainlandTemplateToGlobalPhone" | "UnsupportedRegion",
        ) => r.number(),
        ("FailedOperation", "ContainSensitiveWord" | "TemplateParamSetNotMatchApprovedTemplate" | "MarketingSendTimeConstraint") => {
            r.content()
        }
        (
            "InvalidParameterValue",
            "TemplateParameterLengthLimit" | "TemplateParameterFormatError" | "ContentLengthLimit" | "ProhibitedUseUrlInTemplateParameter",
        ) => r.content(),
        ("InvalidParameter", "DirtyWordFound") => r.content(),
        (
            "FailedOperation",
            "SignatureIncorrectOrUnapproved"
            | "TemplateIncorrectOrUnapproved"
            | "TemplateUnapprovedOrNotExist"
            | "TemplateIdNotExist"
            | "MissingSignature"
            | "UnsupportedTemplateVariable",
        ) => r.config(),
        // An account of this kind may use no variables in such a template.
        ("UnsupportedOperation" | "InvalidParameterValue", "UnsupportedTemplateVariable") => r.config(),
        _ => return None,
    })
}

/// A receipt that says FAIL. Carriers' codes are many and not listed; none of them proves a number dead
/// except those that say so in words.
pub fn failed(code: &str, description: &str) -> ReceiptResult {
    let number_dead = description.contains("空号") || description.contains("停机") || description.contains("号码不存在");
    let config = description.contains("签名") && description.contains("报备");
    let elsewhere =
        !number_dead && ["频率", "频次", "上限", "超限", "黑名单", "关键字", "敏感", "路由"].iter().any(|w| description.contains(w));
    ReceiptResult::Failed { code: code.into(), detail: description.chars().take(160).collect(), number_dead, config, elsewhere }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::tencent::rpc::outcome_of;

    /// The whole list of the reference, by class.
    const TABLE: &[(&str, &[&str])] = &[
        (
            "retryable",
            &[
                "InternalError",
                "InternalError.OtherError",
                "InternalError.UnknownError",
                "InternalError.ParseBackendResponseFail",
                "InternalError.JsonParseFail",
            ],
        ),
        ("unknown", &["InternalError.Timeout", "InternalError.SendAndRecvFail"]),
        (
            "throttled",
            &[
                "RequestLimitExceeded",
                "LimitExceeded.PhoneNumberThirtySecondLimit",
                "LimitExceeded.PhoneNumberOneHourLimit",
                "LimitExceeded.PhoneNumberDailyLimit",
                "LimitExceeded.PhoneNumberSameContentDailyLimit",
                "LimitExceeded.DeliveryFrequencyLimit",
                "LimitExceeded.AppDailyLimit",
                "LimitExceeded.DailyLimit",
                "LimitExceeded.AppMainlandChinaDailyLimit",
            ],
        ),
        (
            "permanent_number",
            &[
                "InvalidParameterValue.IncorrectPhoneNumber",
                "FailedOperation.PhoneNumberInBlacklist",
                "FailedOperation.PhoneNumberParseFail",
                "UnsupportedOperation.ContainDomesticAndInternationalPhoneNumber",
                "UnsupportedOperation.ChineseMainlandTemplateToGlobalPhone",
                "UnsupportedOperation.UnsupportedRegion",
            ],
        ),
        (
            "permanent_content",
            &[
                "FailedOperation.ContainSensitiveWord",
                "FailedOperation.TemplateParamSetNotMatchApprovedTemplate",
                "FailedOperation.MarketingSendTimeConstraint",
                "InvalidParameterValue.TemplateParameterLengthLimit",
                "InvalidParameterValue.TemplateParameterFormatError",
                "InvalidParameterValue.ContentLengthLimit",
                "InvalidParameterValue.ProhibitedUseUrlInTemplateParameter",
                "InvalidParameter.DirtyWordFound",
            ],
        ),
        (
            "config",
            &[
                "FailedOperation.SignatureIncorrectOrUnapproved",
                "FailedOperation.TemplateIncorrectOrUnapproved",
                "FailedOperation.TemplateUnapprovedOrNotExist",
                "FailedOperation.TemplateIdNotExist",
                "FailedOperation.MissingSignature",
                "UnauthorizedOperation.RequestIpNotInWhitelist",
                "UnauthorizedOperation.RequestPermissionDeny",
                "UnauthorizedOperation.SdkAppIdIsDisabled",
                "UnauthorizedOperation.SmsSdkAppIdVerifyFail",
                "InvalidParameterValue.SdkAppIdNotExist",
                "InternalError.RequestTimeException",
                "AuthFailure.SignatureFailure",
                "AuthFailure.SignatureExpire",
                "AuthFailure.SecretIdNotFound",
                "AuthFailure.UnauthorizedOperation",
                "UnsupportedRegion",
                "UnsupportedOperation.UnsupportedTemplateVariable",
            ],
        ),
        ("balance", &["FailedOperation.InsufficientBalanceInSmsPackage", "UnauthorizedOperation.ServiceSuspendDueToArrears"]),
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
    fn a_limit_of_the_number_is_not_one_of_the_account() {
        let whole = |code| match outcome_of(200, code, "", classify) {
            Outcome::Throttled { whole_account, after, .. } => (whole_account, after),
            other => panic!("{other:?}"),
        };
        assert_eq!(whole("LimitExceeded.PhoneNumberThirtySecondLimit"), (false, Some(Span::secs(30))));
        assert_eq!(whole("LimitExceeded.PhoneNumberDailyLimit"), (false, Some(Span::hours(24))));
        assert_eq!(whole("LimitExceeded.AppDailyLimit"), (true, Some(Span::mins(30))));
        assert_eq!(whole("RequestLimitExceeded"), (true, Some(Span::secs(1))));
    }

    #[test]
    fn a_receipt_proves_a_number_dead_only_in_words() {
        let flags = |code: &str, text: &str| match failed(code, text) {
            ReceiptResult::Failed { number_dead, config, .. } => (number_dead, config),
            other => panic!("{other:?}"),
        };
        assert_eq!(flags("MK:0001", "空号"), (true, false));
        assert_eq!(flags("MK:0005", "关机"), (false, false));
        assert_eq!(flags("YX:1006", "签名未报备"), (false, true));
    }
}
