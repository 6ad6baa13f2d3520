//! The contract's Rules on one callout, a sentence a test. Each reads like the night it is about.

use super::{
    event::{Event, FeedbackFrom, LineNews, ManualBy},
    fold,
    state::*,
    step::{Channels, Ctx, Stepped, open, open_carried, step},
};
use crate::core::{
    directory::{Place, Role, Tier},
    division::Division,
    hazard::Level,
    ids::{CalloutId, RecipientId, WarningId},
    line::LineLetter,
    phone::Phone,
    plan::{PlanDuty, PlanEntry, PlanPerson, PlanPost, PlanRota, PlanShift},
    policy::{AnswerRule, Clocks, FeedbackRule, Ladder, Night, Schedule, Topic},
    route::{Route, Routes},
    send::{Channel, Outcome},
    time::{Span, Time},
};

mod clocks;
mod unknown;

/// L1 in short: SMS and calls at once, deputy at the deadline, desk and task behind it.
const LADDER: &str = r#"
deadline = { village = "5m" }
repeat = "5m"
rung = [
  { at = "start", call = ["holder"], send = ["sms"], voice = { after = "30s", every = "90s", times = 4 } },
  { at = "deadline", call = ["deputy", "holder"], send = ["sms"], voice = { after = "0s", every = "90s", times = 3 } },
  { at = "deadline+3m", call = ["township_desk"], send = ["sms"], voice = { after = "0s", every = "3m", times = 2 }, task = { title = "人工电话叫应", desk = "township_desk", unclaimed = "3m" } },
  { at = "deadline+7m", call = ["county_desk"], send = ["sms"], voice = { after = "0s", every = "1m", times = 1 }, task = { title = "县值班员叫应", desk = "county_desk", unclaimed = "3m" } },
]
"#;

struct Night1 {
    entry: PlanEntry,
    people: Vec<PlanPerson>,
    rotas: Vec<PlanRota>,
    ladder: Ladder,
    feedback: Schedule,
    clocks: Clocks,
    state: Callout,
    now: Time,
    last: Option<Stepped>,
    journal: Vec<(Time, Vec<super::entry::Entry>)>,
    /// The lines take what they are given: messages are accepted, calls ring in vain.
    lines_work: bool,
    accounts: Vec<Route>,
}

fn person(id: u32, name: &str, phones: &[&str]) -> PlanPerson {
    PlanPerson { id: RecipientId(id), name: name.into(), phones: phones.iter().map(|p| Phone::parse(p).unwrap()).collect(), email: None }
}

fn post(place: u64, deputy: Option<u16>, rule: AnswerRule) -> PlanPost {
    PlanPost {
        role: Role("flash_flood".into()),
        title: "山洪预警员".into(),
        place: Place { division: Division(place), point: None },
        place_name: "某村".into(),
        tier: Tier::Village,
        deputy,
        rota: None,
        rule,
        forwards: false,
        line: None,
    }
}

impl Night1 {
    fn new() -> Night1 {
        Night1::with(vec![post(140521101201, Some(1), AnswerRule::Each)], &["15400000001", "15400000002"])
    }

    fn with(posts: Vec<PlanPost>, phones: &[&str]) -> Night1 {
        Night1::with_mail(posts, phones, None)
    }

    fn with_mail(posts: Vec<PlanPost>, phones: &[&str], mail: Option<&str>) -> Night1 {
        let mut n = Night1 {
            entry: PlanEntry {
                person: 0,
                posts,
                level: Level::Red,
                ladder: 0,
                deadline: Span::mins(5),
                feedback: Some(0),
                superior: Some(2),
                township_desk: Some(3),
                county_desk: Some(4),
                city_desk: None,
                shift_leader: Some(5),
                others: Vec::new(),
                relay: None,
                duty: PlanDuty::default(),
                hold_until: None,
                hold_voice_until: None,
            },
            people: vec![
                person(1, "村主任", phones),
                person(2, "副主任", &["15400000011"]),
                person(3, "乡长", &["15400000021"]),
                person(4, "乡值班室", &["03560000001"]),
                person(5, "县值班室", &["03560000002"]),
                person(6, "带班领导", &["15400000031"]),
                person(7, "另一副主任", &["15400000012"]),
            ],
            rotas: Vec::new(),
            ladder: toml::from_str(&match mail {
                Some(_) => LADDER.replace(r#"send = ["sms"]"#, r#"send = ["sms", "email"]"#),
                None => LADDER.to_string(),
            })
            .unwrap(),
            feedback: Schedule(vec![FeedbackRule {
                first: Span::mins(15),
                every: Some(Span::hours(1)),
                task_after: Span::mins(10),
                ask: vec!["到岗".into()],
                about: None,
            }]),
            clocks: Clocks::default(),
            state: fold::blank(),
            now: Time(1_000_000_000),
            last: None,
            journal: Vec::new(),
            lines_work: true,
            accounts: Vec::new(),
        };
        n.people[0].email = mail.map(str::to_string);
        let s = open(n.ctx(), CalloutId::new(WarningId(1), 0), n.now, n.now);
        n.took(s);
        n.event(Event::Tick);
        n
    }

    fn ctx(&self) -> Ctx<'_> {
        Ctx {
            warning: WarningId(1),
            drill: false,
            entry: &self.entry,
            people: &self.people,
            rotas: &self.rotas,
            ladder: &self.ladder,
            feedback: Some(&self.feedback),
            clocks: &self.clocks,
            night: Night::default(),
            channels: Channels { sms: true, voice: true, email: true },
            routes: Routes { all: &self.accounts, working: u64::MAX },
            sending_timeout: Span::secs(15),
        }
    }

