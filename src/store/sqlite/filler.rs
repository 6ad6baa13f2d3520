//! Pieces to rows: what another store held, written as it stood. The rows are those that commits
//! would have left; only the order of journal rows between records is lost.

use super::{
    index::{FaceBits, Mark, NEVER},
    rid::{Class, Found, Names, Rid, text},
    rows::{self, FACE_COLUMNS, bind_face, due, signed},
    shared::read_error,
    unavailable,
};
use crate::{
    core::ids::WarningId,
    store::{
        FaceCounts, Head, Key, StoreError,
        transfer::{Entity, Piece},
    },
};
use rusqlite::{Connection, OptionalExtension, params};
use std::{
    borrow::Borrow,
    collections::{BTreeMap, HashMap},
};

/// A connection that is filled, and the numbers given so far.
pub(super) struct Filler<C: Borrow<Connection> = Connection> {
    c: C,
    journal: i64,
    letter: u64,
    last_line: i64,
    last_named: i64,
    /// Those of keys that are text.
    ids: HashMap<Key, Rid>,
    counts: BTreeMap<WarningId, FaceCounts>,
}

impl<C: Borrow<Connection>> Filler<C> {
    pub fn new(c: C) -> Result<Filler<C>, StoreError> {
        let last = |sql: &str| c.borrow().query_row(sql, [], |r| r.get::<_, i64>(0)).map_err(unavailable);
        Ok(Filler {
            journal: last("SELECT ifnull(max(seq), 0) FROM journal")?,
            letter: u64::try_from(last("SELECT letter FROM meta")?).unwrap_or(0),
            last_line: last("SELECT ifnull(max(id), 0) FROM line")?,
            last_named: last("SELECT ifnull(max(id), 0) FROM named")?,
            ids: HashMap::new(),
            counts: BTreeMap::new(),
            c,
        })
    }

    /// Goes on from numbers given by somebody else: the last row of the journal, names of records.
    pub fn go_on(&mut self, journal: i64, ids: impl IntoIterator<Item = (Key, Rid)>) {
        self.journal = journal;
        self.ids.extend(ids);
    }

    /// The last row of the journal.
    pub fn journal(&self) -> i64 {
        self.journal
    }

    /// All of them or, on an error, none.
    pub fn put(&mut self, pieces: Vec<Piece>) -> Result<(), StoreError> {
        self.c.borrow().execute_batch("BEGIN IMMEDIATE").map_err(unavailable)?;
        pieces.into_iter().try_for_each(|p| self.piece(p))?;
        self.c.borrow().execute_batch("COMMIT").map_err(unavailable)
    }

    /// What is known only at the end: counts, the last letter's number.
    pub fn finish(&mut self) -> Result<(), StoreError> {
        self.c.borrow().execute_batch("BEGIN IMMEDIATE").map_err(unavailable)?;
        self.sums().map_err(unavailable)?;
        self.c.borrow().execute_batch("COMMIT").map_err(unavailable)
    }

    pub fn sums(&mut self) -> rusqlite::Result<()> {
        let mut put = self.c.borrow().prepare_cached("INSERT OR REPLACE INTO tally (warning, what, n) VALUES (?1, ?2, ?3)")?;
        for (warning, counts) in std::mem::take(&mut self.counts) {
            let states = counts.by_state.iter().map(|(state, n)| (state.as_str(), *n));
            let all = states.chain([(super::apply::TOLD, counts.told), (super::apply::FEEDBACK_OWED, counts.feedback_owed)]);
            for (what, n) in all.filter(|(_, n)| *n > 0) {
                put.execute(params![warning.0, what, signed(n)])?;
            }
        }
        self.c.borrow().execute("UPDATE meta SET letter = ?1 WHERE id = 1", [signed(self.letter)]).map(drop)
    }

    pub fn piece(&mut self, piece: Piece) -> Result<(), StoreError> {
        let done = match piece {
            Piece::Entity(e) => return self.entity(*e),
            Piece::Blob { key, name, body } => {
                let rid = self.known(&key)?;
                self.run("INSERT INTO blob (id, name, body) VALUES (?1, ?2, ?3)", params![rid.0, name, body])
            }
            // Made anew of the faces.
            Piece::Counts(..) => Ok(()),
            Piece::Task(t) => self.task(&t),
            Piece::Identity(i) => self.run(
                "INSERT INTO identity (identifier, sender, issuer, digest, warning) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![i.identifier, i.sender, i.issuer, i.digest, i.warning.0],
            ),
            Piece::DocKind(kind, version) => {
                self.run("INSERT INTO doc_kind (kind, version) VALUES (?1, ?2)", params![kind, signed(version)])
            }
            Piece::Doc(kind, doc) => self.run("INSERT INTO doc (kind, id, body) VALUES (?1, ?2, ?3)", params![kind, doc.id, doc.body]),
            Piece::Sequence(name, given) => self.run("INSERT INTO sequence (name, given) VALUES (?1, ?2)", params![name, signed(given)]),
            Piece::Feed(n, item) => rows::json(&item.data).and_then(|data| {
                let (warning, callout) = (item.warning.map(|w| w.0), item.callout.map(|c| c.packed()));
                self.run(
                    "INSERT INTO feed (seq, kind, warning, callout, at, data) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                    params![signed(n), item.kind, warning, callout, item.at.0, data],
                )
            }),
            // The newest item's number is it.
            Piece::FeedTip(_) => Ok(()),
            Piece::Floor(at) => self.run("UPDATE meta SET now = max(now, ?1) WHERE id = 1", [at.0]),
        };
        done.map_err(unavailable)
    }

