//! Members with a `group.instance.id` (KIP-345): they come back without a rebalance.

use milena_wire::ErrorCode;

use super::members::{JOIN, Joined, Joining, Member, SESSION, cluster};
use crate::harness::{Cluster, ms};

fn static_join<'a>(instance_id: &'a str, member_id: &'a str) -> Joining<'a> {
    Joining {
        member_id,
        instance_id: Some(instance_id),
        ..Joining::default()
    }
}

fn member(cluster: &mut Cluster, joined: &Joined) -> Member {
    Member {
        conn: cluster.connect(1),
        id: joined.member_id.clone(),
        generation: joined.generation,
    }
}

/// Instances `a` (which leads) and `b`.
fn stable_pair(cluster: &mut Cluster) -> (Member, Member) {
    let mut pair = Vec::new();
    for instance_id in ["a", "b"] {
        let conn = cluster.connect(1);
        cluster.send_join(conn, &static_join(instance_id, ""));
        pair.push(conn);
    }
    let mut members: Vec<_> = pair
        .into_iter()
        .map(|conn| {
            let joined = cluster.join_answer(conn, JOIN);
            Member {
                conn,
                id: joined.member_id,
                generation: joined.generation,
            }
        })
        .collect();
    cluster.assign_all(&members);
    let second = members.pop().unwrap();
    (members.pop().unwrap(), second)
}

#[test]
fn a_static_member_is_named_after_its_instance_and_joins_at_once() {
    let mut cluster = cluster();
    let conn = cluster.connect(1);
    let joined = cluster.join(conn, &static_join("a", ""));
    assert_eq!(joined.error, ErrorCode::NONE);
    assert!(joined.member_id.starts_with("a-"), "{joined:?}");
}

