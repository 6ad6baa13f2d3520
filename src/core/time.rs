//! Instants and spans as whole milliseconds, so that they are copied, compared and stored without
//! thought; RFC 3339 and Beijing time only at the edges.

use jiff::{Timestamp, civil, tz};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt, ops, str::FromStr};

/// Beijing time is what Chinese warnings, sheets and screens mean: +08:00, no summer time.
pub const BEIJING_OFFSET_MS: i64 = 8 * 3_600_000;

/// No warning is archived sooner after its last change: what a gateway still replays after a failover is younger.
pub const ARCHIVE_AT_LEAST: Span = Span::hours(1);

/// An instant: milliseconds since 1970-01-01T00:00:00Z. Serialised as that number inside the
/// store; use [`Time::rfc3339`] towards people and programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Time(pub i64);

impl Time {
    /// RFC 3339 in Beijing time, seconds precision unless there are milliseconds to show.
    pub fn rfc3339(self) -> String {
        let local = self.beijing();
        let ms = self.0.rem_euclid(1000);
        let base = local.strftime("%Y-%m-%dT%H:%M:%S");
        if ms == 0 { format!("{base}+08:00") } else { format!("{base}.{ms:03}+08:00") }
    }

    /// The civil date and time a person in China reads on the wall.
    pub fn beijing(self) -> civil::DateTime {
        let ts = Timestamp::from_millisecond(self.0.clamp(-62_000_000_000_000, 253_000_000_000_000)).unwrap_or(Timestamp::UNIX_EPOCH);
        tz::offset(8).to_datetime(ts)
    }

    /// Minutes since Beijing midnight, 0..1440: what night rules are written in.
    pub fn beijing_minute(self) -> u16 {
        ((self.0 + BEIJING_OFFSET_MS).rem_euclid(86_400_000) / 60_000) as u16
    }

    /// The first instant after `self` at which Beijing's wall clock shows `minute` of the day.
    pub fn next_beijing_minute(self, minute: u16) -> Time {
        let day = (self.0 + BEIJING_OFFSET_MS).div_euclid(86_400_000) * 86_400_000 - BEIJING_OFFSET_MS;
        let today = Time(day + i64::from(minute) * 60_000);
        if today > self { today } else { Time(today.0 + 86_400_000) }
    }

    /// Reads an RFC 3339 time; the offset is required, because a warning without one is ambiguous.
    pub fn parse_rfc3339(s: &str) -> Result<Time, String> {
        s.parse::<Timestamp>()
            .map(|t| Time(t.as_millisecond()))
            .map_err(|_| format!("`{s}` is not an RFC 3339 time with an offset, such as 2024-07-08T16:15:00+08:00"))
    }

    /// From a civil time that is known to be Beijing time.
    pub fn from_beijing(dt: civil::DateTime) -> Option<Time> {
        tz::offset(8).to_timestamp(dt).ok().map(|t| Time(t.as_millisecond()))
    }
}

impl ops::Add<Span> for Time {
    type Output = Time;
    fn add(self, s: Span) -> Time {
        Time(self.0.saturating_add(s.0))
    }
}
impl ops::Sub<Span> for Time {
    type Output = Time;
    fn sub(self, s: Span) -> Time {
        Time(self.0.saturating_sub(s.0))
    }
}
impl ops::Sub<Time> for Time {
    type Output = Span;
    fn sub(self, t: Time) -> Span {
        Span(self.0.saturating_sub(t.0))
    }
}
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}

/// serde helper for the public side: RFC 3339 text instead of milliseconds.
pub mod rfc3339 {
    use super::*;
    pub fn serialize<S: Serializer>(t: &Time, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&t.rfc3339())
    }
    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Time, D::Error> {
        let text = String::deserialize(d)?;
        Time::parse_rfc3339(&text).map_err(de::Error::custom)
    }
    /// The same for optional times.
    pub mod option {
        use super::*;
        pub fn serialize<S: Serializer>(t: &Option<Time>, s: S) -> Result<S::Ok, S::Error> {
            match t {
                Some(t) => s.serialize_some(&t.rfc3339()),
                None => s.serialize_none(),
            }
        }
        pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Time>, D::Error> {
            let text = Option::<String>::deserialize(d)?;
            text.map(|t| Time::parse_rfc3339(&t).map_err(de::Error::custom)).transpose()
        }
    }
}

/// A length of time in milliseconds. In configuration and policies it is text: `"90s"`, `"5m"`,
/// `"1h30m"`, `"250ms"`, `"2d"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub i64);

impl Span {
    pub const ZERO: Span = Span(0);
    pub const fn ms(ms: i64) -> Span {
        Span(ms)
    }
    pub const fn secs(s: i64) -> Span {
        Span(s * 1000)
    }
    pub const fn mins(m: i64) -> Span {
        Span(m * 60_000)
    }
    pub const fn hours(h: i64) -> Span {
        Span(h * 3_600_000)
    }
    pub fn to_std(self) -> std::time::Duration {
        std::time::Duration::from_millis(self.0.max(0) as u64)
    }
    pub fn seconds_f64(self) -> f64 {
        self.0 as f64 / 1000.0
    }
}

impl ops::Add for Span {
    type Output = Span;
    fn add(self, other: Span) -> Span {
        Span(self.0.saturating_add(other.0))
    }
}

impl FromStr for Span {
    type Err = String;
    fn from_str(text: &str) -> Result<Span, String> {
        let bad = || format!("`{text}` is not a duration; write for example \"90s\", \"5m\", \"1h30m\" or \"250ms\"");
        let mut total: i64 = 0;
        let mut rest = text.trim();
        if rest.is_empty() {
            return Err(bad());
        }
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
            let n: i64 = rest[..digits].parse().map_err(|_| bad())?;
            rest = &rest[digits..];
            let unit_len = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
            let unit = match rest[..unit_len].trim() {
                "ms" => 1,
                "s" => 1000,
                "m" => 60_000,
                "h" => 3_600_000,
                "d" => 86_400_000,
                _ => return Err(bad()),
            };
            total = n.checked_mul(unit).and_then(|x| total.checked_add(x)).ok_or_else(bad)?;
            rest = &rest[unit_len..];
        }
        Ok(Span(total))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        let mut left = self.0;
        for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)] {
            if left >= size {
                write!(f, "{}{unit}", left / size)?;
                left %= size;
            }
        }
        Ok(())
    }
}
impl Serialize for Span {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_and_write_the_same_text() {
        for text in ["90s", "5m", "1h30m", "250ms", "2d", "1m30s"] {
            let span: Span = text.parse().unwrap();
            assert_eq!(span.to_string().parse::<Span>().unwrap(), span);
        }
        assert_eq!("1h30m".parse::<Span>().unwrap(), Span::mins(90));
        for bad in ["", "5", "m", "5 minutes", "-5m", "99999999999999d"] {
            assert!(bad.parse::<Span>().is_err(), "{bad}");
        }
    }

    #[test]
    fn times_are_shown_in_beijing_time() {
        let t = Time::parse_rfc3339("2024-07-08T08:15:00Z").unwrap();
        assert_eq!(t.rfc3339(), "2024-07-08T16:15:00+08:00");
        assert_eq!(t.beijing_minute(), 16 * 60 + 15);
        assert!(Time::parse_rfc3339("2024-07-08T16:15:00").is_err());
        assert!(Time::parse_rfc3339("2024-02-31T16:15:00+08:00").is_err());
        assert_eq!(t.next_beijing_minute(6 * 60).rfc3339(), "2024-07-09T06:00:00+08:00");
    }
}
