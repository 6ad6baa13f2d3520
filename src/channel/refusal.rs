//! A provider said no: what its words and its HTTP status prove, whoever the provider is.

use crate::core::{send::Outcome, time::Span};

/// A reply that does not say yes.
#[derive(Clone, Copy, Debug)]
pub struct Refusal<'a> {
    pub status: u16,
    pub code: &'a str,
    pub message: &'a str,
    pub retry_after: Option<Span>,
}
impl Refusal<'_> {
    /// `isv.X: message (HTTP 200)`, cut to what a record should hold.
    pub fn detail(&self) -> String {
        let message: String = self.message.chars().take(160).collect();
        let code: String = self.code.chars().take(80).collect();
        if self.status == 200 { format!("{code}: {message}") } else { format!("{code}: {message} (HTTP {})", self.status) }
    }
    pub fn throttled(&self, after: Option<Span>, whole_account: bool) -> Outcome {
        Outcome::Throttled { after: self.retry_after.or(after), whole_account, detail: self.detail() }
    }
    pub fn retryable(&self) -> Outcome {
        Outcome::Retryable { detail: self.detail() }
    }
    pub fn number(&self) -> Outcome {
        Outcome::PermanentNumber { detail: self.detail() }
    }
    pub fn content(&self) -> Outcome {
        Outcome::PermanentContent { detail: self.detail() }
    }
    pub fn config(&self) -> Outcome {
        Outcome::Config { detail: self.detail() }
    }
    pub fn balance(&self) -> Outcome {
        Outcome::Balance { detail: self.detail() }
    }
    pub fn unknown(&self) -> Outcome {
        Outcome::Unknown { detail: self.detail() }
    }
}

/// A reply that holds no code at all: from a proxy, a portal, or a broken gateway.
pub fn without_code(status: u16, retry_after: Option<Span>) -> Outcome {
    let detail = format!("HTTP {status} without a readable reply");
    match status {
        200..=299 => Outcome::Unknown { detail },
        300..=399 | 401 | 403 | 404 | 405 | 407 => {
            Outcome::Config { detail: format!("{detail}: is the endpoint right, and is something between us and it?") }
        }
        408 => Outcome::Unknown { detail },
        429 => Outcome::Throttled { after: retry_after.or(Some(Span::secs(1))), whole_account: true, detail },
        400..=499 => Outcome::PermanentContent { detail },
        _ => in_between(status, detail),
    }
}

/// What an HTTP status above 499 proves: 502 and 504 are said by something in the middle that had already passed the request on.
pub fn in_between(status: u16, detail: String) -> Outcome {
    match status {
        502 | 504 => Outcome::Unknown { detail },
        _ => Outcome::Retryable { detail },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_without_a_code_are_classed_by_what_they_prove() {
        for (status, expected) in [
            (200, "unknown"),
            (302, "config"),
            (404, "config"),
            (407, "config"),
            (413, "permanent_content"),
            (429, "throttled"),
            (500, "retryable"),
            (502, "unknown"),
            (503, "retryable"),
            (504, "unknown"),
        ] {
            assert_eq!(without_code(status, None).class(), expected, "{status}");
        }
    }
}
