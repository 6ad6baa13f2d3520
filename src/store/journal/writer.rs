//! The one thread that has the file: gathers what waits into one transaction, syncs it, answers.

use super::{Crowded, Job, Limits, Lives, frame};
use crate::{
    core::time::{Span, Time},
    store::StoreError,
};
use rusqlite::{Connection, ErrorCode, OptionalExtension, params};
use std::{
    collections::VecDeque,
    path::Path,
    sync::{PoisonError, mpsc},
    thread,
};
use tokio::sync::oneshot;

/// Entries that share one sync at most.
const GROUP: usize = 5_000;
/// The write-ahead log is copied back and started anew at this many pages.
const CHECKPOINT_PAGES: u32 = 4_000;
const FORMAT: i64 = 1;
const APPLICATION: i64 = 0x6a79_6a6c; // "jyjl"

fn unavailable(path: &Path, e: &rusqlite::Error) -> StoreError {
    let said = match e.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => "another gateway has it open: each needs one of its own".to_string(),
        Some(ErrorCode::NotADatabase) => return StoreError::Corrupt(format!("{} is no journal of a gateway", path.display())),
        Some(ErrorCode::DiskFull) => format!("the disk is full: {e}"),
        _ => e.to_string(),
    };
    StoreError::Unavailable(format!("the local journal {} (store.redis.journal): {said}", path.display()))
}

/// Entries of one caller, when they were made, and where it waits.
type Append = (Time, Vec<Vec<u8>>, oneshot::Sender<Result<(), StoreError>>);

struct Writer {
    connection: Connection,
    limits: Limits,
    path: std::path::PathBuf,
    /// Whose commits these are, once that is known.
    store: Option<String>,
    /// What is kept: number, time, size of each group, oldest first.
    kept: VecDeque<(i64, Time, u64)>,
    bytes: u64,
    crowded: Crowded,
}

/// Opens the file and starts the thread, which ends when `jobs` is closed.
#[expect(clippy::disallowed_methods, reason = "joined when the journal is dropped")]
pub(super) fn start(
    path: &Path,
    limits: Limits,
    crowded: Crowded,
    jobs: mpsc::Receiver<Job>,
) -> Result<thread::JoinHandle<()>, StoreError> {
    let mut writer = Writer::open(path, limits, crowded).map_err(|e| unavailable(path, &e))?;
    let thread = thread::Builder::new().name("gateway-journal".to_string()).spawn(move || writer.run(&jobs));
    thread.map_err(|e| StoreError::Unavailable(format!("the local journal's thread cannot be started: {e}")))
}

/// Whose disk this is may read what was told: it names people.
#[cfg(unix)]
fn private(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    if let Err(error) = std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)) {
        tracing::warn!(%error, path = %path.display(), "the local journal could not be made readable for its owner alone");
    }
}
#[cfg(not(unix))]
fn private(_: &Path) {}

