//! Where a row stands: its division from its code or its names, and its tier; what reaches down over blank cells, as a merged
//! cell that lost its merge. Of a hazard point the village decides who is called, so a village cell left blank is never
//! passed over: it is filled from above and told, or told to be missing.

use super::{
    Column,
    cell::{expand_scientific, word},
    places::Names,
    rows::Reader,
};
use crate::core::{
    directory::{Role, Tier},
    division::{Division, DivisionLevel},
};

/// Where the village of a row comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Village {
    /// Its own cells: the code, or the village's name.
    #[default]
    Written,
    /// A row above, over a blank cell.
    Above,
    /// Nowhere: the names end at the township or above it.
    Missing,
}

type Sited = Result<Division, (Column, String)>;

impl Reader<'_> {
    /// The names of a row; a written county, township or village reaches down over blanks, as a merged cell that lost its merge.
    pub(super) fn names(&mut self, carried: &mut Names) -> Names {
        let written = Names {
            county: word(&self.text(Column::County)),
            township: word(&self.text(Column::Township)),
            village: word(&self.text(Column::Village)),
        };
        if !written.county.is_empty() && written.county != carried.county {
            *carried = Names { county: written.county.clone(), ..Names::default() };
        }
        if !written.township.is_empty() && written.township != carried.township {
            carried.township.clone_from(&written.township);
            carried.village.clear();
        }
        if !written.village.is_empty() {
            carried.village.clone_from(&written.village);
        }
        written
    }

    /// The division that a row of an object means by its names.
    pub(super) fn object_by_names(&self, written: &Names, carried: &Names) -> (Sited, Village) {
        let names = filled(written, carried, Some(Tier::Point));
        if !names.village.is_empty() {
            return (self.places.resolve(&names, Some(Tier::Village)), Village::Written);
        }
        let above = Names { village: carried.village.clone(), ..names.clone() };
        match self.places.resolve(&above, Some(Tier::Village)).ok().filter(|_| !above.village.is_empty()) {
            Some(division) => (Ok(division), Village::Above),
            None => (self.places.resolve(&names, Some(Tier::Point)), Village::Missing),
        }
    }

    /// The division that a row of persons means by its names, to the depth of its tier.
    fn by_names(&self, written: &Names, carried: &Names, depth: Option<Tier>, has_object: bool) -> (Sited, Village) {
        if depth == Some(Tier::Point) {
            return self.object_by_names(written, carried);
        }
        // The township's head answers for a reservoir in this village: his village cell says where that lies.
        if has_object && depth != Some(Tier::Village) && (!written.village.is_empty() || (depth.is_none() && written.is_empty())) {
            let (found, village) = self.object_by_names(written, carried);
            if found.is_ok() && village != Village::Missing {
                return (found, village);
            }
        }
        let names = filled(written, carried, depth);
        let village = if names.village.is_empty() { Village::Missing } else { Village::Written };
        (self.places.resolve(&names, depth), village)
    }

    /// The division and tier of a row, as far as they can be told.
    pub(super) fn place(&mut self, carried: &mut Names, roles: &[Role], has_object: bool) -> (Option<Division>, Option<Tier>, Village) {
        let written = self.names(carried);
        let tier_text = word(&self.text(Column::Tier));
        let only_desk = !roles.is_empty() && roles.iter().all(Role::is_desk);
        let tier = match Tier::from_word(&tier_text) {
            _ if only_desk => Some(Tier::DutyDesk),
            Some(tier) => Some(tier),
            None if tier_text.is_empty() => None,
            None => {
                self.say(Column::Tier, format!("不认识的责任层级“{tier_text}”；请改为：市、县、乡、村、点，值班岗位写：值班"), true);
                return (None, None, Village::Missing);
            }
        };
        let code_text = word(&self.text(Column::Division));
        // Below a row of the township itself, or one placed by its code alone, the village above is not meant any more.
        let of_office = matches!(tier, Some(Tier::City | Tier::County | Tier::Township | Tier::DutyDesk))
            && (!has_object || !written.township.is_empty());
        if written.village.is_empty() && (of_office || !code_text.is_empty()) {
            carried.village.clear();
        }
        let (division, village) = if code_text.is_empty() {
            let depth = if only_desk { Tier::from_word(&tier_text).filter(|t| *t != Tier::DutyDesk) } else { tier };
            self.by_names(&written, carried, depth, has_object && !only_desk)
        } else {
            let code = self.code(&code_text).and_then(|code| self.places.check(code, &written).map(|()| code));
            (code.map_err(|m| (Column::Division, m)), Village::Written)
        };
        let division = match division {
            Ok(division) => division,
            Err((column, message)) => {
                self.say(column, message, true);
                return (None, tier, village);
            }
        };
        if village == Village::Above && !has_object {
            self.say(Column::Division, carried_down(&self.places.full_name(division)), false);
        }
        let tier = tier.unwrap_or_else(|| {
            let tier = match division.level() {
                _ if has_object => Tier::Point,
                DivisionLevel::Province | DivisionLevel::City => Tier::City,
                DivisionLevel::County => Tier::County,
                DivisionLevel::Township => Tier::Township,
                DivisionLevel::Village => Tier::Village,
            };
            self.say(Column::Tier, format!("没有责任层级，已按区划记为“{}”", tier.word()), false);
            tier
        });
        // Nor below one whose tier was told by its division.
        if written.village.is_empty() && !has_object && division.level() < DivisionLevel::Village {
            carried.village.clear();
        }
        let too_high = match tier {
            Tier::Village => division.level() < DivisionLevel::Village,
            Tier::Township | Tier::Point => division.level() < DivisionLevel::Township,
            Tier::County => division.level() < DivisionLevel::County,
            Tier::City | Tier::DutyDesk => false,
        };
        if too_high && !has_object {
            let place = self.places.full_name(division);
            self.say(
                Column::Tier,
                format!("责任层级是“{}”，区划代码 {division} 却只到“{place}”；已按该区划登记，请核对", tier.word()),
                false,
            );
        }
        (Some(division), Some(tier), village)
    }

    pub(super) fn code(&self, text: &str) -> Result<Division, String> {
        let lost = || format!("区划代码“{text}”是科学计数法，后几位已丢失；请把该列设为文本格式，重新填写 12 位代码");
        let digits = match expand_scientific(text) {
            Ok(Some(digits)) => digits,
            Ok(None) => text.strip_suffix(".0").unwrap_or(text).to_string(),
            Err(()) => return Err(lost()),
        };
        let code: Division = digits.parse().map_err(|_| format!("“{text}”不是行政区划代码；应为 12 位数字，如 140521101201"))?;
        if self.places.knows(code) { Ok(code) } else { Err(self.places.unknown(code)) }
    }
}

