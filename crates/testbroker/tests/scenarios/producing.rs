//! Logs and idempotence.

use milena_testbroker::BrokerConfig;
use milena_wire::messages::{PartitionProduceData, ProduceRequest, TopicProduceData};
use milena_wire::{ErrorCode, Payload};

use crate::harness::{Cluster, Id, idempotent, patched, plain, transactional};
use crate::requests::{Asking, produce_request};

const OUT_OF_ORDER: Result<i64, ErrorCode> = Err(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);

fn producer(cluster: &mut Cluster) -> Id {
    cluster.init(None, None).unwrap()
}

#[test]
fn offsets_and_leader_epoch_are_filled_in_and_the_rest_is_kept() {
    let mut cluster = Cluster::single();
    cluster.broker.move_leader("t", 0, 1);
    let sent = plain(&["a", "b"]);
    assert_eq!(cluster.write(sent.clone()), Ok(0));
    assert_eq!(cluster.write(plain(&["c"])), Ok(2));
    let log = cluster.broker.log("t", 0).unwrap();
    let stored: Vec<_> = log.batches().collect();
    assert_eq!(stored[1].header().base_offset, 2);
    assert_eq!(stored[0].header().partition_leader_epoch, 1);
    stored[0].verify_crc().unwrap();
    // All behind base offset, length and leader epoch is as it was sent.
    assert_eq!(stored[0].bytes()[16..], sent.to_bytes()[16..]);
}

#[test]
fn a_damaged_batch_is_refused_and_nothing_is_written() {
    let mut cluster = Cluster::single();
    let mut bytes = plain(&["a"]).to_bytes().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    let damaged = |bytes: Vec<u8>| Payload::new(vec![bytes.into()]);
    assert_eq!(
        cluster.write(damaged(bytes.clone())),
        Err(ErrorCode::CORRUPT_MESSAGE)
    );
    bytes.truncate(30);
    assert_eq!(
        cluster.write(damaged(bytes)),
        Err(ErrorCode::INVALID_RECORD)
    );
    let two = [plain(&["a"]).to_bytes(), plain(&["b"]).to_bytes()].concat();
    assert_eq!(cluster.write(damaged(two)), Err(ErrorCode::INVALID_RECORD));
    assert_eq!(cluster.broker.log("t", 0).unwrap().high_watermark(), 0);
}

#[test]
fn a_batch_that_contradicts_itself_is_refused() {
    const ATTRIBUTES: usize = 21;
    const LAST_OFFSET_DELTA: usize = 23;
    let mut cluster = Cluster::single();
    let producer = producer(&mut cluster);
    let own = || idempotent(producer, 0, &["a"]);
    let bad = Err(ErrorCode::INVALID_RECORD);
    assert_eq!(
        cluster.write(patched(own(), LAST_OFFSET_DELTA, &[0, 0, 0, 1])),
        bad
    );
    assert_eq!(
        cluster.write(idempotent(producer, -1, &["a"])),
        bad,
        "no sequence"
    );
    assert_eq!(
        cluster.write(patched(own(), ATTRIBUTES, &[0, 0x20])),
        bad,
        "a marker"
    );
    let transactional = patched(plain(&["a"]), ATTRIBUTES, &[0, 0x10]);
    let nobodys = cluster.produce(1, 12, Some("x"), 0, transactional);
    assert_eq!(
        nobodys,
        Ok(0),
        "in a transaction, without a producer: Kafka does not look"
    );
    assert_eq!(
        cluster.write(patched(plain(&["a"]), 7, &[5])),
        bad,
        "offsets start at 0"
    );
    assert_eq!(cluster.write(patched(own(), 61, &[0x7f])), bad, "framing");
}

