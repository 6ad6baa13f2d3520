//! The rules of one telephone number, a sentence a test.

use super::{CalleeRule, Departure, Line, LineAsk, LineEvent, LineLetter, LineStepped, Member, Saying, fold, step};
use crate::core::{
    callout::{
        event::LineNews,
        state::{AskKind, Relation},
    },
    hazard::Level,
    ids::{AttemptId, CalloutId, RecipientId, WarningId},
    send::{Channel, Outcome},
    time::{Span, Time},
};

const START: Time = Time(1_000_000_000);

struct Number {
    line: Line,
    now: Time,
    journal: Vec<(Time, Vec<super::LineEntry>)>,
    news: Vec<(AttemptId, LineNews)>,
}

fn attempt(ordinal: u32, n: u16) -> AttemptId {
    AttemptId { callout: CalloutId::new(WarningId(1), ordinal), n }
}

fn ask(ordinal: u32, relation: Relation, channel: Channel) -> LineAsk {
    LineAsk {
        attempt: attempt(ordinal, 1),
        contact: 0,
        recipient: RecipientId(1),
        relation,
        channel,
        kind: match relation {
            Relation::Holder => AskKind::Callout,
            Relation::Deputy => AskKind::Deputy,
            _ => AskKind::Takeover,
        },
        level: Level::Red,
        drill: false,
        call_timeout: Span::mins(2),
        gather: Span::mins(3),
        voice_unknown: Span::secs(60),
        lookups: [Span::secs(5), Span::secs(30), Span::secs(120)],
        sending_timeout: Span::secs(15),
        not_before: None,
        patience: None,
        failed_by: Vec::new(),
        never: None,
        tier: None,
        due: None,
    }
}

fn accepted() -> Outcome {
    Outcome::Accepted { provider_message_id: "m".into() }
}

impl Number {
    fn new() -> Number {
        Number { line: Line::default(), now: START, journal: Vec::new(), news: Vec::new() }
    }
    fn event(&mut self, event: LineEvent) -> LineStepped {
        let s = step(&self.line, &event, self.now);
        self.journal.push((self.now, s.entries.clone()));
        self.line = s.state.clone();
        self.news = s.news.clone();
        assert_eq!(fold(self.journal.iter().map(|(t, e)| (*t, e.as_slice()))), self.line, "the journal folds to the row");
        let busy = !self.line.waiting.is_empty() || !self.line.flights.is_empty();
        assert!(!busy || self.line.due().is_some(), "something waits without a clock: {:?}", self.line);
        s
    }
    fn asks(&mut self, ask: LineAsk) {
        self.event(LineEvent::Letter(LineLetter::Ask(ask)));
    }
    fn after(&mut self, span: Span) -> &mut Number {
        self.now = self.now + span;
        self.event(LineEvent::Tick);
        self
    }
    fn leaving(&self) -> Vec<Departure> {
        self.line.departures(self.now)
    }
    /// The first departure leaves.
    fn departs(&mut self) -> Departure {
        let d = self.leaving().into_iter().next().expect("a departure");
        self.event(LineEvent::Depart { lead: d.lead, provider: "a".into() });
        d
    }
    fn hears(&self, n: AttemptId) -> Option<&LineNews> {
        self.news.iter().find(|(a, _)| *a == n).map(|(_, news)| news)
    }
    fn writes(&mut self, ordinal: u32, drill: bool) -> u8 {
        let a = ask(ordinal, Relation::Holder, Channel::Sms);
        let member =
            Member { attempt: a.attempt, contact: 0, recipient: a.recipient, relation: a.relation, kind: a.kind, level: a.level, drill };
        self.event(LineEvent::DirectSms { member, carried: None, provider: "a".into() }).digit.expect("a digit")
    }
}

#[test]
fn one_call_is_in_flight_whoever_asks_and_the_next_has_no_clock_of_its_own() {
    let mut n = Number::new();
    n.asks(ask(1, Relation::Holder, Channel::Voice));
    n.asks(LineAsk { recipient: RecipientId(2), ..ask(2, Relation::Holder, Channel::Voice) });
    assert_eq!(n.leaving().len(), 1, "one call");
    let first = n.departs();
    assert!(n.leaving().is_empty());
    assert!(n.line.due().unwrap() > n.now, "the one that waits must not be looked at in a loop");
    n.event(LineEvent::Outcome { lead: first.lead, outcome: accepted(), others: vec![] });
    n.event(LineEvent::Finished { lead: first.lead, ok: false, outcome: "200003".into(), number_dead: false, lost: false });
    assert_eq!(n.leaving().len(), 1, "the other's turn");
    assert!(n.line.due().unwrap() <= n.now);
}

