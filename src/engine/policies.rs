//! Policy versions (规则版本): the text of every policy a gateway was started with, and which one is in force since
//! when. Kept in the store, so that gateways that share one share this too; a warning names its version by hash.

use super::Engine;
use crate::{
    core::{
        policy::{Policy, RunningPolicy, parse_policy},
        time::{Span, Time},
    },
    store::{Doc, StoreError},
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The kind under which the store keeps them.
const POLICY: &str = "policy";
const TEXT: &str = "text/";
const CHANGE: &str = "change/";
/// Changes that are kept; texts are kept for ever, warnings refer to them.
const CHANGES: usize = 500;

/// A policy's text as it was first seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyVersion {
    pub hash: String,
    pub name: String,
    pub version: String,
    pub first_seen: Time,
    pub text: String,
}

/// From then on this version was in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyChange {
    pub hash: String,
    pub since: Time,
    /// Who gave it: the gateway that was started with it, and from where it read it.
    pub by: String,
}

/// Everything that is known of the policies of this store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyHistory {
    /// By their first day.
    pub versions: Vec<PolicyVersion>,
    /// Newest first.
    pub changes: Vec<PolicyChange>,
}

impl Engine {
    /// Records the policy of this gateway as in force, unless it is already. `from`: the file it was read from.
    pub async fn record_policy(&self, from: &str) -> Result<(), StoreError> {
        let policy = self.policy();
        if policy.origin.hash.is_empty() {
            return Ok(());
        }
        for _ in 0..10 {
            let (expect, docs) = self.store.docs(POLICY).await?;
            let history = read(&docs)?;
            let hash = &policy.origin.hash;
            if history.changes.first().is_some_and(|c| c.hash == *hash) {
                return Ok(());
            }
            // A moment of its own: two changes in one millisecond are two.
            let now = history.changes.first().map_or(self.store.now(), |c| self.store.now().max(c.since + Span::ms(1)));
            let mut upsert = Vec::new();
            if history.versions.iter().all(|v| v.hash != *hash) {
                upsert.push(doc(format!("{TEXT}{hash}"), &version(&policy, now))?);
            }
            let by = format!("{} ({from})", self.settings.gateway);
            upsert.push(doc(change_id(now), &PolicyChange { hash: hash.clone(), since: now, by })?);
            let gone: Vec<String> = history.changes.iter().skip(CHANGES).map(|c| change_id(c.since)).collect();
            if self.store.docs_apply(POLICY, expect, upsert, gone).await?.is_some() {
                tracing::info!(policy = policy.source(), hash, "a policy is in force now that was not before");
                return Ok(());
            }
        }
        Err(StoreError::Unavailable("the policy's version could not be recorded: others record theirs at the same moment".into()))
    }

    pub async fn policies(&self) -> Result<PolicyHistory, StoreError> {
        read(&self.store.docs(POLICY).await?.1)
    }

    /// The policy that a running warning was planned by. Where its text is known no more, or is read by nobody any more,
    /// the one in force.
    pub(super) async fn policy_of(&self, running: &RunningPolicy) -> Result<Arc<Policy>, StoreError> {
        let now = self.policy();
        if running.hash.is_empty() || running.hash == now.origin.hash {
            return Ok(now);
        }
        let history = self.policies().await?;
        let Some(version) = history.versions.iter().find(|v| v.hash == running.hash) else { return Ok(now) };
        match parse_policy(&version.text) {
            Ok(policy) => Ok(Arc::new(policy)),
            Err(faults) => {
                let fault = faults.first().map(ToString::to_string).unwrap_or_default();
                tracing::warn!(
                    policy = version.hash,
                    fault,
                    "the policy a warning was planned by cannot be read; the one in force is used"
                );
                Ok(now)
            }
        }
    }

    /// The policy of this gateway from now on; running warnings keep theirs.
    pub async fn give_policy(&self, policy: Policy, from: &str) -> Result<(), StoreError> {
        *self.policy.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Arc::new(policy);
        self.record_policy(from).await
    }
}

fn version(policy: &Policy, now: Time) -> PolicyVersion {
    PolicyVersion {
        hash: policy.origin.hash.clone(),
        name: policy.name.clone(),
        version: policy.version.clone(),
        first_seen: now,
        text: policy.origin.text.to_string(),
    }
}

/// Ids sort as times do.
fn change_id(at: Time) -> String {
    format!("{CHANGE}{:015}", at.0)
}

fn doc<T: Serialize>(id: String, what: &T) -> Result<Doc, StoreError> {
    let body = serde_json::to_vec(what).map_err(|e| StoreError::Corrupt(format!("{id}: {e}")))?;
    Ok(Doc { id, body })
}

fn read(docs: &[Doc]) -> Result<PolicyHistory, StoreError> {
    let mut out = PolicyHistory::default();
    for d in docs {
        let corrupt = |e: serde_json::Error| StoreError::Corrupt(format!("policy {}: {e}", d.id));
        if d.id.starts_with(TEXT) {
            out.versions.push(serde_json::from_slice(&d.body).map_err(corrupt)?);
        } else if d.id.starts_with(CHANGE) {
            out.changes.push(serde_json::from_slice(&d.body).map_err(corrupt)?);
        }
    }
    out.versions.sort_by_key(|v| v.first_seen);
    out.changes.sort_by_key(|c| std::cmp::Reverse(c.since));
    Ok(out)
}
