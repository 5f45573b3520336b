//! OffsetCommit (8): writes down the positions of a consumer group.
//!
//! Versions 0 and 1 ended with Kafka 4.0. The retention time went away with 5, the leader epoch came with 6, static members with 7.
//! From 9 on members of the new consumer protocol can commit; topics go by id instead of name from 10 on (KIP-848).

use milena_wire_derive::{Fields, Message};

use crate::{ErrorCode, Uuid};

/// Positions to commit, and on whose behalf.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 8, versions = "2-10", flexible = "8+", response = OffsetCommitResponse<'a>)]
pub struct OffsetCommitRequest<'a> {
    /// Group.
    #[field(versions = "0+")]
    pub group_id: &'a str,
    /// Generation of the group, or epoch of the member; -1 outside of a group.
    #[field(versions = "1+", default = -1, ignorable)]
    pub generation_id_or_member_epoch: i32,
    /// Member id; empty outside of a group.
    #[field(versions = "1+", ignorable)]
    pub member_id: &'a str,
    /// Name of a static member; null for none (since 7).
    #[field(versions = "7+", nullable = "7+")]
    pub group_instance_id: Option<&'a str>,
    /// How long to keep the positions, in ms; -1 for the broker's setting (until 4).
    #[field(versions = "2-4", default = -1, ignorable)]
    pub retention_time_ms: i64,
    /// Topics.
    #[field(versions = "0+")]
    pub topics: Vec<OffsetCommitRequestTopic<'a>>,
}

/// One topic's positions.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct OffsetCommitRequestTopic<'a> {
    /// Topic name (until 9).
    #[field(versions = "0-9", ignorable)]
    pub name: &'a str,
    /// Topic id (since 10).
    #[field(versions = "10+", ignorable)]
    pub topic_id: Uuid,
    /// Partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<OffsetCommitRequestPartition<'a>>,
}

/// One partition's position.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct OffsetCommitRequestPartition<'a> {
    /// Partition.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// Position.
    #[field(versions = "0+")]
    pub committed_offset: i64,
    /// Leader epoch of the record before; -1 if unknown (since 6).
    #[field(versions = "6+", default = -1, ignorable)]
    pub committed_leader_epoch: i32,
    /// A note.
    #[field(versions = "0+", nullable = "0+", default = Some(""))]
    pub committed_metadata: Option<&'a str>,
}

/// Whether they were written.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 8, versions = "2-10", flexible = "8+")]
pub struct OffsetCommitResponse<'a> {
    /// How long the broker holds or held back for a quota (since 3).
    #[field(versions = "3+", ignorable)]
    pub throttle_time_ms: i32,
    /// Topics.
    #[field(versions = "0+")]
    pub topics: Vec<OffsetCommitResponseTopic<'a>>,
}

/// One topic's answers.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct OffsetCommitResponseTopic<'a> {
    /// Topic name (until 9).
    #[field(versions = "0-9", ignorable)]
    pub name: &'a str,
    /// Topic id (since 10).
    #[field(versions = "10+", ignorable)]
    pub topic_id: Uuid,
    /// Partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<OffsetCommitResponsePartition>,
}

/// One partition's answer.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct OffsetCommitResponsePartition {
    /// Partition.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
}
