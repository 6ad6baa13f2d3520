//! What came of requests, on its way into the store: kept here until it stands there. An outcome that was dropped
//! would leave its attempt `unknown`, and a red one goes again then: somebody would be called twice for nothing.

use super::{
    Engine,
    dispatcher::{Done, JobFor, held_up},
};
use crate::{
    core::{
        callout::{event::Event, state::Callout},
        ids::AttemptId,
        line::{Line, LineEvent},
        phone::Phone,
        route::standing::Happened,
        send::Outcome,
        time::{Span, Time},
    },
    store::{Key, Record, StoreError, WriteLane},
    telemetry::metrics,
};
use futures_util::future;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// Before the first repeat; twice as long before each further one, up to the longest.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);
/// Repeats once the gateway is to stop.
const LAST_TRIES: u32 = 5;

/// Outcomes of a batch, and how far they are recorded. Trying again is no harm: an attempt that has its outcome takes no
/// other, what was learned of an account is learned once.
pub struct Recording {
    done: Vec<Done>,
    /// When they were known.
    at: Time,
    tried: bool,
    ids_kept: bool,
    /// What they said of accounts that the board must hear.
    learned: Vec<(String, Happened)>,
}

/// Whether trying again may help; what no trying helps is left to the attempt's own clock.
pub(super) fn passing(e: &StoreError) -> bool {
    matches!(e, StoreError::Unavailable(_))
}

impl Engine {
    /// Records what came of jobs, many at once.
    pub async fn record(&self, done: Vec<Done>) -> Result<(), StoreError> {
        self.try_record(&mut self.recording(done)).await
    }

