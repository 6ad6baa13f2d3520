//! Coverage over the sample directory: mended until nothing is missing, then every kind of gap planted by name, and
//! found; and what the sample itself has noted as missing.

use jiaoying::{
    core::{
        callout::Channels,
        coverage::{Coverage, CoverageInput, Filing, Filings, GapKind, coverage},
        directory::{Directory, Place, Post, Recipient, Role, Tier},
        division::{Division, DivisionLevel},
        hazard::{HazardCode, Level},
        ids::{AttemptId, CalloutId, RecipientId, WarningId},
        numbers::{DeadNumber, DeadNumbers, NumberNews},
        phone::Phone,
        planner::Lookup,
        policy::{Policy, SHIPPED, parse_policy},
        rota::{Seat, Shift},
        send::Channel,
        time::{Span, Time},
    },
    sample,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

const ALL: Channels = Channels { sms: true, voice: true, email: false };

fn now() -> Time {
    Time::parse_rfc3339("2026-07-08T10:00:00+08:00").unwrap()
}
fn policy() -> Policy {
    parse_policy(SHIPPED).unwrap_or_else(|f| panic!("{f:?}"))
}

/// A directory that is being mended or broken.
struct Bench {
    d: Directory,
    dead: DeadNumbers,
    filings: Filings,
    numbers: u32,
}

impl Bench {
    /// Numbers nobody else has.
    fn number(&mut self) -> Phone {
        self.numbers += 1;
        Phone::parse(&format!("1549{:07}", self.numbers)).unwrap()
    }

    fn person(&mut self, name: &str, numbers: usize) -> RecipientId {
        let id = self.d.next_id();
        let phones = (0..numbers).map(|_| self.number()).collect();
        self.d.recipients.insert(id, Recipient { id, name: name.into(), phones, email: None, im: None });
        self.d.next_id = id.0 + 1;
        id
    }

    fn post(&mut self, who: RecipientId, role: &str, tier: Tier, place: &Place, deputy: Option<RecipientId>) {
        self.d.posts.push(Post {
            recipient: who,
            role: Role::new(role),
            title: "行政、技术、巡查、监测、报送责任人".into(),
            tier,
            place: place.clone(),
            deputy,
            superior: None,
            valid_from: None,
            valid_to: None,
            households: 0,
            people: 0,
            route: "沿后山路".into(),
            shelter: "学校".into(),
            note: String::new(),
        });
    }

    /// Two people of a place who hold every role there and stand in for each other.
    fn pair(&mut self, place: &Place, tier: Tier, roles: &[String]) {
        let (a, b) = (self.person(&format!("甲{}", place.id()), 2), self.person(&format!("乙{}", place.id()), 2));
        for role in roles {
            self.post(a, role, tier, place, Some(b));
            self.post(b, role, tier, place, Some(a));
        }
    }

    /// The sample with everything put in that could be missing.
    fn mended() -> Bench {
        let policy = policy();
        let d = sample::directory(1_000, 7);
        let mut b = Bench { d, dead: DeadNumbers::default(), filings: Filings::default(), numbers: 0 };
        let ids: Vec<RecipientId> = b.d.recipients.keys().copied().collect();
        for id in ids {
            let phones = vec![b.number(), b.number()];
            b.d.recipients.get_mut(&id).unwrap().phones = phones;
        }
        let spare = b.person("替补", 2);
        for post in b.d.posts.iter_mut().filter(|p| p.deputy.is_none()) {
            post.deputy = Some(spare);
        }
        let roles: Vec<String> = policy.roles.keys().filter(|k| !Role::new(k).is_desk()).cloned().collect();
        // The shipped policy calls few people above the counties: a gap of its own, planted below.
        let above = |p: &Post| !p.role.is_desk() && p.tier == Tier::City;
        b.d.posts.retain(|p| !above(p));
        let divisions: Vec<Division> = b.d.divisions.keys().copied().collect();
        for code in divisions {
            let place = Place { division: code, point: None };
            let tier = match code.level() {
                DivisionLevel::City => Tier::City,
                DivisionLevel::County => Tier::County,
                DivisionLevel::Township => Tier::Township,
                _ => Tier::Village,
            };
            b.pair(&place, tier, &roles);
            if tier != Tier::Village {
                let desk = b.person(&format!("值班室{code}"), 1);
                b.post(desk, "duty", Tier::DutyDesk, &place, None);
                let leader = b.person(&format!("带班{code}"), 1);
                b.post(leader, Role::SHIFT_LEADER, Tier::DutyDesk, &place, None);
            }
        }
        let points: Vec<(Place, String)> =
            b.d.points.values().map(|p| (Place { division: p.division, point: Some(p.code.clone()) }, p.kind.clone())).collect();
        for (place, kind) in points {
            b.pair(&place, Tier::Point, &[kind]);
        }
        b.filings.0.insert("1405".parse().unwrap(), Filing { at: now(), by: "市局".into() });
        b
    }

    fn coverage(&mut self, channels: Channels) -> Coverage {
        self.d.sort_posts();
        let lookup = Lookup::new(&self.d).with_numbers(Arc::new(self.dead.clone()));
        coverage(&CoverageInput {
            policy: &policy(),
            directory: &self.d,
            lookup: &lookup,
            channels,
            now: now(),
            filing: Some("04-20".parse().unwrap()),
            filings: &self.filings,
            within: None,
            hazard: None,
            level: None,
        })
    }

    fn found(&mut self) -> Vec<(GapKind, String, String)> {
        let c = self.coverage(ALL);
        let mut all: Vec<_> = c.gaps.into_iter().map(|g| (g.kind, g.place.id(), g.name.unwrap_or_default())).collect();
        all.sort();
        all
    }

    fn id(&self, name: &str) -> RecipientId {
        self.d.recipients.values().find(|r| r.name == name).unwrap_or_else(|| panic!("{name}")).id
    }
}

#[test]
fn coverage_over_the_sample_finds_exactly_the_planted_gaps() {
    let mut b = Bench::mended();
    assert_eq!(b.found(), [], "nothing is missing in the mended sample");

    let with_point: BTreeSet<Division> = b.d.points.values().map(|p| p.division).collect();
    let villages: Vec<Division> =
        b.d.divisions.keys().copied().filter(|d| d.level() == DivisionLevel::Village && !with_point.contains(d)).take(10).collect();
    let [empty, silent, single, mute, dead, alone, lame, unwatched, bare @ ..] = <[Division; 10]>::try_from(villages).unwrap();
    let towns: Vec<Division> = b.d.divisions.keys().copied().filter(|d| d.level() == DivisionLevel::Township).collect();
    let [no_desk, desk_mute, desk_empty] = [towns[3], towns[4], towns[5]];
    let of_kind = |kind: &str| b.d.points.values().filter(|p| p.kind == kind).map(|p| (p.code.clone(), p.division)).collect::<Vec<_>>();
    let (reservoir, valleys, slopes) = (of_kind("reservoir")[0].clone(), of_kind("flash_flood"), of_kind("geological"));
    let (valley, slope) = (valleys[0].clone(), slopes[0].clone());
    let spare = b.id("替补");
    let city: Division = "1405".parse().unwrap();
    let at = |d: Division| Place { division: d, point: None };
    let roles: Vec<String> = policy().roles.keys().filter(|k| !Role::new(k).is_desk()).cloned().collect();
    let mut planted: Vec<(GapKind, String, String)> = Vec::new();
    let mut plant = |kind: GapKind, place: String, name: &str| planted.push((kind, place, name.to_string()));

    // 无人可叫: a village and a point.
    b.d.posts.retain(|p| p.place.division != empty);
    plant(GapKind::Nobody, empty.to_string(), "");
    b.d.posts.retain(|p| p.place.point.as_deref() != Some(slope.0.as_str()));
    plant(GapKind::Nobody, slope.0.clone(), "");

    // 有人但无有效联系方式: its only person has no number.
    b.d.posts.retain(|p| p.place.division != silent);
    let nobody_hears = b.person("张无号", 0);
    b.post(nobody_hears, "party_government", Tier::Village, &at(silent), Some(spare));
    for role in roles.iter().filter(|r| *r != "party_government") {
        b.post(nobody_hears, role, Tier::Village, &at(silent), Some(spare));
    }
    plant(GapKind::NoDoor, silent.to_string(), "");
    plant(GapKind::NoNumber, silent.to_string(), "张无号");

    // 只有一个号码.
    b.d.posts.retain(|p| p.place.division != single);
    let one = b.person("李一号", 1);
    for role in &roles {
        b.post(one, role, Tier::Village, &at(single), Some(spare));
    }
    plant(GapKind::OneNumber, single.to_string(), "");

    // 责任人无有效联系方式, beside others who have one.
    let quiet = b.person("王无号", 0);
    b.post(quiet, "party_government", Tier::Village, &at(mute), Some(spare));
    plant(GapKind::NoNumber, mute.to_string(), "王无号");

    // 号码失效, by a receipt.
    let holder = format!("甲{dead}");
    let phone = b.d.recipients[&b.id(&holder)].phones[0].clone();
    let attempt = AttemptId { callout: CalloutId::new(WarningId(3), 17), n: 2 };
    let evidence = DeadNumber {
        at: now() - Span::hours(5),
        attempt,
        channel: Channel::Voice,
        provider: "aliyun-voice".into(),
        code: "200116 空号".into(),
    };
    b.dead.take(&NumberNews::Dead { phone: phone.clone(), evidence: evidence.clone() });
    plant(GapKind::DeadNumber, dead.to_string(), &holder);

    // 无代理人: none, and one who cannot be reached himself.
    let without = b.person("赵独", 2);
    b.post(without, "party_government", Tier::Village, &at(alone), None);
    plant(GapKind::NoDeputy, alone.to_string(), "赵独");
    let lamed = b.person("钱独", 2);
    b.post(lamed, "party_government", Tier::Village, &at(lame), Some(quiet));
    plant(GapKind::NoDeputy, lame.to_string(), "钱独");

    // 责任岗位空缺: no technical person at a reservoir, no route at a valley.
    for p in b.d.posts.iter_mut().filter(|p| p.place.point.as_deref() == Some(reservoir.0.as_str())) {
        p.title = p.title.replace("技术", "");
    }
    plant(GapKind::RoleEmpty, reservoir.0.clone(), "");
    for p in b.d.posts.iter_mut().filter(|p| p.place.point.as_deref() == Some(valley.0.as_str())) {
        p.route = String::new();
    }
    plant(GapKind::RoleEmpty, valley.0.clone(), "");

    // … and a village where nobody watches the forest: a red fire danger would call nobody there.
    let forest = ["forest_fire", "forest_chief", "rescue"];
    b.d.posts.retain(|p| p.place.division != unwatched || !forest.contains(&p.role.0.as_str()));
    plant(GapKind::RoleEmpty, unwatched.to_string(), "");

    // 值班: none, no number, nobody there now.
    let duty = |p: &Post, at: Division| p.place.division == at && p.role.0 == Role::DUTY;
    b.d.posts.retain(|p| !duty(p, no_desk));
    plant(GapKind::NoDesk, no_desk.to_string(), "");
    let desks: Vec<RecipientId> = b.d.posts.iter().filter(|p| duty(p, desk_mute)).map(|p| p.recipient).collect();
    desks.iter().for_each(|id| b.d.recipients.get_mut(id).unwrap().phones.clear());
    plant(GapKind::DeskWithoutNumber, desk_mute.to_string(), "");
    b.d.posts.iter_mut().filter(|p| duty(p, desk_empty)).for_each(|p| p.valid_to = Some(now() - Span::hours(1)));
    plant(GapKind::DeskUnstaffed, desk_empty.to_string(), "");

    // 带班领导: none, no number, nobody by the rota now; a township needs none of its own, but one who can be rung.
    let counties: Vec<Division> = b.d.divisions.keys().copied().filter(|d| d.level() == DivisionLevel::County).collect();
    let [no_leader, leader_mute, leader_off] = [counties[0], counties[1], counties[2]];
    let leads = |p: &Post, at: Division| p.place.division == at && p.role.0 == Role::SHIFT_LEADER;
    b.d.posts.retain(|p| ![no_leader, leader_mute, leader_off, towns[6], towns[7]].iter().any(|d| leads(p, *d)));
    plant(GapKind::NoShiftLeader, no_leader.to_string(), "");
    let unheard = b.person("孙带班", 0);
    for place in [leader_mute, towns[7]] {
        b.post(unheard, Role::SHIFT_LEADER, Tier::DutyDesk, &at(place), None);
        plant(GapKind::NoShiftLeader, place.to_string(), "");
    }
    let tomorrow = Shift { from: now() + Span::hours(24), to: now() + Span::hours(48), recipient: spare, note: String::new() };
    b.d.rotas.put(&Seat::leader(leader_off), tomorrow);
    plant(GapKind::NoShiftLeader, leader_off.to_string(), "");

    // 号码失效 of those whom only rungs ring: a desk with another number left, a leader of tomorrow's shift beside the standing
    // one, a deputy without a post (for two people: told once), and a number of somebody who is called himself, told there.
    let kill = |b: &mut Bench, id: RecipientId| {
        let phone = b.d.recipients[&id].phones[0].clone();
        b.dead.take(&NumberNews::Dead { phone: phone.clone(), evidence: evidence.clone() });
        phone
    };
    let (deaf_desk, deaf_leader) = (towns[8], counties[3]);
    let desk = b.id(&format!("值班室{deaf_desk}"));
    let second = b.number();
    b.d.recipients.get_mut(&desk).unwrap().phones.push(second);
    kill(&mut b, desk);
    plant(GapKind::DeadNumber, deaf_desk.to_string(), &format!("值班室{deaf_desk}"));
    let leader = b.person("周带班", 2);
    kill(&mut b, leader);
    let shift = Shift { from: now() + Span::hours(24), to: now() + Span::hours(48), recipient: leader, note: String::new() };
    b.d.rotas.put(&Seat::leader(deaf_leader), shift);
    let gone =
        Shift { from: now() - Span::hours(48), to: now() - Span::hours(24), recipient: b.person("吴已下班", 1), note: String::new() };
    kill(&mut b, gone.recipient);
    b.d.rotas.put(&Seat::leader(deaf_leader), gone);
    plant(GapKind::DeadNumber, deaf_leader.to_string(), "周带班");
    let deputy = b.person("郑代理", 2);
    let deputy_phone = kill(&mut b, deputy);
    let (one_leaf, other_leaf) = (at(bare[0]), at(bare[1]));
    for place in [&one_leaf, &other_leaf] {
        let holders = b.d.posts.iter_mut().filter(|p| p.place == *place && p.role.0 == "grid");
        holders.for_each(|p| p.deputy = Some(deputy));
    }
    plant(GapKind::DeadNumber, one_leaf.division.to_string(), "郑代理");

    // 在册但规则从不叫应: a city leader; one who is only somebody's superior; not who has another post that is called.
    let aloft = b.person("冯市长", 2);
    b.post(aloft, "party_government", Tier::City, &at(city), Some(spare));
    plant(GapKind::NeverCalled, city.to_string(), "冯市长");
    let chief = b.person("陈局长", 2);
    b.post(chief, "department", Tier::City, &at(city), None);
    b.d.posts.iter_mut().filter(|p| p.place == one_leaf).for_each(|p| p.superior = Some(chief));
    plant(GapKind::NeverCalled, city.to_string(), "陈局长");
    let both = b.id(&format!("甲{}", bare[0]));
    b.post(both, "party_government", Tier::City, &at(city), None);

    // 逾期未核对: the city confirmed last year, all counties but one this year.
    b.filings.0 = BTreeMap::from([(city, Filing { at: now() - Span::hours(24 * 300), by: "市局".into() })]);
    counties[1..].iter().for_each(|c| drop(b.filings.0.insert(*c, Filing { at: now() - Span::hours(24), by: "县局".into() })));
    plant(GapKind::StaleFiling, city.to_string(), "");
    plant(GapKind::StaleFiling, counties[0].to_string(), "");

    let kinds: BTreeSet<GapKind> = planted.iter().map(|p| p.0).collect();
    assert_eq!(kinds.len(), GapKind::ALL.len(), "every kind is planted at least once");
    planted.sort();
    assert_eq!(b.found(), planted, "exactly these, no more and no fewer");

    let c = b.coverage(ALL);
    let gap = |kind: GapKind, place: &str| c.gaps.iter().find(|g| g.kind == kind && g.place.id() == place).unwrap();
    let told = gap(GapKind::DeadNumber, &dead.to_string());
    assert_eq!(told.evidence.as_ref(), Some(&evidence), "with the evidence: which attempt, when, code, provider");
    assert!(
        told.detail.contains("w3-17-2") && told.detail.contains(&phone.masked()) && !told.detail.contains(phone.reveal()),
        "{}",
        told.detail
    );
    for (place, whose) in [(deaf_desk.to_string(), "（值班室）"), (deaf_leader.to_string(), "（带班领导）")] {
        let told = gap(GapKind::DeadNumber, &place);
        assert!(told.evidence.as_ref() == Some(&evidence) && told.detail.contains(whose) && told.rows.is_empty(), "{}", told.detail);
    }
    let told = gap(GapKind::DeadNumber, &one_leaf.division.to_string());
    assert!(told.phone.as_ref() == Some(&deputy_phone) && told.detail.starts_with("郑代理（代理人，涉及2处）的号码"), "{}", told.detail);
    assert!(!told.rows.is_empty() && told.rows.len() < c.rows.len(), "for the rows that call the holder");
    let never = |name: &str| c.gaps.iter().find(|g| g.name.as_deref() == Some(name)).unwrap().detail.as_str();
    assert_eq!(
        never("冯市长"),
        "冯市长的市级“党政”岗位“行政、技术、巡查、监测、报送责任人”，任何灾种、级别的规则都不叫：这些灾种的规则在市级只叫别的责任类别"
    );
    assert!(never("陈局长").ends_with("在市级只叫别的责任类别；他只在作为代理人、上级或值班人员时被叫到"), "{}", never("陈局长"));
    assert_eq!(gap(GapKind::RoleEmpty, &reservoir.0).detail, "缺：技术");
    assert_eq!(gap(GapKind::RoleEmpty, &valley.0).detail, "缺：转移路线");
    let unwatched = gap(GapKind::RoleEmpty, &unwatched.to_string());
    assert_eq!(unwatched.detail, "按规则应叫应的责任类别在此处无人：林长、森防、专业队");
    assert!(unwatched.rows.iter().any(|r| c.rows[usize::from(*r)].name == "森林火险红色"));
    let text = serde_json::to_string(&c.gaps).unwrap();
    assert!(!text.contains(phone.reveal()) && text.contains(&phone.masked()), "numbers are masked in JSON");
    let nobody = gap(GapKind::Nobody, &empty.to_string());
    let rows: Vec<&str> = nobody.rows.iter().map(|r| c.rows[usize::from(*r)].name.as_str()).collect();
    assert!(rows.contains(&"暴雨红色") && !rows.contains(&"暴雨蓝色"), "blue rain calls no village: {rows:?}");
}

#[test]
fn a_door_counts_only_where_an_account_opens_it() {
    let mut b = Bench::mended();
    let (a, c) = {
        let village = b.d.divisions.keys().copied().find(|d| d.level() == DivisionLevel::Village).unwrap();
        (b.id(&format!("甲{village}")), b.id(&format!("乙{village}")))
    };
    for id in [a, c] {
        b.d.recipients.get_mut(&id).unwrap().phones = vec![Phone::parse("03560123456").unwrap()];
    }
    let of = |c: &Coverage, kind: GapKind| c.gaps.iter().filter(|g| g.kind == kind && g.recipient == Some(a)).count();
    assert_eq!(of(&b.coverage(ALL), GapKind::NoNumber), 0, "a landline can be rung");
    let sms_only = Channels { voice: false, ..ALL };
    assert_eq!(of(&b.coverage(sms_only), GapKind::NoNumber), 1, "and receives no SMS");
}

#[test]
fn coverage_finds_what_the_sample_says_it_left_out() {
    let s = sample::sample(10_000, 3);
    let lookup = Lookup::new(&s.directory);
    let policy = policy();
    let filings = Filings::default();
    let input = CoverageInput {
        policy: &policy,
        directory: &s.directory,
        lookup: &lookup,
        channels: ALL,
        now: now(),
        filing: None,
        filings: &filings,
        within: None,
        hazard: None,
        level: None,
    };
    let c = coverage(&input);
    let divisions = |kind: GapKind, level: DivisionLevel| -> BTreeSet<Division> {
        let of = c.gaps.iter().filter(|g| g.kind == kind && g.place.point.is_none() && g.division.level() == level);
        of.map(|g| g.division).collect()
    };
    assert_eq!(
        divisions(GapKind::NoDesk, DivisionLevel::Township),
        s.gaps.no_desk.iter().copied().filter(|d| d.level() == DivisionLevel::Township).collect()
    );
    let nobody = divisions(GapKind::Nobody, DivisionLevel::Village);
    assert!(s.gaps.empty_villages.is_subset(&nobody), "a village without anybody is one that nobody answers for");
    let whole_silence: BTreeSet<Division> = c
        .gaps
        .iter()
        .filter(|g| g.kind == GapKind::Nobody && g.place.point.is_none() && g.division.level() == DivisionLevel::Village)
        .filter(|g| g.rows.iter().any(|r| c.rows[usize::from(*r)].name == "暴雨红色"))
        .map(|g| g.division)
        .collect();
    assert_eq!(whole_silence, s.gaps.empty_villages, "and red rain finds nobody in just these");
    let told_once: Vec<&str> = c
        .gaps
        .iter()
        .filter(|g| g.kind == GapKind::RoleEmpty && g.detail.contains("名册中一个也没有"))
        .map(|g| g.detail.as_str())
        .collect();
    assert!(told_once.is_empty(), "somebody in the sample holds each role that the policy calls: {told_once:?}");
    // People above the counties are called by no row of the shipped policy.
    let called = |id: &RecipientId| s.directory.posts.iter().any(|p| p.recipient == *id && p.tier != Tier::City && !p.role.is_desk());
    let mute: BTreeSet<RecipientId> = c.gaps.iter().filter(|g| g.kind == GapKind::NoNumber).filter_map(|g| g.recipient).collect();
    assert_eq!(mute, s.gaps.no_number.iter().copied().filter(called).collect());
    let planned = s.gaps.no_deputy.iter().filter(|(id, place)| {
        s.directory.posts.iter().any(|p| p.recipient == *id && p.place.id() == *place && p.tier != Tier::City && !p.role.is_desk())
    });
    let found: BTreeSet<(RecipientId, String)> =
        c.gaps.iter().filter(|g| g.kind == GapKind::NoDeputy).filter_map(|g| Some((g.recipient?, g.place.id()))).collect();
    let planned: BTreeSet<(RecipientId, String)> = planned.cloned().collect();
    assert!(planned.is_subset(&found), "{:?}", planned.difference(&found).take(5).collect::<Vec<_>>());
    let unreachable = |id: &RecipientId| s.gaps.no_number.contains(id);
    for (id, place) in found.difference(&planned) {
        let posts = s.directory.posts.iter().filter(|p| p.recipient == *id && p.place.id() == *place);
        assert!(posts.clone().any(|p| p.deputy.as_ref().is_none_or(unreachable)), "{id} {place} has a deputy who can be reached");
    }
}

#[test]
fn filters_narrow_to_a_division_a_hazard_and_a_level() {
    let s = sample::sample(1_000, 3);
    let lookup = Lookup::new(&s.directory);
    let policy = policy();
    let filings = Filings::default();
    let hazard = HazardCode("11B41".into());
    let county: Division = "140521".parse().unwrap();
    let input = CoverageInput {
        policy: &policy,
        directory: &s.directory,
        lookup: &lookup,
        channels: ALL,
        now: now(),
        filing: None,
        filings: &filings,
        within: Some(county),
        hazard: Some(&hazard),
        level: Some(Level::Red),
    };
    let c = coverage(&input);
    assert!(!c.gaps.is_empty() && c.gaps.iter().all(|g| county.contains(g.division)));
    assert!(c.rows.iter().all(|r| r.hazards == [hazard.clone()] && r.levels == [Level::Red]), "{:?}", c.rows);
    assert!(c.rows.iter().any(|r| r.name == "森林火险红色"));
}
