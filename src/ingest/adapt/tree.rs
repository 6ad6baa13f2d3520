//! A body as a tree of names and texts, whether it came as JSON, JSONP or XML: what paths walk in.
//!
//! Numbers and booleans are their own text. An XML element without attributes and children is its text;
//! else an object whose attributes are called `@name`, whose own text is `#text`, and where children of
//! one name are a list.

use crate::{
    core::warning::Refusal,
    ingest::{
        charset,
        json::value::{self, Value},
        notes::Notes,
        xml,
    },
};
use std::collections::BTreeMap;

/// How the bytes are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON, or JSON inside a script (`callback({…});`, `var x={…};`).
    Json,
    Xml,
}

/// One node.
#[derive(Debug, PartialEq)]
pub enum Tree {
    /// JSON's null, an empty element.
    Nothing,
    Text(String),
    List(Vec<Tree>),
    /// In the order sent.
    Object(Vec<(String, Tree)>),
}

/// Reads a body within the limits of its format; `charset` is what its sender said of it.
pub(super) fn read(format: Format, charset: Option<&str>, body: &[u8], notes: &mut Notes) -> Result<Tree, Refusal> {
    match format {
        Format::Json => {
            let text = charset::decode_json(charset, body, notes)?;
            Ok(from_json(value::parse(bare_json(&text))?))
        }
        Format::Xml => {
            let text = charset::decode_xml(charset, body, notes)?;
            Ok(from_xml(xml::read(&text)?))
        }
    }
}

/// The JSON inside a script of one statement; anything else is left for the JSON reader to judge.
fn bare_json(text: &str) -> &str {
    let text = text.trim_start_matches('\u{FEFF}').trim();
    if text.starts_with(['{', '[', '"']) {
        return text;
    }
    let text = text.trim_end_matches(|c: char| c == ';' || c.is_whitespace());
    let word = |s: &str| !s.is_empty() && s.chars().all(|c| c.is_ascii_alphanumeric() || "_$. ".contains(c));
    if let Some((name, rest)) = text.split_once('=')
        && word(name)
    {
        return rest.trim();
    }
    if let Some((name, rest)) = text.split_once('(')
        && word(name)
        && let Some(inner) = rest.strip_suffix(')')
    {
        return inner.trim();
    }
    text
}

fn from_json(value: Value) -> Tree {
    match value {
        Value::Null => Tree::Nothing,
        Value::Bool(b) => Tree::Text(b.to_string()),
        Value::Number(n) => Tree::Text(n.to_string()),
        Value::Text(t) => Tree::Text(t),
        Value::List(items) => Tree::List(items.into_iter().map(from_json).collect()),
        Value::Object(fields) => Tree::Object(fields.into_iter().map(|(name, v)| (name, from_json(v))).collect()),
    }
}

fn from_xml(node: xml::Node) -> Tree {
    let text = node.text.trim().to_string();
    if node.children.is_empty() && node.attributes.is_empty() {
        return if text.is_empty() { Tree::Nothing } else { Tree::Text(text) };
    }
    let mut fields: Vec<(String, Tree)> = Vec::new();
    fields.extend(node.attributes.into_iter().map(|(name, value)| (format!("@{name}"), Tree::Text(value))));
    if !text.is_empty() {
        fields.push(("#text".into(), Tree::Text(text)));
    }
    // Children of one name stand together, where the first of them stood.
    let mut at: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for child in node.children {
        let name = child.name.clone();
        let tree = from_xml(child);
        match at.get_mut(&name) {
            None => {
                at.insert(name.clone(), (fields.len(), 1));
                fields.push((name, tree));
            }
            Some((index, count)) => {
                if let Some((_, slot)) = fields.get_mut(*index) {
                    if *count == 1 {
                        let first = std::mem::replace(slot, Tree::Nothing);
                        *slot = Tree::List(vec![first, tree]);
                    } else if let Tree::List(items) = slot {
                        items.push(tree);
                    }
                    *count += 1;
                }
            }
        }
    }
    Tree::Object(fields)
}

impl Tree {
    /// The text of a leaf; that of an element with attributes too.
    pub fn text(&self) -> Option<&str> {
        match self {
            Tree::Text(t) => Some(t.trim()).filter(|t| !t.is_empty()),
            Tree::Object(_) => self.child("#text").and_then(Tree::text),
            Tree::Nothing | Tree::List(_) => None,
        }
    }

    fn child(&self, name: &str) -> Option<&Tree> {
        match self {
            Tree::Object(fields) => fields.iter().find(|(n, _)| n == name).map(|(_, t)| t),
            _ => None,
        }
    }

    /// The leaves below, each with its path in the manner of [`Path`]; at most `limit`.
    pub fn leaves(&self, limit: usize) -> Vec<(String, &str)> {
        let mut out = Vec::new();
        self.collect(String::new(), limit, &mut out);
        out
    }

