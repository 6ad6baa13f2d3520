//! The national internal format (国家突发事件预警信息发布系统, 国突): like CAP, and different in every
//! detail that matters. Colours for severities, circles in metres, unclosed polygons that are lines,
//! codes in comma lists, times with a space, and the name of the person who signed, which is not kept.

use super::{
    cap::{self, area, info::time},
    check,
    merge::{self, Info},
    notes::Notes,
    refuse,
    shape::{self, Unclosed},
    text::{self, quote},
    words,
    xml::{Node, Vocabulary},
};
use crate::core::{
    hazard::{HazardCode, Level},
    ids::is_national_identifier,
    warning::{Area, Content, MessageType, Parsed, Refusal, Shape},
};

/// Whether an `alert` is in this format: none of CAP's vocabularies, and children only it has.
pub fn is_national(root: &Node) -> bool {
    let own = matches!(root.vocabulary, Vocabulary::None | Vocabulary::National);
    own && (root.has("sendTime") || root.has("senderCode")) && !root.has("sent")
}

/// Reads a national message.
///
/// # Errors
/// As for CAP: [`Refusal::Invalid`] without identifier, sendTime, status or msgType, for Ack and Error,
/// and for a cancel that names nothing.
pub(super) fn read(root: &Node, sender_default: &str, mut notes: Notes) -> Result<Parsed, Refusal> {
    let notes_ref = &mut notes;
    let head = cap::head(root, "sendTime", notes_ref)?;
    let sender_code = root.line("senderCode");
    let sender = root.line("sender").or_else(|| sender_code.clone()).unwrap_or_else(|| {
        notes_ref.add("no_sender", "报文没有发送者，按投递它的发布单位处理");
        sender_default.to_string()
    });
    // The identifier of the event's first message, alone.
    let references = references(root, notes_ref);
    let is_cancel = head.message_type == MessageType::Cancel;
    if is_cancel && references.is_empty() {
        return Err(refuse("/alert/references", "is missing; a cancel must name the identifier of the first message of the event"));
    }
    let infos: Vec<Info> = root.all("info").enumerate().map(|(n, i)| block(i, n + 1, root, notes_ref)).collect();
    if infos.is_empty() && !is_cancel {
        notes_ref.add("no_info", "报文没有正文（info），级别和区域需要人工确定");
    }
    let merged = merge::merge(infos, is_cancel, notes_ref);
    let inner = root.line("secClassification").is_some_and(|s| s.eq_ignore_ascii_case("Inner"));
    let mut parameters = merged.parameters;
    if let Some(code) = sender_code {
        parameters.insert("senderCode".into(), code);
    }
    let content = Content {
        identifier: head.identifier,
        sender_name: root.line("sender").or_else(|| words::headline_issuer(&merged.headline)),
        sender,
        sent: head.sent,
        status: head.status,
        message_type: head.message_type,
        references,
        hazard: merged.hazard,
        level: merged.level,
        headline: merged.headline,
        description: merged.description,
        instruction: merged.instruction,
        effective: merged.effective,
        onset: merged.onset,
        expires: merged.expires,
        areas: merged.areas,
        event: None,
        stage: None,
        parameters,
        restricted: inner || cap::is_restricted(root),
    };
    check::finish(content, notes)
}

/// Identifiers alone, with commas between several; what has no such form is read as CAP's triples.
fn references(root: &Node, notes: &mut Notes) -> Vec<String> {
    let whole = root.line("references").unwrap_or_default();
    let alone: Vec<String> =
        text::list(&whole).flat_map(str::split_whitespace).filter(|r| is_national_identifier(r)).map(str::to_string).collect();
    if alone.is_empty() { cap::references(root, notes) } else { alone }
}

fn block(node: &Node, n: usize, root: &Node, notes: &mut Notes) -> Info {
    let headline = node.line("headline").unwrap_or_default();
    let description = node.lines("description").or_else(|| method_message(root)).unwrap_or_default();
    Info {
        language: node.line("language").unwrap_or_else(|| "zh-CN".into()).to_ascii_lowercase(),
        event: node.line("event").unwrap_or_default(),
        hazard: node.line("eventType").map(|c| hazard(&c, &headline, notes)),
        level: level(node, &headline, notes),
        effective: time(node, "effective", notes),
        onset: time(node, "onset", notes),
        expires: time(node, "expires", notes),
        instruction: node.lines("instruction").unwrap_or_default(),
        // info/senderName is the person who signed: personal data with no use here.
        sender_name: None,
        parameters: Vec::new(),
        areas: node.all("area").enumerate().flat_map(|(a, area)| read_area(area, &format!("正文{n}区域{}", a + 1), notes)).collect(),
        headline,
        description,
    }
}

