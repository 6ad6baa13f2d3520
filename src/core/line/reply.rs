//! What an SMS reply means (contract, SMS replies): `1`, `１`, `收到`, `已收到`, `收到1`, with spaces and
//! punctuation, answer; with several open asks each carries its own digit and a bare `收到` answers
//! none; any other text answers nothing and is read by an officer.

/// What is known of one ask of this number when a reply arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AskFacts {
    pub digit: u8,
    /// An attempt of it is accepted, delivered or unknown and was sent before the reply.
    pub counts: bool,
    /// Its callout still waits for this contact's answer.
    pub open: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplyMeaning {
    /// It answers the ask with this digit (which may have ended: then it is kept as evidence).
    Answers(u8),
    /// One message must ask which of these digits is meant.
    Which(Vec<u8>),
    /// An officer must read it; `about` is the ask it most likely concerns.
    Unreadable { about: Option<u8> },
}

/// Reads a reply against the asks of its number, newest last.
pub fn reply_meaning(text: &str, asks: &[AskFacts]) -> ReplyMeaning {
    let counted: Vec<&AskFacts> = asks.iter().filter(|a| a.counts).collect();
    let open: Vec<u8> = counted.iter().filter(|a| a.open).map(|a| a.digit).collect();
    let about = open.last().copied().or_else(|| counted.last().map(|a| a.digit));
    match read(text) {
        Some(Some(digit)) => match counted.iter().find(|a| a.digit == digit) {
            Some(a) => ReplyMeaning::Answers(a.digit),
            // Three figures are rather a number of something, unless so much was asked.
            None if digit > 99 => ReplyMeaning::Unreadable { about },
            None if !open.is_empty() => ReplyMeaning::Which(open),
            None => ReplyMeaning::Unreadable { about },
        },
        Some(None) => match open.as_slice() {
            [only] => ReplyMeaning::Answers(*only),
            [] => match counted.last() {
                Some(a) => ReplyMeaning::Answers(a.digit),
                None => ReplyMeaning::Unreadable { about },
            },
            _ => ReplyMeaning::Which(open),
        },
        None => ReplyMeaning::Unreadable { about },
    }
}

/// Whether it says which ask it answers.
pub fn names_digit(text: &str) -> bool {
    matches!(read(text), Some(Some(_)))
}

/// `Some(Some(n))`: a digit, alone or after 收到; `Some(None)`: a bare 收到; `None`: anything else.
fn read(text: &str) -> Option<Option<u8>> {
    let mut plain = String::new();
    let mut gap = false;
    for c in text.chars() {
        let c = match c {
            '０'..='９' => char::from_u32(c as u32 - '０' as u32 + '0' as u32)?,
            c => c,
        };
        if is_filler(c) {
            gap = true;
            continue;
        }
        // Two numbers side by side are not one number: `1 2` is not twelve.
        if gap && c.is_ascii_digit() && plain.ends_with(|p: char| p.is_ascii_digit()) {
            return None;
        }
        gap = false;
        plain.push(c);
    }
    let rest = plain.strip_prefix("已收到").or_else(|| plain.strip_prefix("收到"));
    let digits = rest.unwrap_or(&plain);
    if digits.is_empty() {
        return rest.map(|_| None);
    }
    if digits.len() > 3 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse::<u8>().ok().filter(|d| *d > 0).map(Some)
}

/// Spaces and punctuation around an answer.
fn is_filler(c: char) -> bool {
    c.is_whitespace() || c.is_ascii_punctuation() || "，。！？、；：～…（）【】“”\u{feff}\u{200b}".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(digit: u8, open: bool) -> AskFacts {
        AskFacts { digit, counts: true, open }
    }

    #[test]
    fn the_words_of_the_contract_answer_one_open_ask() {
        for text in ["1", "１", "收到", "已收到", "收到1", " 收 到 １。", "已收到！", "1.", "\u{feff}1"] {
            assert_eq!(reply_meaning(text, &[ask(1, true)]), ReplyMeaning::Answers(1), "{text}");
        }
    }

    #[test]
    fn any_other_text_answers_nothing() {
        for text in ["好的", "ok", "收到了", "你是谁", "11 12 13", "100", "0", "", "不在家", "收到1吗", "一", "1 2", "1,0", "1、2"]
        {
            let meaning = reply_meaning(text, &[ask(1, true)]);
            assert_eq!(meaning, ReplyMeaning::Unreadable { about: Some(1) }, "{text}");
        }
    }

    #[test]
    fn a_bare_word_with_several_open_asks_answers_none_and_asks_which() {
        let asks = [ask(1, true), ask(2, true)];
        assert_eq!(reply_meaning("收到", &asks), ReplyMeaning::Which(vec![1, 2]));
        assert_eq!(reply_meaning("2", &asks), ReplyMeaning::Answers(2));
        assert_eq!(reply_meaning("收到1", &asks), ReplyMeaning::Answers(1));
        assert_eq!(reply_meaning("3", &asks), ReplyMeaning::Which(vec![1, 2]));
    }

    #[test]
    fn the_digit_of_an_older_ask_never_answers_a_newer_one() {
        // Ask 1 was answered an hour ago; the reply `1` is about it, not about ask 2.
        assert_eq!(reply_meaning("1", &[ask(1, false), ask(2, true)]), ReplyMeaning::Answers(1));
        assert_eq!(reply_meaning("收到", &[ask(1, false), ask(2, true)]), ReplyMeaning::Answers(2));
    }

    #[test]
    fn the_hundredth_ask_of_a_day_has_a_digit_of_its_own_too() {
        assert_eq!(reply_meaning("100", &[ask(99, true), ask(100, true)]), ReplyMeaning::Answers(100));
        assert_eq!(reply_meaning("收到255", &[ask(255, true)]), ReplyMeaning::Answers(255));
        for text in ["256", "199", "1000"] {
            assert_eq!(reply_meaning(text, &[ask(100, true)]), ReplyMeaning::Unreadable { about: Some(100) }, "{text}");
        }
    }

    #[test]
    fn an_ask_that_never_left_cannot_be_answered() {
        let unsent = AskFacts { digit: 1, counts: false, open: true };
        assert_eq!(reply_meaning("1", &[unsent]), ReplyMeaning::Unreadable { about: None });
        assert_eq!(reply_meaning("收到", &[]), ReplyMeaning::Unreadable { about: None });
    }
}
