//! What came of a drill: one row a person and channel, and what it proved of numbers.

use super::roll::Proof;
use crate::core::{
    callout::{
        came_by,
        state::{Acknowledgement, AskKind, Attempt, AttemptState, Callout, CalloutState, Relation, Via},
    },
    ids::{RecipientId, WarningId},
    numbers::NOT_ME,
    phone::Phone,
    plan::{PlanEntry, PlanPerson},
    send::Channel,
    time::Time,
};
use std::collections::BTreeMap;

/// A person and channel of a drill.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub recipient: RecipientId,
    pub name: String,
    /// How he stands to the callout's holder.
    pub relation: Relation,
    pub tier: &'static str,
    pub place: String,
    pub division: crate::core::division::Division,
    pub channel: Channel,
    /// The number last used on this channel; of e-mail none.
    pub phone: Option<Phone>,
    /// Messages or calls that left.
    pub attempts: u32,
    /// Delivered, or the receiver was lifted.
    pub delivered: bool,
    /// What the last of them came to, in the provider's words.
    pub outcome: String,
    pub last_at: Option<Time>,
    /// The person's answer, by whatever channel.
    pub answered: Option<(Time, Via)>,
    pub state: CalloutState,
}

fn is_ask(a: &Attempt) -> bool {
    a.kind.asks() || a.kind == AskKind::Info
}

/// The rows of one callout.
pub fn rows(c: &Callout, entry: &PlanEntry, people: &[PlanPerson]) -> Vec<Row> {
    let mut out = Vec::new();
    for (i, contact) in c.contacts.iter().enumerate() {
        let Some(person) = people.get(usize::from(contact.person)) else { continue };
        let answered = c.acknowledgement.as_ref().filter(|a| a.by.id == Some(person.id)).map(|a| (a.at, a.via));
        for channel in [Channel::Sms, Channel::Voice, Channel::Email, Channel::Im] {
            let mine: Vec<&Attempt> =
                c.attempts.iter().filter(|a| usize::from(a.contact) == i && a.channel == channel && is_ask(a)).collect();
            let Some(last) = mine.last() else { continue };
            let first = entry.posts.first();
            out.push(Row {
                recipient: person.id,
                name: person.name.clone(),
                relation: contact.relation,
                tier: first.map_or("", |p| p.tier.as_str()),
                place: first.map(|p| p.place_name.clone()).unwrap_or_default(),
                division: first.map(|p| p.place.division).unwrap_or_default(),
                channel,
                phone: (channel != Channel::Email).then(|| person.phones.get(usize::from(last.number)).cloned()).flatten(),
                attempts: mine.iter().filter(|a| a.sent.is_some()).count() as u32,
                delivered: mine.iter().any(|a| a.state == AttemptState::Delivered),
                outcome: last.outcome.clone().unwrap_or_else(|| last.state.as_str().to_string()),
                last_at: last.finished.or(last.accepted).or(last.sent),
                answered,
                state: c.state,
            });
        }
    }
    out
}

fn same_number(a: &Attempt, b: &Attempt) -> bool {
    (a.contact, a.number) == (b.contact, b.number)
}