    fn took(&mut self, s: Stepped) {
        self.journal.push((self.now, s.entries.clone()));
        self.state = s.state.clone();
        let refolded = fold::fold(self.journal.iter().map(|(t, e)| (*t, e.as_slice())));
        assert_eq!(refolded, self.state, "the journal folds to the row");
        if self.state.state.is_open() {
            assert!(self.state.due(&self.ctx()).is_some(), "an open callout without a clock: {:?}", self.state);
        }
        self.last = Some(s);
    }

    fn event(&mut self, event: Event) -> &mut Self {
        let s = step(self.ctx(), &self.state, &event, self.now);
        self.took(s);
        self
    }

    /// Time passes; whatever is due on the way is done on the way. Direct messages are accepted at once.
    fn after(&mut self, span: Span) -> &mut Self {
        let end = self.now + span;
        loop {
            self.send_all();
            let next = self.state.due(&self.ctx()).filter(|d| *d <= end);
            let Some(next) = next else { break };
            self.now = self.now.max(next);
            let before = self.state.clone();
            self.event(Event::Tick);
            if before == self.state && next >= self.now {
                self.now = self.now + Span::ms(1);
            }
        }
        self.now = end;
        self.event(Event::Tick);
        self.send_all();
        self
    }

    fn send_all(&mut self) {
        let due: Vec<u16> = self.state.sendable(self.now).map(|(n, _)| n).collect();
        for n in due {
            self.event(Event::Submit { n, provider: "sms".into(), digit: Some(1) });
            self.event(Event::Outcome { n, outcome: Outcome::Accepted { provider_message_id: format!("b{n}") } });
        }
        while self.lines_work
            && let Some(i) = self.state.attempts.iter().position(|a| a.by_line && a.state == AttemptState::Queued)
        {
            let n = i as u16 + 1;
            self.event(Event::Line { n, news: LineNews::Sending { provider: "line".into(), digit: Some(1), at: None } });
            let news = match self.state.attempts[i].channel {
                Channel::Voice => {
                    LineNews::Finished { ok: false, outcome: "200003".into(), number_dead: false, refused: false, lost: false }
                }
                _ => LineNews::Outcome { outcome: Outcome::Accepted { provider_message_id: format!("b{n}") } },
            };
            self.event(Event::Line { n, news });
        }
    }

    fn answer(&mut self, contact: u8, via: Via) -> &mut Self {
        let at = self.now;
        self.event(Event::Answer { contact, via, at })
    }

    fn contact(&self, relation: Relation) -> u8 {
        self.state.contacts.iter().position(|k| k.relation == relation).unwrap_or_else(|| panic!("no {relation:?}")) as u8
    }

    fn last_call(&self, contact: u8) -> u16 {
        let found = self.state.attempts.iter().rposition(|a| a.contact == contact && a.channel == Channel::Voice);
        found.expect("a call") as u16 + 1
    }

    fn is(&self, state: CalloutState) -> &Self {
        assert_eq!(self.state.state, state, "{:#?}", self.state);
        self
    }

    fn sent(&self, kind: AskKind) -> usize {
        self.state.attempts.iter().filter(|a| a.kind == kind && a.state != AttemptState::Withdrawn).count()
    }
}

// ── What is an answer ────────────────────────────────────────────────────────────────────────────

#[test]
fn a_link_a_reply_the_asked_key_an_entry_each_is_an_answer() {
    for via in [Via::Link, Via::Reply, Via::Keypress, Via::Api] {
        let mut n = Night1::new();
        n.after(Span::secs(10)).is(CalloutState::Calling);
        n.answer(0, via).is(CalloutState::Answered);
        let ack = n.state.acknowledgement.clone().unwrap();
        assert_eq!((ack.via, ack.late, ack.by.relation.as_str()), (via, false, "holder"));
    }
    let mut n = Night1::new();
    n.event(Event::Manual { officer: "值班员".into(), via: Via::Manual, method: "电台".into(), note: None, by: ManualBy::Holder });
    n.is(CalloutState::Answered);
    assert_eq!(n.state.acknowledgement.as_ref().unwrap().entered_by.as_deref(), Some("值班员"));
}

#[test]
fn delivery_a_lifted_receiver_and_another_key_are_no_answer() {
    let mut n = Night1::new();
    n.after(Span::secs(31));
    n.event(Event::Receipt { n: 1, delivered: true, outcome: "DELIVERED".into(), number_dead: false, lost: false })
        .is(CalloutState::Calling);
    let call = n.last_call(0);
    n.event(Event::Line { n: call, news: LineNews::Sending { provider: "voice".into(), digit: None, at: None } });
    for keys in ["2", "9", "12", "#", ""] {
        let at = n.now;
        n.event(Event::Line { n: call, news: LineNews::Keys { keys: keys.into(), at } }).is(CalloutState::Calling);
    }
    n.event(Event::Line {
        n: call,
        news: LineNews::Finished { ok: true, outcome: "200000".into(), number_dead: false, refused: false, lost: false },
    });
    n.is(CalloutState::Calling);
}

#[test]
fn the_asked_key_answers_even_after_the_call_was_given_up() {
    let mut n = Night1::new();
    n.after(Span::secs(31));
    let call = n.last_call(0);
    n.event(Event::Line { n: call, news: LineNews::Sending { provider: "voice".into(), digit: None, at: None } });
    n.event(Event::Line {
        n: call,
        news: LineNews::Finished { ok: false, outcome: "no report".into(), number_dead: false, refused: false, lost: false },
    });
    let at = n.now;
    n.event(Event::Line { n: call, news: LineNews::Keys { keys: "1".into(), at } }).is(CalloutState::Answered);
}

