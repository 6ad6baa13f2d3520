//! The board over a few places and people, and whatever a proptest puts in.

use super::*;
use crate::core::{
    callout::{
        fold::blank,
        state::{AnsweredBy, Closure, Danger, FeedbackClock, Reported},
    },
    directory::{Place, Role, Tier},
    hazard::Level,
    ids::WarningId,
    plan::{PlanDuty, PlanPost},
    policy::{AnswerRule, FeedbackRule, RunningPolicy, Schedule},
    time::Span,
};
use proptest::prelude::*;

fn post(place: &str) -> PlanPost {
    PlanPost {
        role: Role("flood_control".into()),
        title: "支书".into(),
        place: Place { division: place.parse().unwrap(), point: None },
        place_name: place.into(),
        tier: Tier::Village,
        deputy: None,
        rota: None,
        rule: AnswerRule::Each,
        forwards: false,
        line: None,
    }
}

fn entry(places: &[&str]) -> PlanEntry {
    PlanEntry {
        person: 0,
        posts: places.iter().map(|p| post(p)).collect(),
        level: Level::Red,
        ladder: 0,
        deadline: Span::mins(5),
        feedback: Some(0),
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
    }
}

fn policy() -> RunningPolicy {
    let clock = FeedbackRule { first: Span::mins(15), every: None, task_after: Span::mins(10), ask: vec!["到岗".into()], about: None };
    RunningPolicy { feedback: vec![Schedule(vec![clock])], ..RunningPolicy::default() }
}

fn callout(n: u32, reports: &[(&str, i64, &str, Report)]) -> Callout {
    let mut c = blank();
    c.id = CalloutId::new(WarningId(1), n);
    c.state = if reports.is_empty() { CalloutState::Answered } else { CalloutState::Reported };
    for (place, at, by, report) in reports {
        let by = AnsweredBy { id: None, name: (*by).into(), relation: "holder".into() };
        let report = Report { place: (*place).into(), ..report.clone() };
        c.reports.insert((*place).into(), Reported { at: Time(*at), by, report });
    }
    c
}

fn moved(to_move: u32, moved: u32) -> Report {
    Report { on_post: true, to_move, moved, ..Report::default() }
}

const A: &str = "140521101201";
const B: &str = "140521101202";
const C: &str = "140521102201";

#[test]
fn the_newest_report_of_a_place_counts_whoever_gave_it() {
    let mut board = Board::default();
    board.put(&callout(0, &[(A, 10, "支书", moved(50, 20))]), &entry(&[A]), "支书", &policy());
    board.put(&callout(1, &[(A, 20, "网格员", moved(50, 35)), (B, 20, "网格员", moved(5, 5))]), &entry(&[A, B]), "网格员", &policy());
    let total = board.total();
    assert_eq!((total.to_move, total.moved, total.places_reported), (55, 40, 2), "one place is one place: {total:?}");
    assert_eq!((total.persons_owing, total.persons_reported, total.on_post), (2, 2, 2), "and two people are two");
    let newest: Vec<_> = board.everywhere().map(|(p, _, n)| (p, n.callout.ordinal)).collect();
    assert_eq!(newest, [(A, 1), (B, 1)], "each figure is traced to a callout");
    // The holder reports again, later: his running totals count now.
    board.put(&callout(0, &[(A, 30, "支书", moved(50, 50))]), &entry(&[A]), "支书", &policy());
    assert_eq!((board.total().moved, board.inside(A.parse().unwrap()).moved), (55, 50));
}

#[test]
fn no_more_are_on_post_than_were_to_report_though_some_report_unasked() {
    let mut board = Board::default();
    let unasked = PlanEntry { feedback: None, ..entry(&[A]) };
    board.put(&callout(0, &[]), &unasked, "村医", &policy());
    assert_eq!((board.total().persons_owing, board.total().on_post), (0, 0));
    board.put(&callout(0, &[(A, 10, "村医", moved(0, 0))]), &unasked, "村医", &policy());
    board.put(&callout(1, &[]), &entry(&[A]), "支书", &policy());
    let total = board.total();
    assert_eq!((total.persons_owing, total.persons_reported, total.on_post), (2, 1, 1), "{total:?}");
}

