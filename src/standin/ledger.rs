//! The stand-in's own count of what it accepted: the independent witness when somebody asks whether
//! a message was lost or sent twice.
//!
//! Split into shards by phone and by OutId, so that two cores do not wait for each other.

use crate::core::send::Channel;
use serde::Serialize;
use std::{
    collections::{BTreeMap, HashMap},
    hash::{BuildHasher, RandomState},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

const SHARDS: usize = 64;

/// One accepted message or call.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sent {
    /// Which provider took it.
    pub vendor: &'static str,
    pub channel: Channel,
    pub phone: Box<str>,
    pub out_id: Box<str>,
    /// Template or StartCode.
    pub template: Box<str>,
    /// A hash of the template with what fills it, or of the text.
    #[serde(skip)]
    pub says: u64,
    /// The number inside BizId or CallId.
    pub id: u64,
    /// When it was accepted, milliseconds since 1970.
    pub at: i64,
    /// When its fate is sealed, milliseconds since 1970.
    pub done_at: i64,
    /// `DELIVERED`, another receipt code, or a call's status code.
    pub code: &'static str,
}

#[derive(Default)]
struct PhoneLog {
    /// Requests of any fate: the `n` of the dice.
    requests: u32,
    sent: Vec<Sent>,
}

/// A limit of one number: at most `count` of these in `window_ms`; `message` is what the provider says then.
#[derive(Clone, Copy, Debug)]
pub struct Wall {
    pub of: Of,
    pub count: usize,
    pub window_ms: i64,
    pub message: &'static str,
}

/// What a wall counts together.
#[derive(Clone, Copy, Debug)]
pub enum Of {
    All,
    Template,
    /// What says the same.
    Text,
}

pub struct Ledger {
    phones: Vec<Mutex<HashMap<Box<str>, PhoneLog>>>,
    out_ids: Vec<Mutex<HashMap<Box<str>, u32>>>,
    calls: Mutex<HashMap<u64, Box<str>>>,
    hasher: RandomState,
    ids: AtomicU64,
}

fn locked<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ledger {
    pub fn new() -> Ledger {
        Ledger {
            phones: (0..SHARDS).map(|_| Mutex::default()).collect(),
            out_ids: (0..SHARDS).map(|_| Mutex::default()).collect(),
            calls: Mutex::default(),
            hasher: RandomState::new(),
            ids: AtomicU64::new(1),
        }
    }

    fn shard<'a, T>(&self, shards: &'a [Mutex<T>], key: &str) -> MutexGuard<'a, T> {
        // The remainder is always within the vector.
        locked(&shards[self.hasher.hash_one(key) as usize % SHARDS])
    }

    /// A new number for a BizId, CallId or sequence_id.
    pub fn next_id(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }

    /// A request for this phone came in; its ordinal, from 0.
    pub fn request(&self, phone: &str) -> u32 {
        let mut shard = self.shard(&self.phones, phone);
        match shard.get_mut(phone) {
            Some(log) => {
                log.requests += 1;
                log.requests - 1
            }
            None => {
                shard.insert(phone.into(), PhoneLog { requests: 1, sent: Vec::new() });
                0
            }
        }
    }

    /// What stands for a text, in [`Sent::says`].
    pub fn says<'a>(&self, template: &str, variables: impl IntoIterator<Item = (&'a String, &'a String)>, text: Option<&str>) -> u64 {
        self.hasher.hash_one((template, variables.into_iter().collect::<Vec<_>>(), text))
    }

    /// Records an acceptance, unless one of `walls` stands against it (counted over the same channel). The wall's message is
    /// the error.
    pub fn accept(&self, sent: Sent, walls: &[Wall]) -> Result<(), &'static str> {
        {
            let mut shard = self.shard(&self.phones, &sent.phone);
            if !walls.is_empty()
                && let Some(log) = shard.get(&sent.phone)
            {
                for wall in walls {
                    let counted = |s: &&Sent| {
                        s.vendor == sent.vendor
                            && s.channel == sent.channel
                            && match wall.of {
                                Of::All => true,
                                Of::Template => s.template == sent.template,
                                Of::Text => s.says == sent.says,
                            }
                            && s.at > sent.at - wall.window_ms
                    };
                    if log.sent.iter().filter(counted).count() >= wall.count {
                        return Err(wall.message);
                    }
                }
            }
            if sent.channel == Channel::Voice {
                locked(&self.calls).insert(sent.id, sent.phone.clone());
            }
            if !sent.out_id.is_empty() {
                let mut out_ids = self.shard(&self.out_ids, &sent.out_id);
                match out_ids.get_mut(&sent.out_id) {
                    Some(n) => *n += 1,
                    None => {
                        out_ids.insert(sent.out_id.clone(), 1);
                    }
                }
            }
            match shard.get_mut(&sent.phone) {
                Some(log) => log.sent.push(sent),
                None => {
                    shard.insert(sent.phone.clone(), PhoneLog { requests: 1, sent: vec![sent] });
                }
            }
        }
        Ok(())
    }

    /// Whether a call to this phone is under way at `now`.
    pub fn in_call(&self, phone: &str, now: i64) -> bool {
        self.shard(&self.phones, phone)
            .get(phone)
            .is_some_and(|log| log.sent.iter().rev().any(|s| s.channel == Channel::Voice && s.done_at > now))
    }

    /// What was accepted for a phone, newest first.
    pub fn of_phone(&self, phone: &str) -> Vec<Sent> {
        let mut sent = self.shard(&self.phones, phone).get(phone).map(|log| log.sent.clone()).unwrap_or_default();
        sent.reverse();
        sent
    }

    /// A call by the number inside its CallId.
    pub fn call(&self, id: u64) -> Option<Sent> {
        let phone = locked(&self.calls).get(&id).cloned()?;
        self.of_phone(&phone).into_iter().find(|s| s.channel == Channel::Voice && s.id == id)
    }

    /// Everything accepted, by phone.
    pub fn sent(&self) -> Vec<Sent> {
        let mut all: Vec<Sent> = Vec::new();
        for shard in &self.phones {
            all.extend(locked(shard).values().flat_map(|log| log.sent.iter().cloned()));
        }
        all.sort_by(|a, b| (&a.phone, a.id).cmp(&(&b.phone, b.id)));
        all
    }

    pub fn summary(&self) -> Summary {
        let mut s = Summary::default();
        for shard in &self.phones {
            for log in locked(shard).values() {
                s.by_phone.distinct += u64::from(!log.sent.is_empty());
                s.by_phone.most = s.by_phone.most.max(log.sent.len() as u64);
                for sent in &log.sent {
                    match sent.channel {
                        Channel::Voice => s.voice += 1,
                        _ => s.sms += 1,
                    }
                }
            }
        }
        for shard in &self.out_ids {
            let shard = locked(shard);
            s.by_out_id.distinct += shard.len() as u64;
            s.by_out_id.duplicates.extend(shard.iter().filter(|(_, n)| **n > 1).map(|(id, n)| (id.to_string(), *n)));
        }
        s
    }
}
impl Default for Ledger {
    fn default() -> Self {
        Ledger::new()
    }
}

