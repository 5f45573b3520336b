//! DescribeTopicPartitions (75): topics and their partitions, a page at a time (KIP-966).

use milena_wire_derive::{Fields, Message};

use crate::{ErrorCode, Numbers, Uuid};

/// Topics to describe and where to go on.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 75, versions = "0", flexible = "0+", response = DescribeTopicPartitionsResponse<'a>)]
pub struct DescribeTopicPartitionsRequest<'a> {
    /// Topics.
    #[field(versions = "0+")]
    pub topics: Vec<DescribeTopicPartitionsTopicRequest<'a>>,
    /// Most partitions to answer with.
    #[field(versions = "0+", default = 2000)]
    pub response_partition_limit: i32,
    /// Where to go on; null to start from the first.
    #[field(versions = "0+", nullable = "0+")]
    pub cursor: Option<DescribeTopicPartitionsRequestCursor<'a>>,
}

/// One topic to describe.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct DescribeTopicPartitionsTopicRequest<'a> {
    /// Topic name.
    #[field(versions = "0+")]
    pub name: &'a str,
}

/// Where a page starts.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct DescribeTopicPartitionsRequestCursor<'a> {
    /// Topic to start with.
    #[field(versions = "0+")]
    pub topic_name: &'a str,
    /// First partition of that topic.
    #[field(versions = "0+")]
    pub partition_index: i32,
}

/// One page of topics.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 75, versions = "0", flexible = "0+")]
pub struct DescribeTopicPartitionsResponse<'a> {
    /// How long the broker holds or held back for a quota.
    #[field(versions = "0+", ignorable)]
    pub throttle_time_ms: i32,
    /// Topics.
    #[field(versions = "0+")]
    pub topics: Vec<DescribeTopicPartitionsResponseTopic<'a>>,
    /// Where the next page starts; null after the last.
    #[field(versions = "0+", nullable = "0+")]
    pub next_cursor: Option<DescribeTopicPartitionsResponseCursor<'a>>,
}

/// One topic.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct DescribeTopicPartitionsResponseTopic<'a> {
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// Topic name.
    #[field(versions = "0+", nullable = "0+", default = Some(""))]
    pub name: Option<&'a str>,
    /// Topic id.
    #[field(versions = "0+", ignorable)]
    pub topic_id: Uuid,
    /// Whether it is one of Kafka's own.
    #[field(versions = "0+", ignorable)]
    pub is_internal: bool,
    /// Partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<DescribeTopicPartitionsResponsePartition<'a>>,
    /// What one may do, as bits; `i32::MIN` if not told.
    #[field(versions = "0+", default = -2147483648)]
    pub topic_authorized_operations: i32,
}

/// One partition.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct DescribeTopicPartitionsResponsePartition<'a> {
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// Partition.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// Leader; -1 if unknown.
    #[field(versions = "0+")]
    pub leader_id: i32,
    /// Leader epoch; -1 if unknown.
    #[field(versions = "0+", default = -1, ignorable)]
    pub leader_epoch: i32,
    /// Brokers with a copy.
    #[field(versions = "0+")]
    pub replica_nodes: Numbers<'a, i32>,
    /// Those in sync.
    #[field(versions = "0+")]
    pub isr_nodes: Numbers<'a, i32>,
    /// Those out of sync that can lead without loss all the same; null if not told.
    #[field(versions = "0+", nullable = "0+")]
    pub eligible_leader_replicas: Option<Numbers<'a, i32>>,
    /// Those that last could lead without loss; null if not told.
    #[field(versions = "0+", nullable = "0+")]
    pub last_known_elr: Option<Numbers<'a, i32>>,
    /// Those that are down.
    #[field(versions = "0+", ignorable)]
    pub offline_replicas: Numbers<'a, i32>,
}

/// Where a page starts.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct DescribeTopicPartitionsResponseCursor<'a> {
    /// Topic to start with.
    #[field(versions = "0+")]
    pub topic_name: &'a str,
    /// First partition of that topic.
    #[field(versions = "0+")]
    pub partition_index: i32,
}
