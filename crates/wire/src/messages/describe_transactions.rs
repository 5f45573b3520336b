//! DescribeTransactions (65): state of the transactions of given transactional ids (KIP-664).

use milena_wire_derive::{Fields, Message};

use crate::{ErrorCode, Numbers};

/// Asks for the transactions of these transactional ids.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 65, versions = "0", flexible = "0+", response = DescribeTransactionsResponse<'a>)]
pub struct DescribeTransactionsRequest<'a> {
    /// Transactional ids; with none given, none are described.
    #[field(versions = "0+")]
    pub transactional_ids: Vec<&'a str>,
}

/// The transactions asked for.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 65, versions = "0", flexible = "0+")]
pub struct DescribeTransactionsResponse<'a> {
    /// How long the broker holds or held back for a quota.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// Transactions.
    #[field(versions = "0+")]
    pub transaction_states: Vec<DescribeTransactionsTransactionState<'a>>,
}

/// State of one transaction.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct DescribeTransactionsTransactionState<'a> {
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// Transactional id.
    #[field(versions = "0+")]
    pub transactional_id: &'a str,
    /// State by name, such as `Ongoing`.
    #[field(versions = "0+")]
    pub transaction_state: &'a str,
    /// How long the transaction may stay open, in ms.
    #[field(versions = "0+")]
    pub transaction_timeout_ms: i32,
    /// When it began, in ms since 1970; negative if none is open.
    #[field(versions = "0+")]
    pub transaction_start_time_ms: i64,
    /// Producer id.
    #[field(versions = "0+")]
    pub producer_id: i64,
    /// Epoch of the producer id.
    #[field(versions = "0+")]
    pub producer_epoch: i16,
    /// Topics in the open transaction; while it ends, only those whose markers are missing.
    #[field(versions = "0+")]
    pub topics: Vec<DescribeTransactionsTopicData<'a>>,
}

/// One topic's partitions in the transaction.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct DescribeTransactionsTopicData<'a> {
    /// Topic name.
    #[field(versions = "0+")]
    pub topic: &'a str,
    /// Partitions.
    #[field(versions = "0+")]
    pub partitions: Numbers<'a, i32>,
}
