//! Aliyun SMS (Dysmsapi 2017-05-25): SendSms (or SendBatchSms) out, SmsReport and SmsUp in, QuerySendDetails to find
//! out what became of a request whose reply never came.

mod batch;
mod callback;
pub mod errors;
mod request;
mod settings;

pub use settings::Settings;

use crate::channel::{
    AccountLimits, Address, CallbackItem, CallbackReply, Day, Filing, Lookup, Message, MessageKind, Provider, SendRequest, WallClock,
    aliyun::{self, Rpc},
    filing,
    long_sms::{self, LongSms},
    template,
};
use crate::core::{
    send::{Channel, Outcome},
    time::Time,
};
use async_trait::async_trait;
use futures_util::future::join_all;
use std::collections::BTreeMap;

/// One Aliyun SMS account with one signature (短信签名).
pub struct AliyunSms {
    settings: Settings,
    rpc: Rpc,
    /// `SignName=…`, encoded once.
    sign_name: String,
}

impl AliyunSms {
    /// `clock` gives milliseconds since 1970 for `x-acs-date`. `Err` names every faulty key.
    pub fn new(settings: Settings, client: reqwest::Client, clock: WallClock) -> Result<AliyunSms, String> {
        let faults = settings.faults();
        if !faults.is_empty() {
            return Err(faults.join("; "));
        }
        let rpc = Rpc::new(client, &settings.rpc_endpoint(), clock)?;
        let sign_name = request::encoded(&settings.sign_name);
        Ok(AliyunSms { settings, rpc, sign_name })
    }

    /// `None`: it was refused whole; never of a single one.
    async fn send_part(&self, requests: &[SendRequest]) -> Option<Vec<Outcome>> {
        let [first, _, ..] = requests else {
            return Some(join_all(requests.iter().map(|r| self.send(r))).await);
        };
        let template = template::choose(&self.settings.templates, self.settings.drill_templates.as_ref(), &first.message).ok()?;
        batch::send(&self.rpc, requests, &self.settings.sign_name, template, self.settings.extend_code.as_deref()).await
    }
}

#[async_trait]
impl Provider for AliyunSms {
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
            Address::Phone(p) if p.is_mobile() && !p.reveal().starts_with('+') => p.reveal(),
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
        let query = request::send_sms(r, phone, &self.sign_name, template, self.settings.extend_code.as_deref());
        match self.rpc.call("SendSms", &query).await {
            Ok(reply) => reply.outcome(|e| e.biz_id.as_deref().map(str::to_string), errors::classify),
            Err(outcome) => outcome,
        }
    }

    fn batch(&self) -> usize {
        usize::from(self.settings.batch)
    }
    fn batch_key(&self, r: &SendRequest) -> Option<String> {
        let chosen = template::choose(&self.settings.templates, self.settings.drill_templates.as_ref(), &r.message).ok()?;
        // One bad element fails the whole batch: what is not sure to fit goes alone.
        let fits = batch::phone(r).is_some() && template::check(chosen, &r.message).is_ok();
        (self.settings.batch > 1 && fits).then(|| chosen.code.clone())
    }
    /// Of a batch that was refused whole nothing was taken, and one element is at fault. Its halves find it in a few rounds
    /// side by side: one by one the last of a hundred would leave too late.
    async fn send_batch(&self, requests: &[SendRequest]) -> Vec<Outcome> {
        let mut told: BTreeMap<usize, Vec<Outcome>> = BTreeMap::new();
        let mut parts = vec![(0, requests)];
        while !parts.is_empty() {
            let sent = join_all(parts.iter().map(|(_, part)| self.send_part(part))).await;
            let mut halves = Vec::new();
            for ((at, part), outcomes) in parts.into_iter().zip(sent) {
                match outcomes {
                    Some(outcomes) => drop(told.insert(at, outcomes)),
                    None => {
                        let (head, tail) = part.split_at(part.len() / 2);
                        halves.extend([(at, head), (at + head.len(), tail)]);
                    }
                }
            }
            parts = halves;
        }
        told.into_values().flatten().collect()
    }
    /// Receipts of a batch carry the batch's OutId: they are found by what [`batch`] makes of it and the number.
    fn echoes_reference(&self) -> bool {
        self.settings.batch <= 1
    }

    async fn lookup(&self, reference: &str, to: &Address, sent: Time) -> Lookup {
        match to {
            Address::Phone(p) => request::find(&self.rpc, reference, p.reveal(), sent).await,
            Address::Email { .. } | Address::Group { .. } => Lookup::Unanswered("an e-mail address has no SMS to look up".into()),
        }
    }

    fn read_callback(&self, _content_type: Option<&str>, body: &[u8]) -> Result<Vec<CallbackItem>, String> {
        callback::read(body)
    }
    fn callback_reply(&self, ok: bool) -> CallbackReply {
        aliyun::callback::reply(ok)
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
