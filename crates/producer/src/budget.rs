//! The memory budget of a producer: chunks of 16 KiB, first come, first served.

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use crate::sync::{Arc, Mutex};

/// Counts chunks in use. Waiters are FIFO and nobody overtakes them; a partition may hold at most half of all chunks, so
/// that one partition without a leader cannot starve the others.
#[derive(Debug)]
pub struct Budget {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    free: usize,
    partition_max: usize,
    /// Chunks held by each partition, by slot.
    held: Vec<usize>,
    waiters: VecDeque<Waiter>,
    next_ticket: u64,
}

#[derive(Debug)]
struct Waiter {
    ticket: u64,
    slot: usize,
    chunks: usize,
    granted: bool,
    waker: Option<Waker>,
}

/// A place in the queue for room. Dropping it passes a grant on.
#[derive(Debug)]
pub struct Ticket {
    budget: Arc<Budget>,
    ticket: u64,
    chunks: usize,
    slot: usize,
}

/// Chunks in use; released when dropped, which is when the request that carries them is over.
#[derive(Debug)]
pub(crate) struct Charge {
    budget: Arc<Budget>,
    slot: usize,
    chunks: usize,
}

impl Budget {
    pub(crate) fn new(chunks: usize) -> Arc<Self> {
        Arc::new(Self {
            inner: Mutex::new(Inner {
                free: chunks,
                partition_max: chunks.div_ceil(2),
                held: Vec::new(),
                waiters: VecDeque::new(),
                next_ticket: 0,
            }),
        })
    }

    /// A slot for one more partition.
    pub(crate) fn register(&self) -> usize {
        let mut inner = self.inner.lock();
        inner.held.push(0);
        inner.held.len() - 1
    }

    /// Takes chunks at once, unless that would overtake somebody who waits.
    pub(crate) fn try_take(&self, slot: usize, chunks: usize) -> bool {
        let mut inner = self.inner.lock();
        let overtakes = inner.waiters.iter().any(|waiter| {
            !waiter.granted
                && (waiter.slot == slot || inner.fits_partition(waiter.slot, waiter.chunks))
        });
        if overtakes || !inner.fits_partition(slot, chunks) || inner.free < chunks {
            return false;
        }
        inner.take(slot, chunks);
        true
    }

    /// Gets in line for `chunks`.
    pub(crate) fn wait(self: &Arc<Self>, slot: usize, chunks: usize) -> Ticket {
        let mut inner = self.inner.lock();
        let ticket = inner.next_ticket;
        inner.next_ticket += 1;
        inner.waiters.push_back(Waiter {
            ticket,
            slot,
            chunks,
            granted: false,
            waker: None,
        });
        // Room may have come since the caller looked.
        let woken = inner.grant();
        drop(inner);
        woken.into_iter().for_each(Waker::wake);
        Ticket {
            budget: Arc::clone(self),
            ticket,
            chunks,
            slot,
        }
    }

    pub(crate) fn release(&self, slot: usize, chunks: usize) {
        if chunks == 0 {
            return;
        }
        let woken = {
            let mut inner = self.inner.lock();
            inner.free += chunks;
            inner.held[slot] -= chunks;
            inner.grant()
        };
        woken.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn charge(self: &Arc<Self>, slot: usize, chunks: usize) -> Charge {
        Charge {
            budget: Arc::clone(self),
            slot,
            chunks,
        }
    }

    /// Chunks in use, granted ones that nobody has redeemed yet among them.
    #[must_use]
    pub fn used(&self) -> usize {
        self.inner.lock().held.iter().sum()
    }

    /// Chunks that nobody holds.
    #[must_use]
    pub fn free(&self) -> usize {
        self.inner.lock().free
    }
}

impl Inner {
    fn fits_partition(&self, slot: usize, chunks: usize) -> bool {
        // A record larger than half of everything may still go, alone.
        self.held[slot] + chunks <= self.partition_max || self.held[slot] == 0
    }

    fn take(&mut self, slot: usize, chunks: usize) {
        self.free -= chunks;
        self.held[slot] += chunks;
    }

