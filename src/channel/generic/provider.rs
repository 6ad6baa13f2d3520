//! A file, an account's secrets and a client put together behind the seam all providers share.

use super::{
    answer, callback,
    file::Numbers,
    fill::{Template, Values},
    plan::Plan,
    request::{self, Unmade},
    settings::Settings,
    sign::Charset,
    tree,
};
use crate::channel::{
    AccountLimits, Address, CallbackItem, CallbackReply, CallbackRequest, Day, Filing, Lookup, Message, MessageKind, Provider, SendRequest,
    WallClock,
    e164::{e164, is_mainland_mobile},
    exchange::{detail_of, exchange},
    filing,
    long_sms::{self, LongSms},
    sign::hex,
    template,
};
use crate::core::{
    phone::Phone,
    send::{Channel, Outcome},
    time::Time,
};
use async_trait::async_trait;
use sha2::{Digest, Sha256};
use std::sync::atomic::{AtomicU64, Ordering};

/// One account of a provider described by a file.
pub struct Generic {
    settings: Settings,
    plan: Plan,
    client: reqwest::Client,
    clock: WallClock,
    callback_url: String,
    made: AtomicU64,
}

impl Generic {
    /// `clock` gives milliseconds since 1970 for `{{now.…}}`. `Err` names every fault, those of the file with its line.
    pub fn new(settings: Settings, channel: Channel, client: reqwest::Client, clock: WallClock) -> Result<Generic, String> {
        let faults = settings.faults(channel);
        if !faults.is_empty() {
            return Err(faults.join("; "));
        }
        let plan = settings.plan().map_err(|all| all.join("; "))?;
        let base = settings.public_url.trim_end_matches('/');
        let callback_url = format!("{base}/callbacks/{}/{}", settings.account, settings.callback_secret.reveal());
        Ok(Generic { settings, plan, client, clock, callback_url, made: AtomicU64::new(0) })
    }

    /// Never the same twice: the reference is one attempt's, the counter tells its tries apart.
    fn nonce(&self, reference: &str, ms: i64) -> String {
        let mut hash = Sha256::new();
        for secret in self.settings.secrets.values() {
            hash.update(secret.reveal().as_bytes());
        }
        hash.update(format!("{reference}/{ms}/{}", self.made.fetch_add(1, Ordering::Relaxed)).as_bytes());
        hex(hash.finalize().get(..16).unwrap_or_default())
    }

    fn account_value(&self, name: &str) -> Option<String> {
        if let Some(key) = name.strip_prefix("var.") {
            return self.settings.variables.get(key).cloned();
        }
        self.settings.secrets.get(name.strip_prefix("secret.")?).map(|s| s.reveal().to_string())
    }

    pub(super) fn phone<'a>(&self, to: &'a Address) -> Result<&'a Phone, Outcome> {
        match to {
            Address::Phone(p) if self.plan.numbers == Numbers::Mobile && !is_mainland_mobile(p) => {
                Err(Outcome::PermanentNumber { detail: format!("{p} is not a mainland mobile number, which is all this provider reaches") })
            }
            Address::Phone(p) => Ok(p),
            Address::Email { .. } | Address::Group { .. } => {
                Err(Outcome::PermanentNumber { detail: "only a telephone number can be sent SMS or called".into() })
            }
        }
    }

    fn template(&self, message: &Message) -> Result<Option<&crate::channel::ProviderTemplate>, String> {
        match &self.settings.templates {
            Some(set) if self.plan.templated() => template::choose(set, self.settings.drill_templates.as_ref(), message).map(Some),
            _ => Ok(None),
        }
    }
}

