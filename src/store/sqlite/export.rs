//! Everything a file holds, in pieces, as of one moment.

use super::{
    SqliteStore,
    reports::{kept_counts, read_feed},
    rid::{Class, Rid, key_of},
    rows::{self, FACE_COLUMNS},
    shared::{open_reader, read_error},
};
use crate::{
    core::{ids::CalloutId, ids::WarningId, time::Time},
    store::{
        Doc, Head, Identity, JournalRow, Key, Lane, Record, StoreError,
        transfer::{Entity, Export, Piece, Scope, Sender, Waiting},
    },
};
use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::{collections::BTreeMap, path::Path};

/// Feed items read at once.
const FEED_PAGE: usize = 1_000;

#[async_trait]
impl Export for SqliteStore {
    async fn export(&self, scope: Scope, to: Sender) -> Result<Sender, StoreError> {
        export(&self.shared.path, scope, to).await
    }

    /// Whoever has opened the store has the file to itself.
    async fn gateways(&self) -> Result<u64, StoreError> {
        Ok(0)
    }
}

/// The same of a file at rest.
pub(super) async fn export(path: &Path, scope: Scope, to: Sender) -> Result<Sender, StoreError> {
    let path = path.to_path_buf();
    let done = tokio::task::spawn_blocking(move || {
        let c = open_reader(&path)?;
        let tx = c.unchecked_transaction().map_err(read_error)?;
        let mut reader = Reader { c: &tx, scope, to, inbox: BTreeMap::new() };
        reader.all()?;
        Ok(reader.to)
    });
    done.await.unwrap_or_else(|e| Err(StoreError::Unavailable(format!("reading was broken off: {e}"))))
}

struct Reader<'c> {
    c: &'c Connection,
    scope: Scope,
    to: Sender,
    /// Letters by addressee; taken out with it.
    inbox: BTreeMap<i64, Vec<Waiting>>,
}

/// The end of `rid::text` of a warning's places, and of what follows them.
pub(super) fn places(w: WarningId) -> (String, String) {
    (format!("place/{}/", w.0), format!("place/{}0", w.0))
}

