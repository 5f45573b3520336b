//! What a transactional producer's callers wait for, beside the manager that decides.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[cfg(feature = "plants")]
use milena_cluster::plants::{Plant, is_planted};
use milena_cluster::{FinalizedFeatures, ProducerIdentity, TopicPartition};
use milena_producer::transaction::InitError as ManagerInitError;
use milena_producer::transaction::{
    AbortCause, AddPartition, Ending, Failure, FatalCause, Generation, OffsetsToCommit, RequestId,
    State, TransactionConfig, TransactionManager,
};

use super::{TransactionCore, witness};
use crate::command::Waiting;
use crate::handles::{AbortError, CommitError, InitError, OffsetsError, TransactionOutcome};

impl TransactionCore {
    pub(in crate::engine) fn new(
        config: TransactionConfig,
        features: &FinalizedFeatures,
        seed: u64,
    ) -> Self {
        let mut manager = TransactionManager::new(config, seed);
        manager.set_transaction_version(features.transaction_version);
        Self {
            manager,
            initialize: None,
            begin: None,
            offsets: VecDeque::new(),
            commit: None,
            abort: None,
            resolve: Vec::new(),
            outcome: None,
            outcome_pending: false,
            parked: Vec::new(),
            node: None,
            call: None,
            witness: witness::Witness::default(),
        }
    }

    pub(in crate::engine) fn transactional_id(&self) -> Arc<str> {
        Arc::clone(&self.manager.config().transactional_id)
    }

    pub(in crate::engine) fn is_v2(&self) -> bool {
        self.manager.is_transaction_v2() == Some(true)
    }

    /// The identity to stamp batches with; none while there is no transaction to write in.
    pub(in crate::engine) fn identity_for_sends(&self) -> ProducerIdentity {
        match self.manager.state() {
            State::InTransaction | State::Committing => self.manager.identity(),
            _ => ProducerIdentity::NONE,
        }
    }

    pub(in crate::engine) fn admits(&mut self, partition: &TopicPartition) -> bool {
        self.manager.add_partition(partition) == AddPartition::Ready
    }

    #[cfg(feature = "plants")]
    pub(in crate::engine) fn plant_acknowledged(&mut self) {
        self.manager.plant_acknowledged();
    }

    pub(in crate::engine) fn handle_handed_over(&mut self, id: RequestId) {
        self.manager.handle_handed_over(id);
    }

    pub(in crate::engine) fn poll_timeout(&self) -> Option<Instant> {
        let replies = [
            self.initialize.as_ref().map(|waiting| waiting.deadline),
            self.begin.as_ref().map(|waiting| waiting.deadline),
            self.offsets.front().map(|waiting| waiting.deadline),
            self.commit.as_ref().map(|waiting| waiting.deadline),
            self.abort.as_ref().map(|waiting| waiting.deadline),
            self.manager.poll_timeout(),
        ];
        replies
            .into_iter()
            .flatten()
            .chain(self.resolve.iter().map(|waiting| waiting.deadline))
            .min()
    }

    /// Whether a closing producer has nothing left to end.
    pub(in crate::engine) fn is_settled(&self) -> bool {
        matches!(
            self.manager.state(),
            State::Uninitialized | State::Initializing | State::Ready | State::FatalError
        )
    }

    pub(super) fn is_open(&self, generation: u64) -> bool {
        self.manager.generation() == Generation(generation)
            && matches!(
                self.manager.state(),
                State::InTransaction | State::AbortableError
            )
    }

    pub(super) fn fatal(&self) -> Option<FatalCause> {
        self.manager.fatal_cause().cloned()
    }
}

impl TransactionCore {
    pub(super) fn initialize(&mut self, now: Instant, waiting: Waiting<Result<(), InitError>>) {
        match self.manager.initialize(now) {
            Ok(()) => self.initialize = Some(waiting),
            Err(ManagerInitError::Fatal(cause)) => {
                waiting.reply.send(Err(InitError::Fatal(cause)));
            }
            Err(_) => waiting.reply.send(Ok(())),
        }
    }

    pub(super) fn refuse_send(
        &mut self,
        now: Instant,
        generation: u64,
        topic: Arc<str>,
        reason: Arc<str>,
    ) {
        // The record had not got as far as a partition.
        let partition = TopicPartition {
            topic,
            partition: -1,
        };
        let failure = Failure::Abortable {
            cause: AbortCause::SendFailed { partition, reason },
            bump: false,
        };
        self.manager.fail(now, Generation(generation), failure);
    }

