//! What lies downstream of the places a warning names, where the policy's row says that it is called too: the villages
//! under a dam, the next point of a valley, and what lies below that.
//!
//! A platform names towns and villages far more often than points, so the points that lie in a township or village of
//! the area are followed as if they were named, as far as the hazard is theirs (the keeper of a dam answers for it; who
//! watches a forest does not). A county or more points to no valley: its own downstream is in the area anyway, what
//! lies beyond is told to the duty room and not called.

use super::{
    PlanInput, Resolved,
    area::strength,
    lookup::{Target, ancestors},
    rows::{Chooser, Row},
};
use crate::core::{
    directory::{Point, Role},
    division::{Division, DivisionLevel},
    hazard::Level,
    message::fit_list,
    warning::Finding,
};
use std::collections::BTreeMap;

/// Adds the places below every point of the area, each at the point's level. A place named twice is taken once, so a
/// circle in the directory ends by itself.
pub(super) fn follow(input: &PlanInput<'_>, rows: &BTreeMap<u8, (Level, Row<'_>)>, resolved: &mut Resolved, findings: &mut Vec<Finding>) {
    let follows = |level: Level| rows.get(&strength(level)).is_some_and(|(_, row)| row.downstream);
    if !resolved.targets.values().any(|level| follows(*level)) {
        return;
    }
    let named = resolved.targets.iter().filter(|(_, level)| follows(**level));
    let mut open: Vec<(&Point, Level)> =
        named.filter_map(|(t, level)| matches!(t, Target::Point(_)).then(|| point_of(input, t)).flatten().zip(Some(*level))).collect();
    // Points of counties and above, whose downstream is only told.
    let mut broad: Vec<&Point> = Vec::new();
    let mut chooser = Chooser::new(input.policy, input.directory, input.lookup, &input.content.hazard, input.now);
    for point in input.directory.points.values().filter(|p| !p.downstream.is_empty()) {
        let within = around(point.division).filter_map(|d| Some((d, *resolved.targets.get(&Target::Division(d))?)));
        let (near, far): (Vec<_>, Vec<_>) =
            within.filter(|(_, level)| follows(*level)).partition(|(d, _)| d.level() >= DivisionLevel::Township);
        let strongest = near.into_iter().map(|(_, level)| level).max_by_key(|l| strength(*l));
        if strongest.is_none() && far.is_empty() || !chooser.role_answers(&Role::new(&point.kind)) {
            continue;
        }
        match strongest {
            Some(level) => open.push((point, level)),
            None => broad.push(point),
        }
    }
    let mut told = Told::default();
    walk(input, open, resolved, &mut told);
    for point in broad {
        for id in &point.downstream {
            match Below::of(input, id) {
                Some(below) if covered(&resolved.targets, &below, None) => {}
                Some(below) => told.beyond.push(below.name),
                None => told.unknown(point, id),
            }
        }
    }
    told.write(findings);
}

/// Follows the points of `open` down, and the points below them.
fn walk<'a>(input: &PlanInput<'a>, mut open: Vec<(&'a Point, Level)>, resolved: &mut Resolved, told: &mut Told) {
    let mut followed: BTreeMap<&str, u8> = BTreeMap::new();
    while let Some((point, level)) = open.pop() {
        let before = followed.entry(&point.code).or_default();
        if *before >= strength(level) {
            continue;
        }
        *before = strength(level);
        for id in &point.downstream {
            let Some(below) = Below::of(input, id) else {
                told.unknown(point, id);
                continue;
            };
            let inside = covered(&resolved.targets, &below, Some(level));
            if !inside && !input.issuer_divisions.is_empty() && !input.issuer_divisions.iter().any(|r| r.contains(below.division)) {
                told.foreign.push(below.name);
                continue;
            }
            open.extend(point_of(input, &below.target).map(|p| (p, level)));
            if inside {
                continue;
            }
            if !covered(&resolved.targets, &below, None) {
                told.added.push(below.name);
            }
            resolved.targets.insert(below.target, level);
        }
    }
}

/// A place that lies below a point.
struct Below {
    target: Target,
    division: Division,
    name: String,
}
impl Below {
    /// By its id; `None` where the directory does not know it.
    fn of(input: &PlanInput<'_>, id: &str) -> Option<Below> {
        if let Some(p) = input.directory.points.get(id) {
            return Some(Below { target: Target::Point(id.to_string()), division: p.division, name: p.name.clone() });
        }
        let d = id.parse::<Division>().ok().filter(|d| input.lookup.knows(input.directory, *d))?;
        let name = input.directory.division_name(d).map_or_else(|| d.to_string(), str::to_string);
        Some(Below { target: Target::Division(d), division: d, name })
    }
}

/// Whether the area takes the place in already, by its own name or within a larger one, at this level or a higher one
/// (at any level where none is given).
fn covered(targets: &BTreeMap<Target, Level>, below: &Below, level: Option<Level>) -> bool {
    let enough = |l: &Level| level.is_none_or(|asked| strength(*l) >= strength(asked));
    let around = around(below.division).map(Target::Division);
    targets.get(&below.target).is_some_and(enough) || around.filter_map(|t| targets.get(&t)).any(enough)
}

/// The division and all that contain it.
fn around(d: Division) -> impl Iterator<Item = Division> {
    std::iter::once(d).chain(ancestors(d))
}

fn point_of<'a>(input: &PlanInput<'a>, target: &Target) -> Option<&'a Point> {
    match target {
        Target::Point(code) => input.directory.points.get(code),
        Target::Division(_) => None,
    }
}

/// What the duty room is told of it, by name.
#[derive(Default)]
struct Told {
    added: Vec<String>,
    unknown: Vec<String>,
    foreign: Vec<String>,
    beyond: Vec<String>,
}
impl Told {
    fn unknown(&mut self, point: &Point, id: &str) {
        self.unknown.push(format!("{}下游的“{id}”", point.name));
    }

    fn write(self, findings: &mut Vec<Finding>) {
        let mut say = |mut names: Vec<String>, code: &str, text: &dyn Fn(String) -> String| {
            names.sort_unstable();
            names.dedup();
            if !names.is_empty() {
                findings.push(Finding::new(code, text(fit_list(&names, 200, "处"))));
            }
        };
        say(self.added, "downstream", &|list| format!("按规则一并叫应下游：{list}"));
        say(self.unknown, "unknown_downstream", &|list| format!("{list}不在名册中，未能叫应，请核对名册"));
        say(self.foreign, "downstream_outside_rights", &|list| format!("下游{list}不在发布单位的权限范围内，未叫应，请通知当地"));
        say(self.beyond, "downstream_beyond_area", &|list| {
            format!("预警区域为县级及以上，未逐个点位叫应下游；区域内点位的下游{list}在区域以外，未叫应，请核对是否通知当地")
        });
    }
}
