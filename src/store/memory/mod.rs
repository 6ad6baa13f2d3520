//! The store in memory: for tests and simulations, and the plain statement of what a store does
//! (the SQLite store must answer the same, see `tests/it/conformance`).
//!
//! One mutex, ordered maps, nonces from a counter: the same calls give the same answers, always.
//! Every future but [`Store::changed`]'s is ready at the first poll, so a simulation needs no runtime.

mod reports;
mod shelf;
mod table;
mod transfer;

use super::{
    Claim, Commit, Committed, Doc, Identity, Key, Record, Store, StoreError, WriteLane,
    clock::{Clock, Monotonic},
};
use crate::core::time::{Span, Time};
use async_trait::async_trait;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use table::Table;
use tokio::sync::Notify;

/// See the module's head. Lost with the process.
pub struct MemoryStore {
    clock: Monotonic,
    table: Mutex<Table>,
    changed: Notify,
}

impl MemoryStore {
    pub fn new(clock: Arc<dyn Clock>) -> MemoryStore {
        MemoryStore { clock: Monotonic::from_floor(clock, Time(i64::MIN)), table: Mutex::default(), changed: Notify::new() }
    }

    /// What a restart of a gateway on a file does: every lease is gone, everything else stands.
    pub fn forget_leases(&self) {
        self.with(Table::forget_leases);
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a change and wakes the timekeeper if something became due earlier than it was told.
    fn with<T>(&self, change: impl FnOnce(&mut Table) -> T) -> T {
        let mut table = self.table();
        let out = change(&mut table);
        let wake = std::mem::take(&mut table.earlier);
        drop(table);
        if wake {
            self.changed.notify_one();
        }
        out
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn now(&self) -> Time {
        self.clock.now()
    }

    async fn next_number(&self, sequence: &str) -> Result<u64, StoreError> {
        let mut table = self.table();
        let n = table.sequences.entry(sequence.to_string()).or_default();
        *n += 1;
        Ok(*n)
    }

    async fn commit(&self, _lane: WriteLane, batch: Vec<Commit>) -> Result<Vec<Committed>, StoreError> {
        let now = self.now();
        Ok(self.with(|t| batch.into_iter().map(|c| t.commit(c, now)).collect()))
    }

    async fn load(&self, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        let table = self.table();
        Ok(keys.iter().map(|k| table.rows.get(k).map(|r| r.record.clone())).collect())
    }

    async fn claim(&self, limit: usize, lease: Span) -> Result<Vec<Claim>, StoreError> {
        let now = self.now();
        Ok(self.with(|t| t.claim(limit, now, lease)))
    }

    async fn release(&self, claims: &[(Key, u64)], until: Time) -> Result<(), StoreError> {
        self.with(|t| claims.iter().for_each(|(key, nonce)| t.release(key, *nonce, until)));
        Ok(())
    }

    async fn next_due(&self) -> Result<Option<Time>, StoreError> {
        let now = self.now();
        Ok(self.table().next_due(now))
    }

    async fn changed(&self) {
        self.changed.notified().await;
    }

    async fn blob(&self, key: &Key, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.table().blobs.get(&(key.clone(), name.to_string())).cloned())
    }

    async fn identities(&self, identifier: &str) -> Result<Vec<Identity>, StoreError> {
        let table = self.table();
        Ok(table.identities.values().filter(|i| i.identifier == identifier).cloned().collect())
    }

    async fn docs(&self, kind: &str) -> Result<(u64, Vec<Doc>), StoreError> {
        let table = self.table();
        let Some((version, docs)) = table.docs.get(kind) else { return Ok((0, Vec::new())) };
        Ok((*version, docs.iter().map(|(id, body)| Doc { id: id.clone(), body: body.clone() }).collect()))
    }

    async fn docs_version(&self, kind: &str) -> Result<u64, StoreError> {
        Ok(self.table().docs.get(kind).map_or(0, |(version, _)| *version))
    }

    async fn docs_apply(&self, kind: &str, expect: u64, upsert: Vec<Doc>, delete: Vec<String>) -> Result<Option<u64>, StoreError> {
        let mut table = self.table();
        if table.docs.get(kind).map_or(0, |d| d.0) != expect {
            return Ok(None);
        }
        let (version, docs) = table.docs.entry(kind.to_string()).or_default();
        delete.iter().for_each(|id| drop(docs.remove(id)));
        docs.extend(upsert.into_iter().map(|d| (d.id, d.body)));
        *version += 1;
        Ok(Some(*version))
    }
}
