//! What a topic's settings make of a batch, and what the answer says of the records at fault.

use milena_testbroker::BrokerConfig;
use milena_wire::messages::{
    PartitionProduceData, PartitionProduceResponse, ProduceRequest, TopicProduceData,
};
use milena_wire::record::{BatchBuilder, Compression, RecordFields, Stamp, TimestampType};
use milena_wire::{ErrorCode, Payload};

use crate::harness::{Cluster, compressed, idempotent, ms, patched, plain, transactional};
use crate::requests::produce_request;

/// The cluster's clock stands here.
const NOW: i64 = 1_750_000_000_000;
const HOUR: i64 = 60 * 60 * 1_000;
const ATTRIBUTES: usize = 21;
const MAX_TIMESTAMP: usize = 35;

fn with(settings: &[(&'static str, &'static str)]) -> Cluster {
    let config = BrokerConfig {
        wall_clock_start: NOW,
        ..Default::default()
    };
    Cluster::replicated_as(config, settings)
}

/// Key and time-stamp of each record.
fn timed(records: &[(Option<&str>, i64)]) -> Payload {
    let mut builder = BatchBuilder::new();
    for (key, timestamp) in records {
        builder.append(&RecordFields {
            timestamp: *timestamp,
            key: key.map(str::as_bytes),
            value: Some(b"v"),
            headers: &[],
        });
    }
    builder.finish().seal().stamp(&Stamp::NONE)
}

#[derive(Debug, PartialEq)]
struct Told {
    error: ErrorCode,
    base_offset: i64,
    append_time: i64,
    log_start: i64,
    message: bool,
    records: Vec<(i32, String)>,
}

impl Cluster {
    fn tell(&mut self, version: i16, records: Payload) -> Told {
        self.ask(1, version, &produce_request(None, 0, records), |response| {
            let answer = &response.responses[0].partition_responses[0];
            let records = answer.record_errors.iter().map(|error| {
                let message = error.batch_index_error_message.unwrap();
                (error.batch_index, message.to_owned())
            });
            Told {
                error: answer.error_code,
                base_offset: answer.base_offset,
                append_time: answer.log_append_time_ms,
                log_start: answer.log_start_offset,
                message: answer.error_message.is_some(),
                records: records.collect(),
            }
        })
    }
}

fn indexes(told: &Told) -> Vec<i32> {
    told.records.iter().map(|(index, _)| *index).collect()
}

#[test]
fn the_log_may_set_the_time() {
    let mut cluster = with(&[("message.timestamp.type", "LogAppendTime")]);
    let producer = cluster.init(None, None).unwrap();
    cluster.advance(ms(50));
    let told = cluster.tell(9, idempotent(producer, 0, &["a", "b"]));
    assert_eq!((told.error, told.append_time), (ErrorCode::NONE, NOW + 50));
    cluster.advance(ms(50));
    let copy = cluster.tell(9, idempotent(producer, 0, &["a", "b"]));
    assert_eq!((copy.base_offset, copy.append_time), (0, NOW + 50));
    let log = cluster.broker.log("t", 0).unwrap();
    let stored = log.batches().next().unwrap();
    stored.verify_crc().unwrap();
    assert_eq!(stored.timestamp_type(), TimestampType::LogAppendTime);
    let times: Vec<_> = log
        .records()
        .unwrap()
        .iter()
        .map(|it| it.timestamp)
        .collect();
    assert_eq!(times, [NOW + 50; 2]);
}

#[test]
fn a_topic_compresses_as_it_wants() {
    let values = ["a long value, a long value, a long value"; 10];
    for (setting, expected) in [
        ("gzip", Compression::Gzip),
        ("lz4", Compression::Lz4),
        ("zstd", Compression::Zstd),
        ("snappy", Compression::Snappy),
        ("uncompressed", Compression::None),
        ("producer", Compression::Lz4),
    ] {
        let mut cluster = with(&[("compression.type", setting)]);
        cluster
            .write(compressed(Compression::Lz4, &values))
            .unwrap();
        cluster
            .write(compressed(Compression::Lz4, &values))
            .unwrap();
        let log = cluster.broker.log("t", 0).unwrap();
        for stored in log.batches() {
            stored.verify_crc().unwrap();
            assert_eq!(stored.compression(), expected, "{setting}");
        }
        assert_eq!(log.records().unwrap()[11].timestamp, 1_001);
        assert_eq!(cluster.committed_values("t", 0)[10], values[0]);
    }
}

