//! One producer's own part: its partitions' queues, timers and senders. It knows no call and no link.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use milena_cluster::{Backoff, Metadata, TopicPartition};
use milena_producer::transaction::RequestId;
use milena_producer::{Accumulator, PartitionSender, ProduceAnswer, SealedJob};
use milena_wire::messages::{PartitionProduceResponse, ProduceResponse, TopicProduceResponse};
use milena_wire::{ErrorCode, Payload, Uuid};

use super::{Identity, Part, PartitionCore, ProducerCore};
use crate::command::TopicUnavailable;
use crate::driver::Action;
use crate::job::Job;
use crate::router::Router;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Intake {
    /// As much as the window has room for, of what is full or has lingered.
    WhatIsReady,
    /// All there is: a flush or the end of a transaction.
    Everything,
}

impl ProducerCore {
    pub(in crate::engine) fn handle_sealed(&mut self, slot: usize, job: SealedJob) {
        if let Some(partition) = self.partitions.get_mut(slot) {
            partition.sender.handle_sealed(job);
            self.dirty.insert(slot);
        }
    }

    pub(in crate::engine) fn handle_started(&mut self, now: Instant, parts: &[Part]) {
        for part in parts {
            let sender = &mut self.partitions[part.slot].sender;
            sender.handle_started(part.batch);
            // It may have timed out between the look at the link and the first byte: no timer comes for it again.
            sender.handle_timeout(now);
        }
    }

    pub(in crate::engine) fn handle_handed_over(&mut self, id: RequestId) {
        if let Identity::Transactional(transaction) = &mut self.identity {
            transaction.handle_handed_over(id);
        }
    }

    pub(in crate::engine) fn handle_timeout(&mut self, now: Instant) {
        while let Some((at, slot)) = self.timers.first().copied() {
            if at > now {
                break;
            }
            self.timers.pop_first();
            self.partitions[slot].timer = None;
            self.partitions[slot].sender.handle_timeout(now);
            self.dirty.insert(slot);
        }
    }

    pub(in crate::engine) fn poll_timeout(&self) -> Option<Instant> {
        let identity = match &self.identity {
            // Nothing is asked for while nothing is to be stamped: a time that passes meanwhile is nobody's.
            Identity::Idempotent(_) if self.is_drained() => None,
            Identity::Idempotent(identity) => identity.poll_timeout(),
            Identity::Transactional(transaction) => transaction.poll_timeout(),
        };
        self.timers
            .first()
            .map(|(at, _)| *at)
            .into_iter()
            .chain(identity)
            .min()
    }

    pub(in crate::engine) fn accumulator(&self) -> &Accumulator {
        &self.accumulator
    }

    pub(in crate::engine) fn mark_all_dirty(&mut self) {
        self.dirty.extend(0..self.partitions.len());
    }

    /// Whether somebody waits for `topic`, or records for it are not settled. Records that come later ask for it anew, once
    /// they find no leader.
    pub(in crate::engine) fn uses(&self, topic: &str) -> bool {
        let mut waiters = self.topic_waiters.iter();
        let mut partitions = self.partitions.iter();
        waiters.any(|(name, waiter)| **name == *topic && !waiter.is_abandoned())
            || partitions.any(|core| {
                *core.partition.topic == *topic
                    && !(core.sender.is_drained() && core.queue.is_empty())
            })
    }

    /// Whether nothing that was accepted is unsettled.
    pub(in crate::engine) fn is_drained(&self) -> bool {
        self.partitions
            .iter()
            .all(|partition| partition.sender.is_drained())
    }

    /// Everything has been sent; what was answered, nobody asks.
    #[cfg(feature = "plants")]
    pub(in crate::engine) fn plant_is_drained(&self) -> bool {
        use milena_cluster::plants::{Plant, is_planted};
        let sent = |sender: &PartitionSender| sender.completions().count() == sender.in_flight();
        is_planted(Plant::CommitBeforeAllSendsAnswered)
            && self.partitions.iter().all(|core| sent(&core.sender))
    }

