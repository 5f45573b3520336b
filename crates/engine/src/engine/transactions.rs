//! A transactional producer's calls: from the handles to the manager, from the manager to coordinators, and back.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use milena_cluster::{
    CoordinatorKey, FinalizedFeatures, NodeId, ProducerIdentity, Route, TopicPartition,
};
use milena_producer::transaction::{
    AbortCause, AddPartition, CommittedOffset, Ending, Event, Failure, FatalCause, GaveUp,
    Generation, OffsetsToCommit, Request, RequestId, RequestKind, State, TransactionConfig,
    TransactionManager,
};
use milena_producer::{DeliveryErrorKind, SenderFailure};
use milena_wire::ErrorCode;

use super::producing::Identity;
use super::{Engine, Owner, REST};
use crate::command::{CommittedPosition, QueryAnswer, TransactionCommand};
use crate::handles::{
    AbortError, BeginError, CommitError, InitError, OffsetsError, QueryError, TransactionOutcome,
};
use crate::reply::{Answer, Reply};
use crate::router::{CallOutcome, Target};

mod answers;
mod witness;

/// A coordinator request in flight.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) producer: usize,
    pub(super) id: RequestId,
    kind: RequestKind,
    node: NodeId,
}

/// A call that waits, and until when.
#[derive(Debug)]
struct Waiting<T> {
    reply: Reply<T>,
    since: Instant,
    deadline: Instant,
}

impl<T> Waiting<T> {
    fn waited(&self) -> Duration {
        self.deadline.duration_since(self.since)
    }
}

#[derive(Debug)]
pub(super) struct TransactionCore {
    manager: TransactionManager,
    initialize: Option<Waiting<Result<(), InitError>>>,
    begin: Option<Waiting<Result<u64, BeginError>>>,
    offsets: VecDeque<Waiting<Result<(), OffsetsError>>>,
    commit: Option<Waiting<Result<(), CommitError>>>,
    abort: Option<Waiting<Result<(), AbortError>>>,
    resolve: Vec<Waiting<TransactionOutcome>>,
    /// What became of the last transaction that ended.
    outcome: Option<TransactionOutcome>,
    /// The caller has not heard it: a commit was dropped, or ended Unknown.
    outcome_pending: bool,
    /// Requests whose coordinator is not known yet.
    parked: Vec<(RequestId, CoordinatorKey, Request)>,
    /// Where the request in flight went, to be forgotten if it is no coordinator any more.
    node: Option<NodeId>,
    witness: witness::Witness,
}

impl TransactionCore {
    pub(super) fn new(config: TransactionConfig, features: &FinalizedFeatures, seed: u64) -> Self {
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
            witness: witness::Witness::default(),
        }
    }

    pub(super) fn transactional_id(&self) -> Arc<str> {
        Arc::clone(&self.manager.config().transactional_id)
    }

    pub(super) fn is_v2(&self) -> bool {
        self.manager.is_transaction_v2() == Some(true)
    }

    /// The identity to stamp batches with; none while there is no transaction to write in.
    pub(super) fn identity_for_sends(&self) -> ProducerIdentity {
        match self.manager.state() {
            State::InTransaction | State::Committing => self.manager.identity(),
            _ => ProducerIdentity::NONE,
        }
    }

    pub(super) fn admits(&mut self, partition: &TopicPartition) -> bool {
        self.manager.add_partition(partition) == AddPartition::Ready
    }

    pub(super) fn handle_handed_over(&mut self, id: RequestId) {
        self.manager.handle_handed_over(id);
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
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
    pub(super) fn is_settled(&self) -> bool {
        matches!(
            self.manager.state(),
            State::Uninitialized | State::Initializing | State::Ready | State::FatalError
        )
    }

    fn is_open(&self, generation: u64) -> bool {
        self.manager.generation() == Generation(generation)
            && matches!(
                self.manager.state(),
                State::InTransaction | State::AbortableError
            )
    }

    fn fatal(&self) -> Option<FatalCause> {
        self.manager.fatal_cause().cloned()
    }
}

