//! The forecast against the capacity table and against common sense.

use super::{people::of_plan, *};
use crate::core::{
    callout::Channels,
    directory::{Place, Role},
    division::Division,
    ids::RecipientId,
    phone::Phone,
    plan::{PlanChunk, PlanDuty, PlanEntry, PlanPerson, PlanPost},
    policy::{AnswerRule, At, Ladder, Rung, Voice, Who},
    send::Channel,
};
use std::collections::BTreeMap;

const START: Time = Time(1_783_490_400_000);
const ALL: Channels = Channels { sms: true, voice: true, email: false };

fn ladder(voice_after: Span, every: Span, times: u8) -> NamedLadder {
    let voice = Some(Voice { after: voice_after, every, times, second_number_from: 9, night: true });
    let rung = |at, call: &[Who], voice| Rung { at, call: call.to_vec(), send: vec![Channel::Sms], voice, task: None };
    let rungs = vec![rung(At::Start(Span::ZERO), &[Who::Holder], voice), rung(At::Deadline(Span::ZERO), &[Who::Deputy], voice)];
    NamedLadder {
        name: "L1".into(),
        level: Level::Red,
        ladder: Ladder { answer: true, deadline: BTreeMap::new(), rungs, repeat: Span::mins(5) },
    }
}

fn plan(persons: usize, deadline: Span) -> Vec<PlanChunk> {
    let one = |i: usize| {
        let place = Place { division: "140521101201".parse::<Division>().unwrap(), point: None };
        let post = PlanPost {
            role: Role("party_government".into()),
            title: String::new(),
            place,
            place_name: String::new(),
            tier: Tier::Village,
            deputy: None,
            rule: AnswerRule::Each,
            forwards: false,
            line: None,
            rota: None,
        };
        PlanEntry {
            person: i as u16,
            posts: vec![post],
            level: Level::Red,
            ladder: 0,
            deadline,
            feedback: None,
            superior: None,
            township_desk: None,
            county_desk: None,
            city_desk: None,
            shift_leader: None,
            others: Vec::new(),
            relay: None,
            hold_until: None,
            hold_voice_until: None,
            duty: PlanDuty::default(),
        }
    };
    let person = |i: usize| PlanPerson {
        id: RecipientId(i as u32),
        name: String::new(),
        phones: Phone::parse(&format!("154{i:08}")).into_iter().collect(),
        email: None,
    };
    let chunk = |from: usize, to: usize| PlanChunk {
        added_at: None,
        people: (from..to).map(person).collect(),
        entries: (0..to - from).map(one).collect(),
        rotas: Vec::new(),
    };
    (0..persons.div_ceil(1000)).map(|n| chunk(n * 1000, ((n + 1) * 1000).min(persons))).collect()
}

/// The capacity table's case: a redial follows at once, an SMS is answered before the first call or never.
fn table_case(persons: usize, answered_by_sms: f64, lines: u32) -> Forecast {
    let ladders = [ladder(Span::secs(5), Span::ms(1), 20)];
    let subjects = of_plan(&plan(persons, Span::hours(12)), &ladders, START, false, ALL);
    assert_eq!(subjects.len(), persons);
    forecast(Input {
        now: START,
        night: Night::default(),
        ladders: &[&ladders[0]],
        subjects: &subjects,
        others: &[],
        capacity: Capacity { sms_per_second: 5000, lines, calls_per_second: 100 },
        assumptions: Assumptions { answered_by_sms, sms_answer: Span::ZERO, ..Assumptions::default() },
    })
}

