//! What the callers' tasks share with the engine: the partitions' queues, the memory budget, and the transaction's gate.

use std::time::{Duration, Instant};

use milena_wire::record::{CHUNK_BYTES, ChunkPool};
use rustc_hash::FxHashMap;

use crate::budget::{Budget, Ticket};
use crate::completion::Delivery;
use crate::partitioner::partition_for_key;
use crate::queue::PartitionQueue;
use crate::record::Record;
use crate::sync::{Arc, AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Mutex, Ordering, RwLock};

/// The length of a record batch's header, which the payload is sent behind.
const BATCH_HEADER_BYTES: usize = 61;

/// The part of a producer's memory that is kept for later batches while it is not used: enough for a batch of each of many partitions
/// to come back at once. The rest is given back when it is free.
const IDLE_PART: usize = 4;

/// The clocks that an append may read, once for each batch that it opens.
pub trait Clock {
    /// The monotonic clock, for deadlines.
    fn now(&self) -> Instant;
    /// The wall clock in ms since 1970, for record timestamps only.
    fn wall_clock(&self) -> i64;
}

/// The limits of a producer's memory and batches.
#[derive(Clone, Debug)]
pub struct AccumulatorConfig {
    /// The largest batch, header included. Default 1 MiB, which every broker takes by default.
    pub batch_bytes_max: usize,
    /// A record that is larger than a batch may be goes in one of its own, up to this size, header of the batch included.
    /// Default 0: no such exception.
    pub record_bytes_max: usize,
    /// All memory for records that are not acknowledged yet. Default 64 MiB.
    pub buffer_bytes_max: usize,
    /// How long an open batch may wait for more records while nothing else makes it leave.
    pub linger: Duration,
}

impl Default for AccumulatorConfig {
    fn default() -> Self {
        Self {
            batch_bytes_max: 1 << 20,
            record_bytes_max: 0,
            buffer_bytes_max: 64 << 20,
            linger: Duration::from_millis(5),
        }
    }
}

impl AccumulatorConfig {
    pub(crate) fn payload_bytes_max(&self) -> usize {
        self.batch_bytes_max.saturating_sub(BATCH_HEADER_BYTES)
    }

    /// The same for a batch that holds one record.
    pub(crate) fn lone_payload_bytes_max(&self) -> usize {
        self.largest_batch().saturating_sub(BATCH_HEADER_BYTES)
    }

    fn largest_batch(&self) -> usize {
        self.batch_bytes_max.max(self.record_bytes_max)
    }
}

/// The queues of all partitions that this producer has sent to.
#[derive(Debug)]
pub struct Accumulator {
    config: AccumulatorConfig,
    budget: Arc<Budget>,
    /// Chunks of batches that are over, for the next ones.
    chunks: Arc<ChunkPool>,
    topics: RwLock<FxHashMap<Arc<str>, Arc<TopicQueues>>>,
    /// `generation << 1 | open`. See [`Accumulator::open_gate`].
    gate: AtomicU64,
    closed: AtomicBool,
    /// Senders that wait for room, in all queues.
    waiting: Arc<AtomicUsize>,
    /// Slots of the queues that have news for the engine.
    announced: Mutex<Vec<usize>>,
}

/// The queues of one topic, by partition.
#[derive(Debug)]
pub struct TopicQueues {
    queues: Vec<Arc<PartitionQueue>>,
    /// The partition that records without a key stick to, until its batch is full or taken (KIP-480).
    sticky: AtomicU32,
}

/// A record that was accepted.
#[derive(Debug)]
pub struct Appended {
    /// Its acknowledgement to come.
    pub delivery: Delivery,
    /// The engine must be woken.
    pub wake: bool,
    /// The queue's slot.
    pub slot: usize,
}

/// Why a record was not accepted; nothing of it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// No metadata of the topic yet.
    UnknownTopic,
    /// The topic has no such partition.
    UnknownPartition,
    /// The memory budget is used up: wait for this many chunks.
    NoRoom {
        /// The queue to wait for.
        slot: usize,
        /// What the record needs at most.
        chunks: usize,
    },
    /// The record is larger than a batch may be.
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// Its timestamp is before 1970, which no broker takes.
    Timestamp(i64),
    /// Its transaction is over, or was never begun.
    Ended,
    /// The client is closed.
    Closed,
}