impl Reader<'_> {
    fn all(&mut self) -> Result<(), StoreError> {
        self.letters()?;
        for class in Class::ALL {
            self.records(class)?;
        }
        self.unopened()?;
        self.blobs()?;
        self.counts()?;
        self.tasks()?;
        if self.scope == Scope::Everything {
            self.shared()?;
        }
        Ok(())
    }

    fn send(&mut self, piece: Piece) -> Result<(), StoreError> {
        self.to.send_blocking(piece)
    }

    fn letters(&mut self) -> Result<(), StoreError> {
        let mut statement = self.c.prepare("SELECT id, lane, ready, body FROM inbox ORDER BY seq").map_err(read_error)?;
        let mut found = statement.query([]).map_err(read_error)?;
        while let Some(r) = found.next().map_err(read_error)? {
            let letter = || Ok((r.get(0)?, Waiting { lane: Lane(r.get(1)?), ready: Time(r.get(2)?), body: r.get(3)? }));
            let (id, letter) = letter().map_err(read_error)?;
            self.inbox.entry(id).or_default().push(letter);
        }
        Ok(())
    }

    /// Which rows of a class belong to the scope.
    fn condition(&self, class: Class) -> Option<(&'static str, rusqlite::types::Value, rusqlite::types::Value)> {
        use rusqlite::types::Value::{Integer, Text};
        match (self.scope, class) {
            (Scope::Everything, _) => Some(("?1 = ?2", Integer(0), Integer(0))),
            (Scope::Warning(w), Class::Warning) => Some(("id >= ?1 AND id <= ?2", Integer(w.0.into()), Integer(w.0.into()))),
            (Scope::Warning(w), Class::Callout) => {
                let (first, last) = (CalloutId::new(w, 0).packed(), CalloutId::new(w, u32::MAX).packed());
                Some(("id >= ?1 AND id <= ?2", Integer(first), Integer(last)))
            }
            (Scope::Warning(w), Class::Named) => {
                let (first, end) = places(w);
                Some(("key >= ?1 AND key < ?2", Text(first), Text(end)))
            }
            (Scope::Warning(_), Class::Line | Class::Callback) => None,
        }
    }

    fn records(&mut self, class: Class) -> Result<(), StoreError> {
        let Some((condition, first, last)) = self.condition(class) else { return Ok(()) };
        let key = if class.has_key() { "key" } else { "NULL" };
        let face = if class == Class::Callout { FACE_COLUMNS.join(", ") } else { "NULL".to_string() };
        let sql = format!(
            "SELECT id, {key}, n, journal, head, lane, due, body, {face} FROM {} WHERE n > 0 AND {condition} ORDER BY id",
            class.table()
        );
        let mut statement = self.c.prepare(&sql).map_err(read_error)?;
        let mut found = statement.query(params![first, last]).map_err(read_error)?;
        while let Some(r) = found.next().map_err(read_error)? {
            let entity = self.entity(r, class).map_err(read_error)?;
            self.to.send_blocking(Piece::Entity(Box::new(entity)))?;
        }
        Ok(())
    }

    fn entity(&mut self, r: &Row<'_>, class: Class) -> rusqlite::Result<Entity> {
        let rid = rows::rid(r, 0, class)?;
        let key = r.get_ref(1)?.as_str_or_null()?;
        let key = key_of(rid, key).ok_or_else(|| odd(format!("row {} of {} has a key that cannot be read", rid.id(), class.table())))?;
        let (n, last): (u64, i64) = (rows::number(r, 2)?, r.get(3)?);
        let due: Option<i64> = r.get(6)?;
        let record = Record { key: key.clone(), head: Head(r.get(4)?), lane: Lane(r.get(5)?), due: due.map(Time), body: r.get(7)? };
        let face = if class == Class::Callout { rows::face(r, 8)? } else { None };
        let journal = self.journal(&key, rid, last, n)?;
        Ok(Entity { record: Some(record), face, journal, inbox: self.inbox.remove(&rid.0).unwrap_or_default(), key })
    }

    /// A record's rows, from its last to its first.
    fn journal(&self, key: &Key, rid: Rid, last: i64, n: u64) -> rusqlite::Result<Vec<JournalRow>> {
        let mut row = self.c.prepare_cached("SELECT n, at, head, entries, prev FROM journal WHERE seq = ?1 AND id = ?2")?;
        let mut out = Vec::with_capacity(usize::try_from(n).unwrap_or(0).min(1_000));
        let mut next = last;
        while next > 0 {
            let found = row.query_row(params![next, rid.0], |r| {
                let found =
                    JournalRow { key: key.clone(), n: rows::number(r, 0)?, at: Time(r.get(1)?), head: Head(r.get(2)?), entries: r.get(3)? };
                Ok((found, r.get::<_, i64>(4)?))
            });
            // A row that is missing is found by whoever checks the chain.
            let Some((found, prev)) = found.optional()?.filter(|(_, prev)| *prev < next) else { break };
            next = prev;
            out.push(found);
        }
        out.reverse();
        Ok(out)
    }

    /// Letters for records that are not there yet.
    fn unopened(&mut self) -> Result<(), StoreError> {
        if self.scope != Scope::Everything {
            return Ok(());
        }
        for (id, inbox) in std::mem::take(&mut self.inbox) {
            let key = self.key(Rid(id)).map_err(read_error)?;
            self.send(Piece::Entity(Box::new(Entity { key, record: None, face: None, journal: Vec::new(), inbox })))?;
        }
        Ok(())
    }

    fn key(&self, rid: Rid) -> rusqlite::Result<Key> {
        let text: Option<String> = if rid.class().has_key() {
            let sql = format!("SELECT key FROM {} WHERE id = ?1", rid.class().table());
            self.c.prepare_cached(&sql)?.query_row([rid.id()], |r| r.get(0)).optional()?
        } else {
            None
        };
        key_of(rid, text.as_deref()).ok_or_else(|| odd(format!("row {} of {} has lost its key", rid.id(), rid.class().table())))
    }

    fn blobs(&mut self) -> Result<(), StoreError> {
        let ranges: Vec<(i64, i64)> = match self.scope {
            Scope::Everything => vec![(i64::MIN, i64::MAX)],
            Scope::Warning(w) => {
                let callout = |n| Rid::callout(CalloutId::new(w, n)).map_or(0, |r| r.0);
                let mut all = vec![(i64::from(w.0), i64::from(w.0)), (callout(0), callout(u32::MAX))];
                let (first, end) = places(w);
                let mut named = self.c.prepare("SELECT id FROM named WHERE key >= ?1 AND key < ?2").map_err(read_error)?;
                let ids = named.query_map([first, end], |r| rows::rid(r, 0, Class::Named)).map_err(read_error)?;
                for id in ids {
                    let id = id.map_err(read_error)?.0;
                    all.push((id, id));
                }
                all
            }
        };
        let mut statement =
            self.c.prepare("SELECT id, name, body FROM blob WHERE id >= ?1 AND id <= ?2 ORDER BY id, name").map_err(read_error)?;
        for (first, last) in ranges {
            let mut found = statement.query([first, last]).map_err(read_error)?;
            while let Some(r) = found.next().map_err(read_error)? {
                let blob = || Ok((self.key(Rid(r.get(0)?))?, r.get(1)?, r.get(2)?));
                let (key, name, body) = blob().map_err(read_error)?;
                self.to.send_blocking(Piece::Blob { key, name, body })?;
            }
        }
        Ok(())
    }

    fn counts(&mut self) -> Result<(), StoreError> {
        let warnings: Vec<WarningId> = match self.scope {
            Scope::Warning(w) => vec![w],
            Scope::Everything => self.list("SELECT DISTINCT warning FROM tally ORDER BY warning", |r| Ok(WarningId(r.get(0)?)))?,
        };
        for w in warnings {
            let counts = kept_counts(self.c, w).map_err(read_error)?;
            self.send(Piece::Counts(w, counts))?;
        }
        Ok(())
    }

    fn tasks(&mut self) -> Result<(), StoreError> {
        let which = match self.scope {
            Scope::Everything => String::new(),
            Scope::Warning(w) => format!("WHERE warning = {}", w.0),
        };
        let tasks = self.list(&format!("SELECT {} FROM task {which} ORDER BY id", rows::TASK_COLUMNS), rows::task)?;
        tasks.into_iter().try_for_each(|t| self.send(Piece::Task(t)))
    }

    /// What belongs to no warning alone.
    fn shared(&mut self) -> Result<(), StoreError> {
        let identities = self.list("SELECT issuer, sender, identifier, digest, warning FROM identity", |r| {
            let warning = WarningId(r.get(4)?);
            Ok(Identity { issuer: r.get(0)?, sender: r.get(1)?, identifier: r.get(2)?, digest: r.get(3)?, warning })
        })?;
        identities.into_iter().try_for_each(|i| self.send(Piece::Identity(i)))?;
        for (kind, version) in self.list("SELECT kind, version FROM doc_kind", |r| Ok((r.get::<_, String>(0)?, rows::number(r, 1)?)))? {
            self.send(Piece::DocKind(kind, version))?;
        }
        for (kind, doc) in
            self.list("SELECT kind, id, body FROM doc ORDER BY kind, id", |r| Ok((r.get(0)?, Doc { id: r.get(1)?, body: r.get(2)? })))?
        {
            self.send(Piece::Doc(kind, doc))?;
        }
        for (name, given) in self.list("SELECT name, given FROM sequence", |r| Ok((r.get(0)?, rows::number(r, 1)?)))? {
            self.send(Piece::Sequence(name, given))?;
        }
        let mut tip = 0;
        loop {
            let page = read_feed(self.c, tip, FEED_PAGE).map_err(read_error)?;
            let Some((last, _)) = page.last() else { break };
            tip = *last;
            page.into_iter().try_for_each(|(n, item)| self.send(Piece::Feed(n, item)))?;
        }
        self.send(Piece::FeedTip(tip))?;
        let floor = super::load::floor(self.c).map_err(read_error)?;
        self.send(Piece::Floor(floor))
    }

    fn list<T>(&self, sql: &str, read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>) -> Result<Vec<T>, StoreError> {
        let mut statement = self.c.prepare(sql).map_err(read_error)?;
        statement.query_map([], read).and_then(Iterator::collect).map_err(read_error)
    }
}

fn odd(what: String) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, what.into())
}
