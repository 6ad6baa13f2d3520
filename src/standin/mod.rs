//! The other side of the wire: a stand-in that speaks the providers' own HTTP and SMTP, checks their
//! signatures, keeps its own count of what it accepted, and pushes receipts, replies and keypresses
//! back as they do.
//!
//! It plays the outside world for the demo, for tests and for the benchmark, so it may be slow, lose
//! replies, tell things twice, and has people who answer, press the wrong key or stay silent. Every
//! random choice is a hash of (seed, phone, n): the same run again is the same run.
//!
//! * [`settings`]: what it is told; [`chance`]: dice; [`people`]: what a simulated person does.
//! * `server`, `listener`: HTTP in; `sms`, `voice`: Aliyun's two products; `nonces`, `capture`, `dice`.
//! * `tencent`, `huawei`, `twilio`: the other vendors at the same address, each told by its path or headers;
//!   `taking`: what becomes of what they took; `courier`: their callbacks out.
//! * `robots`: the group robots of DingTalk, WeCom and Feishu.
//! * `carrier`: three carriers that the files of `config/providers` describe.
//! * [`ledger`]: the independent count; [`push`]: callbacks out.
//! * [`smtp`], [`mail`]: the mail sink; [`smpp`]: a carrier's SMSC.

mod capture;
mod carrier;
pub mod chance;
mod courier;
mod dice;
mod huawei;
pub mod ledger;
mod listener;
pub mod mail;
mod nonces;
pub mod people;
pub mod push;
mod robots;
mod server;
pub mod settings;
pub mod smpp;
mod sms;
pub mod smtp;
mod taking;
mod tencent;
mod twilio;
mod twiml;
mod voice;

pub use robots::GroupMessage;
pub use settings::{Behaviour, Carrier, Huawei, People, Receipts, Robots, StandinSettings, Tencent, Twilio};

use crate::channel::{WallClock, http, sign::aliyun_acs3::Key};
use crate::core::{send::Channel, time::Span};
use ledger::Ledger;
use push::{Kind, Pusher};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{net::TcpListener, sync::broadcast};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// A message or call the stand-in accepted, as the simulated world sees it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SentMessage {
    pub channel: Channel,
    pub phone: String,
    pub out_id: String,
    /// Template or StartCode.
    pub template: String,
    pub variables: BTreeMap<String, String>,
    /// The template's text with the variables put in, when the stand-in was told the text.
    pub text: Option<String>,
    /// BizId or CallId.
    pub provider_message_id: String,
    /// Milliseconds since 1970.
    pub at: i64,
}

/// What all parts of one stand-in share.
pub(crate) struct Shared {
    pub settings: StandinSettings,
    pub key: Key,
    pub now: WallClock,
    pub ledger: Ledger,
    pub nonces: nonces::Nonces,
    pub pusher: Pusher,
    pub courier: courier::Courier,
    pub groups: robots::Groups,
    pub capture: Option<capture::Capture>,
    pub tallies: Tallies,
    /// Whether anybody listens; spares the parsing of variables when nobody does.
    pub watched: AtomicBool,
    pub messages: broadcast::Sender<SentMessage>,
}

/// Plain counters of everything that is not an acceptance.
#[derive(Default)]
pub(crate) struct Tallies {
    pub requests: AtomicU64,
    pub bad_signature: AtomicU64,
    pub refused: AtomicU64,
    pub errors: AtomicU64,
    pub limited: AtomicU64,
    pub lost_taken: AtomicU64,
    pub lost_dropped: AtomicU64,
    pub rejected: AtomicU64,
    pub replies: AtomicU64,
    pub keys: AtomicU64,
}

impl Shared {
    /// A delay of the simulated world in real time.
    pub fn scaled(&self, span: Span) -> Duration {
        self.settings.scaled(span)
    }
    pub fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
    /// Whether a message's variables are of use to anybody.
    pub fn wants_variables(&self) -> bool {
        self.watched.load(Ordering::Relaxed) || self.settings.people.react() || !self.settings.templates.is_empty()
    }
    pub fn tell(&self, message: SentMessage) {
        // Nobody listening any more is no fault.
        let _ = self.messages.send(message);
    }
}

/// A running stand-in. It stops when this is dropped.
pub struct StandinHandle {
    addr: SocketAddr,
    shared: Arc<Shared>,
    cancel: CancellationToken,
    tracker: TaskTracker,
}

