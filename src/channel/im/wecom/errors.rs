//! WeCom's codes → what they mean here.

use crate::channel::refusal::Refusal;
use crate::core::{send::Outcome, time::Span};

pub fn classify(r: &Refusal<'_>) -> Outcome {
    match r.code {
        // "api freq out of limit": 20 in a minute.
        "45009" | "45033" => r.throttled(Some(Span::mins(1)), true),
        // The key is not a robot's that lives.
        "93000" | "93004" | "93008" => r.config(),
        // Not JSON, a field missing or of the wrong kind, too long.
        "40008" | "40058" | "44004" | "45002" | "47001" => r.content(),
        "-1" => r.retryable(),
        // Refused for certain, reason unknown.
        _ => r.retryable(),
    }
}
