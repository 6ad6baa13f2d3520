//! Futures without a runtime. The memory store's futures are ready at once, or yield once where the spy
//! wants other work to come between: so a seed is a trace. Nights that are written by hand are also played
//! on stores that do wait; those tests run on a small runtime.

use super::rng::Rng;
use std::{
    cell::Cell,
    future::Future,
    pin::Pin,
    sync::OnceLock,
    task::{Context, Poll, Waker},
};

pub type Task<T> = Pin<Box<dyn Future<Output = T>>>;

/// More polls than any honest piece of work needs.
const ENOUGH: usize = 1_000_000;

thread_local! {
    /// Whether this test's store waits for a thread or a server.
    static WAITS: Cell<bool> = const { Cell::new(false) };
}

/// From now on [`now`] waits, in this test.
pub fn on_a_runtime(waits: bool) {
    WAITS.set(waits);
}

fn runtime() -> &'static tokio::runtime::Runtime {
    static ONE: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    ONE.get_or_init(|| tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap())
}

/// Polls one future to its end.
pub fn now<F: Future>(f: F) -> F::Output {
    if WAITS.get() {
        return runtime().block_on(f);
    }
    let mut f = std::pin::pin!(f);
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..ENOUGH {
        if let Poll::Ready(out) = f.as_mut().poll(&mut cx) {
            return out;
        }
    }
    panic!("a future waits for something that no simulation gives it");
}

/// Polls several to their ends, one poll of a chosen one at a time. Results in the order given.
pub fn together<T>(tasks: Vec<Task<T>>, rng: &mut Rng) -> Vec<T> {
    let mut cx = Context::from_waker(Waker::noop());
    let mut open: Vec<(usize, Task<T>)> = tasks.into_iter().enumerate().collect();
    let mut done: Vec<(usize, T)> = Vec::with_capacity(open.len());
    for _ in 0..ENOUGH {
        if open.is_empty() {
            done.sort_by_key(|d| d.0);
            return done.into_iter().map(|d| d.1).collect();
        }
        let i = rng.below(open.len() as u64) as usize;
        if let Poll::Ready(out) = open[i].1.as_mut().poll(&mut cx) {
            done.push((open.swap_remove(i).0, out));
        }
    }
    panic!("work at one instant does not end");
}

/// Polls a task a few times only: it stands still in the middle of its work.
pub fn begin<T>(task: &mut Task<T>, polls: u64) -> Option<T> {
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..polls {
        if let Poll::Ready(out) = task.as_mut().poll(&mut cx) {
            return Some(out);
        }
    }
    None
}

/// Lets others go first, once.
pub async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        // Joined futures look only at those that woke them.
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
