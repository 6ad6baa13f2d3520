//! The loops: every folder and every address at its own pace, until the gateway stops; and what the duty
//! room is told when a source fails.

use super::{desk::Desk, folder::Folder, pull::Pull};
use crate::{config::Config, core::time::Span};
use std::{sync::Arc, time::Duration};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Starts all configured sources on `tracker`; they end with `stop`.
///
/// # Errors
/// A folder cannot be used or the HTTP client cannot be built; says which and why.
pub fn start(desk: &Arc<Desk>, config: &Config, tracker: &TaskTracker, stop: &CancellationToken) -> Result<(), String> {
    for set in &config.source.folders {
        let issuer = config.issuers.iter().find(|i| i.id == set.issuer).ok_or_else(|| format!("there is no issuer {}", set.issuer))?;
        let mut folder = Folder::open(desk.clone(), issuer.clone(), set)?;
        let (every, stop) = (set.every, stop.clone());
        tracker.spawn(async move {
            while !stop.is_cancelled() {
                folder.look().await;
                pause(every, &stop).await;
            }
        });
    }
    for set in &config.source.pulls {
        let issuer = config.issuers.iter().find(|i| i.id == set.issuer).ok_or_else(|| format!("there is no issuer {}", set.issuer))?;
        let mut pull = Pull::new(desk.clone(), issuer.clone(), set)?;
        let (every, stop) = (set.every, stop.clone());
        tracker.spawn(async move {
            while !stop.is_cancelled() {
                pull.turn().await;
                pause(every, &stop).await;
            }
        });
    }
    Ok(())
}

async fn pause(every: Span, stop: &CancellationToken) {
    let every: Duration = every.to_std();
    tokio::select! {
        biased;
        () = stop.cancelled() => {}
        () = tokio::time::sleep(every) => {}
    }
}
