//! AlterReplicaLogDirs (34): moves a broker's copies of partitions to other directories.
//!
//! Version 0 ended with Kafka 4.0.

use milena_wire_derive::{Fields, Message};

use crate::{ErrorCode, Numbers};

/// Where the copies are to live.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 34, versions = "1-2", flexible = "2+", response = AlterReplicaLogDirsResponse<'a>)]
pub struct AlterReplicaLogDirsRequest<'a> {
    /// Directories.
    #[field(versions = "0+")]
    pub dirs: Vec<AlterReplicaLogDir<'a>>,
}

/// What one directory is to hold.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct AlterReplicaLogDir<'a> {
    /// Absolute path of the directory.
    #[field(versions = "0+")]
    pub path: &'a str,
    /// Topics.
    #[field(versions = "0+")]
    pub topics: Vec<AlterReplicaLogDirTopic<'a>>,
}

/// One topic's partitions.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct AlterReplicaLogDirTopic<'a> {
    /// Topic name.
    #[field(versions = "0+")]
    pub name: &'a str,
    /// Partitions.
    #[field(versions = "0+")]
    pub partitions: Numbers<'a, i32>,
}

/// Whether the moves have begun.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 34, versions = "1-2", flexible = "2+")]
pub struct AlterReplicaLogDirsResponse<'a> {
    /// How long the broker holds or held back for a quota.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// Topics.
    #[field(versions = "0+")]
    pub results: Vec<AlterReplicaLogDirTopicResult<'a>>,
}

/// One topic's answers.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct AlterReplicaLogDirTopicResult<'a> {
    /// Topic name.
    #[field(versions = "0+")]
    pub topic_name: &'a str,
    /// Partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<AlterReplicaLogDirPartitionResult>,
}

/// One partition's answer.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct AlterReplicaLogDirPartitionResult {
    /// Partition.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
}
