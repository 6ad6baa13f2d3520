//! Administrative divisions (行政区划): a 12-digit code whose prefix is containment.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt, str::FromStr};

/// A 12-digit division code, kept as a number. A shorter code is the same code with trailing
/// zeros (GB/T 2260 and GB/T 10114: 2 province, 4 city, 6 county, 9 township, 12 village).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Division(pub u64);

/// How deep a code goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DivisionLevel {
    Province,
    City,
    County,
    Township,
    Village,
}

impl Division {
    pub fn level(self) -> DivisionLevel {
        if !self.0.is_multiple_of(1_000) {
            DivisionLevel::Village
        } else if !self.0.is_multiple_of(1_000_000) {
            DivisionLevel::Township
        } else if !self.0.is_multiple_of(100_000_000) {
            DivisionLevel::County
        } else if !self.0.is_multiple_of(10_000_000_000) {
            DivisionLevel::City
        } else {
            DivisionLevel::Province
        }
    }

    /// The size of the code range below this code.
    fn width(self) -> u64 {
        match self.level() {
            DivisionLevel::Village => 1,
            DivisionLevel::Township => 1_000,
            DivisionLevel::County => 1_000_000,
            DivisionLevel::City => 100_000_000,
            DivisionLevel::Province => 10_000_000_000,
        }
    }

    /// Whether `other` is this division or lies inside it.
    pub fn contains(self, other: Division) -> bool {
        other.0 >= self.0 && other.0 - self.0 < self.width()
    }

    /// Codes inside this division, first and past-the-last: a range scan for stores.
    pub fn range(self) -> (u64, u64) {
        (self.0, self.0 + self.width())
    }

    /// This code cut to a level; `None` when it is not that deep.
    pub fn at(self, level: DivisionLevel) -> Option<Division> {
        (self.level() >= level).then(|| {
            let w = match level {
                DivisionLevel::Village => 1,
                DivisionLevel::Township => 1_000,
                DivisionLevel::County => 1_000_000,
                DivisionLevel::City => 100_000_000,
                DivisionLevel::Province => 10_000_000_000,
            };
            Division(self.0 / w * w)
        })
    }

    /// The next division up, `None` for a province.
    pub fn parent(self) -> Option<Division> {
        match self.level() {
            DivisionLevel::Village => self.at(DivisionLevel::Township),
            DivisionLevel::Township => self.at(DivisionLevel::County),
            DivisionLevel::County => self.at(DivisionLevel::City),
            DivisionLevel::City => self.at(DivisionLevel::Province),
            DivisionLevel::Province => None,
        }
    }
}

impl FromStr for Division {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        let s = s.trim();
        let err = || format!("`{s}` is not a division code: 2, 4, 6, 9 or 12 digits such as 140521000000");
        // 14 digits are the sender-code form with two spare zeros (seen as 62102300000000).
        let digits = if s.len() == 14 && s.ends_with("00") { &s[..12] } else { s };
        if !matches!(digits.len(), 2 | 4 | 6 | 9 | 12) || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(err());
        }
        let n: u64 = digits.parse().map_err(|_| err())?;
        let n = n * 10u64.pow(12 - digits.len() as u32);
        if n < 110_000_000_000 { Err(err()) } else { Ok(Division(n)) }
    }
}
impl fmt::Display for Division {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:012}", self.0)
    }
}
impl Serialize for Division {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for Division {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<'de, str>::deserialize(d)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefix_is_containment() {
        let county: Division = "140521".parse().unwrap();
        let town: Division = "140521101".parse().unwrap();
        let village: Division = "140521101201".parse().unwrap();
        assert!(county.contains(town) && county.contains(village) && town.contains(village));
        assert!(!town.contains(county) && !"140522".parse::<Division>().unwrap().contains(town));
        assert_eq!(village.at(DivisionLevel::County), Some(county));
        assert_eq!(village.parent(), Some(town));
        assert_eq!(county.to_string(), "140521000000");
        assert!("14052".parse::<Division>().is_err() && "x40521".parse::<Division>().is_err());
    }
}
