//! Warnings that end, that refer to one another, that are only rehearsed: the contract's sentences about them.

use super::stage::{CHIEF, Night, OTHER_VILLAGE, On, VILLAGE, red, update_of, village};
use crate::simulate::world::neighbour;
use jiaoying::{
    channel::MessageKind::{Callout, End, Renewed},
    core::{
        callout::state::{
            CalloutState::{Answered, Calling, Closed, Reported},
            ClosedReason,
        },
        directory::Tier,
        hazard::Level,
        send::Channel::Sms,
        time::Span,
        warning::{Area, Content, MessageType, Shape},
        warning_life::{WarningEnd, WarningPhase},
    },
};

pub fn area(code: &str) -> Area {
    Area { name: None, shape: Shape::Division(code.parse().unwrap()), level: None }
}
pub fn two_villages(on: On) -> Night {
    let mut b = village();
    let second = b.person("西河村主任", &["15400000061"]);
    b.post(second, "party_government", Tier::Village, OTHER_VILLAGE);
    Night::with(on, b.done())
}
fn cancel_of(older: &Content, identifier: &str) -> Content {
    let references = vec![older.identifier.clone()];
    Content { identifier: identifier.into(), message_type: MessageType::Cancel, references, areas: vec![], ..older.clone() }
}

pub fn at_expiry_open_red_callouts_become_one_task_and_the_officer_extends(on: On) {
    let mut n = Night::in_the_village(on);
    let expires = n.w.now() + Span::hours(1);
    let id = n.post(&Content { expires: Some(expires), ..red("a") });
    n.after(Span::mins(61));
    assert_eq!(n.tasks(id).iter().filter(|t| t.callout.is_none() && t.title.contains("已到期")).count(), 1);
    assert!(n.callout(id, CHIEF).state.is_open(), "nobody was let go silently");
    n.extend(id, expires + Span::hours(3));
    assert!(n.tasks(id).iter().all(|t| !t.title.contains("已到期")), "it was decided");
    n.after(Span::mins(30));
    assert_eq!(n.w.warning(id).phase, WarningPhase::Active);
    assert!(n.callout(id, CHIEF).state.is_open());
}

pub fn at_expiry_the_officer_ends_it_and_everybody_who_was_called_is_told(on: On) {
    let mut n = Night::in_the_village(on);
    let id = n.post(&Content { expires: Some(n.w.now() + Span::hours(1)), ..red("a") });
    n.after(Span::mins(61));
    let task = n.expect_own_task(id, "已到期");
    n.clear();
    n.complete(&task, "值班员", "end", None);
    n.after(Span::secs(10)).expect(CHIEF, Sms, End).says("已到期");
    assert_eq!(n.is(id, CHIEF, Closed).closed_reason, Some(ClosedReason::Expired));
    assert_eq!(n.w.warning(id).closed_reason, Some(WarningEnd::Expired));
}

pub fn at_expiry_yellow_callouts_just_end(on: On) {
    let mut n = Night::in_the_village(on);
    let id = n.post(&Content { level: Level::Yellow, expires: Some(n.w.now() + Span::mins(3)), ..red("a") });
    n.after(Span::mins(4));
    assert!(n.tasks(id).iter().all(|t| t.callout.is_some() || !t.title.contains("已到期")));
    let all = n.w.callouts(id);
    assert!(!all.is_empty() && all.iter().all(|c| c.told_only || !c.state.is_open()), "{all:#?}");
}

pub fn a_cancel_binds_only_within_its_senders_rights(on: On) {
    let mut n = two_villages(on);
    let both = Content { areas: vec![area(VILLAGE), area(OTHER_VILLAGE)], ..red("a") };
    let id = n.post(&both);
    n.after(Span::secs(10));
    // A bureau with no rights there: nothing happens but a finding.
    let stranger = n.post_from("stranger", &cancel_of(&both, "c1"));
    n.after(Span::secs(5));
    assert!(n.w.warning(stranger).findings.iter().any(|f| f.code == "not_bound"));
    n.is(id, CHIEF, Calling);
    // One whose rights end at the other village ends it there only.
    n.post_from(&neighbour().id.0, &cancel_of(&both, "c2"));
    n.after(Span::secs(5));
    assert_eq!(n.is(id, "西河村主任", Closed).closed_reason, Some(ClosedReason::Cancelled));
    n.is(id, CHIEF, Calling);
    assert_eq!(n.w.warning(id).phase, WarningPhase::Active);
}

