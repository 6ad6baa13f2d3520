//! Provider accounts as the gateway sees them: rate (governor), requests and calls in flight, who waits, and
//! whether one is stopped. What a provider grants an account is shared out evenly among the gateways that
//! live ([`Accounts::share_among`]), so that all together never take more: all of them work the same queue, and a part
//! lent to a busy one could not be taken back before the next heartbeat. Rates may start afresh with a process, the limits per callee number are
//! durable and live in the line (`core::line`).

use super::{part::Part, waiting::Waiting};
use crate::{
    channel::{CalleeLimit, Provider},
    core::{
        ids::AttemptId,
        line::CalleeRule,
        phone::Phone,
        priority::Priority,
        send::{Channel, Outcome},
        time::{Span, Time},
    },
};
use governor::{
    Quota, RateLimiter,
    clock::{Clock as GovernorClock, Reference},
    middleware::StateInformationMiddleware,
    nanos::Nanos,
    state::{InMemoryState, NotKeyed},
};
use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, AtomicU32, Ordering},
    },
    time::Duration,
};

/// governor on the engine's own time, so that a simulation rates what it simulates.
#[derive(Clone)]
pub struct EngineClock(Arc<dyn Fn() -> Time + Send + Sync>);
impl EngineClock {
    fn time(&self) -> Time {
        (self.0)()
    }
}
impl GovernorClock for EngineClock {
    type Instant = Nanos;
    fn now(&self) -> Nanos {
        Nanos::from(Duration::from_millis(self.time().0.max(0) as u64))
    }
}

type Limiter = RateLimiter<NotKeyed, InMemoryState, EngineClock, StateInformationMiddleware>;

/// A stopped account is tried again after this long; an operator may be quicker.
const STOPPED_FOR: Span = Span::secs(30);
/// Nobody is told to come back later than this: who waits behind others is closer when they are withdrawn.
const LONGEST: Span = Span::secs(30);
/// How long a call holds its line, about: for nothing but when to come back.
const CALL: Span = Span::secs(40);
/// A crowd that wants lines at the same moment is let in by priority, not by who asked first: of those that are new
/// one goes straight through, the others are known after this long.
const SETTLE: Span = Span::ms(250);
/// Whoever does not know its part asks again after this; it is told every two seconds.
const UNHEARD: Span = Span::ms(500);
/// The soonest that it is worth asking again for a line.
const LINE_FREE: Span = Span::ms(500);

/// One provider account with its guards.
pub struct Account {
    pub provider: Arc<dyn Provider>,
    pub callee_rules: Vec<CalleeRule>,
    gate: Mutex<Gate>,
    clock: EngineClock,
    /// This gateway's part of the account.
    part: Mutex<Part>,
    in_flight: AtomicU32,
    calls: Mutex<HashMap<AttemptId, Ringing>>,
    /// When they were last looked at.
    looked: AtomicI64,
    stopped: Mutex<Option<(Time, String)>>,
}

/// Where slots are given out.
struct Gate {
    limiter: Limiter,
    /// What may leave at one moment.
    burst: u32,
    /// What was left of it at the last grant.
    left: u32,
    granted: Time,
    waiting: Waiting,
    /// When one that nobody knew went straight through.
    straight: Time,
}

/// See [`Account::calls_to_look_at`].
const LOOK_AGAIN: Span = Span::ms(500);

/// A line in use.
struct Ringing {
    /// `None`: it was given a slot, and its intent is not durable yet.
    phone: Option<Phone>,
    /// Over by then, whatever is heard.
    until: Time,
}
/// A slot whose call does not begin is given back when it is dropped; at the latest after this long.
const BEGINS: Span = Span::mins(1);

/// A slot given back when dropped; the line of a call that began stays with the call.
pub struct InFlight(Arc<Account>, AttemptId);
impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
        if self.0.provider.channel() == Channel::Voice {
            let mut calls = self.0.calls();
            if calls.get(&self.1).is_some_and(|c| c.phone.is_none()) {
                calls.remove(&self.1);
            }
        }
    }
}

