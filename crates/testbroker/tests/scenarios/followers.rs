//! Reading from followers, racks, diverging logs, and the ends of leader epochs.

use milena_testbroker::BrokerConfig;
use milena_wire::ErrorCode;
use milena_wire::messages::{
    FetchResponse, OffsetForLeaderEpochRequest, OffsetForLeaderPartition, OffsetForLeaderTopic,
};

use crate::harness::{Cluster, plain};
use crate::requests::{Asking, fetch_request, fetched, produce_request};

/// Three nodes, topic `t` of one partition on all of them, led by node 1; racks a, b, b.
fn racks() -> Cluster {
    Cluster::with_topic(BrokerConfig {
        nodes: 3,
        racks: vec!["a".to_owned(), "b".to_owned(), "b".to_owned()],
        ..Default::default()
    })
}

/// A record that only the leader need have.
fn write_unreplicated(cluster: &mut Cluster, value: &str) {
    let mut request = produce_request(None, 0, plain(&[value]));
    request.acks = 1;
    let error = cluster.ask(1, 11, &request, |response| {
        response.responses[0].partition_responses[0].error_code
    });
    assert_eq!(error, ErrorCode::NONE);
}

/// A Fetch from this rack: where to read instead, and the values.
fn from_rack(cluster: &mut Cluster, node: i32, rack: &str, offset: i64) -> (i32, Vec<String>) {
    let mut request = fetch_request(
        Asking {
            offset,
            ..Default::default()
        },
        0,
    );
    let rack = rack.to_owned();
    request.rack_id = &rack;
    cluster.ask(node, 12, &request, |response| {
        let preferred = response.responses[0].partitions[0].preferred_read_replica;
        (preferred, fetched(&response).values)
    })
}

#[test]
fn a_leader_sends_a_consumer_to_the_replica_of_its_rack() {
    let mut cluster = racks();
    cluster.write(plain(&["a"])).unwrap();
    let read = (-1, vec!["a".to_owned()]);
    assert_eq!(from_rack(&mut cluster, 1, "a", 0), read);
    assert_eq!(from_rack(&mut cluster, 1, "c", 0), read);
    assert_eq!(from_rack(&mut cluster, 1, "", 0), read);
    assert_eq!(from_rack(&mut cluster, 1, "b", 0), (3, vec![]));
    assert_eq!(from_rack(&mut cluster, 3, "b", 0), read, "which serves it");
    cluster.broker.shrink_isr("t", 0, 3);
    assert_eq!(from_rack(&mut cluster, 1, "b", 0), (2, vec![]));
    cluster.broker.shrink_isr("t", 0, 2);
    assert_eq!(
        from_rack(&mut cluster, 1, "b", 0),
        read,
        "nobody there is in sync"
    );
}

#[test]
fn without_racks_nobody_is_sent_away() {
    let mut cluster = Cluster::with_topic(BrokerConfig {
        nodes: 3,
        ..Default::default()
    });
    cluster.write(plain(&["a"])).unwrap();
    assert_eq!(
        from_rack(&mut cluster, 1, "b", 0),
        (-1, vec!["a".to_owned()])
    );
}

#[test]
fn a_follower_serves_what_it_has_below_the_high_watermark() {
    let mut cluster = racks();
    cluster.write(plain(&["a"])).unwrap();
    cluster.broker.pause_replica("t", 0, 2);
    write_unreplicated(&mut cluster, "b");
    let at = |cluster: &mut Cluster, node, offset| {
        let found = cluster.fetch(
            node,
            Asking {
                offset,
                ..Default::default()
            },
        );
        (found.error, found.values, found.high_watermark)
    };
    let a = vec!["a".to_owned()];
    assert_eq!(at(&mut cluster, 1, 0), (ErrorCode::NONE, a.clone(), 1));
    assert_eq!(at(&mut cluster, 2, 0), (ErrorCode::NONE, a, 1));
    assert_eq!(at(&mut cluster, 3, 1), (ErrorCode::NONE, vec![], 1));
    assert_eq!(
        at(&mut cluster, 2, 2).0,
        ErrorCode::OFFSET_OUT_OF_RANGE,
        "it does not have that yet"
    );
    assert_eq!(
        at(&mut cluster, 1, 2),
        (ErrorCode::NONE, vec![], 1),
        "its leader does"
    );
    cluster.broker.resume_replica("t", 0, 2);
    assert_eq!(
        at(&mut cluster, 2, 1),
        (ErrorCode::NONE, vec!["b".to_owned()], 2)
    );
}

#[test]
fn old_versions_do_not_read_from_followers() {
    let mut cluster = racks();
    for (version, error) in [
        (10, ErrorCode::NOT_LEADER_OR_FOLLOWER),
        (11, ErrorCode::NONE),
    ] {
        let request = fetch_request(Asking::default(), 0);
        let found = cluster.ask(2, version, &request, |response| fetched(&response).error);
        assert_eq!(found, error, "version {version}");
    }
}

