//! What faults do to a request on its way, and to its answer: in time, in order, in part.

use milena_testbroker::{Action, BrokerConfig, ConnectionId, HoldId, Keep, Rule, RuleId};
use milena_wire::messages::{MetadataRequest, MetadataResponse};
use milena_wire::{ApiKey, ApiVersion, ErrorCode, decode_response};

use super::{faulty, outcome, written};
use crate::harness::{Cluster, ms, plain, transactional};
use crate::requests::{END_TV2, end_request, produce_request};

fn add(cluster: &mut Cluster, rule: Rule, action: Action) -> RuleId {
    cluster.broker.faults().add(rule, action)
}

/// A Produce of one value, without waiting for its answer.
fn produce(cluster: &mut Cluster, conn: ConnectionId, value: &str) {
    cluster.send(conn, 9, &produce_request(None, 0, plain(&[value])));
}

#[test]
fn a_request_can_arrive_a_number_of_requests_late() {
    let (mut cluster, conn) = faulty(Action::DropThenApplyAfter(ApiKey::PRODUCE, 2));
    assert!(cluster.is_closed(conn));
    cluster.write(plain(&["b"])).unwrap();
    assert_eq!(written(&cluster), 1);
    cluster.write(plain(&["c"])).unwrap();
    assert_eq!(cluster.committed_values("t", 0), ["b", "c", "a"]);
}

#[test]
fn an_end_can_arrive_two_transactions_late() {
    let mut cluster = Cluster::single();
    let late = Action::DropThenApplyAfter(ApiKey::END_TXN, 2);
    add(&mut cluster, Rule::on(ApiKey::END_TXN), late);
    let mut producer = cluster.init(Some("x"), None).unwrap();
    let conn = cluster.connect(1);
    for value in ["a", "b"] {
        cluster
            .write_tv2(transactional(producer, 0, &[value]))
            .unwrap();
        if value == "a" {
            cluster.send(conn, END_TV2, &end_request(producer, true));
            assert!(cluster.is_closed(conn), "asked again below");
        }
        producer = cluster.end(END_TV2, producer, true).unwrap();
        cluster.advance(ms(5));
    }
    let ends = cluster.broker.history().applied(ApiKey::END_TXN);
    assert_eq!(ends, 3, "the late one came, of an epoch that is long over");
    assert_eq!(cluster.committed_values("t", 0), ["a", "b"]);
}

#[test]
fn a_dropped_request_can_wait_for_a_barrier() {
    let hold = HoldId(4);
    let (mut cluster, conn) = faulty(Action::DropThenHold(hold));
    assert!(cluster.is_closed(conn));
    cluster.write(plain(&["b"])).unwrap();
    assert_eq!(cluster.broker.release(hold), 1);
    assert_eq!(cluster.committed_values("t", 0), ["b", "a"]);
}

#[test]
fn a_request_or_an_answer_can_wait_until_others_were_applied() {
    let (mut cluster, conn) = faulty(Action::HoldRequestUntil(ApiKey::METADATA, 1));
    assert_eq!(written(&cluster), 0);
    cluster.ask(1, 9, &MetadataRequest::default(), |_| ());
    assert_eq!(written(&cluster), 1);
    assert_eq!(outcome(&cluster.receive(conn).unwrap()), ErrorCode::NONE);

    let (mut cluster, conn) = faulty(Action::HoldAnswerUntil(ApiKey::METADATA, 2));
    assert_eq!(written(&cluster), 1);
    cluster.ask(1, 9, &MetadataRequest::default(), |_| ());
    assert_eq!(cluster.receive(conn), None);
    cluster.ask(1, 9, &MetadataRequest::default(), |_| ());
    assert!(cluster.receive(conn).is_some());
}

#[test]
fn a_duplicate_can_come_a_number_of_requests_later() {
    let (mut cluster, conn) = faulty(Action::DuplicateAfter(ApiKey::PRODUCE, 1));
    assert_eq!(outcome(&cluster.receive(conn).unwrap()), ErrorCode::NONE);
    assert_eq!(written(&cluster), 1);
    cluster.write(plain(&["b"])).unwrap();
    assert_eq!(cluster.committed_values("t", 0), ["a", "b", "a"]);
}

