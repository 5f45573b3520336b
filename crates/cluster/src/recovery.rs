//! What every error of every request means for the client: one table, for the whole of milena.
//!
//! [`recover`] is the only place that tells an error that passes from one that lasts. It follows Kafka's Java client
//! (`TransactionManager`, `Sender`, `FetchCollector`), with these decisions of our own:
//!
//! - INVALID_PRODUCER_EPOCH on Produce is [`Recovery::AbortAndBump`], as in Java, and not fatal, as in librdkafka: the
//!   coordinator bumps the epoch of a transaction that timed out too, and then nobody else has taken over;
//! - INVALID_PRODUCER_ID_MAPPING is fatal everywhere (KAFKA-18019): the coordinator has forgotten the transactional id, and
//!   with it whether the last commit went through;
//! - UNKNOWN_SERVER_ERROR of EndTxn is a retry: it says nothing about the outcome, and only the same EndTxn, repeated until
//!   it is answered, can tell;
//! - TRANSACTION_ABORTABLE of an abort is fatal (KAFKA-19250): to abort once more would go round for ever.
//!
//! `docs/ERRORS.md` is this table in words, written by a test.

use std::fmt;

use milena_wire::ErrorCode;

/// The request that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// FindCoordinator.
    FindCoordinator,
    /// InitProducerId, with or without a transactional id.
    InitProducerId,
    /// AddPartitionsToTxn; the code is one partition's.
    AddPartitionsToTxn,
    /// AddOffsetsToTxn.
    AddOffsetsToTxn,
    /// TxnOffsetCommit; the code is one partition's.
    TxnOffsetCommit,
    /// EndTxn.
    EndTxn {
        /// A commit, or else an abort.
        committing: bool,
    },
    /// Produce; the code is one partition's.
    Produce {
        /// Within a transaction, or else by an idempotent producer.
        transactional: bool,
    },
    /// Fetch; the code is one partition's.
    Fetch,
    /// ListOffsets; the code is one partition's.
    ListOffsets,
    /// OffsetFetch.
    OffsetFetch,
    /// Metadata; the code is one topic's.
    Metadata,
    /// CreateTopics, DeleteTopics and what else changes the cluster.
    Admin,
}

impl Operation {
    /// Every operation.
    pub const ALL: [Self; 14] = [
        Self::FindCoordinator,
        Self::InitProducerId,
        Self::AddPartitionsToTxn,
        Self::AddOffsetsToTxn,
        Self::TxnOffsetCommit,
        Self::EndTxn { committing: true },
        Self::EndTxn { committing: false },
        Self::Produce {
            transactional: true,
        },
        Self::Produce {
            transactional: false,
        },
        Self::Fetch,
        Self::ListOffsets,
        Self::OffsetFetch,
        Self::Metadata,
        Self::Admin,
    ];
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FindCoordinator => "FindCoordinator",
            Self::InitProducerId => "InitProducerId",
            Self::AddPartitionsToTxn => "AddPartitionsToTxn",
            Self::AddOffsetsToTxn => "AddOffsetsToTxn",
            Self::TxnOffsetCommit => "TxnOffsetCommit",
            Self::EndTxn { committing: true } => "EndTxn (commit)",
            Self::EndTxn { committing: false } => "EndTxn (abort)",
            Self::Produce {
                transactional: true,
            } => "Produce (transaction)",
            Self::Produce {
                transactional: false,
            } => "Produce (idempotent)",
            Self::Fetch => "Fetch",
            Self::ListOffsets => "ListOffsets",
            Self::OffsetFetch => "OffsetFetch",
            Self::Metadata => "Metadata",
            Self::Admin => "Admin",
        })
    }
}

