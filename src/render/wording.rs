//! Which wording a message takes. A channel's folder holds, for each kind of message, one file that fits all and as many
//! that fit better, named by what they are for:
//!
//! `callout.txt`, `callout.red.txt`, `callout.flood.txt`, `callout.flood.red.txt`, `callout.flash_flood.立即转移.txt` …
//!
//! After the kind come, in any order and each at most once: a **hazard** (an event code such as `11b03`, a group such as
//! `rainstorm`, or a class such as `flood`), a **level** (`red`, `orange`, `yellow`, `blue`, `unknown`) and a **stage**
//! (`t-2h` or Chinese words, as the warning's own `stage` has it). One rule: of the files that fit, the one taken names the
//! hazard most closely; among those, one that names the stage; among those, one that names the level. A wording that a
//! provider has to approve and has not is passed over, as if there were no such file.

use crate::{
    channel::MessageKind,
    core::{
        hazard::{HazardClass, Level},
        message::MessageFacts,
    },
};

/// What a file is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wording {
    pub kind: MessageKind,
    /// What stands between the kind and the ending: `rainstorm.red`, empty for the one that fits all.
    pub variant: String,
    hazard: Option<Hazard>,
    level: Option<Level>,
    stage: Option<String>,
}

/// A hazard as a file names it, from wide to narrow.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Hazard {
    Class(HazardClass),
    Group(&'static str),
    Code(String),
}

/// Groups of codes that are spoken of alike.
pub const GROUPS: &[(&str, &[&str])] = &[
    ("rainstorm", &["11B03"]),
    ("flash_flood", &["11A51"]),
    ("river_flood", &["11A01", "11A05"]),
    ("reservoir", &["11A03", "11A04"]),
    ("landslide", &["11D00", "11D01", "11D02", "11D03", "11B37"]),
    ("fire_danger", &["11B25", "11B26", "11B41"]),
    ("forest_fire", &["11G01", "11G05"]),
    ("gale", &["11B06", "11B20", "11B58", "11B31"]),
    ("snow", &["11B04", "11B21"]),
];

const CLASSES: [(&str, HazardClass); 6] = [
    ("meteorological", HazardClass::Meteorological),
    ("flood", HazardClass::Flood),
    ("geological", HazardClass::Geological),
    ("fire", HazardClass::Fire),
    ("earthquake", HazardClass::Earthquake),
    ("other", HazardClass::Other),
];
const LEVELS: [Level; 5] = [Level::Red, Level::Orange, Level::Yellow, Level::Blue, Level::Unknown];

impl Hazard {
    fn parse(part: &str) -> Option<Hazard> {
        if let Some((name, _)) = GROUPS.iter().find(|(name, _)| *name == part) {
            return Some(Hazard::Group(name));
        }
        if let Some((_, class)) = CLASSES.iter().find(|(name, _)| *name == part) {
            return Some(Hazard::Class(*class));
        }
        let code = part.len() >= 4 && part.starts_with(|c: char| c.is_ascii_digit()) && part.bytes().all(|b| b.is_ascii_alphanumeric());
        code.then(|| Hazard::Code(part.to_ascii_uppercase()))
    }

    /// How closely it names this hazard; `None` where it is another.
    fn fits(&self, facts: &MessageFacts) -> Option<u8> {
        match self {
            Hazard::Code(code) => (facts.hazard.0.eq_ignore_ascii_case(code)).then_some(3),
            Hazard::Group(name) => {
                let codes = GROUPS.iter().find(|(group, _)| group == name).map_or(&[][..], |(_, codes)| codes);
                codes.contains(&facts.hazard.0.as_str()).then_some(2)
            }
            Hazard::Class(class) => (facts.hazard.class() == *class).then_some(1),
        }
    }

    /// A code it fits, to try templates with.
    fn example(&self) -> String {
        match self {
            Hazard::Code(code) => code.clone(),
            Hazard::Group(name) => GROUPS
                .iter()
                .find(|(group, _)| group == name)
                .and_then(|(_, codes)| codes.first())
                .map_or(String::new(), |c| (*c).to_string()),
            Hazard::Class(class) => match class {
                HazardClass::Meteorological => "11B03",
                HazardClass::Flood => "11A01",
                HazardClass::Geological => "11D01",
                HazardClass::Fire => "11G01",
                HazardClass::Earthquake => "11C02",
                HazardClass::Other => "11Z99",
            }
            .to_string(),
        }
    }
}

