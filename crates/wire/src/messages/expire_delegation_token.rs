//! ExpireDelegationToken (40): ends a token now or sets when it ends.
//!
//! Version 0 ended with Kafka 4.0.

use milena_wire_derive::Message;

use crate::ErrorCode;

/// Token to end.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 40, versions = "1-2", flexible = "2+", response = ExpireDelegationTokenResponse)]
pub struct ExpireDelegationTokenRequest<'a> {
    /// Token's HMAC, by which it is found.
    #[field(versions = "0+")]
    pub hmac: &'a [u8],
    /// How long it is still to live, in ms; below 0 ends it at once.
    #[field(versions = "0+")]
    pub expiry_time_period_ms: i64,
}

/// When it ends.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 40, versions = "1-2", flexible = "2+")]
pub struct ExpireDelegationTokenResponse {
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// When it expires, in ms since 1970.
    #[field(versions = "0+")]
    pub expiry_timestamp_ms: i64,
    /// How long the broker holds or held back for a quota.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
}