impl Accumulator {
    /// An empty accumulator. A transactional one starts with its gate shut.
    #[must_use]
    pub fn new(config: AccumulatorConfig, transactional: bool) -> Self {
        // Four of the largest batches at the least, or two partitions could block each other for good. A batch takes whole
        // chunks: with fewer than two, a sender that waits for room would ask for more than there is.
        let least = 4 * config.largest_batch().max(CHUNK_BYTES);
        let bytes = config.buffer_bytes_max.max(least);
        let chunks = bytes.div_ceil(CHUNK_BYTES);
        Self {
            budget: Budget::new(chunks),
            chunks: ChunkPool::new(chunks / IDLE_PART),
            config,
            topics: RwLock::default(),
            gate: AtomicU64::new(u64::from(!transactional)),
            closed: AtomicBool::new(false),
            waiting: Arc::default(),
            announced: Mutex::new(Vec::new()),
        }
    }

    /// The limits it was made with.
    #[must_use]
    pub fn config(&self) -> &AccumulatorConfig {
        &self.config
    }

    /// Bytes of memory that records take which are not settled yet, by whole chunks.
    #[must_use]
    pub fn buffered_bytes(&self) -> usize {
        self.budget.used() * CHUNK_BYTES
    }

    /// The memory budget.
    #[must_use]
    pub fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// Where open batches take their chunks from, and settled ones give them back.
    pub(crate) fn chunks(&self) -> &Arc<ChunkPool> {
        &self.chunks
    }

    /// Appends `record` for the transaction `generation` (0 outside transactions). `ticket` is a grant of room from an
    /// earlier [`Refused::NoRoom`]; it is used up on success.
    ///
    /// # Errors
    /// [`Refused`] says what to wait for, or why never.
    #[inline]
    pub fn append(
        &self,
        clock: &dyn Clock,
        record: &Record<'_>,
        generation: u64,
        ticket: &mut Option<Ticket>,
    ) -> Result<Appended, Refused> {
        if self.is_closed() {
            return Err(Refused::Closed);
        }
        let topics = self
            .topics
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let topic = topics.get(record.topic).ok_or(Refused::UnknownTopic)?;
        let queue = topic.choose(record, ticket.as_ref())?;
        let appended = queue.append(self, clock, record, generation, ticket)?;
        if appended.wake {
            self.announced.lock().push(appended.slot);
        }
        Ok(appended)
    }

    /// Gets in line for room in the queue at `slot`. True if the engine must be woken.
    #[must_use]
    pub fn wait_for_room(
        &self,
        topic: &str,
        slot: usize,
        chunks: usize,
    ) -> Option<(Ticket, Arc<PartitionQueue>, bool)> {
        let queue = self
            .topic(topic)?
            .queues
            .iter()
            .find(|queue| queue.slot() == slot)
            .cloned()?;
        let wake = queue.start_waiting();
        if wake {
            self.announced.lock().push(slot);
        }
        Some((self.budget.wait(slot, chunks), queue, wake))
    }

    /// Whether any sender waits for room: then no open batch lingers, whichever partition it is for, because what it holds is
    /// what the sender waits for.
    #[must_use]
    pub fn somebody_waits(&self) -> bool {
        self.waiting.load(Ordering::Acquire) > 0
    }

    /// The opposite of [`Accumulator::wait_for_room`], once the record was appended or its sender gave up.
    pub fn stop_waiting(queue: &PartitionQueue) {
        queue.stop_waiting();
    }

    /// The queues of `topic`, if its metadata has been published.
    #[must_use]
    pub fn topic(&self, topic: &str) -> Option<Arc<TopicQueues>> {
        self.topics
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .get(topic)
            .cloned()
    }

