//! Reading a policy from TOML, so that every fault of a file is told in one run, each with its line,
//! column and key. A fault in one table does not hide the faults of the others, nor a value that cannot be read the names
//! that lead nowhere ([`super::check`]): what is checked then is the rest, and nothing is ever run by it.

use super::{
    Ladder, Span,
    check::Found,
    mend,
    rule::{Group, Origin, Policy, RoleRule, Rule},
};
use serde::{de::DeserializeOwned, de::IntoDeserializer};
use std::{collections::BTreeMap, fmt, ops::Range};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// A fault in a policy file. Line and column count from 1; both are 0 where the policy did not come
/// from a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyFault {
    pub line: usize,
    pub column: usize,
    /// The key, such as `ladder.L1.rung[2].at`; empty where the text is no TOML at all.
    pub key: String,
    pub message: String,
}
impl fmt::Display for PolicyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}, column {}: ", self.line, self.column)?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)
    }
}

/// One step of the way to a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Key(String),
    Index(usize),
}

/// The way to a key, printed as people write it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyPath(pub Vec<Step>);
impl KeyPath {
    pub fn key(mut self, k: impl Into<String>) -> KeyPath {
        self.0.push(Step::Key(k.into()));
        self
    }
    pub fn index(mut self, i: usize) -> KeyPath {
        self.0.push(Step::Index(i));
        self
    }
}
impl KeyPath {
    /// One is the other, or lies below it.
    fn overlaps(&self, other: &KeyPath) -> bool {
        self.0.starts_with(&other.0) || other.0.starts_with(&self.0)
    }
}
impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(k) if i > 0 => write!(f, ".{k}")?,
                Step::Key(k) => f.write_str(k)?,
                Step::Index(n) => write!(f, "[{n}]")?,
            }
        }
        Ok(())
    }
}

/// How many faults of one table are told at most.
const FAULTS_A_TABLE: usize = 40;

/// Reads and checks a policy. On failure, every fault of the text.
pub fn parse_policy(text: &str) -> Result<Policy, Vec<PolicyFault>> {
    parse_policy_noted(text).map(|(policy, _)| policy)
}

/// The same, with what its author should know besides (no faults: the policy works).
pub fn parse_policy_noted(text: &str) -> Result<(Policy, Vec<PolicyFault>), Vec<PolicyFault>> {
    let (root, syntax) = DeTable::parse_recoverable(text);
    let mut file = File { text, faults: Vec::new(), damaged: Vec::new(), shifted: Vec::new(), strange: false };
    for e in syntax {
        file.fault(e.span(), String::new(), e.message().to_string());
    }
    if !file.faults.is_empty() {
        return Err(file.sorted());
    }
    let policy = file.policy(root.get_ref());
    let root = DeValue::Table(root.into_inner());
    for found in policy.faults().0 {
        file.judge(found, &root);
    }
    if !file.faults.is_empty() {
        return Err(file.sorted());
    }
    for (path, message) in policy.notes() {
        file.fault(span_of(&root, &path), path.to_string(), message);
    }
    Ok((Policy { origin: Origin::of(text), ..policy }, file.sorted()))
}

struct File<'a> {
    text: &'a str,
    faults: Vec<PolicyFault>,
    /// Entries that could not be read, as they are written.
    damaged: Vec<KeyPath>,
    /// Elements that were taken out of lists, in that order: what came after each moved up.
    shifted: Vec<(KeyPath, usize)>,
    /// There are tables nobody knows; what is missed elsewhere may stand there.
    strange: bool,
}

