//! A transaction coordinator that moves or restarts: what the next one reads from the log, and what
//! it does about it.

use milena_testbroker::{BrokerConfig, CoordinatorKind, Keep, TransactionState};
use milena_wire::ErrorCode;
use milena_wire::messages::{DeleteTopicState, DeleteTopicsRequest};
use milena_wire::record::ControlRecord;

use crate::harness::{Cluster, Id, ms, transactional};
use crate::requests::{END_TV1, END_TV2};

const TRANSACTION: CoordinatorKind = CoordinatorKind::Transaction;
const CONCURRENT: ErrorCode = ErrorCode::CONCURRENT_TRANSACTIONS;
const LOADING: ErrorCode = ErrorCode::COORDINATOR_LOAD_IN_PROGRESS;
const FENCED: ErrorCode = ErrorCode::PRODUCER_FENCED;

/// Two nodes, `t` with two partitions led by nodes 1 and 2, `x` coordinated by node 1.
fn two_nodes(level: i16) -> Cluster {
    let mut cluster = Cluster::new(BrokerConfig {
        nodes: 2,
        transaction_version: Some(level),
        ..Default::default()
    });
    assert!(cluster.broker.create_topic("t", 2));
    cluster.broker.move_leader("t", 0, 1);
    cluster.broker.move_leader("t", 1, 2);
    cluster.broker.move_coordinator(TRANSACTION, "x", 1);
    cluster
}

fn move_away(cluster: &mut Cluster) {
    let broker = &mut cluster.broker;
    broker.move_coordinator_loading(TRANSACTION, "x", 2, ms(100));
}

fn state(cluster: &Cluster) -> TransactionState {
    let view = cluster.broker.transaction_state("x");
    view.expect("x is known").state
}

/// Epoch of the coordinator that wrote each marker of a partition.
fn markers(cluster: &Cluster, partition: i32) -> Vec<i32> {
    let log = cluster.broker.log("t", partition).unwrap();
    let controls = log.batches().filter_map(|batch| batch.control().unwrap());
    controls
        .map(|control| match control {
            ControlRecord::Commit { coordinator_epoch }
            | ControlRecord::Abort { coordinator_epoch } => coordinator_epoch,
            other => panic!("{other:?} is no end of a transaction"),
        })
        .collect()
}

fn begin(cluster: &mut Cluster) -> Id {
    let producer = cluster.init(Some("x"), None).unwrap();
    assert_eq!(
        cluster.add_partitions(producer, &[0, 1])[0],
        ErrorCode::NONE
    );
    producer
}

#[test]
fn whatever_is_asked_while_the_coordinator_loads_is_to_be_asked_again() {
    let mut cluster = two_nodes(2);
    let producer = begin(&mut cluster);
    move_away(&mut cluster);
    assert_eq!(cluster.init(Some("x"), None), Err(LOADING));
    assert_eq!(cluster.add_partitions(producer, &[0]), [LOADING]);
    assert_eq!(cluster.add_offsets(producer, "g"), LOADING);
    assert_eq!(cluster.end(END_TV2, producer, true), Err(LOADING));
    assert_eq!(cluster.end(END_TV1, producer, true), Err(LOADING));
    let old = cluster.end_at(1, END_TV2, producer, true);
    assert_eq!(old, Err(ErrorCode::NOT_COORDINATOR));
    cluster.advance(ms(100));
    assert!(cluster.end(END_TV2, producer, true).is_ok());
}

#[test]
fn an_open_transaction_goes_on_and_its_time_as_well() {
    let mut cluster = two_nodes(2);
    let producer = begin(&mut cluster);
    let before = cluster.broker.transaction_state("x").unwrap();
    cluster.advance(ms(59_950));
    move_away(&mut cluster);
    let after = cluster.broker.transaction_state("x").unwrap();
    assert_eq!(after.started_at, before.started_at);
    assert_eq!(after.partitions, before.partitions);
    // Its time is over while nobody can act on it.
    cluster.advance(ms(99));
    assert_eq!(state(&cluster), TransactionState::Ongoing);
    cluster.advance(ms(2));
    assert_eq!(state(&cluster), TransactionState::CompleteAbort);
    assert_eq!(cluster.add_partitions(producer, &[0]), [FENCED]);
    assert_eq!(
        markers(&cluster, 0),
        [2],
        "of the coordinator that wrote it"
    );
}

