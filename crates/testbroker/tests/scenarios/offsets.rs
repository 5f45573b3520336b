//! Offsets in transactions.

use milena_testbroker::{BrokerConfig, Emulate};
use milena_wire::ErrorCode;
use milena_wire::messages::{OffsetFetchRequest, OffsetFetchRequestTopic};

use crate::harness::{Cluster, Id, ms, transactional};
use crate::requests::{END_TV1, END_TV2, offset_commit_request};

const UNSTABLE: Result<i64, ErrorCode> = Err(ErrorCode::UNSTABLE_OFFSET_COMMIT);

fn cluster() -> (Cluster, Id) {
    let mut cluster = Cluster::with_topic(BrokerConfig {
        marker_delay: ms(50),
        ..Default::default()
    });
    let producer = cluster.init(Some("x"), None).unwrap();
    (cluster, producer)
}

#[test]
fn offsets_join_the_transaction_and_count_after_its_marker() {
    let (mut cluster, producer) = cluster();
    cluster.broker.commit_offset("g", "t", 0, 3);
    assert_eq!(cluster.commit_offset(5, producer, "g", 7), ErrorCode::NONE);
    assert!(cluster.broker.transaction_state("x").unwrap().has_offsets);
    assert_eq!(cluster.fetch_offset("g", false), Ok(3));
    assert_eq!(cluster.fetch_offset("g", true), UNSTABLE);
    cluster.end(END_TV2, producer, true).unwrap();
    assert_eq!(
        cluster.fetch_offset("g", true),
        UNSTABLE,
        "until the marker is written"
    );
    cluster.advance(ms(50));
    assert_eq!(cluster.fetch_offset("g", true), Ok(7));
    assert_eq!(cluster.broker.committed_offset("g", "t", 0), Some(7));
}

#[test]
fn aborted_offsets_never_count() {
    let (mut cluster, producer) = cluster();
    cluster.commit_offset(5, producer, "g", 7);
    cluster.end(END_TV2, producer, false).unwrap();
    cluster.advance(ms(50));
    assert_eq!(cluster.fetch_offset("g", true), Ok(-1));
    assert_eq!(cluster.broker.committed_offset("g", "t", 0), None);
}

#[test]
fn before_version_5_the_group_must_have_been_added() {
    let (mut cluster, producer) = cluster();
    let commit = |cluster: &mut Cluster, version| cluster.commit_offset(version, producer, "g", 7);
    assert_eq!(commit(&mut cluster, 3), ErrorCode::INVALID_TXN_STATE);
    assert_eq!(commit(&mut cluster, 4), ErrorCode::TRANSACTION_ABORTABLE);
    assert_eq!(cluster.add_offsets(producer, "g"), ErrorCode::NONE);
    assert_eq!(commit(&mut cluster, 3), ErrorCode::NONE);
    cluster.end(END_TV1, producer, true).unwrap();
    cluster.advance(ms(50));
    assert_eq!(cluster.fetch_offset("g", true), Ok(7));
}

#[test]
fn a_fenced_producer_cannot_commit_offsets() {
    let (mut cluster, old) = cluster();
    cluster.commit_offset(5, old, "g", 7);
    cluster.init(Some("x"), None).unwrap_err();
    cluster.advance(ms(50));
    assert_eq!(
        cluster.commit_offset(5, old, "g", 8),
        ErrorCode::INVALID_PRODUCER_EPOCH
    );
    assert_eq!(cluster.add_offsets(old, "g"), ErrorCode::PRODUCER_FENCED);
    assert_eq!(cluster.fetch_offset("g", true), Ok(-1));
}

#[test]
fn an_open_transaction_is_not_verified_again_and_a_stale_epoch_is_known_here() {
    let (mut cluster, producer) = cluster();
    cluster.commit_offset(5, producer, "g", 7);
    let other = cluster.init(None, None).unwrap();
    // The coordinator cannot be asked: it has forgotten the id.
    cluster.broker.forget_transactional_id("x");
    assert_eq!(cluster.commit_offset(5, producer, "g", 8), ErrorCode::NONE);
    assert_eq!(
        cluster.commit_offset(5, other, "g", 8),
        ErrorCode::INVALID_PRODUCER_ID_MAPPING
    );
    let older = Id {
        epoch: producer.epoch - 1,
        ..producer
    };
    assert_eq!(
        cluster.commit_offset(5, older, "g", 8),
        ErrorCode::INVALID_PRODUCER_EPOCH
    );
}

