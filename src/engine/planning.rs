//! A warning's turn: plan it, make rows of the plan, walk an end over its callouts, see whether it is
//! done. Every step is repeatable: a crash between two commits repeats the second half, no more.

use super::{
    Engine,
    apply::{Around, WarningChange, from_json, plan_blob, to_json},
    cache::Ordinals,
    intake::{AREA_TASK, EXPIRY_TASK},
};
use crate::{
    core::{
        callout::{
            self, Stepped,
            event::Event,
            state::{Callout, ClosedReason, Successor},
        },
        hazard::Level,
        ids::{CalloutId, WarningId},
        plan::{CHUNK, PlanChunk},
        planner::{self, Only, PlanInput},
        time::{Span, Time},
        warning::{Finding, MessageType},
        warning_life::{EndOrder, PlanHead, Standing, WarningEnd, WarningPhase, WarningState},
    },
    store::{Claim, Commit, Committed, Envelope, Key, Lane, Record, StoreError, WriteLane},
};
use serde::{Deserialize, Serialize};
use std::{collections::HashMap, sync::Arc};

/// Letters to a warning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "letter", rename_all = "snake_case")]
pub(super) enum WarningLetter {
    End { order: EndOrder },
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
        for letter in &claim.inbox {
            let WarningLetter::End { order } = from_json(&claim.key, &letter.body)?;
            consumed.push(letter.seq);
            // The first order stands; a cancel overrides only a mere expiry.
            let expiring = w.end.as_ref().is_some_and(|e| e.reason == WarningEnd::Expired);
            let ended = w.phase == WarningPhase::Closed && w.closed_reason != Some(WarningEnd::Answered);
            let by = w.end.as_ref().filter(|e| e.reason == WarningEnd::Superseded).and_then(|e| e.by);
            if !ended && (w.end.is_none() || expiring) {
                w.end = Some(EndOrder { cursor: 0, ..order });
                ordered = true;
            } else if let (WarningEnd::Cancelled, Some(newer)) = (order.reason, by.filter(|n| Some(*n) != order.by)) {
                // It was superseded meanwhile: the cancel is meant for what continues it.
                passed_on.push(end_letter(newer, order));
            }
        }
        if ordered || !passed_on.is_empty() {
            let entry = serde_json::json!({"e": if ordered { "end_ordered" } else { "end_passed_on" }, "end": w.end});
            let change = WarningChange { entry, send: passed_on, due: Some(now), ..WarningChange::default() };
            return self.finish(&w, &record, change, now, consumed).await;
        }
        if !consumed.is_empty() && w.phase != WarningPhase::Accepted {
            // It was ordered to end before: the letter is read all the same, or it would come again and again.
            let change = WarningChange { entry: serde_json::json!({"e": "end_absorbed"}), ..WarningChange::default() };
            return self.finish(&w, &record, change, now, consumed).await;
        }
        match w.phase {
            WarningPhase::Accepted => self.begin(w, record, now, consumed).await,
            _ if w.end.is_some() => self.walk(w, record, claim.nonce, now).await,
            WarningPhase::Active if w.plan.cursor < w.plan.entries => self.make_rows(w, record, now).await,
            _ => self.sweep(w, record, claim.nonce, now).await,
        }
    }

    async fn finish(
        &self,
        w: &WarningState,
        record: &Record,
        change: WarningChange,
        now: Time,
        consumed: Vec<u64>,
    ) -> Result<(), StoreError> {
        let commit = self.warning_commit(w, Some(record), &change, now, consumed);
        if matches!(self.store.commit(WriteLane::Red, vec![commit]).await?.first(), Some(Committed::Done)) {
            self.cache.put_warning(Arc::new(w.clone()));
        }
        Ok(())
    }

    /// Accepted: find out what it refers to, whether it rings at all, and make the plan.
    async fn begin(&self, mut w: WarningState, record: Record, now: Time, consumed: Vec<u64>) -> Result<(), StoreError> {
        let mut change = WarningChange::default();
        let refers = w.content.message_type != MessageType::Alert || !w.content.references.is_empty();
        if refers {
            self.bind_references(&mut w, &mut change, now).await?;
        }
        if !w.rings() {
            let cancel = w.content.message_type == MessageType::Cancel;
            self.close(&mut w, if cancel { WarningEnd::Cancelled } else { WarningEnd::Answered }, now);
            change.entry = serde_json::json!({"e": "closed", "reason": w.closed_reason, "why": if cancel { "a cancel calls nobody itself" } else { "a message that is not actual rings nobody" }});
            change.announce.push("warning.closed");
            return self.finish(&w, &record, change, now, consumed).await;
        }
        if let Some((reason, by)) = self.overtaken(&w).await? {
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
        self.plan(&mut w, &mut change, now).await?;
        if w.relations.continues.is_some() && !w.relations.joined && w.tasks.iter().any(crate::core::callout::state::Task::is_open) {
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

    fn close(&self, w: &mut WarningState, reason: WarningEnd, now: Time) {
        w.phase = WarningPhase::Closed;
        w.closed_reason = Some(reason);
        w.closed_at = Some(now);
    }

    async fn plan(&self, w: &mut WarningState, change: &mut WarningChange, now: Time) -> Result<(), StoreError> {
        let (directory, lookup) = self.people();
        let issuer = self.issuers.iter().find(|i| i.id == w.issuer);
        let rights = issuer.map(|i| i.divisions.clone()).unwrap_or_default();
        let policy = self.policy();
        let input = |only| PlanInput {
            content: &w.content,
            policy: &policy,
            directory: &directory,
            lookup: &lookup,
            now,
            issuer_divisions: &rights,
            drill: w.drill,
            only,
        };
        let mut out = planner::make_plan(input(None));
        if let Some(other) = w.relations.continues.filter(|_| w.relations.joined) {
            // Joined from another issuer: who is already called there, as high or higher, is left alone.
            let called = self.levels_of(other).await?;
            let keep: Vec<_> = out
                .chunks
                .iter()
                .flat_map(|c| c.entries.iter().filter_map(|e| c.people.get(usize::from(e.person)).map(|p| (p.id, e.level))))
                .filter(|(id, level)| called.get(id).is_none_or(|l| l.rank() < level.rank()))
                .map(|(id, _)| id)
                .collect();
            if keep.is_empty() {
                out.chunks.clear();
                out.expected = 0;
                out.told = 0;
            } else {
                let mut recipients = keep;
                recipients.sort_unstable();
                let only = Only { recipients, ..Only::default() };
                out = planner::make_plan(input(Some(&only)));
            }
        }
        for f in out.findings {
            if !w.findings.contains(&f) {
                w.findings.push(f);
            }
        }
        w.policy = out.running;
        if let Some(why) = out.needs_officer {
            change.tasks.extend(Engine::warning_decides(w, &format!("{AREA_TASK}：{why}"), now));
        }
        w.plan = PlanHead {
            entries: upper_bound(&out.chunks),
            expected: out.expected as u32,
            told: out.told as u32,
            chunks: out.chunks.len() as u32,
            cursor: 0,
            at: now,
        };
        change.blobs = out.chunks.iter().enumerate().map(|(n, c)| (plan_blob(n as u32), to_json(c))).collect();
        for (n, chunk) in out.chunks.into_iter().enumerate() {
            self.cache.put_chunk(w.id, n as u32, Arc::new(chunk));
        }
        change.entry = serde_json::json!({"e": "planned", "expected": w.plan.expected, "told": w.plan.told, "rules": out.rules, "policy": w.policy.source});
        change.announce.push("warning.planned");
        w.phase = WarningPhase::Active;
        if w.plan.entries == 0 && w.tasks.is_empty() {
            // Nobody here is called by it: everybody was already, by the message it joined.
            let reason = if w.relations.joined { WarningEnd::Superseded } else { WarningEnd::Answered };
            self.close(w, reason, now);
            change.announce.push("warning.closed");
        }
        Ok(())
    }

    /// Makes rows of up to a chunk of the plan, then moves the cursor.
    async fn make_rows(&self, mut w: WarningState, record: Record, now: Time) -> Result<(), StoreError> {
        let from = w.plan.cursor;
        let to = ((from / CHUNK as u32 + 1) * CHUNK as u32).min(from + self.settings.rows_per_turn).min(w.plan.entries);
        let frozen = Arc::new(w.clone());
        self.cache.put_warning(frozen.clone());
        if let Some(chunk) = self.chunk(w.id, from / CHUNK as u32).await? {
            let older = match w.relations.continues {
                Some(o) => Some((o, self.ordinals(o).await?)),
                None => None,
            };
            self.rows(&frozen, &chunk, from, to, older, now).await?;
        }
        w.plan.cursor = to;
        let all = to >= w.plan.entries;
        let change = WarningChange {
            entry: serde_json::json!({"e": "rows", "to": to}),
            announce: if all { vec!["warning.active"] } else { Vec::new() },
            ..WarningChange::default()
        };
        self.finish(&w, &record, change, now, Vec::new()).await
    }

    async fn rows(
        &self,
        w: &Arc<WarningState>,
        chunk: &Arc<PlanChunk>,
        from: u32,
        to: u32,
        older: Option<(WarningId, Arc<Ordinals>)>,
        now: Time,
    ) -> Result<(), StoreError> {
        let mut batch: Vec<Commit> = Vec::with_capacity((to - from) as usize);
        for ordinal in from..to {
            let index = ordinal as usize % CHUNK;
            let Some(entry) = chunk.entries.get(index) else { continue };
            let around = Around { warning: w.clone(), chunk: chunk.clone(), index };
            let id = CalloutId::new(w.id, ordinal);
            let before = match &older {
                Some((o, map)) => {
                    let person = chunk.people.get(usize::from(entry.person)).map(|p| p.id);
                    person.and_then(|p| map.get(&p)).map(|n| CalloutId::new(*o, *n))
                }
                None => None,
            };
            let stepped = match before {
                Some(old) => self.continue_callout(&around, old, id, now).await?,
                None => callout::open(around.ctx(self), id, w.accepted_at, now),
            };
            let stepped = match born_ended(w) {
                Some(reason) => end_at_once(&around.ctx(self), stepped, reason, now),
                None => stepped,
            };
            batch.push(self.callout_commit(&around, None, &stepped, now, Vec::new()));
        }
        // A row that exists already was made before a crash: its conflict is no news.
        self.store.commit(WriteLane::Planning, batch).await?;
        Ok(())
    }

    /// The older message's callout of this person hands over: inherited at the same or a lower level,
    /// called anew where the level was raised (contract, Updates).
    async fn continue_callout(&self, around: &Around, old: CalloutId, id: CalloutId, now: Time) -> Result<Stepped, StoreError> {
        let fresh = || callout::open(around.ctx(self), id, around.warning.accepted_at, now);
        let Some(before) = self.around(old).await? else { return Ok(fresh()) };
        let told_only = !around.warning.policy.ladders[usize::from(around.entry().ladder)].ladder.answer;
        let raised = around.entry().level.rank() > before.entry().level.rank();
        let was_told_only = !before.warning.policy.ladders[usize::from(before.entry().ladder)].ladder.answer;
        // A place that was not this person's before is newly covered: an old answer does not reach it.
        let new_post = around.entry().posts.iter().any(|p| !before.entry().posts.iter().any(|q| q.role == p.role && q.place == p.place));
        let key = Key::Callout(old);
        let record = self.store.load(std::slice::from_ref(&key)).await?.into_iter().next().flatten();
        let state: Option<Callout> = record.map(|r| from_json(&key, &r.body)).transpose()?;
        // Ended otherwise than by this update: it was told the end, there is nothing to continue.
        let cut_short = state.as_ref().and_then(|c| c.ending.as_ref()).is_some_and(|e| e.reason != ClosedReason::Superseded);
        let settled = state.as_ref().is_some_and(|c| c.acknowledgement.is_some() || c.closed_reason == Some(ClosedReason::Covered));
        let anew = raised || told_only != was_told_only || cut_short || (new_post && settled);
        let inherits = !anew;
        let event = Event::Supersede { successor: Successor { id, inherits } };
        let Some((parts, _)) = self.apply_callout_here(old, &event).await? else { return Ok(fresh()) };
        let mine = parts.callout.successor == Some(Successor { id, inherits: true });
        if !inherits || !mine {
            return Ok(fresh());
        }
        let start = around.warning.accepted_at;
        Ok(callout::open_carried(around.ctx(self), id, &parts.callout, before.entry(), start, now))
    }

    /// Like `apply_callout`, without passing the event on to a successor.
    async fn apply_callout_here(&self, id: CalloutId, event: &Event) -> Result<Option<(super::CalloutParts, Stepped)>, StoreError> {
        self.apply_callout(id, event, WriteLane::Rest).await
    }

    /// Walks the end over the callouts, and over what of the plan is not yet a row.
    async fn walk(&self, mut w: WarningState, record: Record, nonce: u64, now: Time) -> Result<(), StoreError> {
        let Some(end) = w.end.clone() else { return Ok(()) };
        if end.reason == WarningEnd::Superseded && !self.has_taken_over(end.by).await? {
            // The newer message takes its people over first; until then their ladders run on.
            return self.store.release(&[(Key::Warning(w.id), nonce)], now + Span::ms(100)).await;
        }
        if w.phase == WarningPhase::Active && w.plan.cursor < w.plan.entries {
            return self.make_rows(w, record, now).await;
        }
        let to = (end.cursor + 500).min(w.plan.entries);
        let reason = match end.reason {
            WarningEnd::Cancelled => ClosedReason::Cancelled,
            WarningEnd::Expired => ClosedReason::Expired,
            WarningEnd::Superseded | WarningEnd::Answered => ClosedReason::Released,
        };
        let mut events = Vec::new();
        for ordinal in end.cursor..to {
            let id = CalloutId::new(w.id, ordinal);
            if end.spare_serious && self.is_open_and_serious(id).await? {
                continue;
            }
            if !end.within.is_empty() && !self.lies_within(id, &end.within).await? {
                continue;
            }
            events.push((id, Event::End { reason }));
        }
        self.apply_many(events).await?;
        let over = to >= w.plan.entries;
        let mut change = WarningChange { entry: serde_json::json!({"e": "walked", "to": to}), ..WarningChange::default() };
        if !over {
            w.end = Some(EndOrder { cursor: to, ..end });
        } else if !end.within.is_empty() && w.phase == WarningPhase::Active && self.standing(w.id).await?.open > 0 {
            // Outside the sender's rights it stays in force.
            w.end = None;
            change.entry = serde_json::json!({"e": "ended_in_part", "within": end.within, "by": end.by});
        } else if end.spare_serious && w.phase == WarningPhase::Active && self.standing(w.id).await?.open > 0 {
            w.end = None;
            change.tasks.extend(Engine::warning_decides(&mut w, EXPIRY_TASK, now));
        } else {
            w.end = Some(EndOrder { cursor: to, ..end.clone() });
            // A warning whose answers were all in stays `answered`; only its reports end here.
            let was_closed = w.phase == WarningPhase::Closed;
            if !was_closed {
                self.close(&mut w, end.reason, now);
            }
            for t in w.tasks.iter_mut().filter(|t| t.is_open()) {
                t.closed = Some("ended".into());
                change.tasks.push(t.n);
            }
            if !was_closed {
                change.announce.push("warning.closed");
            }
            self.cache.forget(w.id);
        }
        self.finish(&w, &record, change, now, Vec::new()).await
    }

    async fn is_open_and_serious(&self, id: CalloutId) -> Result<bool, StoreError> {
        let Some(around) = self.around(id).await? else { return Ok(false) };
        if around.entry().level.rank() < Level::Orange.rank() {
            return Ok(false);
        }
        let key = Key::Callout(id);
        let record = self.store.load(std::slice::from_ref(&key)).await?.into_iter().next().flatten();
        let state: Option<Callout> = record.map(|r| from_json(&key, &r.body)).transpose()?;
        Ok(state.is_some_and(|c| c.state.is_open() && !c.told_only))
    }

    /// Every place of this callout lies in one of these divisions.
    async fn lies_within(&self, id: CalloutId, within: &[crate::core::division::Division]) -> Result<bool, StoreError> {
        let Some(around) = self.around(id).await? else { return Ok(false) };
        Ok(around.entry().posts.iter().all(|p| within.iter().any(|d| d.contains(p.place.division))))
    }

    async fn has_taken_over(&self, by: Option<WarningId>) -> Result<bool, StoreError> {
        let Some(by) = by else { return Ok(true) };
        let Some((newer, _)) = self.load_warning(by).await? else { return Ok(true) };
        Ok(newer.phase == WarningPhase::Closed || newer.phase == WarningPhase::Active && newer.plan.cursor >= newer.plan.entries)
    }

    pub(super) async fn standing(&self, id: WarningId) -> Result<Standing, StoreError> {
        let counts = self.reports.counts(id).await?;
        let open = counts.by_state.iter().filter(|(s, _)| s.is_open()).map(|(_, n)| *n).sum();
        Ok(Standing { rows: counts.by_state.values().sum(), open, feedback_owed: counts.feedback_owed })
    }

    /// Nothing to be made or walked: is it done, expired, or a task's time over?
    async fn sweep(&self, mut w: WarningState, record: Record, nonce: u64, now: Time) -> Result<(), StoreError> {
        let mut change = WarningChange::default();
        for t in w.tasks.iter_mut().filter(|t| t.is_open() && t.due <= now) {
            // A claim lapses; an unclaimed task is shown to the duty room again.
            t.claimed_by = None;
            t.claimed_at = None;
            t.due = now + w.policy.clocks.claim_lapses;
            change.tasks.push(t.n);
        }
        if !change.tasks.is_empty() {
            change.entry = serde_json::json!({"e": "tasks_reminded", "tasks": change.tasks});
            return self.finish(&w, &record, change, now, Vec::new()).await;
        }
        if w.phase == WarningPhase::Active && w.open_task(crate::core::callout::state::TaskKind::Decide).is_none() {
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
                spare_serious: true,
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

    /// Every person of a warning's plan, by ordinal.
    pub(super) async fn ordinals(&self, id: WarningId) -> Result<Arc<Ordinals>, StoreError> {
        if let Some(map) = self.cache.ordinals(id) {
            return Ok(map);
        }
        let mut map = Ordinals::new();
        let chunks = self.load_warning(id).await?.map_or(0, |(w, _)| w.plan.chunks);
        for n in 0..chunks {
            let Some(chunk) = self.chunk(id, n).await? else { continue };
            for (i, e) in chunk.entries.iter().enumerate() {
                if let Some(p) = chunk.people.get(usize::from(e.person)) {
                    map.insert(p.id, n * CHUNK as u32 + i as u32);
                }
            }
        }
        let map = Arc::new(map);
        self.cache.put_ordinals(id, map.clone());
        Ok(map)
    }

    async fn levels_of(&self, id: WarningId) -> Result<HashMap<crate::core::ids::RecipientId, Level>, StoreError> {
        let mut map = HashMap::new();
        let chunks = self.load_warning(id).await?.map_or(0, |(w, _)| w.plan.chunks);
        for n in 0..chunks {
            let Some(chunk) = self.chunk(id, n).await? else { continue };
            for e in &chunk.entries {
                if let Some(p) = chunk.people.get(usize::from(e.person)) {
                    map.insert(p.id, e.level);
                }
            }
        }
        Ok(map)
    }

    /// A real warning stops every drill (contract, Drills).
    async fn stop_drills(&self, change: &mut WarningChange, now: Time) -> Result<(), StoreError> {
        for record in self.reports.warnings(None, 200).await? {
            let w: WarningState = from_json(&record.key, &record.body)?;
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
        Ok(())
    }
}

/// Why a row made now is closed at birth: the warning ended before its person's turn came, so nobody
/// is called only to be told that it is over.
fn born_ended(w: &WarningState) -> Option<ClosedReason> {
    let end = w.end.as_ref().filter(|e| e.within.is_empty() && !e.spare_serious)?;
    Some(match end.reason {
        WarningEnd::Cancelled => ClosedReason::Cancelled,
        WarningEnd::Expired => ClosedReason::Expired,
        WarningEnd::Superseded | WarningEnd::Answered => ClosedReason::Superseded,
    })
}

fn end_at_once(ctx: &callout::Ctx<'_>, mut opened: Stepped, reason: ClosedReason, now: Time) -> Stepped {
    let ended = callout::step(*ctx, &opened.state, &Event::End { reason }, now);
    opened.state = ended.state;
    opened.entries.extend(ended.entries);
    opened.effects.line.extend(ended.effects.line);
    opened.effects.tasks.extend(ended.effects.tasks);
    opened.effects.announce.retain(|kind| *kind != "callout.overdue" && *kind != "callout.handed_over");
    opened
}

/// Past the last ordinal: every chunk but the last counts as full, whatever it holds.
pub(super) fn upper_bound(chunks: &[PlanChunk]) -> u32 {
    match chunks.last() {
        Some(last) => ((chunks.len() - 1) * CHUNK + last.entries.len()) as u32,
        None => 0,
    }
}

pub(super) fn end_letter(to: WarningId, order: EndOrder) -> Envelope {
    Envelope { to: Key::Warning(to), lane: Lane::URGENT, not_before: Time(0), body: to_json(&WarningLetter::End { order }) }
}
