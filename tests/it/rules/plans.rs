//! Plans made from a small county: who is called and who is not, whatever the area looks like.

use super::{
    table::shipped,
    town::{self, Builder, COUNTY, DONGGOU, LIANGZHUANG, LONGGANG, NANPO, SLOPE, VALLEY, XIHE, ZHONGCUN, area, content, d, division},
};
use jiaoying::core::{
    directory::{Directory, Place, Tier},
    division::Division,
    hazard::{HazardCode, Level},
    ids::RecipientId,
    plan::PlanEntry,
    planner::{Lookup, Only, PlanInput, PlanOutput, make_plan},
    policy::{AnswerRule, Policy, RunningPolicy, Supervise, Who},
    rota::{Seat, Shift},
    supervise,
    time::{Span, Time},
    warning::{Area, Content, Shape},
};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

fn at(text: &str) -> Time {
    Time::parse_rfc3339(text).unwrap()
}
fn day() -> Time {
    at("2026-07-08T14:00:00+08:00")
}
fn night() -> Time {
    at("2026-07-08T23:00:00+08:00")
}
fn rain(level: Level, areas: Vec<Area>) -> Content {
    content(HazardCode("11B03".into()), level, areas)
}

/// A plan by the shipped policy.
fn plan(directory: &Directory, content: &Content, now: Time) -> PlanOutput {
    plan_by(&shipped(), directory, content, now, &[], false, None)
}

fn plan_by(
    policy: &Policy,
    directory: &Directory,
    content: &Content,
    now: Time,
    rights: &[Division],
    drill: bool,
    only: Option<&Only>,
) -> PlanOutput {
    let lookup = Lookup::new(directory);
    make_plan(PlanInput { content, policy, directory, lookup: &lookup, now, issuer_divisions: rights, drill, only })
}

fn names(plan: &PlanOutput) -> Vec<String> {
    entries(plan).into_iter().map(|(name, _)| name).collect()
}
fn entries(plan: &PlanOutput) -> Vec<(String, &PlanEntry)> {
    plan.chunks.iter().flat_map(|c| c.entries.iter().map(|e| (c.people[usize::from(e.person)].name.clone(), e))).collect()
}
fn entry<'a>(plan: &'a PlanOutput, name: &str) -> &'a PlanEntry {
    entries(plan).into_iter().find(|(n, _)| n == name).unwrap_or_else(|| panic!("{name} is not called")).1
}
fn called(plan: &PlanOutput) -> BTreeSet<String> {
    names(plan).into_iter().collect()
}
fn codes(plan: &PlanOutput) -> BTreeSet<&str> {
    plan.findings.iter().map(|f| f.code.as_str()).collect()
}
fn ladder<'a>(plan: &'a PlanOutput, e: &PlanEntry) -> &'a str {
    &plan.running.ladders[usize::from(e.ladder)].name
}

/// Heads of everything, desks, and two points.
fn county() -> Builder {
    use Tier::{County, DutyDesk, Point, Township, Village};
    let mut b = Builder::empty();
    b.add("市值班", "duty", DutyDesk, town::CITY);
    b.add("县长", "party_government", County, COUNTY);
    b.add("县值班", "duty", DutyDesk, COUNTY);
    b.add("带班", "shift_leader", DutyDesk, COUNTY);
    for (town, name) in [(LONGGANG, "龙港"), (ZHONGCUN, "中村")] {
        b.add(&format!("{name}镇长"), "party_government", Township, town);
        b.add(&format!("{name}值班"), "duty", DutyDesk, town);
    }
    for (village, name) in [(LIANGZHUANG, "梁庄"), (XIHE, "西河"), (DONGGOU, "东沟"), (NANPO, "南坡")] {
        b.add(&format!("{name}支书"), "party_government", Village, village);
    }
    b.add("滑坡监测员", "geological", Point, SLOPE);
    b.add("河谷预警员", "flash_flood", Point, VALLEY);
    b.add("阳城县长", "party_government", County, town::OTHER_COUNTY);
    b
}
fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|n| (*n).to_string()).collect()
}

#[test]
fn a_township_warning_calls_the_township_what_is_in_it_and_those_above_it() {
    let p = plan(&county().done(), &rain(Level::Red, vec![division(LONGGANG)]), day());
    let want = ["梁庄支书", "滑坡监测员", "西河支书", "龙港镇长", "龙港值班", "县值班", "带班", "市值班", "县长"];
    assert_eq!(called(&p), set(&want));
    assert_eq!((p.expected, p.told, p.places), (9, 0, 6), "two villages, a point, a town, county and city: {:?}", p.findings);
    assert!(p.needs_officer.is_none() && p.findings.is_empty(), "{:?}", p.findings);
    assert_eq!(p.rules, ["暴雨红色"]);
}

