//! What cannot work in a policy although it could be read: names that lead nowhere, rungs out of
//! order, spans of nothing, tiers without a deadline, rows that can never be reached.

use super::{
    AnswerRule, At, Ladder, Rung, Schedule, Supervise, Voice, Who,
    feedback::MOST_CLOCKS,
    file::{KeyPath, PolicyFault},
    rule::{Call, NightRule, Policy, Rule, normal_stage},
};
use crate::core::{directory::Role, hazard::Level, send::Channel, time::Span};
use std::collections::BTreeMap;

/// Longer than any span of a policy can be meant.
const LONGEST: Span = Span::hours(31 * 24);
/// More calls of one person in one rung than anybody can want.
const MOST_CALLS: u8 = 20;

/// What was found in a policy.
#[derive(Default)]
pub(super) struct Faults(pub Vec<Found>);

/// One thing that cannot work.
pub(super) struct Found {
    pub path: KeyPath,
    pub message: String,
    /// The entries that the conclusion rests on, besides the one it is about: where one of them could not be read, it is no
    /// conclusion.
    pub rests: Vec<KeyPath>,
}

impl Faults {
    /// Of what an entry says.
    fn push(&mut self, (path, message): (KeyPath, String)) {
        self.resting(Vec::new(), path, message);
    }
    /// Of what is not there, or only seen from several entries.
    fn resting(&mut self, rests: Vec<KeyPath>, path: KeyPath, message: impl Into<String>) {
        self.0.push(Found { path, message: message.into(), rests });
    }
}

impl Policy {
    /// Every fault of the policy, without lines: for one that was not read from a file.
    pub fn check(&self) -> Vec<PolicyFault> {
        let told = |f: Found| PolicyFault { line: 0, column: 0, key: f.path.to_string(), message: f.message };
        self.faults().0.into_iter().map(told).collect()
    }

    /// The same by path, so that the reader of a file can add line and column.
    pub(super) fn faults(&self) -> Faults {
        let mut out = Faults::default();
        self.check_clocks(&mut out);
        self.check_roles(&mut out);
        self.check_groups(&mut out);
        for (name, ladder) in &self.ladders {
            check_ladder(&root("ladder").key(name), ladder, &mut out);
        }
        for (i, rule) in self.rules.iter().enumerate() {
            self.check_rule(&root("rule").index(i), rule, &mut out);
        }
        self.check_reach(&mut out);
        if self.rules.is_empty() {
            out.push((root("rule"), "there is no rule: every warning would fall to the built-in last resort".into()));
        }
        out
    }

    fn check_clocks(&self, out: &mut Faults) {
        let c = &self.clocks;
        let named = [
            ("claim_lapses", c.claim_lapses),
            ("gather", c.gather),
            ("call_timeout", c.call_timeout),
            ("voice_unknown", c.voice_unknown),
            ("sweep", c.sweep),
            ("retry", c.retry),
        ];
        let hedge = c.hedge.map(|s| ("hedge", s));
        for (name, span) in named.into_iter().chain(c.lookup.map(|s| ("lookup", s))).chain(hedge) {
            positive(&root("clocks").key(name), span, out);
        }
        if c.lookup.is_sorted_by(|a, b| a < b) {
            return;
        }
        out.push((root("clocks").key("lookup"), "the look-ups must come one after the other, such as [\"5s\", \"30s\", \"2m\"]".into()));
    }

    fn check_roles(&self, out: &mut Faults) {
        let mut words: BTreeMap<&str, &str> = BTreeMap::new();
        for (key, role) in &self.roles {
            let path = root("role").key(key);
            if role.names.is_empty() {
                let message = "a role needs the words by which sheets call it, such as names = [\"防汛\"]";
                out.resting(vec![path.clone()], path.clone().key("names"), message);
            }
            if !role.all && role.classes.is_empty() && role.hazards.is_empty() {
                out.resting(vec![path.clone()], path.clone(), "this role answers for no hazard; give classes, hazards or all = true");
            }
            for (i, word) in role.names.iter().enumerate() {
                if let Some(other) = words.insert(word.as_str(), key.as_str()) {
                    out.push((path.clone().key("names").index(i), format!("`{word}` already means the role `{other}`")));
                }
            }
        }
    }

