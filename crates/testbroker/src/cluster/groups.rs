//! Committed offsets, and those that wait for the end of their transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Cluster;
use super::coordinators::spread;
use crate::limits::{GROUPS_MAX, OFFSETS_PARTITIONS};
use crate::log::Producers;

type TopicPartition = (Arc<str>, i32);

/// The offsets of all groups.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    by_id: BTreeMap<Arc<str>, Group>,
    /// Producers of each partition of the internal offsets topic: they are fenced there as in any
    /// other partition.
    producers: BTreeMap<i32, Producers>,
    /// Requests that want to know when a group changes; a group need not exist to be waited for.
    waiting: BTreeMap<Arc<str>, BTreeSet<u64>>,
}

#[derive(Debug, Default)]
pub(crate) struct Group {
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

impl Groups {
    pub(crate) fn get(&self, group: &str) -> Option<&Group> {
        self.by_id.get(group)
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = &Arc<str>> {
        self.by_id.keys()
    }

    pub(crate) fn has_room_for(&self, group: &str) -> bool {
        self.by_id.len() < GROUPS_MAX || self.by_id.contains_key(group)
    }

    pub(crate) fn wait(&mut self, group: &Arc<str>, request: u64) {
        self.waiting
            .entry(group.clone())
            .or_default()
            .insert(request);
    }

    pub(crate) fn stop_waiting(&mut self, group: &str, request: u64) {
        if let Some(waiting) = self.waiting.get_mut(group) {
            waiting.remove(&request);
            if waiting.is_empty() {
                self.waiting.remove(group);
            }
        }
    }

    /// The producers of the offsets partition that holds `group`.
    pub(crate) fn producers_mut(&mut self, partition: i32) -> &mut Producers {
        self.producers.entry(partition).or_default()
    }

    pub(crate) fn add_pending(
        &mut self,
        group: &str,
        producer_id: i64,
        offsets: impl IntoIterator<Item = (TopicPartition, CommittedOffset)>,
    ) {
        let group = self.by_id.entry(group.into()).or_default();
        group
            .pending
            .entry(producer_id)
            .or_default()
            .extend(offsets);
    }

    pub(crate) fn commit(
        &mut self,
        group: &str,
        offsets: impl IntoIterator<Item = (TopicPartition, CommittedOffset)>,
    ) {
        self.by_id
            .entry(group.into())
            .or_default()
            .committed
            .extend(offsets);
    }

    /// The marker of a producer's transaction reached an offsets partition.
    pub(crate) fn end_transaction(&mut self, partition: i32, producer_id: i64, committed: bool) {
        let here = |group: &Arc<str>| offsets_partition(group) == partition;
        for (_, group) in self.by_id.iter_mut().filter(|(id, _)| here(id)) {
            let Some(offsets) = group.pending.remove(&producer_id) else {
                continue;
            };
            if committed {
                group.committed.extend(offsets);
            }
        }
        self.by_id
            .retain(|_, group| !group.committed.is_empty() || !group.pending.is_empty());
    }

    pub(crate) fn forget_topic(&mut self, name: &str) {
        for group in self.by_id.values_mut() {
            group.committed.retain(|(topic, _), _| **topic != *name);
            for offsets in group.pending.values_mut() {
                offsets.retain(|(topic, _), _| **topic != *name);
            }
        }
    }
}

impl Group {
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
}

impl Cluster {
    /// Lets everybody who waits for this group look again.
    pub(crate) fn wake_group(&mut self, group: &str) {
        if let Some(waiting) = self.groups.waiting.remove(group) {
            self.woken.extend(waiting);
        }
    }

    /// A deadline of a group may have passed.
    pub(crate) fn handle_group_timeout(&mut self, group: &str) {
        self.wake_group(group);
    }

    pub(crate) fn committed_offset(&self, group: &str, topic: &str, partition: i32) -> Option<i64> {
        let group = self.groups.get(group)?;
        group
            .committed_offset(topic, partition)
            .map(|committed| committed.offset)
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
        let mut groups = Groups::default();
        let key = || (Arc::from("t"), 0);
        let partition = offsets_partition("g");
        groups.add_pending("g", 7, [(key(), at(5))]);
        let group = groups.get("g").unwrap();
        assert!(group.is_pending("t", 0));
        assert_eq!(group.committed_offset("t", 0), None);

        groups.end_transaction((partition + 1) % OFFSETS_PARTITIONS, 7, true);
        groups.end_transaction(partition, 8, true);
        assert!(groups.get("g").unwrap().is_pending("t", 0));
        groups.end_transaction(partition, 7, true);
        assert_eq!(
            groups.get("g").unwrap().committed_offset("t", 0),
            Some(&at(5))
        );

        groups.add_pending("g", 7, [(key(), at(9))]);
        groups.end_transaction(partition, 7, false);
        let group = groups.get("g").unwrap();
        assert!(!group.is_pending("t", 0));
        assert_eq!(group.committed_offset("t", 0), Some(&at(5)));
    }
}
