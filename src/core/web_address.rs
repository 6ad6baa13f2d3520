//! Web addresses in a warning's own words. Providers refuse a variable that holds one (Aliyun `isv.PARAM_NOT_SUPPORT_URL`,
//! Tencent `ProhibitedUseUrlInTemplateParameter`), carriers filter a text with one nobody has filed, and no voice can say one:
//! a warning must not fall silent because its issuer wrote "详见www.…".

use std::borrow::Cow;

/// Last labels by which a name without `www.` is known as an address; others are abbreviations, versions, figures.
const TOP: [&str; 20] = [
    "cn", "com", "net", "org", "gov", "edu", "info", "cc", "top", "vip", "xyz", "app", "me", "io", "ltd", "club", "site", "online", "tv",
    "co",
];
/// What leads to an address and says nothing without it, the longer before what it ends in.
const LEADS: [&str; 20] = [
    "详情请见",
    "详情见",
    "详见",
    "请见",
    "参见",
    "请登录",
    "登录",
    "请登陆",
    "登陆",
    "请访问",
    "访问",
    "请点击",
    "点击",
    "请查看",
    "查看",
    "网址",
    "官网",
    "链接",
    "详情",
    "可",
];
/// Between clauses.
const STOPS: &str = "，,；;、：:。！!";

/// Whether a text holds what a provider would take for a web address.
pub fn holds(text: &str) -> bool {
    first(text).is_some()
}

/// The text without its addresses and the words that led to them.
pub fn without(text: &str) -> Cow<'_, str> {
    let mut left = Cow::Borrowed(text);
    // What is left on both sides of one may read as another.
    while let Some((from, to)) = first(&left) {
        left = Cow::Owned(cut_out(&left, from, to));
    }
    left
}

fn cut_out(text: &str, from: usize, to: usize) -> String {
    let mut left = text[..from].trim_end();
    loop {
        let shorter = left.trim_end_matches(['：', ':', '“', '"']).trim_end();
        let shorter = LEADS.iter().find_map(|lead| shorter.strip_suffix(lead)).unwrap_or(shorter);
        if shorter.len() == left.len() {
            break;
        }
        left = shorter;
    }
    let right = text[to..].trim_start_matches(['”', '"', ' ']);
    // An empty bracket, or the stop of a clause that is gone.
    let pairs = [('（', '）'), ('(', ')')];
    let (left, right) = match pairs.iter().find_map(|(open, close)| Some((left.strip_suffix(*open)?, right.strip_prefix(*close)?))) {
        Some(inside) => inside,
        None if right.is_empty() || right.starts_with(|c| STOPS.contains(c)) => {
            let left = left.trim_end_matches(|c| "，,；;、".contains(c));
            (left, if left.is_empty() { right.trim_start_matches(|c| STOPS.contains(c)) } else { right })
        }
        None => (left, right),
    };
    format!("{left}{right}")
}

/// Where the first address stands, in bytes.
fn first(text: &str) -> Option<(usize, usize)> {
    // Most texts have none: an address has a dot or a colon between ASCII letters.
    if !text.bytes().any(|b| b == b'.' || b == b'/') {
        return None;
    }
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let start = at + rest.find(in_address)?;
        let end = text[start..].find(|c| !in_address(c)).map_or(text.len(), |n| start + n);
        let token = text[start..end].trim_end_matches(['.', ':', '!', '?', '\'']);
        let word = token.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
        // `A:www.…`: what stands before the address is no part of it.
        let lower = word.to_ascii_lowercase();
        let scheme = lower.find("://").map(|n| lower[..n].rfind(|c: char| !c.is_ascii_alphanumeric()).map_or(0, |k| k + 1));
        let from = scheme.or_else(|| lower.find("www.")).unwrap_or(0);
        if is_address(&lower[from..]) {
            return Some((start + token.len() - word.len() + from, start + token.len()));
        }
        at = end;
    }
    None
}

fn in_address(c: char) -> bool {
    c.is_ascii_graphic() && !"\"<>()[]{},;".contains(c)
}

fn is_address(lower: &str) -> bool {
    if lower.contains("://") || lower.contains("www.") {
        return true;
    }
    let host = lower.split(['/', '?', '#', ':']).next().unwrap_or_default();
    let name = |label: &str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    match host.rsplit_once('.') {
        Some((before, last)) => TOP.contains(&last) && before.split('.').all(name),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_go_with_the_words_that_led_to_them_and_the_rest_stays() {
        for (text, want) in [
            ("未来3小时雨量将超100毫米，详见www.cma.gov.cn。请注意防范。", "未来3小时雨量将超100毫米。请注意防范。"),
            ("雨量将超100毫米（详情请见：https://www.example.com/a?b=1#c）请防范", "雨量将超100毫米请防范"),
            ("详情见12379.cn", ""),
            ("请登录 http://12379.cn/w/1 查询，注意山洪", "查询，注意山洪"),
            ("A：www.a.cn，B：b.com；雨大", "A，B；雨大"),
            ("网址：WWW.A.CN。雨大", "雨大"),
            ("雨大，网址:12379.cn", "雨大"),
            ("详见12379.cn,24小时内雨大", "24小时内雨大"),
            ("雨强120mm/h,http://a.cn", "雨强120mm/h"),
            ("雨强120mm/h，A:www.a.cn/x?y=1", "雨强120mm/h，A"),
        ] {
            assert!(holds(text), "{text}");
            assert_eq!(without(text), want, "{text}");
            assert!(!holds(&without(text)), "{text}");
        }
    }

    #[test]
    fn figures_abbreviations_and_names_are_no_addresses() {
        for text in ["雨量2.5mm", "3.5cm/h，T-2.5h", "No.1水库", "G208/S331", "v1.beta", "气温-3.5~5.0", "2026-07-08T06:10:00", "A.B.C", ""]
        {
            assert!(!holds(text), "{text}");
            assert_eq!(without(text), text);
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_is_left_whatever_is_written(text in "([a-z0-9.:/（）()详见www，。雨]|www\\.|https?://|\\.cn){0,24}") {
            let left = without(&text);
            proptest::prop_assert!(!holds(&left), "{text:?} -> {left:?}");
        }
    }
}
