//! Account limits in configuration: whatever is not written keeps the provider's documented default.

use super::{AccountLimits, CalleeLimit};
use crate::core::time::Span;
use serde::{Deserialize, Deserializer};

/// `[provider.NAME.limits]`: every key optional.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Overrides {
    per_second: Option<u32>,
    in_flight: Option<u32>,
    concurrent_calls: Option<u32>,
    per_callee: Option<Vec<CalleeLimit>>,
}

fn over<'de, D: Deserializer<'de>>(d: D, defaults: AccountLimits) -> Result<AccountLimits, D::Error> {
    let o = Overrides::deserialize(d)?;
    Ok(AccountLimits {
        per_second: o.per_second.unwrap_or(defaults.per_second),
        in_flight: o.in_flight.unwrap_or(defaults.in_flight),
        concurrent_calls: o.concurrent_calls.unwrap_or(defaults.concurrent_calls),
        per_callee: o.per_callee.unwrap_or(defaults.per_callee),
    })
}

/// Aliyun SMS: 5,000 requests a second for a user; 50 notices in 24 h for a number.
pub fn aliyun_sms() -> AccountLimits {
    AccountLimits {
        per_second: 5000,
        in_flight: 256,
        concurrent_calls: u32::MAX,
        per_callee: vec![CalleeLimit { count: 50, window: Span::hours(24) }],
    }
}

/// Aliyun voice: 100 calls a second for a user; 1 in a minute, 5 in an hour, 20 in 24 h for a number.
pub fn aliyun_voice() -> AccountLimits {
    AccountLimits {
        per_second: 100,
        in_flight: 64,
        concurrent_calls: 200,
        per_callee: vec![
            CalleeLimit { count: 1, window: Span::mins(1) },
            CalleeLimit { count: 5, window: Span::hours(1) },
            CalleeLimit { count: 20, window: Span::hours(24) },
        ],
    }
}

/// SMTP: what an office mail server bears; no limit for one mailbox.
pub fn email() -> AccountLimits {
    AccountLimits { per_second: 20, in_flight: 4, concurrent_calls: u32::MAX, per_callee: Vec::new() }
}

/// For `#[serde(deserialize_with)]`: the written keys over [`aliyun_sms`].
pub fn over_aliyun_sms<'de, D: Deserializer<'de>>(d: D) -> Result<AccountLimits, D::Error> {
    over(d, aliyun_sms())
}
/// For `#[serde(deserialize_with)]`: the written keys over [`aliyun_voice`].
pub fn over_aliyun_voice<'de, D: Deserializer<'de>>(d: D) -> Result<AccountLimits, D::Error> {
    over(d, aliyun_voice())
}
/// For `#[serde(deserialize_with)]`: the written keys over [`email`].
pub fn over_email<'de, D: Deserializer<'de>>(d: D) -> Result<AccountLimits, D::Error> {
    over(d, email())
}

/// What is wrong with limits, as `key: reason`.
pub fn faults(limits: &AccountLimits) -> Vec<String> {
    let mut faults = Vec::new();
    for (key, value) in [("per_second", limits.per_second), ("in_flight", limits.in_flight), ("concurrent_calls", limits.concurrent_calls)]
    {
        if value == 0 {
            faults.push(format!("limits.{key}: 0 would send nothing at all"));
        }
    }
    for (i, c) in limits.per_callee.iter().enumerate() {
        if c.count == 0 || c.window <= Span::ZERO {
            faults.push(format!("limits.per_callee[{i}]: count and window must be above 0"));
        }
    }
    faults
}