/// Epoch 0 has offsets 0 and 1, epoch 1 has 2, epoch 2 has nothing yet.
fn three_epochs() -> Cluster {
    let mut cluster = racks();
    cluster.write(plain(&["a", "b"])).unwrap();
    cluster.broker.move_leader("t", 0, 1);
    cluster.write(plain(&["c"])).unwrap();
    cluster.broker.move_leader("t", 0, 1);
    cluster
}

fn diverging(response: &FetchResponse<'_>) -> (ErrorCode, i32, i64) {
    let data = &response.responses[0].partitions[0];
    let diverging = &data.diverging_epoch;
    (data.error_code, diverging.epoch, diverging.end_offset)
}

#[test]
fn a_reader_whose_last_record_is_not_in_the_log_learns_where_they_part() {
    let mut cluster = three_epochs();
    let mut ask = |offset, last_fetched_epoch| {
        let mut request = fetch_request(
            Asking {
                offset,
                ..Default::default()
            },
            0,
        );
        request.topics[0].partitions[0].last_fetched_epoch = last_fetched_epoch;
        cluster.ask(1, 12, &request, |response| diverging(&response))
    };
    let none = (ErrorCode::NONE, -1, -1);
    assert_eq!(ask(2, 0), none);
    assert_eq!(ask(3, 1), none);
    assert_eq!(ask(3, 0), (ErrorCode::NONE, 0, 2), "epoch 0 ended before");
    assert_eq!(ask(5, 1), (ErrorCode::NONE, 1, 3));
    assert_eq!(
        ask(3, 9).0,
        ErrorCode::OFFSET_OUT_OF_RANGE,
        "nobody knows it"
    );
}

#[test]
fn a_diverging_reader_does_not_wait() {
    let mut cluster = three_epochs();
    let mut request = fetch_request(
        Asking {
            offset: 3,
            min_bytes: 1,
            max_wait_ms: 5_000,
            ..Default::default()
        },
        0,
    );
    request.topics[0].partitions[0].last_fetched_epoch = 0;
    let before = cluster.now;
    let found = cluster.ask(1, 12, &request, |response| diverging(&response));
    assert_eq!((found, cluster.now), ((ErrorCode::NONE, 0, 2), before));
}

#[test]
fn leader_epochs_end_where_the_next_begins() {
    let mut cluster = three_epochs();
    let ask = |cluster: &mut Cluster, node, version, current, epoch, index| {
        let request = OffsetForLeaderEpochRequest {
            replica_id: -1,
            topics: vec![OffsetForLeaderTopic {
                topic: "t",
                partitions: vec![OffsetForLeaderPartition {
                    partition: index,
                    current_leader_epoch: current,
                    leader_epoch: epoch,
                }],
            }],
        };
        cluster.ask(node, version, &request, |response| {
            let end = &response.topics[0].partitions[0];
            (end.error_code, end.leader_epoch, end.end_offset)
        })
    };
    for version in 2..=4 {
        let mut end = |epoch| ask(&mut cluster, 1, version, -1, epoch, 0);
        assert_eq!(end(0), (ErrorCode::NONE, 0, 2));
        assert_eq!(end(1), (ErrorCode::NONE, 1, 3));
        assert_eq!(end(2), (ErrorCode::NONE, 2, 3));
        assert_eq!(end(3), (ErrorCode::NONE, -1, -1));
        assert_eq!(end(-1), (ErrorCode::NONE, -1, -1));
    }
    let mut error = |node, current, index| ask(&mut cluster, node, 4, current, 0, index).0;
    assert_eq!(error(1, 1, 0), ErrorCode::FENCED_LEADER_EPOCH);
    assert_eq!(error(1, 3, 0), ErrorCode::UNKNOWN_LEADER_EPOCH);
    assert_eq!(error(2, -1, 0), ErrorCode::NOT_LEADER_OR_FOLLOWER);
    assert_eq!(error(1, -1, 7), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
}

#[test]
fn a_new_leader_tells_no_end_before_its_high_watermark_has_caught_up() {
    let mut cluster = racks();
    cluster.write(plain(&["a"])).unwrap();
    for node in [2, 3] {
        cluster.broker.pause_replica("t", 0, node);
    }
    write_unreplicated(&mut cluster, "b");
    // The same node leads again, with a record that the others do not have.
    cluster.broker.move_leader("t", 0, 1);
    assert_eq!(
        cluster.list_offset(-1, false, -1),
        Err(ErrorCode::OFFSET_NOT_AVAILABLE)
    );
    assert_eq!(cluster.list_offset(-2, false, -1), Ok((0, 0)));
    for node in [2, 3] {
        cluster.broker.resume_replica("t", 0, node);
    }
    assert_eq!(cluster.list_offset(-1, false, -1), Ok((2, 1)));
}
