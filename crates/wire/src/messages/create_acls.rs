//! CreateAcls (30): adds access rules.
//!
//! Version 0 ended with Kafka 4.0. Pattern types came with 1, users as resources with 3.

use milena_wire_derive::{Fields, Message};

use crate::ErrorCode;

/// Rules to add.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 30, versions = "1-3", flexible = "2+", response = CreateAclsResponse<'a>)]
pub struct CreateAclsRequest<'a> {
    /// Rules.
    #[field(versions = "0+")]
    pub creations: Vec<AclCreation<'a>>,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct AclCreation<'a> {
    /// Kind of resource: 2 topic, 3 group, 4 cluster, 5 transactional id, 6 delegation token, 7 user.
    #[field(versions = "0+")]
    pub resource_type: i8,
    /// Resource name, or the beginning of it.
    #[field(versions = "0+")]
    pub resource_name: &'a str,
    /// Kind of name: 3 a whole name, 4 a prefix.
    #[field(versions = "1+", default = 3)]
    pub resource_pattern_type: i8,
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

/// What became of them.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 30, versions = "1-3", flexible = "2+")]
pub struct CreateAclsResponse<'a> {
    /// How long the broker holds or held back for a quota.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// Answers, in the order of the rules.
    #[field(versions = "0+")]
    pub results: Vec<AclCreationResult<'a>>,
}

/// One rule's answer.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct AclCreationResult<'a> {
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// The error in words.
    #[field(versions = "0+", nullable = "0+", default = Some(""))]
    pub error_message: Option<&'a str>,
}
