//! Which gateways live, where several share a store: each says so every two seconds. What a provider grants
//! an account is shared out among them, so a new one is quiet until the others have heard of it.

use super::Engine;
use crate::{
    core::time::{Span, Time},
    store::{Doc, StoreError},
};
use serde::{Deserialize, Serialize};

/// How often a gateway says that it lives.
pub const BEAT: Span = Span::secs(2);
/// One that was silent for so long is taken for dead.
const DEAD: Span = Span::secs(10);
/// A new gateway sends nothing for so long: two beats of the others.
pub const QUIET: Span = Span::secs(4);
const KIND: &str = "gateway";

#[derive(Serialize, Deserialize)]
struct Beat {
    seen: Time,
    version: String,
}

impl Engine {
    /// Says that this gateway lives, and shares the accounts among those that do. Answers their names.
    pub async fn beat(&self) -> Result<Vec<String>, StoreError> {
        if !self.store.shared() {
            return Ok(vec![self.settings.gateway.clone()]);
        }
        for _ in 0..20 {
            let now = self.store.now();
            let (version, docs) = self.store.docs(KIND).await?;
            let seen = |d: &Doc| serde_json::from_slice::<Beat>(&d.body).map_or(Time(0), |b| b.seen);
            let (mut live, mut dead) = (vec![self.settings.gateway.clone()], Vec::new());
            for d in docs.iter().filter(|d| d.id != self.settings.gateway) {
                if seen(d) + DEAD > now { live.push(d.id.clone()) } else { dead.push(d.id.clone()) }
            }
            let beat = Beat { seen: now, version: env!("CARGO_PKG_VERSION").into() };
            let mine = Doc { id: self.settings.gateway.clone(), body: super::apply::to_json(&beat) };
            if self.store.docs_apply(KIND, version, vec![mine], dead).await?.is_some() {
                live.sort();
                self.accounts.share_among(live.len());
                return Ok(live);
            }
        }
        Err(StoreError::Unavailable("the list of gateways is changed by others faster than we can say that we live".into()))
    }

    /// Says that this gateway goes: its share is the others' at their next beat.
    pub async fn leave(&self) -> Result<(), StoreError> {
        if !self.store.shared() {
            return Ok(());
        }
        for _ in 0..20 {
            let (version, _) = self.store.docs(KIND).await?;
            if self.store.docs_apply(KIND, version, Vec::new(), vec![self.settings.gateway.clone()]).await?.is_some() {
                return Ok(());
            }
        }
        Ok(())
    }
}