impl Engine {
    pub(super) fn handle_transaction_command(
        &mut self,
        now: Instant,
        producer: usize,
        command: TransactionCommand,
    ) {
        let Some(transaction) = self.transaction(producer) else {
            return;
        };
        match command {
            TransactionCommand::Initialize { deadline, reply } => {
                let started = transaction.manager.initialize(now);
                match started {
                    Ok(()) => {
                        transaction.initialize = Some(Waiting {
                            reply,
                            since: now,
                            deadline,
                        })
                    }
                    Err(milena_producer::transaction::InitError::Fatal(cause)) => {
                        reply.send(Err(InitError::Fatal(cause)))
                    }
                    Err(_) => reply.send(Ok(())),
                }
            }
            TransactionCommand::Begin { deadline, reply } => {
                transaction.begin = Some(Waiting {
                    reply,
                    since: now,
                    deadline,
                });
                // What is still open was forgotten: nobody else could call this.
                self.abandon_open_transaction(now, producer);
            }
            TransactionCommand::SendOffsets {
                generation,
                offsets,
                deadline,
                reply,
            } => {
                let waiting = Waiting {
                    reply,
                    since: now,
                    deadline,
                };
                transaction.send_offsets(now, generation, &offsets, waiting);
            }
            TransactionCommand::SendFailed {
                generation,
                topic,
                reason,
            } => {
                let cause = AbortCause::SendFailed {
                    partition: TopicPartition {
                        topic,
                        partition: -1,
                    },
                    reason,
                };
                transaction.manager.fail(
                    now,
                    Generation(generation),
                    Failure::Abortable { cause, bump: false },
                );
            }
            TransactionCommand::Commit {
                generation,
                deadline,
                reply,
            } => self.commit(
                now,
                producer,
                generation,
                Waiting {
                    reply,
                    since: now,
                    deadline,
                },
            ),
            TransactionCommand::CommitDropped { generation } => {
                self.commit_dropped(now, producer, generation)
            }
            TransactionCommand::Abort {
                generation,
                deadline,
                reply,
            } => {
                if transaction.is_open(generation) {
                    transaction.abort = Some(Waiting {
                        reply,
                        since: now,
                        deadline,
                    });
                    self.abort_open_transaction(now, producer);
                } else {
                    reply.send(Err(transaction
                        .fatal()
                        .map_or(AbortError::NotOpen, AbortError::Fatal)));
                }
            }
            TransactionCommand::Abandon { generation } => {
                if transaction.is_open(generation) {
                    self.abort_open_transaction(now, producer);
                }
            }
            TransactionCommand::Resolve { deadline, reply } => {
                transaction.resolve.push(Waiting {
                    reply,
                    since: now,
                    deadline,
                });
                self.abandon_open_transaction(now, producer);
            }
        }
    }

    pub(super) fn abandon_open_transaction(&mut self, now: Instant, producer: usize) {
        if self
            .transaction(producer)
            .is_some_and(|transaction| transaction.is_open(transaction.manager.generation().0))
        {
            self.abort_open_transaction(now, producer);
        }
    }

    fn transaction(&mut self, producer: usize) -> Option<&mut TransactionCore> {
        match &mut self.producers.get_mut(&producer)?.identity {
            Identity::Transactional(transaction) => Some(transaction),
            Identity::Idempotent(_) => None,
        }
    }

    fn commit(
        &mut self,
        now: Instant,
        producer: usize,
        generation: u64,
        waiting: Waiting<Result<(), CommitError>>,
    ) {
        let Some(transaction) = self.transaction(producer) else {
            return;
        };
        if !transaction.is_open(generation) {
            let error = match transaction.fatal() {
                Some(cause) => CommitError::Aborted {
                    cause: AbortCause::Fatal(cause),
                },
                None => CommitError::NotOpen,
            };
            waiting.reply.send(Err(error));
            return;
        }
        transaction.commit = Some(waiting);
        self.shut_gate(now, producer);
        let Some(transaction) = self.transaction(producer) else {
            return;
        };
        if transaction.manager.commit(now).is_err() {
            // A send has failed: the commit is refused, and what is left to do is to abort.
            self.abort_open_transaction(now, producer);
        }
    }

    fn commit_dropped(&mut self, now: Instant, producer: usize, generation: u64) {
        let Some(transaction) = self.transaction(producer) else {
            return;
        };
        if transaction.manager.generation() != Generation(generation) {
            return;
        }
        transaction.commit = None;
        transaction.outcome_pending = true;
        if transaction.manager.state() == State::Committing
            && !transaction.manager.end_handed_over()
        {
            self.abort_open_transaction(now, producer);
        }
    }

