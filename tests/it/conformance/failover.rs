//! A primary dies and takes with it what its replica had not received: what was answered `Done` is there
//! again from the gateways' own journals, before anybody decides anew.

use super::{
    servers::{Server, free_port, wait},
    *,
};
use jiaoying::{
    core::time::Span,
    store::{Doc, Identity, StoreError, journal::Limits},
};
use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::atomic::{AtomicBool, AtomicU16, Ordering},
    time::Duration,
};

const LEASE: Span = Span::secs(30);

/// One that names as primary whom the test says: a fail-over at a moment of our choice.
struct Sentinel {
    port: u16,
    names: Arc<AtomicU16>,
    ended: Arc<AtomicBool>,
}
impl Sentinel {
    #[expect(clippy::disallowed_methods, reason = "ends with the test: its connections and its listener are closed")]
    fn start(primary: u16) -> Sentinel {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (names, ended) = (Arc::new(AtomicU16::new(primary)), Arc::new(AtomicBool::new(false)));
        let (named, over) = (names.clone(), ended.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                let (mut stream, named) = (stream.unwrap(), named.clone());
                std::thread::spawn(move || {
                    let mut buffer = [0u8; 4096];
                    while let Ok(n @ 1..) = stream.read(&mut buffer) {
                        let asked = String::from_utf8_lossy(&buffer[..n]).to_lowercase();
                        let mut answer = "+OK\r\n".repeat(asked.matches("setinfo\r\n").count());
                        if asked.contains("get-master-addr-by-name") {
                            let port = named.load(Ordering::SeqCst).to_string();
                            answer += &format!("*2\r\n$9\r\n127.0.0.1\r\n${}\r\n{port}\r\n", port.len());
                        }
                        if stream.write_all(answer.as_bytes()).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Sentinel { port, names, ended }
    }
}
impl Drop for Sentinel {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        drop(std::net::TcpStream::connect(("127.0.0.1", self.port)));
    }
}

/// A primary, its replica, and the gateways' disks.
pub(super) struct House {
    pub primary: Server,
    pub replica: Server,
    sentinel: Sentinel,
    pub clock: Arc<ManualClock>,
    disks: TempDir,
    outbox: bool,
}
impl House {
    pub async fn build(outbox: bool) -> House {
        tokio::task::spawn_blocking(move || {
            let primary = Server::start("redis-server", free_port(), &[]);
            let replica = Server::start("redis-server", free_port(), &["--replicaof", "127.0.0.1", &primary.port.to_string()]);
            servers::in_step(&primary);
            let sentinel = Sentinel::start(primary.port);
            House { primary, replica, sentinel, clock: Arc::new(ManualClock::new(START)), disks: tempfile::tempdir().unwrap(), outbox }
        })
        .await
        .unwrap()
    }

    pub fn settings(&self, name: &str) -> Settings {
        let limits = Limits { age: Span::mins(10), bytes: 64 << 20 };
        Settings {
            mode: Mode::Sentinel { master_name: "warnings".to_string() },
            addresses: vec![format!("127.0.0.1:{}", self.sentinel.port)],
            partitions: 4,
            journal: Some((self.disks.path().join(name), limits)),
            recovery_hold: Duration::from_millis(1500),
            response_timeout: Duration::from_secs(2),
            always_outbox: self.outbox,
            ..Settings::single("")
        }
    }

    pub async fn gateway(&self, name: &str) -> RedisStore {
        self.open(self.settings(name)).await
    }
    pub async fn open(&self, settings: Settings) -> RedisStore {
        RedisStore::open(settings, Timing::Given(self.clock.clone())).await.expect("the servers are fit")
    }

    /// From here on the replica receives nothing.
    pub fn cut(&self) {
        let offset = |s: &Server, name: &str| {
            let info = s.ask(&["INFO", "replication"]);
            info.lines().find_map(|l| l.strip_prefix(name)?.trim().parse::<u64>().ok()).unwrap_or(0)
        };
        for _ in 0..1000 {
            if offset(&self.primary, "master_repl_offset:") == offset(&self.replica, "slave_repl_offset:") {
                self.replica.ask(&["REPLICAOF", "127.0.0.1", "1"]);
                return;
            }
            wait();
        }
        panic!("the replica never follows");
    }

    /// The primary dies and the replica takes over.
    pub fn fail_over(&mut self) {
        self.primary.kill();
        self.replica.ask(&["REPLICAOF", "NO", "ONE"]);
        self.sentinel.names.store(self.replica.port, Ordering::SeqCst);
    }
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), what).await.expect("it comes soon")
}

pub(super) async fn done(store: &RedisStore, c: Commit) -> Head {
    let head = c.head;
    assert_eq!(store.commit(WriteLane::Urgent, vec![c]).await.unwrap(), [Committed::Done]);
    head
}

/// Heads of a record's journal.
pub(super) async fn chain(store: &RedisStore, key: &Key) -> Vec<Head> {
    store.journal(key).await.unwrap().into_iter().map(|row| row.head).collect()
}

/// What can be claimed once nobody holds it any more.
pub(super) async fn claimed(store: &RedisStore, clock: &ManualClock) -> Vec<jiaoying::store::Claim> {
    // A commit waits until the hold is over.
    done(store, change(&Key::Named(format!("probe {}", store.next_number("probe").await.unwrap())), Head::NONE, "held")).await;
    clock.advance(Span::hours(1));
    let mut all = store.claim(999, LEASE).await.unwrap();
    all.retain(|c| !matches!(&c.key, Key::Named(_)));
    all
}

fn identity(n: u32) -> Identity {
    Identity { issuer: "met".into(), sender: "s".into(), identifier: format!("id-{n}"), digest: "d".into(), warning: WarningId(n) }
}

async fn nothing_that_was_told_is_lost(outbox: bool) {
    let mut house = House::build(outbox).await;
    let store = house.gateway("a").await;
    let (man, phone) = (callout(1, 0), line(5));
    let first = done(&store, change(&man, Head::NONE, "opened")).await;
    house.cut();
    let second =
        Commit { send: vec![letter(&phone, 1, Time(0), "ask"), letter(&phone, 1, Time(0), "ask too")], ..change(&man, first, "calls") };
    let second = done(&store, second).await;
    // The line reads one of the two and goes on.
    let claim = store.claim(99, LEASE).await.unwrap().into_iter().find(|c| c.key == phone).unwrap();
    assert_eq!(claim.inbox.len(), 2);
    let read = Commit { consumed: vec![claim.inbox[0].seq], due: None, ..change(&phone, Head::NONE, "rings") };
    done(&store, read).await;
    done(&store, Commit { due: None, ..change(&man, second, "answered") }).await;
    let n = store.next_number("warning").await.unwrap();
    done(
        &store,
        Commit {
            identity: Some(identity(9)),
            due: None,
            blobs: vec![("raw".into(), b"\x00raw".to_vec())],
            ..change(&warning(9), Head::NONE, "accepted")
        },
    )
    .await;
    let version = store.docs_apply("people", 0, vec![Doc { id: "x".into(), body: b"1".to_vec() }], Vec::new()).await.unwrap();
    let mut before = Vec::new();
    for key in [&man, &phone, &warning(9)] {
        before.push((chain(&store, key).await, store.load(std::slice::from_ref(key)).await.unwrap()));
    }

    house.fail_over();
    assert_eq!(house.replica.ask(&["HGET", "jiaoying:{p:c}S", "warning"]).trim(), "", "the replica had none of it");
    let next = store.next_number("warning").await.unwrap();
    assert!(next > n.max(9), "{next} was given before");
    let mut after = Vec::new();
    for key in [&man, &phone, &warning(9)] {
        after.push((chain(&store, key).await, store.load(std::slice::from_ref(key)).await.unwrap()));
    }
    assert_eq!(before, after);
    assert_eq!(store.identities("id-9").await.unwrap(), [identity(9)]);
    assert_eq!(store.blob(&warning(9), "raw").await.unwrap().as_deref(), Some(&b"\x00raw"[..]));
    assert_eq!(store.docs("people").await.unwrap(), (version.unwrap(), vec![Doc { id: "x".into(), body: b"1".to_vec() }]));
    let waiting = claimed(&store, &house.clock).await;
    let letters: Vec<String> = waiting.iter().flat_map(|c| &c.inbox).map(|l| String::from_utf8_lossy(&l.body).into_owned()).collect();
    assert_eq!(letters, ["\"ask too\""], "the one that was read is read, the other is not lost");
    assert!(store.epoch().borrow().turn > 0);
    assert_eq!(store.commit(WriteLane::Urgent, vec![change(&man, first, "calls")]).await.unwrap(), [Committed::Conflict]);
}

#[tokio::test]
async fn what_was_answered_done_is_there_after_a_failover_that_lost_it() {
    nothing_that_was_told_is_lost(false).await;
}

#[tokio::test]
async fn what_was_answered_done_is_there_after_a_failover_that_lost_it_by_outbox_too() {
    nothing_that_was_told_is_lost(true).await;
}

#[tokio::test]
async fn what_the_replicas_did_not_confirm_is_refused_and_yet_not_lost_for_others_have_read_it() {
    let mut house = House::build(false).await;
    let least = |n: &str| assert_eq!(house.primary.ask(&["CONFIG", "SET", "min-replicas-to-write", n]).trim(), "OK");
    least("1");
    let store = house.open(Settings { replicas: 1, wait_timeout: Duration::from_millis(500), ..house.settings("a") }).await;
    let man = callout(1, 0);
    let asked = change(&man, Head::NONE, "asked");
    let first = asked.head;
    // The same commit again asks again: on a machine that stalls the replica may be late.
    soon(async { while store.commit(WriteLane::Urgent, vec![asked.clone()]).await.is_err() {} }).await;
    // A replica that was there a moment ago counts for min-replicas-to-write until its lag is noticed.
    least("0");
    house.cut();
    let answer = change(&man, first, "answered");
    let refused = store.commit(WriteLane::Urgent, vec![answer.clone()]).await;
    assert!(matches!(&refused, Err(StoreError::Unavailable(why)) if why.contains("0 of 1 replicas")), "{refused:?}");
    // Whoever is told the answer again finds it here, changes nothing, and says that it is kept.
    assert_eq!(store.load(std::slice::from_ref(&man)).await.unwrap()[0].as_ref().unwrap().head, answer.head);
    house.fail_over();
    drop(store);
    let store = house.gateway("a").await;
    assert_eq!(store.load(std::slice::from_ref(&man)).await.unwrap()[0].as_ref().unwrap().head, answer.head);
    assert_eq!(chain(&store, &man).await, [first, answer.head]);
}

#[tokio::test]
async fn a_warning_sent_again_is_kept_by_whoever_answers_although_another_accepted_it_and_died() {
    let mut house = House::build(false).await;
    // Killed between the primary's answer and its own journal.
    let died = house.open(Settings { journal: None, ..house.settings("a") }).await;
    house.cut();
    let accepted = |n: u32| Commit { identity: Some(identity(n)), due: None, ..change(&warning(n), Head::NONE, "accepted") };
    let first = done(&died, accepted(1)).await;
    let untouched = done(&died, accepted(2)).await;
    drop(died);
    let b = house.gateway("b").await;
    let planned = done(&b, Commit { due: None, ..change(&warning(1), first, "planned") }).await;
    assert_eq!(b.commit(WriteLane::Urgent, vec![accepted(1)]).await.unwrap(), [Committed::IdentityTaken(identity(1))]);
    assert_eq!(b.commit(WriteLane::Urgent, vec![accepted(2)]).await.unwrap(), [Committed::Done]);
    house.fail_over();
    done(&b, change(&Key::Named("probe".to_string()), Head::NONE, "held")).await;
    assert_eq!(chain(&b, &warning(1)).await, [first, planned]);
    assert_eq!(chain(&b, &warning(2)).await, [untouched]);
    assert_eq!(b.identities("id-1").await.unwrap(), [identity(1)]);
}

#[tokio::test]
async fn an_entry_of_another_life_is_not_taken_for_the_one_of_its_number_that_arrived() {
    let house = House::build(true).await;
    let a = house.gateway("a").await;
    let (man, phone) = (callout(1, 0), line(5));
    done(&a, Commit { send: vec![letter(&phone, 1, Time(0), "ask")], ..change(&man, Head::NONE, "calls") }).await;
    // It has arrived, and is taken out with the next call. Under its number stands another one by then.
    let keys = house.primary.ask(&["KEYS", "jiaoying:*}o[0-9c]*"]);
    let [outbox] = keys.lines().collect::<Vec<_>>()[..] else { panic!("{keys}") };
    let entry = house.primary.ask(&["LINDEX", outbox, "0"]);
    let (id, item) = entry.trim_end().split_once(" L").unwrap();
    let (number, tag) = id.split_once(' ').unwrap();
    assert_ne!(tag, "0badf00d");
    house.primary.ask(&["LSET", outbox, "0", &format!("{number} 0badf00d L{}", item.replace("ask", "now"))]);
    a.next_due().await.unwrap();
    assert_eq!(house.primary.ask(&["LLEN", outbox]).trim(), "1", "nobody has carried it");
    let waiting = claimed(&a, &house.clock).await;
    let letters: Vec<String> = waiting.iter().flat_map(|c| &c.inbox).map(|l| String::from_utf8_lossy(&l.body).into_owned()).collect();
    assert_eq!(letters, ["\"ask\"", "\"now\""]);
}

#[tokio::test]
async fn a_journal_that_is_over_its_size_is_said_and_turns_nobody_away() {
    let house = House::build(false).await;
    let small = Limits { age: Span::mins(10), bytes: 100_000 };
    let store = house.open(Settings { journal: Some((house.disks.path().join("a"), small)), ..house.settings("a") }).await;
    done(&store, change(&warning(1), Head::NONE, "small")).await;
    assert!(!Reports::durability(&store).lacking, "{}", Reports::durability(&store).said);
    for n in 2..7 {
        done(&store, Commit { body: vec![b' '; 30_000], ..change(&warning(n), Head::NONE, "large") }).await;
        house.clock.advance(Span::secs(1));
    }
    let is = Reports::durability(&store);
    assert!(!is.lacking && is.said.contains("store.redis.journal_size") && is.said_zh.contains("本机日志超出容量"), "{}", is.said);
}

#[tokio::test]
async fn chains_of_two_gateways_are_put_together_again() {
    let mut house = House::build(false).await;
    let (a, b) = (house.gateway("a").await, house.gateway("b").await);
    let keys: Vec<Key> = (0..5).map(|n| callout(1, n)).collect();
    let mut heads = vec![Head::NONE; keys.len()];
    house.cut();
    for step in 0..12 {
        for (n, key) in keys.iter().enumerate() {
            let store = if (step + n) % 2 == 0 { &a } else { &b };
            let next = &keys[(n + 1) % keys.len()];
            let c = Commit {
                send: vec![letter(next, 1, Time(0), &format!("{step} from {n}"))],
                ..change(key, heads[n], &format!("step {step}"))
            };
            heads[n] = done(store, c).await;
        }
        // Every other letter is read, by the other gateway.
        let store = if step % 2 == 0 { &b } else { &a };
        for claim in store.claim(99, LEASE).await.unwrap() {
            let n = keys.iter().position(|k| *k == claim.key).unwrap();
            let consumed: Vec<u64> = claim.inbox.iter().filter(|l| l.seq % 2 == 0).map(|l| l.seq).collect();
            heads[n] = done(store, Commit { consumed, ..change(&claim.key, heads[n], &format!("reads at {step}")) }).await;
        }
    }
    let letters = |claims: Vec<jiaoying::store::Claim>| {
        let mut all: Vec<(Key, String)> = claims
            .into_iter()
            .flat_map(|c| c.inbox.into_iter().map(move |l| (c.key.clone(), String::from_utf8_lossy(&l.body).into_owned())))
            .collect();
        all.sort();
        all
    };
    let before = letters(claimed(&a, &house.clock).await);
    assert!(before.len() > 20, "{before:?}");
    house.fail_over();
    let (x, y) = tokio::join!(a.next_number("warning"), b.next_number("warning"));
    assert_ne!(x.unwrap(), y.unwrap());
    for (key, head) in keys.iter().zip(&heads) {
        let stands = a.load(std::slice::from_ref(key)).await.unwrap().remove(0).map(|r| r.head);
        assert_eq!(stands, Some(*head), "{key}");
    }
    assert_eq!(letters(claimed(&b, &house.clock).await), before, "none is lost and none is read twice");
}

#[tokio::test]
async fn changes_of_documents_by_two_gateways_are_put_together_again() {
    let mut house = House::build(false).await;
    let (a, b) = (house.gateway("a").await, house.gateway("b").await);
    house.cut();
    for version in 0..6 {
        let store = if version % 2 == 0 { &a } else { &b };
        let doc = Doc { id: format!("d{version}"), body: b"1".to_vec() };
        assert_eq!(store.docs_apply("people", version, vec![doc], Vec::new()).await.unwrap(), Some(version + 1));
        let beat = Doc { id: "g".into(), body: b"1".to_vec() };
        store.docs_apply("gateway", version, vec![beat], Vec::new()).await.unwrap();
    }
    let before = a.docs("people").await.unwrap();
    house.fail_over();
    let (x, y) = tokio::join!(a.next_number("warning"), b.next_number("warning"));
    assert_ne!(x.unwrap(), y.unwrap());
    assert_eq!(a.docs("people").await.unwrap(), before);
    assert_eq!(a.docs("gateway").await.unwrap().0, 0, "heartbeats are not told the journal");
}

#[tokio::test]
async fn a_new_life_is_held_and_nobody_is_handed_anything_meanwhile() {
    let mut house = House::build(false).await;
    let a = house.gateway("a").await;
    let b = house
        .open(Settings { recovery_hold: Duration::from_secs(20), response_timeout: Duration::from_secs(30), ..house.settings("b") })
        .await;
    let head = done(&a, change(&callout(1, 0), Head::NONE, "due")).await;
    house.cut();
    done(&a, Commit { due: None, ..change(&callout(1, 0), head, "answered") }).await;
    house.fail_over();
    // b comes first and does not know what a told; it is handed nothing.
    let handed = soon(async {
        loop {
            // The first may have gone to the one that died.
            if let Ok(claims) = b.claim(9, LEASE).await {
                break claims;
            }
        }
    });
    assert_eq!(handed.await, []);
    let waits = b.commit(WriteLane::Red, vec![change(&callout(1, 0), head, "rings again")]);
    let repairs = async {
        for _ in 0..500 {
            if chain(&a, &callout(1, 0)).await.len() == 2 {
                return;
            }
            tokio::task::spawn_blocking(wait).await.unwrap();
        }
        panic!("a gateway with nothing to do does not repair");
    };
    tokio::select! {
        biased;
        () = repairs => {}
        early = waits => panic!("{early:?}"),
    }
}

#[tokio::test]
async fn a_gateway_that_starts_again_replays_what_it_told_before_its_end() {
    let mut house = House::build(false).await;
    let a = house.gateway("a").await;
    let b = house.gateway("b").await;
    house.cut();
    let head = done(&a, change(&callout(1, 0), Head::NONE, "opened")).await;
    done(&b, change(&callout(1, 1), Head::NONE, "opened")).await;
    drop(a);
    house.fail_over();
    b.next_number("warning").await.unwrap();
    assert_eq!(chain(&b, &callout(1, 0)).await, [], "nobody else knows of it");
    let a = house.gateway("a").await;
    assert_eq!(chain(&a, &callout(1, 0)).await, [head]);
    assert_eq!(chain(&a, &callout(1, 1)).await.len(), 1);
    // Where nothing is missing nothing is done.
    drop(a);
    let a = house.gateway("a").await;
    assert_eq!(chain(&a, &callout(1, 0)).await, [head]);
}

#[tokio::test]
async fn a_journal_that_is_too_old_or_of_an_emptied_store_calls_nobody_again() {
    let house = House::build(false).await;
    let a = house.gateway("a").await;
    done(&a, change(&callout(1, 0), Head::NONE, "opened")).await;
    drop(a);
    // Archived and forgotten meanwhile, while another gateway was there.
    let lose = || house.primary.ask(&["EVAL", "for _, k in ipairs(redis.call('KEYS', '*}*w1-0')) do redis.call('DEL', k) end", "0"]);
    lose();
    for _ in 0..62 {
        house.clock.advance(Span::secs(10));
        drop(house.open(Settings { journal: None, ..house.settings("b") }).await);
    }
    let a = house.gateway("a").await;
    assert_eq!(chain(&a, &callout(1, 0)).await, [], "it is older than the window");
    // While nobody was there nothing aged: what was told last is missing, and is told again.
    let second = done(&a, change(&callout(1, 0), Head::NONE, "opened anew")).await;
    drop(a);
    lose();
    house.clock.advance(Span::hours(5));
    drop(house.open(Settings { journal: None, ..house.settings("b") }).await);
    let a = house.gateway("a").await;
    assert_eq!(chain(&a, &callout(1, 0)).await, [second]);
    drop(a);
    house.primary.ask(&["FLUSHALL"]);
    let a = house.gateway("a").await;
    assert_eq!(chain(&a, &callout(1, 0)).await, [], "told of another store");
    let third = done(&a, change(&callout(1, 0), Head::NONE, "of this one")).await;
    drop(a);
    lose();
    let a = house.gateway("a").await;
    assert_eq!(chain(&a, &callout(1, 0)).await, [third]);
}

#[tokio::test]
async fn a_primary_that_forgot_which_store_it_has_is_told_and_one_that_has_another_is_told_nothing() {
    for another in [false, true] {
        let mut house = House::build(false).await;
        let a = house.gateway("a").await;
        let first = done(&a, change(&callout(1, 0), Head::NONE, "opened")).await;
        let meta = ["jiaoying:{p:c}meta", "store"];
        let id = house.primary.ask(&["HGET", meta[0], meta[1]]);
        house.cut();
        let second = done(&a, change(&callout(1, 0), first, "answered")).await;
        house.fail_over();
        if another {
            house.replica.ask(&["HSET", meta[0], meta[1], "another"]);
        } else {
            house.replica.ask(&["HDEL", meta[0], meta[1]]);
        }
        a.next_number("warning").await.unwrap();
        let (stands, named) = if another { (vec![first], "another") } else { (vec![first, second], id.trim()) };
        assert_eq!(chain(&a, &callout(1, 0)).await, stands);
        assert_eq!(house.replica.ask(&["HGET", meta[0], meta[1]]).trim(), named);
    }
}

#[tokio::test]
async fn nothing_is_answered_that_the_local_journal_did_not_take() {
    let house = House::build(false).await;
    let limits = Limits { age: Span::mins(10), bytes: 2 << 20 };
    let path = house.disks.path().join("small");
    let store = house.open(Settings { journal: Some((path, limits)), ..house.settings("small") }).await;
    let big = Commit { body: vec![b' '; 8 << 20], ..change(&callout(1, 0), Head::NONE, "big") };
    let refused = store.commit(WriteLane::Urgent, vec![big]).await;
    assert!(
        matches!(&refused, Err(StoreError::Unavailable(why)) if why.contains("disk is full") && why.contains("store.redis.journal")),
        "{refused:?}"
    );
    done(&store, change(&callout(1, 1), Head::NONE, "small")).await;
    let is = Reports::durability(&store);
    assert!(is.said.contains("this gateway's own journal") && !is.lacking, "{}", is.said);
}

#[tokio::test]
async fn while_the_local_journal_cannot_be_written_nothing_is_begun_in_redis() {
    let house = House::build(false).await;
    let full = house.open(Settings {
        // Smaller than what is tried again: as a disk that stays full.
        journal: Some((house.disks.path().join("full"), Limits { age: Span::mins(10), bytes: 100_000 })),
        ..house.settings("full")
    });
    let (full, other) = (full.await, house.gateway("other").await);
    let big = Commit { body: vec![b' '; 4 << 20], due: None, ..change(&callout(1, 0), Head::NONE, "big") };
    assert!(full.commit(WriteLane::Urgent, vec![big]).await.is_err());
    let refused = |e: StoreError| assert!(matches!(&e, StoreError::Unavailable(why) if why.contains("store.redis.journal")), "{e}");
    refused(full.commit(WriteLane::Red, vec![change(&callout(1, 1), Head::NONE, "intent")]).await.unwrap_err());
    assert_eq!(chain(&other, &callout(1, 1)).await, [], "it was not done in Redis either");
    done(&other, change(&callout(1, 2), Head::NONE, "due")).await;
    refused(full.claim(9, LEASE).await.unwrap_err());
    refused(full.docs_apply("people", 0, Vec::new(), Vec::new()).await.unwrap_err());
    assert_eq!(other.claim(9, LEASE).await.unwrap().len(), 1, "nobody holds it");
    let is = Reports::durability(&full);
    assert!(is.lacking && is.said.contains("NOT IN FORCE: nothing is taken, called or answered"), "{}", is.said);
    assert!(!Reports::durability(&other).lacking);
}

#[tokio::test]
async fn a_gateway_that_comes_too_late_hands_over_what_it_told_and_sent_and_overwrites_nothing() {
    use jiaoying::core::{
        callout::{
            entry::Entry,
            event::Event,
            fold,
            state::{AnsweredBy, AskKind, Callout, Via},
        },
        ids::RecipientId,
        send::Channel,
    };
    let id = CalloutId::new(WarningId(1), 0);
    let man = Key::Callout(id);
    let made = |before: Option<&Callout>, entries: Vec<Entry>, expect: Head| {
        let mut state = before.cloned().unwrap_or_else(|| fold::fold([(START, &entries[..0])]));
        entries.iter().for_each(|e| fold::apply(&mut state, e, START));
        let (body, journal) = (serde_json::to_vec(&state).unwrap(), serde_json::to_vec(&entries).unwrap());
        (state, Commit::new(man.clone(), expect, body, journal, Some(START), Lane(1), START))
    };
    let opened = Entry::Opened {
        id,
        start: START,
        due_at: START + Span::mins(5),
        told_only: false,
        unreachable: false,
        person: 0,
        holder: RecipientId(7),
        next_rung: None,
    };
    let queued = Entry::Queued {
        contact: 0,
        channel: Channel::Sms,
        kind: AskKind::Callout,
        number: 0,
        by_line: false,
        not_before: None,
        repeats: None,
        hedges: None,
        failed_by: Vec::new(),
    };
    let by = AnsweredBy { id: Some(RecipientId(7)), name: "张三".into(), relation: "holder".into() };

    let mut house = House::build(false).await;
    let a = house.gateway("a").await;
    let (state, first) = made(None, vec![opened, queued], Head::NONE);
    let first = done(&a, first).await;
    house.cut();
    let (sent, intent) = made(Some(&state), vec![Entry::Sending { n: 1, at: START, provider: "aliyun".into(), digit: Some(3) }], first);
    let intent = done(&a, intent).await;
    let answered = Entry::Answered { via: Via::Reply, by, at: START + Span::secs(9), late: false, entered_by: None, note: None };
    done(&a, made(Some(&sent), vec![answered], intent).1).await;
    done(&a, Commit { identity: Some(identity(1)), due: None, ..change(&warning(1), Head::NONE, "accepted") }).await;
    let raw = Commit { due: None, ..change(&Key::Callback(1), Head::NONE, "thanked for") };
    done(&a, raw.clone()).await;
    drop(a);
    house.fail_over();

    // Nobody holds the new primary, and somebody decides anew.
    let b = house.open(Settings { recovery_hold: Duration::ZERO, ..house.settings("b") }).await;
    let (_, other) = made(Some(&state), vec![Entry::Overdue], first);
    let other = done(&b, other).await;
    let other_raw = done(&b, change(&Key::Callback(1), Head::NONE, "another's")).await;
    let a = house.gateway("a").await;
    assert_eq!(chain(&a, &man).await, [first, other], "what stands is left alone");
    let heard: Vec<Event> = claimed(&b, &house.clock)
        .await
        .into_iter()
        .filter(|c| c.key == man)
        .flat_map(|c| c.inbox)
        .map(|l| serde_json::from_slice(&l.body).unwrap())
        .collect();
    let [Event::Left { n: 1, attempt, at: START, digit: Some(3), .. }, Event::Answer { contact: 0, via: Via::Reply, at }] = &heard[..]
    else {
        panic!("{heard:?}")
    };
    assert_eq!((attempt.channel, *at), (Channel::Sms, START + Span::secs(9)));
    assert_eq!(b.identities("id-1").await.unwrap(), [identity(1)]);
    assert_eq!(chain(&b, &Key::Callback(1)).await, [other_raw]);
    let n = b.next_number("callback").await.unwrap() - 1;
    assert_eq!(chain(&b, &Key::Callback(n)).await, [raw.head], "under a number of its own");
    // A gateway that starts again does not say it all again.
    drop(a);
    let a = house.gateway("a").await;
    assert!(a.claim(99, LEASE).await.unwrap().iter().all(|c| c.key != man || c.inbox.len() <= 2));
    assert_eq!(a.next_number("callback").await.unwrap(), n + 2, "nor puts it in again");
}

#[tokio::test]
async fn a_hold_that_began_while_the_servers_clock_was_ahead_ends_like_any_other() {
    let house = House::build(false).await;
    let store = house.open(Settings { response_timeout: Duration::from_millis(300), ..house.settings("a") }).await;
    store.next_number("warning").await.unwrap();
    let name = house.primary.ask(&["KEYS", "*life"]).trim().to_string();
    let held = |text: &str| text.trim().split(' ').nth(1).and_then(|h| h.parse::<u64>().ok()).unwrap();
    let now = || house.primary.ask(&["TIME"]).lines().next().unwrap().trim().parse::<u64>().unwrap() * 1000;
    let life = house.primary.ask(&["GET", &name]);
    let eight_hours_ahead = format!("{} {}", life.split(' ').next().unwrap(), now() + 8 * 3_600_000);
    house.primary.ask(&["SET", &name, &eight_hours_ahead]);
    assert!(matches!(store.next_number("warning").await, Err(StoreError::Unavailable(_))), "it is held");
    assert!(held(&house.primary.ask(&["GET", &name])) <= now() + 61_000, "a minute at most");
}
