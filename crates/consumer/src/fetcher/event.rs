//! What a [`crate::Fetcher`] has to tell.

use milena_cluster::{BrokerAddress, LeaderEpoch, NodeId, TopicPartition};

use crate::{Cursor, FetchError, FetchedBatch};

/// What a [`crate::Fetcher`] has to tell, in the order it happened.
#[derive(Clone, Debug)]
pub enum FetchEvent {
    /// Records, in offset order. Each batch stays charged until it is released.
    Batches {
        /// Where they are from.
        tp: TopicPartition,
        /// At least one.
        batches: Vec<FetchedBatch>,
    },
    /// The position moved without records: over aborted data, markers and gaps, or to the start that was asked for.
    Position {
        /// The partition.
        tp: TopicPartition,
        /// Where reading stands now.
        cursor: Cursor,
    },
    /// The partition is not read any further, until [`crate::Fetcher::seek`], [`crate::Fetcher::retry`] or a new
    /// assignment.
    Failed {
        /// The partition.
        tp: TopicPartition,
        /// Why.
        error: FetchError,
    },
    /// What is known of the cluster did not hold: the metadata are to be asked for again.
    RefreshMetadata,
    /// A broker named the partition's new leader in its refusal (KIP-951).
    LeaderHint {
        /// The partition.
        tp: TopicPartition,
        /// The leader.
        node: NodeId,
        /// Its epoch.
        epoch: LeaderEpoch,
        /// Where it can be reached.
        endpoint: Option<BrokerAddress>,
    },
    /// The ends of the log moved.
    HighWatermark {
        /// The partition.
        tp: TopicPartition,
        /// The end for readers of everything.
        high_watermark: i64,
        /// The end for readers of committed records; `None` if the broker does not say.
        last_stable_offset: Option<i64>,
    },
}
