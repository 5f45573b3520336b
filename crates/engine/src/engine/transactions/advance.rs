//! One round of a transactional producer: events, deadlines, the end of sending, requests, replies.

use std::time::Instant;

#[cfg(feature = "plants")]
use milena_cluster::plants::{Plant, is_planted};
use milena_producer::transaction::{AbortCause, Event, Failure, GaveUp, State};

use super::{Engine, Identity};
use crate::handles::{
    AbortError, BeginError, CommitError, InitError, OffsetsError, TransactionOutcome,
};

impl Engine {
    pub(in crate::engine) fn features_changed(&mut self) {
        let version = self.features.transaction_version;
        for core in self.producers.values_mut() {
            if let Identity::Transactional(transaction) = &mut core.identity {
                transaction.manager.set_transaction_version(version);
            }
        }
    }

    /// One round of a transactional producer: events, deadlines, the end of sending, requests, and replies.
    pub(in crate::engine) fn advance_transaction(&mut self, now: Instant, producer: usize) -> bool {
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
            Event::Ended(ending) | Event::Resolved(ending) => transaction.end(ending),
            Event::Fatal(cause) => {
                transaction.fail_all(&cause);
                self.shut_gate(now, producer);
                if let Some(core) = self.producers.get_mut(&producer) {
                    core.abandon(now, &mut self.router);
                }
            }
            #[cfg(feature = "plants")]
            Event::CoordinatorLost(..) if is_planted(Plant::CoordinatorCachedForEver) => {}
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
            let waited = waiting.waited();
            waiting.reply.send(Err(InitError::TimedOut { waited }));
        }
        if let Some(waiting) = transaction.begin.take_if(|waiting| waiting.deadline <= now) {
            moved = true;
            let waited = waiting.waited();
            waiting.reply.send(Err(BeginError::TimedOut { waited }));
        }
        if let Some(waiting) = transaction.abort.take_if(|waiting| waiting.deadline <= now) {
            moved = true;
            let waited = waiting.waited();
            waiting.reply.send(Err(AbortError::TimedOut { waited }));
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
        #[cfg(feature = "plants")]
        let drained = drained || core.plant_is_drained();
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
        #[cfg(feature = "plants")]
        if transaction.outcome_pending && is_planted(Plant::DroppedCommitTakenAsAborted) {
            let dropped = TransactionOutcome::Aborted(AbortCause::Requested);
            for waiting in transaction.resolve.drain(..) {
                waiting.reply.send(dropped.clone());
                transaction.outcome_pending = false;
            }
        }
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
