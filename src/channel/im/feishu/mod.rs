//! Feishu (Lark) custom robot (`/open-apis/bot/v2/hook/…`), signed in the body.
//!
//! | fact | where from | what is done about it |
//! |---|---|---|
//! | signature over nothing, keyed by time and secret | official guide | `sign::feishu`, checked on both sides |
//! | 100 messages a minute and 5 a second; crowded at full and half hours (`11232`) | official guide | mirrored; those moments are passed over; a refusal waits 30 s |
//! | body up to 20 KB | official guide | checked whole, before it leaves |
//! | cards show markdown without headings and quotes | official guide of cards | digests use bold and lists only |
//! | replies name the code `code`, older ones `StatusCode` | official guide | `code` decides |
//! | no receipt, no query, no idempotence key | official guide | an unknown fate stays unknown; the next digest says everything anew |

pub mod errors;
mod request;
mod settings;
#[cfg(test)]
mod tests;

pub use settings::Settings;

use super::{group, reply};
use crate::channel::{
    AccountLimits, Address, CallbackItem, CallbackReply, GroupRobot, Lookup, Message, Provider, SendRequest, WallClock,
    exchange::{exchange, parse_endpoint},
};
use crate::core::{
    send::{Channel, Outcome},
    time::Time,
};
use async_trait::async_trait;
use reqwest::{
    Body, Method, Request, Url,
    header::{CONTENT_TYPE, HeaderValue},
};

/// One robot of one Feishu group.
pub struct FeishuRobot {
    settings: Settings,
    robot: GroupRobot,
    client: reqwest::Client,
    url: Url,
    clock: WallClock,
}

impl FeishuRobot {
    /// `clock` gives milliseconds since 1970 for the signature. `Err` names every faulty key.
    pub fn new(settings: Settings, client: reqwest::Client, clock: WallClock) -> Result<FeishuRobot, String> {
        let faults = settings.faults();
        if !faults.is_empty() {
            return Err(faults.join("; "));
        }
        let mut url = parse_endpoint(&settings.endpoint)?;
        url.set_path(&format!("/open-apis/bot/v2/hook/{}", settings.hook.reveal()));
        let robot = GroupRobot {
            group: settings.group.clone(),
            avoids_half_hours: true,
            longest: request::LONGEST_TEXT,
            longest_at_all: request::LONGEST_TEXT,
        };
        Ok(FeishuRobot { settings, robot, client, url, clock })
    }

    fn body(&self, message: &Message, at_all: bool) -> Result<String, String> {
        let signed = self.settings.secret.as_ref().map(|s| (s.reveal(), (self.clock)() / 1000));
        request::body(message, at_all, signed, self.settings.keyword.as_deref())
    }
}

#[async_trait]
impl Provider for FeishuRobot {
    fn account(&self) -> &str {
        &self.settings.account
    }
    fn channel(&self) -> Channel {
        Channel::Im
    }
    fn limits(&self) -> &AccountLimits {
        &self.settings.limits
    }
    fn robot(&self) -> Option<&GroupRobot> {
        Some(&self.robot)
    }

    async fn send(&self, r: &SendRequest) -> Outcome {
        let Address::Group { at_all } = &r.to else {
            return Outcome::PermanentNumber { detail: "a robot writes to its group only".into() };
        };
        let body = match self.body(&r.message, *at_all) {
            Ok(body) => body,
            Err(detail) => return Outcome::PermanentContent { detail },
        };
        let mut request = Request::new(Method::POST, self.url.clone());
        *request.timeout_mut() = Some(self.settings.request_timeout.to_std());
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
        *request.body_mut() = Some(Body::from(body));
        match exchange(&self.client, request).await {
            Ok(answer) => reply::outcome(&answer, &r.reference, errors::classify),
            Err(outcome) => outcome,
        }
    }

    async fn lookup(&self, _reference: &str, _to: &Address, _sent: Time) -> Lookup {
        Lookup::Unanswered("a group robot has no query for what was sent".into())
    }
    fn has_lookup(&self) -> bool {
        false
    }
    fn read_callback(&self, _content_type: Option<&str>, _body: &[u8]) -> Result<Vec<CallbackItem>, String> {
        Err("no callbacks come for a group robot".into())
    }
    fn callback_reply(&self, _ok: bool) -> CallbackReply {
        group::no_callbacks()
    }

    fn check_message(&self, message: &Message) -> Result<(), String> {
        self.body(message, true).map(drop)
    }
}
