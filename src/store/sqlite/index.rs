//! What is open, in memory: who is due when, who is leased, which letters wait for whom, and the
//! bodies that were written last. Made anew from the file at every start; changed only after COMMIT,
//! before the reply, so it never shows what is not durable.
//!
//! One process owns the file, so this is the truth about leases and a faithful copy of the rest.

use super::rid::{Class, Rid};
use crate::store::{CalloutState, Face, Head, MAX_LETTERS};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// `due` of a record without one.
pub(super) const NEVER: i64 = i64::MAX;

/// What the body cache may hold; older bodies are read from the file when asked for.
const CACHED_BYTES: usize = 96 << 20;
/// What waiting letters may hold; further ones are read from the file at their claim.
const LETTER_BYTES: usize = 64 << 20;

/// The countable part of a face in a byte: present, told_only, feedback_owed, state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct FaceBits(u8);
impl FaceBits {
    pub fn new(state: CalloutState, told_only: bool, feedback_owed: bool) -> FaceBits {
        FaceBits(1 | u8::from(told_only) << 1 | u8::from(feedback_owed) << 2 | (state as u8) << 3)
    }
    pub fn of(face: &Face) -> FaceBits {
        FaceBits::new(face.state, face.told_only, face.feedback_owed)
    }
    pub fn state(self) -> Option<CalloutState> {
        CalloutState::ALL.get(usize::from(self.0 >> 3)).copied().filter(|_| self.0 & 1 == 1)
    }
    pub fn told_only(self) -> bool {
        self.0 & 2 != 0
    }
    pub fn feedback_owed(self) -> bool {
        self.0 & 4 != 0
    }
}

/// A record without its body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    pub head: Head,
    /// The seq of its last journal row.
    pub journal: i64,
    /// How many commits it has; 0 where only its name is known.
    pub n: u32,
    pub recipient: u32,
    pub due: i64,
    pub lane: u8,
    pub face: FaceBits,
}
impl Mark {
    /// See `schema`: 1 with a clock, 2 open without one, 0 finished.
    pub fn live(&self) -> u8 {
        if self.due != NEVER { 1 } else { 2 * u8::from(self.open()) }
    }
    fn open(&self) -> bool {
        // Who is only told owes nothing: nothing need be looked at again.
        self.face.state().is_some_and(CalloutState::is_open) && !self.face.told_only()
    }
}

struct Entry {
    mark: Mark,
    body: Option<Box<[u8]>>,
}

pub(super) struct Waiting {
    pub seq: u64,
    pub lane: u8,
    /// The later of `not_before` and its coming in.
    pub ready: i64,
    pub body: Option<Box<[u8]>>,
}

/// The letters of one record by seq, and how many there are of each (lane, ready).
#[derive(Default)]
struct Inbox {
    letters: VecDeque<Waiting>,
    reasons: BTreeMap<(u8, i64), u32>,
}

/// `nonce: None` where it was given back and only waits for `until`.
struct Lease {
    until: i64,
    nonce: Option<u64>,
    /// The newest letter there was when it was handed out.
    tip: u64,
}

/// A record handed out, with what is in memory of it.
pub(super) struct Picked {
    pub rid: Rid,
    pub nonce: u64,
    /// `None` where it is not open (finished, or not there at all): the file knows.
    pub mark: Option<Mark>,
    pub body: Option<Vec<u8>>,
    pub letters: Vec<(u64, Option<Vec<u8>>)>,
}

pub(super) struct Index {
    open: BTreeMap<Rid, Entry>,
    inbox: BTreeMap<Rid, Inbox>,
    /// By lane: reasons to hand a record out. None of a leased record.
    listed: BTreeMap<u8, BTreeSet<(i64, Rid)>>,
    leases: BTreeMap<Rid, Lease>,
    lease_ends: BTreeSet<(i64, Rid)>,
    /// Letters waiting, by lane.
    depth: BTreeMap<u8, u64>,
    /// Bodies in the order they were written, with the journal seq they belong to.
    cached: VecDeque<(Rid, i64)>,
    cached_bytes: usize,
    letter_bytes: usize,
    told: Option<i64>,
    /// What bodies and letters may take.
    room: (usize, usize),
    /// Set when something became due earlier than the timekeeper was told.
    pub earlier: bool,
}

impl Default for Index {
    fn default() -> Index {
        Index::with_room(CACHED_BYTES, LETTER_BYTES)
    }
}

impl Index {
    /// An empty index that keeps so many bytes of bodies and of letters in memory.
    pub fn with_room(bodies: usize, letters: usize) -> Index {
        Index {
            open: BTreeMap::new(),
            inbox: BTreeMap::new(),
            listed: BTreeMap::new(),
            leases: BTreeMap::new(),
            lease_ends: BTreeSet::new(),
            depth: BTreeMap::new(),
            cached: VecDeque::new(),
            cached_bytes: 0,
            letter_bytes: 0,
            told: None,
            room: (bodies, letters),
            earlier: false,
        }
    }

