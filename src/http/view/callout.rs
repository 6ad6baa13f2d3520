//! A callout as the API shows it.

use super::{Page, Phones, at, timeline};
use crate::{
    core::{
        callout::state::{Acknowledgement, Attempt, Callout, CalloutState, FeedbackClock, Report, TaskKind},
        ids::{AttemptId, RecipientId},
        plan::PlanPerson,
        policy::{Ladder, Who},
        time::Time,
    },
    engine::CalloutParts,
    store::JournalRow,
};
use serde::Serialize;

#[derive(Debug, Serialize)]
pub struct CalloutView {
    pub id: String,
    pub warning_id: String,
    pub recipient: Person,
    pub posts: Vec<Post>,
    pub division: Option<String>,
    pub tier: Option<&'static str>,
    pub state: &'static str,
    pub closed_reason: Option<&'static str>,
    pub carried_from: Option<String>,
    pub due_at: String,
    pub acknowledgement: Option<Answer>,
    pub feedback: Option<Report>,
    pub rung: Option<u8>,
    pub next: Option<Next>,
    pub contacts: Vec<ContactView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts: Option<Vec<AttemptView>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeline: Option<Vec<timeline::Line>>,
    /// What is to be reported next, each ask with a clock of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feedback_due: Option<Vec<FeedbackDue>>,
}

#[derive(Debug, Serialize)]
pub struct FeedbackDue {
    pub ask: Vec<String>,
    pub due_at: String,
    pub overdue_since: Option<String>,
    /// Ids of the places it waits for.
    pub places: Vec<String>,
}

pub type CalloutPage = Page<CalloutView>;

#[derive(Debug, Serialize)]
pub struct Person {
    pub id: String,
    pub name: String,
    /// The first number; `null` where there is none.
    pub phone: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct Post {
    pub role: String,
    pub place: String,
}

#[derive(Debug, Serialize)]
pub struct Answer {
    pub at: String,
    pub via: &'static str,
    pub by: AnswerBy,
    pub late: bool,
}

#[derive(Debug, Serialize)]
pub struct AnswerBy {
    pub recipient_id: Option<RecipientId>,
    pub name: String,
    pub relation: String,
}

/// What will happen when, if nobody answers.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Next {
    pub at: String,
    pub what: String,
}

#[derive(Debug, Serialize)]
pub struct ContactView {
    pub relation: &'static str,
    pub recipient_id: RecipientId,
    pub name: String,
    pub phone: Option<String>,
    pub since: String,
}

#[derive(Debug, Serialize)]
pub struct AttemptView {
    pub id: AttemptId,
    /// The contact's recipient id.
    pub contact: Option<RecipientId>,
    pub channel: &'static str,
    pub provider: Option<String>,
    pub state: &'static str,
    pub queued_at: String,
    pub accepted_at: Option<String>,
    pub finished_at: Option<String>,
    pub outcome: Option<String>,
    pub provider_message_id: Option<String>,
    /// The attempt that it repeats: of unknown fate, or lost by its account.
    pub repeats: Option<AttemptId>,
    /// The attempt it goes beside, because its provider said nothing more of it.
    pub hedges: Option<AttemptId>,
}

/// A callout as lists show it: without attempts and timeline.
pub fn listed(parts: &CalloutParts, phones: Phones) -> CalloutView {
    let c = &parts.callout;
    let entry = parts.entry();
    let first = entry.and_then(|e| e.posts.first());
    CalloutView {
        id: c.id.to_string(),
        warning_id: c.id.warning.to_string(),
        recipient: holder(parts, phones),
        posts: entry.map(|e| e.posts.iter().map(|p| Post { role: p.role.0.clone(), place: p.place.id() }).collect()).unwrap_or_default(),
        division: first.map(|p| p.place.division.to_string()),
        tier: first.map(|p| p.tier.as_str()),
        state: c.state.as_str(),
        closed_reason: c.closed_reason.map(|r| r.as_str()),
        carried_from: c.carried_from.map(|id| id.to_string()),
        due_at: at(c.due_at),
        acknowledgement: c.acknowledgement.as_ref().map(answer),
        feedback: c.newest_report().map(|r| r.report.clone()),
        rung: c.rung,
        next: next(parts),
        contacts: c.contacts.iter().map(|k| contact(parts, k.person, k.id, k.relation.as_str(), k.since, phones)).collect(),
        attempts: None,
        timeline: None,
        feedback_due: None,
    }
}

