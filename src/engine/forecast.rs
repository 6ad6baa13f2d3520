//! The forecast while a warning runs: from what is really queued, over all warnings, and from the accounts as they stand.

use super::{Engine, apply::from_json, limits::lines_for};
use crate::{
    core::{
        callout::state::Callout,
        directory::Place,
        division::Division,
        forecast::{Assumptions, Capacity, Forecast, Input, Subject, forecast, people},
        hazard::Level,
        ids::{CalloutId, WarningId},
        plan::CHUNK,
        policy::NamedLadder,
        send::Channel,
        time::{Span, Time},
        warning_life::{WarningPhase, WarningState},
    },
    store::{CalloutFilter, Key, StoreError},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// Whoever asks again within so long is told the same.
const KEPT: Span = Span::secs(5);
/// Making one takes at most this part of the time.
const SHARE: i64 = 20;
/// Warnings that run at once and are looked at, newest first.
const WARNINGS: usize = 200;
/// Rows read at once.
const PAGE: usize = 1000;
/// Forecasts kept, of warnings and divisions.
const MOST: usize = 100;

/// A person whom no call reaches before his deadline.
#[derive(Clone, Debug, PartialEq)]
pub struct Late {
    pub callout: CalloutId,
    pub place: Place,
    pub place_name: String,
    pub due_at: Time,
    /// When the first call to him ends, if he has not answered before; `None`: there is no line.
    pub called_by: Option<Time>,
}

/// What is expected of one warning.
#[derive(Clone, Debug, PartialEq)]
pub struct WarningForecast {
    pub warning: WarningId,
    pub capacity: Capacity,
    pub assumptions: Assumptions,
    /// Names of the ladders that [`Forecast::rungs`] counts by.
    pub ladders: Vec<String>,
    /// Persons still to be called or told.
    pub open: usize,
    pub forecast: Forecast,
    /// In the order of calling.
    pub late: Vec<Late>,
}

/// Of which warning, for which division.
type Asked = (WarningId, Option<Division>);

/// What was read and made lately, each with when it is too old.
#[derive(Default)]
pub(super) struct Kept {
    queues: Mutex<(Time, Arc<Vec<Queue>>)>,
    made: Mutex<BTreeMap<Asked, (Time, Arc<WarningForecast>)>>,
}
impl Kept {
    fn queues(&self, now: Time) -> Option<Arc<Vec<Queue>>> {
        let kept = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        (now < kept.0).then(|| kept.1.clone())
    }
    fn get(&self, asked: Asked, now: Time) -> Option<Arc<WarningForecast>> {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.get(&asked).filter(|(until, _)| now < *until).map(|(_, f)| f.clone())
    }
    fn put(&self, asked: Asked, until: Time, forecast: Arc<WarningForecast>) {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if made.len() >= MOST {
            made.pop_first();
        }
        made.insert(asked, (until, forecast));
    }
}

/// Everybody still to be called, of one warning.
struct Queue {
    warning: Arc<WarningState>,
    people: Vec<(CalloutId, Place, String, Subject)>,
}

impl Engine {
    /// What is to be expected of a warning from now on, for the people inside `within`; everybody else's calls take their
    /// slots all the same. `None`: no such warning. Some seconds old at most.
    pub async fn forecast(&self, id: WarningId, within: Option<Division>) -> Result<Option<Arc<WarningForecast>>, StoreError> {
        let now = self.store.now();
        if let Some(kept) = self.forecasts.get((id, within), now) {
            return Ok(Some(kept));
        }
        let queues = self.queues(now).await?;
        let made = match queues.iter().find(|q| q.warning.id == id) {
            Some(asked) => self.foretell(asked, &queues, within, now),
            // Not begun, or over.
            None => match self.load_warning(id).await? {
                Some((w, _)) => self.foretell(&self.queue_of(w, now).await?, &queues, within, now),
                None => return Ok(None),
            },
        };
        let made = Arc::new(made);
        self.forecasts.put((id, within), self.too_old(now), made.clone());
        Ok(Some(made))
    }

    /// What was begun at `began` may be told until then: what takes long is made seldom.
    fn too_old(&self, began: Time) -> Time {
        let now = self.store.now();
        now + KEPT.max(Span((now - began).0.saturating_mul(SHARE)))
    }

    /// Everybody still to be called, of all warnings that run.
    async fn queues(&self, now: Time) -> Result<Arc<Vec<Queue>>, StoreError> {
        if let Some(kept) = self.forecasts.queues(now) {
            return Ok(kept);
        }
        let mut queues = Vec::new();
        for record in self.reports.warnings(None, WARNINGS).await? {
            let w: WarningState = from_json(&record.key, &record.body)?;
            if w.phase == WarningPhase::Active && w.end.is_none() {
                queues.push(self.queue_of(Arc::new(w), now).await?);
            }
        }
        let queues = Arc::new(queues);
        let kept = (self.too_old(now), queues.clone());
        *self.forecasts.queues.lock().unwrap_or_else(PoisonError::into_inner) = kept;
        Ok(queues)
    }

    /// What the accounts that work grant to calls and messages of this level, to all gateways together: what is kept
    /// for red is not for others, and a drill has half the lines.
    pub fn capacity(&self, level: Level, drill: bool) -> Capacity {
        let mut c = Capacity::default();
        for a in self.accounts.carriers(self.now()) {
            let l = a.provider.limits();
            match a.provider.channel() {
                Channel::Sms => c.sms_per_second = c.sms_per_second.saturating_add(l.per_second),
                Channel::Voice => {
                    c.lines = c.lines.saturating_add(lines_for(l.concurrent_calls, level == Level::Red, drill));
                    c.calls_per_second = c.calls_per_second.saturating_add(l.per_second);
                }
                Channel::Email | Channel::Im => {}
            }
        }
        c
    }

    async fn queue_of(&self, warning: Arc<WarningState>, now: Time) -> Result<Queue, StoreError> {
        let mut people = Vec::new();
        let (id, plan) = (warning.id, &warning.plan);
        let filter = CalloutFilter { open: true, ..CalloutFilter::default() };
        let mut cursor = None;
        loop {
            let rows = self.reports.callouts(Some(id), &filter, cursor, PAGE).await?;
            for (record, _) in &rows {
                let c: Callout = from_json(&record.key, &record.body)?;
                cursor = Some(c.id);
                let Some(chunk) = self.chunk(id, c.id.ordinal / CHUNK as u32).await? else { continue };
                let Some(e) = chunk.entries.get(c.id.ordinal as usize % CHUNK) else { continue };
                let Some(ladder) = warning.policy.ladders.get(usize::from(e.ladder)) else { continue };
                let s = people::of_callout(&c, warning.drill, e, &chunk.people, &ladder.ladder, self.channels, now);
                if let (Some(s), Some(post)) = (s, e.posts.first()) {
                    people.push((c.id, post.place.clone(), post.place_name.clone(), s));
                }
            }
            if rows.len() < PAGE {
                break;
            }
        }
        // Not rows yet; but a crash may have left rows of the chunk in hand behind the cursor.
        let in_hand = ((plan.cursor / CHUNK as u32 + 1) * CHUNK as u32).min(plan.entries);
        let keys: Vec<Key> = (plan.cursor..in_hand).map(|n| Key::Callout(CalloutId::new(id, n))).collect();
        let made = if keys.is_empty() { Vec::new() } else { self.store.load(&keys).await? };
        for ordinal in plan.cursor..plan.entries {
            if made.get((ordinal - plan.cursor) as usize).is_some_and(Option::is_some) {
                continue;
            }
            let Some(chunk) = self.chunk(id, ordinal / CHUNK as u32).await? else { continue };
            let Some(e) = chunk.entries.get(ordinal as usize % CHUNK) else { continue };
            let Some(ladder) = warning.policy.ladders.get(usize::from(e.ladder)) else { continue };
            let start = chunk.added_at.unwrap_or(warning.accepted_at);
            let s = people::of_entry(e, &chunk.people, &ladder.ladder, start, (ordinal, warning.drill), self.channels);
            if let (Some(s), Some(post)) = (s, e.posts.first()) {
                people.push((CalloutId::new(id, ordinal), post.place.clone(), post.place_name.clone(), s));
            }
        }
        Ok(Queue { warning, people })
    }

    fn foretell(&self, of: &Queue, all: &[Queue], within: Option<Division>, now: Time) -> WarningForecast {
        let w = &of.warning;
        let mut ladders: Vec<&NamedLadder> = Vec::new();
        let (mut asked, mut subjects, mut others) = (Vec::new(), Vec::new(), Vec::new());
        for queue in std::iter::once(of).chain(all.iter().filter(|q| q.warning.id != w.id)) {
            let offset = ladders.len() as u16;
            ladders.extend(&queue.warning.policy.ladders);
            for (id, place, name, s) in &queue.people {
                let s = Subject { ladder: s.ladder.saturating_add(offset), ..s.clone() };
                if queue.warning.id == w.id && within.is_none_or(|d| d.contains(place.division)) {
                    subjects.push(s);
                    asked.push((id, place, name));
                } else {
                    others.push(s);
                }
            }
        }
        let capacity = self.capacity(w.content.level, w.drill);
        let assumptions = self.settings.assumptions;
        let night = w.policy.night;
        let made = forecast(Input { now, night, ladders: &ladders, subjects: &subjects, others: &others, capacity, assumptions });
        let late = asked.iter().zip(subjects.iter().zip(&made.each)).filter(|(_, (_, e))| e.late);
        let late = late.map(|((id, place, name), (s, e))| Late {
            callout: **id,
            place: (*place).clone(),
            place_name: (*name).clone(),
            due_at: s.due_at,
            called_by: e.first_call.map(|(_, end)| end),
        });
        WarningForecast {
            warning: w.id,
            capacity,
            assumptions,
            ladders: ladders.iter().map(|l| l.name.clone()).collect(),
            open: asked.len(),
            late: late.collect(),
            forecast: made,
        }
    }
}
