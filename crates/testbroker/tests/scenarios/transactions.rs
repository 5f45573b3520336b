//! Transactions under TV2: implicit adds, epoch bumps, markers, fencing, time-outs.

use std::time::Duration;

use milena_testbroker::{BrokerConfig, CoordinatorKind, TransactionState};
use milena_wire::messages::{EndTxnResponse, ProduceResponse};
use milena_wire::record::ControlRecord;
use milena_wire::{ApiVersion, ErrorCode, decode_response};

use crate::harness::{Cluster, Id, idempotent, ms, plain, transactional};
use crate::requests::{Asking, END_TV2, PRODUCE_TV2, end_request, produce_request};

const CONCURRENT: ErrorCode = ErrorCode::CONCURRENT_TRANSACTIONS;

/// Markers take so long that Prepare* can be looked at.
fn slow_markers() -> Cluster {
    Cluster::with_topic(BrokerConfig {
        marker_delay: ms(50),
        ..Default::default()
    })
}

fn begin(cluster: &mut Cluster) -> Id {
    cluster.init(Some("x"), None).unwrap()
}

fn next(producer: Id) -> Id {
    Id {
        epoch: producer.epoch + 1,
        ..producer
    }
}

fn state(cluster: &Cluster) -> TransactionState {
    cluster
        .broker
        .transaction_state("x")
        .expect("x is known")
        .state
}

#[test]
fn a_transaction_commits_and_the_next_has_a_new_epoch() {
    let mut cluster = slow_markers();
    let producer = begin(&mut cluster);
    assert_eq!(producer.epoch, 0);
    assert_eq!(state(&cluster), TransactionState::Empty);
    assert_eq!(
        cluster.write_tv2(transactional(producer, 0, &["a", "b"])),
        Ok(0)
    );
    assert_eq!(state(&cluster), TransactionState::Ongoing);
    assert_eq!(cluster.end(END_TV2, producer, true), Ok(next(producer)));
    assert_eq!(state(&cluster), TransactionState::PrepareCommit);
    let log = cluster.broker.log("t", 0).unwrap();
    assert_eq!((log.last_stable_offset(), log.high_watermark()), (0, 2));
    cluster.advance(ms(50));
    assert_eq!(state(&cluster), TransactionState::CompleteCommit);
    let log = cluster.broker.log("t", 0).unwrap();
    assert_eq!((log.last_stable_offset(), log.high_watermark()), (3, 3));
    let marker = log.batches().next_back().unwrap();
    assert_eq!(
        marker.control(),
        Ok(Some(ControlRecord::Commit {
            coordinator_epoch: 0
        }))
    );
    assert_eq!(marker.header().producer_epoch, producer.epoch + 1);
    assert_eq!(cluster.committed_values("t", 0), ["a", "b"]);
}

#[test]
fn an_aborted_transaction_is_listed_for_read_committed_only() {
    let mut cluster = slow_markers();
    cluster.write(plain(&["before"])).unwrap();
    let producer = begin(&mut cluster);
    cluster
        .write_tv2(transactional(producer, 0, &["a"]))
        .unwrap();
    cluster.end(END_TV2, producer, false).unwrap();
    cluster.advance(ms(50));
    cluster.write(plain(&["after"])).unwrap();
    let abort = "Some(Abort { coordinator_epoch: 0 })";
    let found = cluster.fetch(
        1,
        Asking {
            committed: true,
            ..Default::default()
        },
    );
    assert_eq!(found.values, ["before", "a", abort, "after"]);
    assert_eq!(found.aborted, Some(vec![(producer.id, 1)]));
    let found = cluster.fetch(1, Asking::default());
    assert_eq!(found.aborted, None);
    assert_eq!(cluster.committed_values("t", 0), ["before", "after"]);
    // Behind the marker there is nothing aborted.
    let found = cluster.fetch(
        1,
        Asking {
            committed: true,
            offset: 3,
            ..Default::default()
        },
    );
    assert_eq!(
        (found.values, found.aborted),
        (vec!["after".to_owned()], Some(vec![]))
    );
}

