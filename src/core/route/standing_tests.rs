//! Steps, dead zone and breaker of an account, story by story, and that no order of events locks one out for good.

use super::{
    figures::{Figures, IN_A_ROW},
    pace::Pace,
    standing::*,
};
use crate::core::{
    send::Outcome,
    time::{Span, Time},
};
use proptest::prelude::*;

const START: Time = Time(1_000_000_000);
fn at(seconds: i64) -> Time {
    START + Span::secs(seconds)
}
fn accepted() -> Outcome {
    Outcome::Accepted { provider_message_id: "m".into() }
}
fn failed() -> Outcome {
    Outcome::Retryable { detail: "HTTP 503".into() }
}
fn why() -> String {
    "so it came".into()
}

/// An account with its figures, fed by hand.
#[derive(Default)]
struct Account {
    standing: Standing,
    figures: Figures,
    news: Vec<News>,
}
impl Account {
    fn sent(&mut self, outcome: &Outcome, now: Time) {
        if let Some(happened) = self.figures.sent(outcome, 0.1, self.standing.is_up(), now) {
            self.happened(&happened, now);
        }
    }
    fn happened(&mut self, what: &Happened, now: Time) -> Turned {
        let turned = self.standing.happened(what, now);
        self.news.extend(turned.news);
        turned
    }
    /// One window's worth of requests, judged once by its last; so many in a hundred fail, never many in a row.
    fn window(&mut self, percent: i64, second: i64) {
        for n in 0..=100 {
            let fails = (n * percent) / 100 != ((n + 1) * percent) / 100;
            let outcome = if fails { failed() } else { accepted() };
            self.sent(&outcome, at(second) + Span::ms(n * 101));
        }
    }
}

#[test]
fn bad_figures_lower_the_share_step_by_step_and_good_ones_raise_it_and_between_nothing_moves() {
    let mut a = Account::default();
    for (n, want) in [70, 45, 25, 10, 10].into_iter().enumerate() {
        a.window(40, n as i64 * 40);
        assert_eq!(a.standing.effective(1), want, "after {} bad windows", n + 1);
    }
    assert!(a.standing.is_up(), "bad is not broken");
    // The dead zone: neither good nor bad, however long.
    for n in 0..20 {
        a.window(15, 300 + n * 40);
    }
    assert_eq!(a.standing.effective(1), 10);
    for (n, want) in [25, 45, 70, 100, 100].into_iter().enumerate() {
        a.window(0, 2_000 + n as i64 * 40);
        assert_eq!(a.standing.effective(1), want, "after {} good windows", n + 1);
    }
    assert_eq!(a.standing.why, "");
    assert!(a.news.is_empty(), "nobody is told of a step");
}

#[test]
fn a_better_step_is_held_for_a_while_so_that_a_share_does_not_swing() {
    let mut a = Account::default();
    a.window(40, 0);
    a.window(0, 12);
    assert_eq!(a.standing.effective(1), 70, "one good window right after a bad one raises nothing");
}

#[test]
fn failures_in_a_row_break_it_at_once_and_everybody_is_told_once() {
    let mut a = Account::default();
    for n in 0..200 {
        a.sent(&failed(), at(0) + Span::ms(n));
    }
    assert!(!a.standing.is_up());
    assert_eq!(a.news, [News::Down]);
    assert!(a.standing.why.contains(&format!("连续{IN_A_ROW}次")) && a.standing.why.contains("HTTP 503"), "{}", a.standing.why);
    assert_eq!(a.standing.due(), Some(at(0) + Span::ms(i64::from(IN_A_ROW) - 1) + OPEN_FOR));
    // What left before it broke proves nothing, in either sense.
    a.happened(&Happened::Took { left: at(-1) }, at(5));
    assert!(!a.standing.is_up());
}

#[test]
fn a_number_that_is_wrong_and_a_rate_that_is_too_high_are_not_the_account() {
    let mut a = Account::default();
    for n in 0..200 {
        a.sent(&Outcome::PermanentNumber { detail: why() }, at(n));
        a.sent(&Outcome::Throttled { after: None, whole_account: true, detail: why() }, at(n));
    }
    assert_eq!((a.standing.is_up(), a.standing.effective(1)), (true, 100));
}

#[test]
fn an_account_that_refuses_texts_is_given_less_and_is_never_stopped_for_it() {
    let mut a = Account::default();
    (0..400).for_each(|n| a.sent(&Outcome::PermanentContent { detail: why() }, at(n)));
    assert!(a.standing.is_up() && a.standing.effective(1) < 100, "{:?}", a.standing);
    assert!(a.news.is_empty());
}

#[test]
fn slow_replies_and_receipts_that_tell_of_nothing_arriving_lower_the_share_too() {
    let mut a = Account::default();
    for n in 0..100 {
        if let Some(h) = a.figures.sent(&accepted(), 5.0, true, at(0) + Span::ms(n * 110)) {
            a.happened(&h, at(20));
        }
    }
    assert_eq!(a.standing.effective(1), 70);
    for n in 0..100 {
        if let Some(h) = a.figures.receipt(n % 3 == 0, at(60) + Span::ms(n * 110)) {
            a.happened(&h, at(80));
        }
    }
    assert_eq!(a.standing.effective(1), 45);
}

