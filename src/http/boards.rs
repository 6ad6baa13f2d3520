//! Keeps the feedback board of each warning that somebody looks at: read once, then moved on by what the feed says
//! has changed. Whichever gateway took a report, its event is in the feed.

use crate::{
    core::ids::{CalloutId, WarningId},
    engine::{CalloutParts, Engine},
    report::Board,
    store::{CalloutFilter, Key, StoreError},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

/// Boards of this many warnings are kept.
const KEPT: usize = 50;
/// Further behind than this it is cheaper to read the warning anew.
const FAR: u64 = 50_000;
const PAGE: usize = 1000;
/// More changes than this are read with all the rest, a page at a time.
const MANY: usize = 5000;

/// A board and up to where of the feed it has seen.
type Kept = (u64, Arc<Board>);

#[derive(Default)]
pub struct Boards {
    kept: Mutex<BTreeMap<WarningId, Kept>>,
    /// One after the other: two readers would do the same work.
    turn: tokio::sync::Mutex<()>,
}

impl Boards {
    /// The board of a warning as it stands now.
    pub async fn of(&self, engine: &Engine, id: WarningId) -> Result<Arc<Board>, StoreError> {
        let _turn = self.turn.lock().await;
        let known = self.lock().get(&id).cloned();
        let tip = engine.reports().feed_tip().await?;
        let (seen, board) = match known {
            Some((seen, board)) if seen == tip => return Ok(board),
            Some((seen, board)) if tip.saturating_sub(seen) < FAR => (seen, board),
            // What changes while it is read stands in the feed behind the tip, and is put in again then.
            _ => (tip, Arc::new(read(engine, id).await?)),
        };
        let (seen, board) = catch_up(engine, id, seen, board).await?;
        let mut kept = self.lock();
        if kept.len() >= KEPT && !kept.contains_key(&id) {
            kept.pop_first();
        }
        kept.insert(id, (seen, board.clone()));
        Ok(board)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<WarningId, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The whole warning, once.
async fn read(engine: &Engine, id: WarningId) -> Result<Board, StoreError> {
    let mut board = Board::default();
    let mut cursor: Option<CalloutId> = None;
    loop {
        let batch = engine.reports().callouts(Some(id), &CalloutFilter::default(), cursor, PAGE).await?;
        for (record, _) in &batch {
            if let Key::Callout(c) = &record.key {
                cursor = Some(*c);
            }
            if let Some(parts) = engine.parts_of(record).await? {
                put(&mut board, &parts);
            }
        }
        if batch.len() < PAGE {
            return Ok(board);
        }
    }
}

/// Puts in again whatever of this warning the feed names.
async fn catch_up(engine: &Engine, id: WarningId, mut seen: u64, board: Arc<Board>) -> Result<(u64, Arc<Board>), StoreError> {
    let mut changed: BTreeSet<CalloutId> = BTreeSet::new();
    let mut ended = false;
    loop {
        let batch = engine.reports().feed_after(seen, PAGE).await?;
        let last = batch.len() < PAGE;
        for (seq, item) in batch {
            seen = seq;
            if item.warning == Some(id) {
                changed.extend(item.callout);
                // An end stops every clock without a word for each.
                ended |= item.kind.starts_with("warning.");
            }
        }
        if last {
            break;
        }
    }
    if ended || changed.len() > MANY {
        return Ok((seen, Arc::new(read(engine, id).await?)));
    }
    if changed.is_empty() {
        return Ok((seen, board));
    }
    let mut board = Arc::unwrap_or_clone(board);
    for c in changed {
        if let Some(parts) = engine.callout_parts(c).await? {
            put(&mut board, &parts);
        }
    }
    Ok((seen, Arc::new(board)))
}

fn put(board: &mut Board, parts: &CalloutParts) {
    let Some(entry) = parts.entry() else { return };
    let name = parts.person(entry.person).map_or("", |p| p.name.as_str());
    board.put(&parts.callout, entry, name, &parts.warning.policy);
}
