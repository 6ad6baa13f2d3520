//! Everything under a prefix, in pieces. The servers have no moment that all partitions share: who
//! reads a store whole does it while no gateway works.

use super::{
    Core, RedisStore, codec,
    codec::corrupt,
    link::{Again, Via},
    names::{self, Part},
    reply,
};
use crate::{
    core::{ids::WarningId, plan::relay_records, time::Time},
    store::{
        Doc, Key, Lane, Reports, Store, StoreError,
        transfer::{Entity, Export, Piece, Scope, Sender, Waiting},
    },
};
use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};
use redis::{Value, cmd};
use std::collections::{BTreeMap, BTreeSet};

/// Keys asked for by one step of a scan.
const SCAN: usize = 1_000;
/// Records read in one call, and calls at once.
const RECORDS: usize = 100;
const AHEAD: usize = 8;
/// Feed items read at once; no list of tasks is longer.
const PAGE: usize = 1_000;
const MOST: usize = 1_000_000;

/// A key under the prefix: its partition, and the rest behind that.
pub(super) struct Found {
    pub part: Part,
    pub rest: String,
    pub whole: Vec<u8>,
}

impl Core {
    /// Every key under the prefix, from every primary; some may come twice.
    pub(super) async fn scan(&self, mut take: impl FnMut(Found) -> Result<(), StoreError>) -> Result<(), StoreError> {
        let topology = self.link.topology();
        let turn = self.link.epoch().borrow().turn;
        for part in topology.primaries().into_values().filter_map(|parts| parts.first().copied()) {
            let mut cursor = "0".to_string();
            loop {
                cursor = self.scan_step(part, &cursor, "*", &mut take).await?;
                if cursor == "0" {
                    break;
                }
            }
        }
        if self.link.epoch().borrow().turn != turn {
            return Err(StoreError::Unavailable("redis: a primary failed over while it was read: try again".to_string()));
        }
        Ok(())
    }

    /// One step over the keys of the primary that has this partition, those whose rest behind the partition is like this
    /// pattern; where to go on, `0` at the end.
    pub(super) async fn scan_step(
        &self,
        at: Part,
        cursor: &str,
        rest: &str,
        take: &mut impl FnMut(Found) -> Result<(), StoreError>,
    ) -> Result<String, StoreError> {
        let base = format!("{}:{{p:", self.prefix());
        let quoted: String = base.chars().flat_map(|c| "[]?*^\\".contains(c).then_some('\\').into_iter().chain([c])).collect();
        let pattern = if rest == "*" { format!("{quoted}*") } else { format!("{quoted}*}}{rest}") };
        let mut step = cmd("SCAN");
        step.arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(SCAN);
        let [next, keys] = reply::parts(self.link.call(at, Via::Read, &step, Again::Safe).await?)?;
        for key in reply::array(keys)? {
            let whole = reply::bytes(key)?;
            let text = String::from_utf8(whole.clone()).map_err(corrupt)?;
            let found = text.strip_prefix(&base).and_then(|t| t.split_once('}'));
            let (part, rest) = found.ok_or_else(|| corrupt(format!("`{text}` is not a key of ours")))?;
            let part = Part::parse(part).ok_or_else(|| corrupt(format!("`{text}` names no partition")))?;
            take(Found { part, rest: rest.to_string(), whole })?;
        }
        reply::text(next)
    }

    /// What stands under some keys of one partition, and the names of their blobs.
    async fn dump(&self, part: Part, keys: &[Key]) -> Result<Vec<(Entity, Vec<String>)>, StoreError> {
        let mut call = self.link.function("dump", part);
        for key in keys {
            call.arg(part.to_string()).arg(names::text(key));
        }
        let mut out = Vec::with_capacity(keys.len());
        let rows = reply::array(self.link.call(part, Via::Read, &call, Again::Safe).await?)?;
        for (key, row) in keys.iter().zip(rows) {
            let [value, journal, letters, blobs] = reply::parts(row)?;
            let value = reply::bytes(value)?;
            let (record, face) = if value.is_empty() {
                (None, None)
            } else {
                let (record, face) = codec::decode(key.clone(), &value)?;
                (Some(record), face)
            };
            let journal = codec::decode_rows(key, reply::array(journal)?)?;
            let inbox = reply::array(letters)?.into_iter().map(|l| waiting(&reply::bytes(l)?)).collect::<Result<_, _>>()?;
            let blobs = reply::array(blobs)?.into_iter().map(reply::text).collect::<Result<_, _>>()?;
            out.push((Entity { key: key.clone(), record, face, journal, inbox }, blobs));
        }
        Ok(out)
    }

