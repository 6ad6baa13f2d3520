//! Messages that name no predecessor and have one: known by their text, or by the event they are a stage of.

use super::stage::{CHIEF, Night, On, red};
use jiaoying::{
    channel::MessageKind::{Callout, End, Renewed},
    core::{
        callout::state::{
            CalloutState::{Answered, Calling, Closed},
            ClosedReason,
        },
        hazard::{HazardCode, Level},
        send::Channel::Sms,
        time::Span,
        warning::{Area, Content, MessageType, Shape},
    },
};

fn next(of: &Content, identifier: &str, message_type: MessageType) -> Content {
    Content { identifier: identifier.into(), message_type, ..of.clone() }
}

pub fn an_update_that_names_nothing_continues_the_warning_of_the_same_hazard_and_area(on: On) {
    let mut n = Night::in_the_village(on);
    let first = n.post(&red("a"));
    n.after(Span::secs(5)).expect(CHIEF, Sms, Callout).then_reply("1");
    let second = n.post(&next(&red("a"), "b", MessageType::Update));
    n.after(Span::secs(5)).expect(CHIEF, Sms, Renewed);
    n.is(second, CHIEF, Answered);
    n.is(first, CHIEF, Answered);
}

pub fn an_update_that_covers_only_a_part_ends_nothing_of_the_older_warning(on: On) {
    let mut n = Night::in_the_village(on);
    let wide = Content { areas: vec![Area { name: None, shape: Shape::Division("140521".parse().unwrap()), level: None }], ..red("a") };
    let first = n.post(&wide);
    n.after(Span::secs(5)).expect(CHIEF, Sms, Callout);
    n.post(&next(&red("a"), "b", MessageType::Update));
    n.after(Span::secs(5));
    n.is(first, CHIEF, Calling);
}

pub fn a_lifting_that_names_nothing_ends_the_warning_it_can_only_mean(on: On) {
    let mut n = Night::in_the_village(on);
    let first = n.post(&red("a"));
    n.after(Span::secs(5)).expect(CHIEF, Sms, Callout);
    // Of another hazard: nothing of ours; somebody must look.
    let other = Content { hazard: HazardCode("11B06".into()), ..red("x") };
    let stray = n.post(&next(&other, "b", MessageType::Cancel));
    n.after(Span::secs(5)).is(first, CHIEF, Calling);
    n.expect_own_task(stray, "不知解除哪一条预警");
    // Of another level: 解除黄色 does not end the red one.
    let yellow = Content { level: Level::Yellow, ..red("x") };
    n.post(&next(&yellow, "c", MessageType::Cancel));
    n.after(Span::secs(5)).is(first, CHIEF, Calling);
    n.post(&Content { areas: vec![], ..next(&red("a"), "d", MessageType::Cancel) });
    n.after(Span::secs(5)).expect(CHIEF, Sms, End);
    assert_eq!(n.is(first, CHIEF, Closed).closed_reason, Some(ClosedReason::Cancelled));
}

pub fn the_next_stage_of_an_event_takes_the_place_of_the_one_before_and_asks_anew(on: On) {
    let mut n = Night::in_the_village(on);
    let stage = |identifier: &str, stage: &str| Content {
        event: Some("qinshui-0708".into()),
        stage: Some(stage.into()),
        hazard: HazardCode("11A51".into()),
        ..red(identifier)
    };
    let first = n.post(&stage("a", "准备转移"));
    n.after(Span::secs(5)).expect(CHIEF, Sms, Callout).then_reply("1");
    n.is(first, CHIEF, Answered);
    let second = n.post(&stage("b", "立即转移"));
    n.after(Span::secs(5)).expect(CHIEF, Sms, Callout);
    let c = n.is(second, CHIEF, Calling);
    assert_eq!(c.carried_from, None, "who answered that he is getting ready has not yet answered that he moves");
    // Another event of the same hazard and place is a warning of its own.
    let other = Content { event: Some("other".into()), ..stage("c", "准备转移") };
    n.post(&other);
    n.after(Span::secs(5)).is(second, CHIEF, Calling);
}