#[test]
fn a_prepared_transaction_is_completed_when_it_is_loaded_and_not_before() {
    for committed in [true, false] {
        let mut cluster = two_nodes(2);
        let producer = begin(&mut cluster);
        cluster.broker.pause_markers(true);
        cluster.end(END_TV2, producer, committed).unwrap();
        move_away(&mut cluster);
        cluster.broker.pause_markers(false);
        cluster.advance(ms(99));
        assert!(state(&cluster).is_prepared(), "still loading");
        assert_eq!(markers(&cluster, 0), []);
        cluster.advance(ms(1));
        let expected = if committed {
            TransactionState::CompleteCommit
        } else {
            TransactionState::CompleteAbort
        };
        assert_eq!(state(&cluster), expected);
        assert_eq!(
            (markers(&cluster, 0), markers(&cluster, 1)),
            (vec![2], vec![2])
        );
    }
}

#[test]
fn markers_that_were_written_already_are_written_again() {
    for level in [0, 2] {
        let version = if level == 2 { END_TV2 } else { END_TV1 };
        let mut cluster = two_nodes(level);
        let producer = begin(&mut cluster);
        cluster.broker.pause_markers_to("t", 1, true);
        cluster.end(version, producer, true).unwrap();
        cluster.advance(ms(1));
        let view = cluster.broker.transaction_state("x").unwrap();
        assert_eq!(
            view.partitions,
            [("t".to_owned(), 1)],
            "the other has its marker"
        );
        assert_eq!(view.pending, Some(TransactionState::CompleteCommit));
        // That it was written is not in the log of transactions.
        move_away(&mut cluster);
        cluster.broker.pause_markers_to("t", 1, false);
        cluster.advance(ms(100));
        assert_eq!(state(&cluster), TransactionState::CompleteCommit);
        assert_eq!(markers(&cluster, 0), [1, 2]);
        assert_eq!(markers(&cluster, 1), [2]);
    }
}

#[test]
fn a_complete_or_empty_id_is_as_it_was_but_for_the_last_epoch() {
    let mut cluster = two_nodes(2);
    let first = cluster.init(Some("x"), None).unwrap();
    let second = cluster.init(Some("x"), Some(first)).unwrap();
    assert_eq!(cluster.init(Some("x"), Some(first)), Ok(second), "a retry");
    move_away(&mut cluster);
    cluster.advance(ms(100));
    // The log does not hold the last epoch, so the retry is not known for one.
    assert_eq!(cluster.init(Some("x"), Some(first)), Err(FENCED));
    cluster.add_partitions(second, &[0]);
    let third = cluster.end(END_TV2, second, true).unwrap();
    cluster.advance(ms(1));
    cluster.broker.move_coordinator(TRANSACTION, "x", 1);
    assert_eq!(state(&cluster), TransactionState::CompleteCommit);
    // The retry of an end is known by the epoch alone.
    assert_eq!(cluster.end(END_TV2, second, true), Ok(third));
}

