//! The messages of a season one after the other (预演往年的预警): an update calls nobody anew whom the message before it
//! has called at the same or a higher level, as in the run; he is sent the new text once. Nobody is taken to have answered.

use crate::core::{
    callout::Channels,
    hazard::Level,
    ids::RecipientId,
    plan::{PlanChunk, PlanEntry},
    planner::{PlanOutput, default_expiry},
    policy::{NamedLadder, rule::normal_stage},
    time::Time,
    warning::{Content, Finding, MessageType, Status},
};
use std::collections::{BTreeMap, BTreeSet};

/// What the messages so far have done, by identifier.
#[derive(Debug, Default)]
pub struct Season {
    reached: BTreeMap<String, Reached>,
    /// What took a message's place.
    next: BTreeMap<String, String>,
    /// The newest message of each event.
    events: BTreeMap<String, String>,
}

/// One message and whom it has called.
#[derive(Debug)]
struct Reached {
    identifier: String,
    level: Level,
    stage: String,
    until: Time,
    people: BTreeMap<RecipientId, Called>,
}

#[derive(Clone, Copy, Debug)]
struct Called {
    level: Level,
    answer: bool,
}

/// Persons whom an update only sends its new text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Renewed {
    pub persons: usize,
    /// Those of them who have a number for SMS.
    pub sms: usize,
}

impl Season {
    /// Takes a message in, and those out of its plan whom the message before it called already. `None`: there is none
    /// before it, it calls everybody.
    pub fn renew(&mut self, content: &Content, plan: &mut PlanOutput, channels: Channels) -> Option<Renewed> {
        let ladders = &plan.running.ladders;
        let people = entries(plan).filter_map(|(c, e)| Some((c.people.get(usize::from(e.person))?.id, called(e, ladders)))).collect();
        let renewed = self.before(content).map(|before| {
            let mut renewed = Renewed::default();
            let staged = is_new_stage(content, before);
            for chunk in &mut plan.chunks {
                let people = &chunk.people;
                chunk.entries.retain(|e| {
                    let Some(person) = people.get(usize::from(e.person)) else { return true };
                    let (Some(was), is) = (before.people.get(&person.id), called(e, ladders)) else { return true };
                    // A next stage asks something else of people; only a lower level asks less.
                    let asks_more = is.level.rank() > was.level.rank() || staged && is.level.rank() >= was.level.rank();
                    if asks_more || is.answer != was.answer {
                        return true;
                    }
                    renewed.persons += 1;
                    renewed.sms += usize::from(channels.sms && person.phones.iter().any(|p| p.is_mobile()));
                    false
                });
            }
            renewed
        });
        if renewed.is_some() {
            count_again(plan);
        }
        self.take(content, people);
        renewed
    }

    /// Takes a message in whose plan is not known here. Answers which message before it it renews as a whole: called at the
    /// same or a higher level, at the same stage.
    pub fn renews(&mut self, content: &Content) -> Option<String> {
        let before = self.before(content).filter(|b| strongest(content).rank() <= b.level.rank());
        let renews = before.filter(|b| !is_new_stage(content, b) || strongest(content).rank() < b.level.rank());
        let renews = renews.map(|b| b.identifier.clone());
        self.take(content, BTreeMap::new());
        renews
    }

    /// A cancel ends what it refers to: a later message calls anew.
    pub fn end(&mut self, cancel: &Content) {
        for reference in &cancel.references {
            let tip = self.tip(reference).map(str::to_string);
            tip.and_then(|t| self.reached.remove(&t));
        }
    }

    fn take(&mut self, content: &Content, people: BTreeMap<RecipientId, Called>) {
        let tips: Vec<String> = content.references.iter().filter_map(|r| self.tip(r).map(str::to_string)).collect();
        let id = &content.identifier;
        tips.into_iter().filter(|t| t != id).for_each(|t| drop(self.next.insert(t, id.clone())));
        self.events.extend(content.event.iter().map(|e| (e.clone(), id.clone())));
        let reached = Reached {
            identifier: id.clone(),
            level: strongest(content),
            stage: stage(content),
            until: content.expires.unwrap_or(content.sent + default_expiry(&content.hazard, content.level)),
            people,
        };
        self.reached.insert(id.clone(), reached);
    }

    /// The message in force that this one refers to, or the one before it of the same event.
    fn before(&self, content: &Content) -> Option<&Reached> {
        let by_event = content.event.as_ref().filter(|_| content.references.is_empty()).and_then(|e| self.events.get(e));
        let mut named = content.references.iter().chain(by_event).filter_map(|r| self.reached.get(self.tip(r)?));
        named.find(|b| b.identifier != content.identifier && content.sent < b.until)
    }

    /// The newest of the chain that a message begins.
    fn tip<'s>(&'s self, id: &'s str) -> Option<&'s str> {
        let mut seen = BTreeSet::new();
        let mut tip = id;
        while let Some(next) = self.next.get(tip).filter(|_| seen.insert(tip)) {
            tip = next;
        }
        self.reached.contains_key(tip).then_some(tip)
    }
}

/// What must be known of a message that is rehearsed by itself.
pub fn notes_alone(content: &Content) -> Vec<Finding> {
    let mut out = Vec::new();
    if content.status != Status::Actual {
        out.push(Finding::new("not_actual", "报文不是正式预警（status 不是 actual），真的收到时不会叫任何人；此处按正式预警预演"));
    }
    if content.message_type == MessageType::Update {
        let detail = "这是更新，此处单独预演，全部按新叫应计；真的收到时，级别未提高的，已叫应过的人只收一条新文本，不重新叫应";
        out.push(Finding::new("update_alone", detail));
    }
    out
}

fn entries(plan: &PlanOutput) -> impl Iterator<Item = (&PlanChunk, &PlanEntry)> {
    plan.chunks.iter().flat_map(|c| c.entries.iter().map(move |e| (c, e)))
}

fn called(entry: &PlanEntry, ladders: &[NamedLadder]) -> Called {
    Called { level: entry.level, answer: ladders.get(usize::from(entry.ladder)).is_none_or(|l| l.ladder.answer) }
}

/// The plan's own sums, after entries were taken out.
fn count_again(plan: &mut PlanOutput) {
    let ladders = &plan.running.ladders;
    let all = entries(plan).count();
    let asked = || entries(plan).filter(|(_, e)| called(e, ladders).answer);
    let expected = asked().count();
    let places = asked().flat_map(|(_, e)| &e.posts).map(|p| &p.place).collect::<BTreeSet<_>>().len();
    (plan.expected, plan.told, plan.places) = (expected, all - expected, places);
}

fn stage(content: &Content) -> String {
    content.stage.as_deref().map(normal_stage).unwrap_or_default()
}

fn is_new_stage(content: &Content, before: &Reached) -> bool {
    let here = stage(content);
    !here.is_empty() && here != before.stage
}

/// The highest level that a message names anywhere.
fn strongest(content: &Content) -> Level {
    let named = content.areas.iter().map(|a| a.level.unwrap_or(content.level));
    named.max_by_key(|l| l.rank()).unwrap_or(content.level)
}
