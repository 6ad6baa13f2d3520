//! Where a record lives: its name inside a partition, and which partition that is. Both are part of
//! the data format: a change of either needs a new one.

use crate::{
    core::{
        ids::{CalloutId, WarningId},
        phone::Phone,
    },
    store::Key,
};
use serde::{
    Deserialize,
    de::value::{Error as ValueError, StrDeserializer},
};
use std::fmt;

/// One partition: its keys share a hash slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Part(u16);
impl Part {
    /// Warnings, identities, documents, sequences, tasks, the feed, records under a name.
    pub const CONTROL: Part = Part(u16::MAX);

    pub fn all(partitions: u16) -> impl Iterator<Item = Part> {
        (0..partitions).map(Part).chain([Part::CONTROL])
    }

    pub fn of(key: &Key, partitions: u16) -> Part {
        let n = u64::from(partitions.max(1));
        let numbered = |at: u64| Part(u16::try_from(at % n).unwrap_or(0));
        match key {
            Key::Warning(_) | Key::Named(_) => Part::CONTROL,
            // Dealt out in turn, so that a bitmap of those in one partition has no gaps.
            Key::Callout(c) => numbered(striped(*c, n)),
            Key::Callback(at) => numbered(*at),
            Key::Line(_) | Key::Place(..) => numbered(fnv1a(text(key).as_bytes())),
        }
    }

    /// As replies name it.
    pub fn parse(text: &str) -> Option<Part> {
        if text == "c" { Some(Part::CONTROL) } else { text.parse().ok().map(Part) }
    }

    /// The beginning of all its keys.
    pub fn base(self, prefix: &str) -> String {
        format!("{prefix}:{{p:{self}}}")
    }

    /// The slot of a Cluster that its keys have.
    pub fn slot(self) -> u16 {
        crc16(format!("p:{self}").as_bytes()) % 16_384
    }
}
impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Part::CONTROL { f.write_str("c") } else { write!(f, "{}", self.0) }
    }
}

fn striped(c: CalloutId, n: u64) -> u64 {
    u64::from(c.ordinal) + u64::from(c.warning.0) % n
}

/// A callout's place in its warning's bitmap within its partition.
pub(super) fn bit(c: CalloutId, partitions: u16) -> u64 {
    let n = u64::from(partitions.max(1));
    striped(c, n) / n
}

/// A record's name inside its partition.
pub(super) fn text(key: &Key) -> String {
    match key {
        Key::Warning(w) => w.to_string(),
        Key::Callout(c) => c.to_string(),
        Key::Line(phone) => format!("l{}", phone.reveal()),
        Key::Place(w, place) => format!("p{}/{place}", w.0),
        Key::Callback(n) => format!("b{n}"),
        Key::Named(name) => format!("n{name}"),
    }
}

/// Reads what [`text`] wrote.
pub(super) fn parse(text: &str) -> Option<Key> {
    let rest = text.get(1..)?;
    match text.as_bytes().first()? {
        b'w' if rest.contains('-') => text.parse().ok().map(Key::Callout),
        b'w' => text.parse().ok().map(Key::Warning),
        b'l' => Phone::deserialize(StrDeserializer::<ValueError>::new(rest)).ok().map(Key::Line),
        b'p' => {
            let (warning, place) = rest.split_once('/')?;
            Some(Key::Place(WarningId(warning.parse().ok()?), place.to_string()))
        }
        b'b' => rest.parse().ok().map(Key::Callback),
        b'n' => Some(Key::Named(rest.to_string())),
        _ => None,
    }
}

fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3))
}

/// CRC-16/XMODEM, by which a Cluster finds the slot of a key.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, b| (0..8).fold(crc ^ u16::from(*b) << 8, |c: u16, _| if c & 0x8000 == 0 { c << 1 } else { c << 1 ^ 0x1021 }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back_as_its_key() {
        let keys = [
            Key::Warning(WarningId(7)),
            Key::Callout(CalloutId::new(WarningId(7), 3)),
            Key::Line(Phone::parse("+14158675309").unwrap()),
            Key::Line(serde_json::from_str("\"not a number\"").unwrap()),
            Key::Place(WarningId(7), "DZ-1/省 平台".into()),
            Key::Callback(u64::MAX),
            Key::Named(String::new()),
            Key::Named("w7".into()),
        ];
        for key in keys {
            assert_eq!(parse(&text(&key)).as_ref(), Some(&key));
        }
        for odd in ["", "x1", "w", "p7", "bx", "省"] {
            assert_eq!(parse(odd), None, "{odd}");
        }
    }

    #[test]
    fn slots_are_those_of_the_cluster_specification() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        assert_eq!(Part::CONTROL.slot(), crc16(b"p:c") % 16_384);
    }

    #[test]
    fn callouts_are_dealt_out_without_gaps_and_no_two_share_a_bit() {
        for n in [1, 3, 16] {
            let mut seen = std::collections::BTreeSet::new();
            for ordinal in 0..100 {
                let c = CalloutId::new(WarningId(5), ordinal);
                assert!(seen.insert((Part::of(&Key::Callout(c), n), bit(c, n))));
            }
            assert!(seen.iter().all(|(_, b)| *b <= 100 / u64::from(n) + 1));
        }
    }
}