/// What the client does about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Recovery {
    /// Nothing: it is no error.
    Ok,
    /// Sends the same request to the same broker again, after a backoff.
    Retry,
    /// As [`Recovery::Retry`], after a few milliseconds: the transaction before is just being ended.
    RetrySoon,
    /// Has metadata refreshed, and sends the request again to whoever leads then.
    RefreshMetadata,
    /// Has the coordinator looked up, and sends the request again to whoever it is then.
    FindCoordinator,
    /// The transaction can only be aborted; after that all is well. Of InitProducerId: it fails, and may be called again.
    Abort,
    /// As [`Recovery::Abort`], and a new epoch is needed before the next transaction. Outside of a transaction: the batch
    /// fails, and a new epoch is needed before its partition goes on, for its sequence numbers are missing now.
    AbortAndBump,
    /// Sends the batch again in two halves; a batch of one record fails.
    Split,
    /// The broker misses sequence numbers before the batch: the producer's sequence rules decide.
    Sequence,
    /// A success: the batch is in the log already, at an offset that is not known any more.
    Duplicate,
    /// The position lies outside of the log: what the consumer's settings say is done.
    Reset,
    /// Repetition does not help.
    Fatal(FatalCause),
}

impl Recovery {
    /// Whether the request is sent again, sooner or later, here or elsewhere.
    pub fn is_retry(self) -> bool {
        matches!(
            self,
            Self::Retry | Self::RetrySoon | Self::RefreshMetadata | Self::FindCoordinator
        )
    }
}

impl fmt::Display for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "ok",
            Self::Retry => "retry",
            Self::RetrySoon => "retry soon",
            Self::RefreshMetadata => "refresh",
            Self::FindCoordinator => "find",
            Self::Abort => "abort",
            Self::AbortAndBump => "abort+bump",
            Self::Split => "split",
            Self::Sequence => "sequence",
            Self::Duplicate => "duplicate",
            Self::Reset => "reset",
            Self::Fatal(cause) => return write!(f, "fatal: {cause}"),
        })
    }
}

/// Why repetition does not help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FatalCause {
    /// A newer instance took over, or the coordinator gave this one up.
    Fenced,
    /// Not allowed.
    Authorization,
    /// The broker does not know the producer id (any more).
    InvalidMapping,
    /// The broker cannot do it.
    Unsupported,
    /// The request asks for something that is not there or not possible.
    Configuration,
    /// Nobody's wish: the broker or milena is wrong.
    Bug,
}

impl fmt::Display for FatalCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fenced => "fenced",
            Self::Authorization => "authorization",
            Self::InvalidMapping => "mapping",
            Self::Unsupported => "unsupported",
            Self::Configuration => "configuration",
            Self::Bug => "bug",
        })
    }
}

/// What to do about `error` in the answer to `operation`.
pub fn recover(operation: Operation, error: ErrorCode) -> Recovery {
    if error.is_ok() {
        return Recovery::Ok;
    }
    match operation {
        Operation::FindCoordinator => find_coordinator(error),
        Operation::InitProducerId => init_producer_id(error),
        Operation::AddPartitionsToTxn => add_partitions_to_txn(error),
        Operation::AddOffsetsToTxn => add_offsets_to_txn(error),
        Operation::TxnOffsetCommit => txn_offset_commit(error),
        Operation::EndTxn { committing } => end_txn(error, committing),
        Operation::Produce { transactional } => produce(error, transactional),
        Operation::Fetch => fetch(error),
        Operation::ListOffsets => list_offsets(error),
        Operation::OffsetFetch => offset_fetch(error),
        Operation::Metadata => metadata(error),
        Operation::Admin => admin(error),
    }
}

/// Whether a broker may have appended a batch although its answer carries `error`.
///
/// A leader that appended and then waited for its followers answers with what ended the wait (Kafka's `DelayedProduce`): time,
/// too few replicas, or that it leads no longer. The new leader may have the batch all the same.
pub fn may_have_appended(error: ErrorCode) -> bool {
    matches!(
        error,
        ErrorCode::UNKNOWN_SERVER_ERROR
            | ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
            | ErrorCode::NOT_LEADER_OR_FOLLOWER
            | ErrorCode::REQUEST_TIMED_OUT
            | ErrorCode::NETWORK_EXCEPTION
            | ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND
            | ErrorCode::KAFKA_STORAGE_ERROR
    )
}