#[test]
fn a_late_copy_that_never_arrives_has_not_happened() {
    let hold = HoldId(9);
    for action in [
        Action::DropThenApply(ms(50)),
        Action::DropThenApplyAfter(ApiKey::PRODUCE, 2),
        Action::DropThenHold(hold),
        Action::Duplicate(ms(50)),
        Action::DuplicateAfter(ApiKey::PRODUCE, 2),
    ] {
        let (mut cluster, _) = faulty(action);
        cluster.write(plain(&["b"])).unwrap();
        let idle = cluster.broker.faults().check().unwrap_err();
        assert_eq!(idle.under_way, [RuleId(1)], "{action:?}");
        assert!(idle.to_string().contains("never arrived"), "{idle}");
        assert_eq!(cluster.broker.faults().unfired().len(), 1);
        let fired = cluster.broker.faults().fired(RuleId(1));
        assert_eq!(fired, 1, "the retry was not met: {action:?}");

        cluster.broker.release(hold);
        cluster.advance(ms(50));
        cluster.write(plain(&["c"])).unwrap();
        assert!(cluster.broker.faults().check().is_ok(), "{action:?}");
    }
}

#[test]
fn requests_to_different_nodes_change_places_too() {
    let mut cluster = Cluster::with_topic(BrokerConfig {
        nodes: 2,
        ..Default::default()
    });
    let metadata = Rule::on(ApiKey::METADATA);
    let rule = add(&mut cluster, metadata, Action::SwapWithNext);
    let (first, second) = (cluster.connect(1), cluster.connect(2));
    cluster.send(first, 9, &MetadataRequest::default());
    assert!(cluster.receive(first).is_none());
    cluster.send(second, 9, &MetadataRequest::default());
    assert!(cluster.receive(second).is_some() && cluster.receive(first).is_some());
    assert_eq!(cluster.broker.faults().fired(rule), 1);
}

#[test]
fn two_requests_of_different_connections_change_places() {
    let (mut cluster, first) = faulty(Action::SwapWithNext);
    let rule = cluster.broker.faults().unfired();
    assert_eq!(rule.len(), 1, "nothing has changed places yet");
    // Not with one of the same connection, which waits behind it.
    produce(&mut cluster, first, "c");
    assert_eq!(written(&cluster), 0);
    let second = cluster.connect(1);
    produce(&mut cluster, second, "b");
    assert_eq!(cluster.committed_values("t", 0), ["b", "a", "c"]);
    assert!(cluster.receive(first).is_some() && cluster.receive(second).is_some());
    assert!(cluster.broker.faults().check().is_ok());
}

#[test]
fn half_a_request_is_read_and_not_applied() {
    let mut cluster = Cluster::single();
    let rule = Rule::on(ApiKey::PRODUCE).client_id("harness");
    add(&mut cluster, rule, Action::CutRequest(60));
    let conn = cluster.connect(1);
    let frame = milena_wire::encode_request(
        &produce_request(None, 0, plain(&["a"])),
        ApiVersion(9),
        milena_wire::CorrelationId(1),
        Some("harness"),
    );
    let bytes = frame.unwrap().to_bytes();
    cluster.send_bytes(conn, &bytes[..59]);
    assert!(!cluster.is_closed(conn));
    cluster.send_bytes(conn, &bytes[59..60]);
    assert!(
        cluster.is_closed(conn),
        "at that byte, though more is to come"
    );
    assert_eq!(written(&cluster), 0);
    cluster.write(plain(&["b"])).unwrap();
    assert_eq!(cluster.committed_values("t", 0), ["b"]);
}

#[test]
fn a_cut_that_asks_for_a_topic_waits_for_the_whole_request() {
    let mut cluster = Cluster::single();
    add(
        &mut cluster,
        Rule::on(ApiKey::PRODUCE).topic("t"),
        Action::CutRequest(60),
    );
    let conn = cluster.connect(1);
    produce(&mut cluster, conn, "a");
    assert!(cluster.is_closed(conn));
    assert_eq!(written(&cluster), 0);
}

#[test]
fn a_slow_answer_leaves_a_few_bytes_at_a_time() {
    let (mut cluster, conn) = faulty(Action::SlowAnswer(500));
    assert_eq!((written(&cluster), cluster.leftover(conn)), (1, 5));
    cluster.advance(ms(20));
    assert_eq!(cluster.leftover(conn), 15);
    produce(&mut cluster, conn, "b");
    assert_eq!(written(&cluster), 1, "the connection is busy with it");
    cluster.advance(ms(1_000));
    assert_eq!(outcome(&cluster.receive(conn).unwrap()), ErrorCode::NONE);
    assert_eq!(written(&cluster), 2);

    let (mut cluster, conn) = faulty(Action::SlowAnswer(2));
    cluster.advance(ms(1_400));
    assert_eq!(cluster.leftover(conn), 3, "one each half second");
}

