//! 2,000 voice calls over 50 lines, 60 % answered by SMS meanwhile.

use super::stage::{Call, HOLD, LINES, Person, Stage, points, warning};
use crate::simulate::{poll::now, rng::Rng, town::Builder};
use jiaoying::core::{
    callout::state::{AttemptState, Callout, CalloutState},
    forecast::Assumptions,
    hazard::Level,
    ids::WarningId,
    send::Channel,
    time::{Span, Time},
};
use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
};

/// In the order of calling: the red circle's people, nearest first, then the orange town's.
const RED: u64 = 1600;
const ORANGE: u64 = 400;

/// 60 % answer the SMS, after a minute on average; a call is answered 1 time of 1.4.
fn crowd() -> (Stage, Vec<String>) {
    let mut rng = Rng::new(4);
    let mut b = Builder::county();
    let mut people = points(&mut b, 0, RED, true, &mut rng);
    people.extend(points(&mut b, 1, ORANGE, false, &mut rng));
    let chance = |rng: &mut Rng| rng.below(1_000_000) as f64 / 1e6;
    let mut spread = 0;
    for p in &mut people {
        spread += 60;
        if spread >= 100 {
            spread -= 100;
            let wait = -60.0 * (1.0 - chance(&mut rng)).ln();
            p.replies = Some(Span((wait * 1000.0) as i64 + 500));
        }
        p.picks_up = 1;
        // The orange ladder calls its holder three times; nobody needs more.
        while p.picks_up < 3 && chance(&mut rng) > 1.0 / 1.4 {
            p.picks_up += 1;
        }
    }
    let phones = people.iter().map(|p: &Person| p.phone.clone()).collect();
    (Stage::new(b.done(), people), phones)
}

fn id_of(n: usize, all: &BTreeMap<String, Callout>, phones: &[String]) -> Callout {
    all[&phones[n]].clone()
}

/// The callouts by their holders' numbers.
fn by_phone(s: &Stage, id: WarningId) -> BTreeMap<String, Callout> {
    let directory = s.w.engine.directory();
    let phone = |c: &Callout| directory.recipients[&c.contacts[0].id].phones[0].reveal().to_string();
    s.w.callouts(id).into_iter().map(|c| (phone(&c), c)).collect()
}

