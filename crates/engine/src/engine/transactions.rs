//! A transactional producer's calls: from the handles to the manager, from the manager to coordinators, and back.

use std::collections::VecDeque;
use std::time::Instant;

use milena_cluster::{CoordinatorKey, NodeId, Route};
use milena_producer::transaction::{
    AbortCause, Failure, FatalCause, Generation, Request, RequestId, RequestKind, State,
    TransactionManager,
};
use milena_producer::{DeliveryErrorKind, SenderFailure};
use milena_wire::ErrorCode;

use super::producing::Identity;
use super::{Engine, Owner, REST};
use crate::command::{TransactionCommand, Waiting};
use crate::handles::{
    AbortError, BeginError, CommitError, InitError, OffsetsError, TransactionOutcome,
};
use crate::router::{CallId, CallOutcome, Target};

mod advance;
mod answers;
mod core;
mod witness;

/// A coordinator request in flight.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) producer: usize,
    pub(super) id: RequestId,
    kind: RequestKind,
    node: NodeId,
    key: CoordinatorKey,
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
    /// The call that carries it, to be taken back if it is not wanted any more.
    call: Option<(RequestId, CallId)>,
    witness: witness::Witness,
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
            TransactionCommand::Initialize(waiting) => transaction.initialize(now, waiting),
            TransactionCommand::Begin(waiting) => {
                transaction.begin = Some(waiting);
                // What is still open was forgotten: nobody else could call this.
                self.abandon_open_transaction(now, producer);
            }
            TransactionCommand::SendOffsets(generation, offsets, waiting) => {
                transaction.send_offsets(now, generation, &offsets, waiting);
            }
            TransactionCommand::SendFailed(generation, topic, reason) => {
                transaction.refuse_send(now, generation, topic, reason);
            }
            TransactionCommand::Commit(generation, waiting) => {
                self.commit(now, producer, generation, waiting);
            }
            TransactionCommand::CommitDropped(generation) => {
                self.commit_dropped(now, producer, generation);
            }
            TransactionCommand::Abort(generation, waiting) => {
                self.abort(now, producer, generation, waiting);
            }
            TransactionCommand::Abandon(generation) => {
                if transaction.is_open(generation) {
                    self.abort_open_transaction(now, producer);
                }
            }
            TransactionCommand::Resolve(waiting) => {
                // Who asks again and again and waits a moment each time leaves one behind every time.
                transaction
                    .resolve
                    .retain(|waiting| !waiting.reply.is_abandoned());
                transaction.resolve.push(waiting);
                self.abandon_open_transaction(now, producer);
            }
        }
    }

    fn abort(
        &mut self,
        now: Instant,
        producer: usize,
        generation: u64,
        waiting: Waiting<Result<(), AbortError>>,
    ) {
        let Some(transaction) = self.transaction(producer) else {
            return;
        };
        if transaction.is_open(generation) {
            transaction.abort = Some(waiting);
            self.abort_open_transaction(now, producer);
        } else {
            let error = transaction
                .fatal()
                .map_or(AbortError::NotOpen, AbortError::Fatal);
            waiting.reply.send(Err(error));
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
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use milena_producer::AccumulatorConfig;
    use milena_producer::transaction::TransactionConfig;

    use super::*;
    use crate::command::ProducerSettings;
    use crate::config::EngineConfig;
    use crate::reply::reply;

    #[test]
    fn questions_that_nobody_waits_for_any_more_do_not_add_up() {
        #[allow(clippy::disallowed_methods, reason = "where the test's time begins")]
        let now = Instant::now();
        let mut engine = Engine::new(EngineConfig::default(), Arc::default(), 1);
        let settings = ProducerSettings {
            codec: milena_wire::compress::Codec::NONE,
            accumulator: AccumulatorConfig::default(),
            delivery_timeout: Duration::from_secs(120),
            request_bytes_max: 1,
        };
        let (opened, _) = reply();
        engine.open_producer(0, settings, Some(TransactionConfig::new("id")), opened);
        for _ in 0..100 {
            let (reply, _given_up) = reply();
            let waiting = Waiting {
                reply,
                since: now,
                deadline: now + Duration::from_secs(60),
            };
            engine.handle_transaction_command(now, 0, TransactionCommand::Resolve(waiting));
        }
        let waiting = engine.transaction(0).map(|core| core.resolve.len());
        assert_eq!(waiting, Some(1));
    }
}
