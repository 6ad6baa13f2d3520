//! The policy itself: roles, groups of people, ladders, and the hazard × level table of rules; and how
//! the rule for a warning is chosen. Pure data with pure questions; nothing here reads a file.

use super::{AnswerRule, At, Clocks, Ladder, Night, Schedule, Supervise};
use crate::core::{
    directory::{Role, Tier},
    division::DivisionLevel,
    hazard::{HazardClass, HazardCode, Level},
    role::RoleWords,
    time::{Span, Time},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::collections::BTreeMap;

/// A whole policy file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    pub name: String,
    pub version: String,
    #[serde(default)]
    pub night: Night,
    #[serde(default)]
    pub clocks: Clocks,
    #[serde(default)]
    pub drill: DrillRule,
    /// By role key, such as `flood_control`.
    #[serde(rename = "role", default)]
    pub roles: BTreeMap<String, RoleRule>,
    /// Named sets of posts that rules call, such as `T3`.
    #[serde(rename = "group", default)]
    pub groups: BTreeMap<String, Group>,
    /// By name, such as `L1`.
    #[serde(rename = "ladder", default)]
    pub ladders: BTreeMap<String, Ladder>,
    #[serde(rename = "rule", default)]
    pub rules: Vec<Rule>,
    /// The text it was read from.
    #[serde(skip)]
    pub origin: Origin,
}

/// The text of a policy, and a name for it that no other text has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// First 16 hex digits of the SHA-256 of the text.
    pub hash: String,
    pub text: std::sync::Arc<str>,
}
impl Origin {
    pub fn of(text: &str) -> Origin {
        use sha2::Digest;
        let digest = sha2::Sha256::digest(text.as_bytes());
        let hash = digest.iter().take(8).map(|b| format!("{b:02x}")).collect();
        Origin { hash, text: text.into() }
    }
}

/// When a drill may ring phones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DrillRule {
    /// False: in night hours everything of a drill is held until the morning.
    pub at_night: bool,
}

/// A role of the directory: what sheets call it, and which hazards it answers for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RoleRule {
    /// Words of the sheet's 责任类别 column; the first is shown.
    pub names: Vec<String>,
    /// Answers for every hazard.
    pub all: bool,
    pub classes: Vec<HazardClass>,
    pub hazards: Vec<HazardCode>,
    /// What every point of this kind must have, told by coverage where it is missing: words of the titles (职务) of
    /// its posts, alternatives split by `|`; `转移路线` and `安全地点` ask for the entries of those columns.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub expects: Vec<String>,
}
impl RoleRule {
    pub fn answers_for(&self, hazard: &HazardCode) -> bool {
        self.all || self.hazards.contains(hazard) || self.classes.contains(&hazard.class())
    }
}

/// A named set of posts: the union of its selectors.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// For people who read the table, in Chinese.
    pub name: String,
    pub select: Vec<Selector>,
}

/// Which posts: all given conditions must hold; an empty list is no condition.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Selector {
    pub tiers: Vec<Tier>,
    /// Role keys.
    pub roles: Vec<String>,
    /// How deep the division of the post's place goes: tells the county's desk from a township's.
    pub at: Vec<DivisionLevel>,
    /// The post's title (职务) contains one of these words.
    pub titles: Vec<String>,
    /// The same, but where nobody of a place bears such a title the condition falls for that place: a
    /// badly kept sheet must not leave it without a leader.
    pub prefer_titles: Vec<String>,
    /// ★: only at points of these kinds (`any`: of every kind); of a village's people, only where such
    /// a point lies in the village or the post itself has that role.
    pub point_kinds: Vec<String>,
    /// False: these people owe no feedback, whatever the rule asks.
    pub feedback: bool,
}
impl Default for Selector {
    fn default() -> Self {
        Selector {
            tiers: Vec::new(),
            roles: Vec::new(),
            at: Vec::new(),
            titles: Vec::new(),
            prefer_titles: Vec::new(),
            point_kinds: Vec::new(),
            feedback: true,
        }
    }
}

