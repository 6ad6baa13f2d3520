//! `[provider.NAME]` with `kind = "feishu_robot"`.

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
    /// `https://open.larksuite.com` for Lark.
    #[serde(default = "endpoint")]
    pub endpoint: String,
    /// What stands behind `/hook/` in the robot's address.
    pub hook: Secret,
    /// The robot's signing secret (签名校验); not needed where it is secured by keyword or address list.
    #[serde(default)]
    pub secret: Option<Secret>,
    /// The robot's keyword (自定义关键词), where it is secured by one: a message without it is refused.
    #[serde(default)]
    pub keyword: Option<String>,
    #[serde(default = "request_timeout")]
    pub request_timeout: Span,
    #[serde(default)]
    pub group: Group,
    #[serde(default = "limits::feishu_robot", deserialize_with = "limits::over_feishu_robot")]
    pub limits: AccountLimits,
}
fn endpoint() -> String {
    "https://open.feishu.cn".into()
}
fn request_timeout() -> Span {
    Span::secs(5)
}

impl Settings {
    /// Everything wrong with these settings, as `key: reason`; empty when nothing is.
    pub fn faults(&self) -> Vec<String> {
        let mut all: Vec<String> = parse_endpoint(&self.endpoint).err().into_iter().collect();
        all.extend(fault_in_address("hook", self.hook.reveal()));
        if self.secret.as_ref().is_some_and(Secret::is_empty) {
            all.push("secret: is empty; leave it out where the robot is not signed".into());
        }
        if self.keyword.as_ref().is_some_and(|k| k.trim().is_empty()) {
            all.push("keyword: is empty; leave it out where the robot has none".into());
        }
        all.extend(limits::request_timeout_fault(self.request_timeout));
        all.extend(faults(&self.group));
        all.extend(limits::faults(&self.limits));
        all
    }
}
