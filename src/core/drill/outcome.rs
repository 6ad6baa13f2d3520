//! What came of a drill: one row a person and channel, and what it proved of numbers.

use super::roll::Proof;
use crate::core::{
    callout::state::{AskKind, Attempt, AttemptState, Callout, CalloutState, Relation, Via},
    ids::{RecipientId, WarningId},
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

/// What one callout of a drill shows of numbers.
pub fn proofs(drill: WarningId, c: &Callout, people: &[PlanPerson]) -> BTreeMap<Phone, Proof> {
    let mut out: BTreeMap<Phone, Proof> = BTreeMap::new();
    for a in c.attempts.iter().filter(|a| is_ask(a) && matches!(a.channel, Channel::Sms | Channel::Voice)) {
        let (Some(tried), Some(contact)) = (a.sent, c.contacts.get(usize::from(a.contact))) else { continue };
        let Some(person) = people.get(usize::from(contact.person)) else { continue };
        let Some(phone) = person.phones.get(usize::from(a.number)) else { continue };
        // Whoever answered from a phone has it: by the last ask that reached out to him before.
        let by_phone = |k: &&crate::core::callout::state::Acknowledgement| {
            matches!(k.via, Via::Reply | Via::Keypress | Via::Link) && k.by.id == Some(person.id) && k.at >= tried
        };
        let answered = c.acknowledgement.as_ref().filter(|_| a.state.reached_out()).filter(by_phone).map(|k| k.at);
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
