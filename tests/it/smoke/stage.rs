//! A night that is written by hand: the same world as the simulation's, providers that take everything,
//! calls that nobody answers unless the script says so. What is not expected stays in the outbox.

use crate::{
    conformance::{Room, fresh},
    simulate::{
        people::call_ended,
        poll::{now, on_a_runtime},
        rng::Rng,
        scenes::content,
        town::{Builder, COUNTY, TOWNS},
        world::{BUREAU, Make, RINGS_OUT, World, issuer, shipped_policy},
    },
};
use jiaoying::{
    channel::{Address, CallbackItem, MessageKind},
    core::{
        callout::state::{Callout, CalloutState},
        directory::{Directory, Tier},
        drill::DrillScope,
        hazard::Level,
        ids::{CalloutId, WarningId},
        policy::Policy,
        send::{Channel, Outcome},
        time::{Span, Time},
        warning::{Content, MessageType, Parsed},
    },
    engine::{Officer, PostReply, TokenAction, dispatcher::Done},
    store::{Store, TaskRow},
};
use std::collections::BTreeMap;

pub const VILLAGE: &str = "140521101201";
pub const OTHER_VILLAGE: &str = "140521101202";

pub const CHIEF: &str = "村主任";
pub const DEPUTY: &str = "副主任";
pub const TOWN_DESK: &str = "镇值班室";
pub const COUNTY_DESK: &str = "县值班室";
pub const LEADER: &str = "带班领导";

/// One village: a chief with two numbers, his deputy, the desks above, the shift leader.
pub fn village() -> Builder {
    let mut b = Builder::county();
    b.name(VILLAGE, "梁庄村");
    b.name(OTHER_VILLAGE, "西河村");
    let chief = b.person(CHIEF, &["15400000001", "15400000002"]);
    let deputy = b.person(DEPUTY, &["15400000011"]);
    let town = b.person(TOWN_DESK, &["15400000021"]);
    let county = b.person(COUNTY_DESK, &["15400000031"]);
    let leader = b.person(LEADER, &["15400000041"]);
    b.post(chief, "party_government", Tier::Village, VILLAGE).deputy = Some(deputy);
    b.post(town, "duty", Tier::DutyDesk, TOWNS[0]);
    b.post(county, "duty", Tier::DutyDesk, COUNTY);
    b.post(leader, "shift_leader", Tier::DutyDesk, COUNTY);
    b
}

/// A message or call that left.
#[derive(Clone, Debug)]
pub struct Out {
    pub at: Time,
    pub to: String,
    pub name: String,
    pub channel: Channel,
    pub kind: MessageKind,
    pub text: String,
    pub drill: bool,
    pub reference: String,
    pub expected: bool,
}

pub struct Night {
    pub w: World,
    pub out: Vec<Out>,
    people: BTreeMap<String, String>,
    /// Calls that ring, until when.
    ringing: BTreeMap<(Time, String), ()>,
}

pub fn red(identifier: &str) -> Content {
    content(identifier, Level::Red, &[VILLAGE], Time::parse_rfc3339("2026-07-08T14:00:00+08:00").unwrap())
}
pub fn update_of(older: &Content, identifier: &str, level: Level) -> Content {
    let references = vec![older.identifier.clone()];
    Content { identifier: identifier.into(), message_type: MessageType::Update, references, level, ..older.clone() }
}

/// Which store a night is played on, by the names of the rooms.
#[derive(Clone, Copy)]
#[allow(non_camel_case_types)]
pub enum On {
    memory,
    sqlite_file,
    redis_on_one_server,
}
impl On {
    fn room(self) -> Room {
        on_a_runtime(!matches!(self, On::memory));
        match self {
            On::memory => Room::memory(),
            On::sqlite_file => now(fresh::sqlite_file()),
            On::redis_on_one_server => now(fresh::redis_on_one_server()),
        }
    }
}

impl Night {
    pub fn in_the_village(on: On) -> Night {
        Night::with(on, village().done())
    }
    pub fn with(on: On, directory: Directory) -> Night {
        Night::made(on, directory, shipped_policy(), false)
    }
    /// By a policy of its own.
    pub fn by(on: On, directory: Directory, policy: Policy) -> Night {
        Night::made(on, directory, policy, false)
    }
    /// With accounts that have room for everybody at once.
    pub fn roomy(on: On, directory: Directory, policy: Policy) -> Night {
        Night::made(on, directory, policy, true)
    }
    fn made(on: On, directory: Directory, policy: Policy, roomy: bool) -> Night {
        let people = directory
            .recipients
            .values()
            .flat_map(|r| r.phones.iter().map(|p| (p.reveal().to_string(), r.name.clone())).collect::<Vec<_>>())
            .rev()
            .collect();
        let make = Make {
            start: Time::parse_rfc3339("2026-07-08T14:00:00+08:00").unwrap(),
            directory,
            policy,
            email: false,
            callee_limits: false,
            lines: 20,
            interleave: false,
            bug: None,
            roomy,
            drills: vec![],
        };
        let w = World::on(on.room(), make, &mut Rng::new(1));
        Night { w, out: Vec::new(), people, ringing: BTreeMap::new() }
    }

