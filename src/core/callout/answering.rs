//! What is an answer, and whose (contract, Rules): only a human acting; the holder's covers all
//! posts, a deputy's the posts he deputises, a superior's or desk's is taking over (接办).

use super::{
    entry::Entry,
    event::{Event, ManualBy, Refused},
    state::*,
    step::{ForwardTo, Work},
};
use crate::core::{policy::AnswerRule, send::Channel, time::Time};

/// The keys a call offers (domain: 确认按一, 重听按二, 转值班员按三, 代理人接办按四).
const ASKED_KEY: &str = "1";
const TO_OFFICER: &str = "3";
const TO_DEPUTY: &str = "4";

/// Whether these keys are the one that was asked for, pressed once or several times.
pub fn is_asked_key(keys: &str) -> bool {
    pressed(keys, ASKED_KEY)
}

fn pressed(keys: &str, key: &str) -> bool {
    let keys = keys.trim();
    !keys.is_empty() && keys.chars().all(|c| key.contains(c))
}

impl Work<'_> {
    pub(super) fn answer(&mut self, contact: u8, via: Via, at: Time, event: &Event) {
        if self.forward(event) {
            return;
        }
        let Some(k) = self.state.contacts.get(usize::from(contact)).cloned() else {
            self.effects.refused = Some(Refused::Unknown("contact"));
            return;
        };
        if k.relation.takes_over() {
            return self.take_over(contact, via, at);
        }
        let by = AnsweredBy { id: Some(k.id), name: self.ctx.name(k.person), relation: k.relation.as_str().into() };
        let posts = match k.relation {
            Relation::Holder => self.all_posts(),
            _ => self.deputised_by(k.person),
        };
        self.answered_for(posts, by, via, at, None, None, Some(contact));
    }

    /// An answer to a message that a newer one continues counts there, unless the level was raised.
    fn forward(&mut self, event: &Event) -> bool {
        match self.state.successor {
            Some(s) if s.inherits => {
                self.effects.forward = Some(ForwardTo { callout: s.id, event: event.clone() });
                true
            }
            _ => false,
        }
    }

    pub(super) fn all_posts(&self) -> Vec<u16> {
        (0..self.ctx.entry.posts.len() as u16).collect()
    }

    pub(super) fn deputised_by(&self, person: u16) -> Vec<u16> {
        self.ctx.entry.deputised_by(person, self.ctx.rotas)
    }

    /// Records an answer for some posts; completes the callout when none is left.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn answered_for(
        &mut self,
        posts: Vec<u16>,
        by: AnsweredBy,
        via: Via,
        at: Time,
        entered_by: Option<String>,
        note: Option<String>,
        contact: Option<u8>,
    ) {
        let covered = self.state.state == CalloutState::Closed && self.state.closed_reason == Some(ClosedReason::Covered);
        if self.state.told_only || !(self.state.state.is_open() || covered && self.state.ending.is_none()) {
            let ended = self.state.state == CalloutState::Closed && !self.state.told_only;
            self.did(Entry::Evidence { by, via, at });
            // After an end that was no answer the person is told how it ended.
            if ended && let Some(k) = contact {
                self.queue_sms(k, AskKind::Ended);
            }
            return;
        }
        let new: Vec<u16> = posts.iter().copied().filter(|p| !self.state.answered.contains(p)).collect();
        if !new.is_empty() {
            self.did(Entry::PostsAnswered { posts: new.clone(), by: by.clone(), via });
            for p in &new {
                self.tell_record(*p);
            }
        }
        let all_done = self.all_posts().iter().all(|p| self.state.answered.contains(p) || self.state.struck.contains(p));
        if !all_done {
            // Said again: it settles nothing more, yet no answer goes without a trace.
            if new.is_empty() {
                self.did(Entry::Evidence { by, via, at });
            }
            return;
        }
        let late = at > self.state.due_at;
        self.withdraw_queued(true);
        self.close_tasks("answered");
        self.did(Entry::Answered { via, by, at, late, entered_by, note });
        self.effects.announce.push("callout.answered");
        self.owe_feedback();
    }

    /// A post is answered for: its place's record counts it, and who waits for it is called.
    pub(super) fn tell_record(&mut self, post: u16) {
        let Some(post) = self.ctx.entry.posts.get(usize::from(post)) else { return };
        if post.rule != AnswerRule::Each {
            self.effects.place_answered.push((post.place.clone(), post.rule));
        }
        let relay = post.relay_record();
        if post.forwards && !self.effects.relay_answered.contains(&relay) {
            self.effects.relay_answered.push(relay);
        }
    }

    pub(super) fn keys(&mut self, n: u16, a: &Attempt, keys: &str, at: Time) {
        let keys = keys.trim();
        let event = |contact| Event::Answer { contact, via: Via::Keypress, at };
        if is_asked_key(keys) {
            self.answer(a.contact, Via::Keypress, at, &event(a.contact));
        } else if pressed(keys, TO_DEPUTY) && a.contact == 0 {
            self.decline(a.contact, false, Via::Keypress, &Event::Decline { contact: a.contact, not_me: false, via: Via::Keypress });
        } else if pressed(keys, TO_OFFICER) && self.state.state.is_open() {
            self.did(Entry::WrongKey { n, keys: keys.chars().take(16).collect() });
            self.open_task(TaskKind::Call, "责任人按键要求转值班员，请回拨", None);
        } else if !keys.is_empty() {
            self.did(Entry::WrongKey { n, keys: keys.chars().take(16).collect() });
        }
    }

    /// "Hand to deputy" or "not me": no answer; the deputy's rung comes at once.
    pub(super) fn decline(&mut self, contact: u8, not_me: bool, via: Via, event: &Event) {
        if self.forward(event) {
            return;
        }
        let Some(k) = self.state.contacts.get(usize::from(contact)) else {
            self.effects.refused = Some(Refused::Unknown("contact"));
            return;
        };
        let known = if not_me { k.dead == u8::MAX } else { k.handed };
        if !self.state.state.is_open() {
            return;
        }
        if known {
            // Nothing comes of it but that it is on record: what is said twice is answered twice, and an answer is a promise.
            self.did(Entry::Declined { contact, not_me, via });
            return;
        }
        // What waits for this person is taken back: it would ring a stranger, or a man who said no.
        for i in 0..self.state.attempts.len() {
            let a = self.state.attempts[i].clone();
            if a.contact != contact {
                continue;
            }
            if a.state == AttemptState::Queued {
                self.withdraw(i as u16 + 1, &a);
            } else if a.state == AttemptState::Sending && a.by_line && a.kind.asks() {
                self.ask_back(i as u16 + 1, &a);
            }
        }
        self.did(Entry::Declined { contact, not_me, via });
        if contact == 0 {
            if not_me && self.number(0, Channel::Voice, 0).is_none() {
                self.did(Entry::Unreachable { why: "号码有误，非本人".into() });
            }
            self.skip_to_deputy(if not_me { "接听人说明非本人" } else { "责任人请代理人接办" });
        } else {
            self.hasten(if not_me { "联系人说明非本人" } else { "联系人不能接办" });
        }
    }

    /// 接办: the task becomes theirs. Never an answer.
    fn take_over(&mut self, contact: u8, via: Via, at: Time) {
        let k = self.state.contacts[usize::from(contact)].clone();
        let by = AnsweredBy { id: Some(k.id), name: self.ctx.name(k.person), relation: k.relation.as_str().into() };
        if !self.state.state.is_open() {
            self.did(Entry::Evidence { by, via, at });
            return;
        }
        if self.state.open_task(TaskKind::Call).is_none() {
            self.open_task(TaskKind::Call, "已接办：请联系到责任人或代理人并登记", None);
        }
        let Some(task) = self.state.open_task(TaskKind::Call) else { return };
        let (n, claimed) = (task.n, task.claimed_at.is_some());
        if !claimed {
            let due = self.now + self.ctx.clocks.claim_lapses;
            let name = by.name.clone();
            self.did(Entry::TaskClaimed { n, by: name, due, taken_by: Some(contact) });
            self.task_changed(n);
        }
        self.did(Entry::Evidence { by, via, at });
    }

    /// An officer's entry. The holder by default; a person of the plan; or a name he signs for.
    pub(super) fn manual(&mut self, officer: &str, via: Via, method: &str, note: Option<String>, by: &ManualBy, event: &Event) {
        if self.forward(event) {
            return;
        }
        let note = [Some(method.to_string()).filter(|m| !m.is_empty()), note].into_iter().flatten().collect::<Vec<_>>().join("：");
        match self.entitled(by) {
            Ok((posts, who)) => {
                let note = (!note.is_empty()).then_some(note);
                self.answered_for(posts, who, via, self.now, Some(officer.to_string()), note, None);
            }
            Err(who) => self.effects.refused = Some(Refused::NotEntitled(who)),
        }
    }

    /// For which posts the person an officer reached can answer.
    pub(super) fn entitled(&self, by: &ManualBy) -> Result<(Vec<u16>, AnsweredBy), AnsweredBy> {
        let named = |person: u16, relation: &str| AnsweredBy {
            id: self.ctx.person(person).map(|p| p.id),
            name: self.ctx.name(person),
            relation: relation.to_string(),
        };
        match by {
            ManualBy::Holder => Ok((self.all_posts(), named(self.ctx.entry.person, "holder"))),
            ManualBy::Person(id) => {
                if self.ctx.person(self.ctx.entry.person).is_some_and(|p| p.id == *id) {
                    return self.entitled(&ManualBy::Holder);
                }
                let index = self.ctx.people.iter().position(|p| p.id == *id).map(|i| i as u16);
                let posts = index.map(|i| self.deputised_by(i)).unwrap_or_default();
                match index {
                    Some(i) if !posts.is_empty() => Ok((posts, named(i, "deputy"))),
                    Some(i) => {
                        Err(named(i, self.contact_of(*id).map_or("other", |k| self.state.contacts[usize::from(k)].relation.as_str())))
                    }
                    None => Err(AnsweredBy { id: Some(*id), name: String::new(), relation: "other".into() }),
                }
            }
            ManualBy::Named(name) => {
                let person = |p: u16| self.ctx.name(p) == *name;
                if name == "holder" || person(self.ctx.entry.person) {
                    return self.entitled(&ManualBy::Holder);
                }
                let deputies = self.ctx.entry.people_at(crate::core::policy::Who::Deputy, self.ctx.rotas, self.now);
                if let Some(d) = deputies.into_iter().find(|d| person(*d)) {
                    return Ok((self.deputised_by(d), named(d, "deputy")));
                }
                use crate::core::policy::Who;
                let above = [Who::Superior, Who::TownshipDesk, Who::CountyDesk, Who::CityDesk, Who::ShiftLeader, Who::Others];
                if let Some(p) = above.into_iter().flat_map(|w| self.ctx.entry.people_at(w, self.ctx.rotas, self.now)).find(|p| person(*p))
                {
                    return Err(named(p, "superior"));
                }
                // Somebody at the place whom the officer verified and signs for (domain 7.3, stop).
                Ok((self.all_posts(), AnsweredBy { id: None, name: name.clone(), relation: "other".into() }))
            }
        }
    }

    /// Others met the place's answer rule: the place is struck; with none of its own left the
    /// callout closes as covered.
    pub(super) fn covered(&mut self, place: &str) {
        let posts: Vec<u16> = self
            .ctx
            .entry
            .posts
            .iter()
            .enumerate()
            .filter(|(i, p)| p.place.id() == place && p.rule != AnswerRule::Each && !self.state.struck.contains(&(*i as u16)))
            .map(|(i, _)| i as u16)
            .collect();
        if posts.is_empty() || !self.state.state.is_open() {
            return;
        }
        self.did(Entry::PostsStruck { posts });
        let left = self.all_posts().into_iter().filter(|p| !self.state.struck.contains(p));
        if left.clone().count() == 0 {
            self.withdraw_queued(true);
            self.close_tasks("covered");
            self.did(Entry::CoveredByOthers);
        } else if left.into_iter().all(|p| self.state.answered.contains(&p)) {
            // What was left had been answered by a deputy: the place now covered completes it.
            if let Some(a) = self.state.partial.clone() {
                self.answered_for(Vec::new(), a.by, a.via, a.at, None, Some("其余地点已有人应答".into()), None);
            }
        }
    }
}
