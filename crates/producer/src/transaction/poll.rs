//! What the manager wants next, and the inputs that only let it go on.

use std::mem;
use std::time::Instant;

use milena_cluster::{CoordinatorKey, ProducerEpoch, ProducerIdentity, Route};

use super::event::Event;
use super::open::Work;
use super::phase::{ExpectCommit, Phase};
use super::request::{Request, RequestId};
use super::retry::Retry;
use super::{InFlight, TransactionManager};

impl TransactionManager {
    /// No batch of the open transaction is incomplete any more: EndTxn may go. Told after `commit`
    /// or `abort`, since before that more may come.
    pub fn handle_drained(&mut self, now: Instant) {
        self.see(now);
        if let Phase::Committing { open, .. } | Phase::Aborting { open, .. } = &mut self.phase {
            open.drained = true;
        }
        self.settle();
    }

    /// The first byte of that request was offered to a socket. For EndTxn(commit) that is the point
    /// of no return: an abort asked for meanwhile comes too late, and the commit is seen through.
    pub fn handle_handed_over(&mut self, id: RequestId) {
        let Some(InFlight {
            id: in_flight,
            work,
        }) = &self.in_flight
        else {
            return;
        };
        if *in_flight == id && *work == (Work::EndTxn { committing: true }) {
            self.see_commit_through();
        }
    }

    /// The next request, if any is due: at most one is in flight.
    pub fn poll_request(&mut self, now: Instant) -> Option<(RequestId, Route, Request)> {
        self.see(now);
        if self.in_flight.is_some() {
            return None;
        }
        let due = |not_before: Option<Instant>| not_before.is_none_or(|at| at <= now);
        let work = self
            .work()
            .into_iter()
            .find(|(_, not_before)| due(*not_before))?
            .0;
        let (key, request) = self.request(&work)?;
        self.requests += 1;
        let id = RequestId(self.requests);
        self.in_flight = Some(InFlight { id, work });
        Some((id, Route::Coordinator(key), request))
    }

    /// The next event, oldest first.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When `poll_request` has something again that it has not now.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.in_flight.is_some() {
            return None;
        }
        self.work()
            .into_iter()
            .filter_map(|(_, not_before)| not_before)
            .min()
    }

    /// What is to be asked for, by priority, each with the time before which it must wait.
    fn work(&self) -> Vec<(Work, Option<Instant>)> {
        match &self.phase {
            #[cfg(feature = "plants")]
            Phase::InTransaction(open) if open.bump_now => vec![(Work::Identity, None)],
            Phase::Initializing(expect) => vec![(Work::Identity, expect.retry.not_before())],
            Phase::InTransaction(open) => open.outstanding().collect(),
            Phase::Committing { open, commit } => {
                let before: Vec<_> = open.outstanding().collect();
                if before.is_empty() && open.drained {
                    return vec![(Work::EndTxn { committing: true }, commit.retry.not_before())];
                }
                before
            }
            Phase::Aborting { open, abort } => {
                let by_identity = open.ends_by_identity();
                #[cfg(test)]
                let by_identity = by_identity
                    || open.fence && self.sabotage == super::tests::Sabotage::ClaimAlways;
                if by_identity {
                    return vec![(Work::Fence, abort.retry.not_before())];
                }
                if open.fence {
                    return vec![(Work::EndTxn { committing: false }, abort.retry.not_before())];
                }
                let before: Vec<_> = open.unanswered().collect();
                if before.is_empty() && open.drained {
                    return vec![(Work::EndTxn { committing: false }, abort.retry.not_before())];
                }
                before
            }
            Phase::Uninitialized
            | Phase::Ready
            | Phase::AbortableError { .. }
            | Phase::FatalError(_) => Vec::new(),
        }
    }

    /// Builds the request for a piece of work. A repetition builds the same request again: nothing
    /// it is made of changes before its answer.
    fn request(&mut self, work: &Work) -> Option<(CoordinatorKey, Request)> {
        let identity = self.identity;
        let mut key = CoordinatorKey::Transaction(self.config.transactional_id.clone());
        let request = match (work, &mut self.phase) {
            (Work::Identity, Phase::Initializing(expect)) => {
                let expected = if expect.first {
                    ProducerIdentity::NONE
                } else {
                    identity
                };
                Request::InitProducerId { expected }
            }
            #[cfg(feature = "plants")]
            (Work::Identity, Phase::InTransaction(_)) => {
                Request::InitProducerId { expected: identity }
            }
            (Work::Fence, Phase::Aborting { abort, .. }) => {
                let expected = if abort.successor {
                    successor(identity)
                } else {
                    identity
                };
                Request::InitProducerId { expected }
            }
            (Work::EndTxn { committing }, Phase::Committing { open, .. }) => Request::EndTxn {
                identity,
                committing: *committing,
                transaction_v2: open.flavour.is_v2(),
            },
            (Work::EndTxn { committing }, Phase::Aborting { open, abort }) => {
                abort.sent = true;
                let transaction_v2 = open.flavour.is_v2();
                Request::EndTxn {
                    identity,
                    committing: *committing,
                    transaction_v2,
                }
            }
            (Work::AddPartitions, phase) => {
                let open = phase.open_mut()?;
                open.attempt();
                let partitions = &mut open.partitions;
                partitions.asked.append(&mut partitions.wanted);
                let partitions = partitions.asked.iter().cloned().collect();
                Request::AddPartitions {
                    identity,
                    partitions,
                }
            }
            (Work::AddOffsets(group), phase) => {
                phase.open_mut()?.attempt();
                Request::AddOffsets {
                    identity,
                    group: group.clone(),
                }
            }
            (Work::TxnOffsetCommit, phase) => {
                let open = phase.open_mut()?;
                let offsets = open.offsets.jobs.front()?.offsets.clone();
                key = CoordinatorKey::Group(offsets.group.group.clone());
                let transaction_v2 = open.flavour.is_v2();
                Request::TxnOffsetCommit {
                    identity,
                    offsets,
                    transaction_v2,
                }
            }
            (Work::Identity | Work::Fence | Work::EndTxn { .. }, _) => return None,
        };
        Some((key, request))
    }

    /// EndTxn(commit) is out: it can only be committed now, or refused by the coordinator.
    pub(super) fn see_commit_through(&mut self) {
        self.phase = match mem::replace(&mut self.phase, Phase::Uninitialized) {
            Phase::Committing { open, mut commit } => {
                commit.handed_over = true;
                Phase::Committing { open, commit }
            }
            // The abort came while EndTxn waited to be sent, and was too late.
            Phase::Aborting { open, abort } => {
                let trace = abort.trace;
                let retry = Retry::default();
                Phase::Committing {
                    open,
                    commit: ExpectCommit {
                        handed_over: true,
                        trace,
                        retry,
                    },
                }
            }
            phase => phase,
        };
    }

    /// Keeps the time, for what has none of its own.
    pub(super) fn see(&mut self, now: Instant) {
        if let Some(open) = self.phase.open_mut() {
            open.see(now);
        }
    }
}

/// The epoch a coordinator moves to by itself when it aborts an open transaction.
fn successor(identity: ProducerIdentity) -> ProducerIdentity {
    ProducerIdentity {
        epoch: ProducerEpoch(identity.epoch.0.saturating_add(1)),
        ..identity
    }
}
