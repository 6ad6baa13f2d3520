//! Drills: started by an operator or by their schedule, roll calls among them; and what is kept of them when they are
//! over. A drill is a warning like any other from here on, marked; a real one stops it (`warning`).
//!
//! A schedule is a record with a clock: whichever gateway leases it starts the drill, once, because the drill's
//! identifier is made of the schedule's name and day. A drill that closes leaves a letter in the same commit; by it
//! the record of numbers is brought up to date.

use super::{
    Engine, Issuer, PostError, PostReply,
    apply::{from_json, to_json},
    newer::read_whole,
};
use crate::{
    core::{
        callout::state::Callout,
        directory::Directory,
        division::Division,
        drill::{
            self, DrillScope,
            outcome::{self, Row},
            roll::{Due, Proofs, Roll},
            schedule::{DrillSchedule, MISSED},
        },
        ids::{IssuerId, WarningId},
        phone::Phone,
        plan::{CHUNK, PlanChunk},
        planner::{self, Lookup, Only},
        policy::Policy,
        time::{Span, Time},
        warning::{Area, Content, MessageType, Shape, Status},
        warning_life::{Relations, WarningPhase, WarningState},
    },
    ingest,
    store::{CalloutFilter, Claim, Commit, Committed, Doc, Envelope, FeedItem, Head, Identity, Key, Lane, StoreError, WriteLane},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// Names of the records of schedules and of drills that are over.
pub(super) const SCHEDULE: &str = "drill-schedule/";
pub(super) const DRILL: &str = "drill/";
/// The kind of document that holds what drills have shown of a number; the id is the number.
const PROOF: &str = "number_proof";
/// Receipts come after a drill has closed, too.
const LATE_RECEIPTS: Span = Span::mins(2);
/// A schedule that this gateway does not have is left to others for so long.
const ELSEWHERE: Span = Span::mins(10);

/// How a roll call chooses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Share {
    /// As many as must be each week for all to be proved by the quarter's end.
    #[default]
    Quarter,
    /// One in so many.
    OneIn(u16),
}

/// What a roll call is asked for.
#[derive(Clone, Debug, Default)]
pub struct RollCall {
    /// The same again is the same drill.
    pub identifier: String,
    pub share: Share,
    /// Empty: all of the territory.
    pub within: Vec<Division>,
    pub scope: DrillScope,
    pub beside_real: bool,
}

/// A schedule's state.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Scheduled {
    /// As it was written when `next` was computed.
    spec: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next: Option<Time>,
    /// What became of the last start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last: Option<LastStart>,
}

/// What became of a schedule's last start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LastStart {
    pub at: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<WarningId>,
    /// Why it was left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
}

/// A schedule as it stands.
#[derive(Clone, Debug)]
pub struct ScheduleView {
    pub schedule: DrillSchedule,
    pub next: Option<Time>,
    pub last: Option<LastStart>,
}

/// The letter of a drill that is over.
#[derive(Serialize, Deserialize)]
struct Closed {
    drill: WarningId,
}

/// Sent with the commit that closes a drill.
pub(super) fn drill_closed(id: WarningId, now: Time) -> Envelope {
    let to = Key::Named(format!("{DRILL}{id}"));
    Envelope { to, lane: Lane::PLANNING, not_before: now + LATE_RECEIPTS, body: to_json(&Closed { drill: id }) }
}

/// The policy a drill is planned by.
pub(super) fn policy_for(policy: &Arc<Policy>, scope: &DrillScope) -> Arc<Policy> {
    if !scope.roll_call && !scope.at_night {
        return policy.clone();
    }
    let mut p = if scope.roll_call { drill::roll_call_policy(policy) } else { policy.as_ref().clone() };
    p.drill.at_night |= scope.at_night;
    Arc::new(p)
}

/// The people a drill over these areas is planned among: for a roll call just those whose turn it is.
pub(super) fn people_for(
    people: (Arc<Directory>, Arc<Lookup>),
    scope: &DrillScope,
    areas: &[Area],
    now: Time,
) -> (Arc<Directory>, Arc<Lookup>) {
    if !scope.roll_call {
        return people;
    }
    let within: Vec<Division> = areas.iter().filter_map(|a| if let Shape::Division(d) = a.shape { Some(d) } else { None }).collect();
    let directory = drill::roll_call_directory(&people.0, scope, &within, now);
    let lookup = Lookup::new(&directory).with_numbers(people.1.dead_numbers());
    (Arc::new(directory), Arc::new(lookup))
}

