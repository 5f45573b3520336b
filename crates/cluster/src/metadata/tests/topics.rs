//! Topics and partitions, as answers come in.

use super::*;

#[test]
fn leaders_are_known_with_their_epochs_and_the_topic_by_its_id() {
    let h = Harness::knowing(7, &[(1, 2, 5), (0, 1, 4)]);
    assert_eq!(
        [h.leader(0), h.leader(1), h.leader(2), h.leader(-1)],
        [Some((1, 4)), Some((2, 5)), None, None]
    );
    assert_eq!(
        h.metadata.topic_name(Uuid([7; 16])).map(|name| &**name),
        Some("t")
    );
    assert_eq!(
        h.metadata.topic("t").map(|topic| topic.partitions.len()),
        Some(2)
    );
}

#[test]
fn an_answer_of_an_older_epoch_is_ignored_for_that_partition_only() {
    let mut h = Harness::knowing(1, &[(0, 1, 5), (1, 1, 5)]);
    h.refresh(&cluster(vec![topic("t", 1, &[(0, 2, 4), (1, 3, 6)])]));
    assert_eq!([h.leader(0), h.leader(1)], [Some((1, 5)), Some((3, 6))]);
    h.refresh(&cluster(vec![topic("t", 1, &[(0, 3, 5), (1, -1, 5)])]));
    assert_eq!(
        [h.leader(0), h.leader(1)],
        [Some((3, 5)), Some((3, 6))],
        "the same epoch is not older"
    );
}

#[test]
fn a_topic_created_anew_starts_with_its_own_epochs_and_partitions() {
    let mut h = Harness::knowing(1, &[(0, 1, 50), (1, 1, 50), (2, 1, 50)]);
    h.refresh(&cluster(vec![topic("t", 2, &[(0, 3, 0)])]));
    assert_eq!(
        h.metadata.topic("t").map(|topic| topic.partitions.len()),
        Some(1)
    );
    assert_eq!([h.leader(0), h.leader(1)], [Some((3, 0)), None]);
    assert!(h.metadata.topic_name(Uuid([1; 16])).is_none());
    assert!(h.metadata.topic_name(Uuid([2; 16])).is_some());
}

#[test]
fn a_broker_that_knows_no_ids_speaks_of_the_same_topic() {
    let mut h = Harness::knowing(1, &[(0, 1, 50)]);
    h.refresh(&cluster(vec![topic("t", 0, &[(0, 3, 49)])]));
    assert_eq!(h.leader(0), Some((1, 50)));
    assert!(h.metadata.topic_name(Uuid([1; 16])).is_some());
}

#[test]
fn without_ids_a_topic_that_was_gone_in_between_is_a_new_one() {
    let mut h = Harness::knowing(0, &[(0, 1, 50)]);
    h.refresh(&cluster(vec![failing(
        "t",
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
    )]));
    h.refresh(&cluster(vec![topic("t", 0, &[(0, 2, 0)])]));
    assert_eq!(h.leader(0), Some((2, 0)));
}

#[test]
fn a_vanished_topic_keeps_its_partitions_and_is_asked_for_again() {
    // Told by an error, or by silence.
    for answers in [
        vec![failing("t", ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)],
        vec![],
    ] {
        let mut h = Harness::knowing(1, &[(0, 1, 5), (1, 2, 5)]);
        h.refresh(&cluster(answers.clone()));
        let known = h.metadata.topic("t").unwrap();
        assert_eq!(
            (known.error, known.partitions.len()),
            (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, 2)
        );
        assert!(h.due_in().unwrap() <= Duration::from_secs(1));
        h.now = h.metadata.poll_timeout().unwrap();
        assert_eq!(h.ask(), Some(vec!["t".into()]));
        h.answer(&cluster(vec![topic("t", 1, &[(0, 1, 5), (1, 2, 5)])]));
        assert_eq!(h.metadata.topic("t").unwrap().error, ErrorCode::NONE);
        assert_eq!(h.due_in(), Some(Duration::from_secs(300)));
    }
}

#[test]
fn an_unknown_topic_is_remembered_with_its_error() {
    let mut h = Harness::new();
    h.metadata.want_topic(&"t".into());
    assert!(h.metadata.topic("t").is_none());
    h.refresh(&cluster(vec![failing(
        "t",
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
    )]));
    assert_eq!(
        h.metadata.topic("t").unwrap().error,
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
    );
    assert!(h.metadata.topic("t").unwrap().partitions.is_empty());
}

#[test]
fn an_error_that_lasts_is_not_asked_about_again_before_time() {
    for error in [
        ErrorCode::TOPIC_AUTHORIZATION_FAILED,
        ErrorCode::INVALID_TOPIC_EXCEPTION,
    ] {
        let mut h = Harness::new();
        h.metadata.want_topic(&"t".into());
        h.refresh(&cluster(vec![failing("t", error)]));
        assert_eq!(h.metadata.topic("t").unwrap().error, error);
        assert_eq!(h.due_in(), Some(Duration::from_secs(300)));
    }
}

