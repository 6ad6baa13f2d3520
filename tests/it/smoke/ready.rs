//! What makes ready: numbers that receipts prove dead, drills narrowed and scheduled, the roll call.

use super::stage::{CHIEF, COUNTY_DESK, DEPUTY, LEADER, Night, On, TOWN_DESK, red, village};
use crate::simulate::{people::call_ended, poll::now, town::TOWNS};
use jiaoying::{
    channel::{
        CallbackItem,
        MessageKind::{Callout, Info},
        ReceiptResult,
    },
    core::{
        directory::Tier,
        drill::{DrillScope, schedule::DrillSchedule},
        ids::WarningId,
        phone::Phone,
        send::Channel::{self, Sms, Voice},
        time::{Span, Time},
        warning::Content,
        warning_life::WarningPhase,
    },
    engine::{
        PostError, TokenAction,
        drills::{RollCall, Share},
    },
};

fn phone(n: u32) -> Phone {
    Phone::parse(&format!("154{n:08}")).unwrap()
}

fn receipt(reference: &str, result: ReceiptResult) -> CallbackItem {
    CallbackItem::Receipt { reference: Some(reference.into()), provider_message_id: None, at: None, result, keys: None }
}
fn dead() -> ReceiptResult {
    ReceiptResult::Failed { code: "MK:0001".into(), detail: "空号".into(), number_dead: true, config: false, elsewhere: false }
}

/// Clears what a number is flagged with into memory, as the gateway's own loop does every two seconds.
fn follow(n: &mut Night) {
    n.settle();
    now(n.w.engine.follow_directory()).unwrap();
}

pub fn a_number_that_a_receipt_proves_dead_is_flagged_tried_last_and_lives_again_when_it_is_heard(on: On) {
    let mut n = Night::in_the_village(on);
    let w = n.post(&red("a"));
    n.desks_answer(w);
    let sent = n.expect(CHIEF, Sms, Callout).to("15400000001").out.reference.clone();
    let carried = n.callout(w, CHIEF).attempts[0].provider.clone().unwrap();
    n.callback(&carried, receipt(&sent, dead()));
    follow(&mut n);
    let flags = n.w.engine.people().1.dead_numbers();
    let evidence = flags.get(&phone(1)).expect("flagged");
    assert_eq!((evidence.provider.as_str(), evidence.code.as_str(), evidence.channel), (carried.as_str(), "MK:0001 空号", Sms));
    assert_eq!((evidence.attempt.callout.warning, evidence.attempt.n), (w, 1), "which attempt");
    n.expect(CHIEF, Sms, Callout).to("15400000002");
    n.cancel(w);
    n.after(Span::mins(1)).clear();

    // The next warning writes to the other number first, and says why.
    let w = n.post(&red("b"));
    n.desks_answer(w);
    n.expect(CHIEF, Sms, Callout).to("15400000002");
    let findings = n.w.warning(w).findings.clone();
    assert!(findings.iter().any(|f| f.code == "dead_numbers" && f.detail.starts_with("1人")), "{findings:?}");
    n.after(Span::secs(31)).expect(CHIEF, Voice, Callout).to("15400000002");
    // The dead one is tried last, not never; somebody hears it ring, and it lives.
    let rung = n.after(Span::secs(90)).expect(CHIEF, Voice, Callout).to("15400000001").out.reference.clone();
    n.callback("voice-a", call_ended(&rung, true, None, false));
    follow(&mut n);
    assert!(!n.w.engine.people().1.dead().is_dead(&phone(1)), "a later delivery clears it");
    n.cancel(w);
    n.after(Span::mins(1)).clear();
    n.post(&red("c"));
    n.expect(CHIEF, Sms, Callout).to("15400000001");
}