impl Account {
    fn new(provider: Arc<dyn Provider>, clock: EngineClock) -> Account {
        let l = provider.limits();
        let callee_rules = l
            .per_callee
            .iter()
            .map(|CalleeLimit { count, window, hours }| CalleeRule { count: *count, window: *window, hours: *hours })
            .collect();
        Account {
            gate: Mutex::new(Gate::new(l.per_second, Part::WHOLE, &clock)),
            callee_rules,
            provider,
            clock,
            part: Mutex::new(Part::WHOLE),
            in_flight: AtomicU32::new(0),
            calls: Mutex::new(HashMap::new()),
            looked: AtomicI64::new(0),
            stopped: Mutex::new(None),
        }
    }

    pub fn name(&self) -> &str {
        self.provider.account()
    }

    /// A slot for this attempt now; else when to come back. Nobody gets one while somebody more urgent waits for it.
    pub fn slot(self: &Arc<Self>, attempt: AttemptId, priority: Priority, now: Time) -> Result<InFlight, Span> {
        let mut gate = self.gate();
        match self.take(&mut gate, attempt, priority, now) {
            Ok(slot) => {
                gate.waiting.forget(attempt);
                Ok(slot)
            }
            Err(wait) => {
                let wait = wait.clamp(Span::ms(1), LONGEST);
                gate.waiting.put(attempt, priority, now + wait);
                Err(wait)
            }
        }
    }

    /// It was withdrawn, or another account carries it.
    pub fn forget(&self, attempt: AttemptId) {
        let mut gate = self.gate();
        if !gate.waiting.is_empty() {
            gate.waiting.forget(attempt);
        }
    }

    /// How many attempts wait for this account here. One that does not come back was withdrawn, or is another gateway's.
    pub fn depth(&self, now: Time) -> u64 {
        self.gate().waiting.depth(now) as u64
    }

