//! Telephone numbers, digit by digit and with 幺 for one, as they are dictated: a number told as 一百一十 is not dialled.

use super::{after_word, digits};

/// After these words a short number is one to be dialled.
const DIALLED: [&str; 12] = ["电话", "拨打", "热线", "致电", "手机", "专线", "固话", "座机", "拨", "请打", "传真", "号码"];

/// Reads a telephone number at `at`: a mobile, a landline with its area code, a service number, or a short one behind a
/// word that says so. Answers where to go on; `None` where it is none.
pub(super) fn spoken(chars: &[char], at: usize, out: &mut String) -> Option<usize> {
    if after_word(out) || at.checked_sub(1).and_then(|i| chars.get(i)).is_some_and(|c| matches!(c, '.' | '-')) {
        return None;
    }
    let run = |from: usize| chars.iter().skip(from).take_while(|c| c.is_ascii_digit()).count();
    let text = |from: usize, len: usize| -> String { chars.iter().skip(from).take(len).collect() };
    // What a dash ties together: 0356-2000001, 400-000-0001.
    let mut parts = vec![text(at, run(at))];
    let mut end = at + run(at);
    while matches!(chars.get(end), Some('-' | '－')) && run(end + 1) > 0 {
        let long = run(end + 1);
        parts.push(text(end + 1, long));
        end += 1 + long;
    }
    let lengths: Vec<usize> = parts.iter().map(String::len).collect();
    let first = parts.first().map(String::as_str).unwrap_or_default();
    let mobile = lengths == [11] && first.starts_with('1') && first.get(1..2).is_some_and(|d| d >= "3");
    let landline = match lengths.as_slice() {
        [10..=12] => first.starts_with('0'),
        [3 | 4, 7 | 8] => first.starts_with('0'),
        _ => false,
    };
    let service = (lengths == [10] || lengths == [3, 3, 4]) && (first.starts_with("400") || first.starts_with("800"));
    let said = |word: &&str| out.trim_end_matches(['：', ':', '（', '(', ' ']).ends_with(*word);
    let dialled = matches!(lengths.as_slice(), [3..=8]) && DIALLED.iter().any(said);
    if !(mobile || landline || service || dialled) {
        return None;
    }
    let one = |part: &String| digits(part).replace('一', "幺");
    out.push_str(&parts.iter().map(one).collect::<Vec<_>>().join("，"));
    Some(end)
}
