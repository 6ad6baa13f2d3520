//! A group's digest, decision by decision.

use super::*;
use crate::core::{callout::state::CalloutState, division::Division, hazard::HazardCode, ids::WarningId, send::Outcome, time::Span};

const START: Time = Time(1_720_426_500_000);
const W: WarningId = WarningId(1);

fn pace() -> Pace {
    Pace { limits: vec![(20, Span::mins(1))], gap: Span::secs(5), avoids_half_hours: false, patience: Span::secs(15) }
}
fn at(s: i64) -> Time {
    START + Span::secs(s)
}
fn figures(answered: u32, silent: u32) -> Figures {
    Figures { expected: answered + silent, answered, silent, overdue: silent, ..Figures::default() }
}
fn look(answered: u32, silent: u32) -> Look {
    let moment = |s, deadline| Moment { at: at(s), deadline };
    Look {
        figures: figures(answered, silent),
        moments: vec![moment(300, true), moment(480, false), moment(600, true)],
        ended: None,
        over: false,
    }
}
fn said(s: i64, why: Why, figures: Figures) -> Told {
    Told { said: Some(Said { at: at(s), why, figures, ended: None }), next: None }
}
fn accepted() -> Outcome {
    Outcome::Accepted { provider_message_id: "1".into() }
}
fn about(s: i64) -> About {
    About { warning: W, said: Said { at: at(s), why: Why::Start, figures: figures(0, 9), ended: None }, last: false }
}

#[test]
fn a_group_hears_the_beginning_then_the_silent_at_each_deadline_then_changes_then_the_end() {
    let g = Group::default();
    let assess = |told: &Told, look: &Look, s| told.assess(look, &g, at(s));
    assert_eq!(assess(&Told::default(), &look(0, 9), 0).0, Some(Why::Start));
    let told = said(1, Why::Start, figures(0, 9));
    // Nothing has changed and nothing is due: the next moment is the first deadline.
    assert_eq!(assess(&told, &look(4, 5), 100), (None, Some(at(300))));
    assert_eq!(assess(&told, &look(4, 5), 300).0, Some(Why::Overdue));
    assert_eq!(assess(&told, &look(9, 0), 300).0, Some(Why::Progress), "nobody is silent at the deadline");
    let told = said(300, Why::Overdue, figures(4, 5));
    assert_eq!(assess(&told, &look(4, 5), 480), (None, Some(at(600))), "a rung that changed nothing is not worth a message");
    assert_eq!(assess(&told, &look(6, 3), 480).0, Some(Why::Progress), "a rung's `im`");
    assert_eq!(assess(&told, &look(5, 4), 600).0, Some(Why::Overdue), "another tier's deadline");
    assert_eq!(assess(&told, &look(4, 5), 600).0, None, "a deadline that nobody has");
    let told = said(600, Why::Overdue, figures(6, 3));
    assert_eq!(assess(&told, &look(7, 2), 700), (None, Some(at(1200))));
    assert_eq!(assess(&told, &look(7, 2), 1200).0, Some(Why::Progress), "every ten minutes, if anything has changed");
    assert_eq!(assess(&told, &look(6, 3), 1200), (None, Some(at(1800))));
    let closed = Look { ended: Some(WarningEnd::Answered), ..look(9, 0) };
    assert_eq!(assess(&told, &closed, 710).0, Some(Why::Closed));
    let mut told = said(711, Why::Closed, figures(9, 0));
    told.said.as_mut().unwrap().ended = Some(WarningEnd::Answered);
    assert_eq!(assess(&told, &closed, 9_000), (None, None), "said once");
    let cancelled = Look { ended: Some(WarningEnd::Cancelled), over: true, ..look(9, 0) };
    assert_eq!(assess(&told, &cancelled, 9_000).0, Some(Why::Closed), "and again when it is cancelled later");
}

