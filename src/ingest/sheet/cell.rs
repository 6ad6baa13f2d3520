//! What stands in one cell: text as clerks and spreadsheets write it → numbers, dates, names.

use crate::core::{
    phone::Phone,
    time::{Span, Time},
};
use jiff::civil;

/// Full-width letters, digits, signs and the wide space as their half-width twins.
pub fn half_width(c: char) -> char {
    match c {
        '\u{3000}' | '\u{a0}' => ' ',
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0).unwrap_or(c),
        _ => c,
    }
}

/// Trimmed, without control and zero-width characters; line breaks stay, as `\n`. A leading
/// apostrophe before a sign is a spreadsheet's mark for "text", not part of it.
pub fn clean(text: &str) -> String {
    let kept: String = text
        .chars()
        .filter(|c| !matches!(c, '\u{200b}'..='\u{200f}' | '\u{feff}' | '\u{202a}'..='\u{202e}'))
        .filter(|c| *c != '\r')
        .map(|c| if (c.is_control() && c != '\n') || matches!(c, '\u{a0}' | '\u{3000}') { ' ' } else { c })
        .collect();
    let trimmed = kept.trim();
    match trimmed.strip_prefix('\'') {
        Some(rest) if rest.starts_with(['=', '+', '-', '@', '\'']) || rest.starts_with(|c: char| c.is_ascii_digit()) => rest.to_string(),
        _ => trimmed.to_string(),
    }
}

/// The text that [`clean`] reads back as `text`, and that no spreadsheet takes for a formula.
pub fn escape(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\'']) { format!("'{text}") } else { text.to_string() }
}

/// Half-width, without any spaces: for words of a fixed list.
pub fn word(text: &str) -> String {
    text.chars().map(half_width).filter(|c| !c.is_whitespace()).collect()
}

/// What people write for "nothing".
pub fn is_blank(text: &str) -> bool {
    matches!(
        word(text).as_str(),
        "" | "无" | "-" | "--" | "—" | "——" | "/" | "、" | "暂无" | "没有" | "空" | "0" | "否" | "无手机" | "N/A" | "n/a"
    )
}

/// Stands for a formula whose result the file does not have.
pub const NOT_COMPUTED: &str = "#公式未计算";

/// A spreadsheet's error value, or [`NOT_COMPUTED`].
pub fn is_formula_error(text: &str) -> bool {
    matches!(text, NOT_COMPUTED | "#N/A" | "#REF!" | "#VALUE!" | "#NAME?" | "#DIV/0!" | "#NULL!" | "#NUM!" | "#DATA!" | "#GETTING_DATA")
}

/// Between the things of a list.
fn is_mark(c: char) -> bool {
    matches!(half_width(c), '/' | '、' | ';' | ',' | '|' | '\n' | '\\')
}

/// Words of a list cell: `防汛、山洪`, `防汛/山洪`, `防汛；山洪`.
pub fn list(text: &str) -> Vec<String> {
    text.split(is_mark).map(word).filter(|w| !is_blank(w)).collect()
}

/// The persons of a name cell, who should be one: `张三、李四`, `王五/赵六`, two lines. What stands in parentheses is a
/// remark (`张三（主任、兼）`), a name broken over two lines (`张` below it `三`) is one, and so is `买买提·艾力`.
pub fn persons(text: &str) -> Vec<String> {
    let half: Vec<char> = text.chars().map(half_width).collect();
    let count = |c: char| half.iter().filter(|h| **h == c).count();
    let remarks = count('(') == count(')');
    let mut depth = 0usize;
    let mut parts: Vec<String> = vec![String::new()];
    for c in half {
        match c {
            '(' if remarks => depth += 1,
            ')' if remarks => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 && c != '\n' && is_mark(c) {
            parts.push(String::new());
        } else if let Some(last) = parts.last_mut() {
            last.push(c);
        }
    }
    let names = |part: &String| -> Vec<String> {
        let lines: Vec<String> = part.lines().map(person_name).filter(|l| !is_blank(l)).collect();
        let whole = |line: &String| line.chars().count() > 1 && !line.starts_with('(');
        if lines.iter().all(whole) { lines } else { vec![person_name(part)] }
    };
    parts.iter().flat_map(names).filter(|n| !is_blank(n)).collect()
}

/// The pieces of a Chinese name cell with a space in it, where each could be a name of its own: `张三 李四`, not `张 三`.
pub fn spaced_names(text: &str) -> Vec<String> {
    let half: String = text.chars().map(half_width).collect();
    let pieces: Vec<&str> = half.split_whitespace().collect();
    let name = |p: &&str| p.chars().count() > 1 && p.chars().all(|c| matches!(c, '\u{4e00}'..='\u{9fff}' | '\u{3400}'..='\u{4dbf}'));
    if pieces.len() > 1 && pieces.iter().all(name) { pieces.into_iter().map(str::to_string).collect() } else { Vec::new() }
}

/// A number in scientific notation as digits, if no digit was lost: `1.5400000001E+10` yes,
/// `1.54E+10` no (`Err`). `Ok(None)` when it is no such notation.
pub fn expand_scientific(text: &str) -> Result<Option<String>, ()> {
    let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else { return Ok(None) };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    let Ok(exponent) = exponent.trim_start_matches('+').parse::<usize>() else { return Ok(None) };
    if whole.len() != 1 || !digits(whole) || !digits(fraction) || exponent > 15 {
        return Ok(None);
    }
    if fraction.len() > exponent {
        return Ok(None);
    }
    if fraction.len() < exponent {
        // A trailing zero may be real or cut off; nobody can tell, and a wrong number calls a stranger.
        return Err(());
    }
    Ok(Some(format!("{whole}{fraction}")))
}

/// What of a number cell could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadPhone {
    /// Scientific notation without all digits.
    DigitsLost(String),
    NotANumber(String),
}
impl BadPhone {
    /// What is wrong, and what to do.
    pub fn told_zh(&self) -> String {
        match self {
            BadPhone::NotANumber(text) if is_formula_error(text) => formula_fault(text),
            BadPhone::DigitsLost(text) => {
                format!("号码“{text}”是科学计数法，后几位已丢失；请把该列设为文本格式，重新填写 11 位号码")
            }
            BadPhone::NotANumber(text) => {
                let text: String = text.chars().take(40).collect();
                format!("“{text}”不是电话号码；手机应为 11 位，座机须带区号（如 0356-…），没有号码请留空")
            }
        }
    }
}

