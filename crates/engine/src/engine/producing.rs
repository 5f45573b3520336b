//! A producer's partitions: from queues to links and back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use milena_cluster::{BrokerAddress, LeaderEpoch, NodeId, Outcome, SendFailure, TopicPartition};
use milena_producer::transaction::TransactionConfig;
use milena_producer::{
    Accumulator, BatchId, Completion, PartitionQueue, PartitionSender, ProduceAnswer, SenderEvent,
};
use milena_wire::messages::ProduceResponse;
use milena_wire::{ErrorCode, Payload, Uuid};

use super::requests::{self, ProducePart};
use super::transactions::TransactionCore;
use super::{Engine, Owner};
use crate::command::{ProducerSettings, TopicUnavailable};
use crate::job::Contexts;
use crate::reply::Reply;
use crate::router::{CallId, CallOutcome, Purpose};

mod core;
mod identity;

pub(super) use core::Intake;
use core::{answers, find_answer};
use identity::IdempotentIdentity;

/// One batch of a Produce request in flight.
#[derive(Clone, Debug)]
pub(super) struct Part {
    slot: usize,
    batch: BatchId,
    partition: TopicPartition,
    topic_id: Uuid,
}

/// A sender that waits for a topic's metadata.
type TopicWaiter = (Arc<str>, Reply<Result<(), TopicUnavailable>>);

#[derive(Debug)]
pub(super) struct ProducerCore {
    index: usize,
    accumulator: Arc<Accumulator>,
    settings: ProducerSettings,
    contexts: Arc<Contexts>,
    pub(super) partitions: Vec<PartitionCore>,
    /// Partitions with news from their queue, their sender or their timer.
    dirty: BTreeSet<usize>,
    /// Partitions that may have a batch to send, once a link has room.
    sendable: BTreeSet<usize>,
    timers: BTreeSet<(Instant, usize)>,
    pub(super) identity: Identity,
    topic_waiters: Vec<TopicWaiter>,
    seeds: fastrand::Rng,
    /// Which slot goes first into the next request, so that low numbers do not starve high ones.
    turn: usize,
    closing: bool,
    unlingered: bool,
}

#[derive(Debug)]
pub(super) struct PartitionCore {
    pub(super) partition: TopicPartition,
    queue: Arc<PartitionQueue>,
    pub(super) sender: PartitionSender,
    timer: Option<Instant>,
    /// The calls that carry its batches, to take one back.
    calls: BTreeMap<BatchId, CallId>,
}

#[derive(Debug)]
pub(super) enum Identity {
    Idempotent(IdempotentIdentity),
    Transactional(Box<TransactionCore>),
}

impl Engine {
    pub(super) fn open_producer(
        &mut self,
        index: usize,
        settings: ProducerSettings,
        transactional: Option<TransactionConfig>,
        reply: Reply<Arc<Accumulator>>,
    ) {
        let accumulator = Arc::new(Accumulator::new(
            settings.accumulator.clone(),
            transactional.is_some(),
        ));
        let identity = match transactional {
            None => Identity::Idempotent(IdempotentIdentity::new(
                self.config.retry,
                self.seeds.u64(..),
            )),
            Some(config) => Identity::Transactional(Box::new(TransactionCore::new(
                config,
                &self.features,
                self.seeds.u64(..),
            ))),
        };
        let core = ProducerCore {
            index,
            accumulator: Arc::clone(&accumulator),
            settings,
            contexts: Arc::clone(&self.contexts),
            partitions: Vec::new(),
            dirty: BTreeSet::new(),
            sendable: BTreeSet::new(),
            timers: BTreeSet::new(),
            identity,
            topic_waiters: Vec::new(),
            seeds: fastrand::Rng::with_seed(self.seeds.u64(..)),
            turn: 0,
            closing: false,
            unlingered: false,
        };
        self.producers.insert(index, core);
        reply.send(accumulator);
    }

    /// Its last handle is gone: what was accepted goes out, an open transaction is aborted, and then it goes too.
    pub(super) fn close_producer(&mut self, now: Instant, producer: usize) {
        let Some(core) = self.producers.get_mut(&producer) else {
            return;
        };
        core.closing = true;
        core.unlingered = true;
        core.mark_all_dirty();
        self.abandon_open_transaction(now, producer);
    }

    pub(super) fn want_topic(
        &mut self,
        producer: usize,
        topic: Arc<str>,
        reply: Reply<Result<(), TopicUnavailable>>,
    ) {
        self.metadata.want_topic(&topic);
        let Some(core) = self.producers.get_mut(&producer) else {
            return;
        };
        core.topic_waiters
            .retain(|(_, waiter)| !waiter.is_abandoned());
        core.topic_waiters.push((topic, reply));
        self.publish_topics();
    }

    /// Makes what metadata knows of topics known to the senders that wait for them.
    pub(super) fn publish_topics(&mut self) {
        for core in self.producers.values_mut() {
            core.publish_topics(&self.metadata, self.config.retry);
        }
    }