/// What to say of a village cell filled from above.
pub(super) fn carried_down(place: &str) -> String {
    format!("没有村名，已按上面的行记在“{place}”；不在该村请填写村名")
}

/// The names a row means once the cells above it are heeded, as deep as its tier goes; not the village above.
pub(super) fn filled(written: &Names, carried: &Names, tier: Option<Tier>) -> Names {
    let or = |own: &str, above: &str| if own.is_empty() { above.to_string() } else { own.to_string() };
    let county = or(&written.county, &carried.county);
    match tier {
        Some(Tier::City) => Names::default(),
        Some(Tier::County) => Names { county, ..Names::default() },
        Some(Tier::Township) => Names { county, township: or(&written.township, &carried.township), village: String::new() },
        Some(Tier::Village | Tier::Point) => {
            Names { county, township: or(&written.township, &carried.township), village: written.village.clone() }
        }
        // No tier to tell the depth by: what the row itself writes, or all that stands above.
        Some(Tier::DutyDesk) | None if written.is_empty() => Names { county, township: carried.township.clone(), village: String::new() },
        Some(Tier::DutyDesk) | None => {
            let township = if written.village.is_empty() { written.township.clone() } else { or(&written.township, &carried.township) };
            Names { county, township, village: written.village.clone() }
        }
    }
}