/// One row of the hazard × level table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// For people, such as `暴雨红色`.
    pub name: String,
    /// Event codes; with no codes and no classes the rule is for any hazard.
    #[serde(default)]
    pub hazards: Vec<HazardCode>,
    #[serde(default)]
    pub classes: Vec<HazardClass>,
    /// Empty: every level. `unknown` cannot be named: it is called as orange.
    #[serde(default)]
    pub levels: Vec<Level>,
    /// Rows that are no colour (`立即转移`, `Ⅰ级响应`) and staged forecasts (`T-2h`).
    #[serde(default)]
    pub stages: Vec<String>,
    /// Owed by everybody of this row whose ladder asks an answer and whose selector does not excuse him.
    #[serde(default)]
    pub feedback: Option<Schedule>,
    /// 逐级转发: each tier is called when somebody of the tier above it has answered, or its deadline has passed.
    /// Otherwise all are called at once (扁平直达). Desks are called at once in any case.
    #[serde(default)]
    pub relay: bool,
    #[serde(default)]
    pub supervise: Option<Supervise>,
    /// Also called is what the directory says lies downstream of a point that the warning names, or of one in a township or
    /// village that it names.
    #[serde(default)]
    pub downstream: bool,
    /// The first line that fits a post is the one it is called by.
    #[serde(default)]
    pub calls: Vec<Call>,
    /// The reason why this row calls nobody by phone. Said outright, so that silence is never an accident.
    #[serde(default)]
    pub nobody: Option<String>,
}

/// Who is called by which ladder.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// Group names.
    pub who: Vec<String>,
    pub ladder: String,
    /// Instead of the ladder's own deadline for every tier of this line.
    #[serde(default)]
    pub deadline: Option<Span>,
    #[serde(default)]
    pub night: NightRule,
    /// How many people of one place must answer.
    #[serde(default)]
    pub answer: AnswerRule,
    /// 双叫应: the line of people that this is, such as 部门线 or 政府线. Each is counted.
    #[serde(default)]
    pub line: Option<String>,
}

/// What changes in night hours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum NightRule {
    /// Nothing.
    #[default]
    Full,
    /// A stricter ladder: `raise:L1`.
    Raise(String),
    /// Text goes at once; calls, and the deadline with them, wait for the morning.
    SmsUntilMorning,
    /// Nothing leaves before the morning; the deadline counts from then.
    HoldUntilMorning,
}
impl std::fmt::Display for NightRule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            NightRule::Full => f.write_str("full"),
            NightRule::Raise(ladder) => write!(f, "raise:{ladder}"),
            NightRule::SmsUntilMorning => f.write_str("sms_until_morning"),
            NightRule::HoldUntilMorning => f.write_str("hold_until_morning"),
        }
    }
}
impl Serialize for NightRule {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for NightRule {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        match text.as_str() {
            "full" => Ok(NightRule::Full),
            "sms_until_morning" => Ok(NightRule::SmsUntilMorning),
            "hold_until_morning" => Ok(NightRule::HoldUntilMorning),
            _ => match text.strip_prefix("raise:").map(str::trim).filter(|l| !l.is_empty()) {
                Some(ladder) => Ok(NightRule::Raise(ladder.to_string())),
                None => Err(de::Error::custom(format!(
                    "`{text}` is not a night behaviour; write full, raise:<ladder>, sms_until_morning or hold_until_morning"
                ))),
            },
        }
    }
}

/// How close a rule is to the hazard: a code beats a class beats any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Code,
    Class,
    Any,
}

impl Rule {
    fn fit(&self, hazard: &HazardCode) -> Option<Fit> {
        if self.hazards.contains(hazard) {
            Some(Fit::Code)
        } else if self.classes.contains(&hazard.class()) {
            Some(Fit::Class)
        } else if self.hazards.is_empty() && self.classes.is_empty() {
            Some(Fit::Any)
        } else {
            None
        }
    }
    fn takes_level(&self, level: Level) -> bool {
        self.levels.is_empty() || self.levels.contains(&level.called_as())
    }
    fn takes_stage(&self, stage: &str) -> bool {
        self.stages.iter().any(|s| normal_stage(s) == stage)
    }
}

