//! What the store's callers and its writer share: the index, the names, the clock, the readers.

use super::{
    apply::key_of_named,
    index::Index,
    queue::Queue,
    rid::{Class, Found, Names, Rid, text},
    rows,
    wal::Wal,
};
use crate::store::{Key, Record, StoreError, clock::Monotonic};
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::{Notify, Semaphore};

/// Reads that go on at once, each on a connection of its own; the others wait their turn. A crowd of reads
/// would else open hundreds of connections and threads, and be no faster.
const READERS: usize = 8;

pub(super) struct Shared {
    pub path: PathBuf,
    pub clock: Monotonic,
    pub queue: Queue,
    pub changed: Notify,
    pub wal: Arc<Wal>,
    index: Mutex<Index>,
    names: Mutex<Names>,
    readers: Mutex<Vec<Connection>>,
    pub turns: Arc<Semaphore>,
}

impl Shared {
    pub fn new(path: PathBuf, clock: Monotonic, index: Index, names: Names) -> Shared {
        Shared {
            path,
            clock,
            queue: Queue::new(),
            changed: Notify::new(),
            wal: Arc::default(),
            index: Mutex::new(index),
            names: Mutex::new(names),
            readers: Mutex::default(),
            turns: Arc::new(Semaphore::new(READERS)),
        }
    }

    /// Never held together with [`Shared::names`].
    pub fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a change of the index and wakes the timekeeper if it was told a later time.
    pub fn with_index<T>(&self, change: impl FnOnce(&mut Index) -> T) -> T {
        let mut index = self.index();
        let out = change(&mut index);
        let wake = std::mem::take(&mut index.earlier);
        drop(index);
        if wake {
            self.changed.notify_one();
        }
        out
    }

    /// Runs a read on a connection of the pool, here and now.
    pub fn read<T>(&self, f: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let kept = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let c = match kept {
            Some(c) => c,
            None => open_reader(&self.path)?,
        };
        let out = f(&c).map_err(read_error);
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if out.is_ok() && readers.len() < READERS {
            readers.push(c);
        }
        out
    }

    /// Where a key's record is; asks the file for names that are not in memory.
    pub fn find(&self, c: &Connection, key: &Key) -> rusqlite::Result<Option<Rid>> {
        let found = self.names().find(key);
        match found {
            Found::At(rid) => Ok(Some(rid)),
            Found::Nowhere | Found::Impossible => Ok(None),
            Found::Ask => {
                let id: Option<i64> =
                    c.prepare_cached("SELECT id FROM named WHERE key = ?1")?.query_row([text(key)], |r| r.get(0)).optional()?;
                let Some(id) = id else { return Ok(None) };
                self.names().know(id, key.clone());
                Ok(Some(Rid::new(Class::Named, id)))
            }
        }
    }

    /// The key of a record.
    pub fn key(&self, c: &Connection, rid: Rid) -> rusqlite::Result<Option<Key>> {
        let known = self.names().key(rid);
        if known.is_some() || rid.class() != Class::Named {
            return Ok(known);
        }
        let key = key_of_named(c, rid.id())?;
        if let Some(key) = &key {
            self.names().know(rid.id(), key.clone());
        }
        Ok(key)
    }
}

/// A record as the file has it; `None` also where only its name is known.
pub(super) fn record(c: &Connection, rid: Rid, key: Key) -> rusqlite::Result<Option<Record>> {
    let sql = format!("SELECT {} FROM {} WHERE id = ?1 AND n > 0", rows::RECORD_COLUMNS, rid.class().table());
    c.prepare_cached(&sql)?.query_row([rid.id()], |r| rows::record(r, key)).optional()
}

pub(super) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let c = Connection::open_with_flags(path, flags).map_err(super::unavailable)?;
    c.set_prepared_statement_cache_capacity(64);
    c.execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -8192; PRAGMA busy_timeout = 2000;").map_err(super::unavailable)?;
    Ok(c)
}

/// What cannot be understood is corrupt; anything else may go better the next time.
pub(super) fn read_error(e: rusqlite::Error) -> StoreError {
    use rusqlite::{Error, ErrorCode};
    match &e {
        Error::FromSqlConversionFailure(..) | Error::InvalidColumnType(..) | Error::IntegralValueOutOfRange(..) | Error::Utf8Error(..) => {
            StoreError::Corrupt(e.to_string())
        }
        Error::SqliteFailure(f, _) if matches!(f.code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            StoreError::Corrupt(e.to_string())
        }
        _ => StoreError::Unavailable(e.to_string()),
    }
}
