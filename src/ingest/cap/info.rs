//! One `info` block of CAP: texts, times, and the level out of everything that speaks of it.

use super::{area, names};
use crate::{
    core::{hazard::HazardCode, hazard::Level, time::Time},
    ingest::{
        merge::Info,
        notes::Notes,
        text::{self, quote},
        words,
        xml::Node,
    },
};

/// Reads the `n`th block (from 1).
pub(super) fn read(node: &Node, n: usize, notes: &mut Notes) -> Info {
    let event_codes = pairs(node, "eventCode");
    let parameters = pairs(node, "parameter");
    let headline = node.line("headline").unwrap_or_default();
    if node.all("responseType").any(|r| text::line(&r.text).eq_ignore_ascii_case("AllClear")) {
        notes.add("all_clear", "正文写明警报解除（AllClear），但报文类型不是解除；仍按预警处理，请核对");
    }
    let level = level(node, &event_codes, &parameters, &headline, notes);
    Info {
        language: node.line("language").unwrap_or_default().to_ascii_lowercase().replace('_', "-"),
        event: node.line("event").filter(|e| e != names::UNSAID).unwrap_or_default(),
        hazard: hazard(&event_codes, &parameters),
        level,
        headline,
        description: node.lines("description").unwrap_or_default(),
        instruction: node.lines("instruction").unwrap_or_default(),
        effective: time(node, "effective", notes),
        onset: time(node, "onset", notes),
        expires: time(node, "expires", notes),
        sender_name: node.line("senderName"),
        areas: node.all("area").enumerate().flat_map(|(a, area)| area::read(area, &format!("正文{n}区域{}", a + 1), notes)).collect(),
        parameters,
    }
}

/// An optional time; one that cannot be read is a finding.
pub(in crate::ingest) fn time(node: &Node, name: &str, notes: &mut Notes) -> Option<Time> {
    let word = node.line(name)?;
    match text::lenient_time(&word) {
        Some((t, no_offset)) => {
            if no_offset {
                notes.add("no_offset", format!("{name} 没有时区，按北京时间读取"));
            }
            Some(t)
        }
        None => {
            notes.add("bad_time", format!("{name}“{}”不是存在的时间，已不采用", quote(&word)));
            None
        }
    }
}

/// `valueName`/`value` children, or `NAME=value` as CAP 1.0 has it. Empty values are left out.
pub(super) fn pairs(node: &Node, name: &str) -> Vec<(String, String)> {
    node.all(name)
        .filter_map(|p| {
            let (key, value) = match (p.line("valueName"), p.lines("value")) {
                (key, Some(value)) => (key.unwrap_or_default(), value),
                (Some(_), None) => return None,
                (None, None) => {
                    let whole = text::clean(&p.text);
                    let (key, value) = whole.split_once('=').unwrap_or(("", &whole));
                    (text::line(key), text::clean(value))
                }
            };
            (!value.is_empty()).then_some((key, value))
        })
        .collect()
}

/// A code of the national list: under its own name any value, under another name what looks like one.
fn hazard(event_codes: &[(String, String)], parameters: &[(String, String)]) -> Option<HazardCode> {
    let ours = event_codes.iter().find(|(name, _)| name == names::EVENT_CODE).map(|(_, v)| text::line(v));
    let alike = || event_codes.iter().map(|(_, v)| text::line(v)).find(|v| words::is_event_code(v));
    let named = || {
        let about =
            |n: &str| ["eventtype", "eventcode", "event_type", "event_code", "灾种", "灾种编码"].contains(&n.to_lowercase().as_str());
        parameters.iter().filter(|(n, _)| about(n)).map(|(_, v)| text::line(v)).find(|v| words::is_event_code(v))
    };
    ours.or_else(alike).or_else(named).map(HazardCode)
}

/// The level: our own parameter; else the higher of a colour in a parameter or event code and the
/// headline's; else a numeral in the headline; else the severity. Disagreement is a finding.
fn level(
    node: &Node,
    event_codes: &[(String, String)],
    parameters: &[(String, String)],
    headline: &str,
    notes: &mut Notes,
) -> Option<Level> {
    let word = node.line("severity").unwrap_or_default();
    let severity = words::severity(&word).or_else(|| words::field_colour(&word));
    if severity.is_none() && !word.is_empty() {
        notes.add("odd_severity", format!("severity“{}”不是 CAP 规定的词", quote(&word)));
    }
    let known = severity.filter(|l| *l != Level::Unknown);
    if let Some((_, value)) = parameters.iter().find(|(n, _)| n == names::LEVEL) {
        let exact = [Level::Red, Level::Orange, Level::Yellow, Level::Blue, Level::Unknown].into_iter().find(|l| l.as_str() == value);
        if exact.is_some() {
            return exact;
        }
    }
    let about_level = |name: &str| {
        let name = name.to_lowercase();
        ["level", "colo", "颜色", "顏色", "级别", "等级"].iter().any(|w| name.contains(w))
    };
    let given = parameters
        .iter()
        .chain(event_codes)
        .filter(|(name, value)| about_level(name) && value.len() <= 64)
        .filter_map(|(_, value)| words::field_colour(value))
        .max_by_key(|l| l.rank());
    let said = words::headline_colour(headline);
    let colour = match (given, said) {
        (Some(a), Some(b)) if a != b => {
            let higher = if b.rank() > a.rank() { b } else { a };
            notes.add("level_differs", format!("参数写的是{}，标题写的是{}，按{}处理", a.name_zh(), b.name_zh(), higher.name_zh()));
            Some(higher)
        }
        (a, b) => a.or(b),
    };
    if let (Some(colour), Some(severity)) = (colour, known)
        && colour != severity
    {
        notes.add(
            "level_differs",
            format!("severity 相当于{}，标题或参数写的是{}，按{}处理", severity.name_zh(), colour.name_zh(), colour.name_zh()),
        );
    }
    if headline.contains("白色") && colour == Some(Level::Blue) {
        notes.add("white_level", "白色预警按蓝色处理");
    }
    colour.or_else(|| known.is_none().then(|| words::numeral_level(headline)).flatten()).or(severity)
}
