//! Repairing a new life of a primary: what the journal says we told or sent and what is not there any
//! more is done again, as it was, before anything new is decided.
//!
//! Commits of several gateways make one chain, so each goes through what is missing in passes while
//! the others do theirs, as long as the new life is held. What then still does not fit is a fork:
//! somebody decided anew meanwhile. It is never forced; `orphans` saves what it must not lose.

use super::{
    Core,
    commit::committed,
    link::{Again, Confirm, Via},
    names::{self, Part},
    outbox::{Run, number_of},
    reply,
};
use crate::store::{
    Commit, Committed, Head, Key, StoreError,
    journal::{LetterDigest, Told},
    transfer::GATEWAYS,
};
use redis::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::PoisonError,
    time::Duration,
};

/// Records asked about in one call.
const ASKED_AT_ONCE: usize = 200;
/// Commits done again in one call.
const CALL: usize = 50;
/// Between two passes.
pub(super) const PAUSE: Duration = Duration::from_millis(100);
/// Passes without progress, where the new life is not held (any more).
pub(super) const VAIN: u64 = 3;
/// The passes end so long before the hold does.
pub(super) const EARLY_MS: u64 = 300;

/// A commit that was told and is not there.
pub(super) struct Missing {
    pub commit: Commit,
    letters: Vec<(u64, LetterDigest)>,
}

/// What is to be done again, in the order it was told.
#[derive(Default)]
struct Work {
    commits: Vec<Missing>,
    known: BTreeSet<(Key, [u8; 16])>,
    runs: Vec<Run>,
    docs: Vec<Told>,
    looked_at: usize,
}

/// An entry that was handed over late: the life it went to, source, destination, id.
pub(super) type HandedLate = (String, Part, Part, Vec<u8>);

/// How the letters of a repair are handed over again.
struct Carrying<'a> {
    /// Groups whose life was another one when this gateway carried them, and that life.
    before: &'a BTreeMap<Part, String>,
    /// Entries that are there by this repair: source, destination, id.
    done: BTreeSet<(Part, Part, Vec<u8>)>,
    /// Runs that brought something.
    carried: usize,
    /// Letters of runs that others had gone on past.
    late: u64,
}
impl Carrying<'_> {
    fn has(&self, run: &Run) -> bool {
        run.ids().all(|id| self.done.contains(&(run.source, run.dest, id)))
    }
    fn took(&mut self, run: &Run) {
        self.done.extend(run.ids().map(|id| (run.source, run.dest, id)));
    }
}

/// A record and which of the commits in hand are its.
type Asked<'a> = (Part, &'a Key, Vec<usize>);

/// How one commit of a replay was answered.
enum Answer {
    Restored,
    Stood,
    NotYet,
}

fn hex(head: Head) -> String {
    head.0.iter().map(|b| format!("{b:02x}")).collect()
}

impl Core {
    /// `new`: each group's new life, and for how many milliseconds it is held. `before`: in which other life of it this
    /// gateway made what its journal holds, where that is known.
    pub(super) async fn replay(&self, new: &BTreeMap<Part, (String, u64)>, before: &BTreeMap<Part, String>) -> Result<(), StoreError> {
        let mut work = Work::default();
        let mut numbers = self.lives.numbers();
        let mut after = 0;
        while let Some(journal) = &self.journal {
            let page = journal.read(after, self.lived()).await?;
            let Some((last, _)) = page.last() else { break };
            after = *last;
            self.sort_page(new, page.into_iter().flat_map(|(_, all)| all), &mut work, &mut numbers).await?;
        }
        if let Some((life, _)) = new.get(&Part::CONTROL)
            && !numbers.is_empty()
        {
            let mut raise = self.link.function("raise", Part::CONTROL);
            for (name, n) in &numbers {
                raise.arg(name).arg(n);
            }
            self.repeat(Part::CONTROL, &raise, 1, life).await?;
        }
        let (lost, looked_at) = (work.commits.len(), work.looked_at);
        let held = new.values().map(|(_, held)| *held).max().unwrap_or(0);
        let mut carrying = Carrying { before, done: BTreeSet::new(), carried: 0, late: 0 };
        let restored = self.passes(new, &mut work.commits, work.runs, held, &mut carrying).await?;
        let Carrying { carried, late, .. } = carrying;
        if late > 0 {
            tracing::error!(
                letters = late,
                "others had gone on before this gateway could repair a failover: letters that it had carried are handed over late, maybe twice"
            );
        }
        let docs = self.repeat_docs(new, work.docs, held, before.contains_key(&self.group(Part::CONTROL))).await?;
        let forked = work.commits.len();
        if lost > 0 || carried > 0 || docs > 0 {
            tracing::warn!(
                lost,
                restored,
                forked,
                carried,
                docs,
                looked_at,
                "a Redis primary had lost what was told or sent; the local journal repaired it"
            );
        } else if held > 0 {
            tracing::info!(looked_at, "a new life of a Redis primary: nothing of what this gateway told or sent was lost");
        }
        if forked > 0 {
            self.save_orphans(new, std::mem::take(&mut work.commits)).await?;
        }
        Ok(())
    }

