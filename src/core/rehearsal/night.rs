//! The night in which nobody answers, played by the gateway's own rules: callouts step, their calls and gathered messages
//! go through the numbers' lines, every call rings out. Accounts have room for everybody, so that nothing waits but for the
//! rules.
//!
//! Ten thousand persons live through few different nights. Callouts whose plans differ in names only are played as one
//! (a [`Group`]) until something happens to some of them and not to the others: then the group is split. What happens to
//! them comes from numbers that others ask, too (a desk, somebody's deputy who has a callout of his own); a number that
//! only one callout asks is played within its group. What is asked of a number by several at one moment is one ask there:
//! the line gathers it in any case.

use super::{
    super::{
        callout::{
            self,
            entry::Entry,
            event::{Event, LineNews},
            fold,
            state::{AskKind, AttemptState, Callout},
        },
        hazard::Level,
        ids::{AttemptId, CalloutId, RecipientId, WarningId},
        line::{self, Line, LineAsk, LineEvent, LineLetter},
        phone::Phone,
        send::{Channel, Outcome},
        time::{Span, Time},
    },
    Ask, Role, RungTaken, RungTotals,
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

/// More steps than any ladder has.
const STEPS: usize = 2_000;

pub(super) struct Played {
    /// Of each role.
    pub rungs: Vec<Arc<Vec<RungTaken>>>,
    /// What left by lines, by the rung whose ask it carried first.
    pub gone: BTreeMap<u8, RungTotals>,
}

/// Callouts that have lived through the same so far; one is played for all.
#[derive(Clone)]
struct Group {
    members: Vec<usize>,
    /// The role whose plan the state speaks of. It stays when the group is split, whichever part that role goes with.
    played: usize,
    state: Callout,
    taken: Vec<RungTaken>,
    /// The rung of each attempt; none once it was over.
    rung_of: Vec<Option<u8>>,
    /// Its last rung was taken again: what follows is no longer its first way up.
    over: bool,
    steps: usize,
    /// Numbers that nobody else asks, by contact's place and number's place.
    own: BTreeMap<(usize, usize), Number>,
}

/// Who waits for what becomes of an ask: a role (within a group: any) and the number of its attempt.
type Waits = (usize, u16);

/// What makes asks of one moment one ask.
#[derive(Clone, Copy, PartialEq)]
struct Alike(RecipientId, Channel, AskKind, Level);

/// One telephone number.
#[derive(Clone, Default)]
struct Number {
    line: Line,
    letters: Vec<(Alike, LineAsk, Vec<Waits>)>,
    /// Who asked, by the ordinal that an ask has here.
    asked: Vec<Vec<Waits>>,
    /// When the call that rings is over.
    rings: Option<(Time, AttemptId)>,
    /// When it is looked at next.
    due: Option<Time>,
}

/// What becomes of an ask; that it waits changes nothing for a callout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    /// It left, and was taken.
    Left,
    /// The call rang out; a message was delivered, as far as anybody will hear.
    Over { ok: bool },
}
type News = (Waits, Heard);
/// What one role hears at a moment, by the number of the attempt.
type Told = Vec<(u16, Heard)>;

impl Number {
    fn post(&mut self, ask: &LineAsk, recipient: RecipientId, from: Waits) {
        let alike = Alike(recipient, ask.channel, ask.kind, ask.level);
        match self.letters.iter_mut().find(|(a, ..)| *a == alike) {
            Some((.., who)) => who.push(from),
            None => self.letters.push((alike, LineAsk { recipient, ..ask.clone() }, vec![from])),
        }
    }

    fn due(&self, now: Time, line_from: Time) -> Option<Time> {
        if !self.letters.is_empty() {
            return Some(now);
        }
        let line = self.line.due().map(|t| t.max(line_from));
        line.into_iter().chain(self.rings.map(|(t, _)| t)).min()
    }

    fn who(&self, ask: AttemptId) -> &[Waits] {
        self.asked.get(ask.callout.ordinal as usize).map_or(&[], Vec::as_slice)
    }

