//! The shipped policy printed as the table a domain expert knows: hazard × level × tier × hour → who, by which ladder,
//! by when, what is to be reported. Persons and deadlines come from the planner, so it shows what would really
//! happen; the words come from the policy's own explanation, and the two must agree.

use super::town;
use jiaoying::core::{
    directory::{Directory, Tier},
    hazard::{HAZARD_NAMES, HazardCode, Level},
    plan::PlanEntry,
    planner::{Lookup, PlanInput, PlanOutput, make_plan},
    policy::{
        Explanation, Policy, Question, Rule, SHIPPED,
        explain::{clock, feedback_told, rung_told, zh},
        parse_policy,
    },
    time::{Span, Time},
};
use std::{collections::BTreeMap, fmt::Write};

pub fn shipped() -> Policy {
    parse_policy(SHIPPED).unwrap_or_else(|f| panic!("{f:#?}"))
}

const HOURS: [(&str, &str); 2] = [("白天", "2026-07-08T14:00:00+08:00"), ("夜间", "2026-07-08T23:00:00+08:00")];

#[test]
fn the_table_of_the_shipped_policy_is_the_table_of_the_domain() {
    let policy = shipped();
    let directory = town::everybody();
    let lookup = Lookup::new(&directory);
    let mut page = String::from("# 梯子\n");
    for (name, ladder) in &policy.ladders {
        writeln!(page, "\n## {name}{}", if ladder.answer { "" } else { "（不要求应答）" }).unwrap();
        let deadlines: Vec<String> = ladder.deadline.iter().map(|(t, d)| format!("{}{}", t.name_zh(), zh(*d))).collect();
        if !deadlines.is_empty() {
            writeln!(page, "应答时限：{}；最后一级每{}重复", deadlines.join("，"), zh(ladder.repeat)).unwrap();
        }
        ladder.rungs.iter().for_each(|r| writeln!(page, "{}", rung_told(r)).unwrap());
    }
    page.push_str("\n# 灾种 × 级别 × 层级 × 时段\n");
    for rule in &policy.rules {
        write_rule(&mut page, &policy, &directory, &lookup, rule);
    }
    page.push_str("\n# 灾种代码 × 级别 → 规则\n\n");
    for (code, name) in HAZARD_NAMES {
        let of = |level| policy.rule_for(&HazardCode((*code).into()), level, None).map_or("（内置最后手段）", |r| r.name.as_str());
        let row: Vec<&str> = [Level::Red, Level::Orange, Level::Yellow, Level::Blue].into_iter().map(of).collect();
        writeln!(page, "{code} {name}：{}", row.join(" / ")).unwrap();
    }
    insta::with_settings!({snapshot_path => "../snapshots", prepend_module_to_snapshot => false}, {
        insta::assert_snapshot!("policy_table", page);
    });
}

fn write_rule(page: &mut String, policy: &Policy, directory: &Directory, lookup: &Lookup, rule: &Rule) {
    let level = rule.levels.first().copied().unwrap_or(Level::Red);
    let any = if rule.stages.is_empty() { "14Z99" } else { "11A51" };
    let class = rule.classes.first().map_or(any, |c| town::code_of(*c));
    let hazard = rule.hazards.first().cloned().unwrap_or(HazardCode(class.into()));
    let levels: Vec<&str> = rule.levels.iter().map(|l| l.name_zh()).collect();
    let stage = rule.stages.first().map_or("", String::as_str);
    writeln!(page, "\n## {}  [{hazard} {} {stage}]", rule.name, levels.join("、")).unwrap();
    let mut shown = String::new();
    for (word, at) in HOURS {
        let mut content = town::content(hazard.clone(), level, vec![town::division(town::COUNTY)]);
        content.stage = rule.stages.first().cloned();
        let now = Time::parse_rfc3339(at).unwrap();
        let input = PlanInput { content: &content, policy, directory, lookup, now, issuer_divisions: &[], drill: false, only: None };
        let plan = make_plan(input);
        assert_eq!(plan.rules, vec![rule.name.clone()], "this row is the one that applies");
        let question = Question { hazard: &hazard, level, stage: content.stage.as_deref(), minute: now.beijing_minute(), tier: None };
        let told = policy.explain(&question);
        assert_eq!(told.rule.as_ref(), Some(&rule.name));
        if word == "白天" {
            told.nobody.iter().for_each(|why| writeln!(page, "不叫应：{why}").unwrap());
            told.feedback.iter().for_each(|f| writeln!(page, "反馈 {f}").unwrap());
            told.supervise.iter().for_each(|s| writeln!(page, "督办 {s}").unwrap());
        }
        let text = tiers(&plan, &told, now);
        if text == shown {
            writeln!(page, "{word}：同白天").unwrap();
        } else {
            writeln!(page, "{word} {}：应叫应{}人，告知{}人", clock(now.beijing_minute()), plan.expected, plan.told).unwrap();
            page.push_str(&text);
        }
        shown = text;
        for f in plan.findings.iter().filter(|f| f.code != "nobody_by_rule") {
            writeln!(page, "  （{}）", f.detail).unwrap();
        }
    }
}

