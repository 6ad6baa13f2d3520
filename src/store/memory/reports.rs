//! The read side of the memory store: every answer is made from the rows as they stand.

use super::MemoryStore;
use crate::{
    core::ids::{CalloutId, WarningId},
    store::{CalloutFilter, Durability, Face, FaceCounts, FeedItem, JournalRow, Key, Lane, Record, Reports, StoreError, TaskRow},
};
use async_trait::async_trait;
use std::collections::BTreeMap;

fn wanted(filter: &CalloutFilter, face: &Face) -> bool {
    filter.state.is_none_or(|s| s == face.state)
        && filter.division.is_none_or(|d| d.contains(face.division))
        && filter.tier.is_none_or(|t| t == face.tier)
        && (!filter.open || face.state.is_open())
        && filter.recipients.as_ref().is_none_or(|r| r.contains(&face.recipient))
}

#[async_trait]
impl Reports for MemoryStore {
    fn durability(&self) -> Durability {
        Durability::new("memory: everything is forgotten at exit", "仅存内存，退出即全部丢失（试用）")
    }

    async fn warnings(&self, cursor: Option<WarningId>, limit: usize) -> Result<Vec<Record>, StoreError> {
        let table = self.table();
        let newest_first = table.rows.range(..Key::Callout(CalloutId::new(WarningId(0), 0))).rev();
        let before = newest_first.filter(|(k, _)| cursor.is_none_or(|c| **k < Key::Warning(c)));
        Ok(before.take(limit).map(|(_, r)| r.record.clone()).collect())
    }

    async fn callouts(
        &self,
        warning: Option<WarningId>,
        filter: &CalloutFilter,
        cursor: Option<CalloutId>,
        limit: usize,
    ) -> Result<Vec<(Record, Face)>, StoreError> {
        let table = self.table();
        let found = table.rows.iter().filter_map(|(key, row)| match (key, &row.face) {
            (Key::Callout(id), Some(face))
                if warning.is_none_or(|w| w == id.warning) && cursor.is_none_or(|c| *id > c) && wanted(filter, face) =>
            {
                Some((row.record.clone(), face.clone()))
            }
            _ => None,
        });
        Ok(found.take(limit).collect())
    }

    async fn faces(&self, warning: WarningId) -> Result<Vec<(CalloutId, Face)>, StoreError> {
        let table = self.table();
        let all = Key::Callout(CalloutId::new(warning, 0))..=Key::Callout(CalloutId::new(warning, u32::MAX));
        let faces = table.rows.range(all).filter_map(|(key, row)| match (key, &row.face) {
            (Key::Callout(id), Some(face)) => Some((*id, face.clone())),
            _ => None,
        });
        Ok(faces.collect())
    }

    async fn counts(&self, warning: WarningId) -> Result<FaceCounts, StoreError> {
        Ok(self.table().counts.get(&warning).cloned().unwrap_or_default())
    }

    async fn recount(&self, warning: WarningId) -> Result<FaceCounts, StoreError> {
        let mut counts = FaceCounts::default();
        self.faces(warning).await?.iter().for_each(|(_, face)| counts.count(face, true));
        Ok(counts)
    }

    async fn journal(&self, key: &Key) -> Result<Vec<JournalRow>, StoreError> {
        Ok(self.table().journal.get(key).cloned().unwrap_or_default())
    }

    async fn tasks(&self, warning: Option<WarningId>, open_only: bool, limit: usize) -> Result<Vec<TaskRow>, StoreError> {
        let table = self.table();
        let wanted = |t: &&TaskRow| warning.is_none_or(|w| t.warning == Some(w)) && !(open_only && t.closed.is_some());
        let mut tasks: Vec<TaskRow> = table.tasks.values().filter(wanted).cloned().collect();
        tasks.sort_by(|a, b| (a.closed.is_some(), a.due_at, &a.id).cmp(&(b.closed.is_some(), b.due_at, &b.id)));
        tasks.truncate(limit);
        Ok(tasks)
    }

    async fn task(&self, id: &str) -> Result<Option<TaskRow>, StoreError> {
        Ok(self.table().tasks.get(id).cloned())
    }

    async fn feed_after(&self, seq: u64, limit: usize) -> Result<Vec<(u64, FeedItem)>, StoreError> {
        let table = self.table();
        let skip = usize::try_from(seq.saturating_sub(table.feed_before)).unwrap_or(usize::MAX);
        Ok((table.feed_before + 1..).zip(&table.feed).skip(skip).take(limit).map(|(n, item)| (n, item.clone())).collect())
    }

    async fn feed_tip(&self) -> Result<u64, StoreError> {
        let table = self.table();
        Ok(table.feed_before + table.feed.len() as u64)
    }

    async fn without_clock(&self) -> Result<Vec<Key>, StoreError> {
        let table = self.table();
        let stuck =
            table.rows.iter().filter(|(_, r)| r.record.due.is_none() && r.face.as_ref().is_some_and(|f| f.state.is_open() && !f.told_only));
        Ok(stuck.map(|(k, _)| k.clone()).collect())
    }

    async fn queue_depth(&self) -> Result<Vec<(Lane, u64)>, StoreError> {
        let mut depth: BTreeMap<Lane, u64> = BTreeMap::new();
        self.table().inbox.values().flat_map(|i| i.values()).for_each(|w| *depth.entry(w.lane).or_default() += 1);
        Ok(depth.into_iter().collect())
    }
}
