//! DeleteTopics (20): deletes topics and all their records.
//!
//! Topics go by name until 5, by name or id from 6 on.

use milena_wire_derive::{Fields, Message};

use crate::{ErrorCode, Uuid};

/// Topics to delete.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 20, versions = "1-6", flexible = "4+", response = DeleteTopicsResponse<'a>)]
pub struct DeleteTopicsRequest<'a> {
    /// Topics (since 6).
    #[field(versions = "6+")]
    pub topics: Vec<DeleteTopicState<'a>>,
    /// Topic names (until 5).
    #[field(versions = "0-5", ignorable)]
    pub topic_names: Vec<&'a str>,
    /// How long the broker may take.
    #[field(versions = "0+")]
    pub timeout_ms: i32,
}

/// One topic, by name or id.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct DeleteTopicState<'a> {
    /// Topic name (since 6).
    #[field(versions = "6+", nullable = "6+")]
    pub name: Option<&'a str>,
    /// Topic id (since 6).
    #[field(versions = "6+")]
    pub topic_id: Uuid,
}

/// What became of them.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 20, versions = "1-6", flexible = "4+")]
pub struct DeleteTopicsResponse<'a> {
    /// How long the broker holds or held back for a quota.
    #[field(versions = "1+", ignorable)]
    pub throttle_time_ms: i32,
    /// Topics.
    #[field(versions = "0+")]
    pub responses: Vec<DeletableTopicResult<'a>>,
}

/// One topic's answer.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct DeletableTopicResult<'a> {
    /// Topic name.
    #[field(versions = "0+", nullable = "6+", default = Some(""))]
    pub name: Option<&'a str>,
    /// Topic id (since 6).
    #[field(versions = "6+", ignorable)]
    pub topic_id: Uuid,
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// The error in words (since 5).
    #[field(versions = "5+", nullable = "5+", ignorable)]
    pub error_message: Option<&'a str>,
}
