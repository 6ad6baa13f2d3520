//! The store's promise over both places: what has left is read where it is, and comes back before it changes.

use super::{Archived, leaves_whole, returning::Place, warning_of};
use crate::{
    core::{
        ids::WarningId,
        time::{Span, Time},
    },
    store::{Claim, Commit, Committed, Doc, Identity, Key, Record, Store, StoreError, WriteLane},
};
use async_trait::async_trait;
use std::collections::BTreeSet;

/// A letter whose warning cannot be fetched now is looked at again after this.
const LATER: Span = Span::secs(5);

impl Archived {
    /// The warnings of these keys that may have left.
    fn absent<'a>(&self, keys: impl Iterator<Item = &'a Key>) -> BTreeSet<WarningId> {
        keys.filter_map(warning_of).filter(|w| self.may_have_left(*w)).collect()
    }

    /// A letter came for something that stands nowhere in the live store.
    async fn complete(&self, claim: &mut Claim) -> Result<(), StoreError> {
        let Some(w) = warning_of(&claim.key).filter(|w| self.may_have_left(*w)) else { return Ok(()) };
        self.bring_back(w).await?;
        claim.record = self.live.store.load(std::slice::from_ref(&claim.key)).await?.into_iter().next().flatten();
        Ok(())
    }
}

#[async_trait]
impl Store for Archived {
    fn now(&self) -> Time {
        self.live.store.now()
    }

    fn shared(&self) -> bool {
        self.live.store.shared()
    }

    async fn next_number(&self, sequence: &str) -> Result<u64, StoreError> {
        self.live.store.next_number(sequence).await
    }

    async fn commit(&self, lane: WriteLane, batch: Vec<Commit>) -> Result<Vec<Committed>, StoreError> {
        for w in self.absent(batch.iter().map(|c| &c.key)) {
            self.bring_back(w).await?;
        }
        self.live.store.commit(lane, batch).await
    }

    async fn load(&self, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        let mut out = self.live.store.load(keys).await?;
        let missing: Vec<&Key> = keys.iter().zip(&out).filter(|(_, r)| r.is_none()).map(|(k, _)| k).collect();
        for w in self.absent(missing.into_iter()) {
            let place = self.place_at_hand(w).await?;
            let of_it = |k: &Key| warning_of(k) == Some(w);
            let wanted: Vec<Key> = keys.iter().zip(&out).filter(|(k, r)| r.is_none() && of_it(k)).map(|(k, _)| k.clone()).collect();
            // Live again: it may have come back between the two looks.
            let found = if place == Place::Here { self.shelf.load(&wanted).await? } else { self.live.store.load(&wanted).await? };
            let mut found = found.into_iter();
            for (_, slot) in keys.iter().zip(&mut out).filter(|(k, r)| r.is_none() && of_it(k)) {
                *slot = found.next().flatten();
            }
        }
        let left = |k: &Key| leaves_whole(k) == Some(true);
        let missing: Vec<Key> = keys.iter().zip(&out).filter(|(k, r)| r.is_none() && left(k)).map(|(k, _)| k.clone()).collect();
        if !missing.is_empty() {
            let mut found = self.shelf.load(&missing).await?.into_iter();
            for (_, slot) in keys.iter().zip(&mut out).filter(|(k, r)| r.is_none() && left(k)) {
                *slot = found.next().flatten();
            }
        }
        Ok(out)
    }

    async fn load_each(&self, keys: &[Key]) -> Vec<Result<Option<Record>, StoreError>> {
        let mut out = self.live.store.load_each(keys).await;
        // What the live store has is most; the rest may have left.
        for (key, slot) in keys.iter().zip(&mut out) {
            let left = leaves_whole(key) == Some(true) || warning_of(key).is_some_and(|w| self.may_have_left(w));
            if left && matches!(slot, Ok(None)) {
                *slot = self.load(std::slice::from_ref(key)).await.map(|mut found| found.pop().flatten());
            }
        }
        out
    }

    async fn claim(&self, limit: usize, lease: Span) -> Result<Vec<Claim>, StoreError> {
        let mut claims = Vec::new();
        for mut claim in self.live.store.claim(limit, lease).await? {
            if claim.record.is_none()
                && let Err(e) = self.complete(&mut claim).await
            {
                // Kept, and looked at again: a letter is never lost.
                tracing::warn!(record = %claim.key, error = %e, "a letter waits for a warning that is in the archive");
                let until = self.now() + LATER;
                if let Err(e) = self.live.store.release(&[(claim.key, claim.nonce)], until).await {
                    tracing::warn!(error = %e, "it could not be given back; its lease ends by itself");
                }
                continue;
            }
            claims.push(claim);
        }
        Ok(claims)
    }

    async fn release(&self, claims: &[(Key, u64)], until: Time) -> Result<(), StoreError> {
        self.live.store.release(claims, until).await
    }

    async fn next_due(&self) -> Result<Option<Time>, StoreError> {
        self.live.store.next_due().await
    }

    async fn changed(&self) {
        self.live.store.changed().await;
    }

    async fn blob(&self, key: &Key, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let found = self.live.store.blob(key, name).await?;
        let Some(w) = warning_of(key).filter(|w| found.is_none() && self.may_have_left(*w)) else { return Ok(found) };
        match self.place_at_hand(w).await? {
            Place::Here => self.shelf.blob(key, name).await,
            _ => self.live.store.blob(key, name).await,
        }
    }

    async fn identities(&self, identifier: &str) -> Result<Vec<Identity>, StoreError> {
        self.live.store.identities(identifier).await
    }

    async fn docs(&self, kind: &str) -> Result<(u64, Vec<Doc>), StoreError> {
        self.live.store.docs(kind).await
    }

    async fn docs_version(&self, kind: &str) -> Result<u64, StoreError> {
        self.live.store.docs_version(kind).await
    }

    async fn docs_apply(&self, kind: &str, expect: u64, upsert: Vec<Doc>, delete: Vec<String>) -> Result<Option<u64>, StoreError> {
        self.live.store.docs_apply(kind, expect, upsert, delete).await
    }
}
