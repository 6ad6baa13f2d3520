//! Tencent voice (VMS 2020-09-02): SendTtsVoice plays an approved template that says "press 1"; what was
//! pressed and how the call ended come as callbacks.
//!
//! | fact | where from | what is done about it |
//! |---|---|---|
//! | no field asks for a key: the template says so and the key callback is switched on for the application | document 1128/37726 | in the settings' description |
//! | callbacks name the call by `callid` only | document | found by the CallId of the acceptance; one that comes before it waits |
//! | a number: 1 in 30 s, 2 in 10 min, 5 a day; **1 from 22:00 to 08:00** | document, FAQ | the three are mirrored; the night's is not a window, so raise it in the console (to 50); its refusal is `Throttled` and the next provider takes the rung |
//! | content of at most 350 characters | document | checked before sending, over template variables and spoken text |
//! | no query by our reference | SDK | a call of unknown fate is told by its callbacks alone |
//! | `keypress` holds one key | document's example | several are kept as they come |

mod callback;
pub mod errors;
mod request;
mod settings;

pub use settings::Settings;

use crate::channel::{
    AccountLimits, Address, CallbackItem, CallbackReply, Day, Filing, Lookup, Message, MessageKind, Provider, SendRequest, WallClock,
    e164::e164,
    filing, template,
    tencent::{self, Rpc},
};
use crate::core::{
    phone::Phone,
    send::{Channel, Outcome},
    time::Time,
};
use async_trait::async_trait;

/// The longest announcement, characters.
const SPOKEN_MAX: usize = 350;

/// One Tencent voice application with its bought numbers.
pub struct TencentVoice {
    settings: Settings,
    rpc: Rpc,
}

impl TencentVoice {
    /// `clock` gives milliseconds since 1970 for `X-TC-Timestamp`. `Err` names every faulty key.
    pub fn new(settings: Settings, client: reqwest::Client, clock: WallClock) -> Result<TencentVoice, String> {
        let faults = settings.faults();
        if !faults.is_empty() {
            return Err(faults.join("; "));
        }
        let rpc = Rpc::new(client, settings.rpc_endpoint(), clock)?;
        Ok(TencentVoice { settings, rpc })
    }
}

#[async_trait]
impl Provider for TencentVoice {
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
        let phone = match &r.to {
            Address::Phone(p) if !p.reveal().starts_with('+') => e164(p),
            Address::Phone(p) => return Outcome::PermanentNumber { detail: format!("{p} is not a mainland number: it cannot be called") },
            Address::Email { .. } | Address::Group { .. } => {
                return Outcome::PermanentNumber { detail: "an e-mail address cannot be called".into() };
            }
        };
        let template = match template::choose(&self.settings.templates, self.settings.drill_templates.as_ref(), &r.message) {
            Ok(t) => t,
            Err(detail) => return Outcome::PermanentContent { detail },
        };
        match self.rpc.call("SendTtsVoice", &request::send_tts_voice(r, &phone, &self.settings, template)).await {
            Ok(reply) => request::outcome(reply),
            Err(outcome) => outcome,
        }
    }

    async fn lookup(&self, _reference: &str, _to: &Address, _sent: Time) -> Lookup {
        Lookup::Unanswered("Tencent voice has no query by our reference; the call's callbacks will tell".into())
    }
    fn has_lookup(&self) -> bool {
        false
    }

    fn read_callback(&self, _content_type: Option<&str>, body: &[u8]) -> Result<Vec<CallbackItem>, String> {
        callback::read(body)
    }
    fn callback_reply(&self, ok: bool) -> CallbackReply {
        tencent::callback::reply(ok)
    }
    fn number_rung(&self, provider_message_id: &str, body: &[u8]) -> Option<Phone> {
        callback::number(provider_message_id, body)
    }
    fn echoes_reference(&self) -> bool {
        false
    }

    fn knows_wording(&self, kind: MessageKind, drill: bool, variant: &str, today: Option<Day>) -> bool {
        template::knows(&self.settings.templates, self.settings.drill_templates.as_ref(), kind, drill, variant, today)
    }
    fn filings(&self) -> Vec<Filing> {
        filing::of_templates(&self.settings.templates, self.settings.drill_templates.as_ref())
    }

    fn check_message(&self, message: &Message) -> Result<(), String> {
        let chosen = template::choose(&self.settings.templates, self.settings.drill_templates.as_ref(), message)?;
        template::check(chosen, message)?;
        let length = message.text.chars().count();
        if length > SPOKEN_MAX {
            return Err(format!("the announcement has {length} characters, at most {SPOKEN_MAX} are allowed"));
        }
        Ok(())
    }
}
