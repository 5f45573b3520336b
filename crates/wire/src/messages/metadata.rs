//! Metadata (3): the brokers, and which of them leads which partition.
//!
//! In version 0 an empty list of topics means all of them; later null does, and an empty list means none.

use milena_wire_derive::{Fields, Message};

use crate::{ErrorCode, Numbers, Uuid};

/// Topics to describe.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 3, versions = "0-13", flexible = "9+", response = MetadataResponse<'a>)]
pub struct MetadataRequest<'a> {
    /// Topics; null for all.
    #[field(versions = "0+", nullable = "1+", default = Some(Vec::new()))]
    pub topics: Option<Vec<MetadataRequestTopic<'a>>>,
    /// Whether asking may create the topic (since 4).
    #[field(versions = "4+", default = true)]
    pub allow_auto_topic_creation: bool,
    /// Whether to say what one may do with the cluster (8 to 10).
    #[field(versions = "8-10")]
    pub include_cluster_authorized_operations: bool,
    /// Whether to say what one may do with the topics (since 8).
    #[field(versions = "8+")]
    pub include_topic_authorized_operations: bool,
}

/// One topic to describe, by name or id.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct MetadataRequestTopic<'a> {
    /// Topic id (since 10).
    #[field(versions = "10+", ignorable)]
    pub topic_id: Uuid,
    /// Topic name.
    #[field(versions = "0+", nullable = "10+", default = Some(""))]
    pub name: Option<&'a str>,
}

/// The cluster as one broker sees it.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 3, versions = "0-13", flexible = "9+")]
pub struct MetadataResponse<'a> {
    /// How long the broker holds or held back for a quota (since 3).
    #[field(versions = "3+", ignorable)]
    pub throttle_time_ms: i32,
    /// Brokers.
    #[field(versions = "0+")]
    pub brokers: Vec<MetadataResponseBroker<'a>>,
    /// Cluster id (since 2).
    #[field(versions = "2+", nullable = "2+", ignorable)]
    pub cluster_id: Option<&'a str>,
    /// Controller; -1 if unknown (since 1).
    #[field(versions = "1+", default = -1, ignorable)]
    pub controller_id: i32,
    /// Topics.
    #[field(versions = "0+")]
    pub topics: Vec<MetadataResponseTopic<'a>>,
    /// What one may do, as bits (8 to 10).
    #[field(versions = "8-10", default = i32::MIN)]
    pub cluster_authorized_operations: i32,
    /// Error, or none (since 13).
    #[field(versions = "13+", ignorable)]
    pub error_code: ErrorCode,
}

/// One broker.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct MetadataResponseBroker<'a> {
    /// Broker id.
    #[field(versions = "0+")]
    pub node_id: i32,
    /// Host.
    #[field(versions = "0+")]
    pub host: &'a str,
    /// Port.
    #[field(versions = "0+")]
    pub port: i32,
    /// Rack (since 1).
    #[field(versions = "1+", nullable = "1+", ignorable)]
    pub rack: Option<&'a str>,
}

/// One topic.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct MetadataResponseTopic<'a> {
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// Topic name; null if asked by an id that is not known.
    #[field(versions = "0+", nullable = "12+", default = Some(""))]
    pub name: Option<&'a str>,
    /// Topic id; zero if asked by a name that is not known (since 10).
    #[field(versions = "10+", ignorable)]
    pub topic_id: Uuid,
    /// Whether it is one of Kafka's own (since 1).
    #[field(versions = "1+", ignorable)]
    pub is_internal: bool,
    /// Partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<MetadataResponsePartition<'a>>,
    /// What one may do, as bits (since 8).
    #[field(versions = "8+", default = i32::MIN)]
    pub topic_authorized_operations: i32,
}

/// One partition.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct MetadataResponsePartition<'a> {
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// Partition.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// Leader; -1 if unknown.
    #[field(versions = "0+")]
    pub leader_id: i32,
    /// Leader epoch (since 7).
    #[field(versions = "7+", default = -1, ignorable)]
    pub leader_epoch: i32,
    /// Brokers with a copy.
    #[field(versions = "0+")]
    pub replica_nodes: Numbers<'a, i32>,
    /// Those in sync.
    #[field(versions = "0+")]
    pub isr_nodes: Numbers<'a, i32>,
    /// Those that are down (since 5).
    #[field(versions = "5+", ignorable)]
    pub offline_replicas: Numbers<'a, i32>,
}
