//! What administrators' tools ask: DescribeTransactions, ListTransactions, DescribeProducers and
//! WriteTxnMarkers, on transactions in good order and on those that hang.

use milena_testbroker::{BrokerConfig, CoordinatorKind, Emulate, TransactionState};
use milena_wire::messages::{
    DescribeProducersRequest, DescribeProducersTopicRequest, DescribeTransactionsRequest,
    ListTransactionsRequest, WritableTxnMarker, WritableTxnMarkerTopic, WriteTxnMarkersRequest,
    WriteTxnMarkersResponse,
};
use milena_wire::{ApiVersion, ErrorCode, decode_response};

use crate::harness::{Cluster, Id, idempotent, ms, transactional};
use crate::requests::{END_TV1, END_TV2, PRODUCE_TV1, PRODUCE_TV2};

const NONE: ErrorCode = ErrorCode::NONE;
const EPOCH: ErrorCode = ErrorCode::INVALID_PRODUCER_EPOCH;

/// A marker for one partition of `t`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Marker {
    pub(crate) producer_id: i64,
    pub(crate) epoch: i16,
    pub(crate) coordinator_epoch: i32,
    pub(crate) committed: bool,
    pub(crate) transaction_version: i8,
}

impl Marker {
    pub(crate) fn abort(producer: Id) -> Self {
        Self {
            producer_id: producer.id,
            epoch: producer.epoch,
            coordinator_epoch: 0,
            committed: false,
            transaction_version: 0,
        }
    }
}

impl Cluster {
    pub(crate) fn write_marker(
        &mut self,
        node: i32,
        partition: i32,
        marker: Marker,
        version: i16,
    ) -> ErrorCode {
        let request = WriteTxnMarkersRequest {
            markers: vec![WritableTxnMarker {
                producer_id: marker.producer_id,
                producer_epoch: marker.epoch,
                transaction_result: marker.committed,
                topics: vec![WritableTxnMarkerTopic {
                    name: "t",
                    partition_indexes: vec![partition].into(),
                }],
                coordinator_epoch: marker.coordinator_epoch,
                transaction_version: marker.transaction_version,
            }],
        };
        self.ask(node, version, &request, |response| {
            let marked = &response.markers[0];
            assert_eq!(marked.producer_id, marker.producer_id);
            marked.topics[0].partitions[0].error_code
        })
    }

    fn describe_transaction(&mut self, node: i32, id: &str) -> Result<Described, ErrorCode> {
        let request = DescribeTransactionsRequest {
            transactional_ids: vec![id],
        };
        self.ask(node, 0, &request, |response| {
            let found = &response.transaction_states[0];
            assert_eq!(found.transactional_id, id);
            if !found.error_code.is_ok() {
                return Err(found.error_code);
            }
            let partitions = found.topics.iter().flat_map(|topic| {
                let indexes = topic.partitions.iter();
                indexes.map(|index| format!("{}-{index}", topic.topic))
            });
            Ok(Described {
                state: found.transaction_state.to_owned(),
                timeout_ms: found.transaction_timeout_ms,
                started_at: found.transaction_start_time_ms,
                producer: (found.producer_id, found.producer_epoch),
                partitions: partitions.collect(),
            })
        })
    }

    fn list(&mut self, node: i32, request: &ListTransactionsRequest<'_>) -> Vec<String> {
        self.ask(node, 2, request, |response| {
            assert_eq!(response.error_code, NONE);
            let found = response.transaction_states.iter();
            found
                .map(|found| format!("{} {}", found.transactional_id, found.transaction_state))
                .collect()
        })
    }

    fn producers(
        &mut self,
        node: i32,
        topic: &str,
        partition: i32,
    ) -> Result<Producers, ErrorCode> {
        let request = DescribeProducersRequest {
            topics: vec![DescribeProducersTopicRequest {
                name: topic,
                partition_indexes: vec![partition].into(),
            }],
        };
        self.ask(node, 0, &request, |response| {
            let found = &response.topics[0].partitions[0];
            if !found.error_code.is_ok() {
                return Err(found.error_code);
            }
            let active = found.active_producers.iter();
            Ok(active
                .map(|found| {
                    [
                        found.producer_id,
                        i64::from(found.producer_epoch),
                        i64::from(found.last_sequence),
                        i64::from(found.coordinator_epoch),
                        found.current_txn_start_offset,
                    ]
                })
                .collect())
        })
    }
}

