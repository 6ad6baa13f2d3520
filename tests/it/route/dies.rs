//! One provider dies in the middle of 10,000 callouts, in each of four ways. All are accepted by the other or were
//! before; nobody is written to twice but by the rule of `unknown`; the duty room is told once.

use super::house::{House, Said, Spy, accepts};
use jiaoying::{
    channel::Lookup,
    core::{
        callout::state::{AskKind, AttemptState, Callout},
        hazard::Level,
        send::{Channel, Outcome},
        time::Span,
    },
    sample,
};
use std::collections::BTreeSet;

const CITY: &str = "140500000000";
const CALLOUTS: usize = 10_000;
/// What the dying account took before.
const BEFORE: usize = 2_500;

/// Both accounts carry half; after so many requests the first one does what `dies` says, for ever.
fn night(dies: impl Fn(usize) -> Said + Send + 'static) -> (House, Vec<Callout>) {
    let dying = Spy::new("sms-a", Channel::Sms, move |n, r| if n <= BEFORE { accepts(r) } else { dies(n) });
    let mut house = House::new(sample::directory(13_000, 1), vec![dying, Spy::new("sms-b", Channel::Sms, |_, r| accepts(r))], &[], |_| {});
    let warning = house.warn("a", Level::Red, &[CITY]);
    // Past two trials of the dead account, and before the next rung asks anybody again.
    house.after(Span::secs(70));
    let callouts: Vec<Callout> = house.callouts(warning).into_iter().filter(|c| !c.told_only && !c.unreachable).collect();
    (house, callouts)
}

struct Sums {
    callouts: usize,
    /// By the account that accepted it.
    by_a: usize,
    by_b: usize,
    /// Sent again because the first fate stayed unknown.
    repeated: usize,
    /// Of those, such as the first account had really taken.
    twice: usize,
}

fn count(house: &House, callouts: &[Callout]) -> Sums {
    let taken: BTreeSet<String> = house.spies.values().flat_map(|s| s.taken.lock().unwrap().clone()).collect();
    let all: usize = house.spies.values().map(|s| s.taken.lock().unwrap().len()).sum();
    assert_eq!(taken.len(), all, "no reference was ever taken twice");
    let mut sums = Sums { callouts: callouts.len(), by_a: 0, by_b: 0, repeated: 0, twice: 0 };
    for c in callouts {
        let asks: Vec<_> =
            c.attempts.iter().filter(|a| a.channel == Channel::Sms && a.kind == AskKind::Callout && a.contact == 0).collect();
        assert_eq!(asks.iter().filter(|a| a.hedges.is_some()).count(), 0, "no hedge was ordered");
        let accepted: Vec<_> = asks.iter().filter(|a| a.state == AttemptState::Accepted).collect();
        assert_eq!(accepted.len(), 1, "accepted once: {c:?}");
        match accepted[0].provider.as_deref() {
            Some("sms-a") => sums.by_a += 1,
            Some("sms-b") => sums.by_b += 1,
            other => panic!("{other:?}"),
        }
        // A second ask stands only beside one of unknown fate.
        let repeats: Vec<_> = asks.iter().filter(|a| a.repeats.is_some()).collect();
        assert_eq!(asks.len(), 1 + repeats.len(), "{c:?}");
        for r in &repeats {
            let first = c.attempt(r.repeats.unwrap()).unwrap();
            assert_eq!(first.state, AttemptState::Unknown, "{c:?}");
        }
        sums.repeated += repeats.len();
    }
    // What was carried beyond one a callout is what the rule of unknown sent again.
    let first_asks: BTreeSet<&str> = house
        .left
        .iter()
        .filter(|(_, _, r)| r.message.kind == jiaoying::channel::MessageKind::Callout)
        .map(|(_, _, r)| r.reference.as_str())
        .collect();
    let carried = taken.iter().filter(|t| first_asks.contains(t.as_str())).count();
    sums.twice = carried - callouts.len();
    sums
}

