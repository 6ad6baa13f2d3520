//! How a request fares before its content is looked at, whichever provider is played.

use super::{Shared, chance};
use crate::core::time::Span;
use std::time::Duration;

/// What the dice say; each provider has its own words for it.
pub(super) enum Throw {
    Good {
        wait: Duration,
    },
    /// Taken or not, no reply comes.
    Lost {
        taken: bool,
    },
    /// 503 before anything was taken.
    Refused,
    /// 500; nothing was taken.
    Failed,
    /// The number's limit.
    Limited,
    /// The code that the settings have for this number.
    Code(String),
}

/// Throws the dice for one request to one phone.
pub(super) fn throw(s: &Shared, phone: &str) -> Throw {
    let b = &s.settings.behaviour;
    if b.is_flawless() {
        return Throw::Good { wait: s.scaled(b.latency) };
    }
    if let Some(code) = b.codes.get(phone) {
        Shared::count(&s.tallies.rejected);
        return Throw::Code(code.clone());
    }
    let n = s.ledger.request(phone);
    let happens = |share: f64, what: &str| chance::happens(share, b.seed, phone, n, what);
    if happens(b.refused_share, "refused") {
        Shared::count(&s.tallies.refused);
        return Throw::Refused;
    }
    if happens(b.error_share, "error") {
        Shared::count(&s.tallies.errors);
        return Throw::Failed;
    }
    if happens(b.limit_share, "limit") {
        Shared::count(&s.tallies.limited);
        return Throw::Limited;
    }
    if happens(b.lost_share, "lost") {
        let taken = happens(b.lost_taken_share, "taken");
        Shared::count(if taken { &s.tallies.lost_taken } else { &s.tallies.lost_dropped });
        return Throw::Lost { taken };
    }
    let slow = if happens(b.slow_share, "slow") { b.slow_latency } else { Span::ZERO };
    let spread = Span((b.latency_spread.0 as f64 * chance::roll(b.seed, phone, n, "latency")) as i64);
    Throw::Good { wait: s.scaled(Span(b.latency.0.saturating_add(spread.0).saturating_add(slow.0))) }
}
