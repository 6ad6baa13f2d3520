//! `[canary]`: the office's own numbers that every account rings on a schedule (点名).

use super::Config;
use crate::core::{phone::Phone, time::Span};
use serde::Deserialize;

/// `[canary]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Canary {
    pub sms: Vec<String>,
    pub voice: Vec<String>,
    pub email: Vec<String>,
    /// Between two rings of one account, where `at` names no times.
    pub every: Span,
    /// Times of Beijing's day, `"08:00"`.
    pub at: Vec<String>,
    /// What came of it must be known by then.
    pub within: Span,
    /// Of these accounts only; empty: all whose channel has a number.
    pub accounts: Vec<String>,
}
impl Default for Canary {
    fn default() -> Self {
        Canary {
            sms: Vec::new(),
            voice: Vec::new(),
            email: Vec::new(),
            every: Span::hours(6),
            at: Vec::new(),
            within: Span::mins(5),
            accounts: Vec::new(),
        }
    }
}
impl Canary {
    /// Whether anybody is rung.
    pub fn is_on(&self) -> bool {
        !(self.sms.is_empty() && self.voice.is_empty() && self.email.is_empty())
    }
    /// The times as minutes of the day; those that can be read.
    pub fn minutes(&self) -> Vec<u16> {
        self.at.iter().filter_map(|t| minute(t)).collect()
    }
}

fn minute(text: &str) -> Option<u16> {
    let part = |t: &str, below: u16| t.parse::<u16>().ok().filter(|n| t.len() == 2 && *n < below);
    let (h, m) = text.split_once(':')?;
    Some(part(h, 24)? * 60 + part(m, 60)?)
}

pub(super) fn check(config: &Config, fault: &mut impl FnMut(&str, String)) {
    let c = &config.canary;
    for (i, number) in c.sms.iter().enumerate() {
        if !Phone::parse(number).is_some_and(|p| p.is_mobile()) {
            fault("canary.sms", format!("item {i} is no mobile number"));
        }
    }
    for (i, number) in c.voice.iter().enumerate() {
        if Phone::parse(number).is_none() {
            fault("canary.voice", format!("item {i} is no telephone number"));
        }
    }
    for (i, address) in c.email.iter().enumerate() {
        if !address.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.')) {
            fault("canary.email", format!("item {i} is no e-mail address"));
        }
    }
    for time in c.at.iter().filter(|t| minute(t).is_none()) {
        fault("canary.at", format!("`{time}` is not a time of day; write for example \"08:00\""));
    }
    for (key, span, least, most) in
        [("canary.every", c.every, Span::mins(1), Span::hours(31 * 24)), ("canary.within", c.within, Span::secs(5), Span::hours(1))]
    {
        if span < least || span > most {
            fault(key, format!("{span} is outside {least} to {most}"));
        }
    }
    if c.at.is_empty() && c.every <= c.within {
        fault("canary.every", format!("{} is not longer than canary.within ({}): the next ring would come first", c.every, c.within));
    }
    for account in c.accounts.iter().filter(|a| !config.providers.contains_key(*a)) {
        fault("canary.accounts", format!("`{account}` is no account; name those of [provider.…]"));
    }
}