    fn run(&self, sql: &str, values: impl rusqlite::Params) -> rusqlite::Result<()> {
        self.c.borrow().prepare_cached(sql)?.execute(values).map(drop)
    }

    fn task(&self, t: &crate::store::TaskRow) -> rusqlite::Result<()> {
        let sql = format!("INSERT INTO task ({}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)", rows::TASK_COLUMNS);
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
        self.run(&sql, row)
    }

    /// The id of a key, given now where it has none.
    fn resolve(&mut self, key: &Key) -> Result<Rid, StoreError> {
        if let Some(rid) = self.ids.get(key) {
            return Ok(*rid);
        }
        // An empty list of names knows the ids that are numbers, and which of the others are lines.
        let class = match Names::default().find(key) {
            Found::At(rid) => return Ok(rid),
            Found::Impossible => return Err(StoreError::Corrupt(format!("{key} is beyond the numbers a file can keep"))),
            Found::Nowhere => Class::Line,
            Found::Ask => Class::Named,
        };
        let known: Option<i64> = if class == Class::Named {
            let mut ask = self.c.borrow().prepare_cached("SELECT id FROM named WHERE key = ?1").map_err(unavailable)?;
            ask.query_row([text(key)], |r| r.get(0)).optional().map_err(unavailable)?
        } else {
            None
        };
        let rid = match (known, class) {
            (Some(id), _) => Rid::new(class, id),
            (None, Class::Line) => {
                self.last_line += 1;
                Rid::new(class, self.last_line)
            }
            (None, _) => {
                self.last_named += 1;
                Rid::new(class, self.last_named)
            }
        };
        self.ids.insert(key.clone(), rid);
        Ok(rid)
    }

    /// The id of a record that was put before.
    fn known(&mut self, key: &Key) -> Result<Rid, StoreError> {
        let rid = self.resolve(key)?;
        let sql = format!("SELECT 1 FROM {} WHERE id = ?1", rid.class().table());
        let there = self.c.borrow().prepare_cached(&sql).and_then(|mut s| s.exists([rid.id()])).map_err(read_error)?;
        if there { Ok(rid) } else { Err(StoreError::Corrupt(format!("{key} has a blob, but there is no such record"))) }
    }

    fn entity(&mut self, e: Entity) -> Result<(), StoreError> {
        let rid = self.resolve(&e.key)?;
        self.write(rid, e).map_err(unavailable)
    }

    fn write(&mut self, rid: Rid, e: Entity) -> rusqlite::Result<()> {
        let mut prev = 0;
        for row in &e.journal {
            self.journal += 1;
            let sql = "INSERT INTO journal (seq, id, n, prev, at, head, entries) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
            self.run(sql, params![self.journal, rid.0, signed(row.n), prev, row.at.0, row.head.0, row.entries])?;
            prev = self.journal;
        }
        let class = rid.class();
        let face = e.face.as_ref().filter(|_| class == Class::Callout);
        let mark = Mark {
            head: e.record.as_ref().map_or(Head::NONE, |r| r.head),
            journal: prev,
            // Its older rows may be in an archive.
            n: u32::try_from(e.journal.last().map_or(0, |r| r.n)).unwrap_or(u32::MAX),
            recipient: face.map_or(0, |f| f.recipient),
            due: e.record.as_ref().and_then(|r| r.due).map_or(NEVER, |t| t.0),
            lane: e.record.as_ref().map_or(0, |r| r.lane.0),
            face: face.map(FaceBits::of).unwrap_or_default(),
        };
        // A name must be known where only letters wait under it; a number needs no row for that.
        if e.record.is_some() || class.has_key() {
            let body = e.record.as_ref().map_or(&[][..], |r| &r.body);
            self.record(rid, &e.key, &mark, body, face)?;
        }
        if let (Key::Callout(id), Some(face)) = (&e.key, face) {
            self.counts.entry(id.warning).or_default().count(face, true);
        }
        for letter in e.inbox {
            self.letter += 1;
            let sql = "INSERT INTO inbox (seq, id, lane, ready, body) VALUES (?1, ?2, ?3, ?4, ?5)";
            self.run(sql, params![signed(self.letter), rid.0, letter.lane.0, letter.ready.0, letter.body])?;
        }
        Ok(())
    }

    fn record(&self, rid: Rid, key: &Key, m: &Mark, body: &[u8], face: Option<&crate::store::Face>) -> rusqlite::Result<()> {
        let mut columns = vec!["id", "live", "head", "n", "journal", "lane", "due", "body"];
        if face.is_some() {
            columns.extend(FACE_COLUMNS);
        } else if rid.class().has_key() {
            columns.push("key");
        }
        let values: Vec<String> = (1..=columns.len()).map(|i| format!("?{i}")).collect();
        let sql = format!("INSERT INTO {} ({}) VALUES ({})", rid.class().table(), columns.join(", "), values.join(", "));
        let mut s = self.c.borrow().prepare_cached(&sql)?;
        s.raw_bind_parameter(1, rid.id())?;
        s.raw_bind_parameter(2, m.live())?;
        s.raw_bind_parameter(3, m.head.0)?;
        s.raw_bind_parameter(4, m.n)?;
        s.raw_bind_parameter(5, m.journal)?;
        s.raw_bind_parameter(6, m.lane)?;
        s.raw_bind_parameter(7, due(m))?;
        s.raw_bind_parameter(8, body)?;
        match face {
            Some(face) => bind_face(&mut s, 9, face)?,
            None if rid.class().has_key() => s.raw_bind_parameter(9, text(key))?,
            None => {}
        }
        s.raw_execute().map(drop)
    }
}
