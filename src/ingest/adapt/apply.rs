//! A mapping carried out over a body: each warning in it taken, skipped with the rule that said so, or
//! refused with every fault, its line in the mapping and its path in the body.

use super::{
    area,
    fill::{Filler, Found, Step, pointer},
    mapping::{Mapping, Rule, Skip, Test},
    template::{Scope, Template},
    tree::{self, Tree},
    value,
};
use crate::{
    core::{
        hazard::{HazardCode, Level},
        time::Time,
        warning::{Content, MessageType, Parsed, Refusal, Status},
    },
    ingest::{
        MAX_BODY, check,
        notes::Notes,
        refuse,
        text::{self, quote},
        words,
    },
};
use std::collections::{BTreeMap, BTreeSet};

/// Warnings in one body at most: a national list has some hundreds.
const MAX_WARNINGS: usize = 1_000;
/// Longest identifier, in characters.
const MAX_WORD: usize = 200;
/// Leaves that are looked through for what no rule reads.
const MAX_LEAVES: usize = 200;

/// What came of one warning of a body.
#[derive(Clone, Debug, PartialEq)]
pub enum Came {
    Taken(Box<Parsed>),
    /// The mapping says that this is not for us; why.
    Skipped(String),
    Refused(Refusal),
}

/// One warning of a body.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// JSON pointer inside the body; empty for the body itself.
    pub pointer: String,
    pub came: Came,
    /// How each field came to be, in the order it was read.
    pub steps: Vec<Step>,
    /// Paths with a text that no rule of the mapping looks at.
    pub unread: Vec<String>,
}

/// What came of a body.
#[derive(Clone, Debug, PartialEq)]
pub struct Adapted {
    pub items: Vec<Item>,
}

/// Reads a body by a mapping. `charset` is what the Content-Type said, `sender_default` the issuer's id.
///
/// # Errors
/// [`Refusal::Malformed`] when the bytes are no document of the mapping's format or break its limits;
/// [`Refusal::Invalid`] when the list of warnings is not where the mapping says. A warning that cannot be
/// made is told in its own [`Item`]: one broken line never stops its neighbours.
pub fn read(mapping: &Mapping, charset: Option<&str>, body: &[u8], sender_default: &str) -> Result<Adapted, Refusal> {
    if body.len() > MAX_BODY {
        return Err(Refusal::Malformed(format!("the body has {} bytes; at most {MAX_BODY} are read", body.len())));
    }
    let mut odd = Notes::default();
    let tree = tree::read(mapping.format, charset, body, &mut odd)?;
    let odd = odd.finish();
    let mut items: Vec<(String, &Tree)> = Vec::new();
    match &mapping.each {
        None => items.push((String::new(), &tree)),
        Some(path) => {
            let at = pointer("", &path.to_string());
            match path.find(&tree) {
                Some(Tree::List(list)) => items.extend(list.iter().enumerate().map(|(n, t)| (format!("{at}/{n}"), t))),
                // One XML element is a list of one; an empty one is an empty list.
                Some(one @ Tree::Object(_)) => items.push((at, one)),
                Some(Tree::Nothing) => {}
                Some(Tree::Text(_)) => {
                    return Err(refuse(&at, format!("is a text; the mapping {} wants the list of warnings here", mapping.name)));
                }
                None => return Err(refuse(&at, format!("is missing; the mapping {} wants the list of warnings here", mapping.name))),
            }
        }
    }
    if items.len() > MAX_WARNINGS {
        return Err(Refusal::Malformed(format!("{} warnings in one body; at most {MAX_WARNINGS} are read", items.len())));
    }
    let read = items.into_iter().map(|(pointer, warning)| {
        let mut notes = Notes::default();
        for f in &odd {
            notes.add("charset", f.detail.clone());
        }
        one(mapping, pointer, Scope { body: &tree, warning, here: warning, count: None }, notes, sender_default)
    });
    Ok(Adapted { items: read.collect() })
}

fn one(mapping: &Mapping, base: String, scope: Scope<'_>, mut notes: Notes, sender_default: &str) -> Item {
    if let Some(skip) = mapping.skip.iter().find(|s| s.hits(scope)) {
        let why = format!("{} ({} line {})", skip.reason, mapping.name, skip.line);
        return Item { pointer: base, came: Came::Skipped(why), steps: Vec::new(), unread: Vec::new() };
    }
    let mut f = Filler { mapping, base: &base, notes: &mut notes, steps: Vec::new(), faults: Vec::new() };
    let content = content(&mut f, scope, sender_default);
    let (steps, faults) = (std::mem::take(&mut f.steps), std::mem::take(&mut f.faults));
    let came = match content {
        Some(content) if faults.is_empty() => match check::finish(content, notes) {
            Ok(parsed) => Came::Taken(Box::new(parsed)),
            Err(refusal) => Came::Refused(refusal),
        },
        _ => Came::Refused(Refusal::Invalid(faults)),
    };
    Item { unread: unread(mapping, scope.warning), pointer: base, came, steps }
}

