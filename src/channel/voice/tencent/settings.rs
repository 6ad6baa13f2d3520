//! `[provider.NAME]` with `kind = "tencent_voice"`.

use crate::channel::{
    AccountLimits, Secret,
    exchange::parse_endpoint,
    limits,
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
    /// `https://vms.tencentcloudapi.com` unless told; a stand-in's address in tests and demos.
    #[serde(default = "endpoint")]
    pub endpoint: String,
    #[serde(default = "region")]
    pub region: String,
    pub secret_id: String,
    pub secret_key: Secret,
    /// With temporary credentials.
    #[serde(default)]
    pub token: Option<Secret>,
    /// VoiceSdkAppid of the application in the console; its key callback must be switched on there.
    pub sdk_app_id: String,
    /// Approved templates by kind of message: `code` is the TemplateId; `{1}`, `{2}` … are the variables in
    /// the order in which they first appear in the wording. "Press 1" must be inside the template.
    pub templates: TemplateSet,
    /// Templates for drills; when given, a drill uses no other.
    #[serde(default)]
    pub drill_templates: Option<TemplateSet>,
    /// How often the announcement is played, 1–3.
    #[serde(default = "play_times")]
    pub play_times: u8,
    /// How long to wait for a reply to the request (not for the call).
    #[serde(default = "request_timeout")]
    pub request_timeout: Span,
    /// Last part of the path `/callbacks/{account}/{secret}`: at least 128 bits.
    pub callback_secret: Secret,
    #[serde(default = "limits::tencent_voice", deserialize_with = "limits::over_tencent_voice")]
    pub limits: AccountLimits,
}
fn endpoint() -> String {
    "https://vms.tencentcloudapi.com".into()
}
fn region() -> String {
    "ap-guangzhou".into()
}
fn play_times() -> u8 {
    2
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
            ("templates", self.templates.0.is_empty()),
        ] {
            if empty {
                faults.push(format!("{key}: is empty"));
            }
        }
        if !(1..=3).contains(&self.play_times) {
            faults.push(format!("play_times: {} is not 1, 2 or 3", self.play_times));
        }
        faults.extend(limits::request_timeout_fault(self.request_timeout));
        faults.extend(self.callback_secret.fault_as_path_secret().map(|f| format!("callback_secret: {f}")));
        faults.extend(template::faults("templates", &self.templates));
        faults.extend(self.drill_templates.iter().flat_map(|t| template::faults("drill_templates", t)));
        faults.extend(limits::faults(&self.limits));
        faults
    }

    pub(super) fn rpc_endpoint(&self) -> Endpoint {
        Endpoint {
            url: self.endpoint.clone(),
            service: "vms",
            version: "2020-09-02",
            region: self.region.clone(),
            secret_id: self.secret_id.clone(),
            secret_key: self.secret_key.clone(),
            token: self.token.clone(),
            request_timeout: self.request_timeout,
        }
    }
}
