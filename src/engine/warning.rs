//! A warning's turn: letters first, then begin it, make rows of its plan, walk its end, or see whether it
//! is done. Every step is repeatable: a crash between two commits repeats the second half, no more.

use super::{
    Engine, again,
    apply::{WarningChange, from_json},
    ending::end_letter,
    newer::{is_whole, read_whole},
};
use crate::{
    core::{
        callout::{
            event::LineNews,
            state::{Task, TaskKind},
        },
        time::{Span, Time},
        warning::{Finding, MessageType, Status},
        warning_life::{EndOrder, WarningEnd, WarningPhase, WarningState},
        warning_orphan::LostAct,
    },
    store::{Claim, Committed, Envelope, Key, Record, StoreError, WriteLane},
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// No drill is older: what is looked through for running ones.
const DRILLS_LAST: Span = Span::hours(7 * 24);

/// Letters to a warning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "letter", rename_all = "snake_case")]
pub(super) enum WarningLetter {
    End {
        order: EndOrder,
    },
    /// What a line says of the `n`-th call to the shift leader.
    Duty {
        n: u16,
        news: LineNews,
    },
    /// What an officer had done, told as done at `at` and lost in a failover.
    Act {
        act: LostAct,
        at: Time,
    },
}

impl Engine {
    pub(super) async fn work_warning(&self, claim: Claim) -> Result<(), StoreError> {
        let now = self.store.now();
        let Some(record) = claim.record.clone() else {
            return self.store.release(&[(claim.key, claim.nonce)], now + Span::secs(1)).await;
        };
        let Key::Warning(id) = claim.key else { return Err(StoreError::Corrupt(format!("{}: not a warning", claim.key))) };
        let mut w: WarningState = Arc::unwrap_or_clone(self.warning_of(id, &record)?);
        let mut consumed = Vec::new();
        let mut ordered = false;
        let mut passed_on = Vec::new();
        let mut change = WarningChange::default();
        let mut heard = Vec::new();
        let mut acts = Vec::new();
        for letter in &claim.inbox {
            let order = match read_whole(&claim.key, &letter.body) {
                Ok(WarningLetter::End { order }) => order,
                Ok(WarningLetter::Duty { n, news }) => {
                    consumed.push(letter.seq);
                    change.tasks.extend(w.duty_news(n, &news, now));
                    heard.push(serde_json::json!({"n": n, "news": news}));
                    continue;
                }
                // One at a time, behind the other letters.
                Ok(WarningLetter::Act { act, at }) => {
                    acts.push((letter.seq, act, at));
                    continue;
                }
                // Written by a newer version: never lost, read again after the rollout.
                Err(e) => {
                    tracing::error!(error = %e, "a letter cannot be read; it is kept");
                    continue;
                }
            };
            consumed.push(letter.seq);
            // The first order stands; a cancel overrides only a mere expiry.
            let expiring = w.end.as_ref().is_some_and(|e| e.reason == WarningEnd::Expired);
            let ended = w.phase == WarningPhase::Closed && w.closed_reason != Some(WarningEnd::Answered);
            let by = w.end.as_ref().filter(|e| e.reason == WarningEnd::Superseded).and_then(|e| e.by);
            // An expiry that comes late, after somebody has extended it, is none.
            if order.reason == WarningEnd::Expired && w.end.is_none() && w.expires_at > now {
                tracing::error!(warning = %w.id, "an order of its end was lost and came late; it has been extended since and goes on");
                continue;
            }
            if !ended && (w.end.is_none() || expiring) {
                w.end = Some(EndOrder { cursor: 0, ..order });
                ordered = true;
            } else if let (WarningEnd::Cancelled, Some(newer)) = (order.reason, by.filter(|n| order.by.is_some() && Some(*n) != order.by)) {
                // It was superseded meanwhile: a bureau's cancel is meant for what continues it.
                passed_on.push(end_letter(newer, order));
            }
        }
        if ordered || !passed_on.is_empty() {
            let entry = serde_json::json!({"e": if ordered { "end_ordered" } else { "end_passed_on" }, "end": w.end, "duty_calls": heard});
            let change = WarningChange { entry, send: passed_on, due: Some(now), ..change };
            return self.finish(&w, &record, change, now, consumed).await;
        }
        if !consumed.is_empty() && w.phase != WarningPhase::Accepted {
            // Ordered to end before: the letter is read all the same, or it would come again and again.
            let entry = match heard.is_empty() {
                true => serde_json::json!({"e": "end_absorbed", "letters": consumed}),
                false => serde_json::json!({"e": "duty_calls", "heard": heard}),
            };
            let change = WarningChange { entry, ..change };
            return self.finish(&w, &record, change, now, consumed).await;
        }
        if consumed.is_empty()
            && w.phase != WarningPhase::Accepted
            && let Some((letter, act, at)) = acts.iter().find(|(_, act, _)| !again::waits(&w, act))
        {
            return self.do_again(&w, act, *at, *letter).await;
        }
        match w.phase {
            WarningPhase::Accepted => self.begin(w, record, claim.nonce, now, consumed).await,
            _ if w.is_returning() => self.walk_return(w, record, now).await,
            _ if w.end.is_some() => self.walk(w, record, claim.nonce, now).await,
            WarningPhase::Active if w.plan.cursor < w.plan.entries => self.make_rows(w, record, now).await,
            _ => self.sweep(w, record, claim.nonce, now).await,
        }
    }

    pub(super) async fn finish(
        &self,
        w: &WarningState,
        record: &Record,
        mut change: WarningChange,
        now: Time,
        consumed: Vec<u64>,
    ) -> Result<(), StoreError> {
        is_whole(&record.key, &record.body, &*self.warning_of(w.id, record)?)?;
        let mut w = w.clone();
        self.recall_duty(&mut w, &mut change);
        let commit = self.warning_commit(&w, Some(record), &change, now, consumed);
        if matches!(self.store.commit(WriteLane::Red, vec![commit]).await?.first(), Some(Committed::Done)) {
            self.cache.put_warning(Arc::new(w));
        }
        Ok(())
    }

    /// Accepted: find out what it refers to, whether it rings at all, and make the plan.
    async fn begin(&self, mut w: WarningState, record: Record, nonce: u64, now: Time, consumed: Vec<u64>) -> Result<(), StoreError> {
        let mut change = WarningChange::default();
        self.find_kin(&mut w, now).await?;
        let refers = w.content.message_type != MessageType::Alert || !w.content.references.is_empty();
        if refers {
            self.bind_references(&mut w, &mut change, now).await?;
        }
        if !w.rings() {
            let cancel = w.content.message_type == MessageType::Cancel;
            if cancel && w.content.references.is_empty() && w.content.status == Status::Actual {
                let title = format!("收到解除消息，但不知解除哪一条预警，请核实并手动结束：{}", w.content.headline);
                change.tasks.extend(Engine::warning_decides(&mut w, &title, now));
            }
            self.close(&mut w, if cancel { WarningEnd::Cancelled } else { WarningEnd::Answered }, now);
            change.entry = serde_json::json!({"e": "closed", "reason": w.closed_reason, "why": if cancel { "a cancel calls nobody itself" } else { "a message that is not actual rings nobody" }});
            change.announce.push("warning.closed");
            return self.finish(&w, &record, change, now, consumed).await;
        }
        if let Some((reason, by)) = if w.drill { None } else { self.overtaken(&w).await? } {
            self.keep_the_older(&mut w, &mut change);
            self.close(&mut w, reason, now);
            w.findings.push(Finding::new("overtaken", format!("在收到本消息之前已收到针对它的{by}，不再叫应")));
            change.entry = serde_json::json!({"e": "closed", "reason": reason, "by": by});
            change.announce.push("warning.closed");
            return self.finish(&w, &record, change, now, consumed).await;
        }
        if w.expires_at <= now && !w.drill {
            let title = format!("预警到达时已过期（{}），未叫应任何人，请核实", w.expires_at.rfc3339());
            change.tasks.extend(Engine::warning_decides(&mut w, &title, now));
            self.keep_the_older(&mut w, &mut change);
            self.close(&mut w, WarningEnd::Expired, now);
            change.entry = serde_json::json!({"e": "closed", "reason": "expired", "why": "expired on arrival"});
            change.announce.push("warning.closed");
            return self.finish(&w, &record, change, now, consumed).await;
        }
        if !w.drill {
            self.stop_drills(&mut change, now).await?;
        }
        if w.relations.joined
            && let Some(other) = w.relations.continues
            && self.load_warning(other).await?.is_some_and(|(o, _)| o.phase == WarningPhase::Accepted)
        {
            // Whom the other half calls is known once it is planned; until then everybody would be called twice.
            return self.store.release(&[(record.key, nonce)], now + Span::ms(50)).await;
        }
        self.plan(&mut w, &mut change, now).await?;
        if w.relations.continues.is_some() && !w.relations.joined && w.tasks.iter().any(Task::is_open) {
            // Its area could not be read: whoever is being called goes on being called.
            self.keep_the_older(&mut w, &mut change);
        }
        self.finish(&w, &record, change, now, consumed).await
    }

    /// An update that calls nobody, or not all it should, ends nothing: the older message's ladders run on.
    fn keep_the_older(&self, w: &mut WarningState, change: &mut WarningChange) {
        let superseding = |e: &Envelope| {
            let letter: Option<WarningLetter> = serde_json::from_slice(&e.body).ok();
            matches!(letter, Some(WarningLetter::End { order }) if order.reason == WarningEnd::Superseded)
        };
        if change.send.iter().any(superseding) {
            change.send.retain(|e| !superseding(e));
            w.findings.push(Finding::new("older_goes_on", "本更新未能叫应全部对象，原预警的叫应继续进行，请人工核对"));
        }
    }

    pub(super) fn close(&self, w: &mut WarningState, reason: WarningEnd, now: Time) {
        w.phase = WarningPhase::Closed;
        w.closed_reason = Some(reason);
        w.closed_at = Some(now);
    }
    /// Nothing to be made or walked: is it done, expired, or a task's time over?
    async fn sweep(&self, mut w: WarningState, record: Record, nonce: u64, now: Time) -> Result<(), StoreError> {
        let mut change = WarningChange::default();
        if self.remind_tasks(&mut w, &mut change, now) {
            change.entry = serde_json::json!({"e": "tasks_reminded", "tasks": change.tasks});
            return self.finish(&w, &record, change, now, Vec::new()).await;
        }
        if self.supervise(&mut w, &mut change, now).await? {
            change.entry = serde_json::json!({"e": "supervised", "watches": w.watches, "tasks": change.tasks});
            return self.finish(&w, &record, change, now, Vec::new()).await;
        }
        if w.phase == WarningPhase::Active && w.open_task(TaskKind::Decide).is_none() {
            let standing = self.standing(w.id).await?;
            if w.is_done(standing) {
                self.close(&mut w, WarningEnd::Answered, now);
                change.entry = serde_json::json!({"e": "closed", "reason": "answered"});
                change.announce.push("warning.closed");
                return self.finish(&w, &record, change, now, Vec::new()).await;
            }
        }
        if w.expires_at <= now
            && w.end.is_none()
            && w.expiry_asked != Some(w.expires_at)
            && w.closed_reason.is_none_or(|r| r == WarningEnd::Answered)
        {
            w.expiry_asked = Some(w.expires_at);
            w.end = Some(EndOrder {
                reason: WarningEnd::Expired,
                at: now,
                by: None,
                who: "expiry".into(),
                note: String::new(),
                cursor: 0,
                spare_serious: !w.drill,
                within: Vec::new(),
            });
            change.entry = serde_json::json!({"e": "expired"});
            return self.finish(&w, &record, change, now, Vec::new()).await;
        }
        match w.due(now) {
            Some(due) => self.store.release(&[(Key::Warning(w.id), nonce)], due).await,
            None => {
                change.entry = serde_json::json!({"e": "at_rest"});
                self.finish(&w, &record, change, now, Vec::new()).await
            }
        }
    }

    /// A real warning stops every drill (contract, Drills).
    async fn stop_drills(&self, change: &mut WarningChange, now: Time) -> Result<(), StoreError> {
        let mut before = None;
        loop {
            let batch = self.reports.warnings(before, 200).await?;
            for record in &batch {
                let w: WarningState = from_json(&record.key, &record.body)?;
                before = Some(w.id);
                if w.accepted_at + DRILLS_LAST < now {
                    return Ok(());
                }
                if w.drill && w.phase != WarningPhase::Closed && w.end.is_none() {
                    let order = EndOrder {
                        reason: WarningEnd::Cancelled,
                        at: now,
                        by: None,
                        who: "system".into(),
                        note: "真实预警到来，演练停止".into(),
                        cursor: 0,
                        spare_serious: false,
                        within: Vec::new(),
                    };
                    change.send.push(end_letter(w.id, order));
                }
            }
            if batch.len() < 200 {
                return Ok(());
            }
        }
    }
}
