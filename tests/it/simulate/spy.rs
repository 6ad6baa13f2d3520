//! The store between the engine and the one beneath: it can let others come between two calls, cut the engine off in
//! the middle of its work (a crash), and carry the planted bugs of a careless store.

use super::{bugs::Bug, poll::yield_now, rng::Rng};
use crate::conformance::Both;
use async_trait::async_trait;
use jiaoying::{
    core::{
        ids::{CalloutId, WarningId},
        time::{Span, Time},
    },
    store::{
        CalloutFilter, Claim, Commit, Committed, Doc, Face, FaceCounts, FeedItem, Identity, JournalRow, Key, Lane, Record, Reports, Store,
        StoreError, TaskRow, WriteLane,
    },
};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard},
};

pub struct Spy {
    pub inner: Arc<dyn Both>,
    state: Mutex<State>,
}

struct State {
    rng: Rng,
    /// Others may come between two calls.
    interleave: bool,
    /// Batches still to be applied before the crash; whether the last one still is.
    fuse: Option<(u64, bool)>,
    dead: bool,
    touched: BTreeSet<Key>,
    bug: Option<Bug>,
    conflicts: u64,
}

fn crashed() -> StoreError {
    StoreError::Unavailable("the gateway was killed".into())
}

impl Spy {
    pub fn new(inner: Arc<dyn Both>, rng: Rng, interleave: bool, bug: Option<Bug>) -> Spy {
        let state = State { rng, interleave, fuse: None, dead: false, touched: BTreeSet::new(), bug, conflicts: 0 };
        Spy { inner, state: Mutex::new(state) }
    }
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
    /// Cut off after so many more batches; `applied`: the last one reaches the disk, its answer does not
    /// come back.
    pub fn light_fuse(&self, batches: u64, applied: bool) {
        self.state().fuse = Some((batches, applied));
    }
    pub fn is_dead(&self) -> bool {
        self.state().dead
    }
    pub fn revive(&self) {
        let mut s = self.state();
        s.dead = false;
        s.fuse = None;
    }
    pub fn kill(&self) {
        self.state().dead = true;
    }
    /// Records changed since the last time this was asked.
    pub fn take_touched(&self) -> Vec<Key> {
        std::mem::take(&mut self.state().touched).into_iter().collect()
    }
    pub fn conflicts(&self) -> u64 {
        self.state().conflicts
    }

    /// What happens before each call.
    async fn gate(&self) -> Result<(), StoreError> {
        let wait = {
            let mut s = self.state();
            s.interleave && s.rng.chance(40)
        };
        if wait {
            yield_now().await;
        }
        if self.is_dead() { Err(crashed()) } else { Ok(()) }
    }
}

#[async_trait]
impl Store for Spy {
    fn now(&self) -> Time {
        self.inner.now()
    }
    async fn next_number(&self, sequence: &str) -> Result<u64, StoreError> {
        self.gate().await?;
        self.inner.next_number(sequence).await
    }
    async fn commit(&self, lane: WriteLane, batch: Vec<Commit>) -> Result<Vec<Committed>, StoreError> {
        self.gate().await?;
        let (applied, last) = {
            let mut s = self.state();
            match &mut s.fuse {
                None => (true, false),
                Some((0, applied)) => (*applied, true),
                Some((left, _)) => {
                    *left -= 1;
                    (true, false)
                }
            }
        };
        if last {
            self.kill();
        }
        if !applied {
            return Err(crashed());
        }
        let mut out = Vec::with_capacity(batch.len());
        for mut c in batch {
            let bug = {
                let mut s = self.state();
                s.touched.insert(c.key.clone());
                s.bug.filter(|b| b.strikes(&mut s.rng))
            };
            if let Some(b) = bug
                && b.spoils(&mut c)
            {
                out.push(Committed::Done);
                continue;
            }
            let again = c.clone();
            let mut result = self.inner.commit(lane, vec![c]).await?.pop().ok_or_else(crashed)?;
            if result == Committed::Conflict {
                self.state().conflicts += 1;
                if self.state().bug == Some(Bug::NoHeadCheck) {
                    result = self.force(lane, again).await?;
                }
            }
            out.push(result);
        }
        if last { Err(crashed()) } else { Ok(out) }
    }
    async fn load(&self, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        self.gate().await?;
        let bug = self.state().bug;
        let mut records = self.inner.load(keys).await?;
        if let Some(b) = bug {
            records.iter_mut().flatten().for_each(|r| b.misreads(r));
        }
        Ok(records)
    }
    async fn claim(&self, limit: usize, lease: Span) -> Result<Vec<Claim>, StoreError> {
        self.gate().await?;
        let bug = self.state().bug;
        let mut claims = self.inner.claim(limit, lease).await?;
        if let Some(b) = bug {
            claims.iter_mut().filter_map(|c| c.record.as_mut()).for_each(|r| b.misreads(r));
        }
        Ok(claims)
    }
    async fn release(&self, claims: &[(Key, u64)], until: Time) -> Result<(), StoreError> {
        self.gate().await?;
        self.inner.release(claims, until).await
    }
    async fn next_due(&self) -> Result<Option<Time>, StoreError> {
        self.inner.next_due().await
    }
    async fn changed(&self) {
        self.inner.changed().await;
    }
    async fn blob(&self, key: &Key, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.gate().await?;
        self.inner.blob(key, name).await
    }
    async fn identities(&self, identifier: &str) -> Result<Vec<Identity>, StoreError> {
        self.gate().await?;
        self.inner.identities(identifier).await
    }
    async fn docs(&self, kind: &str) -> Result<(u64, Vec<Doc>), StoreError> {
        self.inner.docs(kind).await
    }
    async fn docs_version(&self, kind: &str) -> Result<u64, StoreError> {
        self.inner.docs_version(kind).await
    }
    async fn docs_apply(&self, kind: &str, expect: u64, upsert: Vec<Doc>, delete: Vec<String>) -> Result<Option<u64>, StoreError> {
        self.inner.docs_apply(kind, expect, upsert, delete).await
    }
}

