//! The stage: people at points at known distances, 50 lines, and what each of them will do, laid down beforehand.

use crate::{
    conformance::Room,
    simulate::{
        people::call_ended,
        poll::now,
        rng::Rng,
        scenes::content,
        town::{Builder, TOWNS},
        world::{BUREAU, Make, World, issuer, shipped_policy},
    },
};
use jiaoying::{
    channel::{Address, CallbackItem},
    core::{
        directory::{Directory, Tier},
        hazard::Level,
        ids::WarningId,
        send::{Channel, Outcome},
        time::{Span, Time},
        warning::{Area, Content, Parsed, Shape},
    },
    engine::dispatcher::Done,
    store::Store,
};
use std::collections::{BTreeMap, BTreeSet};

pub const LINES: u32 = 50;
/// How long a call holds its line, answered or not.
pub const HOLD: Span = Span::secs(45);
pub const CENTER: [f64; 2] = [112.2, 35.7];

/// One person and what he will do.
#[derive(Clone, Debug)]
pub struct Person {
    pub phone: String,
    /// Answers the SMS so long after it came, if he was not reached before.
    pub replies: Option<Span>,
    /// Answers the n-th call (counted from 1) by the key.
    pub picks_up: usize,
}

/// A call as it was made.
#[derive(Clone, Debug)]
pub struct Call {
    pub at: Time,
    pub phone: String,
    pub reference: String,
}

enum Act {
    Replies(String),
    Ends(Call),
}

pub struct Stage {
    pub w: World,
    pub people: BTreeMap<String, Person>,
    pub calls: Vec<Call>,
    /// When each was first written to.
    pub written: BTreeMap<String, Time>,
    /// How each answered.
    pub answered: BTreeMap<String, (Time, Channel)>,
    pub ringing: BTreeSet<String>,
    /// How often each was rung.
    pub rung: BTreeMap<String, usize>,
    pub most_ringing: usize,
    acts: BTreeMap<(Time, u64), Act>,
    seq: u64,
    replies: u64,
}

/// People at points of one town, the n-th of them `n` times 30 m from [`CENTER`]; their numbers and codes tell nothing
/// of it.
pub fn points(b: &mut Builder, town: usize, count: u64, positioned: bool, rng: &mut Rng) -> Vec<Person> {
    let mut order: Vec<u64> = (0..count).collect();
    for i in (1..order.len()).rev() {
        order.swap(i, rng.below(i as u64 + 1) as usize);
    }
    let village = format!("{}201", TOWNS[town]);
    b.name(&village, &format!("村{town}"));
    (0..count)
        .zip(order)
        .map(|(n, mixed)| {
            let code = format!("DZ-14052{town}-{mixed:05}");
            b.point(&code, &format!("点位{town}-{n}"), "geological", &village);
            if positioned {
                // A hundredth of a degree of longitude is some 900 m here.
                b.directory.points.get_mut(&code).unwrap().position = Some([CENTER[0] + n as f64 * 0.000_33, CENTER[1]]);
            }
            let phone = format!("154{:08}", town as u64 * 50_000 + mixed * 3 % 50_000);
            let id = b.person(&format!("责任人{town}-{n}"), &[&phone]);
            b.post(id, "geological", Tier::Point, &code);
            Person { phone, replies: None, picks_up: 1 }
        })
        .collect()
}

/// Everybody within so many kilometres of [`CENTER`], and a whole town at another level.
pub fn warning(identifier: &str, circle_km: f64, town: Option<(usize, Level)>) -> Content {
    let sent = Time::parse_rfc3339("2026-07-08T14:00:00+08:00").unwrap();
    let mut c = content(identifier, Level::Red, &[], sent);
    c.areas.push(Area { name: None, shape: Shape::Circle { center: CENTER, radius_km: circle_km }, level: None });
    if let Some((town, level)) = town {
        c.areas.push(Area { name: None, shape: Shape::Division(TOWNS[town].parse().unwrap()), level: Some(level) });
    }
    c
}

impl Stage {
    pub fn new(directory: Directory, people: Vec<Person>) -> Stage {
        let make = Make {
            start: Time::parse_rfc3339("2026-07-08T14:00:00+08:00").unwrap(),
            directory,
            policy: shipped_policy(),
            email: false,
            callee_limits: false,
            lines: LINES,
            drills: vec![],
            roomy: false,
            interleave: false,
            bug: None,
        };
        Stage {
            w: World::on(Room::memory(), make, &mut Rng::new(1)),
            people: people.into_iter().map(|p| (p.phone.clone(), p)).collect(),
            calls: Vec::new(),
            written: BTreeMap::new(),
            answered: BTreeMap::new(),
            ringing: BTreeSet::new(),
            rung: BTreeMap::new(),
            most_ringing: 0,
            acts: BTreeMap::new(),
            seq: 0,
            replies: 0,
        }
    }

