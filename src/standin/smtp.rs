//! An SMTP sink: takes mail, keeps it, tells whoever listens; refuses, stalls or hangs up for
//! certain recipients, so that every outcome of a mail can be shown.
//!
//! By the local part of the recipient: `tempfail` 451, `permfail` 550, `stall` no reply after the
//! message, `cut` the connection closes after the message.

use super::mail::{self, MailMessage};
use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream, tcp::OwnedWriteHalf},
    sync::broadcast,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

const LINE_LIMIT: u64 = 8 * 1024;
const MESSAGE_LIMIT: usize = 16 * 1024 * 1024;
/// Messages kept; older ones are forgotten.
const KEPT: usize = 100_000;

/// What the sink is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SmtpSettings {
    /// When given, mail is taken only after AUTH PLAIN or LOGIN with these.
    pub login: Option<(String, String)>,
}

struct Shared {
    settings: SmtpSettings,
    kept: Mutex<Vec<MailMessage>>,
    messages: broadcast::Sender<MailMessage>,
}

/// A running sink. It stops when this is dropped.
pub struct SmtpHandle {
    addr: SocketAddr,
    shared: Arc<Shared>,
    cancel: CancellationToken,
}

/// Starts a sink on `listener`.
pub async fn serve(settings: SmtpSettings, listener: TcpListener) -> io::Result<SmtpHandle> {
    let addr = listener.local_addr()?;
    let shared = Arc::new(Shared { settings, kept: Mutex::default(), messages: broadcast::channel(16_384).0 });
    let cancel = CancellationToken::new();
    let tracker = TaskTracker::new();
    let (accepting, stop, connections) = (shared.clone(), cancel.clone(), tracker.clone());
    tracker.spawn(async move {
        loop {
            let stream = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => stream,
                    // Too many open files and the like: the next accept may do better.
                    Err(_) => { tokio::time::sleep(std::time::Duration::from_millis(50)).await; continue }
                },
            };
            let (shared, stop) = (accepting.clone(), stop.clone());
            connections.spawn(async move {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => {}
                    // A client that hangs up in the middle is no fault of the sink.
                    _ = Session::new(shared, stream).run() => {}
                }
            });
        }
    });
    Ok(SmtpHandle { addr, shared, cancel })
}

