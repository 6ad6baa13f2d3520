//! What is missing in a directory: people without a number, places without people, posts without a
//! deputy. Found before the rain, these are errands; found during it, they are silences.

use super::{
    directory::{Directory, Place, Role, Tier},
    division::{Division, DivisionLevel},
    ids::RecipientId,
    phone::Phone,
    time::Time,
};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// The gaps of a directory at one moment. Every list is complete and sorted.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Gaps {
    /// Nobody can reach them by any number.
    pub no_number: BTreeSet<RecipientId>,
    /// They have numbers, but none that can receive an SMS.
    pub no_mobile: BTreeSet<RecipientId>,
    /// Numbers that several people have: a reply must say for whom it is.
    pub shared_numbers: Vec<SharedNumber>,
    /// Posts (desks aside) that nobody may answer for in the holder's place: (holder, place id).
    pub no_deputy: BTreeSet<(RecipientId, String)>,
    /// Villages of the list where nobody of their own answers, be it for the village or a point in it: a cadre of the
    /// township who looks after the village (包村) is not one of them.
    pub empty_villages: BTreeSet<Division>,
    /// Townships and counties without a person of their own tier or desk.
    pub empty_offices: BTreeSet<Division>,
    pub empty_points: BTreeSet<String>,
    /// Cities, counties and townships without a 24-hour desk, be it a post or a rota.
    pub no_desk: BTreeSet<Division>,
}

/// A number that several people have. Serialised masked, because gaps are shown and logged.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SharedNumber {
    #[serde(serialize_with = "masked")]
    pub phone: Phone,
    /// Sorted.
    pub who: Vec<RecipientId>,
}

fn masked<S: serde::Serializer>(phone: &Phone, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(&phone.masked())
}

/// Finds the gaps. `divisions` of the directory are what should be covered; posts whose validity
/// does not include `now` do not count.
pub fn gaps(d: &Directory, now: Time) -> Gaps {
    let mut out = Gaps::default();
    let mut owners: BTreeMap<&Phone, Vec<RecipientId>> = BTreeMap::new();
    for r in d.recipients.values() {
        if r.phones.is_empty() {
            out.no_number.insert(r.id);
        } else if !r.phones.iter().any(Phone::is_mobile) {
            out.no_mobile.insert(r.id);
        }
        for phone in &r.phones {
            let who = owners.entry(phone).or_default();
            if !who.contains(&r.id) {
                who.push(r.id);
            }
        }
    }
    out.shared_numbers =
        owners.into_iter().filter(|(_, who)| who.len() > 1).map(|(phone, who)| SharedNumber { phone: phone.clone(), who }).collect();

    // Who sits at a desk may also be kept as a rota only.
    let mut desks: BTreeSet<Division> = d.rotas.iter().filter(|(s, _)| s.role.0 == Role::DUTY).map(|(s, _)| s.division).collect();
    let (mut villages, mut offices, mut points) = (BTreeSet::new(), desks.clone(), BTreeSet::new());
    for post in d.posts.iter().filter(|p| p.valid_at(now)) {
        let Place { division, point } = &post.place;
        if let Some(code) = point {
            points.insert(code.as_str());
        }
        if post.role.is_desk() {
            if point.is_none() && post.role.0 == Role::DUTY {
                desks.insert(*division);
                offices.insert(*division);
            }
        } else {
            if post.deputy.is_none() {
                out.no_deputy.insert((post.recipient, post.place.id()));
            }
            // A county's leader who looks after a township (包保) is not that township's own office.
            let own = match division.level() {
                DivisionLevel::City => post.tier == Tier::City,
                DivisionLevel::County => post.tier == Tier::County,
                DivisionLevel::Township => post.tier == Tier::Township,
                DivisionLevel::Village => matches!(post.tier, Tier::Village | Tier::Point),
                DivisionLevel::Province => false,
            };
            if own {
                if division.level() == DivisionLevel::Village { &mut villages } else { &mut offices }.insert(*division);
            }
        }
    }
    for code in d.divisions.keys() {
        match code.level() {
            DivisionLevel::Village if !villages.contains(code) => drop(out.empty_villages.insert(*code)),
            DivisionLevel::Village | DivisionLevel::Province => {}
            DivisionLevel::City | DivisionLevel::County | DivisionLevel::Township => {
                if !offices.contains(code) {
                    out.empty_offices.insert(*code);
                }
                if !desks.contains(code) {
                    out.no_desk.insert(*code);
                }
            }
        }
    }
    out.empty_points = d.points.keys().filter(|c| !points.contains(c.as_str())).cloned().collect();
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{
        directory::{DivisionName, Post},
        rota::{Seat, Shift},
    };

    #[test]
    fn a_cadre_is_no_villager_and_a_rota_is_a_desk() {
        let (village, county): (Division, Division) = ("140521101201".parse().unwrap(), "140521".parse().unwrap());
        let mut d = Directory::default();
        for code in [village, county] {
            d.divisions.insert(code, DivisionName { code, name: "某地".into(), clash: None });
        }
        let post = |n: u32, role: &str, tier| Post::new(RecipientId(n), Role::new(role), tier, Place { division: village, point: None });
        d.posts = vec![post(1, "contract", Tier::Township), post(2, "duty", Tier::DutyDesk)];
        let found = gaps(&d, Time(0));
        assert_eq!((found.empty_villages, found.no_desk), (BTreeSet::from([village]), BTreeSet::from([county])));
        d.posts.push(post(3, "grid", Tier::Village));
        d.rotas.put(&Seat::desk(county), Shift { from: Time(0), to: Time(1), recipient: RecipientId(3), note: String::new() });
        let found = gaps(&d, Time(0));
        assert_eq!((found.empty_villages, found.no_desk, found.empty_offices), Default::default());
    }
}
