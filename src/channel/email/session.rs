//! The SMTP conversation step by step, and a small pool of connections between mails.

use super::{
    errors::{self, Step},
    settings::{self, Settings, Tls},
};
use crate::core::send::Outcome;
use lettre::{
    address::Envelope,
    transport::smtp::{
        Error,
        authentication::{Credentials, DEFAULT_MECHANISMS},
        client::{AsyncSmtpConnection, TlsParameters},
        commands::{Data, Mail, Rcpt, Rset},
        extension::{ClientId, Extension, MailBodyParameter, MailParameter},
    },
};
use std::{
    future::Future,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// Connections to one mail server.
pub(super) struct Sessions {
    host: String,
    port: u16,
    tls: Tls,
    tls_parameters: Option<TlsParameters>,
    credentials: Option<Credentials>,
    hello: ClientId,
    timeout: Duration,
    pool_size: usize,
    idle: Mutex<Vec<AsyncSmtpConnection>>,
}

impl Sessions {
    pub fn new(s: &Settings) -> Result<Sessions, String> {
        let (host, port) = s.host_port()?;
        let tls_parameters = match s.tls {
            Tls::None => None,
            _ => {
                let authorities = s.ca.as_deref().map(settings::authorities).transpose()?.unwrap_or_default();
                let builder = authorities.into_iter().fold(TlsParameters::builder(host.clone()), |b, c| b.add_root_certificate(c));
                Some(builder.build().map_err(|e| format!("tls: cannot be prepared for {host}: {e}"))?)
            }
        };
        let credentials = s.username.clone().zip(s.password.as_ref()).map(|(u, p)| Credentials::new(u, p.reveal().to_string()));
        let hello = s.hello_name.clone().map_or_else(ClientId::default, ClientId::Domain);
        Ok(Sessions {
            host,
            port,
            tls: s.tls,
            tls_parameters,
            credentials,
            hello,
            timeout: s.request_timeout.to_std(),
            pool_size: s.pool_size,
            idle: Mutex::new(Vec::new()),
        })
    }

    /// Hands one mail over. `Err` is its outcome.
    pub async fn deliver(&self, envelope: &Envelope, mail: &[u8]) -> Result<(), Outcome> {
        let mut connection = self.connection().await?;
        let result = self.converse(&mut connection, envelope, mail).await;
        match &result {
            Ok(()) => self.keep(connection),
            // The server spoke, so the line is good: take the half-made mail back and keep it.
            Err(Failed { by_server: true, .. }) => {
                if let Ok(Ok(_)) = tokio::time::timeout(self.timeout, connection.command(Rset)).await {
                    self.keep(connection);
                }
            }
            Err(_) => {}
        }
        result.map_err(|f| f.outcome)
    }

    /// A kept connection that still answers, or a new one.
    async fn connection(&self) -> Result<AsyncSmtpConnection, Outcome> {
        loop {
            let kept = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            match kept {
                None => return self.connect().await.map_err(|f| f.outcome),
                Some(mut c) => {
                    if let Ok(true) = tokio::time::timeout(self.timeout, c.test_connected()).await {
                        return Ok(c);
                    }
                }
            }
        }
    }

    fn keep(&self, connection: AsyncSmtpConnection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if !connection.has_broken() && idle.len() < self.pool_size {
            idle.push(connection);
        }
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Failed> {
        let implicit = self.tls_parameters.clone().filter(|_| self.tls == Tls::Implicit);
        let connecting =
            AsyncSmtpConnection::connect_tokio1((self.host.as_str(), self.port), Some(self.timeout), &self.hello, implicit, None);
        let mut c = self.step(Step::Connect, connecting).await?;
        if let (Tls::Starttls, Some(parameters)) = (self.tls, &self.tls_parameters) {
            if !c.server_info().supports_feature(Extension::StartTls) {
                return Err(Failed::config(Step::StartTls, "the server does not offer STARTTLS; nothing is sent unprotected"));
            }
            self.step(Step::StartTls, c.starttls(parameters.clone(), &self.hello)).await?;
        }
        if let Some(credentials) = &self.credentials {
            if c.server_info().get_auth_mechanism(DEFAULT_MECHANISMS).is_none() {
                return Err(Failed::config(Step::Auth, "the server offers no way to log in that we know (PLAIN, LOGIN)"));
            }
            self.step(Step::Auth, c.auth(DEFAULT_MECHANISMS, credentials)).await?;
        }
        Ok(c)
    }

    async fn converse(&self, c: &mut AsyncSmtpConnection, envelope: &Envelope, mail: &[u8]) -> Result<(), Failed> {
        let mut options = Vec::new();
        if envelope.to().iter().chain(envelope.from()).any(|a| !AsRef::<str>::as_ref(a).is_ascii()) {
            if !c.server_info().supports_feature(Extension::SmtpUtfEight) {
                let detail = "the address is not ASCII and the server does not take such addresses (SMTPUTF8)".into();
                return Err(Failed { outcome: Outcome::PermanentNumber { detail }, by_server: true });
            }
            options.push(MailParameter::SmtpUtfEight);
        }
        if c.server_info().supports_feature(Extension::EightBitMime) {
            options.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        self.step(Step::MailFrom, c.command(Mail::new(envelope.from().cloned(), options))).await?;
        for to in envelope.to() {
            self.step(Step::RcptTo, c.command(Rcpt::new(to.clone(), Vec::new()))).await?;
        }
        self.step(Step::Data, c.command(Data)).await?;
        self.step(Step::Body, c.message(mail)).await?;
        Ok(())
    }

    async fn step<T>(&self, step: Step, doing: impl Future<Output = Result<T, Error>>) -> Result<T, Failed> {
        match tokio::time::timeout(self.timeout, doing).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(e)) => Err(Failed::of(step, &e)),
            Err(_) => {
                let detail = format!("no reply within {} s", self.timeout.as_secs_f64());
                Err(Failed { outcome: errors::silent(step, &detail), by_server: false })
            }
        }
    }
}

struct Failed {
    outcome: Outcome,
    /// The server itself refused: the connection is in order.
    by_server: bool,
}
impl Failed {
    fn of(step: Step, e: &Error) -> Failed {
        match e.status() {
            Some(code) => {
                let number: u16 = code.into();
                let words = std::error::Error::source(e).map(ToString::to_string).unwrap_or_default();
                // A server that says 421 is about to hang up.
                Failed { outcome: errors::refused(step, number, &words), by_server: number != 421 }
            }
            None if matches!(step, Step::Connect | Step::StartTls) && is_about_tls(e) => {
                Failed::config(step, &format!("no protected connection, nothing is sent without one ({}); see `ca`", reasons(e)))
            }
            None => Failed { outcome: errors::silent(step, &reasons(e)), by_server: false },
        }
    }
    fn config(step: Step, why: &str) -> Failed {
        Failed { outcome: Outcome::Config { detail: format!("{step:?}: {why}") }, by_server: false }
    }
}

/// Whether the other side's certificate or its TLS is at fault, and not the line: that does not mend by trying again.
fn is_about_tls(e: &Error) -> bool {
    let mut cause = Some(e as &(dyn std::error::Error + 'static));
    while let Some(c) = cause {
        if c.downcast_ref::<std::io::Error>().is_some_and(|io| io.kind() == std::io::ErrorKind::InvalidData) {
            return true;
        }
        cause = c.source();
    }
    e.is_tls()
}

/// The chain of causes in one line.
fn reasons(e: &Error) -> String {
    let mut text = e.to_string();
    let mut cause = std::error::Error::source(e);
    while let Some(c) = cause {
        let line = c.to_string();
        if !text.contains(&line) {
            text.push_str(": ");
            text.push_str(&line);
        }
        cause = c.source();
    }
    text
}