/// A line for each tier and way: `村级 L1 限5分钟，欠反馈：…`.
fn tiers(plan: &PlanOutput, told: &Explanation, now: Time) -> String {
    let mut lines: BTreeMap<(Tier, String), Vec<&str>> = BTreeMap::new();
    for chunk in &plan.chunks {
        for e in &chunk.entries {
            let tier = e.posts[0].tier;
            lines.entry((tier, way(plan, e, told, tier, now))).or_default().push(&chunk.people[usize::from(e.person)].name);
        }
    }
    lines.iter().map(|((tier, way), people)| format!("  {} {way}：{}\n", tier.name_zh(), people.join("、"))).collect()
}

fn way(plan: &PlanOutput, e: &PlanEntry, told: &Explanation, tier: Tier, now: Time) -> String {
    let ladder = &plan.running.ladders[usize::from(e.ladder)];
    let hold = e.hold_until.or(e.hold_voice_until);
    let own = Span(e.deadline.0 - hold.map_or(0, |m| (m - now).0));
    let mut out = ladder.name.clone();
    if ladder.ladder.answer {
        assert!(hold.is_none_or(|m| now + e.deadline > m), "a deadline does not run out before the calls may begin");
        let from = hold.map(|m| format!("{} 起 ", clock(m.beijing_minute()))).unwrap_or_default();
        // What the explanation says of this tier is what the planner does.
        let said = format!("{} {from}{}", tier.name_zh(), zh(own));
        let fits = told.calls.iter().any(|c| c.ladder == ladder.name && c.deadlines.contains(&said));
        assert!(fits, "the planner: {} {said}; the explanation: {:#?}", ladder.name, told.calls);
        write!(out, " 限{from}{}", zh(own)).unwrap();
    } else {
        assert!(e.feedback.is_none(), "who is only told owes nothing");
        out.push_str(" 只告知");
    }
    match (e.hold_until, e.hold_voice_until) {
        (Some(t), _) => write!(out, "，全部留到{}", clock(t.beijing_minute())).unwrap(),
        (None, Some(t)) => write!(out, "，短信即发、电话留到{}", clock(t.beijing_minute())).unwrap(),
        _ => {}
    }
    if let Some(f) = e.feedback.and_then(|f| plan.running.feedback.get(usize::from(f))) {
        let wait = if e.hold_until.is_none() { hold.map_or(Span::ZERO, |m| m - now) } else { Span::ZERO };
        let from = hold.map(|m| format!("{} 起 ", clock(m.beijing_minute()))).unwrap_or_default();
        for rule in &f.0 {
            let said = format!("：{from}{} 内", zh(Span(rule.first.0 - wait.0)));
            assert!(told.feedback.iter().any(|line| line.contains(&said)), "the planner: {said}; the explanation: {:#?}", told.feedback);
        }
        let asked: Vec<String> =
            feedback_told(f).into_iter().map(|line| line.split(['；', '，']).next().unwrap_or_default().to_string()).collect();
        write!(out, "，欠反馈（{}）", asked.join("；")).unwrap();
    }
    out
}