/// A callout whole.
pub fn whole(parts: &CalloutParts, journal: &[JournalRow], phones: Phones) -> CalloutView {
    let c = &parts.callout;
    let attempts = c.attempts.iter().enumerate().map(|(i, a)| attempt(c, i, a)).collect();
    CalloutView {
        attempts: Some(attempts),
        timeline: Some(timeline::lines(parts, journal)),
        feedback_due: Some(feedback_due(parts)),
        ..listed(parts, phones)
    }
}

fn feedback_due(parts: &CalloutParts) -> Vec<FeedbackDue> {
    let schedule = parts.entry().and_then(|e| e.feedback).and_then(|f| parts.warning.policy.feedback.get(usize::from(f)));
    let clock = |k: &FeedbackClock| {
        let rule = schedule.and_then(|s| s.get(k.ask));
        let owed = parts.entry().zip(rule).map(|(e, r)| parts.callout.places_owed(e, r, k)).unwrap_or_default();
        FeedbackDue {
            ask: rule.map(|r| r.ask.clone()).unwrap_or_default(),
            due_at: at(k.due),
            overdue_since: k.overdue_since.map(at),
            places: owed.iter().map(|p| p.place.id()).collect(),
        }
    };
    parts.callout.feedback_clocks.iter().map(clock).collect()
}

fn first_phone(person: Option<&PlanPerson>, phones: Phones) -> Option<String> {
    person.and_then(|p| p.phones.first()).map(|n| phones.show(n))
}

fn holder(parts: &CalloutParts, phones: Phones) -> Person {
    let person = parts.entry().and_then(|e| parts.person(e.person));
    Person {
        id: person.map(|p| p.id.to_string()).unwrap_or_default(),
        name: person.map(|p| p.name.clone()).unwrap_or_default(),
        phone: first_phone(person, phones),
    }
}

fn contact(parts: &CalloutParts, person: u16, id: RecipientId, relation: &'static str, since: Time, phones: Phones) -> ContactView {
    let person = parts.person(person);
    ContactView {
        relation,
        recipient_id: id,
        name: person.map(|p| p.name.clone()).unwrap_or_default(),
        phone: first_phone(person, phones),
        since: at(since),
    }
}

fn answer(a: &Acknowledgement) -> Answer {
    Answer {
        at: at(a.at),
        via: a.via.as_str(),
        by: AnswerBy { recipient_id: a.by.id, name: a.by.name.clone(), relation: a.by.relation.clone() },
        late: a.late,
    }
}

fn attempt(c: &Callout, i: usize, a: &Attempt) -> AttemptView {
    AttemptView {
        id: AttemptId { callout: c.id, n: u16::try_from(i + 1).unwrap_or(u16::MAX) },
        contact: c.contacts.get(usize::from(a.contact)).map(|k| k.id),
        channel: a.channel.as_str(),
        provider: a.provider.clone(),
        state: a.state.as_str(),
        queued_at: at(a.queued),
        accepted_at: a.accepted.map(at),
        finished_at: a.finished.map(at),
        outcome: a.outcome.clone(),
        provider_message_id: a.provider_id.clone(),
        repeats: a.repeats.map(|n| AttemptId { callout: c.id, n }),
        hedges: a.hedges.map(|n| AttemptId { callout: c.id, n }),
    }
}

/// The ladder that this callout climbs.
pub fn ladder(parts: &CalloutParts) -> Option<&Ladder> {
    let index = parts.entry()?.ladder;
    parts.warning.policy.ladders.get(usize::from(index)).map(|l| &l.ladder)
}

