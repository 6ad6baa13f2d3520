//! `[provider.NAME]` with `kind = "twilio_sms"`.

use crate::channel::{
    AccountLimits, Secret,
    filing::{Day, FilingState},
    limits,
    long_sms::LongSms,
    twilio::{Credentials, sender_fault},
};
use crate::core::time::Span;
use serde::{Deserialize, Serialize};

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
    /// The number (`+15005550006`) or name messages come from …
    #[serde(default)]
    pub from: Option<String>,
    /// … or the service that chooses one (`MG…`).
    #[serde(default)]
    pub messaging_service_sid: Option<String>,
    /// Put before every message in 【】, where the signature is ours to write.
    #[serde(default)]
    pub sign_name: Option<String>,
    /// How the signature's filing (报备) stands, and the last day it holds.
    #[serde(default)]
    pub sign_filing: FilingState,
    #[serde(default)]
    pub sign_valid_until: Option<Day>,
    /// The same of the answer link. Texts carry it only where this says `approved`.
    #[serde(default)]
    pub link_filing: FilingState,
    #[serde(default)]
    pub link_valid_until: Option<Day>,
    /// What Twilio reaches us by and signs; `server.public_url` unless told.
    #[serde(default)]
    pub public_url: String,
    /// `"refuse"`: a text that does not fit one SMS is not sent here; `"split"`: it is, and counted by its parts.
    #[serde(default)]
    pub long_sms: LongSms,
    /// How long to wait for a reply.
    #[serde(default = "request_timeout")]
    pub request_timeout: Span,
    /// Last part of the path `/callbacks/{account}/{secret}`: at least 128 bits.
    pub callback_secret: Secret,
    #[serde(default = "limits::twilio_sms", deserialize_with = "limits::over_twilio_sms")]
    pub limits: AccountLimits,
}
fn endpoint() -> String {
    "https://api.twilio.com".into()
}
fn request_timeout() -> Span {
    Span::secs(5)
}

impl Settings {
    /// Everything wrong with these settings, as `key: reason`; empty when nothing is.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = self.credentials().faults(&self.endpoint, (&self.api_key_sid, &self.api_key_secret), self.request_timeout);
        match (&self.from, &self.messaging_service_sid) {
            (Some(from), None) => faults.extend(sender_fault("from", from)),
            (None, Some(service)) if service.starts_with("MG") => {}
            (None, Some(_)) => faults.push("messaging_service_sid: must begin with MG".into()),
            _ => faults.push("from, messaging_service_sid: give one of the two".into()),
        }
        if self.sign_name.as_ref().is_some_and(|s| s.contains(['【', '】']) || s.is_empty()) {
            faults.push("sign_name: write it without 【】".into());
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
