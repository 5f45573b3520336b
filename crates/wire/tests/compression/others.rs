//! Batches that other clients wrote are read to the last record.

use bytes::Bytes;
use milena_wire::DecodeErrorKind;
use milena_wire::compress::Decompressor;
use milena_wire::record::{BatchView, Compression, batches};

use crate::support::{body, hex};

const JAVA: &str = include_str!("vectors/java.txt");
const LIBRDKAFKA: &str = include_str!("vectors/librdkafka.txt");
const FRANZ_GO: &str = include_str!("vectors/franz-go.txt");

/// A batch that another client wrote.
pub(crate) struct Other {
    pub(crate) name: String,
    pub(crate) compression: Compression,
    /// Which records it holds: [`few`] or [`many`].
    few: bool,
    bytes: Bytes,
}

impl Other {
    pub(crate) fn view(&self) -> BatchView {
        let mut all = batches(self.bytes.clone());
        let view = all.next().expect("a batch").expect("valid");
        assert!(all.next().is_none(), "{}", self.name);
        view
    }
}

pub(crate) fn others() -> Vec<Other> {
    let files = [
        ("java", JAVA),
        ("librdkafka", LIBRDKAFKA),
        ("franz-go", FRANZ_GO),
    ];
    let mut all = Vec::new();
    for (client, text) in files {
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let [codec, records, bytes] = line.split(' ').collect::<Vec<_>>()[..] else {
                panic!("{client}: three words a line: {line}");
            };
            all.push(Other {
                name: format!("{client} {codec} {records}"),
                compression: match codec.split('-').next() {
                    Some("gzip") => Compression::Gzip,
                    Some("snappy") => Compression::Snappy,
                    Some("lz4") => Compression::Lz4,
                    Some("zstd") => Compression::Zstd,
                    other => panic!("{client}: {other:?}"),
                },
                few: records == "few",
                bytes: Bytes::from(hex(bytes)),
            });
        }
    }
    all
}

/// Key, value, headers and time of a record.
type Fields = (
    Option<Vec<u8>>,
    Vec<u8>,
    Vec<(Vec<u8>, Option<Vec<u8>>)>,
    i64,
);

/// Eight records that differ in everything a record can differ in.
fn few() -> Vec<Fields> {
    let record = |i: i64| {
        let key = (i != 3).then(|| format!("key-{i}").into_bytes());
        let value = format!(
            r#"{{"id":{i},"name":"record number {i}","tags":["a","b","c"],"note":"the quick brown fox jumps over the lazy dog"}}"#
        );
        let twice = vec![
            (b"h".to_vec(), Some(format!("v{i}").into_bytes())),
            (b"h".to_vec(), None),
        ];
        let headers = if i % 2 == 0 { twice } else { Vec::new() };
        (key, value.into_bytes(), headers, time(i))
    };
    (0..8).map(record).collect()
}

/// 140,000 bytes: several blocks in each codec.
fn many() -> Vec<Fields> {
    let record = |i: i64| {
        let mut value = String::new();
        let mut line = 0;
        while value.len() < 5000 {
            value += &format!("line {} of record {}; ", line % 7, i % 3);
            line += 1;
        }
        value.truncate(5000);
        (None, value.into_bytes(), Vec::new(), time(i))
    };
    (0..28).map(record).collect()
}

const fn time(i: i64) -> i64 {
    1_700_000_000_000 + 10 * i
}

#[test]
fn batches_of_other_clients_are_read() {
    let all = others();
    assert_eq!(all.len(), 32);
    for other in &all {
        let view = other.view();
        view.verify_crc().expect(&other.name);
        assert_eq!(view.compression(), other.compression, "{}", other.name);
        let batch = view.into_records().expect(&other.name);
        let read = batch.records().map(|record| {
            let headers = record
                .headers()
                .map(|header| (header.key.to_vec(), header.value.map(<[u8]>::to_vec)));
            (
                record.key().map(<[u8]>::to_vec),
                record.value().expect("a value").to_vec(),
                headers.collect(),
                record.timestamp(),
            )
        });
        let expected = if other.few { few() } else { many() };
        assert!(read.eq(expected), "{}", other.name);
    }
}

#[test]
fn snappy_is_there_in_both_forms() {
    let all = others();
    let framed = |client: &str| {
        let other = all
            .iter()
            .find(|other| other.name == format!("{client} snappy few"));
        body(&other.expect("there").view()).starts_with(b"\x82SNAPPY\0")
    };
    assert!(framed("java") && !framed("librdkafka") && !framed("franz-go"));
}

#[test]
fn a_limit_that_other_clients_batches_exceed_is_told_from_damage() {
    for other in others() {
        // The bytes of all records, before they were compressed.
        let len = if other.few { 996 } else { 140_273 };
        let at = |max| other.view().into_records_with(&mut Decompressor::new(max));
        assert!(at(len).is_ok(), "{}", other.name);
        for max in [0, 1, len / 3, len / 2, len - 1] {
            let kind = at(max).expect_err("beyond").kind;
            let expected = DecodeErrorKind::DecompressedTooLong { max };
            assert_eq!(kind, expected, "{}", other.name);
        }
    }
}
