//! WriteTxnMarkers (27): how the transaction coordinator ends transactions in partitions; for brokers only.
//!
//! Version 0 ended with Kafka 4.0. The version of the transaction came with 2 (KIP-1228).

use milena_wire_derive::{Fields, Message};

use crate::{ErrorCode, Numbers};

/// Markers to write.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 27, versions = "1-2", flexible = "1+", response = WriteTxnMarkersResponse<'a>)]
pub struct WriteTxnMarkersRequest<'a> {
    /// Markers, one for each transaction.
    #[field(versions = "0+")]
    pub markers: Vec<WritableTxnMarker<'a>>,
}

/// How one transaction ends, and where.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct WritableTxnMarker<'a> {
    /// Producer id.
    #[field(versions = "0+")]
    pub producer_id: i64,
    /// Epoch of the producer id.
    #[field(versions = "0+")]
    pub producer_epoch: i16,
    /// Whether it commits; else it aborts.
    #[field(versions = "0+")]
    pub transaction_result: bool,
    /// Topics.
    #[field(versions = "0+")]
    pub topics: Vec<WritableTxnMarkerTopic<'a>>,
    /// Leader epoch of the coordinator's own partition, to fence old coordinators.
    #[field(versions = "0+")]
    pub coordinator_epoch: i32,
    /// Version of the transaction: 0 and 1 are the old kind, 2 is that of KIP-890 (since 2).
    #[field(versions = "2+", ignorable)]
    pub transaction_version: i8,
}

/// One topic's partitions.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct WritableTxnMarkerTopic<'a> {
    /// Topic name.
    #[field(versions = "0+")]
    pub name: &'a str,
    /// Partitions.
    #[field(versions = "0+")]
    pub partition_indexes: Numbers<'a, i32>,
}

/// Whether they were written.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 27, versions = "1-2", flexible = "1+")]
pub struct WriteTxnMarkersResponse<'a> {
    /// Markers, one for each transaction.
    #[field(versions = "0+")]
    pub markers: Vec<WritableTxnMarkerResult<'a>>,
}

/// One transaction's answers.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct WritableTxnMarkerResult<'a> {
    /// Producer id.
    #[field(versions = "0+")]
    pub producer_id: i64,
    /// Topics.
    #[field(versions = "0+")]
    pub topics: Vec<WritableTxnMarkerTopicResult<'a>>,
}

/// One topic's answers.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct WritableTxnMarkerTopicResult<'a> {
    /// Topic name.
    #[field(versions = "0+")]
    pub name: &'a str,
    /// Partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<WritableTxnMarkerPartitionResult>,
}

/// One partition's answer.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct WritableTxnMarkerPartitionResult {
    /// Partition.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
}
