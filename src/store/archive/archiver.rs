//! The way out. One call of [`Archived::turn`] carries on whatever was begun, by whomever, and picks what is next.

use super::{
    Archived, Forget, Forgetful, Forgot, KEPT, Taker, read_out,
    register::{Step, Work},
    returning::Place,
    survey,
};
use crate::{
    core::{
        ids::WarningId,
        time::{Span, Time},
        warning_life::WarningPhase,
    },
    store::{
        Doc, Head, Key, Record, StoreError,
        transfer::{Census, Entity, Kind, Piece},
    },
};
use async_trait::async_trait;
use serde::Deserialize;
use std::sync::PoisonError;

/// Warnings under way at once.
const AT_ONCE: usize = 16;
/// Copies fetched from other gateways at once, and for how long somebody is waited for who has one.
const FETCHED_AT_ONCE: usize = 4;
const FETCHED_WITHIN: Span = Span::secs(120);
/// One that was not quiet is looked at again after this.
const LOOK_AGAIN: Span = Span::mins(30);
/// Warnings listed at once.
const PAGE: usize = 200;

/// What a turn did and found, for logs and metrics.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Turned {
    /// Forgotten in the live store, by this gateway.
    pub archived: Vec<WarningId>,
    /// Begun and waiting for copies of other gateways.
    pub waiting: usize,
    /// Registered copies that are not on this gateway's shelf.
    pub missing: usize,
    /// Records and journals that belong to no warning and were let go of, by this gateway.
    pub cleared: usize,
}

/// What of a warning's state says when it may leave.
#[derive(Deserialize)]
struct Ended {
    phase: WarningPhase,
    closed_at: Option<Time>,
}

/// How copying went.
enum Copied {
    Whole(String),
    /// Something is still going on there, or will.
    Restless(String),
}

impl Archived {
    /// One turn as the gateway `me` among those that `live` (this one may be missing there).
    ///
    /// # Errors
    /// The first that was met; everything else was tried all the same, and the next turn goes on.
    pub async fn turn(&self, me: &str, live: &[String]) -> Result<Turned, StoreError> {
        let mut turned = Turned::default();
        self.register.refresh(&*self.live.store).await?;
        let first = live.iter().all(|other| me <= other.as_str());
        let mut failed = if first { self.pick(me).await.err() } else { None };
        for (w, work) in self.register.works(&*self.live.store).await? {
            if let Err(e) = self.go_on(w, work, me, live, first, &mut turned).await {
                tracing::warn!(warning = %w, error = %e, "archiving this warning failed; it goes on in the next turn");
                failed.get_or_insert(e);
            }
        }
        match self.clear(me, live, first).await {
            Ok(n) => turned.cleared = n,
            Err(e) => {
                tracing::warn!(error = %e, "archiving callbacks and journals failed; it goes on in the next turn");
                failed.get_or_insert(e);
            }
        }
        turned.missing = self.catch_up().await?;
        failed.map_or(Ok(turned), Err)
    }

    /// Carries on what stands in the register.
    async fn go_on(&self, w: WarningId, work: Work, me: &str, live: &[String], first: bool, turned: &mut Turned) -> Result<(), StoreError> {
        // Whoever of the living has a copy and the smallest name; where none of those is left, who is first at all.
        let holders = live.iter().filter(|g| work.copies.contains(g)).min();
        let mine = holders.map_or(first || work.copies.iter().any(|g| g == me), |g| g == me);
        match &work.step {
            Step::Copying => {
                let work = if work.copies.iter().any(|g| g == me) { work } else { self.confirm(w, work, me, first).await? };
                let confirmed = |g: &String| work.copies.contains(g);
                if !work.copies.iter().any(|g| g == me) || !first {
                    return Ok(());
                }
                if let Some(other) = live.iter().find(|g| !confirmed(g)) {
                    tracing::debug!(warning = %w, gateway = %other, "waiting for its copy");
                    turned.waiting += 1;
                    return Ok(());
                }
                self.begin_forgetting(w, &work, me, turned).await
            }
            Step::Forgetting { .. } if mine => {
                if self.is_live(w).await? {
                    // Broken off before anything was forgotten.
                    return self.begin_forgetting(w, &work, me, turned).await;
                }
                self.forget(w, &work, turned).await
            }
            Step::Returning if mine => {
                self.bring_back(w).await?;
                self.end(w, &Step::Returning).await
            }
            Step::Wanted => match self.place(w).await? {
                Place::Live => self.end(w, &Step::Wanted).await,
                Place::Here => self.bring_back(w).await,
                Place::Elsewhere if self.live.store.now() - work.at > FETCHED_WITHIN => {
                    tracing::error!(warning = %w, "no live gateway has this warning's copy in its archive: start the one that has, or restore its file");
                    self.end(w, &Step::Wanted).await
                }
                Place::Elsewhere => Ok(()),
            },
            Step::Forgetting { .. } | Step::Returning => Ok(()),
        }
    }