    /// Serves waiters in order. One that waits for its own partition is stepped over, with all behind it that want the same
    /// partition; one that waits for memory is not.
    fn grant(&mut self) -> Vec<Waker> {
        let mut woken = Vec::new();
        let mut full: Vec<usize> = Vec::new();
        for index in 0..self.waiters.len() {
            let Waiter {
                slot,
                chunks,
                granted,
                ..
            } = self.waiters[index];
            if granted || full.contains(&slot) {
                continue;
            }
            if !self.fits_partition(slot, chunks) {
                full.push(slot);
                continue;
            }
            if self.free < chunks {
                break;
            }
            self.take(slot, chunks);
            let waiter = &mut self.waiters[index];
            waiter.granted = true;
            woken.extend(waiter.waker.take());
        }
        woken
    }
}

impl Ticket {
    /// Ready once the chunks are ours.
    pub fn poll_granted(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut inner = self.budget.inner.lock();
        let waiter = inner
            .waiters
            .iter_mut()
            .find(|waiter| waiter.ticket == self.ticket);
        match waiter {
            Some(waiter) if !waiter.granted => {
                waiter.waker = Some(cx.waker().clone());
                Poll::Pending
            }
            _ => Poll::Ready(()),
        }
    }

    /// Turns the grant into chunks held: `used` of them stay taken, the rest goes back. False if it is not granted yet.
    pub(crate) fn redeem(self, used: usize) -> Result<(), Self> {
        let mut inner = self.budget.inner.lock();
        let Some(index) = inner
            .waiters
            .iter()
            .position(|waiter| waiter.ticket == self.ticket && waiter.granted)
        else {
            drop(inner);
            return Err(self);
        };
        inner.waiters.remove(index);
        drop(inner);
        self.budget
            .release(self.slot, self.chunks.saturating_sub(used));
        Ok(())
    }

    /// How many chunks this ticket asks for.
    pub(crate) fn chunks(&self) -> usize {
        self.chunks
    }

    /// Which partition it is for.
    pub(crate) fn slot(&self) -> usize {
        self.slot
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let woken = {
            let mut inner = self.budget.inner.lock();
            let Some(index) = inner
                .waiters
                .iter()
                .position(|waiter| waiter.ticket == self.ticket)
            else {
                return;
            };
            if let Some(waiter) = inner.waiters.remove(index)
                && waiter.granted
            {
                inner.free += waiter.chunks;
                inner.held[waiter.slot] -= waiter.chunks;
            }
            inner.grant()
        };
        woken.into_iter().for_each(Waker::wake);
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.budget.release(self.slot, self.chunks);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(ticket: &Ticket) -> bool {
        ticket
            .poll_granted(&mut Context::from_waker(Waker::noop()))
            .is_ready()
    }

    #[test]
    fn waiters_are_served_in_order_and_never_overtaken() {
        let budget = Budget::new(8);
        let (a, b, c) = (budget.register(), budget.register(), budget.register());
        assert!(budget.try_take(a, 4) && budget.try_take(b, 3));
        let large = budget.wait(c, 3);
        let small = budget.wait(c, 1);
        assert!(
            !budget.try_take(b, 1),
            "one chunk is free, but somebody waits"
        );
        budget.release(a, 2);
        assert!(granted(&large) && !granted(&small));
        budget.release(a, 1);
        assert!(granted(&small));
    }

    #[test]
    fn a_partition_at_its_half_does_not_stop_the_others() {
        let budget = Budget::new(8);
        let (stuck, lively) = (budget.register(), budget.register());
        assert!(budget.try_take(stuck, 4));
        let waiting = budget.wait(stuck, 1);
        assert!(!granted(&waiting));
        assert!(
            budget.try_take(lively, 2),
            "the stuck partition's waiter waits for its partition, not for memory"
        );
    }

    #[test]
    fn a_dropped_waiter_passes_its_grant_on() {
        let budget = Budget::new(2);
        let (a, b) = (budget.register(), budget.register());
        assert!(budget.try_take(a, 1) && budget.try_take(b, 1));
        let first = budget.wait(a, 1);
        let second = budget.wait(b, 1);
        budget.release(a, 1);
        assert!(granted(&first));
        drop(first);
        budget.release(b, 1);
        assert!(granted(&second));
        assert!(second.redeem(1).is_ok());
        assert_eq!(budget.free(), 1);
    }
}