#[test]
fn the_news_of_a_departure_says_when_it_left_not_when_the_letter_is_read() {
    let mut n = Number::new();
    n.asks(ask(1, Relation::Holder, Channel::Voice));
    let left = n.now;
    n.departs();
    assert!(matches!(n.hears(attempt(1, 1)), Some(LineNews::Sending { at: Some(at), .. }) if *at == left), "{:?}", n.news);
}

#[test]
fn what_rises_to_one_contact_is_gathered_with_its_count_and_later_rises_wait_three_minutes() {
    let mut n = Number::new();
    for ordinal in 1..=3 {
        n.asks(ask(ordinal, Relation::DutyDesk, Channel::Voice));
    }
    assert!(n.leaving().is_empty(), "the first waits a moment for the others");
    n.after(Span::secs(2));
    let d = n.departs();
    assert_eq!(d.members.len(), 3);
    n.event(LineEvent::Finished { lead: d.lead, ok: true, outcome: "200000".into(), number_dead: false, lost: false });
    n.after(Span::secs(10)).asks(ask(4, Relation::DutyDesk, Channel::Voice));
    n.after(Span::secs(160));
    assert!(n.leaving().is_empty(), "a later rise waits");
    n.after(Span::secs(11));
    assert_eq!(n.leaving().len(), 1);
}

#[test]
fn asks_of_different_meaning_are_never_mixed_and_leave_one_after_the_other() {
    let mut n = Number::new();
    n.asks(ask(1, Relation::Deputy, Channel::Sms));
    n.asks(ask(2, Relation::DutyDesk, Channel::Sms));
    n.after(Span::secs(2));
    let leaving = n.leaving();
    assert_eq!(leaving.len(), 1, "what is offered must be able to leave: {leaving:?}");
    assert_eq!(n.departs().members.len(), 1);
    assert!(n.leaving().is_empty());
    n.after(Span::mins(3));
    assert_eq!(n.leaving().len(), 1);
}

#[test]
fn an_own_ask_is_not_held_back_by_gathering() {
    let mut n = Number::new();
    n.asks(ask(1, Relation::Holder, Channel::Voice));
    assert_eq!(n.leaving().len(), 1);
}

#[test]
fn a_digit_is_not_used_again_for_a_day_and_a_chase_keeps_its_own() {
    let mut n = Number::new();
    assert_eq!((n.writes(1, false), n.writes(2, false)), (1, 2));
    assert_eq!(n.writes(1, false), 1, "the chase of the first ask");
    n.after(Span::hours(23));
    assert_eq!(n.writes(3, false), 3);
    n.after(Span::hours(1) + Span::secs(1));
    assert_eq!(n.writes(4, false), 1, "rested a day");
}

#[test]
fn a_message_to_another_of_the_same_number_carries_another_digit() {
    let mut n = Number::new();
    n.writes(1, false);
    n.asks(LineAsk { recipient: RecipientId(2), ..ask(2, Relation::Deputy, Channel::Sms) });
    n.after(Span::secs(2));
    assert_eq!(n.departs().digit, Some(2));
}

#[test]
fn two_of_one_number_written_to_at_the_same_moment_carry_different_digits() {
    let mut n = Number::new();
    n.asks(LineAsk { recipient: RecipientId(2), ..ask(2, Relation::Deputy, Channel::Sms) });
    n.asks(LineAsk { recipient: RecipientId(3), ..ask(3, Relation::Deputy, Channel::Sms) });
    n.after(Span::secs(2));
    assert_eq!(n.leaving().len(), 2);
    assert_eq!((n.departs().digit, n.departs().digit), (Some(1), Some(2)), "the second was asked for anew");
}

