//! Records to bytes.

use std::sync::Arc;

use bytes::BytesMut;

use super::chunks::{ChunkPool, Chunks};
use super::sealed::BatchPayload;
use crate::varint;

/// The bytes of one chunk, the unit in which a batch's memory grows.
pub const CHUNK_BYTES: usize = 16 * 1024;

/// Length, timestamp and key length are written at once, as is what stands between key and value, and so on: none is longer than this.
const SCRATCH_LEN: usize = 32;

/// What a record is made of. Timestamps are milliseconds since 1970 and not negative; a record has less than 2 GiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordFields<'a> {
    /// When it happened.
    pub timestamp: i64,
    /// What it is about.
    pub key: Option<&'a [u8]>,
    /// What it says; `None` marks a deletion in a compacted topic.
    pub value: Option<&'a [u8]>,
    /// Notes in order; keys may repeat.
    pub headers: &'a [HeaderFields<'a>],
}

/// One note on a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderFields<'a> {
    /// Its name, UTF-8 by custom.
    pub key: &'a [u8],
    /// Its value.
    pub value: Option<&'a [u8]>,
}

/// A batch being filled: each record is encoded as it comes, into chunks of [`CHUNK_BYTES`]. A record may continue in the next chunk.
#[derive(Debug, Default)]
pub struct BatchBuilder {
    full: Chunks,
    /// The chunk being filled; of no length before the first record.
    chunk: BytesMut,
    used: usize,
    record_count: u32,
    base_timestamp: i64,
    max_timestamp: i64,
}

/// The sizes of a record's parts, worked out once.
struct Layout {
    timestamp_delta: u64,
    /// The record without its own length.
    body_len: usize,
    /// All of it.
    len: usize,
}

impl BatchBuilder {
    /// An empty batch, which holds no memory yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, with chunks of `pool`, which get back there when the batch and all that shares it are gone.
    pub fn pooled(pool: &Arc<ChunkPool>) -> Self {
        Self {
            full: Chunks::of(pool),
            ..Self::default()
        }
    }

    /// Encodes a record. Allocates only when a chunk is full.
    #[inline]
    pub fn append(&mut self, record: &RecordFields<'_>) {
        let layout = self.layout(record);
        if self.record_count == 0 {
            self.base_timestamp = record.timestamp;
            self.max_timestamp = record.timestamp;
        }
        self.max_timestamp = self.max_timestamp.max(record.timestamp);
        match self.chunk.get_mut(self.used..self.used + layout.len) {
            Some(room) if record.headers.is_empty() => {
                write_whole(record, &layout, self.record_count, room);
                self.used += layout.len;
            }
            _ => self.append_in_pieces(record, &layout),
        }
        self.record_count += 1;
    }

    /// The exact bytes `record` would take if it were appended now.
    #[inline]
    pub fn encoded_len(&self, record: &RecordFields<'_>) -> usize {
        self.layout(record).len
    }

    /// How many new chunks an append of `len` bytes would open.
    #[inline]
    pub fn chunks_needed(&self, len: usize) -> usize {
        len.saturating_sub(self.chunk.len() - self.used)
            .div_ceil(CHUNK_BYTES)
    }

    /// How many records were appended.
    pub const fn record_count(&self) -> u32 {
        self.record_count
    }

    /// The bytes of all records.
    pub const fn payload_len(&self) -> usize {
        self.full.len() * CHUNK_BYTES + self.used
    }

    /// The chunks in use, the one being filled included.
    pub fn chunks(&self) -> usize {
        self.full.len() + usize::from(!self.chunk.is_empty())
    }

    /// Whether nothing was appended.
    pub const fn is_empty(&self) -> bool {
        self.record_count == 0
    }

    /// Ends the batch; nothing is copied.
    pub fn finish(mut self) -> BatchPayload {
        let len = self.payload_len();
        self.chunk.truncate(self.used);
        self.full.push(self.chunk);
        BatchPayload::new(
            self.full,
            len,
            self.record_count,
            self.base_timestamp,
            self.max_timestamp,
        )
    }

    #[inline]
    fn layout(&self, record: &RecordFields<'_>) -> Layout {
        let delta = if self.record_count == 0 {
            0
        } else {
            record.timestamp.wrapping_sub(self.base_timestamp)
        };
        let timestamp_delta = varint::zigzag_64(delta);
        let mut body_len = 1
            + varint::len(timestamp_delta)
            + varint::len(offset_delta(self.record_count))
            + field_len(record.key)
            + field_len(record.value)
            + varint::len(length(record.headers.len()));
        for header in record.headers {
            body_len += field_len(Some(header.key)) + field_len(header.value);
        }
        Layout {
            timestamp_delta,
            body_len,
            len: varint::len(length(body_len)) + body_len,
        }
    }

    /// The slower way, for records with headers and those that do not fit what is left of the chunk.
    fn append_in_pieces(&mut self, record: &RecordFields<'_>, layout: &Layout) {
        let mut scratch = Scratch::default();
        scratch.varint(length(layout.body_len));
        scratch.byte(0);
        scratch.varint(layout.timestamp_delta);
        scratch.varint(offset_delta(self.record_count));
        self.put_field(&mut scratch, record.key);
        self.put_field(&mut scratch, record.value);
        scratch.varint(length(record.headers.len()));
        for header in record.headers {
            self.put_field(&mut scratch, Some(header.key));
            self.put_field(&mut scratch, header.value);
        }
        self.put(scratch.filled());
    }

