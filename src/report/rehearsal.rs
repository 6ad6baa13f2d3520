//! A rehearsal for people and programs; numbers masked.

use super::{drill::channel_zh, table::Table};
use crate::core::{
    callout::state::Relation,
    hazard::Level,
    phone::Phone,
    planner::PlanOutput,
    rehearsal::{Cost, PersonPlan, PlaceMiss, Rehearsal, RungTotals},
    time::Time,
    warning::{Content, Finding},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Of one warning, everything but the persons.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Summary {
    pub identifier: String,
    pub headline: String,
    pub hazard: String,
    pub level: Level,
    /// When it is taken to be accepted.
    pub at: String,
    pub policy: String,
    pub rules: Vec<String>,
    /// Callouts: persons who must answer.
    pub expected: usize,
    /// Persons only told.
    pub told: usize,
    pub places: usize,
    pub unreachable: usize,
    pub without_deputy: usize,
    /// By the number of the rung; 0 is the first call.
    pub rungs: BTreeMap<u8, RungTotals>,
    pub sms_done_at: Option<String>,
    pub voice_done_at: Option<String>,
    /// Persons no call reaches before their deadline.
    pub late: u32,
    /// Persons for whom there is no voice line at all.
    pub without_line: u32,
    /// Persons expected to be silent at their deadlines.
    pub expected_silent: f64,
    pub cost_expected: Cost,
    /// If nobody answers until every rung was taken once.
    pub cost_at_most: Cost,
    pub places_missed: usize,
    pub misses: Vec<PlaceMiss>,
    pub findings: Vec<Finding>,
    pub needs_officer: Option<String>,
    /// Of an update of a message rehearsed before it: persons who are only sent the new text, and counted nowhere else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewed: Option<usize>,
    /// It updates this message at the same or a lower level, and whom it calls anew is not known here: it is in no sum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewal_of: Option<String>,
}

/// How many places are named in a summary.
const NAMED: usize = 200;

pub fn summary(content: &Content, policy: &str, plan: &PlanOutput, r: &Rehearsal) -> Summary {
    let with = |p: &&PersonPlan| p.answer;
    let deputised = |p: &PersonPlan| p.rungs.iter().any(|k| k.asks.iter().any(|a| a.relation == Relation::Deputy));
    Summary {
        identifier: content.identifier.clone(),
        headline: content.headline.clone(),
        hazard: content.hazard.0.clone(),
        level: content.level,
        at: r.start.rfc3339(),
        policy: policy.to_string(),
        rules: plan.rules.clone(),
        expected: plan.expected,
        told: plan.told,
        places: plan.places,
        unreachable: r.persons.iter().filter(|p| p.unreachable).count(),
        without_deputy: r.persons.iter().filter(with).filter(|p| !deputised(p)).count(),
        rungs: r.rungs.clone(),
        sms_done_at: r.forecast.sms_done_at.map(Time::rfc3339),
        voice_done_at: r.forecast.voice_done_at.map(Time::rfc3339),
        late: r.forecast.late(),
        without_line: r.forecast.without_line,
        expected_silent: round(r.forecast.missing()),
        cost_expected: rounded(r.expected),
        cost_at_most: rounded(r.at_most),
        places_missed: r.misses.len(),
        misses: r.misses.iter().take(NAMED).cloned().collect(),
        findings: plan.findings.clone(),
        needs_officer: plan.needs_officer.clone(),
        renewed: None,
        renewal_of: None,
    }
}

fn round(x: f64) -> f64 {
    (x * 100.0).round() / 100.0
}
fn rounded(c: Cost) -> Cost {
    Cost { sms_parts: round(c.sms_parts), voice_minutes: round(c.voice_minutes), yuan: round(c.yuan) }
}

/// One person with every rung, as programs read it.
pub fn person(p: &PersonPlan, start: Time) -> serde_json::Value {
    let rungs: Vec<serde_json::Value> = p
        .rungs
        .iter()
        .map(|k| {
            let asks: Vec<serde_json::Value> = k
                .asks
                .iter()
                .filter_map(|a| {
                    let (id, name, phone) = p.asked(a)?;
                    Some(serde_json::json!({
                        "at": (start + a.after).rfc3339(), "channel": a.channel, "relation": a.relation.as_str(),
                        "recipient_id": id.to_string(), "name": name, "phone": phone.map(Phone::masked),
                    }))
                })
                .collect();
            serde_json::json!({"rung": k.rung, "at": (start + k.after).rfc3339(), "asks": asks, "task": k.task})
        })
        .collect();
    serde_json::json!({
        "order": p.order, "recipient_id": p.recipient.to_string(), "name": p.name, "phone": p.phone.as_ref().map(Phone::masked),
        "tier": p.tier.as_str(), "level": p.level.as_str(), "place": p.place.id(), "place_name": p.place_name, "title": p.title,
        "ladder": p.ladder, "answer": p.answer, "due_at": p.due_at.rfc3339(), "unreachable": p.unreachable, "late": p.late,
        "first_call_at": p.first_call.map(Time::rfc3339), "rungs": rungs,
    })
}

fn clock(text: Option<&String>) -> String {
    let time = text.and_then(|t| Time::parse_rfc3339(t).ok());
    time.map_or_else(|| "—".into(), |t| t.beijing().strftime("%m-%d %H:%M:%S").to_string())
}

/// A readable text of one warning.
pub fn text(s: &Summary) -> String {
    let mut out = format!(
        "预演：{}（{}{}）\n受理时间 {}，规则：{}（{}）\n",
        s.headline,
        s.hazard,
        s.level.name_zh(),
        s.at,
        s.rules.join("、"),
        s.policy
    );
    out.push_str(&format!(
        "应叫应 {} 人，告知 {} 人，{} 个地点；无有效联系方式 {} 人，无代理人可叫 {} 人\n",
        s.expected, s.told, s.places, s.unreachable, s.without_deputy
    ));
    out.push_str(&format!("短信发完 {}，电话打完 {}；", clock(s.sms_done_at.as_ref()), clock(s.voice_done_at.as_ref())));
    out.push_str(&format!("时限前轮不到电话 {} 人，预计到时限仍未应答 {:.0} 人\n", s.late, s.expected_silent));
    out.push_str(&format!(
        "费用：预计 {:.2} 元（短信 {:.0} 条、通话 {:.0} 分钟），无人应答时至多 {:.2} 元（短信 {:.0} 条、通话 {:.0} 分钟）\n\n",
        s.cost_expected.yuan,
        s.cost_expected.sms_parts,
        s.cost_expected.voice_minutes,
        s.cost_at_most.yuan,
        s.cost_at_most.sms_parts,
        s.cost_at_most.voice_minutes
    ));
    let rows = s.rungs.iter().map(|(k, t)| {
        vec![k.to_string(), t.persons.to_string(), t.sms.to_string(), t.calls.to_string(), t.emails.to_string(), t.tasks.to_string()]
    });
    let columns = vec![("梯级", 6), ("涉及人数", 10), ("短信", 8), ("电话", 8), ("邮件", 8), ("人工任务", 10)];
    out.push_str("若一直无人应答：\n");
    out.push_str(&super::table::text(&Table { title: "梯级".into(), columns, rows: rows.collect() }));
    if !s.misses.is_empty() {
        out.push_str(&format!("\n会错过时限的地点 {} 处：\n", s.places_missed));
        s.misses.iter().take(30).for_each(|m| out.push_str(&format!("  {}（{}）：{}\n", m.name, m.place, m.why)));
        if s.places_missed > 30 {
            out.push_str("  …\n");
        }
    }
    s.findings.iter().for_each(|f| out.push_str(&format!("疑点：{}\n", f.detail)));
    if let Some(why) = &s.needs_officer {
        out.push_str(&format!("需要值班员：{why}\n"));
    }
    out
}

/// Several warnings, a line each, and the sum: to compare policies. A renewal whose persons are not told apart is shown and
/// not added.
pub fn lines(all: &[Summary]) -> Table {
    let columns = vec![
        ("编号", 30),
        ("预警", 30),
        ("受理", 20),
        ("规则", 20),
        ("应叫应", 8),
        ("告知", 8),
        ("只发新文本", 10),
        ("地点", 8),
        ("首轮短信", 10),
        ("预计费用", 10),
        ("至多费用", 10),
        ("短信发完", 16),
        ("电话打完", 16),
        ("轮不到电话", 10),
        ("错过时限地点", 12),
    ];
    let first = |s: &Summary| s.rungs.get(&0).map_or(0, |t| t.sms);
    let mut rows: Vec<Vec<String>> = all
        .iter()
        .map(|s| {
            vec![
                if s.renewal_of.is_some() { format!("{}（更新，不计入合计）", s.identifier) } else { s.identifier.clone() },
                format!("{}{}", s.hazard, s.level.name_zh()),
                s.at.clone(),
                s.rules.join("、"),
                s.expected.to_string(),
                s.told.to_string(),
                s.renewed.map_or_else(String::new, |n| n.to_string()),
                s.places.to_string(),
                first(s).to_string(),
                format!("{:.2}", s.cost_expected.yuan),
                format!("{:.2}", s.cost_at_most.yuan),
                clock(s.sms_done_at.as_ref()),
                clock(s.voice_done_at.as_ref()),
                s.late.to_string(),
                s.places_missed.to_string(),
            ]
        })
        .collect();
    let added = || all.iter().filter(|s| s.renewal_of.is_none());
    let sum = |of: fn(&Summary) -> usize| added().map(of).sum::<usize>().to_string();
    let yuan = |of: fn(&Summary) -> f64| format!("{:.2}", added().map(of).sum::<f64>());
    rows.push(vec![
        "合计".into(),
        format!("{} 条", added().count()),
        String::new(),
        String::new(),
        sum(|s| s.expected),
        sum(|s| s.told),
        sum(|s| s.renewed.unwrap_or(0)),
        sum(|s| s.places),
        added().map(first).sum::<usize>().to_string(),
        yuan(|s| s.cost_expected.yuan),
        yuan(|s| s.cost_at_most.yuan),
        String::new(),
        String::new(),
        sum(|s| s.late as usize),
        sum(|s| s.places_missed),
    ]);
    Table { title: "预演".into(), columns, rows }
}

/// The persons as a sheet: one row a person and rung.
pub fn persons(r: &Rehearsal) -> Table {
    let columns = vec![
        ("顺序", 6),
        ("责任人", 12),
        ("号码", 14),
        ("地点", 20),
        ("职务", 20),
        ("梯子", 8),
        ("时限", 20),
        ("梯级", 6),
        ("时刻", 20),
        ("叫谁", 50),
    ];
    let stamp = |t: Time| t.beijing().strftime("%Y-%m-%d %H:%M:%S").to_string();
    let mut rows = Vec::new();
    for p in &r.persons {
        for k in p.rungs.iter() {
            let asks: Vec<String> =
                k.asks.iter().filter_map(|a| p.asked(a).map(|(_, name, _)| format!("{name}（{}）", channel_zh(a.channel)))).collect();
            let mut distinct: Vec<String> = Vec::new();
            asks.into_iter().for_each(|a| {
                if !distinct.contains(&a) {
                    distinct.push(a)
                }
            });
            rows.push(vec![
                p.order.to_string(),
                p.name.clone(),
                p.phone.as_ref().map(Phone::masked).unwrap_or_default(),
                p.place_name.clone(),
                p.title.clone(),
                p.ladder.clone(),
                stamp(p.due_at),
                k.rung.to_string(),
                stamp(r.start + k.after),
                distinct.join("、"),
            ]);
        }
    }
    Table { title: "人员".into(), columns, rows }
}
