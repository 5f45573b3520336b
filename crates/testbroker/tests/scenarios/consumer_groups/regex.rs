//! Members that subscribe by a regular expression.

use milena_testbroker::ErrorCode;
use milena_wire::messages::ConsumerGroupHeartbeatRequest;

use super::member::{Member, beat, eager, joining, standing};
use crate::harness::ms;

fn by(id: &str, regex: &str) -> Member {
    Member {
        regex: Some(regex.to_owned()),
        ..Member::new(id, &[])
    }
}

#[test]
fn an_expression_stands_for_topics_from_the_second_heartbeat_on() {
    let mut cluster = eager(2);
    assert!(cluster.broker.create_topic("tt", 1));
    assert!(cluster.broker.create_topic("u", 1));
    let mut a = by("a", "t+");
    a.beat(&mut cluster);
    // It is looked up behind the answer.
    assert_eq!((a.epoch, a.load()), (1, 0));
    assert_eq!(standing(&mut cluster), ("Assigning".to_owned(), 2, 1));
    a.beat(&mut cluster);
    assert_eq!((a.epoch, a.load()), (2, 3));
}

#[test]
fn an_expression_has_to_match_the_whole_name() {
    let mut cluster = eager(1);
    assert!(cluster.broker.create_topic("xt", 1));
    assert!(cluster.broker.create_topic("tx", 1));
    let mut a = by("a", "x|t");
    a.beat(&mut cluster);
    assert_eq!(a.beat(&mut cluster).load(), 1);
}

#[test]
fn new_topics_are_found_ten_seconds_after_the_last_look() {
    let mut cluster = eager(1);
    let mut a = by("a", "t.*");
    a.beat(&mut cluster);
    a.beat(&mut cluster);
    assert_eq!((a.epoch, a.load()), (2, 1));
    assert!(cluster.broker.create_topic("t2", 2));
    cluster.advance(ms(10_000));
    a.beat(&mut cluster);
    assert_eq!(a.beat(&mut cluster).epoch, 2);
    cluster.advance(ms(1));
    a.beat(&mut cluster);
    a.beat(&mut cluster);
    assert_eq!((a.epoch, a.load()), (3, 3));
}

#[test]
fn a_known_expression_counts_at_once() {
    let mut cluster = eager(2);
    let mut a = by("a", "t.*");
    a.beat(&mut cluster);
    a.beat(&mut cluster);
    let mut b = by("b", "t.*");
    b.beat(&mut cluster);
    assert_eq!(standing(&mut cluster), ("Reconciling".to_owned(), 3, 3));
    for _ in 0..2 {
        a.beat(&mut cluster);
        b.beat(&mut cluster);
    }
    assert_eq!((a.load(), b.load()), (1, 1));
}

#[test]
fn an_expression_that_is_none_is_refused_and_changes_nothing() {
    let mut cluster = eager(1);
    for wrong in ["(", "t)(u", "[z-a]"] {
        let request = ConsumerGroupHeartbeatRequest {
            subscribed_topic_names: None,
            subscribed_topic_regex: Some(wrong),
            ..joining("a")
        };
        let answer = beat(&mut cluster, &request);
        assert_eq!(answer.error, ErrorCode::INVALID_REGULAR_EXPRESSION);
        let start = format!("SubscribedTopicRegex `{wrong}` is not a valid regular expression: ");
        assert!(answer.message.unwrap().starts_with(&start));
    }
    let answer = beat(&mut cluster, &super::member::bare("a", 1));
    assert_eq!(answer.error, ErrorCode::GROUP_ID_NOT_FOUND);
}

#[test]
fn a_member_may_subscribe_by_names_and_by_expression() {
    let mut cluster = eager(1);
    assert!(cluster.broker.create_topic("u1", 1));
    assert!(cluster.broker.create_topic("v", 1));
    let mut a = Member {
        regex: Some("u.".to_owned()),
        ..Member::new("a", &["t"])
    };
    assert_eq!(a.beat(&mut cluster).load(), 1);
    assert_eq!(a.beat(&mut cluster).load(), 2);
    a.regex = Some(String::new());
    a.beat(&mut cluster);
    a.beat(&mut cluster);
    assert_eq!(a.load(), 1);
    assert_eq!(standing(&mut cluster).0, "Stable");
}
