//! What each request is refused for, row by row.

use milena_testbroker::{BrokerConfig, CoordinatorKind};
use milena_wire::ErrorCode;
use milena_wire::messages::{
    HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, SyncGroupRequest,
};

use super::members::{JOIN, Joining, Member, cluster, cluster_of, seconds};
use crate::harness::{Cluster, ms};

fn refused(cluster: &mut Cluster, joining: &Joining<'_>) -> (ErrorCode, String) {
    let conn = cluster.connect(1);
    let answer = cluster.join(conn, joining);
    assert_eq!((answer.generation, answer.leader.as_str()), (-1, ""));
    assert_eq!(answer.protocol, None);
    (answer.error, answer.member_id)
}

#[test]
fn a_join_is_refused_for_its_group_session_and_protocols() {
    let mut cluster = cluster();
    let rows = [
        (
            "no group",
            ErrorCode::INVALID_GROUP_ID,
            Joining {
                group: "",
                ..Joining::default()
            },
        ),
        (
            "a session too short",
            ErrorCode::INVALID_SESSION_TIMEOUT,
            Joining {
                session_timeout: seconds(6) - ms(1),
                ..Joining::default()
            },
        ),
        (
            "a session too long",
            ErrorCode::INVALID_SESSION_TIMEOUT,
            Joining {
                session_timeout: seconds(1_800) + ms(1),
                ..Joining::default()
            },
        ),
        (
            "no protocol type",
            ErrorCode::INCONSISTENT_GROUP_PROTOCOL,
            Joining {
                protocol_type: "",
                ..Joining::default()
            },
        ),
        (
            "no protocols",
            ErrorCode::INCONSISTENT_GROUP_PROTOCOL,
            Joining {
                protocols: &[],
                ..Joining::default()
            },
        ),
    ];
    for (what, error, joining) in rows {
        assert_eq!(refused(&mut cluster, &joining).0, error, "{what}");
    }
    let unknown = Joining {
        member_id: "who",
        ..Joining::default()
    };
    let refusal = (ErrorCode::UNKNOWN_MEMBER_ID, "who".to_owned());
    assert_eq!(refused(&mut cluster, &unknown), refusal);
    let nowhere = Joining {
        group: "nowhere",
        ..unknown
    };
    assert_eq!(refused(&mut cluster, &nowhere), refusal);
    assert!(cluster.broker.group("nowhere").is_none());
}

#[test]
fn who_joins_has_to_speak_what_all_members_speak() {
    let mut cluster = cluster();
    cluster.stable_group(2);
    let inconsistent = (ErrorCode::INCONSISTENT_GROUP_PROTOCOL, String::new());
    let other = Joining {
        protocols: &[("sticky", b"s")],
        ..Joining::default()
    };
    assert_eq!(refused(&mut cluster, &other), inconsistent);
    let connect = Joining {
        protocol_type: "connect",
        ..Joining::default()
    };
    assert_eq!(refused(&mut cluster, &connect), inconsistent);
}

#[test]
fn a_full_group_takes_nobody_and_says_so_before_it_names_anybody() {
    let mut cluster = cluster_of(BrokerConfig {
        group_max_size: 2,
        ..BrokerConfig::default()
    });
    let members = cluster.stable_group(2);
    let full = (ErrorCode::GROUP_MAX_SIZE_REACHED, String::new());
    assert_eq!(refused(&mut cluster, &Joining::default()), full);
    cluster.broker.force_rebalance("g");
    // In a rebalance there is room until everybody is back.
    let mut third = cluster.newcomer(&Joining::default());
    cluster.rejoin(&members[0]);
    cluster.rejoin(&members[1]);
    let late = cluster.join_answer(members[1].conn, JOIN);
    assert_eq!(late.error, ErrorCode::GROUP_MAX_SIZE_REACHED);
    let joined = cluster.take_join(&mut third);
    assert_eq!(joined.generation, 2);
}

#[test]
fn a_pending_member_with_an_instance_id_is_what_kafka_thinks_impossible() {
    let mut cluster = cluster();
    let conn = cluster.connect(1);
    let named = cluster.join(conn, &Joining::default());
    let impossible = Joining {
        member_id: &named.member_id,
        instance_id: Some("a"),
        ..Joining::default()
    };
    assert_eq!(
        refused(&mut cluster, &impossible),
        (ErrorCode::UNKNOWN_SERVER_ERROR, String::new())
    );
}

fn sync_error(cluster: &mut Cluster, version: i16, request: &SyncGroupRequest<'_>) -> ErrorCode {
    cluster.ask(1, version, request, |response| {
        assert!(response.assignment.is_empty());
        response.error_code
    })
}

fn good_sync(member_id: &str) -> SyncGroupRequest<'_> {
    SyncGroupRequest {
        group_id: "g",
        generation_id: 1,
        member_id,
        protocol_type: Some("consumer"),
        protocol_name: Some("range"),
        ..Default::default()
    }
}