#[test]
fn an_open_transaction_holds_back_all_that_is_behind_it() {
    let mut cluster = slow_markers();
    cluster.write(plain(&["before"])).unwrap();
    let producer = begin(&mut cluster);
    cluster
        .write_tv2(transactional(producer, 0, &["a"]))
        .unwrap();
    cluster.write(plain(&["after"])).unwrap();
    let found = cluster.fetch(
        1,
        Asking {
            committed: true,
            ..Default::default()
        },
    );
    assert_eq!(found.values, ["before"]);
    assert_eq!((found.last_stable_offset, found.high_watermark), (1, 3));
    assert_eq!(
        cluster.fetch(1, Asking::default()).values,
        ["before", "a", "after"]
    );
}

#[test]
fn a_write_while_the_last_transaction_completes_waits_inside_the_broker() {
    let mut cluster = slow_markers();
    let producer = begin(&mut cluster);
    cluster
        .write_tv2(transactional(producer, 0, &["a"]))
        .unwrap();
    let producer = cluster.end(END_TV2, producer, true).unwrap();
    let conn = cluster.connect(1);
    let request = produce_request(Some("x"), 0, transactional(producer, 0, &["b"]));
    cluster.send(conn, PRODUCE_TV2, &request);
    cluster.advance(ms(59));
    assert_eq!(
        cluster.receive(conn),
        None,
        "it is tried every 20 ms, the markers come after 50"
    );
    cluster.advance(ms(1));
    let frame = cluster.receive(conn).expect("the third try succeeds");
    let response: ProduceResponse<'_> = decode_response(&frame, ApiVersion(PRODUCE_TV2)).unwrap();
    let answer = &response.responses[0].partition_responses[0];
    assert_eq!(
        (answer.error_code, answer.base_offset),
        (ErrorCode::NONE, 2)
    );
    assert_eq!(state(&cluster), TransactionState::Ongoing);
}

#[test]
fn a_write_that_waits_too_long_is_told_so_and_nothing_is_written() {
    let mut cluster = Cluster::with_topic(BrokerConfig {
        marker_delay: ms(500),
        ..Default::default()
    });
    let producer = begin(&mut cluster);
    cluster
        .write_tv2(transactional(producer, 0, &["a"]))
        .unwrap();
    let producer = cluster.end(END_TV2, producer, true).unwrap();
    let before = cluster.now;
    assert_eq!(
        cluster.write_tv2(transactional(producer, 0, &["b"])),
        Err(CONCURRENT)
    );
    assert_eq!(cluster.now - before, ms(100));
    assert_eq!(cluster.broker.log("t", 0).unwrap().high_watermark(), 1);
}

#[test]
fn everything_else_is_told_at_once_that_the_transaction_completes() {
    let mut cluster = slow_markers();
    let producer = begin(&mut cluster);
    cluster
        .write_tv2(transactional(producer, 0, &["a"]))
        .unwrap();
    let next = cluster.end(END_TV2, producer, true).unwrap();
    let before = cluster.now;
    assert_eq!(cluster.init(Some("x"), None), Err(CONCURRENT));
    assert_eq!(cluster.init(Some("x"), Some(next)), Err(CONCURRENT));
    assert_eq!(cluster.add_partitions(next, &[0]), [CONCURRENT]);
    assert_eq!(cluster.commit_offset(5, next, "g", 1), CONCURRENT);
    // Either direction and either epoch: the pending transition is looked at first.
    for (identity, committed) in [
        (producer, true),
        (producer, false),
        (next, true),
        (next, false),
    ] {
        assert_eq!(cluster.end(END_TV2, identity, committed), Err(CONCURRENT));
    }
    assert_eq!(cluster.now, before);
}

#[test]
fn a_lost_answer_to_end_is_found_by_asking_again() {
    let mut cluster = slow_markers();
    let producer = begin(&mut cluster);
    cluster
        .write_tv2(transactional(producer, 0, &["a"]))
        .unwrap();
    cluster.end(END_TV2, producer, true).unwrap();
    cluster.advance(ms(50));
    assert_eq!(cluster.end(END_TV2, producer, true), Ok(next(producer)));
    assert_eq!(
        cluster.end(END_TV2, producer, true),
        Ok(next(producer)),
        "as often as asked"
    );
    let wrong = cluster.end(END_TV2, producer, false);
    assert_eq!(wrong, Err(ErrorCode::INVALID_TXN_STATE), "it was committed");
    let markers = cluster
        .broker
        .log("t", 0)
        .unwrap()
        .batches()
        .filter(|batch| batch.is_control());
    assert_eq!(markers.count(), 1);
}

