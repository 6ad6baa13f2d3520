//! What the memory store holds, and how one commit or one claim changes it.

use crate::{
    core::{
        ids::WarningId,
        time::{Span, Time},
    },
    store::{
        Claim, Commit, Committed, Face, FaceCounts, FeedItem, Head, Identity, JournalRow, Key, Lane, Letter, MAX_LETTERS, Record, TaskRow,
    },
};
use std::collections::{BTreeMap, BTreeSet};

pub(super) struct Row {
    pub record: Record,
    pub face: Option<Face>,
}

/// A letter as it waits: `ready` is the later of its `not_before` and its coming in, so that letters
/// of a lane are worked in the order they came.
pub(super) struct Waiting {
    pub lane: Lane,
    pub ready: Time,
    pub body: Vec<u8>,
}

/// `nonce: None` where it was given back and only waits for `until`.
struct Lease {
    until: Time,
    nonce: Option<u64>,
    /// The newest letter there was when it was handed out.
    tip: u64,
}

#[derive(Default)]
pub(super) struct Table {
    pub rows: BTreeMap<Key, Row>,
    pub inbox: BTreeMap<Key, BTreeMap<u64, Waiting>>,
    pub journal: BTreeMap<Key, Vec<JournalRow>>,
    pub counts: BTreeMap<WarningId, FaceCounts>,
    pub tasks: BTreeMap<String, TaskRow>,
    pub feed: Vec<FeedItem>,
    /// Feed items that were before the first of `feed`, in the store this one was filled from.
    pub feed_before: u64,
    /// By identifier, sender, issuer.
    pub identities: BTreeMap<(String, String, String), Identity>,
    pub blobs: BTreeMap<(Key, String), Vec<u8>>,
    pub docs: BTreeMap<String, (u64, BTreeMap<String, Vec<u8>>)>,
    pub sequences: BTreeMap<String, u64>,
    /// Set when something became due earlier than the timekeeper was told.
    pub earlier: bool,
    /// Reasons to hand a record out: its own due, its letters. None of a leased record.
    listed: BTreeSet<(Lane, Time, Key)>,
    leases: BTreeMap<Key, Lease>,
    lease_ends: BTreeSet<(Time, Key)>,
    pub letters: u64,
    nonces: u64,
    told: Option<Time>,
}

impl Table {
    pub fn commit(&mut self, c: Commit, now: Time) -> Committed {
        let head = self.rows.get(&c.key).map_or(Head::NONE, |r| r.record.head);
        if head == c.head {
            return Committed::Done;
        }
        if let Some(taken) = c.identity.as_ref().and_then(|i| self.identities.get(&name_of(i))) {
            return Committed::IdentityTaken(taken.clone());
        }
        if head != c.expect {
            return Committed::Conflict;
        }
        self.end_lease(&c.key);
        self.unlist(&c.key);
        if let Some(letters) = self.inbox.get_mut(&c.key) {
            c.consumed.iter().for_each(|seq| drop(letters.remove(seq)));
            if letters.is_empty() {
                self.inbox.remove(&c.key);
            }
        }
        let before = self.rows.get(&c.key).and_then(|r| r.face.clone());
        if let (Key::Callout(id), Some(face)) = (&c.key, &c.face) {
            let counts = self.counts.entry(id.warning).or_default();
            before.iter().for_each(|f| counts.count(f, false));
            counts.count(face, true);
        }
        let journal = self.journal.entry(c.key.clone()).or_default();
        // Its older rows may be in the archive.
        let n = journal.last().map_or(1, |r| r.n + 1);
        journal.push(JournalRow { key: c.key.clone(), n, at: c.at, head: c.head, entries: c.journal });
        let record = Record { key: c.key.clone(), head: c.head, due: c.due, lane: c.lane, body: c.body };
        self.rows.insert(c.key.clone(), Row { record, face: c.face.or(before) });
        self.tasks.extend(c.tasks.into_iter().map(|t| (t.id.clone(), t)));
        self.feed.extend(c.feed);
        if let Some(identity) = c.identity {
            self.identities.insert(name_of(&identity), identity);
        }
        for (name, body) in c.blobs {
            self.blobs.entry((c.key.clone(), name)).or_insert(body);
        }
        self.list(&c.key);
        for envelope in c.send {
            self.letters += 1;
            let waiting = Waiting { lane: envelope.lane, ready: envelope.not_before.max(now), body: envelope.body };
            self.inbox.entry(envelope.to.clone()).or_default().insert(self.letters, waiting);
            if self.leases.get(&envelope.to).is_some_and(|l| l.nonce.is_none()) {
                self.end_lease(&envelope.to);
            }
            self.list(&envelope.to);
        }
        Committed::Done
    }

