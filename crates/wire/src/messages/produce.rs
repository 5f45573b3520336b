//! Produce (0): appends record batches to partitions.
//!
//! Versions 0 to 2 ended with Kafka 4.0. Topics go by id instead of name from 13 on; from 12 on a transactional write adds its
//! partition to the transaction by itself (KIP-890).

use milena_wire_derive::{Fields, Message};

use crate::{ErrorCode, Payload, Uuid};

/// Batches to append.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 0, versions = "3-13", flexible = "9+", response = ProduceResponse<'a>)]
pub struct ProduceRequest<'a> {
    /// Transactional id; null outside of transactions.
    #[field(versions = "3+", nullable = "3+")]
    pub transactional_id: Option<&'a str>,
    /// Who must have the batch before the answer: 0 nobody, 1 the leader, -1 all in sync.
    #[field(versions = "0+")]
    pub acks: i16,
    /// How long the broker may take.
    #[field(versions = "0+")]
    pub timeout_ms: i32,
    /// Topics.
    #[field(versions = "0+")]
    pub topic_data: Vec<TopicProduceData<'a>>,
}

/// The batches of one topic.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct TopicProduceData<'a> {
    /// Topic name (until 12).
    #[field(versions = "0-12", ignorable)]
    pub name: &'a str,
    /// Topic id (since 13).
    #[field(versions = "13+", ignorable)]
    pub topic_id: Uuid,
    /// Partitions.
    #[field(versions = "0+")]
    pub partition_data: Vec<PartitionProduceData>,
}

/// The batch of one partition.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct PartitionProduceData {
    /// Partition.
    #[field(versions = "0+")]
    pub index: i32,
    /// Record batches.
    #[field(versions = "0+", nullable = "0+")]
    pub records: Option<Payload>,
}

/// Where the batches ended up.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 0, versions = "3-13", flexible = "9+")]
pub struct ProduceResponse<'a> {
    /// Topics.
    #[field(versions = "0+")]
    pub responses: Vec<TopicProduceResponse<'a>>,
    /// How long the broker holds or held back for a quota.
    #[field(versions = "1+", ignorable)]
    pub throttle_time_ms: i32,
    /// Addresses of the new leaders named above (since 10).
    #[field(versions = "10+", tag = 0)]
    pub node_endpoints: Vec<ProduceNodeEndpoint<'a>>,
}

/// One topic's answers.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct TopicProduceResponse<'a> {
    /// Topic name (until 12).
    #[field(versions = "0-12", ignorable)]
    pub name: &'a str,
    /// Topic id (since 13).
    #[field(versions = "13+", ignorable)]
    pub topic_id: Uuid,
    /// Partitions.
    #[field(versions = "0+")]
    pub partition_responses: Vec<PartitionProduceResponse<'a>>,
}

/// One partition's answer.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct PartitionProduceResponse<'a> {
    /// Partition.
    #[field(versions = "0+")]
    pub index: i32,
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// Offset of the first record.
    #[field(versions = "0+")]
    pub base_offset: i64,
    /// When the broker appended; -1 if records keep their own time.
    #[field(versions = "2+", default = -1, ignorable)]
    pub log_append_time_ms: i64,
    /// First offset still there (since 5).
    #[field(versions = "5+", default = -1, ignorable)]
    pub log_start_offset: i64,
    /// The records at fault (since 8).
    #[field(versions = "8+", ignorable)]
    pub record_errors: Vec<BatchIndexAndErrorMessage<'a>>,
    /// The error in words (since 8).
    #[field(versions = "8+", nullable = "8+", ignorable)]
    pub error_message: Option<&'a str>,
    /// Leader to turn to (since 10).
    #[field(versions = "10+", tag = 0)]
    pub current_leader: ProduceLeaderIdAndEpoch,
}

/// One record that made the broker refuse its batch.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct BatchIndexAndErrorMessage<'a> {
    /// Index of the record in its batch (since 8).
    #[field(versions = "8+")]
    pub batch_index: i32,
    /// What is wrong with it (since 8).
    #[field(versions = "8+", nullable = "8+")]
    pub batch_index_error_message: Option<&'a str>,
}

/// Who leads a partition now (KIP-951).
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct ProduceLeaderIdAndEpoch {
    /// Leader; -1 if unknown (since 10).
    #[field(versions = "10+", default = -1)]
    pub leader_id: i32,
    /// Leader epoch (since 10).
    #[field(versions = "10+", default = -1)]
    pub leader_epoch: i32,
}

/// Where a new leader listens (KIP-951).
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct ProduceNodeEndpoint<'a> {
    /// Broker id (since 10).
    #[field(versions = "10+")]
    pub node_id: i32,
    /// Host (since 10).
    #[field(versions = "10+")]
    pub host: &'a str,
    /// Port (since 10).
    #[field(versions = "10+")]
    pub port: i32,
    /// Rack (since 10).
    #[field(versions = "10+", nullable = "10+")]
    pub rack: Option<&'a str>,
}