pub fn a_number_whose_owner_says_that_he_is_another_is_flagged_until_he_answers_from_it(on: On) {
    let mut n = Night::in_the_village(on);
    let w = n.post(&red("a"));
    n.desks_answer(w);
    n.expect(CHIEF, Sms, Callout).to("15400000001");
    let c = n.callout(w, CHIEF).id;
    n.press_button(c, 0, TokenAction::NotMe);
    follow(&mut n);
    let flags = n.w.engine.people().1.dead_numbers();
    let evidence = flags.get(&phone(1)).expect("flagged for coverage");
    assert_eq!((evidence.code.as_str(), evidence.channel, evidence.attempt.callout.warning), ("非本人", Sms, w));
    assert!(!flags.is_dead(&phone(2)), "nobody has said anything of the other");
    n.cancel(w);
    n.after(Span::mins(1)).clear();
    // It is tried last now, and ringing at the stranger's does not clear it; an answer from it does.
    let w = n.post(&red("b"));
    n.desks_answer(w);
    n.expect(CHIEF, Sms, Callout).to("15400000002");
    n.after(Span::secs(31)).expect(CHIEF, Voice, Callout).to("15400000002");
    let rung = n.after(Span::secs(90)).expect(CHIEF, Voice, Callout).to("15400000001").out.reference.clone();
    n.callback("voice-a", call_ended(&rung, true, None, false));
    follow(&mut n);
    assert!(n.w.engine.people().1.dead().is_dead(&phone(1)), "heard, by a stranger");
    n.cancel(w);
    n.after(Span::mins(1)).clear();
    n.post(&red("c"));
    n.after(Span::secs(31)).expect(CHIEF, Voice, Callout).to("15400000002");
    n.after(Span::secs(90)).expect(CHIEF, Voice, Callout).to("15400000001").then_press("1");
    follow(&mut n);
    assert!(!n.w.engine.people().1.dead().is_dead(&phone(1)));
}

pub fn a_number_that_the_clerk_changes_takes_its_flag_along(on: On) {
    let mut n = Night::in_the_village(on);
    n.post(&red("a"));
    let sent = n.expect(CHIEF, Sms, Callout).out.reference.clone();
    n.callback("sms-a", receipt(&sent, dead()));
    follow(&mut n);
    assert!(n.w.engine.people().1.dead().is_dead(&phone(1)));
    let mut directory = (*n.w.engine.directory()).clone();
    let version = directory.version;
    let chief = directory.recipients.values_mut().find(|r| r.name == CHIEF).unwrap();
    chief.phones = vec![phone(77), phone(2)];
    assert!(now(n.w.engine.replace_directory(version, directory.clone())).unwrap());
    follow(&mut n);
    assert!(n.w.engine.people().1.dead().0.is_empty(), "nobody has it any more");
    // The same number given back later is a new number.
    let version = n.w.engine.directory().version;
    directory.recipients.values_mut().find(|r| r.name == CHIEF).unwrap().phones = vec![phone(1), phone(2)];
    assert!(now(n.w.engine.replace_directory(version, directory)).unwrap());
    follow(&mut n);
    assert!(!n.w.engine.people().1.dead().is_dead(&phone(1)));
}

pub fn a_flag_is_there_for_every_gateway_and_after_a_restart(on: On) {
    let mut n = Night::in_the_village(on);
    let other = n.w.another();
    n.post(&red("a"));
    let sent = n.expect(CHIEF, Sms, Callout).out.reference.clone();
    n.callback("sms-a", receipt(&sent, dead()));
    n.settle();
    assert!(!other.people().1.dead().is_dead(&phone(1)), "it has not looked yet");
    now(other.follow_directory()).unwrap();
    assert!(other.people().1.dead().is_dead(&phone(1)));
    n.w.restart();
    assert!(n.w.engine.people().1.dead().is_dead(&phone(1)), "it was durable");
}

pub fn a_drill_is_narrowed_to_tiers_and_channels(on: On) {
    let mut n = Night::in_the_village(on);
    let scope = DrillScope { tiers: vec![Tier::Village], channels: vec![Channel::Sms], ..DrillScope::default() };
    let reply = now(n.w.engine.start_drill_of("值班员", red("d"), scope, false)).unwrap();
    n.settle();
    n.expect(CHIEF, Sms, Callout).says("演练");
    n.after(Span::mins(9));
    assert!(n.out.iter().all(|o| o.channel == Sms), "no phone rings");
    let first: Vec<&str> = n.out.iter().filter(|o| o.kind == Callout).map(|o| o.name.as_str()).collect();
    assert_eq!(first, [CHIEF], "desks and leaders are no holders of it");
    let rows = now(n.w.engine.drill_rows(reply.id)).unwrap();
    let chief = rows.iter().find(|r| r.name == CHIEF).unwrap();
    assert_eq!((chief.channel, chief.delivered, chief.answered.is_some()), (Sms, false, false));
    assert!(rows.iter().any(|r| r.name == DEPUTY && r.relation.as_str() == "deputy"));
}