#[test]
fn a_task_that_nobody_claims_is_said_once_for_each_more() {
    let g = Group::default();
    let told = said(1, Why::Start, figures(0, 9));
    let with = |unclaimed| Look { figures: Figures { unclaimed, ..figures(0, 9) }, moments: Vec::new(), ended: None, over: false };
    assert_eq!(told.assess(&with(2), &g, at(60)).0, Some(Why::Unclaimed));
    let told = said(60, Why::Unclaimed, with(2).figures);
    assert_eq!(told.assess(&with(2), &g, at(120)).0, None);
    assert_eq!(told.assess(&with(3), &g, at(120)).0, Some(Why::Unclaimed));
    // A warning of which no area could be read calls nobody, and its task waits.
    let nobody = Look { figures: Figures { unclaimed: 1, ..Figures::default() }, ..with(0) };
    assert_eq!(Told::default().assess(&nobody, &g, at(200)).0, Some(Why::Unclaimed));
    let empty = Look { figures: Figures::default(), ended: Some(WarningEnd::Superseded), ..with(0) };
    assert_eq!(Told::default().assess(&empty, &g, at(200)).0, None, "nobody was called by it: nothing to say");
}

#[test]
fn never_more_arrive_than_the_robot_takes_whatever_the_requests_take() {
    for (limits, gap) in [(vec![(20, Span::mins(1))], Span::ms(100)), (vec![(5, Span::secs(1)), (100, Span::mins(1))], Span::ms(100))] {
        let pace = Pace { limits: limits.clone(), gap, ..pace() };
        let (mut d, mut now) = (Digest::default(), START);
        let mut arrivals: Vec<Time> = Vec::new();
        for i in 0..400 {
            now = d.free_at(&pace, now);
            let n = d.leave(vec![about(0)], &pace, now);
            // It arrives somewhere between the intent and the outcome.
            let took = Span::ms((i * 7919) % 900);
            arrivals.push(now + Span::ms(took.0 / (1 + i % 3)));
            now = now + took;
            assert!(d.heard(n, &accepted(), &pace, now));
        }
        for (count, window) in limits {
            for w in arrivals.windows(usize::from(count) + 1) {
                assert!((w[w.len() - 1] - w[0]) >= window, "{count} in {window:?}");
            }
        }
        assert!(d.arrived.len() <= pace.kept());
    }
}

#[test]
fn crowded_moments_are_passed_over_where_the_robot_wants_it() {
    let feishu = Pace { avoids_half_hours: true, ..pace() };
    let hour = Time(START.0 / 3_600_000 * 3_600_000);
    assert_eq!(feishu.free_at(&[], hour), hour + Span::secs(20));
    assert_eq!(feishu.free_at(&[], hour + Span::mins(30) + Span::secs(19)), hour + Span::mins(30) + Span::secs(20));
    assert_eq!(feishu.free_at(&[], hour + Span::secs(21)), hour + Span::secs(21));
    assert_eq!(pace().free_at(&[], hour), hour);
}

#[test]
fn what_surely_was_not_sent_is_said_anew_and_what_may_have_been_is_not() {
    let mut d = Digest::default();
    d.note(W, at(0));
    let n = d.leave(vec![about(0)], &pace(), at(0));
    let throttled = Outcome::Throttled { after: Some(Span::mins(10)), whole_account: true, detail: String::new() };
    assert!(d.heard(n, &throttled, &pace(), at(1)));
    assert_eq!((d.free_at(&pace(), at(1)), d.due(&pace(), at(1))), (at(601), Some(at(601))), "the ban is waited out");
    assert!(d.warnings[&W].said.is_none());
    let n = d.leave(vec![about(601)], &pace(), at(601));
    assert_eq!(d.due(&pace(), at(602)), Some(at(616)), "the intent has a clock");
    assert!(d.lost(&pace(), at(615)).is_none());
    assert_eq!(d.lost(&pace(), at(616)), Some(n));
    assert!(d.warnings[&W].said.is_some() && d.flight.is_none());
    assert!(!d.heard(n, &accepted(), &pace(), at(617)), "what comes late changes nothing");
    // Failures in a row wait longer and longer; one success forgets them.
    let retry = Outcome::Retryable { detail: String::new() };
    let mut now = at(700);
    for expected in [2, 4, 8, 16] {
        let n = d.leave(vec![about(0)], &pace(), now);
        d.heard(n, &retry, &pace(), now);
        assert_eq!(d.not_before, Some(now + Span::secs(expected)));
        now = d.free_at(&pace(), now);
    }
    let n = d.leave(vec![about(0)], &pace(), now);
    d.heard(n, &accepted(), &pace(), now);
    assert_eq!((d.failed, d.not_before), (0, None));
}

