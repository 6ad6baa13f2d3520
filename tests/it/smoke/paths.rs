//! From the warning to the answer, by every road that leads there.

use super::stage::{CHIEF, COUNTY_DESK, DEPUTY, LEADER, Night, On, TOWN_DESK, VILLAGE, red, village};
use jiaoying::{
    channel::{
        CallbackItem,
        MessageKind::{Callout, Chase, Deputy, End, Ended, Takeover, Which},
    },
    core::{
        callout::state::{
            CalloutState::{Answered, Calling, HandedOver, Overdue},
            Via,
        },
        directory::Tier,
        send::Channel::{Sms, Voice},
        time::Span,
    },
    engine::TokenAction,
};

pub fn the_chief_answers_by_the_button_of_his_link(on: On) {
    let mut n = Night::in_the_village(on);
    let w = n.post(&red("a"));
    n.expect(CHIEF, Sms, Callout).says("暴雨红色");
    let c = n.is(w, CHIEF, Calling);
    n.press_button(c.id, 0, TokenAction::Answer);
    let c = n.is(w, CHIEF, Answered);
    assert_eq!(c.acknowledgement.unwrap().via, Via::Link);
    n.after(Span::mins(20));
    assert!(n.out.iter().all(|o| o.name != DEPUTY), "nobody is called in his place");
}

pub fn the_chief_answers_by_reply_with_his_digit(on: On) {
    let mut n = Night::in_the_village(on);
    let w = n.post(&red("a"));
    n.after(Span::secs(10)).expect(CHIEF, Sms, Callout).says("回1").then_reply(" １。");
    assert_eq!(n.is(w, CHIEF, Answered).acknowledgement.unwrap().via, Via::Reply);
}

pub fn the_chief_answers_by_the_asked_key(on: On) {
    let mut n = Night::in_the_village(on);
    let w = n.post(&red("a"));
    n.after(Span::secs(31)).expect(CHIEF, Voice, Callout).to("15400000001").then_press("1");
    assert_eq!(n.is(w, CHIEF, Answered).acknowledgement.unwrap().via, Via::Keypress);
}

pub fn a_digit_answers_though_the_providers_clock_is_behind_ours_and_a_bare_word_of_before_the_ask_does_not(on: On) {
    let mut n = Night::in_the_village(on);
    n.w.clock.advance(Span::mins(5));
    let w = n.post(&red("a"));
    let sent = n.w.now();
    let write = |n: &mut Night, text: &str| {
        let (phone, at) = ("15400000001".to_string(), Some(sent - Span::secs(60)));
        n.callback("sms-a", CallbackItem::Reply { phone, text: text.into(), at, extend: None, dedupe: text.into() });
    };
    n.after(Span::secs(5));
    write(&mut n, "收到");
    n.is(w, CHIEF, Calling);
    write(&mut n, "1");
    let c = n.is(w, CHIEF, Answered);
    assert!(c.acknowledgement.unwrap().at >= sent, "nobody answers before he is asked");
}

pub fn a_wrong_key_and_another_text_answer_nothing_and_an_officer_reads_the_text(on: On) {
    let mut n = Night::in_the_village(on);
    let w = n.post(&red("a"));
    n.after(Span::secs(31)).expect(CHIEF, Voice, Callout).then_press("9");
    n.is(w, CHIEF, Calling);
    n.expect(CHIEF, Sms, Callout).then_reply("桥断了");
    let c = n.is(w, CHIEF, Calling);
    n.expect_task(c.id, "桥断了");
    n.after(Span::secs(90)).expect(CHIEF, Voice, Callout).to("15400000002");
}

pub fn silence_goes_redial_second_number_deputy_township_task_and_an_officer_completes_it(on: On) {
    let mut n = Night::in_the_village(on);
    let w = n.post(&red("a"));
    n.desks_answer(w);
    n.expect(CHIEF, Sms, Callout);
    n.after(Span::secs(31)).expect(CHIEF, Voice, Callout).to("15400000001");
    n.after(Span::secs(90)).expect(CHIEF, Voice, Callout).to("15400000002");
    n.after(Span::mins(3) + Span::secs(5)).expect(DEPUTY, Sms, Deputy).says(CHIEF);
    n.expect(CHIEF, Sms, Chase);
    let c = n.is(w, CHIEF, Overdue);
    n.after(Span::secs(5)).expect(DEPUTY, Voice, Deputy);
    n.after(Span::mins(3)).expect(TOWN_DESK, Voice, Takeover);
    n.is(w, CHIEF, HandedOver);
    let task = n.expect_task(c.id, "人工电话叫应");
    n.claim(&task, "值班员甲");
    n.complete(&task, "值班员甲", "reached", Some("holder"));
    let ack = n.is(w, CHIEF, Answered).acknowledgement.unwrap();
    assert_eq!((ack.via, ack.late, ack.entered_by.as_deref()), (Via::Manual, true, Some("值班员甲")));
    assert!(n.tasks(w).iter().all(|t| t.callout != Some(c.id)), "his task is closed");
}

