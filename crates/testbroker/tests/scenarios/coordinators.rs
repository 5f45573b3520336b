//! Where coordinators are, how they move, and what they say while loading.

use milena_testbroker::{BrokerConfig, CoordinatorKind, TransactionState};
use milena_wire::ErrorCode;
use milena_wire::messages::{
    FindCoordinatorRequest, MetadataRequest, MetadataRequestTopic, PartitionProduceData,
    ProduceRequest, TopicProduceData,
};

use crate::harness::{Cluster, Id, ms, plain, transactional};
use crate::requests::{END_TV2, PRODUCE_TV1, PRODUCE_TV2};

const TRANSACTION: CoordinatorKind = CoordinatorKind::Transaction;
const NOT_COORDINATOR: ErrorCode = ErrorCode::NOT_COORDINATOR;

/// Two nodes; `x` and group `g` are coordinated by node 1, `t-0` is led by node 1.
fn two_nodes() -> Cluster {
    let config = BrokerConfig {
        nodes: 2,
        marker_delay: ms(50),
        ..Default::default()
    };
    let mut cluster = Cluster::with_topic(config);
    cluster.broker.move_coordinator(TRANSACTION, "x", 1);
    cluster
        .broker
        .move_coordinator(CoordinatorKind::Group, "g", 1);
    cluster
}

fn find(cluster: &mut Cluster, version: i16, key_type: i8, key: &str) -> Result<i32, ErrorCode> {
    let mut request = FindCoordinatorRequest {
        key_type,
        ..Default::default()
    };
    if version < 4 {
        request.key = key;
    } else {
        request.coordinator_keys = vec![key];
    }
    cluster.ask(2, version, &request, |response| {
        let (error, node) = match response.coordinators.first() {
            Some(found) => (found.error_code, found.node_id),
            None => (response.error_code, response.node_id),
        };
        if error.is_ok() { Ok(node) } else { Err(error) }
    })
}

#[test]
fn every_version_finds_the_coordinator() {
    let mut cluster = two_nodes();
    for version in 0..=6 {
        assert_eq!(
            find(&mut cluster, version, 0, "g"),
            Ok(1),
            "version {version}"
        );
    }
    for version in 1..=6 {
        assert_eq!(
            find(&mut cluster, version, 1, "x"),
            Ok(1),
            "version {version}"
        );
    }
    assert_eq!(
        find(&mut cluster, 6, 2, "g:t:0"),
        Err(ErrorCode::INVALID_REQUEST)
    );
    cluster.broker.move_coordinator(TRANSACTION, "x", 2);
    assert_eq!(find(&mut cluster, 4, 1, "x"), Ok(2));
    assert_eq!(
        find(&mut cluster, 4, 0, "g"),
        Ok(1),
        "groups do not move with it"
    );
}

#[test]
fn a_node_that_is_not_the_coordinator_says_so() {
    let mut cluster = two_nodes();
    let producer = cluster.init(Some("x"), None).unwrap();
    cluster.broker.move_coordinator(TRANSACTION, "x", 2);
    cluster
        .broker
        .move_coordinator(CoordinatorKind::Group, "g", 2);
    assert_eq!(cluster.init_at(1, 4, Some("x"), None), Err(NOT_COORDINATOR));
    assert_eq!(
        cluster.end_at(1, END_TV2, producer, true),
        Err(NOT_COORDINATOR)
    );
    let request = crate::requests::offset_commit_request(producer, "g", 1);
    let code = cluster.ask(1, 5, &request, |response| {
        response.topics[0].partitions[0].error_code
    });
    assert_eq!(code, NOT_COORDINATOR);
    // An idempotent producer can ask anywhere.
    assert!(cluster.init_at(1, 4, None, None).is_ok());
    assert!(cluster.init_at(2, 4, Some("x"), None).is_ok());
}

