//! `[provider.NAME]` with `kind = "twilio_voice"`.

use crate::channel::{
    AccountLimits, Secret, limits,
    twilio::{Credentials, sender_fault},
};
use crate::core::time::Span;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A key and what is said when it is pressed. What the key *means* is the engine's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MenuKey {
    /// `0`–`9`, `*` or `#`.
    pub key: String,
    pub say: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The table's own name; filled in by [`crate::channel::settings::ProviderSettings::from_table`].
    #[serde(default)]
    pub account: String,
    /// `https://api.twilio.com` unless told; a stand-in's address in tests and demos.
    #[serde(default = "endpoint")]
    pub endpoint: String,
    pub account_sid: String,
    /// Signs callbacks, and requests unless there is an API key.
    pub auth_token: Secret,
    /// `SK…`, for requests instead of the auth token.
    #[serde(default)]
    pub api_key_sid: Option<String>,
    #[serde(default)]
    pub api_key_secret: Option<Secret>,
    /// The shared key of callbacks signed with SHA-256.
    #[serde(default)]
    pub signing_key: Option<Secret>,
    /// The number calls come from, such as `+15005550006`.
    pub from: String,
    /// The announcement's language.
    #[serde(default = "language")]
    pub language: String,
    /// A voice of Twilio's; its default for the language otherwise.
    #[serde(default)]
    pub voice: Option<String>,
    /// What is said for each key.
    #[serde(default = "menu")]
    pub menu: Vec<MenuKey>,
    /// Said for any other key.
    #[serde(default = "other_key")]
    pub other_key: String,
    /// Said when nobody pressed in time.
    #[serde(default = "bye")]
    pub bye: String,
    /// How often the announcement is played, 1–3.
    #[serde(default = "play_times")]
    pub play_times: u8,
    /// How long to wait for a key after each announcement.
    #[serde(default = "key_timeout")]
    pub key_timeout: Span,
    /// How long it rings.
    #[serde(default = "ring_timeout")]
    pub ring_timeout: Span,
    /// Ask Twilio whether a machine answered (charged apart): a mailbox then does not count as heard.
    #[serde(default)]
    pub machine_detection: bool,
    /// What Twilio reaches us by and signs; `server.public_url` unless told.
    #[serde(default)]
    pub public_url: String,
    /// How long to wait for a reply to the request (not for the call).
    #[serde(default = "request_timeout")]
    pub request_timeout: Span,
    /// Last part of the path `/callbacks/{account}/{secret}`: at least 128 bits.
    pub callback_secret: Secret,
    #[serde(default = "limits::twilio_voice", deserialize_with = "limits::over_twilio_voice")]
    pub limits: AccountLimits,
}
fn endpoint() -> String {
    "https://api.twilio.com".into()
}
fn language() -> String {
    "zh-CN".into()
}
fn menu() -> Vec<MenuKey> {
    [("1", "已记录您的确认，谢谢。"), ("3", "值班员将尽快与您联系。"), ("4", "将转由您的代理人办理。")]
        .map(|(key, say)| MenuKey { key: key.into(), say: say.into() })
        .to_vec()
}
fn other_key() -> String {
    "按键无效，请留意再次来电或回复短信。".into()
}
fn bye() -> String {
    "未收到您的按键，请留意再次来电或回复短信。".into()
}
fn play_times() -> u8 {
    2
}
fn key_timeout() -> Span {
    Span::secs(8)
}
fn ring_timeout() -> Span {
    Span::secs(40)
}
fn request_timeout() -> Span {
    Span::secs(5)
}

impl Settings {
    /// Everything wrong with these settings, as `key: reason`; empty when nothing is.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = self.credentials().faults(&self.endpoint, (&self.api_key_sid, &self.api_key_secret), self.request_timeout);
        if !self.from.starts_with('+') {
            faults.push(format!("from: `{}` is not a number such as +15005550006", self.from));
        }
        faults.extend(sender_fault("from", &self.from));
        if self.language.is_empty() || !self.language.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            faults.push(format!("language: `{}` is not a language such as zh-CN", self.language));
        }
        if !(1..=3).contains(&self.play_times) {
            faults.push(format!("play_times: {} is not 1, 2 or 3", self.play_times));
        }
        if !(Span::secs(1)..=Span::secs(60)).contains(&self.key_timeout) {
            faults.push(format!("key_timeout: {} is not between 1s and 1m", self.key_timeout));
        }
        if !(Span::secs(5)..=Span::secs(600)).contains(&self.ring_timeout) {
            faults.push(format!("ring_timeout: {} is not between 5s and 10m", self.ring_timeout));
        }
        let mut seen = BTreeSet::new();
        for k in &self.menu {
            if k.key.len() != 1 || !k.key.bytes().all(|b| b.is_ascii_digit() || b == b'*' || b == b'#') {
                faults.push(format!("menu: key `{}` is not one of 0-9, *, #", k.key));
            }
            if !seen.insert(k.key.as_str()) {
                faults.push(format!("menu: key `{}` stands there twice", k.key));
            }
        }
        faults.extend(self.callback_secret.fault_as_path_secret().map(|f| format!("callback_secret: {f}")));
        faults.extend(limits::faults(&self.limits));
        faults
    }

    pub(super) fn credentials(&self) -> Credentials {
        Credentials {
            account_sid: self.account_sid.clone(),
            auth_token: self.auth_token.clone(),
            api_key: self.api_key_sid.clone().zip(self.api_key_secret.clone()),
            signing_key: self.signing_key.clone(),
        }
    }
}
