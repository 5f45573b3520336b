//! InitProducerId (22): gives a producer its id and epoch, and fences those that had the transactional id before.
//!
//! Version 6 (KIP-939) is not stable yet.

use milena_wire_derive::Message;

use crate::ErrorCode;

/// Asks for a producer id.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 22, versions = "0-5", flexible = "2+", response = InitProducerIdResponse)]
pub struct InitProducerIdRequest<'a> {
    /// Transactional id; null for an idempotent producer.
    #[field(versions = "0+", nullable = "0+", default = Some(""))]
    pub transactional_id: Option<&'a str>,
    /// How long a transaction may stay open.
    #[field(versions = "0+")]
    pub transaction_timeout_ms: i32,
    /// Id the producer has; -1 for none (since 3).
    #[field(versions = "3+", default = -1)]
    pub producer_id: i64,
    /// Epoch the producer has; -1 for none (since 3).
    #[field(versions = "3+", default = -1)]
    pub producer_epoch: i16,
}

/// The id and epoch to write with.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 22, versions = "0-5", flexible = "2+")]
pub struct InitProducerIdResponse {
    /// How long the broker holds or held back for a quota.
    #[field(versions = "0+", ignorable)]
    pub throttle_time_ms: i32,
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// Producer id.
    #[field(versions = "0+", default = -1)]
    pub producer_id: i64,
    /// Its epoch.
    #[field(versions = "0+")]
    pub producer_epoch: i16,
}
