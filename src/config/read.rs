//! Text + environment → a value, with every fault and its place.
//!
//! serde stops at the first fault. To report all of them, the key at fault is taken out and the
//! rest is read again, until nothing is left to complain about. Values from the environment are
//! laid over the parsed file first; their spans lie past the end of the text, so that a fault in
//! one of them names the variable.

use super::{
    Environment,
    fault::{Fault, Origins},
};
use serde::de::DeserializeOwned;
use std::{collections::BTreeMap, ops::Range};
use toml::{
    Spanned,
    de::{DeArray, DeTable, DeValue, ValueDeserializer},
};

/// Variables with this prefix override keys: `JIAOYING__SERVER__LISTEN`.
pub const PREFIX: &str = "JIAOYING__";

/// A file may hold this many faults; past them something else is wrong.
const MOST_FAULTS: usize = 200;

/// What reading gave: the value as far as it could be read, all faults, and where each key stood.
pub struct Read<T> {
    pub value: Option<T>,
    pub faults: Vec<Fault>,
    pub origins: Origins,
}

/// One step into a tree of tables and arrays.
#[derive(Clone, Debug, PartialEq)]
enum Step {
    Key(String),
    Item(usize),
}

struct Places<'a> {
    file: &'a str,
    text: &'a str,
    vars: &'a [(String, String)],
}

impl Places<'_> {
    /// The span that stands for the `n`-th variable.
    fn span_of_var(&self, n: usize) -> Range<usize> {
        let at = self.text.len() + 1 + n;
        at..at + 1
    }
    fn var_at(&self, span: &Range<usize>) -> Option<&(String, String)> {
        span.start.checked_sub(self.text.len() + 1).and_then(|n| self.vars.get(n))
    }
    fn name(&self, span: &Range<usize>) -> String {
        match self.var_at(span) {
            Some((name, _)) => format!("environment variable {name}"),
            None => {
                let before = self.text.get(..span.start.min(self.text.len())).unwrap_or(self.text);
                format!("{}:{}", self.file, before.matches('\n').count() + 1)
            }
        }
    }
}

/// Reads `text` (called `file` in faults) with the overrides of `env` laid over it.
pub fn read<T: DeserializeOwned>(file: &str, text: &str, env: &Environment) -> Read<T> {
    let vars = env.with_prefix(PREFIX);
    let places = Places { file, text, vars: &vars };
    let (root, broken) = DeTable::parse_recoverable(text);
    let mut faults: Vec<Fault> = broken
        .iter()
        .map(|e| Fault { place: places.name(&e.span().unwrap_or(0..0)), key: String::new(), detail: format!("not TOML: {}", e.message()) })
        .collect();
    let mut origins = Origins { file: file.to_string(), places: BTreeMap::new() };
    if !faults.is_empty() {
        // A file that does not parse gives no second opinion worth printing.
        return Read { value: None, faults, origins };
    }
    let mut root = root.into_inner();
    for (n, (name, value)) in vars.iter().enumerate() {
        if let Err(detail) = overlay(&mut root, name, value, places.span_of_var(n)) {
            faults.push(Fault { place: format!("environment variable {name}"), key: String::new(), detail });
        }
    }
    let mut root = Spanned::new(0..0, DeValue::Table(root));
    note_origins(&root, "", &places, &mut origins.places);

    let mut missing_after_removal: Vec<Vec<Step>> = Vec::new();
    let mut value = None;
    while faults.len() < MOST_FAULTS {
        let error = match T::deserialize(ValueDeserializer::from(root.clone())) {
            Ok(read) => {
                value = Some(read);
                break;
            }
            Err(error) => error,
        };
        let span = error.span().unwrap_or(0..0);
        let path = locate(&root, &span);
        let missing = error.message().strip_prefix("missing field `").and_then(|m| m.split('`').next()).map(str::to_string);
        // A number in a variable may be meant as text: a pass phrase of digits, a name such as 2024.
        if let (Some((_, raw)), Some(p)) = (places.var_at(&span), &path)
            && error.message().contains("expected a string")
            && replace_by_text(&mut root, p, raw)
        {
            continue;
        }
        let mut full = path.clone().unwrap_or_default();
        if let Some(field) = &missing {
            full.push(Step::Key(field.clone()));
        }
        if missing.is_none() || !missing_after_removal.contains(&full) {
            faults.push(Fault { place: places.name(&span), key: spell(&root, &full), detail: plain(error.message()) });
        }
        match path {
            Some(p) if !p.is_empty() => {
                remove(&mut root, &p);
                missing_after_removal.push(p);
            }
            _ => break,
        }
    }
    Read { value, faults, origins }
}

