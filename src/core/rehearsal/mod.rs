//! The rehearsal (预演): what a warning would do if it came now and nobody answered: who is called by which rung,
//! when, through which channel; what it costs, when SMS and voice would be done, which places would miss the deadline.
//!
//! The rungs are taken by the callout's own step function and what rises to one number is gathered by the line's
//! (`night`); past messages that update each other go through [`season`]. Nothing is sent, kept or looked up. When calls would really find a
//! line is the forecast's ([`super::forecast`]); here every request leaves when it is due and every call rings out.

mod night;
pub mod season;

use super::{
    callout::{Channels, Ctx, state::Relation},
    directory::{Place, Tier},
    forecast::{self, Assumptions, Capacity, Forecast},
    hazard::Level,
    ids::{RecipientId, WarningId},
    phone::Phone,
    plan::{PlanChunk, PlanEntry, PlanPerson, PlanRota},
    planner::PlanOutput,
    policy::{AnswerRule, NamedLadder, Who},
    route::Routes,
    send::Channel,
    time::{Span, Time},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// What a message and a minute cost, in yuan.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Prices {
    /// Each SMS part.
    pub sms: f64,
    /// Each minute begun of a call.
    pub voice_minute: f64,
}
impl Default for Prices {
    fn default() -> Self {
        Prices { sms: 0.045, voice_minute: 0.1 }
    }
}

/// What a rehearsal is made from, besides the plan.
#[derive(Clone, Copy, Debug)]
pub struct RehearsalInput<'a> {
    pub plan: &'a PlanOutput,
    /// Acceptance of the warning: all ladder times count from here.
    pub start: Time,
    pub channels: Channels,
    pub capacity: Capacity,
    pub assumptions: Assumptions,
    pub prices: Prices,
    /// As the engine has it; see [`Ctx::sending_timeout`].
    pub sending_timeout: Span,
}

/// One message or call to one contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// From the acceptance of the warning.
    pub after: Span,
    pub relation: Relation,
    pub channel: Channel,
    /// Which of the contact's numbers.
    pub number: u8,
    /// It waits at the number's line and is gathered there with others; else it leaves by itself.
    by_line: bool,
    /// The contact's place among the people of the entry.
    who: u16,
}

/// A rung that is taken because nobody has answered.
#[derive(Clone, Debug, PartialEq)]
pub struct RungTaken {
    pub rung: u8,
    /// From the acceptance of the warning.
    pub after: Span,
    pub asks: Vec<Ask>,
    /// The work it opens for an officer.
    pub task: Option<String>,
}

/// One person of the plan and what would be done for him.
#[derive(Clone, Debug, PartialEq)]
pub struct PersonPlan {
    /// In the order of calling.
    pub order: u32,
    pub recipient: RecipientId,
    pub name: String,
    /// The number that is written to or rung first.
    pub phone: Option<Phone>,
    pub tier: Tier,
    pub level: Level,
    pub place: Place,
    pub place_name: String,
    pub title: String,
    /// Every place of his, and how many of its people must answer.
    pub places: BTreeMap<String, AnswerRule>,
    pub ladder: String,
    /// False: he is only told.
    pub answer: bool,
    pub due_at: Time,
    /// No door to him at all: it begins at the deputy's rung.
    pub unreachable: bool,
    pub rungs: Arc<Vec<RungTaken>>,
    /// Who the rungs call, by [`Ask`]'s place among them.
    contacts: Vec<(RecipientId, String, Vec<Phone>)>,
    /// No call to him would end before his deadline.
    pub late: bool,
    /// The chance (0 to 1) that he is silent at his deadline.
    pub silent: f64,
    /// When the first call to him begins, with the lines there are.
    pub first_call: Option<Time>,
}
impl PersonPlan {
    /// Whom an ask goes to: who, his name, the number (none for e-mail).
    pub fn asked(&self, ask: &Ask) -> Option<(RecipientId, &str, Option<&Phone>)> {
        let (id, name, phones) = self.contacts.get(usize::from(ask.who))?;
        let phone = phones.get(usize::from(ask.number)).filter(|_| ask.channel != Channel::Email);
        Some((*id, name.as_str(), phone))
    }
}

/// Messages and calls of one rung over everybody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RungTotals {
    /// Persons who come to this rung if nobody answers.
    pub persons: usize,
    /// What would leave: one message or call tells a desk of all that rises together, and counts for the rung of the first.
    pub sms: usize,
    pub calls: usize,
    pub emails: usize,
    /// Work opened for officers.
    pub tasks: usize,
}

