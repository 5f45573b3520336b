//! From generation to generation: the state machine, its time-outs, the choice of leader and
//! protocol, and what a new coordinator finds.

use milena_testbroker::{BrokerConfig, CoordinatorKind, Emulate};
use milena_wire::ErrorCode;

use super::members::{JOIN, Joining, Member, REBALANCE, SESSION, cluster, cluster_of, seconds};
use crate::harness::{Cluster, ms};

#[test]
fn a_newcomer_is_named_and_has_to_come_back_with_its_name() {
    let mut cluster = cluster();
    let conn = cluster.connect(1);
    let named = cluster.join(conn, &Joining::default());
    assert_eq!(named.error, ErrorCode::MEMBER_ID_REQUIRED);
    assert!(named.member_id.starts_with("harness-"), "{named:?}");
    assert_eq!(named.generation, -1);
    assert_eq!(cluster.state("g"), "Empty");
    let group = cluster.broker.group("g").unwrap();
    assert_eq!(group.pending_members, [&*named.member_id]);

    let joined = cluster.join(
        conn,
        &Joining {
            member_id: &named.member_id,
            ..Joining::default()
        },
    );
    assert_eq!(joined.error, ErrorCode::NONE);
    assert_eq!(joined.generation, 1);
    assert!(joined.leads());
    assert_eq!(joined.members, [named.member_id]);
    assert_eq!(joined.protocol.as_deref(), Some("range"));
    assert_eq!(joined.protocol_type.as_deref(), Some("consumer"));
    assert_eq!(cluster.state("g"), "CompletingRebalance");
}

#[test]
fn before_version_4_a_newcomer_joins_at_once() {
    for version in 0..4 {
        let mut cluster = cluster();
        let conn = cluster.connect(1);
        let joined = cluster.join(
            conn,
            &Joining {
                version,
                ..Joining::default()
            },
        );
        assert_eq!(joined.error, ErrorCode::NONE, "version {version}");
        assert_eq!(joined.generation, 1);
        assert!(joined.leads());
        assert_eq!(joined.protocol_type, None);
    }
}

#[test]
fn a_name_that_nobody_uses_is_forgotten_after_the_session_timeout() {
    let mut cluster = cluster();
    let conn = cluster.connect(1);
    let named = cluster.join(conn, &Joining::default());
    cluster.advance(SESSION);
    let joining = Joining {
        member_id: &named.member_id,
        ..Joining::default()
    };
    let late = cluster.join(conn, &joining);
    assert_eq!(late.error, ErrorCode::UNKNOWN_MEMBER_ID);
}

#[test]
fn the_states_follow_a_group_of_three_through_a_rebalance() {
    let mut cluster = cluster();
    let members = cluster.stable_group(2);
    assert_eq!(cluster.state("g"), "Stable");
    let mut third = cluster.newcomer(&Joining::default());
    assert_eq!(cluster.state("g"), "PreparingRebalance");
    assert!(cluster.receive(third.conn).is_none());
    for member in &members {
        assert_eq!(cluster.beat(member), ErrorCode::REBALANCE_IN_PROGRESS);
        cluster.rejoin(member);
    }
    assert_eq!(cluster.state("g"), "CompletingRebalance");
    let mut members = members;
    let first = cluster.take_join(&mut members[0]);
    let second = cluster.take_join(&mut members[1]);
    let last = cluster.take_join(&mut third);
    assert_eq!(
        [first.generation, second.generation, last.generation],
        [2; 3]
    );
    assert!(first.leads() && !second.leads() && !last.leads());
    assert_eq!(first.members.len(), 3);
    assert!(second.members.is_empty(), "only the leader needs them");
    members.push(third);
    cluster.assign_all(&members);
    assert_eq!(cluster.state("g"), "Stable");
    for member in &members {
        assert_eq!(cluster.beat(member), ErrorCode::NONE);
    }
    cluster.leave("g", &[(&members[0].id, None), (&members[1].id, None)]);
    assert_eq!(cluster.state("g"), "PreparingRebalance");
    cluster.leave("g", &[(&members[2].id, None)]);
    assert_eq!(cluster.state("g"), "Empty");
    assert_eq!(cluster.broker.group("g").unwrap().generation, 3);
}