/// What one callout of a drill shows of numbers.
pub fn proofs(drill: WarningId, c: &Callout, people: &[PlanPerson]) -> BTreeMap<Phone, Proof> {
    let mut out: BTreeMap<Phone, Proof> = BTreeMap::new();
    for a in c.attempts.iter().filter(|a| is_ask(a) && matches!(a.channel, Channel::Sms | Channel::Voice)) {
        let (Some(tried), Some(contact)) = (a.sent, c.contacts.get(usize::from(a.contact))) else { continue };
        let Some(person) = people.get(usize::from(contact.person)) else { continue };
        let Some(phone) = person.phones.get(usize::from(a.number)) else { continue };
        // Whoever answered from a phone has that one: the number of the ask that the answer came by, and no other.
        let by_this = |k: &&Acknowledgement| {
            let asked = came_by(c, person.id, k.via, k.at).filter(|_| k.by.id == Some(person.id));
            asked.is_some_and(|(_, by)| same_number(by, a)) && a.state.reached_out() && k.at >= tried
        };
        // 非本人 is said by the link of an SMS; nothing is sent to that person after it.
        let disowned =
            contact.dead == u8::MAX && came_by(c, person.id, Via::Link, Time(i64::MAX)).is_some_and(|(_, by)| same_number(by, a));
        if disowned {
            let proof = Proof { tried, proved: None, drill, outcome: NOT_ME.to_string() };
            out.entry(phone.clone()).and_modify(|known| known.join(&proof)).or_insert(proof);
            continue;
        }
        let answered = c.acknowledgement.as_ref().filter(by_this).map(|k| k.at);
        let delivered = (a.state == AttemptState::Delivered).then(|| a.finished.unwrap_or(tried));
        let outcome = match (answered, delivered, a.channel) {
            (Some(_), ..) => "answered".to_string(),
            (None, Some(_), Channel::Voice) => "heard".to_string(),
            (None, Some(_), _) => "delivered".to_string(),
            _ => a.outcome.clone().unwrap_or_else(|| a.state.as_str().to_string()),
        };
        let proof = Proof { tried, proved: answered.or(delivered), drill, outcome };
        out.entry(phone.clone()).and_modify(|known| known.join(&proof)).or_insert(proof);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{ids::CalloutId, phone::Phone};
    use serde_json::json;

    fn phone(n: u32) -> Phone {
        Phone::parse(&format!("154{n:08}")).unwrap()
    }

    /// One person of two numbers who was written to at both and rung at the first; `more` is what he did then.
    fn shown(more: serde_json::Value) -> BTreeMap<Phone, Proof> {
        let attempt = |channel: &str, number: u8, state: &str, sent: i64| json!({"contact": 0, "channel": channel, "kind": "callout", "state": state, "number": number, "queued": 1, "sent": sent});
        let mut c = json!({
            "id": CalloutId::new(WarningId(1), 1), "state": "calling", "start": 1, "due_at": 1_000,
            "contacts": [{"relation": "holder", "person": 0, "id": RecipientId(1), "since": 1}],
            "attempts": [
                attempt("voice", 0, "accepted", 10), attempt("sms", 0, "accepted", 20), attempt("sms", 1, "accepted", 30),
                attempt("sms", 0, "accepted", 90),
            ],
        });
        c.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let mut c: Callout = serde_json::from_value(c).unwrap();
        if c.acknowledgement.is_none() {
            c.attempts[1].state = AttemptState::Delivered;
            c.contacts[0].dead = u8::MAX;
            c.attempts.truncate(if c.state == CalloutState::Overdue { 3 } else { 2 });
        }
        let person = PlanPerson { id: RecipientId(1), name: "甲".into(), phones: vec![phone(1), phone(2)], email: None };
        proofs(WarningId(1), &c, &[person])
    }

    #[test]
    fn an_answer_proves_the_number_it_came_by_and_no_other() {
        for (via, proved) in [("reply", 2), ("link", 2), ("keypress", 1)] {
            let by = json!({"id": RecipientId(1), "name": "甲", "relation": "holder"});
            let all = shown(json!({"acknowledgement": {"at": 50, "via": via, "by": by, "late": false}}));
            let good: Vec<&Phone> = all.iter().filter(|(_, p)| p.proved.is_some()).map(|(n, _)| n).collect();
            assert_eq!(good, [&phone(proved)], "{via}: the last ask of its kind before it");
        }
        let by = json!({"id": RecipientId(1), "name": "甲", "relation": "holder"});
        let all = shown(json!({"acknowledgement": {"at": 50, "via": "manual", "by": by, "late": false}}));
        assert!(all.values().all(|p| p.proved.is_none()), "an officer reached him, by whatever phone");
    }

    #[test]
    fn a_number_whose_owner_says_that_he_is_another_is_not_proved_although_it_arrived() {
        let all = shown(json!({}));
        let proof = &all[&phone(1)];
        assert_eq!((proof.proved, proof.outcome.as_str()), (None, NOT_ME));
        // Said of the second: the first was delivered to, and that stands.
        let all = shown(json!({"state": "overdue"}));
        assert_eq!((all[&phone(2)].proved, all[&phone(2)].outcome.as_str()), (None, NOT_ME));
        assert!(all[&phone(1)].proved.is_some());
        // And it voids what an earlier drill proved, until a later one.
        let earlier = Proof { tried: Time(1), proved: Some(Time(2)), drill: WarningId(9), outcome: "heard".into() };
        let mut joined = earlier.clone();
        joined.join(proof);
        assert_eq!(joined.proved, None);
        let later = Proof { tried: Time(500), proved: Some(Time(501)), ..earlier };
        joined.join(&later);
        assert_eq!(joined.proved, Some(Time(501)));
    }
}
