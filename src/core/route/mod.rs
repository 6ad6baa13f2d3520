//! Which account carries an attempt: accounts of a channel in order of choice, by weight, by health and by what
//! operators ordered.
//!
//! The choice is a hash of the attempt over the weights, so a seed is a trace: the same attempt under the same
//! weights goes the same way, and of many attempts each account gets its part. [`order`] puts the accounts in
//! order; the shell takes the first that can carry the message, and [`by_quota`] says what a number's own
//! limits leave of them.

use super::{ids::AttemptId, send::Channel, time::Time};

pub mod canary;
pub mod figures;
pub mod pace;
pub mod standing;
#[cfg(test)]
mod standing_tests;
#[cfg(test)]
mod tests;

/// What an account may be used for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Use {
    /// An operator wants everything to go by it.
    Pinned,
    /// Stopped a while ago; this one attempt tries whether it works again.
    Trial,
    Open,
    /// Stopped, or broken: only when nothing else is left, because a send that fails loudly is better than none.
    Stopped,
    /// An operator took it out: never.
    Disabled,
}

/// One account as the choice sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Door<'a> {
    pub name: &'a str,
    /// Its part of the traffic against the others'; 0: only when nothing else is left.
    pub weight: u32,
    pub used: Use,
}

/// How far down the list an account stands, before any weight: smaller is asked first.
fn rank(door: &Door<'_>, failed: bool) -> u8 {
    match (door.used, failed, door.weight) {
        (Use::Pinned, false, _) => 0,
        (Use::Trial, false, _) => 1,
        (Use::Open, false, 1..) => 2,
        (Use::Open, false, 0) => 3,
        // The one that just failed this attempt comes after all that did not, an operator's pin or not.
        (Use::Pinned | Use::Open | Use::Trial, true, _) => 4,
        (Use::Stopped, false, _) => 5,
        (Use::Stopped, true, _) => 6,
        (Use::Disabled, ..) => 7,
    }
}

/// The accounts in order of choice for the attempt that `seed` stands for, as indices of `doors`; disabled ones are
/// left out. `failed`: accounts that just failed this attempt. A number is given with each: accounts of the same one may
/// stand in for each other where the first has no room.
pub fn order(seed: u64, doors: &[Door<'_>], failed: &[String]) -> Vec<(usize, u8)> {
    let mut left: Vec<(usize, u8, u64)> = doors
        .iter()
        .enumerate()
        .map(|(i, d)| (i, rank(d, failed.iter().any(|f| f == d.name)), u64::from(d.weight)))
        .filter(|(_, rank, _)| *rank < 7)
        .collect();
    left.sort_by_key(|(i, rank, _)| (*rank, *i));
    let mut out = Vec::with_capacity(left.len());
    let mut draw = mix(seed);
    let mut rest = left.as_mut_slice();
    while let Some((_, rank, _)) = rest.first().copied() {
        let same = rest.iter().take_while(|(_, r, _)| *r == rank).count();
        // Where none has a weight (the last resorts), each is as good as the other.
        let all: u64 = rest.iter().take(same).map(|(.., w)| w).sum();
        let weight = |w: u64| if all == 0 { 1 } else { w };
        let mut at = draw % if all == 0 { same as u64 } else { all };
        let mut chosen = 0;
        for (k, (.., w)) in rest.iter().take(same).enumerate() {
            if at < weight(*w) {
                chosen = k;
                break;
            }
            at -= weight(*w);
        }
        draw = mix(draw);
        rest[..=chosen].rotate_right(1);
        out.push((rest[0].0, rank));
        rest = &mut rest[1..];
    }
    out
}

/// One account as a callout's decisions see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    pub account: String,
    pub channel: Channel,
    /// Tells later what became of a message.
    pub receipts: bool,
}

/// All accounts, and which of them work now. Copied into each decision, so that a step looks at nothing outside it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Routes<'a> {
    pub all: &'a [Route],
    /// Bit k: account k works. Accounts past the 64th are taken to work.
    pub working: u64,
}
impl Routes<'_> {
    fn works(&self, k: usize) -> bool {
        k >= 64 || self.working & (1 << k) != 0
    }
    /// Whether an account of this channel works that is none of these.
    pub fn another(&self, channel: Channel, than: &[&str]) -> bool {
        self.all.iter().enumerate().any(|(k, r)| r.channel == channel && self.works(k) && !than.contains(&r.account.as_str()))
    }
    /// Whether this account tells later what became of a message.
    pub fn reports(&self, account: &str) -> bool {
        self.all.iter().any(|r| r.account == account && r.receipts)
    }
}

/// The number that stands for an attempt in [`order`].
pub fn seed(a: AttemptId) -> u64 {
    mix(u64::from(a.callout.warning.0) << 33 | u64::from(a.callout.ordinal) << 12 | u64::from(a.n))
}

/// SplitMix64: every bit of the result depends on every bit of `n`.
pub fn mix(n: u64) -> u64 {
    let mut z = n.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// What a callee number's limits leave of the accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByQuota {
    /// By this one, a position of the list.
    Go(usize),
    /// None is free yet; one is before the next rung.
    Wait(Time),
    /// None is free before the next rung: waiting for one would be a silent gap. The time is when the first is.
    Outlasts(Time),
}

/// Chooses among accounts in order of choice, each with what [`crate::core::line::Line::quota`] says of it: the first that is
/// free. Where none is, a limit that is over before `rung` is waited for. `rung`: when the next rung is taken or the deadline
/// passes, whichever is first; `None` where nothing comes after.
pub fn by_quota(quotas: impl IntoIterator<Item = Result<(), Time>>, rung: Option<Time>) -> Option<ByQuota> {
    let mut first_free: Option<Time> = None;
    for (i, quota) in quotas.into_iter().enumerate() {
        match quota {
            Ok(()) => return Some(ByQuota::Go(i)),
            Err(until) => first_free = Some(first_free.map_or(until, |t| t.min(until))),
        }
    }
    first_free.map(|until| if rung.is_none_or(|r| until <= r) { ByQuota::Wait(until) } else { ByQuota::Outlasts(until) })
}
