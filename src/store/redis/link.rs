//! Speaking to the servers: connections of our own to each primary, calls that are repeated only
//! where that is safe, and who is primary now.
//!
//! Four connections a primary: a `WAIT` holds up its connection, and so does a long list; neither
//! may hold up an answer or a claim. redis-rs has layers of its own for Sentinel and Cluster; they
//! are not used, because they repeat by themselves and hide which connection wrote, which `WAIT` needs.

use super::{
    fault::Fault,
    library::Library,
    names::Part,
    reply,
    settings::Settings,
    topology::{self, Topology},
};
use crate::store::StoreError;
use redis::{Cmd, RedisError, Value, aio::MultiplexedConnection, cmd};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU16, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::watch;

/// Which connection of a primary carries a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Via {
    /// Answers, intake: followed by a `WAIT` where replicas are asked for.
    Urgent,
    Work,
    /// Commits that requests follow: with a `WAIT` of their own, which holds up no claim.
    Intent,
    /// Lists and reports.
    Read,
}

/// What a call may do when its outcome is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    /// The same call a second time changes nothing.
    Safe,
    No,
}

/// A confirmation that is asked for after a call on the connection that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Confirm {
    No,
    /// `WAIT`: so many replicas have received it.
    Replicas,
    /// `WAITAOF`: it is on the primary's disk and on so many replicas'.
    Disks,
    /// `WAIT` for one: what needs to live for seconds only, and proves that the primary is not cut off from all the others. One
    /// of several replicas may be away meanwhile.
    One,
}
impl Confirm {
    /// For what need not outlive anything.
    pub fn at_least_one(self) -> Confirm {
        if self == Confirm::No { Confirm::No } else { Confirm::One }
    }
}

/// Which lives of the primaries this gateway has seen. It turns whenever a primary is another one
/// than before or came back from its files: acknowledged writes may be missing then.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Epoch {
    /// 0 at the start, one more at every change.
    pub turn: u64,
    /// `master_replid` by partition: `0`, `1` … and `c`.
    pub replids: BTreeMap<String, String>,
}

/// Why a call was not done, or does not count.
pub(super) enum Refusal {
    /// The primary's life is another one than the call named.
    Reborn(String),
    /// A new life is held for so many milliseconds more.
    Held(u64),
    /// It was done, and the replicas did not say that they have it.
    Unconfirmed(Value, StoreError),
    Store(StoreError),
}
impl From<StoreError> for Refusal {
    fn from(e: StoreError) -> Refusal {
        Refusal::Store(e)
    }
}
impl From<Refusal> for StoreError {
    fn from(r: Refusal) -> StoreError {
        match r {
            Refusal::Store(e) | Refusal::Unconfirmed(_, e) => e,
            Refusal::Reborn(life) => unavailable(Fault::Reborn(life)),
            Refusal::Held(ms) => unavailable(Fault::Held(ms)),
        }
    }
}

/// Repeats of a call that surely did nothing: 25, 50 … 800 ms apart.
const MOST_DETOURS: u32 = 6;
/// Repeats of a call whose outcome is not known.
const MOST_UNKNOWN: u32 = 2;

#[derive(Default)]
struct Slot {
    connection: tokio::sync::Mutex<Option<MultiplexedConnection>>,
    /// Connections tried; whoever waited for a try that failed shares its failure.
    tries: AtomicU64,
    last_failure: Mutex<Option<Fault>>,
    /// Which connection is in there; a broken one is thrown away once.
    life: AtomicU64,
}

struct Node {
    address: String,
    slots: [Slot; 4],
}

pub(super) struct Link {
    pub settings: Settings,
    pub library: Library,
    /// Known once the store was opened; 1 before.
    partitions: AtomicU16,
    topology: Mutex<Arc<Topology>>,
    looking: tokio::sync::Mutex<()>,
    /// Looks at the topology so far.
    looks: AtomicU64,
    nodes: Mutex<BTreeMap<String, Arc<Node>>>,
    epoch: watch::Sender<Epoch>,
}

fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

fn unavailable(what: impl std::fmt::Display) -> StoreError {
    StoreError::Unavailable(format!("redis: {what}"))
}

