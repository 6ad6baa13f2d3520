//! The feedback board (反馈汇总) of one warning: what has been reported, summed up the tree of divisions, who is
//! overdue, when the next report is due. Kept, not counted: each callout that changed is put in again and the sums
//! move by the difference. Every figure can be traced: a place names the callout whose report counts there.
//!
//! Figures are running totals. The newest report of a place counts, whoever gave it: a deputy's and a holder's
//! are one, and so are those of several people who answer for the place. A report of being
//! on post and nothing else takes the place of its own callout's figures only: what others reported still counts.
//!
//! A township that reports for itself speaks of all its villages, a village of its points: what it says and what they say
//! is the same water seen twice. Of each figure the greater counts, its own or the sum of those within it.

use crate::core::{
    callout::state::{Callout, CalloutState, Report},
    division::{Division, DivisionLevel},
    ids::CalloutId,
    plan::{PlanEntry, PlanPost},
    policy::RunningPolicy,
    time::Time,
};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// What is summed. Figures count places by the report that counts there; persons are counted each once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sums {
    /// Places somebody has reported for.
    pub places_reported: u64,
    pub to_move: u64,
    pub moved: u64,
    pub refused: u64,
    /// After the permission to return.
    pub returned: u64,
    /// 关停: what → how many had to be shut, how many are.
    pub closures: BTreeMap<String, ClosureSum>,
    /// Places in danger (险情).
    pub danger: u64,
    /// 断路 断电 断网 → places.
    pub outage: BTreeMap<String, u64>,
    /// Persons who owe reports, or gave them, owed or not: what the next two are measured by.
    pub persons_owing: u64,
    pub persons_reported: u64,
    /// Persons who reported that they are on post (到岗).
    pub on_post: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ClosureSum {
    pub due: u64,
    pub done: u64,
}

/// The report that counts at a place.
#[derive(Clone, Debug, PartialEq)]
pub struct Newest {
    pub callout: CalloutId,
    pub at: Time,
    pub by: String,
    pub relation: String,
    pub report: Report,
}

/// A report somebody owes.
#[derive(Clone, Debug, PartialEq)]
pub struct Owed {
    pub callout: CalloutId,
    pub name: String,
    pub place: String,
    pub division: Division,
    pub ask: Vec<String>,
    pub due: Time,
    /// Overdue since then.
    pub since: Option<Time>,
}

/// What one callout says.
#[derive(Clone, Debug, Default)]
struct Said {
    places: Vec<(String, At, Newest)>,
    person: Option<Person>,
    owed: Vec<Owed>,
}

/// Where a place is: a division as a whole, or a point in it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct At {
    division: Division,
    whole: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Person {
    division: Division,
    owing: bool,
    reported: bool,
    on_post: bool,
}

/// The reports of one place, by when and whose they are: the last of each callout.
type Reports = BTreeMap<(Time, CalloutId), Newest>;

/// The report that counts: the newest that is more than "on post", else the newest.
fn counting(all: &Reports) -> Option<&Newest> {
    all.values().rev().find(|n| !is_bare(&n.report)).or_else(|| all.values().next_back())
}

/// "On post" and nothing else. A report that says nothing is wrong there, by its words or by a form without that tick, is
/// no such one: it takes figures back.
fn is_bare(r: &Report) -> bool {
    let people = r.to_move > 0 || r.moved > 0 || r.refused > 0 || r.returned > 0;
    r.on_post && !people && !r.danger.present && r.closures.is_empty() && r.outage.is_empty() && r.note.is_empty()
}

/// See the module's head.
#[derive(Clone, Debug, Default)]
pub struct Board {
    said: BTreeMap<CalloutId, Said>,
    /// Everybody's report of a place, newest last.
    places: BTreeMap<String, (At, Reports)>,
    sums: BTreeMap<Division, Node>,
}

/// The sums of one division: what is reported for it as a whole, and what lies in it (its points, its parts' totals).
#[derive(Clone, Debug, Default)]
struct Node {
    whole: Sums,
    within: Sums,
}
impl Node {
    fn total(&self) -> Sums {
        self.within.or_more(&self.whole)
    }
}