pub fn a_drill_is_over_when_the_night_begins_and_its_tasks_are_marked(on: On) {
    let mut n = Night::in_the_village(on);
    let expires = Some(n.w.now() + Span::hours(24));
    let drill = now(n.w.engine.start_drill("值班员", Content { expires, ..red("d") })).unwrap().id;
    n.after(Span::mins(9));
    let titles: Vec<String> = n.tasks(drill).into_iter().map(|t| t.title).collect();
    assert!(!titles.is_empty() && titles.iter().all(|t| t.starts_with("【演练】")), "{titles:?}");
    n.after(Span::hours(8));
    assert_eq!(n.w.warning(drill).phase, WarningPhase::Closed, "though nobody has answered");
    let night = n.w.now();
    n.after(Span::hours(9));
    assert!(n.out.iter().all(|o| o.channel != Voice || o.at < night), "nobody is rung at night");
}

pub fn a_drill_that_was_asked_to_ring_at_night_goes_on_when_the_night_begins(on: On) {
    let mut n = Night::in_the_village(on);
    n.after(Span::mins(7 * 60 + 50));
    let scope = DrillScope { at_night: true, ..DrillScope::default() };
    let expires = n.w.now() + Span::hours(2);
    let drill = now(n.w.engine.start_drill_of("值班员", Content { expires: Some(expires), ..red("d") }, scope, false)).unwrap().id;
    n.settle();
    assert_eq!(n.w.warning(drill).expires_at, expires, "as it was asked for");
    n.after(Span::mins(12));
    let night = n.w.now() - Span::mins(2);
    assert_eq!(n.w.warning(drill).phase, WarningPhase::Active, "it is past ten");
    assert!(n.out.iter().any(|o| o.channel == Voice && o.at > night), "and it rings");
}

pub fn a_drill_does_not_start_while_a_real_warning_runs_unless_told(on: On) {
    let mut n = Night::in_the_village(on);
    let w = n.post(&red("a"));
    let refused = now(n.w.engine.start_drill("值班员", red("d"))).unwrap_err();
    assert!(matches!(&refused, PostError::NotNow(why) if why.contains(&w.to_string())), "{refused}");
    let told = now(n.w.engine.start_drill_of("值班员", red("d"), DrillScope::default(), true)).unwrap();
    n.settle();
    assert_eq!(n.w.warning(told.id).phase, WarningPhase::Active);
    n.cancel(told.id);
    n.cancel(w);
    n.after(Span::mins(1));
    now(n.w.engine.start_drill("值班员", red("e"))).expect("the real one is over");
}

pub fn a_drill_does_not_start_beside_a_real_warning_however_long_that_runs(on: On) {
    let mut n = Night::in_the_village(on);
    let expires = Some(n.w.now() + Span::hours(10 * 24));
    let w = n.post(&Content { expires, ..red("a") });
    n.w.clock.advance_to(n.w.now() + Span::hours(8 * 24));
    let refused = now(n.w.engine.start_drill("值班员", red("d"))).unwrap_err();
    assert!(matches!(&refused, PostError::NotNow(why) if why.contains(&w.to_string())), "{refused}");
}

fn call_roll(n: &mut Night, identifier: &str, share: Share) -> Option<WarningId> {
    let order = RollCall { identifier: identifier.into(), share, ..RollCall::default() };
    let reply = now(n.w.engine.start_roll_call("值班员", order)).unwrap();
    n.settle();
    reply.map(|r| r.id)
}

