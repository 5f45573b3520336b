//! A client that runs two transactions, the cluster, and a network between them that may fail.

use std::hash::{Hash, Hasher};
use std::time::{Duration, Instant};

use milena_cluster::{Backoff, Outcome};
use milena_wire::ErrorCode;

use super::action::{Action, Fate, SendFate};
use super::coordinator::{Batch, Cluster, EndTxn, OFFSETS, Rules, Stage};
use crate::transaction::tests::Sabotage;
use crate::transaction::tests::rig::{identity, not_sent, offsets, partition, unsure};
use crate::transaction::{
    AbortCause, AddPartition, Ending, Event, Failure, Request, RequestId, Response, State,
    TransactionConfig, TransactionManager,
};

/// How many transactions the client runs: two are enough for one to be harmed by the other.
pub(super) const TRANSACTIONS: u8 = 2;

/// Where the client stands in its transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Step {
    Begin,
    Send(usize),
    SendOffsets,
    ExpectOffsets,
    Decide,
    ExpectEnd,
    Over,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Claim {
    None,
    Said(Ending),
}

#[derive(Clone, Debug)]
pub(super) struct World {
    now: Instant,
    pub(super) manager: TransactionManager,
    in_flight: Option<(RequestId, Request, bool)>,
    step: Step,
    /// What the manager says of the partition that is next.
    may_send: AddPartition,
    pub(super) current: u8,
    pub(super) claims: [Claim; TRANSACTIONS as usize],
    pub(super) acknowledged: [[bool; 3]; TRANSACTIONS as usize],
    /// A record that was accepted could not be delivered.
    pub(super) failed: [bool; TRANSACTIONS as usize],
    unresolved: bool,
    pub(super) cluster: Cluster,
    /// A request that is answered no more, and arrives at some time.
    late: Option<Request>,
    late_batch: Option<Batch>,
    /// Faults that may still happen.
    faults: u8,
    pub(super) intruder: Intruder,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Intruder {
    Absent,
    Asking,
    Owns(i16),
}

impl Hash for World {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let manager = &self.manager;
        (
            &manager.phase,
            manager.identity,
            manager.spoken,
            manager.transaction_version,
        )
            .hash(state);
        manager
            .in_flight
            .as_ref()
            .map(|request| &request.work)
            .hash(state);
        self.in_flight
            .as_ref()
            .map(|(_, _, handed_over)| handed_over)
            .hash(state);
        (
            self.step,
            self.may_send,
            self.current,
            &self.claims,
            &self.acknowledged,
            self.failed,
            self.unresolved,
        )
            .hash(state);
        (
            &self.cluster,
            late_key(self.late.as_ref()),
            self.late_batch,
            self.faults,
            self.intruder,
        )
            .hash(state);
    }
}

impl World {
    pub(super) fn new(rules: Rules, faults: u8, sabotage: Sabotage, now: Instant) -> Self {
        let at_once = Backoff {
            initial: Duration::ZERO,
            max: Duration::ZERO,
            ..Backoff::default()
        };
        let config = TransactionConfig {
            retry: at_once,
            retry_soon: at_once,
            ..TransactionConfig::new("tid")
        };
        let mut manager = TransactionManager::new(config, 1);
        manager.sabotage = sabotage;
        manager.set_transaction_version(if rules.v2 { 2 } else { 1 });
        manager.initialize(now).unwrap();
        let mut world = Self {
            now,
            manager,
            in_flight: None,
            step: Step::Begin,
            may_send: AddPartition::Refused,
            current: 0,
            claims: [Claim::None, Claim::None],
            acknowledged: Default::default(),
            failed: Default::default(),
            unresolved: false,
            cluster: Cluster::new(rules),
            late: None,
            late_batch: None,
            faults,
            intruder: Intruder::Absent,
        };
        world.go_on();
        world
    }

    /// Nothing is left to do, whatever the network may still bring.
    pub(super) fn is_over(&self) -> bool {
        self.step == Step::Over && !matches!(self.cluster.stage, Stage::Prepare { .. })
    }

