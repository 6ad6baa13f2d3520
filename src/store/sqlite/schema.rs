//! The tables, and how an older file becomes a newer one.
//!
//! ```text
//! callout   id = warning << 32 | ordinal: the rows of one warning stand side by side. The face in
//!           columns for people and reports, the whole state in `body` (JSON), last so that reading
//!           the columns does not touch it.
//! warning, callback   id = their number.
//! line      id = order of first mention, `key` = the number; found through memory, so that the
//!           lines of a warning's people are neighbours too and no random index is written.
//! named     id = order of first mention, `key` = place/<warning>/<place> or named/<name>.
//! journal   one row a commit, appended only; `prev` is the seq of the same record's row before it,
//!           and the record keeps its last, so a timeline is walked backwards without any index.
//! inbox     letters by seq; who has which is known in memory, rebuilt at the start.
//! tally     counts by warning, changed once a group.   sequence   numbers given.   meta   one row.
//! feed, task, identity, blob, doc, doc_kind: as their names say.
//! ```
//!
//! Everywhere `id` of journal, inbox and blob is `class << 56 | id` (see `rid`). `live` is 1 with a
//! `due`, 2 for an open callout without one (law 1: never), 0 when finished; it changes seldom, so
//! the partial indexes on it, which find what is open at the start, cost next to nothing.
//!
//! For people at the `sqlite3` prompt: the views `v_callout`, `v_unanswered`, `v_warning`, `v_journal`.

use crate::store::StoreError;
use rusqlite::Connection;

/// Each script brings a file from version i to i + 1 (`PRAGMA user_version`).
const MIGRATIONS: &[&str] = &[V1];

const V1: &str = "
CREATE TABLE meta (id INTEGER PRIMARY KEY CHECK (id = 1), now INTEGER NOT NULL, letter INTEGER NOT NULL);
INSERT INTO meta VALUES (1, -9223372036854775808, 0);

CREATE TABLE callout (
  id INTEGER PRIMARY KEY, live INTEGER NOT NULL, head BLOB NOT NULL, n INTEGER NOT NULL, journal INTEGER NOT NULL,
  lane INTEGER NOT NULL, due INTEGER, state TEXT, told_only INTEGER, closed_reason TEXT, division INTEGER, place TEXT,
  tier TEXT, role TEXT, recipient INTEGER, answer_ms INTEGER, on_time INTEGER, via TEXT, relation TEXT,
  feedback_owed INTEGER, places TEXT, body BLOB NOT NULL);
CREATE INDEX callout_live ON callout (live) WHERE live > 0;

CREATE TABLE warning (id INTEGER PRIMARY KEY, live INTEGER NOT NULL, head BLOB NOT NULL, n INTEGER NOT NULL,
  journal INTEGER NOT NULL, lane INTEGER NOT NULL, due INTEGER, body BLOB NOT NULL);
CREATE INDEX warning_live ON warning (live) WHERE live > 0;
CREATE TABLE callback (id INTEGER PRIMARY KEY, live INTEGER NOT NULL, head BLOB NOT NULL, n INTEGER NOT NULL,
  journal INTEGER NOT NULL, lane INTEGER NOT NULL, due INTEGER, body BLOB NOT NULL);
CREATE INDEX callback_live ON callback (live) WHERE live > 0;
CREATE TABLE line (id INTEGER PRIMARY KEY, key TEXT NOT NULL, live INTEGER NOT NULL, head BLOB NOT NULL, n INTEGER NOT NULL,
  journal INTEGER NOT NULL, lane INTEGER NOT NULL, due INTEGER, body BLOB NOT NULL);
CREATE INDEX line_live ON line (live) WHERE live > 0;
CREATE TABLE named (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, live INTEGER NOT NULL, head BLOB NOT NULL, n INTEGER NOT NULL,
  journal INTEGER NOT NULL, lane INTEGER NOT NULL, due INTEGER, body BLOB NOT NULL);
CREATE INDEX named_live ON named (live) WHERE live > 0;

CREATE TABLE journal (seq INTEGER PRIMARY KEY, id INTEGER NOT NULL, n INTEGER NOT NULL, prev INTEGER NOT NULL,
  at INTEGER NOT NULL, head BLOB NOT NULL, entries BLOB NOT NULL);