/// A stage as it is compared: `Ｔ－2H` and `t-2h` are one.
fn stage(text: &str) -> String {
    let half = |c: char| match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0).unwrap_or(c),
        '−' | '–' | '—' => '-',
        c => c,
    };
    text.chars().filter(|c| !c.is_whitespace()).map(half).collect::<String>().to_lowercase()
}

impl Wording {
    /// The wording that fits all.
    pub fn plain(kind: MessageKind) -> Wording {
        Wording { kind, variant: String::new(), hazard: None, level: None, stage: None }
    }

    /// Reads a file's name without its ending. `Err` says which part is not understood; `Ok(None)`: no kind of message.
    pub fn parse(stem: &str) -> Result<Option<Wording>, String> {
        let (kind, rest) = stem.split_once('.').map_or((stem, None), |(kind, rest)| (kind, Some(rest)));
        let Some(kind) = MessageKind::ALL.into_iter().find(|k| k.as_str() == kind) else { return Ok(None) };
        let mut w = Wording::plain(kind);
        let Some(rest) = rest else { return Ok(Some(w)) };
        w.variant = rest.to_string();
        for part in rest.split('.') {
            let twice = if let Some(level) = LEVELS.into_iter().find(|l| l.as_str() == part) {
                w.level.replace(level).is_some()
            } else if let Some(hazard) = Hazard::parse(part) {
                w.hazard.replace(hazard).is_some()
            } else if part.starts_with("t-") || part.starts_with("t+") || (!part.is_empty() && !part.is_ascii()) {
                w.stage.replace(stage(part)).is_some()
            } else {
                let groups: Vec<&str> = GROUPS.iter().map(|(g, _)| *g).chain(CLASSES.iter().map(|(c, _)| *c)).collect();
                return Err(format!(
                    "`{part}` in its name is no hazard ({}, or an event code), no level (red …) and no stage (t-2h, or Chinese words), so it would never be used",
                    groups.join(", ")
                ));
            };
            if twice {
                return Err(format!("its name has two of a kind (`{part}` is the second)"));
            }
        }
        Ok(Some(w))
    }

    /// The file's name without its ending.
    pub fn stem(&self) -> String {
        if self.variant.is_empty() { self.kind.as_str().to_string() } else { format!("{}.{}", self.kind.as_str(), self.variant) }
    }

    /// How well it fits: hazard, stage, level; `None` where it is for something else.
    pub fn fit(&self, facts: &MessageFacts) -> Option<(u8, bool, bool)> {
        let hazard = match &self.hazard {
            Some(h) => h.fits(facts)?,
            None => 0,
        };
        let said = facts.stage.as_deref().map(stage);
        if self.stage.is_some() && self.stage != said {
            return None;
        }
        if self.level.is_some_and(|l| l != facts.level) {
            return None;
        }
        Some((hazard, self.stage.is_some(), self.level.is_some()))
    }

    /// The facts, made such that this wording is for them.
    pub fn sample(&self, mut facts: MessageFacts) -> MessageFacts {
        if let Some(h) = &self.hazard {
            facts.hazard.0 = h.example();
        }
        if let Some(level) = self.level {
            facts.level = level;
        }
        if self.stage.is_some() {
            facts.stage.clone_from(&self.stage);
        }
        facts
    }
}

/// The wordings of one channel, each kind's in no order.
#[derive(Clone, Debug, PartialEq)]
pub struct Wordings<T>(pub Vec<(Wording, T)>);

