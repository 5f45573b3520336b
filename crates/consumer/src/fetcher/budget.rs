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
    /// What has come, and no decode job has gone through yet.
    undecoded: usize,
    /// What is in batches that were not released yet.
    shown: usize,
    partitions: BTreeMap<TopicPartition, Held>,
}

#[derive(Debug, Default)]
struct Held {
    undecoded: usize,
    shown: usize,
}

impl Budget {
    pub(crate) const fn new(max: usize) -> Self {
        Self {
            max,
            reserved: 0,
            allowed: 0,
            undecoded: 0,
            shown: 0,
            partitions: BTreeMap::new(),
        }
    }

    /// What may still be asked for.
    pub(crate) const fn room(&self) -> usize {
        self.max.saturating_sub(self.used())
    }

    pub(crate) const fn used(&self) -> usize {
        self.reserved + self.allowed + self.undecoded + self.shown
    }

    pub(crate) fn held_by(&self, tp: &TopicPartition) -> usize {
        let held = self.partitions.get(tp);
        held.map_or(0, |held| held.undecoded + held.shown)
    }

    pub(crate) fn shown_of(&self, tp: &TopicPartition) -> usize {
        self.partitions.get(tp).map_or(0, |held| held.shown)
    }

    pub(crate) const fn reserve(&mut self, bytes: usize) {
        self.reserved += bytes;
    }

    pub(crate) fn cancel(&mut self, bytes: usize) {
        debug_assert!(bytes <= self.reserved, "cancels what was not reserved");
        self.reserved = self.reserved.saturating_sub(bytes);
    }

    /// Whether there is room for what is to be decompressed: what was, and is held, does not fill the budget yet. What is only
    /// asked for does not count, or the long polls of many idle nodes would keep out what has come. So decompressed records
    /// and what is asked for take twice the budget at worst, one allowance, and a batch of each partition that held none.
    pub(crate) const fn has_room(&self) -> bool {
        self.allowed + self.shown < self.max
    }

    /// Whether nothing is being decompressed.
    pub(crate) const fn is_none_allowed(&self) -> bool {
        self.allowed == 0
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
        self.charge(tp, bytes, |held| &mut held.undecoded);
    }

    /// A decode job has gone through them, or never will.
    pub(crate) fn release_undecoded(&mut self, tp: &TopicPartition, bytes: usize) {
        let released = self.uncharge(tp, bytes, |held| &mut held.undecoded);
        debug_assert_eq!(released, bytes, "gives back what was not charged");
        self.undecoded -= released;
    }

    /// Batches are shown.
    pub(crate) fn charge_shown(&mut self, tp: &TopicPartition, bytes: usize) {
        self.shown += bytes;
        self.charge(tp, bytes, |held| &mut held.shown);
    }

    /// Gives back at most what was shown of the partition: giving back twice must not make room that is not there.
    pub(crate) fn release_shown(&mut self, tp: &TopicPartition, bytes: usize) {
        self.shown -= self.uncharge(tp, bytes, |held| &mut held.shown);
    }

    fn charge(&mut self, tp: &TopicPartition, bytes: usize, part: fn(&mut Held) -> &mut usize) {
        if bytes > 0 {
            *part(self.partitions.entry(tp.clone()).or_default()) += bytes;
        }
    }

    /// How much of `bytes` there was.
    fn uncharge(
        &mut self,
        tp: &TopicPartition,
        bytes: usize,
        part: fn(&mut Held) -> &mut usize,
    ) -> usize {
        let Some(held) = self.partitions.get_mut(tp) else {
            return 0;
        };
        let charged = part(held);
        let bytes = bytes.min(*charged);
        *charged -= bytes;
        if held.undecoded + held.shown == 0 {
            self.partitions.remove(tp);
        }
        bytes
    }
}
