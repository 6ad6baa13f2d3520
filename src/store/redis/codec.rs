//! Records, faces, journal rows and what is sent between partitions, as bytes. `library/` reads
//! the same header at the same places; see there.

use super::names::{self, Part};
use crate::{
    core::{directory::Tier, division::Division, time::Time},
    store::{CalloutState, Commit, Envelope, Face, FeedItem, Head, JournalRow, Key, Lane, Letter, Record, StoreError, TaskRow},
};
use serde::{Deserialize, Serialize};

pub(super) const HEADER: usize = 44;
const HAS_DUE: u8 = 1;
const HAS_FACE: u8 = 2;
const TOLD_ONLY: u8 = 4;
const FEEDBACK_OWED: u8 = 8;
const OPEN: u8 = 16;

pub(super) fn corrupt(what: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(format!("redis: {what}"))
}

/// The number a state is kept as.
pub(super) fn state_code(state: CalloutState) -> u8 {
    match state {
        CalloutState::Queued => 1,
        CalloutState::Calling => 2,
        CalloutState::Overdue => 3,
        CalloutState::HandedOver => 4,
        CalloutState::Unreachable => 5,
        CalloutState::Answered => 6,
        CalloutState::Reported => 7,
        CalloutState::Closed => 8,
    }
}

pub(super) fn state_of(code: u8) -> Option<CalloutState> {
    CalloutState::ALL.into_iter().find(|s| state_code(*s) == code)
}

pub(super) fn tier_code(tier: Tier) -> u8 {
    match tier {
        Tier::City => 1,
        Tier::County => 2,
        Tier::Township => 3,
        Tier::Village => 4,
        Tier::Point => 5,
        Tier::DutyDesk => 6,
    }
}

/// What of a face the header has no place for: place, role, answer, on time, via, relation, reason, places.
#[derive(Serialize, Deserialize)]
struct Rest(String, String, Option<i64>, bool, Option<String>, Option<String>, Option<String>, Option<Vec<String>>);

/// The header of a commit's record, and its face behind it (empty where the commit brings none).
pub(super) fn encode(c: &Commit) -> Result<(Vec<u8>, Vec<u8>), StoreError> {
    let mut header = Vec::with_capacity(HEADER);
    header.extend(c.head.0);
    header.extend(c.due.map_or(0, |d| d.0).to_be_bytes());
    header.push(c.lane.0);
    let due = if c.due.is_some() { HAS_DUE } else { 0 };
    let Some(f) = &c.face else {
        header.push(due);
        header.resize(HEADER, 0);
        return Ok((header, Vec::new()));
    };
    let bit = |on: bool, bit: u8| if on { bit } else { 0 };
    header.push(due | HAS_FACE | bit(f.told_only, TOLD_ONLY) | bit(f.feedback_owed, FEEDBACK_OWED) | bit(f.state.is_open(), OPEN));
    header.push(state_code(f.state));
    header.push(tier_code(f.tier));
    header.extend(f.recipient.to_be_bytes());
    header.extend(f.division.0.to_be_bytes());
    // Most people have the one place, which stands there already.
    let places = (f.places.as_slice() != [f.place.clone()]).then(|| f.places.clone());
    let rest =
        Rest(f.place.clone(), f.role.clone(), f.answer_ms, f.on_time, f.via.clone(), f.relation.clone(), f.closed_reason.clone(), places);
    let face = json(&rest)?;
    header.extend(u32::try_from(face.len()).map_err(|_| corrupt("a face of more than 4 GiB"))?.to_be_bytes());
    Ok((header, face))
}

/// Reads numbers off the front of some bytes.
struct Reader<'a>(&'a [u8]);
impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (front, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(front)
    }
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }
}

