//! What leaves the house: its intent is durable, no reference is taken twice, nothing of unknown fate is
//! sent again under it; an end overtakes nothing and reaches everybody who was told; one call rings at a time.

use super::{Law, Laws};
use crate::simulate::world::World;
use jiaoying::{
    channel::{Address, MessageKind},
    core::{
        callout::state::{AttemptState, ClosedReason},
        ids::{AttemptId, CalloutId},
        phone::Phone,
        send::Channel,
        time::Time,
    },
    engine::dispatcher::{Job, JobFor},
};
use std::collections::{BTreeMap, BTreeSet};

/// What became of a request, as the one who carries it knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// On its way.
    Going,
    /// Known not to have been sent, and so reported.
    Back,
    /// Taken, or of unknown fate: never to be sent again under this reference.
    Gone,
}

/// One request, by our reference.
#[derive(Clone, Debug)]
pub struct Sent {
    pub fate: Fate,
    pub kind: MessageKind,
    pub members: Vec<(CalloutId, u8)>,
    /// The provider has it.
    pub taken: bool,
    /// The gateway was told that it arrived, or what became of it.
    pub receipted: bool,
    /// It reached the person: on the handset, in the ear.
    pub heard: bool,
}

#[derive(Default)]
pub struct Sends {
    pub all: BTreeMap<String, Sent>,
    /// Until when a call rings at a number, really.
    pub ringing: BTreeMap<Phone, Time>,
    /// Who was sent an end.
    ends: BTreeSet<(CalloutId, u8)>,
}

pub fn asks(kind: MessageKind) -> bool {
    use MessageKind::{Callout, Chase, Deputy, Renewed, Takeover};
    matches!(kind, Callout | Chase | Deputy | Takeover | Renewed)
}

impl Laws {
    /// A job was handed out: it leaves now. Answers whom it concerns.
    pub fn leaves(&mut self, w: &World, job: &Job) -> Vec<(CalloutId, u8)> {
        let reference = job.request.reference.clone();
        let kind = job.request.message.kind;
        let lead = match &job.whose {
            JobFor::Callout(id, n) => AttemptId { callout: *id, n: *n },
            JobFor::Line(_, lead) | JobFor::Canary(lead) => *lead,
        };
        if let Some(s) = self.sends.all.get(&reference) {
            let (fate, taken) = (s.fate, s.taken);
            self.demand(Law::Intent, fate == Fate::Back && !taken, || format!("{lead} is sent again although {fate:?}, taken: {taken}"));
        }
        let members = self.durable(w, job, lead);
        self.in_order(w, kind, lead, &members);
        self.marked(w, job, &members);
        if let (Channel::Voice, Address::Phone(phone)) = (job.account.provider.channel(), &job.request.to) {
            let rings = self.sends.ringing.get(phone).is_some_and(|until| *until > w.now());
            self.demand(Law::OneCall, !rings, || format!("{lead} rings {phone} while another call is in flight there"));
        }
        self.sends
            .all
            .insert(reference, Sent { fate: Fate::Going, kind, members: members.clone(), taken: false, receipted: false, heard: false });
        members
    }

    fn durable(&mut self, w: &World, job: &Job, lead: AttemptId) -> Vec<(CalloutId, u8)> {
        match &job.whose {
            JobFor::Callout(id, n) => {
                let stored = w.callout(*id).and_then(|c| c.attempt(*n).cloned());
                let state = stored.as_ref().map(|a| a.state);
                self.demand(Law::Intent, state == Some(AttemptState::Sending), || format!("{lead} leaves, but is stored as {state:?}"));
                stored.map(|a| (*id, a.contact)).into_iter().collect()
            }
            JobFor::Canary(_) => Vec::new(),
            JobFor::Line(phone, lead) => {
                let key = jiaoying::store::Key::Line(phone.clone());
                let record = super::super::poll::now(w.store.inner.load(&[key])).ok().and_then(|mut r| r.pop().flatten());
                let line: Option<jiaoying::core::line::Line> = record.and_then(|r| serde_json::from_slice(&r.body).ok());
                let flight = line.and_then(|l| l.flights.iter().find(|f| f.lead == *lead).cloned());
                self.demand(Law::Intent, flight.is_some(), || format!("{lead} leaves, but its line does not know"));
                flight.map(|f| f.members.iter().map(|m| (m.attempt.callout, m.contact)).collect()).unwrap_or_default()
            }
        }
    }

