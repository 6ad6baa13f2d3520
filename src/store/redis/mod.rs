//! The store on Redis 7 for several gateways: one server, Sentinel or Cluster.
//!
//! Who lives here: `library` with `library/` (what happens inside the server; the keys are described in
//! `head.lua`); `link` (connections, repeats, `WAIT`) with `topology`, `fault` and `reply`;
//! `names` and `codec` (the data format); `lives`, `replay`, `redone` and `orphans` (what a failover lost
//! is repaired from the local journal); `commit`, `outbox`, `claim`, `reports` (the promise); `export` and `import` (moves); `shelf`
//! and `spent` (what the archive asks); `time` and `wake`; `checks` (what a server must be like), `standing` (what is in force now) and `tasks` (what runs beside).
//!
//! Records live in partitions, each in one hash slot. A commit is one call in its own partition; what
//! it sends to another one goes through an outbox where that may be on another server, and at once
//! where it is not. Every call may be repeated: a lost answer is asked for again, by the head.

mod checks;
mod claim;
mod codec;
mod commit;
mod export;
mod fault;
mod import;
mod library;
mod link;
mod lives;
mod names;
mod orphans;
mod outbox;
mod redone;
mod replay;
mod reply;
mod reports;
mod settings;
mod shelf;
mod spent;
mod standing;
mod tasks;
mod time;
mod topology;
mod wake;

pub use import::RedisImport;
pub use link::Epoch;
pub use settings::{Mode, Settings};
pub use time::Timing;

use super::journal::Journal;
use super::{Claim, Commit, Committed, Doc, Identity, Key, Record, Store, StoreError, WriteLane};
use crate::core::time::{Span, Time};
use async_trait::async_trait;
use codec::corrupt;
use futures_util::{StreamExt, stream::FuturesUnordered};
use library::{FORMAT, MOVING};
use link::{Again, Confirm, Link, Via};
use names::Part;
use redis::cmd;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};
use tokio::sync::watch;

/// See the module's head. Cheap to drop; nothing is held back in memory.
pub struct RedisStore {
    core: Arc<Core>,
    /// Ended with the store.
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

/// What it is opened for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Serve,
    /// Read by a move, after what the local journal has and the store has lost was put back.
    Move,
    /// Looked at before a move.
    Look,
    /// Filled by a move, maybe anew.
    Fill,
}

/// The store's clock may be silent for so long and still nobody was away.
const SILENCE: Span = Span::secs(10);

/// When the store's clock was last kept, and how long altogether nobody had kept it until then.
#[derive(Clone, Copy)]
struct Lived {
    kept: Time,
    away: Span,
}

/// What the store and its tasks share.
struct Core {
    link: Link,
    clock: time::EngineClock,
    /// Engine time less what nobody was there for: the journal's age. See `lived`.
    lived: Mutex<Option<Lived>>,
    waker: wake::Waker,
    partitions: u16,
    /// All partitions are on one server: letters go straight where they belong.
    together: bool,
    /// Tells this gateway's own messages from others'.
    gateway: String,
    nonces: AtomicU64,
    /// What urgent commits are confirmed by.
    confirm: Confirm,
    /// What was told and sent, on this machine's own disk.
    journal: Option<Journal>,
    /// The id of the store that the journal is kept for.
    id: Mutex<String>,
    /// Which lives of the primaries we know; see `lives`.
    lives: lives::Lives,
    /// Letters that were handed out, for the journal.
    letters: Mutex<lives::Letters>,
    /// The replicas did not keep up when last asked about intents.
    late: AtomicBool,
    /// A new life of a primary was held when it was last called.
    held: AtomicBool,
    /// What a failover lost and nobody could be given to read, for operators.
    unrepaired: Mutex<Vec<String>>,
    /// How the primaries stood when last asked.
    standing: RwLock<Option<checks::Standing>>,
    /// Outbox entries that have arrived, to be taken out with the next call: source, destination, the last one's id.
    arrived: Mutex<BTreeMap<(Part, Part), String>>,
    /// What a repair handed over late: one that is tried again does not do it again.
    handed_late: Mutex<BTreeSet<replay::HandedLate>>,
}

