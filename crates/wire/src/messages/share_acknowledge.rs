//! ShareAcknowledge (79): tells what became of records acquired in a share group (KIP-932).
//!
//! Version 0 was a preview in Kafka 4.0; Kafka 4.1 put version 1 in its place. Version 2 lets a member keep its
//! records for longer (KIP-1222).

use milena_wire_derive::{Fields, Message};

use crate::{ErrorCode, Numbers, Uuid};

/// Which records are done with.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 79, versions = "1-2", flexible = "0+", response = ShareAcknowledgeResponse<'a>)]
pub struct ShareAcknowledgeRequest<'a> {
    /// Group.
    #[field(versions = "0+", nullable = "0+")]
    pub group_id: Option<&'a str>,
    /// Member id.
    #[field(versions = "0+", nullable = "0+", default = Some(""))]
    pub member_id: Option<&'a str>,
    /// Epoch of the share session; 0 opens one, -1 closes it, else one more each time.
    #[field(versions = "0+")]
    pub share_session_epoch: i32,
    /// Whether some acknowledgement below asks to keep records for longer (since 2).
    #[field(versions = "2+")]
    pub is_renew_ack: bool,
    /// Topics.
    #[field(versions = "0+")]
    pub topics: Vec<AcknowledgeTopic<'a>>,
}

/// One topic's acknowledgements.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct AcknowledgeTopic<'a> {
    /// Topic id.
    #[field(versions = "0+")]
    pub topic_id: Uuid,
    /// Partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<AcknowledgePartition<'a>>,
}

/// One partition's acknowledgements.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct AcknowledgePartition<'a> {
    /// Partition.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// Records to acknowledge.
    #[field(versions = "0+")]
    pub acknowledgement_batches: Vec<ShareAcknowledgeAcknowledgementBatch<'a>>,
}

/// What became of a run of records.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct ShareAcknowledgeAcknowledgementBatch<'a> {
    /// Offset of the first record.
    #[field(versions = "0+")]
    pub first_offset: i64,
    /// Offset of the last record.
    #[field(versions = "0+")]
    pub last_offset: i64,
    /// One for all or one for each record: 0 gap, 1 accept, 2 release, 3 reject, 4 renew.
    #[field(versions = "0+")]
    pub acknowledge_types: Numbers<'a, i8>,
}

/// How the acknowledgements went.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 79, versions = "1-2", flexible = "0+")]
pub struct ShareAcknowledgeResponse<'a> {
    /// How long the broker holds or held back for a quota.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// The error in words.
    #[field(versions = "0+", nullable = "0+")]
    pub error_message: Option<&'a str>,
    /// How long the member keeps the records it acquired, in ms (since 2).
    #[field(versions = "2+", ignorable)]
    pub acquisition_lock_timeout_ms: i32,
    /// Topics.
    #[field(versions = "0+")]
    pub responses: Vec<ShareAcknowledgeTopicResponse<'a>>,
    /// Addresses of the new leaders named above.
    #[field(versions = "0+")]
    pub node_endpoints: Vec<ShareAcknowledgeNodeEndpoint<'a>>,
}

/// One topic's answers.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct ShareAcknowledgeTopicResponse<'a> {
    /// Topic id.
    #[field(versions = "0+")]
    pub topic_id: Uuid,
    /// Partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<ShareAcknowledgePartitionData<'a>>,
}

/// One partition's answer.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct ShareAcknowledgePartitionData<'a> {
    /// Partition.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// The error in words.
    #[field(versions = "0+", nullable = "0+")]
    pub error_message: Option<&'a str>,
    /// Leader to turn to.
    #[field(versions = "0+")]
    pub current_leader: ShareAcknowledgeLeaderIdAndEpoch,
}

/// Who leads a partition now.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct ShareAcknowledgeLeaderIdAndEpoch {
    /// Leader; -1 if unknown.
    #[field(versions = "0+")]
    pub leader_id: i32,
    /// Leader epoch.
    #[field(versions = "0+")]
    pub leader_epoch: i32,
}

/// Where a new leader listens.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct ShareAcknowledgeNodeEndpoint<'a> {
    /// Broker id.
    #[field(versions = "0+")]
    pub node_id: i32,
    /// Host.
    #[field(versions = "0+")]
    pub host: &'a str,
    /// Port.
    #[field(versions = "0+")]
    pub port: i32,
    /// Rack; null for none.
    #[field(versions = "0+", nullable = "0+")]
    pub rack: Option<&'a str>,
}