    pub(super) fn actions(&self) -> Vec<Action> {
        let mut actions = Vec::new();
        self.client_actions(&mut actions);
        self.network_actions(&mut actions);
        if matches!(self.cluster.stage, Stage::Prepare { .. }) {
            actions.push(Action::Markers);
        }
        if self.late.is_some() {
            actions.push(Action::Late);
        }
        if self.late_batch.is_some() {
            actions.push(Action::LateBatch);
        }
        if self.cluster.rules.switches {
            actions.push(Action::Switch);
        }
        if self.faults > 0 && self.cluster.stage == Stage::Ongoing {
            actions.push(Action::Timeout);
        }
        let may_ask = !matches!(self.cluster.stage, Stage::Prepare { .. })
            && self.manager.identity().is_some();
        if may_ask
            && (self.intruder == Intruder::Asking
                || self.intruder == Intruder::Absent && self.faults > 0)
        {
            actions.push(Action::Intrude);
        }
        actions
    }

    fn client_actions(&self, actions: &mut Vec<Action>) {
        let faulty = self.faults > 0;
        match self.step {
            Step::Begin if self.manager.state() == State::Ready => actions.push(Action::Begin),
            Step::Send(_) => {
                let ready = self.may_send;
                // A TV2 leader asks again until the transaction before is completed.
                let busy = self.manager.is_transaction_v2() == Some(true)
                    && matches!(self.cluster.stage, Stage::Prepare { .. });
                if ready != AddPartition::Pending && !busy {
                    actions.push(Action::Send(SendFate::Delivered));
                }
                if ready == AddPartition::Ready && faulty {
                    actions.push(Action::Send(SendFate::Refused));
                    if !busy {
                        actions.push(Action::Send(SendFate::AnswerLost));
                    }
                    actions.push(Action::Send(SendFate::Delayed));
                }
            }
            Step::SendOffsets => actions.push(Action::SendOffsets),
            Step::Decide => actions.extend([Action::Commit, Action::Abort]),
            Step::ExpectEnd if faulty && self.manager.state() == State::Committing => {
                actions.extend([Action::DropCommit, Action::GiveUp]);
            }
            Step::Begin | Step::ExpectOffsets | Step::ExpectEnd | Step::Over => {}
        }
    }

    fn network_actions(&self, actions: &mut Vec<Action>) {
        let Some((_, request, handed_over)) = &self.in_flight else {
            return;
        };
        actions.push(Action::Exchange(Fate::Answered));
        if self.faults == 0 {
            return;
        }
        if !handed_over {
            actions.extend([Action::HandOver, Action::Exchange(Fate::NotSent)]);
        }
        actions.extend(
            [
                Fate::RequestLost,
                Fate::AnswerLost,
                Fate::AnsweredNotCoordinator,
            ]
            .map(Action::Exchange),
        );
        let may_be_late = match request {
            // A first InitProducerId is of a new instance whenever it comes: that is its purpose.
            Request::InitProducerId { expected } => expected.is_some(),
            // Brokers that verify nothing (before 3.6) let it in after the end, and it hangs there
            // until the group's next offsets replace it: nothing a client does could help.
            Request::TxnOffsetCommit { .. } => self.cluster.rules.verify,
            _ => true,
        };
        if may_be_late && self.late.is_none() {
            actions.extend([Fate::Delayed, Fate::AnswerLostAndLateCopy].map(Action::Exchange));
            // Where the epoch stays, nothing a client does could help against this one.
            if matches!(
                request,
                Request::EndTxn {
                    transaction_v2: true,
                    ..
                }
            ) {
                actions.push(Action::Exchange(Fate::AnsweredAndLateCopy));
            }
        }
    }

    /// Is it one of those whose number is bounded?
    pub(super) fn is_fault(&self, action: Action) -> bool {
        match action {
            Action::Send(fate) => fate != SendFate::Delivered,
            Action::Exchange(fate) => fate != Fate::Answered,
            Action::DropCommit | Action::GiveUp | Action::Timeout => true,
            Action::Intrude => self.intruder == Intruder::Absent,
            _ => false,
        }
    }

