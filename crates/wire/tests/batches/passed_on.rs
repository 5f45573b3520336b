//! Mirrors: batches that are sent on as they came.

use bytes::{Bytes, BytesMut};
use milena_wire::compress::{Codec, Compressor};
use milena_wire::messages::{PartitionProduceData, ProduceRequest, TopicProduceData};
use milena_wire::record::*;
use milena_wire::{
    ApiVersion, CorrelationId, Payload, Reader, decode_request_header, encode_request,
};

use crate::support::*;

/// Sends `batch` on and returns the records that the next one receives.
fn passed_on(batch: &BatchView) -> Bytes {
    let request = ProduceRequest {
        topic_data: vec![TopicProduceData {
            name: "mirrored",
            partition_data: vec![PartitionProduceData {
                index: 4,
                records: Some(Payload::from(batch.bytes().clone())),
            }],
            ..Default::default()
        }],
        ..Default::default()
    };
    let frame = encode_request(&request, ApiVersion(9), CorrelationId(1), None).expect("fits");
    let not_copied = |part: &[u8]| part.as_ptr() == batch.bytes().as_ptr();
    assert!(frame.parts().any(not_copied), "the batch was copied");
    let bytes = frame.to_bytes().slice(4..);
    let mut reader = Reader::new(&bytes);
    decode_request_header(&mut reader).expect("ours");
    let received: ProduceRequest<'_> =
        milena_wire::Decode::decode(&mut reader, ApiVersion(9)).expect("ours");
    let records = &received.topic_data[0].partition_data[0].records;
    records.as_ref().expect("not null").to_bytes()
}

#[test]
fn a_batch_sent_on_is_the_same_to_the_last_bit_compressed_or_not() {
    let text = [7; 2_000];
    for compression in [
        Compression::None,
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ] {
        let codec = Codec::new(compression, None).expect("built in");
        let mut builder = BatchBuilder::new();
        builder.append(&RecordFields {
            timestamp: 5,
            key: Some(b"k"),
            value: Some(&text),
            headers: &[],
        });
        let sealed = builder
            .finish()
            .seal_with(codec, &mut Compressor::default());
        // As it lies in the log that is mirrored.
        let stored = rewrite_base_offset(&sealed.stamp(&STAMP).to_bytes(), 4_000, 9);
        let original = only(stored);
        assert_eq!(original.compression(), compression);
        let copy = only(passed_on(&original));
        assert_eq!(copy.bytes(), original.bytes());
        copy.verify_crc().expect("the same bytes");
        let header = copy.header();
        assert_eq!(header, original.header());
        let identity = (
            header.producer_id,
            header.producer_epoch,
            header.base_sequence,
        );
        assert_eq!(identity, (4711, 3, 12));
        assert_eq!((header.base_offset, copy.is_transactional()), (4_000, true));
    }
}

#[test]
fn what_cannot_be_read_can_be_sent_on() {
    // A codec of a later Kafka, and a control batch.
    let later = only(patched(&small(), &[(21, &[0, 7])]));
    assert!(later.clone().into_records().is_err());
    assert_eq!(passed_on(&later), *later.bytes());
    let marker = only(control_batch(ControlKind::Commit, 1, 0, 0, 0, 0));
    assert_eq!(passed_on(&marker), *marker.bytes());
}

#[test]
fn batches_before_one_of_an_old_format_are_given_first() {
    for magic in [0, 1] {
        let mut log = BytesMut::from(&small()[..]);
        log.extend_from_slice(&rewrite_base_offset(&small(), 3, 0));
        log.extend_from_slice(&patched(&small(), &[(16, &[magic])]));
        log.extend_from_slice(&rewrite_base_offset(&small(), 9, 0));
        let mut walk = batches(log.freeze());
        let offsets = walk.by_ref().map_while(|batch| batch.ok());
        assert!(offsets.map(|batch| batch.header().base_offset).eq([0, 3]));
        // The error was taken with the walk, which is over.
        assert!(walk.next().is_none());
        let mut old = BytesMut::from(&small()[..]);
        old.extend_from_slice(&patched(&small(), &[(16, &[magic])]));
        let error = batches(old.freeze()).nth(1).expect("one").expect_err("old");
        assert_eq!(
            error.kind,
            milena_wire::DecodeErrorKind::OldMagic(magic.cast_signed())
        );
        assert_eq!(error.position, small().len() + 16);
        let told = error.to_string();
        assert!(told.contains("older than record batches"), "{told}");
    }
}
