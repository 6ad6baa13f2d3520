//! Counting what went over: pieces by kind, digests that say whether two stores hold the same, and
//! every record's chain.

use super::{Entity, Piece};
use crate::{
    core::{ids::WarningId, time::Time},
    store::{FaceCounts, Head, Key, Record, archive::leaves_whole},
};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Warning,
    Callout,
    Line,
    Place,
    Callback,
    Named,
    JournalRow,
    Letter,
    Blob,
    Task,
    Identity,
    DocumentKind,
    Document,
    Sequence,
    FeedItem,
}
impl Kind {
    pub const ALL: [Kind; 15] = [
        Kind::Warning,
        Kind::Callout,
        Kind::Line,
        Kind::Place,
        Kind::Callback,
        Kind::Named,
        Kind::JournalRow,
        Kind::Letter,
        Kind::Blob,
        Kind::Task,
        Kind::Identity,
        Kind::DocumentKind,
        Kind::Document,
        Kind::Sequence,
        Kind::FeedItem,
    ];
    /// As operators read it.
    pub fn zh(self) -> &'static str {
        match self {
            Kind::Warning => "预警",
            Kind::Callout => "叫应",
            Kind::Line => "号码",
            Kind::Place => "地点",
            Kind::Callback => "回调",
            Kind::Named => "其他记录",
            Kind::JournalRow => "日志行",
            Kind::Letter => "待处理信件",
            Kind::Blob => "原文与方案块",
            Kind::Task => "任务",
            Kind::Identity => "预警标识",
            Kind::DocumentKind => "文档类别",
            Kind::Document => "文档（名册等）",
            Kind::Sequence => "编号序列",
            Kind::FeedItem => "实时事件",
        }
    }
    fn of(key: &Key) -> Kind {
        match key {
            Key::Warning(_) => Kind::Warning,
            Key::Callout(_) => Kind::Callout,
            Key::Line(_) => Kind::Line,
            Key::Place(..) => Kind::Place,
            Key::Callback(_) => Kind::Callback,
            Key::Named(_) => Kind::Named,
        }
    }
}

/// How many there are of a kind, and the sum of their digests: the same whatever the order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub count: u64,
    pub digest: u128,
}

/// Faults told one by one; more are only counted.
const TOLD: usize = 20;

/// See the module's head. Two censuses are equal when both stores hold the same.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Census {
    tallies: BTreeMap<Kind, Tally>,
    /// Kept counts, and those made of the faces.
    counts: BTreeMap<WarningId, [FaceCounts; 2]>,
    feed: (u64, Option<u64>),
    floor: Option<Time>,
    faults: Vec<String>,
    more_faults: u64,
}

impl Census {
    pub fn add(&mut self, piece: &Piece) {
        match piece {
            Piece::Entity(e) => self.entity(e),
            Piece::Blob { key, name, body } => self.count(Kind::Blob, |d| {
                d.text(&key.to_string());
                d.text(name);
                d.bytes(body);
            }),
            Piece::Counts(_, counts) if *counts == FaceCounts::default() => {}
            Piece::Counts(warning, counts) => {
                let [kept, _] = self.counts.entry(*warning).or_default();
                *kept = counts.clone();
            }
            Piece::Task(task) => self.count(Kind::Task, |d| d.json(task)),
            Piece::Identity(identity) => self.count(Kind::Identity, |d| d.json(identity)),
            Piece::DocKind(kind, version) => self.count(Kind::DocumentKind, |d| {
                d.text(kind);
                d.number(*version);
            }),
            Piece::Doc(kind, doc) => self.count(Kind::Document, |d| {
                d.text(kind);
                d.text(&doc.id);
                d.bytes(&doc.body);
            }),
            Piece::Sequence(name, given) => self.count(Kind::Sequence, |d| {
                d.text(name);
                d.number(*given);
            }),
            Piece::Feed(n, item) => {
                self.feed.1 = self.feed.1.max(Some(*n));
                self.count(Kind::FeedItem, |d| {
                    d.number(*n);
                    d.json(item);
                });
            }
            Piece::FeedTip(n) => self.feed.0 = *n,
            Piece::Floor(at) => self.floor = Some(*at),
        }
    }

