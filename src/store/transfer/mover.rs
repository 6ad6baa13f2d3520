//! From one store into another, with both at rest: looked at, carried, looked at again.

use super::{Census, Export, Import, Piece, Scope, channel};
use crate::store::StoreError;
use futures_util::future;

/// Why a move was refused or has failed. The source is as it was, always.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    #[error("{whose} is in use by {n} other gateway(s): stop them all first")]
    InUse { whose: &'static str, n: u64 },
    #[error("the target is not empty: it holds {0}. Name another file or prefix, or move that away first")]
    NotEmpty(String),
    #[error("the source cannot be trusted, nothing was moved:\n{}", .0.join("\n"))]
    Unsound(Vec<String>),
    #[error("the source changed while it was read: a gateway is still at work there. Stop it and move again:\n{}", .0.join("\n"))]
    Changed(Vec<String>),
    #[error("the copy is not what was read; gateways will not open it, move again:\n{}", .0.join("\n"))]
    Different(Vec<String>),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What stood on both sides in the end; `target` is `None` where it was only looked at.
pub struct Moved {
    pub source: Census,
    pub target: Option<Census>,
}

/// Counts everything in a store and checks it.
///
/// # Errors
/// As [`Export::export`].
pub async fn survey(store: &dyn Export, scope: Scope) -> Result<Census, StoreError> {
    let mut census = Census::default();
    each(store, scope, async |pieces| {
        pieces.iter().for_each(|p| census.add(p));
        Ok(())
    })
    .await?;
    Ok(census)
}

/// Hands every batch of an export to `take`.
pub(crate) async fn each(
    store: &dyn Export,
    scope: Scope,
    mut take: impl AsyncFnMut(Vec<Piece>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let (to, mut from) = channel();
    let sending = async move { store.export(scope, to).await?.end().await };
    let taking = async move {
        while let Some(pieces) = from.recv().await {
            take(pieces).await?;
        }
        Ok(())
    };
    let (sent, taken) = future::join(sending, taking).await;
    // Where the taker failed, the sender only knows that nobody listens any more.
    taken.and(sent)
}

/// Looks whether a move can be made: nobody at work, the target empty, every chain whole.
///
/// # Errors
/// The first reason against it.
pub async fn look(source: &dyn Export, target: &dyn Import) -> Result<Census, MoveError> {
    for (whose, n) in [("the source", source.gateways().await?), ("the target", target.gateways().await?)] {
        if n > 0 {
            return Err(MoveError::InUse { whose, n });
        }
    }
    if let Some(what) = target.holds().await? {
        return Err(MoveError::NotEmpty(what));
    }
    let census = survey(source, Scope::Everything).await?;
    let faults = census.faults();
    if faults.is_empty() { Ok(census) } else { Err(MoveError::Unsound(faults)) }
}

/// Moves everything. What is carried is only opened to gateways when the target, read again, holds the
/// same and the source has not changed meanwhile.
///
/// # Errors
/// See [`MoveError`]; the target then stays closed, and the next try begins anew.
pub async fn carry(source: &dyn Export, target: &dyn Import) -> Result<Moved, MoveError> {
    let before = look(source, target).await?;
    target.begin().await?;
    let oldest = before.feed_tip().saturating_sub(target.feed_kept());
    let (mut read, mut carried) = (Census::default(), Census::default());
    each(source, Scope::Everything, async |mut pieces| {
        pieces.iter().for_each(|p| read.add(p));
        pieces.retain(|p| !matches!(p, Piece::Feed(n, _) if *n <= oldest));
        pieces.iter().for_each(|p| carried.add(p));
        target.put(pieces).await
    })
    .await?;
    target.settle().await?;
    let changed = before.differences(&read);
    let n = source.gateways().await?;
    if !changed.is_empty() || n > 0 {
        return Err(if changed.is_empty() { MoveError::InUse { whose: "the source", n } } else { MoveError::Changed(changed) });
    }
    let arrived = survey(target, Scope::Everything).await?;
    let wrong: Vec<String> = carried.differences(&arrived).into_iter().chain(arrived.faults()).collect();
    if !wrong.is_empty() {
        return Err(MoveError::Different(wrong));
    }
    target.publish().await?;
    Ok(Moved { source: read, target: Some(arrived) })
}
