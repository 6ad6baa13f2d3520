//! What messages are made of: the facts, SMS segments, and texts cut to a budget without lying.

use super::{
    hazard::{HazardClass, HazardCode, Level},
    time::Time,
    web_address,
};
use serde::{Deserialize, Serialize};

/// How a text is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Gsm7,
    Ucs2,
}

/// How many SMS a text costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segments {
    pub encoding: Encoding,
    /// UCS-2: UTF-16 units; GSM: septets.
    pub units: usize,
    pub count: usize,
}

/// The GSM 03.38 basic characters beyond ASCII letters, digits and the marks listed.
const GSM_BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./:;<=>?¡ÄÖÑÜ§¿äöñüà";
/// These cost two.
const GSM_EXTENDED: &str = "\u{c}^{}\\[~]|€";

/// Counts a text, its signature included: 70 units or 160 septets fit one SMS; a longer one is cut
/// into parts of 67 or 153. A Chinese signature makes every message UCS-2.
pub fn segments(text: &str) -> Segments {
    let septet = |c: char| {
        if c.is_ascii_alphanumeric() || GSM_BASIC.contains(c) {
            Some(1)
        } else if GSM_EXTENDED.contains(c) {
            Some(2)
        } else {
            None
        }
    };
    let gsm: Option<Vec<usize>> = text.chars().map(septet).collect();
    match gsm {
        Some(costs) => count(Encoding::Gsm7, costs.into_iter(), 160, 153),
        None => count(Encoding::Ucs2, text.chars().map(char::len_utf16), 70, 67),
    }
}

/// Characters that cost two units are never torn apart between two parts.
fn count(encoding: Encoding, costs: impl Iterator<Item = usize> + Clone, single: usize, part: usize) -> Segments {
    let units = costs.clone().sum();
    if units <= single {
        return Segments { encoding, units, count: 1 };
    }
    let (mut parts, mut used) = (1, 0);
    for cost in costs {
        if used + cost > part {
            parts += 1;
            used = 0;
        }
        used += cost;
    }
    Segments { encoding, units, count: parts }
}

/// How many UCS-2 units fit into so many segments.
pub fn capacity(segments: usize) -> usize {
    match segments {
        0 => 0,
        1 => 70,
        n => 67 * n,
    }
}

/// UTF-16 units of a text.
pub fn units(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

/// `龙港镇、中村镇等5处` within `limit` units: as many items as fit, always at least one, and the full
/// count wherever some are left out. Items beyond the first are whole or not there at all.
pub fn fit_list(items: &[String], limit: usize, unit: &str) -> String {
    let Some(first) = items.first() else { return String::new() };
    let whole: usize = items.iter().map(|i| units(i)).sum::<usize>() + items.len() - 1;
    if whole <= limit {
        return items.join("、");
    }
    if items.len() == 1 {
        return cut(first, limit);
    }
    let tail = format!("等{}{unit}", items.len());
    let room = limit.saturating_sub(units(&tail));
    let mut out = cut(first, room.max(2));
    for item in items.iter().skip(1) {
        if units(&out) + 1 + units(item) > room {
            break;
        }
        out.push('、');
        out.push_str(item);
    }
    out.push_str(&tail);
    out
}

/// At most `limit` units: cut at the end of a clause, else with `…` and never inside a number, so that
/// `超100毫米` cannot become `超10`.
pub fn cut(text: &str, limit: usize) -> String {
    let text = text.trim();
    if units(text) <= limit {
        return text.to_string();
    }
    let room = limit.saturating_sub(1);
    let mut used = 0;
    let mut end = 0;
    let mut clause = None;
    for (at, c) in text.char_indices() {
        if "，。；！,;".contains(c) && used > 0 && used <= limit {
            clause = Some(at);
        }
        used += c.len_utf16();
        if used <= room {
            end = at + c.len_utf8();
        }
    }
    if let Some(at) = clause.filter(|at| *at * 2 >= end) {
        return text.get(..at).unwrap_or_default().to_string();
    }
    let head = text.get(..end).unwrap_or_default();
    let rest = text.get(end..).unwrap_or_default();
    // A number keeps all its digits and its unit, or goes.
    let in_number = head.ends_with(is_numeric) && (rest.starts_with(is_numeric) || !rest.starts_with(|c: char| "，。；、".contains(c)));
    let head = if in_number { head.trim_end_matches(is_numeric) } else { head };
    if head.is_empty() { String::new() } else { format!("{head}…") }
}

fn is_numeric(c: char) -> bool {
    c.is_numeric() || matches!(c, '.' | '-' | '～' | '~' | ':')
}

/// Why a warning no longer asks anything of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    Cancelled,
    Superseded,
    Expired,
    Released,
    Covered,
}
impl EndReason {
    /// As it stands in a sentence after the warning's name.
    pub fn words(self) -> &'static str {
        match self {
            EndReason::Cancelled => "已解除",
            EndReason::Superseded => "已由新预警代替",
            EndReason::Expired => "已到期",
            EndReason::Released => "已不涉及您负责的地点",
            EndReason::Covered => "已有同一地点的其他责任人应答",
        }
    }
}

