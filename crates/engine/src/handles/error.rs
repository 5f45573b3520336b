//! One error enum per operation. Its variants say whose fault it is; `advice`, where there is a choice, what the caller may do;
//! [`DeliveryError::persistence`] whether the record may be in the log.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use milena_producer::transaction::{AbortCause, FatalCause};
use milena_wire::ErrorCode;

pub use milena_consumer::FetchError;
pub use milena_producer::{Advice, DeliveryError, DeliveryErrorKind, Persistence};

/// Why no client could be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// An address is not `host:port`.
    #[error("{address:?} is not an address of the form host:port")]
    BadAddress {
        /// As given.
        address: String,
    },
    /// No address was given.
    #[error("no bootstrap address was given")]
    NoAddress,
    /// Something is asked for that milena cannot do yet.
    #[error("{what} is not supported yet; a later version of milena will bring it")]
    NotYet {
        /// What was asked for.
        what: &'static str,
    },
    /// None of the brokers answered in time.
    #[error("no broker of {addresses} answered within {waited:?}: {reason}")]
    NoBroker {
        /// The addresses tried.
        addresses: String,
        /// How long.
        waited: Duration,
        /// What the last attempt met.
        reason: String,
    },
    /// The engine's thread could not be started.
    #[error("the engine could not be started: {reason}")]
    Engine {
        /// Why.
        reason: String,
    },
}

/// Why a record was not accepted. Nothing of it was kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// No room, or no metadata of the topic, within the send time-out.
    #[error("not accepted within {waited:?}: {missing}")]
    TimedOut {
        /// The time-out.
        waited: Duration,
        /// What there was none of.
        missing: &'static str,
    },
    /// The topic cannot be had.
    #[error("topic {topic} cannot be had: {error}")]
    Topic {
        /// The topic.
        topic: String,
        /// The broker's word.
        error: ErrorCode,
    },
    /// The topic has no such partition.
    #[error("topic {topic} has no partition {partition}")]
    NoPartition {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
    },
    /// The record is larger than a batch may be.
    #[error("the record takes {bytes} bytes, a batch may have {bytes_max}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit: `batch_bytes_max`, or `record_bytes_max` if that is more.
        bytes_max: usize,
    },
    /// The record's timestamp is before 1970. A broker would refuse the whole batch.
    #[error("the record's timestamp is {timestamp_ms}, before 1970")]
    NegativeTimestamp {
        /// The timestamp.
        timestamp_ms: i64,
    },
    /// The transaction is over, or one of its sends has failed: it takes no more records.
    #[error("the transaction takes no more records: it is over, or a send of it has failed")]
    TransactionOver,
    /// The client was closed.
    #[error("the client was closed")]
    Closed,
}

impl SendError {
    /// What the caller can do.
    #[must_use]
    pub fn advice(&self) -> Advice {
        match self {
            Self::TimedOut { .. } => Advice::Retry,
            Self::Topic { .. }
            | Self::NoPartition { .. }
            | Self::TooLarge { .. }
            | Self::NegativeTimestamp { .. } => Advice::Configure,
            Self::TransactionOver => Advice::AbortTransaction,
            Self::Closed => Advice::Recreate,
        }
    }
}

/// Why a record was not accepted at once.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrySendError {
    /// The topic's metadata is not here yet; it has been asked for.
    #[error("the topic's metadata is not here yet")]
    NotReady,
    /// The memory budget is used up, or others wait for it.
    #[error("no room")]
    Full,
    /// It will never be accepted like this.
    #[error(transparent)]
    Refused(SendError),
}

/// Why a flush ended early.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FlushError {
    /// The client was closed.
    #[error("the client was closed")]
    Closed,
}

