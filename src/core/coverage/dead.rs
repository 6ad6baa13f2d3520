//! Dead numbers of those whom no row calls and rungs ring: deputies, superiors, desks, shift leaders, whoever is still to
//! come on a rota. Every ladder ends on them. Whoever is called himself is told where he is called.

use super::{
    CoverageInput, Gap, GapKind,
    gaps::{bare, dead_told},
    places::Site,
};
use crate::core::{
    directory::{Place, Post, Role},
    ids::RecipientId,
    phone::Phone,
    rota::Seat,
};
use std::collections::{BTreeMap, BTreeSet};

/// Each number once, at the first place that hangs on it.
pub(super) struct Beside {
    /// Whoever has a dead number: few, and asked for every post and row.
    people: BTreeSet<RecipientId>,
    found: BTreeMap<(RecipientId, Phone), Found>,
}

struct Found {
    place: Place,
    /// What the person is there.
    as_what: &'static str,
    /// Other places that hang on it too.
    others: BTreeSet<Place>,
    /// Rows for which it matters; none: all.
    rows: BTreeSet<u16>,
}

impl Beside {
    pub fn new(input: &CoverageInput<'_>) -> Beside {
        let dead = input.lookup.dead();
        let people = input.directory.recipients.values().filter(|r| r.phones.iter().any(|p| dead.is_dead(p))).map(|r| r.id).collect();
        Beside { people, found: BTreeMap::new() }
    }

    /// The deputy and the superior of a post that a row calls.
    pub fn of_post(&mut self, input: &CoverageInput<'_>, post: &Post, row: u16) {
        for (who, as_what) in [(post.deputy, "代理人"), (post.superior, "上级责任人")] {
            if let Some(who) = who.filter(|w| *w != post.recipient) {
                self.note(input, who, as_what, &post.place, Some(row));
            }
        }
    }

    /// Who sits at the desks and leads the shifts of these places, now or by a rota later.
    pub fn of_seats(&mut self, input: &CoverageInput<'_>, places: &[Site]) {
        let directory = input.directory;
        for site in places.iter().filter(|s| s.place.point.is_none()) {
            let desks = site.desks.iter().filter_map(|i| directory.posts.get(*i as usize)).filter(|p| p.place == site.place);
            for post in desks {
                let as_what = if post.role.0 == Role::SHIFT_LEADER { "带班领导" } else { "值班室" };
                self.note(input, post.recipient, as_what, &site.place, None);
            }
            let division = site.place.division;
            for (seat, as_what) in [(Seat::desk(division), "值班员"), (Seat::leader(division), "带班领导")] {
                let to_come: BTreeSet<RecipientId> =
                    directory.rotas.of(&seat).iter().filter(|s| s.to > input.now).map(|s| s.recipient).collect();
                to_come.into_iter().for_each(|who| self.note(input, who, as_what, &site.place, None));
            }
        }
    }

    fn note(&mut self, input: &CoverageInput<'_>, who: RecipientId, as_what: &'static str, place: &Place, row: Option<u16>) {
        if !self.people.contains(&who) {
            return;
        }
        let Some(person) = input.directory.recipients.get(&who) else { return };
        for phone in person.phones.iter().filter(|p| input.lookup.dead().is_dead(p)) {
            let key = (who, phone.clone());
            let found = self.found.entry(key).or_insert_with(|| Found {
                place: place.clone(),
                as_what,
                others: BTreeSet::new(),
                rows: row.into_iter().collect(),
            });
            if found.place != *place {
                found.others.insert(place.clone());
            }
            match row {
                // A seat is asked by every row's ladder, and stays so.
                Some(row) if !found.rows.is_empty() => drop(found.rows.insert(row)),
                Some(_) => {}
                None => found.rows.clear(),
            }
        }
    }

    /// All of them but those of people in `called`.
    pub fn gaps(&self, input: &CoverageInput<'_>, called: &BTreeSet<RecipientId>) -> Vec<Gap> {
        let found = self.found.iter().filter(|((who, _), _)| !called.contains(who));
        let gap = |((who, phone), f): (&(RecipientId, Phone), &Found)| {
            let name = input.directory.recipients.get(who).map(|r| r.name.clone()).unwrap_or_default();
            let evidence = input.lookup.dead().get(phone).cloned();
            let more = if f.others.is_empty() { String::new() } else { format!("，涉及{}处", f.others.len() + 1) };
            let detail = dead_told(&format!("{name}（{}{more}）", f.as_what), Some(phone), evidence.as_ref());
            Gap {
                recipient: Some(*who),
                name: Some(name),
                phone: Some(phone.clone()),
                rows: f.rows.iter().copied().collect(),
                evidence,
                ..bare(input.directory, GapKind::DeadNumber, &f.place, detail)
            }
        };
        found.map(gap).collect()
    }
}
