//! Whether a row means the point that its code stands for already. Every township numbers its hazard points 1, 2, 3: a row
//! that took the next township's point for its own would have those people called for this place's warnings, and nobody for
//! their own. So what contradicts the known point is told, and what cannot be the same one is refused.

use super::{cell, places::Places, siting::Village};
use crate::core::{
    directory::Point,
    division::{Division, DivisionLevel},
};

/// Digits of a number that only counts the rows of somebody's list.
const SERIAL: usize = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// One lies in the other.
    Here,
    /// Another village of the township.
    Near,
    Far,
}

/// How what a row says fits the point of its code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fit {
    place: Place,
    /// Both have a name, and not the same.
    renamed: bool,
    /// Both have a name, and the same.
    same_name: bool,
    /// The code is only a number in a list.
    serial: bool,
}

impl Fit {
    /// `name`: empty where the row has none. A division whose village the row does not write says no more than its township.
    pub(super) fn new(known: &Point, name: &str, division: Division, village: Village) -> Fit {
        let township = |d: Division| d.at(DivisionLevel::Township);
        let said = if village == Village::Written { division } else { township(division).unwrap_or(division) };
        let place = match () {
            () if said.contains(known.division) || known.division.contains(said) => Place::Here,
            () if township(said).is_some() && township(said) == township(known.division) => Place::Near,
            () => Place::Far,
        };
        let both = named(known) && !cell::word(name).is_empty();
        let renamed = both && other_name(&known.name, name);
        Fit { place, renamed, same_name: both && !renamed, serial: is_serial(&known.code) }
    }

    /// Whether the row must mean another point; `contradicted`: it says more that differs than the name.
    pub(super) fn is_another(self, contradicted: bool) -> bool {
        match self.place {
            Place::Far => self.serial || self.renamed,
            Place::Near => self.serial && !self.same_name,
            Place::Here => self.serial && self.renamed && contradicted,
        }
    }
    pub(super) fn is_here(self) -> bool {
        self.place == Place::Here
    }
    pub(super) fn is_renamed(self) -> bool {
        self.renamed
    }

    /// What to say of a row that means another point.
    pub(super) fn refusal(self, known: &Point, name: &str, division: Division, places: &Places<'_>) -> String {
        let called = |name: &str| if name.is_empty() { String::new() } else { format!("的“{name}”") };
        let known_name = if named(known) { called(&known.name) } else { String::new() };
        let (code, there, here) = (&known.code, places.full_name(known.division), places.full_name(division));
        let advice = match self.serial {
            true => "只是序号，各乡镇、各类名册会重复；请改用全县不重复的编号（如 DZ-龙港-001）",
            false => "请核对：不是一处请换一个编号，是同一处请先把名称写成一致",
        };
        let joined = if self.serial { format!("“{code}”{advice}") } else { advice.to_string() };
        format!("编号 {code} 已是“{there}”{known_name}，本行写的是“{here}”{}；{joined}", called(name))
    }
}

/// Whether the point has a name besides its code.
pub(super) fn named(point: &Point) -> bool {
    !point.name.is_empty() && point.name != point.code
}

/// Two names of which neither is a part of the other: 后沟滑坡 is 后沟, and not 前崖.
fn other_name(known: &str, name: &str) -> bool {
    let (known, name) = (cell::word(known), cell::word(name));
    !known.contains(&name) && !name.contains(&known)
}

/// `1`, `012`, `No.3`, `5号`, `2#`.
fn is_serial(code: &str) -> bool {
    let lower = code.to_lowercase();
    let bare = lower.trim_start_matches(['n', 'o', '.', '第', '#']).trim_end_matches(['号', '#', '.', '、']);
    !bare.is_empty() && bare.len() <= SERIAL && bare.bytes().all(|b| b.is_ascii_digit())
}

/// What to say of a point that is not placed in a village, and whether that is fatal: a warning for a village calls only
/// who answers for a point in it.
pub(super) fn too_high(code: &str, division: Division, places: &Places<'_>) -> Option<(String, bool)> {
    let place = places.full_name(division);
    match division.level() {
        DivisionLevel::Village => None,
        DivisionLevel::Township => {
            let message = format!("{code} 没有写村，只登记到“{place}”：村一级的预警叫不到它的责任人；请补村名或村的区划代码");
            Some((message, false))
        }
        _ => Some((format!("{code} 只登记到“{place}”：乡镇、村的预警都叫不到它的责任人；请写明乡镇和村"), true)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_a_list_is_told_from_a_code() {
        for serial in ["1", "012", "No.3", "NO12", "5号", "2#", "第3号"] {
            assert!(is_serial(serial), "{serial}");
        }
        for code in ["SK001", "DZ-1", "140521010023", "14052", "140521100200-后沟"] {
            assert!(!is_serial(code), "{code}");
        }
    }

    #[test]
    fn what_contradicts_in_name_and_place_is_another_point() {
        let fit = |code: &str, name: &str, division: &str| {
            let known = Point::new(code, "后沟滑坡", "geological", "140521100200".parse().unwrap());
            Fit::new(&known, name, division.parse().unwrap(), Village::Written)
        };
        let (village, next, township, other) = ("140521100200", "140521100002", "140521100", "140521101");
        for (code, name, division, contradicted, another) in [
            ("DZ1", "后沟", village, false, false),
            ("DZ1", "前崖", village, false, false),
            ("DZ1", "前崖", next, true, false),
            ("DZ1", "前崖", other, true, true),
            ("DZ1", "后沟", other, true, false),
            ("DZ1", "", other, true, false),
            ("1", "", township, true, false),
            ("1", "后沟", next, true, false),
            ("1", "前崖", village, false, false),
            ("1", "前崖", village, true, true),
            ("1", "", next, true, true),
            ("1", "前崖", next, true, true),
            ("1", "", other, true, true),
            ("1", "后沟滑坡", other, true, true),
        ] {
            assert_eq!(fit(code, name, division).is_another(contradicted), another, "{code} {name} {division}");
        }
    }
}
