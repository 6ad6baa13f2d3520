//! CAP 1.2, 1.1 and 1.0 (OASIS Common Alerting Protocol): read leniently with findings, written strictly.
//!
//! Elements are found by name, not by order; empty ones count as absent; resources, links and
//! signatures are not read (nothing is fetched, and who sent it is proved by the request's own
//! signature). What a warning cannot do without (identifier, sent, status, msgType) is never guessed.

pub(super) mod area;
pub(super) mod info;
mod write;

use super::{
    check, merge,
    notes::Notes,
    refuse,
    text::{self, quote},
    xml::{Node, Vocabulary},
};
use crate::core::{
    ids::is_national_identifier,
    time::Time,
    warning::{Content, FieldError, MessageType, Parsed, Refusal, Status},
};

pub use write::write_cap;

/// Names of the parameters that carry what CAP has no element for.
pub mod names {
    /// The colour: `red`, `orange`, `yellow`, `blue` or `unknown`; stands above headline and severity.
    pub const LEVEL: &str = "jiaoying:level";
    /// A stage such as `T-2h` or `立即转移`.
    pub const STAGE: &str = "jiaoying:stage";
    /// The issuer's id shared by staged warnings of one event.
    pub const EVENT: &str = "jiaoying:event";
    /// As `valueName` of an area's geocode: the code of a hazard point, reservoir or device.
    pub const POINT: &str = "jiaoying:point";
    /// As `valueName` of an `eventCode`: the national list.
    pub const EVENT_CODE: &str = "GB/T 35561";
    /// As `valueName` of an area's geocode: a 12-digit division.
    pub const DIVISION: &str = "GB/T 2260";
    /// Stands where CAP asks for a description of an area that has none.
    pub const UNNAMED: &str = "未命名区域";
    /// Stands where CAP asks for an event and a cancel names none.
    pub const UNSAID: &str = "未说明";
}

const STATUS: &[(&str, Status)] = &[
    ("Actual", Status::Actual),
    ("Exercise", Status::Exercise),
    ("System", Status::System),
    ("Test", Status::Test),
    ("Draft", Status::Draft),
];

/// What a message is for; Ack and Error are traffic between systems.
#[derive(Clone, Copy)]
enum Kind {
    Warning(MessageType),
    Traffic,
}
const KIND: &[(&str, Kind)] = &[
    ("Alert", Kind::Warning(MessageType::Alert)),
    ("Update", Kind::Warning(MessageType::Update)),
    ("Cancel", Kind::Warning(MessageType::Cancel)),
    // A spelling that clients of the national system really send.
    ("Cancle", Kind::Warning(MessageType::Cancel)),
    ("Ack", Kind::Traffic),
    ("Error", Kind::Traffic),
];

/// What stands at the head of every XML message, CAP and national alike.
pub(super) struct Head {
    pub identifier: String,
    pub sent: Time,
    pub status: Status,
    pub message_type: MessageType,
}

/// Reads the head; every missing or impossible part of it is named in one refusal.
pub(super) fn head(root: &Node, sent_name: &str, notes: &mut Notes) -> Result<Head, Refusal> {
    let mut errors = Vec::new();
    let mut fault = |name: &str, detail: String| errors.push(FieldError { pointer: format!("/alert/{name}"), detail });

    let identifier = root.line("identifier").unwrap_or_default();
    if identifier.is_empty() {
        fault("identifier", "is missing; without it the same message cannot be known again".into());
    } else if identifier.chars().count() > 512 {
        fault("identifier", "is longer than 512 characters".into());
    } else if identifier.contains([' ', ',', '<', '&']) {
        notes.add("odd_identifier", format!("编号“{}”含有空格、逗号等不应出现的字符，已原样采用", quote(&identifier)));
    }
    let sent = match root.line(sent_name) {
        None => {
            fault(sent_name, "is missing".into());
            None
        }
        Some(word) => {
            let read = text::lenient_time(&word);
            match read {
                None => fault(sent_name, format!("`{}` is not a time that exists, such as 2024-07-08T16:15:00+08:00", quote(&word))),
                Some((_, true)) => notes.add("no_offset", "发布时间没有时区，按北京时间读取"),
                Some((_, false)) => {}
            }
            read.map(|(t, _)| t)
        }
    };
    let status = word(root, "status", STATUS, notes).unwrap_or_else(|why| {
        fault("status", why);
        None
    });
    let kind = word(root, "msgType", KIND, notes).unwrap_or_else(|why| {
        fault("msgType", why);
        None
    });
    let message_type = match kind {
        Some(Kind::Traffic) => {
            fault("msgType", "Ack and Error are answers between systems; they concern no recipient and are not taken".into());
            None
        }
        Some(Kind::Warning(m)) => Some(m),
        None => None,
    };
    match (sent, status, message_type) {
        (Some(sent), Some(status), Some(message_type)) if errors.is_empty() => Ok(Head { identifier, sent, status, message_type }),
        _ => Err(Refusal::Invalid(errors)),
    }
}