#[test]
fn a_black_hole_swallows_all_that_follows() {
    let (mut cluster, conn) = faulty(Action::BlackHole);
    for _ in 0..3 {
        produce(&mut cluster, conn, "b");
    }
    cluster.advance(ms(60_000));
    assert_eq!((written(&cluster), cluster.receive(conn)), (0, None));
    assert!(!cluster.is_closed(conn));
    cluster.write(plain(&["c"])).unwrap();
    assert_eq!(
        cluster.committed_values("t", 0),
        ["c"],
        "other connections live"
    );
}

#[test]
fn a_half_closed_connection_is_still_read_but_not_answered() {
    let (mut cluster, conn) = faulty(Action::HalfClose);
    assert_eq!(outcome(&cluster.receive(conn).unwrap()), ErrorCode::NONE);
    assert!(cluster.half_closed.contains(&conn));
    produce(&mut cluster, conn, "b");
    assert_eq!((written(&cluster), cluster.receive(conn)), (2, None));
    assert!(!cluster.is_closed(conn));
}

#[test]
fn a_throttled_connection_is_not_read_meanwhile() {
    let mut cluster = Cluster::single();
    add(
        &mut cluster,
        Rule::on(ApiKey::METADATA),
        Action::Throttle(ms(70)),
    );
    let conn = cluster.connect(1);
    cluster.send(conn, 9, &MetadataRequest::default());
    let frame = cluster.receive(conn).unwrap();
    let response: MetadataResponse<'_> = decode_response(&frame, ApiVersion(9)).unwrap();
    assert_eq!(response.throttle_time_ms, 70);
    produce(&mut cluster, conn, "a");
    cluster.advance(ms(69));
    assert_eq!(written(&cluster), 0);
    cluster.advance(ms(1));
    assert_eq!(written(&cluster), 1);
}

#[test]
fn one_bit_of_an_answer_or_a_request_is_turned_over() {
    // The last bit of the correlation id, 1.
    let (mut cluster, conn) = faulty(Action::FlipBit(Some(63)));
    let frame = cluster.receive(conn).unwrap();
    assert_eq!(milena_wire::peek_correlation_id(&frame).unwrap().0, 0);

    // The last bit of the last byte: in the records, whose checksum tells.
    let mut cluster = Cluster::single();
    let request = produce_request(None, 0, plain(&["a"]));
    add(
        &mut cluster,
        Rule::on(ApiKey::PRODUCE),
        Action::FlipRequestBit(Some(8 * 100)),
    );
    let conn = cluster.connect(1);
    cluster.send(conn, 3, &request);
    assert_eq!(written(&cluster), 0);

    let flipped = |seed| {
        let mut cluster = Cluster::with_topic(BrokerConfig {
            seed,
            ..Default::default()
        });
        add(
            &mut cluster,
            Rule::on(ApiKey::PRODUCE),
            Action::FlipBit(None),
        );
        let conn = cluster.connect(1);
        produce(&mut cluster, conn, "a");
        (cluster.receive(conn), cluster.leftover(conn))
    };
    assert_eq!(flipped(1), flipped(1), "the seed says which");
    let different = (1..8).filter(|seed| flipped(*seed) != flipped(0)).count();
    assert!(different > 4, "{different}");
}

#[test]
fn a_leader_moves_just_before_a_request() {
    let mut cluster = Cluster::with_topic(BrokerConfig {
        nodes: 3,
        ..Default::default()
    });
    add(
        &mut cluster,
        Rule::on(ApiKey::PRODUCE),
        Action::MoveLeader(None),
    );
    let error = cluster.write(plain(&["a"])).unwrap_err();
    assert_eq!(error, ErrorCode::NOT_LEADER_OR_FOLLOWER);
    assert_eq!(cluster.broker.leader("t", 0), 2);
    let back = Rule::on(ApiKey::METADATA).topic_partition("t", 0);
    add(&mut cluster, back, Action::MoveLeader(Some(1)));
    cluster.topic_id("t");
    assert_eq!(cluster.write(plain(&["a"])), Ok(0));
}

#[test]
fn a_node_stops_at_a_request_and_comes_back() {
    for (apply, crash, expected) in [
        (false, None, 0),
        (true, None, 1),
        (true, Some(Keep::Offset(0)), 0),
    ] {
        let restart = Some(ms(500));
        let (mut cluster, conn) = faulty(Action::StopNode {
            apply,
            crash,
            restart,
        });
        assert!(cluster.is_closed(conn) && cluster.receive(conn).is_none());
        assert!(!cluster.broker.nodes()[0].up);
        cluster.advance(ms(499));
        assert!(!cluster.broker.nodes()[0].up);
        cluster.advance(ms(1));
        assert!(cluster.broker.nodes()[0].up);
        assert_eq!(written(&cluster), expected, "{apply} {crash:?}");
    }
}

