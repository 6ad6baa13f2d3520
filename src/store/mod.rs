//! The store: one narrow promise, kept by several engines (`memory`, `sqlite`, `redis`).
//!
//! * Everything durable is a [`Record`] under a [`Key`]. A record's [`Head`] is the tip of its own
//!   hash chain; a [`Commit`] names the head it decided on and is applied whole or not at all.
//! * A record that is not finished has a `due`. [`Store::claim`] leases what is due; a lease saves
//!   work twice done, correctness rests on the head alone.
//! * A commit may address other records: [`Envelope`]s are put into their inbox in the same atomic
//!   step, at least once, in order between two records, and make the addressee claimable at once.
//! * Time is the store's: [`Store::now`] never goes back, whichever gateway asks.
//!
//! What a store never does: decide anything about warnings or people.

pub mod archive;
pub mod clock;
pub mod journal;
pub mod memory;
pub mod redis;
pub mod sqlite;
pub mod transfer;

pub use crate::core::callout::state::CalloutState;
use crate::core::{
    directory::Tier,
    division::Division,
    hazard::Level,
    ids::{CalloutId, WarningId},
    phone::Phone,
    time::{Span, Time},
};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, fmt};

/// What a record is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Key {
    Warning(WarningId),
    Callout(CalloutId),
    /// One telephone number over all warnings: calls in flight, asks, digits, quotas.
    Line(Phone),
    /// A place's answers within one warning, where the answer rule is not `each`.
    Place(WarningId, String),
    /// A provider's callback, kept raw until it is worked through.
    Callback(u64),
    /// A subscriber, an account's breaker … anything the engine keeps under a name.
    Named(String),
}
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Key::Warning(w) => write!(f, "{w}"),
            Key::Callout(c) => write!(f, "{c}"),
            Key::Line(p) => write!(f, "line {p}"),
            Key::Place(w, p) => write!(f, "place {w} {p}"),
            Key::Callback(n) => write!(f, "callback {n}"),
            Key::Named(n) => write!(f, "named {n}"),
        }
    }
}

/// The tip of a record's hash chain: `SHA-256(previous head ‖ journal entries)`, first 16 bytes.
/// It identifies the state it was reached by, so it also serves as the version to compare.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Head(pub [u8; 16]);
impl Head {
    /// The head before the first commit.
    pub const NONE: Head = Head([0; 16]);
    /// The head after `entries` were appended.
    pub fn after(self, entries: &[u8]) -> Head {
        let mut h = Sha256::new();
        h.update(self.0);
        h.update(entries);
        let digest = h.finalize();
        let mut out = [0u8; 16];
        out.copy_from_slice(&digest[..16]);
        Head(out)
    }
}
impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..4].iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

/// Priority of due work: smaller is claimed first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Lane(pub u8);
impl Lane {
    /// Callbacks, answers, ends: always first.
    pub const URGENT: Lane = Lane(0);
    pub const fn of(level: Level, drill: bool) -> Lane {
        match (drill, level) {
            (true, _) => Lane(6),
            (_, Level::Red) => Lane(1),
            (_, Level::Orange | Level::Unknown) => Lane(2),
            (_, Level::Yellow) => Lane(3),
            (_, Level::Blue) => Lane(4),
        }
    }
    /// Turning plans into rows: behind the sends it feeds.
    pub const PLANNING: Lane = Lane(5);
    pub const COUNT: u8 = 7;
}

/// A stored state.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    pub key: Key,
    pub head: Head,
    /// When it must next be looked at; `None` only when it is finished.
    pub due: Option<Time>,
    pub lane: Lane,
    /// JSON.
    pub body: Vec<u8>,
}

/// The most letters one [`Claim`] carries.
pub const MAX_LETTERS: usize = 1000;

/// One message waiting in a record's inbox. Consumed by naming its `seq` in a commit on the addressee.
#[derive(Clone, Debug, PartialEq)]
pub struct Letter {
    pub seq: u64,
    /// JSON.
    pub body: Vec<u8>,
}

/// A message from one record to another.
#[derive(Clone, Debug, PartialEq)]
pub struct Envelope {
    pub to: Key,
    /// The lane the addressee is claimed in because of it.
    pub lane: Lane,
    /// Not handed over before this (`Time(0)`: at once).
    pub not_before: Time,
    pub body: Vec<u8>,
}

/// A unit of due work, leased to the caller.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    pub key: Key,
    /// `None` where a letter opens a record that does not exist yet.
    pub record: Option<Record>,
    pub inbox: Vec<Letter>,
    /// Random; named by [`Store::release`].
    pub nonce: u64,
}

