//! What belongs to no warning and is over: raw callbacks that were worked through, providers' ids of messages, and the
//! older rows of journals whose records go on for years (telephone numbers, what is kept under a name).
//!
//! It leaves in parcels, one under way at a time. The first gateway draws one up and writes its copy; every other that
//! lives writes its own, from what it reads itself; when all have confirmed the same digest the live store lets go of
//! what is still as it was named. Nothing of it ever comes back.
//!
//! On the shelf a record that left stands as it stood. Of a journal that goes on, its older rows stand as blobs of a
//! record under the same key, whose own journal says which they are. The last row that left stays as the first of those
//! that are live, so that both chains hold, and one is seen to go on where the other ends.

use super::{AWAITED, Archived, PASSING, RECOVERED, Spent};
use crate::{
    core::time::{Span, Time},
    store::{
        Commit, Committed, Doc, Head, JournalRow, Key, Lane, Record, StoreError, WriteLane,
        transfer::{Census, Entity},
    },
};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

/// Everything is kept for at least this long, however soon warnings leave: receipts come within three days, and name what
/// they are about by the provider's id.
pub const KEPT_AT_LEAST: Span = Span::hours(4 * 24);

/// Documents of this kind: the parcel under way.
const PARCELS: &str = "clearing";
const PARCEL: &str = "parcel";
/// In one parcel; and parcels in one turn, where nobody else has to confirm them.
const AT_ONCE: usize = 2_000;
const IN_A_TURN: usize = 20;
/// One that is not confirmed by all is drawn up anew after this.
const CONFIRMED_WITHIN: Span = Span::mins(10);
/// Journals read at once.
const AHEAD: usize = 16;

/// Where the search for what is spent goes on.
pub(super) type From = Mutex<String>;

/// A parcel under way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Parcel {
    what: Vec<Spent>,
    digest: String,
    /// The gateways that have confirmed their copies.
    copies: Vec<String>,
    at: Time,
}

/// A row as it stands on the shelf. `entries` is text, so that not a byte of what was hashed changes.
#[derive(Serialize, Deserialize)]
struct KeptRow {
    n: u64,
    at: Time,
    head: Head,
    entries: String,
}

/// What the shelf's record says of a journal that goes on: rows from here to there, and the head of the last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Shelved {
    from: u64,
    to: u64,
    head: Head,
}
impl Shelved {
    fn of(e: &Entity) -> Option<Shelved> {
        let (first, last) = (e.journal.first()?, e.journal.last()?);
        Some(Shelved { from: first.n, to: last.n, head: last.head })
    }

    /// The blob of the rows. After a failover other rows may stand under the same numbers.
    fn blob(&self) -> String {
        format!("rows/{}/{}", self.to, hex(self.head))
    }
}

fn hex(head: Head) -> String {
    head.0.iter().map(|b| format!("{b:02x}")).collect()
}

fn corrupt(what: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(format!("the archive: {what}"))
}

fn json<T: Serialize>(value: &T) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(value).map_err(corrupt)
}

impl Archived {
    /// Carries the parcel under way on, and draws up the next; how many records and journals were let go of.
    pub(super) async fn clear(&self, me: &str, live: &[String], first: bool) -> Result<usize, StoreError> {
        let mut cleared = 0;
        for _ in 0..IN_A_TURN {
            let (version, parcel) = self.parcel().await?;
            match parcel {
                None if first && self.draw_up(me, version).await? => {}
                None => break,
                Some(p) if !p.copies.iter().any(|g| g == me) => {
                    if !self.confirm_parcel(me, first, version, p).await? {
                        break;
                    }
                }
                Some(p) if first && live.iter().all(|g| p.copies.contains(g)) => {
                    self.live.forgetful.let_go(&p.what).await?;
                    self.put_parcel(version, None).await?;
                    cleared += p.what.len();
                }
                // Whoever lives and has no archive keeps all; what changed meanwhile is named anew.
                Some(p) if first && self.live.store.now() - p.at > CONFIRMED_WITHIN => drop(self.put_parcel(version, None).await?),
                Some(_) => break,
            }
        }
        if cleared > 0 {
            tracing::info!(records = cleared, "archived: the live store has let go of callbacks and of older rows of journals");
        }
        Ok(cleared)
    }

