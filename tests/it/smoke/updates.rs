//! Warnings that change, that meet, that are only rehearsed.

use super::stage::{CHIEF, DEPUTY, Night, On, red, update_of};
use jiaoying::{
    channel::MessageKind::{Callout, End, Renewed},
    core::{
        callout::state::{
            CalloutState::{Answered, Calling, Closed},
            ClosedReason,
        },
        hazard::{HazardCode, Level},
        send::Channel::{Sms, Voice},
        time::Span,
        warning::Content,
        warning_life::WarningEnd,
    },
    engine::TokenAction,
};

pub fn an_update_that_raises_the_level_calls_anew_and_the_old_answer_does_not_count(on: On) {
    let mut n = Night::in_the_village(on);
    let orange = Content { level: Level::Orange, hazard: HazardCode("99".into()), ..red("a") };
    let first = n.post(&orange);
    n.after(Span::secs(10)).expect(CHIEF, Sms, Callout).then_reply("1");
    n.is(first, CHIEF, Answered);
    let second = n.post(&update_of(&orange, "b", Level::Red));
    n.after(Span::secs(5));
    let c = n.is(second, CHIEF, Calling);
    assert_eq!((c.rung, c.carried_from), (Some(0), None));
    let old = n.callout(first, CHIEF);
    n.press_button(old.id, 0, TokenAction::Answer);
    n.is(second, CHIEF, Calling);
    n.expect(CHIEF, Sms, Callout).says("红色").then_reply("2");
    n.is(second, CHIEF, Answered);
}

pub fn an_update_at_the_same_level_inherits_and_an_answer_to_the_older_text_counts(on: On) {
    let mut n = Night::in_the_village(on);
    let first = n.post(&red("a"));
    n.after(Span::mins(2));
    let due = n.callout(first, CHIEF).due_at;
    let second = n.post(&update_of(&red("a"), "b", Level::Red));
    n.after(Span::secs(5)).expect(CHIEF, Sms, Renewed);
    let c = n.is(second, CHIEF, Calling);
    assert_eq!((c.due_at, c.carried_from), (due, Some(n.callout(first, CHIEF).id)));
    let old = n.is(first, CHIEF, Closed);
    assert_eq!(old.closed_reason, Some(ClosedReason::Superseded));
    n.press_button(old.id, 0, TokenAction::Answer);
    n.is(second, CHIEF, Answered);
}

pub fn the_calls_go_on_after_an_update_that_came_while_one_rang(on: On) {
    let mut n = Night::in_the_village(on);
    n.post(&red("a"));
    n.after(Span::secs(31)).expect(CHIEF, Voice, Callout);
    n.post(&update_of(&red("a"), "b", Level::Red));
    n.after(Span::secs(95)).expect(CHIEF, Voice, Callout);
    n.after(Span::mins(5)).expect(DEPUTY, Voice, jiaoying::channel::MessageKind::Deputy);
}

pub fn a_drill_is_marked_everywhere_and_a_real_warning_stops_it(on: On) {
    let mut n = Night::in_the_village(on);
    let drill = n.drill(&red("drill"));
    n.after(Span::secs(31));
    assert!(!n.out.is_empty() && n.out.iter().all(|o| o.drill && o.text.contains("演练")), "{:?}", n.out);
    n.clear();
    let real = n.post(&red("a"));
    n.after(Span::mins(1));
    n.is(drill, CHIEF, Closed);
    assert_eq!(n.w.warning(drill).closed_reason, Some(WarningEnd::Cancelled));
    n.expect(CHIEF, Sms, End).says("演练");
    let out = n.expect(CHIEF, Sms, Callout).out;
    assert!(!out.drill && !out.text.contains("演练"), "{out:?}");
    n.is(real, CHIEF, Calling);
}

pub fn a_person_in_two_warnings_answers_each_for_itself(on: On) {
    let mut n = Night::in_the_village(on);
    let rain = n.post(&red("rain"));
    let slide = Content { hazard: HazardCode("11B37".into()), ..red("slide") };
    let slide = n.post(&slide);
    n.after(Span::secs(5));
    let calls = n.out.iter().filter(|o| o.name == CHIEF && o.channel == Voice).count();
    assert_eq!(calls, 0);
    n.after(Span::secs(28));
    let calls = n.out.iter().filter(|o| o.name == CHIEF && o.channel == Voice).count();
    assert_eq!(calls, 1, "one call in flight, for both");
    n.expect(CHIEF, Sms, Callout).says("回1");
    n.expect(CHIEF, Sms, Callout).says("回2").then_reply("2");
    n.is(rain, CHIEF, Calling);
    n.is(slide, CHIEF, Answered);
    n.expect(CHIEF, Voice, Callout).then_press("1");
    n.is(rain, CHIEF, Answered);
}
