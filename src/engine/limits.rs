//! Provider accounts as the gateway sees them: rate (governor), requests and calls in flight, who waits, and
//! whether one is stopped. What a provider grants an account is shared out evenly among the gateways that
//! live ([`Accounts::share_among`]), so that all together never take more: all of them work the same queue, and a part
//! lent to a busy one could not be taken back before the next heartbeat. Rates may start afresh with a process, the limits per callee number are
//! durable and live in the line (`core::line`).

use super::{
    choosing::State,
    part::Part,
    waiting::{GRACE, SHARED_GRACE, Waiting},
};
use crate::{
    channel::Provider,
    core::{
        ids::AttemptId,
        line::CalleeRule,
        phone::Phone,
        priority::Priority,
        route::{Route, pace::Pace},
        send::Channel,
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
    collections::{BTreeMap, HashMap},
    num::NonZeroU32,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering},
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

/// Whoever does not know its part asks again after this; it is told every two seconds.
const UNHEARD: Span = Span::ms(500);

/// How long those wait who find no slot; as long as people and calls take, so faster where these are ([`Waits::at`]).
#[derive(Clone, Copy, Debug)]
struct Waits {
    /// Nobody is told to come back later than this: who waits behind others is closer when they are withdrawn.
    longest: Span,
    /// How long a call holds its line, about: for nothing but when to come back.
    call: Span,
    /// A crowd that wants lines at the same moment is let in by priority, not by who asked first: of those that are new
    /// one goes straight through, the others are known after this long.
    settle: Span,
    /// The soonest that it is worth asking again for a line.
    line_free: Span,
}
impl Waits {
    /// `speed`: how many times faster than life policy and people are (`clock.speed`).
    fn at(speed: f64) -> Waits {
        let faster = |span: Span| Span(((span.0 as f64 / speed) as i64).max(1));
        Waits {
            longest: faster(Span::secs(30)),
            call: faster(Span::secs(40)),
            settle: faster(Span::ms(250)),
            line_free: faster(Span::ms(500)),
        }
    }
}

/// One provider account with its guards.
pub struct Account {
    pub provider: Arc<dyn Provider>,
    pub callee_rules: Vec<CalleeRule>,
    gate: Mutex<Gate>,
    clock: EngineClock,
    waits: Waits,
    /// This gateway's part of the account.
    part: Mutex<Part>,
    in_flight: AtomicU32,
    calls: Mutex<HashMap<AttemptId, Ringing>>,
    /// When they were last looked at.
    looked: AtomicI64,
    /// Its part of its channel's traffic against the others'; 0: only when nothing else is left.
    pub(super) weight: u32,
    /// How it stands, and what its traffic says of it.
    pub(super) state: Mutex<State>,
    /// What its provider's complaints leave of its rate.
    pub(super) pace: Mutex<Pace>,
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
    fn new(provider: Arc<dyn Provider>, weight: u32, waits: Waits, clock: EngineClock) -> Account {
        let l = provider.limits();
        let callee_rules =
            l.per_callee.iter().map(|l| CalleeRule { count: l.count, window: l.window, hours: l.hours, same_text: l.same_text }).collect();
        Account {
            gate: Mutex::new(Gate::new(l.per_second, Part::WHOLE, &clock)),
            callee_rules,
            provider,
            clock,
            waits,
            part: Mutex::new(Part::WHOLE),
            in_flight: AtomicU32::new(0),
            calls: Mutex::new(HashMap::new()),
            looked: AtomicI64::new(0),
            weight,
            state: Mutex::default(),
            pace: Mutex::default(),
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
                let wait = wait.clamp(Span::ms(1), self.waits.longest);
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

    /// What the account grants a second now: less where its provider said that it is sent to too fast.
    fn per_second(&self) -> u32 {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner).of(self.provider.limits().per_second)
    }

    /// Another part or another pace holds from now on.
    pub(super) fn new_gate(&self) {
        let mut fresh = Gate::new(self.per_second(), self.part(), &self.clock);
        // What may leave at once has left by the gate before, maybe this very moment.
        while fresh.limiter.check().is_ok() {}
        (fresh.left, fresh.granted) = (0, self.clock.time());
        let mut gate = self.gate();
        let waiting = std::mem::take(&mut gate.waiting);
        *gate = Gate { waiting, ..fresh };
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
        let per_second = self.share(self.per_second()).max(1);
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
                let gap = self.waits.call.0 / i64::from(self.share(limits.concurrent_calls)).max(1);
                Span(rank(gate) * gap / 2).max(self.waits.line_free)
            };
            if lines == 0 {
                return Err(by_lines(gate));
            }
            free = free.min(lines);
            if gate.waiting.before(attempt, priority, free as usize, GRACE, now) {
                return Err(by_lines(gate));
            }
            if !gate.waiting.knows(attempt) {
                if now < gate.straight + self.waits.settle {
                    return Err(self.waits.settle);
                }
                gate.straight = now;
            }
        } else if gate.waiting.before(attempt, priority, free as usize, self.grace(), now) {
            return Err(by_rate(gate).max(Span::ms(5)));
        }
        if let Err(wait) = self.part().turn(self.per_second(), now) {
            (gate.left, gate.granted) = (0, now);
            return Err(wait + by_rate(gate));
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

    /// The lines that calls of this priority may hold.
    fn lines_for(&self, priority: Priority) -> u32 {
        lines_for(self.share(self.provider.limits().concurrent_calls), priority.is_red(), priority.is_drill())
    }

    /// How late somebody may be who waits for a message's slot.
    fn grace(&self) -> Span {
        if self.part().gateways > 1 { SHARED_GRACE } else { GRACE }
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
}

/// Of so many lines those that such calls may hold: a tenth is kept for real red ones, a drill has half.
pub fn lines_for(lines: u32, red: bool, drill: bool) -> u32 {
    match (drill, red) {
        (true, _) => (lines / 2).max(lines.min(1)),
        (false, true) => lines,
        (false, false) if lines >= 4 => lines - (lines / 10).max(1),
        (false, false) => lines,
    }
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
        // Less than one a second each: they take turns ([`Part::turn`]), and each sends one in its own, early or late.
        let period = Duration::from_millis(750 * u64::from(gateways) / u64::from(per_second.max(1)));
        Quota::with_period(period).unwrap_or(Quota::per_second(NonZeroU32::MIN))
    };
    (RateLimiter::direct_with_clock(quota, clock.clone()).with_middleware(), quota.burst_size().get())
}

/// All accounts; which of a channel carries an attempt is chosen in `choosing`.
pub struct Accounts {
    all: Vec<Arc<Account>>,
    /// The same as callouts see them.
    pub(super) routes: Vec<Route>,
    /// This gateway's name on the board.
    pub(super) me: String,
    /// The newest board that was taken over.
    pub(super) known: AtomicU64,
}
impl Accounts {
    pub fn new(providers: Vec<Arc<dyn Provider>>, now: Arc<dyn Fn() -> Time + Send + Sync>) -> Accounts {
        Accounts::configured(providers, &BTreeMap::new(), "", 1.0, now)
    }
    /// The same with the weights that were configured (1 where none was), for the gateway of this name, where policy and
    /// people are `speed` times faster than life.
    pub fn configured(
        providers: Vec<Arc<dyn Provider>>,
        weights: &BTreeMap<String, u32>,
        me: &str,
        speed: f64,
        now: Arc<dyn Fn() -> Time + Send + Sync>,
    ) -> Accounts {
        let clock = EngineClock(now);
        let route = |p: &Arc<dyn Provider>| Route { account: p.account().into(), channel: p.channel(), receipts: p.reports_receipts() };
        let routes = providers.iter().map(route).collect();
        let weight = |p: &Arc<dyn Provider>| weights.get(p.account()).copied().unwrap_or(1);
        let waits = Waits::at(speed);
        let all = providers.into_iter().map(|p| Arc::new(Account::new(p.clone(), weight(&p), waits, clock.clone()))).collect();
        Accounts { all, routes, me: me.to_string(), known: AtomicU64::new(0) }
    }
    /// From now on this gateway takes this part of every account.
    pub fn share_among(&self, part: Part) {
        for a in &self.all {
            let before = std::mem::replace(&mut *a.part.lock().unwrap_or_else(PoisonError::into_inner), part);
            if !before.is_like(part) {
                a.new_gate();
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
}

#[cfg(test)]
pub(super) mod testing;
#[cfg(test)]
mod tests;