#[test]
fn the_capacity_table_holds() {
    let a = Assumptions::default();
    for (persons, lines) in [(2000, [420, 210, 140]), (800, [168, 84, 56])] {
        let of_formula = [5, 10, 15].map(|m| a.lines_for(persons, Span::mins(m)).unwrap());
        assert_eq!(of_formula, lines);
    }
    for (asked, by_sms, persons, minutes) in [(2000, 0.0, 2000, [70.0, 42.0, 21.0]), (2000, 0.6, 800, [28.0, 17.0, 8.4])] {
        for (lines, minutes) in [30, 50, 100].into_iter().zip(minutes) {
            let formula = a.time_for(persons, lines).unwrap().seconds_f64() / 60.0;
            assert!((formula / minutes - 1.0f64).abs() < 0.02, "{persons} on {lines}: {formula} minutes");
            let f = table_case(asked, by_sms, lines);
            let played = (f.voice_done_at.unwrap() - START).seconds_f64() / 60.0;
            // The formula has no end: the last ones of all lines are redialled up to four times, one after the other.
            let end = 4.0 * 45.0 / 60.0;
            assert!((minutes * 0.98..=minutes * 1.01 + end).contains(&played), "{asked} on {lines}: {played}, the table says {minutes}");
            assert!((f.calls / (persons as f64 * 1.4) - 1.0).abs() < 0.01, "{} calls", f.calls);
        }
    }
    // Two-minute calls, one each, 40 at once: 100 minutes.
    let a = Assumptions { hold: Span::mins(2), attempts: 1.0, ..a };
    assert_eq!(a.time_for(2000, 40), Some(Span::mins(100)));
    assert_eq!((a.time_for(1, 0), a.lines_for(1, Span::ZERO)), (None, None));
}

#[test]
fn who_stands_behind_the_deadline_is_named_in_the_order_of_calling() {
    let ladders = [ladder(Span::secs(30), Span::secs(90), 4)];
    let subjects = of_plan(&plan(2000, Span::mins(5)), &ladders, START, false, ALL);
    let f = forecast(Input {
        now: START,
        night: Night::default(),
        ladders: &[&ladders[0]],
        subjects: &subjects,
        others: &[],
        capacity: Capacity { sms_per_second: 500, lines: 50, calls_per_second: 100 },
        assumptions: Assumptions::default(),
    });
    assert_eq!(f.sms_done_at, Some(START + Span::secs(4)));
    let [d] = f.deadlines[..] else { panic!("{:?}", f.deadlines) };
    assert_eq!((d.due_at, d.persons, d.late), (START + Span::mins(5), 2000, f.late()));
    let first_late = f.each.iter().position(|e| e.late).unwrap();
    assert!((300..900).contains(&first_late), "{first_late}");
    assert!(f.each.iter().skip(first_late).all(|e| e.late), "all behind him too");
    assert!(f.each[0].silent < 0.1 && f.each[1999].silent > 0.39, "{:?} {:?}", f.each[0], f.each[1999]);
    assert!((d.missing - f.each.iter().map(|e| e.silent).sum::<f64>()).abs() < 1e-6);
    assert_eq!(f.rungs.iter().map(|r| (r.rung, r.at)).collect::<Vec<_>>(), [(0, START), (1, START + Span::mins(5))]);
    assert!((f.rungs[1].persons - d.missing).abs() < 1.0);
    assert!(f.voice_minutes >= f.calls * 0.99 && f.sms_segments >= 2000.0);
}

#[test]
fn without_a_line_everybody_to_be_rung_is_late_and_nothing_is_promised() {
    let ladders = [ladder(Span::secs(30), Span::secs(90), 4)];
    let subjects = of_plan(&plan(10, Span::mins(5)), &ladders, START, false, ALL);
    let capacity = Capacity { sms_per_second: 100, lines: 0, calls_per_second: 0 };
    let input = Input {
        now: START,
        night: Night::default(),
        ladders: &[&ladders[0]],
        subjects: &subjects,
        others: &[],
        capacity,
        assumptions: Assumptions::default(),
    };
    let f = forecast(input);
    assert_eq!((f.voice_done_at, f.without_line, f.late(), f.calls), (None, 10, 10, 0.0));
    // Nothing can be reckoned with either where nobody answers an SMS and figures make no sense.
    let assumptions = Assumptions { answered_by_sms: f64::NAN, attempts: -1.0, hold: Span(-5), ..Assumptions::default() };
    let f = forecast(Input { assumptions, capacity: Capacity { lines: 5, calls_per_second: 5, ..capacity }, ..input });
    assert!(f.calls > 9.0 && f.voice_done_at.is_some());
}

