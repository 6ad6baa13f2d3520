//! A policy told in plain Chinese (规则说明): who is called for this hazard at this level and hour, by what, by
//! when, what each rung does, how many of a place must answer, what is to be reported, what the night changes.

use super::{
    AnswerRule, At, FeedbackRule, Ladder, NightRule, Policy, Rung, Schedule, Supervise,
    rule::{Call, Rule},
};
use crate::core::{
    directory::Tier,
    hazard::{HazardCode, Level},
    planner::{Row, Running, Way},
    send::Channel,
    time::{Span, Time},
};
use serde::Serialize;
use std::{collections::BTreeSet, fmt::Write};

/// What is asked for. `minute` is of the day, Beijing time.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    pub hazard: &'a HazardCode,
    pub level: Level,
    pub stage: Option<&'a str>,
    pub minute: u16,
    pub tier: Option<Tier>,
}

/// The answer, ready to be shown; [`Explanation::text`] says it as a page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// `暴雨（11B03）红色，14:00 受理`.
    pub asked: String,
    /// The row that applies; none where the built-in last resort would.
    pub rule: Option<String>,
    pub night: bool,
    /// Why nobody is called, where the row says so.
    pub nobody: Option<String>,
    /// How levels follow each other: 扁平直达 or 逐级转发.
    pub calling: String,
    pub calls: Vec<CallTold>,
    pub ladders: Vec<LadderTold>,
    pub feedback: Vec<String>,
    pub supervise: Vec<String>,
    /// What was odd about the question.
    pub notes: Vec<String>,
}

/// One line of the row: these people by this ladder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CallTold {
    pub who: Vec<String>,
    /// 部门线, 政府线 (双叫应).
    pub line: Option<String>,
    pub ladder: String,
    /// `村级 5分钟`; with the night's hold: `村级 06:30 起 5分钟`.
    pub deadlines: Vec<String>,
    pub answer: String,
    pub night: String,
}

/// A ladder, rung by rung.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LadderTold {
    pub name: String,
    pub rungs: Vec<String>,
}

impl Policy {
    /// Explains what this policy does with such a warning.
    pub fn explain(&self, q: &Question<'_>) -> Explanation {
        let night = self.night.contains(q.minute);
        let name = q.hazard.name().unwrap_or("灾种");
        let stage = q.stage.filter(|s| !s.trim().is_empty());
        let staged = stage.map(|s| format!("“{s}”")).unwrap_or_default();
        let mut e = Explanation {
            asked: format!("{name}（{}）{}{staged}，{} 受理", q.hazard, q.level.name_zh(), clock(q.minute)),
            rule: None,
            night,
            nobody: None,
            calling: "扁平直达：各级同时叫应".into(),
            calls: Vec::new(),
            ladders: Vec::new(),
            feedback: Vec::new(),
            supervise: Vec::new(),
            notes: Vec::new(),
        };
        if q.level == Level::Unknown {
            e.notes.push("未定级按橙色叫应".into());
        }
        let Some(rule) = self.rule_for(q.hazard, q.level, q.stage) else {
            e.notes.push("规则中没有这一行：按内置的最后手段叫应区域内所有责任人".into());
            e.ladders.push(ladder_told("内置", &crate::core::planner::last_resort_ladder()));
            return e;
        };
        if let Some(stage) = stage.filter(|_| rule.stages.is_empty()) {
            e.notes.push(format!("规则中没有“{stage}”这一行，按级别叫应"));
        }
        e.rule = Some(rule.name.clone());
        e.nobody.clone_from(&rule.nobody);
        if rule.relay {
            e.calling = "逐级转发：上一级有人应答，或其时限已过，才叫下一级；值班室即叫".into();
        }
        if rule.downstream {
            e.notes.push("连同点位的下游一并叫应：预警点名的点位，和预警到乡镇、村时其中的点位".into());
        }
        self.explain_calls(rule, q, &mut e);
        e.supervise = rule.supervise.as_ref().map(supervise_told).unwrap_or_default();
        e
    }

