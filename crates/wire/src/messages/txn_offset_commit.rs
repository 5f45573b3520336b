//! TxnOffsetCommit (28): writes a consumer group's positions as part of a transaction.
//!
//! From 5 on it adds them to the transaction by itself (KIP-890).

use milena_wire_derive::{Fields, Message};

use crate::ErrorCode;

/// Positions to commit with the transaction.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 28, versions = "0-5", flexible = "3+", response = TxnOffsetCommitResponse<'a>)]
pub struct TxnOffsetCommitRequest<'a> {
    /// Transactional id.
    #[field(versions = "0+")]
    pub transactional_id: &'a str,
    /// Group.
    #[field(versions = "0+")]
    pub group_id: &'a str,
    /// Producer id.
    #[field(versions = "0+")]
    pub producer_id: i64,
    /// Its epoch.
    #[field(versions = "0+")]
    pub producer_epoch: i16,
    /// Generation of the group, or epoch of the member (since 3).
    #[field(versions = "3+", default = -1)]
    pub generation_id: i32,
    /// Member of the group (since 3).
    #[field(versions = "3+")]
    pub member_id: &'a str,
    /// Name of a static member (since 3).
    #[field(versions = "3+", nullable = "3+")]
    pub group_instance_id: Option<&'a str>,
    /// Topics.
    #[field(versions = "0+")]
    pub topics: Vec<TxnOffsetCommitRequestTopic<'a>>,
}

/// One topic's positions.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct TxnOffsetCommitRequestTopic<'a> {
    /// Topic name.
    #[field(versions = "0+")]
    pub name: &'a str,
    /// Partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<TxnOffsetCommitRequestPartition<'a>>,
}

/// One partition's position.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct TxnOffsetCommitRequestPartition<'a> {
    /// Partition.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// Position.
    #[field(versions = "0+")]
    pub committed_offset: i64,
    /// Leader epoch of the record before; -1 if unknown (since 2).
    #[field(versions = "2+", default = -1, ignorable)]
    pub committed_leader_epoch: i32,
    /// A note.
    #[field(versions = "0+", nullable = "0+", default = Some(""))]
    pub committed_metadata: Option<&'a str>,
}

/// Whether they were written.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 28, versions = "0-5", flexible = "3+")]
pub struct TxnOffsetCommitResponse<'a> {
    /// How long the broker holds or held back for a quota.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// Topics.
    #[field(versions = "0+")]
    pub topics: Vec<TxnOffsetCommitResponseTopic<'a>>,
}

/// One topic's answers.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct TxnOffsetCommitResponseTopic<'a> {
    /// Topic name.
    #[field(versions = "0+")]
    pub name: &'a str,
    /// Partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<TxnOffsetCommitResponsePartition>,
}

/// One partition's answer.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct TxnOffsetCommitResponsePartition {
    /// Partition.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
}
