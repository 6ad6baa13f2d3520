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
        ids::RecipientId,
        rehearsal::PersonPlan,
        send::Channel,
        time::{Span, Time},
        warning::{Content, Status},
    },
    sample,
    store::Key,
};
use std::collections::BTreeMap;

/// One person's night: rungs, messages, calls of the holder and calls to each other contact, all with their times.
#[derive(Debug, Default, PartialEq)]
struct Life {
    rungs: Vec<(u8, Span)>,
    sms: Vec<(Span, RecipientId, &'static str)>,
    own_calls: Vec<(Span, u8)>,
    calls: BTreeMap<(RecipientId, &'static str), Vec<Span>>,
    tasks: usize,
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
fn lived(n: &Night, key: &Key, start: Time, last: u8) -> Life {
    let mut life = Life::default();
    let state = {
        let record = now(jiaoying::store::Store::load(n.w.store.as_ref(), std::slice::from_ref(key))).unwrap().remove(0).unwrap();
        serde_json::from_slice::<jiaoying::core::callout::state::Callout>(&record.body).unwrap()
    };
    let mut over = false;
    for row in now(n.w.store.inner.journal(key)).unwrap() {
        let after = row.at - start;
        for e in serde_json::from_slice::<Vec<serde_json::Value>>(&row.entries).unwrap() {
            let Ok(e) = serde_json::from_value::<Entry>(e) else { continue };
            match e {
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

fn warning(n: &Night, hazard: &str, level: Level, identifier: &str) -> Content {
    let areas = n.w.engine.people().1.tops().iter().copied().map(drill::whole).collect();
    let content = drill::roll_call_content(identifier.into(), areas, n.w.now());
    let expires = Some(n.w.now() + Span::hours(12));
    Content { hazard: HazardCode(hazard.into()), level, status: Status::Actual, parameters: BTreeMap::new(), expires, ..content }
}

#[test]
fn a_rehearsal_agrees_with_what_the_simulated_run_then_does() {
    for (hazard, level, hours) in [("11B03", Level::Red, 1), ("11B41", Level::Orange, 3)] {
        let directory = sample::directory(sample::MIN_PERSONS, 5);
        let mut policy = shipped_policy();
        // The warning's own tasks ring the leaders too, by the same lines.
        policy.rules.iter_mut().for_each(|r| r.supervise = None);
        let mut n = Night::roomy(On::memory, directory, policy);
        let content = warning(&n, hazard, level, "r");
        let ready = now(n.w.engine.readiness()).unwrap();
        let (plan, rehearsal) = ready.rehearse(&content, n.w.now(), &[]);
        assert!(n.out.is_empty() && n.w.warnings().is_empty(), "a rehearsal sends nothing and stores nothing");

        let start = n.w.now();
        let w = n.post(&content);
        n.after(Span::hours(hours));
        let ran = n.w.warning(w);
        assert_eq!((ran.plan.expected as usize, ran.plan.told as usize), (plan.expected, plan.told));
        let callouts = n.w.callouts(w);
        assert_eq!(callouts.len(), rehearsal.persons.len(), "the same people");
        let last = plan.running.ladders.iter().map(|l| l.ladder.rungs.len() - 1).collect::<Vec<_>>();
        let (mut sms, mut calls) = (0, 0);
        for (c, p) in callouts.iter().zip(&rehearsal.persons) {
            assert_eq!((c.contacts[0].id, c.id.ordinal, c.due_at), (p.recipient, p.order, p.due_at));
            let entry = &plan.chunks[0].entries[p.order as usize];
            let lived = lived(&n, &Key::Callout(c.id), start, last[usize::from(entry.ladder)] as u8);
            let rehearsed = rehearsed(p);
            assert_eq!(lived.rungs, rehearsed.rungs, "{} {:?}", p.name, entry);
            assert_eq!(lived.sms, rehearsed.sms, "{}", p.name);
            assert_eq!(lived.own_calls, rehearsed.own_calls, "{}", p.name);
            assert_eq!(lived.calls, rehearsed.calls, "{}", p.name);
            assert_eq!(lived.tasks, rehearsed.tasks, "{}", p.name);
            sms += lived.sms.len();
            calls += lived.own_calls.len() + lived.calls.values().map(Vec::len).sum::<usize>();
        }
        assert!(sms > 200 && calls > 100, "{hazard}: {sms} messages, {calls} calls were compared");
        // What leaves for desks is gathered: never more than rehearsed.
        let told: usize = rehearsal.rungs.values().map(|t| t.sms).sum();
        assert!(told <= sms);
    }
}
