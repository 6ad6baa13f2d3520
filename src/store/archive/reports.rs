//! The read side over both places: one listing in one order, and cursors that hold while a warning moves.
//!
//! Not in lists: warnings that only other gateways have a copy of, until they are fetched (the archiver sees to it).

use super::{Archived, returning::Place, warning_of};
use crate::{
    core::ids::{CalloutId, WarningId},
    store::{CalloutFilter, Durability, Face, FaceCounts, FeedItem, JournalRow, Key, Lane, Record, Reports, StoreError, TaskRow},
};
use async_trait::async_trait;
use std::collections::{BTreeMap, BTreeSet};

/// Looks at where a warning is, before an answer is given up as restless.
const LOOKS: usize = 4;
/// Rows of the archive read at once.
const PAGE: usize = 200;

impl Archived {
    /// Which of these the archive here speaks for.
    async fn spoken_for(&self, warnings: BTreeSet<WarningId>) -> Result<BTreeSet<WarningId>, StoreError> {
        let asked: Vec<WarningId> = warnings.into_iter().filter(|w| self.has_current_copy(*w)).collect();
        if asked.is_empty() {
            return Ok(BTreeSet::new());
        }
        let keys: Vec<Key> = asked.iter().map(|w| Key::Warning(*w)).collect();
        let live = self.live.store.load(&keys).await?;
        Ok(asked.into_iter().zip(live).filter(|(_, r)| r.is_none()).map(|(w, _)| w).collect())
    }
}

/// Asks whoever has the warning; again where it moved meanwhile, for half of it may have been gone.
macro_rules! ask_of {
    ($self:ident, $w:expr, |$reports:ident| $ask:expr) => {{
        let mut looks = 0;
        loop {
            let place = $self.place_at_hand($w).await?;
            let $reports: &dyn Reports = if place == Place::Here { &*$self.shelf } else { &*$self.live.reports };
            let answer = $ask.await?;
            if $self.place($w).await? == place {
                break Ok(answer);
            }
            looks += 1;
            if looks == LOOKS {
                break Err(StoreError::Unavailable(format!("{} moves between store and archive: ask again", $w)));
            }
        }
    }};
}

fn id_of(record: &Record) -> Option<WarningId> {
    warning_of(&record.key)
}

