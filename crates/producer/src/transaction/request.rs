//! What the manager asks of coordinators, and what they answer, free of any wire layout.

use std::fmt;
use std::sync::Arc;

use milena_cluster::recovery::Operation;
use milena_cluster::{GroupMetadata, LeaderEpoch, ProducerIdentity, TopicPartition};
use milena_wire::ErrorCode;

/// Names one request of one manager; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// One request to the transaction coordinator or, for offsets, to the group coordinator.
///
/// Every request carries the identity it was built with: a repetition must be the same request,
/// or a coordinator could not know it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Asks for an identity. `expected` is [`ProducerIdentity::NONE`] for a new instance, which
    /// fences every older one, and the identity in use for a bump (KIP-360), which a fenced
    /// instance is refused.
    InitProducerId {
        /// The identity in use, or none.
        expected: ProducerIdentity,
    },
    /// Registers partitions with the open transaction (TV1 only).
    AddPartitions {
        /// The identity of the transaction.
        identity: ProducerIdentity,
        /// All partitions not registered yet.
        partitions: Vec<TopicPartition>,
    },
    /// Registers a group's offsets partition with the open transaction (TV1 only).
    AddOffsets {
        /// The identity of the transaction.
        identity: ProducerIdentity,
        /// The consumer group.
        group: Arc<str>,
    },
    /// Writes offsets that become visible if the transaction commits; goes to the group's
    /// coordinator.
    TxnOffsetCommit {
        /// The identity of the transaction.
        identity: ProducerIdentity,
        /// The group and its offsets.
        offsets: Arc<OffsetsToCommit>,
        /// Version 5 or later (TV2, which registers the group by itself), else at most version 4.
        transaction_v2: bool,
    },
    /// Ends the transaction.
    EndTxn {
        /// The identity of the transaction.
        identity: ProducerIdentity,
        /// Commit, else abort.
        committing: bool,
        /// Version 5 or later (TV2, whose answer carries the next identity), else at most 4.
        transaction_v2: bool,
    },
}

/// The answer to a [`Request`] of the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// Answer to [`Request::InitProducerId`].
    InitProducerId {
        /// Refusal, or [`ErrorCode::NONE`].
        error: ErrorCode,
        /// The identity to use from now on.
        identity: ProducerIdentity,
    },
    /// Answer to [`Request::AddPartitions`].
    AddPartitions {
        /// One result a partition.
        results: Vec<(TopicPartition, ErrorCode)>,
    },
    /// Answer to [`Request::AddOffsets`].
    AddOffsets {
        /// Refusal, or [`ErrorCode::NONE`].
        error: ErrorCode,
    },
    /// Answer to [`Request::TxnOffsetCommit`].
    TxnOffsetCommit {
        /// One result a partition.
        results: Vec<(TopicPartition, ErrorCode)>,
    },
    /// Answer to [`Request::EndTxn`].
    EndTxn {
        /// Refusal, or [`ErrorCode::NONE`].
        error: ErrorCode,
        /// The next identity: version 5 only.
        identity: Option<ProducerIdentity>,
    },
}

/// The kind of a [`Request`], to name it in errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RequestKind {
    /// [`Request::InitProducerId`].
    InitProducerId,
    /// [`Request::AddPartitions`].
    AddPartitions,
    /// [`Request::AddOffsets`].
    AddOffsets,
    /// [`Request::TxnOffsetCommit`].
    TxnOffsetCommit,
    /// [`Request::EndTxn`] with `committing`.
    Commit,
    /// [`Request::EndTxn`] without `committing`.
    Abort,
}

impl RequestKind {
    /// The row of the recovery table that judges this request's errors.
    pub fn operation(self) -> Operation {
        match self {
            Self::InitProducerId => Operation::InitProducerId,
            Self::AddPartitions => Operation::AddPartitionsToTxn,
            Self::AddOffsets => Operation::AddOffsetsToTxn,
            Self::TxnOffsetCommit => Operation::TxnOffsetCommit,
            Self::Commit => Operation::EndTxn { committing: true },
            Self::Abort => Operation::EndTxn { committing: false },
        }
    }
}

impl fmt::Display for RequestKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InitProducerId => "InitProducerId",
            Self::AddPartitions => "AddPartitionsToTxn",
            Self::AddOffsets => "AddOffsetsToTxn",
            Self::TxnOffsetCommit => "TxnOffsetCommit",
            Self::Commit => "EndTxn(commit)",
            Self::Abort => "EndTxn(abort)",
        })
    }
}

/// The positions of one consumer group that a transaction commits together with its records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetsToCommit {
    /// The group, with what its coordinator needs to refuse a member that is gone (KIP-447).
    pub group: GroupMetadata,
    /// The next offset to read of each partition.
    pub offsets: Vec<(TopicPartition, CommittedOffset)>,
}

/// The position of one partition as it is committed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CommittedOffset {
    /// The next offset to read.
    pub offset: i64,
    /// The leader epoch of the last batch read; -1 if unknown.
    pub leader_epoch: LeaderEpoch,
    /// Free text kept with the offset.
    pub metadata: Arc<str>,
}
