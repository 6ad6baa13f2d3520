//! What must hold whatever the directory, the policy and the area: nobody who is to answer without a callout, nobody
//! outside it with one, one callout a person, nobody forgotten in a relay, and no place that a quorum leaves uncovered.

use super::town::{
    self, Builder, COUNTY, DONGGOU, LIANGZHUANG, LONGGANG, NANPO, SLOPE, VALLEY, XIHE, ZHONGCUN, area, content, d, division,
};
use jiaoying::core::{
    callout::{
        self, Channels, Ctx,
        event::Event,
        state::{Callout, CalloutState, ClosedReason, Via},
    },
    directory::{Directory, Place, Post, Role, Tier},
    division::{Division, DivisionLevel},
    hazard::{HazardCode, Level},
    ids::{CalloutId, RecipientId, WarningId},
    phone::Phone,
    place::{PlaceLetter, PlaceRecord},
    plan::{PlanDuty, PlanEntry, PlanPerson, PlanPost, relay_record},
    planner::{Lookup, PlanInput, PlanOutput, make_plan},
    policy::{AnswerRule, Call, Clocks, Group, Ladder, Night, NightRule, Policy, Rule, Selector, parse_policy},
    rota::{Seat, Shift},
    route::Routes,
    time::{Span, Time},
    warning::Shape,
};
use proptest::{prelude::*, sample::subsequence};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

const ROLES: [&str; 8] =
    ["party_government", "flood_control", "geological", "flash_flood", "duty", "shift_leader", "forest_fire", "nobody_knows_it"];
const TITLES: [&str; 4] = ["", "主任", "分管副主任", "书记"];
const PLACES: [(&str, Tier); 11] = [
    (town::CITY, Tier::City),
    (COUNTY, Tier::County),
    (town::OTHER_COUNTY, Tier::County),
    (LONGGANG, Tier::Township),
    (ZHONGCUN, Tier::Township),
    (LIANGZHUANG, Tier::Village),
    (XIHE, Tier::Village),
    (DONGGOU, Tier::Village),
    (NANPO, Tier::Village),
    (SLOPE, Tier::Point),
    (VALLEY, Tier::Point),
];
/// Divisions and points.
const AREAS: [&str; 9] = [COUNTY, LONGGANG, ZHONGCUN, LIANGZHUANG, XIHE, DONGGOU, NANPO, SLOPE, VALLEY];
/// Seats that may have a rota.
const SEATS: [(&str, &str); 5] =
    [(town::CITY, "shift_leader"), (COUNTY, "duty"), (COUNTY, "shift_leader"), (LONGGANG, "duty"), (LONGGANG, "shift_leader")];

fn now() -> Time {
    Time::parse_rfc3339("2026-07-08T14:00:00+08:00").unwrap()
}

fn directory() -> impl Strategy<Value = Directory> {
    let post = (0usize..ROLES.len(), 0usize..PLACES.len(), 0u32..10, 0u8..6, 0usize..TITLES.len());
    // A shift that began an hour ago and is over, or not, or begins in an hour.
    let shift = (0usize..SEATS.len(), 0u32..10, 0usize..3);
    (proptest::collection::vec(post, 0..50), proptest::collection::vec(shift, 0..5)).prop_map(|(posts, shifts)| {
        let mut b = Builder::empty();
        for n in 0..10 {
            b.person(&format!("p{n}"));
        }
        for (role, place, person, expired, title) in posts {
            let (code, tier) = PLACES[place];
            let at = b.place(code);
            let p = b.post(RecipientId(person + 1), ROLES[role], tier, at);
            p.valid_to = (expired == 0).then(now);
            p.title = TITLES[title].into();
        }
        for (seat, person, when) in shifts {
            let (from, to) = [(-60, 0), (-60, 60), (60, 120)][when];
            let at = |minutes: i64| Time(now().0 + minutes * 60_000);
            let seat = Seat { division: d(SEATS[seat].0), role: Role(SEATS[seat].1.into()) };
            b.0.rotas.put(&seat, Shift { from: at(from), to: at(to), recipient: RecipientId(person + 1), note: String::new() });
        }
        b.done()
    })
}

