//! What a policy can ask beyond a ladder: levels one after the other, several clocks of reports, the city that
//! presses, two lines that are counted apart, and after the end the permission to return.

use super::stage::{CHIEF, COUNTY_DESK, LEADER, Night, On, TOWN_DESK, VILLAGE, red, village};
use crate::simulate::{
    poll::now,
    town::{Builder, CITY, COUNTY, TOWNS},
    world::shipped_policy,
};
use jiaoying::{
    channel::MessageKind::{Callout, Decide, End, Feedback, Return},
    core::{
        callout::state::{
            CalloutState::{Answered, Calling, Queued},
            Report,
        },
        directory::{Directory, Tier},
        drill,
        hazard::Level,
        policy::{AnswerRule, Call},
        send::Channel::{Sms, Voice},
        time::Span,
        warning::{Area, Content},
        warning_life::WarningPhase,
    },
    engine::TokenAction,
};

const MAYOR: &str = "县长";
const HEAD: &str = "镇长";
const CITY_DESK: &str = "市值班室";
const OTHER_COUNTY: &str = "140522";

/// The village under a town head and a mayor, and a city's desk above all.
fn county() -> Directory {
    let mut b = village();
    let mayor = b.person(MAYOR, &["15400000051"]);
    let head = b.person(HEAD, &["15400000061"]);
    let city = b.person(CITY_DESK, &["15400000071"]);
    b.post(mayor, "party_government", Tier::County, COUNTY);
    b.post(head, "party_government", Tier::Township, TOWNS[0]);
    b.post(city, "duty", Tier::DutyDesk, CITY);
    b.done()
}

fn relay(on: On) -> Night {
    let mut policy = shipped_policy();
    policy.rules.iter_mut().for_each(|r| r.relay = true);
    Night::by(on, county(), policy)
}

pub fn in_a_relay_each_level_is_called_when_the_one_above_has_answered(on: On) {
    let mut n = relay(on);
    let w = n.post(&red("a"));
    n.after(Span::secs(5)).expect(MAYOR, Sms, Callout);
    n.expect(COUNTY_DESK, Sms, Callout);
    n.expect_nothing(HEAD, Callout);
    let mayor = n.callout(w, MAYOR).id;
    n.press_button(mayor, 0, TokenAction::Answer);
    n.after(Span::secs(1)).expect(HEAD, Sms, Callout);
    n.expect_nothing(CHIEF, Callout);
    let head = n.callout(w, HEAD).id;
    n.press_button(head, 0, TokenAction::Answer);
    n.after(Span::secs(1)).expect(CHIEF, Sms, Callout);
    let chief = n.callout(w, CHIEF);
    assert!(chief.forwarded.is_some());
    assert_eq!(chief.due_at - chief.start, Span::mins(20), "10 for the mayor, 5 for the head, 5 for the chief");
}

pub fn in_a_relay_nobody_is_forgotten_because_a_level_sleeps(on: On) {
    let mut n = relay(on);
    let w = n.post(&red("a"));
    n.is(w, CHIEF, Queued);
    n.after(Span::mins(10)).expect(HEAD, Sms, Callout);
    n.expect_nothing(CHIEF, Callout);
    n.after(Span::mins(5)).expect(CHIEF, Sms, Callout);
}

pub fn an_update_in_a_relay_waits_for_the_answer_to_the_older_text_too(on: On) {
    let mut n = relay(on);
    let first = n.post(&red("a"));
    let mayor = n.callout(first, MAYOR).id;
    let second = n.post(&super::stage::update_of(&red("a"), "b", jiaoying::core::hazard::Level::Red));
    n.press_button(mayor, 0, TokenAction::Answer);
    n.after(Span::secs(2)).expect(HEAD, Sms, Callout);
    n.is(second, CHIEF, Queued);
}

fn report(n: &mut Night, w: jiaoying::core::ids::WarningId, name: &str, report: Report) {
    let token = n.w.token(n.callout(w, name).id, 0);
    now(n.w.engine.token_feedback(&token, Report { place: VILLAGE.into(), ..report })).unwrap();
    n.after(Span::ms(1));
}

pub fn each_clock_of_a_row_reminds_of_what_it_asks(on: On) {
    let mut n = Night::with(on, county());
    let w = n.post(&red("a"));
    n.after(Span::secs(10)).expect(CHIEF, Sms, Callout).then_reply("1");
    n.after(Span::mins(15)).expect(CHIEF, Sms, Feedback).says("到岗");
    report(&mut n, w, CHIEF, Report { on_post: true, ..Report::default() });
    n.after(Span::mins(15)).expect(CHIEF, Sms, Feedback).says("转移");
    report(&mut n, w, CHIEF, Report { on_post: true, to_move: 30, moved: 12, ..Report::default() });
    n.after(Span::mins(20)).expect_nothing(CHIEF, Feedback);
    n.after(Span::mins(11)).expect(CHIEF, Sms, Feedback).says("数字");
}