/// Who is written to in this roll call, by number; each is delivered or fails.
fn deliver(n: &mut Night, fails: &[u32]) -> Vec<String> {
    let mut to = Vec::new();
    let out: Vec<_> = n.out.iter().filter(|o| !o.expected && o.channel == Sms && o.kind == Callout).cloned().collect();
    for o in out {
        assert!(o.drill && o.text.contains("演练"), "{}", o.text);
        let failed = fails.iter().any(|f| phone(*f).reveal() == o.to);
        let result = if failed {
            ReceiptResult::Failed { code: "UNDELIV".into(), detail: "关机".into(), number_dead: false, config: false, elsewhere: false }
        } else {
            ReceiptResult::Delivered
        };
        n.callback("sms-a", receipt(&o.reference, result));
        to.push(o.to);
    }
    n.clear();
    to.sort();
    to
}

pub fn a_roll_call_proves_each_number_once_and_says_who_is_left(on: On) {
    let mut n = Night::in_the_village(on);
    // Chief with two numbers, deputy, town and county desk, leader: six numbers.
    let before = now(n.w.engine.roll(None, n.w.now())).unwrap();
    assert_eq!((before.numbers, before.proved, before.untried.len()), (6, 0, 6), "a deputy without a post is among them");
    let first = call_roll(&mut n, "r1", Share::OneIn(2)).unwrap();
    assert_eq!(call_roll(&mut n, "r1", Share::OneIn(2)), Some(first), "the same request is the same drill");
    let called = deliver(&mut n, &[]);
    assert_eq!(called.len(), 3, "{called:?}");
    n.cancel(first);
    n.after(Span::mins(3)).clear();
    let between = now(n.w.engine.roll(None, n.w.now())).unwrap();
    assert_eq!((between.proved, between.untried.len(), between.failed.len()), (3, 3, 0));
    let second = call_roll(&mut n, "r2", Share::OneIn(2)).unwrap();
    let then = deliver(&mut n, &[]);
    assert!(then.iter().all(|t| !called.contains(t)), "nobody twice: {called:?} {then:?}");
    n.cancel(second);
    n.after(Span::mins(3)).clear();
    let after = now(n.w.engine.roll(None, n.w.now())).unwrap();
    assert_eq!(after.proved, 6, "{after:?}");
    assert!(then.contains(&phone(2).reveal().to_string()), "a second number is proved by being the first this time");
    assert_eq!(call_roll(&mut n, "r3", Share::OneIn(2)), None, "nothing is due");
    n.w.restart();
    assert_eq!(now(n.w.engine.roll(None, n.w.now())).unwrap().proved, 6, "it was durable");
    let next = Time::parse_rfc3339("2026-10-01T10:00:00+08:00").unwrap();
    assert_eq!(now(n.w.engine.roll(None, next)).unwrap().untried.len(), 6, "a new quarter begins anew");
}

pub fn a_roll_call_begins_with_who_was_tried_longest_ago(on: On) {
    let mut n = Night::in_the_village(on);
    let first = call_roll(&mut n, "r1", Share::OneIn(6)).unwrap();
    assert_eq!(deliver(&mut n, &[1]), [phone(1).reveal()], "one of six, and it fails");
    n.after(Span::hours(7)).clear();
    assert_eq!(n.w.warning(first).phase, WarningPhase::Closed, "over by itself");
    let roll = now(n.w.engine.roll(None, n.w.now())).unwrap();
    assert_eq!((roll.failed.len(), roll.untried.len()), (1, 5));
    let proofs = now(n.w.engine.proofs()).unwrap();
    assert!(proofs[&phone(1)].proved.is_none() && proofs[&phone(1)].drill == first);
    call_roll(&mut n, "r2", Share::OneIn(6)).unwrap();
    assert_ne!(deliver(&mut n, &[]), [phone(1).reveal()], "others have their turn before it is tried again");
    n.expect_nothing(COUNTY_DESK, Info);
    n.expect_nothing(TOWN_DESK, Info);
    n.expect_nothing(LEADER, Info);
}

