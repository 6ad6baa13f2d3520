//! Load, step, commit; again when somebody else was first. Everything that happens to a callout or
//! a line from outside a turn goes through here.

use super::{
    CalloutParts, Engine,
    drills::drill_closed,
    newer::{is_whole, read_whole},
    rows,
    warning::WarningLetter,
};
use crate::{
    core::{
        callout::{
            self, Channels, Ctx, ForwardTo, Stepped,
            entry::Entry,
            event::{Event, LineNews},
            state::{AttemptState, Callout},
        },
        duty_call::DutyCall,
        ids::{AttemptId, CalloutId, WarningId},
        line::{self, Line, LineEntry, LineEvent, LineStepped},
        phone::Phone,
        place::PlaceLetter,
        plan::{CHUNK, PlanChunk, PlanEntry},
        policy::{AnswerRule, Ladder, Schedule},
        priority::Priority,
        send::Channel,
        time::Time,
        warning_life::WarningState,
    },
    store::{Commit, Committed, Envelope, Head, Key, Lane, Record, StoreError, WriteLane},
    telemetry::metrics,
};
use serde::{Serialize, de::DeserializeOwned};
use std::sync::Arc;

/// Conflicts on one record that are retried before the caller is told that the store is busy.
const MAX_RETRIES: usize = 20;

pub(super) fn to_json<T: Serialize>(what: &T) -> Vec<u8> {
    // Our own types have string keys and no failing serialisers; an empty body would be refused
    // when read back, never taken for a state.
    serde_json::to_vec(what).unwrap_or_default()
}

pub(super) fn from_json<T: DeserializeOwned>(key: &Key, body: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(body).map_err(|e| StoreError::Corrupt(format!("{key}: {e}")))
}

/// A callout's surroundings, held together while a [`Ctx`] borrows them.
#[derive(Clone)]
pub(super) struct Around {
    pub warning: Arc<WarningState>,
    pub chunk: Arc<PlanChunk>,
    pub index: usize,
}

impl Around {
    pub fn entry(&self) -> &PlanEntry {
        &self.chunk.entries[self.index]
    }
    /// What all times of its ladder count from.
    pub fn start(&self) -> Time {
        self.chunk.added_at.unwrap_or(self.warning.accepted_at)
    }
    fn ladder(&self) -> &Ladder {
        &self.warning.policy.ladders[usize::from(self.entry().ladder)].ladder
    }
    /// When a rung was due by the clock alone.
    fn rung_time(&self, rung: u8, c: &Callout) -> Time {
        let (start, due_at) = c.ladder_times(self.entry());
        self.ladder().rungs.get(usize::from(rung)).map_or(due_at, |r| r.at.time(start, due_at))
    }
    pub fn feedback(&self) -> Option<&Schedule> {
        self.entry().feedback.and_then(|f| self.warning.policy.feedback.get(usize::from(f)))
    }
    pub fn ctx<'a>(&'a self, engine: &'a Engine) -> Ctx<'a> {
        Ctx {
            warning: self.warning.id,
            drill: self.warning.drill,
            entry: self.entry(),
            people: &self.chunk.people,
            rotas: &self.chunk.rotas,
            ladder: self.ladder(),
            feedback: self.feedback(),
            clocks: &self.warning.policy.clocks,
            night: self.warning.policy.night,
            channels: engine.channels,
            routes: engine.accounts.routes(),
            sending_timeout: engine.settings.sending_timeout,
        }
    }
    pub fn lane(&self) -> Lane {
        Lane::of(self.entry().level, self.warning.drill)
    }
    /// Whose turn it is where slots are scarce.
    pub fn priority(&self, c: &Callout) -> Priority {
        let tier = self.entry().posts.first().map(|p| p.tier);
        Priority::of(self.entry().level, self.warning.drill, tier, c.id.ordinal, Some(c.due_at))
    }
}

pub(super) fn write_lane(lane: Lane) -> WriteLane {
    if lane <= Lane(1) { WriteLane::Red } else { WriteLane::Rest }
}

impl Engine {
    pub(super) fn channels_of(accounts: &super::limits::Accounts) -> Channels {
        Channels { sms: accounts.has(Channel::Sms), voice: accounts.has(Channel::Voice), email: accounts.has(Channel::Email) }
    }

