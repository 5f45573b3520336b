//! How long errors are waited out, and what ends a wait.

use milena_cluster::{BrokerAddress, LeaderEpoch, NodeId};
use milena_consumer::{Cursor, FetchConfig, FetchEvent, StartPosition};
use milena_wire::ErrorCode;
use milena_wire::messages::{
    FetchLeaderIdAndEpoch, FetchNodeEndpoint, FetchResponse, PartitionData,
};

use crate::batch::Spec;
use crate::world::{World, data, ms, refused, response, tp};

fn world() -> World {
    World::reading(FetchConfig::default(), &[1])
}

#[test]
fn waits_grow_while_it_fails_and_begin_anew_when_it_does_not() {
    let mut world = world();
    let mut waits = Vec::new();
    for _ in 0..4 {
        world.step(refused(0, ErrorCode::NOT_LEADER_OR_FOLLOWER));
        waits.push(world.advance_to_timeout());
    }
    assert!(waits.is_sorted() && waits[3] >= ms(600), "{waits:?}");
    world.step(data(0, &[Spec::data(0, &["a"]).bytes()]));
    world.step(refused(0, ErrorCode::NOT_LEADER_OR_FOLLOWER));
    assert!(world.advance_to_timeout() <= ms(120));
}

#[test]
fn many_errors_in_one_answer_refresh_once() {
    let mut world = World::reading(FetchConfig::default(), &[1, 1, 1]);
    let fetch = world.fetch();
    world.answer(
        fetch.id,
        (0..3)
            .map(|partition| refused(partition, ErrorCode::NOT_LEADER_OR_FOLLOWER))
            .collect(),
    );
    assert_eq!(world.refreshes(), 1);
    world.advance_to_timeout();
    assert_eq!(world.fetch().indexes().len(), 3, "and come back together");
}

#[test]
fn a_leader_named_in_the_refusal_is_passed_on_and_asked_at_once() {
    let mut world = world();
    let refusal = PartitionData {
        current_leader: FetchLeaderIdAndEpoch {
            leader_id: 2,
            leader_epoch: 8,
        },
        ..refused(0, ErrorCode::NOT_LEADER_OR_FOLLOWER)
    };
    let endpoint = |host, port| FetchNodeEndpoint {
        node_id: 2,
        host,
        port,
        rack: None,
    };
    let answer = FetchResponse {
        node_endpoints: vec![endpoint("broker-2", 9092)],
        ..response(vec![refusal.clone()])
    };
    let fetch = world.fetch();
    world.answer_with(fetch.id, &answer, &[]);
    let hints = world.take(|event| matches!(event, FetchEvent::LeaderHint { .. }));
    let [
        FetchEvent::LeaderHint {
            node,
            epoch,
            endpoint: Some(address),
            ..
        },
    ] = &hints[..]
    else {
        panic!("{hints:?}")
    };
    assert_eq!(
        (*node, *epoch, address),
        (
            NodeId(2),
            LeaderEpoch(8),
            &BrokerAddress::new("broker-2", 9092)
        )
    );
    world.lead(0, 2, 8);
    let fetch = world.fetch();
    assert_eq!(fetch.node, 2);
    // Two brokers that name each other must not send us to and fro.
    let answer = FetchResponse {
        node_endpoints: vec![endpoint("", 0)],
        ..response(vec![refusal])
    };
    world.answer_with(fetch.id, &answer, &[]);
    let hints = world.take(|event| matches!(event, FetchEvent::LeaderHint { .. }));
    assert!(
        matches!(hints[..], [FetchEvent::LeaderHint { endpoint: None, .. }]),
        "nobody listens at port 0"
    );
    world.assert_quiet();
    assert!(world.fetcher.poll_timeout().is_some());
}

