//! Copies of a running store.

use super::{private, shared::open_reader, unavailable};
use crate::store::StoreError;
use rusqlite::{Connection, backup::Backup};
use std::{
    fs::{self, File},
    path::Path,
    time::Duration,
};

/// Copies the database `from` as it stands at one moment into the file `to`, also while a gateway
/// works on it. `to` appears whole or not at all, and replaces a file of that name. Blocks for as
/// long as the copying takes; meanwhile the gateway's write-ahead log cannot be restarted.
///
/// # Errors
/// `Unavailable` when either file cannot be read or written; `to` is then as it was.
pub fn backup(from: &Path, to: &Path) -> Result<(), StoreError> {
    let io = |what: &str, e: std::io::Error| StoreError::Unavailable(format!("{what} {}: {e}", to.display()));
    let mut partial = to.as_os_str().to_owned();
    partial.push(".partial");
    let partial = Path::new(&partial);
    if let Err(e) = fs::remove_file(partial)
        && e.kind() != std::io::ErrorKind::NotFound
    {
        return Err(io("cannot remove what an earlier backup left beside", e));
    }
    let made = private(partial).map_err(|e| io("cannot make a file beside", e));
    let moved = made.and_then(|_| copy(from, partial).map_err(unavailable)).and_then(|()| {
        File::open(partial).and_then(|f| f.sync_all()).map_err(|e| io("cannot sync the backup", e))?;
        fs::rename(partial, to).map_err(|e| io("cannot put the backup in place at", e))
    });
    if moved.is_err() {
        // It may not be there at all; what matters is told already.
        let _ = fs::remove_file(partial);
    }
    moved
}

fn copy(from: &Path, to: &Path) -> rusqlite::Result<()> {
    let source = open_reader(from).map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)))?;
    let mut target = Connection::open(to)?;
    // All pages in one step: in several, each commit of the gateway would start the copy anew.
    Backup::new(&source, &mut target)?.run_to_completion(i32::MAX, Duration::from_millis(50), None)?;
    // The copy is one file, complete without a log beside it.
    target.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))?;
    let sound: String = target.query_row("PRAGMA quick_check(1)", [], |r| r.get(0))?;
    if sound != "ok" {
        return Err(rusqlite::Error::ToSqlConversionFailure(format!("the copy is not sound: {sound}").into()));
    }
    Ok(())
}
