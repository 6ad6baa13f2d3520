//! A place that an officer adds to a running warning: its people are called, counted and pressed for as the others are.

use super::stage::{CHIEF, Night, On, VILLAGE, red, village};
use crate::simulate::{poll::now, town::Builder, world::shipped_policy};
use jiaoying::{
    channel::MessageKind::Callout,
    core::{
        directory::{Directory, Tier},
        drill::whole,
        ids::CalloutId,
        policy::{AnswerRule, Call, SHIPPED, parse_policy},
        send::Channel::Sms,
        time::Span,
        warning::Content,
    },
};
use std::collections::BTreeSet;

const OTHER_COUNTY: &str = "140522";
const MAYOR: &str = "阳城县长";
const BUREAU: &str = "阳城水利局长";

/// The village, and a second county with a mayor and a bureau.
fn two_counties() -> Directory {
    let mut b: Builder = village();
    b.name(OTHER_COUNTY, "阳城县");
    let mayor = b.person(MAYOR, &["15400000091"]);
    let bureau = b.person(BUREAU, &["15400000092"]);
    b.post(mayor, "party_government", Tier::County, OTHER_COUNTY);
    b.post(bureau, "department", Tier::County, OTHER_COUNTY);
    b.done()
}

pub fn the_people_of_an_added_place_are_counted_in_their_own_line(on: On) {
    let mut policy = shipped_policy();
    let rule = policy.rules.iter_mut().find(|r| r.name == "暴雨红色").unwrap();
    let line = |name: &str, who: &[&str]| Call {
        who: who.iter().map(|g| g.to_string()).collect(),
        line: Some(name.into()),
        answer: AnswerRule::Each,
        ..rule.calls[0].clone()
    };
    rule.calls = vec![line("部门线", &["T2"]), line("政府线", &["T0", "T1", "T3", "T4"])];
    let mut n = Night::by(on, two_counties(), policy);
    let w = n.post(&red("a"));
    n.after(Span::secs(5)).expect(CHIEF, Sms, Callout);
    n.add_place(w, OTHER_COUNTY);
    n.after(Span::secs(5)).expect(BUREAU, Sms, Callout);
    let lines = now(n.w.engine.lines_of(w)).unwrap();
    let names = n.w.warning(w).policy.lines.clone();
    let of = |line: &str| -> BTreeSet<CalloutId> {
        let at = names.iter().position(|l| l == line).unwrap_or_else(|| panic!("no {line} in {names:?}")) as u8;
        lines[&at].iter().map(|ordinal| CalloutId::new(w, *ordinal)).collect()
    };
    assert_eq!(of("部门线"), BTreeSet::from([n.callout(w, BUREAU).id]));
    let others: BTreeSet<CalloutId> = n.w.callouts(w).iter().map(|c| c.id).filter(|id| *id != n.callout(w, BUREAU).id).collect();
    assert_eq!(of("政府线"), others, "the chief, the desks and the second county's mayor");
}

pub fn an_added_place_is_called_by_the_policy_that_the_warning_has_and_not_by_a_newer_one(on: On) {
    let mut n = Night::with(on, two_counties());
    now(n.w.engine.record_policy("policy.toml")).unwrap();
    let w = n.post(&red("a"));
    let slower = SHIPPED.replace("county = \"10m\"", "county = \"50m\"");
    now(n.w.engine.give_policy(parse_policy(&slower).unwrap(), "newer.toml")).unwrap();
    n.add_place(w, OTHER_COUNTY);
    let mayor = n.callout(w, MAYOR);
    assert_eq!(mayor.due_at - mayor.start, Span::mins(10), "as its own version has it");
    let newer = n.post(&Content { areas: vec![whole(OTHER_COUNTY.parse().unwrap())], ..red("b") });
    let mayor = n.callout(newer, MAYOR);
    assert_eq!(mayor.due_at - mayor.start, Span::mins(50), "a warning that comes later has the newer one");
}

pub fn a_county_that_is_added_is_pressed_for_as_the_others_are(on: On) {
    let mut n = Night::with(on, two_counties());
    let w = n.post(&red("a"));
    n.after(Span::mins(10));
    n.add_place(w, OTHER_COUNTY);
    n.after(Span::mins(14));
    let pressed = |n: &Night| n.tasks(w).iter().filter(|t| t.title.starts_with("督办：阳城县")).count();
    assert_eq!(pressed(&n), 0, "it has had the warning for a quarter of an hour when it has been in it for one");
    n.after(Span::mins(2));
    n.expect_own_task(w, "督办：阳城县收到暴雨红色预警15分钟，县本级无人应答");
    assert_eq!(pressed(&n), 1);
    n.add_place(w, VILLAGE);
    n.after(Span::mins(16));
    let known = n.tasks(w).iter().filter(|t| t.title.starts_with("督办：沁水县收到")).count();
    assert_eq!(known, 1, "a county that is in it already is watched once");
}
