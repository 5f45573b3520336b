//! ListTransactions (66): transactions the broker coordinates (KIP-664).
//!
//! Version 1 can select by how long they have been open (KIP-994), version 2 by a pattern for the transactional id (KIP-1152).

use milena_wire_derive::{Fields, Message};

use crate::{ErrorCode, Numbers};

/// Which transactions to list; they must pass all filters.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 66, versions = "0-2", flexible = "0+", response = ListTransactionsResponse<'a>)]
pub struct ListTransactionsRequest<'a> {
    /// States to list, by name; empty for all.
    #[field(versions = "0+")]
    pub state_filters: Vec<&'a str>,
    /// Producer ids to list; empty for all.
    #[field(versions = "0+")]
    pub producer_id_filters: Numbers<'a, i64>,
    /// Least time a transaction must have been open, in ms; negative for all (since 1).
    #[field(versions = "1+", default = -1)]
    pub duration_filter: i64,
    /// Regular expression for the transactional id; empty or null for all (since 2).
    #[field(versions = "2+", nullable = "2+")]
    pub transactional_id_pattern: Option<&'a str>,
}

/// The transactions that passed.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 66, versions = "0-2", flexible = "0+")]
pub struct ListTransactionsResponse<'a> {
    /// How long the broker holds or held back for a quota.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// States of the request that the coordinator does not know.
    #[field(versions = "0+")]
    pub unknown_state_filters: Vec<&'a str>,
    /// Transactions.
    #[field(versions = "0+")]
    pub transaction_states: Vec<ListTransactionsTransactionState<'a>>,
}

/// One transaction.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct ListTransactionsTransactionState<'a> {
    /// Transactional id.
    #[field(versions = "0+")]
    pub transactional_id: &'a str,
    /// Producer id.
    #[field(versions = "0+")]
    pub producer_id: i64,
    /// State by name, such as `Ongoing`.
    #[field(versions = "0+")]
    pub transaction_state: &'a str,
}
