//! A task as the API shows it.

use super::at;
use crate::store::TaskRow;
use serde::Serialize;

#[derive(Debug, Serialize)]
pub struct TaskView {
    pub id: String,
    pub kind: String,
    pub warning_id: Option<String>,
    pub callout_id: Option<String>,
    pub due_at: String,
    pub claimed_by: Option<String>,
    pub title: String,
    pub division: Option<String>,
    pub opened_at: String,
    pub claimed_at: Option<String>,
    /// How it ended; `null` while open.
    pub outcome: Option<String>,
    pub note: Option<String>,
}

pub fn task(row: &TaskRow) -> TaskView {
    TaskView {
        id: row.id.clone(),
        kind: row.kind.clone(),
        warning_id: row.warning.map(|w| w.to_string()),
        callout_id: row.callout.map(|c| c.to_string()),
        due_at: at(row.due_at),
        claimed_by: row.claimed_by.clone(),
        title: row.title.clone(),
        division: row.division.map(|d| d.to_string()),
        opened_at: at(row.opened_at),
        claimed_at: row.claimed_at.map(at),
        outcome: row.closed.clone(),
        note: row.note.clone(),
    }
}
