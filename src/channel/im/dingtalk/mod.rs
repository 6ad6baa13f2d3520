//! DingTalk custom robot (`/robot/send`), signed in the query.
//!
//! | fact | where from | what is done about it |
//! |---|---|---|
//! | signature over time and secret, in the query, percent-encoded | official document by way of copies; two implementations agree | `sign::dingtalk`, checked on both sides |
//! | 20 messages a minute, then refused for 10 minutes | document | mirrored with the group's own clock; a refusal waits 10 minutes |
//! | security by signature, keyword or address list | document | `secret`, `keyword`; the list is the robot's own |
//! | longest message: 20,000 bytes | copies only | that is our bound as well |
//! | lines join unless they end in two spaces | document of its markdown | `markdown::hard_breaks` |
//! | no receipt, no query, no idempotence key | document | an unknown fate stays unknown; the next digest says everything anew |

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
    sign::dingtalk::sign,
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

/// One robot of one DingTalk group.
pub struct DingtalkRobot {
    settings: Settings,
    robot: GroupRobot,
    client: reqwest::Client,
    url: Url,
    clock: WallClock,
}

impl DingtalkRobot {
    /// `clock` gives milliseconds since 1970 for the signature. `Err` names every faulty key.
    pub fn new(settings: Settings, client: reqwest::Client, clock: WallClock) -> Result<DingtalkRobot, String> {
        let faults = settings.faults();
        if !faults.is_empty() {
            return Err(faults.join("; "));
        }
        let mut url = parse_endpoint(&settings.endpoint)?;
        url.set_path("/robot/send");
        let robot = GroupRobot {
            group: settings.group.clone(),
            avoids_half_hours: false,
            longest: request::LONGEST,
            longest_at_all: request::LONGEST,
        };
        Ok(DingtalkRobot { settings, robot, client, url, clock })
    }

    fn request(&self, body: String) -> Request {
        let mut url = self.url.clone();
        {
            let mut query = url.query_pairs_mut();
            query.append_pair("access_token", self.settings.access_token.reveal());
            if let Some(secret) = &self.settings.secret {
                let ms = (self.clock)();
                query.append_pair("timestamp", &ms.to_string()).append_pair("sign", &sign(secret.reveal(), ms));
            }
        }
        let mut request = Request::new(Method::POST, url);
        *request.timeout_mut() = Some(self.settings.request_timeout.to_std());
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
        *request.body_mut() = Some(Body::from(body));
        request
    }
}

#[async_trait]
impl Provider for DingtalkRobot {
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
        if let Err(detail) = self.check_message(&r.message) {
            return Outcome::PermanentContent { detail };
        }
        match exchange(&self.client, self.request(request::body(&r.message, *at_all))).await {
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
        request::check(message, self.settings.keyword.as_deref())
    }
}
