//! AddPartitionsToTxn in all its forms, and FindCoordinator in all of its.

use milena_testbroker::{BrokerConfig, CoordinatorKind};
use milena_wire::ErrorCode;
use milena_wire::messages::{
    AddPartitionsToTxnRequest, AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction,
    FindCoordinatorRequest,
};

use crate::harness::{Cluster, Id};

const NONE: ErrorCode = ErrorCode::NONE;
const MAPPING: ErrorCode = ErrorCode::INVALID_PRODUCER_ID_MAPPING;
const UNKNOWN: ErrorCode = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
const NOT_ATTEMPTED: ErrorCode = ErrorCode::OPERATION_NOT_ATTEMPTED;

fn cluster() -> Cluster {
    let mut cluster = Cluster::new(BrokerConfig::default());
    assert!(cluster.broker.create_topic("t", 2));
    cluster
}

fn transaction(
    id: &'static str,
    producer: Id,
    verify_only: bool,
    partitions: &[i32],
) -> AddPartitionsToTxnTransaction<'static> {
    AddPartitionsToTxnTransaction {
        transactional_id: id,
        producer_id: producer.id,
        producer_epoch: producer.epoch,
        verify_only,
        topics: vec![AddPartitionsToTxnTopic {
            name: "t",
            partitions: partitions.to_vec().into(),
        }],
    }
}

/// The errors of each transaction of a batch, in its order.
fn add(
    cluster: &mut Cluster,
    version: i16,
    transactions: Vec<AddPartitionsToTxnTransaction<'_>>,
) -> Vec<(String, Vec<ErrorCode>)> {
    let request = AddPartitionsToTxnRequest {
        transactions,
        ..Default::default()
    };
    cluster.ask(1, version, &request, |response| {
        assert_eq!(response.error_code, NONE);
        let results = response.results_by_transaction.iter();
        results
            .map(|result| {
                let topics = result.topic_results.iter();
                let partitions = topics.flat_map(|topic| &topic.results_by_partition);
                let errors = partitions.map(|partition| partition.partition_error_code);
                (result.transactional_id.to_owned(), errors.collect())
            })
            .collect()
    })
}

fn partitions(cluster: &Cluster, id: &str) -> Vec<i32> {
    let view = cluster.broker.transaction_state(id).unwrap();
    view.partitions
        .into_iter()
        .map(|(_, index)| index)
        .collect()
}

#[test]
fn a_batch_adds_to_each_transaction_by_itself() {
    for version in [4, 5] {
        let mut cluster = cluster();
        let x = cluster.init(Some("x"), None).unwrap();
        let y = cluster.init(Some("y"), None).unwrap();
        let stale = Id {
            epoch: y.epoch + 1,
            ..y
        };
        let answer = add(
            &mut cluster,
            version,
            vec![
                transaction("x", x, false, &[0, 1]),
                transaction("y", stale, false, &[0]),
                transaction("z", x, false, &[0]),
            ],
        );
        let expected = [
            ("x".to_owned(), vec![NONE, NONE]),
            ("y".to_owned(), vec![ErrorCode::PRODUCER_FENCED]),
            ("z".to_owned(), vec![MAPPING]),
        ];
        assert_eq!(answer, expected);
        assert_eq!(partitions(&cluster, "x"), [0, 1]);
        assert_eq!(partitions(&cluster, "y"), []);
    }
}

#[test]
fn one_bad_partition_keeps_the_others_of_its_transaction_out() {
    let mut cluster = cluster();
    let x = cluster.init(Some("x"), None).unwrap();
    let y = cluster.init(Some("y"), None).unwrap();
    let answer = add(
        &mut cluster,
        5,
        vec![
            transaction("x", x, false, &[0, 9]),
            transaction("y", y, false, &[1]),
        ],
    );
    assert_eq!(answer[0].1, [NOT_ATTEMPTED, UNKNOWN]);
    assert_eq!(answer[1].1, [NONE]);
    assert_eq!(partitions(&cluster, "x"), []);
    assert_eq!(cluster.add_partitions(x, &[7, 0]), [UNKNOWN, NOT_ATTEMPTED]);
    // A partition that is not there is told before the identity is looked at.
    let stranger = Id { id: 99, epoch: 0 };
    assert_eq!(cluster.add_partitions(stranger, &[7]), [UNKNOWN]);
}

