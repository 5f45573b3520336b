//! FindCoordinator (10): which broker coordinates a group or a transactional id.
//!
//! One key a request until 3, any number from 4 on.

use milena_wire_derive::{Fields, Message};

use crate::ErrorCode;

/// Keys whose coordinators are wanted.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 10, versions = "0-6", flexible = "3+", response = FindCoordinatorResponse<'a>)]
pub struct FindCoordinatorRequest<'a> {
    /// Group or transactional id (until 3).
    #[field(versions = "0-3")]
    pub key: &'a str,
    /// What the keys are: 0 groups, 1 transactional ids, 2 share groups (since 1).
    #[field(versions = "1+")]
    pub key_type: i8,
    /// Groups or transactional ids (since 4).
    #[field(versions = "4+")]
    pub coordinator_keys: Vec<&'a str>,
}

/// The coordinators.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 10, versions = "0-6", flexible = "3+")]
pub struct FindCoordinatorResponse<'a> {
    /// How long the broker holds or held back for a quota (since 1).
    #[field(versions = "1+", ignorable)]
    pub throttle_time_ms: i32,
    /// Error, or none (until 3).
    #[field(versions = "0-3")]
    pub error_code: ErrorCode,
    /// The error in words (1 to 3).
    #[field(versions = "1-3", nullable = "1-3", default = Some(""), ignorable)]
    pub error_message: Option<&'a str>,
    /// Broker id (until 3).
    #[field(versions = "0-3")]
    pub node_id: i32,
    /// Host (until 3).
    #[field(versions = "0-3")]
    pub host: &'a str,
    /// Port (until 3).
    #[field(versions = "0-3")]
    pub port: i32,
    /// Coordinators (since 4).
    #[field(versions = "4+")]
    pub coordinators: Vec<Coordinator<'a>>,
}

/// One key's coordinator, since 4.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct Coordinator<'a> {
    /// Group or transactional id (since 4).
    #[field(versions = "4+")]
    pub key: &'a str,
    /// Broker id (since 4).
    #[field(versions = "4+")]
    pub node_id: i32,
    /// Host (since 4).
    #[field(versions = "4+")]
    pub host: &'a str,
    /// Port (since 4).
    #[field(versions = "4+")]
    pub port: i32,
    /// Error, or none (since 4).
    #[field(versions = "4+")]
    pub error_code: ErrorCode,
    /// The error in words (since 4).
    #[field(versions = "4+", nullable = "4+", default = Some(""), ignorable)]
    pub error_message: Option<&'a str>,
}
