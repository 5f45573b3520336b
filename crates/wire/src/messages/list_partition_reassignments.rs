//! ListPartitionReassignments (46): the partitions that are moving between brokers.

use milena_wire_derive::{Fields, Message};

use crate::{ErrorCode, Numbers};

/// Partitions to look at.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 46, versions = "0", flexible = "0+", response = ListPartitionReassignmentsResponse<'a>)]
pub struct ListPartitionReassignmentsRequest<'a> {
    /// How long the broker may take.
    #[field(versions = "0+", default = 60000)]
    pub timeout_ms: i32,
    /// Topics; null for all moves.
    #[field(versions = "0+", nullable = "0+")]
    pub topics: Option<Vec<ListPartitionReassignmentsTopics<'a>>>,
}

/// One topic's partitions.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct ListPartitionReassignmentsTopics<'a> {
    /// Topic name.
    #[field(versions = "0+")]
    pub name: &'a str,
    /// Partitions.
    #[field(versions = "0+")]
    pub partition_indexes: Numbers<'a, i32>,
}

/// The moves under way.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 46, versions = "0", flexible = "0+")]
pub struct ListPartitionReassignmentsResponse<'a> {
    /// How long the broker holds or held back for a quota.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// The error in words.
    #[field(versions = "0+", nullable = "0+", default = Some(""))]
    pub error_message: Option<&'a str>,
    /// Topics with moves under way.
    #[field(versions = "0+")]
    pub topics: Vec<OngoingTopicReassignment<'a>>,
}

/// One topic's moves.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct OngoingTopicReassignment<'a> {
    /// Topic name.
    #[field(versions = "0+")]
    pub name: &'a str,
    /// Partitions that are moving.
    #[field(versions = "0+")]
    pub partitions: Vec<OngoingPartitionReassignment<'a>>,
}

/// One partition's move.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct OngoingPartitionReassignment<'a> {
    /// Partition.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// Brokers with a copy, coming and going ones included.
    #[field(versions = "0+")]
    pub replicas: Numbers<'a, i32>,
    /// Those that are to get a copy.
    #[field(versions = "0+")]
    pub adding_replicas: Numbers<'a, i32>,
    /// Those that are to lose theirs.
    #[field(versions = "0+")]
    pub removing_replicas: Numbers<'a, i32>,
}
