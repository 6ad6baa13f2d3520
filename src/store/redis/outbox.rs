//! Carrying what commits sent from one partition to another: in order, at least once, and dropped
//! where it has arrived before. The commit that wrote it carries it at once; what a dying gateway
//! left is carried by whoever claims next.

use super::{
    Core,
    claim::GRACE,
    codec::corrupt,
    link::{Again, Confirm, Via},
    names::Part,
    reply,
};
use crate::{
    core::time::{Span, Time},
    store::StoreError,
};
use redis::Value;
use std::{collections::BTreeMap, time::Duration};

/// What waits longer than this was left by somebody who died, or could not be carried.
const PATIENCE: Span = Span::secs(1);
/// Entries read from an outbox at once.
const MOST: usize = 500;
/// Looks in a row at two sides that do not meet, with neither moving, before they are taken for torn: one was rolled
/// back by a failover. Where one moves, another gateway is carrying, and our look was merely old.
const LOOKS: usize = 5;
/// Between two such looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Entries in a row from one partition to another.
pub(super) struct Run {
    pub source: Part,
    pub dest: Part,
    /// The id of the entry before the first.
    pub before: Vec<u8>,
    pub entries: Vec<Vec<u8>>,
}

impl Run {
    pub fn read(value: Value) -> Result<Run, StoreError> {
        let mut all = reply::array(value)?.into_iter();
        let mut part = || {
            let name = reply::text(all.next()?).ok()?;
            Part::parse(&name)
        };
        let (source, dest) = part().zip(part()).ok_or_else(|| corrupt("an outbox names no partition"))?;
        let before = reply::bytes(all.next().ok_or_else(|| corrupt("an outbox without a beginning"))?)?;
        Ok(Run { source, dest, before, entries: all.map(reply::bytes).collect::<Result<_, _>>()? })
    }

    /// The last entry's number.
    pub fn last(&self) -> Option<u64> {
        number_of(self.entries.last()?)
    }

    /// The last entry's id: its number and which commit wrote it.
    fn last_id(&self) -> Option<String> {
        String::from_utf8(id_of(self.entries.last()?).to_vec()).ok()
    }

    pub fn ids(&self) -> impl Iterator<Item = Vec<u8>> {
        self.entries.iter().map(|entry| id_of(entry).to_vec())
    }
}

/// The first two words of an entry.
fn id_of(entry: &[u8]) -> &[u8] {
    let end = entry.iter().enumerate().filter(|(_, b)| **b == b' ').map(|(at, _)| at).nth(1);
    entry.get(..end.unwrap_or(entry.len())).unwrap_or_default()
}

/// The number of an entry or of its id.
pub(super) fn number_of(entry: &[u8]) -> Option<u64> {
    std::str::from_utf8(entry.split(|b| *b == b' ').next()?).ok()?.parse().ok()
}

/// What came of handing a run over.
enum Handed {
    Met,
    /// The ids do not meet; the other side's last.
    Gap(Vec<u8>),
}

/// Two sides that did not meet.
struct Stuck {
    before: Vec<u8>,
    last: Vec<u8>,
    looks: usize,
}

impl Core {
    /// Carries what a commit wrote. What cannot be carried now stays where it is.
    pub(super) async fn carry(&self, runs: Vec<Run>, via: Via, confirm: Confirm) {
        let all = runs.into_iter().map(|run| async move {
            let carried = match self.deliver(&run, via, confirm, None).await {
                // Somebody's entries before ours have not come in yet.
                Ok(Handed::Gap(_)) => self.settle(run.source).await,
                other => other.map(drop),
            };
            if let Err(e) = carried {
                tracing::warn!(from = %run.source, to = %run.dest, error = %e, "letters wait in the outbox");
                // The timekeeper looks again when they have waited long enough.
                self.waker.note((self.now() + PATIENCE).0);
            }
        });
        let all = futures_util::future::join_all(all);
        // Nobody's call waits for a primary that is away: where another one is there, what cannot be carried soon waits as well.
        if !self.has_primaries() {
            drop(all.await);
        } else if tokio::time::timeout(GRACE, all).await.is_err() {
            tracing::warn!("letters wait in the outbox for a primary that does not answer");
            self.waker.note((self.now() + PATIENCE).0);
        }
    }