#[test]
fn the_order_of_calling_is_red_first_then_from_the_point_upwards_neighbours_side_by_side() {
    let areas = vec![Area { level: Some(Level::Yellow), ..division(ZHONGCUN) }, Area { level: Some(Level::Red), ..division(LONGGANG) }];
    let p = plan(&county().done(), &rain(Level::Red, areas), day());
    let order = names(&p);
    let where_is = |n: &str| order.iter().position(|o| o == n).unwrap_or_else(|| panic!("{n} not in {order:?}"));
    let rising = ["梁庄支书", "滑坡监测员", "西河支书", "龙港镇长", "市值班", "县值班", "龙港值班", "县长", "东沟支书", "中村镇长"];
    assert!(rising.windows(2).all(|w| where_is(w[0]) < where_is(w[1])), "{order:?}");
    assert_eq!(entry(&p, "县长").level, Level::Red, "the highest level of the places that make it his");
    assert_eq!(entry(&p, "东沟支书").level, Level::Yellow);
    assert_eq!(ladder(&p, entry(&p, "东沟支书")), "L3★");
    assert_eq!(p.rules, ["暴雨红色", "暴雨黄色"]);
    assert!(!order.contains(&"南坡支书".to_string()), "yellow calls a village only where it has a starred point");
}

#[test]
fn within_a_tier_the_nearest_to_the_hazard_is_called_first() {
    let positions = [(SLOPE, [112.10, 35.60]), (VALLEY, [112.30, 35.70])];
    let mut b = county();
    for (code, at) in positions {
        b.0.points.get_mut(code).unwrap().position = Some(at);
    }
    let directory = b.done();
    // Both towns are called by name; where the hazard is, a circle or a point says.
    let order = |areas: Vec<Area>| {
        let p = plan(&directory, &rain(Level::Red, areas), day());
        let all = names(&p);
        move |n: &str| all.iter().position(|o| o == n).unwrap_or_else(|| panic!("{n} not in {all:?}"))
    };
    let circle = |center: [f64; 2]| area(Shape::Circle { center, radius_km: 60.0 });
    for (center, near, far) in [([112.31, 35.70], "东沟支书", "梁庄支书"), ([112.09, 35.60], "梁庄支书", "东沟支书")] {
        let at = order(vec![circle(center)]);
        assert!(at(near) < at(far), "{near} is nearer to {center:?}");
        assert!(at("滑坡监测员") < at("龙港镇长") && at("东沟支书") < at("中村镇长"), "tiers come before distance");
    }
    let square = |[x, y]: [f64; 2]| {
        area(Shape::Polygon(vec![[x - 0.01, y - 0.01], [x + 0.01, y - 0.01], [x + 0.01, y + 0.01], [x - 0.01, y + 0.01]]))
    };
    let at = order(vec![square(positions[1].1), square(positions[0].1)]);
    assert!(at("梁庄支书") < at("东沟支书"), "both lie in the hazard: then the order of places");
    // A point named outright, and its whole county by another part: everything named is where the hazard is.
    let at = order(vec![area(Shape::Point(VALLEY.into())), division(LONGGANG)]);
    assert!(at("梁庄支书") < at("龙港镇长") && at("东沟支书") < at("龙港镇长"));
}

#[test]
fn a_person_with_five_posts_has_one_entry_by_the_strictest_of_them() {
    let mut b = county();
    let id = b.add("多岗", "party_government", Tier::County, COUNTY);
    for (role, tier, place) in [
        ("flood_control", Tier::Township, LONGGANG),
        ("party_government", Tier::Village, XIHE),
        ("flash_flood", Tier::Village, XIHE),
        ("geological", Tier::Point, SLOPE),
    ] {
        let place = b.place(place);
        b.post(id, role, tier, place);
    }
    let deputy = b.person("代理");
    b.0.posts.iter_mut().filter(|p| p.recipient == id && p.tier == Tier::Village).for_each(|p| p.deputy = Some(deputy));
    let p = plan(&b.done(), &rain(Level::Red, vec![division(COUNTY)]), day());
    let mine: Vec<_> = entries(&p).into_iter().filter(|(n, _)| n == "多岗").collect();
    assert_eq!(mine.len(), 1);
    let e = mine[0].1;
    assert_eq!(e.posts.len(), 5);
    assert_eq!((e.deadline, ladder(&p, e)), (Span::mins(5), "L1"), "the village's five minutes, not the county's ten");
    assert!(e.feedback.is_some(), "a leader owes no feedback, but this one has a village");
    assert_eq!(e.people_of(Who::Deputy).len(), 1, "one deputy of two posts is one contact");
    assert!(!called(&p).contains("代理"), "a deputy is a contact, not a callout");
}