impl File<'_> {
    fn fault(&mut self, span: Option<Range<usize>>, key: String, message: String) {
        let (line, column) = span.map_or((1, 1), |s| line_column(self.text, s.start));
        self.faults.push(PolicyFault { line, column, key, message });
    }

    fn damage(&mut self, span: Option<Range<usize>>, path: KeyPath, message: String) {
        self.fault(span, path.to_string(), message);
        self.damaged.push(path);
    }

    /// Takes in what the check of the read rest found, unless it may come of what could not be read.
    fn judge(&mut self, found: Found, root: &DeValue<'_>) {
        let path = self.as_written(found.path);
        let told = |rest: KeyPath| self.damaged.iter().any(|d| self.as_written(rest.clone()).overlaps(d));
        if self.strange || self.damaged.iter().any(|d| path.overlaps(d)) || found.rests.into_iter().any(told) {
            return;
        }
        self.fault(span_of(root, &path), path.to_string(), found.message);
    }

    /// The way to an entry in the text, from that to what was left of it.
    fn as_written(&self, mut path: KeyPath) -> KeyPath {
        for (list, out) in self.shifted.iter().rev() {
            if path.0.starts_with(&list.0)
                && let Some(Step::Index(i)) = path.0.get_mut(list.0.len())
                && *i >= *out
            {
                *i += 1;
            }
        }
        path
    }

    fn sorted(mut self) -> Vec<PolicyFault> {
        self.faults.sort_by_key(|f| (f.line, f.column));
        self.faults
    }

    fn policy(&mut self, root: &DeTable<'_>) -> Policy {
        let mut p = Policy::default();
        let mut seen = 0;
        for (key, value) in root {
            let path = KeyPath::default().key(key.get_ref().as_ref());
            match key.get_ref().as_ref() {
                "name" => p.name = self.read(path, value).unwrap_or_default(),
                "version" => p.version = self.read(path, value).unwrap_or_default(),
                "night" => p.night = self.read(path, value).unwrap_or_default(),
                "clocks" => p.clocks = self.read(path, value).unwrap_or_default(),
                "drill" => p.drill = self.read(path, value).unwrap_or_default(),
                "role" => p.roles = self.tables(path, value, RoleRule::default),
                "group" => p.groups = self.tables(path, value, Group::default),
                "ladder" => p.ladders = self.tables(path, value, no_ladder),
                "rule" => match value.get_ref() {
                    DeValue::Array(rows) => {
                        p.rules = rows
                            .iter()
                            .enumerate()
                            .map(|(i, row)| self.read(path.clone().index(i), row).unwrap_or_default())
                            .collect::<Vec<Rule>>();
                    }
                    other => {
                        self.damage(Some(value.span()), path, format!("rules are written as [[rule]] tables, not as {}", other.type_str()))
                    }
                },
                other => {
                    let message =
                        format!("unknown key `{other}`; a policy has name, version, night, clocks, drill, role, group, ladder and rule");
                    self.strange |= matches!(value.get_ref(), DeValue::Table(_) | DeValue::Array(_));
                    self.damage(Some(key.span()), path, message);
                }
            }
            seen += 1;
        }
        if seen == 0 {
            self.fault(None, String::new(), "the policy is empty; start from config/policy.toml".into());
        }
        for (key, value) in [("name", &p.name), ("version", &p.version)] {
            if value.trim().is_empty() && self.damaged.iter().all(|d| d.to_string() != key) {
                self.fault(None, key.into(), format!("`{key}` is missing; warnings record by which policy they ran"));
            }
        }
        p
    }

    /// Named tables. Of one that cannot be read `instead` stands there, so that its name leads somewhere.
    fn tables<T: DeserializeOwned>(&mut self, path: KeyPath, value: &Spanned<DeValue<'_>>, instead: fn() -> T) -> BTreeMap<String, T> {
        let Some(table) = value.get_ref().as_table() else {
            let message = format!("write [{path}.<name>] tables, not {}", value.get_ref().type_str());
            self.damage(Some(value.span()), path, message);
            return BTreeMap::new();
        };
        table
            .iter()
            .map(|(k, v)| {
                let name = k.get_ref().to_string();
                (name.clone(), self.read(path.clone().key(name), v).unwrap_or_else(instead))
            })
            .collect()
    }

    /// Reads one table. After a fault the guilty entry is replaced or taken out and the rest read again, so that
    /// one run tells them all; the rest is answered, as far as it can be read without.
    fn read<T: DeserializeOwned>(&mut self, path: KeyPath, value: &Spanned<DeValue<'_>>) -> Option<T> {
        let mut left = value.clone();
        let mut removed: Vec<String> = Vec::new();
        for _ in 0..FAULTS_A_TABLE {
            let e = match T::deserialize(left.clone().into_deserializer()) {
                Ok(read) => return Some(read),
                Err(e) => e,
            };
            let span = e.span().unwrap_or_else(|| value.span());
            // What is missing only because it was taken out has been told already.
            if !removed.iter().any(|k| e.message().starts_with(&format!("missing field `{k}`"))) {
                let found = locate(value, path.clone(), span.start);
                self.damage(Some(span.clone()), found, e.message().to_string());
            }
            let way = mend::way_to(&left, span.start);
            let reads = |v: &Spanned<DeValue<'_>>| match T::deserialize(v.clone().into_deserializer()) {
                Ok(_) => true,
                Err(next) => next.span().is_some_and(|s| s != span),
            };
            if let Some(mended) = mend::with_stand_in(&left, &way, reads) {
                left = mended;
                continue;
            }
            match way.split_last()? {
                (Step::Key(name), _) => removed.push(name.clone()),
                (Step::Index(n), list) => {
                    self.shifted.push((KeyPath([path.0.as_slice(), list].concat()), *n));
                    removed.push(format!("[{n}]"));
                }
            }
            mend::take_out(&mut left, &way);
        }
        None
    }
}

