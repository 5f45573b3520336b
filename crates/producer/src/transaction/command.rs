//! What the owner of the manager wants.

use std::mem;
use std::sync::Arc;
use std::time::Instant;

use milena_cluster::TopicPartition;
#[cfg(feature = "plants")]
use milena_cluster::plants::{Plant, is_planted};

use super::error::{AbortCause, BeginError, Failure, InitError, TransactionStateError};
use super::event::{Ending, Event, GaveUp};
use super::open::{Flavour, OffsetsJob, Open, Work};
use super::phase::{ExpectAbort, ExpectCommit, ExpectIdentity, Phase};
use super::request::OffsetsToCommit;
use super::retry::Retry;
use super::{AddPartition, Generation, TransactionManager};

impl TransactionManager {
    /// Asks for the first identity, which fences every older instance of the transactional id.
    /// Calling it again while that is under way changes nothing: a caller whose deadline passed
    /// comes back this way.
    pub fn initialize(&mut self, _now: Instant) -> Result<(), InitError> {
        match &self.phase {
            Phase::Uninitialized => {
                self.phase = Phase::Initializing(ExpectIdentity {
                    first: true,
                    retry: Retry::default(),
                });
                Ok(())
            }
            Phase::Initializing(expect) if expect.first => Ok(()),
            Phase::FatalError(cause) => Err(InitError::Fatal(cause.clone())),
            Phase::Initializing(_)
            | Phase::Ready
            | Phase::InTransaction(_)
            | Phase::AbortableError { .. }
            | Phase::Committing { .. }
            | Phase::Aborting { .. } => Err(InitError::AlreadyInitialized),
        }
    }

    /// Tells the finalized `transaction.version` of the cluster. It takes effect with the next
    /// `begin`; a change since the last transaction fetches a new epoch first. It must never be
    /// guessed from request versions: brokers offer EndTxn 5 long before they mean it.
    pub fn set_transaction_version(&mut self, version: i16) {
        self.transaction_version = version;
        if matches!(self.phase, Phase::Ready) && self.speaks_differently() {
            self.expect_bump();
        }
    }

    /// Opens a transaction. Purely local; the transaction version holds until its end.
    pub fn begin(&mut self, now: Instant) -> Result<Generation, BeginError> {
        match &self.phase {
            Phase::Ready => {}
            Phase::Uninitialized => return Err(BeginError::NotInitialized),
            Phase::Initializing(_) => return Err(BeginError::IdentityPending),
            Phase::InTransaction(_) | Phase::AbortableError { .. } => {
                return Err(BeginError::TransactionOpen);
            }
            Phase::Committing { .. } => {
                return Err(BeginError::OutcomePending { committing: true });
            }
            Phase::Aborting { .. } => return Err(BeginError::OutcomePending { committing: false }),
            Phase::FatalError(cause) => return Err(BeginError::Fatal(cause.clone())),
        }
        self.generation.0 += 1;
        let flavour = Flavour::of(self.transaction_version);
        self.phase = Phase::InTransaction(Box::new(Open::new(flavour, now)));
        Ok(self.generation)
    }

    /// Before a batch goes to a partition: may it? On TV2 the brokers register the partition with
    /// the first batch, so the attempt alone gives the transaction something to end.
    pub fn add_partition(&mut self, partition: &TopicPartition) -> AddPartition {
        let (open, takes_new) = match &mut self.phase {
            Phase::InTransaction(open) => (open, true),
            // What was accepted before the commit still goes out.
            Phase::Committing { open, .. } => {
                let takes_new = !open.drained;
                (open, takes_new)
            }
            // Only to learn what became of batches that were sent already.
            Phase::AbortableError { open, .. } | Phase::Aborting { open, .. } => (open, false),
            Phase::Uninitialized | Phase::Initializing(_) | Phase::Ready | Phase::FatalError(_) => {
                return AddPartition::Refused;
            }
        };
        if open.partitions.registered.contains(partition) {
            return AddPartition::Ready;
        }
        if !takes_new {
            return AddPartition::Refused;
        }
        if open.flavour.is_v2() {
            open.set_started();
            open.partitions.registered.insert(partition.clone());
            return AddPartition::Ready;
        }
        if !open.partitions.asked.contains(partition) {
            open.partitions.wanted.insert(partition.clone());
        }
        AddPartition::Pending
    }

