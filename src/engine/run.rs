//! The engine's loops under tokio. They carry; every decision is in a turn.

use super::{
    Engine,
    audit::Audit,
    dispatcher::{Done, Job, gather},
    gateways, inbox,
};
use crate::{core::time::Span, telemetry::metrics};
use std::{sync::Arc, time::Duration};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Due records worked through in one turn.
const TURN: usize = 200;
/// Outcomes recorded in one batch.
const BATCH: usize = 200;
/// Outcomes that may be on their way into the store at once.
const MOST_BEHIND: usize = 2048;
/// A batch that is not recorded by then is not waited for before the next.
const SOON: Duration = Duration::from_secs(1);
/// Even without news the clock is looked at this often.
const LONGEST_SLEEP: Span = Span::secs(1);

/// Runs until `stop`: then takes no new work, and waits for requests under way to be recorded.
pub async fn run(engine: Arc<Engine>, stop: CancellationToken) {
    if engine.store().shared() {
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = make_room(&engine) => {}
        }
    }
    if let Err(e) = engine.arm_schedules().await {
        tracing::error!(error = %e, "the drills' schedules could not be given their clocks; they are at the next start");
    }
    let lines = inbox::Lines::open(&engine);
    let tracker = TaskTracker::new();
    let (done_tx, done_rx) = mpsc::channel::<Done>(2048);
    let permits = Arc::new(Semaphore::new(engine.settings().intents));
    tracker.spawn(recorder(engine.clone(), done_rx, stop.clone(), tracker.clone()));
    for _ in 0..2 {
        tracker.spawn(executor(engine.clone(), stop.clone(), permits.clone(), done_tx.clone(), tracker.clone()));
    }
    tracker.spawn(find_ringing(engine.clone()));
    tracker.spawn(conservation(engine.clone(), stop.clone()));
    tracker.spawn(follow_directory(engine.clone(), stop.clone()));
    tracker.spawn(tend_accounts(engine.clone(), stop.clone()));
    tracker.spawn(heartbeat(engine.clone(), stop.clone()));
    drop(done_tx);
    tracker.close();
    tracker.wait().await;
    lines.close().await;
    // Not before the last request has left: from then on others take this one's part of every account.
    if engine.store().shared()
        && let Err(e) = engine.gateways().leave().await
    {
        tracing::warn!(error = %e, "the other gateways could not be told of this one's end");
    }
}

