//! The connection: bound, kept alive, bound again after data's own waits; submits in a window, each with what is
//! known of it; and deliver_sm answered only when it is kept.

use super::{errors, receipt, settings::Settings};
use crate::channel::{Inbox, sign::hex};
use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use rusmpp::{
    Command, CommandStatus, Pdu,
    pdus::{BindTransceiver, DeliverSmResp},
    tokio_codec::CommandCodec,
    types::COctetString,
    values::InterfaceVersion,
};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::AsyncWriteExt,
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    time::timeout,
};
use tokio_util::{
    bytes::BytesMut,
    codec::{Encoder, FramedRead, LengthDelimitedCodec},
};

/// What is known of one submit.
#[derive(Debug, PartialEq)]
pub(super) enum Answer {
    Taken(String),
    Refused(CommandStatus),
    /// Not a byte of it was written.
    NotSent(String),
    /// The line is down because the SMSC refuses our bind.
    Refusing(String),
    /// Written, and no response came.
    Lost(String),
}

/// Whether a submit was written; whoever changes it first decides.
const QUEUED: u8 = 0;
const WRITTEN: u8 = 1;
const WITHDRAWN: u8 = 2;
/// A submit that waits longer than so many enquiries shows that the line does not work.
const OLDEST: u32 = 4;
/// The longest PDU read: a payload of 64 KiB and its frame.
const LONGEST_PDU: usize = 70_000;

const DELIVER_SM: u32 = 0x0000_0005;
const BIND_TRANSCEIVER_RESP: u32 = 0x8000_0009;

struct Outgoing {
    pdu: Pdu,
    fate: Arc<AtomicU8>,
    answer: oneshot::Sender<Command>,
    permit: OwnedSemaphorePermit,
}

struct Pending {
    answer: oneshot::Sender<Command>,
    /// Held until the response, not until whoever waits gives up: that is what a window is.
    _permit: OwnedSemaphorePermit,
    since: u32,
}

#[derive(Clone)]
struct Line {
    out: mpsc::Sender<Outgoing>,
    window: Arc<Semaphore>,
}

enum State {
    Up(Line),
    Down { why: String, config: bool },
}

/// Why a session ended.
struct End {
    why: String,
    config: bool,
    bound: bool,
}
fn end(why: impl Into<String>, bound: bool) -> End {
    End { why: why.into(), config: false, bound }
}

pub(super) struct Link {
    state: Mutex<State>,
    timeout: Duration,
}

impl Link {
    pub fn new(s: &Settings) -> Link {
        Link { state: Mutex::new(State::Down { why: "not connected yet".into(), config: false }), timeout: s.request_timeout.to_std() }
    }

    fn set(&self, state: State) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    /// Submits once; never again by itself.
    pub async fn submit(&self, pdu: Pdu) -> Answer {
        let line = match &*self.state.lock().unwrap_or_else(PoisonError::into_inner) {
            State::Up(line) => line.clone(),
            State::Down { why, config: true } => return Answer::Refusing(format!("the line is not bound: {why}")),
            State::Down { why, .. } => return Answer::NotSent(format!("the line is not bound: {why}")),
        };
        let Ok(Ok(permit)) = timeout(self.timeout, line.window.clone().acquire_owned()).await else {
            return Answer::NotSent("the window stayed full; nothing was written".into());
        };
        let (answer, wait) = oneshot::channel();
        let fate = Arc::new(AtomicU8::new(QUEUED));
        if line.out.send(Outgoing { pdu, fate: fate.clone(), answer, permit }).await.is_err() {
            return Answer::NotSent("the line broke before anything was written".into());
        }
        let lost = |why: &str| {
            // Still queued: withdrawn here, it cannot leave any more.
            match fate.compare_exchange(QUEUED, WITHDRAWN, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => Answer::NotSent(format!("{why}; nothing was written")),
                Err(_) => Answer::Lost(format!("{why}; it may have been taken")),
            }
        };
        match timeout(self.timeout, wait).await {
            Ok(Ok(command)) => match (command.status(), command.pdu()) {
                (CommandStatus::EsmeRok, Some(Pdu::SubmitSmResp(r))) => Answer::Taken(r.message_id().as_str().to_string()),
                (CommandStatus::EsmeRok, _) => Answer::Lost("the response holds no id".into()),
                (status, _) => Answer::Refused(status),
            },
            Ok(Err(_)) => lost("the line broke before a response"),
            Err(_) => lost("no response in time"),
        }
    }

