//! OffsetFetch (9): the committed positions of consumer groups.
//!
//! One group a request until 7, any number from 8 on; topics go by id instead of name from 10 on.

use milena_wire_derive::{Fields, Message};

use crate::{ErrorCode, Numbers, Uuid};

/// Groups whose positions are wanted.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 9, versions = "1-10", flexible = "6+", response = OffsetFetchResponse<'a>)]
pub struct OffsetFetchRequest<'a> {
    /// Group (until 7).
    #[field(versions = "0-7")]
    pub group_id: &'a str,
    /// Topics; null for all (until 7).
    #[field(versions = "0-7", nullable = "2-7", default = Some(Vec::new()))]
    pub topics: Option<Vec<OffsetFetchRequestTopic<'a>>>,
    /// Groups (since 8).
    #[field(versions = "8+")]
    pub groups: Vec<OffsetFetchRequestGroup<'a>>,
    /// Whether to refuse while a transaction holds positions (since 7).
    #[field(versions = "7+")]
    pub require_stable: bool,
}

/// One topic's partitions, until 7.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct OffsetFetchRequestTopic<'a> {
    /// Topic name (until 7).
    #[field(versions = "0-7")]
    pub name: &'a str,
    /// Partitions (until 7).
    #[field(versions = "0-7")]
    pub partition_indexes: Numbers<'a, i32>,
}

/// One group, since 8.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct OffsetFetchRequestGroup<'a> {
    /// Group (since 8).
    #[field(versions = "8+")]
    pub group_id: &'a str,
    /// Member of the group (since 9).
    #[field(versions = "9+", nullable = "9+", ignorable)]
    pub member_id: Option<&'a str>,
    /// Its epoch (since 9).
    #[field(versions = "9+", default = -1, ignorable)]
    pub member_epoch: i32,
    /// Topics; null for all (since 8).
    #[field(versions = "8+", nullable = "8+", default = Some(Vec::new()))]
    pub topics: Option<Vec<OffsetFetchRequestTopics<'a>>>,
}

/// One topic's partitions, since 8.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct OffsetFetchRequestTopics<'a> {
    /// Topic name (8 to 9).
    #[field(versions = "8-9", ignorable)]
    pub name: &'a str,
    /// Topic id (since 10).
    #[field(versions = "10+", ignorable)]
    pub topic_id: Uuid,
    /// Partitions (since 8).
    #[field(versions = "8+")]
    pub partition_indexes: Numbers<'a, i32>,
}

/// The committed positions.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 9, versions = "1-10", flexible = "6+")]
pub struct OffsetFetchResponse<'a> {
    /// How long the broker holds or held back for a quota (since 3).
    #[field(versions = "3+", ignorable)]
    pub throttle_time_ms: i32,
    /// Topics (until 7).
    #[field(versions = "0-7")]
    pub topics: Vec<OffsetFetchResponseTopic<'a>>,
    /// Error, or none (2 to 7).
    #[field(versions = "2-7", ignorable)]
    pub error_code: ErrorCode,
    /// Groups (since 8).
    #[field(versions = "8+")]
    pub groups: Vec<OffsetFetchResponseGroup<'a>>,
}

/// One topic's answers, until 7.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct OffsetFetchResponseTopic<'a> {
    /// Topic name (until 7).
    #[field(versions = "0-7")]
    pub name: &'a str,
    /// Partitions (until 7).
    #[field(versions = "0-7")]
    pub partitions: Vec<OffsetFetchResponsePartition<'a>>,
}

/// One partition's answer, until 7.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct OffsetFetchResponsePartition<'a> {
    /// Partition (until 7).
    #[field(versions = "0-7")]
    pub partition_index: i32,
    /// Position; -1 if none (until 7).
    #[field(versions = "0-7")]
    pub committed_offset: i64,
    /// Leader epoch of the record before; -1 if unknown (5 to 7).
    #[field(versions = "5-7", default = -1, ignorable)]
    pub committed_leader_epoch: i32,
    /// What the committer noted (until 7).
    #[field(versions = "0-7", nullable = "0-7", default = Some(""))]
    pub metadata: Option<&'a str>,
    /// Error, or none (until 7).
    #[field(versions = "0-7")]
    pub error_code: ErrorCode,
}

/// One group's answers, since 8.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct OffsetFetchResponseGroup<'a> {
    /// Group (since 8).
    #[field(versions = "8+")]
    pub group_id: &'a str,
    /// Topics (since 8).
    #[field(versions = "8+")]
    pub topics: Vec<OffsetFetchResponseTopics<'a>>,
    /// Error, or none (since 8).
    #[field(versions = "8+")]
    pub error_code: ErrorCode,
}

/// One topic's answers, since 8.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct OffsetFetchResponseTopics<'a> {
    /// Topic name (8 to 9).
    #[field(versions = "8-9", ignorable)]
    pub name: &'a str,
    /// Topic id (since 10).
    #[field(versions = "10+", ignorable)]
    pub topic_id: Uuid,
    /// Partitions (since 8).
    #[field(versions = "8+")]
    pub partitions: Vec<OffsetFetchResponsePartitions<'a>>,
}

/// One partition's answer, since 8.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct OffsetFetchResponsePartitions<'a> {
    /// Partition (since 8).
    #[field(versions = "8+")]
    pub partition_index: i32,
    /// Position; -1 if none (since 8).
    #[field(versions = "8+")]
    pub committed_offset: i64,
    /// Leader epoch of the record before; -1 if unknown (since 8).
    #[field(versions = "8+", default = -1, ignorable)]
    pub committed_leader_epoch: i32,
    /// What the committer noted (since 8).
    #[field(versions = "8+", nullable = "8+", default = Some(""))]
    pub metadata: Option<&'a str>,
    /// Error, or none (since 8).
    #[field(versions = "8+")]
    pub error_code: ErrorCode,
}