/// Whom a drill is narrowed to.
pub(super) fn only_for(scope: &DrillScope) -> Option<Only> {
    let only = Only { tiers: scope.tiers.clone(), recipients: scope.recipients.clone(), first: scope.first.clone(), ..Only::default() };
    (only != Only::default()).then_some(only)
}

impl Engine {
    /// A drill, started by an operator: rings, marked everywhere, counted apart.
    pub async fn start_drill(&self, who: &str, content: Content) -> Result<PostReply, PostError> {
        self.start_drill_of(who, content, DrillScope::default(), false).await
    }

    /// The same, narrowed; `beside_real`: even while a real warning runs.
    pub async fn start_drill_of(
        &self,
        who: &str,
        mut content: Content,
        scope: DrillScope,
        beside_real: bool,
    ) -> Result<PostReply, PostError> {
        let now = self.store.now();
        content.status = Status::Exercise;
        content.message_type = MessageType::Alert;
        content.references.clear();
        let issuer =
            Issuer { id: IssuerId(format!("drill:{who}")), name: "演练".into(), hazards: vec![], divisions: vec![], levels: vec![] };
        let raw = to_json(&content);
        let (directory, lookup) = self.people_now().await?;
        let mut findings = planner::resolve(&content, &directory, &lookup, &[]).findings;
        if scope.roll_call {
            findings.retain(|f| f.code != "unknown_hazard");
        }
        let identity = Identity {
            issuer: issuer.id.0.clone(),
            sender: content.sender.clone(),
            // A name apart: a bureau's warning must never be taken for the rehearsal of it, nor join it.
            identifier: format!("drill/{}", content.identifier),
            digest: digest(&content, &scope),
            warning: WarningId(0),
        };
        content.expires = Some(self.over_by_night(content.expires, &scope, now));
        // A request that is repeated must not ring twice.
        if let Some(i) =
            self.store.identities(&identity.identifier).await?.iter().find(|i| i.issuer == identity.issuer && i.sender == identity.sender)
        {
            return self.known(i, &identity.digest, findings).await;
        }
        if !beside_real && let Some(real) = self.running_real().await? {
            return Err(PostError::NotNow(format!(
                "{real} is a real warning and still running; a drill would take its people's attention"
            )));
        }
        self.accept(&issuer, content, findings, Relations::default(), Some(identity), Some(scope), &raw, now).await
    }

    /// A drill that rings nobody at night is over when the night begins.
    fn over_by_night(&self, expires: Option<Time>, scope: &DrillScope, now: Time) -> Time {
        let policy = self.policy();
        let begins = policy.morning_after(now).unwrap_or(now);
        let night = begins.next_beijing_minute(policy.night.from);
        let at_night = policy.drill.at_night || scope.at_night;
        let longest = if at_night { now + Span::hours(24) } else { night };
        expires.map_or(longest, |e| if at_night { e } else { e.min(night) })
    }

    /// A roll call of the numbers whose turn it is. `Ok(None)`: every number is proved for this quarter.
    pub async fn start_roll_call(&self, who: &str, order: RollCall) -> Result<Option<PostReply>, PostError> {
        let known = self.store.identities(&format!("drill/{}", order.identifier)).await?;
        if let Some(i) = known.iter().find(|i| i.issuer == format!("drill:{who}")) {
            // Whose turn it is has moved on since; the same request is the same drill.
            return self.known(i, &i.digest.clone(), Vec::new()).await.map(Some);
        }
        let now = self.store.now();
        let due = self.whose_turn(&order, now).await?;
        if due.is_empty() {
            return Ok(None);
        }
        let (_, lookup) = self.people_now().await?;
        let areas: Vec<Area> = match order.within.as_slice() {
            [] => lookup.tops().iter().copied().map(drill::whole).collect(),
            some => some.iter().copied().map(drill::whole).collect(),
        };
        let mut recipients: Vec<_> = due.iter().map(|d| d.recipient).collect();
        recipients.sort_unstable();
        let mut first: Vec<Phone> = due.into_iter().map(|d| d.phone).collect();
        first.sort_unstable();
        let scope = DrillScope { recipients, first, roll_call: true, tiers: Vec::new(), ..order.scope };
        let mut content = drill::roll_call_content(order.identifier, areas, now);
        if let Some(morning) = self.policy().morning_after(now).filter(|_| !scope.at_night) {
            // Held until then; its time begins then too.
            content.expires = Some(morning + drill::ROLL_CALL_LASTS);
        }
        self.start_drill_of(who, content, scope, order.beside_real).await.map(Some)
    }

