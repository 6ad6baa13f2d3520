//! What the archive asks of a store, in memory: the plain statement of it.

use super::{MemoryStore, table::Table, transfer::within};
use crate::{
    core::ids::WarningId,
    store::{
        Head, Key, Record, StoreError,
        archive::{Forget, Forgetful, Forgot},
        transfer::{Piece, Scope},
    },
};
use async_trait::async_trait;
use std::collections::BTreeMap;

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
}

/// A record that does not belong to the warning.
fn foreign(warning: WarningId, piece: &Piece) -> Option<&Record> {
    match piece {
        Piece::Entity(e) if !within(Scope::Warning(warning), &e.key) => e.record.as_ref(),
        _ => None,
    }
}