    /// Writes this gateway's copy and says so.
    async fn confirm(&self, w: WarningId, work: Work, me: &str, first: bool) -> Result<Work, StoreError> {
        let copied = self.copy(w).await?;
        let confirmed = std::sync::Mutex::new(work);
        self.register
            .change(&*self.live.store, w, |old| {
                let mut now = old.filter(|o| o.step == Step::Copying)?;
                match &copied {
                    Copied::Whole(digest) if *digest == now.digest => {
                        if !now.copies.iter().any(|g| g == me) {
                            now.copies.push(me.to_string());
                        }
                    }
                    // It changed since it was begun: begun anew, by one alone.
                    Copied::Whole(digest) if first => {
                        now.digest.clone_from(digest);
                        now.copies = vec![me.to_string()];
                    }
                    Copied::Restless(_) if first => return Some(None),
                    Copied::Whole(_) | Copied::Restless(_) => return None,
                }
                *confirmed.lock().unwrap_or_else(PoisonError::into_inner) = now.clone();
                Some(Some(now))
            })
            .await?;
        Ok(confirmed.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// All have their copies: registered first, then forgotten.
    async fn begin_forgetting(&self, w: WarningId, work: &Work, me: &str, turned: &mut Turned) -> Result<(), StoreError> {
        if self.kept().get(&w) != Some(&work.digest) {
            // Ours is of another time: it is written again.
            return self.end(w, &work.step).await;
        }
        self.register.note(&*self.live.store, w, &work.digest).await?;
        let at = self.live.store.now();
        // Another than any before: what a paused gateway still sends by an older one does nothing.
        let token = format!("{me}-{}", at.0);
        let begun = Work { step: Step::Forgetting { token }, at, ..work.clone() };
        let stands = |old: Option<Work>| (old.as_ref() == Some(work)).then(|| Some(begun.clone()));
        if self.register.change(&*self.live.store, w, stands).await? { self.forget(w, &begun, turned).await } else { Ok(()) }
    }

    async fn forget(&self, w: WarningId, work: &Work, turned: &mut Turned) -> Result<(), StoreError> {
        let Step::Forgetting { token } = &work.step else { return Ok(()) };
        if self.kept().get(&w) != Some(&work.digest) {
            return Ok(());
        }
        let what = Forget { warning: w, token: token.clone(), heads: self.heads(w).await? };
        match self.live.forgetful.forget(&what).await? {
            Forgot::Done => {
                self.end(w, &work.step).await?;
                tracing::info!(warning = %w, records = what.heads.len(), "archived: the live store has forgotten this warning");
                turned.archived.push(w);
                Ok(())
            }
            Forgot::Changed(why) => {
                tracing::info!(warning = %w, %why, "something happened to a warning that was being archived: it stays");
                self.rest(w);
                // Whole again, whatever was gone already.
                self.bring_back(w).await?;
                self.put_back_what_is_missing(w).await?;
                self.end(w, &work.step).await
            }
        }
    }

    /// A failover between two steps can bring the warning's own record back and nothing else of it: its primary lost the step,
    /// the others did not. What our copy has and the live store lacks is put back. Answers whether anything was.
    async fn put_back_what_is_missing(&self, w: WarningId) -> Result<bool, StoreError> {
        let _one = self.carrying.lock().await;
        let before = Time(i64::MAX);
        let mut look = Look { before, census: Census::default(), restless: None };
        read_out(&*self.live.forgetful, w, &mut look).await?;
        self.put_back(w, &look.census).await
    }

    async fn put_back(&self, w: WarningId, live: &Census) -> Result<bool, StoreError> {
        // A copy that is not the registered one is of another installation, or of another time.
        if !self.has_current_copy(w) {
            return Ok(false);
        }
        let ours = survey(&*self.shelf, w).await?;
        let (there, here) = (live.tally(Kind::Callout).count, ours.tally(Kind::Callout).count);
        if there >= here {
            return Ok(false);
        }
        tracing::error!(warning = %w, live = there, archived = here, "the live store has lost callouts of a closed warning; they are put back from the archive");
        self.carry_back(w).await.map(|()| true)
    }

    /// Not looked at again for a while.
    fn rest(&self, w: WarningId) {
        let until = self.live.store.now() + LOOK_AGAIN;
        self.restless.write().unwrap_or_else(PoisonError::into_inner).insert(w, until);
    }

    /// Finds what is closed and quiet, writes our copy of it and asks the others for theirs.
    async fn pick(&self, me: &str) -> Result<(), StoreError> {
        let works = self.register.works(&*self.live.store).await?;
        let mut room = AT_ONCE.saturating_sub(works.len());
        let now = self.live.store.now();
        self.restless.write().unwrap_or_else(PoisonError::into_inner).retain(|_, until| *until > now);
        let mut cursor = None;
        let mut failed = None;
        while room > 0 {
            let page = self.live.reports.warnings(cursor, PAGE).await?;
            for record in &page {
                let Key::Warning(w) = record.key else { continue };
                cursor = Some(w);
                let rests = self.restless.read().unwrap_or_else(PoisonError::into_inner).contains_key(&w);
                if room == 0 || rests || works.contains_key(&w) || !self.has_ended(record, now) {
                    continue;
                }
                room -= 1;
                let copied = match self.copy(w).await {
                    Ok(copied) => copied,
                    // One that cannot be read or written hinders no other.
                    Err(e) => {
                        tracing::warn!(warning = %w, error = %e, "this warning could not be copied into the archive; it stays for now");
                        self.rest(w);
                        failed.get_or_insert(e);
                        continue;
                    }
                };
                match copied {
                    Copied::Whole(digest) => {
                        let work = Work { step: Step::Copying, digest, copies: vec![me.to_string()], at: now };
                        self.register.change(&*self.live.store, w, |old| old.is_none().then(|| Some(work.clone()))).await?;
                    }
                    Copied::Restless(why) => {
                        tracing::debug!(warning = %w, %why, "not archived yet");
                        self.rest(w);
                    }
                }
            }
            if page.len() < PAGE {
                break;
            }
        }
        failed.map_or(Ok(()), Err)
    }

    fn has_ended(&self, record: &Record, now: Time) -> bool {
        // One that cannot be read is left alone: it may be a newer gateway's.
        record.due.is_none()
            && serde_json::from_slice::<Ended>(&record.body)
                .is_ok_and(|e| e.phase == WarningPhase::Closed && e.closed_at.is_some_and(|at| at + self.after <= now))
    }

    /// A copy on our shelf, read back and compared. An older one is thrown away first.
    async fn copy(&self, w: WarningId) -> Result<Copied, StoreError> {
        let _one = self.carrying.lock().await;
        let before = self.live.store.now() - self.after;
        let mut look = Look { before, census: Census::default(), restless: None };
        read_out(&*self.live.forgetful, w, &mut look).await?;
        let Look { census: looked, restless, .. } = look;
        // Before anything is thrown away: our copy may be the only place where they are.
        if looked.tally(Kind::Warning).count == 1 && self.put_back(w, &looked).await? {
            return Ok(Copied::Restless("it was not whole".to_string()));
        }
        if let Some(why) = restless {
            return Ok(Copied::Restless(why));
        }
        if looked.tally(Kind::Warning).count != 1 {
            return Ok(Copied::Restless("it is not there".to_string()));
        }
        let faults = looked.faults();
        if !faults.is_empty() {
            tracing::error!(warning = %w, ?faults, "a closed warning is not sound: it is not archived; see `audit verify`");
            return Ok(Copied::Restless("it is not sound".to_string()));
        }
        let digest = looked.digest();
        if self.kept().get(&w) == Some(&digest) && looked.differences(&survey(&*self.shelf, w).await?).is_empty() {
            // It had come back, and nothing happened to it.
            return Ok(Copied::Whole(digest));
        }
        self.throw_away(w).await?;
        let mut copying = Copying { w, to: &*self.shelf, census: Census::default() };
        read_out(&*self.live.forgetful, w, &mut copying).await?;
        let read = copying.census;
        let arrived = survey(&*self.shelf, w).await?;
        let wrong: Vec<String> = looked.differences(&read).into_iter().chain(read.differences(&arrived)).chain(arrived.faults()).collect();
        if !wrong.is_empty() {
            self.throw_away(w).await?;
            return Err(StoreError::Unavailable(format!("the copy of {w} is not what was read: {}", wrong.join("; "))));
        }
        self.keep(w, Some(&digest)).await?;
        Ok(Copied::Whole(digest))
    }

    /// Says on the shelf, durably, that a copy is whole, or that it is not any more.
    async fn keep(&self, w: WarningId, digest: Option<&str>) -> Result<(), StoreError> {
        let version = self.shelf.docs_version(KEPT).await?;
        let id = w.0.to_string();
        let upsert = digest.map(|d| Doc { id: id.clone(), body: d.as_bytes().to_vec() });
        let delete = if upsert.is_none() { vec![id] } else { Vec::new() };
        if self.shelf.docs_apply(KEPT, version, upsert.into_iter().collect(), delete).await?.is_none() {
            return Err(StoreError::Unavailable("another gateway writes to this archive: give each a file of its own".to_string()));
        }
        match digest {
            Some(d) => drop(self.kept_mut().insert(w, d.to_string())),
            None => drop(self.kept_mut().remove(&w)),
        }
        Ok(())
    }

    async fn throw_away(&self, w: WarningId) -> Result<(), StoreError> {
        if self.kept().contains_key(&w) {
            self.keep(w, None).await?;
        }
        let what = Forget { warning: w, token: "again".to_string(), heads: self.heads(w).await? };
        match self.shelf.forget(&what).await? {
            Forgot::Done => Ok(()),
            Forgot::Changed(why) => Err(StoreError::Corrupt(format!("the older copy of {w} cannot be thrown away: {why}"))),
        }
    }

    /// The records of a copy.
    async fn heads(&self, w: WarningId) -> Result<Vec<(Key, Head)>, StoreError> {
        let mut heads = Heads(Vec::new());
        read_out(&*self.shelf, w, &mut heads).await?;
        Ok(heads.0)
    }

    /// Copies that other gateways have and this one has not, because it was not there: some are asked for.
    async fn catch_up(&self) -> Result<usize, StoreError> {
        let missing: Vec<WarningId> = self.register.all().into_keys().filter(|w| !self.has_current_copy(*w)).collect();
        if missing.is_empty() {
            return Ok(0);
        }
        let works = self.register.works(&*self.live.store).await?;
        let mut room = FETCHED_AT_ONCE.saturating_sub(works.values().filter(|o| o.step == Step::Wanted).count());
        let from = self.search_from(None);
        let (before, behind): (Vec<WarningId>, Vec<WarningId>) = missing.iter().copied().partition(|w| w.0 <= from);
        for w in behind.into_iter().chain(before) {
            if room == 0 {
                break;
            }
            // One that is live will be copied when it leaves.
            if !works.contains_key(&w) && self.place(w).await? == Place::Elsewhere {
                room -= 1;
                self.want(w).await?;
                self.search_from(Some(w.0));
            }
        }
        Ok(missing.len())
    }
}

/// Looks whether all is quiet.
struct Look {
    before: Time,
    census: Census,
    restless: Option<String>,
}

#[async_trait]
impl Taker for Look {
    async fn take(&mut self, pieces: Vec<Piece>) -> Result<(), StoreError> {
        for piece in &pieces {
            self.census.add(piece);
            if self.restless.is_none() {
                self.restless = unquiet(piece, self.before);
            }
        }
        Ok(())
    }
}

/// Onto the shelf, counted.
struct Copying<'a> {
    w: WarningId,
    to: &'a dyn Forgetful,
    census: Census,
}

#[async_trait]
impl Taker for Copying<'_> {
    async fn take(&mut self, pieces: Vec<Piece>) -> Result<(), StoreError> {
        pieces.iter().for_each(|p| self.census.add(p));
        self.to.take_in(self.w, pieces).await
    }
}

