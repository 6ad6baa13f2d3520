//! A prefix filled from another store. While it is filled its format says so, and no gateway opens it;
//! what a broken move left is thrown away by the next.

use super::{
    Core, Purpose, RedisStore, Settings, Timing, codec,
    library::{FORMAT, MOVING},
    link::{Again, Confirm, Via},
    names::{self, Part},
    reply,
};
use crate::store::{
    Commit, Envelope, Key, StoreError,
    transfer::{Entity, Export, GATEWAYS, Import, KEYS, Piece, Scope, Sender},
};
use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};
use redis::{Cmd, cmd};
use std::collections::BTreeMap;

/// Feed items that are kept; see `arrive` in the library.
const FEED_KEPT: u64 = 100_000;
/// Pieces in one call, and about how many bytes.
const PIECES: usize = 100;
const BYTES: usize = 1 << 20;
/// Calls at once.
const AHEAD: usize = 8;
/// Keys thrown away in one call.
const KEYS_AT_ONCE: usize = 500;

/// A prefix to be filled. See the module's head.
pub struct RedisImport {
    store: RedisStore,
}

impl RedisImport {
    /// # Errors
    /// As [`RedisStore::open`].
    pub async fn open(settings: Settings, timing: Timing) -> Result<RedisImport, StoreError> {
        Ok(RedisImport { store: RedisStore::open_for(settings, timing, Purpose::Fill).await? })
    }

    fn core(&self) -> &Core {
        &self.store.core
    }

    async fn set_format(&self, format: &str) -> Result<(), StoreError> {
        let mut set = cmd("HSET");
        set.arg(self.core().control_key("meta")).arg("format").arg(format);
        self.core().link.call_confirmed(Part::CONTROL, Via::Urgent, &set, Again::Safe, self.core().confirm).await.map(drop)
    }

    /// Throws everything under the prefix away but what the store was made with, and its clock. What gateways have in
    /// their journals was told of another content: it gets a new id when it is next opened.
    async fn clear(&self) -> Result<(), StoreError> {
        let mut forget = cmd("HDEL");
        forget.arg(self.core().control_key("meta")).arg("store");
        self.core().link.call(Part::CONTROL, Via::Work, &forget, Again::Safe).await?;
        let mut all: BTreeMap<Part, Vec<Vec<u8>>> = BTreeMap::new();
        self.core()
            .scan(|found| {
                if !(found.part == Part::CONTROL && matches!(found.rest.as_str(), "meta" | "clock")) {
                    all.entry(found.part).or_default().push(found.whole);
                }
                Ok(())
            })
            .await?;
        for (part, keys) in all {
            for some in keys.chunks(KEYS_AT_ONCE) {
                let mut unlink = cmd("UNLINK");
                unlink.arg(some);
                self.core().link.call(part, Via::Work, &unlink, Again::Safe).await?;
            }
        }
        Ok(())
    }
}

/// Calls of `restore` in the making, one a partition.
#[derive(Default)]
struct Calls {
    open: BTreeMap<Part, (Cmd, usize, usize)>,
    ready: Vec<(Part, Cmd)>,
}
impl Calls {
    fn add(
        &mut self,
        core: &Core,
        part: Part,
        bytes: usize,
        put: impl FnOnce(&mut Cmd) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let (call, n, weight) = self.open.entry(part).or_insert_with(|| (core.link.function("restore", part), 0, 0));
        put(call)?;
        *n += 1;
        *weight += bytes;
        if *n >= PIECES || *weight >= BYTES {
            self.ready.extend(self.open.remove(&part).map(|(call, ..)| (part, call)));
        }
        Ok(())
    }

    fn done(self) -> Vec<(Part, Cmd)> {
        self.ready.into_iter().chain(self.open.into_iter().map(|(part, (call, ..))| (part, call))).collect()
    }
}

impl Core {
    fn restore_record(&self, call: &mut Cmd, e: Entity) -> Result<(), StoreError> {
        call.arg("R").arg(self.part(&e.key).to_string()).arg(names::text(&e.key));
        let journal = codec::encode_rows(&e.journal);
        match e.record {
            Some(r) => {
                let mut c = Commit::new(e.key.clone(), r.head, Vec::new(), Vec::new(), r.due, r.lane, crate::core::time::Time(0));
                (c.head, c.face) = (r.head, e.face);
                let (header, face) = codec::encode(&c)?;
                call.arg([header, face, r.body].concat());
            }
            None => drop(call.arg("")),
        }
        match &e.key {
            Key::Callout(id) => call.arg(id.warning.0).arg(names::bit(*id, self.partitions)),
            _ => call.arg("").arg(""),
        };
        call.arg(journal.len()).arg(journal).arg(e.inbox.len());
        for l in e.inbox {
            call.arg(codec::letter_item(&Envelope { to: e.key.clone(), lane: l.lane, not_before: l.ready, body: l.body }));
        }
        Ok(())
    }

