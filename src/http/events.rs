//! Live changes as server-sent events. Each has its number as `id`, so that a client that was cut off
//! goes on where it stopped by `Last-Event-ID`; nothing between is lost.

use super::{api::parsed, auth::Caller, error::Problem, extract::Query, state::App, view::at};
use crate::{
    core::ids::WarningId,
    store::{FeedItem, StoreError},
};
use axum::{
    extract::State,
    http::HeaderMap,
    response::{
        IntoResponse,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::stream;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{collections::VecDeque, convert::Infallible, time::Duration};

/// Items taken from the feed at a time.
const BATCH: usize = 200;
/// How often the feed is looked at. The store's own wake-up belongs to the engine's timekeeper: it
/// wakes one sleeper, and a listener that took it would make the engine oversleep.
const LOOK: Duration = Duration::from_millis(200);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventsQuery {
    warning: Option<String>,
    last_event_id: Option<u64>,
}

#[derive(Serialize)]
struct Told<'a> {
    kind: &'a str,
    warning_id: Option<String>,
    callout_id: Option<String>,
    at: String,
    data: &'a Value,
}

struct Listener {
    app: App,
    caller: Caller,
    warning: Option<WarningId>,
    seq: u64,
    waiting: VecDeque<(u64, FeedItem)>,
}

/// `GET /api/v1/events`
pub async fn events(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Query(q): Query<EventsQuery>,
) -> Result<impl IntoResponse, Problem> {
    let warning = parsed::<WarningId>("warning", q.warning.as_deref())?;
    if let Some(id) = warning {
        app.warning(&caller, id).await?;
    }
    let header = match headers.get("last-event-id").map(|v| v.to_str().unwrap_or("?").trim()) {
        None | Some("") => None,
        Some(text) => Some(text.parse::<u64>().map_err(|_| Problem::malformed("`Last-Event-ID` is the number of an event"))?),
    };
    let tip = app.engine.reports().feed_tip().await?;
    // A number from after the newest event (of another store, say) must not wait for ever.
    let seq = header.or(q.last_event_id).map_or(tip, |seq| seq.min(tip));
    let listener = Listener { app, caller, warning, seq, waiting: VecDeque::new() };
    let events = stream::unfold(listener, |mut listener| async move {
        let event = listener.next().await?;
        Some((Ok::<_, Infallible>(event), listener))
    });
    let stream = Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15)).text("still here"));
    // A proxy that gathers what it passes on would hold events back.
    Ok(([("x-accel-buffering", "no")], stream))
}

impl Listener {
    /// The next event for this caller; `None` when the gateway stops.
    async fn next(&mut self) -> Option<Event> {
        loop {
            while let Some((seq, item)) = self.waiting.pop_front() {
                self.seq = seq;
                if self.concerns(&item).await {
                    return Some(event(seq, &item));
                }
            }
            match self.app.engine.reports().feed_after(self.seq, BATCH).await {
                Ok(items) if !items.is_empty() => {
                    self.waiting = items.into();
                    continue;
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "live events wait for the store"),
            }
            let app = self.app.clone();
            tokio::select! {
                biased;
                _ = app.stop.cancelled() => return None,
                _ = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    async fn concerns(&self, item: &FeedItem) -> bool {
        if self.warning.is_some() && self.warning != item.warning {
            return false;
        }
        if self.caller.bound_to().is_none() {
            return true;
        }
        self.inside(item).await.unwrap_or(false)
    }

    /// Whether something lies in the division that the caller is bound to. What has no place (an
    /// issuer's refused post, a provider) is not for bound callers.
    async fn inside(&self, item: &FeedItem) -> Result<bool, StoreError> {
        let Some(own) = self.caller.bound_to() else { return Ok(true) };
        if let Some(id) = item.callout {
            let parts = self.app.engine.callout_parts(id).await?;
            let division = parts.as_ref().and_then(|p| p.entry()).and_then(|e| e.posts.first()).map(|p| p.place.division);
            return Ok(division.is_some_and(|d| own.contains(d)));
        }
        match item.warning {
            Some(id) if item.kind.starts_with("warning.") => Ok(self.app.faces(id).await?.iter().any(|f| own.contains(f.division))),
            _ => Ok(false),
        }
    }
}

fn event(seq: u64, item: &FeedItem) -> Event {
    let told = Told {
        kind: &item.kind,
        warning_id: item.warning.map(|w| w.to_string()),
        callout_id: item.callout.map(|c| c.to_string()),
        at: at(item.at),
        data: &item.data,
    };
    // One line: JSON holds no raw line ends, which alone could break an event.
    let data = serde_json::to_string(&told).unwrap_or_else(|_| "{}".into());
    Event::default().id(seq.to_string()).data(data)
}
