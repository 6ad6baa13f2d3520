//! Rows to values and back: the one place that knows the columns' order and their words.

use super::{
    index::{FaceBits, Mark, NEVER},
    rid::{Class, Rid},
};
use crate::{
    core::{
        directory::Tier,
        division::Division,
        ids::{CalloutId, WarningId},
        time::Time,
    },
    store::{CalloutState, Face, Head, Key, Lane, Record, TaskRow},
};
use rusqlite::{Result, Row, Statement, types::Type};

/// What [`mark`] reads, after the id.
pub(super) fn mark_columns(class: Class) -> &'static str {
    match class {
        Class::Callout => "head, n, journal, lane, due, state, told_only, feedback_owed, recipient",
        _ => "head, n, journal, lane, due, NULL, 0, 0, 0",
    }
}

/// Reads a [`Mark`] from columns `at`….
pub(super) fn mark(r: &Row<'_>, at: usize) -> Result<Mark> {
    let state = state(r, at + 5)?;
    Ok(Mark {
        head: Head(r.get(at)?),
        n: r.get(at + 1)?,
        journal: r.get(at + 2)?,
        lane: r.get(at + 3)?,
        due: r.get::<_, Option<i64>>(at + 4)?.unwrap_or(NEVER),
        face: match state {
            Some(state) => FaceBits::new(state, r.get(at + 6)?, r.get(at + 7)?),
            None => FaceBits::default(),
        },
        recipient: r.get::<_, Option<u32>>(at + 8)?.unwrap_or(0),
    })
}

/// What [`record`] reads.
pub(super) const RECORD_COLUMNS: &str = "head, lane, due, body";

pub(super) fn record(r: &Row<'_>, key: Key) -> Result<Record> {
    Ok(Record { key, head: Head(r.get(0)?), lane: Lane(r.get(1)?), due: r.get::<_, Option<i64>>(2)?.map(Time), body: r.get(3)? })
}

/// The columns of a face, as [`face`] reads and [`bind_face`] writes them.
pub(super) const FACE_COLUMNS: [&str; 14] = [
    "state",
    "told_only",
    "closed_reason",
    "division",
    "place",
    "tier",
    "role",
    "recipient",
    "answer_ms",
    "on_time",
    "via",
    "relation",
    "feedback_owed",
    "places",
];

/// Reads a face from columns `at`…; `None` where the callout has none.
pub(super) fn face(r: &Row<'_>, at: usize) -> Result<Option<Face>> {
    let Some(state) = state(r, at)? else { return Ok(None) };
    let place: String = r.get(at + 4)?;
    let tier = r.get_ref(at + 5)?.as_str()?;
    let tier = Tier::ALL.into_iter().find(|t| t.as_str() == tier).ok_or_else(|| odd(at + 5, "a tier"))?;
    let places = match r.get::<_, Option<String>>(at + 13)? {
        Some(list) => {
            serde_json::from_str(&list).map_err(|e| rusqlite::Error::FromSqlConversionFailure(at + 13, Type::Text, Box::new(e)))?
        }
        None => vec![place.clone()],
    };
    Ok(Some(Face {
        state,
        told_only: r.get(at + 1)?,
        closed_reason: r.get(at + 2)?,
        division: Division(number(r, at + 3)?),
        place,
        tier,
        role: r.get(at + 6)?,
        recipient: r.get(at + 7)?,
        answer_ms: r.get(at + 8)?,
        on_time: r.get(at + 9)?,
        via: r.get(at + 10)?,
        relation: r.get(at + 11)?,
        feedback_owed: r.get(at + 12)?,
        places,
    }))
}

/// Binds a face to parameters `at`….
pub(super) fn bind_face(s: &mut Statement<'_>, at: usize, f: &Face) -> Result<()> {
    s.raw_bind_parameter(at, f.state.as_str())?;
    s.raw_bind_parameter(at + 1, f.told_only)?;
    s.raw_bind_parameter(at + 2, &f.closed_reason)?;
    s.raw_bind_parameter(at + 3, signed(f.division.0))?;
    s.raw_bind_parameter(at + 4, &f.place)?;
    s.raw_bind_parameter(at + 5, f.tier.as_str())?;
    s.raw_bind_parameter(at + 6, &f.role)?;
    s.raw_bind_parameter(at + 7, f.recipient)?;
    s.raw_bind_parameter(at + 8, f.answer_ms)?;
    s.raw_bind_parameter(at + 9, f.on_time)?;
    s.raw_bind_parameter(at + 10, &f.via)?;
    s.raw_bind_parameter(at + 11, &f.relation)?;
    s.raw_bind_parameter(at + 12, f.feedback_owed)?;
    // Most people have the one place, which stands in `place` already.
    let places = match f.places.as_slice() {
        [one] if *one == f.place => None,
        more => Some(json(&more)?),
    };
    s.raw_bind_parameter(at + 13, places)
}

pub(super) const TASK_COLUMNS: &str =
    "id, kind, title, warning, callout, division, opened_at, due_at, claimed_by, claimed_at, closed, note";

pub(super) fn task(r: &Row<'_>) -> Result<TaskRow> {
    Ok(TaskRow {
        id: r.get(0)?,
        kind: r.get(1)?,
        title: r.get(2)?,
        warning: r.get::<_, Option<u32>>(3)?.map(WarningId),
        callout: r.get::<_, Option<i64>>(4)?.map(CalloutId::from_packed),
        division: r.get::<_, Option<i64>>(5)?.map(|d| unsigned(5, d)).transpose()?.map(Division),
        opened_at: Time(r.get(6)?),
        due_at: Time(r.get(7)?),
        claimed_by: r.get(8)?,
        claimed_at: r.get::<_, Option<i64>>(9)?.map(Time),
        closed: r.get(10)?,
        note: r.get(11)?,
    })
}

pub(super) fn json<T: serde::Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)))
}

/// SQLite's integers are signed; what is beyond them (no real value is) is kept at their end.
pub(super) fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// Reads a number that is never negative.
pub(super) fn number(r: &Row<'_>, at: usize) -> Result<u64> {
    unsigned(at, r.get(at)?)
}

fn unsigned(at: usize, n: i64) -> Result<u64> {
    u64::try_from(n).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(at, n))
}

/// `due` as its column has it.
pub(super) fn due(mark: &Mark) -> Option<i64> {
    (mark.due != NEVER).then_some(mark.due)
}

pub(super) fn rid(r: &Row<'_>, at: usize, class: Class) -> Result<Rid> {
    Ok(Rid::new(class, r.get(at)?))
}

fn state(r: &Row<'_>, at: usize) -> Result<Option<CalloutState>> {
    let Some(word) = r.get_ref(at)?.as_str_or_null()? else { return Ok(None) };
    CalloutState::ALL.into_iter().find(|s| s.as_str() == word).map(Some).ok_or_else(|| odd(at, "a callout's state"))
}

fn odd(column: usize, what: &str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, format!("not {what}").into())
}
