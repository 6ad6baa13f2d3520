//! What lies downstream of the points a warning names, where the policy's row says that it is called too: the villages
//! under a dam, the next point of a valley, and what lies below that.

use super::{PlanInput, Resolved, area::strength, lookup::Target, rows::Row};
use crate::core::{division::Division, hazard::Level, message::fit_list, warning::Finding};
use std::collections::BTreeMap;

/// Adds the places below every point of the area, each at the point's level. A place named twice is taken once, so a
/// circle in the directory ends by itself.
pub(super) fn follow(input: &PlanInput<'_>, rows: &BTreeMap<u8, (Level, Row<'_>)>, resolved: &mut Resolved, findings: &mut Vec<Finding>) {
    let mut open: Vec<(String, Level)> = Vec::new();
    for (target, level) in &resolved.targets {
        let below = rows.get(&strength(*level)).is_some_and(|(_, row)| row.downstream);
        if let (Target::Point(code), true) = (target, below) {
            open.push((code.clone(), *level));
        }
    }
    let (mut added, mut unknown, mut foreign) = (Vec::new(), Vec::new(), Vec::new());
    while let Some((code, level)) = open.pop() {
        let Some(point) = input.directory.points.get(&code) else { continue };
        for id in &point.downstream {
            let (target, division, name) = match (input.directory.points.get(id), id.parse::<Division>()) {
                (Some(p), _) => (Target::Point(id.clone()), p.division, p.name.clone()),
                (None, Ok(d)) if input.lookup.knows(input.directory, d) => {
                    (Target::Division(d), d, input.directory.division_name(d).map_or_else(|| d.to_string(), str::to_string))
                }
                _ => {
                    unknown.push(format!("{}下游的“{id}”", point.name));
                    continue;
                }
            };
            if !input.issuer_divisions.is_empty() && !input.issuer_divisions.iter().any(|r| r.contains(division)) {
                foreign.push(name);
                continue;
            }
            let known = resolved.targets.get(&target).copied();
            if known.is_some_and(|k| strength(k) >= strength(level)) {
                continue;
            }
            if known.is_none() {
                added.push(name);
            }
            if let Target::Point(code) = &target {
                open.push((code.clone(), level));
            }
            resolved.targets.insert(target, level);
        }
    }
    let mut say = |names: Vec<String>, code: &str, text: &dyn Fn(String) -> String| {
        let mut names = names;
        names.sort_unstable();
        names.dedup();
        if !names.is_empty() {
            findings.push(Finding::new(code, text(fit_list(&names, 200, "处"))));
        }
    };
    say(added, "downstream", &|list| format!("按规则一并叫应下游：{list}"));
    say(unknown, "unknown_downstream", &|list| format!("{list}不在名册中，未能叫应，请核对名册"));
    say(foreign, "downstream_outside_rights", &|list| format!("下游{list}不在发布单位的权限范围内，未叫应，请通知当地"));
}