#[test]
fn a_batch_that_grows_too_large_is_refused() {
    let values = ["a long value, a long value, a long value"; 10];
    let settings = [
        ("compression.type", "uncompressed"),
        ("max.message.bytes", "300"),
    ];
    let mut cluster = with(&settings);
    let batch = compressed(Compression::Lz4, &values);
    assert!(batch.len() < 300);
    assert_eq!(cluster.write(batch), Err(ErrorCode::MESSAGE_TOO_LARGE));
    let large = plain(&["x".repeat(300).as_str()]);
    let told = cluster.tell(9, large);
    assert_eq!(
        (told.error, told.log_start),
        (ErrorCode::MESSAGE_TOO_LARGE, -1)
    );
    assert_eq!(cluster.write(plain(&["y"])), Ok(0));
}

#[test]
fn times_too_far_from_the_brokers_are_refused_record_by_record() {
    let mut cluster = with(&[("message.timestamp.before.max.ms", "1000")]);
    let batch = || {
        timed(&[
            (None, NOW),
            (None, NOW - 1_001),
            (None, NOW - 1_000),
            (None, NOW + HOUR),
            (None, NOW + HOUR + 1),
        ])
    };
    let told = cluster.tell(9, batch());
    assert_eq!(told.error, ErrorCode::INVALID_TIMESTAMP);
    assert_eq!(indexes(&told), [1, 4]);
    assert!(told.message);
    assert_eq!((told.base_offset, told.log_start), (-1, 0));
    // Older answers have no room for it.
    let old = cluster.tell(7, batch());
    assert_eq!(
        (old.error, old.records.len()),
        (ErrorCode::INVALID_TIMESTAMP, 0)
    );
    assert_eq!(cluster.log_end(), 0);
    // Where the log sets the time, the producer's does not matter.
    let mut cluster = with(&[("message.timestamp.type", "LogAppendTime")]);
    assert_eq!(cluster.tell(9, batch()).error, ErrorCode::NONE);
}

#[test]
fn records_without_a_key_are_named() {
    let mut cluster = with(&[("cleanup.policy", "compact")]);
    let told = cluster.tell(9, timed(&[(Some("k"), NOW), (None, NOW), (None, 0)]));
    assert_eq!(told.error, ErrorCode::INVALID_RECORD);
    assert_eq!(indexes(&told), [1, 2]);
    // One wrong time makes the whole a matter of time.
    let told = cluster.tell(9, timed(&[(None, NOW), (Some("k"), NOW + 2 * HOUR)]));
    assert_eq!(told.error, ErrorCode::INVALID_TIMESTAMP);
    assert_eq!(indexes(&told), [0, 1]);
    assert_eq!(
        cluster.tell(9, timed(&[(Some("k"), NOW)])).error,
        ErrorCode::NONE
    );
}

#[test]
fn a_wrong_largest_time_is_put_right() {
    let mut cluster = with(&[]);
    let lies = patched(timed(&[(None, NOW - 5)]), MAX_TIMESTAMP, &[0; 8]);
    cluster.write(lies).unwrap();
    let log = cluster.broker.log("t", 0).unwrap();
    let stored = log.batches().next().unwrap();
    stored.verify_crc().unwrap();
    assert_eq!(stored.header().max_timestamp, NOW - 5);
}

#[test]
fn only_the_broker_says_that_a_time_is_of_the_append() {
    let mut cluster = with(&[("message.timestamp.type", "LogAppendTime")]);
    let claims = || patched(timed(&[(None, NOW), (None, NOW)]), ATTRIBUTES, &[0, 0x08]);
    let told = cluster.tell(9, claims());
    assert_eq!(told.error, ErrorCode::INVALID_TIMESTAMP);
    assert_eq!(indexes(&told), [0, 1]);
    // Where producers set the time, the claim is dropped.
    let mut cluster = with(&[]);
    assert_eq!(cluster.tell(9, claims()).error, ErrorCode::NONE);
    let log = cluster.broker.log("t", 0).unwrap();
    let stored = log.batches().next().unwrap();
    assert_eq!(stored.timestamp_type(), TimestampType::CreateTime);
}

