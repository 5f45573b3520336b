//! The transaction manager: identity and transactions of one transactional id, free of records.
//!
//! It decides what coordinators are asked, in which order, and what their answers mean; it never
//! sees a record, a socket or a clock. Its owner (the engine) calls four kinds of method, and
//! after any of the first two drains the third until both return `None`:
//!
//! - commands: [`initialize`](TransactionManager::initialize), [`begin`](TransactionManager::begin),
//!   [`add_partition`](TransactionManager::add_partition),
//!   [`send_offsets`](TransactionManager::send_offsets), [`commit`](TransactionManager::commit),
//!   [`abort`](TransactionManager::abort), [`fail`](TransactionManager::fail),
//!   [`fence_unresolved`](TransactionManager::fence_unresolved),
//!   [`give_up`](TransactionManager::give_up);
//! - inputs `handle_*`: batches drained, a request handed over, a request completed;
//! - outputs: [`poll_event`](TransactionManager::poll_event), then
//!   [`poll_request`](TransactionManager::poll_request), then
//!   [`poll_timeout`](TransactionManager::poll_timeout);
//! - getters.
//!
//! ```text
//!                    initialize                 begin
//!   Uninitialized ---------------> Initializing ------> Ready <--> InTransaction
//!                                       ^                 ^          |   |   |
//!                                       | bump            |   commit |   |   | fail
//!                                       +--------+--------+          |   |   v
//!                                                |        Committing<+   |  AbortableError
//!                                                |          |   |  abort |   | abort
//!                                                +----------+   v        v   v
//!                                                +------------ Aborting <----+
//!                     FatalError: from everywhere, for ever
//! ```
//!
//! The promises, each with a test of its name:
//! - a failed send forbids commit, whether or not the application looked at it;
//! - EndTxn leaves after every answer it depends on, and after the last batch;
//! - an identity whose EndTxn is in doubt is never written with again: the same EndTxn is repeated
//!   until it is answered, and on TV1 a new epoch is fetched before the next transaction;
//! - `Committed` and `Aborted` are said only of what is certain; anything else is `Unknown`;
//! - the first fatal cause stays.

mod command;
mod completion;
mod config;
mod ending;
mod error;
mod event;
mod open;
mod phase;
#[cfg(feature = "plants")]
mod plants;
mod poll;
mod request;
mod retry;
#[cfg(test)]
mod tests;
mod verdict;

use std::collections::VecDeque;
use std::fmt;
use std::time::Instant;

use milena_cluster::ProducerIdentity;

pub use self::config::TransactionConfig;
pub use self::error::{
    AbortCause, BeginError, Failure, FatalCause, InitError, TransactionStateError,
};
pub use self::event::{Ending, Event, GaveUp};
use self::open::{Flavour, Open, Work};
use self::phase::Phase;
pub use self::phase::State;
pub use self::request::{
    CommittedOffset, OffsetsToCommit, Request, RequestId, RequestKind, Response,
};

/// Counts transactions: it grows by one with each `begin`, and every batch belongs to one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub u64);

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// May a batch go to a partition?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use = "a batch that goes to a partition outside the transaction is torn from it"]
pub enum AddPartition {
    /// Yes.
    Ready,
    /// Not yet: ask again after [`Event::PartitionsAdded`].
    Pending,
    /// No: the transaction takes no new partition any more.
    Refused,
}

/// Identity and transactions of one transactional id. See the [module](self).
#[derive(Clone, Debug)]
pub struct TransactionManager {
    config: TransactionConfig,
    rng: fastrand::Rng,
    phase: Phase,
    identity: ProducerIdentity,
    generation: Generation,
    /// The finalized feature as now known; takes effect at `begin`.
    transaction_version: i16,
    /// How the last transaction under this identity spoke: the other way needs a new epoch first,
    /// or a late request of the old way would be welcome.
    spoken: Option<Flavour>,
    /// At most one: a coordinator gives requests of one producer no order.
    in_flight: Option<InFlight>,
    requests: u64,
    events: VecDeque<Event>,
    #[cfg(test)]
    sabotage: tests::Sabotage,
}

#[derive(Clone, Debug)]
struct InFlight {
    id: RequestId,
    work: Work,
}

impl TransactionManager {
    /// A manager that does nothing until `initialize`. The seed drives the jitter of its waits.
    pub fn new(config: TransactionConfig, seed: u64) -> Self {
        Self {
            config,
            rng: fastrand::Rng::with_seed(seed),
            phase: Phase::Uninitialized,
            identity: ProducerIdentity::NONE,
            generation: Generation(0),
            transaction_version: 0,
            spoken: None,
            in_flight: None,
            requests: 0,
            events: VecDeque::new(),
            #[cfg(test)]
            sabotage: tests::Sabotage::None,
        }
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        self.phase.state()
    }

    /// What it was made with.
    pub fn config(&self) -> &TransactionConfig {
        &self.config
    }

    /// What batches are stamped with.
    pub fn identity(&self) -> ProducerIdentity {
        self.identity
    }

    /// The transaction that is open or was open last.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// The open transaction has something to end at the coordinator, or may have.
    pub fn is_started(&self) -> bool {
        self.phase.open().is_some_and(|open| {
            open.started() || !open.partitions.asked.is_empty() || open.offsets.uncertain.is_some()
        })
    }

    /// The open transaction speaks TV2: Produce 12 or later, nothing to register. `None` outside a
    /// transaction.
    pub fn is_transaction_v2(&self) -> Option<bool> {
        self.phase.open().map(|open| open.flavour.is_v2())
    }

    /// EndTxn(commit) was handed over: it can no longer be taken back.
    pub fn end_handed_over(&self) -> bool {
        matches!(&self.phase, Phase::Committing { commit, .. } if commit.handed_over)
    }

    /// An EndTxn(commit) that was polled, not yet handed over, and is not wanted any more. The abort
    /// waits for it: to recall it ([`SendFailure::Recalled`](milena_cluster::SendFailure)) saves
    /// that wait.
    pub fn wanted_back(&self) -> Option<RequestId> {
        let request = self.in_flight.as_ref()?;
        let commit = request.work == (Work::EndTxn { committing: true });
        (commit && self.state() == State::Aborting).then_some(request.id)
    }

    /// The open transaction carries offsets: after an unknown outcome, reading them back decides.
    pub fn has_offsets(&self) -> bool {
        self.phase.open().is_some_and(|open| open.offsets.any)
    }

    /// When the open transaction first tried to register anything: the coordinator's time-out runs
    /// from about then.
    pub fn open_since(&self) -> Option<Instant> {
        self.phase.open().and_then(Open::started_at)
    }

    /// Why it is of no more use.
    pub fn fatal_cause(&self) -> Option<&FatalCause> {
        match &self.phase {
            Phase::FatalError(cause) => Some(cause),
            _ => None,
        }
    }

    /// Why the open transaction can only be aborted, or is being aborted.
    pub fn abort_cause(&self) -> Option<&AbortCause> {
        match &self.phase {
            Phase::AbortableError { cause, .. } => Some(cause),
            Phase::Aborting { abort, .. } => Some(&abort.cause),
            _ => None,
        }
    }

    fn in_flight_work(&self) -> Option<&Work> {
        self.in_flight.as_ref().map(|request| &request.work)
    }
}
