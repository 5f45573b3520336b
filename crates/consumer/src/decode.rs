//! From fetched bytes to batches that may be shown: pure CPU work, done beside the engine.

use bytes::Bytes;
#[cfg(feature = "plants")]
use milena_cluster::plants::{Plant, is_planted};
use milena_cluster::{LeaderEpoch, TopicPartition};
use milena_wire::compress::Decompressor;
use milena_wire::record::{BatchHeader, BatchView, Compression, RecordBatch, batches};
use milena_wire::{DecodeError, DecodeErrorKind};

use crate::{AbortedTransactions, Cursor, FetchError, Visibility};

/// What is reserved for the records of a byte that was fetched compressed, before it is known what becomes of it.
const EXPANSION: usize = 8;
/// The least that is reserved, and so the most that a few bytes can become before their job counts as a long one.
const ALLOWANCE_MIN: usize = 256 * 1024;
/// How many times more is reserved for a batch that did not fit. It is decompressed once more from the start, so steps are
/// large: the attempts in vain decompress less than 4/3 of the batch, close to that if it is just larger than the last of them.
const ALLOWANCE_GROWTH: usize = 4;

/// What came for one partition, still to be checked and filtered. `Send`; [`DecodeJob::run`] needs nothing else.
#[derive(Debug)]
pub struct DecodeJob {
    pub(crate) tp: TopicPartition,
    /// Which fetch of the partition it belongs to: a seek makes it void.
    pub(crate) version: u64,
    /// Where reading stood when the Fetch was sent.
    pub(crate) cursor: Cursor,
    /// The answer's last stable offset, or `i64::MAX`.
    pub(crate) stable_below: i64,
    /// `None` under read_uncommitted.
    pub(crate) aborted: Option<AbortedTransactions>,
    pub(crate) records: Bytes,
    /// Where reading stood before the answer of which this is the whole or the rest.
    pub(crate) start: i64,
    /// How the first batch is compressed.
    compression: Compression,
    /// What is reserved for decompressed records: the job makes no more, and leaves a rest instead.
    pub(crate) allowance: usize,
    /// What it counts for at least, in bytes as they came.
    weight: usize,
    /// What the records of one batch may have.
    decompressed_bytes_max: usize,
    /// Whether it leaves a rest behind the first batch that it decompresses: there is no room for more.
    pub(crate) one_batch: bool,
}

/// A [`DecodeJob`] that was run, for [`crate::Fetcher::handle_decoded`].
#[derive(Debug)]
pub struct DecodedFetch {
    pub(crate) tp: TopicPartition,
    pub(crate) version: u64,
    /// The bytes that were gone through, which the answer is charged with.
    pub(crate) charged: usize,
    /// What was reserved for decompressed records.
    pub(crate) allowance: usize,
    /// What there was no memory for yet.
    pub(crate) rest: Option<Box<DecodeJob>>,
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
    /// There is a rest.
    Paused,
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
    /// For what came of `tp`, asked for at `cursor`.
    pub(crate) fn new(
        (tp, version): (TopicPartition, u64),
        cursor: Cursor,
        (aborted, stable_below): (Option<AbortedTransactions>, i64),
        records: Bytes,
        decompressed_bytes_max: usize,
    ) -> Self {
        Self {
            tp,
            version,
            cursor,
            stable_below,
            aborted,
            records,
            start: cursor.position,
            compression: Compression::None,
            allowance: 0,
            weight: 0,
            decompressed_bytes_max,
            one_batch: false,
        }
        .with_allowance(0)
    }

    /// Asks for the memory that it will need, at least `wanted` if anything is to be decompressed.
    fn with_allowance(mut self, wanted: usize) -> Self {
        self.compression = match batches(self.records.clone()).next() {
            Some(Ok(first)) => first.compression(),
            _ => Compression::None,
        };
        self.allowance = match self.compression {
            Compression::None => 0,
            _ => (self.records.len().saturating_mul(EXPANSION))
                .max(ALLOWANCE_MIN)
                .max(wanted)
                .min(self.decompressed_bytes_max),
        };
        self
    }

    /// Where the bytes are from.
    #[must_use]
    pub const fn topic_partition(&self) -> &TopicPartition {
        &self.tp
    }