    fn in_order(&mut self, w: &World, kind: MessageKind, lead: AttemptId, members: &[(CalloutId, u8)]) {
        for who in members {
            if kind == MessageKind::Return {
                let c = w.callout(who.0);
                let may = c.is_some_and(|c| c.ending.is_some() && !c.return_permitted.is_empty());
                self.demand(Law::Order, may, || format!("{lead}: {} is told to return before the end, or unasked", who.0));
            } else if kind == MessageKind::End {
                let going =
                    self.sends.all.values().any(|s| s.fate == Fate::Going && !s.receipted && asks(s.kind) && s.members.contains(who));
                self.demand(Law::Order, !going, || {
                    format!("{lead}: the end overtakes an ask on its way to contact {} of {}", who.1, who.0)
                });
                // One whose fate stayed unknown goes again by the rule, perhaps gathered with others' first; and one of which the
                // gateway was told that it did not arrive, whatever it was told.
                let repeated = |a: &jiaoying::core::callout::state::Attempt| {
                    a.contact == who.1
                        && a.kind == jiaoying::core::callout::state::AskKind::End
                        && (a.repeats.is_some() || a.state == AttemptState::Failed)
                };
                let repeats = w.callout(who.0).is_some_and(|c| c.attempts.iter().any(repeated));
                // One that came back or failed was not told.
                let told = |s: &Sent| s.kind == MessageKind::End && (s.heard || s.fate == Fate::Going) && s.members.contains(who);
                let again = !repeats && self.sends.all.values().any(told);
                self.demand(Law::Order, !again, || {
                    format!(
                        "contact {} of {} is told the end again by {lead}: {}",
                        who.1,
                        who.0,
                        w.callout(who.0).as_ref().map(super::brief).unwrap_or_default()
                    )
                });
                self.sends.ends.insert(*who);
            } else if asks(kind) {
                let ended = self.sends.ends.contains(who);
                self.demand(Law::Order, !ended, || format!("{lead}: contact {} of {} is asked after he was told the end", who.1, who.0));
            }
        }
    }

    /// Everybody a warning reached is told its end, once.
    pub(super) fn check_ends_told(&mut self, w: &World) {
        let callouts: Vec<_> = self.all_callouts().cloned().collect();
        for c in &callouts {
            let Some(ending) = &c.ending else { continue };
            let inherited = c.successor.is_some_and(|s| s.inherits);
            let Some(plan) = self.plan(w, c.id) else { continue };
            for (k, contact) in c.contacts.iter().enumerate() {
                let who = (c.id, k as u8);
                let family: Vec<(CalloutId, u8)> = self.lineage(c.id).into_iter().map(|id| (id, k as u8)).collect();
                let asked = |s: &Sent| {
                    s.heard && s.kind != MessageKind::End && s.kind != MessageKind::Ended && s.members.iter().any(|m| family.contains(m))
                };
                let reached = self.sends.all.values().any(asked);
                let mobile = plan
                    .phones(contact.id)
                    .iter()
                    .enumerate()
                    .any(|(i, p)| p.is_mobile() && (contact.dead | contact.no_sms) & (1 << i.min(7)) == 0);
                // One of unknown fate was as good as sent; one that failed was tried.
                let tried = |a: &jiaoying::core::callout::state::Attempt| {
                    usize::from(a.contact) == k
                        && a.kind == jiaoying::core::callout::state::AskKind::End
                        && matches!(a.state, AttemptState::Unknown | AttemptState::Failed)
                };
                let told = self.sends.ends.contains(&who) || c.attempts.iter().any(tried);
                // Who goes on in a newer callout hears of the end there.
                let goes_on = inherited || (c.successor.is_some() && k == 0);
                let due = reached
                    && mobile
                    && !goes_on
                    && contact.dead != u8::MAX
                    && (ending.reason != ClosedReason::Superseded || c.successor.is_some());
                self.demand(Law::Order, !due || told, || {
                    format!("contact {k} of {} was told of the warning but not of its end: {}", c.id, super::brief(c))
                });
            }
        }
    }
}