    pub(super) fn act(&mut self, action: Action) {
        self.faults -= u8::from(self.is_fault(action));
        let now = self.now;
        match action {
            Action::Begin => {
                self.manager.begin(now).unwrap();
                self.unresolved = false;
                self.step = Step::Send(0);
            }
            Action::Send(fate) => self.send(fate),
            Action::SendOffsets => self.send_offsets(),
            Action::Commit | Action::Abort => self.decide(action == Action::Commit),
            Action::DropCommit => drop(self.manager.abort(now)),
            Action::GiveUp => drop(self.manager.give_up(now)),
            Action::HandOver => self.hand_over(),
            Action::Exchange(fate) => self.exchange(fate),
            Action::Markers => self.cluster.write_markers(),
            Action::Late => {
                let request = self.late.take().unwrap();
                self.serve(&request);
            }
            Action::LateBatch => {
                let _ = self.cluster.append(self.late_batch.take().unwrap());
            }
            Action::Timeout => self.cluster.fence(),
            Action::Switch => {
                let rules = &mut self.cluster.rules;
                *rules = Rules {
                    v2: !rules.v2,
                    switches: false,
                    ..*rules
                };
                self.manager
                    .set_transaction_version(if rules.v2 { 2 } else { 1 });
            }
            Action::Intrude => {
                self.intruder = match self.cluster.init_producer_id(-1) {
                    Ok(epoch) => Intruder::Owns(epoch),
                    Err(_) => Intruder::Asking,
                };
            }
        }
        self.go_on();
    }

    fn send(&mut self, fate: SendFate) {
        let Step::Send(index) = self.step else { return };
        let tag = self.current;
        let epoch = self.manager.identity().epoch.0;
        let v2 = self.manager.is_transaction_v2() == Some(true);
        let batch = Batch {
            epoch,
            partition: index,
            tag,
            v2,
        };
        if self.may_send == AddPartition::Refused {
            self.step = Step::Decide;
            return;
        }
        let result = match fate {
            SendFate::Delivered | SendFate::AnswerLost => self.cluster.append(batch),
            SendFate::Refused => Err(ErrorCode::MESSAGE_TOO_LARGE),
            SendFate::Delayed => {
                self.late_batch = Some(batch);
                Ok(())
            }
        };
        let generation = self.manager.generation();
        let unresolved = matches!(fate, SendFate::AnswerLost | SendFate::Delayed);
        let cause = match result {
            Ok(()) if !unresolved => {
                self.acknowledged[usize::from(tag)][index] = true;
                self.step = if index == 0 {
                    Step::Send(1)
                } else {
                    Step::SendOffsets
                };
                return;
            }
            Ok(()) => AbortCause::SendExpired {
                partition: partition(index as i32),
                unresolved,
            },
            Err(error) => AbortCause::SendRefused {
                partition: partition(index as i32),
                error,
            },
        };
        self.failed[usize::from(tag)] = true;
        let bump = matches!(&cause, AbortCause::SendRefused { error, .. } if *error == ErrorCode::INVALID_PRODUCER_EPOCH);
        self.manager
            .fail(self.now, generation, Failure::Abortable { cause, bump });
        let sabotaged = matches!(
            self.manager.sabotage,
            Sabotage::NoFence | Sabotage::CommitDespiteFailure
        );
        if unresolved && !sabotaged {
            self.unresolved = true;
            self.manager.fence_unresolved();
        }
        self.step = Step::Decide;
    }

    fn send_offsets(&mut self) {
        let tag = self.current;
        self.step = match self
            .manager
            .send_offsets(self.now, offsets("g", i64::from(tag)))
        {
            Ok(()) => Step::ExpectOffsets,
            Err(_) => Step::Decide,
        };
    }

    fn decide(&mut self, commit: bool) {
        let now = self.now;
        if !commit || self.manager.commit(now).is_err() {
            // Fails only if the manager has failed for good, of which an event tells.
            drop(self.manager.abort(now));
        }
        self.step = Step::ExpectEnd;
        if !self.unresolved {
            self.manager.handle_drained(now);
        }
    }

    fn hand_over(&mut self) {
        if let Some((id, _, handed_over)) = &mut self.in_flight {
            *handed_over = true;
            self.manager.handle_handed_over(*id);
        }
    }

    fn exchange(&mut self, fate: Fate) {
        if fate != Fate::NotSent {
            self.hand_over();
        }
        let Some((id, request, _)) = self.in_flight.take() else {
            return;
        };
        if matches!(
            fate,
            Fate::Delayed | Fate::AnswerLostAndLateCopy | Fate::AnsweredAndLateCopy
        ) {
            self.late = Some(request.clone());
        }
        let outcome = match fate {
            Fate::Answered | Fate::AnsweredAndLateCopy => Outcome::Answered(self.serve(&request)),
            Fate::NotSent => not_sent(),
            Fate::RequestLost | Fate::Delayed => unsure(),
            Fate::AnswerLost | Fate::AnswerLostAndLateCopy => {
                self.serve(&request);
                unsure()
            }
            Fate::AnsweredNotCoordinator => {
                self.serve(&request);
                crate::transaction::tests::rig::answer(&request, ErrorCode::NOT_COORDINATOR)
            }
        };
        self.manager.handle_completion(self.now, id, outcome);
    }

