//! Committed offsets, and those that wait for the end of their transaction.

use std::collections::BTreeMap;
use std::sync::Arc;

use milena_wire::Uuid;

use crate::cluster::spread;
use crate::limits::OFFSETS_PARTITIONS;

pub(crate) type TopicPartition = (Arc<str>, i32);

/// The offsets of one group.
#[derive(Debug, Default)]
pub(crate) struct Offsets {
    committed: BTreeMap<TopicPartition, Written>,
    /// By producer id: what its open transaction will commit.
    pending: BTreeMap<i64, BTreeMap<TopicPartition, Written>>,
    writes: u64,
}

/// An offset and its place in the log: a transaction that ends late does not overwrite what was
/// committed after it wrote.
#[derive(Clone, Debug)]
struct Written {
    offset: CommittedOffset,
    place: u64,
}

/// One committed offset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CommittedOffset {
    pub(crate) offset: i64,
    pub(crate) leader_epoch: i32,
    pub(crate) metadata: String,
    /// The topic that had the name then; zero if unknown.
    pub(crate) topic_id: Uuid,
    /// When it was committed, in milliseconds since 1970.
    pub(crate) committed_at: i64,
    /// When it goes, if its commit said so (OffsetCommit before version 5).
    pub(crate) expires: Option<i64>,
}

impl Offsets {
    /// Whether nothing is committed and nothing will be by an open transaction.
    pub(crate) fn is_empty(&self) -> bool {
        self.committed.is_empty() && self.pending.is_empty()
    }

    pub(crate) fn committed(&self) -> impl Iterator<Item = (&TopicPartition, &CommittedOffset)> {
        self.committed
            .iter()
            .map(|(key, written)| (key, &written.offset))
    }

    /// What open transactions will commit, by producer id.
    pub(crate) fn pending(&self) -> impl Iterator<Item = (i64, &TopicPartition, &CommittedOffset)> {
        self.pending.iter().flat_map(|(producer_id, offsets)| {
            let offsets = offsets.iter();
            offsets.map(|(key, written)| (*producer_id, key, &written.offset))
        })
    }

    pub(crate) fn committed_offset(&self, topic: &str, partition: i32) -> Option<&CommittedOffset> {
        let written = self.committed.get(&(Arc::from(topic), partition))?;
        Some(&written.offset)
    }

    /// Whether some open transaction will write this offset.
    pub(crate) fn is_pending(&self, topic: &str, partition: i32) -> bool {
        if self.pending.is_empty() {
            return false;
        }
        let key = (Arc::from(topic), partition);
        self.pending
            .values()
            .any(|offsets| offsets.contains_key(&key))
    }

    pub(crate) fn commit(&mut self, key: TopicPartition, offset: CommittedOffset) {
        let written = self.written(offset);
        self.committed.insert(key, written);
    }

    pub(crate) fn add_pending(
        &mut self,
        producer_id: i64,
        key: TopicPartition,
        offset: CommittedOffset,
    ) {
        let written = self.written(offset);
        self.pending
            .entry(producer_id)
            .or_default()
            .insert(key, written);
    }

    /// The marker of a producer's transaction is written.
    pub(crate) fn end_transaction(&mut self, producer_id: i64, committed: bool) {
        let Some(pending) = self.pending.remove(&producer_id).filter(|_| committed) else {
            return;
        };
        for (key, written) in pending {
            let known = self.committed.get(&key);
            if known.is_none_or(|known| known.place < written.place) {
                self.committed.insert(key, written);
            }
        }
    }

    /// Removes an offset, and what open transactions would make of it.
    pub(crate) fn remove(&mut self, topic: &str, partition: i32) {
        let gone = |(name, index): &TopicPartition| **name == *topic && *index == partition;
        self.retain(|key| !gone(key));
    }

    pub(crate) fn forget_topic(&mut self, name: &str) {
        self.retain(|(topic, _)| **topic != *name);
    }

    /// Removes those that have expired; not while a transaction will write them again.
    pub(super) fn expire(&mut self, expired: impl Fn(&TopicPartition, &CommittedOffset) -> bool) {
        let Self {
            committed, pending, ..
        } = self;
        committed.retain(|key, written| {
            !expired(key, &written.offset)
                || pending.values().any(|offsets| offsets.contains_key(key))
        });
    }

    fn retain(&mut self, keep: impl Fn(&TopicPartition) -> bool) {
        self.committed.retain(|key, _| keep(key));
        for offsets in self.pending.values_mut() {
            offsets.retain(|key, _| keep(key));
        }
        self.pending.retain(|_, offsets| !offsets.is_empty());
    }

    fn written(&mut self, offset: CommittedOffset) -> Written {
        self.writes += 1;
        let place = self.writes;
        Written { offset, place }
    }
}

/// The partition of the internal offsets topic that holds `group`.
pub(crate) fn offsets_partition(group: &str) -> i32 {
    let slots = usize::try_from(OFFSETS_PARTITIONS).expect("a small positive number");
    i32::try_from(spread(group, slots)).expect("less than OFFSETS_PARTITIONS")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: i64) -> CommittedOffset {
        CommittedOffset {
            offset,
            leader_epoch: -1,
            ..CommittedOffset::default()
        }
    }

    fn key() -> TopicPartition {
        (Arc::from("t"), 0)
    }

    #[test]
    fn pending_offsets_count_only_after_a_commit_marker() {
        let mut offsets = Offsets::default();
        offsets.add_pending(7, key(), at(5));
        assert!(offsets.is_pending("t", 0));
        assert_eq!(offsets.committed_offset("t", 0), None);

        offsets.end_transaction(8, true);
        assert!(offsets.is_pending("t", 0));
        offsets.end_transaction(7, true);
        assert_eq!(offsets.committed_offset("t", 0), Some(&at(5)));

        offsets.add_pending(7, key(), at(9));
        offsets.end_transaction(7, false);
        assert!(!offsets.is_pending("t", 0));
        assert_eq!(offsets.committed_offset("t", 0), Some(&at(5)));
    }

    #[test]
    fn what_was_committed_after_a_transaction_wrote_stays() {
        let mut offsets = Offsets::default();
        offsets.add_pending(7, key(), at(5));
        offsets.commit(key(), at(6));
        offsets.end_transaction(7, true);
        assert_eq!(offsets.committed_offset("t", 0), Some(&at(6)));
    }
}
