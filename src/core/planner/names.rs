//! Area texts such as `沁水县龙港镇、中村镇` matched against the names of our divisions and points.
//!
//! Greedy: at each place of the text the longest known name. A name right behind the name of what
//! contains it is the narrower one; a name that several places bear is narrowed by the county named
//! before it, else all of them are taken, because calling too many is the smaller mistake.

use super::lookup::{Lookup, Target};
use crate::core::{directory::Directory, division::Division};

/// What a text was read as.
#[derive(Debug, Default, PartialEq)]
pub struct Names {
    pub targets: Vec<Target>,
    /// Parts of the text in which no name was found.
    pub unknown: Vec<String>,
    /// Names that several places bear, all of which were taken.
    pub ambiguous: Vec<String>,
    /// The text is names and nothing else: no `东部`, no `等地`, no `除…外`.
    pub whole: bool,
}

/// Words for "the whole of the issuer's territory".
const EVERYWHERE: [&str; 8] = ["全市", "全县", "全区", "全境", "全域", "全乡", "全镇", "辖区"];

/// Finds the places a text names, inside `allowed` (empty: anywhere).
pub fn find(text: &str, directory: &Directory, lookup: &Lookup, allowed: &[Division]) -> Names {
    let mut out = Names { whole: true, ..Names::default() };
    let mut context: Option<Division> = None;
    for part in text.split(|c: char| c.is_whitespace() || "、，,；;。．.：:（）()[]“”\"/|".contains(c)).filter(|p| p.chars().count() >= 2)
    {
        let found = part_targets(part, directory, lookup, allowed, &mut context, &mut out);
        if !found.is_empty() {
            out.targets.extend(found);
        } else if EVERYWHERE.iter().any(|w| part.contains(w)) && !territory(lookup, allowed).is_empty() {
            out.whole = false;
            out.targets.extend(territory(lookup, allowed).iter().map(|d| Target::Division(*d)));
        } else {
            out.whole = false;
            if !matches!(part, "等地" | "以及" | "部分地区" | "局部") {
                out.unknown.push(part.to_string());
            }
        }
    }
    out.targets.sort_unstable();
    out.targets.dedup();
    out
}

/// The issuer's divisions, else our one top division where there is only one.
fn territory<'a>(lookup: &'a Lookup, allowed: &'a [Division]) -> &'a [Division] {
    match (allowed.is_empty(), lookup.tops()) {
        (true, [one]) => std::slice::from_ref(one),
        (true, _) => &[],
        (false, _) => allowed,
    }
}

fn part_targets(
    part: &str,
    directory: &Directory,
    lookup: &Lookup,
    allowed: &[Division],
    context: &mut Option<Division>,
    out: &mut Names,
) -> Vec<Target> {
    let offsets: Vec<usize> = part.char_indices().map(|(i, _)| i).chain([part.len()]).collect();
    let chars = offsets.len() - 1;
    let mut found: Vec<Target> = Vec::new();
    // Where the last name ended, how many targets it stands for, and its division.
    let mut last: Option<(usize, usize, Division)> = None;
    let mut at = 0;
    while at < chars {
        let hit = (2..=lookup.longest_name().min(chars - at)).rev().find_map(|len| {
            let name = part.get(*offsets.get(at)?..*offsets.get(at + len)?)?;
            let candidates: Vec<&Target> =
                lookup.by_name(name).iter().filter(|t| division_of(directory, t).is_some_and(|d| allows(allowed, d))).collect();
            (!candidates.is_empty()).then_some((len, name, candidates))
        });
        let Some((len, name, mut candidates)) = hit else {
            out.whole = false;
            at += 1;
            continue;
        };
        let inside = |within: Division, c: &[&Target]| -> bool {
            c.iter().any(|t| division_of(directory, t).is_some_and(|d| within.contains(d) && within != d))
        };
        if let Some((end, n, within)) = last.filter(|(_, _, w)| inside(*w, &candidates)) {
            candidates.retain(|t| division_of(directory, t).is_some_and(|d| within.contains(d)));
            if end == at {
                found.truncate(found.len() - n);
            }
        } else if let Some(within) = context.filter(|w| inside(*w, &candidates)) {
            candidates.retain(|t| division_of(directory, t).is_some_and(|d| within.contains(d)));
        }
        if candidates.len() > 1 {
            out.ambiguous.push(name.to_string());
        }
        let division = candidates.first().and_then(|t| division_of(directory, t));
        found.extend(candidates.iter().map(|t| (*t).clone()));
        at += len;
        if let Some(d) = division {
            last = Some((at, candidates.len(), d));
            // What a county's name says holds for the towns listed behind it.
            if context.is_none_or(|c| !c.contains(d) || c == d) || found.len() > 1 {
                *context = Some(d.at(crate::core::division::DivisionLevel::County).unwrap_or(d));
            }
        }
    }
    found
}

fn division_of(directory: &Directory, target: &Target) -> Option<Division> {
    match target {
        Target::Division(d) => Some(*d),
        Target::Point(code) => directory.points.get(code).map(|p| p.division),
    }
}

fn allows(allowed: &[Division], d: Division) -> bool {
    allowed.is_empty() || allowed.iter().any(|a| a.contains(d) || d.contains(*a))
}
