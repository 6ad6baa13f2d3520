//! How an account stands: health in steps, a breaker, an operator's orders. Kept durably ([`Board`], one record for all
//! accounts) and written only when something changes, never for a send.
//!
//! The breaker: closed; open for a while after failures in a row, or stopped by the provider for its configuration or
//! balance; then half-open, while one attempt at a time, of one gateway, tries it. Where the provider has a harmless
//! query, that is asked first: no person waits for a provider that cannot be reached. That a query is answered proves
//! that the provider is reachable, not that it sends again, so it ends only what a query began ([`Cause`]).

use crate::core::time::{Span, Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An account's part of its weight at each step of health, percent.
pub const STEPS: [u32; 5] = [100, 70, 45, 25, 10];
/// Where an account begins again after an outage: its share grows as it proves itself.
pub const AFTER_OUTAGE: u8 = 3;
/// Open so long at first; doubled each time the trial fails.
pub const OPEN_FOR: Span = Span::secs(30);
/// Never longer than this.
pub const OPEN_MOST: Span = Span::mins(10);
/// A half-open account nobody sent anything by is looked at again after this.
pub const TRIAL_LAPSES: Span = Span::secs(60);
/// A query is answered by then, or not at all.
pub const PROBE_LAPSES: Span = Span::secs(20);
/// Idle accounts are asked this often.
pub const PROBE_EVERY: Span = Span::mins(5);
/// One that did not answer is asked again sooner; after so many silences in a row it is broken.
pub const PROBE_AGAIN: Span = Span::secs(30);
pub const SILENCES: u8 = 3;

/// Why a breaker opened; what it takes to close it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The provider takes nothing (configuration, balance): an attempt must get through.
    Stopped,
    /// Attempts failed: an attempt must get through.
    #[default]
    Sends,
    /// Its query was not answered while nobody sent; or after failures nobody sent anything that could try it, for a whole
    /// trial. An answered query is enough.
    Query,
}

/// The breaker of one account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Breaker {
    #[default]
    Closed,
    /// Nothing is sent by it while another account works.
    Open {
        until: Time,
        #[serde(default)]
        cause: Cause,
        /// How often a trial has failed since.
        round: u8,
    },
    /// One attempt of gateway `by` tries it; `asked`: first a query is waited for.
    HalfOpen {
        by: String,
        until: Time,
        asked: bool,
        #[serde(default)]
        cause: Cause,
        round: u8,
    },
}

/// What an operator ordered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    pub by: String,
    pub at: Time,
    /// A pin may end by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
}

/// How one account stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Standing {
    pub breaker: Breaker,
    /// Index into [`STEPS`].
    #[serde(skip_serializing_if = "is_zero")]
    pub step: u8,
    /// Since when breaker and step are as they are.
    pub since: Time,
    /// Why, in one line; empty where nothing was ever wrong.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub why: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pinned: Option<Order>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disabled: Option<Order>,
    /// When it is asked next, although nothing is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probe_at: Option<Time>,
    /// Queries in a row without an answer.
    #[serde(skip_serializing_if = "is_zero")]
    pub silences: u8,
}

fn is_zero(n: &u8) -> bool {
    *n == 0
}

/// What can happen to an account.
#[derive(Clone, Debug, PartialEq)]
pub enum Happened {
    /// Config or balance: the provider takes nothing more.
    Stopped {
        why: String,
    },
    /// Failures in a row.
    Broke {
        why: String,
    },
    /// It failed the attempt that tried it, which left at `left`.
    Failed {
        why: String,
        left: Time,
    },
    /// It took a request that left at `left`.
    Took {
        left: Time,
    },
    /// Its figures of the last while are bad, or good.
    Worse {
        why: String,
    },
    Better,
    /// A query was answered, or not.
    Probed {
        ok: bool,
        why: String,
    },
    /// The clock: `can_probe` says whether it has a query; `traffic`: it was used lately, so that it need not be asked.
    Clock {
        by: String,
        can_probe: bool,
        traffic: bool,
    },
    Pin(Option<Order>),
    Disable(Option<Order>),
}

/// What everybody must hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    Down,
    Up,
}

