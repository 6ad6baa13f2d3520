//! The one thread that writes: takes a group of jobs, makes it one transaction, and only after COMMIT
//! moves the index on and answers.
//!
//! There is no waiting for a group to fill: while one is being synced the next gathers by itself.
//! Where a group fails, its jobs are tried one by one, so that one that cannot be written (or a disk
//! that is full) refuses no other. A job is whole or not at all: `Unavailable` means nothing of it stands.

use super::{
    apply::{Change, Counters, Group, Statements},
    index::Waiting,
    queue::{Job, Taken, Work},
    rows::{self, signed},
    shared::Shared,
    shelf::Carried,
};
use crate::{
    core::time::{Span, Time},
    store::{Committed, Doc, StoreError},
};
use rusqlite::{Connection, OptionalExtension, params};
use std::{
    collections::BTreeMap,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

/// How many commits one transaction takes: some 5 ms of work.
const GROUP: usize = 500;
/// With nothing to write, engine time is noted this often, so that a restart does not fall behind it.
const IDLE: Duration = Duration::from_secs(5);
/// A sequence used up faster than this reserves ahead, up to [`RESERVE`] numbers.
const BUSY: Span = Span::secs(1);
const RESERVE: u64 = 256;

/// Numbers of one sequence. Reserved ones are noted in the file as given; what a crash leaves of
/// them is never given, so a sequence that is seldom used reserves nothing and has no gaps.
#[derive(Clone, Copy)]
struct Sequence {
    given: u64,
    reserved: u64,
    step: u64,
    reserved_at: Time,
}

enum Answer {
    Commit(Vec<Committed>, Vec<(usize, Change)>),
    Number(u64),
    Docs(Option<u64>),
    Carried(Carried),
}

pub(super) struct Writer {
    shared: Arc<Shared>,
    counters: Counters,
    sequences: BTreeMap<String, Sequence>,
}

/// Starts the thread and waits until it can write. It ends when the queue is closed and empty.
#[expect(clippy::disallowed_methods, reason = "joined when the store is dropped")]
pub(super) fn start(shared: Arc<Shared>, connection: Connection) -> Result<thread::JoinHandle<()>, StoreError> {
    let counters = counters(&connection).map_err(super::unavailable)?;
    let writer = Writer { shared, counters, sequences: BTreeMap::new() };
    let (ready, started) = mpsc::channel();
    let thread = thread::Builder::new().name("store-writer".to_string()).spawn(move || {
        let shared = Arc::clone(&writer.shared);
        let _abandon = Abandon(&shared);
        match Statements::prepare(&connection) {
            Ok(sql) => {
                // Who opens the store waits for this.
                drop(ready.send(Ok(())));
                writer.run(&connection, sql);
            }
            Err(error) => drop(ready.send(Err(super::unavailable(error)))),
        }
    });
    let thread = thread.map_err(|e| StoreError::Unavailable(format!("the store's writer thread cannot be started: {e}")))?;
    started.recv().unwrap_or_else(|_| Err(StoreError::Unavailable("the store's writer stopped at its start".to_string())))?;
    Ok(thread)
}

/// However the thread ends, nobody is left waiting for it.
struct Abandon<'a>(&'a Shared);
impl Drop for Abandon<'_> {
    fn drop(&mut self) {
        self.0.queue.abandon();
    }
}

fn counters(c: &Connection) -> rusqlite::Result<Counters> {
    Ok(Counters {
        journal: c.query_row("SELECT ifnull(max(seq), 0) FROM journal", [], |r| r.get(0))?,
        feed: c.query_row("SELECT ifnull(max(seq), 0) FROM feed", [], |r| r.get(0))?,
        letter: c.query_row("SELECT letter FROM meta", [], |r| rows::number(r, 0))?,
    })
}

