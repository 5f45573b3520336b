//! RemoveRaftVoter (81): removes a controller from the voters of the metadata quorum (KIP-853).

use milena_wire_derive::Message;

use crate::{ErrorCode, Uuid};

/// Names the voter to remove.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 81, versions = "0", flexible = "0+", response = RemoveRaftVoterResponse<'a>)]
pub struct RemoveRaftVoterRequest<'a> {
    /// Cluster id; null to skip the check.
    #[field(versions = "0+", nullable = "0+", default = Some(""))]
    pub cluster_id: Option<&'a str>,
    /// Node that stops being a voter.
    #[field(versions = "0+")]
    pub voter_id: i32,
    /// Directory of its metadata log.
    #[field(versions = "0+")]
    pub voter_directory_id: Uuid,
}

/// Whether the voter was removed.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 81, versions = "0", flexible = "0+")]
pub struct RemoveRaftVoterResponse<'a> {
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