/// What came of a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turned {
    /// Something is to be written.
    pub changed: bool,
    pub news: Option<News>,
    /// Its query is to be asked now.
    pub probe: bool,
}
const CHANGED: Turned = Turned { changed: true, news: None, probe: false };

impl Standing {
    pub fn is_up(&self) -> bool {
        self.breaker == Breaker::Closed
    }

    /// Its weight as its health leaves it, in hundredths; never 0 for one that has a weight.
    pub fn effective(&self, weight: u32) -> u32 {
        weight.saturating_mul(STEPS[usize::from(self.step).min(STEPS.len() - 1)])
    }

    pub fn pinned(&self, now: Time) -> bool {
        self.pinned.as_ref().is_some_and(|p| p.until.is_none_or(|t| t > now))
    }

    /// When its clock must be looked at.
    pub fn due(&self) -> Option<Time> {
        let breaker = match &self.breaker {
            Breaker::Closed => self.probe_at,
            Breaker::Open { until, .. } | Breaker::HalfOpen { until, .. } => Some(*until),
        };
        let pin = self.pinned.as_ref().and_then(|p| p.until);
        breaker.into_iter().chain(pin).min()
    }

    /// THE function: what happened → how it stands, and what is to be done.
    pub fn happened(&mut self, what: &Happened, now: Time) -> Turned {
        match what {
            Happened::Stopped { why } => self.open(Cause::Stopped, why, now),
            Happened::Broke { why } if self.is_up() => self.open(Cause::Sends, why, now),
            Happened::Failed { why, left } => match &self.breaker {
                // What left before is no trial.
                Breaker::HalfOpen { cause: Cause::Stopped, .. } if *left >= self.since => self.open(Cause::Stopped, why, now),
                Breaker::HalfOpen { .. } if *left >= self.since => self.open(Cause::Sends, why, now),
                // Used as a last resort, and in vain: now a query proves nothing any more.
                Breaker::Open { cause: Cause::Query, until, round } if *left >= self.since => {
                    self.breaker = Breaker::Open { cause: Cause::Sends, until: *until, round: *round };
                    CHANGED
                }
                _ => Turned::default(),
            },
            Happened::Took { left } if !self.is_up() && *left >= self.since => self.close(now),
            Happened::Worse { why } if self.is_up() && usize::from(self.step) + 1 < STEPS.len() => {
                self.set(self.step + 1, why, now);
                CHANGED
            }
            Happened::Better if self.is_up() && self.step > 0 => {
                let why = if self.step == 1 { String::new() } else { self.why.clone() };
                self.set(self.step - 1, &why, now);
                CHANGED
            }
            Happened::Probed { ok, why } => self.probed(*ok, why, now),
            Happened::Clock { by, can_probe, traffic } => self.clock(by, *can_probe, *traffic, now),
            Happened::Pin(order) if self.pinned != *order => {
                self.pinned.clone_from(order);
                CHANGED
            }
            Happened::Disable(order) if self.disabled.is_some() != order.is_some() => {
                self.disabled.clone_from(order);
                CHANGED
            }
            _ => Turned::default(),
        }
    }

    fn set(&mut self, step: u8, why: &str, now: Time) {
        self.step = step;
        self.why = why.to_string();
        self.since = now;
    }

    fn open(&mut self, cause: Cause, why: &str, now: Time) -> Turned {
        let stops = cause == Cause::Stopped;
        let (round, news) = match &self.breaker {
            Breaker::Closed => (0, Some(News::Down)),
            // What was under way when it stopped says the same again; one that is broken may turn out to be stopped.
            Breaker::Open { cause: Cause::Stopped, .. } => return Turned::default(),
            Breaker::Open { .. } if !stops => return Turned::default(),
            Breaker::Open { round, .. } => (*round, None),
            Breaker::HalfOpen { round, .. } => (round.saturating_add(1), None),
        };
        let wait = Span((OPEN_FOR.0 << u32::from(round.min(10))).min(OPEN_MOST.0));
        self.breaker = Breaker::Open { until: now + wait, cause, round };
        self.silences = 0;
        self.set(self.step, why, now);
        Turned { news, ..CHANGED }
    }