    /// Fills an empty index at the start; `records` by id.
    pub fn fill(&mut self, records: impl Iterator<Item = (Rid, Mark)>) {
        let mut due: BTreeMap<u8, Vec<(i64, Rid)>> = BTreeMap::new();
        self.open = records
            .inspect(|(rid, m)| {
                if m.due != NEVER {
                    due.entry(m.lane).or_default().push((m.due, *rid));
                }
            })
            .map(|(rid, mark)| (rid, Entry { mark, body: None }))
            .collect();
        for (lane, mut all) in due {
            all.sort_unstable();
            self.listed.entry(lane).or_default().append(&mut all.into_iter().collect());
        }
    }

    pub fn mark(&self, rid: Rid) -> Option<Mark> {
        self.open.get(&rid).map(|e| e.mark)
    }

    /// An open record and, if it is in memory, its body.
    pub fn get(&self, rid: Rid) -> Option<(Mark, Option<Vec<u8>>)> {
        self.open.get(&rid).map(|e| (e.mark, e.body.as_ref().map(|b| b.to_vec())))
    }

    /// Handed out, and not given back since.
    pub fn is_leased(&self, rid: Rid) -> bool {
        self.leases.get(&rid).is_some_and(|l| l.nonce.is_some())
    }

    /// A record as a commit left it.
    pub fn put(&mut self, rid: Rid, mark: Mark, body: Vec<u8>, consumed: &[u64]) {
        self.end_lease(rid);
        self.unlist(rid);
        self.consume(rid, consumed);
        let old = if mark.live() > 0 {
            let len = body.len();
            self.cached_bytes += len;
            self.cached.push_back((rid, mark.journal));
            self.open.insert(rid, Entry { mark, body: Some(body.into_boxed_slice()) })
        } else {
            self.open.remove(&rid)
        };
        self.cached_bytes -= old.and_then(|e| e.body).map_or(0, |b| b.len());
        self.evict();
        self.list(rid);
    }

    fn evict(&mut self) {
        while self.cached_bytes > self.room.0 || self.cached.len() > 64 && self.cached.len() > 4 * self.open.len() {
            let Some((rid, journal)) = self.cached.pop_front() else { return };
            if let Some(entry) = self.open.get_mut(&rid).filter(|e| e.mark.journal == journal)
                && let Some(body) = entry.body.take()
            {
                self.cached_bytes -= body.len();
            }
        }
    }

    fn consume(&mut self, rid: Rid, consumed: &[u64]) {
        let Some(inbox) = self.inbox.get_mut(&rid) else { return };
        for seq in consumed {
            let Ok(at) = inbox.letters.binary_search_by_key(seq, |w| w.seq) else { continue };
            let Some(w) = inbox.letters.remove(at) else { continue };
            self.letter_bytes -= w.body.map_or(0, |b| b.len());
            decrease(&mut inbox.reasons, (w.lane, w.ready));
            decrease(&mut self.depth, w.lane);
        }
        if inbox.letters.is_empty() {
            self.inbox.remove(&rid);
        }
    }

    /// A letter comes in. It ends a wait the record was given back with, but no lease.
    pub fn deliver(&mut self, to: Rid, mut letter: Waiting) {
        let len = letter.body.as_ref().map_or(0, |b| b.len());
        if self.letter_bytes + len > self.room.1 {
            letter.body = None;
        } else {
            self.letter_bytes += len;
        }
        let reason = (letter.lane, letter.ready);
        *self.depth.entry(letter.lane).or_default() += 1;
        let inbox = self.inbox.entry(to).or_default();
        *inbox.reasons.entry(reason).or_default() += 1;
        inbox.letters.push_back(letter);
        match self.leases.get(&to) {
            None => self.insert(to, reason),
            Some(Lease { nonce: None, .. }) => {
                self.end_lease(to);
                self.list(to);
            }
            Some(_) => {}
        }
    }

    pub fn claim(&mut self, limit: usize, now: i64, until: i64, mut nonce: impl FnMut() -> u64) -> Vec<Picked> {
        self.end_leases(now);
        let mut rids: Vec<Rid> = Vec::new();
        let mut seen: BTreeSet<Rid> = BTreeSet::new();
        for (_, rid) in self.listed.values().flat_map(|lane| lane.range(..=(now, Rid(i64::MAX)))) {
            if rids.len() >= limit {
                break;
            }
            // One record may be listed for several reasons; the first is its best.
            if seen.insert(*rid) {
                rids.push(*rid);
            }
        }
        rids.into_iter().map(|rid| self.lease(rid, now, until, nonce())).collect()
    }

