//! Compressed batches: looked into like others, and refused as Kafka 4.3.1 was found to refuse them.

use milena_testbroker::BrokerConfig;
use milena_wire::record::Compression;
use milena_wire::{ErrorCode, Payload};

use crate::harness::{Cluster, compressed, patched, plain};

const CODECS: [Compression; 4] = [
    Compression::Gzip,
    Compression::Snappy,
    Compression::Lz4,
    Compression::Zstd,
];
const ATTRIBUTES: usize = 21;
const LAST_OFFSET_DELTA: usize = 23;
const RECORD_COUNT: usize = 57;
const RECORDS: usize = 61;

fn texts() -> [String; 3] {
    ["first ", "second ", "third "].map(|text| text.repeat(100))
}

#[test]
fn records_of_every_codec_are_seen_in_the_log_and_found_by_their_time() {
    for codec in CODECS {
        let mut cluster = Cluster::single();
        let texts = texts();
        let values = texts.each_ref().map(String::as_str);
        assert_eq!(cluster.write(plain(&["before"])), Ok(0));
        assert_eq!(cluster.write(compressed(codec, &values)), Ok(1));
        let log = cluster.broker.log("t", 0).unwrap();
        assert_eq!(log.batches().last().unwrap().compression(), codec);
        let records = log.committed_records().unwrap();
        let seen: Vec<_> = records
            .iter()
            .map(|record| record.value.as_deref().unwrap())
            .collect();
        let expected = ["before", values[0], values[1], values[2]].map(str::as_bytes);
        assert_eq!(seen, expected);
        // Time-stamps count up from 1,000 in each batch.
        assert_eq!(cluster.list_offset(1_001, false, -1), Ok((2, 0)));
        assert_eq!(cluster.list_offset(1_002, false, -1), Ok((3, 0)));
        assert_eq!(cluster.list_offset(-3, false, -1), Ok((3, 0)));
    }
}

#[test]
fn a_compressed_batch_counts_as_it_was_sent() {
    let value = "a".repeat(5_000);
    let mut cluster = Cluster::with_topic(BrokerConfig {
        message_bytes_max: 1_000,
        ..Default::default()
    });
    let too_large = Err(ErrorCode::MESSAGE_TOO_LARGE);
    assert_eq!(cluster.write(plain(&[&value])), too_large);
    for (offset, codec) in (0..).zip(CODECS) {
        assert_eq!(cluster.write(compressed(codec, &[&value])), Ok(offset));
    }
}

#[test]
fn codecs_that_do_not_exist_are_refused() {
    let mut cluster = Cluster::single();
    for codec in 5..=7 {
        let unknown = patched(plain(&["a"]), ATTRIBUTES, &[0, codec]);
        assert_eq!(cluster.write(unknown), Err(ErrorCode::UNKNOWN_SERVER_ERROR));
    }
    let texts = texts();
    let zstd = || compressed(Compression::Zstd, &[&texts[0]]);
    let old = cluster.produce(1, 6, None, 0, zstd());
    assert_eq!(old, Err(ErrorCode::UNSUPPORTED_COMPRESSION_TYPE));
    // The codec of the first is looked at before it is asked whether there is another.
    let two = || Payload::new(vec![zstd().to_bytes(), zstd().to_bytes()]);
    let old = cluster.produce(1, 6, None, 0, two());
    assert_eq!(old, Err(ErrorCode::UNSUPPORTED_COMPRESSION_TYPE));
    let new = cluster.produce(1, 7, None, 0, two());
    assert_eq!(new, Err(ErrorCode::INVALID_RECORD));
    assert_eq!(cluster.produce(1, 7, None, 0, zstd()), Ok(0));
}

#[test]
fn what_cannot_be_decompressed_or_is_not_what_the_header_says_is_refused() {
    let texts = texts();
    let values = texts.each_ref().map(String::as_str);
    for codec in CODECS {
        let mut cluster = Cluster::single();
        let whole = || compressed(codec, &values);
        let damaged = patched(whole(), RECORDS, &[0x55; 8]);
        assert_eq!(
            cluster.write(damaged),
            Err(ErrorCode::UNKNOWN_SERVER_ERROR),
            "{codec}"
        );
        for count in [2, 4] {
            let delta = patched(whole(), LAST_OFFSET_DELTA, &[0, 0, 0, count - 1]);
            let counted = patched(delta, RECORD_COUNT, &[0, 0, 0, count]);
            assert_eq!(cluster.write(counted), Err(ErrorCode::INVALID_RECORD));
        }
        assert_eq!(cluster.broker.log("t", 0).unwrap().high_watermark(), 0);
        assert_eq!(cluster.write(whole()), Ok(0));
    }
}