    fn close(&mut self, now: Time) -> Turned {
        let stopped = matches!(self.breaker, Breaker::Open { cause: Cause::Stopped, .. } | Breaker::HalfOpen { cause: Cause::Stopped, .. });
        self.breaker = Breaker::Closed;
        self.silences = 0;
        self.probe_at = self.probe_at.map(|_| now + PROBE_EVERY);
        // A balance that was filled up says nothing of the health.
        let step = if stopped { self.step } else { self.step.max(AFTER_OUTAGE) };
        let why = if step > 0 { "恢复后逐步放量" } else { "" };
        self.set(step, why, now);
        Turned { news: Some(News::Up), ..CHANGED }
    }

    fn probed(&mut self, ok: bool, why: &str, now: Time) -> Turned {
        match &self.breaker {
            Breaker::HalfOpen { asked: true, cause: Cause::Query, .. } if ok => self.close(now),
            Breaker::HalfOpen { asked: true, by, cause, round, .. } if ok => {
                self.breaker = Breaker::HalfOpen { by: by.clone(), until: now + TRIAL_LAPSES, asked: false, cause: *cause, round: *round };
                self.since = now;
                CHANGED
            }
            Breaker::HalfOpen { asked: true, cause, .. } => self.open(*cause, why, now),
            Breaker::Closed if ok && self.silences > 0 => {
                self.silences = 0;
                CHANGED
            }
            Breaker::Closed if !ok => {
                self.silences = self.silences.saturating_add(1);
                if self.silences >= SILENCES {
                    return self.open(Cause::Query, why, now);
                }
                self.probe_at = Some(now + PROBE_AGAIN);
                CHANGED
            }
            _ => Turned::default(),
        }
    }

    fn clock(&mut self, by: &str, can_probe: bool, traffic: bool, now: Time) -> Turned {
        let mut turned = Turned::default();
        if self.pinned.as_ref().is_some_and(|p| p.until.is_some_and(|t| t <= now)) {
            self.pinned = None;
            turned.changed = true;
        }
        match &self.breaker {
            Breaker::Open { until, cause, round } | Breaker::HalfOpen { until, cause, round, .. } if *until <= now => {
                // A trial that nobody's attempt made use of: no use to say for ever that it is broken.
                let unused = matches!(self.breaker, Breaker::HalfOpen { asked: false, cause: Cause::Sends, .. });
                let cause = if unused { Cause::Query } else { *cause };
                let until = now + if can_probe { PROBE_LAPSES } else { TRIAL_LAPSES };
                self.breaker = Breaker::HalfOpen { by: by.to_string(), until, asked: can_probe, cause, round: *round };
                self.since = now;
                turned = Turned { changed: true, probe: can_probe, ..turned };
            }
            Breaker::Closed => match (self.probe_at, can_probe) {
                (None, true) => {
                    self.probe_at = Some(now + PROBE_EVERY);
                    turned.changed = true;
                }
                (Some(_), false) => {
                    self.probe_at = None;
                    turned.changed = true;
                }
                (Some(at), true) if at <= now => {
                    self.probe_at = Some(now + PROBE_EVERY);
                    turned = Turned { changed: true, probe: !traffic && self.disabled.is_none(), ..turned };
                }
                _ => {}
            },
            _ => {}
        }
        turned
    }
}

/// All accounts, by name: the one record that gateways share.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Board {
    /// How often it was changed.
    pub n: u64,
    pub accounts: BTreeMap<String, Standing>,
}

/// Where a clock has passed for an account that this gateway does not have, another gateway is left so long to see to it.
const OTHERS: Span = Span::secs(60);

impl Board {
    pub fn of(&self, account: &str) -> Standing {
        self.accounts.get(account).cloned().unwrap_or_default()
    }
    /// When the record must be looked at next.
    pub fn due(&self, known: impl Fn(&str) -> bool, now: Time) -> Option<Time> {
        let at = |(name, s): (&String, &Standing)| s.due().map(|t| if known(name) { t } else { t.max(now + OTHERS) });
        self.accounts.iter().filter_map(at).min()
    }
}