    pub(super) fn flush(
        &mut self,
        now: Instant,
        producer: usize,
        reply: Reply<Vec<Arc<Completion>>>,
    ) {
        let Some(core) = self.producers.get_mut(&producer) else {
            return;
        };
        let mut completions = Vec::new();
        for slot in 0..core.partitions.len() {
            core.take_in(now, slot, &mut self.router, Intake::Everything);
            completions.extend(core.partitions[slot].sender.completions());
        }
        reply.send(completions);
    }

    pub(super) fn advance_producers(&mut self, now: Instant, fresh: bool) -> bool {
        let mut moved = false;
        let indexes: Vec<usize> = self.producers.keys().copied().collect();
        for index in indexes {
            moved |= self.advance_transaction(now, index);
            let Some(core) = self.producers.get_mut(&index) else {
                continue;
            };
            let news = core.accumulator.take_announced();
            if !news.is_empty() && core.accumulator.somebody_waits() {
                core.mark_all_dirty();
            }
            core.dirty.extend(news);
            let touched = !core.dirty.is_empty();
            while let Some(slot) = core.dirty.pop_first() {
                core.take_in(now, slot, &mut self.router, Intake::WhatIsReady);
                core.sendable.insert(slot);
            }
            moved |= touched;
            moved |= self.handle_sender_events(now, index);
            moved |= self.ask_identity(now, index);
            if touched || fresh {
                moved |= self.send_batches(now, index);
                // What had timed out is told instead of sent.
                moved |= self.handle_sender_events(now, index);
            }
            self.reap_producer(index);
        }
        moved
    }

    fn handle_sender_events(&mut self, now: Instant, index: usize) -> bool {
        let Some(core) = self.producers.get_mut(&index) else {
            return false;
        };
        let mut events = Vec::new();
        let mut bumps = false;
        for (slot, partition) in core.partitions.iter_mut().enumerate() {
            while let Some(event) = partition.sender.poll_event() {
                events.push((slot, event));
            }
            if partition.sender.poll_bump() {
                bumps = true;
                core.dirty.insert(slot);
            }
        }
        if bumps && let Identity::Idempotent(identity) = &mut core.identity {
            identity.bump();
        }
        let moved = bumps || !events.is_empty();
        for (slot, event) in events {
            self.handle_sender_event(now, index, slot, event);
        }
        moved
    }

    fn handle_sender_event(&mut self, now: Instant, index: usize, slot: usize, event: SenderEvent) {
        match event {
            SenderEvent::RefreshMetadata => self.metadata.request_refresh(),
            SenderEvent::Failed(failure) => self.send_failed(now, index, slot, failure),
            SenderEvent::Recall(batch) => {
                let call = self
                    .producers
                    .get(&index)
                    .and_then(|core| core.partitions[slot].calls.get(&batch).copied());
                #[cfg(feature = "plants")]
                if let Some(call) = call
                    && self.router.free_batch(call)
                {
                    return;
                }
                if let Some(call) = call
                    && self.router.recall(call)
                    && let Some(Owner::Produce { producer, parts }) = self.calls.remove(&call)
                {
                    self.settle_produce(
                        now,
                        producer,
                        &parts,
                        &Outcome::NotSent(SendFailure::RequestTimedOut),
                    );
                    if let Some(core) = self.producers.get_mut(&index) {
                        core.partitions[slot].sender.handle_timeout(now);
                    }
                }
            }
        }
    }

    /// Fills requests for every leader whose link has room: one batch of each partition that has one.
    fn send_batches(&mut self, now: Instant, index: usize) -> bool {
        let Some(core) = self.producers.get_mut(&index) else {
            return false;
        };
        let mut leaders: BTreeMap<NodeId, Vec<usize>> = BTreeMap::new();
        let mut leaderless = false;
        core.sendable
            .retain(|slot| !core.partitions[*slot].sender.is_drained());
        for slot in &core.sendable {
            match self.metadata.leader(&core.partitions[*slot].partition) {
                Some((node, _)) => leaders.entry(node).or_default().push(*slot),
                None => {
                    leaderless = true;
                    // It may have been forgotten, since nobody had sent to it for long.
                    self.metadata
                        .want_topic(&core.partitions[*slot].partition.topic);
                }
            }
        }
        if leaderless {
            self.metadata.request_refresh();
        }
        let mut moved = false;
        for (node, slots) in leaders {
            let Some(target) = self.node_target(node) else {
                self.metadata.request_refresh();
                continue;
            };
            while let Some(link) = self.router.ready_link(now, target, Purpose::Produce) {
                let Some(core) = self.producers.get_mut(&index) else {
                    break;
                };
                let parts = core.fill_request(now, link.0, &slots, &self.metadata);
                if parts.is_empty() {
                    break;
                }
                moved = true;
                self.hand_over_produce(now, index, link, parts);
            }
        }
        moved
    }