#[test]
fn a_rotation_survives_a_move_only_if_the_log_can_hold_it() {
    for level in [0, 1, 2] {
        let mut cluster = two_nodes(level);
        let first = cluster.init(Some("x"), None).unwrap();
        let last = Id {
            epoch: i16::MAX - 1,
            ..first
        };
        cluster.broker.set_producer_epoch("x", last.epoch);
        cluster.add_partitions(last, &[0]);
        cluster.broker.pause_markers(true);
        let next = cluster.end(END_TV2, last, true).unwrap();
        assert_ne!(next.id, last.id);
        move_away(&mut cluster);
        cluster.broker.pause_markers(false);
        cluster.advance(ms(100));
        let view = cluster.broker.transaction_state("x").unwrap();
        let found = (view.producer_id, view.producer_epoch);
        // Records of level 0 have no place for the next producer id.
        let expected = if level > 0 {
            (next.id, 0)
        } else {
            (last.id, i16::MAX)
        };
        assert_eq!(found, expected, "transaction.version {level}");
    }
}

#[test]
fn an_id_whose_first_record_could_not_be_written_is_not_there_after_a_move() {
    let mut cluster = two_nodes(2);
    let broker = &mut cluster.broker;
    broker.fail_next_append("x", ErrorCode::NOT_ENOUGH_REPLICAS);
    assert!(cluster.init(Some("x"), None).is_err());
    assert_eq!(
        cluster
            .broker
            .transaction_state("x")
            .unwrap()
            .producer_epoch,
        -1
    );
    cluster.broker.move_coordinator(TRANSACTION, "x", 2);
    assert_eq!(cluster.broker.transaction_state("x"), None);
}

#[test]
fn a_fence_that_was_not_logged_is_forgotten_by_the_next_coordinator() {
    let mut cluster = two_nodes(0);
    let producer = begin(&mut cluster);
    let broker = &mut cluster.broker;
    broker.fail_next_append("x", ErrorCode::NOT_ENOUGH_REPLICAS);
    assert!(cluster.init(Some("x"), None).is_err());
    assert_eq!(cluster.end(END_TV1, producer, true), Err(FENCED));
    cluster.broker.move_coordinator(TRANSACTION, "x", 2);
    assert!(cluster.end(END_TV1, producer, true).is_ok());
}

#[test]
fn a_node_that_restarts_loads_what_it_coordinates_as_a_new_coordinator() {
    let mut cluster = Cluster::new(BrokerConfig {
        nodes: 2,
        elect_on_stop: false,
        coordinator_load: ms(50),
        ..Default::default()
    });
    assert!(cluster.broker.create_topic("t", 1));
    cluster.broker.move_leader("t", 0, 2);
    cluster.broker.move_coordinator(TRANSACTION, "x", 1);
    cluster.advance(ms(50));
    let producer = cluster.init(Some("x"), None).unwrap();
    cluster.add_partitions(producer, &[0]);
    cluster.broker.pause_markers(true);
    let next = cluster.end(END_TV2, producer, true).unwrap();
    cluster.broker.stop_node(1);
    cluster.broker.pause_markers(false);
    cluster.advance(ms(1_000));
    assert_eq!(
        state(&cluster),
        TransactionState::PrepareCommit,
        "nobody is there"
    );
    cluster.broker.start_node(1);
    assert_eq!(cluster.add_partitions(next, &[0]), [LOADING]);
    cluster.advance(ms(50));
    assert_eq!(state(&cluster), TransactionState::CompleteCommit);
    assert_eq!(markers(&cluster, 0), [2]);
    assert_eq!(cluster.add_partitions(next, &[0]), [ErrorCode::NONE]);
}

#[test]
fn a_marker_that_a_partition_refuses_stops_the_transaction_until_the_next_coordinator() {
    let mut cluster = two_nodes(0);
    let old = begin(&mut cluster);
    // A partition has seen a later epoch than the one that ends the transaction.
    let newer = crate::transaction_tools::Marker {
        epoch: old.epoch + 3,
        ..crate::transaction_tools::Marker::abort(old)
    };
    assert_eq!(cluster.write_marker(1, 0, newer, 1), ErrorCode::NONE);
    cluster.broker.pause_markers_to("t", 1, true);
    cluster.end(END_TV1, old, true).unwrap();
    cluster.advance(ms(60_000));
    let view = cluster.broker.transaction_state("x").unwrap();
    assert_eq!(view.state, TransactionState::PrepareCommit);
    assert_eq!(
        view.markers_refused,
        Some(ErrorCode::INVALID_PRODUCER_EPOCH)
    );
    assert_eq!(cluster.init(Some("x"), None), Err(CONCURRENT));
    assert!(view.to_string().contains("markers given up"), "{view}");
    cluster.broker.pause_markers_to("t", 1, false);
    assert_eq!(markers(&cluster, 1), [], "nor is any other sent again");
    cluster.broker.move_coordinator(TRANSACTION, "x", 2);
    assert_eq!(markers(&cluster, 1), [2]);
    assert!(
        state(&cluster).is_prepared(),
        "and this one is refused again"
    );
}