#[test]
fn an_unknown_division_beside_a_known_one_is_a_finding_and_the_known_one_is_called() {
    let p = plan(&county().done(), &rain(Level::Red, vec![division("140521199"), division(XIHE)]), day());
    assert!(called(&p).contains("西河支书"));
    assert_eq!(codes(&p), ["unknown_division"].into());
    assert_eq!(p.unreadable.len(), 1);
    assert!(p.needs_officer.is_none());
    let p = plan(&county().done(), &rain(Level::Red, vec![division("110101"), division(XIHE)]), day());
    assert_eq!(codes(&p), ["outside_our_divisions"].into());
    let named = Area { name: Some("中村镇".into()), ..division("140521199") };
    let p = plan(&county().done(), &rain(Level::Red, vec![named]), day());
    assert!(called(&p).contains("南坡支书") && codes(&p).contains("unknown_division"), "the name stands in for the code");
}

#[test]
fn where_no_area_can_be_read_an_officer_is_wanted_at_once() {
    let cases: [Vec<Area>; 6] = [
        vec![],
        vec![division("140521199")],
        vec![area(Shape::Named("火星基地".into()))],
        vec![area(Shape::Point("DZ-999".into()))],
        vec![area(Shape::Polygon(vec![[100.0, 20.0], [100.1, 20.0], [100.1, 20.1], [100.0, 20.0]]))],
        vec![area(Shape::Circle { center: [f64::NAN, 35.0], radius_km: 5.0 })],
    ];
    for areas in cases {
        let p = plan(&county().done(), &rain(Level::Red, areas.clone()), day());
        assert!(p.needs_officer.is_some() && p.expected == 0, "{areas:?}");
        assert!(areas.is_empty() || !p.findings.is_empty());
    }
    let p = plan(&Builder::empty().done(), &rain(Level::Red, vec![division(LONGGANG)]), day());
    assert!(p.needs_officer.unwrap().contains("没有可叫应的责任人"), "an area without people is not silence either");
}

#[test]
fn names_are_found_as_people_write_them() {
    let mut b = county();
    // A second 西河村, in the other county.
    let twin = "140522103201";
    b.0.divisions.insert(d(twin), jiaoying::core::directory::DivisionName { code: d(twin), name: "西河村村委会".into(), clash: None });
    b.add("阳城西河支书", "party_government", Tier::Village, twin);
    let dir = b.done();
    let who = |text: &str, rights: &[&str]| {
        let rights: Vec<Division> = rights.iter().map(|r| d(r)).collect();
        let c = rain(Level::Red, vec![area(Shape::Named(text.into()))]);
        plan_by(&shipped(), &dir, &c, day(), &rights, false, None)
    };
    let villages = |p: &PlanOutput| -> BTreeSet<String> { called(p).into_iter().filter(|n| n.ends_with("支书")).collect() };
    assert_eq!(villages(&who("龙港镇", &[])), set(&["梁庄支书", "西河支书"]));
    assert_eq!(villages(&who("沁水县龙港镇、中村镇等地", &[])), set(&["梁庄支书", "西河支书", "东沟支书", "南坡支书"]));
    assert_eq!(villages(&who("山西省晋城市沁水县中村镇东沟村", &[])), set(&["东沟支书"]));
    assert_eq!(villages(&who("沁水县西河村", &[])), set(&["西河支书"]), "the county before it tells which");
    let both = who("西河村", &[]);
    assert_eq!(villages(&both), set(&["西河支书", "阳城西河支书"]));
    assert!(codes(&both).contains("ambiguous_name"));
    assert_eq!(villages(&who("龙港、中村东部", &[])), set(&["梁庄支书", "西河支书", "东沟支书", "南坡支书"]), "a town without its ending");
    assert_eq!(villages(&who("西河村", &[COUNTY])), set(&["西河支书"]), "only inside the issuer's divisions");
    assert_eq!(villages(&who("全县大部", &[COUNTY])).len(), 4);
    let half = who("龙港镇，火星镇", &[]);
    assert!(codes(&half).contains("unknown_name") && villages(&half).len() == 2);
    assert!(called(&who("梁庄后山滑坡", &[])).contains("滑坡监测员"), "a point has a name, too");
}

