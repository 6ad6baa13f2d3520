//! E-mail over SMTP: text and HTML in one message, one recipient a message.
//!
//! SMTP tells exactly where it failed, and that decides the outcome: before the message was handed
//! over nothing was sent; after its last line went out and no reply came, its fate is unknown. So the
//! conversation is held step by step on lettre's connection (see `session`) and not by its one-call
//! transport, which cannot say which step failed.

mod compose;
pub mod errors;
mod session;
mod settings;

pub use settings::{Settings, Tls};

use crate::channel::{AccountLimits, Address, CallbackItem, CallbackReply, Lookup, Message, Provider, SendRequest, WallClock};
use crate::core::{
    send::{Channel, Outcome},
    time::Time,
};
use async_trait::async_trait;

/// One SMTP account.
pub struct Email {
    settings: Settings,
    from: lettre::message::Mailbox,
    reply_to: Option<lettre::message::Mailbox>,
    sessions: session::Sessions,
    clock: WallClock,
}

impl Email {
    /// `clock` gives milliseconds since 1970 for the `Date` header. `Err` names every faulty key.
    pub fn new(settings: Settings, clock: WallClock) -> Result<Email, String> {
        let faults = settings.faults();
        if !faults.is_empty() {
            return Err(faults.join("; "));
        }
        let from = settings::mailbox("from", &settings.from)?;
        let reply_to = settings.reply_to.as_deref().map(|r| settings::mailbox("reply_to", r)).transpose()?;
        let sessions = session::Sessions::new(&settings)?;
        Ok(Email { settings, from, reply_to, sessions, clock })
    }
}

#[async_trait]
impl Provider for Email {
    fn account(&self) -> &str {
        &self.settings.account
    }
    fn channel(&self) -> Channel {
        Channel::Email
    }
    fn limits(&self) -> &AccountLimits {
        &self.settings.limits
    }

    async fn send(&self, r: &SendRequest) -> Outcome {
        let (name, address) = match &r.to {
            Address::Email { name, address } => (name, address),
            Address::Phone(p) => return Outcome::PermanentNumber { detail: format!("{p} is no e-mail address") },
            Address::Group { .. } => return Outcome::PermanentNumber { detail: "a group has no e-mail address".into() },
        };
        let Ok(to) = address.parse::<lettre::Address>() else {
            return Outcome::PermanentNumber { detail: "the e-mail address is malformed".into() };
        };
        let head = compose::Head {
            from: &self.from,
            reply_to: self.reply_to.as_ref(),
            to: lettre::message::Mailbox::new((!name.is_empty()).then(|| name.clone()), to),
            reference: &r.reference,
            at_ms: (self.clock)(),
        };
        match compose::compose(head, &r.message) {
            Ok(mail) => match self.sessions.deliver(mail.message.envelope(), &mail.message.formatted()).await {
                Ok(()) => Outcome::Accepted { provider_message_id: mail.message_id },
                Err(outcome) => outcome,
            },
            Err(detail) => Outcome::PermanentContent { detail },
        }
    }

    async fn lookup(&self, _reference: &str, _to: &Address, _sent: Time) -> Lookup {
        Lookup::Unanswered("SMTP has no query for what was sent".into())
    }
    fn has_lookup(&self) -> bool {
        false
    }
    fn reports_receipts(&self) -> bool {
        false
    }

    fn read_callback(&self, _content_type: Option<&str>, _body: &[u8]) -> Result<Vec<CallbackItem>, String> {
        Err("no callbacks come for e-mail".into())
    }
    fn callback_reply(&self, _ok: bool) -> CallbackReply {
        CallbackReply { status: 404, content_type: "text/plain; charset=utf-8", body: "no callbacks come for e-mail".into() }
    }

    fn check_message(&self, message: &Message) -> Result<(), String> {
        compose::check(message)
    }
}