    async fn parcel(&self) -> Result<(u64, Option<Parcel>), StoreError> {
        let (version, docs) = self.live.store.docs(PARCELS).await?;
        let parcel = docs.iter().find(|d| d.id == PARCEL).map(|d| serde_json::from_slice(&d.body).map_err(corrupt));
        Ok((version, parcel.transpose()?))
    }

    /// Whether nobody was quicker.
    async fn put_parcel(&self, version: u64, parcel: Option<&Parcel>) -> Result<bool, StoreError> {
        let upsert = parcel.map(|p| Ok::<_, StoreError>(Doc { id: PARCEL.to_string(), body: json(p)? })).transpose()?;
        let delete = if upsert.is_none() { vec![PARCEL.to_string()] } else { Vec::new() };
        Ok(self.live.store.docs_apply(PARCELS, version, upsert.into_iter().collect(), delete).await?.is_some())
    }

    /// Looks for what is over, and writes this gateway's copy of it; whether there was anything.
    async fn draw_up(&self, me: &str, version: u64) -> Result<bool, StoreError> {
        let now = self.live.store.now();
        let from = self.spent_from.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (found, next) = self.live.forgetful.spent(now - self.after.max(KEPT_AT_LEAST), &from, AT_ONCE).await?;
        *self.spent_from.lock().unwrap_or_else(PoisonError::into_inner) = next;
        let entities = self.read_spent(&found).await?;
        // One that is not sound stays where it can be looked at, and hinders no other.
        let (what, entities): (Vec<Spent>, Vec<Entity>) =
            found.into_iter().zip(entities).filter_map(|(s, e)| e.filter(is_sound).map(|e| (s, e))).unzip();
        if what.is_empty() {
            return Ok(false);
        }
        let digest = self.shelve(&entities).await?;
        self.put_parcel(version, Some(&Parcel { what, digest, copies: vec![me.to_string()], at: now })).await
    }

    /// Writes this gateway's copy of what another has drawn up, and says so; whether it did.
    async fn confirm_parcel(&self, me: &str, first: bool, version: u64, mut parcel: Parcel) -> Result<bool, StoreError> {
        let entities: Option<Vec<Entity>> = self.read_spent(&parcel.what).await?.into_iter().collect();
        let same = match entities {
            Some(all) if census(&all).digest() == parcel.digest => self.shelve(&all).await? == parcel.digest,
            _ => false,
        };
        if same {
            parcel.copies.push(me.to_string());
            return self.put_parcel(version, Some(&parcel)).await;
        }
        // Something is not as it was any more, after a failover: it is drawn up anew.
        Ok(first && self.put_parcel(version, None).await?)
    }

    /// Each as it stands in the live store, as far as it is named; `None` where it is not as named.
    async fn read_spent(&self, what: &[Spent]) -> Result<Vec<Option<Entity>>, StoreError> {
        let keys: Vec<Key> = what.iter().map(|s| s.key.clone()).collect();
        let records = self.live.store.load(&keys).await?;
        let reads: Vec<_> = what.iter().zip(records).map(|(s, record)| self.read_one(s, record)).collect();
        stream::iter(reads).buffered(AHEAD).try_collect().await
    }

    async fn read_one(&self, s: &Spent, record: Option<Record>) -> Result<Option<Entity>, StoreError> {
        let mut journal = self.live.reports.journal(&s.key).await?;
        journal.retain(|r| r.n <= s.row);
        let named = journal.last().is_some_and(|r| (r.n, r.head) == (s.row, s.head));
        let Some(record) = record.filter(|r| named && (!s.whole || r.head == s.head && r.due.is_none())) else { return Ok(None) };
        let record = if s.whole { record } else { stub(&s.key, s.head) };
        Ok(Some(Entity { key: s.key.clone(), record: Some(record), face: None, journal, inbox: Vec::new() }))
    }