/// A place that would not be answered for in time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlaceMiss {
    pub place: String,
    pub name: String,
    pub persons: usize,
    /// The last of its people's deadlines.
    #[serde(with = "super::time::rfc3339")]
    pub due_at: Time,
    /// The chance that nobody there has answered by then.
    pub silent: f64,
    /// In one line, why.
    pub why: String,
}

/// Cost in yuan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    pub sms_parts: f64,
    pub voice_minutes: f64,
    pub yuan: f64,
}

/// What would happen.
#[derive(Clone, Debug, PartialEq)]
pub struct Rehearsal {
    pub start: Time,
    pub persons: Vec<PersonPlan>,
    /// By the number of the rung.
    pub rungs: BTreeMap<u8, RungTotals>,
    pub forecast: Forecast,
    /// With people answering as assumed.
    pub expected: Cost,
    /// If nobody answers until every rung was taken once.
    pub at_most: Cost,
    pub misses: Vec<PlaceMiss>,
}

/// Rehearses a plan.
pub fn rehearse(input: &RehearsalInput<'_>) -> Rehearsal {
    let plan = input.plan;
    let ladders = &plan.running.ladders;
    let subjects = forecast::people::of_plan(&plan.chunks, ladders, input.start, false, input.channels);
    let ladders: Vec<&NamedLadder> = ladders.iter().collect();
    let forecast = forecast::forecast(forecast::Input {
        now: input.start,
        night: plan.running.night,
        ladders: &ladders,
        subjects: &subjects,
        others: &[],
        capacity: input.capacity,
        assumptions: input.assumptions,
    });
    let each: HashMap<u32, forecast::Each> = subjects.iter().map(|s| s.order).zip(forecast.each.iter().copied()).collect();
    let cast = cast(input);
    let played = night::play(&cast, input.start, input.assumptions.hold.max(Span::ms(1)));
    let persons: Vec<PersonPlan> = cast
        .iter()
        .zip(played.rungs)
        .filter_map(|(role, rungs)| person(input, role, rungs, each.get(&role.order).copied().unwrap_or_default()))
        .collect();
    let mut rungs = totals(&persons);
    for (rung, gone) in played.gone {
        let t = rungs.entry(rung).or_default();
        t.sms += gone.sms;
        t.calls += gone.calls;
    }
    let a = input.assumptions;
    let minutes = ((a.hold.0.max(1) + 59_999) / 60_000) as f64;
    let cost = |sms_parts: f64, voice_minutes: f64| Cost {
        sms_parts,
        voice_minutes,
        yuan: sms_parts * input.prices.sms + voice_minutes * input.prices.voice_minute,
    };
    let (sms, calls) = rungs.values().fold((0usize, 0usize), |(s, c), r| (s + r.sms, c + r.calls));
    Rehearsal {
        start: input.start,
        expected: cost(forecast.sms_segments, forecast.voice_minutes),
        at_most: cost(sms as f64 * a.sms_parts, calls as f64 * minutes),
        misses: misses(&persons),
        rungs,
        persons,
        forecast,
    }
}

/// A callout of the plan, with whom its rungs may call.
struct Role<'a> {
    order: u32,
    chunk: &'a PlanChunk,
    ctx: Ctx<'a>,
    slots: Vec<u16>,
}

/// Everybody in the order of calling; only who cannot be read out of the plan is missing.
fn cast<'a>(input: &RehearsalInput<'a>) -> Vec<Role<'a>> {
    let running = &input.plan.running;
    let entries = input.plan.chunks.iter().flat_map(|chunk| chunk.entries.iter().map(move |e| (chunk, e)));
    let role = |(order, (chunk, entry)): (usize, (&'a PlanChunk, &'a PlanEntry))| {
        let named = running.ladders.get(usize::from(entry.ladder))?;
        let ctx = Ctx {
            warning: WarningId(0),
            drill: false,
            entry,
            people: &chunk.people,
            rotas: &chunk.rotas,
            ladder: &named.ladder,
            feedback: entry.feedback.and_then(|f| running.feedback.get(usize::from(f))),
            clocks: &running.clocks,
            night: running.night,
            channels: input.channels,
            // Everything is accepted and nothing fails: no other account is ever asked for.
            routes: Routes::default(),
            sending_timeout: input.sending_timeout,
        };
        Some(Role { order: order as u32, chunk, ctx, slots: slots(entry, &chunk.rotas) })
    };
    entries.enumerate().filter_map(role).collect()
}