#[test]
fn the_limits_per_callee_keep_a_reserve_for_red_and_half_for_drills() {
    let rules = [CalleeRule { count: 10, window: Span::hours(1), hours: None, same_text: false }];
    let mut n = Number::new();
    let now = |n: &Number| n.now;
    for i in 0..5 {
        assert_eq!(n.line.quota("a", &rules, Saying::of([]), Level::Blue, true, now(&n)), Ok(()), "drill {i}");
        n.writes(i, true);
    }
    assert!(n.line.quota("a", &rules, Saying::of([]), Level::Red, true, n.now).is_err(), "drills have used their half");
    for i in 5..8 {
        assert_eq!(n.line.quota("a", &rules, Saying::of([]), Level::Yellow, false, n.now), Ok(()), "{i}");
        n.writes(i, false);
    }
    assert_eq!(
        n.line.quota("a", &rules, Saying::of([]), Level::Yellow, false, n.now),
        Err(START + Span::hours(1)),
        "the rest is kept for red"
    );
    assert_eq!(n.line.quota("a", &rules, Saying::of([]), Level::Red, false, n.now), Ok(()));
    assert_eq!(n.line.quota("b", &rules, Saying::of([]), Level::Yellow, false, n.now), Ok(()), "another account counts for itself");
    n.after(Span::hours(1) + Span::ms(1));
    assert_eq!(n.line.quota("a", &rules, Saying::of([]), Level::Yellow, false, n.now), Ok(()));
}

#[test]
fn a_withdrawal_is_confirmed_unless_the_ask_is_under_way() {
    let mut n = Number::new();
    n.asks(ask(1, Relation::Holder, Channel::Voice));
    n.event(LineEvent::Letter(LineLetter::Withdraw { attempt: attempt(1, 1) }));
    assert_eq!(n.hears(attempt(1, 1)), Some(&LineNews::Withdrawn));
    assert!(n.leaving().is_empty() && n.line.due().is_none());
    n.asks(ask(2, Relation::Holder, Channel::Voice));
    n.departs();
    n.event(LineEvent::Letter(LineLetter::Withdraw { attempt: attempt(2, 1) }));
    assert_eq!(n.hears(attempt(2, 1)), None, "it rings: what comes of it is told as ever");
    assert_eq!(n.line.flights.len(), 1);
}

#[test]
fn keys_reach_everybody_the_call_spoke_of_even_after_it_was_given_up() {
    let mut n = Number::new();
    for ordinal in 1..=2 {
        n.asks(ask(ordinal, Relation::DutyDesk, Channel::Voice));
    }
    n.after(Span::secs(2));
    let d = n.departs();
    n.event(LineEvent::Outcome { lead: d.lead, outcome: accepted(), others: vec![] });
    let at = n.now;
    n.event(LineEvent::Keys { lead: d.lead, keys: "1".into(), at });
    assert_eq!(n.news.len(), 2);
    n.after(Span::mins(2));
    assert!(matches!(n.hears(d.lead), Some(LineNews::GivenUp { .. })), "no report of its end: nobody knows");
    n.event(LineEvent::Keys { lead: d.lead, keys: "1".into(), at });
    assert_eq!(n.news.len(), 2, "late keys count");
}

#[test]
fn a_call_of_unknown_fate_is_awaited_a_minute_and_stays_unknown() {
    let mut n = Number::new();
    n.asks(ask(1, Relation::Holder, Channel::Voice));
    let d = n.departs();
    n.event(LineEvent::Outcome { lead: d.lead, outcome: Outcome::Unknown { detail: "timeout".into() }, others: vec![] });
    n.asks(ask(2, Relation::Holder, Channel::Voice));
    n.after(Span::secs(59));
    assert!(n.leaving().is_empty(), "it may still ring");
    n.after(Span::secs(1));
    assert!(matches!(n.hears(d.lead), Some(LineNews::GivenUp { .. })));
    assert_eq!(n.leaving().len(), 1);
}

