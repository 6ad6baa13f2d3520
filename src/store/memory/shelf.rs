//! What the archive asks of a store, in memory: the plain statement of it.

use super::{MemoryStore, table::Table, transfer::within};
use crate::{
    core::{ids::WarningId, time::Time},
    store::{
        Head, Key, Record, StoreError,
        archive::{Forget, Forgetful, Forgot, Spent, leaves_whole, spare},
        transfer::{Piece, Scope},
    },
};
use async_trait::async_trait;
use std::{collections::BTreeMap, ops::Bound};

impl Table {
    fn forget(&mut self, what: &Forget) -> Forgot {
        let scope = Scope::Warning(what.warning);
        let heads: BTreeMap<&Key, Head> = what.heads.iter().map(|(k, h)| (k, *h)).collect();
        let own = |k: &Key| within(scope, k);
        if let Some(row) = self.rows.values().find(|r| own(&r.record.key) && heads.get(&r.record.key) != Some(&r.record.head)) {
            return Forgot::Changed(format!("{} is not as it was archived", row.record.key));
        }
        if let Some((key, _)) = self.inbox.iter().find(|(k, _)| own(k)) {
            return Forgot::Changed(format!("a letter waits for {key}"));
        }
        if let Some(key) = heads.keys().find(|k| self.is_leased(k)) {
            return Forgot::Changed(format!("{key} is being worked"));
        }
        if let Some(task) = self.tasks.values().find(|t| t.warning == Some(what.warning) && t.closed.is_none()) {
            return Forgot::Changed(format!("the task {} is open", task.id));
        }
        self.rows.retain(|k, _| !own(k));
        self.journal.retain(|k, _| !own(k));
        self.blobs.retain(|(k, _), _| !own(k));
        self.tasks.retain(|_, t| t.warning != Some(what.warning));
        self.counts.remove(&what.warning);
        Forgot::Done
    }

    fn take_in(&mut self, pieces: Vec<Piece>) -> Result<(), StoreError> {
        for piece in pieces {
            match &piece {
                Piece::Entity(e) if self.rows.contains_key(&e.key) => {}
                Piece::Blob { key, name, .. } if self.blobs.contains_key(&(key.clone(), name.clone())) => {}
                _ => self.put(piece)?,
            }
        }
        Ok(())
    }

    fn spent(&self, before: Time, from: Option<&Key>, most: usize) -> (Vec<Spent>, Option<Key>) {
        let mut out = Vec::new();
        for (key, row) in self.rows.range((from.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded)) {
            let rows = self.journal.get(key).map_or(&[][..], Vec::as_slice);
            let found = match leaves_whole(key) {
                Some(true) => rows.last().filter(|r| row.record.due.is_none() && r.at <= before),
                Some(false) => spare(rows, before),
                None => None,
            };
            out.extend(found.map(|r| Spent { key: key.clone(), row: r.n, head: r.head, whole: leaves_whole(key) == Some(true) }));
            if out.len() >= most {
                return (out, Some(key.clone()));
            }
        }
        (out, None)
    }

    fn let_go(&mut self, what: &Spent) {
        if !what.whole {
            if let Some(rows) = self.journal.get_mut(&what.key)
                && rows.iter().any(|r| (r.n, r.head) == (what.row, what.head))
            {
                rows.retain(|r| r.n >= what.row);
            }
            return;
        }
        let is = self.rows.get(&what.key).is_some_and(|r| r.record.head == what.head && r.record.due.is_none());
        if is && !self.inbox.contains_key(&what.key) && !self.is_leased(&what.key) {
            self.rows.remove(&what.key);
            self.journal.remove(&what.key);
            self.blobs.retain(|(k, _), _| *k != what.key);
        }
    }
}

#[async_trait]
impl Forgetful for MemoryStore {
    async fn forget(&self, what: &Forget) -> Result<Forgot, StoreError> {
        Ok(self.with(|t| t.forget(what)))
    }

    async fn take_in(&self, warning: WarningId, pieces: Vec<Piece>) -> Result<(), StoreError> {
        if let Some(Record { key, .. }) = pieces.iter().find_map(|p| foreign(warning, p)) {
            return Err(StoreError::Corrupt(format!("{key} is no record of {warning}")));
        }
        self.with(|t| t.take_in(pieces))
    }

    async fn spent(&self, before: Time, from: &str, most: usize) -> Result<(Vec<Spent>, String), StoreError> {
        let odd = |e: serde_json::Error| StoreError::Corrupt(e.to_string());
        let from: Option<Key> = if from.is_empty() { None } else { Some(serde_json::from_str(from).map_err(odd)?) };
        let (found, next) = self.with(|t| t.spent(before, from.as_ref(), most));
        Ok((found, next.map_or(Ok(String::new()), |k| serde_json::to_string(&k).map_err(odd))?))
    }

    async fn let_go(&self, what: &[Spent]) -> Result<(), StoreError> {
        self.with(|t| what.iter().for_each(|s| t.let_go(s)));
        Ok(())
    }
}

/// A record that does not belong to the warning.
fn foreign(warning: WarningId, piece: &Piece) -> Option<&Record> {
    match piece {
        Piece::Entity(e) if !within(Scope::Warning(warning), &e.key) => e.record.as_ref(),
        _ => None,
    }
}