/// The countable face of a callout, kept beside its body so that tallies and lists need not read
/// bodies. Rates, medians and groups are computed from these columns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Face {
    pub state: CalloutState,
    /// A person only told: outside `expected`, counted in `told`.
    pub told_only: bool,
    /// `closed_reason` where closed.
    pub closed_reason: Option<String>,
    pub division: Division,
    /// The first post's place id (a point's code or the 12 digits).
    pub place: String,
    pub tier: Tier,
    pub role: String,
    pub recipient: u32,
    /// Acceptance of the warning to answer, milliseconds.
    pub answer_ms: Option<i64>,
    pub on_time: bool,
    pub via: Option<String>,
    pub relation: Option<String>,
    /// A first feedback is owed and has not come.
    pub feedback_owed: bool,
    /// Every place of its posts, for `places`, `places_covered`, `places_silent`.
    pub places: Vec<String>,
}

/// A task as lists show it; the truth stands in the record that owns it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskRow {
    /// `t-w12-345-1` for a callout's first task, `t-w12-1` for a warning's.
    pub id: String,
    /// `call | read | decide`.
    pub kind: String,
    pub title: String,
    pub warning: Option<WarningId>,
    pub callout: Option<CalloutId>,
    /// Where the duty room that must act sits.
    pub division: Option<Division>,
    pub opened_at: Time,
    pub due_at: Time,
    pub claimed_by: Option<String>,
    pub claimed_at: Option<Time>,
    /// `None` while open; else how it ended.
    pub closed: Option<String>,
    pub note: Option<String>,
}

/// One live event for subscribers of `/api/v1/events`, told in the same commit as what happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FeedItem {
    /// `callout.answered`, `warning.accepted`, `task.opened` …
    pub kind: String,
    pub warning: Option<WarningId>,
    pub callout: Option<CalloutId>,
    pub at: Time,
    /// The public JSON of the event.
    pub data: serde_json::Value,
}

/// An identity to be kept: (issuer, sender, identifier) → warning and digest of its content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    pub issuer: String,
    pub sender: String,
    pub identifier: String,
    /// SHA-256 of the parsed content, hex.
    pub digest: String,
    pub warning: WarningId,
}

/// One atomic change.
#[derive(Clone, Debug)]
pub struct Commit {
    pub key: Key,
    /// The head this was decided on; [`Head::NONE`] for a record that must not exist yet.
    pub expect: Head,
    /// `expect.after(&journal)`.
    pub head: Head,
    pub due: Option<Time>,
    pub lane: Lane,
    pub body: Vec<u8>,
    /// JSON array of what happened, appended to the record's journal. Never empty.
    pub journal: Vec<u8>,
    pub at: Time,
    /// Letters of its own inbox that this commit consumes.
    pub consumed: Vec<u64>,
    pub send: Vec<Envelope>,
    /// The new face of a callout.
    pub face: Option<Face>,
    /// Tasks to insert or replace by id.
    pub tasks: Vec<TaskRow>,
    pub feed: Vec<FeedItem>,
    /// Kept with a new warning; a second commit of the same identity fails with `IdentityTaken`.
    pub identity: Option<Identity>,
    /// Named blobs kept with the record, written once (plan chunks, raw bodies).
    pub blobs: Vec<(String, Vec<u8>)>,
}
impl Commit {
    /// A commit with nothing but the state; fill in what else it carries.
    pub fn new(key: Key, expect: Head, body: Vec<u8>, journal: Vec<u8>, due: Option<Time>, lane: Lane, at: Time) -> Commit {
        let head = expect.after(&journal);
        Commit {
            key,
            expect,
            head,
            due,
            lane,
            body,
            journal,
            at,
            consumed: Vec::new(),
            send: Vec::new(),
            face: None,
            tasks: Vec::new(),
            feed: Vec::new(),
            identity: None,
            blobs: Vec::new(),
        }
    }
}

/// What became of one commit of a batch. The others of the batch are not affected by it.
#[derive(Clone, Debug, PartialEq)]
pub enum Committed {
    /// Durable. Also the answer where the very same commit had been applied before.
    Done,
    /// Somebody else was first: load, decide again.
    Conflict,
    /// The identity stands already, for this warning with this content digest.
    IdentityTaken(Identity),
    /// It may have been applied or not: the very same commit again tells. Only beside others that are known; a batch of
    /// which nothing is known is an error.
    Unknown(String),
}
impl Committed {
    /// For who goes on only where all of a batch is known.
    ///
    /// # Errors
    /// `Unavailable` where what became of one is not.
    pub fn all_known(results: Vec<Committed>) -> Result<Vec<Committed>, StoreError> {
        match results.iter().find_map(|r| if let Committed::Unknown(why) = r { Some(why.clone()) } else { None }) {
            Some(why) => Err(StoreError::Unavailable(why)),
            None => Ok(results),
        }
    }
}

