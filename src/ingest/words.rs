//! What the words of a warning say: colours, levels in numerals, hazards by name. Used where a
//! message has no field for it, and to notice when a field and the headline disagree.

use crate::core::hazard::{HAZARD_NAMES, HazardCode, Level};

/// National catch-all (其它突发事件), for a message that names no hazard at all.
pub(super) const OTHER_HAZARD: &str = "19000";

/// Colour words, traditional forms included. White (Guangdong's lowest typhoon signal) counts as blue.
const COLOURS: &[(&str, Level)] = &[
    ("红色", Level::Red),
    ("紅色", Level::Red),
    ("橙色", Level::Orange),
    ("黄色", Level::Yellow),
    ("黃色", Level::Yellow),
    ("蓝色", Level::Blue),
    ("藍色", Level::Blue),
    ("白色", Level::Blue),
];
const ENGLISH_COLOURS: &[(&str, Level)] =
    &[("red", Level::Red), ("orange", Level::Orange), ("yellow", Level::Yellow), ("blue", Level::Blue), ("white", Level::Blue)];

/// Behind one of these stands the new level: `橙色预警升级为红色`. `发布` may list several.
const CHANGES: &[&str] = &["升级为", "降级为", "升级", "降级", "变更", "调整", "升為", "降為"];
const ISSUES: &[&str] = &["发布", "發布", "更新", "确认"];

/// The colour a headline announces. Two colours in a change: the one behind the verb; several
/// warnings in one headline: the highest.
pub(super) fn headline_colour(text: &str) -> Option<Level> {
    let found: Vec<(usize, Level)> = COLOURS.iter().flat_map(|(w, l)| text.match_indices(w).map(|(at, _)| (at, *l))).collect();
    let Some(last) = found.iter().map(|(at, _)| *at).max() else {
        return english_headline_colour(text);
    };
    let verb = |words: &[&str]| words.iter().flat_map(|w| text.match_indices(w)).map(|(at, _)| at).filter(|at| *at < last).max();
    let (change, issue) = (verb(CHANGES), verb(ISSUES));
    let after = change.max(issue).unwrap_or(0);
    let mut behind: Vec<(usize, Level)> = found.into_iter().filter(|(at, _)| *at >= after).collect();
    behind.sort_by_key(|(at, _)| *at);
    if change > issue { behind.first().map(|(_, l)| *l) } else { behind.into_iter().map(|(_, l)| l).max_by_key(|l| l.rank()) }
}

/// `yellow warning`, `Red Alert`, `orange signal`: a colour word alone may be a flag or a river.
fn english_headline_colour(text: &str) -> Option<Level> {
    let lower = text.to_lowercase();
    let words: Vec<&str> = lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty()).collect();
    words
        .windows(2)
        .filter_map(|pair| match pair {
            [colour, "warning" | "warnings" | "alert" | "level" | "signal" | "code"] => english(colour),
            _ => None,
        })
        .max_by_key(|l| l.rank())
}

fn english(word: &str) -> Option<Level> {
    ENGLISH_COLOURS.iter().find(|(w, _)| word.eq_ignore_ascii_case(w)).map(|(_, l)| *l)
}

/// What a headline says is done with a warning, where the message's type may say less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// 解除, 取消, 撤销.
    Lifted,
    /// 升级, 降级, 继续发布, 变更, 更新: there was one before.
    Renewed,
}

/// The deed of a headline, read only where nothing speaks against it: a warning that is taken for its own
/// end calls nobody.
pub(super) fn deed(headline: &str) -> Option<Deed> {
    // 发布解除…预警 is said of the notice, not of a warning.
    let text: String = headline.replace("发布解除", "解除").chars().filter(|c| !c.is_whitespace()).collect();
    const RENEWS: &[&str] =
        &["继续发布", "升级", "降级", "变更", "更新", "调整为", "改为", "转为", "升为", "降为", "续发", "維持", "维持", "延长"];
    let renewed = RENEWS.iter().any(|w| text.contains(w)) && ["预警", "預警", "警报"].iter().any(|w| text.contains(w));
    if lifts(&text) {
        // 解除橙色预警，发布蓝色预警: the old one goes, a new one comes.
        return Some(if renewed || text.contains("发布") || text.contains("生效") { Deed::Renewed } else { Deed::Lifted });
    }
    renewed.then_some(Deed::Renewed)
}