/// What to say of a cell with a spreadsheet's error value.
pub fn formula_fault(text: &str) -> String {
    if text == NOT_COMPUTED {
        "单元格是公式而文件中没有计算结果；请在表格软件中打开并保存，或改为实际内容".into()
    } else {
        format!("单元格是公式错误 {text}；请改为实际内容")
    }
}

/// The numbers of a cell in their order, each once: several joined by `/`, `、`, `;`, `,`, spaces;
/// with remarks in parentheses, `.0` of a numeric export, full-width digits.
pub fn phones(text: &str) -> (Vec<Phone>, Vec<BadPhone>) {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    if is_blank(text) {
        return (good, bad);
    }
    // #N/A and #DIV/0! hold what else stands between two numbers.
    if is_formula_error(text.trim()) {
        bad.push(BadPhone::NotANumber(text.trim().to_string()));
        return (good, bad);
    }
    let mut add = |p: Phone| {
        if !good.contains(&p) {
            good.push(p);
        }
    };
    for part in text.split(|c| matches!(half_width(c), '/' | '、' | ';' | ',' | '|' | '\n' | '\\' | '或' | '和')) {
        let part: String = part.chars().map(half_width).collect();
        let part = part.trim();
        if is_blank(part) {
            continue;
        }
        match one_phone(part) {
            Ok(p) => add(p),
            Err(fault) => {
                // Two numbers with nothing but a space between them.
                let pieces: Vec<_> = part.split_whitespace().map(one_phone).collect();
                if pieces.len() > 1 && pieces.iter().all(Result::is_ok) {
                    pieces.into_iter().flatten().for_each(&mut add);
                } else {
                    bad.push(fault);
                }
            }
        }
    }
    (good, bad)
}

fn one_phone(part: &str) -> Result<Phone, BadPhone> {
    // A remark in parentheses (办), a label in front 手机:, the .0 of a number that was a float.
    let bare = without_remarks(part);
    let bare = bare.rsplit_once(':').map_or(bare.as_str(), |(_, number)| number).trim();
    let bare = bare.strip_suffix(".0").or_else(|| bare.strip_suffix(".00")).unwrap_or(bare);
    match expand_scientific(bare) {
        Ok(Some(digits)) => Phone::parse(&digits),
        Ok(None) => Phone::parse(bare),
        Err(()) => return Err(BadPhone::DigitsLost(part.to_string())),
    }
    .ok_or_else(|| BadPhone::NotANumber(part.to_string()))
}

/// Drops groups in parentheses that hold something other than digits; `(0356)0111111` stays.
fn without_remarks(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('(') {
        out.push_str(before);
        let (inside, tail) = after.split_once(')').unwrap_or((after, ""));
        if !inside.is_empty() && inside.bytes().all(|b| b.is_ascii_digit()) {
            out.push_str(inside);
        }
        rest = tail;
    }
    out.push_str(rest);
    out
}

