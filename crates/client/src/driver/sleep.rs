//! Timers for user futures, which may be polled on any runtime or none: the engine's thread serves them. When it ends they
//! all resolve, so that nobody sleeps on for a client that is gone.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use milena_engine::driver::BoxFuture;

use super::now;
use super::signal::Signal;

#[derive(Debug)]
pub(super) struct Sleepers {
    signal: Arc<Signal>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    wakers: BTreeMap<(Instant, u64), Waker>,
    next: u64,
    ended: bool,
}

impl Sleepers {
    pub(super) fn new(signal: Arc<Signal>) -> Self {
        Self {
            signal,
            inner: Mutex::default(),
        }
    }

    pub(super) fn sleep_until(self: &Arc<Self>, deadline: Instant) -> BoxFuture {
        let key = {
            let mut inner = self.lock();
            inner.next += 1;
            inner.next
        };
        Box::pin(Sleep {
            sleepers: Arc::clone(self),
            deadline,
            key,
        })
    }

    /// Wakes those whose time has come, and says when the next one's will.
    pub(super) fn serve(&self, now: Instant) -> Option<Instant> {
        let (due, next) = {
            let mut inner = self.lock();
            let later = inner.wakers.split_off(&(now, u64::MAX));
            let due = std::mem::replace(&mut inner.wakers, later);
            (due, inner.wakers.first_key_value().map(|((at, _), _)| *at))
        };
        due.into_values().for_each(Waker::wake);
        next
    }

    /// A guard that wakes everybody for good when it is dropped.
    pub(super) fn end_with_thread(self: &Arc<Self>) -> impl Drop + use<> {
        End(Arc::clone(self))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct End(Arc<Sleepers>);

impl Drop for End {
    fn drop(&mut self) {
        let wakers = {
            let mut inner = self.0.lock();
            inner.ended = true;
            std::mem::take(&mut inner.wakers)
        };
        wakers.into_values().for_each(Waker::wake);
    }
}

struct Sleep {
    sleepers: Arc<Sleepers>,
    deadline: Instant,
    key: u64,
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut inner = self.sleepers.lock();
        if inner.ended || now() >= self.deadline {
            return Poll::Ready(());
        }
        let at = (self.deadline, self.key);
        inner.wakers.insert(at, cx.waker().clone());
        let first = inner
            .wakers
            .first_key_value()
            .is_some_and(|(first, _)| *first == at);
        drop(inner);
        if first {
            // The engine's thread sleeps towards a later time: it must look again.
            self.sleepers.signal.raise();
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.sleepers
            .lock()
            .wakers
            .remove(&(self.deadline, self.key));
    }
}
