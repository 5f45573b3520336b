//! The least code that can do it: nothing is checked, nothing can grow, nothing is asked for.

use milena_wire::record::HEADER_LEN;

use super::batch::Digest;
use super::records::{HEADERS, RECORDS, Records};

/// Where what the checksum covers begins.
const CRC_START: usize = 21;

/// A slab of memory that is large enough for every batch, and warm.
#[derive(Debug)]
pub struct Slab {
    bytes: Vec<u8>,
}

impl Slab {
    /// For batches of these records.
    pub fn new(records: &Records) -> Self {
        Self {
            bytes: vec![0; HEADER_LEN + RECORDS * (records.shape().value_bytes + 128)],
        }
    }

    /// One copy of each key and value, the integers between them, and one pass of the checksum. Of the header, only what the
    /// checksum needs is written: its length and the checksum itself.
    pub fn encode(&mut self, records: &Records) -> &[u8] {
        let out = &mut self.bytes[..];
        let mut at = HEADER_LEN;
        let mut base_timestamp = None;
        for (number, record) in (0..).zip(records.iter()) {
            let delta = record.timestamp - *base_timestamp.get_or_insert(record.timestamp);
            let headers: &[(&str, &[u8])] = if records.shape().headers {
                &HEADERS
            } else {
                &[]
            };
            let mut len = 1
                + len(zigzag(delta))
                + len(zigzag(number))
                + field_len(record.key)
                + field_len(record.value)
                + 1;
            for (key, value) in headers {
                len += field_len(key.as_bytes()) + field_len(value);
            }
            at += put(zigzag(len as i64), &mut out[at..]);
            let body = &mut out[at..at + len];
            at += len;
            body[0] = 0;
            let mut within = 1;
            within += put(zigzag(delta), &mut body[within..]);
            within += put(zigzag(number), &mut body[within..]);
            within += put_field(record.key, &mut body[within..]);
            within += put_field(record.value, &mut body[within..]);
            within += put(zigzag(headers.len() as i64), &mut body[within..]);
            for (key, value) in headers {
                within += put_field(key.as_bytes(), &mut body[within..]);
                within += put_field(value, &mut body[within..]);
            }
        }
        let batch = &mut out[..at];
        let length = (at - 12) as i32;
        batch[8..12].copy_from_slice(&length.to_be_bytes());
        let crc = crc_fast::crc32_iscsi(&batch[CRC_START..]);
        batch[17..CRC_START].copy_from_slice(&crc.to_be_bytes());
        batch
    }
}

/// The checksum and one walk that believes what it reads; see [`super::batch::decode`].
///
/// # Panics
/// If the batch is not one.
pub fn decode(batch: &[u8]) -> Digest {
    let crc = crc_fast::crc32_iscsi(&batch[CRC_START..]);
    assert_eq!(&crc.to_be_bytes(), &batch[17..CRC_START]);
    let mut digest = 0;
    let mut rest = &batch[HEADER_LEN..];
    while !rest.is_empty() {
        take(&mut rest);
        rest = &rest[1..];
        std::hint::black_box(take(&mut rest) + take(&mut rest));
        let key = take_field(&mut rest);
        digest += u64::from(key[0]);
        digest += (key.len() + take_field(&mut rest).len()) as u64;
        for _ in 0..take(&mut rest) {
            digest += (take_field(&mut rest).len() + take_field(&mut rest).len()) as u64;
        }
    }
    digest
}

const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

const fn len(value: u64) -> usize {
    (70 - (value | 1).leading_zeros() as usize) / 7
}

fn field_len(field: &[u8]) -> usize {
    len(zigzag(field.len() as i64)) + field.len()
}

#[inline]
fn put(mut value: u64, out: &mut [u8]) -> usize {
    let mut at = 0;
    while value >= 0x80 {
        out[at] = value as u8 | 0x80;
        value >>= 7;
        at += 1;
    }
    out[at] = value as u8;
    at + 1
}

#[inline]
fn put_field(field: &[u8], out: &mut [u8]) -> usize {
    let at = put(zigzag(field.len() as i64), out);
    out[at..at + field.len()].copy_from_slice(field);
    at + field.len()
}

#[inline]
fn take(bytes: &mut &[u8]) -> i64 {
    let mut value = 0;
    let mut shift = 0;
    loop {
        let byte = bytes[0];
        *bytes = &bytes[1..];
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return (value >> 1).cast_signed() ^ -(value & 1).cast_signed();
        }
        shift += 7;
    }
}

#[inline]
fn take_field<'a>(bytes: &mut &'a [u8]) -> &'a [u8] {
    let len = take(bytes) as usize;
    let (field, rest) = bytes.split_at(len);
    *bytes = rest;
    field
}