#[test]
fn a_request_in_two_names_is_refused() {
    let mut cluster = Cluster::new(BrokerConfig::default());
    cluster.broker.create_topic("t", 2);
    let one = cluster.init(Some("x"), None).unwrap();
    let two = cluster.init(Some("y"), None).unwrap();
    let mut request = produce_request(Some("x"), 0, transactional(one, 0, &["a"]));
    let records = Some(transactional(two, 0, &["b"]));
    request.topic_data[0]
        .partition_data
        .push(PartitionProduceData { index: 1, records });
    let codes = cluster.ask(1, 12, &request, |response| {
        let partitions = response.responses[0].partition_responses.iter();
        partitions
            .map(|partition| partition.error_code)
            .collect::<Vec<_>>()
    });
    assert_eq!(codes, [ErrorCode::INVALID_PRODUCER_ID_MAPPING; 2]);
    assert_eq!(cluster.broker.log("t", 0).unwrap().high_watermark(), 0);
}

#[test]
fn the_largest_batch_passes_and_one_byte_more_does_not() {
    let len = plain(&["0123456789"]).to_bytes().len();
    let mut cluster = Cluster::with_topic(BrokerConfig {
        message_bytes_max: len,
        ..Default::default()
    });
    assert_eq!(cluster.write(plain(&["0123456789"])), Ok(0));
    assert_eq!(
        cluster.write(plain(&["0123456789x"])),
        Err(ErrorCode::MESSAGE_TOO_LARGE)
    );
}

#[test]
fn full_logs_answer_a_storage_error() {
    let len = plain(&["a"]).to_bytes().len() as u64;
    let mut cluster = Cluster::with_topic(BrokerConfig {
        log_bytes_max: 2 * len,
        ..Default::default()
    });
    assert_eq!(cluster.write(plain(&["a"])), Ok(0));
    assert_eq!(cluster.write(plain(&["b"])), Ok(1));
    assert_eq!(
        cluster.write(plain(&["c"])),
        Err(ErrorCode::KAFKA_STORAGE_ERROR)
    );
    cluster.broker.delete_records("t", 0, 1);
    assert_eq!(cluster.write(plain(&["c"])), Ok(2));
}

#[test]
fn retention_moves_the_log_start() {
    let len = plain(&["a"]).to_bytes().len() as u64;
    let mut cluster = Cluster::with_topic(BrokerConfig {
        retention_bytes: Some(2 * len),
        ..Default::default()
    });
    for value in ["a", "b", "c"] {
        cluster.write(plain(&[value])).unwrap();
    }
    assert_eq!(cluster.broker.log("t", 0).unwrap().log_start_offset(), 1);
    let gone = cluster.fetch(
        1,
        Asking {
            offset: 0,
            ..Default::default()
        },
    );
    assert_eq!(gone.error, ErrorCode::OFFSET_OUT_OF_RANGE);
}

#[test]
fn the_last_five_batches_are_recognised_with_their_first_offset() {
    let mut cluster = Cluster::single();
    let producer = producer(&mut cluster);
    for sequence in 0..6 {
        let offset = cluster.write(idempotent(producer, sequence, &["a"]));
        assert_eq!(offset, Ok(i64::from(sequence)));
    }
    for sequence in 1..6 {
        let again = cluster.write(idempotent(producer, sequence, &["a"]));
        assert_eq!(
            again,
            Ok(i64::from(sequence)),
            "a copy gets the offset it got first"
        );
    }
    // The sixth last is forgotten, and a different range is not a copy.
    assert_eq!(cluster.write(idempotent(producer, 0, &["a"])), OUT_OF_ORDER);
    assert_eq!(
        cluster.write(idempotent(producer, 4, &["a", "b"])),
        OUT_OF_ORDER
    );
    assert_eq!(cluster.broker.log("t", 0).unwrap().high_watermark(), 6);
}

#[test]
fn a_copy_and_a_refusal_are_answered_in_kafkas_particulars() {
    let mut cluster = Cluster::single();
    let producer = producer(&mut cluster);
    let mut answer = |records| {
        cluster.ask(1, 9, &produce_request(None, 0, records), |response| {
            let answer = &response.responses[0].partition_responses[0];
            (
                answer.base_offset,
                answer.log_append_time_ms,
                answer.log_start_offset,
            )
        })
    };
    let batch = || idempotent(producer, 0, &["a"]);
    assert_eq!(answer(batch()), (0, -1, 0));
    assert_eq!(
        answer(batch()),
        (0, 1_000, 0),
        "the time-stamp of what was written before"
    );
    assert_eq!(
        answer(idempotent(producer, 5, &["a"])),
        (-1, -1, 0),
        "refused by the log"
    );
    assert_eq!(
        answer(Payload::default()),
        (-1, -1, -1),
        "refused before the log"
    );
}

