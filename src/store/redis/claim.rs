//! Leases: what is ripe, over all partitions, best lane first.

use super::{
    Core, codec,
    codec::corrupt,
    link::{Again, Via},
    names::{self, Part},
    reply,
};
use crate::{
    core::time::{Span, Time},
    store::{Claim, Key, MAX_LETTERS, StoreError},
};
use futures_util::{
    StreamExt,
    future::{join_all, try_join_all},
    stream::FuturesUnordered,
};
use redis::Value;
use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

/// The most one call leases: its nonces differ in their last three digits.
const MOST: usize = 0xfff;
/// From then on a primary that does not answer is not waited for where another one has answered.
pub(super) const GRACE: Duration = Duration::from_secs(1);

fn names_of(parts: &[Part]) -> String {
    parts.iter().map(Part::to_string).collect::<Vec<_>>().join(" ")
}

impl Core {
    pub(super) async fn claim(&self, limit: usize, lease: Span) -> Result<Vec<Claim>, StoreError> {
        self.can_tell().await?;
        let limit = limit.min(MOST);
        let now = self.now();
        if self.together {
            let parts: Vec<Part> = Part::all(self.partitions).collect();
            let (rows, waits) = self.take(&parts, Part::CONTROL, limit, now, lease).await?;
            // Only where the store was moved here from a Cluster.
            self.help(&[(parts, waits)], now).await;
            return Ok(rows);
        }
        let mut seen = self.peek(limit, now).await?;
        let waiting: Vec<(Vec<Part>, Option<i64>)> = seen.iter().map(|(part, _, waits)| (vec![*part], *waits)).collect();
        if self.help(&waiting, now).await {
            seen = self.peek(limit, now).await?;
        }
        let mut order: Vec<(u8, i64, Part)> =
            seen.into_iter().flat_map(|(part, ripe, _)| ripe.into_iter().map(move |(lane, due)| (lane, due, part))).collect();
        order.sort_unstable();
        order.truncate(limit);
        let mut wanted: BTreeMap<Part, usize> = BTreeMap::new();
        order.iter().for_each(|(_, _, part)| *wanted.entry(*part).or_default() += 1);
        let taken = wanted.into_iter().map(|(part, n)| async move { (part, self.take(&[part], part, n, now, lease).await) });
        let mut rows: BTreeMap<Part, VecDeque<Claim>> = BTreeMap::new();
        let mut fault = None;
        for (part, answer) in join_all(taken).await {
            match answer {
                Ok((claims, _)) => drop(rows.insert(part, claims.into())),
                Err(e) => fault = Some(e),
            }
        }
        // What somebody else took meanwhile is missing; the rest keeps its order.
        let claims: Vec<Claim> = order.iter().filter_map(|(_, _, part)| rows.get_mut(part)?.pop_front()).collect();
        match fault {
            // What was leased is worked; the partitions that did not answer come next time.
            Some(e) if claims.is_empty() => Err(e),
            _ => Ok(claims),
        }
    }

    /// What is ripe in each partition: lane and due of each, and since when its outbox waits. A primary that is away
    /// holds up its own partitions alone; an error only where nobody answers.
    async fn peek(&self, limit: usize, now: Time) -> Result<Vec<(Part, Vec<(u8, i64)>, Option<i64>)>, StoreError> {
        let asked = Part::all(self.partitions).map(|part| async move {
            let mut call = self.link.function("peek", part);
            call.arg(now.0).arg(part.to_string()).arg(limit).arg(self.take_arrived(&[part]));
            let [ripe, waits] = reply::parts(self.link.call(part, Via::Work, &call, Again::Safe).await?)?;
            let mut found = Vec::new();
            for entry in reply::array(ripe)? {
                let entry = reply::text(entry)?;
                let read = entry.split_once(' ').and_then(|(lane, due)| Some((lane.parse().ok()?, due.parse::<f64>().ok()? as i64)));
                found.push(read.ok_or_else(|| corrupt(format!("`{entry}` is not a lane and a time")))?);
            }
            Ok((part, found, reply::time(waits)?))
        });
        answered(asked, self.has_primaries()).await
    }

    /// Whether one primary may be away while another one is not.
    pub(super) fn has_primaries(&self) -> bool {
        self.link.topology().primaries().len() > 1
    }

    async fn take(&self, parts: &[Part], at: Part, limit: usize, now: Time, lease: Span) -> Result<(Vec<Claim>, Option<i64>), StoreError> {
        let mut call = self.link.function("claim", at);
        let nonces = format!("{:013x}", self.nonce() >> 12);
        call.arg(now.0).arg(names_of(parts)).arg(limit).arg((now + lease).0).arg(nonces).arg(MAX_LETTERS);
        // An answer that was lost leaves leases that end by themselves; asking again would take others.
        let Some(answer) = self.fenced_now(at, &call, Again::No).await? else {
            // Held: nobody is handed anything until all gateways have repaired what a failover lost.
            return Ok((Vec::new(), None));
        };
        let [rows, waits] = reply::parts(answer)?;
        let claims: Vec<Claim> = reply::array(rows)?.into_iter().map(read_claim).collect::<Result<_, _>>()?;
        self.remember_letters(&claims);
        Ok((claims, reply::time(waits)?))
    }

