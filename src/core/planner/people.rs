//! Posts gathered into persons: one entry each, however many posts; then the entries written in the
//! order of calling, cut into chunks.

use super::{
    CountyCalled, PlanInput, PlanOutput,
    area::strength,
    lookup::{ROTA_AHEAD, tier_of},
    near::Nearness,
    relay::Turns,
    rows::Way,
};
use crate::core::{
    directory::{Directory, Place, Post, Role, Tier},
    division::{Division, DivisionLevel},
    hazard::Level,
    ids::RecipientId,
    plan::{CHUNK, PlanChunk, PlanDuty, PlanEntry, PlanPerson, PlanPost, PlanRota, PlanShift},
    policy::AnswerRule,
    priority::calling_rank,
    rota::Seat,
    warning::Finding,
};
use std::{
    cmp::Reverse,
    collections::{HashMap, HashSet},
    ops::Range,
};

/// A way shared by many posts: worked out once for each (level, line, tier).
pub struct KnownWay {
    pub key: (u8, usize, Tier),
    pub level: Level,
    pub rule: AnswerRule,
    /// Called when the tier above has answered (逐级转发).
    pub relay: bool,
    /// Index into the running policy's lines (双叫应).
    pub side: Option<u8>,
    pub way: Way,
    /// Index into the running policy's schedules of reports.
    pub feedback: Option<u8>,
}

/// A post that is called, and by which of the known ways.
pub struct Pick {
    pub recipient: RecipientId,
    /// Index into the directory's posts; past them, into [`Picks::on_duty`].
    pub post: usize,
    /// Index into [`Picks::ways`].
    pub way: usize,
    /// Whether this post owes the row's feedback.
    pub owes: bool,
}

/// All posts that are called.
#[derive(Default)]
pub struct Picks {
    pub ways: Vec<KnownWay>,
    pub picks: Vec<Pick>,
    /// Posts that the duty rotas make for this moment.
    pub on_duty: Vec<Post>,
}
impl Picks {
    pub fn post<'a>(&'a self, directory: &'a Directory, index: usize) -> Option<&'a Post> {
        directory.posts.get(index).or_else(|| self.on_duty.get(index.checked_sub(directory.posts.len())?))
    }
}

/// People of a chunk are numbered in 16 bits; past this many a new chunk is begun.
const PEOPLE_A_CHUNK: usize = 60_000;

/// One person's picks, and where he stands in the order of calling: red first, those who must answer
/// first, then from the point upwards, nearest to the hazard first, neighbours side by side.
struct Draft<'a> {
    key: (Reverse<u8>, bool, u8, u32, &'a Place, RecipientId),
    picks: Range<usize>,
    level: Level,
}

/// Turns picks into the plan's chunks and counts.
pub fn write_entries(input: &PlanInput<'_>, mut all: Picks, out: &mut PlanOutput) {
    sort_by_person(&mut all);
    let mut drafts = drafts(input, &all);
    drafts.sort_unstable_by(|a, b| a.key.cmp(&b.key));
    let mut places: HashSet<&Place> = HashSet::new();
    let mut without_number = 0usize;
    let mut writer = Writer {
        input,
        all: &all,
        chunk: PlanChunk::default(),
        index: HashMap::new(),
        rotas: HashMap::new(),
        turns: Turns::new(input, &all),
        called: all.picks.iter().filter(|p| all.ways.get(p.way).is_some_and(|w| w.way.answer)).map(|p| p.recipient).collect(),
        known_dead: HashSet::new(),
        dead_last: 0,
    };
    for draft in &drafts {
        let picks = all.picks.get(draft.picks.clone()).unwrap_or_default();
        let Some(entry) = writer.entry(draft, picks) else { continue };
        let answer = draft.key.1;
        if answer {
            out.told += 1;
        } else {
            out.expected += 1;
            for pick in picks {
                let (Some(post), Some(way)) = (all.post(input.directory, pick.post), all.ways.get(pick.way)) else { continue };
                places.insert(&post.place);
                if let Some(county) = post.place.division.at(DivisionLevel::County) {
                    let known = out.counties.entry(county).or_insert(CountyCalled { level: way.level, itself: false });
                    known.itself |= post.place.division == county && post.place.point.is_none();
                    known.level = if strength(way.level) > strength(known.level) { way.level } else { known.level };
                }
            }
            let person = writer.chunk.people.get(usize::from(entry.person));
            without_number += usize::from(person.is_some_and(|p| p.phones.is_empty()));
        }
        writer.chunk.entries.push(entry);
        if writer.chunk.entries.len() == CHUNK || writer.chunk.people.len() > PEOPLE_A_CHUNK {
            out.chunks.push(writer.take());
        }
    }
    if !writer.chunk.entries.is_empty() {
        out.chunks.push(writer.take());
    }
    out.places = places.len();
    if writer.dead_last > 0 {
        let detail = format!("{}人有号码被回执证实为空号或停机，这些号码放在最后拨打，请核对名册", writer.dead_last);
        out.findings.push(Finding::new("dead_numbers", detail));
    }
    if without_number > 0 {
        out.findings.push(Finding::new("without_number", format!("{without_number}人没有电话号码，从代理人一级开始叫应")));
    }
}