    /// Takes no more sends, and everything that was accepted out of the queues.
    fn shut_gate(&mut self, now: Instant, producer: usize) {
        let Some(core) = self.producers.get_mut(&producer) else {
            return;
        };
        if let Identity::Transactional(transaction) = &core.identity {
            core.accumulator()
                .shut_gate(transaction.manager.generation().0);
        }
        for slot in 0..core.partitions.len() {
            core.take_in(
                now,
                slot,
                &mut self.router,
                super::producing::Intake::Everything,
            );
        }
        core.mark_all_dirty();
    }

    fn abort_open_transaction(&mut self, now: Instant, producer: usize) {
        self.shut_gate(now, producer);
        if let Some(transaction) = self.transaction(producer) {
            // Refused only where nothing is open, or where the commit is on its way, which it then finishes.
            let _ = transaction.manager.abort(now);
        }
        self.abandon_sends(now, producer);
    }

    /// Gives up what was not sent. A hole in the sequences, or a batch that may still be written, asks for a new epoch.
    fn abandon_sends(&mut self, now: Instant, producer: usize) {
        let Some(core) = self.producers.get_mut(&producer) else {
            return;
        };
        core.abandon(now, &mut self.router);
        let hole = core
            .partitions
            .iter()
            .any(|partition| partition.sender.has_hole());
        let unresolved = core
            .partitions
            .iter()
            .any(|partition| partition.sender.is_unresolved());
        let Identity::Transactional(transaction) = &mut core.identity else {
            return;
        };
        let generation = transaction.manager.generation();
        if unresolved {
            transaction.manager.fence_unresolved();
        } else if hole {
            transaction.manager.fail(
                now,
                generation,
                Failure::Abortable {
                    cause: AbortCause::Requested,
                    bump: true,
                },
            );
        }
    }

    pub(super) fn send_failed(
        &mut self,
        now: Instant,
        producer: usize,
        slot: usize,
        failure: SenderFailure,
    ) {
        let Some(core) = self.producers.get_mut(&producer) else {
            return;
        };
        let partition = core.partitions[slot].partition.clone();
        let Identity::Transactional(transaction) = &mut core.identity else {
            return;
        };
        let generation = transaction.manager.generation();
        let failure = match failure {
            SenderFailure::Fatal(ErrorCode::PRODUCER_FENCED) => Failure::Fatal(FatalCause::Fenced),
            SenderFailure::Fatal(ErrorCode::INVALID_PRODUCER_ID_MAPPING) => {
                Failure::Fatal(FatalCause::MappingLost)
            }
            SenderFailure::Fatal(error) => {
                Failure::Fatal(FatalCause::SendRefused { partition, error })
            }
            SenderFailure::Abortable(DeliveryErrorKind::Refused(error)) => Failure::Abortable {
                cause: AbortCause::SendRefused { partition, error },
                bump: true,
            },
            SenderFailure::Abortable(_) => Failure::Abortable {
                cause: AbortCause::SendExpired {
                    partition,
                    unresolved: true,
                },
                bump: true,
            },
        };
        transaction.manager.fail(now, generation, failure);
    }

    pub(super) fn features_changed(&mut self) {
        let version = self.features.transaction_version;
        for core in self.producers.values_mut() {
            if let Identity::Transactional(transaction) = &mut core.identity {
                transaction.manager.set_transaction_version(version);
            }
        }
    }

    /// One round of a transactional producer: events, deadlines, the end of sending, requests, and replies.
    pub(super) fn advance_transaction(&mut self, now: Instant, producer: usize) -> bool {
        if self.transaction(producer).is_none() {
            return false;
        }
        let mut moved = self.drain_transaction_events(now, producer);
        moved |= self.pass_deadlines(now, producer);
        moved |= self.tell_drained(now, producer);
        moved |= self.drain_transaction_events(now, producer);
        moved |= self.ask_coordinator(now, producer);
        moved |= self.consult_witness(now, producer);
        moved |= self.reply_when_ready(now, producer);
        moved
    }

    fn drain_transaction_events(&mut self, now: Instant, producer: usize) -> bool {
        let mut moved = false;
        while let Some(event) = self
            .transaction(producer)
            .and_then(|transaction| transaction.manager.poll_event())
        {
            moved = true;
            self.handle_transaction_event(now, producer, event);
        }
        moved
    }

