//! Requests out, outcomes back. A job exists only once its intent is durable; whatever comes of it is
//! recorded in batches.

use super::{
    Engine,
    apply::Around,
    limits::{Account, InFlight},
    newer::read_whole,
    recording::passing,
};
use crate::{
    channel::{Address, Lookup, Rang, ReceiptResult, SendRequest},
    core::{
        callout::{self, event::Event, state::Callout},
        ids::{AttemptId, CalloutId},
        line::LineEvent,
        phone::Phone,
        send::Outcome,
        time::Time,
    },
    store::{Committed, Key, StoreError, WriteLane},
    telemetry::metrics,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

/// Whose request it is.
#[derive(Clone, Debug, PartialEq)]
pub enum JobFor {
    Callout(CalloutId, u16),
    /// A call or gathered message of a number's line.
    Line(Phone, AttemptId),
    /// A test call or message (点名).
    Canary(AttemptId),
}
impl JobFor {
    /// The attempt whose reference the provider echoes.
    pub(super) fn attempt(&self) -> AttemptId {
        match self {
            JobFor::Callout(callout, n) => AttemptId { callout: *callout, n: *n },
            JobFor::Line(_, lead) | JobFor::Canary(lead) => *lead,
        }
    }
}

/// A request to be sent now.
pub struct Job {
    pub whose: JobFor,
    pub account: Arc<Account>,
    pub slot: InFlight,
    pub request: SendRequest,
    /// From then on it must not leave any more: its intent, still without an outcome, becomes `unknown` a while
    /// later, and may then be looked up, not be found, and go again.
    pub by: Time,
}

/// What came of a job.
pub struct Done {
    pub whose: JobFor,
    pub account: Arc<Account>,
    pub outcome: Outcome,
    /// Seconds the request took, for the metric.
    pub seconds: f64,
    /// It speaks for its request: of a batch only one does, or a lost reply would count as a hundred failures.
    pub speaks: bool,
}

/// What is said of a request that did not leave in time.
pub(super) const HELD_UP: &str = "held up in the gateway; it did not leave";

/// Whether it was not the provider that failed it.
pub(super) fn held_up(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Retryable { detail } if detail == HELD_UP)
}

/// A look-up of an SMS of unknown fate.
#[derive(Clone, Debug)]
pub struct LookupJob {
    pub whose: JobFor,
    pub provider: String,
    pub to: Address,
    pub sent: Time,
}

/// Look-ups waiting to be asked, and those being asked; each attempt at most once at a time.
#[derive(Default)]
pub struct Lookups {
    inner: Mutex<Asked>,
}
#[derive(Default)]
struct Asked {
    waiting: Vec<LookupJob>,
    open: BTreeSet<AttemptId>,
}
impl Lookups {
    pub fn push(&self, job: LookupJob) {
        let mut a = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if a.open.insert(job.whose.attempt()) {
            a.waiting.push(job);
        }
    }
    pub fn take(&self) -> Vec<LookupJob> {
        std::mem::take(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner).waiting)
    }
    fn answered(&self, attempt: AttemptId) {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).open.remove(&attempt);
    }
}

/// Jobs that may leave together: of one account and key, no address twice, at most as many as the account takes
/// and as `most`. Order is kept: a group stands where its first job stood.
pub fn gather(jobs: Vec<Job>, most: usize) -> Vec<Vec<Job>> {
    let mut groups: Vec<Vec<Job>> = Vec::with_capacity(jobs.len());
    let mut open: BTreeMap<(String, String), usize> = BTreeMap::new();
    for job in jobs {
        let limit = job.account.provider.batch().min(most);
        let key = (limit > 1).then(|| job.account.provider.batch_key(&job.request)).flatten().map(|k| (job.account.name().to_string(), k));
        let Some(key) = key else {
            groups.push(vec![job]);
            continue;
        };
        let group = open.get(&key).and_then(|at| groups.get_mut(*at));
        match group.filter(|g| g.len() < limit && !g.iter().any(|j| j.request.to == job.request.to)) {
            Some(group) => group.push(job),
            None => {
                open.insert(key, groups.len());
                groups.push(vec![job]);
            }
        }
    }
    groups
}

impl Engine {
    /// A job that was held up for too long (a slow disk, no free connection, a gateway that was stopped and
    /// wakes when others have taken over) does not leave; what came of it is that it surely was not sent.
    ///
    /// # Errors
    /// The outcome to record instead of sending, when its time is over.
    pub fn in_time(&self, job: Job) -> Result<Job, Box<Done>> {
        if self.store.now() < job.by {
            return Ok(job);
        }
        let outcome = Outcome::Retryable { detail: HELD_UP.into() };
        Err(Box::new(Done { whose: job.whose, account: job.account, outcome, seconds: 0.0, speaks: true }))
    }

