//! What is written is read as it was.

use bytes::{Buf, Bytes};
use milena_wire::compress::{Codec, Compressor, Decompressor};
use milena_wire::record::{
    BatchBuilder, Compression, HeaderFields, RecordBatch, RecordFields, SealedBatch, Stamp, batches,
};
use milena_wire::{ApiKey, ApiVersion, ErrorCode, Frame, decode_any_request, decode_any_response};

use super::input::Input;
use super::messages::{request_frame, response_frame};

/// So many records at most: more show nothing new.
const RECORDS_MAX: usize = 64;

/// A request, a response, or records for a batch.
pub(crate) fn round_trip(data: &[u8]) {
    let mut input = Input(data);
    match input.u8() % 4 {
        0 => request(input.0),
        1 => response(input.0),
        _ => records(input),
    }
}

fn request(data: &[u8]) {
    let frame = request_frame(data);
    let Ok((header, request)) = decode_any_request(&frame) else {
        return;
    };
    let written = request
        .to_frame(header.api_version, header.correlation_id, header.client_id)
        .expect("what was read can be written");
    let written = without_prefix(&written);
    assert!(written.len() <= frame.len(), "we write the shortest form");
    let (header_again, again) = decode_any_request(&written).expect("it was written so");
    assert_eq!(header_again, header);
    assert_same(&again, &request);
}

fn response(data: &[u8]) {
    let (key, version, frame) = response_frame(data);
    let Ok((correlation_id, response)) = decode_any_response(&frame, key, version) else {
        return;
    };
    let version = spoken(key, version, &frame);
    let written = response
        .to_frame(version, correlation_id)
        .expect("what was read can be written");
    let written = without_prefix(&written);
    assert!(written.len() <= frame.len(), "we write the shortest form");
    let again = decode_any_response(&written, key, version).expect("it was written so");
    assert_eq!(again.0, correlation_id);
    assert_same(&again.1, &response);
}

/// The version that a response is in: a broker that does not know the version of an ApiVersions request answers in version 0.
fn spoken(key: ApiKey, version: ApiVersion, frame: &Bytes) -> ApiVersion {
    let unsupported = ErrorCode::UNSUPPORTED_VERSION.0.to_be_bytes();
    if key == ApiKey::API_VERSIONS && frame[4..6] == unsupported {
        ApiVersion(0)
    } else {
        version
    }
}

fn without_prefix(frame: &Frame) -> Bytes {
    let mut bytes = frame.to_bytes();
    assert_eq!(bytes.len(), frame.len());
    assert_eq!(bytes.get_u32() as usize, bytes.len());
    bytes
}

/// Equal, or else with a number that is none, which does not even equal itself.
fn assert_same<T: PartialEq + std::fmt::Debug>(again: &T, before: &T) {
    assert!(
        again == before || format!("{again:?}") == format!("{before:?}"),
        "{before:?} came back as {again:?}"
    );
}

