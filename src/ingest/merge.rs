//! Several `info` blocks become one message: translations of one warning, or one warning in several
//! levels for several areas. The Chinese text is taken, the highest level leads, every area is kept
//! with the level of its own block.

use super::{check, notes::Notes, text, words};
use crate::core::{
    hazard::{HazardCode, Level},
    time::Time,
    warning::{Area, Shape},
};
use std::collections::{BTreeMap, BTreeSet};

/// One block as its reader understood it.
#[derive(Debug, Default)]
pub(super) struct Info {
    /// Language tag in lower case; empty if none.
    pub language: String,
    /// The event in words.
    pub event: String,
    /// Only if a field gave a code.
    pub hazard: Option<HazardCode>,
    pub level: Option<Level>,
    pub headline: String,
    pub description: String,
    pub instruction: String,
    pub effective: Option<Time>,
    pub onset: Option<Time>,
    pub expires: Option<Time>,
    pub sender_name: Option<String>,
    pub parameters: Vec<(String, String)>,
    pub areas: Vec<Area>,
}

/// All blocks as one.
#[derive(Debug)]
pub(super) struct Merged {
    pub hazard: HazardCode,
    pub level: Level,
    pub headline: String,
    pub description: String,
    pub instruction: String,
    pub effective: Option<Time>,
    pub onset: Option<Time>,
    pub expires: Option<Time>,
    pub sender_name: Option<String>,
    pub parameters: BTreeMap<String, String>,
    pub areas: Vec<Area>,
}

/// Merges the blocks. A cancel may have none, and needs neither hazard nor headline.
pub(super) fn merge(infos: Vec<Info>, is_cancel: bool, notes: &mut Notes) -> Merged {
    let rank = |tag: &str| match tag {
        "zh" | "zh-cn" => 3,
        t if t.starts_with("zh-hans") => 3,
        t if t.starts_with("zh-") => 2,
        _ => 1,
    };
    let best = infos.iter().map(|i| rank(&i.language)).max().unwrap_or(1);
    let tag = infos.iter().find(|i| rank(&i.language) == best).map(|i| i.language.clone()).unwrap_or_default();
    let (mut group, others): (Vec<Info>, Vec<Info>) = infos.into_iter().partition(|i| i.language == tag);

    let danger = |i: &Info| i.level.map_or((0, false), |l| (l.rank(), l != Level::Unknown));
    let own = group.iter().max_by_key(|i| danger(i)).and_then(|i| i.level);
    let foreign = others.iter().max_by_key(|i| danger(i)).and_then(|i| i.level);
    let level = match (own, foreign) {
        (Some(a), Some(b)) if b.rank() > a.rank() && b != Level::Unknown => {
            notes.add("level_differs", format!("不同语言的正文级别不一致（{}、{}），按较高的处理", a.name_zh(), b.name_zh()));
            b
        }
        (Some(a), _) => a,
        (None, b) => b.unwrap_or(Level::Unknown),
    };
    // The block that leads is the first of the highest level; its headline is the message's.
    let lead = group.iter().position(|i| i.level == own).unwrap_or(0);
    if lead > 0 && lead < group.len() {
        group.swap(0, lead);
    }
    if group.len() > 1 {
        notes.add("several_infos", format!("报文含 {} 段正文，标题取级别最高的一段，各区域按各自的级别处理", group.len()));
    }

    let areas = areas(&group, &others, level, notes);
    let hazard = hazard(&group, &others, is_cancel, notes);
    let parameters = parameters(&group);
    let headline = group
        .iter()
        .map(|i| i.headline.clone())
        .find(|h| !h.is_empty())
        .or_else(|| {
            (!is_cancel).then(|| {
                notes.add("no_headline", "报文没有标题，已用灾种和级别代替");
                let event = group.iter().map(|i| i.event.as_str()).find(|e| !e.is_empty());
                let colour = if level == Level::Unknown { "" } else { level.name_zh() };
                format!("{}{colour}预警", hazard.name().or(event).unwrap_or("突发事件"))
            })
        })
        .unwrap_or_default();
    let expires: BTreeSet<Time> = group.iter().filter_map(|i| i.expires).collect();
    if expires.len() > 1 {
        notes.add("several_expiries", "各段正文的失效时间不同，取最晚的");
    }
    Merged {
        hazard,
        level,
        headline,
        description: joined(&group, |i| &i.description),
        instruction: joined(&group, |i| &i.instruction),
        effective: group.iter().filter_map(|i| i.effective).min(),
        onset: group.iter().filter_map(|i| i.onset).min(),
        expires: expires.last().copied(),
        sender_name: group.iter().find_map(|i| i.sender_name.clone()),
        parameters,
        areas,
    }
}