/// A name with the numbers written behind it: `李四 15400000002`, `李四（15400000002）`.
pub fn name_and_phones(text: &str) -> (String, Vec<Phone>, Vec<BadPhone>) {
    let half: String = text.chars().map(half_width).collect();
    let cut = half.find(|c: char| c.is_ascii_digit() || c == '+').unwrap_or(half.len());
    let (name, numbers) = half.split_at(cut);
    let name = name.trim().trim_end_matches(['(', ':', '-', '、', ',', '/']).trim();
    let numbers = numbers.trim().trim_end_matches(')');
    let (good, bad) = phones(numbers);
    (person_name(name), good, bad)
}

/// One line of free text.
pub fn line(text: &str) -> String {
    text.split('\n').map(str::trim).filter(|s| !s.is_empty()).collect::<Vec<_>>().join(" ")
}

/// A person's or desk's name: no spaces between Chinese characters (`张 三`), one between others.
pub fn person_name(text: &str) -> String {
    let cleaned: String = text.chars().map(half_width).collect();
    let mut out = String::new();
    for piece in cleaned.split_whitespace() {
        let joins_words = out.chars().next_back().is_some_and(|c| c.is_ascii()) && piece.starts_with(|c: char| c.is_ascii());
        if joins_words {
            out.push(' ');
        }
        out.push_str(piece);
    }
    out
}

/// A count such as `12`, `12户`, `约12人`, `12.0`. `Ok(0)` when blank.
pub fn count(text: &str) -> Result<u32, ()> {
    let text = word(text);
    if is_blank(&text) {
        return Ok(0);
    }
    let bare = text.trim_start_matches(['约', '共']).trim_end_matches(['户', '人', '口', '余', '多']);
    let bare = bare.strip_suffix(".0").unwrap_or(bare);
    bare.parse().map_err(|_| ())
}

/// A coordinate in degrees. `Ok(None)` when blank.
pub fn degrees(text: &str, limit: f64) -> Result<Option<f64>, ()> {
    let text = word(text);
    if is_blank(&text) {
        return Ok(None);
    }
    let n: f64 = text.trim_end_matches(['°', '度', 'E', 'N']).parse().map_err(|_| ())?;
    if n.is_finite() && n.abs() <= limit { Ok(Some(n)) } else { Err(()) }
}

/// What people write for a post without an end.
pub fn is_open_end(text: &str) -> bool {
    matches!(word(text).as_str(), "长期" | "长期有效" | "永久" | "无期限" | "不限")
}

/// A day: `2026-04-20`, `2026/4/20`, `2026.4.20`, `20260420`, `2026年4月20日`, with or without a
/// time behind it, or a spreadsheet's day number. `Ok(None)` when blank.
pub fn date(text: &str) -> Result<Option<civil::Date>, ()> {
    let half: String = text.trim().chars().map(half_width).collect();
    if is_blank(&half) || is_open_end(&half) {
        return Ok(None);
    }
    let day = half.split([' ', 'T']).next().unwrap_or("");
    let parts: Vec<&str> = day.split(['-', '/', '.', '年', '月', '日']).filter(|p| !p.is_empty()).collect();
    let number = |s: &str| s.parse::<i32>().map_err(|_| ());
    let (y, m, d) = match parts.as_slice() {
        [y, m, d] => (number(y)?, number(m)?, number(d)?),
        [one] if one.len() == 8 && one.is_ascii() => {
            let n = number(one)?;
            (n / 10_000, n / 100 % 100, n % 100)
        }
        // Day numbers of 1990 to 2100, as a date cell looks when its format was lost.
        [one] => match number(one)? {
            n @ 32_874..=73_415 => {
                let epoch = civil::date(1899, 12, 30);
                return epoch.checked_add(jiff::Span::new().days(n)).map(Some).map_err(|_| ());
            }
            _ => return Err(()),
        },
        _ => return Err(()),
    };
    if !(1990..=2100).contains(&y) {
        return Err(());
    }
    let small = |n: i32| i8::try_from(n).map_err(|_| ());
    civil::Date::new(y as i16, small(m)?, small(d)?).map(Some).map_err(|_| ())
}

/// A number that may have been a day of a month once: 7.1, 7.2, 7.3, or 7.10, 7.20, 7.30 whose last zero a spreadsheet took.
pub fn may_lack_a_zero(text: &str) -> bool {
    let Some((month, day)) = text.split_once('.') else { return false };
    matches!(day, "1" | "2" | "3") && month.parse::<u8>().is_ok_and(|m| (1..=12).contains(&m))
}

/// Beijing midnight at the beginning of a day.
pub fn midnight(day: civil::Date) -> Option<Time> {
    Time::from_beijing(day.at(0, 0, 0, 0))
}