impl<T> Wordings<T> {
    /// Those of `kind` that fit, the best first. `known` is asked of every variant but the one that fits all.
    pub fn fitting<'a>(&'a self, kind: MessageKind, facts: &MessageFacts, known: &dyn Fn(&str) -> bool) -> Vec<&'a (Wording, T)> {
        let mut all: Vec<_> = self
            .0
            .iter()
            .filter(|(w, _)| w.kind == kind && (w.variant.is_empty() || known(&w.variant)))
            .filter_map(|entry| entry.0.fit(facts).map(|fit| (fit, entry)))
            .collect();
        // The name decides among equals, so that the same message is always worded alike.
        all.sort_by(|(a, x), (b, y)| b.cmp(a).then_with(|| x.0.variant.cmp(&y.0.variant)));
        all.into_iter().map(|(_, entry)| entry).collect()
    }

    /// This very one.
    pub fn named(&self, kind: MessageKind, variant: &str) -> Option<&T> {
        self.0.iter().find(|(w, _)| w.kind == kind && w.variant == variant).map(|(_, t)| t)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::hazard::HazardCode;

    fn facts(code: &str, level: Level, stage: Option<&str>) -> MessageFacts {
        MessageFacts { hazard: HazardCode(code.into()), level, stage: stage.map(str::to_string), ..MessageFacts::default() }
    }
    fn all(names: &[&str]) -> Wordings<()> {
        Wordings(names.iter().map(|n| (Wording::parse(n).unwrap().unwrap(), ())).collect())
    }
    fn taken(w: &Wordings<()>, f: &MessageFacts, known: &dyn Fn(&str) -> bool) -> String {
        w.fitting(MessageKind::Callout, f, known)[0].0.variant.clone()
    }

    #[test]
    fn the_closest_hazard_then_the_stage_then_the_level_decides() {
        let w = all(&[
            "callout",
            "callout.red",
            "callout.flood",
            "callout.flood.red",
            "callout.flash_flood",
            "callout.t-2h",
            "callout.flood.t-2h",
            "callout.11a51.red",
            "callout.red.flash_flood.立即转移",
            "chase.11a51.red",
        ]);
        let yes = |_: &str| true;
        for (code, level, stage, want) in [
            ("11B03", Level::Blue, None, ""),
            ("11B03", Level::Red, None, "red"),
            ("11A01", Level::Red, None, "flood.red"),
            ("11A01", Level::Orange, None, "flood"),
            ("11A01", Level::Red, Some("T-2h"), "flood.t-2h"),
            ("11B03", Level::Red, Some("Ｔ－２Ｈ"), "t-2h"),
            ("11B03", Level::Red, Some("T-6h"), "red"),
            ("11A51", Level::Orange, None, "flash_flood"),
            ("11A51", Level::Red, None, "11a51.red"),
            ("11A51", Level::Orange, Some("立即转移"), "flash_flood"),
        ] {
            assert_eq!(taken(&w, &facts(code, level, stage), &yes), want, "{code} {level:?} {stage:?}");
        }
        let w = all(&["callout", "callout.red.flash_flood.立即转移", "callout.flash_flood.red"]);
        assert_eq!(taken(&w, &facts("11A51", Level::Red, Some(" 立即转移 ")), &yes), "red.flash_flood.立即转移");
    }

    #[test]
    fn what_a_provider_has_not_approved_is_passed_over_and_the_one_that_fits_all_never_is() {
        let w = all(&["callout", "callout.red", "callout.flood.red"]);
        let f = facts("11A01", Level::Red, None);
        assert_eq!(taken(&w, &f, &|v| v == "red"), "red");
        assert_eq!(taken(&w, &f, &|_| false), "");
    }

    #[test]
    fn a_name_that_would_never_be_used_is_told() {
        for (stem, want) in [
            ("callout.rainstrom", "`rainstrom`"),
            ("callout.red.blue", "two of a kind"),
            ("callout.", "``"),
            ("callout.flood.11a01", "two"),
        ] {
            assert!(Wording::parse(stem).unwrap_err().contains(want), "{stem}");
        }
        assert_eq!(Wording::parse("layout"), Ok(None));
    }

    #[test]
    fn every_wording_fits_the_sample_made_for_it() {
        for stem in ["callout.rainstorm.red", "end.geological", "callout.11b37", "chase.t-12h.orange", "callout.other", "info.准备转移"]
        {
            let w = Wording::parse(stem).unwrap().unwrap();
            assert!(w.fit(&w.sample(MessageFacts::default())).is_some(), "{stem}");
        }
    }
}