#[test]
fn verifying_adds_nothing_and_tells_partition_by_partition() {
    let mut cluster = cluster();
    let x = cluster.init(Some("x"), None).unwrap();
    cluster.add_partitions(x, &[0]);
    let answer = add(&mut cluster, 4, vec![transaction("x", x, true, &[0, 1])]);
    assert_eq!(answer[0].1, [NONE, ErrorCode::TRANSACTION_ABORTABLE]);
    assert_eq!(partitions(&cluster, "x"), [0]);
    let answer = add(&mut cluster, 4, vec![transaction("", x, true, &[0])]);
    assert_eq!(answer[0].1, [ErrorCode::INVALID_REQUEST]);
    let answer = add(&mut cluster, 4, vec![transaction("z", x, true, &[0])]);
    assert_eq!(answer[0].1, [MAPPING]);
}

fn find(
    cluster: &mut Cluster,
    version: i16,
    key_type: i8,
    keys: &[&'static str],
) -> Vec<(String, ErrorCode, i32, i32)> {
    let request = FindCoordinatorRequest {
        key_type,
        coordinator_keys: keys.to_vec(),
        ..Default::default()
    };
    cluster.ask(1, version, &request, |response| {
        let found = response.coordinators.iter();
        found
            .map(|found| {
                (
                    found.key.to_owned(),
                    found.error_code,
                    found.node_id,
                    found.port,
                )
            })
            .collect()
    })
}

#[test]
fn coordinators_are_found_in_batches() {
    let mut cluster = Cluster::new(BrokerConfig {
        nodes: 3,
        ..Default::default()
    });
    let kind = CoordinatorKind::Transaction;
    for (id, node) in [("x", 1), ("y", 3)] {
        cluster.broker.move_coordinator(kind, id, node);
    }
    for version in 4..=6 {
        let found = find(&mut cluster, version, 1, &["x", "y"]);
        let expected = [
            ("x".to_owned(), NONE, 1, 9_092),
            ("y".to_owned(), NONE, 3, 9_094),
        ];
        assert_eq!(found, expected);
        assert_eq!(find(&mut cluster, version, 1, &[]), []);
        let empty = find(&mut cluster, version, 0, &[""]);
        assert_eq!(empty[0].1, NONE, "an empty group has a coordinator as well");
        for key_type in [2, 9] {
            let found = find(&mut cluster, version, key_type, &["g"]);
            let refused = ("g".to_owned(), ErrorCode::INVALID_REQUEST, -1, -1);
            assert_eq!(found, [refused]);
        }
    }
}

#[test]
fn one_coordinator_is_found_in_older_versions_with_a_word_for_no_error() {
    let mut cluster = cluster();
    for version in 0..=3 {
        let request = FindCoordinatorRequest {
            key: "g",
            ..Default::default()
        };
        let found = cluster.ask(1, version, &request, |response| {
            let message = response.error_message.map(str::to_owned);
            (response.error_code, response.node_id, message)
        });
        let message = if version > 0 { "NONE" } else { "" };
        assert_eq!(found, (NONE, 1, Some(message.to_owned())));
    }
}

#[test]
fn clients_cannot_add_the_topics_of_kafka_itself() {
    let mut cluster = cluster();
    let x = cluster.init(Some("x"), None).unwrap();
    let request = AddPartitionsToTxnRequest {
        v3_and_below_transactional_id: "x",
        v3_and_below_producer_id: x.id,
        v3_and_below_producer_epoch: x.epoch,
        v3_and_below_topics: vec![
            AddPartitionsToTxnTopic {
                name: "__consumer_offsets",
                partitions: vec![0].into(),
            },
            AddPartitionsToTxnTopic {
                name: "t",
                partitions: vec![0].into(),
            },
        ],
        ..Default::default()
    };
    let errors = cluster.ask(1, 3, &request, |response| {
        let topics = response.results_by_topic_v3_and_below.iter();
        let partitions = topics.flat_map(|topic| &topic.results_by_partition);
        let errors = partitions.map(|partition| partition.partition_error_code);
        errors.collect::<Vec<_>>()
    });
    assert_eq!(
        errors,
        [ErrorCode::TOPIC_AUTHORIZATION_FAILED, NOT_ATTEMPTED]
    );
    assert_eq!(partitions(&cluster, "x"), []);
}
