//! Receipts that name a message only by the provider's own id (Tencent): which attempt it was. And look-ups that find
//! whatever went to a number: whose it is.
//!
//! The id comes with the acceptance and is kept under `sent/ACCOUNT/ID` before the outcome is recorded. A
//! callback may be faster than its acceptance, or come from before a crash: then it waits and is read again a
//! few times, and what stays unknown is left as it is, raw. Ids are needed for days; then they leave for the archive.

use super::{Engine, apply::to_json, dispatcher::Done, limits::Account};
use crate::{
    channel::CallbackItem,
    core::{
        ids::AttemptId,
        line::Flight,
        send::{Channel, Outcome},
        time::Span,
    },
    store::{Commit, Committed, Head, Key, Lane, StoreError, WriteLane, archive::PASSING},
};
use std::collections::BTreeMap;

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

/// Whether ids must be kept: receipts have nothing else, or a look-up may find what is another's.
fn needs_ids(account: &Account) -> bool {
    !account.provider.echoes_reference() || account.provider.lookup_guesses()
}

impl Engine {
    /// Keeps the ids of what was accepted, by accounts that need them; answers of which attempts they are not kept yet.
    pub(super) async fn keep_provider_ids(&self, done: &[Done]) -> BTreeMap<AttemptId, StoreError> {
        let ids = done.iter().filter_map(|d| match &d.outcome {
            Outcome::Accepted { provider_message_id } if needs_ids(&d.account) => {
                Some((d.account.name(), provider_message_id.as_str(), d.whose.attempt()))
            }
            _ => None,
        });
        self.try_keep_ids(ids).await
    }

    /// The same for an id that a look-up found. False: it is another message's, so that this one was not found.
    pub(super) async fn keep_found_id(&self, account: &Account, id: Option<&str>, attempt: AttemptId) -> Result<bool, StoreError> {
        let Some(id) = id.filter(|_| needs_ids(account)) else { return Ok(true) };
        if let Some(known) = self.store.load(&[key(account.name(), id)]).await?.pop().flatten() {
            return Ok(serde_json::from_slice::<String>(&known.body).is_ok_and(|r| r == self.references.attempt(attempt)));
        }
        self.keep_ids(std::iter::once((account.name(), id, attempt))).await?;
        Ok(true)
    }

    async fn keep_ids<'a>(&self, ids: impl Iterator<Item = (&'a str, &'a str, AttemptId)> + Send) -> Result<(), StoreError> {
        self.try_keep_ids(ids).await.into_values().next().map_or(Ok(()), Err)
    }

    async fn try_keep_ids<'a>(&self, ids: impl Iterator<Item = (&'a str, &'a str, AttemptId)> + Send) -> BTreeMap<AttemptId, StoreError> {
        let now = self.store.now();
        let (attempts, batch): (Vec<AttemptId>, Vec<Commit>) = ids
            .map(|(account, id, attempt)| {
                let reference = self.references.attempt(attempt);
                let journal = to_json(&serde_json::json!([{"e": "sent_as", "reference": reference}]));
                (attempt, Commit::new(key(account, id), Head::NONE, to_json(&reference), journal, None, Lane::URGENT, now))
            })
            .unzip();
        if batch.is_empty() {
            return BTreeMap::new();
        }
        match self.store.commit(WriteLane::Red, batch).await {
            // A conflict is the same id kept before, by a look-up or a provider that gave it out twice.
            Ok(results) => attempts
                .into_iter()
                .zip(results)
                .filter_map(|(attempt, result)| match result {
                    Committed::Unknown(why) => Some((attempt, StoreError::Unavailable(why))),
                    _ => None,
                })
                .collect(),
            Err(e) => attempts.into_iter().map(|attempt| (attempt, e.clone())).collect(),
        }
    }

    /// Fills in the reference of every item that has only the provider's id. `again`: what needed no id was
    /// worked through before and is left out.
    pub(super) async fn named_by_id(&self, account: &str, items: Vec<CallbackItem>, body: &[u8], again: bool) -> Result<Named, StoreError> {
        let Some(a) = self.accounts.named(account).filter(|a| !a.provider.echoes_reference()) else {
            return Ok(Named { items, early: 0 });
        };
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
                None => match self.rung_of_unknown_fate(a, &id, body).await? {
                    Some(attempt) => {
                        *reference = Some(self.references.attempt(attempt));
                        named.items.push(item);
                    }
                    None => named.early += 1,
                },
            }
        }
        Ok(named)
    }

    /// The call whose reply was lost, so that its id is nobody's: a number is rung once at a time, so that one which rings
    /// there by this account is it. From then on the id is known.
    async fn rung_of_unknown_fate(&self, account: &Account, id: &str, body: &[u8]) -> Result<Option<AttemptId>, StoreError> {
        let Some(phone) = account.provider.number_rung(id, body) else { return Ok(None) };
        let (line, _) = self.load_line(&phone).await?;
        let lost = |f: &&Flight| f.unknown && f.channel == Channel::Voice && f.provider == account.name();
        let Some(lead) = line.flights.iter().find(lost).map(|f| f.lead) else { return Ok(None) };
        self.keep_ids(std::iter::once((account.name(), id, lead))).await?;
        Ok(Some(lead))
    }
}
