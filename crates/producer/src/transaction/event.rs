//! What the manager reports.

use std::sync::Arc;

use milena_cluster::{CoordinatorKey, NodeId, ProducerIdentity};
use milena_wire::ErrorCode;

use super::error::{AbortCause, FatalCause};
use super::request::OffsetsToCommit;

/// Something that happened, for whoever waits for it.
///
/// Every begun transaction gets exactly one [`Event::Ended`]; one that ended as
/// [`Ending::Unknown`] because of [`give_up`](super::TransactionManager::give_up) gets one
/// [`Event::Resolved`] later. Every accepted
/// [`send_offsets`](super::TransactionManager::send_offsets) gets exactly one
/// [`Event::OffsetsAdded`] or [`Event::OffsetsFailed`], in the order of the calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// `initialize` is done: older instances are fenced, a transaction may begin.
    Initialized(ProducerIdentity),
    /// `initialize` was refused, and may be called again (KAFKA-13668: an authorization that is
    /// granted later must not need a new producer).
    InitializeFailed(ErrorCode),
    /// Pending partitions were registered: ask
    /// [`add_partition`](super::TransactionManager::add_partition) again.
    PartitionsAdded,
    /// The group's coordinator has the offsets; they become visible with the commit.
    OffsetsAdded(Arc<OffsetsToCommit>),
    /// The offsets were refused or given up with the transaction.
    OffsetsFailed(AbortCause),
    /// A new identity: every partition's sequence starts again at 0. Always before the event that
    /// lets the next transaction begin.
    IdentityChanged(ProducerIdentity),
    /// The transaction failed: it can only be aborted. A commit that was under way turns into an
    /// abort by itself.
    Failed(AbortCause),
    /// The transaction is over.
    Ended(Ending),
    /// What became of the transaction whose caller gave up waiting.
    Resolved(Ending),
    /// The manager is of no more use; only the first cause is reported.
    Fatal(FatalCause),
    /// The coordinator did not answer or is not the coordinator any more: look it up again. The
    /// node is told if it is known.
    CoordinatorLost(CoordinatorKey, Option<NodeId>),
}

/// How a transaction ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    /// Committed for certain.
    Committed,
    /// Aborted for certain: nothing of it will ever be seen by a read_committed consumer.
    Aborted(AbortCause),
    /// EndTxn(commit) may have been applied, and nobody can be asked (any more).
    Unknown,
}

/// What [`give_up`](super::TransactionManager::give_up) did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GaveUp {
    /// Nothing was being waited for.
    Nothing,
    /// Still at work, and the outcome is not in doubt: an identity is asked for, or the
    /// transaction is being aborted (a commit whose EndTxn was not polled turned into an abort).
    Pending,
    /// EndTxn(commit) was handed over, or may be at any moment: `Ended(Unknown)` was reported,
    /// `Resolved` follows.
    Unknown,
}
