//! A group's digest, carried out: letters in, a look at the warnings that are due, one message at a time out by the group's
//! robot, its outcome on record. What is said and when is `core::digest`'s; one durable record a group, so that of several
//! gateways one sends.

use super::{
    Engine,
    apply::{WarningChange, to_json},
    dispatcher::{HELD_UP, held_up},
    limits::Account,
    newer::read_whole,
};
use crate::{
    channel::{Address, GroupRobot, Message, SendRequest},
    core::{
        callout::state::CalloutState,
        digest::{About, Digest, Figures, Look, Pace, Said, Section, Seen, Why, deadlines, moments, unclaimed_after},
        directory::Tier,
        division::Division,
        hazard::Level,
        ids::WarningId,
        plan::{CHUNK, PlanEntry},
        send::{Channel, Outcome},
        time::{Span, Time},
        warning_life::{WarningEnd, WarningPhase, WarningState},
    },
    store::{Claim, Commit, Committed, Envelope, Head, Key, Lane, Record, StoreError, WriteLane},
    telemetry::metrics,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeSet, HashSet},
    sync::{Arc, Mutex, PoisonError},
};

/// The records' names: this and the account.
/// Whether a group that was switched off is on again is looked at so often.
const SWITCHED_OFF: Span = Span::secs(10);
const NAME: &str = "digest/";
/// Open tasks looked through for unclaimed ones.
const TASKS: usize = 2000;
/// Conflicts on the record that are retried.
const RETRIES: usize = 20;

/// Letters to a group's digest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "letter", rename_all = "snake_case")]
enum DigestLetter {
    /// Something happened to this warning.
    Look { warning: WarningId },
}

/// Claimed digests that wait to be worked beside the turn: counting takes tens of milliseconds, and nobody's call waits
/// for a group.
#[derive(Default)]
pub struct Waiting(Mutex<Vec<Claim>>);
impl Waiting {
    fn push(&self, claim: Claim) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(claim);
    }
    fn take(&self) -> Vec<Claim> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A message ready to leave, and what it says of which warnings.
struct Ready {
    message: Message,
    at_all: bool,
    about: Vec<About>,
}

/// Somebody of a plan who is no row yet.
struct Planned {
    told_only: bool,
    division: Division,
    tier: Tier,
    places: Vec<String>,
}
impl Planned {
    fn of(w: &WarningState, e: &PlanEntry) -> Option<Planned> {
        let first = e.posts.first()?;
        let asks = w.policy.ladders.get(usize::from(e.ladder)).is_none_or(|l| l.ladder.answer);
        let places = e.posts.iter().map(|p| p.place.id()).collect();
        Some(Planned { told_only: !asks, division: first.place.division, tier: first.tier, places })
    }
}

/// One record in hand.
struct Hand<'a> {
    key: Key,
    head: Head,
    account: &'a Arc<Account>,
    robot: &'a GroupRobot,
    pace: Pace,
    digest: Digest,
    /// What happened, for the journal.
    entry: serde_json::Value,
    consumed: Vec<u64>,
}

impl Engine {
    /// The letters to the groups that something happened to a warning; none where no account is a robot.
    pub(super) fn digest_letters(&self, w: &WarningState, change: &WarningChange) -> Vec<Envelope> {
        if w.phase == WarningPhase::Accepted || !w.rings() {
            return Vec::new();
        }
        let ended = w.end.as_ref().is_some_and(|e| e.cursor >= w.plan.entries) && w.phase == WarningPhase::Closed;
        if change.announce.is_empty() && change.tasks.is_empty() && !ended {
            return Vec::new();
        }
        let robots = self.accounts.all().iter().filter(|a| a.provider.robot().is_some());
        let body = to_json(&DigestLetter::Look { warning: w.id });
        let to = |a: &Arc<Account>| Key::Named(format!("{NAME}{}", a.name()));
        robots.map(|a| Envelope { to: to(a), lane: lane(w.drill), not_before: Time(0), body: body.clone() }).collect()
    }

    /// Leaves a claimed record to [`Engine::work_digest`], where it is a group's; answers the claim where it is not.
    pub(super) fn park_digest(&self, claim: Claim) -> Option<Claim> {
        match &claim.key {
            Key::Named(name) if name.starts_with(NAME) => {
                self.digests.push(claim);
                None
            }
            _ => Some(claim),
        }
    }

    /// Digests that came due; each is to be worked with [`Engine::work_digest`].
    pub fn take_digests(&self) -> Vec<Claim> {
        self.digests.take()
    }

