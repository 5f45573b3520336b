//! How much memory compressed batches take: never more than the limit and a constant, whatever they would become; and little between batches.
//!
//! A binary of its own, with one test: the allocator counts for all threads. What counts is all that was asked for, whether it was given back
//! or not.

use std::alloc::System;

use bytes::Bytes;
use milena_wire::DecodeErrorKind;
use milena_wire::compress::{Codec, Compressor, DECOMPRESSED_BYTES_MAX, Decompressor};
use milena_wire::record::{
    BatchBuilder, BatchPayload, BatchView, Compression, RecordFields, SealedBatch, Stamp, batches,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, Stats, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What a codec takes beside the bytes that come out: its tables and windows, and for lz4 a block of the longest kind.
const PLUS: usize = 5 << 20;
/// What may be kept between batches, of either side: tables, and a buffer or two.
const KEPT: usize = 6 << 20;

const CODECS: [Compression; 4] = [
    Compression::Gzip,
    Compression::Snappy,
    Compression::Lz4,
    Compression::Zstd,
];

#[test]
fn memory_is_bounded_whatever_the_bytes_say() {
    bombs_stop_at_the_limit();
    claims_are_not_believed();
    nothing_is_held_before_the_first_batch();
    memory_is_used_again_from_batch_to_batch();
    what_a_huge_batch_needed_is_given_back();
}

fn counted<T>(run: impl FnOnce() -> T) -> (T, Stats) {
    let region = Region::new(ALLOCATOR);
    let result = run();
    let change = region.change();
    (result, change)
}

/// As many as the bytes that come out would be a thousand times what is allowed, or nearly.
fn bombs() -> Vec<(&'static str, Compression, Vec<u8>)> {
    let lz4 = {
        // Blocks of 4 MiB: a literal, a match of the byte before, and five literals.
        let mut block = vec![0x1f, 0, 1, 0];
        block.extend(std::iter::repeat_n(255, (4 << 20) / 255 - 1));
        block.extend([0, 0x50, 0, 0, 0, 0, 0]);
        let mut frame = b"\x04\x22\x4d\x18\x60\x70\x73".to_vec();
        for _ in 0..100 {
            frame.extend((block.len() as u32).to_le_bytes());
            frame.extend(&block);
        }
        frame.extend([0; 4]);
        frame
    };
    let snappy = {
        // A literal of one byte, and copies of 64 of the byte before.
        let copies = 400_000;
        let mut block = vec![0; 5];
        let mut len = 1 + 64 * copies as u32;
        for byte in &mut block {
            *byte = (len & 0x7f) as u8 | 0x80;
            len >>= 7;
        }
        block[4] &= 0x7f;
        block.extend([0, 0]);
        block.extend([0xfe, 1, 0].repeat(copies));
        block
    };
    let xerial = {
        let mut stream = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01".to_vec();
        stream.extend((snappy.len() as u32).to_be_bytes());
        stream.extend(&snappy);
        stream
    };
    let gzip = {
        // Members in a row, 12 MiB each.
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut encoder, &vec![0; 12 << 20]).expect("memory");
        encoder.finish().expect("memory").repeat(8)
    };
    // Blocks of 128 KiB of the same byte, four bytes each: 10 KB for 327 MB.
    let block = |last: bool| {
        let header = (128_u32 << 10) << 3 | 1 << 1 | u32::from(last);
        [&header.to_le_bytes()[..3], b"\0"].concat()
    };
    let blocks = [block(false).repeat(2499), block(true)].concat();
    let unsized_zstd = [b"\x28\xb5\x2f\xfd\x00\x58", &blocks[..]].concat();
    let size = (2500_u64 * (128 << 10)).to_le_bytes();
    let sized_zstd = [b"\x28\xb5\x2f\xfd\xe0", &size[..], &blocks].concat();
    vec![
        ("lz4", Compression::Lz4, lz4),
        ("raw snappy", Compression::Snappy, snappy),
        ("xerial snappy", Compression::Snappy, xerial),
        ("gzip", Compression::Gzip, gzip),
        ("zstd", Compression::Zstd, unsized_zstd),
        ("zstd with its size", Compression::Zstd, sized_zstd),
    ]
}

fn bombs_stop_at_the_limit() {
    for (name, compression, body) in bombs() {
        for max in [0, 1000, 1 << 20, 10 << 20] {
            let mut decompressor = Decompressor::new(max);
            let batch = forged(compression, &body);
            let (read, change) = counted(|| batch.into_records_with(&mut decompressor));
            let kind = read.expect_err("a bomb").kind;
            assert_eq!(
                kind,
                DecodeErrorKind::DecompressedTooLong { max },
                "{name} {max}"
            );
            let taken = change.bytes_allocated;
            assert!(taken <= max + PLUS, "{name} {max}: {taken}");
        }
    }
    // And where nobody sets a limit.
    for (name, compression, body) in bombs() {
        let batch = forged(compression, &body);
        let (read, change) = counted(|| batch.into_records());
        let taken = change.bytes_allocated;
        assert!(read.is_err());
        assert!(taken <= DECOMPRESSED_BYTES_MAX + PLUS, "{name}: {taken}");
    }
}

