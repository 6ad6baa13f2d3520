//! `[provider.NAME]` with `kind = "aliyun_sms"`.

use crate::channel::{
    AccountLimits, Day, FilingState, Secret,
    aliyun::rpc::{Endpoint, parse_endpoint},
    limits,
    long_sms::LongSms,
    template::{self, TemplateSet},
};
use crate::core::time::Span;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The table's own name; filled in by [`crate::channel::settings::ProviderSettings::from_table`].
    #[serde(default)]
    pub account: String,
    /// `https://dysmsapi.aliyuncs.com` unless told; a stand-in's address in tests and demos.
    #[serde(default = "endpoint")]
    pub endpoint: String,
    pub access_key_id: String,
    pub access_key_secret: Secret,
    /// With temporary (STS) credentials.
    #[serde(default)]
    pub security_token: Option<Secret>,
    /// The approved and filed signature (短信签名), without 【】.
    pub sign_name: String,
    /// How the signature's filing (报备) stands, and the last day it holds.
    #[serde(default)]
    pub sign_filing: FilingState,
    #[serde(default)]
    pub sign_valid_until: Option<Day>,
    /// Approved templates by kind of message.
    pub templates: TemplateSet,
    /// Templates for drills; when given, a drill uses no other.
    #[serde(default)]
    pub drill_templates: Option<TemplateSet>,
    /// SmsUpExtendCode, when bought: replies then come to a number that ends in it.
    #[serde(default)]
    pub extend_code: Option<String>,
    /// `"refuse"`: a text that does not fit one SMS is not sent here; `"split"`: it is, and counted by its parts.
    #[serde(default)]
    pub long_sms: LongSms,
    /// Messages of one template sent by one SendBatchSms, 1 to 100; 1 sends each by SendSms. Aliyun says a batch may
    /// be delayed and advises single sending for alerts: more than 1 is for accounts whose rate is the bottleneck.
    #[serde(default = "alone")]
    pub batch: u8,
    /// How long to wait for a reply; Aliyun advises at least 1 s.
    #[serde(default = "request_timeout")]
    pub request_timeout: Span,
    /// Last part of the path `/callbacks/{account}/{secret}`: at least 128 bits.
    pub callback_secret: Secret,
    #[serde(default = "limits::aliyun_sms", deserialize_with = "limits::over_aliyun_sms")]
    pub limits: AccountLimits,
}
fn endpoint() -> String {
    "https://dysmsapi.aliyuncs.com".into()
}
fn alone() -> u8 {
    1
}
fn request_timeout() -> Span {
    Span::secs(5)
}

impl Settings {
    /// Everything wrong with these settings, as `key: reason`; empty when nothing is.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        faults.extend(parse_endpoint(&self.endpoint).err());
        for (key, empty) in [
            ("access_key_id", self.access_key_id.trim().is_empty()),
            ("access_key_secret", self.access_key_secret.is_empty()),
            ("sign_name", self.sign_name.trim().is_empty()),
            ("templates", self.templates.0.is_empty()),
        ] {
            if empty {
                faults.push(format!("{key}: is empty"));
            }
        }
        if self.sign_name.contains(['【', '】']) {
            faults.push("sign_name: write it without 【】, the provider adds them".into());
        }
        if !(1..=100).contains(&self.batch) {
            faults.push(format!("batch: {} is not between 1 and 100", self.batch));
        }
        faults.extend(limits::request_timeout_fault(self.request_timeout));
        if self.extend_code.as_ref().is_some_and(|c| c.is_empty() || !c.bytes().all(|b| b.is_ascii_digit())) {
            faults.push("extend_code: must be digits".into());
        }
        faults.extend(self.callback_secret.fault_as_path_secret().map(|f| format!("callback_secret: {f}")));
        faults.extend(template::faults("templates", &self.templates));
        faults.extend(self.drill_templates.iter().flat_map(|t| template::faults("drill_templates", t)));
        faults.extend(limits::faults(&self.limits));
        faults
    }

    pub(super) fn rpc_endpoint(&self) -> Endpoint {
        Endpoint {
            url: self.endpoint.clone(),
            access_key_id: self.access_key_id.clone(),
            access_key_secret: self.access_key_secret.clone(),
            security_token: self.security_token.clone(),
            request_timeout: self.request_timeout,
        }
    }
}