/// serde's words, where they would puzzle the reader of a configuration.
fn plain(message: &str) -> String {
    message.replace("unknown field", "unknown key").replace("missing field", "missing key")
}

/// Lays one variable over the tree. Path segments are divided by `__`, compared without case, and
/// `_` stands for `-` too; an item of a list is meant by its number or by its `id` or `name`.
fn overlay<'i>(root: &mut DeTable<'i>, name: &str, raw: &'i str, span: Range<usize>) -> Result<(), String> {
    let path: Vec<&str> = name.strip_prefix(PREFIX).unwrap_or(name).split("__").collect();
    if path.iter().any(|p| p.is_empty()) {
        return Err(format!("name the key as {PREFIX}SECTION__KEY, such as {PREFIX}SERVER__LISTEN"));
    }
    let value = match DeValue::parse(raw) {
        Ok(value) => with_span(value.into_inner(), &span),
        Err(_) => DeValue::String(raw.into()),
    };
    let (last, parents) = path.split_last().ok_or("names no key")?;
    let mut table = root;
    let mut parents = parents.iter();
    while let Some(segment) = parents.next() {
        let key = existing_key(table, segment).unwrap_or_else(|| segment.to_ascii_lowercase());
        if !table.contains_key(key.as_str()) {
            table.insert(Spanned::new(span.clone(), key.clone().into()), Spanned::new(span.clone(), DeValue::Table(DeTable::new())));
        }
        table = match table.get_mut(key.as_str()).map(Spanned::get_mut) {
            Some(DeValue::Table(inner)) => inner,
            Some(DeValue::Array(items)) => {
                let which = parents.next().ok_or_else(|| format!("`{key}` is a list: say which item, such as {name}__0"))?;
                let n = item_named(items, which).ok_or_else(|| format!("`{key}` has no item `{which}`"))?;
                match items.get_mut(n).map(Spanned::get_mut) {
                    Some(DeValue::Table(inner)) => inner,
                    _ => return Err(format!("`{key}[{n}]` is not a table")),
                }
            }
            _ => return Err(format!("`{key}` is a value, not a section")),
        };
    }
    let key = existing_key(table, last).unwrap_or_else(|| last.to_ascii_lowercase());
    table.remove(key.as_str());
    table.insert(Spanned::new(span.clone(), key.into()), Spanned::new(span, value));
    Ok(())
}

fn same_name(a: &str, b: &str) -> bool {
    a.len() == b.len()
        && a.bytes().zip(b.bytes()).all(|(x, y)| {
            let fold = |c: u8| if c == b'-' { b'_' } else { c.to_ascii_lowercase() };
            fold(x) == fold(y)
        })
}

fn existing_key(table: &DeTable<'_>, segment: &str) -> Option<String> {
    table.keys().map(|k| k.get_ref().as_ref()).find(|k| same_name(k, segment)).map(str::to_string)
}

fn item_named(items: &DeArray<'_>, which: &str) -> Option<usize> {
    if let Ok(n) = which.parse::<usize>() {
        return (n < items.len()).then_some(n);
    }
    items.iter().position(|item| label(item).is_some_and(|l| same_name(l, which)))
}

/// The `id` or `name` of a list's item.
fn label<'a>(item: &'a Spanned<DeValue<'_>>) -> Option<&'a str> {
    let table = item.get_ref().as_table()?;
    table.get("id").or_else(|| table.get("name"))?.get_ref().as_str()
}

fn with_span<'i>(value: DeValue<'i>, span: &Range<usize>) -> DeValue<'i> {
    match value {
        DeValue::Array(items) => {
            let mut out = DeArray::new();
            for item in items {
                out.push(Spanned::new(span.clone(), with_span(item.into_inner(), span)));
            }
            DeValue::Array(out)
        }
        DeValue::Table(table) => {
            let mut out = DeTable::new();
            for (key, item) in table {
                out.insert(Spanned::new(span.clone(), key.into_inner()), Spanned::new(span.clone(), with_span(item.into_inner(), span)));
            }
            DeValue::Table(out)
        }
        other => other,
    }
}

