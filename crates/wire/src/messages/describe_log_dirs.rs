//! DescribeLogDirs (35): a broker's directories, and what is in them.
//!
//! Version 0 ended with Kafka 4.0. An error for the whole answer came with 3, disk sizes with 4, cordoned directories with 5.

use milena_wire_derive::{Fields, Message};

use crate::{ErrorCode, Numbers};

/// Partitions to look for.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 35, versions = "1-5", flexible = "2+", response = DescribeLogDirsResponse<'a>)]
pub struct DescribeLogDirsRequest<'a> {
    /// Topics; null for all.
    #[field(versions = "0+", nullable = "0+", default = Some(Vec::new()))]
    pub topics: Option<Vec<DescribableLogDirTopic<'a>>>,
}

/// One topic's partitions.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct DescribableLogDirTopic<'a> {
    /// Topic name.
    #[field(versions = "0+")]
    pub topic: &'a str,
    /// Partitions.
    #[field(versions = "0+")]
    pub partitions: Numbers<'a, i32>,
}

/// The directories.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 35, versions = "1-5", flexible = "2+")]
pub struct DescribeLogDirsResponse<'a> {
    /// How long the broker holds or held back for a quota.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// Error, or none (since 3).
    #[field(versions = "3+", ignorable)]
    pub error_code: ErrorCode,
    /// Directories.
    #[field(versions = "0+")]
    pub results: Vec<DescribeLogDirsResult<'a>>,
}

/// One directory.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct DescribeLogDirsResult<'a> {
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// Absolute path of the directory.
    #[field(versions = "0+")]
    pub log_dir: &'a str,
    /// Topics.
    #[field(versions = "0+")]
    pub topics: Vec<DescribeLogDirsTopic<'a>>,
    /// Size of the volume in bytes, without remote storage; -1 if unknown (since 4).
    #[field(versions = "4+", default = -1, ignorable)]
    pub total_bytes: i64,
    /// Free bytes on the volume, without remote storage; -1 if unknown (since 4).
    #[field(versions = "4+", default = -1, ignorable)]
    pub usable_bytes: i64,
    /// Whether the directory takes no new partitions (since 5).
    #[field(versions = "5+", ignorable)]
    pub is_cordoned: bool,
}

/// One topic in the directory.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct DescribeLogDirsTopic<'a> {
    /// Topic name.
    #[field(versions = "0+")]
    pub name: &'a str,
    /// Partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<DescribeLogDirsPartition>,
}

/// One partition's copy.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct DescribeLogDirsPartition {
    /// Partition.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// Size of its segments in bytes.
    #[field(versions = "0+")]
    pub partition_size: i64,
    /// Records its end is short of the high watermark or, for a future copy, of the current copy's end.
    #[field(versions = "0+")]
    pub offset_lag: i64,
    /// Whether it is being moved here and will take the current copy's place.
    #[field(versions = "0+")]
    pub is_future_key: bool,
}