#[test]
fn a_late_copy_of_a_write_is_refused_after_the_end() {
    let mut cluster = slow_markers();
    let producer = begin(&mut cluster);
    let batch = transactional(producer, 0, &["a"]);
    cluster.write_tv2(batch.clone()).unwrap();
    cluster.end(END_TV2, producer, true).unwrap();
    cluster.advance(ms(50));
    assert_eq!(
        cluster.write_tv2(batch),
        Err(ErrorCode::INVALID_PRODUCER_EPOCH)
    );
    // A late copy on a partition that the transaction never reached learns it from the coordinator.
    assert!(cluster.broker.create_topic("u", 1));
    let mut request = produce_request(Some("x"), 0, transactional(producer, 1, &["b"]));
    request.topic_data[0].name = "u";
    let code = cluster.ask(1, PRODUCE_TV2, &request, |response| {
        response.responses[0].partition_responses[0].error_code
    });
    assert_eq!(code, ErrorCode::INVALID_PRODUCER_EPOCH);
}

#[test]
fn a_late_copy_of_an_abort_cannot_end_the_next_transaction() {
    let mut cluster = slow_markers();
    let first = begin(&mut cluster);
    cluster.write_tv2(transactional(first, 0, &["a"])).unwrap();
    let second = cluster.end(END_TV2, first, false).unwrap();
    cluster.advance(ms(50));
    cluster.write_tv2(transactional(second, 0, &["b"])).unwrap();
    assert_eq!(
        cluster.end(END_TV2, first, false),
        Err(ErrorCode::PRODUCER_FENCED)
    );
    assert_eq!(state(&cluster), TransactionState::Ongoing);
    cluster.end(END_TV2, second, true).unwrap();
    cluster.advance(ms(50));
    assert_eq!(cluster.committed_values("t", 0), ["b"]);
}

#[test]
fn each_transaction_starts_its_sequences_at_zero() {
    let mut cluster = slow_markers();
    let producer = begin(&mut cluster);
    cluster
        .write_tv2(transactional(producer, 0, &["a"]))
        .unwrap();
    let producer = cluster.end(END_TV2, producer, true).unwrap();
    cluster.advance(ms(50));
    let wrong = cluster.write_tv2(transactional(producer, 1, &["b"]));
    assert_eq!(wrong, Err(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER));
    assert_eq!(cluster.write_tv2(transactional(producer, 0, &["b"])), Ok(2));
}

#[test]
fn a_first_batch_that_is_not_the_first_is_refused() {
    let mut cluster = Cluster::single();
    let producer = begin(&mut cluster);
    let second = cluster.write_tv2(transactional(producer, 1, &["b"]));
    assert_eq!(second, Err(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER));
    assert_eq!(cluster.write_tv2(transactional(producer, 0, &["a"])), Ok(0));
    assert_eq!(cluster.write_tv2(transactional(producer, 1, &["b"])), Ok(1));
}

#[test]
fn an_abort_without_a_transaction_only_raises_the_epoch() {
    let mut cluster = Cluster::single();
    let producer = begin(&mut cluster);
    assert_eq!(
        cluster.end(END_TV2, producer, true),
        Err(ErrorCode::INVALID_TXN_STATE)
    );
    assert_eq!(cluster.end(END_TV2, producer, false), Ok(next(producer)));
    cluster.advance(ms(1));
    assert_eq!(state(&cluster), TransactionState::CompleteAbort);
    assert_eq!(cluster.broker.log("t", 0).unwrap().high_watermark(), 0);
}

#[test]
fn a_plain_write_during_the_producers_transaction_is_refused() {
    let mut cluster = Cluster::single();
    let producer = begin(&mut cluster);
    cluster
        .write_tv2(transactional(producer, 0, &["a"]))
        .unwrap();
    let plain = cluster.write(idempotent(producer, 1, &["b"]));
    assert_eq!(plain, Err(ErrorCode::INVALID_TXN_STATE));
}

