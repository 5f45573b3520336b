//! AddRaftVoter (80): adds a controller to the voters of the metadata quorum (KIP-853).
//!
//! Version 1 lets the caller choose not to wait until the change is committed.

use milena_wire_derive::{Fields, Message};

use crate::{ErrorCode, Uuid};

/// Names the voter to add.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 80, versions = "0-1", flexible = "0+", response = AddRaftVoterResponse<'a>)]
pub struct AddRaftVoterRequest<'a> {
    /// Cluster id; null to skip the check.
    #[field(versions = "0+", nullable = "0+", default = Some(""))]
    pub cluster_id: Option<&'a str>,
    /// How long the change may take, in ms.
    #[field(versions = "0+")]
    pub timeout_ms: i32,
    /// Node that becomes a voter.
    #[field(versions = "0+")]
    pub voter_id: i32,
    /// Directory of its metadata log.
    #[field(versions = "0+")]
    pub voter_directory_id: Uuid,
    /// Where the voter listens.
    #[field(versions = "0+")]
    pub listeners: Vec<AddRaftVoterListener<'a>>,
    /// Whether to answer only once the change is committed, not as soon as the leader wrote it (since 1).
    #[field(versions = "1+", default = true)]
    pub ack_when_committed: bool,
}

/// One address of the voter.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct AddRaftVoterListener<'a> {
    /// Listener name.
    #[field(versions = "0+")]
    pub name: &'a str,
    /// Host.
    #[field(versions = "0+")]
    pub host: &'a str,
    /// Port.
    #[field(versions = "0+")]
    pub port: u16,
}

/// Whether the voter was added.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 80, versions = "0-1", flexible = "0+")]
pub struct AddRaftVoterResponse<'a> {
    /// How long the broker holds or held back for a quota.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// The error in words.
    #[field(versions = "0+", nullable = "0+", default = Some(""), ignorable)]
    pub error_message: Option<&'a str>,
}
