//! CreateTopics (19): creates topics, or says whether they could be.
//!
//! Versions 0 and 1 ended with Kafka 4.0.

use milena_wire_derive::{Fields, Message};

use crate::{ErrorCode, Numbers, Uuid};

/// Topics to create.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 19, versions = "2-7", flexible = "5+", response = CreateTopicsResponse<'a>)]
pub struct CreateTopicsRequest<'a> {
    /// Topics.
    #[field(versions = "0+")]
    pub topics: Vec<CreatableTopic<'a>>,
    /// How long the broker may take.
    #[field(versions = "0+", default = 60000)]
    pub timeout_ms: i32,
    /// Whether to check only.
    #[field(versions = "1+")]
    pub validate_only: bool,
}

/// One topic.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct CreatableTopic<'a> {
    /// Topic name.
    #[field(versions = "0+")]
    pub name: &'a str,
    /// Number of partitions; -1 for the broker's default or with `assignments`.
    #[field(versions = "0+")]
    pub num_partitions: i32,
    /// Copies of each; -1 for the broker's default or with `assignments`.
    #[field(versions = "0+")]
    pub replication_factor: i16,
    /// Where each partition lives; empty to let the broker choose.
    #[field(versions = "0+")]
    pub assignments: Vec<CreatableReplicaAssignment<'a>>,
    /// Settings.
    #[field(versions = "0+")]
    pub configs: Vec<CreatableTopicConfig<'a>>,
}

/// Where one partition is to live.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct CreatableReplicaAssignment<'a> {
    /// Partition.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// Brokers with a copy.
    #[field(versions = "0+")]
    pub broker_ids: Numbers<'a, i32>,
}

/// One setting.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct CreatableTopicConfig<'a> {
    /// Setting name.
    #[field(versions = "0+")]
    pub name: &'a str,
    /// Value.
    #[field(versions = "0+", nullable = "0+", default = Some(""))]
    pub value: Option<&'a str>,
}

/// What became of them.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 19, versions = "2-7", flexible = "5+")]
pub struct CreateTopicsResponse<'a> {
    /// How long the broker holds or held back for a quota.
    #[field(versions = "2+", ignorable)]
    pub throttle_time_ms: i32,
    /// Topics.
    #[field(versions = "0+")]
    pub topics: Vec<CreatableTopicResult<'a>>,
}

/// One topic's answer.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct CreatableTopicResult<'a> {
    /// Topic name.
    #[field(versions = "0+")]
    pub name: &'a str,
    /// Topic id (since 7).
    #[field(versions = "7+", ignorable)]
    pub topic_id: Uuid,
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// The error in words.
    #[field(versions = "1+", nullable = "0+", default = Some(""), ignorable)]
    pub error_message: Option<&'a str>,
    /// Why the settings are not shown (since 5).
    #[field(versions = "5+", tag = 0, ignorable)]
    pub topic_config_error_code: ErrorCode,
    /// Number of partitions (since 5).
    #[field(versions = "5+", default = -1, ignorable)]
    pub num_partitions: i32,
    /// Copies of each (since 5).
    #[field(versions = "5+", default = -1, ignorable)]
    pub replication_factor: i16,
    /// Settings (since 5).
    #[field(versions = "5+", nullable = "5+", default = Some(Vec::new()), ignorable)]
    pub configs: Option<Vec<CreatableTopicConfigs<'a>>>,
}

/// One setting of the new topic.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct CreatableTopicConfigs<'a> {
    /// Setting name (since 5).
    #[field(versions = "5+")]
    pub name: &'a str,
    /// Value (since 5).
    #[field(versions = "5+", nullable = "5+", default = Some(""))]
    pub value: Option<&'a str>,
    /// Whether it can be changed only by a restart (since 5).
    #[field(versions = "5+")]
    pub read_only: bool,
    /// Where the value comes from (since 5).
    #[field(versions = "5+", default = -1, ignorable)]
    pub config_source: i8,
    /// Whether the value is hidden (since 5).
    #[field(versions = "5+")]
    pub is_sensitive: bool,
}
