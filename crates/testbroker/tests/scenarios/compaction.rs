//! Compaction: what is left, and what readers meet.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use milena_testbroker::{BrokerConfig, StoredRecord};
use milena_wire::compress::{Codec, Compressor};
use milena_wire::messages::PartitionData;
use milena_wire::record::{
    BatchBuilder, Compression, ControlRecord, HeaderFields, RecordFields, Stamp, batches,
};
use milena_wire::{ErrorCode, Payload};

use crate::harness::{Cluster, Id, ms};
use crate::requests::{Asking, END_TV2, PRODUCE_TV2, fetch_request};

/// The cluster's clock begins here.
const START: i64 = 1_750_000_000_000;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Key and value; no value: a tombstone.
type Entry<'a> = (&'a str, Option<&'a str>);

fn config() -> BrokerConfig {
    BrokerConfig {
        wall_clock_start: START,
        // Only on command.
        retention_check: 10_000 * DAY,
        ..Default::default()
    }
}

fn keyed_as(stamp: Stamp, compression: Compression, entries: &[Entry<'_>]) -> Payload {
    let mut builder = BatchBuilder::new();
    let headers = [HeaderFields {
        key: b"h",
        value: None,
    }];
    for (index, (key, value)) in entries.iter().enumerate() {
        builder.append(&RecordFields {
            timestamp: START + i64::try_from(index).unwrap(),
            key: Some(key.as_bytes()),
            value: value.map(str::as_bytes),
            headers: &headers[..index % 2],
        });
    }
    let codec = Codec::new(compression, None).unwrap();
    let sealed = builder
        .finish()
        .seal_with(codec, &mut Compressor::default());
    sealed.stamp(&stamp)
}

fn keyed(entries: &[Entry<'_>]) -> Payload {
    keyed_as(Stamp::NONE, Compression::None, entries)
}

fn stamp(producer: Id, base_sequence: i32, transactional: bool) -> Stamp {
    Stamp {
        producer_id: producer.id,
        producer_epoch: producer.epoch,
        base_sequence,
        transactional,
    }
}

fn entries(records: &[StoredRecord]) -> Vec<(i64, String, Option<String>)> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let entry = |record: &StoredRecord| {
        let value = record.value.as_ref().map(|value| text(value));
        (record.offset, text(record.key.as_ref().unwrap()), value)
    };
    records.iter().map(entry).collect()
}

impl Cluster {
    fn left(&self) -> Vec<(i64, String, Option<String>)> {
        entries(&self.broker.log("t", 0).unwrap().records().unwrap())
    }

    /// First and last offset and number of records of every batch.
    fn shape(&self) -> Vec<(i64, i64, i32)> {
        let batches = self.broker.log("t", 0).unwrap().batches();
        let shape = batches.map(|batch| {
            let header = batch.header();
            (
                header.base_offset,
                header.last_offset(),
                header.record_count,
            )
        });
        shape.collect()
    }

    fn compact(&mut self) {
        assert!(self.broker.compact("t", 0));
        for batch in self.broker.log("t", 0).unwrap().batches() {
            batch.verify_crc().unwrap();
        }
    }
}

fn some(offset: i64, key: &str, value: &str) -> (i64, String, Option<String>) {
    (offset, key.to_owned(), Some(value.to_owned()))
}

#[test]
fn the_last_value_of_each_key_stays_where_it_was() {
    let mut cluster = Cluster::with_topic(config());
    cluster
        .write(keyed(&[
            ("a", Some("1")),
            ("b", Some("1")),
            ("a", Some("2")),
        ]))
        .unwrap();
    cluster
        .write(keyed(&[("a", Some("3")), ("c", Some("1"))]))
        .unwrap();
    cluster.write(keyed(&[("a", Some("4"))])).unwrap();
    cluster.write(keyed(&[("d", Some("1"))])).unwrap();
    cluster.compact();
    let left = [
        some(1, "b", "1"),
        some(4, "c", "1"),
        some(5, "a", "4"),
        some(6, "d", "1"),
    ];
    assert_eq!(cluster.left(), left);
    // Batches keep their first and last offset: readers meet gaps inside.
    assert_eq!(
        cluster.shape(),
        [(0, 2, 1), (3, 4, 1), (5, 5, 1), (6, 6, 1)]
    );
    let before = cluster.shape();
    cluster.compact();
    assert_eq!(cluster.shape(), before, "a second time changes nothing");
    assert_eq!(cluster.log_end(), 7);
}

#[test]
fn times_headers_and_codecs_outlive_compaction() {
    for codec in [
        Compression::None,
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ] {
        let mut cluster = Cluster::with_topic(config());
        let long = "x".repeat(300);
        let batch = [
            ("a", Some("1")),
            ("b", Some(&long[..])),
            ("a", Some(&long[..])),
        ];
        cluster.write(keyed_as(Stamp::NONE, codec, &batch)).unwrap();
        cluster.write(keyed(&[("z", Some("1"))])).unwrap();
        cluster.compact();
        let log = cluster.broker.log("t", 0).unwrap();
        let stored = log.batches().next().unwrap();
        assert_eq!(stored.compression(), codec);
        assert_eq!(stored.header().max_timestamp, START + 2);
        let records = stored.clone().into_records().unwrap();
        let kept: Vec<_> = records
            .records()
            .map(|record| (record.offset(), record.timestamp(), record.headers().len()))
            .collect();
        assert_eq!(kept, [(1, START + 1, 1), (2, START + 2, 0)]);
    }
}

#[test]
fn a_tombstone_goes_when_its_time_is_over() {
    let mut cluster = Cluster::with_topic(config());
    cluster
        .write(keyed(&[("a", Some("1")), ("b", Some("1"))]))
        .unwrap();
    cluster.write(keyed(&[("a", None)])).unwrap();
    cluster.write(keyed(&[("c", Some("1"))])).unwrap();
    cluster.compact();
    let tombstone = (2, "a".to_owned(), None);
    let with = [some(1, "b", "1"), tombstone, some(3, "c", "1")];
    assert_eq!(cluster.left(), with);
    // The time is that of the first compaction that met it, and a day.
    cluster.advance(DAY - ms(1));
    cluster.compact();
    assert_eq!(cluster.left(), with);
    let times = cluster.broker.log("t", 0).unwrap().records().unwrap();
    assert_eq!(times[1].timestamp, START, "records keep theirs");
    cluster.advance(ms(1));
    cluster.compact();
    assert_eq!(cluster.left(), [some(1, "b", "1"), some(3, "c", "1")]);
}

#[test]
fn a_producers_last_batch_is_kept_empty() {
    let mut cluster = Cluster::with_topic(config());
    let producer = cluster.init(None, None).unwrap();
    let own = |sequence, entries: &[Entry<'_>]| {
        keyed_as(stamp(producer, sequence, false), Compression::None, entries)
    };
    cluster
        .write(own(0, &[("a", Some("1")), ("b", Some("1"))]))
        .unwrap();
    cluster
        .write(own(2, &[("a", Some("2")), ("b", Some("2"))]))
        .unwrap();
    cluster
        .write(keyed(&[("a", Some("3")), ("b", Some("3"))]))
        .unwrap();
    cluster.compact();
    assert_eq!(cluster.shape(), [(2, 3, 0), (4, 5, 2)]);
    let log = cluster.broker.log("t", 0).unwrap();
    let empty = log.batches().next().unwrap().header();
    assert_eq!((empty.base_sequence, empty.last_sequence()), (2, 3));
    assert_eq!(empty.producer_id, producer.id);
    // What it is kept for: a node that lost the states finds them in the log.
    assert_eq!(cluster.write(own(4, &[("c", Some("1"))])), Ok(6));
    let read = cluster.fetch(1, Asking::default());
    assert_eq!(read.values, ["3", "3", "1"], "readers pass over it");
}

#[test]
fn nothing_of_an_aborted_transaction_is_left_and_then_no_marker() {
    let mut cluster = Cluster::with_topic(config());
    let producer = cluster.init(Some("x"), None).unwrap();
    cluster.write(keyed(&[("a", Some("1"))])).unwrap();
    let batch = keyed_as(
        stamp(producer, 0, true),
        Compression::None,
        &[("a", Some("2"))],
    );
    cluster
        .produce(1, PRODUCE_TV2, Some("x"), 0, batch)
        .unwrap();
    let producer = cluster.end(END_TV2, producer, false).unwrap();
    cluster.advance(ms(10));
    // The next transaction's batch is the producer's last now.
    let batch = keyed_as(
        stamp(producer, 0, true),
        Compression::None,
        &[("b", Some("1"))],
    );
    cluster
        .produce(1, PRODUCE_TV2, Some("x"), 0, batch)
        .unwrap();
    cluster.end(END_TV2, producer, true).unwrap();
    cluster.advance(ms(10));
    cluster.write(keyed(&[("z", Some("1"))])).unwrap();
    cluster.compact();
    assert_eq!(
        cluster.left()[0],
        some(0, "a", "1"),
        "an aborted value replaces nothing"
    );
    let aborted = |cluster: &Cluster| {
        cluster
            .broker
            .log("t", 0)
            .unwrap()
            .aborted_transactions()
            .len()
    };
    assert_eq!(aborted(&cluster), 1, "the data was still there");
    assert_eq!(
        cluster.shape(),
        [(0, 0, 1), (2, 2, 1), (3, 3, 1), (4, 4, 1), (5, 5, 1)]
    );
    // The marker waits as a tombstone does.
    cluster.compact();
    assert_eq!(aborted(&cluster), 0);
    assert_eq!(cluster.shape().len(), 5);
    cluster.advance(DAY);
    cluster.compact();
    assert_eq!(
        cluster.shape(),
        [(0, 0, 1), (3, 3, 1), (4, 4, 1), (5, 5, 1)]
    );
    assert_eq!(cluster.committed_values("t", 0), ["1", "1", "1"]);
}

#[test]
fn nothing_unstable_is_touched() {
    let mut cluster = Cluster::with_topic(config());
    let producer = cluster.init(Some("x"), None).unwrap();
    cluster.write(keyed(&[("a", Some("1"))])).unwrap();
    let batch = keyed_as(
        stamp(producer, 0, true),
        Compression::None,
        &[("a", Some("2"))],
    );
    cluster
        .produce(1, PRODUCE_TV2, Some("x"), 0, batch)
        .unwrap();
    cluster.write(keyed(&[("a", Some("3"))])).unwrap();
    cluster.compact();
    assert_eq!(cluster.left().len(), 3);
}

#[test]
fn a_compacted_topic_is_compacted_by_itself_without_its_newest_segment_and_wants_keys() {
    let settings = [
        ("cleanup.policy", "compact"),
        ("min.compaction.lag.ms", "60000"),
        ("segment.ms", "1"),
    ];
    let mut cluster = Cluster::replicated_as(
        BrokerConfig {
            cleaner_backoff: ms(30_000),
            ..config()
        },
        &settings,
    );
    cluster.write(keyed(&[("a", Some("1"))])).unwrap();
    cluster.write(keyed(&[("a", Some("2"))])).unwrap();
    let keyless = cluster.write(crate::harness::plain(&["x"]));
    assert_eq!(keyless, Err(ErrorCode::INVALID_RECORD));
    cluster.advance(ms(59_000));
    assert_eq!(cluster.left().len(), 2, "too young");
    cluster.advance(ms(31_001));
    assert_eq!(cluster.left().len(), 2, "the newest segment");
    // Two milliseconds younger.
    let next = [("b", Some("1")), ("b", Some("2")), ("b", Some("3"))];
    cluster.write(keyed(&next)).unwrap();
    cluster.advance(ms(30_001));
    let left = cluster.left();
    assert_eq!(left[0], some(1, "a", "2"));
    assert_eq!(left.len(), 4, "one of a, all of b");
}

/// Every key's last committed value, and who reads from where does not matter.
#[test]
fn compaction_at_random_keeps_the_last_committed_value_of_each_key() {
    for seed in 0..40 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut cluster = Cluster::with_topic(config());
        let mut producer = cluster.init(Some("x"), None).unwrap();
        let mut sequence = 0;
        let mut truth: BTreeMap<String, Option<String>> = BTreeMap::new();
        let mut open: Vec<(String, Option<String>)> = Vec::new();
        for step in 0..120 {
            let count = random.usize(1..5);
            let batch: Vec<(String, Option<String>)> = (0..count)
                .map(|index| {
                    let key = format!("k{}", random.u32(..8));
                    let value = (random.u32(..5) > 0).then(|| format!("{step}.{index}"));
                    (key, value)
                })
                .collect();
            let pairs: Vec<Entry<'_>> = batch
                .iter()
                .map(|(key, value)| (&key[..], value.as_deref()))
                .collect();
            match random.u32(..10) {
                // What follows an open transaction is newer than it.
                0..3 if open.is_empty() => {
                    cluster.write(keyed(&pairs)).unwrap();
                    truth.extend(batch);
                }
                0..6 => {
                    let codec = [Compression::None, Compression::Lz4][random.usize(..2)];
                    let stamp = stamp(producer, sequence, true);
                    sequence += i32::try_from(count).unwrap();
                    let batch_bytes = keyed_as(stamp, codec, &pairs);
                    cluster
                        .produce(1, PRODUCE_TV2, Some("x"), 0, batch_bytes)
                        .unwrap();
                    open.extend(batch);
                }
                6 | 7 if !open.is_empty() => {
                    let committed = random.bool();
                    producer = cluster.end(END_TV2, producer, committed).unwrap();
                    sequence = 0;
                    cluster.advance(ms(10));
                    if committed {
                        truth.extend(open.drain(..));
                    }
                    open.clear();
                }
                // An open transaction would not live that long.
                8 if open.is_empty() => cluster.advance(DAY * random.u32(..2)),
                _ => cluster.compact(),
            }
            if open.is_empty() {
                check(&cluster, &truth);
                let from = random.i64(0..=cluster.log_end());
                check_reader(&mut cluster, from);
            }
        }
    }
}