fn find_coordinator(error: ErrorCode) -> Recovery {
    match error {
        ErrorCode::GROUP_AUTHORIZATION_FAILED | ErrorCode::TRANSACTION_ABORTABLE => Recovery::Abort,
        // There is nobody to look up who could be asked where to look up.
        ErrorCode::NOT_COORDINATOR | ErrorCode::COORDINATOR_NOT_AVAILABLE => Recovery::Retry,
        _ => coordinated(error).unwrap_or_else(|| fatal(error)),
    }
}

fn init_producer_id(error: ErrorCode) -> Recovery {
    match error {
        ErrorCode::TRANSACTION_ABORTABLE => Recovery::Abort,
        // KAFKA-13668: rights can be granted, and then the same producer may ask again.
        ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED
        | ErrorCode::CLUSTER_AUTHORIZATION_FAILED => Recovery::Abort,
        _ => coordinated(error).unwrap_or_else(|| fatal(error)),
    }
}

fn add_partitions_to_txn(error: ErrorCode) -> Recovery {
    match error {
        ErrorCode::UNKNOWN_PRODUCER_ID => Recovery::AbortAndBump,
        ErrorCode::PRODUCER_FENCED
        | ErrorCode::INVALID_PRODUCER_EPOCH
        | ErrorCode::INVALID_TXN_STATE
        | ErrorCode::INVALID_PRODUCER_ID_MAPPING
        | ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED
        | ErrorCode::UNSUPPORTED_VERSION => fatal(error),
        // One partition's trouble need not be the next transaction's.
        _ => coordinated(error).unwrap_or(Recovery::Abort),
    }
}

fn add_offsets_to_txn(error: ErrorCode) -> Recovery {
    match error {
        ErrorCode::UNKNOWN_PRODUCER_ID => Recovery::AbortAndBump,
        ErrorCode::TRANSACTION_ABORTABLE | ErrorCode::GROUP_AUTHORIZATION_FAILED => Recovery::Abort,
        _ => coordinated(error).unwrap_or_else(|| fatal(error)),
    }
}

fn txn_offset_commit(error: ErrorCode) -> Recovery {
    match error {
        // A group coordinator that is moving answers late rather than wrong.
        ErrorCode::REQUEST_TIMED_OUT => Recovery::FindCoordinator,
        ErrorCode::TRANSACTION_ABORTABLE | ErrorCode::GROUP_AUTHORIZATION_FAILED => Recovery::Abort,
        // The consumer that read the records is not in its group any more: somebody else reads them again.
        ErrorCode::ILLEGAL_GENERATION
        | ErrorCode::UNKNOWN_MEMBER_ID
        | ErrorCode::GROUP_ID_NOT_FOUND
        | ErrorCode::STALE_MEMBER_EPOCH
        | ErrorCode::FENCED_INSTANCE_ID => Recovery::Abort,
        _ => coordinated(error).unwrap_or_else(|| fatal(error)),
    }
}

fn end_txn(error: ErrorCode, committing: bool) -> Recovery {
    match error {
        ErrorCode::UNKNOWN_SERVER_ERROR => Recovery::Retry,
        ErrorCode::UNKNOWN_PRODUCER_ID => Recovery::AbortAndBump,
        ErrorCode::TRANSACTION_ABORTABLE if committing => Recovery::Abort,
        _ => coordinated(error).unwrap_or_else(|| fatal(error)),
    }
}

/// What a coordinator's answer of this kind means for every request to it.
fn coordinated(error: ErrorCode) -> Option<Recovery> {
    match error {
        ErrorCode::NOT_COORDINATOR | ErrorCode::COORDINATOR_NOT_AVAILABLE => {
            Some(Recovery::FindCoordinator)
        }
        ErrorCode::CONCURRENT_TRANSACTIONS => Some(Recovery::RetrySoon),
        _ if is_transient(error) || is_stale(error) => Some(Recovery::Retry),
        _ => None,
    }
}

