//! Who is on duty, and what lies downstream: plans of a county with rotas and valleys.

use super::{
    table::shipped,
    town::{Builder, COUNTY, DONGGOU, LIANGZHUANG, LONGGANG, NANPO, OTHER_COUNTY, VALLEY, XIHE, ZHONGCUN, area, content, d, division},
};
use jiaoying::{
    core::{
        directory::{Directory, Point, Tier},
        division::Division,
        hazard::{HazardCode, Level},
        ids::RecipientId,
        plan::{PlanChunk, PlanEntry},
        planner::{Lookup, PlanInput, PlanOutput, make_plan},
        policy::Who,
        rota::{Seat, Shift},
        time::Time,
        warning::{Content, Shape},
    },
    ingest::adapt,
};
use std::collections::BTreeSet;

fn at(text: &str) -> Time {
    Time::parse_rfc3339(&format!("2026-07-{text}+08:00")).unwrap()
}
fn plan(directory: &Directory, content: &Content, now: Time, rights: &[Division]) -> PlanOutput {
    let (policy, lookup) = (shipped(), Lookup::new(directory));
    make_plan(PlanInput { content, policy: &policy, directory, lookup: &lookup, now, issuer_divisions: rights, drill: false, only: None })
}
fn called(p: &PlanOutput) -> BTreeSet<String> {
    p.chunks.iter().flat_map(|c| c.entries.iter().map(|e| c.people[usize::from(e.person)].name.clone())).collect()
}
fn find<'a>(p: &'a PlanOutput, name: &str) -> (&'a PlanChunk, &'a PlanEntry) {
    let all = p.chunks.iter().flat_map(|c| c.entries.iter().map(move |e| (c, e)));
    all.into_iter().find(|(c, e)| c.people[usize::from(e.person)].name == name).unwrap_or_else(|| panic!("{name} is not called"))
}
fn who(p: &PlanOutput, name: &str, who: Who, now: Time) -> Vec<String> {
    let (c, e) = find(p, name);
    e.people_at(who, &c.rotas, now).into_iter().map(|i| c.people[usize::from(i)].name.clone()).collect()
}
fn rain(areas: Vec<jiaoying::core::warning::Area>) -> Content {
    content(HazardCode("11B03".into()), Level::Red, areas)
}

/// A county with a desk and a standing leader, a town without either, and rotas over both.
fn county() -> Builder {
    use Tier::{County, DutyDesk, Township, Village};
    let mut b = Builder::empty();
    b.add("县长", "party_government", County, COUNTY);
    b.add("县值班室", "duty", DutyDesk, COUNTY);
    b.add("常设带班", "shift_leader", DutyDesk, COUNTY);
    b.add("龙港镇长", "party_government", Township, LONGGANG);
    b.add("梁庄支书", "party_government", Village, LIANGZHUANG);
    let mut shift = |name: &str, seat: Seat, from: &str, to: &str| {
        let recipient = b.person(name);
        b.0.rotas.put(&seat, Shift { from: at(from), to: at(to), recipient, note: String::new() });
    };
    shift("白班员", Seat::desk(d(COUNTY)), "08T08:00:00", "08T20:00:00");
    shift("夜班员", Seat::desk(d(COUNTY)), "08T20:00:00", "09T08:00:00");
    shift("今日带班", Seat::leader(d(COUNTY)), "08T08:00:00", "09T08:00:00");
    shift("明日带班", Seat::leader(d(COUNTY)), "09T08:00:00", "10T08:00:00");
    shift("镇值班员", Seat::desk(d(LONGGANG)), "08T08:00:00", "08T20:00:00");
    b
}

#[test]
fn a_rung_asks_for_whoever_is_on_duty_when_it_is_taken_though_the_plan_was_made_in_another_shift() {
    let p = plan(&county().done(), &rain(vec![division(LONGGANG)]), at("08T19:50:00"), &[]);
    let leader = |t| who(&p, "梁庄支书", Who::ShiftLeader, at(t));
    assert_eq!(leader("08T19:55:00"), ["今日带班"]);
    assert_eq!(leader("09T08:00:00"), ["明日带班"]);
    assert_eq!(leader("11T08:00:00"), ["常设带班"], "where the rota ends the standing one is rung");
    let county = |t| who(&p, "梁庄支书", Who::CountyDesk, at(t));
    assert_eq!(county("08T19:55:00"), ["县值班室", "白班员"], "the desk's own number first");
    assert_eq!(county("08T20:00:00"), ["县值班室", "夜班员"]);
    let town = |t| who(&p, "梁庄支书", Who::TownshipDesk, at(t));
    assert_eq!(town("08T19:55:00"), ["镇值班员"], "somebody sits nearer than any desk");
    assert_eq!(town("08T20:00:00"), ["县值班室"], "nobody does any more");
}

