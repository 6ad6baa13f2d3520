//! What the archive asks of a store, in a file. A file serves as the archive itself, too: then it holds nothing but
//! copies, and the same two acts write and replace them.
//!
//! Both run in the writer's thread, each within its transaction. Forgetting is one act and holds the writer up
//! for about ten microseconds a row: nobody waits for an archive, but a live store of very large warnings would.

use super::{SqliteStore, apply::Group, filler::Filler, queue::Work, reports::counted_anew, rid::Class, rid::Rid, rows::signed};
use crate::{
    core::{
        ids::{CalloutId, WarningId},
        time::Time,
    },
    store::{
        Head, Key, StoreError, WriteLane,
        archive::{Forget, Forgetful, Forgot, Spent},
        transfer::Piece,
    },
};
use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Result, params};
use std::collections::{BTreeMap, BTreeSet};
use tokio::sync::oneshot;

/// What the writer is asked to do.
pub(super) enum Carry {
    Out(Forget),
    In(WarningId, Vec<Piece>),
    Away(Vec<Spent>),
}

pub(super) type Carried = Forgot;

impl Carry {
    pub fn run(&self, c: &Connection, group: &mut Group<'_, '_>) -> Result<Carried> {
        // What the group has counted so far stands before the rows it was counted from go or come.
        group.write_tallies()?;
        match self {
            Carry::Out(what) => forget(c, group, what),
            Carry::In(warning, pieces) => take_in(c, group, *warning, pieces).map(|()| Forgot::Done),
            Carry::Away(what) => super::spent::let_go(c, group, what).map(|()| Forgot::Done),
        }
    }
}

/// A row of the warning: its key, its head, its last journal row.
struct Own {
    rid: Rid,
    key: Key,
    head: Head,
    journal: i64,
}

/// Every row of a warning, names without a record included.
fn own(c: &Connection, w: WarningId) -> Result<Vec<Own>> {
    let mut all = Vec::new();
    let mut read = |class: Class, condition: &str, first: &dyn rusqlite::ToSql, last: &dyn rusqlite::ToSql| -> Result<()> {
        let key = if class.has_key() { "key" } else { "NULL" };
        let mut rows = c.prepare_cached(&format!("SELECT id, head, journal, {key} FROM {} WHERE {condition}", class.table()))?;
        let mut found = rows.query(params![first, last])?;
        while let Some(r) = found.next()? {
            let rid = Rid::new(class, r.get(0)?);
            let text: Option<String> = r.get(3)?;
            let key = super::rid::key_of(rid, text.as_deref());
            let key = key.ok_or_else(|| rusqlite::Error::IntegralValueOutOfRange(0, rid.0))?;
            all.push(Own { rid, key, head: Head(r.get(1)?), journal: r.get(2)? });
        }
        Ok(())
    };
    read(Class::Warning, "id >= ?1 AND id <= ?2", &w.0, &w.0)?;
    let (first, last) = (CalloutId::new(w, 0).packed(), CalloutId::new(w, u32::MAX).packed());
    read(Class::Callout, "id >= ?1 AND id <= ?2", &first, &last)?;
    let (first, end) = super::export::places(w);
    read(Class::Named, "key >= ?1 AND key < ?2", &first, &end)?;
    Ok(all)
}

fn forget(c: &Connection, group: &mut Group<'_, '_>, what: &Forget) -> Result<Forgot> {
    let heads: BTreeMap<&Key, Head> = what.heads.iter().map(|(k, h)| (k, *h)).collect();
    let rows = own(c, what.warning)?;
    let waiting: BTreeSet<i64> = c.prepare_cached("SELECT DISTINCT id FROM inbox")?.query_map([], |r| r.get(0))?.collect::<Result<_>>()?;
    for row in &rows {
        // A name that was only mentioned has no head.
        if row.head != Head::NONE && heads.get(&row.key) != Some(&row.head) {
            return Ok(Forgot::Changed(format!("{} is not as it was archived", row.key)));
        }
        if waiting.contains(&row.rid.0) {
            return Ok(Forgot::Changed(format!("a letter waits for {}", row.key)));
        }
        if group.shared.index().is_leased(row.rid) {
            return Ok(Forgot::Changed(format!("{} is being worked", row.key)));
        }
    }
    let open = "SELECT id FROM task WHERE warning = ?1 AND closed IS NULL LIMIT 1";
    let open: Option<String> = c.prepare_cached(open)?.query_row([what.warning.0], |r| r.get(0)).optional()?;
    if let Some(task) = open {
        return Ok(Forgot::Changed(format!("the task {task} is open")));
    }
    for row in &rows {
        drop_record(c, group, row.rid, row.journal)?;
    }
    c.prepare_cached("DELETE FROM task WHERE warning = ?1")?.execute([what.warning.0])?;
    c.prepare_cached("DELETE FROM tally WHERE warning = ?1")?.execute([what.warning.0])?;
    Ok(Forgot::Done)
}

/// A record's row, its journal back from the row `journal`, its blobs.
pub(super) fn drop_record(c: &Connection, group: &mut Group<'_, '_>, rid: Rid, journal: i64) -> Result<()> {
    drop_rows(c, rid, journal)?;
    c.prepare_cached("DELETE FROM blob WHERE id = ?1")?.execute([rid.0])?;
    let gone = format!("DELETE FROM {} WHERE id = ?1", rid.class().table());
    c.prepare_cached(&gone)?.execute([rid.id()])?;
    group.marks.remove(&rid);
    // Read again from the file by whoever asks, which matters where this comes to nothing.
    group.shared.names().forget(rid);
    Ok(())
}