    /// What the planner itself would do at that minute, line by line.
    fn explain_calls(&self, rule: &Rule, q: &Question<'_>, e: &mut Explanation) {
        let now = Time(0).next_beijing_minute(q.minute);
        let row = Row::of(self, rule);
        let mut running = Running::new(self, now, false);
        // From when reports are owed: at once, or from the morning.
        let mut reports: BTreeSet<Option<u16>> = BTreeSet::new();
        for (call, line) in rule.calls.iter().zip(&row.lines) {
            let tiers: Vec<Tier> = self.tiers_of(call).into_iter().filter(|t| q.tier.is_none_or(|wanted| wanted == *t)).collect();
            let ways: Vec<(Tier, Way)> = tiers.into_iter().map(|t| (t, running.way(line, t, q.level))).collect();
            let Some((_, way)) = ways.first() else { continue };
            let Some(ladder) = running.policy_out.ladders.get(usize::from(way.ladder)).map(|l| &l.ladder) else { continue };
            if e.ladders.iter().all(|l| l.name != way.name) {
                e.ladders.push(ladder_told(&way.name, ladder));
            }
            if way.answer {
                reports.extend(ways.iter().map(|(_, w)| held_until(w)));
            }
            let deadline =
                |(tier, way): &(Tier, Way)| format!("{} {}{}", tier.name_zh(), from_told(held_until(way)), zh(way.own_deadline(now)));
            e.calls.push(CallTold {
                who: call
                    .who
                    .iter()
                    .filter(|g| q.tier.is_none_or(|t| self.tiers_of_group(g).contains(&t)))
                    .map(|g| self.group_told(g))
                    .collect(),
                line: call.line.clone(),
                ladder: way.name.clone(),
                deadlines: if way.answer { ways.iter().map(deadline).collect() } else { Vec::new() },
                answer: if way.answer { answer_told(call.answer) } else { "只告知，不要求应答，不计入应叫应".into() },
                night: self.night_told(call, ladder),
            });
        }
        if let Some(schedule) = &rule.feedback {
            let mixed = reports.len() > 1;
            let told = |from: Option<u16>| {
                let whose = if mixed && from.is_some() { "（留到早晨的人）" } else { "" };
                schedule.0.iter().map(move |clock| format!("{}{whose}", clock_told(clock, from)))
            };
            e.feedback = reports.into_iter().flat_map(told).collect();
        }
    }

    /// The tiers that a line's groups can hold.
    pub(super) fn tiers_of(&self, call: &Call) -> BTreeSet<Tier> {
        call.who.iter().flat_map(|g| self.tiers_of_group(g)).collect()
    }

    fn tiers_of_group(&self, key: &str) -> BTreeSet<Tier> {
        let selectors = self.groups.get(key).into_iter().flat_map(|g| &g.select);
        selectors.flat_map(|s| if s.tiers.is_empty() { Tier::ALL.to_vec() } else { s.tiers.clone() }).collect()
    }

    fn group_told(&self, key: &str) -> String {
        self.groups.get(key).map_or_else(|| key.to_string(), |g| format!("{}（{key}）", g.name))
    }

    fn night_told(&self, call: &Call, ladder: &Ladder) -> String {
        let n = &self.night;
        let hours = format!("夜间（{}–{}）", clock(n.from), clock(n.to));
        let waits = ladder.rungs.first().and_then(|r| r.voice).is_some_and(|v| !v.night);
        match &call.night {
            NightRule::Full if waits => format!("{hours}短信照常，电话按梯子留到 {}，时限从那时起算", clock(n.morning)),
            NightRule::Full => format!("{hours}照常"),
            NightRule::Raise(ladder) => format!("{hours}改按 {ladder}"),
            NightRule::SmsUntilMorning => format!("{hours}短信即发，电话留到 {}，时限从那时起算", clock(n.morning)),
            NightRule::HoldUntilMorning => format!("{hours}全部留到 {}", clock(n.morning)),
        }
    }
}