/// Few bytes that say they become many.
fn claims_are_not_believed() {
    let lz4 = b"\x04\x22\x4d\x18\x68\x40\xff\xff\xff\xff\xff\xff\xff\x7f";
    let claims: [(Compression, &[u8]); 6] = [
        (
            Compression::Gzip,
            b"\x1f\x8b\x08\0\0\0\0\0\0\xff\x03\0\0\0\0\0\xff\xff\xff\xff",
        ),
        (Compression::Snappy, b"\xff\xff\xff\xff\x0f\0a"),
        (
            Compression::Snappy,
            b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01\xff\xff\xff\xff",
        ),
        (
            Compression::Snappy,
            b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01\0\0\0\x07\xff\xff\xff\xff\x0f\0a",
        ),
        (Compression::Lz4, lz4),
        (
            Compression::Zstd,
            b"\x28\xb5\x2f\xfd\xe0\0\0\0\x10\0\0\0\0\x0b\0\0a",
        ),
    ];
    for (compression, body) in claims {
        let batch = forged(compression, body);
        let (read, change) = counted(|| batch.into_records());
        assert!(read.is_err());
        let taken = change.bytes_allocated;
        // What the decoder is made of, and no room.
        assert!(taken < 100_000, "{compression}: {taken}");
    }
}

fn nothing_is_held_before_the_first_batch() {
    let (workers, change) = counted(|| (Compressor::default(), Decompressor::default()));
    assert_eq!((change.allocations, change.bytes_allocated), (0, 0));
    drop(workers);
}

fn memory_is_used_again_from_batch_to_batch() {
    for compression in CODECS {
        let codec = Codec::new(compression, None).expect("in this build");
        let mut compressor = Compressor::default();
        let mut decompressor = Decompressor::default();
        for len in [16 * 1024, 300_000, 1 << 20] {
            // The first is what makes the memory.
            let first = payload(len).seal_with(codec, &mut compressor);
            drop(sent(&first).into_records_with(&mut decompressor));
            let next = payload(len);
            let (batch, change) = counted(|| next.seal_with(codec, &mut compressor));
            assert_eq!(batch.compression(), compression);
            // The compressed bytes, what shares them, and small tables that the pure zstd makes anew.
            let taken = change.bytes_allocated;
            let few = batch.wire_len() + 4096 + len / 64;
            assert!(taken <= few, "{compression} {len}: {taken}, {few}");
            let view = sent(&batch);
            let (read, change) = counted(|| view.into_records_with(&mut decompressor));
            assert_eq!(read.expect("whole").len(), 1);
            let taken = change.bytes_allocated;
            let few = len + len / 4 + 70_000;
            assert!(taken <= few, "{compression} {len}: {taken}, {few}");
        }
    }
}

fn what_a_huge_batch_needed_is_given_back() {
    for compression in CODECS {
        let codec = Codec::new(compression, None).expect("in this build");
        let (kept, change) = counted(|| {
            let mut compressor = Compressor::default();
            let mut decompressor = Decompressor::default();
            let batch = payload(12 << 20).seal_with(codec, &mut compressor);
            assert_eq!(batch.compression(), compression);
            let read = sent(&batch).into_records_with(&mut decompressor);
            assert_eq!(read.expect("whole").len(), 1);
            (compressor, decompressor)
        });
        let held = change.bytes_allocated - change.bytes_deallocated;
        assert!(held <= KEPT, "{compression}: {held}");
        drop(kept);
    }
}

/// A batch of one record that is neither noise nor all alike.
fn payload(len: usize) -> BatchPayload {
    let mut random = fastrand::Rng::with_seed(1);
    let mut value = Vec::with_capacity(len);
    while value.len() < len {
        let number = random.u32(..);
        value.extend(b"{\"number\":");
        value.extend(number.to_string().bytes());
        value.extend(b",\"kind\":\"event\"}");
    }
    value.truncate(len);
    let mut builder = BatchBuilder::new();
    builder.append(&RecordFields {
        timestamp: 1,
        key: None,
        value: Some(&value),
        headers: &[],
    });
    builder.finish()
}

fn sent(batch: &SealedBatch) -> BatchView {
    let bytes = batch.stamp(&Stamp::NONE).to_bytes();
    let view = batches(bytes).next().expect("a batch");
    view.expect("valid")
}

/// A batch that says it is one record compressed to `body`.
fn forged(compression: Compression, body: &[u8]) -> BatchView {
    let mut bytes = sent(&payload(1).seal()).bytes()[..61].to_vec();
    bytes.extend_from_slice(body);
    let length = i32::try_from(bytes.len() - 12).expect("short");
    bytes[8..12].copy_from_slice(&length.to_be_bytes());
    bytes[22] = match compression {
        Compression::Gzip => 1,
        Compression::Snappy => 2,
        Compression::Lz4 => 3,
        _ => 4,
    };
    let view = batches(Bytes::from(bytes)).next().expect("whole");
    view.expect("a valid header")
}