#[test]
fn a_moved_coordinator_knows_the_transaction_once_it_has_loaded() {
    let mut cluster = two_nodes();
    let producer = cluster.init(Some("x"), None).unwrap();
    cluster
        .write_tv2(transactional(producer, 0, &["a"]))
        .unwrap();
    cluster
        .broker
        .move_coordinator_loading(TRANSACTION, "x", 2, ms(100));
    let loading = Err(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
    assert_eq!(cluster.end(END_TV2, producer, true), loading);
    cluster.advance(ms(99));
    assert_eq!(cluster.end(END_TV2, producer, true), loading);
    cluster.advance(ms(1));
    assert!(cluster.end(END_TV2, producer, true).is_ok());
    cluster.advance(ms(50));
    let marker = cluster
        .broker
        .log("t", 0)
        .unwrap()
        .batches()
        .next_back()
        .unwrap();
    let control = format!("{:?}", marker.control().unwrap().unwrap());
    assert_eq!(
        control, "Commit { coordinator_epoch: 2 }",
        "each move raises its epoch"
    );
}

#[test]
fn a_write_that_cannot_be_verified_is_one_to_be_retried() {
    let mut cluster = two_nodes();
    let producer = cluster.init(Some("x"), None).unwrap();
    cluster
        .broker
        .move_coordinator_loading(TRANSACTION, "x", 2, ms(100));
    let write = |cluster: &mut Cluster, version, producer: Id| {
        cluster.produce(1, version, Some("x"), 0, transactional(producer, 0, &["a"]))
    };
    let retry = Err(ErrorCode::NOT_ENOUGH_REPLICAS);
    assert_eq!(write(&mut cluster, PRODUCE_TV2, producer), retry);
    assert_eq!(write(&mut cluster, PRODUCE_TV1, producer), retry);
    cluster.advance(ms(100));
    assert_eq!(write(&mut cluster, PRODUCE_TV2, producer), Ok(0));
}

#[test]
fn a_prepared_transaction_is_completed_by_the_next_coordinator() {
    let mut cluster = two_nodes();
    cluster.broker.move_leader("t", 0, 2);
    let producer = cluster.init(Some("x"), None).unwrap();
    let batch = transactional(producer, 0, &["a"]);
    cluster
        .produce(2, PRODUCE_TV2, Some("x"), 0, batch)
        .unwrap();
    cluster.end(END_TV2, producer, true).unwrap();
    cluster.broker.stop_node(1);
    assert_eq!(cluster.broker.coordinator(TRANSACTION, "x"), 2);
    cluster.advance(ms(50));
    let view = cluster.broker.transaction_state("x").unwrap();
    assert_eq!(view.state, TransactionState::CompleteCommit);
    assert_eq!(cluster.committed_values("t", 0), ["a"]);
}

#[test]
fn without_election_there_is_no_coordinator_while_its_node_is_down() {
    let config = BrokerConfig {
        nodes: 2,
        elect_on_stop: false,
        ..Default::default()
    };
    let mut cluster = Cluster::with_topic(config);
    cluster.broker.move_coordinator(TRANSACTION, "x", 1);
    cluster.broker.stop_node(1);
    assert_eq!(
        find(&mut cluster, 4, 1, "x"),
        Err(ErrorCode::COORDINATOR_NOT_AVAILABLE)
    );
    cluster.broker.start_node(1);
    assert_eq!(find(&mut cluster, 4, 1, "x"), Ok(1));
}

fn internal(cluster: &mut Cluster, name: Option<&str>) -> Vec<(String, ErrorCode, bool, usize)> {
    let named = |name| MetadataRequestTopic {
        name: Some(name),
        ..Default::default()
    };
    let request = MetadataRequest {
        topics: name.map(|name| vec![named(name)]),
        ..Default::default()
    };
    cluster.ask(1, 12, &request, |response| {
        let topics = response.topics.iter();
        let rows = topics.map(|it| {
            let name = it.name.unwrap_or_default().to_owned();
            (name, it.error_code, it.is_internal, it.partitions.len())
        });
        rows.collect()
    })
}

#[test]
fn the_first_look_for_a_coordinator_creates_its_internal_topic() {
    let mut cluster = two_nodes();
    let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    let shown = internal(&mut cluster, Some("__consumer_offsets"));
    assert_eq!(shown, [("__consumer_offsets".into(), unknown, true, 0)]);
    assert_eq!(find(&mut cluster, 4, 0, "g"), Ok(1));
    let offsets = ("__consumer_offsets".into(), ErrorCode::NONE, true, 50);
    let t = ("t".into(), ErrorCode::NONE, false, 1);
    assert_eq!(internal(&mut cluster, None), [offsets.clone(), t.clone()]);
    assert_eq!(find(&mut cluster, 4, 1, "x"), Ok(1));
    let state = ("__transaction_state".into(), ErrorCode::NONE, true, 50);
    assert_eq!(internal(&mut cluster, None), [offsets, state, t]);
}

#[test]
fn clients_do_not_write_to_internal_topics() {
    let mut cluster = two_nodes();
    assert_eq!(find(&mut cluster, 4, 0, "g"), Ok(1));
    let data = PartitionProduceData {
        records: Some(plain(&["a"])),
        ..Default::default()
    };
    let request = ProduceRequest {
        acks: -1,
        timeout_ms: 1_000,
        topic_data: vec![TopicProduceData {
            name: "__consumer_offsets",
            partition_data: vec![data],
            ..Default::default()
        }],
        ..Default::default()
    };
    let written = cluster.ask(1, PRODUCE_TV2, &request, |response| {
        response.responses[0].partition_responses[0].error_code
    });
    assert_eq!(written, ErrorCode::INVALID_TOPIC_EXCEPTION);
}
