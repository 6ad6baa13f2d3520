//! Providers behind one seam: a request out, an [`Outcome`] back; callbacks in, parsed without effect.
//!
//! Every provider folder has the same shape: `settings` (its configuration), `request` (building and
//! sending), `callback` (reading receipts, replies, keys), `errors` (its codes → outcome classes) and
//! tests beside them. A provider never retries, never decides, never touches the store.

pub mod aliyun;
pub mod e164;
pub mod email;
pub mod exchange;
pub mod filing;
pub mod generic;
pub mod http;
pub mod im;
pub mod item;
pub mod limits;
pub mod long_sms;
pub mod refusal;
pub mod secret;
pub mod settings;
pub mod sign;
pub mod sms;
pub mod template;
pub mod tencent;
pub mod twilio;
pub mod voice;

pub use filing::{Day, Filing, FilingState};
pub use secret::Secret;

use crate::core::{
    digest::Group,
    line::Hours,
    phone::Phone,
    send::{Channel, Outcome},
    time::{Span, Time},
};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, sync::Arc};

/// The shell's clock as milliseconds since 1970: only for dates written into requests, never to decide.
pub type WallClock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Which message this is; templates and provider template codes are chosen by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageKind {
    /// The ask itself: answer!
    Callout,
    /// The ask again, after silence.
    Chase,
    /// The ask to a deputy in the holder's name; gathered, with a count.
    Deputy,
    /// The ask to a superior or desk to take over; gathered, with a count.
    Takeover,
    /// The new text of a warning renewed at the same or a lower level.
    Renewed,
    /// Feedback is due or overdue.
    Feedback,
    /// The warning ended, or no longer concerns this person.
    End,
    /// For information; no answer asked.
    Info,
    /// Several asks stand open on this number: which one is meant?
    Which,
    /// The answer came after the end: how it ended.
    Ended,
    /// A task that nobody claims, to the shift leader; gathered, with a count.
    Decide,
    /// People may go back; how many have returned is asked.
    Return,
    /// A test of the account (通道点名) to a number of the office's own; always marked as a drill.
    Canary,
    /// How a warning's callouts stand, to a group; never to a person.
    Digest,
}
impl MessageKind {
    /// Every kind that is said to a person.
    pub const ALL: [MessageKind; 13] = [
        MessageKind::Callout,
        MessageKind::Chase,
        MessageKind::Deputy,
        MessageKind::Takeover,
        MessageKind::Renewed,
        MessageKind::Feedback,
        MessageKind::End,
        MessageKind::Info,
        MessageKind::Which,
        MessageKind::Ended,
        MessageKind::Decide,
        MessageKind::Return,
        MessageKind::Canary,
    ];
    pub fn as_str(self) -> &'static str {
        match self {
            MessageKind::Callout => "callout",
            MessageKind::Chase => "chase",
            MessageKind::Deputy => "deputy",
            MessageKind::Takeover => "takeover",
            MessageKind::Renewed => "renewed",
            MessageKind::Feedback => "feedback",
            MessageKind::End => "end",
            MessageKind::Info => "info",
            MessageKind::Which => "which",
            MessageKind::Ended => "ended",
            MessageKind::Decide => "decide",
            MessageKind::Return => "return",
            MessageKind::Canary => "canary",
            MessageKind::Digest => "digest",
        }
    }
}

/// A rendered message. Template providers (SMS, voice) get `variables`; the text is what those
/// variables make of the approved template, kept for counting, for e-mail and for the record.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    pub kind: MessageKind,
    /// Which wording of the kind: `rainstorm.red`, `link`; empty for the one that fits all. Where a provider approves
    /// wordings, each has a code of its own.
    pub variant: String,
    pub drill: bool,
    /// In the template's own order.
    pub variables: Vec<(String, String)>,
    pub text: String,
    /// Of an e-mail, or the title of a group's digest.
    pub subject: Option<String>,
    /// E-mail only.
    pub html: Option<String>,
}

/// Where a message goes.
#[derive(Clone, Debug, PartialEq)]
pub enum Address {
    Phone(Phone),
    Email {
        name: String,
        address: String,
    },
    /// The group behind a robot; with `at_all` everybody in it is called up (@所有人).
    Group {
        at_all: bool,
    },
}

/// A robot's group: what it wants to hear, and what one message to it may hold.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupRobot {
    pub group: Group,
    /// Avoids the full and the half hour, when everybody's timers send.
    pub avoids_half_hours: bool,
    /// Bytes of text one message may hold, and one that calls everybody up.
    pub longest: usize,
    pub longest_at_all: usize,
}

/// One request to a provider.
#[derive(Clone, Debug)]
pub struct SendRequest {
    /// Ours, at most 15 base62 characters, unguessable; the provider echoes it in receipts.
    pub reference: String,
    pub to: Address,
    pub message: Message,
}