/// A stored record; its body is empty where only header and face were fetched.
pub(super) fn decode(key: Key, value: &[u8]) -> Result<(Record, Option<Face>), StoreError> {
    let odd = || corrupt(format!("the record {key} has a header that cannot be read"));
    let mut r = Reader(value);
    let mut parts = || {
        let head = Head(r.array()?);
        let due = Time(i64::from_be_bytes(r.array()?));
        let [lane, flags, state, tier] = r.array()?;
        let recipient = u32::from_be_bytes(r.array()?);
        let division = Division(u64::from_be_bytes(r.array()?));
        let len = usize::try_from(u32::from_be_bytes(r.array()?)).ok()?;
        Some((head, due, lane, flags, state, tier, recipient, division, r.take(len)?))
    };
    let (head, due, lane, flags, state, tier, recipient, division, rest) = parts().ok_or_else(odd)?;
    let face = if flags & HAS_FACE == 0 {
        None
    } else {
        let Rest(place, role, answer_ms, on_time, via, relation, closed_reason, places) =
            serde_json::from_slice(rest).map_err(|e| corrupt(format!("the face of {key}: {e}")))?;
        Some(Face {
            state: state_of(state).ok_or_else(odd)?,
            told_only: flags & TOLD_ONLY != 0,
            closed_reason,
            division,
            places: places.unwrap_or_else(|| vec![place.clone()]),
            place,
            tier: Tier::ALL.into_iter().find(|t| tier_code(*t) == tier).ok_or_else(odd)?,
            role,
            recipient,
            answer_ms,
            on_time,
            via,
            relation,
            feedback_owed: flags & FEEDBACK_OWED != 0,
        })
    };
    let due = (flags & HAS_DUE != 0).then_some(due);
    Ok((Record { key, head, due, lane: Lane(lane), body: r.0.to_vec() }, face))
}

/// `at` (8), head (16), entries.
pub(super) fn encode_row(c: &Commit) -> Vec<u8> {
    [&c.at.0.to_be_bytes()[..], &c.head.0, &c.journal].concat()
}

/// The same of a row that was written elsewhere.
fn encode_journal(row: &JournalRow) -> Vec<u8> {
    [&row.at.0.to_be_bytes()[..], &row.head.0, &row.entries].concat()
}

fn decode_row(key: &Key, n: u64, row: &[u8]) -> Result<JournalRow, StoreError> {
    let mut r = Reader(row);
    let mut read = || Some((Time(i64::from_be_bytes(r.array()?)), Head(r.array()?)));
    let (at, head) = read().ok_or_else(|| corrupt(format!("row {n} of the journal of {key} is too short")))?;
    Ok(JournalRow { key: key.clone(), n, at, head, entries: r.0.to_vec() })
}

/// In front of a journal whose older rows are in the archive: the number of the first of its rows. Shorter than any row.
fn origin(n: u64) -> Vec<u8> {
    format!("+{n}").into_bytes()
}

