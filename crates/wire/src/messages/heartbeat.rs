//! Heartbeat (12): keeps a member of a classic group alive, and tells it of rebalances.
//!
//! Static members came with 3.

use milena_wire_derive::Message;

use crate::ErrorCode;

/// Says that the member is alive.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 12, versions = "0-4", flexible = "4+", response = HeartbeatResponse)]
pub struct HeartbeatRequest<'a> {
    /// Group.
    #[field(versions = "0+")]
    pub group_id: &'a str,
    /// Generation of the group.
    #[field(versions = "0+")]
    pub generation_id: i32,
    /// Member id.
    #[field(versions = "0+")]
    pub member_id: &'a str,
    /// Name of a static member; null for none (since 3).
    #[field(versions = "3+", nullable = "3+")]
    pub group_instance_id: Option<&'a str>,
}

/// Whether the member is still in, or a rebalance is on.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 12, versions = "0-4", flexible = "4+")]
pub struct HeartbeatResponse {
    /// How long the broker holds or held back for a quota (since 1).
    #[field(versions = "1+", ignorable)]
    pub throttle_time_ms: i32,
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
}
