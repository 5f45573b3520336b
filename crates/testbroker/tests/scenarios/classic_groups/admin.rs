//! What administrators see of groups, and what they may remove.

use milena_testbroker::{BrokerConfig, CoordinatorKind, Emulate};
use milena_wire::ErrorCode;
use milena_wire::messages::{
    DeleteGroupsRequest, DescribeGroupsRequest, DescribeGroupsResponse, ListGroupsRequest,
};

use super::members::{Joining, cluster, cluster_of};
use crate::harness::Cluster;

fn list(cluster: &mut Cluster, node: i32, states: &[&str], types: &[&str]) -> Vec<String> {
    let request = ListGroupsRequest {
        states_filter: states.to_vec(),
        types_filter: types.to_vec(),
    };
    cluster.ask(node, 5, &request, |response| {
        assert_eq!(response.error_code, ErrorCode::NONE);
        let groups = response.groups.iter().map(|group| {
            let (state, kind) = (group.group_state, group.group_type);
            format!("{} {} {state} {kind}", group.group_id, group.protocol_type)
        });
        groups.collect()
    })
}

#[test]
fn groups_are_listed_by_state_and_type_at_their_coordinator() {
    let mut cluster = cluster();
    cluster.stable_group(1);
    cluster.broker.commit_offset("simple", "t", 0, 3);
    let (g, simple) = ("g consumer Stable classic", "simple  Empty classic");
    assert_eq!(list(&mut cluster, 1, &[], &[]), [g, simple]);
    assert_eq!(list(&mut cluster, 1, &["stable", "dead"], &[]), [g]);
    assert_eq!(list(&mut cluster, 1, &[" EMPTY "], &["Classic"]), [simple]);
    assert!(list(&mut cluster, 1, &[], &["consumer"]).is_empty());
    assert!(list(&mut cluster, 1, &[], &["no such type"]).is_empty());

    let mut cluster = cluster_of(BrokerConfig {
        nodes: 2,
        ..BrokerConfig::default()
    });
    cluster
        .broker
        .move_coordinator(CoordinatorKind::Group, "simple", 2);
    cluster.broker.commit_offset("simple", "t", 0, 3);
    assert!(list(&mut cluster, 1, &[], &[]).is_empty());
    assert_eq!(list(&mut cluster, 2, &[], &[]), [simple]);
}

fn describe<T>(
    cluster: &mut Cluster,
    version: i16,
    groups: &[&str],
    read: impl for<'a> FnOnce(DescribeGroupsResponse<'a>) -> T,
) -> T {
    let request = DescribeGroupsRequest {
        groups: groups.to_vec(),
        include_authorized_operations: version >= 3,
    };
    cluster.ask(1, version, &request, read)
}

#[test]
fn a_stable_group_is_described_with_metadata_and_assignments() {
    let mut cluster = cluster();
    let members = cluster.stable_group(1);
    for version in 0..=6 {
        describe(&mut cluster, version, &["g"], |response| {
            let group = &response.groups[0];
            assert_eq!(
                (group.error_code, group.group_state),
                (ErrorCode::NONE, "Stable")
            );
            assert_eq!(
                (group.protocol_type, group.protocol_data),
                ("consumer", "range")
            );
            let member = &group.members[0];
            assert_eq!(member.member_id, members[0].id);
            assert_eq!(
                (member.client_id, member.client_host),
                ("harness", "/127.0.0.1")
            );
            assert_eq!(
                (member.member_metadata, member.member_assignment),
                (&b"r"[..], &b"a0"[..])
            );
            let operations = if version >= 3 {
                0b1101_0100_1000
            } else {
                i32::MIN
            };
            assert_eq!(group.authorized_operations, operations);
        });
    }
    cluster.broker.force_rebalance("g");
    describe(&mut cluster, 6, &["g"], |response| {
        let group = &response.groups[0];
        assert_eq!(
            (group.group_state, group.protocol_data),
            ("PreparingRebalance", "")
        );
        let member = &group.members[0];
        assert_eq!(
            (member.member_metadata, member.member_assignment),
            (&b""[..], &b"a0"[..])
        );
    });
}

