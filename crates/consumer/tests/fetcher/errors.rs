//! What each error leads to.

use std::sync::Arc;

use milena_cluster::recovery::{Operation, Recovery, recover};
use milena_cluster::{LeaderEpoch, Outcome, SendFailure};
use milena_consumer::{Cursor, FetchConfig, FetchError, OutOfRange};
use milena_wire::messages::{EpochEndOffset, FetchResponse, FetchableTopicResponse, PartitionData};
use milena_wire::{ErrorCode, Uuid};

use crate::batch::Spec;
use crate::world::{World, data, ms, refused, tp};

fn world() -> World {
    World::reading(FetchConfig::default(), &[1])
}

fn with_policy(out_of_range: OutOfRange) -> World {
    World::reading(
        FetchConfig {
            out_of_range,
            ..FetchConfig::default()
        },
        &[1],
    )
}

#[test]
fn stale_leaders_and_unknown_topics_refresh_the_metadata_and_wait() {
    for code in [
        ErrorCode::NOT_LEADER_OR_FOLLOWER,
        ErrorCode::FENCED_LEADER_EPOCH,
        ErrorCode::UNKNOWN_LEADER_EPOCH,
        ErrorCode::REPLICA_NOT_AVAILABLE,
        ErrorCode::KAFKA_STORAGE_ERROR,
        ErrorCode::OFFSET_NOT_AVAILABLE,
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode::UNKNOWN_TOPIC_ID,
        ErrorCode::INCONSISTENT_TOPIC_ID,
    ] {
        let mut world = world();
        world.step(refused(0, code));
        assert_eq!((world.refreshes(), world.failures()), (1, vec![]), "{code}");
        world.assert_quiet();
        assert!(world.advance_to_timeout() >= ms(80), "{code}");
        world.lead(0, 2, 1);
        assert_eq!(world.fetch().node, 2, "{code}");
    }
}

#[test]
fn every_error_code_is_waited_out_or_told() {
    for code in (-1..140).map(ErrorCode).filter(|code| !code.is_ok()) {
        let mut world = world();
        world.step(refused(0, code));
        world.assert_quiet();
        let told = world.failures();
        let waits = world.fetcher.poll_timeout().is_some();
        let expected = recover(Operation::Fetch, code).is_retry();
        assert_eq!(
            (told.is_empty(), waits),
            (expected, expected),
            "{code}: {told:?}"
        );
        let refresh = usize::from(recover(Operation::Fetch, code) == Recovery::RefreshMetadata);
        assert_eq!(world.refreshes(), refresh, "{code}");
    }
}

#[test]
fn one_partitions_error_does_not_stop_the_others() {
    let mut world = World::reading(FetchConfig::default(), &[1, 1]);
    let fetch = world.fetch();
    world.answer(
        fetch.id,
        vec![
            refused(0, ErrorCode::NOT_LEADER_OR_FOLLOWER),
            data(1, &[Spec::data(0, &["a"]).bytes()]),
        ],
    );
    world.decode();
    assert_eq!(world.values(), ["a"]);
    assert_eq!(world.fetch().indexes(), [1]);
}

#[test]
fn lost_and_unsent_fetches_are_repeated_after_a_wait() {
    for failure in [
        SendFailure::ConnectionClosed,
        SendFailure::RequestTimedOut,
        SendFailure::ConnectFailed,
        SendFailure::NoRoute,
    ] {
        for sent in [true, false] {
            let mut world = world();
            let fetch = world.fetch();
            let outcome = if sent {
                Outcome::Unsure(failure.clone())
            } else {
                Outcome::NotSent(failure.clone())
            };
            world
                .fetcher
                .handle_fetch(world.now, fetch.id, outcome, &[]);
            assert_eq!(world.refreshes(), 1);
            world.assert_quiet();
            assert!(world.advance_to_timeout() >= ms(80));
            assert_eq!(world.fetch().partitions, fetch.partitions, "the same again");
        }
    }
}

#[test]
fn a_broker_that_cannot_be_asked_at_all_fails_the_partition() {
    let mut world = world();
    let fetch = world.fetch();
    let range = milena_wire::VersionRange {
        min: milena_wire::ApiVersion(4),
        max: milena_wire::ApiVersion(18),
    };
    let unsupported = milena_cluster::ApiVersions::default()
        .pick(milena_wire::ApiKey::FETCH, range)
        .expect_err("an empty list supports nothing");
    world.fetcher.handle_fetch(
        world.now,
        fetch.id,
        Outcome::NotSent(SendFailure::Unsupported(unsupported)),
        &[],
    );
    world.collect();
    assert_eq!(
        world.failures(),
        [FetchError::Broker {
            code: ErrorCode::UNSUPPORTED_VERSION
        }]
    );
}