/// The different texts of the blocks, the leading block's first.
fn joined(group: &[Info], field: impl Fn(&Info) -> &String) -> String {
    let mut seen = BTreeSet::new();
    let texts: Vec<&str> = group.iter().map(|i| field(i).as_str()).filter(|t| !t.is_empty() && seen.insert(*t)).collect();
    texts.join("\n")
}

fn areas(group: &[Info], others: &[Info], level: Level, notes: &mut Notes) -> Vec<Area> {
    // Where another language's level stands above this one's, what was the highest here is as high as it says.
    let top = group.iter().filter_map(|i| i.level).max_by_key(|l| l.rank()).filter(|l| l.rank() < level.rank());
    let at_level = |info: &Info, area: &Area| {
        let own = area.level.or(info.level).filter(|l| *l != level && Some(*l) != top);
        Area { level: own, ..area.clone() }
    };
    let mut all: Vec<Area> = group.iter().flat_map(|i| i.areas.iter().map(move |a| at_level(i, a))).collect();
    let known: BTreeSet<String> = all.iter().map(|a| check::key(&a.shape)).collect();
    // A translation repeats the areas; only what the chosen language does not have is added. A language
    // with no more blocks than the chosen one is a translation, so its names are the same places.
    let mut blocks: BTreeMap<&str, usize> = BTreeMap::new();
    others.iter().for_each(|i| *blocks.entry(&i.language).or_default() += 1);
    let translated = !known.is_empty() && blocks.values().all(|n| *n <= group.len());
    let mut added = 0;
    for info in others {
        for area in &info.areas {
            let named = matches!(area.shape, Shape::Named(_));
            if known.contains(&check::key(&area.shape)) || (named && translated) {
                continue;
            }
            added += 1;
            all.push(at_level(info, area));
        }
    }
    if added > 0 && !group.is_empty() && !known.is_empty() {
        notes.add("areas_differ", "不同语言的正文区域不一致，已全部采用");
    }
    all
}

fn hazard(group: &[Info], others: &[Info], is_cancel: bool, notes: &mut Notes) -> HazardCode {
    let codes: Vec<&HazardCode> = group.iter().filter_map(|i| i.hazard.as_ref()).collect();
    if let Some(first) = codes.first() {
        if let Some(other) = codes.iter().find(|c| *c != first) {
            notes.add("several_hazards", format!("报文含不同灾种（{first}、{other}），按 {first} 处理"));
        }
        return (*first).clone();
    }
    if let Some(code) = others.iter().find_map(|i| i.hazard.clone()) {
        return code;
    }
    // No code: the words, first of the event, then of the headline, then of other languages.
    let blocks = || group.iter().chain(others);
    let texts = blocks().map(|i| &i.event).chain(blocks().map(|i| &i.headline)).filter(|t| !t.is_empty());
    for text in texts {
        if let Some(code) = words::hazard_in(text) {
            if !words::is_table_name(text) {
                notes.add(
                    "hazard_from_text",
                    format!("报文没有灾种编码，由文字“{}”读作{}（{code}）", text::quote(text), code.name().unwrap_or("")),
                );
            }
            return code;
        }
    }
    match blocks().map(|i| i.event.as_str()).find(|e| !e.is_empty()) {
        Some(event) => HazardCode(event.chars().take(64).collect()),
        None if is_cancel => HazardCode(String::new()),
        None => {
            notes.add("no_hazard", "报文没有说明灾种，按“其它突发事件”处理");
            HazardCode(words::OTHER_HAZARD.to_string())
        }
    }
}

/// Parameters of all chosen blocks; different values of one name stand side by side.
fn parameters(group: &[Info]) -> BTreeMap<String, String> {
    let mut seen = BTreeSet::new();
    let mut all: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in group.iter().flat_map(|i| &i.parameters) {
        if !name.is_empty() && seen.insert((name, value)) {
            all.entry(name.clone())
                .and_modify(|v| {
                    v.push_str("; ");
                    v.push_str(value);
                })
                .or_insert_with(|| value.clone());
        }
    }
    all
}
