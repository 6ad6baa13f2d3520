//! Account limits in configuration: whatever is not written keeps the provider's documented default.

use super::{AccountLimits, CalleeLimit};
use crate::core::{
    line::{DIGIT_REST, Hours},
    time::Span,
};
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

/// The keys that are written over `defaults`.
///
/// # Errors
/// An unknown key or a value of another type.
pub fn over<'de, D: Deserializer<'de>>(d: D, defaults: AccountLimits) -> Result<AccountLimits, D::Error> {
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
    AccountLimits { per_second: 5000, in_flight: 256, concurrent_calls: u32::MAX, per_callee: vec![CalleeLimit::of(50, Span::hours(24))] }
}

/// Aliyun voice: 100 calls a second for a user; 1 in a minute, 5 in an hour, 20 in 24 h for a number.
pub fn aliyun_voice() -> AccountLimits {
    AccountLimits {
        per_second: 100,
        in_flight: 64,
        concurrent_calls: 200,
        per_callee: vec![CalleeLimit::of(1, Span::mins(1)), CalleeLimit::of(5, Span::hours(1)), CalleeLimit::of(20, Span::hours(24))],
    }
}

/// Tencent SMS: 3,000 requests a second; 1 of the same content in 30 s and 10 messages in 24 h for a number (set in its
/// console).
pub fn tencent_sms() -> AccountLimits {
    AccountLimits {
        per_second: 3000,
        in_flight: 256,
        concurrent_calls: u32::MAX,
        per_callee: vec![CalleeLimit::alike(1, Span::secs(30)), CalleeLimit::of(10, Span::hours(24))],
    }
}

/// Tencent voice notices: 20 requests a second; 1 in 30 s, 2 in 10 min, 5 in 24 h for a number, and 1 between 22:00
/// and 08:00. All of them can be raised in its console before a flood season, and then are written here.
pub fn tencent_voice() -> AccountLimits {
    AccountLimits {
        per_second: 20,
        in_flight: 20,
        concurrent_calls: 100,
        per_callee: vec![
            CalleeLimit::of(1, Span::secs(30)),
            CalleeLimit::of(2, Span::mins(10)),
            CalleeLimit::of(5, Span::hours(24)),
            CalleeLimit { hours: Some(Hours { from: 22 * 60, to: 8 * 60 }), ..CalleeLimit::of(1, Span::hours(24)) },
        ],
    }
}

/// Huawei SMS: 15 in a minute, 50 in 24 h for a number, of the same content 2 in 59 s and 5 in 59 min; its rate for an
/// account is set by contract.
pub fn huawei_sms() -> AccountLimits {
    AccountLimits {
        per_second: 100,
        in_flight: 64,
        concurrent_calls: u32::MAX,
        per_callee: vec![
            CalleeLimit::of(15, Span::mins(1)),
            CalleeLimit::of(50, Span::hours(24)),
            CalleeLimit::alike(2, Span::secs(59)),
            CalleeLimit::alike(5, Span::mins(59)),
        ],
    }
}

/// Twilio SMS: it queues what its numbers cannot send at once, so the queue is kept short here; no
/// limit of one callee.
pub fn twilio_sms() -> AccountLimits {
    AccountLimits { per_second: 10, in_flight: 50, concurrent_calls: u32::MAX, per_callee: Vec::new() }
}

/// Twilio voice: 1 call a second unless raised; no limit of one callee.
pub fn twilio_voice() -> AccountLimits {
    AccountLimits { per_second: 1, in_flight: 10, concurrent_calls: 50, per_callee: Vec::new() }
}

/// A carrier's line: what contracts for a small SP number give; 50 notices in 24 h for a number, as filters go.
pub fn smpp_sms() -> AccountLimits {
    AccountLimits { per_second: 20, in_flight: 16, concurrent_calls: u32::MAX, per_callee: vec![CalleeLimit::of(50, Span::hours(24))] }
}

/// SMTP: what an office mail server bears; no limit for one mailbox.
pub fn email() -> AccountLimits {
    AccountLimits { per_second: 20, in_flight: 4, concurrent_calls: u32::MAX, per_callee: Vec::new() }
}