/// `解除…预警`, or `…预警（已）解除`, in one breath and not denied.
fn lifts(text: &str) -> bool {
    const ENDS: &[&str] = &["预警", "預警", "警报", "警戒"];
    ["解除", "取消", "撤销"].iter().any(|verb| {
        text.match_indices(verb).any(|(at, _)| {
            let before = text.get(..at).unwrap_or_default();
            let behind = text.get(at + verb.len()..).unwrap_or_default();
            if ["未", "不", "勿", "没有", "非", "能否", "何时", "前"].iter().any(|no| before.ends_with(no)) {
                return false;
            }
            let stem =
                ["正式", "已经", "予以", "现已", "全部", "已", "现", "均"].iter().fold(before, |b, w| b.strip_suffix(w).unwrap_or(b));
            let stem = stem.trim_end_matches([']', '］', ')', '）']);
            let closed =
                ENDS.iter().any(|e| stem.ends_with(e) || stem.ends_with(&format!("{e}信号"))) && !behind.starts_with(['前', '后', '条']);
            // 取消户外活动 is no end of a warning: there what is lifted must be a warning by its own name.
            let breath = behind.split(['，', ',', '。', '；', ';', '：', ':', '！']).next().unwrap_or_default();
            let object = ENDS.iter().filter_map(|e| breath.find(e)).min().and_then(|end| breath.get(..end));
            let named = object.is_some_and(|o| o.chars().count() <= 24 && (*verb == "解除" || begins_with_hazard(o)));
            closed || named
        })
    })
}

fn begins_with_hazard(text: &str) -> bool {
    let hazards = HAZARD_NAMES.iter().map(|(_, n)| *n).chain(ALIASES.iter().map(|(n, _)| *n));
    text.is_empty() || hazards.chain(COLOURS.iter().map(|(n, _)| *n)).any(|n| text.starts_with(n))
}

/// The colour in a field that is about the level: `Red`, `红色`, `RED预警`, `2; yellow; Moderate`.
pub(super) fn field_colour(text: &str) -> Option<Level> {
    COLOURS.iter().find(|(w, _)| text.contains(w)).map(|(_, l)| *l).or_else(|| match text.trim() {
        "红" | "紅" => Some(Level::Red),
        "橙" => Some(Level::Orange),
        "黄" | "黃" => Some(Level::Yellow),
        "蓝" | "藍" => Some(Level::Blue),
        _ => text.split(|c: char| !c.is_ascii_alphabetic()).find_map(english),
    })
}

/// Levels in numerals: `[Ⅲ级/较重]`, `二级预警`, `[IV级/一般]`. Not a response level (响应), and
/// not a wind force.
pub(super) fn numeral_level(text: &str) -> Option<Level> {
    let plain = text.replace('Ⅰ', "I").replace('Ⅱ', "II").replace('Ⅲ', "III").replace('Ⅳ', "IV");
    let mut found = None;
    for (at, mark) in plain.match_indices(['级', '級', '/']) {
        let behind = plain.get(at + mark.len()..).unwrap_or_default();
        let before = plain.get(..at).unwrap_or_default();
        let bracket = |s: &str| s.ends_with(['[', '［', '(', '（', '【']);
        let ends = mark != "/"
            && (behind.starts_with("预警") || behind.starts_with("預警") || behind.starts_with(['/', '／', ']', '］', ')', '）', '】']));
        let numeral = [
            ("IV", Level::Blue),
            ("III", Level::Yellow),
            ("II", Level::Orange),
            ("I", Level::Red),
            ("一", Level::Red),
            ("二", Level::Orange),
            ("三", Level::Yellow),
            ("四", Level::Blue),
        ]
        .into_iter()
        .find_map(|(n, l)| before.strip_suffix(n).map(|rest| (rest, l)));
        if let Some((rest, level)) = numeral
            && (ends && !rest.ends_with(|c: char| c.is_ascii_alphanumeric() || "一二三四五六七八九十".contains(c))
                || mark == "/" && bracket(rest))
        {
            found = found.max_by_rank(level);
        }
    }
    found
}

trait MaxByRank {
    fn max_by_rank(self, other: Level) -> Option<Level>;
}
impl MaxByRank for Option<Level> {
    fn max_by_rank(self, other: Level) -> Option<Level> {
        Some(self.filter(|l| l.rank() >= other.rank()).unwrap_or(other))
    }
}

/// CAP's severity as a colour. `None` for a word that is none of CAP's.
pub(super) fn severity(word: &str) -> Option<Level> {
    Some(match word.to_ascii_lowercase().as_str() {
        "extreme" => Level::Red,
        "severe" => Level::Orange,
        "moderate" => Level::Yellow,
        "minor" => Level::Blue,
        "unknown" | "unkown" => Level::Unknown,
        _ => return None,
    })
}

/// Whether a value looks like a code of the national list: `11B03`, `12000`, and what provinces add.
pub(super) fn is_event_code(value: &str) -> bool {
    matches!(value.as_bytes(), [b'1', b'1'..=b'9', c, d, e]
        if (c.is_ascii_uppercase() || c.is_ascii_digit()) && d.is_ascii_digit() && e.is_ascii_digit())
}

