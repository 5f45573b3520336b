//! Fetch and ListOffsets.

use milena_testbroker::BrokerConfig;
use milena_wire::messages::{
    FetchPartition, FetchResponse, FetchTopic, ListOffsetsPartition, ListOffsetsRequest,
    ListOffsetsTopic,
};
use milena_wire::{ApiVersion, ErrorCode, decode_response};

use crate::harness::{Cluster, ms, plain, transactional};
use crate::requests::{Asking, END_TV2, PRODUCE_TV2, fetch_request, fetched};

#[test]
fn every_version_reads_what_was_written() {
    let mut cluster = Cluster::single();
    cluster.write(plain(&["a", "b"])).unwrap();
    cluster.write(plain(&["c"])).unwrap();
    let id = cluster.topic_id("t");
    for version in 4..=18 {
        let mut request = fetch_request(Asking::default(), 0);
        if version >= 13 {
            request.topics[0].topic = "";
            request.topics[0].topic_id = id;
        }
        let found = cluster.ask(1, version, &request, |response| fetched(&response));
        assert_eq!(found.values, ["a", "b", "c"], "version {version}");
        assert_eq!((found.high_watermark, found.last_stable_offset), (3, 3));
        assert_eq!(found.aborted, None);
    }
}

#[test]
fn a_batch_that_holds_the_offset_comes_whole() {
    let mut cluster = Cluster::single();
    cluster.write(plain(&["a", "b"])).unwrap();
    cluster.write(plain(&["c"])).unwrap();
    let found = cluster.fetch(
        1,
        Asking {
            offset: 1,
            ..Default::default()
        },
    );
    assert_eq!(found.values, ["a", "b", "c"]);
    let found = cluster.fetch(
        1,
        Asking {
            offset: 2,
            ..Default::default()
        },
    );
    assert_eq!(found.values, ["c"]);
}

#[test]
fn offsets_outside_the_log_are_out_of_range() {
    let mut cluster = Cluster::single();
    for value in ["a", "b", "c"] {
        cluster.write(plain(&[value])).unwrap();
    }
    cluster.broker.delete_records("t", 0, 1);
    for (offset, error) in [
        (0, ErrorCode::OFFSET_OUT_OF_RANGE),
        (1, ErrorCode::NONE),
        (3, ErrorCode::NONE),
        (4, ErrorCode::OFFSET_OUT_OF_RANGE),
    ] {
        let found = cluster.fetch(
            1,
            Asking {
                offset,
                ..Default::default()
            },
        );
        assert_eq!(found.error, error, "offset {offset}");
    }
}