#[test]
fn two_thousand_calls_over_fifty_lines_go_nearest_and_highest_first_and_answers_take_theirs_back() {
    let (mut s, phones) = crowd();
    let start = s.w.now();
    let id = s.post(&warning("1", 60.0, Some((1, Level::Orange))));
    let before = now(s.w.engine.forecast(id, None)).unwrap().unwrap();
    assert_eq!((before.open, before.capacity.lines), (2000, LINES));
    let all = by_phone(&s, id);
    let place: BTreeMap<&String, usize> = phones.iter().enumerate().map(|(i, p)| (p, i)).collect();
    // Nearest first: no distance counts twice, people within 100 m of each other stay in the order of their places.
    let ordinals: Vec<u32> = (0..2000).map(|n| id_of(n, &all, &phones).id.ordinal).collect();
    for (n, o) in ordinals.iter().enumerate().take(RED as usize) {
        assert!(n.abs_diff(*o as usize) <= 5, "the {n}-th nearest is called as the {o}-th");
    }
    assert!(ordinals[RED as usize..].iter().all(|o| *o >= RED as u32), "orange after red");

    let nth: BTreeMap<usize, usize> = ordinals.iter().enumerate().map(|(n, o)| (*o as usize, n)).collect();
    let (first_calls, answered_before, out_of_turn) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let mut looks = |s: &Stage, call: &Call| {
        answered_before.set(answered_before.get() + u32::from(s.answered.contains_key(&call.phone)));
        if s.rung.contains_key(&call.phone) {
            return;
        }
        first_calls.set(first_calls.get() + 1);
        // Whoever is nearer and was to be rung by now has been rung, has answered, or has a free line left to him.
        let mine = ordinals[place[&call.phone]];
        let waits = |n: usize| {
            let p = &phones[n];
            let due = start + if n < RED as usize { Span::secs(30) } else { Span::mins(2) };
            due + Span::secs(1) <= call.at && !s.answered.contains_key(p) && !s.rung.contains_key(p)
        };
        let free = LINES as usize - s.ringing.len();
        let before = mine as usize - mine.min(40) as usize..mine as usize;
        out_of_turn.set(out_of_turn.get() + u32::from(before.filter(|o| waits(nth[o])).count() >= free));
    };
    s.until(start + Span::mins(6), &mut looks);
    // Answered people's calls leave no slot behind: who waits is silent still.
    let open = |s: &Stage| s.w.callouts(id).iter().filter(|c| c.state.is_open()).count();
    assert!(s.w.engine.waiting()[&Channel::Voice] as usize <= open(&s), "{:?} of {} open", s.w.engine.waiting(), open(&s));
    let midway = now(s.w.engine.forecast(id, None)).unwrap().unwrap();
    s.until_answered(start + Span::mins(60), &mut looks);

    assert_eq!(answered_before.get(), 0, "nobody is rung who has answered");
    assert_eq!(out_of_turn.get(), 0, "of {} first calls", first_calls.get());
    assert!(s.most_ringing as u32 <= LINES, "{} calls at once", s.most_ringing);
    assert_eq!(s.w.engine.waiting()[&Channel::Voice], 0);
    let callouts = s.w.callouts(id);
    let silent = callouts.iter().filter(|c| !matches!(c.state, CalloutState::Answered | CalloutState::Reported)).count();
    assert_eq!(silent, 0, "everybody was reached");
    let by_sms = s.answered.values().filter(|(_, ch)| *ch == Channel::Sms).count();
    println!("{by_sms} answered by SMS, {} by voice, {} calls", s.answered.len() - by_sms, s.calls.len());

    // Their calls were withdrawn, and none of them was made afterwards.
    let all = by_phone(&s, id);
    let mut withdrawn = 0;
    for (phone, (at, channel)) in &s.answered {
        let asked = start + if place[phone] < RED as usize { Span::secs(31) } else { Span::mins(2) + Span::secs(1) };
        if *channel != Channel::Sms || *at < asked || s.rung.contains_key(phone) {
            continue;
        }
        let voice: Vec<_> = all[phone].attempts.iter().filter(|a| a.channel == Channel::Voice).collect();
        assert!(!voice.is_empty() && voice.iter().all(|a| a.state == AttemptState::Withdrawn && !a.recalling), "{phone}: {voice:#?}");
        withdrawn += 1;
    }
    assert!(withdrawn > 500, "{withdrawn} calls were waiting when their people answered");

    // What was forecast is what happened.
    let last = s.calls.iter().map(|c| c.at + HOLD).max().unwrap();
    let near = |what: &str, said: f64, was: f64| {
        println!("{what}: forecast {said:.1}, happened {was:.1}");
        assert!((said / was - 1.0).abs() <= 0.2, "{what}: forecast {said}, happened {was}");
    };
    let minutes = |t: Time| (t - start).seconds_f64() / 60.0;
    near("voice done, minutes", minutes(before.forecast.voice_done_at.unwrap()), minutes(last));
    near("calls", before.forecast.calls, s.calls.len() as f64);
    near("voice done, said after six minutes", minutes(midway.forecast.voice_done_at.unwrap()), minutes(last));
    for d in &before.forecast.deadlines {
        let silent = phones.iter().filter(|p| all[*p].due_at == d.due_at && s.answered[*p].0 > d.due_at).count();
        near(&format!("silent at {}", d.due_at), d.missing, silent as f64);
    }
    // Who was named as out of reach was: hardly any was called in time, and hardly anybody else was not.
    let phone_of: BTreeMap<_, _> = all.iter().map(|(phone, c)| (c.id, phone)).collect();
    let in_time = |phone: &String| s.calls.iter().any(|c| c.phone == *phone && c.at + HOLD <= all[phone].due_at);
    let named: BTreeSet<&String> = before.late.iter().map(|l| phone_of[&l.callout]).collect();
    let wrongly = named.iter().filter(|p| in_time(p)).count();
    let unnamed = phones.iter().filter(|p| s.answered[*p].0 > all[*p].due_at && !in_time(p) && !named.contains(p)).count();
    println!("{} named as out of reach: {wrongly} were called in time; {unnamed} not named were not", named.len());
    assert!(named.len() > 1000 && wrongly * 10 < named.len() && unnamed * 20 < named.len());
    assert_eq!(before.assumptions, Assumptions::default());
}

#[test]
fn a_restart_in_the_middle_of_the_calls_loses_none_and_rings_nobody_who_answered() {
    let (mut s, _) = crowd();
    let start = s.w.now();
    let id = s.post(&warning("1", 60.0, Some((1, Level::Orange))));
    let mut looks = |s: &Stage, call: &Call| assert!(!s.answered.contains_key(&call.phone));
    s.until(start + Span::mins(5), &mut looks);
    let made = s.calls.len();
    s.w.restart();
    now(s.w.engine.find_ringing()).unwrap();
    s.until_answered(start + Span::mins(60), &mut looks);
    assert!(made > 100 && s.calls.len() > made + 100, "{made} before, {} in all", s.calls.len());
    assert!(s.most_ringing as u32 <= LINES, "{} calls at once", s.most_ringing);
    let open: Vec<String> = s.w.callouts(id).iter().filter(|c| c.state.is_open()).map(|c| c.id.to_string()).collect();
    assert!(open.is_empty(), "everybody was reached but {open:?}");
}
