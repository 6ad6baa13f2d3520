//! The archive: closed and quiet warnings leave the live store for a file, and nobody notices.
//!
//! Who lives here: `register` (what of the archive all gateways must know, kept in the live store), `archiver`
//! (the way out), `spent` (the same of what belongs to no warning), `returning` (where a warning is, and the way back), `store` and
//! `reports` (the promise over both places). What is asked of the two stores beyond their own promise is [`Forgetful`].
//!
//! * **Way out.** The gateway of the smallest name picks a warning that is closed and has been quiet for
//!   [`Archived::after`]. Every live gateway writes a copy into an archive of its own, reads it back
//!   and compares counts, contents and hash chains. Only when all that live have confirmed the same digest is
//!   the live store told to forget, and it does so only while every head is the archived one.
//! * **One truth.** A warning is live while its own record stands in the live store; when that is gone, the copy
//!   of the registered digest is the truth. The record goes first and comes back last, in one atomic step each.
//! * **What belongs to no warning.** Callbacks that were worked through and the older rows of journals that go on for years
//!   leave in parcels, by the same rule of copies ([`spent`]), and never come back.
//! * **Way back.** A commit on anything archived (a late answer, an officer's entry) or a letter to it brings the
//!   whole warning back first; it leaves again when it has been quiet for as long as before.
//!
//! Every step may be repeated, by anybody, after a crash at any moment: intents stand in the register.
//! Identities, numbers given and the lines of people stay in the live store.

mod archiver;
mod register;
mod reports;
mod returning;
mod spent;
mod store;

pub use crate::core::time::ARCHIVE_AT_LEAST;
pub use archiver::Turned;
pub use spent::{KEPT_AT_LEAST, leaves_whole};

use super::{
    Head, JournalRow, Key, Reports, Store, StoreError,
    transfer::{Census, Export, Piece, Scope, channel},
};
use crate::core::{
    ids::WarningId,
    time::{Span, Time},
};
use async_trait::async_trait;
use futures_util::future;
use register::Register;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU32, Ordering},
    },
};

/// What is to be forgotten, and by what it is known again.
#[derive(Clone, Debug)]
pub struct Forget {
    pub warning: WarningId,
    /// Names this attempt. Whoever brings the warning back ends it, however late its steps arrive.
    pub token: String,
    /// All records of the warning as they were archived.
    pub heads: Vec<(Key, Head)>,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Forgot {
    /// Nothing of it stands any more, but its identities.
    Done,
    /// Something is not as it was archived. Some of the rest may be gone: bring the warning back.
    Changed(String),
}

/// Names that begin so stand for something that passes: what providers call the messages they took.
pub const PASSING: &str = "sent/";
/// The same: who refers to a message that has not come.
pub const AWAITED: &str = "awaited/";
/// The same: that a commit which a failover lost was seen to.
pub const RECOVERED: &str = "recovered/";
/// Journals with fewer rows to spare are left as they are.
pub const FEW: u64 = 4;

/// Something that belongs to no warning and is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    pub key: Key,
    /// The journal up to this row …
    pub row: u64,
    /// … whose head this is.
    pub head: Head,
    /// The record goes with it. Else it goes on, and the row stays as the first of its journal.
    pub whole: bool,
}

/// Of a journal that goes on, oldest first: the row before which all may leave, if they are more than [`FEW`]. It is the
/// last that is not younger than `before`.
pub fn spare(rows: &[JournalRow], before: Time) -> Option<&JournalRow> {
    let last = rows.get(rows.iter().rposition(|r| r.at <= before)?)?;
    (last.n - rows.first()?.n >= FEW).then_some(last)
}

/// A store that can let a closed warning go and take it in again.
#[async_trait]
pub trait Forgetful: Export {
    /// Forgets a warning with all of its records, blobs, journals, faces, counts and closed tasks: the warning's own
    /// record first, each partition atomically, and only what has the head that is named and nothing waiting for it.
    /// Where the warning's own record is gone already, the rest is finished by the token it was begun with.
    ///
    /// # Errors
    /// `Unavailable` when it could not be done or its answer was lost: ask again, with the same token.
    async fn forget(&self, what: &Forget) -> Result<Forgot, StoreError>;

    /// Takes pieces of one warning in as they stood, each record where none stands under its key. The warning's own
    /// record comes last of all calls. Ends what any [`Forgetful::forget`] had begun with these records.
    ///
    /// # Errors
    /// `Unavailable` when it could not be made durable: say it again.
    async fn take_in(&self, warning: WarningId, pieces: Vec<Piece>) -> Result<(), StoreError>;

    /// What belongs to no warning and is over since `before`: finished records that leave whole ([`leaves_whole`]), and of the
    /// other journals the rows they can spare ([`spare`]). About `most` of them, found by going on from where an earlier
    /// call ended (its second answer; empty at the beginning, and where all has been looked at).
    ///
    /// # Errors
    /// `Unavailable` when it cannot be read.
    async fn spent(&self, before: Time, from: &str, most: usize) -> Result<(Vec<Spent>, String), StoreError>;