#[test]
fn the_holders_answer_covers_all_posts_and_a_deputys_only_those_he_deputises() {
    let posts = vec![post(140521101201, Some(1), AnswerRule::Each), post(140521101202, Some(6), AnswerRule::Each)];
    let mut n = Night1::with(posts.clone(), &["15400000001"]);
    n.after(Span::mins(5));
    let deputy = n.contact(Relation::Deputy);
    n.answer(deputy, Via::Reply).is(CalloutState::Overdue);
    assert_eq!(n.state.answered, vec![0]);
    let entries = n.journal.len();
    n.answer(deputy, Via::Keypress).is(CalloutState::Overdue);
    assert!(n.journal.len() > entries, "said again, it is kept as evidence");
    let other = n.state.contacts.iter().position(|k| k.id == RecipientId(7)).unwrap() as u8;
    n.answer(other, Via::Reply).is(CalloutState::Answered);
    assert_eq!(n.state.acknowledgement.as_ref().unwrap().by.name, "另一副主任");

    let mut n = Night1::with(posts, &["15400000001"]);
    n.after(Span::mins(5));
    n.answer(0, Via::Reply).is(CalloutState::Answered);
}

#[test]
fn a_desks_or_superiors_key_takes_over_and_only_completion_naming_who_was_reached_answers() {
    let mut n = Night1::new();
    n.after(Span::mins(8) + Span::secs(1)).is(CalloutState::HandedOver);
    let desk = n.contact(Relation::DutyDesk);
    n.answer(desk, Via::Keypress).is(CalloutState::HandedOver);
    let task = n.state.open_task(TaskKind::Call).unwrap().clone();
    assert_eq!(task.taken_by, Some(desk));
    n.event(Event::CompleteTask {
        n: task.n,
        officer: "值班员".into(),
        via: Via::Manual,
        outcome: "reached".into(),
        reached: Some(ManualBy::Holder),
        note: None,
    });
    n.is(CalloutState::Answered);
    let ack = n.state.acknowledgement.clone().unwrap();
    assert_eq!((ack.via, ack.late), (Via::Manual, true));
}

#[test]
fn a_superior_cannot_be_named_as_the_one_who_answered() {
    let mut n = Night1::new();
    n.after(Span::mins(8) + Span::secs(1));
    let task = n.state.open_task(TaskKind::Call).unwrap().n;
    let reached = Some(ManualBy::Person(RecipientId(4)));
    n.event(Event::CompleteTask { n: task, officer: "值班员".into(), via: Via::Manual, outcome: "reached".into(), reached, note: None });
    n.is(CalloutState::HandedOver);
    assert!(n.last.as_ref().unwrap().effects.refused.is_some());
}

#[test]
fn an_answer_counts_from_any_open_state_late_or_not() {
    for wait in [Span::secs(1), Span::mins(4), Span::mins(6), Span::mins(9), Span::hours(3)] {
        let mut n = Night1::new();
        n.after(wait).answer(0, Via::Link).is(CalloutState::Answered);
        assert_eq!(n.state.acknowledgement.as_ref().unwrap().late, wait > Span::mins(5));
    }
}

#[test]
fn the_completing_answer_withdraws_what_is_queued_and_closes_the_task() {
    let mut n = Night1::new();
    n.lines_work = false;
    n.after(Span::mins(8) + Span::secs(1));
    n.answer(0, Via::Link);
    assert!(n.state.tasks.iter().all(|t| !t.is_open()));
    assert!(n.state.attempts.iter().all(|a| a.state != AttemptState::Queued));
    assert!(n.last.as_ref().unwrap().effects.line.iter().any(|(_, l)| matches!(l, LineLetter::Withdraw { .. })));
    assert!(n.state.contacts.iter().all(|k| k.calls.is_none()) && n.state.next_rung.is_none());
}

#[test]
fn an_answered_callout_never_becomes_unanswered() {
    let mut n = Night1::new();
    n.answer(0, Via::Link);
    n.event(Event::Decline { contact: 0, not_me: true, via: Via::Link }).is(CalloutState::Answered);
    n.event(Event::Covered { place: "140521101201".into() }).is(CalloutState::Answered);
    n.event(Event::End { reason: ClosedReason::Cancelled }).is(CalloutState::Answered);
    n.answer(0, Via::Reply).after(Span::hours(2)).is(CalloutState::Answered);
}

#[test]
fn after_covered_an_answer_still_counts_and_after_other_ends_it_is_evidence() {
    let mut n = Night1::with(vec![post(140521101201, Some(1), AnswerRule::Any)], &["15400000001"]);
    n.event(Event::Covered { place: "140521101201".into() }).is(CalloutState::Closed);
    assert_eq!(n.state.closed_reason, Some(ClosedReason::Covered));
    n.answer(0, Via::Reply).is(CalloutState::Answered);

    let mut n = Night1::new();
    n.after(Span::secs(5));
    n.event(Event::End { reason: ClosedReason::Cancelled }).after(Span::secs(5)).is(CalloutState::Closed);
    n.answer(0, Via::Reply).is(CalloutState::Closed);
    assert_eq!(n.sent(AskKind::Ended), 1, "the person is told how it ended");
    assert!(n.journal.iter().flat_map(|j| &j.1).any(|e| matches!(e, super::entry::Entry::Evidence { .. })));
}

#[test]
fn covered_strikes_only_that_place() {
    let posts = vec![post(140521101201, None, AnswerRule::Any), post(140521101202, None, AnswerRule::Any)];
    let mut n = Night1::with(posts, &["15400000001"]);
    n.event(Event::Covered { place: "140521101201".into() }).is(CalloutState::Queued);
    n.event(Event::Covered { place: "140521101202".into() }).is(CalloutState::Closed);
}

// ── The ladder ───────────────────────────────────────────────────────────────────────────────────

