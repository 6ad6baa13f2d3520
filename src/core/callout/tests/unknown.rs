//! What becomes of a request that is under way when somebody answers, or of which nobody knows whether it came through (design,
//! outcomes).

use super::*;

#[test]
fn a_gathered_message_of_unknown_fate_goes_again_once_for_red() {
    let mut n = Night1::new();
    n.lines_work = false;
    n.after(Span::mins(5) + Span::secs(1));
    let deputy = n.contact(Relation::Deputy);
    let sms = n.state.attempts.iter().position(|a| a.contact == deputy && a.channel == Channel::Sms).unwrap() as u16 + 1;
    n.event(Event::Line { n: sms, news: LineNews::Sending { provider: "sms".into(), digit: Some(1), at: None } });
    n.event(Event::Line { n: sms, news: LineNews::Outcome { outcome: Outcome::Unknown { detail: "timeout".into() } } });
    n.event(Event::Line { n: sms, news: LineNews::GivenUp { why: "awaited in vain".into() } });
    n.event(Event::Line { n: sms, news: LineNews::GivenUp { why: "doubled".into() } });
    assert_eq!(n.state.attempts.iter().filter(|a| a.repeats == Some(sms)).count(), 1);
}

/// The holder's first call is of unknown fate, and nothing is heard of it in its time.
fn unknown_call(n: &mut Night1) -> u16 {
    n.lines_work = false;
    n.after(Span::secs(31));
    let call = n.last_call(0);
    for news in [
        LineNews::Sending { provider: "a".into(), digit: None, at: None },
        LineNews::Outcome { outcome: Outcome::Unknown { detail: "time-out".into() } },
        LineNews::GivenUp { why: "unknown fate, awaited in vain".into() },
    ] {
        n.event(Event::Line { n: call, news });
    }
    call
}

/// The call that repeats `call`: its number, and the account it goes round.
fn redialled(n: &Night1, call: u16) -> Vec<(u8, Vec<String>)> {
    n.state.attempts.iter().filter(|a| a.repeats == Some(call)).map(|a| (a.number, a.failed_by.clone())).collect()
}

fn voices(names: &[&str]) -> Vec<Route> {
    names.iter().map(|name| Route { account: (*name).into(), channel: Channel::Voice, receipts: true }).collect()
}

#[test]
fn a_call_of_unknown_fate_goes_again_at_once_by_another_account_for_red() {
    let mut n = Night1::new();
    n.accounts = voices(&["a", "b"]);
    let call = unknown_call(&mut n);
    assert_eq!(redialled(&n, call), [(0, vec!["a".to_string()])]);
    let asked = |(_, l): &(Phone, LineLetter)| matches!(l, LineLetter::Ask(ask) if ask.failed_by == ["a"]);
    assert!(n.last.as_ref().unwrap().effects.line.iter().any(asked), "its line knows, too");
    let next = n.state.contacts[0].calls.unwrap().next;
    assert!(next >= n.now + Span::secs(90), "the series waits for it");
    n.event(Event::Line { n: call, news: LineNews::GivenUp { why: "doubled".into() } });
    assert_eq!(n.state.attempts.iter().filter(|a| a.repeats == Some(call)).count(), 1);
}

#[test]
fn with_one_account_a_call_of_unknown_fate_goes_to_another_number_and_with_one_number_the_series_goes_on() {
    let mut n = Night1::new();
    n.accounts = voices(&["a"]);
    let call = unknown_call(&mut n);
    assert_eq!(redialled(&n, call), [(1, vec!["a".to_string()])]);

    let mut n = Night1::with(vec![post(140521101201, Some(1), AnswerRule::Each)], &["15400000001"]);
    n.accounts = voices(&["a"]);
    let call = unknown_call(&mut n);
    assert_eq!(redialled(&n, call), []);
    assert!(n.state.contacts[0].calls.is_some());
}

