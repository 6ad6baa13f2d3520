//! Answers against what people really did: the simulation writes down every button, reply, key and entry;
//! an answer without one, or from somebody not entitled to it, breaks law 4.

use super::{Law, Laws, Plan};
use crate::simulate::world::World;
use jiaoying::core::{
    callout::{
        entry::Entry,
        state::{AnsweredBy, Callout, Via},
    },
    ids::{CalloutId, RecipientId},
    phone::Phone,
    time::Time,
};
use std::collections::BTreeSet;

/// What people did.
#[derive(Default)]
pub struct Ledger {
    /// Buttons pressed on a link: whose, of which callout.
    pub links: Vec<(CalloutId, RecipientId)>,
    /// Replies that answer by the contract: from, the digit if any, when.
    pub replies: Vec<(Phone, Option<u8>, Time)>,
    /// The asked key, pressed in a call to this number.
    pub keys: Vec<Phone>,
    /// Officers' entries about a callout.
    pub officers: Vec<CalloutId>,
    /// Identifiers of drills that an officer started.
    pub drills: BTreeSet<String>,
    /// Identifiers of posted messages that are not actual.
    pub quiet: BTreeSet<String>,
}

impl Laws {
    pub(super) fn check_answer(&mut self, w: &World, id: CalloutId, before: &Callout, entry: &Entry, _at: Time) {
        let Some(plan) = self.plan(w, id) else { return };
        match entry {
            Entry::PostsAnswered { posts, by, via } => {
                self.evidenced(w, before, id, by, *via);
                for p in posts {
                    let ok = entitled(&plan, *p, by, *via);
                    self.demand(Law::Evidence, ok, || format!("{id}: post {p} is answered by {by:?}, who may not"));
                }
            }
            Entry::Answered { via, by, .. } => {
                self.evidenced(w, before, id, by, *via);
                let left =
                    (0..plan.entry().posts.len() as u16).filter(|p| !before.answered.contains(p) && !before.struck.contains(p)).count();
                self.demand(Law::Evidence, left == 0, || format!("{id} is answered with {left} posts open"));
                let mere = matches!(by.relation.as_str(), "superior" | "duty_desk");
                self.demand(Law::Evidence, !mere, || format!("{id} is answered by {by:?}: taking over is no answer"));
            }
            Entry::Carried { from, snapshot } => {
                let old = self.shadow(*from).and_then(|c| c.acknowledgement.clone());
                let same = snapshot.acknowledgement == old;
                self.demand(Law::Evidence, same, || format!("{id} carries an answer that {from} never had"));
            }
            _ => {}
        }
    }

    fn evidenced(&mut self, w: &World, before: &Callout, id: CalloutId, by: &AnsweredBy, via: Via) {
        let lineage = self.lineage(id);
        // A deputy who was asked for an older message stands, perhaps, in that one's plan alone.
        let plans: Vec<Plan> = lineage.iter().filter_map(|c| self.plan(w, *c)).collect();
        let phones: Vec<Phone> = by.id.map(|p| plans.iter().flat_map(|plan| plan.phones(p)).cloned().collect()).unwrap_or_default();
        let l = &self.ledger;
        let found = match via {
            Via::Link | Via::Api => l.links.iter().any(|(c, p)| lineage.contains(c) && Some(*p) == by.id),
            Via::Keypress => l.keys.iter().any(|p| phones.contains(p)),
            Via::Manual => l.officers.iter().any(|c| lineage.contains(c)),
            Via::Reply => l.replies.iter().any(|(from, digit, _)| {
                let asked_so = |d: u8| {
                    lineage.iter().filter_map(|c| self.shadow(*c)).chain([before]).any(|c| {
                        c.attempts
                            .iter()
                            .any(|a| a.digit == Some(d) && c.contacts.get(usize::from(a.contact)).is_some_and(|k| Some(k.id) == by.id))
                    })
                };
                phones.contains(from) && digit.is_none_or(asked_so)
            }),
        };
        let said: Vec<_> = self.ledger.replies.iter().filter(|r| phones.contains(&r.0)).map(|r| (r.1, r.2)).collect();
        let last = self.ledger.replies.last().cloned();
        self.demand(Law::Evidence, found, || {
            let numbers: Vec<&str> = phones.iter().map(Phone::reveal).collect();
            format!(
                "{id}: {by:?} is said to have answered by {via:?}, but did not; of {numbers:?} came {said:?}; the last reply of all: {:?}; {}",
                last.map(|l| (l.0.reveal().to_string(), l.1, l.2.rfc3339())),
                super::brief(before)
            )
        });
    }
}

/// The holder for all posts, a deputy for those he deputises, an officer's word for whom he reached.
fn entitled(plan: &Plan, post: u16, by: &AnsweredBy, via: Via) -> bool {
    let entry = plan.entry();
    let holder = plan.id_of(entry.person);
    let deputy = entry.posts.get(usize::from(post)).and_then(|p| p.deputy).and_then(|d| plan.id_of(d));
    let named = via == Via::Manual && by.id.is_none();
    named || (by.id.is_some() && (by.id == holder || by.id == deputy))
}
