//! `[provider.NAME]` with `kind = "huawei_sms"`.

use crate::channel::{
    AccountLimits, Day, FilingState, Secret,
    exchange::parse_endpoint,
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
    /// The application's access address (APP接入地址), such as `https://smsapi.cn-north-4.myhuaweicloud.com:443`.
    #[serde(default = "endpoint")]
    pub endpoint: String,
    pub app_key: String,
    pub app_secret: Secret,
    /// The signature's channel number (`from`).
    pub channel_number: String,
    /// Needed with universal templates: the signature, without 【】.
    #[serde(default)]
    pub sign_name: Option<String>,
    /// How the signature's filing (报备) stands, and the last day it holds.
    #[serde(default)]
    pub sign_filing: FilingState,
    #[serde(default)]
    pub sign_valid_until: Option<Day>,
    /// Approved templates by kind of message: `code` is the template's id. Variables in the order in which
    /// they first appear in the wording.
    pub templates: TemplateSet,
    /// Templates for drills; when given, a drill uses no other.
    #[serde(default)]
    pub drill_templates: Option<TemplateSet>,
    /// What Huawei reaches us by for receipts; `server.public_url` unless told.
    #[serde(default)]
    pub public_url: String,
    /// `"refuse"`: a text that does not fit one SMS is not sent here; `"split"`: it is, and counted by its parts.
    #[serde(default)]
    pub long_sms: LongSms,
    /// How long to wait for a reply.
    #[serde(default = "request_timeout")]
    pub request_timeout: Span,
    /// Huawei signs its pushes with the application's key (it must be asked to): then nothing unsigned is taken.
    #[serde(default)]
    pub signed_callbacks: bool,
    /// Last part of the path `/callbacks/{account}/{secret}`: at least 128 bits.
    pub callback_secret: Secret,
    #[serde(default = "limits::huawei_sms", deserialize_with = "limits::over_huawei_sms")]
    pub limits: AccountLimits,
}
fn endpoint() -> String {
    "https://smsapi.cn-north-4.myhuaweicloud.com".into()
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
            ("app_key", self.app_key.trim().is_empty()),
            ("app_secret", self.app_secret.is_empty()),
            ("channel_number", self.channel_number.trim().is_empty()),
            ("templates", self.templates.0.is_empty()),
        ] {
            if empty {
                faults.push(format!("{key}: is empty"));
            }
        }
        if self.app_key.contains(['"', ',']) {
            faults.push("app_key: holds a quote or a comma".into());
        }
        if self.sign_name.as_ref().is_some_and(|s| s.contains(['【', '】'])) {
            faults.push("sign_name: write it without 【】, the provider adds them".into());
        }
        faults.extend(limits::request_timeout_fault(self.request_timeout));
        faults.extend(self.callback_secret.fault_as_path_secret().map(|f| format!("callback_secret: {f}")));
        faults.extend(template::faults("templates", &self.templates));
        faults.extend(self.drill_templates.iter().flat_map(|t| template::faults("drill_templates", t)));
        faults.extend(limits::faults(&self.limits));
        faults
    }
}
