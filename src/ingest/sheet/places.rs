//! Which division a row means: its code where there is one, else its names; and whether the two
//! contradict each other, for then the row would call the people of another place.

use super::Column;
use crate::core::{
    directory::{DivisionName, Tier},
    directory_names::spoken_names,
    division::{Division, DivisionLevel},
};
use std::collections::{BTreeMap, HashMap};

/// The names a row gives: county, township, village; blank ones empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Names {
    pub county: String,
    pub township: String,
    pub village: String,
}
impl Names {
    pub fn is_empty(&self) -> bool {
        self.county.is_empty() && self.township.is_empty() && self.village.is_empty()
    }
    fn shown(&self) -> String {
        format!("{}{}{}", self.county, self.township, self.village)
    }
}

/// The list of divisions, found by name below a parent.
pub(super) struct Places<'a> {
    list: &'a BTreeMap<Division, DivisionName>,
    by_name: HashMap<(Option<Division>, String), Vec<Division>>,
    city: Option<Division>,
}

/// All ways to write a name, list side and sheet side alike.
fn forms(code: Division, name: &str) -> Vec<String> {
    let mut all = spoken_names(code, name);
    if code.level() == DivisionLevel::County {
        all.extend(name.strip_suffix(['县', '区', '市']).filter(|s| s.chars().count() >= 2).map(str::to_string));
    }
    all
}

