//! What the duty room must do, and who is rung when it does not.

use super::stage::{CHIEF, LEADER, Night, OTHER_VILLAGE, On, VILLAGE, red, village};
use crate::simulate::world::OTHER;
use jiaoying::{
    channel::MessageKind::{Callout, Decide, End},
    core::{
        callout::state::CalloutState::{Answered, Calling},
        directory::Tier,
        ids::RecipientId,
        send::Channel::{Sms, Voice},
        time::Span,
        warning::{Area, Content, Shape},
        warning_life::{WarningEnd, WarningPhase},
    },
};

/// Names nothing that the directory knows.
fn unreadable() -> Content {
    let area = Area { name: None, shape: Shape::Named("某某未知地".into()), level: None };
    Content { areas: vec![area], ..red("a") }
}

pub fn a_warnings_own_task_that_nobody_claims_rings_the_shift_leader_and_his_key_takes_it_over(on: On) {
    let mut n = Night::in_the_village(on);
    let id = n.post(&unreadable());
    let task = n.expect_own_task(id, "请立即处理");
    n.expect_nothing(CHIEF, Callout);
    n.after(Span::mins(4)).expect(LEADER, Voice, Decide).says("请立即处理").then_press("1");
    let taken = n.expect_own_task(id, "请立即处理");
    assert_eq!((taken.id.as_str(), taken.claimed_by.as_deref()), (task.id.as_str(), Some(LEADER)));
    // He did nothing: the claim lapses, and he is rung again after that.
    n.after(Span::mins(4)).expect_nothing(LEADER, Decide);
    n.after(Span::mins(2));
    assert_eq!(n.expect_own_task(id, "请立即处理").claimed_by, None);
    n.after(Span::mins(6)).expect(LEADER, Voice, Decide);
}

pub fn another_key_takes_nothing_over_and_an_officer_on_the_screen_stops_the_ringing(on: On) {
    let mut n = Night::in_the_village(on);
    let id = n.post(&unreadable());
    n.after(Span::mins(4)).expect(LEADER, Voice, Decide).then_press("2");
    let task = n.expect_own_task(id, "请立即处理");
    assert_eq!(task.claimed_by, None);
    n.claim(&task, "值班员");
    n.add_place(id, VILLAGE);
    n.after(Span::secs(5)).expect(CHIEF, Sms, Callout);
    n.after(Span::mins(2)).expect_nothing(LEADER, Decide);
    assert!(n.tasks(id).iter().all(|t| t.id != task.id), "adding the place was the work");
}

pub fn a_warning_that_had_expired_on_arrival_calls_nobody_and_the_duty_room_is_rung_about_it(on: On) {
    let mut n = Night::in_the_village(on);
    let id = n.post(&Content { expires: Some(n.w.now() - Span::hours(1)), ..red("a") });
    assert_eq!(n.w.warning(id).closed_reason, Some(WarningEnd::Expired));
    n.after(Span::mins(4)).expect_nothing(CHIEF, Callout);
    n.expect(LEADER, Voice, Decide).says("过期");
    let task = n.expect_own_task(id, "已过期");
    n.complete(&task, "值班员", "checked", None);
    n.clear();
    n.after(Span::mins(30)).expect_nothing(LEADER, Decide);
}

pub fn somebody_who_can_only_be_rung_is_rung_about_the_end_too_and_once_more_if_he_did_not_hear(on: On) {
    let mut b = village();
    let desk = b.person("电站值班室", &["03561234567"]);
    b.post(desk, "party_government", Tier::Village, OTHER_VILLAGE);
    let mut n = Night::with(on, b.done());
    let area = |d: &str| Area { name: None, shape: Shape::Division(d.parse().unwrap()), level: None };
    let id = n.post(&Content { areas: vec![area(OTHER_VILLAGE)], ..red("a") });
    n.after(Span::mins(2)).expect("电站值班室", Voice, Callout).then_press("1");
    n.is(id, "电站值班室", Answered);
    n.cancel(id);
    n.after(Span::secs(30)).expect("电站值班室", Voice, End).says("已解除");
    n.after(Span::mins(5)).expect("电站值班室", Voice, End);
    n.after(Span::mins(30)).expect_nothing("电站值班室", End);
}

pub fn a_place_that_is_added_twice_is_added_once_and_who_is_called_already_is_told_by_a_person(on: On) {
    let mut b = village();
    let (chief, second) = (RecipientId(1), b.person("西河村主任", &["15400000061"]));
    b.post(chief, "party_government", Tier::Village, OTHER_VILLAGE);
    b.post(second, "party_government", Tier::Village, OTHER_VILLAGE);
    let mut n = Night::with(on, b.done());
    let id = n.post(&red("a"));
    n.after(Span::secs(5)).expect(CHIEF, Sms, Callout).then_reply("1");
    let before = n.w.warning(id).plan.expected;
    n.add_place(id, OTHER_VILLAGE);
    n.add_place(id, OTHER_VILLAGE);
    n.after(Span::secs(5)).expect("西河村主任", Sms, Callout);
    n.expect_own_task(id, &format!("新增地点西河村：{CHIEF}"));
    let w = n.w.warning(id);
    assert_eq!((w.plan.expected, w.added_places.len()), (before + 1, 1));
    assert_eq!(n.tasks(id).iter().filter(|t| t.title.contains("新增地点")).count(), 1);
}

pub fn the_same_message_from_another_bureau_calls_nobody_twice_until_the_first_is_over(on: On) {
    let mut n = Night::in_the_village(on);
    let first = n.post(&red("same"));
    let second = n.post_from(OTHER, &red("same"));
    n.after(Span::secs(5)).expect(CHIEF, Sms, Callout);
    n.expect_nothing(CHIEF, Callout);
    assert_eq!(n.w.warning(second).phase, WarningPhase::Closed);
    n.cancel(first);
    n.after(Span::secs(5));
    let again = n.post_from("third-bureau", &red("same"));
    n.after(Span::secs(5)).expect(CHIEF, Sms, Callout);
    n.is(again, CHIEF, Calling);
}
