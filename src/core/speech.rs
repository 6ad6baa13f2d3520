//! Texts made speakable: a voice that reads `06:10` as "zero six colon ten" is not understood at three
//! in the morning. Numbers, times, dates, telephone numbers, ranges and units become the words a person would say.

mod telephone;

const DIGITS: [&str; 10] = ["零", "一", "二", "三", "四", "五", "六", "七", "八", "九"];

/// A whole number as spoken: 110 → 一百一十, 10 → 十, 2000 → 二千, 100200 → 十万零二百.
pub fn number(n: u64) -> String {
    if n == 0 {
        return "零".into();
    }
    let spoken = big(n);
    // 一十五 is said 十五 only at the very beginning.
    spoken.strip_prefix("一十").map_or(spoken.clone(), |rest| format!("十{rest}"))
}

fn big(n: u64) -> String {
    for (unit, size) in [("亿", 100_000_000u64), ("万", 10_000)] {
        if n >= size {
            let (high, low) = (n / size, n % size);
            let gap = if low > 0 && low < size / 10 { "零" } else { "" };
            let tail = if low > 0 { big(low) } else { String::new() };
            return format!("{}{unit}{gap}{tail}", big(high));
        }
    }
    let mut out = String::new();
    let mut zero = false;
    for (unit, size) in [("千", 1000u64), ("百", 100), ("十", 10), ("", 1)] {
        let digit = n / size % 10;
        if digit == 0 {
            zero = !out.is_empty();
        } else {
            if zero {
                out.push('零');
                zero = false;
            }
            out.push_str(digit_word(digit));
            out.push_str(unit);
        }
    }
    out
}

fn digit_word(d: u64) -> &'static str {
    DIGITS.get(d as usize).copied().unwrap_or("零")
}

/// Digit by digit, as numbers of roads, telephones and years are read.
pub fn digits(text: &str) -> String {
    text.chars().filter_map(|c| c.to_digit(10)).map(|d| digit_word(u64::from(d))).collect()
}

/// A time of day: 06:10 → 六点十分, 08:05 → 八点零五分, 12:00 → 十二点.
pub fn clock(hour: u64, minute: u64) -> String {
    match minute {
        0 => format!("{}点", number(hour)),
        1..=9 => format!("{}点零{}分", number(hour), number(minute)),
        _ => format!("{}点{}分", number(hour), number(minute)),
    }
}

/// Units as warnings write them, longest first.
const UNITS: &[(&str, &str)] = &[
    ("mm/h", "毫米每小时"),
    ("km/h", "公里每小时"),
    ("m³/s", "立方米每秒"),
    ("m3/s", "立方米每秒"),
    ("mm/d", "毫米每天"),
    ("MPa", "兆帕"),
    ("kPa", "千帕"),
    ("km2", "平方公里"),
    ("hm²", "公顷"),
    ("hm2", "公顷"),
    ("m³", "立方米"),
    ("m²", "平方米"),
    ("ha", "公顷"),
    ("kW", "千瓦"),
    ("min", "分钟"),
    ("hPa", "百帕"),
    ("m/s", "米每秒"),
    ("km²", "平方公里"),
    ("mm", "毫米"),
    ("cm", "厘米"),
    ("km", "公里"),
    ("㎜", "毫米"),
    ("㎞", "公里"),
    ("kV", "千伏"),
    ("kg", "公斤"),
    ("℃", "摄氏度"),
    ("°C", "摄氏度"),
    ("m", "米"),
    ("h", "小时"),
    ("t", "吨"),
];

