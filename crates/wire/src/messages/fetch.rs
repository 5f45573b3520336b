//! Fetch (1): reads record batches from partitions.
//!
//! Versions 0 to 3 ended with Kafka 4.0. Topics go by id instead of name from 13 on; sessions came with 7, leader hints with 12 and 16.

use milena_wire_derive::{Fields, Message};

use crate::{ErrorCode, Numbers, Payload, Uuid};

/// Positions to read from.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 1, versions = "4-18", flexible = "12+", response = FetchResponse<'a>)]
pub struct FetchRequest<'a> {
    /// Cluster id (since 12).
    #[field(versions = "12+", nullable = "12+", tag = 0, ignorable)]
    pub cluster_id: Option<&'a str>,
    /// Follower that asks; -1 for consumers (until 14).
    #[field(versions = "0-14", default = -1)]
    pub replica_id: i32,
    /// Follower that asks (since 15).
    #[field(versions = "15+", tag = 1)]
    pub replica_state: ReplicaState,
    /// How long to wait for `min_bytes`.
    #[field(versions = "0+")]
    pub max_wait_ms: i32,
    /// Fewest bytes worth an answer.
    #[field(versions = "0+")]
    pub min_bytes: i32,
    /// Most bytes to answer with; the first batch comes whole all the same (KIP-74).
    #[field(versions = "3+", default = i32::MAX, ignorable)]
    pub max_bytes: i32,
    /// 0 reads everything, 1 only what is committed.
    #[field(versions = "4+", ignorable)]
    pub isolation_level: i8,
    /// Fetch session; 0 for none (since 7).
    #[field(versions = "7+", ignorable)]
    pub session_id: i32,
    /// Its epoch; -1 for no session (since 7).
    #[field(versions = "7+", default = -1, ignorable)]
    pub session_epoch: i32,
    /// Topics.
    #[field(versions = "0+")]
    pub topics: Vec<FetchTopic<'a>>,
    /// Partitions to drop from the session (since 7).
    #[field(versions = "7+")]
    pub forgotten_topics_data: Vec<ForgottenTopic<'a>>,
    /// Where the consumer is (since 11).
    #[field(versions = "11+", ignorable)]
    pub rack_id: &'a str,
}

/// Which follower asks; the default for consumers.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct ReplicaState {
    /// Follower that asks; -1 for consumers (since 15).
    #[field(versions = "15+", default = -1)]
    pub replica_id: i32,
    /// Its epoch (since 15).
    #[field(versions = "15+", default = -1)]
    pub replica_epoch: i64,
}

/// One topic's positions.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct FetchTopic<'a> {
    /// Topic name (until 12).
    #[field(versions = "0-12", ignorable)]
    pub topic: &'a str,
    /// Topic id (since 13).
    #[field(versions = "13+", ignorable)]
    pub topic_id: Uuid,
    /// Partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<FetchPartition>,
}

/// One partition's position.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct FetchPartition {
    /// Partition.
    #[field(versions = "0+")]
    pub partition: i32,
    /// Leader epoch the reader knows; -1 if unknown (since 9).
    #[field(versions = "9+", default = -1, ignorable)]
    pub current_leader_epoch: i32,
    /// Position.
    #[field(versions = "0+")]
    pub fetch_offset: i64,
    /// Leader epoch of the record before the position; -1 if unknown (since 12).
    #[field(versions = "12+", default = -1)]
    pub last_fetched_epoch: i32,
    /// First offset the follower has; -1 for consumers (since 5).
    #[field(versions = "5+", default = -1, ignorable)]
    pub log_start_offset: i64,
    /// Most bytes of this partition.
    #[field(versions = "0+")]
    pub partition_max_bytes: i32,
    /// Directory of the follower (since 17).
    #[field(versions = "17+", tag = 0, ignorable)]
    pub replica_directory_id: Uuid,
    /// High watermark the follower knows (since 18).
    #[field(versions = "18+", default = i64::MAX, tag = 1, ignorable)]
    pub high_watermark: i64,
}

/// Partitions to drop from the fetch session.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct ForgottenTopic<'a> {
    /// Topic name (7 to 12).
    #[field(versions = "7-12", ignorable)]
    pub topic: &'a str,
    /// Topic id (since 13).
    #[field(versions = "13+", ignorable)]
    pub topic_id: Uuid,
    /// Partitions (since 7).
    #[field(versions = "7+")]
    pub partitions: Numbers<'a, i32>,
}

