//! Warnings in: rights, identity, durability; and what officers do with a warning as a whole.

use super::{
    ActError, Engine, Issuer, PostError, PostReply,
    apply::{WarningChange, from_json, to_json},
    dispatcher::Job,
    drills::{DRILL, SCHEDULE},
    ending::end_letter,
    newer::read_whole,
    numbers::NUMBERS,
    rows,
};
use crate::{
    core::{
        division::Division,
        drill::DrillScope,
        hazard::Level,
        ids::{MAX_WARNING, WarningId, is_national_identifier},
        planner::{self, default_expiry},
        policy::RunningPolicy,
        time::{Span, Time},
        warning::{Content, FieldError, Finding, MessageType, Parsed, Shape},
        warning_life::{EndOrder, PlanHead, Relations, WarningEnd, WarningPhase, WarningState},
    },
    ingest,
    store::{Commit, Committed, FeedItem, Head, Identity, Key, Lane, StoreError, WriteLane, archive::AWAITED},
    telemetry::metrics,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The duty room's decisions about a warning, known by what they ask.
pub(super) const EXPIRY_TASK: &str = "预警已到期，仍有红色、橙色叫应未应答：延长还是结束？";
pub(super) const AREA_TASK: &str = "请立即处理";

/// An issuer's clock may be ahead by this much before anybody need know.
const FUTURE: Span = Span::mins(5);
/// Of a warning that has been closed for longer than this a repeat makes nothing durable again: all know of it, and it may be
/// in the archive.
const REPEATED_WITHIN: Span = Span::mins(30);
const REFUSALS: &str = "refusals";
/// How many of its last events a named record's state holds.
const RECENT: usize = 50;

/// Who refers to an identifier that had not come yet.
#[derive(Default, Serialize, Deserialize)]
struct Awaited {
    by: Vec<(WarningId, MessageType)>,
}

impl Engine {
    /// Accepts a warning once it is durable. `raw` is kept with it.
    pub async fn post_warning(&self, issuer: &Issuer, parsed: Parsed, raw: &[u8]) -> Result<PostReply, PostError> {
        let Parsed { content, mut findings } = parsed;
        rights(issuer, &content)?;
        let digest = ingest::digest(&content);
        let known = self.store.identities(&content.identifier).await?;
        let mine = |i: &&Identity| i.issuer == issuer.id.0 && i.sender == content.sender;
        if let Some(i) = known.iter().find(mine) {
            return self.known(i, &digest, findings).await;
        }
        let mut relations = Relations::default();
        // A national identifier is one warning whoever relays it, under whatever name; another one is its sender's own.
        let same = |i: &&Identity| i.issuer != issuer.id.0 || is_national_identifier(&content.identifier);
        if content.message_type != MessageType::Cancel
            && let Some(other) = known.iter().find(same)
        {
            relations.continues = Some(other.warning);
            relations.joined = true;
            let who = if other.issuer == issuer.id.0 { &other.sender } else { &other.issuer };
            findings.push(Finding::new("joined_event", format!("同一编号已由 {who} 发布（{}），并入该事件，不重复叫应", other.warning)));
        }
        if content.sent > self.store.now() + FUTURE {
            let ahead = format!("发布时间 {} 晚于当前时间，请发布单位核对时钟", content.sent.rfc3339());
            findings.push(Finding::new("future_sent", ahead));
        }
        if content.message_type != MessageType::Cancel {
            let (directory, lookup) = self.people_now().await?;
            let resolved = planner::resolve(&content, &directory, &lookup, &issuer.divisions);
            if resolved.outside_rights {
                return Err(PostError::Forbidden(format!("the area lies wholly outside what {} may warn for", issuer.id)));
            }
            findings.extend(resolved.findings);
        }
        let now = self.store.now();
        let identity = Identity {
            issuer: issuer.id.0.clone(),
            sender: content.sender.clone(),
            identifier: content.identifier.clone(),
            digest: digest.clone(),
            warning: WarningId(0),
        };
        self.accept(issuer, content, findings, relations, Some(identity), None, raw, now).await
    }

    #[allow(clippy::too_many_arguments)]
    pub(super) async fn accept(
        &self,
        issuer: &Issuer,
        content: Content,
        findings: Vec<Finding>,
        relations: Relations,
        identity: Option<Identity>,
        drill: Option<DrillScope>,
        raw: &[u8],
        now: Time,
    ) -> Result<PostReply, PostError> {
        let n = self.store.next_number("warning").await?;
        let id = u32::try_from(n).ok().filter(|n| *n <= MAX_WARNING).map(WarningId);
        let id = id.ok_or_else(|| StoreError::Unavailable("the numbers of warnings are used up; archive this store".into()))?;
        let expires_at =
            content.expires.unwrap_or(content.effective.unwrap_or(now).max(now) + default_expiry(&content.hazard, content.level));
        let (drill, drill_scope) = (drill.is_some(), drill.filter(|s| !s.is_plain()).map(Box::new));
        let w = WarningState {
            id,
            issuer: issuer.id.clone(),
            findings: findings.clone(),
            accepted_at: now,
            phase: WarningPhase::Accepted,
            closed_reason: None,
            closed_at: None,
            drill,
            drill_scope,
            expires_at,
            policy: RunningPolicy::default(),
            plan: PlanHead::default(),
            relations,
            end: None,
            tasks: Vec::new(),
            duty_calls: Vec::new(),
            expiry_asked: None,
            watches: Vec::new(),
            returns: Vec::new(),
            added_places: Vec::new(),
            content,
        };
        let digest = identity.as_ref().map(|i| i.digest.clone()).unwrap_or_default();
        let c = first_commit(&w, identity.map(|i| Identity { warning: id, ..i }), raw);
        match self.store.commit(WriteLane::Urgent, vec![c]).await?.into_iter().next() {
            Some(Committed::Done) => {
                if !drill {
                    metrics::warning_posted(&issuer.id.0, &w.content.hazard.0, w.level(), "accepted");
                }
                Ok(PostReply { id, identifier: w.content.identifier, state: "accepted", duplicate: false, findings })
            }
            Some(Committed::IdentityTaken(i)) => self.known(&i, &digest, findings).await,
            _ => Err(StoreError::Unavailable("the warning's number was taken meanwhile".into()).into()),
        }
    }

    /// The identity stands: the same content is a duplicate, other content a conflict.
    pub(super) async fn known(&self, i: &Identity, digest: &str, findings: Vec<Finding>) -> Result<PostReply, PostError> {
        if i.digest != digest {
            return Err(PostError::Conflict { existing: i.warning });
        }
        let found = self.load_warning(i.warning).await?;
        if let Some((w, _)) = &found {
            self.confirm_accepted(i, w).await?;
        }
        let state = found.map_or("accepted", |(w, _)| phase_word(w.phase));
        let identifier = i.identifier.strip_prefix("drill/").unwrap_or(&i.identifier).to_string();
        Ok(PostReply { id: i.warning, identifier, state, duplicate: true, findings })
    }

    /// Whoever sends it again may have been refused the first time, because the promise could not be kept, or have heard
    /// nothing from a gateway that died: before it is told that we have it, the very same commit is made durable again, for
    /// this gateway as well. Of what has long been over nothing is made anew.
    async fn confirm_accepted(&self, i: &Identity, w: &WarningState) -> Result<(), StoreError> {
        if w.phase == WarningPhase::Closed && w.closed_at.is_none_or(|t| t + REPEATED_WITHIN < self.store.now()) {
            return Ok(());
        }
        let raw = self.store.blob(&Key::Warning(w.id), "raw").await?.unwrap_or_default();
        let as_accepted = WarningState {
            phase: WarningPhase::Accepted,
            closed_reason: None,
            closed_at: None,
            policy: RunningPolicy::default(),
            plan: PlanHead::default(),
            end: None,
            tasks: Vec::new(),
            duty_calls: Vec::new(),
            expiry_asked: None,
            watches: Vec::new(),
            returns: Vec::new(),
            added_places: Vec::new(),
            ..w.clone()
        };
        let again = first_commit(&as_accepted, Some(i.clone()), &raw);
        // Done before, and the record may have gone on since: whichever is answered, it stands.
        Committed::all_known(self.store.commit(WriteLane::Urgent, vec![again]).await?).map(drop)
    }

    /// What a message refers to: cancels and updates bind within their sender's rights; what has not
    /// come yet is awaited (contract, Identity).
    pub(super) async fn bind_references(&self, w: &mut WarningState, change: &mut WarningChange, now: Time) -> Result<(), StoreError> {
        for reference in w.content.references.clone() {
            // Written first, read second: of two messages that cross, one sees the other.
            self.await_reference(&reference, w).await?;
            let found = self.store.identities(&reference).await?;
            if found.is_empty() {
                if !w.relations.unresolved.contains(&reference) {
                    w.relations.unresolved.push(reference.clone());
                    w.findings.push(Finding::new("unresolved_reference", format!("所引用的 {reference} 尚未收到；收到后按顺序处理")));
                }
                continue;
            }
            for identity in found {
                let Some(target) = self.tip_of(identity.warning).await? else { continue };
                if target.id == w.id || target.drill != w.drill {
                    continue;
                }
                let Some(mut within) = self.may_bind(w, &target) else {
                    w.findings.push(Finding::new("not_bound", format!("{} 无权变更或解除 {}（{}）", w.issuer, target.id, target.issuer)));
                    continue;
                };
                if within.is_empty() {
                    within = w.relations.limits(target.id).to_vec();
                }
                let cancel = w.content.message_type == MessageType::Cancel;
                if w.relations.joined && !cancel {
                    // The other half of it ends what it updates; ending the other half would leave its people to nobody.
                    continue;
                }
                if !cancel && w.relations.continues.is_none() && target.rings() && w.rings() {
                    w.relations.continues = Some(target.id);
                }
                if cancel || w.rings() {
                    let order = EndOrder {
                        reason: if cancel { WarningEnd::Cancelled } else { WarningEnd::Superseded },
                        at: now,
                        by: Some(w.id),
                        who: w.issuer.to_string(),
                        note: w.content.headline.clone(),
                        cursor: 0,
                        spare_serious: false,
                        within: within.clone(),
                    };
                    change.send.push(end_letter(target.id, order));
                }
            }
        }
        Ok(())
    }

    /// The newest message of the chain that starts with this warning.
    async fn tip_of(&self, id: WarningId) -> Result<Option<Arc<WarningState>>, StoreError> {
        let mut id = id;
        let mut tip = None;
        for _ in 0..1000 {
            let Some((w, _)) = self.load_warning(id).await? else { break };
            let next = w.end.as_ref().filter(|e| e.reason == WarningEnd::Superseded).and_then(|e| e.by);
            tip = Some(w);
            match next {
                Some(n) => id = n,
                None => break,
            }
        }
        Ok(tip)
    }

    /// Where this message's sender may change or end the target: `Some(empty)` everywhere (its own
    /// message), `Some(divisions)` there only, `None` nowhere.
    fn may_bind(&self, w: &WarningState, target: &WarningState) -> Option<Vec<Division>> {
        if w.issuer == target.issuer {
            return Some(Vec::new());
        }
        let issuer = self.issuers.iter().find(|i| i.id == w.issuer)?;
        let hazard = issuer.hazards.is_empty() || issuer.hazards.iter().any(|h| h.covers(&target.content.hazard));
        let level = issuer.levels.is_empty() || target.level() == Level::Unknown || issuer.levels.contains(&target.level());
        (hazard && level && !issuer.divisions.is_empty()).then(|| issuer.divisions.clone())
    }

    async fn await_reference(&self, reference: &str, w: &WarningState) -> Result<(), StoreError> {
        let key = Key::Named(format!("{AWAITED}{reference}"));
        // Long after the first who referred to it, what stands of them is in the archive: then it begins anew here.
        let mut left = false;
        for _ in 0..20 {
            let record = self.store.load(std::slice::from_ref(&key)).await?.into_iter().next().flatten();
            let mut awaited: Awaited = record.as_ref().map(|r| read_whole(&key, &r.body)).transpose()?.unwrap_or_default();
            if awaited.by.iter().any(|(id, _)| *id == w.id) {
                return Ok(());
            }
            awaited.by.push((w.id, w.content.message_type));
            let journal = to_json(&serde_json::json!([{"e": "referred", "by": w.id}]));
            let head = record.filter(|_| !left).map_or(Head::NONE, |r| r.head);
            let c = Commit::new(key.clone(), head, to_json(&awaited), journal, None, Lane::URGENT, self.store.now());
            if matches!(self.store.commit(WriteLane::Urgent, vec![c]).await?.first(), Some(Committed::Done)) {
                return Ok(());
            }
            left = !left;
        }
        Err(StoreError::Unavailable(format!("{reference} is referred to by too many at once")))
    }

    /// Whether a cancel or update of this message had come before it.
    pub(super) async fn overtaken(&self, w: &WarningState) -> Result<Option<(WarningEnd, WarningId)>, StoreError> {
        let key = Key::Named(format!("{AWAITED}{}", w.content.identifier));
        let Some(record) = self.store.load(std::slice::from_ref(&key)).await?.into_iter().next().flatten() else { return Ok(None) };
        let awaited: Awaited = from_json(&key, &record.body)?;
        for (by, kind) in awaited.by {
            let Some((referring, _)) = self.load_warning(by).await? else { continue };
            let came_first = referring.id < w.id;
            // Only where the whole of it is theirs: nobody goes uncalled on a neighbour's word.
            if by != w.id && came_first && self.may_bind(&referring, w).is_some_and(|within| within.is_empty()) {
                let reason = if kind == MessageType::Cancel { WarningEnd::Cancelled } else { WarningEnd::Superseded };
                if reason == WarningEnd::Cancelled || referring.rings() {
                    return Ok(Some((reason, by)));
                }
            }
        }
        Ok(None)
    }

    pub async fn cancel_warning(&self, id: WarningId, who: &str, reason: &str) -> Result<(), ActError> {
        let mut refused = None;
        let found = self
            .apply_warning(id, WriteLane::Urgent, |w, now| {
                if w.phase == WarningPhase::Closed && w.closed_reason != Some(WarningEnd::Answered) || w.end.is_some() {
                    refused = Some(ActError::Conflict(format!("{id} has ended already")));
                    return None;
                }
                w.end = Some(EndOrder {
                    reason: WarningEnd::Cancelled,
                    at: now,
                    by: None,
                    who: who.into(),
                    note: reason.into(),
                    cursor: 0,
                    spare_serious: false,
                    within: Vec::new(),
                });
                let entry = serde_json::json!({"e": "end_ordered", "end": w.end});
                Some(WarningChange { entry, due: Some(now), ..WarningChange::default() })
            })
            .await?;
        match (refused, found) {
            (Some(e), _) => Err(e),
            (None, None) => Err(ActError::NotFound(format!("warning {id}"))),
            _ => Ok(()),
        }
    }

    pub async fn extend_warning(&self, id: WarningId, who: &str, expires: Time) -> Result<(), ActError> {
        let mut refused = None;
        let found = self
            .apply_warning(id, WriteLane::Urgent, |w, now| {
                if w.phase == WarningPhase::Closed {
                    refused = Some(ActError::Conflict(format!("{id} has ended already")));
                    return None;
                }
                if expires <= now {
                    refused = Some(ActError::Invalid(FieldError { pointer: "/expires".into(), detail: "must lie in the future".into() }));
                    return None;
                }
                w.expires_at = expires;
                if w.end.as_ref().is_some_and(|e| e.reason == WarningEnd::Expired) {
                    w.end = None;
                }
                let mut change = WarningChange {
                    entry: serde_json::json!({"e": "extended", "expires": expires, "who": who}),
                    ..WarningChange::default()
                };
                for t in w.tasks.iter_mut().filter(|t| t.is_open() && t.title == EXPIRY_TASK) {
                    t.closed = Some("extended".into());
                    change.tasks.push(t.n);
                }
                Some(change)
            })
            .await?;
        match (refused, found) {
            (Some(e), _) => Err(e),
            (None, None) => Err(ActError::NotFound(format!("warning {id}"))),
            _ => Ok(()),
        }
    }

    /// A refused post shows in the duty room and stays in the feed.
    pub async fn record_refusal(&self, issuer: Option<&str>, status: u16, reason: &str) {
        let now = self.store.now();
        metrics::warning_refused(issuer, status);
        let data = serde_json::json!({"issuer": issuer, "status": status, "reason": reason.chars().take(500).collect::<String>(), "at": now.rfc3339()});
        let item = FeedItem { kind: "warning.refused".into(), warning: None, callout: None, at: now, data };
        let name = if issuer.is_some() { REFUSALS } else { "refusals of unknown callers" };
        if let Err(e) = self.announce(name, item).await {
            tracing::error!(error = %e, "a refusal could not be recorded");
        }
    }

    /// A source that is fetched from has failed several times in a row: shows beside refused posts.
    pub async fn record_source_down(&self, issuer: &str, why: &str) {
        let now = self.store.now();
        let data =
            serde_json::json!({"issuer": issuer, "status": 0, "reason": why.chars().take(500).collect::<String>(), "at": now.rfc3339()});
        let item = FeedItem { kind: "source.down".into(), warning: None, callout: None, at: now, data };
        if let Err(e) = self.announce(REFUSALS, item).await {
            tracing::error!(error = %e, "a failing source could not be recorded");
        }
    }

    /// An act that must be accounted for although it changes nothing: durable before it is done.
    pub async fn audit(&self, who: &str, act: &str, what: &str) -> Result<(), StoreError> {
        let now = self.store.now();
        let data = serde_json::json!({"by": who, "act": act, "what": what, "at": now.rfc3339()});
        self.announce("audit", FeedItem { kind: format!("audit.{act}"), warning: None, callout: None, at: now, data }).await
    }

    /// The last refused posts of known issuers, newest first.
    pub async fn refusals(&self) -> Result<Vec<FeedItem>, StoreError> {
        let record = self.store.load(&[Key::Named(REFUSALS.into())]).await?.into_iter().next().flatten();
        Ok(record.map(|r| recent(&r.body)).unwrap_or_default())
    }

    /// A live event that belongs to no callout or warning, kept under a name: all of them in its journal,
    /// the last few in its state.
    pub(super) async fn announce(&self, name: &str, item: FeedItem) -> Result<(), StoreError> {
        let key = Key::Named(name.to_string());
        // One after the other here, so that only another gateway can come between.
        let _turn = self.announcing.lock().await;
        for _ in 0..20 {
            let record = self.store.load(std::slice::from_ref(&key)).await?.into_iter().next().flatten();
            let journal = to_json(&[&item]);
            let head = record.as_ref().map_or(Head::NONE, |r| r.head);
            let before = record.map(|r| recent(&r.body)).unwrap_or_default();
            let last: Vec<&FeedItem> = std::iter::once(&item).chain(&before).take(RECENT).collect();
            let mut c = Commit::new(key.clone(), head, to_json(&last), journal, None, Lane::URGENT, item.at);
            c.feed.push(item.clone());
            if matches!(self.store.commit(WriteLane::Urgent, vec![c]).await?.first(), Some(Committed::Done)) {
                return Ok(());
            }
        }
        Err(StoreError::Unavailable(format!("too many events of {name} at once")))
    }

    /// Named records that have letters or a clock; for any other it would be a mistake of ours.
    pub(super) async fn work_named(&self, claim: crate::store::Claim, jobs: &mut Vec<Job>) -> Result<(), StoreError> {
        if claim.key == super::board::key() {
            return self.work_board(claim).await;
        }
        if claim.key == super::canary::key() {
            return self.work_canaries(claim, jobs).await;
        }
        let Some(claim) = self.park_digest(claim) else { return Ok(()) };
        match &claim.key {
            Key::Named(name) if name == NUMBERS => return self.work_numbers(claim).await,
            Key::Named(name) if name.starts_with(SCHEDULE) => return self.work_schedule(claim).await,
            Key::Named(name) if name.starts_with(DRILL) => return self.work_drill(claim).await,
            _ => {}
        }
        tracing::error!(key = %claim.key, "a named record came due");
        let until = self.store.now() + Span::mins(10);
        self.store.release(&[(claim.key, claim.nonce)], until).await
    }
}

/// The commit by which a warning is accepted. Its head comes from who sent it under which name alone: made again of the same
/// warning it is the same commit.
fn first_commit(w: &WarningState, identity: Option<Identity>, raw: &[u8]) -> Commit {
    let now = w.accepted_at;
    let journal = to_json(&serde_json::json!([{"e": "accepted", "issuer": w.issuer, "identifier": w.content.identifier}]));
    let mut c = Commit::new(Key::Warning(w.id), Head::NONE, to_json(w), journal, Some(now), Lane::of(w.level(), w.drill), now);
    c.identity = identity;
    c.feed.push(rows::warning_feed("warning.accepted", w, now));
    c.blobs.push(("raw".into(), raw.to_vec()));
    c
}

/// The events a named record's state holds, newest first.
fn recent(body: &[u8]) -> Vec<FeedItem> {
    serde_json::from_slice(body).unwrap_or_default()
}

pub(super) fn phase_word(p: WarningPhase) -> &'static str {
    match p {
        WarningPhase::Accepted => "accepted",
        WarningPhase::Active => "active",
        WarningPhase::Closed => "closed",
    }
}

