//! Keeping the write-ahead log short without making the writer wait.
//!
//! A thread of its own copies the log into the file (PASSIVE) whenever some megabytes were written.
//! Under constant writing that alone never lets the log start again from its beginning (it grew by
//! 1 GB in 5 s when tried), so past a bound the writer itself does a RESTART, by then little work.

use rusqlite::Connection;
use std::{
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    thread,
};

/// Bytes handed to SQLite between two PASSIVE checkpoints.
const PASSIVE_BYTES: u64 = 8 << 20;
/// Frames (pages) in the log at which the writer restarts it: 64 MiB.
const RESTART_FRAMES: i64 = 16_384;

#[derive(Default)]
struct Signal {
    wanted: bool,
    stop: bool,
}

/// Shared by the writer and the checkpoint thread.
#[derive(Default)]
pub(super) struct Wal {
    signal: Mutex<Signal>,
    some: Condvar,
    written: AtomicU64,
    /// Frames in the log as the last checkpoint saw them.
    frames: AtomicI64,
}

impl Wal {
    /// The checkpoint thread, on a connection of its own.
    #[expect(clippy::disallowed_methods, reason = "joined when the store is dropped")]
    pub fn start(self: &Arc<Wal>, connection: Connection) -> std::io::Result<thread::JoinHandle<()>> {
        let wal = Arc::clone(self);
        thread::Builder::new().name("store-checkpoint".to_string()).spawn(move || wal.run(&connection))
    }

    fn run(&self, connection: &Connection) {
        loop {
            {
                let mut signal = self.signal.lock().unwrap_or_else(PoisonError::into_inner);
                while !signal.wanted && !signal.stop {
                    signal = self.some.wait(signal).unwrap_or_else(PoisonError::into_inner);
                }
                if signal.stop {
                    return;
                }
                signal.wanted = false;
            }
            self.checkpoint(connection, "PASSIVE");
        }
    }

    fn checkpoint(&self, connection: &Connection, mode: &str) {
        let done = connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |r| Ok((r.get::<_, i64>(0)?, r.get::<_, i64>(1)?)));
        match done {
            // A RESTART that was not hindered leaves nothing in the log that counts.
            Ok((0, _)) if mode == "RESTART" => self.frames.store(0, Ordering::Relaxed),
            // A reader holds the log: try again after a quarter more.
            Ok(_) if mode == "RESTART" => drop(self.frames.fetch_sub(RESTART_FRAMES / 4, Ordering::Relaxed)),
            Ok((_, frames)) => self.frames.store(frames, Ordering::Relaxed),
            Err(error) => tracing::warn!(%error, mode, "checkpoint failed; the write-ahead log grows until one succeeds"),
        }
    }

    /// The writer committed about `bytes`.
    pub fn wrote(&self, connection: &Connection, bytes: u64) {
        if self.frames.load(Ordering::Relaxed) > RESTART_FRAMES {
            self.checkpoint(connection, "RESTART");
        }
        if self.written.fetch_add(bytes, Ordering::Relaxed) + bytes >= PASSIVE_BYTES {
            self.written.store(0, Ordering::Relaxed);
            self.signal.lock().unwrap_or_else(PoisonError::into_inner).wanted = true;
            self.some.notify_one();
        }
    }

    pub fn stop(&self) {
        self.signal.lock().unwrap_or_else(PoisonError::into_inner).stop = true;
        self.some.notify_one();
    }
}
