//! A gateway without a machine: the real engine over the memory store, a clock that is moved by hand,
//! providers that only keep accounts. Killing it leaves the store and the carriers as they are.

use super::{
    bugs::Bug,
    carrier::{Carrier, Script, callee_limits},
    poll::now,
    rng::Rng,
    spy::Spy,
};
use crate::conformance::Room;
use jiaoying::{
    channel::Provider,
    core::{
        callout::state::Callout,
        directory::Directory,
        drill::schedule::DrillSchedule,
        forecast::Assumptions,
        ids::{CalloutId, IssuerId, WarningId},
        policy::{Policy, parse_policy},
        send::Channel,
        time::{Span, Time},
        warning_life::WarningState,
    },
    engine::{Engine, Issuer, Parts, Settings},
    render::{RenderOptions, Renderer},
    store::{Head, Key, Store, clock::ManualClock},
};
use std::{cell::RefCell, collections::BTreeMap, sync::Arc};

/// How long a call rings that nobody answers, in a night that is written by hand.
pub const RINGS_OUT: Span = Span::secs(20);

pub struct World {
    pub clock: Arc<ManualClock>,
    pub store: Arc<Spy>,
    pub carrier: Arc<Carrier>,
    pub engine: Arc<Engine>,
    /// Raised by every restart: what an older engine had under way is nobody's.
    pub epoch: u32,
    make: Make,
    read: RefCell<BTreeMap<WarningId, (Head, Arc<WarningState>)>>,
    /// Holds the store's directory, where it has one.
    _room: Room,
}

#[derive(Clone)]
pub struct Make {
    pub start: Time,
    pub directory: Directory,
    pub policy: Policy,
    pub email: bool,
    pub callee_limits: bool,
    /// Calls at once.
    pub lines: u32,
    pub interleave: bool,
    pub bug: Option<Bug>,
    /// Accounts that have room for everybody at once.
    pub roomy: bool,
    pub drills: Vec<DrillSchedule>,
}

pub fn shipped_policy() -> Policy {
    parse_policy(include_str!("../../../config/policy.toml")).unwrap_or_else(|f| panic!("{f:?}"))
}

pub fn issuer(id: &str) -> Issuer {
    Issuer { id: IssuerId(id.into()), name: "沁水县气象台".into(), hazards: vec![], divisions: vec![], levels: vec![] }
}
/// A bureau whose rights end at one village.
pub fn neighbour() -> Issuer {
    Issuer { divisions: vec!["140521101202".parse().unwrap()], ..issuer("one-village") }
}
pub const BUREAU: &str = "qinshui-qixiang";
pub const OTHER: &str = "qinshui-shuiwu";

impl World {
    pub fn new(make: Make, rng: &mut Rng) -> World {
        World::on(Room::memory(), make, rng)
    }

    /// The same over another store.
    pub fn on(room: Room, make: Make, rng: &mut Rng) -> World {
        let clock = room.clock.clone();
        clock.advance_to(make.start);
        let inner = room.store.clone();
        let store = Arc::new(Spy::new(inner, rng.fork(), make.interleave, make.bug));
        let carrier = Arc::new(Carrier::default());
        let engine = engine(&make, &store, &carrier);
        let taken = now(engine.replace_directory(0, make.directory.clone())).unwrap();
        assert!(taken, "the directory is taken");
        World { clock, store, carrier, engine, epoch: 0, make, read: RefCell::default(), _room: room }
    }

    pub fn now(&self) -> Time {
        self.store.now()
    }

    /// A new process on the same store. Leases are left to the clock.
    pub fn restart(&mut self) {
        self.store.revive();
        self.engine = engine(&self.make, &self.store, &self.carrier);
        self.epoch += 1;
    }

    /// A second gateway on the same store.
    pub fn another(&self) -> Arc<Engine> {
        engine(&self.make, &self.store, &self.carrier)
    }

    /// A new process with these schedules.
    pub fn restart_with(&mut self, drills: Vec<DrillSchedule>) {
        self.make.drills = drills;
        self.restart();
    }

    /// Straight from the store, oldest first; read again only where something changed.
    pub fn warnings(&self) -> Vec<Arc<WarningState>> {
        let mut read = self.read.borrow_mut();
        let mut all = Vec::new();
        for r in now(self.store.inner.warnings(None, 1000)).unwrap().iter().rev() {
            let Key::Warning(id) = r.key else { continue };
            let known = read.get(&id).filter(|(head, _)| *head == r.head).map(|(_, w)| w.clone());
            let state = known.unwrap_or_else(|| Arc::new(serde_json::from_slice(&r.body).unwrap()));
            read.insert(id, (r.head, state.clone()));
            all.push(state);
        }
        all
    }
    pub fn warning(&self, id: WarningId) -> Arc<WarningState> {
        self.warnings().into_iter().find(|w| w.id == id).unwrap_or_else(|| panic!("no {id}"))
    }
    /// Straight from the store, past every planted bug.
    pub fn callout(&self, id: CalloutId) -> Option<Callout> {
        let key = Key::Callout(id);
        let record = now(self.store.inner.load(std::slice::from_ref(&key))).unwrap().pop().flatten()?;
        Some(serde_json::from_slice(&record.body).unwrap())
    }
    /// No callout must be looked at again.
    pub fn none_due(&self) -> bool {
        now(self.store.inner.callouts(None, &Default::default(), None, usize::MAX)).unwrap().iter().all(|(r, _)| r.due.is_none())
    }
    pub fn callouts(&self, warning: WarningId) -> Vec<Callout> {
        let all = now(self.store.inner.callouts(Some(warning), &Default::default(), None, usize::MAX)).unwrap();
        all.iter().map(|(r, _)| serde_json::from_slice(&r.body).unwrap()).collect()
    }
    pub fn token(&self, id: CalloutId, contact: u8) -> String {
        self.engine.link(id, contact).rsplit('/').next().unwrap_or_default().to_string()
    }
}

fn engine(make: &Make, store: &Arc<Spy>, carrier: &Arc<Carrier>) -> Arc<Engine> {
    let limits = || if make.callee_limits { callee_limits() } else { vec![] };
    let mut providers: Vec<Arc<dyn Provider>> = vec![
        Script::new("sms-a", Channel::Sms, limits(), carrier, make.bug, make.lines),
        Script::new("sms-b", Channel::Sms, limits(), carrier, make.bug, make.lines),
        Script::new("voice-a", Channel::Voice, limits(), carrier, make.bug, make.lines),
    ];
    if make.roomy {
        providers = vec![Script::roomy("sms-a", Channel::Sms, carrier), Script::roomy("voice-a", Channel::Voice, carrier)];
    }
    if make.email {
        providers.push(Script::new("mail-a", Channel::Email, vec![], carrier, make.bug, make.lines));
    }
    let parts = Parts {
        store: store.clone(),
        reports: store.clone(),
        providers,
        renderer: Renderer::new(RenderOptions::default()).unwrap_or_else(|f| panic!("{f:?}")),
        policy: make.policy.clone(),
        issuers: vec![issuer(BUREAU), issuer(OTHER), neighbour()],
        settings: Settings {
            rows_per_turn: if make.roomy { 500 } else { 7 },
            key: [7; 32],
            drills: make.drills.clone(),
            assumptions: Assumptions { hold: if make.roomy { RINGS_OUT } else { Assumptions::default().hold }, ..Assumptions::default() },
            ..Settings::default()
        },
    };
    Arc::new(now(Engine::new(parts)).unwrap())
}