#[test]
fn a_request_without_an_outcome_is_of_unknown_fate_after_a_crash() {
    for (channel, wait) in [(Channel::Voice, 60), (Channel::Sms, 120)] {
        let mut n = Number::new();
        n.asks(ask(1, Relation::Deputy, channel));
        n.after(Span::secs(2));
        let d = n.departs();
        n.after(Span::secs(15));
        assert!(matches!(n.hears(d.lead), Some(LineNews::Outcome { outcome: Outcome::Unknown { .. } })), "{channel}");
        n.after(Span::secs(wait));
        assert!(matches!(n.hears(d.lead), Some(LineNews::GivenUp { .. })), "{channel}");
        assert!(n.line.flights.is_empty() && n.line.waiting.is_empty());
    }
}

#[test]
fn what_did_not_leave_goes_again_later_and_its_callout_hears_of_it() {
    let mut n = Number::new();
    n.asks(ask(1, Relation::Holder, Channel::Voice));
    let d = n.departs();
    let outcome = Outcome::Throttled { after: Some(Span::secs(30)), whole_account: false, detail: "busy".into() };
    n.event(LineEvent::Outcome { lead: d.lead, outcome, others: vec![] });
    assert!(matches!(n.hears(d.lead), Some(LineNews::Deferred { .. })));
    assert!(n.leaving().is_empty());
    n.after(Span::secs(30));
    assert_eq!(n.leaving().len(), 1);
}

#[test]
fn what_never_left_counts_against_no_limit_and_holds_no_later_rise_back() {
    let rules = [CalleeRule { count: 1, window: Span::hours(1), hours: None, same_text: false }];
    let mut n = Number::new();
    n.asks(ask(1, Relation::Superior, Channel::Voice));
    n.after(Span::secs(2));
    let d = n.departs();
    assert!(n.line.quota("a", &rules, Saying::of([]), Level::Red, false, n.now).is_err(), "one an hour");
    n.event(LineEvent::Outcome { lead: d.lead, outcome: Outcome::Balance { detail: "empty".into() }, others: vec!["b".into()] });
    assert_eq!(n.line.quota("a", &rules, Saying::of([]), Level::Red, false, n.now), Ok(()));
    assert_eq!(n.leaving().len(), 1, "by the next account, now");
}

#[test]
fn a_number_that_one_account_refuses_is_tried_by_the_others_and_then_given_up_as_refused() {
    let mut n = Number::new();
    n.asks(ask(1, Relation::Holder, Channel::Voice));
    let refused = || Outcome::PermanentNumber { detail: "blocklist".into() };
    let d = n.departs();
    n.event(LineEvent::Outcome { lead: d.lead, outcome: refused(), others: vec!["b".into()] });
    assert_eq!(n.leaving().len(), 1);
    let d = n.leaving().remove(0);
    n.event(LineEvent::Depart { lead: d.lead, provider: "b".into() });
    n.event(LineEvent::Outcome { lead: d.lead, outcome: refused(), others: vec!["a".into()] });
    assert!(matches!(n.hears(d.lead), Some(LineNews::Finished { refused: true, number_dead: false, .. })), "{:?}", n.news);
    assert!(n.leaving().is_empty());
}

#[test]
fn doubled_letters_and_receipts_change_nothing() {
    let mut n = Number::new();
    n.asks(ask(1, Relation::Holder, Channel::Voice));
    n.asks(ask(1, Relation::Holder, Channel::Voice));
    assert_eq!(n.line.waiting.len(), 1);
    let d = n.departs();
    n.asks(ask(1, Relation::Holder, Channel::Voice));
    n.event(LineEvent::Finished { lead: d.lead, ok: true, outcome: "200000".into(), number_dead: false, lost: false });
    let before = n.line.clone();
    n.event(LineEvent::Finished { lead: d.lead, ok: true, outcome: "200000".into(), number_dead: false, lost: false });
    n.event(LineEvent::Outcome { lead: d.lead, outcome: accepted(), others: vec![] });
    assert_eq!(n.line, before);
    assert!(n.line.due().is_none());
}

fn unknown_message() -> (Number, Departure) {
    let mut n = Number::new();
    n.asks(ask(1, Relation::Deputy, Channel::Sms));
    n.after(Span::secs(2));
    let d = n.departs();
    n.event(LineEvent::Outcome { lead: d.lead, outcome: Outcome::Unknown { detail: "timeout".into() }, others: vec![] });
    (n, d)
}

