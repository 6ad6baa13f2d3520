//! `[provider.NAME]` with `kind = "wecom_robot"`.

use crate::channel::{
    AccountLimits, Secret,
    exchange::parse_endpoint,
    im::group::{fault_in_address, faults},
    limits,
};
use crate::core::{digest::Group, time::Span};
use serde::Deserialize;

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The table's own name; filled in by [`crate::channel::settings::ProviderSettings::from_table`].
    #[serde(default)]
    pub account: String,
    #[serde(default = "endpoint")]
    pub endpoint: String,
    /// What stands behind `key=` in the robot's address: whoever has it can write to the group.
    pub key: Secret,
    #[serde(default = "request_timeout")]
    pub request_timeout: Span,
    #[serde(default)]
    pub group: Group,
    #[serde(default = "limits::wecom_robot", deserialize_with = "limits::over_wecom_robot")]
    pub limits: AccountLimits,
}
fn endpoint() -> String {
    "https://qyapi.weixin.qq.com".into()
}
fn request_timeout() -> Span {
    Span::secs(5)
}

impl Settings {
    /// Everything wrong with these settings, as `key: reason`; empty when nothing is.
    pub fn faults(&self) -> Vec<String> {
        let mut all: Vec<String> = parse_endpoint(&self.endpoint).err().into_iter().collect();
        all.extend(fault_in_address("key", self.key.reveal()));
        all.extend(limits::request_timeout_fault(self.request_timeout));
        all.extend(faults(&self.group));
        all.extend(limits::faults(&self.limits));
        all
    }
}
