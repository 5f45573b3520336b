//! What each fault does, as its client sees it and as the logs show.

mod rules;
mod ways;

use milena_testbroker::{Action, BrokerConfig, ConnectionId, HoldId, Rule};
use milena_wire::messages::{MetadataRequest, PartitionProduceData, ProduceResponse};
use milena_wire::record::batches;
use milena_wire::{ApiKey, ApiVersion, ErrorCode, Payload, decode_response, peek_correlation_id};

use crate::harness::{Cluster, idempotent, ms, plain, transactional};
use crate::requests::{Asking, END_TV1, end_request, fetch_request, produce_request};

const LOST: ErrorCode = ErrorCode::NOT_LEADER_OR_FOLLOWER;

/// A cluster where the first Produce meets this fault, and a connection that sends it.
fn faulty(action: Action) -> (Cluster, ConnectionId) {
    let mut cluster = Cluster::single();
    cluster
        .broker
        .faults()
        .add(Rule::on(ApiKey::PRODUCE), action);
    let conn = cluster.connect(1);
    cluster.send(conn, 9, &produce_request(None, 0, plain(&["a"])));
    (cluster, conn)
}

fn written(cluster: &Cluster) -> i64 {
    cluster.broker.log("t", 0).unwrap().high_watermark()
}

fn outcome(frame: &bytes::Bytes) -> ErrorCode {
    let response: ProduceResponse<'_> = decode_response(frame, ApiVersion(9)).unwrap();
    response.responses[0].partition_responses[0].error_code
}

#[test]
fn an_error_is_answered_without_applying() {
    let (mut cluster, conn) = faulty(Action::Error(LOST));
    assert_eq!(outcome(&cluster.receive(conn).unwrap()), LOST);
    assert_eq!(written(&cluster), 0);
    assert_eq!(cluster.write(plain(&["a"])), Ok(0), "it acted once");
}

#[test]
fn an_error_after_applying_hides_that_it_was_applied() {
    let late = ErrorCode::REQUEST_TIMED_OUT;
    let (mut cluster, conn) = faulty(Action::ApplyThenError(late));
    assert_eq!(outcome(&cluster.receive(conn).unwrap()), late);
    assert_eq!(written(&cluster), 1);
}

#[test]
fn a_request_dropped_before_it_is_applied_closes_the_connection() {
    for action in [Action::DropBeforeApply, Action::CutConnection] {
        let (mut cluster, conn) = faulty(action);
        assert_eq!(cluster.receive(conn), None);
        assert!(cluster.is_closed(conn));
        assert_eq!(written(&cluster), 0);
    }
}

#[test]
fn a_dropped_answer_closes_the_connection_of_an_applied_request() {
    let (mut cluster, conn) = faulty(Action::ApplyThenDrop);
    assert_eq!(cluster.receive(conn), None);
    assert!(cluster.is_closed(conn));
    assert_eq!(written(&cluster), 1);
}

#[test]
fn an_ignored_request_keeps_its_connection_waiting() {
    for (action, expected) in [(Action::Ignore, 0), (Action::ApplyThenIgnore, 1)] {
        let (mut cluster, conn) = faulty(action);
        cluster.send(conn, 9, &produce_request(None, 0, plain(&["b"])));
        cluster.advance(ms(60_000));
        assert_eq!(cluster.receive(conn), None);
        assert!(!cluster.is_closed(conn));
        assert_eq!(
            written(&cluster),
            expected,
            "what is behind it is not looked at"
        );
    }
}

#[test]
fn a_delayed_request_is_applied_late_and_a_delayed_answer_is_not() {
    let (mut cluster, conn) = faulty(Action::Delay(ms(100)));
    cluster.advance(ms(99));
    assert_eq!(written(&cluster), 0);
    cluster.advance(ms(1));
    assert_eq!(written(&cluster), 1);
    assert!(cluster.receive(conn).is_some());

    let (mut cluster, conn) = faulty(Action::DelayAnswer(ms(100)));
    assert_eq!(written(&cluster), 1);
    cluster.advance(ms(99));
    assert_eq!(cluster.receive(conn), None);
    cluster.advance(ms(1));
    assert!(cluster.receive(conn).is_some());
}