    fn handle_transaction_event(&mut self, now: Instant, producer: usize, event: Event) {
        let Some(transaction) = self.transaction(producer) else {
            return;
        };
        match event {
            Event::Initialized(_) => {
                if let Some(waiting) = transaction.initialize.take() {
                    waiting.reply.send(Ok(()));
                }
            }
            Event::InitializeFailed(error) => {
                if let Some(waiting) = transaction.initialize.take() {
                    waiting.reply.send(Err(InitError::Refused(error)));
                }
            }
            Event::PartitionsAdded => {
                if let Some(core) = self.producers.get_mut(&producer) {
                    core.mark_all_dirty();
                }
            }
            Event::OffsetsAdded(_) => transaction.answer_offsets(Ok(())),
            Event::OffsetsFailed(cause) => {
                transaction.answer_offsets(Err(OffsetsError::Refused { cause }))
            }
            Event::IdentityChanged(_) => {}
            Event::Failed(_) => {
                self.shut_gate(now, producer);
                self.abandon_sends(now, producer);
            }
            Event::Ended(ending) => transaction.end(ending),
            Event::Resolved(ending) => transaction.outcome = Some(outcome(ending)),
            Event::Fatal(cause) => {
                transaction.fail_all(&cause);
                self.shut_gate(now, producer);
                if let Some(core) = self.producers.get_mut(&producer) {
                    core.abandon(now, &mut self.router);
                }
            }
            Event::CoordinatorLost(key, node) => {
                if let Some(node) = node.or(transaction.node) {
                    self.coordinators.invalidate(&key, node);
                }
                self.coordinators.want(&key);
            }
        }
    }

    /// What waits past its deadline is told so; the work itself goes on.
    fn pass_deadlines(&mut self, now: Instant, producer: usize) -> bool {
        let Some(transaction) = self.transaction(producer) else {
            return false;
        };
        let mut moved = false;
        if let Some(waiting) = transaction
            .initialize
            .take_if(|waiting| waiting.deadline <= now)
        {
            moved = true;
            waiting.reply.send(Err(InitError::TimedOut {
                waited: waiting.deadline.duration_since(waiting.since),
            }));
        }
        if let Some(waiting) = transaction.begin.take_if(|waiting| waiting.deadline <= now) {
            moved = true;
            waiting.reply.send(Err(BeginError::TimedOut {
                waited: waiting.deadline.duration_since(waiting.since),
            }));
        }
        if let Some(waiting) = transaction.abort.take_if(|waiting| waiting.deadline <= now) {
            moved = true;
            waiting.reply.send(Err(AbortError::TimedOut {
                waited: waiting.deadline.duration_since(waiting.since),
            }));
        }
        let outdated: Vec<_> = transaction
            .resolve
            .extract_if(.., |waiting| waiting.deadline <= now)
            .collect();
        moved |= !outdated.is_empty();
        outdated
            .into_iter()
            .for_each(|waiting| waiting.reply.send(TransactionOutcome::Unknown));
        if transaction
            .offsets
            .front()
            .is_some_and(|waiting| waiting.deadline <= now)
        {
            moved = true;
            transaction.offsets_timed_out(now);
        }
        if transaction
            .commit
            .as_ref()
            .is_some_and(|waiting| waiting.deadline <= now)
        {
            moved = true;
            self.commit_timed_out(now, producer);
        }
        moved
    }

    fn commit_timed_out(&mut self, now: Instant, producer: usize) {
        let Some(transaction) = self.transaction(producer) else {
            return;
        };
        match transaction.manager.give_up(now) {
            // Ended(Unknown) follows as an event.
            GaveUp::Unknown => {}
            GaveUp::Pending => {
                // EndTxn was not sent and will not be: this is certain, and the abort goes on without the caller.
                if let Some(waiting) = transaction.commit.take() {
                    let cause = transaction
                        .manager
                        .abort_cause()
                        .cloned()
                        .unwrap_or(AbortCause::DeadlinePassed);
                    waiting.reply.send(Err(CommitError::Aborted { cause }));
                }
                self.abandon_sends(now, producer);
            }
            GaveUp::Nothing => {
                if let Some(waiting) = transaction.commit.take() {
                    transaction.outcome_pending = true;
                    waiting.reply.send(Err(CommitError::Unknown));
                }
            }
        }
        // A commit whose unknown ending was told already.
        if let Some(transaction) = self.transaction(producer)
            && transaction.outcome == Some(TransactionOutcome::Unknown)
            && let Some(waiting) = transaction.commit.take()
        {
            waiting.reply.send(Err(CommitError::Unknown));
        }
    }

