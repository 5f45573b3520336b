//! ShareGroupHeartbeat (76): joins, keeps up and leaves a share group (KIP-932).
//!
//! Version 0 was a preview in Kafka 4.0; Kafka 4.1 put version 1 in its place.

use milena_wire_derive::{Fields, Message};

use crate::{ErrorCode, Numbers, Uuid};

/// What the member is and wants; from the second time on only what changed.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 76, versions = "1", flexible = "0+", response = ShareGroupHeartbeatResponse<'a>)]
pub struct ShareGroupHeartbeatRequest<'a> {
    /// Group.
    #[field(versions = "0+")]
    pub group_id: &'a str,
    /// Member id, chosen by the consumer and kept as long as it runs.
    #[field(versions = "0+")]
    pub member_id: &'a str,
    /// Epoch of the member; 0 joins, -1 leaves.
    #[field(versions = "0+")]
    pub member_epoch: i32,
    /// Rack of the consumer; null if it has none or nothing changed.
    #[field(versions = "0+", nullable = "0+")]
    pub rack_id: Option<&'a str>,
    /// Topic names to subscribe to; null if unchanged.
    #[field(versions = "0+", nullable = "0+")]
    pub subscribed_topic_names: Option<Vec<&'a str>>,
}

/// Where the member stands and what it is to read.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 76, versions = "1", flexible = "0+")]
pub struct ShareGroupHeartbeatResponse<'a> {
    /// How long the broker holds or held back for a quota.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// The error in words.
    #[field(versions = "0+", nullable = "0+")]
    pub error_message: Option<&'a str>,
    /// Member id the consumer chose.
    #[field(versions = "0+", nullable = "0+")]
    pub member_id: Option<&'a str>,
    /// Epoch of the member.
    #[field(versions = "0+")]
    pub member_epoch: i32,
    /// How long to wait before the next heartbeat, in ms.
    #[field(versions = "0+")]
    pub heartbeat_interval_ms: i32,
    /// What the member is to read; null if not told this time.
    #[field(versions = "0+", nullable = "0+")]
    pub assignment: Option<ShareGroupHeartbeatAssignment<'a>>,
}

/// What the member is to read.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct ShareGroupHeartbeatAssignment<'a> {
    /// Partitions it shares in, by topic.
    #[field(versions = "0+")]
    pub topic_partitions: Vec<ShareGroupHeartbeatTopicPartitions<'a>>,
}

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct ShareGroupHeartbeatTopicPartitions<'a> {
    /// Topic id.
    #[field(versions = "0+")]
    pub topic_id: Uuid,
    /// Partitions.
    #[field(versions = "0+")]
    pub partitions: Numbers<'a, i32>,
}
