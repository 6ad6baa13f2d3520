//! `[provider.NAME]` with `kind = "tencent_sms"`.

use crate::channel::{
    AccountLimits, Day, FilingState, Secret,
    exchange::parse_endpoint,
    limits,
    long_sms::LongSms,
    template::{self, TemplateSet},
    tencent::rpc::Endpoint,
};
use crate::core::time::Span;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The table's own name; filled in by [`crate::channel::settings::ProviderSettings::from_table`].
    #[serde(default)]
    pub account: String,
    /// `https://sms.tencentcloudapi.com` unless told; a stand-in's address in tests and demos.
    #[serde(default = "endpoint")]
    pub endpoint: String,
    /// ap-guangzhou, ap-beijing or ap-nanjing.
    #[serde(default = "region")]
    pub region: String,
    pub secret_id: String,
    pub secret_key: Secret,
    /// With temporary credentials.
    #[serde(default)]
    pub token: Option<Secret>,
    /// SmsSdkAppId of the application in the console.
    pub sdk_app_id: String,
    /// The approved and filed signature (短信签名), without 【】: the text, not its id.
    pub sign_name: String,
    /// How the signature's filing (报备) stands, and the last day it holds.
    #[serde(default)]
    pub sign_filing: FilingState,
    #[serde(default)]
    pub sign_valid_until: Option<Day>,
    /// Approved templates by kind of message: `code` is the TemplateId. `{1}`, `{2}` … are the variables
    /// in the order in which they first appear in the wording.
    pub templates: TemplateSet,
    /// Templates for drills; when given, a drill uses no other.
    #[serde(default)]
    pub drill_templates: Option<TemplateSet>,
    /// ExtendCode, when support switched it on.
    #[serde(default)]
    pub extend_code: Option<String>,
    /// Whether support switched on that callbacks carry SessionContext (`ext`); without it receipts are
    /// found by SerialNo and a look-up can only go by number and time.
    #[serde(default)]
    pub session_context_enabled: bool,
    /// `"refuse"`: a text that does not fit one SMS is not sent here; `"split"`: it is, and counted by its parts.
    #[serde(default)]
    pub long_sms: LongSms,
    /// How long to wait for a reply.
    #[serde(default = "request_timeout")]
    pub request_timeout: Span,
    /// Last part of the path `/callbacks/{account}/{secret}`: at least 128 bits.
    pub callback_secret: Secret,
    #[serde(default = "limits::tencent_sms", deserialize_with = "limits::over_tencent_sms")]
    pub limits: AccountLimits,
}
fn endpoint() -> String {
    "https://sms.tencentcloudapi.com".into()
}
fn region() -> String {
    "ap-guangzhou".into()
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
            ("region", self.region.trim().is_empty()),
            ("secret_id", self.secret_id.trim().is_empty()),
            ("secret_key", self.secret_key.is_empty()),
            ("sdk_app_id", self.sdk_app_id.trim().is_empty()),
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
            service: "sms",
            version: "2021-01-11",
            region: self.region.clone(),
            secret_id: self.secret_id.clone(),
            secret_key: self.secret_key.clone(),
            token: self.token.clone(),
            request_timeout: self.request_timeout,
        }
    }
}
