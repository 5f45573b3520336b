//! ListGroups (16): the groups that a broker coordinates.
//!
//! States came with 4 (KIP-518), types with 5 (KIP-848).

use milena_wire_derive::{Fields, Message};

use crate::ErrorCode;

/// Asks for the groups; may narrow them down.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 16, versions = "0-5", flexible = "3+", response = ListGroupsResponse<'a>)]
pub struct ListGroupsRequest<'a> {
    /// States to list; empty for all (since 4).
    #[field(versions = "4+")]
    pub states_filter: Vec<&'a str>,
    /// Types to list; empty for all (since 5).
    #[field(versions = "5+")]
    pub types_filter: Vec<&'a str>,
}

/// The groups of this broker.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 16, versions = "0-5", flexible = "3+")]
pub struct ListGroupsResponse<'a> {
    /// How long the broker holds or held back for a quota (since 1).
    #[field(versions = "1+", ignorable)]
    pub throttle_time_ms: i32,
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// Groups.
    #[field(versions = "0+")]
    pub groups: Vec<ListedGroup<'a>>,
}

/// One group.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct ListedGroup<'a> {
    /// Group.
    #[field(versions = "0+")]
    pub group_id: &'a str,
    /// Kind of group, such as `consumer`; empty if unknown.
    #[field(versions = "0+")]
    pub protocol_type: &'a str,
    /// State of the group, as a word (since 4).
    #[field(versions = "4+", ignorable)]
    pub group_state: &'a str,
    /// Type of the group: `classic`, `consumer`, and others (since 5).
    #[field(versions = "5+", ignorable)]
    pub group_type: &'a str,
}
