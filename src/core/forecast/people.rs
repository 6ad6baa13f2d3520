//! What is still to be done for each person: of a plan, everything; of a callout, what its ladder has left.

use super::{Series, Subject};
use crate::core::{
    callout::{
        Channels,
        state::{AttemptState, Callout, Relation},
    },
    plan::{PlanChunk, PlanEntry, PlanPerson},
    policy::{Ladder, NamedLadder, Who},
    send::Channel,
    time::Time,
};

/// Can be written to, can be rung.
fn doors(people: &[PlanPerson], person: u16, c: Channels) -> (bool, bool) {
    let phones = people.get(usize::from(person)).map_or(&[][..], |p| &p.phones);
    (c.sms && phones.iter().any(|n| n.is_mobile()), c.voice && !phones.is_empty())
}

/// A person of the plan who is not called yet. `start` is the acceptance of the warning, `order` his ordinal.
pub fn of_entry(
    e: &PlanEntry,
    people: &[PlanPerson],
    ladder: &Ladder,
    start: Time,
    (order, drill): (u32, bool),
    channels: Channels,
) -> Option<Subject> {
    let (sms, voice) = doors(people, e.person, channels);
    let mail = channels.email && people.get(usize::from(e.person)).is_some_and(|p| p.email.is_some());
    let due_at = start + e.deadline;
    // In a relay at the latest: whether somebody above answers sooner nobody knows.
    let opened = start;
    let start = e.relay.as_ref().map_or(start, |r| start + r.wait);
    let deputies = e.people_of(Who::Deputy);
    let has_door = sms || voice || mail;
    // Without a door to the holder it begins at the deputy's rung, at once (contract, States).
    let first = match has_door || !ladder.answer {
        true => 0,
        false => {
            let wanted = if deputies.is_empty() { |w: &Who| *w != Who::Holder } else { |w: &Who| *w == Who::Deputy };
            ladder.rungs.iter().position(|r| r.call.iter().any(wanted)).unwrap_or(0)
        }
    };
    let at = match ladder.rungs.get(first) {
        Some(r) if has_door => Some(r.at.time(start, due_at)),
        Some(_) => Some(opened),
        None => None,
    };
    let count = |of: fn((bool, bool)) -> bool| deputies.iter().filter(|d| of(doors(people, **d, channels))).count().min(255) as u8;
    Some(Subject {
        level: e.level,
        tier: e.posts.first()?.tier,
        drill,
        order,
        ladder: u16::from(e.ladder),
        start,
        due_at,
        next: at.map(|t| (first as u8, e.hold_until.map_or(t, |h| h.max(t)))),
        hold_voice_until: e.hold_voice_until,
        sms,
        voice,
        deputies_sms: count(|d| d.0),
        deputies_voice: count(|d| d.1),
        sms_at: None,
        sms_waiting: 0,
        called: false,
        ringing: 0,
        calls: Vec::new(),
    })
}

/// Everybody of a plan, in the order of calling; an entry that cannot be read as a person is left out.
pub fn of_plan(chunks: &[PlanChunk], ladders: &[NamedLadder], start: Time, drill: bool, channels: Channels) -> Vec<Subject> {
    let mut order = 0u32;
    let mut all = Vec::with_capacity(chunks.iter().map(|c| c.entries.len()).sum());
    for chunk in chunks {
        for e in &chunk.entries {
            let ladder = ladders.get(usize::from(e.ladder)).map(|l| &l.ladder);
            all.extend(ladder.and_then(|l| of_entry(e, &chunk.people, l, start, (order, drill), channels)));
            order += 1;
        }
    }
    all
}

/// A callout as it stands; `None` once nothing is asked of anybody any more.
pub fn of_callout(
    c: &Callout,
    drill: bool,
    e: &PlanEntry,
    people: &[PlanPerson],
    ladder: &Ladder,
    channels: Channels,
    now: Time,
) -> Option<Subject> {
    if !c.state.is_open() || c.ending.is_some() {
        return None;
    }
    let base = of_entry(e, people, ladder, c.start, (c.id.ordinal, drill), channels)?;
    let next = match (c.rung, c.next_rung) {
        (_, None) => None,
        (None, Some(t)) => Some((0, t)),
        // The last rung repeats; what it repeats is not reckoned with.
        (Some(k), Some(t)) => Some((k.saturating_add(1), t)).filter(|(k, _)| usize::from(*k) < ladder.rungs.len()),
    };
    let holders = |ch: Channel| c.attempts.iter().filter(move |a| a.contact == 0 && a.channel == ch);
    let sms_at = holders(Channel::Sms).filter(|a| a.state.reached_out() || a.state == AttemptState::Sending).filter_map(|a| a.sent).min();
    let called = holders(Channel::Voice).any(|a| a.sent.is_some() && a.state != AttemptState::Withdrawn);
    let waits = |ch: Channel| c.attempts.iter().filter(move |a| a.channel == ch && a.state == AttemptState::Queued);
    let ringing = c.attempts.iter().filter(|a| a.rings() && a.state != AttemptState::Queued).count();
    // A call handed to the line stands beside the rest of its series.
    let mut calls: Vec<Series> = Vec::new();
    for (i, k) in c.contacts.iter().enumerate().filter(|(_, k)| !k.relation.takes_over()) {
        let queued = waits(Channel::Voice).find(|a| usize::from(a.contact) == i);
        let left = k.calls.map_or(0, |s| s.left);
        let every = k.calls.map_or(crate::core::time::Span::mins(1), |s| s.every);
        let holder = k.relation == Relation::Holder;
        match queued {
            Some(a) => calls.push(Series { next: a.not_before.unwrap_or(now).max(now), every, left: left.saturating_add(1), holder }),
            None => calls.extend(k.calls.map(|s| Series { next: s.next.max(now), every, left, holder })),
        }
    }
    let holder = c.contacts.iter().any(|k| k.relation == Relation::Holder);
    Some(Subject {
        due_at: c.due_at,
        next,
        sms_at,
        sms_waiting: waits(Channel::Sms).count().min(255) as u8,
        called,
        ringing: ringing.min(255) as u8,
        calls,
        voice: base.voice && holder,
        ..base
    })
}