impl Board {
    /// Takes in how a callout stands now, in place of how it stood before.
    pub fn put(&mut self, c: &Callout, entry: &PlanEntry, name: &str, policy: &RunningPolicy) {
        let said = say(c, entry, name, policy);
        let before = self.said.remove(&c.id).unwrap_or_default();
        let touched: BTreeSet<String> = before.places.iter().chain(&said.places).map(|(p, ..)| p.clone()).collect();
        touched.iter().for_each(|p| self.count_place(p, false));
        if let Some(person) = before.person {
            self.count_person(person, false);
        }
        for (place, _, n) in &before.places {
            if let Some((_, all)) = self.places.get_mut(place) {
                all.remove(&(n.at, n.callout));
            }
        }
        for (place, at, n) in &said.places {
            let (_, all) = self.places.entry(place.clone()).or_insert_with(|| (*at, BTreeMap::new()));
            all.insert((n.at, n.callout), n.clone());
        }
        touched.iter().for_each(|p| self.count_place(p, true));
        if let Some(person) = said.person {
            self.count_person(person, true);
        }
        self.places.retain(|p, (_, all)| !all.is_empty() || !touched.contains(p));
        self.said.insert(c.id, said);
    }

    fn count_place(&mut self, place: &str, into: bool) {
        if let Some((at, report)) = self.places.get(place).and_then(|(at, all)| Some((*at, &counting(all)?.report))) {
            self.count(at, &Sums::of(report), into);
        }
    }

    fn count_person(&mut self, p: Person, into: bool) {
        let (persons_owing, persons_reported, on_post) = (p.owing.into(), p.reported.into(), p.on_post.into());
        self.count(At { division: p.division, whole: false }, &Sums { persons_owing, persons_reported, on_post, ..Sums::default() }, into);
    }

    /// Counted where it is, and the difference it makes in all divisions above.
    fn count(&mut self, at: At, what: &Sums, into: bool) {
        let node = self.sums.entry(at.division).or_default();
        let mut before = node.total();
        (if at.whole { &mut node.whole } else { &mut node.within }).shift(what, into);
        let mut after = node.total();
        for d in up(at.division).skip(1) {
            let node = self.sums.entry(d).or_default();
            let total = node.total();
            node.within.shift(&before, false);
            node.within.shift(&after, true);
            (before, after) = (total, node.total());
        }
    }

    /// The sums of everything inside a division.
    pub fn inside(&self, division: Division) -> Sums {
        self.sums.get(&division).map(Node::total).unwrap_or_default()
    }

    /// The sums of all.
    pub fn total(&self) -> Sums {
        let tops = self.sums.iter().filter(|(d, _)| d.parent().is_none_or(|p| !self.sums.contains_key(&p)));
        let mut all = Sums::default();
        tops.for_each(|(_, node)| all.shift(&node.total(), true));
        all
    }

    /// The sums of each division of this depth.
    pub fn by(&self, level: DivisionLevel) -> BTreeMap<Division, Sums> {
        self.sums.iter().filter(|(d, _)| d.level() == level).map(|(d, node)| (*d, node.total())).collect()
    }

    /// The report that counts at each place inside a division.
    pub fn newest(&self, inside: Division) -> impl Iterator<Item = (&str, Division, &Newest)> {
        let here = self.places.iter().filter(move |(_, (at, _))| inside.contains(at.division));
        here.filter_map(|(p, (at, all))| Some((p.as_str(), at.division, counting(all)?)))
    }

    /// The same over all of the warning.
    pub fn everywhere(&self) -> impl Iterator<Item = (&str, Division, &Newest)> {
        self.places.iter().filter_map(|(p, (at, all))| Some((p.as_str(), at.division, counting(all)?)))
    }

    /// Reports that are owed, the one that is due first first.
    pub fn owed(&self) -> Vec<&Owed> {
        let mut all: Vec<&Owed> = self.said.values().flat_map(|s| &s.owed).collect();
        all.sort_by_key(|o| (o.since.unwrap_or(o.due), o.due, o.callout));
        all
    }
}

/// The division and all that contain it, up to the province.
fn up(division: Division) -> impl Iterator<Item = Division> {
    std::iter::successors(Some(division), |d| d.parent())
}

fn step(n: &mut u64, by: u64, into: bool) {
    *n = if into { n.saturating_add(by) } else { n.saturating_sub(by) };
}

