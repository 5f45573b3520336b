//! RenewDelegationToken (39): lets a token live longer.
//!
//! Version 0 ended with Kafka 4.0.

use milena_wire_derive::Message;

use crate::ErrorCode;

/// Token to renew.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 39, versions = "1-2", flexible = "2+", response = RenewDelegationTokenResponse)]
pub struct RenewDelegationTokenRequest<'a> {
    /// Token's HMAC, by which it is found.
    #[field(versions = "0+")]
    pub hmac: &'a [u8],
    /// How long it is to live from now on, in ms; -1 for the broker's setting.
    #[field(versions = "0+")]
    pub renew_period_ms: i64,
}

/// How long it lives now.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 39, versions = "1-2", flexible = "2+")]
pub struct RenewDelegationTokenResponse {
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// When it expires unless renewed, in ms since 1970.
    #[field(versions = "0+")]
    pub expiry_timestamp_ms: i64,
    /// How long the broker holds or held back for a quota.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
}