#[test]
fn silence_goes_redial_second_number_deputy_township_task_county_and_round_again() {
    let mut n = Night1::new();
    n.after(Span::secs(31));
    let call = n.last_call(0);
    assert_eq!(n.state.attempt(call).unwrap().number, 0);
    n.event(Event::Line { n: call, news: LineNews::Sending { provider: "v".into(), digit: None, at: None } });
    n.event(Event::Line {
        n: call,
        news: LineNews::Finished { ok: false, outcome: "200003".into(), number_dead: false, refused: false, lost: false },
    });
    n.after(Span::secs(91));
    let second = n.last_call(0);
    assert!(second != call && n.state.attempt(second).unwrap().number == 1, "from the second call the second number");
    n.after(Span::mins(3)).is(CalloutState::Overdue);
    n.contact(Relation::Deputy);
    n.after(Span::mins(3)).is(CalloutState::HandedOver);
    assert_eq!(n.state.open_task(TaskKind::Call).unwrap().title, "人工电话叫应");
    n.after(Span::mins(4));
    assert_eq!(n.state.open_task(TaskKind::Call).unwrap().title, "县值班员叫应");
    let attempts = n.state.attempts.len();
    n.after(Span::mins(30)).is(CalloutState::HandedOver);
    assert!(n.state.attempts.len() > attempts, "the last rung repeats");
}

#[test]
fn without_a_door_it_begins_at_the_deputys_rung_as_unreachable() {
    let mut n = Night1::with(vec![post(140521101201, Some(1), AnswerRule::Each)], &[]);
    n.is(CalloutState::Unreachable);
    let deputy = n.contact(Relation::Deputy);
    n.after(Span::mins(9)).is(CalloutState::HandedOver);
    n.answer(deputy, Via::Reply).is(CalloutState::Answered);
}

#[test]
fn not_me_and_hand_to_deputy_answer_nothing_and_call_the_deputy_at_once() {
    for not_me in [true, false] {
        let mut n = Night1::new();
        n.after(Span::secs(5));
        n.event(Event::Decline { contact: 0, not_me, via: Via::Link });
        assert!(n.state.state.is_open());
        n.contact(Relation::Deputy);
        let before = n.state.attempts.iter().filter(|a| a.contact == 0).count();
        n.after(Span::mins(30));
        assert_eq!(n.state.attempts.iter().filter(|a| a.contact == 0).count(), before, "he is left alone");
    }
}

#[test]
fn a_dead_number_is_replaced_by_the_second_and_two_dead_ones_call_the_deputy() {
    let mut n = Night1::new();
    n.after(Span::secs(1));
    n.event(Event::Receipt { n: 1, delivered: false, outcome: "空号".into(), number_dead: true, lost: false });
    n.after(Span::secs(1));
    let second = n.state.attempts.iter().rposition(|a| a.channel == Channel::Sms).unwrap();
    assert_eq!(n.state.attempts[second].number, 1);
    n.event(Event::Receipt { n: second as u16 + 1, delivered: false, outcome: "停机".into(), number_dead: true, lost: false });
    n.is(CalloutState::Unreachable);
    n.contact(Relation::Deputy);
}

#[test]
fn a_number_that_a_provider_refuses_sms_to_is_rung_all_the_same() {
    let mut n = Night1::new();
    n.event(Event::Submit { n: 1, provider: "sms".into(), digit: Some(1) });
    n.event(Event::Outcome { n: 1, outcome: Outcome::PermanentNumber { detail: "isv.BLACK_KEY_CONTROL_LIMIT".into() } });
    let second = n.state.attempts.iter().rposition(|a| a.channel == Channel::Sms).unwrap();
    assert_eq!(n.state.attempts[second].number, 1, "the text goes to his other number");
    n.after(Span::secs(31));
    let call = n.state.attempts.iter().find(|a| a.channel == Channel::Voice).unwrap();
    assert_eq!(call.number, 0, "a blocklist of one provider proves nothing of the number");
    n.is(CalloutState::Calling);
}

#[test]
fn a_text_that_one_account_refuses_goes_by_the_other_and_is_given_up_when_all_have() {
    let mut n = Night1::new();
    n.accounts = ["a", "b"].map(|name| Route { account: name.into(), channel: Channel::Sms, receipts: true }).into();
    for (provider, last) in [("a", false), ("b", true)] {
        n.event(Event::Submit { n: 1, provider: provider.into(), digit: Some(1) });
        n.event(Event::Outcome { n: 1, outcome: Outcome::PermanentContent { detail: "isv.SMS_CONTENT_ILLEGAL".into() } });
        let first = n.state.attempt(1).unwrap();
        assert_eq!(first.state, if last { AttemptState::Failed } else { AttemptState::Queued });
        assert!(last || first.not_before == Some(n.now), "at once");
    }
}

#[test]
fn an_account_that_is_sent_to_too_fast_uses_up_no_tries_of_a_message() {
    let mut n = Night1::new();
    for _ in 0..12 {
        n.event(Event::Submit { n: 1, provider: "sms".into(), digit: Some(1) });
        let outcome = Outcome::Throttled { after: Some(Span::secs(1)), whole_account: true, detail: "LimitExceeded".into() };
        n.event(Event::Outcome { n: 1, outcome });
        assert_eq!(n.state.attempt(1).unwrap().state, AttemptState::Queued);
        n.now = n.now + Span::secs(1);
    }
}

