//! Rota rows → shifts of persons: who is meant, known already or new; and the seats' shifts replaced from the first of the
//! file to the last.

use super::{SheetFault, columns::Form, rota::DutyRow, rows::SheetRows};
use crate::core::{
    directory::{Directory, Recipient, Tier},
    division::{Division, DivisionLevel},
    ids::RecipientId,
    phone::Phone,
    rota::{Seat, Shift},
    time::Time,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

pub(super) fn fault(row: &DutyRow, message: impl Into<String>, fatal: bool) -> SheetFault {
    SheetFault {
        sheet: row.sheet.clone(),
        cell: row.cell.clone(),
        column: row.column.title_in(Form::Rotas).into(),
        message: message.into(),
        fatal,
    }
}

/// Everybody by name, with where each is known to be.
struct Known {
    by_name: HashMap<String, Vec<RecipientId>>,
    places: HashMap<RecipientId, BTreeSet<(Division, Tier)>>,
}

impl Known {
    fn new(d: &Directory, wanted: &BTreeSet<&str>) -> Known {
        let mut by_name: HashMap<String, Vec<RecipientId>> = HashMap::new();
        let mut places: HashMap<RecipientId, BTreeSet<(Division, Tier)>> = HashMap::new();
        for r in d.recipients.values().filter(|r| wanted.contains(r.name.as_str())) {
            by_name.entry(r.name.clone()).or_default().push(r.id);
            places.entry(r.id).or_default();
        }
        let mut note = |id: RecipientId, division: Division, tier: Tier| {
            if let Some(all) = places.get_mut(&id) {
                all.insert((division, tier));
            }
        };
        for post in &d.posts {
            [Some(post.recipient), post.deputy, post.superior]
                .into_iter()
                .flatten()
                .for_each(|id| note(id, post.place.division, post.tier));
        }
        for (seat, shifts) in d.rotas.iter() {
            shifts.iter().for_each(|s| note(s.recipient, seat.division, Tier::DutyDesk));
        }
        Known { by_name, places }
    }

    /// The nearest namesakes who may sit at a desk: of the very division, of its township, of the tier of its county (of
    /// its city, for the city's desk). A villager of the county is not a man of the county's desk.
    fn nearest(&self, name: &str, at: Division) -> (Vec<RecipientId>, bool) {
        let all = self.by_name.get(name).map(Vec::as_slice).unwrap_or_default();
        let same = |d: &Division, level: DivisionLevel| at.at(level).is_some() && d.at(level) == at.at(level);
        let (above, tier) =
            if at.level() < DivisionLevel::County { (at.level(), Tier::City) } else { (DivisionLevel::County, Tier::County) };
        let among = |ring: u8| -> Vec<RecipientId> {
            let near = |(d, t): &(Division, Tier)| match ring {
                0 => *d == at,
                1 => same(d, DivisionLevel::Township),
                _ => same(d, above) && (*t == tier || d.level() == above),
            };
            all.iter().filter(|id| self.places.get(id).is_some_and(|p| p.iter().any(near))).copied().collect()
        };
        for ring in 0..3 {
            let found = among(ring);
            if !found.is_empty() {
                return (found, ring == 0);
            }
        }
        (Vec::new(), false)
    }
}

/// Takes the rota rows in. Persons whom nobody knows yet are added, if they have a number.
pub(super) fn merge(rows: &SheetRows, new: &mut Directory, faults: &mut Vec<SheetFault>) {
    if rows.duty.is_empty() {
        return;
    }
    let wanted: BTreeSet<&str> = rows.duty.iter().map(|r| r.name.as_str()).collect();
    let mut known = Known::new(new, &wanted);
    // A cell may stand for several days.
    let mut told: BTreeSet<(&str, &str, &str)> = BTreeSet::new();
    let mut seats: BTreeMap<Seat, Vec<Shift>> = BTreeMap::new();
    for row in &rows.duty {
        let id = match who(row, &known, new) {
            Ok((id, extra)) => {
                if let Some(r) = new.recipients.get_mut(&id).filter(|_| !extra.is_empty()) {
                    let message = format!("“{}”在名册中登记的是另一号码；已作为同一人，此号码列为备用", row.name);
                    faults.push(fault(row, message, false));
                    r.phones.extend(extra);
                }
                id
            }
            Err(Some(message)) => {
                if !rows.unread.contains(&row.name) && told.insert((&row.sheet, &row.cell, &row.name)) {
                    faults.push(fault(row, message, true));
                }
                continue;
            }
            Err(None) => {
                let id = new.next_id();
                new.next_id = id.0.saturating_add(1);
                let person = Recipient { id, name: row.name.clone(), phones: row.phones.clone(), email: None, im: None };
                new.recipients.insert(id, person);
                known.by_name.entry(row.name.clone()).or_default().push(id);
                known.places.entry(id).or_default().insert((row.seat.division, Tier::DutyDesk));
                id
            }
        };
        seats.entry(row.seat.clone()).or_default().push(Shift { from: row.from, to: row.to, recipient: id, note: row.note.clone() });
    }
    for (seat, shifts) in seats {
        let from = shifts.iter().map(|s| s.from).min().unwrap_or(Time(0));
        let to = shifts.iter().map(|s| s.to).max().unwrap_or(Time(0));
        new.rotas.replace(&seat, from, to, shifts);
    }
}

/// The person meant, and which of the row's numbers are new to him; `Err(None)`: somebody new.
fn who(row: &DutyRow, known: &Known, d: &Directory) -> Result<(RecipientId, Vec<Phone>), Option<String>> {
    let all = known.by_name.get(&row.name).map(Vec::as_slice).unwrap_or_default();
    let phones = |id: &RecipientId| d.recipients.get(id).map(|r| r.phones.as_slice()).unwrap_or_default();
    let fresh = |id: &RecipientId| row.phones.iter().filter(|p| !phones(id).contains(p)).cloned().collect::<Vec<Phone>>();
    if let Some(same) = all.iter().find(|id| phones(id).iter().any(|p| row.phones.contains(p))) {
        return Ok((*same, fresh(same)));
    }
    let (nearest, here) = known.nearest(&row.name, row.seat.division);
    match (nearest.as_slice(), row.phones.is_empty()) {
        ([one], true) => Ok((*one, Vec::new())),
        // Somebody of this name at the very office: its own staff.
        ([one], false) if here => Ok((*one, fresh(one))),
        ([], true) => Err(Some(format!("本单位名册中找不到“{}”，也没有写号码；请补手机", row.name))),
        (many, true) => Err(Some(format!("“{}”有 {} 人同名，无法确定是谁；请补手机", row.name, many.len()))),
        (_, false) => Err(None),
    }
}