fn selector() -> impl Strategy<Value = Selector> {
    let levels = vec![DivisionLevel::City, DivisionLevel::County, DivisionLevel::Township, DivisionLevel::Village];
    let tiers = subsequence(Tier::ALL.to_vec(), 0..4);
    let roles = subsequence(ROLES.to_vec(), 0..3);
    // Most conditions are left out most of the time: all of them together fit nobody.
    let words = |some: Vec<&'static str>| prop_oneof![3 => Just(vec![]), 1 => subsequence(some, 1..2)];
    let kinds = words(vec!["any", "geological", "flash_flood"]);
    let (titles, prefer) = (words(vec!["主任", "书记"]), words(vec!["分管", "书记"]));
    (tiers, roles, subsequence(levels, 0..3), titles, prefer, kinds).prop_map(|(tiers, roles, at, titles, prefer_titles, point_kinds)| {
        let owned = |some: Vec<&str>| some.into_iter().map(str::to_string).collect::<Vec<_>>();
        let (roles, titles) = (owned(roles), owned(titles));
        Selector { tiers, roles, at, titles, prefer_titles: owned(prefer_titles), point_kinds: owned(point_kinds), ..Selector::default() }
    })
}

/// A policy of one row: a few lines of random groups, by a ladder that asks an answer or by one that only tells.
fn policy() -> impl Strategy<Value = Policy> {
    let line = (proptest::collection::vec(selector(), 1..3), any::<bool>());
    (proptest::collection::vec(line, 1..4), any::<bool>()).prop_map(|(lines, relay)| {
        let mut p = parse_policy(jiaoying::core::policy::SHIPPED).unwrap();
        p.groups.clear();
        let mut calls = Vec::new();
        for (i, (select, answer)) in lines.into_iter().enumerate() {
            p.groups.insert(format!("g{i}"), Group { name: format!("第{i}组"), select });
            let ladder = if answer { "L1" } else { "L4" };
            calls.push(Call { who: vec![format!("g{i}")], ladder: ladder.into(), night: NightRule::Full, ..Call::default() });
        }
        p.rules = vec![Rule { name: "随机".into(), relay, calls, ..Rule::default() }];
        p
    })
}

fn plan(policy: &Policy, dir: &Directory, areas: &[&str]) -> PlanOutput {
    let point = |code: &str| area(Shape::Point(code.into()));
    let areas = areas.iter().map(|a| if dir.points.contains_key(*a) { point(a) } else { division(a) }).collect();
    let content = content(HazardCode("11B03".into()), Level::Red, areas);
    let lookup = Lookup::new(dir);
    make_plan(PlanInput {
        content: &content,
        policy,
        directory: dir,
        lookup: &lookup,
        now: now(),
        issuer_divisions: &[],
        drill: false,
        only: None,
    })
}

/// Everybody's posts at this moment: the standing ones in force, and who sits in a seat by its rota. A shift leader on duty
/// stands in for the standing one; at a desk that has a number of its own the person on duty is its deputy.
fn in_force(dir: &Directory) -> Vec<Post> {
    let sit = |s: &Seat| -> Vec<Shift> { dir.rotas.of(s).iter().filter(|x| x.from <= now() && now() < x.to).cloned().collect() };
    let seat_of = |p: &Post| Seat { division: p.place.division, role: p.role.clone() };
    let stands = |p: &&Post| p.valid_at(now()) && p.place.point.is_none();
    let relieved = |p: &Post| p.role.0 == Role::SHIFT_LEADER && p.place.point.is_none() && !sit(&seat_of(p)).is_empty();
    let mut all: Vec<Post> = dir.posts.iter().filter(|p| p.valid_at(now()) && !relieved(p)).cloned().collect();
    for (code, role) in SEATS {
        let seat = Seat { division: d(code), role: Role(role.into()) };
        let desk = role == Role::DUTY && dir.posts.iter().filter(stands).any(|p| seat_of(p) == seat);
        for shift in sit(&seat).into_iter().filter(|_| !desk) {
            let title = if role == Role::DUTY { "值班员" } else { "带班领导" };
            let post = Post::new(shift.recipient, seat.role.clone(), Tier::DutyDesk, Place { division: seat.division, point: None });
            all.push(Post { title: title.into(), ..post });
        }
    }
    all
}

