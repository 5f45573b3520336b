//! Coordinator requests of a transaction: where they go, and what their answers say.

use std::time::Instant;

use milena_cluster::{
    CoordinatorKey, Outcome, ProducerEpoch, ProducerId, ProducerIdentity, SendFailure,
    TopicPartition,
};
use milena_producer::transaction::{Request, RequestKind, Response};
use milena_wire::ErrorCode;
use milena_wire::messages::{
    AddOffsetsToTxnResponse, AddPartitionsToTxnResponse, EndTxnResponse, InitProducerIdResponse,
    TxnOffsetCommitResponse,
};

use super::{Asked, CallOutcome, Engine, Owner, REST, Route, Target};
use crate::engine::requests::{self, Prepared};

impl Engine {
    /// Sends what the manager asks for, once its coordinator is known.
    pub(super) fn ask_coordinator(&mut self, now: Instant, producer: usize) -> bool {
        let mut moved = self.take_back(now, producer);
        loop {
            let Some(transaction) = self.transaction(producer) else {
                return moved;
            };
            let Some((id, route, request)) = transaction.manager.poll_request(now) else {
                break;
            };
            moved = true;
            let Route::Coordinator(key) = route else {
                continue;
            };
            self.coordinators.want(&key);
            if let Some(transaction) = self.transaction(producer) {
                transaction.parked.push((id, key, request));
            }
        }
        let Some(transaction) = self.transaction(producer) else {
            return moved;
        };
        let mut still = Vec::new();
        for (id, key, request) in std::mem::take(&mut transaction.parked) {
            match self.coordinator_target(&key) {
                Some((node, target)) => {
                    moved = true;
                    let asked = Asked {
                        producer,
                        id,
                        kind: kind_of(&request),
                        node,
                        key,
                    };
                    self.submit_transaction_request(now, asked, target, request);
                }
                None => still.push((id, key, request)),
            }
        }
        if let Some(transaction) = self.transaction(producer) {
            transaction.parked.extend(still);
        }
        moved
    }

    /// Takes back an EndTxn(commit) that a dropped commit does not want any more, if no byte of it has left.
    fn take_back(&mut self, now: Instant, producer: usize) -> bool {
        let Some(transaction) = self.transaction(producer) else {
            return false;
        };
        let Some(id) = transaction.manager.wanted_back() else {
            return false;
        };
        let parked = transaction.parked.len();
        transaction.parked.retain(|(other, _, _)| *other != id);
        let was_parked = transaction.parked.len() < parked;
        let call = transaction
            .call
            .filter(|(other, _)| *other == id)
            .map(|(_, call)| call);
        let recalled = was_parked || call.is_some_and(|call| self.router.recall(call));
        if recalled {
            if let Some(call) = call {
                self.calls.remove(&call);
            }
            if let Some(transaction) = self.transaction(producer) {
                let outcome = Outcome::NotSent(SendFailure::Recalled);
                transaction.manager.handle_completion(now, id, outcome);
            }
        }
        recalled
    }

    fn submit_transaction_request(
        &mut self,
        now: Instant,
        asked: Asked,
        target: Target,
        request: Request,
    ) {
        let (producer, id) = (asked.producer, asked.id);
        let Some(transaction) = self.transaction(producer) else {
            return;
        };
        transaction.node = Some(asked.node);
        let transactional = transaction.transactional_id();
        let timeout = transaction.manager.config().transaction_timeout;
        let prepared: Prepared = match request {
            Request::InitProducerId { expected } => {
                requests::init_producer_id(Some(transactional), expected, timeout)
            }
            Request::AddPartitions {
                identity,
                partitions,
            } => requests::add_partitions(transactional, identity, partitions),
            Request::AddOffsets { identity, group } => {
                requests::add_offsets(transactional, identity, group)
            }
            Request::TxnOffsetCommit {
                identity,
                offsets,
                transaction_v2,
            } => requests::txn_offset_commit(transactional, identity, offsets, transaction_v2),
            Request::EndTxn {
                identity,
                committing,
                transaction_v2,
            } => requests::end_txn(transactional, identity, committing, transaction_v2),
        };
        let call = self.call(now, prepared, Owner::Transaction(asked));
        if let Some(transaction) = self.transaction(producer) {
            transaction.call = Some((id, call.id));
        }
        self.router.submit(now, target, REST, call);
    }

    /// FindCoordinator was refused for good: every request that waits for it is refused with the same word.
    pub(in crate::engine) fn refuse_parked(
        &mut self,
        now: Instant,
        key: &CoordinatorKey,
        error: ErrorCode,
    ) {
        let producers: Vec<usize> = self.producers.keys().copied().collect();
        for producer in producers {
            let Some(transaction) = self.transaction(producer) else {
                continue;
            };
            let (refused, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut transaction.parked)
                .into_iter()
                .partition(|(_, parked, _)| parked == key);
            transaction.parked = kept;
            for (id, _, request) in refused {
                transaction.manager.handle_completion(
                    now,
                    id,
                    Outcome::Answered(refusal(&request, error)),
                );
            }
        }
    }

