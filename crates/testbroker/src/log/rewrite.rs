//! Batches as a broker changes them: place and time filled in, compressed anew, records taken out.

use bytes::{BufMut, Bytes, BytesMut};
use milena_wire::compress::{Codec, Compressor};
use milena_wire::record::{BatchHeader, Compression, HEADER_LEN, RecordRef};

/// Base offset and length, which the length does not count.
const LENGTH_END: usize = 12;
/// Everything from here on is covered by the checksum in front of it.
const CRC_START: usize = 21;
const COMPRESSION_MASK: i16 = 0x07;
pub(crate) const LOG_APPEND_TIME: i16 = 0x08;
/// The base time-stamp is when tombstones and markers in the batch may go (KIP-534).
pub(super) const DELETE_HORIZON: i16 = 0x40;

/// What of a batch's header is the broker's to say besides its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Times {
    pub(crate) attributes: i16,
    pub(crate) max_timestamp: i64,
}

/// A copy of a batch with its place in the log, and with other times if there are any.
pub(super) fn place(
    batch: &Bytes,
    base_offset: i64,
    leader_epoch: i32,
    times: Option<Times>,
) -> Bytes {
    let mut copy = BytesMut::from(&batch[..]);
    copy[..8].copy_from_slice(&base_offset.to_be_bytes());
    copy[LENGTH_END..16].copy_from_slice(&leader_epoch.to_be_bytes());
    if let Some(times) = times {
        copy[21..23].copy_from_slice(&times.attributes.to_be_bytes());
        copy[35..43].copy_from_slice(&times.max_timestamp.to_be_bytes());
        let crc = crc32c::crc32c(&copy[CRC_START..]);
        copy[17..21].copy_from_slice(&crc.to_be_bytes());
    }
    copy.freeze()
}

/// A batch of these encoded records, compressed if that makes them smaller, with its length and
/// checksum worked out.
pub(crate) fn sealed(
    mut header: BatchHeader,
    records: &Bytes,
    codec: Compression,
    compressor: &mut Compressor,
) -> Bytes {
    let codec = Codec::new(codec, None).unwrap_or(Codec::NONE);
    let compressed = compressor.compress_records(codec, records);
    let bits = match (&compressed, codec.compression()) {
        (None, _) | (_, Compression::None) => 0,
        (_, Compression::Gzip) => 1,
        (_, Compression::Snappy) => 2,
        (_, Compression::Lz4) => 3,
        (_, Compression::Zstd) => 4,
        (_, Compression::Unknown(bits)) => i16::from(bits),
    };
    header.attributes = header.attributes & !COMPRESSION_MASK | bits;
    let records = compressed.as_ref().unwrap_or(records);
    let len = HEADER_LEN + records.len();
    header.length = i32::try_from(len - LENGTH_END).unwrap_or(i32::MAX);
    let mut batch = BytesMut::with_capacity(len);
    batch.put_slice(&header.to_array());
    batch.put_slice(records);
    let crc = crc32c::crc32c(&batch[CRC_START..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
    batch.freeze()
}

/// Encodes a record as part of a batch with this header.
pub(super) fn put_record(out: &mut BytesMut, header: &BatchHeader, record: &RecordRef<'_>) {
    let mut body = BytesMut::new();
    body.put_u8(0);
    // With the time of the append, only the header's counts.
    let delta = record.timestamp().wrapping_sub(header.base_timestamp);
    put_varint(&mut body, delta);
    put_varint(&mut body, record.offset() - header.base_offset);
    put_field(&mut body, record.key());
    put_field(&mut body, record.value());
    let headers = record.headers();
    put_len(&mut body, headers.len());
    for note in headers {
        put_field(&mut body, Some(note.key));
        put_field(&mut body, note.value);
    }
    put_len(out, body.len());
    out.put_slice(&body);
}

fn put_field(out: &mut BytesMut, field: Option<&[u8]>) {
    match field {
        Some(bytes) => {
            put_len(out, bytes.len());
            out.put_slice(bytes);
        }
        None => put_varint(out, -1),
    }
}

fn put_len(out: &mut BytesMut, len: usize) {
    put_varint(out, i64::try_from(len).unwrap_or(i64::MAX));
}

/// Zigzag, seven bits a byte, the lowest first.
fn put_varint(out: &mut BytesMut, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while rest >= 0x80 {
        out.put_u8((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    out.put_u8(rest as u8);
}
