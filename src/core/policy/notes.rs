//! What is no fault of a policy but what its author should know: things nobody uses, hazards and levels that fall to
//! the built-in last resort, stages that an earlier row takes. `check` tells them with their lines.

use super::{
    NightRule, Policy,
    file::KeyPath,
    rule::{Rule, normal_stage},
};
use crate::core::hazard::{HazardClass, HazardCode, Level};
use std::collections::{BTreeMap, BTreeSet};

const LEVELS: [Level; 4] = [Level::Red, Level::Orange, Level::Yellow, Level::Blue];

/// A code of each class that no rule names, to ask what the class's own rows do.
fn nameless(class: HazardClass) -> HazardCode {
    HazardCode(
        match class {
            HazardClass::Meteorological => "11B00",
            HazardClass::Flood => "11A00",
            HazardClass::Geological => "11D99",
            HazardClass::Fire => "11G99",
            HazardClass::Earthquake => "11C99",
            HazardClass::Other => "14Z99",
        }
        .into(),
    )
}

fn class_zh(class: HazardClass) -> &'static str {
    match class {
        HazardClass::Meteorological => "气象",
        HazardClass::Flood => "水旱",
        HazardClass::Geological => "地质",
        HazardClass::Fire => "林草火",
        HazardClass::Earthquake => "地震",
        HazardClass::Other => "其他",
    }
}

impl Policy {
    /// In Chinese, each by the way to its key.
    pub(super) fn notes(&self) -> Vec<(KeyPath, String)> {
        let mut out = Vec::new();
        self.unused(&mut out);
        for class in HazardClass::ALL {
            let missing: Vec<&str> =
                LEVELS.into_iter().filter(|l| self.rule_for(&nameless(class), *l, None).is_none()).map(Level::name_zh).collect();
            if !missing.is_empty() {
                let detail = format!("{}灾种的{}没有规则，将按内置的最后手段叫应所有责任人", class_zh(class), missing.join("、"));
                out.push((root("rule"), detail));
            }
        }
        self.taken_stages(&mut out);
        out
    }

    fn unused(&self, out: &mut Vec<(KeyPath, String)>) {
        let calls = || self.rules.iter().flat_map(|r| &r.calls);
        let groups: BTreeSet<&String> = calls().flat_map(|c| &c.who).collect();
        let raised = calls().filter_map(|c| match &c.night {
            NightRule::Raise(ladder) => Some(ladder),
            _ => None,
        });
        let ladders: BTreeSet<&String> = calls().map(|c| &c.ladder).chain(raised).collect();
        for name in self.groups.keys().filter(|g| !groups.contains(g)) {
            out.push((root("group").key(name), format!("没有规则用到人群“{name}”")));
        }
        for name in self.ladders.keys().filter(|l| !ladders.contains(l)) {
            out.push((root("ladder").key(name), format!("没有规则用到梯子“{name}”")));
        }
    }

    /// Stages of a row that an earlier row of the same hazards takes: never reached by this spelling.
    fn taken_stages(&self, out: &mut Vec<(KeyPath, String)>) {
        let mut taken: BTreeMap<(String, String), usize> = BTreeMap::new();
        for (i, rule) in self.rules.iter().enumerate() {
            for (j, stage) in rule.stages.iter().enumerate() {
                let key = (hazards(rule), normal_stage(stage));
                let earlier = taken.entry(key).or_insert(i);
                if let Some(other) = self.rules.get(*earlier).filter(|o| *earlier != i && covers(o, rule)) {
                    let detail = format!("阶段“{stage}”已由前面的“{}”处理，到不了这一行", other.name);
                    out.push((root("rule").index(i).key("stages").index(j), detail));
                }
            }
        }
    }
}

fn hazards(rule: &Rule) -> String {
    let mut all: Vec<String> = rule.hazards.iter().map(|h| h.0.clone()).chain(rule.classes.iter().map(|c| format!("{c:?}"))).collect();
    all.sort_unstable();
    all.join(" ")
}

/// Whether the earlier row takes every level of the later.
fn covers(earlier: &Rule, later: &Rule) -> bool {
    earlier.levels.is_empty() || !later.levels.is_empty() && later.levels.iter().all(|l| earlier.levels.contains(l))
}

fn root(key: &str) -> KeyPath {
    KeyPath::default().key(key)
}

#[cfg(test)]
mod tests {
    use crate::core::policy::{SHIPPED, parse_policy_noted};

    #[test]
    fn the_shipped_policy_has_a_row_for_every_class_and_level_and_nothing_unused() {
        let (_, notes) = parse_policy_noted(SHIPPED).unwrap();
        assert!(notes.is_empty(), "{notes:#?}");
    }

    #[test]
    fn what_nobody_uses_and_what_no_row_fits_is_told_with_its_line() {
        let text = r#"name = "试"
version = "1"
[ladder.L]
deadline = { village = "5m" }
[[ladder.L.rung]]
at = "start"
call = ["holder"]
send = ["sms"]
[ladder.M]
answer = false
[[ladder.M.rung]]
at = "start"
call = ["holder"]
send = ["sms"]
[group.a]
name = "村"
select = [{ tiers = ["village"] }]
[group.b]
name = "镇"
select = [{ tiers = ["township"] }]
[[rule]]
name = "一"
levels = ["red", "orange", "yellow"]
calls = [{ who = ["a"], ladder = "L" }]
[[rule]]
name = "二"
stages = ["立即转移"]
calls = [{ who = ["a"], ladder = "L" }]
[[rule]]
name = "三"
stages = ["准备转移", " 立即 转移"]
calls = [{ who = ["a"], ladder = "L" }]
"#;
        let (_, notes) = parse_policy_noted(text).unwrap();
        let told: Vec<(usize, &str)> = notes.iter().map(|n| (n.line, n.key.as_str())).collect();
        for wanted in [(9, "ladder.M"), (18, "group.b"), (31, "rule[2].stages[1]")] {
            assert!(told.contains(&wanted), "{wanted:?} not in {notes:#?}");
        }
        assert!(notes.iter().any(|n| n.message.contains("气象灾种的蓝色没有规则")), "{notes:#?}");
    }
}
