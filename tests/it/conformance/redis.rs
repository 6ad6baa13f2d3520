//! What only a store on Redis can show: several gateways, lost answers, replicas, fail-overs.

use super::{
    servers::{Server, Watched, free_port, in_step, new_cluster, wait},
    *,
};
use futures_util::FutureExt;
use jiaoying::{
    core::time::Span,
    store::{Doc, FeedItem, StoreError, journal::Limits, transfer::GATEWAYS},
};
use std::{collections::BTreeSet, pin::pin, time::Duration};

const LEASE: Span = Span::secs(30);

/// Another gateway on the same data.
async fn gateway(settings: &Settings, clock: &Arc<ManualClock>) -> RedisStore {
    RedisStore::open(settings.clone(), Timing::Given(clock.clone())).await.expect("the servers are fit")
}

/// Two gateways that share a clock, on one server and by outbox.
async fn pairs() -> Vec<(RedisStore, RedisStore, Arc<ManualClock>, Settings)> {
    let mut all = Vec::new();
    for always_outbox in [false, true] {
        let settings = Settings { always_outbox, ..one_server(4) };
        let clock = Arc::new(ManualClock::new(START));
        all.push((gateway(&settings, &clock).await, gateway(&settings, &clock).await, clock, settings));
    }
    all
}

async fn refusal(settings: &Settings) -> String {
    let clock = Arc::new(ManualClock::new(START));
    RedisStore::open(settings.clone(), Timing::Given(clock)).await.err().expect("refused").to_string()
}

/// A second at most for what another gateway's message takes.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), what).await.expect("it comes soon")
}

/// Tries until somebody is there to take it.
async fn at_last(store: &RedisStore, c: Commit) -> Committed {
    for _ in 0..60 {
        if let Ok(mut done) = store.commit(WriteLane::Urgent, vec![c.clone()]).await {
            return done.remove(0);
        }
        tokio::task::spawn_blocking(|| (0..20).for_each(|_| wait())).await.unwrap();
    }
    panic!("no primary took it");
}

#[tokio::test]
async fn a_server_that_would_forget_is_refused_with_what_to_do() {
    let server = Server::start("redis-server", free_port(), &["--enable-debug-command", "yes"]);
    let settings = Settings { prefix: servers::prefix(), ..Settings::single(server.address()) };
    let set = |name: &str, value: &str| assert_eq!(server.ask(&["CONFIG", "SET", name, value]).trim(), "OK");
    set("maxmemory-policy", "volatile-lru");
    let why = refusal(&settings).await;
    assert!(why.contains("volatile-lru") && why.contains("CONFIG SET maxmemory-policy noeviction"), "{why}");
    set("maxmemory-policy", "noeviction");
    set("appendonly", "no");
    let why = refusal(&settings).await;
    assert!(why.contains("append-only file is off") && why.contains("CONFIG SET appendonly yes"), "{why}");
    set("appendonly", "yes");
    set("appendfsync", "no");
    assert!(refusal(&settings).await.contains("appendfsync is no"));
    set("appendfsync", "everysec");
    let why = refusal(&Settings { replicas: 1, ..settings.clone() }).await;
    assert!(why.contains("CONFIG SET min-replicas-to-write 1"), "{why}");
    let why = refusal(&Settings { mode: Mode::Cluster, ..settings.clone() }).await;
    assert!(why.contains("not a node of a Cluster") || why.contains("cluster support disabled"), "{why}");
    // Other data under the same name.
    assert_eq!(server.ask(&["HSET", &format!("{}:{{p:c}}meta", settings.prefix), "format", "9"]).trim(), "1");
    assert!(refusal(&settings).await.contains("format 9"));
    // Nobody there at all.
    let nobody = refusal(&Settings::single(format!("127.0.0.1:{}", free_port()))).await;
    assert!(nobody.contains("refused"), "{nobody}");
}