#[test]
fn a_topic_id_of_a_topic_deleted_and_created_again_is_unknown_to_what_waits() {
    let mut cluster = Cluster::replicated(&[]);
    cluster.broker.pause_replica("t", 0, 2);
    let conn = cluster.send_acks_all(1, 60_000, plain(&["a"]));
    assert!(cluster.broker.delete_topic("t"));
    let gone = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    assert_eq!(cluster.acked(conn).unwrap().0, gone);
}

#[test]
fn a_batch_larger_than_a_segment_is_refused() {
    let settings = [
        ("segment.bytes", "1048576"),
        ("max.message.bytes", "3000000"),
    ];
    let mut cluster = with(&settings);
    let told = cluster.tell(9, plain(&["x".repeat(1 << 20).as_str()]));
    assert_eq!(
        (told.error, told.log_start),
        (ErrorCode::RECORD_LIST_TOO_LARGE, -1)
    );
    assert_eq!(cluster.write(plain(&["x".repeat(1 << 19).as_str()])), Ok(0));
}

#[test]
fn under_tv2_a_producer_that_the_partition_does_not_know_starts_at_zero() {
    let mut cluster = with(&[]);
    let producer = cluster.init(Some("x"), None).unwrap();
    let later = cluster.write_tv2(transactional(producer, 3, &["a"]));
    assert_eq!(later, Err(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER));
    assert_eq!(cluster.write_tv2(transactional(producer, 0, &["a"])), Ok(0));
}

#[test]
fn an_unknown_partition_is_told_before_acks_that_do_not_exist() {
    let mut cluster = with(&[]);
    let mut request = produce_request(None, 0, plain(&["a"]));
    request.acks = -2;
    let told = |cluster: &mut Cluster, request: &ProduceRequest<'_>| {
        cluster.ask(1, 9, request, |response| {
            let answer = &response.responses[0].partition_responses[0];
            (
                answer.error_code,
                answer.base_offset,
                answer.log_start_offset,
            )
        })
    };
    let invalid = (ErrorCode::INVALID_REQUIRED_ACKS, -1, -1);
    assert_eq!(told(&mut cluster, &request), invalid);
    request.topic_data[0].name = "nowhere";
    let unknown = (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, -1, -1);
    assert_eq!(told(&mut cluster, &request), unknown);
}

/// A Produce of these batches for partition 0 of `t`, each in an entry of its own: the answer's
/// topics with the base offset or the error of each partition.
fn produce_all(
    cluster: &mut Cluster,
    batches: Vec<Payload>,
    one_topic: bool,
) -> Vec<Vec<Result<i64, ErrorCode>>> {
    let mut request = produce_request(None, 0, plain(&["-"]));
    let entry = |records| PartitionProduceData {
        index: 0,
        records: Some(records),
    };
    if one_topic {
        request.topic_data[0].partition_data = batches.into_iter().map(entry).collect();
    } else {
        let topics = batches.into_iter().map(|records| TopicProduceData {
            name: "t",
            partition_data: vec![entry(records)],
            ..Default::default()
        });
        request.topic_data = topics.collect();
    }
    cluster.ask(1, 11, &request, |response| {
        let topics = response.responses.iter();
        let result = |partition: &PartitionProduceResponse<'_>| match partition.error_code {
            ErrorCode::NONE => Ok(partition.base_offset),
            error => Err(error),
        };
        topics
            .map(|topic| topic.partition_responses.iter().map(result).collect())
            .collect()
    })
}

#[test]
fn of_a_partition_named_twice_the_last_batch_is_written_and_one_answer_given() {
    for one_topic in [true, false] {
        let mut cluster = Cluster::single();
        let batches = vec![plain(&["a"]), plain(&["b"])];
        let answered = produce_all(&mut cluster, batches, one_topic);
        assert_eq!(answered, [[Ok(0)]]);
        assert_eq!(cluster.committed_values("t", 0), ["b"]);
    }
}

#[test]
fn of_a_partition_named_twice_the_bad_batch_is_answered_and_the_good_one_written() {
    let bad = || {
        let both = [plain(&["a"]).to_bytes(), plain(&["b"]).to_bytes()].concat();
        Payload::new(vec![both.into()])
    };
    for batches in [[bad(), plain(&["c"])], [plain(&["c"]), bad()]] {
        let mut cluster = Cluster::single();
        let answered = produce_all(&mut cluster, batches.into(), true);
        assert_eq!(answered, [[Err(ErrorCode::INVALID_RECORD)]]);
        assert_eq!(cluster.committed_values("t", 0), ["c"]);
    }
}
