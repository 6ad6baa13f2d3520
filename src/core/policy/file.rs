//! Reading a policy from TOML, so that every fault of a file is told in one run, each with its line,
//! column and key. A fault in one table does not hide the faults of the others.

use super::rule::{Origin, Policy};
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
    let mut file = File { text, faults: Vec::new() };
    for e in syntax {
        file.fault(e.span(), String::new(), e.message().to_string());
    }
    if !file.faults.is_empty() {
        return Err(file.sorted());
    }
    let policy = file.policy(root.get_ref());
    if let Some(policy) = policy
        && file.faults.is_empty()
    {
        let root = DeValue::Table(root.into_inner());
        for (path, message) in policy.faults() {
            file.fault(span_of(&root, &path), path.to_string(), message);
        }
        if file.faults.is_empty() {
            for (path, message) in policy.notes() {
                file.fault(span_of(&root, &path), path.to_string(), message);
            }
            return Ok((Policy { origin: Origin::of(text), ..policy }, file.sorted()));
        }
    }
    Err(file.sorted())
}

struct File<'a> {
    text: &'a str,
    faults: Vec<PolicyFault>,
}

impl File<'_> {
    fn fault(&mut self, span: Option<Range<usize>>, key: String, message: String) {
        let (line, column) = span.map_or((1, 1), |s| line_column(self.text, s.start));
        self.faults.push(PolicyFault { line, column, key, message });
    }

    fn sorted(mut self) -> Vec<PolicyFault> {
        self.faults.sort_by_key(|f| (f.line, f.column));
        self.faults
    }

    fn policy(&mut self, root: &DeTable<'_>) -> Option<Policy> {
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
                "role" => p.roles = self.tables(path, value),
                "group" => p.groups = self.tables(path, value),
                "ladder" => p.ladders = self.tables(path, value),
                "rule" => match value.get_ref() {
                    DeValue::Array(rows) => {
                        p.rules = rows.iter().enumerate().filter_map(|(i, row)| self.read(path.clone().index(i), row)).collect();
                    }
                    other => self.fault(
                        Some(value.span()),
                        path.to_string(),
                        format!("rules are written as [[rule]] tables, not as {}", other.type_str()),
                    ),
                },
                other => {
                    let message =
                        format!("unknown key `{other}`; a policy has name, version, night, clocks, drill, role, group, ladder and rule");
                    self.fault(Some(key.span()), path.to_string(), message);
                }
            }
            seen += 1;
        }
        if seen == 0 {
            self.fault(None, String::new(), "the policy is empty; start from config/policy.toml".into());
        }
        for (key, value) in [("name", &p.name), ("version", &p.version)] {
            if value.trim().is_empty() {
                self.fault(None, key.into(), format!("`{key}` is missing; warnings record by which policy they ran"));
            }
        }
        Some(p)
    }

    fn tables<T: DeserializeOwned>(&mut self, path: KeyPath, value: &Spanned<DeValue<'_>>) -> BTreeMap<String, T> {
        let Some(table) = value.get_ref().as_table() else {
            self.fault(Some(value.span()), path.to_string(), format!("write [{path}.<name>] tables, not {}", value.get_ref().type_str()));
            return BTreeMap::new();
        };
        table
            .iter()
            .filter_map(|(k, v)| {
                let name = k.get_ref().to_string();
                Some((name.clone(), self.read(path.clone().key(name), v)?))
            })
            .collect()
    }

    /// Reads one table. After a fault the guilty entry is taken out and the rest read again, so that
    /// one run tells them all.
    fn read<T: DeserializeOwned>(&mut self, path: KeyPath, value: &Spanned<DeValue<'_>>) -> Option<T> {
        let mut left = value.clone();
        let mut removed: Vec<String> = Vec::new();
        for _ in 0..FAULTS_A_TABLE {
            let e = match T::deserialize(left.clone().into_deserializer()) {
                Ok(read) => return removed.is_empty().then_some(read),
                Err(e) => e,
            };
            let span = e.span().unwrap_or_else(|| value.span());
            // What is missing only because it was taken out has been told already.
            if !removed.iter().any(|k| e.message().starts_with(&format!("missing field `{k}`"))) {
                let found = locate(value, path.clone(), span.start);
                self.fault(Some(span.clone()), found.to_string(), e.message().to_string());
            }
            match take_out(&mut left, span.start) {
                Some(name) => removed.push(name),
                None => return None,
            }
        }
        None
    }
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

/// Removes the innermost entry that covers `offset` and answers its name; `None` where the value
/// itself is at fault.
fn take_out(value: &mut Spanned<DeValue<'_>>, offset: usize) -> Option<String> {
    let covers = |s: Range<usize>| s.contains(&offset);
    match value.get_mut() {
        DeValue::Table(t) => {
            for (_, v) in t.iter_mut() {
                if let Some(name) = take_out(v, offset) {
                    return Some(name);
                }
            }
            let guilty = t.iter().find(|(k, v)| covers(k.span()) || covers(v.span())).map(|(k, _)| k.clone())?;
            t.remove(&guilty);
            Some(guilty.into_inner().into_owned())
        }
        DeValue::Array(items) => {
            for v in items.iter_mut() {
                if let Some(name) = take_out(v, offset) {
                    return Some(name);
                }
            }
            let guilty = items.iter().position(|v| covers(v.span()))?;
            *items = items.iter().enumerate().filter(|(i, _)| *i != guilty).map(|(_, v)| v.clone()).collect();
            Some(format!("[{guilty}]"))
        }
        _ => None,
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

    #[test]
    fn text_that_is_no_toml_and_an_empty_file_are_faults_and_no_panics() {
        for text in ["", "[[rule", "name = ", "name = 3", "rule = 3\nladder = []\nname=\"x\"", "\u{0}", "名 = 1"] {
            let faults = parse_policy(text).unwrap_err();
            assert!(!faults.is_empty() && faults.iter().all(|f| !f.message.is_empty() && f.line > 0), "{text:?} {faults:?}");
        }
    }
}