    /// The warning, from memory where content and policy are all that is wanted.
    pub(super) async fn frozen_warning(&self, id: WarningId) -> Result<Option<Arc<WarningState>>, StoreError> {
        match self.cache.warning(id) {
            Some(w) if w.plan.entries > 0 || w.phase == crate::core::warning_life::WarningPhase::Closed => Ok(Some(w)),
            _ => self.load_warning(id).await.map(|w| w.map(|(w, _)| w)),
        }
    }

    /// A warning's row as state; the same row is parsed once.
    pub(super) fn warning_of(&self, id: WarningId, record: &Record) -> Result<Arc<WarningState>, StoreError> {
        if let Some(known) = self.cache.read_warning(id, record.head) {
            return Ok(known);
        }
        let state: Arc<WarningState> = Arc::new(from_json(&record.key, &record.body)?);
        self.cache.put_row(record.head, state.clone());
        Ok(state)
    }

    pub(super) async fn load_warning(&self, id: WarningId) -> Result<Option<(Arc<WarningState>, Record)>, StoreError> {
        let key = Key::Warning(id);
        let Some(record) = self.store.load(std::slice::from_ref(&key)).await?.into_iter().next().flatten() else { return Ok(None) };
        let state = self.warning_of(id, &record)?;
        self.cache.put_warning(state.clone());
        Ok(Some((state, record)))
    }

    pub(super) async fn chunk(&self, id: WarningId, n: u32) -> Result<Option<Arc<PlanChunk>>, StoreError> {
        if let Some(chunk) = self.cache.chunk(id, n) {
            return Ok(Some(chunk));
        }
        let key = Key::Warning(id);
        let Some(body) = self.store.blob(&key, &plan_blob(n)).await? else { return Ok(None) };
        let chunk: Arc<PlanChunk> = Arc::new(from_json(&key, &body)?);
        self.cache.put_chunk(id, n, chunk.clone());
        Ok(Some(chunk))
    }

    /// What a callout's decisions look at; `None` for an ordinal outside the plan.
    pub(super) async fn around(&self, id: CalloutId) -> Result<Option<Around>, StoreError> {
        let Some(mut warning) = self.frozen_warning(id.warning).await? else { return Ok(None) };
        let n = id.ordinal / CHUNK as u32;
        let Some(chunk) = self.chunk(id.warning, n).await? else { return Ok(None) };
        let index = id.ordinal as usize % CHUNK;
        let Some(ladder) = chunk.entries.get(index).map(|e| usize::from(e.ladder)) else { return Ok(None) };
        if ladder >= warning.policy.ladders.len() {
            // A place was added since (by another gateway): its ladders stand behind those we know.
            match self.load_warning(id.warning).await? {
                Some((fresh, _)) if ladder < fresh.policy.ladders.len() => warning = fresh,
                _ => return Ok(None),
            }
        }
        Ok(Some(Around { warning, chunk, index }))
    }

    /// The commit of a callout's step. `record` is what it was decided on.
    pub(super) fn callout_commit(&self, around: &Around, record: Option<&Record>, s: &Stepped, now: Time, consumed: Vec<u64>) -> Commit {
        let ctx = around.ctx(self);
        let entry = around.entry();
        let lane = around.lane();
        let due = s.state.due(&ctx);
        let head = record.map_or(Head::NONE, |r| r.head);
        let entries = if s.entries.is_empty() { b"[]".to_vec() } else { to_json(&s.entries) };
        let mut c = Commit::new(Key::Callout(s.state.id), head, to_json(&s.state), entries, due, lane, now);
        c.consumed = consumed;
        c.face = Some(rows::face(&s.state, entry));
        for (phone, letter) in &s.effects.line {
            c.send.push(Envelope { to: Key::Line(phone.clone()), lane, not_before: Time(0), body: to_json(letter) });
        }
        let place_key = |p: &crate::core::directory::Place| Key::Place(around.warning.id, p.id());
        for (place, rule) in &s.effects.place_joined {
            let letter = PlaceLetter::Join { callout: s.state.id, rule: *rule };
            c.send.push(Envelope { to: place_key(place), lane: Lane::URGENT, not_before: Time(0), body: to_json(&letter) });
        }
        for (place, rule) in &s.effects.place_answered {
            let by = s.state.contacts.first().map_or(crate::core::ids::RecipientId(0), |k| k.id);
            let by = s.state.partial.as_ref().and_then(|a| a.by.id).unwrap_or(by);
            let letter = PlaceLetter::Answered { callout: s.state.id, by, rule: *rule };
            c.send.push(Envelope { to: place_key(place), lane: Lane::URGENT, not_before: Time(0), body: to_json(&letter) });
        }
        let relay_key = |record: &String| Key::Place(around.warning.id, record.clone());
        let rule = AnswerRule::Any;
        for record in &s.effects.relay_joined {
            let letter = PlaceLetter::Join { callout: s.state.id, rule };
            c.send.push(Envelope { to: relay_key(record), lane: Lane::URGENT, not_before: Time(0), body: to_json(&letter) });
        }
        for record in &s.effects.relay_answered {
            let by = s.state.contacts.first().map_or(crate::core::ids::RecipientId(0), |k| k.id);
            let letter = PlaceLetter::Answered { callout: s.state.id, by, rule };
            c.send.push(Envelope { to: relay_key(record), lane: Lane::URGENT, not_before: Time(0), body: to_json(&letter) });
        }
        c.send.extend(self.number_news(around, s, now));
        for n in &s.effects.tasks {
            if let Some(task) = s.state.tasks.get(usize::from(*n).wrapping_sub(1)) {
                let row = rows::callout_task(&s.state, entry, &around.chunk, task, around.warning.drill);
                c.feed.push(rows::task_feed(&row, now));
                c.tasks.push(row);
            }
        }
        c.feed.extend(
            s.effects.announce.iter().map(|kind| rows::callout_feed(kind, &s.state, entry, &around.chunk, around.warning.drill, now)),
        );
        name_empty(&mut c);
        c
    }