/// One of several open asks on a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    pub digit: u8,
    /// What it is about, short: `暴雨红色`.
    pub what: String,
}

/// Everything a message may say. The engine fills what the kind needs; what is empty is said without.
#[derive(Clone, Debug, PartialEq)]
pub struct MessageFacts {
    pub drill: bool,
    pub hazard: HazardCode,
    /// Where the code is not in our table, the name the message itself gives.
    pub hazard_name: String,
    pub level: Level,
    /// The stage of a warning that is issued in stages: `T-2h`, `立即转移`.
    pub stage: Option<String>,
    pub headline: String,
    pub description: String,
    pub instruction: String,
    /// `沁水县气象台`.
    pub issuer: String,
    /// When the issuer sent it.
    pub sent: Time,
    /// The person called.
    pub recipient: String,
    /// Names of the places this is about.
    pub places: Vec<String>,
    /// Posts, for e-mail: `山洪预警员`.
    pub posts: Vec<String>,
    /// Minutes to the answer deadline, at least 1.
    pub minutes: u32,
    /// The key or reply that answers.
    pub digit: u8,
    /// How many did not answer (deputy, takeover) or how many asks stand open (which).
    pub count: u32,
    /// Who did not answer.
    pub holders: Vec<String>,
    /// What feedback is asked for.
    pub ask: Vec<String>,
    /// Until when feedback is due.
    pub due: Option<Time>,
    /// The feedback is overdue.
    pub overdue: bool,
    pub end: Option<(Time, EndReason)>,
    pub options: Vec<Ask>,
    /// The answer page.
    pub link: Option<String>,
}
impl Default for MessageFacts {
    fn default() -> Self {
        MessageFacts {
            drill: false,
            hazard: HazardCode(String::new()),
            hazard_name: String::new(),
            level: Level::Unknown,
            stage: None,
            headline: String::new(),
            description: String::new(),
            instruction: String::new(),
            issuer: String::new(),
            sent: Time(0),
            recipient: String::new(),
            places: Vec::new(),
            posts: Vec::new(),
            minutes: 1,
            digit: 1,
            count: 0,
            holders: Vec::new(),
            ask: Vec::new(),
            due: None,
            overdue: false,
            end: None,
            options: Vec::new(),
            link: None,
        }
    }
}
impl MessageFacts {
    /// The hazard's name as people say it; never empty.
    pub fn hazard_zh(&self) -> &str {
        match self.hazard.name() {
            Some(name) => name,
            None if !self.hazard_name.trim().is_empty() => self.hazard_name.trim(),
            None => "灾害",
        }
    }

    /// What threatens, in a clause or two without the title that every warning repeats and without the
    /// places, which are said beside it; never empty.
    pub fn gist(&self) -> String {
        let mut text = gist(&web_address::without(&self.headline), &web_address::without(&self.description));
        for place in self.places.iter().filter(|p| p.chars().count() >= 3).take(20) {
            if let Some(at) = text.find(place.as_str()) {
                let end = at + place.len();
                let end = if text.get(end..).is_some_and(|t| t.starts_with('、')) { end + '、'.len_utf8() } else { end };
                text.replace_range(at..end, "");
            }
        }
        let text = text.trim_matches(|c: char| "，、；,;".contains(c) || c.is_whitespace());
        if text.is_empty() { "请注意防范".to_string() } else { text.to_string() }
    }

    /// What is to be done at once.
    pub fn action(&self) -> &'static str {
        // A fire that burns is fought; the danger of one is guarded against.
        if self.hazard.0.starts_with("11G") && matches!(self.level.called_as(), Level::Red | Level::Orange) {
            return "请立即组织扑救、撤离群众";
        }
        action(self.hazard.class(), self.level)
    }
}

/// The clause of a warning that says what will happen. Titles (`××气象台发布暴雨红色预警信号[I级/特别严重]`)
/// repeat what the message says anyway; the description has it behind the first colon.
pub fn gist(headline: &str, description: &str) -> String {
    let is_title = headline.contains("发布") || headline.contains("预警") || headline.trim().is_empty();
    let body = description.split_once(['：', ':']).filter(|(head, _)| head.contains("预警") || head.contains("发布"));
    let text = match body {
        _ if !is_title => headline,
        Some((_, rest)) => rest,
        None if !description.trim().is_empty() => description,
        None => "",
    };
    let sentence = text.trim().split(['。', '！', '\n', '\r']).find(|s| !s.trim().is_empty()).unwrap_or_default().trim();
    if sentence.is_empty() { "请注意防范".to_string() } else { plain(sentence) }
}

