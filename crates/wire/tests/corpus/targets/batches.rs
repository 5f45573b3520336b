//! Record batches from a peer.

use bytes::{Bytes, BytesMut};
use milena_wire::compress::Decompressor;
use milena_wire::record::{
    BatchView, Compression, HEADER_LEN, RecordBatch, TimestampType, batches, rewrite_base_offset,
};
use milena_wire::{DecodeError, DecodeErrorKind};

use super::check_error;

/// Small, so that it is met.
const DECOMPRESSED_BYTES_MAX: usize = 1 << 20;
/// Where the length ends, the magic byte is, and what the checksum covers begins.
const LENGTH_END: usize = 12;
const MAGIC_POSITION: usize = 16;
const CRC_START: usize = 21;

/// The records of a partition, as they stand.
pub(crate) fn batch(data: &[u8]) {
    let records = Bytes::copy_from_slice(data);
    let mut position = 0;
    for batch in batches(records) {
        match batch {
            Ok(batch) => {
                assert_eq!(
                    data[position..position + batch.bytes().len()],
                    *batch.bytes()
                );
                position += batch.bytes().len();
                check(batch);
            }
            Err(error) => return check_error(&error, data.len()),
        }
    }
    // What is left is a batch cut off.
    let rest = &data[position..];
    let length = rest.get(8..LENGTH_END).and_then(<[u8]>::first_chunk);
    if let Some(length) = length.filter(|_| rest.len() > MAGIC_POSITION) {
        assert!(i64::from(i32::from_be_bytes(*length)) + LENGTH_END as i64 > rest.len() as i64);
    }
}

/// One batch whose length, magic byte and checksum are made right.
pub(crate) fn batch_repaired(data: &[u8]) {
    let Some(repaired) = repaired(data) else {
        return;
    };
    match batches(repaired.clone()).next() {
        None => panic!("the length is right, but there is no batch"),
        Some(Err(error)) => {
            check_error(&error, repaired.len());
            assert!(!matches!(
                error.kind,
                DecodeErrorKind::OldMagic(_)
                    | DecodeErrorKind::UnknownMagic(_)
                    | DecodeErrorKind::BatchLength(_)
            ));
        }
        Some(Ok(batch)) => {
            assert_eq!(batch.verify_crc(), Ok(()));
            let moved = rewrite_base_offset(batch.bytes(), 7, 3);
            if let Some(Ok(moved)) = batches(moved).next() {
                assert_eq!(moved.verify_crc(), Ok(()), "a broker changes no checksum");
                assert_eq!(moved.header().base_offset, 7);
            }
            check(batch);
        }
    }
}

fn repaired(data: &[u8]) -> Option<Bytes> {
    let length = data.len().checked_sub(LENGTH_END)?;
    let mut bytes = BytesMut::from(data);
    let header = bytes.first_chunk_mut::<HEADER_LEN>()?;
    header[8..LENGTH_END].copy_from_slice(&(length as u32).to_be_bytes());
    header[MAGIC_POSITION] = 2;
    let crc = crc32c::crc32c(&bytes[CRC_START..]).to_be_bytes();
    bytes[CRC_START - 4..CRC_START].copy_from_slice(&crc);
    Some(bytes.freeze())
}

fn check(batch: BatchView) {
    assert_eq!(batch.header().to_array(), batch.bytes()[..HEADER_LEN]);
    assert_eq!(batch.next_offset(), batch.last_offset() + 1);
    assert!(batch.last_offset() >= batch.header().base_offset);
    let computed = crc32c::crc32c(&batch.bytes()[CRC_START..]);
    assert_eq!(batch.verify_crc().is_ok(), computed == batch.header().crc);
    if let Err(error) = batch.control() {
        check_error(&error, DECOMPRESSED_BYTES_MAX.max(batch.bytes().len()));
    }
    let mut decompressor = Decompressor::new(DECOMPRESSED_BYTES_MAX);
    let compression = batch.compression();
    let opened = batch.clone().into_records_with(&mut decompressor);
    let again = batch.clone().into_records_with(&mut decompressor);
    assert_eq!(told(&opened), told(&again), "memory that is used again");
    match opened {
        Ok(records) => check_records(&batch, &records),
        Err(error) => {
            check_error(&error, DECOMPRESSED_BYTES_MAX.max(batch.bytes().len()));
            if let DecodeErrorKind::DecompressedTooLong { max } = error.kind {
                assert!(compression != Compression::None && max == DECOMPRESSED_BYTES_MAX);
            }
        }
    }
}

/// What came of it, for comparing.
fn told(opened: &Result<RecordBatch, DecodeError>) -> String {
    match opened {
        Ok(records) => records.records().map(|it| format!("{it:?}")).collect(),
        Err(error) => format!("{error:?}"),
    }
}

fn check_records(batch: &BatchView, records: &RecordBatch) {
    let header = batch.header();
    assert_eq!(records.header(), header);
    assert_eq!(i64::from(header.record_count), records.len() as i64);
    assert_eq!(records.next_offset(), batch.next_offset());
    if batch.compression() == Compression::None {
        assert_eq!(records.payload_len(), batch.bytes().len() - HEADER_LEN);
    } else {
        assert!(records.payload_len() <= DECOMPRESSED_BYTES_MAX);
    }
    let (mut count, mut bytes) = (0, 0);
    let mut offset_min = header.base_offset;
    for record in records.records() {
        assert!(record.offset() >= offset_min, "offsets rise");
        assert!(record.offset() <= batch.last_offset());
        offset_min = record.offset() + 1;
        if batch.timestamp_type() == TimestampType::LogAppendTime {
            assert_eq!(record.timestamp(), header.max_timestamp);
        }
        let headers = record.headers();
        assert_eq!(headers.len(), headers.clone().count(), "no header is lost");
        let in_headers: usize = headers
            .map(|header| header.key.len() + header.value.map_or(0, <[u8]>::len))
            .sum();
        bytes += record.key().map_or(0, <[u8]>::len) + record.value().map_or(0, <[u8]>::len);
        bytes += in_headers;
        count += 1;
    }
    assert_eq!(count, records.len(), "no record is lost");
    assert!(bytes <= records.payload_len(), "nothing is made up");
}