    /// Adds a group's offsets to the transaction. Each accepted call is answered by `OffsetsAdded`
    /// or `OffsetsFailed`, in order.
    pub fn send_offsets(
        &mut self,
        now: Instant,
        offsets: Arc<OffsetsToCommit>,
    ) -> Result<(), TransactionStateError> {
        self.see(now);
        let Phase::InTransaction(open) = &mut self.phase else {
            return Err(self.refusal());
        };
        let group = offsets.group.group.clone();
        if open.offsets.in_doubt.contains(&group) {
            let cause = AbortCause::OffsetsInDoubt { group };
            self.fail_open(cause.clone(), false);
            return Err(TransactionStateError::MustAbort(cause));
        }
        open.offsets.any = true;
        open.offsets.jobs.push_back(OffsetsJob {
            offsets,
            unsure: false,
            reported: false,
        });
        if open.flavour.is_v2() {
            open.set_started();
        }
        Ok(())
    }

    /// Commits: EndTxn goes out after everything it depends on was answered and
    /// [`handle_drained`](Self::handle_drained) was called. Calling it again while it is under way
    /// changes nothing.
    pub fn commit(&mut self, now: Instant) -> Result<(), TransactionStateError> {
        self.see(now);
        self.phase = match mem::replace(&mut self.phase, Phase::Uninitialized) {
            Phase::InTransaction(open) => Phase::Committing {
                open,
                commit: ExpectCommit::default(),
            },
            #[cfg(test)]
            Phase::AbortableError { open, .. }
                if self.sabotage == super::tests::Sabotage::CommitDespiteFailure =>
            {
                Phase::Committing {
                    open,
                    commit: ExpectCommit::default(),
                }
            }
            phase @ Phase::Committing { .. } => phase,
            phase => {
                self.phase = phase;
                return Err(self.refusal());
            }
        };
        Ok(())
    }

    /// Aborts. A commit is taken back as long as its EndTxn was not handed over. Calling it again
    /// while it is under way changes nothing.
    pub fn abort(&mut self, now: Instant) -> Result<(), TransactionStateError> {
        self.see(now);
        match &self.phase {
            Phase::InTransaction(_) | Phase::AbortableError { .. } => {}
            Phase::Aborting { .. } => return Ok(()),
            Phase::Committing { commit, .. } if !commit.handed_over => {}
            Phase::Committing { .. } => return Err(TransactionStateError::CommitUnderWay),
            Phase::Uninitialized | Phase::Initializing(_) | Phase::Ready | Phase::FatalError(_) => {
                return Err(self.refusal());
            }
        }
        self.turn_to_abort(AbortCause::Requested);
        self.settle();
        Ok(())
    }

    /// A send of that generation failed: the transaction can only be aborted, and a commit that is
    /// under way becomes an abort. A failure of an older generation changes nothing (KAFKA-14830:
    /// the transaction it belonged to is over), nor does one after EndTxn(commit) went out, since
    /// `handle_drained` has vouched that nothing was left to fail.
    pub fn fail(&mut self, now: Instant, generation: Generation, failure: Failure) {
        if generation != self.generation || self.phase.open().is_none() || self.commit_is_out() {
            return;
        }
        #[cfg(feature = "plants")]
        if is_planted(Plant::CommitInSpiteOfFailedSend)
            && matches!(failure, Failure::Abortable { .. })
        {
            return;
        }
        self.see(now);
        match failure {
            Failure::Abortable { cause, bump } => self.fail_open(cause, bump),
            Failure::Fatal(cause) => self.fatal(cause),
        }
        self.settle();
    }

    /// A stamped batch of the open transaction stays unresolved: it may reach the log late. The
    /// transaction can only be aborted, at once, by what bumps the epoch (InitProducerId on TV1,
    /// EndTxn on TV2): the markers of that abort carry the newer epoch, which keeps the batch out of
    /// the log and of the next transaction (KAFKA-14402). It does not wait for
    /// [`handle_drained`](Self::handle_drained), which could take for ever.
    pub fn fence_unresolved(&mut self) {
        if self.commit_is_out() {
            return;
        }
        match &mut self.phase {
            Phase::InTransaction(open)
            | Phase::AbortableError { open, .. }
            | Phase::Committing { open, .. } => open.fence = true,
            Phase::Aborting { open, abort } if !abort.sent => open.fence = true,
            Phase::Aborting { open, .. } => {
                open.lost_answer();
                return;
            }
            Phase::Uninitialized | Phase::Initializing(_) | Phase::Ready | Phase::FatalError(_) => {
                return;
            }
        }
        self.fail_open(AbortCause::Unresolved, false);
    }