#[test]
fn who_does_not_come_back_in_time_is_out_and_a_leader_is_replaced() {
    let mut cluster = cluster();
    let mut members = cluster.stable_group(3);
    assert!(cluster.broker.force_rebalance("g"));
    cluster.rejoin(&members[1]);
    cluster.rejoin(&members[2]);
    // The first keeps its session, but does not join.
    for _ in 0..3 {
        cluster.advance(REBALANCE / 4);
        assert_eq!(cluster.beat(&members[0]), ErrorCode::REBALANCE_IN_PROGRESS);
    }
    cluster.advance(REBALANCE / 4);
    let second = cluster.take_join(&mut members[1]);
    let third = cluster.take_join(&mut members[2]);
    assert!(second.leads() ^ third.leads());
    assert_eq!(second.members.len() + third.members.len(), 2);
    assert_eq!(cluster.beat(&members[0]), ErrorCode::UNKNOWN_MEMBER_ID);
}

#[test]
fn a_session_that_ends_starts_a_rebalance() {
    let mut cluster = cluster();
    let members = cluster.stable_group(2);
    cluster.advance(SESSION - ms(1));
    assert_eq!(cluster.beat(&members[0]), ErrorCode::NONE);
    cluster.advance(ms(1));
    assert_eq!(cluster.beat(&members[0]), ErrorCode::REBALANCE_IN_PROGRESS);
    assert_eq!(cluster.beat(&members[1]), ErrorCode::UNKNOWN_MEMBER_ID);
    let group = cluster.broker.group("g").unwrap();
    assert_eq!(group.members.len(), 1);
    assert_eq!(group.leader.as_deref(), Some(&*members[0].id));
}

#[test]
fn a_group_that_everybody_left_silently_is_empty_after_their_sessions() {
    let mut cluster = cluster();
    cluster.stable_group(2);
    // Both sessions end together; nobody is left to wait for.
    cluster.advance(SESSION);
    assert_eq!(cluster.state("g"), "Empty");
    assert!(!cluster.broker.has_members("g"));
}

#[test]
fn a_member_that_waits_for_the_others_needs_no_heartbeats() {
    let mut cluster = cluster();
    let mut members = cluster.stable_group(2);
    cluster.broker.force_rebalance("g");
    cluster.rejoin(&members[0]);
    cluster.advance(SESSION + SESSION / 2);
    assert_eq!(
        cluster.broker.group("g").unwrap().members.len(),
        1,
        "the other is gone"
    );
    let joined = cluster.take_join(&mut members[0]);
    assert_eq!(joined.generation, 2);
}

#[test]
fn who_does_not_ask_for_its_assignment_in_time_is_out() {
    let mut cluster = cluster();
    let mut leader = cluster.newcomer(&Joining::default());
    let mut other = cluster.newcomer(&Joining::default());
    cluster.take_join(&mut leader);
    cluster.take_join(&mut other);
    cluster.send_sync(&other, &[]);
    for _ in 0..4 {
        cluster.advance(REBALANCE / 4);
        cluster.beat(&leader);
    }
    assert_eq!(
        cluster.sync_answer(&other).error,
        ErrorCode::REBALANCE_IN_PROGRESS
    );
    let group = cluster.broker.group("g").unwrap();
    assert_eq!(group.members.len(), 1);
    assert_eq!(group.members[0].id, other.id);
    assert_eq!(group.state, "PreparingRebalance");
}