/// What one request can say.
struct Said<'a> {
    of: &'a Generic,
    charset: Charset,
    ms: i64,
    nonce: String,
    reference: &'a str,
    phone: &'a Phone,
    message: Option<&'a Message>,
    template: Option<&'a str>,
    sent: Option<Time>,
}
impl Values for Said<'_> {
    fn value(&self, name: &str) -> Option<String> {
        let beijing = |format: &str| Time(self.ms).beijing().strftime(format).to_string();
        if let Some(key) = name.strip_prefix("define.") {
            // A definition uses no other one, so this ends.
            return self.of.plan.define.get(key).and_then(|t: &Template| t.plain(self, self.charset).ok());
        }
        if let Some(key) = name.strip_prefix("value.") {
            return self.message?.variables.iter().find(|(k, _)| k == key).map(|(_, v)| v.clone());
        }
        Some(match name {
            "phone" => self.phone.reveal().to_string(),
            "phone.e164" => e164(self.phone),
            "phone.86" => e164(self.phone).trim_start_matches('+').to_string(),
            "text" => self.message?.text.clone(),
            "kind" => self.message?.kind.as_str().to_string(),
            "template" => self.template?.to_string(),
            "reference" => self.reference.to_string(),
            "nonce" => self.nonce.clone(),
            "callback_url" => self.of.callback_url.clone(),
            "sign_name" => self.of.settings.sign_name.clone()?,
            "now.ms" => self.ms.to_string(),
            "now.s" => self.ms.div_euclid(1000).to_string(),
            "now.compact" => beijing("%Y%m%d%H%M%S"),
            "now.datetime" => beijing("%Y-%m-%d %H:%M:%S"),
            "now.date" => beijing("%Y%m%d"),
            "now.md" => beijing("%m%d%H%M%S"),
            "now.iso" => format!("{}+08:00", beijing("%Y-%m-%dT%H:%M:%S")),
            "now.utc" => crate::channel::sign::aliyun_acs3::date(self.ms),
            "sent.date" => self.sent?.beijing().strftime("%Y%m%d").to_string(),
            "id" => self.reference.to_string(),
            other => return self.of.account_value(other),
        })
    }
    fn pairs(&self) -> &[(String, String)] {
        self.message.map_or(&[], |m| m.variables.as_slice())
    }
}

/// The account's own values alone: for callback checks.
struct Own<'a>(&'a Generic);
impl Values for Own<'_> {
    fn value(&self, name: &str) -> Option<String> {
        if let Some(key) = name.strip_prefix("define.") {
            return self.0.plan.define.get(key).and_then(|t| t.plain(self, Charset::Utf8).ok());
        }
        self.0.account_value(name)
    }
}

#[async_trait]
impl Provider for Generic {
    fn account(&self) -> &str {
        &self.settings.account
    }
    fn channel(&self) -> Channel {
        self.plan.channel
    }
    fn limits(&self) -> &AccountLimits {
        &self.plan.limits
    }

    async fn send(&self, r: &SendRequest) -> Outcome {
        let phone = match self.phone(&r.to) {
            Ok(p) => p,
            Err(outcome) => return outcome,
        };
        let template = match self.template(&r.message) {
            Ok(t) => t.map(|t| t.code.as_str()),
            Err(detail) => return Outcome::PermanentContent { detail },
        };
        let ms = (self.clock)();
        let said = Said {
            of: self,
            charset: self.plan.request.charset,
            ms,
            nonce: self.nonce(&r.reference, ms),
            reference: &r.reference,
            phone,
            message: Some(&r.message),
            template,
            sent: None,
        };
        let request = match request::build(&self.plan.request, &said, self.plan.timeout) {
            Ok(request) => request,
            Err(Unmade::Content(detail)) => return Outcome::PermanentContent { detail },
            Err(Unmade::Config(detail)) => return Outcome::Config { detail },
        };
        match exchange(&self.client, request).await {
            Ok(reply) => answer::outcome(&self.plan.answer, &reply, &r.reference),
            Err(outcome) => outcome,
        }
    }

