//! A gateway's own small journal of everything it told somebody or sent, in a SQLite file on its own
//! disk, for a shared store whose failover may lose what it had acknowledged.
//!
//! * An entry is synced before anybody hears of what it says; entries of a moment share one sync.
//! * It holds the last minutes: what is older, or over the size that was given, is forgotten. The
//!   window must be longer than any replica may lag behind.
//! * What is too old, and what was told of another store (it was emptied, or another one was configured),
//!   is not read again: it would call people for what ended long ago.
//! * One gateway, one file: a second one is refused.
//!
//! Who lives here: `frame` (entries as bytes) and `writer` (the one thread that has the file).

pub mod frame;
mod writer;

pub use frame::{LetterDigest, Told};

use super::StoreError;
use crate::core::time::{Span, Time};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread::JoinHandle,
};
use tokio::sync::oneshot;

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Older entries are forgotten (1 minute or more).
    pub age: Span,
    /// The oldest are forgotten when there are more bytes than this.
    pub bytes: u64,
}

/// Groups of partitions, each with the life of its primary.
pub type Lives = Vec<(String, String)>;

/// Groups as they are kept, each with its number.
type Groups = Vec<(i64, Vec<u8>)>;

enum Job {
    /// From here on everything is of this store.
    Store {
        id: String,
        done: oneshot::Sender<Result<(), StoreError>>,
    },
    /// Whether as much as this could be written; nothing of it stays.
    Probe {
        bytes: usize,
        done: oneshot::Sender<Result<(), StoreError>>,
    },
    Append {
        at: Time,
        frames: Vec<Vec<u8>>,
        done: oneshot::Sender<Result<(), StoreError>>,
    },
    /// Each group of partitions whose life is known from here on, and that life; none to ask.
    Lives {
        keep: Lives,
        done: oneshot::Sender<Result<Lives, StoreError>>,
    },
    Read {
        after: i64,
        now: Time,
        most: usize,
        done: oneshot::Sender<Result<Groups, StoreError>>,
    },
}

/// See the module's head. The file is closed when this is dropped.
pub struct Journal {
    /// `None` only while it is dropped.
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    path: PathBuf,
    /// Why it could not be written last, and how much that was; gone once it can again.
    fault: Mutex<Option<(String, usize)>>,
    /// When it last forgot for its size what was younger than its age, and how far back it then went.
    crowded: Crowded,
    age: Span,
}

type Crowded = Arc<Mutex<Option<(Time, Span)>>>;

/// A probe writes as much as failed, but not more than this: more may fit into no journal at all.
const PROBE: usize = 1 << 20;
/// Bytes of groups read at once.
const PAGE: usize = 16 << 20;

impl Journal {
    /// Opens or makes the file.
    ///
    /// # Errors
    /// `Unavailable` where it cannot be written or another gateway has it; `Corrupt` where something
    /// else stands there.
    pub fn open(path: &Path, limits: Limits) -> Result<Journal, StoreError> {
        let (jobs, work) = mpsc::channel();
        let crowded = Crowded::default();
        let thread = writer::start(path, limits, crowded.clone(), work)?;
        let path = path.to_path_buf();
        Ok(Journal { jobs: Some(jobs), thread: Some(thread), path, fault: Mutex::default(), crowded, age: limits.age })
    }