/// DingTalk robot: 20 messages a minute to its group.
pub fn dingtalk_robot() -> AccountLimits {
    robot(vec![CalleeLimit::of(20, Span::mins(1))])
}

/// WeCom robot: 20 messages a minute to its group.
pub fn wecom_robot() -> AccountLimits {
    robot(vec![CalleeLimit::of(20, Span::mins(1))])
}

/// Feishu robot: 100 messages a minute and 5 a second to its group.
pub fn feishu_robot() -> AccountLimits {
    robot(vec![CalleeLimit::of(5, Span::secs(1)), CalleeLimit::of(100, Span::mins(1))])
}

/// A robot's callee is its group, and one message is under way at a time.
fn robot(per_callee: Vec<CalleeLimit>) -> AccountLimits {
    AccountLimits { per_second: 1, in_flight: 1, concurrent_calls: u32::MAX, per_callee }
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
/// For `#[serde(deserialize_with)]`: the written keys over [`tencent_sms`].
pub fn over_tencent_sms<'de, D: Deserializer<'de>>(d: D) -> Result<AccountLimits, D::Error> {
    over(d, tencent_sms())
}
/// For `#[serde(deserialize_with)]`: the written keys over [`tencent_voice`].
pub fn over_tencent_voice<'de, D: Deserializer<'de>>(d: D) -> Result<AccountLimits, D::Error> {
    over(d, tencent_voice())
}
/// For `#[serde(deserialize_with)]`: the written keys over [`huawei_sms`].
pub fn over_huawei_sms<'de, D: Deserializer<'de>>(d: D) -> Result<AccountLimits, D::Error> {
    over(d, huawei_sms())
}
/// For `#[serde(deserialize_with)]`: the written keys over [`smpp_sms`].
pub fn over_smpp_sms<'de, D: Deserializer<'de>>(d: D) -> Result<AccountLimits, D::Error> {
    over(d, smpp_sms())
}
/// For `#[serde(deserialize_with)]`: the written keys over [`twilio_sms`].
pub fn over_twilio_sms<'de, D: Deserializer<'de>>(d: D) -> Result<AccountLimits, D::Error> {
    over(d, twilio_sms())
}
/// For `#[serde(deserialize_with)]`: the written keys over [`twilio_voice`].
pub fn over_twilio_voice<'de, D: Deserializer<'de>>(d: D) -> Result<AccountLimits, D::Error> {
    over(d, twilio_voice())
}
/// For `#[serde(deserialize_with)]`: the written keys over [`dingtalk_robot`].
pub fn over_dingtalk_robot<'de, D: Deserializer<'de>>(d: D) -> Result<AccountLimits, D::Error> {
    over(d, dingtalk_robot())
}
/// For `#[serde(deserialize_with)]`: the written keys over [`wecom_robot`].
pub fn over_wecom_robot<'de, D: Deserializer<'de>>(d: D) -> Result<AccountLimits, D::Error> {
    over(d, wecom_robot())
}
/// For `#[serde(deserialize_with)]`: the written keys over [`feishu_robot`].
pub fn over_feishu_robot<'de, D: Deserializer<'de>>(d: D) -> Result<AccountLimits, D::Error> {
    over(d, feishu_robot())
}

/// A request leaves within 7.5 s of its intent and is of unknown fate after 15 s: one that waited longer than the rest of it
/// would be answered when it has been sent again.
pub fn request_timeout_fault(timeout: Span) -> Option<String> {
    (timeout < Span::secs(1) || timeout > Span::secs(7)).then(|| {
        "request_timeout: 1s to 7s; shorter makes sent messages look unknown, longer outlives the 15 s after which they count as such"
            .into()
    })
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
        if (c.count == 0 && c.hours.is_none()) || c.window <= Span::ZERO {
            faults.push(format!("limits.per_callee[{i}]: count and window must be above 0"));
        }
        if c.window > DIGIT_REST {
            faults.push(format!("limits.per_callee[{i}]: what was sent to a number is remembered for 24h; a longer window cannot be kept"));
        }
    }
    faults
}
