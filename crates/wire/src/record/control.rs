//! Control batches: how brokers write down the end of a transaction.

use bytes::{BufMut, Bytes, BytesMut};

use super::builder::{BatchBuilder, RecordFields};
use super::checksum;
use super::header::{BatchHeader, CONTROL, HEADER_LEN, LENGTH_END, MAGIC, TRANSACTIONAL};
use super::records::RecordRef;
use crate::{DecodeError, DecodeErrorKind};

const ABORT: i16 = 0;
const COMMIT: i16 = 1;

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ControlKind {
    /// Its records do not count.
    Abort,
    /// Its records count.
    Commit,
}

/// What the record of a control batch says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlRecord {
    /// The producer's transaction was aborted.
    Abort {
        /// Epoch of the transaction coordinator.
        coordinator_epoch: i32,
    },
    /// The producer's transaction was committed.
    Commit {
        /// Epoch of the transaction coordinator.
        coordinator_epoch: i32,
    },
    /// Not about a transaction: something the brokers say among themselves.
    Unknown {
        /// Version of the record's key.
        version: i16,
        /// What it is about.
        kind: i16,
    },
}

impl ControlRecord {
    /// Reads key (version, kind) and value (version, coordinator epoch). Later versions may append fields to both, as Kafka allows.
    pub(super) fn parse(record: &RecordRef<'_>) -> Result<Self, DecodeError> {
        let error = |field, kind| DecodeError::plain(field, 0, kind);
        let truncated = |field| move || error(field, DecodeErrorKind::Truncated);
        let key = record.key().and_then(|key| key.first_chunk::<4>());
        let [a, b, c, d] = *key.ok_or_else(truncated("control key"))?;
        let (version, kind) = (i16::from_be_bytes([a, b]), i16::from_be_bytes([c, d]));
        if kind != ABORT && kind != COMMIT {
            return Ok(Self::Unknown { version, kind });
        }
        let value = record.value().and_then(|value| value.first_chunk::<6>());
        let [_, _, a, b, c, d] = *value.ok_or_else(truncated("control value"))?;
        let coordinator_epoch = i32::from_be_bytes([a, b, c, d]);
        Ok(match kind {
            ABORT => Self::Abort { coordinator_epoch },
            _ => Self::Commit { coordinator_epoch },
        })
    }
}

/// The batch that ends a transaction, as a broker appends it at `base_offset`.
pub fn control_batch(
    kind: ControlKind,
    producer_id: i64,
    producer_epoch: i16,
    coordinator_epoch: i32,
    base_offset: i64,
    timestamp: i64,
) -> Bytes {
    let mut key = [0; 4];
    key[2..].copy_from_slice(
        &if kind == ControlKind::Commit {
            COMMIT
        } else {
            ABORT
        }
        .to_be_bytes(),
    );
    let mut value = [0; 6];
    value[2..].copy_from_slice(&coordinator_epoch.to_be_bytes());
    let mut builder = BatchBuilder::new();
    builder.append(&RecordFields {
        timestamp,
        key: Some(&key),
        value: Some(&value),
        headers: &[],
    });
    let parts = builder.finish().into_parts();
    let len = parts.iter().map(Bytes::len).sum::<usize>();
    let header = BatchHeader {
        base_offset,
        // One record of 17 bytes.
        length: (HEADER_LEN - LENGTH_END + len) as i32,
        partition_leader_epoch: 0,
        magic: MAGIC,
        crc: 0,
        attributes: TRANSACTIONAL | CONTROL,
        last_offset_delta: 0,
        base_timestamp: timestamp,
        max_timestamp: timestamp,
        producer_id,
        producer_epoch,
        base_sequence: -1,
        record_count: 1,
    };
    let payload_crc = checksum::of(parts.iter().map(|part| &part[..]));
    let mut batch = BytesMut::with_capacity(HEADER_LEN + len);
    batch.put_slice(&header.seal(payload_crc, len));
    parts.iter().for_each(|part| batch.put_slice(part));
    batch.freeze()
}
