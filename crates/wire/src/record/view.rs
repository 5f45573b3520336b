//! Batches in bytes: headers first, records when asked for.

use bytes::{Bytes, BytesMut};

use super::checksum;
use super::control::ControlRecord;
use super::header::{
    BatchHeader, CRC_START, Compression, HEADER_LEN, LENGTH_END, MAGIC, TimestampType,
};
use super::records::{RecordBatch, RecordRef};
use crate::compress::{Decompressor, Fault};
use crate::{DecodeError, DecodeErrorKind};

/// Up to and including the magic byte, all message formats are alike.
const MAGIC_POSITION: usize = 16;
/// The length field of the shortest message of the old formats: checksum, magic, attributes, key and value length.
const OLD_LENGTH_MIN: usize = 14;
/// What the records of a control batch may have, decompressed. A marker has 17 bytes, and the lists that brokers keep for themselves are short:
/// no peer gets the memory of a batch of data for one.
const CONTROL_BYTES_MAX: usize = 64 * 1024;

/// Walks over the batches in `records`. A batch that is cut off ends the walk: brokers cut answers at a byte count.
pub fn batches(records: Bytes) -> Batches {
    Batches {
        rest: records,
        position: 0,
    }
}

/// The walk that [`batches`] starts. It ends after the first error.
#[derive(Clone, Debug)]
pub struct Batches {
    rest: Bytes,
    position: usize,
}

impl Iterator for Batches {
    type Item = Result<BatchView, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.take_batch().transpose()?;
        if next.is_err() {
            self.rest = Bytes::new();
        }
        Some(next)
    }
}

impl std::iter::FusedIterator for Batches {}

impl Batches {
    fn take_batch(&mut self) -> Result<Option<BatchView>, DecodeError> {
        let Some((front, _)) = self.rest.split_first_chunk::<{ MAGIC_POSITION + 1 }>() else {
            return Ok(None);
        };
        let [.., a, b, c, d, _, _, _, _, magic] = *front;
        let length = i32::from_be_bytes([a, b, c, d]);
        let magic = magic.cast_signed();
        let error =
            |field, offset, kind| Err(DecodeError::plain(field, self.position + offset, kind));
        let len = match usize::try_from(length) {
            Ok(len) if len >= OLD_LENGTH_MIN => LENGTH_END + len,
            _ => return error("length", 8, DecodeErrorKind::BatchLength(length)),
        };
        if len > self.rest.len() {
            return Ok(None);
        }
        match magic {
            MAGIC => {}
            0 | 1 => return error("magic", MAGIC_POSITION, DecodeErrorKind::OldMagic(magic)),
            _ => {
                return error(
                    "magic",
                    MAGIC_POSITION,
                    DecodeErrorKind::UnknownMagic(magic),
                );
            }
        }
        let bytes = self.rest.split_to(len);
        let Some(header) = bytes.first_chunk::<HEADER_LEN>() else {
            return error("length", 8, DecodeErrorKind::BatchLength(length));
        };
        let header = BatchHeader::parse(header, self.position)?;
        self.position += len;
        Ok(Some(BatchView { header, bytes }))
    }
}

/// A batch whose header was read. It shares the bytes it was found in.
#[derive(Clone, Debug)]
pub struct BatchView {
    header: BatchHeader,
    bytes: Bytes,
}

impl BatchView {
    /// The header.
    pub const fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// The whole batch.
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Checks the checksum, which covers all but base offset, length, leader epoch and magic.
    pub fn verify_crc(&self) -> Result<(), DecodeError> {
        let computed = checksum::of_one(&self.bytes[CRC_START..]);
        let stored = self.header.crc;
        if computed == stored {
            Ok(())
        } else {
            Err(DecodeError::plain(
                "crc",
                CRC_START - 4,
                DecodeErrorKind::CrcMismatch { stored, computed },
            ))
        }
    }

