//! Which accounts may carry an attempt, in order of choice; what outcomes say of them. Every decision is `core::route`'s;
//! here is what this gateway holds in memory of it.

use super::limits::{Account, Accounts, InFlight};
use crate::{
    channel::MessageKind,
    core::{
        ids::AttemptId,
        priority::Priority,
        route::{
            self, Door, Routes, Use,
            figures::Figures,
            standing::{Breaker, Happened, Standing},
        },
        send::{Channel, Outcome},
        time::{Span, Time},
    },
};
use std::sync::{Arc, MutexGuard, PoisonError};

/// Said where a callee number's limits keep a message back.
pub(super) const QUOTA: &str = "运营商对该号码的频次限制";
/// An account that has room only after so long is passed over for another that has it now.
const SPILL: Span = Span::ms(500);
/// Accounts of this rank and above are stopped.
const LAST_RESORT: u8 = 5;

/// What an account is, in memory.
#[derive(Default)]
pub(super) struct State {
    pub standing: Standing,
    pub figures: Figures,
    /// The half-open time whose one attempt has left already.
    tried: Option<Time>,
}

/// What is to be sent, as far as the choice looks at it.
pub(super) struct Wish<'a> {
    pub channel: Channel,
    pub seed: AttemptId,
    pub failed_by: &'a [String],
    /// Not by this one, whatever is left.
    pub never: Option<&'a str>,
    pub kind: MessageKind,
    pub drill: bool,
}

/// An account that may carry it.
pub struct Candidate {
    pub account: Arc<Account>,
    /// See [`route::order`].
    rank: u8,
    trial: bool,
    /// It is stopped while others work: asked only where none of those can send this.
    pub last: bool,
}

/// Why nothing leaves now.
pub(super) enum NotNow {
    /// No account has room for so long.
    Slot(Span),
    /// The number's limits, until then; and the same where they outlast the next rung.
    Quota(Time),
    Outlasted(Time),
    /// No account can send this.
    Never(String),
}

/// What was found while candidates were asked one after the other.
#[derive(Default)]
pub(super) struct Turns {
    waits: Option<(Span, u8)>,
    /// Accounts where it waits for room.
    asked: Vec<Arc<Account>>,
    unfit: Option<String>,
}
impl Turns {
    /// Room for this attempt at this account. Where it has room soon, the others are not asked: the weights stand.
    pub fn slot(&mut self, c: &Candidate, attempt: AttemptId, priority: Priority, now: Time) -> Option<InFlight> {
        if self.waits.is_some_and(|(wait, rank)| wait < SPILL || c.rank != rank) {
            return None;
        }
        if c.last && self.unfit.is_none() {
            return None;
        }
        match c.account.slot(attempt, priority, now) {
            // Another attempt tries it already.
            Ok(_) if c.trial && !c.account.takes_trial() => None,
            Ok(slot) => {
                // It waits for no other any more.
                self.asked.drain(..).for_each(|a| a.forget(attempt));
                Some(slot)
            }
            // One that is tried has no right to keep those that work waiting.
            Err(_) if c.trial => {
                c.account.forget(attempt);
                None
            }
            Err(wait) => {
                self.asked.push(c.account.clone());
                self.waits = Some(self.waits.map_or((wait, c.rank), |(w, r)| (w.min(wait), r)));
                None
            }
        }
    }
    /// Its templates do not fit; the next one is asked.
    pub fn unfit(&mut self, c: &Candidate, attempt: AttemptId, why: String) {
        if c.trial {
            c.account.gives_trial_back();
        }
        tracing::warn!(%attempt, account = c.account.name(), %why, "an account cannot send this message; another is asked");
        self.unfit = Some(why);
    }
    pub fn not_now(self, attempt: AttemptId) -> NotNow {
        match (self.waits, self.unfit) {
            (Some((wait, _)), _) => NotNow::Slot(wait),
            (None, Some(why)) => {
                tracing::error!(%attempt, %why, "a message does not fit the templates of any account");
                NotNow::Never(why)
            }
            // Its only candidate was a trial that another attempt has begun.
            (None, None) => NotNow::Slot(SPILL),
        }
    }
}

impl Account {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
    pub fn standing(&self) -> Standing {
        self.state().standing.clone()
    }

    /// Whether it is used.
    pub fn works(&self) -> bool {
        let s = self.state();
        s.standing.is_up() && s.standing.disabled.is_none()
    }

    /// Why it is not used; `None` when it is.
    pub fn stopped(&self) -> Option<String> {
        let s = self.state();
        match (&s.standing.disabled, s.standing.is_up()) {
            (Some(order), _) => Some(format!("由{}停用", order.by)),
            (None, false) => Some(s.standing.why.clone()),
            (None, true) => None,
        }
    }

    /// What it may be used for, and its weight as its health leaves it.
    fn used(&self, me: &str, now: Time) -> (Use, u32) {
        let s = self.state();
        let used = match &s.standing.breaker {
            _ if s.standing.disabled.is_some() => Use::Disabled,
            _ if s.standing.pinned(now) => Use::Pinned,
            Breaker::Closed => Use::Open,
            Breaker::HalfOpen { by, until, asked: false, .. } if by == me && *until > now && s.tried != Some(s.standing.since) => {
                Use::Trial
            }
            _ => Use::Stopped,
        };
        (used, s.standing.effective(self.weight))
    }