/// The durable limits a provider has for one callee number: at most `count` in any `window`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalleeLimit {
    pub count: u16,
    pub window: Span,
    /// Only in these hours of the day: `hours = "22:00-08:00"`; then `count = 0` is none at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<Hours>,
    /// Only messages that say the same are counted together.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub same_text: bool,
}
impl CalleeLimit {
    pub const fn of(count: u16, window: Span) -> CalleeLimit {
        CalleeLimit { count, window, hours: None, same_text: false }
    }
    /// Of messages that say the same.
    pub const fn alike(count: u16, window: Span) -> CalleeLimit {
        CalleeLimit { same_text: true, ..CalleeLimit::of(count, window) }
    }
}

/// What an account may do; mirrored so that we never run into the provider's own wall.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AccountLimits {
    /// Requests a second of the whole account.
    pub per_second: u32,
    /// Requests in flight at once.
    pub in_flight: u32,
    /// Voice: calls at once (lines).
    pub concurrent_calls: u32,
    pub per_callee: Vec<CalleeLimit>,
}

/// What a receipt says of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum ReceiptResult {
    /// SMS: on the handset. Never an answer.
    Delivered,
    /// SMS: still under way.
    Waiting,
    /// `number_dead`: the number is empty, suspended or invalid: evidence for the directory. `elsewhere`: this provider's own
    /// limit, route, blocklist or filter kept it back, so another's may let it through.
    Failed {
        code: String,
        detail: String,
        number_dead: bool,
        config: bool,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        elsewhere: bool,
    },
    /// A call ended. `heard`: somebody lifted the receiver (which is no answer either).
    CallEnded { code: String, detail: String, heard: bool, number_dead: bool, config: bool, rang: Rang },
}

/// Whether a call rang, as far as its provider tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rang {
    Yes,
    /// Refused by the callee or lost on the way: it goes by another account, and says nothing of this one.
    Unsure,
    /// The provider, its carrier or its limits were to blame.
    No,
}
impl Rang {
    /// `No` where the provider failed.
    pub fn unless(failed: bool) -> Rang {
        if failed { Rang::No } else { Rang::Yes }
    }
}

/// One thing a provider told us.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "item", rename_all = "snake_case")]
pub enum CallbackItem {
    Receipt {
        reference: Option<String>,
        provider_message_id: Option<String>,
        at: Option<Time>,
        result: ReceiptResult,
        keys: Option<String>,
    },
    /// A key pressed in mid-call.
    Key { reference: Option<String>, provider_message_id: Option<String>, at: Option<Time>, keys: String },
    Reply {
        phone: String,
        text: String,
        at: Option<Time>,
        extend: Option<String>,
        /// Two of one account that are the same reply, pushed twice, have the same. It begins with `id:` where the provider
        /// numbers its messages; else it is made of what was said, and when, if that is told.
        dedupe: String,
    },
}

/// What is answered to a callback, at once.
#[derive(Clone, Debug, PartialEq)]
pub struct CallbackReply {
    pub status: u16,
    pub content_type: &'static str,
    pub body: String,
}

/// A callback as it came over HTTP; its secret path was checked before.
#[derive(Clone, Copy, Debug)]
pub struct CallbackRequest<'a> {
    /// As it reached us, such as `/callbacks/ACCOUNT/SECRET?r=REFERENCE`.
    pub path_and_query: &'a str,
    /// Names in lower case.
    pub headers: &'a [(&'a str, &'a str)],
    pub body: &'a [u8],
}
impl<'a> CallbackRequest<'a> {
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.headers.iter().find(|(n, _)| *n == name).map(|(_, v)| *v)
    }
    pub fn content_type(&self) -> Option<&'a str> {
        self.header("content-type")
    }
    /// Without `?`.
    pub fn query(&self) -> Option<&'a str> {
        self.path_and_query.split_once('?').map(|(_, query)| query)
    }
}

/// What a look-up of an attempt of unknown fate found.
#[derive(Clone, Debug, PartialEq)]
pub enum Lookup {
    /// The provider has it.
    Found { provider_message_id: Option<String>, result: ReceiptResult },
    /// Not there (yet).
    NotFound,
    /// The question itself could not be answered, or this provider has no such query.
    Unanswered(String),
}

/// Where providers that hold a connection of their own hand in what comes over it.
#[async_trait]
pub trait Inbox: Send + Sync {
    /// Keeps a callback raw and durable, like those that come over HTTP. Only after `true` may it be thanked for.
    async fn keep(&self, account: &str, content_type: &str, body: &[u8]) -> bool;
}

