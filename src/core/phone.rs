//! Telephone numbers: one normal form inside, masked whenever they are shown or logged.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A number in its one normal form: 11 digits for a mainland mobile, area code with its zero for a
/// landline (`03562111111`), `+` and digits for any other country. `Debug` and `Display` are masked,
/// so that a number cannot reach a log by accident; [`Phone::reveal`] is the only way to the digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Phone(String);

impl Phone {
    /// Reads a number as people write it: spaces, hyphens, full-width digits, `+86`/`0086`/`86`
    /// before a mainland number. `None` when it cannot be a telephone number.
    pub fn parse(text: &str) -> Option<Phone> {
        let mut digits = String::with_capacity(text.len());
        let mut plus = false;
        for c in text.trim().chars() {
            match c {
                '0'..='9' => digits.push(c),
                '０'..='９' => digits.push(char::from(b'0' + (c as u32 - '０' as u32) as u8)),
                '+' | '＋' if digits.is_empty() && !plus => plus = true,
                ' ' | '-' | '－' | '—' | '(' | ')' | '（' | '）' | '\u{a0}' | '\u{3000}' => {}
                _ => return None,
            }
        }
        let national = digits
            .strip_prefix("0086")
            .or_else(|| digits.strip_prefix("86").filter(|r| plus || (digits.len() == 13 && r.starts_with('1'))));
        let (digits, foreign) = match national {
            Some(rest) => (rest.to_string(), false),
            None => (digits, plus),
        };
        if foreign {
            return (7..=15).contains(&digits.len()).then(|| Phone(format!("+{digits}")));
        }
        // 0 before a mobile is how long distance was once dialled; no area code begins so.
        let digits = match digits.strip_prefix('0') {
            Some(rest) if rest.len() == 11 && rest.starts_with('1') && rest.as_bytes().get(1) >= Some(&b'3') => rest.to_string(),
            _ => digits,
        };
        let mobile = digits.len() == 11 && digits.starts_with('1') && digits.as_bytes()[1] >= b'3';
        let landline = (10..=12).contains(&digits.len()) && digits.starts_with('0') && !digits.starts_with("00");
        (mobile || landline).then_some(Phone(digits))
    }

    /// The digits. Only for a provider request, a revealed view or a lookup key.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// `138****1234`.
    pub fn masked(&self) -> String {
        let n = self.0.len();
        if n <= 7 { "*".repeat(n) } else { format!("{}****{}", &self.0[..n - 8], &self.0[n - 4..]) }
    }

    /// Whether SMS can be sent there: landlines cannot receive it.
    pub fn is_mobile(&self) -> bool {
        !self.0.starts_with('0')
    }
}
impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}
impl fmt::Display for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_clerks_write_them() {
        for text in ["15400000001", "+86 154-0000-0001", "008615400000001", "１５４００００００01", "8615400000001"] {
            assert_eq!(Phone::parse(text).unwrap().reveal(), "15400000001", "{text}");
        }
        for text in ["015400000001", "0154 0000 0001", "+86 015400000001"] {
            let mobile = Phone::parse(text).unwrap();
            assert_eq!((mobile.reveal(), mobile.is_mobile()), ("15400000001", true), "{text}");
        }
        // Beijing's area code, and a landline of twelve digits, stay what they are.
        assert_eq!(Phone::parse("010-01111111").unwrap().reveal(), "01001111111");
        assert_eq!(Phone::parse("0356-01111111").unwrap().reveal(), "035601111111");
        assert_eq!(Phone::parse("0356-2111111").unwrap().reveal(), "03562111111");
        assert_eq!(Phone::parse("+1 415 867 5309").unwrap().reveal(), "+14158675309");
        for wrong in ["", "无", "1540000000", "25400000001", "154000000012", "12345"] {
            assert!(Phone::parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn a_number_is_masked_wherever_it_is_printed() {
        let p = Phone::parse("15412345678").unwrap();
        assert_eq!(format!("{p} {p:?}"), "154****5678 154****5678");
    }
}
