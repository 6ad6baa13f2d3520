//! 督办: the upper level presses where a county is silent, or has not started its emergency response (the second
//! half of a double call, 双叫应). Kept in the warning's state; the engine looks, this says when and what for.

use super::{
    division::Division,
    hazard::{HazardClass, HazardCode, Level},
    ids::WarningId,
    planner::CountyCalled,
    policy::{RunningPolicy, rule::normal_stage},
    time::{Span, Time},
};
use serde::{Deserialize, Serialize};

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WatchFor {
    /// Somebody at the county itself answers.
    Answer,
    /// The county starts its emergency response.
    Response,
}
impl WatchFor {
    pub fn as_str(self) -> &'static str {
        match self {
            WatchFor::Answer => "answer",
            WatchFor::Response => "response",
        }
    }
}

/// One county that is watched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    pub county: Division,
    pub name: String,
    pub what: WatchFor,
    /// The highest level in the county. None: the warning's own, as in records of before levels were told apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<Level>,
    /// When the county was added to a running warning. None: it was in it from the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// By when it must have happened.
    pub by: Time,
    /// The next look.
    pub look: Time,
    /// The task at the city's desk, once one was opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<u16>,
    /// How it ended: `answered`, `response_started`, `handled` by an officer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<String>,
    /// The warning that says the response was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<WarningId>,
}

impl Watch {
    /// What the city's desk is asked to do about a warning of `level`.
    pub fn title(&self, hazard: &str, level: Level, accepted: Time) -> String {
        let minutes = (self.by - self.since.unwrap_or(accepted)).0 / 60_000;
        let level = self.level.unwrap_or(level).name_zh();
        let name = &self.name;
        match self.what {
            WatchFor::Answer => format!("督办：{name}收到{hazard}{level}预警{minutes}分钟，县本级无人应答，请督促"),
            WatchFor::Response => format!("督办：{hazard}{level}预警已发{minutes}分钟，{name}未启动应急响应，请督促"),
        }
    }
}

/// The watches of a warning: for each county by the rule of the highest level there; an answer is awaited only where
/// somebody at the county is called.
pub fn watches(
    policy: &RunningPolicy,
    counties: impl IntoIterator<Item = (Division, CountyCalled, String)>,
    accepted: Time,
    drill: bool,
) -> Vec<Watch> {
    let mut out = Vec::new();
    for (county, called, name) in counties {
        let level = Some(called.level);
        let Some(rule) = policy.supervise_at(level) else { continue };
        let mut watch = |what, within: Span| {
            let by = accepted + within;
            out.push(Watch {
                county,
                name: name.clone(),
                what,
                level,
                since: None,
                by,
                look: by,
                task: None,
                settled: None,
                response: None,
            });
        };
        if let Some(within) = rule.unanswered.filter(|_| called.itself) {
            watch(WatchFor::Answer, within);
        }
        // Nobody starts a real response for a drill.
        if let Some(response) = rule.response.as_ref().filter(|_| !drill) {
            watch(WatchFor::Response, response.within);
        }
    }
    out
}

/// Hazards that a flood-control response (防汛) answers besides its own class: typhoons, strong convection, and what else
/// the shipped policy calls as rain.
const RAIN: [&str; 7] = ["11B01", "11B03", "11B31", "11B38", "11B49", "11B63", "11B64"];
/// A stage with one of these says that a response is over.
const OVER: [&str; 2] = ["终止", "解除"];

/// Whether another warning's stage says that a response to the watched hazard was started: one of `stages` stands in it
/// with its whole grade (Ⅲ级响应 is no Ⅰ级响应), it is not the response's end, and the response is to such a hazard.
pub fn is_response(stages: &[String], stage: Option<&str>, watched: &HazardCode, other: &HazardCode) -> bool {
    let stage = stage.map(normal_stage).unwrap_or_default();
    let rained = RAIN.contains(&watched.0.as_str()) && other.class() == HazardClass::Flood;
    let answers = rained || other.class() == watched.class();
    answers && !OVER.iter().any(|w| stage.contains(w)) && stages.iter().any(|s| has_whole(&stage, &normal_stage(s)))
}

/// Whether `wanted` stands in `stage` without another Roman numeral before it.
fn has_whole(stage: &str, wanted: &str) -> bool {
    let whole = |at: usize| !stage.get(..at).is_some_and(|before| before.ends_with(['I', 'V', 'X']));
    !wanted.is_empty() && stage.match_indices(wanted).any(|(at, _)| whole(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn responds(stages: &[&str], stage: &str, watched: &str, other: &str) -> bool {
        let stages: Vec<String> = stages.iter().map(|s| (*s).to_string()).collect();
        is_response(&stages, Some(stage), &HazardCode(watched.into()), &HazardCode(other.into()))
    }

    #[test]
    fn a_grade_is_compared_whole() {
        let first = ["Ⅰ级响应", "一级响应"];
        for yes in ["Ⅰ级响应", "防汛I级响应", "启动防汛 Ⅰ 级响应", "防汛一级响应", "Ⅲ级响应提升为Ⅰ级响应"]
        {
            assert!(responds(&first, yes, "11B03", "11B03"), "{yes}");
        }
        for no in ["Ⅲ级响应", "防汛II级响应", "Ⅱ级响应", "二级响应", "立即转移", ""] {
            assert!(!responds(&first, no, "11B03", "11B03"), "{no}");
        }
        assert!(responds(&["V级响应"], "V级响应", "11B03", "11B03") && !responds(&["V级响应"], "Ⅳ级响应", "11B03", "11B03"));
        assert!(!responds(&[""], "Ⅰ级响应", "11B03", "11B03"), "an empty stage is none");
    }

    #[test]
    fn the_end_of_a_response_is_not_its_start() {
        for over in ["终止防汛Ⅰ级响应", "解除Ⅰ级响应", "Ⅰ级响应终止"] {
            assert!(!responds(&["Ⅰ级响应"], over, "11A01", "11A01"), "{over}");
        }
    }

    #[test]
    fn a_response_answers_its_own_class_and_flood_control_answers_rain() {
        let to = |watched: &str, other: &str| responds(&["Ⅱ级响应"], "Ⅱ级响应", watched, other);
        assert!(to("11B03", "11B03") && to("11A51", "11A01") && to("11A03", "11A01"));
        assert!(to("11B03", "11A01") && to("11B31", "11A51"), "rain is answered by flood control");
        assert!(!to("11B03", "11B41") && !to("11B41", "11A01"), "a forest fire's response answers no rain, nor the other way");
        assert!(!to("11B09", "11A01"), "heat is no rain");
        assert!(!to("11A01", "11C02"));
    }
}