/// The text some systems give only per channel, inside `code/method`: the SMS one first.
fn method_message(root: &Node) -> Option<String> {
    let methods = || root.all("code").flat_map(|c| c.all("method"));
    let is_sms = |m: &&Node| m.line("methodName").is_some_and(|n| n.eq_ignore_ascii_case("SMS"));
    methods().filter(is_sms).find_map(|m| m.lines("message")).or_else(|| methods().find_map(|m| m.lines("message")))
}

/// The event code as it stands; words instead of a code are looked up.
fn hazard(code: &str, headline: &str, notes: &mut Notes) -> HazardCode {
    let upper = code.to_ascii_uppercase();
    if words::is_event_code(&upper) {
        return HazardCode(upper);
    }
    match words::hazard_in(code).or_else(|| words::hazard_in(headline)) {
        Some(found) => {
            notes.add("hazard_from_text", format!("事件编码“{}”不是编码，读作 {found}", quote(code)));
            found
        }
        None => HazardCode(code.chars().take(64).collect()),
    }
}

/// Severity is the colour here; the headline helps where it is unknown, and the higher counts where
/// they disagree.
fn level(node: &Node, headline: &str, notes: &mut Notes) -> Option<Level> {
    let word = node.line("severity").unwrap_or_default();
    let field = words::field_colour(&word).or_else(|| words::severity(&word));
    if field.is_none() && !word.is_empty() {
        notes.add("odd_severity", format!("severity“{}”不是规定的颜色", quote(&word)));
    }
    let field = field.filter(|l| *l != Level::Unknown);
    let said = words::headline_colour(headline).or_else(|| words::numeral_level(headline));
    match (field, said) {
        (Some(a), Some(b)) if a != b => {
            let higher = if b.rank() > a.rank() { b } else { a };
            notes.add("level_differs", format!("severity 写的是{}，标题写的是{}，按{}处理", a.name_zh(), b.name_zh(), higher.name_zh()));
            Some(higher)
        }
        (a, b) => a.or(b).or(Some(Level::Unknown)),
    }
}

fn read_area(node: &Node, place: &str, notes: &mut Notes) -> Vec<Area> {
    let name = area::name(node, notes);
    let place = match &name {
        Some(n) => format!("{place}（{}）", quote(n)),
        None => place.to_string(),
    };
    let mut shapes = Vec::new();
    for geocode in node.all("geocode") {
        let value = geocode.line("value").unwrap_or_else(|| text::line(&geocode.text));
        area::codes("", &value, &place, &mut shapes, notes);
    }
    for text in node.all("polygon").map(|p| p.text.trim()).filter(|t| !t.is_empty()) {
        match shape::pairs(text) {
            Ok(pairs) => {
                let positions = pairs.into_iter().map(|[lat, lon]| [lon, lat]).collect();
                shapes.extend(shape::ring(positions, Unclosed::Line, &place, notes));
            }
            Err(what) => notes.add("broken_shape", format!("{place}：多边形中“{what}”读不出坐标，已不采用")),
        }
    }
    for text in node.all("circle").map(|c| c.text.trim()).filter(|t| !t.is_empty()) {
        match shape::circle_text(text) {
            // Metres here, kilometres in CAP; 0 is a point.
            Ok(([lat, lon], metres)) => shapes.extend(shape::circle([lon, lat], metres / 1000.0, &place, notes)),
            Err(what) => notes.add("broken_shape", format!("{place}：圆“{what}”读不出圆心和半径，已不采用")),
        }
    }
    if shapes.is_empty() {
        let mut names: Vec<String> = name.as_deref().map(|n| text::list(n).map(str::to_string).collect()).unwrap_or_default();
        if names.is_empty() {
            notes.add("empty_area", format!("{place}：没有名称、编码和范围，已不采用"));
        }
        names.dedup();
        return names.into_iter().map(|n| Area { name: Some(n.clone()), shape: Shape::Named(n), level: None }).collect();
    }
    area::with_names(name, shapes, &place, notes)
}
