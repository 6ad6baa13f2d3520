//! The journal folds to the row and its heads chain; an answer stands; a deadline stands; nothing open is
//! without a clock; lines and callouts agree about what waits.

use super::{Law, Laws, Shadow, brief};
use crate::simulate::{poll::now, world::World};
use jiaoying::{
    core::{
        callout::{
            entry::Entry,
            fold,
            state::{Attempt, AttemptState, Callout, CalloutState},
        },
        duty_call::DutyCall,
        ids::{AttemptId, CalloutId, RecipientId},
        line::{Line, LineEntry},
        phone::Phone,
        send::Channel,
        warning_life::WarningPhase,
    },
    store::{Head, JournalRow, Key, Record},
};

fn answered(s: CalloutState) -> bool {
    matches!(s, CalloutState::Answered | CalloutState::Reported)
}

impl Laws {
    fn chain(&mut self, key: &Key, mut head: Head, rows: &[JournalRow], record: &Record) -> Head {
        for row in rows {
            self.demand(Law::Trail, head.after(&row.entries) == row.head, || format!("{key}: the chain breaks at row {}", row.n));
            head = row.head;
        }
        self.demand(Law::Trail, head == record.head, || format!("{key}: the row is not at the journal's tip"));
        head
    }

    fn record(&self, w: &World, key: &Key) -> Option<Record> {
        now(w.store.inner.load(std::slice::from_ref(key))).ok()?.pop().flatten()
    }

    pub(super) fn check_callout(&mut self, w: &World, id: CalloutId) {
        let key = Key::Callout(id);
        let Some(record) = self.record(w, &key) else { return };
        let rows = now(w.store.inner.journal(&key)).unwrap_or_default();
        let known = self.callouts.remove(&id);
        let (mut state, head, seen) = known.map_or((fold::blank(), Head::NONE, 0), |s| (s.state, s.head, s.rows));
        let fresh = rows.get(seen..).unwrap_or_default();
        let head = self.chain(&key, head, fresh, &record);
        for row in fresh {
            let Ok(entries) = serde_json::from_slice::<Vec<Entry>>(&row.entries) else {
                self.demand(Law::Trail, false, || format!("{id}: row {} cannot be read", row.n));
                continue;
            };
            for entry in &entries {
                let before = state.clone();
                fold::apply(&mut state, entry, row.at);
                self.check_entry(w, id, &before, entry, &state, row.at);
            }
        }
        match serde_json::from_slice::<Callout>(&record.body) {
            Ok(body) => {
                self.demand(Law::Trail, body == state, || format!("{id}: the journal does not fold to the row:\n{state:?}\n{body:?}"));
                self.check_clock(&body, &record);
            }
            Err(e) => self.demand(Law::Trail, false, || format!("{id}: the row cannot be read: {e}")),
        }
        self.callouts.insert(id, Shadow { state, head, rows: rows.len() });
    }

    fn check_entry(&mut self, w: &World, id: CalloutId, before: &Callout, entry: &Entry, after: &Callout, at: jiaoying::core::time::Time) {
        if answered(before.state) {
            self.demand(Law::Trail, answered(after.state), || format!("{id}: answered became {:?} by {entry:?}", after.state));
        }
        let opening = matches!(entry, Entry::Opened { .. } | Entry::Carried { .. });
        if !opening {
            self.demand(Law::Trail, before.due_at == after.due_at, || format!("{id}: the deadline moved by {entry:?}"));
        }
        match entry {
            Entry::Succeeded { successor } => {
                self.before.insert(successor.id, (id, successor.inherits));
            }
            Entry::Carried { from, .. } => {
                let due = self.shadow(*from).map(|c| c.due_at);
                self.demand(Law::Trail, due == Some(after.due_at), || format!("{id}: the carried deadline is not {from}'s"));
            }
            Entry::Forwarded { .. } => self.check_forwarded(w, id),
            Entry::Climbed { rung: 0, .. } => self.check_turn(w, id, before, at),
            Entry::FeedbackReminded { ask, .. } => {
                let due = before.feedback_clocks.iter().find(|k| k.ask == *ask).map(|k| k.due);
                self.demand(Law::Clock, due.is_some_and(|d| d <= at), || format!("{id}: ask {ask}, due {due:?}, is reminded at {at}"));
            }
            Entry::Queued { repeats: Some(n), channel, .. } => self.check_repeat(w, id, before, *n, *channel, at),
            Entry::Queued { hedges: Some(n), .. } => self.check_hedge(w, id, before, *n, at),
            Entry::Sending { n, provider, .. } => {
                let hedge = after.attempt(*n).and_then(|a| Some((a.channel, after.attempt(a.hedges?)?)));
                let same = hedge.is_some_and(|(channel, silent)| channel == silent.channel && silent.provider.as_ref() == Some(provider));
                self.demand(Law::Intent, !same, || format!("{id}: attempt {n} goes beside one of the same {provider}"));
            }
            _ => {}
        }
        self.check_answer(w, id, before, entry, at);
    }