    fn known_role(&self, path: KeyPath, key: &str, out: &mut Faults) {
        let special = [Role::DUTY, Role::SHIFT_LEADER];
        if !self.roles.contains_key(key) && !special.contains(&key) {
            let message = format!("there is no role `{key}`; the file has {}", list(self.roles.keys()));
            out.resting(vec![root("role").key(key)], path, message);
        }
    }

    fn check_groups(&self, out: &mut Faults) {
        for (name, group) in &self.groups {
            let path = root("group").key(name);
            if group.select.is_empty() {
                out.resting(vec![path.clone()], path.clone().key("select"), "a group without a selector holds nobody");
            }
            for (i, s) in group.select.iter().enumerate() {
                let path = path.clone().key("select").index(i);
                for (j, role) in s.roles.iter().enumerate() {
                    self.known_role(path.clone().key("roles").index(j), role, out);
                }
                for (j, kind) in s.point_kinds.iter().enumerate().filter(|(_, k)| k.as_str() != "any") {
                    self.known_role(path.clone().key("point_kinds").index(j), kind, out);
                }
                if s.titles.iter().chain(&s.prefer_titles).any(|t| t.trim().is_empty()) {
                    out.push((path.key("titles"), "an empty word is contained in every title".into()));
                }
            }
        }
    }

    fn check_rule(&self, path: &KeyPath, rule: &Rule, out: &mut Faults) {
        if rule.name.trim().is_empty() {
            out.push((path.clone().key("name"), "a rule needs a name, such as `暴雨红色`; people read it".into()));
        }
        if let Some(i) = rule.levels.iter().position(|l| *l == Level::Unknown) {
            out.push((path.clone().key("levels").index(i), "`unknown` is always called as orange; write orange".into()));
        }
        if let Some(i) = rule.stages.iter().position(|s| normal_stage(s).is_empty()) {
            out.push((path.clone().key("stages").index(i), "an empty stage matches nothing".into()));
        }
        match (&rule.nobody, rule.calls.is_empty()) {
            (None, true) => {
                let message = "this rule calls nobody; if that is meant, say why with nobody = \"…\"";
                out.resting(vec![path.clone()], path.clone().key("calls"), message);
            }
            (Some(_), false) => out.push((path.clone().key("nobody"), "this rule has calls, so it does call somebody".into())),
            (Some(reason), true) if reason.trim().is_empty() => {
                out.push((path.clone().key("nobody"), "say the reason; the duty room reads it".into()));
            }
            _ => {}
        }
        if let Some(schedule) = &rule.feedback {
            check_schedule(&path.clone().key("feedback"), schedule, out);
        }
        let mut taken: BTreeMap<&str, usize> = BTreeMap::new();
        for (i, call) in rule.calls.iter().enumerate() {
            let at = path.clone().key("calls").index(i);
            self.check_call(&at, call, out);
            for (j, who) in call.who.iter().enumerate() {
                if let Some(before) = taken.insert(who, i).filter(|before| *before != i) {
                    let message =
                        format!("`{who}` is called by line {} of this rule already; the first line that fits is the one", before + 1);
                    out.push((at.clone().key("who").index(j), message));
                }
            }
        }
        if let Some(s) = &rule.supervise {
            check_supervise(&path.clone().key("supervise"), s, out);
        }
    }

    fn check_call(&self, path: &KeyPath, call: &Call, out: &mut Faults) {
        let known_ladder = |key: &str, name: &str, out: &mut Faults| {
            let found = self.ladders.get(name);
            if found.is_none() {
                let message = format!("there is no ladder `{name}`; the file has {}", list(self.ladders.keys()));
                out.resting(vec![root("ladder").key(name)], path.clone().key(key), message);
            }
            found
        };
        let mut ladders: Vec<_> = known_ladder("ladder", &call.ladder, out).into_iter().map(|l| (&call.ladder, l)).collect();
        if let NightRule::Raise(name) = &call.night {
            ladders.extend(known_ladder("night", name, out).map(|l| (name, l)));
        }
        if let Some(d) = call.deadline {
            positive(&path.clone().key("deadline"), d, out);
        }
        if call.answer == AnswerRule::N(0) {
            out.push((path.clone().key("answer"), "n = 0 would cover a place that nobody answered for".into()));
        }
        if call.line.as_ref().is_some_and(|l| l.trim().is_empty()) {
            out.push((path.clone().key("line"), "a line needs a name, such as `部门线`; it is counted by it".into()));
        }
        if call.who.is_empty() {
            out.push((path.clone().key("who"), "name at least one group".into()));
        }
        for (i, who) in call.who.iter().enumerate().filter(|(_, who)| !self.groups.contains_key(*who)) {
            let message = format!("there is no group `{who}`; the file has {}", list(self.groups.keys()));
            out.resting(vec![root("group").key(who)], path.clone().key("who").index(i), message);
        }
        let tiers = self.tiers_of(call);
        for (name, ladder) in ladders.into_iter().filter(|(_, l)| l.answer && call.deadline.is_none()) {
            let missing: Vec<&str> = tiers.iter().filter(|t| !ladder.deadline.contains_key(t)).map(|t| t.as_str()).collect();
            if !missing.is_empty() {
                let message =
                    format!("ladder `{name}` has no deadline for {}; add it there or give this line a deadline", missing.join(", "));
                let mut rests = vec![path.clone(), root("ladder").key(name)];
                rests.extend(call.who.iter().map(|g| root("group").key(g)));
                out.resting(rests, path.clone().key("ladder"), message);
            }
        }
    }