#[test]
fn a_broken_account_with_a_query_is_asked_and_comes_back_with_a_small_share() {
    let mut a = Account::default();
    a.happened(&Happened::Broke { why: why() }, at(0));
    let clock = Happened::Clock { by: "g".into(), can_probe: true, traffic: false };
    assert!(!a.happened(&clock, at(29)).changed, "not before its time");
    assert!(a.happened(&clock, at(30)).probe);
    assert!(!a.happened(&clock, at(31)).changed, "one question at a time");
    // Silence: open again, for longer each time.
    for round in 1..8 {
        let due = a.standing.due().unwrap();
        a.happened(&Happened::Probed { ok: false, why: why() }, due);
        let open = a.standing.due().unwrap() - due;
        assert_eq!(open, Span((OPEN_FOR.0 << round).min(OPEN_MOST.0)), "round {round}");
        let until = a.standing.due().unwrap();
        assert!(a.happened(&clock, until).probe);
    }
    let now = a.standing.due().unwrap();
    a.happened(&Happened::Probed { ok: true, why: String::new() }, now);
    assert!(matches!(a.standing.breaker, Breaker::HalfOpen { asked: false, .. }), "reachable; one attempt tries it: {:?}", a.standing);
    a.happened(&Happened::Took { left: now }, now);
    assert!(a.standing.is_up());
    assert_eq!(a.standing.effective(1), STEPS[usize::from(AFTER_OUTAGE)]);
    assert_eq!(a.news, [News::Down, News::Up], "each once, however many trials failed between");
}

#[test]
fn one_whose_query_works_and_whose_sends_fail_stays_down_and_nobody_hears_that_it_is_up() {
    let mut a = Account::default();
    let clock = Happened::Clock { by: "g".into(), can_probe: true, traffic: true };
    a.happened(&Happened::Broke { why: why() }, at(0));
    for round in 1..6 {
        let due = a.standing.due().unwrap();
        assert!(a.happened(&clock, due).probe);
        a.happened(&Happened::Probed { ok: true, why: String::new() }, due);
        a.happened(&Happened::Failed { why: why(), left: due }, due);
        let open = a.standing.due().unwrap() - due;
        assert_eq!(open, Span((OPEN_FOR.0 << round).min(OPEN_MOST.0)), "round {round}");
    }
    assert_eq!(a.news, [News::Down]);
}

#[test]
fn a_trial_that_nobody_made_use_of_leaves_the_query_to_say_whether_it_works() {
    let clock = Happened::Clock { by: "g".into(), can_probe: true, traffic: false };
    for (happened, closes) in [(Happened::Broke { why: why() }, true), (Happened::Stopped { why: why() }, false)] {
        let mut a = Account::default();
        a.happened(&happened, at(0));
        a.happened(&clock, at(30));
        a.happened(&Happened::Probed { ok: true, why: String::new() }, at(31));
        assert!(!a.standing.is_up());
        let lapses = a.standing.due().unwrap();
        assert_eq!(lapses, at(31) + TRIAL_LAPSES);
        assert!(a.happened(&clock, lapses).probe);
        a.happened(&Happened::Probed { ok: true, why: String::new() }, lapses);
        assert_eq!(a.standing.is_up(), closes, "{happened:?}");
    }
}

/// An idle account whose query was not answered until it broke, and the clock that asks it.
fn fallen_silent() -> (Account, Happened) {
    let mut a = Account::default();
    let clock = Happened::Clock { by: "g".into(), can_probe: true, traffic: false };
    a.happened(&clock, at(0));
    while a.standing.is_up() {
        let due = a.standing.due().unwrap();
        a.happened(&clock, due);
        a.happened(&Happened::Probed { ok: false, why: why() }, due);
    }
    (a, clock)
}

#[test]
fn an_idle_one_that_fell_silent_is_back_when_its_query_is_answered() {
    let (mut a, clock) = fallen_silent();
    let due = a.standing.due().unwrap();
    assert!(a.happened(&clock, due).probe);
    a.happened(&Happened::Probed { ok: true, why: String::new() }, due);
    assert_eq!(a.news, [News::Down, News::Up]);
}

#[test]
fn one_that_fails_as_a_last_resort_is_not_back_because_its_query_is_answered() {
    let (mut a, clock) = fallen_silent();
    let due = a.standing.due().unwrap();
    a.happened(&Happened::Failed { why: why(), left: due }, due);
    a.happened(&clock, due);
    a.happened(&Happened::Probed { ok: true, why: String::new() }, due);
    assert!(!a.standing.is_up());
}