/// Stage texts compared as people mean them: without spaces, full-width forms, Roman numeral signs or case.
pub fn normal_stage(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            'Ⅰ' => out.push('I'),
            'Ⅱ' => out.push_str("II"),
            'Ⅲ' => out.push_str("III"),
            'Ⅳ' => out.push_str("IV"),
            '\u{ff01}'..='\u{ff5e}' => out.extend(char::from_u32(c as u32 - 0xfee0).map(|c| c.to_ascii_uppercase())),
            '—' | '–' | '−' => out.push('-'),
            c if c.is_whitespace() => {}
            c => out.push(c.to_ascii_uppercase()),
        }
    }
    out
}

impl Policy {
    /// `name version`, kept with each warning.
    pub fn source(&self) -> String {
        format!("{} {}", self.name, self.version).trim().to_string()
    }

    /// The row for a warning. A stage row comes before a colour row; then code before class before any;
    /// then the order of the file. A stage that no row names leaves the colour rows to decide.
    pub fn rule_for(&self, hazard: &HazardCode, level: Level, stage: Option<&str>) -> Option<&Rule> {
        let best = |rules: &mut dyn Iterator<Item = &'_ Rule>| -> Option<usize> {
            rules.enumerate().filter(|(_, r)| r.takes_level(level)).filter_map(|(i, r)| Some((r.fit(hazard)?, i))).min().map(|(_, i)| i)
        };
        if let Some(stage) = stage.map(normal_stage).filter(|s| !s.is_empty()) {
            let staged: Vec<&Rule> = self.rules.iter().filter(|r| r.takes_stage(&stage)).collect();
            if let Some(rule) = best(&mut staged.iter().copied()).and_then(|i| staged.get(i).copied()) {
                return Some(rule);
            }
        }
        let coloured: Vec<&Rule> = self.rules.iter().filter(|r| r.stages.is_empty()).collect();
        best(&mut coloured.iter().copied()).and_then(|i| coloured.get(i).copied())
    }

    /// The answer deadline of a tier on a ladder. A ladder that does not name the tier lends it its
    /// shortest deadline: a gap in the file must not mean "never".
    pub fn deadline(ladder: &Ladder, tier: Tier) -> Span {
        ladder.deadline.get(&tier).or_else(|| ladder.deadline.values().min()).copied().unwrap_or(Span::mins(10))
    }

    /// The role key for a word of the sheet, such as `防汛`.
    pub fn role_of_name(&self, word: &str) -> Option<Role> {
        let word = word.trim();
        self.roles.iter().find(|(key, r)| key.as_str() == word || r.names.iter().any(|n| n == word)).map(|(key, _)| Role(key.clone()))
    }

    /// The words by which sheets call roles: those that are shipped, and this policy's own.
    pub fn role_words(&self) -> RoleWords {
        let mut words = RoleWords::default();
        for (key, role) in &self.roles {
            words.add(key, role.names.iter().map(String::as_str));
        }
        words
    }

    /// The Chinese name of a role, else its key.
    pub fn role_name<'a>(&'a self, role: &'a Role) -> &'a str {
        self.roles.get(&role.0).and_then(|r| r.names.first()).map_or(role.0.as_str(), String::as_str)
    }

    /// When held things may go out, if `now` is night.
    pub fn morning_after(&self, now: Time) -> Option<Time> {
        self.night.contains(now.beijing_minute()).then(|| now.next_beijing_minute(self.night.morning))
    }

    /// The same policy with every duration divided by `factor`, for a demo in speeded-up time. Hours of
    /// the day stay. A factor that is not a positive number changes nothing; no span that is not zero
    /// becomes zero.
    pub fn scaled(&self, factor: f64) -> Policy {
        if !factor.is_finite() || factor <= 0.0 {
            return self.clone();
        }
        let scale = |s: &mut Span| {
            if s.0 > 0 {
                *s = Span(((s.0 as f64 / factor).round() as i64).max(1));
            }
        };
        let mut p = self.clone();
        for ladder in p.ladders.values_mut() {
            scale_ladder(ladder, &scale);
        }
        for rule in &mut p.rules {
            for f in rule.feedback.iter_mut().flat_map(|s| &mut s.0) {
                scale(&mut f.first);
                scale(&mut f.task_after);
                f.every.iter_mut().for_each(scale);
            }
            rule.calls.iter_mut().filter_map(|c| c.deadline.as_mut()).for_each(scale);
            if let Some(s) = &mut rule.supervise {
                s.unanswered.iter_mut().for_each(scale);
                s.response.iter_mut().for_each(|r| scale(&mut r.within));
            }
        }
        let c = &mut p.clocks;
        [&mut c.claim_lapses, &mut c.gather, &mut c.call_timeout, &mut c.voice_unknown, &mut c.sweep, &mut c.retry]
            .into_iter()
            .for_each(scale);
        c.lookup.iter_mut().chain(&mut c.hedge).for_each(scale);
        p
    }
}