impl Role<'_> {
    fn people(&self) -> impl Iterator<Item = &PlanPerson> {
        self.slots.iter().filter_map(|s| self.chunk.people.get(usize::from(*s)))
    }
    fn person(&self, slot: usize) -> Option<&PlanPerson> {
        self.slots.get(slot).and_then(|s| self.chunk.people.get(usize::from(*s)))
    }
    /// Its last rung.
    fn last(&self) -> usize {
        self.ctx.ladder.rungs.len().saturating_sub(1)
    }
    /// How its plan looks without names.
    fn sort(&self) -> Vec<i64> {
        sort_of(self.ctx.entry, &self.slots, self.chunk)
    }
}

fn person(input: &RehearsalInput<'_>, role: &Role<'_>, rungs: Arc<Vec<RungTaken>>, each: forecast::Each) -> Option<PersonPlan> {
    let (chunk, entry) = (role.chunk, role.ctx.entry);
    let named: &NamedLadder = input.plan.running.ladders.get(usize::from(entry.ladder))?;
    let holder = chunk.people.get(usize::from(entry.person))?;
    let post = entry.posts.first()?;
    let mut places: BTreeMap<String, AnswerRule> = BTreeMap::new();
    for p in &entry.posts {
        let rule = places.entry(p.place.id()).or_insert(p.rule);
        if needed(p.rule) > needed(*rule) {
            *rule = p.rule;
        }
    }
    let contacts = role.people().map(|p| (p.id, p.name.clone(), p.phones.clone())).collect();
    let mail = input.channels.email && holder.email.is_some();
    Some(PersonPlan {
        order: role.order,
        recipient: holder.id,
        name: holder.name.clone(),
        phone: holder.phones.first().cloned(),
        tier: post.tier,
        level: entry.level,
        place: post.place.clone(),
        place_name: post.place_name.clone(),
        title: post.title.clone(),
        places,
        ladder: named.name.clone(),
        answer: named.ladder.answer,
        due_at: input.start + entry.deadline,
        unreachable: named.ladder.answer && !mail && !holder.phones.iter().any(|p| input.channels.reaches(p)),
        rungs,
        contacts,
        late: each.late,
        silent: each.silent,
        first_call: each.first_call.map(|(begins, _)| begins),
    })
}

/// Everybody whom some rung may call, by their number in the chunk.
fn slots(entry: &PlanEntry, rotas: &[PlanRota]) -> Vec<u16> {
    const ALL: [Who; 8] =
        [Who::Holder, Who::Deputy, Who::Superior, Who::TownshipDesk, Who::CountyDesk, Who::CityDesk, Who::ShiftLeader, Who::Others];
    let mut all: Vec<u16> = ALL.into_iter().flat_map(|w| entry.people_of(w)).collect();
    all.extend(rotas_of(entry).filter_map(|i| rotas.get(usize::from(i))).flat_map(|r| r.shifts.iter().map(|s| s.person)));
    all.sort_unstable();
    all.dedup();
    all
}

/// The rotas its rungs may ask, by their number in the chunk.
fn rotas_of(entry: &PlanEntry) -> impl Iterator<Item = u16> {
    let d = entry.duty;
    [d.township, d.county, d.city, d.leader].into_iter().chain(entry.posts.iter().map(|p| p.rota)).flatten()
}