#[test]
fn a_call_that_its_provider_keeps_past_the_next_rung_makes_the_next_rung_come_now() {
    let mut n = Night1::new();
    n.lines_work = false;
    n.after(Span::secs(31));
    let call = n.last_call(0);
    n.event(Event::Line { n: call, news: LineNews::Sending { provider: "line".into(), digit: None, at: None } });
    let (rung, until) = (n.state.rung, n.now + Span::hours(24));
    n.event(Event::Line { n: call, news: LineNews::Deferred { until, why: "throttled: 触发天级流控".into(), quota: true } });
    assert_eq!(n.state.attempt(call).unwrap().state, AttemptState::Withdrawn);
    n.event(Event::Tick);
    assert!(n.state.rung > rung, "{:?} after {rung:?}", n.state.rung);
}

// ── Tasks ────────────────────────────────────────────────────────────────────────────────────────

#[test]
fn a_claimed_task_pauses_the_calls_and_lapses_after_five_minutes() {
    let mut n = Night1::new();
    n.after(Span::mins(8) + Span::secs(1));
    let task = n.state.open_task(TaskKind::Call).unwrap().n;
    n.event(Event::ClaimTask { n: task, officer: "甲".into() });
    let attempts = n.state.attempts.len();
    n.after(Span::mins(4));
    assert_eq!(n.state.attempts.len(), attempts, "automatic calls pause");
    n.event(Event::ClaimTask { n: task, officer: "乙".into() });
    assert!(n.last.as_ref().unwrap().effects.refused.is_some(), "claimed by another");
    n.after(Span::mins(1) + Span::secs(1));
    assert!(n.state.attempts.len() > attempts, "the ladder runs on after the lapse");
}

#[test]
fn completing_without_an_answer_opens_the_next_rung() {
    let mut n = Night1::new();
    n.after(Span::mins(8) + Span::secs(1));
    let task = n.state.open_task(TaskKind::Call).unwrap().n;
    n.event(Event::CompleteTask {
        n: task,
        officer: "甲".into(),
        via: Via::Manual,
        outcome: "not_reached".into(),
        reached: None,
        note: None,
    });
    assert_eq!(n.state.rung, Some(3));
    assert_eq!(n.state.open_task(TaskKind::Call).unwrap().title, "县值班员叫应");
}

#[test]
fn an_unclaimed_task_rings_the_shift_leader() {
    let mut n = Night1::new();
    n.after(Span::mins(8) + Span::secs(1));
    assert!(!n.state.contacts.iter().any(|k| k.id == RecipientId(6)));
    n.after(Span::mins(3));
    assert!(n.state.contacts.iter().any(|k| k.id == RecipientId(6)));
}

#[test]
fn a_desk_rings_its_own_number_first_and_then_whoever_sits_there_and_the_leader_of_the_shift_is_rung() {
    let mut n = Night1::new();
    let begun = n.now;
    let first = n.people.len() as u16;
    n.people.extend([
        person(21, "白班员", &["15400000041"]),
        person(22, "夜班员", &["15400000042"]),
        person(23, "当班领导", &["15400000043"]),
    ]);
    let (change, end) = (begun + Span::mins(10), begun + Span::hours(12));
    let shift = |from, to, person| PlanShift { from, to, person };
    let desk = vec![shift(Time(0), change, first), shift(change, end, first + 1)];
    n.rotas = vec![PlanRota { beside: true, shifts: desk }, PlanRota { beside: true, shifts: vec![shift(Time(0), end, first + 2)] }];
    n.entry.duty = PlanDuty { township: Some(0), leader: Some(1), ..PlanDuty::default() };
    n.after(Span::mins(8) + Span::secs(1));
    let contact = |n: &Night1, id: u32| n.state.contacts.iter().position(|k| k.id == RecipientId(id));
    let (line, officer) = (contact(&n, 4).expect("the desk"), contact(&n, 21).expect("its officer"));
    assert_eq!(contact(&n, 22), None, "not on duty yet");
    assert_eq!(n.state.contacts[officer].relation, Relation::DutyDesk);
    let of = |n: &Night1, contact: usize, channel: Channel| {
        n.state.attempts.iter().filter(|a| usize::from(a.contact) == contact && a.channel == channel).count()
    };
    assert_eq!((of(&n, line, Channel::Voice), of(&n, officer, Channel::Voice)), (1, 0));
    assert_eq!((of(&n, line, Channel::Sms), of(&n, officer, Channel::Sms)), (0, 1), "a landline cannot read");
    n.after(Span::mins(3));
    assert_eq!(of(&n, officer, Channel::Voice), 1, "nobody has taken over");
    assert!(contact(&n, 23).is_some() && contact(&n, 6).is_none(), "the leader of the rota, not the standing one");
}

#[test]
fn any_other_reply_is_read_by_an_officer_and_the_ladder_runs_on() {
    let mut n = Night1::new();
    n.after(Span::secs(5));
    n.event(Event::Unreadable { contact: 0, text: "桥断了过不去".into() }).is(CalloutState::Calling);
    assert!(n.state.open_task(TaskKind::Read).unwrap().title.contains("桥断了过不去"));
    n.after(Span::mins(6)).is(CalloutState::Overdue);
}

// ── Providers ────────────────────────────────────────────────────────────────────────────────────

#[test]
fn an_unknown_sms_is_looked_up_three_times_and_then_goes_again_for_red() {
    let mut n = Night1::new();
    n.event(Event::Submit { n: 1, provider: "sms".into(), digit: Some(1) });
    n.event(Event::Outcome { n: 1, outcome: Outcome::Unknown { detail: "timeout".into() } });
    for _ in 0..3 {
        assert_eq!(n.state.attempts.iter().filter(|a| a.channel == Channel::Sms).count(), 1, "never blindly resent");
        n.now = n.now + Span::mins(2);
        n.event(Event::LookedUp { n: 1, found: false, provider_id: None });
    }
    let again = n.state.attempts.iter().position(|a| a.repeats == Some(1)).expect("once more") as u16 + 1;
    n.event(Event::Submit { n: again, provider: "sms".into(), digit: Some(1) });
    n.event(Event::Outcome { n: again, outcome: Outcome::Unknown { detail: "0x00000400".into() } });
    for _ in 0..3 {
        n.now = n.now + Span::mins(2);
        n.event(Event::LookedUp { n: again, found: false, provider_id: None });
    }
    assert_eq!(n.state.attempts.iter().filter(|a| a.repeats.is_some()).count(), 1, "once, not every two minutes");
}

