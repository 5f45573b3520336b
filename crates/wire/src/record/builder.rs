//! Records to bytes.

use std::sync::Arc;

use bytes::BytesMut;

use super::chunks::{ChunkPool, Chunks};
use super::sealed::BatchPayload;
use crate::varint::{self, Short};

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
        if self.record_count == 0 {
            self.base_timestamp = record.timestamp;
            self.max_timestamp = record.timestamp;
        }
        self.max_timestamp = self.max_timestamp.max(record.timestamp);
        let written = Usual::of(record, self.timestamp_delta(record), self.record_count)
            .and_then(|usual| usual.write(record, self.chunk.get_mut(self.used..)?));
        match written {
            Some(len) => self.used += len,
            None => self.append_in_pieces(record),
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
        let timestamp_delta = self.timestamp_delta(record);
        let body_len = 1
            + varint::len(timestamp_delta)
            + varint::len(offset_delta(self.record_count))
            + field_len(record.key)
            + field_len(record.value)
            + varint::len(length(record.headers.len()))
            + headers_len(record.headers);
        Layout {
            timestamp_delta,
            body_len,
            len: varint::len(length(body_len)) + body_len,
        }
    }

    /// As it is written.
    #[inline]
    fn timestamp_delta(&self, record: &RecordFields<'_>) -> u64 {
        let delta = if self.record_count == 0 {
            0
        } else {
            record.timestamp.wrapping_sub(self.base_timestamp)
        };
        varint::zigzag_64(delta)
    }

    /// The way for any record, and for those that continue in the next chunk.
    #[inline(never)]
    fn append_in_pieces(&mut self, record: &RecordFields<'_>) {
        let layout = self.layout(record);
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

/// The integers of a record, if each takes a byte or two, as all do in nearly all records.
struct Usual {
    /// The record's length, attributes and timestamp delta.
    front: Short,
    /// The offset delta and the key's length.
    middle: Short,
    /// The value's length.
    value_len: Short,
    /// The bytes of the record.
    len: usize,
}

impl Usual {
    #[inline]
    fn of(record: &RecordFields<'_>, timestamp_delta: u64, record_count: u32) -> Option<Self> {
        let (key, value) = (field_length(record.key), field_length(record.value));
        let offset = offset_delta(record_count);
        let headers = length(record.headers.len());
        if (timestamp_delta | offset | key | value | headers) >= varint::SHORT_END {
            return None;
        }
        let timestamp = Short::new(timestamp_delta);
        let middle = Short::new(offset).then(Short::new(key));
        let value_len = Short::new(value);
        let body_len = 1
            + timestamp.len
            + middle.len
            + value_len.len
            + record.key.map_or(0, <[u8]>::len)
            + record.value.map_or(0, <[u8]>::len)
            + Short::new(headers).len
            + headers_len(record.headers);
        if length(body_len) >= varint::SHORT_END {
            return None;
        }
        let front = Short::new(length(body_len));
        Some(Self {
            front: front.then(Short::ZERO).then(timestamp),
            middle,
            value_len,
            len: front.len + body_len,
        })
    }

    /// Writes the record at the start of `room` and returns its length; `None` if it does not fit. Whole registers are written where a
    /// few bytes are meant: what follows overwrites the rest, and what does not is of no batch yet.
    #[inline]
    fn write(&self, record: &RecordFields<'_>, room: &mut [u8]) -> Option<usize> {
        if self.len + REGISTER_LEN > room.len() {
            return None;
        }
        put_short(self.front, room, 0)?;
        put_short(self.middle, room, self.front.len)?;
        let at = self.front.len + self.middle.len;
        let at = put_bytes(record.key, room, at)?;
        put_short(self.value_len, room, at)?;
        let mut at = put_bytes(record.value, room, at + self.value_len.len)?;
        let headers = Short::new(length(record.headers.len()));
        put_short(headers, room, at)?;
        at += headers.len;
        for header in record.headers {
            at = put_field(Some(header.key), room, at)?;
            at = put_field(header.value, room, at)?;
        }
        Some(at)
    }
}

/// What a [`Short`] may overwrite.
const REGISTER_LEN: usize = 8;

#[inline]
fn put_short(short: Short, room: &mut [u8], at: usize) -> Option<()> {
    let room = room.get_mut(at..)?.first_chunk_mut()?;
    *room = short.bits.to_le_bytes();
    Some(())
}

/// Returns where the field ends.
#[inline]
fn put_bytes(field: Option<&[u8]>, room: &mut [u8], at: usize) -> Option<usize> {
    let Some(bytes) = field else { return Some(at) };
    let end = at + bytes.len();
    room.get_mut(at..end)?.copy_from_slice(bytes);
    Some(end)
}

/// The same with its length in front.
#[inline]
fn put_field(field: Option<&[u8]>, room: &mut [u8], at: usize) -> Option<usize> {
    let at = at + varint::put(field_length(field), room.get_mut(at..)?);
    put_bytes(field, room, at)
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

#[inline]
fn headers_len(headers: &[HeaderFields<'_>]) -> usize {
    let each = headers.iter();
    each.map(|header| field_len(Some(header.key)) + field_len(header.value))
        .sum()
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
    fn the_quick_way_writes_what_the_other_writes() {
        let header = HeaderFields {
            key: b"h",
            value: Some(b"v"),
        };
        let lengths = [0, 1, 62, 63, 64, 65, 300, 8_150, 8_191, 8_192, 20_000];
        let deltas = [0, 1, 63, 64, 8_191, 8_192, 1 << 40];
        for (record_count, len) in [0, 63, 64, 8_191, 8_192]
            .into_iter()
            .flat_map(|count| lengths.map(|len| (count, len)))
        {
            for delta in deltas {
                for headers in [&[][..], &[header; 70]] {
                    let mut record = value_of(len);
                    record.timestamp = 5 + delta;
                    record.key = (len % 2 == 1).then_some(b"key");
                    record.headers = headers;
                    let [mut quick, mut other] = [(); 2].map(|()| BatchBuilder {
                        record_count,
                        base_timestamp: 5,
                        chunk: BytesMut::zeroed(CHUNK_BYTES),
                        ..BatchBuilder::default()
                    });
                    quick.append(&record);
                    other.append_in_pieces(&record);
                    let [quick, other] =
                        [quick, other].map(|builder| builder.finish().into_parts().concat());
                    assert!(quick == other, "{record_count} {len} {delta}");
                }
            }
        }
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