#[test]
fn kafka_3_9_takes_a_later_epoch_into_a_transaction_that_is_open() {
    let mut cluster = Cluster::with_topic(BrokerConfig {
        emulate: Emulate::V3_9,
        ..Default::default()
    });
    let producer = cluster.init(Some("x"), None).unwrap();
    let later = Id {
        epoch: producer.epoch + 1,
        ..producer
    };
    assert_eq!(cluster.add_offsets(producer, "g"), ErrorCode::NONE);
    let fenced = ErrorCode::INVALID_PRODUCER_EPOCH;
    assert_eq!(cluster.commit_offset(3, later, "g", 7), fenced);
    assert_eq!(cluster.commit_offset(3, producer, "g", 7), ErrorCode::NONE);
    assert_eq!(cluster.commit_offset(3, later, "g", 8), ErrorCode::NONE);
    assert_eq!(cluster.commit_offset(3, producer, "g", 9), fenced);

    assert_eq!(cluster.add_partitions(producer, &[0]), [ErrorCode::NONE]);
    let write = |cluster: &mut Cluster, id| {
        let batch = transactional(id, 0, &["a"]);
        cluster.produce(1, 9, Some("x"), 0, batch)
    };
    assert_eq!(write(&mut cluster, later), Err(fenced));
    assert_eq!(write(&mut cluster, producer), Ok(0));
    assert_eq!(write(&mut cluster, later), Ok(1));
}

#[test]
fn records_and_offsets_of_a_transaction_are_decided_together() {
    let (mut cluster, producer) = cluster();
    cluster
        .write_tv2(transactional(producer, 0, &["a"]))
        .unwrap();
    cluster.commit_offset(5, producer, "g", 7);
    cluster.commit_offset(5, producer, "h", 9);
    cluster.advance(ms(60_100));
    assert_eq!(cluster.committed_values("t", 0), Vec::<String>::new());
    assert_eq!(cluster.fetch_offset("g", true), Ok(-1));
    assert_eq!(cluster.fetch_offset("h", true), Ok(-1));
}

#[test]
fn a_generation_that_nobody_has_is_refused() {
    let refused = |cluster: &mut Cluster, producer, group| {
        let mut request = offset_commit_request(producer, group, 7);
        request.generation_id = 0;
        cluster.ask(1, 4, &request, |response| {
            response.topics[0].partitions[0].error_code
        })
    };
    let (mut cluster, producer) = cluster();
    cluster.add_offsets(producer, "g");
    assert_eq!(
        refused(&mut cluster, producer, "g"),
        ErrorCode::ILLEGAL_GENERATION
    );
    cluster.commit_offset(4, producer, "g", 7);
    assert_eq!(
        refused(&mut cluster, producer, "g"),
        ErrorCode::UNKNOWN_MEMBER_ID
    );
    assert_eq!(
        refused(&mut cluster, producer, ""),
        ErrorCode::INVALID_GROUP_ID
    );

    let config = BrokerConfig {
        emulate: Emulate::V3_9,
        ..Default::default()
    };
    let mut cluster = Cluster::with_topic(config);
    let producer = cluster.init(Some("x"), None).unwrap();
    cluster.add_offsets(producer, "g");
    assert_eq!(
        refused(&mut cluster, producer, "g"),
        ErrorCode::UNKNOWN_MEMBER_ID
    );
}

#[test]
fn every_version_of_offset_fetch_is_answered() {
    let (mut cluster, _) = cluster();
    cluster.broker.commit_offset("g", "t", 0, 3);
    for version in 1..=7 {
        let request = OffsetFetchRequest {
            group_id: "g",
            topics: Some(vec![OffsetFetchRequestTopic {
                name: "t",
                partition_indexes: vec![0, 1].into(),
            }]),
            ..Default::default()
        };
        let offsets = cluster.ask(1, version, &request, |response| {
            let partitions = response.topics[0].partitions.iter();
            partitions
                .map(|found| (found.committed_offset, found.error_code))
                .collect::<Vec<_>>()
        });
        assert_eq!(
            offsets,
            [(3, ErrorCode::NONE), (-1, ErrorCode::NONE)],
            "version {version}"
        );
    }
    let all = OffsetFetchRequest {
        group_id: "g",
        topics: None,
        ..Default::default()
    };
    let names = cluster.ask(1, 5, &all, |response| {
        response
            .topics
            .iter()
            .map(|topic| topic.name.to_owned())
            .collect::<Vec<_>>()
    });
    assert_eq!(names, ["t"]);
    assert_eq!(cluster.fetch_offset("g", true), Ok(3));
}

#[test]
fn a_deleted_topic_takes_its_offsets_with_it() {
    let (mut cluster, _) = cluster();
    cluster.broker.commit_offset("g", "t", 0, 3);
    cluster.broker.delete_topic("t");
    assert_eq!(cluster.broker.committed_offset("g", "t", 0), None);
}