    /// Writes what is in `scratch`, the field's length and the field.
    fn put_field(&mut self, scratch: &mut Scratch, field: Option<&[u8]>) {
        scratch.varint(field_length(field));
        self.put(scratch.filled());
        scratch.len = 0;
        self.put(field.unwrap_or_default());
    }

    fn put(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.used == self.chunk.len() {
                self.open_chunk();
            }
            let fits = bytes.len().min(self.chunk.len() - self.used);
            let (now, later) = bytes.split_at(fits);
            self.chunk[self.used..self.used + fits].copy_from_slice(now);
            self.used += fits;
            bytes = later;
        }
    }

    fn open_chunk(&mut self) {
        let chunk = self.full.open();
        let full = std::mem::replace(&mut self.chunk, chunk);
        self.full.push(full);
        self.used = 0;
    }
}

/// Writes a record without headers into exactly the room it takes.
#[inline]
fn write_whole(record: &RecordFields<'_>, layout: &Layout, record_count: u32, room: &mut [u8]) {
    let mut at = varint::put(length(layout.body_len), room);
    room[at] = 0;
    at += 1;
    at += varint::put(layout.timestamp_delta, &mut room[at..]);
    at += varint::put(offset_delta(record_count), &mut room[at..]);
    for field in [record.key, record.value] {
        at += varint::put(field_length(field), &mut room[at..]);
        let bytes = field.unwrap_or_default();
        room[at..at + bytes.len()].copy_from_slice(bytes);
        at += bytes.len();
    }
    room[at] = 0;
}

/// A length as it is written: zigzag.
#[inline]
const fn length(len: usize) -> u64 {
    varint::zigzag_64(len as i64)
}

#[inline]
const fn offset_delta(record_count: u32) -> u64 {
    varint::zigzag_64(record_count as i64)
}

#[inline]
fn field_length(field: Option<&[u8]>) -> u64 {
    field.map_or(varint::zigzag_64(-1), |bytes| length(bytes.len()))
}

#[inline]
fn field_len(field: Option<&[u8]>) -> usize {
    varint::len(field_length(field)) + field.map_or(0, <[u8]>::len)
}

/// A few small fields, put into the chunk together.
#[derive(Default)]
struct Scratch {
    bytes: [u8; SCRATCH_LEN],
    len: usize,
}

impl Scratch {
    fn byte(&mut self, byte: u8) {
        self.bytes[self.len] = byte;
        self.len += 1;
    }

    fn varint(&mut self, value: u64) {
        self.len += varint::put(value, &mut self.bytes[self.len..]);
    }

    fn filled(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Stamp, batches};

    fn value_of(len: usize) -> RecordFields<'static> {
        static ZEROS: [u8; 3 * CHUNK_BYTES] = [0; 3 * CHUNK_BYTES];
        RecordFields {
            timestamp: 5,
            key: None,
            value: Some(&ZEROS[..len]),
            headers: &[],
        }
    }

    #[test]
    fn the_announced_length_and_chunks_are_those_used() {
        let headers = [
            HeaderFields {
                key: b"h",
                value: None,
            },
            HeaderFields {
                key: b"h",
                value: Some(b"x"),
            },
        ];
        let mut random = fastrand::Rng::with_seed(2);
        let mut builder = BatchBuilder::new();
        for round in 0..2000 {
            let size = if round % 50 == 0 {
                random.usize(..3 * CHUNK_BYTES)
            } else {
                random.usize(..400)
            };
            let mut record = value_of(size);
            record.timestamp = random.i64(0..1 << 40);
            record.key = random.bool().then_some(b"key");
            record.headers = if random.bool() { &headers } else { &[] };
            let (len, chunks) = (
                builder.encoded_len(&record),
                builder.chunks_needed(builder.encoded_len(&record)),
            );
            let before = (builder.payload_len(), builder.chunks());
            builder.append(&record);
            assert_eq!(
                (builder.payload_len(), builder.chunks()),
                (before.0 + len, before.1 + chunks)
            );
        }
        assert_eq!(builder.record_count(), 2000);
    }

    #[test]
    fn records_continue_in_the_next_chunk_at_every_split() {
        // The first record leaves 0 to 40 bytes, so that the second is split at each of its fields.
        for left in 0..40 {
            let mut builder = BatchBuilder::new();
            let first = value_of(CHUNK_BYTES - 11 - left);
            builder.append(&first);
            assert_eq!(builder.payload_len(), CHUNK_BYTES - left);
            let headers = [HeaderFields {
                key: b"hk",
                value: Some(b"hv"),
            }];
            let second = RecordFields {
                timestamp: 900,
                key: Some(b"key"),
                value: Some(b"some value"),
                headers: &headers,
            };
            builder.append(&second);
            let bytes = builder.finish().seal().stamp(&Stamp::NONE).to_bytes();
            let batch = batches(bytes).next().expect("one").expect("valid");
            batch.verify_crc().expect("sealed");
            let batch = batch.into_records().expect("valid");
            let records: Vec<_> = batch.records().collect();
            assert_eq!(records.len(), 2);
            assert_eq!(records[0].value(), first.value);
            assert_eq!(
                (records[1].key(), records[1].value()),
                (second.key, second.value)
            );
            assert_eq!(
                records[1].headers().next().map(|h| (h.key, h.value)),
                Some((&b"hk"[..], Some(&b"hv"[..])))
            );
        }
    }
}
