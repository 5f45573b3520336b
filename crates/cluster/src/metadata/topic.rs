//! One topic, and how a new answer about it meets what is known.

use milena_wire::messages::{MetadataResponsePartition, MetadataResponseTopic};
use milena_wire::{ErrorCode, Uuid};

use crate::{LeaderEpoch, NodeId, TopicName};

/// More partitions than a topic can have in practice; indices beyond it are not believed, for one of them would have us make
/// room for all those below.
const PARTITIONS_MAX: usize = 100_000;

/// What is known of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicMetadata {
    /// The topic.
    pub name: TopicName,
    /// Its id, which a topic created anew under the same name does not share; zero if it is not known.
    pub topic_id: Uuid,
    /// What the last answer said about the topic. With an error, the partitions are those of the last answer without.
    pub error: ErrorCode,
    /// The partitions, each at its index.
    pub partitions: Vec<PartitionMetadata>,
}

/// What is known of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionMetadata {
    /// The leader, if there is one.
    pub leader: Option<NodeId>,
    /// Since which epoch.
    pub leader_epoch: LeaderEpoch,
    /// What the last answer said about the partition.
    pub error: ErrorCode,
}

impl PartitionMetadata {
    /// A partition that must exist, for one of a higher index does.
    const GAP: Self = Self {
        leader: None,
        leader_epoch: LeaderEpoch::UNKNOWN,
        error: ErrorCode::LEADER_NOT_AVAILABLE,
    };
}

impl TopicMetadata {
    pub(super) fn unknown(name: TopicName) -> Self {
        Self {
            name,
            topic_id: Uuid::ZERO,
            error: ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            partitions: Vec::new(),
        }
    }

    /// Partition number `index`, if there is one.
    pub fn partition(&self, index: i32) -> Option<&PartitionMetadata> {
        self.partitions.get(usize::try_from(index).ok()?)
    }

    /// Takes a newer answer over; says whether anything changed.
    pub(super) fn merge(&mut self, answer: &MetadataResponseTopic<'_>) -> bool {
        let mut changed = self.error != answer.error_code;
        if answer.error_code.is_ok() {
            if self.is_replaced_by(answer) {
                self.partitions.clear();
                changed = true;
            }
            // Zero comes from a broker that does not know ids yet, or any more: the topic is still the same.
            if !answer.topic_id.is_zero() {
                changed |= self.topic_id != answer.topic_id;
                self.topic_id = answer.topic_id;
            }
            changed |= self.merge_partitions(&answer.partitions);
        }
        self.error = answer.error_code;
        changed
    }

    /// Whether the answer is about another topic of the same name. Its leader epochs start again, so ours must be forgotten, or
    /// everything the answer says would pass for old.
    fn is_replaced_by(&self, answer: &MetadataResponseTopic<'_>) -> bool {
        if self.topic_id.is_zero() && answer.topic_id.is_zero() {
            // Without ids (brokers before 2.8) only that it was gone in between tells.
            return self.error == ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
                && !self.partitions.is_empty();
        }
        !self.topic_id.is_zero() && !answer.topic_id.is_zero() && self.topic_id != answer.topic_id
    }

    fn merge_partitions(&mut self, answers: &[MetadataResponsePartition<'_>]) -> bool {
        let index = |answer: &MetadataResponsePartition<'_>| {
            usize::try_from(answer.partition_index)
                .ok()
                .filter(|index| *index < PARTITIONS_MAX)
        };
        let count = answers
            .iter()
            .filter_map(index)
            .max()
            .map_or(0, |highest| highest + 1);
        // A topic never loses partitions: a broker that names fewer than are known has not heard of the newest yet.
        let mut changed = count > self.partitions.len();
        if changed {
            self.partitions.resize(count, PartitionMetadata::GAP);
        }
        let mut seen = vec![false; count];
        for answer in answers {
            let Some(index) = index(answer) else { continue };
            // Of two answers about one partition the first counts.
            if std::mem::replace(&mut seen[index], true) {
                continue;
            }
            changed |= self.partitions[index].merge(answer);
        }
        changed
    }
}

impl PartitionMetadata {
    fn merge(&mut self, answer: &MetadataResponsePartition<'_>) -> bool {
        let epoch = LeaderEpoch(answer.leader_epoch.max(-1));
        let leader = Some(NodeId(answer.leader_id)).filter(|node| node.0 >= 0);
        // The broker that answered lags behind the one that told us of our epoch: its leader has been replaced, and would only
        // send us round in circles.
        if epoch.is_known() && epoch < self.leader_epoch {
            return false;
        }
        // Without a leader there may be no epoch in the answer; ours must stay, to tell old answers by.
        let kept = leader.is_none() && !epoch.is_known();
        let merged = Self {
            leader,
            leader_epoch: if kept { self.leader_epoch } else { epoch },
            error: answer.error_code,
        };
        let changed = *self != merged;
        *self = merged;
        changed
    }
}
