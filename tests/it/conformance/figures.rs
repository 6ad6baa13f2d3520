//! What a callout costs a Redis server, measured when asked for:
//! `cargo test --test it figures -- --ignored --nocapture`. The figures are the server's own (memory,
//! processor time, commands), so that a debug build of ours says the same as any other.

use super::{
    servers::{Server, free_port},
    *,
};
use jiaoying::core::time::Span;

const CALLOUTS: u32 = 20_000;

struct Meter<'a> {
    server: &'a Server,
    cpu: f64,
    calls: u64,
}
impl Meter<'_> {
    fn new(server: &Server) -> Meter<'_> {
        let mut meter = Meter { server, cpu: 0.0, calls: 0 };
        (meter.cpu, meter.calls) = meter.read();
        meter
    }
    fn number(&self, section: &str, field: &str) -> f64 {
        let info = self.server.ask(&["INFO", section]);
        let line = info.lines().find(|l| l.starts_with(field)).unwrap_or_default();
        line.split(':').nth(1).and_then(|n| n.trim().parse().ok()).unwrap_or(0.0)
    }
    fn read(&self) -> (f64, u64) {
        let cpu = self.number("cpu", "used_cpu_user:") + self.number("cpu", "used_cpu_sys:");
        let stats = self.server.ask(&["INFO", "commandstats"]);
        let calls = stats.lines().filter(|l| l.starts_with("cmdstat_fcall:") || l.starts_with("cmdstat_mget:"));
        let calls = calls.filter_map(|l| l.split("calls=").nth(1)?.split(',').next()?.parse::<u64>().ok()).sum();
        (cpu, calls)
    }
    fn tell(&mut self, what: &str) {
        let (cpu, calls) = self.read();
        let n = f64::from(CALLOUTS);
        println!("{what}: {:.1} µs of the server and {:.3} calls a callout", (cpu - self.cpu) * 1e6 / n, (calls - self.calls) as f64 / n);
        (self.cpu, self.calls) = (cpu, calls);
    }
    fn memory(&self) -> f64 {
        self.number("memory", "used_memory:")
    }
}

/// About as long as what the engine writes.
fn commit(key: Key, head: Head, what: &str, body: usize) -> Commit {
    let mut c = change(&key, head, what);
    c.body = format!("{{\"{}\":1}}", "b".repeat(body)).into_bytes();
    c.journal = format!("[\"{what}{}\"]", "j".repeat(150)).into_bytes();
    c.head = head.after(&c.journal);
    c.lane = Lane(1);
    c.due = Some(START + Span::mins(10));
    c
}

fn called(n: u32, head: Head, what: &str, state: CalloutState) -> Commit {
    let mut c = commit(callout(1, n), head, what, 420);
    c.face = Some(face(state, n));
    c
}

async fn all(room: &Room, lane: WriteLane, size: usize, make: impl Fn(u32) -> Commit) {
    let numbers: Vec<u32> = (0..CALLOUTS).collect();
    for some in numbers.chunks(size * 16) {
        let batches = some.chunks(size).map(|batch| room.store.commit(lane, batch.iter().map(|n| make(*n)).collect()));
        for done in futures_util::future::try_join_all(batches).await.unwrap() {
            assert!(done.iter().all(|d| *d == Committed::Done));
        }
    }
}

async fn measure(name: &str, always_outbox: bool) {
    let server = Server::start("redis-server", free_port(), &[]);
    let room = Room::on_redis(Settings { always_outbox, ..Settings::single(server.address()) }).await;
    let mut meter = Meter::new(&server);
    println!("── {name}, {CALLOUTS} callouts");
    let empty = meter.memory();
    all(&room, WriteLane::Planning, 50, |n| called(n, Head::NONE, "planned", CalloutState::Queued)).await;
    meter.tell("made, 50 a batch");
    let planned = |n| called(n, Head::NONE, "planned", CalloutState::Queued).head;
    all(&room, WriteLane::Red, 512, |n| {
        let mut c = called(n, planned(n), "intended", CalloutState::Calling);
        c.send = vec![letter(&line(n), 1, Time(0), "ask")];
        c
    })
    .await;
    meter.tell("intended with a letter to its line, 512 a batch");
    let mut taken = 0;
    while taken < CALLOUTS as usize {
        let claims = room.store.claim(512, Span::mins(9)).await.unwrap();
        taken += claims.len();
        let batch = claims.into_iter().map(|c| {
            let mut opened = commit(c.key, Head::NONE, "asked", 300);
            opened.consumed = c.inbox.iter().map(|l| l.seq).collect();
            opened
        });
        room.store.commit(WriteLane::Red, batch.collect()).await.unwrap();
    }
    meter.tell("its line claimed and committed, 512 a turn");
    let intended = |n| called(n, planned(n), "intended", CalloutState::Calling).head;
    all(&room, WriteLane::Red, 1, |n| called(n, intended(n), "accepted", CalloutState::Calling)).await;
    meter.tell("accepted, one a commit, 16 at once");
    let bytes = (meter.memory() - empty) / f64::from(CALLOUTS);
    println!("memory: {bytes:.0} bytes an open callout with 3 journal rows and its line's record");
    let base = "jiaoying:{p:1}";
    for key in [format!("{base}rw1-0"), format!("{base}jw1-0")] {
        println!("  {key}: {}", server.ask(&["MEMORY", "USAGE", &key]).trim());
    }
    meter.read();
    let faces = room.store.faces(WarningId(1)).await.unwrap().len();
    meter.tell(&format!("{faces} faces listed"));
    room.store.recount(WarningId(1)).await.unwrap();
    meter.tell("counted anew");
    for _ in 0..1000 {
        room.store.claim(512, Span::mins(1)).await.unwrap();
    }
    meter.tell("a thousand claims of nothing, in all");
}

#[tokio::test]
#[ignore = "figures, not a judgement"]
async fn figures_of_a_redis_server() {
    measure("one server, 16 partitions", false).await;
    measure("by outbox, as in a Cluster, on one server", true).await;
}
