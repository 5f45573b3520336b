//! AddOffsetsToTxn (25): adds the positions of a consumer group to a transaction.

use milena_wire_derive::Message;

use crate::ErrorCode;

/// The group whose positions are about to be written.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 25, versions = "0-4", flexible = "3+", response = AddOffsetsToTxnResponse)]
pub struct AddOffsetsToTxnRequest<'a> {
    /// Transactional id.
    #[field(versions = "0+")]
    pub transactional_id: &'a str,
    /// Producer id.
    #[field(versions = "0+")]
    pub producer_id: i64,
    /// Its epoch.
    #[field(versions = "0+")]
    pub producer_epoch: i16,
    /// Group.
    #[field(versions = "0+")]
    pub group_id: &'a str,
}

/// Whether it was added.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 25, versions = "0-4", flexible = "3+")]
pub struct AddOffsetsToTxnResponse {
    /// How long the broker holds or held back for a quota.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
}
