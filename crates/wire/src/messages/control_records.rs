//! Control records: what brokers write into logs about transactions, leaders and snapshots.
//!
//! The key of each control record is a version and a type; the value is one of these, its version in front.

use milena_wire_derive::{Fields, Message};

use crate::Uuid;

/// What a control record is.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0")]
pub struct ControlRecordTypeSchema {
    /// Kind: 0 abort, 1 commit, 2 leader change, 3 and 4 snapshot header and footer, 5 KRaft version, 6 voters.
    #[field(versions = "0+")]
    pub r#type: i16,
}

/// How a coordinator ended a transaction; the record's key tells whether by commit or abort.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0")]
pub struct EndTxnMarker {
    /// Epoch of the coordinator when it wrote the marker.
    #[field(versions = "0+")]
    pub coordinator_epoch: i32,
}

/// A new leader and who stood for it.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0-1", flexible = "0+")]
pub struct LeaderChangeMessage {
    /// Version of this record.
    #[field(versions = "0+")]
    pub version: i16,
    /// Node that became leader.
    #[field(versions = "0+")]
    pub leader_id: i32,
    /// All voters of the epoch.
    #[field(versions = "0+")]
    pub voters: Vec<LeaderChangeMessageVoter>,
    /// Those that voted for the leader.
    #[field(versions = "0+")]
    pub granting_voters: Vec<LeaderChangeMessageVoter>,
}

/// One voter.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct LeaderChangeMessageVoter {
    /// Node id.
    #[field(versions = "0+")]
    pub voter_id: i32,
    /// Directory of its metadata log (since 1).
    #[field(versions = "1+")]
    pub voter_directory_id: Uuid,
}

/// The start of a snapshot.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct SnapshotHeaderRecord {
    /// Version of this record.
    #[field(versions = "0+")]
    pub version: i16,
    /// When the newest record that the snapshot covers was appended, in ms since 1970.
    #[field(versions = "0+")]
    pub last_contained_log_timestamp: i64,
}

/// The end of a snapshot.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct SnapshotFooterRecord {
    /// Version of this record.
    #[field(versions = "0+")]
    pub version: i16,
}

/// The KRaft version in use.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct KRaftVersionRecord {
    /// Version of this record.
    #[field(versions = "0+")]
    pub version: i16,
    /// KRaft version of the quorum.
    #[field(versions = "0+")]
    pub k_raft_version: i16,
}

/// The voters of the quorum.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct VotersRecord<'a> {
    /// Version of this record.
    #[field(versions = "0+")]
    pub version: i16,
    /// Voters.
    #[field(versions = "0+")]
    pub voters: Vec<VotersRecordVoter<'a>>,
}

/// One voter.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct VotersRecordVoter<'a> {
    /// Node id.
    #[field(versions = "0+")]
    pub voter_id: i32,
    /// Directory of its metadata log.
    #[field(versions = "0+")]
    pub voter_directory_id: Uuid,
    /// Where the voter listens.
    #[field(versions = "0+")]
    pub endpoints: Vec<VotersRecordEndpoint<'a>>,
    /// KRaft versions it can use.
    #[field(versions = "0+")]
    pub k_raft_version_feature: KRaftVersionFeature,
}

/// One address of the voter.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct VotersRecordEndpoint<'a> {
    /// Listener name.
    #[field(versions = "0+")]
    pub name: &'a str,
    /// Host.
    #[field(versions = "0+")]
    pub host: &'a str,
    /// Port.
    #[field(versions = "0+")]
    pub port: u16,
}

/// A range of KRaft versions.
#[derive(Clone, Debug, PartialEq, Fields)]
pub struct KRaftVersionFeature {
    /// Lowest version.
    #[field(versions = "0+")]
    pub min_supported_version: i16,
    /// Highest version.
    #[field(versions = "0+")]
    pub max_supported_version: i16,
}