impl RedisStore {
    /// Opens the store: checks the servers, loads the functions, reads how many partitions there are
    /// and what time it is.
    ///
    /// # Errors
    /// `Unavailable` when no primary can be reached or one is not fit to keep warnings (each reason
    /// with what to do); `Corrupt` when another program's data stands under the prefix.
    pub async fn open(settings: Settings, timing: Timing) -> Result<RedisStore, StoreError> {
        RedisStore::open_for(settings, timing, Purpose::Serve).await
    }

    /// The same to be read whole and moved: it does not count as a gateway ([`Export::gateways`]). What the local journal
    /// of the settings, where there is one, has and the store has lost is put back first.
    ///
    /// # Errors
    /// As [`RedisStore::open`]; `Unavailable` where a primary was restarted or failed over since the gateways last looked,
    /// so that what it lost is only in their journals.
    ///
    /// [`Export::gateways`]: super::transfer::Export::gateways
    pub async fn open_to_move(settings: Settings, timing: Timing) -> Result<RedisStore, StoreError> {
        RedisStore::open_for(settings, timing, Purpose::Move).await
    }

    /// The same, to look whether it could be moved: nothing is put back.
    ///
    /// # Errors
    /// As [`RedisStore::open_to_move`].
    pub async fn open_to_look(settings: Settings, timing: Timing) -> Result<RedisStore, StoreError> {
        RedisStore::open_for(settings, timing, Purpose::Look).await
    }

    async fn open_for(settings: Settings, timing: Timing, purpose: Purpose) -> Result<RedisStore, StoreError> {
        let mut seed = [0u8; 16];
        #[expect(
            clippy::disallowed_methods,
            reason = "the gateway's own name and where its lease nonces begin; no decision looks at them"
        )]
        getrandom::fill(&mut seed).map_err(|e| StoreError::Unavailable(format!("no random numbers: {e}")))?;
        let (name, nonces) = (u128::from_ne_bytes(seed) as u64, (u128::from_ne_bytes(seed) >> 64) as u64);
        let clock = time::EngineClock::new(timing);
        // Before anything is asked of the servers: a journal that cannot be written is a reason not to start. A move
        // may be made on a machine that is no gateway's.
        let journal = settings.journal.as_ref().filter(|(path, _)| match purpose {
            Purpose::Serve => true,
            Purpose::Move => path.exists(),
            Purpose::Look | Purpose::Fill => false,
        });
        let journal = journal.map(|(path, limits)| Journal::open(path, *limits)).transpose()?;
        let together = settings.mode != Mode::Cluster && !settings.always_outbox;
        let link = Link::new(settings);
        // The control partition is known before the number of the others.
        let confirm = checks::check(&link).await?;
        link.load_everywhere().await?;
        let mut open = link.function("open", Part::CONTROL);
        open.arg(FORMAT).arg(link.settings.partitions).arg(format!("{:032x}", u128::from_ne_bytes(seed)));
        let [format, partitions, floor, id] = reply::parts(link.call(Part::CONTROL, Via::Work, &open, Again::Safe).await?)?;
        let id = reply::text(id)?;
        let (format, partitions, floor) = (reply::text(format)?, reply::number::<u16>(partitions)?, reply::time(floor)?);
        if format == MOVING && purpose != Purpose::Fill {
            return Err(StoreError::Unavailable(format!(
                "the data under the prefix `{}` is the beginning of a move that was not finished: run `jiaoying migrate` again",
                link.settings.prefix
            )));
        }
        if format != FORMAT && format != MOVING {
            return Err(StoreError::Unavailable(format!(
                "the data under the prefix `{}` has format {format}, this program reads format {FORMAT}: use the program it was written by",
                link.settings.prefix
            )));
        }
        if partitions != link.settings.partitions {
            tracing::warn!(
                partitions,
                configured = link.settings.partitions,
                "the store was made with another number of partitions, which stays"
            );
        }
        link.set_partitions(partitions).await?;
        if link.settings.mode == Mode::Cluster {
            // Until now only the primary of the control partition was known.
            checks::check(&link).await?;
            link.load_everywhere().await?;
        }
        if let Some(journal) = &journal {
            journal.keep_for(&id).await?;
        }
        let core = Arc::new(Core {
            link,
            clock,
            lived: Mutex::default(),
            waker: wake::Waker::new(),
            partitions,
            together,
            gateway: format!("{name:016x}"),
            nonces: AtomicU64::new(nonces),
            confirm,
            journal,
            id: Mutex::new(id),
            lives: lives::Lives::default(),
            letters: Mutex::default(),
            late: AtomicBool::new(false),
            held: AtomicBool::new(false),
            unrepaired: Mutex::default(),
            standing: RwLock::default(),
            arrived: Mutex::default(),
            handed_late: Mutex::default(),
        });
        // The machine's own clock may be wrong: engine time is neither asked for nor kept before the server's is known.
        core.look_at_clock(None).await?;
        core.clock.start(floor);
        core.look_at_clock(Some(core.now())).await?;
        core.link.check_lives().await;
        if matches!(purpose, Purpose::Move | Purpose::Look) {
            core.refuse_unrepaired().await?;
        }
        if purpose == Purpose::Serve || core.journal.is_some() {
            // Also what this gateway told before its own end, should it be missing.
            core.repair(&core.life_groups()).await?;
        }
        let tasks = if purpose == Purpose::Serve {
            core.look_at_standing().await;
            tasks::start(&core).await
        } else {
            Vec::new()
        };
        Ok(RedisStore { core, tasks })
    }

    /// Which lives of the primaries this gateway has seen; changes when one failed over or was
    /// restarted, so that what it acknowledged last may be missing.
    pub fn epoch(&self) -> watch::Receiver<Epoch> {
        self.core.link.epoch()
    }

    /// How far the server's clock is ahead of this machine's. Over 2 s an operator should know.
    pub fn clock_skew(&self) -> Span {
        self.core.clock.skew()
    }

    /// Who is primary of what, for operators: address → partitions.
    pub fn primaries(&self) -> BTreeMap<String, Vec<String>> {
        let topology = self.core.link.topology();
        let named = |parts: Vec<Part>| parts.iter().map(Part::to_string).collect();
        topology.primaries().into_iter().map(|(address, parts)| (address.to_string(), named(parts))).collect()
    }
}