impl Skip {
    fn hits(&self, scope: Scope<'_>) -> bool {
        let text = self.when.fill(scope);
        let Some(text) = text.as_deref().map(str::trim) else { return self.test == Test::Missing };
        match &self.test {
            Test::In(list) => list.iter().any(|w| w == text),
            Test::NotIn(list) => !list.iter().any(|w| w == text),
            Test::Contains(list) => list.iter().any(|w| text.contains(w.as_str())),
            Test::Missing => false,
            Test::Below(n) => text.parse::<f64>().is_ok_and(|x| x < *n),
        }
    }
}

fn content(f: &mut Filler<'_>, scope: Scope<'_>, sender_default: &str) -> Option<Content> {
    let m = f.mapping;
    let mut get = |name: &str| m.fields.get(name).and_then(|rule| f.fill(name, rule, scope).map(|found| (rule, found)));
    let line = |found: Option<(&Rule, Found)>| found.map(|(_, v)| text::line(&v.text)).filter(|t| !t.is_empty());
    let lines = |found: Option<(&Rule, Found)>| found.map(|(_, v)| text::clean(&v.text)).unwrap_or_default();

    let identifier = get("identifier");
    let sent = get("sent");
    let sender = line(get("sender")).unwrap_or_else(|| sender_default.to_string());
    let status = get("status");
    let message_type = get("message_type");
    let hazard = get("hazard");
    let level = get("level");
    let headline = line(get("headline"));
    let description = lines(get("description"));
    let instruction = lines(get("instruction"));
    let (effective, onset, expires) = (get("effective"), get("onset"), get("expires"));
    let (event, stage, sender_name) = (line(get("event")), line(get("stage")), line(get("sender_name")));

    let message_type = word(f, "message_type", message_type, value::message_type).unwrap_or(Some(MessageType::Alert))?;
    let status = word(f, "status", status, value::status).unwrap_or(Some(Status::Actual))?;
    let is_cancel = message_type == MessageType::Cancel;
    let identifier = identifier_of(f, identifier);
    let sent = required_time(f, sent);
    let references: Vec<String> = match m.fields.get("references") {
        Some(rule) => {
            let all = f.fill_all("references", rule, scope).into_iter().map(|r| r.text.trim().to_string());
            all.filter(|r| !r.is_empty()).collect()
        }
        None => Vec::new(),
    };
    if is_cancel && references.is_empty() {
        let rule = m.fields.get("references").or_else(|| m.fields.get("identifier"))?;
        f.fault(rule, "references", "a cancel must name the identifiers of the messages it cancels");
    }
    let headline = headline.unwrap_or_default();
    if headline.is_empty()
        && !is_cancel
        && let Some(rule) = m.fields.get("headline")
    {
        f.fault(rule, "headline", "is missing");
    }
    let effective = optional_time(f, "effective", effective);
    let onset = optional_time(f, "onset", onset);
    let expires = optional_time(f, "expires", expires);
    let hazard = hazard_of(f, hazard, &headline, is_cancel);
    let level = level_of(level);
    let areas = area::read_all(f, &m.areas, scope);
    let mut parameters = BTreeMap::new();
    for (name, rule) in &m.parameters {
        if let Some(found) = f.fill(&format!("parameters.{name}"), rule, scope) {
            parameters.insert(name.clone(), text::clean(&found.text));
        }
    }
    let (identifier, sent) = (identifier?, sent?);
    // Feeds that name an event's first message let that one name itself.
    let references = references.into_iter().filter(|r| is_cancel || *r != identifier).collect();
    Some(Content {
        identifier,
        sender,
        sent,
        status,
        message_type,
        references,
        hazard,
        level,
        headline,
        description,
        instruction,
        effective,
        onset,
        expires: expires.or_else(|| m.lasts.map(|span| effective.unwrap_or(sent).max(sent) + span)),
        areas,
        event,
        stage,
        sender_name,
        parameters,
        restricted: false,
    })
}

