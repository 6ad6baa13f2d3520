//! Which rows are the same person, and whom of the directory in force each person is.
//!
//! Identity is name + a shared number. Somebody without a number is known by name + division; somebody
//! whose number changed, by name + the very post, where nobody else could be meant. Two names on
//! one number stay two people.

use super::rows::{SheetRow, SheetRows};
use crate::core::{directory::Recipient, directory_index::DirectoryIndex, division::Division, ids::RecipientId, phone::Phone};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// So many people of one name are compared one by one.
pub(super) const SAME_NAME: usize = 300;

/// A person of the file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Person {
    pub name: String,
    /// In the order of the rows.
    pub phones: Vec<Phone>,
    pub email: Option<String>,
    pub im: Option<String>,
    /// Indexes of his rows; empty for a deputy or superior who has no row of his own.
    pub rows: Vec<usize>,
    /// Where he stands: of his rows, or of the row that mentions him.
    pub places: Vec<(Division, Option<String>)>,
    /// Whom of the directory in force he is.
    pub known: Option<RecipientId>,
}

/// All persons of a file.
#[derive(Debug, Default)]
pub(super) struct People {
    /// In the order of their first row.
    pub persons: Vec<Person>,
    /// Row → person.
    pub of_row: Vec<usize>,
}

/// Disjoint sets of rows, by path halving; the smallest row of a set leads it.
struct Sets(Vec<usize>);
impl Sets {
    fn root(&mut self, mut n: usize) -> usize {
        while let Some(&up) = self.0.get(n).filter(|up| **up != n) {
            let over = self.0.get(up).copied().unwrap_or(up);
            if let Some(seat) = self.0.get_mut(n) {
                *seat = over;
            }
            n = over;
        }
        n
    }
    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        if let Some(seat) = self.0.get_mut(a.max(b)) {
            *seat = a.min(b);
        }
    }
}

fn place_of(row: &SheetRow) -> (Division, Option<String>) {
    (row.division, row.object.as_ref().map(|o| o.code.clone()))
}

/// Groups rows into persons and matches these with the directory in force.
pub(super) fn group(rows: &SheetRows, current: &DirectoryIndex) -> People {
    let rows = rows.rows.as_slice();
    let mut sets = Sets((0..rows.len()).collect());
    let mut by_number: HashMap<(&str, &Phone), usize> = HashMap::new();
    let mut by_known: BTreeMap<RecipientId, usize> = BTreeMap::new();
    for (n, row) in rows.iter().enumerate() {
        for phone in &row.phones {
            let first = *by_number.entry((&row.name, phone)).or_insert(n);
            sets.join(first, n);
            for known in current.by_phone(phone).filter(|r| r.name == row.name) {
                let first = *by_known.entry(known.id).or_insert(n);
                sets.join(first, n);
            }
        }
    }
    join_without_number(rows, &mut sets);

    let mut people = People { persons: Vec::new(), of_row: vec![0; rows.len()] };
    let mut of_root: HashMap<usize, usize> = HashMap::new();
    for (n, row) in rows.iter().enumerate() {
        let root = sets.root(n);
        let at = *of_root.entry(root).or_insert_with(|| {
            let person = Person {
                name: row.name.clone(),
                phones: Vec::new(),
                email: None,
                im: None,
                rows: Vec::new(),
                places: Vec::new(),
                known: None,
            };
            people.persons.push(person);
            people.persons.len() - 1
        });
        if let (Some(seat), Some(person)) = (people.of_row.get_mut(n), people.persons.get_mut(at)) {
            *seat = at;
            person.rows.push(n);
            person.places.push(place_of(row));
            person.email = person.email.take().or_else(|| row.email.clone());
            person.im = person.im.take().or_else(|| row.im.clone());
            for phone in &row.phones {
                if !person.phones.contains(phone) {
                    person.phones.push(phone.clone());
                }
            }
        }
    }
    // The smallest id wins where the file shows two known people to be one.
    for (id, row) in &by_known {
        let person = of_root.get(&sets.root(*row)).and_then(|at| people.persons.get_mut(*at));
        if let Some(person) = person {
            person.known = person.known.or(Some(*id));
        }
    }
    let taken: BTreeSet<RecipientId> = by_known.into_keys().collect();
    match_by_post(rows, &mut people, current, taken);
    people
}

/// A row without a number belongs to the one person of that name in the same division, if there is
/// just one; else to the other rows of that name and division without a number.
fn join_without_number(rows: &[SheetRow], sets: &mut Sets) {
    let mut with: HashMap<(&str, Division), BTreeSet<usize>> = HashMap::new();
    for (n, row) in rows.iter().enumerate().filter(|(_, r)| !r.phones.is_empty()) {
        with.entry((&row.name, row.division)).or_default().insert(sets.root(n));
    }
    let mut without: HashMap<(&str, Division), usize> = HashMap::new();
    for (n, row) in rows.iter().enumerate().filter(|(_, r)| r.phones.is_empty()) {
        let key = (row.name.as_str(), row.division);
        match with.get(&key).filter(|s| s.len() == 1).and_then(|s| s.first()) {
            Some(one) => sets.join(*one, n),
            None => {
                let first = *without.entry(key).or_insert(n);
                sets.join(first, n);
            }
        }
    }
}

/// Persons not known by their numbers: by name and division where they have no number, by name and
/// the very post where their number is new. Only where exactly one is meant on either side.
fn match_by_post(rows: &[SheetRow], people: &mut People, current: &DirectoryIndex, mut taken: BTreeSet<RecipientId>) {
    let mut claims: BTreeMap<RecipientId, Vec<usize>> = BTreeMap::new();
    for (at, person) in people.persons.iter().enumerate().filter(|(_, p)| p.known.is_none()) {
        let same = |known: &Recipient| {
            current.posts_of(known.id).any(|post| {
                person.rows.iter().filter_map(|n| rows.get(*n)).any(|row| {
                    let same_place = match (&post.place.point, &row.object) {
                        (Some(code), Some(object)) => *code == object.code,
                        (None, None) => post.place.division == row.division,
                        _ => false,
                    };
                    if person.phones.is_empty() {
                        post.place.division == row.division
                    } else {
                        same_place && row.roles.contains(&post.role)
                    }
                })
            })
        };
        // Looking among more namesakes than this finds no certainty, only time.
        let namesakes = current.by_name(&person.name).take(SAME_NAME);
        let mut found = namesakes.filter(|r| !taken.contains(&r.id)).filter(|r| same(r));
        if let (Some(one), None) = (found.next(), found.next()) {
            claims.entry(one.id).or_default().push(at);
        }
    }
    for (id, by) in claims {
        if let [one] = by.as_slice()
            && taken.insert(id)
            && let Some(person) = people.persons.get_mut(*one)
        {
            person.known = Some(id);
        }
    }
}