pub fn a_landline_is_rung_in_the_roll_call_and_proved_by_being_lifted(on: On) {
    let mut b = village();
    let keeper = b.person("值守员", &["15400000091", "03562111111"]);
    b.post(keeper, "duty", Tier::DutyDesk, TOWNS[0]);
    let mut n = Night::with(on, b.done());
    let landline = Phone::parse("03562111111").unwrap();
    let first = call_roll(&mut n, "r1", Share::OneIn(1)).unwrap();
    assert!(deliver(&mut n, &[]).contains(&"15400000091".to_string()), "his mobile first");
    n.cancel(first);
    n.after(Span::mins(3)).clear();
    let roll = now(n.w.engine.roll(None, n.w.now())).unwrap();
    assert!(roll.untried.iter().any(|u| u.phone == landline), "{roll:?}");
    let second = call_roll(&mut n, "r2", Share::OneIn(1)).unwrap();
    n.after(Span::secs(605));
    assert!(n.out.iter().filter(|o| o.name == "值守员" && !o.expected).all(|o| o.channel == Voice), "nobody writes to a landline");
    n.expect("值守员", Voice, Callout).to("03562111111").then_press("1");
    n.settle();
    n.cancel(second);
    n.after(Span::mins(3)).clear();
    let proof = now(n.w.engine.proofs()).unwrap().remove(&landline).unwrap();
    assert!(proof.proved.is_some(), "{proof:?}");
}

fn daily(name: &str, at: &str) -> DrillSchedule {
    toml::from_str(&format!("name = \"{name}\"\nat = \"{at}\"\nroll_call = true\nshare = 2")).unwrap()
}

fn drills(n: &Night) -> Vec<WarningId> {
    n.w.warnings().iter().filter(|w| w.drill).map(|w| w.id).collect()
}

pub fn a_scheduled_drill_is_started_once_by_one_of_two_gateways(on: On) {
    let mut n = Night::in_the_village(on);
    n.w.restart_with(vec![daily("roll", "14:10")]);
    let other = n.w.another();
    now(n.w.engine.arm_schedules()).unwrap();
    now(other.arm_schedules()).unwrap();
    n.after(Span::mins(9));
    assert!(drills(&n).is_empty(), "not yet");
    n.w.clock.advance(Span::mins(1));
    now(other.turn(100)).unwrap();
    n.settle();
    now(other.turn(100)).unwrap();
    n.settle();
    assert_eq!(drills(&n).len(), 1, "one drill, whoever started it");
    let views = now(n.w.engine.schedules()).unwrap();
    assert_eq!(views[0].next.unwrap().rfc3339(), "2026-07-09T14:10:00+08:00");
    assert_eq!(views[0].last.as_ref().and_then(|l| l.warning), drills(&n).first().copied());
    n.after(Span::hours(24));
    assert_eq!(drills(&n).len(), 2, "and the next day again");
}

pub fn a_scheduled_drill_is_left_out_while_a_real_warning_runs_and_comes_next_time(on: On) {
    let mut n = Night::in_the_village(on);
    n.w.restart_with(vec![daily("roll", "14:10")]);
    now(n.w.engine.arm_schedules()).unwrap();
    let w = n.post(&red("a"));
    n.after(Span::mins(11));
    assert!(drills(&n).is_empty());
    let last = now(n.w.engine.schedules()).unwrap()[0].last.clone().unwrap();
    assert!(last.skipped.unwrap().contains(&w.to_string()), "it says why");
    n.cancel(w);
    n.after(Span::hours(24));
    assert_eq!(drills(&n).len(), 1);
}

pub fn a_schedule_that_was_missed_does_not_come_at_an_odd_hour(on: On) {
    let mut n = Night::in_the_village(on);
    n.w.restart_with(vec![daily("roll", "14:10")]);
    now(n.w.engine.arm_schedules()).unwrap();
    // No gateway runs until the evening.
    n.w.clock.advance(Span::hours(8));
    n.settle();
    assert!(drills(&n).is_empty());
    let view = now(n.w.engine.schedules()).unwrap().remove(0);
    assert_eq!(view.next.unwrap().rfc3339(), "2026-07-09T14:10:00+08:00");
    assert!(view.last.unwrap().skipped.is_some());
}
