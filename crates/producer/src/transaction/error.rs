//! Why transactions and managers fail.

use std::sync::Arc;
use std::time::Duration;

use milena_cluster::TopicPartition;
use milena_wire::ErrorCode;

use super::State;
use super::request::RequestKind;

/// Why a transaction was aborted, or can only be aborted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum AbortCause {
    /// The application aborted, or dropped the transaction or its commit.
    #[error("the application asked for it")]
    Requested,
    /// The deadline of the commit passed before EndTxn could be handed over.
    #[error("the commit's deadline passed before it could be sent")]
    DeadlinePassed,
    /// A broker refused a batch.
    #[error("{partition} refused a batch: {error}")]
    SendRefused {
        /// Where the batch went.
        partition: TopicPartition,
        /// The broker's answer.
        error: ErrorCode,
    },
    /// A batch was not acknowledged within the delivery time-out. `unresolved`: it may be in the
    /// log, or get there yet.
    #[error("a batch for {partition} was not acknowledged in time")]
    SendExpired {
        /// Where the batch went.
        partition: TopicPartition,
        /// It may be in the log.
        unresolved: bool,
    },
    /// A record was refused before it was sent.
    #[error("a record for {partition} could not be sent: {reason}")]
    SendFailed {
        /// Where the record was to go.
        partition: TopicPartition,
        /// Why.
        reason: Arc<str>,
    },
    /// A stamped batch stays unresolved: only a new epoch keeps it out of later transactions.
    #[error("a batch stays unresolved")]
    Unresolved,
    /// A coordinator refused a request of the transaction.
    #[error("{request} was refused: {error}")]
    Refused {
        /// The request.
        request: RequestKind,
        /// The coordinator's answer.
        error: ErrorCode,
    },
    /// A partition could not be registered.
    #[error("{partition} could not join the transaction: {error}")]
    PartitionRefused {
        /// The partition.
        partition: TopicPartition,
        /// The coordinator's answer.
        error: ErrorCode,
    },
    /// The group's coordinator refused offsets.
    #[error("group {group} refused the offset of {partition}: {error}")]
    OffsetsRefused {
        /// The consumer group.
        group: Arc<str>,
        /// The partition.
        partition: TopicPartition,
        /// The coordinator's answer.
        error: ErrorCode,
    },
    /// Offsets of the same group were sent earlier in this transaction and the answer was lost: a
    /// late copy of them could overwrite these.
    #[error(
        "offsets of group {group} are in doubt: a late copy of earlier ones could replace them"
    )]
    OffsetsInDoubt {
        /// The consumer group.
        group: Arc<str>,
    },
    /// The manager failed for good while the transaction was open.
    #[error(transparent)]
    Fatal(FatalCause),
}

impl AbortCause {
    /// Another instance took over.
    pub fn is_fenced(&self) -> bool {
        matches!(self, Self::Fatal(FatalCause::Fenced))
    }
}

/// Why a manager is of no more use: the producer must be made anew.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum FatalCause {
    /// A newer instance with the same transactional id took over.
    #[error("fenced by a newer instance with the same transactional id")]
    Fenced,
    /// The coordinator refused this epoch, and the transaction was open longer than its time-out:
    /// the coordinator has most likely aborted it. Kafka answers both cases alike (KIP-588 was
    /// never finished).
    #[error(
        "the transaction was open for {open_for:?}, its time-out is {timeout:?}: the coordinator aborted it, unless a newer instance took over"
    )]
    TimedOut {
        /// Since the transaction was first registered.
        open_for: Duration,
        /// The transaction time-out given to the coordinator.
        timeout: Duration,
    },
    /// The coordinator has forgotten the transactional id (idle for longer than
    /// `transactional.id.expiration.ms`). Going on would let a fenced instance in again
    /// (KAFKA-18019).
    #[error("the coordinator no longer knows this producer's id")]
    MappingLost,
    /// Not allowed.
    #[error("{request} is not allowed: {error}")]
    Unauthorized {
        /// The request.
        request: RequestKind,
        /// The coordinator's answer.
        error: ErrorCode,
    },
    /// The broker is too old, or told so.
    #[error("{request} is not supported by the broker")]
    Unsupported {
        /// The request.
        request: RequestKind,
    },
    /// A setting is out of the broker's range.
    #[error("{request} was refused, check the configuration: {error}")]
    Configuration {
        /// The request.
        request: RequestKind,
        /// The coordinator's answer.
        error: ErrorCode,
    },
    /// An answer that no rule allows for.
    #[error("{request} was refused: {error}")]
    Refused {
        /// The request.
        request: RequestKind,
        /// The coordinator's answer.
        error: ErrorCode,
    },
    /// A partition leader's answer to a batch allows nothing else.
    #[error("{partition} refused a batch: {error}")]
    SendRefused {
        /// Where the batch went.
        partition: TopicPartition,
        /// The broker's answer.
        error: ErrorCode,
    },
    /// An answer that does not fit its request.
    #[error("the answer to {request} makes no sense")]
    BadAnswer {
        /// The request.
        request: RequestKind,
    },
}

/// A failed send, as [`fail`](super::TransactionManager::fail) takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The transaction must be aborted.
    Abortable {
        /// Why.
        cause: AbortCause,
        /// The identity must not be used again (on TV2 the abort sees to that by itself).
        bump: bool,
    },
    /// The producer is of no more use.
    Fatal(FatalCause),
}

/// Why `initialize` was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InitError {
    /// It is done already.
    #[error("already initialized")]
    AlreadyInitialized,
    /// The manager failed for good.
    #[error(transparent)]
    Fatal(FatalCause),
}

/// Why `begin` was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BeginError {
    /// `initialize` was not called, or was refused.
    #[error("not initialized")]
    NotInitialized,
    /// An identity is being asked for: wait for `Initialized` or `IdentityChanged`.
    #[error("waiting for a producer identity")]
    IdentityPending,
    /// A transaction is open: commit or abort it.
    #[error("a transaction is open")]
    TransactionOpen,
    /// A transaction is being ended: wait for `Ended` (or `Resolved`).
    #[error("the outcome of the last transaction is pending")]
    OutcomePending {
        /// By a commit, else by an abort.
        committing: bool,
    },
    /// The manager failed for good.
    #[error(transparent)]
    Fatal(FatalCause),
}

/// Why a command on the open transaction was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransactionStateError {
    /// No transaction is open that this command could apply to.
    #[error("no transaction is open (state {0:?})")]
    NotOpen(State),
    /// The transaction failed and can only be aborted.
    #[error("the transaction can only be aborted: {0}")]
    MustAbort(AbortCause),
    /// EndTxn(commit) was handed over and cannot be taken back.
    #[error("the commit is under way")]
    CommitUnderWay,
    /// The manager failed for good.
    #[error(transparent)]
    Fatal(FatalCause),
}
