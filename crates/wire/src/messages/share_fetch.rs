//! ShareFetch (78): acquires records for a member of a share group, and acknowledges earlier ones (KIP-932).
//!
//! Version 0 was a preview in Kafka 4.0; Kafka 4.1 put version 1 in its place. Version 2 can hold to a
//! number of records (KIP-1206) and lets a member keep its records for longer (KIP-1222).

use milena_wire_derive::{Fields, Message};

use crate::{ErrorCode, Numbers, Payload, Uuid};

/// What to read and which records are done with.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 78, versions = "1-2", flexible = "0+", response = ShareFetchResponse<'a>)]
pub struct ShareFetchRequest<'a> {
    /// Group.
    #[field(versions = "0+", nullable = "0+")]
    pub group_id: Option<&'a str>,
    /// Member id.
    #[field(versions = "0+", nullable = "0+", default = Some(""))]
    pub member_id: Option<&'a str>,
    /// Epoch of the share session; 0 opens one, -1 closes it, else one more each time.
    #[field(versions = "0+")]
    pub share_session_epoch: i32,
    /// How long to wait for `min_bytes`, in ms.
    #[field(versions = "0+")]
    pub max_wait_ms: i32,
    /// Fewest bytes worth an answer.
    #[field(versions = "0+")]
    pub min_bytes: i32,
    /// Most bytes to answer with; the first batch comes whole all the same (KIP-74).
    #[field(versions = "0+", default = i32::MAX)]
    pub max_bytes: i32,
    /// Most records to answer with; whole batches may go past it.
    #[field(versions = "1+")]
    pub max_records: i32,
    /// How many records acquired and acknowledged batches should hold if possible.
    #[field(versions = "1+")]
    pub batch_size: i32,
    /// What to go by: 0 whole batches, 1 strictly `max_records` (since 2).
    #[field(versions = "2+", ignorable)]
    pub share_acquire_mode: i8,
    /// Whether some acknowledgement below asks to keep records for longer (since 2).
    #[field(versions = "2+")]
    pub is_renew_ack: bool,
    /// Topics.
    #[field(versions = "0+")]
    pub topics: Vec<ShareFetchFetchTopic<'a>>,
    /// Partitions to drop from the session.
    #[field(versions = "0+")]
    pub forgotten_topics_data: Vec<ShareFetchForgottenTopic<'a>>,
}

/// One topic to read.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct ShareFetchFetchTopic<'a> {
    /// Topic id.
    #[field(versions = "0+")]
    pub topic_id: Uuid,
    /// Partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<ShareFetchFetchPartition<'a>>,
}

/// One partition to read, and what is done with there.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct ShareFetchFetchPartition<'a> {
    /// Partition.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// Most bytes of this partition (KIP-74); 0 to acknowledge only (until 0).
    #[field(versions = "0")]
    pub partition_max_bytes: i32,
    /// Records to acknowledge.
    #[field(versions = "0+")]
    pub acknowledgement_batches: Vec<ShareFetchAcknowledgementBatch<'a>>,
}

/// What became of a run of records.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct ShareFetchAcknowledgementBatch<'a> {
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

/// Partitions of one topic to drop from the session.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct ShareFetchForgottenTopic<'a> {
    /// Topic id.
    #[field(versions = "0+")]
    pub topic_id: Uuid,
    /// Partitions.
    #[field(versions = "0+")]
    pub partitions: Numbers<'a, i32>,
}

/// Records that were read and how the acknowledgements went.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 78, versions = "1-2", flexible = "0+")]
pub struct ShareFetchResponse<'a> {
    /// How long the broker holds or held back for a quota.
    #[field(versions = "0+")]
    pub throttle_time_ms: i32,
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// The error in words.
    #[field(versions = "0+", nullable = "0+")]
    pub error_message: Option<&'a str>,
    /// How long the member keeps the records it acquired, in ms.
    #[field(versions = "1+")]
    pub acquisition_lock_timeout_ms: i32,
    /// Topics.
    #[field(versions = "0+")]
    pub responses: Vec<ShareFetchableTopicResponse<'a>>,
    /// Addresses of the new leaders named above.
    #[field(versions = "0+")]
    pub node_endpoints: Vec<ShareFetchNodeEndpoint<'a>>,
}

/// One topic's answers.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct ShareFetchableTopicResponse<'a> {
    /// Topic id.
    #[field(versions = "0+")]
    pub topic_id: Uuid,
    /// Partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<ShareFetchPartitionData<'a>>,
}

/// One partition's answer.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct ShareFetchPartitionData<'a> {
    /// Partition.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// The error in words.
    #[field(versions = "0+", nullable = "0+")]
    pub error_message: Option<&'a str>,
    /// Error of the acknowledgements, or none.
    #[field(versions = "0+")]
    pub acknowledge_error_code: ErrorCode,
    /// That error in words.
    #[field(versions = "0+", nullable = "0+")]
    pub acknowledge_error_message: Option<&'a str>,
    /// Leader to turn to.
    #[field(versions = "0+")]
    pub current_leader: ShareFetchLeaderIdAndEpoch,
    /// Record batches; only the acquired records in them are the member's.
    #[field(versions = "0+", nullable = "0")]
    pub records: Option<Payload>,
    /// Which records the member acquired.
    #[field(versions = "0+")]
    pub acquired_records: Vec<AcquiredRecords>,
}

/// Who leads a partition now.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct ShareFetchLeaderIdAndEpoch {
    /// Leader; -1 if unknown.
    #[field(versions = "0+")]
    pub leader_id: i32,
    /// Leader epoch.
    #[field(versions = "0+")]
    pub leader_epoch: i32,
}

/// A run of records the member acquired.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct AcquiredRecords {
    /// Offset of the first record.
    #[field(versions = "0+")]
    pub first_offset: i64,
    /// Offset of the last record.
    #[field(versions = "0+")]
    pub last_offset: i64,
    /// How many times the records have been handed out, this time included.
    #[field(versions = "0+")]
    pub delivery_count: i16,
}

/// Where a new leader listens.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct ShareFetchNodeEndpoint<'a> {
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