/// Sums for `GET /_standin/counts`.
#[derive(Debug, Default, Serialize)]
pub struct Summary {
    pub sms: u64,
    pub voice: u64,
    pub by_out_id: ByOutId,
    pub by_phone: ByPhone,
}
#[derive(Debug, Default, Serialize)]
pub struct ByOutId {
    pub distinct: u64,
    /// OutIds accepted more than once, and how often.
    pub duplicates: BTreeMap<String, u32>,
}
#[derive(Debug, Default, Serialize)]
pub struct ByPhone {
    pub distinct: u64,
    /// The most that one number got.
    pub most: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(channel: Channel, phone: &str, out_id: &str, id: u64, at: i64) -> Sent {
        Sent {
            vendor: "aliyun",
            channel,
            phone: phone.into(),
            out_id: out_id.into(),
            template: "T".into(),
            says: 0,
            id,
            at,
            done_at: at + 10,
            code: "DELIVERED",
        }
    }

    #[test]
    fn what_was_accepted_twice_is_told_by_out_id() {
        let l = Ledger::new();
        for (phone, out_id, id) in [("a", "1", 1), ("b", "2", 2), ("a", "1", 3), ("a", "", 4)] {
            l.accept(sent(Channel::Sms, phone, out_id, id, 0), &[]).unwrap();
        }
        let s = l.summary();
        assert_eq!((s.sms, s.voice, s.by_out_id.distinct, s.by_phone.distinct, s.by_phone.most), (4, 0, 2, 2, 3));
        assert_eq!(s.by_out_id.duplicates, BTreeMap::from([("1".to_string(), 2)]));
        assert_eq!(l.sent().iter().map(|s| s.id).collect::<Vec<_>>(), [1, 3, 4, 2]);
        assert_eq!((l.request("c"), l.request("c"), l.of_phone("a")[0].id), (0, 1, 4));
    }

    #[test]
    fn a_wall_refuses_the_call_past_its_count_until_the_window_has_gone_by() {
        let l = Ledger::new();
        let walls = [
            Wall { of: Of::All, count: 1, window_ms: 60_000, message: "minute" },
            Wall { of: Of::All, count: 2, window_ms: 3_600_000, message: "hour" },
        ];
        assert!(l.accept(sent(Channel::Voice, "a", "1", 1, 0), &walls).is_ok());
        assert_eq!(l.accept(sent(Channel::Voice, "a", "2", 2, 59_000), &walls), Err("minute"));
        assert!(l.accept(sent(Channel::Voice, "a", "3", 3, 61_000), &walls).is_ok());
        assert_eq!(l.accept(sent(Channel::Voice, "a", "4", 4, 200_000), &walls), Err("hour"));
        assert!(l.accept(sent(Channel::Sms, "a", "5", 5, 200_000), &walls).is_ok(), "another channel");
        let alike = [Wall { of: Of::Text, count: 1, window_ms: 30_000, message: "alike" }];
        let says = |id: u64, n: &str, at: i64| {
            let variables = BTreeMap::from([("n".to_string(), n.to_string())]);
            Sent { says: l.says("T", &variables, None), ..sent(Channel::Sms, "b", "", id, at) }
        };
        assert!(l.accept(says(6, "1", 0), &alike).is_ok() && l.accept(says(7, "2", 1), &alike).is_ok());
        assert_eq!(l.accept(says(8, "1", 2), &alike), Err("alike"));
        assert!(l.accept(says(9, "1", 30_001), &alike).is_ok());
        assert!(l.in_call("a", 61_005) && !l.in_call("a", 61_011));
        assert_eq!(l.call(3).unwrap().out_id.as_ref(), "3");
        assert!(l.call(99).is_none());
    }
}