#[test]
fn a_polygon_calls_the_townships_of_the_points_inside() {
    let ring =
        |x: f64, y: f64| vec![[x - 0.05, y - 0.05], [x + 0.05, y - 0.05], [x + 0.05, y + 0.05], [x - 0.05, y + 0.05], [x - 0.05, y - 0.05]];
    let open: Vec<[f64; 2]> = ring(112.10, 35.60)[..4].to_vec();
    for shape in [Shape::Polygon(ring(112.10, 35.60)), Shape::Line(open), Shape::Circle { center: [112.11, 35.61], radius_km: 3.0 }] {
        let p = plan(&county().done(), &rain(Level::Red, vec![area(shape.clone())]), day());
        let who = called(&p);
        assert!(who.contains("滑坡监测员") && who.contains("龙港镇长") && who.contains("县值班"), "{shape:?} {who:?}");
        assert!(!who.contains("东沟支书"), "{shape:?}");
        assert!(codes(&p).contains("area_by_points"));
    }
    let p = plan(&county().done(), &rain(Level::Red, vec![area(Shape::Polygon(ring(111.0, 30.0))), division(NANPO)]), day());
    assert!(called(&p).contains("南坡支书") && codes(&p).contains("shape_without_places") && p.needs_officer.is_none());
    let p = plan(&county().done(), &rain(Level::Red, vec![area(Shape::Polygon(vec![[1.0, 1.0]])), division(NANPO)]), day());
    assert!(codes(&p).contains("broken_shape"));
}

#[test]
fn a_point_calls_its_own_people_its_village_and_those_above() {
    let c = content(HazardCode("11D01".into()), Level::Red, vec![area(Shape::Point(SLOPE.into()))]);
    let p = plan(&county().done(), &c, day());
    assert_eq!(called(&p), set(&["滑坡监测员", "梁庄支书", "龙港镇长", "龙港值班", "县值班", "带班"]));
}

#[test]
fn a_code_that_two_lists_give_to_two_places_calls_both() {
    let mut b = county();
    b.0.divisions.get_mut(&d(LONGGANG)).unwrap().clash = Some("中村镇".into());
    let p = plan(&b.done(), &rain(Level::Red, vec![division(LONGGANG)]), day());
    let who = called(&p);
    assert!(who.contains("龙港镇长") && who.contains("中村镇长") && who.contains("南坡支书"), "{who:?}");
    assert!(codes(&p).contains("division_clash"));
}

#[test]
fn an_issuer_reaches_no_further_than_its_rights() {
    let rights = [d(LONGGANG)];
    let of = |areas| plan_by(&shipped(), &county().done(), &rain(Level::Red, areas), day(), &rights, false, None);
    let wide = of(vec![division(COUNTY)]);
    assert!(called(&wide).contains("西河支书") && !called(&wide).contains("南坡支书"));
    assert!(codes(&wide).contains("partly_outside_rights") && !wide.outside_rights);
    let foreign = of(vec![division(ZHONGCUN)]);
    assert!(foreign.outside_rights && foreign.expected == 0);
    let point = of(vec![area(Shape::Point(VALLEY.into()))]);
    assert!(point.outside_rights);
    let mixed = of(vec![division(ZHONGCUN), division(XIHE)]);
    assert!(!mixed.outside_rights && called(&mixed).contains("西河支书") && codes(&mixed).contains("outside_issuer_rights"));
}