/// Groups the picks by person, the strictest post of each first: an answer asked before none, then
/// the shortest deadline, then not held before held, then by the ladder's name (L1 before L2).
fn sort_by_person(all: &mut Picks) {
    let mut order: Vec<usize> = (0..all.ways.len()).collect();
    order.sort_by_key(|i| {
        all.ways.get(*i).map(|w| {
            let way = &w.way;
            (!way.answer, way.deadline, way.hold_until, way.hold_voice_until, way.name.clone(), Reverse(strength(w.level)), w.key.2)
        })
    });
    let mut rank = vec![0usize; order.len()];
    for (position, way) in order.iter().enumerate() {
        if let Some(r) = rank.get_mut(*way) {
            *r = position;
        }
    }
    all.picks.sort_unstable_by_key(|p| (p.recipient, rank.get(p.way).copied().unwrap_or(usize::MAX), p.post));
}

fn drafts<'a>(input: &PlanInput<'a>, all: &'a Picks) -> Vec<Draft<'a>> {
    let mut out = Vec::new();
    let mut near = Nearness::new(input.content, input.directory, input.lookup);
    let mut start = 0;
    for group in all.picks.chunk_by(|a, b| a.recipient == b.recipient) {
        let picks = start..start + group.len();
        start = picks.end;
        let Some(first) = group.first() else { continue };
        let (Some(post), Some(way)) = (all.post(input.directory, first.post), all.ways.get(first.way)) else { continue };
        let level = group.iter().filter_map(|p| all.ways.get(p.way).map(|w| w.level)).max_by_key(|l| strength(*l)).unwrap_or(way.level);
        // Somebody with posts at several places is as near as the nearest.
        let distance = group.iter().filter_map(|p| all.post(input.directory, p.post)).map(|p| near.of(&p.place)).min().unwrap_or(0);
        let key = (Reverse(strength(level)), !way.way.answer, calling_rank(tier_of(post)), distance, &post.place, first.recipient);
        out.push(Draft { key, picks, level });
    }
    out
}

/// Fills one chunk after the other.
struct Writer<'a> {
    input: &'a PlanInput<'a>,
    all: &'a Picks,
    chunk: PlanChunk,
    /// Only asked, never walked.
    index: HashMap<RecipientId, u16>,
    turns: Turns,
    /// Who has a callout of his own. Only asked, never walked.
    called: HashSet<RecipientId>,
    /// The same of the chunk's rotas.
    rotas: HashMap<Seat, u16>,
    /// People of the plan who have a number that was proved dead. Only asked, never walked.
    known_dead: HashSet<RecipientId>,
    dead_last: usize,
}

/// More of those beside him than this would be a crowd.
const MOST_OTHERS: usize = 5;