    /// Refuses everything that was not sent, and lets what is in flight be answered.
    pub(in crate::engine) fn abandon(&mut self, now: Instant, router: &mut Router) {
        for slot in 0..self.partitions.len() {
            self.take_in(now, slot, router, Intake::Everything);
            self.partitions[slot].sender.abandon();
        }
    }

    /// Refuses what is queued, and ends the senders' waits.
    pub(in crate::engine) fn close(&self) {
        self.accumulator.close();
        for partition in &self.partitions {
            drop(partition.queue.take(&self.accumulator, usize::MAX, true));
        }
    }

    pub(super) fn is_settled(&self) -> bool {
        match &self.identity {
            // What only keeps sequences whole need not: nothing follows it.
            Identity::Idempotent(_) => {
                let mut senders = self.partitions.iter().map(|partition| &partition.sender);
                senders.all(|sender| sender.is_drained() || sender.is_given_up())
            }
            Identity::Transactional(transaction) => transaction.is_settled(),
        }
    }

    pub(super) fn publish_topics(&mut self, metadata: &Metadata, retry: Backoff) {
        let names: BTreeSet<Arc<str>> = self
            .topic_waiters
            .iter()
            .map(|(topic, _)| Arc::clone(topic))
            .chain(
                self.partitions
                    .iter()
                    .map(|p| Arc::clone(&p.partition.topic)),
            )
            .collect();
        for name in names {
            let Some(topic) = metadata.topic(&name) else {
                continue;
            };
            for queue in self
                .accumulator
                .publish_topic(&name, topic.partitions.len())
            {
                debug_assert_eq!(
                    queue.slot(),
                    self.partitions.len(),
                    "slots count up with the queues"
                );
                let partition = TopicPartition {
                    topic: Arc::clone(&name),
                    partition: queue.partition(),
                };
                let transactional = matches!(self.identity, Identity::Transactional(_));
                let sender = PartitionSender::new(
                    transactional,
                    self.settings.delivery_timeout,
                    retry,
                    self.seeds.u64(..),
                );
                self.partitions.push(PartitionCore {
                    partition,
                    queue,
                    sender,
                    timer: None,
                    calls: BTreeMap::new(),
                });
            }
            let answer = match topic.error {
                _ if !topic.partitions.is_empty() => Ok(()),
                // It may have been created a moment ago: ask on, until the sender's own deadline.
                ErrorCode::NONE
                | ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
                | ErrorCode::LEADER_NOT_AVAILABLE => continue,
                error => Err(TopicUnavailable(error)),
            };
            let (ready, waiting) = std::mem::take(&mut self.topic_waiters)
                .into_iter()
                .partition(|(topic, _)| *topic == name);
            self.topic_waiters = waiting;
            let ready: Vec<_> = ready;
            ready.into_iter().for_each(|(_, reply)| reply.send(answer));
        }
    }

    /// Takes batches out of the queue, as far as they should go now, and sets the partition's timer.
    pub(in crate::engine) fn take_in(
        &mut self,
        now: Instant,
        slot: usize,
        router: &mut Router,
        intake: Intake,
    ) {
        let Some(partition) = self.partitions.get_mut(slot) else {
            return;
        };
        let view = partition.queue.visit();
        let lingered = view
            .open_since
            .is_some_and(|since| since + self.settings.accumulator.linger <= now);
        let expired = |since: Option<Instant>| {
            since.is_some_and(|since| since + self.settings.delivery_timeout <= now)
        };
        let everything =
            intake == Intake::Everything || expired(view.closed_since) || expired(view.open_since);
        let (count, with_open) = if everything {
            (usize::MAX, true)
        } else {
            (
                partition.sender.room(),
                lingered || self.accumulator.somebody_waits() || self.unlingered,
            )
        };
        for batch in partition.queue.take(&self.accumulator, count, with_open) {
            let job = partition.sender.push(batch);
            let codec = self.settings.codec;
            let job = Job::seal(self.index, slot, job, codec, &self.contexts);
            router.push_action(Action::Run(job));
        }
        if everything {
            partition.sender.handle_timeout(now);
            self.sendable.insert(slot);
        }
        let view = partition.queue.visit();
        let linger = view
            .open_since
            .map(|since| since + self.settings.accumulator.linger);
        let expiry = [view.open_since, view.closed_since]
            .into_iter()
            .flatten()
            .map(|since| since + self.settings.delivery_timeout);
        // What is due already waits for an event (room, a link, a leader), not for the clock.
        let next = linger
            .into_iter()
            .chain(expiry)
            .chain(partition.sender.poll_timeout(now))
            .filter(|at| *at > now)
            .min();
        if next != partition.timer {
            partition
                .timer
                .take()
                .map(|at| self.timers.remove(&(at, slot)));
            partition.timer = next;
            self.timers.extend(next.map(|at| (at, slot)));
        }
    }

