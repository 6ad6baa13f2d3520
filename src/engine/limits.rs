//! Provider accounts as the gateway sees them: rate (governor), requests and calls in flight, and
//! whether one is stopped. Rates are of this process and may start afresh; the limits per callee
//! number are durable and live in the line (`core::line`).

use crate::{
    channel::{CalleeLimit, Provider},
    core::{
        ids::AttemptId,
        line::CalleeRule,
        send::{Channel, Outcome},
        time::{Span, Time},
    },
};
use governor::{
    Quota, RateLimiter,
    clock::{Clock as GovernorClock, Reference},
    middleware::NoOpMiddleware,
    nanos::Nanos,
    state::{InMemoryState, NotKeyed},
};
use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

/// governor on the engine's own time, so that a simulation rates what it simulates.
#[derive(Clone)]
pub struct EngineClock(Arc<dyn Fn() -> Time + Send + Sync>);
impl GovernorClock for EngineClock {
    type Instant = Nanos;
    fn now(&self) -> Nanos {
        Nanos::from(Duration::from_millis((self.0)().0.max(0) as u64))
    }
}

type Limiter = RateLimiter<NotKeyed, InMemoryState, EngineClock, NoOpMiddleware<Nanos>>;

/// A stopped account is tried again after this long; an operator may be quicker.
const STOPPED_FOR: Span = Span::secs(30);

/// See [`Account::depth`].
const FORGOTTEN: Span = Span::secs(30);

/// One provider account with its guards.
pub struct Account {
    pub provider: Arc<dyn Provider>,
    pub callee_rules: Vec<CalleeRule>,
    limiter: Limiter,
    clock: EngineClock,
    in_flight: AtomicU32,
    calls: AtomicU32,
    /// How many were told to come later since the last that was let through.
    behind: AtomicU32,
    stopped: Mutex<Option<(Time, String)>>,
    /// Attempts that were to leave and found no slot, and when they were last seen to wait.
    waiting: Mutex<HashMap<AttemptId, Time>>,
}

/// A slot given back when dropped.
pub struct InFlight(Arc<Account>);
impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Account {
    fn new(provider: Arc<dyn Provider>, clock: EngineClock) -> Account {
        let l = provider.limits();
        let per_second = NonZeroU32::new(l.per_second.max(1)).unwrap_or(NonZeroU32::MIN);
        // A tenth of a second's worth at once: providers count by the second, bursts hurt.
        let burst = NonZeroU32::new((l.per_second / 10).max(1)).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_second(per_second).allow_burst(burst);
        let callee_rules = l.per_callee.iter().map(|CalleeLimit { count, window }| CalleeRule { count: *count, window: *window }).collect();
        Account {
            limiter: RateLimiter::direct_with_clock(quota, clock.clone()),
            callee_rules,
            provider,
            clock,
            in_flight: AtomicU32::new(0),
            calls: AtomicU32::new(0),
            behind: AtomicU32::new(0),
            stopped: Mutex::new(None),
            waiting: Mutex::new(HashMap::new()),
        }
    }

    pub fn name(&self) -> &str {
        self.provider.account()
    }

    /// A slot for this attempt now; else when to come back.
    pub fn slot(self: &Arc<Self>, attempt: AttemptId, now: Time) -> Result<InFlight, Span> {
        let slot = self.take(now);
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        match &slot {
            Ok(_) if waiting.is_empty() => {}
            Ok(_) => drop(waiting.remove(&attempt)),
            Err(_) => drop(waiting.insert(attempt, now)),
        }
        slot
    }

    /// How many attempts wait for this account. One not seen for half a minute was withdrawn, or is
    /// another gateway's.
    pub fn depth(&self, now: Time) -> u64 {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|_, seen| *seen + FORGOTTEN > now);
        waiting.len() as u64
    }

    fn take(self: &Arc<Self>, now: Time) -> Result<InFlight, Span> {
        if self.in_flight.load(Ordering::Relaxed) >= self.provider.limits().in_flight {
            return Err(Span::ms(20));
        }
        if self.provider.channel() == Channel::Voice && self.calls.load(Ordering::Relaxed) >= self.provider.limits().concurrent_calls {
            return Err(Span::secs(2));
        }
        let _ = now;
        match self.limiter.check() {
            Ok(()) => {
                self.in_flight.fetch_add(1, Ordering::Relaxed);
                self.behind.store(0, Ordering::Relaxed);
                Ok(InFlight(self.clone()))
            }
            Err(not_until) => {
                // Each gets a later place, so that a crowd does not come back at once and again at once,
                // and lower lanes have their turn.
                let place = self.behind.fetch_add(1, Ordering::Relaxed);
                let wait: Duration = not_until.earliest_possible().duration_since(self.clock.now()).into();
                let turn = i64::from(place) * 1000 / i64::from(self.provider.limits().per_second.max(1));
                Err(Span::ms((wait.as_millis() as i64).max(1) + turn.min(5_000)))
            }
        }
    }

    pub fn call_began(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }
    pub fn call_over(&self) {
        let _ = self.calls.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
    }

    /// Learns from an outcome. Answers true when the account has just gone down or come up.
    pub fn learn(&self, outcome: &Outcome, now: Time) -> bool {
        let mut stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Outcome::Config { detail } | Outcome::Balance { detail } => {
                let news = stopped.is_none();
                *stopped = Some((now + STOPPED_FOR, format!("{}: {detail}", outcome.class())));
                news
            }
            Outcome::Accepted { .. } => stopped.take().is_some(),
            _ => false,
        }
    }

    /// Why it is stopped; `None` when it may be used (again).
    pub fn stopped(&self, now: Time) -> Option<String> {
        let stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        stopped.as_ref().filter(|(until, _)| *until > now).map(|(_, why)| why.clone())
    }
}

/// All accounts, in the order of preference within a channel.
pub struct Accounts {
    all: Vec<Arc<Account>>,
}
impl Accounts {
    pub fn new(providers: Vec<Arc<dyn Provider>>, now: Arc<dyn Fn() -> Time + Send + Sync>) -> Accounts {
        let clock = EngineClock(now);
        Accounts { all: providers.into_iter().map(|p| Arc::new(Account::new(p, clock.clone()))).collect() }
    }
    pub fn all(&self) -> &[Arc<Account>] {
        &self.all
    }
    pub fn named(&self, name: &str) -> Option<&Arc<Account>> {
        self.all.iter().find(|a| a.name() == name)
    }
    pub fn has(&self, channel: Channel) -> bool {
        self.all.iter().any(|a| a.provider.channel() == channel)
    }
    /// The account to use for a channel: the first that is not stopped; with all stopped, the first,
    /// because a send that fails loudly is better than none.
    pub fn choose(&self, channel: Channel, now: Time) -> Option<&Arc<Account>> {
        let mut of_channel = self.all.iter().filter(|a| a.provider.channel() == channel);
        let first = of_channel.clone().next();
        of_channel.find(|a| a.stopped(now).is_none()).or(first)
    }
}