async fn executor(engine: Arc<Engine>, stop: CancellationToken, permits: Arc<Semaphore>, done: mpsc::Sender<Done>, tracker: TaskTracker) {
    let wake = engine.store().clone();
    while !stop.is_cancelled() {
        // Intents never run ahead of their requests by more than the permits left.
        // Worth a turn only in batches: one fsync carries two hundred as well as two.
        let enough = (engine.settings().intents / 4).clamp(1, TURN) as u32;
        let Ok(room) = permits.acquire_many(enough).await else { return };
        drop(room);
        let limit = permits.available_permits().clamp(1, TURN);
        // Registered before the turn, so that what comes due during it is not slept over.
        let changed = wake.changed();
        match engine.turn_without_plans(limit).await {
            Ok((turn, plans)) => {
                for claim in plans {
                    let engine = engine.clone();
                    tracker.spawn(async move {
                        if let Err(e) = engine.work_plan(claim).await {
                            tracing::error!(error = %e, "a plan could not be worked; it is leased and comes back");
                        }
                    });
                }
                for jobs in gather(turn.jobs, engine.settings().intents) {
                    start(&engine, &permits, &done, &tracker, jobs).await;
                }
                for claim in engine.take_digests() {
                    let engine = engine.clone();
                    tracker.spawn(async move {
                        if let Err(e) = engine.work_digest(claim).await {
                            tracing::error!(error = %e, "a group's digest could not be worked; it is leased and comes back");
                        }
                    });
                }
                for job in engine.take_lookups() {
                    let engine = engine.clone();
                    tracker.spawn(async move {
                        if let Err(e) = engine.look_up(job).await {
                            tracing::error!(error = %e, "a look-up could not be recorded");
                        }
                    });
                }
                for probe in engine.take_probes() {
                    let engine = engine.clone();
                    tracker.spawn(async move {
                        if let Err(e) = engine.probe(probe).await {
                            tracing::error!(error = %e, "what an account's query came to could not be recorded");
                        }
                    });
                }
                if turn.claimed == 0 {
                    let now = engine.now();
                    let due = engine.store().next_due().await.ok().flatten();
                    let sleep = due.map_or(LONGEST_SLEEP, |d| (d - now).clamp(Span::ms(1), LONGEST_SLEEP));
                    tokio::select! {
                        biased;
                        () = stop.cancelled() => {}
                        () = changed => {}
                        () = tokio::time::sleep(sleep.to_std()) => {}
                    }
                }
            }
            Err(e) => {
                tracing::error!(error = %e, "a turn failed; its work is leased and comes back");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

async fn start(engine: &Arc<Engine>, permits: &Arc<Semaphore>, done: &mpsc::Sender<Done>, tracker: &TaskTracker, jobs: Vec<Job>) {
    let many = u32::try_from(jobs.len()).unwrap_or(u32::MAX);
    let Ok(permit) = permits.clone().acquire_many_owned(many).await else { return };
    let (engine, done) = (engine.clone(), done.clone());
    tracker.spawn(async move {
        // The permits are held until the outcomes are on their way to be recorded.
        for result in engine.send_together(jobs).await {
            let _ = done.send(result).await;
        }
        drop(permit);
    });
}

async fn recorder(engine: Arc<Engine>, mut outcomes: mpsc::Receiver<Done>, stop: CancellationToken, tracker: TaskTracker) {
    let behind = Arc::new(Semaphore::new(MOST_BEHIND));
    let mut batch = Vec::with_capacity(BATCH);
    while outcomes.recv_many(&mut batch, BATCH).await > 0 {
        let taken = std::mem::replace(&mut batch, Vec::with_capacity(BATCH));
        // While the store is away the next ones wait, and no new request leaves ahead of what can be recorded.
        let Ok(room) = behind.clone().acquire_many_owned(taken.len() as u32).await else { return };
        let (engine, stop) = (engine.clone(), stop.clone());
        let mut recording = tracker.spawn(async move {
            engine.record_surely(taken, &stop).await;
            drop(room);
        });
        // One batch after the other, unless a part of the store is away: that holds up its own outcomes alone.
        let _ = tokio::time::timeout(SOON, &mut recording).await;
    }
}

/// Not waited for: with a million open callouts it takes its time, and nobody's call waits for it.
async fn find_ringing(engine: Arc<Engine>) {
    if let Err(e) = engine.find_ringing().await {
        tracing::warn!(error = %e, "calls of an earlier run could not be found; for a while more lines may be used than there are");
    }
}

/// Law 2, all the time: the kept counts against a recount, exported.
async fn conservation(engine: Arc<Engine>, stop: CancellationToken) {
    let mut audit = Audit::default();
    while !stop.is_cancelled() {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep(Duration::from_secs(5)) => {}
        }
        match engine.conservation_difference(&mut audit).await {
            Ok(difference) => metrics::conservation_difference(difference),
            Err(e) => tracing::error!(error = %e, "conservation could not be checked"),
        }
    }
}

/// Tells the others, and takes this gateway's part of every account; whether that went well.
async fn say_alive(engine: &Engine) -> bool {
    if !engine.store().shared() {
        return true;
    }
    let said = engine.say_alive().await;
    if let Err(e) = &said {
        tracing::warn!(error = %e, "the other gateways could not be told of this one or asked: nothing is sent until they can");
    }
    said.is_ok()
}

/// Waits until the others have taken smaller parts of every account.
async fn make_room(engine: &Engine) {
    while !say_alive(engine).await {
        tokio::time::sleep(gateways::BEAT.to_std()).await;
    }
    tokio::time::sleep(gateways::QUIET.to_std()).await;
}

/// Other gateways know of this one while it runs.
async fn heartbeat(engine: Arc<Engine>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        say_alive(&engine).await;
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = tokio::time::sleep(gateways::BEAT.to_std()) => {}
        }
    }
}

/// How accounts stand is known here within a second of another gateway's finding it; paces rise again.
async fn tend_accounts(engine: Arc<Engine>, stop: CancellationToken) {
    if let Err(e) = engine.begin_probing().await {
        tracing::warn!(error = %e, "idle accounts are not asked yet");
    }
    while !stop.is_cancelled() {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
        engine.ease_accounts();
        if let Err(e) = engine.follow_canaries().await {
            tracing::warn!(error = %e, "the canaries' book could not be read");
        }
        // Alone, too: what could not be written down is taken back here.
        if let Err(e) = engine.follow_board().await {
            tracing::warn!(error = %e, "how the accounts stand could not be read");
        }
    }
}

/// Lists and pages show the directory that another gateway was given, within seconds. (A plan looks for itself.)
async fn follow_directory(engine: Arc<Engine>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep(Duration::from_secs(2)) => {}
        }
        if let Err(e) = engine.follow_directory().await {
            tracing::error!(error = %e, "the directory could not be looked at");
        }
    }
}
