//! The only place where a callout's state changes: one entry at a time, without judgement.
//! `fold(journal) == row` holds because the row was made by the same function.

use super::{entry::Entry, state::*};
use crate::core::{send::Channel, time::Time};

/// The state before anything happened; the first entry (`Opened`) fills it.
pub fn blank() -> Callout {
    Callout {
        id: crate::core::ids::CalloutId::new(crate::core::ids::WarningId(0), 0),
        state: CalloutState::Queued,
        told_only: false,
        closed_reason: None,
        carried_from: None,
        successor: None,
        start: Time(0),
        due_at: Time(0),
        rung: None,
        next_rung: None,
        unreachable: false,
        contacts: Vec::new(),
        attempts: Vec::new(),
        answered: Vec::new(),
        struck: Vec::new(),
        acknowledgement: None,
        partial: None,
        tasks: Vec::new(),
        feedback_clocks: Vec::new(),
        reports: Default::default(),
        reported_in_part: false,
        ending: None,
        forwarded: None,
        return_permitted: Vec::new(),
    }
}

/// Replays a journal: `(at, entries)` of each commit, oldest first.
pub fn fold<'a>(journal: impl IntoIterator<Item = (Time, &'a [Entry])>) -> Callout {
    let mut state = blank();
    for (at, entries) in journal {
        for entry in entries {
            apply(&mut state, entry, at);
        }
    }
    state
}