fn read_origin(row: &[u8]) -> Option<u64> {
    let text = row.strip_prefix(b"+").filter(|_| row.len() < 24)?;
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// A whole journal that was written elsewhere.
pub(super) fn encode_rows(rows: &[JournalRow]) -> Vec<Vec<u8>> {
    let first = rows.first().map(|r| r.n).filter(|n| *n > 1);
    first.map(origin).into_iter().chain(rows.iter().map(encode_journal)).collect()
}

/// A whole journal as it is kept.
pub(super) fn decode_rows(key: &Key, kept: Vec<redis::Value>) -> Result<Vec<JournalRow>, StoreError> {
    let kept: Vec<Vec<u8>> = kept.into_iter().map(super::reply::bytes).collect::<Result<_, _>>()?;
    let origin = kept.first().and_then(|r| read_origin(r));
    let rows = kept.iter().skip(usize::from(origin.is_some()));
    (origin.unwrap_or(1)..).zip(rows).map(|(n, row)| decode_row(key, n, row)).collect()
}

/// A letter as it waits: number, lane, when ready, body.
pub(super) fn decode_letter(member: &[u8]) -> Result<Letter, StoreError> {
    let mut parts = member.splitn(4, |b| *b == b' ');
    let seq = parts.next().and_then(|n| std::str::from_utf8(n).ok()?.parse().ok());
    match (seq, parts.nth(2)) {
        (Some(seq), Some(body)) => Ok(Letter { seq, body: body.to_vec() }),
        _ => Err(corrupt("a letter without its number or body")),
    }
}

/// What a commit sends, each with the partition it goes to, in order: tasks, feed, letters.
pub(super) fn items(c: &Commit, partitions: u16) -> Result<Vec<(Part, Vec<u8>)>, StoreError> {
    let mut out = Vec::with_capacity(c.tasks.len() + c.feed.len() + c.send.len());
    for task in &c.tasks {
        out.push((Part::CONTROL, task_item(task)?));
    }
    for item in &c.feed {
        out.push((Part::CONTROL, [&b"F"[..], &json::<FeedItem>(item)?].concat()));
    }
    for envelope in &c.send {
        out.push((Part::of(&envelope.to, partitions), letter_item(envelope)));
    }
    Ok(out)
}

pub(super) fn letter_item(e: &Envelope) -> Vec<u8> {
    let to = names::text(&e.to);
    let mut item = format!("L{} {} {} {to}", e.lane.0, e.not_before.0, to.len()).into_bytes();
    item.extend_from_slice(&e.body);
    item
}

pub(super) fn task_item(t: &TaskRow) -> Result<Vec<u8>, StoreError> {
    let warning = t.warning.map_or_else(|| "-".to_string(), |w| w.0.to_string());
    let mut item = format!("T{} {} {warning} {} {}", u8::from(t.closed.is_none()), t.due_at.0, t.id.len(), t.id).into_bytes();
    item.extend(json(t)?);
    Ok(item)
}

/// A task as kept: open, warning, JSON.
pub(super) fn decode_task(kept: &[u8]) -> Result<TaskRow, StoreError> {
    let body = kept.splitn(3, |b| *b == b' ').nth(2).ok_or_else(|| corrupt("a task without its body"))?;
    serde_json::from_slice(body).map_err(|e| corrupt(format!("a task: {e}")))
}

pub(super) fn json<T: Serialize>(value: &T) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(value).map_err(corrupt)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::ids::{CalloutId, WarningId};

    #[test]
    fn what_cannot_be_read_is_said_and_never_a_panic() {
        let key = Key::Callout(CalloutId::new(WarningId(1), 2));
        let commit = Commit::new(key.clone(), Head::NONE, b"{}".to_vec(), b"[1]".to_vec(), Some(Time(i64::MAX)), Lane(6), Time(-5));
        let (header, face) = encode(&commit).unwrap();
        assert_eq!((header.len(), face.len()), (HEADER, 0));
        let whole = [header, b"{}".to_vec()].concat();
        assert_eq!(decode(key.clone(), &whole).unwrap().0.due, Some(Time(i64::MAX)));
        for cut in 0..HEADER {
            assert!(matches!(decode(key.clone(), &whole[..cut]), Err(StoreError::Corrupt(_))));
        }
        let row = encode_row(&commit);
        assert_eq!(decode_row(&key, 1, &row).unwrap().at, Time(-5));
        assert!(decode_row(&key, 1, &row[..20]).is_err());
        // A journal that begins in the middle says so, and no row can be taken for that.
        let rows: Vec<JournalRow> = (7..10)
            .map(|n| JournalRow { key: key.clone(), n, at: Time(n as i64), head: Head([43; 16]), entries: b"[]".to_vec() })
            .collect();
        let kept = |rows: &[JournalRow]| encode_rows(rows).into_iter().map(redis::Value::BulkString).collect::<Vec<_>>();
        assert_eq!(kept(&rows).len(), 4);
        assert_eq!(decode_rows(&key, kept(&rows)).unwrap(), rows);
        let plus = JournalRow { n: 1, at: Time(i64::from_be_bytes(*b"+1234567")), entries: Vec::new(), ..rows[0].clone() };
        assert_eq!(decode_rows(&key, kept(std::slice::from_ref(&plus))).unwrap(), [plus]);
        for letter in ["", "1 2 3", "x 2 3 {}"] {
            assert!(decode_letter(letter.as_bytes()).is_err());
        }
        assert_eq!(decode_letter(b"7 2 -3 a b").unwrap(), Letter { seq: 7, body: b"a b".to_vec() });
    }
}