#[test]
fn a_topic_that_may_not_be_read_fails_and_can_be_tried_again() {
    let mut world = world();
    world.step(refused(0, ErrorCode::TOPIC_AUTHORIZATION_FAILED));
    assert_eq!(world.failures(), [FetchError::TopicAuthorization]);
    world.assert_quiet();
    assert_eq!(
        world.fetcher.poll_timeout(),
        None,
        "told once, and not again"
    );
    world.fetcher.retry(&tp(0));
    world.step(data(0, &[Spec::data(0, &["a"]).bytes()]));
    assert_eq!(world.values(), ["a"]);
}

#[test]
fn a_damaged_log_fails_the_partition() {
    let mut world = world();
    world.step(refused(0, ErrorCode::CORRUPT_MESSAGE));
    assert_eq!(
        world.failures(),
        [FetchError::Broker {
            code: ErrorCode::CORRUPT_MESSAGE
        }]
    );
}

#[test]
fn out_of_range_fails_by_default_and_says_where_the_log_is() {
    let mut world = world();
    world.step(PartitionData {
        log_start_offset: 10,
        high_watermark: 20,
        ..data(0, &[])
    });
    world.fetcher.seek(&tp(0), Cursor::at(3));
    world.step(refused(0, ErrorCode::OFFSET_OUT_OF_RANGE));
    let [error] = &world.failures()[..] else {
        panic!("one failure")
    };
    assert_eq!(
        *error,
        FetchError::OffsetOutOfRange {
            requested: 3,
            log_start_offset: Some(10),
            high_watermark: Some(20)
        }
    );
    assert_eq!(
        error.to_string(),
        "offset 3 is out of range: the log starts at 10 and ends at 20"
    );
    world.assert_quiet();
    world.fetcher.seek(&tp(0), Cursor::at(10));
    assert_eq!(world.fetch().partitions[0].position, 10);
}

#[test]
fn out_of_range_finds_another_start_if_the_settings_say_so() {
    for (policy, timestamp) in [(OutOfRange::Earliest, -2), (OutOfRange::Latest, -1)] {
        let mut world = with_policy(policy);
        world.step(refused(0, ErrorCode::OFFSET_OUT_OF_RANGE));
        assert_eq!(world.fetcher.position(&tp(0)), None);
        let list = world.list();
        assert_eq!(list.partitions, [(tp(0), timestamp)]);
        world.listed(list.id, 0, ErrorCode::NONE, 33, 5);
        assert_eq!(
            world.moves(),
            [Cursor {
                position: 33,
                leader_epoch: LeaderEpoch(5)
            }]
        );
        assert_eq!(
            (world.fetch().partitions[0].position, world.failures()),
            (33, vec![])
        );
    }
}

#[test]
fn a_log_start_that_is_out_of_its_own_range_is_not_a_loop() {
    let mut world = with_policy(OutOfRange::Earliest);
    let mut waited = ms(0);
    for _ in 0..5 {
        world.step(refused(0, ErrorCode::OFFSET_OUT_OF_RANGE));
        if world.fetcher.poll_timeout().is_some() {
            waited += world.advance_to_timeout();
        }
        let list = world.list();
        world.listed(list.id, 0, ErrorCode::NONE, 7, 0);
    }
    assert!(waited > ms(500), "{waited:?}");
}

fn diverging(epoch: i32, end_offset: i64) -> PartitionData {
    PartitionData {
        diverging_epoch: EpochEndOffset { epoch, end_offset },
        ..data(0, &[])
    }
}

#[test]
fn a_truncated_log_fails_by_default() {
    let mut world = world();
    world.fetcher.seek(
        &tp(0),
        Cursor {
            position: 100,
            leader_epoch: LeaderEpoch(5),
        },
    );
    world.step(diverging(4, 90));
    let expected = FetchError::Truncated {
        position: 100,
        leader_epoch: LeaderEpoch(5),
        diverging_epoch: LeaderEpoch(4),
        end_offset: 90,
    };
    assert_eq!(world.failures(), [expected]);
    world.assert_quiet();
}

#[test]
fn a_truncated_log_is_read_on_where_it_parts_if_the_settings_allow_it() {
    let mut world = with_policy(OutOfRange::Latest);
    world.fetcher.seek(
        &tp(0),
        Cursor {
            position: 100,
            leader_epoch: LeaderEpoch(5),
        },
    );
    world.step(diverging(4, 90));
    let parting = Cursor {
        position: 90,
        leader_epoch: LeaderEpoch(4),
    };
    assert_eq!((world.moves(), world.cursor(0)), (vec![parting], parting));
    assert_eq!(world.fetch().partitions[0].position, 90);
}

#[test]
fn a_divergence_that_does_not_diverge_is_waited_out() {
    for answer in [diverging(5, 100), diverging(6, 200), diverging(4, -1)] {
        let mut world = with_policy(OutOfRange::Earliest);
        world.fetcher.seek(
            &tp(0),
            Cursor {
                position: 100,
                leader_epoch: LeaderEpoch(5),
            },
        );
        world.step(answer);
        world.assert_quiet();
        assert!(world.fetcher.poll_timeout().is_some());
        assert_eq!((world.position(0), world.failures()), (100, vec![]));
    }
}