    /// Rows whose every case is taken by an earlier row of the same closeness.
    fn check_reach(&self, out: &mut Faults) {
        let mut taken: BTreeMap<(String, String, u8), usize> = BTreeMap::new();
        for (i, rule) in self.rules.iter().enumerate() {
            let mut hazards: Vec<String> = rule.hazards.iter().map(|h| h.0.clone()).collect();
            hazards.extend(rule.classes.iter().map(|c| format!("class {c:?}")));
            if hazards.is_empty() {
                hazards.push("any".into());
            }
            let mut stages: Vec<String> = rule.stages.iter().map(|s| normal_stage(s)).collect();
            if stages.is_empty() {
                stages.push(String::new());
            }
            let levels = if rule.levels.is_empty() {
                vec![Level::Red, Level::Orange, Level::Yellow, Level::Blue]
            } else {
                rule.levels.iter().map(|l| l.called_as()).collect()
            };
            let mut fresh = false;
            let mut first_taker = None;
            for hazard in &hazards {
                for stage in &stages {
                    for level in &levels {
                        match taken.entry((hazard.clone(), stage.clone(), level.rank())) {
                            std::collections::btree_map::Entry::Vacant(v) => {
                                v.insert(i);
                                fresh = true;
                            }
                            std::collections::btree_map::Entry::Occupied(o) => first_taker = first_taker.or(Some(*o.get())),
                        }
                    }
                }
            }
            if let (false, Some(by)) = (fresh, first_taker) {
                let name = self.rules.get(by).map_or("", |r| r.name.as_str());
                let cases = |k: usize| ["hazards", "classes", "levels", "stages"].map(|key| root("rule").index(k).key(key));
                let message = format!("this rule is never reached: `{name}` before it takes all its cases");
                out.resting((0..=i).flat_map(cases).collect(), root("rule").index(i), message);
            }
        }
    }
}

fn check_ladder(path: &KeyPath, ladder: &Ladder, out: &mut Faults) {
    positive(&path.clone().key("repeat"), ladder.repeat, out);
    for (tier, d) in &ladder.deadline {
        positive(&path.clone().key("deadline").key(tier.as_str()), *d, out);
    }
    if ladder.answer && ladder.deadline.is_empty() {
        let message = "a ladder that asks an answer needs a deadline for each tier it serves";
        out.resting(vec![path.clone()], path.clone().key("deadline"), message);
    }
    let Some(first) = ladder.rungs.first() else {
        out.push((path.clone().key("rung"), "a ladder without rungs calls nobody".into()));
        return;
    };
    if first.at != At::Start(Span::ZERO) || !first.call.contains(&Who::Holder) {
        let rungs = path.clone().key("rung");
        out.resting(vec![rungs.clone()], rungs.index(0), "rung 0 must be at = \"start\" and call the holder");
    }
    for (i, rung) in ladder.rungs.iter().enumerate() {
        let at = path.clone().key("rung").index(i);
        check_rung(&at, ladder, rung, out);
        let before = i.checked_sub(1).and_then(|j| ladder.rungs.get(j));
        if before.is_some_and(|b| out_of_order(ladder, b.at, rung.at)) {
            let message = format!("`{}` comes before the rung above it; write rungs in the order of time", rung.at);
            out.resting(vec![path.clone()], at.key("at"), message);
        }
    }
}