/// What stands for a ladder that cannot be read.
fn no_ladder() -> Ladder {
    Ladder { answer: true, deadline: BTreeMap::new(), rungs: Vec::new(), repeat: Span::mins(5) }
}

fn line_column(text: &str, offset: usize) -> (usize, usize) {
    let mut before = offset.min(text.len());
    while !text.is_char_boundary(before) {
        before -= 1;
    }
    let head = text.get(..before).unwrap_or_default();
    let line_start = head.rfind('\n').map_or(0, |i| i + 1);
    (head.matches('\n').count() + 1, head.get(line_start..).unwrap_or_default().chars().count() + 1)
}

/// The innermost key whose name or value covers `offset`.
fn locate(value: &Spanned<DeValue<'_>>, at: KeyPath, offset: usize) -> KeyPath {
    let mut best = (usize::MAX, at.clone());
    search(value, &at, offset, &mut best);
    best.1
}

fn search(value: &Spanned<DeValue<'_>>, at: &KeyPath, offset: usize, best: &mut (usize, KeyPath)) {
    let mut consider = |span: Range<usize>, path: &KeyPath| {
        if span.contains(&offset) && span.len() < best.0 {
            *best = (span.len(), path.clone());
        }
    };
    match value.get_ref() {
        DeValue::Table(t) => {
            for (k, v) in t {
                let path = at.clone().key(k.get_ref().as_ref());
                consider(k.span(), &path);
                consider(v.span(), &path);
            }
            for (k, v) in t {
                search(v, &at.clone().key(k.get_ref().as_ref()), offset, best);
            }
        }
        DeValue::Array(items) => {
            for (i, v) in items.iter().enumerate() {
                consider(v.span(), &at.clone().index(i));
            }
            for (i, v) in items.iter().enumerate() {
                search(v, &at.clone().index(i), offset, best);
            }
        }
        _ => {}
    }
}

