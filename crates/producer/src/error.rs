//! How a record can fail, and whether it may be in the log all the same.

use milena_wire::ErrorCode;

/// Whether a record that was given to the client may be in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Persistence {
    /// It is not in the log and never will be: no byte of it was offered to a socket, or the broker refused it.
    NotPersisted,
    /// The broker may have written it: its bytes left, and no answer settled what became of them.
    PossiblyPersisted,
    /// It is in the log.
    Persisted,
}

/// What a caller can do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Advice {
    /// Call again: it may work now.
    Retry,
    /// Abort the transaction (dropping it is enough) and begin another.
    AbortTransaction,
    /// This producer or pipeline is of no more use: build a new one.
    Recreate,
    /// Something is set wrong, here or on the cluster.
    Configure,
    /// The outcome is not known: ask `resolve`, or the log, before doing it again.
    Resolve,
    /// This should not happen: tell us.
    ReportBug,
}

/// Where an acknowledged record went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acknowledged {
    pub(crate) partition: i32,
    pub(crate) offset: Option<i64>,
    pub(crate) timestamp: Option<i64>,
}

impl Acknowledged {
    /// The partition that holds the record.
    #[must_use]
    pub fn partition(&self) -> i32 {
        self.partition
    }

    /// The record's offset; `None` where the broker recognised a repeated batch and did not tell its offset.
    #[must_use]
    pub fn offset(&self) -> Option<i64> {
        self.offset
    }

    /// The broker's append time in ms since 1970, on topics with `message.timestamp.type=LogAppendTime`.
    #[must_use]
    pub fn log_append_time(&self) -> Option<i64> {
        self.timestamp
    }
}

/// Why an accepted record was not acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} ({})", match persistence { Persistence::NotPersisted => "the record is not in the log", Persistence::PossiblyPersisted => "the record may be in the log", Persistence::Persisted => "the record is in the log" })]
pub struct DeliveryError {
    kind: DeliveryErrorKind,
    persistence: Persistence,
}

impl DeliveryError {
    /// An error of `kind` for a record with this much certainty about it.
    #[must_use]
    pub fn new(kind: DeliveryErrorKind, persistence: Persistence) -> Self {
        Self { kind, persistence }
    }

    /// What happened.
    #[must_use]
    pub fn kind(&self) -> &DeliveryErrorKind {
        &self.kind
    }

    /// Whether the record may be in the log.
    #[must_use]
    pub fn persistence(&self) -> Persistence {
        self.persistence
    }

    /// What the caller can do. A record that may be in the log is not to be sent again without asking the log.
    #[must_use]
    pub fn advice(&self) -> Advice {
        match (&self.kind, self.persistence) {
            (DeliveryErrorKind::Fenced | DeliveryErrorKind::Closed, _) => Advice::Recreate,
            (DeliveryErrorKind::TransactionAborted, _) => Advice::AbortTransaction,
            (DeliveryErrorKind::Refused(_), _) => Advice::Configure,
            (DeliveryErrorKind::TimedOut, Persistence::NotPersisted) => Advice::Retry,
            (DeliveryErrorKind::TimedOut, _) => Advice::Resolve,
        }
    }

    /// Whether a newer instance with the same transactional id took over.
    #[must_use]
    pub fn is_fenced(&self) -> bool {
        matches!(self.kind, DeliveryErrorKind::Fenced)
    }
}

/// What kept a record from being acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeliveryErrorKind {
    /// `delivery_timeout` passed before the broker answered.
    #[error("not acknowledged within delivery_timeout")]
    TimedOut,
    /// The broker refused the batch.
    #[error("the broker refused the batch: {0}")]
    Refused(ErrorCode),
    /// The transaction the record belonged to was aborted before the record was acknowledged.
    #[error("the transaction was aborted")]
    TransactionAborted,
    /// A newer instance with the same transactional id took over.
    #[error("fenced by a newer instance with the same transactional id")]
    Fenced,
    /// The client was closed, or its engine ended.
    #[error("the client was closed")]
    Closed,
}