fn produce(error: ErrorCode, transactional: bool) -> Recovery {
    match error {
        ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER | ErrorCode::UNKNOWN_PRODUCER_ID => {
            Recovery::Sequence
        }
        ErrorCode::DUPLICATE_SEQUENCE_NUMBER => Recovery::Duplicate,
        ErrorCode::MESSAGE_TOO_LARGE => Recovery::Split,
        ErrorCode::INVALID_PRODUCER_EPOCH => Recovery::AbortAndBump,
        ErrorCode::PRODUCER_FENCED
        | ErrorCode::INVALID_PRODUCER_ID_MAPPING
        | ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED
        | ErrorCode::CLUSTER_AUTHORIZATION_FAILED
        | ErrorCode::UNSUPPORTED_VERSION => fatal(error),
        // From Produce v12 on the leader asks the coordinator itself (KIP-890), and passes its impatience on.
        ErrorCode::CONCURRENT_TRANSACTIONS => Recovery::RetrySoon,
        ErrorCode::NOT_COORDINATOR | ErrorCode::COORDINATOR_NOT_AVAILABLE => Recovery::Retry,
        _ if is_stale(error) => Recovery::RefreshMetadata,
        _ if is_transient(error) => Recovery::Retry,
        _ if transactional => Recovery::Abort,
        _ => Recovery::AbortAndBump,
    }
}

fn fetch(error: ErrorCode) -> Recovery {
    match error {
        ErrorCode::OFFSET_OUT_OF_RANGE => Recovery::Reset,
        ErrorCode::UNKNOWN_SERVER_ERROR => Recovery::Retry,
        // The broker's copy is damaged: to read it again would only hide that.
        ErrorCode::CORRUPT_MESSAGE => fatal(error),
        _ => led(error),
    }
}

fn list_offsets(error: ErrorCode) -> Recovery {
    match error {
        ErrorCode::UNKNOWN_SERVER_ERROR => Recovery::Retry,
        _ => led(error),
    }
}

/// What a leader's answer of this kind means for every request that reads.
fn led(error: ErrorCode) -> Recovery {
    match error {
        // The broker is behind our metadata, or behind its own followers: it will catch up, but a leader may also have changed.
        ErrorCode::UNKNOWN_LEADER_EPOCH | ErrorCode::OFFSET_NOT_AVAILABLE => {
            Recovery::RefreshMetadata
        }
        _ if is_stale(error) => Recovery::RefreshMetadata,
        _ if is_transient(error) => Recovery::Retry,
        _ => fatal(error),
    }
}

fn offset_fetch(error: ErrorCode) -> Recovery {
    // UNSTABLE_OFFSET_COMMIT is among the retries: a transaction that holds offsets of the group is not over yet (KIP-447).
    coordinated(error).unwrap_or_else(|| fatal(error))
}

fn metadata(error: ErrorCode) -> Recovery {
    match error {
        ErrorCode::UNKNOWN_SERVER_ERROR | ErrorCode::REBOOTSTRAP_REQUIRED => Recovery::Retry,
        _ if is_stale(error) || is_transient(error) => Recovery::Retry,
        _ => fatal(error),
    }
}

fn admin(error: ErrorCode) -> Recovery {
    match error {
        ErrorCode::NOT_CONTROLLER => Recovery::RefreshMetadata,
        // A definite answer here: the topic to delete or describe is not there.
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION | ErrorCode::UNKNOWN_TOPIC_ID => fatal(error),
        _ if is_stale(error) => Recovery::RefreshMetadata,
        _ if is_transient(error) => Recovery::Retry,
        _ => fatal(error),
    }
}

/// The broker asked is not, or not any more, the one that metadata should have named.
fn is_stale(error: ErrorCode) -> bool {
    matches!(
        error,
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
            | ErrorCode::LEADER_NOT_AVAILABLE
            | ErrorCode::NOT_LEADER_OR_FOLLOWER
            | ErrorCode::REPLICA_NOT_AVAILABLE
            | ErrorCode::NETWORK_EXCEPTION
            | ErrorCode::KAFKA_STORAGE_ERROR
            | ErrorCode::LISTENER_NOT_FOUND
            | ErrorCode::FENCED_LEADER_EPOCH
            | ErrorCode::PREFERRED_LEADER_NOT_AVAILABLE
            | ErrorCode::ELIGIBLE_LEADERS_NOT_AVAILABLE
            | ErrorCode::ELECTION_NOT_NEEDED
            | ErrorCode::UNKNOWN_TOPIC_ID
            | ErrorCode::INCONSISTENT_TOPIC_ID
    )
}

