//! What a message may say, gathered from the plan and the warning; how it is said is `render`'s.

use super::{Engine, apply::Around};
use crate::{
    channel::{Day, Message, MessageKind, Provider},
    core::{
        callout::state::{AskKind, Attempt, Callout, ClosedReason},
        line::{Departure, DigitAsk, Line},
        message::{Ask, EndReason, MessageFacts},
        plan::{PlanEntry, PlanPost},
        policy::Schedule,
        send::Channel,
        warning_life::WarningState,
    },
    store::StoreError,
};

pub(super) fn message_kind(kind: AskKind) -> MessageKind {
    match kind {
        AskKind::Callout => MessageKind::Callout,
        AskKind::Chase => MessageKind::Chase,
        AskKind::Deputy => MessageKind::Deputy,
        AskKind::Takeover => MessageKind::Takeover,
        AskKind::Renewed => MessageKind::Renewed,
        AskKind::Feedback => MessageKind::Feedback,
        AskKind::End => MessageKind::End,
        AskKind::Info => MessageKind::Info,
        AskKind::Which => MessageKind::Which,
        AskKind::Ended => MessageKind::Ended,
        AskKind::Decide => MessageKind::Decide,
        AskKind::Return => MessageKind::Return,
    }
}

fn end_of(reason: ClosedReason) -> EndReason {
    match reason {
        ClosedReason::Cancelled => EndReason::Cancelled,
        ClosedReason::Superseded => EndReason::Superseded,
        ClosedReason::Expired => EndReason::Expired,
        ClosedReason::Covered => EndReason::Covered,
        ClosedReason::Released => EndReason::Released,
    }
}

/// What is to be reported: all of it, and in a reminder what is overdue.
fn asked(schedule: &Schedule, c: &Callout, kind: AskKind) -> Vec<String> {
    let overdue = c.feedback_clocks.iter().filter(|k| k.reminded).filter_map(|k| schedule.get(k.ask));
    let overdue: Vec<String> = overdue.flat_map(|r| r.ask.iter().cloned()).collect();
    if kind == AskKind::Feedback && !overdue.is_empty() { overdue } else { schedule.asks() }
}

fn place_names(entry: &PlanEntry) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for p in &entry.posts {
        if !names.contains(&p.place_name) {
            names.push(p.place_name.clone());
        }
    }
    names
}

/// The places to which people may go back.
fn returned_places(c: &Callout, entry: &PlanEntry) -> Vec<String> {
    let permitted = |p: &&PlanPost| c.return_permitted.iter().any(|r| r.places.contains(&p.place.id()));
    let mut names: Vec<String> = entry.posts.iter().filter(permitted).map(|p| p.place_name.clone()).collect();
    names.dedup();
    names
}

/// Each title once: somebody who holds one post in ten villages holds one.
fn titles(entry: &PlanEntry) -> Vec<String> {
    let mut titles: Vec<String> = Vec::new();
    for p in &entry.posts {
        if !titles.contains(&p.title) {
            titles.push(p.title.clone());
        }
    }
    titles
}

impl Engine {
    /// The facts every message of a warning to this person shares.
    fn base_facts(&self, w: &WarningState, entry: &PlanEntry) -> MessageFacts {
        MessageFacts { level: entry.level, places: place_names(entry), posts: titles(entry), ..self.warning_facts(w) }
    }

    /// What the warning itself says.
    pub(super) fn warning_facts(&self, w: &WarningState) -> MessageFacts {
        let c = &w.content;
        let issuer = c.sender_name.clone().or_else(|| self.issuers.iter().find(|i| i.id == w.issuer).map(|i| i.name.clone()));
        MessageFacts {
            drill: w.drill,
            hazard: c.hazard.clone(),
            hazard_name: c.parameters.get("eventName").cloned().unwrap_or_default(),
            level: c.level,
            stage: c.stage.clone(),
            headline: c.headline.clone(),
            description: c.description.clone(),
            instruction: c.instruction.clone(),
            issuer: issuer.unwrap_or_else(|| c.sender.clone()),
            sent: c.sent,
            ..MessageFacts::default()
        }
    }

