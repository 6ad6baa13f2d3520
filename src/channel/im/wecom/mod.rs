//! WeCom (企业微信) group robot (`/cgi-bin/webhook/send`): no signature, the key is the secret.
//!
//! | fact | where from | what is done about it |
//! |---|---|---|
//! | markdown up to 4,096 bytes, text up to 2,048 | official document by way of copies | checked before it leaves; a digest is made to fit |
//! | only text can call up everybody (`mentioned_list`) | the same | a message that does so goes as text |
//! | 20 messages a minute; over it `45009` | the same | mirrored; a refusal waits a minute |
//! | no receipt, no query, takes nothing in | the same | an unknown fate stays unknown; the next digest says everything anew |

pub mod errors;
mod request;
mod settings;
#[cfg(test)]
mod tests;

pub use settings::Settings;

use super::{group, reply};
use crate::channel::{
    AccountLimits, Address, CallbackItem, CallbackReply, GroupRobot, Lookup, Message, Provider, SendRequest,
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

/// One robot of one WeCom group.
pub struct WecomRobot {
    settings: Settings,
    robot: GroupRobot,
    client: reqwest::Client,
    url: Url,
}

impl WecomRobot {
    /// `Err` names every faulty key.
    pub fn new(settings: Settings, client: reqwest::Client) -> Result<WecomRobot, String> {
        let faults = settings.faults();
        if !faults.is_empty() {
            return Err(faults.join("; "));
        }
        let mut url = parse_endpoint(&settings.endpoint)?;
        url.set_path("/cgi-bin/webhook/send");
        url.query_pairs_mut().append_pair("key", settings.key.reveal());
        let robot = GroupRobot {
            group: settings.group.clone(),
            avoids_half_hours: false,
            longest: request::LONGEST,
            longest_at_all: request::LONGEST_TEXT,
        };
        Ok(WecomRobot { settings, robot, client, url })
    }
}

#[async_trait]
impl Provider for WecomRobot {
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
        let body = match request::body(&r.message, *at_all) {
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
        request::body(message, false).map(drop)
    }
}
