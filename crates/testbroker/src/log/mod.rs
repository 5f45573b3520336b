//! A partition's log: the batches as their producers sealed them, with offset and leader epoch
//! filled in, and what follows from them: producer states, open transactions, aborted ranges.

mod compact;
pub(crate) mod epochs;
mod producers;
mod retain;
pub(crate) mod rewrite;
mod sequence;
mod truncate;
mod view;

use std::collections::VecDeque;

use bytes::Bytes;
use milena_wire::ErrorCode;
use milena_wire::record::{self, BatchView, ControlKind};

pub(crate) use compact::{Compaction, Segments};
pub use producers::ProducerView;
pub(crate) use producers::Producers;
use rewrite::Times;
pub use view::StoredRecord;

/// The log of one partition. Every replica is this one log: replication is instant.
#[derive(Clone, Debug, Default)]
pub struct PartitionLog {
    batches: VecDeque<BatchView>,
    log_start_offset: i64,
    next_offset: i64,
    /// Where the high watermark stays while a follower in sync lags; `None`: it is the end.
    high_watermark_limit: Option<i64>,
    bytes: u64,
    aborted: Vec<AbortedTransaction>,
    producers: Producers,
}

/// An aborted transaction's stay in one partition, as the aborted index holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// Whose transaction.
    pub producer_id: i64,
    /// Offset of its first record here.
    pub first_offset: i64,
    /// Offset of its ABORT marker.
    pub last_offset: i64,
    /// The last stable offset once the marker was written.
    pub last_stable_offset: i64,
}

/// Where a batch ended up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Appended {
    pub(crate) base_offset: i64,
    /// Behind its last record.
    pub(crate) next_offset: i64,
    /// Time-stamp of the batch that this is a copy of; nothing was written then.
    pub(crate) copy_of: Option<i64>,
}

impl PartitionLog {
    /// The stored batches from the log start on, oldest first.
    pub fn batches(&self) -> impl DoubleEndedIterator<Item = &BatchView> + ExactSizeIterator {
        self.batches.iter()
    }

    /// The first offset still kept.
    pub fn log_start_offset(&self) -> i64 {
        self.log_start_offset
    }

    /// The offset the next record gets.
    pub fn log_end_offset(&self) -> i64 {
        self.next_offset
    }

    /// The offset below which every record is on all replicas in sync, and may be read.
    pub fn high_watermark(&self) -> i64 {
        let limit = self.high_watermark_limit;
        limit.map_or(self.next_offset, |limit| limit.min(self.next_offset))
    }

    /// The offset below which no transaction is open, nor ended by a marker that not all replicas in
    /// sync have: how far read_committed readers get.
    pub fn last_stable_offset(&self) -> i64 {
        let reached = self.high_watermark();
        let unstable = self.producers.first_unstable_offset(reached);
        // Its first records may be gone by now: then it is the start of the batch that the log begins
        // within, as Kafka looks its place up.
        let begin = self.batches.front().map(|batch| batch.header().base_offset);
        let unstable = unstable.map(|offset| match begin {
            Some(begin) if offset < self.log_start_offset => begin,
            _ => offset.max(self.log_start_offset),
        });
        unstable.map_or(reached, |offset| offset.min(reached))
    }

    /// The aborted index, in the order of the ABORT markers.
    pub fn aborted_transactions(&self) -> &[AbortedTransaction] {
        &self.aborted
    }

    /// Bytes of all stored batches.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Appends a client's batch that was already validated as a batch, with these times if its own
    /// are not right.
    ///
    /// `verified`: the transaction coordinator has just said that the partition is in this
    /// producer's transaction.
    pub(crate) fn append(
        &mut self,
        batch: &BatchView,
        times: Option<Times>,
        verified: bool,
        leader_epoch: i32,
    ) -> Result<Appended, ErrorCode> {
        let header = batch.header();
        let transactional = batch.is_transactional();
        if header.producer_id >= 0 {
            if let Some((base_offset, timestamp)) = self.producers.duplicate_of(header) {
                return Ok(Appended {
                    base_offset,
                    next_offset: base_offset + i64::from(header.last_offset_delta) + 1,
                    copy_of: Some(timestamp),
                });
            }
            let open = self
                .producers
                .has_open_transaction(header.producer_id, header.producer_epoch);
            if transactional && !open && !verified {
                // The epoch first: a fenced producer must learn that, not that its transaction is gone.
                if self
                    .producers
                    .is_stale(header.producer_id, header.producer_epoch)
                {
                    return Err(ErrorCode::INVALID_PRODUCER_EPOCH);
                }
                return Err(ErrorCode::INVALID_TXN_STATE);
            }
            self.producers.check(header, transactional)?;
        }
        let base_offset = self.next_offset;
        let placed = rewrite::place(batch.bytes(), base_offset, leader_epoch, times);
        self.store(placed);
        if let Some(stored) = self.batches.back().filter(|_| header.producer_id >= 0) {
            let header = stored.header();
            self.producers.appended(header, base_offset, transactional);
        }
        Ok(Appended {
            base_offset,
            next_offset: self.next_offset,
            copy_of: None,
        })
    }