#[test]
fn an_unknown_topic_or_id_is_said_so() {
    let mut cluster = Cluster::single();
    let mut request = fetch_request(Asking::default(), 1);
    let found = cluster.ask(1, 12, &request, |response| fetched(&response));
    assert_eq!(found.error, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    request.topics[0].topic_id = milena_wire::Uuid([7; 16]);
    let found = cluster.ask(1, 13, &request, |response| fetched(&response));
    assert_eq!(found.error, ErrorCode::UNKNOWN_TOPIC_ID);
}

#[test]
fn leader_epochs_are_checked_before_the_leader_is() {
    let mut cluster = Cluster::with_topic(BrokerConfig {
        nodes: 2,
        ..Default::default()
    });
    let at = |leader_epoch| Asking {
        leader_epoch,
        version: 16,
        ..Default::default()
    };
    let id = cluster.topic_id("t");
    let ask = |cluster: &mut Cluster, node, leader_epoch| {
        let mut request = fetch_request(at(leader_epoch), 0);
        request.topics[0].topic = "";
        request.topics[0].topic_id = id;
        cluster.ask(node, 16, &request, |response| {
            let endpoints = response
                .node_endpoints
                .iter()
                .map(|node| node.node_id)
                .collect();
            let found = fetched(&response);
            (found.error, found.leader, endpoints)
        })
    };
    let none: Vec<i32> = vec![];
    assert_eq!(
        ask(&mut cluster, 1, 0),
        (ErrorCode::NONE, (-1, -1), none.clone())
    );
    assert_eq!(
        ask(&mut cluster, 1, 1),
        (ErrorCode::UNKNOWN_LEADER_EPOCH, (-1, -1), none.clone())
    );
    cluster.broker.move_leader("t", 0, 2);
    let fenced = (ErrorCode::FENCED_LEADER_EPOCH, (2, 1), vec![2]);
    assert_eq!(ask(&mut cluster, 1, 0), fenced);
    assert_eq!(ask(&mut cluster, 2, 0), fenced);
    let read = (ErrorCode::NONE, (-1, -1), none);
    assert_eq!(ask(&mut cluster, 2, 1), read);
    assert_eq!(ask(&mut cluster, 1, -1), read, "followers serve consumers");
    assert_eq!(ask(&mut cluster, 1, 1), read);
    cluster.broker.set_replicas("t", 0, &[2]);
    let elsewhere = (ErrorCode::NOT_LEADER_OR_FOLLOWER, (2, 2), vec![2]);
    assert_eq!(ask(&mut cluster, 1, -1), elsewhere);
    assert_eq!(ask(&mut cluster, 1, 0), elsewhere, "it knows of no epoch");
}

#[test]
fn a_long_poll_waits_for_bytes_and_no_longer_than_asked() {
    let mut cluster = Cluster::single();
    let conn = cluster.connect(1);
    let asking = Asking {
        min_bytes: 1,
        max_wait_ms: 500,
        ..Default::default()
    };
    cluster.send(conn, 12, &fetch_request(asking, 0));
    cluster.advance(ms(499));
    assert_eq!(cluster.receive(conn), None);
    cluster.advance(ms(1));
    let frame = cluster.receive(conn).expect("the time is over");
    assert_eq!(read(&frame).values, Vec::<String>::new());

    cluster.send(conn, 12, &fetch_request(asking, 0));
    cluster.advance(ms(100));
    assert_eq!(cluster.receive(conn), None);
    cluster.write(plain(&["a"])).unwrap();
    let frame = cluster.receive(conn).expect("the record ends the wait");
    assert_eq!(read(&frame).values, ["a"]);
}

#[test]
fn a_long_poll_counts_bytes_up_to_what_it_may_read() {
    let mut cluster = Cluster::single();
    let producer = cluster.init(Some("x"), None).unwrap();
    let conn = cluster.connect(1);
    let asking = Asking {
        min_bytes: 1,
        max_wait_ms: 500,
        committed: true,
        ..Default::default()
    };
    cluster.send(conn, 12, &fetch_request(asking, 0));
    cluster
        .write_tv2(transactional(producer, 0, &["a"]))
        .unwrap();
    assert_eq!(cluster.receive(conn), None, "the transaction is open");
    cluster.end(END_TV2, producer, true).unwrap();
    cluster.advance(ms(1));
    let frame = cluster.receive(conn).expect("the marker ends the wait");
    assert_eq!(read(&frame).values[0], "a");

    let two = Asking {
        min_bytes: 200,
        max_wait_ms: 500,
        offset: 2,
        ..Default::default()
    };
    cluster.send(conn, 12, &fetch_request(two, 0));
    cluster.write(plain(&["b"])).unwrap();
    assert_eq!(cluster.receive(conn), None, "too few bytes");
    cluster
        .write(plain(&["0123456789".repeat(20).as_str()]))
        .unwrap();
    assert!(cluster.receive(conn).is_some());
}

#[test]
fn a_long_poll_does_not_wait_for_more_than_it_could_carry() {
    let mut cluster = Cluster::single();
    cluster.write(plain(&["a"])).unwrap();
    let before = cluster.now;
    let asking = Asking {
        min_bytes: 10_000,
        max_bytes: 10,
        max_wait_ms: 500,
        ..Default::default()
    };
    assert_eq!(cluster.fetch(1, asking).values, ["a"]);
    assert_eq!(cluster.now, before);
}

#[test]
fn aborted_transactions_far_behind_what_is_read_are_not_listed() {
    let mut cluster = Cluster::single();
    let long = "b".repeat(5000);
    for value in ["a", &long, &long, &long] {
        cluster.write(plain(&[value])).unwrap();
    }
    let producer = cluster.init(Some("x"), None).unwrap();
    cluster
        .write_tv2(transactional(producer, 0, &["c"]))
        .unwrap();
    cluster.end(END_TV2, producer, false).unwrap();
    cluster.advance(ms(1));
    let mut aborted = |partition_max_bytes, offset| {
        let asking = Asking {
            committed: true,
            partition_max_bytes,
            offset,
            ..Default::default()
        };
        cluster.fetch(1, asking).aborted
    };
    // Far is what Kafka's sparse index can tell: an entry for every 4 KiB.
    assert_eq!(aborted(1, 0), Some(vec![]));
    assert_eq!(aborted(1, 3), Some(vec![(producer.id, 4)]));
    assert_eq!(aborted(100_000, 0), Some(vec![(producer.id, 4)]));
}

#[test]
fn a_leader_move_and_a_deletion_end_a_long_poll() {
    let mut cluster = Cluster::with_topic(BrokerConfig {
        nodes: 2,
        ..Default::default()
    });
    let asking = Asking {
        min_bytes: 1,
        max_wait_ms: 5_000,
        ..Default::default()
    };
    // Before v11 consumers do not read from followers; later ones notice by the leader epoch.
    for (version, leader_epoch, error) in [
        (10, -1, ErrorCode::NOT_LEADER_OR_FOLLOWER),
        (12, 1, ErrorCode::FENCED_LEADER_EPOCH),
    ] {
        let asking = Asking {
            leader_epoch,
            ..asking
        };
        let (from, to) = if version == 10 { (1, 2) } else { (2, 1) };
        let conn = cluster.connect(from);
        cluster.send(conn, version, &fetch_request(asking, 0));
        cluster.broker.move_leader("t", 0, to);
        let frame = cluster.receive(conn).expect("nothing more will come here");
        let response: FetchResponse<'_> = decode_response(&frame, ApiVersion(version)).unwrap();
        assert_eq!(fetched(&response).error, error);
    }
    let conn = cluster.connect(2);
    cluster.send(conn, 12, &fetch_request(asking, 0));
    cluster.broker.delete_topic("t");
    let frame = cluster
        .receive(conn)
        .expect("nothing more will come at all");
    assert_eq!(read(&frame).error, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
}

fn read(frame: &bytes::Bytes) -> crate::requests::Fetched {
    let response: FetchResponse<'_> = decode_response(frame, ApiVersion(12)).unwrap();
    fetched(&response)
}

#[test]
fn the_first_batch_comes_whole_and_the_last_may_be_cut() {
    let mut cluster = Cluster::single();
    let len = i32::try_from(plain(&["a"]).to_bytes().len()).unwrap();
    for value in ["a", "b", "c"] {
        cluster.write(plain(&[value])).unwrap();
    }
    let mut bytes = |partition_max_bytes, max_bytes| {
        let asking = Asking {
            partition_max_bytes,
            max_bytes,
            ..Default::default()
        };
        let found = cluster.fetch(1, asking);
        (found.values.len(), i32::try_from(found.bytes).unwrap())
    };
    assert_eq!(bytes(1, 1), (1, len));
    assert_eq!(bytes(len, i32::MAX), (1, len));
    // Half a batch behind the second, as Kafka's files are cut.
    assert_eq!(bytes(2 * len + 10, i32::MAX), (2, 2 * len + 10));
    assert_eq!(bytes(i32::MAX, 2 * len + 10), (2, 2 * len + 10));
    assert_eq!(bytes(i32::MAX, i32::MAX), (3, 3 * len));
}

#[test]
fn only_the_first_partition_with_data_may_exceed_its_limit() {
    let mut cluster = Cluster::new(BrokerConfig::default());
    assert!(cluster.broker.create_topic("t", 3));
    for partition in [1, 2] {
        cluster
            .produce(1, 9, None, partition, plain(&["a"]))
            .unwrap();
    }
    let mut request = fetch_request(
        Asking {
            partition_max_bytes: 1,
            ..Default::default()
        },
        0,
    );
    let more = |partition| FetchPartition {
        partition,
        partition_max_bytes: 1,
        current_leader_epoch: -1,
        ..Default::default()
    };
    request.topics[0].partitions.extend([more(1), more(2)]);
    let lens = cluster.ask(1, 12, &request, |response| {
        let partitions = response.responses[0].partitions.iter();
        let lens = partitions.map(|data| data.records.as_ref().map_or(0, |records| records.len()));
        lens.map(|len| len > 0).collect::<Vec<_>>()
    });
    assert_eq!(lens, [false, true, false]);
}

#[test]
fn a_fetch_for_nothing_is_answered_at_once() {
    let mut cluster = Cluster::single();
    let mut request = fetch_request(
        Asking {
            max_wait_ms: 500,
            min_bytes: 1,
            ..Default::default()
        },
        0,
    );
    request.topics = Vec::<FetchTopic<'_>>::new();
    let before = cluster.now;
    assert_eq!(
        cluster.ask(1, 12, &request, |response| response.responses.len()),
        0
    );
    assert_eq!(cluster.now, before);
}

#[test]
fn list_offsets_finds_both_ends_and_the_stable_one() {
    let mut cluster = Cluster::single();
    cluster.write(plain(&["a", "b"])).unwrap();
    let producer = cluster.init(Some("x"), None).unwrap();
    cluster
        .produce(
            1,
            PRODUCE_TV2,
            Some("x"),
            0,
            transactional(producer, 0, &["c"]),
        )
        .unwrap();
    cluster.broker.delete_records("t", 0, 1);
    assert_eq!(cluster.list_offset(-2, false, -1), Ok((1, 0)));
    assert_eq!(cluster.list_offset(-1, false, -1), Ok((3, 0)));
    assert_eq!(cluster.list_offset(-1, true, -1), Ok((2, 0)));
    // Time-stamps of these records are 1,000 and 1,001, and 1,000 again.
    assert_eq!(cluster.list_offset(1_001, false, -1), Ok((1, 0)));
    assert_eq!(cluster.list_offset(5_000, false, -1), Ok((-1, -1)));
    assert_eq!(cluster.list_offset(-3, false, -1), Ok((1, 0)));
    cluster.broker.move_leader("t", 0, 1);
    assert_eq!(
        cluster.list_offset(-1, false, 0),
        Err(ErrorCode::FENCED_LEADER_EPOCH)
    );
    assert_eq!(cluster.list_offset(-1, false, 1), Ok((3, 1)));
    assert_eq!(
        cluster.list_offset(-2, false, 1),
        Ok((1, 0)),
        "the epoch of that record"
    );
}

#[test]
fn every_version_of_list_offsets_is_answered() {
    let mut cluster = Cluster::single();
    for version in 1..=11 {
        let request = ListOffsetsRequest {
            replica_id: -1,
            topics: vec![ListOffsetsTopic {
                name: "t",
                partitions: vec![ListOffsetsPartition {
                    partition_index: 0,
                    current_leader_epoch: -1,
                    timestamp: -1,
                }],
            }],
            ..Default::default()
        };
        let found = cluster.ask(1, version, &request, |response| {
            let found = &response.topics[0].partitions[0];
            (found.error_code, found.offset)
        });
        assert_eq!(found, (ErrorCode::NONE, 0), "version {version}");
    }
}
