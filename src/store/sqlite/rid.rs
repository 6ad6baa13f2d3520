//! Record ids: one integer for every key, and the names behind those keys that are text.
//!
//! Eight bytes a record keep a million open callouts small in memory, and ids given in the order of
//! first mention keep the lines of one warning's people side by side in the file.

use crate::{
    core::{
        ids::{CalloutId, MAX_WARNING, WarningId},
        phone::Phone,
    },
    store::Key,
};
use serde::{
    Deserialize,
    de::value::{Error as ValueError, StrDeserializer},
};
use std::collections::HashMap;

/// Which table a record stands in, in the order of [`Rid`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    Warning = 0,
    Callout = 1,
    Line = 2,
    Named = 3,
    Callback = 4,
}
impl Class {
    pub const ALL: [Class; 5] = [Class::Warning, Class::Callout, Class::Line, Class::Named, Class::Callback];
    pub fn table(self) -> &'static str {
        match self {
            Class::Warning => "warning",
            Class::Callout => "callout",
            Class::Line => "line",
            Class::Named => "named",
            Class::Callback => "callback",
        }
    }
    /// Whether its rows carry their key as text.
    pub fn has_key(self) -> bool {
        matches!(self, Class::Line | Class::Named)
    }
}

/// `class << 56 | id`, never negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Rid(pub i64);
impl Rid {
    const ID: i64 = (1 << 56) - 1;
    pub fn new(class: Class, id: i64) -> Rid {
        Rid((class as i64) << 56 | (id & Self::ID))
    }
    pub fn class(self) -> Class {
        match self.0 >> 56 {
            0 => Class::Warning,
            1 => Class::Callout,
            2 => Class::Line,
            3 => Class::Named,
            _ => Class::Callback,
        }
    }
    /// The row id in its table.
    pub fn id(self) -> i64 {
        self.0 & Self::ID
    }
    pub fn callout(id: CalloutId) -> Option<Rid> {
        (id.warning.0 <= MAX_WARNING).then(|| Rid::new(Class::Callout, id.packed()))
    }
}

/// What is known of a key without asking the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    At(Rid),
    /// No record has this key.
    Nowhere,
    /// Text not in memory: the `named` table knows.
    Ask,
    /// A number beyond what ids may be.
    Impossible,
}

/// More names than this are forgotten and read again from the file when asked for.
const NAMES_KEPT: usize = 200_000;

#[derive(Default)]
pub(super) struct Names {
    /// Every line of the file, by packed number, and back.
    lines: HashMap<u64, i64>,
    numbers: HashMap<i64, u64>,
    last_line: i64,
    /// Those of the other names that were used since the start.
    ids: HashMap<String, i64>,
    keys: HashMap<i64, Key>,
    last_named: i64,
}

impl Names {
    pub fn find(&self, key: &Key) -> Found {
        match key {
            Key::Warning(w) => Found::At(Rid::new(Class::Warning, i64::from(w.0))),
            Key::Callout(c) => Rid::callout(*c).map_or(Found::Impossible, Found::At),
            Key::Callback(n) => match i64::try_from(*n) {
                Ok(n) if n <= Rid::ID => Found::At(Rid::new(Class::Callback, n)),
                _ => Found::Impossible,
            },
            Key::Line(phone) => match pack(phone.reveal()) {
                Some(packed) => self.lines.get(&packed).map_or(Found::Nowhere, |id| Found::At(Rid::new(Class::Line, *id))),
                None => self.named(key),
            },
            Key::Place(..) | Key::Named(_) => self.named(key),
        }
    }

    fn named(&self, key: &Key) -> Found {
        self.ids.get(&text(key)).map_or(Found::Ask, |id| Found::At(Rid::new(Class::Named, *id)))
    }

    /// The key of a record; `None` where the `named` table must be asked.
    pub fn key(&self, rid: Rid) -> Option<Key> {
        let id = rid.id();
        match rid.class() {
            Class::Warning => u32::try_from(id).ok().map(|n| Key::Warning(WarningId(n))),
            Class::Callout => Some(Key::Callout(CalloutId::from_packed(id))),
            Class::Callback => u64::try_from(id).ok().map(Key::Callback),
            Class::Line => self.numbers.get(&id).and_then(|n| phone(&unpack(*n))).map(Key::Line),
            Class::Named => self.keys.get(&id).cloned(),
        }
    }

    /// Gives a new record its id.
    pub fn add(&mut self, key: &Key) -> Rid {
        if let Key::Line(phone) = key
            && let Some(packed) = pack(phone.reveal())
        {
            self.last_line += 1;
            self.know_line(self.last_line, packed);
            return Rid::new(Class::Line, self.last_line);
        }
        self.last_named += 1;
        self.know(self.last_named, key.clone());
        Rid::new(Class::Named, self.last_named)
    }

    /// Takes back what [`Names::add`] gave, where its transaction came to nothing.
    pub fn forget(&mut self, rid: Rid) {
        match rid.class() {
            Class::Line => {
                let packed = self.numbers.remove(&rid.id());
                packed.and_then(|p| self.lines.remove(&p));
            }
            Class::Named => {
                let key = self.keys.remove(&rid.id());
                key.and_then(|k| self.ids.remove(&text(&k)));
            }
            Class::Warning | Class::Callout | Class::Callback => {}
        }
    }

