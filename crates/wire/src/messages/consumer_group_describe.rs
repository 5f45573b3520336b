//! ConsumerGroupDescribe (69): groups of the consumer protocol and their members (KIP-848).
//!
//! Version 1 tells which protocol each member speaks (KIP-1099).

use milena_wire_derive::{Fields, Message};

use crate::{ErrorCode, Numbers, Uuid};

/// Groups to describe.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 69, versions = "0-1", flexible = "0+", response = ConsumerGroupDescribeResponse<'a>)]
pub struct ConsumerGroupDescribeRequest<'a> {
    /// Groups.
    #[field(versions = "0+")]
    pub group_ids: Vec<&'a str>,
    /// Whether to say what one may do with the groups.
    #[field(versions = "0+")]
    pub include_authorized_operations: bool,
}

/// The groups asked for.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 69, versions = "0-1", flexible = "0+")]
pub struct ConsumerGroupDescribeResponse<'a> {
    /// How long the broker holds or held back for a quota.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// Groups.
    #[field(versions = "0+")]
    pub groups: Vec<ConsumerGroupDescribeDescribedGroup<'a>>,
}

/// One group.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct ConsumerGroupDescribeDescribedGroup<'a> {
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
    /// Group epoch that the target assignment was made for.
    #[field(versions = "0+")]
    pub assignment_epoch: i32,
    /// Assignor in use.
    #[field(versions = "0+")]
    pub assignor_name: &'a str,
    /// Members.
    #[field(versions = "0+")]
    pub members: Vec<ConsumerGroupDescribeMember<'a>>,
    /// What one may do, as bits; `i32::MIN` if not asked.
    #[field(versions = "0+", default = -2147483648)]
    pub authorized_operations: i32,
}

/// One member.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct ConsumerGroupDescribeMember<'a> {
    /// Member id.
    #[field(versions = "0+")]
    pub member_id: &'a str,
    /// Name of a static member; null for others.
    #[field(versions = "0+", nullable = "0+")]
    pub instance_id: Option<&'a str>,
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
    /// Regular expression it subscribes by; null for none.
    #[field(versions = "0+", nullable = "0+")]
    pub subscribed_topic_regex: Option<&'a str>,
    /// What it consumes now.
    #[field(versions = "0+")]
    pub assignment: ConsumerGroupDescribeAssignment<'a>,
    /// What it is meant to consume in the end.
    #[field(versions = "0+")]
    pub target_assignment: ConsumerGroupDescribeAssignment<'a>,
    /// Protocol it speaks: 0 classic, 1 consumer, -1 unknown (since 1).
    #[field(versions = "1+", default = -1, ignorable)]
    pub member_type: i8,
}

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct ConsumerGroupDescribeTopicPartitions<'a> {
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
pub struct ConsumerGroupDescribeAssignment<'a> {
    /// Partitions, by topic.
    #[field(versions = "0+")]
    pub topic_partitions: Vec<ConsumerGroupDescribeTopicPartitions<'a>>,
}