#[test]
fn a_partition_without_a_leader_asks_for_new_metadata_now_and_then() {
    let mut world = World::new(FetchConfig::default());
    world.fetcher.assign(tp(0), StartPosition::Offset(0));
    world.assert_quiet();
    assert_eq!(world.refreshes(), 0, "at the start they are on their way");
    let mut waits = Vec::new();
    for _ in 0..4 {
        waits.push(world.advance_to_timeout());
        world.assert_quiet();
        assert_eq!(world.refreshes(), 1);
        world.assert_quiet();
        assert_eq!(world.refreshes(), 0);
    }
    assert!(waits.is_sorted() && waits[3] >= ms(600), "{waits:?}");
    world.lead(0, 1, 0);
    assert_eq!(world.fetch().node, 1, "without waiting");
    assert_eq!(world.fetcher.poll_timeout(), None);
}

#[test]
fn a_time_that_has_come_does_not_stay() {
    // An engine that sleeps until `poll_timeout` would never sleep again.
    let config = FetchConfig {
        partition_bytes_max: 500,
        ..FetchConfig::default()
    };
    let mut world = World::reading(config, &[1]);
    world.step(data(
        0,
        &[
            Spec::data(0, &[&"x".repeat(500)]).bytes(),
            Spec::data(1, &["b"]).bytes().slice(..9),
        ],
    ));
    world.fetcher.retry(&tp(0));
    world.advance(ms(5_000));
    world.assert_quiet();
    assert!(world.fetcher.poll_timeout().is_none_or(|at| at > world.now));
    world.lead(1, 1, 0);
    world.fetcher.assign(tp(1), StartPosition::Offset(0));
    let fetch = world.fetch();
    world.answer(
        fetch.id,
        vec![refused(1, ErrorCode::NOT_LEADER_OR_FOLLOWER)],
    );
    world.leaders.clear();
    world.advance(ms(5_000));
    world.assert_quiet();
    assert!(world.fetcher.poll_timeout().is_none_or(|at| at > world.now));
}

#[test]
fn a_wait_ends_when_a_newer_leader_is_known() {
    let refuse: [fn(&mut World); 2] = [
        |world| world.step(refused(0, ErrorCode::NOT_LEADER_OR_FOLLOWER)),
        |world| {
            let fetch = world.fetch();
            world.lose(fetch.id);
        },
    ];
    for refuse in refuse {
        let mut world = world();
        world.lead(0, 1, 5);
        refuse(&mut world);
        // Neither another node of the same epoch nor older knowledge is news.
        world.lead(0, 2, 5);
        world.assert_quiet();
        world.lead(0, 2, 4);
        world.assert_quiet();
        world.lead(0, 2, 6);
        let fetch = world.fetch();
        assert_eq!((fetch.node, world.fetcher.poll_timeout()), (2, None));
        world.lose(fetch.id);
        world.assert_quiet();
        assert!(
            world.advance_to_timeout() >= ms(160),
            "it is still the second failure in a row"
        );
    }
}

#[test]
fn an_answer_without_records_ends_the_row_of_failures() {
    let mut world = world();
    for _ in 0..4 {
        world.step(refused(0, ErrorCode::NOT_LEADER_OR_FOLLOWER));
        world.advance_to_timeout();
    }
    world.step(data(0, &[]));
    world.step(refused(0, ErrorCode::NOT_LEADER_OR_FOLLOWER));
    assert!(world.advance_to_timeout() <= ms(120));
}

#[test]
fn a_command_ends_the_wait_and_the_row_of_failures() {
    let mut world = world();
    for _ in 0..4 {
        world.step(refused(0, ErrorCode::NOT_LEADER_OR_FOLLOWER));
        world.fetcher.seek(&tp(0), Cursor::at(0));
        assert_eq!(world.fetcher.poll_timeout(), None);
    }
    world.step(refused(0, ErrorCode::NOT_LEADER_OR_FOLLOWER));
    assert!(
        world
            .fetcher
            .poll_timeout()
            .is_some_and(|at| at - world.now <= ms(120))
    );
    world.fetcher.unassign(&tp(0));
    assert_eq!(world.fetcher.poll_timeout(), None);
}
