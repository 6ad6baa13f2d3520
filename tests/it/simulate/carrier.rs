//! The providers' side: what they took, and callbacks in a shape of our own. They never send by
//! themselves: the simulation carries each request and decides its fate.

use super::bugs::Bug;
use async_trait::async_trait;
use jiaoying::{
    channel::{AccountLimits, Address, CallbackItem, CallbackReply, CalleeLimit, Lookup, Message, Provider, ReceiptResult, SendRequest},
    core::{
        send::{Channel, Outcome},
        time::{Span, Time},
    },
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

/// What a provider holds of one request.
#[derive(Clone, Debug)]
pub struct Held {
    /// A look-up finds it.
    pub findable: bool,
    pub delivered: Option<bool>,
}

/// What the providers took, by our reference.
#[derive(Default)]
pub struct Carrier {
    pub held: Mutex<BTreeMap<String, Held>>,
}

/// One scripted account.
pub struct Script {
    account: &'static str,
    channel: Channel,
    limits: AccountLimits,
    carrier: Arc<Carrier>,
    bug: Option<Bug>,
}

impl Script {
    pub fn new(
        account: &'static str,
        channel: Channel,
        per_callee: Vec<CalleeLimit>,
        carrier: &Arc<Carrier>,
        bug: Option<Bug>,
        lines: u32,
    ) -> Arc<Script> {
        let limits = AccountLimits { per_second: 500, in_flight: 200, concurrent_calls: lines, per_callee };
        Arc::new(Script { account, channel, limits, carrier: carrier.clone(), bug })
    }

    /// The same with room for everybody at once.
    pub fn roomy(account: &'static str, channel: Channel, carrier: &Arc<Carrier>) -> Arc<Script> {
        let limits = AccountLimits { per_second: 1_000_000, in_flight: 100_000, concurrent_calls: 100_000, per_callee: vec![] };
        Arc::new(Script { account, channel, limits, carrier: carrier.clone(), bug: None })
    }
}

/// Aliyun's shape of limits, roomy enough for a night.
pub fn callee_limits() -> Vec<CalleeLimit> {
    vec![CalleeLimit::of(5, Span::mins(1)), CalleeLimit::of(40, Span::hours(1))]
}

#[async_trait]
impl Provider for Script {
    fn account(&self) -> &str {
        self.account
    }
    fn channel(&self) -> Channel {
        self.channel
    }
    fn limits(&self) -> &AccountLimits {
        &self.limits
    }
    async fn send(&self, _: &SendRequest) -> Outcome {
        unreachable!("the simulation carries the requests itself")
    }
    async fn lookup(&self, reference: &str, _: &Address, _: Time) -> Lookup {
        match self.carrier.held.lock().unwrap().get(reference) {
            Some(h) if h.findable => Lookup::Found {
                provider_message_id: Some(format!("m-{reference}")),
                result: match h.delivered {
                    Some(true) => ReceiptResult::Delivered,
                    Some(false) => ReceiptResult::Failed {
                        code: "UNDELIV".into(),
                        detail: String::new(),
                        number_dead: false,
                        config: false,
                        elsewhere: false,
                    },
                    None => ReceiptResult::Waiting,
                },
            },
            _ => Lookup::NotFound,
        }
    }
    fn read_callback(&self, _: Option<&str>, body: &[u8]) -> Result<Vec<CallbackItem>, String> {
        let mut items: Vec<CallbackItem> = serde_json::from_slice(body).map_err(|e| e.to_string())?;
        if let Some(b) = self.bug {
            items.iter_mut().for_each(|i| b.misread_callback(i));
        }
        Ok(items)
    }
    fn callback_reply(&self, ok: bool) -> CallbackReply {
        CallbackReply { status: if ok { 200 } else { 503 }, content_type: "application/json", body: "{}".into() }
    }
    fn check_message(&self, _: &Message) -> Result<(), String> {
        Ok(())
    }
}