    /// The same until it is done, however long the store is away; or until the gateway is to stop and some more tries
    /// were in vain.
    pub async fn record_surely(&self, done: Vec<Done>, stop: &CancellationToken) {
        let mut recording = self.recording(done);
        let (mut pause, mut last) = (PAUSE, LAST_TRIES);
        while let Err(e) = self.try_record(&mut recording).await {
            let outcomes = recording.done.len();
            if !passing(&e) || (stop.is_cancelled() && last == 0) {
                // The intents stand in the store: without an outcome they become unknown by the clock.
                tracing::error!(error = %e, outcomes, "outcomes could not be recorded");
                return;
            }
            tracing::warn!(error = %e, outcomes, "outcomes are not recorded yet; they are kept and recorded when the store can");
            if stop.is_cancelled() {
                last -= 1;
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Takes outcomes in: what they say of their accounts is learned here, once.
    pub fn recording(&self, done: Vec<Done>) -> Recording {
        let now = self.store.now();
        let mut learned = Vec::new();
        for d in &done {
            let (channel, provider) = (d.account.provider.channel(), d.account.name());
            metrics::attempt(channel.as_str(), provider, d.outcome.class(), Span::ms((d.seconds * 1000.0) as i64));
            if d.speaks
                && !held_up(&d.outcome)
                && let Some(happened) = d.account.learn(&d.outcome, d.seconds, now)
            {
                learned.push((provider.to_string(), happened));
            }
            if let JobFor::Line(_, lead) = d.whose
                && !matches!(d.outcome, Outcome::Accepted { .. } | Outcome::Unknown { .. })
            {
                d.account.call_over(lead);
            }
        }
        Recording { done, at: now, tried: false, ids_kept: false, learned }
    }

    /// Records what is not yet recorded of them.
    ///
    /// # Errors
    /// The store's; what is recorded by then is not tried again.
    pub async fn try_record(&self, r: &mut Recording) -> Result<(), StoreError> {
        let mut fault = None;
        let mut failed = |e: StoreError| {
            if passing(&e) || fault.is_none() {
                fault = Some(e);
            }
        };
        // What cannot be recorded now; the others are.
        let mut held = Vec::new();
        if !r.ids_kept {
            // First, so that no outcome is on record whose receipts could not be matched.
            let open = self.keep_provider_ids(&r.done).await;
            r.ids_kept = open.is_empty();
            held.extend(r.done.extract_if(.., |d| open.contains_key(&d.whose.attempt())));
            open.into_values().for_each(&mut failed);
        }
        if std::mem::replace(&mut r.tried, true) {
            for (d, e) in self.drop_overtaken(r).await {
                held.push(d);
                failed(e);
            }
        }
        let mut events = Vec::with_capacity(r.done.len());
        let mut lines: Vec<(Phone, LineEvent)> = Vec::new();
        let mut canaries: Vec<(AttemptId, Outcome, bool)> = Vec::new();
        for d in &r.done {
            let outcome = d.outcome.clone();
            match &d.whose {
                JobFor::Canary(attempt) => canaries.push((*attempt, outcome, d.account.provider.reports_receipts())),
                JobFor::Callout(id, n) => events.push((*id, Event::Outcome { n: *n, outcome })),
                JobFor::Line(phone, lead) => {
                    let others = match outcome {
                        Outcome::Accepted { .. } => Vec::new(),
                        _ => self.accounts.others(&d.account),
                    };
                    lines.push((phone.clone(), LineEvent::Outcome { lead: *lead, outcome, others }));
                }
            }
        }
        let on_lines = lines.iter().map(|(phone, event)| self.apply_line(phone, event, WriteLane::Red));
        let board = self.write_learned(r.learned.clone());
        let (messages, on_lines, board) = future::join3(self.apply_each(&events), future::join_all(on_lines), board).await;
        match board {
            Ok(()) => r.learned.clear(),
            Err(e) => failed(e),
        }
        let mut open_lines = BTreeSet::new();
        for ((phone, _), result) in lines.iter().zip(on_lines) {
            match result {
                Ok(_) => {}
                Err(e) if passing(&e) => {
                    open_lines.insert(phone.clone());
                    failed(e);
                }
                // Others' outcomes are not held up by it.
                Err(e) => tracing::error!(error = %e, "an outcome of a number's line cannot be recorded here"),
            }
        }
        let mut open_messages = Vec::new();
        for (at, e) in messages {
            if let Some((id, Event::Outcome { n, .. })) = events.get(at)
                && passing(&e)
            {
                open_messages.push((*id, *n));
            }
            failed(e);
        }
        let open_canaries = match self.canary_outcomes(canaries).await {
            Ok(()) => false,
            Err(e) => {
                failed(e);
                true
            }
        };
        r.done.retain(|d| match &d.whose {
            JobFor::Callout(id, n) => open_messages.contains(&(*id, *n)),
            JobFor::Line(phone, _) => open_lines.contains(phone),
            JobFor::Canary(_) => open_canaries,
        });
        r.done.extend(held);
        fault.map_or(Ok(()), Err)
    }

    /// Leaves out the outcomes of requests whose attempt left again meanwhile: they would be taken for the newer one's.
    /// Takes out and answers those of which that cannot be known now.
    async fn drop_overtaken(&self, r: &mut Recording) -> Vec<(Done, StoreError)> {
        let key = |whose: &JobFor| match whose {
            JobFor::Callout(id, _) => Some(Key::Callout(*id)),
            JobFor::Line(phone, _) => Some(Key::Line(phone.clone())),
            JobFor::Canary(_) => None,
        };
        let keys: Vec<Key> = r.done.iter().filter_map(|d| key(&d.whose)).collect();
        let records = self.store.load_each(&keys).await;
        let records: BTreeMap<Key, Result<Option<Record>, StoreError>> = keys.into_iter().zip(records).collect();
        let mut unknown = Vec::new();
        for d in std::mem::take(&mut r.done) {
            let body = match key(&d.whose).and_then(|k| records.get(&k)) {
                Some(Err(e)) => {
                    unknown.push((d, e.clone()));
                    continue;
                }
                Some(Ok(record)) => record.as_ref().map(|record| &record.body),
                None => None,
            };
            let left = match &d.whose {
                JobFor::Callout(_, n) => body.and_then(|b| sent_at(b, *n)),
                JobFor::Line(_, lead) => body.and_then(|b| flew_at(b, *lead)),
                JobFor::Canary(_) => None,
            };
            if left.is_none_or(|left| left <= r.at) {
                r.done.push(d);
            }
        }
        unknown
    }
}

/// When an attempt last left; what cannot be read is judged where it is recorded.
fn sent_at(body: &[u8], n: u16) -> Option<Time> {
    serde_json::from_slice::<Callout>(body).ok()?.attempt(n)?.sent
}

fn flew_at(body: &[u8], lead: AttemptId) -> Option<Time> {
    serde_json::from_slice::<Line>(body).ok()?.flights.iter().find(|f| f.lead == lead).map(|f| f.at)
}
