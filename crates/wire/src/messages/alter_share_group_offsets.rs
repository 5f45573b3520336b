//! AlterShareGroupOffsets (91): sets where a share group starts to read (KIP-932).

use milena_wire_derive::{Fields, Message};

use crate::{ErrorCode, Uuid};

/// New positions for a group.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 91, versions = "0", flexible = "0+", response = AlterShareGroupOffsetsResponse<'a>)]
pub struct AlterShareGroupOffsetsRequest<'a> {
    /// Group.
    #[field(versions = "0+")]
    pub group_id: &'a str,
    /// Topics.
    #[field(versions = "0+")]
    pub topics: Vec<AlterShareGroupOffsetsRequestTopic<'a>>,
}

/// One topic's positions.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct AlterShareGroupOffsetsRequestTopic<'a> {
    /// Topic name.
    #[field(versions = "0+")]
    pub topic_name: &'a str,
    /// Partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<AlterShareGroupOffsetsRequestPartition>,
}

/// One partition's position.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct AlterShareGroupOffsetsRequestPartition {
    /// Partition.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// First offset the group is to read.
    #[field(versions = "0+")]
    pub start_offset: i64,
}

/// Whether the positions were set.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 91, versions = "0", flexible = "0+")]
pub struct AlterShareGroupOffsetsResponse<'a> {
    /// How long the broker holds or held back for a quota.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// The error in words.
    #[field(versions = "0+", nullable = "0+")]
    pub error_message: Option<&'a str>,
    /// Topics.
    #[field(versions = "0+")]
    pub responses: Vec<AlterShareGroupOffsetsResponseTopic<'a>>,
}

/// One topic's answers.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct AlterShareGroupOffsetsResponseTopic<'a> {
    /// Topic name.
    #[field(versions = "0+")]
    pub topic_name: &'a str,
    /// Topic id.
    #[field(versions = "0+")]
    pub topic_id: Uuid,
    /// Partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<AlterShareGroupOffsetsResponsePartition<'a>>,
}

/// One partition's answer.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct AlterShareGroupOffsetsResponsePartition<'a> {
    /// Partition.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// The error in words.
    #[field(versions = "0+", nullable = "0+")]
    pub error_message: Option<&'a str>,
}