    fn hand_over_produce(
        &mut self,
        now: Instant,
        index: usize,
        link: crate::driver::LinkId,
        filled: Vec<(Part, Payload)>,
    ) {
        let Some(core) = self.producers.get(&index) else {
            return;
        };
        let transaction = match &core.identity {
            Identity::Idempotent(_) => None,
            Identity::Transactional(transaction) => {
                Some((transaction.transactional_id(), transaction.is_v2()))
            }
        };
        let parts: Vec<Part> = filled.iter().map(|(part, _)| part.clone()).collect();
        let records = filled
            .into_iter()
            .map(|(part, records)| ProducePart {
                partition: part.partition,
                topic_id: part.topic_id,
                records,
            })
            .collect();
        let request = requests::produce(transaction, self.config.request_timeout, records);
        let call = self.call(
            now,
            request,
            Owner::Produce {
                producer: index,
                parts: parts.clone(),
            },
        );
        let id = call.id;
        self.router.hand_over(now, link, call);
        if let Some(core) = self.producers.get_mut(&index) {
            for part in parts {
                core.partitions[part.slot].calls.insert(part.batch, id);
            }
        }
    }

    pub(super) fn handle_produce(
        &mut self,
        now: Instant,
        producer: usize,
        parts: Vec<Part>,
        outcome: &CallOutcome,
    ) {
        let decoded = self.decode::<ProduceResponse<'_>>(now, outcome);
        match decoded {
            Outcome::NotSent(failure) => {
                self.settle_produce(now, producer, &parts, &Outcome::NotSent(failure))
            }
            Outcome::Unsure(failure) => {
                self.settle_produce(now, producer, &parts, &Outcome::Unsure(failure))
            }
            Outcome::Answered((_, response)) => {
                self.learn_leaders(&parts, &response);
                for part in &parts {
                    // An answer that does not name the partition says nothing about it.
                    let answer = find_answer(&response, part);
                    #[cfg(feature = "plants")]
                    let answer = answer.or_else(|| core::plant_answer(&response));
                    let outcome = match answer {
                        Some(answer) => Outcome::Answered(answer),
                        None => Outcome::Unsure(SendFailure::BadAnswer),
                    };
                    self.settle_part(now, producer, part, outcome);
                }
            }
        }
    }

    fn settle_produce(
        &mut self,
        now: Instant,
        producer: usize,
        parts: &[Part],
        outcome: &Outcome<()>,
    ) {
        for part in parts {
            let outcome = match outcome {
                // Waiting would not help: no version in common, or a request that cannot be written.
                Outcome::NotSent(SendFailure::Unsupported(_) | SendFailure::Encode(_)) => {
                    Outcome::Answered(ProduceAnswer {
                        error: ErrorCode::UNSUPPORTED_VERSION,
                        base_offset: -1,
                        log_append_time: -1,
                    })
                }
                Outcome::NotSent(failure) => Outcome::NotSent(failure.clone()),
                Outcome::Unsure(failure) => Outcome::Unsure(failure.clone()),
                Outcome::Answered(()) => continue,
            };
            self.settle_part(now, producer, part, outcome);
        }
    }

    fn settle_part(
        &mut self,
        now: Instant,
        producer: usize,
        part: &Part,
        outcome: Outcome<ProduceAnswer>,
    ) {
        if let Some(core) = self.producers.get_mut(&producer)
            && let Some(partition) = core.partitions.get_mut(part.slot)
        {
            partition.calls.remove(&part.batch);
            #[cfg(feature = "plants")]
            if let (Identity::Transactional(transaction), Outcome::Answered(answer)) =
                (&mut core.identity, &outcome)
                && answer.error.is_ok()
            {
                transaction.plant_acknowledged();
            }
            partition.sender.handle_outcome(now, part.batch, outcome);
            core.dirty.insert(part.slot);
        }
    }

    /// KIP-951: the broker that leads no more names the one that does.
    fn learn_leaders(&mut self, parts: &[Part], response: &ProduceResponse<'_>) {
        for part in parts {
            let Some(leader) = answers(response, part)
                .map(|answer| &answer.current_leader)
                .find(|leader| leader.leader_id >= 0)
            else {
                continue;
            };
            let endpoint = response
                .node_endpoints
                .iter()
                .find(|node| node.node_id == leader.leader_id);
            let address = endpoint.and_then(|node| BrokerAddress::advertised(node.host, node.port));
            self.metadata.handle_leader_hint(
                &part.partition,
                NodeId(leader.leader_id),
                LeaderEpoch(leader.leader_epoch),
                address,
            );
        }
        self.router.set_nodes(
            self.metadata
                .nodes()
                .map(|(node, address)| (node, address.clone())),
        );
    }

    fn reap_producer(&mut self, index: usize) {
        if self
            .producers
            .get(&index)
            .is_some_and(|core| core.closing && core.is_settled())
        {
            self.producers.remove(&index);
        }
    }
}