/// Producer id, epoch, last sequence, coordinator epoch, start of the open transaction.
type Producers = Vec<[i64; 5]>;

#[derive(Debug, PartialEq)]
struct Described {
    state: String,
    timeout_ms: i32,
    started_at: i64,
    producer: (i64, i16),
    partitions: Vec<String>,
}

fn cluster() -> Cluster {
    let mut cluster = Cluster::new(BrokerConfig {
        wall_clock_start: 1_000_000,
        ..Default::default()
    });
    assert!(cluster.broker.create_topic("t", 2));
    cluster
}

#[test]
fn a_transaction_is_described_in_each_state() {
    let mut cluster = cluster();
    let producer = cluster.init(Some("x"), None).unwrap();
    let mut expected = Described {
        state: "Empty".to_owned(),
        timeout_ms: 60_000,
        started_at: -1,
        producer: (producer.id, 0),
        partitions: Vec::new(),
    };
    let described = cluster.describe_transaction(1, "x").unwrap();
    assert_eq!(described, expected);
    cluster.advance(ms(500));
    cluster.add_partitions(producer, &[0, 1]);
    cluster.add_offsets(producer, "g");
    let described = cluster.describe_transaction(1, "x").unwrap();
    assert!(described.partitions[0].starts_with("__consumer_offsets-"));
    assert_eq!(described.partitions[1..], ["t-0", "t-1"]);
    expected.state = "Ongoing".to_owned();
    expected.started_at = 1_000_500;
    expected.partitions = described.partitions.clone();
    assert_eq!(described, expected);
    cluster.broker.pause_markers_to("t", 1, true);
    let next = cluster.end(END_TV2, producer, true).unwrap();
    cluster.advance(ms(1));
    expected.state = "PrepareCommit".to_owned();
    expected.producer = (next.id, next.epoch);
    expected.partitions = vec!["t-1".to_owned()];
    assert_eq!(cluster.describe_transaction(1, "x").unwrap(), expected);
    cluster.broker.pause_markers_to("t", 1, false);
    expected.state = "CompleteCommit".to_owned();
    expected.partitions.clear();
    assert_eq!(cluster.describe_transaction(1, "x").unwrap(), expected);
}

#[test]
fn kafka_3_9_shows_the_start_of_the_transaction_before_until_the_next() {
    for (emulate, started_at) in [(Emulate::V3_9, 1_000_000), (Emulate::V4_3, -1)] {
        let mut cluster = Cluster::new(BrokerConfig {
            emulate,
            wall_clock_start: 1_000_000,
            ..Default::default()
        });
        assert!(cluster.broker.create_topic("t", 1));
        let producer = cluster.init(Some("x"), None).unwrap();
        cluster.add_partitions(producer, &[0]);
        cluster.advance(ms(500));
        cluster.end(END_TV1, producer, true).unwrap();
        cluster.advance(ms(500));
        cluster.init(Some("x"), None).unwrap();
        let described = cluster.describe_transaction(1, "x").unwrap();
        assert_eq!(described.state, "Empty");
        assert_eq!(described.started_at, started_at, "{emulate:?}");
    }
}

