//! The store in one SQLite file: WAL, `synchronous = FULL`, one writer, many readers.
//!
//! Who lives here: `writer` (the thread that commits groups) with `apply` (one commit to SQL) and
//! `queue` (the way to it); `index` (what is due, leased, waiting, in memory) with `rid` (ids and
//! names) and `load` (both made anew at the start); `reports` (the read side); `wal` (checkpoints);
//! `schema`, `rows`, `backup`; `export`, `import` and `filler` (moves from and to other stores), `shelf` (what the archive asks). One process owns the file, by a lock beside it: that is what allows
//! leases and the index to live in memory.

mod apply;
mod backup;
mod export;
mod filler;
mod import;
mod index;
mod load;
mod queue;
mod reports;
mod rid;
mod rows;
mod schema;
mod shared;
mod shelf;
mod spent;
mod wal;
mod writer;

pub use backup::backup;
pub use import::SqliteImport;

use super::{
    Claim, Commit, Committed, Doc, Identity, Key, Lane, Letter, Record, Store, StoreError, WriteLane,
    clock::{Clock, Monotonic},
};
use crate::core::{
    ids::WarningId,
    time::{Span, Time},
};
use async_trait::async_trait;
use index::{Mark, NEVER, Picked};
use queue::Work;
use rusqlite::{Connection, OptionalExtension, params};
use shared::{Shared, read_error};
use std::{
    fs::{File, TryLockError},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::JoinHandle,
};
use tokio::sync::oneshot;

fn unavailable(e: rusqlite::Error) -> StoreError {
    StoreError::Unavailable(e.to_string())
}

/// See the module's head. Dropping it finishes what is queued and closes the file.
pub struct SqliteStore {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    nonces: AtomicU64,
    /// Released last.
    _lock: File,
}

impl SqliteStore {
    /// Opens the database at `path`, creating or upgrading it, and reads what is open into memory.
    ///
    /// Engine time starts at `clock`'s or at the highest the file has seen, whichever is later.
    ///
    /// # Errors
    /// `Unavailable` when another gateway has it open, it cannot be read or written, or a newer program
    /// wrote it; `Corrupt` when what it holds cannot be understood.
    pub fn open(path: impl AsRef<Path>, clock: Arc<dyn Clock>) -> Result<SqliteStore, StoreError> {
        let path = path.as_ref().to_path_buf();
        let lock = lock(&path)?;
        private(&path).map_err(|e| StoreError::Unavailable(format!("the database {} cannot be opened: {e}", path.display())))?;
        let mut connection = Connection::open(&path)
            .map_err(|e| StoreError::Unavailable(format!("the database {} cannot be opened: {e}", path.display())))?;
        schema::prepare_writer(&connection)?;
        schema::migrate(&mut connection)?;
        let clock = Monotonic::from_floor(clock, load::floor(&connection).map_err(read_error)?);
        if clock.offset() > Span::secs(2) {
            tracing::warn!(
                ahead_s = clock.offset().seconds_f64(),
                "the machine's clock is behind the store's; engine time goes on from the store's: check the machine's clock"
            );
        }
        let names = load::names(&connection)?;
        let index = load::index(&connection).map_err(read_error)?;
        let mut seed = [0u8; 8];
        #[expect(clippy::disallowed_methods, reason = "where the lease nonces of this run begin; no decision looks at them")]
        getrandom::fill(&mut seed).map_err(|e| StoreError::Unavailable(format!("no random numbers: {e}")))?;
        let shared = Arc::new(Shared::new(path.clone(), clock, index, names));
        let mut store = SqliteStore { shared, threads: Vec::new(), nonces: AtomicU64::new(u64::from_ne_bytes(seed)), _lock: lock };
        let checkpointer = Connection::open(&path).map_err(unavailable)?;
        checkpointer.execute_batch("PRAGMA synchronous = FULL").map_err(unavailable)?;
        let wal = store.shared.wal.start(checkpointer);
        store.threads.push(wal.map_err(|e| StoreError::Unavailable(format!("the checkpoint thread cannot be started: {e}")))?);
        store.threads.push(writer::start(Arc::clone(&store.shared), connection)?);
        Ok(store)
    }

