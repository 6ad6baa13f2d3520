//! People and officers: links, entries, tasks. Each is one event for the core; what the core refuses
//! is told to the person in plain words.

use super::{ActError, CalloutParts, Engine, Officer, TokenAction, TokenView, rows, rows::TaskOwner};
use crate::{
    core::{
        callout::{
            Stepped,
            event::{Event, FeedbackFrom, ManualBy, Refused},
            state::{Report, Task, TaskKind, Via},
        },
        ids::{CalloutId, RecipientId, WarningId},
        time::{Span, Time},
        warning::FieldError,
        warning_life::{EndOrder, WarningEnd},
    },
    store::WriteLane,
};

use super::{
    apply::WarningChange,
    duty::unclaimed,
    intake::{AREA_TASK, EXPIRY_TASK},
};

/// Whom an officer names: nobody, `holder`, a recipient's id, or a name.
fn named(who: Option<&str>) -> ManualBy {
    match who.map(str::trim).filter(|w| !w.is_empty()) {
        None | Some("holder") => ManualBy::Holder,
        Some(text) => match text.parse::<RecipientId>() {
            Ok(id) => ManualBy::Person(id),
            Err(_) => ManualBy::Named(text.to_string()),
        },
    }
}

fn refused(s: &Stepped, pointer: &str) -> Result<(), ActError> {
    match &s.effects.refused {
        None => Ok(()),
        Some(Refused::Unknown(what)) => Err(ActError::NotFound(format!("this {what}"))),
        Some(Refused::ClaimedBy { officer, until }) => Err(ActError::Conflict(format!("the task is claimed by {officer} until {until}"))),
        Some(Refused::TaskClosed) => Err(ActError::Conflict("the task is closed".into())),
        Some(Refused::NotEntitled(by)) => Err(ActError::Invalid(FieldError {
            pointer: pointer.into(),
            detail: format!(
                "{} ({}) cannot answer for this callout; name the holder, a deputy of one of its posts, or write the name of the person reached at the place",
                if by.name.is_empty() { "that person" } else { &by.name },
                by.relation
            ),
        })),
    }
}

impl Engine {
    async fn act(&self, id: CalloutId, event: &Event, pointer: &str) -> Result<CalloutParts, ActError> {
        let Some((parts, stepped)) = self.apply_callout(id, event, WriteLane::Urgent).await? else {
            return Err(ActError::NotFound(format!("callout {id}")));
        };
        refused(&stepped, pointer)?;
        Ok(parts)
    }

    /// A manual answer. `answered_by`: absent or `holder`, a recipient id, or a name the officer signs for.
    pub async fn acknowledge(
        &self,
        id: CalloutId,
        officer: Officer<'_>,
        method: &str,
        note: Option<String>,
        answered_by: Option<&str>,
    ) -> Result<CalloutParts, ActError> {
        let event = Event::Manual { officer: officer.name.into(), via: officer.via, method: method.into(), note, by: named(answered_by) };
        self.act(id, &event, "/answered_by").await
    }

    /// Feedback on a person's behalf.
    pub async fn feedback(&self, id: CalloutId, officer: Officer<'_>, by: Option<&str>, report: Report) -> Result<CalloutParts, ActError> {
        let from = FeedbackFrom::Officer { officer: officer.name.into(), via: officer.via, by: named(by) };
        let event = Event::Feedback { from, report };
        self.act(id, &event, "/by").await
    }

    pub async fn claim_task(&self, task: &str, officer: &str) -> Result<(), ActError> {
        match rows::read_task_id(task) {
            Some(TaskOwner::Callout(id, n)) => {
                self.act(id, &Event::ClaimTask { n, officer: officer.into() }, "").await?;
                Ok(())
            }
            Some(TaskOwner::Warning(id, n)) => {
                self.warning_task(id, n, |t, now, lapse| {
                    if !t.is_open() {
                        return Err(ActError::Conflict("the task is closed".into()));
                    }
                    // What the shift leader took over by key is continued by an officer on the screen.
                    if let Some(by) = t.claimed_by.as_ref().filter(|b| *b != officer && t.taken_by.is_none()) {
                        return Err(ActError::Conflict(format!("the task is claimed by {by} until {}", t.due)));
                    }
                    t.claimed_by = Some(officer.into());
                    t.claimed_at = Some(now);
                    t.taken_by = None;
                    t.due = now + lapse;
                    Ok(None)
                })
                .await
            }
            None => Err(ActError::NotFound(format!("task {task}"))),
        }
    }

