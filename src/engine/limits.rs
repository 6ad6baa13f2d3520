//! Provider accounts as the gateway sees them: rate (governor), requests and calls in flight, and
//! whether one is stopped. What a provider grants an account is shared out among the gateways that live
//! ([`Accounts::share_among`]), so that all together never take more; rates may start afresh with a process, the
//! limits per callee number are durable and live in the line (`core::line`).

use crate::{
    channel::{CalleeLimit, Provider},
    core::{
        ids::AttemptId,
        line::CalleeRule,
        phone::Phone,
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
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicI64, AtomicU32, Ordering},
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

/// Whoever does not know its part asks again after this; it is told every two seconds.
const UNHEARD: Span = Span::ms(500);

/// See [`Account::depth`].
const FORGOTTEN: Span = Span::secs(30);

/// One provider account with its guards.
pub struct Account {
    pub provider: Arc<dyn Provider>,
    pub callee_rules: Vec<CalleeRule>,
    limiter: RwLock<Limiter>,
    clock: EngineClock,
    /// This gateway's part of the account.
    part: RwLock<Part>,
    in_flight: AtomicU32,
    calls: Mutex<HashMap<AttemptId, Ringing>>,
    /// When they were last looked at.
    looked: AtomicI64,
    /// How many were told to come later since the last that was let through.
    behind: AtomicU32,
    stopped: Mutex<Option<(Time, String)>>,
    /// Attempts that were to leave and found no slot, and when they were last seen to wait.
    waiting: Mutex<HashMap<AttemptId, Time>>,
}

/// A gateway's part of what a provider grants an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// How many gateways share it; at least 1.
    pub gateways: u32,
    /// Which of them this one is, from 0: where something cannot be divided, the first have one more.
    pub rank: u32,
    /// Holds no longer than this: who has not heard of the others for so long (it was stopped, or cut off) takes
    /// nothing, because they have shared its part out among themselves.
    pub until: Time,
}
impl Part {
    /// The whole, for a gateway that is alone with its store.
    pub const WHOLE: Part = Part { gateways: 1, rank: 0, until: Time(i64::MAX) };

    /// This gateway's part of what there is for all: together exactly so much, so one's part may be nothing.
    fn of(self, all: u32) -> u32 {
        let n = self.gateways.max(1);
        all / n + u32::from(self.rank < all % n)
    }
}

/// See [`Account::calls_to_look_at`].
const LOOK_AGAIN: Span = Span::ms(500);