/// The lane of the writer a batch goes through: intake and answers overtake fan-out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WriteLane {
    /// Intake, answers, receipts, officers' acts.
    Urgent,
    Red,
    Rest,
    Planning,
}

#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// Nothing was made durable; the caller may try again.
    #[error("the store cannot make this durable now: {0}")]
    Unavailable(String),
    /// One process owns this store's file, and it is another one.
    #[error("{0}")]
    InUse(String),
    #[error("the store holds what cannot be read: {0}")]
    Corrupt(String),
    /// Another gateway, of a newer version, must do it: what this one would write back had lost something.
    #[error("left to a gateway of a newer version: {0}")]
    Newer(String),
}

/// A document outside any callout: directory rows, accounts, settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Doc {
    pub id: String,
    /// JSON.
    pub body: Vec<u8>,
}

/// The one seam towards durable state. See the module's head for the promise.
#[async_trait]
pub trait Store: Send + Sync {
    /// The engine's time: monotonic, shared by all gateways of this store.
    fn now(&self) -> Time;

    /// Whether several gateways may use it at once.
    fn shared(&self) -> bool {
        false
    }

    /// A number never given before: warnings, callbacks.
    async fn next_number(&self, sequence: &str) -> Result<u64, StoreError>;

    /// Applies each commit by itself, atomically and durably; answers in the same order. A commit
    /// whose `head` is already the record's head answers `Done` and changes nothing. Where the store is in several
    /// places, what one of them did is answered although another one is away: see [`Committed::Unknown`].
    async fn commit(&self, lane: WriteLane, batch: Vec<Commit>) -> Result<Vec<Committed>, StoreError>;

    async fn load(&self, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError>;

    /// The same, each by itself and in the same order, for who goes on with what is there: where the store is in several
    /// places, one that is away holds up its own records alone, and is not waited for long where others have answered.
    async fn load_each(&self, keys: &[Key]) -> Vec<Result<Option<Record>, StoreError>> {
        match self.load(keys).await {
            Ok(all) => all.into_iter().map(Ok).collect(),
            Err(e) => keys.iter().map(|_| Err(e.clone())).collect(),
        }
    }

    /// Leases up to `limit` records that are due at `now()` or have letters that are, best lane first,
    /// then earliest. A leased record is not handed out again before `lease` has passed, it was
    /// released, or it was committed (then by its new `due`). A claim carries at most
    /// [`MAX_LETTERS`], oldest first; what is left makes the record claimable again at once.
    async fn claim(&self, limit: usize, lease: Span) -> Result<Vec<Claim>, StoreError>;

    /// Gives claims back unworked: they are due again at `until`, or as soon as there is a letter that was
    /// not there when they were handed out.
    /// A claim that has lapsed or was committed meanwhile is left as it is.
    async fn release(&self, claims: &[(Key, u64)], until: Time) -> Result<(), StoreError>;

    /// When the next unleased record is due or the next lease ends, whichever is first; `None` when
    /// nothing waits. For the timekeeper's sleep.
    async fn next_due(&self) -> Result<Option<Time>, StoreError>;

    /// Resolves when something may have become due earlier than [`Store::next_due`] last said. For
    /// one waiter; what happens between the two calls is not lost.
    async fn changed(&self);

    async fn blob(&self, key: &Key, name: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Identities with this (sender, identifier) or identifier alone, whatever the issuer.
    async fn identities(&self, identifier: &str) -> Result<Vec<Identity>, StoreError>;

    /// All documents of a kind, by id.
    async fn docs(&self, kind: &str) -> Result<(u64, Vec<Doc>), StoreError>;

    /// The version of a kind's documents: what [`Store::docs`] answers beside them. Cheap: asked every second.
    async fn docs_version(&self, kind: &str) -> Result<u64, StoreError>;

    /// Replaces documents of a kind, whole or not at all, if its version still is `expect`.
    /// `upsert` and `delete` are by id. Answers the new version, or `None` on a mismatch.
    async fn docs_apply(&self, kind: &str, expect: u64, upsert: Vec<Doc>, delete: Vec<String>) -> Result<Option<u64>, StoreError>;
}

/// A journal row: what one commit appended.
#[derive(Clone, Debug, PartialEq)]
pub struct JournalRow {
    pub key: Key,
    /// 1 for the record's first commit.
    pub n: u64,
    pub at: Time,
    pub head: Head,
    /// JSON array.
    pub entries: Vec<u8>,
}

/// Which callouts a list wants.
#[derive(Clone, Debug, Default)]
pub struct CalloutFilter {
    pub state: Option<CalloutState>,
    /// Inside this division.
    pub division: Option<Division>,
    pub tier: Option<Tier>,
    /// Open ones only.
    pub open: bool,
    /// With these recipients only (a person's open callouts over all warnings).
    pub recipients: Option<Vec<u32>>,
}

/// Counts of faces, grouped; the raw material of a tally.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FaceCounts {
    pub by_state: BTreeMap<CalloutState, u64>,
    pub told: u64,
    pub feedback_owed: u64,
}

impl FaceCounts {
    /// Counts a face in (`true`) or out. A state with nobody in it has no entry, so that counts that
    /// were kept and counts that were made anew are equal when they agree.
    pub fn count(&mut self, face: &Face, into: bool) {
        let step = |n: &mut u64| *n = if into { *n + 1 } else { n.saturating_sub(1) };
        if face.told_only {
            return step(&mut self.told);
        }
        let n = self.by_state.entry(face.state).or_default();
        step(n);
        if *n == 0 {
            self.by_state.remove(&face.state);
        }
        if face.feedback_owed {
            step(&mut self.feedback_owed);
        }
    }
}

/// What is in force of what a store promises to keep, for operators and for the duty room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Durability {
    /// One line of English, without addresses or paths.
    pub said: String,
    /// The same in Chinese.
    pub said_zh: String,
    /// Something of what was promised is not in force; `said` says what.
    pub lacking: bool,
}
impl Durability {
    pub fn new(said: impl Into<String>, said_zh: impl Into<String>) -> Durability {
        Durability { said: said.into(), said_zh: said_zh.into(), lacking: false }
    }
}

