//! Tasks: work an officer must do and sign. None waits without a clock: unclaimed rings the shift
//! leader, claimed lapses, done without an answer opens the next rung.

use super::{
    entry::Entry,
    event::{ManualBy, Refused},
    state::*,
    step::Work,
};
use crate::core::{
    policy::{TaskRule, Who},
    send::Channel,
    time::Span,
};

impl Work<'_> {
    /// A rung's task. An older one that nobody claimed has failed at its desk: it is closed as
    /// escalated, so that one task at a time says where the matter stands.
    pub(super) fn open_ladder_task(&mut self, rule: &TaskRule) {
        if let Some(old) = self.state.open_task(TaskKind::Call) {
            if old.title == rule.title {
                return;
            }
            let n = old.n;
            self.did(Entry::TaskClosed { n, outcome: "escalated".into(), by: None, note: None });
            self.task_changed(n);
        }
        self.open_task(TaskKind::Call, &rule.title, Some(rule.unclaimed));
    }

    pub(super) fn open_task(&mut self, kind: TaskKind, title: &str, unclaimed: Option<Span>) {
        let was = self.state.state;
        let due = self.now + unclaimed.unwrap_or(Span(self.ctx.clocks.claim_lapses.0 * 3 / 5));
        self.did(Entry::TaskOpened { kind, title: title.to_string(), due });
        self.task_changed(self.state.tasks.len() as u16);
        if was != CalloutState::HandedOver && self.state.state == CalloutState::HandedOver {
            self.effects.announce.push("callout.handed_over");
        }
    }

    /// A reply that is no answer: an officer reads it at once; the ladder runs on.
    pub(super) fn unreadable(&mut self, contact: u8, text: &str) {
        let name = self.state.contacts.get(usize::from(contact)).map(|k| self.ctx.name(k.person)).unwrap_or_default();
        let text: String = text.chars().filter(|c| !c.is_control()).take(200).collect();
        self.open_task(TaskKind::Read, &format!("阅读{name}的回复：{text}"), None);
    }

    pub(super) fn claim_task(&mut self, n: u16, officer: &str) {
        let Some(t) = self.state.tasks.get(usize::from(n).wrapping_sub(1)) else {
            self.effects.refused = Some(Refused::Unknown("task"));
            return;
        };
        if !t.is_open() {
            self.effects.refused = Some(Refused::TaskClosed);
        } else if let Some(by) = t.claimed_by.as_ref().filter(|b| *b != officer && t.taken_by.is_none()) {
            self.effects.refused = Some(Refused::ClaimedBy { officer: by.clone(), until: t.due });
        } else {
            // The same officer claiming again gets a fresh five minutes; a desk's 接办 by key may be
            // continued by an officer on the screen.
            let due = self.now + self.ctx.clocks.claim_lapses;
            self.did(Entry::TaskClaimed { n, by: officer.to_string(), due, taken_by: None });
            self.task_changed(n);
        }
    }

    pub(super) fn complete_task(
        &mut self,
        n: u16,
        officer: &str,
        via: Via,
        outcome: &str,
        reached: Option<&ManualBy>,
        note: Option<String>,
    ) {
        let Some(t) = self.state.tasks.get(usize::from(n).wrapping_sub(1)) else {
            self.effects.refused = Some(Refused::Unknown("task"));
            return;
        };
        if !t.is_open() {
            self.effects.refused = Some(Refused::TaskClosed);
            return;
        }
        if let Some(by) = t.claimed_by.as_ref().filter(|b| *b != officer && t.taken_by.is_none()) {
            self.effects.refused = Some(Refused::ClaimedBy { officer: by.clone(), until: t.due });
            return;
        }
        let kind = t.kind;
        // Only naming who was reached is an answer.
        let answer = match reached {
            Some(by) => match self.entitled(by) {
                Ok(found) => Some(found),
                Err(who) => {
                    self.effects.refused = Some(Refused::NotEntitled(who));
                    return;
                }
            },
            None => None,
        };
        self.did(Entry::TaskClosed { n, outcome: outcome.to_string(), by: Some(officer.to_string()), note: note.clone() });
        self.task_changed(n);
        match answer {
            Some((posts, by)) => self.answered_for(posts, by, via, self.now, Some(officer.to_string()), note, None),
            // A read reply changes nothing of the ladder; a call that reached nobody opens the next rung.
            None if kind == TaskKind::Call && self.state.state.is_open() => self.hasten("人工任务完成但未叫应"),
            None => {}
        }
    }

    pub(super) fn close_tasks(&mut self, outcome: &str) {
        for i in 0..self.state.tasks.len() {
            let t = &self.state.tasks[i];
            // A reply nobody has read stays: it may hold more than an answer.
            if t.is_open() && t.kind != TaskKind::Read {
                let n = t.n;
                self.did(Entry::TaskClosed { n, outcome: outcome.to_string(), by: None, note: None });
                self.task_changed(n);
            }
        }
    }

    /// Claims lapse; unclaimed tasks ring the shift leader.
    pub(super) fn task_clock(&mut self) {
        for i in 0..self.state.tasks.len() {
            let t = self.state.tasks[i].clone();
            if !t.is_open() || t.due > self.now {
                continue;
            }
            let again = self.now + self.ctx.clocks.claim_lapses;
            if t.claimed_at.is_some() {
                self.did(Entry::TaskLapsed { n: t.n, due: again });
            } else {
                self.did(Entry::TaskReminded { n: t.n, due: again });
                // After the end there is nothing to take over; the task is shown again.
                if self.state.ending.is_none() {
                    self.ring_shift_leader();
                }
            }
            self.task_changed(t.n);
        }
    }

    fn ring_shift_leader(&mut self) {
        for person in self.ctx.entry.people_at(Who::ShiftLeader, self.ctx.rotas, self.now) {
            let Some(contact) = self.contact_for(Relation::Superior, person) else { continue };
            let ringing = self.state.attempts.iter().any(|a| {
                a.contact == contact && a.channel == Channel::Voice && matches!(a.state, AttemptState::Queued | AttemptState::Sending)
            });
            if ringing {
                continue;
            }
            match self.number(contact, Channel::Voice, 0) {
                Some(number) if self.ctx.channels.voice => self.queue_by_line(contact, Channel::Voice, AskKind::Takeover, number),
                _ => self.queue_sms(contact, AskKind::Takeover),
            }
        }
    }
}
