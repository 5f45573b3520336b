//! DescribeGroups (15): the state and the members of classic groups.
//!
//! Authorized operations came with 3, static members with 4. From 6 on a group that does not exist is an error instead of a dead
//! group (KIP-1043).

use milena_wire_derive::{Fields, Message};

use crate::ErrorCode;

/// Groups to describe.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 15, versions = "0-6", flexible = "5+", response = DescribeGroupsResponse<'a>)]
pub struct DescribeGroupsRequest<'a> {
    /// Groups.
    #[field(versions = "0+")]
    pub groups: Vec<&'a str>,
    /// Whether to say what one may do with the groups (since 3).
    #[field(versions = "3+")]
    pub include_authorized_operations: bool,
}

/// The groups as their coordinator sees them.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 15, versions = "0-6", flexible = "5+")]
pub struct DescribeGroupsResponse<'a> {
    /// How long the broker holds or held back for a quota (since 1).
    #[field(versions = "1+", ignorable)]
    pub throttle_time_ms: i32,
    /// Groups.
    #[field(versions = "0+")]
    pub groups: Vec<DescribeGroupsDescribedGroup<'a>>,
}

/// One group.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct DescribeGroupsDescribedGroup<'a> {
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// The error in words (since 6).
    #[field(versions = "6+", nullable = "6+")]
    pub error_message: Option<&'a str>,
    /// Group.
    #[field(versions = "0+")]
    pub group_id: &'a str,
    /// State of the group, as a word; empty on an error.
    #[field(versions = "0+")]
    pub group_state: &'a str,
    /// Kind of group, such as `consumer`; empty if unknown.
    #[field(versions = "0+")]
    pub protocol_type: &'a str,
    /// Protocol that was chosen; empty unless the group is stable.
    #[field(versions = "0+")]
    pub protocol_data: &'a str,
    /// Members; empty in a dead group.
    #[field(versions = "0+")]
    pub members: Vec<DescribedGroupMember<'a>>,
    /// What one may do, as bits (since 3).
    #[field(versions = "3+", default = -2147483648)]
    pub authorized_operations: i32,
}

/// One member.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct DescribedGroupMember<'a> {
    /// Member id.
    #[field(versions = "0+")]
    pub member_id: &'a str,
    /// Name of a static member; null for none (since 4).
    #[field(versions = "4+", nullable = "4+", ignorable)]
    pub group_instance_id: Option<&'a str>,
    /// Client id the member last joined with.
    #[field(versions = "0+")]
    pub client_id: &'a str,
    /// Address the member last joined from.
    #[field(versions = "0+")]
    pub client_host: &'a str,
    /// What the member said under the chosen protocol; empty unless the group is stable.
    #[field(versions = "0+")]
    pub member_metadata: &'a [u8],
    /// The member's share, in the format of the protocol; empty unless the group is stable.
    #[field(versions = "0+")]
    pub member_assignment: &'a [u8],
}
