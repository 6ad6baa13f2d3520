//! Weights, health, breaker, operators' orders, number limits and hedges on the running engine.

use super::house::{House, Said, Spy, accepts, start};
use jiaoying::{
    channel::{Address, CallbackItem, MessageKind, ReceiptResult},
    core::{
        callout::state::{AskKind, AttemptState, Callout, CalloutState},
        directory::Tier,
        hazard::Level,
        phone::Phone,
        route::standing::Breaker,
        send::{Channel, Outcome},
        time::Span,
    },
    engine::board::Wanted,
    store::Key,
};

use crate::{
    simulate::poll::now,
    smoke::stage::{CHIEF, OTHER_VILLAGE, VILLAGE, village},
};

fn sms(name: &'static str) -> Spy {
    Spy::new(name, Channel::Sms, |_, r| accepts(r))
}
fn retryable() -> Said {
    Said { outcome: Outcome::Retryable { detail: "HTTP 503".into() }, after: Span::ms(20), taken: false }
}
fn balance() -> Said {
    Said { outcome: Outcome::Balance { detail: "out of money".into() }, after: Span::ms(20), taken: false }
}
fn by(house: &House, account: &str) -> usize {
    house.left.iter().filter(|(_, a, _)| *a == account).count()
}

#[test]
fn an_account_that_cannot_send_a_drill_is_passed_over_for_one_that_can() {
    let mut mute = sms("sms-a");
    mute.drills = false;
    let mut house = House::new(village().done(), vec![mute, sms("sms-b")], &[("sms-a", 1000)], |_| {});
    let content = crate::simulate::scenes::content("d", Level::Red, &[VILLAGE], start());
    now(house.engine.start_drill("值班员", content)).unwrap();
    house.after(Span::secs(20));
    assert!(by(&house, "sms-b") > 0 && by(&house, "sms-a") == 0, "{:?}", house.left.len());
    house.warn("w", Level::Red, &[VILLAGE]);
    house.after(Span::secs(20));
    assert!(by(&house, "sms-a") > 0, "what it can send, it sends");
}

#[test]
fn the_same_attempt_leaves_by_the_next_account_at_once_when_its_own_is_out_of_money() {
    let poor = Spy::new("sms-a", Channel::Sms, |_, _| balance());
    let mut house = House::new(village().done(), vec![poor, sms("sms-b")], &[("sms-b", 0)], |_| {});
    let warning = house.warn("w", Level::Red, &[VILLAGE]);
    house.after(Span::ms(500));
    let first: Vec<_> = house.left.iter().filter(|(_, a, _)| *a == "sms-a").collect();
    assert!(!first.is_empty());
    for (at, _, request) in &first {
        let next = house.left.iter().find(|(_, a, r)| *a == "sms-b" && r.reference == request.reference).unwrap();
        assert_eq!(next.0 - *at, Span::ms(20), "no back-off: as soon as the refusal was heard");
    }
    assert!(house.callouts(warning).iter().all(|c| c.attempts.iter().all(|a| a.state == AttemptState::Accepted)));
    assert_eq!((house.told("provider.down").len(), house.told("provider.up").len()), (1, 0));
}

#[test]
fn with_all_accounts_of_a_channel_stopped_one_is_tried_all_the_same_and_loudly() {
    let poor = |name| Spy::new(name, Channel::Sms, |_, _| balance());
    let mut house = House::new(village().done(), vec![poor("sms-a"), poor("sms-b")], &[], |_| {});
    house.warn("w", Level::Red, &[VILLAGE]);
    house.after(Span::secs(3));
    assert_eq!(house.told("provider.down").len(), 2, "each once");
    let before = house.left.len();
    for name in ["sms-a", "sms-b"] {
        house.spies[name].say(|_, r| accepts(r));
    }
    house.after(Span::secs(8));
    assert!(house.left.len() > before, "sends go on");
    assert!(!house.told("provider.up").is_empty(), "one that takes a message again is up");
}

