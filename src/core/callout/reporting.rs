//! Feedback (反馈): a clock of its own, beside the answer's. Figures are running totals; the newest
//! report per place counts, whoever gave it.

use super::{
    entry::Entry,
    event::{Event, FeedbackFrom, Refused},
    state::*,
    step::{ForwardTo, Work},
};
use crate::core::time::Span;

impl Work<'_> {
    /// After the answer: when the first report is due.
    pub(super) fn owe_feedback(&mut self) {
        let Some(rule) = self.ctx.feedback else { return };
        if self.state.told_only {
            return;
        }
        let first_send = self.state.attempts.iter().filter_map(|a| a.sent).min().unwrap_or(self.state.start);
        // An answer that came late still gets time to act before it is reminded.
        let due = (first_send + rule.first).max(self.now + Span(rule.first.0 / 3));
        self.did(Entry::FeedbackDue { due: Some(due) });
    }

    pub(super) fn feedback(&mut self, from: &FeedbackFrom, report: &Report, event: &Event) {
        if let Some(s) = self.state.successor.filter(|s| s.inherits) {
            self.effects.forward = Some(ForwardTo { callout: s.id, event: event.clone() });
            return;
        }
        let mut report = report.clone();
        if report.place.is_empty() {
            report.place = self.ctx.entry.posts.first().map(|p| p.place.id()).unwrap_or_default();
        }
        let by = match from {
            FeedbackFrom::Contact { contact, via } => {
                let Some(k) = self.state.contacts.get(usize::from(*contact)).cloned() else {
                    self.effects.refused = Some(Refused::Unknown("contact"));
                    return;
                };
                // Feedback before an answer is also the answer, of whoever may answer.
                if !k.relation.takes_over() && self.unanswered() {
                    self.answer(*contact, *via, self.now, &Event::Answer { contact: *contact, via: *via, at: self.now });
                }
                AnsweredBy { id: Some(k.id), name: self.ctx.name(k.person), relation: k.relation.as_str().into() }
            }
            FeedbackFrom::Officer { officer, via, by } => match self.entitled(by) {
                Ok((posts, who)) => {
                    if self.unanswered() {
                        self.answered_for(posts, who.clone(), *via, self.now, Some(officer.clone()), None, None);
                    }
                    who
                }
                Err(who) => {
                    self.effects.refused = Some(Refused::NotEntitled(who));
                    return;
                }
            },
        };
        let asked_for = report.next_report_at;
        self.did(Entry::Report { by, report });
        self.effects.announce.push("callout.feedback");
        self.withdraw_reminders();
        if self.state.state.is_open() || self.state.ending.is_some() {
            return;
        }
        let next = match (self.ctx.feedback.and_then(|r| r.every), asked_for) {
            (Some(every), Some(asked)) if asked > self.now => Some(asked.min(self.now + every)),
            (Some(every), _) => Some(self.now + every),
            (None, _) => None,
        };
        self.did(Entry::FeedbackDue { due: next });
    }

    fn unanswered(&self) -> bool {
        let covered = self.state.state == CalloutState::Closed && self.state.closed_reason == Some(ClosedReason::Covered);
        self.state.state.is_open() || covered
    }

    fn withdraw_reminders(&mut self) {
        for i in 0..self.state.attempts.len() {
            let a = &self.state.attempts[i];
            if a.kind == AskKind::Feedback && a.state == AttemptState::Queued && !a.by_line {
                self.did(Entry::AttemptIs { n: i as u16 + 1, state: AttemptState::Withdrawn, outcome: None, provider_id: None });
            }
        }
        for i in 0..self.state.tasks.len() {
            let t = &self.state.tasks[i];
            if t.is_open() && t.title == OVERDUE_TITLE {
                let n = t.n;
                self.did(Entry::TaskClosed { n, outcome: "reported".into(), by: None, note: None });
                self.task_changed(n);
            }
        }
    }

    /// Overdue: a reminder, then a task (contract, Feedback).
    pub(super) fn feedback_clock(&mut self) {
        let (Some(rule), Some(clock)) = (self.ctx.feedback, self.state.feedback_clock) else { return };
        if !clock.reminded && clock.due <= self.now {
            self.did(Entry::FeedbackReminded);
            let contact = self.state.acknowledgement.as_ref().and_then(|a| a.by.id).and_then(|id| self.contact_of(id)).unwrap_or(0);
            self.queue_sms(contact, AskKind::Feedback);
        } else if clock.reminded && clock.due + rule.task_after <= self.now {
            if !self.state.tasks.iter().any(|t| t.is_open() && t.title == OVERDUE_TITLE) {
                self.open_task(TaskKind::Call, OVERDUE_TITLE, None);
            }
            // The next look: the same report is still owed, asked again after the rule's own interval.
            let again = self.now + rule.every.unwrap_or(rule.first).max(Span::ms(1));
            self.did(Entry::FeedbackDue { due: Some(again) });
        }
    }
}

const OVERDUE_TITLE: &str = "反馈超时，请电话催报";
