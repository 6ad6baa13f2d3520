//! 督办: the upper level presses where a county is silent, or has not started its emergency response (the second
//! half of a double call, 双叫应). Kept in the warning's state; the engine looks, this says when and what for.

use super::{
    division::Division,
    ids::WarningId,
    policy::Supervise,
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
    /// What the city's desk is asked to do.
    pub fn title(&self, hazard: &str, level: &str, accepted: Time) -> String {
        let minutes = (self.by - accepted).0 / 60_000;
        let name = &self.name;
        match self.what {
            WatchFor::Answer => format!("督办：{name}收到{hazard}{level}预警{minutes}分钟，县本级无人应答，请督促"),
            WatchFor::Response => format!("督办：{hazard}{level}预警已发{minutes}分钟，{name}未启动应急响应，请督促"),
        }
    }
}

/// The watches of a warning: for each county concerned; an answer is awaited only where somebody at the county is called.
pub fn watches(rule: &Supervise, counties: impl IntoIterator<Item = (Division, bool, String)>, accepted: Time, drill: bool) -> Vec<Watch> {
    let mut out = Vec::new();
    for (county, called, name) in counties {
        let mut watch = |what, within: Span| {
            let by = accepted + within;
            out.push(Watch { county, name: name.clone(), what, by, look: by, task: None, settled: None, response: None });
        };
        if let Some(within) = rule.unanswered.filter(|_| called) {
            watch(WatchFor::Answer, within);
        }
        // Nobody starts a real response for a drill.
        if let Some(response) = rule.response.as_ref().filter(|_| !drill) {
            watch(WatchFor::Response, response.within);
        }
    }
    out
}