    fn lease(&mut self, rid: Rid, now: i64, until: i64, nonce: u64) -> Picked {
        self.unlist(rid);
        let tip = self.newest_letter(rid);
        self.leases.insert(rid, Lease { until, nonce: Some(nonce), tip });
        self.lease_ends.insert((until, rid));
        let ripe = self.inbox.get(&rid).into_iter().flat_map(|i| &i.letters).filter(|w| w.ready <= now);
        let letters = ripe.take(MAX_LETTERS).map(|w| (w.seq, w.body.as_ref().map(|b| b.to_vec()))).collect();
        let (mark, body) = self.get(rid).map_or((None, None), |(m, b)| (Some(m), b));
        Picked { rid, nonce, mark, body, letters }
    }

    fn newest_letter(&self, rid: Rid) -> u64 {
        self.inbox.get(&rid).and_then(|i| i.letters.back()).map_or(0, |w| w.seq)
    }

    /// Waits until `until`, or as long as no letter comes that was not there when it was handed out.
    pub fn release(&mut self, rid: Rid, nonce: u64, until: i64) {
        let newest = self.newest_letter(rid);
        let Some(lease) = self.leases.get_mut(&rid).filter(|l| l.nonce == Some(nonce)) else { return };
        if newest > lease.tip {
            // It came while the record was worked, and nobody has seen it.
            self.end_lease(rid);
            return self.list(rid);
        }
        self.lease_ends.remove(&(lease.until, rid));
        *lease = Lease { until, nonce: None, tip: newest };
        self.lease_ends.insert((until, rid));
        self.note(until);
    }

    pub fn next_due(&mut self, now: i64) -> Option<i64> {
        self.end_leases(now);
        let listed = self.listed.values().filter_map(|lane| lane.first().map(|(t, _)| *t));
        let next = listed.chain(self.lease_ends.first().map(|(t, _)| *t)).min();
        self.told = next;
        self.earlier = false;
        next
    }

    pub fn queue_depth(&self) -> Vec<(u8, u64)> {
        self.depth.iter().map(|(lane, n)| (*lane, *n)).collect()
    }

    /// Open callouts of these people with ids from `from` to `to`: up to `limit` of them, looking at
    /// `look` records at most; also where to go on, `None` at the end.
    pub fn open_callouts_of(&self, people: &BTreeSet<u32>, from: Rid, to: Rid, look: usize) -> (Vec<Rid>, Option<Rid>) {
        let mut found = Vec::new();
        if from > to {
            return (found, None);
        }
        for (seen, (rid, e)) in self.open.range(from..=to).enumerate() {
            if seen >= look {
                return (found, Some(*rid));
            }
            if rid.class() == Class::Callout && people.contains(&e.mark.recipient) && e.mark.open() {
                found.push(*rid);
            }
        }
        (found, None)
    }

    fn end_leases(&mut self, now: i64) {
        while let Some((_, rid)) = self.lease_ends.first().copied().filter(|(t, _)| *t <= now) {
            self.end_lease(rid);
            self.list(rid);
        }
    }

    fn end_lease(&mut self, rid: Rid) {
        if let Some(lease) = self.leases.remove(&rid) {
            self.lease_ends.remove(&(lease.until, rid));
        }
    }

    fn reasons(&self, rid: Rid) -> impl Iterator<Item = (u8, i64)> + use<> {
        let own = self.open.get(&rid).filter(|e| e.mark.due != NEVER).map(|e| (e.mark.lane, e.mark.due));
        let letters: Vec<(u8, i64)> = self.inbox.get(&rid).map_or(Vec::new(), |i| i.reasons.keys().copied().collect());
        own.into_iter().chain(letters)
    }

    fn list(&mut self, rid: Rid) {
        if !self.leases.contains_key(&rid) {
            self.reasons(rid).for_each(|reason| self.insert(rid, reason));
        }
    }

    fn insert(&mut self, rid: Rid, (lane, at): (u8, i64)) {
        self.listed.entry(lane).or_default().insert((at, rid));
        self.note(at);
    }

    fn unlist(&mut self, rid: Rid) {
        for (lane, at) in self.reasons(rid) {
            if let Some(listed) = self.listed.get_mut(&lane) {
                listed.remove(&(at, rid));
            }
        }
    }

    fn note(&mut self, at: i64) {
        if self.told.is_none_or(|told| at < told) {
            self.told = Some(at);
            self.earlier = true;
        }
    }
}

fn decrease<K: Ord, N: Copy + PartialEq + From<u8> + std::ops::SubAssign>(counts: &mut BTreeMap<K, N>, key: K) {
    if let Some(n) = counts.get_mut(&key) {
        *n -= N::from(1);
        if *n == N::from(0) {
            counts.remove(&key);
        }
    }
}