    async fn whose_turn(&self, order: &RollCall, now: Time) -> Result<Vec<Due>, StoreError> {
        let within: Vec<Option<Division>> = match order.within.as_slice() {
            [] => vec![None],
            some => some.iter().copied().map(Some).collect(),
        };
        let mut due: Vec<Due> = Vec::new();
        for within in within {
            let roll = self.roll_of(within, &order.scope, now).await?;
            let chosen = match order.share {
                Share::Quarter => roll.this_week(now),
                Share::OneIn(share) => roll.share(share),
            };
            // Somebody with posts in two of the divisions is called once.
            for d in chosen {
                if !due.iter().any(|known| known.recipient == d.recipient) {
                    due.push(d);
                }
            }
        }
        Ok(due)
    }

    /// How the quarter's roll call stands.
    pub async fn roll(&self, within: Option<Division>, now: Time) -> Result<Roll, StoreError> {
        self.roll_of(within, &DrillScope::default(), now).await
    }

    async fn roll_of(&self, within: Option<Division>, scope: &DrillScope, now: Time) -> Result<Roll, StoreError> {
        let (directory, _) = self.people_now().await?;
        let proofs = self.proofs().await?;
        Ok(Roll::of(&directory, scope.narrowed(self.channels), &proofs, now, within, &scope.tiers))
    }

    /// What drills have shown of numbers.
    pub async fn proofs(&self) -> Result<Proofs, StoreError> {
        proofs_of(&self.store.docs(PROOF).await?.1)
    }

    /// A real warning that runs now. However old: a drought's goes on for weeks, and whoever extends it sets no bound.
    async fn running_real(&self) -> Result<Option<WarningId>, StoreError> {
        let mut before = None;
        loop {
            let batch = self.reports.warnings(before, 200).await?;
            for record in &batch {
                let w: WarningState = from_json(&record.key, &record.body)?;
                before = Some(w.id);
                if !w.drill && w.rings() && w.phase != WarningPhase::Closed {
                    return Ok(Some(w.id));
                }
            }
            if batch.len() < 200 {
                return Ok(None);
            }
        }
    }

    // --- when they are over -----------------------------------------------------------------------

    /// Brings the record of numbers up to date with a drill that is over.
    pub(super) async fn work_drill(&self, claim: Claim) -> Result<(), StoreError> {
        let mut read = Vec::new();
        let mut drills = Vec::new();
        for letter in &claim.inbox {
            match read_whole::<Closed>(&claim.key, &letter.body) {
                Ok(c) => {
                    drills.push(c.drill);
                    read.push(letter.seq);
                }
                Err(e) => tracing::error!(error = %e, "a letter cannot be read; it is kept"),
            }
        }
        if read.is_empty() {
            return self.store.release(&[(claim.key, claim.nonce)], self.store.now() + super::newer::LEFT).await;
        }
        let mut proofs = Proofs::new();
        for id in drills {
            self.each_callout(id, |c, chunk, _| {
                for (phone, proof) in outcome::proofs(id, c, &chunk.people) {
                    proofs.entry(phone).and_modify(|known| known.join(&proof)).or_insert(proof);
                }
            })
            .await?;
        }
        let numbers = proofs.len();
        self.keep_proofs(&proofs).await?;
        let journal = to_json(&serde_json::json!([{"e": "proved", "letters": read, "numbers": numbers}]));
        let head = claim.record.map_or(Head::NONE, |r| r.head);
        let body = to_json(&serde_json::json!({"numbers": numbers}));
        let mut c = Commit::new(claim.key, head, body, journal, None, Lane::PLANNING, self.store.now());
        c.consumed = read;
        self.store.commit(WriteLane::Planning, vec![c]).await?;
        Ok(())
    }

