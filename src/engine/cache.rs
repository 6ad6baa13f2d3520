//! Plans and running policies in memory: written once, read by every step.

use crate::{
    core::{
        ids::{RecipientId, WarningId},
        plan::PlanChunk,
        warning_life::WarningState,
    },
    store::Head,
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// Chunks of a thousand persons kept at once: 1,024 of them are a million persons.
const MAX_CHUNKS: usize = 1024;
const MAX_WARNINGS: usize = 4096;

/// Whose ordinal is whose, for a warning that continues another.
pub type Ordinals = HashMap<RecipientId, u32>;

#[derive(Default)]
pub struct Cache {
    warnings: Mutex<HashMap<WarningId, Arc<WarningState>>>,
    /// Parsed rows, each with the head it was parsed from.
    rows: Mutex<HashMap<WarningId, (Head, Arc<WarningState>)>>,
    chunks: Mutex<HashMap<(WarningId, u32), Arc<PlanChunk>>>,
    /// With how many entries the plan had: an officer may add some.
    ordinals: Mutex<HashMap<WarningId, (u32, Arc<Ordinals>)>>,
}

fn open<T>(m: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Cache {
    /// The last state seen. Content and policy never change; plan progress and end may be newer in
    /// the store.
    pub fn warning(&self, id: WarningId) -> Option<Arc<WarningState>> {
        open(&self.warnings).get(&id).cloned()
    }
    /// The state of the row with this head, if that very row was read before: a running warning is looked at
    /// every two seconds, its policy and text are long, and mostly nothing has changed.
    pub fn read_warning(&self, id: WarningId, head: Head) -> Option<Arc<WarningState>> {
        open(&self.rows).get(&id).filter(|(h, _)| *h == head).map(|(_, w)| w.clone())
    }
    pub fn put_row(&self, head: Head, w: Arc<WarningState>) {
        let mut all = open(&self.rows);
        if all.len() >= MAX_WARNINGS {
            all.clear();
        }
        all.insert(w.id, (head, w));
    }
    pub fn put_warning(&self, w: Arc<WarningState>) {
        let mut all = open(&self.warnings);
        if all.len() >= MAX_WARNINGS {
            all.clear();
        }
        all.insert(w.id, w);
    }
    pub fn chunk(&self, id: WarningId, n: u32) -> Option<Arc<PlanChunk>> {
        open(&self.chunks).get(&(id, n)).cloned()
    }
    pub fn put_chunk(&self, id: WarningId, n: u32, chunk: Arc<PlanChunk>) {
        let mut all = open(&self.chunks);
        if all.len() >= MAX_CHUNKS {
            all.clear();
        }
        all.insert((id, n), chunk);
    }
    pub fn ordinals(&self, id: WarningId, entries: u32) -> Option<Arc<Ordinals>> {
        open(&self.ordinals).get(&id).filter(|(n, _)| *n == entries).map(|(_, map)| map.clone())
    }
    pub fn put_ordinals(&self, id: WarningId, entries: u32, map: Arc<Ordinals>) {
        open(&self.ordinals).insert(id, (entries, map));
    }
    /// Forgets what a closed warning no longer needs.
    pub fn forget(&self, id: WarningId) {
        open(&self.ordinals).remove(&id);
    }
}
