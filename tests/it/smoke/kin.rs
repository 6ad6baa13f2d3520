//! Messages that name no predecessor and have one: known by their text, or by the event they are a stage of.

use super::{
    stage::{CHIEF, Night, OTHER_VILLAGE, On, TOWN_DESK, VILLAGE, red},
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

const WEST: &str = "西河村主任";

fn stage(hazard: &str, identifier: &str, stage: &str, areas: &[&str]) -> Content {
    Content {
        event: Some("rain-0708".into()),
        stage: Some(stage.into()),
        hazard: HazardCode(hazard.into()),
        areas: areas.iter().map(|a| area(a)).collect(),
        ..red(identifier)
    }
}

pub fn a_stage_that_narrows_takes_the_place_of_the_one_before_only_where_it_is(on: On) {
    let mut n = two_villages(on);
    let both = n.post(&stage("11A51", "a", "准备转移", &[VILLAGE, OTHER_VILLAGE]));
    n.after(Span::secs(5)).expect(CHIEF, Sms, Callout).then_reply("1");
    n.expect(WEST, Sms, Callout);
    // For one village it has come to moving; the other still gets ready.
    let here = n.post(&stage("11A51", "b", "立即转移", &[VILLAGE]));
    n.after(Span::secs(5)).expect(CHIEF, Sms, Callout);
    n.expect_nothing(WEST, End);
    n.is(here, CHIEF, Calling);
    n.is(both, WEST, Calling);
    assert_eq!(n.w.warning(both).phase, WarningPhase::Active);
    // The other follows by a message of its own: the one beside it is left alone, the first is over.
    let there = n.post(&stage("11A51", "c", "立即转移", &[OTHER_VILLAGE]));
    n.after(Span::secs(5)).expect(WEST, Sms, Callout);
    n.is(both, WEST, Closed);
    n.is(there, WEST, Calling);
    n.is(here, CHIEF, Calling);
    // The event is lifted by one message that names nothing but it.
    n.post(&Content { message_type: MessageType::Cancel, stage: None, ..stage("11A51", "d", "", &[]) });
    n.after(Span::secs(5)).expect(CHIEF, Sms, End);
    n.expect(WEST, Sms, End);
    assert_eq!(n.is(here, CHIEF, Closed).closed_reason, Some(ClosedReason::Cancelled));
    assert_eq!(n.is(there, WEST, Closed).closed_reason, Some(ClosedReason::Cancelled));
}

pub fn a_forecast_of_twelve_six_and_two_hours_is_one_event_in_stages(on: On) {
    let mut n = two_villages(on);
    let twelve = n.post(&stage("11B03", "a", "T-12h", &[VILLAGE, OTHER_VILLAGE]));
    n.after(Span::secs(5)).expect(TOWN_DESK, Sms, Callout);
    n.expect_nothing(CHIEF, Callout);
    let six = n.post(&stage("11B03", "b", "T-6h", &[VILLAGE, OTHER_VILLAGE]));
    n.after(Span::secs(5));
    let w = n.w.warning(six);
    assert!(w.relations.continues == Some(twelve) && w.relations.parts.is_empty(), "{:?}", w.relations);
    assert_eq!(n.w.warning(twelve).closed_reason, Some(WarningEnd::Superseded), "the same area: the earlier stage is over");
    // Two hours before, where it will come down is known better: one village. The others stay forewarned.
    let two = n.post(&stage("11B03", "c", "T-2h", &[VILLAGE]));
    n.after(Span::secs(5)).expect(CHIEF, Sms, Callout);
    let w = n.w.warning(two);
    assert!(w.relations.continues == Some(six) && w.relations.parts == [six], "{:?}", w.relations);
    assert!(w.findings.iter().any(|f| f.code == "reference_found" && f.detail.contains("仅限本报文的区域")), "{:?}", w.findings);
    n.is(two, CHIEF, Calling);
    n.is(six, TOWN_DESK, Calling);
    assert_eq!(n.w.warning(six).phase, WarningPhase::Active);
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