#[test]
fn an_unknown_yellow_awaits_the_receipt() {
    let mut n = Night1::new();
    n.entry.level = Level::Yellow;
    n.event(Event::Submit { n: 1, provider: "sms".into(), digit: Some(1) });
    n.event(Event::Outcome { n: 1, outcome: Outcome::Unknown { detail: "timeout".into() } });
    for _ in 0..3 {
        n.event(Event::LookedUp { n: 1, found: false, provider_id: None });
    }
    assert!(n.state.attempts.iter().all(|a| a.repeats.is_none()));
}

#[test]
fn a_crash_between_intent_and_outcome_makes_the_attempt_unknown() {
    let mut n = Night1::new();
    n.event(Event::Submit { n: 1, provider: "sms".into(), digit: Some(1) });
    n.now = n.now + Span::secs(16);
    n.event(Event::Tick);
    assert_eq!(n.state.attempt(1).unwrap().state, AttemptState::Unknown);
}

#[test]
fn late_doubled_and_early_news_change_nothing_they_must_not() {
    let mut n = Night1::new();
    n.event(Event::Submit { n: 1, provider: "sms".into(), digit: Some(1) });
    n.event(Event::Receipt { n: 1, delivered: true, outcome: "DELIVERED".into(), number_dead: false, lost: false });
    n.event(Event::Outcome { n: 1, outcome: Outcome::Accepted { provider_message_id: "b1".into() } });
    let a = n.state.attempt(1).unwrap().clone();
    assert_eq!((a.state, a.provider_id.as_deref()), (AttemptState::Delivered, Some("b1")), "the receipt came first");
    let before = n.state.clone();
    n.event(Event::Receipt { n: 1, delivered: false, outcome: "x".into(), number_dead: true, lost: false });
    n.event(Event::Outcome { n: 1, outcome: Outcome::Unknown { detail: "late".into() } });
    n.event(Event::Outcome { n: 77, outcome: Outcome::Balance { detail: "?".into() } });
    n.event(Event::Line { n: 99, news: LineNews::Keys { keys: "1".into(), at: n.now } });
    n.event(Event::Answer { contact: 9, via: Via::Link, at: n.now });
    assert_eq!(n.state, before);
}

// ── Feedback ─────────────────────────────────────────────────────────────────────────────────────

#[test]
fn feedback_before_an_answer_is_also_the_answer_and_a_report_of_nothing_counts() {
    let mut n = Night1::new();
    n.after(Span::secs(5));
    n.event(Event::Feedback { from: FeedbackFrom::Contact { contact: 0, via: Via::Link }, report: Report::default() });
    n.is(CalloutState::Reported);
    assert!(!n.state.feedback_owed());
    assert_eq!(n.state.reports.keys().next().unwrap(), "140521101201");
}

#[test]
fn the_newest_report_of_a_place_counts_whoever_gave_it() {
    let mut n = Night1::new();
    n.after(Span::mins(5));
    let deputy = n.contact(Relation::Deputy);
    n.answer(0, Via::Link);
    let report = |moved| Report { moved, to_move: 30, ..Report::default() };
    n.event(Event::Feedback { from: FeedbackFrom::Contact { contact: 0, via: Via::Link }, report: report(10) });
    n.now = n.now + Span::mins(1);
    n.event(Event::Feedback { from: FeedbackFrom::Contact { contact: deputy, via: Via::Link }, report: report(25) });
    assert_eq!(n.state.reports.len(), 1);
    assert_eq!(n.state.newest_report().unwrap().report.moved, 25);
}

#[test]
fn overdue_feedback_is_reminded_and_then_becomes_a_task() {
    let mut n = Night1::new();
    n.after(Span::secs(5)).answer(0, Via::Link);
    assert!(n.state.feedback_owed());
    n.after(Span::mins(15));
    assert_eq!(n.sent(AskKind::Feedback), 1);
    n.after(Span::mins(10) + Span::secs(1));
    assert!(n.state.open_task(TaskKind::Call).is_some());
    n.is(CalloutState::Answered);
}

// ── Ends and updates ─────────────────────────────────────────────────────────────────────────────

#[test]
fn a_cancel_tells_everybody_who_was_told_and_never_overtakes_what_is_on_its_way() {
    let mut n = Night1::new();
    n.event(Event::Submit { n: 1, provider: "sms".into(), digit: Some(1) });
    n.event(Event::End { reason: ClosedReason::Cancelled }).is(CalloutState::Closed);
    assert_eq!(n.sent(AskKind::End), 0, "the ask is still under way");
    n.event(Event::Outcome { n: 1, outcome: Outcome::Accepted { provider_message_id: "b".into() } });
    assert_eq!(n.sent(AskKind::End), 1);
    n.event(Event::End { reason: ClosedReason::Cancelled });
    assert_eq!(n.sent(AskKind::End), 1, "told once");
}

#[test]
fn whoever_was_never_reached_is_not_told_the_end() {
    let mut n = Night1::new();
    n.event(Event::End { reason: ClosedReason::Cancelled }).after(Span::mins(5));
    assert!(n.state.attempts.iter().all(|a| a.state == AttemptState::Withdrawn));
}

