//! CreatePartitions (37): adds partitions to topics.
//!
//! From 3 on a quota can refuse them with an error (KIP-599).

use milena_wire_derive::{Fields, Message};

use crate::{ErrorCode, Numbers};

/// Topics to enlarge.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 37, versions = "0-3", flexible = "2+", response = CreatePartitionsResponse<'a>)]
pub struct CreatePartitionsRequest<'a> {
    /// Topics.
    #[field(versions = "0+")]
    pub topics: Vec<CreatePartitionsTopic<'a>>,
    /// How long the broker may take.
    #[field(versions = "0+")]
    pub timeout_ms: i32,
    /// Whether to check only.
    #[field(versions = "0+")]
    pub validate_only: bool,
}

/// One topic.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct CreatePartitionsTopic<'a> {
    /// Topic name.
    #[field(versions = "0+")]
    pub name: &'a str,
    /// Number of partitions to have in the end, old ones included.
    #[field(versions = "0+")]
    pub count: i32,
    /// Where each added partition lives; null to let the broker choose.
    #[field(versions = "0+", nullable = "0+", default = Some(Vec::new()))]
    pub assignments: Option<Vec<CreatePartitionsAssignment<'a>>>,
}

/// Where one added partition is to live.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct CreatePartitionsAssignment<'a> {
    /// Brokers with a copy.
    #[field(versions = "0+")]
    pub broker_ids: Numbers<'a, i32>,
}

/// What became of them.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 37, versions = "0-3", flexible = "2+")]
pub struct CreatePartitionsResponse<'a> {
    /// How long the broker holds or held back for a quota.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// Topics.
    #[field(versions = "0+")]
    pub results: Vec<CreatePartitionsTopicResult<'a>>,
}

/// One topic's answer.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct CreatePartitionsTopicResult<'a> {
    /// Topic name.
    #[field(versions = "0+")]
    pub name: &'a str,
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// The error in words.
    #[field(versions = "0+", nullable = "0+")]
    pub error_message: Option<&'a str>,
}
