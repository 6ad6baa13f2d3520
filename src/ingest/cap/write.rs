//! A warning as CAP 1.2, strictly by the schema: elements in order, times without fractions, one
//! `info` per level. What CAP has no element for travels in parameters (see [`super::names`]).

use super::names;
use crate::{
    core::{
        hazard::{HazardClass, Level},
        time::Time,
        warning::{Area, Content, MessageType, Shape, Status},
    },
    ingest::text::forbidden,
};
use std::fmt::Write;

/// Writes the message. Reading it again gives the same content, except fractions of a second and a
/// parameter that uses one of our own names.
pub fn write_cap(content: &Content) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<alert xmlns=\"urn:oasis:names:tc:emergency:cap:1.2\">\n");
    let w = &mut out;
    put(w, 1, "identifier", &content.identifier);
    put(w, 1, "sender", &content.sender);
    put(w, 1, "sent", &time(content.sent));
    put(w, 1, "status", status(content.status));
    put(w, 1, "msgType", message_type(content.message_type));
    put(w, 1, "scope", if content.restricted { "Restricted" } else { "Public" });
    if content.restricted {
        put(w, 1, "restriction", "仅限被叫应的责任人");
    }
    if !content.references.is_empty() {
        // The old message's own sender and time are not kept here, so ours stand in; readers match by identifier.
        let sender: String = content.sender.chars().map(|c| if c == ',' || c.is_whitespace() { '_' } else { c }).collect();
        let triples: Vec<String> = content.references.iter().map(|r| format!("{sender},{r},{}", time(content.sent))).collect();
        put(w, 1, "references", &triples.join(" "));
    }
    for level in levels(content) {
        info(w, content, level);
    }
    out.push_str("</alert>\n");
    out
}

/// The message's level, then the others its areas have, in their order. None for a bare cancel.
fn levels(content: &Content) -> Vec<Level> {
    if content.message_type == MessageType::Cancel && says_nothing(content) {
        return Vec::new();
    }
    let mut all = vec![content.level];
    for level in content.areas.iter().filter_map(|a| a.level) {
        if !all.contains(&level) {
            all.push(level);
        }
    }
    all
}

/// Whether there is nothing an `info` would carry.
fn says_nothing(c: &Content) -> bool {
    let texts = [&c.hazard.0, &c.headline, &c.description, &c.instruction];
    texts.iter().all(|t| t.is_empty())
        && c.level == Level::Unknown
        && c.areas.is_empty()
        && c.parameters.is_empty()
        && [c.effective, c.onset, c.expires].iter().all(Option::is_none)
        && [&c.event, &c.stage, &c.sender_name].iter().all(|t| t.is_none())
}

fn info(w: &mut String, content: &Content, level: Level) {
    w.push_str("  <info>\n");
    put(w, 2, "language", "zh-CN");
    put(w, 2, "category", category(content.hazard.class()));
    put(w, 2, "event", content.hazard.name().unwrap_or(if content.hazard.0.is_empty() { names::UNSAID } else { &content.hazard.0 }));
    put(w, 2, "urgency", "Unknown");
    put(w, 2, "severity", severity(level));
    put(w, 2, "certainty", "Unknown");
    if !content.hazard.0.is_empty() {
        pair(w, 2, "eventCode", names::EVENT_CODE, &content.hazard.0);
    }
    for (name, at) in [("effective", content.effective), ("onset", content.onset), ("expires", content.expires)] {
        if let Some(at) = at {
            put(w, 2, name, &time(at));
        }
    }
    for (name, text) in [
        ("senderName", content.sender_name.as_deref().unwrap_or("")),
        ("headline", content.headline.as_str()),
        ("description", content.description.as_str()),
        ("instruction", content.instruction.as_str()),
    ] {
        if !text.is_empty() {
            put(w, 2, name, text);
        }
    }
    pair(w, 2, "parameter", names::LEVEL, level.as_str());
    for (name, value) in [(names::STAGE, &content.stage), (names::EVENT, &content.event)] {
        if let Some(value) = value {
            pair(w, 2, "parameter", name, value);
        }
    }
    let ours = [names::LEVEL, names::STAGE, names::EVENT];
    for (name, value) in content.parameters.iter().filter(|(n, _)| !ours.contains(&n.as_str())) {
        pair(w, 2, "parameter", name, value);
    }
    for part in content.areas.iter().filter(|a| a.level.unwrap_or(content.level) == level) {
        area(w, part);
    }
    w.push_str("  </info>\n");
}

