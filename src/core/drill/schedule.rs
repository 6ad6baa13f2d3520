//! When a drill starts by itself: `"Wed 10:00"`, `"周三 10:00"`, `"10:00"` (every day), `"15 10:00"` (every month on
//! the 15th). Beijing time.

use crate::core::{
    directory::Tier,
    division::Division,
    hazard::{HazardCode, Level},
    send::Channel,
    time::{Span, Time},
};
use jiff::civil::Weekday;
use serde::{Deserialize, Deserializer};
use std::{fmt, str::FromStr};

/// A drill that starts by itself.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DrillSchedule {
    /// Short and lasting: it stands in the drill's identifier.
    pub name: String,
    pub at: When,
    /// A roll call: a share of all numbers, such that each is proved once a quarter. Then no hazard or level is given.
    #[serde(default)]
    pub roll_call: bool,
    /// With `roll_call`: one in so many numbers; 0: what the quarter asks for.
    #[serde(default)]
    pub share: u16,
    /// Who is called, as by a real warning of this hazard and level.
    #[serde(default)]
    pub hazard: Option<HazardCode>,
    #[serde(default)]
    pub level: Option<Level>,
    #[serde(default)]
    pub headline: Option<String>,
    /// Empty: all of the territory.
    #[serde(default)]
    pub divisions: Vec<Division>,
    /// Empty: all.
    #[serde(default)]
    pub tiers: Vec<Tier>,
    /// Empty: all.
    #[serde(default)]
    pub channels: Vec<Channel>,
}
impl DrillSchedule {
    /// What cannot work, with the key it stands at.
    pub fn faults(&self) -> Vec<(&'static str, String)> {
        let mut out = Vec::new();
        let plain = |c: char| c.is_alphanumeric() || "-_".contains(c);
        if self.name.is_empty() || self.name.chars().count() > 40 || !self.name.chars().all(plain) {
            out.push(("name", "must be 1 to 40 letters, digits, - or _".to_string()));
        }
        if self.roll_call && (self.hazard.is_some() || self.level.is_some()) {
            out.push(("roll_call", "a roll call has no hazard and no level: everybody whose number is due is called".to_string()));
        }
        if !self.roll_call && (self.hazard.is_none() || self.level.is_none()) {
            out.push(("hazard", "say which warning is practised, by hazard and level, or set roll_call = true".to_string()));
        }
        if self.share > 0 && !self.roll_call {
            out.push(("share", "is one in so many numbers of a roll call; set roll_call = true".to_string()));
        }
        out
    }
}

/// A start that was missed by more than this is left out: a drill does not come at an odd hour.
pub const MISSED: Span = Span::hours(2);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Day {
    Every,
    Week(Weekday),
    /// 1 to 28, so that every month has it.
    Month(i8),
}

/// A moment that comes again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct When {
    day: Day,
    /// Of the day.
    minute: u16,
}

const WEEK: [(Weekday, &str, &str); 7] = [
    (Weekday::Monday, "Mon", "周一"),
    (Weekday::Tuesday, "Tue", "周二"),
    (Weekday::Wednesday, "Wed", "周三"),
    (Weekday::Thursday, "Thu", "周四"),
    (Weekday::Friday, "Fri", "周五"),
    (Weekday::Saturday, "Sat", "周六"),
    (Weekday::Sunday, "Sun", "周日"),
];

impl When {
    /// The first such moment after `now`.
    pub fn next_after(self, now: Time) -> Time {
        let mut at = now.next_beijing_minute(self.minute);
        // At most a month and a day away.
        for _ in 0..32 {
            let date = at.beijing().date();
            let fits = match self.day {
                Day::Every => true,
                Day::Week(d) => date.weekday() == d,
                Day::Month(d) => date.day() == d,
            };
            if fits {
                return at;
            }
            at = at + Span::hours(24);
        }
        at
    }

    /// Minutes of the day.
    pub fn minute(self) -> u16 {
        self.minute
    }
}
impl FromStr for When {
    type Err = String;
    fn from_str(s: &str) -> Result<When, String> {
        let bad = || {
            format!(
                "`{s}` is not a moment; write \"Wed 10:00\" (or \"周三 10:00\"), \"10:00\" for every day, \"15 10:00\" for the 15th of every month (1 to 28)"
            )
        };
        let (day, clock) = match s.trim().rsplit_once(' ') {
            Some((day, clock)) => (Some(day.trim()), clock),
            None => (None, s.trim()),
        };
        let (h, m) = clock.split_once(':').ok_or_else(bad)?;
        let (h, m): (u16, u16) = (h.parse().map_err(|_| bad())?, m.parse().map_err(|_| bad())?);
        if h > 23 || m > 59 {
            return Err(bad());
        }
        let day = match day {
            None => Day::Every,
            Some(d) => match WEEK.iter().find(|(_, en, zh)| en.eq_ignore_ascii_case(d) || *zh == d || d == "周天" && *en == "Sun") {
                Some((weekday, _, _)) => Day::Week(*weekday),
                None => Day::Month(d.parse().ok().filter(|d| (1..=28).contains(d)).ok_or_else(bad)?),
            },
        };
        Ok(When { day, minute: h * 60 + m })
    }
}
impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.day {
            Day::Every => {}
            Day::Week(d) => write!(f, "{} ", WEEK.iter().find(|(w, _, _)| *w == d).map_or("", |(_, en, _)| en))?,
            Day::Month(d) => write!(f, "{d} ")?,
        }
        write!(f, "{:02}:{:02}", self.minute / 60, self.minute % 60)
    }
}
impl<'de> Deserialize<'de> for When {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<When, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_come_again_by_day_week_and_month() {
        let at = |s: &str| Time::parse_rfc3339(s).unwrap();
        let next = |when: &str, now: &str| when.parse::<When>().unwrap().next_after(at(now)).rfc3339();
        // 8 July 2026 is a Wednesday.
        assert_eq!(next("10:00", "2026-07-08T09:59:59+08:00"), "2026-07-08T10:00:00+08:00");
        assert_eq!(next("10:00", "2026-07-08T10:00:00+08:00"), "2026-07-09T10:00:00+08:00");
        assert_eq!(next("Wed 10:00", "2026-07-08T10:00:00+08:00"), "2026-07-15T10:00:00+08:00");
        assert_eq!(next("周五 9:30", "2026-07-08T10:00:00+08:00"), "2026-07-10T09:30:00+08:00");
        assert_eq!(next("15 10:00", "2026-07-16T00:00:00+08:00"), "2026-08-15T10:00:00+08:00");
        for wrong in ["", "Wednesday 10:00", "31 10:00", "24:00", "10", "Wed"] {
            assert!(wrong.parse::<When>().is_err(), "{wrong}");
        }
        for text in ["10:00", "Wed 10:00", "15 10:00"] {
            assert_eq!(text.parse::<When>().unwrap().to_string(), text);
        }
    }
}