/// A call that this gateway placed.
struct Ringing {
    phone: Phone,
    /// Over by then, whatever is heard.
    until: Time,
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
        let callee_rules = l.per_callee.iter().map(|CalleeLimit { count, window }| CalleeRule { count: *count, window: *window }).collect();
        Account {
            limiter: RwLock::new(limiter(l.per_second, Part::WHOLE, &clock)),
            callee_rules,
            provider,
            clock,
            part: RwLock::new(Part::WHOLE),
            in_flight: AtomicU32::new(0),
            calls: Mutex::new(HashMap::new()),
            looked: AtomicI64::new(0),
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
        if now >= self.part().until {
            return Err(UNHEARD);
        }
        if self.in_flight.load(Ordering::Relaxed) >= self.share(self.provider.limits().in_flight) {
            return Err(Span::ms(20));
        }
        if self.provider.channel() == Channel::Voice && self.calls_in_flight(now) >= self.share(self.provider.limits().concurrent_calls) {
            return Err(Span::secs(2));
        }
        let checked = self.limiter.read().unwrap_or_else(PoisonError::into_inner).check();
        match checked {
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
                let turn = i64::from(place) * 1000 / i64::from(self.share(self.provider.limits().per_second).max(1));
                Err(Span::ms((wait.as_millis() as i64).max(1) + turn.min(5_000)))
            }
        }
    }

    fn part(&self) -> Part {
        *self.part.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// This gateway's part of what the account grants to all.
    fn share(&self, of_all: u32) -> u32 {
        self.part().of(of_all)
    }

    fn calls(&self) -> MutexGuard<'_, HashMap<AttemptId, Ringing>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call leaves; it is over by `until` even if nobody says so.
    pub fn call_began(&self, lead: AttemptId, phone: &Phone, until: Time) {
        self.calls().insert(lead, Ringing { phone: phone.clone(), until });
    }
    pub fn call_over(&self, lead: AttemptId) {
        self.calls().remove(&lead);
    }
    fn calls_in_flight(&self, now: Time) -> u32 {
        let mut calls = self.calls();
        calls.retain(|_, c| c.until > now);
        calls.len() as u32
    }
    /// The calls this gateway believes to ring, where others may have heard that they are over; now and
    /// then, however many wait for a line.
    pub fn calls_to_look_at(&self, now: Time) -> Vec<(AttemptId, Phone)> {
        let looked = self.looked.load(Ordering::Relaxed);
        if self.part().gateways < 2 || now < Time(looked) + LOOK_AGAIN {
            return Vec::new();
        }
        self.looked.store(now.0, Ordering::Relaxed);
        self.calls().iter().map(|(lead, c)| (*lead, c.phone.clone())).collect()
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

/// A part of the account's rate.
fn limiter(per_second: u32, part: Part, clock: &EngineClock) -> Limiter {
    let gateways = part.gateways.max(1);
    let quota = if per_second >= gateways {
        let rate = NonZeroU32::new(part.of(per_second)).unwrap_or(NonZeroU32::MIN);
        // A tenth of a second's worth at once: providers count by the second, bursts hurt.
        Quota::per_second(rate).allow_burst(NonZeroU32::new(rate.get() / 10).unwrap_or(NonZeroU32::MIN))
    } else {
        // Less than one a second each.
        let period = Duration::from_millis(1000 * u64::from(gateways) / u64::from(per_second.max(1)));
        Quota::with_period(period).unwrap_or(Quota::per_second(NonZeroU32::MIN))
    };
    RateLimiter::direct_with_clock(quota, clock.clone())
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
    /// From now on this gateway takes this part of every account.
    pub fn share_among(&self, part: Part) {
        for a in &self.all {
            let before = std::mem::replace(&mut *a.part.write().unwrap_or_else(PoisonError::into_inner), part);
            if (before.gateways, before.rank) != (part.gateways, part.rank) {
                let fresh = limiter(a.provider.limits().per_second, part, &a.clock);
                // What may leave at once has left by the old part, maybe this very moment.
                while fresh.check().is_ok() {}
                *a.limiter.write().unwrap_or_else(PoisonError::into_inner) = fresh;
            }
        }
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

/// An account without a provider, for tests of this and of who shares it.
#[cfg(test)]
pub(super) mod testing {
    use super::*;
    use crate::{
        channel::{AccountLimits, Address, CallbackItem, CallbackReply, Lookup, Message, SendRequest},
        core::ids::{CalloutId, WarningId},
    };

    struct Voice(AccountLimits);
    #[async_trait::async_trait]
    impl Provider for Voice {
        fn account(&self) -> &str {
            "voice"
        }
        fn channel(&self) -> Channel {
            Channel::Voice
        }
        fn limits(&self) -> &AccountLimits {
            &self.0
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

    pub fn with(per_second: u32, concurrent_calls: u32, now: Arc<dyn Fn() -> Time + Send + Sync>) -> Accounts {
        let limits = AccountLimits { per_second, in_flight: 1000, concurrent_calls, per_callee: Vec::new() };
        Accounts::new(vec![Arc::new(Voice(limits))], now)
    }
    pub fn accounts(per_second: u32, now: Arc<dyn Fn() -> Time + Send + Sync>) -> Accounts {
        with(per_second, 1_000, now)
    }
    pub fn attempt(n: u16) -> AttemptId {
        AttemptId { callout: CalloutId::new(WarningId(1), 0), n }
    }
    /// How many requests leave at this very moment.
    pub fn burst(all: &Accounts, now: Time) -> usize {
        (0..1000).map_while(|n| all.all[0].slot(attempt(n), now).ok()).count()
    }
}

#[cfg(test)]
mod tests {
    use super::{testing::attempt, *};

    fn accounts(per_second: u32, concurrent_calls: u32) -> Accounts {
        testing::with(per_second, concurrent_calls, Arc::new(|| NOW))
    }
    const NOW: Time = Time(1_000_000);

    /// How many requests leave at this very moment.
    fn burst(a: &Arc<Account>) -> usize {
        (0..1000).filter_map(|n| a.slot(attempt(n), NOW).ok()).count()
    }

    #[test]
    fn gateways_share_the_rate_of_an_account_evenly() {
        let all = accounts(900, 1000);
        assert_eq!(burst(&all.all[0]), 90, "a tenth of a second's worth");
        let all = accounts(900, 1000);
        all.share_among(part(3, 0));
        assert_eq!(burst(&all.all[0]), 30);
        all.share_among(part(2000, 1999));
        assert_eq!(burst(&all.all[0]), 1, "less than one a second each, yet not none");
    }

    fn part(gateways: u32, rank: u32) -> Part {
        Part { gateways, rank, until: Time(i64::MAX) }
    }

    #[test]
    fn all_parts_together_are_the_whole_and_never_more() {
        for all in [0, 1, 2, 7, 100, 256, u32::MAX] {
            for n in 1..=8 {
                let sum: u64 = (0..n).map(|rank| u64::from(part(n, rank).of(all))).sum();
                assert_eq!(sum, u64::from(all), "{all} among {n}");
            }
        }
        // One call at a time is one call at a time, however many gateways there are.
        let taken = |rank| {
            let all = accounts(10_000, 1);
            all.share_among(part(3, rank));
            let a = &all.all[0];
            let first = a.slot(attempt(1), NOW).is_ok();
            a.call_began(attempt(1), &Phone::parse("15400000001").unwrap(), NOW + Span::mins(2));
            usize::from(first) + usize::from(a.slot(attempt(2), NOW).is_ok())
        };
        assert_eq!([0, 1, 2].map(taken), [1, 0, 0]);
    }

    #[test]
    fn who_has_not_heard_of_the_others_takes_nothing_until_it_has() {
        let all = accounts(900, 1000);
        all.share_among(Part { until: NOW, ..part(2, 0) });
        assert_eq!(burst(&all.all[0]), 0);
        all.share_among(Part { until: NOW + Span::ms(1), ..part(2, 0) });
        assert_eq!(burst(&all.all[0]), 45);
    }

    #[test]
    fn calls_hold_their_lines_until_they_are_over_or_their_time_is() {
        let all = accounts(10_000, 4);
        all.share_among(part(2, 0));
        let a = &all.all[0];
        let phone = Phone::parse("15400000001").unwrap();
        a.call_began(attempt(1), &phone, NOW + Span::mins(2));
        a.call_began(attempt(2), &phone, NOW + Span::mins(2));
        assert!(a.slot(attempt(3), NOW).is_err(), "half of the four lines is ours");
        assert_eq!((a.depth(NOW), a.calls_to_look_at(NOW).len()), (1, 2));
        assert!(a.calls_to_look_at(NOW).is_empty(), "now and then");
        a.call_over(attempt(1));
        a.call_over(attempt(9));
        assert!(a.slot(attempt(3), NOW).is_ok());
        assert_eq!(a.depth(NOW), 0);
        a.call_began(attempt(3), &phone, NOW + Span::mins(2));
        assert!(a.slot(attempt(4), NOW).is_err());
        assert!(a.slot(attempt(4), NOW + Span::mins(2)).is_ok(), "nobody said that they are over");
    }
}
