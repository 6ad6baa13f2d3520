//! Names of divisions inside a text: `大雪山镇、联合苗族乡` in a warning about a known county.

use super::{directory::Directory, division::Division};
use std::collections::{BTreeMap, BTreeSet};

/// Ends of village names by the kind of their committee, longest first, and what people write instead.
const VILLAGE_ENDS: &[(&str, &str)] = &[
    ("社区居民委员会", "社区"),
    ("社区居委会", "社区"),
    ("村民委员会", "村"),
    ("居民委员会", "社区"),
    ("居委会", "社区"),
    ("村委会", "村"),
];

/// Ends of township names, longest first. What stands before is what a list of towns shortens to.
const TOWN_ENDS: &[&str] = &["街街道", "街道办事处", "街道办", "街道", "苗族乡", "回族乡", "镇", "乡"];

/// How people write a division's name: the name itself, a village without its committee, a township
/// without `镇` or `乡` (where two characters are left).
pub fn spoken_names(code: Division, name: &str) -> Vec<String> {
    use super::division::DivisionLevel::*;
    let mut all = vec![name.to_string()];
    match code.level() {
        Village => {
            if let Some((end, short)) = VILLAGE_ENDS.iter().find(|(end, _)| name.ends_with(end)) {
                let stem = name.strip_suffix(end).unwrap_or(name);
                all.push(format!("{stem}{short}"));
                // 中村村委会 is spoken of as 中村村, and as 中村.
                if stem.ends_with(short) && stem != *short {
                    all.push(stem.to_string());
                }
            }
        }
        Township => {
            if let Some(stem) = TOWN_ENDS.iter().find_map(|end| name.strip_suffix(end)).filter(|s| s.chars().count() >= 2) {
                all.push(stem.to_string());
            }
        }
        City | County | Province => {}
    }
    all
}

/// As much of a text as is searched, in bytes: an area description is a few lines long, and the work
/// grows with names × text.
const SEARCHED: usize = 64 * 1024;

/// A name found in a text, by byte positions.
struct Hit<'a> {
    start: usize,
    end: usize,
    who: &'a [Division],
}

impl Directory {
    /// The divisions strictly inside `within` whose names occur in `text`, in the order of their
    /// codes. The longest name wins where names overlap (`中村镇` is not also the village `中村`).
    /// A name that several divisions have means all of them, unless the text puts it right behind
    /// the name of one that contains some of them (`沁水县龙港镇`); then only those are meant, and
    /// the containing one is not listed for itself.
    pub fn divisions_named(&self, within: Division, text: &str) -> Vec<Division> {
        let text = text.get(..text.floor_char_boundary(SEARCHED)).unwrap_or(text);
        let (from, to) = within.range();
        let mut names: BTreeMap<String, Vec<Division>> = BTreeMap::new();
        for (code, d) in self.divisions.range(Division(from)..Division(to)) {
            // The other list's name of this code is another place: not one of its names.
            for name in spoken_names(*code, &d.name) {
                if text.contains(name.as_str()) {
                    names.entry(name).or_default().push(*code);
                }
            }
        }
        let mut longest_first: Vec<(&String, &Vec<Division>)> = names.iter().collect();
        longest_first.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        let mut hits: Vec<Hit> = Vec::new();
        let mut taken: BTreeMap<usize, usize> = BTreeMap::new();
        for (name, who) in longest_first {
            for (start, found) in text.match_indices(name.as_str()) {
                let end = start + found.len();
                if taken.range(..end).next_back().is_none_or(|(_, taken_to)| *taken_to <= start) {
                    taken.insert(start, end);
                    hits.push(Hit { start, end, who });
                }
            }
        }
        hits.sort_by_key(|h| h.start);
        let mut chosen: BTreeSet<Division> = BTreeSet::new();
        // What the name right before this one stands for, and whether it was only an address.
        let mut before: Option<(usize, Vec<Division>)> = None;
        for (i, hit) in hits.iter().enumerate() {
            let mut meant: Vec<Division> = hit.who.to_vec();
            if let Some((_, outer)) = before.as_ref().filter(|(end, _)| *end == hit.start) {
                let inside: Vec<Division> = meant.iter().copied().filter(|d| outer.iter().any(|o| o != d && o.contains(*d))).collect();
                if !inside.is_empty() {
                    meant = inside;
                }
            }
            let is_address = hits
                .get(i + 1)
                .is_some_and(|next| next.start == hit.end && next.who.iter().any(|d| meant.iter().any(|o| o != d && o.contains(*d))));
            if !is_address {
                chosen.extend(meant.iter().copied().filter(|d| *d != within));
            }
            before = Some((hit.end, meant));
        }
        chosen.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::directory::DivisionName;
    use super::*;

    fn directory() -> Directory {
        let mut d = Directory::default();
        for (code, name) in [
            ("1405", "晋城市"),
            ("140521", "沁水县"),
            ("140521101", "中村镇"),
            ("140521102", "龙港镇"),
            ("140521102201", "中村村委会"),
            ("140521102202", "上河村委会"),
            ("140521101202", "上河村委会"),
            ("140581", "高平市"),
            ("140581001", "北城街道"),
            ("140581101", "龙港镇"),
        ] {
            let code: Division = code.parse().unwrap();
            d.divisions.insert(code, DivisionName { code, name: name.into(), clash: None });
        }
        d
    }
    fn named(within: &str, text: &str) -> Vec<String> {
        let found = directory().divisions_named(within.parse().unwrap(), text);
        found.iter().map(|d| d.to_string().trim_end_matches('0').to_string()).collect()
    }

    #[test]
    fn towns_and_villages_are_found_by_the_names_people_write() {
        assert_eq!(named("140521", "预计中村镇、龙港等乡镇有暴雨"), ["140521101", "140521102"]);
        assert_eq!(named("140521", "中村镇"), ["140521101"], "the village 中村 is not meant");
        assert_eq!(named("140521", "中村村今夜"), ["140521102201"]);
        assert_eq!(named("140581", "北城街街道"), ["140581001"]);
        assert_eq!(named("140521", "沁水县全境"), [""; 0]);
        assert_eq!(named("140521", ""), [""; 0]);
    }

    #[test]
    fn an_ambiguous_name_means_all_unless_its_address_stands_before_it() {
        assert_eq!(named("140521", "上河村"), ["140521101202", "140521102202"]);
        assert_eq!(named("140521", "龙港镇上河村"), ["140521102202"]);
        assert_eq!(named("1405", "龙港镇"), ["140521102", "140581101"]);
        assert_eq!(named("1405", "高平市龙港镇、沁水县中村镇"), ["140521101", "140581101"]);
        assert_eq!(named("1405", "沁水县、高平市北城街道"), ["140521", "140581001"]);
    }
}