    pub fn post(&mut self, content: &Content) -> WarningId {
        let parsed = Parsed { content: content.clone(), findings: vec![] };
        let reply: PostReply = now(self.w.engine.post_warning(&issuer(BUREAU), parsed, b"{}")).unwrap();
        self.settle();
        reply.id
    }
    pub fn drill(&mut self, content: &Content) -> WarningId {
        let reply = now(self.w.engine.start_drill_of("值班员", content.clone(), DrillScope::default(), true)).unwrap();
        self.settle();
        reply.id
    }
    pub fn cancel(&mut self, id: WarningId) {
        now(self.w.engine.cancel_warning(id, "值班员", "雨停了")).unwrap();
        self.settle();
    }

    /// Whatever is due at this instant; what leaves is accepted.
    pub fn settle(&mut self) {
        for _ in 0..1000 {
            let turn = now(self.w.engine.turn(100)).unwrap();
            let idle = turn.claimed == 0;
            for job in turn.jobs {
                let Address::Phone(phone) = &job.request.to else { continue };
                let m = &job.request.message;
                let reference = job.request.reference.clone();
                let channel = job.account.provider.channel();
                let name = self.people.get(phone.reveal()).cloned().unwrap_or_default();
                self.out.push(Out {
                    at: self.w.now(),
                    to: phone.reveal().into(),
                    name,
                    channel,
                    kind: m.kind,
                    text: m.text.clone(),
                    drill: m.drill,
                    reference: reference.clone(),
                    expected: false,
                });
                if channel == Channel::Voice {
                    self.ringing.insert((self.w.now() + RINGS_OUT, reference.clone()), ());
                }
                let outcome = Outcome::Accepted { provider_message_id: reference };
                drop(job.slot);
                now(self.w.engine.record(vec![Done { whose: job.whose, account: job.account, outcome, seconds: 0.0, speaks: true }]))
                    .unwrap();
            }
            if idle {
                return;
            }
        }
        panic!("it spins at {}", self.w.now());
    }

    /// Time passes; what comes due on the way is done on the way, calls ring out.
    pub fn after(&mut self, span: Span) -> &mut Night {
        let end = self.w.now() + span;
        loop {
            let due = now(self.w.store.next_due()).unwrap();
            let call = self.ringing.first_key_value().map(|((t, _), ())| *t);
            let Some(next) = due.into_iter().chain(call).min().filter(|t| *t <= end) else { break };
            self.w.clock.advance_to(next);
            while let Some(e) = self.ringing.first_entry().filter(|e| e.key().0 <= self.w.now()) {
                let reference = e.remove_entry().0.1;
                self.callback("voice-a", call_ended(&reference, false, None, false));
            }
            self.settle();
        }
        self.w.clock.advance_to(end);
        self.settle();
        self
    }

    pub fn callback(&mut self, account: &str, item: CallbackItem) {
        let body = serde_json::to_vec(&[item]).unwrap();
        now(self.w.engine.park_callback(account, None, &body)).unwrap();
        self.settle();
    }

    pub fn reply(&mut self, phone: &str, text: &str) {
        let dedupe = format!("{}{}", self.w.now(), self.out.len());
        self.callback("sms-a", CallbackItem::Reply { phone: phone.into(), text: text.into(), at: None, extend: None, dedupe });
    }