#[test]
fn a_bare_on_post_report_of_a_second_person_leaves_the_figures_of_the_first() {
    let mut board = Board::default();
    let bare = Report { on_post: true, ..Report::default() };
    let on = |n, at, report: &Report| callout(n, &[(A, at, "甲", report.clone())]);
    board.put(&on(1, 5, &bare), &entry(&[A]), "网格员", &policy());
    board.put(&on(0, 10, &moved(50, 20)), &entry(&[A]), "支书", &policy());
    board.put(&on(1, 20, &bare), &entry(&[A]), "网格员", &policy());
    let total = board.total();
    assert_eq!((total.to_move, total.moved, total.places_reported, total.on_post), (50, 20, 1, 2), "{total:?}");
    assert_eq!(board.everywhere().map(|(_, _, n)| n.callout.ordinal).collect::<Vec<_>>(), [0]);
    // One who looked and says that nothing is wrong there is heard.
    let looked = Report { note: "已查看，无险情，无需转移".into(), ..bare.clone() };
    let mut heard = board.clone();
    heard.put(&on(1, 25, &looked), &entry(&[A]), "网格员", &policy());
    assert_eq!((heard.total().to_move, heard.total().places_reported), (0, 1));
    // The first lowers his own figures, then takes them back: both count.
    board.put(&on(0, 30, &moved(40, 10)), &entry(&[A]), "支书", &policy());
    assert_eq!((board.total().to_move, board.total().moved), (40, 10));
    board.put(&on(0, 40, &bare), &entry(&[A]), "支书", &policy());
    let total = board.total();
    assert_eq!((total.to_move, total.moved, total.places_reported, total.on_post), (0, 0, 1, 2), "{total:?}");
}

#[test]
fn townships_and_counties_are_the_sums_of_what_lies_in_them() {
    let mut board = Board::default();
    let report = |n| Report {
        closures: vec![Closure { what: "景区".into(), due: 2, done: n }],
        danger: Danger { present: n > 1, ..Danger::default() },
        outage: vec!["断路".into()],
        refused: n,
        ..moved(10, n)
    };
    for (n, place) in [(1, A), (2, B), (3, C)] {
        board.put(&callout(n, &[(place, 5, "甲", report(n))]), &entry(&[place]), "甲", &policy());
    }
    let towns = board.by(DivisionLevel::Township);
    let at = |d: &str| towns[&d.parse::<Division>().unwrap()].clone();
    assert_eq!((at("140521101").moved, at("140521102").moved), (3, 3));
    assert_eq!(at("140521101").closures["景区"], ClosureSum { due: 4, done: 3 });
    let county = board.inside("140521".parse().unwrap());
    assert_eq!((county.moved, county.refused, county.danger, county.outage["断路"]), (6, 6, 2, 3));
    assert_eq!(county, board.total());
    // The danger passes, and with it its line.
    board.put(&callout(3, &[(C, 6, "甲", moved(10, 10))]), &entry(&[C]), "甲", &policy());
    assert_eq!((board.total().danger, board.total().outage["断路"]), (1, 2));
}

