//! Finding a start: ListOffsets.

use milena_cluster::{LeaderEpoch, Outcome, SendFailure};
use milena_consumer::{Cursor, FetchConfig, FetchError, StartPosition};
use milena_wire::ErrorCode;
use milena_wire::messages::ListOffsetsResponse;

use crate::world::{World, ms, tp};

fn starting(start: StartPosition) -> World {
    let mut world = World::new(FetchConfig::default());
    world.lead(0, 1, 4);
    world.fetcher.assign(tp(0), start);
    world
}

#[test]
fn the_ends_of_the_log_are_asked_for_before_records_are() {
    for (start, timestamp) in [(StartPosition::Earliest, -2), (StartPosition::Latest, -1)] {
        let mut world = starting(start);
        assert_eq!(world.fetcher.position(&tp(0)), None);
        let list = world.list();
        assert_eq!(list.partitions, [(tp(0), timestamp)]);
        world.assert_quiet();
        world.listed(list.id, 0, ErrorCode::NONE, 17, 3);
        let found = Cursor {
            position: 17,
            leader_epoch: LeaderEpoch(3),
        };
        assert_eq!((world.moves(), world.cursor(0)), (vec![found], found));
        let asked = world.fetch().partitions.remove(0);
        assert_eq!(
            (
                asked.position,
                asked.leader_epoch,
                asked.current_leader_epoch
            ),
            (17, LeaderEpoch(3), LeaderEpoch(4))
        );
    }
}

#[test]
fn an_offset_needs_no_question() {
    assert_eq!(
        starting(StartPosition::Offset(5)).fetch().partitions[0].position,
        5
    );
    let cursor = Cursor {
        position: 6,
        leader_epoch: LeaderEpoch(2),
    };
    assert_eq!(
        starting(StartPosition::Cursor(cursor)).fetch().partitions[0].leader_epoch,
        LeaderEpoch(2)
    );
}

#[test]
fn partitions_of_one_node_are_asked_for_together() {
    let mut world = World::new(FetchConfig::default());
    for partition in 0..4 {
        world.lead(partition, 1 + partition % 2, 0);
        let start = if partition < 2 {
            StartPosition::Earliest
        } else {
            StartPosition::Latest
        };
        world.fetcher.assign(tp(partition), start);
    }
    assert_eq!(world.list().partitions, [(tp(0), -2), (tp(2), -1)]);
    assert_eq!(world.list().partitions, [(tp(1), -2), (tp(3), -1)]);
}

#[test]
fn a_question_that_is_refused_or_lost_is_repeated_after_a_wait() {
    for code in [
        ErrorCode::NOT_LEADER_OR_FOLLOWER,
        ErrorCode::OFFSET_NOT_AVAILABLE,
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode::FENCED_LEADER_EPOCH,
        ErrorCode::LEADER_NOT_AVAILABLE,
    ] {
        let mut world = starting(StartPosition::Latest);
        let mut waits = Vec::new();
        for _ in 0..3 {
            let list = world.list();
            world.listed(list.id, 0, code, -1, -1);
            assert_eq!(world.refreshes(), 1, "{code}");
            world.assert_quiet();
            waits.push(world.advance_to_timeout());
        }
        assert!(waits.is_sorted() && waits[0] >= ms(80), "{code}: {waits:?}");
        assert_eq!(world.list().partitions, [(tp(0), -1)], "{code}");
    }
    let mut world = starting(StartPosition::Earliest);
    let list = world.list();
    world.fetcher.handle_list_offsets(
        world.now,
        list.id,
        Outcome::Unsure(SendFailure::ConnectionClosed),
    );
    assert_eq!(world.refreshes(), 1);
    world.assert_quiet();
    world.advance_to_timeout();
    assert_eq!(world.list().partitions, [(tp(0), -2)]);
}

#[test]
fn an_answer_without_the_partition_or_without_an_offset_is_no_answer() {
    let mut world = starting(StartPosition::Earliest);
    let list = world.list();
    world.fetcher.handle_list_offsets(
        world.now,
        list.id,
        Outcome::Answered(&ListOffsetsResponse::default()),
    );
    world.assert_quiet();
    world.advance_to_timeout();
    let list = world.list();
    world.listed(list.id, 0, ErrorCode::NONE, -1, -1);
    world.assert_quiet();
    world.advance_to_timeout();
    let list = world.list();
    world.listed(list.id, 5, ErrorCode::NONE, 99, 0);
    world.assert_quiet();
    assert_eq!(world.fetcher.position(&tp(0)), None);
}

#[test]
fn a_topic_that_may_not_be_described_fails_and_is_asked_for_again_on_request() {
    let mut world = starting(StartPosition::Latest);
    let list = world.list();
    world.listed(list.id, 0, ErrorCode::TOPIC_AUTHORIZATION_FAILED, -1, -1);
    assert_eq!(world.failures(), [FetchError::TopicAuthorization]);
    world.assert_quiet();
    world.fetcher.retry(&tp(0));
    assert_eq!(world.list().partitions, [(tp(0), -1)]);
}

#[test]
fn a_seek_overtakes_the_question() {
    let mut world = starting(StartPosition::Latest);
    let list = world.list();
    world.fetcher.seek(&tp(0), Cursor::at(3));
    assert_eq!(world.fetch().partitions[0].position, 3);
    world.listed(list.id, 0, ErrorCode::NONE, 99, 0);
    assert_eq!((world.position(0), world.moves()), (3, vec![]));
}

#[test]
fn an_answer_for_a_former_assignment_is_void() {
    let mut world = starting(StartPosition::Latest);
    let old = world.list();
    world.fetcher.assign(tp(0), StartPosition::Earliest);
    let new = world.list();
    world.listed(old.id, 0, ErrorCode::NONE, 99, 0);
    assert_eq!(world.fetcher.position(&tp(0)), None);
    world.listed(new.id, 0, ErrorCode::NONE, 0, 0);
    assert_eq!(world.position(0), 0);
}
