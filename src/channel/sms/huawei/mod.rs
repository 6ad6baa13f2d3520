//! Huawei SMS (batchSendSms/v1, X-WSSE): for customers who have it already (new ones are not taken since
//! 2025-01-10). One number a request: one odd number would fail all of a batch.
//!
//! | fact | where from | what is done about it |
//! |---|---|---|
//! | PasswordDigest is Base64 of the hexadecimal text | official samples; clients with raw bytes are seen | that is what we send; the stand-in takes both |
//! | receipts carry `extend`, and `to` only with it | document sms_05_0003 | `extend` is our reference, always sent |
//! | batch of receipts: JSON `statusReportList`, up to 50 | document sms_05_0063 | read, though with statusCallback they come singly |
//! | a long message has one receipt a part | document | the first that decides counts; later ones change nothing |
//! | callbacks can be signed (X-Sdk-Date, SDK-HMAC-SHA256) when the customer asks for it | document, newest edition | checked with `signed_callbacks`, else secret path and https; source addresses 117.78.29.0/24, 124.70.27.0/24 … are the proxy's to keep |
//! | result codes come with HTTP 4xx | document | the code decides, not the status |
//! | the whole list of E-codes | **not seen whole** | by family, see [`errors`] |
//! | rate of an account | **not documented** | 100 a second unless configured |
//! | there is no query | document | an unknown fate is told by the receipt alone |
//! | TEXT variables: 20 characters, none of `. 。 ' < > { }` | document | declare 20 in `templates`; each mark is written as its like of full width, so that no full stop keeps a warning back |

mod callback;
pub mod errors;
mod request;
mod settings;

pub use settings::Settings;

use crate::channel::{
    AccountLimits, Address, CallbackItem, CallbackReply, CallbackRequest, Day, Filing, Lookup, Message, MessageKind, Provider, SendRequest,
    WallClock,
    e164::{e164, is_mainland_mobile},
    exchange::{exchange, parse_endpoint},
    filing,
    long_sms::{self, LongSms},
    sign::{aliyun_acs3::date, hex, huawei_sdk, huawei_wsse as wsse},
    template,
};
use crate::core::{
    send::{Channel, Outcome},
    time::Time,
};
use async_trait::async_trait;
use reqwest::{
    Body, Method, Request, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue},
};
use sha2::{Digest, Sha256};
use std::sync::atomic::{AtomicU64, Ordering};

const PATH: &str = "/sms/batchSendSms/v1";

/// One Huawei SMS application with one channel number.
pub struct HuaweiSms {
    settings: Settings,
    client: reqwest::Client,
    url: Url,
    callback: String,
    clock: WallClock,
    sent: AtomicU64,
}

impl HuaweiSms {
    /// `clock` gives milliseconds since 1970 for `Created`. `Err` names every faulty key.
    pub fn new(settings: Settings, client: reqwest::Client, clock: WallClock) -> Result<HuaweiSms, String> {
        let faults = settings.faults();
        if !faults.is_empty() {
            return Err(faults.join("; "));
        }
        let mut url = parse_endpoint(&settings.endpoint)?;
        url.set_path(PATH);
        let base = settings.public_url.trim_end_matches('/');
        if base.is_empty() {
            return Err("public_url: is empty; receipts would be deleted after an hour".into());
        }
        let callback = format!("{base}/callbacks/{}/{}", settings.account, settings.callback_secret.reveal());
        Ok(HuaweiSms { settings, client, url, callback, clock, sent: AtomicU64::new(0) })
    }

    fn request(&self, reference: &str, form: String) -> Result<Request, Outcome> {
        let ms = (self.clock)();
        // Never the same twice: a reference is one attempt's, the counter tells its tries apart.
        let mut hash = Sha256::new();
        hash.update(self.settings.app_secret.reveal().as_bytes());
        hash.update(format!("{reference}/{ms}/{}", self.sent.fetch_add(1, Ordering::Relaxed)).as_bytes());
        let nonce = hex(hash.finalize().get(..16).unwrap_or_default());
        let text = wsse::header(&self.settings.app_key, self.settings.app_secret.reveal(), &nonce, &date(ms));
        let unfit = |_| Outcome::Config { detail: "app_key cannot be sent in a header; check it for line breaks".into() };
        let mut x_wsse = HeaderValue::try_from(text).map_err(unfit)?;
        x_wsse.set_sensitive(true);
        let mut request = Request::new(Method::POST, self.url.clone());
        *request.timeout_mut() = Some(self.settings.request_timeout.to_std());
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers.insert(AUTHORIZATION, HeaderValue::from_static(wsse::AUTHORIZATION));
        headers.insert(HeaderName::from_static("x-wsse"), x_wsse);
        *request.body_mut() = Some(Body::from(form));
        Ok(request)
    }
}

#[async_trait]
impl Provider for HuaweiSms {
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
        let form = request::form(r, &phone, &self.settings, template, &self.callback);
        let request = match self.request(&r.reference, form) {
            Ok(request) => request,
            Err(outcome) => return outcome,
        };
        match exchange(&self.client, request).await {
            Ok(reply) => request::outcome(&reply),
            Err(outcome) => outcome,
        }
    }

    async fn lookup(&self, _reference: &str, _to: &Address, _sent: Time) -> Lookup {
        Lookup::Unanswered("Huawei SMS has no query; the message's receipt will tell".into())
    }
    fn has_lookup(&self) -> bool {
        false
    }

    fn read_callback(&self, content_type: Option<&str>, body: &[u8]) -> Result<Vec<CallbackItem>, String> {
        callback::read(content_type, body)
    }
    fn callback_reply(&self, ok: bool) -> CallbackReply {
        callback::reply(ok)
    }
    fn check_callback(&self, c: &CallbackRequest<'_>) -> Result<(), String> {
        if !self.settings.signed_callbacks {
            return Ok(());
        }
        let signed = huawei_sdk::Signed { method: "POST", path_and_query: c.path_and_query, headers: c.headers, body: c.body };
        signed.verify(&self.settings.app_key, self.settings.app_secret.reveal(), (self.clock)()).map_err(str::to_string)
    }

    fn refuses_long_sms(&self) -> bool {
        self.settings.long_sms == LongSms::Refuse
    }
    fn sms_count(&self, message: &Message) -> usize {
        long_sms::cost(self.settings.sign_name.as_deref(), &message.text).count
    }

    fn knows_wording(&self, kind: MessageKind, drill: bool, variant: &str, today: Option<Day>) -> bool {
        template::knows(&self.settings.templates, self.settings.drill_templates.as_ref(), kind, drill, variant, today)
    }
    fn filings(&self) -> Vec<Filing> {
        let s = &self.settings;
        let sign = s.sign_name.as_ref().map(|name| Filing::signature(name, s.sign_filing, s.sign_valid_until));
        sign.into_iter().chain(filing::of_templates(&self.settings.templates, self.settings.drill_templates.as_ref())).collect()
    }

    fn check_message(&self, message: &Message) -> Result<(), String> {
        let chosen = template::choose(&self.settings.templates, self.settings.drill_templates.as_ref(), message)?;
        template::check(chosen, message)?;
        long_sms::check(self.settings.sign_name.as_deref(), &message.text, self.settings.long_sms)
    }
}