/// Where a key stands in the text: the deepest part of the path that exists there.
fn span_of(root: &DeValue<'_>, path: &KeyPath) -> Option<Range<usize>> {
    let mut here = root;
    let mut span = None;
    for step in &path.0 {
        let next = match step {
            Step::Key(k) => here.get(k.as_str()),
            Step::Index(i) => here.get(*i),
        };
        let Some(next) = next else { break };
        span = Some(next.span());
        here = next.get_ref();
    }
    span
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_of_a_file_is_told_in_one_run_with_line_and_key() {
        let text = r#"name = "试"
version = "1"
colour = 3
[night]
from = "25:00"
[clocks]
gather = "three minutes"
[role.flood]
names = ["防汛"]
clases = ["flood"]
[ladder.L1]
deadline = { village = "5m", hamlet = "5m" }
[[ladder.L1.rung]]
at = "beginning"
call = ["holder"]
send = ["pigeon"]
[[rule]]
name = "一"
levels = ["purple"]
calls = [{ who = ["T0"], ladder = 3 }]
"#;
        let faults = parse_policy(text).unwrap_err();
        let told: Vec<(usize, &str)> = faults.iter().map(|f| (f.line, f.key.as_str())).collect();
        for want in [
            (3, "colour"),
            (5, "night.from"),
            (7, "clocks.gather"),
            (10, "role.flood.clases"),
            (12, "ladder.L1.deadline.hamlet"),
            (14, "ladder.L1.rung[0].at"),
            (16, "ladder.L1.rung[0].send[0]"),
            (19, "rule[0].levels[0]"),
            (20, "rule[0].calls[0].ladder"),
        ] {
            assert!(told.contains(&want), "{want:?} not in {told:#?}\n{faults:#?}");
        }
        assert!(faults[0].to_string().starts_with("line 3, column 1: colour: unknown key"), "{}", faults[0]);
    }

    /// The shipped policy with some of its text exchanged, and the keys of its faults.
    fn faults_of(changes: &[(&str, &str)]) -> Vec<String> {
        let mut text = crate::core::policy::SHIPPED.to_string();
        for (from, to) in changes {
            assert!(text.contains(from), "{from}");
            text = text.replacen(from, to, 1);
        }
        let keys: Vec<String> = parse_policy(&text).err().unwrap_or_default().into_iter().map(|f| f.key).collect();
        keys
    }

    #[test]
    fn a_value_that_cannot_be_read_hides_no_name_that_leads_nowhere_and_makes_none() {
        assert_eq!(faults_of(&[]), Vec::<String>::new());
        // Side by side in one line of a rule, elsewhere, and in what that line leads to.
        let line = r#"calls = [{ who = ["T0", "T3", "T4"], ladder = "L1", deadline = "3m" }]"#;
        let broken = r#"calls = [{ who = ["T0", "T33", "T4"], ladder = "L9", deadline = "soon" }]"#;
        let told = ["rule[0].calls[0].who[1]", "rule[0].calls[0].ladder", "rule[0].calls[0].deadline"];
        assert_eq!(faults_of(&[(line, broken)]), told);
        let night = (r#"from = "22:00""#, r#"from = "25:00""#);
        assert_eq!(faults_of(&[night, (line, broken)]), [&["night.from"], &told[..]].concat());
        let ladder = (r#"ladder = "L1", deadline = "3m" }]"#, r#"ladder = 3, deadline = "3m" }]"#);
        assert_eq!(faults_of(&[(line, &line.replace("T3", "T33")), ladder]), ["rule[0].calls[0].who[1]", "rule[0].calls[0].ladder"]);
        // A group, a role or a ladder that cannot be read is there all the same: whoever names it is not at fault.
        for (from, to, key) in [
            ("[group.T0]\nname = \"本级值班室和带班领导\"", "[group.T0]\nname = 3", "group.T0.name"),
            ("select = [{ tiers = [\"duty_desk\"], at = [\"county\"], feedback = false }]", "select = 3", "group.T0.select"),
            ("[role.reservoir]\nnames = [", "[role.reservoir]\nnames = 3\nhazard = [", ""),
        ] {
            let keys = faults_of(&[(from, to)]);
            match key {
                "" => assert_eq!(keys, ["role.reservoir.names", "role.reservoir.hazard"]),
                key => assert_eq!(keys, [key]),
            }
        }
        // After an element that was taken out of a list the others keep their numbers.
        let keys = faults_of(&[(
            line,
            r#"calls = [{ who = ["T0"], ladder = "L1", deadline = "3m" }, { who = ["T3"] }, { who = ["T44"], ladder = "L1" }]"#,
        )]);
        assert_eq!(keys, ["rule[0].calls[1]", "rule[0].calls[2].who[0]"]);
        // A table by a name nobody knows: what it holds is missed by no one.
        assert_eq!(faults_of(&[("[group.T0]", "[groups.T0]")]), ["groups"]);
    }

    #[test]
    fn text_that_is_no_toml_and_an_empty_file_are_faults_and_no_panics() {
        for text in ["", "[[rule", "name = ", "name = 3", "rule = 3\nladder = []\nname=\"x\"", "\u{0}", "名 = 1"] {
            let faults = parse_policy(text).unwrap_err();
            assert!(!faults.is_empty() && faults.iter().all(|f| !f.message.is_empty() && f.line > 0), "{text:?} {faults:?}");
        }
    }
}
