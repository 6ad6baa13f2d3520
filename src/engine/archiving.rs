//! Beside the engine's loops: closed warnings leave for the archive. What is done stands in `store::archive`.

use super::Engine;
use crate::{store::archive::Archived, telemetry::metrics};
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// How often it is looked. Nobody waits for an archive.
const EVERY: Duration = Duration::from_secs(15);

/// Runs until `stop`. A turn that is broken off is carried on by whoever turns next.
pub async fn run(archive: Arc<Archived>, engine: Arc<Engine>, stop: CancellationToken) {
    let mut waiting = 0;
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = turn(&archive, &engine, &mut waiting) => {}
        }
    }
}

async fn turn(archive: &Archived, engine: &Engine, waiting: &mut usize) {
    let live = if engine.store().shared() { engine.gateways().live().await } else { Ok(Vec::new()) };
    let turned = match live {
        Ok(live) => {
            let live: Vec<String> = live.into_iter().map(|g| g.0).collect();
            archive.turn(&engine.gateways().me().0, &live).await
        }
        Err(e) => Err(e),
    };
    match turned {
        Ok(turned) => {
            metrics::archive(archive.copies(), turned.waiting, turned.missing);
            if std::mem::replace(waiting, turned.waiting) != turned.waiting {
                tracing::info!(
                    warnings = turned.waiting,
                    "closed warnings wait for the copies of other gateways; each needs an archive.path"
                );
            }
        }
        Err(e) => tracing::warn!(error = %e, "the archive could not be seen to; nothing is lost, the next turn goes on"),
    }
}
