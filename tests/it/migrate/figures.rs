//! How fast a store moves, measured when asked for:
//! `cargo test --release --test it migrate::figures -- --ignored --nocapture`.

use super::fill::*;
use crate::conformance::one_server;
use jiaoying::store::{
    clock::{Clock, SystemClock},
    transfer::{Export, Import, mover},
};

const CALLOUTS: u32 = 50_000;

async fn timed(what: &str, source: &dyn Export, target: &dyn Import) {
    let clock = SystemClock::new();
    let started = clock.now();
    let moved = mover::carry(source, target).await.unwrap();
    let seconds = (clock.now() - started).seconds_f64();
    println!("{what}: {} rows in {seconds:.1} s, {:.0} rows/s", moved.source.rows(), moved.source.rows() as f64 / seconds);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn figures() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (dir.path().join("a.db"), dir.path().join("b.db"));
    let settings = one_server(16);
    timed("memory to SQLite", &memory(CALLOUTS).await, &into_sqlite(&first)).await;
    timed("SQLite to Redis", &sqlite(&first), &into_redis(&settings).await).await;
    timed("Redis to SQLite", &redis(&settings).await, &into_sqlite(&second)).await;
}