struct Heads(Vec<(Key, Head)>);

#[async_trait]
impl Taker for Heads {
    async fn take(&mut self, pieces: Vec<Piece>) -> Result<(), StoreError> {
        self.0.extend(pieces.into_iter().filter_map(|p| match p {
            Piece::Entity(e) => e.record.map(|r| (r.key, r.head)),
            _ => None,
        }));
        Ok(())
    }
}

/// Why a warning with this piece is not at rest since `before`.
fn unquiet(piece: &Piece, before: Time) -> Option<String> {
    match piece {
        Piece::Entity(e) => restless(e, before).map(|why| format!("{}: {why}", e.key)),
        Piece::Task(t) if t.closed.is_none() => Some(format!("the task {} is open", t.id)),
        _ => None,
    }
}

fn restless(e: &Entity, before: Time) -> Option<&'static str> {
    match &e.record {
        None => return Some("a letter waits for a record that is not there yet"),
        Some(r) if r.due.is_some() => return Some("it will be looked at again"),
        Some(_) => {}
    }
    if !e.inbox.is_empty() {
        return Some("letters wait");
    }
    if e.face.as_ref().is_some_and(|f| f.state.is_open() && !f.told_only) {
        return Some("it is open");
    }
    e.journal.last().is_some_and(|row| row.at > before).then_some("it changed lately")
}