    fn step(&mut self, event: &LineEvent, now: Time, news: &mut Vec<News>) {
        let stepped = line::step_from(std::mem::take(&mut self.line), event, now);
        self.line = stepped.state;
        for (attempt, what) in stepped.news {
            let heard = match what {
                LineNews::Sending { .. } => Heard::Left,
                LineNews::Finished { ok, .. } => Heard::Over { ok },
                // It rings longer than the policy awaits a call's end.
                LineNews::GivenUp { .. } => Heard::Over { ok: false },
                _ => continue,
            };
            news.extend(self.who(attempt).iter().map(|w| (*w, heard)));
        }
    }

    fn ring_out(&mut self, now: Time, news: &mut Vec<News>) {
        if let Some((_, lead)) = self.rings.take_if(|(t, _)| *t <= now) {
            self.step(&LineEvent::Finished { lead, ok: false, outcome: String::new(), number_dead: false, lost: false }, now, news);
        }
    }

    /// Letters are read, and whatever may leave leaves and is taken. Answers what left: its channel and whose it was.
    fn work(&mut self, hold: Span, now: Time, news: &mut Vec<News>) -> Vec<(Channel, Vec<Waits>)> {
        // Of those who ask at one moment the first in the order of calling comes first.
        let mut letters = std::mem::take(&mut self.letters);
        letters.sort_by_key(|(.., who)| who.iter().min().copied());
        let quiet = letters.is_empty();
        for (_, mut ask, who) in letters {
            ask.attempt = AttemptId { callout: CalloutId::new(WarningId(0), self.asked.len() as u32), n: 1 };
            self.asked.push(who);
            self.step(&LineEvent::Letter(LineLetter::Ask(ask)), now, news);
        }
        // Reading a letter looks at the clock, too.
        if quiet {
            self.step(&LineEvent::Tick, now, news);
        }
        let mut left = Vec::new();
        let offered: Vec<AttemptId> = self.line.departures(now).into_iter().map(|d| d.lead).collect();
        for lead in offered {
            self.step(&LineEvent::Depart { lead, provider: String::new() }, now, news);
            let Some(flight) = self.line.flights.iter().find(|f| f.lead == lead) else { continue };
            let who = flight.members.iter().flat_map(|m| self.who(m.attempt)).copied().collect();
            left.push((flight.channel, who));
            if flight.channel == Channel::Voice {
                self.rings = Some((now + hold, lead));
            }
            self.step(
                &LineEvent::Outcome { lead, outcome: Outcome::Accepted { provider_message_id: String::new() }, others: Vec::new() },
                now,
                news,
            );
        }
        left
    }
}

/// Which number: one that several ask, or a group's own by contact's place and number's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Which {
    Shared(usize),
    Own(usize, (usize, usize)),
}

/// What comes due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Number(Which),
    Group(usize),
}

struct Night<'r, 'a> {
    cast: &'r [Role<'a>],
    groups: Vec<Group>,
    /// By role.
    group_of: Vec<usize>,
    group_due: Vec<Option<Time>>,
    /// By role, contact's place and number's place: the number, where several ask it.
    ways: Vec<Vec<Vec<Option<usize>>>>,
    shared: Vec<Number>,
    due: BTreeSet<(Time, Due)>,
    gone: BTreeMap<u8, RungTotals>,
    /// Groups that are not over.
    left: usize,
    start: Time,
    hold: Span,
}

