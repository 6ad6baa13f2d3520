//! Replies that were worked through: a push that comes again (providers repeat one they think unanswered, for up to a day)
//! is no second word of its person. A bare 收到 heard twice would answer an ask that was sent in between.

use super::{DIGIT_REST, Line};
use crate::core::time::{Span, Time};
use serde::{Deserialize, Serialize};

/// Where nothing but the words tells two replies apart, the same words are the same reply for so long. Longer than a
/// carrier's line needs to be bound again and to repeat what it was not thanked for; whoever writes 收到 twice within it for
/// two asks is rung for the second, and may press the key.
const SAME_WORDS: Span = Span::mins(5);
/// Replies of a number that are kept.
const KEPT: usize = 60;

/// One reply.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Heard {
    /// Account and the provider's name for it, shortened.
    #[serde(rename = "k")]
    pub key: String,
    #[serde(rename = "t")]
    pub at: Time,
}

impl Line {
    /// Whether this reply, which arrived at `at`, was worked through already. `named`: its key holds the provider's number or
    /// time of it, so that no other reply has it.
    pub fn heard_before(&self, key: &str, named: bool, at: Time) -> bool {
        let within = if named { DIGIT_REST } else { SAME_WORDS };
        self.heard.iter().any(|h| h.key == key && at < h.at + within)
    }

    pub(super) fn hear(&mut self, key: &str, at: Time) {
        self.heard.retain(|h| h.key != key);
        if self.heard.len() >= KEPT {
            self.heard.remove(0);
        }
        self.heard.push(Heard { key: key.to_string(), at });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::line::{LineEvent, step};

    fn after(minutes: i64) -> Time {
        Time(1_783_000_000_000) + Span::mins(minutes)
    }

    #[test]
    fn a_reply_is_heard_once_for_a_day_where_it_has_a_name_and_for_minutes_where_only_its_words_tell() {
        let line = step(&Line::default(), &LineEvent::Heard { key: "k".into() }, after(0)).state;
        assert!(!line.heard_before("other", true, after(1)));
        assert!(line.heard_before("k", true, after(23 * 60)) && !line.heard_before("k", true, after(24 * 60)));
        assert!(line.heard_before("k", false, after(4)) && !line.heard_before("k", false, after(5)));
    }

    #[test]
    fn a_number_remembers_its_last_replies_and_forgets_those_of_yesterday() {
        let mut line = Line::default();
        for n in 0..100 {
            line = step(&line, &LineEvent::Heard { key: n.to_string() }, after(0)).state;
        }
        assert_eq!((line.heard.len(), line.heard[0].key.as_str()), (KEPT, "40"));
        line = step(&line, &LineEvent::Tick, after(25 * 60)).state;
        assert!(line.heard.is_empty());
    }
}
