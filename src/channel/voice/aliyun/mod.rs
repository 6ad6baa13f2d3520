//! Aliyun voice (Dyvmsapi 2017-05-25): IvrCall, which plays the warning and waits for a key, or
//! SingleCallByTts, a notice that takes none (hearing it is no answer), and the
//! VoiceReport and VoiceCallReport pushes. There is no query by our reference: a call of unknown
//! fate is only told by its report.

mod callback;
pub mod errors;
mod request;
mod settings;

pub use settings::{MenuKey, Operation, Settings};

use crate::channel::{
    AccountLimits, Address, CallbackItem, CallbackReply, Day, Filing, Lookup, Message, MessageKind, Provider, SendRequest, WallClock,
    aliyun::{self, Rpc},
    filing, template,
};
use crate::core::{
    send::{Channel, Outcome},
    time::Time,
};
use async_trait::async_trait;

/// The longest OutId the voice product echoes, bytes.
const OUT_ID_MAX: usize = 15;
/// All variables of a call together, characters (fewer than 250).
const VARIABLES_MAX: usize = 249;

/// One Aliyun voice account with its bought numbers.
pub struct AliyunVoice {
    settings: Settings,
    rpc: Rpc,
}

impl AliyunVoice {
    /// `clock` gives milliseconds since 1970 for `x-acs-date`. `Err` names every faulty key.
    pub fn new(settings: Settings, client: reqwest::Client, clock: WallClock) -> Result<AliyunVoice, String> {
        let faults = settings.faults();
        if !faults.is_empty() {
            return Err(faults.join("; "));
        }
        let rpc = Rpc::new(client, &settings.rpc_endpoint(), clock)?;
        Ok(AliyunVoice { settings, rpc })
    }
}

#[async_trait]
impl Provider for AliyunVoice {
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
            Address::Phone(p) if !p.reveal().starts_with('+') => p.reveal(),
            Address::Phone(p) => return Outcome::PermanentNumber { detail: format!("{p} is not a mainland number: it cannot be called") },
            Address::Email { .. } | Address::Group { .. } => {
                return Outcome::PermanentNumber { detail: "an e-mail address cannot be called".into() };
            }
        };
        if r.reference.is_empty() || r.reference.len() > OUT_ID_MAX {
            // Sent without a reference that fits, its report could never be matched.
            return Outcome::PermanentContent { detail: format!("OutId must have 1 to {OUT_ID_MAX} bytes, has {}", r.reference.len()) };
        }
        let template = match template::choose(&self.settings.templates, self.settings.drill_templates.as_ref(), &r.message) {
            Ok(t) => t,
            Err(detail) => return Outcome::PermanentContent { detail },
        };
        let (action, query) = match self.settings.operation {
            Operation::IvrCall => ("IvrCall", request::ivr_call(r, phone, &self.settings, template)),
            Operation::SingleCallByTts => ("SingleCallByTts", request::single_call(r, phone, &self.settings, template)),
        };
        match self.rpc.call(action, &query).await {
            Ok(reply) => reply.outcome(|e| e.call_id.as_deref().map(str::to_string), errors::classify),
            Err(outcome) => outcome,
        }
    }

    async fn lookup(&self, _reference: &str, _to: &Address, _sent: Time) -> Lookup {
        Lookup::Unanswered("Aliyun voice has no query by our reference; the call's report will tell".into())
    }
    fn has_lookup(&self) -> bool {
        false
    }

    fn read_callback(&self, _content_type: Option<&str>, body: &[u8]) -> Result<Vec<CallbackItem>, String> {
        let mut items = callback::read(body)?;
        if self.settings.operation == Operation::SingleCallByTts {
            // Nobody was asked for a key, so what looks like one answers nothing.
            items.retain(|i| !matches!(i, CallbackItem::Key { .. }));
            for item in &mut items {
                if let CallbackItem::Receipt { keys, .. } = item {
                    *keys = None;
                }
            }
        }
        Ok(items)
    }
    fn callback_reply(&self, ok: bool) -> CallbackReply {
        aliyun::callback::reply(ok)
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
        let total: usize = message.variables.iter().map(|(_, v)| v.chars().count()).sum();
        if total > VARIABLES_MAX {
            return Err(format!("the variables of a call have {total} characters together, at most {VARIABLES_MAX} are allowed"));
        }
        Ok(())
    }
}
