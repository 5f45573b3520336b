//! DescribeShareGroupOffsets (90): where share groups start to read (KIP-932).
//!
//! Version 1 tells the lag as well (KIP-1226).

use milena_wire_derive::{Fields, Message};

use crate::{ErrorCode, Numbers, Uuid};

/// Groups whose positions are wanted.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 90, versions = "0-1", flexible = "0+", response = DescribeShareGroupOffsetsResponse<'a>)]
pub struct DescribeShareGroupOffsetsRequest<'a> {
    /// Groups.
    #[field(versions = "0+")]
    pub groups: Vec<DescribeShareGroupOffsetsRequestGroup<'a>>,
}

/// One group.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct DescribeShareGroupOffsetsRequestGroup<'a> {
    /// Group.
    #[field(versions = "0+")]
    pub group_id: &'a str,
    /// Topics; null for all.
    #[field(versions = "0+", nullable = "0+", default = Some(Vec::new()))]
    pub topics: Option<Vec<DescribeShareGroupOffsetsRequestTopic<'a>>>,
}

/// One topic's partitions.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct DescribeShareGroupOffsetsRequestTopic<'a> {
    /// Topic name.
    #[field(versions = "0+")]
    pub topic_name: &'a str,
    /// Partitions.
    #[field(versions = "0+")]
    pub partitions: Numbers<'a, i32>,
}

/// The groups' positions.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 90, versions = "0-1", flexible = "0+")]
pub struct DescribeShareGroupOffsetsResponse<'a> {
    /// How long the broker holds or held back for a quota.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// Groups.
    #[field(versions = "0+")]
    pub groups: Vec<DescribeShareGroupOffsetsResponseGroup<'a>>,
}

/// One group's answers.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct DescribeShareGroupOffsetsResponseGroup<'a> {
    /// Group.
    #[field(versions = "0+")]
    pub group_id: &'a str,
    /// Topics.
    #[field(versions = "0+")]
    pub topics: Vec<DescribeShareGroupOffsetsResponseTopic<'a>>,
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// The error in words.
    #[field(versions = "0+", nullable = "0+")]
    pub error_message: Option<&'a str>,
}

/// One topic's answers.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct DescribeShareGroupOffsetsResponseTopic<'a> {
    /// Topic name.
    #[field(versions = "0+")]
    pub topic_name: &'a str,
    /// Topic id.
    #[field(versions = "0+")]
    pub topic_id: Uuid,
    /// Partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<DescribeShareGroupOffsetsResponsePartition<'a>>,
}

/// One partition's answer.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct DescribeShareGroupOffsetsResponsePartition<'a> {
    /// Partition.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// First offset the group is not done with; -1 if it has no state there yet.
    #[field(versions = "0+")]
    pub start_offset: i64,
    /// Leader epoch.
    #[field(versions = "0+")]
    pub leader_epoch: i32,
    /// Number of records the group still has to read; -1 if unknown (since 1).
    #[field(versions = "1+", default = -1, ignorable)]
    pub lag: i64,
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// The error in words.
    #[field(versions = "0+", nullable = "0+")]
    pub error_message: Option<&'a str>,
}