#[test]
fn a_marker_waits_until_enough_replicas_are_in_sync() {
    let mut cluster = Cluster::replicated(&[("min.insync.replicas", "2")]);
    let producer = cluster.init(Some("x"), None).unwrap();
    cluster.add_partitions(producer, &[0]);
    for follower in [2, 3] {
        assert!(cluster.broker.shrink_isr("t", 0, follower));
    }
    cluster.end(END_TV2, producer, true).unwrap();
    cluster.advance(ms(1_000));
    assert_eq!(state(&cluster), TransactionState::PrepareCommit);
    assert_eq!(markers(&cluster, 0), []);
    assert!(cluster.broker.expand_isr("t", 0, 2));
    cluster.advance(ms(100));
    assert_eq!(state(&cluster), TransactionState::CompleteCommit);
    assert_eq!(markers(&cluster, 0).len(), 1);
}

#[test]
fn a_transaction_waits_for_no_topic_that_is_gone() {
    for by_request in [false, true] {
        let mut cluster = two_nodes(2);
        assert!(cluster.broker.create_topic("u", 1));
        let producer = begin(&mut cluster);
        cluster.broker.move_leader("t", 0, -1);
        cluster.broker.move_leader("t", 1, -1);
        cluster.end(END_TV2, producer, true).unwrap();
        cluster.advance(ms(100));
        assert!(
            state(&cluster).is_prepared(),
            "nobody can write the markers"
        );
        if by_request {
            let request = DeleteTopicsRequest {
                topics: vec![DeleteTopicState {
                    name: Some("t"),
                    ..Default::default()
                }],
                timeout_ms: 1_000,
                ..Default::default()
            };
            cluster.ask(1, 6, &request, |_| ());
        } else {
            assert!(cluster.broker.delete_topic("t"));
        }
        cluster.advance(ms(1_000));
        assert_eq!(state(&cluster), TransactionState::CompleteCommit);
    }
}

#[test]
fn a_marker_counts_when_all_replicas_in_sync_have_it() {
    for crashes in [false, true] {
        let mut cluster = Cluster::replicated(&[]);
        let producer = cluster.init(Some("x"), None).unwrap();
        cluster
            .write_tv2(transactional(producer, 0, &["a"]))
            .unwrap();
        for node in [2, 3] {
            assert!(cluster.broker.pause_replica("t", 0, node));
        }
        cluster.broker.move_coordinator(TRANSACTION, "x", 2);
        cluster.end(END_TV2, producer, true).unwrap();
        cluster.advance(ms(100));
        assert_eq!(state(&cluster), TransactionState::PrepareCommit);
        if crashes {
            // The next leader does not have it.
            cluster.broker.crash_node(1, Keep::HighWatermark);
        }
        for node in [2, 3] {
            assert!(cluster.broker.resume_replica("t", 0, node));
        }
        cluster.advance(ms(100));
        assert_eq!(state(&cluster), TransactionState::CompleteCommit);
        let log = cluster.broker.log("t", 0).unwrap();
        assert_eq!(log.last_stable_offset(), 2);
        assert_eq!(markers(&cluster, 0).len(), 1);
        assert_eq!(cluster.committed_values("t", 0), ["a"]);
    }
}