impl Spy {
    /// The planted bug: whoever comes last wins.
    async fn force(&self, lane: WriteLane, mut c: Commit) -> Result<Committed, StoreError> {
        let found = self.inner.load(std::slice::from_ref(&c.key)).await?.pop().flatten();
        if let Some(record) = found {
            c.expect = record.head;
            c.head = record.head.after(&c.journal);
        }
        Ok(self.inner.commit(lane, vec![c]).await?.pop().unwrap_or(Committed::Conflict))
    }
}

#[async_trait]
impl Reports for Spy {
    async fn warnings(&self, cursor: Option<WarningId>, limit: usize) -> Result<Vec<Record>, StoreError> {
        self.gate().await?;
        self.inner.warnings(cursor, limit).await
    }
    async fn callouts(
        &self,
        warning: Option<WarningId>,
        filter: &CalloutFilter,
        cursor: Option<CalloutId>,
        limit: usize,
    ) -> Result<Vec<(Record, Face)>, StoreError> {
        self.inner.callouts(warning, filter, cursor, limit).await
    }
    async fn faces(&self, warning: WarningId) -> Result<Vec<(CalloutId, Face)>, StoreError> {
        self.inner.faces(warning).await
    }
    async fn counts(&self, warning: WarningId) -> Result<FaceCounts, StoreError> {
        self.gate().await?;
        let mut counts = self.inner.counts(warning).await?;
        if self.state().bug == Some(Bug::TallyOffByOne)
            && let Some(n) = counts.by_state.values_mut().next()
        {
            *n += 1;
        }
        Ok(counts)
    }
    async fn recount(&self, warning: WarningId) -> Result<FaceCounts, StoreError> {
        self.inner.recount(warning).await
    }
    async fn journal(&self, key: &Key) -> Result<Vec<JournalRow>, StoreError> {
        self.inner.journal(key).await
    }
    async fn tasks(&self, warning: Option<WarningId>, open_only: bool, limit: usize) -> Result<Vec<TaskRow>, StoreError> {
        self.inner.tasks(warning, open_only, limit).await
    }
    async fn task(&self, id: &str) -> Result<Option<TaskRow>, StoreError> {
        self.inner.task(id).await
    }
    async fn feed_after(&self, seq: u64, limit: usize) -> Result<Vec<(u64, FeedItem)>, StoreError> {
        self.inner.feed_after(seq, limit).await
    }
    async fn feed_tip(&self) -> Result<u64, StoreError> {
        self.inner.feed_tip().await
    }
    async fn without_clock(&self) -> Result<Vec<Key>, StoreError> {
        self.inner.without_clock().await
    }
    async fn queue_depth(&self) -> Result<Vec<(Lane, u64)>, StoreError> {
        self.inner.queue_depth().await
    }
}