#[test]
fn a_call_of_unknown_fate_of_a_yellow_warning_is_not_repeated() {
    let mut n = Night1::new();
    n.accounts = voices(&["a", "b"]);
    n.entry.level = Level::Yellow;
    let call = unknown_call(&mut n);
    assert_eq!(redialled(&n, call), []);
}

#[test]
fn a_call_that_repeats_one_of_unknown_fate_is_not_repeated_itself() {
    let mut n = Night1::new();
    n.accounts = voices(&["a", "b"]);
    let call = unknown_call(&mut n);
    let again = n.last_call(0);
    for news in [
        LineNews::Sending { provider: "b".into(), digit: None, at: None },
        LineNews::Outcome { outcome: Outcome::Unknown { detail: "time-out".into() } },
        LineNews::GivenUp { why: "unknown fate, awaited in vain".into() },
    ] {
        n.event(Event::Line { n: again, news });
    }
    assert_eq!(redialled(&n, call).len(), 1);
    assert_eq!(redialled(&n, again), []);
}

#[test]
fn an_answer_takes_back_what_is_under_way_should_it_turn_out_not_to_have_left() {
    let mut n = Night1::new();
    n.lines_work = false;
    n.after(Span::secs(31));
    let call = n.last_call(0);
    n.event(Event::Line { n: call, news: LineNews::Sending { provider: "a".into(), digit: None, at: None } });
    n.event(Event::Answer { contact: 0, via: Via::Reply, at: n.now });
    let back = |(_, l): &(Phone, LineLetter)| matches!(l, LineLetter::Withdraw { attempt } if attempt.n == call);
    assert!(n.last.as_ref().unwrap().effects.line.iter().any(back));
    assert_eq!(n.state.attempt(call).unwrap().state, AttemptState::Sending, "nobody knows yet");
    n.event(Event::Line { n: call, news: LineNews::Withdrawn });
    let a = n.state.attempt(call).unwrap();
    assert_eq!((a.state, a.recalling), (AttemptState::Withdrawn, false));
}

#[test]
fn a_message_that_its_account_lost_goes_by_each_other_account_once_and_then_no_more() {
    let mut n = Night1::new();
    n.accounts = ["a", "b"].map(|name| Route { account: name.into(), channel: Channel::Sms, receipts: true }).into();
    n.event(Event::Tick);
    for (sms, account) in [(1, "a"), (2, "b")] {
        let a = n.state.attempt(sms).unwrap();
        assert_eq!((a.channel, a.state, a.repeats), (Channel::Sms, AttemptState::Queued, (sms > 1).then_some(sms - 1)));
        n.event(Event::Submit { n: sms, provider: account.into(), digit: None });
        n.event(Event::Outcome { n: sms, outcome: Outcome::Accepted { provider_message_id: account.into() } });
        let lost = Event::Receipt { n: sms, delivered: false, outcome: "SIGN_NOT_FILED".into(), number_dead: false, lost: true };
        n.event(lost.clone());
        n.event(lost);
    }
    assert_eq!(n.state.attempt(2).unwrap().failed_by, ["a"]);
    assert_eq!(n.state.attempts.iter().filter(|a| a.channel == Channel::Sms).count(), 2, "both have lost it");
}

#[test]
fn a_call_that_its_account_lost_goes_at_once_by_another_even_of_a_yellow_warning() {
    let mut n = Night1::new();
    n.accounts = voices(&["a", "b"]);
    n.entry.level = Level::Yellow;
    n.lines_work = false;
    n.after(Span::secs(31));
    let call = n.last_call(0);
    for news in [
        LineNews::Sending { provider: "a".into(), digit: None, at: None },
        LineNews::Outcome { outcome: Outcome::Accepted { provider_message_id: "c".into() } },
        LineNews::Finished { ok: false, outcome: "999999".into(), number_dead: false, refused: false, lost: true },
    ] {
        n.event(Event::Line { n: call, news });
    }
    assert_eq!(redialled(&n, call), [(0, vec!["a".to_string()])]);
}