/// Names beside the table's that mean one of its codes.
const ALIASES: &[(&str, &str)] = &[
    ("山洪", "11A51"),
    ("地质灾害气象", "11B37"),
    ("颱風", "11B01"),
    ("豪雨", "11B03"),
    ("强降雨", "11B38"),
    ("强降水", "11B38"),
    ("雷暴", "11B43"),
    ("浓雾", "11B17"),
    ("雾", "11B17"),
    ("森林（草原）火险", "11B41"),
    ("森林(草原)火险", "11B41"),
    ("火险", "11B41"),
    ("崩塌", "11D03"),
];

/// English words for hazards, as bilingual feeds use them.
const ENGLISH: &[(&str, &str)] = &[
    ("typhoon", "11B01"),
    ("tropical cyclone", "11B01"),
    ("hurricane", "11B01"),
    ("tornado", "11B02"),
    ("rainstorm", "11B03"),
    ("heavy rain", "11B03"),
    ("torrential rain", "11B03"),
    ("snowstorm", "11B04"),
    ("blizzard", "11B04"),
    ("cold wave", "11B05"),
    ("gale", "11B06"),
    ("wind", "11B06"),
    ("sandstorm", "11B07"),
    ("dust storm", "11B07"),
    ("high temperature", "11B09"),
    ("heat wave", "11B09"),
    ("thunder", "11B14"),
    ("thunderstorm", "11B14"),
    ("lightning", "11B14"),
    ("hail", "11B15"),
    ("frost", "11B16"),
    ("fog", "11B17"),
    ("haze", "11B19"),
    ("icy road", "11B21"),
    ("road icing", "11B21"),
    ("drought", "11B22"),
    ("flash flood", "11A51"),
    ("flood", "11A01"),
    ("waterlogging", "11A02"),
    ("earthquake", "11C02"),
    ("landslide", "11D01"),
    ("debris flow", "11D02"),
    ("mudslide", "11D02"),
    ("forest fire", "11G01"),
    ("grassland fire", "11G05"),
];

/// The code of a hazard that is named in a text: the longest name found, the first of equals.
pub(super) fn hazard_in(text: &str) -> Option<HazardCode> {
    let chinese = HAZARD_NAMES.iter().map(|(code, name)| (*name, *code)).chain(ALIASES.iter().copied());
    let best = chinese
        .filter_map(|(name, code)| text.find(name).map(|at| (name.chars().count(), std::cmp::Reverse(at), code)))
        .max_by_key(|(length, at, _)| (*length, *at));
    if let Some((_, _, code)) = best {
        return Some(HazardCode(code.to_string()));
    }
    let lower = text.to_lowercase();
    ENGLISH
        .iter()
        .filter(|(name, _)| has_word(&lower, name))
        .max_by_key(|(name, _)| name.len())
        .map(|(_, code)| HazardCode(code.to_string()))
}

/// Whether the table's own name for a code is exactly this text: then it was said, not guessed.
pub(super) fn is_table_name(text: &str) -> bool {
    HAZARD_NAMES.iter().any(|(_, name)| *name == text)
}

/// `name` in `text` with no letter around it, a plural `s` aside.
fn has_word(text: &str, name: &str) -> bool {
    let letter = |c: Option<char>| c.is_some_and(|c| c.is_alphabetic());
    text.match_indices(name).any(|(at, _)| {
        let behind = text.get(at + name.len()..).unwrap_or_default();
        let behind = behind.strip_prefix('s').unwrap_or(behind);
        !letter(text.get(..at).and_then(|b| b.chars().next_back())) && !letter(behind.chars().next())
    })
}

/// The issuing office at the head of a Chinese headline: `保定市气象台更新雷电黄色预警` → 保定市气象台.
pub(super) fn headline_issuer(headline: &str) -> Option<String> {
    let verbs = ["继续发布", "升级发布", "降级发布", "发布", "更新", "变更", "确认", "解除", "取消"];
    let at = verbs.iter().filter_map(|v| headline.find(v)).min()?;
    let office = headline.get(..at)?.trim();
    is_office(office).then(|| office.to_string())
}