#[test]
fn ten_thousand_persons_are_reckoned_at_once() {
    let ladders = [ladder(Span::secs(30), Span::secs(90), 4)];
    let subjects = of_plan(&plan(10_000, Span::mins(5)), &ladders, START, false, ALL);
    let f = forecast(Input {
        now: START,
        night: Night::default(),
        ladders: &[&ladders[0]],
        subjects: &subjects,
        others: &[],
        capacity: Capacity { sms_per_second: 3000, lines: 200, calls_per_second: 100 },
        assumptions: Assumptions::default(),
    });
    assert_eq!(f.each.len(), 10_000);
    assert!(f.calls > 4_000.0 && f.calls < 14_000.0, "{}", f.calls);
}

#[test]
fn what_other_warnings_have_queued_takes_its_slots_by_priority_and_is_not_counted() {
    let ladders = [ladder(Span::secs(30), Span::secs(90), 4)];
    let subjects = of_plan(&plan(200, Span::mins(30)), &ladders, START, false, ALL);
    let red: Vec<Subject> = subjects.clone();
    let blue: Vec<Subject> = subjects.iter().map(|s| Subject { level: Level::Blue, ..s.clone() }).collect();
    let of = |subjects: &[Subject], others: &[Subject]| {
        forecast(Input {
            now: START,
            night: Night::default(),
            ladders: &[&ladders[0]],
            subjects,
            others,
            capacity: Capacity { sms_per_second: 500, lines: 5, calls_per_second: 100 },
            assumptions: Assumptions::default(),
        })
    };
    let (alone, behind) = (of(&red, &[]), of(&blue, &red));
    let minutes = |f: &Forecast| (f.voice_done_at.unwrap() - START).seconds_f64() / 60.0;
    assert!((minutes(&of(&red, &blue)) - minutes(&alone)).abs() < 1.0, "blue does not hold up red");
    assert!(minutes(&behind) > minutes(&alone) * 1.5, "{} after {}", minutes(&behind), minutes(&alone));
    assert_eq!(behind.each.len(), 200);
    assert!(behind.calls < 200.0 * 1.4 && behind.sms < 450.0);
}

#[test]
fn a_message_to_a_deputy_is_none_to_the_holder() {
    let ladders = [ladder(Span::secs(30), Span::secs(90), 4)];
    let subjects = of_plan(&plan(1, Span::mins(5)), &ladders, START, false, ALL);
    let fixed = Subject { sms: false, deputies_sms: 1, deputies_voice: 1, ..subjects[0].clone() };
    let f = forecast(Input {
        now: START,
        night: Night::default(),
        ladders: &[&ladders[0]],
        subjects: &[fixed],
        others: &[],
        capacity: Capacity { sms_per_second: 500, lines: 5, calls_per_second: 100 },
        assumptions: Assumptions { answered_by_sms: 1.0, attempts: 20.0, ..Assumptions::default() },
    });
    assert_eq!(f.sms_done_at, None);
    assert!(f.sms > 0.5 && f.calls > 5.0, "{} messages, {} calls: nobody answered one that he never had", f.sms, f.calls);
}

#[test]
fn a_night_holds_the_calls_until_the_morning() {
    let mut ladders = [ladder(Span::secs(30), Span::secs(90), 4)];
    ladders[0].ladder.rungs.iter_mut().filter_map(|r| r.voice.as_mut()).for_each(|v| v.night = false);
    let evening = Time::parse_rfc3339("2026-07-08T23:00:00+08:00").unwrap();
    let subjects = of_plan(&plan(3, Span::hours(12)), &ladders, evening, false, ALL);
    let f = forecast(Input {
        now: evening,
        night: Night::default(),
        ladders: &[&ladders[0]],
        subjects: &subjects,
        others: &[],
        capacity: Capacity { sms_per_second: 500, lines: 5, calls_per_second: 100 },
        assumptions: Assumptions::default(),
    });
    let morning = Time::parse_rfc3339("2026-07-09T06:30:00+08:00").unwrap();
    assert_eq!(f.each[0].first_call, Some((morning, morning + Span::secs(45))));
    assert_eq!(f.late(), 0);
}
