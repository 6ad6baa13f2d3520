//! Twilio SMS: Messages out as free text, status callbacks and incoming messages in, a list of what was sent
//! to a number to find out what became of a request whose reply never came. What is known of Twilio and from
//! where stands in [`crate::channel::twilio`].

mod callback;
mod settings;

pub use settings::Settings;

use crate::channel::{
    AccountLimits, Address, CallbackItem, CallbackReply, CallbackRequest, Day, Filing, Lookup, Message, MessageKind, Provider, SendRequest,
    WallClock,
    e164::e164,
    filing,
    long_sms::{self, LongSms},
    twilio::{
        callback::{Address as CallbackAddress, reply},
        rest::{Rest, number_or_text},
    },
};
use crate::core::{
    send::{Channel, Outcome},
    time::Time,
};
use async_trait::async_trait;

/// The longest body, characters.
const BODY_MAX: usize = 1600;

/// One Twilio account with one sender.
pub struct TwilioSms {
    settings: Settings,
    rest: Rest,
    callbacks: CallbackAddress,
}

impl TwilioSms {
    /// `Err` names every faulty key. Nothing Twilio checks needs a clock.
    pub fn new(settings: Settings, client: reqwest::Client, _clock: WallClock) -> Result<TwilioSms, String> {
        let faults = settings.faults();
        if !faults.is_empty() {
            return Err(faults.join("; "));
        }
        let rest = Rest::new(client, &settings.endpoint, &settings.credentials(), settings.request_timeout)?;
        let callbacks = CallbackAddress::new(&settings.public_url, &settings.account, &settings.callback_secret)?;
        Ok(TwilioSms { settings, rest, callbacks })
    }

    fn body(&self, message: &Message) -> String {
        match &self.settings.sign_name {
            Some(name) => format!("【{name}】{}", message.text),
            None => message.text.clone(),
        }
    }
}

#[async_trait]
impl Provider for TwilioSms {
    fn account(&self) -> &str {
        &self.settings.account
    }
    fn channel(&self) -> Channel {
        Channel::Sms
    }
    fn limits(&self) -> &AccountLimits {
        &self.settings.limits
    }

    async fn send(&self, r: &SendRequest) -> Outcome {
        let to = match &r.to {
            Address::Phone(p) if p.is_mobile() => e164(p),
            Address::Phone(p) => return Outcome::PermanentNumber { detail: format!("{p} is a landline: it cannot receive SMS") },
            Address::Email { .. } | Address::Group { .. } => {
                return Outcome::PermanentNumber { detail: "an e-mail address cannot receive SMS".into() };
            }
        };
        let (body, callback) = (self.body(&r.message), self.callbacks.of(&r.reference));
        let sender = match (&self.settings.messaging_service_sid, &self.settings.from) {
            (Some(service), _) => ("MessagingServiceSid", service.as_str()),
            (None, from) => ("From", from.as_deref().unwrap_or_default()),
        };
        self.rest.create("Messages", &[("To", &to), sender, ("Body", &body), ("StatusCallback", &callback)]).await
    }

    /// By number and time.
    fn lookup_guesses(&self) -> bool {
        true
    }
    async fn lookup(&self, _reference: &str, to: &Address, sent: Time) -> Lookup {
        let Address::Phone(phone) = to else { return Lookup::Unanswered("an e-mail address has no SMS to look up".into()) };
        match self.rest.made("Messages", &e164(phone), sent).await {
            Ok(Some(row)) => Lookup::Found {
                provider_message_id: row["sid"].as_str().map(str::to_string),
                result: callback::result(row["status"].as_str().unwrap_or_default(), &number_or_text(&row["error_code"])),
            },
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
        reply(ok)
    }

    fn refuses_long_sms(&self) -> bool {
        self.settings.long_sms == LongSms::Refuse
    }
    fn sms_count(&self, message: &Message) -> usize {
        long_sms::cost(self.settings.sign_name.as_deref(), &message.text).count
    }
    fn knows_wording(&self, _kind: MessageKind, _drill: bool, variant: &str, today: Option<Day>) -> bool {
        filing::free_text_may_go(variant, (self.settings.link_filing, self.settings.link_valid_until), today)
    }
    fn filings(&self) -> Vec<Filing> {
        let s = &self.settings;
        filing::of_free_text(s.sign_name.as_deref(), (s.sign_filing, s.sign_valid_until), (s.link_filing, s.link_valid_until))
    }

    /// Free text: there is no template to fit, but it must say something, bear its mark, and not be too long.
    fn check_message(&self, message: &Message) -> Result<(), String> {
        let length = self.body(message).chars().count();
        if message.text.trim().is_empty() {
            return Err("the message is empty".into());
        }
        if message.drill && !message.text.contains("演练") {
            return Err("a drill is not sent in the words of a real warning: its text lacks the mark 演练".into());
        }
        if length > BODY_MAX {
            return Err(format!("the message has {length} characters, at most {BODY_MAX} are allowed"));
        }
        long_sms::check(self.settings.sign_name.as_deref(), &message.text, self.settings.long_sms)
    }
}
