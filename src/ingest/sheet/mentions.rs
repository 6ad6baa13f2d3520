//! Whom a row means by its 代理人 and 上级责任人: a person of the file or of the directory in force,
//! nearest first; else, where name and number are given, a person of his own. A name alone means only
//! somebody near: in another township or county a namesake is a stranger.

use super::{
    Column, SheetFault,
    people::{People, Person, SAME_NAME},
    rows::{Mention, SheetRow, SheetRows},
};
use crate::core::{
    directory::{Post, Tier},
    directory_index::DirectoryIndex,
    division::{Division, DivisionLevel},
    ids::RecipientId,
    phone::Phone,
};
use std::collections::HashMap;

/// Who is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Target {
    /// Index into [`People::persons`].
    Sheet(usize),
    /// Somebody in force whom the file has no row of.
    Known(RecipientId),
}

/// Deputy and superior of each row.
#[derive(Debug, Default)]
pub(super) struct Mentioned {
    pub deputy: Vec<Option<Target>>,
    pub superior: Vec<Option<Target>>,
}

struct Finder<'a> {
    rows: &'a SheetRows,
    current: &'a DirectoryIndex,
    by_number: HashMap<(String, Phone), usize>,
    by_name: HashMap<String, Vec<usize>>,
    /// 序号 of a sheet → its row; `None` where it stands twice.
    by_serial: HashMap<(usize, &'a str), Option<usize>>,
    known: HashMap<RecipientId, usize>,
    /// Of whose posts somebody in force is the superior: he may have none himself.
    under: HashMap<RecipientId, Vec<&'a Post>>,
}

/// Resolves all mentions; adds the persons who are known only by being mentioned.
pub(super) fn resolve(rows: &SheetRows, people: &mut People, current: &DirectoryIndex, faults: &mut Vec<SheetFault>) -> Mentioned {
    let mut finder = Finder {
        rows,
        current,
        by_number: HashMap::new(),
        by_name: HashMap::new(),
        by_serial: HashMap::new(),
        known: people.persons.iter().enumerate().filter_map(|(at, p)| Some((p.known?, at))).collect(),
        under: HashMap::new(),
    };
    for post in &current.posts {
        if let Some(superior) = post.superior {
            finder.under.entry(superior).or_default().push(post);
        }
    }
    for (at, person) in people.persons.iter().enumerate() {
        finder.note(at, person);
    }
    for (n, row) in rows.rows.iter().enumerate().filter(|(_, r)| !r.serial.is_empty()) {
        finder.by_serial.entry((row.sheet, &row.serial)).and_modify(|seat| *seat = None).or_insert(Some(n));
    }
    let count = rows.rows.len();
    let mut out = Mentioned { deputy: vec![None; count], superior: vec![None; count] };
    // Those with a number first: they may be new persons, whom others mention by name alone.
    for with_number in [true, false] {
        for (n, row) in rows.rows.iter().enumerate() {
            for (column, mention, seats) in
                [(Column::Deputy, &row.deputy, &mut out.deputy), (Column::Superior, &row.superior, &mut out.superior)]
            {
                let Some(mention) = mention.as_ref().filter(|m| m.phones.is_empty() != with_number) else { continue };
                let holder = people.of_row.get(n).copied().unwrap_or(usize::MAX);
                match finder.find(mention, row, holder, column, people, faults) {
                    Ok(target) => {
                        if let Some(seat) = seats.get_mut(n) {
                            *seat = Some(target);
                        }
                    }
                    // He may stand in a row that could not be read.
                    Err(_) if rows.unread.contains(&mention.name) || !(mention.serial.is_empty() || rows.unread.is_empty()) => {}
                    Err(message) => faults.push(rows.fault(row, column, message, false)),
                }
            }
        }
    }
    out
}

/// How near a place is to a row, 0 the very object, 3 the county or city over it; `None`: not in the same county.
fn distance(row: &SheetRow, division: Division, object: Option<&str>) -> Option<u8> {
    if division == row.division {
        let same_object = object.is_some() && object == row.object.as_ref().map(|o| o.code.as_str());
        return Some(if same_object { 0 } else { 1 });
    }
    let same = |level: DivisionLevel| row.division.at(level).is_some_and(|d| division.at(level) == Some(d));
    if same(DivisionLevel::Township) {
        Some(TOWNSHIP)
    } else if division.contains(row.division) {
        Some(3)
    } else if same(DivisionLevel::County) {
        Some(4)
    } else {
        None
    }
}
/// In the same township.
const TOWNSHIP: u8 = 2;
/// Anywhere else.
const FAR: u8 = 5;

/// How far somebody may stand who is meant by his name alone: in the township or over it; for a county's own post, in
/// the county.
fn reach(row: &SheetRow) -> u8 {
    if row.tier == Tier::County || row.division.level() == DivisionLevel::County { 4 } else { 3 }
}