    /// `torn`: hand it over although the ids do not meet, if this still is the other side's last.
    async fn deliver(&self, run: &Run, via: Via, confirm: Confirm, torn: Option<&[u8]>) -> Result<Handed, StoreError> {
        let Some(last) = run.last_id() else { return Ok(Handed::Met) };
        let mut call = self.link.function("deliver", run.dest);
        call.arg(self.now().0).arg(&self.gateway).arg(run.dest.to_string()).arg(run.source.to_string());
        call.arg(torn.unwrap_or_default()).arg(&run.before);
        for entry in &run.entries {
            call.arg(entry);
        }
        let group = self.group(run.dest);
        loop {
            let mut made = self.fenced_made(run.dest, via, &call, Again::Safe, confirm).await?;
            let [word, earliest, theirs] = reply::parts(made.take())?;
            if reply::text(word)? != "ok" {
                return Ok(Handed::Gap(reply::bytes(theirs)?));
            }
            if let Some(due) = reply::time(earliest)? {
                self.waker.note(due);
            }
            // Its source forgets it now; should the other side be rolled back, it is carried again from here.
            if !self.together {
                self.told_carried(run).await?;
            }
            if made.counts(self.turn(group))? {
                break;
            }
        }
        let mut arrived = self.arrived();
        let upto = arrived.entry((run.source, run.dest)).or_default();
        if number_of(upto.as_bytes()) < number_of(last.as_bytes()) {
            *upto = last;
        }
        Ok(Handed::Met)
    }

    /// The entries that have arrived and can be taken out of these partitions' outboxes, as the library reads them.
    pub(super) fn take_arrived(&self, parts: &[Part]) -> String {
        if self.together {
            return String::new();
        }
        let mut all = self.arrived();
        let of: Vec<(Part, Part)> = all.keys().filter(|(source, _)| parts.contains(source)).copied().collect();
        of.into_iter().filter_map(|k| all.remove(&k).map(|upto| format!("{} {} {upto};", k.0, k.1))).collect()
    }

    /// Carries everything that waits in a partition's outbox, whoever wrote it.
    pub(super) async fn settle(&self, source: Part) -> Result<(), StoreError> {
        let mut stuck: BTreeMap<Part, Stuck> = BTreeMap::new();
        loop {
            let mut look = self.link.function("outbox", source);
            look.arg(source.to_string()).arg(MOST).arg(self.take_arrived(&[source]));
            let runs = reply::array(self.link.call(source, Via::Work, &look, Again::Safe).await?)?;
            if runs.is_empty() {
                return Ok(());
            }
            let (mut gaps, mut fault) = (false, None);
            let runs = runs.into_iter().map(Run::read).collect::<Result<Vec<_>, _>>()?;
            // Side by side: one whose primary is away holds up no other's.
            let handed = futures_util::future::join_all(runs.iter().map(|run| {
                // Twice is allowed, never is not: torn, they are handed over although some may have been before.
                let torn = stuck.get(&run.dest).filter(|s| s.looks >= LOOKS).map(|s| s.last.clone());
                async move { self.deliver(run, Via::Urgent, self.confirm, torn.as_deref()).await }
            }));
            for (run, handed) in runs.iter().zip(handed.await) {
                match handed {
                    Err(e) => fault = Some(e),
                    Ok(Handed::Met) => drop(stuck.remove(&run.dest)),
                    Ok(Handed::Gap(last)) => {
                        gaps = true;
                        let same = stuck.remove(&run.dest).filter(|s| s.last == last && s.before == run.before);
                        let looks = same.map_or(0, |s| s.looks) + 1;
                        if looks == LOOKS {
                            tracing::warn!(from = %source, to = %run.dest, "a failover has torn an outbox: its letters are handed over again");
                        }
                        stuck.insert(run.dest, Stuck { before: run.before.clone(), last, looks });
                    }
                }
            }
            if let Some(e) = fault {
                return Err(e);
            }
            if gaps {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// The same, where it may wait until the next look.
    pub(super) async fn drain(&self, source: Part) {
        if let Err(e) = self.settle(source).await {
            tracing::warn!(from = %source, error = %e, "letters wait in the outbox");
            self.waker.note((self.now() + PATIENCE).0);
        }
    }

    /// When what waits in an outbox since then is to be carried by somebody else.
    pub(super) fn overdue_from(since: i64) -> Time {
        Time(since) + PATIENCE
    }
}