/// 403 only for a hazard or level that is not the issuer's, or an area wholly outside its divisions.
fn rights(issuer: &Issuer, content: &Content) -> Result<(), PostError> {
    if content.message_type == MessageType::Cancel {
        return Ok(());
    }
    let hazard_ok = issuer.hazards.is_empty() || issuer.hazards.iter().any(|h| h.covers(&content.hazard));
    if !hazard_ok {
        return Err(PostError::Forbidden(format!("{} may not warn of {}", issuer.id, content.hazard)));
    }
    let level_ok = issuer.levels.is_empty() || content.level == Level::Unknown || issuer.levels.contains(&content.level);
    if !level_ok {
        return Err(PostError::Forbidden(format!("{} may not issue the level {}", issuer.id, content.level.as_str())));
    }
    let divisions: Vec<Division> = content
        .areas
        .iter()
        .filter_map(|a| match a.shape {
            Shape::Division(d) => Some(d),
            _ => None,
        })
        .collect();
    let inside = |d: &Division| issuer.divisions.iter().any(|r| r.contains(*d) || d.contains(*r));
    if !issuer.divisions.is_empty() && !divisions.is_empty() && divisions.len() == content.areas.len() && !divisions.iter().any(inside) {
        return Err(PostError::Forbidden(format!("the area lies wholly outside what {} may warn for", issuer.id)));
    }
    Ok(())
}
