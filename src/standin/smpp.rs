//! The SMSC's side of an SMPP line: binds with a password, responses, receipts (text of appendix B or TLVs), replies,
//! enquiries, and faults on demand. It puts long messages together again and keeps its own count.

use futures_util::StreamExt;
use rusmpp::{
    Command, CommandStatus, Pdu,
    pdus::{BindTransceiverResp, DeliverSm, SubmitSm, SubmitSmResp},
    tlvs::{MessageDeliveryRequestTlvValue, TlvValue},
    tokio_codec::CommandCodec,
    types::{COctetString, OctetString},
    values::{DataCoding, EsmClass, MessageState},
};
use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    sync::{broadcast, mpsc},
};
use tokio_util::{
    bytes::BytesMut,
    codec::{Encoder, FramedRead},
    sync::CancellationToken,
    task::TaskTracker,
};

/// What becomes of a submit to a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Refused with this command_status.
    Status(u32),
    /// Taken, and the connection is cut before the response.
    Cut,
    /// Taken, and never answered.
    Silent,
    /// Taken, and this is the state in its receipt.
    Stat(&'static str),
}

#[derive(Clone, Debug)]
pub struct SmppSettings {
    pub system_id: String,
    pub password: String,
    /// By the number as it is written in the submit; all others are taken and delivered.
    pub fates: BTreeMap<String, Fate>,
    /// Whether receipts are told by TLVs instead of text.
    pub by_tlv: bool,
    /// What everybody writes back, if anything.
    pub reply: Option<String>,
    /// Whether enquire_link is answered.
    pub alive: bool,
}
impl Default for SmppSettings {
    fn default() -> Self {
        let key = || "testid".to_string();
        SmppSettings { system_id: key(), password: "testpw".into(), fates: BTreeMap::new(), by_tlv: false, reply: None, alive: true }
    }
}

/// One message, its parts put together.
#[derive(Clone, Debug, PartialEq)]
pub struct Taken {
    pub phone: String,
    pub text: String,
    pub parts: usize,
    /// Of the last part.
    pub id: String,
}

struct Shared {
    settings: SmppSettings,
    submits: AtomicU64,
    binds: AtomicU64,
    /// Responses to deliver_sm: (kept, refused).
    thanked: Mutex<(u64, u64)>,
    taken: Mutex<Vec<Taken>>,
    messages: broadcast::Sender<Taken>,
    cut: CancellationToken,
}

/// A running SMSC. It stops when this is dropped.
pub struct SmppHandle {
    addr: SocketAddr,
    shared: Arc<Shared>,
    tracker: TaskTracker,
}

/// Serves on `listener`.
pub async fn serve(settings: SmppSettings, listener: TcpListener) -> io::Result<SmppHandle> {
    let addr = listener.local_addr()?;
    let tracker = TaskTracker::new();
    let shared = Arc::new(Shared {
        settings,
        submits: AtomicU64::new(0),
        binds: AtomicU64::new(0),
        thanked: Mutex::default(),
        taken: Mutex::default(),
        messages: broadcast::channel(4096).0,
        cut: CancellationToken::new(),
    });
    let (accepting, sessions) = (shared.clone(), tracker.clone());
    tracker.spawn(async move {
        loop {
            let stream = tokio::select! {
                biased;
                () = accepting.cut.cancelled() => return,
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => stream,
                    Err(_) => return,
                },
            };
            let s = accepting.clone();
            sessions.spawn(async move {
                let cut = s.cut.clone();
                tokio::select! {
                    biased;
                    () = cut.cancelled() => {}
                    () = session(&s, stream) => {}
                }
            });
        }
    });
    Ok(SmppHandle { addr, shared, tracker })
}

