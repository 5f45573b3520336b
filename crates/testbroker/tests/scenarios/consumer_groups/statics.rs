//! Static members: they go for a while and come back to what they had.

use milena_testbroker::ErrorCode;
use milena_wire::messages::ConsumerGroupHeartbeatRequest;

use super::member::{Member, bare, beat, eager, standing};
use crate::harness::ms;

#[test]
fn a_static_member_comes_back_under_another_id_to_its_partitions() {
    let mut cluster = eager(4);
    let mut a = Member::new("a", &["t"]).named("one");
    let mut b = Member::new("b", &["t"]).named("two");
    for _ in 0..2 {
        a.beat(&mut cluster);
        b.beat(&mut cluster);
    }
    let had = a.owned.clone();
    let (_, epoch, _) = standing(&mut cluster);

    let gone = a.leave(&mut cluster, -2);
    assert_eq!((gone.error, gone.epoch), (ErrorCode::NONE, -2));
    assert_eq!(gone.member_id.as_deref(), Some("a"));
    assert_eq!(standing(&mut cluster).0, "Reconciling");
    assert_eq!(b.beat(&mut cluster).load(), 2);

    let mut back = Member::new("a2", &["t"]).named("one");
    back.beat(&mut cluster);
    assert_eq!((back.epoch, &back.owned), (epoch, &had));
    assert_eq!(standing(&mut cluster), ("Stable".to_owned(), epoch, epoch));

    let old = ConsumerGroupHeartbeatRequest {
        instance_id: Some("one"),
        ..bare("a", epoch)
    };
    let answer = beat(&mut cluster, &old);
    assert_eq!(answer.error, ErrorCode::FENCED_INSTANCE_ID);
    assert_eq!(
        answer.message.as_deref(),
        Some("Static member a with instance id one was fenced by member a2.")
    );
}

#[test]
fn a_name_in_use_is_not_given_to_another() {
    let mut cluster = eager(1);
    Member::new("a", &["t"]).named("one").beat(&mut cluster);
    let answer = Member::new("b", &["t"]).named("one").ask(&mut cluster);
    assert_eq!(answer.error, ErrorCode::UNRELEASED_INSTANCE_ID);
    assert_eq!(
        answer.message.as_deref(),
        Some(
            "Static member b with instance id one cannot join the group because the instance id \
             is owned by a member."
        )
    );
}

#[test]
fn a_static_member_that_does_not_come_back_loses_its_partitions() {
    let mut cluster = eager(2);
    let mut a = Member::new("a", &["t"]).named("one");
    let mut b = Member::new("b", &["t"]);
    for _ in 0..2 {
        a.beat(&mut cluster);
        b.beat(&mut cluster);
    }
    a.leave(&mut cluster, -2);
    cluster.advance(ms(30_000));
    assert_eq!(b.beat(&mut cluster).load(), 1);
    cluster.advance(ms(15_000));
    assert_eq!(b.beat(&mut cluster).load(), 2);
}

#[test]
fn a_static_member_can_go_for_good_and_its_name_is_free() {
    let mut cluster = eager(1);
    let mut a = Member::new("a", &["t"]).named("one");
    a.beat(&mut cluster);
    let gone = a.leave(&mut cluster, -1);
    assert_eq!((gone.error, gone.epoch), (ErrorCode::NONE, -1));
    let unknown = ConsumerGroupHeartbeatRequest {
        instance_id: Some("one"),
        ..bare("a", 2)
    };
    let answer = beat(&mut cluster, &unknown);
    assert_eq!(answer.error, ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(
        answer.message.as_deref(),
        Some("Instance id one is unknown.")
    );
    let mut b = Member::new("b", &["t"]).named("one");
    assert_eq!(b.beat(&mut cluster).load(), 1);
}

#[test]
fn a_member_that_comes_back_with_a_name_gets_nothing_until_its_next_heartbeat() {
    let mut cluster = eager(2);
    let mut a = Member::new("a", &["t", "u"]);
    assert!(cluster.broker.create_topic("u", 1));
    assert_eq!(a.beat(&mut cluster).load(), 3);
    // It has to give `u` back, and does not say that it has.
    let narrowed = ConsumerGroupHeartbeatRequest {
        subscribed_topic_names: Some(vec!["t"]),
        ..bare("a", a.epoch)
    };
    assert_eq!(beat(&mut cluster, &narrowed).error, ErrorCode::NONE);

    let mut named = Member::new("a", &["t"]).named("one");
    assert_eq!(named.beat(&mut cluster).load(), 0);
    let (_, epoch, target) = standing(&mut cluster);
    assert_eq!((epoch, target), (named.epoch, named.epoch));
    // In its epoch and with nothing open, it is taken for settled.
    assert_eq!(named.beat(&mut cluster).load(), 0);
}