impl Drop for RedisStore {
    fn drop(&mut self) {
        self.tasks.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

impl Core {
    fn now(&self) -> Time {
        self.clock.now()
    }

    fn prefix(&self) -> &str {
        &self.link.settings.prefix
    }

    fn part(&self, key: &Key) -> Part {
        Part::of(key, self.partitions)
    }

    /// What one call may cover: all partitions where one server has them, else each by itself.
    fn groups(&self) -> Vec<Vec<Part>> {
        if self.together { vec![Part::all(self.partitions).collect()] } else { Part::all(self.partitions).map(|p| vec![p]).collect() }
    }

    /// A random number no one can have twice: splitmix64 over a random start.
    fn nonce(&self) -> u64 {
        let mut z = self.nonces.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Asks a new life of the control primary which store it has. One whose replica had not even heard of it yet is told
    /// again; one that was emptied and made anew by another gateway is another store, of which nothing was told so far.
    async fn look_whose(&self) -> Result<(), StoreError> {
        let Some(journal) = &self.journal else { return Ok(()) };
        let known = self.id.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut open = self.link.function("open", Part::CONTROL);
        open.arg(FORMAT).arg(self.partitions).arg(&known);
        let [_, _, _, id] = reply::parts(self.link.call(Part::CONTROL, Via::Work, &open, Again::Safe).await?)?;
        let id = reply::text(id)?;
        if id != known {
            journal.keep_for(&id).await?;
            *self.id.lock().unwrap_or_else(PoisonError::into_inner) = id;
        }
        Ok(())
    }

    /// Reads the server's clock and keeps the highest engine time there.
    async fn look_at_clock(&self, now: Option<Time>) -> Result<(), StoreError> {
        let before = self.clock.local();
        let mut tick = self.link.function("tick", Part::CONTROL);
        tick.arg(now.map(|t| t.0.to_string()).unwrap_or_default()).arg(SILENCE.0);
        let [server, away] = reply::parts(self.link.call(Part::CONTROL, Via::Work, &tick, Again::No).await?)?;
        self.clock.measured(before, self.clock.local(), reply::number(server)?);
        if let Some(kept) = now {
            let lived = Lived { kept, away: Span(reply::number(away)?) };
            *self.lived.lock().unwrap_or_else(PoisonError::into_inner) = Some(lived);
        }
        Ok(())
    }

    /// The time by which the journal's age is counted: it stands still while the store (or every gateway) is away, so
    /// that what was told just before is still young when the store comes back, however long that took. Nothing is
    /// archived meanwhile either.
    fn lived(&self) -> Time {
        let now = self.now();
        match *self.lived.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(l) => now.min(l.kept + SILENCE) - l.away,
            None => now,
        }
    }

    /// Values of several keys, by partition where they live apart.
    async fn get_records(&self, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        self.get_each(keys, false).await.into_iter().collect()
    }

    /// The same, each by itself. `hurry`: where another primary has answered, one that does not is not waited for.
    async fn get_each(&self, keys: &[Key], hurry: bool) -> Vec<Result<Option<Record>, StoreError>> {
        let mut by_part: BTreeMap<Part, Vec<usize>> = BTreeMap::new();
        for (n, key) in keys.iter().enumerate() {
            by_part.entry(if self.together { Part::CONTROL } else { self.part(key) }).or_default().push(n);
        }
        let mut asked: FuturesUnordered<_> = by_part
            .into_iter()
            .map(|(part, at)| async move {
                let values = self.values_of(part, at.iter().filter_map(|n| keys.get(*n))).await;
                (at, values)
            })
            .collect();
        let mut out: Vec<_> = keys.iter().map(|_| Err(StoreError::Unavailable("redis: its partition does not answer".into()))).collect();
        let mut some = false;
        let mut grace = std::pin::pin!(tokio::time::sleep(claim::GRACE));
        loop {
            let (at, values) = tokio::select! {
                biased;
                answer = asked.next() => match answer {
                    Some(answer) => answer,
                    None => return out,
                },
                () = &mut grace, if hurry && some => return out,
            };
            some |= values.is_ok();
            for (k, n) in at.into_iter().enumerate() {
                let (Some(slot), Some(key)) = (out.get_mut(n), keys.get(n)) else { continue };
                *slot = match &values {
                    Ok(values) => values.get(k).cloned().flatten().map(|v| Ok(codec::decode(key.clone(), &v)?.0)).transpose(),
                    Err(e) => Err(e.clone()),
                };
            }
        }
    }

    async fn values_of(&self, part: Part, keys: impl Iterator<Item = &Key>) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let mut get = cmd("MGET");
        for key in keys {
            get.arg(self.record_key(key, 'r'));
        }
        reply::array(self.link.call(part, Via::Work, &get, Again::Safe).await?)?.into_iter().map(reply::maybe_bytes).collect()
    }

    async fn docs_version_of(&self, kind: &str) -> Result<u64, StoreError> {
        let mut get = cmd("HGET");
        get.arg(format!("{}V", Part::CONTROL.base(self.prefix()))).arg(kind);
        let found = reply::maybe_bytes(self.link.call(Part::CONTROL, Via::Read, &get, Again::Safe).await?)?;
        let text = found.map(|b| String::from_utf8_lossy(&b).into_owned()).unwrap_or_else(|| "0".into());
        text.split(' ').next().unwrap_or_default().parse().map_err(corrupt)
    }

    fn record_key(&self, key: &Key, kind: char) -> String {
        format!("{}{kind}{}", self.part(key).base(self.prefix()), names::text(key))
    }

    fn unrepaired(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.unrepaired.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn arrived(&self) -> std::sync::MutexGuard<'_, BTreeMap<(Part, Part), String>> {
        self.arrived.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for RedisStore {
    fn now(&self) -> Time {
        self.core.now()
    }

    fn shared(&self) -> bool {
        true
    }

    async fn next_number(&self, sequence: &str) -> Result<u64, StoreError> {
        let mut next = self.core.link.function("next", Part::CONTROL);
        next.arg(sequence);
        let group = self.core.group(Part::CONTROL);
        loop {
            // Asked again after a lost answer it skips a number, which nobody minds.
            let mut made = self.core.fenced_made(Part::CONTROL, Via::Urgent, &next, Again::Safe, self.core.confirm).await?;
            let n = reply::number(made.take())?;
            self.core.lives.given(sequence, n);
            // A repair that began meanwhile may not have known of it, so that it would be given again.
            if made.counts(self.core.turn(group))? {
                return Ok(n);
            }
        }
    }

    async fn commit(&self, lane: WriteLane, batch: Vec<Commit>) -> Result<Vec<Committed>, StoreError> {
        self.core.commit(lane, batch).await
    }

    async fn load(&self, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        self.core.get_records(keys).await
    }

    async fn load_each(&self, keys: &[Key]) -> Vec<Result<Option<Record>, StoreError>> {
        self.core.get_each(keys, self.core.has_primaries()).await
    }

    async fn claim(&self, limit: usize, lease: Span) -> Result<Vec<Claim>, StoreError> {
        self.core.claim(limit, lease).await
    }

    async fn release(&self, claims: &[(Key, u64)], until: Time) -> Result<(), StoreError> {
        self.core.release(claims, until).await
    }

    async fn next_due(&self) -> Result<Option<Time>, StoreError> {
        self.core.next_due().await
    }

    async fn changed(&self) {
        self.core.waker.woken().await;
    }

    async fn blob(&self, key: &Key, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let mut get = cmd("HGET");
        get.arg(self.core.record_key(key, 'b')).arg(name);
        reply::maybe_bytes(self.core.link.call(self.core.part(key), Via::Read, &get, Again::Safe).await?)
    }

    async fn identities(&self, identifier: &str) -> Result<Vec<Identity>, StoreError> {
        let mut get = cmd("HVALS");
        get.arg(format!("{}I{identifier}", Part::CONTROL.base(self.core.prefix())));
        let mut found = Vec::new();
        for value in reply::array(self.core.link.call(Part::CONTROL, Via::Work, &get, Again::Safe).await?)? {
            found.push(serde_json::from_slice::<Identity>(&reply::bytes(value)?).map_err(corrupt)?);
        }
        found.sort_by(|a, b| (&a.sender, &a.issuer).cmp(&(&b.sender, &b.issuer)));
        Ok(found)
    }

    async fn docs(&self, kind: &str) -> Result<(u64, Vec<Doc>), StoreError> {
        let mut get = self.core.link.function("docs", Part::CONTROL);
        get.arg(kind);
        let [version, docs] = reply::parts(self.core.link.call(Part::CONTROL, Via::Read, &get, Again::Safe).await?)?;
        let mut all = Vec::new();
        for (id, body) in reply::pairs(docs)? {
            all.push(Doc { id: reply::text(id)?, body: reply::bytes(body)? });
        }
        all.sort_by(|a, b| a.id.cmp(&b.id));
        Ok((reply::number(version)?, all))
    }

    async fn docs_version(&self, kind: &str) -> Result<u64, StoreError> {
        self.core.docs_version_of(kind).await
    }

    async fn docs_apply(&self, kind: &str, expect: u64, upsert: Vec<Doc>, delete: Vec<String>) -> Result<Option<u64>, StoreError> {
        self.core.can_tell().await?;
        // By this name the change is known again when its answer was lost.
        let by = format!("{}{:x}", self.core.gateway, self.core.nonce());
        let apply = self.core.docs_call(kind, expect, &by, &upsert, &delete);
        let group = self.core.group(Part::CONTROL);
        // Without its beat a gateway sends nothing.
        let confirm = if kind == super::transfer::GATEWAYS { self.core.confirm.at_least_one() } else { self.core.confirm };
        loop {
            let mut made = self.core.fenced_made(Part::CONTROL, Via::Urgent, &apply, Again::Safe, confirm).await?;
            let version = reply::text(made.take())?;
            if version.is_empty() {
                return Ok(None);
            }
            self.core.told_docs(kind, expect, &by, &upsert, &delete).await?;
            if made.counts(self.core.turn(group))? {
                return version.parse().map(Some).map_err(corrupt);
            }
        }
    }
}