/// A record, with what it borrows.
#[derive(Debug, PartialEq)]
struct Owned {
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

/// The codec and the stamp, then records.
fn records(mut input: Input<'_>) {
    let codec = codec(&mut input);
    let stamp = Stamp {
        producer_id: i64::from_be_bytes(input.array()),
        producer_epoch: i16::from_be_bytes(input.array()),
        base_sequence: i32::from_be_bytes(input.array()),
        transactional: input.u8() % 2 == 1,
    };
    let mut records = Vec::new();
    while !input.0.is_empty() && records.len() < RECORDS_MAX {
        records.push(record(&mut input));
    }
    let mut compressor = Compressor::default();
    let sealed = build(&records, codec, &mut compressor);
    let bytes = sealed.stamp(&stamp).to_bytes();
    assert_eq!(bytes.len(), sealed.wire_len());
    check(&bytes, &records, &stamp, sealed.compression());
    // The contexts have seen something by now. They may compress otherwise for that, LZ4's table does, but not wrongly.
    let again = build(&records, codec, &mut compressor);
    let bytes = again.stamp(&stamp).to_bytes();
    check(&bytes, &records, &stamp, again.compression());
    let packed = [Compression::None, codec.compression()];
    assert!(packed.contains(&sealed.compression()));
    let Some((first, second)) = sealed.split() else {
        return assert!(records.len() < 2, "two records can be parted");
    };
    let (front, back) = records.split_at(first.record_count() as usize);
    check(
        &first.stamp(&stamp).to_bytes(),
        front,
        &stamp,
        first.compression(),
    );
    check(
        &second.stamp(&stamp).to_bytes(),
        back,
        &stamp,
        second.compression(),
    );
}

fn codec(input: &mut Input<'_>) -> Codec {
    let compression = input.choose(&[
        Compression::None,
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ]);
    let level = i8::from_be_bytes(input.array());
    let codec = Codec::new(compression, Some(i32::from(level)));
    // A level that there is not is told, and then the usual one is taken.
    let usual = || Codec::new(compression, None).expect("it is in this build");
    codec.unwrap_or_else(|_| usual())
}

fn record(input: &mut Input<'_>) -> Owned {
    let shape = input.u8();
    let timestamp = match shape & 3 {
        // Not negative.
        0 => i64::from_be_bytes(input.array()) & i64::MAX,
        few => i64::from(few - 1),
    };
    let key = (shape & 4 != 0).then(|| field(input));
    let value = (shape & 8 != 0).then(|| field(input));
    let headers = (0..shape >> 6).map(|index| (field(input), (index != 1).then(|| field(input))));
    let headers = headers.collect();
    Owned {
        timestamp,
        key,
        value,
        headers,
    }
}

/// A length, and what is repeated to fill it: long enough to cross the chunks of a batch and the blocks of a codec.
fn field(input: &mut Input<'_>) -> Vec<u8> {
    let len = input.u8();
    let pattern = input.bytes(usize::from(len & 0x3f));
    let times = match len >> 6 {
        0 | 1 => 1,
        2 => 100,
        _ => 700,
    };
    pattern.repeat(times)
}

fn build(records: &[Owned], codec: Codec, compressor: &mut Compressor) -> SealedBatch {
    let mut builder = BatchBuilder::new();
    for record in records {
        let headers: Vec<_> = (record.headers.iter())
            .map(|(key, value)| HeaderFields {
                key,
                value: value.as_deref(),
            })
            .collect();
        let fields = RecordFields {
            timestamp: record.timestamp,
            key: record.key.as_deref(),
            value: record.value.as_deref(),
            headers: &headers,
        };
        let (len, before) = (builder.encoded_len(&fields), builder.payload_len());
        builder.append(&fields);
        assert_eq!(builder.payload_len(), before + len, "as long as announced");
    }
    assert_eq!(builder.record_count() as usize, records.len());
    builder.finish().seal_with(codec, compressor)
}

/// The batch in `bytes` holds `records`, and says of itself what is so.
fn check(bytes: &Bytes, records: &[Owned], stamp: &Stamp, compression: Compression) {
    let mut walk = batches(bytes.clone());
    let batch = walk.next().expect("a batch").expect("of ours");
    assert!(walk.next().is_none(), "and nothing behind it");
    assert_eq!(batch.verify_crc(), Ok(()));
    let header = *batch.header();
    assert_eq!(batch.compression(), compression);
    assert!(batch.is_transactional() == stamp.transactional && !batch.is_control());
    assert_eq!(
        (
            header.producer_id,
            header.producer_epoch,
            header.base_sequence
        ),
        (stamp.producer_id, stamp.producer_epoch, stamp.base_sequence)
    );
    let latest = records.iter().map(|record| record.timestamp).max();
    assert_eq!(header.max_timestamp, latest.unwrap_or_default());
    let read = batch.into_records_with(&mut Decompressor::default());
    assert_eq!(owned(&read.expect("of ours")), records);
}

fn owned(batch: &RecordBatch) -> Vec<Owned> {
    let records = batch.records().zip(0..).map(|(record, offset)| {
        assert_eq!(record.offset(), offset);
        let headers = record.headers();
        Owned {
            timestamp: record.timestamp(),
            key: record.key().map(<[u8]>::to_vec),
            value: record.value().map(<[u8]>::to_vec),
            headers: headers
                .map(|header| (header.key.to_vec(), header.value.map(<[u8]>::to_vec)))
                .collect(),
        }
    });
    records.collect()
}
