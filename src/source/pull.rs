//! A pull source: feeds that only publish are asked on an interval, with what their last answer gave to ask
//! for changes only. Just the configured address is ever asked: no redirects, no proxy, a time limit and a
//! limit of bytes. A mark (ETag, Last-Modified) counts only once everything of its answer is durable, so
//! that a crash or a full disk never makes an answer look read.

use super::desk::{Desk, Handed, Unread};
use crate::{
    channel::http::{ClientSettings, body_up_to, client, reasons},
    config::{Issuer, PullSource},
    ingest::MAX_BODY,
    telemetry::metrics,
};
use reqwest::{StatusCode, header};
use std::{collections::BTreeSet, sync::Arc, time::Duration};

/// Refusals that are remembered, so that a feed that stands does not tell the same every minute.
const REMEMBERED: usize = 1_000;

/// What one turn came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pulled {
    /// The source says that nothing has changed.
    Unchanged,
    /// So many warnings were new.
    New(usize),
    Failed(String),
}

/// See the module.
pub struct Pull {
    desk: Arc<Desk>,
    issuer: Issuer,
    http: reqwest::Client,
    url: String,
    timeout: Duration,
    failures: u32,
    failed: u32,
    etag: Option<header::HeaderValue>,
    modified: Option<header::HeaderValue>,
    told: BTreeSet<String>,
}

impl Pull {
    /// # Errors
    /// The HTTP client cannot be built.
    pub fn new(desk: Arc<Desk>, issuer: Issuer, set: &PullSource) -> Result<Pull, String> {
        let http = client(&ClientSettings { request_timeout: set.timeout, ..ClientSettings::default() })?;
        Ok(Pull {
            desk,
            issuer,
            http,
            url: set.url.clone(),
            timeout: set.timeout.to_std(),
            failures: set.failures,
            failed: 0,
            etag: None,
            modified: None,
            told: BTreeSet::new(),
        })
    }

    /// Asks once and hands over what came.
    pub async fn turn(&mut self) -> Pulled {
        let asked = tokio::time::timeout(self.timeout, self.ask()).await;
        let pulled = match asked.unwrap_or_else(|_| Err("no whole answer in time".into())) {
            Ok(None) => Ok(Pulled::Unchanged),
            Ok(Some(answer)) => self.take(answer).await,
            Err(why) => Err(why),
        };
        match pulled {
            Ok(pulled) => {
                if self.failed >= self.failures {
                    tracing::info!(issuer = %self.issuer.id, "the source answers again");
                }
                self.failed = 0;
                metrics::source_up("pull", &self.issuer.id.0, true);
                pulled
            }
            Err(why) => {
                self.failed = self.failed.saturating_add(1);
                tracing::warn!(issuer = %self.issuer.id, failed = self.failed, "the source could not be read: {why}");
                if self.failed == self.failures {
                    metrics::source_up("pull", &self.issuer.id.0, false);
                    self.desk.engine().record_source_down(&self.issuer.id.0, &format!("拉取来源连续 {} 次失败：{why}", self.failed)).await;
                }
                Pulled::Failed(why)
            }
        }
    }

    async fn ask(&self) -> Result<Option<Answer>, String> {
        let mut request = self.http.get(&self.url);
        if let Some(etag) = &self.etag {
            request = request.header(header::IF_NONE_MATCH, etag.clone());
        }
        if let Some(modified) = &self.modified {
            request = request.header(header::IF_MODIFIED_SINCE, modified.clone());
        }
        let response = request.send().await.map_err(|e| reasons(&e))?;
        let status = response.status();
        if status == StatusCode::NOT_MODIFIED {
            return Ok(None);
        }
        if status != StatusCode::OK {
            let redirect = if status.is_redirection() { "; redirects are not followed, configure the address itself" } else { "" };
            return Err(format!("it answers {status}{redirect}"));
        }
        let keep = |name: header::HeaderName| response.headers().get(name).cloned();
        let (etag, modified) = (keep(header::ETAG), keep(header::LAST_MODIFIED));
        let media = keep(header::CONTENT_TYPE).and_then(|v| v.to_str().ok().map(str::to_string));
        if response.content_length().is_some_and(|n| n > MAX_BODY as u64) {
            return Err(format!("its answer is longer than {MAX_BODY} bytes"));
        }
        let body = body_up_to(response, MAX_BODY + 1).await.map_err(|e| reasons(&e))?;
        if body.len() > MAX_BODY {
            return Err(format!("its answer is longer than {MAX_BODY} bytes"));
        }
        Ok(Some(Answer { etag, modified, media, body }))
    }

    async fn take(&mut self, answer: Answer) -> Result<Pulled, String> {
        let reading = match self.desk.read(&self.issuer, answer.media.as_deref(), &answer.body) {
            Ok(reading) => reading,
            Err(Unread::Media) => {
                return Err(format!("its Content-Type {} is not read here", answer.media.as_deref().unwrap_or("is missing and")));
            }
            Err(Unread::Refused(why)) => {
                self.tell(&why.to_string()).await;
                return Err(why.to_string());
            }
        };
        let handed = self.desk.hand_in(&self.issuer, reading, &answer.body).await.map_err(|e| e.to_string())?;
        let mut new = 0;
        for (pointer, what) in handed {
            let why = match what {
                Handed::Accepted(reply) => {
                    new += usize::from(!reply.duplicate);
                    continue;
                }
                Handed::Skipped(_) => continue,
                Handed::Unreadable(why) => why.to_string(),
                Handed::Rejected(why) => format!("{pointer} {why}").trim().to_string(),
            };
            self.tell(&why).await;
        }
        (self.etag, self.modified) = (answer.etag, answer.modified);
        Ok(Pulled::New(new))
    }

    /// Shows a refusal in the duty room, once: the feed holds it at every turn.
    async fn tell(&mut self, why: &str) {
        if self.told.len() < REMEMBERED && self.told.insert(why.to_string()) {
            self.desk.engine().record_refusal(Some(&self.issuer.id.0), 422, why).await;
        }
    }
}

struct Answer {
    etag: Option<header::HeaderValue>,
    modified: Option<header::HeaderValue>,
    media: Option<String>,
    body: Vec<u8>,
}
