//! Huawei SMS result codes → what they mean here; statuses of receipts → receipts.
//!
//! The list of E-codes is not whole in any page we saw, so a code nobody described is classed by its family:
//! `E0000xx` and `E0001xx` are faults of headers and keys, `E2000xx` are said of one message.

use crate::channel::{ReceiptResult, refusal::Refusal};
use crate::core::{send::Outcome, time::Span};

pub fn classify(r: &Refusal<'_>) -> Outcome {
    match r.code {
        // "System exception": most often a request it cannot read, but said of overload as well.
        "E000000" => r.retryable(),
        // Frozen: for arrears, or for what was sent. Either way somebody must act.
        "E000112" => r.balance(),
        // The account's cap of the day or month, set in the console.
        "E000623" => r.throttled(Some(Span::mins(30)), true),
        // Too much waits in its queue: "try again in about ten minutes".
        "E200015" => r.throttled(Some(Span::mins(10)), true),
        // Wrong form of a parameter; too long an extend. One bad number fails the whole request, and ours has one.
        "E000503" => r.content(),
        // The variables do not fit the template.
        "E200028" => r.content(),
        // Sending failed; the status of the number, if any, says why.
        "E000510" => r.retryable(),
        // The address list of the application.
        "E000620" => r.config(),
        code if of_the_channel(code) => r.config(),
        // Parts of a long message that never came together.
        "E200038" => r.unknown(),
        code if code.starts_with("E0000") || code.starts_with("E0001") => r.config(),
        code if code.starts_with("MILIMIT") || code.starts_with("LIMIT") || code == "BEYONDN" => number_limit(r),
        "BLACK" | "MBBLACK" => r.number(),
        "KEYWORD" => r.content(),
        // Refused for certain, reason unknown.
        _ => r.retryable(),
    }
}

/// 15 in a minute, 50 in 24 h; the same text 2 in 59 s and 5 in 59 min. Which is full is not said.
fn number_limit(r: &Refusal<'_>) -> Outcome {
    r.throttled(Some(Span::mins(1)), false)
}

/// Channel number and application or signature do not fit, no international SMS or gateway; a template that is missing, of
/// another type, not active, of another signature; a channel whose rate is set to 0.
fn of_the_channel(code: &str) -> bool {
    const CODES: [&str; 11] =
        ["E200018", "E200019", "E200020", "E200024", "E200027", "E200029", "E200030", "E200031", "E200032", "E200033", "E200036"];
    CODES.contains(&code)
}

/// What a receipt's status says. `ACCEPTD` and `UNKNOWN` prove nothing yet.
pub fn receipt(status: &str, description: &str) -> ReceiptResult {
    match status {
        "DELIVRD" => ReceiptResult::Delivered,
        "ACCEPTD" | "UNKNOWN" | "ENROUTE" | "" => ReceiptResult::Waiting,
        code => ReceiptResult::Failed {
            code: code.into(),
            detail: description.chars().take(160).collect(),
            // No such user, at the carriers: MK:0001, MN:0001, CB:0001 (China Unicom "1").
            number_dead: matches!(code, "MK:0001" | "MN:0001" | "MB:1043"),
            config: of_the_channel(code) || code == "SC:0014",
            // What is refused for its limits, its list or its words when it is sent can be so later, too.
            elsewhere: matches!(
                classify(&Refusal { status: 200, code, message: "", retry_after: None }),
                Outcome::Throttled { .. } | Outcome::PermanentNumber { .. } | Outcome::PermanentContent { .. }
            ) || code == "REJECTD",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(code: &str) -> Outcome {
        classify(&Refusal { status: 400, code, message: "", retry_after: None })
    }

    const TABLE: &[(&str, &[&str])] = &[
        ("retryable", &["E000000", "E000510", "E200099", "anything"]),
        ("throttled", &["E000623", "E200015", "MILIMIT", "LIMIT", "BEYONDN"]),
        ("permanent_number", &["BLACK", "MBBLACK"]),
        ("permanent_content", &["E000503", "E200028", "KEYWORD"]),
        (
            "config",
            &[
                "E000101", "E000102", "E000103", "E000104", "E000105", "E000106", "E000109", "E000110", "E000111", "E000620", "E200018",
                "E200019", "E200020", "E200024", "E200027", "E200029", "E200030", "E200031", "E200032", "E200033", "E200036",
            ],
        ),
        ("balance", &["E000112"]),
        ("unknown", &["E200038"]),
    ];

    #[test]
    fn every_described_code_has_its_class() {
        for (class, codes) in TABLE {
            for code in *codes {
                assert_eq!(outcome(code).class(), *class, "{code}");
            }
        }
        for n in (1..=8).chain(20..=27).chain([40, 45]) {
            assert_eq!(outcome(&format!("E{n:06}")).class(), "config", "a fault of the headers: E{n:06}");
        }
    }

    #[test]
    fn a_numbers_limit_is_not_the_accounts() {
        assert!(matches!(outcome("MILIMIT"), Outcome::Throttled { whole_account: false, .. }));
        assert!(matches!(outcome("E200015"), Outcome::Throttled { whole_account: true, after: Some(a), .. } if a == Span::mins(10)));
    }

    #[test]
    fn every_documented_status_is_read() {
        assert_eq!(receipt("DELIVRD", ""), ReceiptResult::Delivered);
        for waiting in ["ACCEPTD", "UNKNOWN", ""] {
            assert_eq!(receipt(waiting, ""), ReceiptResult::Waiting, "{waiting}");
        }
        for failed in ["EXPIRED", "DELETED", "UNDELIV", "REJECTD", "E200028", "MILIMIT", "LIMIT", "MK:0005", "24"] {
            let dead = matches!(receipt(failed, ""), ReceiptResult::Failed { number_dead: false, .. });
            assert!(dead, "{failed}: failed, and proves nothing of the number");
        }
        assert!(matches!(receipt("MK:0001", ""), ReceiptResult::Failed { number_dead: true, .. }));
        assert!(matches!(receipt("E200033", ""), ReceiptResult::Failed { config: true, .. }));
    }
}
