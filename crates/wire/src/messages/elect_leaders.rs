//! ElectLeaders (43): has partitions choose their leaders anew.
//!
//! Version 0 knows only the preferred leader; the kind of election came with 1 (KIP-460), as did an error for the whole answer.

use milena_wire_derive::{Fields, Message};

use crate::{ErrorCode, Numbers};

/// Partitions that are to elect.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 43, versions = "0-2", flexible = "2+", response = ElectLeadersResponse<'a>)]
pub struct ElectLeadersRequest<'a> {
    /// Whom to elect: 0 the preferred replica, 1 the first that lives if none in sync does (since 1).
    #[field(versions = "1+")]
    pub election_type: i8,
    /// Topics; null for all partitions.
    #[field(versions = "0+", nullable = "0+", default = Some(Vec::new()))]
    pub topic_partitions: Option<Vec<ElectLeadersTopicPartitions<'a>>>,
    /// How long the broker may take.
    #[field(versions = "0+", default = 60000)]
    pub timeout_ms: i32,
}

/// One topic's partitions.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct ElectLeadersTopicPartitions<'a> {
    /// Topic name.
    #[field(versions = "0+")]
    pub topic: &'a str,
    /// Partitions.
    #[field(versions = "0+")]
    pub partitions: Numbers<'a, i32>,
}

/// How the elections went.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 43, versions = "0-2", flexible = "2+")]
pub struct ElectLeadersResponse<'a> {
    /// How long the broker holds or held back for a quota.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// Error, or none (since 1).
    #[field(versions = "1+")]
    pub error_code: ErrorCode,
    /// Topics; empty if all were asked for without permission.
    #[field(versions = "0+")]
    pub replica_election_results: Vec<ReplicaElectionResult<'a>>,
}

/// One topic's answers.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct ReplicaElectionResult<'a> {
    /// Topic name.
    #[field(versions = "0+")]
    pub topic: &'a str,
    /// Partitions.
    #[field(versions = "0+")]
    pub partition_result: Vec<PartitionResult<'a>>,
}

/// One partition's answer.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct PartitionResult<'a> {
    /// Partition.
    #[field(versions = "0+")]
    pub partition_id: i32,
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// The error in words.
    #[field(versions = "0+", nullable = "0+", default = Some(""))]
    pub error_message: Option<&'a str>,
}