    pub fn claim(&mut self, limit: usize, now: Time, lease: Span) -> Vec<Claim> {
        self.end_leases(now);
        let mut keys: Vec<Key> = Vec::new();
        let mut seen: BTreeSet<Key> = BTreeSet::new();
        // Lane by lane: what is ripe stands at the front of its lane.
        let mut lane = self.listed.first().map(|l| l.0);
        while let Some(at) = lane {
            let rest = (at, Time(i64::MIN), Key::Warning(WarningId(0)))..;
            let ripe = self.listed.range(rest).take_while(|(l, t, _)| *l == at && *t <= now);
            for (_, _, key) in ripe {
                if keys.len() >= limit {
                    break;
                }
                // One record may be listed for several reasons; the first is its best.
                if seen.insert(key.clone()) {
                    keys.push(key.clone());
                }
            }
            lane = self.next_lane(at);
        }
        let until = now + lease;
        keys.into_iter().map(|key| self.lease(key, now, until)).collect()
    }

    fn lease(&mut self, key: Key, now: Time, until: Time) -> Claim {
        self.unlist(&key);
        self.nonces += 1;
        self.leases.insert(key.clone(), Lease { until, nonce: Some(self.nonces), tip: self.letters });
        self.lease_ends.insert((until, key.clone()));
        let ripe = self.inbox.get(&key).into_iter().flatten().filter(|(_, w)| w.ready <= now);
        let inbox = ripe.take(MAX_LETTERS).map(|(seq, w)| Letter { seq: *seq, body: w.body.clone() }).collect();
        Claim { record: self.rows.get(&key).map(|r| r.record.clone()), inbox, nonce: self.nonces, key }
    }

    pub fn release(&mut self, key: &Key, nonce: u64, until: Time) {
        let Some(lease) = self.leases.get_mut(key).filter(|l| l.nonce == Some(nonce)) else { return };
        let newest = self.inbox.get(key).and_then(|i| i.keys().next_back());
        if newest.is_some_and(|seq| *seq > lease.tip) {
            // It came while the record was worked, and nobody has seen it.
            self.end_lease(key);
            return self.list(key);
        }
        self.lease_ends.remove(&(lease.until, key.clone()));
        lease.nonce = None;
        lease.until = until;
        self.lease_ends.insert((until, key.clone()));
        self.note(until);
    }

    pub fn next_due(&mut self, now: Time) -> Option<Time> {
        self.end_leases(now);
        let mut next = self.lease_ends.first().map(|(t, _)| *t);
        let mut lane = self.listed.first();
        while let Some((l, t, _)) = lane {
            next = Some(next.map_or(*t, |n| n.min(*t)));
            lane = self.next_lane(*l).and_then(|l| self.listed.range((l, Time(i64::MIN), Key::Warning(WarningId(0)))..).next());
        }
        self.told = next;
        self.earlier = false;
        next
    }

    pub fn forget_leases(&mut self) {
        self.end_leases(Time(i64::MAX));
    }

    /// The lane of the first entry behind all of `lane`'s.
    fn next_lane(&self, lane: Lane) -> Option<Lane> {
        let above = Lane(lane.0.checked_add(1)?);
        self.listed.range((above, Time(i64::MIN), Key::Warning(WarningId(0)))..).next().map(|l| l.0)
    }

    fn end_leases(&mut self, now: Time) {
        while let Some((_, key)) = self.lease_ends.first().filter(|(t, _)| *t <= now).cloned() {
            self.end_lease(&key);
            self.list(&key);
        }
    }

    /// Handed out, and not given back since.
    pub fn is_leased(&self, key: &Key) -> bool {
        self.leases.get(key).is_some_and(|l| l.nonce.is_some())
    }

    fn end_lease(&mut self, key: &Key) {
        if let Some(lease) = self.leases.remove(key) {
            self.lease_ends.remove(&(lease.until, key.clone()));
        }
    }

    fn reasons(&self, key: &Key) -> Vec<(Lane, Time, Key)> {
        let own = self.rows.get(key).and_then(|r| r.record.due.map(|d| (r.record.lane, d, key.clone())));
        let letters = self.inbox.get(key).into_iter().flatten().map(|(_, w)| (w.lane, w.ready, key.clone()));
        own.into_iter().chain(letters).collect()
    }

    pub fn list(&mut self, key: &Key) {
        if self.leases.contains_key(key) {
            return;
        }
        for reason in self.reasons(key) {
            self.note(reason.1);
            self.listed.insert(reason);
        }
    }

    fn unlist(&mut self, key: &Key) {
        for reason in self.reasons(key) {
            self.listed.remove(&reason);
        }
    }

    fn note(&mut self, due: Time) {
        if self.told.is_none_or(|told| due < told) {
            self.told = Some(due);
            self.earlier = true;
        }
    }
}

fn name_of(i: &Identity) -> (String, String, String) {
    (i.identifier.clone(), i.sender.clone(), i.issuer.clone())
}
