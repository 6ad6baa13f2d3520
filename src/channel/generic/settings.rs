//! `[provider.NAME]` with `kind = "generic_sms"` or `"generic_voice"`: the file, and what is this account's own.

use super::{parse, plan::Plan};
use crate::channel::{
    AccountLimits, Secret,
    filing::{Day, FilingState},
    limits,
    long_sms::LongSms,
    template::{self, TemplateSet},
};
use crate::core::send::Channel;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The table's own name; filled in by [`crate::channel::settings::ProviderSettings::from_table`].
    #[serde(default)]
    pub account: String,
    /// The provider's file, such as `config/providers/carrier-json.toml`.
    pub file: String,
    /// The file's text; put there when the configuration is loaded.
    #[serde(default)]
    pub file_text: String,
    /// What `{{var.NAME}}` stands for.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// What `{{secret.NAME}}` stands for.
    #[serde(default)]
    pub secrets: BTreeMap<String, Secret>,
    /// SMS: what stands before every text as 【…】, for what a text costs. Put there by the file as `{{sign_name}}`, or by the
    /// provider.
    #[serde(default)]
    pub sign_name: Option<String>,
    /// SMS: how the signature's filing (报备) stands, and the last day it holds.
    #[serde(default)]
    pub sign_filing: FilingState,
    #[serde(default)]
    pub sign_valid_until: Option<Day>,
    /// The same of the answer link, where texts are free. They carry it only where this says `approved`; approved templates
    /// have their variant `link`.
    #[serde(default)]
    pub link_filing: FilingState,
    #[serde(default)]
    pub link_valid_until: Option<Day>,
    /// SMS: whether a text of more than one SMS may go.
    #[serde(default)]
    pub long_sms: LongSms,
    /// Approved templates by kind of message, where the file sends `{{template}}` and values.
    #[serde(default)]
    pub templates: Option<TemplateSet>,
    /// Templates for drills; when given, a drill uses no other.
    #[serde(default)]
    pub drill_templates: Option<TemplateSet>,
    /// What the provider reaches us by; `server.public_url` unless told.
    #[serde(default)]
    pub public_url: String,
    /// Last part of the path `/callbacks/{account}/{secret}`: at least 128 bits.
    pub callback_secret: Secret,
    /// Over those of the file.
    #[serde(default)]
    pub limits: toml::Table,
}

impl Settings {
    /// The file made ready, its limits overlaid by the account's.
    pub(super) fn plan(&self) -> Result<Plan, Vec<String>> {
        if self.file_text.is_empty() {
            return Err(vec![format!("file: {} is empty or was not read", self.file)]);
        }
        let mut plan = parse::parse(&self.file, &self.file_text)?;
        plan.limits = self.limits_over(plan.limits.clone()).map_err(|e| vec![e])?;
        Ok(plan)
    }

    fn limits_over(&self, of_file: AccountLimits) -> Result<AccountLimits, String> {
        limits::over(toml::Value::Table(self.limits.clone()), of_file).map_err(|e| format!("limits: {}", e.message()))
    }

    /// Everything wrong with these settings for `channel`, as `key: reason` or `FILE:LINE: reason`.
    pub fn faults(&self, channel: Channel) -> Vec<String> {
        let mut faults = Vec::new();
        match self.plan() {
            Err(all) => faults.extend(all),
            Ok(plan) => {
                if plan.channel != channel {
                    faults.push(format!("file: {} is for {}, this account is for {channel}", self.file, plan.channel));
                }
                for name in plan.names() {
                    let missing = |table: &str, has: bool| (!has).then(|| format!("{table}: {} wants {{{{{name}}}}}", self.file));
                    if let Some(key) = name.strip_prefix("var.") {
                        faults.extend(missing(&format!("variables.{key}"), self.variables.get(key).is_some_and(|v| !v.is_empty())));
                    }
                    if let Some(key) = name.strip_prefix("secret.") {
                        faults.extend(missing(&format!("secrets.{key}"), self.secrets.get(key).is_some_and(|v| !v.is_empty())));
                    }
                }
                if plan.names().contains("sign_name") && self.sign_name.as_ref().is_none_or(|s| s.is_empty()) {
                    faults.push(format!("sign_name: {} wants {{{{sign_name}}}}", self.file));
                }
                if plan.templated() && self.templates.as_ref().is_none_or(|t| t.0.is_empty()) {
                    faults.push(format!("templates: {} sends approved templates; say which", self.file));
                }
                faults.extend(limits::faults(&plan.limits));
            }
        }
        if self.sign_name.as_ref().is_some_and(|s| s.contains(['【', '】'])) {
            faults.push("sign_name: write it without 【】".into());
        }
        if channel != Channel::Sms {
            let set = [
                ("sign_name", self.sign_name.is_some()),
                ("sign_filing", self.sign_filing != FilingState::Unstated || self.sign_valid_until.is_some()),
                ("link_filing", self.link_filing != FilingState::Unstated || self.link_valid_until.is_some()),
                ("long_sms", self.long_sms != LongSms::default()),
            ];
            faults.extend(set.into_iter().filter(|s| s.1).map(|s| format!("{}: is for SMS; a call has none", s.0)));
        }
        faults.extend(self.callback_secret.fault_as_path_secret().map(|f| format!("callback_secret: {f}")));
        faults.extend(self.templates.iter().flat_map(|t| template::faults("templates", t)));
        faults.extend(self.drill_templates.iter().flat_map(|t| template::faults("drill_templates", t)));
        faults
    }
}