#[test]
fn a_transactional_batch_without_transactional_id_is_refused() {
    let mut cluster = Cluster::single();
    let producer = begin(&mut cluster);
    let batch = transactional(producer, 0, &["a"]);
    let refused = cluster.produce(1, PRODUCE_TV2, None, 0, batch);
    assert_eq!(
        refused,
        Err(ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
    );
}

#[test]
fn markers_wait_for_a_partition_without_leader() {
    let config = BrokerConfig {
        nodes: 2,
        elect_on_stop: false,
        ..Default::default()
    };
    let mut cluster = Cluster::new(config);
    assert!(cluster.broker.create_topic("t", 2));
    cluster
        .broker
        .move_coordinator(CoordinatorKind::Transaction, "x", 1);
    let producer = begin(&mut cluster);
    cluster
        .produce(
            1,
            PRODUCE_TV2,
            Some("x"),
            0,
            transactional(producer, 0, &["a"]),
        )
        .unwrap();
    cluster
        .produce(
            2,
            PRODUCE_TV2,
            Some("x"),
            1,
            transactional(producer, 0, &["b"]),
        )
        .unwrap();
    cluster.broker.stop_node(2);
    cluster.end(END_TV2, producer, true).unwrap();
    cluster.advance(Duration::from_secs(5));
    assert_eq!(state(&cluster), TransactionState::PrepareCommit);
    assert_eq!(
        cluster.committed_values("t", 0),
        ["a"],
        "where there is a leader it is decided"
    );
    assert_eq!(cluster.committed_values("t", 1), Vec::<String>::new());
    cluster.broker.start_node(2);
    assert_eq!(state(&cluster), TransactionState::CompleteCommit);
    assert_eq!(cluster.committed_values("t", 1), ["b"]);
}

#[test]
fn markers_can_be_held_back() {
    let mut cluster = Cluster::single();
    let producer = begin(&mut cluster);
    cluster
        .write_tv2(transactional(producer, 0, &["a"]))
        .unwrap();
    cluster.broker.pause_markers(true);
    cluster.end(END_TV2, producer, true).unwrap();
    cluster.advance(Duration::from_secs(60));
    assert_eq!(state(&cluster), TransactionState::PrepareCommit);
    cluster.broker.pause_markers(false);
    assert_eq!(state(&cluster), TransactionState::CompleteCommit);
}

#[test]
fn without_a_delay_the_end_is_complete_with_its_answer() {
    let config = BrokerConfig {
        marker_delay: Duration::ZERO,
        ..Default::default()
    };
    let mut cluster = Cluster::with_topic(config);
    let producer = begin(&mut cluster);
    cluster
        .write_tv2(transactional(producer, 0, &["a"]))
        .unwrap();
    let conn = cluster.connect(1);
    cluster.send(conn, END_TV2, &end_request(producer, true));
    let frame = cluster.receive(conn).expect("answered at once");
    let response: EndTxnResponse = decode_response(&frame, ApiVersion(END_TV2)).unwrap();
    assert_eq!(
        (response.producer_id, response.producer_epoch),
        (producer.id, producer.epoch + 1)
    );
    assert_eq!(state(&cluster), TransactionState::CompleteCommit);
}

#[test]
fn interleaved_transactions_are_decided_each_on_its_own() {
    let mut cluster = Cluster::single();
    let one = begin(&mut cluster);
    let two = cluster.init(Some("y"), None).unwrap();
    cluster.write_tv2(transactional(one, 0, &["a1"])).unwrap();
    cluster
        .produce(1, PRODUCE_TV2, Some("y"), 0, transactional(two, 0, &["b1"]))
        .unwrap();
    cluster.write_tv2(transactional(one, 1, &["a2"])).unwrap();
    cluster.end(END_TV2, one, false).unwrap();
    cluster.advance(ms(1));
    // b1 at offset 1 is the oldest open one now.
    assert_eq!(cluster.broker.log("t", 0).unwrap().last_stable_offset(), 1);
    cluster
        .produce(1, PRODUCE_TV2, Some("y"), 0, transactional(two, 1, &["b2"]))
        .unwrap();
    cluster.init(Some("y"), None).unwrap_err();
    cluster.advance(ms(1));
    let found = cluster.fetch(
        1,
        Asking {
            committed: true,
            ..Default::default()
        },
    );
    assert_eq!(found.aborted, Some(vec![(one.id, 0), (two.id, 1)]));
    assert_eq!(cluster.committed_values("t", 0), Vec::<String>::new());
}
