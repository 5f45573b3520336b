//! From fetched bytes to batches that may be shown: pure CPU work, done beside the engine.

use bytes::Bytes;
#[cfg(feature = "plants")]
use milena_cluster::plants::{Plant, is_planted};
use milena_cluster::{LeaderEpoch, TopicPartition};
use milena_wire::record::{BatchHeader, BatchView, RecordBatch, batches};
use milena_wire::{DecodeError, DecodeErrorKind};

use crate::{AbortedTransactions, Cursor, FetchError, IsolationLevel, Visibility};

/// What came for one partition, still to be checked and filtered. `Send`; [`DecodeJob::run`] needs nothing else.
#[derive(Debug)]
pub struct DecodeJob {
    pub(crate) tp: TopicPartition,
    /// Which fetch of the partition it belongs to: a seek makes it void.
    pub(crate) version: u64,
    pub(crate) isolation: IsolationLevel,
    /// Where reading stood when the Fetch was sent.
    pub(crate) cursor: Cursor,
    /// The answer's last stable offset, or `i64::MAX`.
    pub(crate) stable_below: i64,
    pub(crate) aborted: Vec<(i64, i64)>,
    pub(crate) records: Bytes,
}

/// A [`DecodeJob`] that was run, for [`crate::Fetcher::handle_decoded`].
#[derive(Debug)]
pub struct DecodedFetch {
    pub(crate) tp: TopicPartition,
    pub(crate) version: u64,
    /// The bytes that the answer is charged with.
    pub(crate) charged: usize,
    pub(crate) batches: Vec<FetchedBatch>,
    /// Behind everything that was gone through.
    pub(crate) cursor: Cursor,
    pub(crate) end: DecodeEnd,
}

/// Why decoding went no further.
#[derive(Debug)]
pub(crate) enum DecodeEnd {
    /// Everything was gone through, and the position moved.
    Moved,
    /// Not one whole batch came.
    Incomplete,
    /// Whole batches came, all below the position.
    Behind,
    /// The next batch belongs to a transaction whose fate is open.
    Unstable,
    /// The next batch cannot be read. What came before it can.
    Failed(FetchError),
}

/// A batch of records to be shown.
#[derive(Clone, Debug)]
pub struct FetchedBatch {
    /// Where it is from.
    pub tp: TopicPartition,
    /// Its records. Those below `first_position` are to be skipped: a broker answers with whole batches, also when the
    /// position asked for lies inside of one.
    pub records: RecordBatch,
    /// The first offset to be shown.
    pub first_position: i64,
    /// Where reading stands after this batch, and over whatever shows nothing before it.
    pub cursor: Cursor,
    /// What it is charged with, to be given back with [`crate::Fetcher::release`].
    pub bytes: usize,
}

impl DecodeJob {
    /// Where the bytes are from.
    #[must_use]
    pub const fn topic_partition(&self) -> &TopicPartition {
        &self.tp
    }

    /// How many bytes it goes through.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.records.len()
    }

    /// Checks every batch's CRC, drops what is aborted, a marker, or below the position, and validates the framing of the
    /// rest once, so that reading its records cannot fail.
    #[must_use]
    pub fn run(self) -> DecodedFetch {
        let aborted = match self.isolation {
            IsolationLevel::ReadCommitted => Some(AbortedTransactions::new(self.aborted)),
            IsolationLevel::ReadUncommitted => None,
        };
        let decoder = Decoder {
            tp: &self.tp,
            aborted,
            stable_below: self.stable_below,
            cursor: self.cursor,
            batches: Vec::new(),
            seen: 0,
            unshown: 0,
        };
        let charged = self.records.len();
        let (batches, cursor, end) = decoder.run(self.records, self.cursor.position);
        DecodedFetch {
            tp: self.tp,
            version: self.version,
            charged,
            batches,
            cursor,
            end,
        }
    }
}

struct Decoder<'a> {
    tp: &'a TopicPartition,
    /// `None` under read_uncommitted.
    aborted: Option<AbortedTransactions>,
    stable_below: i64,
    cursor: Cursor,
    batches: Vec<FetchedBatch>,
    /// Whole batches met so far.
    seen: usize,
    /// Bytes gone through since the last batch to be shown.
    unshown: usize,
}

