//! Which step of the SMTP conversation failed, and how → what it means for the message.

use crate::core::{send::Outcome, time::Span};

/// The step that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Connect,
    StartTls,
    Auth,
    MailFrom,
    RcptTo,
    Data,
    /// The message itself, and the reply to its last line.
    Body,
}
impl Step {
    fn as_str(self) -> &'static str {
        match self {
            Step::Connect => "connecting",
            Step::StartTls => "STARTTLS",
            Step::Auth => "AUTH",
            Step::MailFrom => "MAIL FROM",
            Step::RcptTo => "RCPT TO",
            Step::Data => "DATA",
            Step::Body => "the message",
        }
    }
}

/// No reply in time, or the connection was cut.
pub fn silent(step: Step, detail: &str) -> Outcome {
    let detail = format!("at {}: {detail}", step.as_str());
    match step {
        Step::Body => Outcome::Unknown { detail },
        _ => Outcome::Retryable { detail },
    }
}

/// The server said no. `code` is the three digits, `text` its words, which may begin with an
/// enhanced status such as `5.1.1` (RFC 3463).
pub fn refused(step: Step, code: u16, text: &str) -> Outcome {
    let words: String = text.chars().take(160).collect();
    let detail = format!("at {}: {code} {}", step.as_str(), words.trim());
    let subject = enhanced(text);
    match (step, code) {
        // The server is busy or counts our connections: the account's matter.
        (_, 421) => Outcome::Throttled { after: Some(Span::mins(1)), whole_account: true, detail },
        (Step::RcptTo, 450 | 452) => Outcome::Throttled { after: Some(Span::mins(1)), whole_account: false, detail },
        (_, 400..=499) => Outcome::Retryable { detail },
        (Step::RcptTo, _) if subject == Some(7) => Outcome::Config { detail },
        (Step::RcptTo, 530 | 535 | 538) => Outcome::Config { detail },
        (Step::RcptTo, _) => Outcome::PermanentNumber { detail },
        (Step::MailFrom, 552) | (Step::Data | Step::Body, _) => Outcome::PermanentContent { detail },
        (Step::Connect | Step::StartTls | Step::Auth | Step::MailFrom, _) => Outcome::Config { detail },
    }
}

/// The second number of an enhanced status: 1 address, 2 mailbox, 7 policy.
fn enhanced(text: &str) -> Option<u8> {
    let mut parts = text.split_whitespace().next()?.split('.');
    let (class, subject, detail) = (parts.next()?, parts.next()?, parts.next()?);
    if !matches!(class, "4" | "5") || detail.parse::<u16>().is_err() {
        return None;
    }
    subject.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_silence_after_the_message_went_out_is_unknown() {
        for step in [Step::Connect, Step::StartTls, Step::Auth, Step::MailFrom, Step::RcptTo, Step::Data] {
            assert_eq!(silent(step, "cut").class(), "retryable", "{step:?}");
        }
        assert_eq!(silent(Step::Body, "cut").class(), "unknown");
    }

    #[test]
    fn each_refusal_has_its_class_by_step_and_code() {
        for (step, code, text, class) in [
            (Step::Connect, 554, "no service", "config"),
            (Step::Connect, 421, "too many connections", "throttled"),
            (Step::StartTls, 454, "TLS not available", "retryable"),
            (Step::Auth, 535, "5.7.8 bad credentials", "config"),
            (Step::Auth, 454, "4.7.0 temporary", "retryable"),
            (Step::MailFrom, 550, "sender not allowed", "config"),
            (Step::MailFrom, 552, "too big", "permanent_content"),
            (Step::RcptTo, 450, "mailbox busy", "throttled"),
            (Step::RcptTo, 451, "4.3.0 try later", "retryable"),
            (Step::RcptTo, 550, "5.1.1 no such user", "permanent_number"),
            (Step::RcptTo, 550, "no such user", "permanent_number"),
            (Step::RcptTo, 550, "5.7.1 relaying denied", "config"),
            (Step::RcptTo, 530, "log in first", "config"),
            (Step::Data, 554, "no valid recipients", "permanent_content"),
            (Step::Body, 550, "5.7.1 looks like spam", "permanent_content"),
            (Step::Body, 451, "4.3.0 local error", "retryable"),
        ] {
            assert_eq!(refused(step, code, text).class(), class, "{step:?} {code} {text}");
        }
    }
}
