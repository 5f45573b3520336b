//! JoinGroup (11): enters a classic group and waits for its next generation.
//!
//! From 4 on a newcomer without a member id is given one with an error, and asks again with it. Static members came with 5,
//! the protocol type in the answer with 7 (KIP-559), the reason with 8 (KIP-800), leaders that need not assign with 9.

use milena_wire_derive::{Fields, Message};

use crate::ErrorCode;

/// Asks to be a member; says what the member can do.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 11, versions = "0-9", flexible = "6+", response = JoinGroupResponse<'a>)]
pub struct JoinGroupRequest<'a> {
    /// Group.
    #[field(versions = "0+")]
    pub group_id: &'a str,
    /// How long without a heartbeat until the member counts as dead, in ms.
    #[field(versions = "0+")]
    pub session_timeout_ms: i32,
    /// How long the others are waited for in a rebalance, in ms; -1 to use the session timeout (since 1).
    #[field(versions = "1+", default = -1, ignorable)]
    pub rebalance_timeout_ms: i32,
    /// Member id; empty for a newcomer.
    #[field(versions = "0+")]
    pub member_id: &'a str,
    /// Name of a static member; null for none (since 5).
    #[field(versions = "5+", nullable = "5+")]
    pub group_instance_id: Option<&'a str>,
    /// Kind of group, such as `consumer` or `connect`.
    #[field(versions = "0+")]
    pub protocol_type: &'a str,
    /// Protocols the member can use, the preferred one first.
    #[field(versions = "0+")]
    pub protocols: Vec<JoinGroupRequestProtocol<'a>>,
    /// Why the member joins, in words; null for no reason (since 8).
    #[field(versions = "8+", nullable = "8+", ignorable)]
    pub reason: Option<&'a str>,
}

/// One protocol the member can use.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct JoinGroupRequestProtocol<'a> {
    /// Name of the protocol; for consumers, of the assignor.
    #[field(versions = "0+")]
    pub name: &'a str,
    /// What the leader gets to see of the member; for consumers, the subscription.
    #[field(versions = "0+")]
    pub metadata: &'a [u8],
}

/// The new generation and who is in it.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 11, versions = "0-9", flexible = "6+")]
pub struct JoinGroupResponse<'a> {
    /// How long the broker holds or held back for a quota (since 2).
    #[field(versions = "2+", ignorable)]
    pub throttle_time_ms: i32,
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// Generation of the group; -1 if none.
    #[field(versions = "0+", default = -1)]
    pub generation_id: i32,
    /// Kind of group; null if unknown (since 7).
    #[field(versions = "7+", nullable = "7+", ignorable)]
    pub protocol_type: Option<&'a str>,
    /// Protocol the coordinator chose; null or empty if none.
    #[field(versions = "0+", nullable = "7+", default = Some(""))]
    pub protocol_name: Option<&'a str>,
    /// Member id of the leader, which makes the assignment.
    #[field(versions = "0+")]
    pub leader: &'a str,
    /// Whether the leader is to leave the assignment as it is (since 9).
    #[field(versions = "9+")]
    pub skip_assignment: bool,
    /// Member id to use from now on.
    #[field(versions = "0+")]
    pub member_id: &'a str,
    /// Members; only the leader gets them.
    #[field(versions = "0+")]
    pub members: Vec<JoinGroupResponseMember<'a>>,
}

/// One member, as the leader sees it.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct JoinGroupResponseMember<'a> {
    /// Member id.
    #[field(versions = "0+")]
    pub member_id: &'a str,
    /// Name of a static member; null for none (since 5).
    #[field(versions = "5+", nullable = "5+", ignorable)]
    pub group_instance_id: Option<&'a str>,
    /// What the member said under the chosen protocol.
    #[field(versions = "0+")]
    pub metadata: &'a [u8],
}