/// Applies one entry that happened at `at`.
pub fn apply(c: &mut Callout, entry: &Entry, at: Time) {
    match entry {
        Entry::Opened { id, start, due_at, told_only, unreachable, person, holder, next_rung } => {
            *c = blank();
            c.id = *id;
            c.start = *start;
            c.due_at = *due_at;
            c.told_only = *told_only;
            c.unreachable = *unreachable;
            c.next_rung = *next_rung;
            c.contacts.push(contact(Relation::Holder, *person, *holder, at));
        }
        Entry::Carried { from, snapshot } => {
            let mut carried = (**snapshot).clone();
            carried.id = c.id;
            carried.carried_from = Some(*from);
            carried.successor = None;
            carried.ending = None;
            // What was on its way belongs to the older message and is waited for there, not here; but
            // whoever it may have reached counts as told.
            for a in &mut carried.attempts {
                match a.state {
                    AttemptState::Queued => a.state = AttemptState::Withdrawn,
                    AttemptState::Sending => a.state = AttemptState::Unknown,
                    _ if a.recalling => a.state = AttemptState::Unknown,
                    _ => {}
                }
                a.recalling = false;
                a.lookups = u8::MAX;
                a.finished = a.finished.or(Some(at));
            }
            *c = carried;
        }
        Entry::Climbed { rung, next_rung } => {
            c.rung = Some(*rung);
            c.next_rung = *next_rung;
        }
        Entry::Hastened { next_rung, .. } => c.next_rung = Some(*next_rung),
        Entry::Forwarded { next_rung } => {
            c.forwarded = Some(at);
            c.next_rung = Some(*next_rung);
        }
        Entry::ReturnPermitted { places, by, note } => {
            c.return_permitted.push(ReturnPermitted { at, places: places.clone(), by: by.clone(), note: note.clone() });
        }
        Entry::ContactAdded { relation, person, id } => c.contacts.push(contact(*relation, *person, *id, at)),
        Entry::CallsSet { contact, calls } => {
            if let Some(k) = c.contacts.get_mut(usize::from(*contact)) {
                k.calls = *calls;
            }
        }
        Entry::Queued { contact, channel, kind, number, by_line, not_before, repeats, hedges, failed_by } => c.attempts.push(Attempt {
            contact: *contact,
            channel: *channel,
            kind: *kind,
            state: AttemptState::Queued,
            number: *number,
            by_line: *by_line,
            queued: at,
            not_before: *not_before,
            provider: None,
            sent: None,
            accepted: None,
            finished: None,
            outcome: None,
            provider_id: None,
            tries: 0,
            lookups: 0,
            digit: None,
            recalling: false,
            repeats: *repeats,
            hedges: *hedges,
            hedged: false,
            failed_by: failed_by.clone(),
        }),
        Entry::Hedged { n, .. } => {
            if let Some(a) = attempt_mut(c, *n) {
                a.hedged = true;
            }
        }
        Entry::Sending { n, at, provider, digit } => {
            if let Some(a) = attempt_mut(c, *n) {
                a.state = AttemptState::Sending;
                a.recalling = false;
                a.finished = None;
                a.provider = Some(provider.clone());
                a.digit = digit.or(a.digit);
                a.sent = Some(*at);
                a.not_before = None;
                a.outcome = None;
            }
        }
        Entry::Deferred { n, until, why } => {
            if let Some(a) = attempt_mut(c, *n) {
                if a.state == AttemptState::Sending {
                    a.tries = a.tries.saturating_add(1);
                    if !a.by_line {
                        note_failure(&mut a.failed_by, a.provider.as_deref());
                    }
                }
                a.state = AttemptState::Queued;
                a.not_before = Some(*until);
                a.outcome = Some(why.clone());
            }
        }
        Entry::AttemptIs { n, state, outcome, provider_id } => {
            if let Some(a) = attempt_mut(c, *n) {
                a.state = *state;
                match state {
                    AttemptState::Accepted => a.accepted = a.accepted.or(Some(at)),
                    AttemptState::Delivered => {
                        a.accepted = a.accepted.or(Some(at));
                        a.finished = Some(at);
                    }
                    AttemptState::Withdrawn => {
                        a.finished = Some(at);
                        a.recalling = a.by_line;
                    }
                    AttemptState::Failed => a.finished = Some(at),
                    _ => {}
                }
                a.outcome = outcome.clone().or_else(|| a.outcome.take());
                a.provider_id = provider_id.clone().or_else(|| a.provider_id.take());
            }
        }
        Entry::LookedUp { n } => {
            if let Some(a) = attempt_mut(c, *n) {
                a.lookups = a.lookups.saturating_add(1);
            }
        }
        Entry::GivenUp { n, why } => {
            if let Some(a) = attempt_mut(c, *n) {
                a.state = AttemptState::Unknown;
                a.outcome = Some(why.clone());
                a.finished = Some(at);
            }
        }
        Entry::Recalled { n } => {
            if let Some(a) = attempt_mut(c, *n) {
                a.recalling = false;
            }
        }
        Entry::NumberDead { contact, number, only, .. } => {
            if let Some(k) = c.contacts.get_mut(usize::from(*contact)) {
                let lost = match only {
                    Some(Channel::Sms) => &mut k.no_sms,
                    Some(Channel::Voice) => &mut k.no_voice,
                    _ => &mut k.dead,
                };
                *lost |= 1u8.checked_shl(u32::from(*number)).unwrap_or(0);
            }
        }
        Entry::Declined { contact, not_me, .. } => {
            if let Some(k) = c.contacts.get_mut(usize::from(*contact)) {
                k.calls = None;
                if *not_me {
                    k.dead = u8::MAX;
                } else {
                    k.handed = true;
                }
            }
        }
        Entry::WrongKey { .. } | Entry::Evidence { .. } | Entry::Passed { .. } => {}
        Entry::PostsAnswered { posts, by, via } => {
            insert_all(&mut c.answered, posts);
            let late = at > c.due_at;
            c.partial = Some(Acknowledgement { at, via: *via, by: by.clone(), late, entered_by: None, note: None });
        }
        Entry::CoveredByOthers => {
            c.state = CalloutState::Closed;
            c.closed_reason = Some(ClosedReason::Covered);
            c.next_rung = None;
            for k in &mut c.contacts {
                k.calls = None;
            }
        }
        Entry::Answered { via, by, at: answered_at, late, entered_by, note } => {
            c.acknowledgement = Some(Acknowledgement {
                at: *answered_at,
                via: *via,
                by: by.clone(),
                late: *late,
                entered_by: entered_by.clone(),
                note: note.clone(),
            });
            c.state = CalloutState::Answered;
            c.closed_reason = None;
            c.next_rung = None;
            for k in &mut c.contacts {
                k.calls = None;
            }
        }
        Entry::PostsStruck { posts } => insert_all(&mut c.struck, posts),
        Entry::Overdue | Entry::TaskOpened { .. } | Entry::TaskClosed { .. } | Entry::Unreachable { .. } => apply_ladder(c, entry, at),
        Entry::TaskClaimed { n, by, due, taken_by } => {
            if let Some(t) = task_mut(c, *n) {
                t.claimed_by = Some(by.clone());
                t.claimed_at = Some(at);
                t.due = *due;
                t.taken_by = *taken_by;
            }
        }
        Entry::TaskLapsed { n, due } => {
            if let Some(t) = task_mut(c, *n) {
                t.claimed_by = None;
                t.claimed_at = None;
                t.taken_by = None;
                t.due = *due;
            }
        }
        Entry::TaskReminded { n, due } => {
            if let Some(t) = task_mut(c, *n) {
                t.due = *due;
            }
        }
        Entry::Report { .. } | Entry::FeedbackDue { .. } | Entry::FeedbackReminded { .. } => apply_feedback(c, entry, at),
        Entry::Ended { reason, to_tell } => {
            c.ending = Some(Ending { at, reason: *reason, to_tell: to_tell.clone() });
            // A superseded one keeps its clocks, stopped, for the callout that carries it on.
            if *reason != ClosedReason::Superseded {
                c.next_rung = None;
                c.feedback_clocks.clear();
                for k in &mut c.contacts {
                    k.calls = None;
                }
            }
            if c.state.is_open() {
                c.state = CalloutState::Closed;
                c.closed_reason = Some(*reason);
            }
        }
        Entry::EndTold { contact } => {
            if let Some(e) = &mut c.ending {
                e.to_tell.retain(|k| k != contact);
            }
        }
        Entry::Succeeded { successor } => c.successor = Some(*successor),
    }
    if c.state.is_open() && !c.told_only {
        c.state = open_state(c);
    }
}

