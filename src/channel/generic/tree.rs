//! Bodies as trees of JSON values, whatever they came as: JSON, XML, forms, texts by a pattern. One way to
//! walk them: `/data/0/msgid`. The element an XML document consists of is its first step; attributes are `@name`.

use super::sign::Charset;
use quick_xml::{
    Reader, XmlVersion,
    events::{BytesStart, Event},
};
use regex::Regex;
use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Format {
    #[default]
    Json,
    Xml,
    Form,
    /// By a pattern with named groups: each match is an object.
    Text,
    /// The address's query; only of callbacks.
    Query,
}

/// Nothing that carriers tell is deeper or longer.
const MAX_DEPTH: usize = 16;
const MAX_ELEMENTS: usize = 20_000;

/// Reads a body. `Err` in plain words.
pub(super) fn read(format: Format, pattern: Option<&Regex>, charset: Charset, query: Option<&str>, body: &[u8]) -> Result<Value, String> {
    match format {
        Format::Json => serde_json::from_str(charset.decode(body).trim()).map_err(|e| format!("not JSON: {e}")),
        Format::Xml => xml(&charset.decode(body)),
        Format::Form => Ok(form(body, charset)),
        Format::Query => Ok(form(query.unwrap_or_default().as_bytes(), charset)),
        Format::Text => match pattern {
            None => Ok(Value::String(charset.decode(body).trim().to_string())),
            Some(p) => Ok(matches(p, charset.decode(body).trim())),
        },
    }
}

fn matches(pattern: &Regex, text: &str) -> Value {
    let object = |c: regex::Captures<'_>| {
        let named = pattern.capture_names().flatten().filter_map(|n| Some((n.to_string(), Value::String(c.name(n)?.as_str().into()))));
        Value::Object(named.collect())
    };
    let mut all: Vec<Value> = pattern.captures_iter(text).map(object).collect();
    if all.len() == 1 { all.remove(0) } else { Value::Array(all) }
}

/// Percent-encoded bytes may be UTF-8 or GBK.
fn form(body: &[u8], charset: Charset) -> Value {
    let part = |raw: &[u8]| {
        let mut bytes = Vec::with_capacity(raw.len());
        let mut rest = raw;
        while let Some((b, ahead)) = rest.split_first() {
            rest = ahead;
            let digit = |n: usize| ahead.get(n).and_then(|b| char::from(*b).to_digit(16)).and_then(|d| u8::try_from(d).ok());
            match (b, digit(0).zip(digit(1))) {
                (b'+', _) => bytes.push(b' '),
                (b'%', Some((high, low))) => {
                    bytes.push(high * 16 + low);
                    rest = ahead.get(2..).unwrap_or_default();
                }
                _ => bytes.push(*b),
            }
        }
        charset.decode(&bytes)
    };
    let mut map = Map::new();
    for pair in body.split(|b| *b == b'&').filter(|p| !p.is_empty()) {
        let mut halves = pair.splitn(2, |b| *b == b'=');
        let (name, value) = (halves.next().unwrap_or_default(), halves.next().unwrap_or_default());
        map.insert(part(name).trim().to_string(), Value::String(part(value)));
    }
    Value::Object(map)
}