    /// Offset of the last record the batch was made of, even if compaction has removed it.
    pub const fn last_offset(&self) -> i64 {
        self.header.last_offset()
    }

    /// The position after this batch.
    pub const fn next_offset(&self) -> i64 {
        self.last_offset().saturating_add(1)
    }

    /// Whether the batch is the broker's own, such as the end of a transaction.
    pub const fn is_control(&self) -> bool {
        self.header.is_control()
    }

    /// Whether the batch belongs to a transaction.
    pub const fn is_transactional(&self) -> bool {
        self.header.is_transactional()
    }

    /// How the records are compressed.
    pub const fn compression(&self) -> Compression {
        self.header.compression()
    }

    /// What the records' timestamps say.
    pub const fn timestamp_type(&self) -> TimestampType {
        self.header.timestamp_type()
    }

    /// Decompresses the records and checks the framing of every one, so that reading them cannot fail. For compressed batches in numbers there
    /// is [`Self::into_records_with`], which does not start with new memory each time.
    pub fn into_records(self) -> Result<RecordBatch, DecodeError> {
        self.into_records_with(&mut Decompressor::default())
    }

    /// The same, with memory that is used again, and the limit that `decompressor` has.
    pub fn into_records_with(
        self,
        decompressor: &mut Decompressor,
    ) -> Result<RecordBatch, DecodeError> {
        self.visit_records(decompressor, |_| ())
    }

    /// The same, and `visit` sees each record in the one pass that checks them: for who looks into records once only. It has seen the records
    /// in front of one that is refused.
    pub fn visit_records(
        self,
        decompressor: &mut Decompressor,
        visit: impl FnMut(RecordRef<'_>),
    ) -> Result<RecordBatch, DecodeError> {
        let compression = self.compression();
        let records = self.bytes.slice(HEADER_LEN..);
        // Compaction leaves a header alone when it removes the last record, with the codec's bits and without a byte of the codec's.
        let emptied = self.header.record_count == 0 && records.is_empty();
        if compression == Compression::None || emptied {
            return RecordBatch::new(self.header, records, HEADER_LEN, visit);
        }
        let error = |field, position, kind| Err(DecodeError::plain(field, position, kind));
        match decompressor.decompress(compression, &records) {
            Ok(records) => RecordBatch::new(self.header, records, 0, visit),
            Err(Fault::Unsupported) => error(
                "attributes",
                CRC_START,
                DecodeErrorKind::UnsupportedCompression(compression),
            ),
            Err(Fault::Damaged(what)) => error(
                "records",
                HEADER_LEN,
                DecodeErrorKind::Decompression { compression, what },
            ),
            Err(Fault::TooLong) => error(
                "records",
                HEADER_LEN,
                DecodeErrorKind::DecompressedTooLong {
                    max: decompressor.decompressed_bytes_max(),
                },
            ),
        }
    }

    /// What a control batch says; `None` for a batch of data and for a control batch that compaction has emptied.
    pub fn control(&self) -> Result<Option<ControlRecord>, DecodeError> {
        if !self.is_control() {
            return Ok(None);
        }
        let mut decompressor = Decompressor::new(CONTROL_BYTES_MAX);
        let batch = self.clone().into_records_with(&mut decompressor)?;
        match batch.records().next() {
            Some(record) => ControlRecord::parse(&record).map(Some),
            None => Ok(None),
        }
    }
}

/// A copy of `batch` as a broker appends it: with its place in the log. Neither field is covered by the checksum. Bytes too short to be a
/// batch come back as they are.
pub fn rewrite_base_offset(batch: &Bytes, base_offset: i64, leader_epoch: i32) -> Bytes {
    let mut copy = BytesMut::from(&batch[..]);
    if let Some(front) = copy.first_chunk_mut::<MAGIC_POSITION>() {
        front[..8].copy_from_slice(&base_offset.to_be_bytes());
        front[LENGTH_END..].copy_from_slice(&leader_epoch.to_be_bytes());
    }
    copy.freeze()
}
