//! Compressed records from a peer. There is no other way to a codec than through a batch, so that is how these go.

use std::sync::OnceLock;

use bytes::Bytes;
use milena_wire::DecodeErrorKind;
use milena_wire::compress::{Codec, Compressor, Decompressor};
use milena_wire::record::{
    BatchBuilder, BatchHeader, BatchView, Compression, HEADER_LEN, RecordFields, Stamp, batches,
};

use super::check_error;
use super::input::Input;

/// What a few kilobytes may become. Small, so that it is met.
const DECOMPRESSED_BYTES_MAX: usize = 1 << 20;
/// The value of an honest record, which every codec can make shorter.
const HONEST: [u8; 1000] = [b'h'; 1000];

pub(crate) fn gzip(data: &[u8]) {
    decompress(Compression::Gzip, 1, data);
}

pub(crate) fn snappy(data: &[u8]) {
    decompress(Compression::Snappy, 2, data);
}

pub(crate) fn lz4(data: &[u8]) {
    decompress(Compression::Lz4, 3, data);
}

pub(crate) fn zstd(data: &[u8]) {
    decompress(Compression::Zstd, 4, data);
}

/// How many records are said to be there, then what a codec should have written.
fn decompress(compression: Compression, attributes: i16, data: &[u8]) {
    let mut input = Input(data);
    let record_count = input.u8();
    let batch = view(attributes, i32::from(record_count), input.0);
    let honest = honest(compression);
    let mut decompressor = Decompressor::new(DECOMPRESSED_BYTES_MAX);
    let first = open(&batch, &mut decompressor);
    // What came before must not be seen in what comes after.
    assert_eq!(
        open(honest, &mut decompressor),
        Outcome::Records(1, record_len(honest))
    );
    assert_eq!(open(&batch, &mut decompressor), first);
    if let Outcome::Records(_, len) = first
        && let Some(less) = len.checked_sub(1)
        && !input.0.is_empty()
    {
        decompressor.set_decompressed_bytes_max(len);
        assert_eq!(
            open(&batch, &mut decompressor),
            first,
            "exactly as much as allowed"
        );
        decompressor.set_decompressed_bytes_max(less);
        assert_eq!(
            open(&batch, &mut decompressor),
            Outcome::TooLong,
            "a byte more than allowed"
        );
    }
}

/// What came of a batch.
#[derive(Clone, Debug, PartialEq)]
enum Outcome {
    /// So many records of so many bytes.
    Records(usize, usize),
    TooLong,
    /// In words.
    Refused(String),
}

fn open(batch: &BatchView, decompressor: &mut Decompressor) -> Outcome {
    let bytes_max = decompressor.decompressed_bytes_max();
    match batch.clone().into_records_with(decompressor) {
        Ok(records) => {
            assert!(records.payload_len() <= bytes_max);
            Outcome::Records(records.records().count(), records.payload_len())
        }
        Err(error) if matches!(error.kind, DecodeErrorKind::DecompressedTooLong { .. }) => {
            Outcome::TooLong
        }
        Err(error) => {
            check_error(&error, DECOMPRESSED_BYTES_MAX.max(batch.bytes().len()));
            let unsupported = matches!(error.kind, DecodeErrorKind::UnsupportedCompression(_));
            assert!(!unsupported, "{error}");
            Outcome::Refused(error.to_string())
        }
    }
}

/// A batch around `payload`.
fn view(attributes: i16, record_count: i32, payload: &[u8]) -> BatchView {
    let header = BatchHeader {
        base_offset: 0,
        length: (HEADER_LEN - 12 + payload.len()) as i32,
        partition_leader_epoch: 0,
        magic: 2,
        crc: 0,
        attributes,
        last_offset_delta: i32::MAX,
        base_timestamp: 0,
        max_timestamp: 0,
        producer_id: -1,
        producer_epoch: -1,
        base_sequence: -1,
        record_count,
    };
    let batch = Bytes::from([&header.to_array(), payload].concat());
    let batch = batches(batch).next().expect("a batch");
    batch.expect("its header is right")
}

/// A batch of one honest record, made once.
fn honest(compression: Compression) -> &'static BatchView {
    static MADE: [OnceLock<BatchView>; 4] = [const { OnceLock::new() }; 4];
    let slot = match compression {
        Compression::Gzip => 0,
        Compression::Snappy => 1,
        Compression::Lz4 => 2,
        _ => 3,
    };
    MADE[slot].get_or_init(|| make_honest(compression))
}

fn make_honest(compression: Compression) -> BatchView {
    let mut builder = BatchBuilder::new();
    builder.append(&RecordFields {
        timestamp: 0,
        key: None,
        value: Some(&HONEST),
        headers: &[],
    });
    let codec = Codec::new(compression, None).expect("it is in this build");
    let sealed = builder
        .finish()
        .seal_with(codec, &mut Compressor::default());
    assert_eq!(sealed.compression(), compression);
    let batch = batches(sealed.stamp(&Stamp::NONE).to_bytes()).next();
    batch.expect("a batch").expect("of ours")
}

fn record_len(batch: &BatchView) -> usize {
    let records = batch.clone().into_records().expect("of ours");
    records.payload_len()
}
