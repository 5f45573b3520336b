//! Committed offsets: who may commit, what is found, when they go.

use std::time::Duration;

use milena_testbroker::{BrokerConfig, Emulate};
use milena_wire::messages::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
    OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use milena_wire::{ErrorCode, Uuid};

use super::members::{Joining, SESSION, cluster, cluster_of, seconds};
use crate::harness::{Cluster, Id};
use crate::requests::offset_commit_request;

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// An OffsetCommit of 7 for `t-0`.
fn commit_request<'a>(member_id: &'a str, generation: i32) -> OffsetCommitRequest<'a> {
    OffsetCommitRequest {
        group_id: "g",
        generation_id_or_member_epoch: generation,
        member_id,
        topics: vec![commit_topic("t", &[0])],
        ..Default::default()
    }
}

fn commit_topic<'a>(name: &'a str, partitions: &[i32]) -> OffsetCommitRequestTopic<'a> {
    let partitions = partitions.iter().map(|index| OffsetCommitRequestPartition {
        partition_index: *index,
        committed_offset: 7,
        committed_leader_epoch: 3,
        committed_metadata: Some("m"),
    });
    OffsetCommitRequestTopic {
        name,
        partitions: partitions.collect(),
        ..Default::default()
    }
}

type Results = Vec<(String, Vec<(i32, ErrorCode)>)>;

fn commit(cluster: &mut Cluster, version: i16, request: &OffsetCommitRequest<'_>) -> Results {
    cluster.ask(1, version, request, |response| {
        let topics = response.topics.iter().map(|topic| {
            let partitions = topic.partitions.iter();
            let partitions = partitions.map(|it| (it.partition_index, it.error_code));
            (topic.name.to_owned(), partitions.collect())
        });
        topics.collect()
    })
}

/// The error for `t-0`.
fn commit_one(cluster: &mut Cluster, version: i16, request: &OffsetCommitRequest<'_>) -> ErrorCode {
    commit(cluster, version, request)[0].1[0].1
}

fn topic_id(cluster: &mut Cluster, name: &str) -> Uuid {
    let request = milena_wire::messages::MetadataRequest {
        topics: Some(vec![milena_wire::messages::MetadataRequestTopic {
            name: Some(name),
            ..Default::default()
        }]),
        ..Default::default()
    };
    cluster.ask(1, 12, &request, |response| response.topics[0].topic_id)
}

#[test]
fn anybody_may_commit_for_a_group_without_members() {
    for version in 2..=9 {
        let mut cluster = cluster();
        assert_eq!(
            commit_one(&mut cluster, version, &commit_request("", -1)),
            ErrorCode::NONE
        );
        let group = cluster.broker.group("g").unwrap();
        assert_eq!((group.state, group.protocol_type.as_str()), ("Empty", ""));
        let offset = &group.offsets[0];
        let epoch = if version >= 6 { 3 } else { -1 };
        assert_eq!(
            (offset.offset, offset.leader_epoch, &*offset.metadata),
            (7, epoch, "m")
        );
    }
}

#[test]
fn a_commit_is_refused_for_member_generation_and_state() {
    let mut cluster = cluster();
    let members = cluster.stable_group(1);
    let id = members[0].id.clone();
    let unknown = ErrorCode::UNKNOWN_MEMBER_ID;
    let rows = [
        (ErrorCode::NONE, commit_request(&id, 1)),
        (ErrorCode::ILLEGAL_GENERATION, commit_request(&id, 0)),
        (ErrorCode::ILLEGAL_GENERATION, commit_request(&id, -1)),
        (unknown, commit_request("who", 1)),
        (unknown, commit_request("", -1)),
        (
            unknown,
            OffsetCommitRequest {
                group_instance_id: Some("a"),
                ..commit_request(&id, 1)
            },
        ),
    ];
    for (error, request) in rows {
        assert_eq!(commit_one(&mut cluster, 9, &request), error, "{request:?}");
    }
    cluster.broker.force_rebalance("g");
    assert_eq!(
        commit_one(&mut cluster, 9, &commit_request(&id, 1)),
        ErrorCode::NONE
    );
    cluster.rejoin(&members[0]);
    assert_eq!(cluster.state("g"), "CompletingRebalance");
    let waiting = commit_one(&mut cluster, 9, &commit_request(&id, 2));
    assert_eq!(waiting, ErrorCode::REBALANCE_IN_PROGRESS);
}