#[test]
fn the_night_raises_orange_holds_blue_and_lets_yellow_sleep() {
    let dir = county().done();
    let orange = plan(&dir, &rain(Level::Orange, vec![division(LONGGANG)]), night());
    let e = entry(&orange, "龙港镇长");
    assert_eq!((ladder(&orange, e), e.deadline, e.hold_until, e.hold_voice_until), ("L1", Span::mins(5), None, None));
    assert_eq!(ladder(&orange, entry(&orange, "县长")), "L2");
    let by_day = plan(&dir, &rain(Level::Orange, vec![division(LONGGANG)]), day());
    assert_eq!(ladder(&by_day, entry(&by_day, "龙港镇长")), "L2");

    let morning = at("2026-07-09T06:30:00+08:00");
    let yellow = plan(&dir, &rain(Level::Yellow, vec![division(LONGGANG)]), night());
    let e = entry(&yellow, "龙港镇长");
    assert_eq!((e.hold_until, e.hold_voice_until), (None, Some(morning)));
    assert_eq!(night() + e.deadline, morning + Span::mins(30), "the deadline counts from the morning");
    let e = entry(&yellow, "滑坡监测员");
    assert_eq!((ladder(&yellow, e), e.hold_voice_until, e.deadline), ("L3★", None, Span::mins(30)), "★ is rung at night");

    // Shortly before ten: who would be rung in the night is rung in the morning, and has until then.
    let late = at("2026-07-08T21:50:00+08:00");
    let yellow = plan(&dir, &rain(Level::Yellow, vec![division(LONGGANG)]), late);
    let e = entry(&yellow, "龙港镇长");
    assert_eq!((e.hold_until, e.hold_voice_until), (None, Some(morning)), "his SMS leaves at once");
    assert_eq!(late + e.deadline, morning + Span::mins(30));
    assert_eq!(entry(&yellow, "滑坡监测员").hold_voice_until, None);
    let earlier = plan(&dir, &rain(Level::Yellow, vec![division(LONGGANG)]), at("2026-07-08T21:00:00+08:00"));
    assert_eq!(entry(&earlier, "龙港镇长").hold_voice_until, None, "he is rung and has answered, or not, by ten");
    for (minute, held) in [(30, false), (44, false), (45, true), (59, true)] {
        let now = at(&format!("2026-07-08T21:{minute}:00+08:00"));
        let yellow = plan(&dir, &rain(Level::Yellow, vec![division(LONGGANG)]), now);
        for name in ["龙港镇长", "县值班"] {
            let e = entry(&yellow, name);
            assert_eq!(e.hold_voice_until, held.then_some(morning), "his one call is a quarter of an hour after 21:{minute}");
            assert!(held || e.deadline == Span::mins(30));
        }
    }
    let red = plan(&dir, &rain(Level::Red, vec![division(LONGGANG)]), late);
    assert!(entries(&red).iter().all(|(_, e)| e.hold_voice_until.is_none()));

    let blue = plan(&dir, &rain(Level::Blue, vec![division(LONGGANG)]), night());
    assert_eq!((blue.expected, blue.told), (0, 4));
    assert_eq!(entry(&blue, "龙港镇长").hold_until, Some(morning));
    assert_eq!(entry(&blue, "县值班").hold_until, None, "the duty room is kept live");
    assert_eq!(blue.places, 0);
}

/// A red fire danger rings nobody at night, and rings several times: at 2, 5 and 8 minutes, the deputy at 10 and 13.
#[test]
fn a_series_of_calls_that_would_go_on_into_the_night_waits_for_the_morning_as_a_whole() {
    let fire = content(HazardCode("11B41".into()), Level::Red, vec![division(LONGGANG)]);
    let dir = county().done();
    for (time, held) in [("21:46", false), ("21:47", true), ("21:52", true), ("21:59", true)] {
        let now = at(&format!("2026-07-08T{time}:59+08:00"));
        let p = plan(&dir, &fire, now);
        let morning = held.then_some(at("2026-07-09T06:30:00+08:00"));
        assert_eq!(entry(&p, "龙港镇长").hold_voice_until, morning, "{time}");
    }
}

#[test]
fn a_drill_does_not_ring_at_night_unless_its_policy_says_so() {
    let dir = county().done();
    let c = rain(Level::Red, vec![division(LONGGANG)]);
    let held = plan_by(&shipped(), &dir, &c, night(), &[], true, None);
    assert!(codes(&held).contains("drill_held"));
    assert!(entries(&held).iter().all(|(_, e)| e.hold_until == Some(at("2026-07-09T06:30:00+08:00")) && e.deadline > Span::hours(7)));
    let mut policy = shipped();
    policy.drill.at_night = true;
    let live = plan_by(&policy, &dir, &c, night(), &[], true, None);
    assert!(entries(&live).iter().all(|(_, e)| e.hold_until.is_none()));
    let by_day = plan_by(&shipped(), &dir, &c, day(), &[], true, None);
    assert!(by_day.findings.is_empty() && entries(&by_day).iter().all(|(_, e)| e.hold_until.is_none()));
}

