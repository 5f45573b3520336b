//! The transaction coordinator's state (Kafka's `TransactionMetadata` and `TransactionCoordinator`).
//!
//! ```text
//!            add partitions                 end                     markers written
//!  Empty -----------------------> Ongoing -------> PrepareCommit --------------> CompleteCommit
//!    ^ ^                           |    \                                          |     |
//!    | |                           |     `------> PrepareAbort ----------------> CompleteAbort
//!    | `---------- InitProducerId (bump) ----------------------------------------- |     |
//!    |                             | <------------ add partitions -----------------'     |
//!    `--- InitProducerId           `<------------- add partitions -----------------------'
//! ```
//! While a transaction is in Prepare*, Kafka has the transition to Complete* pending, and a pending
//! transition answers CONCURRENT_TRANSACTIONS before anything else is looked at. TV2 also lets an
//! abort start from Empty and Complete*: it only raises the epoch.

mod end;
mod init;
mod store;
mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use milena_wire::{ErrorCode, Uuid};

pub(crate) use end::{EndAnswer, EndRequest};
pub(crate) use init::{InitAnswer, InitRequest};
pub(crate) use store::Transactions;
pub use view::TransactionStateView;

use crate::timers::TimerKey;

/// The epoch at which a producer id is used up: 32,767 itself is kept for fencing.
pub(crate) const EPOCH_LAST: i16 = i16::MAX - 1;

/// A partition that takes part in a transaction; committed offsets are in `OFFSETS_TOPIC`.
pub(crate) type Participant = (Arc<str>, i32);

/// Where a transactional id stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TransactionState {
    /// No transaction since InitProducerId.
    Empty,
    /// Partitions or offsets were added.
    Ongoing,
    /// The decision to commit is taken, the markers are not written.
    PrepareCommit,
    /// The decision to abort is taken, the markers are not written.
    PrepareAbort,
    /// Committed, every marker written.
    CompleteCommit,
    /// Aborted, every marker written.
    CompleteAbort,
    /// Expired and about to be forgotten. Never seen: forgetting takes no time here.
    Dead,
    /// The epoch is being raised so that the owner is fenced, before the abort. Never seen.
    PrepareEpochFence,
}

impl TransactionState {
    /// Whether the end is decided but the markers are still to be written.
    pub fn is_prepared(self) -> bool {
        matches!(self, Self::PrepareCommit | Self::PrepareAbort)
    }

    /// Whether an id in this state can expire.
    pub(crate) fn may_expire(self) -> bool {
        matches!(
            self,
            Self::Empty | Self::CompleteCommit | Self::CompleteAbort
        )
    }

    /// As DescribeTransactions and ListTransactions call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Ongoing => "Ongoing",
            Self::PrepareCommit => "PrepareCommit",
            Self::PrepareAbort => "PrepareAbort",
            Self::CompleteCommit => "CompleteCommit",
            Self::CompleteAbort => "CompleteAbort",
            Self::Dead => "Dead",
            Self::PrepareEpochFence => "PrepareEpochFence",
        }
    }

    pub(crate) fn of_name(name: &str) -> Option<Self> {
        let all = [
            Self::Empty,
            Self::Ongoing,
            Self::PrepareCommit,
            Self::PrepareAbort,
            Self::CompleteCommit,
            Self::CompleteAbort,
            Self::Dead,
            Self::PrepareEpochFence,
        ];
        all.into_iter().find(|state| state.name() == name)
    }
}

