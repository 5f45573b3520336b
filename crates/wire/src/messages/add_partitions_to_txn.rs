//! AddPartitionsToTxn (24): adds partitions to a transaction before they are written to.
//!
//! Clients use versions up to 3; from 4 on the request is one between brokers, with several transactions in it.

use milena_wire_derive::{Fields, Message};

use crate::{ErrorCode, Numbers};

/// Partitions about to be written to.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 24, versions = "0-5", flexible = "3+", response = AddPartitionsToTxnResponse<'a>)]
pub struct AddPartitionsToTxnRequest<'a> {
    /// Transactions (since 4).
    #[field(versions = "4+")]
    pub transactions: Vec<AddPartitionsToTxnTransaction<'a>>,
    /// Transactional id (until 3).
    #[field(versions = "0-3")]
    pub v3_and_below_transactional_id: &'a str,
    /// Producer id (until 3).
    #[field(versions = "0-3")]
    pub v3_and_below_producer_id: i64,
    /// Its epoch (until 3).
    #[field(versions = "0-3")]
    pub v3_and_below_producer_epoch: i16,
    /// Topics (until 3).
    #[field(versions = "0-3")]
    pub v3_and_below_topics: Vec<AddPartitionsToTxnTopic<'a>>,
}

/// One transaction, since 4.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct AddPartitionsToTxnTransaction<'a> {
    /// Transactional id (since 4).
    #[field(versions = "4+")]
    pub transactional_id: &'a str,
    /// Producer id (since 4).
    #[field(versions = "4+")]
    pub producer_id: i64,
    /// Its epoch (since 4).
    #[field(versions = "4+")]
    pub producer_epoch: i16,
    /// Whether to check only (since 4).
    #[field(versions = "4+")]
    pub verify_only: bool,
    /// Topics (since 4).
    #[field(versions = "4+")]
    pub topics: Vec<AddPartitionsToTxnTopic<'a>>,
}

/// One topic's partitions.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct AddPartitionsToTxnTopic<'a> {
    /// Topic name.
    #[field(versions = "0+")]
    pub name: &'a str,
    /// Partitions.
    #[field(versions = "0+")]
    pub partitions: Numbers<'a, i32>,
}

/// Whether they were added.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 24, versions = "0-5", flexible = "3+")]
pub struct AddPartitionsToTxnResponse<'a> {
    /// How long the broker holds or held back for a quota.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// Error, or none (since 4).
    #[field(versions = "4+", ignorable)]
    pub error_code: ErrorCode,
    /// Transactions (since 4).
    #[field(versions = "4+")]
    pub results_by_transaction: Vec<AddPartitionsToTxnResult<'a>>,
    /// Topics (until 3).
    #[field(versions = "0-3")]
    pub results_by_topic_v3_and_below: Vec<AddPartitionsToTxnTopicResult<'a>>,
}

/// One transaction's answers, since 4.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct AddPartitionsToTxnResult<'a> {
    /// Transactional id (since 4).
    #[field(versions = "4+")]
    pub transactional_id: &'a str,
    /// Topics (since 4).
    #[field(versions = "4+")]
    pub topic_results: Vec<AddPartitionsToTxnTopicResult<'a>>,
}

/// One topic's answers.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct AddPartitionsToTxnTopicResult<'a> {
    /// Topic name.
    #[field(versions = "0+")]
    pub name: &'a str,
    /// Partitions.
    #[field(versions = "0+")]
    pub results_by_partition: Vec<AddPartitionsToTxnPartitionResult>,
}

/// One partition's answer.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct AddPartitionsToTxnPartitionResult {
    /// Partition.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// Error, or none.
    #[field(versions = "0+")]
    pub partition_error_code: ErrorCode,
}