    /// One attempt tries a half-open account.
    fn takes_trial(&self) -> bool {
        let mut s = self.state();
        let since = s.standing.since;
        s.tried.replace(since) != Some(since)
    }

    /// Nothing left: another attempt may try it.
    fn gives_trial_back(&self) {
        self.state().tried = None;
    }

    /// Learns from a request's outcome; what it answers is to be written down.
    pub fn learn(&self, outcome: &Outcome, seconds: f64, now: Time) -> Option<Happened> {
        if let Outcome::Throttled { whole_account: true, .. } = outcome {
            self.slower(now);
        }
        let mut s = self.state();
        let up = s.standing.is_up();
        let happened = s.figures.sent(outcome, seconds, up, now)?;
        // At once, so that nothing more leaves by it; the record follows.
        let changed = s.standing.happened(&happened, now).changed;
        if changed && matches!(happened, Happened::Took { .. }) {
            // What it failed while it was down says nothing of what it does from now on.
            s.figures = s.figures.anew();
        }
        changed.then_some(happened)
    }

    /// The same from a receipt.
    pub(super) fn learn_receipt(&self, arrived: bool, now: Time) -> Option<Happened> {
        let mut s = self.state();
        let happened = s.figures.receipt(arrived, now)?;
        s.standing.happened(&happened, now).changed.then_some(happened)
    }

    fn slower(&self, now: Time) {
        let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = pace.too_fast(now);
        drop(pace);
        if changed {
            tracing::warn!(account = self.name(), "the provider is sent to too fast; the pace is halved");
            self.new_gate();
        }
    }
}

impl Accounts {
    /// The accounts that may carry it, the best first: those that have a template for it where any has, the stopped ones
    /// last.
    pub(super) fn candidates(&self, wish: &Wish<'_>, now: Time) -> Vec<Candidate> {
        let may = |a: &&Arc<Account>| a.provider.channel() == wish.channel && wish.never != Some(a.name());
        let of_channel: Vec<&Arc<Account>> = self.all().iter().filter(may).collect();
        let knows = |a: &&Arc<Account>| a.provider.knows_wording(wish.kind, wish.drill, "", None);
        let able: Vec<&Arc<Account>> = of_channel.iter().copied().filter(knows).collect();
        let able = if able.is_empty() { of_channel } else { able };
        let used: Vec<(Use, u32)> = able.iter().map(|a| a.used(&self.me, now)).collect();
        let doors: Vec<Door<'_>> =
            able.iter().zip(&used).map(|(a, (used, weight))| Door { name: a.name(), weight: *weight, used: *used }).collect();
        let order = route::order(route::seed(wish.seed), &doors, wish.failed_by);
        let any_works = order.first().is_some_and(|(_, rank)| *rank < LAST_RESORT);
        let mut out = Vec::with_capacity(order.len());
        for (i, rank) in order {
            if let (Some(account), Some((used, _))) = (able.get(i), used.get(i)) {
                let last = any_works && rank >= LAST_RESORT;
                out.push(Candidate { account: (*account).clone(), rank, trial: *used == Use::Trial, last });
            }
        }
        out
    }

    /// The accounts' names in order of choice for an attempt, as [`Accounts::candidates`] has them.
    pub fn in_order(&self, channel: Channel, attempt: AttemptId, failed_by: &[String], now: Time) -> Vec<String> {
        let wish = Wish { channel, seed: attempt, failed_by, never: None, kind: MessageKind::Callout, drill: false };
        self.candidates(&wish, now).iter().filter(|c| !c.last).map(|c| c.account.name().to_string()).collect()
    }

    /// Those that carry what is sent now: of each channel the pinned one, else those with a weight, else the spares.
    pub fn carriers(&self, now: Time) -> Vec<&Arc<Account>> {
        let working: Vec<&Arc<Account>> = self.all().iter().filter(|a| a.works()).collect();
        let pinned = |a: &Account| a.standing().pinned(now);
        let carries = |a: &&&Arc<Account>| {
            let same = || working.iter().filter(|b| b.provider.channel() == a.provider.channel());
            match (same().any(|b| pinned(b)), same().any(|b| b.weight > 0)) {
                (true, _) => pinned(a),
                (false, true) => a.weight > 0,
                (false, false) => true,
            }
        };
        working.iter().filter(carries).copied().collect()
    }

    /// What callouts see of the accounts now.
    pub fn routes(&self) -> Routes<'_> {
        let bit = |(k, a): (usize, &Arc<Account>)| u64::from(a.works()).checked_shl(k as u32).unwrap_or(0);
        Routes { all: &self.routes, working: self.all().iter().enumerate().take(64).map(bit).sum() }
    }

    /// Other accounts of this one's channel that work.
    pub fn others(&self, account: &Account) -> Vec<String> {
        let channel = account.provider.channel();
        let other = |a: &&Arc<Account>| a.provider.channel() == channel && a.name() != account.name() && a.works();
        self.all().iter().filter(other).map(|a| a.name().to_string()).collect()
    }
}

#[cfg(test)]
mod tests;