#[test]
fn a_held_request_waits_for_its_barrier() {
    let hold = HoldId(1);
    let (mut cluster, conn) = faulty(Action::HoldRequest(hold));
    cluster.advance(ms(60_000));
    assert_eq!((written(&cluster), cluster.broker.held(hold)), (0, 1));
    assert_eq!(cluster.broker.release(HoldId(2)), 0);
    assert_eq!(written(&cluster), 0);
    assert_eq!(cluster.broker.release(hold), 1);
    assert_eq!(written(&cluster), 1);
    assert!(cluster.receive(conn).is_some());
}

#[test]
fn a_held_answer_belongs_to_an_applied_request() {
    let hold = HoldId(1);
    let (mut cluster, conn) = faulty(Action::HoldAnswer(hold));
    assert_eq!((written(&cluster), cluster.broker.held(hold)), (1, 1));
    assert_eq!(cluster.receive(conn), None);
    cluster.broker.release(hold);
    assert_eq!(outcome(&cluster.receive(conn).unwrap()), ErrorCode::NONE);
}

#[test]
fn a_held_request_outlives_its_connection() {
    let hold = HoldId(1);
    let (mut cluster, conn) = faulty(Action::HoldRequest(hold));
    cluster.disconnect(conn);
    cluster.broker.release(hold);
    assert_eq!(
        written(&cluster),
        1,
        "it was read from the socket before that closed"
    );
    assert_eq!(cluster.receive(conn), None);
}

#[test]
fn a_request_can_arrive_long_after_its_connection_closed() {
    let (mut cluster, conn) = faulty(Action::DropThenApply(ms(100)));
    assert!(cluster.is_closed(conn));
    cluster.advance(ms(99));
    assert_eq!(written(&cluster), 0);
    cluster.advance(ms(1));
    assert_eq!(written(&cluster), 1);
}

#[test]
fn a_late_request_finds_its_node_stopped() {
    let mut cluster = Cluster::with_topic(BrokerConfig {
        nodes: 2,
        ..Default::default()
    });
    let late = Action::DropThenApply(ms(100));
    let rule = Rule::on(ApiKey::METADATA).optional();
    let late = cluster.broker.faults().add(rule, late);
    let conn = cluster.connect(1);
    cluster.send(conn, 9, &MetadataRequest::default());
    cluster.broker.stop_node(1);
    cluster.advance(ms(100));
    assert_eq!(cluster.broker.history().applied(ApiKey::METADATA), 0);
    let idle = cluster.broker.faults().unfired();
    assert_eq!(
        idle.first().map(|(id, ..)| *id),
        Some(late),
        "nobody took it"
    );
}

#[test]
fn a_duplicate_is_applied_twice_and_answered_once() {
    let (mut cluster, conn) = faulty(Action::Duplicate(ms(100)));
    assert_eq!(outcome(&cluster.receive(conn).unwrap()), ErrorCode::NONE);
    assert_eq!(written(&cluster), 1);
    cluster.advance(ms(100));
    assert_eq!(
        written(&cluster),
        2,
        "nothing tells the copy of a plain write"
    );
    assert_eq!(cluster.receive(conn), None);

    let mut cluster = Cluster::single();
    cluster
        .broker
        .faults()
        .add(Rule::on(ApiKey::PRODUCE), Action::Duplicate(ms(100)));
    let producer = cluster.init(None, None).unwrap();
    cluster.write(idempotent(producer, 0, &["a"])).unwrap();
    cluster.advance(ms(100));
    assert_eq!(written(&cluster), 1, "an idempotent one is recognised");
}