#[test]
fn an_empty_balance_is_not_thought_mended_because_a_query_works() {
    let mut a = Account::default();
    a.happened(&Happened::Stopped { why: why() }, at(0));
    a.happened(&Happened::Clock { by: "g".into(), can_probe: true, traffic: false }, at(30));
    a.happened(&Happened::Probed { ok: true, why: String::new() }, at(31));
    assert!(matches!(a.standing.breaker, Breaker::HalfOpen { asked: false, .. }), "now one attempt tries it: {:?}", a.standing);
    a.happened(&Happened::Stopped { why: why() }, at(32));
    assert_eq!(a.standing.due(), Some(at(32) + OPEN_FOR + OPEN_FOR), "and waits longer");
    a.happened(&Happened::Clock { by: "g".into(), can_probe: true, traffic: false }, at(92));
    a.happened(&Happened::Probed { ok: true, why: String::new() }, at(93));
    a.happened(&Happened::Took { left: at(94) }, at(94));
    assert_eq!((a.standing.is_up(), a.standing.effective(1)), (true, 100), "money says nothing of its health");
    assert_eq!(a.news, [News::Down, News::Up]);
}

#[test]
fn idle_accounts_are_asked_and_a_few_silences_in_a_row_break_one() {
    let mut a = Account::default();
    let clock = |traffic| Happened::Clock { by: "g".into(), can_probe: true, traffic };
    assert!(!a.happened(&clock(false), at(0)).probe, "first it gets a time");
    assert!(!a.happened(&clock(true), at(300)).probe, "one that is used need not be asked");
    let mut asked = 0;
    for _ in 0..SILENCES {
        let due = a.standing.due().unwrap();
        assert!(a.happened(&clock(false), due).probe);
        asked += 1;
        a.happened(&Happened::Probed { ok: false, why: why() }, due);
    }
    assert_eq!((asked, a.standing.is_up()), (SILENCES, false));
    assert_eq!(a.news, [News::Down]);
}

#[test]
fn a_pin_ends_by_itself_and_what_another_gateway_does_not_have_is_left_to_others() {
    let mut a = Account::default();
    let order = Order { by: "值班员".into(), at: at(0), until: Some(at(60)) };
    a.happened(&Happened::Pin(Some(order)), at(0));
    assert!(a.standing.pinned(at(59)) && !a.standing.pinned(at(60)));
    let mut board = Board::default();
    board.accounts.insert("a".into(), a.standing.clone());
    assert_eq!(board.due(|_| true, at(100)), Some(at(60)));
    assert!(board.due(|_| false, at(100)).unwrap() > at(100), "nobody spins over it");
    assert!(a.happened(&Happened::Clock { by: "g".into(), can_probe: false, traffic: false }, at(60)).changed);
    assert_eq!(a.standing.pinned, None);
}

#[test]
fn the_pace_is_halved_once_a_moment_and_rises_again_bit_by_bit() {
    let mut p = Pace::default();
    assert_eq!((p.of(800), p.is_full()), (800, true));
    assert!(p.too_fast(at(0)) && !p.too_fast(at(0)));
    assert_eq!(p.of(800), 400);
    for n in 1..10 {
        p.too_fast(at(n * 2));
    }
    assert_eq!((p.of(800), p.of(1)), (100, 1), "never nothing");
    assert!(!p.rises(at(20)));
    assert!(p.rises(at(24)));
    assert_eq!(p.of(800), 200);
    p.rises(at(100));
    assert!(p.is_full());
}

#[test]
fn a_board_reads_back_and_an_older_one_is_whole() {
    let mut a = Account::default();
    a.happened(&Happened::Stopped { why: why() }, at(0));
    let board = Board { n: 3, accounts: [("a".to_string(), a.standing)].into() };
    let text = serde_json::to_string(&board).unwrap();
    assert_eq!(serde_json::from_str::<Board>(&text).unwrap(), board);
    assert_eq!(serde_json::from_str::<Board>("{}").unwrap(), Board::default());
}

fn anything() -> impl Strategy<Value = Happened> {
    let t = (0i64..2_000).prop_map(at);
    prop_oneof![
        Just(Happened::Stopped { why: why() }),
        Just(Happened::Broke { why: why() }),
        t.clone().prop_map(|left| Happened::Failed { why: why(), left }),
        t.prop_map(|left| Happened::Took { left }),
        Just(Happened::Worse { why: why() }),
        Just(Happened::Better),
        any::<bool>().prop_map(|ok| Happened::Probed { ok, why: why() }),
        (any::<bool>(), any::<bool>()).prop_map(|(can_probe, traffic)| Happened::Clock { by: "g".into(), can_probe, traffic }),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_downs_and_ups_take_turns_and_one_that_is_down_always_has_a_clock(
        all in proptest::collection::vec((anything(), 0i64..100), 0..80)
    ) {
        let mut a = Account::default();
        let mut now = at(0);
        for (what, wait) in all {
            now = now + Span::secs(wait);
            let before = a.standing.clone();
            let turned = a.happened(&what, now);
            prop_assert_eq!(turned.changed, before != a.standing, "{:?} of {:?}", what, before);
            prop_assert!(a.standing.is_up() || a.standing.due().is_some());
            prop_assert!(a.standing.effective(7) > 0, "no account starves");
        }
        for (n, news) in a.news.iter().enumerate() {
            prop_assert_eq!(*news, if n % 2 == 0 { News::Down } else { News::Up });
        }
        prop_assert_eq!(a.news.len() % 2 == 1, !a.standing.is_up());
    }
}