#[test]
fn a_gathered_message_of_unknown_fate_is_looked_up_three_times_and_then_given_up_at_once() {
    let (mut n, d) = unknown_message();
    for (after, asked) in [(4, false), (1, true), (25, true), (90, true)] {
        n.after(Span::secs(after));
        assert_eq!(n.line.lookups_due(n.now).next().is_some(), asked, "{after}");
        n.event(LineEvent::LookedUp { lead: d.lead, found: None });
        assert!(n.line.lookups_due(n.now).next().is_none(), "asked once at a time");
    }
    assert!(matches!(n.hears(d.lead), Some(LineNews::GivenUp { .. })));
    assert!(n.line.flights.is_empty() && n.line.waiting.is_empty());
}

#[test]
fn a_gathered_message_that_the_look_up_finds_was_accepted() {
    let (mut n, d) = unknown_message();
    n.after(Span::secs(5));
    n.event(LineEvent::LookedUp { lead: d.lead, found: Some("b7".into()) });
    assert!(matches!(n.hears(d.lead), Some(LineNews::Outcome { outcome: Outcome::Accepted { .. } })));
    assert!(n.line.lookups_due(n.now).next().is_none());
    n.after(Span::mins(3));
    assert!(!matches!(n.hears(d.lead), Some(LineNews::GivenUp { .. })), "it was sent: nothing repeats it");
}

#[test]
fn a_look_up_that_is_never_answered_holds_nothing_up() {
    let (mut n, d) = unknown_message();
    n.after(Span::secs(134));
    assert!(!n.line.flights.is_empty());
    n.after(Span::secs(1));
    assert!(matches!(n.hears(d.lead), Some(LineNews::GivenUp { .. })));
}

#[test]
fn what_is_taken_back_under_way_and_turned_down_goes_by_no_other_account() {
    let mut n = Number::new();
    let (one, two) = (ask(1, Relation::Deputy, Channel::Voice), ask(2, Relation::Deputy, Channel::Voice));
    n.asks(one.clone());
    n.asks(two.clone());
    n.after(Span::secs(2));
    let d = n.departs();
    assert_eq!(d.members.len(), 2, "gathered");
    n.event(LineEvent::Letter(LineLetter::Withdraw { attempt: one.attempt }));
    assert_eq!(n.hears(one.attempt), None, "it may have left");
    let refused = Outcome::Retryable { detail: "503".into() };
    n.event(LineEvent::Outcome { lead: d.lead, outcome: refused, others: vec!["b".into()] });
    assert_eq!(n.hears(one.attempt), Some(&LineNews::Withdrawn));
    assert!(matches!(n.hears(two.attempt), Some(LineNews::Deferred { .. })));
    let again = n.departs();
    assert_eq!(again.members.iter().map(|m| m.attempt).collect::<Vec<_>>(), [two.attempt]);
}

#[test]
fn what_is_taken_back_under_way_and_was_taken_is_told_as_ever() {
    let mut n = Number::new();
    let a = ask(1, Relation::Holder, Channel::Voice);
    n.asks(a.clone());
    let d = n.departs();
    n.event(LineEvent::Letter(LineLetter::Withdraw { attempt: a.attempt }));
    n.event(LineEvent::Outcome { lead: d.lead, outcome: accepted(), others: Vec::new() });
    assert!(matches!(n.hears(a.attempt), Some(LineNews::Outcome { outcome: Outcome::Accepted { .. } })));
    n.event(LineEvent::Finished { lead: d.lead, ok: true, outcome: "200000".into(), number_dead: false, lost: false });
    assert!(matches!(n.hears(a.attempt), Some(LineNews::Finished { ok: true, .. })));
}

#[test]
fn a_gathered_call_that_its_account_lost_makes_nobody_wait_for_the_next() {
    let mut n = Number::new();
    let (one, two) = (ask(1, Relation::Deputy, Channel::Voice), ask(2, Relation::Deputy, Channel::Voice));
    n.asks(one.clone());
    n.after(Span::secs(2));
    let d = n.departs();
    n.event(LineEvent::Finished { lead: d.lead, ok: false, outcome: "999999".into(), number_dead: false, lost: true });
    n.asks(LineAsk { failed_by: vec!["a".into()], ..two.clone() });
    n.after(Span::secs(2));
    let again = n.departs();
    assert_eq!((again.lead, again.failed_by), (two.attempt, vec!["a".to_string()]));
}