impl fmt::Display for TransactionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One transactional id.
#[derive(Clone, Debug)]
pub(crate) struct Transaction {
    pub(crate) producer_id: i64,
    /// The producer id before the last transition: tells a retry after a rotation from a stranger.
    pub(crate) previous_producer_id: i64,
    pub(crate) epoch: i16,
    pub(crate) last_epoch: i16,
    /// Set in Prepare* if the epochs are used up: the id the next transaction gets.
    pub(crate) next_producer_id: Option<i64>,
    pub(crate) timeout: Duration,
    pub(crate) state: TransactionState,
    /// In Prepare* those whose marker is still to be written.
    pub(crate) partitions: BTreeSet<Participant>,
    /// In Prepare* all partitions: what the next coordinator finds in the log.
    prepared_partitions: BTreeSet<Participant>,
    /// Of `partitions` those whose marker is written and that not all replicas in sync have yet.
    pub(crate) unreplicated: BTreeMap<Participant, Unreplicated>,
    /// Whether the client ended (or the broker aborted) this transaction under TV2.
    pub(crate) epoch_bump: bool,
    /// Milliseconds since 1970, -1 if there was no transaction yet.
    pub(crate) started_at: i64,
    pub(crate) updated_at: i64,
    /// When an open transaction has had its time.
    pub(crate) deadline: Option<Instant>,
    pub(crate) timeout_timer: Option<TimerKey>,
    /// A partition knows a newer epoch, so the markers are given up.
    pub(crate) markers_refused: Option<ErrorCode>,
    /// Epoch and last epoch as the log has them, if a fence raised them and could not be logged.
    unlogged_fence: Option<(i16, i16)>,
    /// The `transaction.version` of its last record: below 1 the record is an old one, which
    /// knows nothing of the producer ids before and behind.
    pub(crate) logged_under: i16,
}

/// A marker that was written and may be lost yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unreplicated {
    /// The topic it was written to, which may be another by the same name later.
    pub(crate) topic: Uuid,
    /// Behind it.
    pub(crate) end: i64,
    /// Of the leader that wrote it.
    pub(crate) leader_epoch: i32,
}

/// What adding partitions came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Added {
    /// They were there already: nothing is logged.
    Known,
    /// They joined an open transaction.
    Joined,
    /// They opened one.
    Opened,
}

impl Transaction {
    pub(crate) fn new(producer_id: i64, timeout: Duration, now: i64) -> Self {
        Self {
            producer_id,
            previous_producer_id: -1,
            epoch: -1,
            last_epoch: -1,
            next_producer_id: None,
            timeout,
            state: TransactionState::Empty,
            partitions: BTreeSet::new(),
            prepared_partitions: BTreeSet::new(),
            unreplicated: BTreeMap::new(),
            epoch_bump: false,
            started_at: -1,
            updated_at: now,
            deadline: None,
            timeout_timer: None,
            markers_refused: None,
            unlogged_fence: None,
            logged_under: 0,
        }
    }

    pub(crate) fn is_epoch_exhausted(&self) -> bool {
        self.epoch >= EPOCH_LAST
    }

    /// What it is on the way to: Kafka has the transition to Complete* pending as long as the
    /// markers are under way.
    pub(crate) fn pending(&self) -> Option<TransactionState> {
        match self.state {
            TransactionState::PrepareCommit => Some(TransactionState::CompleteCommit),
            TransactionState::PrepareAbort => Some(TransactionState::CompleteAbort),
            _ => None,
        }
    }

    /// Adds partitions for a client that names `identity`. `checks_pending_first` is Kafka 4's
    /// order; 3.9 looks at the identity before it answers CONCURRENT_TRANSACTIONS.
    pub(crate) fn add(
        &mut self,
        identity: Identity,
        partitions: &BTreeSet<Participant>,
        checks_pending_first: bool,
        now: i64,
    ) -> Result<Added, ErrorCode> {
        if checks_pending_first && self.state.is_prepared() {
            return Err(ErrorCode::CONCURRENT_TRANSACTIONS);
        }
        self.check_identity(identity)?;
        if self.state.is_prepared() {
            return Err(ErrorCode::CONCURRENT_TRANSACTIONS);
        }
        let opened = self.state != TransactionState::Ongoing;
        if !opened && partitions.is_subset(&self.partitions) {
            return Ok(Added::Known);
        }
        if opened {
            self.started_at = now;
        }
        self.state = TransactionState::Ongoing;
        self.previous_producer_id = self.producer_id;
        self.updated_at = now;
        self.partitions.extend(partitions.iter().cloned());
        Ok(if opened { Added::Opened } else { Added::Joined })
    }

