//! The memory that fetched bytes take, reserved before they are asked for.

use std::collections::BTreeMap;

use milena_cluster::TopicPartition;

/// Bytes asked for, bytes that are being decompressed, and bytes held. Held bytes are counted by partition, and outlive its
/// assignment: a user may still hold batches of a partition that was unassigned and assigned again.
#[derive(Debug)]
pub(crate) struct Budget {
    max: usize,
    reserved: usize,
    /// What decode jobs may make of what they decompress.
    allowed: usize,
    held: usize,
    /// Of what is held, what no decode job has gone through yet.
    undecoded: usize,
    partitions: BTreeMap<TopicPartition, usize>,
}

impl Budget {
    pub(crate) const fn new(max: usize) -> Self {
        Self {
            max,
            reserved: 0,
            allowed: 0,
            held: 0,
            undecoded: 0,
            partitions: BTreeMap::new(),
        }
    }

    /// What may still be asked for.
    pub(crate) const fn room(&self) -> usize {
        self.max.saturating_sub(self.used())
    }

    pub(crate) const fn used(&self) -> usize {
        self.reserved + self.allowed + self.held
    }

    pub(crate) fn held_by(&self, tp: &TopicPartition) -> usize {
        self.partitions.get(tp).copied().unwrap_or(0)
    }

    pub(crate) const fn reserve(&mut self, bytes: usize) {
        self.reserved += bytes;
    }

    pub(crate) fn cancel(&mut self, bytes: usize) {
        debug_assert!(bytes <= self.reserved, "cancels what was not reserved");
        self.reserved = self.reserved.saturating_sub(bytes);
    }

    /// Whether anything may be decompressed: what was, and is held, does not fill the budget yet. What is only asked for does
    /// not count, or the long polls of many idle nodes would keep out what has come. So decompressed records and what is
    /// asked for take twice the budget at worst, and one batch more.
    pub(crate) const fn may_allow(&self) -> bool {
        self.allowed + self.held.saturating_sub(self.undecoded) < self.max
    }

    pub(crate) const fn allow(&mut self, bytes: usize) {
        self.allowed += bytes;
    }

    /// A decode job that was allowed so much is over.
    pub(crate) fn disallow(&mut self, bytes: usize) {
        debug_assert!(bytes <= self.allowed, "gives back what was not allowed");
        self.allowed = self.allowed.saturating_sub(bytes);
    }

    /// Bytes have come, for a decode job.
    pub(crate) fn charge_undecoded(&mut self, tp: &TopicPartition, bytes: usize) {
        self.undecoded += bytes;
        self.charge(tp, bytes);
    }

    /// A decode job has gone through them, or never will.
    pub(crate) fn release_undecoded(&mut self, tp: &TopicPartition, bytes: usize) {
        self.undecoded = self.undecoded.saturating_sub(bytes);
        self.release(tp, bytes);
    }

    pub(crate) fn charge(&mut self, tp: &TopicPartition, bytes: usize) {
        if bytes > 0 {
            self.held += bytes;
            *self.partitions.entry(tp.clone()).or_insert(0) += bytes;
        }
    }

    /// Gives back at most what the partition holds: giving back twice must not make room that is not there.
    pub(crate) fn release(&mut self, tp: &TopicPartition, bytes: usize) {
        let Some(held) = self.partitions.get_mut(tp) else {
            return;
        };
        let bytes = bytes.min(*held);
        *held -= bytes;
        self.held -= bytes;
        if *held == 0 {
            self.partitions.remove(tp);
        }
    }
}
