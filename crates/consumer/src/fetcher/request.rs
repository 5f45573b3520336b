//! What is to be asked, as values, and as Kafka's messages.

use std::time::Duration;

use milena_cluster::{LeaderEpoch, NodeId, TopicPartition};
use milena_wire::{ApiVersion, Uuid, messages};

use crate::IsolationLevel;

/// Names one request of a [`crate::Fetcher`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FetchId(pub u64);

/// A request that a [`crate::Fetcher`] wants sent. Its outcome comes back under the same id, whatever it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetcherRequest {
    /// Records from here on.
    Fetch {
        /// Its name.
        id: FetchId,
        /// The node that leads all the partitions.
        node: NodeId,
        /// 0 or 1: each has a connection of its own, and at most one request in flight.
        slot: u8,
        /// What to ask, in this order: a broker fills the answer from the front.
        partitions: Vec<FetchPartition>,
        /// How long the broker may wait for the first byte.
        wait_max: Duration,
        /// How many bytes the answer may have.
        bytes_max: usize,
        /// How many bytes it may have of one partition.
        partition_bytes_max: usize,
    },
    /// The first or the end offset of partitions.
    ListOffsets {
        /// Its name.
        id: FetchId,
        /// The node that leads all the partitions.
        node: NodeId,
        /// Partition, timestamp (-2 earliest, -1 latest), the leader's epoch as known.
        partitions: Vec<(TopicPartition, i64, LeaderEpoch)>,
    },
}

/// A partition in a Fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchPartition {
    /// The partition.
    pub tp: TopicPartition,
    /// The next offset to read.
    pub position: i64,
    /// The leader epoch of the last batch read (`LastFetchedEpoch`): the broker then answers with a diverging epoch if its
    /// log was cut below `position`.
    pub leader_epoch: LeaderEpoch,
    /// The epoch of the leader that is asked: a stale leader refuses.
    pub current_leader_epoch: LeaderEpoch,
}

impl FetcherRequest {
    /// Its name.
    #[must_use]
    pub const fn id(&self) -> FetchId {
        match self {
            Self::Fetch { id, .. } | Self::ListOffsets { id, .. } => *id,
        }
    }

    /// The node to be asked.
    #[must_use]
    pub const fn node(&self) -> NodeId {
        match self {
            Self::Fetch { node, .. } | Self::ListOffsets { node, .. } => *node,
        }
    }

    /// Kafka's message for a Fetch in `version`, without a session; `None` for a ListOffsets. `topic_id` says the id of a
    /// topic, which Fetch carries instead of the name since version 13.
    #[must_use]
    pub fn to_fetch(
        &self,
        isolation: IsolationLevel,
        version: ApiVersion,
        topic_id: &dyn Fn(&str) -> Uuid,
    ) -> Option<messages::FetchRequest<'_>> {
        let Self::Fetch {
            partitions,
            wait_max,
            bytes_max,
            partition_bytes_max,
            ..
        } = self
        else {
            return None;
        };
        let mut topics: Vec<messages::FetchTopic<'_>> = Vec::new();
        for asked in partitions {
            // One entry a topic where neighbours allow it; the order is what counts.
            let topic: &str = &asked.tp.topic;
            if topics.last().is_none_or(|last| last.topic != topic) {
                topics.push(messages::FetchTopic {
                    topic,
                    topic_id: topic_id(topic),
                    ..Default::default()
                });
            }
            let Some(last) = topics.last_mut() else {
                continue;
            };
            last.partitions.push(messages::FetchPartition {
                partition: asked.tp.partition,
                current_leader_epoch: asked.current_leader_epoch.0,
                fetch_offset: asked.position,
                last_fetched_epoch: if version >= LAST_FETCHED_EPOCH_SINCE {
                    asked.leader_epoch.0
                } else {
                    -1
                },
                partition_max_bytes: wire_i32(*partition_bytes_max),
                ..Default::default()
            });
        }
        Some(messages::FetchRequest {
            max_wait_ms: i32::try_from(wait_max.as_millis()).unwrap_or(i32::MAX),
            min_bytes: 1,
            max_bytes: wire_i32(*bytes_max),
            isolation_level: isolation_asked(isolation).code(),
            topics,
            ..Default::default()
        })
    }

    /// Kafka's message for a ListOffsets; `None` for a Fetch. The isolation level makes -1 mean the last stable offset.
    #[must_use]
    pub fn to_list_offsets(
        &self,
        isolation: IsolationLevel,
    ) -> Option<messages::ListOffsetsRequest<'_>> {
        let Self::ListOffsets { partitions, .. } = self else {
            return None;
        };
        let mut topics: Vec<messages::ListOffsetsTopic<'_>> = Vec::new();
        for (tp, timestamp, current_leader_epoch) in partitions {
            let name: &str = &tp.topic;
            if topics.last().is_none_or(|last| last.name != name) {
                topics.push(messages::ListOffsetsTopic {
                    name,
                    ..Default::default()
                });
            }
            let Some(last) = topics.last_mut() else {
                continue;
            };
            last.partitions.push(messages::ListOffsetsPartition {
                partition_index: tp.partition,
                current_leader_epoch: current_leader_epoch.0,
                timestamp: *timestamp,
            });
        }
        Some(messages::ListOffsetsRequest {
            replica_id: -1,
            isolation_level: isolation.code(),
            topics,
            ..Default::default()
        })
    }
}

/// Before, a broker cannot be asked whether its log was cut, and the field must not be set.
const LAST_FETCHED_EPOCH_SINCE: ApiVersion = ApiVersion(12);

fn isolation_asked(isolation: IsolationLevel) -> IsolationLevel {
    #[cfg(feature = "plants")]
    if milena_cluster::plants::is_planted(milena_cluster::plants::Plant::LastStableOffsetIgnored) {
        return IsolationLevel::ReadUncommitted;
    }
    isolation
}

fn wire_i32(bytes: usize) -> i32 {
    i32::try_from(bytes).unwrap_or(i32::MAX)
}