/// Without the brackets that carriers keep for signatures.
pub fn plain(text: &str) -> String {
    text.replace('【', "〔").replace('】', "〕")
}

fn action(class: HazardClass, level: Level) -> &'static str {
    match (class, level.called_as()) {
        (HazardClass::Earthquake, _) => "请立即核查并报告灾情",
        (HazardClass::Fire, Level::Red | Level::Orange) => "请到岗落实封山禁火",
        (HazardClass::Flood | HazardClass::Geological, Level::Red) => "请立即到岗并转移危险区群众",
        (HazardClass::Meteorological, Level::Red) => "请立即到岗并转移危险区群众",
        (HazardClass::Flood | HazardClass::Geological, Level::Orange) => "请巡查隐患点、做好转移",
        (_, Level::Red | Level::Orange) => "请立即到岗、做好转移准备",
        _ => "请到岗巡查",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seventy_characters_are_one_message_and_one_more_is_two() {
        for (n, want) in [(0, 1), (1, 1), (69, 1), (70, 1), (71, 2), (134, 2), (135, 3), (201, 3), (202, 4)] {
            let s = segments(&"雨".repeat(n));
            assert_eq!((s.count, s.units), (want, n), "{n}");
        }
        for (n, want) in [(160, 1), (161, 2), (306, 2), (307, 3)] {
            assert_eq!(segments(&"a".repeat(n)).count, want, "{n}");
        }
        assert_eq!(segments(&"€".repeat(80)), Segments { encoding: Encoding::Gsm7, units: 160, count: 1 });
        assert_eq!(segments("【应急】ok").encoding, Encoding::Ucs2);
    }

    #[test]
    fn a_character_of_two_units_is_not_torn_between_two_parts() {
        // 66 + 2 do not fit a part of 67, so the pair goes to the next: 66, then 2 + 65, then 3.
        let text = format!("{}😀{}", "雨".repeat(66), "雨".repeat(66));
        let s = segments(&text);
        assert_eq!((s.units, s.count), (134, 3), "134 units would be two parts if the pair could be torn");
    }

    #[test]
    fn lists_say_how_many_were_left_out() {
        let towns: Vec<String> = ["龙港镇", "中村镇", "郑庄镇", "端氏镇", "嘉峰镇"].map(String::from).to_vec();
        assert_eq!(fit_list(&towns, 40, "处"), "龙港镇、中村镇、郑庄镇、端氏镇、嘉峰镇");
        assert_eq!(fit_list(&towns, 12, "处"), "龙港镇、中村镇等5处");
        assert_eq!(fit_list(&towns, 5, "处"), "龙…等5处");
        assert_eq!(fit_list(&towns[..1], 20, "处"), "龙港镇");
        assert_eq!(fit_list(&[], 20, "处"), "");
    }

    #[test]
    fn a_cut_never_changes_a_number() {
        let text = "未来3小时龙港镇雨量将超100毫米";
        for limit in 0..20 {
            let c = cut(text, limit);
            assert!(units(&c) <= limit, "{limit}: {c}");
            assert!(c == text || c.is_empty() || c.ends_with('…'), "{c}");
            assert!(!c.contains("超1…") && !c.contains("超10…") && !c.contains("超100…"), "{limit}: {c}");
        }
        assert_eq!(cut("龙港镇将有大雨，局地暴雨，请防范", 12), "龙港镇将有大雨，局地暴雨");
        assert_eq!(cut("龙港镇将有大雨，局地暴雨，请防范", 11), "龙港镇将有大雨");
    }

    #[test]
    fn the_gist_leaves_the_title_out() {
        let description =
            "筠连县气象台2026年08月23日17时08分发布暴雨橙色预警信号：大雪山镇、联合苗族乡3小时降雨量将达50毫米以上。请注意防范。";
        assert_eq!(gist("筠连县气象台发布暴雨橙色预警信号[II级/严重]", description), "大雪山镇、联合苗族乡3小时降雨量将达50毫米以上");
        assert_eq!(gist("未来3小时雨量将超100毫米", ""), "未来3小时雨量将超100毫米");
        assert_eq!(gist("暴雨红色预警", ""), "请注意防范");
        assert_eq!(gist("", "【急】大坝渗水"), "〔急〕大坝渗水");
        let facts = |places: &[&str]| MessageFacts {
            description: description.into(),
            places: places.iter().map(|p| (*p).to_string()).collect(),
            ..MessageFacts::default()
        };
        assert_eq!(facts(&["大雪山镇", "联合苗族乡"]).gist(), "3小时降雨量将达50毫米以上", "the places are said beside it");
        assert_eq!(facts(&["别处"]).gist(), "大雪山镇、联合苗族乡3小时降雨量将达50毫米以上");
    }
}
