//! Coverage for people: the summary and the lists, as sheets and lines.

use super::table::Table;
use crate::core::{
    coverage::{Coverage, Gap, GapKind},
    planner::survey::SurveyRow,
};
use serde::Serialize;

/// How many gaps of one kind there are.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KindCount {
    pub kind: GapKind,
    pub name: &'static str,
    pub count: usize,
}

/// The kinds that have gaps, the worst first.
pub fn summary(c: &Coverage) -> Vec<KindCount> {
    c.counts().into_iter().map(|(kind, count)| KindCount { kind, name: kind.name_zh(), count }).collect()
}

/// For which rows of the policy a gap matters: `暴雨红色、洪水红色 等37项`; `全部` where it matters for all.
pub fn rows_zh(c: &Coverage, gap: &Gap) -> String {
    const TOLD: usize = 4;
    if gap.rows.is_empty() || gap.rows.len() == c.rows.len() {
        return "全部".into();
    }
    let mut names: Vec<&str> = Vec::new();
    for name in gap.rows.iter().filter_map(|n| c.rows.get(usize::from(*n))).map(|r| r.name.as_str()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let more = if names.len() > TOLD { format!(" 等{}项", names.len()) } else { String::new() };
    names.truncate(TOLD);
    format!("{}{more}", names.join("、"))
}

/// The gaps as a sheet.
pub fn gaps(c: &Coverage) -> Table {
    let columns =
        vec![("类别", 18), ("地点编码", 16), ("地点", 20), ("所在", 30), ("责任人", 12), ("号码", 14), ("涉及规则", 40), ("说明", 60)];
    let row = |g: &Gap| {
        vec![
            g.kind.name_zh().to_string(),
            g.place.id(),
            g.place_name.clone(),
            g.path.clone(),
            g.name.clone().unwrap_or_default(),
            g.phone.as_ref().map(crate::core::phone::Phone::masked).unwrap_or_default(),
            rows_zh(c, g),
            g.detail.clone(),
        ]
    };
    Table { title: "缺口".into(), columns, rows: c.gaps.iter().map(row).collect() }
}

/// The summary as a sheet.
pub fn overview(c: &Coverage) -> Table {
    let mut rows: Vec<Vec<String>> = vec![
        vec!["地点（行政区划和点位）".into(), c.places.to_string()],
        vec!["至少一项规则会叫到的人".into(), c.people.to_string()],
        vec!["不同的规则行".into(), c.rows.len().to_string()],
    ];
    rows.extend(summary(c).into_iter().map(|k| vec![k.name.to_string(), k.count.to_string()]));
    Table { title: "汇总".into(), columns: vec![("项目", 30), ("数量", 10)], rows }
}

/// Which hazards and levels each row stands for, as a sheet.
pub fn rules(c: &Coverage) -> Table {
    let row = |r: &SurveyRow| {
        let hazards: Vec<String> = r.hazards.iter().map(|h| h.name().map_or_else(|| h.0.clone(), |n| format!("{n}({h})"))).collect();
        let levels: Vec<&str> = r.levels.iter().map(|l| l.name_zh()).collect();
        vec![r.name.clone(), hazards.join("、"), levels.join("、"), r.stage.clone().unwrap_or_default()]
    };
    let columns = vec![("规则", 24), ("灾种", 60), ("级别", 20), ("阶段", 14)];
    Table { title: "规则".into(), columns, rows: c.rows.iter().map(row).collect() }
}