    /// Counts a record and what hangs on it.
    pub fn entity(&mut self, e: &Entity) {
        if let Err(why) = chain(e) {
            self.fault(why);
        }
        if let (Key::Callout(id), Some(face)) = (&e.key, &e.face) {
            let [_, made] = self.counts.entry(id.warning).or_default();
            made.count(face, true);
        }
        let key = e.key.to_string();
        if let Some(r) = &e.record {
            self.count(Kind::of(&e.key), |d| {
                d.text(&key);
                d.bytes(&r.head.0);
                d.json(&(r.due, r.lane, &e.face));
                d.bytes(&r.body);
            });
        }
        for row in &e.journal {
            self.count(Kind::JournalRow, |d| {
                d.text(&key);
                d.number(row.n);
                d.json(&row.at);
                d.bytes(&row.head.0);
                d.bytes(&row.entries);
            });
        }
        for (n, letter) in (0..).zip(&e.inbox) {
            self.count(Kind::Letter, |d| {
                d.text(&key);
                d.number(n);
                d.json(&(letter.lane, letter.ready));
                d.bytes(&letter.body);
            });
        }
    }

    fn count(&mut self, kind: Kind, of: impl FnOnce(&mut Bytes)) {
        let mut bytes = Bytes(Sha256::new());
        of(&mut bytes);
        let digest = bytes.0.finalize();
        let mut half = [0u8; 16];
        half.iter_mut().zip(digest.iter()).for_each(|(to, from)| *to = *from);
        let tally = self.tallies.entry(kind).or_default();
        tally.count += 1;
        tally.digest = tally.digest.wrapping_add(u128::from_be_bytes(half));
    }

    fn fault(&mut self, why: String) {
        if self.faults.len() < TOLD { self.faults.push(why) } else { self.more_faults += 1 }
    }

    /// One digest of all that was counted, whatever the order: hex.
    pub fn digest(&self) -> String {
        let mut bytes = Bytes(Sha256::new());
        for (kind, tally) in &self.tallies {
            bytes.number(*kind as u64);
            bytes.number(tally.count);
            bytes.bytes(&tally.digest.to_be_bytes());
        }
        for (warning, [kept, _]) in &self.counts {
            bytes.number(u64::from(warning.0));
            for (state, n) in &kept.by_state {
                bytes.text(state.as_str());
                bytes.number(*n);
            }
            bytes.number(kept.told);
            bytes.number(kept.feedback_owed);
        }
        bytes.0.finalize().iter().map(|b| format!("{b:02x}")).collect()
    }

    pub fn tally(&self, kind: Kind) -> Tally {
        self.tallies.get(&kind).copied().unwrap_or_default()
    }

    /// All records and what hangs on them.
    pub fn rows(&self) -> u64 {
        self.tallies.values().map(|t| t.count).sum()
    }

    pub fn feed_tip(&self) -> u64 {
        self.feed.0
    }

    /// The highest engine time.
    pub fn floor(&self) -> Option<Time> {
        self.floor
    }

    /// Whatever is wrong in what was counted: chains, kept counts, the feed.
    pub fn faults(&self) -> Vec<String> {
        let mut all = self.faults.clone();
        for (warning, [kept, made]) in self.counts.iter().filter(|(_, [kept, made])| kept != made) {
            if all.len() >= 2 * TOLD {
                break;
            }
            all.push(format!("{warning}: the kept counts {kept:?} are not those of its callouts, {made:?}"));
        }
        if let (tip, Some(last)) = self.feed
            && tip != last
        {
            all.push(format!("the feed's newest number is {tip}, but its newest item has {last}"));
        }
        if self.more_faults > 0 {
            all.push(format!("and {} more", self.more_faults));
        }
        all
    }

    /// What is not the same in `other`, the copy. Its clock may be ahead.
    pub fn differences(&self, other: &Census) -> Vec<String> {
        let mut all = Vec::new();
        for kind in Kind::ALL {
            let (mine, its) = (self.tally(kind), other.tally(kind));
            if mine.count != its.count {
                all.push(format!("{}: {} became {}", kind.zh(), mine.count, its.count));
            } else if mine.digest != its.digest {
                all.push(format!("{}: {} of them, but not the same", kind.zh(), mine.count));
            }
        }
        if self.counts != other.counts {
            all.push("the counts of callouts by state differ".to_string());
        }
        if self.feed.0 != other.feed.0 {
            all.push(format!("the feed's newest number {} became {}", self.feed.0, other.feed.0));
        }
        if self.floor > other.floor {
            all.push("engine time would go back".to_string());
        }
        all
    }
}

