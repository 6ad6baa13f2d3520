//! A rehearsal agrees with what the real engine then does: the same people, the same rungs at the same times, the
//! same messages and calls, when nobody answers.

use super::stage::{Night, On};
use crate::simulate::{poll::now, world::shipped_policy};
use jiaoying::{
    core::{
        callout::{
            entry::Entry,
            state::{AskKind, Relation},
        },
        drill,
        hazard::{HazardCode, Level},
        ids::{AttemptId, CalloutId, RecipientId},
        line::LineEntry,
        phone::Phone,
        plan::PlanEntry,
        rehearsal::{PersonPlan, RungTotals},
        send::Channel,
        time::{Span, Time},
        warning::{Content, Status},
    },
    sample,
    store::Key,
};
use std::collections::{BTreeMap, BTreeSet};

/// One person's night: rungs, messages, calls of the holder and calls to each other contact, all with their times.
#[derive(Debug, Default, PartialEq)]
struct Life {
    rungs: Vec<(u8, Span)>,
    sms: Vec<(Span, RecipientId, &'static str)>,
    own_calls: Vec<(Span, u8)>,
    calls: BTreeMap<(RecipientId, &'static str), Vec<Span>>,
    tasks: usize,
}

/// What was queued for one person on the way up his ladder: the attempts that wait at a line, and how many messages leave
/// without one.
#[derive(Default)]
struct Queued {
    by_line: BTreeSet<AttemptId>,
    direct: usize,
}

fn rehearsed(p: &PersonPlan) -> Life {
    let mut life = Life::default();
    for rung in p.rungs.iter() {
        life.rungs.push((rung.rung, rung.after));
        life.tasks += usize::from(rung.task.is_some());
        for ask in &rung.asks {
            let (who, ..) = p.asked(ask).unwrap();
            match ask.channel {
                Channel::Sms => life.sms.push((ask.after, who, ask.relation.as_str())),
                Channel::Voice if ask.relation == Relation::Holder => life.own_calls.push((ask.after, ask.number)),
                Channel::Voice => life.calls.entry((who, ask.relation.as_str())).or_default().push(ask.after),
                _ => {}
            }
        }
    }
    life
}

/// The same out of the journal of a callout that really ran, until its last rung is taken a second time.
fn lived(n: &Night, callout: CalloutId, start: Time, last: u8, queued: &mut Queued) -> Life {
    let key = &Key::Callout(callout);
    let (mut life, mut attempt) = (Life::default(), 0);
    let state = {
        let record = now(jiaoying::store::Store::load(n.w.store.as_ref(), std::slice::from_ref(key))).unwrap().remove(0).unwrap();
        serde_json::from_slice::<jiaoying::core::callout::state::Callout>(&record.body).unwrap()
    };
    let mut over = false;
    for row in now(n.w.store.inner.journal(key)).unwrap() {
        let after = row.at - start;
        for e in serde_json::from_slice::<Vec<serde_json::Value>>(&row.entries).unwrap() {
            let Ok(e) = serde_json::from_value::<Entry>(e) else { continue };
            if let Entry::Queued { by_line, .. } = &e {
                attempt += 1;
                match (over, by_line) {
                    (true, _) => {}
                    (false, true) => drop(queued.by_line.insert(AttemptId { callout, n: attempt })),
                    (false, false) => queued.direct += 1,
                }
            }
            match e {
                // Passed over on the way to the deputy, where the person has no door.
                Entry::Climbed { next_rung, .. } if next_rung == Some(row.at) => {}
                Entry::Climbed { rung, .. } => {
                    over |= life.rungs.iter().any(|(r, _)| *r == rung && rung == last);
                    if !over {
                        life.rungs.push((rung, after));
                    }
                }
                _ if over => {}
                Entry::Queued { contact, channel, kind, number, .. } if kind.asks() || kind == AskKind::Info => {
                    let k = &state.contacts[usize::from(contact)];
                    match channel {
                        Channel::Sms => life.sms.push((after, k.id, k.relation.as_str())),
                        Channel::Voice if k.relation == Relation::Holder => life.own_calls.push((after, number)),
                        Channel::Voice => life.calls.entry((k.id, k.relation.as_str())).or_default().push(after),
                        _ => {}
                    }
                }
                Entry::TaskOpened { .. } => life.tasks += 1,
                _ => {}
            }
        }
    }
    life
}

/// The messages and calls that lines let leave, of those that were queued.
fn gathered(n: &Night, people: &BTreeSet<Phone>, queued: &Queued) -> (usize, usize) {
    let (mut sms, mut calls) = (0, 0);
    for phone in people {
        for row in now(n.w.store.inner.journal(&Key::Line(phone.clone()))).unwrap() {
            for e in serde_json::from_slice::<Vec<LineEntry>>(&row.entries).unwrap() {
                if let LineEntry::Left { flight, .. } = e
                    && flight.members.iter().any(|m| queued.by_line.contains(&m.attempt))
                {
                    *(if flight.channel == Channel::Voice { &mut calls } else { &mut sms }) += 1;
                }
            }
        }
    }
    (sms, calls)
}

fn warning(n: &Night, hazard: &str, level: Level, identifier: &str) -> Content {
    let areas = n.w.engine.people().1.tops().iter().copied().map(drill::whole).collect();
    let content = drill::roll_call_content(identifier.into(), areas, n.w.now());
    let expires = Some(n.w.now() + Span::hours(12));
    Content { hazard: HazardCode(hazard.into()), level, status: Status::Actual, parameters: BTreeMap::new(), expires, ..content }
}

/// As many persons as `JIAOYING_PERSONS` says: optimised, a red rainstorm for all Jincheng is played; else a few people are
/// rained upon, and an orange one of another kind follows.
fn nights() -> (usize, Vec<(&'static str, Level)>) {
    let red = ("11B03", Level::Red);
    match std::env::var("JIAOYING_PERSONS") {
        Ok(n) => (n.parse().unwrap(), vec![red]),
        Err(_) => (sample::MIN_PERSONS, vec![red, ("11B41", Level::Orange)]),
    }
}

#[test]
fn a_rehearsal_agrees_with_what_the_simulated_run_then_does() {
    let (persons, nights) = nights();
    for (hazard, level) in nights {
        let directory = sample::directory(persons, 5);
        let phones: BTreeSet<Phone> = directory.recipients.values().flat_map(|r| r.phones.clone()).collect();
        let mut policy = shipped_policy();
        // The city's watch over its counties rings leaders about tasks of the warning's own; that is not rehearsed.
        policy.rules.iter_mut().for_each(|r| r.supervise = None);
        let mut n = Night::roomy(On::memory, directory, policy);
        let content = warning(&n, hazard, level, "r");
        let ready = now(n.w.engine.readiness()).unwrap();
        let (plan, rehearsal) = ready.rehearse(&content, n.w.now(), &[]);
        assert!(n.out.is_empty() && n.w.warnings().is_empty(), "a rehearsal sends nothing and stores nothing");

        let start = n.w.now();
        let w = n.post(&content);
        // Until the last rung was taken a second time by everybody.
        let repeats = plan.running.ladders.iter().map(|l| l.ladder.repeat).max().unwrap();
        let last_taken = rehearsal.persons.iter().filter_map(|p| p.rungs.last()).map(|r| r.after).max().unwrap();
        n.after(last_taken + repeats + Span::secs(1));
        let ran = n.w.warning(w);
        assert_eq!((ran.plan.expected as usize, ran.plan.told as usize), (plan.expected, plan.told));
        let callouts = n.w.callouts(w);
        assert_eq!(callouts.len(), rehearsal.persons.len(), "the same people");
        let last = plan.running.ladders.iter().map(|l| l.ladder.rungs.len() - 1).collect::<Vec<_>>();
        let entries: Vec<&PlanEntry> = plan.chunks.iter().flat_map(|c| &c.entries).collect();
        let mut queued = Queued::default();
        let (mut sms, mut calls) = (0, 0);
        for (c, p) in callouts.iter().zip(&rehearsal.persons) {
            assert_eq!((c.contacts[0].id, c.id.ordinal, c.due_at), (p.recipient, p.order, p.due_at));
            let entry = entries[p.order as usize];
            let lived = lived(&n, c.id, start, last[usize::from(entry.ladder)] as u8, &mut queued);
            assert_eq!(lived, rehearsed(p), "{} {entry:?}", p.name);
            sms += lived.sms.len();
            calls += lived.own_calls.len() + lived.calls.values().map(Vec::len).sum::<usize>();
        }
        let (gathered, rang) = gathered(&n, &phones, &queued);
        let told = |of: fn(&RungTotals) -> usize| rehearsal.rungs.values().map(of).sum::<usize>();
        assert_eq!((told(|t| t.sms), told(|t| t.calls)), (queued.direct + gathered, rang), "what leaves, gathered");
        assert!(gathered < queued.by_line.len() && rang < calls, "{gathered} {rang}");
        println!(
            "{hazard} {}: {} persons; {sms} messages and {calls} calls were asked for, each at its moment; {} and {rang} left",
            level.as_str(),
            callouts.len(),
            queued.direct + gathered
        );
    }
}