    /// Tells the manager once nothing of the transaction is on its way any more: only then may EndTxn go.
    fn tell_drained(&mut self, now: Instant, producer: usize) -> bool {
        let Some(core) = self.producers.get_mut(&producer) else {
            return false;
        };
        let drained = core.is_drained();
        let unresolved = core
            .partitions
            .iter()
            .any(|partition| partition.sender.is_unresolved());
        let hole = core
            .partitions
            .iter()
            .any(|partition| partition.sender.has_hole());
        let Identity::Transactional(transaction) = &mut core.identity else {
            return false;
        };
        let ending = matches!(
            transaction.manager.state(),
            State::Committing | State::Aborting
        );
        if !drained
            || !ending
            || transaction.witness.drained == Some(transaction.manager.generation())
        {
            return false;
        }
        transaction.witness.drained = Some(transaction.manager.generation());
        if unresolved {
            transaction.manager.fence_unresolved();
        } else if hole {
            let generation = transaction.manager.generation();
            transaction.manager.fail(
                now,
                generation,
                Failure::Abortable {
                    cause: AbortCause::Requested,
                    bump: true,
                },
            );
        }
        transaction.manager.handle_drained(now);
        true
    }

    fn reply_when_ready(&mut self, now: Instant, producer: usize) -> bool {
        let Some(core) = self.producers.get_mut(&producer) else {
            return false;
        };
        let drained = core.is_drained();
        let Identity::Transactional(transaction) = &mut core.identity else {
            return false;
        };
        let fatal = transaction.fatal();
        let state = transaction.manager.state();
        let undecided =
            matches!(state, State::Committing | State::Aborting) || transaction.witness.is_asking();
        if !undecided && !transaction.resolve.is_empty() {
            transaction.outcome_pending = false;
            let outcome = transaction
                .outcome
                .clone()
                .unwrap_or(TransactionOutcome::Aborted(AbortCause::Requested));
            for waiting in transaction.resolve.drain(..) {
                waiting.reply.send(outcome.clone());
            }
            return true;
        }
        let Some(waiting) = transaction.begin.take() else {
            return false;
        };
        if transaction.outcome_pending {
            waiting.reply.send(Err(BeginError::OutcomePending));
            return true;
        }
        if let Some(cause) = fatal {
            waiting.reply.send(Err(BeginError::Fatal(cause)));
            return true;
        }
        if state != State::Ready || !drained {
            transaction.begin = Some(waiting);
            return false;
        }
        match transaction.manager.begin(now) {
            Ok(generation) => {
                transaction.outcome = None;
                transaction.witness.begin();
                core.partitions
                    .iter_mut()
                    .for_each(|partition| partition.sender.begin());
                core.accumulator().open_gate(generation.0);
                waiting.reply.send(Ok(generation.0));
                true
            }
            Err(_) => {
                transaction.begin = Some(waiting);
                false
            }
        }
    }
}

impl TransactionCore {
    fn send_offsets(
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
        let offsets = Arc::new(
            self.witness
                .mark(offsets, self.manager.identity(), generation),
        );
        match self.manager.send_offsets(now, offsets) {
            Ok(()) => self.offsets.push_back(waiting),
            Err(_) => waiting.reply.send(Err(OffsetsError::TransactionOver)),
        }
    }

    fn answer_offsets(&mut self, answer: Result<(), OffsetsError>) {
        if let Some(waiting) = self.offsets.pop_front() {
            waiting.reply.send(answer);
        }
    }

    /// Nobody knows whether the offsets will join: the transaction can only be aborted.
    fn offsets_timed_out(&mut self, now: Instant) {
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

    fn end(&mut self, ending: Ending) {
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

    fn answer_end(&mut self, outcome: TransactionOutcome) {
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

    fn fail_all(&mut self, cause: &FatalCause) {
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

fn outcome(ending: Ending) -> TransactionOutcome {
    match ending {
        Ending::Committed => TransactionOutcome::Committed,
        Ending::Aborted(cause) => TransactionOutcome::Aborted(cause),
        Ending::Unknown => TransactionOutcome::Unknown,
    }
}