impl Writer {
    fn run(mut self, connection: &Connection, mut sql: Statements<'_>) {
        let mut noted = self.shared.clock.now();
        loop {
            match self.shared.queue.take(GROUP, IDLE) {
                Taken::Group(jobs) => {
                    self.group(connection, &mut sql, jobs);
                    noted = self.shared.clock.now();
                }
                Taken::Idle if self.shared.clock.now() > noted => {
                    noted = self.shared.clock.now();
                    if let Err(error) = self.transact(connection, &mut sql, &[]) {
                        tracing::warn!(%error, "engine time could not be noted");
                    }
                }
                Taken::Idle => {}
                Taken::Closed => break,
            }
        }
        if let Err(error) = self.give_back(connection, &mut sql) {
            tracing::warn!(%error, "the store's last notes could not be written; only unused numbers are lost");
        }
    }

    fn group(&mut self, connection: &Connection, sql: &mut Statements<'_>, jobs: Vec<Job>) {
        match self.transact(connection, sql, &jobs) {
            Ok((answers, bytes)) => {
                self.publish(jobs, answers);
                return self.shared.wal.wrote(connection, bytes);
            }
            Err(error) if jobs.len() == 1 => return refuse(jobs, &error),
            Err(error) => tracing::warn!(%error, jobs = jobs.len(), "a group of commits failed; trying each by itself"),
        }
        for job in jobs {
            let job = vec![job];
            match self.transact(connection, sql, &job) {
                Ok((answers, bytes)) => {
                    self.publish(job, answers);
                    self.shared.wal.wrote(connection, bytes);
                }
                Err(error) => refuse(job, &error),
            }
        }
    }

    /// One transaction for all of `jobs`: their answers, and how much was written. On an error nothing of it stands, in the file or here.
    fn transact(&mut self, connection: &Connection, sql: &mut Statements<'_>, jobs: &[Job]) -> rusqlite::Result<(Vec<Answer>, u64)> {
        let shared = Arc::clone(&self.shared);
        let mut group = Group::new(&shared, sql, shared.clock.now(), self.counters);
        let mut given = BTreeMap::new();
        match self.fill(connection, &mut group, jobs, &mut given) {
            Ok(answers) => {
                self.counters = group.counters;
                self.sequences.extend(given);
                Ok((answers, group.bytes))
            }
            Err(error) => {
                let mut names = shared.names();
                group.fresh.iter().for_each(|rid| names.forget(*rid));
                drop(names);
                if !connection.is_autocommit() {
                    connection.execute_batch("ROLLBACK")?;
                }
                Err(error)
            }
        }
    }

    fn fill(
        &self,
        connection: &Connection,
        group: &mut Group<'_, '_>,
        jobs: &[Job],
        given: &mut BTreeMap<String, Sequence>,
    ) -> rusqlite::Result<Vec<Answer>> {
        connection.execute_batch("BEGIN IMMEDIATE")?;
        let mut answers = Vec::with_capacity(jobs.len());
        for job in jobs {
            answers.push(match &job.work {
                Work::Commit { batch, .. } => {
                    let mut done = Vec::with_capacity(batch.len());
                    let mut changes = Vec::with_capacity(batch.len());
                    for (at, commit) in batch.iter().enumerate() {
                        let (answer, change) = group.commit(commit)?;
                        done.push(answer);
                        changes.extend(change.map(|c| (at, c)));
                    }
                    Answer::Commit(done, changes)
                }
                Work::Number { sequence, .. } => Answer::Number(self.number(connection, sequence, group.now, given)?),
                Work::Docs { kind, expect, upsert, delete, .. } => Answer::Docs(docs(connection, kind, *expect, upsert, delete)?),
                Work::Carry { carry, .. } => Answer::Carried(carry.run(connection, group)?),
            });
        }
        group.finish()?;
        connection.execute_batch("COMMIT")?;
        Ok(answers)
    }