/// The read side. Never changes anything; may lag behind commits by what is in flight, never more.
#[async_trait]
pub trait Reports: Send + Sync {
    /// What is really in force now when a commit is answered `Done`.
    fn durability(&self) -> Durability {
        Durability::new("not said by this store", "未说明")
    }
    /// Warnings newest first, from before `cursor` (exclusive) on.
    async fn warnings(&self, cursor: Option<WarningId>, limit: usize) -> Result<Vec<Record>, StoreError>;
    /// Callouts of a warning (or of all, for a person's open ones) by id, from after `cursor` on.
    async fn callouts(
        &self,
        warning: Option<WarningId>,
        filter: &CalloutFilter,
        cursor: Option<CalloutId>,
        limit: usize,
    ) -> Result<Vec<(Record, Face)>, StoreError>;
    /// Every face of a warning, ordered by id: what tallies by any group are computed from.
    async fn faces(&self, warning: WarningId) -> Result<Vec<(CalloutId, Face)>, StoreError>;
    /// Kept counts of a warning, changed by each commit (not counted when asked).
    async fn counts(&self, warning: WarningId) -> Result<FaceCounts, StoreError>;
    /// The same, counted anew from the rows: the second, independent way (conservation).
    async fn recount(&self, warning: WarningId) -> Result<FaceCounts, StoreError>;
    async fn journal(&self, key: &Key) -> Result<Vec<JournalRow>, StoreError>;
    /// Open tasks first by `due_at`; closed ones only when asked.
    async fn tasks(&self, warning: Option<WarningId>, open_only: bool, limit: usize) -> Result<Vec<TaskRow>, StoreError>;
    async fn task(&self, id: &str) -> Result<Option<TaskRow>, StoreError>;
    /// Feed items after `seq`, oldest first, with their sequence numbers.
    async fn feed_after(&self, seq: u64, limit: usize) -> Result<Vec<(u64, FeedItem)>, StoreError>;
    /// The newest feed sequence number.
    async fn feed_tip(&self) -> Result<u64, StoreError>;
    /// Records that have no `due` although they are open: must be empty (law 1).
    async fn without_clock(&self) -> Result<Vec<Key>, StoreError>;
    /// How many letters wait, by lane.
    async fn queue_depth(&self) -> Result<Vec<(Lane, u64)>, StoreError>;
}