impl Link {
    pub fn new(settings: Settings) -> Link {
        Link {
            settings,
            library: Library::new(),
            partitions: AtomicU16::new(1),
            topology: Mutex::default(),
            looking: tokio::sync::Mutex::default(),
            looks: AtomicU64::new(0),
            nodes: Mutex::default(),
            epoch: watch::Sender::new(Epoch::default()),
        }
    }

    pub fn partitions(&self) -> u16 {
        self.partitions.load(Ordering::Relaxed)
    }

    /// Sets how many partitions there are and looks where they live.
    pub async fn set_partitions(&self, n: u16) -> Result<(), StoreError> {
        self.partitions.store(n, Ordering::Relaxed);
        self.look(self.looks.load(Ordering::SeqCst)).await
    }

    pub fn epoch(&self) -> watch::Receiver<Epoch> {
        self.epoch.subscribe()
    }

    pub fn topology(&self) -> Arc<Topology> {
        lock(&self.topology).clone()
    }

    /// `FCALL` of a function of our library on keys of one partition.
    pub fn function(&self, name: &str, part: Part) -> Cmd {
        let mut call = cmd("FCALL");
        call.arg(format!("{}_{name}", self.library.name)).arg(1).arg(part.base(&self.settings.prefix)).arg(&self.settings.prefix);
        call
    }

