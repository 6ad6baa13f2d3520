//! Commits: packed into calls of up to fifty, each checked alone inside the server.

use super::{
    Core,
    codec::{self, corrupt},
    link::{Again, Confirm, Via},
    names::{self, Part},
    outbox::Run,
    reply,
};
use crate::{
    core::ids::MAX_ORDINAL,
    store::{Commit, Committed, Identity, Key, Lane, StoreError, WriteLane},
};
use redis::Value;
use std::{collections::BTreeMap, sync::atomic::Ordering};

/// Commits in one call, which runs alone on its server: fifty take about a millisecond.
const CALL_COMMITS: usize = 50;
/// A call is closed when it has grown past this.
const CALL_BYTES: usize = 1 << 20;

/// Some commits of a batch (by their place in it) that go to a partition in one call.
struct Chunk {
    part: Part,
    at: Vec<usize>,
    bytes: usize,
}

impl Core {
    pub(super) async fn commit(&self, lane: WriteLane, batch: Vec<Commit>) -> Result<Vec<Committed>, StoreError> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        batch.iter().try_for_each(possible)?;
        self.can_tell().await?;
        let chunks = self.chunks(&batch);
        let calls = chunks.iter().map(|chunk| self.commit_chunk(lane, chunk, &batch));
        let mut out = vec![Committed::Unknown("redis: a commit was not answered".to_string()); batch.len()];
        // What one primary did stands, and requests leave on the strength of it, although another one is away.
        let mut fault = None;
        let mut failed = |chunk: &Chunk, why: StoreError, out: &mut Vec<Committed>| {
            for at in &chunk.at {
                if let Some(slot) = out.get_mut(*at) {
                    *slot = Committed::Unknown(why.to_string());
                }
            }
            fault.get_or_insert(why);
        };
        // All are sent, in this order, before the first is waited for.
        for (chunk, done) in chunks.iter().zip(futures_util::future::join_all(calls).await) {
            match done {
                Ok(answers) => answers.into_iter().for_each(|(at, answer)| {
                    if let Some(slot) = out.get_mut(at) {
                        *slot = answer;
                    }
                }),
                Err(why) => failed(chunk, why, &mut out),
            }
        }
        if self.way(lane).0 == Via::Intent {
            for (part, why) in self.confirm_intents(&chunks).await {
                chunks.iter().filter(|c| self.link.topology().0.get(&c.part) == self.link.topology().0.get(&part)).for_each(|chunk| {
                    failed(chunk, StoreError::Unavailable(why.to_string()), &mut out);
                });
            }
        }
        if out.iter().all(|answer| matches!(answer, Committed::Unknown(_))) {
            let broke_off = || out.iter().find_map(|a| if let Committed::Unknown(why) = a { Some(why.clone()) } else { None });
            return Err(fault.unwrap_or_else(|| StoreError::Unavailable(broke_off().unwrap_or_default())));
        }
        Ok(out)
    }

    /// One `WAIT` a primary for all that a batch wrote: requests leave on the strength of it. Where the local
    /// journal has it too, replicas that are late are no reason to call nobody. Answers the primaries (by a partition
    /// of each) that did not confirm and whose commits therefore do not count.
    async fn confirm_intents(&self, chunks: &[Chunk]) -> Vec<(Part, StoreError)> {
        let topology = self.link.topology();
        let primaries: BTreeMap<&String, Part> = chunks.iter().filter_map(|c| Some((topology.0.get(&c.part)?, c.part))).collect();
        let marks = primaries.into_values().map(|part| async move {
            let mut mark = self.link.function("mark", part);
            mark.arg(part.to_string()).arg(self.now().0);
            (part, self.fenced(part, Via::Intent, &mark, Again::Safe, self.confirm).await)
        });
        let marked = futures_util::future::join_all(marks).await;
        let failed: Vec<(Part, StoreError)> = marked.into_iter().filter_map(|(part, done)| Some((part, done.err()?))).collect();
        if self.journal.is_none() {
            return failed;
        }
        let was_late = self.late.swap(!failed.is_empty(), Ordering::Relaxed);
        match failed.first() {
            Some((_, error)) if !was_late => {
                tracing::error!(%error, "replicas do not keep up; what leaves is kept on the primary and in the local journal alone");
            }
            None if was_late => tracing::info!("the replicas keep up again"),
            _ => {}
        }
        Vec::new()
    }

    fn chunks(&self, batch: &[Commit]) -> Vec<Chunk> {
        let mut done = Vec::new();
        let mut open: BTreeMap<Part, Chunk> = BTreeMap::new();
        for (n, c) in batch.iter().enumerate() {
            let part = if self.together { Part::CONTROL } else { self.part(&c.key) };
            let chunk = open.entry(part).or_insert_with(|| Chunk { part, at: Vec::new(), bytes: 0 });
            chunk.at.push(n);
            chunk.bytes += c.body.len() + c.journal.len() + c.blobs.iter().map(|b| b.1.len()).sum::<usize>();
            if chunk.at.len() >= CALL_COMMITS || chunk.bytes >= CALL_BYTES {
                done.extend(open.remove(&part));
            }
        }
        done.extend(open.into_values());
        done
    }

    async fn commit_chunk(&self, lane: WriteLane, chunk: &Chunk, batch: &[Commit]) -> Result<Vec<(usize, Committed)>, StoreError> {
        let (via, confirm) = self.way(lane);
        let group = self.group(chunk.part);
        let mut call = self.link.function("commit", chunk.part);
        let fence = if confirm == Confirm::No { String::new() } else { chunk.part.to_string() };
        call.arg(self.now().0).arg(if self.together { "0" } else { "1" }).arg(&self.gateway).arg(fence);
        call.arg(self.take_arrived(&[chunk.part])).arg(chunk.at.len());
        for c in chunk.at.iter().filter_map(|n| batch.get(*n)) {
            let consumed = c.consumed.iter().map(u64::to_string).collect::<Vec<_>>().join(" ");
            self.pack(&mut call, c, &consumed)?;
        }
        let (out, doubled, runs) = loop {
            let mut made = self.fenced_made(chunk.part, via, &call, Again::Safe, confirm).await.inspect_err(|_| {
                // It may have been done all the same, and what it made due is known to nobody here.
                self.waker.kick();
            })?;
            let [answers, earliest, runs] = reply::parts(made.take())?;
            if let Some(due) = reply::time(earliest)? {
                self.waker.note(due);
            }
            let mut out = Vec::with_capacity(chunk.at.len());
            let mut doubled = false;
            for (n, answer) in chunk.at.iter().zip(reply::array(answers)?) {
                doubled |= answer == Value::Int(1);
                // One that broke off takes nothing away from the others of its call.
                out.push((*n, committed(answer).unwrap_or_else(|e| Committed::Unknown(e.to_string()))));
            }
            let runs = reply::array(runs)?.into_iter().map(Run::read).collect::<Result<Vec<_>, _>>()?;
            let done = out.iter().filter_map(|(n, answer)| batch.get(*n).filter(|c| stands(c, answer)));
            // Also what the replicas did not confirm: it stands on the primary, where others read it and go on from there.
            self.told(done).await?;
            // A repair that began meanwhile may not have seen what we told the journal just now: done again, which
            // changes nothing where it stands.
            if made.counts(self.turn(group)).inspect_err(|_| self.waker.kick())? {
                break (out, doubled, runs);
            }
        };
        self.carry(runs, via, confirm).await;
        if doubled {
            // Done before, by a call whose answer was lost: what it sent may still be on its way.
            self.waker.kick();
            if !self.together && chunk.at.iter().filter_map(|n| batch.get(*n)).any(sends) {
                self.drain(chunk.part).await;
            }
        }
        Ok(out)
    }

    /// Which connection carries a lane's commits, and what each call is confirmed by.
    fn way(&self, lane: WriteLane) -> (Via, Confirm) {
        match lane {
            WriteLane::Urgent => (Via::Urgent, self.confirm),
            WriteLane::Red | WriteLane::Rest if self.link.settings.replicas > 0 => (Via::Intent, Confirm::No),
            _ => (Via::Work, Confirm::No),
        }
    }

    /// `consumed`: numbers of letters, or in a replay `h` and the digest of each.
    pub(super) fn pack(&self, call: &mut redis::Cmd, c: &Commit, consumed: &str) -> Result<(), StoreError> {
        let (header, face) = codec::encode(c)?;
        let tag: String = c.head.0.iter().take(4).map(|b| format!("{b:02x}")).collect();
        call.arg(self.part(&c.key).to_string()).arg(names::text(&c.key)).arg(&c.expect.0[..]).arg(&c.head.0[..]).arg(tag);
        call.arg(header).arg(face).arg(&c.body).arg(codec::encode_row(c));
        match &c.key {
            Key::Callout(id) => call.arg(id.warning.0).arg(names::bit(*id, self.partitions)),
            _ => call.arg("").arg(""),
        };
        call.arg(consumed);
        match &c.identity {
            Some(i) => call.arg("1").arg(&i.identifier).arg(format!("{}\0{}", i.sender, i.issuer)).arg(codec::json(i)?),
            None => call.arg("0"),
        };
        call.arg(c.blobs.len());
        for (name, body) in &c.blobs {
            call.arg(name).arg(body);
        }
        let items = codec::items(c, self.partitions)?;
        call.arg(items.len());
        for (to, item) in items {
            call.arg(to.to_string()).arg(item);
        }
        Ok(())
    }
}

