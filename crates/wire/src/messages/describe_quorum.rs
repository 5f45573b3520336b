//! DescribeQuorum (55): who leads, votes and listens in the quorum of the metadata log.
//!
//! Fetch times of the replicas came with 1 (KIP-836); messages, nodes and directories with 2 (KIP-853).

use milena_wire_derive::{Fields, Message};

use crate::{ErrorCode, Uuid};

/// Partitions whose quorum is wanted.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 55, versions = "0-2", flexible = "0+", response = DescribeQuorumResponse<'a>)]
pub struct DescribeQuorumRequest<'a> {
    /// Topics.
    #[field(versions = "0+")]
    pub topics: Vec<DescribeQuorumRequestTopicData<'a>>,
}

/// One topic's partitions.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct DescribeQuorumRequestTopicData<'a> {
    /// Topic name.
    #[field(versions = "0+")]
    pub topic_name: &'a str,
    /// Partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<DescribeQuorumRequestPartitionData>,
}

/// One partition.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct DescribeQuorumRequestPartitionData {
    /// Partition.
    #[field(versions = "0+")]
    pub partition_index: i32,
}

/// The quorum as its leader sees it.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 55, versions = "0-2", flexible = "0+")]
pub struct DescribeQuorumResponse<'a> {
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// The error in words (since 2).
    #[field(versions = "2+", nullable = "2+", default = Some(""), ignorable)]
    pub error_message: Option<&'a str>,
    /// Topics.
    #[field(versions = "0+")]
    pub topics: Vec<DescribeQuorumResponseTopicData<'a>>,
    /// Addresses of the quorum's nodes (since 2).
    #[field(versions = "2+")]
    pub nodes: Vec<Node<'a>>,
}

/// One topic's answers.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct DescribeQuorumResponseTopicData<'a> {
    /// Topic name.
    #[field(versions = "0+")]
    pub topic_name: &'a str,
    /// Partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<DescribeQuorumResponsePartitionData<'a>>,
}

/// One partition's quorum.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct DescribeQuorumResponsePartitionData<'a> {
    /// Partition.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// The error in words (since 2).
    #[field(versions = "2+", nullable = "2+", default = Some(""), ignorable)]
    pub error_message: Option<&'a str>,
    /// Leader; -1 if unknown.
    #[field(versions = "0+")]
    pub leader_id: i32,
    /// Leader epoch.
    #[field(versions = "0+")]
    pub leader_epoch: i32,
    /// End of what is replicated.
    #[field(versions = "0+")]
    pub high_watermark: i64,
    /// Replicas that vote.
    #[field(versions = "0+")]
    pub current_voters: Vec<DescribeQuorumReplicaState>,
    /// Replicas that only follow.
    #[field(versions = "0+")]
    pub observers: Vec<DescribeQuorumReplicaState>,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct Node<'a> {
    /// Node id (since 2).
    #[field(versions = "2+")]
    pub node_id: i32,
    /// Where the node listens (since 2).
    #[field(versions = "2+")]
    pub listeners: Vec<DescribeQuorumListener<'a>>,
}

/// One address of a node.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct DescribeQuorumListener<'a> {
    /// Listener name (since 2).
    #[field(versions = "2+")]
    pub name: &'a str,
    /// Host (since 2).
    #[field(versions = "2+")]
    pub host: &'a str,
    /// Port (since 2).
    #[field(versions = "2+")]
    pub port: u16,
}

/// How far one replica is.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct DescribeQuorumReplicaState {
    /// Replica's node id.
    #[field(versions = "0+")]
    pub replica_id: i32,
    /// Directory of the replica (since 2).
    #[field(versions = "2+")]
    pub replica_directory_id: Uuid,
    /// End of its log; -1 if unknown.
    #[field(versions = "0+")]
    pub log_end_offset: i64,
    /// When it last fetched, in ms by the leader's clock; -1 if unknown, and for the leader (since 1).
    #[field(versions = "1+", default = -1, ignorable)]
    pub last_fetch_timestamp: i64,
    /// When it last had all of the leader's log, in ms; the present for the leader, -1 if unknown (since 1).
    #[field(versions = "1+", default = -1, ignorable)]
    pub last_caught_up_timestamp: i64,
}