#[test]
fn a_late_copy_of_an_end_under_tv1_tears_the_next_transaction() {
    let mut cluster = Cluster::single();
    let rule = Rule::on(ApiKey::END_TXN).transactional_id("x");
    cluster
        .broker
        .faults()
        .add(rule, Action::Duplicate(ms(100)));
    let producer = cluster.init(Some("x"), None).unwrap();
    cluster.add_partitions(producer, &[0]);
    cluster.end(END_TV1, producer, true).unwrap();
    cluster.advance(ms(10));
    cluster.add_partitions(producer, &[0]);
    cluster
        .produce(1, 11, Some("x"), 0, transactional(producer, 0, &["a"]))
        .unwrap();
    cluster.advance(ms(100));
    assert_eq!(
        cluster.committed_values("t", 0),
        ["a"],
        "nobody asked for that"
    );
}

#[test]
fn an_answer_can_be_cut_or_damaged() {
    let (mut cluster, conn) = faulty(Action::CutAnswer(10));
    assert_eq!(cluster.receive(conn), None);
    assert_eq!(cluster.leftover(conn), 10);
    assert!(cluster.is_closed(conn));
    assert_eq!(written(&cluster), 1);

    let (mut cluster, conn) = faulty(Action::CorruptAnswer(7));
    let frame = cluster.receive(conn).unwrap();
    // The last byte of the correlation id, 1.
    assert_eq!(peek_correlation_id(&frame).unwrap().0, 254);
}

/// Whether the checksum of the first batch of a Fetch holds; `None` if it brings none.
fn checked(cluster: &mut Cluster) -> Option<bool> {
    let request = fetch_request(Asking::default(), 0);
    cluster.ask(1, 12, &request, |response| {
        let data = &response.responses[0].partitions[0];
        let records = data.records.as_ref().map(Payload::to_bytes);
        let batch = batches(records.unwrap_or_default()).next()?;
        Some(batch.expect("a whole batch").verify_crc().is_ok())
    })
}

#[test]
fn damaged_records_show_in_their_checksum_and_answers_without_records_are_spared() {
    let mut cluster = Cluster::single();
    let damage = Action::CorruptRecords(3);
    let rule = cluster.broker.faults().add(Rule::on(ApiKey::FETCH), damage);
    assert_eq!(checked(&mut cluster), None);
    assert_eq!(cluster.broker.faults().fired(rule), 0);
    cluster.write(plain(&["a"])).unwrap();
    assert_eq!(checked(&mut cluster), Some(false));
    assert_eq!(checked(&mut cluster), Some(true));
    assert_eq!(cluster.broker.faults().fired(rule), 1);
}

#[test]
fn a_throttled_answer_says_how_long() {
    let mut cluster = Cluster::single();
    cluster
        .broker
        .faults()
        .add(Rule::on(ApiKey::METADATA), Action::Throttle(ms(70)));
    let request = MetadataRequest::default();
    let throttle =
        |cluster: &mut Cluster| cluster.ask(1, 9, &request, |response| response.throttle_time_ms);
    assert_eq!(throttle(&mut cluster), 70);
    assert_eq!(throttle(&mut cluster), 0);
}

#[test]
fn an_error_for_one_partition_spares_the_others() {
    let mut cluster = Cluster::new(BrokerConfig::default());
    cluster.broker.create_topic("t", 2);
    let rule = Rule::on(ApiKey::PRODUCE).topic_partition("t", 1);
    cluster.broker.faults().add(rule, Action::Error(LOST));
    let mut request = produce_request(None, 0, plain(&["a"]));
    request.topic_data[0]
        .partition_data
        .push(PartitionProduceData {
            index: 1,
            records: Some(plain(&["b"])),
        });
    let codes = |cluster: &mut Cluster| {
        cluster.ask(1, 9, &request, |response| {
            let partitions = response.responses[0].partition_responses.iter();
            partitions
                .map(|partition| partition.error_code)
                .collect::<Vec<_>>()
        })
    };
    assert_eq!(codes(&mut cluster), [ErrorCode::NONE, LOST]);
    assert_eq!(codes(&mut cluster), [ErrorCode::NONE, ErrorCode::NONE]);
    assert_eq!(cluster.broker.log("t", 1).unwrap().high_watermark(), 1);
}

