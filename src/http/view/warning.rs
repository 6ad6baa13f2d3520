//! A warning as the API shows it: its content in the native JSON, its policy, its tally.

use super::at;
use crate::{
    core::{
        callout::state::ClosedReason,
        duty_call::DutyCall,
        ids::{AttemptId, RecipientId},
        phone::Phone,
        policy::{At, FeedbackRule, RunningPolicy},
        supervise::Watch,
        time::Time,
        warning::{Area, Content, Finding, Shape},
        warning_life::{ReturnOrder, WarningEnd, WarningPhase, WarningState},
    },
    report::Tally,
};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

#[derive(Debug, Serialize)]
pub struct WarningView {
    pub id: String,
    pub identifier: String,
    pub issuer: String,
    pub state: &'static str,
    pub closed_reason: Option<&'static str>,
    pub drill: bool,
    pub accepted_at: String,
    pub closed_at: Option<String>,
    pub expires_at: String,
    pub hazard: String,
    pub hazard_class: Value,
    pub level: &'static str,
    pub headline: String,
    pub findings: Vec<Finding>,
    pub continues: Option<String>,
    /// It was told to end; its callouts are being told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ending: Option<Ending>,
    pub tally: Tally,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub added_places: Option<Vec<String>>,
    /// 督办: which counties the city watches, and how that stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supervision: Option<Vec<Supervision>>,
    /// 叫带班领导: the last calls about tasks of the warning's own that nobody claimed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duty_calls: Option<Vec<DutyCallView>>,
    /// Permissions to return, given after the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub returns: Option<Vec<ReturnView>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyView>,
}

#[derive(Debug, Serialize)]
pub struct Ending {
    pub reason: &'static str,
    pub at: String,
    /// The issuer, officer or clock that ended it.
    pub by: String,
    pub note: String,
}

#[derive(Debug, Serialize)]
pub struct Supervision {
    pub county: String,
    pub name: String,
    /// `answer` or `response`.
    pub awaits: &'static str,
    pub due_at: String,
    /// `waiting`, `pressed` (the city's desk has a task), or how it was settled.
    pub state: String,
    /// The warning that says the response was started; it is counted by itself.
    pub response: Option<String>,
}

/// One call (or message) to the shift's leader; its number is always masked.
#[derive(Debug, Serialize)]
pub struct DutyCallView {
    pub id: AttemptId,
    /// The title of the task, while it is kept.
    pub task: Option<String>,
    pub recipient_id: RecipientId,
    pub name: String,
    pub phone: Option<String>,
    pub channel: &'static str,
    pub provider: Option<String>,
    pub state: &'static str,
    pub queued_at: String,
    /// What was pressed.
    pub keys: Option<String>,
    pub outcome: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct ReturnView {
    pub at: String,
    pub by: String,
    pub places: Vec<String>,
    pub note: String,
}

#[derive(Debug, Serialize)]
pub struct PolicyView {
    pub source: String,
    /// Names the version: `/api/v1/policy/versions/{hash}`.
    pub hash: String,
    /// `flat` or `relay` (逐级转发).
    pub calling: &'static str,
    /// Names of the lines that are called side by side (双叫应).
    pub lines: Vec<String>,
    pub stages: Vec<Stage>,
    pub feedback: Vec<FeedbackStage>,
}

#[derive(Debug, Serialize)]
pub struct Stage {
    pub name: String,
    pub level: &'static str,
    /// False: people are only told.
    pub answer: bool,
    /// Tier → answer deadline, such as `5m`.
    pub deadlines: BTreeMap<&'static str, String>,
    pub rungs: Vec<RungView>,
}

#[derive(Debug, Serialize)]
pub struct RungView {
    pub at: At,
    pub call: Vec<Value>,
    pub send: Vec<&'static str>,
    pub voice: bool,
    pub task: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct FeedbackStage {
    pub first: String,
    pub every: Option<String>,
    pub ask: Vec<String>,
}

pub fn phase(p: WarningPhase) -> &'static str {
    match p {
        WarningPhase::Accepted => "accepted",
        WarningPhase::Active => "active",
        WarningPhase::Closed => "closed",
    }
}

/// 已受理, 叫应中 …
pub fn phase_zh(w: &WarningState) -> &'static str {
    match (w.phase, w.closed_reason) {
        (WarningPhase::Accepted, _) => "已受理",
        (WarningPhase::Active, _) => "叫应中",
        (WarningPhase::Closed, Some(WarningEnd::Answered)) => "已全部叫应",
        (WarningPhase::Closed, Some(WarningEnd::Cancelled)) => "已解除",
        (WarningPhase::Closed, Some(WarningEnd::Superseded)) => "已更新",
        (WarningPhase::Closed, Some(WarningEnd::Expired)) => ClosedReason::Expired.name_zh(),
        (WarningPhase::Closed, None) => "已结束",
    }
}

/// As lists show it.
pub fn listed(w: &WarningState, tally: Tally) -> WarningView {
    WarningView {
        id: w.id.to_string(),
        identifier: w.content.identifier.clone(),
        issuer: w.issuer.0.clone(),
        state: phase(w.phase),
        closed_reason: w.closed_reason.map(|r| r.as_str()),
        drill: w.drill,
        accepted_at: at(w.accepted_at),
        closed_at: w.closed_at.map(at),
        expires_at: at(w.expires_at),
        hazard: w.content.hazard.0.clone(),
        hazard_class: json!(w.content.hazard.class()),
        level: w.content.level.as_str(),
        headline: w.content.headline.clone(),
        findings: w.findings.clone(),
        continues: w.relations.continues.map(|id| id.to_string()),
        ending: w.end.as_ref().map(|e| Ending { reason: e.reason.as_str(), at: at(e.at), by: e.who.clone(), note: e.note.clone() }),
        tally,
        added_places: None,
        supervision: None,
        duty_calls: None,
        returns: None,
        content: None,
        policy: None,
    }
}