impl Writer<'_> {
    fn take(&mut self) -> PlanChunk {
        self.index.clear();
        self.rotas.clear();
        std::mem::take(&mut self.chunk)
    }

    /// The number of a person in this chunk, who is written into it the first time.
    fn number(&mut self, id: RecipientId) -> Option<u16> {
        if let Some(n) = self.index.get(&id) {
            return Some(*n);
        }
        let r = self.input.directory.recipients.get(&id)?;
        let n = u16::try_from(self.chunk.people.len()).ok()?;
        let mut phones = r.phones.clone();
        if self.input.lookup.dead().order(&mut phones) && self.known_dead.insert(id) {
            self.dead_last += 1;
        }
        if let Some(only) = self.input.only.filter(|o| !o.first.is_empty()) {
            phones.sort_by_key(|p| only.first.binary_search(p).is_err());
        }
        self.chunk.people.push(PlanPerson { id, name: r.name.clone(), phones, email: r.email.clone() });
        self.index.insert(id, n);
        Some(n)
    }

    /// The number of a seat's rota in this chunk, with the shifts of the days ahead.
    fn rota(&mut self, seat: Seat, beside: bool) -> Option<u16> {
        if let Some(n) = self.rotas.get(&seat) {
            return Some(*n);
        }
        let (dir, now) = (self.input.directory, self.input.now);
        let shifts = dir.rotas.within(&seat, now, now + ROTA_AHEAD);
        let shifts: Vec<PlanShift> =
            shifts.filter_map(|s| Some(PlanShift { from: s.from, to: s.to, person: self.number(s.recipient)? })).collect();
        if shifts.is_empty() {
            return None;
        }
        let n = u16::try_from(self.chunk.rotas.len()).ok()?;
        self.chunk.rotas.push(PlanRota { beside, shifts });
        self.rotas.insert(seat, n);
        Some(n)
    }

    /// The rota of a desk's or leader's own seat.
    fn own_rota(&mut self, seat: Seat) -> Option<u16> {
        let beside = seat.role.0 != Role::DUTY || self.input.lookup.has_desk(self.input.directory, seat.division, self.input.now);
        self.rota(seat, beside)
    }

    /// The rota over a place that a rung asks.
    fn rota_over(&mut self, role: &str, home: Division, level: DivisionLevel) -> Option<u16> {
        let (seat, beside) = self.input.lookup.rota_over(self.input.directory, &Role::new(role), home, level, self.input.now)?;
        self.rota(seat, beside)
    }

    fn entry(&mut self, draft: &Draft<'_>, picks: &[Pick]) -> Option<PlanEntry> {
        let (dir, lookup, now) = (self.input.directory, self.input.lookup, self.input.now);
        let (all, ways) = (self.all, self.all.ways.as_slice());
        let first = picks.first()?;
        let way = &ways.get(first.way)?.way;
        let me = first.recipient;
        let home = all.post(dir, first.post)?.place.division;
        let person = self.number(me)?;
        let mut posts: Vec<PlanPost> = Vec::with_capacity(picks.len());
        let mut superior = None;
        for p in picks {
            let Some(post) = all.post(dir, p.post) else { continue };
            if posts.iter().rev().take(8).any(|known| known.role == post.role && known.place == post.place) {
                continue;
            }
            let deputy = if way.answer { post.deputy.filter(|d| *d != me).and_then(|d| self.number(d)) } else { None };
            superior = superior.or(post.superior.filter(|s| *s != me));
            let seat = || Seat { division: post.place.division, role: post.role.clone() };
            let rota = if way.answer && post.role.is_desk() && post.place.point.is_none() { self.own_rota(seat()) } else { None };
            posts.push(PlanPost {
                role: post.role.clone(),
                title: post.title.clone(),
                place: post.place.clone(),
                place_name: dir.place_name(&post.place),
                tier: tier_of(post),
                deputy,
                rota,
                rule: ways.get(p.way).map_or(AnswerRule::Each, |w| w.rule),
                forwards: self.turns.is_waited_for(post),
                line: ways.get(p.way).and_then(|w| w.side),
            });
        }
        let mut entry = PlanEntry {
            person,
            posts,
            level: draft.level,
            ladder: way.ladder,
            deadline: way.deadline,
            feedback: None,
            superior: None,
            township_desk: None,
            county_desk: None,
            city_desk: None,
            shift_leader: None,
            others: Vec::new(),
            relay: None,
            duty: PlanDuty::default(),
            hold_until: held(picks.iter().filter_map(|p| ways.get(p.way)).map(|w| w.way.hold_until)),
            hold_voice_until: held(picks.iter().filter_map(|p| ways.get(p.way)).filter(|w| w.way.answer).map(|w| w.way.hold_voice_until)),
        };
        if way.answer {
            let mut desk = |level| lookup.desk(dir, home, level, me, now).and_then(|d| self.number(d));
            entry.township_desk = desk(DivisionLevel::Township);
            entry.county_desk = desk(DivisionLevel::County);
            entry.city_desk = desk(DivisionLevel::City);
            entry.shift_leader = lookup.shift_leader(dir, home, me, now).and_then(|d| self.number(d));
            entry.duty = PlanDuty {
                township: self.rota_over(Role::DUTY, home, DivisionLevel::Township),
                county: self.rota_over(Role::DUTY, home, DivisionLevel::County),
                city: self.rota_over(Role::DUTY, home, DivisionLevel::City),
                leader: self.rota_over(Role::SHIFT_LEADER, home, DivisionLevel::Township),
            };
            entry.superior = superior.and_then(|s| self.number(s));
            if way.beside {
                entry.others = self.beside(me, picks);
            }
            if let Some(relay) = self.turns.of(self.input, all, picks) {
                entry.deadline = relay.wait.max(way.hold(now)) + way.own_deadline(now);
                entry.relay = Some(relay);
            }
            let owed = picks.iter().filter(|p| p.owes).filter_map(|p| ways.get(p.way)).filter(|w| w.way.answer);
            entry.feedback = owed.filter_map(|w| w.feedback).next();
        }
        Some(entry)
    }
}

impl Writer<'_> {
    /// Who else holds a post at the same villages and points, and is called by no callout of his own.
    fn beside(&mut self, me: RecipientId, picks: &[Pick]) -> Vec<u16> {
        let (dir, lookup, now) = (self.input.directory, self.input.lookup, self.input.now);
        let mut found: Vec<RecipientId> = Vec::new();
        for mine in picks.iter().filter_map(|p| self.all.post(dir, p.post)) {
            if !matches!(tier_of(mine), Tier::Village | Tier::Point) {
                continue;
            }
            let here = lookup.posts_exactly(mine.place.division).filter_map(|i| dir.posts.get(i as usize));
            for post in here.filter(|p| p.place == mine.place && p.valid_at(now) && Some(p.recipient) != mine.deputy) {
                let new = post.recipient != me && !self.called.contains(&post.recipient) && !found.contains(&post.recipient);
                if new && found.len() < MOST_OTHERS {
                    found.push(post.recipient);
                }
            }
        }
        found.into_iter().filter_map(|r| self.number(r)).collect()
    }
}

/// Held only if every post is held, and then no longer than the shortest hold.
fn held<T: Ord>(holds: impl Iterator<Item = Option<T>>) -> Option<T> {
    holds.min().flatten()
}
