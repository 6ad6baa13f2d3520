//! The shipped policy printed as the table a domain expert knows: hazard × level × hour → who, by which
//! ladder, deadline, feedback. It goes through the planner, so it shows what would really happen.

use super::town;
use jiaoying::core::{
    hazard::{HazardCode, Level},
    plan::PlanEntry,
    planner::{Lookup, PlanInput, make_plan},
    policy::{At, Ladder, Policy, SHIPPED, Who, parse_policy},
    time::{Span, Time},
};
use std::{collections::BTreeMap, fmt::Write};

pub fn shipped() -> Policy {
    parse_policy(SHIPPED).unwrap_or_else(|f| panic!("{f:#?}"))
}

fn zh(s: Span) -> String {
    let m = s.0 / 60_000;
    match s.0 {
        ms if ms % 3_600_000 == 0 && ms > 0 => format!("{}小时", m / 60),
        ms if ms % 60_000 == 0 => format!("{m}分钟"),
        ms => format!("{}秒", ms / 1000),
    }
}

fn clock(t: Time) -> String {
    format!("{:02}:{:02}", t.beijing_minute() / 60, t.beijing_minute() % 60)
}

#[test]
fn the_table_of_the_shipped_policy_is_the_table_of_the_domain() {
    let policy = shipped();
    let directory = town::everybody();
    let lookup = Lookup::new(&directory);
    let mut page = String::from("梯子\n");
    for (name, ladder) in &policy.ladders {
        write_ladder(&mut page, name, ladder);
    }
    page.push_str("\n灾种 × 级别（白天 14:00 / 夜间 23:00）\n");
    for rule in &policy.rules {
        let level = rule.levels.first().copied().unwrap_or(Level::Red);
        let any = if rule.stages.is_empty() { "14Z99" } else { "11A51" };
        let class = rule.classes.first().map_or(any, |c| town::code_of(*c));
        let hazard = rule.hazards.first().cloned().unwrap_or(HazardCode(class.into()));
        let levels: Vec<&str> = rule.levels.iter().map(|l| l.name_zh()).collect();
        writeln!(page, "\n## {}  [{hazard} {} {}]", rule.name, levels.join("、"), rule.stages.first().map_or("", String::as_str)).unwrap();
        let mut shown = String::new();
        for (word, at) in [("白天", "2026-07-08T14:00:00+08:00"), ("夜间", "2026-07-08T23:00:00+08:00")] {
            let mut content = town::content(hazard.clone(), level, vec![town::division(town::COUNTY)]);
            content.stage = rule.stages.first().cloned();
            let now = Time::parse_rfc3339(at).unwrap();
            let input = PlanInput {
                content: &content,
                policy: &policy,
                directory: &directory,
                lookup: &lookup,
                now,
                issuer_divisions: &[],
                drill: false,
                only: None,
            };
            let plan = make_plan(input);
            assert_eq!(plan.rules, vec![rule.name.clone()], "this row is the one that applies");
            let mut lines: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for chunk in &plan.chunks {
                for e in &chunk.entries {
                    assert!(e.feedback.is_none() || plan.running.ladders[usize::from(e.ladder)].ladder.answer);
                    lines.entry(way(&plan.running, e, now)).or_default().push(chunk.people[usize::from(e.person)].name.clone());
                }
            }
            let text: String = lines.iter().map(|(way, people)| format!("  {way}：{}\n", people.join("、"))).collect();
            if text == shown {
                writeln!(page, "{word}：同白天").unwrap();
            } else {
                writeln!(page, "{word}：应叫应{}人，告知{}人", plan.expected, plan.told).unwrap();
                page.push_str(&text);
            }
            shown = text;
            for f in &plan.findings {
                writeln!(page, "  （{}）", f.detail).unwrap();
            }
        }
    }
    insta::with_settings!({snapshot_path => "../snapshots", prepend_module_to_snapshot => false}, {
        insta::assert_snapshot!("policy_table", page);
    });
}

fn way(running: &jiaoying::core::policy::RunningPolicy, e: &PlanEntry, now: Time) -> String {
    let ladder = &running.ladders[usize::from(e.ladder)];
    let mut out = ladder.name.clone();
    if ladder.ladder.answer {
        write!(out, " 限{}", zh(e.deadline)).unwrap();
        if let Some(hold) = e.hold_until.or(e.hold_voice_until) {
            assert!(now + e.deadline > hold, "a deadline does not run out before the calls may begin");
            write!(out, "（{}起）", clock(hold)).unwrap();
        }
    } else {
        out.push_str(" 只告知");
    }
    match (e.hold_until, e.hold_voice_until) {
        (Some(t), _) => write!(out, "，全部留到{}", clock(t)).unwrap(),
        (None, Some(t)) => write!(out, "，短信即发、电话留到{}", clock(t)).unwrap(),
        _ => {}
    }
    if let Some(f) = e.feedback.and_then(|f| running.feedback.get(usize::from(f))) {
        let clock = |r: &jiaoying::core::policy::FeedbackRule| {
            let every = r.every.map(|e| format!("、此后每{}", zh(e))).unwrap_or_default();
            format!("{} {}{every}", r.ask.join("、"), zh(r.first))
        };
        write!(out, "，反馈：{}", f.0.iter().map(clock).collect::<Vec<_>>().join("；")).unwrap();
    }
    out
}

fn write_ladder(page: &mut String, name: &str, ladder: &Ladder) {
    writeln!(page, "\n## {name}{}", if ladder.answer { "" } else { "（不要求应答）" }).unwrap();
    let deadlines: Vec<String> = ladder.deadline.iter().map(|(t, d)| format!("{}{}", t.name_zh(), zh(*d))).collect();
    if !deadlines.is_empty() {
        writeln!(page, "时限：{}；最后一级每{}重复", deadlines.join("，"), zh(ladder.repeat)).unwrap();
    }
    for rung in &ladder.rungs {
        let at = match rung.at {
            At::Start(s) => format!("开始+{}", zh(s)),
            At::Deadline(s) => format!("时限+{}", zh(s)),
        };
        let who: Vec<&str> = rung
            .call
            .iter()
            .map(|w| match w {
                Who::Holder => "本人",
                Who::Deputy => "代理人",
                Who::Superior => "上级",
                Who::TownshipDesk => "乡镇值班",
                Who::CountyDesk => "县值班",
                Who::CityDesk => "市值班",
                Who::ShiftLeader => "带班领导",
                Who::Others => "同一对象的其他岗位",
            })
            .collect();
        let send: Vec<&str> = rung.send.iter().map(|c| c.as_str()).collect();
        write!(page, "{at}：{} {}", who.join("、"), send.join("+")).unwrap();
        if let Some(v) = rung.voice {
            let night = if v.night { "" } else { "，夜间不打" };
            write!(page, "；电话 {}后起、每{}、{}次，第{}次起换号{night}", zh(v.after), zh(v.every), v.times, v.second_number_from)
                .unwrap();
        }
        if let Some(t) = &rung.task {
            write!(page, "；任务“{}”（{}未领报带班领导）", t.title, zh(t.unclaimed)).unwrap();
        }
        page.push('\n');
    }
}
