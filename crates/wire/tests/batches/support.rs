//! Batches to test with.

use bytes::{Bytes, BytesMut};
use fastrand::Rng;
use milena_wire::record::*;
use milena_wire::{DecodeError, DecodeErrorKind};

pub(crate) const STAMP: Stamp = Stamp {
    producer_id: 4711,
    producer_epoch: 3,
    base_sequence: 12,
    transactional: true,
};

pub(crate) type OwnedHeaders = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// A record that owns its parts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Owned {
    pub(crate) timestamp: i64,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: OwnedHeaders,
}

impl Owned {
    pub(crate) fn random(random: &mut Rng) -> Self {
        let bytes = |random: &mut Rng, max: usize| {
            (random.u8(..5) > 0).then(|| {
                (0..random.usize(..max))
                    .map(|_| random.u8(..))
                    .collect::<Vec<u8>>()
            })
        };
        let value_max = if random.u8(..100) == 0 {
            3 * CHUNK_BYTES
        } else {
            300
        };
        Self {
            timestamp: 1_700_000_000_000 + random.i64(-5_000..5_000),
            key: bytes(random, 20),
            value: bytes(random, value_max),
            headers: (0..random.usize(..3))
                .map(|_| (bytes(random, 9).unwrap_or_default(), bytes(random, 9)))
                .collect(),
        }
    }

    pub(crate) fn append_to(&self, builder: &mut BatchBuilder) {
        let headers: Vec<_> = self
            .headers
            .iter()
            .map(|(key, value)| HeaderFields {
                key,
                value: value.as_deref(),
            })
            .collect();
        builder.append(&RecordFields {
            timestamp: self.timestamp,
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            headers: &headers,
        });
    }

    pub(crate) fn all_of(batch: &RecordBatch) -> Vec<Self> {
        let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
        batch
            .records()
            .map(|record| Self {
                timestamp: record.timestamp(),
                key: owned(record.key()),
                value: owned(record.value()),
                headers: record
                    .headers()
                    .map(|header| (header.key.to_vec(), owned(header.value)))
                    .collect(),
            })
            .collect()
    }
}

pub(crate) fn seal(records: &[Owned]) -> SealedBatch {
    let mut builder = BatchBuilder::new();
    records
        .iter()
        .for_each(|record| record.append_to(&mut builder));
    builder.finish().seal()
}

pub(crate) fn only(bytes: Bytes) -> BatchView {
    let mut walk = batches(bytes);
    let batch = walk.next().expect("one").expect("well formed");
    assert!(walk.next().is_none());
    batch
}

pub(crate) fn small() -> Bytes {
    let mut builder = BatchBuilder::new();
    for (timestamp, value) in [(1000, &b"one"[..]), (1002, b"two"), (1001, b"three")] {
        let headers = [HeaderFields {
            key: b"h",
            value: Some(b"v"),
        }];
        builder.append(&RecordFields {
            timestamp,
            key: Some(b"k"),
            value: Some(value),
            headers: &headers,
        });
    }
    builder.finish().seal().stamp(&STAMP).to_bytes()
}

/// `batch` with some of its bytes replaced and its checksum made to fit again.
pub(crate) fn patched(batch: &Bytes, patches: &[(usize, &[u8])]) -> Bytes {
    let mut batch = BytesMut::from(&batch[..]);
    for (at, bytes) in patches {
        batch[*at..at + bytes.len()].copy_from_slice(bytes);
    }
    let crc = crc32c::crc32c(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
    batch.freeze()
}

/// A batch around hand-written record bytes.
pub(crate) fn around(records: &[u8], record_count: i32, last_offset_delta: i32) -> Bytes {
    let mut batch = BytesMut::from(&small()[..HEADER_LEN]);
    batch.extend_from_slice(records);
    let length = (batch.len() - 12) as i32;
    patched(
        &batch.freeze(),
        &[
            (8, &length.to_be_bytes()),
            (23, &last_offset_delta.to_be_bytes()),
            (57, &record_count.to_be_bytes()),
        ],
    )
}

pub(crate) fn kind<T: std::fmt::Debug>(outcome: Result<T, DecodeError>) -> DecodeErrorKind {
    outcome.expect_err("must fail").kind
}

pub(crate) fn framing_error(batch: Bytes) -> DecodeErrorKind {
    kind(only(batch).into_records())
}
