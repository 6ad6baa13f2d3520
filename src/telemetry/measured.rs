//! A store whose commits are timed. It changes nothing of what the store promises.

use super::metrics;
use crate::{
    core::time::{Span, Time},
    store::{Claim, Commit, Committed, Doc, Identity, Key, Record, Store, StoreError, WriteLane},
};
use async_trait::async_trait;
use std::sync::Arc;

/// See the module's head.
pub struct MeasuredStore(pub Arc<dyn Store>);

#[async_trait]
impl Store for MeasuredStore {
    fn now(&self) -> Time {
        self.0.now()
    }
    fn shared(&self) -> bool {
        self.0.shared()
    }
    async fn next_number(&self, sequence: &str) -> Result<u64, StoreError> {
        self.0.next_number(sequence).await
    }
    async fn commit(&self, lane: WriteLane, batch: Vec<Commit>) -> Result<Vec<Committed>, StoreError> {
        let began = self.0.now();
        let result = self.0.commit(lane, batch).await;
        metrics::committed(self.0.now() - began);
        result
    }
    async fn load(&self, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        self.0.load(keys).await
    }
    async fn load_each(&self, keys: &[Key]) -> Vec<Result<Option<Record>, StoreError>> {
        self.0.load_each(keys).await
    }
    async fn claim(&self, limit: usize, lease: Span) -> Result<Vec<Claim>, StoreError> {
        self.0.claim(limit, lease).await
    }
    async fn release(&self, claims: &[(Key, u64)], until: Time) -> Result<(), StoreError> {
        self.0.release(claims, until).await
    }
    async fn next_due(&self) -> Result<Option<Time>, StoreError> {
        self.0.next_due().await
    }
    async fn changed(&self) {
        self.0.changed().await;
    }
    async fn blob(&self, key: &Key, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.blob(key, name).await
    }
    async fn identities(&self, identifier: &str) -> Result<Vec<Identity>, StoreError> {
        self.0.identities(identifier).await
    }
    async fn docs(&self, kind: &str) -> Result<(u64, Vec<Doc>), StoreError> {
        self.0.docs(kind).await
    }
    async fn docs_version(&self, kind: &str) -> Result<u64, StoreError> {
        self.0.docs_version(kind).await
    }
    async fn docs_apply(&self, kind: &str, expect: u64, upsert: Vec<Doc>, delete: Vec<String>) -> Result<Option<u64>, StoreError> {
        self.0.docs_apply(kind, expect, upsert, delete).await
    }
}
