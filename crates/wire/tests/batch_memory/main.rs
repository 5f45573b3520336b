//! A batch cannot make its reader allocate: reading takes no memory, whatever a count or a length says.
//!
//! A binary of its own, with one test: the allocator counts for all threads.

use std::alloc::System;

use bytes::{Bytes, BytesMut};
use milena_wire::DecodeErrorKind;
use milena_wire::record::*;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// A batch around `records` whose checksum fits.
fn batch(records: &[u8], record_count: i32, base_timestamp: i64) -> Bytes {
    let mut builder = BatchBuilder::new();
    builder.append(&RecordFields {
        timestamp: base_timestamp,
        key: None,
        value: None,
        headers: &[],
    });
    let whole = builder.finish().seal().stamp(&Stamp::NONE).to_bytes();
    let mut batch = BytesMut::from(&whole[..HEADER_LEN]);
    batch.extend_from_slice(records);
    let length = (batch.len() - 12) as i32;
    batch[8..12].copy_from_slice(&length.to_be_bytes());
    batch[23..27].copy_from_slice(&(record_count - 1).max(0).to_be_bytes());
    batch[57..61].copy_from_slice(&record_count.to_be_bytes());
    let crc = crc32c::crc32c(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
    batch.freeze()
}

/// Reads all there is to read.
fn read(bytes: &Bytes) -> Result<usize, DecodeErrorKind> {
    let mut read = 0;
    for view in batches(bytes.clone()) {
        let view = view.map_err(|error| error.kind)?;
        view.verify_crc().map_err(|error| error.kind)?;
        view.control().map_err(|error| error.kind)?;
        let records = view.into_records().map_err(|error| error.kind)?;
        for record in records.records() {
            read += 1 + record.headers().count();
        }
    }
    Ok(read)
}

/// What reading it comes to, which must have allocated nothing.
fn without_memory(bytes: &Bytes) -> Result<usize, DecodeErrorKind> {
    // The first clone of bytes makes the counter of their holders.
    let whole = bytes.clone();
    let region = Region::new(ALLOCATOR);
    let outcome = read(&whole);
    let change = region.change();
    let asked = change.allocations + change.reallocations;
    assert_eq!(asked, 0, "{outcome:?}");
    outcome
}

#[test]
fn nothing_is_allocated_to_read_a_batch_whatever_it_claims() {
    let truncated = Err(DecodeErrorKind::Truncated);
    let record = [12, 0, 0, 0, 1, 1, 0];
    assert_eq!(without_memory(&batch(&record, 1, 0)), Ok(1));
    // Every record of two billion.
    let most = Err(DecodeErrorKind::RecordCount(i32::MAX));
    assert_eq!(without_memory(&batch(&[], i32::MAX, 0)), most);
    assert_eq!(without_memory(&batch(&record, i32::MAX, 0)), most);
    // One record with two billion headers: the count is a varint of five bytes.
    let headers = [20, 0, 0, 0, 1, 1, 0xfe, 0xff, 0xff, 0xff, 0x0f];
    assert_eq!(without_memory(&batch(&headers, 1, 0)), truncated);
    // Keys, values and records of two gigabytes.
    let key = [20, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff, 0x0f, 1, 0];
    assert_eq!(without_memory(&batch(&key, 1, 0)), truncated);
    let value = [20, 0, 0, 0, 1, 0xfe, 0xff, 0xff, 0xff, 0x0f, 0];
    assert_eq!(without_memory(&batch(&value, 1, 0)), truncated);
    let whole = [0xfe, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0, 1, 1, 0];
    assert_eq!(without_memory(&batch(&whole, 1, 0)), truncated);
    // A header's key of two gigabytes.
    let header = [22, 0, 0, 0, 1, 1, 2, 0xfe, 0xff, 0xff, 0xff, 0x0f];
    assert_eq!(without_memory(&batch(&header, 1, 0)), truncated);
    // A timestamp beyond 64 bits, which in a debug build would be a panic.
    let later = [12, 0, 2, 0, 1, 1, 0];
    assert_eq!(
        without_memory(&batch(&later, 1, i64::MAX)),
        Err(DecodeErrorKind::TimestampOverflow)
    );
    // A varint without an end.
    let endless = [0xff; 64];
    assert_eq!(
        without_memory(&batch(&endless, 1, 0)),
        Err(DecodeErrorKind::OverlongVarint)
    );
    // And many honest ones.
    let records: Vec<u8> = (0..60_u8)
        .flat_map(|delta| [12, 0, 0, 2 * delta, 1, 1, 0])
        .collect();
    assert_eq!(without_memory(&batch(&records, 60, 0)), Ok(60));
    builders_of_a_pool_take_none_but_a_few_a_batch();
}

/// From the second batch on: its list of chunks grows, and the batch and its attempt are shared.
fn builders_of_a_pool_take_none_but_a_few_a_batch() {
    const RECORDS: usize = 1_000;
    const A_BATCH: usize = 10;
    let pool = ChunkPool::new(128);
    let value = [7; 1_024];
    for round in 0..4 {
        let region = Region::new(ALLOCATOR);
        let mut builder = BatchBuilder::pooled(&pool);
        for timestamp in 0..RECORDS as i64 {
            builder.append(&RecordFields {
                timestamp,
                key: Some(b"key"),
                value: Some(&value),
                headers: &[],
            });
        }
        drop(builder.finish().seal().stamp(&Stamp::NONE));
        let change = region.change();
        let asked = change.allocations + change.reallocations;
        assert!(round == 0 || asked <= A_BATCH, "{asked} in round {round}");
    }
}