pub fn a_desks_key_takes_the_task_over_and_answers_nothing(on: On) {
    let mut n = Night::in_the_village(on);
    let w = n.post(&red("a"));
    n.desks_answer(w);
    n.after(Span::mins(8) + Span::secs(10)).expect(TOWN_DESK, Voice, Takeover).then_press("1");
    let c = n.is(w, CHIEF, HandedOver);
    let task = n.expect_task(c.id, "人工电话叫应");
    assert_eq!(task.claimed_by.as_deref(), Some(TOWN_DESK));
    n.complete(&task, "镇值班员", "not_reached", None);
    n.after(Span::secs(10)).expect(COUNTY_DESK, Voice, Takeover);
}

pub fn an_unclaimed_task_rings_the_shift_leader(on: On) {
    let mut n = Night::in_the_village(on);
    let w = n.post(&red("a"));
    n.desks_answer(w);
    n.after(Span::mins(8) + Span::secs(10));
    n.after(Span::mins(3) + Span::secs(10)).expect(LEADER, Voice, Takeover);
}

pub fn the_deputy_answers_for_the_posts_he_deputises(on: On) {
    let mut n = Night::in_the_village(on);
    let w = n.post(&red("a"));
    n.after(Span::mins(5) + Span::secs(10)).expect(DEPUTY, Sms, Deputy).says("回").then_reply("收到");
    let ack = n.is(w, CHIEF, Answered).acknowledgement.unwrap();
    assert_eq!((ack.by.relation.as_str(), ack.by.name.as_str()), ("deputy", DEPUTY));
}

pub fn a_late_answer_counts_and_closes_the_task(on: On) {
    let mut n = Night::in_the_village(on);
    let w = n.post(&red("a"));
    n.after(Span::mins(9));
    let c = n.is(w, CHIEF, HandedOver);
    n.expect(CHIEF, Sms, Chase).then_reply("1");
    assert!(n.is(w, CHIEF, Answered).acknowledgement.unwrap().late);
    assert!(n.tasks(w).iter().all(|t| t.callout != Some(c.id)));
}

pub fn an_answer_after_the_cancel_is_kept_and_the_person_is_told_how_it_ended(on: On) {
    let mut n = Night::in_the_village(on);
    let w = n.post(&red("a"));
    n.after(Span::secs(10));
    n.cancel(w);
    n.expect(CHIEF, Sms, End).says("解除");
    n.expect(CHIEF, Sms, Callout).then_reply("1");
    n.expect(CHIEF, Sms, Ended);
}

pub fn a_cancel_in_mid_call_lets_the_call_end_and_then_tells_the_end_once(on: On) {
    let mut n = Night::in_the_village(on);
    let w = n.post(&red("a"));
    n.after(Span::secs(31)).expect(CHIEF, Voice, Callout);
    n.cancel(w);
    n.after(Span::secs(30)).expect(CHIEF, Sms, End);
    n.after(Span::mins(30)).expect_nothing(CHIEF, End);
    n.expect_nothing(CHIEF, Chase);
    n.expect_nothing(DEPUTY, Deputy);
}

pub fn several_asks_on_one_number_carry_their_own_digits_and_a_bare_word_asks_which(on: On) {
    let mut b = village();
    let other = b.person("老伴", &["15400000001"]);
    b.post(other, "flash_flood", Tier::Village, VILLAGE);
    let mut n = Night::with(on, b.done());
    let w = n.post(&red("a"));
    n.after(Span::secs(5));
    let digits: Vec<Option<u8>> = [CHIEF, "老伴"].iter().map(|h| n.callout(w, h).attempts[0].digit).collect();
    assert_eq!(digits.iter().flatten().count(), 2);
    assert_ne!(digits[0], digits[1]);
    n.reply("15400000001", "收到");
    n.is(w, CHIEF, Calling);
    n.is(w, "老伴", Calling);
    let name = n.out.iter().find(|o| o.kind == Which).map(|o| o.name.clone()).unwrap_or_else(|| panic!("nobody is asked which"));
    n.expect(&name, Sms, Which);
    n.reply("15400000001", &digits[1].unwrap().to_string());
    n.is(w, CHIEF, Calling);
    n.is(w, "老伴", Answered);
}
