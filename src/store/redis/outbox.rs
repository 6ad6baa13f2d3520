//! Carrying what commits sent from one partition to another: in order, at least once, and dropped
//! where it has arrived before. The commit that wrote it carries it at once; what a dying gateway
//! left is carried by whoever claims next.

use super::{
    Core,
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

/// What waits longer than this was left by somebody who died, or could not be carried.
const PATIENCE: Span = Span::secs(1);
/// Entries read from an outbox at once.
const MOST: usize = 500;
/// Looks at both sides before they are taken for torn: one was rolled back by a failover.
const LOOKS: usize = 5;

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
}

/// The number of an entry or of its id.
pub(super) fn number_of(entry: &[u8]) -> Option<u64> {
    std::str::from_utf8(entry.split(|b| *b == b' ').next()?).ok()?.parse().ok()
}

impl Core {
    /// Carries what a commit wrote. What cannot be carried now stays where it is.
    pub(super) async fn carry(&self, runs: Vec<Run>, via: Via, confirm: Confirm) {
        let all = runs.into_iter().map(|run| async move {
            let carried = match self.deliver(&run, via, confirm, false).await {
                // Somebody's entries before ours have not come in yet.
                Ok(false) => self.settle(run.source).await,
                other => other.map(drop),
            };
            if let Err(e) = carried {
                tracing::warn!(from = %run.source, to = %run.dest, error = %e, "letters wait in the outbox");
                // The timekeeper looks again when they have waited long enough.
                self.waker.note((self.now() + PATIENCE).0);
            }
        });
        futures_util::future::join_all(all).await;
    }

    /// `false`: the ids do not meet.
    async fn deliver(&self, run: &Run, via: Via, confirm: Confirm, force: bool) -> Result<bool, StoreError> {
        let Some(last) = run.last() else { return Ok(true) };
        let mut call = self.link.function("deliver", run.dest);
        call.arg(self.now().0).arg(&self.gateway).arg(run.dest.to_string()).arg(run.source.to_string());
        call.arg(if force { "1" } else { "0" }).arg(&run.before);
        for entry in &run.entries {
            call.arg(entry);
        }
        let group = self.group(run.dest);
        let met = loop {
            let (answer, turn) = self.fenced(run.dest, via, &call, Again::Safe, confirm).await?;
            let [word, earliest] = reply::parts(answer)?;
            if reply::text(word)? != "ok" {
                break false;
            }
            if let Some(due) = reply::time(earliest)? {
                self.waker.note(due);
            }
            // Its source forgets it now; should the other side be rolled back, it is carried again from here.
            if !self.together {
                self.told_carried(run).await?;
            }
            if self.turn(group) == turn {
                break true;
            }
        };
        if met {
            let mut arrived = self.arrived();
            let upto = arrived.entry((run.source, run.dest)).or_insert(last);
            *upto = last.max(*upto);
        }
        Ok(met)
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
    async fn settle(&self, source: Part) -> Result<(), StoreError> {
        let mut torn = 0;
        loop {
            let mut look = self.link.function("outbox", source);
            look.arg(source.to_string()).arg(MOST).arg(self.take_arrived(&[source]));
            let runs = reply::array(self.link.call(source, Via::Work, &look, Again::Safe).await?)?;
            if runs.is_empty() {
                return Ok(());
            }
            let force = torn >= LOOKS;
            for run in runs {
                let run = Run::read(run)?;
                // Twice is allowed, never is not: they are handed over although some may have been before.
                let confirm = self.confirm;
                if !self.deliver(&run, Via::Urgent, confirm, force).await? {
                    torn += 1;
                    if torn == LOOKS {
                        tracing::warn!(from = %run.source, to = %run.dest, "a failover has torn an outbox: its letters are handed over again");
                    }
                }
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
