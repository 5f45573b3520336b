//! The answer to a command: one cell, one waiter, and an end even if the engine goes away.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use milena_producer::sync::{Arc, Mutex};

/// The engine ended without answering: the client was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gone;

/// The engine's end of a cell.
#[derive(Debug)]
pub(crate) struct Reply<T>(Arc<Mutex<Cell<T>>>);

/// The caller's end. It can be polled again and again until it has answered once.
#[derive(Debug)]
pub(crate) struct Answer<T>(Arc<Mutex<Cell<T>>>);

#[derive(Debug)]
struct Cell<T> {
    value: Option<T>,
    waker: Option<Waker>,
    gone: bool,
}

/// A new cell.
pub(crate) fn reply<T>() -> (Reply<T>, Answer<T>) {
    let cell = Arc::new(Mutex::new(Cell {
        value: None,
        waker: None,
        gone: false,
    }));
    (Reply(Arc::clone(&cell)), Answer(cell))
}

impl<T> Reply<T> {
    pub(crate) fn send(self, value: T) {
        self.0.lock().value = Some(value);
        // The drop that follows wakes the waiter.
    }

    /// Whether nobody waits any more.
    pub(crate) fn is_abandoned(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }
}

impl<T> Drop for Reply<T> {
    fn drop(&mut self) {
        let waker = {
            let mut cell = self.0.lock();
            cell.gone = true;
            cell.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Future for Answer<T> {
    type Output = Result<T, Gone>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut cell = self.0.lock();
        if let Some(value) = cell.value.take() {
            return Poll::Ready(Ok(value));
        }
        if cell.gone {
            return Poll::Ready(Err(Gone));
        }
        cell.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_that_goes_away_answers_too() {
        let (reply, mut answer) = reply::<u32>();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut answer).poll(&mut cx).is_pending());
        drop(reply);
        assert_eq!(Pin::new(&mut answer).poll(&mut cx), Poll::Ready(Err(Gone)));
    }
}
