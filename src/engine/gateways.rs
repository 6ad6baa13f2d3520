//! Who else works on this store: every gateway says so every two seconds, and who has been silent for
//! ten is gone. For sharing what is counted per account, and for whoever needs a second witness; no
//! decision about a person rests on it.

use crate::{
    core::time::{Span, Time},
    store::{Doc, Store, StoreError, transfer::GATEWAYS},
};
use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};

/// How often a gateway says that it lives.
pub const BEAT: Span = Span::secs(2);
/// A gateway that has not said so for this long is gone.
pub const LAPSE: Span = Span::secs(10);
/// What a gateway has heard of the others holds for so long: two beats. Only for so long does it take its part of
/// what a provider grants an account, and for so long a new gateway waits before it takes any, so that the parts of all
/// are never more than the whole, whoever comes, goes, stands still or is cut off.
pub const QUIET: Span = Span::secs(4);
/// Others may say so at the same moment; each takes its turn.
const TRIES: usize = 10;

/// The name of one run of a gateway.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GatewayId(pub String);
impl fmt::Display for GatewayId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Serialize, Deserialize)]
struct Seen {
    at: Time,
}

/// The gateways of a store, as one of them sees it.
pub struct Gateways {
    store: Arc<dyn Store>,
    me: GatewayId,
}

impl Gateways {
    pub fn new(store: Arc<dyn Store>, me: GatewayId) -> Gateways {
        Gateways { store, me }
    }

    pub fn me(&self) -> &GatewayId {
        &self.me
    }

    /// Says that this one lives, and strikes out who is long gone.
    ///
    /// # Errors
    /// `Unavailable` when it could not be said.
    pub async fn beat(&self) -> Result<(), StoreError> {
        let body = |at| serde_json::to_vec(&Seen { at }).map_err(|e| StoreError::Corrupt(e.to_string()));
        self.change(|now| Ok(vec![Doc { id: self.me.0.clone(), body: body(now)? }])).await
    }

    /// Says that this one ends.
    ///
    /// # Errors
    /// `Unavailable` when it could not be said; then it is gone after [`LAPSE`].
    pub async fn leave(&self) -> Result<(), StoreError> {
        self.change(|_| Ok(Vec::new())).await
    }

    async fn change(&self, mine: impl Fn(Time) -> Result<Vec<Doc>, StoreError>) -> Result<(), StoreError> {
        for _ in 0..TRIES {
            let (version, docs) = self.store.docs(GATEWAYS).await?;
            let now = self.store.now();
            let upsert = mine(now)?;
            let ends = |d: &Doc| if d.id == self.me.0 { upsert.is_empty() } else { !lives(d, now) };
            let delete: Vec<String> = docs.iter().filter(|d| ends(d)).map(|d| d.id.clone()).collect();
            if upsert.is_empty() && delete.is_empty() || self.store.docs_apply(GATEWAYS, version, upsert, delete).await?.is_some() {
                return Ok(());
            }
        }
        Err(StoreError::Unavailable("too many gateways spoke at once".to_string()))
    }

    /// All that live, by name. This one is among them once it has said so.
    ///
    /// # Errors
    /// `Unavailable` when the store cannot be read.
    pub async fn live(&self) -> Result<Vec<GatewayId>, StoreError> {
        let (_, docs) = self.store.docs(GATEWAYS).await?;
        let now = self.store.now();
        Ok(docs.into_iter().filter(|d| lives(d, now)).map(|d| GatewayId(d.id)).collect())
    }
}

fn lives(doc: &Doc, now: Time) -> bool {
    serde_json::from_slice::<Seen>(&doc.body).is_ok_and(|seen| now - seen.at < LAPSE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{clock::ManualClock, memory::MemoryStore};
    use futures_util::FutureExt;

    fn now<T>(f: impl Future<Output = Result<T, StoreError>>) -> T {
        f.now_or_never().expect("the memory store is ready at once").unwrap()
    }

    #[test]
    fn who_speaks_lives_who_is_silent_or_leaves_does_not() {
        let clock = Arc::new(ManualClock::new(Time(1_000)));
        let store = Arc::new(MemoryStore::new(clock.clone()));
        let [a, b] = ["a", "b"].map(|n| Gateways::new(store.clone(), GatewayId(n.into())));
        let names = |of: &Gateways| now(of.live()).into_iter().map(|g| g.0).collect::<Vec<_>>();
        assert!(names(&a).is_empty());
        now(a.beat());
        now(b.beat());
        assert_eq!(names(&a), ["a", "b"]);
        clock.advance(Span::secs(9));
        now(b.beat());
        clock.advance(Span::secs(1));
        assert_eq!(names(&b), ["b"], "a was silent for ten seconds");
        assert_eq!(now(store.docs(GATEWAYS)).1.len(), 2);
        now(b.beat());
        assert_eq!(now(store.docs(GATEWAYS)).1.len(), 1, "and is struck out");
        now(a.beat());
        now(b.leave());
        now(b.leave());
        assert_eq!(names(&b), ["a"]);
    }
}