    /// Connects and serves, again and again. Ends only by being dropped.
    pub async fn hold(&self, s: &Settings, inbox: Arc<dyn Inbox>) {
        let mut failures = 0_usize;
        loop {
            let ended = self.session(s, &inbox).await;
            tracing::warn!(account = %s.account, why = %ended.why, "the SMPP line is down");
            if ended.bound {
                failures = 0;
            }
            self.set(State::Down { why: ended.why, config: ended.config });
            let wait = s.reconnect.get(failures).or(s.reconnect.last());
            tokio::time::sleep(wait.map_or(self.timeout, |w| w.to_std())).await;
            failures = failures.saturating_add(1);
        }
    }

    async fn session(&self, s: &Settings, inbox: &Arc<dyn Inbox>) -> End {
        let stream = match timeout(self.timeout, TcpStream::connect(&s.endpoint)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(e)) => return end(format!("no connection: {e}"), false),
            Err(_) => return end("no connection in time", false),
        };
        // A delayed small packet would only cost time.
        let _ = stream.set_nodelay(true);
        let (read, mut write) = stream.into_split();
        let frames = LengthDelimitedCodec::builder().length_field_length(4).num_skip(0).max_frame_length(LONGEST_PDU).new_codec();
        let mut read = FramedRead::new(read, frames);
        let bind = match bind(s) {
            Ok(bind) => bind,
            Err(why) => return End { why, config: true, bound: false },
        };
        if let Err(why) = self.write(&mut write, Command::new(CommandStatus::EsmeRok, 1, bind)).await {
            return end(why, false);
        }
        match timeout(self.timeout, read.next()).await {
            Ok(Some(Ok(frame))) => match receipt::header(&frame) {
                Some((BIND_TRANSCEIVER_RESP, 0, _)) => {}
                Some((_, status, _)) if status != 0 => {
                    let why = format!("the bind was refused: command_status 0x{status:08X}");
                    return End { why, config: errors::bind_is_config(CommandStatus::from(status)), bound: false };
                }
                _ => return end("what answers the bind is no bind_transceiver_resp", false),
            },
            Ok(Some(Err(e))) => return end(format!("what answers the bind is no SMPP: {e}"), false),
            Ok(None) => return end("the connection was closed at the bind", false),
            Err(_) => return end("the bind was not answered in time", false),
        }
        let (out, queue) = mpsc::channel(s.window);
        self.set(State::Up(Line { out, window: Arc::new(Semaphore::new(s.window)) }));
        tracing::info!(account = %s.account, "the SMPP line is bound");
        let why = self.serve(s, inbox, &mut read, &mut write, queue).await;
        // What was written or queued learns of the end by its dropped sender.
        end(why, true)
    }

    async fn serve(
        &self,
        s: &Settings,
        inbox: &Arc<dyn Inbox>,
        read: &mut FramedRead<OwnedReadHalf, LengthDelimitedCodec>,
        write: &mut OwnedWriteHalf,
        mut queue: mpsc::Receiver<Outgoing>,
    ) -> String {
        let mut pending: BTreeMap<u32, Pending> = BTreeMap::new();
        let mut keeping: FuturesUnordered<BoxFuture<'_, (u32, bool)>> = FuturesUnordered::new();
        let mut sequence = 1_u32;
        let (mut ticks, mut asked) = (0_u32, false);
        let mut tick = tokio::time::interval(s.enquire_every.to_std());
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        tick.tick().await;
        loop {
            let send = tokio::select! {
                biased;
                frame = read.next() => {
                    let frame = match frame {
                        None => return "the SMSC closed the connection".into(),
                        Some(Err(e)) => return format!("what came is no SMPP: {e}"),
                        Some(Ok(frame)) => frame,
                    };
                    let Some((id, status, n)) = receipt::header(&frame) else { return "what came is no SMPP: a frame without a header".into() };
                    if id == DELIVER_SM {
                        // Kept as it came, whether or not it can be read.
                        let (inbox, account, raw) = (inbox.clone(), s.account.clone(), hex(&frame));
                        keeping.push(Box::pin(async move { (n, inbox.keep(&account, super::RAW, raw.as_bytes()).await) }));
                        continue;
                    }
                    let status = CommandStatus::from(status);
                    let command = receipt::decode(&frame).unwrap_or_else(|_| Command::new(status, n, Pdu::GenericNack));
                    match command.pdu() {
                        Some(Pdu::EnquireLink) => Some(Command::new(CommandStatus::EsmeRok, n, Pdu::EnquireLinkResp)),
                        Some(Pdu::EnquireLinkResp) => {
                            asked = false;
                            None
                        }
                        Some(Pdu::Unbind) => {
                            // The session is over whether or not this arrives.
                            let _ = self.write(write, Command::new(CommandStatus::EsmeRok, n, Pdu::UnbindResp)).await;
                            return "the SMSC unbound us".into();
                        }
                        // A refused submit's response may hold no body, or come as generic_nack: the sequence tells whose it is.
                        _ => match pending.remove(&n) {
                            Some(p) => {
                                // Whoever waited may have given up.
                                let _ = p.answer.send(command);
                                None
                            }
                            None => {
                                tracing::debug!(account = %s.account, id = ?command.id(), "a PDU nobody waits for");
                                None
                            }
                        },
                    }
                }
                Some((n, kept)) = keeping.next(), if !keeping.is_empty() => {
                    let status = if kept { CommandStatus::EsmeRok } else { CommandStatus::EsmeRxTAppn };
                    Some(Command::new(status, n, DeliverSmResp::default()))
                }
                outgoing = queue.recv() => {
                    let Some(o) = outgoing else { return "the line is given up".into() };
                    if o.fate.compare_exchange(QUEUED, WRITTEN, Ordering::AcqRel, Ordering::Acquire).is_err() {
                        continue;
                    }
                    sequence = if sequence >= 0x7FFF_FFFF { 1 } else { sequence + 1 };
                    pending.insert(sequence, Pending { answer: o.answer, _permit: o.permit, since: ticks });
                    Some(Command::new(CommandStatus::EsmeRok, sequence, o.pdu))
                }
                _ = tick.tick() => {
                    ticks = ticks.wrapping_add(1);
                    if asked {
                        return "enquire_link was not answered".into();
                    }
                    if pending.values().any(|p| ticks.wrapping_sub(p.since) > OLDEST) {
                        return "a submit was not answered for several enquiries".into();
                    }
                    asked = true;
                    sequence = if sequence >= 0x7FFF_FFFF { 1 } else { sequence + 1 };
                    Some(Command::new(CommandStatus::EsmeRok, sequence, Pdu::EnquireLink))
                }
            };
            if let Some(command) = send
                && let Err(why) = self.write(write, command).await
            {
                return why;
            }
        }
    }

    async fn write(&self, write: &mut OwnedWriteHalf, command: Command) -> Result<(), String> {
        let mut bytes = BytesMut::new();
        CommandCodec::new().without_max_length().encode(&command, &mut bytes).map_err(|e| format!("a PDU could not be written: {e}"))?;
        match timeout(self.timeout, write.write_all(&bytes)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(e)) => Err(format!("writing failed: {e}")),
            Err(_) => Err("the SMSC takes no more bytes".into()),
        }
    }
}

fn bind(s: &Settings) -> Result<Pdu, String> {
    let unfit = |key: &'static str| move |e| format!("{key}: {e}");
    let bind = BindTransceiver::builder()
        .system_id(COctetString::from_string(s.system_id.clone()).map_err(unfit("system_id"))?)
        .password(COctetString::from_string(s.password.reveal().to_string()).map_err(unfit("password"))?)
        .system_type(COctetString::from_string(s.system_type.clone()).map_err(unfit("system_type"))?)
        .interface_version(InterfaceVersion::from(0x34))
        .build();
    Ok(Pdu::BindTransceiver(bind))
}
