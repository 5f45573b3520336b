//! One partition's queue: what the callers' tasks have appended and the engine has not taken yet.

use std::collections::VecDeque;
use std::time::Instant;

use milena_wire::record::{BatchBuilder, CHUNK_BYTES, RecordFields};

use crate::accumulator::{Accumulator, Appended, Clock, Refused};
use crate::batch::{ClosedBatch, Share};
use crate::budget::Ticket;
use crate::completion::{Completion, Delivery};
use crate::error::{DeliveryError, DeliveryErrorKind, Persistence};
use crate::record::Record;
use crate::sync::{Arc, AtomicUsize, Mutex, Ordering};

/// The bytes that a record may take more than `encoded_len` says, once it lands at another place of another batch: the
/// varints of its offset and timestamp deltas.
const VARINT_SLACK: usize = 16;

/// The send queue of one partition. One mutex, and no user code under it.
#[derive(Debug)]
pub struct PartitionQueue {
    slot: usize,
    partition: i32,
    inner: Mutex<Inner>,
    /// Senders that wait for room in any queue of the accumulator.
    waiting_anywhere: Arc<AtomicUsize>,
}

#[derive(Debug, Default)]
struct Inner {
    open: Option<OpenBatch>,
    closed: VecDeque<ClosedBatch>,
    /// The engine has been told to look and has not looked yet.
    announced: bool,
    /// Senders that wait for room here. Others get in line behind them, even if their record would still fit.
    waiting: usize,
}

#[derive(Debug)]
struct OpenBatch {
    builder: BatchBuilder,
    completion: Arc<Completion>,
    opened_at: Instant,
    wall_clock: i64,
    generation: u64,
    chunks: usize,
}

/// What the engine sees of a queue when it visits.
#[derive(Clone, Copy, Debug, Default)]
pub struct QueueView {
    /// When the open batch was opened.
    pub open_since: Option<Instant>,
    /// When the oldest closed batch was opened.
    pub closed_since: Option<Instant>,
    /// Batches that are full.
    pub closed: usize,
    /// Somebody waits for room: nothing lingers then.
    pub waiting: bool,
}

impl PartitionQueue {
    pub(crate) fn new(slot: usize, partition: i32, waiting_anywhere: Arc<AtomicUsize>) -> Self {
        Self {
            slot,
            partition,
            inner: Mutex::new(Inner::default()),
            waiting_anywhere,
        }
    }

    /// Where the queue stands in its accumulator's list.
    #[must_use]
    pub fn slot(&self) -> usize {
        self.slot
    }

    /// The partition's number.
    #[must_use]
    pub fn partition(&self) -> i32 {
        self.partition
    }

    pub(crate) fn has_open_batch(&self) -> bool {
        self.inner.lock().open.is_some()
    }

