//! OffsetDelete (47): forgets positions that a group committed.

use milena_wire_derive::{Fields, Message};

use crate::ErrorCode;

/// Positions to forget.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 47, versions = "0", response = OffsetDeleteResponse<'a>)]
pub struct OffsetDeleteRequest<'a> {
    /// Group.
    #[field(versions = "0+")]
    pub group_id: &'a str,
    /// Topics.
    #[field(versions = "0+")]
    pub topics: Vec<OffsetDeleteRequestTopic<'a>>,
}

/// One topic's partitions.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct OffsetDeleteRequestTopic<'a> {
    /// Topic name.
    #[field(versions = "0+")]
    pub name: &'a str,
    /// Partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<OffsetDeleteRequestPartition>,
}

/// One partition.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct OffsetDeleteRequestPartition {
    /// Partition.
    #[field(versions = "0+")]
    pub partition_index: i32,
}

/// Whether they are forgotten.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 47, versions = "0")]
pub struct OffsetDeleteResponse<'a> {
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// How long the broker holds or held back for a quota.
    #[field(versions = "0+", ignorable)]
    pub throttle_time_ms: i32,
    /// Topics.
    #[field(versions = "0+")]
    pub topics: Vec<OffsetDeleteResponseTopic<'a>>,
}

/// One topic's answers.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct OffsetDeleteResponseTopic<'a> {
    /// Topic name.
    #[field(versions = "0+")]
    pub name: &'a str,
    /// Partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<OffsetDeleteResponsePartition>,
}

/// One partition's answer.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct OffsetDeleteResponsePartition {
    /// Partition.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
}