    pub(super) fn send_offsets(
        &mut self,
        now: Instant,
        generation: u64,
        offsets: &OffsetsToCommit,
        waiting: Waiting<Result<(), OffsetsError>>,
    ) {
        if !self.is_open(generation) {
            waiting.reply.send(Err(self
                .fatal()
                .map_or(OffsetsError::TransactionOver, OffsetsError::Fatal)));
            return;
        }
        if offsets.offsets.is_empty() && self.manager.state() == State::InTransaction {
            // A group's coordinator does nothing about no offsets, so on TV2 there would be nothing for the commit to end,
            // which the transaction's coordinator takes for a bug.
            waiting.reply.send(Ok(()));
            return;
        }
        let offsets = Arc::new(
            self.witness
                .mark(offsets, self.manager.identity(), generation),
        );
        match self.manager.send_offsets(now, offsets) {
            Ok(()) => self.offsets.push_back(waiting),
            Err(_) => waiting.reply.send(Err(OffsetsError::TransactionOver)),
        }
    }

    pub(super) fn answer_offsets(&mut self, answer: Result<(), OffsetsError>) {
        if let Some(waiting) = self.offsets.pop_front() {
            waiting.reply.send(answer);
        }
    }

    /// Nobody knows whether the offsets will join: the transaction can only be aborted.
    pub(super) fn offsets_timed_out(&mut self, now: Instant) {
        let Some(waiting) = self.offsets.front() else {
            return;
        };
        let waited = waiting.waited();
        let generation = self.manager.generation();
        if let Some(waiting) = self.offsets.front_mut() {
            // Answered by the manager's own event, in order; here only the wait ends.
            waiting.deadline += Duration::from_secs(365 * 24 * 3600);
            let (spare, _) = crate::reply::reply();
            std::mem::replace(&mut waiting.reply, spare)
                .send(Err(OffsetsError::TimedOut { waited }));
        }
        self.manager.fail(
            now,
            generation,
            Failure::Abortable {
                cause: AbortCause::DeadlinePassed,
                bump: false,
            },
        );
    }

    pub(super) fn end(&mut self, ending: Ending) {
        let outcome = match (outcome(ending), self.fatal()) {
            // A refused send may have started it; that this producer can do no more is the greater news.
            (TransactionOutcome::Aborted(_), Some(cause)) => {
                TransactionOutcome::Aborted(AbortCause::Fatal(cause))
            }
            (outcome, _) => outcome,
        };
        self.outcome = Some(outcome.clone());
        if outcome == TransactionOutcome::Unknown
            && self.witness.can_tell()
            && self.fatal().is_some()
        {
            // The commit's reply waits for what the group's offsets say.
            self.witness.wanted = true;
            return;
        }
        self.answer_end(outcome);
    }

    pub(super) fn answer_end(&mut self, outcome: TransactionOutcome) {
        if let Some(waiting) = self.commit.take() {
            waiting.reply.send(match outcome {
                TransactionOutcome::Committed => Ok(()),
                TransactionOutcome::Aborted(cause) => Err(CommitError::Aborted { cause }),
                TransactionOutcome::Unknown => {
                    self.outcome_pending = true;
                    Err(CommitError::Unknown)
                }
            });
        }
        if let Some(waiting) = self.abort.take() {
            waiting.reply.send(Ok(()));
        }
    }

    pub(super) fn fail_all(&mut self, cause: &FatalCause) {
        // What was not sent yet is not wanted any more.
        self.parked.clear();
        if let Some(waiting) = self.initialize.take() {
            waiting.reply.send(Err(InitError::Fatal(cause.clone())));
        }
        if let Some(waiting) = self.abort.take() {
            waiting.reply.send(Err(AbortError::Fatal(cause.clone())));
        }
        while let Some(waiting) = self.offsets.pop_front() {
            waiting.reply.send(Err(OffsetsError::Fatal(cause.clone())));
        }
        if !self.witness.wanted && !self.witness.is_asking() && self.commit.is_some() {
            // Without an ending of its own: nothing of it was sent for commit.
            self.answer_end(TransactionOutcome::Aborted(AbortCause::Fatal(
                cause.clone(),
            )));
        }
    }
}

pub(super) fn outcome(ending: Ending) -> TransactionOutcome {
    match ending {
        Ending::Committed => TransactionOutcome::Committed,
        Ending::Aborted(cause) => TransactionOutcome::Aborted(cause),
        #[cfg(feature = "plants")]
        Ending::Unknown if is_planted(Plant::UnknownCommitTakenAsAborted) => {
            TransactionOutcome::Aborted(AbortCause::DeadlinePassed)
        }
        Ending::Unknown => TransactionOutcome::Unknown,
    }
}