/// A record's journal from a row back to its first.
pub(super) fn drop_rows(c: &Connection, rid: Rid, mut seq: i64) -> Result<()> {
    let mut step = c.prepare_cached("DELETE FROM journal WHERE seq = ?1 AND id = ?2 RETURNING prev")?;
    while seq > 0 {
        seq = step.query_row(params![seq, rid.0], |r| r.get(0)).optional()?.unwrap_or(0);
    }
    Ok(())
}

fn failed(e: StoreError) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(Box::new(e))
}

fn take_in(c: &Connection, group: &mut Group<'_, '_>, w: WarningId, pieces: &[Piece]) -> Result<()> {
    let mut filler = Filler::new(c).map_err(failed)?;
    let mut ids = Vec::new();
    let mut there = BTreeSet::new();
    for piece in pieces {
        let Piece::Entity(e) = piece else { continue };
        let (rid, fresh) = group.resolve(&e.key)?;
        let sql = format!("SELECT n FROM {} WHERE id = ?1", rid.class().table());
        let n: Option<i64> = if fresh { None } else { c.prepare_cached(&sql)?.query_row([rid.id()], |r| r.get(0)).optional()? };
        match n {
            Some(n) if n > 0 => drop(there.insert(e.key.clone())),
            // Only its name stands there; it is written with the record.
            Some(_) => drop(c.prepare_cached(&format!("DELETE FROM {} WHERE id = ?1", rid.class().table()))?.execute([rid.id()])?),
            None => {}
        }
        group.marks.remove(&rid);
        ids.push((e.key.clone(), rid));
    }
    filler.go_on(group.counters.journal, ids);
    // Blobs belong to records that stand; the rest is in any order.
    let (entities, rest): (Vec<&Piece>, Vec<&Piece>) = pieces.iter().partition(|p| matches!(p, Piece::Entity(_)));
    let mut whole = false;
    for piece in entities.into_iter().chain(rest) {
        match piece {
            Piece::Entity(e) => {
                whole |= e.key == Key::Warning(w);
                if !there.contains(&e.key) {
                    filler.piece(piece.clone()).map_err(failed)?;
                }
            }
            Piece::Blob { key, name, body } => {
                let (rid, _) = group.resolve(key)?;
                c.prepare_cached("INSERT OR IGNORE INTO blob (id, name, body) VALUES (?1, ?2, ?3)")?.execute(params![rid.0, name, body])?;
            }
            Piece::Task(t) => {
                c.prepare_cached("DELETE FROM task WHERE id = ?1")?.execute([&t.id])?;
                filler.piece(piece.clone()).map_err(failed)?;
            }
            _ => {}
        }
    }
    group.counters.journal = filler.journal();
    if whole {
        tally(c, w)?;
    }
    Ok(())
}

/// The counts of a warning that is whole again.
fn tally(c: &Connection, w: WarningId) -> Result<()> {
    c.prepare_cached("DELETE FROM tally WHERE warning = ?1")?.execute([w.0])?;
    let counts = counted_anew(c, w)?;
    let states = counts.by_state.iter().map(|(state, n)| (state.as_str(), *n));
    let all = states.chain([(super::apply::TOLD, counts.told), (super::apply::FEEDBACK_OWED, counts.feedback_owed)]);
    let mut put = c.prepare_cached("INSERT INTO tally (warning, what, n) VALUES (?1, ?2, ?3)")?;
    for (what, n) in all.filter(|(_, n)| *n > 0) {
        put.execute(params![w.0, what, signed(n)])?;
    }
    Ok(())
}

impl SqliteStore {
    async fn carry(&self, carry: Carry) -> std::result::Result<Carried, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.shared.queue.ask(WriteLane::Planning, Work::Carry { carry, reply }, answer).await
    }
}

#[async_trait]
impl Forgetful for SqliteStore {
    async fn forget(&self, what: &Forget) -> std::result::Result<Forgot, StoreError> {
        self.carry(Carry::Out(what.clone())).await
    }

    async fn take_in(&self, warning: WarningId, pieces: Vec<Piece>) -> std::result::Result<(), StoreError> {
        let foreign = |p: &Piece| matches!(p, Piece::Entity(e) if !belongs(warning, &e.key));
        if pieces.iter().any(foreign) {
            return Err(StoreError::Corrupt(format!("a record is taken in that is not of {warning}")));
        }
        self.carry(Carry::In(warning, pieces)).await.map(drop)
    }

    async fn spent(&self, before: Time, from: &str, most: usize) -> std::result::Result<(Vec<Spent>, String), StoreError> {
        let from = super::spent::Place::read(from)?;
        let (found, next) = self.query(move |_, c| super::spent::find(c, before, from, most)).await?;
        Ok((found, next))
    }

    async fn let_go(&self, what: &[Spent]) -> std::result::Result<(), StoreError> {
        self.carry(Carry::Away(what.to_vec())).await.map(drop)
    }
}

fn belongs(w: WarningId, key: &Key) -> bool {
    match key {
        Key::Warning(of) | Key::Place(of, _) => *of == w,
        Key::Callout(c) => c.warning == w,
        Key::Line(_) | Key::Callback(_) | Key::Named(_) => false,
    }
}
