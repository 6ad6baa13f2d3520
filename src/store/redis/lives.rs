//! Lives of the primaries. Whatever decides anything names the life of its primary that this gateway
//! knows; on another life (a replica was promoted, a server came back from its files) the server does
//! nothing, and what it may have lost is repaired from the journal first.
//!
//! A turn counts the repairs of a group of partitions. What was told to the journal while a repair
//! began may have been missed by it; who finds the turn changed does its call again.

use super::{
    Core,
    link::{Again, Confirm, Refusal, Via},
    names::Part,
    outbox::Run,
    reply,
};
use crate::store::{
    Claim, Commit, Doc, Key, StoreError,
    journal::{LetterDigest, frame},
    transfer::GATEWAYS,
};
use redis::{Cmd, Value};
use sha1::{Digest, Sha1};
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError, atomic::Ordering},
    time::Duration,
};

/// Before anything is known of a primary.
const NONE: &str = "-";
/// Letters remembered in each of two generations.
const REMEMBERED: usize = 100_000;

#[derive(Clone, Debug, Default)]
struct Life {
    name: Option<String>,
    turn: u64,
}

/// A call that the primary carried out.
pub(super) struct Made {
    pub value: Value,
    /// The turn it was made in.
    pub turn: u64,
    /// Why it does not count as confirmed, where the replicas did not say that they have it.
    pub unconfirmed: Option<StoreError>,
}

impl Made {
    /// What was answered, once.
    pub fn take(&mut self) -> Value {
        std::mem::replace(&mut self.value, Value::Nil)
    }

    /// Whether it counts, now that what it did is told to the journal: not where a repair began meanwhile (then it is
    /// made again), an error where it was not confirmed.
    pub fn counts(&mut self, turn: u64) -> Result<bool, StoreError> {
        if self.turn != turn {
            return Ok(false);
        }
        self.unconfirmed.take().map_or(Ok(true), Err)
    }
}

/// What this gateway knows of the primaries' lives.
#[derive(Default)]
pub(super) struct Lives {
    known: Mutex<BTreeMap<Part, Life>>,
    /// One repair at a time.
    repairing: tokio::sync::Mutex<()>,
    /// The highest number this gateway was given of each sequence.
    given: Mutex<BTreeMap<String, u64>>,
}

impl Lives {
    fn known(&self) -> MutexGuard<'_, BTreeMap<Part, Life>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn given(&self, sequence: &str, n: u64) {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        let highest = given.entry(sequence.to_string()).or_insert(n);
        *highest = n.max(*highest);
    }

    pub fn numbers(&self) -> BTreeMap<String, u64> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Digests of letters that were handed out lately, so that the journal can say what a commit consumed.
#[derive(Default)]
pub(super) struct Letters {
    young: BTreeMap<(Key, u64), LetterDigest>,
    old: BTreeMap<(Key, u64), LetterDigest>,
}

pub(super) fn digest(body: &[u8]) -> LetterDigest {
    let all = Sha1::digest(body);
    let mut first = LetterDigest::default();
    first.iter_mut().zip(all).for_each(|(to, from)| *to = from);
    first
}

impl Core {
    /// Partitions that live and die together go by this one.
    pub(super) fn group(&self, part: Part) -> Part {
        if self.together { Part::CONTROL } else { part }
    }

    pub(super) fn life_groups(&self) -> Vec<Part> {
        if self.together { vec![Part::CONTROL] } else { Part::all(self.partitions).collect() }
    }

    pub(super) fn turn(&self, group: Part) -> u64 {
        self.lives.known().get(&group).map_or(0, |l| l.turn)
    }

    pub(super) fn known_life(&self, group: Part) -> Option<String> {
        self.lives.known().get(&group).and_then(|l| l.name.clone())
    }

    fn hold_ms(&self) -> u128 {
        self.link.settings.recovery_hold.as_millis()
    }

    /// A call with the last argument that the library's fence wants. `replay`: 0 none, 1 strict, 2 not.
    pub(super) fn with_life(&self, call: &Cmd, replay: u8, life: &str) -> Cmd {
        let mut call = call.clone();
        call.arg(format!("{} {} {replay} {life}", u8::from(self.together), self.hold_ms()));
        call
    }

    /// Makes a call on the life of the primary that we know; repairs another one first, and waits while a
    /// new one is held. What was not confirmed is an error.
    pub(super) async fn fenced(&self, part: Part, via: Via, call: &Cmd, again: Again, confirm: Confirm) -> Result<Value, StoreError> {
        let made = self.fenced_made(part, via, call, again, confirm).await?;
        made.unconfirmed.map_or(Ok(made.value), Err)
    }