    async fn send_records(&self, keys: BTreeMap<Part, BTreeSet<Key>>, to: &mut Sender) -> Result<(), StoreError> {
        let mut batches = Vec::new();
        for (part, keys) in keys {
            let keys: Vec<Key> = keys.into_iter().collect();
            batches.extend(keys.chunks(RECORDS).map(|some| (part, some.to_vec())));
        }
        let reads = batches.into_iter().map(|(part, keys)| async move { self.dump(part, &keys).await });
        let mut reads = stream::iter(reads).buffered(AHEAD);
        let mut blobs = Vec::new();
        while let Some(found) = reads.try_next().await? {
            for (entity, names) in found {
                blobs.extend(names.into_iter().map(|name| (entity.key.clone(), name)));
                // A place may be named by somebody's face and have no record of its own.
                if entity.record.is_some() || !entity.inbox.is_empty() || !entity.journal.is_empty() {
                    to.send(Piece::Entity(Box::new(entity))).await?;
                }
            }
        }
        drop(reads);
        let reads = blobs.into_iter().map(|(key, name)| async move {
            let mut get = cmd("HGET");
            get.arg(self.record_key(&key, 'b')).arg(&name);
            let body = reply::bytes(self.link.call(self.part(&key), Via::Read, &get, Again::Safe).await?)?;
            Ok::<_, StoreError>(Piece::Blob { key, name, body })
        });
        let mut reads = stream::iter(reads).buffered(AHEAD);
        while let Some(blob) = reads.try_next().await? {
            to.send(blob).await?;
        }
        Ok(())
    }

    async fn control(&self, call: &redis::Cmd) -> Result<Value, StoreError> {
        self.link.call(Part::CONTROL, Via::Read, call, Again::Safe).await
    }

    pub(super) fn control_key(&self, rest: &str) -> String {
        format!("{}{rest}", Part::CONTROL.base(self.prefix()))
    }

    /// Field and value of a hash of the control partition.
    async fn hash(&self, rest: &str) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let mut get = cmd("HGETALL");
        get.arg(self.control_key(rest));
        let pairs = reply::pairs(self.control(&get).await?)?.into_iter();
        pairs.map(|(name, value)| Ok((reply::text(name)?, reply::bytes(value)?))).collect()
    }
}

fn number(bytes: &[u8]) -> Result<u64, StoreError> {
    let text = std::str::from_utf8(bytes).map_err(corrupt)?;
    // A version has the name of who made it behind it.
    let digits = text.split(' ').next().unwrap_or_default();
    digits.parse().map_err(|_| corrupt(format!("`{text}` is not a number")))
}

/// A letter with its lane and time.
fn waiting(member: &[u8]) -> Result<Waiting, StoreError> {
    let mut parts = member.splitn(4, |b| *b == b' ').skip(1);
    let mut next = || std::str::from_utf8(parts.next()?).ok();
    let head = next().and_then(|l| l.parse().ok()).zip(next().and_then(|t| t.parse().ok()));
    let (lane, ready): (u8, i64) = head.ok_or_else(|| corrupt("a letter without its lane or time"))?;
    // A minus says that it was ready when it came.
    Ok(Waiting { lane: Lane(lane), ready: Time(ready.abs()), body: codec::decode_letter(member)?.body })
}