    /// How far engine time runs ahead of the machine's clock, because that was set back since the file
    /// was last used. Over 2 s an operator should know.
    pub fn clock_offset(&self) -> Span {
        self.shared.clock.offset()
    }

    /// Copies the store as it stands at one moment into the file `to`; see [`backup`]. Blocks.
    ///
    /// # Errors
    /// `Unavailable` when the copy cannot be made; `to` is then as it was.
    pub fn backup_to(&self, to: &Path) -> Result<(), StoreError> {
        backup(&self.shared.path, to)
    }

    /// Runs a read away from the async threads; at once where there is no runtime.
    async fn blocking<T: Send + 'static>(
        &self,
        f: impl FnOnce(&Shared) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let shared = Arc::clone(&self.shared);
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => {
                // The read's, not the caller's: who goes away while it runs leaves the turn to it.
                let turn = Arc::clone(&shared.turns).acquire_owned().await;
                let done = runtime.spawn_blocking(move || {
                    let out = f(&shared);
                    drop(turn);
                    out
                });
                let done = done.await;
                done.unwrap_or_else(|e| Err(StoreError::Unavailable(format!("a read was broken off: {e}"))))
            }
            Err(_) => f(&shared),
        }
    }

    async fn query<T: Send + 'static>(
        &self,
        f: impl FnOnce(&Shared, &Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.blocking(move |s| s.read(|c| f(s, c))).await
    }

    /// A random number no one can have twice: splitmix64 over a random start.
    fn nonce(&self) -> u64 {
        let mut z = self.nonces.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Fills up from the file what a claim found no longer in memory.
    fn complete(&self, c: &Connection, picked: Picked) -> rusqlite::Result<Option<Claim>> {
        let Some(key) = self.shared.key(c, picked.rid)? else {
            tracing::error!(record = picked.rid.0, "a letter waits for a record whose name is lost");
            return Ok(None);
        };
        let record = match (picked.mark, picked.body) {
            (Some(mark), Some(body)) => Some(record(key.clone(), &mark, body)),
            _ => shared::record(c, picked.rid, key.clone())?,
        };
        let mut inbox = Vec::with_capacity(picked.letters.len());
        for (seq, body) in picked.letters {
            let body = match body {
                Some(body) => Some(body),
                // Gone when it was consumed since it was picked.
                None => {
                    c.prepare_cached("SELECT body FROM inbox WHERE seq = ?1")?.query_row([rows::signed(seq)], |r| r.get(0)).optional()?
                }
            };
            inbox.extend(body.map(|body| Letter { seq, body }));
        }
        Ok(Some(Claim { key, record, inbox, nonce: picked.nonce }))
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.shared.queue.close();
        // The writer first: it still signals the checkpoints.
        if let Some(writer) = self.threads.pop()
            && writer.join().is_err()
        {
            tracing::error!("the store's writer had stopped by a panic");
        }
        self.shared.wal.stop();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("the checkpoint thread had stopped by a panic");
            }
        }
    }
}

/// Opens a file for writing, made where there is none so that only its owner can read it: it holds
/// people's numbers. SQLite gives the log beside it the same rights.
fn private(path: &Path) -> std::io::Result<File> {
    let mut options = File::options();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn lock(path: &Path) -> Result<File, StoreError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let name = PathBuf::from(name);
    let file = private(&name).map_err(|e| {
        StoreError::Unavailable(format!(
            "the lock file {} cannot be opened ({e}): does its directory exist, and is it writable?",
            name.display()
        ))
    })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse(format!(
            "another gateway is using {}; stop it first, or give this one a database of its own",
            path.display()
        ))),
        Err(TryLockError::Error(e)) => Err(StoreError::Unavailable(format!("{} cannot be locked: {e}", name.display()))),
    }
}

fn record(key: Key, mark: &Mark, body: Vec<u8>) -> Record {
    Record { key, head: mark.head, due: (mark.due != NEVER).then_some(Time(mark.due)), lane: Lane(mark.lane), body }
}

#[async_trait]
impl Store for SqliteStore {
    fn now(&self) -> Time {
        self.shared.clock.now()
    }

