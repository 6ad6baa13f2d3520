//! Waking the timekeeper: by this gateway's own calls at once, by others' over a channel.

use std::sync::{Mutex, PoisonError};
use tokio::sync::Notify;

/// Remembers what [`super::super::Store::next_due`] last said, and wakes when something is earlier.
pub(super) struct Waker {
    told: Mutex<i64>,
    notify: Notify,
}

impl Waker {
    pub fn new() -> Waker {
        Waker { told: Mutex::new(i64::MAX), notify: Notify::new() }
    }

    /// Something became due at `at`.
    pub fn note(&self, at: i64) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if at < *told {
            *told = at;
            drop(told);
            self.notify.notify_one();
        }
    }

    /// Before the question is asked: whatever comes while it is under way wakes.
    pub fn asking(&self) {
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = i64::MAX;
    }

    pub fn said(&self, next: Option<i64>) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        *told = (*told).min(next.unwrap_or(i64::MAX));
    }

    /// Wakes whatever was said: messages may have been missed.
    pub fn kick(&self) {
        self.notify.notify_one();
    }

    pub async fn woken(&self) {
        self.notify.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn what_comes_while_the_question_is_asked_is_not_lost() {
        let waker = Waker::new();
        waker.asking();
        waker.note(50);
        waker.said(Some(100));
        assert!(waker.woken().now_or_never().is_some());
        waker.note(60);
        assert!(waker.woken().now_or_never().is_none(), "50 was told by the wake-up");
        waker.note(40);
        assert!(waker.woken().now_or_never().is_some());
    }
}
