//! From the areas of a message to places of ours: each part is read as well as it can be, within the
//! issuer's rights; what cannot be read becomes a finding and the rest goes on.
//!
//! Two mistakes are weighed against each other everywhere here: whoever is in danger and not called may
//! die; whoever is called for nothing stops listening. Where a code and a name contradict each other both
//! are called; where a name says more than its code, the name counts. Drawn shapes: [`super::drawn`].

use super::{
    lookup::{Lookup, Target, ancestors},
    names,
};
use crate::core::{
    directory::Directory,
    division::{Division, DivisionLevel},
    hazard::Level,
    message::fit_list,
    warning::{Area, Content, Finding, Shape},
};
use std::collections::BTreeMap;

/// Where a warning applies.
#[derive(Debug, Default, PartialEq)]
pub struct Resolved {
    /// Each place with the highest level named for it.
    pub targets: BTreeMap<Target, Level>,
    pub findings: Vec<Finding>,
    /// The area parts that could not be read, in plain words.
    pub unreadable: Vec<String>,
    /// Every readable part lies outside the issuer's rights (the message is to be refused with 403).
    pub outside_rights: bool,
}

/// Reads the areas of a message. `rights` are the issuer's divisions; empty means all.
pub fn resolve(content: &Content, directory: &Directory, lookup: &Lookup, rights: &[Division]) -> Resolved {
    let mut reader = Reader { directory, lookup, rights, out: Resolved::default(), foreign: 0, broad: by_points_only(content) };
    for area in &content.areas {
        reader.read(area, area.level.unwrap_or(content.level));
    }
    reader.towns_in_the_text(content);
    let mut out = reader.out;
    out.outside_rights = out.targets.is_empty() && out.unreadable.is_empty() && reader.foreign > 0;
    out
}

fn by_points_only(content: &Content) -> bool {
    !content.areas.iter().any(|a| matches!(a.shape, Shape::Division(_) | Shape::Named(_)))
}

pub(super) struct Reader<'a> {
    pub(super) directory: &'a Directory,
    pub(super) lookup: &'a Lookup,
    rights: &'a [Division],
    pub(super) out: Resolved,
    /// Parts wholly outside the issuer's rights.
    foreign: usize,
    /// No area is given by division or name, so that shapes must speak for whole townships.
    pub(super) broad: bool,
}

