//! What runs beside the calls: listening for other gateways' wake-ups, and looking at the server's
//! clock, at the lives of the primaries and at how they stand.

use super::{Core, names::Part, topology};
use futures_util::StreamExt;
use std::{
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::{sync::oneshot, task::JoinHandle, time::timeout};

/// How often the server's clock and the primaries' lives are looked at: several times while a new life is held, so that
/// a gateway with nothing to do repairs in time, too.
const LOOK: Duration = Duration::from_secs(1);
/// Every so many looks the primaries are asked how they stand.
const STANDING: u32 = 5;
/// A silent channel is asked whether it still lives.
const PING: Duration = Duration::from_secs(5);
/// How long a first subscription is waited for.
const FIRST: Duration = Duration::from_secs(5);

/// Starts them. They hold no store alive; its end ends them.
#[expect(clippy::disallowed_methods, reason = "ended by the store that owns them")]
pub(super) async fn start(core: &Arc<Core>) -> Vec<JoinHandle<()>> {
    let (ready, subscribed) = oneshot::channel();
    let listener = tokio::spawn(listen(Arc::downgrade(core), ready));
    let looker = tokio::spawn(look(Arc::downgrade(core)));
    if timeout(FIRST, subscribed).await.is_err() {
        tracing::warn!("other gateways' wake-ups cannot be heard yet; what they make due is found by its time");
    }
    vec![listener, looker]
}

async fn look(core: Weak<Core>) {
    for n in (1u32..).cycle() {
        tokio::time::sleep(LOOK).await;
        let Some(core) = core.upgrade() else { return };
        if let Err(e) = core.look_at_clock(Some(core.now())).await {
            tracing::debug!(error = %e, "the server's clock could not be read");
        }
        core.link.check_lives().await;
        core.look_at_lives().await;
        if let Err(e) = core.can_tell().await {
            tracing::debug!(error = %e, "the local journal still cannot be written");
        }
        if n.is_multiple_of(STANDING) {
            core.look_at_standing().await;
        }
    }
}

async fn listen(core: Weak<Core>, ready: oneshot::Sender<()>) {
    let mut ready = Some(ready);
    let mut pause = Duration::from_millis(50);
    loop {
        let Some(strong) = core.upgrade() else { return };
        let at = strong.link.topology().0.get(&Part::CONTROL).cloned();
        let settings = strong.link.settings.clone();
        let channel = format!("{}:wake", strong.prefix());
        drop(strong);
        let ended = match at {
            Some(at) => hear(&core, &settings, &at, &channel, &mut ready, &mut pause).await,
            None => Err("who is primary is not known".to_string()),
        };
        if let Err(why) = ended {
            tracing::debug!(why, "the wake-up channel is closed");
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(2));
    }
}

/// Listens until the channel breaks.
async fn hear(
    core: &Weak<Core>,
    settings: &super::Settings,
    at: &str,
    channel: &str,
    ready: &mut Option<oneshot::Sender<()>>,
    pause: &mut Duration,
) -> Result<(), String> {
    let said = |e: redis::RedisError| e.to_string();
    let client = topology::client(settings, at, false).map_err(|e| e.to_string())?;
    let open = async {
        let mut channels = client.get_async_pubsub().await?;
        channels.subscribe(channel).await?;
        Ok(channels)
    };
    let (mut sink, mut stream) = timeout(settings.connect_timeout, open).await.map_err(|e| e.to_string())?.map_err(said)?.split();
    *pause = Duration::from_millis(50);
    match ready.take() {
        Some(first) => drop(first.send(())),
        // Something may have been said while nobody listened.
        None => {
            if let Some(core) = core.upgrade() {
                core.waker.kick();
            }
        }
    }
    loop {
        match timeout(PING, stream.next()).await {
            Ok(Some(message)) => {
                let Some(core) = core.upgrade() else { return Ok(()) };
                let payload = message.get_payload_bytes();
                let mut words = payload.splitn(2, |b| *b == b' ').map(String::from_utf8_lossy);
                let (from, due) = (words.next(), words.next());
                // Our own were noted when the call was answered.
                if from.is_some_and(|f| f != core.gateway) {
                    core.waker.note(due.and_then(|d| d.parse::<f64>().ok()).map_or(i64::MIN, |d| d as i64));
                }
            }
            Ok(None) => return Err("the server closed it".into()),
            Err(_) => {
                let Some(core) = core.upgrade() else { return Ok(()) };
                // A Sentinel's or Cluster's channel is to be that of today's primary.
                if core.link.topology().0.get(&Part::CONTROL).is_some_and(|now| now != at) {
                    return Err("another server is primary".into());
                }
                drop(core);
                timeout(settings.response_timeout, sink.ping::<redis::Value>()).await.map_err(|e| e.to_string())?.map_err(said)?;
            }
        }
    }
}
