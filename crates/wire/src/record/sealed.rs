//! A finished batch, and the header that makes it one attempt's.

use std::sync::Arc;

use bytes::Bytes;

use super::builder::{BatchBuilder, HeaderFields, RecordFields};
use super::checksum;
use super::chunks::Chunks;
use super::header::{BatchHeader, Compression, HEADER_LEN, LENGTH_END, MAGIC, TRANSACTIONAL};
use super::view::batches;
use crate::Payload;
use crate::compress::{Codec, Compressor, Decompressor};

/// The records of a finished batch, without header and checksum.
#[derive(Debug)]
pub struct BatchPayload {
    parts: Chunks,
    len: usize,
    record_count: u32,
    base_timestamp: i64,
    max_timestamp: i64,
}

/// A batch whose checksum is known: ready to be stamped, once or again. A clone shares the bytes.
#[derive(Clone, Debug)]
pub struct SealedBatch {
    /// The records, compressed by `codec`.
    parts: Arc<Chunks>,
    len: usize,
    codec: Codec,
    crc: u32,
    record_count: u32,
    base_timestamp: i64,
    max_timestamp: i64,
}

/// What only the moment of sending knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Producer id.
    pub producer_id: i64,
    /// Its epoch.
    pub producer_epoch: i16,
    /// Sequence number of the first record.
    pub base_sequence: i32,
    /// Whether the batch belongs to a transaction.
    pub transactional: bool,
}

impl Stamp {
    /// Of a producer that is not idempotent.
    pub const NONE: Self = Self {
        producer_id: -1,
        producer_epoch: -1,
        base_sequence: -1,
        transactional: false,
    };
}

impl BatchPayload {
    pub(super) const fn new(
        parts: Chunks,
        len: usize,
        record_count: u32,
        base_timestamp: i64,
        max_timestamp: i64,
    ) -> Self {
        Self {
            parts,
            len,
            record_count,
            base_timestamp,
            max_timestamp,
        }
    }

    /// Adds up the checksum: reads every byte once, so it may be worth a thread of its own.
    pub fn seal(self) -> SealedBatch {
        SealedBatch {
            crc: checksum::of(self.parts.iter().map(|part| &part[..])),
            parts: Arc::new(self.parts),
            len: self.len,
            codec: Codec::NONE,
            record_count: self.record_count,
            base_timestamp: self.base_timestamp,
            max_timestamp: self.max_timestamp,
        }
    }

    /// Compresses the records and adds up the checksum. Records that `codec` does not make smaller stay as they are: each batch's header says
    /// how it is compressed.
    ///
    /// Compressing takes many times as long as building the batch did, so it is worth a thread of its own.
    pub fn seal_with(self, codec: Codec, compressor: &mut Compressor) -> SealedBatch {
        let Some(compressed) = compressor.compress(codec, &self.parts, self.len) else {
            return self.seal();
        };
        SealedBatch {
            len: compressed.len(),
            crc: checksum::of_one(&compressed),
            parts: Arc::new(Chunks::from(vec![compressed])),
            codec,
            record_count: self.record_count,
            base_timestamp: self.base_timestamp,
            max_timestamp: self.max_timestamp,
        }
    }

    /// The slices of all records.
    pub(super) fn into_parts(self) -> Vec<Bytes> {
        self.parts.into_parts()
    }

    /// How many records.
    pub const fn record_count(&self) -> u32 {
        self.record_count
    }

    /// The bytes of all records.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no records.
    pub const fn is_empty(&self) -> bool {
        self.record_count == 0
    }
}

impl SealedBatch {
    /// How many records.
    pub const fn record_count(&self) -> u32 {
        self.record_count
    }

    /// How the records are compressed.
    pub const fn compression(&self) -> Compression {
        self.codec.compression()
    }

    /// The bytes the batch takes in a request, header included.
    pub const fn wire_len(&self) -> usize {
        HEADER_LEN + self.len
    }

    /// The batch with a header in front. The records are neither read nor copied: their checksum is combined with the header's.
    pub fn stamp(&self, stamp: &Stamp) -> Payload {
        let header = BatchHeader {
            base_offset: 0,
            // Batches are far smaller than 2 GiB: the request they go into could not be longer.
            length: i32::try_from(self.wire_len() - LENGTH_END).unwrap_or(i32::MAX),
            partition_leader_epoch: -1,
            magic: MAGIC,
            crc: 0,
            attributes: self.compression().bits()
                | if stamp.transactional {
                    TRANSACTIONAL
                } else {
                    0
                },
            last_offset_delta: self.record_count.saturating_sub(1).cast_signed(),
            base_timestamp: self.base_timestamp,
            max_timestamp: self.max_timestamp,
            producer_id: stamp.producer_id,
            producer_epoch: stamp.producer_epoch,
            base_sequence: stamp.base_sequence,
            record_count: self.record_count.cast_signed(),
        };
        let header = header.seal(self.crc, self.len);
        Payload::of_batch(header, Arc::clone(&self.parts), self.len)
    }

    /// The first and second half of the records as batches of their own, compressed as this one is, for a broker to which the whole is too
    /// large. `None` if there are not two records.
    pub fn split(&self) -> Option<(Self, Self)> {
        if self.record_count < 2 {
            return None;
        }
        let whole = self.stamp(&Stamp::NONE).to_bytes();
        // Our own bytes, so both are always there, and as many as they were.
        let mut decompressor = Decompressor::new(usize::MAX);
        let batch = batches(whole).next()?.ok()?;
        let batch = batch.into_records_with(&mut decompressor).ok()?;
        let half = self.record_count as usize / 2;
        let (mut first, mut second) = (BatchBuilder::new(), BatchBuilder::new());
        for (index, record) in batch.records().enumerate() {
            let headers: Vec<_> = record
                .headers()
                .map(|header| HeaderFields {
                    key: header.key,
                    value: header.value,
                })
                .collect();
            let fields = RecordFields {
                timestamp: record.timestamp(),
                key: record.key(),
                value: record.value(),
                headers: &headers,
            };
            if index < half {
                first.append(&fields)
            } else {
                second.append(&fields)
            }
        }
        let mut compressor = Compressor::default();
        let mut seal = |half: BatchBuilder| half.finish().seal_with(self.codec, &mut compressor);
        Some((seal(first), seal(second)))
    }
}
