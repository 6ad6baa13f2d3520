//! What all gateways must know of the archive, as documents of the live store: which warnings it has, by which
//! digest, and what is being done with which at the moment. Small, and never forgotten (some fifty bytes a warning).

use crate::{
    core::{ids::WarningId, time::Time},
    store::{Doc, Store, StoreError},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    sync::{PoisonError, RwLock, RwLockReadGuard},
};

/// Documents of this kind: a block of warnings each, number → digest.
const ARCHIVED: &str = "archived";
/// Documents of this kind: what is under way, by warning.
const WORKS: &str = "archiving";
/// Warnings in one document.
const BLOCK: u32 = 1_000;
/// Others may say something at the same moment; each takes its turn.
const TRIES: usize = 20;

/// What is being done with a warning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Step {
    /// Every gateway writes its copy.
    Copying,
    /// All have one; the live store forgets, by this token.
    Forgetting { token: String },
    /// It is being brought back.
    Returning,
    /// A gateway has no copy: whoever has one brings the warning back, so that it can be copied again.
    Wanted,
}

/// An intent that stands until it is carried out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Work {
    pub step: Step,
    /// Of what is copied; empty where no copy matters.
    pub digest: String,
    /// The gateways that have confirmed theirs.
    pub copies: Vec<String>,
    /// Since when.
    pub at: Time,
}

#[derive(Default)]
pub(super) struct Register {
    known: RwLock<(u64, BTreeMap<WarningId, String>)>,
}

fn corrupt(what: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(format!("the register of the archive: {what}"))
}

fn json<T: Serialize>(value: &T) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(value).map_err(corrupt)
}

fn busy() -> StoreError {
    StoreError::Unavailable("too many gateways wrote to the register of the archive at once".to_string())
}

impl Register {
    fn known(&self) -> RwLockReadGuard<'_, (u64, BTreeMap<WarningId, String>)> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads it anew where somebody has changed it.
    ///
    /// # Errors
    /// As the store's; `Corrupt` when it cannot be understood.
    pub async fn refresh(&self, store: &dyn Store) -> Result<(), StoreError> {
        if store.docs_version(ARCHIVED).await? == self.known().0 {
            return Ok(());
        }
        let (version, docs) = store.docs(ARCHIVED).await?;
        let mut all = BTreeMap::new();
        for doc in docs {
            let block: BTreeMap<u32, String> = serde_json::from_slice(&doc.body).map_err(corrupt)?;
            all.extend(block.into_iter().map(|(w, digest)| (WarningId(w), digest)));
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        // Who read later has the later one, unless a failover took it back.
        *known = (version, all);
        Ok(())
    }

    pub fn contains(&self, w: WarningId) -> bool {
        self.known().1.contains_key(&w)
    }

    pub fn digest(&self, w: WarningId) -> Option<String> {
        self.known().1.get(&w).cloned()
    }

    pub fn all(&self) -> BTreeMap<WarningId, String> {
        self.known().1.clone()
    }

    /// From now on a warning that is not live is the copy of this digest.
    ///
    /// # Errors
    /// As the store's.
    pub async fn note(&self, store: &dyn Store, w: WarningId, digest: &str) -> Result<(), StoreError> {
        let id = (w.0 / BLOCK).to_string();
        for _ in 0..TRIES {
            let (version, docs) = store.docs(ARCHIVED).await?;
            let block = docs.iter().find(|d| d.id == id).map(|d| serde_json::from_slice(&d.body).map_err(corrupt));
            let mut block: BTreeMap<u32, String> = block.transpose()?.unwrap_or_default();
            if block.insert(w.0, digest.to_string()).as_deref() == Some(digest) {
                return self.refresh(store).await;
            }
            let doc = Doc { id: id.clone(), body: json(&block)? };
            if store.docs_apply(ARCHIVED, version, vec![doc], Vec::new()).await?.is_some() {
                return self.refresh(store).await;
            }
        }
        Err(busy())
    }

    /// Everything that is under way.
    ///
    /// # Errors
    /// As the store's.
    pub async fn works(&self, store: &dyn Store) -> Result<BTreeMap<WarningId, Work>, StoreError> {
        let (_, docs) = store.docs(WORKS).await?;
        docs.iter().map(read).collect()
    }

    /// Changes what is under way with a warning: `None` leaves it, `Some(None)` ends it. Answers whether it was changed.
    ///
    /// # Errors
    /// As the store's.
    pub async fn change(
        &self,
        store: &dyn Store,
        w: WarningId,
        change: impl Fn(Option<Work>) -> Option<Option<Work>>,
    ) -> Result<bool, StoreError> {
        let id = w.0.to_string();
        for _ in 0..TRIES {
            let (version, docs) = store.docs(WORKS).await?;
            let old = docs.iter().find(|d| d.id == id).map(read).transpose()?.map(|(_, work)| work);
            let Some(new) = change(old.clone()) else { return Ok(false) };
            if new == old {
                return Ok(true);
            }
            let (upsert, delete) = match new {
                Some(work) => (vec![Doc { id: id.clone(), body: json(&work)? }], Vec::new()),
                None => (Vec::new(), vec![id.clone()]),
            };
            if store.docs_apply(WORKS, version, upsert, delete).await?.is_some() {
                return Ok(true);
            }
        }
        Err(busy())
    }
}

fn read(doc: &Doc) -> Result<(WarningId, Work), StoreError> {
    let id = doc.id.parse().map_err(|_| corrupt(format!("`{}` is no warning's number", doc.id)))?;
    Ok((WarningId(id), serde_json::from_slice(&doc.body).map_err(corrupt)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{clock::ManualClock, memory::MemoryStore};
    use futures_util::FutureExt;
    use std::sync::Arc;

    fn now<T>(f: impl Future<Output = Result<T, StoreError>>) -> T {
        f.now_or_never().expect("the memory store is ready at once").unwrap()
    }

    #[test]
    fn every_gateway_reads_what_one_has_noted_and_an_older_digest_gives_way() {
        let store = MemoryStore::new(Arc::new(ManualClock::new(Time(0))));
        let [a, b] = [Register::default(), Register::default()];
        now(a.note(&store, WarningId(7), "x"));
        now(a.note(&store, WarningId(2_007), "y"));
        assert!(!b.contains(WarningId(7)));
        now(b.refresh(&store));
        assert_eq!(b.digest(WarningId(2_007)).as_deref(), Some("y"));
        now(b.note(&store, WarningId(7), "z"));
        now(a.refresh(&store));
        assert_eq!(a.all().into_values().collect::<Vec<_>>(), ["z", "y"]);
    }

    #[test]
    fn an_intent_stands_until_it_is_ended_and_who_does_not_want_to_changes_nothing() {
        let store = MemoryStore::new(Arc::new(ManualClock::new(Time(0))));
        let (r, w) = (Register::default(), WarningId(3));
        let work = Work { step: Step::Copying, digest: "d".into(), copies: vec!["a".into()], at: Time(5) };
        assert!(now(r.change(&store, w, |old| old.is_none().then(|| Some(work.clone())))));
        assert!(!now(r.change(&store, w, |old| old.is_none().then_some(None))));
        assert_eq!(now(r.works(&store)), BTreeMap::from([(w, work)]));
        assert!(now(r.change(&store, w, |_| Some(None))));
        assert!(now(r.works(&store)).is_empty());
    }
}
