//! What makes another crate abort the process, panic or take gigabytes: each is an error here, and takes next to nothing.

use bytes::Bytes;
use milena_wire::compress::{Codec, Compressor, Decompressor};
use milena_wire::messages::MetadataResponse;
use milena_wire::record::{BatchBuilder, Compression, HEADER_LEN, RecordFields, Stamp, batches};
use milena_wire::{ApiVersion, Decode, DecodeError, DecodeErrorKind, Reader, decode_any_request};

/// What is allowed for each: some KiB for the error and for the batch's view.
const TAKEN_MAX: usize = 16 << 10;

/// `taken` says how many bytes its work allocates.
pub(crate) fn are_refused(taken: &dyn Fn(&mut dyn FnMut()) -> usize) {
    for (name, expected, bytes, read) in inputs() {
        let bytes = Bytes::from(bytes);
        let mut outcome = Ok(());
        let taken = taken(&mut || outcome = read(&bytes));
        let error = outcome.expect_err(name);
        assert!(error.to_string().contains(expected), "{name}: {error}");
        assert!(taken <= TAKEN_MAX, "{name}: {taken} bytes for {error}");
    }
    for codec in [
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ] {
        let Ok(codec) = Codec::new(codec, None) else {
            continue;
        };
        let bomb = bomb(codec);
        let mut outcome = Ok(());
        let taken = taken(&mut || outcome = read_batch(&bomb));
        let error = outcome.expect_err("a bomb");
        let too_long = DecodeErrorKind::DecompressedTooLong { max: BOMB_MAX };
        assert_eq!(error.kind, too_long, "{codec:?}");
        assert!(taken < 3 * BOMB_MAX, "{codec:?}: {taken} bytes");
    }
}

/// What it is, what the error says, the bytes, and who reads them.
type Input = (
    &'static str,
    &'static str,
    Vec<u8>,
    fn(&Bytes) -> Result<(), DecodeError>,
);

fn inputs() -> Vec<Input> {
    let mut inputs = batches_that_lie();
    inputs.extend(messages_that_lie());
    inputs
}

fn batches_that_lie() -> Vec<Input> {
    let records = "records, the batch holds other";
    let headers = "headers at byte 61: the bytes end here";
    let block = "the bytes end within a block";
    let in_a_second = batch(0, 1, &[12, 0, 2, 0, 1, 1, 0]);
    let too_late = with_base_timestamp(in_a_second, i64::MAX);
    let of_4_gib = batch(2, 1, &xerial([0xff, 0xff, 0xff, 0xf0]));
    let input = |name, error, bytes| -> Input { (name, error, bytes, read_batch) };
    vec![
        // F3, and the same below what the machine would hand out without looking.
        input(
            "2^31 - 1 records in 61 bytes",
            records,
            batch(0, i32::MAX, &[]),
        ),
        input("50 million records", records, batch(0, 50_000_000, &[])),
        input("-1 records", "counts -1 records", batch(0, -1, &[])),
        // F13.
        input(
            "2^31 - 1 headers",
            headers,
            one_record_with_headers(u32::MAX - 1),
        ),
        input(
            "10 million headers",
            headers,
            one_record_with_headers(20_000_000),
        ),
        input(
            "-1 headers",
            "negative length -1",
            one_record_with_headers(1),
        ),
        // F14.
        input("a time beyond 64 bits", "timestamp overflows", too_late),
        // F15: xerial's block says 4 GiB; and less than nothing.
        input("a block of 4 GiB", block, of_4_gib),
        input("a block of -1", block, batch(2, 1, &xerial([0xff; 4]))),
    ]
}

/// W8, and a frame that ends within its header.
fn messages_that_lie() -> Vec<Input> {
    let plain = |count: i32| [&[0; 4][..], &count.to_be_bytes()].concat();
    // No throttling, then the brokers as a compact list.
    let compact = [&[0; 4][..], &[0xff, 0xff, 0xff, 0xff, 0x0f]].concat();
    let brokers = "elements announced, 0 bytes left";
    let two_bytes = "api_version at byte 2: the bytes end here";
    vec![
        ("2^31 - 1 brokers", brokers, plain(i32::MAX), |bytes| {
            read_metadata(bytes, 4)
        }),
        (
            "100 million brokers",
            brokers,
            plain(100_000_000),
            |bytes| read_metadata(bytes, 4),
        ),
        ("2^32 - 2 brokers", brokers, compact, |bytes| {
            read_metadata(bytes, 12)
        }),
        ("a header of two bytes", two_bytes, vec![0, 3], |bytes| {
            decode_any_request(bytes).map(|_| ())
        }),
    ]
}

fn read_metadata(bytes: &Bytes, version: i16) -> Result<(), DecodeError> {
    MetadataResponse::decode(&mut Reader::new(bytes), ApiVersion(version)).map(|_| ())
}

/// The most that a bomb may become.
const BOMB_MAX: usize = 1 << 20;

fn read_batch(bytes: &Bytes) -> Result<(), DecodeError> {
    for batch in batches(bytes.clone()) {
        let batch = batch?;
        batch.verify_crc()?;
        batch.into_records_with(&mut Decompressor::new(BOMB_MAX))?;
    }
    Ok(())
}

/// Eight times what may become of it, all zeros.
fn bomb(codec: Codec) -> Bytes {
    let mut builder = BatchBuilder::new();
    let zeros = vec![0; 8 * BOMB_MAX];
    builder.append(&RecordFields {
        timestamp: 0,
        key: None,
        value: Some(&zeros),
        headers: &[],
    });
    let sealed = builder
        .finish()
        .seal_with(codec, &mut Compressor::default());
    let bytes = sealed.stamp(&Stamp::NONE).to_bytes();
    assert!(bytes.len() < BOMB_MAX, "{codec:?} made {}", bytes.len());
    bytes
}

/// A batch by hand, its checksum right.
fn batch(attributes: u8, count: i32, records: &[u8]) -> Vec<u8> {
    let mut batch = vec![0; HEADER_LEN];
    let len = i32::try_from(HEADER_LEN - 12 + records.len()).expect("short");
    batch[8..12].copy_from_slice(&len.to_be_bytes());
    batch[16] = 2;
    batch[22] = attributes;
    // No more offsets than records, and none that overflow.
    batch[23..27].copy_from_slice(&count.saturating_sub(1).max(0).to_be_bytes());
    batch[57..61].copy_from_slice(&count.to_be_bytes());
    batch.extend_from_slice(records);
    with_checksum(batch)
}

fn with_base_timestamp(mut batch: Vec<u8>, timestamp: i64) -> Vec<u8> {
    batch[27..35].copy_from_slice(&timestamp.to_be_bytes());
    with_checksum(batch)
}

fn with_checksum(mut batch: Vec<u8>) -> Vec<u8> {
    let checksum = crc32c::crc32c(&batch[21..]);
    batch[17..21].copy_from_slice(&checksum.to_be_bytes());
    batch
}

/// No key, no value, and a header count that is written as `zigzag`.
fn one_record_with_headers(zigzag: u32) -> Vec<u8> {
    let mut record = vec![0, 0, 0, 1, 1];
    record.extend(crate::support::varint(zigzag.into()));
    let len = u8::try_from(record.len() * 2).expect("short");
    record.insert(0, len);
    batch(0, 1, &record)
}

/// Snappy's framing with one block of that length.
fn xerial(len: [u8; 4]) -> Vec<u8> {
    let mut bytes = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01".to_vec();
    bytes.extend(len);
    bytes.extend([0; 8]);
    bytes
}