/// Whether a name is an office's rather than a person's.
pub(super) fn is_office(name: &str) -> bool {
    let chars = name.chars().count();
    const ENDS: &[&str] =
        &["局", "台", "站", "厅", "部", "委", "办", "中心", "所", "政府", "院", "处", "队", "会", "室", "司", "公司", "平台"];
    const ENGLISH_PARTS: &[&str] =
        &["observatory", "bureau", "office", "service", "center", "centre", "administration", "department", "agency"];
    let lower = name.to_lowercase();
    (chars >= 3 && ENDS.iter().any(|e| name.ends_with(e))) || ENGLISH_PARTS.iter().any(|p| lower.contains(p))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_colour_behind_the_verb_counts() {
        for (headline, level) in [
            ("河南省气象局发布大风蓝色预警[IV级/一般]", Level::Blue),
            ("晋城市气象台将暴雨橙色预警升级为红色预警", Level::Red),
            ("顺义区气象台降级发布道路结冰黄色预警", Level::Yellow),
            ("暴雨预警信号由红色降级为蓝色", Level::Blue),
            ("解除雷电红色预警，发布暴雨黄色预警", Level::Yellow),
            ("发布暴雨橙色、雷电黄色预警", Level::Orange),
            ("Baoding Meteorological Observatory updates lightning yellow warning", Level::Yellow),
            ("發布紅色警戒", Level::Red),
            ("发布台风白色预警", Level::Blue),
        ] {
            assert_eq!(headline_colour(headline), Some(level), "{headline}");
        }
        for none in ["黄河宁夏段发布凌汛预警", "Red Flag Warning for Orange County", "红旗镇山洪"] {
            assert_eq!(headline_colour(none), None, "{none}");
        }
    }

    #[test]
    fn a_headline_says_what_is_done_with_a_warning() {
        for (headline, deed_of) in [
            ("晋城市气象台解除暴雨橙色预警信号", Some(Deed::Lifted)),
            ("晋城市气象台发布解除大风蓝色预警", Some(Deed::Lifted)),
            ("取消雷电黄色预警[III级/较重]", Some(Deed::Lifted)),
            ("暴雨红色预警信号已解除", Some(Deed::Lifted)),
            ("解除2024年7月12日15时发布的暴雨预警", Some(Deed::Renewed)),
            ("解除暴雨橙色预警，发布暴雨蓝色预警", Some(Deed::Renewed)),
            ("将暴雨橙色预警升级为红色预警", Some(Deed::Renewed)),
            ("顺义区气象台降级发布道路结冰黄色预警", Some(Deed::Renewed)),
            ("保定市气象台继续发布雷电黄色预警", Some(Deed::Renewed)),
            ("沁水县气象台变更暴雨橙色预警", Some(Deed::Renewed)),
            ("保定市气象台更新雷电黄色预警", Some(Deed::Renewed)),
            ("晋城市气象台发布暴雨红色预警", None),
            ("暴雨红色预警尚未解除，请继续转移", None),
            ("暴雨红色预警，取消一切户外活动", None),
            ("取消户外活动！暴雨红色预警", None),
            ("预警解除前不得返回", None),
            ("防汛应急响应升级", None),
        ] {
            assert_eq!(deed(headline), deed_of, "{headline}");
        }
    }

    #[test]
    fn numerals_are_levels_only_where_they_stand_as_one() {
        for (text, level) in [
            ("广东发布气象灾害(台风)二级预警", Some(Level::Orange)),
            ("保定市气象台更新雷电预警[Ⅲ级/较重]", Some(Level::Yellow)),
            ("预警[III/较重]", Some(Level::Yellow)),
            ("[IV级/一般]", Some(Level::Blue)),
            ("防汛Ⅰ级响应", None),
            ("大风十一级预警", None),
            ("偏北风5级，阵风6到7级", None),
        ] {
            assert_eq!(numeral_level(text), level, "{text}");
        }
        assert_eq!(field_colour("2; yellow; Moderate"), Some(Level::Yellow));
        assert_eq!(field_colour("Advice"), None);
        assert_eq!(field_colour("紅色"), Some(Level::Red));
    }

    #[test]
    fn the_longest_hazard_name_wins() {
        for (text, code) in [
            ("发布雷雨大风黄色预警", Some("11B20")),
            ("山西省自然资源厅和山西省气象台发布地质灾害气象风险黄色预警", Some("11B37")),
            ("暴雨", Some("11B03")),
            ("发布山洪灾害蓝色预警", Some("11A51")),
            ("Flash Flood Watch", Some("11A51")),
            ("Forest Fires", Some("11G01")),
            ("Window", None),
            ("水庫洩洪", None),
        ] {
            assert_eq!(hazard_in(text).map(|h| h.0).as_deref(), code, "{text}");
        }
        assert!(
            is_event_code("11B03")
                && is_event_code("12000")
                && !is_event_code("CAE")
                && !is_event_code("11b03")
                && !is_event_code("006037")
        );
    }

    #[test]
    fn an_office_is_told_from_a_person() {
        assert_eq!(headline_issuer("保定市气象台更新雷电黄色预警").as_deref(), Some("保定市气象台"));
        assert_eq!(headline_issuer("雷电黄色预警"), None);
        assert!(!is_office("于雷") && !is_office("李飞") && !is_office("Yu Lei") && is_office("河南省气象局"));
    }
}