impl Explanation {
    /// As a page, a fact a line.
    pub fn text(&self) -> String {
        let mut t = format!("{}\n", self.asked);
        let mut line = |text: String| {
            t.push_str(&text);
            t.push('\n');
        };
        match &self.rule {
            Some(rule) => line(format!("规则：{rule}{}", if self.night { "（夜间）" } else { "" })),
            None => line("规则：无".into()),
        }
        self.notes.iter().for_each(|n| line(format!("注意：{n}")));
        if let Some(why) = &self.nobody {
            line(format!("不叫应：{why}"));
            return t;
        }
        line(format!("方式：{}", self.calling));
        for c in &self.calls {
            let side = c.line.as_ref().map(|l| format!("【{l}】")).unwrap_or_default();
            line(format!("叫：{side}{}", c.who.join("、")));
            let deadlines = if c.deadlines.is_empty() { String::new() } else { format!("，时限：{}", c.deadlines.join("，")) };
            line(format!("  梯子 {}{deadlines}", c.ladder));
            line(format!("  {}；{}", c.answer, c.night));
        }
        for l in &self.ladders {
            line(format!("梯子 {}：", l.name));
            l.rungs.iter().for_each(|r| line(format!("  {r}")));
        }
        if !self.feedback.is_empty() {
            line("反馈（从第一次发送起算）：".into());
            self.feedback.iter().for_each(|f| line(format!("  {f}")));
        }
        self.supervise.iter().for_each(|s| line(format!("督办：{s}")));
        t
    }
}

fn answer_told(rule: AnswerRule) -> String {
    match rule {
        AnswerRule::Each => "人人都要应答".into(),
        AnswerRule::Any => "每个地点任一人应答即可".into(),
        AnswerRule::N(n) => format!("每个地点须有 {n} 人应答"),
    }
}

fn ladder_told(name: &str, ladder: &Ladder) -> LadderTold {
    let mut rungs: Vec<String> = ladder.rungs.iter().map(rung_told).collect();
    if ladder.answer {
        rungs.push(format!("仍无人应答：最后一级每 {} 再来一次", zh(ladder.repeat)));
    }
    LadderTold { name: name.into(), rungs }
}

/// `时限到：短信、电话（0秒后起，每90秒一次，3次）叫本人、代理人；开任务“…”（…未领报带班领导）`.
pub fn rung_told(rung: &Rung) -> String {
    let at = match rung.at {
        At::Start(Span::ZERO) => "开始".to_string(),
        At::Start(s) => format!("开始后 {}", zh(s)),
        At::Deadline(Span::ZERO) => "时限到".into(),
        At::Deadline(s) => format!("时限后 {}", zh(s)),
    };
    let who: Vec<&str> = rung.call.iter().map(|w| w.name_zh()).collect();
    let mut how: Vec<String> = rung.send.iter().map(|c| channel_zh(*c).to_string()).collect();
    if let Some(v) = rung.voice {
        let start = if v.after == Span::ZERO { "即打".to_string() } else { format!("{}后起", zh(v.after)) };
        let again = if v.times > 1 { format!("，每{}一次，共{}次", zh(v.every), v.times) } else { "，1次".into() };
        let second = if v.times >= v.second_number_from { format!("，第{}次起换号", v.second_number_from) } else { String::new() };
        how.push(format!("电话（{start}{again}{second}{}）", if v.night { "" } else { "，夜间不打" }));
    }
    let mut out = format!("{at}：");
    if !who.is_empty() {
        let _ = write!(out, "{}叫{}", how.join("、"), who.join("、"));
    }
    if let Some(t) = &rung.task {
        let comma = if who.is_empty() { "" } else { "；" };
        let _ = write!(out, "{comma}开任务“{}”给{}（{}未领报带班领导）", t.title, t.desk.name_zh(), zh(t.unclaimed));
    }
    out
}