#[tokio::test]
async fn what_is_said_to_be_in_force_is_what_is_in_force_now() {
    let server = Server::start("redis-server", free_port(), &[]);
    let set = |name: &str, value: &str| assert_eq!(server.ask(&["CONFIG", "SET", name, value]).trim(), "OK");
    let store =
        gateway(&Settings { prefix: servers::prefix(), ..Settings::single(server.address()) }, &Arc::new(ManualClock::new(START))).await;
    let said = async || {
        store.ask_what_is_in_force().await;
        Reports::durability(&store)
    };
    let first = said().await;
    assert!(first.said.contains("within a second (appendfsync everysec)") && first.said_zh.contains("一秒内落盘"), "{first:?}");
    set("appendfsync", "always");
    assert!(said().await.said.contains("before it is answered (appendfsync always)"));
    // An operator in a hurry, or a replica of another configuration that took over.
    set("appendonly", "no");
    set("maxmemory-policy", "allkeys-lru");
    let now = said().await;
    assert!(now.said.contains("NOT IN FORCE: the append-only file is off") && now.said.contains("allkeys-lru"), "{}", now.said);
    assert!(now.said.contains("at no set time") && now.said_zh.contains("未达到要求") && now.lacking, "{now:?}");
    set("appendonly", "yes");
    set("maxmemory-policy", "noeviction");
    let now = said().await;
    assert!(!now.said.contains("NOT IN FORCE") && !now.lacking, "{}", now.said);
}

#[tokio::test]
async fn a_managed_server_that_says_nothing_needs_the_operators_word() {
    let server = Server::start("redis-server", free_port(), &["--rename-command", "CONFIG", ""]);
    let settings = Settings::single(server.address());
    let why = refusal(&settings).await;
    assert!(why.contains("appendfsync cannot be read") && why.contains("store.redis.assume_durable = true"), "{why}");
    let room = Room::on_redis(Settings { assume_durable: true, ..settings }).await;
    room.done(change(&warning(1), Head::NONE, "accepted")).await;
}

#[tokio::test]
async fn a_node_of_a_cluster_is_not_used_as_a_single_server() {
    let node = servers::cluster()[0].address();
    let why = refusal(&Settings::single(node)).await;
    assert!(why.contains("store.redis.mode = \"cluster\""), "{why}");
}

#[tokio::test]
async fn what_one_gateway_has_leased_no_other_is_given() {
    for (a, b, clock, _) in pairs().await {
        let mut all = BTreeSet::new();
        for n in 0..40 {
            assert_eq!(a.commit(WriteLane::Red, vec![change(&callout(1, n), Head::NONE, "due")]).await.unwrap(), [Committed::Done]);
        }
        // Both at once, in small bites.
        for _ in 0..8 {
            let (x, y) = tokio::join!(a.claim(4, LEASE), b.claim(4, LEASE));
            for claim in x.unwrap().into_iter().chain(y.unwrap()) {
                assert!(all.insert(claim.key.clone()), "{} was given twice", claim.key);
            }
        }
        all.extend(a.claim(99, LEASE).await.unwrap().into_iter().map(|c| c.key));
        assert_eq!(all.len(), 40);
        assert!(b.claim(99, LEASE).await.unwrap().is_empty());
        clock.advance(LEASE);
        let again = b.claim(99, LEASE).await.unwrap();
        assert_eq!(again.len(), 40, "the lease has ended");
        // Whoever was late finds out when it commits, not before.
        let won = change(&callout(1, 7), change(&callout(1, 7), Head::NONE, "due").head, "by b");
        assert_eq!(b.commit(WriteLane::Red, vec![won]).await.unwrap(), [Committed::Done]);
        let late = change(&callout(1, 7), change(&callout(1, 7), Head::NONE, "due").head, "by a");
        assert_eq!(a.commit(WriteLane::Red, vec![late]).await.unwrap(), [Committed::Conflict]);
    }
}