#[test]
fn a_restarted_follower_gets_a_new_id_and_its_old_assignment_without_a_rebalance() {
    let mut cluster = cluster();
    let (leader, old) = stable_pair(&mut cluster);
    let conn = cluster.connect(1);
    let joined = cluster.join(conn, &static_join("b", ""));
    assert_eq!((joined.error, joined.generation), (ErrorCode::NONE, 1));
    assert_ne!(joined.member_id, old.id);
    assert_eq!(joined.leader, leader.id);
    assert_eq!(cluster.state("g"), "Stable");
    let new = member(&mut cluster, &joined);
    cluster.send_sync_as(&new, Some("b"), &[]);
    assert_eq!(cluster.sync_answer(&new).assignment, "a1");

    assert_eq!(
        cluster.beat_as(&old, Some("b")),
        ErrorCode::FENCED_INSTANCE_ID
    );
    assert_eq!(cluster.beat(&old), ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(
        cluster.beat_as(&new, Some("c")),
        ErrorCode::UNKNOWN_MEMBER_ID
    );
    assert_eq!(cluster.beat_as(&new, Some("b")), ErrorCode::NONE);
    let fenced = cluster.join(old.conn, &static_join("b", &old.id));
    assert_eq!(fenced.error, ErrorCode::FENCED_INSTANCE_ID);
    assert_eq!(fenced.member_id, old.id);
}

#[test]
fn a_restarted_leader_is_told_to_skip_the_assignment() {
    let mut cluster = cluster();
    let (old, _) = stable_pair(&mut cluster);
    let conn = cluster.connect(1);
    let joined = cluster.join(conn, &static_join("a", ""));
    assert!(joined.leads() && joined.skip_assignment);
    assert_eq!(joined.members.len(), 2);
    // Older ones do not know the field: they are told that the old id leads.
    let older = cluster.join(
        conn,
        &Joining {
            version: 8,
            ..static_join("a", "")
        },
    );
    assert_eq!(older.leader, joined.member_id);
    assert!(!older.leads() && older.members.is_empty());
    assert_ne!(older.leader, old.id);
}

#[test]
fn a_restarted_member_with_other_protocols_starts_a_rebalance() {
    let mut cluster = cluster();
    let conn = cluster.connect(1);
    let both: &[(&str, &[u8])] = &[("range", b"r"), ("sticky", b"s")];
    let joining = Joining {
        protocols: both,
        ..static_join("a", "")
    };
    let joined = cluster.join(conn, &joining);
    let leader = member(&mut cluster, &joined);
    cluster.send_sync_as(&leader, Some("a"), &[]);
    cluster.sync_answer(&leader);
    let swapped: &[(&str, &[u8])] = &[("sticky", b"s"), ("range", b"r")];
    let joined = cluster.join(
        conn,
        &Joining {
            protocols: swapped,
            ..static_join("a", "")
        },
    );
    assert_eq!(
        (joined.generation, joined.protocol.as_deref()),
        (2, Some("sticky"))
    );
    assert!(joined.leads() && !joined.skip_assignment);
}

#[test]
fn a_member_replaced_while_it_waits_is_fenced_and_the_rebalance_starts_over() {
    let mut cluster = cluster();
    let (leader, follower) = stable_pair(&mut cluster);
    // The leader's rebalance waits for b; a second a comes.
    cluster.send_join(leader.conn, &static_join("a", &leader.id));
    let conn = cluster.connect(1);
    cluster.send_join(conn, &static_join("a", ""));
    let fenced = cluster.join_answer(leader.conn, JOIN);
    assert_eq!(fenced.error, ErrorCode::FENCED_INSTANCE_ID);
    assert_eq!(
        (fenced.member_id.as_str(), fenced.generation),
        (&*leader.id, -1)
    );
    cluster.send_join(follower.conn, &static_join("b", &follower.id));
    let joined = cluster.join_answer(conn, JOIN);
    assert_eq!((joined.error, joined.generation), (ErrorCode::NONE, 2));
    cluster.join_answer(follower.conn, JOIN);
    // In CompletingRebalance the leader may already assign to the old id.
    let new = member(&mut cluster, &joined);
    cluster.send_sync_as(
        &Member {
            generation: 2,
            ..follower.clone()
        },
        Some("b"),
        &[],
    );
    cluster.send_join(new.conn, &static_join("a", ""));
    assert_eq!(
        cluster.sync_answer(&follower).error,
        ErrorCode::REBALANCE_IN_PROGRESS
    );
    assert_eq!(cluster.state("g"), "PreparingRebalance");
}

#[test]
fn a_static_member_that_is_away_stays_until_its_session_ends() {
    let mut cluster = cluster();
    let (leader, _) = stable_pair(&mut cluster);
    let mut third = cluster.newcomer(&Joining {
        rebalance_timeout: SESSION / 2,
        ..Joining::default()
    });
    cluster.send_join(
        leader.conn,
        &Joining {
            rebalance_timeout: SESSION / 2,
            ..static_join("a", &leader.id)
        },
    );
    // b said 30 s, and is waited for; it stays a member though it has not come.
    cluster.advance(SESSION - ms(1));
    assert_eq!(cluster.state("g"), "PreparingRebalance");
    assert_eq!(cluster.broker.group("g").unwrap().members.len(), 3);
    cluster.advance(ms(1));
    assert_eq!(cluster.take_join(&mut third).generation, 2);
    assert_eq!(cluster.broker.group("g").unwrap().members.len(), 2);
}

#[test]
fn an_administrator_removes_members_by_their_instance() {
    let mut cluster = cluster();
    stable_pair(&mut cluster);
    let left = cluster.leave("g", &[("", Some("a")), ("", Some("c")), ("", None)]);
    let unknown = ErrorCode::UNKNOWN_MEMBER_ID;
    assert_eq!(
        left,
        (ErrorCode::NONE, vec![ErrorCode::NONE, unknown, unknown])
    );
    let group = cluster.broker.group("g").unwrap();
    assert_eq!(group.members.len(), 1);
    assert_eq!(group.members[0].instance_id.as_deref(), Some("b"));
    assert_eq!(group.state, "PreparingRebalance");
}

#[test]
fn a_static_member_without_a_time_to_rebalance_is_waited_for_until_its_session_ends() {
    let mut cluster = cluster();
    let conns = [cluster.connect(1), cluster.connect(1)];
    let hasty = Joining {
        rebalance_timeout: ms(0),
        ..static_join("a", "")
    };
    cluster.send_join(conns[0], &hasty);
    cluster.send_join(conns[1], &static_join("b", ""));
    let members = conns.map(|conn| {
        let joined = cluster.join_answer(conn, JOIN);
        Member {
            conn,
            id: joined.member_id,
            generation: joined.generation,
        }
    });
    cluster.assign_all(&members);
    assert!(cluster.broker.expire_member("g", &members[1].id));
    // Nobody comes.
    cluster.advance(SESSION - ms(1));
    assert_eq!(cluster.state("g"), "PreparingRebalance");
    cluster.advance(ms(1));
    assert_eq!(cluster.state("g"), "Empty");
}