    /// Lets go of it, each if it is still as named and nothing waits for it. What is gone already, or has changed, is left.
    ///
    /// # Errors
    /// `Unavailable` when it could not be made durable: say it again.
    async fn let_go(&self, what: &[Spent]) -> Result<(), StoreError>;
}

/// What an archive is kept in: a store that nobody else uses.
pub trait Shelf: Store + Reports + Forgetful {}
impl<T: Store + Reports + Forgetful> Shelf for T {}

/// The live store, by its three sides.
#[derive(Clone)]
pub struct Live {
    pub store: Arc<dyn Store>,
    pub reports: Arc<dyn Reports>,
    pub forgetful: Arc<dyn Forgetful>,
}

/// Live store and archive as one. See the module's head.
pub struct Archived {
    live: Live,
    shelf: Arc<dyn Shelf>,
    /// How long a warning is closed and unchanged before it leaves.
    after: Span,
    register: Register,
    /// The whole copies on the shelf, with their digests.
    kept: RwLock<BTreeMap<WarningId, String>>,
    /// One warning at a time is carried, either way.
    carrying: tokio::sync::Mutex<()>,
    /// Those that were not quiet, and when to look again.
    restless: RwLock<BTreeMap<WarningId, Time>>,
    /// Where the search for copies that are missing here goes on.
    catching_up: AtomicU32,
    spent_from: spent::From,
}

/// Who takes the pieces of a warning as they are read.
#[async_trait]
trait Taker: Send {
    async fn take(&mut self, pieces: Vec<Piece>) -> Result<(), StoreError>;
}

/// Reads a warning out of a store, whole.
async fn read_out(from: &dyn Forgetful, w: WarningId, taker: &mut dyn Taker) -> Result<(), StoreError> {
    let (to, mut pieces) = channel();
    let sending = async move { from.export(Scope::Warning(w), to).await?.end().await };
    let taking = async move {
        while let Some(some) = pieces.recv().await {
            taker.take(some).await?;
        }
        Ok(())
    };
    let (sent, taken) = future::join(sending, taking).await;
    // Where the taker failed, the sender only knows that nobody listens any more.
    taken.and(sent)
}

#[async_trait]
impl Taker for Census {
    async fn take(&mut self, pieces: Vec<Piece>) -> Result<(), StoreError> {
        pieces.iter().for_each(|p| self.add(p));
        Ok(())
    }
}

async fn survey(store: &dyn Forgetful, w: WarningId) -> Result<Census, StoreError> {
    let mut census = Census::default();
    read_out(store, w, &mut census).await?;
    Ok(census)
}

/// Documents of the shelf that name its whole copies.
const KEPT: &str = "kept";

impl Archived {
    /// Puts the two together. `after` is at least [`ARCHIVE_AT_LEAST`], whatever is given.
    ///
    /// # Errors
    /// As the two stores'; `Corrupt` when the shelf's list of copies cannot be read.
    pub async fn open(live: Live, shelf: Arc<dyn Shelf>, after: Span) -> Result<Archived, StoreError> {
        let mut kept = BTreeMap::new();
        for doc in shelf.docs(KEPT).await?.1 {
            let id = doc.id.parse().map_err(|_| StoreError::Corrupt(format!("the archive names a copy `{}`", doc.id)))?;
            kept.insert(WarningId(id), String::from_utf8_lossy(&doc.body).into_owned());
        }
        let register = Register::default();
        register.refresh(&*live.store).await?;
        Ok(Archived {
            live,
            shelf,
            after: after.max(ARCHIVE_AT_LEAST),
            register,
            kept: RwLock::new(kept),
            carrying: tokio::sync::Mutex::default(),
            restless: RwLock::default(),
            catching_up: AtomicU32::new(0),
            spent_from: spent::From::default(),
        })
    }

    /// How long a warning is closed and unchanged before it leaves.
    pub fn after(&self) -> Span {
        self.after
    }

    /// Whole copies on this gateway's shelf, those of warnings that came back included.
    pub fn copies(&self) -> usize {
        self.kept().len()
    }

    fn kept(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<WarningId, String>> {
        self.kept.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn kept_mut(&self) -> std::sync::RwLockWriteGuard<'_, BTreeMap<WarningId, String>> {
        self.kept.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where it went on; for the next search.
    fn search_from(&self, set: Option<u32>) -> u32 {
        match set {
            Some(at) => self.catching_up.swap(at, Ordering::Relaxed),
            None => self.catching_up.load(Ordering::Relaxed),
        }
    }
}

/// The warning a record belongs to, where it leaves and returns with it.
pub(super) fn warning_of(key: &Key) -> Option<WarningId> {
    match key {
        Key::Warning(w) | Key::Place(w, _) => Some(*w),
        Key::Callout(c) => Some(c.warning),
        Key::Line(_) | Key::Callback(_) | Key::Named(_) => None,
    }
}