/// `None` where there is no rule or nothing came of it; `Some(None)` is a fault.
fn word<T>(f: &mut Filler<'_>, field: &str, found: Option<(&Rule, Found)>, read: impl Fn(&str) -> Option<T>) -> Option<Option<T>> {
    let (rule, found) = found?;
    let value = read(&found.text);
    // What kind of message it is cannot be guessed: an unknown word might be an end or a rehearsal.
    if value.is_none() {
        f.fault(rule, field, format!("`{}` is not known; give it a meaning in a table, or `otherwise`", quote(&found.text)));
    }
    Some(value)
}

/// The identifier is never mended: it must be known again exactly as it was sent.
fn identifier_of(f: &mut Filler<'_>, found: Option<(&Rule, Found)>) -> Option<String> {
    let Some((rule, found)) = found else {
        if let Some(rule) = f.mapping.fields.get("identifier") {
            f.fault(rule, "identifier", "is missing: without it the message cannot be known again");
        }
        return None;
    };
    let text = found.text.trim();
    if text.is_empty() || text.chars().count() > MAX_WORD || text.chars().any(|c| text::forbidden(c) || matches!(c, '\n' | '\t')) {
        f.fault(rule, "identifier", format!("`{}` is not 1 to {MAX_WORD} characters without control characters", quote(text)));
        return None;
    }
    Some(text.to_string())
}

fn required_time(f: &mut Filler<'_>, found: Option<(&Rule, Found)>) -> Option<Time> {
    let Some((rule, found)) = found else {
        if let Some(rule) = f.mapping.fields.get("sent") {
            f.fault(rule, "sent", "is missing");
        }
        return None;
    };
    let time = value::time(&found.text, f.mapping.zone);
    if time.is_none() {
        f.fault(rule, "sent", format!("`{}` is no time that is known here", quote(&found.text)));
    }
    time
}

fn optional_time(f: &mut Filler<'_>, field: &str, found: Option<(&Rule, Found)>) -> Option<Time> {
    let (rule, found) = found?;
    let time = value::time(&found.text, f.mapping.zone);
    if time.is_none() {
        let what = match field {
            "effective" => "生效时间",
            "onset" => "开始时间",
            _ => "失效时间",
        };
        f.notes.add("odd_time", format!("{what}“{}”读不出来，未采用（映射 {} 第 {} 行）", quote(&found.text), f.mapping.name, rule.line));
    }
    time
}

/// The code; for words the code they name, then what the headline names, then 其它突发事件.
fn hazard_of(f: &mut Filler<'_>, found: Option<(&Rule, Found)>, headline: &str, is_cancel: bool) -> HazardCode {
    let given = found.map(|(_, v)| text::line(&v.text)).unwrap_or_default();
    let code = HazardCode(given.to_ascii_uppercase());
    if code.name().is_some() || words::is_event_code(&code.0) {
        return code;
    }
    if let Some(known) = words::hazard_in(&given).or_else(|| words::hazard_in(headline)) {
        f.notes.add("hazard_from_text", format!("灾种“{}”不是编码，由文字读作 {known}", quote(&given)));
        return known;
    }
    if is_cancel || !given.is_empty() {
        return HazardCode(given);
    }
    f.notes.add("no_hazard", "报文没有说明灾种，按“其它突发事件”处理");
    HazardCode(words::OTHER_HAZARD.to_string())
}

fn level_of(found: Option<(&Rule, Found)>) -> Level {
    found.filter(|(_, v)| !v.unknown).and_then(|(_, v)| value::level(&v.text)).unwrap_or(Level::Unknown)
}

/// What is in the warning and no rule looks at: often the field somebody forgot.
fn unread(mapping: &Mapping, warning: &Tree) -> Vec<String> {
    let mut read: BTreeSet<String> = BTreeSet::new();
    let mut note = |t: &Template| read.extend(t.paths().map(|p| p.to_string().trim_start_matches('^').to_string()));
    let area = mapping.areas.iter().flat_map(super::mapping::AreaRule::rules);
    for rule in mapping.fields.values().chain(mapping.parameters.iter().map(|(_, r)| r)).chain(area) {
        rule.from.iter().chain(&rule.each_before).for_each(&mut note);
    }
    mapping.skip.iter().for_each(|s| note(&s.when));
    let below: Vec<String> = mapping.areas.iter().flat_map(super::mapping::AreaRule::lists).map(ToString::to_string).collect();
    let leaves = warning.leaves(MAX_LEAVES).into_iter().map(|(path, _)| if path.is_empty() { ".".to_string() } else { path });
    leaves.filter(|p| !read.contains(p) && !below.iter().any(|b| p.starts_with(b.as_str()))).collect()
}