/// Why a transactional producer could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InitError {
    /// The coordinator did not answer in time, or older transactions were not settled.
    #[error("no producer id within {waited:?}")]
    TimedOut {
        /// The time-out.
        waited: Duration,
    },
    /// It will not work like this.
    #[error(transparent)]
    Fatal(FatalCause),
    /// The broker refused, and may not next time.
    #[error("the broker refused: {0}")]
    Refused(ErrorCode),
    /// Something is asked for that milena cannot do yet, or that makes no sense.
    #[error("{0}")]
    Invalid(Cow<'static, str>),
    /// The client was closed.
    #[error("the client was closed")]
    Closed,
}

/// Why no transaction began.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BeginError {
    /// A commit was dropped or timed out: what became of it must be asked first, with `resolve`.
    #[error("the outcome of the last transaction has not been asked for: call resolve first")]
    OutcomePending,
    /// What was open could not be settled in time.
    #[error("the transaction before was not settled within {waited:?}")]
    TimedOut {
        /// The time-out.
        waited: Duration,
    },
    /// This producer can do no more.
    #[error(transparent)]
    Fatal(FatalCause),
    /// The client was closed.
    #[error("the client was closed")]
    Closed,
}

/// Why a transaction was not, or may not have been, committed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// It was aborted; nothing of it will be seen by a read_committed reader.
    #[error("aborted: {cause}")]
    Aborted {
        /// Why.
        cause: AbortCause,
    },
    /// The broker may have committed it, and the deadline passed, or a newer instance took over, before that was settled.
    #[error("the outcome is not known")]
    Unknown,
    /// There is no such transaction any more.
    #[error("the transaction is over")]
    NotOpen,
    /// The client was closed.
    #[error("the client was closed; the outcome is not known")]
    Closed,
}

/// Why an abort did not end well. Nothing of the transaction will be committed in any case.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AbortError {
    /// Not answered in time; it goes on, and the next begin waits for it.
    #[error("not aborted within {waited:?}; it goes on in the background")]
    TimedOut {
        /// The time-out.
        waited: Duration,
    },
    /// This producer can do no more.
    #[error(transparent)]
    Fatal(FatalCause),
    /// The transaction is over.
    #[error("the transaction is over")]
    NotOpen,
    /// The client was closed.
    #[error("the client was closed")]
    Closed,
}

/// Why offsets did not join the transaction. It can only be aborted then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OffsetsError {
    /// The group's coordinator refused.
    #[error("{cause}")]
    Refused {
        /// Why.
        cause: AbortCause,
    },
    /// Not answered in time.
    #[error("not answered within {waited:?}")]
    TimedOut {
        /// The time-out.
        waited: Duration,
    },
    /// The transaction is over, or has failed.
    #[error("the transaction takes no offsets: it is over, or a send of it has failed")]
    TransactionOver,
    /// This producer can do no more.
    #[error(transparent)]
    Fatal(FatalCause),
    /// The client was closed.
    #[error("the client was closed")]
    Closed,
}

/// Why a question to the cluster was not answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// The broker's word.
    #[error("the broker refused: {error}{}", .message.as_ref().map(|m| format!(" ({m})")).unwrap_or_default())]
    Refused {
        /// Its code.
        error: ErrorCode,
        /// Its explanation.
        message: Option<Arc<str>>,
    },
    /// Not answered in time.
    #[error("not answered in time: {reason}")]
    TimedOut {
        /// What the last attempt met.
        reason: String,
    },
    /// Something is asked for that milena cannot do yet, or that makes no sense.
    #[error("{0}")]
    Invalid(Cow<'static, str>),
    /// The client was closed.
    #[error("the client was closed")]
    Closed,
}

/// An administrative call's error.
pub type AdminError = QueryError;

/// Why no batch came.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConsumeError {
    /// A partition cannot be read on.
    #[error("{topic}-{partition}: {error}")]
    Fetch {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// Why.
        error: FetchError,
    },
    /// A question to the cluster was not answered.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The client was closed.
    #[error("the client was closed")]
    Closed,
}