    async fn keep_proofs(&self, news: &Proofs) -> Result<(), StoreError> {
        if news.is_empty() {
            return Ok(());
        }
        for _ in 0..20 {
            let (version, docs) = self.store.docs(PROOF).await?;
            let known = proofs_of(&docs)?;
            let mut upsert = Vec::new();
            for (phone, proof) in news {
                let mut joined = known.get(phone).cloned().unwrap_or_else(|| proof.clone());
                joined.join(proof);
                if known.get(phone) != Some(&joined) {
                    upsert.push(Doc { id: phone.reveal().to_string(), body: to_json(&joined) });
                }
            }
            if upsert.is_empty() || self.store.docs_apply(PROOF, version, upsert, Vec::new()).await?.is_some() {
                return Ok(());
            }
        }
        Err(StoreError::Unavailable("the record of proved numbers is changed by others faster than this could be kept".into()))
    }

    async fn each_callout(&self, id: WarningId, mut look: impl FnMut(&Callout, &PlanChunk, usize)) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let batch = self.reports.callouts(Some(id), &CalloutFilter::default(), after, 500).await?;
            for (record, _) in &batch {
                let c: Callout = from_json(&record.key, &record.body)?;
                after = Some(c.id);
                if let Some(chunk) = self.chunk(id, c.id.ordinal / CHUNK as u32).await? {
                    look(&c, &chunk, c.id.ordinal as usize % CHUNK);
                }
            }
            if batch.len() < 500 {
                return Ok(());
            }
        }
    }

    /// What came of a drill, person by person and channel by channel.
    pub async fn drill_rows(&self, id: WarningId) -> Result<Vec<Row>, StoreError> {
        let mut rows = Vec::new();
        self.each_callout(id, |c, chunk, index| {
            if let Some(entry) = chunk.entries.get(index) {
                rows.extend(outcome::rows(c, entry, &chunk.people));
            }
        })
        .await?;
        Ok(rows)
    }

    // --- schedules --------------------------------------------------------------------------------

    /// Gives every configured schedule its clock. What is there already keeps it, unless it was rewritten.
    pub async fn arm_schedules(&self) -> Result<(), StoreError> {
        for schedule in &self.settings.drills {
            let key = Key::Named(format!("{SCHEDULE}{}", schedule.name));
            let record = self.store.load(std::slice::from_ref(&key)).await?.into_iter().next().flatten();
            let before: Scheduled = record.as_ref().map(|r| read_whole(&key, &r.body)).transpose()?.unwrap_or_default();
            let spec = schedule.at.to_string();
            if before.spec == spec && before.next.is_some() {
                continue;
            }
            let now = self.store.now();
            let next = schedule.at.next_after(now);
            let state = Scheduled { spec, next: Some(next), ..before };
            let journal = to_json(&serde_json::json!([{"e": "armed", "spec": state.spec, "next": next}]));
            let head = record.map_or(Head::NONE, |r| r.head);
            let c = Commit::new(key, head, to_json(&state), journal, Some(next), Lane::PLANNING, now);
            // Where another gateway was first, it has armed the same.
            self.store.commit(WriteLane::Rest, vec![c]).await?;
        }
        Ok(())
    }

    /// The schedules as they stand.
    pub async fn schedules(&self) -> Result<Vec<ScheduleView>, StoreError> {
        let keys: Vec<Key> = self.settings.drills.iter().map(|s| Key::Named(format!("{SCHEDULE}{}", s.name))).collect();
        let records = if keys.is_empty() { Vec::new() } else { self.store.load(&keys).await? };
        let mut out = Vec::new();
        for (schedule, record) in self.settings.drills.iter().zip(records) {
            let state: Scheduled = record.as_ref().map(|r| from_json(&r.key, &r.body)).transpose()?.unwrap_or_default();
            out.push(ScheduleView { schedule: schedule.clone(), next: state.next, last: state.last });
        }
        Ok(out)
    }

    /// A schedule's time has come: the drill is started, or it is said why not; then the clock is set anew.
    pub(super) async fn work_schedule(&self, claim: Claim) -> Result<(), StoreError> {
        let Some(record) = &claim.record else { return Ok(()) };
        let before: Scheduled = read_whole(&claim.key, &record.body)?;
        let now = self.store.now();
        let name = match &claim.key {
            Key::Named(n) => n.trim_start_matches(SCHEDULE).to_string(),
            _ => String::new(),
        };
        let schedule = self.settings.drills.iter().find(|s| s.name == name).cloned();
        let mut state = before.clone();
        if let Some(due) = before.next.filter(|due| *due > now) {
            return self.store.release(&[(claim.key, claim.nonce)], due).await;
        }
        match (&schedule, before.next) {
            (Some(s), Some(due)) => {
                let last = self.fire(s, due, now).await?;
                state.last = Some(last);
                state.next = Some(s.at.next_after(now));
            }
            // Not configured here (any more): another gateway may have it; during a rollout one does.
            _ => return self.store.release(&[(claim.key, claim.nonce)], now + ELSEWHERE).await,
        }
        let journal = to_json(&serde_json::json!([{"e": "schedule", "last": state.last, "next": state.next}]));
        let c = Commit::new(claim.key, record.head, to_json(&state), journal, state.next, Lane::PLANNING, now);
        let done = matches!(self.store.commit(WriteLane::Rest, vec![c]).await?.first(), Some(Committed::Done));
        if done && let Some(why) = state.last.as_ref().and_then(|l| l.skipped.clone()) {
            let data = serde_json::json!({"schedule": name, "why": why, "at": now.rfc3339()});
            self.announce("drills", FeedItem { kind: "drill.skipped".into(), warning: None, callout: None, at: now, data }).await?;
        }
        Ok(())
    }

    async fn fire(&self, s: &DrillSchedule, due: Time, now: Time) -> Result<LastStart, StoreError> {
        let skipped = |why: String| LastStart { at: now, warning: None, skipped: Some(why) };
        if now > due + MISSED {
            return Ok(skipped(format!("没有网关在 {} 运行，本次不补", due.rfc3339())));
        }
        let who = format!("定时 {}", s.name);
        let identifier = format!("schedule/{}/{}", s.name, due.beijing().strftime("%Y%m%dT%H%M"));
        let scope =
            DrillScope { tiers: s.tiers.clone(), channels: s.channels.clone(), schedule: Some(s.name.clone()), ..DrillScope::default() };
        let started = if s.roll_call {
            let share = if s.share == 0 { Share::Quarter } else { Share::OneIn(s.share) };
            let order = RollCall { identifier, share, within: s.divisions.clone(), scope, beside_real: false };
            self.start_roll_call(&who, order).await
        } else {
            let (_, lookup) = self.people_now().await?;
            let divisions = if s.divisions.is_empty() { lookup.tops().to_vec() } else { s.divisions.clone() };
            let areas = divisions.into_iter().map(drill::whole).collect();
            let mut content = drill::roll_call_content(identifier, areas, due);
            content.sender = "schedule".into();
            content.parameters.clear();
            content.expires = None;
            content.hazard = s.hazard.clone().unwrap_or(content.hazard);
            content.level = s.level.unwrap_or(content.level);
            content.headline = s.headline.clone().unwrap_or_else(|| format!("定期演练：{}", s.name));
            self.start_drill_of(&who, content, scope, false).await.map(Some)
        };
        match started {
            Ok(Some(reply)) => Ok(LastStart { at: now, warning: Some(reply.id), skipped: None }),
            Ok(None) => Ok(skipped("本季度所有号码都已验证".into())),
            Err(PostError::Store(e)) => Err(e),
            Err(e) => Ok(skipped(e.to_string())),
        }
    }
}

/// The same request twice is the same drill; narrowed otherwise it is another.
fn digest(content: &Content, scope: &DrillScope) -> String {
    let plain = ingest::digest(content);
    if scope.is_plain() {
        return plain;
    }
    let hash = Sha256::digest([plain.as_bytes(), &to_json(scope)].concat());
    hash.iter().map(|b| format!("{b:02x}")).collect()
}

fn proofs_of(docs: &[Doc]) -> Result<Proofs, StoreError> {
    let mut all = Proofs::new();
    for doc in docs {
        let Some(phone) = Phone::parse(&doc.id) else { continue };
        let proof = serde_json::from_slice(&doc.body).map_err(|e| StoreError::Corrupt(format!("the proof of {phone}: {e}")))?;
        all.insert(phone, proof);
    }
    Ok(all)
}