    /// In a relay nobody is called before somebody above has answered, or has had the time to; unless he cannot be
    /// reached at all, for then it begins at the deputy's rung.
    fn check_turn(&mut self, w: &World, id: CalloutId, c: &Callout, at: jiaoying::core::time::Time) {
        let Some(relay) = self.plan(w, id).and_then(|p| p.entry().relay.clone()) else { return };
        // One that is carried waits as long as the older plan said.
        let his_turn = c.forwarded.is_some() || c.unreachable || c.carried_from.is_some() || at >= c.start + relay.wait;
        self.demand(Law::Clock, his_turn, || format!("{id} is called before its turn, {relay:?}: {}", brief(c)));
    }

    /// Whoever is said to have forwarded has really answered, in this warning.
    fn check_forwarded(&mut self, w: &World, id: CalloutId) {
        let Some(relay) = self.plan(w, id).and_then(|p| p.entry().relay.clone()) else {
            return self.demand(Law::Evidence, false, || format!("{id} waits for nobody, yet it was forwarded"));
        };
        // From the rows: the answer may have come in this very step.
        let others: Vec<CalloutId> = self.all_callouts().map(|c| c.id).filter(|c| c.warning == id.warning).collect();
        let answered = others.into_iter().any(|other| {
            let (Some(plan), Some(row)) = (self.plan(w, other), w.callout(other)) else { return false };
            row.answered.iter().filter_map(|p| plan.entry().posts.get(usize::from(*p))).any(|p| relay.uppers.contains(&p.relay_record()))
        });
        self.demand(Law::Evidence, answered, || format!("{id} was forwarded, but nobody of {:?} has answered", relay.uppers));
    }

    /// Law 3: only what stayed unknown after its look-ups goes again, and only red or orange; or what its account took and lost.
    fn check_repeat(&mut self, w: &World, id: CalloutId, c: &Callout, n: u16, channel: Channel, at: jiaoying::core::time::Time) {
        if c.attempt(n).is_some_and(|a| a.state == AttemptState::Failed) {
            return;
        }
        let level = self.plan(w, id).map(|p| p.entry().level);
        let serious = level.is_some_and(|l| l.rank() >= jiaoying::core::hazard::Level::Orange.rank());
        self.demand(Law::Intent, serious, || format!("{id}: attempt {n} of a {level:?} warning goes again"));
        let Some(a) = c.attempt(n) else { return self.demand(Law::Intent, false, || format!("{id}: no attempt {n} to repeat")) };
        self.demand(Law::Intent, a.state == AttemptState::Unknown, || format!("{id}: attempt {n} goes again although {:?}", a.state));
        if channel == Channel::Sms {
            let left = self.departed.get(&AttemptId { callout: id, n }).filter(|_| a.by_line).copied().or(a.sent);
            let waited = left.map(|s| at - s).unwrap_or_default();
            // A gathered message belongs to its line, which awaits it as long.
            let enough = (a.by_line || a.lookups >= 3) && waited >= jiaoying::core::time::Span::secs(120);
            self.demand(Law::Intent, enough, || {
                format!("{id}: attempt {n} goes again after {} look-ups and {waited}: {}", a.lookups, brief(c))
            });
        }
    }

    /// A second ask that repeats nothing of unknown fate stands beside a red one that was taken and of which nothing more was
    /// heard in time; once.
    fn check_hedge(&mut self, w: &World, id: CalloutId, c: &Callout, n: u16, at: jiaoying::core::time::Time) {
        let red = self.plan(w, id).is_some_and(|p| p.entry().level == jiaoying::core::hazard::Level::Red);
        let Some(a) = c.attempt(n) else { return self.demand(Law::Intent, false, || format!("{id}: no attempt {n} to hedge")) };
        let after = w.warning(id.warning).policy.clocks.hedge;
        let silent = a.state == AttemptState::Accepted && a.finished.is_none() && a.kind.asks() && a.hedges.is_none();
        let waited = a.accepted.zip(after).is_some_and(|(taken, after)| at >= taken + after);
        let once = !c.attempts.iter().any(|b| b.hedges == Some(n));
        self.demand(Law::Intent, red && silent && waited && once && c.state.is_open(), || {
            format!("{id}: attempt {n} is hedged: red {red}, silent {silent}, waited {waited}, once {once}: {}", brief(c))
        });
    }

    fn check_clock(&mut self, c: &Callout, record: &Record) {
        let id = c.id;
        self.demand(Law::Clock, !c.state.is_open() || c.told_only || record.due.is_some(), || {
            format!("{id} is {:?} without a clock", c.state)
        });
        let leaving = |a: &Attempt| !a.by_line && matches!(a.state, AttemptState::Queued | AttemptState::Sending);
        self.demand(Law::Clock, !c.attempts.iter().any(leaving) || record.due.is_some(), || {
            format!("{id}: an attempt waits without a clock")
        });
        for t in c.tasks.iter().filter(|t| t.is_open()) {
            self.demand(Law::Clock, record.due.is_some_and(|d| d <= t.due), || format!("{id}: task {} waits past its time", t.n));
        }
    }

