//! Several clocks of reports, turns in a relay, those beside the holder, and the permission to return.

use super::*;
use crate::core::plan::{Relay, relay_record};

fn rule(first: i64, every: Option<i64>, ask: &str, about: Option<Vec<Topic>>) -> FeedbackRule {
    FeedbackRule { first: Span::mins(first), every: every.map(Span::mins), task_after: Span::mins(10), ask: vec![ask.into()], about }
}

/// 暴雨红色: 到岗 15 分钟，关停和转移 30 分钟，数字每 60 分钟。
fn red_rain() -> Schedule {
    Schedule(vec![
        rule(15, None, "到岗", Some(vec![Topic::OnPost])),
        rule(30, None, "关停、启动转移", Some(vec![Topic::Close, Topic::Move])),
        rule(60, Some(60), "数字", Some(vec![])),
    ])
}

fn answered() -> Night1 {
    let mut n = Night1::new();
    n.feedback = red_rain();
    n.answer(0, Via::Link);
    n
}

fn report(n: &mut Night1, report: Report) {
    n.event(Event::Feedback { from: FeedbackFrom::Contact { contact: 0, via: Via::Link }, report });
}

/// Minutes from acceptance at which each clock is due.
fn dues(n: &Night1) -> Vec<(u8, i64)> {
    n.state.feedback_clocks.iter().map(|c| (c.ask, (c.due - n.state.start).0 / 60_000)).collect()
}

#[test]
fn every_ask_has_a_clock_of_its_own_and_a_report_stops_those_it_answers() {
    let mut n = answered();
    assert_eq!(dues(&n), [(0, 15), (1, 30), (2, 60)]);
    assert!(n.state.feedback_owed());
    n.after(Span::mins(4));
    report(&mut n, Report { on_post: true, ..Report::default() });
    assert_eq!(dues(&n), [(1, 30), (2, 60)], "being on post is not having moved anybody");
    assert!(!n.state.feedback_owed(), "the first report is in: the warning may close");
    n.is(CalloutState::Reported);
    n.after(Span::mins(6));
    report(&mut n, Report { on_post: true, to_move: 12, moved: 3, ..Report::default() });
    assert_eq!(dues(&n), [(2, 60)], "figures are asked for at their time, not sooner");
    n.after(Span::mins(31));
    report(&mut n, Report { on_post: true, to_move: 12, moved: 12, ..Report::default() });
    let now = (n.now - n.state.start).0 / 60_000;
    assert_eq!(dues(&n), [(2, now + 60)], "and again after the rule's interval");
}

#[test]
fn each_clock_reminds_and_hands_over_and_any_report_answers_what_is_overdue() {
    let mut n = answered();
    n.after(Span::mins(16));
    assert_eq!(n.sent(AskKind::Feedback), 1, "15 分钟: 到岗");
    n.after(Span::mins(10));
    assert_eq!(n.state.tasks.iter().filter(|t| t.is_open()).count(), 1);
    n.after(Span::mins(5));
    assert_eq!(n.sent(AskKind::Feedback), 2, "30 分钟: 转移");
    let since =
        |n: &Night1| n.state.feedback_clocks.iter().map(|c| c.overdue_since.map(|t| (t - n.state.start).0 / 60_000)).collect::<Vec<_>>();
    assert_eq!(since(&n), [Some(15), Some(30), None], "overdue since, however often it was asked for");
    report(&mut n, Report::default());
    assert!(n.state.tasks.iter().all(|t| !t.is_open()), "a report of nothing is a report");
    assert_eq!(since(&n), [None], "{:?}", dues(&n));
}

#[test]
fn clocks_that_run_out_together_are_one_reminder_and_one_task() {
    let mut n = Night1::new();
    n.feedback = Schedule(vec![rule(15, None, "到岗", Some(vec![Topic::OnPost])), rule(15, None, "关停", Some(vec![Topic::Close]))]);
    n.answer(0, Via::Link);
    n.after(Span::mins(15));
    assert_eq!(n.sent(AskKind::Feedback), 1);
    n.after(Span::mins(10));
    assert_eq!(n.state.tasks.len(), 1);
}