/// Whether somebody is told that it is there. Also of a warning that was accepted before, maybe by a gateway that has died
/// since, and has gone on: who asks again is answered on the strength of it.
fn stands(c: &Commit, answer: &Committed) -> bool {
    match answer {
        Committed::Done => true,
        Committed::IdentityTaken(i) => c.key == Key::Warning(i.warning),
        _ => false,
    }
}

/// Whether another partition has to hear of it.
fn sends(c: &Commit) -> bool {
    !(c.send.is_empty() && c.feed.is_empty() && c.tasks.is_empty())
}

/// Refuses what this layout cannot keep. The engine never asks for it.
fn possible(c: &Commit) -> Result<(), StoreError> {
    if [c.lane].into_iter().chain(c.send.iter().map(|e| e.lane)).any(|lane| lane.0 >= Lane::COUNT) {
        return Err(corrupt(format!("{} is to be listed in a lane that does not exist", c.key)));
    }
    match &c.key {
        Key::Warning(_) => Ok(()),
        key if c.identity.is_some() => Err(corrupt(format!("an identity is kept with its warning, not with {key}"))),
        Key::Callout(id) if id.ordinal > MAX_ORDINAL => {
            Err(corrupt(format!("{id} is beyond the {MAX_ORDINAL} callouts a warning may have")))
        }
        _ => Ok(()),
    }
}

pub(super) fn committed(answer: Value) -> Result<Committed, StoreError> {
    match answer {
        Value::Int(0 | 1) => Ok(Committed::Done),
        Value::Int(2) => Ok(Committed::Conflict),
        Value::BulkString(identity) => Ok(Committed::IdentityTaken(serde_json::from_slice::<Identity>(&identity).map_err(corrupt)?)),
        Value::Array(_) => {
            let [_, why] = reply::parts(answer)?;
            Err(StoreError::Unavailable(format!("redis: a commit broke off: {}", reply::text(why)?)))
        }
        other => Err(corrupt(format!("a commit was answered by {other:?}"))),
    }
}