impl<'a> Places<'a> {
    pub fn new(list: &'a BTreeMap<Division, DivisionName>) -> Places<'a> {
        let mut by_name: HashMap<(Option<Division>, String), Vec<Division>> = HashMap::new();
        let mut cities = Vec::new();
        for (code, d) in list {
            match code.level() {
                DivisionLevel::City => cities.push(*code),
                DivisionLevel::Province => continue,
                _ => {}
            }
            for form in forms(*code, &d.name) {
                // Counties are also found without a parent: a sheet names no city.
                if code.level() == DivisionLevel::County {
                    by_name.entry((None, form.clone())).or_default().push(*code);
                }
                by_name.entry((code.parent(), form)).or_default().push(*code);
            }
        }
        by_name.values_mut().for_each(|v| v.dedup());
        let city = match cities.as_slice() {
            [one] => Some(*one),
            _ => None,
        };
        Places { list, by_name, city }
    }

    pub fn knows(&self, code: Division) -> bool {
        self.list.contains_key(&code)
    }

    /// `沁水县中村镇上河村` for messages.
    pub fn full_name(&self, code: Division) -> String {
        let levels = [DivisionLevel::County, DivisionLevel::Township, DivisionLevel::Village];
        let names: String = levels.iter().filter_map(|l| self.list.get(&code.at(*l)?)).map(|d| d.name.as_str()).collect();
        if names.is_empty() { self.list.get(&code).map(|d| d.name.clone()).unwrap_or_default() } else { names }
    }

    fn find(&self, parent: Option<Division>, name: &str) -> Vec<Division> {
        if let Some(found) = self.by_name.get(&(parent, name.to_string())) {
            return found.clone();
        }
        // The sheet's own committee or ending, which the list writes otherwise. The level only
        // chooses the endings, so any code of that level will do.
        let sample = match parent.map(Division::level) {
            None => Division(140_521_000_000),
            Some(DivisionLevel::County) => Division(140_521_101_000),
            Some(DivisionLevel::Township) => Division(140_521_101_201),
            _ => return Vec::new(),
        };
        let mut found: Vec<Division> =
            forms(sample, name).into_iter().filter_map(|f| self.by_name.get(&(parent, f))).flatten().copied().collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Whether the names a row gives fit its code. `Err` says in Chinese how they do not.
    pub fn check(&self, code: Division, names: &Names) -> Result<(), String> {
        for (level, written) in
            [(DivisionLevel::County, &names.county), (DivisionLevel::Township, &names.township), (DivisionLevel::Village, &names.village)]
        {
            if written.is_empty() {
                continue;
            }
            let Some(at) = code.at(level) else { continue };
            let Some(known) = self.list.get(&at) else { continue };
            let parent = if level == DivisionLevel::County { None } else { at.parent() };
            if known.name == *written || self.find(parent, written).contains(&at) {
                continue;
            }
            let mut why = format!("区划代码 {code} 是“{}”，本行却写“{}”", self.full_name(code), names.shown());
            if known.clash.as_deref() == Some(written.as_str()) {
                why += &format!("；民政部与国家统计局对代码 {at} 的用法不同，本系统按国家统计局");
            }
            match self.find(parent, written).as_slice() {
                [other] => why += &format!("（“{written}”的代码是 {other}）"),
                _ => why += "（本系统的名单中没有这个名称）",
            }
            return Err(why + "；请核对后改正其中之一");
        }
        Ok(())
    }

    /// The division that names alone mean, to the depth that the tier asks for; or what is wrong, and in which column: that
    /// of the name nobody knows, that of the code where a name is missing.
    pub fn resolve(&self, names: &Names, tier: Option<Tier>) -> Result<Division, (Column, String)> {
        let missing = |what: &str| (Column::Division, format!("没有区划代码{what}；请填写 12 位行政区划代码"));
        if tier == Some(Tier::City) && names.is_empty() {
            return self.city.ok_or_else(|| missing(""));
        }
        let one = |found: Vec<Division>, name: &str, column: Column| match found.as_slice() {
            [one] => Ok(*one),
            [] => Err((column, format!("没有区划代码，名单中也没有“{name}”；请改正名称，或填写 12 位行政区划代码"))),
            more => Err((column, format!("没有区划代码，而“{name}”在名单中有 {} 处；请填写 12 位行政区划代码", more.len()))),
        };
        if names.county.is_empty() {
            return Err(missing("，也没有县名"));
        }
        let county = one(self.find(None, &names.county), &names.county, Column::County)?;
        if names.township.is_empty() {
            return match tier {
                Some(Tier::Township | Tier::Village | Tier::Point) => Err(missing("，也没有乡镇名")),
                _ => Ok(county),
            };
        }
        let township = one(self.find(Some(county), &names.township), &names.township, Column::Township)?;
        if names.village.is_empty() {
            return match tier {
                Some(Tier::Village) => Err(missing("，也没有村名")),
                _ => Ok(township),
            };
        }
        one(self.find(Some(township), &names.village), &names.village, Column::Village)
    }

    /// What a name means to somebody at `near`: a village of the township, a township of the county, a village anywhere in the
    /// county; all of the first of these that there are.
    pub fn below(&self, near: Division, name: &str) -> Vec<Division> {
        let (township, county) = (near.at(DivisionLevel::Township), near.at(DivisionLevel::County));
        let mut found = township.map(|t| self.find(Some(t), name)).unwrap_or_default();
        if found.is_empty() {
            found = county.map(|c| self.find(Some(c), name)).unwrap_or_default();
        }
        if let (true, Some(county)) = (found.is_empty(), county) {
            let (from, to) = county.range();
            let towns = self.list.range(Division(from)..Division(to)).map(|(d, _)| *d).filter(|d| d.level() == DivisionLevel::Township);
            found = towns.flat_map(|t| self.find(Some(t), name)).collect();
        }
        found
    }

    /// The one township, else county, else city whose name stands in a text such as `沁水县龙港镇人民政府值班表`.
    pub fn named_in(&self, text: &str) -> Option<Division> {
        let named = |level: DivisionLevel, within: Option<Division>| -> Vec<Division> {
            let inside = self.list.values().filter(|d| d.code.level() == level && within.is_none_or(|w| w.contains(d.code)));
            let all: Vec<(usize, Division)> = inside
                .filter_map(|d| {
                    forms(d.code, &d.name).iter().filter(|f| text.contains(f.as_str())).map(|f| f.len()).max().map(|n| (n, d.code))
                })
                .collect();
            // 中村镇 also holds 中村: the longest name is the one that was written.
            let longest = all.iter().map(|(n, _)| *n).max();
            all.into_iter().filter(|(n, _)| Some(*n) == longest).map(|(_, d)| d).collect()
        };
        let one = |found: Vec<Division>| match found.as_slice() {
            [one] => Some(*one),
            _ => None,
        };
        let county = one(named(DivisionLevel::County, None));
        one(named(DivisionLevel::Township, county)).or(county).or_else(|| one(named(DivisionLevel::City, None)))
    }

    /// What to say of a code that the list does not have.
    pub fn unknown(&self, code: Division) -> String {
        let nearest = std::iter::successors(code.parent(), |d| d.parent()).find(|d| self.knows(*d));
        match nearest {
            Some(up) => format!("区划代码 {code} 不在名单中（其上级 {up}“{}”在）；请核对代码", self.full_name(up)),
            None => format!("区划代码 {code} 不在名单中，也不属于名单中的任何市县；请核对代码"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list() -> BTreeMap<Division, DivisionName> {
        [
            ("1405", "晋城市", None),
            ("140521", "沁水县", None),
            ("140522", "阳城县", None),
            ("140522110", "演礼镇", Some("白桑镇")),
            ("140522111", "白桑镇", Some("演礼镇")),
            ("140522110201", "上河村委会", None),
        ]
        .into_iter()
        .map(|(code, name, clash)| {
            let code: Division = code.parse().unwrap();
            (code, DivisionName { code, name: name.into(), clash: clash.map(Into::into) })
        })
        .collect()
    }
    fn names(county: &str, township: &str, village: &str) -> Names {
        Names { county: county.into(), township: township.into(), village: village.into() }
    }

    #[test]
    fn names_alone_find_the_division_however_they_are_written() {
        let list = list();
        let places = Places::new(&list);
        for n in [names("阳城县", "演礼镇", "上河村"), names("阳城", "演礼", "上河村村民委员会"), names("阳城县", "演礼镇", "上河村委会")]
        {
            assert_eq!(places.resolve(&n, Some(Tier::Village)).unwrap().to_string(), "140522110201", "{n:?}");
        }
        assert_eq!(places.resolve(&Names::default(), Some(Tier::City)).unwrap().to_string(), "140500000000");
        let (column, message) = places.resolve(&names("阳城县", "大雪山镇", ""), None).unwrap_err();
        assert!(column == Column::Township && message.contains("大雪山镇"));
        assert!(places.resolve(&names("阳城县", "", ""), Some(Tier::Township)).is_err());
    }

    #[test]
    fn a_code_of_the_other_list_is_told_with_the_right_one() {
        let list = list();
        let places = Places::new(&list);
        let code = "140522110".parse().unwrap();
        assert_eq!(places.check(code, &names("阳城", "演礼镇", "")), Ok(()));
        let why = places.check(code, &names("阳城县", "白桑镇", "")).unwrap_err();
        assert!(why.contains("民政部") && why.contains("140522111000"), "{why}");
        assert!(places.check(code, &names("沁水县", "", "")).is_err());
        assert!(places.unknown("140522110299".parse().unwrap()).contains("演礼镇"));
    }
}