/// From the words of the policy, post by post, with no index and no order: does the first line that fits ask an answer?
fn called(policy: &Policy, dir: &Directory, all: &[Post], post: &Post, areas: &[&str]) -> Option<bool> {
    let desk = |p: &Post| p.role.0 == Role::DUTY || p.role.0 == Role::SHIFT_LEADER;
    let tier = |p: &Post| if desk(p) { Tier::DutyDesk } else { p.tier };
    let here = post.place.division;
    let whole = post.place.point.is_none();
    let over = whole && matches!(tier(post), Tier::City | Tier::County | Tier::Township | Tier::DutyDesk);
    let reached = areas.iter().any(|code| match dir.points.get(*code) {
        // A point: its own people, its village's, and those above.
        Some(p) => {
            let village = whole && here == p.division && tier(post) == Tier::Village;
            post.place.point.as_deref() == Some(*code) || village || over && here.contains(p.division)
        }
        None => d(code).contains(here) || over && here.contains(d(code)),
    });
    let role = desk(post) || policy.roles.get(&post.role.0).is_none_or(|r| r.answers_for(&HazardCode("11B03".into())));
    if !role || !reached {
        return None;
    }
    let bears = |p: &Post, words: &[String]| words.iter().any(|w| p.title.contains(w.as_str()));
    let starred = |p: &Post, kinds: &[String]| {
        let is = |kind: &str| kinds.iter().any(|k| k == "any" || k == kind);
        kinds.contains(&p.role.0)
            || match &p.place.point {
                Some(code) => is(&dir.points[code].kind),
                None => dir.points.values().any(|point| p.place.division.contains(point.division) && is(&point.kind)),
            }
    };
    let fits = |p: &Post, s: &Selector| {
        (s.tiers.is_empty() || s.tiers.contains(&tier(p)))
            && (s.roles.is_empty() || s.roles.contains(&p.role.0))
            && (s.at.is_empty() || s.at.contains(&p.place.division.level()))
            && (s.titles.is_empty() || bears(p, &s.titles))
            && (s.point_kinds.is_empty() || starred(p, &s.point_kinds))
    };
    let preferred = |s: &Selector| {
        s.prefer_titles.is_empty()
            || bears(post, &s.prefer_titles)
            || !all.iter().any(|p| p.place == post.place && bears(p, &s.prefer_titles) && fits(p, s))
    };
    policy.rules[0].calls.iter().find_map(|call| {
        let fits = policy.groups[&call.who[0]].select.iter().any(|s| fits(post, s) && preferred(s));
        fits.then(|| policy.ladders[&call.ladder].answer)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn nobody_who_is_to_answer_lacks_a_callout_nobody_else_has_one_and_each_has_just_one(
        dir in directory(), policy in policy(), areas in subsequence(AREAS.to_vec(), 1..4),
    ) {
        let p = plan(&policy, &dir, &areas);
        let all = in_force(&dir);
        let (mut want, mut told) = (BTreeSet::new(), BTreeSet::new());
        for post in &all {
            match called(&policy, &dir, &all, post, &areas) {
                Some(true) => { want.insert(post.recipient); }
                Some(false) => { told.insert(post.recipient); }
                None => {}
            }
        }
        let told: BTreeSet<RecipientId> = told.difference(&want).copied().collect();
        let (mut got, mut got_told) = (BTreeSet::new(), BTreeSet::new());
        for chunk in &p.chunks {
            for e in &chunk.entries {
                let id = chunk.people[usize::from(e.person)].id;
                let answer = p.running.ladders[usize::from(e.ladder)].ladder.answer;
                prop_assert!(!got.contains(&id) && !got_told.contains(&id), "one person, one warning, one callout");
                if answer { got.insert(id) } else { got_told.insert(id) };
                // Whoever is called beside somebody has no callout of his own.
                for other in &e.others {
                    prop_assert!(!want.contains(&chunk.people[usize::from(*other)].id), "he is called already");
                }
            }
        }
        prop_assert_eq!(got, want);
        prop_assert_eq!(got_told, told);
    }

    /// Whoever waits waits for somebody who is called and will tell, and no longer than until his own deadline.
    #[test]
    fn in_a_relay_nobody_waits_for_nobody_and_nobody_waits_for_ever(
        dir in directory(), policy in policy(), areas in subsequence(AREAS.to_vec(), 1..4),
    ) {
        let p = plan(&policy, &dir, &areas);
        let entries: Vec<&PlanEntry> = p.chunks.iter().flat_map(|c| &c.entries).collect();
        let telling: BTreeSet<String> =
            entries.iter().flat_map(|e| &e.posts).filter(|p| p.forwards).map(|p| relay_record(p.tier, p.place.division)).collect();
        let mut waited_for = BTreeSet::new();
        for e in &entries {
            let Some(relay) = &e.relay else { continue };
            prop_assert!(policy.rules[0].relay);
            prop_assert!(!relay.uppers.is_empty());
            prop_assert!(relay.uppers.iter().all(|u| telling.contains(u)), "{:?} of {telling:?}", relay.uppers);
            prop_assert!(relay.wait > Span::ZERO && relay.wait < e.deadline && relay.own > Span::ZERO, "{e:?}");
            prop_assert!(e.posts[0].tier != Tier::DutyDesk && e.posts[0].tier != Tier::City, "desks and the top are called at once");
            waited_for.extend(relay.uppers.iter().cloned());
        }
        prop_assert!(telling.is_superset(&waited_for));
    }
}

#[test]
fn a_person_with_five_posts_has_one_callout_that_names_them_all() {
    let mut b = Builder::empty();
    let p = b.person("身兼五职");
    for (role, tier, place) in [
        ("party_government", Tier::Village, LIANGZHUANG),
        ("geological", Tier::Point, SLOPE),
        ("flood_control", Tier::Village, XIHE),
        ("contract", Tier::Township, LONGGANG),
        ("flash_flood", Tier::Village, LIANGZHUANG),
    ] {
        let at = b.place(place);
        b.post(p, role, tier, at);
    }
    let policy = parse_policy(jiaoying::core::policy::SHIPPED).unwrap();
    let out = plan(&policy, &b.done(), &[COUNTY]);
    assert_eq!((out.expected, out.chunks[0].entries.len()), (1, 1));
    assert_eq!(out.chunks[0].entries[0].posts.len(), 5);
}

/// A little world of callouts and the records of their places, with letters between them that take their time.
struct Quorum {
    entries: Vec<PlanEntry>,
    people: Vec<PlanPerson>,
    ladder: Ladder,
    clocks: Clocks,
    callouts: Vec<Callout>,
    records: BTreeMap<String, PlaceRecord>,
    letters: VecDeque<(String, PlaceLetter)>,
    news: VecDeque<(usize, String)>,
    answered: BTreeMap<String, BTreeSet<RecipientId>>,
}

impl Quorum {
    /// `holds[p]`: the places of person p.
    fn new(holds: &[Vec<u8>], rules: &[AnswerRule]) -> Quorum {
        let policy = parse_policy(jiaoying::core::policy::SHIPPED).unwrap();
        let place = |n: u8| Place { division: Division(140_521_101_201 + u64::from(n)), point: None };
        let post = |n: &u8| PlanPost {
            role: Role("flood_control".into()),
            title: String::new(),
            place: place(*n),
            place_name: format!("村{n}"),
            tier: Tier::Village,
            deputy: None,
            rota: None,
            rule: rules[usize::from(*n)],
            forwards: false,
            line: None,
        };
        let entry = |(i, places): (usize, &Vec<u8>)| PlanEntry {
            person: i as u16,
            posts: places.iter().map(post).collect(),
            level: Level::Red,
            ladder: 0,
            deadline: Span::mins(5),
            feedback: None,
            superior: None,
            township_desk: None,
            county_desk: None,
            city_desk: None,
            shift_leader: None,
            others: Vec::new(),
            relay: None,
            duty: PlanDuty::default(),
            hold_until: None,
            hold_voice_until: None,
        };
        let person = |i| PlanPerson {
            id: RecipientId(i as u32 + 1),
            name: format!("p{i}"),
            phones: Phone::parse("15400000001").into_iter().collect(),
            email: None,
        };
        let mut q = Quorum {
            entries: holds.iter().enumerate().map(entry).collect(),
            people: (0..holds.len()).map(person).collect(),
            ladder: policy.ladders["L1"].clone(),
            clocks: Clocks::default(),
            callouts: Vec::new(),
            records: BTreeMap::new(),
            letters: VecDeque::new(),
            news: VecDeque::new(),
            answered: BTreeMap::new(),
        };
        for i in 0..holds.len() {
            let s = callout::open(q.ctx(i), CalloutId::new(WarningId(1), i as u32), now(), now());
            for (place, rule) in &s.effects.place_joined {
                q.letters.push_back((place.id(), PlaceLetter::Join { callout: s.state.id, rule: *rule }));
            }
            q.callouts.push(s.state);
        }
        q
    }

    fn ctx(&self, i: usize) -> Ctx<'_> {
        Ctx {
            warning: WarningId(1),
            drill: false,
            entry: &self.entries[i],
            people: &self.people,
            rotas: &[],
            ladder: &self.ladder,
            feedback: None,
            clocks: &self.clocks,
            night: Night::default(),
            channels: Channels { sms: true, voice: true, email: false },
            routes: Routes::default(),
            sending_timeout: Span::secs(15),
        }
    }

    fn step(&mut self, i: usize, event: &Event) {
        let s = callout::step(self.ctx(i), &self.callouts[i], event, now());
        let by = self.people[i].id;
        for (place, rule) in &s.effects.place_answered {
            self.answered.entry(place.id()).or_default().insert(by);
            self.letters.push_back((place.id(), PlaceLetter::Answered { callout: s.state.id, by, rule: *rule }));
        }
        self.callouts[i] = s.state;
    }

    fn answer(&mut self, i: usize) {
        self.step(i, &Event::Answer { contact: 0, via: Via::Link, at: now() });
    }

    /// The oldest letter arrives, or the oldest news of a record.
    fn deliver(&mut self, letter: bool) -> bool {
        if let Some((place, l)) = if letter { self.letters.pop_front() } else { None } {
            let told = self.records.entry(place.clone()).or_default().take(&l);
            self.news.extend(told.into_iter().map(|c| (c.ordinal as usize, place.clone())));
            return true;
        }
        match self.news.pop_front() {
            Some((i, place)) => {
                self.step(i, &Event::Covered { place });
                true
            }
            None => false,
        }
    }
}

fn needed(rule: AnswerRule) -> usize {
    match rule {
        AnswerRule::Each => usize::MAX,
        AnswerRule::Any => 1,
        AnswerRule::N(n) => usize::from(n),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Nobody is let off before enough distinct people have really answered at every place of his.
    #[test]
    fn a_quorum_never_leaves_a_place_uncovered(
        holds in proptest::collection::vec(subsequence(vec![0u8, 1, 2], 1..=3), 1..7),
        rules in proptest::collection::vec(0u8..4, 3),
        acts in proptest::collection::vec((0usize..7, any::<bool>(), any::<bool>()), 0..60),
    ) {
        let rules: Vec<AnswerRule> = rules.iter().map(|r| match r {
            0 => AnswerRule::Each,
            1 => AnswerRule::Any,
            n => AnswerRule::N(u16::from(*n)),
        }).collect();
        let mut q = Quorum::new(&holds, &rules);
        let check = |q: &Quorum| -> Result<(), TestCaseError> {
            for (i, c) in q.callouts.iter().enumerate() {
                if c.state == CalloutState::Closed {
                    prop_assert_eq!(c.closed_reason, Some(ClosedReason::Covered));
                    for post in &q.entries[i].posts {
                        let there = q.answered.get(&post.place.id()).map_or(0, BTreeSet::len);
                        prop_assert!(there >= needed(post.rule), "p{i} is let off at {}, where {there} have answered of {:?}", post.place, post.rule);
                    }
                }
            }
            Ok(())
        };
        for (person, answers, letter) in acts {
            if answers && person < holds.len() {
                q.answer(person);
            } else {
                q.deliver(letter);
            }
            check(&q)?;
        }
        // Everybody whom nobody let off answers at last: then every place is covered, or all of its people have answered.
        while q.deliver(true) || q.deliver(false) {}
        for i in 0..holds.len() {
            if q.callouts[i].state.is_open() {
                q.answer(i);
            }
            while q.deliver(true) || q.deliver(false) {}
        }
        check(&q)?;
        for (n, rule) in rules.iter().enumerate() {
            let place = Place { division: Division(140_521_101_201 + n as u64), point: None }.id();
            let here: Vec<usize> = (0..holds.len()).filter(|i| holds[*i].contains(&(n as u8))).collect();
            let answered = q.answered.get(&place).map_or(0, BTreeSet::len);
            let all = here.iter().all(|i| q.callouts[*i].state == CalloutState::Answered);
            prop_assert!(answered >= needed(*rule) || all, "place {n} by {rule:?}: {answered} of {} answered", here.len());
        }
    }
}