#[test]
fn only_the_coordinator_describes_a_transaction() {
    let mut cluster = Cluster::with_topic(BrokerConfig {
        nodes: 2,
        ..Default::default()
    });
    let kind = CoordinatorKind::Transaction;
    cluster.broker.move_coordinator(kind, "x", 1);
    cluster.init(Some("x"), None).unwrap();
    let error = |cluster: &mut Cluster, node, id| cluster.describe_transaction(node, id).err();
    assert_eq!(error(&mut cluster, 1, "x"), None);
    assert_eq!(
        error(&mut cluster, 2, "x"),
        Some(ErrorCode::NOT_COORDINATOR)
    );
    assert_eq!(error(&mut cluster, 1, ""), Some(ErrorCode::INVALID_REQUEST));
    cluster.broker.move_coordinator(kind, "y", 1);
    let unknown = Some(ErrorCode::TRANSACTIONAL_ID_NOT_FOUND);
    assert_eq!(error(&mut cluster, 1, "y"), unknown);
    cluster
        .broker
        .move_coordinator_loading(kind, "x", 2, ms(10));
    let loading = Some(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
    assert_eq!(error(&mut cluster, 2, "x"), loading);
}

/// `a1` is empty, `a2` has been open for 5 s, `b1` is prepared to abort, `b2` has committed.
fn four() -> (Cluster, Vec<Id>) {
    let mut cluster = cluster();
    let names = ["a1", "a2", "b1", "b2"];
    let ids = names.map(|name| cluster.init(Some(name), None).unwrap());
    for (name, id) in names.into_iter().zip(ids).skip(1) {
        let batch = transactional(id, 0, &["v"]);
        let written = cluster.produce(1, PRODUCE_TV2, Some(name), 0, batch);
        assert!(written.is_ok());
    }
    cluster.broker.pause_markers_of("b1", true);
    for (name, id, committed) in [("b1", ids[2], false), ("b2", ids[3], true)] {
        let mut request = crate::requests::end_request(id, committed);
        request.transactional_id = name;
        let error = cluster.ask(1, END_TV2, &request, |response| response.error_code);
        assert_eq!(error, NONE);
    }
    cluster.advance(ms(5_000));
    (cluster, ids.to_vec())
}

#[test]
fn transactions_are_listed_by_state_producer_age_and_pattern() {
    let (mut cluster, ids) = four();
    let all = ListTransactionsRequest::default();
    let all = ListTransactionsRequest {
        duration_filter: -1,
        ..all
    };
    let everything = [
        "a1 Empty",
        "a2 Ongoing",
        "b1 PrepareAbort",
        "b2 CompleteCommit",
    ];
    assert_eq!(cluster.list(1, &all), everything);
    let by_state = |states: &[&'static str]| ListTransactionsRequest {
        state_filters: states.to_vec(),
        ..all.clone()
    };
    let found = cluster.list(1, &by_state(&["Ongoing", "CompleteCommit"]));
    assert_eq!(found, ["a2 Ongoing", "b2 CompleteCommit"]);
    assert_eq!(cluster.list(1, &by_state(&["Nope"])), Vec::<String>::new());
    assert_eq!(cluster.list(1, &by_state(&["Dead"])), Vec::<String>::new());
    let by_producer = ListTransactionsRequest {
        producer_id_filters: vec![ids[0].id, ids[2].id].into(),
        ..all.clone()
    };
    assert_eq!(
        cluster.list(1, &by_producer),
        ["a1 Empty", "b1 PrepareAbort"]
    );
    // What never began counts as very old.
    let by_age = |duration_filter| ListTransactionsRequest {
        duration_filter,
        ..all.clone()
    };
    assert_eq!(cluster.list(1, &by_age(4_999)), everything);
    assert_eq!(cluster.list(1, &by_age(5_000)), ["a1 Empty"]);
    assert_eq!(cluster.list(1, &by_age(0)), everything);
    let by_pattern = |pattern| ListTransactionsRequest {
        transactional_id_pattern: Some(pattern),
        ..all.clone()
    };
    assert_eq!(cluster.list(1, &by_pattern("a.")), everything[..2]);
    assert_eq!(
        cluster.list(1, &by_pattern("a|1")),
        Vec::<String>::new(),
        "the whole id"
    );
    assert_eq!(
        cluster.list(1, &by_pattern("[ab]1")),
        ["a1 Empty", "b1 PrepareAbort"]
    );
    assert_eq!(cluster.list(1, &by_pattern("")), everything);
    let both = ListTransactionsRequest {
        state_filters: vec!["Ongoing", "PrepareAbort"],
        ..by_pattern("b.*")
    };
    assert_eq!(cluster.list(1, &both), ["b1 PrepareAbort"]);
}

#[test]
fn what_a_listing_cannot_mean_is_said() {
    let (mut cluster, _) = four();
    let request = ListTransactionsRequest {
        state_filters: vec!["Nope", "Ongoing", "ongoing", "Nope", "PrepareEpochFence"],
        duration_filter: -1,
        ..Default::default()
    };
    for version in 0..=2 {
        let (unknown, found) = cluster.ask(1, version, &request, |response| {
            let unknown = response.unknown_state_filters.iter();
            let unknown: Vec<String> = unknown.map(|name| (*name).to_owned()).collect();
            (unknown, response.transaction_states.len())
        });
        assert_eq!(
            (unknown, found),
            (vec!["Nope".to_owned(), "ongoing".to_owned()], 1)
        );
    }
    for pattern in ["(", "a)(b", "[", "*"] {
        let request = ListTransactionsRequest {
            transactional_id_pattern: Some(pattern),
            ..Default::default()
        };
        let error = cluster.ask(1, 2, &request, |response| response.error_code);
        assert_eq!(error, ErrorCode::INVALID_REGULAR_EXPRESSION, "{pattern}");
    }
}

#[test]
fn each_node_lists_what_it_coordinates_and_nothing_while_it_loads() {
    let mut cluster = Cluster::with_topic(BrokerConfig {
        nodes: 2,
        ..Default::default()
    });
    let kind = CoordinatorKind::Transaction;
    for (id, node) in [("x", 1), ("y", 2)] {
        cluster.broker.move_coordinator(kind, id, node);
        cluster.init(Some(id), None).unwrap();
    }
    let all = ListTransactionsRequest {
        duration_filter: -1,
        ..Default::default()
    };
    assert_eq!(cluster.list(1, &all), ["x Empty"]);
    assert_eq!(cluster.list(2, &all), ["y Empty"]);
    cluster
        .broker
        .move_coordinator_loading(kind, "x", 2, ms(10));
    assert_eq!(cluster.list(1, &all), Vec::<String>::new());
    let error = cluster.ask(2, 0, &all, |response| response.error_code);
    assert_eq!(error, ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
    cluster.advance(ms(10));
    assert_eq!(cluster.list(2, &all), ["x Empty", "y Empty"]);
}

#[test]
fn the_producers_of_a_partition_are_described() {
    let mut cluster = cluster();
    let plain = cluster.init(None, None).unwrap();
    let producer = cluster.init(Some("x"), None).unwrap();
    cluster.write(idempotent(plain, 0, &["a", "b"])).unwrap();
    cluster
        .write_tv2(transactional(producer, 0, &["c"]))
        .unwrap();
    let described = [[plain.id, 0, 1, -1, -1], [producer.id, 0, 0, -1, 2]];
    assert_eq!(cluster.producers(1, "t", 0), Ok(described.to_vec()));
    cluster.end(END_TV2, producer, true).unwrap();
    cluster.advance(ms(1));
    let described = [[plain.id, 0, 1, -1, -1], [producer.id, 1, -1, 0, -1]];
    assert_eq!(cluster.producers(1, "t", 0), Ok(described.to_vec()));
    assert_eq!(cluster.producers(1, "t", 1), Ok(vec![]));
    let unknown = Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    assert_eq!(cluster.producers(1, "t", 2), unknown);
    assert_eq!(cluster.producers(1, "nope", 0), unknown);
    let illegal = Err(ErrorCode::INVALID_TOPIC_EXCEPTION);
    assert_eq!(cluster.producers(1, "no/pe", 0), illegal);
}

#[test]
fn markers_from_outside_are_judged_as_by_a_leader() {
    let mut cluster = cluster();
    let producer = cluster.init(Some("x"), None).unwrap();
    cluster
        .write_tv2(transactional(producer, 0, &["a"]))
        .unwrap();
    let marker = Marker::abort(producer);
    let with_epoch = |by: i16| Marker {
        epoch: producer.epoch + by,
        ..marker
    };
    let tv2 = |marker| Marker {
        transaction_version: 2,
        ..marker
    };
    assert_eq!(cluster.write_marker(1, 0, with_epoch(-1), 1), EPOCH);
    assert_eq!(
        cluster.write_marker(1, 0, tv2(marker), 2),
        EPOCH,
        "not raised"
    );
    assert_eq!(
        cluster.write_marker(1, 7, marker, 1),
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
    );
    let later = Marker {
        coordinator_epoch: 5,
        ..tv2(with_epoch(1))
    };
    assert_eq!(cluster.write_marker(1, 0, later, 2), NONE);
    assert_eq!(cluster.broker.log("t", 0).unwrap().last_stable_offset(), 2);
    assert_eq!(
        cluster.write_marker(1, 0, later, 2),
        NONE,
        "a copy does no harm"
    );
    let stale = Marker {
        coordinator_epoch: 4,
        ..later
    };
    let fenced = ErrorCode::TRANSACTION_COORDINATOR_FENCED;
    assert_eq!(cluster.write_marker(1, 0, stale, 2), fenced);
    // The version before does not know of transaction versions.
    assert_eq!(cluster.write_marker(1, 0, tv2(later), 1), NONE);
}

#[test]
fn markers_go_to_the_leader_and_are_answered_by_producer() {
    let mut cluster = Cluster::new(BrokerConfig {
        nodes: 2,
        ..Default::default()
    });
    assert!(cluster.broker.create_topic("t", 1));
    cluster.broker.set_replicas("t", 0, &[1, 2]);
    cluster.broker.move_leader("t", 0, 1);
    let marker = Marker::abort(Id { id: 5, epoch: 0 });
    let moved = ErrorCode::NOT_LEADER_OR_FOLLOWER;
    assert_eq!(cluster.write_marker(2, 0, marker, 1), moved);
    assert_eq!(cluster.write_marker(1, 0, marker, 1), NONE);
    cluster.broker.set_replicas("t", 0, &[1]);
    let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    assert_eq!(cluster.write_marker(2, 0, marker, 1), unknown);
    let nothing = WriteTxnMarkersRequest::default();
    let answered = cluster.ask(1, 1, &nothing, |response| response.markers.len());
    assert_eq!(answered, 0);
}

#[test]
fn a_hanging_transaction_is_found_and_aborted_from_outside() {
    let mut cluster = cluster();
    let producer = cluster.init(Some("x"), None).unwrap();
    for partition in [0, 1] {
        let batch = transactional(producer, 0, &["a"]);
        let written = cluster.produce(1, PRODUCE_TV2, Some("x"), partition, batch);
        assert_eq!(written, Ok(0));
    }
    assert!(cluster.broker.leave_hanging("x", "t", 1));
    assert!(!cluster.broker.leave_hanging("x", "t", 1));
    cluster.end(END_TV2, producer, true).unwrap();
    cluster.advance(ms(1));
    let view = cluster.broker.transaction_state("x").unwrap();
    assert_eq!(view.state, TransactionState::CompleteCommit);
    assert_eq!(cluster.broker.log("t", 1).unwrap().last_stable_offset(), 0);
    // As `kafka-transactions.sh` finds it: open in a partition, and unknown to the coordinator.
    let [found] = cluster.producers(1, "t", 1).unwrap()[..] else {
        panic!("one producer");
    };
    assert_eq!(found, [producer.id, 0, 0, -1, 0]);
    assert_eq!(
        cluster.describe_transaction(1, "x").unwrap().partitions,
        Vec::<String>::new()
    );
    let marker = Marker {
        coordinator_epoch: 0,
        ..Marker::abort(producer)
    };
    assert_eq!(cluster.write_marker(1, 1, marker, 1), NONE);
    let log = cluster.broker.log("t", 1).unwrap();
    assert_eq!(
        (log.last_stable_offset(), log.aborted_transactions().len()),
        (2, 1)
    );
    assert_eq!(cluster.committed_values("t", 1), Vec::<String>::new());
}

#[test]
fn a_late_write_hangs_under_tv1_when_its_coordinator_has_forgotten() {
    let mut cluster = Cluster::with_topic(BrokerConfig {
        transaction_version: Some(0),
        ..Default::default()
    });
    let producer = cluster.init(Some("x"), None).unwrap();
    cluster.add_partitions(producer, &[0]);
    let batch = transactional(producer, 0, &["a"]);
    assert_eq!(cluster.produce(1, PRODUCE_TV1, Some("x"), 0, batch), Ok(0));
    assert!(cluster.broker.forget_transactional_id("x"));
    let mapping = ErrorCode::INVALID_PRODUCER_ID_MAPPING;
    assert_eq!(cluster.end(END_TV1, producer, false), Err(mapping));
    cluster.advance(ms(120_000));
    assert_eq!(cluster.broker.log("t", 0).unwrap().last_stable_offset(), 0);
}

#[test]
fn markers_can_be_held_back_one_id_at_a_time() {
    let mut cluster = cluster();
    cluster.broker.pause_markers_of("x", true);
    let producer = cluster.init(Some("x"), None).unwrap();
    cluster.add_partitions(producer, &[0]);
    cluster.end(END_TV2, producer, true).unwrap();
    cluster.advance(ms(1_000));
    let view = cluster.broker.transaction_state("x").unwrap();
    assert_eq!(view.state, TransactionState::PrepareCommit);
    let dump = cluster.broker.dump();
    assert!(
        dump.contains("x: PrepareCommit (on the way to CompleteCommit)"),
        "{dump}"
    );
    cluster.broker.pause_markers_of("x", false);
    let view = cluster.broker.transaction_state("x").unwrap();
    assert_eq!(
        (view.state, view.pending),
        (TransactionState::CompleteCommit, None)
    );
}

#[test]
fn markers_are_answered_when_all_replicas_in_sync_have_them() {
    let mut cluster = Cluster::replicated(&[]);
    let request = WriteTxnMarkersRequest {
        markers: vec![WritableTxnMarker {
            producer_id: 5,
            topics: vec![WritableTxnMarkerTopic {
                name: "t",
                partition_indexes: vec![0].into(),
            }],
            ..Default::default()
        }],
    };
    let answered = |cluster: &mut Cluster, conn| {
        let frame = cluster.receive(conn)?;
        let response =
            decode_response::<WriteTxnMarkersResponse<'_>>(&frame, ApiVersion(1)).unwrap();
        Some(response.markers[0].topics[0].partitions[0].error_code)
    };
    cluster.broker.pause_replica("t", 0, 2);
    let conn = cluster.connect(1);
    cluster.send(conn, 1, &request);
    assert_eq!((cluster.high_watermark(), cluster.log_end()), (0, 1));
    assert_eq!(answered(&mut cluster, conn), None);
    cluster.broker.resume_replica("t", 0, 2);
    assert_eq!(answered(&mut cluster, conn), Some(NONE));
    // Who loses the leadership meanwhile cannot say.
    cluster.broker.pause_replica("t", 0, 2);
    cluster.send(conn, 1, &request);
    cluster.broker.move_leader("t", 0, 3);
    let moved = ErrorCode::NOT_LEADER_OR_FOLLOWER;
    assert_eq!(answered(&mut cluster, conn), Some(moved));
}

#[test]
fn markers_that_replicas_in_sync_do_not_take_time_out_behind_thirty_seconds() {
    let mut cluster = Cluster::with_topic(BrokerConfig {
        nodes: 2,
        replica_lag_max: ms(120_000),
        ..Default::default()
    });
    cluster.broker.set_replicas("t", 0, &[1, 2]);
    cluster.broker.pause_replica("t", 0, 2);
    let started = cluster.now;
    let marker = Marker::abort(Id { id: 5, epoch: 0 });
    let late = ErrorCode::REQUEST_TIMED_OUT;
    assert_eq!(cluster.write_marker(1, 0, marker, 1), late);
    assert_eq!(cluster.now - started, ms(30_000));
}