#[test]
fn a_generation_of_a_group_that_is_not_there_is_illegal_and_since_version_9_not_found() {
    for (emulate, version, error) in [
        (Emulate::V4_3, 8, ErrorCode::ILLEGAL_GENERATION),
        (Emulate::V4_3, 9, ErrorCode::GROUP_ID_NOT_FOUND),
        (Emulate::V3_9, 9, ErrorCode::ILLEGAL_GENERATION),
    ] {
        let mut cluster = cluster_of(BrokerConfig {
            emulate,
            ..BrokerConfig::default()
        });
        assert_eq!(
            commit_one(&mut cluster, version, &commit_request("x", 1)),
            error
        );
        assert!(cluster.broker.group("g").is_none());
    }
}

#[test]
fn a_commit_is_a_heartbeat() {
    let mut cluster = cluster();
    let members = cluster.stable_group(1);
    for _ in 0..5 {
        cluster.advance(SESSION / 2);
        let request = commit_request(&members[0].id, 1);
        assert_eq!(commit_one(&mut cluster, 9, &request), ErrorCode::NONE);
    }
    cluster.advance(SESSION);
    assert_eq!(cluster.state("g"), "Empty");
}

#[test]
fn unknown_partitions_and_long_metadata_are_refused_one_by_one() {
    let mut cluster = cluster();
    let long = "x".repeat(4_097);
    let fits = "ä".repeat(4_096);
    let mut request = commit_request("", -1);
    request.topics = vec![
        commit_topic("u", &[0, 9, 1]),
        commit_topic("nowhere", &[0]),
        commit_topic("t", &[0]),
    ];
    request.topics[0].partitions[0].committed_metadata = Some(&long);
    request.topics[0].partitions[2].committed_metadata = Some(&fits);
    request.topics[2].partitions[0].committed_metadata = None;
    let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    let (none, large) = (ErrorCode::NONE, ErrorCode::OFFSET_METADATA_TOO_LARGE);
    assert_eq!(
        commit(&mut cluster, 9, &request),
        [
            ("u".to_owned(), vec![(9, unknown), (0, large), (1, none)]),
            ("nowhere".to_owned(), vec![(0, unknown)]),
            ("t".to_owned(), vec![(0, none)]),
        ]
    );
    let offsets = cluster.broker.group("g").unwrap().offsets;
    assert_eq!(offsets.len(), 2);
    // With nothing left to commit, nobody asks the coordinator: no group, no member is missed.
    request.group_id = "h";
    request.generation_id_or_member_epoch = 5;
    request.topics.truncate(2);
    request.topics.remove(0);
    assert_eq!(
        commit(&mut cluster, 9, &request),
        [("nowhere".to_owned(), vec![(0, unknown)])]
    );
}

#[test]
fn topics_are_known_by_id_from_version_10_on() {
    let mut cluster = cluster();
    let id = topic_id(&mut cluster, "t");
    let mut request = commit_request("", -1);
    request.topics[0].topic_id = id;
    request.topics.push(OffsetCommitRequestTopic {
        topic_id: Uuid([9; 16]),
        ..commit_topic("", &[0, 1])
    });
    let results = cluster.ask(1, 10, &request, |response| {
        let topics = response.topics.iter();
        let errors = topics.map(|topic| (topic.topic_id, topic.partitions[0].error_code));
        errors.collect::<Vec<_>>()
    });
    let unknown = ErrorCode::UNKNOWN_TOPIC_ID;
    assert_eq!(results, [(Uuid([9; 16]), unknown), (id, ErrorCode::NONE)]);
    assert_eq!(fetch(&mut cluster, "g", Some(id)), Ok(vec![(id, 0, 7)]));
    assert_eq!(fetch(&mut cluster, "g", None), Ok(vec![(id, 0, 7)]));
    assert_eq!(fetch(&mut cluster, "g", Some(Uuid([9; 16]))), Err(unknown));
    assert_eq!(
        fetch(&mut cluster, "nowhere", Some(id)),
        Ok(vec![(id, 0, -1)])
    );
    assert_eq!(fetch(&mut cluster, "nowhere", None), Ok(vec![]));
}

