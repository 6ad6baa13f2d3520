//! What comes over connections that providers hold themselves: kept like the callbacks that come over HTTP.

use super::Engine;
use crate::channel::Inbox;
use async_trait::async_trait;
use std::sync::Arc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

struct Kept(Arc<Engine>);

#[async_trait]
impl Inbox for Kept {
    async fn keep(&self, account: &str, content_type: &str, body: &[u8]) -> bool {
        match self.0.park_callback(account, Some(content_type), body).await {
            Ok(reply) => (200..300).contains(&reply.status),
            Err(e) => {
                tracing::error!(account, error = %e, "what a provider's connection brought could not be kept; it comes again");
                false
            }
        }
    }
}

/// The connections of all accounts that hold one.
pub struct Lines {
    stop: CancellationToken,
    tracker: TaskTracker,
}
impl Lines {
    /// Connects them all; each is then held until [`Lines::close`].
    pub fn open(engine: &Arc<Engine>) -> Lines {
        let lines = Lines { stop: CancellationToken::new(), tracker: TaskTracker::new() };
        for account in engine.accounts.all() {
            let (account, stop, inbox) = (account.clone(), lines.stop.clone(), Arc::new(Kept(engine.clone())));
            lines.tracker.spawn(async move {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => {}
                    () = account.provider.hold(inbox) => {}
                }
            });
        }
        lines
    }

    /// Lets go of them: after the last request was answered.
    pub async fn close(self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}
