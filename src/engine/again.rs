//! What officers did to a warning, told as done and lost in a failover: done again on the warning as it stands now.
//! What cannot be done any more becomes a task, so that somebody knows.

use super::{ActError, Engine, apply::WarningChange, duty::unclaimed};
use crate::{
    core::{
        callout::state::{Task, TaskKind},
        time::Time,
        warning_life::WarningState,
        warning_orphan::LostAct,
    },
    store::{StoreError, WriteLane},
};

impl Engine {
    /// Each of these acts is absorbed where it stands, so that it may be tried twice. `letter` is consumed with it.
    pub(super) async fn do_again(&self, w: &WarningState, act: &LostAct, at: Time, letter: u64) -> Result<(), StoreError> {
        let done = match act {
            LostAct::Extended { who, expires } => self.extend_again(w, who, *expires).await,
            LostAct::PlaceAdded { who, place } => self.add_place(w.id, who, place).await,
            LostAct::ReturnPermitted { who, places, note } => self.permit_return(w.id, who, places, note).await,
            LostAct::Task { .. } | LostAct::Read { .. } => Ok(()),
        };
        let refused = match done {
            Ok(()) => None,
            Err(ActError::Store(e)) => return Err(e),
            Err(why) => Some(why.to_string()),
        };
        match &refused {
            None => tracing::warn!(warning = %w.id, ?act, at = %at.rfc3339(), "an act that a failover had lost was done again"),
            Some(why) => {
                tracing::error!(warning = %w.id, ?act, at = %at.rfc3339(), why, "an act that a failover lost cannot be done again")
            }
        }
        let title = match act {
            LostAct::Read { title } => Some(title.clone()),
            act => refused.as_ref().map(|_| format!("{}；主备切换后丢失，现已不能补做，请核实并人工处理", in_words(act, at))),
        };
        let entry = serde_json::json!({"e": "act_again", "act": act, "at": at, "refused": refused});
        self.apply_warning(w.id, WriteLane::Urgent, |w, now| {
            let mut change = WarningChange { entry: entry.clone(), consumed: vec![letter], ..WarningChange::default() };
            if let LostAct::Task { task } = act {
                change.tasks.extend(left_so(w, task, at, now));
            }
            if let Some(title) = title.as_ref().filter(|title| w.tasks.iter().all(|t| t.title != **title)) {
                let due = now + unclaimed(w.policy.clocks.claim_lapses);
                change.tasks.push(w.push_task(TaskKind::Read, title, now, due));
            }
            Some(change)
        })
        .await
        .map(drop)
    }

    /// A longer time holds; a shorter one, beside what somebody may have decided since, is for a person to look at.
    async fn extend_again(&self, w: &WarningState, who: &str, expires: Time) -> Result<(), ActError> {
        if expires <= self.store.now() || expires == w.expires_at {
            return Ok(());
        }
        if expires < w.expires_at {
            return Err(ActError::Conflict(format!("{} is in force until {}", w.id, w.expires_at.rfc3339())));
        }
        self.extend_warning(w.id, who, expires).await
    }
}

/// Whether its time has not come: people may go back once the end, which is being walked, has been told.
pub(super) fn waits(w: &WarningState, act: &LostAct) -> bool {
    matches!(act, LostAct::ReturnPermitted { .. }) && w.end.is_some() && !w.is_over()
}

/// The open task of this name is as its officer had left it, unless somebody else has it by now.
fn left_so(w: &mut WarningState, task: &Task, at: Time, now: Time) -> Option<u16> {
    let t = w.tasks.iter_mut().find(|t| t.is_open() && t.kind == task.kind && t.title == task.title && t.opened <= at)?;
    if task.closed.is_some() {
        t.closed.clone_from(&task.closed);
        t.note.clone_from(&task.note);
    } else if task.claimed_by.is_none() || t.claimed_by.is_some() || task.due <= now {
        return None;
    } else {
        t.due = task.due;
    }
    (t.claimed_by, t.claimed_at) = (task.claimed_by.clone().or(t.claimed_by.take()), task.claimed_at.or(t.claimed_at));
    Some(t.n)
}

fn in_words(act: &LostAct, at: Time) -> String {
    let at = at.rfc3339();
    match act {
        LostAct::Extended { who, expires } => format!("{who} 于 {at} 将有效期改为 {}", expires.rfc3339()),
        LostAct::PlaceAdded { who, place } => format!("{who} 于 {at} 新增地点 {place}"),
        LostAct::ReturnPermitted { who, places, .. } => format!("{who} 于 {at} 准许 {} 处返回", places.len()),
        LostAct::Task { task } => format!("任务“{}”于 {at} 的处理", task.title),
        LostAct::Read { title } => title.clone(),
    }
}