#[test]
fn a_leader_that_joins_again_wants_a_rebalance_and_a_follower_that_has_not_changed_does_not() {
    let mut cluster = cluster();
    let members = cluster.stable_group(2);
    cluster.rejoin(&members[1]);
    let answer = cluster.join_answer(members[1].conn, JOIN);
    assert_eq!((answer.error, answer.generation), (ErrorCode::NONE, 1));
    assert_eq!(cluster.state("g"), "Stable");
    cluster.send_join(
        members[1].conn,
        &Joining {
            member_id: &members[1].id,
            protocols: &[("range", b"other")],
            ..Joining::default()
        },
    );
    assert_eq!(cluster.state("g"), "PreparingRebalance");
    cluster.rejoin(&members[0]);
    assert_eq!(cluster.join_answer(members[1].conn, JOIN).generation, 2);
    assert_eq!(cluster.join_answer(members[0].conn, JOIN).generation, 2);
    // Its answer may have been lost: it gets it again, the leader with the members.
    cluster.rejoin(&members[0]);
    let again = cluster.join_answer(members[0].conn, JOIN);
    assert_eq!((again.generation, again.members.len()), (2, 2));
    assert_eq!(cluster.state("g"), "CompletingRebalance");
}

#[test]
fn most_votes_among_the_protocols_that_all_speak_decide() {
    let mut cluster = cluster();
    let all: [&[(&str, &[u8])]; 3] = [
        &[("only-mine", b"0"), ("b", b"0b"), ("a", b"0a")],
        &[("a", b"1a"), ("b", b"1b")],
        &[("b", b"2b"), ("a", b"2a")],
    ];
    let mut members: Vec<Member> = all
        .iter()
        .map(|protocols| {
            let joining = Joining {
                protocols,
                ..Joining::default()
            };
            cluster.newcomer(&joining)
        })
        .collect();
    let joined = cluster.take_join(&mut members[0]);
    assert_eq!(joined.protocol.as_deref(), Some("b"));
}

#[test]
fn the_first_rebalance_waits_for_more_members_if_told_to() {
    let mut cluster = cluster_of(BrokerConfig {
        group_initial_rebalance_delay: seconds(3),
        ..BrokerConfig::default()
    });
    let mut first = cluster.newcomer(&Joining::default());
    cluster.advance(seconds(2));
    let mut second = cluster.newcomer(&Joining::default());
    // The newcomer extends the wait by another three seconds.
    cluster.advance(seconds(1));
    assert_eq!(cluster.state("g"), "PreparingRebalance");
    cluster.advance(seconds(3));
    assert_eq!(cluster.state("g"), "CompletingRebalance");
    assert_eq!(cluster.take_join(&mut first).members.len(), 2);
    assert_eq!(cluster.take_join(&mut second).generation, 1);
}

