//! A file filled from another store. It grows beside its place under another name and is moved there
//! when it is whole: until then a gateway finds nothing, and what a broken move left is begun anew.

use super::{
    export::export,
    filler::Filler,
    lock, private, schema,
    shared::{open_reader, read_error},
    unavailable,
};
use crate::store::{
    StoreError,
    transfer::{Export, GATEWAYS, Import, KEYS, Piece, Scope, Sender},
};
use async_trait::async_trait;
use rusqlite::Connection;
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

/// Feed items a file keeps.
const FEED_KEPT: u64 = 1_000_000;

/// A place for a file, held against gateways. See the module's head.
pub struct SqliteImport {
    path: PathBuf,
    growing: PathBuf,
    filler: Arc<Mutex<Option<Filler>>>,
    /// Released last.
    _lock: File,
}

impl SqliteImport {
    /// # Errors
    /// `Unavailable` when a gateway uses the file, or its folder cannot be written.
    pub fn open(path: impl AsRef<Path>) -> Result<SqliteImport, StoreError> {
        let path = path.as_ref().to_path_buf();
        let lock = lock(&path)?;
        let growing = beside(&path, ".moving");
        Ok(SqliteImport { path, growing, filler: Arc::default(), _lock: lock })
    }

    /// Works on the growing file, away from the async threads.
    async fn fill(&self, f: impl FnOnce(&mut Filler) -> Result<(), StoreError> + Send + 'static) -> Result<(), StoreError> {
        let filler = Arc::clone(&self.filler);
        let done = tokio::task::spawn_blocking(move || match filler.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            Some(filler) => f(filler),
            None => Err(StoreError::Unavailable("nothing was begun here".to_string())),
        });
        done.await.unwrap_or_else(|e| Err(StoreError::Unavailable(format!("writing was broken off: {e}"))))
    }

    fn io(&self, e: &std::io::Error) -> StoreError {
        StoreError::Unavailable(format!("{}: {e}", self.growing.display()))
    }
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

fn remove(path: &Path) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// How much of what a file holds, in words.
fn contents(c: &Connection) -> rusqlite::Result<Option<String>> {
    let tables: i64 = c.query_row("SELECT count(*) FROM sqlite_master WHERE type = 'table'", [], |r| r.get(0))?;
    if tables == 0 {
        return Ok(None);
    }
    let mut found = Vec::new();
    for (table, condition) in [
        ("warning", "n > 0".to_string()),
        ("callout", "1".to_string()),
        ("line", "1".to_string()),
        ("named", "1".to_string()),
        ("callback", "1".to_string()),
        ("inbox", "1".to_string()),
        ("task", "1".to_string()),
        ("feed", "1".to_string()),
        ("identity", "1".to_string()),
        ("sequence", "1".to_string()),
        ("doc", format!("kind NOT IN ('{KEYS}', '{GATEWAYS}')")),
    ] {
        let n: i64 = c.query_row(&format!("SELECT count(*) FROM {table} WHERE {condition}"), [], |r| r.get(0))?;
        if n > 0 {
            found.push(format!("{n} rows of {table}"));
        }
    }
    Ok((!found.is_empty()).then(|| found.join(", ")))
}

#[async_trait]
impl Export for SqliteImport {
    async fn export(&self, scope: Scope, to: Sender) -> Result<Sender, StoreError> {
        export(&self.growing, scope, to).await
    }

    async fn gateways(&self) -> Result<u64, StoreError> {
        Ok(0)
    }
}

#[async_trait]
impl Import for SqliteImport {
    async fn holds(&self) -> Result<Option<String>, StoreError> {
        if !self.path.exists() {
            return Ok(None);
        }
        let c = open_reader(&self.path)?;
        contents(&c).map_err(read_error)
    }

    async fn begin(&self) -> Result<(), StoreError> {
        let mut filler = self.filler.lock().unwrap_or_else(PoisonError::into_inner);
        *filler = None;
        for end in ["", "-wal", "-shm", "-journal"] {
            remove(&beside(&self.growing, end)).map_err(|e| self.io(&e))?;
        }
        private(&self.growing).map_err(|e| self.io(&e))?;
        let mut c = Connection::open(&self.growing).map_err(unavailable)?;
        // Nobody reads it before it is whole, and what breaks off is thrown away: no journal, one sync at the end.
        c.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -65536; PRAGMA temp_store = MEMORY;")
            .map_err(unavailable)?;
        schema::migrate(&mut c)?;
        *filler = Some(Filler::new(c)?);
        Ok(())
    }

    async fn put(&self, pieces: Vec<Piece>) -> Result<(), StoreError> {
        self.fill(move |f| f.put(pieces)).await
    }

    async fn settle(&self) -> Result<(), StoreError> {
        self.fill(Filler::finish).await?;
        File::open(&self.growing).and_then(|f| f.sync_all()).map_err(|e| self.io(&e))
    }

    async fn publish(&self) -> Result<(), StoreError> {
        *self.filler.lock().unwrap_or_else(PoisonError::into_inner) = None;
        // A file that holds nothing may stand there, with a log that must not be taken for the new one's.
        for end in ["", "-wal", "-shm"] {
            remove(&beside(&self.path, end)).map_err(|e| self.io(&e))?;
        }
        let moved = fs::rename(&self.growing, &self.path).and_then(|()| match self.path.parent() {
            Some(dir) if !dir.as_os_str().is_empty() => File::open(dir)?.sync_all(),
            _ => File::open(".")?.sync_all(),
        });
        moved.map_err(|e| self.io(&e))
    }

    fn feed_kept(&self) -> u64 {
        FEED_KEPT
    }
}