/// Whether `later` would come before `earlier` for any tier of the ladder.
fn out_of_order(ladder: &Ladder, earlier: At, later: At) -> bool {
    let moment = |at: At, deadline: Span| match at {
        At::Start(s) => s.0,
        At::Deadline(s) => deadline.0.saturating_add(s.0),
    };
    let tiers = if ladder.deadline.is_empty() { vec![Span::ZERO] } else { ladder.deadline.values().copied().collect() };
    tiers.into_iter().any(|d| moment(later, d) < moment(earlier, d))
}

fn check_rung(path: &KeyPath, ladder: &Ladder, rung: &Rung, out: &mut Faults) {
    if let At::Start(s) | At::Deadline(s) = rung.at
        && s > LONGEST
    {
        out.push((path.clone().key("at"), format!("{s} is longer than any warning runs")));
    }
    if rung.call.is_empty() && rung.task.is_none() {
        out.resting(vec![path.clone()], path.clone().key("call"), "this rung neither calls anybody nor opens a task");
    }
    if !rung.call.is_empty() && rung.send.is_empty() && rung.voice.is_none() {
        let message = "this rung names people but neither sends nor calls; add send or voice";
        out.resting(vec![path.clone()], path.clone().key("send"), message);
    }
    if rung.send.contains(&Channel::Voice) {
        out.push((path.clone().key("send"), "voice is not sent; write voice = { after, every, times }".into()));
    }
    if let At::Deadline(_) = rung.at
        && !ladder.answer
    {
        out.push((path.clone().key("at"), "a ladder that asks no answer has no deadline to count from".into()));
    }
    if let Some(task) = &rung.task {
        let path = path.clone().key("task");
        if !ladder.answer {
            out.push((path.clone(), "a ladder that asks no answer opens no task".into()));
        }
        if task.title.trim().is_empty() {
            out.push((path.clone().key("title"), "say what the officer is to do, such as `人工电话叫应`".into()));
        }
        if matches!(task.desk, Who::Holder | Who::Deputy | Who::Superior | Who::Others) {
            out.push((path.clone().key("desk"), "a task belongs to a desk: township_desk, county_desk, city_desk or shift_leader".into()));
        }
        positive(&path.key("unclaimed"), task.unclaimed, out);
    }
    if let Some(voice) = rung.voice {
        check_voice(&path.clone().key("voice"), voice, out);
    }
}

fn check_voice(path: &KeyPath, voice: Voice, out: &mut Faults) {
    if voice.times == 0 || voice.times > MOST_CALLS {
        out.push((path.clone().key("times"), format!("{} calls; write 1 to {MOST_CALLS}", voice.times)));
    }
    if voice.times > 1 {
        positive(&path.clone().key("every"), voice.every, out);
    }
    if voice.after.0 < 0 || voice.after > LONGEST {
        out.push((path.clone().key("after"), format!("{} is longer than any warning runs", voice.after)));
    }
    if voice.second_number_from == 0 {
        out.push((path.clone().key("second_number_from"), "calls are counted from 1".into()));
    }
}

fn check_supervise(path: &KeyPath, s: &Supervise, out: &mut Faults) {
    if s.unanswered.is_none() && s.response.is_none() {
        out.resting(vec![path.clone()], path.clone(), "watches nothing; give unanswered or response, or leave supervise out");
    }
    if let Some(span) = s.unanswered {
        positive(&path.clone().key("unanswered"), span, out);
    }
    let Some(r) = &s.response else { return };
    let path = path.clone().key("response");
    positive(&path.clone().key("within"), r.within, out);
    if r.stages.iter().all(|s| normal_stage(s).is_empty()) {
        out.push((path.key("stages"), "name the stages by which a response is known, such as \"Ⅰ级响应\"".into()));
    }
}

fn check_schedule(path: &KeyPath, schedule: &Schedule, out: &mut Faults) {
    if schedule.0.is_empty() {
        out.push((path.clone(), "an empty schedule owes nothing; leave feedback out".into()));
    }
    if schedule.0.len() > MOST_CLOCKS {
        out.push((path.clone(), format!("{} clocks; nobody keeps more than {MOST_CLOCKS} in mind", schedule.0.len())));
    }
    for (i, f) in schedule.0.iter().enumerate() {
        // One clock is written without a list around it.
        let at = if schedule.0.len() > 1 { path.clone().index(i) } else { path.clone() };
        positive(&at.clone().key("first"), f.first, out);
        positive(&at.clone().key("task_after"), f.task_after, out);
        if let Some(every) = f.every {
            positive(&at.clone().key("every"), every, out);
        }
        if f.ask.iter().all(|a| a.trim().is_empty()) {
            out.push((at.key("ask"), "say what is to be reported, such as ask = [\"到岗\"]; people read it".into()));
        }
    }
}

