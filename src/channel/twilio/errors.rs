//! Twilio's codes → outcome classes. Most come with HTTP 400; 401, 404 and 429 speak for themselves.
//!
//! A code nobody described is classed by the HTTP status: what was refused with 4xx was not sent, and the same
//! again would fare the same.

use crate::channel::refusal::{Refusal, in_between};
use crate::core::{send::Outcome, time::Span};

pub fn classify(r: &Refusal<'_>) -> Outcome {
    match r.code {
        // Too many requests, too many at once, the sender's queue is full.
        "20429" | "14107" | "21611" | "30001" | "10004" | "10001" | "30022" => r.throttled(Some(Span::secs(5)), true),
        // Invalid, not reachable, not a mobile, landline, opted out; blocked at the carrier.
        "21211" | "21214" | "21217" | "21421" | "21610" | "21614" | "21635" | "13223" | "13224" | "30003" | "30004" | "30005" | "30006" => {
            r.number()
        }
        // No body, too long, no callee; filtered by a carrier; TwiML unreadable or too long.
        "21602" | "21604" | "21605" | "21617" | "21619" | "30007" | "12100" | "21205" | "11100" | "21218" => r.content(),
        // Credentials, suspended or closed account, sender not ours or not able, region not permitted, trial.
        "20003" | "20005" | "20006" | "20008" | "20404" | "30002" | "21201" | "21202" | "21210" | "21212" | "21213" | "21215" | "21216"
        | "21219" | "21408" | "21601" | "21603" | "21606" | "21608" | "21612" | "21701" | "21703" | "30024" | "30034" => r.config(),
        "30008" => r.unknown(),
        _ => by_status(r),
    }
}

fn by_status(r: &Refusal<'_>) -> Outcome {
    match r.status {
        401 | 403 | 404 | 405 => r.config(),
        408 => r.unknown(),
        429 => r.throttled(Some(Span::secs(1)), true),
        400..=499 => r.content(),
        500.. => in_between(r.status, r.detail()),
        // A resource that says failed and a code nobody described.
        _ => r.retryable(),
    }
}

/// Whether the code of a failed message proves the number dead. Unreachable (off) and blocked do not.
pub fn number_dead(code: &str) -> bool {
    matches!(code, "21211" | "21614" | "30005" | "30006")
}
/// Whether only this sender's queue, rate, filter or list of those who want nothing kept it back.
pub fn elsewhere(code: &str) -> bool {
    matches!(code, "30001" | "30004" | "30007" | "30022" | "21610" | "21611" | "14107" | "20429")
}
/// Whether it is our account or sender.
pub fn is_config(code: &str) -> bool {
    let r = Refusal { status: 200, code, message: "", retry_after: None };
    matches!(classify(&r), Outcome::Config { .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(status: u16, code: &str) -> &'static str {
        classify(&Refusal { status, code, message: "", retry_after: None }).class()
    }

    /// The reference's codes first, then what the documentation's dictionary has near them.
    const TABLE: &[(&str, &[&str])] = &[
        ("permanent_number", &["30003", "30005", "30006", "21610", "21211", "21614", "21214", "21217", "30004", "13224"]),
        ("config", &["20003", "30002", "20404", "21212", "21408", "21606", "21608", "21612", "21603", "30034"]),
        ("throttled", &["20429", "14107", "21611", "30001", "30022"]),
        ("permanent_content", &["21602", "21617", "30007", "21604", "12100"]),
        ("unknown", &["30008"]),
    ];

    #[test]
    fn every_documented_code_has_its_class() {
        for (expected, codes) in TABLE {
            for code in *codes {
                assert_eq!(class(400, code), *expected, "{code}");
            }
        }
    }

    #[test]
    fn an_unknown_code_is_classed_by_what_its_status_proves() {
        for (status, expected) in [
            (400, "permanent_content"),
            (401, "config"),
            (403, "config"),
            (404, "config"),
            (408, "unknown"),
            (429, "throttled"),
            (500, "retryable"),
            (502, "unknown"),
            (503, "retryable"),
            (504, "unknown"),
            (201, "retryable"),
        ] {
            assert_eq!(class(status, "99999"), expected, "{status}");
        }
    }

    #[test]
    fn dead_numbers_and_faults_of_ours_are_told_apart() {
        assert!(number_dead("30005") && number_dead("21211") && !number_dead("30003") && !number_dead("30008"));
        assert!(is_config("30034") && !is_config("30003") && !is_config(""));
    }
}
