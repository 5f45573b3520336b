//! DeleteShareGroupOffsets (92): makes a share group forget its positions in topics (KIP-932).

use milena_wire_derive::{Fields, Message};

use crate::{ErrorCode, Uuid};

/// Topics whose positions a group is to forget.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 92, versions = "0", flexible = "0+", response = DeleteShareGroupOffsetsResponse<'a>)]
pub struct DeleteShareGroupOffsetsRequest<'a> {
    /// Group.
    #[field(versions = "0+")]
    pub group_id: &'a str,
    /// Topics.
    #[field(versions = "0+")]
    pub topics: Vec<DeleteShareGroupOffsetsRequestTopic<'a>>,
}

/// One topic.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct DeleteShareGroupOffsetsRequestTopic<'a> {
    /// Topic name.
    #[field(versions = "0+")]
    pub topic_name: &'a str,
}

/// Whether the positions are forgotten.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 92, versions = "0", flexible = "0+")]
pub struct DeleteShareGroupOffsetsResponse<'a> {
    /// How long the broker holds or held back for a quota.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// The error in words.
    #[field(versions = "0+", nullable = "0+")]
    pub error_message: Option<&'a str>,
    /// Topics.
    #[field(versions = "0+")]
    pub responses: Vec<DeleteShareGroupOffsetsResponseTopic<'a>>,
}

/// One topic's answer.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct DeleteShareGroupOffsetsResponseTopic<'a> {
    /// Topic name.
    #[field(versions = "0+")]
    pub topic_name: &'a str,
    /// Topic id.
    #[field(versions = "0+")]
    pub topic_id: Uuid,
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// The error in words.
    #[field(versions = "0+", nullable = "0+")]
    pub error_message: Option<&'a str>,
}