#[test]
fn a_receipt_after_the_flight_was_given_up_still_reaches_everybody_it_spoke_of() {
    let mut n = Number::new();
    n.asks(ask(1, Relation::Deputy, Channel::Sms));
    n.asks(ask(2, Relation::Deputy, Channel::Sms));
    n.after(Span::secs(2));
    let d = n.departs();
    n.event(LineEvent::Outcome { lead: d.lead, outcome: accepted(), others: vec![] });
    n.after(Span::mins(11));
    assert!(n.line.flights.is_empty());
    let failed = |number_dead| LineEvent::Finished { lead: d.lead, ok: false, outcome: "MK:0001".into(), number_dead, lost: false };
    n.event(failed(true));
    for ordinal in [1, 2] {
        assert!(matches!(n.hears(attempt(ordinal, 1)), Some(LineNews::Finished { number_dead: true, .. })), "{:?}", n.news);
    }

    let mut n = Number::new();
    n.asks(ask(1, Relation::Holder, Channel::Voice));
    let d = n.departs();
    n.event(LineEvent::Outcome { lead: d.lead, outcome: accepted(), others: vec![] });
    n.after(Span::mins(3));
    assert!(matches!(n.hears(d.lead), Some(LineNews::GivenUp { .. })), "{:?}", n.news);
    n.after(Span::mins(2));
    n.event(LineEvent::Finished { lead: d.lead, ok: false, outcome: "200004".into(), number_dead: true, lost: false });
    assert!(matches!(n.hears(d.lead), Some(LineNews::Finished { number_dead: true, .. })), "{:?}", n.news);
}

#[test]
fn a_gathered_message_that_speaks_of_more_than_an_older_one_has_a_digit_of_its_own() {
    let mut n = Number::new();
    n.asks(ask(1, Relation::DutyDesk, Channel::Sms));
    n.asks(ask(2, Relation::DutyDesk, Channel::Sms));
    n.after(Span::secs(2));
    assert_eq!(n.departs().digit, Some(1));
    let again = |ordinal| LineAsk { attempt: attempt(ordinal, 2), ..ask(ordinal, Relation::DutyDesk, Channel::Sms) };
    n.after(Span::mins(5)).asks(again(1));
    n.after(Span::secs(2));
    assert_eq!(n.departs().digit, Some(1), "nothing in it that the older one did not say");
    n.after(Span::mins(5)).asks(LineAsk { attempt: attempt(1, 3), ..again(1) });
    n.asks(ask(3, Relation::DutyDesk, Channel::Sms));
    n.after(Span::secs(2));
    assert_eq!(n.departs().digit, Some(2), "a `1` under way must not take over the third");
    assert!(n.line.ask_with(1).unwrap().members.iter().all(|m| m.attempt.callout.ordinal != 3));
}

#[test]
fn the_hundredth_ask_of_a_day_shares_no_digit() {
    let mut n = Number::new();
    let digits: std::collections::BTreeSet<u8> = (1..=200).map(|ordinal| n.writes(ordinal, false)).collect();
    assert_eq!(digits.len(), 200);
}

#[test]
fn a_hedge_goes_by_itself_and_waits_for_no_gathering() {
    let mut n = Number::new();
    n.asks(ask(1, Relation::Deputy, Channel::Sms));
    n.after(Span::secs(2));
    n.departs();
    n.after(Span::secs(20));
    n.asks(ask(2, Relation::Deputy, Channel::Sms));
    n.asks(LineAsk { attempt: attempt(1, 2), never: Some("a".into()), ..ask(1, Relation::Deputy, Channel::Sms) });
    let leaving = n.leaving();
    assert_eq!(leaving.len(), 1, "the other waits its three minutes: {leaving:?}");
    assert_eq!((leaving[0].lead, leaving[0].never.as_deref()), (attempt(1, 2), Some("a")));
    n.event(LineEvent::Depart { lead: attempt(1, 2), provider: "b".into() });
    n.after(Span::mins(3) + Span::secs(1));
    let leaving = n.leaving();
    assert_eq!((leaving[0].lead, leaving[0].never.as_deref()), (attempt(2, 1), None), "and is bound to no account");
}
