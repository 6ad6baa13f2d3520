//! Slots of an account: the rate, the lines, who goes first, and this gateway's part of them.

use super::{
    testing::{attempt, burst, red},
    *,
};
use crate::{
    core::{directory::Tier, hazard::Level},
    store::clock::{Clock, ManualClock},
};

fn accounts(channel: Channel, per_second: u32, concurrent_calls: u32) -> Accounts {
    testing::with(channel, per_second, concurrent_calls, Arc::new(|| NOW))
}
fn part(gateways: u32, rank: u32) -> Part {
    Part { gateways, rank, ..Part::WHOLE }
}
const NOW: Time = Time(1_000_000);

#[test]
fn gateways_share_the_rate_of_an_account_evenly() {
    let clock = Arc::new(ManualClock::new(NOW));
    let account = |part: Part| {
        let now = clock.clone();
        let all = testing::with(Channel::Sms, 900, 1000, Arc::new(move || now.now()));
        all.share_among(part);
        all.all[0].clone()
    };
    assert_eq!(burst(&account(Part::WHOLE), NOW), 90, "a tenth of a second's worth");
    let third = account(part(3, 0));
    assert_eq!(burst(&third, NOW), 0, "it may have left by the part before");
    let later = NOW + Span::secs(3);
    clock.advance_to(later);
    assert_eq!(burst(&third, later), 30);
}

#[test]
fn a_rate_of_one_a_second_holds_over_all_gateways() {
    for gateways in [1, 3, 10] {
        let clock = Arc::new(ManualClock::new(NOW));
        let accounts: Vec<Accounts> = (0..gateways)
            .map(|rank| {
                let now = clock.clone();
                let all = testing::with(Channel::Sms, 1, 1000, Arc::new(move || now.now()));
                all.share_among(part(gateways, rank));
                all
            })
            .collect();
        let mut sent = Vec::new();
        for step in 0..6_000 {
            let now = NOW + Span::ms(step * 20);
            clock.advance_to(now);
            for (rank, all) in accounts.iter().enumerate() {
                let one = attempt((step % 4_000) as u16 + rank as u16 + 1);
                if all.all[0].slot(one, red(1), now).is_ok() {
                    sent.push(now);
                }
                all.all[0].forget(one);
            }
        }
        assert!(sent.windows(2).all(|w| w[1] - w[0] >= Span::ms(700)), "{gateways}: {sent:?}");
        assert!(sent.len() >= 100, "{gateways}: {} in two minutes", sent.len());
    }
}

#[test]
fn one_call_at_a_time_is_one_however_many_gateways_there_are() {
    let phone = Phone::parse("15400000001").unwrap();
    let taken = |rank| {
        let clock = Arc::new(ManualClock::new(NOW));
        let now = clock.clone();
        let all = testing::with(Channel::Voice, 10_000, 1, Arc::new(move || now.now()));
        all.share_among(part(3, rank));
        let later = NOW + Span::secs(1);
        clock.advance_to(later);
        let first = all.all[0].slot(attempt(1), red(1), later).is_ok();
        all.all[0].call_began(attempt(1), &phone, NOW + Span::mins(2));
        usize::from(first) + usize::from(all.all[0].slot(attempt(2), red(2), later).is_ok())
    };
    assert_eq!([0, 1, 2].map(taken), [1, 0, 0]);
}

#[test]
fn who_has_not_heard_of_the_others_takes_nothing_until_it_has() {
    let all = accounts(Channel::Sms, 900, 1000);
    all.share_among(Part { until: NOW, ..Part::WHOLE });
    assert_eq!(burst(&all.all[0], NOW), 0);
    all.share_among(Part { until: NOW + Span::ms(1), ..Part::WHOLE });
    assert_eq!(burst(&all.all[0], NOW), 90);
}

#[test]
fn calls_hold_their_lines_until_they_are_over_or_their_time_is() {
    let clock = Arc::new(ManualClock::new(NOW - Span::secs(1)));
    let time = clock.clone();
    let all = testing::with(Channel::Voice, 10_000, 4, Arc::new(move || time.now()));
    all.share_among(part(2, 0));
    clock.advance_to(NOW);
    let a = &all.all[0];
    let phone = Phone::parse("15400000001").unwrap();
    let slot = |n: u16, at: Time| a.slot(attempt(n), red(n), at);
    a.call_began(attempt(1), &phone, NOW + Span::mins(2));
    a.call_began(attempt(2), &phone, NOW + Span::mins(2));
    assert!(slot(3, NOW).is_err(), "half of the four lines is ours");
    assert_eq!((a.depth(NOW), a.calls_to_look_at(NOW).len()), (1, 2));
    assert!(a.calls_to_look_at(NOW).is_empty(), "now and then");
    a.call_over(attempt(1));
    a.call_over(attempt(9));
    assert!(slot(3, NOW).is_ok());
    assert_eq!(a.depth(NOW), 0);
    a.call_began(attempt(3), &phone, NOW + Span::mins(2));
    assert!(slot(4, NOW).is_err());
    assert!(slot(4, NOW + Span::mins(2)).is_ok(), "nobody said that they are over");
}