#[test]
fn the_desk_and_its_leader_of_the_warnings_own_shift_are_called_by_it() {
    let p = plan(&county().done(), &rain(vec![division(LONGGANG)]), at("08T19:50:00"), &[]);
    let names = called(&p);
    for name in ["县值班室", "今日带班", "镇值班员"] {
        assert!(names.contains(name), "{name}: {names:?}");
    }
    for name in ["常设带班", "明日带班", "白班员", "夜班员"] {
        assert!(!names.contains(name), "{name} has no callout of his own");
    }
    // Whoever sits at the desk answers for it, by the shift.
    assert_eq!(who(&p, "县值班室", Who::Deputy, at("08T19:55:00")), ["白班员"]);
    assert_eq!(who(&p, "县值班室", Who::Deputy, at("08T21:00:00")), ["夜班员"]);
    let (c, e) = find(&p, "县值班室");
    let officer = c.people.iter().position(|x| x.name == "夜班员").unwrap() as u16;
    assert_eq!(e.deputised_by(officer, &c.rotas), [0]);
    let mayor = c.people.iter().position(|x| x.name == "县长").unwrap() as u16;
    assert!(e.deputised_by(mayor, &c.rotas).is_empty());
    // Without rotas nothing is different from before.
    let mut plain = county().done();
    plain.rotas = Default::default();
    let p = plan(&plain, &rain(vec![division(LONGGANG)]), at("08T19:50:00"), &[]);
    assert!(called(&p).contains("常设带班") && p.chunks.iter().all(|c| c.rotas.is_empty()));
}

#[test]
fn the_leader_of_a_warnings_own_task_is_the_one_on_duty() {
    let dir = county().done();
    let lookup = Lookup::new(&dir);
    let name = |t: &str| lookup.in_charge_of(&dir, d(COUNTY), at(t)).map(|id: RecipientId| dir.recipients[&id].name.clone()).unwrap();
    assert_eq!(
        (name("08T09:00:00").as_str(), name("09T09:00:00").as_str(), name("20T09:00:00").as_str()),
        ("今日带班", "明日带班", "常设带班")
    );
}

/// A reservoir over a valley over a village; a second valley that runs in a circle.
fn valleys() -> Builder {
    use Tier::{Point as AtPoint, Village};
    let mut b = county();
    for (village, name) in [(XIHE, "西河支书"), (DONGGOU, "东沟支书"), (NANPO, "南坡支书")] {
        b.add(name, "party_government", Village, village);
    }
    let below = |ids: &[&str]| ids.iter().map(|i| (*i).to_string()).collect();
    let dam = Point { downstream: below(&[VALLEY]), ..Point::new("SK-1", "上游水库", "reservoir", d(NANPO)) };
    b.0.points.insert("SK-1".into(), dam);
    b.add("水库巡查", "reservoir", AtPoint, "SK-1");
    b.add("河谷预警员", "flash_flood", AtPoint, VALLEY);
    b.0.points.get_mut(VALLEY).unwrap().downstream = below(&[&d(XIHE).to_string(), "SK-1", "没有的点"]);
    b
}

fn warning(hazard: &str, stage: Option<&str>, point: &str) -> Content {
    let mut c = content(HazardCode(hazard.into()), Level::Red, vec![area(Shape::Point(point.into()))]);
    c.stage = stage.map(str::to_string);
    c
}

#[test]
fn a_valley_that_must_be_left_calls_what_lies_downstream_and_below_that() {
    let dir = valleys().done();
    let p = plan(&dir, &warning("11A51", Some("立即转移"), "SK-1"), at("08T10:00:00"), &[]);
    let names = called(&p);
    for name in ["水库巡查", "南坡支书", "河谷预警员", "东沟支书", "西河支书"] {
        assert!(names.contains(name), "{name}: {names:?} {:?}", p.findings);
    }
    assert!(!names.contains("梁庄支书"), "beside the valley, not below it");
    let codes: Vec<&str> = p.findings.iter().map(|f| f.code.as_str()).collect();
    assert!(codes.contains(&"downstream") && codes.contains(&"unknown_downstream"), "{:?}", p.findings);
    // A row that does not say so calls the point alone.
    let p = plan(&dir, &warning("11A51", None, "SK-1"), at("08T10:00:00"), &[]);
    assert!(!called(&p).contains("西河支书") && p.findings.iter().all(|f| f.code != "downstream"), "{:?}", p.findings);
}

