//! Who carries what is sent, and what a half-open account is given.

use super::{
    super::limits::testing::{attempt, named, red},
    *,
};
use crate::core::route::standing::{Cause, Order};

const NOW: Time = Time(1_000_000);

/// SMS accounts of these weights, at 100 a second each.
fn accounts(weights: &[(&'static str, u32)]) -> Accounts {
    named("me", weights, Arc::new(|| NOW))
}
fn account<'a>(all: &'a Accounts, name: &str) -> &'a Arc<Account> {
    all.named(name).unwrap()
}
fn half_open(all: &Accounts, name: &str, by: &str) {
    let breaker = Breaker::HalfOpen { by: by.into(), until: NOW + Span::mins(1), asked: false, cause: Cause::Sends, round: 0 };
    account(all, name).state().standing.breaker = breaker;
}
fn carriers(all: &Accounts) -> Vec<String> {
    all.carriers(NOW).iter().map(|a| a.name().to_string()).collect()
}
fn candidates(all: &Accounts, n: u16) -> Vec<Candidate> {
    let wish = Wish { channel: Channel::Sms, seed: attempt(n), failed_by: &[], never: None, kind: MessageKind::Callout, drill: false };
    all.candidates(&wish, NOW)
}
/// Which account gives this attempt room, and whether as its trial.
fn goes_by(all: &Accounts, n: u16) -> Result<(String, InFlight), NotNow> {
    let mut turns = Turns::default();
    for c in candidates(all, n) {
        if let Some(slot) = turns.slot(&c, attempt(n), red(n), NOW) {
            return Ok((c.account.name().to_string(), slot));
        }
    }
    Err(turns.not_now(attempt(n)))
}

#[test]
fn what_is_sent_is_carried_by_the_pinned_one_else_by_those_with_a_weight_else_by_the_spares() {
    let all = accounts(&[("a", 2), ("b", 1), ("spare", 0)]);
    assert_eq!(carriers(&all), ["a", "b"]);
    account(&all, "a").state().standing.disabled = Some(Order { by: "值班员".into(), at: NOW, until: None });
    assert_eq!(carriers(&all), ["b"]);
    half_open(&all, "b", "me");
    assert_eq!(carriers(&all), ["spare"], "nobody else works");
    let all = accounts(&[("a", 2), ("b", 1), ("spare", 0)]);
    account(&all, "spare").state().standing.pinned = Some(Order { by: "值班员".into(), at: NOW, until: None });
    assert_eq!(carriers(&all), ["spare"]);
}

#[test]
fn a_half_open_account_is_tried_by_one_attempt_of_the_gateway_that_opened_it() {
    let all = accounts(&[("broken", 1), ("well", 1)]);
    half_open(&all, "broken", "me");
    let mut tried = 0;
    let mut kept = Vec::new();
    for n in 0..20 {
        if let Ok((name, slot)) = goes_by(&all, n) {
            tried += usize::from(name == "broken");
            kept.push(slot);
        }
    }
    assert_eq!(tried, 1);
    let other = accounts(&[("broken", 1), ("well", 1)]);
    half_open(&other, "broken", "another gateway");
    assert!((0..20).all(|n| !goes_by(&other, n).is_ok_and(|(name, _)| name == "broken")));
}

#[test]
fn a_message_that_does_not_fit_the_half_open_account_leaves_its_trial_to_another() {
    let all = accounts(&[("broken", 1), ("well", 1)]);
    half_open(&all, "broken", "me");
    let trial = |n| candidates(&all, n).into_iter().find(|c| c.trial);
    let mut turns = Turns::default();
    let c = trial(0).unwrap();
    assert!(turns.slot(&c, attempt(0), red(0), NOW).is_some());
    assert!(trial(1).is_none(), "one at a time");
    turns.unfit(&c, attempt(0), "no such variable".into());
    assert!(trial(1).is_some_and(|c| Turns::default().slot(&c, attempt(1), red(1), NOW).is_some()));
}

#[test]
fn a_half_open_account_without_room_keeps_nobody_waiting() {
    let all = accounts(&[("broken", 1), ("well", 1)]);
    // Its rate is used up by what left before.
    let full: Vec<InFlight> = (100..1000).map_while(|n| account(&all, "broken").slot(attempt(n), red(n), NOW).ok()).collect();
    half_open(&all, "broken", "me");
    assert!(!full.is_empty());
    let (name, _slot) = goes_by(&all, 1).unwrap_or_else(|_| panic!("it waits for the broken one"));
    assert_eq!(name, "well");
    assert!(candidates(&all, 2).iter().any(|c| c.trial), "its trial is still to come");
}

#[test]
fn a_message_that_fits_no_account_that_works_goes_by_the_stopped_one_it_fits() {
    let all = accounts(&[("broken", 1), ("well", 1)]);
    account(&all, "broken").state().standing.breaker = Breaker::Open { until: NOW + Span::mins(1), cause: Cause::Sends, round: 0 };
    assert!((0..5).all(|n| goes_by(&all, n).is_ok_and(|(name, _)| name == "well")), "as long as it fits");
    assert_eq!(all.in_order(Channel::Sms, attempt(9), &[], NOW), ["well"]);
    let mut turns = Turns::default();
    let mut asked = Vec::new();
    for c in candidates(&all, 9) {
        let Some(_slot) = turns.slot(&c, attempt(9), red(9), NOW) else { continue };
        asked.push(c.account.name().to_string());
        if c.account.name() == "well" {
            turns.unfit(&c, attempt(9), "six characters at most".into());
        }
    }
    assert_eq!(asked, ["well", "broken"]);
}