impl RedisStore {
    async fn everything(&self, to: &mut Sender) -> Result<(), StoreError> {
        let core = &self.core;
        // What a gateway that died left between two partitions belongs into the inbox first.
        for part in Part::all(core.partitions) {
            core.settle(part).await?;
        }
        let mut keys: BTreeMap<Part, BTreeSet<Key>> = BTreeMap::new();
        let mut identifiers = BTreeSet::new();
        core.scan(|found| {
            let mut rest = found.rest.chars();
            match rest.next() {
                Some('r' | 'i') => {
                    let key = names::parse(rest.as_str());
                    let key = key.ok_or_else(|| corrupt(format!("`{}` is not a record's name", rest.as_str())))?;
                    keys.entry(found.part).or_default().insert(key);
                }
                Some('I') => drop(identifiers.insert(rest.as_str().to_string())),
                _ => {}
            }
            Ok(())
        })
        .await?;
        let warnings: BTreeSet<WarningId> = keys.values().flatten().filter_map(of_callout).collect();
        core.send_records(keys, to).await?;
        for w in warnings {
            to.send(Piece::Counts(w, self.counts(w).await?)).await?;
        }
        for (_, task) in core.hash("t").await? {
            to.send(Piece::Task(codec::decode_task(&task)?)).await?;
        }
        for identifier in identifiers {
            for identity in self.identities(&identifier).await? {
                to.send(Piece::Identity(identity)).await?;
            }
        }
        for (kind, version) in core.hash("V").await? {
            to.send(Piece::DocKind(kind.clone(), number(&version)?)).await?;
            for (id, body) in core.hash(&format!("D{kind}")).await? {
                to.send(Piece::Doc(kind.clone(), Doc { id, body })).await?;
            }
        }
        for (name, given) in core.hash("S").await? {
            to.send(Piece::Sequence(name, number(&given)?)).await?;
        }
        let mut last = 0;
        loop {
            let page = self.feed_after(last, PAGE).await?;
            let Some((n, _)) = page.last() else { break };
            last = *n;
            for (n, item) in page {
                to.send(Piece::Feed(n, item)).await?;
            }
        }
        to.send(Piece::FeedTip(self.feed_tip().await?)).await?;
        let mut get = cmd("GET");
        get.arg(core.control_key("clock"));
        // What another gateway saw, and what a move has brought, may be ahead of this one.
        let kept = reply::maybe_bytes(core.control(&get).await?)?.map_or(Ok(None), |t| reply::time(Value::BulkString(t)))?;
        to.send(Piece::Floor(Time(self.now().0.max(kept.unwrap_or(i64::MIN))))).await
    }

    async fn one(&self, warning: WarningId, to: &mut Sender) -> Result<(), StoreError> {
        let faces = self.faces(warning).await?;
        let relays = self.relays(warning).await?;
        let places = faces.iter().flat_map(|(_, f)| &f.places).chain(&relays).map(|p| Key::Place(warning, p.clone()));
        let all: BTreeSet<Key> =
            [Key::Warning(warning)].into_iter().chain(faces.iter().map(|(id, _)| Key::Callout(*id))).chain(places).collect();
        let mut keys: BTreeMap<Part, BTreeSet<Key>> = BTreeMap::new();
        for key in all {
            keys.entry(self.core.part(&key)).or_default().insert(key);
        }
        self.core.send_records(keys, to).await?;
        to.send(Piece::Counts(warning, self.counts(warning).await?)).await?;
        for task in self.tasks(Some(warning), false, MOST).await? {
            to.send(Piece::Task(task)).await?;
        }
        Ok(())
    }
}

impl RedisStore {
    /// The records of its relays (逐级转发) stand among those of places, but are in no face: the plan names them.
    async fn relays(&self, warning: WarningId) -> Result<BTreeSet<String>, StoreError> {
        let key = Key::Warning(warning);
        let mut get = cmd("HGETALL");
        get.arg(self.core.record_key(&key, 'b'));
        let mut all = BTreeSet::new();
        for (name, body) in reply::pairs(self.core.link.call(self.core.part(&key), Via::Read, &get, Again::Safe).await?)? {
            all.extend(relay_records(&reply::text(name)?, &reply::bytes(body)?));
        }
        Ok(all)
    }
}

fn of_callout(key: &Key) -> Option<WarningId> {
    if let Key::Callout(id) = key { Some(id.warning) } else { None }
}

#[async_trait]
impl Export for RedisStore {
    async fn export(&self, scope: Scope, mut to: Sender) -> Result<Sender, StoreError> {
        match scope {
            Scope::Everything => self.everything(&mut to).await?,
            Scope::Warning(w) => self.one(w, &mut to).await?,
        }
        Ok(to)
    }

    /// Every gateway listens on the wake-up channel, and whoever reads to move does not.
    async fn gateways(&self) -> Result<u64, StoreError> {
        let mut ask = cmd("PUBSUB");
        ask.arg("NUMSUB").arg(format!("{}:wake", self.core.prefix()));
        let answer = reply::pairs(self.core.link.call(Part::CONTROL, Via::Work, &ask, Again::Safe).await?)?;
        let listening = answer.into_iter().map(|(_, n)| reply::number::<u64>(n)).sum::<Result<u64, _>>()?;
        Ok(listening.saturating_sub(u64::from(!self.tasks.is_empty())))
    }
}