#[test]
fn a_gap_is_refused_and_the_missing_batch_still_fits() {
    let mut cluster = Cluster::single();
    let producer = producer(&mut cluster);
    assert_eq!(cluster.write(idempotent(producer, 0, &["a", "b"])), Ok(0));
    assert_eq!(cluster.write(idempotent(producer, 3, &["d"])), OUT_OF_ORDER);
    assert_eq!(cluster.write(idempotent(producer, 2, &["c"])), Ok(2));
    assert_eq!(cluster.write(idempotent(producer, 3, &["d"])), Ok(3));
}

#[test]
fn a_new_epoch_starts_at_zero_and_fences_the_old_one() {
    let mut cluster = Cluster::single();
    let old = producer(&mut cluster);
    let new = Id {
        epoch: old.epoch + 1,
        ..old
    };
    assert_eq!(cluster.write(idempotent(old, 0, &["a"])), Ok(0));
    assert_eq!(cluster.write(idempotent(new, 1, &["b"])), OUT_OF_ORDER);
    assert_eq!(cluster.write(idempotent(new, 0, &["b"])), Ok(1));
    let fenced = cluster.write(idempotent(old, 1, &["c"]));
    assert_eq!(fenced, Err(ErrorCode::INVALID_PRODUCER_EPOCH));
}

#[test]
fn sequences_wrap_inside_and_between_batches() {
    let mut cluster = Cluster::single();
    let producer = producer(&mut cluster);
    // A producer nobody knows may start anywhere.
    assert_eq!(
        cluster.write(idempotent(producer, i32::MAX - 1, &["a"])),
        Ok(0)
    );
    // i32::MAX, 0, 1
    assert_eq!(
        cluster.write(idempotent(producer, i32::MAX, &["b", "c", "d"])),
        Ok(1)
    );
    assert_eq!(
        cluster.write(idempotent(producer, i32::MAX, &["b", "c", "d"])),
        Ok(1)
    );
    assert_eq!(cluster.write(idempotent(producer, 1, &["e"])), OUT_OF_ORDER);
    assert_eq!(cluster.write(idempotent(producer, 2, &["e"])), Ok(4));
}

#[test]
fn zero_follows_the_largest_sequence() {
    let mut cluster = Cluster::single();
    let producer = producer(&mut cluster);
    assert_eq!(cluster.write(idempotent(producer, i32::MAX, &["a"])), Ok(0));
    assert_eq!(cluster.write(idempotent(producer, 1, &["b"])), OUT_OF_ORDER);
    assert_eq!(cluster.write(idempotent(producer, 0, &["b"])), Ok(1));
}

#[test]
fn a_forgotten_producer_may_go_on_anywhere() {
    let mut cluster = Cluster::single();
    let producer = producer(&mut cluster);
    assert_eq!(cluster.write(idempotent(producer, 0, &["a"])), Ok(0));
    assert_eq!(cluster.write(idempotent(producer, 7, &["b"])), OUT_OF_ORDER);
    assert!(cluster.broker.forget_producer("t", 0, producer.id));
    assert_eq!(cluster.write(idempotent(producer, 7, &["b"])), Ok(1));
    // And what was a copy is one no more: idempotence ends where the broker forgets.
    cluster.broker.forget_producer("t", 0, producer.id);
    assert_eq!(cluster.write(idempotent(producer, 7, &["b"])), Ok(2));
}