    fn has_lookup(&self) -> bool {
        self.plan.lookup.is_some()
    }
    async fn lookup(&self, reference: &str, to: &Address, sent: Time) -> Lookup {
        let Some(l) = &self.plan.lookup else {
            return Lookup::Unanswered(format!("{} has no look-up; the message's receipt will tell", self.settings.file));
        };
        let phone = match self.phone(to) {
            Ok(p) => p,
            Err(outcome) => return Lookup::Unanswered(detail_of(outcome)),
        };
        let ms = (self.clock)();
        let nonce = self.nonce(reference, ms);
        let charset = l.request.charset;
        let said = Said { of: self, charset, ms, nonce, reference, phone, message: None, template: None, sent: Some(sent) };
        let request = match request::build(&l.request, &said, self.plan.timeout) {
            Ok(request) => request,
            Err(Unmade::Content(why) | Unmade::Config(why)) => return Lookup::Unanswered(why),
        };
        let reply = match exchange(&self.client, request).await {
            Ok(reply) => reply,
            Err(outcome) => return Lookup::Unanswered(detail_of(outcome)),
        };
        let tree = match tree::read(l.format, l.pattern.as_ref(), l.charset, None, &reply.body) {
            Ok(tree) => tree,
            Err(why) => return Lookup::Unanswered(format!("HTTP {}: {why}", reply.status)),
        };
        if let Some(path) = &l.code {
            let code = path.text(&tree).unwrap_or_default();
            if l.none.contains(&code) {
                return Lookup::NotFound;
            }
            if !l.ok.contains(&code) {
                return Lookup::Unanswered(format!("the look-up was refused: {code} (HTTP {})", reply.status));
            }
        } else if !(200..300).contains(&reply.status) {
            return Lookup::Unanswered(format!("the look-up was refused: HTTP {}", reply.status));
        }
        match callback::find(l.each.as_ref(), &l.take, &tree, reference) {
            Some((provider_message_id, result)) => Lookup::Found { provider_message_id, result },
            None => Lookup::NotFound,
        }
    }

    fn read_callback(&self, _content_type: Option<&str>, body: &[u8]) -> Result<Vec<CallbackItem>, String> {
        callback::read(&self.plan, None, body)
    }
    fn read_callback_at(&self, query: Option<&str>, _content_type: Option<&str>, body: &[u8]) -> Result<Vec<CallbackItem>, String> {
        callback::read(&self.plan, query, body)
    }
    fn check_callback(&self, request: &CallbackRequest<'_>) -> Result<(), String> {
        match &self.plan.check {
            Some(check) => callback::check(check, &Own(self), request),
            None => Ok(()),
        }
    }
    fn callback_reply(&self, ok: bool) -> CallbackReply {
        if ok { self.plan.ok.clone() } else { self.plan.failed.clone() }
    }
    fn echoes_reference(&self) -> bool {
        self.plan.echoes_reference
    }

    fn sms_count(&self, message: &Message) -> usize {
        let sign = self.settings.sign_name.as_deref();
        if self.plan.channel == Channel::Sms { long_sms::cost(sign, &message.text).count } else { 0 }
    }
    fn refuses_long_sms(&self) -> bool {
        self.settings.long_sms == LongSms::Refuse
    }
    fn knows_wording(&self, kind: MessageKind, drill: bool, variant: &str, today: Option<Day>) -> bool {
        match &self.settings.templates {
            Some(set) if self.plan.templated() => template::knows(set, self.settings.drill_templates.as_ref(), kind, drill, variant, today),
            _ => filing::free_text_may_go(variant, (self.settings.link_filing, self.settings.link_valid_until), today),
        }
    }
    fn filings(&self) -> Vec<Filing> {
        let s = &self.settings;
        let mut all =
            filing::of_free_text(s.sign_name.as_deref(), (s.sign_filing, s.sign_valid_until), (s.link_filing, s.link_valid_until));
        all.extend(s.templates.iter().flat_map(|set| filing::of_templates(set, s.drill_templates.as_ref())));
        all
    }

    fn check_message(&self, message: &Message) -> Result<(), String> {
        if self.plan.channel == Channel::Sms {
            long_sms::check(self.settings.sign_name.as_deref(), &message.text, self.settings.long_sms)?;
        }
        if let Some(chosen) = self.template(message)? {
            return template::check(chosen, message);
        }
        let sign = self.settings.sign_name.as_ref().map_or(0, |s| s.chars().count() + 2);
        let length = message.text.chars().count() + sign;
        if message.text.trim().is_empty() {
            return Err("the message is empty".into());
        }
        if message.drill && !message.text.contains("演练") {
            return Err("a drill is not sent in the words of a real warning: its text lacks the mark 演练".into());
        }
        if length > self.plan.text_max {
            return Err(format!("the message has {length} characters, at most {} are allowed", self.plan.text_max));
        }
        Ok(())
    }
}