    /// Applies an event to a callout, durably. `Ok(None)`: no such callout. The stepped result tells
    /// refusals; answers to an older message are passed on to the callout that continues it.
    pub(super) async fn apply_callout(
        &self,
        id: CalloutId,
        event: &Event,
        lane: WriteLane,
    ) -> Result<Option<(CalloutParts, Stepped)>, StoreError> {
        let mut id = id;
        let mut event = event.clone();
        for _ in 0..MAX_RETRIES {
            let Some(around) = self.around(id).await? else { return Ok(None) };
            let key = Key::Callout(id);
            let Some(record) = self.store.load(std::slice::from_ref(&key)).await?.into_iter().next().flatten() else { return Ok(None) };
            let state: Callout = read_whole(&key, &record.body)?;
            let now = self.store.now();
            let stepped = callout::step(around.ctx(self), &state, &event, now);
            // Between the older callout's end and the newer one's row, what belongs to the newer waits as
            // a letter for it.
            let early = match &stepped.effects.forward {
                Some(f) if !self.is_row(f.callout).await? => Some(forwarded(f)),
                _ => None,
            };
            if !stepped.entries.is_empty() || early.is_some() {
                let mut commit = self.callout_commit(&around, Some(&record), &stepped, now, Vec::new());
                commit.send.extend(early.clone());
                name_empty(&mut commit);
                match self.store.commit(lane, vec![commit]).await?.first() {
                    Some(Committed::Done) => {}
                    _ => continue,
                }
                self.noted(&around, &stepped);
            }
            if let Some(forward) = stepped.effects.forward.clone().filter(|_| early.is_none()) {
                id = forward.callout;
                event = forward.event;
                continue;
            }
            let due = stepped.state.due(&around.ctx(self));
            let parts = CalloutParts {
                callout: stepped.state.clone(),
                warning: around.warning.clone(),
                chunk: around.chunk.clone(),
                index: around.index,
                due,
            };
            return Ok(Some((parts, stepped)));
        }
        Err(StoreError::Unavailable(format!("{id} is changed by others faster than this could be recorded")))
    }

    async fn is_row(&self, id: CalloutId) -> Result<bool, StoreError> {
        Ok(self.store.load(&[Key::Callout(id)]).await?.into_iter().next().flatten().is_some())
    }

    /// Metrics of what was just made durable; who waits for no slot any more is struck out.
    pub(super) fn noted(&self, around: &Around, s: &Stepped) {
        if around.warning.drill {
            // A drill's figures are its own.
            return;
        }
        for e in &s.entries {
            match e {
                Entry::AttemptIs { n, state: AttemptState::Withdrawn | AttemptState::Failed, .. } => {
                    self.accounts.forget(AttemptId { callout: s.state.id, n: *n });
                }
                Entry::Answered { via, at, .. } => metrics::answered(via.as_str(), *at - s.state.start),
                // The first request of a warning's first person stands for the warning's way through the house.
                Entry::Sending { n: 1, .. } if s.state.id.ordinal == 0 && s.state.carried_from.is_none() => {
                    metrics::first_attempt(self.store.now() - s.state.start);
                }
                Entry::Hedged { n, way } => {
                    metrics::hedged(s.state.attempt(*n).map_or("", |a| a.channel.as_str()), way.as_str());
                }
                Entry::Climbed { rung, .. } if *rung > 0 => {
                    let planned = around.rung_time(*rung, &s.state);
                    metrics::escalated(self.store.now() - planned.min(self.store.now()));
                }
                _ => {}
            }
        }
    }