#[test]
fn a_township_that_speaks_for_its_villages_and_a_village_for_its_points_are_not_counted_twice() {
    let mut board = Board::default();
    let town = "140521101000";
    let say = |n, place, moved_now| callout(n, &[(place, i64::from(n), "甲", moved(100, moved_now))]);
    board.put(&say(1, A, 20), &entry(&[A]), "甲", &policy());
    board.put(&say(2, B, 30), &entry(&[B]), "甲", &policy());
    board.put(&say(3, C, 7), &entry(&[C]), "甲", &policy());
    let inside = |board: &Board, d: &str| board.inside(d.parse().unwrap()).moved;
    // The township knows of fewer, then of more: of each figure the greater counts, here and in the county.
    board.put(&say(4, town, 40), &entry(&[town]), "镇长", &policy());
    assert_eq!((inside(&board, "140521101"), inside(&board, "140521")), (50, 57));
    board.put(&say(4, town, 80), &entry(&[town]), "镇长", &policy());
    assert_eq!((inside(&board, "140521101"), inside(&board, "140521"), board.total().moved), (80, 87, 87));
    assert_eq!((board.total().to_move, board.total().places_reported, board.total().on_post), (300, 4, 4));
    board.put(&say(2, B, 90), &entry(&[B]), "甲", &policy());
    assert_eq!((inside(&board, "140521101"), board.total().moved), (110, 117));
    // A hazard point of village A, told of by its monitor.
    let mut point = entry(&[A]);
    point.posts[0].place.point = Some("140521-d-1".into());
    let monitor = |moved_now| callout(5, &[("140521-d-1", 5, "监测员", moved(25, moved_now))]);
    board.put(&monitor(15), &point, "监测员", &policy());
    assert_eq!((inside(&board, A), board.total().moved), (20, 117));
    board.put(&monitor(25), &point, "监测员", &policy());
    assert_eq!((inside(&board, A), board.total().moved), (25, 122));
}

#[test]
fn what_is_owed_stands_in_the_order_of_being_overdue_and_ends_with_the_warning() {
    let mut board = Board::default();
    let owing = |n, due, since: Option<i64>| {
        let mut c = callout(n, &[]);
        c.feedback_clocks = vec![FeedbackClock {
            ask: 0,
            due: Time(due),
            reminded: since.is_some(),
            first_in: false,
            overdue_since: since.map(Time),
            since: None,
        }];
        c
    };
    for (n, due, since) in [(0, 500, None), (1, 900, Some(100)), (2, 300, None)] {
        board.put(&owing(n, due, since), &entry(&[A]), "甲", &policy());
    }
    let order: Vec<u32> = board.owed().iter().map(|o| o.callout.ordinal).collect();
    assert_eq!(order, [1, 2, 0]);
    assert_eq!(board.owed()[0].ask, ["到岗"]);
    board.put(&callout(1, &[(A, 950, "甲", moved(0, 0))]), &entry(&[A]), "甲", &policy());
    assert_eq!(board.owed().len(), 2);
}

proptest! {
    /// Whatever is put in, in whatever order, however often: the kept sums are those counted anew.
    #[test]
    fn kept_sums_are_the_sums_counted_anew(puts in prop::collection::vec((0u32..4, 0usize..5, 0i64..50, 0u32..20, any::<bool>()), 1..60)) {
        let places = [A, B, C, "140521101000", "140521000000"];
        let mut kept = Board::default();
        let mut rows: BTreeMap<u32, BTreeMap<String, (i64, Report)>> = BTreeMap::new();
        let all = entry(&places);
        let row = |n: u32, reports: &BTreeMap<String, (i64, Report)>| {
            let list: Vec<(&str, i64, &str, Report)> = reports.iter().map(|(p, (at, r))| (p.as_str(), *at, "甲", r.clone())).collect();
            callout(n, &list)
        };
        for (n, place, at, people, danger) in puts {
            let report = Report {
                danger: Danger { present: danger, ..Danger::default() },
                closures: if danger { vec![Closure { what: "工地".into(), due: people, done: 0 }] } else { vec![] },
                ..moved(people, people / 2)
            };
            let mine = rows.entry(n).or_default();
            mine.insert(places[place].to_string(), (at, report));
            let c = row(n, mine);
            kept.put(&c, &all, "甲", &policy());
        }
        let mut anew = Board::default();
        for (n, reports) in rows.iter().rev() {
            anew.put(&row(*n, reports), &all, "甲", &policy());
        }
        prop_assert_eq!(kept.total(), anew.total());
        for level in [DivisionLevel::County, DivisionLevel::Township, DivisionLevel::Village] {
            prop_assert_eq!(kept.by(level), anew.by(level));
        }
        let newest = |b: &Board| b.everywhere().map(|(p, _, n)| (p.to_string(), n.clone())).collect::<Vec<_>>();
        prop_assert_eq!(newest(&kept), newest(&anew));
    }
}
