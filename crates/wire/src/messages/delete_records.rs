//! DeleteRecords (21): drops the oldest records of partitions.

use milena_wire_derive::{Fields, Message};

use crate::ErrorCode;

/// How far to delete.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 21, versions = "0-2", flexible = "2+", response = DeleteRecordsResponse<'a>)]
pub struct DeleteRecordsRequest<'a> {
    /// Topics.
    #[field(versions = "0+")]
    pub topics: Vec<DeleteRecordsTopic<'a>>,
    /// How long the broker may take.
    #[field(versions = "0+")]
    pub timeout_ms: i32,
}

/// One topic's partitions.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct DeleteRecordsTopic<'a> {
    /// Topic name.
    #[field(versions = "0+")]
    pub name: &'a str,
    /// Partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<DeleteRecordsPartition>,
}

/// How far to delete in one partition.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct DeleteRecordsPartition {
    /// Partition.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// First offset to keep; -1 for the high watermark.
    #[field(versions = "0+")]
    pub offset: i64,
}

/// What was deleted.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 21, versions = "0-2", flexible = "2+")]
pub struct DeleteRecordsResponse<'a> {
    /// How long the broker holds or held back for a quota.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// Topics.
    #[field(versions = "0+")]
    pub topics: Vec<DeleteRecordsTopicResult<'a>>,
}

/// One topic's answers.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct DeleteRecordsTopicResult<'a> {
    /// Topic name.
    #[field(versions = "0+")]
    pub name: &'a str,
    /// Partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<DeleteRecordsPartitionResult>,
}

/// One partition's answer.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct DeleteRecordsPartitionResult {
    /// Partition.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// Lowest first offset among the live copies; -1 on an error.
    #[field(versions = "0+")]
    pub low_watermark: i64,
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
}
