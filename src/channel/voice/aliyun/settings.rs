//! `[provider.NAME]` with `kind = "aliyun_voice"`.

use crate::channel::{
    AccountLimits, MessageKind, Secret,
    aliyun::rpc::{Endpoint, parse_endpoint},
    limits,
    template::{self, TemplateSet},
};
use crate::core::time::Span;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A key of the menu and what is played when it is pressed. What the key *means* is the engine's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MenuKey {
    /// `0`–`9`, `*` or `#`.
    pub key: String,
    /// The template or recording that is played; without one the announcement is played again (重听).
    #[serde(default)]
    pub code: Option<String>,
    /// Fixed variables of that template.
    #[serde(default)]
    pub tts_params: BTreeMap<String, String>,
}

/// Which call is placed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    #[default]
    IvrCall,
    SingleCallByTts,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The table's own name; filled in by [`crate::channel::settings::ProviderSettings::from_table`].
    #[serde(default)]
    pub account: String,
    /// `https://dyvmsapi.aliyuncs.com` unless told; a stand-in's address in tests and demos.
    #[serde(default = "endpoint")]
    pub endpoint: String,
    pub access_key_id: String,
    pub access_key_secret: Secret,
    /// With temporary (STS) credentials.
    #[serde(default)]
    pub security_token: Option<Secret>,
    /// `ivr_call`: the announcement waits for a key. `single_call_by_tts`: a notice without keys; hearing it is never
    /// an answer, so whoever is called must answer another way.
    #[serde(default)]
    pub operation: Operation,
    /// Bought numbers the call comes from; each attempt takes one of them by its reference, so that
    /// a redial comes from another number than one that was blocked.
    /// A notice without any comes from Aliyun's shared numbers.
    #[serde(default)]
    pub called_show_numbers: Vec<String>,
    /// StartCode by kind of message. The words "press 1" must be inside the approved template.
    pub templates: TemplateSet,
    /// Templates for drills; when given, a drill uses no other.
    #[serde(default)]
    pub drill_templates: Option<TemplateSet>,
    /// 1 确认, 2 重听, 3 转值班员, 4 代理接办, as the approved announcement says them. None with a notice.
    #[serde(default)]
    pub menu: Vec<MenuKey>,
    /// Another menu for some kinds of message.
    #[serde(default)]
    pub menus: BTreeMap<MessageKind, Vec<MenuKey>>,
    /// Played when the time for a key has passed; of the same kind as StartCode.
    #[serde(default)]
    pub bye_code: Option<String>,
    #[serde(default)]
    pub bye_tts_params: BTreeMap<String, String>,
    /// How often the announcement is played, 1–3.
    #[serde(default = "play_times")]
    pub play_times: u8,
    /// How long to wait for a key after the announcement.
    #[serde(default = "key_timeout")]
    pub key_timeout: Span,
    /// How long to wait for a reply to the request (not for the call).
    #[serde(default = "request_timeout")]
    pub request_timeout: Span,
    /// Last part of the path `/callbacks/{account}/{secret}`: at least 128 bits.
    pub callback_secret: Secret,
    #[serde(default = "limits::aliyun_voice", deserialize_with = "limits::over_aliyun_voice")]
    pub limits: AccountLimits,
}
fn endpoint() -> String {
    "https://dyvmsapi.aliyuncs.com".into()
}
fn play_times() -> u8 {
    2
}
fn key_timeout() -> Span {
    Span::secs(8)
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
            ("called_show_numbers", self.called_show_numbers.is_empty() && self.operation == Operation::IvrCall),
            ("templates", self.templates.0.is_empty()),
            ("menu", self.menu.is_empty() && self.operation == Operation::IvrCall),
        ] {
            if empty {
                faults.push(format!("{key}: is empty"));
            }
        }
        if self.operation == Operation::SingleCallByTts && (!self.menu.is_empty() || !self.menus.is_empty() || self.bye_code.is_some()) {
            faults.push("menu, menus, bye_code: a notice (single_call_by_tts) takes no keys; leave them out".into());
        }
        if self.called_show_numbers.iter().any(|n| n.is_empty() || !n.bytes().all(|b| b.is_ascii_digit())) {
            faults.push("called_show_numbers: each must be digits only".into());
        }
        if !(1..=3).contains(&self.play_times) {
            faults.push(format!("play_times: {} is not 1, 2 or 3", self.play_times));
        }
        if !(Span::secs(1)..=Span::secs(60)).contains(&self.key_timeout) {
            faults.push(format!("key_timeout: {} is not between 1s and 1m", self.key_timeout));
        }
        faults.extend(limits::request_timeout_fault(self.request_timeout));
        let other_menus = self.menus.iter().map(|(kind, menu)| (format!("menus.{}", kind.as_str()), menu));
        for (at, menu) in [("menu".to_string(), &self.menu)].into_iter().chain(other_menus) {
            let mut seen = std::collections::BTreeSet::new();
            for k in menu {
                let one_key = k.key.len() == 1 && k.key.bytes().all(|b| b.is_ascii_digit() || b == b'*' || b == b'#');
                if !one_key {
                    faults.push(format!("{at}: key `{}` is not one of 0-9, *, #", k.key));
                }
                if !seen.insert(k.key.as_str()) {
                    faults.push(format!("{at}: key `{}` stands there twice", k.key));
                }
            }
        }
        faults.extend(self.callback_secret.fault_as_path_secret().map(|f| format!("callback_secret: {f}")));
        faults.extend(template::faults("templates", &self.templates));
        faults.extend(self.drill_templates.iter().flat_map(|t| template::faults("drill_templates", t)));
        faults.extend(limits::faults(&self.limits));
        faults
    }

    pub(super) fn menu_for(&self, kind: MessageKind) -> &[MenuKey] {
        self.menus.get(&kind).unwrap_or(&self.menu)
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
