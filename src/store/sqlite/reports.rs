//! The read side: SQL on read-only connections, away from the async threads.

use super::{
    SqliteStore,
    apply::{FEEDBACK_OWED, TOLD},
    rid::{Class, Rid},
    rows::{self, FACE_COLUMNS, RECORD_COLUMNS},
    shared::Shared,
};
use crate::{
    core::{
        ids::{CalloutId, WarningId},
        time::Time,
    },
    store::{
        CalloutFilter, CalloutState, Durability, Face, FaceCounts, FeedItem, Head, JournalRow, Key, Lane, Record, Reports, StoreError,
        TaskRow,
    },
};
use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter, types::Value};
use std::collections::BTreeSet;

/// Open records looked at under one lock of the index.
const LOOK: usize = 10_000;

fn limit(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// First and last id of a warning's callouts, of all callouts without one.
fn ids(warning: Option<WarningId>, cursor: Option<CalloutId>) -> (i64, i64) {
    let (first, last) = match warning {
        Some(w) => (CalloutId::new(w, 0).packed(), CalloutId::new(w, u32::MAX).packed()),
        None => (0, i64::MAX),
    };
    (cursor.map_or(first, |c| first.max(c.packed().saturating_add(1))), last)
}

/// The conditions of a filter as SQL, with their values after the two ids.
fn conditions(filter: &CalloutFilter) -> (String, Vec<Value>) {
    let mut sql = String::from("state IS NOT NULL");
    let mut values = Vec::new();
    let mut add = |condition: &str, value: Value| {
        sql.push_str(condition);
        values.push(value);
    };
    if let Some(state) = filter.state {
        add(" AND state = ?", Value::Text(state.as_str().to_string()));
    }
    if let Some(division) = filter.division {
        let (first, end) = division.range();
        add(" AND division >= ?", Value::Integer(rows::signed(first)));
        add(" AND division < ?", Value::Integer(rows::signed(end)));
    }
    if let Some(tier) = filter.tier {
        add(" AND tier = ?", Value::Text(tier.as_str().to_string()));
    }
    if filter.open {
        let open: Vec<String> = CalloutState::ALL.iter().filter(|s| s.is_open()).map(|s| format!("'{}'", s.as_str())).collect();
        sql.push_str(&format!(" AND state IN ({})", open.join(", ")));
    }
    if let Some(people) = &filter.recipients {
        let list: Vec<String> = people.iter().map(u32::to_string).collect();
        sql.push_str(&format!(" AND recipient IN ({})", list.join(", ")));
    }
    (sql, values)
}

fn select_callouts(c: &Connection, first: i64, last: i64, filter: &CalloutFilter, most: usize) -> rusqlite::Result<Vec<(Record, Face)>> {
    let (conditions, values) = conditions(filter);
    let sql = format!(
        "SELECT {RECORD_COLUMNS}, {}, id FROM callout WHERE id >= ? AND id <= ? AND {conditions} ORDER BY id LIMIT {}",
        FACE_COLUMNS.join(", "),
        limit(most)
    );
    let all = [Value::Integer(first), Value::Integer(last)].into_iter().chain(values);
    let mut statement = c.prepare(&sql)?;
    let mut found = statement.query(params_from_iter(all))?;
    let mut out = Vec::new();
    while let Some(r) = found.next()? {
        let key = Key::Callout(CalloutId::from_packed(r.get(4 + FACE_COLUMNS.len())?));
        if let Some(face) = rows::face(r, 4)? {
            out.push((rows::record(r, key)?, face));
        }
    }
    Ok(out)
}

/// A person's open callouts over all warnings: found in memory, for there is no index by person.
fn open_callouts_of(
    s: &Shared,
    warning: Option<WarningId>,
    filter: &CalloutFilter,
    cursor: Option<CalloutId>,
    most: usize,
) -> Result<Vec<(Record, Face)>, StoreError> {
    let people: BTreeSet<u32> = filter.recipients.iter().flatten().copied().collect();
    let (first, last) = ids(warning, cursor);
    let callout = |id| Rid::new(Class::Callout, id);
    let mut from = Some(callout(first));
    let mut out = Vec::new();
    while let Some(start) = from {
        let (found, next) = s.index().open_callouts_of(&people, start, callout(last), LOOK);
        from = next;
        s.read(|c| {
            for rid in found {
                out.extend(select_callouts(c, rid.id(), rid.id(), filter, 1)?);
            }
            Ok(())
        })?;
        if out.len() >= most {
            break;
        }
    }
    out.truncate(most);
    Ok(out)
}

fn read_faces(c: &Connection, warning: WarningId) -> rusqlite::Result<Vec<(CalloutId, Face)>> {
    let (first, last) = ids(Some(warning), None);
    let sql = format!("SELECT id, {} FROM callout WHERE id >= ?1 AND id <= ?2 AND state IS NOT NULL ORDER BY id", FACE_COLUMNS.join(", "));
    let mut statement = c.prepare_cached(&sql)?;
    let mut found = statement.query([first, last])?;
    let mut out = Vec::new();
    while let Some(r) = found.next()? {
        if let Some(face) = rows::face(r, 1)? {
            out.push((CalloutId::from_packed(r.get(0)?), face));
        }
    }
    Ok(out)
}

pub(super) fn kept_counts(c: &Connection, warning: WarningId) -> rusqlite::Result<FaceCounts> {
    let mut counts = FaceCounts::default();
    let mut statement = c.prepare_cached("SELECT what, n FROM tally WHERE warning = ?1 AND n > 0")?;
    let mut found = statement.query([warning.0])?;
    while let Some(r) = found.next()? {
        let (what, n): (String, u64) = (r.get(0)?, rows::number(r, 1)?);
        match what.as_str() {
            TOLD => counts.told = n,
            FEEDBACK_OWED => counts.feedback_owed = n,
            state => counts.by_state.extend(CalloutState::ALL.into_iter().find(|s| s.as_str() == state).map(|s| (s, n))),
        }
    }
    Ok(counts)
}

pub(super) fn counted_anew(c: &Connection, warning: WarningId) -> rusqlite::Result<FaceCounts> {
    let (first, last) = ids(Some(warning), None);
    let sql = "SELECT state, told_only, count(*), sum(feedback_owed) FROM callout
        WHERE id >= ?1 AND id <= ?2 AND state IS NOT NULL GROUP BY state, told_only";
    let mut counts = FaceCounts::default();
    let mut statement = c.prepare_cached(sql)?;
    let mut found = statement.query([first, last])?;
    while let Some(r) = found.next()? {
        let (word, told, n, owed): (String, bool, u64, u64) = (r.get(0)?, r.get(1)?, rows::number(r, 2)?, rows::number(r, 3)?);
        if told {
            counts.told += n;
            continue;
        }
        counts.feedback_owed += owed;
        counts.by_state.extend(CalloutState::ALL.into_iter().find(|s| s.as_str() == word).map(|s| (s, n)));
    }
    Ok(counts)
}

/// Walks a record's journal from its last row to its first.
fn read_journal(s: &Shared, c: &Connection, key: &Key) -> rusqlite::Result<Vec<JournalRow>> {
    let Some(rid) = s.find(c, key)? else { return Ok(Vec::new()) };
    let sql = format!("SELECT journal FROM {} WHERE id = ?1", rid.class().table());
    let mut next: i64 = c.prepare_cached(&sql)?.query_row([rid.id()], |r| r.get(0)).optional()?.unwrap_or(0);
    let mut row = c.prepare_cached("SELECT n, at, head, entries, prev FROM journal WHERE seq = ?1 AND id = ?2")?;
    let mut out = Vec::new();
    while next > 0 {
        let (found, prev) = row.query_row(params![next, rid.0], |r| {
            let found =
                JournalRow { key: key.clone(), n: rows::number(r, 0)?, at: Time(r.get(1)?), head: Head(r.get(2)?), entries: r.get(3)? };
            Ok((found, r.get::<_, i64>(4)?))
        })?;
        // Rows are only appended, so a chain that does not go back is damaged.
        if prev >= next {
            return Err(rusqlite::Error::IntegralValueOutOfRange(4, prev));
        }
        next = prev;
        out.push(found);
    }
    out.reverse();
    Ok(out)
}

pub(super) fn read_feed(c: &Connection, seq: u64, most: usize) -> rusqlite::Result<Vec<(u64, FeedItem)>> {
    let mut statement = c.prepare_cached("SELECT seq, kind, warning, callout, at, data FROM feed WHERE seq > ?1 ORDER BY seq LIMIT ?2")?;
    let found = statement.query_map(params![rows::signed(seq), limit(most)], |r| {
        let data: String = r.get(5)?;
        let bad = |e| rusqlite::Error::FromSqlConversionFailure(5, rusqlite::types::Type::Text, Box::new(e));
        let item = FeedItem {
            kind: r.get(1)?,
            warning: r.get::<_, Option<u32>>(2)?.map(WarningId),
            callout: r.get::<_, Option<i64>>(3)?.map(CalloutId::from_packed),
            at: Time(r.get(4)?),
            data: serde_json::from_str(&data).map_err(bad)?,
        };
        Ok((rows::number(r, 0)?, item))
    })?;
    found.collect()
}

#[async_trait]
impl Reports for SqliteStore {
    fn durability(&self) -> Durability {
        Durability::new("sqlite: every commit is synced to this machine's disk before it is answered", "每次提交先写入本机磁盘再答复")
    }

    async fn warnings(&self, cursor: Option<WarningId>, most: usize) -> Result<Vec<Record>, StoreError> {
        self.query(move |_, c| {
            let sql = format!("SELECT {RECORD_COLUMNS}, id FROM warning WHERE id < ?1 AND n > 0 ORDER BY id DESC LIMIT ?2");
            let before = cursor.map_or(i64::MAX, |w| i64::from(w.0));
            let mut statement = c.prepare_cached(&sql)?;
            statement.query_map([before, limit(most)], |r| rows::record(r, Key::Warning(WarningId(r.get(4)?))))?.collect()
        })
        .await
    }

    async fn callouts(
        &self,
        warning: Option<WarningId>,
        filter: &CalloutFilter,
        cursor: Option<CalloutId>,
        most: usize,
    ) -> Result<Vec<(Record, Face)>, StoreError> {
        let filter = filter.clone();
        self.blocking(move |s| {
            if filter.open && filter.recipients.is_some() {
                return open_callouts_of(s, warning, &filter, cursor, most);
            }
            let (first, last) = ids(warning, cursor);
            s.read(|c| select_callouts(c, first, last, &filter, most))
        })
        .await
    }

    async fn faces(&self, warning: WarningId) -> Result<Vec<(CalloutId, Face)>, StoreError> {
        self.query(move |_, c| read_faces(c, warning)).await
    }

    async fn counts(&self, warning: WarningId) -> Result<FaceCounts, StoreError> {
        self.query(move |_, c| kept_counts(c, warning)).await
    }

    async fn recount(&self, warning: WarningId) -> Result<FaceCounts, StoreError> {
        self.query(move |_, c| counted_anew(c, warning)).await
    }

    async fn journal(&self, key: &Key) -> Result<Vec<JournalRow>, StoreError> {
        let key = key.clone();
        self.query(move |s, c| read_journal(s, c, &key)).await
    }

    async fn tasks(&self, warning: Option<WarningId>, open_only: bool, most: usize) -> Result<Vec<TaskRow>, StoreError> {
        self.query(move |_, c| {
            let which = if warning.is_some() { "warning = ?1" } else { "?1 IS NULL" };
            // Spelt so that the index of open tasks, which is in this order already, serves it.
            let rest = if open_only { "AND closed IS NULL ORDER BY due_at, id" } else { "ORDER BY closed IS NOT NULL, due_at, id" };
            let mut statement = c.prepare_cached(&format!("SELECT {} FROM task WHERE {which} {rest} LIMIT ?2", rows::TASK_COLUMNS))?;
            statement.query_map(params![warning.map(|w| w.0), limit(most)], rows::task)?.collect()
        })
        .await
    }

    async fn task(&self, id: &str) -> Result<Option<TaskRow>, StoreError> {
        let id = id.to_string();
        self.query(move |_, c| {
            let sql = format!("SELECT {} FROM task WHERE id = ?1", rows::TASK_COLUMNS);
            c.prepare_cached(&sql)?.query_row([id], rows::task).optional()
        })
        .await
    }

    async fn feed_after(&self, seq: u64, most: usize) -> Result<Vec<(u64, FeedItem)>, StoreError> {
        self.query(move |_, c| read_feed(c, seq, most)).await
    }

    async fn feed_tip(&self) -> Result<u64, StoreError> {
        self.query(|_, c| c.prepare_cached("SELECT ifnull(max(seq), 0) FROM feed")?.query_row([], |r| rows::number(r, 0))).await
    }

    async fn without_clock(&self) -> Result<Vec<Key>, StoreError> {
        self.query(|_, c| {
            let mut statement = c.prepare_cached("SELECT id FROM callout WHERE live = 2 AND live > 0 ORDER BY id")?;
            statement.query_map([], |r| Ok(Key::Callout(CalloutId::from_packed(r.get(0)?))))?.collect()
        })
        .await
    }

    async fn queue_depth(&self) -> Result<Vec<(Lane, u64)>, StoreError> {
        Ok(self.shared.index().queue_depth().into_iter().map(|(lane, n)| (Lane(lane), n)).collect())
    }
}