fn positive(path: &KeyPath, span: Span, out: &mut Faults) {
    if span.0 <= 0 {
        out.push((path.clone(), "must be longer than nothing".into()));
    } else if span > LONGEST {
        out.push((path.clone(), format!("{span} is longer than any warning runs (31d)")));
    }
}

fn root(key: &str) -> KeyPath {
    KeyPath::default().key(key)
}

fn list<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let all: Vec<&str> = names.map(String::as_str).collect();
    if all.is_empty() { "none".into() } else { all.join(", ") }
}

#[cfg(test)]
mod tests {
    use crate::core::policy::parse_policy;

    #[test]
    fn what_cannot_work_is_told_with_its_line_and_key() {
        let text = r#"name = "试"
version = "1"
[clocks]
lookup = ["30s", "5s", "2m"]
[role.flood]
names = ["防汛"]
[role.other]
names = ["防汛"]
all = true
[group.T]
name = "村"
select = [{ tiers = ["village"], roles = ["nobody"] }]
[ladder.L1]
deadline = { county = "0s" }
repeat = "40d"
[[ladder.L1.rung]]
at = "start"
call = ["holder"]
send = ["sms", "voice"]
voice = { after = "1s", every = "0s", times = 2 }
[[ladder.L1.rung]]
at = "deadline+3m"
call = []
[[ladder.L1.rung]]
at = "deadline"
call = ["deputy"]
task = { title = "", desk = "holder" }
[ladder.L2]
answer = false
[[ladder.L2.rung]]
at = "deadline"
call = ["holder"]
send = ["sms"]
[[rule]]
name = "一"
levels = ["unknown"]
feedback = { first = "0s" }
calls = [{ who = ["T", "X"], ladder = "L1", night = "raise:L9" }, { who = [], ladder = "L8", answer = { n = 0 } }]
[[rule]]
name = "二"
levels = ["orange"]
[[rule]]
name = ""
stages = [" "]
nobody = " "
"#;
        let faults = parse_policy(text).unwrap_err();
        let told: Vec<(usize, &str)> = faults.iter().map(|f| (f.line, f.key.as_str())).collect();
        for want in [
            (4, "clocks.lookup"),
            (5, "role.flood"),
            (8, "role.other.names[0]"),
            (12, "group.T.select[0].roles[0]"),
            (14, "ladder.L1.deadline.county"),
            (15, "ladder.L1.repeat"),
            (19, "ladder.L1.rung[0].send"),
            (20, "ladder.L1.rung[0].voice.every"),
            (23, "ladder.L1.rung[1].call"),
            (25, "ladder.L1.rung[2].at"),
            (27, "ladder.L1.rung[2].task.title"),
            (27, "ladder.L1.rung[2].task.desk"),
            (31, "ladder.L2.rung[0].at"),
            (36, "rule[0].levels[0]"),
            (37, "rule[0].feedback.first"),
            (38, "rule[0].calls[0].who[1]"),
            (38, "rule[0].calls[0].night"),
            (38, "rule[0].calls[0].ladder"),
            (38, "rule[0].calls[1].ladder"),
            (38, "rule[0].calls[1].answer"),
            (38, "rule[0].calls[1].who"),
            (39, "rule[1].calls"),
            (39, "rule[1]"),
            (43, "rule[2].name"),
            (44, "rule[2].stages[0]"),
            (45, "rule[2].nobody"),
        ] {
            assert!(told.contains(&want), "{want:?} not told\n{faults:#?}");
        }
        let names: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert!(names.iter().any(|f| f.contains("there is no ladder `L9`; the file has L1, L2")), "{names:#?}");
        assert!(names.iter().any(|f| f.contains("no deadline for village")), "{names:#?}");
    }

    #[test]
    fn the_shipped_policy_has_no_fault() {
        let policy = parse_policy(crate::core::policy::SHIPPED).unwrap_or_else(|f| panic!("{f:#?}"));
        assert!(policy.check().is_empty());
        assert_eq!(policy.ladders.len(), 6);
    }
}