#[test]
fn a_broken_account_is_asked_first_and_tried_by_one_attempt_at_a_time_and_comes_back_in_steps() {
    let mut house =
        House::new(village().done(), vec![Spy::new("sms-a", Channel::Sms, |_, _| retryable()), sms("sms-b")], &[("sms-b", 0)], |_| {});
    for n in 0..4 {
        house.warn(&format!("w{n}"), Level::Red, &[VILLAGE]);
    }
    house.after(Span::secs(2));
    let (up, health, why) = house.stands("sms-a");
    assert!(!up && why.contains("HTTP 503"), "{why}");
    assert_eq!(health, 100, "the breaker is not the health");
    // A restart forgets nothing of it.
    house.restart();
    assert!(!house.stands("sms-a").0);
    house.after(Span::secs(32));
    // The query was answered: that proves that it can be reached. One attempt tries it.
    assert!(!house.spies["sms-a"].looked_up.lock().unwrap().is_empty());
    assert!(!house.stands("sms-a").0 && house.told("provider.up").is_empty());
    house.spies["sms-a"].say(|_, r| accepts(r));
    house.warn("w9", Level::Red, &[VILLAGE]);
    house.after(Span::secs(2));
    let (up, health, _) = house.stands("sms-a");
    assert!(up && health < 50, "{up} {health}");
    assert_eq!((house.told("provider.down").len(), house.told("provider.up").len()), (1, 1));
}

#[test]
fn what_one_gateway_learns_of_an_account_and_what_is_ordered_there_the_others_go_by() {
    let mut house =
        House::new(village().done(), vec![Spy::new("sms-a", Channel::Sms, |_, _| balance()), sms("sms-b")], &[("sms-b", 0)], |_| {});
    let other = house.another();
    house.warn("w1", Level::Red, &[VILLAGE]);
    house.after(Span::secs(2));
    assert!(!house.stands("sms-a").0);
    let stands = |of: &str| other.account_views().into_iter().find(|a| a.name == of).unwrap();
    assert!(stands("sms-a").up, "nothing is asked of the store for each send");
    now(other.follow_board()).unwrap();
    assert!(!stands("sms-a").up && stands("sms-a").why.contains("out of money"), "{}", stands("sms-a").why);
    now(other.order_account("sms-b", "值班员", Wanted::Pin { until: None })).unwrap();
    now(house.engine.follow_board()).unwrap();
    let pinned = house.engine.account_views().into_iter().find(|a| a.name == "sms-b").unwrap();
    assert_eq!(pinned.standing.pinned.map(|p| p.by), Some("值班员".to_string()));
    assert_eq!(house.told("provider.down").len(), 1, "told once, whoever hears of it later");
}

#[test]
fn an_operators_pin_wins_until_it_ends_and_the_last_account_of_a_channel_is_not_disabled() {
    let mut house = House::new(village().done(), vec![sms("sms-a"), sms("sms-b")], &[("sms-b", 0)], |_| {});
    let until = start() + Span::mins(2);
    now(house.engine.order_account("sms-b", "值班员", Wanted::Pin { until: Some(until) })).unwrap();
    house.restart();
    house.warn("w", Level::Red, &[VILLAGE]);
    house.after(Span::secs(30));
    assert!(by(&house, "sms-b") > 0 && by(&house, "sms-a") == 0);
    house.after(Span::secs(100));
    let before = by(&house, "sms-b");
    house.warn("w2", Level::Red, &[VILLAGE]);
    house.after(Span::secs(10));
    assert_eq!(by(&house, "sms-b"), before, "the pin is over");
    assert!(by(&house, "sms-a") > 0);
    let standing = |house: &House, n: usize| house.engine.account_views().remove(n).standing;
    assert_eq!(standing(&house, 1).pinned, None, "and gone from the board");

    now(house.engine.order_account("sms-a", "值班员", Wanted::Disable)).unwrap();
    assert!(now(house.engine.order_account("sms-b", "值班员", Wanted::Disable)).is_err(), "the last of its channel");
    assert!(now(house.engine.order_account("nobody", "值班员", Wanted::Enable)).is_err());
    let before = by(&house, "sms-a");
    house.warn("w3", Level::Red, &[VILLAGE]);
    house.after(Span::secs(10));
    assert_eq!(by(&house, "sms-a"), before, "never by a disabled one");
    now(house.engine.order_account("sms-a", "值班员", Wanted::Enable)).unwrap();
    assert_eq!(standing(&house, 0).breaker, Breaker::Closed);
}