#[test]
fn a_digest_always_has_a_clock_while_anything_waits() {
    let mut d = Digest::default();
    assert_eq!(d.due(&pace(), at(0)), None);
    d.note(W, at(0));
    assert_eq!(d.due(&pace(), at(0)), Some(at(0)));
    let n = d.leave(vec![About { last: true, ..about(0) }], &pace(), at(0));
    d.note(WarningId(2), at(1));
    assert_eq!(d.due(&pace(), at(1)), Some(at(15)), "one message at a time");
    d.heard(n, &accepted(), &pace(), at(1));
    assert_eq!(d.due(&pace(), at(1)), Some(at(6)), "the gap");
    assert!(!d.warnings.contains_key(&W), "its last word was said");
}

#[test]
fn figures_add_up_and_name_the_townships_with_most_silence_first() {
    let places = ["a".to_string(), "b".to_string()];
    let seen = |state, division: u64, place: usize| Seen {
        state,
        told_only: false,
        on_time: true,
        division: Division(division),
        places: &places[place..=place],
    };
    let town = 140_521_101_000;
    let all = [
        seen(CalloutState::Answered, town + 201, 0),
        seen(CalloutState::Reported, town + 202, 0),
        seen(CalloutState::Overdue, town + 203, 1),
        seen(CalloutState::HandedOver, town + 1_201, 1),
        seen(CalloutState::Unreachable, town + 1_202, 1),
        seen(CalloutState::Closed, 140_521_000_000, 1),
        Seen { told_only: true, ..seen(CalloutState::Queued, town, 0) },
    ];
    let f = Figures::of(all);
    assert_eq!((f.expected, f.answered, f.reported, f.silent, f.closed, f.told), (6, 2, 1, 3, 1, 1));
    assert_eq!(f.expected, f.answered + f.silent + f.closed);
    assert_eq!((f.places, f.places_silent), (2, 1));
    let towns: Vec<_> = f.towns.iter().map(|t| (t.division.0, t.silent, t.expected)).collect();
    assert_eq!(towns, [(town + 1_000, 2, 2), (town, 1, 3)]);
}

#[test]
fn a_group_hears_only_what_it_wants() {
    let g: Group = toml::from_str("divisions = ['140521']\nhazards = ['flood', '11B']\nlevels = ['red']\ndrills = false").unwrap();
    let wants = |code: &str, level, drill| g.wants(&HazardCode(code.into()), level, drill);
    assert!(wants("11B03", Level::Red, false) && wants("11A51", Level::Red, false));
    assert!(!wants("11C02", Level::Red, false) && !wants("11B03", Level::Orange, false) && !wants("11B03", Level::Red, true));
    assert!(g.covers(Division(140_521_101_000)) && !g.covers(Division(140_522_000_000)) && !g.covers(Division(140_500_000_000)));
    assert!(Group::default().wants(&HazardCode(String::new()), Level::Unknown, true));
    assert!(toml::from_str::<Group>("levels = ['purple']").is_err() && toml::from_str::<Group>("evry = '1m'").is_err());
}

#[test]
fn other_peoples_words_call_nobody_up_and_show_no_number() {
    assert_eq!(
        plain_md("<at id=all></at> **急** [点](http://x) @所有人\n二"),
        "＜at id=all＞＜/at＞ ＊＊急＊＊ ［点］(http://x) ＠所有人 二"
    );
    assert_eq!(masked("请拨 13812345678 或0356-2111111，值班 138 1234 5678。"), "请拨 138******78 或035*-*****11，值班 138 **** **78。");
    assert_eq!(masked("未来3小时雨量将超100毫米，2024-07-08 16:15发布"), "未来3小时雨量将超100毫米，2024-07-08 16:15发布");
    assert_eq!(masked("12379"), "12379");
}
