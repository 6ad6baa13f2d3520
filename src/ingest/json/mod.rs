//! The native JSON warning of the contract. Strict where a slip could lose something silently:
//! unknown and doubled fields are refused. Every fault is named with its pointer, all in one answer.

mod area;
mod form;
pub(in crate::ingest) mod value;

use super::{check, notes::Notes, words};
use crate::core::{
    hazard::{HazardCode, Level},
    warning::{Content, MessageType, Parsed, Refusal, Status},
};
use form::Form;
use value::Value;

/// Every field a warning may have; anything else is misspelt.
const FIELDS: &[&str] = &[
    "identifier",
    "sent",
    "status",
    "message_type",
    "references",
    "hazard",
    "level",
    "headline",
    "description",
    "instruction",
    "effective",
    "onset",
    "expires",
    "areas",
    "event",
    "stage",
    "sender_name",
    "parameters",
];

const STATUS: &[(&str, Status)] = &[
    ("actual", Status::Actual),
    ("exercise", Status::Exercise),
    ("system", Status::System),
    ("test", Status::Test),
    ("draft", Status::Draft),
];
const MESSAGE_TYPE: &[(&str, MessageType)] =
    &[("alert", MessageType::Alert), ("update", MessageType::Update), ("cancel", MessageType::Cancel)];
const LEVEL: &[(&str, Level)] =
    &[("red", Level::Red), ("orange", Level::Orange), ("yellow", Level::Yellow), ("blue", Level::Blue), ("unknown", Level::Unknown)];

/// Longest texts, in characters. The description may be long; what is spoken and listed may not.
const MAX_WORD: usize = 200;
const MAX_HEADLINE: usize = 1_000;
const MAX_TEXT: usize = 100_000;

/// Reads a decoded body; `sender` is the issuer's id.
pub(super) fn read(text: &str, sender: &str, mut notes: Notes) -> Result<Parsed, Refusal> {
    let root = value::parse(text)?;
    let Value::Object(fields) = &root else {
        return Err(Refusal::Malformed(format!("the body is {}; a warning is a JSON object", root.kind())));
    };
    let mut form = Form::default();
    form.known_only("", fields, FIELDS);
    let get = |name: &str| form::field(fields, name);

    let identifier = form.identifier("/identifier", get("identifier"));
    let sent = form.required("/sent", get("sent"), Form::time);
    let status = form.required("/status", get("status"), |f, p, v| f.word(p, v, STATUS));
    let message_type = form.required("/message_type", get("message_type"), |f, p, v| f.word(p, v, MESSAGE_TYPE));
    let is_cancel = message_type == Some(MessageType::Cancel);
    let references = form.texts("/references", get("references"), MAX_WORD);
    if is_cancel && get("references").is_none_or(Value::is_empty_list) {
        form.fault("/references", "a cancel must name the identifiers of the messages it cancels");
    }

    let needed = !is_cancel;
    let hazard = form.needed(needed, "/hazard", get("hazard"), |f, p, v| f.line(p, v, MAX_WORD));
    let level = form.needed(needed, "/level", get("level"), |f, p, v| f.word(p, v, LEVEL));
    let headline = form.needed(needed, "/headline", get("headline"), |f, p, v| f.line(p, v, MAX_HEADLINE));
    let areas = form.needed(needed, "/areas", get("areas"), |f, p, v| area::read_all(f, p, v, needed, &mut notes));
    let description = get("description").and_then(|v| form.lines("/description", v, MAX_TEXT));
    let instruction = get("instruction").and_then(|v| form.lines("/instruction", v, MAX_TEXT));
    let effective = get("effective").and_then(|v| form.time("/effective", v));
    let onset = get("onset").and_then(|v| form.time("/onset", v));
    let expires = get("expires").and_then(|v| form.time("/expires", v));
    let event = get("event").and_then(|v| form.line("/event", v, MAX_WORD));
    let stage = get("stage").and_then(|v| form.line("/stage", v, MAX_WORD));
    let sender_name = get("sender_name").and_then(|v| form.line("/sender_name", v, MAX_WORD));
    let parameters = get("parameters").map(|v| form.parameters("/parameters", v)).unwrap_or_default();

    let (Some(identifier), Some(sent), Some(status), Some(message_type)) = (identifier, sent, status, message_type) else {
        return Err(form.refusal());
    };
    if form.has_faults() {
        return Err(form.refusal());
    }
    let content = Content {
        identifier,
        sender: sender.to_string(),
        sent,
        status,
        message_type,
        references,
        hazard: hazard_code(hazard.unwrap_or_default(), &mut notes),
        level: level.unwrap_or(Level::Unknown),
        headline: headline.unwrap_or_default(),
        description: description.unwrap_or_default(),
        instruction: instruction.unwrap_or_default(),
        effective,
        onset,
        expires,
        areas: areas.unwrap_or_default(),
        event,
        stage,
        sender_name,
        parameters,
        restricted: false,
    };
    check::finish(content, notes)
}

/// A code stands as it is; a hazard's own name is taken for its code.
fn hazard_code(text: String, notes: &mut Notes) -> HazardCode {
    let code = HazardCode(text);
    if code.0.is_empty() || code.name().is_some() || words::is_event_code(&code.0) {
        return code;
    }
    match words::hazard_in(&code.0) {
        Some(found) => {
            notes.add("hazard_from_text", format!("灾种“{}”不是编码，读作 {found}", super::text::quote(&code.0)));
            found
        }
        None => code,
    }
}
