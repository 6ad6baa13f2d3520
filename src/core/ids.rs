//! One type per id, so that none can be mixed up. Ids inside are small numbers that keep the rows
//! of one warning side by side; outside they are text (`w12`, `w12-345`, `w12-345-3`).

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt, str::FromStr};

/// A callout's ordinal is below 2^21 (2 million persons a warning), a warning's number below
/// 2^18: both travel inside the 15 characters that a provider echoes back to us.
pub const MAX_ORDINAL: u32 = (1 << 21) - 1;
/// See [`MAX_ORDINAL`].
pub const MAX_WARNING: u32 = (1 << 18) - 1;

/// Whether a message's identifier has the form of the national system, `区划+机构14位_时间14位` (Tianjin: 11 digits), with or
/// without a sequence behind it: then it is one warning in the whole country, whoever sends it on.
pub fn is_national_identifier(identifier: &str) -> bool {
    let digits = |s: &str, n: usize| s.len() == n && s.bytes().all(|b| b.is_ascii_digit());
    let mut parts = identifier.split('_');
    parts.next().is_some_and(|p| digits(p, 14) || digits(p, 11)) && parts.next().is_some_and(|p| digits(p, 14))
}

/// Why a text is not an id of the wanted kind.
#[derive(Debug, Clone, thiserror::Error)]
#[error("`{text}` is not {kind}")]
pub struct BadId {
    text: String,
    kind: &'static str,
}

fn bad(text: &str, kind: &'static str) -> BadId {
    BadId { text: text.chars().take(60).collect(), kind }
}

macro_rules! text_serde {
    ($t:ty) => {
        impl Serialize for $t {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $t {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
                text.parse().map_err(de::Error::custom)
            }
        }
    };
}

/// A warning, `w12`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WarningId(pub u32);
impl fmt::Display for WarningId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "w{}", self.0)
    }
}
impl FromStr for WarningId {
    type Err = BadId;
    fn from_str(s: &str) -> Result<Self, BadId> {
        let n: u32 = s
            .strip_prefix('w')
            .filter(|d| d.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|d| d.parse().ok())
            .ok_or_else(|| bad(s, "a warning id such as w12"))?;
        Ok(WarningId(n))
    }
}
text_serde!(WarningId);

/// A callout: the `ordinal`-th person of a warning's plan, `w12-345`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CalloutId {
    pub warning: WarningId,
    pub ordinal: u32,
}
impl CalloutId {
    pub fn new(warning: WarningId, ordinal: u32) -> Self {
        CalloutId { warning, ordinal }
    }
    /// One integer that sorts by warning, then ordinal: the row id in SQLite.
    pub fn packed(self) -> i64 {
        (i64::from(self.warning.0) << 32) | i64::from(self.ordinal)
    }
    pub fn from_packed(n: i64) -> Self {
        CalloutId { warning: WarningId((n >> 32) as u32), ordinal: n as u32 }
    }
}
impl fmt::Display for CalloutId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.warning, self.ordinal)
    }
}
impl FromStr for CalloutId {
    type Err = BadId;
    fn from_str(s: &str) -> Result<Self, BadId> {
        let err = || bad(s, "a callout id such as w12-345");
        let (w, o) = s.split_once('-').ok_or_else(err)?;
        if !o.bytes().all(|b| b.is_ascii_digit()) {
            return Err(err());
        }
        Ok(CalloutId { warning: w.parse().map_err(|_| err())?, ordinal: o.parse().map_err(|_| err())? })
    }
}
text_serde!(CalloutId);

/// An attempt: the `n`-th message or call of a callout, counted from 1, `w12-345-3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId {
    pub callout: CalloutId,
    pub n: u16,
}
impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.callout, self.n)
    }
}
impl FromStr for AttemptId {
    type Err = BadId;
    fn from_str(s: &str) -> Result<Self, BadId> {
        let err = || bad(s, "an attempt id such as w12-345-3");
        let (c, n) = s.rsplit_once('-').ok_or_else(err)?;
        Ok(AttemptId { callout: c.parse().map_err(|_| err())?, n: n.parse().map_err(|_| err())? })
    }
}
text_serde!(AttemptId);

/// A person of the directory, `p123`. Kept for ever: never given to another person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecipientId(pub u32);
impl fmt::Display for RecipientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p{}", self.0)
    }
}
impl FromStr for RecipientId {
    type Err = BadId;
    fn from_str(s: &str) -> Result<Self, BadId> {
        let n = s.strip_prefix('p').and_then(|d| d.parse().ok());
        Ok(RecipientId(n.ok_or_else(|| bad(s, "a recipient id such as p123"))?))
    }
}
text_serde!(RecipientId);

/// An issuer's short name from the configuration, such as `jincheng-qixiang`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IssuerId(pub String);
impl fmt::Display for IssuerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_back_what_they_write() {
        let a = AttemptId { callout: CalloutId::new(WarningId(12), 345), n: 3 };
        assert_eq!(a.to_string(), "w12-345-3");
        assert_eq!(a.to_string().parse::<AttemptId>().unwrap(), a);
        assert_eq!(CalloutId::from_packed(a.callout.packed()), a.callout);
        for wrong in ["", "w", "12", "w1-", "w1--2", "w+1", "w1-2-3-4", "w1-+2"] {
            assert!(wrong.parse::<CalloutId>().is_err(), "{wrong}");
        }
    }
}