#[test]
fn the_same_or_a_lower_level_inherits_rung_deadline_and_answer_and_restarts_no_clock() {
    let mut n = Night1::new();
    n.after(Span::mins(6)).is(CalloutState::Overdue);
    let successor = Successor { id: CalloutId::new(WarningId(2), 0), inherits: true };
    n.event(Event::Supersede { successor }).is(CalloutState::Closed);
    let s = open_carried(n.ctx(), successor.id, &n.state, &n.entry, n.now, n.now);
    assert_eq!((s.state.carried_from, s.state.due_at, s.state.rung), (Some(n.state.id), n.state.due_at, n.state.rung));
    assert_eq!(s.state.next_rung, n.state.next_rung, "no clock restarts");
    assert_eq!(s.state.attempts.iter().filter(|a| a.kind == AskKind::Renewed).count(), 1, "the new text is sent once");
    assert!(s.state.state.is_open());
    // An answer to the older message counts for the newer one.
    n.answer(0, Via::Link);
    assert_eq!(n.last.as_ref().unwrap().effects.forward.as_ref().unwrap().callout, successor.id);

    let mut n = Night1::new();
    n.after(Span::secs(5)).answer(0, Via::Link);
    n.event(Event::Supersede { successor });
    let s = open_carried(n.ctx(), successor.id, &n.state, &n.entry, n.now, n.now);
    assert_eq!(s.state.state, CalloutState::Answered, "the answer is inherited");
}

#[test]
fn an_answer_to_an_older_message_never_answers_a_raised_one() {
    let mut n = Night1::new();
    n.after(Span::secs(5));
    n.event(Event::Supersede { successor: Successor { id: CalloutId::new(WarningId(2), 0), inherits: false } });
    n.answer(0, Via::Link).is(CalloutState::Closed);
    assert!(n.last.as_ref().unwrap().effects.forward.is_none());
}

// ── What a simulation found ──────────────────────────────────────────────────────────────────────

#[test]
fn look_ups_asked_before_their_time_say_nothing() {
    let mut n = Night1::new();
    n.event(Event::Submit { n: 1, provider: "sms".into(), digit: Some(1) });
    n.event(Event::Outcome { n: 1, outcome: Outcome::Unknown { detail: "timeout".into() } });
    for _ in 0..5 {
        n.now = n.now + Span::secs(1);
        n.event(Event::LookedUp { n: 1, found: false, provider_id: None });
    }
    assert_eq!(n.state.attempt(1).unwrap().lookups, 1, "only the one after 5 s was due");
}

#[test]
fn what_left_on_a_chain_that_is_no_more_counts_as_sent_here_and_is_of_unknown_fate() {
    let mut n = Night1::new();
    let gone = n.state.attempt(1).unwrap().clone();
    let left = Event::Left { n: 1, attempt: Box::new(gone), at: n.now, provider: "sms".into(), digit: Some(4) };
    n.event(left.clone());
    assert_eq!(n.state.attempt(1).unwrap().state, AttemptState::Sending);
    assert!(n.state.sendable(n.now).all(|(n, _)| n != 1), "it does not leave again");
    n.event(left);
    n.now = n.now + Span::secs(16);
    n.event(Event::Tick);
    assert_eq!((n.state.attempt(1).unwrap().state, n.state.attempt(1).unwrap().tries), (AttemptState::Unknown, 0));
    assert_eq!(serde_json::from_slice::<Event>(&serde_json::to_vec(&Event::Tick).unwrap()).unwrap(), Event::Tick);
}

#[test]
fn a_call_whose_end_nobody_reports_stays_unknown_and_its_person_is_told_the_end() {
    let mut n = Night1::new();
    n.lines_work = false;
    n.after(Span::secs(31));
    let call = n.last_call(0);
    n.state.attempts[0].state = AttemptState::Failed;
    n.journal.clear();
    let before = n.state.clone();
    let line = |news| Event::Line { n: call, news };
    let mut state = before;
    for news in [
        LineNews::Sending { provider: "voice".into(), digit: None, at: None },
        LineNews::Outcome { outcome: Outcome::Accepted { provider_message_id: "b".into() } },
        LineNews::GivenUp { why: "no report of the call's end".into() },
    ] {
        state = step(n.ctx(), &state, &line(news), n.now).state;
    }
    let a = state.attempt(call).unwrap();
    assert_eq!((a.state, a.rings()), (AttemptState::Unknown, false), "the series goes on");
    let ended = step(n.ctx(), &state, &Event::End { reason: ClosedReason::Cancelled }, n.now).state;
    assert!(ended.attempts.iter().any(|a| a.kind == AskKind::End), "he may have heard it");
}

#[test]
fn what_was_taken_back_but_left_all_the_same_counts_and_the_end_waits_for_it() {
    let mut n = Night1::new();
    n.lines_work = false;
    n.after(Span::secs(31));
    let call = n.last_call(0);
    n.event(Event::End { reason: ClosedReason::Cancelled });
    assert_eq!(n.sent(AskKind::End), 0, "the line has not said whether it was in time");
    n.event(Event::Line { n: call, news: LineNews::Sending { provider: "voice".into(), digit: None, at: None } });
    assert_eq!(n.state.attempt(call).unwrap().state, AttemptState::Sending);
    assert_eq!(n.sent(AskKind::End), 0, "it rings");
    n.event(Event::Line {
        n: call,
        news: LineNews::Finished { ok: true, outcome: "200000".into(), number_dead: false, refused: false, lost: false },
    });
    assert_eq!(n.sent(AskKind::End), 1);
}

