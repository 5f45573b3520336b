//! Offsets, and what the other group APIs make of a group of the consumer protocol.

use milena_testbroker::ErrorCode;
use milena_wire::messages::{
    DeleteGroupsRequest, JoinGroupRequest, JoinGroupRequestProtocol, ListGroupsRequest,
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
    OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};

use super::member::{GROUP, Member, beat, eager, joining, standing};
use crate::harness::Cluster;

fn commit(cluster: &mut Cluster, version: i16, member: &str, epoch: i32, index: i32) -> ErrorCode {
    let partition = OffsetCommitRequestPartition {
        partition_index: index,
        committed_offset: 5,
        committed_leader_epoch: -1,
        ..Default::default()
    };
    let topic = OffsetCommitRequestTopic {
        name: "t",
        partitions: vec![partition],
        ..Default::default()
    };
    let request = OffsetCommitRequest {
        group_id: GROUP,
        generation_id_or_member_epoch: epoch,
        member_id: member,
        topics: vec![topic],
        ..Default::default()
    };
    cluster.ask(1, version, &request, |response| {
        response.topics[0].partitions[0].error_code
    })
}

#[test]
fn a_member_commits_in_its_epoch_or_what_it_has_had_since() {
    let mut cluster = eager(2);
    let mut a = Member::new("a", &["t"]);
    let mut b = Member::new("b", &["t"]);
    for _ in 0..2 {
        a.beat(&mut cluster);
        b.beat(&mut cluster);
    }
    a.beat(&mut cluster);
    assert_eq!((a.epoch, a.load()), (3, 1));
    let kept = a.partitions()[0];
    let lost = 1 - kept;
    assert_eq!(commit(&mut cluster, 9, "a", 3, kept), ErrorCode::NONE);
    // In the epoch it has left, only what it still has.
    assert_eq!(commit(&mut cluster, 9, "a", 2, kept), ErrorCode::NONE);
    let stale = ErrorCode::STALE_MEMBER_EPOCH;
    assert_eq!(commit(&mut cluster, 9, "a", 2, lost), stale);
    assert_eq!(commit(&mut cluster, 9, "a", 1, kept), stale);
    assert_eq!(commit(&mut cluster, 9, "a", 4, kept), stale);
    assert_eq!(commit(&mut cluster, 9, "b", 2, lost), stale);
    assert_eq!(
        commit(&mut cluster, 8, "a", 3, kept),
        ErrorCode::UNSUPPORTED_VERSION
    );
    assert_eq!(
        commit(&mut cluster, 9, "c", 3, kept),
        ErrorCode::UNKNOWN_MEMBER_ID
    );
    assert_eq!(
        commit(&mut cluster, 9, "", -1, kept),
        ErrorCode::UNKNOWN_MEMBER_ID
    );
}

#[test]
fn anybody_commits_for_a_group_whose_members_have_left() {
    let mut cluster = eager(1);
    let mut a = Member::new("a", &["t"]);
    a.beat(&mut cluster);
    a.leave(&mut cluster, -1);
    assert_eq!(commit(&mut cluster, 9, "", -1, 0), ErrorCode::NONE);
    assert_eq!(cluster.broker.committed_offset(GROUP, "t", 0), Some(5));
}

#[test]
fn a_group_with_members_is_listed_and_not_deleted() {
    let mut cluster = eager(1);
    let mut a = Member::new("a", &["t"]);
    a.beat(&mut cluster);
    let listed = cluster.ask(1, 5, &ListGroupsRequest::default(), |response| {
        let group = &response.groups[0];
        let texts = [group.group_id, group.protocol_type];
        let texts = [texts, [group.group_state, group.group_type]].concat();
        texts.into_iter().map(str::to_owned).collect::<Vec<_>>()
    });
    assert_eq!(listed, ["g", "consumer", "Stable", "consumer"]);
    let delete = DeleteGroupsRequest {
        groups_names: vec![GROUP],
    };
    let deleted = |cluster: &mut Cluster| {
        cluster.ask(1, 2, &delete, |response| response.results[0].error_code)
    };
    assert_eq!(deleted(&mut cluster), ErrorCode::NON_EMPTY_GROUP);
    a.leave(&mut cluster, -1);
    assert_eq!(deleted(&mut cluster), ErrorCode::NONE);
    assert_eq!(deleted(&mut cluster), ErrorCode::GROUP_ID_NOT_FOUND);
}

#[test]
fn offsets_of_a_subscribed_topic_are_not_deleted() {
    let mut cluster = eager(1);
    let mut a = Member::new("a", &["t"]);
    a.beat(&mut cluster);
    assert_eq!(commit(&mut cluster, 9, "a", 2, 0), ErrorCode::NONE);
    let request = OffsetDeleteRequest {
        group_id: GROUP,
        topics: vec![OffsetDeleteRequestTopic {
            name: "t",
            partitions: vec![OffsetDeleteRequestPartition { partition_index: 0 }],
        }],
    };
    let deleted = |cluster: &mut Cluster| {
        cluster.ask(1, 0, &request, |response| {
            response.topics[0].partitions[0].error_code
        })
    };
    let subscribed = ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC;
    assert_eq!(deleted(&mut cluster), subscribed);
    a.leave(&mut cluster, -1);
    assert_eq!(deleted(&mut cluster), ErrorCode::NONE);
    assert_eq!(cluster.broker.committed_offset(GROUP, "t", 0), None);
}

fn join_classic(cluster: &mut Cluster) -> ErrorCode {
    let request = JoinGroupRequest {
        group_id: GROUP,
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 10_000,
        protocol_type: "consumer",
        protocols: vec![JoinGroupRequestProtocol {
            name: "range",
            metadata: &[],
        }],
        ..Default::default()
    };
    cluster.ask(1, 3, &request, |response| response.error_code)
}

#[test]
fn a_group_changes_its_protocol_only_while_it_has_no_members() {
    let mut cluster = eager(1);
    let mut a = Member::new("a", &["t"]);
    a.beat(&mut cluster);
    let inconsistent = ErrorCode::INCONSISTENT_GROUP_PROTOCOL;
    assert_eq!(join_classic(&mut cluster), inconsistent);
    a.leave(&mut cluster, -1);
    assert_eq!(join_classic(&mut cluster), ErrorCode::NONE);

    let refused = beat(&mut cluster, &joining("a"));
    assert_eq!(refused.error, ErrorCode::GROUP_ID_NOT_FOUND);
    // The classic member's session ends.
    cluster.advance(crate::harness::ms(60_000));
    assert_eq!(beat(&mut cluster, &joining("a")).error, ErrorCode::NONE);
    assert_eq!(standing(&mut cluster).0, "Stable");
}
