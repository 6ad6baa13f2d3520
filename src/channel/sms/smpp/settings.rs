//! `[provider.NAME]` with `kind = "smpp_sms"`.

use crate::channel::{
    AccountLimits, Secret,
    filing::{Day, FilingState},
    limits,
};
use crate::core::time::Span;
use serde::{Deserialize, Serialize};

/// How a text longer than one SMS goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Long {
    /// Parts with a user data header, put together by the handset.
    #[default]
    Udh,
    /// One submit with message_payload; the SMSC divides it.
    Payload,
}

/// How an id in a receipt's text compares to that of the response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReceiptId {
    #[default]
    Same,
    /// The response has hexadecimal, the receipt decimal.
    DecimalOfHex,
    /// The response has decimal, the receipt hexadecimal.
    HexOfDecimal,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The table's own name; filled in by [`crate::channel::settings::ProviderSettings::from_table`].
    #[serde(default)]
    pub account: String,
    /// host:port.
    pub endpoint: String,
    /// At most 15 characters.
    pub system_id: String,
    /// At most 8 characters, by the standard.
    pub password: Secret,
    #[serde(default)]
    pub system_type: String,
    /// The number messages come from and replies go to.
    pub source: String,
    /// Type of number and numbering plan of `source`, as the carrier says.
    #[serde(default)]
    pub source_ton: u8,
    #[serde(default)]
    pub source_npi: u8,
    /// Whether numbers are written with 86.
    #[serde(default = "yes")]
    pub country_code: bool,
    /// Put before every text as 【…】; leave out where the carrier adds it.
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
    #[serde(default)]
    pub long: Long,
    /// Parts a message may have.
    #[serde(default = "five")]
    pub segments_max: usize,
    #[serde(default)]
    pub receipt_id: ReceiptId,
    /// Submits without a response at once.
    #[serde(default = "window")]
    pub window: usize,
    /// The line is asked whether it lives after so long.
    #[serde(default = "half_a_minute")]
    pub enquire_every: Span,
    /// For connecting, binding, and each response.
    #[serde(default = "five_seconds")]
    pub request_timeout: Span,
    /// Waits before connecting again, after the first, second … failure; the last for all others.
    #[serde(default = "waits")]
    pub reconnect: Vec<Span>,
    #[serde(default = "limits::smpp_sms", deserialize_with = "limits::over_smpp_sms")]
    pub limits: AccountLimits,
}
fn yes() -> bool {
    true
}
fn five() -> usize {
    5
}
fn window() -> usize {
    16
}
fn half_a_minute() -> Span {
    Span::secs(30)
}
fn five_seconds() -> Span {
    Span::secs(5)
}
fn waits() -> Vec<Span> {
    vec![Span::secs(1), Span::secs(2), Span::secs(5), Span::secs(15), Span::secs(30)]
}

impl Settings {
    /// Everything wrong with these settings, as `key: reason`; empty when nothing is.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let port = self.endpoint.rsplit_once(':').map(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
        if port != Some(true) {
            faults.push(format!("endpoint: `{}` is not host:port", self.endpoint));
        }
        for (key, value, most) in
            [("system_id", self.system_id.as_str(), 15), ("password", self.password.reveal(), 8), ("source", self.source.as_str(), 20)]
        {
            if value.is_empty() || value.len() > most || !value.is_ascii() {
                faults.push(format!("{key}: must have 1 to {most} ASCII characters"));
            }
        }
        if self.system_type.len() > 12 || !self.system_type.is_ascii() {
            faults.push("system_type: at most 12 ASCII characters".into());
        }
        if self.sign_name.as_ref().is_some_and(|s| s.contains(['【', '】'])) {
            faults.push("sign_name: write it without 【】".into());
        }
        if !(1..=10).contains(&self.segments_max) {
            faults.push(format!("segments_max: {} is not between 1 and 10", self.segments_max));
        }
        if !(1..=1000).contains(&self.window) {
            faults.push(format!("window: {} is not between 1 and 1000", self.window));
        }
        faults.extend(limits::request_timeout_fault(self.request_timeout));
        if self.enquire_every < Span::secs(1) {
            faults.push("enquire_every: at least 1s".into());
        }
        if self.reconnect.is_empty() || self.reconnect.iter().any(|w| *w < Span::ms(100)) {
            faults.push("reconnect: at least one wait, each at least 100ms".into());
        }
        faults.extend(limits::faults(&self.limits));
        faults
    }
}