impl Writer {
    fn open(path: &Path, limits: Limits, crowded: Crowded) -> rusqlite::Result<Writer> {
        let connection = Connection::open(path)?;
        private(path);
        // Taken at the first write and kept: nobody else gets in.
        connection.execute_batch(&format!(
            "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES};"
        ))?;
        let made: i64 = connection.query_row("PRAGMA application_id", [], |r| r.get(0))?;
        let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_master", [], |r| r.get(0))?;
        if made != APPLICATION && tables > 0 {
            return Err(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_NOTADB), None));
        }
        connection.execute_batch(&format!(
            "BEGIN IMMEDIATE; PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {FORMAT};
             CREATE TABLE IF NOT EXISTS told (n INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, entries BLOB NOT NULL); COMMIT;"
        ))?;
        // Rows of the version before have none, and that version writes none.
        let has = "SELECT count(*) FROM pragma_table_info('told') WHERE name = 'store'";
        if connection.query_row(has, [], |r| r.get::<_, i64>(0))? == 0 {
            connection.execute_batch("ALTER TABLE told ADD COLUMN store TEXT;")?;
        }
        connection.execute_batch("CREATE TABLE IF NOT EXISTS lives (part TEXT PRIMARY KEY, life TEXT NOT NULL, store TEXT);")?;
        // The size holds for the file too: what is larger is refused like anything a full disk refuses.
        let pages = limits.bytes / 4096 * 5 / 4 + 64;
        connection.execute_batch(&format!("PRAGMA max_page_count = {pages};"))?;
        let mut kept = VecDeque::new();
        let mut select = connection.prepare("SELECT n, at, length(entries) FROM told ORDER BY n")?;
        let rows = select.query_map([], |r| Ok((r.get(0)?, Time(r.get(1)?), r.get::<_, i64>(2)?.unsigned_abs())))?;
        for row in rows {
            kept.push_back(row?);
        }
        drop(select);
        let bytes = kept.iter().map(|k: &(i64, Time, u64)| k.2).sum();
        Ok(Writer { connection, limits, path: path.to_path_buf(), store: None, kept, bytes, crowded })
    }

    fn run(&mut self, jobs: &mpsc::Receiver<Job>) {
        while let Ok(first) = jobs.recv() {
            let mut asked = Vec::new();
            let mut group: Vec<Append> = Vec::new();
            let mut entries = 0;
            for job in std::iter::once(first).chain(jobs.try_iter()) {
                match job {
                    Job::Store { id, done } => drop(done.send(self.keep_for(id).map_err(|e| unavailable(&self.path, &e)))),
                    Job::Probe { bytes, done } => drop(done.send(self.probe(bytes).map_err(|e| unavailable(&self.path, &e)))),
                    Job::Lives { keep, done } => drop(done.send(self.lives(&keep).map_err(|e| unavailable(&self.path, &e)))),
                    Job::Append { at, frames, done } => {
                        entries += frames.len();
                        group.push((at, frames, done));
                    }
                    Job::Read { after, now, most, done } => asked.push((after, now, most, done)),
                }
                if entries >= GROUP {
                    break;
                }
            }
            if !group.is_empty() {
                self.append(group);
            }
            // After what came before them was written, so that a reader sees all that was answered.
            for (after, now, most, done) in asked {
                drop(done.send(self.read(after, now, most).map_err(|e| unavailable(&self.path, &e))));
            }
        }
    }

    fn keep_for(&mut self, store: String) -> rusqlite::Result<()> {
        let others = "SELECT count(*) FROM told WHERE store IS NOT NULL AND store <> ?1";
        let others: i64 = self.connection.query_row(others, [&store], |r| r.get(0))?;
        if others > 0 {
            tracing::warn!(
                entries = others,
                path = %self.path.display(),
                "the local journal holds what was told of another store (it was emptied since, or another one is configured); it is not replayed here"
            );
        }
        self.store = Some(store);
        Ok(())
    }

    fn lives(&mut self, keep: &Lives) -> rusqlite::Result<Lives> {
        let all = self.connection.transaction()?;
        for (part, life) in keep {
            all.execute("INSERT OR REPLACE INTO lives (part, life, store) VALUES (?1, ?2, ?3)", params![part, life, self.store])?;
        }
        all.commit()?;
        let mut select = self.connection.prepare_cached("SELECT part, life FROM lives WHERE store IS ?1 ORDER BY part")?;
        select.query_map([&self.store], |r| Ok((r.get(0)?, r.get(1)?)))?.collect()
    }

    /// Written, synced and taken out again: a transaction that is rolled back might never have reached the disk.
    fn probe(&self, bytes: usize) -> rusqlite::Result<()> {
        self.connection.execute("INSERT INTO told (at, entries) VALUES (0, zeroblob(?1))", [i64::try_from(bytes).unwrap_or(i64::MAX)])?;
        self.connection.execute("DELETE FROM told WHERE n = last_insert_rowid()", []).map(drop)
    }

    fn append(&mut self, group: Vec<Append>) {
        let at = group.iter().map(|g| g.0).max().unwrap_or_default();
        let mut frames = Vec::new();
        let mut waiting = Vec::with_capacity(group.len());
        for (_, mine, done) in group {
            frames.extend(mine);
            waiting.push(done);
        }
        let entries = frame::group(&frames);
        // Room is made first: a journal at its limit needs no more disk than it has.
        let written = self.forget(at, entries.len() as u64).and_then(|()| self.write(at, &entries));
        if let Err(error) = &written {
            tracing::error!(%error, path = %self.path.display(), "the local journal cannot be written: nothing is answered and nothing leaves");
        }
        for done in waiting {
            drop(done.send(written.as_ref().map(|_| ()).map_err(|e| unavailable(&self.path, e))));
        }
    }

    fn write(&mut self, at: Time, entries: &[u8]) -> rusqlite::Result<()> {
        let mut insert = self.connection.prepare_cached("INSERT INTO told (at, entries, store) VALUES (?1, ?2, ?3)")?;
        let n = insert.insert(params![at.0, entries, self.store])?;
        drop(insert);
        self.kept.push_back((n, at, entries.len() as u64));
        self.bytes += entries.len() as u64;
        Ok(())
    }

    fn forget(&mut self, now: Time, more: u64) -> rusqlite::Result<()> {
        let mut upto = None;
        let mut count = 0;
        let mut freed = 0;
        let mut crowded = false;
        for (n, at, size) in &self.kept {
            let old = *at + self.limits.age.max(Span::secs(1)) < now;
            let full = self.bytes - freed + more > self.limits.bytes;
            if !old && !full {
                break;
            }
            crowded |= full && !old;
            freed += size;
            count += 1;
            upto = Some(*n);
        }
        // Old ones go many at a time: forgetting is a write of its own.
        let Some(upto) = upto.filter(|_| crowded || count > 200 || self.kept.front().is_some_and(|k| k.1 + self.limits.age + SLACK < now))
        else {
            return Ok(());
        };
        if crowded {
            tracing::warn!(
                kept_bytes = self.limits.bytes,
                "the local journal is over its size (store.redis.journal_size) and forgets what is younger than its age"
            );
        }
        self.connection.prepare_cached("DELETE FROM told WHERE n <= ?1")?.execute([upto])?;
        self.kept.drain(..count);
        self.bytes -= freed;
        if crowded {
            let window = self.kept.front().map_or(Span::ZERO, |oldest| now - oldest.1);
            *self.crowded.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, window));
        }
        Ok(())
    }

    fn read(&self, after: i64, now: Time, most: usize) -> rusqlite::Result<Vec<(i64, Vec<u8>)>> {
        let mut select = self.connection.prepare_cached(
            "SELECT n, entries FROM told WHERE n > ?1 AND at >= ?2 AND (store IS NULL OR ?3 IS NULL OR store = ?3) ORDER BY n LIMIT 1",
        )?;
        let since = (now - self.limits.age).0;
        let (mut out, mut size, mut after) = (Vec::new(), 0, after);
        while size < most {
            let row =
                select.query_row(params![after, since, self.store], |r| Ok((r.get::<_, i64>(0)?, r.get::<_, Vec<u8>>(1)?))).optional()?;
            let Some((n, entries)) = row else { break };
            after = n;
            size += entries.len();
            out.push((n, entries));
        }
        Ok(out)
    }
}

/// Old entries may stay this much longer, so that they go many at a time.
const SLACK: Span = Span::secs(5);