#[test]
fn a_group_that_is_not_there_is_dead_and_since_version_6_not_found() {
    let mut cluster = cluster();
    for version in 0..=6 {
        describe(&mut cluster, version, &["nowhere", ""], |response| {
            for group in &response.groups {
                assert_eq!(group.group_state, "Dead");
                let (error, message) = if version < 6 {
                    (ErrorCode::NONE, None)
                } else {
                    let message = format!("Group {} not found.", group.group_id);
                    (ErrorCode::GROUP_ID_NOT_FOUND, Some(message))
                };
                assert_eq!(group.error_code, error);
                assert_eq!(group.error_message.map(str::to_owned), message);
            }
        });
    }
}

#[test]
fn a_simple_group_is_described_without_a_protocol() {
    let mut cluster = cluster();
    cluster.broker.commit_offset("simple", "t", 0, 3);
    describe(&mut cluster, 6, &["simple"], |response| {
        let group = &response.groups[0];
        assert_eq!((group.group_state, group.protocol_type), ("Empty", ""));
        assert!(group.members.is_empty());
    });
}

fn delete(cluster: &mut Cluster, groups: &[&str]) -> Vec<(String, ErrorCode)> {
    let request = DeleteGroupsRequest {
        groups_names: groups.to_vec(),
    };
    cluster.ask(1, 2, &request, |response| {
        let results = response.results.iter();
        results
            .map(|result| (result.group_id.to_owned(), result.error_code))
            .collect()
    })
}

#[test]
fn only_a_group_without_members_can_be_deleted_and_its_offsets_go_with_it() {
    let mut cluster = cluster();
    let members = cluster.stable_group(1);
    cluster.broker.commit_offset("g", "t", 0, 3);
    let results = delete(&mut cluster, &["g", "nowhere", "g"]);
    assert_eq!(
        results,
        [
            ("g".to_owned(), ErrorCode::NON_EMPTY_GROUP),
            ("nowhere".to_owned(), ErrorCode::GROUP_ID_NOT_FOUND),
        ]
    );
    cluster.leave("g", &[(&members[0].id, None)]);
    assert_eq!(
        delete(&mut cluster, &["g"]),
        [("g".to_owned(), ErrorCode::NONE)]
    );
    assert_eq!(cluster.broker.committed_offset("g", "t", 0), None);
    assert!(cluster.broker.group("g").is_none());
}

#[test]
fn kafka_3_9_knows_less_of_a_group() {
    let cluster = Cluster::with_topic(BrokerConfig {
        emulate: Emulate::V3_9,
        ..BrokerConfig::default()
    });
    let mut cluster = cluster;
    describe(&mut cluster, 5, &["nowhere"], |response| {
        let group = &response.groups[0];
        assert_eq!(group.error_code, ErrorCode::NONE);
        assert_eq!(group.authorized_operations, 0b1_0100_1000);
    });
    cluster.stable_group(1);
    cluster.broker.force_rebalance("g");
    describe(&mut cluster, 5, &["g"], |response| {
        let member = &response.groups[0].members[0];
        assert!(
            member.member_assignment.is_empty(),
            "only while it is stable"
        );
    });
}

#[test]
fn a_dump_tells_of_members_and_offsets() {
    let mut cluster = cluster();
    let member = cluster.stable(&["t"]);
    cluster.newcomer(&Joining {
        group: "other",
        ..Joining::default()
    });
    cluster.broker.commit_offset("g", "t", 0, 3);
    let dump = cluster.broker.dump();
    let group = format!(
        "group g: classic Stable generation 1 consumer/range\n  leader {} t [0]\n  t-0 at 3\n",
        member.id
    );
    assert!(dump.contains(&group), "{dump}");
    assert!(
        dump.contains("group other: classic PreparingRebalance\n"),
        "{dump}"
    );
}