/// What will happen when, if nobody answers. Every open callout has one.
pub fn next(parts: &CalloutParts) -> Option<Next> {
    let c = &parts.callout;
    if !c.state.is_open() {
        return None;
    }
    let mut coming: Vec<(Time, String)> = Vec::new();
    if let Some(at) = c.next_rung.filter(|_| !c.claimed()) {
        coming.push((at, next_rung(parts)));
    }
    for contact in c.contacts.iter().filter(|_| !c.claimed()) {
        if let Some(calls) = contact.calls.filter(|k| k.left > 0) {
            let who = parts.person(contact.person).map_or("", |p| p.name.as_str());
            coming.push((calls.next, format!("电话叫应{who}（第{}次）", calls.made + 1)));
        }
    }
    for task in c.tasks.iter().filter(|t| t.is_open() && t.kind != TaskKind::Decide) {
        let what = match &task.claimed_by {
            Some(officer) => format!("“{}”由{officer}认领，到时未完成则退回待办", task.title),
            None => format!("“{}”无人认领，呼叫带班领导", task.title),
        };
        coming.push((task.due, what));
    }
    if matches!(c.state, CalloutState::Queued | CalloutState::Calling) && coming.iter().all(|(at, _)| *at > c.due_at) {
        coming.push((c.due_at, "超过应答时限，转为超时未叫应".into()));
    }
    let soonest = coming.into_iter().min_by_key(|(at, _)| *at);
    // Between two steps only the engine's own look is due: the message on its way.
    let (when, what) = soonest.or_else(|| parts.due.map(|due| (due, "检查发送结果，继续叫应".to_string())))?;
    Some(Next { at: at(when), what })
}

fn next_rung(parts: &CalloutParts) -> String {
    let Some(ladder) = ladder(parts) else { return "继续叫应".into() };
    let n = parts.callout.rung.map_or(0, |r| usize::from(r) + 1);
    let again = n >= ladder.rungs.len();
    let Some(rung) = ladder.rungs.get(n).or(ladder.rungs.last()) else { return "继续叫应".into() };
    let who: Vec<&str> = rung.call.iter().map(|w| who_zh(*w)).collect();
    let mut how: Vec<&str> = rung.send.iter().map(|c| channel_zh(c.as_str())).collect();
    if rung.voice.is_some() {
        how.push("电话");
    }
    let mut what = String::new();
    if !who.is_empty() && !how.is_empty() {
        what = format!("以{}叫应{}", how.join("、"), who.join("、"));
    }
    if let Some(task) = &rung.task {
        if !what.is_empty() {
            what.push('，');
        }
        what.push_str(&format!("转人工：{}", task.title));
    }
    if what.is_empty() {
        what = "继续叫应".into();
    }
    let waits = parts.callout.rung.is_none() && parts.entry().is_some_and(|e| e.relay.is_some()) && parts.callout.forwarded.is_none();
    match (again, waits) {
        (true, _) => format!("再次{what}"),
        (_, true) => format!("逐级转发：上一级应答即{what}，无人应答则到时{what}"),
        _ => what,
    }
}

pub fn who_zh(who: Who) -> &'static str {
    match who {
        Who::Holder => "本人",
        Who::Deputy => "代理人",
        Who::Superior => "上级责任人",
        Who::TownshipDesk => "乡镇值班室",
        Who::CountyDesk => "县级值班室",
        Who::CityDesk => "市级值班室",
        Who::ShiftLeader => "带班领导",
        Who::Others => "同一对象的其他责任人",
    }
}

/// 短信, 电话 …
pub fn channel_zh(channel: &str) -> &'static str {
    match channel {
        "sms" => "短信",
        "voice" => "电话",
        "email" => "邮件",
        _ => "政务消息",
    }
}

/// 本人, 代理人 …
pub fn relation_zh(relation: &str) -> &'static str {
    match relation {
        "holder" => "本人",
        "deputy" => "代理人",
        "superior" => "上级责任人",
        "duty_desk" => "值班室",
        _ => "其他",
    }
}