    /// The oldest of these that nobody expected yet. Without one the script is wrong.
    pub fn expect(&mut self, name: &str, channel: Channel, kind: MessageKind) -> Heard<'_> {
        let found = self.out.iter().position(|o| !o.expected && o.name == name && o.channel == channel && o.kind == kind);
        let Some(i) = found else { panic!("no {channel} {kind:?} for {name}; what left:\n{}", self.outbox()) };
        self.out[i].expected = true;
        let out = self.out[i].clone();
        Heard { night: self, out }
    }
    pub fn expect_nothing(&mut self, name: &str, kind: MessageKind) {
        let found = self.out.iter().find(|o| !o.expected && o.name == name && o.kind == kind);
        assert!(found.is_none(), "{name} got {found:?}");
    }
    /// Forgets what has left so far.
    pub fn clear(&mut self) {
        self.out.iter_mut().for_each(|o| o.expected = true);
    }
    fn outbox(&self) -> String {
        self.out.iter().map(|o| format!("{} {} {} {:?} seen {}: {}\n", o.at, o.name, o.channel, o.kind, o.expected, o.text)).collect()
    }

    pub fn callout(&self, warning: WarningId, holder: &str) -> Callout {
        let id = self.w.engine.directory().recipients.values().find(|r| r.name == holder).map(|r| r.id);
        self.w
            .callouts(warning)
            .into_iter()
            .find(|c| c.contacts.first().map(|k| k.id) == id)
            .unwrap_or_else(|| panic!("{holder} has no callout in {warning}"))
    }
    pub fn is(&self, warning: WarningId, holder: &str, state: CalloutState) -> Callout {
        let c = self.callout(warning, holder);
        assert_eq!(c.state, state, "{c:#?}\n{}", self.outbox());
        c
    }
    pub fn press_button(&mut self, callout: CalloutId, contact: u8, action: TokenAction) {
        let token = self.w.token(callout, contact);
        now(self.w.engine.token_act(&token, action)).unwrap();
        self.settle();
    }

    /// The desks and the shift leader answer what concerns themselves.
    pub fn desks_answer(&mut self, warning: WarningId) {
        for desk in [TOWN_DESK, COUNTY_DESK, LEADER] {
            let id = self.callout(warning, desk).id;
            self.press_button(id, 0, TokenAction::Answer);
        }
    }

    /// A post by another bureau.
    pub fn post_from(&mut self, bureau: &str, content: &Content) -> WarningId {
        let parsed = Parsed { content: content.clone(), findings: vec![] };
        let reply = now(self.w.engine.post_warning(&issuer(bureau), parsed, b"{}")).unwrap();
        self.settle();
        reply.id
    }
    pub fn add_place(&mut self, warning: WarningId, place: &str) {
        now(self.w.engine.add_place(warning, "值班员", place)).unwrap();
        self.settle();
    }
    pub fn extend(&mut self, warning: WarningId, expires: Time) {
        now(self.w.engine.extend_warning(warning, "值班员", expires)).unwrap();
        self.settle();
    }
    /// The warning's own open task with these words.
    pub fn expect_own_task(&self, warning: WarningId, words: &str) -> TaskRow {
        let tasks = self.tasks(warning);
        let found = tasks.iter().find(|t| t.callout.is_none() && t.title.contains(words));
        found.cloned().unwrap_or_else(|| panic!("no task `{words}` among {tasks:?}"))
    }

    pub fn tasks(&self, warning: WarningId) -> Vec<TaskRow> {
        now(self.w.store.inner.tasks(Some(warning), true, 100)).unwrap()
    }
    pub fn expect_task(&self, callout: CalloutId, words: &str) -> TaskRow {
        let tasks = self.tasks(callout.warning);
        let found = tasks.iter().find(|t| t.callout == Some(callout) && t.title.contains(words));
        found.cloned().unwrap_or_else(|| panic!("no task `{words}` among {tasks:?}"))
    }
    pub fn claim(&mut self, task: &TaskRow, officer: &str) {
        now(self.w.engine.claim_task(&task.id, officer)).unwrap();
        self.settle();
    }
    pub fn complete(&mut self, task: &TaskRow, officer: &str, outcome: &str, reached: Option<&str>) {
        now(self.w.engine.complete_task(&task.id, Officer::at_screen(officer), outcome, reached, None)).unwrap();
        self.settle();
    }
}

/// A message as the person has it.
pub struct Heard<'a> {
    night: &'a mut Night,
    pub out: Out,
}
impl Heard<'_> {
    pub fn says(self, words: &str) -> Self {
        assert!(self.out.text.contains(words), "`{}` does not say `{words}`", self.out.text);
        self
    }
    pub fn to(self, phone: &str) -> Self {
        assert_eq!(self.out.to, phone);
        self
    }
    pub fn then_reply(self, text: &str) {
        let phone = self.out.to.clone();
        self.night.reply(&phone, text);
    }
    /// A key in mid-call; the call ends with it.
    pub fn then_press(self, keys: &str) {
        let reference = self.out.reference.clone();
        self.night.ringing.retain(|(_, r), ()| *r != reference);
        self.night.callback("voice-a", call_ended(&reference, true, Some(keys), false));
    }
}