#[test]
fn unknown_level_hazard_stage_and_role_are_findings_and_nobody_is_left_out() {
    let dir = county().done();
    let orange = plan(&dir, &rain(Level::Orange, vec![division(LONGGANG)]), day());
    let unknown = plan(&dir, &rain(Level::Unknown, vec![division(LONGGANG)]), day());
    assert_eq!(called(&unknown), called(&orange), "unknown is called as orange");
    assert!(codes(&unknown).contains("unknown_level"));
    assert_eq!(entry(&unknown, "龙港镇长").level, Level::Unknown);

    let strange = plan(&dir, &content(HazardCode("暴雨".into()), Level::Red, vec![division(LONGGANG)]), day());
    assert!(called(&strange).contains("滑坡监测员") && codes(&strange).contains("unknown_hazard"), "no role can be ruled out");

    let mut staged = rain(Level::Red, vec![division(LONGGANG)]);
    staged.stage = Some("从未见过".into());
    let p = plan(&dir, &staged, day());
    assert!(codes(&p).contains("unknown_stage") && p.rules == ["暴雨红色"]);

    let mut b = county();
    b.add("新岗位", "drone_pilot", Tier::Village, XIHE);
    let p = plan(&b.done(), &rain(Level::Red, vec![division(XIHE)]), day());
    assert!(called(&p).contains("新岗位") && codes(&p).contains("unknown_role"));
}

#[test]
fn without_a_rule_everybody_is_called_by_the_last_resort() {
    let policy = Policy { rules: vec![], ladders: BTreeMap::new(), ..shipped() };
    let p = plan_by(&policy, &county().done(), &rain(Level::Blue, vec![division(LONGGANG)]), night(), &[], false, None);
    assert!(codes(&p).contains("no_rule"));
    assert_eq!(p.expected, 9, "{:?}", called(&p));
    assert!(entries(&p).iter().all(|(_, e)| ladder(&p, e) == "内置" && e.deadline == Span::mins(10)));
    let broken = Policy { ladders: BTreeMap::new(), ..shipped() };
    let p = plan_by(&broken, &county().done(), &rain(Level::Red, vec![division(LONGGANG)]), day(), &[], false, None);
    assert!(codes(&p).contains("unknown_ladder") && p.expected == 9);
}

#[test]
fn each_ladder_finds_its_contacts_and_nobody_is_his_own() {
    let mut b = county();
    let head = b.0.recipients.values().find(|r| r.name == "龙港镇长").unwrap().id;
    let village = b.0.recipients.values().find(|r| r.name == "西河支书").unwrap().id;
    let post = b.0.posts.iter_mut().find(|p| p.recipient == village).unwrap();
    (post.superior, post.deputy) = (Some(head), Some(village));
    let p = plan(&b.done(), &rain(Level::Red, vec![division(COUNTY)]), day());
    let who = |e: &PlanEntry, w: Who| -> Vec<String> {
        let chunk = p.chunks.iter().find(|c| c.entries.contains(e)).unwrap();
        e.people_of(w).into_iter().map(|i| chunk.people[usize::from(i)].name.clone()).collect()
    };
    let e = entry(&p, "西河支书");
    assert_eq!(who(e, Who::TownshipDesk), ["龙港值班"]);
    assert_eq!(who(e, Who::CountyDesk), ["县值班"]);
    assert_eq!(who(e, Who::CityDesk), ["市值班"]);
    assert_eq!(who(e, Who::ShiftLeader), ["带班"]);
    assert_eq!(who(e, Who::Superior), ["龙港镇长"]);
    assert!(who(e, Who::Deputy).is_empty(), "he cannot deputise himself");
    let desk = entry(&p, "龙港值班");
    assert_eq!(who(desk, Who::TownshipDesk), ["县值班"], "a desk falls back upward");
    assert_eq!(who(entry(&p, "县值班"), Who::CountyDesk), ["市值班"]);
    assert!(who(entry(&p, "市值班"), Who::CityDesk).is_empty());
    assert!(who(entry(&p, "带班"), Who::ShiftLeader).is_empty());
    assert_eq!(who(entry(&p, "县长"), Who::TownshipDesk), ["县值班"]);
}

#[test]
fn a_post_out_of_its_time_is_nobodys() {
    let mut b = county();
    for p in b.0.posts.iter_mut().filter(|p| p.place.division == d(LONGGANG)) {
        p.valid_to = Some(day());
    }
    let p = plan(&b.done(), &rain(Level::Red, vec![division(LONGGANG)]), day());
    let who = called(&p);
    assert!(!who.contains("龙港镇长") && !who.contains("龙港值班") && who.contains("西河支书"), "{who:?}");
    let e = entry(&p, "西河支书");
    let chunk = &p.chunks[0];
    assert_eq!(chunk.people[usize::from(e.township_desk.unwrap())].name, "县值班", "an expired desk is none");
}