struct Node {
    name: String,
    text: String,
    fields: Map<String, Value>,
}
impl Node {
    fn take(&mut self, name: String, value: Value) {
        match self.fields.get_mut(&name) {
            None => drop(self.fields.insert(name, value)),
            Some(Value::Array(list)) => list.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }
    fn value(self) -> Value {
        let text = self.text.trim().to_string();
        if self.fields.is_empty() {
            return Value::String(text);
        }
        let mut fields = self.fields;
        if !text.is_empty() {
            fields.insert("#text".into(), Value::String(text));
        }
        Value::Object(fields)
    }
}

fn xml(text: &str) -> Result<Value, String> {
    let mut reader = Reader::from_str(text.trim_start());
    let mut open = vec![Node { name: String::new(), text: String::new(), fields: Map::new() }];
    let mut elements = 0;
    loop {
        match reader.read_event().map_err(|e| format!("not XML: {e}"))? {
            Event::Start(s) => {
                elements += 1;
                if open.len() > MAX_DEPTH || elements > MAX_ELEMENTS {
                    return Err("XML nested too deep or too long".into());
                }
                open.push(node(&s)?);
            }
            Event::Empty(s) => {
                let n = node(&s)?;
                if let Some(top) = open.last_mut() {
                    top.take(n.name.clone(), n.value());
                }
            }
            Event::End(_) => {
                let (Some(n), Some(top)) = (open.pop(), open.last_mut()) else { return Err("not XML: an end without its start".into()) };
                top.take(n.name.clone(), n.value());
            }
            Event::Text(t) => {
                if let Some(top) = open.last_mut() {
                    top.text.push_str(&t.xml10_content());
                }
            }
            Event::CData(t) => {
                if let Some(top) = open.last_mut() {
                    top.text.push_str(&t.xml10_content());
                }
            }
            Event::GeneralRef(r) => {
                let known = match r.resolve_char_ref() {
                    Ok(Some(c)) => c,
                    _ => match r.xml10_content().as_ref() {
                        "amp" => '&',
                        "lt" => '<',
                        "gt" => '>',
                        "quot" => '"',
                        "apos" => '\'',
                        other => return Err(format!("not XML: the entity `{}` is not known", other.chars().take(20).collect::<String>())),
                    },
                };
                if let Some(top) = open.last_mut() {
                    top.text.push(known);
                }
            }
            Event::DocType(_) => return Err("XML with a DOCTYPE is not read".into()),
            Event::Eof => break,
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
    }
    match (open.pop(), open.is_empty()) {
        (Some(root), true) if !root.fields.is_empty() => Ok(Value::Object(root.fields)),
        _ => Err("not XML: no whole element".into()),
    }
}

fn node(s: &BytesStart<'_>) -> Result<Node, String> {
    let mut fields = Map::new();
    for a in s.attributes() {
        let a = a.map_err(|e| format!("not XML: {e}"))?;
        let value = a.normalized_value(XmlVersion::Explicit1_0).map_err(|e| format!("not XML: {e}"))?;
        fields.insert(format!("@{}", a.key.local_name().into_inner()), Value::String(value.into_owned()));
    }
    Ok(Node { name: s.local_name().into_inner().to_string(), text: String::new(), fields })
}

/// `/data/0/msgid`; empty or `/` is the whole. A single value is item 0 of itself.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Path(Vec<String>);

impl Path {
    pub fn parse(text: &str) -> Result<Path, String> {
        let rest = text.strip_prefix('/').ok_or_else(|| format!("`{text}` is not a path: write /name/0/name, or / for the whole"))?;
        if rest.is_empty() {
            return Ok(Path(Vec::new()));
        }
        let steps: Vec<String> = rest.split('/').map(|s| s.replace("~1", "/").replace("~0", "~")).collect();
        if steps.iter().any(String::is_empty) { Err(format!("`{text}` has an empty step")) } else { Ok(Path(steps)) }
    }

    pub fn find<'a>(&self, start: &'a Value) -> Option<&'a Value> {
        let mut at = start;
        for step in &self.0 {
            at = match at {
                Value::Object(map) => match map.get(step) {
                    Some(next) => next,
                    None if step == "0" => at,
                    None => return None,
                },
                Value::Array(list) => list.get(step.parse::<usize>().ok()?)?,
                _ if step == "0" => at,
                _ => return None,
            };
        }
        Some(at)
    }

    /// The text of a leaf; empty and null are none.
    pub fn text(&self, start: &Value) -> Option<String> {
        leaf(self.find(start)?)
    }
}

pub(super) fn leaf(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(s) => s.trim().to_string(),
        Value::Number(n) => n.to_string(),
        Value::Bool(b) => b.to_string(),
        Value::Object(map) => map.get("#text")?.as_str()?.trim().to_string(),
        Value::Null | Value::Array(_) => return None,
    };
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(v: &Value, path: &str) -> Option<String> {
        Path::parse(path).unwrap().text(v)
    }

    #[test]
    fn one_kind_of_path_walks_every_kind_of_body() {
        let json = read(Format::Json, None, Charset::Utf8, None, br#"{"data":[{"id":7}],"ok":true,"n":null}"#).unwrap();
        assert_eq!((at(&json, "/data/0/id").as_deref(), at(&json, "/ok").as_deref(), at(&json, "/n")), (Some("7"), Some("true"), None));
        let (gbk, _, _) = encoding_rs::GBK
            .encode("<?xml version=\"1.0\" encoding=\"gbk\"?>\n<r a='1'><b>暴雨&amp;</b><c><d>1</d></c><c><d>2</d></c><e/></r>");
        let xml = read(Format::Xml, None, Charset::Gbk, None, &gbk).unwrap();
        assert_eq!(
            (at(&xml, "/r/b").as_deref(), at(&xml, "/r/b/0").as_deref(), at(&xml, "/r/c/1/d").as_deref()),
            (Some("暴雨&"), Some("暴雨&"), Some("2"))
        );
        assert_eq!((at(&xml, "/r/@a").as_deref(), at(&xml, "/r/e")), (Some("1"), None));
        let form = read(Format::Form, None, Charset::Gbk, None, b"content=%D3%EA+1&mobile=15400000001").unwrap();
        assert_eq!(at(&form, "/content").as_deref(), Some("雨 1"));
        let pattern = Regex::new(r"(?<code>-?\d+),(?<id>\w*)").unwrap();
        let text = read(Format::Text, Some(&pattern), Charset::Utf8, None, b"0,M1\n").unwrap();
        assert_eq!((at(&text, "/code").as_deref(), at(&text, "/id").as_deref()), (Some("0"), Some("M1")));
    }

    #[test]
    fn what_is_no_such_body_is_told_and_never_followed() {
        for bad in ["", "x", "<a>", "<a></b>", "<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", "<a>&x;</a>"] {
            assert!(read(Format::Xml, None, Charset::Utf8, None, bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(read(Format::Xml, None, Charset::Utf8, None, "<a>".repeat(100).as_bytes()).unwrap_err().contains("deep"));
        assert!(read(Format::Json, None, Charset::Utf8, None, b"{").is_err());
        assert!(Path::parse("a/b").is_err() && Path::parse("/a//b").is_err());
        let odd = read(Format::Form, None, Charset::Utf8, None, b"a=%&b=%zz&=&c").unwrap();
        assert_eq!(at(&odd, "/b").as_deref(), Some("%zz"));
    }
}