    /// Carries what has waited too long in these partitions' outboxes; whether there was any.
    async fn help(&self, waiting: &[(Vec<Part>, Option<i64>)], now: Time) -> bool {
        let overdue = waiting.iter().filter(|(_, waits)| waits.is_some_and(|since| Core::overdue_from(since) <= now));
        let sources: Vec<Part> = overdue.flat_map(|(parts, _)| parts.iter().copied()).collect();
        // What waits for a primary that is away goes on waiting; the others' work does not.
        let _ = tokio::time::timeout(GRACE, join_all(sources.iter().map(|source| self.drain(*source)))).await;
        !sources.is_empty()
    }

    pub(super) async fn release(&self, claims: &[(Key, u64)], until: Time) -> Result<(), StoreError> {
        let mut by_part: BTreeMap<Part, Vec<&(Key, u64)>> = BTreeMap::new();
        for claim in claims {
            by_part.entry(if self.together { Part::CONTROL } else { self.part(&claim.0) }).or_default().push(claim);
        }
        let now = self.now();
        try_join_all(by_part.into_iter().map(|(at, claims)| async move {
            let mut call = self.link.function("release", at);
            call.arg(now.0).arg(&self.gateway);
            for (key, nonce) in claims {
                call.arg(self.part(key).to_string()).arg(names::text(key)).arg(format!("{nonce:016x}")).arg(until.0);
            }
            if let Some(due) = reply::time(self.link.call(at, Via::Work, &call, Again::Safe).await?)? {
                self.waker.note(due);
            }
            Ok::<_, StoreError>(())
        }))
        .await?;
        Ok(())
    }

    pub(super) async fn next_due(&self) -> Result<Option<Time>, StoreError> {
        self.waker.asking();
        let now = self.now();
        let asked = self.groups().into_iter().map(|parts| async move {
            let at = parts.last().copied().unwrap_or(Part::CONTROL);
            let mut call = self.link.function("next_due", at);
            call.arg(now.0).arg(names_of(&parts)).arg(self.take_arrived(&parts));
            let [due, waits] = reply::parts(self.link.call(at, Via::Work, &call, Again::Safe).await?)?;
            let outbox = reply::time(waits)?.map(|since| Core::overdue_from(since).0);
            Ok::<_, StoreError>([reply::time(due)?, outbox])
        });
        let next = answered(asked, self.has_primaries()).await?.into_iter().flatten().flatten().min();
        self.waker.said(next);
        Ok(next.map(Time))
    }
}

/// What was answered; where there are `several` primaries, as far as it comes in time. An error where nobody answers.
async fn answered<T>(
    asked: impl Iterator<Item = impl Future<Output = Result<T, StoreError>>>,
    several: bool,
) -> Result<Vec<T>, StoreError> {
    let mut asked: FuturesUnordered<_> = asked.collect();
    let (mut all, mut fault) = (Vec::with_capacity(asked.len()), None);
    let mut grace = std::pin::pin!(tokio::time::sleep(GRACE));
    loop {
        let answer = tokio::select! {
            biased;
            answer = asked.next() => answer,
            () = &mut grace, if several && !all.is_empty() => {
                fault = fault.or(Some(StoreError::Unavailable(format!("redis: {} partitions do not answer", asked.len()))));
                None
            }
        };
        match answer {
            Some(Ok(answer)) => all.push(answer),
            Some(Err(e)) => fault = fault.or(Some(e)),
            None => break,
        }
    }
    match fault {
        Some(e) if all.is_empty() => Err(e),
        Some(error) => {
            tracing::warn!(%error, answered = all.len(), "a Redis primary is away; the others' partitions are worked meanwhile");
            Ok(all)
        }
        None => Ok(all),
    }
}

fn read_claim(row: Value) -> Result<Claim, StoreError> {
    let mut row = reply::array(row)?.into_iter();
    let (Some(name), Some(nonce), Some(value)) = (row.next(), row.next(), row.next()) else {
        return Err(corrupt("a claim without its record"));
    };
    let name = reply::text(name)?;
    let key = names::parse(&name).ok_or_else(|| corrupt(format!("`{name}` is not a record's name")))?;
    let nonce = reply::text(nonce)?;
    let nonce = u64::from_str_radix(&nonce, 16).map_err(|_| corrupt(format!("`{nonce}` is not a nonce")))?;
    let value = reply::bytes(value)?;
    let record = if value.is_empty() { None } else { Some(codec::decode(key.clone(), &value)?.0) };
    let inbox = row.map(|letter| codec::decode_letter(&reply::bytes(letter)?)).collect::<Result<_, _>>()?;
    Ok(Claim { key, record, inbox, nonce })
}