#[test]
fn the_one_in_charge_is_preferred_but_a_county_without_one_is_not_left_alone() {
    let orange = rain(Level::Orange, vec![division(LONGGANG)]);
    let p = plan(&county().done(), &orange, day());
    assert!(called(&p).contains("县长"), "nobody is 分管, so the leader himself");
    let mut b = county();
    b.add("分管副县长", "party_government", Tier::County, COUNTY);
    let p = plan(&b.done(), &orange, day());
    assert!(called(&p).contains("分管副县长") && !called(&p).contains("县长"));
}

#[test]
fn answer_rules_and_narrowing_are_carried_into_the_plan() {
    let mut policy = shipped();
    let red = policy.rules.iter_mut().find(|r| r.name == "暴雨红色").unwrap();
    red.calls[0].answer = AnswerRule::N(2);
    let c = rain(Level::Red, vec![division(COUNTY)]);
    let dir = county().done();
    let p = plan_by(&policy, &dir, &c, day(), &[], false, None);
    assert!(entries(&p).iter().all(|(_, e)| e.posts.iter().all(|post| post.rule == AnswerRule::N(2))));
    let only = Only { tiers: vec![Tier::Village], divisions: vec![d(LONGGANG)], recipients: vec![], first: vec![] };
    let p = plan_by(&policy, &dir, &c, day(), &[], false, Some(&only));
    assert_eq!(called(&p), set(&["梁庄支书", "西河支书"]));
    let one = dir.recipients.values().find(|r| r.name == "县长").unwrap().id;
    let only = Only { recipients: vec![one], ..Only::default() };
    assert_eq!(called(&plan_by(&policy, &dir, &c, day(), &[], false, Some(&only))), set(&["县长"]));
}

#[test]
fn a_big_plan_is_cut_into_chunks_that_stand_alone() {
    let mut b = county();
    for i in 0..2_345 {
        b.add(&format!("网格员{i}"), "grid", Tier::Village, [LIANGZHUANG, XIHE, DONGGOU, NANPO][i % 4]);
    }
    b.0.recipients.values_mut().take(3).for_each(|r| r.phones.clear());
    let p = plan(&b.done(), &rain(Level::Red, vec![division(COUNTY)]), day());
    assert_eq!(p.chunks.iter().map(|c| c.entries.len()).collect::<Vec<_>>(), [1000, 1000, p.expected - 2000]);
    assert_eq!(names(&p).len(), called(&p).len());
    for c in &p.chunks {
        for e in &c.entries {
            let all = [Who::Holder, Who::Deputy, Who::Superior, Who::TownshipDesk, Who::CountyDesk, Who::CityDesk, Who::ShiftLeader];
            assert!(all.iter().flat_map(|w| e.people_of(*w)).all(|i| usize::from(i) < c.people.len()));
        }
        let text = serde_json::to_string(c).unwrap();
        assert_eq!(&serde_json::from_str::<jiaoying::core::plan::PlanChunk>(&text).unwrap(), c, "a chunk reads back from the store");
    }
    assert!(codes(&p).contains("without_number"));
}

