//! Framing, order on a connection, hostile bytes, repeatability.

use milena_testbroker::{BrokerConfig, Outcome};
use milena_wire::messages::MetadataRequest;
use milena_wire::{ApiKey, ApiVersion, CorrelationId, encode_request, peek_correlation_id};

use crate::harness::{Cluster, ms, plain};
use crate::requests::{Asking, fetch_request, produce_request};

fn frame(correlation: i32) -> Vec<u8> {
    let request = crate::features::hello();
    let id = CorrelationId(correlation);
    encode_request(&request, ApiVersion(3), id, None)
        .unwrap()
        .to_bytes()
        .to_vec()
}

#[test]
fn a_request_may_arrive_byte_by_byte_and_many_at_once() {
    let mut cluster = Cluster::single();
    let conn = cluster.connect(1);
    for byte in frame(1) {
        assert_eq!(cluster.receive(conn), None);
        cluster.send_bytes(conn, &[byte]);
    }
    cluster.send_bytes(conn, &[frame(2), frame(3), frame(4)].concat());
    let ids: Vec<_> = std::iter::from_fn(|| cluster.receive(conn))
        .map(|frame| peek_correlation_id(&frame).unwrap().0)
        .collect();
    assert_eq!(ids, [1, 2, 3, 4]);
}

#[test]
fn the_next_request_waits_for_the_answer_of_the_one_before() {
    let mut cluster = Cluster::single();
    let conn = cluster.connect(1);
    let asking = Asking {
        min_bytes: 1,
        max_wait_ms: 500,
        ..Default::default()
    };
    let fetch = cluster.send(conn, 12, &fetch_request(asking, 0));
    let produce = cluster.send(conn, 9, &produce_request(None, 0, plain(&["a"])));
    assert_eq!(cluster.broker.log("t", 0).unwrap().high_watermark(), 0);
    cluster.advance(ms(500));
    let first = cluster.receive(conn).expect("the long poll is over");
    assert_eq!(peek_correlation_id(&first), Ok(fetch));
    let second = cluster.receive(conn).expect("and the next was served");
    assert_eq!(peek_correlation_id(&second), Ok(produce));
    assert_eq!(cluster.broker.log("t", 0).unwrap().high_watermark(), 1);
}

#[test]
fn bad_bytes_cost_only_their_own_connection() {
    let bad: [&[u8]; 6] = [
        // A negative length, and one beyond the largest frame.
        &[0xff, 0xff, 0xff, 0xff],
        &[0x7f, 0xff, 0xff, 0xff],
        // Too short for a header.
        &[0, 0, 0, 2, 0, 18],
        // An API that does not exist.
        &[0, 0, 0, 10, 0x7f, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff],
        // Produce v9 whose body ends at once.
        &[0, 0, 0, 11, 0, 0, 0, 9, 0, 0, 0, 1, 0xff, 0xff, 0],
        // ApiVersions v0 with a byte too many.
        &[0, 0, 0, 11, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0],
    ];
    let mut cluster = Cluster::single();
    let good = cluster.connect(1);
    for bytes in bad {
        let conn = cluster.connect(1);
        cluster.send_bytes(conn, bytes);
        assert!(cluster.is_closed(conn), "{bytes:?}");
        // What comes behind is for nobody.
        cluster.send_bytes(conn, &frame(1));
        assert_eq!(cluster.receive(conn), None);
    }
    cluster.send_bytes(good, &frame(7));
    assert!(cluster.receive(good).is_some());
}

#[test]
fn bytes_behind_a_request_may_be_let_pass_as_kafka_does() {
    let frame = [0, 0, 0, 11, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0];
    for refuse_trailing_bytes in [true, false] {
        let config = BrokerConfig {
            refuse_trailing_bytes,
            ..Default::default()
        };
        let mut cluster = Cluster::new(config);
        let conn = cluster.connect(1);
        cluster.send_bytes(conn, &frame);
        assert_eq!(cluster.is_closed(conn), refuse_trailing_bytes);
        assert_eq!(cluster.receive(conn).is_some(), !refuse_trailing_bytes);
    }
}

#[test]
fn a_client_that_floods_a_waiting_connection_is_cut_off() {
    let config = BrokerConfig {
        frame_bytes_max: 1_000,
        ..Default::default()
    };
    let mut cluster = Cluster::with_topic(config);
    let conn = cluster.connect(1);
    let asking = Asking {
        min_bytes: 1,
        max_wait_ms: 5_000,
        ..Default::default()
    };
    cluster.send(conn, 12, &fetch_request(asking, 0));
    let request = frame(1);
    for _ in 0..1_000_000 / request.len() {
        cluster.send_bytes(conn, &request);
    }
    assert!(!cluster.is_closed(conn), "a megabyte may wait");
    cluster.send_bytes(conn, &vec![0; 60_000]);
    assert!(cluster.is_closed(conn));
}

