//! Words shared by everything that sends: channels and what came of a request.

use super::time::Span;
use serde::{Deserialize, Serialize};
use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    Sms,
    Voice,
    Email,
    Im,
}
impl Channel {
    pub fn as_str(self) -> &'static str {
        match self {
            Channel::Sms => "sms",
            Channel::Voice => "voice",
            Channel::Email => "email",
            Channel::Im => "im",
        }
    }
}
impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a provider made of one request. Only `Throttled` and `Retryable` may go again by
/// themselves on the same provider; `Unknown` is looked up or awaited, never blindly resent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "class", rename_all = "snake_case")]
pub enum Outcome {
    Accepted {
        provider_message_id: String,
    },
    /// `whole_account`: the account's own rate, not this number's.
    Throttled {
        after: Option<Span>,
        whole_account: bool,
        detail: String,
    },
    /// Known not to have been sent (connection refused, a 5xx before the body was read …).
    Retryable {
        detail: String,
    },
    PermanentNumber {
        detail: String,
    },
    PermanentContent {
        detail: String,
    },
    /// Signature, template, permission or credential wrong: stop the provider, alarm an operator.
    Config {
        detail: String,
    },
    Balance {
        detail: String,
    },
    /// The request left and no reply came back.
    Unknown {
        detail: String,
    },
}
impl Outcome {
    /// The label in `jiaoying_attempts_total{outcome}` and in records.
    pub fn class(&self) -> &'static str {
        match self {
            Outcome::Accepted { .. } => "accepted",
            Outcome::Throttled { .. } => "throttled",
            Outcome::Retryable { .. } => "retryable",
            Outcome::PermanentNumber { .. } => "permanent_number",
            Outcome::PermanentContent { .. } => "permanent_content",
            Outcome::Config { .. } => "config",
            Outcome::Balance { .. } => "balance",
            Outcome::Unknown { .. } => "unknown",
        }
    }
}