    /// Whether `partition` is in the transaction of `identity` (AddPartitionsToTxn, verify only).
    pub(crate) fn verify(
        &self,
        identity: Identity,
        partition: &Participant,
    ) -> Result<(), ErrorCode> {
        self.check_identity(identity)?;
        if self.state.is_prepared() {
            return Err(ErrorCode::CONCURRENT_TRANSACTIONS);
        }
        if self.partitions.contains(partition) {
            Ok(())
        } else {
            Err(ErrorCode::TRANSACTION_ABORTABLE)
        }
    }

    /// Every marker is written.
    pub(crate) fn complete(&mut self, now: i64) {
        self.unlogged_fence = None;
        self.updated_at = now;
        self.state = match self.state {
            TransactionState::PrepareCommit => TransactionState::CompleteCommit,
            _ => TransactionState::CompleteAbort,
        };
        self.previous_producer_id = self.producer_id;
        // The last epoch stays at 32,766: the client saw 32,766 followed by 0 and may repeat an
        // EndTxn with it.
        if let Some(producer_id) = self.next_producer_id.take() {
            self.producer_id = producer_id;
            self.epoch = 0;
        }
        self.partitions.clear();
        self.prepared_partitions.clear();
        self.unreplicated.clear();
    }

    /// Another coordinator, or the same after a restart, reads it from the log
    /// (`TransactionLog.read`): the last epoch is not there, nor which markers are written.
    pub(crate) fn reload(&mut self) {
        if let Some((epoch, _)) = self.unlogged_fence.take() {
            self.epoch = epoch;
        }
        self.last_epoch = -1;
        if self.state == TransactionState::Empty {
            self.started_at = -1;
        }
        if self.logged_under < 1 {
            self.previous_producer_id = -1;
            self.next_producer_id = None;
            self.epoch_bump = false;
        }
        self.markers_refused = None;
        self.unreplicated.clear();
        if self.state.is_prepared() {
            self.partitions.clone_from(&self.prepared_partitions);
        }
    }

    /// A fence under TV1 could not be logged: the coordinator keeps the raised epoch in mind, and
    /// does not raise it again for the next try.
    pub(crate) fn keep_failed_fence(&mut self) {
        if self.unlogged_fence.is_none() {
            self.unlogged_fence = Some((self.epoch, self.last_epoch));
            self.epoch = self.epoch.saturating_add(1);
            self.last_epoch = -1;
        }
    }

    /// The identity the client may use next, which EndTxn v5 answers while still in Prepare*.
    pub(crate) fn identity_after_completion(&self) -> Identity {
        match self.next_producer_id {
            Some(producer_id) => Identity {
                producer_id,
                epoch: 0,
            },
            None => Identity {
                producer_id: self.producer_id,
                epoch: self.epoch,
            },
        }
    }

    /// Takes a partition out as if it had never been in; false if it was not.
    pub(crate) fn leave_out(&mut self, participant: &Participant) -> bool {
        self.prepared_partitions.remove(participant);
        self.unreplicated.remove(participant);
        self.partitions.remove(participant)
    }

    fn check_identity(&self, identity: Identity) -> Result<(), ErrorCode> {
        if self.producer_id != identity.producer_id {
            Err(ErrorCode::INVALID_PRODUCER_ID_MAPPING)
        } else if self.epoch != identity.epoch {
            Err(ErrorCode::PRODUCER_FENCED)
        } else {
            Ok(())
        }
    }
}

/// A producer id and epoch as they travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) producer_id: i64,
    pub(crate) epoch: i16,
}

impl Identity {
    pub(crate) const NONE: Self = Self {
        producer_id: -1,
        epoch: -1,
    };
}