impl Finder<'_> {
    fn note(&mut self, at: usize, person: &Person) {
        self.by_name.entry(person.name.clone()).or_default().push(at);
        for phone in &person.phones {
            self.by_number.entry((person.name.clone(), phone.clone())).or_insert(at);
        }
    }

    /// Everybody of a name with his distance, nearest first.
    fn candidates(&self, name: &str, row: &SheetRow, holder: usize, people: &People) -> Vec<(u8, Target)> {
        let mut found: Vec<(u8, Target)> = Vec::new();
        let in_file = self.by_name.get(name).map(Vec::as_slice).unwrap_or_default();
        for at in in_file.iter().take(SAME_NAME).filter(|at| **at != holder) {
            let places = people.persons.get(*at).map(|p| p.places.as_slice()).unwrap_or_default();
            let near = places.iter().filter_map(|(d, o)| distance(row, *d, o.as_deref())).min();
            found.push((near.unwrap_or(FAR), Target::Sheet(*at)));
        }
        for known in self.current.by_name(name).take(SAME_NAME) {
            let under = self.under.get(&known.id).into_iter().flatten().copied();
            let posts = self.current.posts_of(known.id).chain(self.current.deputised_by(known.id)).chain(under);
            let near = posts.filter_map(|p| distance(row, p.place.division, p.place.point.as_deref())).min();
            let target = match self.known.get(&known.id) {
                Some(at) if *at == holder => continue,
                Some(at) => Target::Sheet(*at),
                None => Target::Known(known.id),
            };
            found.push((near.unwrap_or(FAR), target));
        }
        found.sort_unstable();
        found
    }

    fn find(
        &mut self,
        mention: &Mention,
        row: &SheetRow,
        holder: usize,
        column: Column,
        people: &mut People,
        faults: &mut Vec<SheetFault>,
    ) -> Result<Target, String> {
        let not_self =
            |at: usize| if at == holder { Err("写的是本人，已忽略；请改为他人".to_string()) } else { Ok(Target::Sheet(at)) };
        if !mention.serial.is_empty() {
            return match self.by_serial.get(&(row.sheet, mention.serial.as_str())) {
                Some(Some(n)) => not_self(people.of_row.get(*n).copied().unwrap_or(usize::MAX)),
                Some(None) => Err(format!("序号 {} 在本表中有多行，无法确定是谁；请写姓名和手机", mention.serial)),
                None => Err(format!("本表中没有序号 {}；请写姓名和手机", mention.serial)),
            };
        }
        for phone in &mention.phones {
            if let Some(at) = self.by_number.get(&(mention.name.clone(), phone.clone())) {
                return not_self(*at);
            }
            if let Some(known) = self.current.by_phone(phone).find(|r| r.name == mention.name) {
                return match self.known.get(&known.id) {
                    Some(at) => not_self(*at),
                    None => Ok(Target::Known(known.id)),
                };
            }
        }
        if self.by_name.get(&mention.name).map_or(0, Vec::len) > SAME_NAME && mention.phones.is_empty() {
            return Err(format!("“{}”同名者过多，无法确定是谁，已忽略；请补其手机", mention.name));
        }
        let candidates = self.candidates(&mention.name, row, holder, people);
        let nearest = candidates.first().map(|(d, _)| *d);
        let mut best: Vec<Target> = candidates.into_iter().filter(|(d, _)| Some(*d) == nearest).map(|(_, t)| t).collect();
        best.dedup();
        if mention.phones.is_empty() {
            if nearest.is_some_and(|d| d > reach(row)) {
                return Err(format!("附近找不到“{}”（同名者在别的乡镇或县），已忽略；请补手机，或另列一行", mention.name));
            }
            return match best.as_slice() {
                [one] => {
                    if nearest.is_some_and(|d| d > TOWNSHIP) {
                        let message = format!("“{}”没有写手机，已按姓名对应到本乡镇以外的同名者；请核对，并补其手机", mention.name);
                        faults.push(self.rows.fault(row, column, message, false));
                    }
                    Ok(*one)
                }
                [] => Err(format!("找不到“{}”，已忽略；请补其手机，或另列一行", mention.name)),
                more => Err(format!("“{}”有 {} 人同名，无法确定是谁，已忽略；请补其手机", mention.name, more.len())),
            };
        }
        // The same name at the same place with another number: one person, one more number.
        if let ([Target::Sheet(at)], Some(0 | 1)) = (best.as_slice(), nearest)
            && let Some(person) = people.persons.get_mut(*at)
        {
            let new: Vec<Phone> = mention.phones.iter().filter(|p| !person.phones.contains(p)).cloned().collect();
            person.phones.extend(new);
            for phone in &mention.phones {
                self.by_number.entry((mention.name.clone(), phone.clone())).or_insert(*at);
            }
            let message = format!("“{}”在同一地点登记的是另一号码；已作为同一人，此号码列为备用", mention.name);
            faults.push(self.rows.fault(row, column, message, false));
            return Ok(Target::Sheet(*at));
        }
        let person = Person {
            name: mention.name.clone(),
            phones: mention.phones.clone(),
            email: None,
            im: None,
            rows: Vec::new(),
            places: vec![(row.division, row.object.as_ref().map(|o| o.code.clone()))],
            known: None,
        };
        let at = people.persons.len();
        self.note(at, &person);
        people.persons.push(person);
        Ok(Target::Sheet(at))
    }
}
