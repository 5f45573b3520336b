//! Records to compress, and batches of them.

use bytes::Bytes;
use milena_wire::DecodeErrorKind;
use milena_wire::compress::{Codec, Compressor};
use milena_wire::record::{
    BatchBuilder, BatchPayload, BatchView, Compression, RecordFields, SealedBatch, Stamp, batches,
};

pub(crate) const CODECS: [Compression; 4] = [
    Compression::Gzip,
    Compression::Snappy,
    Compression::Lz4,
    Compression::Zstd,
];

pub(crate) fn codec(compression: Compression) -> Codec {
    Codec::new(compression, None).expect("all codecs are in this build")
}

/// A batch of records that each have one of `values`.
pub(crate) fn payload(values: &[Vec<u8>]) -> BatchPayload {
    let mut builder = BatchBuilder::new();
    for (index, value) in values.iter().enumerate() {
        builder.append(&RecordFields {
            timestamp: 1_700_000_000_000 + index as i64,
            key: None,
            value: Some(value),
            headers: &[],
        });
    }
    builder.finish()
}

pub(crate) fn sealed(values: &[Vec<u8>], compression: Compression) -> SealedBatch {
    payload(values).seal_with(codec(compression), &mut Compressor::default())
}

/// The batch as another would find it in a request.
pub(crate) fn sent(batch: &SealedBatch) -> BatchView {
    let bytes = batch.stamp(&Stamp::NONE).to_bytes();
    assert_eq!(bytes.len(), batch.wire_len());
    let mut all = batches(bytes);
    let view = all.next().expect("a batch").expect("valid");
    view.verify_crc().expect("sealed");
    assert!(all.next().is_none());
    view
}

pub(crate) fn values(view: BatchView) -> Vec<Vec<u8>> {
    let batch = view.into_records().expect("readable");
    let values = batch
        .records()
        .map(|record| record.value().expect("a value").to_vec());
    values.collect()
}

/// Events as they are: neither all alike nor random.
pub(crate) fn events(random: &mut fastrand::Rng, len: usize) -> Vec<u8> {
    const KINDS: [&str; 5] = ["click", "view", "purchase", "refund", "login"];
    let mut text = String::new();
    while text.len() < len {
        let kind = KINDS[random.usize(..KINDS.len())];
        text.push_str(&format!(
            "{{\"id\":{},\"kind\":\"{kind}\",\"user\":\"u{:05}\",\"amount\":{}.{:02}}}",
            random.u64(..1 << 48),
            random.u32(..20_000),
            random.u32(..500),
            random.u32(..100),
        ));
    }
    let mut bytes = text.into_bytes();
    bytes.truncate(len);
    bytes
}

pub(crate) fn noise(random: &mut fastrand::Rng, len: usize) -> Vec<u8> {
    std::iter::repeat_with(|| random.u8(..)).take(len).collect()
}

/// A batch with `body` for its compressed records, as a peer that means no good would write it.
pub(crate) fn forged(compression: Compression, record_count: i32, body: &[u8]) -> BatchView {
    // A batch of a record's header, to be written over.
    let mut bytes = payload(&[Vec::new()])
        .seal()
        .stamp(&Stamp::NONE)
        .to_bytes()
        .to_vec();
    bytes.truncate(61);
    bytes.extend_from_slice(body);
    let length = i32::try_from(bytes.len() - 12).expect("short");
    bytes[8..12].copy_from_slice(&length.to_be_bytes());
    bytes[22] = match compression {
        Compression::None => 0,
        Compression::Gzip => 1,
        Compression::Snappy => 2,
        Compression::Lz4 => 3,
        Compression::Zstd => 4,
        Compression::Unknown(number) => number,
    };
    bytes[23..27].copy_from_slice(&(record_count.max(1) - 1).to_be_bytes());
    bytes[57..61].copy_from_slice(&record_count.to_be_bytes());
    let crc = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    let view = batches(Bytes::from(bytes)).next().expect("whole");
    view.expect("a valid header")
}

/// What is between the header and the end of a batch.
pub(crate) fn body(view: &BatchView) -> Bytes {
    view.bytes().slice(61..)
}

/// A batch of one short record, as it is before it is compressed: fourteen bytes.
pub(crate) fn short_records() -> Bytes {
    body(&sent(&payload(&[b"4567890".to_vec()]).seal()))
}

/// Reads a batch of `record_count` records that are compressed to `body`.
pub(crate) fn read(
    compression: Compression,
    record_count: i32,
    body: &[u8],
) -> Result<Vec<Vec<u8>>, DecodeErrorKind> {
    let batch = forged(compression, record_count, body).into_records();
    let batch = batch.map_err(|error| error.kind)?;
    let values = batch
        .records()
        .map(|record| record.value().unwrap_or_default().to_vec());
    Ok(values.collect())
}

/// What is wrong with `body`.
pub(crate) fn damage(compression: Compression, body: &[u8]) -> &'static str {
    match read(compression, 1, body) {
        Err(DecodeErrorKind::Decompression {
            compression: named,
            what,
        }) if named == compression => what,
        other => panic!("{compression}: {other:?} of {body:02x?}"),
    }
}

pub(crate) fn hex(text: &str) -> Vec<u8> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    assert!(rest.is_empty());
    let digit = |digit: u8| (digit as char).to_digit(16).expect("a digit") as u8;
    pairs
        .iter()
        .map(|[high, low]| digit(*high) << 4 | digit(*low))
        .collect()
}
