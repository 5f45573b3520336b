//! EndTxn (26): commits or aborts a transaction. From 5 on the answer carries the epoch for the next one (KIP-890).

use milena_wire_derive::Message;

use crate::ErrorCode;

/// Which transaction, and how it ends.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 26, versions = "0-5", flexible = "3+", response = EndTxnResponse)]
pub struct EndTxnRequest<'a> {
    /// Transactional id.
    #[field(versions = "0+")]
    pub transactional_id: &'a str,
    /// Producer id.
    #[field(versions = "0+")]
    pub producer_id: i64,
    /// Its epoch.
    #[field(versions = "0+")]
    pub producer_epoch: i16,
    /// True commits, false aborts.
    #[field(versions = "0+")]
    pub committed: bool,
}

/// Whether the end was written down.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 26, versions = "0-5", flexible = "3+")]
pub struct EndTxnResponse {
    /// How long the broker holds or held back for a quota.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// Producer id for the next transaction (since 5).
    #[field(versions = "5+", default = -1, ignorable)]
    pub producer_id: i64,
    /// Epoch for the next transaction (since 5).
    #[field(versions = "5+", default = -1, ignorable)]
    pub producer_epoch: i16,
}
