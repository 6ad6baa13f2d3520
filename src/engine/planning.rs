//! The plan of a warning, and rows of the plan: who is called by it, and what they inherit from the
//! message it continues.

use super::{
    Engine,
    apply::{Around, WarningChange, from_json, plan_blob, to_json},
    cache::Ordinals,
    drills,
    intake::AREA_TASK,
};
use crate::{
    core::{
        callout::{
            self, Stepped,
            event::Event,
            state::{Callout, ClosedReason, Successor},
        },
        drill,
        hazard::Level,
        ids::{CalloutId, RecipientId, WarningId},
        plan::{CHUNK, PlanChunk},
        planner::{self, Only, PlanInput},
        policy::rule::normal_stage,
        supervise,
        time::Time,
        warning_life::{PlanHead, WarningEnd, WarningPhase, WarningState},
    },
    store::{Commit, Committed, Key, Record, StoreError, WriteLane},
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

impl Engine {
    pub(super) async fn plan(&self, w: &mut WarningState, change: &mut WarningChange, now: Time) -> Result<(), StoreError> {
        let scope = w.drill_scope.as_deref().cloned().unwrap_or_default();
        let (directory, lookup) = drills::people_for(self.people_now().await?, &scope, &w.content.areas, now);
        let issuer = self.issuers.iter().find(|i| i.id == w.issuer);
        let rights = issuer.map(|i| i.divisions.clone()).unwrap_or_default();
        let policy = drills::policy_for(&self.policy(), &scope);
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
        let narrowed = drills::only_for(&scope);
        let mut out = planner::make_plan(input(narrowed.as_ref()));
        drill::only_channels(&mut out.running, &scope.channels);
        if scope.roll_call {
            // It is no hazard of anybody's, and is meant to be none.
            out.findings.retain(|f| f.code != "unknown_hazard");
        }
        if let Some(other) = w.relations.continues.filter(|_| w.relations.joined)
            && let Some((half, _)) = self.load_warning(other).await?
            && !is_over(&half)
        {
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
        let name = |d| directory.division_name(d).map_or_else(|| d.to_string(), str::to_string);
        let counties = out.counties.iter().map(|(d, called)| (*d, *called, name(*d)));
        w.watches = supervise::watches(&w.policy, counties, w.accepted_at, w.drill);
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
    pub(super) async fn make_rows(&self, mut w: WarningState, record: Record, now: Time) -> Result<(), StoreError> {
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
                None => callout::open(around.ctx(self), id, around.start(), now),
            };
            let stepped = match born_ended(w) {
                Some(reason) => end_at_once(&around.ctx(self), stepped, reason, now),
                None => stepped,
            };
            batch.push(self.callout_commit(&around, None, &stepped, now, Vec::new()));
        }
        // A row that exists already was made before a crash: its conflict is no news.
        Committed::all_known(self.store.commit(WriteLane::Planning, batch).await?)?;
        Ok(())
    }

    /// The older message's callout of this person hands over: inherited at the same or a lower level,
    /// called anew where the level was raised (contract, Updates).
    async fn continue_callout(&self, around: &Around, old: CalloutId, id: CalloutId, now: Time) -> Result<Stepped, StoreError> {
        let fresh = || callout::open(around.ctx(self), id, around.start(), now);
        let Some(before) = self.around(old).await? else { return Ok(fresh()) };
        // A narrower stage leaves alone whom the older one also calls for places outside it (the walk of its end does too).
        let within = around.warning.relations.limits(before.warning.id);
        if !within.is_empty() && !before.entry().posts.iter().all(|p| within.iter().any(|d| d.contains(p.place.division))) {
            return Ok(fresh());
        }
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
        // The next stage of an event asks something else of people; only a lower level asks less.
        let stage = |c: &crate::core::warning::Content| c.stage.as_deref().map(normal_stage).unwrap_or_default();
        let (here, there) = (stage(&around.warning.content), stage(&before.warning.content));
        let staged = !here.is_empty() && here != there && around.entry().level.rank() >= before.entry().level.rank();
        let anew = staged || raised || told_only != was_told_only || cut_short || (new_post && settled);
        let inherits = !anew;
        let event = Event::Supersede { successor: Successor { id, inherits } };
        let Some((parts, _)) = self.apply_callout_here(old, &event).await? else { return Ok(fresh()) };
        let mine = parts.callout.successor == Some(Successor { id, inherits: true });
        if !inherits || !mine {
            return Ok(fresh());
        }
        let start = around.start();
        Ok(callout::open_carried(around.ctx(self), id, &parts.callout, before.entry(), start, now))
    }

    /// Like `apply_callout`, without passing the event on to a successor.
    async fn apply_callout_here(&self, id: CalloutId, event: &Event) -> Result<Option<(super::CalloutParts, Stepped)>, StoreError> {
        self.apply_callout(id, event, WriteLane::Rest).await
    }

    /// Every person of a warning's plan, by ordinal.
    pub(super) async fn ordinals(&self, id: WarningId) -> Result<Arc<Ordinals>, StoreError> {
        let plan = self.load_warning(id).await?.map(|(w, _)| w.plan.clone()).unwrap_or_default();
        if let Some(map) = self.cache.ordinals(id, plan.entries) {
            return Ok(map);
        }
        let mut map = Ordinals::new();
        for n in 0..plan.chunks {
            let Some(chunk) = self.chunk(id, n).await? else { continue };
            for (i, e) in chunk.entries.iter().enumerate() {
                if let Some(p) = chunk.people.get(usize::from(e.person)) {
                    map.insert(p.id, n * CHUNK as u32 + i as u32);
                }
            }
        }
        let map = Arc::new(map);
        self.cache.put_ordinals(id, plan.entries, map.clone());
        Ok(map)
    }

    /// By which lines (双叫应) each person of a warning's plan is called: line → ordinals. One who is called by both is in
    /// both.
    pub async fn lines_of(&self, id: WarningId) -> Result<BTreeMap<u8, BTreeSet<u32>>, StoreError> {
        let mut out: BTreeMap<u8, BTreeSet<u32>> = BTreeMap::new();
        let chunks = self.load_warning(id).await?.map_or(0, |(w, _)| w.plan.chunks);
        for n in 0..chunks {
            let Some(chunk) = self.chunk(id, n).await? else { continue };
            for (i, e) in (0..).zip(&chunk.entries) {
                for line in e.posts.iter().filter_map(|p| p.line) {
                    out.entry(line).or_default().insert(n * CHUNK as u32 + i);
                }
            }
        }
        Ok(out)
    }

    async fn levels_of(&self, id: WarningId) -> Result<HashMap<RecipientId, Level>, StoreError> {
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
}

/// Nobody is called, or goes on being called for, by this warning any more.
fn is_over(w: &WarningState) -> bool {
    w.end.is_some() || w.phase == WarningPhase::Closed && w.closed_reason != Some(WarningEnd::Answered)
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