/// A word of a fixed list, spelt exactly or (with a finding) in other letters.
fn word<T: Copy>(root: &Node, name: &str, table: &[(&str, T)], notes: &mut Notes) -> Result<Option<T>, String> {
    let Some(value) = root.line(name) else {
        return Err("is missing".into());
    };
    match table.iter().find(|(w, _)| w.eq_ignore_ascii_case(&value)) {
        Some((w, t)) => {
            if *w != value || *w == "Cancle" {
                notes.add("odd_word", format!("{name} 写作“{}”，已按规定的词读取", quote(&value)));
            }
            Ok(Some(*t))
        }
        None => Err(format!(
            "`{}` is not one of {}",
            quote(&value),
            table.iter().map(|(w, _)| *w).filter(|w| *w != "Cancle").collect::<Vec<_>>().join(", ")
        )),
    }
}

/// Whether the scope keeps a message from those who are not called.
pub(super) fn is_restricted(root: &Node) -> bool {
    root.line("scope").is_some_and(|s| s.eq_ignore_ascii_case("Restricted") || s.eq_ignore_ascii_case("Private"))
}

/// Reads an `alert` in one of the CAP vocabularies (or in none, or in one nobody knows: with a finding).
///
/// # Errors
/// [`Refusal::Invalid`] when identifier, sent, status or msgType is missing or impossible, when it is an
/// Ack or Error, or a cancel that names nothing to cancel.
pub(super) fn read(root: &Node, sender_default: &str, mut notes: Notes) -> Result<Parsed, Refusal> {
    let notes_ref = &mut notes;
    match root.vocabulary {
        Vocabulary::Cap10 | Vocabulary::Cap11 | Vocabulary::Cap12 => {}
        _ => notes_ref.add("unknown_namespace", "报文的命名空间不是 CAP 的，按 CAP 1.2 读取"),
    }
    let head = head(root, "sent", notes_ref)?;
    if root.vocabulary == Vocabulary::Cap12
        && let Some(word) = root.line("sent").filter(|w| w.ends_with(['Z', 'z']) || w.contains('.'))
    {
        notes_ref.add("odd_time", format!("发布时间“{}”的写法不合 CAP 1.2（应为数字时区、整秒），已照读", quote(&word)));
    }
    if !root.has("scope") && root.vocabulary != Vocabulary::Cap10 {
        notes_ref.add("no_scope", "报文没有写明发布范围，按公开处理");
    }
    let sender = root.line("sender").unwrap_or_else(|| {
        notes_ref.add("no_sender", "报文没有发送者，按投递它的发布单位处理");
        sender_default.to_string()
    });
    let references = references(root, notes_ref);
    let is_cancel = head.message_type == MessageType::Cancel;
    if is_cancel && references.is_empty() {
        return Err(refuse("/alert/references", "is missing; a cancel must name the message it cancels as sender,identifier,sent"));
    }
    let infos: Vec<merge::Info> = root.all("info").enumerate().map(|(n, i)| info::read(i, n + 1, notes_ref)).collect();
    if infos.is_empty() && !is_cancel {
        notes_ref.add("no_info", "报文没有正文（info），级别和区域需要人工确定");
    }
    let mut merged = merge::merge(infos, is_cancel, notes_ref);
    // The national system's feed puts the person who signed into senderName.
    if is_national_identifier(&head.identifier)
        && let Some(name) = merged.sender_name.take_if(|n| !super::words::is_office(n))
    {
        drop(name);
        notes_ref.add("signer_dropped", "senderName 是签发人姓名而不是单位，未保留");
        merged.sender_name = super::words::headline_issuer(&merged.headline);
    }
    if let Some(incidents) = root.line("incidents") {
        merged.parameters.entry("incidents".into()).or_insert(incidents);
    }
    let stage = merged.parameters.remove(names::STAGE);
    let event = merged.parameters.remove(names::EVENT);
    merged.parameters.remove(names::LEVEL);
    let content = Content {
        identifier: head.identifier,
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
        event,
        stage,
        sender_name: merged.sender_name,
        parameters: merged.parameters,
        restricted: is_restricted(root),
    };
    check::finish(content, notes)
}

/// The identifiers in `references`: triples `sender,identifier,sent` by the standard, and what people
/// write instead (joined by commas, without sent, the identifier alone, `reference`).
pub(super) fn references(root: &Node, notes: &mut Notes) -> Vec<String> {
    let whole = root.line("references").or_else(|| {
        let other = root.line("reference");
        if other.is_some() {
            notes.add("odd_references", "引用写在 reference 里（应为 references），已采用");
        }
        other
    });
    let mut found = Vec::new();
    for token in whole.unwrap_or_default().split_whitespace() {
        let parts: Vec<&str> = token.split(',').map(str::trim).filter(|p| !p.is_empty()).collect();
        match parts.as_slice() {
            [] => {}
            [_, identifier, _] => found.push(identifier.to_string()),
            [alone] => found.push(alone.to_string()),
            many if many.len().is_multiple_of(3) => {
                notes.add("odd_references", "引用之间用了逗号而不是空格，已拆开");
                found.extend(many.chunks_exact(3).filter_map(|c| c.get(1)).map(|i| i.to_string()));
            }
            [_, identifier, ..] => {
                notes.add("odd_references", format!("引用“{}”不是“发送者,编号,时间”三部分，取第二部分为编号", quote(token)));
                found.push(identifier.to_string());
            }
        }
    }
    found
}