    /// Sends a job. The slot is given back when the answer is in.
    pub async fn send(&self, job: Job) -> Done {
        let started = self.store.now();
        let job = match self.in_time(job) {
            Ok(job) => job,
            Err(late) => return *late,
        };
        let outcome = job.account.provider.send(&job.request).await;
        let seconds = (self.store.now() - started).seconds_f64();
        if matches!(outcome, Outcome::Accepted { .. }) {
            metrics::sms_parts(job.account.name(), job.account.provider.sms_count(&job.request.message));
        }
        drop(job.slot);
        Done { whose: job.whose, account: job.account, outcome, seconds, speaks: true }
    }

    /// Sends jobs that [`gather`] put together in one request, each keeping its own outcome.
    pub async fn send_together(&self, jobs: Vec<Job>) -> Vec<Done> {
        let started = self.store.now();
        let (mut done, mut ready) = (Vec::with_capacity(jobs.len()), Vec::with_capacity(jobs.len()));
        for job in jobs {
            match self.in_time(job) {
                Ok(job) => ready.push(job),
                Err(late) => done.push(*late),
            }
        }
        if ready.len() < 2 {
            for job in ready {
                done.push(self.send(job).await);
            }
            return done;
        }
        let Some(account) = ready.first().map(|j| j.account.clone()) else { return done };
        let requests: Vec<SendRequest> = ready.iter().map(|j| j.request.clone()).collect();
        let mut outcomes = account.provider.send_batch(&requests).await.into_iter();
        let seconds = (self.store.now() - started).seconds_f64();
        done.extend(ready.into_iter().enumerate().map(|(k, job)| {
            // A provider that tells too few outcomes proves nothing of the others.
            let outcome =
                outcomes.next().unwrap_or_else(|| Outcome::Unknown { detail: "no outcome was told for this message of a batch".into() });
            if matches!(outcome, Outcome::Accepted { .. }) {
                metrics::sms_parts(job.account.name(), job.account.provider.sms_count(&job.request.message));
            }
            drop(job.slot);
            // An outcome of its own (a number, a text) is heard in any case.
            let speaks = k == 0 || !matches!(outcome, Outcome::Retryable { .. } | Outcome::Unknown { .. });
            Done { whose: job.whose, account: job.account, outcome, seconds, speaks }
        }));
        done
    }

    /// One event each for many callouts, in one batch; those that lost a race again one by one.
    ///
    /// # Errors
    /// One that may pass rather than one that does not, after each has been tried.
    pub(super) async fn apply_many(&self, events: Vec<(CalloutId, Event)>) -> Result<(), StoreError> {
        let failed = self.apply_each(&events).await;
        let passes = failed.values().position(passing).unwrap_or(0);
        failed.into_values().nth(passes).map_or(Ok(()), Err)
    }

