//! Messages that name no predecessor and have one: known by their text, or by the event they are a stage of.

use super::{
    stage::{CHIEF, Night, OTHER_VILLAGE, On, VILLAGE, red},
    warnings::{area, two_villages},
};
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
        warning_life::{WarningEnd, WarningPhase},
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

pub fn a_forecast_that_narrows_stage_by_stage_is_one_event_and_lets_nobody_outside_it_go(on: On) {
    const WEST: &str = "西河村主任";
    let mut n = two_villages(on);
    let stage = |identifier: &str, stage: &str, areas: &[&str]| Content {
        event: Some("rain-0708".into()),
        stage: Some(stage.into()),
        areas: areas.iter().map(|a| area(a)).collect(),
        ..red(identifier)
    };
    let early = n.post(&stage("a", "T-12h", &[VILLAGE, OTHER_VILLAGE]));
    n.after(Span::secs(5)).expect(CHIEF, Sms, Callout).then_reply("1");
    n.expect(WEST, Sms, Callout);
    // The same for all of it: the stage before it is over for everybody.
    let nearer = n.post(&stage("b", "T-6h", &[VILLAGE, OTHER_VILLAGE]));
    n.after(Span::secs(5)).expect(CHIEF, Sms, Callout);
    n.expect(WEST, Sms, Callout);
    assert_eq!(n.w.warning(early).closed_reason, Some(WarningEnd::Superseded));
    // Two hours before, for one village: there it takes its place, elsewhere the forecast stands.
    let here = n.post(&stage("c", "T-2h", &[VILLAGE]));
    n.after(Span::secs(5)).expect(CHIEF, Sms, Callout);
    n.expect_nothing(WEST, End);
    n.is(nearer, CHIEF, Closed);
    n.is(here, CHIEF, Calling);
    n.is(nearer, WEST, Calling);
    assert_eq!(n.w.warning(nearer).phase, WarningPhase::Active);
    // And for the other village by a message of its own: the one beside it is left alone.
    let there = n.post(&stage("d", "T-2h", &[OTHER_VILLAGE]));
    n.after(Span::secs(5)).expect(WEST, Sms, Callout);
    n.is(nearer, WEST, Closed);
    n.is(there, WEST, Calling);
    n.is(here, CHIEF, Calling);
    // The event is lifted by one message that names nothing but it.
    n.post(&Content { areas: vec![], message_type: MessageType::Cancel, ..stage("e", "", &[]) });
    n.after(Span::secs(5)).expect(CHIEF, Sms, End);
    n.expect(WEST, Sms, End);
    assert_eq!(n.is(here, CHIEF, Closed).closed_reason, Some(ClosedReason::Cancelled));
    assert_eq!(n.is(there, WEST, Closed).closed_reason, Some(ClosedReason::Cancelled));
}

pub fn a_national_identifier_is_one_warning_whatever_its_sender_is_called(on: On) {
    let mut n = Night::in_the_village(on);
    let first = Content { identifier: "14050041600000_20260708140000".into(), sender: "晋城市气象局".into(), ..red("a") };
    n.post(&first);
    n.after(Span::secs(5)).expect(CHIEF, Sms, Callout);
    // The same bureau's feed in English, by the same road; its text differs, its number does not.
    let second =
        n.post(&Content { sender: "Jincheng_Meteorological_Bureau".into(), headline: "Rainstorm red warning".into(), ..first.clone() });
    n.after(Span::secs(5)).expect_nothing(CHIEF, Callout);
    let w = n.w.warning(second);
    assert!(w.relations.joined && w.findings.iter().any(|f| f.code == "joined_event"), "{w:?}");
    // A number of two senders' own making is two warnings.
    n.post(&Content { identifier: "7".into(), ..red("a") });
    n.after(Span::secs(5)).expect(CHIEF, Sms, Callout);
    n.post(&Content { identifier: "7".into(), sender: "other office".into(), ..red("a") });
    n.after(Span::secs(5)).expect(CHIEF, Sms, Callout);
}
