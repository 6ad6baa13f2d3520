//! DingTalk's codes → what they mean here.

use crate::channel::refusal::Refusal;
use crate::core::{send::Outcome, time::Span};

/// A robot over its limit is refused for so long.
pub const BAN: Span = Span::mins(10);

pub fn classify(r: &Refusal<'_>) -> Outcome {
    match r.code {
        // More than 20 in a minute; `wait` is said in seconds that differ, the ban is 10 minutes.
        "130101" | "660026" | "410100" => r.throttled(Some(BAN), true),
        // The robot does not take it: signature, keyword or address list.
        "310000" => r.config(),
        // The token is no robot's that lives; the group is gone; the robot is switched off or gone.
        "300001" | "300005" | "400013" | "400101" | "400102" | "400106" => r.config(),
        // A parameter missing or of the wrong kind; links, words or pictures that are not let through; too long.
        "40035" | "43004" | "400105" | "430101" | "430102" | "430103" | "430104" | "460101" => r.content(),
        "-1" => r.retryable(),
        // Refused for certain, reason unknown.
        _ => r.retryable(),
    }
}
