//! The consumer protocol: what members of a classic consumer group tell each other inside JoinGroup's `metadata` and SyncGroup's `assignment`.
//!
//! A 16-bit version stands in front of each.

use milena_wire_derive::{Fields, Message};

use crate::Numbers;

/// What a consumer wants to read, and what it holds.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0-3")]
pub struct ConsumerProtocolSubscription<'a> {
    /// Topic names to subscribe to.
    #[field(versions = "0+")]
    pub topics: Vec<&'a str>,
    /// Bytes of the assignor's own; null for none.
    #[field(versions = "0+", nullable = "0+")]
    pub user_data: Option<&'a [u8]>,
    /// Partitions the consumer holds, by topic (since 1).
    #[field(versions = "1+", ignorable)]
    pub owned_partitions: Vec<ConsumerProtocolSubscriptionTopicPartition<'a>>,
    /// Generation in which it came by them; -1 if unknown (since 2).
    #[field(versions = "2+", default = -1, ignorable)]
    pub generation_id: i32,
    /// Rack; null for none (since 3).
    #[field(versions = "3+", nullable = "3+", ignorable)]
    pub rack_id: Option<&'a str>,
}

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct ConsumerProtocolSubscriptionTopicPartition<'a> {
    /// Topic name (since 1).
    #[field(versions = "1+")]
    pub topic: &'a str,
    /// Partitions (since 1).
    #[field(versions = "1+")]
    pub partitions: Numbers<'a, i32>,
}

/// What a consumer is to read.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0-3")]
pub struct ConsumerProtocolAssignment<'a> {
    /// Partitions, by topic.
    #[field(versions = "0+")]
    pub assigned_partitions: Vec<ConsumerProtocolAssignmentTopicPartition<'a>>,
    /// Bytes of the assignor's own; null for none.
    #[field(versions = "0+", nullable = "0+")]
    pub user_data: Option<&'a [u8]>,
}

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct ConsumerProtocolAssignmentTopicPartition<'a> {
    /// Topic name.
    #[field(versions = "0+")]
    pub topic: &'a str,
    /// Partitions.
    #[field(versions = "0+")]
    pub partitions: Numbers<'a, i32>,
}
