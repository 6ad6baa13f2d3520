//! A county of two towns, one or several gateways, and the robots of its groups.

use crate::simulate::{
    scenes::content,
    town::{Builder, COUNTY, TOWNS},
    world::{BUREAU, issuer, shipped_policy},
};
use jiaoying::{
    channel::{AccountLimits, Address, CallbackItem, CallbackReply, CalleeLimit, GroupRobot, Lookup, Message, Provider, SendRequest},
    core::{
        digest::{Digest, Group},
        directory::{Directory, Tier},
        hazard::Level,
        ids::WarningId,
        send::{Channel, Outcome},
        time::{Span, Time},
        warning::{Content, Parsed},
    },
    engine::{Engine, Parts, Settings},
    render::{RenderOptions, Renderer},
    store::{
        Key, Store,
        clock::{Clock, ManualClock},
        memory::MemoryStore,
    },
};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

pub const START: &str = "2026-07-08T14:01:00+08:00";
pub const VILLAGES: [&str; 3] = ["140521101201", "140521101202", "140521102201"];

/// What a group was told.
#[derive(Clone, Debug)]
pub struct Told {
    pub at: Time,
    pub title: String,
    pub text: String,
    pub at_all: bool,
    pub drill: bool,
}

/// A robot that says what it was told to say, then yes.
pub struct Robot {
    name: &'static str,
    robot: GroupRobot,
    limits: AccountLimits,
    clock: Arc<ManualClock>,
    says: Mutex<VecDeque<Outcome>>,
    told: Mutex<Vec<Told>>,
    /// Takes the next message and never answers.
    mute: Mutex<bool>,
}
impl Robot {
    pub fn told(&self) -> Vec<Told> {
        self.told.lock().unwrap().clone()
    }
    pub fn will_say(&self, outcome: Outcome) {
        self.says.lock().unwrap().push_back(outcome);
    }
    pub fn goes_mute(&self) {
        *self.mute.lock().unwrap() = true;
    }
}
#[async_trait::async_trait]
impl Provider for Robot {
    fn account(&self) -> &str {
        self.name
    }
    fn channel(&self) -> Channel {
        Channel::Im
    }
    fn limits(&self) -> &AccountLimits {
        &self.limits
    }
    fn robot(&self) -> Option<&GroupRobot> {
        Some(&self.robot)
    }
    async fn send(&self, r: &SendRequest) -> Outcome {
        let Address::Group { at_all } = r.to else { panic!("{:?}", r.to) };
        let m = &r.message;
        let title = m.subject.clone().unwrap();
        self.told.lock().unwrap().push(Told { at: self.clock.now(), title, text: m.text.clone(), at_all, drill: m.drill });
        if std::mem::take(&mut *self.mute.lock().unwrap()) {
            std::future::pending::<()>().await;
        }
        let said = self.says.lock().unwrap().pop_front();
        said.unwrap_or(Outcome::Accepted { provider_message_id: r.reference.clone() })
    }
    async fn lookup(&self, _: &str, _: &Address, _: Time) -> Lookup {
        panic!("a robot has no query")
    }
    fn has_lookup(&self) -> bool {
        false
    }
    fn read_callback(&self, _: Option<&str>, _: &[u8]) -> Result<Vec<CallbackItem>, String> {
        Err("none".into())
    }
    fn callback_reply(&self, _: bool) -> CallbackReply {
        CallbackReply { status: 404, content_type: "text/plain", body: String::new() }
    }
    fn check_message(&self, _: &Message) -> Result<(), String> {
        Ok(())
    }
}

/// SMS and voice that take everything.
struct Taking(Channel, AccountLimits);
#[async_trait::async_trait]
impl Provider for Taking {
    fn account(&self) -> &str {
        self.0.as_str()
    }
    fn channel(&self) -> Channel {
        self.0
    }
    fn limits(&self) -> &AccountLimits {
        &self.1
    }
    async fn send(&self, r: &SendRequest) -> Outcome {
        Outcome::Accepted { provider_message_id: r.reference.clone() }
    }
    async fn lookup(&self, _: &str, _: &Address, _: Time) -> Lookup {
        Lookup::NotFound
    }
    fn read_callback(&self, _: Option<&str>, body: &[u8]) -> Result<Vec<CallbackItem>, String> {
        serde_json::from_slice(body).map_err(|e| e.to_string())
    }
    fn callback_reply(&self, _: bool) -> CallbackReply {
        CallbackReply { status: 200, content_type: "text/plain", body: String::new() }
    }
    fn check_message(&self, _: &Message) -> Result<(), String> {
        Ok(())
    }
}

fn limits(per_callee: Vec<CalleeLimit>) -> AccountLimits {
    AccountLimits { per_second: 10_000, in_flight: 1000, concurrent_calls: 1000, per_callee }
}

/// Two chiefs in 龙港镇, one in 中村镇, the desks and the shift leader.
pub fn county() -> Directory {
    let mut b = Builder::county();
    for (n, (code, name)) in VILLAGES.iter().zip(["梁庄村", "西河村", "上峪村"]).enumerate() {
        b.name(code, name);
        let chief = b.person(&format!("{name}主任"), &[&format!("1540000000{}", n + 1)]);
        b.post(chief, "party_government", Tier::Village, code);
    }
    let desk = b.person("龙港镇值班室", &["15400000021"]);
    let leader = b.person("带班领导", &["15400000041"]);
    b.post(desk, "duty", Tier::DutyDesk, TOWNS[0]);
    b.post(leader, "shift_leader", Tier::DutyDesk, COUNTY);
    b.done()
}