fn by_id(id: u8, partition: PartitionData) -> FetchResponse<'static> {
    FetchResponse {
        responses: vec![FetchableTopicResponse {
            topic_id: Uuid([id; 16]),
            partitions: vec![partition],
            ..Default::default()
        }],
        ..Default::default()
    }
}

fn step_by_id(world: &mut World, id: u8, partition: PartitionData) {
    let fetch = world.fetch();
    world.answer_with(
        fetch.id,
        &by_id(id, partition),
        &[(Uuid([9; 16]), "u".into()), (Uuid([id; 16]), "t".into())],
    );
    world.decode();
}

#[test]
fn answers_name_topics_by_id() {
    let mut world = world();
    step_by_id(&mut world, 1, data(0, &[Spec::data(0, &["a"]).bytes()]));
    assert_eq!(world.values(), ["a"]);
    // An id that nobody asked for.
    let fetch = world.fetch();
    world.answer_with(
        fetch.id,
        &by_id(2, data(0, &[Spec::data(1, &["b"]).bytes()])),
        &[(Uuid([1; 16]), "t".into())],
    );
    world.decode();
    assert_eq!(world.offsets(), []);
    assert!(
        world.fetcher.poll_timeout().is_some(),
        "as if the partition were missing"
    );
}

#[test]
fn a_topic_that_was_recreated_fails_before_any_of_it_is_shown() {
    for answer in [
        data(
            0,
            &[
                Spec::data(0, &["other"]).bytes(),
                Spec::data(1, &["other"]).bytes(),
            ],
        ),
        refused(0, ErrorCode::OFFSET_OUT_OF_RANGE),
    ] {
        let mut world = world();
        step_by_id(&mut world, 1, data(0, &[Spec::data(0, &["a"]).bytes()]));
        world.records();
        step_by_id(&mut world, 2, answer);
        assert_eq!(
            world.failures(),
            [FetchError::TopicRecreated {
                was: Uuid([1; 16]),
                now: Uuid([2; 16])
            }]
        );
        assert_eq!(world.offsets(), []);
        // Trying again does not make it the same topic; a seek means the new one.
        world.fetcher.retry(&tp(0));
        step_by_id(&mut world, 2, data(0, &[Spec::data(1, &["other"]).bytes()]));
        assert_eq!((world.failures().len(), world.offsets()), (1, vec![]));
        world.fetcher.seek(&tp(0), Cursor::at(0));
        step_by_id(&mut world, 2, data(0, &[Spec::data(0, &["new"]).bytes()]));
        assert_eq!(world.values(), ["new"]);
    }
}

#[test]
fn a_seek_within_a_topic_does_not_hide_that_it_is_recreated() {
    let mut world = world();
    step_by_id(
        &mut world,
        1,
        data(0, &[Spec::data(0, &["a", "b"]).bytes()]),
    );
    world.fetcher.seek(&tp(0), Cursor::at(1));
    step_by_id(&mut world, 2, data(0, &[Spec::data(1, &["other"]).bytes()]));
    assert!(matches!(
        world.failures()[..],
        [FetchError::TopicRecreated { .. }]
    ));
}

#[test]
fn a_recreated_topic_is_read_anew_if_the_settings_say_so() {
    let mut world = with_policy(OutOfRange::Earliest);
    step_by_id(&mut world, 1, data(0, &[Spec::data(0, &["a"]).bytes()]));
    step_by_id(&mut world, 2, data(0, &[Spec::data(1, &["other"]).bytes()]));
    let list = world.list();
    world.listed(list.id, 0, ErrorCode::NONE, 0, 0);
    step_by_id(&mut world, 2, data(0, &[Spec::data(0, &["new"]).bytes()]));
    assert_eq!(
        (world.values(), world.failures()),
        (vec!["a".into(), "new".into()], vec![])
    );
}

#[test]
fn a_refused_id_says_nothing_about_the_topic() {
    let mut world = world();
    step_by_id(&mut world, 1, data(0, &[Spec::data(0, &["a"]).bytes()]));
    for code in [
        ErrorCode::UNKNOWN_TOPIC_ID,
        ErrorCode::INCONSISTENT_TOPIC_ID,
    ] {
        step_by_id(&mut world, 2, refused(0, code));
        assert_eq!(world.failures(), []);
        world.advance_to_timeout();
    }
    step_by_id(&mut world, 1, data(0, &[Spec::data(1, &["b"]).bytes()]));
    assert_eq!(world.values(), ["a", "b"]);
}

#[test]
fn errors_are_told_in_words() {
    let error = FetchError::OffsetOutOfRange {
        requested: 5,
        log_start_offset: None,
        high_watermark: None,
    };
    assert_eq!(
        error.to_string(),
        "offset 5 is out of range: the log starts at an unknown offset and ends at an unknown offset"
    );
    assert_eq!(
        FetchError::Broker {
            code: ErrorCode::CORRUPT_MESSAGE
        }
        .to_string(),
        "the broker answered CORRUPT_MESSAGE (2)"
    );
    let shared: Arc<str> = "t".into();
    assert_eq!(tp(0).topic, shared);
}