/// Every post of a random directory: (role, tier, place) by index.
fn random_county(posts: &[(usize, usize, usize, u32)]) -> Directory {
    const ROLES: [&str; 6] = ["party_government", "flood_control", "flash_flood", "duty", "contract", "forest_fire"];
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
    let mut b = Builder::empty();
    for n in 0..12 {
        b.person(&format!("p{n}"));
    }
    for (role, place, person, expired) in posts {
        let (code, tier) = PLACES[place % PLACES.len()];
        let at = b.place(code);
        let post = b.post(RecipientId(*person as u32 % 12 + 1), ROLES[role % ROLES.len()], tier, at);
        post.valid_to = (expired % 5 == 0).then(day);
    }
    b.done()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn nobody_who_is_to_answer_lacks_an_entry_and_nobody_else_has_one(
        posts in proptest::collection::vec((0usize..6, 0usize..11, 0usize..12, 0u32..25), 0..60),
        where_ in proptest::collection::vec(0usize..7, 1..4),
    ) {
        const AREAS: [&str; 7] = [COUNTY, LONGGANG, ZHONGCUN, LIANGZHUANG, XIHE, DONGGOU, NANPO];
        let dir = random_county(&posts);
        let areas: Vec<Division> = where_.iter().map(|i| d(AREAS[*i])).collect();
        let c = rain(Level::Red, areas.iter().map(|a| area(Shape::Division(*a))).collect());
        let p = plan(&dir, &c, day());
        // By hand, from the words of the policy: red rain calls everybody of the county's tree inside the
        // area, and desks and leaders above it, whose role answers for rain.
        let answers = |post: &jiaoying::core::directory::Post| {
            let desk = post.role.0 == "duty";
            let inside = areas.iter().any(|a| a.contains(post.place.division));
            let above = areas.iter().any(|a| post.place.division.contains(*a)) && post.place.point.is_none();
            let tier_fits = match post.tier {
                Tier::City => desk,
                Tier::County => desk || matches!(post.role.0.as_str(), "party_government" | "flood_control" | "contract" | "flash_flood"),
                Tier::Township => true,
                Tier::Village | Tier::Point => inside,
                Tier::DutyDesk => true,
            };
            post.valid_at(day()) && post.role.0 != "forest_fire" && (inside || above) && tier_fits
        };
        let want: BTreeSet<RecipientId> = dir.posts.iter().filter(|p| answers(p)).map(|p| p.recipient).collect();
        let mut got = BTreeSet::new();
        for chunk in &p.chunks {
            for e in &chunk.entries {
                prop_assert!(got.insert(chunk.people[usize::from(e.person)].id), "one entry a person");
                prop_assert!(!e.posts.is_empty());
                let places: BTreeSet<(&Place, &str)> = e.posts.iter().map(|p| (&p.place, p.role.0.as_str())).collect();
                prop_assert_eq!(places.len(), e.posts.len(), "no post twice");
            }
        }
        prop_assert_eq!(got, want);
        prop_assert_eq!(p.expected, p.chunks.iter().map(|c| c.entries.len()).sum::<usize>());
    }
}

#[test]
fn each_level_that_has_a_rule_for_it_is_pressed_for_by_its_own() {
    let mut policy = shipped();
    let pressed = |minutes| Supervise { unanswered: Some(Span::mins(minutes)), response: None };
    policy.rules.iter_mut().find(|r| r.name == "暴雨红色").unwrap().supervise = Some(pressed(15));
    policy.rules.iter_mut().find(|r| r.name == "暴雨橙色").unwrap().supervise = Some(pressed(40));
    let areas = vec![division(LONGGANG), Area { level: Some(Level::Orange), ..division(town::OTHER_COUNTY) }];
    let p = plan_by(&policy, &county().done(), &rain(Level::Red, areas), day(), &[], false, None);
    let counties = p.counties.iter().map(|(d, c)| (*d, *c, d.to_string()));
    let watches = supervise::watches(&p.running, counties, day(), false);
    let told: Vec<_> = watches.iter().map(|w| (w.county, w.level, w.by - day())).collect();
    let want = [(d(COUNTY), Some(Level::Red), Span::mins(15)), (d(town::OTHER_COUNTY), Some(Level::Orange), Span::mins(40))];
    assert_eq!(told, want);
}

#[test]
fn a_warning_that_was_stored_with_one_rule_of_pressing_is_read_and_pressed_by_it() {
    let mut stored = serde_json::to_value(RunningPolicy::default()).unwrap();
    stored["supervise"] = serde_json::json!({"unanswered": "15m"});
    let read: RunningPolicy = serde_json::from_value(stored.clone()).unwrap();
    assert_eq!(read.supervise_at(None).and_then(|s| s.unanswered), Some(Span::mins(15)));
    assert_eq!(serde_json::to_value(&read).unwrap(), stored, "written as it was: else nobody could write the warning any more");
}

#[test]
fn the_one_whom_the_rota_relieves_keeps_nobody_else_from_being_called_by_his_title() {
    let mut b = county();
    let on_duty = b.person("值班县长");
    b.0.posts.iter_mut().find(|p| p.role.0 == "shift_leader").unwrap().title = "分管副县长".into();
    let shift = Shift { from: day() - Span::hours(1), to: day() + Span::hours(1), recipient: on_duty, note: String::new() };
    b.0.rotas.put(&Seat::leader(d(COUNTY)), shift);
    let mut policy = shipped();
    let desks = policy.groups.get_mut("T0").unwrap();
    desks.select[0].prefer_titles = vec!["分管".into()];
    let p = plan_by(&policy, &b.done(), &rain(Level::Red, vec![division(LONGGANG)]), day(), &[], false, None);
    assert!(called(&p).contains("值班县长") && !called(&p).contains("带班"), "{:?}", called(&p));
}