macro_rules! fatal_advice {
    ($($error:ident),*) => {$(
        impl $error {
            /// Whether a newer instance with the same transactional id took over.
            #[must_use]
            pub fn is_fenced(&self) -> bool {
                matches!(self, Self::Fatal(FatalCause::Fenced))
            }
        }
    )*};
}
fatal_advice!(InitError, BeginError, AbortError, OffsetsError);

impl CommitError {
    /// Whether a newer instance with the same transactional id took over.
    #[must_use]
    pub fn is_fenced(&self) -> bool {
        matches!(self, Self::Aborted { cause } if cause.is_fenced())
    }

    /// What the caller can do.
    #[must_use]
    pub fn advice(&self) -> Advice {
        match self {
            Self::Aborted {
                cause: AbortCause::Fatal(_),
            }
            | Self::Closed => Advice::Recreate,
            Self::Aborted { .. } => Advice::Retry,
            Self::Unknown => Advice::Resolve,
            Self::NotOpen => Advice::ReportBug,
        }
    }
}

impl BeginError {
    /// What the caller can do.
    #[must_use]
    pub fn advice(&self) -> Advice {
        match self {
            Self::OutcomePending => Advice::Resolve,
            Self::TimedOut { .. } => Advice::Retry,
            Self::Fatal(_) | Self::Closed => Advice::Recreate,
        }
    }
}

impl InitError {
    /// What the caller can do.
    #[must_use]
    pub fn advice(&self) -> Advice {
        match self {
            Self::TimedOut { .. } | Self::Refused(_) => Advice::Retry,
            Self::Fatal(FatalCause::Fenced) | Self::Closed => Advice::Recreate,
            Self::Fatal(_) | Self::Invalid(_) => Advice::Configure,
        }
    }
}

impl AbortError {
    /// What the caller can do.
    #[must_use]
    pub fn advice(&self) -> Advice {
        match self {
            Self::TimedOut { .. } => Advice::Retry,
            Self::Fatal(_) | Self::Closed => Advice::Recreate,
            Self::NotOpen => Advice::ReportBug,
        }
    }
}

impl OffsetsError {
    /// What the caller can do.
    #[must_use]
    pub fn advice(&self) -> Advice {
        match self {
            Self::Refused { .. } | Self::TimedOut { .. } | Self::TransactionOver => {
                Advice::AbortTransaction
            }
            Self::Fatal(_) | Self::Closed => Advice::Recreate,
        }
    }
}

impl ConnectError {
    /// What the caller can do.
    #[must_use]
    pub fn advice(&self) -> Advice {
        match self {
            Self::NoBroker { .. } | Self::Engine { .. } => Advice::Retry,
            Self::BadAddress { .. } | Self::NoAddress | Self::NotYet { .. } => Advice::Configure,
        }
    }
}

impl TrySendError {
    /// What the caller can do.
    #[must_use]
    pub fn advice(&self) -> Advice {
        match self {
            Self::NotReady | Self::Full => Advice::Retry,
            Self::Refused(error) => error.advice(),
        }
    }
}

impl FlushError {
    /// What the caller can do.
    #[must_use]
    pub fn advice(&self) -> Advice {
        match self {
            Self::Closed => Advice::Recreate,
        }
    }
}

impl QueryError {
    /// What the caller can do.
    #[must_use]
    pub fn advice(&self) -> Advice {
        match self {
            Self::TimedOut { .. } => Advice::Retry,
            Self::Refused { .. } | Self::Invalid(_) => Advice::Configure,
            Self::Closed => Advice::Recreate,
        }
    }
}

impl ConsumeError {
    /// What the caller can do.
    #[must_use]
    pub fn advice(&self) -> Advice {
        match self {
            // Records may have been missed, or cannot be read: somebody has to decide.
            Self::Fetch { .. } => Advice::Configure,
            Self::Query(error) => error.advice(),
            Self::Closed => Advice::Recreate,
        }
    }
}