    pub(super) fn check_line(&mut self, w: &World, phone: &Phone) {
        let key = Key::Line(phone.clone());
        let Some(record) = self.record(w, &key) else { return };
        let rows = now(w.store.inner.journal(&key)).unwrap_or_default();
        let known = self.lines.remove(phone);
        let (mut state, head, seen) = known.map_or((Line::default(), Head::NONE, 0), |s| (s.state, s.head, s.rows));
        let fresh = rows.get(seen..).unwrap_or_default();
        let head = self.chain(&key, head, fresh, &record);
        for row in fresh {
            match serde_json::from_slice::<Vec<LineEntry>>(&row.entries) {
                Ok(entries) => {
                    entries.iter().for_each(|e| state.apply(e, row.at));
                    let flying = state.flights.iter().flat_map(|f| f.members.iter().map(|m| (m.attempt, f.at)));
                    self.departed.extend(flying);
                }
                Err(e) => self.demand(Law::Trail, false, || format!("{key}: row {} cannot be read: {e}", row.n)),
            }
        }
        let body: Line = serde_json::from_slice(&record.body).unwrap_or_default();
        self.demand(Law::Trail, body == state, || format!("{key}: the journal does not fold to the row"));
        let calls = state.flights.iter().filter(|f| f.channel == Channel::Voice).count();
        self.demand(Law::OneCall, calls <= 1, || format!("{key}: {calls} calls in flight"));
        let busy = !state.waiting.is_empty() || !state.flights.is_empty();
        self.demand(Law::Clock, !busy || record.due.is_some(), || format!("{key}: something waits without a clock"));
        self.lines.insert(phone.clone(), Shadow { state, head, rows: rows.len() });
    }

    pub(super) fn check_without_clock(&mut self, w: &World) {
        let stuck = now(w.store.inner.without_clock()).unwrap_or_default();
        self.demand(Law::Clock, stuck.is_empty(), || format!("without a clock: {stuck:?}"));
    }

    /// What a callout gave to a line waits there or is under way there; and the other way round.
    pub(super) fn check_lines_agree(&mut self, w: &World) {
        let mut given: Vec<(AttemptId, AttemptState, RecipientId, u8)> = Vec::new();
        for c in self.all_callouts() {
            for (i, a) in c.attempts.iter().enumerate() {
                if a.by_line
                    && matches!(a.state, AttemptState::Queued | AttemptState::Sending)
                    && let Some(k) = c.contacts.get(usize::from(a.contact))
                {
                    given.push((AttemptId { callout: c.id, n: i as u16 + 1 }, a.state, k.id, a.number));
                }
            }
        }
        for (attempt, state, person, number) in given {
            let Some(phone) = self.plan(w, attempt.callout).and_then(|p| p.phones(person).get(usize::from(number)).cloned()) else {
                continue;
            };
            let line = self.lines.get(&phone).map(|s| &s.state);
            let waits = line.is_some_and(|l| l.waiting.iter().any(|w| w.ask.attempt == attempt));
            let flies = line.is_some_and(|l| l.flight_of(attempt).is_some());
            let ok = if state == AttemptState::Queued { waits && !flies } else { flies };
            self.demand(Law::Clock, ok, || format!("{attempt} is {state:?}, but its line has it waiting: {waits}, flying: {flies}"));
        }
        let waiting: Vec<AttemptId> = self
            .lines
            .values()
            .flat_map(|s| s.state.waiting.iter().filter(|x| s.state.flight_of(x.ask.attempt).is_none()).map(|x| x.ask.attempt))
            .collect();
        for attempt in waiting {
            if DutyCall::is_one(attempt) {
                let warning = w.warning(attempt.callout.warning);
                let state = warning.duty_calls.iter().find(|c| c.n == attempt.n).map(|c| c.state);
                self.demand(Law::Clock, state == Some(AttemptState::Queued), || {
                    format!("a line will ring for {attempt}, which is {state:?}")
                });
                continue;
            }
            let state = self.shadow(attempt.callout).and_then(|c| c.attempt(attempt.n)).map(|a| a.state);
            self.demand(Law::Clock, state == Some(AttemptState::Queued), || format!("a line will ring for {attempt}, which is {state:?}"));
        }
    }

    /// After everything: no warning open, nobody open, nothing queued or on its way.
    pub(super) fn check_nothing_left(&mut self, w: &World) {
        for warning in w.warnings() {
            let id = warning.id;
            self.demand(Law::Clock, warning.phase == WarningPhase::Closed, || format!("{id} never closes: {warning:?}"));
        }
        let left: Vec<String> = self
            .all_callouts()
            .filter_map(|c| {
                let going = c.attempts.iter().position(|a| matches!(a.state, AttemptState::Queued | AttemptState::Sending));
                match (c.state.is_open() && !c.told_only, going) {
                    (true, _) => Some(format!("{} stays {:?}: {}", c.id, c.state, brief(c))),
                    (_, Some(i)) => Some(format!("{}: attempt {} stays {:?}: {}", c.id, i + 1, c.attempts[i].state, brief(c))),
                    _ => None,
                }
            })
            .collect();
        self.demand(Law::Clock, left.is_empty(), || left.join("\n"));
    }
}
