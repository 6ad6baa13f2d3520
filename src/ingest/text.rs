//! Text as it may go on: to SMS, to voices, to screens. Control characters and direction overrides
//! are taken out here, once, so that nobody behind has to think of them. Also times as they are
//! really written, and the lists with full-width commas.

use crate::core::time::Time;
use jiff::civil;

/// Characters that have no place in a warning: controls, direction overrides and marks, invisible
/// joins that hide text, noncharacters, tags.
pub(super) fn forbidden(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        c if c.is_control() => true,
        '\u{061C}' | '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}' => true,
        '\u{2028}' | '\u{2029}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}' | '\u{FDD0}'..='\u{FDEF}' => true,
        c => (c as u32) & 0xFFFE == 0xFFFE,
    }
}

/// A text of several lines: line ends become `\n`, what is forbidden goes, the ends are trimmed.
pub(super) fn clean(s: &str) -> String {
    let kept: String = s.replace("\r\n", "\n").replace(['\r', '\u{2028}', '\u{2029}'], "\n").chars().filter(|c| !forbidden(*c)).collect();
    kept.trim().to_string()
}

/// A text of one line: every run of white space becomes one space.
pub(super) fn line(s: &str) -> String {
    let kept: String = s.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).filter(|c| !forbidden(*c)).collect();
    let mut out = String::with_capacity(kept.len());
    for word in kept.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}

/// Outside text for an error or a finding: one line, at most 60 characters.
pub(super) fn quote(s: &str) -> String {
    let short: String = s.chars().take(200).collect();
    let one = line(&short);
    if one.chars().count() > 60 || short.len() < s.len() { one.chars().take(60).chain(['…']).collect() } else { one }
}

/// The parts of a list with ASCII or full-width separators, trimmed, without empty ones.
pub(super) fn list(s: &str) -> impl Iterator<Item = &str> {
    s.split([',', '，', '、', ';', '；', '|']).map(str::trim).filter(|p| !p.is_empty())
}

/// A time as senders write it: RFC 3339, a space for the `T`, slashes, or no offset (`true`: then it
/// was read as Beijing time). `None` when it is no time, or one that does not exist.
pub(super) fn lenient_time(s: &str) -> Option<(Time, bool)> {
    let s = s.trim();
    if s.len() > 64 || !s.contains(':') {
        return None;
    }
    if let Ok(t) = Time::parse_rfc3339(s) {
        return Some((t, false));
    }
    let dashed = s.replace('/', "-");
    if let Ok(t) = Time::parse_rfc3339(&dashed) {
        return Some((t, false));
    }
    // A zone that cannot be read is not the same as none: never read as Beijing by mistake.
    if !dashed.chars().all(|c| c.is_ascii_digit() || matches!(c, '-' | ':' | '.' | ' ' | 'T')) || has_offset(&dashed) {
        return None;
    }
    dashed.parse::<civil::DateTime>().ok().and_then(Time::from_beijing).map(|t| (t, true))
}

/// Whether something like an offset stands behind the time of day.
fn has_offset(s: &str) -> bool {
    s.split_once(':').is_some_and(|(_, rest)| rest.contains('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_turn_or_hide_text_is_taken_out() {
        assert_eq!(clean("\u{FEFF} 转移\u{202E}至\u{0007}高处\r\n立即\u{200B} "), "转移至高处\n立即");
        assert_eq!(line("  a\r\n\tb\u{3000}c "), "a b c");
        assert_eq!(quote(&"长".repeat(5000)).chars().count(), 61);
    }

    #[test]
    fn times_are_read_as_senders_write_them() {
        let beijing = |s: &str| lenient_time(s).map(|(t, guessed)| (t.rfc3339(), guessed));
        let at = |s: &str, g: bool| Some((s.to_string(), g));
        assert_eq!(beijing("2020-02-05 10:45:00+08:00"), at("2020-02-05T10:45:00+08:00", false));
        assert_eq!(beijing("2010-08-31T00:09:25-00:00"), at("2010-08-31T08:09:25+08:00", false));
        assert_eq!(beijing("2016-03-10T22:12:03.770Z"), at("2016-03-11T06:12:03.770+08:00", false));
        assert_eq!(beijing("2026/10/06 20:28"), at("2026-10-06T20:28:00+08:00", true));
        assert_eq!(beijing("2026-08-23 17:08:00.0"), at("2026-08-23T17:08:00+08:00", true));
        for bad in ["", "2024-02-31T10:00:00+08:00", "2024-07-08", "tomorrow 10:00", "2024-07-08T10:00:00 CST", "2024-07-08T10:00:00-99:99"]
        {
            assert_eq!(beijing(bad), None, "{bad}");
        }
    }
}