    /// One step of a group's digest: hears letters, counts, and where there is something to say and the robot may, commits
    /// the intent, sends, and records what came of it.
    pub async fn work_digest(&self, claim: Claim) -> Result<(), StoreError> {
        let (key, nonce) = (claim.key.clone(), claim.nonce);
        match self.digest_turn(claim).await {
            Err(e @ (StoreError::Corrupt(_) | StoreError::Newer(_))) => {
                self.leave(&key, nonce, &e).await;
                Ok(())
            }
            other => other,
        }
    }

    async fn digest_turn(&self, claim: Claim) -> Result<(), StoreError> {
        let Key::Named(name) = &claim.key else { return Ok(()) };
        let before: Digest = claim.record.as_ref().map(|r| read_whole(&claim.key, &r.body)).transpose()?.unwrap_or_default();
        let now = self.store.now();
        let named = name.strip_prefix(NAME).and_then(|n| self.accounts.named(n));
        let Some((account, robot)) = named.and_then(|a| a.provider.robot().map(|r| (a, r))) else {
            return self.without_robot(claim, &before, now).await;
        };
        let mut hand = Hand {
            head: claim.record.as_ref().map_or(Head::NONE, |r| r.head),
            key: claim.key.clone(),
            account,
            robot,
            pace: self.pace_of(account, robot),
            digest: before.clone(),
            entry: serde_json::Value::Null,
            consumed: Vec::new(),
        };
        for letter in &claim.inbox {
            match read_whole::<DigestLetter>(&claim.key, &letter.body) {
                Ok(DigestLetter::Look { warning }) => {
                    hand.digest.note(warning, now);
                    hand.consumed.push(letter.seq);
                }
                // Written by a newer version: never lost, read again after the rollout.
                Err(e) => tracing::error!(key = %claim.key, error = %e, "a letter cannot be read; it is kept"),
            }
        }
        let lost = hand.digest.lost(&hand.pace, now);
        // An officer has switched it off: what there is to say waits, and is said when it is on again.
        let disabled = account.standing().disabled.is_some();
        let free = !disabled && hand.digest.flight.is_none() && hand.digest.free_at(&hand.pace, now) <= now;
        let ready = if free { self.compose(&mut hand.digest, robot, now).await? } else { None };
        let Some(ready) = ready else {
            if hand.digest == before && hand.consumed.is_empty() {
                let soonest = now + if disabled { SWITCHED_OFF } else { Span::ms(1) };
                let until = hand.digest.due(&hand.pace, now).unwrap_or(now + Span::mins(10)).max(soonest);
                return self.store.release(&[(claim.key, claim.nonce)], until).await;
            }
            hand.entry = serde_json::json!({"e": "looked", "lost": lost, "letters": hand.consumed, "at": now});
            return self.commit_digest(&hand, now).await.map(drop);
        };
        let Ready { message, at_all, about } = ready;
        let told: Vec<(WarningId, Why)> = about.iter().map(|a| (a.warning, a.said.why)).collect();
        let n = hand.digest.leave(about, &hand.pace, now);
        hand.entry = serde_json::json!({"e": "leaves", "n": n, "about": told, "title": message.subject, "at_all": at_all,
            "drill": message.drill, "lost": lost, "letters": hand.consumed, "at": now});
        if !self.commit_digest(&hand, now).await? {
            // Somebody else was first: it is due again by its own clock.
            return Ok(());
        }
        let request = SendRequest { reference: format!("{}-{n}", account.name()), to: Address::Group { at_all }, message };
        let by = now + self.settings.leaves_within();
        let outcome = match self.store.now() < by {
            true => account.provider.send(&request).await,
            // The disk was slow; whoever takes it for lost must not see it leave now.
            false => Outcome::Retryable { detail: HELD_UP.into() },
        };
        let seconds = self.store.now() - now;
        self.digest_heard(&hand, n, &outcome, seconds).await
    }

    /// Records what came of a message.
    async fn digest_heard(&self, hand: &Hand<'_>, n: u32, outcome: &Outcome, took: Span) -> Result<(), StoreError> {
        let account = hand.account;
        metrics::attempt(Channel::Im.as_str(), account.name(), outcome.class(), took);
        if !matches!(outcome, Outcome::Accepted { .. }) {
            tracing::warn!(account = account.name(), ?outcome, "a group's digest was not taken");
        }
        if !held_up(outcome)
            && let Some(happened) = account.learn(outcome, took.seconds_f64(), self.store.now())
        {
            self.write_learned(vec![(account.name().to_string(), happened)]).await?;
        }
        for _ in 0..RETRIES {
            let Some(record) = self.load_digest(&hand.key).await? else { return Ok(()) };
            let now = self.store.now();
            let mut digest: Digest = read_whole(&hand.key, &record.body)?;
            if !digest.heard(n, outcome, &hand.pace, now) {
                return Ok(());
            }
            let entry = serde_json::json!({"e": "heard", "n": n, "outcome": outcome, "at": now});
            let next = Hand {
                key: hand.key.clone(),
                head: record.head,
                account,
                robot: hand.robot,
                pace: hand.pace.clone(),
                digest,
                entry,
                consumed: Vec::new(),
            };
            if self.commit_digest(&next, now).await? {
                return Ok(());
            }
        }
        // Its intent stands: without an outcome it becomes unknown by the clock.
        Err(StoreError::Unavailable(format!("{} is changed by others faster than this could be recorded", hand.key)))
    }