#[async_trait]
impl Reports for Archived {
    fn durability(&self) -> Durability {
        self.live.reports.durability()
    }
    async fn warnings(&self, cursor: Option<WarningId>, limit: usize) -> Result<Vec<Record>, StoreError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        // Live first, so that what leaves between the two looks is found in both. What comes back between them is found in
        // the archive, as it still is; what is live already wins over the copy it left behind.
        let live = self.live.reports.warnings(cursor, limit).await?;
        self.register.refresh(&*self.live.store).await?;
        let mut all: BTreeMap<WarningId, Record> = BTreeMap::new();
        let mut from = cursor;
        while all.len() < limit {
            let page = self.shelf.warnings(from, PAGE.max(limit)).await?;
            let Some(last) = page.last().and_then(id_of) else { break };
            from = Some(last);
            all.extend(page.into_iter().filter_map(|r| id_of(&r).map(|w| (w, r))).filter(|(w, _)| self.has_current_copy(*w)));
        }
        all.extend(live.into_iter().filter_map(|r| id_of(&r).map(|w| (w, r))));
        Ok(all.into_values().rev().take(limit).collect())
    }

    async fn callouts(
        &self,
        warning: Option<WarningId>,
        filter: &CalloutFilter,
        cursor: Option<CalloutId>,
        limit: usize,
    ) -> Result<Vec<(Record, Face)>, StoreError> {
        if let Some(w) = warning {
            return ask_of!(self, w, |reports| reports.callouts(warning, filter, cursor, limit));
        }
        // Nothing that is open is ever archived.
        if filter.open || limit == 0 || self.kept().is_empty() {
            return self.live.reports.callouts(None, filter, cursor, limit).await;
        }
        let live = self.live.reports.callouts(None, filter, cursor, limit).await?;
        self.register.refresh(&*self.live.store).await?;
        let mut all = BTreeMap::new();
        let mut from = cursor;
        while all.len() < limit {
            let page = self.shelf.callouts(None, filter, from, PAGE.max(limit)).await?;
            let Some((Record { key: Key::Callout(last), .. }, _)) = page.last() else { break };
            from = Some(*last);
            let spoken_for = self.spoken_for(page.iter().filter_map(|(r, _)| id_of(r)).collect()).await?;
            all.extend(page.into_iter().filter(|(r, _)| id_of(r).is_some_and(|w| spoken_for.contains(&w))).map(|c| (c.0.key.clone(), c)));
        }
        all.extend(live.into_iter().map(|c| (c.0.key.clone(), c)));
        Ok(all.into_values().take(limit).collect())
    }

    async fn faces(&self, warning: WarningId) -> Result<Vec<(CalloutId, Face)>, StoreError> {
        ask_of!(self, warning, |reports| reports.faces(warning))
    }

    async fn counts(&self, warning: WarningId) -> Result<FaceCounts, StoreError> {
        ask_of!(self, warning, |reports| reports.counts(warning))
    }

    async fn recount(&self, warning: WarningId) -> Result<FaceCounts, StoreError> {
        ask_of!(self, warning, |reports| reports.recount(warning))
    }

    async fn journal(&self, key: &Key) -> Result<Vec<JournalRow>, StoreError> {
        match warning_of(key) {
            Some(w) => ask_of!(self, w, |reports| reports.journal(key)),
            None => self.journal_over_both(key).await,
        }
    }

    async fn tasks(&self, warning: Option<WarningId>, open_only: bool, limit: usize) -> Result<Vec<TaskRow>, StoreError> {
        if let Some(w) = warning {
            return ask_of!(self, w, |reports| reports.tasks(warning, open_only, limit));
        }
        if open_only || self.kept().is_empty() {
            return self.live.reports.tasks(None, open_only, limit).await;
        }
        let live = self.live.reports.tasks(None, false, limit).await?;
        self.register.refresh(&*self.live.store).await?;
        // Those of copies that are not the truth are dropped: as many more may stand behind them.
        let mut most = limit;
        let archived = loop {
            let page = self.shelf.tasks(None, false, most).await?;
            let all = page.len() < most;
            let spoken_for = self.spoken_for(page.iter().filter_map(|t| t.warning).collect()).await?;
            let page: Vec<TaskRow> = page.into_iter().filter(|t| t.warning.is_some_and(|w| spoken_for.contains(&w))).collect();
            if all || page.len() >= limit {
                break page;
            }
            most = most.saturating_mul(2);
        };
        let all: BTreeMap<String, TaskRow> = archived.into_iter().chain(live).map(|t| (t.id.clone(), t)).collect();
        let mut all: Vec<TaskRow> = all.into_values().collect();
        all.sort_by(|a, b| (a.closed.is_some(), a.due_at, &a.id).cmp(&(b.closed.is_some(), b.due_at, &b.id)));
        all.truncate(limit);
        Ok(all)
    }

    async fn task(&self, id: &str) -> Result<Option<TaskRow>, StoreError> {
        if let Some(found) = self.live.reports.task(id).await? {
            return Ok(Some(found));
        }
        let Some(found) = self.shelf.task(id).await? else { return Ok(None) };
        let spoken_for = self.spoken_for(found.warning.into_iter().collect()).await?;
        Ok(if spoken_for.is_empty() { self.live.reports.task(id).await? } else { Some(found) })
    }

    async fn feed_after(&self, seq: u64, limit: usize) -> Result<Vec<(u64, FeedItem)>, StoreError> {
        self.live.reports.feed_after(seq, limit).await
    }

    async fn feed_tip(&self) -> Result<u64, StoreError> {
        self.live.reports.feed_tip().await
    }

    async fn without_clock(&self) -> Result<Vec<Key>, StoreError> {
        self.live.reports.without_clock().await
    }

    async fn queue_depth(&self) -> Result<Vec<(Lane, u64)>, StoreError> {
        self.live.reports.queue_depth().await
    }
}
