//! How members come, hand partitions over and go.

use milena_testbroker::{BrokerConfig, CoordinatorKind, ErrorCode};
use milena_wire::messages::ConsumerGroupHeartbeatRequest;

use super::member::{Member, Partitions, bare, beat, beat_in, eager, joining, standing};
use crate::harness::{Cluster, ms};

#[test]
fn the_first_member_gets_all_partitions_at_once_and_only_then_hears_of_them() {
    let mut cluster = eager(3);
    let answer = beat(&mut cluster, &joining("a"));
    assert_eq!(answer.error, ErrorCode::NONE);
    assert_eq!(answer.member_id.as_deref(), Some("a"));
    assert_eq!((answer.epoch, answer.interval_ms), (2, 5_000));
    let assignment = answer.assignment.unwrap();
    assert_eq!(assignment.into_values().next().unwrap(), [0, 1, 2].into());
    assert_eq!(standing(&mut cluster), ("Stable".to_owned(), 2, 2));

    let again = beat(&mut cluster, &bare("a", 2));
    assert_eq!((again.epoch, again.assignment), (2, None));
}

#[test]
fn a_member_without_an_id_is_given_one_in_version_0() {
    let mut cluster = eager(1);
    let answer = beat_in(&mut cluster, 0, &joining(""));
    assert_eq!(answer.error, ErrorCode::NONE);
    let id = answer.member_id.unwrap();
    assert_eq!(id.len(), 22);
    let again = beat_in(&mut cluster, 0, &bare(&id, answer.epoch));
    assert_eq!(again.error, ErrorCode::NONE);
    let other = beat_in(&mut cluster, 0, &joining(""));
    assert_ne!(other.member_id.unwrap(), id);
}

#[test]
fn a_partition_changes_hands_only_after_it_was_given_back() {
    let mut cluster = eager(2);
    let mut a = Member::new("a", &["t"]);
    let mut b = Member::new("b", &["t"]);
    assert_eq!(a.beat(&mut cluster).partitions(), [0, 1]);

    // The new one is in the new epoch with nothing: the other has not let go.
    assert_eq!(b.beat(&mut cluster).partitions(), []);
    assert_eq!(b.epoch, 3);
    assert_eq!(standing(&mut cluster).0, "Reconciling");

    // The old one stays in its epoch and is shown what it may keep.
    let told = a.ask(&mut cluster);
    assert_eq!(told.epoch, 2);
    let keeps = told.assignment.clone().unwrap();
    assert_eq!(keeps.values().map(|p| p.len()).sum::<usize>(), 1);
    // Still holding both, it hears nothing new.
    let still = beat(
        &mut cluster,
        &ConsumerGroupHeartbeatRequest {
            topic_partitions: None,
            ..bare("a", 2)
        },
    );
    assert_eq!((still.epoch, still.assignment), (2, None));
    assert_eq!(b.beat(&mut cluster).partitions(), []);

    a.follow(&told);
    assert_eq!(a.beat(&mut cluster).epoch, 3);
    assert_eq!(b.beat(&mut cluster).load(), 1);
    assert_ne!(a.partitions(), b.partitions());
    assert_eq!(standing(&mut cluster), ("Stable".to_owned(), 3, 3));
}

#[test]
fn three_members_share_and_take_over_from_those_that_leave() {
    let mut cluster = eager(6);
    let mut members: Vec<Member> = ["a", "b", "c"]
        .iter()
        .map(|id| Member::new(id, &["t"]))
        .collect();
    for _ in 0..3 {
        for member in &mut members {
            member.beat(&mut cluster);
        }
    }
    assert!(members.iter().all(|member| member.load() == 2));
    assert_eq!(standing(&mut cluster).0, "Stable");
    let kept = members[0].partitions();

    let gone = members[1].leave(&mut cluster, -1);
    assert_eq!((gone.error, gone.epoch), (ErrorCode::NONE, -1));
    assert_eq!(gone.member_id.as_deref(), Some("b"));
    assert_eq!((gone.interval_ms, gone.assignment), (0, None));
    assert_eq!(standing(&mut cluster).0, "Assigning");
    members.remove(1);
    for _ in 0..2 {
        for member in &mut members {
            member.beat(&mut cluster);
        }
    }
    assert!(members.iter().all(|member| member.load() == 3));
    assert!(kept.iter().all(|p| members[0].partitions().contains(p)));

    for member in &mut members {
        member.leave(&mut cluster, -1);
    }
    assert_eq!(standing(&mut cluster).0, "Empty");
}

#[test]
fn two_assignments_are_a_second_apart() {
    let mut cluster = Cluster::single();
    let mut a = Member::new("a", &["t"]);
    let mut b = Member::new("b", &["t"]);
    a.beat(&mut cluster);
    let early = b.ask(&mut cluster);
    // In the epoch of the last target, in which it has nothing.
    assert_eq!(
        (early.epoch, early.assignment.clone()),
        (2, Some(Partitions::new()))
    );
    assert_eq!(standing(&mut cluster), ("Assigning".to_owned(), 3, 2));
    b.follow(&early);
    cluster.advance(ms(999));
    assert_eq!(b.beat(&mut cluster).epoch, 2);
    cluster.advance(ms(1));
    assert_eq!(b.beat(&mut cluster).epoch, 3);
}