    fn gate(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(self: &Arc<Self>, gate: &mut Gate, attempt: AttemptId, priority: Priority, now: Time) -> Result<InFlight, Span> {
        if !self.part().holds(now) {
            return Err(UNHEARD);
        }
        let limits = self.provider.limits();
        // Less than one a second each is still some.
        let per_second = self.share(limits.per_second).max(1);
        let rank = |gate: &Gate| i64::from(gate.waiting.rank(attempt, priority));
        let by_rate = |gate: &Gate| Span(rank(gate) * 1000 / i64::from(per_second));
        // Providers count requests by the second; how many are in flight is for each gateway's own good.
        let requests = self.share(limits.in_flight).max(1).saturating_sub(self.in_flight.load(Ordering::Relaxed));
        if requests == 0 {
            return Err(by_rate(gate).max(Span::ms(20)));
        }
        let mut free = requests.min(gate.left_at(now, per_second)).max(1);
        if self.provider.channel() == Channel::Voice {
            let lines = self.lines_for(priority).saturating_sub(self.calls_in_flight(now));
            // A place that is nearer than it looks: of those before it some will have answered.
            let by_lines = |gate: &Gate| {
                let gap = CALL.0 / i64::from(self.share(limits.concurrent_calls)).max(1);
                Span(rank(gate) * gap / 2).max(LINE_FREE)
            };
            if lines == 0 {
                return Err(by_lines(gate));
            }
            free = free.min(lines);
            if gate.waiting.before(attempt, priority, free as usize, now) {
                return Err(by_lines(gate));
            }
            if !gate.waiting.knows(attempt) {
                if now < gate.straight + SETTLE {
                    return Err(SETTLE);
                }
                gate.straight = now;
            }
        } else if gate.waiting.before(attempt, priority, free as usize, now) {
            return Err(by_rate(gate).max(Span::ms(5)));
        }
        match gate.limiter.check() {
            Ok(snapshot) => {
                gate.left = snapshot.remaining_burst_capacity();
                gate.granted = now;
                self.in_flight.fetch_add(1, Ordering::Relaxed);
                if self.provider.channel() == Channel::Voice {
                    self.calls().insert(attempt, Ringing { phone: None, until: now + BEGINS });
                }
                Ok(InFlight(self.clone(), attempt))
            }
            Err(not_until) => {
                gate.left = 0;
                gate.granted = now;
                let wait: Duration = not_until.earliest_possible().duration_since(self.clock.now()).into();
                // Each by its place, so that a crowd does not come back at once and again at once.
                Err(Span(wait.as_millis() as i64) + by_rate(gate))
            }
        }
    }

    /// The lines that calls of this priority may hold: a tenth is kept for red, a drill has half.
    fn lines_for(&self, priority: Priority) -> u32 {
        let lines = self.share(self.provider.limits().concurrent_calls);
        if priority.is_red() {
            lines
        } else if priority.is_drill() {
            (lines / 2).max(lines.min(1))
        } else {
            lines - reserved_lines(lines)
        }
    }

    fn part(&self) -> Part {
        *self.part.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This gateway's part of what the account grants to all; it may be nothing.
    fn share(&self, of_all: u32) -> u32 {
        self.part().of(of_all)
    }

    fn calls(&self) -> MutexGuard<'_, HashMap<AttemptId, Ringing>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call leaves; it is over by `until` even if nobody says so.
    pub fn call_began(&self, lead: AttemptId, phone: &Phone, until: Time) {
        self.calls().insert(lead, Ringing { phone: Some(phone.clone()), until });
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
        self.calls().iter().filter_map(|(lead, c)| Some((*lead, c.phone.clone()?))).collect()
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

/// How many of so many lines are kept for red.
pub fn reserved_lines(lines: u32) -> u32 {
    if lines >= 4 { (lines / 10).max(1) } else { 0 }
}

impl Gate {
    /// A part of the account's rate.
    fn new(per_second: u32, part: Part, clock: &EngineClock) -> Gate {
        let (limiter, burst) = limiter(per_second, part, clock);
        Gate { limiter, burst, left: burst, granted: Time(0), waiting: Waiting::default(), straight: Time(i64::MIN / 2) }
    }
    /// What may leave at this moment, about.
    fn left_at(&self, now: Time, per_second: u32) -> u32 {
        let since = (now - self.granted).0.max(0);
        let back = since.saturating_mul(i64::from(per_second)) / 1000;
        self.burst.min(self.left.saturating_add(u32::try_from(back).unwrap_or(u32::MAX)))
    }
}

/// With what may leave at one moment.
fn limiter(per_second: u32, part: Part, clock: &EngineClock) -> (Limiter, u32) {
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
    (RateLimiter::direct_with_clock(quota, clock.clone()).with_middleware(), quota.burst_size().get())
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
            let before = std::mem::replace(&mut *a.part.lock().unwrap_or_else(PoisonError::into_inner), part);
            if !before.is_like(part) {
                let mut fresh = Gate::new(a.provider.limits().per_second, part, &a.clock);
                // What may leave at once has left by the part before, maybe this very moment.
                while fresh.limiter.check().is_ok() {}
                (fresh.left, fresh.granted) = (0, a.clock.time());
                let mut gate = a.gate();
                let waiting = std::mem::take(&mut gate.waiting);
                *gate = Gate { waiting, ..fresh };
            }
        }
    }
    /// It was withdrawn, or got its slot somewhere: it waits for none any more.
    pub fn forget(&self, attempt: AttemptId) {
        self.all.iter().for_each(|a| a.forget(attempt));
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
        core::{
            directory::Tier,
            hazard::Level,
            ids::{CalloutId, WarningId},
        },
    };

    struct Plain(AccountLimits, Channel);
    #[async_trait::async_trait]
    impl Provider for Plain {
        fn account(&self) -> &str {
            "plain"
        }
        fn channel(&self) -> Channel {
            self.1
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

    pub fn with(channel: Channel, per_second: u32, concurrent_calls: u32, now: Arc<dyn Fn() -> Time + Send + Sync>) -> Accounts {
        let limits = AccountLimits { per_second, in_flight: 1000, concurrent_calls, per_callee: Vec::new() };
        Accounts::new(vec![Arc::new(Plain(limits, channel))], now)
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
}

#[cfg(test)]
mod tests {
    use super::{
        testing::{attempt, burst, red},
        *,
    };
    use crate::{
        core::{directory::Tier, hazard::Level},
        store::clock::{Clock, ManualClock},
    };

    fn accounts(channel: Channel, per_second: u32, concurrent_calls: u32) -> Accounts {
        testing::with(channel, per_second, concurrent_calls, Arc::new(|| NOW))
    }
    fn part(gateways: u32, rank: u32) -> Part {
        Part { gateways, rank, ..Part::WHOLE }
    }
    const NOW: Time = Time(1_000_000);

    #[test]
    fn gateways_share_the_rate_of_an_account_evenly() {
        let clock = Arc::new(ManualClock::new(NOW));
        let account = |part: Part| {
            let now = clock.clone();
            let all = testing::with(Channel::Sms, 900, 1000, Arc::new(move || now.now()));
            all.share_among(part);
            all.all[0].clone()
        };
        assert_eq!(burst(&account(Part::WHOLE), NOW), 90, "a tenth of a second's worth");
        let (third, little) = (account(part(3, 0)), account(part(2000, 1999)));
        assert_eq!(burst(&third, NOW), 0, "it may have left by the part before");
        let later = NOW + Span::secs(3);
        clock.advance_to(later);
        assert_eq!(burst(&third, later), 30);
        assert_eq!(burst(&little, later), 1, "less than one a second each, yet not none");
    }

    #[test]
    fn one_call_at_a_time_is_one_however_many_gateways_there_are() {
        let phone = Phone::parse("15400000001").unwrap();
        let taken = |rank| {
            let clock = Arc::new(ManualClock::new(NOW));
            let now = clock.clone();
            let all = testing::with(Channel::Voice, 10_000, 1, Arc::new(move || now.now()));
            all.share_among(part(3, rank));
            let later = NOW + Span::secs(1);
            clock.advance_to(later);
            let first = all.all[0].slot(attempt(1), red(1), later).is_ok();
            all.all[0].call_began(attempt(1), &phone, NOW + Span::mins(2));
            usize::from(first) + usize::from(all.all[0].slot(attempt(2), red(2), later).is_ok())
        };
        assert_eq!([0, 1, 2].map(taken), [1, 0, 0]);
    }

    #[test]
    fn who_has_not_heard_of_the_others_takes_nothing_until_it_has() {
        let all = accounts(Channel::Sms, 900, 1000);
        all.share_among(Part { until: NOW, ..Part::WHOLE });
        assert_eq!(burst(&all.all[0], NOW), 0);
        all.share_among(Part { until: NOW + Span::ms(1), ..Part::WHOLE });
        assert_eq!(burst(&all.all[0], NOW), 90);
    }

    #[test]
    fn calls_hold_their_lines_until_they_are_over_or_their_time_is() {
        let clock = Arc::new(ManualClock::new(NOW - Span::secs(1)));
        let time = clock.clone();
        let all = testing::with(Channel::Voice, 10_000, 4, Arc::new(move || time.now()));
        all.share_among(part(2, 0));
        clock.advance_to(NOW);
        let a = &all.all[0];
        let phone = Phone::parse("15400000001").unwrap();
        let slot = |n: u16, at: Time| a.slot(attempt(n), red(n), at);
        a.call_began(attempt(1), &phone, NOW + Span::mins(2));
        a.call_began(attempt(2), &phone, NOW + Span::mins(2));
        assert!(slot(3, NOW).is_err(), "half of the four lines is ours");
        assert_eq!((a.depth(NOW), a.calls_to_look_at(NOW).len()), (1, 2));
        assert!(a.calls_to_look_at(NOW).is_empty(), "now and then");
        a.call_over(attempt(1));
        a.call_over(attempt(9));
        assert!(slot(3, NOW).is_ok());
        assert_eq!(a.depth(NOW), 0);
        a.call_began(attempt(3), &phone, NOW + Span::mins(2));
        assert!(slot(4, NOW).is_err());
        assert!(slot(4, NOW + Span::mins(2)).is_ok(), "nobody said that they are over");
    }

    #[test]
    fn a_line_is_taken_from_the_slot_on_and_comes_back_when_the_call_does_not_begin() {
        let all = accounts(Channel::Voice, 10_000, 2);
        let a = &all.all[0];
        let phone = Phone::parse("15400000001").unwrap();
        let first = a.slot(attempt(1), red(1), NOW).unwrap();
        assert_eq!(a.slot(attempt(2), red(2), NOW).err(), Some(SETTLE), "of a crowd one goes straight through");
        let later = NOW + SETTLE;
        let second = a.slot(attempt(2), red(2), later).unwrap();
        assert!(a.slot(attempt(3), red(3), later).is_err(), "both lines are taken, though no call has begun");
        a.call_began(attempt(1), &phone, NOW + Span::mins(2));
        drop(first);
        drop(second);
        assert!(a.slot(attempt(3), red(3), later + LINE_FREE).is_ok(), "the second never began");
        assert_eq!(a.calls_to_look_at(later).len(), 0, "one gateway has nobody to ask");
    }

    #[test]
    fn nobody_takes_a_line_before_somebody_more_urgent_who_waits_for_it() {
        let all = accounts(Channel::Voice, 10_000, 1);
        let a = &all.all[0];
        let phone = Phone::parse("15400000001").unwrap();
        a.call_began(attempt(100), &phone, NOW + Span::mins(2));
        for n in [5, 3, 9, 7] {
            assert!(a.slot(attempt(n), red(n), NOW).is_err());
        }
        a.call_over(attempt(100));
        let later = NOW + SETTLE;
        for n in [9, 5, 7] {
            assert!(a.slot(attempt(n), red(n), later).is_err(), "{n} waits behind 3");
        }
        let slot = a.slot(attempt(3), red(3), later).unwrap();
        drop(slot);
        a.forget(attempt(5));
        assert!(a.slot(attempt(9), red(9), later).is_err(), "7 is next, since 5 was withdrawn");
        // 7 is another gateway's by now: it does not come back when it said it would.
        assert!(a.slot(attempt(9), red(9), later + Span::secs(40)).is_ok());
    }

    #[test]
    fn a_tenth_of_the_lines_is_kept_for_red_and_a_drill_has_half() {
        let call = |level, drill, n| Priority::of(level, drill, Some(Tier::Village), n, None);
        let taken = |level, drill| {
            let all = accounts(Channel::Voice, 10_000, 20);
            let a = all.all[0].clone();
            let mut now = NOW;
            let mut slots = Vec::new();
            for n in 0..40 {
                now = now + SETTLE;
                slots.extend(a.slot(attempt(n), call(level, drill, u32::from(n)), now));
            }
            (slots.len(), a.slot(attempt(99), call(Level::Red, false, 99), now + SETTLE).is_ok())
        };
        assert_eq!(taken(Level::Red, false), (20, false));
        assert_eq!(taken(Level::Orange, false), (18, true), "red finds a line at once");
        assert_eq!(taken(Level::Red, true), (10, true));
    }

    #[test]
    fn red_overtakes_what_waits_for_the_rate_and_those_who_wait_are_told_their_turn() {
        let all = accounts(Channel::Sms, 10, 1000);
        let a = &all.all[0];
        let blue = |n: u16| Priority::of(Level::Blue, false, Some(Tier::Village), u32::from(n), None);
        assert!(a.slot(attempt(0), blue(0), NOW).is_ok(), "one at a moment of ten a second");
        let waits: Vec<Span> = (1..=50).map(|n| a.slot(attempt(n), blue(n), NOW).err().unwrap()).collect();
        assert!(waits.windows(2).all(|w| w[0] <= w[1]), "{waits:?}");
        assert!(waits[49] > Span::secs(4) && waits[49] < Span::secs(6), "the fiftieth is five seconds away: {:?}", waits[49]);
        assert!(a.slot(attempt(99), red(99), NOW).err().unwrap() < Span::ms(200), "red is next");
    }
}