/// The right broker was asked, at the wrong moment.
fn is_transient(error: ErrorCode) -> bool {
    matches!(
        error,
        ErrorCode::CORRUPT_MESSAGE
            | ErrorCode::REQUEST_TIMED_OUT
            | ErrorCode::COORDINATOR_LOAD_IN_PROGRESS
            | ErrorCode::NOT_ENOUGH_REPLICAS
            | ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND
            | ErrorCode::NOT_CONTROLLER
            | ErrorCode::CONCURRENT_TRANSACTIONS
            | ErrorCode::FETCH_SESSION_ID_NOT_FOUND
            | ErrorCode::INVALID_FETCH_SESSION_EPOCH
            | ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR
            | ErrorCode::UNKNOWN_LEADER_EPOCH
            | ErrorCode::OFFSET_NOT_AVAILABLE
            | ErrorCode::UNSTABLE_OFFSET_COMMIT
            | ErrorCode::THROTTLING_QUOTA_EXCEEDED
    )
}

fn fatal(error: ErrorCode) -> Recovery {
    Recovery::Fatal(match error {
        ErrorCode::PRODUCER_FENCED
        | ErrorCode::INVALID_PRODUCER_EPOCH
        | ErrorCode::ILLEGAL_GENERATION
        | ErrorCode::UNKNOWN_MEMBER_ID
        | ErrorCode::FENCED_INSTANCE_ID
        | ErrorCode::FENCED_MEMBER_EPOCH
        | ErrorCode::STALE_MEMBER_EPOCH => FatalCause::Fenced,
        ErrorCode::INVALID_PRODUCER_ID_MAPPING | ErrorCode::UNKNOWN_PRODUCER_ID => {
            FatalCause::InvalidMapping
        }
        ErrorCode::TOPIC_AUTHORIZATION_FAILED
        | ErrorCode::GROUP_AUTHORIZATION_FAILED
        | ErrorCode::CLUSTER_AUTHORIZATION_FAILED
        | ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED
        | ErrorCode::DELEGATION_TOKEN_AUTHORIZATION_FAILED
        | ErrorCode::SASL_AUTHENTICATION_FAILED
        | ErrorCode::ILLEGAL_SASL_STATE
        | ErrorCode::SECURITY_DISABLED => FatalCause::Authorization,
        ErrorCode::UNSUPPORTED_VERSION
        | ErrorCode::UNSUPPORTED_FOR_MESSAGE_FORMAT
        | ErrorCode::UNSUPPORTED_COMPRESSION_TYPE
        | ErrorCode::UNSUPPORTED_SASL_MECHANISM
        | ErrorCode::UNSUPPORTED_ASSIGNOR => FatalCause::Unsupported,
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
        | ErrorCode::UNKNOWN_TOPIC_ID
        | ErrorCode::MESSAGE_TOO_LARGE
        | ErrorCode::OFFSET_METADATA_TOO_LARGE
        | ErrorCode::INVALID_TOPIC_EXCEPTION
        | ErrorCode::RECORD_LIST_TOO_LARGE
        | ErrorCode::INVALID_GROUP_ID
        | ErrorCode::INVALID_COMMIT_OFFSET_SIZE
        | ErrorCode::TOPIC_ALREADY_EXISTS
        | ErrorCode::INVALID_PARTITIONS
        | ErrorCode::INVALID_REPLICATION_FACTOR
        | ErrorCode::INVALID_REPLICA_ASSIGNMENT
        | ErrorCode::INVALID_CONFIG
        | ErrorCode::POLICY_VIOLATION
        | ErrorCode::INVALID_TRANSACTION_TIMEOUT
        | ErrorCode::REASSIGNMENT_IN_PROGRESS
        | ErrorCode::NON_EMPTY_GROUP
        | ErrorCode::GROUP_ID_NOT_FOUND
        | ErrorCode::TOPIC_DELETION_DISABLED
        | ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC => FatalCause::Configuration,
        _ => FatalCause::Bug,
    })
}

#[cfg(test)]
mod tests;
