//! An account without a provider, for tests of accounts and of who shares them.

use super::*;
use crate::{
    channel::{AccountLimits, Address, CallbackItem, CallbackReply, Lookup, Message, SendRequest},
    core::{
        directory::Tier,
        hazard::Level,
        ids::{CalloutId, WarningId},
        send::Outcome,
    },
};

struct Plain(&'static str, AccountLimits, Channel);
#[async_trait::async_trait]
impl Provider for Plain {
    fn account(&self) -> &str {
        self.0
    }
    fn channel(&self) -> Channel {
        self.2
    }
    fn limits(&self) -> &AccountLimits {
        &self.1
    }
    async fn send(&self, _: &SendRequest) -> Outcome {
        Outcome::Unknown { detail: String::new() }
    }
    async fn lookup(&self, _: &str, _: &Address, _: Time) -> Lookup {
        Lookup::NotFound
    }
    fn read_callback(&self, _: Option<&str>, _: &[u8]) -> Result<Vec<CallbackItem>, String> {
        Ok(Vec::new())
    }
    fn callback_reply(&self, _: bool) -> CallbackReply {
        CallbackReply { status: 200, content_type: "text/plain", body: String::new() }
    }
    fn check_message(&self, _: &Message) -> Result<(), String> {
        Ok(())
    }
}

pub fn with(channel: Channel, per_second: u32, concurrent_calls: u32, now: Arc<dyn Fn() -> Time + Send + Sync>) -> Accounts {
    let limits = AccountLimits { per_second, in_flight: 1000, concurrent_calls, per_callee: Vec::new() };
    Accounts::new(vec![Arc::new(Plain("plain", limits, channel))], now)
}
/// SMS accounts by name and weight, at 100 a second each, as the gateway `me` sees them.
pub fn named(me: &str, weights: &[(&'static str, u32)], now: Arc<dyn Fn() -> Time + Send + Sync>) -> Accounts {
    let limits = || AccountLimits { per_second: 100, in_flight: 1000, concurrent_calls: 1, per_callee: Vec::new() };
    let plain = |(name, _): &(&'static str, u32)| Arc::new(Plain(name, limits(), Channel::Sms)) as Arc<dyn Provider>;
    let weights_of = weights.iter().map(|(name, weight)| (name.to_string(), *weight)).collect();
    Accounts::configured(weights.iter().map(plain).collect(), &weights_of, me, 1.0, now)
}
pub fn attempt(n: u16) -> AttemptId {
    AttemptId { callout: CalloutId::new(WarningId(1), 0), n }
}
pub fn red(n: u16) -> Priority {
    Priority::of(Level::Red, false, Some(Tier::Village), u32::from(n), None)
}
/// How many requests leave at this very moment.
pub fn burst(a: &Arc<Account>, now: Time) -> usize {
    (0..1000).map_while(|n| a.slot(attempt(n), red(n), now).inspect_err(|_| a.forget(attempt(n))).ok()).count()
}
