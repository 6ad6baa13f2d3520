//! Twilio voice: a call whose TwiML says the warning and gathers one key; the key and the end of the call come
//! as signed callbacks. What is known of Twilio and from where stands in [`crate::channel::twilio`]; besides:
//!
//! | fact | where from | what is done about it |
//! |---|---|---|
//! | the answer to a key is TwiML | document | the words of the key, from `menu` |
//! | `completed` also when a mailbox answered | document | `machine_detection` tells them apart (charged) |
//! | a failed call's SIP 404/604 means no such number | general knowledge, **not confirmed** | evidence for the directory, no more |
//! | `Twiml` of at most 4,000 characters | document | checked before sending |

mod callback;
mod settings;
mod twiml;

pub use settings::{MenuKey, Settings};

use crate::channel::{
    AccountLimits, Address, CallbackItem, CallbackReply, CallbackRequest, Lookup, Message, Provider, ReceiptResult, SendRequest, WallClock,
    e164::e164,
    item::Item,
    twilio::{
        callback::{self as shared, Address as CallbackAddress},
        rest::Rest,
    },
};
use crate::core::{
    send::{Channel, Outcome},
    time::Time,
};
use async_trait::async_trait;

/// As long as the longest reference.
const SOME_REFERENCE: &str = "000000000000000";

/// One Twilio account with one calling number.
pub struct TwilioVoice {
    settings: Settings,
    rest: Rest,
    callbacks: CallbackAddress,
}

impl TwilioVoice {
    /// `Err` names every faulty key. Nothing Twilio checks needs a clock.
    pub fn new(settings: Settings, client: reqwest::Client, _clock: WallClock) -> Result<TwilioVoice, String> {
        let faults = settings.faults();
        if !faults.is_empty() {
            return Err(faults.join("; "));
        }
        let rest = Rest::new(client, &settings.endpoint, &settings.credentials(), settings.request_timeout)?;
        let callbacks = CallbackAddress::new(&settings.public_url, &settings.account, &settings.callback_secret)?;
        Ok(TwilioVoice { settings, rest, callbacks })
    }
}

#[async_trait]
impl Provider for TwilioVoice {
    fn account(&self) -> &str {
        &self.settings.account
    }
    fn channel(&self) -> Channel {
        Channel::Voice
    }
    fn limits(&self) -> &AccountLimits {
        &self.settings.limits
    }

    async fn send(&self, r: &SendRequest) -> Outcome {
        let to = match &r.to {
            Address::Phone(p) => e164(p),
            Address::Email { .. } | Address::Group { .. } => {
                return Outcome::PermanentNumber { detail: "an e-mail address cannot be called".into() };
            }
        };
        let s = &self.settings;
        let callback = self.callbacks.of(&r.reference);
        let words = twiml::announcement(s, &r.message.text, &callback);
        let ring = ((s.ring_timeout.0 + 999) / 1000).to_string();
        let mut fields = vec![
            ("To", to.as_str()),
            ("From", &s.from),
            ("Twiml", &words),
            ("StatusCallback", &callback),
            ("StatusCallbackEvent", "completed"),
            ("Timeout", &ring),
        ];
        if s.machine_detection {
            fields.push(("MachineDetection", "Enable"));
        }
        self.rest.create("Calls", &fields).await
    }

    /// By number and time.
    fn lookup_guesses(&self) -> bool {
        true
    }
    async fn lookup(&self, _reference: &str, to: &Address, sent: Time) -> Lookup {
        let Address::Phone(phone) = to else { return Lookup::Unanswered("an e-mail address has no call to look up".into()) };
        match self.rest.made("Calls", &e164(phone), sent).await {
            Ok(Some(row)) => {
                let text = |key: &str| row[key].as_str().unwrap_or_default();
                let seconds = text("duration").parse().ok();
                Lookup::Found {
                    provider_message_id: row["sid"].as_str().map(str::to_string),
                    result: callback::ended(text("status"), "", text("answered_by"), seconds).unwrap_or(ReceiptResult::Waiting),
                }
            }
            Ok(None) => Lookup::NotFound,
            Err(why) => Lookup::Unanswered(why),
        }
    }

    fn check_callback(&self, c: &CallbackRequest<'_>) -> Result<(), String> {
        self.callbacks.check(&self.settings.credentials(), c)
    }
    fn read_callback(&self, _content_type: Option<&str>, body: &[u8]) -> Result<Vec<CallbackItem>, String> {
        callback::read(None, body)
    }
    fn read_callback_at(&self, query: Option<&str>, _content_type: Option<&str>, body: &[u8]) -> Result<Vec<CallbackItem>, String> {
        callback::read(query, body)
    }
    fn callback_reply(&self, ok: bool) -> CallbackReply {
        shared::reply(ok)
    }
    /// After a key the call says that it was taken; only what is kept is thanked for.
    fn answer_callback(&self, ok: bool, c: &CallbackRequest<'_>) -> CallbackReply {
        match Item::of_form(c.body).text("Digits") {
            Some(key) if ok => shared::twiml(true, &twiml::after_key(&self.settings, &key)),
            _ => shared::reply(ok),
        }
    }

    /// Free text: there is no template to fit, but it must say something, bear its mark, and not be too long.
    fn check_message(&self, message: &Message) -> Result<(), String> {
        if message.text.trim().is_empty() {
            return Err("the announcement is empty".into());
        }
        if message.drill && !message.text.contains("演练") {
            return Err("a drill is not called in the words of a real warning: its text lacks the mark 演练".into());
        }
        let length = twiml::announcement(&self.settings, &message.text, &self.callbacks.of(SOME_REFERENCE)).chars().count();
        if length > twiml::MAX {
            return Err(format!("the call's TwiML has {length} characters, at most {} are allowed: lower play_times", twiml::MAX));
        }
        Ok(())
    }
}
