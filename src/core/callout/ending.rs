//! How a callout ends without an answer, and how one continues another. An end reaches what is
//! queued and those already told, and never overtakes what is still on its way to them.

use super::{entry::Entry, ladder::Again, state::*, step::Work};
use crate::core::{
    directory::Tier,
    plan::{PlanEntry, PlanPerson},
    policy::AnswerRule,
    send::Channel,
};

impl Work<'_> {
    pub(super) fn end(&mut self, reason: ClosedReason) {
        if self.state.ending.is_some() {
            return;
        }
        self.withdraw_queued(false);
        self.close_tasks("ended");
        let told = |k: u8| self.state.attempts.iter().any(|a| a.contact == k && (a.state.reached_out() || a.on_its_way()));
        // Whoever continues in another callout is told by that one.
        let to_tell = match (reason, self.state.successor) {
            (ClosedReason::Superseded, _) | (_, Some(_)) => Vec::new(),
            _ => (0..self.state.contacts.len() as u8).filter(|k| told(*k)).collect(),
        };
        self.did(Entry::Ended { reason, to_tell });
    }

    /// Tells the end to contacts whose last message has arrived, or is known not to have.
    pub(super) fn tell_end(&mut self) {
        let Some(ending) = self.state.ending.clone() else { return };
        for contact in ending.to_tell {
            let on_its_way = self.state.attempts.iter().any(|a| a.contact == contact && a.on_its_way());
            if on_its_way {
                continue;
            }
            self.did(Entry::EndTold { contact });
            // It may have failed meanwhile: then there is nobody to tell.
            let told = self.state.attempts.iter().any(|a| a.contact == contact && a.state.reached_out());
            if !told {
                continue;
            }
            self.tell(contact, AskKind::End);
        }
    }

    /// Tells a contact something that asks no answer, by the door that is left: a message, a call, a mail.
    pub(super) fn tell(&mut self, contact: u8, kind: AskKind) {
        if self.number(contact, Channel::Sms, 0).is_some() && self.ctx.channels.sms {
            self.queue_sms(contact, kind);
        } else if let (true, Some(number)) = (self.ctx.channels.voice, self.number(contact, Channel::Voice, 0)) {
            // A landline can only be rung; a desk's is awake, a person's waits for the morning.
            let desk = self.state.contacts.get(usize::from(contact)).is_some_and(|k| k.relation == Relation::DutyDesk);
            let desk = desk || contact == 0 && self.ctx.entry.posts.first().is_some_and(|p| p.tier == Tier::DutyDesk);
            let night = self.ctx.night.contains(self.now.beijing_minute()) && !desk;
            let not_before = night.then(|| self.now.next_beijing_minute(self.ctx.night.morning));
            self.queue_by_line_as(contact, Channel::Voice, kind, number, Again { not_before, ..Again::default() });
        } else if contact == 0 {
            self.queue_email(contact, kind);
        }
    }

    pub(super) fn supersede(&mut self, successor: Successor) {
        if self.state.successor.is_some() || self.state.ending.is_some() {
            return;
        }
        self.withdraw_queued(false);
        self.close_tasks("superseded");
        self.did(Entry::Succeeded { successor });
        // Called anew from rung 0, the holder hears the newer message; those called in his place may
        // never, so they are told that this one is over.
        let told = |k: u8| self.state.attempts.iter().any(|a| a.contact == k && (a.state.reached_out() || a.on_its_way()));
        let to_tell = if successor.inherits { Vec::new() } else { (1..self.state.contacts.len() as u8).filter(|k| told(*k)).collect() };
        self.did(Entry::Ended { reason: ClosedReason::Superseded, to_tell });
    }

    /// Takes over what the older callout had reached: rung, deadline, contacts, answer.
    pub(super) fn carry(&mut self, old: &Callout, old_entry: &PlanEntry) {
        let mut snapshot = translate(old, old_entry, self.ctx.entry, self.ctx.people);
        snapshot.told_only = self.state.told_only;
        let from = old.id;
        let waiting: Vec<(u8, Channel, AskKind)> = old
            .attempts
            .iter()
            .filter(|a| a.kind.asks() && a.sent.is_none() && a.state == AttemptState::Withdrawn)
            .filter(|a| a.finished.is_some() && a.finished == old.ending.as_ref().map(|e| e.at))
            .map(|a| (a.contact, a.channel, a.kind))
            .collect();
        self.did(Entry::Carried { from, snapshot: Box::new(snapshot) });
        let answered = !self.state.state.is_open();
        if answered {
            // What is not to be reported at this level any more.
            let asks = self.ctx.feedback.map_or(0, |s| s.0.len());
            let gone: Vec<u8> = self.state.feedback_clocks.iter().map(|k| k.ask).filter(|k| usize::from(*k) >= asks).collect();
            for ask in gone {
                self.did(Entry::FeedbackDue { due: None, ask });
            }
        }
        if answered {
            self.owe_feedback_if_none();
        } else {
            for task in old.tasks.iter().filter(|t| t.closed.as_deref() == Some("superseded") || t.is_open()) {
                self.open_task(task.kind, &task.title, None);
            }
        }
        // The new text is sent once, and asks again where no answer has come.
        if self.state.rung.is_some() {
            self.queue_sms(0, AskKind::Renewed);
            // What had not left when the older message ended is asked in the new one's name.
            for (contact, channel, kind) in waiting {
                let phone = matches!(channel, Channel::Sms | Channel::Voice);
                if let (true, Some(number)) = (contact != 0 && !answered && phone, self.number(contact, channel, 0)) {
                    self.queue_by_line(contact, channel, kind, number);
                }
            }
        }
    }

    fn owe_feedback_if_none(&mut self) {
        if self.state.feedback_clocks.is_empty() {
            self.owe_feedback();
        }
    }

    pub(super) fn join_places(&mut self) {
        // What was answered before counts here too, for those who come newly to the place.
        if self.state.carried_from.is_some() {
            for post in self.state.answered.clone() {
                self.tell_record(post);
            }
        }
        if self.state.told_only || !self.state.state.is_open() {
            return;
        }
        if let Some(relay) = self.ctx.entry.relay.as_ref().filter(|_| self.state.rung.is_none()) {
            self.effects.relay_joined.extend(relay.uppers.iter().cloned());
        }
        for post in &self.ctx.entry.posts {
            if post.rule != AnswerRule::Each && !self.effects.place_joined.iter().any(|(p, _)| *p == post.place) {
                self.effects.place_joined.push((post.place.clone(), post.rule));
            }
        }
    }
}