pub fn a_cancel_that_comes_before_its_warning_is_kept_and_applied(on: On) {
    let mut n = Night::in_the_village(on);
    let early = n.post(&cancel_of(&red("a"), "c"));
    assert!(n.w.warning(early).findings.iter().any(|f| f.code == "unresolved_reference"));
    let id = n.post(&red("a"));
    n.after(Span::mins(1)).expect_nothing(CHIEF, Callout);
    assert_eq!(n.w.warning(id).closed_reason, Some(WarningEnd::Cancelled));
}

pub fn who_is_no_longer_covered_by_an_update_is_released_and_told(on: On) {
    let mut n = two_villages(on);
    let both = Content { areas: vec![area(VILLAGE), area(OTHER_VILLAGE)], ..red("a") };
    let id = n.post(&both);
    n.after(Span::secs(10)).expect("西河村主任", Sms, Callout);
    let newer = n.post(&Content { areas: vec![area(VILLAGE)], ..update_of(&both, "b", Level::Red) });
    n.after(Span::secs(5)).expect("西河村主任", Sms, End).says("不涉及");
    assert_eq!(n.is(id, "西河村主任", Closed).closed_reason, Some(ClosedReason::Released));
    n.expect(CHIEF, Sms, Renewed);
    n.is(newer, CHIEF, Calling);
}

pub fn a_real_warning_with_the_identifier_of_a_drill_calls_everybody(on: On) {
    let mut n = Night::in_the_village(on);
    let drill = n.drill(&red("same"));
    n.after(Span::secs(10)).clear();
    let real = n.post(&red("same"));
    n.after(Span::secs(10)).expect(CHIEF, Sms, Callout);
    let w = n.w.warning(real);
    assert!(w.plan.expected > 0 && w.relations.continues.is_none() && !w.drill);
    assert_eq!(n.w.warning(drill).closed_reason, Some(WarningEnd::Cancelled));
}

pub fn an_update_of_a_warning_that_was_also_rehearsed_is_not_cancelled_with_the_drill(on: On) {
    let mut n = Night::in_the_village(on);
    let first = n.post(&red("same"));
    n.after(Span::secs(10));
    n.drill(&red("same"));
    n.after(Span::secs(10)).clear();
    let second = n.post(&update_of(&red("same"), "b", Level::Red));
    n.after(Span::secs(10)).expect(CHIEF, Sms, Renewed);
    n.is(second, CHIEF, Calling);
    let w = n.w.warning(second);
    assert_eq!((w.phase, w.relations.continues), (WarningPhase::Active, Some(first)));
}

pub fn a_reply_that_belongs_to_no_ask_is_read_by_an_officer(on: On) {
    let mut n = Night::in_the_village(on);
    let id = n.post(&red("a"));
    n.after(Span::secs(10));
    n.reply("15400009999", "请派车，塌方了");
    n.expect_own_task(id, "请派车，塌方了");
}

pub fn completing_a_call_task_with_an_empty_name_answers_nothing(on: On) {
    let mut n = Night::in_the_village(on);
    let id = n.post(&red("a"));
    n.after(Span::mins(12));
    let c = n.callout(id, CHIEF);
    let task = n.tasks(id).into_iter().find(|t| t.callout == Some(c.id)).expect("a task");
    n.complete(&task, "值班员", "not_reached", Some(" "));
    assert!(n.callout(id, CHIEF).acknowledgement.is_none());
    assert!(!matches!(n.callout(id, CHIEF).state, Answered | Reported));
}