const BUREAU: &str = "水利局长";

/// 双叫应: the government's line and the departments' at the same moment; who stands in both has one callout and counts in both.
pub fn two_lines_are_called_side_by_side_and_counted_apart(on: On) {
    let mut b = village();
    let mayor = b.person(MAYOR, &["15400000051"]);
    let head = b.person(HEAD, &["15400000061"]);
    let bureau = b.person(BUREAU, &["15400000081"]);
    b.post(mayor, "party_government", Tier::County, COUNTY);
    b.post(head, "party_government", Tier::Township, TOWNS[0]);
    b.post(bureau, "department", Tier::County, COUNTY);
    b.post(bureau, "party_government", Tier::Township, TOWNS[0]);
    let mut policy = shipped_policy();
    let rule = policy.rules.iter_mut().find(|r| r.name == "暴雨红色").unwrap();
    let line = |name: &str, who: &[&str], answer| Call {
        who: who.iter().map(|g| g.to_string()).collect(),
        line: Some(name.into()),
        answer,
        ..rule.calls[0].clone()
    };
    rule.calls = vec![line("部门线", &["T2"], AnswerRule::Any), line("政府线", &["T0", "T1", "T3", "T4"], AnswerRule::Each)];
    let mut n = Night::by(on, b.done(), policy);
    let w = n.post(&red("a"));
    n.after(Span::secs(5)).expect(MAYOR, Sms, Callout);
    n.expect(BUREAU, Sms, Callout);
    n.expect(CHIEF, Sms, Callout);

    let lines = now(n.w.engine.lines_of(w)).unwrap();
    let names = n.w.warning(w).policy.lines.clone();
    let callouts = n.w.callouts(w);
    let of = |n: &Night, line: &str| {
        let ordinals = &lines[&(names.iter().position(|l| l == line).unwrap() as u8)];
        let mine = n.w.callouts(w).into_iter().filter(|c| ordinals.contains(&c.id.ordinal));
        let (all, answered): (Vec<_>, Vec<_>) = mine.map(|c| (c.id, c.state == Answered)).unzip();
        (all, answered.into_iter().filter(|a| *a).count())
    };
    let (departments, government) = (of(&n, "部门线").0, of(&n, "政府线").0);
    let bureau = n.callout(w, BUREAU).id;
    assert_eq!(departments, [bureau]);
    assert!(government.contains(&bureau), "his township's post is the government's");
    assert_eq!(government.len(), callouts.len(), "everybody else, and he, once each");

    let mayor = n.callout(w, MAYOR).id;
    n.press_button(mayor, 0, TokenAction::Answer);
    assert_eq!((of(&n, "部门线").1, of(&n, "政府线").1), (0, 1), "the mayor answers for no department");
    n.is(w, BUREAU, Calling);
    n.press_button(bureau, 0, TokenAction::Answer);
    assert_eq!((of(&n, "部门线").1, of(&n, "政府线").1), (1, 2));
}

fn response(identifier: &str, stage: &str, of: &str) -> Content {
    Content { stage: Some(stage.into()), areas: vec![drill::whole(of.parse().unwrap())], ..red(identifier) }
}

pub fn the_city_presses_where_a_county_is_silent_and_has_started_no_response(on: On) {
    let mut n = Night::with(on, county());
    let w = n.post(&red("a"));
    n.after(Span::mins(14));
    n.clear();
    // Its number is rung for others too, so that this call waits to be gathered.
    n.after(Span::mins(7)).expect(CITY_DESK, Voice, Decide).says("县本级无人应答");
    let task = n.expect_own_task(w, "县本级无人应答");
    assert_eq!(task.division, Some("140500".parse().unwrap()), "it is the city's");
    let mayor = n.callout(w, MAYOR).id;
    n.press_button(mayor, 0, TokenAction::Answer);
    n.after(Span::mins(5));
    assert!(n.tasks(w).iter().all(|t| !t.title.contains("县本级无人应答")), "the county has answered");
    n.after(Span::mins(10));
    n.expect_own_task(w, "未启动应急响应");
    // The second half of the double call comes: a warning of its own, counted by itself.
    let second = n.post(&response("response", "防汛Ⅱ级应急响应", COUNTY));
    n.after(Span::mins(6));
    assert!(n.tasks(w).iter().all(|t| !t.title.contains("未启动应急响应")));
    let watch = n.w.warning(w).watches.iter().find(|x| x.response.is_some()).cloned();
    assert_eq!(watch.map(|x| (x.response, x.settled)), Some((Some(second), Some("response_started".into()))));
}

