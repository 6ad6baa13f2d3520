//! The last look at every message, whatever it came as: what contradicts itself is put right or said.

use super::{
    notes::{MAX_AREAS, Notes},
    refuse,
    shape::is_in_china,
    text::quote,
    words::{self, Deed},
};
use crate::core::{
    hazard::Level,
    warning::{Area, Content, MessageType, Parsed, Refusal, Shape},
};
use std::collections::BTreeMap;

/// Longest sender and reference, in characters.
const MAX_ID: usize = 512;
/// Longest texts that are kept: what is spoken and listed, words, and the long ones.
const MAX_HEADLINE: usize = 1_000;
const MAX_WORD: usize = 200;
const MAX_TEXT: usize = 100_000;

/// Puts the content in its normal form, adds the findings that hold for every format, and hands it over.
pub(super) fn finish(mut content: Content, mut notes: Notes) -> Result<Parsed, Refusal> {
    let notes_ref = &mut notes;
    if content.sender.chars().count() > MAX_ID {
        return Err(refuse("/alert/sender", format!("is longer than {MAX_ID} characters")));
    }
    shorten(&mut content, notes_ref);
    heed_the_text(&mut content, notes_ref);
    tidy_references(&mut content, notes_ref);
    if content.areas.len() > MAX_AREAS {
        return Err(refuse("/areas", format!("more than {MAX_AREAS} areas; no province has as many divisions and points")));
    }
    raise_to_highest(&mut content, notes_ref);
    content.areas = distinct(std::mem::take(&mut content.areas));
    if content.restricted {
        notes_ref.add("restricted", "内部或限制发布的报文：只发给被叫应的责任人，不得公开");
    }
    if content.message_type != MessageType::Cancel {
        look(&content, notes_ref);
    }
    Ok(Parsed { content, findings: notes.finish() })
}

/// Cuts texts that no message or page could carry, and says so.
fn shorten(content: &mut Content, notes: &mut Notes) {
    let mut cut = |what: &str, text: &mut String, max: usize| {
        if let Some((at, _)) = text.char_indices().nth(max) {
            text.truncate(at);
            notes.add("long_text", format!("{what}过长，只保留前 {max} 个字"));
        }
    };
    cut("标题", &mut content.headline, MAX_HEADLINE);
    cut("正文", &mut content.description, MAX_TEXT);
    cut("防御指南", &mut content.instruction, MAX_TEXT);
    cut("灾种", &mut content.hazard.0, MAX_WORD);
    for (what, text) in [("事件编号", &mut content.event), ("阶段", &mut content.stage), ("发布单位", &mut content.sender_name)] {
        if let Some(text) = text {
            cut(what, text, MAX_WORD);
        }
    }
}

/// The text's own verb, where the type says less: a bureau's program often sends every message as an alert.
fn heed_the_text(content: &mut Content, notes: &mut Notes) {
    match (words::deed(&content.headline), content.message_type) {
        (Some(Deed::Lifted), MessageType::Alert | MessageType::Update) => {
            content.message_type = MessageType::Cancel;
            notes.add("text_says_lifted", "标题写的是解除或取消，报文类型不是；按解除处理，不叫应任何人，请核对");
        }
        (Some(Deed::Renewed), MessageType::Alert) => {
            content.message_type = MessageType::Update;
            notes.add("text_says_update", "标题写的是升级、降级、变更或继续发布，报文类型是首次发布；按更新处理");
        }
        _ => {}
    }
}

fn tidy_references(content: &mut Content, notes: &mut Notes) {
    let mut seen = std::collections::BTreeSet::new();
    content.references.retain(|r| !r.is_empty() && r.chars().count() <= MAX_ID && seen.insert(r.clone()));
    if content.message_type != MessageType::Cancel {
        let before = content.references.len();
        let own = &content.identifier;
        content.references.retain(|r| r != own);
        if content.references.len() < before {
            notes.add("self_reference", "报文引用了它自己的编号，已忽略该引用");
        }
        if content.message_type == MessageType::Update && content.references.is_empty() {
            notes.add(
                "update_without_references",
                "更新报文没有说明更新哪一条预警；同一单位、同一灾种、区域不小于原区域的在效预警视为其前一条，没有则按新预警处理",
            );
        }
    }
}