    async fn load_digest(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        Ok(self.store.load(std::slice::from_ref(key)).await?.into_iter().next().flatten())
    }

    async fn commit_digest(&self, hand: &Hand<'_>, now: Time) -> Result<bool, StoreError> {
        let due = hand.digest.due(&hand.pace, now);
        let mut c = Commit::new(hand.key.clone(), hand.head, to_json(&hand.digest), to_json(&[&hand.entry]), due, lane(false), now);
        c.consumed = hand.consumed.clone();
        Ok(matches!(self.store.commit(WriteLane::Rest, vec![c]).await?.first(), Some(Committed::Done)))
    }

    /// The account is no robot's (any more): its letters are read, and nothing waits.
    async fn without_robot(&self, claim: Claim, digest: &Digest, now: Time) -> Result<(), StoreError> {
        tracing::warn!(key = %claim.key, "this group has no robot in the configuration (any more); it is told nothing");
        let consumed: Vec<u64> = claim.inbox.iter().map(|l| l.seq).collect();
        let journal = to_json(&serde_json::json!([{"e": "no_robot", "letters": consumed, "at": now}]));
        let head = claim.record.as_ref().map_or(Head::NONE, |r| r.head);
        let mut c = Commit::new(claim.key, head, to_json(digest), journal, None, lane(false), now);
        c.consumed = consumed;
        self.store.commit(WriteLane::Rest, vec![c]).await.map(drop)
    }

    fn pace_of(&self, account: &Account, robot: &GroupRobot) -> Pace {
        Pace {
            limits: account.provider.limits().per_callee.iter().map(|l| (l.count, l.window)).collect(),
            gap: robot.group.gap,
            avoids_half_hours: robot.avoids_half_hours,
            patience: self.settings.sending_timeout,
        }
    }

    /// Looks at every warning that is due, and makes one message of what is to be said: of real ones first, never of
    /// both. What did not fit stays due.
    async fn compose(&self, digest: &mut Digest, robot: &GroupRobot, now: Time) -> Result<Option<Ready>, StoreError> {
        let mut all: Vec<(WarningId, Section, bool)> = Vec::new();
        for id in digest.due_now(now) {
            let Some((look, section)) = self.look(id, robot, now).await? else {
                digest.warnings.remove(&id);
                continue;
            };
            let Some(told) = digest.warnings.get_mut(&id) else { continue };
            match told.assess(&look, &robot.group, now) {
                (Some(why), _) => all.push((id, Section { why, ..section }, look.over)),
                (None, _) if look.over => drop(digest.warnings.remove(&id)),
                (None, next) => told.next = next,
            }
        }
        let drill = all.iter().all(|(_, s, _)| s.drill);
        all.retain(|(_, s, _)| s.drill == drill);
        all.sort_by_key(|(id, s, _)| (std::cmp::Reverse(s.level.rank()), s.why, *id));
        let sections: Vec<Section> = all.iter().map(|(_, s, _)| s.clone()).collect();
        let Some(first) = sections.first() else { return Ok(None) };
        let calls_up = |s: &Section| !drill && matches!(s.why, Why::Start | Why::Overdue) && robot.group.at_all.contains(&s.level);
        // The highest stands first; a message that calls everybody up begins with what it does so for.
        let at_all = calls_up(first);
        let longest = if at_all { robot.longest_at_all } else { robot.longest };
        let (message, used) = match self.renderer.digest(&sections, longest) {
            Ok(made) => made,
            Err(fault) => {
                // `check` finds it before the gateway starts; until it is mended the group is told nothing.
                tracing::error!(%fault, "a group's digest cannot be made");
                for (id, ..) in &all {
                    digest.warnings.entry(*id).or_default().next = Some(now + robot.group.every);
                }
                return Ok(None);
            }
        };
        let about = all.into_iter().take(used).map(|(warning, s, over)| {
            let said = Said { at: now, why: s.why, figures: s.figures.sums(), ended: s.ended };
            About { warning, said, last: over }
        });
        Ok(Some(Ready { message, at_all, about: about.collect() }))
    }