pub fn a_county_that_answers_and_responds_in_time_is_not_pressed(on: On) {
    let mut n = Night::with(on, county());
    let w = n.post(&red("a"));
    let mayor = n.callout(w, MAYOR).id;
    n.press_button(mayor, 0, TokenAction::Answer);
    n.post(&response("response", "三级响应", COUNTY));
    n.after(Span::mins(35));
    assert!(n.tasks(w).iter().all(|t| !t.title.contains("督办：")), "{:?}", n.tasks(w));
}

pub fn neither_the_citys_response_nor_a_townships_is_the_countys_own(on: On) {
    let mut n = Night::with(on, county());
    let w = n.post(&red("a"));
    for (name, division) in [("city", CITY), ("town", TOWNS[0])] {
        n.post(&response(name, "三级响应", division));
    }
    n.after(Span::mins(35));
    n.expect_own_task(w, "未启动应急响应");
}

/// A warning of two colours: 沁水县 at red, 阳城县 at orange, for which nobody presses.
pub fn only_a_county_at_the_level_that_is_pressed_for_is_pressed_and_by_the_name_of_its_own(on: On) {
    let mut b = Builder { directory: county() };
    b.name(OTHER_COUNTY, "阳城县");
    let other = b.person("阳城县长", &["15400000091"]);
    b.post(other, "party_government", Tier::County, OTHER_COUNTY);
    let mut n = Night::with(on, b.done());
    let area = |code: &str, level| Area { level, ..drill::whole(code.parse().unwrap()) };
    for (identifier, level, areas) in [
        ("content at red", Level::Red, [area(COUNTY, None), area(OTHER_COUNTY, Some(Level::Orange))]),
        ("content at orange", Level::Orange, [area(COUNTY, Some(Level::Red)), area(OTHER_COUNTY, None)]),
    ] {
        let w = n.post(&Content { level, areas: areas.into(), ..red(identifier) });
        n.after(Span::mins(31));
        n.expect_own_task(w, "督办：沁水县收到暴雨红色预警15分钟，县本级无人应答");
        n.expect_own_task(w, "督办：暴雨红色预警已发30分钟，沁水县未启动应急响应");
        let tasks = n.tasks(w);
        let pressed = tasks.iter().filter(|t| t.title.starts_with("督办：")).count();
        assert_eq!(pressed, 2, "{identifier}: {tasks:?}");
        n.cancel(w);
        n.after(Span::mins(31));
    }
}

pub fn release_and_the_permission_to_return_are_two_acts(on: On) {
    let mut n = Night::with(on, county());
    let w = n.post(&red("a"));
    n.after(Span::secs(10)).expect(CHIEF, Sms, Callout).then_reply("1");
    for name in [TOWN_DESK, COUNTY_DESK, LEADER, CITY_DESK, MAYOR, HEAD] {
        let id = n.callout(w, name).id;
        n.press_button(id, 0, TokenAction::Answer);
    }
    report(&mut n, w, CHIEF, Report { on_post: true, to_move: 30, moved: 30, ..Report::default() });
    report_nothing_more(&mut n, w);
    let place = n.w.engine.clone();
    assert!(now(place.permit_return(w, "值班员", &[VILLAGE.into()], "复核")).is_err(), "it is still in force");
    n.cancel(w);
    n.after(Span::secs(5)).expect(CHIEF, Sms, End).says("不得返回");
    n.expect_nothing(CHIEF, Return);
    let engine = n.w.engine.clone();
    assert!(now(engine.permit_return(w, "值班员", &["nowhere".into()], "复核")).is_err());
    now(engine.permit_return(w, "值班员", &[VILLAGE.into()], "地质队已复核")).unwrap();
    n.after(Span::secs(5)).expect(CHIEF, Sms, Return).says("可以返回");
    n.expect_nothing(HEAD, Return);
    let before = n.w.warning(w);
    assert_eq!(before.phase, WarningPhase::Closed);
    now(n.w.engine.permit_return(w, "值班员", &[VILLAGE.into()], "又一次")).unwrap();
    n.after(Span::secs(5)).expect_nothing(CHIEF, Return);
    report(&mut n, w, CHIEF, Report { returned: 28, note: "两户房屋待查".into(), ..Report::default() });
    assert_eq!(n.callout(w, CHIEF).newest_report().map(|r| r.report.returned), Some(28));
    let after = n.w.warning(w);
    assert_eq!((after.phase, after.closed_reason, after.closed_at), (before.phase, before.closed_reason, before.closed_at));
    n.after(Span::hours(1));
    assert!(n.w.warning(w).due(n.w.now()).is_none(), "and it is at rest again");
}

/// Whoever else owes a report gives one.
fn report_nothing_more(n: &mut Night, w: jiaoying::core::ids::WarningId) {
    let id = n.callout(w, HEAD).id;
    let token = n.w.token(id, 0);
    now(n.w.engine.token_feedback(&token, Report { on_post: true, ..Report::default() })).unwrap();
    n.after(Span::ms(1));
}
