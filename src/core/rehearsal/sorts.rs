//! Who lives through the same night: callouts of one sort differ in names only, and so do their telephone numbers. Ten
//! thousand persons are a few hundred sorts, so that a rehearsal need not play each.
//!
//! Callouts meet on numbers: a village's deputy is rung for two villages, a desk for all. Two callouts are of one sort if
//! their plans are alike and their numbers are, and two numbers are alike if the same sorts of callouts ask them in the
//! same order. The partition is refined until it stands (colour refinement).

use super::super::phone::Phone;
use std::{
    collections::{HashMap, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
};

/// What one callout may ask, in an order that its plan gives: whose number, and the number.
pub(super) struct Asks {
    /// What its plan looks like, without names.
    pub plan: Vec<i64>,
    /// The person (any number that names him) and one of his phones.
    pub numbers: Vec<(u32, Phone)>,
}

/// A sort of callouts, played once for all of them.
pub(super) struct Sort {
    /// The first of them in the order of calling, which is played.
    pub first: usize,
    /// Where its asks go, by its own phone numbers.
    pub ways: HashMap<Phone, Way>,
}

/// How a sort reaches a sort of numbers.
#[derive(Clone)]
pub(super) struct Way {
    pub line: usize,
    /// Its place among the sorts that ask there: who was first is served first.
    pub place: u32,
    /// Which person of those the line is asked for, by the plan's name of him.
    pub persons: HashMap<u32, u32>,
}

pub(super) struct Sorts {
    pub of: Vec<usize>,
    pub sorts: Vec<Sort>,
    /// How many telephone numbers are of each sort.
    pub numbers: Vec<usize>,
}

/// What asks a number: the sort of callout, and by which of its ways for which person.
type Asked = (u64, Vec<(usize, u32)>);

fn hash(x: &impl Hash) -> u64 {
    let mut h = DefaultHasher::new();
    x.hash(&mut h);
    h.finish()
}

/// More rounds than any chain of deputies is long; what differs only beyond them is as good as alike.
const ROUNDS: usize = 64;

pub(super) fn sorts(all: &[Asks]) -> Sorts {
    // Every number with its callouts in the order of calling.
    let mut index: HashMap<&Phone, usize> = HashMap::new();
    let mut asked: Vec<Vec<(usize, Vec<(usize, u32)>)>> = Vec::new();
    let mut persons: Vec<Vec<u32>> = Vec::new();
    for (i, asks) in all.iter().enumerate() {
        for (way, (person, phone)) in asks.numbers.iter().enumerate() {
            let n = *index.entry(phone).or_insert_with(|| {
                asked.push(Vec::new());
                persons.push(Vec::new());
                asked.len() - 1
            });
            let who = persons[n].iter().position(|p| p == person).unwrap_or_else(|| {
                persons[n].push(*person);
                persons[n].len() - 1
            }) as u32;
            match asked[n].last_mut() {
                Some((last, ways)) if *last == i => ways.push((way, who)),
                _ => asked[n].push((i, vec![(way, who)])),
            }
        }
    }
    let numbers_of: Vec<Vec<usize>> = all.iter().map(|a| a.numbers.iter().filter_map(|(_, p)| index.get(p).copied()).collect()).collect();
    let mut colours: Vec<u64> = all.iter().map(|a| hash(&a.plan)).collect();
    let look = |colours: &[u64]| -> Vec<Vec<Asked>> { asked.iter().map(|a| distinct(a, colours)).collect() };
    let mut lines = look(&colours);
    let mut line_colours: Vec<u64> = lines.iter().map(hash).collect();
    for _ in 0..ROUNDS {
        let finer = |(i, c): (usize, &u64)| hash(&(*c, numbers_of[i].iter().map(|n| line_colours[*n]).collect::<Vec<_>>()));
        let next: Vec<u64> = colours.iter().enumerate().map(finer).collect();
        if count(&next) == count(&colours) {
            break;
        }
        colours = next;
        lines = look(&colours);
        line_colours = lines.iter().map(hash).collect();
    }
    let mut line_of: HashMap<u64, usize> = HashMap::new();
    let mut numbers: Vec<usize> = Vec::new();
    for c in &line_colours {
        let l = *line_of.entry(*c).or_insert_with(|| {
            numbers.push(0);
            numbers.len() - 1
        });
        numbers[l] += 1;
    }
    let mut sort_of: HashMap<u64, usize> = HashMap::new();
    let mut sorts: Vec<Sort> = Vec::new();
    let mut of = Vec::with_capacity(all.len());
    for (i, c) in colours.iter().enumerate() {
        let s = *sort_of.entry(*c).or_insert_with(|| {
            let mut ways: HashMap<Phone, Way> = HashMap::new();
            for (way, (person, phone)) in all[i].numbers.iter().enumerate() {
                let n = numbers_of[i][way];
                let mine = |(colour, ways): &Asked| colour == c && ways.iter().any(|(w, _)| *w == way);
                let Some(place) = lines[n].iter().position(mine) else { continue };
                let who = lines[n][place].1.iter().find(|(w, _)| *w == way).map_or(0, |(_, who)| *who);
                let w = ways.entry(phone.clone()).or_insert_with(|| Way {
                    line: line_of[&line_colours[n]],
                    place: place as u32,
                    persons: HashMap::new(),
                });
                w.persons.insert(*person, who);
            }
            sorts.push(Sort { first: i, ways });
            sorts.len() - 1
        });
        of.push(s);
    }
    Sorts { of, sorts, numbers }
}

/// The sorts that ask a number, each where it comes first.
fn distinct(asked: &[(usize, Vec<(usize, u32)>)], colours: &[u64]) -> Vec<Asked> {
    let mut seen = HashSet::new();
    asked.iter().map(|(i, ways)| (colours[*i], ways.clone())).filter(|a| seen.insert(hash(a))).collect()
}

fn count(colours: &[u64]) -> usize {
    colours.iter().collect::<HashSet<_>>().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phone(n: u32) -> Phone {
        Phone::parse(&format!("154{n:08}")).unwrap()
    }
    fn asks(plan: i64, numbers: &[u32]) -> Asks {
        Asks { plan: vec![plan], numbers: numbers.iter().map(|n| (*n, phone(*n))).collect() }
    }

    #[test]
    fn villages_that_differ_in_names_only_are_one_sort_and_so_are_their_numbers() {
        // Two townships with three villages each: holder, deputy, the township's desk (901, 902).
        let all: Vec<Asks> = (0..6).map(|v| asks(1, &[v, 100 + v, 901 + v / 3])).collect();
        let s = sorts(&all);
        assert_eq!((s.sorts.len(), s.of.as_slice()), (1, [0; 6].as_slice()));
        // Holders, deputies, desks.
        assert_eq!(s.numbers, [6, 6, 2]);
        assert_eq!(s.sorts[0].ways[&phone(901)].line, 2);
    }

    #[test]
    fn a_deputy_of_two_and_a_holder_who_is_another_s_deputy_make_sorts_of_their_own() {
        // 0 and 1 share a deputy; 2 and 3 are each other's deputy; 4 stands alone.
        let all = [asks(1, &[0, 50]), asks(1, &[1, 50]), asks(1, &[2, 3]), asks(1, &[3, 2]), asks(1, &[4, 54])];
        let s = sorts(&all);
        assert_eq!(s.of[0], s.of[4], "a deputy asked by two of one sort is gathered: as good as asked by one");
        assert_ne!(s.of[2], s.of[0]);
        assert_ne!(s.of[2], s.of[3], "on either number one of them comes first");
        assert_eq!(s.numbers.iter().sum::<usize>(), 8);
    }

    #[test]
    fn another_plan_on_the_same_desk_tells_its_neighbours_apart_from_those_who_have_none() {
        let all = [asks(1, &[0, 90]), asks(2, &[1, 90]), asks(1, &[2, 91]), asks(1, &[3, 91])];
        let s = sorts(&all);
        assert_ne!(s.of[0], s.of[2]);
        assert_eq!(s.of[2], s.of[3]);
        let (first, second) = (&s.sorts[s.of[0]], &s.sorts[s.of[1]]);
        assert_eq!((first.ways[&phone(90)].place, second.ways[&phone(90)].place), (0, 1));
        assert_eq!(first.ways[&phone(90)].persons, second.ways[&phone(90)].persons, "one desk, one person of it");
    }
}