/// The duty room is told that it went down, once, whatever trials fail afterwards; and who carries the rest.
fn told_once(house: &House) {
    let down = house.told("provider.down");
    assert_eq!(down.len(), 1, "{down:?}");
    assert_eq!(down[0].data["provider"], "sms-a");
    let up = house.told("provider.up");
    assert!(up.is_empty(), "{up:?}");
    assert!(!house.stands("sms-a").0 && house.stands("sms-b").0);
    assert!(house.board_writes() < 30, "the board is not written for sends: {}", house.board_writes());
}

fn say(name: &str, house: &House, s: &Sums) {
    println!(
        "{name}: {} callouts; {} accepted by the first, {} by the other; {} of unknown fate went again, {} persons have it twice; \
         the first was asked {} times; told once: {}",
        s.callouts,
        s.by_a,
        s.by_b,
        s.repeated,
        s.twice,
        house.spies["sms-a"].asked(),
        house.told("provider.down")[0].data["why"]
    );
}

/// Nothing left the house: the other takes what is left, nobody has it twice.
fn clean(name: &str, dies: impl Fn(usize) -> Said + Send + 'static) {
    let (house, callouts) = night(dies);
    let sums = count(&house, &callouts);
    say(name, &house, &sums);
    assert!(sums.callouts >= CALLOUTS, "{}", sums.callouts);
    assert_eq!((sums.by_a, sums.repeated, sums.twice), (BEFORE, 0, 0));
    assert_eq!(sums.by_a + sums.by_b, sums.callouts);
    told_once(&house);
    // What was under way when it died, and a trial now and then: nothing else was wasted on it.
    assert!(house.spies["sms-a"].asked() < BEFORE + 600, "{}", house.spies["sms-a"].asked());
}

fn retryable(detail: &str, after: Span) -> Said {
    Said { outcome: Outcome::Retryable { detail: detail.into() }, after, taken: false }
}

#[test]
fn one_provider_refuses_connections_in_the_middle_of_ten_thousand_callouts() {
    clean("connections refused", |_| retryable("no connection was made, nothing was sent: connection refused", Span::ms(2)));
}

#[test]
fn one_provider_answers_5xx_in_the_middle_of_ten_thousand_callouts() {
    clean("5xx", |_| retryable("HTTP 503", Span::ms(60)));
}

#[test]
fn one_provider_says_balance_in_the_middle_of_ten_thousand_callouts() {
    clean("balance", |_| Said { outcome: Outcome::Balance { detail: "isv.AMOUNT_NOT_ENOUGH".into() }, after: Span::ms(40), taken: false });
}

#[test]
fn one_provider_times_out_in_the_middle_of_ten_thousand_callouts() {
    // Every other request was taken all the same; of those it tells half when it is asked.
    let (house, callouts) = {
        let dying = Spy::new("sms-a", Channel::Sms, |n, r| {
            if n <= BEFORE {
                return accepts(r);
            }
            Said { outcome: Outcome::Unknown { detail: "no reply in time".into() }, after: Span::secs(5), taken: n % 2 == 0 }
        });
        let mut found = 0;
        *dying.finds.lock().unwrap() = Box::new(move |reference, taken| {
            found += usize::from(taken);
            match taken && found % 2 == 0 {
                true => {
                    Lookup::Found { provider_message_id: Some(format!("m-{reference}")), result: jiaoying::channel::ReceiptResult::Waiting }
                }
                false => Lookup::Unanswered("no reply in time".into()),
            }
        });
        let spies = vec![dying, Spy::new("sms-b", Channel::Sms, |_, r| accepts(r))];
        let mut house = House::new(sample::directory(13_000, 1), spies, &[], |_| {});
        let warning = house.warn("a", Level::Red, &[CITY]);
        house.after(Span::secs(280));
        let callouts: Vec<Callout> = house.callouts(warning).into_iter().filter(|c| !c.told_only && !c.unreachable).collect();
        (house, callouts)
    };
    let sums = count(&house, &callouts);
    say("time-outs", &house, &sums);
    assert!(sums.callouts >= CALLOUTS, "{}", sums.callouts);
    assert_eq!(sums.by_a + sums.by_b, sums.callouts);
    assert!(sums.repeated > 0 && sums.twice <= sums.repeated, "{} of {}", sums.twice, sums.repeated);
    assert!(sums.repeated <= 600, "as many as were under way when it died, no more: {}", sums.repeated);
    told_once(&house);
}
