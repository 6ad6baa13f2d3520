//! Receipts that name a message only by the provider's own id (Tencent): which attempt it was.
//!
//! The id comes with the acceptance and is kept under `sent/ACCOUNT/ID` before the outcome is recorded. A
//! callback may be faster than its acceptance, or come from before a crash: then it waits and is read again a
//! few times, and what stays unknown is left as it is, raw. Ids are needed for days; then they leave for the archive.

use super::{Engine, apply::to_json, dispatcher::Done, limits::Account};
use crate::{
    channel::CallbackItem,
    core::{ids::AttemptId, send::Outcome, time::Span},
    store::{Commit, Committed, Head, Key, Lane, StoreError, WriteLane, archive::PASSING},
};

/// When a callback about an unknown id is read again.
pub(super) const AGAIN: [Span; 4] = [Span::secs(2), Span::secs(10), Span::secs(60), Span::mins(5)];

/// A callback's items, references filled in.
pub(super) struct Named {
    pub items: Vec<CallbackItem>,
    /// Items left out because nobody knows their id (yet).
    pub early: usize,
}

fn key(account: &str, id: &str) -> Key {
    Key::Named(format!("{PASSING}{account}/{id}"))
}

impl Engine {
    /// Keeps the ids of what was accepted by accounts that do not echo our reference.
    pub(super) async fn keep_provider_ids(&self, done: &[Done]) -> Result<(), StoreError> {
        let ids = done.iter().filter_map(|d| match &d.outcome {
            Outcome::Accepted { provider_message_id } if !d.account.provider.echoes_reference() => {
                Some((d.account.name(), provider_message_id.as_str(), d.whose.attempt()))
            }
            _ => None,
        });
        self.keep_ids(ids).await
    }

    /// The same for an id that a look-up found.
    pub(super) async fn keep_found_id(&self, account: &Account, id: Option<&str>, attempt: AttemptId) -> Result<(), StoreError> {
        let ids = id.filter(|_| !account.provider.echoes_reference()).map(|id| (account.name(), id, attempt));
        self.keep_ids(ids.into_iter()).await
    }

    async fn keep_ids<'a>(&self, ids: impl Iterator<Item = (&'a str, &'a str, AttemptId)> + Send) -> Result<(), StoreError> {
        let now = self.store.now();
        let batch: Vec<Commit> = ids
            .map(|(account, id, attempt)| {
                let reference = self.references.attempt(attempt);
                let journal = to_json(&serde_json::json!([{"e": "sent_as", "reference": reference}]));
                Commit::new(key(account, id), Head::NONE, to_json(&reference), journal, None, Lane::URGENT, now)
            })
            .collect();
        if !batch.is_empty() {
            // A conflict is the same id kept before, by a look-up or a provider that gave it out twice.
            Committed::all_known(self.store.commit(WriteLane::Red, batch).await?)?;
        }
        Ok(())
    }

    /// Fills in the reference of every item that has only the provider's id. `again`: what needed no id was
    /// worked through before and is left out.
    pub(super) async fn named_by_id(&self, account: &str, items: Vec<CallbackItem>, again: bool) -> Result<Named, StoreError> {
        let echoes = self.accounts.named(account).is_none_or(|a| a.provider.echoes_reference());
        if echoes {
            return Ok(Named { items, early: 0 });
        }
        let mut named = Named { items: Vec::with_capacity(items.len()), early: 0 };
        for mut item in items {
            let wanted = match &mut item {
                CallbackItem::Receipt { reference, provider_message_id: Some(id), .. }
                | CallbackItem::Key { reference, provider_message_id: Some(id), .. }
                    if reference.as_deref().and_then(|r| self.references.read_attempt(r)).is_none() =>
                {
                    Some((reference, id.clone()))
                }
                _ => None,
            };
            let Some((reference, id)) = wanted else {
                if !again {
                    named.items.push(item);
                }
                continue;
            };
            match self.store.load(&[key(account, &id)]).await?.pop().flatten() {
                Some(record) => {
                    *reference = serde_json::from_slice(&record.body).ok();
                    named.items.push(item);
                }
                None => named.early += 1,
            }
        }
        Ok(named)
    }
}