    fn collect<'a>(&'a self, path: String, limit: usize, out: &mut Vec<(String, &'a str)>) {
        if out.len() >= limit {
            return;
        }
        match self {
            Tree::Nothing => {}
            Tree::Text(t) => out.push((path, t)),
            Tree::List(items) => {
                for (n, item) in items.iter().enumerate() {
                    item.collect(format!("{path}[{n}]"), limit, out);
                }
            }
            Tree::Object(fields) => {
                for (name, value) in fields {
                    value.collect(if path.is_empty() { name.clone() } else { format!("{path}.{name}") }, limit, out);
                }
            }
        }
    }
}

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Name(String),
    Item(usize),
}

/// Where a path begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    /// The node at hand: the warning, or within `[[area]]` with `each` the item.
    Here,
    /// `^`: the warning, seen from within an item of it.
    Warning,
    /// `/`: the whole body.
    Body,
}

/// A path: `data.page.list`, `latlon[0]`, `area.@code`, `[6]`, `/updateTime`, `^id`; `.` is the node itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path {
    pub from: From,
    steps: Vec<Step>,
}

impl Path {
    pub fn parse(text: &str) -> Result<Path, String> {
        let text = text.trim();
        let (from, rest) = match (text.strip_prefix('/'), text.strip_prefix('^')) {
            (Some(rest), _) => (From::Body, rest),
            (_, Some(rest)) => (From::Warning, rest),
            _ => (From::Here, text),
        };
        let mut steps = Vec::new();
        if matches!(rest, "." | "") {
            return if text.is_empty() { Err("an empty path; `.` is the node itself".into()) } else { Ok(Path { from, steps }) };
        }
        for part in rest.split('.') {
            let (name, items) = part.split_once('[').map_or((part, None), |(n, i)| (n, Some(i)));
            if name.is_empty() && items.is_none() {
                return Err(format!("`{text}` has an empty step; write a.b, a[0] or /a"));
            }
            if !name.is_empty() {
                steps.push(Step::Name(name.to_string()));
            }
            for item in items.into_iter().flat_map(|i| i.split('[')) {
                let n = item.strip_suffix(']').and_then(|n| n.parse().ok());
                steps.push(Step::Item(n.ok_or_else(|| format!("`{text}`: `[{item}` is not an item such as [0]"))?));
            }
        }
        Ok(Path { from, steps })
    }

    /// The node it leads to. A single XML element is item 0 of itself.
    pub fn find<'a>(&self, start: &'a Tree) -> Option<&'a Tree> {
        let mut node = start;
        for step in &self.steps {
            node = match (step, node) {
                (Step::Name(name), _) => node.child(name)?,
                (Step::Item(n), Tree::List(items)) => items.get(*n)?,
                (Step::Item(0), Tree::Object(_)) => node,
                _ => return None,
            };
        }
        Some(node)
    }
}

impl std::fmt::Display for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.from {
            From::Here => "",
            From::Warning => "^",
            From::Body => "/",
        })?;
        if self.steps.is_empty() && self.from == From::Here {
            return f.write_str(".");
        }
        for (n, step) in self.steps.iter().enumerate() {
            match step {
                Step::Name(name) if n == 0 => f.write_str(name)?,
                Step::Name(name) => write!(f, ".{name}")?,
                Step::Item(i) => write!(f, "[{i}]")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(format: Format, body: &str) -> Tree {
        read(format, None, body.as_bytes(), &mut Notes::default()).unwrap()
    }
    fn at(tree: &Tree, path: &str) -> Option<String> {
        let path = Path::parse(path).unwrap();
        path.find(tree).and_then(Tree::text).map(str::to_string)
    }

    #[test]
    fn paths_walk_json_and_xml_alike() {
        let json = tree(Format::Json, r#"{"a":{"b":[1,{"c":"x"}]},"n":null,"t":true}"#);
        assert_eq!(at(&json, "a.b[1].c").as_deref(), Some("x"));
        assert_eq!((at(&json, "a.b[0]").as_deref(), at(&json, "t").as_deref(), at(&json, "n")), (Some("1"), Some("true"), None));
        let xml = tree(Format::Xml, "<r><a code='7'>x</a><b>1</b><b>2</b><c/></r>");
        assert_eq!((at(&xml, "a").as_deref(), at(&xml, "a.@code").as_deref()), (Some("x"), Some("7")));
        assert_eq!((at(&xml, "b[1]").as_deref(), at(&xml, "a[0]").as_deref(), at(&xml, "c")), (Some("2"), Some("x"), None));
        for bad in ["", "a..b", "a[x]", "a[1", "a."] {
            assert!(Path::parse(bad).is_err(), "{bad}");
        }
        for path in ["a.b[1].c", "/a", "^a", ".", "[6]"] {
            assert_eq!(Path::parse(path).unwrap().to_string(), path);
        }
    }

    #[test]
    fn a_script_around_the_json_is_taken_off() {
        for script in ["var alarminfo={\"a\":1};", "cb({\"a\":1})", " jQuery1_2.x([{\"a\":1}]) ;\n", "{\"a\":1}"] {
            let t = tree(Format::Json, script);
            assert!(at(&t, "a").or_else(|| at(&t, "[0].a")).as_deref() == Some("1"), "{script}");
        }
        assert!(read(Format::Json, None, b"alert('x')+{}", &mut Notes::default()).is_err());
    }
}
