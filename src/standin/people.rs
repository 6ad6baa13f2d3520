//! What a simulated person does with a message or a call. Pure: dice in, a plan out.

use super::{chance, settings::People};
use crate::core::time::Span;
use std::collections::BTreeMap;

/// A text message back, so long after the ask.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    pub after: Span,
    pub text: String,
}

/// How a call goes. All times from the moment it is placed.
#[derive(Clone, Debug, PartialEq)]
pub struct CallPlan {
    /// Aliyun's status code of the finished call.
    pub status_code: &'static str,
    /// A key pressed, and when.
    pub key: Option<(Span, String)>,
    pub ends: Span,
}

/// Whether the number is empty: a trait of the number, not of the message.
pub fn is_dead(share: f64, seed: u64, phone: &str) -> bool {
    chance::happens(share, seed, phone, 0, "dead")
}
fn never_reacts(p: &People, seed: u64, phone: &str) -> bool {
    chance::happens(p.never_share, seed, phone, 0, "never")
}

/// A delay of which half are below the median and a few ten times as long.
fn reaction(p: &People, seed: u64, phone: &str, n: u32) -> Span {
    let u = chance::roll(seed, phone, n, "reaction");
    let factor = (-(1.0 - u).ln() / std::f64::consts::LN_2).clamp(0.05, 10.0);
    Span((p.reaction.0 as f64 * factor) as i64)
}

/// The person reads a message. Only one that asks for an answer names a `digit` to reply with.
pub fn on_sms(p: &People, seed: u64, phone: &str, n: u32, variables: &BTreeMap<String, String>) -> Option<Reply> {
    let digit = variables.get("digit").filter(|d| !d.is_empty())?;
    if never_reacts(p, seed, phone) {
        return None;
    }
    let r = chance::roll(seed, phone, n, "sms");
    let text = if r < p.reply_share {
        let ways = [digit.clone(), digit.clone(), format!("收到{digit}"), full_width(digit), format!(" {digit} 。")];
        pick(&ways, chance::roll(seed, phone, n, "way")).clone()
    } else if r < p.reply_share + p.other_words_share {
        let ways = ["在外地，请联系村支书", "路断了，正在赶", "你是谁", "好的马上安排"];
        pick(&ways, chance::roll(seed, phone, n, "way")).to_string()
    } else {
        return None;
    };
    Some(Reply { after: reaction(p, seed, phone, n), text })
}

/// The phone rings. `keys` are those of the menu; the asked one is `digit` if the call names one,
/// else the menu's first.
pub fn on_call(p: &People, seed: u64, phone: &str, n: u32, variables: &BTreeMap<String, String>, keys: &[String]) -> CallPlan {
    let silent = CallPlan { status_code: "200003", key: None, ends: p.ring };
    if never_reacts(p, seed, phone) {
        return silent;
    }
    let named = variables.get("digit").map(|d| as_key(d));
    let asked = named.as_ref().filter(|d| keys.contains(d)).or_else(|| keys.first());
    // Somebody who takes a call does so while it rings.
    let taken = Span(2_000 + (p.ring.0 as f64 * 0.6 * chance::roll(seed, phone, n, "pick-up")) as i64);
    let pressed = plus(taken, p.announcement);
    let mut left = chance::roll(seed, phone, n, "call");
    let mut falls_in = |share: f64| {
        left -= share;
        left < 0.0
    };
    if falls_in(p.busy_share) {
        return CallPlan { status_code: "200002", key: None, ends: Span::secs(3) };
    }
    if falls_in(p.hang_up_share) {
        return CallPlan { status_code: "200001", key: None, ends: plus(taken, Span::secs(2)) };
    }
    if falls_in(p.listen_share) {
        return CallPlan { status_code: "200008", key: None, ends: plus(pressed, Span::secs(8)) };
    }
    if falls_in(p.wrong_key_share) {
        let wrong = ["7", "9", "0"].into_iter().find(|k| !keys.iter().any(|m| m == k)).unwrap_or("#");
        return CallPlan { status_code: "200000", key: Some((pressed, wrong.into())), ends: plus(pressed, Span::secs(3)) };
    }
    match asked {
        Some(key) if falls_in(p.keypress_share) => {
            CallPlan { status_code: "200000", key: Some((pressed, key.clone())), ends: plus(pressed, Span::secs(3)) }
        }
        _ => silent,
    }
}

/// Calls speak their digits: 「请按一」.
fn as_key(digit: &str) -> String {
    let spoken = ["零", "一", "二", "三", "四", "五", "六", "七", "八", "九"];
    match spoken.iter().position(|s| *s == digit) {
        Some(n) => n.to_string(),
        None if digit == "幺" => "1".into(),
        None => digit.into(),
    }
}
fn plus(a: Span, b: Span) -> Span {
    Span(a.0.saturating_add(b.0))
}
fn pick<T>(ways: &[T], r: f64) -> &T {
    let at = ((ways.len() as f64 * r) as usize).min(ways.len() - 1);
    &ways[at]
}
fn full_width(digits: &str) -> String {
    digits.chars().map(|c| if c.is_ascii_digit() { char::from_u32(c as u32 - '0' as u32 + '０' as u32).unwrap_or(c) } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(digit: &str) -> BTreeMap<String, String> {
        BTreeMap::from([("digit".to_string(), digit.to_string())])
    }
    fn keys() -> Vec<String> {
        ["1", "2", "3"].map(String::from).to_vec()
    }

    #[test]
    fn a_reply_always_holds_the_digit_that_was_asked() {
        let p = People { reply_share: 1.0, ..People::default() };
        for n in 0..200 {
            let r = on_sms(&p, 1, "15400000001", n, &ask("3")).unwrap();
            assert!(r.text.contains('3') || r.text.contains('３'), "{}", r.text);
            assert!(r.after > Span::ZERO && r.after.0 <= p.reaction.0 * 10);
        }
        assert_eq!(on_sms(&p, 1, "15400000001", 0, &BTreeMap::new()), None, "a message that asks nothing gets no answer");
    }

    #[test]
    fn shares_hold_over_many_people_and_some_never_react() {
        let p = People { reply_share: 0.5, never_share: 0.2, ..People::default() };
        let replies = (0..10_000).filter(|i| on_sms(&p, 9, &format!("154{i:08}"), 1, &ask("1")).is_some()).count();
        assert!((3800..4200).contains(&replies), "{replies}");
    }

    #[test]
    fn calls_end_in_each_documented_way() {
        let one = |p: People| on_call(&p, 1, "15400000001", 1, &ask("2"), &keys());
        assert_eq!(one(People::default()).status_code, "200003");
        assert_eq!(one(People { busy_share: 1.0, ..People::default() }).status_code, "200002");
        assert_eq!(one(People { hang_up_share: 1.0, ..People::default() }).status_code, "200001");
        assert_eq!(one(People { listen_share: 1.0, ..People::default() }).status_code, "200008");
        let right = one(People { keypress_share: 1.0, ..People::default() });
        assert_eq!((right.status_code, right.key.unwrap().1), ("200000", "2".to_string()));
        let spoken = on_call(&People { keypress_share: 1.0, ..People::default() }, 1, "1", 1, &ask("三"), &keys());
        assert_eq!(spoken.key.unwrap().1, "3");
        let wrong = one(People { wrong_key_share: 1.0, ..People::default() });
        assert!(!keys().contains(&wrong.key.unwrap().1));
        let never = one(People { keypress_share: 1.0, never_share: 1.0, ..People::default() });
        assert_eq!(never.status_code, "200003");
    }
}