/// One day.
pub const DAY: Span = Span::hours(24);

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<String>, usize) {
        let (good, bad) = phones(text);
        (good.iter().map(|p| p.reveal().to_string()).collect(), bad.len())
    }

    #[test]
    fn number_cells_are_read_as_they_come() {
        for (text, want) in [
            ("15400000001", vec!["15400000001"]),
            ("１５４００００００01", vec!["15400000001"]),
            ("15400000001/15400000002", vec!["15400000001", "15400000002"]),
            ("15400000001、15400000002；0356-0111111", vec!["15400000001", "15400000002", "03560111111"]),
            ("154 0000 0001", vec!["15400000001"]),
            ("15400000001 15400000002", vec!["15400000001", "15400000002"]),
            ("15400000001（办）", vec!["15400000001"]),
            ("(0356)0111111", vec!["03560111111"]),
            ("手机：15400000001", vec!["15400000001"]),
            ("15400000001.0", vec!["15400000001"]),
            ("1.5400000001E+10", vec!["15400000001"]),
            ("15400000001,15400000001", vec!["15400000001"]),
            ("无", vec![]),
            ("/", vec![]),
        ] {
            assert_eq!(read(text), (want.into_iter().map(String::from).collect(), 0), "{text}");
        }
        assert_eq!(phones("1.54E+10").1, [BadPhone::DigitsLost("1.54E+10".into())]);
        assert_eq!(read("1540000001"), (vec![], 1));
        assert_eq!(read("15400000001/1540"), (vec!["15400000001".to_string()], 1));
        assert_eq!(read("王五").1, 1);
    }

    #[test]
    fn an_error_value_of_a_spreadsheet_is_one_fault_whatever_marks_it_holds() {
        for text in ["#N/A", "#DIV/0!", "#REF!", NOT_COMPUTED] {
            let (good, bad) = phones(text);
            assert_eq!((good.len(), bad.as_slice()), (0, [BadPhone::NotANumber(text.into())].as_slice()), "{text}");
            assert!(bad[0].told_zh().starts_with("单元格是公式"), "{text}");
        }
    }

    #[test]
    fn several_persons_of_a_cell_are_told_from_one_with_a_remark() {
        for text in [
            "张三、李四",
            "王五/赵六",
            "张三，李四",
            "张三;李四",
            "张三\n李四",
            "张三（主任）、李四",
            "张三（主任、李四",
            "张三\n李四、王五",
        ] {
            assert!(persons(text).len() > 1, "{text}");
        }
        for (text, name) in [
            ("张三", "张三"),
            ("张　三", "张三"),
            ("张\n三", "张三"),
            ("张三、", "张三"),
            ("张三\n（主任）", "张三(主任)"),
            ("张三（主任、兼）", "张三(主任、兼)"),
            ("买买提·艾力", "买买提·艾力"),
            ("John Smith", "John Smith"),
        ] {
            assert_eq!(persons(text), [name], "{text}");
        }
        assert_eq!(spaced_names("张三 李四"), ["张三", "李四"]);
        for one in ["张　三", "张三", "John Smith", "张三 15400000001"] {
            assert!(spaced_names(one).is_empty(), "{one}");
        }
    }

    #[test]
    fn names_lose_their_spaces_and_may_bring_a_number() {
        assert_eq!(person_name(" 张　三 "), "张三");
        assert_eq!(person_name("John  Smith"), "John Smith");
        for text in ["李四 15400000002", "李四（15400000002）", "李 四:15400000002"] {
            let (name, phones, bad) = name_and_phones(text);
            assert_eq!((name.as_str(), phones.len(), bad.len()), ("李四", 1, 0), "{text}");
        }
        assert_eq!(name_and_phones("李四").0, "李四");
    }

    #[test]
    fn days_are_read_in_the_ways_of_offices() {
        let want = Some(civil::date(2026, 4, 20));
        for text in
            ["2026-04-20", "2026/4/20", "2026.4.20", "20260420", "2026年4月20日", "2026-04-20 00:00:00", "46132", "２０２６-０４-２０"]
        {
            assert_eq!(date(text), Ok(want), "{text}");
        }
        assert_eq!(date("长期"), Ok(None));
        for text in ["2026-02-30", "明天", "12", "26-4-20", "2026-4"] {
            assert_eq!(date(text), Err(()), "{text}");
        }
    }

    #[test]
    fn counts_and_degrees() {
        assert_eq!(count("约12户"), Ok(12));
        assert_eq!(count(""), Ok(0));
        assert_eq!(count("十二"), Err(()));
        assert_eq!(degrees("112.25°", 180.0), Ok(Some(112.25)));
        assert_eq!(degrees("NaN", 180.0), Err(()));
        assert_eq!(degrees("200", 180.0), Err(()));
    }

    #[test]
    fn what_is_escaped_reads_back() {
        for text in ["=1+1", "+14158675309", "'x", "-", "张三", "''", "@a"] {
            assert_eq!(clean(&escape(text)), text);
        }
    }
}
