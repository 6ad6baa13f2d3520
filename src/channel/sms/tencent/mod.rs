//! Tencent SMS (2021-01-11): SendSms out, status and reply callbacks in, PullSmsSendStatusByPhoneNumber to
//! find out what became of a request whose reply never came.
//!
//! | fact | where from | what is done about it |
//! |---|---|---|
//! | status of every number in `SendStatusSet`, code `Ok` | SDK, run | one number a request; its own code decides |
//! | a number: 1 in 30 s of the same content, 10 a day | document, third party (**2 a day on another page**) | both mirrored (set in the console, so in `limits` too) |
//! | variables of 6 characters for accounts opened after 2024-01-25 | document | declare the approved lengths in `templates`; checked before sending |
//! | `SendAndRecvFail`, `Timeout` | document: "a time-out of sending" | `Unknown`, looked up |
//! | receive time in the pull is seconds since 1970 | SDK | a row without one counts as of that moment |
//! | the pull lists messages not yet reported | **not confirmed** | not found is asked again, then sent again |

mod callback;
pub mod errors;
mod request;
mod settings;

pub use settings::Settings;

use crate::channel::{
    AccountLimits, Address, CallbackItem, CallbackReply, Day, Filing, Lookup, Message, MessageKind, Provider, SendRequest, WallClock,
    e164::{e164, is_mainland_mobile},
    filing,
    long_sms::{self, LongSms},
    template,
    tencent::{self, Rpc},
};
use crate::core::{
    send::{Channel, Outcome},
    time::Time,
};
use async_trait::async_trait;

/// One Tencent SMS application with one signature.
pub struct TencentSms {
    settings: Settings,
    rpc: Rpc,
}

impl TencentSms {
    /// `clock` gives milliseconds since 1970 for `X-TC-Timestamp`. `Err` names every faulty key.
    pub fn new(settings: Settings, client: reqwest::Client, clock: WallClock) -> Result<TencentSms, String> {
        let faults = settings.faults();
        if !faults.is_empty() {
            return Err(faults.join("; "));
        }
        let rpc = Rpc::new(client, settings.rpc_endpoint(), clock)?;
        Ok(TencentSms { settings, rpc })
    }
}

#[async_trait]
impl Provider for TencentSms {
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
        let phone = match &r.to {
            Address::Phone(p) if is_mainland_mobile(p) => e164(p),
            Address::Phone(p) => {
                return Outcome::PermanentNumber { detail: format!("{p} is not a mainland mobile number: it cannot receive SMS") };
            }
            Address::Email { .. } | Address::Group { .. } => {
                return Outcome::PermanentNumber { detail: "an e-mail address cannot receive SMS".into() };
            }
        };
        let template = match template::choose(&self.settings.templates, self.settings.drill_templates.as_ref(), &r.message) {
            Ok(t) => t,
            Err(detail) => return Outcome::PermanentContent { detail },
        };
        match self.rpc.call("SendSms", &request::send_sms(r, &phone, &self.settings, template)).await {
            Ok(reply) => request::outcome(reply),
            Err(outcome) => outcome,
        }
    }

    /// By number and time.
    fn lookup_guesses(&self) -> bool {
        true
    }
    async fn lookup(&self, reference: &str, to: &Address, sent: Time) -> Lookup {
        match to {
            Address::Phone(p) => request::find(&self.rpc, &self.settings, reference, &e164(p), sent).await,
            Address::Email { .. } | Address::Group { .. } => Lookup::Unanswered("an e-mail address has no SMS to look up".into()),
        }
    }

    fn read_callback(&self, _content_type: Option<&str>, body: &[u8]) -> Result<Vec<CallbackItem>, String> {
        callback::read(body)
    }
    fn callback_reply(&self, ok: bool) -> CallbackReply {
        tencent::callback::reply(ok)
    }
    fn echoes_reference(&self) -> bool {
        self.settings.session_context_enabled
    }

    fn refuses_long_sms(&self) -> bool {
        self.settings.long_sms == LongSms::Refuse
    }
    fn sms_count(&self, message: &Message) -> usize {
        long_sms::cost(Some(&self.settings.sign_name), &message.text).count
    }

    fn knows_wording(&self, kind: MessageKind, drill: bool, variant: &str, today: Option<Day>) -> bool {
        template::knows(&self.settings.templates, self.settings.drill_templates.as_ref(), kind, drill, variant, today)
    }
    fn filings(&self) -> Vec<Filing> {
        let sign = Filing::signature(&self.settings.sign_name, self.settings.sign_filing, self.settings.sign_valid_until);
        std::iter::once(sign).chain(filing::of_templates(&self.settings.templates, self.settings.drill_templates.as_ref())).collect()
    }

    fn check_message(&self, message: &Message) -> Result<(), String> {
        let chosen = template::choose(&self.settings.templates, self.settings.drill_templates.as_ref(), message)?;
        template::check(chosen, message)?;
        long_sms::check(Some(&self.settings.sign_name), &message.text, self.settings.long_sms)
    }
}
