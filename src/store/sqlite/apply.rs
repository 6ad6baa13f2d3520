//! One commit to SQL: check the state it was decided on, then write. No savepoints: a check that
//! fails has written nothing, and an SQL error rolls back the whole group (see `writer`).

use super::{
    index::{FaceBits, Mark, NEVER},
    rid::{Class, Found, Rid, parse_text, text},
    rows::{self, FACE_COLUMNS, bind_face, due, mark, mark_columns, signed},
    shared::Shared,
};
use crate::{
    core::{ids::WarningId, time::Time},
    store::{Commit, Committed, FeedItem, Head, Identity, Key, TaskRow},
};
use rusqlite::{Connection, OptionalExtension, Result, Statement, params};
use std::collections::{BTreeMap, HashMap};

/// The newest feed items that are kept; a subscriber further behind starts anew.
const FEED_KEPT: i64 = 1_000_000;

/// The statements of one table of records.
struct Records<'c> {
    insert: Statement<'c>,
    update: Statement<'c>,
    live: Statement<'c>,
    mark: Statement<'c>,
}
impl<'c> Records<'c> {
    fn prepare(c: &'c Connection, class: Class) -> Result<Records<'c>> {
        let (table, key) = (class.table(), if class.has_key() { ", key" } else { "" });
        let value = if class.has_key() { ", ?9" } else { "" };
        Ok(Records {
            insert: c.prepare(&format!(
                "INSERT INTO {table} (id, live, head, n, journal, lane, due, body{key}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8{value})
                 ON CONFLICT (id) DO NOTHING"
            ))?,
            update: c
                .prepare(&format!("UPDATE {table} SET head = ?2, n = ?3, journal = ?4, lane = ?5, due = ?6, body = ?7 WHERE id = ?1"))?,
            live: c.prepare(&format!("UPDATE {table} SET live = ?2 WHERE id = ?1"))?,
            mark: c.prepare(&format!("SELECT {} FROM {table} WHERE id = ?1", mark_columns(class)))?,
        })
    }
}

pub(super) struct Statements<'c> {
    records: [Records<'c>; Class::ALL.len()],
    insert_callout: Statement<'c>,
    update_callout: Statement<'c>,
    journal: Statement<'c>,
    letter: Statement<'c>,
    consume: Statement<'c>,
    task: Statement<'c>,
    feed: Statement<'c>,
    trim_feed: Statement<'c>,
    identity: Statement<'c>,
    identity_of: Statement<'c>,
    blob: Statement<'c>,
    named: Statement<'c>,
    tally: Statement<'c>,
    meta: Statement<'c>,
}
impl<'c> Statements<'c> {
    pub fn prepare(c: &'c Connection) -> Result<Statements<'c>> {
        let [a, b, d, e, f] = Class::ALL.map(|class| Records::prepare(c, class));
        let columns = FACE_COLUMNS.join(", ");
        let values: Vec<String> = (9..9 + FACE_COLUMNS.len()).map(|i| format!("?{i}")).collect();
        let sets: Vec<String> = FACE_COLUMNS.iter().enumerate().map(|(i, name)| format!("{name} = ?{}", i + 8)).collect();
        Ok(Statements {
            records: [a?, b?, d?, e?, f?],
            insert_callout: c.prepare(&format!(
                "INSERT INTO callout (id, live, head, n, journal, lane, due, body, {columns}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, {})
                 ON CONFLICT (id) DO NOTHING",
                values.join(", ")
            ))?,
            update_callout: c.prepare(&format!(
                "UPDATE callout SET head = ?2, n = ?3, journal = ?4, lane = ?5, due = ?6, body = ?7, {} WHERE id = ?1",
                sets.join(", ")
            ))?,
            journal: c.prepare("INSERT INTO journal (seq, id, n, prev, at, head, entries) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?,
            letter: c.prepare("INSERT INTO inbox (seq, id, lane, ready, body) VALUES (?1, ?2, ?3, ?4, ?5)")?,
            consume: c.prepare("DELETE FROM inbox WHERE seq = ?1 AND id = ?2")?,
            task: c.prepare(&format!(
                "INSERT OR REPLACE INTO task ({}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
                rows::TASK_COLUMNS
            ))?,
            feed: c.prepare("INSERT INTO feed (seq, kind, warning, callout, at, data) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?,
            trim_feed: c.prepare("DELETE FROM feed WHERE seq <= ?1")?,
            identity: c.prepare("INSERT INTO identity (identifier, sender, issuer, digest, warning) VALUES (?1, ?2, ?3, ?4, ?5)")?,
            identity_of: c.prepare("SELECT digest, warning FROM identity WHERE identifier = ?1 AND sender = ?2 AND issuer = ?3")?,
            blob: c.prepare("INSERT OR IGNORE INTO blob (id, name, body) VALUES (?1, ?2, ?3)")?,
            named: c.prepare("SELECT id FROM named WHERE key = ?1")?,
            tally: c.prepare(
                "INSERT INTO tally (warning, what, n) VALUES (?1, ?2, ?3) ON CONFLICT (warning, what) DO UPDATE SET n = n + excluded.n",
            )?,
            meta: c.prepare("UPDATE meta SET now = ?1, letter = ?2 WHERE id = 1")?,
        })
    }
}

/// The last numbers given inside the file.
#[derive(Clone, Copy, Default)]
pub(super) struct Counters {
    pub journal: i64,
    pub letter: u64,
    pub feed: i64,
}

/// A letter that was put into an inbox: which of the commit's envelopes, to whom.
pub(super) struct Sent {
    pub to: Rid,
    pub seq: u64,
    pub ready: i64,
}

/// What a commit changed, for the index once it is durable.
pub(super) struct Change {
    pub rid: Rid,
    pub mark: Mark,
    pub sent: Vec<Sent>,
}

/// A group in the making: everything that must vanish if its transaction does.
pub(super) struct Group<'a, 'c> {
    pub shared: &'a Shared,
    pub sql: &'a mut Statements<'c>,
    pub now: Time,
    pub counters: Counters,
    /// Records as the group has left them so far.
    pub marks: HashMap<Rid, Mark>,
    /// Names first mentioned in the group.
    pub fresh: Vec<Rid>,
    tallies: BTreeMap<(u32, &'static str), i64>,
    pub bytes: u64,
}

impl<'a, 'c> Group<'a, 'c> {
    pub fn new(shared: &'a Shared, sql: &'a mut Statements<'c>, now: Time, counters: Counters) -> Group<'a, 'c> {
        Group { shared, sql, now, counters, marks: HashMap::new(), fresh: Vec::new(), tallies: BTreeMap::new(), bytes: 0 }
    }

    /// Applies one commit, or says why not, having written nothing.
    pub fn commit(&mut self, c: &Commit) -> Result<(Committed, Option<Change>)> {
        let (rid, fresh) = self.resolve(&c.key)?;
        let mut before = self.marks.get(&rid).copied().or_else(|| self.shared.index().mark(rid));
        // A record that should be new is tried as such; else the file is asked for what is finished.
        let unsure = before.is_none() && !fresh;
        if unsure && (c.expect != Head::NONE || c.identity.is_some() || rid.class().has_key()) {
            before = self.ask(rid)?;
        }
        if let Some(refused) = self.refuse(c, before.as_ref())? {
            if fresh {
                // Nothing was written under the name: nobody may find it.
                self.shared.names().forget(rid);
                self.fresh.pop();
            }
            return Ok((refused, None));
        }
        let journal = self.counters.journal + 1;
        let mark = Mark {
            head: c.head,
            journal,
            n: before.map_or(0, |m| m.n) + 1,
            recipient: c.face.as_ref().map(|f| f.recipient).or(before.map(|m| m.recipient)).unwrap_or(0),
            due: c.due.map_or(NEVER, |t| t.0),
            lane: c.lane.0,
            face: c.face.as_ref().map(FaceBits::of).or(before.map(|m| m.face)).unwrap_or_default(),
        };
        match &before {
            Some(b) => self.update(rid, c, &mark, b.live() != mark.live())?,
            None if self.insert(rid, c, &mark)? => {}
            None => {
                let there = self.ask(rid)?;
                return Ok((self.refuse(c, there.as_ref())?.unwrap_or(Committed::Conflict), None));
            }
        }
        self.counters.journal = journal;
        let prev = before.map_or(0, |m| m.journal);
        self.sql.journal.execute(params![journal, rid.0, mark.n, prev, c.at.0, c.head.0, c.journal])?;
        if let (Key::Callout(id), Some(_)) = (&c.key, &c.face) {
            self.count(id.warning, before.map(|m| m.face).unwrap_or_default(), -1);
            self.count(id.warning, mark.face, 1);
        }
        for seq in &c.consumed {
            self.sql.consume.execute(params![signed(*seq), rid.0])?;
        }
        self.marks.insert(rid, mark);
        let sent = self.send(c)?;
        self.beside(rid, c)?;
        self.bytes += (c.body.len() + c.journal.len() + 300) as u64;
        Ok((Committed::Done, Some(Change { rid, mark, sent })))
    }

    fn refuse(&mut self, c: &Commit, before: Option<&Mark>) -> Result<Option<Committed>> {
        let head = before.map_or(Head::NONE, |m| m.head);
        if head == c.head {
            return Ok(Some(Committed::Done));
        }
        if let Some(i) = &c.identity {
            let taken = self.sql.identity_of.query_row(params![i.identifier, i.sender, i.issuer], |r| {
                Ok(Identity { digest: r.get(0)?, warning: WarningId(r.get(1)?), ..i.clone() })
            });
            if let Some(taken) = taken.optional()? {
                return Ok(Some(Committed::IdentityTaken(taken)));
            }
        }
        Ok((head != c.expect).then_some(Committed::Conflict))
    }

    /// The id of a key, given now where it has none; whether it is new.
    pub fn resolve(&mut self, key: &Key) -> Result<(Rid, bool)> {
        let found = self.shared.names().find(key);
        match found {
            Found::At(rid) => return Ok((rid, false)),
            Found::Impossible => {
                let why = format!("{key} is beyond the numbers this store can keep");
                return Err(rusqlite::Error::ToSqlConversionFailure(why.into()));
            }
            Found::Ask => {
                let id: Option<i64> = self.sql.named.query_row([text(key)], |r| r.get(0)).optional()?;
                if let Some(id) = id {
                    self.shared.names().know(id, key.clone());
                    return Ok((Rid::new(Class::Named, id), false));
                }
            }
            Found::Nowhere => {}
        }
        let rid = self.shared.names().add(key);
        self.fresh.push(rid);
        Ok((rid, true))
    }

    fn records(&mut self, rid: Rid) -> &mut Records<'c> {
        &mut self.sql.records[rid.class() as usize]
    }

    fn ask(&mut self, rid: Rid) -> Result<Option<Mark>> {
        self.records(rid).mark.query_row([rid.id()], |r| mark(r, 0)).optional()
    }

    fn insert(&mut self, rid: Rid, c: &Commit, m: &Mark) -> Result<bool> {
        let s = match &c.face {
            Some(_) if rid.class() == Class::Callout => &mut self.sql.insert_callout,
            _ => &mut self.sql.records[rid.class() as usize].insert,
        };
        s.raw_bind_parameter(1, rid.id())?;
        s.raw_bind_parameter(2, m.live())?;
        s.raw_bind_parameter(3, m.head.0)?;
        s.raw_bind_parameter(4, m.n)?;
        s.raw_bind_parameter(5, m.journal)?;
        s.raw_bind_parameter(6, m.lane)?;
        s.raw_bind_parameter(7, due(m))?;
        s.raw_bind_parameter(8, c.body.as_slice())?;
        match &c.face {
            Some(face) if rid.class() == Class::Callout => bind_face(s, 9, face)?,
            _ if rid.class().has_key() => s.raw_bind_parameter(9, text(&c.key))?,
            _ => {}
        }
        Ok(s.raw_execute()? == 1)
    }

    fn update(&mut self, rid: Rid, c: &Commit, m: &Mark, live_changes: bool) -> Result<()> {
        if live_changes {
            self.records(rid).live.execute(params![rid.id(), m.live()])?;
        }
        let s = match &c.face {
            Some(_) if rid.class() == Class::Callout => &mut self.sql.update_callout,
            _ => &mut self.sql.records[rid.class() as usize].update,
        };
        s.raw_bind_parameter(1, rid.id())?;
        s.raw_bind_parameter(2, m.head.0)?;
        s.raw_bind_parameter(3, m.n)?;
        s.raw_bind_parameter(4, m.journal)?;
        s.raw_bind_parameter(5, m.lane)?;
        s.raw_bind_parameter(6, due(m))?;
        s.raw_bind_parameter(7, c.body.as_slice())?;
        if let Some(face) = c.face.as_ref().filter(|_| rid.class() == Class::Callout) {
            bind_face(s, 8, face)?;
        }
        s.raw_execute().map(drop)
    }

    fn send(&mut self, c: &Commit) -> Result<Vec<Sent>> {
        let mut sent = Vec::with_capacity(c.send.len());
        for e in &c.send {
            let (to, fresh) = self.resolve(&e.to)?;
            if fresh {
                // The name must outlive a restart even though nothing stands under it yet.
                let row = params![to.id(), 0, Head::NONE.0, 0, 0, 0, None::<i64>, &[][..], text(&e.to)];
                self.records(to).insert.execute(row)?;
                let nothing = Mark { head: Head::NONE, journal: 0, n: 0, recipient: 0, due: NEVER, lane: 0, face: FaceBits::default() };
                self.marks.insert(to, nothing);
            }
            self.counters.letter += 1;
            let (seq, ready) = (self.counters.letter, e.not_before.max(self.now).0);
            self.sql.letter.execute(params![signed(seq), to.0, e.lane.0, ready, e.body])?;
            self.bytes += e.body.len() as u64;
            sent.push(Sent { to, seq, ready });
        }
        Ok(sent)
    }

    /// What a commit carries besides its record.
    fn beside(&mut self, rid: Rid, c: &Commit) -> Result<()> {
        for t in &c.tasks {
            self.task(t)?;
        }
        for item in &c.feed {
            self.feed(item)?;
        }
        if let Some(i) = &c.identity {
            self.sql.identity.execute(params![i.identifier, i.sender, i.issuer, i.digest, i.warning.0])?;
        }
        for (name, body) in &c.blobs {
            self.sql.blob.execute(params![rid.0, name, body])?;
            self.bytes += body.len() as u64;
        }
        Ok(())
    }

    fn task(&mut self, t: &TaskRow) -> Result<()> {
        let row = params![
            t.id,
            t.kind,
            t.title,
            t.warning.map(|w| w.0),
            t.callout.map(|c| c.packed()),
            t.division.map(|d| signed(d.0)),
            t.opened_at.0,
            t.due_at.0,
            t.claimed_by,
            t.claimed_at.map(|t| t.0),
            t.closed,
            t.note
        ];
        self.sql.task.execute(row).map(drop)
    }

    fn feed(&mut self, item: &FeedItem) -> Result<()> {
        self.counters.feed += 1;
        let (warning, callout) = (item.warning.map(|w| w.0), item.callout.map(|c| c.packed()));
        self.sql.feed.execute(params![self.counters.feed, item.kind, warning, callout, item.at.0, rows::json(&item.data)?])?;
        if self.counters.feed % 4096 == 0 && self.counters.feed > FEED_KEPT {
            self.sql.trim_feed.execute([self.counters.feed - FEED_KEPT])?;
        }
        Ok(())
    }

    fn count(&mut self, warning: WarningId, face: FaceBits, by: i64) {
        let Some(state) = face.state() else { return };
        let mut add = |what| *self.tallies.entry((warning.0, what)).or_default() += by;
        if face.told_only() {
            return add(TOLD);
        }
        add(state.as_str());
        if face.feedback_owed() {
            add(FEEDBACK_OWED);
        }
    }

    /// Writes what has been counted so far.
    pub fn write_tallies(&mut self) -> Result<()> {
        for ((warning, what), n) in std::mem::take(&mut self.tallies).into_iter().filter(|(_, n)| *n != 0) {
            self.sql.tally.execute(params![warning, what, n])?;
        }
        Ok(())
    }

    /// What is written once for the whole group, last before COMMIT.
    pub fn finish(&mut self) -> Result<()> {
        self.write_tallies()?;
        self.sql.meta.execute(params![self.now.0, signed(self.counters.letter)]).map(drop)
    }
}

/// Words of `tally.what` beside the states.
pub(super) const TOLD: &str = "told";
pub(super) const FEEDBACK_OWED: &str = "feedback_owed";

/// The key behind a row of `named`.
pub(super) fn key_of_named(c: &Connection, id: i64) -> Result<Option<Key>> {
    let key: Option<String> = c.prepare_cached("SELECT key FROM named WHERE id = ?1")?.query_row([id], |r| r.get(0)).optional()?;
    Ok(key.as_deref().and_then(parse_text))
}