/// One provider account on one channel.
#[async_trait]
pub trait Provider: Send + Sync {
    /// The account's name in configuration, records and metrics, such as `aliyun-sms`.
    fn account(&self) -> &str;
    fn channel(&self) -> Channel;
    fn limits(&self) -> &AccountLimits;
    /// Sends once. Never retries; a reply that does not come is `Unknown`, a connection that was
    /// refused is `Retryable`.
    async fn send(&self, request: &SendRequest) -> Outcome;
    /// How many requests [`Provider::send_batch`] takes at most; 1 where each goes alone.
    fn batch(&self) -> usize {
        1
    }
    /// Requests of one key may go together; `None`: this one goes alone.
    fn batch_key(&self, _request: &SendRequest) -> Option<String> {
        None
    }
    /// Sends several requests of one key, no address twice, and tells what came of each, in their order. Each
    /// leaves at most once, as with [`Provider::send`].
    async fn send_batch(&self, requests: &[SendRequest]) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(requests.len());
        for request in requests {
            outcomes.push(self.send(request).await);
        }
        outcomes
    }
    /// Looks up what became of a request whose reply never came. `sent` is when it left.
    async fn lookup(&self, request_reference: &str, to: &Address, sent: Time) -> Lookup;
    /// Whether [`Provider::lookup`] asks something. A question about what was never sent then tells whether the provider
    /// answers, and costs nothing.
    fn has_lookup(&self) -> bool {
        true
    }
    /// Whether it tells later what became of a message it took.
    fn reports_receipts(&self) -> bool {
        true
    }
    /// Reads a callback body. Pure; faults are told in plain words and the raw body is kept anyway.
    fn read_callback(&self, content_type: Option<&str>, body: &[u8]) -> Result<Vec<CallbackItem>, String>;
    /// What this provider wants to hear after a callback was kept (`ok`) or could not be.
    fn callback_reply(&self, ok: bool) -> CallbackReply;
    /// Checks that a callback really comes from the provider, as far as it lets us, before anything is
    /// kept. `Err` says what does not hold.
    fn check_callback(&self, _callback: &CallbackRequest<'_>) -> Result<(), String> {
        Ok(())
    }
    /// The same as [`Provider::read_callback`] where something of ours stands in the address's query.
    fn read_callback_at(&self, _query: Option<&str>, content_type: Option<&str>, body: &[u8]) -> Result<Vec<CallbackItem>, String> {
        self.read_callback(content_type, body)
    }
    /// The same as [`Provider::callback_reply`] where the answer depends on what was told.
    fn answer_callback(&self, ok: bool, _callback: &CallbackRequest<'_>) -> CallbackReply {
        self.callback_reply(ok)
    }
    /// The number that was rung, where this callback tells it beside the provider's own id.
    fn number_rung(&self, _provider_message_id: &str, _body: &[u8]) -> Option<Phone> {
        None
    }
    /// Whether its look-up goes by number and time, so that it may find another message to the same number. What it
    /// finds is ours only if it is not known as another's.
    fn lookup_guesses(&self) -> bool {
        false
    }
    /// Whether receipts name our reference. Where they do not, the engine finds the attempt by the
    /// `provider_message_id` of its acceptance.
    fn echoes_reference(&self) -> bool {
        true
    }
    /// How many SMS a message costs here, signature included; 0 where nothing is counted by them.
    fn sms_count(&self, _message: &Message) -> usize {
        0
    }
    /// Whether a text that does not fit one SMS is never sent here.
    fn refuses_long_sms(&self) -> bool {
        false
    }
    /// Whether this account may send this wording of a kind ([`Message::variant`]) `today`, or while its filing holds; where
    /// wordings are not approved one by one, any.
    fn knows_wording(&self, _kind: MessageKind, _drill: bool, _variant: &str, _today: Option<Day>) -> bool {
        true
    }
    /// Its group, where it is a group's robot.
    fn robot(&self) -> Option<&GroupRobot> {
        None
    }
    /// What had to be filed with the provider before it would send, and how that stands.
    fn filings(&self) -> Vec<Filing> {
        Vec::new()
    }
    /// Holds the account's own connection, where it has one, and hands what comes over it to `inbox`, until it is
    /// dropped. Where there is none it returns at once.
    async fn hold(&self, _inbox: Arc<dyn Inbox>) {}
    /// Checks a message against the declared variables (types, lengths) of its template, before
    /// anything is sent. The text says which variable, its length and its limit.
    fn check_message(&self, message: &Message) -> Result<(), String>;
}

/// Declared variables of a provider's approved template.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderTemplate {
    /// The provider's code, such as `SMS_123456789`.
    pub code: String,
    /// Variable name → its declared kind and longest length in characters.
    #[serde(default)]
    pub variables: BTreeMap<String, VariableRule>,
    /// Whether the provider has approved it (报备), and until when.
    #[serde(default)]
    pub filing: FilingState,
    #[serde(default)]
    pub valid_until: Option<Day>,
    /// Other wordings of the same kind that were approved, by name: `rainstorm.red`, `link` …
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variants: BTreeMap<String, ProviderTemplate>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VariableRule {
    /// `text`, `number`, `time`, or `link` where the provider has allowed a URL.
    #[serde(default = "text_kind")]
    pub kind: String,
    pub max: usize,
}
fn text_kind() -> String {
    "text".into()
}