    fn number(&self, c: &Connection, name: &str, now: Time, given: &mut BTreeMap<String, Sequence>) -> rusqlite::Result<u64> {
        let mut s = match given.remove(name).or_else(|| self.sequences.get(name).copied()) {
            Some(s) => s,
            None => {
                let last =
                    c.query_row("SELECT given FROM sequence WHERE name = ?1", [name], |r| rows::number(r, 0)).optional()?.unwrap_or(0);
                Sequence { given: last, reserved: last, step: 1, reserved_at: Time(i64::MIN) }
            }
        };
        s.given += 1;
        if s.given > s.reserved {
            s.step = if now - s.reserved_at < BUSY { (s.step * 2).min(RESERVE) } else { 1 };
            s.reserved = s.given + s.step - 1;
            s.reserved_at = now;
            note_sequence(c, name, s.reserved)?;
        }
        let n = s.given;
        given.insert(name.to_string(), s);
        Ok(n)
    }

    /// After COMMIT: the index first, then the answers.
    fn publish(&self, jobs: Vec<Job>, answers: Vec<Answer>) {
        for (job, answer) in jobs.into_iter().zip(answers) {
            match (job.work, answer) {
                (Work::Commit { batch, reply }, Answer::Commit(done, changes)) => {
                    let mut batch: Vec<_> = batch.into_iter().map(Some).collect();
                    self.shared.with_index(|index| {
                        for (at, change) in changes {
                            let Some(c) = batch.get_mut(at).and_then(Option::take) else { continue };
                            index.put(change.rid, change.mark, c.body, &c.consumed);
                            for (sent, e) in change.sent.into_iter().zip(c.send) {
                                let body = Some(e.body.into_boxed_slice());
                                index.deliver(sent.to, Waiting { seq: sent.seq, lane: e.lane.0, ready: sent.ready, body });
                            }
                        }
                    });
                    drop(reply.send(Ok(done)));
                }
                (Work::Number { reply, .. }, Answer::Number(n)) => drop(reply.send(Ok(n))),
                (Work::Docs { reply, .. }, Answer::Docs(version)) => drop(reply.send(Ok(version))),
                (Work::Carry { reply, .. }, Answer::Carried(done)) => drop(reply.send(Ok(done))),
                (work, _) => work.refuse("the writer mixed up its answers"),
            }
        }
    }

    /// The last transaction of an orderly stop: engine time, and the numbers that were reserved in vain.
    fn give_back(&mut self, c: &Connection, sql: &mut Statements<'_>) -> rusqlite::Result<()> {
        for (name, s) in self.sequences.iter().filter(|(_, s)| s.given < s.reserved) {
            note_sequence(c, name, s.given)?;
        }
        self.transact(c, sql, &[]).map(drop)
    }
}

fn note_sequence(c: &Connection, name: &str, given: u64) -> rusqlite::Result<()> {
    let sql = "INSERT INTO sequence (name, given) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET given = excluded.given";
    c.prepare_cached(sql)?.execute(params![name, signed(given)]).map(drop)
}

fn docs(c: &Connection, kind: &str, expect: u64, upsert: &[Doc], delete: &[String]) -> rusqlite::Result<Option<u64>> {
    let version: Option<u64> = c.query_row("SELECT version FROM doc_kind WHERE kind = ?1", [kind], |r| rows::number(r, 0)).optional()?;
    if version.unwrap_or(0) != expect {
        return Ok(None);
    }
    let next = expect + 1;
    c.execute(
        "INSERT INTO doc_kind (kind, version) VALUES (?1, ?2) ON CONFLICT (kind) DO UPDATE SET version = excluded.version",
        params![kind, signed(next)],
    )?;
    let mut remove = c.prepare_cached("DELETE FROM doc WHERE kind = ?1 AND id = ?2")?;
    for id in delete {
        remove.execute(params![kind, id])?;
    }
    let mut put = c.prepare_cached("INSERT OR REPLACE INTO doc (kind, id, body) VALUES (?1, ?2, ?3)")?;
    for doc in upsert {
        put.execute(params![kind, doc.id, doc.body])?;
    }
    Ok(Some(next))
}

fn refuse(jobs: Vec<Job>, error: &rusqlite::Error) {
    tracing::error!(%error, "a commit could not be made durable");
    let why = error.to_string();
    jobs.into_iter().for_each(|job| job.work.refuse(&why));
}
