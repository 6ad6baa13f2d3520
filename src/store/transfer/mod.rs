//! Moving what a store holds into another: the seam beneath `jiaoying migrate` and the archive.
//!
//! Not part of the promise that the engine works with: nothing here is claimed or decided. An
//! [`Export`] hands over everything in [`Piece`]s, an [`Import`] takes them in as they stood (heads,
//! times and order included), a [`Census`] counts both sides, checks every record's chain and adds
//! up digests, and [`mover`] puts it together.

mod census;
pub mod mover;

pub use census::{Census, Kind};

use super::{Doc, Face, FaceCounts, FeedItem, Identity, JournalRow, Key, Lane, Record, StoreError, TaskRow};
use crate::core::{ids::WarningId, time::Time};
use async_trait::async_trait;
use tokio::sync::mpsc;

/// Documents of this kind are keys drawn at a gateway's first start. A store that holds nothing else is
/// empty: nothing was ever signed by them.
pub const KEYS: &str = "secret";
/// Documents of this kind say which gateways live; they are nothing by themselves either.
pub const GATEWAYS: &str = "gateway";

/// What is exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    Everything,
    /// One warning's record, callouts, places, blobs, tasks, counts. Its identities stay where they are.
    Warning(WarningId),
}

/// A letter as it waits. Its number is the store's own; its place in the inbox is what counts.
#[derive(Clone, Debug, PartialEq)]
pub struct Waiting {
    pub lane: Lane,
    /// Not handed over before this.
    pub ready: Time,
    pub body: Vec<u8>,
}

/// Everything that stands under a key but its blobs.
#[derive(Clone, Debug, PartialEq)]
pub struct Entity {
    pub key: Key,
    /// `None` where only letters wait for a record that is not there yet.
    pub record: Option<Record>,
    pub face: Option<Face>,
    /// All rows, oldest first.
    pub journal: Vec<JournalRow>,
    /// Oldest first.
    pub inbox: Vec<Waiting>,
}

/// A part of what a store holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    Entity(Box<Entity>),
    /// Comes after its record.
    Blob {
        key: Key,
        name: String,
        body: Vec<u8>,
    },
    /// The kept counts of a warning: checked, and made anew where they are taken in.
    Counts(WarningId, FaceCounts),
    Task(TaskRow),
    Identity(Identity),
    /// A kind of documents with its version; comes before the documents.
    DocKind(String, u64),
    Doc(String, Doc),
    /// The last number given of a sequence.
    Sequence(String, u64),
    /// In order of their numbers.
    Feed(u64, FeedItem),
    /// The newest feed number.
    FeedTip(u64),
    /// The highest engine time the store has seen.
    Floor(Time),
}
impl Piece {
    /// About how many bytes it holds.
    pub fn weight(&self) -> usize {
        match self {
            Piece::Entity(e) => {
                let journal: usize = e.journal.iter().map(|r| r.entries.len() + 60).sum();
                let inbox: usize = e.inbox.iter().map(|l| l.body.len() + 40).sum();
                200 + e.record.as_ref().map_or(0, |r| r.body.len()) + journal + inbox
            }
            Piece::Blob { body, .. } => 80 + body.len(),
            Piece::Doc(_, doc) => 80 + doc.body.len(),
            _ => 300,
        }
    }
}

/// Pieces handed over at once weigh about this much, or are so many.
const BATCH_BYTES: usize = 1 << 20;
const BATCH: usize = 500;
/// Batches under way between the two sides.
const AHEAD: usize = 4;

/// Gathers pieces into batches on their way out of a store.
pub struct Sender {
    to: mpsc::Sender<Vec<Piece>>,
    batch: Vec<Piece>,
    weight: usize,
}

/// A sender and where its batches come out.
pub fn channel() -> (Sender, mpsc::Receiver<Vec<Piece>>) {
    let (to, from) = mpsc::channel(AHEAD);
    (Sender { to, batch: Vec::new(), weight: 0 }, from)
}

impl Sender {
    fn full(&mut self, piece: Piece) -> Option<Vec<Piece>> {
        self.weight += piece.weight();
        self.batch.push(piece);
        (self.weight >= BATCH_BYTES || self.batch.len() >= BATCH).then(|| self.taken())
    }

    fn taken(&mut self) -> Vec<Piece> {
        self.weight = 0;
        std::mem::take(&mut self.batch)
    }

    /// Hands a piece over, waiting while the other side is behind.
    ///
    /// # Errors
    /// `Unavailable` when the other side has stopped.
    pub async fn send(&mut self, piece: Piece) -> Result<(), StoreError> {
        match self.full(piece) {
            Some(batch) => self.to.send(batch).await.map_err(|_| stopped()),
            None => Ok(()),
        }
    }

    /// The same from a thread that may wait.
    ///
    /// # Errors
    /// `Unavailable` when the other side has stopped.
    pub fn send_blocking(&mut self, piece: Piece) -> Result<(), StoreError> {
        match self.full(piece) {
            Some(batch) => self.to.blocking_send(batch).map_err(|_| stopped()),
            None => Ok(()),
        }
    }

    /// Hands over what is left. An export that does not end with this has broken off.
    ///
    /// # Errors
    /// `Unavailable` when the other side has stopped.
    pub async fn end(mut self) -> Result<(), StoreError> {
        let batch = self.taken();
        self.to.send(batch).await.map_err(|_| stopped())
    }
}

fn stopped() -> StoreError {
    StoreError::Unavailable("whoever takes the pieces has stopped".to_string())
}

/// A store that can be read whole.
#[async_trait]
pub trait Export: Send + Sync {
    /// Sends every piece of `scope`: entities, then their blobs, then the rest; each once, in an order of
    /// its own. Answers the sender, whose [`Sender::end`] the caller owes.
    ///
    /// # Errors
    /// `Unavailable` when it cannot be read (or the other side stopped), `Corrupt` when it cannot be understood.
    async fn export(&self, scope: Scope, to: Sender) -> Result<Sender, StoreError>;

    /// How many gateways use this store at the moment, as far as it can tell.
    ///
    /// # Errors
    /// `Unavailable` when it cannot be asked.
    async fn gateways(&self) -> Result<u64, StoreError>;
}

/// A store that can be filled. Until [`Import::publish`] no gateway opens it; one that was left
/// half-filled is begun anew.
#[async_trait]
pub trait Import: Export {
    /// What it holds that must not be lost, in words; `None` when it may be filled.
    ///
    /// # Errors
    /// `Unavailable` when it cannot be read.
    async fn holds(&self) -> Result<Option<String>, StoreError>;

    /// Closes it to gateways and throws away what an earlier try left.
    ///
    /// # Errors
    /// `Unavailable` when it cannot be written.
    async fn begin(&self) -> Result<(), StoreError>;

    /// Takes pieces in as they stand. Not durable yet.
    ///
    /// # Errors
    /// `Unavailable` when it cannot be written, `Corrupt` when a piece does not fit what came before.
    async fn put(&self, pieces: Vec<Piece>) -> Result<(), StoreError>;

    /// Makes everything durable, so that it can be read again to be checked.
    ///
    /// # Errors
    /// `Unavailable` when it cannot be made durable.
    async fn settle(&self) -> Result<(), StoreError>;

    /// Opens it to gateways.
    ///
    /// # Errors
    /// `Unavailable` when that cannot be made durable.
    async fn publish(&self) -> Result<(), StoreError>;

    /// Only the newest so many feed items are kept here.
    fn feed_kept(&self) -> u64;
}
