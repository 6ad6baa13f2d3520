//! Robots answer in one shape, with their code under one of two names.

use crate::channel::{
    exchange::Reply,
    refusal::{Refusal, without_code},
};
use crate::core::send::Outcome;
use serde::Deserialize;

#[derive(Deserialize)]
struct Body {
    #[serde(alias = "code")]
    errcode: Option<i64>,
    #[serde(alias = "msg", default)]
    errmsg: String,
    /// DingTalk's, while a robot is banned: seconds.
    #[serde(default)]
    wait: Option<f64>,
}

/// Code 0 is yes, and proves nothing about who reads it. `reference` stands for the id that robots do not give.
pub(super) fn outcome(reply: &Reply, reference: &str, classify: fn(&Refusal<'_>) -> Outcome) -> Outcome {
    let Ok(body) = serde_json::from_slice::<Body>(&reply.body) else { return without_code(reply.status, reply.retry_after) };
    match body.errcode {
        None => without_code(reply.status, reply.retry_after),
        Some(0) if reply.status == 200 => Outcome::Accepted { provider_message_id: reference.to_string() },
        Some(0) => without_code(reply.status, reply.retry_after),
        Some(code) => {
            let wait = body.wait.map(|s| format!(" (wait {s})")).unwrap_or_default();
            let message = format!("{}{wait}", body.errmsg);
            classify(&Refusal { status: reply.status, code: &code.to_string(), message: &message, retry_after: reply.retry_after })
        }
    }
}
