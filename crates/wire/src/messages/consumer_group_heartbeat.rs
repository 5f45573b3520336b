//! ConsumerGroupHeartbeat (68): joins, keeps up and leaves a group of the consumer protocol (KIP-848).
//!
//! From version 1 on a member can subscribe by regular expression, and has to choose its own member id (KIP-1082).

use milena_wire_derive::{Fields, Message};

use crate::{ErrorCode, Numbers, Uuid};

/// What the member is, wants and holds; from the second time on only what changed.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 68, versions = "0-1", flexible = "0+", response = ConsumerGroupHeartbeatResponse<'a>)]
pub struct ConsumerGroupHeartbeatRequest<'a> {
    /// Group.
    #[field(versions = "0+")]
    pub group_id: &'a str,
    /// Member id, chosen by the consumer and kept as long as it runs.
    #[field(versions = "0+")]
    pub member_id: &'a str,
    /// Epoch of the member; 0 joins, -1 leaves, -2 leaves until the static member is back.
    #[field(versions = "0+")]
    pub member_epoch: i32,
    /// Name of a static member; null if it is not one or nothing changed.
    #[field(versions = "0+", nullable = "0+")]
    pub instance_id: Option<&'a str>,
    /// Rack of the consumer; null if it has none or nothing changed.
    #[field(versions = "0+", nullable = "0+")]
    pub rack_id: Option<&'a str>,
    /// How long the member may take to give up partitions, in ms; -1 if unchanged.
    #[field(versions = "0+", default = -1)]
    pub rebalance_timeout_ms: i32,
    /// Topic names to subscribe to; null if unchanged.
    #[field(versions = "0+", nullable = "0+")]
    pub subscribed_topic_names: Option<Vec<&'a str>>,
    /// Regular expression for topics to subscribe to; null if unchanged (since 1).
    #[field(versions = "1+", nullable = "1+")]
    pub subscribed_topic_regex: Option<&'a str>,
    /// Assignor the coordinator is to use; null to leave it open or if unchanged.
    #[field(versions = "0+", nullable = "0+")]
    pub server_assignor: Option<&'a str>,
    /// Partitions the member holds; null if unchanged.
    #[field(versions = "0+", nullable = "0+")]
    pub topic_partitions: Option<Vec<ConsumerGroupHeartbeatRequestTopicPartitions<'a>>>,
}

/// Partitions of one topic that the member holds.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct ConsumerGroupHeartbeatRequestTopicPartitions<'a> {
    /// Topic id.
    #[field(versions = "0+")]
    pub topic_id: Uuid,
    /// Partitions.
    #[field(versions = "0+")]
    pub partitions: Numbers<'a, i32>,
}

/// Where the member stands and what it is to consume.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 68, versions = "0-1", flexible = "0+")]
pub struct ConsumerGroupHeartbeatResponse<'a> {
    /// How long the broker holds or held back for a quota.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// The error in words.
    #[field(versions = "0+", nullable = "0+")]
    pub error_message: Option<&'a str>,
    /// Member id; the consumer chose it, or in version 0 maybe the coordinator.
    #[field(versions = "0+", nullable = "0+")]
    pub member_id: Option<&'a str>,
    /// Epoch of the member.
    #[field(versions = "0+")]
    pub member_epoch: i32,
    /// How long to wait before the next heartbeat, in ms.
    #[field(versions = "0+")]
    pub heartbeat_interval_ms: i32,
    /// What the member is to consume; null if not told this time.
    #[field(versions = "0+", nullable = "0+")]
    pub assignment: Option<ConsumerGroupHeartbeatAssignment<'a>>,
}

/// What the member is to consume.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct ConsumerGroupHeartbeatAssignment<'a> {
    /// Partitions it may consume from now on.
    #[field(versions = "0+")]
    pub topic_partitions: Vec<ConsumerGroupHeartbeatResponseTopicPartitions<'a>>,
}

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct ConsumerGroupHeartbeatResponseTopicPartitions<'a> {
    /// Topic id.
    #[field(versions = "0+")]
    pub topic_id: Uuid,
    /// Partitions.
    #[field(versions = "0+")]
    pub partitions: Numbers<'a, i32>,
}