/// The key or value that stands exactly at `span`; a fault's span always is one of them.
fn locate(node: &Spanned<DeValue<'_>>, span: &Range<usize>) -> Option<Vec<Step>> {
    let deeper = |step: Step, child: &Spanned<DeValue<'_>>| {
        locate(child, span).map(|mut rest| {
            rest.insert(0, step);
            rest
        })
    };
    match node.get_ref() {
        DeValue::Table(table) => {
            for (key, child) in table.iter() {
                if let Some(found) = deeper(Step::Key(key.get_ref().to_string()), child) {
                    return Some(found);
                }
                if key.span() == *span {
                    return Some(vec![Step::Key(key.get_ref().to_string())]);
                }
            }
        }
        DeValue::Array(items) => {
            for (n, child) in items.iter().enumerate() {
                if let Some(found) = deeper(Step::Item(n), child) {
                    return Some(found);
                }
            }
        }
        _ => {}
    }
    (node.span() == *span).then(Vec::new)
}

fn child<'a, 'i>(node: &'a mut Spanned<DeValue<'i>>, step: &Step) -> Option<&'a mut Spanned<DeValue<'i>>> {
    match (node.get_mut(), step) {
        (DeValue::Table(table), Step::Key(key)) => table.get_mut(key.as_str()),
        (DeValue::Array(items), Step::Item(n)) => items.get_mut(*n),
        _ => None,
    }
}

fn replace_by_text<'i>(root: &mut Spanned<DeValue<'i>>, path: &[Step], raw: &'i str) -> bool {
    let mut node = root;
    for step in path {
        match child(node, step) {
            Some(next) => node = next,
            None => return false,
        }
    }
    if matches!(node.get_ref(), DeValue::String(_) | DeValue::Table(_) | DeValue::Array(_)) {
        return false;
    }
    *node.get_mut() = DeValue::String(raw.into());
    true
}

fn remove(root: &mut Spanned<DeValue<'_>>, path: &[Step]) {
    let Some((last, parents)) = path.split_last() else { return };
    let mut node = root;
    for step in parents {
        match child(node, step) {
            Some(next) => node = next,
            None => return,
        }
    }
    match (node.get_mut(), last) {
        (DeValue::Table(table), Step::Key(key)) => {
            table.remove(key.as_str());
        }
        (DeValue::Array(items), Step::Item(n)) => {
            let mut kept = DeArray::new();
            for (_, item) in items.iter().enumerate().filter(|(i, _)| i != n) {
                kept.push(item.clone());
            }
            *items = kept;
        }
        _ => {}
    }
}

fn item_name(item: Option<&Spanned<DeValue<'_>>>, n: usize) -> String {
    item.and_then(label).map(str::to_string).unwrap_or_else(|| n.to_string())
}

/// A path as people read it: `issuer[jincheng].key`.
fn spell(root: &Spanned<DeValue<'_>>, path: &[Step]) -> String {
    let mut out = String::new();
    let mut node = Some(root);
    for step in path {
        match step {
            Step::Key(key) => {
                if !out.is_empty() {
                    out.push('.');
                }
                out.push_str(key);
                node = node.and_then(|n| n.get_ref().as_table()).and_then(|t| t.get(key.as_str()));
            }
            Step::Item(n) => {
                node = node.and_then(|x| x.get_ref().as_array()).and_then(|a| a.get(*n));
                out.push_str(&format!("[{}]", item_name(node, *n)));
            }
        }
    }
    out
}

fn note_origins(node: &Spanned<DeValue<'_>>, path: &str, places: &Places<'_>, out: &mut BTreeMap<String, String>) {
    if !path.is_empty() {
        out.insert(path.to_string(), places.name(&node.span()));
    }
    match node.get_ref() {
        DeValue::Table(table) => {
            for (key, value) in table.iter() {
                let path = if path.is_empty() { key.get_ref().to_string() } else { format!("{path}.{}", key.get_ref()) };
                note_origins(value, &path, places, out);
            }
        }
        DeValue::Array(items) => {
            for (n, item) in items.iter().enumerate() {
                note_origins(item, &format!("{path}[{}]", item_name(Some(item), n)), places, out);
            }
        }
        _ => {}
    }
}