/// With its content and policy.
pub fn whole(w: &WarningState, tally: Tally) -> WarningView {
    WarningView {
        added_places: Some(w.added_places.clone()),
        supervision: Some(w.watches.iter().map(supervision).collect()),
        duty_calls: Some(w.duty_calls.iter().map(|c| duty_call(w, c)).collect()),
        returns: Some(w.returns.iter().map(returned).collect()),
        content: Some(native(&w.content)),
        policy: Some(policy(&w.policy)),
        ..listed(w, tally)
    }
}

fn supervision(x: &Watch) -> Supervision {
    let state = match (&x.settled, x.task) {
        (Some(how), _) => how.clone(),
        (None, Some(_)) => "pressed".into(),
        (None, None) => "waiting".into(),
    };
    Supervision {
        county: x.county.to_string(),
        name: x.name.clone(),
        awaits: x.what.as_str(),
        due_at: at(x.by),
        state,
        response: x.response.map(|id| id.to_string()),
    }
}

fn duty_call(w: &WarningState, c: &DutyCall) -> DutyCallView {
    DutyCallView {
        id: DutyCall::attempt(w.id, c.n),
        task: w.tasks.iter().find(|t| t.n == c.task).map(|t| t.title.clone()),
        recipient_id: c.to.id,
        name: c.to.name.clone(),
        phone: c.phone().map(Phone::masked),
        channel: c.channel.as_str(),
        provider: c.provider.clone(),
        state: c.state.as_str(),
        queued_at: at(c.at),
        keys: c.keys.clone(),
        outcome: c.outcome.clone(),
    }
}

fn returned(r: &ReturnOrder) -> ReturnView {
    ReturnView { at: at(r.at), by: r.who.clone(), places: r.places.clone(), note: r.note.clone() }
}

/// The content in the contract's native JSON; what is empty is left out.
pub fn native(c: &Content) -> Value {
    let mut out = Map::new();
    let mut put = |key: &str, value: Value| {
        let empty = match &value {
            Value::Null => true,
            Value::String(s) => s.is_empty(),
            Value::Array(a) => a.is_empty(),
            Value::Object(o) => o.is_empty(),
            _ => false,
        };
        if !empty {
            out.insert(key.to_string(), value);
        }
    };
    let time = |t: Option<Time>| t.map_or(Value::Null, |t| json!(at(t)));
    put("identifier", json!(c.identifier));
    put("sent", json!(at(c.sent)));
    put("status", json!(c.status));
    put("message_type", json!(c.message_type));
    put("references", json!(c.references));
    put("hazard", json!(c.hazard));
    put("level", json!(c.level));
    put("headline", json!(c.headline));
    put("description", json!(c.description));
    put("instruction", json!(c.instruction));
    put("effective", time(c.effective));
    put("onset", time(c.onset));
    put("expires", time(c.expires));
    put("areas", Value::Array(c.areas.iter().map(area).collect()));
    put("event", json!(c.event));
    put("stage", json!(c.stage));
    put("sender_name", json!(c.sender_name));
    put("parameters", json!(c.parameters));
    if c.restricted {
        // Said only where it is so: the contract's form has no such field.
        put("restricted", json!(true));
    }
    Value::Object(out)
}

fn area(a: &Area) -> Value {
    let mut out = match &a.shape {
        Shape::Division(d) => json!({ "division": d }),
        Shape::Polygon(points) => json!({ "polygon": points }),
        Shape::Line(points) => json!({ "line": points }),
        Shape::Circle { center, radius_km } => json!({ "circle": { "center": center, "radius_km": radius_km } }),
        Shape::Point(code) => json!({ "point": code }),
        Shape::Named(name) => json!({ "name": name }),
    };
    if let Some(object) = out.as_object_mut() {
        if let Some(name) = &a.name {
            object.insert("name".into(), json!(name));
        }
        if let Some(level) = a.level {
            object.insert("level".into(), json!(level));
        }
    }
    out
}

fn policy(p: &RunningPolicy) -> PolicyView {
    let stages = p.ladders.iter().map(|l| Stage {
        name: l.name.clone(),
        level: l.level.as_str(),
        answer: l.ladder.answer,
        deadlines: l.ladder.deadline.iter().map(|(tier, span)| (tier.as_str(), span.to_string())).collect(),
        rungs: l
            .ladder
            .rungs
            .iter()
            .map(|r| RungView {
                at: r.at,
                call: r.call.iter().map(|w| json!(w)).collect(),
                send: r.send.iter().map(|c| c.as_str()).collect(),
                voice: r.voice.is_some(),
                task: r.task.as_ref().map(|t| t.title.clone()),
            })
            .collect(),
    });
    let clock = |f: &FeedbackRule| FeedbackStage { first: f.first.to_string(), every: f.every.map(|e| e.to_string()), ask: f.ask.clone() };
    let feedback = p.feedback.iter().flat_map(|s| &s.0).map(clock);
    let calling = if p.relay { "relay" } else { "flat" };
    PolicyView {
        source: p.source.clone(),
        hash: p.hash.clone(),
        calling,
        lines: p.lines.clone(),
        stages: stages.collect(),
        feedback: feedback.collect(),
    }
}