    pub(super) fn life_of<'a>(&self, new: &'a BTreeMap<Part, (String, u64)>, part: Part) -> Option<&'a str> {
        new.get(&self.group(part)).map(|(life, _)| life.as_str())
    }

    /// Keeps of a page what is not there any more.
    async fn sort_page(
        &self,
        new: &BTreeMap<Part, (String, u64)>,
        page: impl Iterator<Item = Told>,
        work: &mut Work,
        numbers: &mut BTreeMap<String, u64>,
    ) -> Result<(), StoreError> {
        let mut commits = Vec::new();
        for told in page {
            match told {
                Told::Commit { commit, letters } => {
                    let number = match &commit.key {
                        Key::Warning(w) => Some(("warning", u64::from(w.0))),
                        Key::Callback(n) => Some(("callback", *n)),
                        _ => None,
                    };
                    if let Some((name, n)) = number {
                        let highest = numbers.entry(name.to_string()).or_insert(n);
                        *highest = n.max(*highest);
                    }
                    // The same may stand twice in the journal; it knows its letters where it stands first.
                    if self.life_of(new, self.part(&commit.key)).is_some() && work.known.insert((commit.key.clone(), commit.head.0)) {
                        commits.push(Missing { commit: *commit, letters });
                    }
                }
                Told::Carried { source, dest, before, entries } => {
                    if let Some((source, dest)) = Part::parse(&source).zip(Part::parse(&dest))
                        && self.life_of(new, dest).is_some()
                    {
                        work.runs.push(Run { source, dest, before, entries });
                    }
                }
                // Who lives says so again by itself.
                Told::Docs { kind, .. } if kind == GATEWAYS => {}
                docs @ Told::Docs { .. } => {
                    if new.contains_key(&Part::CONTROL) {
                        work.docs.push(docs);
                    }
                }
            }
        }
        work.looked_at += commits.len();
        let stands = self.standing(&commits).await?;
        work.commits.extend(commits.into_iter().zip(stands).filter(|(_, stands)| !stands).map(|(missing, _)| missing));
        Ok(())
    }

    /// Which of these commits stand in the chain of their record.
    async fn standing(&self, commits: &[Missing]) -> Result<Vec<bool>, StoreError> {
        let mut by_key: BTreeMap<(Part, &Key), Vec<usize>> = BTreeMap::new();
        for (n, m) in commits.iter().enumerate() {
            by_key.entry((self.part(&m.commit.key), &m.commit.key)).or_default().push(n);
        }
        let mut calls: BTreeMap<Part, Vec<Asked<'_>>> = BTreeMap::new();
        for ((part, key), at) in by_key {
            calls.entry(self.group(part)).or_default().push((part, key, at));
        }
        let mut stands = vec![false; commits.len()];
        for (group, records) in calls {
            for some in records.chunks(ASKED_AT_ONCE) {
                let mut ask = self.link.function("standing", group);
                for (part, key, at) in some {
                    let heads: Vec<String> = at.iter().filter_map(|n| commits.get(*n)).map(|m| hex(m.commit.head)).collect();
                    ask.arg(part.to_string()).arg(names::text(key)).arg(heads.join(" "));
                }
                let answers = reply::array(self.link.call(group, Via::Work, &ask, Again::Safe).await?)?;
                for ((_, _, at), answer) in some.iter().zip(answers) {
                    for (n, found) in at.iter().zip(reply::bytes(answer)?) {
                        if let Some(slot) = stands.get_mut(*n) {
                            *slot = found == b'1';
                        }
                    }
                }
            }
        }
        Ok(stands)
    }

    /// One call of a replay: let in while the life is held, refused on yet another life.
    pub(super) async fn repeat(&self, part: Part, call: &redis::Cmd, replay: u8, life: &str) -> Result<Value, StoreError> {
        Ok(self.link.try_call(part, Via::Work, &self.with_life(call, replay, life), Again::Safe, Confirm::No).await?)
    }

    /// Passes over what is missing, until all stands or nothing moves any more; leaves what is forked. Answers how many
    /// commits were restored.
    async fn passes(
        &self,
        new: &BTreeMap<Part, (String, u64)>,
        missing: &mut Vec<Missing>,
        mut runs: Vec<Run>,
        held: u64,
        carrying: &mut Carrying<'_>,
    ) -> Result<usize, StoreError> {
        let mut restored = 0;
        let mut patience = (held.saturating_sub(EARLY_MS) / 100).max(VAIN);
        loop {
            // First the letters: what read them waits for them.
            let before = (runs.len(), missing.len());
            runs = self.repeat_runs(new, runs, false, carrying).await?;
            restored += self.pass(new, missing, 1).await?;
            if runs.is_empty() && missing.is_empty() {
                return Ok(restored);
            }
            if (runs.len(), missing.len()) != before {
                continue;
            }
            if patience == 0 {
                break;
            }
            patience -= 1;
            tokio::time::sleep(PAUSE).await;
            // Another gateway may have done it meanwhile, and gone on from there.
            let mut stands = self.standing(missing).await?.into_iter();
            missing.retain(|_| !stands.next().unwrap_or(false));
        }
        // What came before, in the chain or in the outbox, is gone with its gateway and does not come any more.
        if !runs.is_empty() {
            tracing::warn!(runs = runs.len(), "letters were carried behind others that are missing; they are handed over all the same");
            self.repeat_runs(new, runs, true, carrying).await?;
        }
        loop {
            let before = missing.len();
            restored += self.pass(new, missing, 2).await?;
            if missing.is_empty() || missing.len() == before {
                return Ok(restored);
            }
        }
    }

    /// Tries each commit once, in order; keeps those that do not stand after it, answers how many were restored.
    async fn pass(&self, new: &BTreeMap<Part, (String, u64)>, missing: &mut Vec<Missing>, replay: u8) -> Result<usize, StoreError> {
        let mut restored = 0;
        let mut left = Vec::new();
        let mut rest = std::mem::take(missing).into_iter().peekable();
        while rest.peek().is_some() {
            let some: Vec<Missing> = rest.by_ref().take(CALL).collect();
            let answers = self.repeat_call(new, &some, replay).await?;
            for (m, answer) in some.into_iter().zip(answers) {
                match answer {
                    Answer::Restored => restored += 1,
                    Answer::Stood => {}
                    Answer::NotYet => left.push(m),
                }
            }
        }
        *missing = left;
        Ok(restored)
    }

    async fn repeat_call(&self, new: &BTreeMap<Part, (String, u64)>, some: &[Missing], replay: u8) -> Result<Vec<Answer>, StoreError> {
        let mut by_group: BTreeMap<Part, Vec<usize>> = BTreeMap::new();
        for (n, m) in some.iter().enumerate() {
            by_group.entry(self.group(self.part(&m.commit.key))).or_default().push(n);
        }
        let mut out: Vec<Answer> = some.iter().map(|_| Answer::NotYet).collect();
        for (group, at) in by_group {
            let Some(life) = self.life_of(new, group) else { continue };
            let mut call = self.link.function("commit", group);
            call.arg(self.now().0).arg(if self.together { "0" } else { "1" }).arg(&self.gateway).arg("").arg("").arg(at.len());
            for m in at.iter().filter_map(|n| some.get(*n)) {
                self.pack(&mut call, &m.commit, &consumed(m))?;
            }
            let [answers, earliest, runs] = reply::parts(self.repeat(group, &call, replay, life).await?)?;
            if let Some(due) = reply::time(earliest)? {
                self.waker.note(due);
            }
            for (n, answer) in at.iter().zip(reply::array(answers)?) {
                let Some(slot) = out.get_mut(*n) else { continue };
                *slot = match answer {
                    Value::Int(0) => Answer::Restored,
                    Value::Int(1) => Answer::Stood,
                    Value::Int(_) => Answer::NotYet,
                    other => match committed(other)? {
                        Committed::Done => Answer::Stood,
                        Committed::Conflict | Committed::IdentityTaken(_) | Committed::Unknown(_) => Answer::NotYet,
                    },
                };
            }
            // What it sent waits in the outbox, and is carried by whoever claims first: another server may be in
            // repair itself.
            if !reply::array(runs)?.is_empty() {
                self.waker.note(self.now().0);
            }
        }
        Ok(out)
    }

    /// Hands over again what had been carried to a partition that lost it; answers what waits for what another gateway
    /// carried before it. `force`: it does not come any more. Where others have gone on past it and this gateway does not
    /// know the life in which they did, it is handed over all the same.
    async fn repeat_runs(
        &self,
        new: &BTreeMap<Part, (String, u64)>,
        runs: Vec<Run>,
        force: bool,
        carrying: &mut Carrying<'_>,
    ) -> Result<Vec<Run>, StoreError> {
        let mut left = Vec::new();
        for run in runs {
            let (Some(life), Some(last)) = (self.life_of(new, run.dest), run.last()) else { continue };
            // The same may stand twice in the journal.
            if carrying.has(&run) || self.was_handed_late(life, &run) {
                continue;
            }
            let before = carrying.before.get(&self.group(run.dest)).map(|life| format!("late {life}"));
            let mut call = self.link.function("deliver", run.dest);
            call.arg(self.now().0).arg(&self.gateway).arg(run.dest.to_string()).arg(run.source.to_string());
            call.arg(if force { "!" } else { before.as_deref().unwrap_or_default() }).arg(&run.before);
            for entry in &run.entries {
                call.arg(entry);
            }
            let [word, due, there] = reply::parts(self.repeat(run.dest, &call, 1, life).await?)?;
            let (word, there) = (reply::text(word)?, number_of(&reply::bytes(there)?));
            if word == "gap" {
                if there.is_none_or(|there| there < last) {
                    left.push(run);
                }
                continue;
            }
            if let Some(due) = reply::time(due)? {
                self.waker.note(due);
                carrying.carried += 1;
            }
            if word == "late" {
                carrying.late += there.unwrap_or_default();
                self.note_handed_late(life, &run);
            }
            carrying.took(&run);
        }
        Ok(left)
    }

    fn was_handed_late(&self, life: &str, run: &Run) -> bool {
        let known = self.handed_late.lock().unwrap_or_else(PoisonError::into_inner);
        run.ids().all(|id| known.contains(&(life.to_string(), run.source, run.dest, id)))
    }

    fn note_handed_late(&self, life: &str, run: &Run) {
        let mut known = self.handed_late.lock().unwrap_or_else(PoisonError::into_inner);
        // Of an older life nothing is asked any more.
        known.retain(|(of, _, dest, _)| *dest != run.dest || of == life);
        known.extend(run.ids().map(|id| (life.to_string(), run.source, run.dest, id)));
    }

    /// For `orphans`: some commits of our own making, while the life may be held.
    pub(super) async fn commit_in_repair(
        &self,
        new: &BTreeMap<Part, (String, u64)>,
        commits: Vec<Commit>,
    ) -> Result<Vec<Committed>, StoreError> {
        let mut out = Vec::with_capacity(commits.len());
        for c in &commits {
            let group = self.group(self.part(&c.key));
            let life = self.life_of(new, group).map(str::to_string).or_else(|| self.known_life(group));
            let life = life.ok_or_else(|| StoreError::Unavailable(format!("redis: the primary of {} is not known yet", c.key)))?;
            let mut call = self.link.function("commit", group);
            call.arg(self.now().0).arg(if self.together { "0" } else { "1" }).arg(&self.gateway).arg("").arg("").arg(1);
            self.pack(&mut call, c, "")?;
            let [answers, earliest, _] = reply::parts(self.repeat(group, &call, 2, &life).await?)?;
            if let Some(due) = reply::time(earliest)? {
                self.waker.note(due);
            }
            for answer in reply::array(answers)? {
                out.push(committed(answer)?);
            }
        }
        Ok(out)
    }
}

/// The letters a commit consumed, by digest; by number where that is all we know: numbers are not given twice.
fn consumed(m: &Missing) -> String {
    let known: BTreeMap<u64, LetterDigest> = m.letters.iter().copied().collect();
    let token = |seq: &u64| match known.get(seq) {
        Some(digest) => format!("h{}", digest.iter().map(|b| format!("{b:02x}")).collect::<String>()),
        None => seq.to_string(),
    };
    m.commit.consumed.iter().map(token).collect::<Vec<_>>().join(" ")
}