    /// A warning as it stands for this group; `None` where it does not concern it.
    async fn look(&self, id: WarningId, robot: &GroupRobot, now: Time) -> Result<Option<(Look, Section)>, StoreError> {
        let group = &robot.group;
        let Some((w, _)) = self.load_warning(id).await? else { return Ok(None) };
        if !w.rings() || !group.wants(&w.content.hazard, w.level(), w.drill) {
            return Ok(None);
        }
        let (mut figures, tiers) = self.figures(&w, robot).await?;
        if w.plan.entries > 0 && figures.expected == 0 && figures.told == 0 {
            return Ok(None);
        }
        let late = unclaimed_after(&w);
        let tasks = self.reports.tasks(Some(id), true, TASKS).await?;
        let unclaimed = tasks.iter().filter(|t| t.closed.is_none() && t.claimed_by.is_none() && t.opened_at + late <= now);
        figures.unclaimed = unclaimed.filter(|t| t.division.is_none_or(|d| group.covers(d))).count() as u32;
        let (ended, over) = ended(&w);
        let look = Look { figures: figures.clone(), moments: moments(&w, &tiers), ended, over };
        let facts = self.warning_facts(&w);
        let directory = self.directory();
        let name =
            |t: &crate::core::digest::Town| directory.division_name(t.division).map_or_else(|| t.division.to_string(), str::to_string);
        let section = Section {
            why: Why::Progress,
            drill: w.drill,
            level: w.level(),
            hazard: facts.hazard_zh().to_string(),
            headline: facts.headline.clone(),
            issuer: facts.issuer.clone(),
            areas: self.area_names(&w),
            accepted: w.accepted_at,
            deadlines: deadlines(&w, &tiers).into_iter().map(|(tier, at)| (tier.name_zh().to_string(), at)).collect(),
            towns: figures.towns.iter().map(|t| (name(t), t.clone())).collect(),
            figures,
            ended,
            at: now,
        };
        Ok(Some((look, section)))
    }

    /// Counts the rows, and what of the plan is no row yet, as far as it lies in the group's divisions.
    async fn figures(&self, w: &WarningState, robot: &GroupRobot) -> Result<(Figures, BTreeSet<Tier>), StoreError> {
        let rows = if w.plan.cursor > 0 { self.reports.faces(w.id).await? } else { Vec::new() };
        let mut tiers: BTreeSet<Tier> = BTreeSet::new();
        let mut planned: Vec<Planned> = Vec::new();
        if w.plan.cursor < w.plan.entries {
            // A crash may have left rows behind the cursor.
            let made: HashSet<u32> = rows.iter().map(|(id, _)| id.ordinal).collect();
            for n in w.plan.cursor / CHUNK as u32..w.plan.chunks {
                let Some(chunk) = self.chunk(w.id, n).await? else { continue };
                let entries = (n * CHUNK as u32..).zip(&chunk.entries);
                let fresh = entries.filter(|(ordinal, _)| *ordinal >= w.plan.cursor && !made.contains(ordinal));
                planned.extend(fresh.filter_map(|(_, e)| Planned::of(w, e)));
            }
        }
        let mut inside: Vec<Seen<'_>> = Vec::with_capacity(rows.len() + planned.len());
        for (_, f) in &rows {
            if robot.group.covers(f.division) {
                tiers.extend((!f.told_only).then_some(f.tier));
                inside.push(Seen { state: f.state, told_only: f.told_only, on_time: f.on_time, division: f.division, places: &f.places });
            }
        }
        for p in planned.iter().filter(|p| robot.group.covers(p.division)) {
            tiers.extend((!p.told_only).then_some(p.tier));
            inside.push(Seen {
                state: CalloutState::Queued,
                told_only: p.told_only,
                on_time: false,
                division: p.division,
                places: &p.places,
            });
        }
        let figures = Figures::of(inside);
        Ok((figures, tiers))
    }
}

/// Behind every send: a group is told about calls, it is none.
fn lane(drill: bool) -> Lane {
    Lane::of(Level::Blue, drill)
}

/// How it ended, and whether that is the last of it: an answered one stays in force until it expires or is cancelled.
fn ended(w: &WarningState) -> (Option<WarningEnd>, bool) {
    if w.phase != WarningPhase::Closed {
        return (None, false);
    }
    let walked = w.end.as_ref().filter(|e| e.cursor >= w.plan.entries).map(|e| e.reason);
    match (w.closed_reason, walked) {
        (Some(WarningEnd::Answered), Some(end @ (WarningEnd::Cancelled | WarningEnd::Superseded))) => (Some(end), true),
        (Some(WarningEnd::Answered), None) => (Some(WarningEnd::Answered), w.plan.entries == 0),
        (reason, _) => (reason, true),
    }
}