#[test]
fn a_row_with_one_clock_reads_and_writes_as_it_always_did() {
    let mut n = Night1::new();
    n.answer(0, Via::Link);
    let row = serde_json::to_value(&n.state).unwrap();
    assert!(row["feedback_clock"]["due"].is_i64() && row["feedback_clock"].get("ask").is_none(), "{row}");
    let old = r#"[{"e":"feedback_due","due":5},{"e":"feedback_reminded"},{"e":"report","by":{"name":"甲","relation":"holder"},"report":{}},{"e":"feedback_due","due":9}]"#;
    let entries: Vec<super::super::entry::Entry> = serde_json::from_str(old).unwrap();
    let c = fold::fold([(Time(7), entries.as_slice())]);
    assert_eq!(
        serde_json::to_value(&c).unwrap()["feedback_clock"],
        serde_json::json!({"due": 9, "reminded": false, "first_in": true, "since": 7})
    );
}

fn relayed() -> Night1 {
    let mut n = Night1::new();
    let uppers = vec![relay_record(Tier::Township, Division(140521101000))];
    n.entry.relay = Some(Relay { wait: Span::mins(10), own: Span::mins(5), uppers });
    n.entry.deadline = Span::mins(15);
    n.journal.clear();
    let s = open(n.ctx(), CalloutId::new(WarningId(1), 0), n.now, n.now);
    assert_eq!(s.effects.relay_joined, ["relay/township/140521101000"]);
    n.took(s);
    n.event(Event::Tick);
    n
}

#[test]
fn in_a_relay_nobody_is_called_before_somebody_above_has_answered() {
    let mut n = relayed();
    n.after(Span::mins(2)).is(CalloutState::Queued);
    assert!(n.state.attempts.is_empty());
    n.event(Event::Forwarded);
    assert_eq!(n.sent(AskKind::Callout), 1);
    assert_eq!(n.state.due_at, n.state.start + Span::mins(15), "the contract's deadline stands");
    n.after(Span::mins(5));
    assert!(n.state.contacts.iter().any(|k| k.relation == Relation::Deputy), "the ladder counts from when he was called");
    let before = n.state.attempts.len();
    n.event(Event::Forwarded);
    assert_eq!(n.state.attempts.len(), before, "said twice");
}

#[test]
fn in_a_relay_nobody_is_forgotten_because_somebody_above_sleeps() {
    let mut n = relayed();
    n.after(Span::mins(10));
    assert_eq!(n.sent(AskKind::Callout), 1);
    n.after(Span::mins(5)).is(CalloutState::Overdue);
}

#[test]
fn an_answer_where_somebody_waits_below_calls_them() {
    let mut p = post(140521101000, Some(1), AnswerRule::Each);
    p.tier = Tier::Township;
    p.forwards = true;
    let mut n = Night1::with(vec![p], &["15400000001"]);
    n.answer(0, Via::Link);
    assert_eq!(n.last.as_ref().unwrap().effects.relay_answered, ["relay/township/140521101000"]);
}

#[test]
fn those_beside_the_holder_are_asked_to_take_over_and_cannot_answer_for_him() {
    let mut n = Night1::new();
    n.ladder.rungs[1].call.push(crate::core::policy::Who::Others);
    n.entry.others = vec![6];
    n.after(Span::mins(5));
    let beside = n.state.contacts.iter().position(|k| k.id == RecipientId(7)).unwrap() as u8;
    assert!(n.state.contacts[usize::from(beside)].relation.takes_over());
    n.answer(beside, Via::Link).is(CalloutState::HandedOver);
}

#[test]
fn after_the_end_permission_to_return_is_told_once_to_those_who_were_called_for_the_place() {
    let mut n = Night1::new();
    n.feedback = red_rain();
    n.after(Span::secs(10)).answer(0, Via::Link);
    n.event(Event::End { reason: ClosedReason::Cancelled });
    let permit = |places: &[&str]| Event::ReturnPermitted {
        places: places.iter().map(|p| (*p).to_string()).collect(),
        by: "值班员".into(),
        note: "地质队复核".into(),
    };
    n.event(permit(&["140521101202"]));
    assert_eq!(n.sent(AskKind::Return), 0, "another village");
    n.event(permit(&["140521101201", "140521101202"]));
    assert_eq!((n.sent(AskKind::End), n.sent(AskKind::Return)), (1, 1));
    n.event(permit(&["140521101201"]));
    assert_eq!(n.sent(AskKind::Return), 1, "permitted before");
    report(&mut n, Report { returned: 12, ..Report::default() });
    assert_eq!(n.state.newest_report().unwrap().report.returned, 12, "how many have returned is taken after the end");
    assert!(n.state.feedback_clocks.is_empty());
}