/// Each clock of a schedule, a line each.
pub fn feedback_told(schedule: &Schedule) -> Vec<String> {
    schedule.0.iter().map(|r| clock_told(r, None)).collect()
}

/// The minute of the day until which the night holds the calls.
fn held_until(way: &Way) -> Option<u16> {
    way.hold_until.or(way.hold_voice_until).map(Time::beijing_minute)
}

/// `06:30 起 `, or nothing.
fn from_told(minute: Option<u16>) -> String {
    minute.map(|m| format!("{} 起 ", clock(m))).unwrap_or_default()
}

fn clock_told(r: &FeedbackRule, from: Option<u16>) -> String {
    let every = r.every.map(|e| format!("，此后每 {} 一报直到解除", zh(e))).unwrap_or_default();
    let early = match &r.about {
        None => String::new(),
        Some(about) if about.is_empty() => "；前三分之二时段的反馈不算".into(),
        Some(about) => format!("；前三分之二时段须报{}才算", about.iter().map(|t| t.name_zh()).collect::<Vec<_>>().join("、")),
    };
    let (ask, from) = (r.ask.join("、"), from_told(from));
    format!("{ask}：{from}{} 内{every}；逾期即提醒，再过 {} 转人工{early}", zh(r.first), zh(r.task_after))
}

fn supervise_told(s: &Supervise) -> Vec<String> {
    let silent = s.unanswered.map(|d| format!("受理 {} 后县本级无一人应答，市值班室督促", zh(d)));
    let response = s.response.as_ref().map(|r| {
        let first = r.stages.first().map_or("", String::as_str);
        format!("受理 {} 后县里未启动应急响应（双叫应的另一半，如“{first}”等{}种），市值班室督促", zh(r.within), r.stages.len())
    });
    silent.into_iter().chain(response).collect()
}

fn channel_zh(c: Channel) -> &'static str {
    match c {
        Channel::Sms => "短信",
        Channel::Voice => "电话",
        Channel::Email => "邮件",
        Channel::Im => "政务消息",
    }
}

/// `14:00`.
pub fn clock(minute: u16) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

