//! ListOffsets (2): finds offsets by timestamp, or the ends of a partition by the special timestamps -1 (latest) and -2 (earliest).

use milena_wire_derive::{Fields, Message};

use crate::ErrorCode;

/// Timestamps to look up.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 2, versions = "1-11", flexible = "6+", response = ListOffsetsResponse<'a>)]
pub struct ListOffsetsRequest<'a> {
    /// Follower that asks; -1 for consumers.
    #[field(versions = "0+")]
    pub replica_id: i32,
    /// 0 reads everything, 1 only what is committed (since 2).
    #[field(versions = "2+")]
    pub isolation_level: i8,
    /// Topics.
    #[field(versions = "0+")]
    pub topics: Vec<ListOffsetsTopic<'a>>,
    /// How long the broker may take (since 10).
    #[field(versions = "10+", ignorable)]
    pub timeout_ms: i32,
}

/// One topic's timestamps.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct ListOffsetsTopic<'a> {
    /// Topic name.
    #[field(versions = "0+")]
    pub name: &'a str,
    /// Partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<ListOffsetsPartition>,
}

/// One partition's timestamp.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct ListOffsetsPartition {
    /// Partition.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// Leader epoch the reader knows; -1 if unknown (since 4).
    #[field(versions = "4+", default = -1, ignorable)]
    pub current_leader_epoch: i32,
    /// Timestamp to look up, or -1 latest, -2 earliest, and others.
    #[field(versions = "0+")]
    pub timestamp: i64,
}

/// The offsets found.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 2, versions = "1-11", flexible = "6+")]
pub struct ListOffsetsResponse<'a> {
    /// How long the broker holds or held back for a quota (since 2).
    #[field(versions = "2+", ignorable)]
    pub throttle_time_ms: i32,
    /// Topics.
    #[field(versions = "0+")]
    pub topics: Vec<ListOffsetsTopicResponse<'a>>,
}

/// One topic's answers.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct ListOffsetsTopicResponse<'a> {
    /// Topic name.
    #[field(versions = "0+")]
    pub name: &'a str,
    /// Partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<ListOffsetsPartitionResponse>,
}

/// One partition's answer.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct ListOffsetsPartitionResponse {
    /// Partition.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// Timestamp.
    #[field(versions = "1+", default = -1)]
    pub timestamp: i64,
    /// Offset; -1 for none.
    #[field(versions = "1+", default = -1)]
    pub offset: i64,
    /// Leader epoch (since 4).
    #[field(versions = "4+", default = -1)]
    pub leader_epoch: i32,
}