#[test]
fn a_long_request_in_pieces_does_not_count_as_a_backlog() {
    let mut cluster = Cluster::single();
    let conn = cluster.connect(1);
    cluster.send_bytes(conn, &[0, 32, 0, 0]);
    cluster.send_bytes(conn, &[0; 1024 * 1024]);
    assert_eq!(cluster.broker.backlog(conn), 0);
    let conn = cluster.connect(1);
    let asking = Asking {
        min_bytes: 1,
        max_wait_ms: 5_000,
        ..Default::default()
    };
    cluster.send(conn, 12, &fetch_request(asking, 0));
    cluster.send_bytes(conn, &[0; 100]);
    assert_eq!(cluster.broker.backlog(conn), 100);
}

#[test]
fn requests_wait_while_answers_pile_up() {
    let config = BrokerConfig {
        message_bytes_max: 40 << 20,
        ..Default::default()
    };
    let mut cluster = Cluster::with_topic(config);
    cluster
        .write(plain(&["x".repeat(20 << 20).as_str()]))
        .unwrap();
    let conn = cluster.connect(1);
    let whole = Asking {
        partition_max_bytes: i32::MAX,
        ..Default::default()
    };
    let request = encode_request(
        &fetch_request(whole, 0),
        ApiVersion(12),
        CorrelationId(1),
        None,
    );
    let request = request.unwrap().to_bytes().repeat(10);
    cluster.broker.handle_bytes(cluster.now, conn, &request);
    // 64 KiB of answers may wait: the first is far beyond that.
    let applied = |cluster: &Cluster| cluster.broker.history().applied(ApiKey::FETCH);
    assert_eq!(applied(&cluster), 1);
    assert_eq!(cluster.broker.backlog(conn), request.len() * 9 / 10);
    cluster.broker.set_congested(conn, true);
    assert!(cluster.receive(conn).is_some());
    assert_eq!(applied(&cluster), 1, "its driver has enough to write");
    cluster.broker.set_congested(conn, false);
    assert!(cluster.receive(conn).is_some());
    assert_eq!(applied(&cluster), 10);
}

#[test]
fn connections_are_counted() {
    let mut cluster = Cluster::new(BrokerConfig {
        connections_max: 2,
        ..Default::default()
    });
    let first = cluster.connect(1);
    cluster.connect(1);
    assert_eq!(cluster.broker.connect(cluster.now, 1), None);
    cluster.disconnect(first);
    assert!(cluster.broker.connect(cluster.now, 1).is_some());
    assert_eq!(cluster.broker.connect(cluster.now, 7), None, "no such node");
}

#[test]
fn a_closed_connection_leaves_nothing_behind() {
    let mut cluster = Cluster::single();
    let conn = cluster.connect(1);
    let asking = Asking {
        min_bytes: 1,
        max_wait_ms: 5_000,
        ..Default::default()
    };
    cluster.send(conn, 12, &fetch_request(asking, 0));
    cluster.disconnect(conn);
    assert_eq!(
        cluster.broker.poll_timeout(),
        None,
        "the long poll went with it"
    );
    cluster.write(plain(&["a"])).unwrap();
    assert_eq!(cluster.receive(conn), None);
}

#[test]
fn the_history_tells_what_was_asked_and_forgets_the_oldest() {
    let mut cluster = Cluster::with_topic(BrokerConfig {
        history_max: 4,
        ..Default::default()
    });
    cluster.write(plain(&["a"])).unwrap();
    assert_eq!(cluster.broker.history().applied(ApiKey::PRODUCE), 1);
    for _ in 0..3 {
        cluster.ask(1, 9, &MetadataRequest::default(), |_| ());
    }
    let history = cluster.broker.history();
    assert_eq!(history.entries().len(), 4);
    assert_eq!(history.total(), 1 + 2 * 4);
    assert_eq!(history.applied(ApiKey::PRODUCE), 0);
    let last = history.entries().next_back().unwrap();
    assert!(matches!(last.outcome, Outcome::Answered(_)));
    assert_eq!(last.request.unwrap().api, ApiKey::METADATA);
    assert!(
        cluster.broker.dump().contains("METADATA") || cluster.broker.dump().contains("Metadata")
    );
}

#[test]
fn equal_inputs_give_equal_outputs() {
    let run = |seed| {
        let mut cluster = Cluster::new(BrokerConfig {
            nodes: 3,
            seed,
            ..Default::default()
        });
        cluster.broker.create_topic("t", 3);
        let rule = milena_testbroker::Rule::on(ApiKey::METADATA).probability(0.5);
        let error = milena_wire::ErrorCode::LEADER_NOT_AVAILABLE;
        cluster
            .broker
            .faults()
            .add(rule, milena_testbroker::Action::Error(error));
        let conn = cluster.connect(1);
        let mut all = Vec::new();
        for _ in 0..20 {
            let all_topics = MetadataRequest {
                topics: None,
                ..Default::default()
            };
            cluster.send(conn, 12, &all_topics);
            all.push(cluster.receive(conn).unwrap());
        }
        all
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}