    /// How far back it went when it last was over its size: less than its age. `None` where it reaches as far back as it
    /// should again.
    pub fn crowded(&self, now: Time) -> Option<Span> {
        let last = *self.crowded.lock().unwrap_or_else(PoisonError::into_inner);
        last.filter(|(at, _)| *at + self.age > now).map(|(_, window)| window)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Names the store whose commits are kept from now on and alone are read: by its id, which an emptied store has
    /// lost. Entries without one, of an earlier version, are read by their age alone.
    ///
    /// # Errors
    /// `Unavailable` where the file cannot be read.
    pub async fn keep_for(&self, store: &str) -> Result<(), StoreError> {
        self.ask(|done| Job::Store { id: store.to_string(), done }).await
    }

    /// Notes in which lives of the primaries everything stands that is kept here so far (see [`Journal::lives`]).
    ///
    /// # Errors
    /// `Unavailable` where the disk does not take it.
    pub async fn keep_lives(&self, lives: Lives) -> Result<(), StoreError> {
        self.ask(|done| Job::Lives { keep: lives, done }).await.map(drop)
    }

    /// The lives that were noted last, of the store that is kept for.
    ///
    /// # Errors
    /// `Unavailable` where the file cannot be read.
    pub async fn lives(&self) -> Result<Lives, StoreError> {
        self.ask(|done| Job::Lives { keep: Lives::new(), done }).await
    }

    /// Makes entries durable (see [`frame`]); all of them or none.
    ///
    /// # Errors
    /// `Unavailable` where the disk does not take them: then nobody may be told.
    pub async fn append(&self, at: Time, frames: Vec<Vec<u8>>) -> Result<(), StoreError> {
        if frames.is_empty() {
            return Ok(());
        }
        let bytes = frames.iter().map(Vec::len).sum();
        let written = self.ask(|done| Job::Append { at, frames, done }).await;
        *self.fault() = written.as_ref().err().map(|e| (e.to_string(), bytes));
        written
    }

    /// Why it cannot be written, as far as that is known.
    pub fn cannot(&self) -> Option<String> {
        self.fault().as_ref().map(|(why, _)| why.clone())
    }

    /// To be asked before anything is done that must be told here: what the shared store has and this does not is done
    /// for nobody. Costs nothing while all is well; after a failure it tries to write.
    ///
    /// # Errors
    /// `Unavailable` while the disk does not take what is told.
    pub async fn writable(&self) -> Result<(), StoreError> {
        let Some((_, bytes)) = self.fault().clone() else { return Ok(()) };
        self.ask(|done| Job::Probe { bytes: bytes.min(PROBE), done }).await?;
        if self.fault().take().is_some() {
            tracing::info!(path = %self.path.display(), "the local journal can be written again");
        }
        Ok(())
    }

    fn fault(&self) -> MutexGuard<'_, Option<(String, usize)>> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A page of the oldest groups after the group `after` (0: from the beginning), each with its number;
    /// empty at the end. What at `now` is older than the window is left out.
    ///
    /// # Errors
    /// `Unavailable` or `Corrupt` where the file cannot be read.
    pub async fn read(&self, after: i64, now: Time) -> Result<Vec<(i64, Vec<Told>)>, StoreError> {
        let groups = self.ask(|done| Job::Read { after, now, most: PAGE, done }).await?;
        groups.into_iter().map(|(n, group)| Ok((n, frame::ungroup(&group)?))).collect()
    }

    async fn ask<T>(&self, job: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Job) -> Result<T, StoreError> {
        let gone = || StoreError::Unavailable(format!("the local journal {} is closed", self.path.display()));
        let (done, answer) = oneshot::channel();
        self.jobs.as_ref().ok_or_else(gone)?.send(job(done)).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // What was handed over is written; a panic there has been told by the panic hook.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        core::ids::WarningId,
        store::{Commit, Head, Key, Lane},
    };

    fn entry(n: u32, size: usize) -> Vec<u8> {
        let c = Commit::new(Key::Warning(WarningId(n)), Head::NONE, vec![b' '; size], b"[1]".to_vec(), None, Lane(1), Time(0));
        frame::commit(&c, Vec::new()).unwrap()
    }

    async fn kept(journal: &Journal) -> Vec<u32> {
        kept_at(journal, Time(1_000)).await
    }

    async fn kept_at(journal: &Journal, now: Time) -> Vec<u32> {
        let (mut out, mut after) = (Vec::new(), 0);
        loop {
            let page = journal.read(after, now).await.unwrap();
            let Some(last) = page.last() else { return out };
            after = last.0;
            for told in page.into_iter().flat_map(|(_, all)| all) {
                let Told::Commit { commit, .. } = told else { panic!("{told:?}") };
                let Key::Warning(w) = commit.key else { panic!("{}", commit.key) };
                out.push(w.0);
            }
        }
    }

    #[tokio::test]
    async fn what_was_synced_is_there_in_order_after_a_restart_and_nobody_else_gets_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.sqlite");
        let limits = Limits { age: Span::mins(10), bytes: 1 << 30 };
        let journal = Journal::open(&path, limits).unwrap();
        for n in 1..=3 {
            journal.append(Time(1_000), vec![entry(n, 10), entry(n + 10, 10)]).await.unwrap();
        }
        let why = Journal::open(&path, limits).err().expect("refused").to_string();
        assert!(why.contains("another gateway"), "{why}");
        drop(journal);
        let journal = Journal::open(&path, limits).unwrap();
        assert_eq!(kept(&journal).await, [1, 11, 2, 12, 3, 13]);
    }

    #[tokio::test]
    async fn the_journal_forgets_what_is_old_and_what_is_over_its_size() {
        let dir = tempfile::tempdir().unwrap();
        let limits = Limits { age: Span::mins(1), bytes: 100_000 };
        let journal = Journal::open(&dir.path().join("journal.sqlite"), limits).unwrap();
        journal.append(Time(0), vec![entry(1, 10)]).await.unwrap();
        journal.append(Time(50_000), vec![entry(2, 10)]).await.unwrap();
        journal.append(Time(70_000), vec![entry(3, 10)]).await.unwrap();
        assert_eq!(kept(&journal).await, [2, 3], "a minute is kept");
        assert_eq!(journal.crowded(Time(70_000)), None);
        for n in 4..10 {
            journal.append(Time(70_000), vec![entry(n, 30_000)]).await.unwrap();
        }
        assert_eq!(kept(&journal).await, [7, 8, 9], "so many bytes are kept");
        journal.append(Time(90_000), vec![entry(10, 30_000)]).await.unwrap();
        assert_eq!(journal.crowded(Time(90_000)), Some(Span::secs(20)), "and it is known how far back they go");
        assert_eq!(journal.crowded(Time(150_000)), None, "until its age has passed without");
    }