#[test]
fn a_line_is_taken_from_the_slot_on_and_comes_back_when_the_call_does_not_begin() {
    let waits = Waits::at(1.0);
    let all = accounts(Channel::Voice, 10_000, 2);
    let a = &all.all[0];
    let phone = Phone::parse("15400000001").unwrap();
    let first = a.slot(attempt(1), red(1), NOW).unwrap();
    assert_eq!(a.slot(attempt(2), red(2), NOW).err(), Some(waits.settle), "of a crowd one goes straight through");
    let later = NOW + waits.settle;
    let second = a.slot(attempt(2), red(2), later).unwrap();
    assert!(a.slot(attempt(3), red(3), later).is_err(), "both lines are taken, though no call has begun");
    a.call_began(attempt(1), &phone, NOW + Span::mins(2));
    drop(first);
    drop(second);
    assert!(a.slot(attempt(3), red(3), later + waits.line_free).is_ok(), "the second never began");
    assert_eq!(a.calls_to_look_at(later).len(), 0, "one gateway has nobody to ask");
}

#[test]
fn nobody_takes_a_line_before_somebody_more_urgent_who_waits_for_it() {
    let waits = Waits::at(1.0);
    let all = accounts(Channel::Voice, 10_000, 1);
    let a = &all.all[0];
    let phone = Phone::parse("15400000001").unwrap();
    a.call_began(attempt(100), &phone, NOW + Span::mins(2));
    for n in [5, 3, 9, 7] {
        assert!(a.slot(attempt(n), red(n), NOW).is_err());
    }
    a.call_over(attempt(100));
    let later = NOW + waits.settle;
    for n in [9, 5, 7] {
        assert!(a.slot(attempt(n), red(n), later).is_err(), "{n} waits behind 3");
    }
    let slot = a.slot(attempt(3), red(3), later).unwrap();
    drop(slot);
    a.forget(attempt(5));
    assert!(a.slot(attempt(9), red(9), later).is_err(), "7 is next, since 5 was withdrawn");
    // 7 is another gateway's by now: it does not come back when it said it would.
    assert!(a.slot(attempt(9), red(9), later + Span::secs(40)).is_ok());
}

#[test]
fn a_tenth_of_the_lines_is_kept_for_red_and_a_drill_has_half() {
    let waits = Waits::at(1.0);
    let call = |level, drill, n| Priority::of(level, drill, Some(Tier::Village), n, None);
    let taken = |level, drill| {
        let all = accounts(Channel::Voice, 10_000, 20);
        let a = all.all[0].clone();
        let mut now = NOW;
        let mut slots = Vec::new();
        for n in 0..40 {
            now = now + waits.settle;
            slots.extend(a.slot(attempt(n), call(level, drill, u32::from(n)), now));
        }
        (slots.len(), a.slot(attempt(99), call(Level::Red, false, 99), now + waits.settle).is_ok())
    };
    assert_eq!(taken(Level::Red, false), (20, false));
    assert_eq!(taken(Level::Orange, false), (18, true), "red finds a line at once");
    assert_eq!(taken(Level::Red, true), (10, true));
}

#[test]
fn red_overtakes_what_waits_for_the_rate_and_those_who_wait_are_told_their_turn() {
    let all = accounts(Channel::Sms, 10, 1000);
    let a = &all.all[0];
    let blue = |n: u16| Priority::of(Level::Blue, false, Some(Tier::Village), u32::from(n), None);
    assert!(a.slot(attempt(0), blue(0), NOW).is_ok(), "one at a moment of ten a second");
    let waits: Vec<Span> = (1..=50).map(|n| a.slot(attempt(n), blue(n), NOW).err().unwrap()).collect();
    assert!(waits.windows(2).all(|w| w[0] <= w[1]), "{waits:?}");
    assert!(waits[49] > Span::secs(4) && waits[49] < Span::secs(6), "the fiftieth is five seconds away: {:?}", waits[49]);
    assert!(a.slot(attempt(99), red(99), NOW).err().unwrap() < Span::ms(200), "red is next");
}

#[test]
fn where_life_is_faster_nobody_waits_longer_than_a_call_takes_there() {
    let (slow, fast) = (Waits::at(1.0), Waits::at(60.0));
    assert_eq!((slow.settle, fast.settle), (Span::ms(250), Span::ms(4)));
    assert_eq!((slow.longest, fast.longest), (Span::secs(30), Span::ms(500)));
    assert_eq!(Waits::at(100_000.0).line_free, Span::ms(1), "never at once");
}

#[test]
fn where_gateways_share_nobody_waits_for_one_that_another_gateway_has_taken() {
    for (gateways, waits) in [(1, true), (3, false)] {
        let clock = Arc::new(ManualClock::new(NOW - Span::secs(5)));
        let now = clock.clone();
        let all = testing::with(Channel::Sms, 30, 1000, Arc::new(move || now.now()));
        all.share_among(part(gateways, 0));
        let a = &all.all[0];
        clock.advance_to(NOW);
        while a.slot(attempt(1), red(1), NOW).is_ok() {}
        // A crowd that is more urgent is told to come back; none of it does.
        let back = (2..100).map(|n| a.slot(attempt(n), red(n), NOW).err().unwrap_or_default()).max().unwrap();
        let later = NOW + back + SHARED_GRACE + Span::ms(1);
        clock.advance_to(later);
        assert_eq!(a.slot(attempt(500), red(500), later).is_err(), waits, "{gateways} gateways");
    }
}