    /// A piece that is no record: a command of its own on the control partition.
    fn plain(&self, piece: Piece) -> Result<Option<(Part, Cmd)>, StoreError> {
        let mut part = Part::CONTROL;
        let mut set = cmd("HSET");
        match piece {
            Piece::Blob { key, name, body } => {
                part = self.part(&key);
                set.arg(self.record_key(&key, 'b')).arg(name).arg(body);
            }
            Piece::Identity(i) => {
                let name = format!("{}\0{}", i.sender, i.issuer);
                set.arg(self.control_key(&format!("I{}", i.identifier))).arg(name).arg(codec::json(&i)?);
            }
            Piece::DocKind(kind, version) => drop(set.arg(self.control_key("V")).arg(kind).arg(format!("{version} moved"))),
            Piece::Doc(kind, doc) => drop(set.arg(self.control_key(&format!("D{kind}"))).arg(doc.id).arg(doc.body)),
            Piece::Sequence(name, given) => drop(set.arg(self.control_key("S")).arg(name).arg(given)),
            Piece::FeedTip(tip) => {
                set = cmd("SET");
                set.arg(self.control_key("fs")).arg(tip);
            }
            Piece::Floor(at) => {
                set = self.link.function("tick", Part::CONTROL);
                set.arg(at.0);
            }
            Piece::Counts(..) | Piece::Entity(_) | Piece::Task(_) | Piece::Feed(..) => return Ok(None),
        }
        Ok(Some((part, set)))
    }

    async fn run(&self, calls: Vec<(Part, Cmd)>) -> Result<(), StoreError> {
        let done = calls.into_iter().map(|(part, call)| async move {
            // Made twice it would count twice; a move that breaks off begins anew.
            self.link.call(part, Via::Work, &call, Again::No).await
        });
        stream::iter(done).buffer_unordered(AHEAD).try_for_each(|_| async { Ok(()) }).await
    }
}

#[async_trait]
impl Export for RedisImport {
    async fn export(&self, scope: Scope, to: Sender) -> Result<Sender, StoreError> {
        self.store.export(scope, to).await
    }

    async fn gateways(&self) -> Result<u64, StoreError> {
        self.store.gateways().await
    }
}

#[async_trait]
impl Import for RedisImport {
    async fn holds(&self) -> Result<Option<String>, StoreError> {
        let mut get = cmd("HGET");
        get.arg(self.core().control_key("meta")).arg("format");
        let format = reply::maybe_bytes(self.core().link.call(Part::CONTROL, Via::Work, &get, Again::Safe).await?)?;
        if format.as_deref() == Some(MOVING.as_bytes()) {
            return Ok(None);
        }
        let (mut records, mut other) = (0u64, 0u64);
        let passing = [format!("D{KEYS}"), format!("D{GATEWAYS}")];
        self.core()
            .scan(|found| {
                match found.rest.as_str() {
                    rest if rest.starts_with(['r', 'i']) => records += 1,
                    "t" | "f" | "S" => other += 1,
                    rest if rest.starts_with('I') || rest.starts_with('D') && !passing.iter().any(|p| p == rest) => other += 1,
                    _ => {}
                }
                Ok(())
            })
            .await?;
        Ok((records + other > 0).then(|| format!("{records} records and {other} other keys under the prefix `{}`", self.core().prefix())))
    }

    async fn begin(&self) -> Result<(), StoreError> {
        self.set_format(MOVING).await?;
        if self.gateways().await? > 0 {
            // It was opened in the moment between; it is its store now.
            self.set_format(FORMAT).await?;
            return Err(StoreError::Unavailable("a gateway has just opened the target: stop it first".to_string()));
        }
        self.clear().await
    }

    async fn put(&self, pieces: Vec<Piece>) -> Result<(), StoreError> {
        let core = self.core();
        let mut calls = Calls::default();
        let mut plain = Vec::new();
        for piece in pieces {
            let bytes = piece.weight();
            match piece {
                Piece::Entity(e) => {
                    let part = if core.together { Part::CONTROL } else { core.part(&e.key) };
                    calls.add(core, part, bytes, |call| core.restore_record(call, *e))?;
                }
                Piece::Task(t) => {
                    let item = codec::task_item(&t)?;
                    calls.add(core, Part::CONTROL, bytes, |call| {
                        call.arg("T").arg(item);
                        Ok(())
                    })?;
                }
                Piece::Feed(n, item) => {
                    let item = codec::json(&item)?;
                    calls.add(core, Part::CONTROL, bytes, |call| {
                        call.arg("F").arg(n).arg(item);
                        Ok(())
                    })?;
                }
                other => plain.extend(core.plain(other)?),
            }
        }
        // Feed items keep their order: the control partition's calls are made one after the other.
        let (control, records): (Vec<_>, Vec<_>) = calls.done().into_iter().partition(|(part, _)| *part == Part::CONTROL);
        core.run(records).await?;
        for call in control {
            core.run(vec![call]).await?;
        }
        core.run(plain).await
    }

    async fn settle(&self) -> Result<(), StoreError> {
        let core = self.core();
        if core.confirm == Confirm::No {
            return Ok(());
        }
        for part in Part::all(core.partitions) {
            let mut fence = cmd("SET");
            fence.arg(format!("{}fence", part.base(core.prefix()))).arg(core.now().0);
            core.link.call_confirmed(part, Via::Urgent, &fence, Again::Safe, core.confirm).await?;
        }
        Ok(())
    }

    async fn publish(&self) -> Result<(), StoreError> {
        self.set_format(FORMAT).await
    }

    fn feed_kept(&self) -> u64 {
        FEED_KEPT
    }
}