/// A whole text made speakable. What needs no change is left as it is.
pub fn speakable(text: &str) -> String {
    let chars = without_separators(&text.chars().map(half_width).collect::<Vec<char>>());
    let mut out = String::with_capacity(text.len() + text.len() / 2);
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        if c.is_ascii_digit() {
            let special = telephone::spoken(&chars, at, &mut out).or_else(|| spoken_date(&chars, at, &mut out));
            at = special.unwrap_or_else(|| spoken_number(&chars, at, &mut out));
            continue;
        }
        if let Some((len, value)) = roman_level(&chars, at).filter(|_| !after_word(&out)) {
            out.push_str(&number(value));
            at += len;
            continue;
        }
        match c {
            'Ⅰ'..='Ⅻ' => out.push_str(&number(u64::from(c as u32 - 'Ⅰ' as u32 + 1))),
            '[' | ']' | '【' | '】' | '(' | ')' | '（' | '）' | '“' | '”' | '"' | '《' | '》' | '*' | '#' => {}
            '/' | '\n' | '\r' | '\t' => out.push('，'),
            '+' | '＋' if next_is_digit(&chars, at) && out.chars().next_back().is_some_and(|c| DIGITS.iter().any(|d| d.starts_with(c))) => {
                out.push('加');
            }
            '~' | '～' => out.push('到'),
            '-' | '−' if next_is_digit(&chars, at) && !after_word(&out) => out.push_str("零下"),
            '≥' => out.push_str("不低于"),
            '≤' => out.push_str("不超过"),
            '>' => out.push_str("超过"),
            '<' => out.push_str("低于"),
            c => out.push(c),
        }
        at += 1;
    }
    out
}

/// `1,200` is one number, by whomever it was written. What could be a list (`120,135,150`), a time or a date before it is
/// left: then only whole thousands are one.
fn without_separators(chars: &[char]) -> Vec<char> {
    let digits = |from: usize| chars.iter().skip(from).take_while(|c| c.is_ascii_digit()).count();
    let mut out: Vec<char> = Vec::with_capacity(chars.len());
    let mut at = 0;
    while let Some(c) = chars.get(at) {
        let first = digits(at);
        if first == 0 {
            out.push(*c);
            at += 1;
            continue;
        }
        let mut end = at + first;
        while chars.get(end) == Some(&',') && digits(end + 1) == 3 {
            end += 4;
        }
        let (own, more) = (chars.get(at..at + first).unwrap_or_default(), chars.get(at + first..end).unwrap_or_default());
        let odd = at.checked_sub(1).and_then(|k| chars.get(k)).is_some_and(|c| c.is_ascii_alphabetic() || ":：-/.,".contains(*c));
        let whole = more.iter().all(|c| matches!(c, '0' | ','));
        out.extend(own);
        if !odd && *c != '0' && (first < 3 || first == 3 && whole) {
            out.extend(more.iter().filter(|c| **c != ','));
        } else {
            end = at + first;
        }
        at = end;
    }
    out
}

/// `2026-07-08` and `2026/7/8`: a date, digit by digit the year; answers where to go on.
fn spoken_date(chars: &[char], at: usize, out: &mut String) -> Option<usize> {
    if after_word(out) {
        return None;
    }
    let run = |from: usize| chars.iter().skip(from).take_while(|c| c.is_ascii_digit()).count();
    let text = |from: usize, len: usize| -> String { chars.iter().skip(from).take(len).collect() };
    let sign = chars.get(at + 4).copied().filter(|c| matches!(c, '-' | '/' | '.'))?;
    let (month, day) = (at + 5, at + 5 + run(at + 5) + 1);
    let (long_month, long_day) = (run(month), run(day));
    if run(at) != 4 || !matches!(long_month, 1 | 2) || chars.get(day - 1) != Some(&sign) || !matches!(long_day, 1 | 2) {
        return None;
    }
    let (m, d) = (text(month, long_month).parse::<u64>().ok()?, text(day, long_day).parse::<u64>().ok()?);
    if !text(at, 2).starts_with(['1', '2']) || !(1..=12).contains(&m) || !(1..=31).contains(&d) {
        return None;
    }
    out.push_str(&format!("{}年{}月{}日", digits(&text(at, 4)), number(m), number(d)));
    let end = day + long_day;
    // 2026-07-08T06:10 and 2026-07-08 06:10: the time is next.
    let time = matches!(chars.get(end), Some('T' | ' ')) && next_is_digit(chars, end);
    Some(if time { end + 1 } else { end })
}

