//! Committed offsets, and those that wait for the end of their transaction.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::cluster::spread;
use crate::limits::OFFSETS_PARTITIONS;

pub(crate) type TopicPartition = (Arc<str>, i32);

/// The offsets of one group.
#[derive(Debug, Default)]
pub(crate) struct Offsets {
    committed: BTreeMap<TopicPartition, CommittedOffset>,
    /// By producer id: what its open transaction will commit.
    pending: BTreeMap<i64, BTreeMap<TopicPartition, CommittedOffset>>,
}

/// One committed offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CommittedOffset {
    pub(crate) offset: i64,
    pub(crate) leader_epoch: i32,
    pub(crate) metadata: String,
}

impl Offsets {
    pub(crate) fn is_empty(&self) -> bool {
        self.committed.is_empty() && self.pending.is_empty()
    }

    pub(crate) fn committed(&self) -> &BTreeMap<TopicPartition, CommittedOffset> {
        &self.committed
    }

    pub(crate) fn committed_offset(&self, topic: &str, partition: i32) -> Option<&CommittedOffset> {
        self.committed.get(&(Arc::from(topic), partition))
    }

    /// Whether some open transaction will write this offset.
    pub(crate) fn is_pending(&self, topic: &str, partition: i32) -> bool {
        let key = (Arc::from(topic), partition);
        self.pending
            .values()
            .any(|offsets| offsets.contains_key(&key))
    }

    pub(crate) fn commit(&mut self, key: TopicPartition, offset: CommittedOffset) {
        self.committed.insert(key, offset);
    }

    pub(crate) fn add_pending(
        &mut self,
        producer_id: i64,
        key: TopicPartition,
        offset: CommittedOffset,
    ) {
        self.pending
            .entry(producer_id)
            .or_default()
            .insert(key, offset);
    }

    /// The marker of a producer's transaction is written.
    pub(crate) fn end_transaction(&mut self, producer_id: i64, committed: bool) {
        let pending = self.pending.remove(&producer_id);
        if committed {
            self.committed.extend(pending.into_iter().flatten());
        }
    }

    pub(crate) fn forget_topic(&mut self, name: &str) {
        self.committed.retain(|(topic, _), _| **topic != *name);
        for offsets in self.pending.values_mut() {
            offsets.retain(|(topic, _), _| **topic != *name);
        }
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
            metadata: String::new(),
        }
    }

    #[test]
    fn pending_offsets_count_only_after_a_commit_marker() {
        let mut offsets = Offsets::default();
        let key = || (Arc::from("t"), 0);
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
}