#[test]
fn a_node_that_the_test_stops_again_is_not_started_by_an_older_fault() {
    let (mut cluster, _) = faulty(Action::StopNode {
        apply: false,
        crash: None,
        restart: Some(ms(500)),
    });
    cluster.broker.start_node(1);
    cluster.advance(ms(100));
    cluster.broker.stop_node(1);
    cluster.advance(ms(1_000));
    assert!(!cluster.broker.nodes()[0].up, "until the test wants it");
}

#[test]
fn a_fault_whose_client_left_before_it_has_not_happened() {
    let mut cluster = Cluster::single();
    let cut = add(
        &mut cluster,
        Rule::on(ApiKey::PRODUCE),
        Action::CutRequest(60),
    );
    let conn = cluster.connect(1);
    let request = produce_request(None, 0, plain(&["a"]));
    let correlation = milena_wire::CorrelationId(1);
    let frame = milena_wire::encode_request(&request, ApiVersion(9), correlation, None).unwrap();
    cluster.send_bytes(conn, &frame.to_bytes()[..59]);
    cluster.disconnect(conn);
    assert_eq!(cluster.broker.faults().fired(cut), 0);
    let conn = cluster.connect(1);
    produce(&mut cluster, conn, "a");
    assert!(cluster.is_closed(conn), "it meets the next");
    assert_eq!(cluster.broker.faults().fired(cut), 1);

    let late = add(
        &mut cluster,
        Rule::on(ApiKey::PRODUCE),
        Action::DelayAnswer(ms(50)),
    );
    let slow = add(
        &mut cluster,
        Rule::on(ApiKey::PRODUCE),
        Action::SlowAnswer(500),
    );
    let conn = cluster.connect(1);
    produce(&mut cluster, conn, "b");
    cluster.disconnect(conn);
    cluster.advance(ms(50));
    let fired = [late, slow].map(|rule| cluster.broker.faults().fired(rule));
    assert_eq!(fired, [1, 0], "it was late, but nothing left slowly");
    cluster.broker.faults().remove(slow);
}

#[test]
fn a_duplicate_comes_though_its_client_did_not_wait_for_a_slow_answer() {
    let mut cluster = Cluster::single();
    let produced = Rule::on(ApiKey::PRODUCE);
    let slow = add(&mut cluster, produced.clone(), Action::SlowAnswer(500));
    add(&mut cluster, produced, Action::Duplicate(ms(100)));
    let conn = cluster.connect(1);
    produce(&mut cluster, conn, "a");
    assert_eq!(cluster.leftover(conn), 5);
    cluster.disconnect(conn);
    cluster.advance(ms(200));
    assert_eq!(cluster.broker.faults().fired(slow), 1, "it began to leave");
    assert_eq!(written(&cluster), 2);
    assert!(cluster.broker.faults().check().is_ok());
}

#[test]
fn the_history_keeps_slow_answers_and_what_a_flipped_bit_made() {
    let (mut cluster, _) = faulty(Action::SlowAnswer(5_000));
    cluster.advance(ms(1_000));
    let answers = cluster.broker.history().answers_of(ApiKey::PRODUCE);
    assert_eq!(answers.count(), 1);

    // Of the client id `harness`, behind its length and the fixed header.
    let mut cluster = Cluster::single();
    let flip = Action::FlipRequestBit(Some(10 * 8 + 7));
    let rule = add(&mut cluster, Rule::on(ApiKey::METADATA), flip);
    cluster.ask(1, 9, &MetadataRequest::default(), |_| ());
    let history = cluster.broker.history();
    let sent = history.of_rule(rule).next().unwrap().client_id();
    assert_eq!(sent, Some("harness"));
    let mut applied = history.of_api(ApiKey::METADATA).rev();
    assert_eq!(applied.next().unwrap().client_id(), Some("iarness"));
}

#[test]
fn a_slow_answer_does_not_leave_on_a_connection_that_is_half_closed() {
    let mut cluster = Cluster::single();
    let conn = cluster.connect(1);
    let metadata = Rule::on(ApiKey::METADATA);
    add(&mut cluster, metadata.clone(), Action::HalfClose);
    add(
        &mut cluster,
        metadata.nth(2).optional(),
        Action::SlowAnswer(1_000),
    );
    cluster.send(conn, 9, &MetadataRequest::default());
    assert!(cluster.receive(conn).is_some());
    cluster.send(conn, 9, &MetadataRequest::default());
    cluster.advance(ms(60_000));
    assert_eq!(cluster.leftover(conn), 0);
    assert!(cluster.receive(conn).is_none());
}