#[test]
fn a_numbers_limit_that_outlasts_the_rung_sends_by_the_next_account_else_the_next_rung_is_taken_now() {
    let day = |name| sms(name).per_callee(1, Span::hours(24));
    let mut house = House::new(village().done(), vec![day("sms-a"), day("sms-b")], &[("sms-b", 0)], |_| {});
    house.warn("w1", Level::Red, &[VILLAGE]);
    house.after(Span::secs(5));
    let second = house.warn("w2", Level::Red, &[VILLAGE]);
    house.after(Span::secs(5));
    assert!(by(&house, "sms-a") > 0 && by(&house, "sms-b") > 0, "the other account's quota is free");
    let third = house.warn("w3", Level::Red, &[VILLAGE]);
    house.after(Span::secs(5));
    let chief = |house: &House, w| {
        let id = house.engine.directory().recipients.values().find(|r| r.name == CHIEF).unwrap().id;
        house.callouts(w).into_iter().find(|c| c.contacts[0].id == id).unwrap()
    };
    assert_eq!(chief(&house, second).rung, Some(0));
    let c = chief(&house, third);
    assert!(c.rung > Some(0), "nothing is free before the next rung: it is taken now: {c:?}");
    assert!(c.attempts.iter().any(|a| a.kind == AskKind::Callout && a.state == AttemptState::Failed), "{c:?}");
    assert!(c.state.is_open());
}

#[test]
fn a_red_ask_whose_provider_is_silent_goes_once_more_by_another_and_one_with_a_receipt_does_not() {
    let mut house =
        House::new(village().done(), vec![sms("sms-a"), sms("sms-b")], &[("sms-b", 0)], |p| p.clocks.hedge = Some(Span::secs(20)));
    let warning = house.warn("w", Level::Red, &[VILLAGE]);
    house.after(Span::secs(5));
    let id = house.engine.directory().recipients.values().find(|r| r.name == CHIEF).unwrap().id;
    let told: Vec<String> = house.left.iter().map(|(_, _, r)| r.reference.clone()).collect();
    let chief = house.callouts(warning).into_iter().find(|c| c.contacts[0].id == id).unwrap();
    // Everybody's arrives, but the chief's.
    let mine: Vec<String> = house
        .left
        .iter()
        .filter(|(_, _, r)| matches!(&r.to, jiaoying::channel::Address::Phone(p) if p.reveal() == "15400000001"))
        .map(|(_, _, r)| r.reference.clone())
        .collect();
    assert_eq!((mine.len(), chief.attempts.len()), (1, 1));
    for reference in told.iter().filter(|r| !mine.contains(r)) {
        let item = CallbackItem::Receipt {
            reference: Some(reference.clone()),
            provider_message_id: None,
            at: None,
            result: ReceiptResult::Delivered,
            keys: None,
        };
        house.callback("sms-a", item);
    }
    house.after(Span::secs(40));
    let all = house.callouts(warning);
    let hedges: Vec<_> = all.iter().flat_map(|c| c.attempts.iter().filter(|a| a.hedges.is_some())).collect();
    assert_eq!(hedges.len(), 1, "one, and only of the silent one: {all:?}");
    assert_eq!((hedges[0].hedges, hedges[0].provider.as_deref()), (Some(1), Some("sms-b")));
    assert!(all.iter().flat_map(|c| &c.attempts).all(|a| a.repeats.is_none()), "counted apart from what repeats the unknown");
    assert_eq!(by(&house, "sms-b"), 1, "a hedge is not hedged");
}

#[test]
fn without_another_account_the_silent_red_ask_is_called_now_rather_than_later_and_without_the_clock_never() {
    for clock in [None, Some(Span::secs(10))] {
        let voice = Spy::new("voice-a", Channel::Voice, |_, r| accepts(r));
        let mut house = House::new(village().done(), vec![sms("sms-a"), voice], &[], |p| p.clocks.hedge = clock);
        let warning = house.warn("w", Level::Red, &[VILLAGE]);
        house.after(Span::secs(14));
        let calls = house.left.iter().filter(|(_, a, _)| *a == "voice-a").count();
        let hedges = house.callouts(warning).iter().flat_map(|c| c.attempts.clone()).filter(|a| a.hedges.is_some()).count();
        assert_eq!((calls > 0, hedges > 0), (clock.is_some(), clock.is_some()), "{clock:?}: {calls} calls");
    }
}