    /// The caller's deadline passed. What is under way goes on. A commit whose EndTxn was not polled
    /// becomes an abort, for certain. One whose EndTxn waits to be handed over is wanted back
    /// ([`wanted_back`](Self::wanted_back)), and may be too far gone; one that was handed over is
    /// seen through: both are reported as `Unknown`, and as `Resolved` once it is known.
    pub fn give_up(&mut self, now: Instant) -> GaveUp {
        self.see(now);
        let is_out = self.commit_is_out();
        match &mut self.phase {
            Phase::Committing { commit, .. } if is_out => {
                let handed_over = commit.handed_over;
                if !mem::replace(&mut commit.trace.told, true) {
                    self.events.push_back(Event::Ended(Ending::Unknown));
                }
                if !handed_over {
                    self.turn_to_abort(AbortCause::DeadlinePassed);
                }
                GaveUp::Unknown
            }
            Phase::Committing { .. } => {
                self.turn_to_abort(AbortCause::DeadlinePassed);
                self.settle();
                GaveUp::Pending
            }
            // A commit was given up or taken back before, and may yet turn out to be too far gone.
            // Or one whose answer was lost was refused when it was repeated: only the answer to the abort settles it.
            Phase::Aborting { abort, .. } if is_out || abort.trace.uncertain => {
                if !mem::replace(&mut abort.trace.told, true) {
                    self.events.push_back(Event::Ended(Ending::Unknown));
                }
                GaveUp::Unknown
            }
            Phase::Initializing(_) | Phase::Aborting { .. } => GaveUp::Pending,
            Phase::Uninitialized
            | Phase::Ready
            | Phase::InTransaction(_)
            | Phase::AbortableError { .. }
            | Phase::FatalError(_) => GaveUp::Nothing,
        }
    }

    /// The open transaction fails for `cause`; the first cause stays.
    pub(super) fn fail_open(&mut self, cause: AbortCause, bump: bool) {
        if let Some(open) = self.phase.open_mut() {
            open.bump |= bump && open.flavour == Flavour::V1;
        }
        match mem::replace(&mut self.phase, Phase::Uninitialized) {
            Phase::InTransaction(open) => {
                self.phase = Phase::AbortableError {
                    open,
                    cause: cause.clone(),
                };
                self.events.push_back(Event::Failed(cause.clone()));
                self.wind_up(&cause);
            }
            phase @ Phase::Committing { .. } => {
                self.phase = phase;
                self.events.push_back(Event::Failed(cause.clone()));
                self.turn_to_abort(cause);
            }
            phase => self.phase = phase,
        }
    }

    /// From any state with an open transaction, to `Aborting`.
    pub(super) fn turn_to_abort(&mut self, cause: AbortCause) {
        self.phase = match mem::replace(&mut self.phase, Phase::Uninitialized) {
            Phase::InTransaction(open) => Phase::Aborting {
                open,
                abort: ExpectAbort::new(cause, Default::default()),
            },
            Phase::AbortableError { open, cause } => Phase::Aborting {
                open,
                abort: ExpectAbort::new(cause, Default::default()),
            },
            Phase::Committing { open, commit } => Phase::Aborting {
                open,
                abort: ExpectAbort::new(cause, commit.trace),
            },
            phase => phase,
        };
        if let Phase::Aborting { abort, .. } = &self.phase {
            let cause = abort.cause.clone();
            self.wind_up(&cause);
        }
    }

    /// Drops what was never asked for, and tells those who wait for it.
    pub(super) fn wind_up(&mut self, cause: &AbortCause) {
        let in_flight = self.in_flight.as_ref().map(|request| &request.work);
        let Some(open) = self.phase.open_mut() else {
            return;
        };
        for _ in 0..open.wind_up(in_flight) {
            self.events.push_back(Event::OffsetsFailed(cause.clone()));
        }
    }

    /// EndTxn(commit) was sent, or may have been.
    fn commit_is_out(&self) -> bool {
        self.end_handed_over() || self.in_flight_work() == Some(&Work::EndTxn { committing: true })
    }

    /// Why a command that needs an open transaction is refused.
    fn refusal(&self) -> TransactionStateError {
        match &self.phase {
            Phase::AbortableError { cause, .. } => TransactionStateError::MustAbort(cause.clone()),
            Phase::FatalError(cause) => TransactionStateError::Fatal(cause.clone()),
            phase => TransactionStateError::NotOpen(phase.state()),
        }
    }
}
