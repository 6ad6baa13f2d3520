//! What a reply proves: accepted, or a refusal whose class the file's table gives. A code no rule names is
//! `otherwise`, which is `unknown` unless the file says better: never sent again blindly.

use super::{file::Class, plan::Answer, tree};
use crate::channel::{
    exchange::Reply,
    refusal::{Refusal, without_code},
};
use crate::core::{send::Outcome, time::Span};

pub(super) fn outcome(a: &Answer, reply: &Reply, reference: &str) -> Outcome {
    let Ok(body) = tree::read(a.format, a.pattern.as_ref(), a.charset, None, &reply.body) else {
        return without_code(reply.status, reply.retry_after);
    };
    let Some(code) = a.code.text(&body) else { return without_code(reply.status, reply.retry_after) };
    let message = a.message.as_ref().and_then(|p| p.text(&body)).unwrap_or_default();
    let refusal = Refusal { status: reply.status, code: &code, message: &message, retry_after: reply.retry_after };
    if a.ok.contains(&code) {
        // A yes inside an error page proves nothing.
        if !(200..300).contains(&reply.status) {
            return refusal.unknown();
        }
        return match &a.id {
            // Providers that give no id are asked by our reference.
            None => Outcome::Accepted { provider_message_id: reference.to_string() },
            Some(path) => match path.text(&body) {
                Some(provider_message_id) => Outcome::Accepted { provider_message_id },
                None => Outcome::Unknown { detail: format!("{code}: accepted without an id of the message") },
            },
        };
    }
    let (class, after) = rule(a, &code);
    classed(&refusal, class, after)
}

/// The rule of a code: its own, else the longest beginning with `*`, else `otherwise`.
fn rule(a: &Answer, code: &str) -> (Class, Option<Span>) {
    let exact = a.codes.get(code);
    let beginning = || {
        let fits = a.codes.iter().filter(|(k, _)| k.strip_suffix('*').is_some_and(|p| code.starts_with(p)));
        fits.max_by_key(|(k, _)| k.len()).map(|(_, rule)| rule)
    };
    exact.or_else(beginning).copied().unwrap_or((a.otherwise, None))
}

fn classed(r: &Refusal<'_>, class: Class, after: Option<Span>) -> Outcome {
    match class {
        Class::Throttled => r.throttled(after.or(Some(Span::secs(1))), true),
        Class::NumberThrottled => r.throttled(after.or(Some(Span::mins(1))), false),
        Class::Retryable => r.retryable(),
        Class::Number => r.number(),
        Class::Content => r.content(),
        Class::Config => r.config(),
        Class::Balance => r.balance(),
        Class::Unknown => r.unknown(),
    }
}