    /// Writes copies and reads them back; the digest of what stands on the shelf then.
    async fn shelve(&self, entities: &[Entity]) -> Result<String, StoreError> {
        let _one = self.carrying.lock().await;
        let mut batch = Vec::new();
        for e in entities {
            batch.extend(if leaves_whole(&e.key) == Some(true) {
                self.as_it_stood(e).await?
            } else {
                self.rows_of(e).await?.into_iter().collect()
            });
        }
        let lane = WriteLane::Planning;
        if !batch.is_empty() && self.shelf.commit(lane, batch).await?.iter().any(|c| *c != Committed::Done) {
            return Err(StoreError::Unavailable("another gateway writes to this archive: give each a file of its own".to_string()));
        }
        let mut kept = Census::default();
        for e in entities {
            let back = if leaves_whole(&e.key) == Some(true) { self.stood(e).await? } else { self.shelved(e).await? };
            let back = back.ok_or_else(|| StoreError::Unavailable(format!("the copy of {} is not in the archive", e.key)))?;
            kept.entity(&back);
        }
        let (wrong, faults) = (census(entities).differences(&kept), kept.faults());
        if !wrong.is_empty() || !faults.is_empty() {
            return Err(StoreError::Unavailable(format!("a copy is not what was read: {}", [wrong, faults].concat().join("; "))));
        }
        Ok(kept.digest())
    }

    /// The key of a whole record on the shelf. Where another stands under its own (a provider gave the same id twice, a number
    /// was given again after a failover), one that names it by its head.
    async fn place_of(&self, e: &Entity) -> Result<(Key, Head), StoreError> {
        let there = self.shelf.load(std::slice::from_ref(&e.key)).await?.pop().flatten().map_or(Head::NONE, |r| r.head);
        if there == Head::NONE || e.journal.iter().any(|r| r.head == there) {
            return Ok((e.key.clone(), there));
        }
        let head = e.journal.last().map_or(Head::NONE, |r| r.head);
        let again = Key::Named(format!("again/{}/{}", e.key, hex(head)));
        let there = self.shelf.load(std::slice::from_ref(&again)).await?.pop().flatten().map_or(Head::NONE, |r| r.head);
        Ok((again, there))
    }

    /// The commits that make a record what it was; none where it stands already.
    async fn as_it_stood(&self, e: &Entity) -> Result<Vec<Commit>, StoreError> {
        let Some(record) = &e.record else { return Ok(Vec::new()) };
        let (key, mut head) = self.place_of(e).await?;
        let done = e.journal.iter().position(|r| r.head == head).map_or(0, |n| n + 1);
        let rows = e.journal.iter().skip(done).map(|row| {
            let expect = std::mem::replace(&mut head, row.head);
            let (body, entries) = (record.body.clone(), row.entries.clone());
            Commit { head: row.head, ..Commit::new(key.clone(), expect, body, entries, None, record.lane, row.at) }
        });
        Ok(rows.collect())
    }

    /// A whole record as it stands on the shelf, under its own key again.
    async fn stood(&self, e: &Entity) -> Result<Option<Entity>, StoreError> {
        let (key, _) = self.place_of(e).await?;
        let mut journal = self.shelf.journal(&key).await?;
        journal.iter_mut().for_each(|r| r.key = e.key.clone());
        let record = self.shelf.load(&[key]).await?.pop().flatten();
        let record = record.map(|r| Record { key: e.key.clone(), ..r });
        Ok(record.map(|record| Entity { key: e.key.clone(), record: Some(record), face: None, journal, inbox: Vec::new() }))
    }

    /// What the shelf has of a journal that goes on, and the head of the record that says so.
    async fn spans(&self, key: &Key) -> Result<(Head, Vec<Shelved>), StoreError> {
        let Some(record) = self.shelf.load(std::slice::from_ref(key)).await?.pop().flatten() else { return Ok((Head::NONE, Vec::new())) };
        let spans = serde_json::from_slice(&record.body).map_err(|e| corrupt(format!("{key}: {e}")))?;
        Ok((record.head, spans))
    }