/// OffsetFetch v10 of a topic's partition 0, or of all there is.
fn fetch(
    cluster: &mut Cluster,
    group: &str,
    topic: Option<Uuid>,
) -> Result<Vec<(Uuid, i32, i64)>, ErrorCode> {
    let topics = topic.map(|topic_id| {
        vec![OffsetFetchRequestTopics {
            topic_id,
            partition_indexes: vec![0].into(),
            ..Default::default()
        }]
    });
    let request = OffsetFetchRequest {
        groups: vec![OffsetFetchRequestGroup {
            group_id: group,
            topics,
            ..Default::default()
        }],
        ..Default::default()
    };
    cluster.ask(1, 10, &request, |response| {
        let group = &response.groups[0];
        assert_eq!(group.error_code, ErrorCode::NONE);
        let mut found = Vec::new();
        for topic in &group.topics {
            for partition in &topic.partitions {
                if !partition.error_code.is_ok() {
                    return Err(partition.error_code);
                }
                found.push((
                    topic.topic_id,
                    partition.partition_index,
                    partition.committed_offset,
                ));
            }
        }
        Ok(found)
    })
}

#[test]
fn a_transaction_commits_for_members_of_this_generation_only() {
    let mut cluster = cluster();
    let members = cluster.stable_group(1);
    let producer = cluster.init(Some("x"), None).unwrap();
    let commit = |cluster: &mut Cluster, producer: Id, member_id: &str, generation, instance_id| {
        let mut request = offset_commit_request(producer, "g", 7);
        request.member_id = member_id;
        request.generation_id = generation;
        request.group_instance_id = instance_id;
        cluster.ask(1, 5, &request, |response| {
            response.topics[0].partitions[0].error_code
        })
    };
    let id = members[0].id.clone();
    let unknown = ErrorCode::UNKNOWN_MEMBER_ID;
    let rows = [
        (ErrorCode::NONE, id.as_str(), 1, None),
        (ErrorCode::ILLEGAL_GENERATION, &id, 0, None),
        (unknown, "who", 1, None),
        (unknown, &id, 1, Some("a")),
        // Before KIP-447 nobody said who consumes.
        (ErrorCode::NONE, "", -1, None),
    ];
    for (error, member_id, generation, instance_id) in rows {
        let answer = commit(&mut cluster, producer, member_id, generation, instance_id);
        assert_eq!(answer, error, "{member_id} {generation} {instance_id:?}");
    }
    let group = cluster.broker.group("g").unwrap();
    assert_eq!(group.pending_offsets[0].producer_id, Some(producer.id));
    assert!(group.offsets.is_empty());
}

fn delete(
    cluster: &mut Cluster,
    group: &str,
    topics: &[(&str, &[i32])],
) -> Result<Results, ErrorCode> {
    let topics = topics
        .iter()
        .map(|(name, indexes)| OffsetDeleteRequestTopic {
            name,
            partitions: indexes
                .iter()
                .map(|index| OffsetDeleteRequestPartition {
                    partition_index: *index,
                })
                .collect(),
        });
    let request = OffsetDeleteRequest {
        group_id: group,
        topics: topics.collect(),
    };
    cluster.ask(1, 0, &request, |response| {
        if !response.error_code.is_ok() {
            assert!(response.topics.is_empty());
            return Err(response.error_code);
        }
        let topics = response.topics.iter().map(|topic| {
            let partitions = topic.partitions.iter();
            let errors = partitions.map(|it| (it.partition_index, it.error_code));
            (topic.name.to_owned(), errors.collect())
        });
        Ok(topics.collect())
    })
}

#[test]
fn offsets_of_topics_that_members_read_cannot_be_deleted() {
    let mut cluster = cluster();
    cluster.stable(&["t"]);
    cluster.broker.commit_offset("g", "t", 0, 3);
    cluster.broker.commit_offset("g", "u", 0, 4);
    let deleted = delete(&mut cluster, "g", &[("t", &[0]), ("u", &[0, 1, 9])]);
    let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    let (read, none) = (ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC, ErrorCode::NONE);
    assert_eq!(
        deleted.unwrap(),
        [
            ("u".to_owned(), vec![(9, unknown), (0, none), (1, none)]),
            ("t".to_owned(), vec![(0, read)]),
        ]
    );
    assert_eq!(cluster.broker.committed_offset("g", "t", 0), Some(3));
    assert_eq!(cluster.broker.committed_offset("g", "u", 0), None);
    assert_eq!(
        delete(&mut cluster, "", &[]),
        Err(ErrorCode::INVALID_GROUP_ID)
    );
    assert_eq!(
        delete(&mut cluster, "nowhere", &[]),
        Err(ErrorCode::GROUP_ID_NOT_FOUND)
    );
    let mut connect = cluster.newcomer(&Joining {
        group: "workers",
        protocol_type: "connect",
        ..Joining::default()
    });
    cluster.take_join(&mut connect);
    assert_eq!(
        delete(&mut cluster, "workers", &[("t", &[0])]),
        Err(ErrorCode::NON_EMPTY_GROUP)
    );
}