/// The same shape once, at its higher level.
fn distinct(areas: Vec<Area>) -> Vec<Area> {
    let mut at: BTreeMap<String, usize> = BTreeMap::new();
    let mut kept: Vec<Area> = Vec::with_capacity(areas.len());
    for area in areas {
        let key = key(&area.shape);
        match at.get(&key).and_then(|i| kept.get_mut(*i)) {
            Some(first) => {
                // `None` is the message's own level, which is the highest.
                first.level = match (first.level, area.level) {
                    (Some(a), Some(b)) => Some(if b.rank() > a.rank() { b } else { a }),
                    _ => None,
                };
                first.name = first.name.take().or(area.name);
            }
            None => {
                at.insert(key, kept.len());
                kept.push(area);
            }
        }
    }
    kept
}

/// A text that is equal for equal shapes.
pub(super) fn key(shape: &Shape) -> String {
    match shape {
        Shape::Division(d) => d.to_string(),
        other => format!("{other:?}"),
    }
}

/// The message's level is the highest in it; an area names its own only where it differs.
fn raise_to_highest(content: &mut Content, notes: &mut Notes) {
    let own = content.level;
    let highest = content.areas.iter().filter_map(|a| a.level).max_by_key(|l| l.rank()).filter(|l| l.rank() > own.rank());
    if let Some(highest) = highest {
        notes.add(
            "area_above_level",
            format!("有区域的级别（{}）高于全文级别（{}），全文按{}处理", highest.name_zh(), own.name_zh(), highest.name_zh()),
        );
        for area in content.areas.iter_mut().filter(|a| a.level.is_none()) {
            area.level = Some(own);
        }
        content.level = highest;
    }
    for area in &mut content.areas {
        area.level = area.level.filter(|l| *l != content.level);
    }
}

/// What is odd about a message that calls somebody.
fn look(content: &Content, notes: &mut Notes) {
    if content.hazard.name().is_none() {
        notes.add("unknown_hazard", format!("灾种编码“{}”不在代码表中，按其大类处理", quote(&content.hazard.0)));
    }
    if content.level == Level::Unknown {
        notes.add("unknown_level", "没有读到预警级别，按橙色叫应");
    }
    match content.expires {
        None => notes.add("no_expiry", "报文没有失效时间，按规则的默认时长处理"),
        Some(end) if end <= content.sent => notes.add("expires_before_sent", "失效时间不晚于发布时间，请核对"),
        Some(end) if content.effective.is_some_and(|e| e > end) => notes.add("effective_after_expires", "生效时间晚于失效时间，请核对"),
        Some(end) if content.onset.is_some_and(|o| o > end) => notes.add("onset_after_expires", "开始时间晚于失效时间，请核对"),
        Some(_) => {}
    }
    if content.areas.is_empty() {
        notes.add("no_area", "没有读到任何影响区域，需要人工确定");
    }
    if content.areas.iter().any(|a| outside_china(&a.shape)) {
        notes.add("outside_china", "有区域的坐标在中国范围以外，请核对");
    }
    if ["解除", "取消", "撤销"].iter().any(|w| content.headline.contains(w)) {
        notes.add("text_mentions_lifting", "标题里有解除或取消的字样，但说的不是解除本预警；仍按预警处理，请核对");
    }
}

fn outside_china(shape: &Shape) -> bool {
    match shape {
        Shape::Polygon(ring) | Shape::Line(ring) => !ring.iter().all(is_in_china),
        Shape::Circle { center, .. } => !is_in_china(center),
        Shape::Division(_) | Shape::Point(_) | Shape::Named(_) => false,
    }
}
