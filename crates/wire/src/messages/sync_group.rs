//! SyncGroup (14): hands in the leader's assignment, and gives each member its share.
//!
//! Static members came with 3. From 5 on the protocol's type and name are checked, and answered with (KIP-559).

use milena_wire_derive::{Fields, Message};

use crate::ErrorCode;

/// Asks for the member's share; from the leader, everybody's shares.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 14, versions = "0-5", flexible = "4+", response = SyncGroupResponse<'a>)]
pub struct SyncGroupRequest<'a> {
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
    /// Kind of group; null for no check (since 5).
    #[field(versions = "5+", nullable = "5+", ignorable)]
    pub protocol_type: Option<&'a str>,
    /// Protocol that was chosen; null for no check (since 5).
    #[field(versions = "5+", nullable = "5+", ignorable)]
    pub protocol_name: Option<&'a str>,
    /// Shares of all members; empty unless the leader asks.
    #[field(versions = "0+")]
    pub assignments: Vec<SyncGroupRequestAssignment<'a>>,
}

/// One member's share.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct SyncGroupRequestAssignment<'a> {
    /// Member the share is for.
    #[field(versions = "0+")]
    pub member_id: &'a str,
    /// Share, in the format of the protocol.
    #[field(versions = "0+")]
    pub assignment: &'a [u8],
}

/// The member's share.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 14, versions = "0-5", flexible = "4+")]
pub struct SyncGroupResponse<'a> {
    /// How long the broker holds or held back for a quota (since 1).
    #[field(versions = "1+", ignorable)]
    pub throttle_time_ms: i32,
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// Kind of group; null if unknown (since 5).
    #[field(versions = "5+", nullable = "5+", ignorable)]
    pub protocol_type: Option<&'a str>,
    /// Protocol that was chosen; null if none (since 5).
    #[field(versions = "5+", nullable = "5+", ignorable)]
    pub protocol_name: Option<&'a str>,
    /// Share, in the format of the protocol.
    #[field(versions = "0+")]
    pub assignment: &'a [u8],
}