    pub(super) fn fill_request(
        &mut self,
        now: Instant,
        link: u64,
        slots: &[usize],
        metadata: &Metadata,
    ) -> Vec<(Part, Payload)> {
        let current = match &mut self.identity {
            Identity::Idempotent(identity) => identity.current(),
            Identity::Transactional(transaction) => transaction.identity_for_sends(),
        };
        let mut filled = Vec::new();
        let mut bytes = 0;
        let start = slots.partition_point(|slot| *slot < self.turn);
        for slot in slots[start..].iter().chain(&slots[..start]) {
            let partition = &mut self.partitions[*slot];
            if let Identity::Transactional(transaction) = &mut self.identity
                && !transaction.admits(&partition.partition)
            {
                continue;
            }
            let Some(batch) = partition.sender.poll_send(now, link, current) else {
                continue;
            };
            bytes += batch.payload.len();
            let topic_id = metadata
                .topic(&partition.partition.topic)
                .map(|topic| topic.topic_id)
                .unwrap_or_default();
            filled.push((
                Part {
                    slot: *slot,
                    batch: batch.id,
                    partition: partition.partition.clone(),
                    topic_id,
                },
                batch.payload,
            ));
            self.turn = slot + 1;
            if bytes >= self.settings.request_bytes_max {
                break;
            }
        }
        filled
    }
}

impl Drop for ProducerCore {
    fn drop(&mut self) {
        self.close();
    }
}

pub(super) fn answers<'r, 'a>(
    response: &'r ProduceResponse<'a>,
    part: &'r Part,
) -> impl Iterator<Item = &'r PartitionProduceResponse<'a>> {
    let named = |topic: &&TopicProduceResponse<'a>| {
        if topic.topic_id == Uuid::ZERO {
            topic.name == &*part.partition.topic
        } else {
            topic.topic_id == part.topic_id
        }
    };
    response
        .responses
        .iter()
        .filter(named)
        .flat_map(|topic| &topic.partition_responses)
        .filter(|answer| answer.index == part.partition.partition)
}

pub(super) fn find_answer(response: &ProduceResponse<'_>, part: &Part) -> Option<ProduceAnswer> {
    answers(response, part).next().map(|answer| ProduceAnswer {
        error: answer.error_code,
        base_offset: answer.base_offset,
        log_append_time: answer.log_append_time_ms,
    })
}

/// Whatever the answer names stands for what it does not name.
#[cfg(feature = "plants")]
pub(super) fn plant_answer(response: &ProduceResponse<'_>) -> Option<ProduceAnswer> {
    use milena_cluster::plants::{Plant, is_planted};
    if !is_planted(Plant::AnswerCountedForAPartitionItDoesNotName) {
        return None;
    }
    let mut answers = response
        .responses
        .iter()
        .flat_map(|topic| &topic.partition_responses);
    answers.next().map(|answer| ProduceAnswer {
        error: answer.error_code,
        base_offset: answer.base_offset,
        log_append_time: answer.log_append_time_ms,
    })
}
