//! `[provider.NAME]` with `kind = "email"`.

use crate::channel::{AccountLimits, Secret, limits};
use crate::core::time::Span;
use lettre::{message::Mailbox, transport::smtp::client::Certificate};
use serde::{Deserialize, Serialize};

/// How the connection to the mail server is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tls {
    /// Plain at first, then STARTTLS; refused when the server does not offer it (port 587).
    #[default]
    Starttls,
    /// TLS from the first byte (port 465).
    Implicit,
    /// No protection: only for a mail server on the same machine or a test.
    None,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The table's own name; filled in by [`crate::channel::settings::ProviderSettings::from_table`].
    #[serde(default)]
    pub account: String,
    /// `host` or `host:port` of the mail server; the port is 587, 465 or 25 by `tls` unless written.
    pub endpoint: String,
    #[serde(default)]
    pub tls: Tls,
    /// PEM of the authority that signed the server's certificate, where the system does not know it: an office's own.
    #[serde(default)]
    pub ca: Option<String>,
    #[serde(default)]
    pub username: Option<String>,
    #[serde(default)]
    pub password: Option<Secret>,
    /// `叫应平台 <warning@example.org>`.
    pub from: String,
    #[serde(default)]
    pub reply_to: Option<String>,
    /// What we call ourselves in EHLO; the machine's name when left out.
    #[serde(default)]
    pub hello_name: Option<String>,
    /// Idle connections kept for the next mail.
    #[serde(default = "pool_size")]
    pub pool_size: usize,
    /// How long each step of the conversation may take.
    #[serde(default = "request_timeout")]
    pub request_timeout: Span,
    #[serde(default = "limits::email", deserialize_with = "limits::over_email")]
    pub limits: AccountLimits,
}
fn pool_size() -> usize {
    4
}
fn request_timeout() -> Span {
    Span::secs(20)
}

pub(super) fn mailbox(key: &str, text: &str) -> Result<Mailbox, String> {
    text.parse().map_err(|e| format!("{key}: `{text}` is not an address such as `叫应平台 <warning@example.org>`: {e}"))
}

/// The certificates of a PEM text. `Err` says what is wrong with `ca`.
pub(super) fn authorities(pem: &str) -> Result<Vec<Certificate>, String> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    let read = |part: &str| Certificate::from_pem(format!("{BEGIN}{part}").as_bytes()).map_err(|e| format!("ca: is not PEM: {e}"));
    let all: Vec<Certificate> = pem.split(BEGIN).skip(1).map(read).collect::<Result<_, _>>()?;
    if all.is_empty() { Err("ca: holds no certificate; it is the PEM text, or { file = \"…\" }".into()) } else { Ok(all) }
}

impl Settings {
    /// Host and port; `Err` says what is wrong with `endpoint`.
    pub fn host_port(&self) -> Result<(String, u16), String> {
        let text = self.endpoint.trim();
        let default = match self.tls {
            Tls::Starttls => 587,
            Tls::Implicit => 465,
            Tls::None => 25,
        };
        let bad = || format!("endpoint: `{text}` is not host or host:port of a mail server");
        let (host, port) = match text.strip_prefix('[').and_then(|r| r.split_once(']')) {
            Some((host, rest)) => (host, rest.strip_prefix(':').map(str::parse)),
            None => match text.split_once(':') {
                Some((host, port)) => (host, Some(port.parse())),
                None => (text, None),
            },
        };
        if host.is_empty() || host.contains(['/', '@', ' ']) {
            return Err(bad());
        }
        match port {
            None => Ok((host.to_string(), default)),
            Some(Ok(port)) if port > 0 => Ok((host.to_string(), port)),
            Some(_) => Err(bad()),
        }
    }

    /// Everything wrong with these settings, as `key: reason`; empty when nothing is.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        faults.extend(self.host_port().err());
        faults.extend(mailbox("from", &self.from).err());
        faults.extend(self.reply_to.as_deref().and_then(|r| mailbox("reply_to", r).err()));
        if self.username.is_some() != self.password.is_some() {
            faults.push("username, password: give both or neither".into());
        }
        if let Some(ca) = &self.ca {
            faults.extend(authorities(ca).err());
            if self.tls == Tls::None {
                faults.push("ca: is given, but tls = \"none\" never looks at a certificate".into());
            }
        }
        if self.request_timeout < Span::secs(1) {
            faults.push("request_timeout: must be at least 1s".into());
        }
        faults.extend(limits::faults(&self.limits));
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(endpoint: &str, tls: Tls) -> Settings {
        let mut s: Settings = toml::from_str("endpoint = 'x'\nfrom = '叫应平台 <a@example.org>'").unwrap();
        (s.endpoint, s.tls) = (endpoint.into(), tls);
        s
    }

    #[test]
    fn the_port_follows_the_protection_unless_it_is_written() {
        for (endpoint, tls, host, port) in [
            ("mail.example.org", Tls::Starttls, "mail.example.org", 587),
            ("mail.example.org", Tls::Implicit, "mail.example.org", 465),
            ("127.0.0.1:2525", Tls::None, "127.0.0.1", 2525),
            ("[::1]:26", Tls::None, "::1", 26),
        ] {
            assert_eq!(settings(endpoint, tls).host_port().unwrap(), (host.to_string(), port));
        }
        for bad in ["", "smtp://a", "a:b", "a:0", "u@h"] {
            assert!(settings(bad, Tls::None).host_port().is_err(), "{bad}");
        }
    }

    #[test]
    fn half_a_login_and_a_bad_sender_are_named() {
        let mut s = settings("h", Tls::None);
        assert!(s.faults().is_empty());
        s.username = Some("u".into());
        s.from = "nobody".into();
        s.ca = Some("-----BEGIN NOTHING-----".into());
        let faults = s.faults().join("\n");
        assert!(faults.contains("ca: holds no certificate") && faults.contains("never looks"), "{faults}");
        assert!(faults.contains("username, password") && faults.contains("from: `nobody`"), "{faults}");
    }
}