#[test]
fn a_sync_is_refused_for_member_generation_and_protocol() {
    let mut cluster = cluster();
    let members = cluster.stable_group(1);
    let good = good_sync(&members[0].id);
    let unknown = ErrorCode::UNKNOWN_MEMBER_ID;
    let inconsistent = ErrorCode::INCONSISTENT_GROUP_PROTOCOL;
    let but = |change: fn(&mut SyncGroupRequest<'_>)| {
        let mut request = good.clone();
        change(&mut request);
        request
    };
    let rows = [
        (ErrorCode::INVALID_GROUP_ID, but(|it| it.group_id = "")),
        (unknown, but(|it| it.group_id = "nowhere")),
        (unknown, but(|it| it.member_id = "who")),
        (unknown, but(|it| it.group_instance_id = Some("a"))),
        (
            ErrorCode::ILLEGAL_GENERATION,
            but(|it| it.generation_id = 2),
        ),
        (inconsistent, but(|it| it.protocol_name = Some("sticky"))),
        (inconsistent, but(|it| it.protocol_type = Some("connect"))),
        (inconsistent, but(|it| it.protocol_name = None)),
    ];
    for (error, request) in rows {
        assert_eq!(sync_error(&mut cluster, 5, &request), error, "{request:?}");
    }
}

#[test]
fn a_sync_before_everybody_has_joined_is_sent_back_to_join() {
    let mut cluster = cluster();
    let members = cluster.stable_group(1);
    cluster.broker.force_rebalance("g");
    cluster.send_sync(&members[0], &[]);
    let answer = cluster.sync_answer(&members[0]);
    assert_eq!(answer.error, ErrorCode::REBALANCE_IN_PROGRESS);
}

#[test]
fn a_heartbeat_is_refused_for_member_and_generation() {
    let mut cluster = cluster();
    let members = cluster.stable_group(1);
    let good = HeartbeatRequest {
        group_id: "g",
        generation_id: 1,
        member_id: &members[0].id,
        group_instance_id: None,
    };
    let unknown = ErrorCode::UNKNOWN_MEMBER_ID;
    let rows = [
        (ErrorCode::NONE, good.clone()),
        (
            ErrorCode::INVALID_GROUP_ID,
            HeartbeatRequest {
                group_id: "",
                ..good.clone()
            },
        ),
        (
            unknown,
            HeartbeatRequest {
                group_id: "nowhere",
                ..good.clone()
            },
        ),
        (
            unknown,
            HeartbeatRequest {
                member_id: "who",
                ..good.clone()
            },
        ),
        (
            unknown,
            HeartbeatRequest {
                group_instance_id: Some("a"),
                ..good.clone()
            },
        ),
        (
            ErrorCode::ILLEGAL_GENERATION,
            HeartbeatRequest {
                generation_id: 0,
                ..good.clone()
            },
        ),
    ];
    for (error, request) in rows {
        let answer = cluster.ask(1, 4, &request, |response| response.error_code);
        assert_eq!(answer, error, "{request:?}");
    }
}

#[test]
fn leaving_is_answered_for_each_member_and_before_version_3_for_the_one() {
    let mut cluster = cluster();
    let members = cluster.stable_group(2);
    let unknown = ErrorCode::UNKNOWN_MEMBER_ID;
    assert_eq!(
        cluster.leave("", &[("x", None)]),
        (ErrorCode::INVALID_GROUP_ID, vec![])
    );
    assert_eq!(
        cluster.leave("nowhere", &[("x", None)]),
        (ErrorCode::NONE, vec![unknown])
    );
    let left = cluster.leave("g", &[("x", None), (&members[1].id, None)]);
    assert_eq!(left, (ErrorCode::NONE, vec![unknown, ErrorCode::NONE]));
    let old = |cluster: &mut Cluster, version, member_id: &str| {
        let request = LeaveGroupRequest {
            group_id: "g",
            member_id,
            ..Default::default()
        };
        cluster.ask(1, version, &request, |response| response.error_code)
    };
    for version in 0..3 {
        assert_eq!(old(&mut cluster, version, "x"), unknown);
    }
    assert_eq!(old(&mut cluster, 2, &members[0].id), ErrorCode::NONE);
    assert_eq!(cluster.state("g"), "Empty");
}

#[test]
fn a_pending_member_may_leave() {
    let mut cluster = cluster();
    let conn = cluster.connect(1);
    let named = cluster.join(conn, &Joining::default());
    let left = cluster.leave("g", &[(&named.member_id, None)]);
    assert_eq!(left, (ErrorCode::NONE, vec![ErrorCode::NONE]));
    assert!(
        cluster
            .broker
            .group("g")
            .unwrap()
            .pending_members
            .is_empty()
    );
}

#[test]
fn another_node_is_not_the_coordinator_of_anything_in_the_group() {
    let mut cluster = cluster_of(BrokerConfig {
        nodes: 2,
        ..BrokerConfig::default()
    });
    cluster
        .broker
        .move_coordinator(CoordinatorKind::Group, "g", 2);
    let wrong = ErrorCode::NOT_COORDINATOR;
    assert_eq!(refused(&mut cluster, &Joining::default()).0, wrong);
    let member = Member {
        conn: cluster.connect(1),
        id: "x".to_owned(),
        generation: 1,
    };
    assert_eq!(cluster.beat(&member), wrong);
    assert_eq!(cluster.leave("g", &[("x", None)]), (wrong, vec![]));
    cluster.send_sync(&member, &[]);
    assert_eq!(cluster.sync_answer(&member).error, wrong);
}

#[test]
fn every_version_of_a_failed_join_can_be_written() {
    let mut cluster = cluster();
    for version in 0..=9 {
        let request = JoinGroupRequest {
            group_id: "",
            session_timeout_ms: 10_000,
            ..Default::default()
        };
        let name = cluster.ask(1, version, &request, |response| {
            assert_eq!(response.error_code, ErrorCode::INVALID_GROUP_ID);
            response.protocol_name.map(str::to_owned)
        });
        let empty = (version < 7).then(String::new);
        assert_eq!(name, empty, "version {version}");
    }
}