/// Entries whose effect on the state is only through [`open_state`].
fn apply_ladder(c: &mut Callout, entry: &Entry, at: Time) {
    match entry {
        Entry::Overdue if c.state.is_open() => c.state = CalloutState::Overdue,
        Entry::Unreachable { .. } => c.unreachable = true,
        Entry::TaskOpened { kind, title, due } => {
            let n = c.tasks.len() as u16 + 1;
            c.tasks.push(Task {
                n,
                kind: *kind,
                title: title.clone(),
                opened: at,
                due: *due,
                claimed_by: None,
                claimed_at: None,
                taken_by: None,
                division: None,
                closed: None,
                note: None,
            });
        }
        Entry::TaskClosed { n, outcome, note, .. } => {
            if let Some(t) = task_mut(c, *n) {
                t.closed = Some(outcome.clone());
                t.note = note.clone();
            }
            if c.state == CalloutState::HandedOver {
                c.state = if at >= c.due_at { CalloutState::Overdue } else { CalloutState::Calling };
            }
        }
        _ => {}
    }
}

/// Reports and the clocks they are owed by.
fn apply_feedback(c: &mut Callout, entry: &Entry, at: Time) {
    match entry {
        Entry::Report { by, report, answers, in_part } => {
            c.reports.insert(report.place.clone(), Reported { at, by: by.clone(), report: report.clone() });
            for clock in c.feedback_clocks.iter_mut().filter(|k| answers.as_ref().is_none_or(|a| a.contains(&k.ask))) {
                clock.first_in = true;
                clock.overdue_since = None;
            }
            c.reported_in_part = *in_part;
            if c.state == CalloutState::Answered && !in_part {
                c.state = CalloutState::Reported;
            }
        }
        Entry::FeedbackDue { due, ask } => {
            let known = c.feedback_clocks.iter().position(|k| k.ask == *ask);
            let before = known.map(|i| c.feedback_clocks.remove(i));
            let Some(due) = *due else { return };
            let first_in = before.map_or(!c.reports.is_empty(), |k| k.first_in);
            let overdue_since = before.and_then(|k| k.overdue_since);
            // Asked for again because it did not come: what came meanwhile counts.
            let since = before.filter(|_| overdue_since.is_some()).map_or(Some(at), |k| k.since);
            let clock = FeedbackClock { ask: *ask, due, reminded: false, first_in, overdue_since, since };
            let place = c.feedback_clocks.partition_point(|k| k.ask < *ask);
            c.feedback_clocks.insert(place, clock);
        }
        Entry::FeedbackReminded { ask, since } => {
            if let Some(clock) = c.feedback_clocks.iter_mut().find(|k| k.ask == *ask) {
                clock.reminded = true;
                clock.overdue_since = clock.overdue_since.or(*since);
            }
        }
        _ => {}
    }
}

/// Which of the open states holds: a task before a passed deadline before calling.
fn open_state(c: &Callout) -> CalloutState {
    if c.open_task(TaskKind::Call).is_some() {
        CalloutState::HandedOver
    } else if c.unreachable {
        CalloutState::Unreachable
    } else if matches!(c.state, CalloutState::Overdue | CalloutState::HandedOver) {
        CalloutState::Overdue
    } else if c.attempts.iter().any(|a| a.sent.is_some()) {
        CalloutState::Calling
    } else {
        CalloutState::Queued
    }
}

/// Notes the account that failed a request. Failed by it twice, a new round has begun.
pub(in crate::core) fn note_failure(failed_by: &mut Vec<String>, account: Option<&str>) {
    let Some(account) = account else { return };
    if failed_by.iter().any(|f| f == account) {
        failed_by.clear();
    }
    failed_by.push(account.to_string());
}

fn contact(relation: Relation, person: u16, id: crate::core::ids::RecipientId, since: Time) -> Contact {
    Contact { relation, person, id, since, dead: 0, no_sms: 0, no_voice: 0, handed: false, calls: None }
}
fn attempt_mut(c: &mut Callout, n: u16) -> Option<&mut Attempt> {
    c.attempts.get_mut(usize::from(n).checked_sub(1)?)
}
fn task_mut(c: &mut Callout, n: u16) -> Option<&mut Task> {
    c.tasks.get_mut(usize::from(n).checked_sub(1)?)
}
fn insert_all(set: &mut Vec<u16>, more: &[u16]) {
    set.extend_from_slice(more);
    set.sort_unstable();
    set.dedup();
}
