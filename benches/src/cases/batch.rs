//! Batches, written and read by milena.

use std::hint::black_box;
use std::sync::Arc;

use bytes::Bytes;
use milena_wire::Payload;
use milena_wire::record::{BatchBuilder, ChunkPool, HeaderFields, RecordFields, Stamp, batches};

use super::records::{HEADERS, Records};

/// What a bench does with a record, so that none of its parts can be left unread: the lengths of everything in it, and the
/// first byte of its key.
pub type Digest = u64;

/// How batches are stamped here: as an idempotent producer does it.
pub const STAMP: Stamp = Stamp {
    producer_id: 4711,
    producer_epoch: 3,
    base_sequence: 12,
    transactional: false,
};

/// The chunks that are kept: more than a batch of these benches takes.
const CHUNKS_MAX: usize = 128;

/// Builds batches as the producer does: append, finish, seal, stamp.
#[derive(Debug)]
pub struct Encoder {
    pool: Arc<ChunkPool>,
}

impl Default for Encoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Encoder {
    /// One that has built nothing yet.
    pub fn new() -> Self {
        Self {
            pool: ChunkPool::new(CHUNKS_MAX),
        }
    }

    /// A batch of all `records`, ready to go into a request.
    pub fn encode(&mut self, records: &Records) -> Payload {
        let headers = HEADERS.map(|(key, value)| HeaderFields {
            key: key.as_bytes(),
            value: Some(value),
        });
        let headers: &[_] = if records.shape().headers {
            &headers
        } else {
            &[]
        };
        let mut builder = BatchBuilder::pooled(&self.pool);
        for record in records.iter() {
            builder.append(&RecordFields {
                timestamp: record.timestamp,
                key: Some(record.key),
                value: Some(record.value),
                headers,
            });
        }
        builder.finish().seal().stamp(&STAMP)
    }
}

/// Reads a batch as the consumer does: checksum, framing, records.
///
/// # Panics
/// If the batch is not one.
pub fn decode(batch: &Bytes) -> Digest {
    let mut digest = 0;
    for view in batches(batch.clone()) {
        let view = view.expect("a batch");
        view.verify_crc().expect("whole");
        let batch = view.into_records().expect("well formed");
        for record in batch.records() {
            let key = record.key().unwrap_or_default();
            let value = record.value().unwrap_or_default();
            digest += u64::from(key.first().copied().unwrap_or_default());
            digest += (key.len() + value.len()) as u64;
            for header in record.headers() {
                digest += (header.key.len() + header.value.unwrap_or_default().len()) as u64;
            }
            black_box(record.offset() + record.timestamp());
        }
    }
    digest
}
