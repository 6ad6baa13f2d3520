//! Rings the shift leader (带班领导) about a warning's own task that nobody claims: whom, by which
//! doors, and what he is told.

use super::{
    Engine,
    apply::{WarningChange, to_json},
};
use crate::{
    channel::{Message, Provider},
    core::{
        division::Division,
        duty_call::{DutyCall, DutyDoors},
        ids::AttemptId,
        line::{Departure, LineLetter},
        message::MessageFacts,
        phone::Phone,
        plan::PlanPerson,
        time::{Span, Time},
        warning::Shape,
        warning_life::WarningState,
    },
    store::{Envelope, Key, Lane, StoreError},
};

impl Engine {
    /// Rings the shift leader about this task, as part of `change`.
    pub(super) fn ring_duty(&self, w: &mut WarningState, task: u16, change: &mut WarningChange, now: Time) {
        let Some(leader) = self.shift_leader_of(w, now) else {
            tracing::error!(warning = %w.id, task, "a task is unclaimed and the directory has no shift leader or desk to ring");
            return;
        };
        self.ring_person(w, task, &leader, change, now);
    }

    /// Rings this person about a task, as part of `change`.
    pub(super) fn ring_person(&self, w: &mut WarningState, task: u16, to: &PlanPerson, change: &mut WarningChange, now: Time) {
        let doors = DutyDoors { sms: self.channels.sms, voice: self.channels.voice, sending_timeout: self.settings.sending_timeout };
        let letter = w.ring_duty(task, to, doors, now);
        change.send.extend(letter.map(|l| to_line(w, l)));
    }

    /// Takes calls back that need not leave any more, as part of `change`.
    pub(super) fn recall_duty(&self, w: &mut WarningState, change: &mut WarningChange) {
        let letters = w.recall_duty();
        change.send.extend(letters.into_iter().map(|l| to_line(w, l)));
    }

    /// Who leads the shift over all that this warning names; where it names nothing we know, over what
    /// its issuer may warn for, else over our whole territory.
    fn shift_leader_of(&self, w: &WarningState, now: Time) -> Option<PlanPerson> {
        let (directory, lookup) = self.people();
        let named = w.content.areas.iter().filter_map(|a| match &a.shape {
            Shape::Division(d) => Some(*d),
            Shape::Point(code) => directory.points.get(code).map(|p| p.division),
            _ => None,
        });
        let named: Vec<Division> = named.filter(|d| lookup.knows(&directory, *d)).collect();
        let rights = self.issuers.iter().find(|i| i.id == w.issuer).map(|i| i.divisions.clone()).unwrap_or_default();
        [named, rights, lookup.tops().to_vec()].iter().filter_map(|d| common(d)).find_map(|home| {
            let id = lookup.in_charge_of(&directory, home, now)?;
            let r = directory.recipients.get(&id)?;
            Some(PlanPerson { id, name: r.name.clone(), phones: r.phones.clone(), email: r.email.clone() })
        })
    }

    /// The number an attempt of a warning's own went to.
    pub(super) async fn duty_phone(&self, attempt: AttemptId) -> Result<Option<Phone>, StoreError> {
        let Some((w, _)) = self.load_warning(attempt.callout.warning).await? else { return Ok(None) };
        Ok(w.duty_calls.iter().find(|c| c.n == attempt.n).and_then(DutyCall::phone).cloned())
    }

    /// What the shift leader is told: how many tasks wait, and which.
    pub(super) async fn duty_message(&self, provider: &dyn Provider, d: &Departure) -> Result<Result<Message, String>, StoreError> {
        let (mut titles, mut places) = (Vec::new(), Vec::new());
        let mut facts: Option<MessageFacts> = None;
        for m in &d.members {
            let Some((w, _)) = self.load_warning(m.attempt.callout.warning).await? else { continue };
            let Some(call) = w.duty_calls.iter().find(|c| c.n == m.attempt.n) else { continue };
            titles.extend(w.tasks.iter().find(|t| t.n == call.task).map(|t| t.title.clone()));
            places.extend(self.area_names(&w));
            if facts.is_none() {
                facts = Some(MessageFacts { recipient: call.to.name.clone(), ..self.warning_facts(&w) });
            }
        }
        let Some(mut facts) = facts else { return Ok(Err("its tasks are gone".into())) };
        places.dedup();
        facts.count = titles.len() as u32;
        facts.ask = titles;
        facts.places = places;
        facts.drill = d.group.drill;
        Ok(self.render(provider, d.group.kind, d.group.channel, &facts))
    }

    /// The areas of a warning as it names them, or as the directory does.
    pub(super) fn area_names(&self, w: &WarningState) -> Vec<String> {
        let directory = self.directory();
        let name = |d: &Division| directory.divisions.get(d).map(|d| d.name.clone());
        let named = w.content.areas.iter().filter_map(|a| match &a.shape {
            Shape::Named(text) => Some(text.clone()),
            Shape::Division(d) => a.name.clone().or_else(|| name(d)),
            Shape::Point(code) => a.name.clone().or_else(|| directory.points.get(code).map(|p| p.name.clone())),
            _ => a.name.clone(),
        });
        named.collect()
    }

    /// A task's claim is over, or nobody ever claimed it: shown again, and in the second case the shift
    /// leader is rung. Answers whether anything was due.
    pub(super) fn remind_tasks(&self, w: &mut WarningState, change: &mut WarningChange, now: Time) -> bool {
        let due: Vec<u16> = w.tasks.iter().filter(|t| t.is_open() && t.due <= now).map(|t| t.n).collect();
        for n in &due {
            let again = now + w.policy.clocks.claim_lapses;
            let Some(t) = w.tasks.iter_mut().find(|t| t.n == *n) else { continue };
            let lapsed = t.claimed_at.is_some();
            (t.claimed_by, t.claimed_at, t.taken_by, t.due) = (None, None, None, again);
            if !lapsed {
                self.ring_duty(w, *n, change, now);
            }
            change.tasks.push(*n);
        }
        !due.is_empty()
    }
}

/// A task that nobody has claimed rings the shift leader after this long: as long as a callout's.
pub(super) fn unclaimed(claim_lapses: Span) -> Span {
    Span(claim_lapses.0 * 3 / 5)
}

fn to_line(w: &WarningState, (phone, letter): (Phone, LineLetter)) -> Envelope {
    Envelope { to: Key::Line(phone), lane: Lane::of(w.level(), w.drill), not_before: Time(0), body: to_json(&letter) }
}

/// The smallest division that contains all of these.
fn common(divisions: &[Division]) -> Option<Division> {
    let (first, rest) = divisions.split_first()?;
    rest.iter().try_fold(*first, |a, b| std::iter::successors(Some(a), |d| d.parent()).find(|d| d.contains(*b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_common_division_is_the_smallest_that_contains_all() {
        let d = |n| Division(n);
        assert_eq!(common(&[]), None);
        assert_eq!(common(&[d(140_521_101_000)]), Some(d(140_521_101_000)));
        assert_eq!(common(&[d(140_521_101_000), d(140_521_102_000)]), Some(d(140_521_000_000)));
        assert_eq!(common(&[d(140_521_101_000), d(140_581_000_000)]), Some(d(140_500_000_000)));
        assert_eq!(common(&[d(140_521_101_000), d(410_000_000_000)]), None);
    }
}