    pub(super) async fn load_line(&self, phone: &Phone) -> Result<(Line, Option<Record>), StoreError> {
        let key = Key::Line(phone.clone());
        let record = self.store.load(std::slice::from_ref(&key)).await?.into_iter().next().flatten();
        let line = record.as_ref().map(|r| read_whole(&key, &r.body)).transpose()?.unwrap_or_default();
        Ok((line, record))
    }

    /// The commit of a line's step; its news go to the callouts in the same commit.
    pub(super) fn line_commit(&self, phone: &Phone, record: Option<&Record>, s: &LineStepped, now: Time, consumed: Vec<u64>) -> Commit {
        let lane = s
            .state
            .waiting
            .iter()
            .map(|w| Lane::of(w.ask.level, w.ask.drill))
            .chain(s.state.flights.iter().flat_map(|f| f.members.iter().map(|m| Lane::of(m.level, m.drill))))
            .min()
            .unwrap_or(Lane::of(crate::core::hazard::Level::Blue, false));
        let head = record.map_or(Head::NONE, |r| r.head);
        let mut c = Commit::new(Key::Line(phone.clone()), head, to_json(&s.state), line_journal(s), s.state.due(), lane, now);
        c.consumed = consumed;
        c.send = s
            .news
            .iter()
            .map(|(attempt, news)| {
                let (n, news) = (attempt.n, news.clone());
                let (to, body) = match DutyCall::is_one(*attempt) {
                    true => (Key::Warning(attempt.callout.warning), to_json(&WarningLetter::Duty { n, news })),
                    false => (Key::Callout(attempt.callout), to_json(&Event::Line { n, news })),
                };
                Envelope { to, lane: Lane::URGENT, not_before: Time(0), body }
            })
            .collect();
        name_empty(&mut c);
        c
    }

    /// Applies an event to a line, durably.
    pub(super) async fn apply_line(&self, phone: &Phone, event: &LineEvent, lane: WriteLane) -> Result<LineStepped, StoreError> {
        for _ in 0..MAX_RETRIES {
            let (line, record) = self.load_line(phone).await?;
            let now = self.store.now();
            let stepped = line::step(&line, event, now);
            // Keys change nothing of the line itself, and are news to its callouts.
            if stepped.entries.is_empty() && stepped.news.is_empty() {
                return Ok(stepped);
            }
            let commit = self.line_commit(phone, record.as_ref(), &stepped, now, Vec::new());
            if matches!(self.store.commit(lane, vec![commit]).await?.first(), Some(Committed::Done)) {
                self.stop_waiting(&stepped.entries);
                return Ok(stepped);
            }
        }
        Err(StoreError::Unavailable(format!("the line of {phone} is changed by others faster than this could be recorded")))
    }

    /// Changes a warning's state, durably. `change` may be called again on a fresher state; `None` from it
    /// means there is nothing to change.
    pub(super) async fn apply_warning<F>(
        &self,
        id: WarningId,
        lane: WriteLane,
        mut change: F,
    ) -> Result<Option<Arc<WarningState>>, StoreError>
    where
        F: FnMut(&mut WarningState, Time) -> Option<WarningChange>,
    {
        for _ in 0..MAX_RETRIES {
            let Some((state, record)) = self.load_warning(id).await? else { return Ok(None) };
            let now = self.store.now();
            let mut next = (*state).clone();
            let Some(mut change) = change(&mut next, now) else { return Ok(Some(state)) };
            is_whole(&record.key, &record.body, &*state)?;
            self.recall_duty(&mut next, &mut change);
            let consumed = std::mem::take(&mut change.consumed);
            let commit = self.warning_commit(&next, Some(&record), &change, now, consumed);
            if matches!(self.store.commit(lane, vec![commit]).await?.first(), Some(Committed::Done)) {
                let next = Arc::new(next);
                self.cache.put_warning(next.clone());
                return Ok(Some(next));
            }
        }
        Err(StoreError::Unavailable(format!("{id} is changed by others faster than this could be recorded")))
    }