    /// `outcome` is the officer's word (`reached`, `not_reached`, `read`, `end`, `extend` …); `reached` names whom.
    pub async fn complete_task(
        &self,
        task: &str,
        officer: Officer<'_>,
        outcome: &str,
        reached: Option<&str>,
        note: Option<String>,
    ) -> Result<(), ActError> {
        match rows::read_task_id(task) {
            Some(TaskOwner::Callout(id, n)) => {
                // An empty field names nobody: only who was reached is an answer.
                let reached = reached.map(str::trim).filter(|r| !r.is_empty());
                if reached.is_some() && outcome == "not_reached" {
                    let detail = "names somebody although the outcome says that nobody was reached";
                    return Err(ActError::Invalid(FieldError { pointer: "/reached".into(), detail: detail.into() }));
                }
                let reached = reached.map(|r| named(Some(r)));
                let event =
                    Event::CompleteTask { n, officer: officer.name.into(), via: officer.via, outcome: outcome.into(), reached, note };
                self.act(id, &event, "/reached").await?;
                Ok(())
            }
            Some(TaskOwner::Warning(id, n)) => {
                self.warning_task(id, n, |t, now, _| {
                    if !t.is_open() {
                        return Err(ActError::Conflict("the task is closed".into()));
                    }
                    if let Some(by) = t.claimed_by.as_ref().filter(|b| *b != officer.name && t.taken_by.is_none()) {
                        return Err(ActError::Conflict(format!("the task is claimed by {by} until {}", t.due)));
                    }
                    // A decision is taken by what decides it: `end` here, a new expiry or a place by its own call.
                    let asked = t.title == EXPIRY_TASK || t.title.starts_with(AREA_TASK);
                    if asked && outcome != "end" {
                        let detail = "`end` ends the warning; to go on, use …/extend with a new expiry, or …/places to add a place";
                        return Err(ActError::Invalid(FieldError { pointer: "/outcome".into(), detail: detail.into() }));
                    }
                    t.closed = Some(outcome.into());
                    t.note.clone_from(&note);
                    Ok((asked && outcome == "end").then(|| EndOrder {
                        reason: WarningEnd::Expired,
                        at: now,
                        by: None,
                        who: officer.name.into(),
                        note: note.clone().unwrap_or_default(),
                        cursor: 0,
                        spare_serious: false,
                        within: Vec::new(),
                    }))
                })
                .await
            }
            None => Err(ActError::NotFound(format!("task {task}"))),
        }
    }

    /// Changes a warning's own task; the change may also order the warning's end.
    async fn warning_task<F>(&self, id: WarningId, n: u16, change: F) -> Result<(), ActError>
    where
        F: Fn(&mut Task, Time, Span) -> Result<Option<EndOrder>, ActError>,
    {
        let mut failed = None;
        let found = self
            .apply_warning(id, WriteLane::Urgent, |w, now| {
                let lapse = w.policy.clocks.claim_lapses;
                let Some(t) = w.tasks.get_mut(usize::from(n).wrapping_sub(1)) else {
                    failed = Some(ActError::NotFound(format!("task t-{id}-{n}")));
                    return None;
                };
                match change(t, now, lapse) {
                    Ok(end) => {
                        let entry = serde_json::json!({"e": "task", "task": t});
                        if end.is_some() && w.end.is_none() {
                            w.end = end;
                        }
                        Some(WarningChange { entry, tasks: vec![n], ..WarningChange::default() })
                    }
                    Err(e) => {
                        failed = Some(e);
                        None
                    }
                }
            })
            .await?;
        match (failed, found) {
            (Some(e), _) => Err(e),
            (None, None) => Err(ActError::NotFound(format!("warning {id}"))),
            _ => Ok(()),
        }
    }

    /// Opens the duty room's task on a warning, once for its title while it is open.
    pub(super) fn warning_decides(w: &mut crate::core::warning_life::WarningState, title: &str, now: Time) -> Option<u16> {
        if w.tasks.iter().any(|t| t.is_open() && t.title == title) {
            return None;
        }
        let due = now + unclaimed(w.policy.clocks.claim_lapses);
        Some(w.push_task(TaskKind::Decide, title, now, due))
    }

    fn token(&self, token: &str) -> Result<(CalloutId, u8), ActError> {
        self.references.read_token(token).ok_or_else(|| ActError::NotFound("this link".into()))
    }

    /// What a link shows. Changes nothing: scanners and previews fetch links.
    pub async fn open_token(&self, token: &str) -> Result<TokenView, ActError> {
        let (mut id, contact) = self.token(token)?;
        for _ in 0..32 {
            let Some(parts) = self.callout_parts(id).await? else { break };
            if usize::from(contact) >= parts.callout.contacts.len() {
                break;
            }
            match parts.callout.successor {
                Some(s) if s.inherits => id = s.id,
                _ => return Ok(TokenView { parts, contact }),
            }
        }
        Err(ActError::NotFound("this link".into()))
    }

    pub async fn token_act(&self, token: &str, action: TokenAction) -> Result<TokenView, ActError> {
        let (id, contact) = self.token(token)?;
        let event = match action {
            TokenAction::Answer => Event::Answer { contact, via: Via::Link, at: self.store.now() },
            TokenAction::HandToDeputy => Event::Decline { contact, not_me: false, via: Via::Link },
            TokenAction::NotMe => Event::Decline { contact, not_me: true, via: Via::Link },
        };
        let parts = self.act(id, &event, "").await?;
        Ok(TokenView { parts, contact })
    }

    pub async fn token_feedback(&self, token: &str, report: Report) -> Result<TokenView, ActError> {
        let (id, contact) = self.token(token)?;
        let event = Event::Feedback { from: FeedbackFrom::Contact { contact, via: Via::Link }, report };
        let parts = self.act(id, &event, "").await?;
        Ok(TokenView { parts, contact })
    }

    /// The link of a contact, for messages that may carry one.
    pub fn link(&self, id: CalloutId, contact: u8) -> String {
        format!("{}/a/{}", self.settings.public_url.trim_end_matches('/'), self.references.token(id, contact))
    }
}
