//! Records that were handed over and have no line yet.

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::task::{Context, Poll};

/// Acknowledgements to come, first in, first out within each partition.
///
/// One task looks at them all. It waits for the oldest of each partition only, so that a batch costs one waker and not one for
/// each record; a partition that stands still (its broker is dead) holds up nobody else's lines.
#[derive(Debug)]
pub(super) struct Pending<F> {
    partitions: BTreeMap<i32, VecDeque<(u64, F)>>,
    len: usize,
}

impl<F> Default for Pending<F> {
    fn default() -> Self {
        Self {
            partitions: BTreeMap::new(),
            len: 0,
        }
    }
}

impl<F: Future + Unpin> Pending<F> {
    /// Record `n` went to `partition`.
    pub(super) fn push(&mut self, partition: i32, n: u64, delivery: F) {
        self.partitions
            .entry(partition)
            .or_default()
            .push_back((n, delivery));
        self.len += 1;
    }

    /// Takes out everything that has settled, and wakes the caller when there is more.
    pub(super) fn poll_settled<E>(
        &mut self,
        cx: &mut Context<'_>,
        mut tell: impl FnMut(u64, F::Output) -> Result<(), E>,
    ) -> Result<(), E> {
        for queue in self.partitions.values_mut() {
            while let Some((n, delivery)) = queue.front_mut() {
                let Poll::Ready(outcome) = Pin::new(delivery).poll(cx) else {
                    break;
                };
                let n = *n;
                queue.pop_front();
                self.len -= 1;
                tell(n, outcome)?;
            }
        }
        Ok(())
    }

    /// Records that have not settled.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Waits no longer: what has not settled, in order.
    pub(super) fn give_up(&mut self) -> Vec<u64> {
        let left = std::mem::take(&mut self.partitions);
        self.len = 0;
        let mut numbers: Vec<u64> = left.into_values().flatten().map(|(n, _)| n).collect();
        numbers.sort_unstable();
        numbers
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;
    use tokio::sync::oneshot;

    fn settled(pending: &mut Pending<oneshot::Receiver<u8>>) -> Vec<(u64, u8)> {
        let mut told = Vec::new();
        let mut cx = Context::from_waker(Waker::noop());
        pending
            .poll_settled(&mut cx, |n, outcome| {
                told.push((n, outcome.expect("sent")));
                Ok::<(), ()>(())
            })
            .expect("told");
        told
    }

    #[test]
    fn within_a_partition_lines_keep_the_order_and_another_one_does_not_wait() {
        let mut pending = Pending::default();
        let mut senders = BTreeMap::new();
        for (n, partition) in [(0, 0), (1, 1), (2, 0), (3, 1)] {
            let (sender, receiver) = oneshot::channel();
            senders.insert(n, sender);
            pending.push(partition, n, receiver);
        }
        let mut settle = |n: u64| {
            let sender = senders.remove(&n).expect("once");
            sender.send(7).expect("waited for");
        };
        settle(2);
        assert_eq!(settled(&mut pending), []);
        settle(1);
        settle(3);
        assert_eq!(settled(&mut pending), [(1, 7), (3, 7)]);
        settle(0);
        assert_eq!(settled(&mut pending), [(0, 7), (2, 7)]);
        assert!(pending.len() == 0);
    }

    #[test]
    fn giving_up_names_each_record_left_once() {
        let mut pending = Pending::default();
        let mut senders = Vec::new();
        for n in [5, 3, 9] {
            let (sender, receiver) = oneshot::channel::<u8>();
            senders.push(sender);
            pending.push(i32::try_from(n % 2).expect("small"), n, receiver);
        }
        assert_eq!(pending.give_up(), [3, 5, 9]);
        assert!(pending.len() == 0);
        assert!(pending.give_up().is_empty());
    }
}