    /// How many bytes it goes through, as they came. What is known to become much counts for more: a few bytes can keep a
    /// thread busy for long.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.records.len().max(self.weight)
    }

    /// How the first of its batches is compressed.
    #[must_use]
    pub const fn compression(&self) -> Compression {
        self.compression
    }

    /// Checks every batch's CRC, drops what is aborted, a marker, or below the position, decompresses the rest, and validates
    /// its framing once, so that reading its records cannot fail.
    #[must_use]
    pub fn run(mut self, decompressor: &mut Decompressor) -> DecodedFetch {
        let mut decoder = Decoder {
            tp: &self.tp,
            aborted: self.aborted.take(),
            stable_below: self.stable_below,
            cursor: self.cursor,
            batches: Vec::new(),
            seen: 0,
            passed: 0,
            unshown: 0,
            room: self.allowance,
            largest: 0,
            decompressed_bytes_max: self.decompressed_bytes_max,
            one_batch: self.one_batch,
            decompressor,
        };
        let (end, wanted) = decoder.run(self.records.clone(), self.start);
        let charged = match end {
            DecodeEnd::Paused => decoder.passed,
            _ => self.records.len(),
        };
        decoder.charge_for_the_frame(charged);
        let (batches, cursor, aborted) = (decoder.batches, decoder.cursor, decoder.aborted);
        let (tp, version, allowance) = (self.tp.clone(), self.version, self.allowance);
        let rest = matches!(end, DecodeEnd::Paused).then(|| {
            let records = self.records.slice(charged..);
            let rest = Self {
                cursor,
                aborted,
                records,
                ..self
            };
            let mut rest = rest.with_allowance(wanted);
            // What came before it became as much as was reserved. Rests of a few bytes may follow each other for long, each of
            // them short by what came, and would all be run where the first one was.
            rest.weight = rest.allowance / EXPANSION;
            Box::new(rest)
        });
        DecodedFetch {
            tp,
            version,
            charged,
            allowance,
            rest,
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
    /// The bytes of those that were gone through.
    passed: usize,
    /// Of these, the bytes since the last batch that shares the frame.
    unshown: usize,
    /// What may still be decompressed.
    room: usize,
    /// The largest batch that was decompressed: the next one may be as large.
    largest: usize,
    decompressed_bytes_max: usize,
    one_batch: bool,
    decompressor: &'a mut Decompressor,
}

/// Why a batch ends the decoding.
enum Stop {
    Unstable,
    /// There is no room for it: so much is wanted at least.
    NoRoom(usize),
    Failed(FetchError),
}

impl From<DecodeError> for Stop {
    fn from(error: DecodeError) -> Self {
        Self::Failed(FetchError::Corrupt(error))
    }
}

impl Decoder<'_> {
    /// How it ends; if for want of room, how much is wanted at least.
    fn run(&mut self, records: Bytes, start: i64) -> (DecodeEnd, usize) {
        let stop = batches(records)
            .try_for_each(|batch| self.take(batch?))
            .err();
        let end = match stop {
            Some(Stop::Failed(error)) => DecodeEnd::Failed(error),
            Some(Stop::NoRoom(wanted)) => return (DecodeEnd::Paused, wanted),
            _ if self.cursor.position > start => DecodeEnd::Moved,
            Some(Stop::Unstable) => DecodeEnd::Unstable,
            None if self.seen == 0 => DecodeEnd::Incomplete,
            None => DecodeEnd::Behind,
        };
        (end, 0)
    }

    /// The frame lives as long as its last slice: the last batch that shares it carries what is charged for the bytes that show
    /// nothing, and for those that were decompressed.
    fn charge_for_the_frame(&mut self, bytes: usize) {
        let shares =
            |batch: &&mut FetchedBatch| batch.records.header().compression() == Compression::None;
        let shown: usize = (self
            .batches
            .iter_mut()
            .filter(shares)
            .map(|batch| batch.bytes))
        .sum();
        if let Some(last) = self.batches.iter_mut().rfind(shares) {
            last.bytes += bytes - shown;
        }
    }

    fn take(&mut self, batch: BatchView) -> Result<(), Stop> {
        self.seen += 1;
        #[cfg(feature = "plants")]
        if is_planted(Plant::DamagedBatchSkipped) && batch.verify_crc().is_err() {
            self.cursor.position = self.cursor.position.max(batch.next_offset());
            self.pass(batch.bytes().len());
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
        let bytes = batch.bytes().len();
        if batch.next_offset() <= self.cursor.position {
            self.pass(bytes);
            return Ok(());
        }
        let after = Cursor {
            position: batch.next_offset(),
            leader_epoch: leader_epoch(batch.header()),
        };
        let shown = match visibility {
            Visibility::Records => self.show(batch, after)?,
            _ => false,
        };
        self.pass(bytes);
        if shown && let Some(batch) = self.batches.last_mut() {
            // What was decompressed has memory of its own; the rest is a slice of the frame.
            batch.bytes = match batch.records.header().compression() {
                Compression::None => std::mem::take(&mut self.unshown),
                _ => batch.records.payload_len(),
            };
        }
        self.cursor = after;
        Ok(())
    }

    const fn pass(&mut self, bytes: usize) {
        self.passed += bytes;
        self.unshown += bytes;
    }

    fn observe(&mut self, batch: &BatchView) -> Result<Visibility, DecodeError> {
        match &mut self.aborted {
            Some(aborted) => aborted.observe(batch),
            None if batch.is_control() => Ok(Visibility::Control),
            None => Ok(Visibility::Records),
        }
    }

    /// Whether there is anything to show.
    fn show(&mut self, batch: BatchView, cursor: Cursor) -> Result<bool, Stop> {
        // A broker reads its last stable offset before it reads the log, so a transaction that was decided in between may lie
        // above: the next answer brings it. And one that does not cut its answers there must not show us an open transaction.
        if self.aborted.is_some()
            && batch.is_transactional()
            && batch.last_offset() >= self.stable_below
        {
            return Err(Stop::Unstable);
        }
        let offset = batch.header().base_offset;
        let records = self.open(batch)?;
        let first_position = self.cursor.position;
        // Compaction may have emptied the batch, or removed just the records that would be shown.
        let shows = match offset < first_position {
            false => !records.is_empty(),
            true => records
                .records()
                .any(|record| record.offset() >= first_position),
        };
        if shows {
            self.batches.push(FetchedBatch {
                tp: self.tp.clone(),
                records,
                first_position,
                cursor,
                bytes: 0,
            });
        }
        Ok(shows)
    }

    /// The batch's records, decompressed within what is reserved.
    fn open(&mut self, batch: BatchView) -> Result<RecordBatch, Stop> {
        let (offset, next_offset) = (batch.header().base_offset, batch.next_offset());
        let compression = batch.compression();
        let packed = compression != Compression::None;
        // The first one is tried in any case: it has the whole of what was reserved.
        let first = self.largest == 0;
        if packed && (self.room == 0 || self.room < self.largest || self.one_batch && !first) {
            return Err(Stop::NoRoom(0));
        }
        let bytes_max = self.room.min(self.decompressed_bytes_max);
        self.decompressor.set_decompressed_bytes_max(bytes_max);
        let opened = batch.into_records_with(self.decompressor);
        let records = opened.map_err(|error| match error.kind {
            DecodeErrorKind::UnsupportedCompression(_) => {
                Stop::Failed(FetchError::UnsupportedCompression {
                    offset,
                    compression,
                })
            }
            DecodeErrorKind::DecompressedTooLong { .. } if self.largest > 0 => Stop::NoRoom(0),
            DecodeErrorKind::DecompressedTooLong { .. }
                if bytes_max < self.decompressed_bytes_max =>
            {
                Stop::NoRoom(bytes_max.saturating_mul(ALLOWANCE_GROWTH))
            }
            DecodeErrorKind::DecompressedTooLong { .. } => {
                Stop::Failed(FetchError::DecompressedTooLong {
                    offset,
                    next_offset,
                    decompressed_bytes_max: bytes_max,
                })
            }
            _ => error.into(),
        })?;
        if packed {
            self.largest = self.largest.max(records.payload_len());
            self.room = self.room.saturating_sub(records.payload_len());
        }
        Ok(records)
    }
}

fn leader_epoch(header: &BatchHeader) -> LeaderEpoch {
    LeaderEpoch(header.partition_leader_epoch.max(-1))
}
