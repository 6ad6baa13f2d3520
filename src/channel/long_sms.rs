//! A text longer than one SMS: 70 characters, signature included, or 67 in each part of a longer one.
//!
//! Most accounts may send such a text, and pay for each part. Some may not (the contract, an old gateway in the county,
//! phones that show the parts apart): there it is refused before anything is sent, and said so.

use crate::core::message::{Segments, segments};
use serde::{Deserialize, Serialize};

/// `long_sms` of an SMS account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LongSms {
    /// Sent in parts, each of which is counted.
    #[default]
    Split,
    /// Never sent.
    Refuse,
}

/// What a text costs with the signature that the provider puts before it.
pub fn cost(sign: Option<&str>, text: &str) -> Segments {
    match sign.filter(|s| !s.is_empty()) {
        Some(sign) => segments(&format!("【{sign}】{text}")),
        None => segments(text),
    }
}

/// `Err` says how long the text is where the account sends no long ones.
pub fn check(sign: Option<&str>, text: &str, rule: LongSms) -> Result<(), String> {
    let cost = cost(sign, text);
    if rule == LongSms::Refuse && cost.count > 1 {
        return Err(format!(
            "the text has {} characters with its signature and would be {} SMS, and long_sms = \"refuse\" allows one",
            cost.units, cost.count
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seventy_first_character_is_refused_or_makes_two() {
        // 【晋城应急】 has six.
        let (one, two) = ("雨".repeat(64), "雨".repeat(65));
        assert_eq!((cost(Some("晋城应急"), &one).count, cost(Some("晋城应急"), &two).count), (1, 2));
        assert_eq!(check(Some("晋城应急"), &one, LongSms::Refuse), Ok(()));
        assert_eq!(check(Some("晋城应急"), &two, LongSms::Split), Ok(()));
        let why = check(Some("晋城应急"), &two, LongSms::Refuse).unwrap_err();
        assert!(why.contains("71 characters") && why.contains("2 SMS"), "{why}");
        // A character beyond the first plane costs two.
        assert_eq!(cost(None, &format!("{}𠮷", "雨".repeat(69))).count, 2);
    }
}