/// Every head is the fold of the journal up to it, and the record's is the last. A journal whose older rows are in
/// the archive begins with the last that left: what its head is, is proved there.
fn chain(e: &Entity) -> Result<(), String> {
    let first = e.journal.first().filter(|r| r.n > 1 && leaves_whole(&e.key) == Some(false));
    let (mut head, from) = first.map_or((Head::NONE, 1), |r| (r.head, r.n + 1));
    for (n, row) in (from..).zip(e.journal.iter().skip(usize::from(first.is_some()))) {
        head = head.after(&row.entries);
        if row.n != n || row.head != head {
            return Err(format!("{}: the chain breaks at row {n} of its journal: it was changed afterwards or a row is missing", e.key));
        }
    }
    match &e.record {
        Some(Record { head: kept, .. }) if *kept != head => {
            Err(format!("{}: its head is not the end of its journal ({} rows)", e.key, e.journal.len()))
        }
        None if !e.journal.is_empty() => Err(format!("{}: a journal without a record", e.key)),
        _ => Ok(()),
    }
}

/// A digest of parts that cannot run into each other.
struct Bytes(Sha256);
impl Bytes {
    fn bytes(&mut self, b: &[u8]) {
        self.0.update((b.len() as u64).to_be_bytes());
        self.0.update(b);
    }
    fn text(&mut self, t: &str) {
        self.bytes(t.as_bytes());
    }
    fn number(&mut self, n: u64) {
        self.0.update(n.to_be_bytes());
    }
    fn json<T: Serialize>(&mut self, value: &T) {
        // None of these types can fail: no maps with odd keys, no floats that are no numbers.
        self.bytes(&serde_json::to_vec(value).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        core::ids::WarningId,
        store::{JournalRow, Lane},
    };

    fn entity(rows: &[&[u8]]) -> Entity {
        let key = Key::Warning(WarningId(3));
        let mut head = Head::NONE;
        let mut journal = Vec::new();
        for (n, entries) in (1..).zip(rows) {
            head = head.after(entries);
            journal.push(JournalRow { key: key.clone(), n, at: Time(n as i64), head, entries: entries.to_vec() });
        }
        let record = Record { key: key.clone(), head, due: None, lane: Lane(2), body: b"{}".to_vec() };
        Entity { key, record: Some(record), face: None, journal, inbox: Vec::new() }
    }

    fn faults(e: Entity) -> Vec<String> {
        let mut census = Census::default();
        census.add(&Piece::Entity(Box::new(e)));
        census.faults()
    }

    #[test]
    fn a_chain_that_was_touched_anywhere_is_found() {
        let whole = || entity(&[b"[1]", b"[2]", b"[3]"]);
        assert_eq!(faults(whole()), Vec::<String>::new());
        let touches: [fn(&mut Entity); 6] = [
            |e| e.journal[1].entries = b"[9]".to_vec(),
            |e| e.journal[2].head = Head([9; 16]),
            |e| drop(e.journal.remove(1)),
            |e| drop(e.journal.pop()),
            |e| e.journal.swap(0, 1),
            |e| e.record.as_mut().unwrap().head = Head([1; 16]),
        ];
        for touch in touches {
            let mut e = whole();
            touch(&mut e);
            assert_eq!(faults(e).len(), 1);
        }
        let mut e = whole();
        e.record = None;
        assert_eq!(faults(e).len(), 1, "a journal without a record");
    }

    #[test]
    fn a_census_knows_one_changed_byte_and_not_the_order() {
        let task = |id: &str| Piece::Sequence(id.to_string(), 4);
        let of = |pieces: &[Piece]| {
            let mut c = Census::default();
            pieces.iter().for_each(|p| c.add(p));
            c
        };
        let one = of(&[task("a"), task("b")]);
        assert_eq!(one.differences(&of(&[task("b"), task("a")])), Vec::<String>::new());
        assert_eq!(one.differences(&of(&[task("a"), task("c")])).len(), 1);
        assert_eq!(one.differences(&of(&[task("a")])).len(), 1);
        let earlier = of(&[task("a"), task("b"), Piece::Floor(Time(5))]);
        assert_eq!(earlier.differences(&one), ["engine time would go back"]);
    }
}