#[test]
fn a_town_or_village_that_must_be_left_takes_along_what_lies_below_its_valleys_and_dams() {
    let dir = valleys().done();
    // 南坡's dam over 东沟's valley over 西河, which is another town's.
    let platform = |villages: &[&str]| {
        let villages: Vec<_> = villages.iter().map(|v| serde_json::json!({"code": d(v).to_string(), "name": "南坡村"})).collect();
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/ingest/adapters/flash-flood.json");
        let mut body: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        body["warnGrade"] = "立即转移".into();
        body["adcd"] = ZHONGCUN.into();
        body["areaName"] = "中村镇".into();
        body["villages"] = villages.into();
        let mut adapted = adapt::read(&adapt::shipped("flash-flood").unwrap(), None, body.to_string().as_bytes(), "shuiwu").unwrap();
        match adapted.items.remove(0).came {
            adapt::Came::Taken(parsed) => parsed.content,
            other => panic!("{other:?}"),
        }
    };
    for named in [&[NANPO][..], &[]] {
        let p = plan(&dir, &platform(named), at("08T10:00:00"), &[]);
        let names = called(&p);
        for name in ["水库巡查", "南坡支书", "河谷预警员", "东沟支书", "西河支书"] {
            assert!(names.contains(name), "{named:?} {name}: {names:?} {:?}", p.findings);
        }
        assert!(!names.contains("梁庄支书"), "beside the valley, not below it");
        let told = &p.findings.iter().find(|f| f.code == "downstream").unwrap().detail;
        assert!(told.contains("西河"), "{told}");
        assert_eq!(told.contains("东沟"), !named.is_empty(), "what the area names itself is no news: {told}");
    }
    // A point whose people the hazard is not for is not followed; nor is a row that does not say so.
    let slope_only = |kind: &str| {
        let mut dir = valleys();
        dir.0.points.values_mut().for_each(|p| p.kind = kind.into());
        plan(&dir.done(), &platform(&[NANPO]), at("08T10:00:00"), &[])
    };
    assert!(!called(&slope_only("forest_fire")).contains("西河支书") && called(&slope_only("reservoir")).contains("西河支书"));
    let mut ready = platform(&[NANPO]);
    (ready.stage, ready.level) = (Some("准备转移".into()), Level::Orange);
    assert!(!called(&plan(&dir, &ready, at("08T10:00:00"), &[])).contains("西河支书"));
}

#[test]
fn a_county_takes_its_own_downstream_along_and_the_duty_room_is_told_of_the_neighbours() {
    let mut b = valleys();
    let beyond = format!("{OTHER_COUNTY}101201");
    b.add("邻县支书", "party_government", Tier::Village, &beyond);
    b.0.points.get_mut(VALLEY).unwrap().downstream.push(d(&beyond).to_string());
    let dir = b.done();
    let c =
        |at: &str| Content { stage: Some("立即转移".into()), ..content(HazardCode("11A51".into()), Level::Red, vec![division(at)]) };
    let p = plan(&dir, &c(COUNTY), at("08T10:00:00"), &[]);
    assert!(called(&p).contains("西河支书") && !called(&p).contains("邻县支书"), "{:?}", p.findings);
    let told = p.findings.iter().find(|f| f.code == "downstream_beyond_area").unwrap();
    assert!(told.detail.contains(&d(&beyond).to_string()), "{}", told.detail);
    assert!(p.findings.iter().all(|f| f.code != "downstream"), "{:?}", p.findings);
    // The valley's own village calls the neighbour, too.
    let p = plan(&dir, &c(DONGGOU), at("08T10:00:00"), &[]);
    assert!(called(&p).contains("邻县支书") && p.findings.iter().all(|f| f.code != "downstream_beyond_area"), "{:?}", p.findings);
}

#[test]
fn downstream_ends_at_the_issuers_rights_and_says_who_must_be_told_otherwise() {
    let dir = valleys().done();
    let rights = [d(NANPO), d(DONGGOU)];
    let p = plan(&dir, &warning("11A03", None, "SK-1"), at("08T10:00:00"), &rights);
    let names = called(&p);
    assert!(names.contains("水库巡查") && names.contains("河谷预警员") && !names.contains("西河支书"), "{names:?}");
    assert!(p.findings.iter().any(|f| f.code == "downstream_outside_rights"), "{:?}", p.findings);
}