fn scale_ladder(ladder: &mut Ladder, scale: &impl Fn(&mut Span)) {
    ladder.deadline.values_mut().for_each(scale);
    scale(&mut ladder.repeat);
    for rung in &mut ladder.rungs {
        match &mut rung.at {
            At::Start(s) | At::Deadline(s) => scale(s),
        }
        if let Some(v) = &mut rung.voice {
            scale(&mut v.after);
            scale(&mut v.every);
        }
        if let Some(t) = &mut rung.task {
            scale(&mut t.unclaimed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(name: &str, hazards: &[&str], classes: &[HazardClass], levels: &[Level], stages: &[&str]) -> Rule {
        Rule {
            name: name.into(),
            hazards: hazards.iter().map(|h| HazardCode((*h).into())).collect(),
            classes: classes.to_vec(),
            levels: levels.to_vec(),
            stages: stages.iter().map(|s| (*s).to_string()).collect(),
            ..Rule::default()
        }
    }

    #[test]
    fn a_stage_row_comes_before_colours_and_a_code_before_its_class_before_any() {
        let p = Policy {
            rules: vec![
                rule("any", &[], &[], &[], &[]),
                rule("class", &[], &[HazardClass::Flood], &[Level::Red, Level::Orange], &[]),
                rule("code", &["11A51"], &[], &[Level::Red], &[]),
                rule("code again", &["11A51"], &[], &[Level::Red], &[]),
                rule("stage", &[], &[], &[], &["立即转移", "Ⅰ级响应", "T-2h"]),
            ],
            ..Policy::default()
        };
        let name = |code: &str, level, stage| p.rule_for(&HazardCode(code.into()), level, stage).map(|r| r.name.clone()).unwrap();
        assert_eq!(name("11A51", Level::Red, None), "code");
        assert_eq!(name("11A51", Level::Orange, None), "class");
        assert_eq!(name("11A51", Level::Unknown, None), "class", "unknown is called as orange");
        assert_eq!(name("11A51", Level::Yellow, None), "any");
        assert_eq!(name("11A51", Level::Red, Some("立即转移")), "stage");
        for spelling in ["I级响应", "Ⅰ 级响应", "ｔ－２ｈ", "T-2H", "t—2h"] {
            assert_eq!(name("99", Level::Blue, Some(spelling)), "stage", "{spelling}");
        }
        assert_eq!(name("11A51", Level::Red, Some("从未见过")), "code", "an unknown stage leaves it to the colour");
        assert_eq!(name("11A51", Level::Red, Some(" ")), "code");
    }

    #[test]
    fn scaling_divides_every_duration_and_leaves_the_hours_of_the_day() {
        let p = crate::core::policy::parse_policy(crate::core::policy::rule::tests::SMALL).unwrap();
        let s = p.scaled(60.0);
        assert_eq!(s.ladders["L"].deadline[&Tier::Village], Span::secs(5));
        assert_eq!(s.ladders["L"].rungs[1].at, At::Deadline(Span::secs(3)));
        assert_eq!(s.clocks.gather, Span::secs(3));
        assert_eq!(s.night, p.night);
        assert_eq!(p.scaled(0.0), p);
        assert_eq!(p.scaled(f64::NAN), p);
        assert_eq!(p.scaled(1e12).ladders["L"].repeat, Span::ms(1), "never zero");
    }

    pub const SMALL: &str = r#"
        name = "小"
        version = "1"
        [ladder.L]
        deadline = { village = "5m" }
        [[ladder.L.rung]]
        at = "start"
        call = ["holder"]
        send = ["sms"]
        [[ladder.L.rung]]
        at = "deadline+3m"
        call = ["deputy"]
        send = ["sms"]
        [group.all]
        name = "全体"
        select = [{ tiers = ["village"] }]
        [[rule]]
        name = "全部"
        calls = [{ who = ["all"], ladder = "L" }]
    "#;
}