/// An older callout in the words of a newer plan: people and posts found again by who and where
/// they are, since the two plans number them differently. The state is the one it had before it was
/// superseded.
pub fn translate(old: &Callout, old_entry: &PlanEntry, entry: &PlanEntry, people: &[PlanPerson]) -> Callout {
    let mut c = old.clone();
    if c.closed_reason == Some(ClosedReason::Superseded) {
        c.closed_reason = None;
        c.state = CalloutState::Calling;
    }
    for k in &mut c.contacts {
        // A contact the new plan does not know cannot be called on; his record stays.
        k.person = people.iter().position(|p| p.id == k.id).map_or(u16::MAX, |i| i as u16);
    }
    let again = |i: &u16| {
        let post = old_entry.posts.get(usize::from(*i))?;
        let same = |p: &&crate::core::plan::PlanPost| p.role == post.role && p.place == post.place;
        entry.posts.iter().position(|p| same(&p)).map(|i| i as u16)
    };
    c.answered = old.answered.iter().filter_map(again).collect();
    c.struck = old.struck.iter().filter_map(again).collect();
    // The newer one may answer for other places.
    let unreported = |p: &&crate::core::plan::PlanPost| !old.reports.contains_key(&p.place.id());
    c.reported_in_part = !old.reports.is_empty() && c.reports_for(entry).iter().any(unreported);
    if c.reported_in_part && c.state == CalloutState::Reported {
        c.state = CalloutState::Answered;
    }
    c.tasks.clear();
    c
}
