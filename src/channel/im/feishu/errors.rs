//! Feishu's codes → what they mean here.

use crate::channel::refusal::Refusal;
use crate::core::{send::Outcome, time::Span};

pub fn classify(r: &Refusal<'_>) -> Outcome {
    match r.code {
        // The system's own throttle, mostly at full and half hours; and the tenant's of a robot.
        "11232" | "11233" | "99991400" => r.throttled(Some(Span::secs(30)), true),
        // Signature or clock; address list; keyword.
        "19021" | "19022" | "19024" => r.config(),
        // The address is no robot's that lives.
        "19001" => r.config(),
        // The body or its card cannot be read.
        "9499" | "19002" | "11246" => r.content(),
        // Refused for certain, reason unknown.
        _ => r.retryable(),
    }
}
