//! UnregisterBroker (64): makes the cluster forget a broker (KRaft only).

use milena_wire_derive::Message;

use crate::ErrorCode;

/// Names the broker to forget.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 64, versions = "0", flexible = "0+", response = UnregisterBrokerResponse<'a>)]
pub struct UnregisterBrokerRequest {
    /// Broker id.
    #[field(versions = "0+")]
    pub broker_id: i32,
}

/// Whether the broker is forgotten.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 64, versions = "0", flexible = "0+")]
pub struct UnregisterBrokerResponse<'a> {
    /// How long the broker holds or held back for a quota.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// The error in words.
    #[field(versions = "0+", nullable = "0+", default = Some(""))]
    pub error_message: Option<&'a str>,
}