    /// The commit that puts rows on the shelf; none where they stand there.
    async fn rows_of(&self, e: &Entity) -> Result<Option<Commit>, StoreError> {
        let Some(span) = Shelved::of(e) else { return Ok(None) };
        let (head, mut spans) = self.spans(&e.key).await?;
        if spans.contains(&span) {
            return Ok(None);
        }
        let rows = e.journal.iter().map(|r| {
            let entries = String::from_utf8(r.entries.clone()).map_err(|_| corrupt(format!("row {} of {} is no text", r.n, e.key)))?;
            Ok(KeptRow { n: r.n, at: r.at, head: r.head, entries })
        });
        let rows = json(&rows.collect::<Result<Vec<_>, StoreError>>()?)?;
        let journal = json(&serde_json::json!([{"e": "shelved", "from": span.from, "to": span.to, "head": hex(span.head)}]))?;
        spans.push(span.clone());
        let mut c = Commit::new(e.key.clone(), head, json(&spans)?, journal, None, Lane::URGENT, self.shelf.now());
        c.blobs = vec![(span.blob(), rows)];
        Ok(Some(c))
    }

    async fn kept_rows(&self, key: &Key, span: &Shelved) -> Result<Vec<JournalRow>, StoreError> {
        let rows = self.shelf.blob(key, &span.blob()).await?.ok_or_else(|| corrupt(format!("{key} lacks its rows up to {}", span.to)))?;
        let rows: Vec<KeptRow> = serde_json::from_slice(&rows).map_err(|e| corrupt(format!("{key}: {e}")))?;
        let row = |r: KeptRow| JournalRow { key: key.clone(), n: r.n, at: r.at, head: r.head, entries: r.entries.into_bytes() };
        Ok(rows.into_iter().map(row).collect())
    }

    /// Rows as they stand on the shelf.
    async fn shelved(&self, e: &Entity) -> Result<Option<Entity>, StoreError> {
        let Some(span) = Shelved::of(e) else { return Ok(None) };
        let journal = self.kept_rows(&e.key, &span).await?;
        Ok(Some(Entity { key: e.key.clone(), record: Some(stub(&e.key, span.head)), face: None, journal, inbox: Vec::new() }))
    }

    /// The journal of something that belongs to no warning, over both places: as far back as this gateway's archive
    /// goes without a gap.
    pub(super) async fn journal_over_both(&self, key: &Key) -> Result<Vec<JournalRow>, StoreError> {
        let live = self.live.reports.journal(key).await?;
        if leaves_whole(key) == Some(true) {
            return if live.is_empty() { self.shelf.journal(key).await } else { Ok(live) };
        }
        let (_, spans) = self.spans(key).await?;
        let mut rows: BTreeMap<u64, JournalRow> = live.into_iter().map(|r| (r.n, r)).collect();
        while let Some((n, head)) = rows.first_key_value().map(|(n, r)| (*n, r.head)).filter(|(n, _)| *n > 1) {
            let Some(span) = spans.iter().find(|s| (s.to, s.head) == (n, head) && s.from < n) else { break };
            rows.extend(self.kept_rows(key, span).await?.into_iter().map(|r| (r.n, r)));
        }
        Ok(rows.into_values().collect())
    }
}

/// Whether a record leaves whole when it is over, or its older rows alone; `None` where it leaves with its warning.
pub fn leaves_whole(key: &Key) -> Option<bool> {
    match key {
        Key::Warning(_) | Key::Callout(_) | Key::Place(..) => None,
        Key::Callback(_) => Some(true),
        Key::Named(name) => Some([PASSING, AWAITED, RECOVERED].iter().any(|of| name.starts_with(of))),
        Key::Line(_) => Some(false),
    }
}

/// In place of a record that goes on: a census wants the end of every journal.
fn stub(key: &Key, head: Head) -> Record {
    Record { key: key.clone(), head, due: None, lane: Lane::URGENT, body: Vec::new() }
}

fn census(entities: &[Entity]) -> Census {
    let mut all = Census::default();
    entities.iter().for_each(|e| all.entity(e));
    all
}

fn is_sound(e: &Entity) -> bool {
    let faults = census(std::slice::from_ref(e)).faults();
    let text = e.journal.iter().all(|r| std::str::from_utf8(&r.entries).is_ok());
    if !faults.is_empty() || !text {
        tracing::error!(record = %e.key, ?faults, "a record is not sound: it is not archived; see `audit verify`");
    }
    faults.is_empty() && text
}
