//! OffsetForLeaderEpoch (23): where leader epochs end, to find out whether a log was cut.
//!
//! Versions 0 and 1 ended with Kafka 4.0. Since 3 the request says which follower asks.

use milena_wire_derive::{Fields, Message};

use crate::ErrorCode;

/// Leader epochs to look up.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 23, versions = "2-4", flexible = "4+", response = OffsetForLeaderEpochResponse<'a>)]
pub struct OffsetForLeaderEpochRequest<'a> {
    /// Follower that asks; -1 for consumers, -2 to see past the high watermark (since 3).
    #[field(versions = "3+", default = -2, ignorable)]
    pub replica_id: i32,
    /// Topics.
    #[field(versions = "0+")]
    pub topics: Vec<OffsetForLeaderTopic<'a>>,
}

/// One topic's partitions.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct OffsetForLeaderTopic<'a> {
    /// Topic name.
    #[field(versions = "0+")]
    pub topic: &'a str,
    /// Partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<OffsetForLeaderPartition>,
}

/// One partition's leader epoch.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct OffsetForLeaderPartition {
    /// Partition.
    #[field(versions = "0+")]
    pub partition: i32,
    /// Leader epoch the reader knows; another than the broker's is an error; -1 for no check.
    #[field(versions = "2+", default = -1, ignorable)]
    pub current_leader_epoch: i32,
    /// Leader epoch whose end is wanted.
    #[field(versions = "0+")]
    pub leader_epoch: i32,
}

/// Where they end.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 23, versions = "2-4", flexible = "4+")]
pub struct OffsetForLeaderEpochResponse<'a> {
    /// How long the broker holds or held back for a quota.
    #[field(versions = "2+", ignorable)]
    pub throttle_time_ms: i32,
    /// Topics.
    #[field(versions = "0+")]
    pub topics: Vec<OffsetForLeaderTopicResult<'a>>,
}

/// One topic's answers.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct OffsetForLeaderTopicResult<'a> {
    /// Topic name.
    #[field(versions = "0+")]
    pub topic: &'a str,
    /// Partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<OffsetForLeaderEpochEpochEndOffset>,
}

/// One partition's answer.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct OffsetForLeaderEpochEpochEndOffset {
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// Partition.
    #[field(versions = "0+")]
    pub partition: i32,
    /// Leader epoch found: the one asked for or the last before it; -1 if none.
    #[field(versions = "1+", default = -1, ignorable)]
    pub leader_epoch: i32,
    /// Its end offset; -1 if none.
    #[field(versions = "0+", default = -1)]
    pub end_offset: i64,
}