#[test]
fn too_fast_lowers_the_pace_and_not_the_health() {
    let fast = Spy::new("sms-a", Channel::Sms, |n, r| match n {
        1..=3 => Said {
            outcome: Outcome::Throttled { after: Some(Span::secs(1)), whole_account: true, detail: "too fast".into() },
            after: Span::ms(10),
            taken: false,
        },
        _ => accepts(r),
    });
    let mut house = House::new(village().done(), vec![fast], &[], |_| {});
    house.warn("w", Level::Red, &[VILLAGE]);
    house.after(Span::secs(2));
    let (up, health, _) = house.stands("sms-a");
    assert_eq!((up, health), (true, 100));
    assert!(house.engine.account_views()[0].slowed);
    house.after(Span::mins(1));
    house.engine.ease_accounts();
    assert!(!house.engine.account_views()[0].slowed, "it rises again");
    assert!(house.left.iter().any(|(_, _, r)| r.message.kind == MessageKind::Callout));
}

#[test]
fn a_receipt_that_tells_of_the_providers_own_limit_sends_the_message_by_another_account_and_one_that_does_not_sends_none() {
    for (elsewhere, again) in [(true, 1), (false, 0)] {
        let mut house = House::new(village().done(), vec![sms("sms-a"), sms("sms-b")], &[("sms-a", 1000), ("sms-b", 1)], |_| {});
        house.warn("w", Level::Red, &[VILLAGE]);
        house.after(Span::secs(1));
        let (_, account, request) = house.left[0].clone();
        let other = if account == "sms-a" { "sms-b" } else { "sms-a" };
        let before = by(&house, other);
        let result = ReceiptResult::Failed { code: "MILIMIT".into(), detail: String::new(), number_dead: false, config: false, elsewhere };
        let item =
            CallbackItem::Receipt { reference: Some(request.reference.clone()), provider_message_id: None, at: None, result, keys: None };
        house.callback(account, item.clone());
        house.callback(account, item);
        house.after(Span::secs(1));
        assert_eq!(by(&house, other) - before, again, "{elsewhere}: once, whoever pushes it twice");
    }
}

#[test]
fn a_record_that_cannot_be_read_keeps_nobody_elses_answer_of_the_same_push_back() {
    let mut b = village();
    let second = b.person("second", &["15400000077"]);
    b.post(second, "party_government", Tier::Village, OTHER_VILLAGE);
    let mut house = House::new(b.done(), vec![sms("sms-a")], &[], |_| {});
    let warning = house.warn("w", Level::Red, &[VILLAGE, OTHER_VILLAGE]);
    house.after(Span::secs(1));
    let to = |phone: &str| Address::Phone(Phone::parse(phone).unwrap());
    let broken = house.left.iter().find(|(_, _, r)| r.to == to("15400000077")).unwrap().2.clone();
    let of = |name: &str| {
        let parts = |c: Callout| now(house.engine.callout_parts(c.id)).unwrap().unwrap();
        let mut all = house.callouts(warning).into_iter().map(parts);
        all.find(|p| p.entry().and_then(|e| p.person(e.person)).is_some_and(|p| p.name == name)).unwrap().callout.id
    };
    let (damaged, answered) = (of("second"), of(CHIEF));
    house.damage(Key::Callout(damaged));
    let delivered = CallbackItem::Receipt {
        reference: Some(broken.reference),
        provider_message_id: None,
        at: None,
        result: ReceiptResult::Delivered,
        keys: None,
    };
    let reply = CallbackItem::Reply { phone: "15400000001".into(), text: "1".into(), at: None, extend: None, dedupe: "id:1".into() };
    house.push("sms-a", &[delivered, reply]);
    let c = now(house.engine.callout_parts(answered)).unwrap().unwrap().callout;
    assert_eq!(c.state, CalloutState::Answered);
    let told = now(house.engine.warning(warning)).unwrap().unwrap();
    assert!(told.tasks.iter().any(|t| t.title.contains("无法读取")), "somebody looks at the rest: {:?}", told.tasks);
}