impl Reader<'_> {
    pub(super) fn finding(&mut self, code: &str, detail: String) {
        let f = Finding::new(code, detail);
        if !self.out.findings.contains(&f) {
            self.out.findings.push(f);
        }
    }

    fn read(&mut self, area: &Area, level: Level) {
        match &area.shape {
            Shape::Division(d) => self.division(*d, area, level),
            Shape::Point(code) => match self.directory.points.get(code) {
                Some(_) => self.add(Target::Point(code.clone()), level),
                None => {
                    let what = format!("点位 {code} 不在名册中");
                    let rights = self.rights.to_vec();
                    self.by_name_instead("unknown_point", what, area, level, &rights);
                }
            },
            Shape::Named(text) => {
                let found = self.named(text, level);
                if !found {
                    self.out.unreadable.push(format!("地名“{text}”"));
                }
            }
            Shape::Polygon(_) | Shape::Line(_) | Shape::Circle { .. } => self.shape(area, level),
        }
    }

    fn division(&mut self, d: Division, area: &Area, level: Level) {
        if !self.may(d) && !self.rights.iter().any(|r| d.contains(*r)) {
            self.foreign += 1;
            self.finding("outside_issuer_rights", format!("{} 不在发布单位的权限范围内，该部分不叫应", self.named_code(d)));
            return;
        }
        if !self.lookup.knows(self.directory, d) {
            self.unknown(d, area, level);
            return;
        }
        match area.name.as_deref().map(|name| self.beside(d, name)) {
            Some(Beside::Finer(targets, name)) => {
                let detail = format!("代码 {} 比地名“{name}”大，只叫应地名所指的部分，请核对", self.named_code(d));
                self.finding("name_finer_than_code", detail);
                targets.into_iter().for_each(|t| self.add(t, level));
                return;
            }
            Some(Beside::Elsewhere(other, name)) => {
                let detail = format!("地名“{name}”（{other}）与代码 {} 不符，两处都叫应，请核对", self.named_code(d));
                self.finding("name_and_code_differ", detail);
                self.add(Target::Division(other), level);
            }
            Some(Beside::Same) | None => {}
        }
        self.add(Target::Division(d), level);
        self.clash(d, level);
    }

    /// Whole counties by code, and towns in the text: the counties are called (a text names neighbours and rivers
    /// too), and whoever reads it in the duty room is told what it says.
    fn towns_in_the_text(&mut self, content: &Content) {
        const READ: usize = 4_000;
        let text: String = content.headline.chars().chain(content.description.chars()).take(READ).collect();
        let mut towns = Vec::new();
        for target in self.out.targets.keys() {
            let Target::Division(county) = target else { continue };
            if county.level() == DivisionLevel::County {
                let (from, to) = county.range();
                let inside = self.directory.divisions.range(Division(from)..Division(to)).map(|(_, e)| e);
                let named = inside.filter(|e| e.code.level() == DivisionLevel::Township && text.contains(&e.name));
                towns.extend(named.map(|e| self.named_code(e.code)));
            }
        }
        if !towns.is_empty() {
            let list = fit_list(&towns, 200, "个乡镇");
            self.finding("text_names_towns", format!("编码是全县，正文点名{list}；按编码叫应全县，请核对"));
        }
    }

    /// What the name beside a known code says.
    fn beside(&self, d: Division, name: &str) -> Beside {
        let clash = |c: Division| self.directory.divisions.get(&c).and_then(|e| e.clash.as_deref());
        if let [Target::Division(other)] = self.lookup.by_name(name)
            && !other.contains(d)
            && !d.contains(*other)
        {
            // The other list's name for this code: both are called anyway.
            return if clash(d) == Some(name) { Beside::Same } else { Beside::Elsewhere(*other, name.to_string()) };
        }
        // Only a name that is understood to its last word may make a warning smaller.
        let found = names::find(name, self.directory, self.lookup, &[d]);
        let inside = |t: &Target| match t {
            Target::Division(t) => d.contains(*t) && *t != d,
            Target::Point(_) => false,
        };
        let whole = found.whole && found.unknown.is_empty() && found.ambiguous.is_empty();
        if whole && !found.targets.is_empty() && found.targets.iter().all(inside) && !ancestors(d).chain([d]).any(|c| clash(c).is_some()) {
            return Beside::Finer(found.targets, name.to_string());
        }
        Beside::Same
    }

    /// A code that is not in our list.
    fn unknown(&mut self, d: Division, area: &Area, level: Level) {
        let above = ancestors(d).find(|a| self.directory.divisions.contains_key(a));
        match above.filter(|a| a.level() > DivisionLevel::Province) {
            Some(above) => {
                // Names repeat from county to county, so the one the code lies in is asked first.
                let near = names::find(area.name.as_deref().unwrap_or_default(), self.directory, self.lookup, &[above]);
                let inside = near.targets.iter().any(|t| matches!(t, Target::Division(t) if above.contains(*t) && *t != above));
                let within = if inside { vec![above] } else { self.rights.to_vec() };
                self.by_name_instead("unknown_division", format!("区划代码 {d} 不在区划表中"), area, level, &within);
            }
            None => {
                let what = format!("区划代码 {d} 不在本系统的行政区划内");
                // 城区 and 城关镇 are everywhere: in a neighbour's code a name is ours only with our city before it.
                let ours = |n: &str| self.lookup.tops().iter().filter_map(|t| self.directory.division_name(*t)).any(|top| n.contains(top));
                if area.name.as_deref().is_some_and(ours) {
                    let rights = self.rights.to_vec();
                    self.by_name_instead("outside_our_divisions", what, area, level, &rights);
                } else {
                    let name = area.name.as_deref().map(|n| format!("（{n}）")).unwrap_or_default();
                    self.finding("outside_our_divisions", format!("{what}{name}，该部分未能叫应，其余照常"));
                    self.out.unreadable.push(what);
                }
            }
        }
    }

    /// Where the two national code lists contradict each other, both meanings are called.
    fn clash(&mut self, d: Division, level: Level) {
        let Some(entry) = self.directory.divisions.get(&d) else { return };
        let Some(other) = entry.clash.clone() else { return };
        let own = entry.name.clone();
        let around: Vec<Division> = d.parent().into_iter().collect();
        let also: Vec<Target> = names::find(&other, self.directory, self.lookup, &around)
            .targets
            .into_iter()
            .filter(|t| matches!(t, Target::Division(o) if *o != d && o.level() == d.level()))
            .collect();
        let detail = if also.is_empty() {
            format!("代码 {d} 在两套区划表中含义不同（{own}／{other}），名册中没有{other}，按{own}叫应")
        } else {
            format!("代码 {d} 在两套区划表中含义不同（{own}／{other}），两处都叫应")
        };
        self.finding("division_clash", detail);
        for t in also {
            self.add(t, level);
        }
    }

    /// Before a part is given up, its name is tried.
    fn by_name_instead(&mut self, code: &str, what: String, area: &Area, level: Level, within: &[Division]) {
        if let Some(name) = area.name.clone().filter(|n| !n.trim().is_empty()) {
            let found = names::find(&name, self.directory, self.lookup, within);
            if !found.targets.is_empty() {
                self.finding(code, format!("{what}，按地名“{name}”叫应"));
                found.targets.into_iter().for_each(|t| self.add(t, level));
                return;
            }
        }
        self.finding(code, format!("{what}，该部分未能叫应，其余照常"));
        self.out.unreadable.push(what);
    }

    pub(super) fn named(&mut self, text: &str, level: Level) -> bool {
        let found = names::find(text, self.directory, self.lookup, self.rights);
        for name in &found.ambiguous {
            self.finding("ambiguous_name", format!("“{name}”不止一处，全部叫应，请核对"));
        }
        if !found.unknown.is_empty() {
            self.finding("unknown_name", format!("“{}”中没有认出地名，该部分未能叫应", found.unknown.join("、")));
        }
        let any = !found.targets.is_empty();
        found.targets.into_iter().for_each(|t| self.add(t, level));
        any
    }

    fn may(&self, d: Division) -> bool {
        self.rights.is_empty() || self.rights.iter().any(|r| r.contains(d))
    }

    pub(super) fn named_code(&self, d: Division) -> String {
        self.directory.division_name(d).map_or_else(|| d.to_string(), |n| format!("{n}（{d}）"))
    }

    /// Takes a place in, cut to the issuer's rights.
    pub(super) fn add(&mut self, target: Target, level: Level) {
        let division = match &target {
            Target::Division(d) => *d,
            Target::Point(code) => self.directory.points.get(code).map_or(Division(0), |p| p.division),
        };
        let places = if self.may(division) {
            vec![target]
        } else {
            let own: Vec<Target> = match target {
                Target::Division(d) => self.rights.iter().filter(|r| d.contains(**r)).map(|r| Target::Division(*r)).collect(),
                Target::Point(_) => Vec::new(),
            };
            let name = self.named_code(division);
            if own.is_empty() {
                self.foreign += 1;
                self.finding("outside_issuer_rights", format!("{name} 不在发布单位的权限范围内，该部分不叫应"));
            } else {
                self.finding("partly_outside_rights", format!("{name} 超出发布单位的权限范围，只叫应其权限内的部分"));
            }
            own
        };
        for t in places {
            let known = self.out.targets.entry(t).or_insert(level);
            if strength(level) > strength(*known) {
                *known = level;
            }
        }
    }
}

/// What a name says beside the code it stands with.
enum Beside {
    /// The same, less, or nothing that is understood.
    Same,
    /// Places inside the code's.
    Finer(Vec<Target>, String),
    /// Another place altogether.
    Elsewhere(Division, String),
}

/// Levels in one order without ties: red 5, orange 4, unknown 3, yellow 2, blue 1.
pub fn strength(level: Level) -> u8 {
    match level {
        Level::Red => 5,
        Level::Orange => 4,
        Level::Unknown => 3,
        Level::Yellow => 2,
        Level::Blue => 1,
    }
}