    pub fn post(&mut self, content: &Content) -> WarningId {
        let parsed = Parsed { content: content.clone(), findings: vec![] };
        let reply = now(self.w.engine.post_warning(&issuer(BUREAU), parsed, b"{}")).unwrap();
        self.settle(&mut |_, _| {});
        reply.id
    }

    fn later(&mut self, at: Time, act: Act) {
        self.seq += 1;
        self.acts.insert((at, self.seq), act);
    }

    /// Whatever is due at this instant; what leaves is accepted. `looks` is shown each call as it begins.
    fn settle(&mut self, looks: &mut dyn FnMut(&Stage, &Call)) {
        for _ in 0..5_000 {
            let turn = now(self.w.engine.turn(200)).unwrap();
            let idle = turn.claimed == 0;
            let mut done = Vec::with_capacity(turn.jobs.len());
            for job in turn.jobs {
                let Address::Phone(phone) = &job.request.to else { continue };
                let (at, phone, reference) = (self.w.now(), phone.reveal().to_string(), job.request.reference.clone());
                match job.account.provider.channel() {
                    Channel::Voice => {
                        let call = Call { at, phone: phone.clone(), reference: reference.clone() };
                        looks(self, &call);
                        *self.rung.entry(phone.clone()).or_default() += 1;
                        self.ringing.insert(phone);
                        self.most_ringing = self.most_ringing.max(self.ringing.len());
                        self.calls.push(call.clone());
                        self.later(at + HOLD, Act::Ends(call));
                    }
                    _ if !self.written.contains_key(&phone) => {
                        self.written.insert(phone.clone(), at);
                        if let Some(after) = self.people.get(&phone).and_then(|p| p.replies) {
                            self.later(at + after, Act::Replies(phone));
                        }
                    }
                    _ => {}
                }
                let outcome = Outcome::Accepted { provider_message_id: reference };
                drop(job.slot);
                done.push(Done { whose: job.whose, account: job.account, outcome, seconds: 0.0, speaks: true });
            }
            if !done.is_empty() {
                now(self.w.engine.record(done)).unwrap();
            }
            if idle {
                return;
            }
        }
        panic!("it spins at {}", self.w.now());
    }

    fn callback(&mut self, account: &str, item: CallbackItem) {
        let body = serde_json::to_vec(&[item]).unwrap();
        now(self.w.engine.park_callback(account, None, &body)).unwrap();
    }

    /// Time passes until `end`, or until nobody has anything left to do.
    pub fn until(&mut self, end: Time, looks: &mut dyn FnMut(&Stage, &Call)) {
        loop {
            let due = now(self.w.store.next_due()).unwrap();
            let act = self.acts.first_key_value().map(|((t, _), _)| *t);
            let Some(next) = due.into_iter().chain(act).min().filter(|t| *t <= end) else { break };
            self.w.clock.advance_to(next);
            while let Some(e) = self.acts.first_entry().filter(|e| e.key().0 <= self.w.now()) {
                match e.remove() {
                    Act::Replies(phone) => self.reply(&phone),
                    Act::Ends(call) => self.ends(&call),
                }
            }
            self.settle(looks);
        }
        self.w.clock.advance_to(end);
        self.settle(looks);
    }

    /// Until everybody has answered, at most until `end`.
    pub fn until_answered(&mut self, end: Time, looks: &mut dyn FnMut(&Stage, &Call)) {
        while self.answered.len() < self.people.len() && self.w.now() < end {
            self.until(self.w.now() + Span::secs(10), looks);
        }
        self.until(self.w.now() + Span::secs(5), looks);
    }

    fn reply(&mut self, phone: &str) {
        let at = self.w.now();
        if self.answered.contains_key(phone) || self.ringing.contains(phone) {
            return;
        }
        self.answered.insert(phone.to_string(), (at, Channel::Sms));
        self.replies += 1;
        let dedupe = format!("r{}", self.replies);
        self.callback("sms-a", CallbackItem::Reply { phone: phone.into(), text: "1".into(), at: None, extend: None, dedupe });
    }

    fn ends(&mut self, call: &Call) {
        self.ringing.remove(&call.phone);
        let nth = self.rung[&call.phone];
        let picks_up = self.people.get(&call.phone).is_some_and(|p| nth >= p.picks_up) && !self.answered.contains_key(&call.phone);
        if picks_up {
            self.answered.insert(call.phone.clone(), (self.w.now(), Channel::Voice));
        }
        self.callback("voice-a", call_ended(&call.reference, picks_up, picks_up.then_some("1"), false));
    }
}
