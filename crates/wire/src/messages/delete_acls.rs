//! DeleteAcls (31): removes the access rules that match filters.
//!
//! Version 0 ended with Kafka 4.0. Pattern types came with 1, users as resources with 3.

use milena_wire_derive::{Fields, Message};

use crate::ErrorCode;

/// Filters for rules to remove.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 31, versions = "1-3", flexible = "2+", response = DeleteAclsResponse<'a>)]
pub struct DeleteAclsRequest<'a> {
    /// Filters; a rule goes if it matches any of them.
    #[field(versions = "0+")]
    pub filters: Vec<DeleteAclsFilter<'a>>,
}

/// One filter.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct DeleteAclsFilter<'a> {
    /// Kind of resource: 1 any, 2 topic, 3 group, 4 cluster, 5 transactional id, 6 delegation token, 7 user.
    #[field(versions = "0+")]
    pub resource_type_filter: i8,
    /// Resource name; null for any.
    #[field(versions = "0+", nullable = "0+", default = Some(""))]
    pub resource_name_filter: Option<&'a str>,
    /// Kind of name: 1 any, 2 all that cover the given name, 3 a whole name, 4 a prefix.
    #[field(versions = "1+", default = 3)]
    pub pattern_type_filter: i8,
    /// Principal, such as `User:alice`; null for any.
    #[field(versions = "0+", nullable = "0+", default = Some(""))]
    pub principal_filter: Option<&'a str>,
    /// Host; null for any.
    #[field(versions = "0+", nullable = "0+", default = Some(""))]
    pub host_filter: Option<&'a str>,
    /// Operation: 1 any, 2 all, 3 read, 4 write, 5 create, 6 delete, 7 alter, 8 describe, and others.
    #[field(versions = "0+")]
    pub operation: i8,
    /// Permission: 1 any, 2 deny, 3 allow.
    #[field(versions = "0+")]
    pub permission_type: i8,
}

/// What was removed.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 31, versions = "1-3", flexible = "2+")]
pub struct DeleteAclsResponse<'a> {
    /// How long the broker holds or held back for a quota.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// Answers, in the order of the filters.
    #[field(versions = "0+")]
    pub filter_results: Vec<DeleteAclsFilterResult<'a>>,
}

/// One filter's answer.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct DeleteAclsFilterResult<'a> {
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// The error in words.
    #[field(versions = "0+", nullable = "0+", default = Some(""))]
    pub error_message: Option<&'a str>,
    /// Rules that matched.
    #[field(versions = "0+")]
    pub matching_acls: Vec<DeleteAclsMatchingAcl<'a>>,
}

/// One rule that matched.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct DeleteAclsMatchingAcl<'a> {
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// The error in words.
    #[field(versions = "0+", nullable = "0+", default = Some(""))]
    pub error_message: Option<&'a str>,
    /// Kind of resource: 2 topic, 3 group, 4 cluster, 5 transactional id, 6 delegation token, 7 user.
    #[field(versions = "0+")]
    pub resource_type: i8,
    /// Resource name, or the beginning of it.
    #[field(versions = "0+")]
    pub resource_name: &'a str,
    /// Kind of name: 3 a whole name, 4 a prefix.
    #[field(versions = "1+", default = 3)]
    pub pattern_type: i8,
    /// Principal, such as `User:alice`.
    #[field(versions = "0+")]
    pub principal: &'a str,
    /// Host the rule is for; `*` for any.
    #[field(versions = "0+")]
    pub host: &'a str,
    /// Operation: 2 all, 3 read, 4 write, 5 create, 6 delete, 7 alter, 8 describe, and others.
    #[field(versions = "0+")]
    pub operation: i8,
    /// Permission: 2 deny, 3 allow.
    #[field(versions = "0+")]
    pub permission_type: i8,
}