impl SmtpHandle {
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
    /// Every mail taken from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<MailMessage> {
        self.shared.messages.subscribe()
    }
    /// Every mail taken so far.
    pub fn messages(&self) -> Vec<MailMessage> {
        self.shared.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
impl Drop for SmtpHandle {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

/// What happens after a message was taken in.
enum After {
    Keep,
    Stall,
    Cut,
}

struct Session {
    shared: Arc<Shared>,
    reader: BufReader<tokio::net::tcp::OwnedReadHalf>,
    writer: OwnedWriteHalf,
    authorised: bool,
    from: Option<String>,
    to: Vec<String>,
}

impl Session {
    fn new(shared: Arc<Shared>, stream: TcpStream) -> Session {
        let (reader, writer) = stream.into_split();
        let authorised = shared.settings.login.is_none();
        Session { shared, reader: BufReader::new(reader), writer, authorised, from: None, to: Vec::new() }
    }

    async fn say(&mut self, text: &str) -> io::Result<()> {
        self.writer.write_all(format!("{text}\r\n").as_bytes()).await
    }

    /// One line without its end; `None` when the client has gone.
    async fn line(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        let read = (&mut self.reader).take(LINE_LIMIT).read_until(b'\n', &mut line).await?;
        if read == 0 {
            return Ok(None);
        }
        while matches!(line.last(), Some(b'\n' | b'\r')) {
            line.pop();
        }
        Ok(Some(line))
    }

    async fn run(mut self) -> io::Result<()> {
        self.say("220 sink.example.org ESMTP").await?;
        while let Some(line) = self.line().await? {
            let text = String::from_utf8_lossy(&line).into_owned();
            let (verb, rest) = text.split_once(' ').unwrap_or((&text, ""));
            match verb.to_ascii_uppercase().as_str() {
                "EHLO" => {
                    self.say("250-sink.example.org").await?;
                    self.say("250-8BITMIME").await?;
                    self.say("250-SMTPUTF8").await?;
                    if self.shared.settings.login.is_some() {
                        self.say("250-AUTH PLAIN LOGIN").await?;
                    }
                    self.say("250 SIZE 16777216").await?;
                }
                "HELO" => self.say("250 sink.example.org").await?,
                "AUTH" => self.auth(rest).await?,
                "MAIL" => self.mail(rest).await?,
                "RCPT" => self.rcpt(rest).await?,
                "DATA" if self.to.is_empty() => self.say("503 5.5.1 no recipient").await?,
                "DATA" => {
                    if !self.data().await? {
                        return Ok(());
                    }
                }
                "RSET" => {
                    self.forget();
                    self.say("250 2.0.0 ok").await?;
                }
                "NOOP" => self.say("250 2.0.0 ok").await?,
                "QUIT" => return self.say("221 2.0.0 bye").await,
                _ => self.say("502 5.5.2 unknown command").await?,
            }
        }
        Ok(())
    }

    fn forget(&mut self) {
        self.from = None;
        self.to.clear();
    }

    async fn auth(&mut self, rest: &str) -> io::Result<()> {
        let Some((user, password)) = self.shared.settings.login.clone() else { return self.say("503 5.5.1 no login is asked").await };
        let (mechanism, initial) = rest.split_once(' ').unwrap_or((rest, ""));
        let given = match mechanism.to_ascii_uppercase().as_str() {
            "PLAIN" => {
                let answer = if initial.is_empty() { self.challenge("").await? } else { mail::base64(initial.as_bytes()) };
                let mut parts = answer.split(|b| *b == 0).skip(1);
                (parts.next().unwrap_or_default().to_vec(), parts.next().unwrap_or_default().to_vec())
            }
            "LOGIN" => {
                let user = if initial.is_empty() { self.challenge("VXNlcm5hbWU6").await? } else { mail::base64(initial.as_bytes()) };
                (user, self.challenge("UGFzc3dvcmQ6").await?)
            }
            _ => return self.say("504 5.5.4 unknown mechanism").await,
        };
        self.authorised = given == (user.into_bytes(), password.into_bytes());
        if self.authorised { self.say("235 2.7.0 welcome").await } else { self.say("535 5.7.8 bad credentials").await }
    }

    async fn challenge(&mut self, prompt: &str) -> io::Result<Vec<u8>> {
        self.say(&format!("334 {prompt}")).await?;
        Ok(mail::base64(&self.line().await?.unwrap_or_default()))
    }

    async fn mail(&mut self, rest: &str) -> io::Result<()> {
        if !self.authorised {
            return self.say("530 5.7.0 log in first").await;
        }
        match path(rest, "FROM:") {
            Some(from) => {
                self.forget();
                self.from = Some(from);
                self.say("250 2.1.0 ok").await
            }
            None => self.say("501 5.5.4 MAIL FROM:<address>").await,
        }
    }

    async fn rcpt(&mut self, rest: &str) -> io::Result<()> {
        if self.from.is_none() {
            return self.say("503 5.5.1 MAIL first").await;
        }
        let Some(to) = path(rest, "TO:").filter(|t| !t.is_empty()) else { return self.say("501 5.5.4 RCPT TO:<address>").await };
        match to.split('@').next().unwrap_or_default() {
            "tempfail" => self.say("451 4.3.0 try again later").await,
            "permfail" => self.say("550 5.1.1 no such user").await,
            _ => {
                self.to.push(to);
                self.say("250 2.1.5 ok").await
            }
        }
    }

    /// Takes the message. `false`: the connection is to be closed.
    async fn data(&mut self) -> io::Result<bool> {
        self.say("354 end with a dot").await?;
        let mut raw = Vec::new();
        loop {
            let Some(line) = self.line().await? else { return Ok(false) };
            if line == b"." {
                break;
            }
            // Dot-unstuffing (RFC 5321, 4.5.2).
            let line = line.strip_prefix(b".").unwrap_or(&line);
            raw.extend_from_slice(line);
            raw.extend_from_slice(b"\r\n");
            if raw.len() > MESSAGE_LIMIT {
                self.say("552 5.3.4 too big").await?;
                return Ok(false);
            }
        }
        let has = |name: &str| self.to.iter().any(|t| t.split('@').next() == Some(name));
        let after = if has("stall") {
            After::Stall
        } else if has("cut") {
            After::Cut
        } else {
            After::Keep
        };
        let message = mail::read(self.from.take().unwrap_or_default(), std::mem::take(&mut self.to), &raw);
        {
            let mut kept = self.shared.kept.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() < KEPT {
                kept.push(message.clone());
            }
        }
        let _ = self.shared.messages.send(message);
        match after {
            After::Keep => self.say("250 2.0.0 taken").await.map(|()| true),
            After::Cut => Ok(false),
            // Until the client gives up and closes.
            After::Stall => {
                while self.line().await?.is_some() {}
                Ok(false)
            }
        }
    }
}

/// The address of `FROM:<a@b> PARAMETERS`.
fn path(rest: &str, keyword: &str) -> Option<String> {
    let head = rest.get(..keyword.len())?;
    if !head.eq_ignore_ascii_case(keyword) {
        return None;
    }
    let inner = rest.get(keyword.len()..)?.trim_start().strip_prefix('<')?;
    inner.split_once('>').map(|(address, _)| address.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_with_and_without_parameters() {
        assert_eq!(path("FROM:<a@example.org> BODY=8BITMIME", "FROM:").unwrap(), "a@example.org");
        assert_eq!(path("to: <b@example.org>", "TO:").unwrap(), "b@example.org");
        assert_eq!(path("FROM:<>", "FROM:").unwrap(), "");
        for bad in ["", "FROM", "FROM:a@b", "FROM:<a@b", "红:<a@b>"] {
            assert!(path(bad, "FROM:").is_none(), "{bad}");
        }
    }
}
