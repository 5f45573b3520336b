//! DeleteGroups (42): removes groups that have no members, and their positions.

use milena_wire_derive::{Fields, Message};

use crate::ErrorCode;

/// Groups to delete.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 42, versions = "0-2", flexible = "2+", response = DeleteGroupsResponse<'a>)]
pub struct DeleteGroupsRequest<'a> {
    /// Groups.
    #[field(versions = "0+")]
    pub groups_names: Vec<&'a str>,
}

/// What became of them.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 42, versions = "0-2", flexible = "2+")]
pub struct DeleteGroupsResponse<'a> {
    /// How long the broker holds or held back for a quota.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// Groups.
    #[field(versions = "0+")]
    pub results: Vec<DeletableGroupResult<'a>>,
}

/// One group's answer.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct DeletableGroupResult<'a> {
    /// Group.
    #[field(versions = "0+")]
    pub group_id: &'a str,
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
}