impl Sums {
    /// What one report says.
    fn of(r: &Report) -> Sums {
        let mut closures: BTreeMap<String, ClosureSum> = BTreeMap::new();
        for c in &r.closures {
            let sum = closures.entry(c.what.clone()).or_default();
            sum.due += u64::from(c.due);
            sum.done += u64::from(c.done);
        }
        Sums {
            places_reported: 1,
            to_move: r.to_move.into(),
            moved: r.moved.into(),
            refused: r.refused.into(),
            returned: r.returned.into(),
            closures,
            danger: r.danger.present.into(),
            outage: r.outage.iter().map(|o| (o.clone(), 1)).collect(),
            ..Sums::default()
        }
    }

    fn shift(&mut self, s: &Sums, into: bool) {
        step(&mut self.places_reported, s.places_reported, into);
        step(&mut self.to_move, s.to_move, into);
        step(&mut self.moved, s.moved, into);
        step(&mut self.refused, s.refused, into);
        step(&mut self.returned, s.returned, into);
        step(&mut self.danger, s.danger, into);
        step(&mut self.persons_owing, s.persons_owing, into);
        step(&mut self.persons_reported, s.persons_reported, into);
        step(&mut self.on_post, s.on_post, into);
        for (what, c) in &s.closures {
            let sum = self.closures.entry(what.clone()).or_default();
            step(&mut sum.due, c.due, into);
            step(&mut sum.done, c.done, into);
        }
        for (what, n) in &s.outage {
            step(self.outage.entry(what.clone()).or_default(), *n, into);
        }
        // What nobody speaks of any more has no line, so that sums that were kept and sums made anew are equal.
        self.closures.retain(|_, c| c.due > 0 || c.done > 0);
        self.outage.retain(|_, n| *n > 0);
    }

    /// Two views of the same division: of each figure the greater. Places and persons are counted in both.
    fn or_more(&self, whole: &Sums) -> Sums {
        let mut all = self.clone();
        all.places_reported += whole.places_reported;
        all.to_move = all.to_move.max(whole.to_move);
        all.moved = all.moved.max(whole.moved);
        all.refused = all.refused.max(whole.refused);
        all.returned = all.returned.max(whole.returned);
        all.danger = all.danger.max(whole.danger);
        for (what, c) in &whole.closures {
            let sum = all.closures.entry(what.clone()).or_default();
            sum.due = sum.due.max(c.due);
            sum.done = sum.done.max(c.done);
        }
        for (what, n) in &whole.outage {
            let sum = all.outage.entry(what.clone()).or_default();
            *sum = (*sum).max(*n);
        }
        all
    }
}

fn say(c: &Callout, entry: &PlanEntry, name: &str, policy: &RunningPolicy) -> Said {
    // What continues in a newer callout is counted there.
    if c.told_only || c.successor.is_some_and(|s| s.inherits) {
        return Said::default();
    }
    let at = |p: &PlanPost| At { division: p.place.division, whole: p.place.point.is_none() };
    let place_of = |place: &str| entry.posts.iter().find(|p| p.place.id() == place).map(at);
    let reported = c.reports.iter().filter_map(|(place, r)| {
        let newest = Newest { callout: c.id, at: r.at, by: r.by.name.clone(), relation: r.by.relation.clone(), report: r.report.clone() };
        Some((place.clone(), place_of(place)?, newest))
    });
    let schedule = entry.feedback.and_then(|f| policy.feedback.get(usize::from(f)));
    let first = entry.posts.first();
    let answered = matches!(c.state, CalloutState::Answered | CalloutState::Reported);
    let reported_any = !c.reports.is_empty();
    let person = first.map(|p| Person {
        division: p.place.division,
        owing: reported_any || schedule.is_some() && answered,
        reported: reported_any && !c.reported_in_part,
        on_post: c.reports.values().any(|r| r.report.on_post),
    });
    let owed = c.feedback_clocks.iter().filter(|_| c.ending.is_none()).map(|k| {
        let rule = schedule.and_then(|s| s.get(k.ask));
        let places = rule.map(|r| c.places_owed(entry, r, k)).unwrap_or_default();
        let place = places.first().copied().or(first);
        let name_of = |p: &PlanPost| match places.len() {
            0 | 1 => p.place_name.clone(),
            n => format!("{}等{n}处", p.place_name),
        };
        Owed {
            callout: c.id,
            name: name.to_string(),
            place: place.map(name_of).unwrap_or_default(),
            division: place.map(|p| p.place.division).unwrap_or_default(),
            ask: rule.map(|r| r.ask.clone()).unwrap_or_default(),
            due: k.due,
            since: k.overdue_since,
        }
    });
    Said { places: reported.collect(), person, owed: owed.collect() }
}

#[cfg(test)]
mod tests;
