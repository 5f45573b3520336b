//! LeaveGroup (13): takes members out of a classic group.
//!
//! One member a request until 2, any number from 3 on, also static ones; the reason came with 5 (KIP-800).

use milena_wire_derive::{Fields, Message};

use crate::ErrorCode;

/// Members that leave.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 13, versions = "0-5", flexible = "4+", response = LeaveGroupResponse<'a>)]
pub struct LeaveGroupRequest<'a> {
    /// Group.
    #[field(versions = "0+")]
    pub group_id: &'a str,
    /// Member id (until 2).
    #[field(versions = "0-2")]
    pub member_id: &'a str,
    /// Members that leave (since 3).
    #[field(versions = "3+")]
    pub members: Vec<MemberIdentity<'a>>,
}

/// One member that leaves.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct MemberIdentity<'a> {
    /// Member id; empty to go by the static name (since 3).
    #[field(versions = "3+")]
    pub member_id: &'a str,
    /// Name of a static member; null for none (since 3).
    #[field(versions = "3+", nullable = "3+")]
    pub group_instance_id: Option<&'a str>,
    /// Why it leaves, in words; null for no reason (since 5).
    #[field(versions = "5+", nullable = "5+", ignorable)]
    pub reason: Option<&'a str>,
}

/// Whether they are out.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 13, versions = "0-5", flexible = "4+")]
pub struct LeaveGroupResponse<'a> {
    /// How long the broker holds or held back for a quota (since 1).
    #[field(versions = "1+", ignorable)]
    pub throttle_time_ms: i32,
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// Members that were to leave (since 3).
    #[field(versions = "3+")]
    pub members: Vec<MemberResponse<'a>>,
}

/// One member's answer.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct MemberResponse<'a> {
    /// Member id (since 3).
    #[field(versions = "3+")]
    pub member_id: &'a str,
    /// Name of a static member; null for none (since 3).
    #[field(versions = "3+", nullable = "3+", default = Some(""))]
    pub group_instance_id: Option<&'a str>,
    /// Error, or none (since 3).
    #[field(versions = "3+")]
    pub error_code: ErrorCode,
}
