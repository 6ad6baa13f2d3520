//! A mapping: how one sender's bodies become warnings. Data only; read from TOML by `file`, carried out
//! by `apply`.

use super::{
    template::Template,
    tree::{Format, Path},
};
use crate::core::time::Span;
use std::collections::BTreeMap;

/// What to do with a value that a table does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unknown {
    /// Say so in a finding and go on with what can be made of it (law 7).
    Finding,
    /// Refuse this warning, naming the value.
    Refuse,
}

/// What is read out of a text of the sender's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reader {
    /// The colour a field or headline names: 橙色, Red, [II级/严重].
    Colour,
    /// The hazard a text names: 暴雨 → 11B03.
    Hazard,
}

/// How one field is made.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rule {
    /// Where it stands in the mapping file.
    pub line: usize,
    /// The first that can be filled counts.
    pub from: Vec<Template>,
    pub read: Option<Reader>,
    /// The name of a code table.
    pub table: Option<String>,
    /// For what the table does not have.
    pub otherwise: Option<String>,
    /// Where none of `from` can be filled.
    pub missing: Option<String>,
    /// Makes one text for each number from 1 up to (without) this one.
    pub each_before: Option<Template>,
    /// The text is a list: divided at commas of all kinds.
    pub split: bool,
}

/// A body or a part of it that is not for us.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Skip {
    pub line: usize,
    pub when: Template,
    pub test: Test,
    /// Said in the answer, for people.
    pub reason: String,
}

/// What the text of a [`Skip`] must be.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Test {
    In(Vec<String>),
    NotIn(Vec<String>),
    Contains(Vec<String>),
    /// Cannot be filled.
    Missing,
    Below(f64),
}

/// Where: one table of `[[area]]`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct AreaRule {
    pub line: usize,
    /// A list inside the warning: one area for each of its items.
    pub each: Option<Path>,
    /// Only where no rule before it gave an area.
    pub fallback: bool,
    pub name: Option<Rule>,
    pub level: Option<Rule>,
    pub place: Place,
}

#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "a handful in a mapping, read once")]
pub(super) enum Place {
    /// By its name alone.
    Named,
    Division(Rule),
    Point(Rule),
    Circle {
        lon: Rule,
        lat: Rule,
        radius: Rule,
        metres: bool,
    },
    Polygon {
        path: Path,
        /// Positions are written latitude first.
        lat_first: bool,
    },
}

/// The fields of a warning that a rule makes.
pub(super) const FIELDS: &[&str] = &[
    "identifier",
    "sender",
    "sent",
    "status",
    "message_type",
    "references",
    "hazard",
    "level",
    "headline",
    "description",
    "instruction",
    "effective",
    "onset",
    "expires",
    "event",
    "stage",
    "sender_name",
];

/// How one sender's bodies become warnings.
#[derive(Clone, Debug, PartialEq)]
pub struct Mapping {
    /// As errors and answers call it.
    pub name: String,
    /// One line for people: whose bodies these are.
    pub about: String,
    pub format: Format,
    /// The list of warnings in one body; without it the body is one warning.
    pub(super) each: Option<Path>,
    pub(super) unknown: Unknown,
    /// Expires so long after it was sent, where the message does not say.
    pub(super) lasts: Option<Span>,
    /// Times without an offset are so far east of Greenwich; Beijing unless told.
    pub(super) zone: Span,
    pub(super) skip: Vec<Skip>,
    pub(super) fields: BTreeMap<&'static str, Rule>,
    pub(super) parameters: Vec<(String, Rule)>,
    pub(super) areas: Vec<AreaRule>,
    pub(super) tables: BTreeMap<String, BTreeMap<String, String>>,
}

impl Mapping {
    /// Whether one body may hold several warnings: then the answer is a list.
    pub fn is_list(&self) -> bool {
        self.each.is_some()
    }
}

impl AreaRule {
    /// All rules in it.
    pub(super) fn rules(&self) -> impl Iterator<Item = &Rule> {
        let place: Vec<&Rule> = match &self.place {
            Place::Division(r) | Place::Point(r) => vec![r],
            Place::Circle { lon, lat, radius, .. } => vec![lon, lat, radius],
            Place::Named | Place::Polygon { .. } => Vec::new(),
        };
        self.name.iter().chain(&self.level).chain(place)
    }

    /// The lists it goes through.
    pub(super) fn lists(&self) -> impl Iterator<Item = &Path> {
        let polygon = match &self.place {
            Place::Polygon { path, .. } => Some(path),
            _ => None,
        };
        self.each.iter().chain(polygon)
    }
}