    pub(in crate::engine) fn handle_transaction_answer(
        &mut self,
        now: Instant,
        asked: &Asked,
        outcome: &CallOutcome,
    ) {
        let outcome =
            match asked.kind {
                RequestKind::InitProducerId => self
                    .decode::<InitProducerIdResponse>(now, outcome)
                    .map(|(_, response)| Response::InitProducerId {
                        error: response.error_code,
                        identity: ProducerIdentity {
                            producer_id: ProducerId(response.producer_id),
                            epoch: ProducerEpoch(response.producer_epoch),
                        },
                    }),
                RequestKind::AddPartitions => self
                    .decode::<AddPartitionsToTxnResponse<'_>>(now, outcome)
                    .map(|(_, response)| Response::AddPartitions {
                        results: response
                            .results_by_topic_v3_and_below
                            .iter()
                            .flat_map(|topic| {
                                let name: std::sync::Arc<str> = topic.name.into();
                                topic.results_by_partition.iter().map(move |result| {
                                    (
                                        TopicPartition {
                                            topic: name.clone(),
                                            partition: result.partition_index,
                                        },
                                        result.partition_error_code,
                                    )
                                })
                            })
                            .collect(),
                    }),
                RequestKind::AddOffsets => self
                    .decode::<AddOffsetsToTxnResponse>(now, outcome)
                    .map(|(_, response)| Response::AddOffsets {
                        error: response.error_code,
                    }),
                RequestKind::TxnOffsetCommit => self
                    .decode::<TxnOffsetCommitResponse<'_>>(now, outcome)
                    .map(|(_, response)| Response::TxnOffsetCommit {
                        results: response
                            .topics
                            .iter()
                            .flat_map(|topic| {
                                let name: std::sync::Arc<str> = topic.name.into();
                                topic.partitions.iter().map(move |result| {
                                    (
                                        TopicPartition {
                                            topic: name.clone(),
                                            partition: result.partition_index,
                                        },
                                        result.error_code,
                                    )
                                })
                            })
                            .collect(),
                    }),
                RequestKind::Commit | RequestKind::Abort => self
                    .decode::<EndTxnResponse>(now, outcome)
                    .map(|(version, response)| {
                        let identity = ProducerIdentity {
                            producer_id: ProducerId(response.producer_id),
                            epoch: ProducerEpoch(response.producer_epoch),
                        };
                        Response::EndTxn {
                            error: response.error_code,
                            identity: (version.0 >= 5 && identity.is_some()).then_some(identity),
                        }
                    }),
            };
        self.complete(now, asked, outcome);
    }

    fn complete(&mut self, now: Instant, asked: &Asked, outcome: Outcome<Response>) {
        let Some(transaction) = self.transaction(asked.producer) else {
            return;
        };
        transaction.node = Some(asked.node);
        if let Outcome::Answered(response) = &outcome
            && is_done(response)
        {
            self.coordinators.confirm(&asked.key);
        }
        if matches!(outcome, Outcome::NotSent(SendFailure::NoRoute)) {
            self.metadata.request_refresh();
        }
        if let Some(transaction) = self.transaction(asked.producer) {
            transaction
                .manager
                .handle_completion(now, asked.id, outcome);
        }
    }
}

/// Whether the coordinator did what it was asked to.
fn is_done(response: &Response) -> bool {
    match response {
        Response::InitProducerId { error, .. }
        | Response::AddOffsets { error }
        | Response::EndTxn { error, .. } => error.is_ok(),
        Response::AddPartitions { results } | Response::TxnOffsetCommit { results } => {
            results.iter().all(|(_, error)| error.is_ok())
        }
    }
}

fn kind_of(request: &Request) -> RequestKind {
    match request {
        Request::InitProducerId { .. } => RequestKind::InitProducerId,
        Request::AddPartitions { .. } => RequestKind::AddPartitions,
        Request::AddOffsets { .. } => RequestKind::AddOffsets,
        Request::TxnOffsetCommit { .. } => RequestKind::TxnOffsetCommit,
        Request::EndTxn {
            committing: true, ..
        } => RequestKind::Commit,
        Request::EndTxn {
            committing: false, ..
        } => RequestKind::Abort,
    }
}

/// What the coordinator would have said, had it been found.
fn refusal(request: &Request, error: ErrorCode) -> Response {
    match request {
        Request::InitProducerId { .. } => Response::InitProducerId {
            error,
            identity: ProducerIdentity::NONE,
        },
        Request::AddPartitions { partitions, .. } => Response::AddPartitions {
            results: partitions
                .iter()
                .map(|partition| (partition.clone(), error))
                .collect(),
        },
        Request::AddOffsets { .. } => Response::AddOffsets { error },
        Request::TxnOffsetCommit { offsets, .. } => Response::TxnOffsetCommit {
            results: offsets
                .offsets
                .iter()
                .map(|(partition, _)| (partition.clone(), error))
                .collect(),
        },
        Request::EndTxn { .. } => Response::EndTxn {
            error,
            identity: None,
        },
    }
}
