//! Answers that lead nowhere: never a loop.

use milena_consumer::{Cursor, FetchConfig, FetchError};
use milena_wire::ErrorCode;
use milena_wire::messages::PartitionData;

use crate::batch::Spec;
use crate::world::{World, data, ms, response, tp};

fn world() -> World {
    World::reading(FetchConfig::default(), &[1])
}

#[test]
fn bytes_without_a_whole_batch_end_in_an_error_and_not_in_a_loop() {
    let whole = Spec::data(0, &["too large to be whole"]).bytes();
    for len in [1, 16, 17, 60, 61, whole.len() - 1] {
        let mut world = world();
        let mut asked = 0;
        while world.failures().is_empty() {
            assert!(asked < 5, "asked again and again");
            asked += 1;
            world.step(data(0, &[whole.slice(..len)]));
            if world.fetcher.poll_timeout().is_some() {
                world.advance_to_timeout();
            }
        }
        world.assert_quiet();
        assert!(
            asked > 1,
            "once may be a broker's cut in the middle of an answer"
        );
    }
}

#[test]
fn the_error_for_a_batch_cut_short_says_how_much_came() {
    let mut world = world();
    let cut = Spec::data(0, &["too large"]).bytes().slice(..40);
    for _ in 0..3 {
        world.step(data(0, std::slice::from_ref(&cut)));
        if world.fetcher.poll_timeout().is_some() {
            world.advance_to_timeout();
        }
    }
    assert_eq!(
        world.failures(),
        [FetchError::RecordTooLarge {
            position: 0,
            fetched: 40,
            partition_bytes_max: 1 << 20
        }]
    );
    assert_eq!(world.fetcher.buffered_bytes(), 0);
}

#[test]
fn batches_that_all_lie_below_the_position_end_in_an_error_and_not_in_a_loop() {
    let mut world = world();
    world.fetcher.seek(&tp(0), Cursor::at(100));
    let mut waits = 0;
    for _ in 0..3 {
        world.step(data(0, &[Spec::data(0, &["old"]).bytes()]));
        if world.fetcher.poll_timeout().is_some() {
            world.assert_quiet();
            world.advance_to_timeout();
            waits += 1;
        }
    }
    assert!(waits > 0, "and slowly");
    assert!(matches!(
        world.failures()[..],
        [FetchError::NoProgress { position: 100, .. }]
    ));
    assert_eq!(world.position(0), 100);
}

#[test]
fn a_stall_that_passes_is_forgotten() {
    let mut world = world();
    for base in 0..10 {
        for _ in 0..2 {
            world.step(data(0, &[Spec::data(base, &["cut"]).bytes().slice(..30)]));
            if world.fetcher.poll_timeout().is_some() {
                world.advance_to_timeout();
            }
        }
        world.step(data(0, &[Spec::data(base, &["whole"]).bytes()]));
    }
    assert_eq!(
        (world.offsets(), world.failures()),
        ((0..10).collect(), vec![])
    );
}

#[test]
fn a_broker_that_answers_at_once_with_nothing_is_not_asked_in_a_loop() {
    let mut world = world();
    let mut asked = 0;
    while let Some(fetch) = world.try_fetch() {
        asked += 1;
        assert!(asked < 10, "asked without a pause");
        world.answer(fetch.id, vec![data(0, &[])]);
        world.advance(ms(1));
    }
    assert!(world.advance_to_timeout() >= ms(50));
    // One answer with records, and it is trusted again.
    world.step(data(0, &[Spec::data(0, &["a"]).bytes()]));
    world.step(data(0, &[]));
    world.fetch();
}

#[test]
fn a_long_poll_that_ends_empty_in_its_time_is_repeated_at_once() {
    let mut world = world();
    for _ in 0..20 {
        let fetch = world.fetch();
        world.advance(fetch.wait);
        world.answer(fetch.id, vec![data(0, &[])]);
    }
}

#[test]
fn a_partition_that_is_missing_from_the_answer_is_asked_again_after_a_wait() {
    let mut world = world();
    let fetch = world.fetch();
    world.answer(fetch.id, vec![]);
    world.assert_quiet();
    assert!(world.advance_to_timeout() >= ms(80));
    assert_eq!(world.fetch().indexes(), [0]);
}

#[test]
fn a_preferred_replica_we_did_not_ask_for_is_not_followed_and_not_a_loop() {
    let mut world = world();
    let fetch = world.fetch();
    world.answer(
        fetch.id,
        vec![PartitionData {
            preferred_read_replica: 99,
            ..data(0, &[])
        }],
    );
    world.assert_quiet();
    world.advance_to_timeout();
    assert_eq!(world.fetch().node, 1);
}

#[test]
fn a_refused_fetch_backs_off_further_each_time() {
    for code in [
        ErrorCode::UNKNOWN_SERVER_ERROR,
        ErrorCode::FETCH_SESSION_ID_NOT_FOUND,
        ErrorCode::INVALID_REQUEST,
        ErrorCode(999),
    ] {
        let mut world = World::reading(FetchConfig::default(), &[1, 1]);
        let mut waits = Vec::new();
        for _ in 0..4 {
            let fetch = world.fetch();
            assert_eq!(fetch.indexes(), [0, 1], "they come back together");
            let refused = milena_wire::messages::FetchResponse {
                error_code: code,
                ..response(vec![])
            };
            world.answer_with(fetch.id, &refused, &[]);
            world.assert_quiet();
            waits.push(world.advance_to_timeout());
        }
        assert!(
            waits.is_sorted() && waits[0] >= ms(80) && waits[3] >= ms(400),
            "{code}: {waits:?}"
        );
        assert_eq!(world.failures(), [], "{code}");
    }
}

#[test]
fn a_refused_fetch_refreshes_the_metadata_if_they_are_at_fault() {
    for (code, refreshes) in [
        (ErrorCode::UNKNOWN_TOPIC_ID, 1),
        (ErrorCode::UNKNOWN_SERVER_ERROR, 0),
    ] {
        let mut world = world();
        let fetch = world.fetch();
        let refused = milena_wire::messages::FetchResponse {
            error_code: code,
            ..response(vec![])
        };
        world.answer_with(fetch.id, &refused, &[]);
        assert_eq!(world.refreshes(), refreshes, "{code}");
    }
}

#[test]
fn a_fetch_that_may_not_be_sent_at_all_fails_its_partitions() {
    let mut world = world();
    let fetch = world.fetch();
    let refused = milena_wire::messages::FetchResponse {
        error_code: ErrorCode::TOPIC_AUTHORIZATION_FAILED,
        ..response(vec![])
    };
    world.answer_with(fetch.id, &refused, &[]);
    assert_eq!(world.failures(), [FetchError::TopicAuthorization]);
    world.assert_quiet();
}

#[test]
fn a_partition_whose_batch_was_cut_short_comes_first_the_next_time() {
    let mut world = World::reading(FetchConfig::default(), &[1, 1]);
    // Partition 1 had records last, so it would come last.
    let fetch = world.fetch();
    world.answer(
        fetch.id,
        vec![data(1, &[Spec::data(0, &["a"]).bytes()]), data(0, &[])],
    );
    world.advance(fetch.wait);
    world.decode();
    let fetch = world.fetch();
    assert_eq!(fetch.indexes(), [0, 1]);
    world.answer(
        fetch.id,
        vec![
            data(0, &[]),
            data(1, &[Spec::data(1, &["b"]).bytes().slice(..30)]),
        ],
    );
    world.decode();
    assert_eq!(world.fetch().indexes(), [1, 0]);
}