/// Reading the log from its start gives each key's last committed value; a tombstone that is gone
/// and one that is not say the same.
fn check(cluster: &Cluster, truth: &BTreeMap<String, Option<String>>) {
    let log = cluster.broker.log("t", 0).unwrap();
    let mut read = BTreeMap::new();
    let mut last = -1;
    for (offset, key, value) in entries(&log.committed_records().unwrap()) {
        assert!(offset > last);
        last = offset;
        read.insert(key, value);
    }
    let values = |all: &BTreeMap<String, Option<String>>| {
        let there = all.iter().filter(|(_, value)| value.is_some());
        there
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(values(&read), values(truth), "{}", cluster.broker);
}

/// A read_committed consumer that begins anywhere gets what the log says is committed from there
/// on, in order, and gets to the end.
fn check_reader(cluster: &mut Cluster, from: i64) {
    let log = cluster.broker.log("t", 0).unwrap();
    let mut expected = entries(&log.committed_records().unwrap());
    expected.retain(|(offset, _, _)| *offset >= from);
    let end = log.log_end_offset();
    let (mut position, mut read) = (from, Vec::new());
    while position < end {
        let asking = Asking {
            offset: position,
            committed: true,
            partition_max_bytes: 200,
            ..Default::default()
        };
        let (next, records) = cluster.ask(1, 12, &fetch_request(asking, 0), |response| {
            let data = &response.responses[0].partitions[0];
            assert_eq!(data.error_code, ErrorCode::NONE);
            read_committed(data, position)
        });
        if next == position {
            // Compaction has left nothing between here and the end.
            break;
        }
        position = next;
        read.extend(records);
    }
    assert_eq!(read, expected, "from {from}: {}", cluster.broker);
}

/// What a consumer makes of an answer: the position behind it and the records it hands out.
fn read_committed(
    data: &PartitionData,
    position: i64,
) -> (i64, Vec<(i64, String, Option<String>)>) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let mut aborted = data.aborted_transactions.clone().unwrap();
    aborted.sort_by_key(|aborted| aborted.first_offset);
    let mut aborting = BTreeSet::new();
    let (mut next, mut read) = (position, Vec::new());
    let records = data
        .records
        .as_ref()
        .map(Payload::to_bytes)
        .unwrap_or_default();
    for batch in batches(records).map(Result::unwrap) {
        next = batch.next_offset();
        while aborted
            .first()
            .is_some_and(|first| first.first_offset <= batch.last_offset())
        {
            aborting.insert(aborted.remove(0).producer_id);
        }
        let producer_id = batch.header().producer_id;
        if batch.is_control() {
            if let Ok(Some(ControlRecord::Abort { .. })) = batch.control() {
                aborting.remove(&producer_id);
            }
        } else if !batch.is_transactional() || !aborting.contains(&producer_id) {
            for record in batch.into_records().unwrap().records() {
                if record.offset() >= position {
                    let value = record.value().map(text);
                    read.push((record.offset(), text(record.key().unwrap()), value));
                }
            }
        }
    }
    (next, read)
}