CREATE TABLE inbox (seq INTEGER PRIMARY KEY, id INTEGER NOT NULL, lane INTEGER NOT NULL, ready INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE tally (warning INTEGER NOT NULL, what TEXT NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (warning, what)) WITHOUT ROWID;
CREATE TABLE sequence (name TEXT PRIMARY KEY, given INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE feed (seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, warning INTEGER, callout INTEGER, at INTEGER NOT NULL, data TEXT NOT NULL);
CREATE TABLE task (id TEXT PRIMARY KEY, kind TEXT NOT NULL, title TEXT NOT NULL, warning INTEGER, callout INTEGER, division INTEGER,
  opened_at INTEGER NOT NULL, due_at INTEGER NOT NULL, claimed_by TEXT, claimed_at INTEGER, closed TEXT, note TEXT) WITHOUT ROWID;
CREATE INDEX task_open ON task (due_at, id) WHERE closed IS NULL;
CREATE INDEX task_warning ON task (warning, due_at);
CREATE TABLE identity (identifier TEXT NOT NULL, sender TEXT NOT NULL, issuer TEXT NOT NULL, digest TEXT NOT NULL,
  warning INTEGER NOT NULL, PRIMARY KEY (identifier, sender, issuer)) WITHOUT ROWID;
CREATE TABLE blob (id INTEGER NOT NULL, name TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (id, name));
CREATE TABLE doc_kind (kind TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE doc (kind TEXT NOT NULL, id TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (kind, id)) WITHOUT ROWID;

CREATE VIEW v_callout AS SELECT
  'w' || (id >> 32) || '-' || (id & 4294967295) AS callout, 'w' || (id >> 32) AS warning, state, told_only, closed_reason,
  printf('%012d', division) AS division, place, tier, role, 'p' || recipient AS recipient, answer_ms / 1000.0 AS answer_s, on_time,
  via, relation, feedback_owed, lane, strftime('%Y-%m-%d %H:%M:%S', due / 1000, 'unixepoch', '+8 hours') AS next_at_beijing,
  CAST(body AS TEXT) AS body FROM callout;
CREATE VIEW v_unanswered AS SELECT * FROM v_callout
  WHERE told_only = 0 AND state IN ('queued', 'calling', 'overdue', 'handed_over', 'unreachable');
CREATE VIEW v_warning AS SELECT 'w' || id AS warning, live > 0 AS open,
  strftime('%Y-%m-%d %H:%M:%S', due / 1000, 'unixepoch', '+8 hours') AS next_at_beijing, CAST(body AS TEXT) AS body FROM warning WHERE n > 0;
CREATE VIEW v_journal AS SELECT seq, CASE id >> 56 WHEN 0 THEN 'w' || id
    WHEN 1 THEN 'w' || ((id & 72057594037927935) >> 32) || '-' || (id & 4294967295)
    WHEN 2 THEN 'line' WHEN 3 THEN (SELECT key FROM named WHERE named.id = journal.id & 72057594037927935)
    ELSE 'callback/' || (id & 72057594037927935) END AS record,
  n, strftime('%Y-%m-%d %H:%M:%f', at / 1000.0, 'unixepoch', '+8 hours') AS at_beijing, hex(head) AS head,
  CAST(entries AS TEXT) AS entries FROM journal;
";

/// Settings of the one connection that writes. The checkpoints are ours (see `wal`).
pub(super) fn prepare_writer(c: &Connection) -> Result<(), StoreError> {
    let all = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = -16384;
        PRAGMA temp_store = MEMORY; PRAGMA journal_size_limit = 67108864; PRAGMA busy_timeout = 50;";
    c.execute_batch(all).map_err(super::unavailable)?;
    let mode: String = c.query_row("PRAGMA journal_mode", [], |r| r.get(0)).map_err(super::unavailable)?;
    if mode != "wal" {
        return Err(StoreError::Unavailable(format!(
            "the database cannot use a write-ahead log here (journal_mode is `{mode}`); keep it on a local disk, not on a network share"
        )));
    }
    Ok(())
}

/// Brings the file to this program's version; refuses one that a newer program has written.
pub(super) fn migrate(c: &mut Connection) -> Result<(), StoreError> {
    let version: usize = c.query_row("PRAGMA user_version", [], |r| r.get::<_, u32>(0)).map_err(super::unavailable)? as usize;
    if version > MIGRATIONS.len() {
        return Err(StoreError::Unavailable(format!(
            "the database has schema version {version}, this program knows {} at most; start the newer program, or restore a backup from before the upgrade",
            MIGRATIONS.len()
        )));
    }
    for (at, script) in MIGRATIONS.iter().enumerate().skip(version) {
        let tx = c.transaction().map_err(super::unavailable)?;
        tx.execute_batch(script).map_err(super::unavailable)?;
        tx.pragma_update(None, "user_version", at as u32 + 1).map_err(super::unavailable)?;
        tx.commit().map_err(super::unavailable)?;
    }
    Ok(())
}