    /// The message of a direct attempt (an SMS or mail to the holder).
    pub(super) fn message(
        &self,
        provider: &dyn Provider,
        around: &Around,
        c: &Callout,
        a: &Attempt,
        digit: Option<u8>,
        options: Vec<Ask>,
    ) -> Result<Message, String> {
        let entry = around.entry();
        let w = &around.warning;
        let now = self.store.now();
        let contact = c.contacts.get(usize::from(a.contact));
        let minutes = ((c.due_at - now).0 + 59_999) / 60_000;
        let closed = c.closed_reason.or(c.ending.as_ref().map(|e| e.reason));
        let facts = MessageFacts {
            recipient: contact.and_then(|k| around.chunk.people.get(usize::from(k.person))).map(|p| p.name.clone()).unwrap_or_default(),
            minutes: minutes.clamp(1, 24 * 60) as u32,
            digit: digit.unwrap_or(1),
            ask: around.feedback().map(|s| asked(s, c, a.kind)).unwrap_or_default(),
            due: c.feedback_clocks.iter().map(|f| f.due).min(),
            overdue: c.feedback_clocks.iter().any(|f| f.reminded),
            end: closed.map(|r| (c.ending.as_ref().map_or(now, |e| e.at), end_of(r))),
            count: options.len() as u32,
            options,
            link: (a.channel == Channel::Email || self.settings.sms_link).then(|| self.link(c.id, a.contact)),
            ..self.base_facts(w, entry)
        };
        let facts = if a.kind == AskKind::Return { MessageFacts { places: returned_places(c, entry), ..facts } } else { facts };
        self.render(provider, a.kind, a.channel, &facts)
    }

    /// What a "which one?" offers: each digit with what it is about.
    pub(super) fn options(&self, line: &Line) -> Vec<Ask> {
        let what = |a: &DigitAsk| {
            let id = a.members.first().map(|m| m.attempt.callout.warning)?;
            let w = self.cache.warning(id)?;
            Some(format!("{}{}", w.content.hazard.name().unwrap_or("预警"), w.content.level.name_zh()))
        };
        let offered = line.asks.iter().filter(|a| line.which.contains(&a.digit));
        offered.map(|a| Ask { digit: a.digit, what: what(a).unwrap_or_else(|| "预警".into()) }).collect()
    }

    /// The message of a call or gathered message: it speaks the count.
    pub(super) async fn gathered_message(&self, provider: &dyn Provider, d: &Departure) -> Result<Result<Message, String>, StoreError> {
        if d.group.kind == AskKind::Decide {
            return self.duty_message(provider, d).await;
        }
        let mut holders = Vec::new();
        let mut places = Vec::new();
        let mut facts: Option<MessageFacts> = None;
        // The names that fit a message are few; the count is what is spoken.
        for m in d.members.iter().take(20) {
            let Some(parts) = self.callout_parts(m.attempt.callout).await? else { continue };
            let Some(entry) = parts.entry() else { continue };
            if let Some(p) = parts.person(entry.person) {
                holders.push(p.name.clone());
            }
            places.extend(match d.group.kind {
                AskKind::Return => returned_places(&parts.callout, entry),
                _ => place_names(entry),
            });
            if facts.is_none() {
                let contact = parts.callout.contacts.get(usize::from(m.contact)).and_then(|k| parts.person(k.person));
                let left = (parts.callout.due_at - self.store.now()).0;
                let closed = parts.callout.closed_reason.or(parts.callout.ending.as_ref().map(|e| e.reason));
                facts = Some(MessageFacts {
                    recipient: contact.map(|p| p.name.clone()).unwrap_or_default(),
                    minutes: ((left + 59_999) / 60_000).clamp(1, 24 * 60) as u32,
                    end: closed.map(|r| (parts.callout.ending.as_ref().map_or(self.store.now(), |e| e.at), end_of(r))),
                    ..self.base_facts(&parts.warning, entry)
                });
            }
        }
        let Some(mut facts) = facts else { return Ok(Err("its callouts are gone".into())) };
        places.dedup();
        facts.count = d.members.len() as u32;
        facts.digit = d.digit.unwrap_or(1);
        facts.holders = holders;
        facts.places = places;
        facts.drill = d.group.drill;
        Ok(self.render(provider, d.group.kind, d.group.channel, &facts))
    }

    /// In the best wording that this provider may send.
    pub(super) fn render(&self, provider: &dyn Provider, kind: AskKind, channel: Channel, facts: &MessageFacts) -> Result<Message, String> {
        let kind = message_kind(kind);
        let today = Some(Day::of(self.store.now()));
        let known = |variant: &str| provider.knows_wording(kind, facts.drill, variant, today);
        let message = self.renderer.render_known(kind, channel, facts, &known).map_err(|e| e.to_string())?;
        if message.variant.is_empty() {
            return Ok(message);
        }
        // A wording that was declared wrongly must not keep a warning back: the one that fits all says it too.
        match provider.check_message(&message) {
            Ok(()) => Ok(message),
            Err(why) => {
                tracing::warn!(account = provider.account(), kind = kind.as_str(), variant = message.variant, %why, "a wording does not fit its template");
                self.renderer.render_known(kind, channel, facts, &|_| false).map_err(|e| e.to_string())
            }
        }
    }
}
