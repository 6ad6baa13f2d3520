//! What belongs to no warning and is over (see `store::archive`), in a file: found by a reader, let go of in the writer's thread.

use super::{
    apply::Group,
    rid::{Class, Rid, key_of},
    rows,
    shelf::{drop_record, drop_rows},
};
use crate::{
    core::time::Time,
    store::{
        Head, Key, StoreError,
        archive::{FEW, Spent, leaves_whole},
    },
};
use rusqlite::{Connection, OptionalExtension, Result, params};
use std::collections::BTreeSet;

/// In this order.
const CLASSES: [Class; 3] = [Class::Callback, Class::Named, Class::Line];
/// Records looked at in one call.
const LOOKED_AT: usize = 20_000;

/// Where a search goes on: after this row of this table.
#[derive(Clone, Copy)]
pub(super) struct Place {
    class: usize,
    id: i64,
}
impl Place {
    /// # Errors
    /// `Corrupt` when it is not what [`find`] answered.
    pub fn read(text: &str) -> std::result::Result<Place, StoreError> {
        let numbers = text.split_once(' ').and_then(|(class, id)| Some((class.parse().ok()?, id.parse().ok()?)));
        match numbers {
            Some((class, id)) => Ok(Place { class, id }),
            None if text.is_empty() => Ok(Place { class: 0, id: -1 }),
            None => Err(StoreError::Corrupt(format!("`{text}` is not where a search ended"))),
        }
    }
}

/// A row of a journal.
struct Row {
    seq: i64,
    n: u64,
    at: Time,
    head: Head,
    prev: i64,
}

fn row(c: &Connection, rid: Rid, seq: i64) -> Result<Option<Row>> {
    let mut get = c.prepare_cached("SELECT n, at, head, prev FROM journal WHERE seq = ?1 AND id = ?2")?;
    let read = |r: &rusqlite::Row<'_>| Ok(Row { seq, n: rows::number(r, 0)?, at: Time(r.get(1)?), head: Head(r.get(2)?), prev: r.get(3)? });
    // Rows are only appended, so a chain that does not go back is damaged.
    Ok(get.query_row(params![seq, rid.0], read).optional()?.filter(|r| r.prev < seq))
}

/// About `most`, and where to go on; empty where all was looked at.
pub(super) fn find(c: &Connection, before: Time, from: Place, most: usize) -> Result<(Vec<Spent>, String)> {
    let (mut out, mut looked, mut after) = (Vec::new(), 0, from.id);
    for (n, class) in CLASSES.into_iter().enumerate().skip(from.class) {
        let key = if class.has_key() { "key" } else { "NULL" };
        let sql = format!("SELECT id, journal, live, {key} FROM {} WHERE id > ?1 AND n > 0 ORDER BY id", class.table());
        let mut all = c.prepare_cached(&sql)?;
        let mut found = all.query([after])?;
        while let Some(r) = found.next()? {
            let (id, journal, live): (i64, i64, i64) = (r.get(0)?, r.get(1)?, r.get(2)?);
            let rid = Rid::new(class, id);
            let text: Option<String> = r.get(3)?;
            if let Some(key) = key_of(rid, text.as_deref()) {
                out.extend(spent(c, rid, key, journal, live == 0, before)?);
            }
            looked += 1;
            if out.len() >= most || looked >= LOOKED_AT {
                return Ok((out, format!("{n} {id}")));
            }
        }
        after = -1;
    }
    Ok((out, String::new()))
}

fn spent(c: &Connection, rid: Rid, key: Key, journal: i64, over: bool, before: Time) -> Result<Option<Spent>> {
    let Some(whole) = leaves_whole(&key) else { return Ok(None) };
    if whole {
        let last = if over { row(c, rid, journal)?.filter(|r| r.at <= before) } else { None };
        return Ok(last.map(|r| Spent { key, row: r.n, head: r.head, whole }));
    }
    let mut at = row(c, rid, journal)?;
    while let Some(r) = at.as_ref().filter(|r| r.at > before) {
        at = row(c, rid, r.prev)?;
    }
    let Some(last) = at else { return Ok(None) };
    let mut seq = last.prev;
    for _ in 0..FEW {
        let Some(r) = row(c, rid, seq)? else { return Ok(None) };
        seq = r.prev;
    }
    Ok(Some(Spent { key, row: last.n, head: last.head, whole }))
}

/// What is still as it is named; the rest is left.
pub(super) fn let_go(c: &Connection, group: &mut Group<'_, '_>, what: &[Spent]) -> Result<()> {
    let waiting: BTreeSet<i64> = c.prepare_cached("SELECT DISTINCT id FROM inbox")?.query_map([], |r| r.get(0))?.collect::<Result<_>>()?;
    for s in what {
        let Some(rid) = group.shared.find(c, &s.key)? else { continue };
        let sql = format!("SELECT head, journal, live FROM {} WHERE id = ?1", rid.class().table());
        let is = c.prepare_cached(&sql)?.query_row([rid.id()], |r| Ok((Head(r.get(0)?), r.get::<_, i64>(1)?, r.get::<_, i64>(2)?)));
        let Some((head, journal, live)) = is.optional()? else { continue };
        if s.whole {
            if head == s.head && live == 0 && !waiting.contains(&rid.0) && !group.shared.index().is_leased(rid) {
                drop_record(c, group, rid, journal)?;
            }
            continue;
        }
        let mut at = row(c, rid, journal)?;
        while let Some(r) = at.as_ref().filter(|r| r.n > s.row) {
            at = row(c, rid, r.prev)?;
        }
        if let Some(first) = at.filter(|r| (r.n, r.head) == (s.row, s.head)) {
            c.prepare_cached("UPDATE journal SET prev = 0 WHERE seq = ?1")?.execute([first.seq])?;
            drop_rows(c, rid, first.prev)?;
        }
    }
    Ok(())
}