/// Answers for two villages, and has answered.
fn of_two_places(feedback: Schedule) -> (Night1, [String; 2]) {
    let posts = vec![post(140521101201, Some(1), AnswerRule::Each), post(140521101202, None, AnswerRule::Each)];
    let places = [posts[0].place.id(), posts[1].place.id()];
    let mut n = Night1::with(posts, &["15400000001"]);
    n.feedback = feedback;
    n.answer(0, Via::Link);
    (n, places)
}

fn report_of(n: &mut Night1, place: &str) {
    report(n, Report { place: place.into(), to_move: 3, moved: 3, ..Report::default() });
}

#[test]
fn who_answers_for_two_places_owes_a_report_for_each() {
    let (mut n, [one, two]) = of_two_places(Schedule(vec![rule(30, Some(60), "转移", None)]));
    n.after(Span::mins(5));
    report_of(&mut n, &one);
    assert_eq!(dues(&n), [(0, 30)], "the other village has said nothing");
    n.is(CalloutState::Answered);
    assert!(n.state.feedback_owed(), "and the warning stays open for it");
    let owed = |n: &Night1| {
        let (rule, clock) = (&n.feedback.0[0], &n.state.feedback_clocks[0]);
        n.state.places_owed(&n.entry, rule, clock).iter().map(|p| p.place.id()).collect::<Vec<_>>()
    };
    assert_eq!(owed(&n), std::slice::from_ref(&two));
    n.after(Span::mins(26));
    assert_eq!(n.sent(AskKind::Feedback), 1, "reminded");
    n.after(Span::mins(10));
    assert_eq!(n.state.tasks.iter().filter(|t| t.is_open()).count(), 1);
    report_of(&mut n, &one);
    assert_eq!(n.state.tasks.iter().filter(|t| t.is_open()).count(), 1, "the same village again is not the other");
    report_of(&mut n, &two);
    n.is(CalloutState::Reported);
    assert!(!n.state.feedback_owed() && n.state.tasks.iter().all(|t| !t.is_open()));
    let began = n.now;
    assert_eq!(n.state.feedback_clocks[0].due, began + Span::mins(60));
    assert_eq!(owed(&n), [one.clone(), two.clone()], "the next round asks for both");
    n.after(Span::mins(20));
    report_of(&mut n, &two);
    assert_eq!(n.state.feedback_clocks[0].due, began + Span::mins(60));
    n.after(Span::mins(10));
    report_of(&mut n, &one);
    assert_eq!(n.state.feedback_clocks[0].due, n.now + Span::mins(60), "both have come in this round, in whatever order");
}

#[test]
fn being_on_post_is_said_once_whatever_the_places() {
    let (mut n, [one, two]) = of_two_places(red_rain());
    n.after(Span::mins(4));
    report(&mut n, Report { place: two.clone(), on_post: true, ..Report::default() });
    assert_eq!(dues(&n), [(1, 30), (2, 60)], "nobody is on post twice");
    report(&mut n, Report { place: two, moved: 1, ..Report::default() });
    assert_eq!(dues(&n), [(1, 30), (2, 60)], "who was moved is asked of each village");
    report(&mut n, Report { place: one, moved: 1, ..Report::default() });
    assert_eq!(dues(&n), [(2, 60)]);
}

#[test]
fn what_counted_before_the_clock_was_asked_again_still_counts() {
    let (mut n, [one, two]) = of_two_places(Schedule(vec![rule(60, Some(60), "数字", Some(vec![]))]));
    n.after(Span::mins(45));
    report_of(&mut n, &one);
    n.after(Span::mins(30));
    assert_eq!(n.state.tasks.iter().filter(|t| t.is_open()).count(), 1, "the other village is overdue");
    report_of(&mut n, &two);
    n.is(CalloutState::Reported);
    assert!(n.state.tasks.iter().all(|t| !t.is_open()));
    assert_eq!(n.state.feedback_clocks[0].due, n.now + Span::mins(60));
}

#[test]
fn the_soonest_promise_of_a_next_report_holds_whichever_place_it_was_for() {
    let (mut n, [one, two]) = of_two_places(Schedule(vec![rule(30, Some(60), "转移", None)]));
    n.after(Span::mins(5));
    let soon = n.now + Span::mins(10);
    report(&mut n, Report { place: one, next_report_at: Some(soon), ..Report::default() });
    n.after(Span::mins(1));
    report_of(&mut n, &two);
    assert_eq!(n.state.feedback_clocks[0].due, soon);
}
