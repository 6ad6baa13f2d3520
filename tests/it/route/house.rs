//! The gateway of these tests: its accounts are [`Spy`]s, requests are on their way for as long as the spy says, many at
//! once, and every account keeps its own count of what it really took.

use futures_util::FutureExt;
use jiaoying::{
    channel::{AccountLimits, Address, CallbackItem, CallbackReply, CalleeLimit, Lookup, Message, Provider, SendRequest},
    core::{
        callout::state::Callout,
        directory::Directory,
        hazard::Level,
        ids::{IssuerId, WarningId},
        policy::Policy,
        send::{Channel, Outcome},
        time::{Span, Time},
        warning::Parsed,
    },
    engine::{
        Engine, Issuer, Parts, Settings,
        canary::Canaries,
        dispatcher::{Done, Job},
    },
    render::{RenderOptions, Renderer},
    store::{
        CalloutFilter, Commit, Committed, FeedItem, Key, Lane, Reports, Store, WriteLane,
        clock::{Clock, ManualClock},
        memory::MemoryStore,
    },
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use crate::simulate::{poll::now, scenes::content, world::shipped_policy};

/// What a spy says of a request, how long it takes, and whether it carries it.
pub struct Said {
    pub outcome: Outcome,
    pub after: Span,
    pub taken: bool,
}
pub fn accepts(r: &SendRequest) -> Said {
    Said { outcome: Outcome::Accepted { provider_message_id: format!("m-{}", r.reference) }, after: Span::ms(40), taken: true }
}

pub type Says = Box<dyn FnMut(usize, &SendRequest) -> Said + Send>;

/// By reference, and whether the account took it.
type Finds = Box<dyn FnMut(&str, bool) -> Lookup + Send>;

/// One account: what it says is the test's; what it took it remembers.
pub struct Spy {
    name: &'static str,
    channel: Channel,
    limits: AccountLimits,
    pub drills: bool,
    says: Mutex<Says>,
    asked: Mutex<usize>,
    /// Carried, by reference.
    pub taken: Mutex<Vec<String>>,
    /// What a look-up of this reference finds; `None`: the query is not answered.
    pub finds: Mutex<Finds>,
    pub looked_up: Mutex<Vec<String>>,
}

impl Spy {
    pub fn new(name: &'static str, channel: Channel, says: impl FnMut(usize, &SendRequest) -> Said + Send + 'static) -> Spy {
        let limits = AccountLimits { per_second: 5_000, in_flight: 256, concurrent_calls: 1000, per_callee: Vec::new() };
        let finds = |reference: &str, taken: bool| match taken {
            true => {
                Lookup::Found { provider_message_id: Some(format!("m-{reference}")), result: jiaoying::channel::ReceiptResult::Waiting }
            }
            false => Lookup::NotFound,
        };
        Spy {
            name,
            channel,
            limits,
            drills: true,
            says: Mutex::new(Box::new(says)),
            asked: Mutex::default(),
            taken: Mutex::default(),
            finds: Mutex::new(Box::new(finds)),
            looked_up: Mutex::default(),
        }
    }
    pub fn per_callee(mut self, count: u16, window: Span) -> Spy {
        self.limits.per_callee = vec![CalleeLimit::of(count, window)];
        self
    }
    pub fn asked(&self) -> usize {
        *self.asked.lock().unwrap()
    }
    pub fn say(&self, says: impl FnMut(usize, &SendRequest) -> Said + Send + 'static) {
        *self.says.lock().unwrap() = Box::new(says);
    }
    fn hears(&self, request: &SendRequest) -> Said {
        let mut asked = self.asked.lock().unwrap();
        *asked += 1;
        let said = (self.says.lock().unwrap())(*asked, request);
        if said.taken {
            self.taken.lock().unwrap().push(request.reference.clone());
        }
        said
    }
}

#[async_trait::async_trait]
impl Provider for Spy {
    fn account(&self) -> &str {
        self.name
    }
    fn channel(&self) -> Channel {
        self.channel
    }
    fn limits(&self) -> &AccountLimits {
        &self.limits
    }
    async fn send(&self, _: &SendRequest) -> Outcome {
        unreachable!("the house carries the requests itself")
    }
    async fn lookup(&self, reference: &str, _: &Address, _: Time) -> Lookup {
        self.looked_up.lock().unwrap().push(reference.to_string());
        let taken = self.taken.lock().unwrap().iter().any(|t| t == reference);
        (self.finds.lock().unwrap())(reference, taken)
    }
    fn knows_wording(&self, _: jiaoying::channel::MessageKind, drill: bool, _: &str, _: Option<jiaoying::channel::Day>) -> bool {
        self.drills || !drill
    }
    fn read_callback(&self, _: Option<&str>, body: &[u8]) -> Result<Vec<CallbackItem>, String> {
        serde_json::from_slice(body).map_err(|e| e.to_string())
    }
    fn callback_reply(&self, ok: bool) -> CallbackReply {
        CallbackReply { status: if ok { 200 } else { 500 }, content_type: "text/plain", body: String::new() }
    }
    fn check_message(&self, message: &Message) -> Result<(), String> {
        if message.drill && !self.drills {
            return Err("no drill templates".into());
        }
        Ok(())
    }
}

pub struct House {
    pub engine: Arc<Engine>,
    pub clock: Arc<ManualClock>,
    pub memory: Arc<MemoryStore>,
    pub spies: BTreeMap<&'static str, Arc<Spy>>,
    pub policy: Policy,
    weights: BTreeMap<String, u32>,
    canaries: Option<Canaries>,
    gateway: u32,
    going: BTreeMap<(Time, usize), (Done, Option<jiaoying::engine::limits::InFlight>)>,
    /// What left, by account, in order.
    pub left: Vec<(Time, &'static str, SendRequest)>,
}

pub fn start() -> Time {
    Time::parse_rfc3339("2026-07-08T14:00:00+08:00").unwrap()
}

impl House {
    pub fn new(directory: Directory, spies: Vec<Spy>, weights: &[(&str, u32)], change: impl FnOnce(&mut Policy)) -> House {
        House::with(directory, spies, weights, change, None)
    }
    pub fn with(
        directory: Directory,
        spies: Vec<Spy>,
        weights: &[(&str, u32)],
        change: impl FnOnce(&mut Policy),
        canaries: Option<Canaries>,
    ) -> House {
        let clock = Arc::new(ManualClock::new(start()));
        let memory = Arc::new(MemoryStore::new(clock.clone() as Arc<dyn Clock>));
        let spies: BTreeMap<&'static str, Arc<Spy>> = spies.into_iter().map(|s| (s.name, Arc::new(s))).collect();
        let mut policy = shipped_policy();
        change(&mut policy);
        let weights: BTreeMap<String, u32> = weights.iter().map(|(n, w)| (n.to_string(), *w)).collect();
        let engine = Self::engine(&memory, &spies, &policy, &weights, &canaries, 0);
        assert!(now(engine.replace_directory(0, directory)).unwrap());
        House { engine, clock, memory, spies, policy, weights, canaries, gateway: 0, going: BTreeMap::new(), left: Vec::new() }
    }

    fn engine(
        memory: &Arc<MemoryStore>,
        spies: &BTreeMap<&'static str, Arc<Spy>>,
        policy: &Policy,
        weights: &BTreeMap<String, u32>,
        canaries: &Option<Canaries>,
        n: u32,
    ) -> Arc<Engine> {
        let parts = Parts {
            store: memory.clone(),
            reports: memory.clone(),
            providers: spies.values().map(|s| s.clone() as Arc<dyn Provider>).collect(),
            renderer: Renderer::new(RenderOptions::default()).unwrap(),
            policy: policy.clone(),
            issuers: Vec::new(),
            settings: Settings {
                key: [7; 32],
                weights: weights.clone(),
                canaries: canaries.clone(),
                gateway: format!("gateway-{n}"),
                ..Settings::default()
            },
        };
        Arc::new(now(Engine::new(parts)).unwrap())
    }

    /// A new process on the same store; what was on its way is nobody's.
    pub fn restart(&mut self) {
        self.gateway += 1;
        self.going.clear();
        self.engine = Self::engine(&self.memory, &self.spies, &self.policy, &self.weights, &self.canaries, self.gateway);
    }

    /// Another gateway that shares the store.
    pub fn another(&self) -> Arc<Engine> {
        Self::engine(&self.memory, &self.spies, &self.policy, &self.weights, &self.canaries, 100)
    }

    pub fn warn(&mut self, identifier: &str, level: Level, areas: &[&str]) -> WarningId {
        let issuer =
            Issuer { id: IssuerId("qixiang".into()), name: "气象台".into(), hazards: vec![], divisions: vec![], levels: vec![] };
        let parsed = Parsed { content: content(identifier, level, areas, self.clock.now()), findings: vec![] };
        now(self.engine.post_warning(&issuer, parsed, b"{}")).unwrap().id
    }

    /// Whatever is due at this instant is done; requests begin their way.
    fn settle(&mut self) {
        for _ in 0..100_000 {
            let time = self.clock.now();
            let mut done = Vec::new();
            while let Some(e) = self.going.first_entry().filter(|e| e.key().0 <= time && done.len() < 200) {
                let (result, slot) = e.remove();
                drop(slot);
                done.push(result);
            }
            let recorded = done.len();
            now(self.engine.record(done)).unwrap();
            let turn = now(self.engine.turn(200)).unwrap();
            let idle = turn.claimed == 0 && recorded == 0;
            turn.jobs.into_iter().for_each(|job| self.send(job));
            for job in self.engine.take_lookups() {
                now(self.engine.look_up(job)).unwrap();
            }
            for probe in self.engine.take_probes() {
                now(self.engine.probe(probe)).unwrap();
            }
            if idle {
                return;
            }
        }
        panic!("it spins at {}", self.clock.now());
    }

    fn send(&mut self, job: Job) {
        let time = self.clock.now();
        let spy = self.spies[job.account.name()].clone();
        self.left.push((time, spy.name, job.request.clone()));
        let said = spy.hears(&job.request);
        let Job { whose, account, slot, .. } = job;
        let done = Done { whose, account, outcome: said.outcome, seconds: said.after.seconds_f64(), speaks: true };
        self.going.insert((time + said.after, self.left.len()), (done, Some(slot)));
    }

    pub fn after(&mut self, span: Span) {
        let end = self.clock.now() + span;
        self.settle();
        loop {
            let due = now(self.memory.next_due()).unwrap();
            let going = self.going.keys().next().map(|(t, _)| *t);
            let Some(next) = due.into_iter().chain(going).min().filter(|t| *t <= end) else { break };
            self.clock.advance_to(next.max(self.clock.now()));
            self.settle();
        }
        self.clock.advance_to(end);
        self.settle();
    }

    pub fn callback(&mut self, account: &str, item: CallbackItem) {
        self.push(account, &[item]);
    }

    /// Several in one push.
    pub fn push(&mut self, account: &str, items: &[CallbackItem]) {
        let body = serde_json::to_vec(items).unwrap();
        now(self.engine.park_callback(account, None, &body)).unwrap();
        self.settle();
    }

    /// Its row cannot be read from now on.
    pub fn damage(&self, key: Key) {
        let record = now(self.memory.load(std::slice::from_ref(&key))).unwrap().remove(0).unwrap();
        let (body, journal) = (b"{".to_vec(), b"[]".to_vec());
        let commit = Commit::new(key, record.head, body, journal, None, Lane::URGENT, self.clock.now());
        assert!(matches!(now(self.memory.commit(WriteLane::Urgent, vec![commit])).unwrap()[0], Committed::Done));
    }

    pub fn callouts(&self, warning: WarningId) -> Vec<Callout> {
        let all = now(self.memory.callouts(Some(warning), &CalloutFilter::default(), None, usize::MAX)).unwrap();
        all.iter().map(|(r, _)| serde_json::from_slice(&r.body).unwrap()).collect()
    }

    pub fn clock_is_after(&self, time: Time) -> bool {
        self.clock.now() > time
    }

    /// Events of these kinds that everybody was told.
    pub fn told(&self, kind: &str) -> Vec<FeedItem> {
        let feed = self.memory.feed_after(0, usize::MAX).now_or_never().unwrap().unwrap();
        feed.into_iter().map(|(_, item)| item).filter(|i| i.kind == kind).collect()
    }

    /// How often the accounts' board was written.
    pub fn board_writes(&self) -> usize {
        now(self.memory.journal(&Key::Named("accounts".into()))).unwrap().len()
    }

    /// The account's state as the API tells it: up, health in percent, why.
    pub fn stands(&self, account: &str) -> (bool, u32, String) {
        let all = self.engine.account_views();
        let a = all.iter().find(|a| a.name == account).unwrap();
        (a.up, a.health, a.why.clone())
    }
}