#[test]
fn a_member_that_is_told_to_go_or_expired_by_a_test_has_its_waiting_request_answered() {
    let mut cluster = cluster();
    let members = cluster.stable_group(2);
    cluster.broker.force_rebalance("g");
    cluster.rejoin(&members[0]);
    assert!(cluster.broker.expire_member("g", &members[0].id));
    assert!(!cluster.broker.expire_member("g", &members[0].id));
    let answer = cluster.join_answer(members[0].conn, JOIN);
    assert_eq!(answer.error, ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(answer.member_id, "");
}

#[test]
fn a_second_join_takes_the_place_of_the_first_which_is_never_answered() {
    let mut cluster = cluster();
    let members = cluster.stable_group(2);
    cluster.rejoin(&members[0]);
    let mut again = Member {
        conn: cluster.connect(1),
        ..members[0].clone()
    };
    cluster.rejoin(&again);
    cluster.disconnect(members[0].conn);
    cluster.rejoin(&members[1]);
    assert_eq!(cluster.take_join(&mut again).generation, 2);
}

fn two_nodes() -> Cluster {
    let mut cluster = cluster_of(BrokerConfig {
        nodes: 2,
        ..BrokerConfig::default()
    });
    cluster
        .broker
        .move_coordinator(CoordinatorKind::Group, "g", 1);
    cluster
}

#[test]
fn a_new_coordinator_finds_the_stable_generation_and_starts_its_sessions_anew() {
    let mut cluster = two_nodes();
    let members = cluster.stable_group(2);
    cluster.advance(SESSION - ms(1));
    cluster
        .broker
        .move_coordinator(CoordinatorKind::Group, "g", 2);
    assert_eq!(cluster.beat(&members[0]), ErrorCode::NOT_COORDINATOR);
    cluster.advance(SESSION - ms(1));
    let group = cluster.broker.group("g").unwrap();
    assert_eq!((group.state, group.generation), ("Stable", 1));
    assert_eq!(group.members.len(), 2);
    assert_eq!(
        &group
            .members
            .iter()
            .find(|it| it.id == members[1].id)
            .unwrap()
            .assignment[..],
        b"a1"
    );
    cluster.advance(ms(1));
    assert_eq!(cluster.state("g"), "Empty");
}

#[test]
fn a_rebalance_under_way_is_lost_with_its_coordinator() {
    let mut cluster = two_nodes();
    let members = cluster.stable_group(2);
    let third = cluster.newcomer(&Joining::default());
    cluster.rejoin(&members[0]);
    cluster
        .broker
        .move_coordinator(CoordinatorKind::Group, "g", 2);
    for member in [&third, &members[0]] {
        let answer = cluster.join_answer(member.conn, JOIN);
        assert_eq!(answer.error, ErrorCode::NOT_COORDINATOR);
        assert_eq!(answer.member_id, member.id);
    }
    let group = cluster.broker.group("g").unwrap();
    assert_eq!((group.state, group.members.len()), ("Stable", 2));
}

#[test]
fn followers_that_wait_are_sent_to_the_new_coordinator() {
    let mut cluster = two_nodes();
    let mut members: Vec<_> = (0..2)
        .map(|_| cluster.newcomer(&Joining::default()))
        .collect();
    for member in &mut members {
        cluster.take_join(member);
    }
    cluster.send_sync(&members[1], &[]);
    cluster
        .broker
        .move_coordinator(CoordinatorKind::Group, "g", 2);
    assert_eq!(
        cluster.sync_answer(&members[1]).error,
        ErrorCode::NOT_COORDINATOR
    );
    // Nothing of the group was in its log yet.
    assert_eq!(cluster.state("g"), "Empty");
}

#[test]
fn a_restarted_coordinator_reads_its_groups_again() {
    let mut cluster = cluster_of(BrokerConfig {
        elect_on_stop: false,
        ..BrokerConfig::default()
    });
    let members = cluster.stable_group(2);
    cluster.broker.stop_node(1);
    cluster.advance(SESSION * 3);
    cluster.broker.start_node(1);
    cluster.advance(SESSION - ms(1));
    assert_eq!(cluster.state("g"), "Stable", "nobody looked at the clock");
    assert_eq!(cluster.beat(&members[0]), ErrorCode::NONE);
    cluster.advance(ms(1));
    assert_eq!(
        cluster.state("g"),
        "PreparingRebalance",
        "only one was heard of"
    );
}

#[test]
fn a_loading_coordinator_takes_heartbeats_as_they_come() {
    for (emulate, sync_error) in [
        (Emulate::V4_3, ErrorCode::COORDINATOR_LOAD_IN_PROGRESS),
        (Emulate::V3_9, ErrorCode::REBALANCE_IN_PROGRESS),
    ] {
        let mut cluster = cluster_of(BrokerConfig {
            emulate,
            ..BrokerConfig::default()
        });
        let members = cluster.stable_group(1);
        let kind = CoordinatorKind::Group;
        cluster
            .broker
            .move_coordinator_loading(kind, "g", 1, seconds(5));
        assert_eq!(cluster.beat(&members[0]), ErrorCode::NONE);
        cluster.send_sync(&members[0], &[]);
        assert_eq!(cluster.sync_answer(&members[0]).error, sync_error);
        let conn = cluster.connect(1);
        let refused = cluster.join(
            conn,
            &Joining {
                member_id: "somebody",
                ..Joining::default()
            },
        );
        assert_eq!(refused.error, ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
        let named = emulate == Emulate::V3_9;
        assert_eq!(refused.member_id, if named { "somebody" } else { "" });
        cluster.advance(seconds(5));
        assert_eq!(cluster.beat(&members[0]), ErrorCode::NONE);
    }
}