#[test]
fn a_partition_without_a_leader_is_asked_for_until_it_has_one() {
    let mut h = Harness::knowing(1, &[(0, 1, 5), (1, -1, 6)]);
    assert_eq!([h.leader(0), h.leader(1)], [Some((1, 5)), None]);
    for _ in 0..5 {
        let wait = h.due_in().unwrap();
        assert!(wait > Duration::ZERO && wait <= Duration::from_secs(1));
        h.now = h.metadata.poll_timeout().unwrap();
        assert!(h.ask().is_some());
        h.answer(&cluster(vec![topic("t", 1, &[(0, 1, 5), (1, -1, 6)])]));
    }
    h.now = h.metadata.poll_timeout().unwrap();
    h.ask();
    h.answer(&cluster(vec![topic("t", 1, &[(0, 1, 5), (1, 3, 7)])]));
    assert_eq!(
        (h.leader(1), h.due_in()),
        (Some((3, 7)), Some(Duration::from_secs(300)))
    );
}

#[test]
fn a_leader_that_is_no_known_broker_is_none() {
    let mut h = Harness::knowing(1, &[(0, 9, 5)]);
    assert_eq!(h.leader(0), None);
    assert!(h.due_in().unwrap() <= Duration::from_secs(1));
    let mut answer = cluster(vec![topic("t", 1, &[(0, 9, 5)])]);
    answer.brokers.push(broker(9, "late", 9092));
    h.refresh(&answer);
    assert_eq!(h.leader(0), Some((9, 5)));
}

#[test]
fn losing_the_leader_does_not_lose_the_epoch() {
    let mut h = Harness::knowing(1, &[(0, 1, 5)]);
    h.refresh(&cluster(vec![topic("t", 1, &[(0, -1, -1)])]));
    assert_eq!(h.leader(0), None);
    h.refresh(&cluster(vec![topic("t", 1, &[(0, 2, 4)])]));
    assert_eq!(h.leader(0), None, "older than what was known before");
    h.refresh(&cluster(vec![topic("t", 1, &[(0, 2, 6)])]));
    assert_eq!(h.leader(0), Some((2, 6)));
}

#[test]
fn partitions_out_of_range_twice_or_missing_do_no_harm() {
    let mut h = Harness::new();
    h.metadata.want_topic(&"t".into());
    let strange = [
        (-1, 1, 1),
        (i32::MIN, 1, 1),
        (i32::MAX, 1, 1),
        (PARTITIONS_MAX_INDEX + 1, 1, 1),
        (3, 1, 2),
        (3, 2, 9),
        (0, 2, 3),
    ];
    h.refresh(&cluster(vec![topic("t", 1, &strange)]));
    let known = h.metadata.topic("t").unwrap();
    assert_eq!(known.partitions.len(), 4);
    assert_eq!(
        known.partition(1).unwrap().error,
        ErrorCode::LEADER_NOT_AVAILABLE
    );
    assert_eq!(
        [h.leader(0), h.leader(1), h.leader(3)],
        [Some((2, 3)), None, Some((1, 2))]
    );
    assert!(
        h.due_in().unwrap() <= Duration::from_secs(1),
        "the gap is asked for again"
    );
    h.refresh(&cluster(vec![topic(
        "t",
        1,
        &[(PARTITIONS_MAX_INDEX, 1, 1)],
    )]));
    assert_eq!(h.leader(PARTITIONS_MAX_INDEX), Some((1, 1)));
}

const PARTITIONS_MAX_INDEX: i32 = 99_999;

#[test]
fn a_topic_never_loses_partitions() {
    let mut h = Harness::knowing(1, &[(0, 1, 5), (1, 1, 5)]);
    h.refresh(&cluster(vec![topic("t", 1, &[(0, 1, 5)])]));
    assert_eq!(h.leader(1), Some((1, 5)));
}

#[test]
fn topics_that_nobody_asked_for_are_not_remembered_and_the_first_of_two_counts() {
    let mut h = Harness::new();
    h.metadata.want_topic(&"t".into());
    let nameless = MetadataResponseTopic {
        topic_id: Uuid([9; 16]),
        ..Default::default()
    };
    h.refresh(&cluster(vec![
        topic("stranger", 3, &[(0, 1, 0)]),
        nameless,
        topic("t", 1, &[(0, 1, 5)]),
        topic("t", 2, &[(0, 2, 9)]),
    ]));
    assert!(
        h.metadata.topic("stranger").is_none() && h.metadata.topic_name(Uuid([3; 16])).is_none()
    );
    assert_eq!(h.leader(0), Some((1, 5)));
}

#[test]
fn the_revision_grows_with_changes_and_only_with_them() {
    let mut h = Harness::knowing(1, &[(0, 1, 5)]);
    let mut before = h.metadata.revision();
    h.refresh(&cluster(vec![topic("t", 1, &[(0, 1, 5)])]));
    assert_eq!(h.metadata.revision(), before);
    let mut moved = cluster(vec![topic("t", 1, &[(0, 1, 5)])]);
    moved.brokers[0].port = 19_092;
    for change in [
        cluster(vec![topic("t", 1, &[(0, 2, 6)])]),
        cluster(vec![topic("t", 2, &[(0, 2, 6)])]),
        cluster(vec![topic("t", 2, &[(0, 2, 6), (1, 1, 0)])]),
        cluster(vec![failing("t", ErrorCode::LEADER_NOT_AVAILABLE)]),
        moved,
    ] {
        h.refresh(&change);
        assert!(h.metadata.revision() > before, "{change:?}");
        before = h.metadata.revision();
    }
}
