//! Which warning in force a message speaks of that names none: an update or a lifting known by its text
//! alone, and the stages of one event. Pure and narrow: taken for its successor, a message ends the older
//! one and releases whoever it does not cover, so it must come from the same sender and cover all of it. A stage of
//! one event that has become narrower (T-2h for some towns after T-12h for the county) takes the older one's place
//! only where it is itself; elsewhere the older stays in force.

use super::{
    hazard::Level,
    time::Time,
    warning::{Area, Content, MessageType, Shape},
    warning_life::{WarningEnd, WarningPhase, WarningState},
};

/// How a message was found to belong to an older one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kin {
    /// The issuer's own event id is the same.
    Event,
    /// The same, for a part of the older one's area or beside it.
    EventPart,
    /// Same hazard, same or larger area, and the message is an update or lifts.
    Text,
    /// The same, and it lifts without saying where.
    Anywhere,
}

/// Whether `new`, which refers to nothing, speaks of `old`. Both are of one issuer: the caller's to see to.
pub fn kin(new: &Content, old: &WarningState, now: Time) -> Option<Kin> {
    let in_force = old.end.is_none()
        && (old.phase != WarningPhase::Closed || old.closed_reason == Some(WarningEnd::Answered))
        && old.expires_at > now
        && !old.drill;
    let o = &old.content;
    let before = o.message_type != MessageType::Cancel && o.sent <= new.sent && o.identifier != new.identifier;
    if !in_force || !before || o.sender != new.sender || o.status != new.status {
        return None;
    }
    let lifts = new.message_type == MessageType::Cancel;
    let covers = o.areas.iter().all(|a| new.areas.iter().any(|b| holds(b, a))) && !o.areas.is_empty();
    let same_event = new.event.is_some() && new.event == o.event;
    if same_event && (covers || lifts && new.areas.is_empty()) {
        return Some(Kin::Event);
    }
    if same_event && !new.areas.is_empty() {
        return Some(Kin::EventPart);
    }
    if new.message_type == MessageType::Alert || new.hazard != o.hazard || new.hazard.0.is_empty() {
        return None;
    }
    if !lifts {
        return covers.then_some(Kin::Text);
    }
    // 解除黄色预警 does not end the red one.
    if new.level != Level::Unknown && new.level != o.level {
        return None;
    }
    if covers { Some(Kin::Text) } else { new.areas.is_empty().then_some(Kin::Anywhere) }
}

/// Whether an area lies in another as far as the two texts show; unlike shapes are never compared.
fn holds(outer: &Area, inner: &Area) -> bool {
    match (&outer.shape, &inner.shape) {
        (Shape::Division(a), Shape::Division(b)) => {
            // One code may stand for a part of it that only its name tells.
            let finer = outer.name.is_some() && outer.name != inner.name && a == b;
            a.contains(*b) && !finer
        }
        (a, b) => a == b,
    }
}