    /// A name as read from the file.
    pub fn know(&mut self, id: i64, key: Key) {
        if self.keys.len() >= NAMES_KEPT {
            self.keys.clear();
            self.ids.clear();
        }
        self.ids.insert(text(&key), id);
        self.keys.insert(id, key);
    }

    /// A line as read from the file; `false` where the number is none.
    pub fn know_line_text(&mut self, id: i64, number: &str) -> bool {
        let Some(packed) = pack(number) else { return false };
        self.know_line(id, packed);
        true
    }

    fn know_line(&mut self, id: i64, packed: u64) {
        self.lines.insert(packed, id);
        self.numbers.insert(id, packed);
    }

    pub fn start(&mut self, last_line: i64, last_named: i64) {
        (self.last_line, self.last_named) = (last_line, last_named);
    }
}

/// The text of a key in the `key` column.
pub(super) fn text(key: &Key) -> String {
    match key {
        Key::Place(w, place) => format!("place/{}/{place}", w.0),
        Key::Named(name) => format!("named/{name}"),
        Key::Line(phone) if pack(phone.reveal()).is_none() => format!("line/{}", phone.reveal()),
        Key::Line(phone) => phone.reveal().to_string(),
        Key::Warning(w) => w.to_string(),
        Key::Callout(c) => c.to_string(),
        Key::Callback(n) => format!("callback/{n}"),
    }
}

/// Reads what [`text`] wrote into `named`.
pub(super) fn parse_text(text: &str) -> Option<Key> {
    let (kind, rest) = text.split_once('/')?;
    match kind {
        "place" => {
            let (warning, place) = rest.split_once('/')?;
            Some(Key::Place(WarningId(warning.parse().ok()?), place.to_string()))
        }
        "named" => Some(Key::Named(rest.to_string())),
        "line" => phone(rest).map(Key::Line),
        _ => None,
    }
}

/// The key of a row; `text` is its `key` column, where its table has one.
pub(super) fn key_of(rid: Rid, text: Option<&str>) -> Option<Key> {
    match rid.class() {
        Class::Line => phone(text?).map(Key::Line),
        Class::Named => parse_text(text?),
        Class::Warning | Class::Callout | Class::Callback => Names::default().key(rid),
    }
}

fn phone(text: &str) -> Option<Phone> {
    Phone::deserialize(StrDeserializer::<ValueError>::new(text)).ok()
}

/// A number of up to 16 digits, with or without `+`, as one integer: value, count of digits, plus.
fn pack(number: &str) -> Option<u64> {
    let (digits, plus) = number.strip_prefix('+').map_or((number, 0), |d| (d, 1));
    if digits.is_empty() || digits.len() > 16 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let value: u64 = digits.parse().ok()?;
    Some(value << 6 | (digits.len() as u64) << 1 | plus)
}

fn unpack(packed: u64) -> String {
    let plus = if packed & 1 == 1 { "+" } else { "" };
    let len = usize::try_from(packed >> 1 & 31).unwrap_or(0);
    format!("{plus}{:0len$}", packed >> 6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_comes_back_from_its_packed_form() {
        for n in ["15400000001", "03562111111", "+14158675309", "0000000", "9999999999999999"] {
            assert_eq!(unpack(pack(n).unwrap()), n);
        }
        for n in ["", "+", "12a", "12345678901234567", "++1"] {
            assert_eq!(pack(n), None, "{n}");
        }
    }

    #[test]
    fn a_key_is_found_under_the_id_it_was_given_and_back() {
        let mut names = Names::default();
        let odd: Phone = serde_json::from_str("\"not a number\"").unwrap();
        let phone = Phone::parse("15400000001").unwrap();
        let keys = [Key::Line(phone), Key::Line(odd), Key::Place(WarningId(3), "a/b".into()), Key::Named("subscriber/1".into())];
        for key in &keys {
            assert!(matches!(names.find(key), Found::Nowhere | Found::Ask));
            let rid = names.add(key);
            assert_eq!(names.find(key), Found::At(rid));
            assert_eq!(names.key(rid).as_ref(), Some(key));
            if rid.class() == Class::Named {
                assert_eq!(parse_text(&text(key)).as_ref(), Some(key));
            }
            names.forget(rid);
            assert!(matches!(names.find(key), Found::Nowhere | Found::Ask));
        }
    }

    #[test]
    fn numbers_beyond_their_range_are_no_alias_of_others() {
        let names = Names::default();
        assert_eq!(names.find(&Key::Callout(CalloutId::new(WarningId(u32::MAX), 1))), Found::Impossible);
        assert_eq!(names.find(&Key::Callback(u64::MAX)), Found::Impossible);
        let last = Key::Callout(CalloutId::new(WarningId(MAX_WARNING), u32::MAX));
        let Found::At(rid) = names.find(&last) else { panic!("the last callout has an id") };
        assert_eq!((rid.class(), names.key(rid)), (Class::Callout, Some(last)));
    }
}