#[test]
fn a_rule_that_never_fired_is_told() {
    let mut cluster = Cluster::single();
    let faults = cluster.broker.faults();
    let third = faults.add(Rule::on(ApiKey::PRODUCE).nth(3), Action::Error(LOST));
    let fetch = faults.add(Rule::on(ApiKey::FETCH), Action::ApplyThenDrop);
    for _ in 0..2 {
        cluster.write(plain(&["a"])).unwrap();
    }
    let ids = |cluster: &mut Cluster| {
        cluster
            .broker
            .faults()
            .unfired()
            .iter()
            .map(|(id, _, _)| *id)
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(&mut cluster), [third, fetch]);
    assert_eq!(cluster.write(plain(&["a"])), Err(LOST));
    assert_eq!(ids(&mut cluster), [fetch]);
    assert_eq!(
        (
            cluster.broker.faults().fired(third),
            cluster.broker.faults().met(third)
        ),
        (1, 3)
    );
    assert!(cluster.broker.faults().remove(fetch));
    assert_eq!(ids(&mut cluster), []);
    assert!(cluster.broker.faults().check().is_ok());
}

#[test]
fn coordinator_requests_are_met_by_their_id_and_group() {
    let mut cluster = Cluster::single();
    let faults = cluster.broker.faults();
    let error = Action::Error(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
    faults.add(
        Rule::on(ApiKey::INIT_PRODUCER_ID).transactional_id("y"),
        error,
    );
    faults.add(Rule::on(ApiKey::TXN_OFFSET_COMMIT).group("h"), error);
    faults.add(Rule::on(ApiKey::OFFSET_FETCH).group("h"), error);
    let loading = ErrorCode::COORDINATOR_LOAD_IN_PROGRESS;
    let producer = cluster.init(Some("x"), None).unwrap();
    assert_eq!(cluster.init(Some("y"), None), Err(loading));
    assert_eq!(cluster.commit_offset(5, producer, "g", 1), ErrorCode::NONE);
    assert_eq!(cluster.commit_offset(5, producer, "h", 1), loading);
    assert_eq!(cluster.fetch_offset("g", false), Ok(-1));
    assert_eq!(cluster.fetch_offset("h", false), Err(loading));
    assert_eq!(cluster.broker.faults().unfired().len(), 0);
}

#[test]
fn an_applied_end_whose_answer_is_lost_can_be_asked_again() {
    let mut cluster = Cluster::single();
    cluster
        .broker
        .faults()
        .add(Rule::on(ApiKey::END_TXN), Action::ApplyThenDrop);
    let producer = cluster.init(Some("x"), None).unwrap();
    cluster
        .write_tv2(transactional(producer, 0, &["a"]))
        .unwrap();
    let conn = cluster.connect(1);
    cluster.send(conn, 5, &end_request(producer, true));
    assert!(cluster.is_closed(conn));
    cluster.advance(ms(1));
    let next = cluster.end(5, producer, true).unwrap();
    assert_eq!(next.epoch, producer.epoch + 1);
    assert_eq!(cluster.committed_values("t", 0), ["a"]);
}

#[test]
fn a_node_that_stops_takes_the_requests_it_was_serving_with_it() {
    let hold = HoldId(1);
    let mut cluster = Cluster::with_topic(BrokerConfig {
        nodes: 2,
        ..Default::default()
    });
    cluster
        .broker
        .faults()
        .add(Rule::on(ApiKey::PRODUCE), Action::HoldRequest(hold));
    let conn = cluster.connect(1);
    cluster.send(conn, 9, &produce_request(None, 0, plain(&["a"])));
    cluster.broker.stop_node(1);
    cluster.broker.start_node(1);
    assert_eq!(cluster.broker.release(hold), 0);
    assert_eq!(written(&cluster), 0);
}