#[tokio::test]
async fn gateways_share_numbers_documents_counts_and_the_feed() {
    for (a, b, _, _) in pairs().await {
        let mut numbers = BTreeSet::new();
        for _ in 0..10 {
            numbers.extend([a.next_number("warning").await.unwrap(), b.next_number("warning").await.unwrap()]);
        }
        assert_eq!(numbers, (1..=20).collect());
        for (n, store) in (0..).zip([&a, &b, &a]) {
            let mut c = change(&callout(1, n), Head::NONE, "called");
            c.face = Some(face(CalloutState::Calling, n));
            c.feed = vec![FeedItem { kind: "x".into(), warning: None, callout: None, at: START, data: serde_json::json!(n) }];
            store.commit(WriteLane::Red, vec![c]).await.unwrap();
        }
        let feed = b.feed_after(0, 9).await.unwrap();
        assert_eq!(feed.iter().map(|(n, i)| (*n, i.data.clone())).collect::<Vec<_>>(), [(1, 0.into()), (2, 1.into()), (3, 2.into())]);
        assert_eq!(a.feed_tip().await.unwrap(), 3);
        assert_eq!(b.counts(WarningId(1)).await.unwrap(), a.recount(WarningId(1)).await.unwrap());
        let version = a.docs_apply("person", 0, vec![], vec![]).await.unwrap().unwrap();
        assert_eq!(b.docs_apply("person", 0, vec![], vec![]).await.unwrap(), None);
        assert_eq!(b.docs("person").await.unwrap().0, version);
    }
}

#[tokio::test]
async fn a_gateway_is_woken_by_what_another_made_due() {
    for (a, b, _, _) in pairs().await {
        assert_eq!(b.next_due().await.unwrap(), None);
        let woken = async {
            soon(b.changed()).await;
            b.next_due().await.unwrap()
        };
        let made = async { a.commit(WriteLane::Red, vec![change(&line(1), Head::NONE, "asks")]).await.unwrap() };
        assert_eq!(tokio::join!(woken, made).0, Some(START));
    }
}

#[tokio::test]
async fn letters_keep_their_order_whichever_gateways_clock_they_came_by() {
    for always_outbox in [false, true] {
        let settings = Settings { always_outbox, ..one_server(4) };
        let (ahead, behind) = (Arc::new(ManualClock::new(START + Span::ms(300))), Arc::new(ManualClock::new(START)));
        let (a, b) = (gateway(&settings, &ahead).await, gateway(&settings, &behind).await);
        let to = line(1);
        for (store, text, n) in [(&a, "ask", 1), (&b, "withdraw", 2)] {
            let mut c = change(&callout(1, n), Head::NONE, text);
            c.due = None;
            c.send = vec![letter(&to, 1, Time(0), text)];
            assert_eq!(store.commit(WriteLane::Red, vec![c]).await.unwrap(), [Committed::Done]);
        }
        let claim = b.claim(9, LEASE).await.unwrap().remove(0);
        let texts: Vec<_> = claim.inbox.iter().map(|l| String::from_utf8_lossy(&l.body).into_owned()).collect();
        assert_eq!(texts, ["\"ask\"", "\"withdraw\""], "always_outbox {always_outbox}");
    }
}

