//! What texts of a sender mean: levels, words, times in all the ways machines write them.

use crate::{
    core::{
        hazard::Level,
        time::{BEIJING_OFFSET_MS, Span, Time},
        warning::{MessageType, Status},
    },
    ingest::{text, words},
};

const LEVELS: &[(&str, Level)] =
    &[("red", Level::Red), ("orange", Level::Orange), ("yellow", Level::Yellow), ("blue", Level::Blue), ("unknown", Level::Unknown)];
const STATUS: &[(&str, Status)] = &[
    ("actual", Status::Actual),
    ("exercise", Status::Exercise),
    ("system", Status::System),
    ("test", Status::Test),
    ("draft", Status::Draft),
];
const TYPES: &[(&str, MessageType)] = &[("alert", MessageType::Alert), ("update", MessageType::Update), ("cancel", MessageType::Cancel)];

fn of<T: Copy>(table: &[(&str, T)], word: &str) -> Option<T> {
    table.iter().find(|(w, _)| w.eq_ignore_ascii_case(word.trim())).map(|(_, t)| *t)
}

/// A level's own word, or a colour: `red`, `Red`, `红色`.
pub(super) fn level(word: &str) -> Option<Level> {
    of(LEVELS, word).or_else(|| words::field_colour(word))
}

/// The colour a field or a headline names.
pub(super) fn colour(text: &str) -> Option<Level> {
    words::headline_colour(text).or_else(|| words::field_colour(text)).or_else(|| words::numeral_level(text))
}

pub(super) fn status(word: &str) -> Option<Status> {
    of(STATUS, word)
}
pub(super) fn message_type(word: &str) -> Option<MessageType> {
    of(TYPES, word)
}

/// The words a field's tables may lead to; `None` for free texts.
pub(super) fn words(field: &str) -> Option<Vec<&'static str>> {
    match field {
        "level" => Some(LEVELS.iter().map(|(w, _)| *w).collect()),
        "status" => Some(STATUS.iter().map(|(w, _)| *w).collect()),
        "message_type" => Some(TYPES.iter().map(|(w, _)| *w).collect()),
        _ => None,
    }
}

/// A time: RFC 3339, with a space or slashes, without seconds or offset (then in `zone`), compact
/// (`20180121223442`), or seconds or milliseconds since 1970.
pub(super) fn time(raw: &str, zone: Span) -> Option<Time> {
    let raw = raw.trim();
    let shift = |t: Time| t + Span(BEIJING_OFFSET_MS - zone.0);
    if raw.len() <= 14 && raw.bytes().all(|b| b.is_ascii_digit()) {
        let part = |a: usize, b: usize| raw.get(a..b).unwrap_or("00");
        return match raw.len() {
            10 => raw.parse::<i64>().ok().map(|s| Time(s * 1000)),
            13 => raw.parse::<i64>().ok().map(Time),
            12 | 14 => {
                let spelt = format!("{}-{}-{}T{}:{}:{}", part(0, 4), part(4, 6), part(6, 8), part(8, 10), part(10, 12), part(12, 14));
                text::lenient_time(&spelt).map(|(t, _)| shift(t))
            }
            _ => None,
        };
    }
    let (read, guessed) = text::lenient_time(raw)?;
    Some(if guessed { shift(read) } else { read })
}

/// `+08:00`, `-03:30`, `Z`.
pub(super) fn zone(text: &str) -> Option<Span> {
    if text == "Z" {
        return Some(Span::ZERO);
    }
    let (sign, rest) = match (text.strip_prefix('+'), text.strip_prefix('-')) {
        (Some(rest), _) => (1, rest),
        (_, Some(rest)) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    let number = |s: &str, most: i64| s.parse::<i64>().ok().filter(|n| s.len() == 2 && (0..=most).contains(n));
    Some(Span(sign * (number(hours, 14)? * 3_600_000 + number(minutes, 59)? * 60_000)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_machines_write_them() {
        let read = |s: &str| time(s, Span::hours(8)).map(Time::rfc3339);
        for same in [
            "1753583100",
            "1753583100000",
            "2025-07-27 10:25:00",
            "2025/07/27 10:25",
            "20250727102500",
            "202507271025",
            "2025-07-27T10:25+08:00",
        ] {
            assert_eq!(read(same).as_deref(), Some("2025-07-27T10:25:00+08:00"), "{same}");
        }
        assert_eq!(time("2025-07-27 02:25:00", Span::ZERO).map(Time::rfc3339).as_deref(), Some("2025-07-27T10:25:00+08:00"));
        for bad in ["", "12", "20251327102500", "soon", "27日10时"] {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert_eq!((zone("+08:00"), zone("Z"), zone("-03:30")), (Some(Span::hours(8)), Some(Span::ZERO), Some(Span::mins(-210))));
        assert_eq!((zone("8"), zone("+8:00"), zone("+99:00")), (None, None, None));
    }

    #[test]
    fn levels_are_words_or_colours() {
        assert_eq!((level("RED"), level("橙色"), level("2")), (Some(Level::Red), Some(Level::Orange), None));
        assert_eq!(colour("吉安市气象台发布大雾橙色预警信号[II级/严重]"), Some(Level::Orange));
        assert_eq!(colour("天津市气象局发布道路结冰预警/III级/较重"), Some(Level::Yellow));
    }
}
