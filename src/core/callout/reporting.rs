//! Feedback (反馈): clocks of its own, beside the answer's. Figures are running totals; the newest
//! report per place counts, whoever gave it. Who answers for several places owes a report for each.

use super::{
    entry::Entry,
    event::{Event, FeedbackFrom, Refused},
    state::*,
    step::{ForwardTo, Work},
};
use crate::core::{
    policy::FeedbackRule,
    time::{Span, Time},
};

impl Work<'_> {
    /// After the answer: when each first report is due.
    pub(super) fn owe_feedback(&mut self) {
        let Some(schedule) = self.ctx.feedback else { return };
        if self.state.told_only {
            return;
        }
        let first_send = self.state.attempts.iter().filter_map(|a| a.sent).min().unwrap_or(self.state.start);
        for (ask, rule) in (0..).zip(&schedule.0) {
            // An answer that came late still gets time to act before it is reminded.
            let due = (first_send + rule.first).max(self.now + Span(rule.first.0 / 3));
            self.did(Entry::FeedbackDue { due: Some(due), ask });
        }
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
        // The soonest that any of his places' reports promises.
        let own = self.state.reports_for(self.ctx.entry);
        let ids: Vec<String> = own.iter().map(|p| p.place.id()).filter(|id| *id != report.place).collect();
        let promised = ids.iter().filter_map(|id| self.state.reports.get(id)?.report.next_report_at);
        let asked_for = promised.chain(report.next_report_at).filter(|t| *t > self.now).min();
        let answers = self.answered_clocks(&report);
        let in_part = self.asks_of_each_place() && ids.iter().any(|id| !self.state.reports.contains_key(id));
        self.did(Entry::Report { by, report, answers: Some(answers.iter().map(|(ask, _)| *ask).collect()), in_part });
        self.effects.announce.push("callout.feedback");
        if self.state.feedback_clocks.iter().all(|c| c.overdue_since.is_none()) {
            self.withdraw_reminders();
        }
        if self.state.state.is_open() || self.state.ending.is_some() {
            return;
        }
        for (ask, every) in answers {
            let due = every.map(|every| self.next_due(every, asked_for));
            self.did(Entry::FeedbackDue { due, ask });
        }
    }

    /// Whether anything that is still to be reported is asked of each of his places.
    fn asks_of_each_place(&self) -> bool {
        let rule = |c: &FeedbackClock| self.ctx.feedback.and_then(|s| s.get(c.ask));
        self.state.feedback_clocks.iter().filter_map(rule).any(|r| !r.is_personal())
    }

    /// The clocks that a report now answers, with what each repeats after: those that wait for no other place's.
    fn answered_clocks(&self, report: &Report) -> Vec<(u8, Option<Span>)> {
        let Some(schedule) = self.ctx.feedback else { return Vec::new() };
        let known = self.state.feedback_clocks.iter().filter_map(|c| Some((c, schedule.get(c.ask)?)));
        let others_came = |c: &FeedbackClock, r: &FeedbackRule| {
            r.is_personal() || self.state.places_owed(self.ctx.entry, r, c).iter().all(|p| p.place.id() == report.place)
        };
        let answered = known.filter(|(c, r)| r.answered_by(report, c, self.now) && others_came(c, r));
        answered.map(|(c, r)| (c.ask, r.every)).collect()
    }

    /// Sooner than the rule says, where the report itself promises the next one sooner.
    fn next_due(&self, every: Span, promised: Option<Time>) -> Time {
        let next = self.now + every;
        promised.filter(|t| *t > self.now).map_or(next, |t| t.min(next))
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
        // Nothing is overdue any more, so that the task is done, too.
        for i in 0..self.state.tasks.len() {
            let t = &self.state.tasks[i];
            if t.is_open() && t.title == OVERDUE_TITLE {
                let n = t.n;
                self.did(Entry::TaskClosed { n, outcome: "reported".into(), by: None, note: None });
                self.task_changed(n);
            }
        }
    }

    /// Overdue: a reminder, then a task (contract, Feedback). Clocks that run out together share both.
    pub(super) fn feedback_clocks(&mut self) {
        let Some(schedule) = self.ctx.feedback else { return };
        let (mut remind, mut hand_over) = (false, false);
        for clock in self.state.feedback_clocks.clone() {
            let Some(rule) = schedule.get(clock.ask) else { continue };
            let places = self.state.reports_for(self.ctx.entry).len();
            if clock.due <= self.now && places > 0 && self.state.places_owed(self.ctx.entry, rule, &clock).is_empty() {
                // An update took the place away that it waited for.
                self.did(Entry::FeedbackDue { due: rule.every.map(|every| self.now + every), ask: clock.ask });
                continue;
            }
            if !clock.reminded && clock.due <= self.now {
                self.did(Entry::FeedbackReminded { ask: clock.ask, since: Some(clock.due) });
                remind = true;
            } else if clock.reminded && clock.due + rule.task_after <= self.now {
                hand_over = true;
                // The next look: the same report is still owed, asked again after the rule's own interval.
                let again = self.now + rule.every.unwrap_or(rule.first).max(Span::ms(1));
                self.did(Entry::FeedbackDue { due: Some(again), ask: clock.ask });
            }
        }
        if remind {
            let contact = self.state.acknowledgement.as_ref().and_then(|a| a.by.id).and_then(|id| self.contact_of(id)).unwrap_or(0);
            self.queue_sms(contact, AskKind::Feedback);
            self.effects.announce.push("callout.feedback_overdue");
        }
        if hand_over && !self.state.tasks.iter().any(|t| t.is_open() && t.title == OVERDUE_TITLE) {
            self.open_task(TaskKind::Call, OVERDUE_TITLE, None);
        }
    }

    /// People may go back (contract: release and permission to return are two acts): whoever answers for one of
    /// these places, or was called in his stead, is told, and asked how many have returned.
    pub(super) fn return_permitted(&mut self, places: &[String], by: &str, note: &str) {
        let known = |p: &String| self.state.return_permitted.iter().any(|r| r.places.contains(p));
        let mut mine: Vec<String> = self.ctx.entry.posts.iter().map(|p| p.place.id()).filter(|p| places.contains(p) && !known(p)).collect();
        mine.sort_unstable();
        mine.dedup();
        // Who goes on in a newer callout hears of it there.
        if mine.is_empty() || self.state.told_only || self.state.successor.is_some() {
            return;
        }
        self.did(Entry::ReturnPermitted { places: mine, by: by.into(), note: note.into() });
        let told = |k: u8| self.state.attempts.iter().any(|a| a.contact == k && a.state.reached_out());
        // A superior's or desk's part was over when somebody was reached.
        let concerned: Vec<u8> = (0..self.state.contacts.len() as u8)
            .filter(|k| told(*k) && !self.state.contacts[usize::from(*k)].relation.takes_over())
            .collect();
        for contact in concerned {
            self.tell(contact, AskKind::Return);
        }
    }
}

const OVERDUE_TITLE: &str = "反馈超时，请电话催报";