#[test]
fn who_said_that_he_is_the_wrong_one_or_hands_it_over_is_not_rung_again() {
    for not_me in [false, true] {
        let mut n = Night1::new();
        n.accounts = voices(&["a", "b"]);
        n.lines_work = false;
        n.after(Span::secs(31));
        let call = n.last_call(0);
        n.event(Event::Line { n: call, news: LineNews::Sending { provider: "a".into(), digit: None, at: None } });
        n.event(Event::Line { n: call, news: LineNews::Outcome { outcome: Outcome::Unknown { detail: "time-out".into() } } });
        n.event(Event::Decline { contact: 0, not_me, via: Via::Link });
        n.event(Event::Line { n: call, news: LineNews::GivenUp { why: "unknown fate, awaited in vain".into() } });
        assert_eq!(redialled(&n, call), [], "not_me {not_me}");
    }
}

#[test]
fn what_rings_somebody_who_declines_is_asked_back_should_it_not_have_left() {
    let mut n = Night1::new();
    n.lines_work = false;
    n.after(Span::secs(31));
    let call = n.last_call(0);
    n.event(Event::Line { n: call, news: LineNews::Sending { provider: "a".into(), digit: None, at: None } });
    n.event(Event::Decline { contact: 0, not_me: true, via: Via::Link });
    let back = |(_, l): &(Phone, LineLetter)| matches!(l, LineLetter::Withdraw { attempt } if attempt.n == call);
    assert!(n.last.as_ref().unwrap().effects.line.iter().any(back));
}

#[test]
fn a_lost_call_is_not_made_good_twice() {
    let mut n = Night1::new();
    n.accounts = voices(&["a", "b"]);
    let call = unknown_call(&mut n);
    n.event(Event::Line {
        n: call,
        news: LineNews::Finished { ok: false, outcome: "999999".into(), number_dead: false, refused: false, lost: true },
    });
    assert_eq!(redialled(&n, call).len(), 1);
}

#[test]
fn a_call_that_finds_the_first_number_dead_is_followed_by_the_second_at_once_even_as_the_last_of_its_series() {
    let mut n = Night1::new();
    n.lines_work = false;
    n.after(Span::secs(31));
    let call = n.last_call(0);
    let mut state = n.state.clone();
    state.contacts[0].calls = None;
    for news in [
        LineNews::Sending { provider: "a".into(), digit: None, at: None },
        LineNews::Finished { ok: false, outcome: "200004".into(), number_dead: true, refused: false, lost: false },
    ] {
        state = step(n.ctx(), &state, &Event::Line { n: call, news }, n.now).state;
    }
    let last = state.attempts.last().unwrap();
    assert_eq!((last.channel, last.number, last.state), (Channel::Voice, 1, AttemptState::Queued));
}

#[test]
fn an_end_of_unknown_fate_by_telephone_is_told_once_more_and_marked_as_its_repetition() {
    let mut n = Night1::with(vec![post(140521101201, Some(1), AnswerRule::Each)], &["03560000009"]);
    n.accounts = voices(&["a", "b"]);
    n.lines_work = false;
    n.after(Span::secs(31));
    let call = n.last_call(0);
    for news in [
        LineNews::Sending { provider: "a".into(), digit: None, at: None },
        LineNews::Finished { ok: true, outcome: "200000".into(), number_dead: false, refused: false, lost: false },
    ] {
        n.event(Event::Line { n: call, news });
    }
    n.event(Event::End { reason: ClosedReason::Cancelled });
    let end = n.last_call(0);
    assert_eq!(n.state.attempt(end).unwrap().kind, AskKind::End);
    for news in [
        LineNews::Sending { provider: "a".into(), digit: None, at: None },
        LineNews::Outcome { outcome: Outcome::Unknown { detail: "time-out".into() } },
        LineNews::GivenUp { why: "unknown fate, awaited in vain".into() },
    ] {
        n.event(Event::Line { n: end, news });
    }
    assert_eq!(redialled(&n, end), [(0, vec!["a".to_string()])]);
}
