//! The states, each with exactly what is legal in it.

use super::error::{AbortCause, FatalCause};
use super::open::Open;
use super::retry::Retry;

/// Where a manager stands, for its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Before `initialize`, or after it was refused for want of an authorization.
    Uninitialized,
    /// An identity is asked for: the first, or a new epoch before the next transaction.
    Initializing,
    /// A transaction may begin.
    Ready,
    /// A transaction is open.
    InTransaction,
    /// A commit was asked for, and its outcome is pending.
    Committing,
    /// An abort was asked for, or took the place of a commit, and is pending.
    Aborting,
    /// The open transaction failed: it can only be aborted.
    AbortableError,
    /// The end.
    FatalError,
}

/// Where a manager stands, for itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Phase {
    Uninitialized,
    Initializing(ExpectIdentity),
    Ready,
    InTransaction(Box<Open>),
    AbortableError {
        open: Box<Open>,
        cause: AbortCause,
    },
    Committing {
        open: Box<Open>,
        commit: ExpectCommit,
    },
    Aborting {
        open: Box<Open>,
        abort: ExpectAbort,
    },
    FatalError(FatalCause),
}

/// InitProducerId outside a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ExpectIdentity {
    /// The first identity of this instance: nothing is expected, and older instances are fenced.
    /// Else a bump, which a fenced instance must be refused.
    pub(super) first: bool,
    pub(super) retry: Retry,
}

/// A commit that waits for everything before EndTxn, or for EndTxn.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct ExpectCommit {
    /// A copy of EndTxn was offered to a socket: no way back.
    pub(super) handed_over: bool,
    pub(super) trace: CommitTrace,
    pub(super) retry: Retry,
}

/// What an attempt to commit leaves behind, even if it turns into an abort.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct CommitTrace {
    /// A copy of EndTxn(commit) may have been applied although no answer says so.
    pub(super) uncertain: bool,
    /// The caller gave up and was told `Unknown`.
    pub(super) told: bool,
}

/// An abort that waits for everything before EndTxn, or for EndTxn.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ExpectAbort {
    pub(super) cause: AbortCause,
    pub(super) trace: CommitTrace,
    /// EndTxn(abort) was sent: from then on the coordinator may give the next epoch to anybody.
    pub(super) sent: bool,
    /// InitProducerId was refused as fenced although nobody else can have been given this epoch's
    /// successor: ask on behalf of that successor.
    pub(super) successor: bool,
    pub(super) retry: Retry,
}

impl ExpectAbort {
    pub(super) fn new(cause: AbortCause, trace: CommitTrace) -> Self {
        Self {
            cause,
            trace,
            sent: false,
            successor: false,
            retry: Retry::default(),
        }
    }
}

impl Phase {
    pub(super) fn state(&self) -> State {
        match self {
            Self::Uninitialized => State::Uninitialized,
            Self::Initializing(_) => State::Initializing,
            Self::Ready => State::Ready,
            Self::InTransaction(_) => State::InTransaction,
            Self::AbortableError { .. } => State::AbortableError,
            Self::Committing { .. } => State::Committing,
            Self::Aborting { .. } => State::Aborting,
            Self::FatalError(_) => State::FatalError,
        }
    }

    pub(super) fn open(&self) -> Option<&Open> {
        match self {
            Self::InTransaction(open)
            | Self::AbortableError { open, .. }
            | Self::Committing { open, .. }
            | Self::Aborting { open, .. } => Some(open),
            Self::Uninitialized | Self::Initializing(_) | Self::Ready | Self::FatalError(_) => None,
        }
    }

    pub(super) fn open_mut(&mut self) -> Option<&mut Open> {
        match self {
            Self::InTransaction(open)
            | Self::AbortableError { open, .. }
            | Self::Committing { open, .. }
            | Self::Aborting { open, .. } => Some(open),
            Self::Uninitialized | Self::Initializing(_) | Self::Ready | Self::FatalError(_) => None,
        }
    }
}