pub struct Groups {
    pub clock: Arc<ManualClock>,
    pub store: Arc<MemoryStore>,
    pub gateways: Vec<Arc<Engine>>,
    pub robots: Vec<Arc<Robot>>,
}

impl Groups {
    /// So many gateways, and a robot for each of these groups, `robot-0`, `robot-1` …
    pub async fn new(gateways: usize, groups: Vec<Group>) -> Groups {
        let clock = Arc::new(ManualClock::new(Time::parse_rfc3339(START).unwrap()));
        let store = Arc::new(MemoryStore::new(clock.clone() as Arc<dyn Clock>));
        let names = ["robot-0", "robot-1", "robot-2"];
        let robot = |(name, group)| {
            let robot = GroupRobot { group, avoids_half_hours: false, longest: 4096, longest_at_all: 2048 };
            Arc::new(Robot {
                name,
                robot,
                limits: limits(vec![CalleeLimit::of(20, Span::mins(1))]),
                clock: clock.clone(),
                says: Mutex::default(),
                told: Mutex::default(),
                mute: Mutex::default(),
            })
        };
        let robots: Vec<Arc<Robot>> = names.into_iter().zip(groups).map(robot).collect();
        let mut all = Groups { clock, store, gateways: Vec::new(), robots };
        for _ in 0..gateways {
            all.add_gateway().await;
        }
        assert!(all.gateways[0].replace_directory(0, county()).await.unwrap());
        for g in &all.gateways {
            g.follow_directory().await.unwrap();
        }
        all
    }

    pub async fn add_gateway(&mut self) {
        let mut providers: Vec<Arc<dyn Provider>> =
            vec![Arc::new(Taking(Channel::Sms, limits(Vec::new()))), Arc::new(Taking(Channel::Voice, limits(Vec::new())))];
        providers.extend(self.robots.iter().map(|r| r.clone() as Arc<dyn Provider>));
        let parts = Parts {
            store: self.store.clone(),
            reports: self.store.clone(),
            providers,
            renderer: Renderer::new(RenderOptions::default()).unwrap(),
            policy: shipped_policy(),
            issuers: vec![issuer(BUREAU)],
            settings: Settings { key: [7; 32], gateway: format!("gateway-{}", self.gateways.len()), ..Settings::default() },
        };
        self.gateways.push(Arc::new(Engine::new(parts).await.unwrap()));
    }

    pub fn now(&self) -> Time {
        self.clock.now()
    }
    pub fn told(&self, robot: usize) -> Vec<Told> {
        self.robots[robot].told()
    }
    pub fn titles(&self, robot: usize) -> Vec<String> {
        self.told(robot).into_iter().map(|t| t.title).collect()
    }

    pub fn content(&self, identifier: &str, level: Level) -> Content {
        content(identifier, level, &[COUNTY], self.now())
    }
    /// Accepted, not yet worked.
    pub async fn post(&self, content: &Content) -> WarningId {
        let parsed = Parsed { content: content.clone(), findings: vec![] };
        self.gateways[0].post_warning(&issuer(BUREAU), parsed, b"{}").await.unwrap().id
    }
    pub async fn drill(&self, content: &Content) -> WarningId {
        self.gateways[0].start_drill("值班员", content.clone()).await.unwrap().id
    }

    /// Whatever is due at this instant, by turns.
    pub async fn settle(&self) {
        for _ in 0..2000 {
            let mut idle = true;
            for g in &self.gateways {
                let turn = g.turn(50).await.unwrap();
                idle &= turn.claimed == 0;
                let mut done = Vec::new();
                for job in turn.jobs {
                    done.push(g.send(job).await);
                }
                g.record(done).await.unwrap();
                for job in g.take_lookups() {
                    g.look_up(job).await.unwrap();
                }
            }
            if idle {
                return;
            }
        }
        panic!("it spins at {}", self.now());
    }
    /// Time passes; what comes due on the way is done on the way.
    pub async fn after(&self, span: Span) {
        let end = self.now() + span;
        self.settle().await;
        while let Some(next) = self.store.next_due().await.unwrap().filter(|t| *t <= end) {
            self.clock.advance_to(next);
            self.settle().await;
        }
        self.clock.advance_to(end);
        self.settle().await;
    }
    /// Somebody's SMS reply.
    pub async fn reply(&self, phone: &str, text: &str) {
        let dedupe = format!("{phone}{}", self.now());
        let item = CallbackItem::Reply { phone: phone.into(), text: text.into(), at: None, extend: None, dedupe };
        self.gateways[0].park_callback("sms", None, &serde_json::to_vec(&[item]).unwrap()).await.unwrap();
        self.settle().await;
    }

    /// The record of a group.
    pub async fn state(&self, robot: usize) -> (Digest, Option<Time>) {
        let key = Key::Named(format!("digest/{}", self.robots[robot].name));
        let record = self.store.load(&[key]).await.unwrap().remove(0).expect("the group has a record");
        (serde_json::from_slice(&record.body).unwrap(), record.due)
    }
}