fn area(w: &mut String, area: &Area) {
    let code = match &area.shape {
        Shape::Division(d) => Some(d.to_string()),
        _ => None,
    };
    let text = match &area.shape {
        Shape::Named(text) => text,
        _ => area.name.as_deref().or(code.as_deref()).unwrap_or(names::UNNAMED),
    };
    w.push_str("    <area>\n");
    put(w, 3, "areaDesc", text);
    match &area.shape {
        Shape::Polygon(ring) => put(w, 3, "polygon", &positions(ring.iter())),
        // CAP has no lines: there and back again encloses nothing, and is read as the line.
        Shape::Line(line) => put(w, 3, "polygon", &positions(line.iter().chain(line.iter().rev()))),
        Shape::Circle { center: [lon, lat], radius_km } => put(w, 3, "circle", &format!("{lat},{lon} {radius_km}")),
        Shape::Division(d) => pair(w, 3, "geocode", names::DIVISION, &d.to_string()),
        Shape::Point(code) => pair(w, 3, "geocode", names::POINT, code),
        Shape::Named(_) => {}
    }
    w.push_str("    </area>\n");
}

/// CAP's own order: latitude, longitude.
fn positions<'a>(all: impl Iterator<Item = &'a [f64; 2]>) -> String {
    all.map(|[lon, lat]| format!("{lat},{lon}")).collect::<Vec<_>>().join(" ")
}

/// Whole seconds with a numeric offset, as CAP 1.2 demands.
fn time(t: Time) -> String {
    Time(t.0.div_euclid(1000).saturating_mul(1000)).rfc3339()
}

fn put(w: &mut String, depth: usize, name: &str, text: &str) {
    let _ = writeln!(w, "{:indent$}<{name}>{}</{name}>", "", escape(text), indent = depth * 2);
}

fn pair(w: &mut String, depth: usize, name: &str, key: &str, value: &str) {
    let indent = depth * 2;
    let _ = writeln!(w, "{:indent$}<{name}>", "");
    put(w, depth + 1, "valueName", key);
    put(w, depth + 1, "value", value);
    let _ = writeln!(w, "{:indent$}</{name}>", "");
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars().filter(|c| !forbidden(*c)) {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c => out.push(c),
        }
    }
    out
}

fn status(s: Status) -> &'static str {
    match s {
        Status::Actual => "Actual",
        Status::Exercise => "Exercise",
        Status::System => "System",
        Status::Test => "Test",
        Status::Draft => "Draft",
    }
}

fn message_type(m: MessageType) -> &'static str {
    match m {
        MessageType::Alert => "Alert",
        MessageType::Update => "Update",
        MessageType::Cancel => "Cancel",
    }
}

fn severity(level: Level) -> &'static str {
    match level {
        Level::Red => "Extreme",
        Level::Orange => "Severe",
        Level::Yellow => "Moderate",
        Level::Blue => "Minor",
        Level::Unknown => "Unknown",
    }
}

fn category(class: HazardClass) -> &'static str {
    match class {
        HazardClass::Meteorological | HazardClass::Flood => "Met",
        HazardClass::Geological | HazardClass::Earthquake => "Geo",
        HazardClass::Fire => "Fire",
        HazardClass::Other => "Other",
    }
}