#[test]
fn each_partition_of_a_request_has_its_own_outcome() {
    let mut cluster = Cluster::single();
    let data = |index, values: &[&str]| PartitionProduceData {
        index,
        records: Some(plain(values)),
    };
    let request = ProduceRequest {
        acks: -1,
        topic_data: vec![
            TopicProduceData {
                name: "t",
                partition_data: vec![data(0, &["a"]), data(1, &["b"])],
                ..Default::default()
            },
            TopicProduceData {
                name: "nowhere",
                partition_data: vec![data(0, &["c"])],
                ..Default::default()
            },
        ],
        ..Default::default()
    };
    let codes = cluster.ask(1, 9, &request, |response| {
        let topics = response.responses.iter();
        let codes = topics.flat_map(|topic| topic.partition_responses.iter());
        codes
            .map(|partition| partition.error_code)
            .collect::<Vec<_>>()
    });
    let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    assert_eq!(codes, [ErrorCode::NONE, unknown, unknown]);
}

#[test]
fn from_version_13_on_topics_are_named_by_id() {
    let mut cluster = Cluster::single();
    let id = cluster.topic_id("t");
    let mut request = produce_request(None, 0, plain(&["a"]));
    request.topic_data[0].name = "";
    request.topic_data[0].topic_id = id;
    let outcome = |cluster: &mut Cluster, request: &ProduceRequest<'_>| {
        cluster.ask(1, 13, request, |response| {
            let topic = &response.responses[0];
            (topic.topic_id, topic.partition_responses[0].error_code)
        })
    };
    assert_eq!(outcome(&mut cluster, &request), (id, ErrorCode::NONE));
    cluster.broker.delete_topic("t");
    assert!(cluster.broker.create_topic("t", 1));
    assert_ne!(
        cluster.topic_id("t"),
        id,
        "a topic created again is another one"
    );
    assert_eq!(
        outcome(&mut cluster, &request),
        (id, ErrorCode::UNKNOWN_TOPIC_ID)
    );
}

#[test]
fn without_acks_there_is_no_answer_and_a_failure_closes_the_connection() {
    let mut cluster = Cluster::single();
    let conn = cluster.connect(1);
    let mut request = produce_request(None, 0, plain(&["a"]));
    request.acks = 0;
    cluster.send(conn, 9, &request);
    cluster.send(conn, 9, &request);
    assert_eq!(cluster.receive(conn), None);
    assert_eq!(cluster.broker.log("t", 0).unwrap().high_watermark(), 2);
    request.topic_data[0].name = "nowhere";
    cluster.send(conn, 9, &request);
    assert!(cluster.is_closed(conn));
}

#[test]
fn other_acks_are_refused() {
    let mut cluster = Cluster::single();
    let mut request = produce_request(None, 0, plain(&["a"]));
    request.acks = 2;
    let code = cluster.ask(1, 9, &request, |response| {
        response.responses[0].partition_responses[0].error_code
    });
    assert_eq!(code, ErrorCode::INVALID_REQUIRED_ACKS);
}

#[test]
fn a_moved_leader_is_named_in_the_answer() {
    let mut cluster = Cluster::with_topic(BrokerConfig {
        nodes: 2,
        ..Default::default()
    });
    cluster.broker.move_leader("t", 0, 2);
    let ask = |cluster: &mut Cluster, version| {
        cluster.ask(
            1,
            version,
            &produce_request(None, 0, plain(&["a"])),
            |response| {
                let answer = &response.responses[0].partition_responses[0];
                let leader = &answer.current_leader;
                let endpoints: Vec<_> = response
                    .node_endpoints
                    .iter()
                    .map(|node| (node.node_id, node.port))
                    .collect();
                (
                    answer.error_code,
                    leader.leader_id,
                    leader.leader_epoch,
                    endpoints,
                )
            },
        )
    };
    let moved = ErrorCode::NOT_LEADER_OR_FOLLOWER;
    assert_eq!(ask(&mut cluster, 10), (moved, 2, 1, vec![(2, 9_093)]));
    assert_eq!(ask(&mut cluster, 9), (moved, -1, -1, vec![]));
    assert_eq!(cluster.produce(2, 9, None, 0, plain(&["a"])), Ok(0));
}
