//! What a commit on a chain that is no more says, in words the callout as it stands now understands:
//! the facts about people, and what left. What the callout decided then is decided anew.

use super::{
    entry::Entry,
    event::{Event, FeedbackFrom, ManualBy},
    state::{AnsweredBy, AttemptState, Callout, Via},
    step::Work,
};
use crate::core::{send::Outcome, time::Time};

/// Who signs for what is entered again.
const ENTERED_BY: &str = "系统补记";

/// The events of a lost commit. `state`: the callout right after it; `at`: when it was made.
pub fn events(state: &Callout, entries: &[Entry], at: Time) -> Vec<Event> {
    let whole = entries.iter().any(|e| matches!(e, Entry::Answered { .. }));
    entries.iter().filter_map(|e| event(state, e, at, whole)).collect()
}

fn event(state: &Callout, entry: &Entry, at: Time, whole: bool) -> Option<Event> {
    match entry {
        Entry::Answered { via, by, at, entered_by, note, .. } => Some(answer(state, by, *via, *at, entered_by.as_deref(), note.clone())),
        Entry::PostsAnswered { by, via, .. } if !whole => Some(answer(state, by, *via, at, None, None)),
        Entry::Evidence { by, via, at } => Some(answer(state, by, *via, *at, None, None)),
        Entry::Declined { contact, not_me, via } => Some(Event::Decline { contact: *contact, not_me: *not_me, via: *via }),
        Entry::Report { by, report, .. } => {
            let from = match contact_of(state, by) {
                Some(contact) => FeedbackFrom::Contact { contact, via: Via::Api },
                None => FeedbackFrom::Officer { officer: ENTERED_BY.into(), via: Via::Manual, by: whom(by) },
            };
            Some(Event::Feedback { from, report: report.clone() })
        }
        Entry::Sending { n, at, provider, digit } => {
            Some(Event::Left { n: *n, attempt: Box::new(state.attempt(*n)?.clone()), at: *at, provider: provider.clone(), digit: *digit })
        }
        Entry::AttemptIs { n, state: is, outcome, provider_id } if !state.attempt(*n)?.by_line => {
            let said = outcome.clone().unwrap_or_default();
            match is {
                AttemptState::Accepted => {
                    let provider_message_id = provider_id.clone()?;
                    Some(Event::Outcome { n: *n, outcome: Outcome::Accepted { provider_message_id } })
                }
                AttemptState::Delivered => Some(Event::Receipt { n: *n, delivered: true, outcome: said, number_dead: false, lost: false }),
                _ => None,
            }
        }
        Entry::Ended { reason, .. } => Some(Event::End { reason: *reason }),
        Entry::Forwarded { .. } => Some(Event::Forwarded),
        Entry::ReturnPermitted { places, by, note } => {
            Some(Event::ReturnPermitted { places: places.clone(), by: by.clone(), note: note.clone() })
        }
        Entry::Succeeded { successor } => Some(Event::Supersede { successor: *successor }),
        _ => None,
    }
}

/// The holder is contact 0 in every chain; others may have another place in it, or none.
fn contact_of(state: &Callout, by: &AnsweredBy) -> Option<u8> {
    (by.id.is_some() && state.contacts.first().map(|k| k.id) == by.id).then_some(0)
}

fn whom(by: &AnsweredBy) -> ManualBy {
    by.id.map_or_else(|| ManualBy::Named(by.name.clone()), ManualBy::Person)
}

fn answer(state: &Callout, by: &AnsweredBy, via: Via, at: Time, entered_by: Option<&str>, note: Option<String>) -> Event {
    if let (Some(contact), None) = (contact_of(state, by), entered_by) {
        return Event::Answer { contact, via, at };
    }
    let when = format!("主备切换后补记，原应答时间 {}", at.rfc3339());
    let note = Some([note, Some(when)].into_iter().flatten().collect::<Vec<_>>().join("；"));
    Event::Manual { officer: entered_by.unwrap_or(ENTERED_BY).into(), via, method: String::new(), note, by: whom(by) }
}

impl Work<'_> {
    /// An attempt left although this chain does not know: it counts as sent then, and is of unknown fate until something
    /// is heard of it. One that has gone from this chain as well is left as it is.
    pub(super) fn left(&mut self, n: u16, gone: &super::state::Attempt, at: Time, provider: &str, digit: Option<u8>) {
        let same = self.state.attempt(n).is_some_and(|a| {
            a.state == AttemptState::Queued
                && (a.contact, a.channel, a.kind, a.number, a.by_line) == (gone.contact, gone.channel, gone.kind, gone.number, gone.by_line)
        });
        if same {
            self.did(Entry::Sending { n, at, provider: provider.to_string(), digit });
        }
    }
}