    /// Looks again who is primary, unless somebody did since `seen` looks.
    async fn look(&self, seen: u64) -> Result<(), StoreError> {
        let _one = self.looking.lock().await;
        if self.looks.load(Ordering::SeqCst) != seen {
            return Ok(());
        }
        let known: Vec<String> = lock(&self.nodes).keys().cloned().collect();
        let found = topology::find(&self.settings, self.partitions(), &known).await?;
        let before = std::mem::replace(&mut *lock(&self.topology), Arc::new(found.clone()));
        if !before.0.is_empty() && !before.primaries().keys().eq(found.primaries().keys()) {
            tracing::warn!(primaries = ?found.primaries().keys().collect::<Vec<_>>(), "the Redis primaries have changed");
            let gone = |address: &String| !found.0.values().any(|a| a == address);
            lock(&self.nodes).retain(|address, _| !gone(address));
        }
        self.looks.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    fn node(&self, part: Part) -> Option<Arc<Node>> {
        let address = self.topology().0.get(&part)?.clone();
        let mut nodes = lock(&self.nodes);
        let node = nodes.entry(address.clone()).or_insert_with(|| Arc::new(Node { address, slots: Default::default() }));
        Some(node.clone())
    }

    /// The connection of a slot, made if there is none, and its life.
    async fn connection(&self, node: &Node, via: Via) -> Result<(MultiplexedConnection, u64), Fault> {
        let slot = slot(node, via);
        let tries = slot.tries.load(Ordering::SeqCst);
        let mut held = slot.connection.lock().await;
        if let Some(c) = held.as_ref() {
            return Ok((c.clone(), slot.life.load(Ordering::SeqCst)));
        }
        if slot.tries.load(Ordering::SeqCst) != tries
            && let Some(why) = lock(&slot.last_failure).clone()
        {
            return Err(why);
        }
        let made = self.greet(node).await;
        slot.tries.fetch_add(1, Ordering::SeqCst);
        match made {
            Ok(c) => {
                *lock(&slot.last_failure) = None;
                *held = Some(c.clone());
                Ok((c, slot.life.load(Ordering::SeqCst)))
            }
            Err(why) => {
                *lock(&slot.last_failure) = Some(why.clone());
                Err(why)
            }
        }
    }

    /// Connects and makes sure that it is a primary; notes which life of it.
    async fn greet(&self, node: &Node) -> Result<MultiplexedConnection, Fault> {
        let mut c = topology::connect(&self.settings, &node.address, false).await?;
        self.recognize(&node.address, &mut c).await?;
        Ok(c)
    }

    async fn recognize(&self, address: &str, c: &mut MultiplexedConnection) -> Result<(), Fault> {
        let info: String = cmd("INFO").arg("replication").query_async(c).await.map_err(|e| Fault::of(&e))?;
        if field(&info, "role") != Some("master") {
            return Err(Fault::Elsewhere(format!("{address} is a replica now")));
        }
        if let Some(replid) = field(&info, "master_replid") {
            self.seen(address, replid);
        }
        Ok(())
    }

    fn seen(&self, address: &str, replid: &str) {
        let topology = self.topology();
        self.epoch.send_if_modified(|epoch| {
            let mut turned = false;
            let mut first = false;
            for (part, _) in topology.0.iter().filter(|(_, a)| *a == address) {
                match epoch.replids.insert(part.to_string(), replid.to_string()) {
                    Some(before) => turned |= before != replid,
                    None => first = true,
                }
            }
            if turned {
                epoch.turn += 1;
                tracing::warn!(address, turn = epoch.turn, "another life of a Redis primary: what it acknowledged last may be missing");
            }
            turned || first
        });
    }

    /// Looks at every primary whether it still is the one it was.
    pub async fn check_lives(&self) {
        let topology = self.topology();
        for (address, parts) in topology.primaries() {
            let Some(node) = parts.first().and_then(|p| self.node(*p)) else { continue };
            let Ok((mut c, life)) = self.connection(&node, Via::Work).await else { continue };
            if let Err(why) = self.recognize(address, &mut c).await {
                tracing::debug!(%why, "a primary did not say that it is one");
                discard(&node, Via::Work, life).await;
                let _ = self.look(self.looks.load(Ordering::SeqCst)).await;
            }
        }
    }

    /// Makes a call on a partition's primary.
    ///
    /// # Errors
    /// `Unavailable` when it was refused, nobody could be reached, or its outcome is still not known
    /// after the repeats that are allowed.
    pub async fn call(&self, part: Part, via: Via, call: &Cmd, again: Again) -> Result<Value, StoreError> {
        self.call_confirmed(part, via, call, again, Confirm::No).await
    }

    /// The same, then the confirmation on the same connection. Where that is not given, the call is
    /// done nevertheless; the same call again asks again.
    pub async fn call_confirmed(&self, part: Part, via: Via, call: &Cmd, again: Again, confirm: Confirm) -> Result<Value, StoreError> {
        self.try_call(part, via, call, again, confirm).await.map_err(StoreError::from)
    }

    /// The same, saying apart what a call that names a life of the primary may be refused for.
    pub async fn try_call(&self, part: Part, via: Via, call: &Cmd, again: Again, confirm: Confirm) -> Result<Value, Refusal> {
        let (mut detours, mut unknown) = (0, 0);
        // What it answered, where the confirmation is what failed.
        let mut done = None;
        loop {
            let looks = self.looks.load(Ordering::SeqCst);
            let fault = match self.node(part) {
                None => Fault::Elsewhere("who is primary is not known yet".into()),
                Some(node) => match self.connection(&node, via).await {
                    Err(fault) => fault,
                    Ok((mut c, life)) => match send(&mut c, call).await {
                        Ok(value) => match self.confirmed(&mut c, confirm).await {
                            Ok(()) => return Ok(value),
                            Err(fault) => {
                                if matches!(fault, Fault::Unknown(_)) {
                                    discard(&node, via, life).await;
                                }
                                done = Some(value);
                                fault
                            }
                        },
                        Err(e) => {
                            let fault = Fault::of(&e);
                            if matches!(fault, Fault::Unknown(_) | Fault::Elsewhere(_)) {
                                discard(&node, via, life).await;
                            }
                            if matches!(fault, Fault::NoLibrary) {
                                self.load_library(&mut c).await?;
                            }
                            fault
                        }
                    },
                },
            };
            let given_up = |why: StoreError, done: Option<Value>| match done {
                Some(value) => Refusal::Unconfirmed(value, why),
                None => why.into(),
            };
            match fault {
                Fault::Refused(why) => return Err(given_up(unavailable(why), done)),
                Fault::Reborn(life) => return Err(Refusal::Reborn(life)),
                Fault::Held(ms) => return Err(Refusal::Held(ms)),
                Fault::NoLibrary if detours < MOST_DETOURS => {
                    detours += 1;
                    continue;
                }
                Fault::NoLibrary => {
                    return Err(unavailable("the function library is thrown out again and again (FUNCTION FLUSH?)").into());
                }
                Fault::Elsewhere(why) if detours >= MOST_DETOURS => return Err(given_up(unavailable(why), done)),
                Fault::Elsewhere(_) => {
                    tokio::time::sleep(Duration::from_millis(25 << detours)).await;
                    detours += 1;
                }
                Fault::Unknown(why) if again == Again::No || unknown >= MOST_UNKNOWN => return Err(given_up(unavailable(why), done)),
                Fault::Unknown(_) => unknown += 1,
            }
            if let Err(e) = self.look(looks).await
                && detours >= MOST_DETOURS
            {
                return Err(given_up(e, done));
            }
        }
    }

    async fn confirmed(&self, c: &mut MultiplexedConnection, confirm: Confirm) -> Result<(), Fault> {
        let wanted = i64::from(if confirm == Confirm::One { self.settings.replicas.min(1) } else { self.settings.replicas });
        let timeout = u64::try_from(self.settings.wait_timeout.as_millis()).unwrap_or(u64::MAX);
        let mut ask = match confirm {
            Confirm::No => return Ok(()),
            Confirm::Replicas | Confirm::One => cmd("WAIT"),
            Confirm::Disks => cmd("WAITAOF"),
        };
        if confirm == Confirm::Disks {
            ask.arg(1);
        }
        ask.arg(wanted).arg(timeout);
        let value = send(c, &ask).await.map_err(|e| Fault::of(&e))?;
        let odd = |e: StoreError| Fault::Unknown(e.to_string());
        let (local, replicas) = match confirm {
            Confirm::Disks => {
                let [local, replicas] = reply::parts(value).map_err(odd)?;
                (reply::number::<i64>(local).map_err(odd)?, reply::number::<i64>(replicas).map_err(odd)?)
            }
            _ => (1, reply::number::<i64>(value).map_err(odd)?),
        };
        if local < 1 || replicas < wanted {
            return Err(Fault::Refused(format!(
                "{replicas} of {wanted} replicas have it after {timeout} ms (store.redis.replicas, wait_timeout)"
            )));
        }
        Ok(())
    }

    async fn load_library(&self, c: &mut MultiplexedConnection) -> Result<(), StoreError> {
        let mut load = cmd("FUNCTION");
        load.arg("LOAD").arg("REPLACE").arg(&self.library.text);
        match send(c, &load).await {
            Ok(_) => Ok(()),
            // Not a primary any more: the call itself will find out.
            Err(e) if matches!(Fault::of(&e), Fault::Elsewhere(_) | Fault::Unknown(_)) => Ok(()),
            Err(e) => Err(unavailable(format!("the function library cannot be loaded (Redis 7.0 or later is needed): {e}"))),
        }
    }

    /// Something to be asked of every primary, with its address.
    pub async fn each_primary(&self, call: &Cmd) -> Result<Vec<(String, Result<Value, StoreError>)>, StoreError> {
        if self.topology().0.is_empty() {
            self.look(self.looks.load(Ordering::SeqCst)).await?;
        }
        let topology = self.topology();
        let mut out = Vec::new();
        for (address, parts) in topology.primaries() {
            if let Some(part) = parts.first() {
                out.push((address.to_string(), self.call(*part, Via::Work, call, Again::Safe).await));
            }
        }
        Ok(out)
    }

    /// Loads the library on every primary.
    pub async fn load_everywhere(&self) -> Result<(), StoreError> {
        let mut load = cmd("FUNCTION");
        load.arg("LOAD").arg("REPLACE").arg(&self.library.text);
        for (address, loaded) in self.each_primary(&load).await? {
            loaded.map_err(|e| {
                unavailable(format!("{address}: the function library cannot be loaded (Redis 7.0 or later is needed): {e}"))
            })?;
        }
        Ok(())
    }
}

fn slot(node: &Node, via: Via) -> &Slot {
    let [urgent, work, intent, read] = &node.slots;
    match via {
        Via::Urgent => urgent,
        Via::Work => work,
        Via::Intent => intent,
        Via::Read => read,
    }
}

/// Throws a connection away, unless somebody did already.
async fn discard(node: &Node, via: Via, life: u64) {
    let slot = slot(node, via);
    let mut held = slot.connection.lock().await;
    if slot.life.load(Ordering::SeqCst) == life {
        slot.life.fetch_add(1, Ordering::SeqCst);
        *held = None;
    }
}

async fn send(c: &mut MultiplexedConnection, call: &Cmd) -> Result<Value, RedisError> {
    c.send_packed_command(call).await?.extract_error()
}

/// A line of `INFO`.
pub(super) fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':'))
}
