//! Numbers as most providers want them: `+86…` (E.164).

use crate::core::phone::Phone;

/// The number with `+` and country code; a mainland landline loses the zero of its area code.
pub fn e164(phone: &Phone) -> String {
    let digits = phone.reveal();
    match digits.strip_prefix('0') {
        _ if digits.starts_with('+') => digits.to_string(),
        Some(landline) => format!("+86{landline}"),
        None => format!("+86{digits}"),
    }
}

/// Whether a mainland mobile: the only numbers that domestic message templates reach.
pub fn is_mainland_mobile(phone: &Phone) -> bool {
    phone.is_mobile() && !phone.reveal().starts_with('+')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_with_their_country() {
        for (text, written) in [("15400000001", "+8615400000001"), ("0356-2111111", "+863562111111"), ("+1 500 555 0006", "+15005550006")] {
            assert_eq!(e164(&Phone::parse(text).unwrap()), written);
        }
        assert!(is_mainland_mobile(&Phone::parse("15400000001").unwrap()));
        assert!(!is_mainland_mobile(&Phone::parse("+15005550006").unwrap()) && !is_mainland_mobile(&Phone::parse("03562111111").unwrap()));
    }
}
