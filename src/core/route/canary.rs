//! Canary numbers (点名): numbers of the office's own that are rung and written to on a schedule by every account, so that
//! a dead account is found on a quiet day and not in the storm. Nothing of it counts in any warning's sums.
//!
//! The book is one durable record; whichever gateway has its lease rings. A ring is good once the provider has taken it and
//! told that it arrived (where it tells such things), bad when it refused it or when nothing is heard in time.

use crate::core::{
    ids::{AttemptId, CalloutId, WarningId},
    send::Outcome,
    time::{Span, Time},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// When canaries are rung.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Minutes of Beijing's day; empty: by `every`.
    pub times: Vec<u16>,
    pub every: Span,
    /// What came of it must be known by then.
    pub within: Span,
}
impl Schedule {
    /// The next ring after `now`.
    pub fn next(&self, now: Time) -> Time {
        self.times.iter().map(|m| now.next_beijing_minute(*m)).min().unwrap_or(now + self.every)
    }
}

/// One ring.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ring {
    pub at: Time,
    pub n: u16,
    /// In one line, once something is known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub outcome: String,
    /// The provider has taken it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub taken: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ok: Option<bool>,
    /// It says nothing of the account: the number's own limit, or our own delay.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub void: bool,
    pub by: Time,
}

/// One account's canary.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Canary {
    /// Its attempts' ordinal; no warning has the number 0.
    pub ordinal: u32,
    pub next: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<Ring>,
    /// In a row.
    pub failures: u8,
    pub rings: u16,
}
impl Canary {
    /// What came of the last ring; `None` while that is not known.
    pub fn ok(&self) -> Option<bool> {
        self.last.as_ref().and_then(|l| l.ok)
    }
    pub fn outcome(&self) -> &str {
        self.last.as_ref().map_or("", |l| l.outcome.as_str())
    }
    fn open(&self) -> Option<&Ring> {
        self.last.as_ref().filter(|l| l.ok.is_none() && !l.void)
    }
    fn is(&mut self, ok: bool, outcome: &str) {
        if let Some(l) = &mut self.last {
            (l.ok, l.outcome) = (Some(ok), outcome.to_string());
        }
        self.failures = if ok { 0 } else { self.failures.saturating_add(1) };
    }
}

/// All canaries, by account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CanaryBook {
    pub accounts: BTreeMap<String, Canary>,
}

/// A ring of a provider's field holds no greater number.
const MOST: u16 = 4000;

/// What came to be known of a canary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    pub account: String,
    pub ok: bool,
    pub why: String,
    /// In a row, this one included.
    pub failures: u8,
}

impl CanaryBook {
    /// Whether an attempt is a canary's rather than a warning's.
    pub fn is_one(attempt: AttemptId) -> bool {
        attempt.callout.warning == WarningId(0)
    }

    /// Accounts of the schedule without a place on the book get one; the first ring is at the next time, or soon. Answers whether
    /// anything changed.
    pub fn enrol<'a>(&mut self, accounts: impl Iterator<Item = &'a str>, schedule: &Schedule, now: Time) -> bool {
        let mut changed = false;
        for name in accounts {
            if !self.accounts.contains_key(name) {
                let ordinal = self.accounts.values().map(|c| c.ordinal + 1).max().unwrap_or(0);
                let next = if schedule.times.is_empty() { now + Span(schedule.every.0.min(60_000)) } else { schedule.next(now) };
                self.accounts.insert(name.to_string(), Canary { ordinal, next, ..Canary::default() });
                changed = true;
            }
        }
        changed
    }

    /// When the book must be looked at; accounts that are not `known` here wait for a gateway that has them.
    pub fn due(&self, known: impl Fn(&str) -> bool) -> Option<Time> {
        let of = |c: &Canary| c.open().map_or(c.next, |l| l.by.min(c.next));
        self.accounts.iter().filter(|(name, _)| known(name)).map(|(_, c)| of(c)).min()
    }

    /// Rings of which nothing was heard in time.
    pub fn overdue(&mut self, now: Time) -> Vec<Known> {
        let mut out = Vec::new();
        for (name, c) in &mut self.accounts {
            let Some(taken) = c.open().filter(|l| l.by <= now).map(|l| l.taken) else { continue };
            let why = if taken { "未收到回执" } else { "没有结果" };
            c.is(false, why);
            out.push(Known { account: name.clone(), ok: false, why: why.into(), failures: c.failures });
        }
        out
    }

    /// An account's turn, if it is: the attempt as its provider is to know it.
    pub fn ring(&mut self, account: &str, schedule: &Schedule, now: Time) -> Option<AttemptId> {
        let c = self.accounts.get_mut(account).filter(|c| c.next <= now)?;
        c.rings = c.rings % MOST + 1;
        c.next = schedule.next(now);
        let last = Ring { at: now, n: c.rings, outcome: String::new(), taken: false, ok: None, void: false, by: now + schedule.within };
        c.last = Some(last);
        Some(AttemptId { callout: CalloutId::new(WarningId(0), c.ordinal), n: c.rings })
    }

    /// Its turn passes: an operator took the account out.
    pub fn passes(&mut self, account: &str, schedule: &Schedule, now: Time) {
        if let Some(c) = self.accounts.get_mut(account).filter(|c| c.next <= now) {
            c.next = schedule.next(now);
        }
    }

    /// It could not even be tried.
    pub fn untried(&mut self, account: &str, why: &str) -> Option<Known> {
        let c = self.accounts.get_mut(account)?;
        c.is(false, why);
        Some(Known { account: account.to_string(), ok: false, why: why.to_string(), failures: c.failures })
    }

    fn of(&mut self, attempt: AttemptId) -> Option<(&String, &mut Canary)> {
        let open = |c: &Canary| c.ordinal == attempt.callout.ordinal && c.open().is_some_and(|l| l.n == attempt.n);
        self.accounts.iter_mut().find(|(_, c)| open(c))
    }

    /// What the provider made of the request. `receipts`: it tells later whether it arrived, which is waited for.
    /// `Some(None)`: noted, and not (yet) decided. Too many to this number, or to all, says nothing of the account's health.
    pub fn outcome(&mut self, attempt: AttemptId, outcome: &Outcome, receipts: bool) -> Option<Option<Known>> {
        if matches!(outcome, Outcome::Throttled { .. }) {
            return self.void(attempt, outcome.class()).map(|()| None);
        }
        let (name, c) = self.of(attempt)?;
        let waits = match outcome {
            Outcome::Accepted { .. } => receipts,
            // The receipt will tell.
            Outcome::Unknown { .. } => true,
            _ => false,
        };
        if waits {
            if let Some(l) = &mut c.last {
                l.taken = matches!(outcome, Outcome::Accepted { .. });
                l.outcome = outcome.class().to_string();
            }
            return Some(None);
        }
        let ok = matches!(outcome, Outcome::Accepted { .. });
        c.is(ok, outcome.class());
        Some(Some(Known { account: name.clone(), ok, why: outcome.class().to_string(), failures: c.failures }))
    }

    /// It proves nothing: the next one will.
    pub fn void(&mut self, attempt: AttemptId, why: &str) -> Option<()> {
        let last = self.of(attempt)?.1.last.as_mut()?;
        (last.void, last.outcome) = (true, why.to_string());
        Some(())
    }

    /// A receipt: it arrived, or the call ended as it should; or not.
    pub fn receipt(&mut self, attempt: AttemptId, ok: bool, said: &str) -> Option<Known> {
        let (name, c) = self.of(attempt)?;
        c.is(ok, said);
        Some(Known { account: name.clone(), ok, why: said.to_string(), failures: c.failures })
    }
}
