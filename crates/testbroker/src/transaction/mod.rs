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

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use milena_wire::ErrorCode;

pub(crate) use end::{EndAnswer, EndRequest};
pub(crate) use init::{InitAnswer, InitRequest};

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
}

impl TransactionState {
    /// Whether the end is decided but the markers are still to be written.
    pub fn is_prepared(self) -> bool {
        matches!(self, Self::PrepareCommit | Self::PrepareAbort)
    }
}

impl fmt::Display for TransactionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// What a test may know of a transactional id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionStateView {
    /// Its state.
    pub state: TransactionState,
    /// Its producer id.
    pub producer_id: i64,
    /// Its producer epoch, as the coordinator has it (in Prepare* already the next one under TV2).
    pub producer_epoch: i16,
    /// The epoch before, -1 if a new instance fenced it.
    pub last_producer_epoch: i16,
    /// Data partitions in the transaction.
    pub partitions: Vec<(String, i32)>,
    /// Whether offsets of some group are in the transaction.
    pub has_offsets: bool,
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
    pub(crate) partitions: BTreeSet<Participant>,
    /// Whether the client ended (or the broker aborted) this transaction under TV2.
    pub(crate) epoch_bump: bool,
    pub(crate) timeout_timer: Option<TimerKey>,
}

impl Transaction {
    pub(crate) fn new(producer_id: i64, timeout: Duration) -> Self {
        Self {
            producer_id,
            previous_producer_id: -1,
            epoch: -1,
            last_epoch: -1,
            next_producer_id: None,
            timeout,
            state: TransactionState::Empty,
            partitions: BTreeSet::new(),
            epoch_bump: false,
            timeout_timer: None,
        }
    }

    pub(crate) fn is_epoch_exhausted(&self) -> bool {
        self.epoch >= EPOCH_LAST
    }

    /// Adds partitions for a client that names `identity`. `checks_pending_first` is Kafka 4's
    /// order; 3.9 looks at the identity before it answers CONCURRENT_TRANSACTIONS. True if this
    /// opened the transaction.
    pub(crate) fn add(
        &mut self,
        identity: Identity,
        partitions: impl IntoIterator<Item = Participant>,
        checks_pending_first: bool,
    ) -> Result<bool, ErrorCode> {
        if checks_pending_first && self.state.is_prepared() {
            return Err(ErrorCode::CONCURRENT_TRANSACTIONS);
        }
        self.check_identity(identity)?;
        if self.state.is_prepared() {
            return Err(ErrorCode::CONCURRENT_TRANSACTIONS);
        }
        let opened = self.state != TransactionState::Ongoing;
        self.state = TransactionState::Ongoing;
        self.previous_producer_id = self.producer_id;
        self.partitions.extend(partitions);
        Ok(opened)
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
    pub(crate) fn complete(&mut self) {
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

    fn check_identity(&self, identity: Identity) -> Result<(), ErrorCode> {
        if self.producer_id != identity.producer_id {
            Err(ErrorCode::INVALID_PRODUCER_ID_MAPPING)
        } else if self.epoch != identity.epoch {
            Err(ErrorCode::PRODUCER_FENCED)
        } else {
            Ok(())
        }
    }

    pub(crate) fn view(&self) -> TransactionStateView {
        let data = |(topic, _): &&Participant| **topic != *crate::cluster::OFFSETS_TOPIC;
        TransactionStateView {
            state: self.state,
            producer_id: self.producer_id,
            producer_epoch: self.epoch,
            last_producer_epoch: self.last_epoch,
            partitions: self
                .partitions
                .iter()
                .filter(data)
                .map(|(topic, partition)| (topic.to_string(), *partition))
                .collect(),
            has_offsets: self
                .partitions
                .iter()
                .any(|participant| !data(&participant)),
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

/// All transactional ids, and the producer ids handed out.
#[derive(Clone, Debug)]
pub(crate) struct Transactions {
    pub(crate) by_id: BTreeMap<Arc<str>, Transaction>,
    next_producer_id: i64,
}

impl Transactions {
    pub(crate) fn new() -> Self {
        Self {
            by_id: BTreeMap::new(),
            next_producer_id: 1_000,
        }
    }

    /// Runs `change` on a transactional id, with a source of one new producer id. An unknown id is
    /// INVALID_PRODUCER_ID_MAPPING.
    pub(crate) fn with_fresh_id<T>(
        &mut self,
        id: &str,
        change: impl FnOnce(&mut Transaction, &mut dyn FnMut() -> i64) -> T,
    ) -> Result<T, ErrorCode> {
        let Some(transaction) = self.by_id.get_mut(id) else {
            return Err(ErrorCode::INVALID_PRODUCER_ID_MAPPING);
        };
        let next = &mut self.next_producer_id;
        let mut fresh_id = || {
            *next += 1;
            *next - 1
        };
        Ok(change(transaction, &mut fresh_id))
    }

    pub(crate) fn allocate_producer_id(&mut self) -> i64 {
        let allocated = self.next_producer_id;
        self.next_producer_id += 1;
        allocated
    }
}
