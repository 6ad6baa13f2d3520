//! A gateway that is cut off at a step: before it is carried out, or after, with its answer lost.

use crate::conformance::Both;
use async_trait::async_trait;
use jiaoying::{
    core::{
        ids::{CalloutId, WarningId},
        time::{Span, Time},
    },
    store::{
        CalloutFilter, Claim, Commit, Committed, Doc, Durability, Face, FaceCounts, FeedItem, Identity, JournalRow, Key, Lane, Record,
        Reports, Store, StoreError, TaskRow, WriteLane,
        archive::{Forget, Forgetful, Forgot, Spent},
        transfer::{Export, Piece, Scope, Sender},
    },
};
use std::sync::{Arc, Mutex};

/// How many more steps are carried out; whether the one that burns it still is.
#[derive(Default)]
pub struct Fuse(Mutex<Option<(u32, bool)>>);
impl Fuse {
    pub fn light(&self, steps: u32, carried_out: bool) {
        *self.0.lock().unwrap() = Some((steps, carried_out));
    }
    /// Whether it has burnt.
    pub fn burnt(&self) -> bool {
        matches!(*self.0.lock().unwrap(), Some((0, false)))
    }
    /// Carried out, answered.
    fn step(&self) -> (bool, bool) {
        let mut fuse = self.0.lock().unwrap();
        match &mut *fuse {
            None => (true, true),
            Some((0, last)) => (std::mem::take(last), false),
            Some((left, _)) => {
                *left -= 1;
                (true, true)
            }
        }
    }
}

fn killed() -> StoreError {
    StoreError::Unavailable("the gateway was killed".into())
}

/// A store, every change of which burns the fuse a little.
pub struct Cut {
    pub inner: Arc<dyn Both>,
    pub fuse: Arc<Fuse>,
}

/// A store as a shelf.
pub struct ShelfOf(pub Arc<dyn Both>);

macro_rules! step {
    ($self:ident, $change:expr) => {{
        let (carried_out, answered) = $self.fuse.step();
        let answer = if carried_out { $change.await } else { Err(killed()) };
        if answered { answer } else { Err(killed()) }
    }};
}

macro_rules! forward {
    ($of:ident, $inner:tt, |$self:ident, $change:ident| $do:expr) => {
        #[async_trait]
        impl Store for $of {
            fn now(&self) -> Time {
                self.$inner.now()
            }
            async fn next_number(&self, sequence: &str) -> Result<u64, StoreError> {
                self.$inner.next_number(sequence).await
            }
            async fn commit(&self, lane: WriteLane, batch: Vec<Commit>) -> Result<Vec<Committed>, StoreError> {
                self.$inner.commit(lane, batch).await
            }
            async fn load(&self, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
                self.$inner.load(keys).await
            }
            async fn claim(&self, limit: usize, lease: Span) -> Result<Vec<Claim>, StoreError> {
                self.$inner.claim(limit, lease).await
            }
            async fn release(&self, claims: &[(Key, u64)], until: Time) -> Result<(), StoreError> {
                self.$inner.release(claims, until).await
            }
            async fn next_due(&self) -> Result<Option<Time>, StoreError> {
                self.$inner.next_due().await
            }
            async fn changed(&self) {
                self.$inner.changed().await;
            }
            async fn blob(&self, key: &Key, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
                self.$inner.blob(key, name).await
            }
            async fn identities(&self, identifier: &str) -> Result<Vec<Identity>, StoreError> {
                self.$inner.identities(identifier).await
            }
            async fn docs(&self, kind: &str) -> Result<(u64, Vec<Doc>), StoreError> {
                self.$inner.docs(kind).await
            }
            async fn docs_version(&self, kind: &str) -> Result<u64, StoreError> {
                self.$inner.docs_version(kind).await
            }
            async fn docs_apply(&self, kind: &str, expect: u64, upsert: Vec<Doc>, delete: Vec<String>) -> Result<Option<u64>, StoreError> {
                let $self = self;
                let $change = self.$inner.docs_apply(kind, expect, upsert, delete);
                $do
            }
        }

        #[async_trait]
        impl Export for $of {
            async fn export(&self, scope: Scope, to: Sender) -> Result<Sender, StoreError> {
                self.$inner.export(scope, to).await
            }
            async fn gateways(&self) -> Result<u64, StoreError> {
                self.$inner.gateways().await
            }
        }

        #[async_trait]
        impl Forgetful for $of {
            async fn forget(&self, what: &Forget) -> Result<Forgot, StoreError> {
                let $self = self;
                let $change = self.$inner.forget(what);
                $do
            }
            async fn take_in(&self, warning: WarningId, pieces: Vec<Piece>) -> Result<(), StoreError> {
                let $self = self;
                let $change = self.$inner.take_in(warning, pieces);
                $do
            }
            async fn spent(&self, before: Time, from: &str, most: usize) -> Result<(Vec<Spent>, String), StoreError> {
                self.$inner.spent(before, from, most).await
            }
            async fn let_go(&self, what: &[Spent]) -> Result<(), StoreError> {
                let $self = self;
                let $change = self.$inner.let_go(what);
                $do
            }
        }

        #[async_trait]
        impl Reports for $of {
            fn durability(&self) -> Durability {
                self.$inner.durability()
            }
            async fn warnings(&self, cursor: Option<WarningId>, limit: usize) -> Result<Vec<Record>, StoreError> {
                self.$inner.warnings(cursor, limit).await
            }
            async fn callouts(
                &self,
                warning: Option<WarningId>,
                filter: &CalloutFilter,
                cursor: Option<CalloutId>,
                limit: usize,
            ) -> Result<Vec<(Record, Face)>, StoreError> {
                self.$inner.callouts(warning, filter, cursor, limit).await
            }
            async fn faces(&self, warning: WarningId) -> Result<Vec<(CalloutId, Face)>, StoreError> {
                self.$inner.faces(warning).await
            }
            async fn counts(&self, warning: WarningId) -> Result<FaceCounts, StoreError> {
                self.$inner.counts(warning).await
            }
            async fn recount(&self, warning: WarningId) -> Result<FaceCounts, StoreError> {
                self.$inner.recount(warning).await
            }
            async fn journal(&self, key: &Key) -> Result<Vec<JournalRow>, StoreError> {
                self.$inner.journal(key).await
            }
            async fn tasks(&self, warning: Option<WarningId>, open_only: bool, limit: usize) -> Result<Vec<TaskRow>, StoreError> {
                self.$inner.tasks(warning, open_only, limit).await
            }
            async fn task(&self, id: &str) -> Result<Option<TaskRow>, StoreError> {
                self.$inner.task(id).await
            }
            async fn feed_after(&self, seq: u64, limit: usize) -> Result<Vec<(u64, FeedItem)>, StoreError> {
                self.$inner.feed_after(seq, limit).await
            }
            async fn feed_tip(&self) -> Result<u64, StoreError> {
                self.$inner.feed_tip().await
            }
            async fn without_clock(&self) -> Result<Vec<Key>, StoreError> {
                self.$inner.without_clock().await
            }
            async fn queue_depth(&self) -> Result<Vec<(Lane, u64)>, StoreError> {
                self.$inner.queue_depth().await
            }
        }
    };
}
forward!(Cut, inner, |me, change| step!(me, change));
forward!(ShelfOf, 0, |_me, change| change.await);