/// Batches that were read.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(key = 1, versions = "4-18", flexible = "12+")]
pub struct FetchResponse<'a> {
    /// How long the broker holds or held back for a quota.
    #[field(versions = "1+", ignorable)]
    pub throttle_time_ms: i32,
    /// Error, or none (since 7).
    #[field(versions = "7+", ignorable)]
    pub error_code: ErrorCode,
    /// Fetch session; 0 for none (since 7).
    #[field(versions = "7+")]
    pub session_id: i32,
    /// Topics.
    #[field(versions = "0+")]
    pub responses: Vec<FetchableTopicResponse<'a>>,
    /// Addresses of the new leaders named above (since 16).
    #[field(versions = "16+", tag = 0)]
    pub node_endpoints: Vec<FetchNodeEndpoint<'a>>,
}

/// One topic's answers.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct FetchableTopicResponse<'a> {
    /// Topic name (until 12).
    #[field(versions = "0-12", ignorable)]
    pub topic: &'a str,
    /// Topic id (since 13).
    #[field(versions = "13+", ignorable)]
    pub topic_id: Uuid,
    /// Partitions.
    #[field(versions = "0+")]
    pub partitions: Vec<PartitionData>,
}

/// One partition's answer.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct PartitionData {
    /// Partition.
    #[field(versions = "0+")]
    pub partition_index: i32,
    /// Error, or none.
    #[field(versions = "0+")]
    pub error_code: ErrorCode,
    /// End of what is replicated.
    #[field(versions = "0+")]
    pub high_watermark: i64,
    /// End of what no open transaction can change.
    #[field(versions = "4+", default = -1, ignorable)]
    pub last_stable_offset: i64,
    /// First offset still there (since 5).
    #[field(versions = "5+", default = -1, ignorable)]
    pub log_start_offset: i64,
    /// Where the reader's log and the leader's part (since 12).
    #[field(versions = "12+", tag = 0)]
    pub diverging_epoch: EpochEndOffset,
    /// Leader to turn to (since 12).
    #[field(versions = "12+", tag = 1)]
    pub current_leader: FetchLeaderIdAndEpoch,
    /// Snapshot to load instead (since 12).
    #[field(versions = "12+", tag = 2)]
    pub snapshot_id: SnapshotId,
    /// Aborted transactions among the records.
    #[field(versions = "4+", nullable = "4+", default = Some(Vec::new()), ignorable)]
    pub aborted_transactions: Option<Vec<AbortedTransaction>>,
    /// Broker to read from instead; -1 for none (since 11).
    #[field(versions = "11+", default = -1)]
    pub preferred_read_replica: i32,
    /// Record batches.
    #[field(versions = "0+", nullable = "0+")]
    pub records: Option<Payload>,
}

/// Where a leader epoch ended.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct EpochEndOffset {
    /// Leader epoch (since 12).
    #[field(versions = "12+", default = -1)]
    pub epoch: i32,
    /// Its end offset (since 12).
    #[field(versions = "12+", default = -1)]
    pub end_offset: i64,
}

/// Who leads a partition now.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct FetchLeaderIdAndEpoch {
    /// Leader; -1 if unknown (since 12).
    #[field(versions = "12+", default = -1)]
    pub leader_id: i32,
    /// Leader epoch (since 12).
    #[field(versions = "12+", default = -1)]
    pub leader_epoch: i32,
}

/// A snapshot of the metadata log.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct SnapshotId {
    /// Its end offset.
    #[field(versions = "0+", default = -1)]
    pub end_offset: i64,
    /// Leader epoch.
    #[field(versions = "0+", default = -1)]
    pub epoch: i32,
}

/// An aborted transaction among the records.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct AbortedTransaction {
    /// Producer id.
    #[field(versions = "4+")]
    pub producer_id: i64,
    /// Offset of its first record.
    #[field(versions = "4+")]
    pub first_offset: i64,
}

/// Where a new leader listens (KIP-951).
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct FetchNodeEndpoint<'a> {
    /// Broker id (since 16).
    #[field(versions = "16+")]
    pub node_id: i32,
    /// Host (since 16).
    #[field(versions = "16+")]
    pub host: &'a str,
    /// Port (since 16).
    #[field(versions = "16+")]
    pub port: i32,
    /// Rack (since 16).
    #[field(versions = "16+", nullable = "16+")]
    pub rack: Option<&'a str>,
}