    /// Writes the marker that ends a transaction here.
    pub(crate) fn append_marker(&mut self, marker: &Marker) -> Result<(), ErrorCode> {
        self.producers.check_marker(
            marker.producer_id,
            marker.epoch,
            marker.coordinator_epoch,
            marker.epoch_bump,
        )?;
        let offset = self.next_offset;
        let coordinator_epoch = marker.coordinator_epoch;
        let kind = if marker.committed {
            ControlKind::Commit
        } else {
            ControlKind::Abort
        };
        let batch = record::control_batch(
            kind,
            marker.producer_id,
            marker.epoch,
            coordinator_epoch,
            offset,
            marker.timestamp,
        );
        let times = marker.log_append_time.then_some(Times {
            attributes: MARKER | rewrite::LOG_APPEND_TIME,
            max_timestamp: marker.timestamp,
        });
        self.store(rewrite::place(&batch, offset, marker.leader_epoch, times));
        let ended = self.producers.marked_at(marker, offset);
        if let Some(ended) = ended.filter(|_| !marker.committed) {
            self.aborted.push(AbortedTransaction {
                producer_id: marker.producer_id,
                first_offset: ended.first_offset,
                last_offset: offset,
                last_stable_offset: self.first_undecided_offset(),
            });
        }
        if let Some(ended) = ended.filter(|_| self.high_watermark_limit.is_some()) {
            self.producers.await_replication(ended.first_offset, offset);
        }
        Ok(())
    }

    /// Where a read of `size` bytes from `from` on ends as far as the offset index tells, which has
    /// an entry for every 4 KiB: there aborted transactions are looked for, and not where the
    /// records end (`LocalLog.addAbortedTransactions`).
    pub(crate) fn index_bound(&self, from: i64, size: usize) -> i64 {
        const INTERVAL: usize = 4096;
        let (mut place, mut since, mut end) = (0, 0, None);
        for batch in &self.batches {
            if end.is_none() && batch.last_offset() >= from {
                end = Some(place + size);
            }
            if since > INTERVAL {
                if end.is_some_and(|end| place >= end) {
                    return batch.last_offset();
                }
                since = 0;
            }
            since += batch.bytes().len();
            place += batch.bytes().len();
        }
        self.next_offset
    }

    /// Aborted transactions that reach into `from..until`, as `collectAbortedTransactions` finds
    /// them: in the order of their markers, not of their first offsets.
    pub(crate) fn aborted_between(&self, from: i64, until: i64) -> Vec<AbortedTransaction> {
        let first = self
            .aborted
            .partition_point(|aborted| aborted.last_offset < from);
        let mut found = Vec::new();
        for aborted in &self.aborted[first..] {
            if aborted.first_offset < until {
                found.push(*aborted);
            }
            // Nothing was open below this offset, so later entries start above it.
            if aborted.last_stable_offset >= until {
                break;
            }
        }
        found
    }

    /// The batches from the one that holds `offset` on, none reaching `until`.
    pub(crate) fn batches_from(&self, offset: i64, until: i64) -> impl Iterator<Item = &BatchView> {
        let first = self
            .batches
            .partition_point(|batch| batch.last_offset() < offset);
        self.batches
            .range(first..)
            .take_while(move |batch| batch.header().base_offset < until)
    }

    /// What the partition remembers of its producers, by id.
    pub fn producers(&self) -> impl Iterator<Item = ProducerView> {
        self.producers.views()
    }

    pub(crate) fn producers_mut(&mut self) -> &mut Producers {
        &mut self.producers
    }

    /// The last stable offset once all replicas have everything.
    fn first_undecided_offset(&self) -> i64 {
        let open = self.producers.first_open_offset();
        open.unwrap_or(self.next_offset)
    }

    fn store(&mut self, bytes: Bytes) {
        self.bytes += bytes.len() as u64;
        let batch = record::batches(bytes)
            .next()
            .and_then(Result::ok)
            .expect("only whole batches that were parsed before are stored");
        self.next_offset = batch.next_offset();
        self.batches.push_back(batch);
    }
}

/// What a COMMIT or ABORT marker says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Marker {
    pub(crate) producer_id: i64,
    pub(crate) epoch: i16,
    pub(crate) coordinator_epoch: i32,
    pub(crate) leader_epoch: i32,
    pub(crate) committed: bool,
    /// Whether the transaction ends under TV2, where the marker's epoch is a new one.
    pub(crate) epoch_bump: bool,
    pub(crate) timestamp: i64,
    /// Whether the topic's time-stamps are those of the append, as its markers then say.
    pub(crate) log_append_time: bool,
}

/// The attributes of a marker: control and transactional.
const MARKER: i16 = 0x30;