#[test]
fn a_silent_member_goes_when_its_session_is_over() {
    let mut cluster = eager(2);
    let mut a = Member::new("a", &["t"]);
    let mut b = Member::new("b", &["t"]);
    a.beat(&mut cluster);
    b.beat(&mut cluster);
    cluster.advance(ms(44_999));
    assert_eq!(b.beat(&mut cluster).load(), 0);
    cluster.advance(ms(1));
    assert_eq!(standing(&mut cluster), ("Assigning".to_owned(), 4, 3));
    assert_eq!(b.beat(&mut cluster).load(), 2);
    let late = a.ask(&mut cluster);
    assert_eq!(late.error, ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(
        late.message.as_deref(),
        Some("Member a is not a member of group g.")
    );
}

#[test]
fn a_member_that_does_not_give_back_goes_after_its_rebalance_timeout() {
    let mut cluster = eager(2);
    let mut a = Member::new("a", &["t"]);
    let mut b = Member::new("b", &["t"]);
    a.beat(&mut cluster);
    b.beat(&mut cluster);
    assert_eq!(a.ask(&mut cluster).epoch, 2);
    for _ in 0..5 {
        // Heartbeats keep the session up, but time runs.
        cluster.advance(ms(11_999));
        assert_eq!(a.ask(&mut cluster).error, ErrorCode::NONE);
        b.beat(&mut cluster);
    }
    assert_eq!(b.load(), 0);
    cluster.advance(ms(5));
    assert_eq!(a.ask(&mut cluster).error, ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(b.beat(&mut cluster).load(), 2);
}

#[test]
fn a_topic_that_grows_is_assigned_anew() {
    let mut cluster = eager(1);
    let mut a = Member::new("a", &["t", "later"]);
    a.beat(&mut cluster);
    assert_eq!((a.epoch, a.load()), (2, 1));
    assert!(cluster.broker.create_topic("other", 3));
    assert_eq!(a.beat(&mut cluster).epoch, 2);
    assert!(cluster.broker.create_topic("later", 2));
    a.beat(&mut cluster);
    assert_eq!((a.epoch, a.load()), (3, 3));
    assert!(cluster.broker.delete_topic("later"));
    // It has to give back what no longer exists, as anything else.
    assert_eq!(a.beat(&mut cluster).epoch, 3);
    assert_eq!(a.beat(&mut cluster).epoch, 4);
    assert_eq!(a.load(), 1);
}

#[test]
fn a_member_that_changes_its_topics_gives_the_old_ones_back_first() {
    let mut cluster = eager(1);
    assert!(cluster.broker.create_topic("u", 2));
    let mut a = Member::new("a", &["t"]);
    a.beat(&mut cluster);
    let before = a.owned.clone();
    a.names = vec!["u".to_owned()];
    let told = a.ask(&mut cluster);
    assert_eq!(
        (told.epoch, told.assignment.clone()),
        (2, Some(Partitions::new()))
    );
    a.follow(&told);
    a.beat(&mut cluster);
    assert_eq!((a.epoch, a.load()), (3, 2));
    assert_ne!(a.owned, before);
}

#[test]
fn a_lost_answer_is_made_up_for_with_the_epoch_before() {
    let mut cluster = eager(2);
    let mut a = Member::new("a", &["t"]);
    let mut b = Member::new("b", &["t"]);
    a.beat(&mut cluster);
    b.beat(&mut cluster);
    a.beat(&mut cluster);
    // This answer, which raises the epoch to 3, is lost.
    assert_eq!(a.ask(&mut cluster).epoch, 3);
    let again = a.ask(&mut cluster);
    assert_eq!((again.error, again.epoch), (ErrorCode::NONE, 3));
    let silent = beat(&mut cluster, &bare("a", 2));
    assert_eq!(silent.error, ErrorCode::FENCED_MEMBER_EPOCH);
    assert_eq!(
        silent.message.as_deref(),
        Some(
            "The consumer group member has a smaller member epoch (2) than the one known by the \
             group coordinator (3). The member must abandon all its partitions and rejoin."
        )
    );
}

#[test]
fn a_fenced_member_comes_back_with_epoch_0_and_keeps_its_place() {
    let mut cluster = eager(2);
    let mut a = Member::new("a", &["t"]);
    a.beat(&mut cluster);
    let again = beat(&mut cluster, &joining("a"));
    assert_eq!(again.epoch, 2);
    assert_eq!(again.assignment, Some(a.owned.clone()));
    assert_eq!(standing(&mut cluster), ("Stable".to_owned(), 2, 2));
}

#[test]
fn members_have_all_their_time_again_at_a_new_coordinator() {
    let mut cluster = Cluster::with_topic(BrokerConfig {
        nodes: 2,
        ..BrokerConfig::default()
    });
    cluster
        .broker
        .move_coordinator(CoordinatorKind::Group, "g", 1);
    let mut a = Member::new("a", &["t"]);
    a.beat(&mut cluster);
    cluster.advance(ms(40_000));
    cluster
        .broker
        .move_coordinator(CoordinatorKind::Group, "g", 2);
    cluster.advance(ms(40_000));
    cluster
        .broker
        .move_coordinator(CoordinatorKind::Group, "g", 1);
    assert_eq!(a.ask(&mut cluster).error, ErrorCode::NONE);

    let view = cluster.broker.group("g").unwrap();
    assert_eq!((view.group_type, view.state), ("consumer", "Stable"));
    assert_eq!(view.generation, 2);
    assert_eq!(view.members[0].id, "a");
    assert_eq!(view.members[0].partitions, [("t".to_owned(), vec![0])]);
    assert!(!view.members[0].waits);
}
