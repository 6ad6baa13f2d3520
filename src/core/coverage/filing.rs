//! The yearly filing: by a date such as 20 April every directory is to be confirmed for the coming season. Who
//! confirmed which division when is kept; what is older than the last such date is stale.

use crate::core::{
    directory::Directory,
    division::{Division, DivisionLevel},
    planner::Lookup,
    time::Time,
};
use jiff::civil;
use serde::{Deserialize, Deserializer, Serialize};
use std::{collections::BTreeMap, fmt, str::FromStr};

/// A day of the year, written `04-20`; the filing must be newer than its beginning, Beijing time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilingDate {
    month: i8,
    day: i8,
}
impl FilingDate {
    /// The beginning of the newest such day that is not after `now`.
    pub fn last_before(self, now: Time) -> Time {
        let year = now.beijing().year();
        let of = |year| {
            let day = civil::Date::new(year, self.month, self.day).or_else(|_| civil::Date::new(year, self.month, 28));
            day.ok().and_then(|d| Time::from_beijing(d.at(0, 0, 0, 0)))
        };
        of(year).filter(|t| *t <= now).or_else(|| of(year - 1)).unwrap_or_default()
    }
}
impl FromStr for FilingDate {
    type Err = String;
    fn from_str(s: &str) -> Result<FilingDate, String> {
        let bad = || format!("`{s}` is not a day of the year; write for example \"04-20\"");
        let (month, day) = s.split_once('-').ok_or_else(bad)?;
        let (month, day): (i8, i8) = (month.parse().map_err(|_| bad())?, day.parse().map_err(|_| bad())?);
        // A leap year, so that the 29th of February can be meant.
        civil::Date::new(2024, month, day).map_err(|_| bad())?;
        Ok(FilingDate { month, day })
    }
}
impl fmt::Display for FilingDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}-{:02}", self.month, self.day)
    }
}
impl<'de> Deserialize<'de> for FilingDate {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<FilingDate, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Somebody said that the directory of a division (and all inside it) is right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filing {
    pub at: Time,
    /// The officer's or token's name.
    pub by: String,
}

/// The newest filing of each division that has one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filings(pub BTreeMap<Division, Filing>);
impl Filings {
    /// The newest filing that is good for this division: its own or one of a division above.
    pub fn of(&self, division: Division) -> Option<&Filing> {
        std::iter::successors(Some(division), |d| d.parent()).filter_map(|d| self.0.get(&d)).max_by_key(|f| f.at)
    }

    /// The divisions whose directory was not confirmed since `since`, the highest ones only: where a whole county is
    /// stale, its townships are not named one by one. Divisions without posts are left out.
    pub fn stale(&self, directory: &Directory, lookup: &Lookup, since: Time, within: Option<Division>) -> Vec<Division> {
        let mut out = Vec::new();
        let roots: Vec<Division> = match within {
            Some(d) => vec![d],
            None => lookup.tops().to_vec(),
        };
        roots.into_iter().for_each(|root| self.walk(directory, lookup, since, root, &mut out));
        out
    }

    fn walk(&self, directory: &Directory, lookup: &Lookup, since: Time, at: Division, out: &mut Vec<Division>) {
        if lookup.posts_inside(at).next().is_none() || self.of(at).is_some_and(|f| f.at >= since) {
            return;
        }
        let (from, to) = at.range();
        let fresh_inside = self.0.range(Division(from)..Division(to)).any(|(_, f)| f.at >= since);
        if !fresh_inside {
            out.push(at);
            return;
        }
        // Its own posts are stale, and some of what lies in it.
        if lookup.posts_exactly(at).next().is_some() {
            out.push(at);
        }
        let below = match at.level() {
            DivisionLevel::Province => DivisionLevel::City,
            DivisionLevel::City => DivisionLevel::County,
            DivisionLevel::County => DivisionLevel::Township,
            DivisionLevel::Township | DivisionLevel::Village => DivisionLevel::Village,
        };
        let children: Vec<Division> = directory
            .divisions
            .range(Division(from)..Division(to))
            .map(|(code, _)| *code)
            .filter(|code| *code != at && code.level() == below)
            .collect();
        children.into_iter().for_each(|child| self.walk(directory, lookup, since, child, out));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_of_this_year_counts_from_its_morning_on() {
        let at = |s: &str| Time::parse_rfc3339(s).unwrap();
        let date: FilingDate = "04-20".parse().unwrap();
        assert_eq!(date.last_before(at("2026-04-19T23:59:59+08:00")), at("2025-04-20T00:00:00+08:00"));
        assert_eq!(date.last_before(at("2026-04-20T00:00:00+08:00")), at("2026-04-20T00:00:00+08:00"));
        assert_eq!("02-29".parse::<FilingDate>().unwrap().last_before(at("2026-07-01T00:00:00+08:00")), at("2026-02-28T00:00:00+08:00"));
        for wrong in ["", "4", "13-01", "04-31", "04.20", "april"] {
            assert!(wrong.parse::<FilingDate>().is_err(), "{wrong}");
        }
    }
}