    /// Makes the topic's partitions known to senders and returns the queues that are new. Partitions never go away: one
    /// that vanishes from metadata and comes back must find its sequences (librdkafka 1.8.1 lost messages here).
    pub fn publish_topic(&self, topic: &Arc<str>, partitions: usize) -> Vec<Arc<PartitionQueue>> {
        let mut topics = self
            .topics
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut queues = topics
            .get(topic)
            .map(|known| known.queues.clone())
            .unwrap_or_default();
        let known = queues.len();
        for partition in known..partitions {
            let number = i32::try_from(partition).unwrap_or(i32::MAX);
            queues.push(Arc::new(PartitionQueue::new(
                self.budget.register(),
                number,
                Arc::clone(&self.waiting),
            )));
        }
        let new = queues[known..].to_vec();
        if !new.is_empty() {
            topics.insert(
                Arc::clone(topic),
                Arc::new(TopicQueues {
                    queues,
                    sticky: AtomicU32::new(0),
                }),
            );
        }
        new
    }

    /// The slots of the queues with news, each at most once since the engine last visited it.
    pub fn take_announced(&self) -> Vec<usize> {
        std::mem::take(&mut *self.announced.lock())
    }

    /// Lets sends of `generation` in.
    pub fn open_gate(&self, generation: u64) {
        self.gate.store(generation << 1 | 1, Ordering::Release);
    }

    /// Refuses sends of `generation` from now on, and of it only: a late call for an older transaction changes nothing.
    ///
    /// A send that is inside its partition's lock now will still be accepted; the closing pass (`take` with `with_open` on
    /// every queue, under the same locks) comes after this store and so finds it.
    pub fn shut_gate(&self, generation: u64) {
        let _ = self.gate.compare_exchange(
            generation << 1 | 1,
            generation << 1,
            Ordering::AcqRel,
            Ordering::Acquire,
        );
    }

    /// Whether a send of `generation` may go in.
    #[must_use]
    #[inline]
    pub fn admits(&self, generation: u64) -> bool {
        self.gate.load(Ordering::Acquire) == generation << 1 | 1
    }

    /// A gate that is shut, and does not hold.
    #[cfg(feature = "plants")]
    pub(crate) fn plant_admits(&self, generation: u64) -> bool {
        use milena_cluster::plants::{Plant, is_planted};
        is_planted(Plant::SendAdmittedAfterGateClosed)
            && self.gate.load(Ordering::Acquire) >> 1 == generation
    }

    /// Refuses everything from now on. The queues' batches fail when they are dropped.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}

impl TopicQueues {
    /// How many partitions senders know of.
    #[must_use]
    pub fn partitions(&self) -> usize {
        self.queues.len()
    }

    fn choose(
        &self,
        record: &Record<'_>,
        ticket: Option<&Ticket>,
    ) -> Result<&PartitionQueue, Refused> {
        if let Some(ticket) = ticket {
            return self
                .queues
                .iter()
                .find(|queue| queue.slot() == ticket.slot())
                .map(AsRef::as_ref)
                .ok_or(Refused::UnknownPartition);
        }
        if let Some(partition) = record.partition {
            let index = usize::try_from(partition).map_err(|_| Refused::UnknownPartition)?;
            return self
                .queues
                .get(index)
                .map(AsRef::as_ref)
                .ok_or(Refused::UnknownPartition);
        }
        let count = u32::try_from(self.queues.len()).unwrap_or(u32::MAX);
        let index = match record.key {
            Some(key) => partition_for_key(key, count),
            None => self.stick(count),
        };
        self.queues
            .get(index as usize)
            .map(AsRef::as_ref)
            .ok_or(Refused::UnknownPartition)
    }

    /// The sticky partition; the next one if its batch has gone. Two senders that move it at once only skip a partition.
    fn stick(&self, count: u32) -> u32 {
        const FRESH: u32 = 1 << 31;
        let sticky = self.sticky.load(Ordering::Relaxed);
        let index = (sticky & !FRESH) % count.max(1);
        let fresh = sticky & FRESH != 0;
        let open = self
            .queues
            .get(index as usize)
            .is_some_and(|queue| queue.has_open_batch());
        match (fresh, open) {
            (_, true) => {
                if fresh {
                    self.sticky.store(index, Ordering::Relaxed);
                }
                index
            }
            (true, false) => index,
            (false, false) => {
                let next = (index + 1) % count.max(1);
                self.sticky.store(next | FRESH, Ordering::Relaxed);
                next
            }
        }
    }
}

#[cfg(test)]
mod tests;
