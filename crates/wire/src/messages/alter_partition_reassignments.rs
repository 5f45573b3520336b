//! AlterPartitionReassignments (45): moves partitions to other brokers, or calls such moves off.
//!
//! Version 1 lets a request forbid that the number of copies changes.

use milena_wire_derive::{Fields, Message};

use crate::{ErrorCode, Numbers};

/// Moves to begin or to call off.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 45, versions = "0-1", flexible = "0+", response = AlterPartitionReassignmentsResponse<'a>)]
pub struct AlterPartitionReassignmentsRequest<'a> {
    /// How long the broker may take.
    #[field(versions = "0+", default = 60000)]
    pub timeout_ms: i32,
    /// Whether a move may change the number of copies (since 1).
    #[field(versions = "1+", default = true)]
    pub allow_replication_factor_change: bool,
    /// Topics.
    #[field(versions = "0+")]
    pub topics: Vec<ReassignableTopic<'a>>,
}

/// One topic's moves.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct ReassignableTopic<'a> {
    /// Topic name.
    #[field(versions = "0+")]
    pub name: &'a str,
    /// Partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<ReassignablePartition<'a>>,
}

/// One partition's move.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct ReassignablePartition<'a> {
    /// Partition.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// Brokers to have a copy in the end; null to call off the move.
    #[field(versions = "0+", nullable = "0+")]
    pub replicas: Option<Numbers<'a, i32>>,
}

/// Whether the moves have begun.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 45, versions = "0-1", flexible = "0+")]
pub struct AlterPartitionReassignmentsResponse<'a> {
    /// How long the broker holds or held back for a quota.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// Whether a move was allowed to change the number of copies (since 1).
    #[field(versions = "1+", default = true, ignorable)]
    pub allow_replication_factor_change: bool,
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// The error in words.
    #[field(versions = "0+", nullable = "0+", default = Some(""))]
    pub error_message: Option<&'a str>,
    /// Topics.
    #[field(versions = "0+")]
    pub responses: Vec<ReassignableTopicResponse<'a>>,
}

/// One topic's answers.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct ReassignableTopicResponse<'a> {
    /// Topic name.
    #[field(versions = "0+")]
    pub name: &'a str,
    /// Partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<ReassignablePartitionResponse<'a>>,
}

/// One partition's answer.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct ReassignablePartitionResponse<'a> {
    /// Partition.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// The error in words.
    #[field(versions = "0+", nullable = "0+", default = Some(""))]
    pub error_message: Option<&'a str>,
}