    pub(super) fn warning_commit(
        &self,
        w: &WarningState,
        record: Option<&Record>,
        change: &WarningChange,
        now: Time,
        consumed: Vec<u64>,
    ) -> Commit {
        let lane = Lane::of(w.level(), w.drill);
        // Row-making stands behind the sends it feeds, except for the very first rows.
        let lane = if w.plan.cursor > 0 && w.end.is_none() { Lane::PLANNING } else { lane };
        let head = record.map_or(Head::NONE, |r| r.head);
        let journal = to_json(&[&change.entry]);
        let mut c = Commit::new(Key::Warning(w.id), head, to_json(w), journal, change.due.or_else(|| w.due(now)), lane, now);
        c.consumed = consumed;
        c.send = change.send.clone();
        c.send.extend(self.digest_letters(w, change));
        c.tasks =
            change.tasks.iter().filter_map(|n| w.tasks.get(usize::from(*n).wrapping_sub(1))).map(|t| rows::warning_task(w, t)).collect();
        c.feed = c.tasks.iter().map(|t| rows::task_feed(t, now)).collect();
        c.feed.extend(change.announce.iter().map(|kind| rows::warning_feed(kind, w, now)));
        c.blobs = change.blobs.clone();
        if w.drill && change.announce.contains(&"warning.closed") {
            c.send.push(drill_closed(w.id, now));
        }
        c
    }
}

/// What a line's step is on record as. Keys change nothing of the line; where the same step finds something else over,
/// they are named beside it: another gateway may find the same over without them, and the two are not the same commit.
fn line_journal(s: &LineStepped) -> Vec<u8> {
    let pressed = |(attempt, news): &(AttemptId, LineNews)| match news {
        LineNews::Keys { keys, at } => Some(format!("keys {keys} of {attempt} at {}", at.0)),
        _ => None,
    };
    let sends: Vec<String> = s.news.iter().filter_map(pressed).collect();
    if s.entries.is_empty() || sends.is_empty() {
        return to_json(&s.entries);
    }
    let mut entries = s.entries.clone();
    entries.push(LineEntry::Passed { letters: Vec::new(), sends });
    to_json(&entries)
}

/// A commit that changes no state still says what it did: the head is made of the journal, and two
/// different commits must never be taken for the same one.
pub(super) fn name_empty(c: &mut Commit) {
    let sends = || c.send.iter().map(|e| format!("{} {}", e.to, String::from_utf8_lossy(&e.body))).collect::<Vec<_>>();
    if c.journal == b"[]" || c.journal.starts_with(b"[{\"e\":\"passed\"") {
        c.journal = to_json(&serde_json::json!([{"e": "passed", "letters": c.consumed, "sends": sends()}]));
        c.head = c.expect.after(&c.journal);
    }
}

/// What a change of a warning carries besides the state.
#[derive(Clone, Debug, Default)]
pub(super) struct WarningChange {
    /// The journal entry: what happened, in one object.
    pub entry: serde_json::Value,
    pub announce: Vec<&'static str>,
    pub tasks: Vec<u16>,
    pub send: Vec<Envelope>,
    pub blobs: Vec<(String, Vec<u8>)>,
    /// Letters that are read with it, where it comes of one ([`Engine::apply_warning`]).
    pub consumed: Vec<u64>,
    /// Look again at this time instead of the state's own due.
    pub due: Option<Time>,
}

/// The letter that carries an answer or report on to the callout that continues the older one.
pub(super) fn forwarded(f: &ForwardTo) -> Envelope {
    Envelope { to: Key::Callout(f.callout), lane: Lane::URGENT, not_before: Time(0), body: to_json(&f.event) }
}

pub(super) use crate::core::plan::plan_blob;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_comes_as_the_calls_time_is_over_is_not_taken_for_the_call_being_over() {
        let lead = AttemptId { callout: CalloutId::new(WarningId(1), 2), n: 3 };
        let entries = vec![LineEntry::Over { lead, outcome: "no report of the call's end".into(), lost: false, silent: true }];
        let given_up = (lead, LineNews::GivenUp { why: "no report".into() });
        let key = (lead, LineNews::Keys { keys: "1".into(), at: Time(5) });
        let step = |news| LineStepped { state: Line::default(), entries: entries.clone(), news, digit: None };
        let (clock, pressed) = (line_journal(&step(vec![given_up.clone()])), line_journal(&step(vec![key, given_up])));
        assert_ne!(Head::NONE.after(&clock), Head::NONE.after(&pressed));
        assert!(pressed.starts_with(clock.strip_suffix(b"]").unwrap()));
    }
}
