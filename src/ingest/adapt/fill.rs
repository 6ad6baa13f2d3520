//! One rule carried out: the text it gives, what it came from, and what was odd on the way.

use super::{
    mapping::{Mapping, Reader, Rule, Unknown},
    template::{Scope, Template},
    value,
};
use crate::{
    core::warning::FieldError,
    ingest::{
        notes::Notes,
        text::{self, quote},
        words,
    },
};

/// Numbers that `each_before` counts at most: a report refers to so many before it.
const MOST_BEFORE: u32 = 20;

/// How a field came to be: for people who write a mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Field of the warning: `identifier`, `areas[0].division`.
    pub field: String,
    pub value: String,
    /// Line of the mapping.
    pub line: usize,
    /// The paths it was read from; empty for a fixed text.
    pub paths: Vec<String>,
    /// What was done to it: which table, which reader; empty if nothing.
    pub how: String,
}

/// What a rule gave.
pub(super) struct Found {
    pub text: String,
    /// The table or reader did not know it: `text` is the sender's own.
    pub unknown: bool,
}

/// Fills the fields of one warning, noting every step.
pub(super) struct Filler<'a> {
    pub mapping: &'a Mapping,
    /// JSON pointer of the warning inside the body.
    pub base: &'a str,
    pub notes: &'a mut Notes,
    pub steps: Vec<Step>,
    pub faults: Vec<FieldError>,
}

impl Filler<'_> {
    /// A fault: names the place in the body and the line of the mapping.
    pub fn fault(&mut self, rule: &Rule, field: &str, what: impl std::fmt::Display) {
        let paths = paths(rule);
        let pointer = match paths.first() {
            Some(path) => pointer(self.base, path),
            None => self.base.to_string(),
        };
        let from = if paths.is_empty() { String::new() } else { format!(" (path {})", paths.join(", ")) };
        self.faults.push(FieldError { pointer, detail: format!("{field}: {what}{from}; {} line {}", self.mapping.name, rule.line) });
    }

    /// The text of a rule; `None` where the sender gave none and the mapping neither.
    pub fn fill(&mut self, field: &str, rule: &Rule, scope: Scope<'_>) -> Option<Found> {
        let hit = rule.from.iter().find_map(|t| t.fill(scope).map(|text| (t, text)));
        let Some((template, raw)) = hit else {
            let text = rule.missing.clone()?;
            self.step(field, &text, rule, None, "missing");
            return Some(Found { text, unknown: false });
        };
        let known = match (&rule.table, rule.read) {
            (Some(table), _) => {
                let hit = self.mapping.tables.get(table).and_then(|t| t.get(raw.trim())).cloned();
                // A table may say the exceptions, and the words the rest.
                hit.or_else(|| rule.read.and_then(|r| read(r, &raw))).map(|text| (text, format!("[codes.{table}] {}", quote(&raw))))
            }
            (None, Some(reader)) => read(reader, &raw).map(|text| (text, format!("read from {}", quote(&raw)))),
            (None, None) => Some((raw.clone(), String::new())),
        };
        if let Some((text, how)) = known {
            self.step(field, &text, rule, Some(template), &how);
            return Some(Found { text, unknown: false });
        }
        if let Some(text) = &rule.otherwise {
            self.step(field, text, rule, Some(template), &format!("otherwise, for {}", quote(&raw)));
            return Some(Found { text: text.clone(), unknown: false });
        }
        if self.mapping.unknown == Unknown::Refuse {
            self.fault(rule, field, format!("`{}` is not in the code table", quote(&raw)));
            return None;
        }
        self.notes.add(
            "unknown_code",
            format!("{}：“{}”不在对照表中，请核对映射 {} 第 {} 行", zh(field), quote(&raw), self.mapping.name, rule.line),
        );
        self.step(field, &raw, rule, Some(template), "not in the table");
        Some(Found { text: raw, unknown: true })
    }

    /// All texts of a rule that may give several: divided, or one for each number before the given one.
    pub fn fill_all(&mut self, field: &str, rule: &Rule, scope: Scope<'_>) -> Vec<Found> {
        if let Some(counter) = &rule.each_before {
            let Some(n) = counter.fill(scope) else { return Vec::new() };
            let Ok(n) = n.trim().parse::<u32>() else {
                self.fault(rule, field, format!("`{}` is not a number to count up to", quote(&n)));
                return Vec::new();
            };
            let first = n.saturating_sub(MOST_BEFORE).max(1);
            return (first..n).filter_map(|i| self.fill(field, rule, Scope { count: Some(i), ..scope })).collect();
        }
        let Some(found) = self.fill(field, rule, scope) else { return Vec::new() };
        if !rule.split {
            return vec![found];
        }
        text::list(&found.text).map(|t| Found { text: t.to_string(), unknown: found.unknown }).collect()
    }

    fn step(&mut self, field: &str, value: &str, rule: &Rule, template: Option<&Template>, how: &str) {
        let paths = template.map(|t| t.paths().map(ToString::to_string).collect()).unwrap_or_default();
        self.steps.push(Step { field: field.to_string(), value: value.to_string(), line: rule.line, paths, how: how.to_string() });
    }
}

fn read(reader: Reader, raw: &str) -> Option<String> {
    match reader {
        Reader::Colour => value::colour(raw).map(|l| l.as_str().to_string()),
        Reader::Hazard => words::hazard_in(raw).map(|h| h.0),
    }
}

fn paths(rule: &Rule) -> Vec<String> {
    rule.from.iter().flat_map(Template::paths).map(ToString::to_string).collect()
}

/// A path of ours as a JSON pointer into the body.
pub(super) fn pointer(base: &str, path: &str) -> String {
    let (base, path) = match path.strip_prefix('/') {
        Some(rest) => ("", rest),
        None => (base, path.trim_start_matches('^')),
    };
    let steps = path.replace('[', ".").replace(']', "");
    steps.split('.').filter(|s| !s.is_empty()).fold(base.to_string(), |mut out, step| {
        out.push('/');
        out.push_str(&step.replace('~', "~0"));
        out
    })
}

/// What the duty room calls a field.
fn zh(field: &str) -> &str {
    match field {
        "level" => "级别",
        "hazard" => "灾种",
        "status" => "状态",
        "message_type" => "报文类型",
        "stage" => "阶段",
        other => other,
    }
}