#[tokio::test]
async fn letters_a_dying_gateway_left_are_carried_by_another() {
    let settings = Settings { always_outbox: true, ..one_server(4) };
    let clock = Arc::new(ManualClock::new(START));
    let (a, b) = (gateway(&settings, &clock).await, gateway(&settings, &clock).await);
    // Its connection stands.
    assert!(a.claim(9, LEASE).await.unwrap().is_empty());
    let mut c = change(&callout(1, 1), Head::NONE, "asks");
    c.due = None;
    c.send = (0..3).map(|n| letter(&callout(1, 2), 1, Time(0), &n.to_string())).collect();
    let server = servers::shared();
    let keys = || server.ask(&["--scan", "--pattern", &format!("{}:{{p:?}}o[0-9]", settings.prefix)]);
    {
        let mut commit = pin!(a.commit(WriteLane::Red, vec![c.clone()]));
        // It sends the commit and dies before it carries the letters.
        assert!(commit.as_mut().now_or_never().is_none());
        for _ in 0..500 {
            if keys().lines().any(|k| k.ends_with("}o2") || k.ends_with("}o3")) {
                break;
            }
            tokio::task::spawn_blocking(wait).await.unwrap();
        }
    }
    drop(a);
    assert!(b.load(std::slice::from_ref(&c.key)).await.unwrap()[0].is_some(), "the commit stands");
    assert!(b.claim(9, LEASE).await.unwrap().is_empty(), "it may still be on its way");
    assert_eq!(b.next_due().await.unwrap(), Some(START + Span::secs(1)), "but not for ever");
    clock.advance(Span::secs(1));
    let texts = |claims: Vec<jiaoying::store::Claim>| {
        claims.into_iter().flat_map(|c| c.inbox).map(|l| String::from_utf8(l.body).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(texts(b.claim(9, LEASE).await.unwrap()), ["\"0\"", "\"1\"", "\"2\""]);
    // The same commit by whoever takes over: nothing is carried twice.
    assert_eq!(b.commit(WriteLane::Red, vec![c]).await.unwrap(), [Committed::Done]);
    clock.advance(LEASE);
    assert_eq!(texts(b.claim(9, LEASE).await.unwrap()), ["\"0\"", "\"1\"", "\"2\""]);
    assert_eq!(keys().trim(), "", "the outbox is empty");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gateways_that_carry_at_once_carry_every_letter_once_and_in_order() {
    let settings = Settings { always_outbox: true, ..one_server(1) };
    let clock = Arc::new(ManualClock::new(START));
    let stores = futures_util::future::join_all((0..3).map(|_| gateway(&settings, &clock))).await;
    // One place writes to another one, the control partition, through all gateways at once.
    let writing = (0..300u32).map(|n| {
        let mut c = change(&callout(1, n), Head::NONE, "tells");
        c.feed = vec![FeedItem { kind: n.to_string(), warning: None, callout: None, at: START, data: serde_json::json!({}) }];
        stores[n as usize % 3].commit(WriteLane::Red, vec![c])
    });
    for done in futures_util::future::join_all(writing).await {
        assert_eq!(done.unwrap(), [Committed::Done]);
    }
    let feed = stores[0].feed_after(0, 1000).await.unwrap();
    let told: BTreeSet<&str> = feed.iter().map(|(_, item)| item.kind.as_str()).collect();
    assert_eq!((feed.len(), told.len()), (300, 300));
}

#[tokio::test]
async fn a_torn_outbox_hands_its_letters_over_again_rather_than_never() {
    let settings = Settings { always_outbox: true, ..one_server(4) };
    let clock = Arc::new(ManualClock::new(START));
    let store = gateway(&settings, &clock).await;
    let post = |text: &str, head: Head| {
        let mut c = change(&callout(1, 1), head, text);
        c.due = None;
        c.send = vec![letter(&callout(1, 2), 1, Time(0), text)];
        c
    };
    let first = post("first", Head::NONE);
    store.commit(WriteLane::Red, vec![first.clone()]).await.unwrap();
    // The other side forgets what it got, as after a failover: numbers and ids no longer meet.
    let server = servers::shared();
    for part in ["0", "1", "2", "3"] {
        let from = server.ask(&["HKEYS", &format!("{}:{{p:{part}}}oi", settings.prefix)]);
        for source in from.lines().filter(|l| !l.is_empty()) {
            server.ask(&["HSET", &format!("{}:{{p:{part}}}oi", settings.prefix), source, "77 another"]);
        }
    }
    store.commit(WriteLane::Red, vec![post("second", first.head)]).await.unwrap();
    let claim = store.claim(9, LEASE).await.unwrap().remove(0);
    let texts: Vec<String> = claim.inbox.iter().map(|l| String::from_utf8(l.body.clone()).unwrap()).collect();
    assert_eq!(texts.last().map(String::as_str), Some("\"second\""), "{texts:?}");
    store.commit(WriteLane::Red, vec![post("third", post("second", first.head).head)]).await.unwrap();
    assert_eq!(store.queue_depth().await.unwrap(), [(Lane(1), texts.len() as u64 + 1)]);
}

#[tokio::test]
async fn an_answer_that_was_lost_is_asked_for_again_and_nothing_happens_twice() {
    let server = Server::start("redis-server", free_port(), &[]);
    let short = Duration::from_millis(200);
    let settings = Settings { response_timeout: short, connect_timeout: short, ..Settings::single(server.address()) };
    let room = Room::on_redis(settings).await;
    room.done(change(&warning(1), Head::NONE, "accepted")).await;
    server.pause();
    let mut c = change(&callout(1, 1), Head::NONE, "called");
    c.send = vec![letter(&line(1), 1, Time(0), "ask")];
    let lost = room.store.commit(WriteLane::Rest, vec![c.clone()]).await;
    assert!(matches!(lost, Err(StoreError::Unavailable(_))), "{lost:?}");
    assert!(matches!(room.store.claim(9, LEASE).await, Err(StoreError::Unavailable(_))));
    server.wake();
    assert_eq!(room.commit(c.clone()).await, Committed::Done);
    assert_eq!(room.store.journal(&c.key).await.unwrap().len(), 1);
    assert_eq!(room.store.queue_depth().await.unwrap(), [(Lane(1), 1)]);
}

#[tokio::test]
async fn functions_that_were_flushed_are_loaded_again() {
    let server = Server::start("redis-server", free_port(), &[]);
    let room = Room::on_redis(Settings::single(server.address())).await;
    let head = room.done(change(&warning(1), Head::NONE, "accepted")).await;
    assert_eq!(server.ask(&["FUNCTION", "FLUSH"]).trim(), "OK");
    room.done(change(&warning(1), head, "planned")).await;
    server.ask(&["FUNCTION", "FLUSH"]);
    assert_eq!(room.store.claim(9, LEASE).await.unwrap().len(), 1);
    server.ask(&["FUNCTION", "FLUSH"]);
    assert_eq!(room.store.warnings(None, 9).await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_urgent_commit_waits_for_the_replicas_it_promises() {
    let primary = Server::start("redis-server", free_port(), &["--min-replicas-to-write", "1"]);
    let replica = Server::start("redis-server", free_port(), &["--replicaof", "127.0.0.1", &primary.port.to_string()]);
    in_step(&primary);
    let settings = Settings { replicas: 1, wait_timeout: Duration::from_millis(200), ..Settings::single(primary.address()) };
    let clock = Arc::new(ManualClock::new(START));
    let store = gateway(&settings, &clock).await;
    let (first, second) = (change(&warning(1), Head::NONE, "accepted"), change(&warning(2), Head::NONE, "accepted"));
    assert_eq!(at_last(&store, first).await, Committed::Done);
    store.ask_what_is_in_force().await;
    let said = Reports::durability(&store).said;
    assert!(said.contains("received by 1 replicas before it is answered (WAIT)") && !said.contains("NOT IN FORCE"), "{said}");
    // Of two that are promised one is away: nothing is confirmed, but a gateway's beat counts, without which it would send nothing.
    let two = gateway(&Settings { replicas: 2, ..settings.clone() }, &clock).await;
    let beat = async || {
        let (version, _) = two.docs(GATEWAYS).await.unwrap();
        two.docs_apply(GATEWAYS, version, vec![Doc { id: "g".into(), body: b"1".to_vec() }], Vec::new()).await
    };
    assert!(matches!(beat().await, Ok(Some(_))));
    assert!(two.commit(WriteLane::Urgent, vec![change(&warning(3), Head::NONE, "accepted")]).await.is_err());
    replica.pause();
    assert!(beat().await.is_err(), "cut off from all");
    let told = store.commit(WriteLane::Urgent, vec![second.clone()]).await;
    assert!(matches!(&told, Err(StoreError::Unavailable(why)) if why.contains("0 of 1 replicas")), "{told:?}");
    // Asked again: it stands there already, and still no replica has it.
    assert!(store.commit(WriteLane::Urgent, vec![second.clone()]).await.is_err());
    // Nor does anything leave on the strength of it, unless the gateway keeps it itself; rows of a plan may wait for it.
    let rows = change(&callout(1, 1), Head::NONE, "row");
    assert!(store.commit(WriteLane::Red, vec![rows.clone()]).await.is_err());
    assert_eq!(store.commit(WriteLane::Planning, vec![rows]).await.unwrap(), [Committed::Done]);
    replica.wake();
    assert_eq!(at_last(&store, second.clone()).await, Committed::Done);
    assert_eq!(store.journal(&second.key).await.unwrap().len(), 1);
}

#[tokio::test]
async fn after_the_primary_died_the_sentinels_name_another_and_the_store_goes_on() {
    let mut watched = tokio::task::spawn_blocking(Watched::start).await.unwrap();
    let settings = Settings { response_timeout: Duration::from_secs(2), ..by_sentinels(&watched) };
    let clock = Arc::new(ManualClock::new(START));
    let store = gateway(&settings, &clock).await;
    let first = change(&warning(1), Head::NONE, "accepted");
    assert_eq!(store.commit(WriteLane::Urgent, vec![first.clone()]).await.unwrap(), [Committed::Done]);
    in_step(&watched.primary);
    while !watched.replica.ask(&["EXISTS", &format!("{}:{{p:c}}rw1", settings.prefix)]).contains('1') {
        wait();
    }
    let before = store.epoch().borrow().clone();
    assert_eq!(store.primaries().keys().cloned().collect::<Vec<_>>(), [watched.primary.address()]);
    watched.primary.kill();
    let second = change(&warning(1), first.head, "planned");
    assert_eq!(at_last(&store, second.clone()).await, Committed::Done);
    assert_eq!(store.primaries().keys().cloned().collect::<Vec<_>>(), [watched.replica.address()]);
    let after = store.epoch().borrow().clone();
    assert!(after.turn > before.turn && after.replids != before.replids, "{before:?} {after:?}");
    assert_eq!(store.journal(&second.key).await.unwrap().len(), 2);
    // Wake-ups come from the new one.
    let other = gateway(&settings, &clock).await;
    other.next_due().await.unwrap();
    let woken = async {
        soon(store.changed()).await;
        store.next_due().await.unwrap()
    };
    let made = async { other.commit(WriteLane::Red, vec![change(&line(1), Head::NONE, "asks")]).await.unwrap() };
    assert_eq!(tokio::join!(woken, made).0, Some(START));
}

#[tokio::test]
async fn a_cluster_that_lost_a_primary_goes_on_with_its_replica() {
    let mut nodes = tokio::task::spawn_blocking(new_cluster).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings {
        mode: Mode::Cluster,
        addresses: nodes.iter().map(Server::address).collect(),
        response_timeout: Duration::from_secs(2),
        // On a machine that stalls, the Cluster may fail over before anybody is killed.
        journal: Some((dir.path().join("journal"), Limits { age: Span::hours(1), bytes: 1 << 30 })),
        ..Settings::single("")
    };
    let clock = Arc::new(ManualClock::new(START));
    let store = gateway(&settings, &clock).await;
    let keys: Vec<Key> = (0..16).map(|n| callout(1, n)).collect();
    for key in &keys {
        assert_eq!(at_last(&store, change(key, Head::NONE, "first")).await, Committed::Done);
    }
    nodes.iter().filter(|n| n.ask(&["ROLE"]).starts_with("master")).for_each(in_step);
    let dies = store.primaries().into_iter().find(|(_, parts)| parts.contains(&"3".to_string())).unwrap().0;
    let turn = store.epoch().borrow().turn;
    nodes.iter_mut().find(|n| n.address() == dies).unwrap().kill();
    for key in &keys {
        let mut c = change(key, change(key, Head::NONE, "first").head, "second");
        c.send = vec![letter(&line(1), 1, Time(0), &key.to_string())];
        assert_eq!(at_last(&store, c).await, Committed::Done, "{key}");
    }
    assert!(!store.primaries().contains_key(&dies));
    assert!(store.epoch().borrow().turn > turn);
    // Every letter came, whichever server its sender and its addressee were on.
    for _ in 0..100 {
        let depth = store.queue_depth().await.unwrap();
        if depth.first().is_some_and(|(_, n)| *n >= 16) {
            return;
        }
        clock.advance(Span::secs(1));
        store.claim(0, LEASE).await.unwrap();
    }
    panic!("letters are missing: {:?}", store.queue_depth().await);
}

/// A node that answers, but says that its Cluster is down, and names itself primary of everything.
#[expect(clippy::disallowed_methods, reason = "ends with the test process: it waits for connections until then")]
fn node_that_is_cut_off() -> u16 {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let mut buffer = [0u8; 4096];
                while let Ok(n @ 1..) = stream.read(&mut buffer) {
                    let asked = String::from_utf8_lossy(&buffer[..n]).to_lowercase();
                    let mut answer = "+OK\r\n".repeat(asked.matches("setinfo\r\n").count());
                    if asked.contains("$4\r\ninfo") {
                        answer += "$20\r\ncluster_state:fail\r\n\r\n";
                    } else if asked.contains("slots") {
                        answer += &format!("*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$9\r\n127.0.0.1\r\n:{port}\r\n");
                    } else if answer.is_empty() {
                        answer += "-CLUSTERDOWN The cluster is down\r\n";
                    }
                    if stream.write_all(answer.as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    port
}

#[tokio::test]
async fn a_node_that_says_its_cluster_is_down_is_not_believed_while_another_is_well() {
    let mut settings = on_cluster(16);
    settings.addresses.insert(0, format!("127.0.0.1:{}", node_that_is_cut_off()));
    let store = gateway(&settings, &Arc::new(ManualClock::new(START))).await;
    assert_eq!(store.primaries().len(), 3, "{:?}", store.primaries());
    assert_eq!(at_last(&store, change(&callout(1, 1), Head::NONE, "due")).await, Committed::Done);
}

/// The partition of a callout of warning 1, of sixteen.
fn part_of(key: &Key) -> String {
    match key {
        Key::Callout(c) => ((c.ordinal + 1) % 16).to_string(),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_primary_that_hangs_holds_up_its_own_partitions_alone() {
    let nodes = tokio::task::spawn_blocking(new_cluster).await.unwrap();
    for node in &nodes {
        for name in ["cluster-replica-no-failover", "cluster-require-full-coverage"] {
            let value = if name.ends_with("failover") { "yes" } else { "no" };
            assert_eq!(node.ask(&["CONFIG", "SET", name, value]).trim(), "OK");
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits { age: Span::hours(1), bytes: 1 << 30 };
    let settings = Settings {
        mode: Mode::Cluster,
        addresses: nodes.iter().map(Server::address).collect(),
        response_timeout: Duration::from_secs(2),
        journal: Some((dir.path().join("journal"), limits)),
        ..Settings::single("")
    };
    let clock = Arc::new(ManualClock::new(START));
    let store = gateway(&settings, &clock).await;
    for n in 0..16 {
        assert_eq!(at_last(&store, change(&callout(1, n), Head::NONE, "due")).await, Committed::Done);
    }
    let primaries = store.primaries();
    let (hangs, parts) = primaries.iter().find(|(_, parts)| !parts.contains(&"c".to_string())).unwrap();
    let node = nodes.iter().find(|n| n.address() == *hangs).unwrap();
    node.pause();
    // The server's own answers are waited for two seconds, and that three times.
    let claimed = tokio::time::timeout(Duration::from_secs(8), store.claim(99, LEASE)).await.expect("the others answer").unwrap();
    assert_eq!(claimed.len(), 16 - parts.len(), "{parts:?}");
    assert!(tokio::time::timeout(Duration::from_secs(8), store.next_due()).await.expect("the others answer").unwrap().is_some());
    let keys: Vec<Key> = (0..16).map(|n| callout(1, n)).collect();
    let each = tokio::time::timeout(Duration::from_secs(3), store.load_each(&keys)).await.expect("the others answer");
    assert_eq!(each.iter().filter(|r| matches!(r, Ok(Some(_)))).count(), 16 - parts.len());
    assert_eq!(each.iter().filter(|r| r.is_err()).count(), parts.len());
    // What the others did is done, whatever becomes of the rest of its batch.
    let first = |n| change(&callout(1, n), Head::NONE, "due").head;
    let batch: Vec<Commit> = (0..16).map(|n| change(&callout(1, n), first(n), "calls")).collect();
    let results = store.commit(WriteLane::Red, batch.clone()).await.unwrap();
    let done = results.iter().filter(|r| **r == Committed::Done).count();
    assert_eq!(done, 16 - parts.len(), "{results:?}");
    assert_eq!(results.iter().filter(|r| matches!(r, Committed::Unknown(_))).count(), parts.len(), "{results:?}");
    assert!(matches!(Committed::all_known(results), Err(StoreError::Unavailable(_))));
    // Of a batch of which nothing is known, that is an error.
    let hung: Vec<Commit> = batch.iter().filter(|c| parts.contains(&part_of(&c.key))).cloned().collect();
    assert!(matches!(store.commit(WriteLane::Red, hung.clone()).await, Err(StoreError::Unavailable(_))));
    node.wake();
    for c in hung {
        assert_eq!(at_last(&store, c).await, Committed::Done, "the very same commit tells");
    }
}

#[tokio::test]
async fn how_long_commits_take_is_measured_on_redis_too() {
    let text = format!(
        "[store]\nkind = \"redis\"\n[store.redis]\naddresses = [\"{}\"]\nprefix = \"{}\"\njournal = \"\"\n",
        servers::shared().address(),
        servers::prefix()
    );
    let config = jiaoying::config::Config::from_text("test.toml", &text, &jiaoying::config::Environment::default()).unwrap();
    let metrics = jiaoying::telemetry::metrics::Metrics::install().unwrap();
    let (store, _) = jiaoying::app::open_store(&config).await.unwrap();
    store.commit(WriteLane::Urgent, vec![change(&warning(1), Head::NONE, "accepted")]).await.unwrap();
    assert!(metrics.render().contains("jiaoying_store_commit_seconds_count"));
}

#[tokio::test]
async fn engine_time_is_the_servers_and_starts_at_the_highest_any_gateway_saw() {
    let settings = one_server(1);
    let ahead = Arc::new(ManualClock::new(START + Span::hours(2)));
    drop(gateway(&settings, &ahead).await);
    let behind = Arc::new(ManualClock::new(START));
    let store = gateway(&settings, &behind).await;
    assert_eq!(store.now(), START + Span::hours(2));
    behind.advance(Span::secs(1));
    assert_eq!(store.now(), START + Span::hours(2) + Span::secs(1));
    // In production the server's clock is in force, whatever this machine thinks.
    let store = RedisStore::open(one_server(1), Timing::Server(behind)).await.unwrap();
    let time = servers::shared().ask(&["TIME"]);
    let seconds: i64 = time.lines().next().unwrap().trim().parse().unwrap();
    assert!((store.now().0 / 1000 - seconds).abs() < 5, "{} {seconds}", store.now());
    assert!(store.clock_skew() > Span::hours(24));
}
