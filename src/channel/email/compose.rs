//! A message as a mail: headers, text and HTML side by side.

use crate::channel::Message;
use lettre::message::{Mailbox, MultiPart, SinglePart, header::ContentType};
use std::time::{Duration, SystemTime};

pub(super) struct Head<'a> {
    pub from: &'a Mailbox,
    pub reply_to: Option<&'a Mailbox>,
    pub to: Mailbox,
    pub reference: &'a str,
    pub at_ms: i64,
}

pub(super) struct Mail {
    pub message: lettre::Message,
    pub message_id: String,
}

/// What a mail must have, checked before anything is sent.
pub(super) fn check(message: &Message) -> Result<(), String> {
    let subject = message.subject.as_deref().unwrap_or_default();
    if subject.trim().is_empty() {
        return Err("the mail has no subject".into());
    }
    if subject.contains(['\r', '\n']) {
        return Err("the subject holds a line break".into());
    }
    if subject.chars().count() > 200 {
        return Err(format!("the subject has {} characters, at most 200 are allowed", subject.chars().count()));
    }
    if message.text.trim().is_empty() {
        return Err("the mail has no text".into());
    }
    Ok(())
}

/// Builds the mail. Its Message-ID carries our reference, so that a bounce or a mail server's log
/// leads back to the attempt.
pub(super) fn compose(head: Head<'_>, message: &Message) -> Result<Mail, String> {
    check(message)?;
    let message_id = format!("<{}@{}>", head.reference, head.from.email.domain());
    let at = SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(head.at_ms).unwrap_or_default());
    let mut builder = lettre::Message::builder()
        .from(head.from.clone())
        .to(head.to)
        .date(at)
        .message_id(Some(message_id.clone()))
        .subject(message.subject.clone().unwrap_or_default());
    if let Some(reply_to) = head.reply_to {
        builder = builder.reply_to(reply_to.clone());
    }
    let text = SinglePart::builder().header(ContentType::TEXT_PLAIN).body(message.text.clone());
    let built = match &message.html {
        Some(html) => {
            let html = SinglePart::builder().header(ContentType::TEXT_HTML).body(html.clone());
            builder.multipart(MultiPart::alternative().singlepart(text).singlepart(html))
        }
        None => builder.singlepart(text),
    };
    let message = built.map_err(|e| format!("the mail cannot be built: {e}"))?;
    Ok(Mail { message, message_id })
}
