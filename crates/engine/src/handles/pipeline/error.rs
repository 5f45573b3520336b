//! Why a pipeline does not go on.

use std::time::Duration;

use milena_producer::transaction::AbortCause;

use crate::handles::error::{Advice, BeginError, ConsumeError};

/// Why a pipeline cannot go on for now, or at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PipelineError {
    /// No transaction could begin.
    #[error("no transaction could begin: {0}")]
    Begin(#[source] BeginError),
    /// This instance can do no more: a newer one took over, or its identity is lost.
    #[error("this instance can do no more: {0}")]
    Ended(AbortCause),
    /// Transaction after transaction was aborted, and nothing was committed for too long.
    #[error("nothing was committed for {stalled:?}; the last transaction was aborted: {cause}")]
    Stalled {
        /// For how long.
        stalled: Duration,
        /// Why the last one was aborted.
        cause: AbortCause,
    },
    /// The outcome of a commit is not known yet. Calling again goes on asking.
    #[error("the outcome of the last commit is not known yet")]
    OutcomeUnknown,
    /// The input cannot be read on.
    #[error(transparent)]
    Consume(ConsumeError),
    /// The client was closed.
    #[error("the client was closed")]
    Closed,
}

impl PipelineError {
    /// What the caller can do.
    #[must_use]
    pub fn advice(&self) -> Advice {
        match self {
            Self::Begin(error) => error.advice(),
            Self::Ended(_) | Self::Closed => Advice::Recreate,
            Self::Stalled { .. } => Advice::Retry,
            Self::OutcomeUnknown => Advice::Resolve,
            Self::Consume(error) => error.advice(),
        }
    }

    /// Whether a newer instance with the same transactional id took over.
    #[must_use]
    pub fn is_fenced(&self) -> bool {
        match self {
            Self::Begin(error) => error.is_fenced(),
            Self::Ended(cause) => cause.is_fenced(),
            _ => false,
        }
    }
}

/// Why [`Pipeline::run`](crate::handles::Pipeline::run) ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RunError<E> {
    /// The handler failed. The transaction was aborted; running again begins with the same records.
    #[error("the handler failed")]
    Handler(E),
    /// The pipeline failed.
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
}