/// `hold`: how long a call rings out.
pub(super) fn play(cast: &[Role<'_>], start: Time, hold: Span) -> Played {
    let index = shared_numbers(cast);
    let ways = cast.iter().map(|r| {
        let of = |slot: usize| r.person(slot).map(|p| p.phones.iter().map(|n| index.get(n).copied()).collect()).unwrap_or_default();
        (0..r.slots.len()).map(of).collect()
    });
    let mut night = Night {
        cast,
        groups: Vec::new(),
        group_of: vec![0; cast.len()],
        group_due: Vec::new(),
        shared: vec![Number::default(); index.len()],
        ways: ways.collect(),
        due: BTreeSet::new(),
        gone: BTreeMap::new(),
        left: 0,
        start,
        hold,
    };
    night.begin();
    night.run();
    let rungs: Vec<Arc<Vec<RungTaken>>> = night.groups.into_iter().map(|g| Arc::new(g.taken)).collect();
    Played { rungs: night.group_of.iter().map(|g| rungs[*g].clone()).collect(), gone: night.gone }
}

/// The numbers that more than one callout may ask, or one as two persons.
fn shared_numbers<'r>(cast: &'r [Role<'_>]) -> HashMap<&'r Phone, usize> {
    let mut first: HashMap<&Phone, (usize, RecipientId)> = HashMap::new();
    let mut shared: HashMap<&Phone, usize> = HashMap::new();
    for (role, r) in cast.iter().enumerate() {
        for p in r.people() {
            for phone in &p.phones {
                let by = *first.entry(phone).or_insert((role, p.id));
                if by != (role, p.id) && !shared.contains_key(phone) {
                    shared.insert(phone, shared.len());
                }
            }
        }
    }
    shared
}

impl<'r, 'a> Night<'r, 'a> {
    /// Everybody whose plan looks the same begins in one group.
    fn begin(&mut self) {
        let mut known: HashMap<Vec<i64>, usize> = HashMap::new();
        for (role, r) in self.cast.iter().enumerate() {
            let mut key = r.sort();
            key.extend(self.ways[role].iter().flatten().map(|way| i64::from(way.is_some())));
            let g = *known.entry(key).or_insert(self.groups.len());
            if g == self.groups.len() {
                let state = callout::open(r.ctx, CalloutId::new(WarningId(0), 0), self.start, self.start).state;
                let own = BTreeMap::new();
                let (taken, rung_of) = (Vec::new(), Vec::new());
                self.groups.push(Group { members: Vec::new(), played: role, state, taken, rung_of, over: false, steps: 0, own });
                self.group_due.push(None);
                self.left += 1;
            }
            self.groups[g].members.push(role);
            self.group_of[role] = g;
        }
        for g in 0..self.groups.len() {
            self.wait_for_group(g, self.start);
        }
    }

    /// Moment by moment: calls that ring out are over before anybody acts; then callouts, then numbers.
    fn run(&mut self) {
        while let Some((now, _)) = self.due.first().copied() {
            if self.left == 0 {
                return;
            }
            let (mut groups, mut numbers) = (Vec::new(), Vec::new());
            while let Some((_, due)) = self.due.first().copied().filter(|(t, _)| *t <= now) {
                self.due.pop_first();
                match due {
                    Due::Group(g) => {
                        self.group_due[g] = None;
                        groups.push(g);
                    }
                    Due::Number(number) => {
                        self.number(number).due = None;
                        numbers.push(number);
                    }
                }
            }
            let (mut news, mut said) = (Vec::new(), Vec::new());
            for n in &numbers {
                self.number(*n).ring_out(now, &mut said);
                news.extend(said.drain(..).map(|x| (*n, x)));
            }
            self.tell(news, now);
            for g in groups {
                self.step(g, now);
            }
            let mut news = Vec::new();
            for n in &numbers {
                let hold = self.hold;
                let left = self.number(*n).work(hold, now, &mut said);
                news.extend(said.drain(..).map(|x| (*n, x)));
                left.into_iter().for_each(|(channel, who)| self.count(*n, channel, &who));
                // It said all it had to say at this moment.
                self.wait_for_number(*n, now, now + Span::ms(1));
            }
            self.tell(news, now);
        }
    }

    fn number(&mut self, which: Which) -> &mut Number {
        match which {
            Which::Own(g, place) => self.groups[g].own.entry(place).or_default(),
            Which::Shared(i) => &mut self.shared[i],
        }
    }

    /// `line_from`: when its line is looked at again at the soonest.
    fn wait_for_number(&mut self, number: Which, now: Time, line_from: Time) {
        let n = self.number(number);
        let due = n.due(now, line_from);
        let before = std::mem::replace(&mut n.due, due);
        self.wait(Due::Number(number), before, due);
    }

    fn wait_for_group(&mut self, g: usize, now: Time) {
        let group = &self.groups[g];
        let role = &self.cast[group.played];
        let due = (group.steps < STEPS).then(|| group.state.due(&role.ctx)).flatten().map(|t| t.max(now));
        // Nothing comes any more, or nothing but what officers are reminded of.
        let quiet = group.state.contacts.iter().all(|k| k.calls.is_none());
        if due.is_none() || (at_last(role, &group.state) && group.state.next_rung.is_none() && quiet) {
            self.is_over(g);
        }
        let before = std::mem::replace(&mut self.group_due[g], due);
        self.wait(Due::Group(g), before, due);
    }

    fn is_over(&mut self, g: usize) {
        if !std::mem::replace(&mut self.groups[g].over, true) {
            self.left -= 1;
        }
    }

    fn wait(&mut self, what: Due, before: Option<Time>, due: Option<Time>) {
        if before == due {
            return;
        }
        if let Some(t) = before {
            self.due.remove(&(t, what));
        }
        if let Some(t) = due {
            self.due.insert((t, what));
        }
    }

    /// A message or call left: it counts for the lowest rung of those who were on their first way up.
    fn count(&mut self, number: Which, channel: Channel, who: &[Waits]) {
        let group_of = |(role, _): &Waits| if let Which::Own(g, _) = number { g } else { self.group_of[*role] };
        let rung = who.iter().filter_map(|w| self.groups[group_of(w)].rung_of.get(usize::from(w.1)).copied().flatten()).min();
        let times = if let Which::Own(g, _) = number { self.groups[g].members.len() } else { 1 };
        let Some(rung) = rung else { return };
        let t = self.gone.entry(rung).or_default();
        match channel {
            Channel::Voice => t.calls += times,
            _ => t.sms += times,
        }
    }

    /// What numbers have to say. Groups some of whom hear something else than the others are split first.
    fn tell(&mut self, news: Vec<(Which, News)>, now: Time) {
        let mut heard: Vec<(usize, usize, u16, Heard)> = Vec::new();
        // Of its own numbers all of a group hear the same, so that goes first.
        for (from, ((role, n), what)) in news {
            match from {
                Which::Own(g, _) => hear(&mut self.groups[g].state, n, what, now),
                Which::Shared(_) => heard.push((self.group_of[role], role, n, what)),
            }
        }
        // By group and role; what one hears stays in its order.
        heard.sort_by_key(|(g, role, ..)| (*g, *role));
        for of_group in heard.chunk_by(|a, b| a.0 == b.0) {
            let g = of_group[0].0;
            let mut by_role = of_group.chunk_by(|a, b| a.1 == b.1).peekable();
            let mut parts: Vec<(Told, Vec<usize>)> = Vec::new();
            // Members stand in order, too.
            for role in std::mem::take(&mut self.groups[g].members) {
                let mine = by_role.next_if(|all| all[0].1 == role).unwrap_or_default();
                let same = |what: &[(u16, Heard)]| what.len() == mine.len() && what.iter().zip(mine).all(|(a, (.., n, h))| *a == (*n, *h));
                match parts.iter_mut().find(|(w, _)| same(w)) {
                    Some((_, who)) => who.push(role),
                    None => parts.push((mine.iter().map(|(.., n, h)| (*n, *h)).collect(), vec![role])),
                }
            }
            // The group itself last: the others split off as it was before.
            for (k, (what, members)) in parts.into_iter().enumerate().rev() {
                let part = if k == 0 { g } else { self.split(g, now) };
                members.iter().for_each(|m| self.group_of[*m] = part);
                self.groups[part].members = members;
                what.into_iter().for_each(|(n, what)| hear(&mut self.groups[part].state, n, what, now));
            }
        }
    }

    /// A group that has lived through the same as this one, still without members.
    fn split(&mut self, group: usize, now: Time) -> usize {
        let part = self.groups.len();
        self.groups.push(self.groups[group].clone());
        self.group_due.push(None);
        self.left += usize::from(!self.groups[part].over);
        self.wait_for_group(part, now);
        let places: Vec<(usize, usize)> = self.groups[part].own.keys().copied().collect();
        for place in places {
            let number = Which::Own(part, place);
            self.number(number).due = None;
            self.wait_for_number(number, now, now);
        }
        part
    }

    fn step(&mut self, g: usize, now: Time) {
        let after = now - self.start;
        let group = &mut self.groups[g];
        let role = &self.cast[group.played];
        group.steps += 1;
        let (mut at_last, mut again) = (at_last(role, &group.state), false);
        let stepped = callout::step_from(role.ctx, std::mem::replace(&mut group.state, fold::blank()), &Event::Tick, now);
        group.state = stepped.state;
        for e in &stepped.entries {
            match e {
                Entry::Climbed { rung, .. } => {
                    again |= at_last;
                    at_last = usize::from(*rung) >= role.last();
                    if !group.over && !again {
                        group.taken.push(RungTaken { rung: *rung, after, asks: Vec::new(), task: None });
                    }
                }
                Entry::Queued { contact, channel, number, by_line, .. } => {
                    let k = group.state.contacts.get(usize::from(*contact));
                    let who = k.and_then(|k| role.slots.iter().position(|s| *s == k.person));
                    let mut rung = None;
                    if let (Some(k), Some(who), Some(taken), false) = (k, who, group.taken.last_mut(), group.over || again) {
                        let (relation, channel, number, by_line) = (k.relation, *channel, *number, *by_line);
                        taken.asks.push(Ask { after, relation, channel, number, by_line, who: who as u16 });
                        rung = Some(taken.rung);
                    }
                    // Attempts are counted from 1.
                    group.rung_of.resize(group.rung_of.len().max(1), None);
                    group.rung_of.push(rung);
                }
                Entry::TaskOpened { title, .. } if !group.over && !again => {
                    if let Some(rung) = group.taken.last_mut() {
                        rung.task = Some(title.clone());
                    }
                }
                _ => {}
            }
        }
        leave(&mut group.state, now);
        if again {
            self.is_over(g);
        }
        for (phone, letter) in &stepped.effects.line {
            // Nobody answers, so nothing is taken back; and no failover happens here.
            if let LineLetter::Ask(ask) = letter {
                self.post(g, phone, ask, now);
            }
        }
        // A clock that brings nothing about is not looked at for ever.
        let idle = stepped.entries.is_empty();
        self.wait_for_group(g, if idle { now + Span::ms(1) } else { now });
    }

    /// What the one who is played asks of his contact's number each of the group asks of his own contact's.
    fn post(&mut self, g: usize, phone: &'_ Phone, ask: &LineAsk, now: Time) {
        let cast: &'r [Role<'a>] = self.cast;
        let group = &mut self.groups[g];
        let played = &cast[group.played];
        let slot = group.state.contacts.get(usize::from(ask.contact)).and_then(|k| played.slots.iter().position(|s| *s == k.person));
        let Some(who) = slot else { return };
        let Some(number) = played.person(who).and_then(|p| p.phones.iter().position(|n| n == phone)) else { return };
        let n = ask.attempt.n;
        if self.ways[group.played][who].get(number).copied().flatten().is_none() {
            group.own.entry((who, number)).or_default().post(ask, ask.recipient, (0, n));
            return self.wait_for_number(Which::Own(g, (who, number)), now, now);
        }
        let members = std::mem::take(&mut group.members);
        for role in &members {
            let (person, line) = (cast[*role].person(who), self.ways[*role][who].get(number).copied().flatten());
            let (Some(person), Some(line)) = (person, line) else { continue };
            self.shared[line].post(ask, person.id, (*role, n));
            self.wait_for_number(Which::Shared(line), now, now);
        }
        self.groups[g].members = members;
    }
}

fn at_last(role: &Role<'_>, state: &Callout) -> bool {
    state.rung.is_some_and(|r| usize::from(r) >= role.last())
}

fn hear(state: &mut Callout, n: u16, what: Heard, now: Time) {
    let Some(a) = usize::from(n).checked_sub(1).and_then(|i| state.attempts.get_mut(i)) else { return };
    match what {
        Heard::Left => (a.state, a.sent) = (AttemptState::Accepted, Some(now)),
        Heard::Over { ok } => {
            a.state = if ok { AttemptState::Delivered } else { AttemptState::Failed };
            a.finished = Some(now);
        }
    }
}

/// What leaves without a line has left at once, and nobody was reached by it.
fn leave(state: &mut Callout, now: Time) {
    for a in state.attempts.iter_mut().filter(|a| a.state == AttemptState::Queued && !a.by_line) {
        a.state = AttemptState::Accepted;
        a.sent = Some(now);
        a.finished = Some(now);
    }
}