    /// Whether nothing is in it now.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let inner = self.inner.lock();
        inner.open.is_none() && inner.closed.is_empty()
    }

    /// Encodes `record` into the open batch. The ticket, if there is one, was granted for this queue.
    #[inline]
    pub(crate) fn append(
        &self,
        owner: &Accumulator,
        clock: &dyn Clock,
        record: &Record<'_>,
        generation: u64,
        ticket: &mut Option<Ticket>,
    ) -> Result<Appended, Refused> {
        let mut inner = self.inner.lock();
        // Checked under the lock that the closing pass takes: a commit either sees this record or has refused it.
        let admitted = owner.admits(generation);
        #[cfg(feature = "plants")]
        let admitted = admitted || owner.plant_admits(generation);
        if !admitted {
            return Err(Refused::Ended);
        }
        if owner.is_closed() {
            return Err(Refused::Closed);
        }
        // Brokers refuse the whole batch for it, its neighbours with it.
        if let Some(before) = record.timestamp.filter(|timestamp| *timestamp < 0) {
            return Err(Refused::Timestamp(before));
        }
        let mut fields = RecordFields {
            timestamp: 0,
            key: record.key,
            value: record.value,
            headers: &record.headers,
        };
        if inner.waiting > 0 && ticket.is_none() {
            return Err(Refused::NoRoom {
                slot: self.slot,
                chunks: Self::chunks_at_most(&fields),
            });
        }
        let fits = inner.open.as_ref().is_some_and(|open| {
            fields.timestamp = record.timestamp.unwrap_or(open.wall_clock);
            open.generation == generation
                && open.builder.payload_len() + open.builder.encoded_len(&fields)
                    <= owner.config().payload_bytes_max()
        });
        let chunks = match &inner.open {
            Some(open) if fits => open
                .builder
                .chunks_needed(open.builder.encoded_len(&fields)),
            _ => self.chunks_for_new(owner, &fields)?,
        };
        // Before anything is closed: a refused record changes nothing that the engine would have to be told of.
        if chunks > 0 && !self.take_room(owner, chunks, ticket) {
            return Err(Refused::NoRoom {
                slot: self.slot,
                chunks: Self::chunks_at_most(&fields),
            });
        }
        if !fits {
            inner.close_open(owner, self.slot);
            inner.open = Some(OpenBatch::new(self.partition, owner, clock, generation));
        }
        let open = inner.open.as_mut().expect("opened just above");
        fields.timestamp = record.timestamp.unwrap_or(open.wall_clock);
        open.builder.append(&fields);
        open.chunks += chunks;
        let delivery = Delivery::new(
            Arc::clone(&open.completion),
            open.builder.record_count() - 1,
        );
        let wake = !fits && !std::mem::replace(&mut inner.announced, true);
        Ok(Appended {
            delivery,
            wake,
            slot: self.slot,
        })
    }

    fn chunks_for_new(
        &self,
        owner: &Accumulator,
        fields: &RecordFields<'_>,
    ) -> Result<usize, Refused> {
        let empty = BatchBuilder::new();
        let bytes = empty.encoded_len(fields) + VARINT_SLACK;
        let bytes_max = owner.config().lone_payload_bytes_max();
        if bytes > bytes_max {
            return Err(Refused::TooLarge { bytes, bytes_max });
        }
        Ok(empty.chunks_needed(bytes).max(1))
    }

    fn chunks_at_most(fields: &RecordFields<'_>) -> usize {
        (BatchBuilder::new().encoded_len(fields) + VARINT_SLACK).div_ceil(CHUNK_BYTES) + 1
    }

    fn take_room(&self, owner: &Accumulator, chunks: usize, ticket: &mut Option<Ticket>) -> bool {
        let Some(held) = ticket.take() else {
            return owner.budget().try_take(self.slot, chunks);
        };
        debug_assert!(
            held.slot() == self.slot && held.chunks() >= chunks,
            "a ticket asks for what its record can need at most"
        );
        match held.redeem(chunks) {
            Ok(()) => true,
            Err(held) => {
                *ticket = Some(held);
                false
            }
        }
    }

    /// Counts a sender that waits here. True if the engine must be told: from now on nothing lingers, in any queue.
    pub(crate) fn start_waiting(&self) -> bool {
        // Before the announcement: the visit that it causes must see it.
        self.waiting_anywhere.fetch_add(1, Ordering::AcqRel);
        let mut inner = self.inner.lock();
        inner.waiting += 1;
        inner.waiting == 1 && !std::mem::replace(&mut inner.announced, true)
    }

    pub(crate) fn stop_waiting(&self) {
        self.waiting_anywhere.fetch_sub(1, Ordering::AcqRel);
        let mut inner = self.inner.lock();
        inner.waiting = inner.waiting.saturating_sub(1);
    }

    /// Looks, and takes the announcement: the next change is announced again.
    pub fn visit(&self) -> QueueView {
        let mut inner = self.inner.lock();
        inner.announced = false;
        QueueView {
            open_since: inner.open.as_ref().map(|open| open.opened_at),
            closed_since: inner.closed.front().map(|batch| batch.opened_at),
            closed: inner.closed.len(),
            waiting: inner.waiting > 0,
        }
    }

    /// Takes at most `count` batches, the open one only if `with_open` and nothing is left before it.
    pub fn take(&self, owner: &Accumulator, count: usize, with_open: bool) -> Vec<ClosedBatch> {
        let mut inner = self.inner.lock();
        if with_open && inner.closed.len() < count {
            inner.close_open(owner, self.slot);
        }
        let taken = count.min(inner.closed.len());
        inner.closed.drain(..taken).collect()
    }
}

impl Inner {
    fn close_open(&mut self, owner: &Accumulator, slot: usize) {
        if let Some(open) = self.open.take() {
            let charge = owner.budget().charge(slot, open.chunks);
            self.closed.push_back(ClosedBatch {
                share: Share::new(open.completion, open.builder.record_count(), charge),
                payload: open.builder.finish(),
                opened_at: open.opened_at,
                generation: open.generation,
            });
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The closed ones say so themselves.
        if let Some(open) = self.open.take() {
            let count = open.builder.record_count();
            open.completion.close(count);
            let closed = DeliveryError::new(DeliveryErrorKind::Closed, Persistence::NotPersisted);
            open.completion.settle(0, count, Err(closed));
        }
    }
}

impl OpenBatch {
    fn new(partition: i32, owner: &Accumulator, clock: &dyn Clock, generation: u64) -> Self {
        Self {
            builder: BatchBuilder::pooled(owner.chunks()),
            completion: Completion::new(partition),
            opened_at: clock.now(),
            wall_clock: clock.wall_clock(),
            generation,
            chunks: 0,
        }
    }
}
