//! From a state to its rows: the countable face of a callout, task rows, live events. No decision
//! is taken here; it only says in columns what the state says in words.

use crate::{
    core::{
        callout::state::{Callout, Task},
        ids::{CalloutId, WarningId},
        plan::{PlanChunk, PlanEntry},
        time::Time,
        warning_life::WarningState,
    },
    store::{Face, FeedItem, TaskRow},
};
use serde_json::json;

pub fn face(c: &Callout, entry: &PlanEntry) -> Face {
    let first = entry.posts.first();
    let ack = c.acknowledgement.as_ref();
    let mut places: Vec<String> = entry.posts.iter().map(|p| p.place.id()).collect();
    places.dedup();
    Face {
        state: c.state,
        told_only: c.told_only,
        closed_reason: c.closed_reason.map(|r| r.as_str().to_string()),
        division: first.map(|p| p.place.division).unwrap_or_default(),
        place: first.map(|p| p.place.id()).unwrap_or_default(),
        tier: first.map_or(crate::core::directory::Tier::Village, |p| p.tier),
        role: first.map(|p| p.role.0.clone()).unwrap_or_default(),
        recipient: c.contacts.first().map_or(0, |k| k.id.0),
        answer_ms: ack.map(|a| (a.at - c.start).0),
        on_time: ack.is_some_and(|a| !a.late),
        via: ack.map(|a| a.via.as_str().to_string()),
        relation: ack.map(|a| a.by.relation.clone()),
        feedback_owed: c.feedback_owed(),
        places,
    }
}

pub fn task_id(owner: &str, n: u16) -> String {
    format!("t-{owner}-{n}")
}

/// `t-w12-345-2` → the callout and 2; `t-w12-2` → the warning and 2.
pub enum TaskOwner {
    Callout(CalloutId, u16),
    Warning(WarningId, u16),
}
pub fn read_task_id(text: &str) -> Option<TaskOwner> {
    let (owner, n) = text.strip_prefix("t-")?.rsplit_once('-')?;
    let n = n.parse().ok()?;
    if let Ok(c) = owner.parse::<CalloutId>() {
        return Some(TaskOwner::Callout(c, n));
    }
    owner.parse::<WarningId>().ok().map(|w| TaskOwner::Warning(w, n))
}

/// Nobody is sent to a door by a drill that looks like the real thing.
fn marked(drill: bool, title: String) -> String {
    if drill { format!("【演练】{title}") } else { title }
}

pub fn callout_task(c: &Callout, entry: &PlanEntry, chunk: &PlanChunk, t: &Task, drill: bool) -> TaskRow {
    let name = chunk.people.get(usize::from(entry.person)).map(|p| p.name.as_str()).unwrap_or("");
    let place = entry.posts.first().map(|p| p.place_name.as_str()).unwrap_or("");
    TaskRow {
        id: task_id(&c.id.to_string(), t.n),
        kind: t.kind.as_str().into(),
        title: marked(drill, format!("{place} {name}：{}", t.title)),
        warning: Some(c.id.warning),
        callout: Some(c.id),
        division: entry.posts.first().map(|p| p.place.division),
        opened_at: t.opened,
        due_at: t.due,
        claimed_by: t.claimed_by.clone(),
        claimed_at: t.claimed_at,
        closed: t.closed.clone(),
        note: t.note.clone(),
    }
}

pub fn warning_task(w: &WarningState, t: &Task) -> TaskRow {
    TaskRow {
        id: task_id(&w.id.to_string(), t.n),
        kind: t.kind.as_str().into(),
        title: marked(w.drill, t.title.clone()),
        warning: Some(w.id),
        callout: None,
        division: t.division,
        opened_at: t.opened,
        due_at: t.due,
        claimed_by: t.claimed_by.clone(),
        claimed_at: t.claimed_at,
        closed: t.closed.clone(),
        note: t.note.clone(),
    }
}

pub fn callout_feed(kind: &str, c: &Callout, entry: &PlanEntry, chunk: &PlanChunk, drill: bool, at: Time) -> FeedItem {
    let name = chunk.people.get(usize::from(entry.person)).map(|p| p.name.as_str()).unwrap_or("");
    let first = entry.posts.first();
    let ack = c.acknowledgement.as_ref();
    FeedItem {
        kind: kind.into(),
        warning: Some(c.id.warning),
        callout: Some(c.id),
        at,
        data: json!({
            "id": c.id, "warning_id": c.id.warning, "drill": drill, "state": c.state, "name": name,
            "place": first.map(|p| p.place_name.as_str()), "division": first.map(|p| p.place.division),
            "tier": first.map(|p| p.tier), "rung": c.rung,
            "via": ack.map(|a| a.via), "by": ack.map(|a| a.by.relation.as_str()), "late": ack.map(|a| a.late),
            "at": at.rfc3339(),
            "report": c.newest_report().filter(|_| kind == "callout.feedback").map(|r| &r.report),
        }),
    }
}

pub fn warning_feed(kind: &str, w: &WarningState, at: Time) -> FeedItem {
    FeedItem {
        kind: kind.into(),
        warning: Some(w.id),
        callout: None,
        at,
        data: json!({
            "id": w.id, "identifier": w.content.identifier, "issuer": w.issuer, "hazard": w.content.hazard,
            "level": w.content.level, "headline": w.content.headline, "drill": w.drill, "state": w.phase,
            "closed_reason": w.closed_reason, "expected": w.plan.expected, "told": w.plan.told, "at": at.rfc3339(),
        }),
    }
}

/// A task that opened, as a live event.
pub fn task_feed(row: &TaskRow, at: Time) -> FeedItem {
    let kind = match (&row.closed, &row.claimed_by) {
        (Some(_), _) => "task.closed",
        (None, Some(_)) => "task.claimed",
        (None, None) => "task.opened",
    };
    FeedItem {
        kind: kind.into(),
        warning: row.warning,
        callout: row.callout,
        at,
        data: json!({"id": row.id, "kind": row.kind, "title": row.title, "warning_id": row.warning, "callout_id": row.callout,
            "due_at": row.due_at.rfc3339(), "claimed_by": row.claimed_by, "closed": row.closed, "at": at.rfc3339()}),
    }
}