impl SmppHandle {
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
    /// Everything taken, whole messages only.
    pub fn taken(&self) -> Vec<Taken> {
        self.shared.taken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
    /// Every message from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Taken> {
        self.shared.messages.subscribe()
    }
    /// submit_sm PDUs, accepted binds, deliver_sm that were thanked for, and refused.
    pub fn counts(&self) -> (u64, u64, u64, u64) {
        let read = |c: &AtomicU64| c.load(Ordering::Relaxed);
        let thanked = *self.shared.thanked.lock().unwrap_or_else(PoisonError::into_inner);
        (read(&self.shared.submits), read(&self.shared.binds), thanked.0, thanked.1)
    }
    /// Cuts all connections and waits for their end.
    pub async fn stop(self) {
        self.shared.cut.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}
impl Drop for SmppHandle {
    fn drop(&mut self) {
        self.shared.cut.cancel();
    }
}

fn text(s: &str) -> COctetString<1, 65> {
    COctetString::from_string(s.to_string()).unwrap_or_default()
}

async fn session(s: &Shared, stream: TcpStream) {
    let (read, mut write) = stream.into_split();
    let mut read = FramedRead::new(read, CommandCodec::new().with_max_length(70_000));
    let (tx, mut own) = mpsc::unbounded_channel::<Pdu>();
    let mut bound = false;
    let mut sequence = 0_u32;
    let mut parts: BTreeMap<(String, u8), BTreeMap<u8, String>> = BTreeMap::new();
    loop {
        let send = tokio::select! {
            biased;
            command = read.next() => {
                let Some(Ok(command)) = command else { return };
                let n = command.sequence_number();
                let answer = |status, pdu: Pdu| Some(Command::new(status, n, pdu));
                match command.pdu() {
                    Some(Pdu::BindTransceiver(b)) => {
                        let status = if b.system_id.as_str() != s.settings.system_id {
                            CommandStatus::EsmeRinvsysid
                        } else if b.password.as_str() != s.settings.password {
                            CommandStatus::EsmeRinvpaswd
                        } else {
                            bound = true;
                            s.binds.fetch_add(1, Ordering::Relaxed);
                            CommandStatus::EsmeRok
                        };
                        answer(status, Pdu::BindTransceiverResp(BindTransceiverResp::default()))
                    }
                    Some(Pdu::EnquireLink) if s.settings.alive => answer(CommandStatus::EsmeRok, Pdu::EnquireLinkResp),
                    Some(Pdu::SubmitSm(_)) if !bound => answer(CommandStatus::EsmeRinvbndsts, Pdu::SubmitSmResp(SubmitSmResp::default())),
                    Some(Pdu::SubmitSm(m)) => match submit(s, m, &mut parts, &tx) {
                        Submitted::Answer(status, id) => {
                            answer(status, Pdu::SubmitSmResp(SubmitSmResp::builder().message_id(text(&id)).build()))
                        }
                        Submitted::Cut => return,
                        Submitted::Silent => None,
                    },
                    Some(Pdu::DeliverSmResp(_)) => {
                        let mut thanked = s.thanked.lock().unwrap_or_else(PoisonError::into_inner);
                        if command.status() == CommandStatus::EsmeRok { thanked.0 += 1 } else { thanked.1 += 1 }
                        None
                    }
                    _ => None,
                }
            }
            Some(pdu) = own.recv() => {
                sequence += 1;
                Some(Command::new(CommandStatus::EsmeRok, sequence, pdu))
            }
        };
        let Some(command) = send else { continue };
        let mut bytes = BytesMut::new();
        if CommandCodec::new().without_max_length().encode(&command, &mut bytes).is_err() || write.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

enum Submitted {
    Answer(CommandStatus, String),
    Cut,
    Silent,
}

fn submit(
    s: &Shared,
    m: &SubmitSm,
    parts: &mut BTreeMap<(String, u8), BTreeMap<u8, String>>,
    tell: &mpsc::UnboundedSender<Pdu>,
) -> Submitted {
    let n = s.submits.fetch_add(1, Ordering::Relaxed) + 1;
    let phone = m.destination_addr.as_str().to_string();
    let fate = s.settings.fates.get(&phone).copied();
    if let Some(Fate::Status(code)) = fate {
        return Submitted::Answer(CommandStatus::from(code), String::new());
    }
    let id = format!("{:08x}", 0xA000_0000_u64 + n);
    let payload = m.tlvs().iter().find_map(|t| match t.value() {
        Some(TlvValue::MessagePayload(p)) => Some(p.value.clone().into_vec()),
        _ => None,
    });
    let body = payload.unwrap_or_else(|| m.short_message().clone().into_vec());
    let wide = |b: &[u8]| {
        let units: Vec<u16> = b.chunks_exact(2).map(|p| p.iter().fold(0, |n, b| (n << 8) | u16::from(*b))).collect();
        String::from_utf16_lossy(&units)
    };
    let whole = match body.as_slice() {
        // Concatenated short messages, 8-bit reference: 05 00 03 REFERENCE TOTAL NUMBER.
        [5, 0, 3, reference, total, number, rest @ ..] if u8::from(m.esm_class) & 0x40 != 0 => {
            let all = parts.entry((phone.clone(), *reference)).or_default();
            all.insert(*number, wide(rest));
            (all.len() == usize::from(*total)).then(|| (all.values().cloned().collect::<String>(), all.len()))
        }
        plain => Some((wide(plain), 1)),
    };
    if let Some((text, count)) = whole {
        let taken = Taken { phone: phone.clone(), text, parts: count, id: id.clone() };
        s.taken.lock().unwrap_or_else(PoisonError::into_inner).push(taken.clone());
        // Nobody listening is no fault.
        let _ = s.messages.send(taken);
    }
    if fate == Some(Fate::Cut) {
        return Submitted::Cut;
    }
    if fate == Some(Fate::Silent) {
        return Submitted::Silent;
    }
    // A session that ended hears no receipts.
    if u8::from(m.registered_delivery) & 3 == 1 {
        let _ = tell.send(Pdu::DeliverSm(receipt(s, &phone, &id, fate)));
    }
    if let Some(reply) = &s.settings.reply {
        let units: Vec<u8> = reply.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let up =
            from(&phone, EsmClass::from(0)).data_coding(DataCoding::Ucs2).short_message(OctetString::from_vec(units).unwrap_or_default());
        let _ = tell.send(Pdu::DeliverSm(up.build()));
    }
    Submitted::Answer(CommandStatus::EsmeRok, id)
}

fn from(phone: &str, class: EsmClass) -> rusmpp::pdus::builders::DeliverSmBuilder {
    let address = |a: &str| COctetString::from_string(a.to_string()).unwrap_or_default();
    DeliverSm::builder().source_addr(address(phone)).destination_addr(address("10690000001")).esm_class(class)
}

fn receipt(s: &Shared, phone: &str, id: &str, fate: Option<Fate>) -> DeliverSm {
    let class = EsmClass::from(4);
    if s.settings.by_tlv {
        return from(phone, class)
            .push_tlv(MessageDeliveryRequestTlvValue::ReceiptedMessageId(text(id)))
            .push_tlv(MessageDeliveryRequestTlvValue::MessageState(MessageState::from(2)))
            .build();
    }
    let stat = if let Some(Fate::Stat(stat)) = fate { stat } else { "DELIVRD" };
    let body = format!("id:{id} sub:001 dlvrd:001 submit date:2607210610 done date:2607210611 stat:{stat} err:000 text:");
    from(phone, class).short_message(OctetString::from_string(body).unwrap_or_default()).build()
}