    /// The same for who must know what was done although it was not confirmed.
    pub(super) async fn fenced_made(&self, part: Part, via: Via, call: &Cmd, again: Again, confirm: Confirm) -> Result<Made, StoreError> {
        let mut patience = self.link.settings.recovery_hold * 2 + Duration::from_secs(1);
        loop {
            match self.try_fenced(part, via, call, again, confirm).await? {
                Ok(done) => return Ok(done),
                Err(held) => {
                    let pause = held.min(Duration::from_millis(200));
                    if pause > patience {
                        return Err(Refusal::Held(u64::try_from(held.as_millis()).unwrap_or(u64::MAX)).into());
                    }
                    patience -= pause;
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    /// The same for a call that has nothing to do while a new life is held: `None` after a moment.
    pub(super) async fn fenced_now(&self, part: Part, call: &Cmd, again: Again) -> Result<Option<Value>, StoreError> {
        match self.try_fenced(part, Via::Work, call, again, Confirm::No).await? {
            Ok(made) => made.unconfirmed.map_or(Ok(Some(made.value)), Err),
            Err(held) => {
                tokio::time::sleep(held.min(Duration::from_millis(200))).await;
                self.waker.kick();
                Ok(None)
            }
        }
    }

    async fn try_fenced(
        &self,
        part: Part,
        via: Via,
        call: &Cmd,
        again: Again,
        confirm: Confirm,
    ) -> Result<Result<Made, Duration>, StoreError> {
        let group = self.group(part);
        loop {
            let life = self.lives.known().get(&group).cloned().unwrap_or_default();
            let known = life.name.as_deref().unwrap_or(NONE);
            match self.link.try_call(part, via, &self.with_life(call, 0, known), again, confirm).await {
                Ok(value) => {
                    self.held.store(false, Ordering::Relaxed);
                    return Ok(Ok(Made { value, turn: life.turn, unconfirmed: None }));
                }
                Err(Refusal::Unconfirmed(value, why)) => return Ok(Ok(Made { value, turn: life.turn, unconfirmed: Some(why) })),
                Err(Refusal::Held(ms)) => {
                    self.held.store(true, Ordering::Relaxed);
                    return Ok(Err(Duration::from_millis(ms.max(1))));
                }
                Err(Refusal::Store(e)) => return Err(e),
                Err(Refusal::Reborn(_)) => self.repair_once(group, &life).await?,
            }
        }
    }

    /// Repairs, unless somebody did since `seen`.
    async fn repair_once(&self, group: Part, seen: &Life) -> Result<(), StoreError> {
        let _one = self.lives.repairing.lock().await;
        let now = self.lives.known().get(&group).cloned().unwrap_or_default();
        if now.turn != seen.turn {
            return Ok(());
        }
        // All that is on the same server lives and dies with it.
        let topology = self.link.topology();
        let at = topology.0.get(&group);
        let groups: Vec<Part> =
            self.life_groups().into_iter().filter(|g| *g == group || (at.is_some() && topology.0.get(g) == at)).collect();
        self.repair_held(&groups).await
    }

    /// Looks at the lives of these groups and repairs those that are new.
    pub(super) async fn repair(&self, groups: &[Part]) -> Result<(), StoreError> {
        let _one = self.lives.repairing.lock().await;
        self.repair_held(groups).await
    }

    async fn repair_held(&self, groups: &[Part]) -> Result<(), StoreError> {
        let looked = groups.iter().map(|group| async move {
            let known = self.lives.known().get(group).and_then(|l| l.name.clone());
            let mut ask = self.link.function("life", *group);
            ask.arg(group.to_string()).arg(u8::from(self.together)).arg(known.as_deref().unwrap_or(NONE)).arg(self.hold_ms().to_string());
            let [life, held] = reply::parts(self.link.call(*group, Via::Work, &ask, Again::Safe).await?)?;
            let (life, held) = (reply::text(life)?, reply::number::<u64>(held)?);
            Ok::<_, StoreError>((known.as_ref() != Some(&life)).then_some((*group, (life, held))))
        });
        let new: BTreeMap<Part, (String, u64)> = futures_util::future::try_join_all(looked).await?.into_iter().flatten().collect();
        if new.is_empty() {
            return Ok(());
        }
        // From here on, whoever tells the journal something finds the turn changed and looks again.
        for group in new.keys() {
            self.lives.known().entry(*group).or_default().turn += 1;
        }
        // Numbers are given again there: what arrived by the life before says nothing of what waits by this one.
        self.arrived().retain(|(source, _), _| !new.contains_key(&self.group(*source)));
        if new.contains_key(&Part::CONTROL) {
            self.look_whose().await?;
        }
        // How long nobody was there is known to the store; where that cannot be asked, it is as it was when last asked.
        if let Err(e) = self.look_at_clock(Some(self.now())).await {
            tracing::debug!(error = %e, "the server's clock could not be read before a repair");
        }
        let before = self.lives_before(&new).await?;
        self.replay(&new, &before).await?;
        if let Some(journal) = &self.journal {
            // Only now: a gateway that ends before this repairs again when it comes back.
            journal.keep_lives(new.iter().map(|(group, (life, _))| (group.to_string(), life.clone())).collect()).await?;
        }
        let mut again = false;
        for (group, (life, _)) in new {
            again |= self.lives.known().entry(group).or_default().name.replace(life).is_some();
        }
        if again {
            self.waker.kick();
        }
        Ok(())
    }

    /// In which life of each of these groups this gateway made what its journal holds, where that was another one.
    async fn lives_before(&self, new: &BTreeMap<Part, (String, u64)>) -> Result<BTreeMap<Part, String>, StoreError> {
        let Some(journal) = &self.journal else { return Ok(BTreeMap::new()) };
        let kept: BTreeMap<String, String> = journal.lives().await?.into_iter().collect();
        let before = |group: &Part| self.known_life(*group).or_else(|| kept.get(&group.to_string()).cloned());
        let others = new.iter().filter_map(|(group, (life, _))| Some((*group, before(group).filter(|was| was != life)?)));
        Ok(others.collect())
    }

    /// Before a move: whoever told something that a new life of a primary has lost has it in a journal of its own, and is
    /// to put it back first. Where no life was ever noted, no gateway has worked yet.
    ///
    /// # Errors
    /// `Unavailable`, with what to do, where not all gateways may have looked at the life there is.
    pub(super) async fn refuse_unrepaired(&self) -> Result<(), StoreError> {
        for group in self.life_groups() {
            let mut ask = self.link.function("lives", group);
            ask.arg(group.to_string()).arg(u8::from(self.together));
            let [kept, held, is] = reply::parts(self.link.call(group, Via::Work, &ask, Again::Safe).await?)?;
            let (kept, held, is) = (reply::text(kept)?, reply::number::<u64>(held)?, reply::text(is)?);
            if !kept.is_empty() && (kept != is || held > 0) {
                return Err(StoreError::Unavailable(format!(
                    "redis: the primary of partition {group} was restarted or failed over since the gateways last worked on it. What it may \
                     have lost is in their local journals (store.redis.journal) and would not be moved: start every gateway with this \
                     configuration, wait until each one's /readyz answers 200, stop them and move again"
                )));
            }
        }
        Ok(())
    }

    /// For the looker: finds a life that nobody has called yet.
    pub(super) async fn look_at_lives(&self) {
        if let Err(e) = self.repair(&self.life_groups()).await {
            tracing::debug!(error = %e, "the primaries' lives could not be looked at");
        }
    }

    /// Notes letters that were handed out.
    pub(super) fn remember_letters(&self, claims: &[Claim]) {
        if self.journal.is_none() {
            return;
        }
        let mut letters = self.letters.lock().unwrap_or_else(PoisonError::into_inner);
        for claim in claims {
            for letter in &claim.inbox {
                letters.young.insert((claim.key.clone(), letter.seq), digest(&letter.body));
            }
        }
        if letters.young.len() > REMEMBERED {
            letters.old = std::mem::take(&mut letters.young);
        }
    }

    fn letters_of(&self, c: &Commit) -> Vec<(u64, LetterDigest)> {
        if c.consumed.is_empty() {
            return Vec::new();
        }
        let mut letters = self.letters.lock().unwrap_or_else(PoisonError::into_inner);
        let mut take = |seq: u64| {
            let of = (c.key.clone(), seq);
            letters.young.remove(&of).or_else(|| letters.old.remove(&of)).map(|d| (seq, d))
        };
        c.consumed.iter().filter_map(|seq| take(*seq)).collect()
    }

    /// Nothing is begun that could not be told the journal: it would stand in Redis, and be done for nobody.
    pub(super) async fn can_tell(&self) -> Result<(), StoreError> {
        match &self.journal {
            Some(journal) => journal.writable().await,
            None => Ok(()),
        }
    }

    /// Makes commits that are done durable here as well, before anybody hears of them.
    pub(super) async fn told<'a>(&self, done: impl Iterator<Item = &'a Commit>) -> Result<(), StoreError> {
        let Some(journal) = &self.journal else { return Ok(()) };
        let frames = done.map(|c| frame::commit(c, self.letters_of(c))).collect::<Result<Vec<_>, _>>()?;
        journal.append(self.lived(), frames).await
    }

    pub(super) async fn told_carried(&self, run: &Run) -> Result<(), StoreError> {
        let Some(journal) = &self.journal else { return Ok(()) };
        let entry = frame::carried(&run.source.to_string(), &run.dest.to_string(), &run.before, &run.entries)?;
        journal.append(self.lived(), vec![entry]).await
    }

    pub(super) async fn told_docs(&self, kind: &str, expect: u64, by: &str, upsert: &[Doc], delete: &[String]) -> Result<(), StoreError> {
        // Heartbeats come every two seconds and are worth nothing after a failover.
        let Some(journal) = self.journal.as_ref().filter(|_| kind != GATEWAYS) else { return Ok(()) };
        journal.append(self.lived(), vec![frame::docs(kind, expect, by, upsert, delete)?]).await
    }

    pub(super) fn docs_call(&self, kind: &str, expect: u64, by: &str, upsert: &[Doc], delete: &[String]) -> Cmd {
        let mut apply = self.link.function("docs_apply", Part::CONTROL);
        apply.arg(kind).arg(expect).arg(by).arg(upsert.len());
        for doc in upsert {
            apply.arg(&doc.id).arg(&doc.body);
        }
        apply.arg(delete);
        apply
    }
}