    fn serve(&mut self, request: &Request) -> Response {
        let cluster = &mut self.cluster;
        let code = |result: Result<(), ErrorCode>| result.err().unwrap_or(ErrorCode::NONE);
        match request {
            Request::InitProducerId { expected } => {
                match cluster.init_producer_id(expected.epoch.0) {
                    Ok(epoch) => Response::InitProducerId {
                        error: ErrorCode::NONE,
                        identity: identity(epoch),
                    },
                    Err(error) => Response::InitProducerId {
                        error,
                        identity: milena_cluster::ProducerIdentity::NONE,
                    },
                }
            }
            Request::AddPartitions {
                identity,
                partitions,
            } => {
                let results = partitions.iter().map(|partition| {
                    let result = cluster.register(identity.epoch.0, partition.partition as usize);
                    (partition.clone(), code(result))
                });
                Response::AddPartitions {
                    results: results.collect(),
                }
            }
            Request::AddOffsets { identity, .. } => Response::AddOffsets {
                error: code(cluster.register(identity.epoch.0, OFFSETS)),
            },
            Request::TxnOffsetCommit {
                identity,
                offsets,
                transaction_v2,
            } => {
                let (partition, committed) = &offsets.offsets[0];
                let batch = Batch {
                    epoch: identity.epoch.0,
                    partition: OFFSETS,
                    tag: committed.offset as u8,
                    v2: *transaction_v2,
                };
                let result = cluster.append(batch);
                Response::TxnOffsetCommit {
                    results: vec![(partition.clone(), code(result))],
                }
            }
            Request::EndTxn { .. } => {
                match end_txn(request)
                    .map_or(Err(ErrorCode::INVALID_REQUEST), |end| cluster.end(end))
                {
                    Ok(epoch) => Response::EndTxn {
                        error: ErrorCode::NONE,
                        identity: epoch.map(identity),
                    },
                    Err(error) => Response::EndTxn {
                        error,
                        identity: None,
                    },
                }
            }
        }
    }

    /// Lets the client take note of what happened, and the manager ask for what it wants next.
    fn go_on(&mut self) {
        while let Some(event) = self.manager.poll_event() {
            self.hear(event);
        }
        if let Step::Send(index) = self.step {
            self.may_send = self.manager.add_partition(&partition(index as i32));
        }
        if self.in_flight.is_none() {
            self.in_flight = self
                .manager
                .poll_request(self.now)
                .map(|(id, _, request)| (id, request, false));
        }
    }

    fn hear(&mut self, event: Event) {
        match event {
            Event::OffsetsAdded(_) => {
                self.acknowledged[usize::from(self.current)][OFFSETS] = true;
                if self.step == Step::ExpectOffsets {
                    self.step = Step::Decide;
                }
            }
            Event::Failed(_) if self.step != Step::ExpectEnd => self.step = Step::Decide,
            // The caller has given up, but the next transaction must wait for the resolution.
            Event::Ended(Ending::Unknown)
                if matches!(self.manager.state(), State::Committing | State::Aborting) => {}
            Event::Ended(ending) | Event::Resolved(ending) => {
                self.claims[usize::from(self.current)] = Claim::Said(ending);
                self.current += 1;
                self.step = if self.current == TRANSACTIONS {
                    Step::Over
                } else {
                    Step::Begin
                };
            }
            Event::Fatal(_) => self.step = Step::Over,
            _ => {}
        }
    }
}

/// Requests do not hash.
fn late_key(request: Option<&Request>) -> Option<String> {
    request.map(|request| format!("{request:?}"))
}

fn end_txn(request: &Request) -> Option<EndTxn> {
    match request {
        Request::EndTxn {
            identity,
            committing,
            transaction_v2,
        } => Some(EndTxn {
            epoch: identity.epoch.0,
            commit: *committing,
            v2: *transaction_v2,
        }),
        _ => None,
    }
}