/// Why a batch ends the decoding.
enum Stop {
    Unstable,
    Failed(FetchError),
}

impl From<DecodeError> for Stop {
    fn from(error: DecodeError) -> Self {
        Self::Failed(FetchError::Corrupt(error))
    }
}

impl Decoder<'_> {
    fn run(mut self, records: Bytes, start: i64) -> (Vec<FetchedBatch>, Cursor, DecodeEnd) {
        let total = records.len();
        let stop = batches(records)
            .try_for_each(|batch| self.take(batch?))
            .err();
        let end = match stop {
            Some(Stop::Failed(error)) => DecodeEnd::Failed(error),
            _ if self.cursor.position > start => DecodeEnd::Moved,
            Some(Stop::Unstable) => DecodeEnd::Unstable,
            None if self.seen == 0 => DecodeEnd::Incomplete,
            None => DecodeEnd::Behind,
        };
        // The frame lives as long as its last slice: the last batch carries what is charged for the bytes that show nothing.
        let shown: usize = self.batches.iter().map(|batch| batch.bytes).sum();
        if let Some(last) = self.batches.last_mut() {
            last.bytes += total - shown;
        }
        (self.batches, self.cursor, end)
    }

    fn take(&mut self, batch: BatchView) -> Result<(), Stop> {
        self.seen += 1;
        self.unshown += batch.bytes().len();
        #[cfg(feature = "plants")]
        if is_planted(Plant::DamagedBatchSkipped) && batch.verify_crc().is_err() {
            self.cursor.position = self.cursor.position.max(batch.next_offset());
            return Ok(());
        }
        #[cfg(feature = "plants")]
        let verified = !is_planted(Plant::ChecksumNotVerified);
        #[cfg(not(feature = "plants"))]
        let verified = true;
        if verified {
            batch.verify_crc()?;
        }
        let visibility = self.observe(&batch)?;
        if batch.next_offset() <= self.cursor.position {
            return Ok(());
        }
        let after = Cursor {
            position: batch.next_offset(),
            leader_epoch: leader_epoch(batch.header()),
        };
        if visibility == Visibility::Records {
            self.show(batch, after)?;
        }
        self.cursor = after;
        Ok(())
    }

    fn observe(&mut self, batch: &BatchView) -> Result<Visibility, DecodeError> {
        match &mut self.aborted {
            Some(aborted) => aborted.observe(batch),
            None if batch.is_control() => Ok(Visibility::Control),
            None => Ok(Visibility::Records),
        }
    }

    fn show(&mut self, batch: BatchView, cursor: Cursor) -> Result<(), Stop> {
        // A broker reads its last stable offset before it reads the log, so a transaction that was decided in between may lie
        // above: the next answer brings it. And one that does not cut its answers there must not show us an open transaction.
        if self.aborted.is_some()
            && batch.is_transactional()
            && batch.last_offset() >= self.stable_below
        {
            return Err(Stop::Unstable);
        }
        let (offset, compression) = (batch.header().base_offset, batch.compression());
        let records = batch.into_records().map_err(|error| match error.kind {
            DecodeErrorKind::UnsupportedCompression(_) => {
                Stop::Failed(FetchError::UnsupportedCompression {
                    offset,
                    compression,
                })
            }
            _ => error.into(),
        })?;
        let first_position = self.cursor.position;
        // Compaction may have emptied the batch, or removed just the records that would be shown.
        let shows = match offset < first_position {
            false => !records.is_empty(),
            true => records
                .records()
                .any(|record| record.offset() >= first_position),
        };
        if shows {
            let bytes = std::mem::take(&mut self.unshown);
            self.batches.push(FetchedBatch {
                tp: self.tp.clone(),
                records,
                first_position,
                cursor,
                bytes,
            });
        }
        Ok(())
    }
}

fn leader_epoch(header: &BatchHeader) -> LeaderEpoch {
    LeaderEpoch(header.partition_leader_epoch.max(-1))
}