#[test]
fn offsets_of_a_simple_group_expire_after_their_own_commit() {
    let mut cluster = cluster();
    cluster.broker.commit_offset("g", "t", 0, 3);
    cluster.advance(DAY);
    cluster.broker.commit_offset("g", "u", 0, 4);
    cluster.advance(DAY * 6);
    assert_eq!(cluster.broker.committed_offset("g", "t", 0), None);
    assert_eq!(cluster.broker.committed_offset("g", "u", 0), Some(4));
    cluster.advance(DAY);
    assert!(cluster.broker.group("g").is_none(), "nothing is left of it");
}

#[test]
fn a_commit_may_say_how_long_it_stays() {
    let mut cluster = cluster();
    let request = OffsetCommitRequest {
        retention_time_ms: 3_600_000,
        ..commit_request("", -1)
    };
    commit_one(&mut cluster, 4, &request);
    cluster.advance(seconds(3_600) - seconds(1));
    assert_eq!(cluster.broker.committed_offset("g", "t", 0), Some(7));
    cluster.advance(seconds(1));
    assert_eq!(cluster.broker.committed_offset("g", "t", 0), None);
}

#[test]
fn offsets_of_a_group_with_members_stay_and_their_time_runs_from_its_end() {
    let mut cluster = cluster();
    let member = cluster.stable_with(&["t"], seconds(1_000));
    cluster.broker.commit_offset("g", "t", 0, 3);
    cluster.broker.commit_offset("g", "u", 0, 4);
    for _ in 0..8 * 24 * 4 {
        cluster.advance(seconds(900));
        assert_eq!(cluster.beat(&member), ErrorCode::NONE);
    }
    let left = |cluster: &Cluster, topic| cluster.broker.committed_offset("g", topic, 0);
    assert_eq!(
        left(&cluster, "t"),
        Some(3),
        "it is read, however old the commit"
    );
    assert_eq!(left(&cluster, "u"), None);
    cluster.leave("g", &[(&member.id, None)]);
    cluster.advance(DAY * 7 - seconds(1));
    assert_eq!(cluster.broker.committed_offset("g", "t", 0), Some(3));
    cluster.advance(seconds(1_200));
    assert!(cluster.broker.group("g").is_none());
}

#[test]
fn an_empty_group_without_offsets_goes_at_the_next_check() {
    let mut cluster = cluster();
    let members = cluster.stable_group(1);
    cluster.leave("g", &[(&members[0].id, None)]);
    assert_eq!(cluster.state("g"), "Empty");
    cluster.advance(seconds(600));
    assert!(cluster.broker.group("g").is_none());
}

#[test]
fn kafka_3_9_makes_a_group_before_it_looks_and_drops_it_with_its_last_offset() {
    let config = BrokerConfig {
        emulate: Emulate::V3_9,
        ..BrokerConfig::default()
    };
    let mut cluster = cluster_of(config);
    let producer = cluster.init(Some("x"), None).unwrap();
    let refused = cluster.commit_offset(4, producer, "g", 7);
    assert_eq!(refused, ErrorCode::TRANSACTION_ABORTABLE);
    assert_eq!(cluster.state("g"), "Empty");
    delete(&mut cluster, "g", &[("t", &[0])]).unwrap();
    assert!(cluster.broker.group("g").is_none());
    cluster.broker.commit_offset("g", "t", 0, 3);
    cluster.broker.delete_topic("t");
    assert!(cluster.broker.group("g").is_none());
}

#[test]
fn an_offset_that_a_transaction_will_write_does_not_expire() {
    let mut cluster = cluster_of(BrokerConfig {
        offsets_retention: seconds(1),
        ..BrokerConfig::default()
    });
    let producer = cluster.init(Some("x"), None).unwrap();
    cluster.broker.commit_offset("g", "t", 0, 3);
    cluster.commit_offset(5, producer, "g", 7);
    cluster.advance(seconds(2));
    cluster.broker.expire_offsets();
    assert_eq!(cluster.broker.committed_offset("g", "t", 0), Some(3));
}

#[test]
fn offsets_of_a_topic_made_again_under_its_name_are_not_those_of_the_old() {
    let mut cluster = cluster();
    cluster.broker.commit_offset("g", "t", 0, 3);
    cluster.broker.delete_topic("t");
    cluster.broker.create_topic("t", 1);
    let id = topic_id(&mut cluster, "t");
    assert_eq!(fetch(&mut cluster, "g", Some(id)), Ok(vec![(id, 0, -1)]));
    assert_eq!(cluster.state("g"), "Empty");
}
