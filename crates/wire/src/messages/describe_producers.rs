//! DescribeProducers (61): which producers have state in partitions, and their open transactions (KIP-664).

use milena_wire_derive::{Fields, Message};

use crate::{ErrorCode, Numbers};

/// Partitions whose producers are wanted.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 61, versions = "0", flexible = "0+", response = DescribeProducersResponse<'a>)]
pub struct DescribeProducersRequest<'a> {
    /// Topics.
    #[field(versions = "0+")]
    pub topics: Vec<DescribeProducersTopicRequest<'a>>,
}

/// One topic's partitions.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct DescribeProducersTopicRequest<'a> {
    /// Topic name.
    #[field(versions = "0+")]
    pub name: &'a str,
    /// Partitions.
    #[field(versions = "0+")]
    pub partition_indexes: Numbers<'a, i32>,
}

/// The producers found.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 61, versions = "0", flexible = "0+")]
pub struct DescribeProducersResponse<'a> {
    /// How long the broker holds or held back for a quota.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// Topics.
    #[field(versions = "0+")]
    pub topics: Vec<TopicResponse<'a>>,
}

/// One topic's answers.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct TopicResponse<'a> {
    /// Topic name.
    #[field(versions = "0+")]
    pub name: &'a str,
    /// Partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<PartitionResponse<'a>>,
}

/// One partition's answer.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct PartitionResponse<'a> {
    /// Partition.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// The error in words.
    #[field(versions = "0+", nullable = "0+")]
    pub error_message: Option<&'a str>,
    /// Producers the partition has state of.
    #[field(versions = "0+")]
    pub active_producers: Vec<ProducerState>,
}

/// What the partition knows of one producer.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct ProducerState {
    /// Producer id.
    #[field(versions = "0+")]
    pub producer_id: i64,
    /// Epoch of the producer id.
    #[field(versions = "0+")]
    pub producer_epoch: i32,
    /// Sequence number of its newest record; -1 for none.
    #[field(versions = "0+", default = -1)]
    pub last_sequence: i32,
    /// Timestamp of its newest record, in ms; -1 for none.
    #[field(versions = "0+", default = -1)]
    pub last_timestamp: i64,
    /// Epoch of the coordinator that ended its last transaction; -1 if unknown.
    #[field(versions = "0+")]
    pub coordinator_epoch: i32,
    /// Where its open transaction begins; -1 if none is open.
    #[field(versions = "0+", default = -1)]
    pub current_txn_start_offset: i64,
}
