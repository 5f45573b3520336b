//! ShareGroupDescribe (77): share groups and their members (KIP-932).
//!
//! Version 0 was a preview in Kafka 4.0; Kafka 4.1 put version 1 in its place.

use milena_wire_derive::{Fields, Message};

use crate::{ErrorCode, Numbers, Uuid};

/// Groups to describe.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 77, versions = "1", flexible = "0+", response = ShareGroupDescribeResponse<'a>)]
pub struct ShareGroupDescribeRequest<'a> {
    /// Groups.
    #[field(versions = "0+")]
    pub group_ids: Vec<&'a str>,
    /// Whether to say what one may do with the groups.
    #[field(versions = "0+")]
    pub include_authorized_operations: bool,
}

/// The groups asked for.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 77, versions = "1", flexible = "0+")]
pub struct ShareGroupDescribeResponse<'a> {
    /// How long the broker holds or held back for a quota.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// Groups.
    #[field(versions = "0+")]
    pub groups: Vec<ShareGroupDescribeDescribedGroup<'a>>,
}

/// One group.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct ShareGroupDescribeDescribedGroup<'a> {
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// The error in words.
    #[field(versions = "0+", nullable = "0+")]
    pub error_message: Option<&'a str>,
    /// Group.
    #[field(versions = "0+")]
    pub group_id: &'a str,
    /// State by name, such as `Stable`; empty on an error.
    #[field(versions = "0+")]
    pub group_state: &'a str,
    /// Group epoch; each change of members or subscriptions raises it.
    #[field(versions = "0+")]
    pub group_epoch: i32,
    /// Group epoch that the assignment was made for.
    #[field(versions = "0+")]
    pub assignment_epoch: i32,
    /// Assignor in use.
    #[field(versions = "0+")]
    pub assignor_name: &'a str,
    /// Members.
    #[field(versions = "0+")]
    pub members: Vec<ShareGroupDescribeMember<'a>>,
    /// What one may do, as bits; `i32::MIN` if not asked.
    #[field(versions = "0+", default = -2147483648)]
    pub authorized_operations: i32,
}

/// One member.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct ShareGroupDescribeMember<'a> {
    /// Member id.
    #[field(versions = "0+")]
    pub member_id: &'a str,
    /// Rack; null for none.
    #[field(versions = "0+", nullable = "0+")]
    pub rack_id: Option<&'a str>,
    /// Epoch of the member.
    #[field(versions = "0+")]
    pub member_epoch: i32,
    /// Client id the member goes by.
    #[field(versions = "0+")]
    pub client_id: &'a str,
    /// Host the member connects from.
    #[field(versions = "0+")]
    pub client_host: &'a str,
    /// Topic names it subscribes to.
    #[field(versions = "0+")]
    pub subscribed_topic_names: Vec<&'a str>,
    /// What it reads now.
    #[field(versions = "0+")]
    pub assignment: ShareGroupDescribeAssignment<'a>,
}

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct ShareGroupDescribeTopicPartitions<'a> {
    /// Topic id.
    #[field(versions = "0+")]
    pub topic_id: Uuid,
    /// Topic name.
    #[field(versions = "0+")]
    pub topic_name: &'a str,
    /// Partitions.
    #[field(versions = "0+")]
    pub partitions: Numbers<'a, i32>,
}

/// A set of partitions for one member.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct ShareGroupDescribeAssignment<'a> {
    /// Partitions, by topic.
    #[field(versions = "0+")]
    pub topic_partitions: Vec<ShareGroupDescribeTopicPartitions<'a>>,
}
