//! The way to the writer: one bounded queue a lane, taken in lane order, a group at a time.

use super::shelf::{Carried, Carry};
use crate::store::{Commit, Committed, Doc, StoreError, WriteLane};
use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// How many commits may wait in one lane; who comes later waits for room.
const LANE_ROOM: u32 = 4096;
const LANES: usize = 4;

pub(super) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// One thing for the writer to do, with where the answer goes.
pub(super) enum Work {
    Commit { batch: Vec<Commit>, reply: Reply<Vec<Committed>> },
    Number { sequence: String, reply: Reply<u64> },
    Docs { kind: String, expect: u64, upsert: Vec<Doc>, delete: Vec<String>, reply: Reply<Option<u64>> },
    Carry { carry: Carry, reply: Reply<Carried> },
}
impl Work {
    /// How much of a group it takes.
    pub fn weight(&self) -> usize {
        match self {
            Work::Commit { batch, .. } => batch.len(),
            Work::Number { .. } | Work::Carry { .. } => 1,
            Work::Docs { upsert, delete, .. } => upsert.len() + delete.len(),
        }
    }
    pub fn refuse(self, why: &str) {
        let error = StoreError::Unavailable(why.to_string());
        // Who asked may have gone meanwhile; then nobody wants to know.
        match self {
            Work::Commit { reply, .. } => drop(reply.send(Err(error))),
            Work::Number { reply, .. } => drop(reply.send(Err(error))),
            Work::Docs { reply, .. } => drop(reply.send(Err(error))),
            Work::Carry { reply, .. } => drop(reply.send(Err(error))),
        }
    }
}

pub(super) struct Job {
    pub work: Work,
    _room: OwnedSemaphorePermit,
}

#[derive(Default)]
struct Lanes {
    waiting: [VecDeque<Job>; LANES],
    closed: bool,
}

pub(super) struct Queue {
    room: [Arc<Semaphore>; LANES],
    lanes: Mutex<Lanes>,
    some: Condvar,
}

pub(super) enum Taken {
    Group(Vec<Job>),
    Idle,
    Closed,
}

impl Queue {
    pub fn new() -> Queue {
        Queue { room: std::array::from_fn(|_| Arc::new(Semaphore::new(LANE_ROOM as usize))), lanes: Mutex::default(), some: Condvar::new() }
    }

    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for room, hands the work over and waits for its answer.
    pub async fn ask<T>(&self, lane: WriteLane, work: Work, answer: oneshot::Receiver<Result<T, StoreError>>) -> Result<T, StoreError> {
        let stopped = || StoreError::Unavailable("the store's writer has stopped; see the log before this and restart".to_string());
        let weight = u32::try_from(work.weight()).unwrap_or(LANE_ROOM).clamp(1, LANE_ROOM);
        let Some(room) = self.room.get(lane as usize).cloned() else { return Err(stopped()) };
        let room = room.acquire_many_owned(weight).await.map_err(|_| stopped())?;
        {
            let mut lanes = self.lanes();
            if lanes.closed {
                return Err(stopped());
            }
            if let Some(waiting) = lanes.waiting.get_mut(lane as usize) {
                waiting.push_back(Job { work, _room: room });
            }
        }
        self.some.notify_one();
        answer.await.map_err(|_| stopped())?
    }

    /// Takes jobs in lane order until they weigh `most`, waiting at most `idle` for the first.
    pub fn take(&self, most: usize, idle: Duration) -> Taken {
        let mut lanes = self.lanes();
        if !lanes.closed && lanes.waiting.iter().all(VecDeque::is_empty) {
            lanes = self.some.wait_timeout(lanes, idle).unwrap_or_else(PoisonError::into_inner).0;
        }
        let mut group = Vec::new();
        let mut weight = 0;
        for lane in &mut lanes.waiting {
            while weight < most
                && let Some(job) = lane.pop_front()
            {
                weight += job.work.weight();
                group.push(job);
            }
        }
        match (group.is_empty(), lanes.closed) {
            (false, _) => Taken::Group(group),
            (true, true) => Taken::Closed,
            (true, false) => Taken::Idle,
        }
    }

    /// Nothing more is taken in; what waits is still done.
    pub fn close(&self) {
        self.lanes().closed = true;
        self.some.notify_all();
    }

    /// The writer is gone: whoever waits is told.
    pub fn abandon(&self) {
        self.close();
        let left: Vec<Job> = self.lanes().waiting.iter_mut().flat_map(std::mem::take).collect();
        left.into_iter().for_each(|job| job.work.refuse("the store's writer has stopped"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        future::Future,
        task::{Context, Waker},
    };

    #[test]
    fn urgent_work_is_taken_before_planning_that_came_first() {
        let queue = Queue::new();
        let mut asked: Vec<_> = [WriteLane::Planning, WriteLane::Urgent, WriteLane::Rest]
            .into_iter()
            .map(|lane| {
                let (reply, answer) = oneshot::channel();
                Box::pin(queue.ask(lane, Work::Number { sequence: format!("{lane:?}"), reply }, answer))
            })
            .collect();
        for ask in &mut asked {
            assert!(ask.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        let Taken::Group(group) = queue.take(2, Duration::ZERO) else { panic!("there is work") };
        let names: Vec<_> =
            group.iter().map(|j| if let Work::Number { sequence, .. } = &j.work { sequence.as_str() } else { "" }).collect();
        assert_eq!(names, ["Urgent", "Rest"]);
    }

    #[test]
    fn a_queue_without_a_writer_refuses_instead_of_waiting_for_ever() {
        let queue = Queue::new();
        let (reply, answer) = oneshot::channel();
        let mut ask = Box::pin(queue.ask(WriteLane::Rest, Work::Number { sequence: "x".into(), reply }, answer));
        let mut context = Context::from_waker(Waker::noop());
        assert!(ask.as_mut().poll(&mut context).is_pending());
        queue.abandon();
        assert!(matches!(ask.as_mut().poll(&mut context), std::task::Poll::Ready(Err(StoreError::Unavailable(_)))));
    }
}