    async fn next_number(&self, sequence: &str) -> Result<u64, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.shared.queue.ask(WriteLane::Urgent, Work::Number { sequence: sequence.to_string(), reply }, answer).await
    }

    async fn commit(&self, lane: WriteLane, batch: Vec<Commit>) -> Result<Vec<Committed>, StoreError> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let (reply, answer) = oneshot::channel();
        self.shared.queue.ask(lane, Work::Commit { batch, reply }, answer).await
    }

    async fn load(&self, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        let mut out: Vec<Option<Record>> = vec![None; keys.len()];
        let mut missing = Vec::new();
        for (slot, key) in out.iter_mut().zip(keys) {
            let found = self.shared.names().find(key);
            match found {
                rid::Found::At(rid) => match self.shared.index().get(rid) {
                    Some((mark, Some(body))) => *slot = Some(record(key.clone(), &mark, body)),
                    _ => missing.push((slot, key)),
                },
                rid::Found::Ask => missing.push((slot, key)),
                rid::Found::Nowhere | rid::Found::Impossible => {}
            }
        }
        if !missing.is_empty() {
            // Point reads of some microseconds each: quicker here than a thread's turn away.
            self.shared.read(|c| {
                for (slot, key) in missing {
                    if let Some(rid) = self.shared.find(c, key)? {
                        *slot = shared::record(c, rid, key.clone())?;
                    }
                }
                Ok(())
            })?;
        }
        Ok(out)
    }

    async fn claim(&self, limit: usize, lease: Span) -> Result<Vec<Claim>, StoreError> {
        let now = self.now();
        let picked = self.shared.with_index(|index| index.claim(limit, now.0, (now + lease).0, || self.nonce()));
        if picked.is_empty() {
            return Ok(Vec::new());
        }
        let leases: Vec<_> = picked.iter().map(|p| (p.rid, p.nonce)).collect();
        let claims = self.shared.read(|c| picked.into_iter().filter_map(|p| self.complete(c, p).transpose()).collect());
        if claims.is_err() {
            // Nobody holds what could not be read: it is due again.
            self.shared.with_index(|index| leases.iter().for_each(|(rid, nonce)| index.release(*rid, *nonce, now.0)));
        }
        claims
    }

    async fn release(&self, claims: &[(Key, u64)], until: Time) -> Result<(), StoreError> {
        for (key, nonce) in claims {
            let found = self.shared.names().find(key);
            let rid = match found {
                rid::Found::At(rid) => Some(rid),
                rid::Found::Ask => self.shared.read(|c| self.shared.find(c, key))?,
                rid::Found::Nowhere | rid::Found::Impossible => None,
            };
            if let Some(rid) = rid {
                self.shared.with_index(|index| index.release(rid, *nonce, until.0));
            }
        }
        Ok(())
    }

    async fn next_due(&self) -> Result<Option<Time>, StoreError> {
        let now = self.now();
        Ok(self.shared.index().next_due(now.0).map(Time))
    }

    async fn changed(&self) {
        self.shared.changed.notified().await;
    }

    async fn blob(&self, key: &Key, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let (key, name) = (key.clone(), name.to_string());
        self.query(move |s, c| {
            let Some(rid) = s.find(c, &key)? else { return Ok(None) };
            let mut statement = c.prepare_cached("SELECT body FROM blob WHERE id = ?1 AND name = ?2")?;
            statement.query_row(params![rid.0, name], |r| r.get(0)).optional()
        })
        .await
    }

    async fn identities(&self, identifier: &str) -> Result<Vec<Identity>, StoreError> {
        let identifier = identifier.to_string();
        self.query(move |_, c| {
            let sql = "SELECT issuer, sender, identifier, digest, warning FROM identity WHERE identifier = ?1 ORDER BY sender, issuer";
            let mut statement = c.prepare_cached(sql)?;
            let found = statement.query_map([identifier], |r| {
                let warning = WarningId(r.get(4)?);
                Ok(Identity { issuer: r.get(0)?, sender: r.get(1)?, identifier: r.get(2)?, digest: r.get(3)?, warning })
            })?;
            found.collect()
        })
        .await
    }

    async fn docs(&self, kind: &str) -> Result<(u64, Vec<Doc>), StoreError> {
        let kind = kind.to_string();
        self.query(move |_, c| {
            // One transaction, so that the version is the one of these documents.
            let tx = c.unchecked_transaction()?;
            let version: Option<u64> =
                tx.prepare_cached("SELECT version FROM doc_kind WHERE kind = ?1")?.query_row([&kind], |r| rows::number(r, 0)).optional()?;
            let mut statement = tx.prepare_cached("SELECT id, body FROM doc WHERE kind = ?1 ORDER BY id")?;
            let docs = statement.query_map([&kind], |r| Ok(Doc { id: r.get(0)?, body: r.get(1)? }))?.collect::<rusqlite::Result<_>>()?;
            Ok((version.unwrap_or(0), docs))
        })
        .await
    }

    async fn docs_version(&self, kind: &str) -> Result<u64, StoreError> {
        let kind = kind.to_string();
        let sql = "SELECT version FROM doc_kind WHERE kind = ?1";
        let version = self.query(move |_, c| c.prepare_cached(sql)?.query_row([&kind], |r| rows::number(r, 0)).optional()).await?;
        Ok(version.unwrap_or(0))
    }

    async fn docs_apply(&self, kind: &str, expect: u64, upsert: Vec<Doc>, delete: Vec<String>) -> Result<Option<u64>, StoreError> {
        let (reply, answer) = oneshot::channel();
        let work = Work::Docs { kind: kind.to_string(), expect, upsert, delete, reply };
        self.shared.queue.ask(WriteLane::Urgent, work, answer).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        core::ids::CalloutId,
        store::{Envelope, Head, clock::ManualClock},
    };

    #[tokio::test]
    async fn what_memory_has_no_room_for_is_read_from_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(dir.path().join("a.db"), Arc::new(ManualClock::new(Time(1_000)))).unwrap();
        *store.shared.index() = index::Index::with_room(100, 30);
        let key = |n| Key::Callout(CalloutId::new(WarningId(1), n));
        let to = Key::Named("full".to_string());
        let commits: Vec<Commit> = (0..20)
            .map(|n| {
                let body = format!("{{\"of\":{n}}}").into_bytes();
                let mut c = Commit::new(key(n), Head::NONE, body, b"[]".to_vec(), Some(Time(i64::from(n))), Lane(1), Time(1));
                c.send = vec![Envelope { to: to.clone(), lane: Lane(0), not_before: Time(0), body: n.to_string().into_bytes() }];
                c
            })
            .collect();
        store.commit(WriteLane::Rest, commits.clone()).await.unwrap();
        let keys: Vec<Key> = (0..20).map(key).collect();
        assert!(store.shared.index().get(rid::Rid::callout(CalloutId::new(WarningId(1), 0)).unwrap()).unwrap().1.is_none());
        let bodies = |records: Vec<Option<Record>>| records.into_iter().flatten().map(|r| r.body).collect::<Vec<_>>();
        let sent: Vec<Vec<u8>> = commits.iter().map(|c| c.body.clone()).collect();
        assert_eq!(bodies(store.load(&keys).await.unwrap()), sent);
        let mut claims = store.claim(99, Span::secs(1)).await.unwrap();
        let letters = claims.remove(0);
        assert_eq!((&letters.key, &letters.record), (&to, &None));
        let read: Vec<String> = letters.inbox.iter().map(|l| String::from_utf8(l.body.clone()).unwrap()).collect();
        assert_eq!(read, (0..20).map(|n| n.to_string()).collect::<Vec<_>>());
        assert_eq!(claims.into_iter().map(|c| c.record.unwrap().body).collect::<Vec<_>>(), sent);
    }

    #[cfg(unix)]
    #[test]
    fn only_its_owner_can_read_the_file() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.db");
        let store = SqliteStore::open(&path, Arc::new(ManualClock::new(Time(1)))).unwrap();
        let copy = dir.path().join("copy.db");
        store.backup_to(&copy).unwrap();
        for file in [path.clone(), path.with_extension("db-wal"), copy] {
            assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "{}", file.display());
        }
    }
}