/// `IV级`: warnings write the four levels in letters, too.
fn roman_level(chars: &[char], at: usize) -> Option<(usize, u64)> {
    let letters: String = chars.iter().skip(at).take(4).take_while(|c| matches!(c, 'I' | 'V')).collect();
    let value = match letters.as_str() {
        "I" => 1,
        "II" => 2,
        "III" => 3,
        "IV" => 4,
        _ => return None,
    };
    let len = letters.len();
    chars.get(at + len).is_some_and(|c| *c == '级').then_some((len, value))
}

fn half_width(c: char) -> char {
    match c {
        '０'..='９' | '．' | '％' | '－' => char::from_u32(c as u32 - 0xfee0).unwrap_or(c),
        c => c,
    }
}

fn next_is_digit(chars: &[char], at: usize) -> bool {
    chars.get(at + 1).is_some_and(char::is_ascii_digit)
}

fn after_word(out: &str) -> bool {
    out.chars().next_back().is_some_and(|c| c.is_ascii_alphanumeric())
}

/// Reads the digits at `at` with what belongs to them; answers where to go on.
fn spoken_number(chars: &[char], at: usize, out: &mut String) -> usize {
    let run = |from: usize| -> usize { chars.iter().skip(from).take_while(|c| c.is_ascii_digit()).count() };
    let text = |from: usize, len: usize| -> String { chars.iter().skip(from).take(len).collect() };
    let is = |i: usize, set: &str| chars.get(i).is_some_and(|c| set.contains(*c));
    let len = run(at);
    let whole = text(at, len);
    let value: u64 = whole.parse().unwrap_or(0);
    let end = at + len;
    // 2024年, and road or device names such as G208: digit by digit.
    if (len == 4 && is(end, "年")) || after_word(out) || len > 9 || (len > 1 && whole.starts_with('0') && !is(end, ":：时点分月日"))
    {
        out.push_str(&digits(&whole));
        return end;
    }
    // 06:10 or 06:10:00
    if is(end, ":：") && len <= 2 && (value < 24 || (value == 24 && text(end + 1, 2) == "00")) && run(end + 1) == 2 {
        let minute: u64 = text(end + 1, 2).parse().unwrap_or(0);
        if minute < 60 {
            out.push_str(&clock(value, minute));
            let after = end + 3;
            let after = if is(after, ":：") && run(after + 1) == 2 { after + 3 } else { after };
            // 08:00-20:00
            if is(after, "-~～—–至") && next_is_digit(chars, after) {
                out.push('到');
                return after + 1;
            }
            return after;
        }
    }
    // 17时08分
    if is(end, "时点") && len <= 2 && value < 24 && matches!(run(end + 1), 1 | 2) && is(end + 1 + run(end + 1), "分") {
        let n = run(end + 1);
        out.push_str(&clock(value, text(end + 1, n).parse().unwrap_or(0)));
        return end + 1 + n + 1;
    }
    // 2.5
    let (spoken, end) = match (is(end, "."), run(end + 1)) {
        (true, n) if n > 0 => (format!("{}点{}", number(value), digits(&text(end + 1, n))), end + 1 + n),
        _ => (number(value), end),
    };
    // 50%
    if is(end, "%") {
        out.push_str("百分之");
        out.push_str(&spoken);
        return end + 1;
    }
    // 二 before a measure word is 两.
    let pair = value == 2 && len == 1 && spoken == "二" && (is(end, "个户人处次名座条") || text(end, 2) == "小时");
    out.push_str(if pair { "两" } else { &spoken });
    // 3-5cm, 10~12级
    if is(end, "-~～—–") && next_is_digit(chars, end) {
        out.push('到');
        return end + 1;
    }
    for (unit, word) in UNITS {
        let n = unit.chars().count();
        if text(end, n) == *unit && !chars.get(end + n).is_some_and(char::is_ascii_alphanumeric) {
            out.push_str(word);
            return end + n;
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_people_say_them() {
        for (n, want) in [
            (0, "零"),
            (2, "二"),
            (10, "十"),
            (15, "十五"),
            (20, "二十"),
            (100, "一百"),
            (101, "一百零一"),
            (110, "一百一十"),
            (1005, "一千零五"),
            (1050, "一千零五十"),
            (10_000, "一万"),
            (10_015, "一万零一十五"),
            (100_200, "十万零二百"),
            (120_000, "十二万"),
            (100_000_001, "一亿零一"),
        ] {
            assert_eq!(number(n), want, "{n}");
        }
    }

    #[test]
    fn a_warning_is_read_as_a_person_would_read_it() {
        for (text, want) in [
            ("06:10", "六点十分"),
            ("100mm", "一百毫米"),
            ("08:05", "八点零五分"),
            ("12:00", "十二点"),
            ("16:15:00起", "十六点十五分起"),
            ("2026年08月23日17时08分", "二零二六年八月二十三日十七点零八分"),
            ("未来3小时降雨50毫米以上", "未来三小时降雨五十毫米以上"),
            ("2小时内", "两小时内"),
            ("转移1,200户3,456,789人", "转移一千二百户三百四十五万六千七百八十九人"),
            ("1234,567", "一千二百三十四,五百六十七"),
            ("120,000人", "十二万人"),
            ("截至12:30,150户", "截至十二点三十分,一百五十户"),
            ("雨量120,135,150毫米", "雨量一百二十,一百三十五,一百五十毫米"),
            ("积雪3-5cm", "积雪三到五厘米"),
            ("阵风10～12级", "阵风十到十二级"),
            ("最低气温-12℃", "最低气温零下十二摄氏度"),
            ("概率50%", "概率百分之五十"),
            ("水位2.05m", "水位二点零五米"),
            ("G208国道", "G二零八国道"),
            ("Ⅰ级响应", "一级响应"),
            ("[IV级/一般]", "四级，一般"),
            ("流量350m³/s", "流量三百五十立方米每秒"),
            ("第12345678901号", "第一二三四五六七八九零一号"),
            ("（１００毫米）", "一百毫米"),
            ("龙港镇", "龙港镇"),
            ("24:00前", "二十四点前"),
            ("00:30", "零点三十分"),
            ("08:00-20:00", "八点到二十点"),
            ("08:00至20:00", "八点到二十点"),
            ("2026-07-08", "二零二六年七月八日"),
            ("2026-07-08 06:10发布", "二零二六年七月八日六点十分发布"),
            ("2026-07-08T06:10:00", "二零二六年七月八日六点十分"),
            ("2026/7/8起", "二零二六年七月八日起"),
            ("2026.07.08", "二零二六年七月八日"),
            ("2026-13-08", "二千零二十六到十三到零八"),
            ("降雨量12.5毫米", "降雨量十二点五毫米"),
            ("雨强12.5mm/h", "雨强十二点五毫米每小时"),
            ("0.5m", "零点五米"),
            ("1000多人", "一千多人"),
            ("2.5万人", "二点五万人"),
            ("2户5人，共102户", "两户五人，共一百零二户"),
            ("库容120万m³", "库容一百二十万m³"),
            ("库容1200m³", "库容一千二百立方米"),
            ("面积35km²", "面积三十五平方公里"),
            ("30min内", "三十分钟内"),
            ("30%～50%", "百分之三十到百分之五十"),
            ("气温-5～3℃", "气温零下五到三摄氏度"),
            ("≥50mm", "不低于五十毫米"),
            ("请拨打110", "请拨打幺幺零"),
            ("火警电话：119", "火警电话：幺幺九"),
            ("雨量110毫米", "雨量一百一十毫米"),
            ("联系15400000001", "联系幺五四零零零零零零零幺"),
            ("值班电话0356-2000001", "值班电话零三五六，二零零零零零幺"),
            ("值班室03562000001", "值班室零三五六二零零零零零幺"),
            ("热线12345", "热线幺二三四五"),
            ("热线400-000-0001", "热线四零零，零零零，零零零幺"),
            ("K12+300处塌方", "K一二加三百处塌方"),
            ("S331省道", "S三三一省道"),
            ("3号楼2单元", "三号楼二单元"),
            ("第2、3组", "第二、三组"),
            ("龙港镇/中村镇", "龙港镇，中村镇"),
            ("99:99", "九十九:九十九"),
            ("", ""),
        ] {
            assert_eq!(speakable(text), want, "{text}");
        }
    }
}