    /// The same; answers by its place each that is not on record, and why.
    pub(super) async fn apply_each(&self, events: &[(CalloutId, Event)]) -> BTreeMap<usize, StoreError> {
        let mut failed = BTreeMap::new();
        if events.is_empty() {
            return failed;
        }
        let keys: Vec<Key> = events.iter().map(|(id, _)| Key::Callout(*id)).collect();
        let records = self.store.load_each(&keys).await;
        let now = self.store.now();
        let mut batch = Vec::with_capacity(events.len());
        let mut meant: Vec<(usize, Around, callout::Stepped)> = Vec::with_capacity(events.len());
        let mut again = Vec::new();
        let mut seen = std::collections::BTreeSet::new();
        for (i, ((id, event), record)) in events.iter().zip(records).enumerate() {
            let found = match record {
                Ok(Some(record)) => self.around(*id).await.map(|around| around.map(|around| (record, around))),
                other => other.map(|_| None),
            };
            let (record, around) = match found {
                Ok(Some(found)) => found,
                Ok(None) => continue,
                Err(e) => {
                    failed.insert(i, e);
                    continue;
                }
            };
            if !seen.insert(*id) {
                again.push(i);
                continue;
            }
            let state: Callout = match read_whole(&record.key, &record.body) {
                Ok(state) => state,
                Err(e) => {
                    // Others' outcomes are not held up by it; this attempt becomes unknown, by the newer gateway's clock.
                    tracing::error!(callout = %id, error = %e, "an outcome cannot be recorded here");
                    continue;
                }
            };
            let stepped = callout::step(around.ctx(self), &state, event, now);
            if stepped.effects.forward.is_some() {
                again.push(i);
                continue;
            }
            if stepped.entries.is_empty() {
                continue;
            }
            batch.push(self.callout_commit(&around, Some(&record), &stepped, now, Vec::new()));
            meant.push((i, around, stepped));
        }
        if !batch.is_empty() {
            match self.store.commit(WriteLane::Red, batch).await {
                Ok(results) => {
                    for ((i, around, stepped), result) in meant.iter().zip(results) {
                        match result {
                            Committed::Done => self.noted(around, stepped),
                            Committed::Unknown(why) => drop(failed.insert(*i, StoreError::Unavailable(why))),
                            _ => again.push(*i),
                        }
                    }
                }
                Err(e) => failed.extend(meant.iter().map(|(i, ..)| (*i, e.clone()))),
            }
        }
        // Each is tried, whatever became of the one before. What happened first to a callout is recorded first.
        for i in again {
            let Some((id, event)) = events.get(i) else { continue };
            let before = failed.iter().find(|(n, e)| **n < i && events.get(**n).is_some_and(|(other, _)| other == id) && passing(e));
            let applied = match before {
                Some((_, e)) => Err(e.clone()),
                None => self.apply_callout(*id, event, WriteLane::Red).await.map(drop),
            };
            if let Err(error) = applied {
                if !passing(&error) {
                    tracing::error!(callout = %id, %error, "what happened to it cannot be recorded here");
                }
                failed.insert(i, error);
            }
        }
        failed
    }

    /// Look-ups that came due; each is to be asked with [`Engine::look_up`].
    pub fn take_lookups(&self) -> Vec<LookupJob> {
        self.lookups.take()
    }

    /// Asks a provider what became of a request whose reply never came.
    pub async fn look_up(&self, job: LookupJob) -> Result<(), StoreError> {
        let attempt = job.whose.attempt();
        let result = self.ask_provider(job).await;
        self.lookups.answered(attempt);
        result
    }

    async fn ask_provider(&self, job: LookupJob) -> Result<(), StoreError> {
        let Some(account) = self.accounts.named(&job.provider) else { return Ok(()) };
        let attempt = job.whose.attempt();
        let answer = match account.provider.has_lookup() {
            true => account.provider.lookup(&self.references.attempt(attempt), &job.to, job.sent).await,
            false => Lookup::NotFound,
        };
        let (found, receipt) = match answer {
            Lookup::Found { provider_message_id, .. } if !self.keep_found_id(account, provider_message_id.as_deref(), attempt).await? => {
                tracing::info!(%attempt, "a look-up found another message to the same number");
                (None, None)
            }
            Lookup::Found { provider_message_id, result } => {
                let receipt = match result {
                    ReceiptResult::Delivered => Some((true, "delivered".to_string(), false, false)),
                    ReceiptResult::Failed { code, number_dead, config, .. } => Some((false, code, number_dead, config)),
                    ReceiptResult::CallEnded { code, heard, number_dead, config, rang, .. } => {
                        Some((heard, code, number_dead, !heard && (config || rang != Rang::Yes)))
                    }
                    _ => None,
                };
                (Some(provider_message_id), receipt)
            }
            Lookup::NotFound => (None, None),
            Lookup::Unanswered(why) => {
                tracing::warn!(%attempt, %why, "a look-up was not answered");
                (None, None)
            }
        };
        match job.whose {
            // Nobody looks one up: it is rung again.
            JobFor::Canary(_) => {}
            JobFor::Callout(id, n) => {
                let event = Event::LookedUp { n, found: found.is_some(), provider_id: found.flatten() };
                self.apply_callout(id, &event, WriteLane::Red).await?;
                if let Some((delivered, outcome, number_dead, lost)) = receipt {
                    self.apply_callout(id, &Event::Receipt { n, delivered, outcome, number_dead, lost }, WriteLane::Red).await?;
                }
            }
            JobFor::Line(phone, lead) => {
                let found = found.map(Option::unwrap_or_default);
                self.apply_line(&phone, &LineEvent::LookedUp { lead, found }, WriteLane::Red).await?;
                if let Some((ok, outcome, number_dead, lost)) = receipt {
                    self.line_event(&phone, LineEvent::Finished { lead, ok, outcome, number_dead, lost }).await?;
                }
            }
        }
        Ok(())
    }
}