    #[tokio::test]
    async fn what_is_too_old_or_of_another_store_is_not_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.sqlite");
        let limits = Limits { age: Span::mins(1), bytes: 1 << 20 };
        let journal = Journal::open(&path, limits).unwrap();
        // As an earlier version wrote it: of no store by name.
        journal.append(Time(0), vec![entry(1, 10)]).await.unwrap();
        journal.keep_for("a").await.unwrap();
        journal.append(Time(30_000), vec![entry(2, 10)]).await.unwrap();
        drop(journal);
        let journal = Journal::open(&path, limits).unwrap();
        journal.keep_for("a").await.unwrap();
        assert_eq!(kept_at(&journal, Time(60_000)).await, [1, 2]);
        assert_eq!(kept_at(&journal, Time(60_001)).await, [2], "nothing is forgotten by an append here: it is left out by its age");
        assert_eq!(kept_at(&journal, Time(86_400_000)).await, [] as [u32; 0]);
        drop(journal);
        let journal = Journal::open(&path, limits).unwrap();
        journal.keep_for("b").await.unwrap();
        journal.append(Time(40_000), vec![entry(3, 10)]).await.unwrap();
        assert_eq!(kept_at(&journal, Time(50_000)).await, [1, 3]);
    }

    #[tokio::test]
    async fn the_lives_in_which_all_stands_are_kept_for_their_own_store() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.sqlite");
        let limits = Limits { age: Span::mins(1), bytes: 1 << 20 };
        let of = |all: &[(&str, &str)]| all.iter().map(|(g, l)| (g.to_string(), l.to_string())).collect::<Lives>();
        let journal = Journal::open(&path, limits).unwrap();
        journal.keep_for("a").await.unwrap();
        journal.keep_lives(of(&[("0", "x"), ("c", "x")])).await.unwrap();
        journal.keep_lives(of(&[("0", "y")])).await.unwrap();
        drop(journal);
        let journal = Journal::open(&path, limits).unwrap();
        journal.keep_for("a").await.unwrap();
        assert_eq!(journal.lives().await.unwrap(), of(&[("0", "y"), ("c", "x")]));
        journal.keep_for("b").await.unwrap();
        assert_eq!(journal.lives().await.unwrap(), of(&[]));
    }

    #[tokio::test]
    async fn a_journal_of_the_version_before_opens_and_that_version_still_writes_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.sqlite");
        let limits = Limits { age: Span::mins(1), bytes: 1 << 20 };
        let before = |statement: &str| {
            let file = rusqlite::Connection::open(&path).unwrap();
            file.execute_batch(
                "PRAGMA application_id = 1786341996; CREATE TABLE IF NOT EXISTS told (n INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, entries BLOB NOT NULL);",
            )
            .unwrap();
            file.execute(statement, [frame::group(&[entry(7, 10)])]).unwrap();
        };
        before("INSERT INTO told (at, entries) VALUES (1000, ?1)");
        let journal = Journal::open(&path, limits).unwrap();
        journal.keep_for("a").await.unwrap();
        assert_eq!(kept(&journal).await, [7]);
        drop(journal);
        before("INSERT INTO told (at, entries) VALUES (1000, ?1)");
        let journal = Journal::open(&path, limits).unwrap();
        journal.keep_for("a").await.unwrap();
        assert_eq!(kept(&journal).await, [7, 7]);
    }

    #[tokio::test]
    async fn a_journal_that_cannot_be_written_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let limits = Limits { age: Span::mins(1), bytes: 1 << 30 };
        assert!(Journal::open(&dir.path().join("not/there.sqlite"), limits).is_err());
        std::fs::write(dir.path().join("text"), "this is no database, and it is longer than a header ".repeat(40)).unwrap();
        assert!(Journal::open(&dir.path().join("text"), limits).is_err());
        let limits = Limits { bytes: 100_000, ..limits };
        let journal = Journal::open(&dir.path().join("journal.sqlite"), limits).unwrap();
        journal.writable().await.unwrap();
        let full = journal.append(Time(0), vec![entry(1, 4 << 20)]).await;
        assert!(matches!(&full, Err(StoreError::Unavailable(why)) if why.contains("full")), "{full:?}");
        // It is tried with as much again, as far as that is reasonable, and that does not fit either.
        assert!(journal.writable().await.is_err() && journal.cannot().is_some_and(|why| why.contains("full")));
        journal.append(Time(0), vec![entry(2, 10)]).await.unwrap();
        assert!(journal.cannot().is_none());
        assert_eq!(kept(&journal).await, [2], "whole or not at all");
        // What failed would fit now: a probe finds out, and leaves nothing behind.
        *journal.fault() = Some(("the disk was full".into(), 1_000));
        journal.writable().await.unwrap();
        assert!(journal.cannot().is_none());
        assert_eq!(kept(&journal).await, [2]);
    }
}