/// Starts a stand-in for the HTTP of Aliyun, Tencent, Huawei, Twilio and the robots on `listener`. `now` gives milliseconds since 1970:
/// it judges the times in requests and dates receipts.
pub async fn serve(settings: StandinSettings, listener: TcpListener, now: WallClock) -> io::Result<StandinHandle> {
    let addr = listener.local_addr()?;
    let faults = settings.faults();
    if !faults.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, faults.join("; ")));
    }
    let client = http::client(&Default::default()).map_err(io::Error::other)?;
    let cancel = CancellationToken::new();
    let tracker = TaskTracker::new();
    let capture = match &settings.capture {
        Some(dir) => Some(capture::Capture::open(dir, settings.capture_limit)?),
        None => None,
    };
    let courier = courier::Courier::new(client.clone(), &tracker, cancel.clone());
    let pusher = Pusher::start(&settings, client, &tracker, cancel.clone());
    let shared = Arc::new(Shared {
        key: Key::new(settings.access_key_secret.reveal()),
        now,
        ledger: Ledger::new(),
        nonces: nonces::Nonces::default(),
        pusher,
        courier,
        groups: robots::Groups::default(),
        capture,
        tallies: Tallies::default(),
        watched: AtomicBool::new(false),
        messages: broadcast::channel(65_536).0,
        settings,
    });
    let serving = server::run(shared.clone(), listener, cancel.clone());
    tracker.spawn(serving);
    Ok(StandinHandle { addr, shared, cancel, tracker })
}

impl StandinHandle {
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
    /// `http://127.0.0.1:8100`: what a provider's `endpoint` is set to.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }
    /// Every message and call accepted from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<SentMessage> {
        let receiver = self.shared.messages.subscribe();
        self.shared.watched.store(true, Ordering::Relaxed);
        receiver
    }
    /// Where receipts are pushed: whole URLs ending in `/callbacks/{account}/{secret}`.
    pub fn set_callbacks(&self, sms: Option<String>, voice: Option<String>) {
        self.shared.pusher.set_targets(sms, voice);
    }
    /// The stand-in's own count, as `GET /_standin/counts` shows it.
    pub fn counts(&self) -> serde_json::Value {
        server::counts(&self.shared)
    }
    /// What the three groups were told, oldest first.
    pub fn groups(&self) -> Vec<GroupMessage> {
        self.shared.groups.told()
    }
    /// Everything accepted, oldest first for each number.
    pub fn sent(&self) -> Vec<ledger::Sent> {
        self.shared.ledger.sent()
    }

    /// Scripted: somebody sends a text message to our number, now.
    pub fn push_reply(&self, phone: &str, text: &str) {
        Shared::count(&self.shared.tallies.replies);
        let now = (self.shared.now)();
        let id = self.shared.ledger.next_id();
        self.shared.pusher.push(Kind::Reply, Duration::ZERO, push::reply_item(phone, text, id, now));
    }
    /// Scripted: the receipt of a message; `err_code` is `DELIVERED` or why it failed.
    pub fn push_receipt(&self, message: &SentMessage, err_code: &str) {
        let now = (self.shared.now)();
        let item = push::receipt_item(&message.phone, &message.out_id, &message.provider_message_id, err_code, message.at, now);
        self.shared.pusher.push(Kind::Receipt, Duration::ZERO, item);
    }
    /// Scripted: a key pressed in mid-call.
    pub fn push_key(&self, call: &SentMessage, key: &str) {
        Shared::count(&self.shared.tallies.keys);
        let item = push::key_item(&call.out_id, &call.provider_message_id, key, (self.shared.now)());
        self.shared.pusher.push(Kind::MidCall, Duration::ZERO, item);
    }
    /// Scripted: a call ended with this status code; `keys` as the final report repeats them.
    pub fn push_call_ended(&self, call: &SentMessage, status_code: &str, keys: &str) {
        let now = (self.shared.now)();
        let item = push::call_item(&call.phone, &call.out_id, &call.provider_message_id, status_code, keys, call.at, now);
        self.shared.pusher.push(Kind::CallEnded, Duration::ZERO, item);
    }

    /// Stops listening, cuts what is under way, and waits for the tasks to end.
    pub async fn stop(self) {
        self.cancel.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}
impl Drop for StandinHandle {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}