/// `1小时30分钟`, `90秒`, `2天`.
pub fn zh(s: Span) -> String {
    let ms = s.0.max(0);
    if ms > 0 && ms < 120_000 && ms % 60_000 != 0 || ms == 0 {
        return if ms % 1000 == 0 { format!("{}秒", ms / 1000) } else { format!("{ms}毫秒") };
    }
    let (d, h, m, sec) = (ms / 86_400_000, ms / 3_600_000 % 24, ms / 60_000 % 60, ms / 1000 % 60);
    // People say 24 小时 and 48 小时, not 1 天.
    let (d, h) = if d <= 2 { (0, h + d * 24) } else { (d, h) };
    let parts = [(d, "天"), (h, "小时"), (m, "分钟"), (sec, "秒")];
    parts.into_iter().filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n}{unit}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::policy::{SHIPPED, parse_policy};

    fn explain(code: &str, level: Level, stage: Option<&str>, minute: u16, tier: Option<Tier>) -> Explanation {
        let policy = parse_policy(SHIPPED).unwrap();
        policy.explain(&Question { hazard: &HazardCode(code.into()), level, stage, minute, tier })
    }

    #[test]
    fn a_red_rainstorm_is_explained_so_that_an_official_can_check_it() {
        let text = explain("11B03", Level::Red, None, 14 * 60, Some(Tier::Village)).text();
        for wanted in [
            "暴雨（11B03）红色，14:00 受理",
            "规则：暴雨红色",
            "叫：村负责人和点位责任人（T4）",
            "时限：村级 5分钟",
            "开始：短信、政务消息、邮件、电话（30秒后起，每90秒一次，共4次，第2次起换号）叫本人",
            "时限后 10分钟：",
            "到岗：15分钟 内；逾期即提醒",
            "县本级无一人应答",
            "夜间（22:00–06:00）照常",
        ] {
            assert!(text.contains(wanted), "{wanted} not in\n{text}");
        }
        assert!(!text.contains("县级 10分钟"), "of the tier asked for alone: {text}");
    }

    #[test]
    fn the_night_is_said_where_it_changes_anything() {
        let e = explain("11B03", Level::Orange, None, 23 * 60, None);
        assert!(e.night && e.calls.iter().any(|c| c.ladder == "L1" && c.night.contains("改按 L1")), "{e:#?}");
        let e = explain("11B41", Level::Red, None, 23 * 60, None);
        assert!(e.calls[0].deadlines.iter().any(|d| d == "村级 06:30 起 10分钟"), "{e:#?}");
        let reports = explain("11B41", Level::Red, None, 23 * 60, None).feedback;
        assert!(reports.iter().all(|f| f.contains("：06:30 起 4小时 内")), "{reports:?}");
    }

    #[test]
    fn a_call_that_would_fall_in_the_night_that_begins_is_said_to_wait_for_the_morning() {
        let deadline = |minute| explain("11B03", Level::Yellow, None, minute, Some(Tier::Township)).calls[0].deadlines.clone();
        assert_eq!(deadline(21 * 60 + 44), ["乡镇 30分钟"], "its one call is at 21:59");
        assert_eq!(deadline(21 * 60 + 45), ["乡镇 06:30 起 30分钟"], "at 22:00");
        assert_eq!(deadline(5 * 60 + 59), ["乡镇 06:30 起 30分钟"]);
        assert_eq!(deadline(6 * 60), ["乡镇 30分钟"]);
        let reports = explain("11B03", Level::Yellow, None, 23 * 60, None).feedback;
        let want = ["：2小时 内", "：06:30 起 2小时 内"];
        assert!(
            reports.len() == 2 && reports.iter().zip(want).all(|(f, w)| f.contains(w)),
            "those at points are rung at night: {reports:?}"
        );
    }

    #[test]
    fn a_ladder_that_rings_only_by_day_is_said_to_do_so_whatever_its_row_says_of_the_night() {
        let mut policy = parse_policy(SHIPPED).unwrap();
        policy.rules.iter_mut().find(|r| r.name == "暴雨黄色").unwrap().calls[1].night = NightRule::Full;
        let hazard = HazardCode("11B03".into());
        let q = Question { hazard: &hazard, level: Level::Yellow, stage: None, minute: 23 * 60, tier: Some(Tier::Township) };
        let told = &policy.explain(&q).calls[0];
        assert_eq!(told.deadlines, ["乡镇 06:30 起 30分钟"]);
        assert!(told.night.contains("电话按梯子留到 06:30"), "{}", told.night);
    }

    #[test]
    fn what_no_row_fits_and_what_nobody_is_called_for_is_said_too() {
        assert!(explain("11C02", Level::Red, Some("预警"), 0, None).text().contains("不叫应：地震预警以秒计"));
        assert!(explain("11B03", Level::Unknown, Some("没有的阶段"), 0, None).notes.len() == 2);
        let p = Policy::default();
        let e = p.explain(&Question { hazard: &HazardCode("99".into()), level: Level::Blue, stage: None, minute: 0, tier: None });
        assert!(e.rule.is_none() && e.text().contains("最后手段"));
    }

    #[test]
    fn spans_are_said_as_people_say_them() {
        for (s, want) in
            [(90, "90秒"), (60, "1分钟"), (300, "5分钟"), (5400, "1小时30分钟"), (86_400, "24小时"), (0, "0秒"), (604_800, "7天")]
        {
            assert_eq!(zh(Span::secs(s)), want);
        }
    }
}
