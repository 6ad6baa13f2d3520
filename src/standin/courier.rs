//! Callbacks out for the vendors whose pushes go singly: each with its own body, headers, answer and tries.

use super::push::{Kind, Told};
use serde_json::Value;
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// One callback to be posted.
pub(crate) struct Push {
    pub kind: Kind,
    pub url: String,
    pub content_type: &'static str,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
    /// How long after a failed try the next comes.
    pub again: Vec<Duration>,
    /// Whether the answer (HTTP status, body) is what this provider wants.
    pub taken: fn(u16, &[u8]) -> bool,
    /// The reference of the message that a person's reaction is about, and what was told.
    pub about: Option<(Box<str>, Value)>,
}

struct Inner {
    client: reqwest::Client,
    tracker: TaskTracker,
    cancel: CancellationToken,
    pushed: AtomicU64,
    failed: AtomicU64,
    given_up: AtomicU64,
    told: Mutex<Vec<Told>>,
}

#[derive(Clone)]
pub(crate) struct Courier(Arc<Inner>);

/// How long an answer is waited for.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
const ANSWER_LIMIT: usize = 64 * 1024;

impl Courier {
    pub fn new(client: reqwest::Client, tracker: &TaskTracker, cancel: CancellationToken) -> Courier {
        Courier(Arc::new(Inner {
            client,
            tracker: tracker.clone(),
            cancel,
            pushed: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            given_up: AtomicU64::new(0),
            told: Mutex::default(),
        }))
    }

    /// Posts after a (real) delay, and again as the provider would.
    pub fn push(&self, after: Duration, push: Push) {
        let courier = self.clone();
        self.0.tracker.spawn(async move {
            let cancel = courier.0.cancel.clone();
            tokio::select! {
                biased;
                () = cancel.cancelled() => {}
                () = courier.carry(after, push) => {}
            }
        });
    }

    async fn carry(&self, after: Duration, push: Push) {
        tokio::time::sleep(after).await;
        let mut waits = push.again.iter();
        for tries in 1.. {
            if self.post(&push).await {
                self.0.pushed.fetch_add(1, Ordering::Relaxed);
                if let Some((about, body)) = push.about {
                    let told = Told { kind: push.kind, about, body, tries };
                    self.0.told.lock().unwrap_or_else(PoisonError::into_inner).push(told);
                }
                return;
            }
            self.0.failed.fetch_add(1, Ordering::Relaxed);
            match waits.next() {
                Some(wait) => tokio::time::sleep(*wait).await,
                None => break,
            }
        }
        self.0.given_up.fetch_add(1, Ordering::Relaxed);
    }

    async fn post(&self, push: &Push) -> bool {
        let mut request = self.0.client.post(&push.url).timeout(ANSWER_WITHIN).header("content-type", push.content_type);
        for (name, value) in &push.headers {
            request = request.header(*name, value);
        }
        // Old gateways still push GBK, and say so.
        let gbk = push.content_type.ends_with("charset=gbk");
        let body = if gbk { encoding_rs::GBK.encode(&push.body).0.into_owned() } else { push.body.clone().into_bytes() };
        let Ok(response) = request.body(body).send().await else { return false };
        let status = response.status().as_u16();
        let body = crate::channel::http::body_up_to(response, ANSWER_LIMIT).await.unwrap_or_default();
        (push.taken)(status, &body)
    }

    /// Pushed, failed tries, given up after the last.
    pub fn tallies(&self) -> (u64, u64, u64) {
        let read = |c: &AtomicU64| c.load(Ordering::Relaxed);
        (read(&self.0.pushed), read(&self.0.failed), read(&self.0.given_up))
    }
    /// Everything people did that the gateway took, in that order.
    pub fn told(&self) -> Vec<Told> {
        self.0.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