#[test]
fn a_request_that_did_not_leave_is_not_sent_after_the_end() {
    let mut n = Night1::new();
    n.lines_work = false;
    n.after(Span::secs(31));
    let call = n.last_call(0);
    n.event(Event::Line { n: call, news: LineNews::Sending { provider: "voice".into(), digit: None, at: None } });
    n.event(Event::End { reason: ClosedReason::Cancelled });
    let until = n.now + Span::secs(30);
    n.event(Event::Line { n: call, news: LineNews::Deferred { until, why: "throttled".into(), quota: false } });
    assert_eq!(n.state.attempt(call).unwrap().state, AttemptState::Withdrawn);
    let withdrawn = |(_, l): &(Phone, LineLetter)| matches!(l, LineLetter::Withdraw { .. });
    assert!(n.last.as_ref().unwrap().effects.line.iter().any(withdrawn), "its line must forget it");
}

#[test]
fn the_end_itself_goes_again_when_it_was_put_off() {
    let mut n = Night1::new();
    n.after(Span::secs(5));
    n.event(Event::End { reason: ClosedReason::Cancelled });
    let end = n.state.attempts.len() as u16;
    n.event(Event::Submit { n: end, provider: "sms".into(), digit: None });
    n.event(Event::Outcome { n: end, outcome: Outcome::Retryable { detail: "refused".into() } });
    assert_eq!(n.state.attempt(end).unwrap().state, AttemptState::Queued);
}

#[test]
fn an_attempt_left_when_its_line_sent_it_however_late_the_letter_comes() {
    let mut n = Night1::new();
    n.lines_work = false;
    n.after(Span::mins(5) + Span::secs(1));
    let deputy = n.contact(Relation::Deputy);
    let sms = n.state.attempts.iter().position(|a| a.contact == deputy && a.channel == Channel::Sms).unwrap() as u16 + 1;
    let left = n.now;
    n.after(Span::secs(10));
    n.event(Event::Line { n: sms, news: LineNews::Sending { provider: "sms".into(), digit: Some(1), at: Some(left) } });
    assert_eq!(n.state.attempt(sms).unwrap().sent, Some(left));
}

#[test]
fn called_anew_at_a_higher_level_those_asked_in_his_place_are_told_that_the_older_ask_is_over() {
    let mut n = Night1::new();
    n.after(Span::mins(6));
    let deputy = n.contact(Relation::Deputy);
    n.event(Event::Supersede { successor: Successor { id: CalloutId::new(WarningId(2), 0), inherits: false } });
    n.after(Span::mins(1));
    let ends: Vec<u8> = n.state.attempts.iter().filter(|a| a.kind == AskKind::End).map(|a| a.contact).collect();
    assert_eq!(ends, [deputy], "the holder hears the newer message");
}

#[test]
fn what_is_on_its_way_when_an_update_comes_is_awaited_by_the_older_callout_and_blocks_no_call_of_the_newer() {
    let mut n = Night1::new();
    n.lines_work = false;
    n.after(Span::secs(31));
    let call = n.last_call(0);
    n.event(Event::Line { n: call, news: LineNews::Sending { provider: "voice".into(), digit: None, at: None } });
    let successor = Successor { id: CalloutId::new(WarningId(2), 0), inherits: true };
    n.event(Event::Supersede { successor });
    let s = open_carried(n.ctx(), successor.id, &n.state, &n.entry, n.now, n.now);
    let a = s.state.attempt(call).unwrap();
    assert_eq!((a.state, a.rings()), (AttemptState::Unknown, false));
    assert!(s.state.lookups_due(&n.ctx(), n.now + Span::hours(1)).is_empty(), "looked up there, not here");
}

#[test]
fn after_the_end_an_unread_reply_rings_nobody() {
    let mut n = Night1::new();
    n.after(Span::secs(5));
    n.event(Event::Unreadable { contact: 0, text: "好的".into() });
    n.event(Event::End { reason: ClosedReason::Cancelled });
    n.after(Span::mins(30));
    assert!(n.state.contacts.iter().all(|k| k.relation == Relation::Holder));
    assert!(n.state.open_task(TaskKind::Read).is_some(), "it is still to be read");
}

#[test]
fn the_same_intent_at_another_moment_is_another_entry() {
    let n = Night1::new();
    let submit = Event::Submit { n: 1, provider: "sms".into(), digit: Some(1) };
    let one = step(n.ctx(), &n.state, &submit, n.now).entries;
    let other = step(n.ctx(), &n.state, &submit, n.now + Span::secs(11)).entries;
    assert_ne!(one, other, "or two gateways would both take it for theirs");
}

#[test]
fn a_letter_that_must_wait_hastens_nobody_whose_message_is_on_its_way_but_does_where_it_is_the_only_door() {
    let full = Outcome::Throttled { after: Some(Span::mins(10)), whole_account: true, detail: "421".into() };
    let throttled = |phones: &[&str]| {
        let mut n = Night1::with_mail(vec![post(140521101201, Some(1), AnswerRule::Each)], phones, Some("a@example.org"));
        let of = |n: &Night1, channel| n.state.attempts.iter().position(|a| a.channel == channel).map(|i| i as u16 + 1);
        if let Some(sms) = of(&n, Channel::Sms) {
            n.event(Event::Submit { n: sms, provider: "sms".into(), digit: Some(1) });
            n.event(Event::Outcome { n: sms, outcome: Outcome::Accepted { provider_message_id: "b".into() } });
        }
        let mail = of(&n, Channel::Email).unwrap();
        n.event(Event::Submit { n: mail, provider: "mail".into(), digit: None });
        n.event(Event::Outcome { n: mail, outcome: full.clone() });
        n.event(Event::Tick);
        n
    };
    let n = throttled(&["15400000001"]);
    assert_eq!(n.state.rung, Some(0), "the SMS has left and calls follow: the deputy's turn comes when it comes");
    let n = throttled(&[]);
    assert!(n.state.rung > Some(0), "{:?}", n.state);
}