/// What decides how an entry is lived through: two of the same sort differ in names only.
fn sort_of(entry: &PlanEntry, slots: &[u16], chunk: &PlanChunk) -> Vec<i64> {
    let rank = |p: u16| slots.iter().position(|s| *s == p).map_or(-1, |n| n as i64);
    let time = |t: Option<Time>| t.map_or(i64::MIN, |t| t.0);
    let mut key = vec![
        i64::from(entry.ladder),
        entry.level.rank() as i64,
        entry.deadline.0,
        time(entry.hold_until),
        time(entry.hold_voice_until),
        rank(entry.person),
    ];
    // In a relay when his turn comes.
    key.extend(entry.relay.iter().flat_map(|r| [r.wait.0, r.own.0]));
    for who in [Who::Deputy, Who::Superior, Who::TownshipDesk, Who::CountyDesk, Who::CityDesk, Who::ShiftLeader, Who::Others] {
        key.push(-2);
        key.extend(entry.people_of(who).into_iter().map(rank));
    }
    // Who is on duty changes with the hour, and who stands where in a rota with the entry.
    let d = entry.duty;
    for rota in [d.township, d.county, d.city, d.leader].into_iter().chain(entry.posts.iter().map(|p| p.rota)) {
        key.push(-3);
        let Some(r) = rota.and_then(|i| chunk.rotas.get(usize::from(i))) else { continue };
        key.push(i64::from(r.beside));
        key.extend(r.shifts.iter().flat_map(|s| [s.from.0, s.to.0, rank(s.person)]));
    }
    for p in slots.iter().filter_map(|s| chunk.people.get(usize::from(*s))) {
        let mobile = p.phones.iter().take(16).enumerate().fold(0i64, |bits, (i, n)| bits | (i64::from(n.is_mobile()) << i));
        key.push((mobile << 8) | ((p.phones.len().min(16) as i64) << 1) | i64::from(p.email.is_some()));
    }
    key
}

/// Persons, tasks and what leaves by itself; what a line gathers is counted there.
fn totals(persons: &[PersonPlan]) -> BTreeMap<u8, RungTotals> {
    let mut all: BTreeMap<u8, RungTotals> = BTreeMap::new();
    for p in persons {
        for rung in p.rungs.iter() {
            let t = all.entry(rung.rung).or_default();
            t.persons += 1;
            t.tasks += usize::from(rung.task.is_some());
            for ask in rung.asks.iter().filter(|a| !a.by_line) {
                match ask.channel {
                    Channel::Sms => t.sms += 1,
                    Channel::Email => t.emails += 1,
                    Channel::Voice | Channel::Im => {}
                }
            }
        }
    }
    all
}

/// How many answers a rule asks for: of `each`, more than there can be others.
fn needed(rule: AnswerRule) -> usize {
    match rule {
        AnswerRule::Any => 1,
        AnswerRule::N(n) => usize::from(n.max(1)),
        AnswerRule::Each => usize::MAX,
    }
}

/// Places that cannot be covered in time: somebody there can be rung too late, or not at all, and too few others are left
/// to answer in his stead, as the place's own record counts it ([`super::place`]).
fn misses(persons: &[PersonPlan]) -> Vec<PlaceMiss> {
    struct At<'a> {
        name: &'a str,
        people: Vec<(&'a PersonPlan, usize)>,
    }
    let mut places: BTreeMap<&str, At<'_>> = BTreeMap::new();
    for p in persons.iter().filter(|p| p.answer) {
        for (place, rule) in &p.places {
            let name = if *place == p.place.id() { p.place_name.as_str() } else { "" };
            let at = places.entry(place).or_insert(At { name, people: Vec::new() });
            if at.name.is_empty() {
                at.name = name;
            }
            at.people.push((p, needed(*rule)));
        }
    }
    let missed = places.into_iter().filter_map(|(place, at)| {
        let persons = at.people.len();
        let left = at.people.iter().filter(|(p, _)| !p.late && !p.unreachable).count();
        let missing = || at.people.iter().filter(|(p, needed)| (p.late || p.unreachable) && left < *needed);
        let strictest = missing().map(|(_, needed)| *needed).max()?;
        let without_door = missing().filter(|(p, _)| p.unreachable).count();
        let late = missing().count() - without_door;
        let why = match (without_door, late) {
            (n, 0) if n == persons => format!("{n}人都没有可用的联系方式"),
            (n, 0) => format!("{n}人没有可用的联系方式"),
            (0, n) if n == persons => format!("{n}人在时限前都轮不到电话"),
            (0, n) => format!("{n}人在时限前轮不到电话"),
            (n, m) => format!("{n}人没有可用的联系方式，{m}人在时限前轮不到电话"),
        };
        let rule = match strictest {
            _ if left == 0 => String::new(),
            usize::MAX => format!("（{persons}人，人人都要应答）"),
            n => format!("（{persons}人，须有{n}人应答）"),
        };
        Some(PlaceMiss {
            place: place.to_string(),
            name: if at.name.is_empty() { place } else { at.name }.to_string(),
            persons,
            due_at: at.people.iter().map(|(p, _)| p.due_at).max()?,
            silent: at.people.iter().map(|(p, _)| p.silent).product(),
            why: format!("{why}{rule}"),
        })
    });
    missed.collect()
}

#[cfg(test)]
mod tests;
